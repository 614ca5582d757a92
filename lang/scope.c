/* SPDX-License-Identifier: MIT
 * A stack of names with a hash over it. */
#include "lang/scope.h"

#include <string.h>

static unsigned hash_of(const char *name)
{
    unsigned h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619u;
    return h;
}

void lang__names_init(lang__names *n, lang__arena *arena)
{
    memset(n, 0, sizeof *n);
    n->arena = arena;
}

void lang__names_enter(lang__names *n)
{
    n->level++;
}

void lang__names_leave(lang__names *n)
{
    while (n->count && n->items[n->count - 1].level == n->level) {
        lang__entry *e = &n->items[--n->count];
        n->heads[e->hash % LANG__SCOPE_BUCKETS] = e->next;
    }
    n->level--;
}

/* Entries are reused after a block ends, so the array grows by `room`. */
static bool grow(lang__names *n)
{
    int room = n->room ? n->room * 2 : 32;
    lang__entry *items = lang__arena_get(n->arena,
                                         (size_t)room * sizeof *items);
    if (n->arena->failed)
        return false;
    if (n->count)
        memcpy(items, n->items, (size_t)n->count * sizeof *items);
    n->items = items;
    n->room = room;
    return true;
}

void lang__names_add(lang__names *n, lang__local *l)
{
    if (n->count == n->room && !grow(n))
        return;
    unsigned hash = hash_of(l->name);
    int *head = &n->heads[hash % LANG__SCOPE_BUCKETS];
    n->items[n->count] = (lang__entry){l, n->level, *head, hash};
    *head = ++n->count;
}

lang__local *lang__names_find(const lang__names *n, const char *name)
{
    unsigned hash = hash_of(name);
    int i = n->heads[hash % LANG__SCOPE_BUCKETS];
    for (; i; i = n->items[i - 1].next) {
        const lang__entry *e = &n->items[i - 1];
        if (e->hash == hash && !strcmp(e->local->name, name))
            return e->local;
    }
    return NULL;
}

lang__local *lang__names_here(const lang__names *n, const char *name)
{
    unsigned hash = hash_of(name);
    int i = n->heads[hash % LANG__SCOPE_BUCKETS];
    for (; i; i = n->items[i - 1].next) {
        const lang__entry *e = &n->items[i - 1];
        if (e->hash == hash && !strcmp(e->local->name, name))
            return e->level == n->level ? e->local : NULL;
    }
    return NULL;
}

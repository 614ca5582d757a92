/* SPDX-License-Identifier: MIT
 * The table of session names that questions are answered from. */
#include "lang/lang.h"

#include <string.h>

struct lang_symbols {
    lang_symbol *items;      /* the texts of one share a block at `name` */
    int count, room;
};

enum { FIELDS = sizeof(lang_symbol) / sizeof(const char *) };

lang_symbols *lang_symbols_new(void)
{
    lang_symbols *t = rt_alloc(sizeof *t);
    if (t)
        *t = (lang_symbols){0};
    return t;
}

void lang_symbols_free(lang_symbols *t)
{
    if (!t)
        return;
    for (int i = 0; i < t->count; i++)
        rt_free((char *)t->items[i].name);
    rt_free(t->items);
    rt_free(t);
}

/* All fields are texts, so that a symbol is an array of them. */
static bool copy(lang_symbol *out, const lang_symbol *s)
{
    const char *from[FIELDS], *to[FIELDS];
    size_t size = 0;
    memcpy(from, s, sizeof from);
    for (int i = 0; i < (int)FIELDS; i++) {
        from[i] = from[i] ? from[i] : "";
        size += strlen(from[i]) + 1;
    }
    char *at = rt_alloc(size);
    if (!at)
        return false;
    for (int i = 0; i < (int)FIELDS; i++) {
        size_t n = strlen(from[i]) + 1;
        to[i] = memcpy(at, from[i], n);
        at += n;
    }
    memcpy(out, to, sizeof to);
    return true;
}

rt_status lang_symbols_add(lang_symbols *t, const lang_symbol *symbol,
                           rt_error *err)
{
    if (t->count == t->room) {
        int room = t->room ? t->room * 2 : 16;
        lang_symbol *grown = rt_realloc(t->items,
                                        (size_t)room * sizeof *grown);
        if (!grown)
            return rt_fail(err, RT_E_MEMORY, "symbols: no memory for %d rows",
                           room);
        t->items = grown;
        t->room = room;
    }
    if (!copy(&t->items[t->count], symbol))
        return rt_fail(err, RT_E_MEMORY, "symbols: no memory for a name");
    t->count++;
    return RT_OK;
}

rt_status lang_symbols_set(lang_symbols *t, int i, const lang_symbol *symbol,
                           rt_error *err)
{
    lang_symbol row;
    if (i < 0 || i >= t->count)
        return lang_symbols_add(t, symbol, err);
    if (!copy(&row, symbol))
        return rt_fail(err, RT_E_MEMORY, "symbols: no memory for a name");
    rt_free((char *)t->items[i].name);
    t->items[i] = row;
    return RT_OK;
}

void lang_symbols_cut(lang_symbols *t, int n)
{
    while (t->count > n)
        rt_free((char *)t->items[--t->count].name);
}

int lang_symbols_count(const lang_symbols *t)
{
    return t ? t->count : 0;
}

lang_symbol lang_symbols_at(const lang_symbols *t, int i)
{
    if (!t || i < 0 || i >= t->count)
        return (lang_symbol){"", "", "", "", "", ""};
    return t->items[i];
}

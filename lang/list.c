/* SPDX-License-Identifier: MIT
 * Lists: one element type, eight bytes an element. */
#include "lang/value.h"

#include <string.h>

enum { MAX_ITEMS = 1 << 25 };

static bool counted(const lang_list *l)
{
    return lang__type_counted(l->element);
}

static uint8_t element_kind(const lang_list *l)
{
    return l->element.depth ? LANG_LIST : l->element.kind;
}

static void box_release(lang__box *box)
{
    if (box && --box->head.count == 0) {
        lang__release(&box->value);
        rt_free(box);
    }
}

static void word_release(const lang_list *l, lang__word w)
{
    if (!w.p || !counted(l))
        return;
    if (element_kind(l) == LANG__ANY) {
        box_release(w.p);
        return;
    }
    lang__value v = {.kind = element_kind(l), .p = w.p};
    lang__release(&v);
}

/* The payload with which v is stored, retained. */
static rt_status word_of(lang__word *out, const lang_list *l, lang__value v,
                         rt_error *err)
{
    if (element_kind(l) != LANG__ANY) {
        out->i = v.i;
        if (counted(l))
            lang__retain(v);
        return RT_OK;
    }
    lang__box *box = rt_alloc(sizeof *box);
    if (!box)
        return rt_fail(err, RT_E_MEMORY, "list: no memory for an element");
    *box = (lang__box){{1, LANG__ANY}, lang__retain(v)};
    out->p = box;
    return RT_OK;
}

static rt_status grow(lang_list *l, int64_t count, rt_error *err)
{
    if (count <= l->room)
        return RT_OK;
    if (count > MAX_ITEMS)
        return rt_fail(err, RT_E_LIMIT,
                       "list: %lld elements, but at most %d fit",
                       (long long)count, MAX_ITEMS);
    int64_t room = l->room ? l->room * 2 : 4;
    if (room < count)
        room = count;
    lang__word *items = rt_realloc(l->items, (size_t)room * sizeof *items);
    if (!items)
        return rt_fail(err, RT_E_MEMORY, "list: no memory for %lld elements",
                       (long long)room);
    l->items = items;
    l->room = room;
    return RT_OK;
}

rt_status lang__list_new(lang_list **out, lang__type element, int64_t count,
                         rt_error *err)
{
    lang_list *l = rt_alloc(sizeof *l);
    if (!l)
        return rt_fail(err, RT_E_MEMORY, "list: no memory");
    *l = (lang_list){.head = {1, LANG_LIST}, .element = element};
    rt_status status = grow(l, count, err);
    if (status) {
        rt_free(l);
        return status;
    }
    if (count)
        memset(l->items, 0, (size_t)count * sizeof *l->items);
    l->count = count;
    *out = l;
    return RT_OK;
}

void lang__list_release(lang_list *l)
{
    lang__value v = LANG__LIST_VALUE(l);
    lang__release(&v);
}

void lang__list_clear(lang_list *l)
{
    int64_t n = l->count;
    l->count = 0;   /* first: releasing may look at the list */
    if (!counted(l))
        return;
    for (int64_t i = 0; i < n; i++)
        word_release(l, l->items[i]);
}

lang__value lang__list_at(const lang_list *l, int64_t i)
{
    uint8_t kind = element_kind(l);
    if (kind == LANG__ANY) {
        lang__box *box = l->items[i].p;
        return box ? box->value : LANG__VOID_VALUE;
    }
    return (lang__value){.kind = kind, .i = l->items[i].i};
}

rt_status lang__list_put(lang_list *l, int64_t i, lang__value v, rt_error *err)
{
    lang__word w;
    rt_status status = word_of(&w, l, v, err);
    if (status)
        return status;
    lang__word old = l->items[i];
    l->items[i] = w;
    word_release(l, old);
    return RT_OK;
}

rt_status lang__list_insert(lang_list *l, int64_t at, lang__value v,
                            rt_error *err)
{
    lang__word w;
    rt_status status = grow(l, l->count + 1, err);
    if (!status)
        status = word_of(&w, l, v, err);
    if (status)
        return status;
    memmove(l->items + at + 1, l->items + at,
            (size_t)(l->count - at) * sizeof *l->items);
    l->items[at] = w;
    l->count++;
    return RT_OK;
}

rt_status lang__list_add(lang_list *l, lang__value v, rt_error *err)
{
    return lang__list_insert(l, l->count, v, err);
}

void lang__list_remove(lang_list *l, int64_t i, lang__value *out)
{
    *out = lang__list_at(l, i);
    if (element_kind(l) == LANG__ANY) {
        lang__retain(*out);
        word_release(l, l->items[i]);
    }
    l->count--;
    memmove(l->items + i, l->items + i + 1,
            (size_t)(l->count - i) * sizeof *l->items);
}

/* Copies n words from `from` by `step` to the end; room is there. */
static void append(lang_list *l, const lang_list *from, int64_t start,
                   int64_t step, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        lang__word w = from->items[start + i * step];
        if (element_kind(l) == LANG__ANY && w.p)
            ((lang__box *)w.p)->head.count++;
        else if (counted(l))
            lang__retain((lang__value){.kind = element_kind(l), .p = w.p});
        l->items[l->count++] = w;
    }
}

rt_status lang__list_slice(lang_list **out, const lang_list *l, int64_t start,
                           int64_t step, int64_t n, rt_error *err)
{
    rt_status status = lang__list_new(out, l->element, n, err);
    if (status)
        return status;
    (*out)->count = 0;
    append(*out, l, start, step, n);
    return RT_OK;
}

rt_status lang__list_join(lang_list **out, const lang_list *a,
                          const lang_list *b, rt_error *err)
{
    rt_status status = lang__list_new(out, a->element, a->count + b->count, err);
    if (status)
        return status;
    (*out)->count = 0;
    append(*out, a, 0, 1, a->count);
    append(*out, b, 0, 1, b->count);
    return RT_OK;
}

/* --- as hosts see them ------------------------------------------------------ */

rt_status lang_list_new(lang_list **out, lang_type_kind element, rt_error *err)
{
    lang__type type = LANG__TYPE((uint8_t)element);
    if (element == LANG_HOST || element == LANG_VOID)
        type.kind = LANG__ANY;
    else if (element == LANG_LIST)
        type = (lang__type){LANG__ANY, 1};   /* the first push decides */
    return lang__list_new(out, type, 0, err);
}

rt_status lang_list_push(lang_list *l, lang_value v, rt_error *err)
{
    lang__value own;
    rt_status status = lang__value_import(&own, &v, NULL, err);
    if (status)
        return status;
    if (own.kind == LANG_INT && element_kind(l) == LANG_FLOAT)
        own = LANG__FLOAT_VALUE((double)own.i);
    bool nested = own.kind == LANG_LIST && l->element.depth > 0;
    if (nested && l->count == 0)
        l->element = lang__value_type(own);
    if (nested ? !lang__type_equal(lang__value_type(own), l->element)
               : own.kind != element_kind(l) && element_kind(l) != LANG__ANY)
        status = rt_fail(err, RT_E_TYPE,
                         "list: an element of another type than the others");
    if (!status)
        status = lang__list_add(l, own, err);
    lang__release(&own);
    return status;
}

int64_t lang_list_length(const lang_list *l)
{
    return l->count;
}

lang_value lang_list_get(const lang_list *l, int64_t i)
{
    lang__value v = lang__list_at(l, i);
    lang_value r = {.kind = (lang_type_kind)v.kind};
    if (v.kind == LANG_BOOL)
        r.b = v.i != 0;
    else if (v.kind == LANG_STRING)
        r.s = v.s ? v.s->text : (char *)"";
    else if (v.kind == LANG_HOST)
        r.object = v.foreign->object;
    else if (v.kind == LANG_OPTIMIZER)
        r.optimizer = v.optim ? v.optim->made : NULL;
    else if (v.kind == LANG_FLOAT)
        r.f = v.f;
    else if (v.kind == LANG_INT || v.kind == LANG_DTYPE)
        r.i = v.i;
    else
        r.object = v.p;
    return r;
}

lang_type_kind lang_list_element(const lang_list *l)
{
    uint8_t kind = element_kind(l);
    return kind < LANG_TYPE_COUNT ? (lang_type_kind)kind : LANG_HOST;
}

/* SPDX-License-Identifier: MIT
 * Counting references, strings, and values at the border to hosts. */
#include "lang/value.h"

#include <string.h>

static void closure_free(lang__closure *c)
{
    rt_free((char *)c->callee.name);
    rt_free(c);
}

static void plot_free(lang__plot *p)
{
    for (int i = 0; i < p->nseries; i++) {
        rt_free(p->names[i]);
        lang__list_release(p->series[i]);
    }
    rt_free(p->names);
    rt_free(p->series);
    rt_free(p);
}

static void foreign_free(lang__foreign *f)
{
    if (f->host.release)
        f->host.release(f->host.ctx, f->object);
    rt_free(f);
}

static void optim_free(lang__optim *o)
{
    for (int i = 0; i < o->nargs; i++) {
        if (o->args[i].kind == RT_K_FLOATS)
            rt_free((void *)o->args[i].floats);
        if (o->args[i].kind == RT_K_STRING)
            rt_free((void *)o->args[i].s);
    }
    rt_optimizer_release(o->made);
    rt_free(o);
}

static void object_free(uint8_t kind, void *p)
{
    switch (kind) {
    case LANG_STRING:
        rt_free(p);
        break;
    case LANG_LIST:
        lang__list_clear(p);
        rt_free(((lang_list *)p)->items);
        rt_free(p);
        break;
    case LANG_FUNCTION: closure_free(p); break;
    case LANG_HISTORY:
        rt_history_dispose(&((lang__record *)p)->history);
        rt_free(p);
        break;
    case LANG_PLOT: plot_free(p); break;
    case LANG_HOST: foreign_free(p); break;
    case LANG_OPTIMIZER: optim_free(p); break;
    case LANG__ITERATOR: lang__iterator_free(p); break;
    default: rt_free(p);
    }
}

void lang__retain_slow(lang__value v)
{
    switch (v.kind) {
    case LANG_DTYPE: break;
    case LANG_TENSOR: rt_retain(v.t); break;
    case LANG_MODULE: rt_module_retain(v.m); break;
    case LANG_SCHEDULER: rt_scheduler_retain(v.scheduler); break;
    case LANG_DATASET: rt_dataset_retain(v.dataset); break;
    case LANG_LOADER: rt_loader_retain(v.loader); break;
    case LANG_GENERATOR: rt_generator_retain(v.generator); break;
    default: v.o->count++;
    }
}

void lang__release_slow(uint8_t kind, void *p)
{
    switch (kind) {
    case LANG_DTYPE: break;
    case LANG_TENSOR: rt_release(p); break;
    case LANG_MODULE: rt_module_release(p); break;
    case LANG_SCHEDULER: rt_scheduler_release(p); break;
    case LANG_DATASET: rt_dataset_release(p); break;
    case LANG_LOADER: rt_loader_release(p); break;
    case LANG_GENERATOR: rt_generator_release(p); break;
    default:
        if (--((lang__object *)p)->count == 0)
            object_free(kind, p);
    }
}

rt_status lang__default_value(lang__value *out, lang__type type, rt_error *err)
{
    lang__value v = {.kind = (uint8_t)lang__type_outer(type)};
    rt_status status = RT_OK;
    if (type.depth > 0) {
        v.kind = LANG_LIST;
        status = lang__list_new(&v.l, lang__type_element(type), 0, err);
    } else if (type.kind == LANG_STRING) {
        status = lang__string_new(&v.s, "", 0, err);
    } else if (type.kind == LANG__ANY) {
        v.kind = LANG_VOID;
    }
    if (!status)
        *out = v;
    return status;
}

lang__type lang__value_type(lang__value v)
{
    if (v.kind == LANG_LIST && v.l)
        return (lang__type){v.l->element.kind, (uint8_t)(v.l->element.depth + 1)};
    return LANG__TYPE(v.kind);
}

const char *lang__value_kind(char out[48], lang__value v)
{
    if (v.kind == LANG_VOID) {
        strcpy(out, "None");
        return out;
    }
    return lang__type_text(out, lang__value_type(v));
}

/* --- strings ---------------------------------------------------------------- */

enum { MAX_STRING = 1 << 26 };

static rt_status string_room(lang__string **out, size_t size, size_t room,
                             rt_error *err)
{
    if (size > MAX_STRING)
        return rt_fail(err, RT_E_LIMIT,
                       "string: %zu bytes, but at most %d fit", size,
                       MAX_STRING);
    lang__string *s = rt_alloc(sizeof *s + room + 1);
    if (!s)
        return rt_fail(err, RT_E_MEMORY, "string: no memory for %zu bytes",
                       size);
    s->head = (lang__object){1, LANG_STRING};
    s->size = (uint32_t)size;
    s->room = (uint32_t)room;
    s->length = -1;
    s->text[size] = 0;
    *out = s;
    return RT_OK;
}

rt_status lang__string_new(lang__string **out, const char *text, size_t size,
                           rt_error *err)
{
    rt_status status = string_room(out, size, size, err);
    if (!status)
        memcpy((*out)->text, text, size);
    return status;
}

rt_status lang__string_take(lang__string **out, char *text, rt_error *err)
{
    rt_status status = lang__string_new(out, text ? text : "",
                                        text ? strlen(text) : 0, err);
    rt_free(text);
    return status;
}

int64_t lang__string_length(lang__string *s)
{
    if (s->length < 0)
        s->length = lang__utf8_count(s->text, s->size);
    return s->length;
}

size_t lang__string_offset(lang__string *s, int64_t at)
{
    if (lang__string_length(s) == s->size)
        return (size_t)at;
    return lang__utf8_offset(s->text, s->size, (int)at);
}

rt_status lang__string_join(lang__string **out, lang__string *a,
                            lang__string *b, bool reuse, rt_error *err)
{
    size_t size = (size_t)a->size + b->size;
    if (reuse && a->head.count == 1 && a != b && size <= a->room) {
        memcpy(a->text + a->size, b->text, b->size);
        a->size = (uint32_t)size;
        a->text[size] = 0;
        a->length = -1;
        a->head.count++;
        *out = a;
        return RT_OK;
    }
    rt_status status = string_room(out, size, reuse ? size * 2 : size, err);
    if (status)
        return status;
    memcpy((*out)->text, a->text, a->size);
    memcpy((*out)->text + a->size, b->text, b->size);
    return RT_OK;
}

int lang__string_compare(const lang__string *a, const lang__string *b)
{
    size_t n = a->size < b->size ? a->size : b->size;
    int order = memcmp(a->text, b->text, n);
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

/* --- any two values --------------------------------------------------------- */

static double number_of(lang__value v)
{
    return v.kind == LANG_FLOAT ? v.f : (double)v.i;
}

static bool is_number(lang__value v)
{
    return v.kind >= LANG_BOOL && v.kind <= LANG_FLOAT;
}

static bool lists_equal(const lang_list *a, const lang_list *b)
{
    if (a == b)
        return true;
    if (a->count != b->count)
        return false;
    for (int64_t i = 0; i < a->count; i++) {
        if (!lang__values_equal(lang__list_at(a, i), lang__list_at(b, i)))
            return false;
    }
    return true;
}

bool lang__values_equal(lang__value a, lang__value b)
{
    if (is_number(a) && is_number(b)) {
        if (a.kind == LANG_FLOAT || b.kind == LANG_FLOAT)
            return number_of(a) == number_of(b);
        return a.i == b.i;
    }
    if (a.kind != b.kind)
        return false;
    if (a.kind == LANG_VOID)
        return true;
    if (a.kind == LANG_STRING && a.s && b.s)
        return lang__string_compare(a.s, b.s) == 0;
    if (a.kind == LANG_LIST && a.l && b.l)
        return lists_equal(a.l, b.l);
    return a.p == b.p;
}

int lang__values_compare(lang__value a, lang__value b)
{
    if (is_number(a) && is_number(b)) {
        if (a.kind != LANG_FLOAT && b.kind != LANG_FLOAT)
            return (a.i > b.i) - (a.i < b.i);
        double x = number_of(a), y = number_of(b);
        return (x > y) - (x < y);
    }
    if (a.kind == LANG_STRING && b.kind == LANG_STRING)
        return lang__string_compare(a.s, b.s);
    if (a.kind != LANG_LIST || b.kind != LANG_LIST)
        return 0;
    int64_t n = a.l->count < b.l->count ? a.l->count : b.l->count;
    for (int64_t i = 0; i < n; i++) {
        int order = lang__values_compare(lang__list_at(a.l, i),
                                         lang__list_at(b.l, i));
        if (order)
            return order;
    }
    return (a.l->count > b.l->count) - (a.l->count < b.l->count);
}

/* --- the border to hosts ---------------------------------------------------- */

static rt_status import_foreign(lang__value *out, const lang_value *v,
                                const lang_host *host, rt_error *err)
{
    lang__foreign *f = rt_alloc(sizeof *f);
    if (!f)
        return rt_fail(err, RT_E_MEMORY, "no memory for a host's object");
    *f = (lang__foreign){.head = {1, LANG_HOST}, .object = v->object};
    if (host)
        f->host = *host;
    *out = (lang__value){.kind = LANG_HOST, .foreign = f};
    return RT_OK;
}

static rt_status import_optimizer(lang__value *out, rt_optimizer *o,
                                  rt_error *err)
{
    lang__optim *own = rt_alloc(sizeof *own);
    if (!own)
        return rt_fail(err, RT_E_MEMORY, "no memory for an optimizer");
    *own = (lang__optim){.head = {1, LANG_OPTIMIZER},
                         .made = rt_optimizer_retain(o),
                         .kind = rt_optimizer_kind(o)};
    *out = (lang__value){.kind = LANG_OPTIMIZER, .optim = own};
    return RT_OK;
}

rt_status lang__value_import(lang__value *out, const lang_value *v,
                             const lang_host *host, rt_error *err)
{
    lang__value r = {.kind = (uint8_t)v->kind};
    switch (v->kind) {
    case LANG_VOID: break;
    case LANG_BOOL: r.i = v->b; break;
    case LANG_INT:
    case LANG_DTYPE: r.i = v->i; break;
    case LANG_FLOAT: r.f = v->f; break;
    case LANG_STRING: {
        const char *text = v->s ? v->s : "";
        rt_status status = lang__string_new(&r.s, text, strlen(text), err);
        if (status)
            return status;
        break;
    }
    case LANG_HOST: return import_foreign(out, v, host, err);
    case LANG_OPTIMIZER:
        if (v->optimizer)
            return import_optimizer(out, v->optimizer, err);
        break;
    default:
        r.p = v->object;
        lang__retain(r);
    }
    *out = r;
    return RT_OK;
}

rt_status lang__value_export(lang_value *out, lang__value v, rt_error *err)
{
    lang_value r = {.kind = (lang_type_kind)v.kind};
    switch (v.kind) {
    case LANG_VOID: break;
    case LANG_BOOL: r.b = v.i != 0; break;
    case LANG_INT:
    case LANG_DTYPE: r.i = v.i; break;
    case LANG_FLOAT: r.f = v.f; break;
    case LANG_STRING:
        r.s = rt_strdup(v.s ? v.s->text : "");
        if (!r.s)
            return rt_fail(err, RT_E_MEMORY, "no memory for a string");
        break;
    case LANG_HOST: r.object = v.foreign->object; break;
    case LANG_OPTIMIZER:
        if (v.optim && !v.optim->made)
            return rt_fail(err, RT_E_UNSUPPORTED,
                           "an optimizer without parameters has no meaning "
                           "outside the cell language");
        if (v.optim)
            r.optimizer = rt_optimizer_retain(v.optim->made);
        break;
    default:
        if (!v.p)
            r.kind = LANG_VOID;
        r.object = v.p;
        lang__retain(v);
    }
    *out = r;
    return RT_OK;
}

void lang_value_release(lang_value *v)
{
    lang_value old = *v;
    *v = (lang_value){.kind = LANG_VOID};
    if (old.kind == LANG_STRING) {
        rt_free(old.s);
    } else if (old.kind == LANG_OPTIMIZER) {
        rt_optimizer_release(old.optimizer);
    } else if (old.kind > LANG_FLOAT && old.kind != LANG_DTYPE &&
               old.kind != LANG_HOST && old.object) {
        lang__release_slow((uint8_t)old.kind, old.object);
    }
}

/* SPDX-License-Identifier: MIT
 * One value as another type, where only the run decides whether it can be. */
#include "lang/vm.h"

#include "lang/format.h"
#include "lang/writer.h"

#include <string.h>

static rt_status refuse(lang__value v, lang__type to, rt_error *err)
{
    char have[48], want[48];
    return rt_fail(err, RT_E_TYPE, "%s wanted, but the value is %s",
                   lang__type_text(want, to), lang__value_kind(have, v));
}

/* --- numbers ------------------------------------------------------------------ */

static rt_status float_to_int(lang__value *out, double v, rt_error *err)
{
    if (!(v > -9223372036854775809.0 && v < 9223372036854775808.0))
        return rt_fail(err, RT_E_ARITHMETIC,
                       "int: %g does not fit into 64 bits", v);
    *out = LANG__INT_VALUE((int64_t)v);
    return RT_OK;
}

/* From one number to another. */
static rt_status number(lang__value *out, lang__value v, uint8_t kind,
                        rt_error *err)
{
    double f = v.kind == LANG_FLOAT ? v.f : (double)v.i;
    if (kind == LANG_FLOAT)
        *out = LANG__FLOAT_VALUE(f);
    else if (kind == LANG_BOOL)
        *out = LANG__BOOL_VALUE(v.kind == LANG_FLOAT ? v.f != 0 : v.i != 0);
    else if (v.kind == LANG_FLOAT)
        return float_to_int(out, f, err);
    else
        *out = LANG__INT_VALUE(v.i);
    return RT_OK;
}

static rt_status from_text(lang__value *out, const lang__string *s,
                           uint8_t kind, rt_error *err)
{
    double f;
    int64_t i;
    if (kind == LANG_FLOAT && lang__read_double(&f, s->text)) {
        *out = LANG__FLOAT_VALUE(f);
        return RT_OK;
    }
    if (kind == LANG_INT && lang__read_int(&i, s->text)) {
        *out = LANG__INT_VALUE(i);
        return RT_OK;
    }
    if (kind == LANG_BOOL) {
        *out = LANG__BOOL_VALUE(s->size > 0);
        return RT_OK;
    }
    return rt_fail(err, RT_E_ARGUMENT, "%s: \"%.40s\" is not a number",
                   kind == LANG_INT ? "int" : "float", s->text);
}

static rt_status undefined(rt_error *err)
{
    return rt_fail(err, RT_E_ARGUMENT, "the tensor is undefined: it was "
                   "declared, but never given a value");
}

static rt_status from_tensor(lang__value *out, rt_tensor *t, uint8_t kind,
                             rt_error *err)
{
    if (!t)
        return undefined(err);
    if (rt_tensor_numel(t) != 1) {
        lang__writer w = {0};
        lang__write_shape(&w, rt_tensor_shape(t), rt_tensor_ndim(t));
        rt_fail(err, RT_E_SHAPE,
                "%s: a tensor of shape %s is not one number",
                kind == LANG_BOOL ? "bool" : kind == LANG_INT ? "int" : "float",
                w.data ? w.data : "?");
        rt_error_help(err, "%s", kind == LANG_BOOL
                      ? "reduce it first: x.any() or x.all()"
                      : "pick an element, x[0], or reduce it: x.sum(), x.mean()");
        lang__writer_dispose(&w);
        return RT_E_SHAPE;
    }
    rt_value item;
    rt_status status = rt_tensor_item(&item, t, err);
    if (status)
        return status;
    lang__value v = item.kind == RT_K_FLOAT ? LANG__FLOAT_VALUE(item.f)
                    : item.kind == RT_K_INT ? LANG__INT_VALUE(item.i)
                                            : LANG__BOOL_VALUE(item.b);
    return number(out, v, kind, err);
}

static rt_status to_number(lang__value *out, lang__value v, lang__type to,
                           rt_error *err)
{
    if (v.kind >= LANG_BOOL && v.kind <= LANG_FLOAT)
        return number(out, v, to.kind, err);
    if (v.kind == LANG_TENSOR)
        return from_tensor(out, v.t, to.kind, err);
    if (v.kind == LANG_STRING)
        return from_text(out, v.s, to.kind, err);
    return refuse(v, to, err);
}

/* --- tensors from lists --------------------------------------------------------- */

typedef struct gather {
    int64_t shape[RT_MAX_DIMS];
    int ndim;
    bool floats, bools;
    void *data;
    rt_dtype dtype;
    int64_t at;
} gather;

static rt_status ragged(const gather *g, int depth, int64_t count,
                        rt_error *err)
{
    rt_fail(err, RT_E_SHAPE,
            "tensor: the rows are not equally long: %lld elements here, "
            "%lld before", (long long)count, (long long)g->shape[depth]);
    return RT_E_SHAPE;
}

/* Finds the shape, and whether there are floats; any-lists may mix. */
static rt_status measure(gather *g, lang_list *l, int depth, bool first,
                         rt_error *err)
{
    if (depth >= RT_MAX_DIMS)
        return rt_fail(err, RT_E_LIMIT, "tensor: lists nested too deep");
    if (first) {
        g->shape[depth] = l->count;
        if (depth + 1 > g->ndim)
            g->ndim = depth + 1;
    } else if (g->shape[depth] != l->count) {
        return ragged(g, depth, l->count, err);
    }
    if (!l->count && l->element.kind == LANG_FLOAT)
        g->floats = true;
    for (int64_t i = 0; i < l->count; i++) {
        lang__value v = lang__list_at(l, i);
        bool inner = v.kind == LANG_LIST;
        if (inner != (depth + 1 < g->ndim) && !(first && i == 0))
            return ragged(g, depth, i, err);
        if (!inner && (v.kind < LANG_BOOL || v.kind > LANG_FLOAT))
            return refuse(v, LANG__TYPE(LANG_FLOAT), err);
        rt_status status = inner ? measure(g, v.l, depth + 1, first && i == 0,
                                           err) : RT_OK;
        if (status)
            return status;
        g->floats |= v.kind == LANG_FLOAT;
        g->bools &= inner || v.kind == LANG_BOOL;
    }
    return RT_OK;
}

static void fill(gather *g, lang_list *l)
{
    for (int64_t i = 0; i < l->count; i++) {
        lang__value v = lang__list_at(l, i);
        if (v.kind == LANG_LIST) {
            fill(g, v.l);
            continue;
        }
        double f = v.kind == LANG_FLOAT ? v.f : (double)v.i;
        if (g->dtype == RT_FLOAT64)
            ((double *)g->data)[g->at++] = f;
        else if (g->dtype == RT_FLOAT32)
            ((float *)g->data)[g->at++] = (float)f;
        else if (g->dtype == RT_BOOL)
            ((uint8_t *)g->data)[g->at++] = v.i != 0;
        else
            ((int64_t *)g->data)[g->at++] = v.i;
    }
}

static rt_status cast(rt_tensor **t, rt_dtype dtype, rt_error *err)
{
    rt_value a[2] = {RT_V_TENSOR(*t), RT_V_DTYPE(dtype)};
    rt_value r[RT_MAX_RESULTS] = {{0}};
    rt_status status = rt_call(rt_op_find("to"), a, 2, r, err);
    rt_release(*t);
    *t = status ? NULL : r[0].t;
    return status;
}

static rt_status list_of_tensors(rt_tensor **out, lang_list *l, rt_error *err)
{
    rt_value a = RT_V_TENSORS((rt_tensor *const *)l->items, l->count);
    rt_value r[RT_MAX_RESULTS] = {{0}};
    for (int64_t i = 0; i < l->count; i++) {
        if (!l->items[i].p)
            return undefined(err);
    }
    rt_status status = rt_call(rt_op_find("stack"), &a, 1, r, err);
    if (!status)
        *out = r[0].t;
    return status;
}

rt_status lang__list_tensor(rt_tensor **out, lang_list *l, rt_dtype dtype,
                            rt_error *err)
{
    gather g = {.bools = true, .dtype = RT_INT64};
    rt_tensor *t = NULL;
    if (lang__type_is(l->element, LANG_TENSOR) && l->count)
        return list_of_tensors(out, l, err);
    rt_status status = measure(&g, l, 0, true, err);
    if (status)
        return status;
    if (g.floats || (!l->count && !l->element.depth &&
                     l->element.kind != LANG_INT))
        g.dtype = dtype == RT_FLOAT64 ? RT_FLOAT64 : rt_default_dtype();
    else if (g.bools && l->count)
        g.dtype = RT_BOOL;
    if (g.dtype != RT_FLOAT64 && rt_dtype_is_floating(g.dtype))
        g.dtype = RT_FLOAT32;
    status = rt_tensor_new(&t, g.dtype, g.ndim, g.shape, err);
    if (status)
        return status;
    g.data = rt_tensor_data(t);
    fill(&g, l);
    if (dtype == RT_DTYPE_NONE && g.floats)
        dtype = rt_default_dtype();
    if (dtype != RT_DTYPE_NONE && dtype != g.dtype)
        status = cast(&t, dtype, err);
    if (!status)
        *out = t;
    return status;
}

static rt_status to_tensor(lang__value *out, lang__value v, rt_error *err)
{
    *out = LANG__TENSOR_VALUE(NULL);
    switch (v.kind) {
    case LANG_VOID: return RT_OK;
    case LANG_BOOL: return rt_tensor_scalar(&out->t, RT_BOOL, (double)v.i, err);
    case LANG_INT: return rt_tensor_from_int(&out->t, v.i, err);
    case LANG_FLOAT:
        return rt_tensor_scalar(&out->t, rt_default_dtype(), v.f, err);
    case LANG_LIST: return lang__list_tensor(&out->t, v.l, RT_DTYPE_NONE, err);
    default: return refuse(v, LANG__TYPE(LANG_TENSOR), err);
    }
}

/* --- lists ------------------------------------------------------------------------ */

typedef struct gathering {
    lang_list *list;
    rt_status status;
    rt_error *err;
} gathering;

static bool collect_parameter(void *ctx, const char *name, rt_tensor *t)
{
    gathering *g = ctx;
    g->status = lang__list_add(g->list, LANG__TENSOR_VALUE(t), g->err);
    return g->status == RT_OK;
}

static rt_status parameters_of(lang__value *out, rt_module *m, rt_error *err)
{
    gathering g = {.err = err};
    g.status = lang__list_new(&g.list, LANG__TYPE(LANG_TENSOR), 0, err);
    if (g.status)
        return g.status;
    bool exact = rt_module_each_parameter(m, false, collect_parameter, &g);
    if (!g.status && !exact)
        g.status = rt_fail(err, RT_E_MEMORY, "parameters: no memory");
    lang__value list = LANG__LIST_VALUE(g.list);
    if (g.status)
        lang__release(&list);
    else
        *out = list;
    return g.status;
}

/* A 1-d tensor's elements, or the rows of another. */
static rt_status tensor_list(lang__value *out, rt_tensor *t, lang__type to,
                             rt_error *err)
{
    lang_list *l;
    lang__type element = lang__type_element(to);
    if (rt_tensor_ndim(t) == 0)
        return refuse(LANG__TENSOR_VALUE(t), to, err);
    rt_status status = lang__list_new(&l, element, 0, err);
    int64_t n = rt_tensor_shape(t)[0];
    for (int64_t i = 0; i < n && !status; i++) {
        rt_index at = {.kind = RT_I_INT, .i = i};
        lang__value row = LANG__TENSOR_VALUE(NULL), item = LANG__VOID_VALUE;
        status = rt_tensor_get(&row.t, t, &at, 1, err);
        if (!status)
            status = lang__converted(&item, row, element, err);
        if (!status)
            status = lang__list_add(l, item, err);
        lang__release(&item);
        lang__release(&row);
        if (status)
            lang__list_release(l);
    }
    if (!status)
        *out = LANG__LIST_VALUE(l);
    return status;
}

static rt_status to_list(lang__value *out, lang__value v, lang__type to,
                         rt_error *err)
{
    if (v.kind == LANG_MODULE && v.m && to.kind == LANG_TENSOR)
        return parameters_of(out, v.m, err);
    if (v.kind == LANG_TENSOR && v.t)
        return tensor_list(out, v.t, to, err);
    if (v.kind != LANG_LIST)
        return refuse(v, to, err);
    lang_list *l;
    lang__type element = lang__type_element(to);
    if (lang__type_equal(v.l->element, element)) {
        *out = lang__retain(v);
        return RT_OK;
    }
    rt_status status = lang__list_new(&l, element, v.l->count, err);
    if (status)
        return status;
    for (int64_t i = 0; i < v.l->count && !status; i++) {
        lang__value item = LANG__VOID_VALUE;
        status = lang__converted(&item, lang__list_at(v.l, i), element, err);
        if (!status)
            status = lang__list_put(l, i, item, err);
        lang__release(&item);
    }
    if (status)
        lang__list_release(l);
    else
        *out = LANG__LIST_VALUE(l);
    return status;
}

/* --- all -------------------------------------------------------------------------- */

static rt_status to_string(lang__value *out, lang__value v, rt_error *err)
{
    if (v.kind == LANG_STRING) {
        *out = lang__retain(v);
        return RT_OK;
    }
    lang__writer w = {0};
    char *text = NULL;
    rt_status status = lang__write_value(&w, v, false, err);
    if (!status)
        status = lang__writer_take(&w, &text, err);
    lang__writer_dispose(&w);
    *out = LANG__STRING_VALUE(NULL);
    return status ? status : lang__string_take(&out->s, text, err);
}

static rt_status to_dtype(lang__value *out, lang__value v, rt_error *err)
{
    if (v.kind == LANG_STRING) {
        rt_dtype d = rt_dtype_parse(v.s->text);
        if (d == RT_DTYPE_NONE)
            return rt_fail(err, RT_E_ARGUMENT, "'%s' is not a dtype",
                           v.s->text);
        *out = (lang__value){.kind = LANG_DTYPE, .i = d};
        return RT_OK;
    }
    return refuse(v, LANG__TYPE(LANG_DTYPE), err);
}

static rt_status other(lang__value *out, lang__value v, lang__type to,
                       rt_error *err)
{
    bool handle = to.kind >= LANG_TENSOR;
    if (v.kind == LANG_VOID && handle) {
        *out = (lang__value){.kind = to.kind, .p = NULL};
        return RT_OK;
    }
    return refuse(v, to, err);
}

rt_status lang__converted(lang__value *out, lang__value v, lang__type to,
                        rt_error *err)
{
    if (lang__type_is(to, LANG__ANY) ||
        (to.depth == 0 && v.kind == to.kind && v.kind != LANG_LIST)) {
        *out = lang__retain(v);
        return RT_OK;
    }
    if (to.depth)
        return to_list(out, v, to, err);
    switch (to.kind) {
    case LANG_VOID: *out = LANG__VOID_VALUE; return RT_OK;
    case LANG_BOOL:
    case LANG_INT:
    case LANG_FLOAT: return to_number(out, v, to, err);
    case LANG_STRING: return to_string(out, v, err);
    case LANG_TENSOR: return to_tensor(out, v, err);
    case LANG_DTYPE: return to_dtype(out, v, err);
    default: return other(out, v, to, err);
    }
}

rt_status lang__constant_value(lang__value *out, const lang__constant *c,
                               lang__type type, rt_error *err)
{
    lang__value v = LANG__VOID_VALUE;
    switch (c->kind) {
    case LANG_BOOL: v = LANG__BOOL_VALUE(c->b); break;
    case LANG_INT: v = LANG__INT_VALUE(c->i); break;
    case LANG_FLOAT: v = LANG__FLOAT_VALUE(c->f); break;
    case LANG_STRING: {
        v = LANG__STRING_VALUE(NULL);
        rt_status status = lang__string_new(&v.s, c->s, strlen(c->s), err);
        if (status)
            return status;
        break;
    }
    case LANG_LIST: {
        lang__type list = type.depth ? type : LANG__LIST_OF(LANG__ANY);
        return lang__default_value(out, list, err);
    }
    case LANG__NONE:
        if (!lang__type_is(type, LANG__ANY) && type.depth == 0 &&
            type.kind >= LANG_TENSOR && type.kind < LANG_TYPE_COUNT &&
            type.kind != LANG_DTYPE)
            v = (lang__value){.kind = type.kind, .p = NULL};
        *out = v;
        return RT_OK;
    default: break;
    }
    rt_status status = type.depth || type.kind >= LANG__TUPLE
        ? (*out = lang__retain(v), RT_OK) : lang__converted(out, v, type, err);
    lang__release(&v);
    return status;
}

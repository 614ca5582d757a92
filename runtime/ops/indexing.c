/* SPDX-License-Identifier: MIT
 *
 * t[items...] and t[items...] = value. Ints, slices, None, ... and bools are
 * view ops, one after the other; index tensors are collected on the way and
 * handed to `index` or `index_put_` at the end. All of it goes through rt_call
 * and is recorded.
 */
#include "runtime/ops/cpu/move.h"
#include "runtime/ops/op.h"

#include <string.h>

typedef struct walk {
    rt_tensor *view;                   /* owned */
    int dim;                           /* of `view`, where the next item acts */
    rt_tensor *index[RT_MAX_DIMS];     /* owned, NULL: a whole dimension */
    int nindex;                        /* 0: no index tensors so far */
    int list[RT_MAX_DIMS];             /* dimension of index[i]'s entry */
    const char *name;
    rt_error *err;
} walk;

static void walk_dispose(walk *w)
{
    rt_release(w->view);
    for (int i = 0; i < w->nindex; i++) {
        rt_release(w->index[i]);
    }
}

static rt_status replace_view(walk *w, rt_status s, rt_tensor *next)
{
    if (s == RT_OK) {
        rt_release(w->view);
        w->view = next;
    }
    return s;
}

/* How many dimensions of the tensor an item consumes. */
static int consumes(const rt_index *item)
{
    switch (item->kind) {
    case RT_I_INT:
    case RT_I_SLICE:
        return 1;
    case RT_I_TENSOR:
        return item->t->dtype == RT_BOOL || item->t->dtype == RT_UINT8
                   ? item->t->ndim
                   : 1;
    default:
        return 0;
    }
}

static rt_status count_items(const rt_tensor *t, const rt_index *items, int n,
                             const char *name, int *used, rt_error *err)
{
    int ellipses = 0;
    char text[96];
    *used = 0;
    for (int i = 0; i < n; i++) {
        ellipses += items[i].kind == RT_I_ELLIPSIS;
        *used += consumes(&items[i]);
    }
    if (ellipses > 1) {
        return rt_fail(err, RT_E_INDEX,
                       "%s: an index can only have a single ellipsis ('...')",
                       name);
    }
    if (*used > t->ndim) {
        rt__shape_format(text, sizeof text, t->ndim, t->shape);
        rt_fail(err, RT_E_INDEX,
                "%s: too many indices for tensor of dimension %d (shape %s): "
                "%d given", name, t->ndim, text, *used);
        if (t->ndim == 0) {
            rt_error_help(err, "a 0-dim tensor is read with x.item()");
        }
        return RT_E_INDEX;
    }
    return RT_OK;
}

/* --- one item ------------------------------------------------------------- */

static rt_status by_int(walk *w, int64_t i)
{
    rt_tensor *next = NULL;
    rt_status s = rt__op1(RT_OP_select, &next, w->err, 3, RT_V_TENSOR(w->view),
                          RT_V_INT(w->dim), RT_V_INT(i));
    return replace_view(w, s, next);
}

static rt_status by_slice(walk *w, const rt_index *item)
{
    rt_tensor *next = NULL;
    if (!item->has_start && !item->has_stop && item->step == 1) {
        w->dim++;
        return RT_OK;
    }
    rt_status s = rt__op1(RT_OP_slice, &next, w->err, 5, RT_V_TENSOR(w->view),
                          RT_V_INT(w->dim),
                          item->has_start ? RT_V_INT(item->start) : RT_NONE,
                          item->has_stop ? RT_V_INT(item->stop) : RT_NONE,
                          RT_V_INT(item->step));
    s = replace_view(w, s, next);
    w->dim += s == RT_OK;
    return s;
}

static rt_status by_none(walk *w)
{
    rt_tensor *next = NULL;
    rt_status s = rt__op1(RT_OP_unsqueeze, &next, w->err, 2,
                          RT_V_TENSOR(w->view), RT_V_INT(w->dim));
    return replace_view(w, s, next);
}

static rt_status add_index(walk *w, rt_tensor *t, int dims)
{
    if (w->nindex == RT_MAX_DIMS) {
        return rt_fail(w->err, RT_E_LIMIT, "%s: more than %d index tensors",
                       w->name, RT_MAX_DIMS);
    }
    w->list[w->nindex] = w->dim;
    w->index[w->nindex++] = rt_retain(t);
    w->dim += dims;
    return RT_OK;
}

/* x[True] adds a dimension of size 1, x[False] one of size 0. */
static rt_status by_bool(walk *w, bool on)
{
    rt_tensor *mask = NULL;
    int64_t one = 1;
    uint8_t byte = on;
    rt_status s = by_none(w);
    if (s == RT_OK) {
        s = rt_tensor_from_data(&mask, RT_BOOL, 1, &one, &byte, w->err);
    }
    if (s == RT_OK) {
        s = add_index(w, mask, 1);
    }
    rt_release(mask);
    return s;
}

static rt_status by_tensor(walk *w, rt_tensor *t)
{
    rt_value v;
    if (!rt_dtype_is_integral(t->dtype, true)) {
        rt_fail(w->err, RT_E_INDEX,
                "%s: tensors used as indices must be int64, int32, uint8 or "
                "bool, got %s", w->name, rt_dtype_name(t->dtype));
        rt_error_help(w->err, "convert it with .to(int64), or compare to get "
                              "a bool mask");
        return RT_E_INDEX;
    }
    bool mask = t->dtype == RT_BOOL || t->dtype == RT_UINT8;
    if (t->ndim > 0) {
        return add_index(w, t, mask ? t->ndim : 1);
    }
    rt_status s = rt_tensor_item(&v, t, w->err);
    if (s != RT_OK) {
        return s;
    }
    return mask ? by_bool(w, v.i != 0) : by_int(w, v.i);
}

static rt_status apply_item(walk *w, const rt_index *item, int skipped)
{
    rt_status s;
    switch (item->kind) {
    case RT_I_INT:
        return by_int(w, item->i);
    case RT_I_SLICE:
        return by_slice(w, item);
    case RT_I_NONE:
        s = by_none(w);
        w->dim += s == RT_OK;
        return s;
    case RT_I_ELLIPSIS:
        w->dim += skipped;
        return RT_OK;
    case RT_I_BOOL:
        return by_bool(w, item->i != 0);
    default:
        return by_tensor(w, item->t);
    }
}

static rt_status apply_items(walk *w, rt_tensor *t, const rt_index *items,
                             int n)
{
    int used;
    rt_status s = count_items(t, items, n, w->name, &used, w->err);
    w->view = rt_retain(t);
    for (int i = 0; s == RT_OK && i < n; i++) {
        s = apply_item(w, &items[i], t->ndim - used);
    }
    return s;
}

/* The collected tensors as the list that `index` takes: an entry for each
 * dimension up to the last indexed one, a mask standing for all of its own. */
static int index_list(const walk *w, rt_tensor **list)
{
    int n = 0, dim = 0;
    for (int i = 0; i < w->nindex; i++) {
        while (dim < w->list[i]) {
            list[n++] = NULL;
            dim++;
        }
        const rt_tensor *t = w->index[i];
        bool mask = t->dtype == RT_BOOL || t->dtype == RT_UINT8;
        list[n++] = w->index[i];
        dim += mask ? t->ndim : 1;
    }
    return n;
}

/* --- get ------------------------------------------------------------------ */

rt_status rt_tensor_get(rt_tensor **out, rt_tensor *t, const rt_index *items,
                        int n, rt_error *err)
{
    walk w = {.name = "index", .err = err};
    rt_tensor *list[RT_MAX_DIMS + 1];
    rt_status s = apply_items(&w, t, items, n);
    if (s == RT_OK && w.nindex > 0) {
        int count = index_list(&w, list);
        s = rt__op1(RT_OP_index, out, err, 2, RT_V_TENSOR(w.view),
                    RT_V_TENSORS(list, count));
    } else if (s == RT_OK && w.view == t) {
        s = rt__op1(RT_OP_view, out, err, 2, RT_V_TENSOR(t),
                    RT_V_INTS(t->shape, t->ndim));
    } else if (s == RT_OK) {
        *out = w.view;
        w.view = NULL;
    }
    walk_dispose(&w);
    return s;
}

/* --- set ------------------------------------------------------------------ */

/* Leading dimensions of size 1 that the target lacks are dropped (PyTorch). */
static rt_status trim_leading(rt_tensor **out, rt_tensor *value, int ndim,
                              rt_error *err)
{
    int skip = 0;
    while (value->ndim - skip > ndim && value->shape[skip] == 1) {
        skip++;
    }
    if (skip == 0) {
        *out = rt_retain(value);
        return RT_OK;
    }
    return rt__op1(RT_OP_view, out, err, 2, RT_V_TENSOR(value),
                   RT_V_INTS(value->shape + skip, value->ndim - skip));
}

static rt_status check_assignable(const rt_tensor *view,
                                  const rt_tensor *value, rt_error *err)
{
    bool fits = value->ndim <= view->ndim;
    char a[96], b[96];
    for (int d = 0; fits && d < value->ndim; d++) {
        int64_t want = view->shape[view->ndim - value->ndim + d];
        fits = value->shape[d] == 1 || value->shape[d] == want;
    }
    if (fits) {
        return RT_OK;
    }
    rt__shape_format(a, sizeof a, value->ndim, value->shape);
    rt__shape_format(b, sizeof b, view->ndim, view->shape);
    rt_fail(err, RT_E_SHAPE,
            "index assignment: a value of shape %s cannot be broadcast to the "
            "indexed part of shape %s", a, b);
    rt__error_shapes(err, value, view);
    return RT_E_SHAPE;
}

static rt_status set_view(walk *w, rt_tensor *value)
{
    rt_tensor *trimmed = NULL;
    rt_status s = trim_leading(&trimmed, value, w->view->ndim, w->err);
    if (s == RT_OK) {
        s = check_assignable(w->view, trimmed, w->err);
    }
    if (s == RT_OK) {
        s = rt__op0(RT_OP_copy_, w->err, 2, RT_V_TENSOR(w->view),
                    RT_V_TENSOR(trimmed));
    }
    rt_release(trimmed);
    return s;
}

static rt_status set_indexed(walk *w, rt_tensor *value)
{
    rt_tensor *list[RT_MAX_DIMS + 1], *same = NULL;
    int count = index_list(w, list);
    rt_status s = value->dtype == w->view->dtype
                      ? (same = rt_retain(value), RT_OK)
                      : rt__op1(RT_OP_to, &same, w->err, 2, RT_V_TENSOR(value),
                                RT_V_DTYPE(w->view->dtype));
    if (s == RT_OK) {
        s = rt__op0(RT_OP_index_put_, w->err, 3, RT_V_TENSOR(w->view),
                    RT_V_TENSORS(list, count), RT_V_TENSOR(same));
    }
    rt_release(same);
    return s;
}

static rt_status value_tensor(rt_tensor **out, rt_value v, rt_error *err)
{
    switch (v.kind) {
    case RT_K_TENSOR:
        *out = rt_retain(v.t);
        return RT_OK;
    case RT_K_BOOL:
        return rt_tensor_scalar(out, RT_BOOL, v.i != 0, err);
    case RT_K_INT:
        return rt_tensor_from_int(out, v.i, err);
    case RT_K_FLOAT:
        return rt_tensor_from_float(out, v.f, err);
    default:
        return rt_fail(err, RT_E_TYPE,
                       "index assignment: the value must be a tensor or a "
                       "number");
    }
}

rt_status rt_tensor_set(rt_tensor *t, const rt_index *items, int n,
                        rt_value value, rt_error *err)
{
    walk w = {.name = "index assignment", .err = err};
    rt_tensor *v = NULL;
    rt_status s = value_tensor(&v, value, err);
    if (s == RT_OK) {
        s = apply_items(&w, t, items, n);
    }
    if (s == RT_OK && w.nindex > 0) {
        s = set_indexed(&w, v);
    } else if (s == RT_OK && value.kind != RT_K_TENSOR) {
        s = rt__op0(RT_OP_fill_, err, 2, RT_V_TENSOR(w.view), value);
    } else if (s == RT_OK) {
        s = set_view(&w, v);
    }
    rt_release(v);
    walk_dispose(&w);
    return s;
}

/* --- item ----------------------------------------------------------------- */

rt_status rt_tensor_item(rt_value *out, const rt_tensor *t, rt_error *err)
{
    char text[96];
    if (t->numel != 1) {
        rt__shape_format(text, sizeof text, t->ndim, t->shape);
        rt_fail(err, RT_E_SHAPE,
                "item: a Tensor with %lld elements (shape %s) cannot be "
                "converted to Scalar", (long long)t->numel, text);
        rt_error_help(err, "index one element, or reduce it: x.sum(), "
                           "x.mean()");
        return RT_E_SHAPE;
    }
    if (rt_dtype_is_floating(t->dtype)) {
        *out = RT_V_FLOAT(rt__load_float(t->dtype, t->data));
    } else if (t->dtype == RT_BOOL) {
        *out = RT_V_BOOL(rt__load_int(t->dtype, t->data));
    } else {
        *out = RT_V_INT(rt__load_int(t->dtype, t->data));
    }
    return RT_OK;
}

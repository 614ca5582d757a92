/* SPDX-License-Identifier: MIT
 * Shapes and dtypes of reductions, scans and softmax.
 */
#include "runtime/ops/cpu/reduce.h"
#include "runtime/ops/infer.h"

static rt_dtype dtype_of(const rt_tensor *t)
{
    return (rt_dtype)t->dtype;
}

/* Where `dim` and `keepdim` stand among the arguments. */
static void positions(rt_op_id id, int *dim, int *keep)
{
    *dim = id == RT_OP_norm ? 2 : 1;
    *keep = id == RT_OP_norm || id == RT_OP_var || id == RT_OP_std ? 3 : 2;
}

static rt_status mark(const rt__call *c, rt__axes *axes, int64_t dim)
{
    int ndim = rt__arg(c, 0)->ndim, d;
    rt_status s = rt__wrap_dim(&d, dim, ndim, c->name, c->err);
    if (s != RT_OK) {
        return s;
    }
    if (ndim && axes->reduced[d]) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "%s: dimension %d is given twice", c->name, d);
    }
    axes->reduced[d] = true;
    return RT_OK;
}

rt_status rt__axes_of(const rt__call *c, rt__axes *axes)
{
    int at, keep, ndim = rt__arg(c, 0)->ndim;
    positions(c->op->id, &at, &keep);
    bool whole = c->op->id == RT_OP_max || c->op->id == RT_OP_min ||
                 c->op->id == RT_OP_median;
    const rt_value *dim = &c->a[at];
    bool all = whole || !rt__arg_given(c, at) ||
               (dim->kind == RT_K_INTS && dim->count == 0);
    axes->keep = !whole && c->a[keep].kind == RT_K_BOOL && c->a[keep].i;
    for (int d = 0; d < (ndim ? ndim : 1); d++) {
        axes->reduced[d] = all;
    }
    if (all) {
        return RT_OK;
    }
    if (dim->kind == RT_K_INT) {
        return mark(c, axes, dim->i);
    }
    rt_status s = RT_OK;
    for (int i = 0; s == RT_OK && i < dim->count; i++) {
        s = mark(c, axes, dim->ints[i]);
    }
    return s;
}

static rt_status result(rt__call *c, int i, rt_dtype dtype)
{
    rt__axes axes;
    rt_status s = rt__axes_of(c, &axes);
    if (s != RT_OK) {
        return s;
    }
    const rt_tensor *t = rt__arg(c, 0);
    int64_t shape[RT_MAX_DIMS];
    int ndim = 0;
    for (int d = 0; d < t->ndim; d++) {
        if (!axes.reduced[d] || axes.keep) {
            shape[ndim++] = axes.reduced[d] ? 1 : t->shape[d];
        }
    }
    return rt__result_new(c, i, dtype, ndim, shape);
}

/* Refuses to look for an extreme among no elements. */
static rt_status check_not_empty(rt__call *c)
{
    rt__axes axes;
    const rt_tensor *t = rt__arg(c, 0);
    rt_status s = rt__axes_of(c, &axes);
    for (int d = 0; s == RT_OK && d < t->ndim; d++) {
        if (axes.reduced[d] && t->shape[d] == 0) {
            char shape[96];
            s = rt_fail(c->err, RT_E_SHAPE,
                        "%s: no elements along dimension %d of shape %s",
                        c->name, d,
                        rt__shape_format(shape, sizeof shape, t->ndim,
                                         t->shape));
        }
    }
    return s;
}

static rt_dtype wanted(const rt__call *c, int i, rt_dtype otherwise)
{
    return rt__arg_given(c, i) ? (rt_dtype)c->a[i].dtype : otherwise;
}

RT_INFER(reduce_sum)
{
    rt_dtype d = dtype_of(rt__arg(c, 0));
    return result(c, 0, wanted(c, 3, rt_dtype_is_floating(d) ? d : RT_INT64));
}

RT_INFER(reduce_float)
{
    rt_dtype d = dtype_of(rt__arg(c, 0));
    if (c->op->id == RT_OP_mean) {
        d = wanted(c, 3, d);
    } else if (c->op->id == RT_OP_logsumexp) {
        d = rt__float_type(d);
    }
    if (!rt_dtype_is_floating(d)) {
        rt_status s = rt__refuse_dtype(c, d, "a floating dtype");
        rt_error_help(c->err, "convert first: x.to(float32)");
        return s;
    }
    return result(c, 0, d);
}

/* The median of no floats is NaN; nothing else has an answer. */
RT_INFER(reduce_all)
{
    bool nan = c->op->id == RT_OP_median &&
               rt_dtype_is_floating(dtype_of(rt__arg(c, 0)));
    rt_status s = nan ? RT_OK : check_not_empty(c);
    return s == RT_OK ? result(c, 0, dtype_of(rt__arg(c, 0))) : s;
}

RT_INFER(reduce_same)
{
    return rt__infer_reduce_all(c);
}

RT_INFER(reduce_index)
{
    rt_status s = check_not_empty(c);
    return s == RT_OK ? result(c, 0, RT_INT64) : s;
}

RT_INFER(reduce_pair)
{
    rt_status s = rt__infer_reduce_all(c);
    return s == RT_OK ? result(c, 1, RT_INT64) : s;
}

/* uint8 stays uint8, as in PyTorch, where it once stood for bool. */
RT_INFER(reduce_bool)
{
    bool bytes = dtype_of(rt__arg(c, 0)) == RT_UINT8;
    return result(c, 0, bytes ? RT_UINT8 : RT_BOOL);
}

RT_INFER(scan)
{
    const rt_tensor *t = rt__arg(c, 0);
    int d;
    rt_status s = rt__wrap_dim(&d, rt__arg_int(c, 1), t->ndim, c->name, c->err);
    rt_dtype own = rt_dtype_is_floating(dtype_of(t)) ? dtype_of(t) : RT_INT64;
    return s == RT_OK ? rt__result_new(c, 0, wanted(c, 2, own), t->ndim,
                                       t->shape)
                      : s;
}

RT_INFER(softmax)
{
    const rt_tensor *t = rt__arg(c, 0);
    int d;
    rt_status s = rt__wrap_dim(&d, rt__arg_int(c, 1), t->ndim, c->name, c->err);
    rt_dtype type = wanted(c, 2, dtype_of(t));
    if (s == RT_OK && !rt_dtype_is_floating(type)) {
        s = rt__refuse_dtype(c, type, "a floating dtype");
        rt_error_help(c->err, "pass dtype=float32 or convert first");
    }
    return s == RT_OK ? rt__result_new(c, 0, type, t->ndim, t->shape) : s;
}

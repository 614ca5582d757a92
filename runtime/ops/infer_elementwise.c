/* SPDX-License-Identifier: MIT
 * Shapes and dtypes of elementwise results.
 */
#include "runtime/ops/cpu/elementwise.h"
#include "runtime/ops/infer.h"

static rt_dtype dtype_of(const rt_tensor *t)
{
    return (rt_dtype)t->dtype;
}

static rt_dtype pair_type(const rt__call *c)
{
    return rt__result_type(rt__arg(c, 0), rt__arg(c, 1));
}

/* --- two operands -------------------------------------------------------- */

/* Bools have no difference, as in PyTorch. */
static rt_status check_bools(const rt__call *c)
{
    bool differs = c->op->id == RT_OP_sub || c->op->id == RT_OP_sub_ ||
                   c->op->id == RT_OP_rsub;
    if (!differs || (dtype_of(rt__arg(c, 0)) != RT_BOOL &&
                     dtype_of(rt__arg(c, 1)) != RT_BOOL)) {
        return RT_OK;
    }
    rt_status s = rt_fail(c->err, RT_E_DTYPE,
                          "%s: not defined for bool operands", c->name);
    rt_error_help(c->err, "use logical_xor() or ^ for the difference, "
                          "logical_not() or ~ for the opposite, or convert to "
                          "a number type");
    return s;
}

RT_INFER(binary)
{
    rt_status s = check_bools(c);
    return s == RT_OK ? rt__result_broadcast(c, pair_type(c)) : s;
}

RT_INFER(binary_float)
{
    return rt__result_broadcast(c, rt__float_type(pair_type(c)));
}

RT_INFER(binary_integer)
{
    rt_dtype d = pair_type(c);
    if (rt_dtype_is_floating(d)) {
        return rt__refuse_dtype(c, d, "bools or integers");
    }
    return rt__result_broadcast(c, d);
}

RT_INFER(compare)
{
    return rt__result_broadcast(c, RT_BOOL);
}

RT_INFER(div)
{
    rt_dtype d = pair_type(c);
    bool rounds = rt__arg_given(c, 2);
    return rt__result_broadcast(c, rounds ? d : rt__float_type(d));
}

RT_INFER(pow)
{
    rt_tensor *exponent = rt__arg(c, 1);
    rt_dtype d = pair_type(c);
    if (exponent->ndim == 0 && (exponent->flags & RT_F_WRAPPED) &&
        !rt_dtype_is_floating(d) &&
        rt__load_int(dtype_of(exponent), exponent->data) < 0) {
        rt_status s = rt_fail(c->err, RT_E_ARGUMENT,
                              "pow: an integer tensor cannot be raised to the "
                              "negative power %lld",
                              (long long)rt__load_int(dtype_of(exponent),
                                                      exponent->data));
        rt_error_help(c->err, "convert the tensor to float32 first");
        return s;
    }
    return rt__result_broadcast(c, d);
}

static rt_status inplace_pair(rt__call *c, rt_dtype result)
{
    rt_tensor *self = rt__arg(c, 0);
    rt_status s = rt__check_cast(c, result, self);
    if (s == RT_OK) {
        s = rt__check_fits(c, self, rt__arg(c, 1));
    }
    return s == RT_OK ? rt__result_self(c) : s;
}

RT_INFER(inplace_binary)
{
    rt_status s = check_bools(c);
    return s == RT_OK ? inplace_pair(c, pair_type(c)) : s;
}

RT_INFER(inplace_div)
{
    rt_dtype d = pair_type(c);
    return inplace_pair(c, rt__arg_given(c, 2) ? d : rt__float_type(d));
}

RT_INFER(inplace_copy)
{
    rt_status s = rt__check_fits(c, rt__arg(c, 0), rt__arg(c, 1));
    return s == RT_OK ? rt__result_self(c) : s;
}

RT_INFER(where)
{
    rt_tensor *condition = rt__arg(c, 0), *a = rt__arg(c, 1);
    rt_tensor *t[] = {condition, a, rt__arg(c, 2)};
    int ndim;
    int64_t shape[RT_MAX_DIMS];
    if (dtype_of(condition) != RT_BOOL) {
        rt_status s = rt__refuse_dtype(c, dtype_of(condition),
                                       "a bool condition");
        rt_error_help(c->err, "compare first, e.g. x != 0");
        return s;
    }
    rt_status s = rt__broadcast_all(c, t, 3, &ndim, shape);
    return s == RT_OK ? rt__result_new(c, 0, rt__result_type(a, t[2]), ndim,
                                       shape)
                      : s;
}

/* --- masks --------------------------------------------------------------- */

static rt_status check_mask(const rt__call *c)
{
    const rt_tensor *mask = rt__arg(c, 1), *value = rt__arg(c, 2);
    if (dtype_of(mask) != RT_BOOL) {
        rt_status s = rt__refuse_dtype(c, dtype_of(mask), "a bool mask");
        rt_error_help(c->err, "compare first, e.g. x > 0");
        return s;
    }
    if (value->ndim != 0) {
        char shape[96];
        return rt_fail(c->err, RT_E_SHAPE,
                       "%s: the value must be a number or a 0-d tensor, got "
                       "shape %s", c->name,
                       rt__shape_format(shape, sizeof shape, value->ndim,
                                        value->shape));
    }
    return RT_OK;
}

RT_INFER(masked_fill)
{
    rt_status s = check_mask(c);
    return s == RT_OK ? rt__result_broadcast(c, dtype_of(rt__arg(c, 0))) : s;
}

RT_INFER(inplace_masked_fill)
{
    rt_status s = check_mask(c);
    if (s == RT_OK) {
        s = rt__check_fits(c, rt__arg(c, 0), rt__arg(c, 1));
    }
    return s == RT_OK ? rt__result_self(c) : s;
}

/* --- one operand --------------------------------------------------------- */

/* Ops of this row that bools do not have. */
static rt_status check_no_bool(const rt__call *c, rt_dtype d)
{
    switch (c->op->id) {
    case RT_OP_neg:
    case RT_OP_neg_:
    case RT_OP_relu:
    case RT_OP_relu_:
    case RT_OP_floor:
    case RT_OP_ceil:
    case RT_OP_round:
    case RT_OP_trunc:
        break;
    default:
        return RT_OK;
    }
    rt_status s = d == RT_BOOL ? rt__refuse_dtype(c, d, "numbers") : RT_OK;
    if (s != RT_OK) {
        rt_error_help(c->err, "use logical_not(), or convert to a number type");
    }
    return s;
}

RT_INFER(unary)
{
    const rt_tensor *t = rt__arg(c, 0);
    rt_dtype d = dtype_of(t);
    if (d == RT_BOOL) {
        rt_status s = check_no_bool(c, d);
        if (s != RT_OK) {
            return s;
        }
        d = c->op->id == RT_OP_square ? RT_INT64 : d;
    }
    return rt__result_like(c, t, d);
}

RT_INFER(unary_float)
{
    const rt_tensor *t = rt__arg(c, 0);
    return rt__result_like(c, t, rt__float_type(dtype_of(t)));
}

RT_INFER(unary_bool)
{
    return rt__result_like(c, rt__arg(c, 0), RT_BOOL);
}

RT_INFER(unary_integer)
{
    const rt_tensor *t = rt__arg(c, 0);
    if (rt_dtype_is_floating(dtype_of(t))) {
        return rt__refuse_dtype(c, dtype_of(t), "bools or integers");
    }
    return rt__result_like(c, t, dtype_of(t));
}

RT_INFER(inplace_unary)
{
    rt_status s = check_no_bool(c, dtype_of(rt__arg(c, 0)));
    return s == RT_OK ? rt__result_self(c) : s;
}

RT_INFER(inplace_unary_float)
{
    const rt_tensor *t = rt__arg(c, 0);
    rt_status s = rt__check_cast(c, rt__float_type(dtype_of(t)), t);
    return s == RT_OK ? rt__result_self(c) : s;
}

/* --- clamp --------------------------------------------------------------- */

/* Float bounds make an integer tensor float, as a number in arithmetic does. */
static rt_status clamp_type(const rt__call *c, rt_dtype *out)
{
    *out = dtype_of(rt__arg(c, 0));
    if (!rt__arg_given(c, 1) && !rt__arg_given(c, 2)) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "%s: give min, max or both", c->name);
    }
    for (int i = 1; i <= 2; i++) {
        if (c->a[i].kind == RT_K_FLOAT) {
            *out = rt__float_type(*out);
        } else if (c->a[i].kind == RT_K_INT && *out == RT_BOOL) {
            *out = RT_INT64;
        }
    }
    return RT_OK;
}

RT_INFER(clamp)
{
    rt_dtype d;
    rt_status s = clamp_type(c, &d);
    return s == RT_OK ? rt__result_like(c, rt__arg(c, 0), d) : s;
}

RT_INFER(inplace_clamp)
{
    rt_dtype d;
    rt_status s = clamp_type(c, &d);
    if (s == RT_OK) {
        s = rt__check_cast(c, d, rt__arg(c, 0));
    }
    return s == RT_OK ? rt__result_self(c) : s;
}

/* --- copies -------------------------------------------------------------- */

RT_INFER(clone)
{
    return rt__result_like(c, rt__arg(c, 0), dtype_of(rt__arg(c, 0)));
}

RT_INFER(contiguous)
{
    rt_tensor *out, *t = rt__arg(c, 0);
    rt_status s = rt__contiguous_as(&out, t, dtype_of(t), c->name, c->err);
    return s == RT_OK ? rt__result_steal(c, 0, out) : s;
}

RT_INFER(triangle)
{
    const rt_tensor *t = rt__arg(c, 0);
    if (t->ndim < 2) {
        return rt_fail(c->err, RT_E_SHAPE,
                       "%s: expected a matrix or a batch of matrices, got a "
                       "tensor of %d dimensions", c->name, t->ndim);
    }
    return rt__result_new(c, 0, dtype_of(t), t->ndim, t->shape);
}

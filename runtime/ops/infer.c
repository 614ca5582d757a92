/* SPDX-License-Identifier: MIT
 * Shared checks and results of infer steps.
 */
#include "runtime/ops/infer.h"

#include "runtime/ops/cpu/move.h"

#include <string.h>

rt_dtype rt__float_type(rt_dtype d)
{
    return rt_dtype_is_floating(d) ? d : rt_default_dtype();
}

rt_status rt__refuse_dtype(const rt__call *c, rt_dtype d, const char *expected)
{
    return rt_fail(c->err, RT_E_DTYPE, "%s: expected %s, got %s", c->name,
                   expected, rt_dtype_name(d));
}

static int category(rt_dtype d)
{
    return rt_dtype_is_floating(d) ? 2 : d == RT_BOOL ? 0 : 1;
}

rt_status rt__check_cast(const rt__call *c, rt_dtype from, const rt_tensor *t)
{
    rt_dtype to = (rt_dtype)t->dtype;
    if (category(from) <= category(to)) {
        return RT_OK;
    }
    rt_status s = rt_fail(c->err, RT_E_DTYPE,
                          "%s: the result is %s, which a %s tensor cannot hold",
                          c->name, rt_dtype_name(from), rt_dtype_name(to));
    rt_error_help(c->err, "use the form that makes a new tensor, or convert "
                          "with to(%s) first", rt_dtype_name(from));
    return s;
}

static bool fits(const rt_tensor *self, const rt_tensor *other)
{
    int shift = self->ndim - other->ndim;
    if (shift < 0) {
        return false;
    }
    for (int d = 0; d < other->ndim; d++) {
        if (other->shape[d] != 1 && other->shape[d] != self->shape[d + shift]) {
            return false;
        }
    }
    return true;
}

rt_status rt__check_fits(const rt__call *c, const rt_tensor *self,
                         const rt_tensor *other)
{
    char a[96], b[96];
    if (fits(self, other)) {
        return RT_OK;
    }
    rt_status s = rt_fail(
        c->err, RT_E_SHAPE, "%s: shape %s does not broadcast to %s, the shape "
        "of the tensor that is written", c->name,
        rt__shape_format(b, sizeof b, other->ndim, other->shape),
        rt__shape_format(a, sizeof a, self->ndim, self->shape));
    rt__error_shapes(c->err, self, other);
    return s;
}

rt_status rt__result_self(rt__call *c)
{
    rt_status s = rt__check_writable(rt__arg(c, 0), c->name, c->err);
    return s == RT_OK ? rt__result_steal(c, 0, rt_retain(rt__arg(c, 0))) : s;
}

rt_status rt__broadcast_all(const rt__call *c, rt_tensor *const *t, int n,
                            int *ndim, int64_t *shape)
{
    rt_tensor so_far = {.ndim = 0};
    *ndim = 0;
    for (int i = 0; i < n; i++) {
        int64_t wider[RT_MAX_DIMS];
        so_far.ndim = (uint8_t)*ndim;
        so_far.shape = shape;
        rt_status s = rt__broadcast(ndim, wider, &so_far, t[i], c->name,
                                    c->err);
        if (s != RT_OK) {
            return s;
        }
        memcpy(shape, wider, (size_t)*ndim * sizeof *shape);
    }
    return RT_OK;
}

rt_status rt__result_broadcast(rt__call *c, rt_dtype dtype)
{
    const rt_tensor *a = rt__arg(c, 0), *b = rt__arg(c, 1);
    if (b->ndim == 0 || rt__same_shape(a, b)) {
        return rt__result_like(c, a, dtype);
    }
    if (a->ndim == 0) {
        return rt__result_like(c, b, dtype);
    }
    int ndim;
    int64_t shape[RT_MAX_DIMS];
    rt_status s = rt__broadcast(&ndim, shape, a, b, c->name, c->err);
    return s == RT_OK ? rt__result_new(c, 0, dtype, ndim, shape) : s;
}

rt_status rt__result_like(rt__call *c, const rt_tensor *t, rt_dtype dtype)
{
    rt_tensor *out = NULL;
    rt_status s = t->flags & RT_F_CONTIGUOUS
                      ? rt_tensor_new(&out, dtype, t->ndim, t->shape, c->err)
                      : rt__tensor_like(&out, t, dtype, c->err);
    if (s == RT_OK) {
        c->r[0] = RT_V_TENSOR(out);
    }
    return s;
}

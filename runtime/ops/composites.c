/* SPDX-License-Identifier: MIT
 * Elementwise and product ops that are compositions of others; gradients follow
 * from the parts.
 */
#include "runtime/ops/cpu/elementwise.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/steps.h"

#include <math.h>

#define T(x) RT_V_TENSOR(x)
#define F(x) RT_V_FLOAT(x)
#define CALL RT_STEP_CALL

/* --- arithmetic ---------------------------------------------------------- */

/* Whether one loop does for n operands: of one floating type and shape, and
 * nothing to be recorded. */
static bool in_one_loop(const rt__call *c, int n)
{
    const rt_tensor *a = c->a[0].t;
    if (a->dtype != RT_FLOAT32 && a->dtype != RT_FLOAT64) {
        return false;
    }
    for (int i = 0; i < n; i++) {
        const rt_tensor *t = c->a[i].t;
        if (t->dtype != a->dtype || !rt__same_shape(t, a) ||
            (t->flags & RT_F_WRAPPED) ||
            (rt_requires_grad(t) && rt_grad_enabled())) {
            return false;
        }
    }
    return true;
}

static rt_status run_loop(rt__call *c, rt__ew op, int n, double p0)
{
    const rt_tensor *a = c->a[0].t;
    const rt__params p = {.f = {p0}};
    rt_tensor *in[RT_ELEMENTWISE_INPUTS];
    for (int i = 0; i < n; i++) {
        in[i] = c->a[i].t;
    }
    rt_status s =
        rt__result_new(c, 0, (rt_dtype)a->dtype, a->ndim, a->shape);
    return s == RT_OK ? rt__elementwise(c->name, op, (rt_dtype)a->dtype,
                                        c->r[0].t, in, n, &p, c->err)
                      : s;
}

RT_KERNEL(lerp)
{
    rt__steps w = RT_STEPS(c);
    const rt_tensor *weight = c->a[2].t;
    if (in_one_loop(c, 3)) {
        return run_loop(c, RT_EW_lerp_by, 3, 0);
    }
    if ((weight->flags & RT_F_WRAPPED) && in_one_loop(c, 2) &&
        rt_dtype_is_floating((rt_dtype)weight->dtype)) {
        return run_loop(c, RT_EW_lerp_number, 2,
                        rt__load_float((rt_dtype)weight->dtype, weight->data));
    }
    rt_tensor *gap = CALL(&w, RT_OP_sub, c->a[1], c->a[0]);
    rt_tensor *part = CALL(&w, RT_OP_mul, c->a[2], T(gap));
    return rt__steps_end(&w, c, CALL(&w, RT_OP_add, c->a[0], T(part)));
}

static bool is_number(const rt_value *v, double n)
{
    return (v->kind == RT_K_FLOAT ? v->f : (double)v->i) == n;
}

RT_KERNEL(addcmul)
{
    rt__steps w = RT_STEPS(c);
    if (in_one_loop(c, 3)) {
        return run_loop(c, is_number(&c->a[3], 1) ? RT_EW_add_product
                                                  : RT_EW_addcmul,
                        3, rt__arg_float(c, 3));
    }
    rt_tensor *part = CALL(&w, RT_OP_mul, c->a[1], c->a[2]);
    return rt__steps_end(&w, c,
                         CALL(&w, RT_OP_add, c->a[0], T(part), c->a[3]));
}

RT_KERNEL(addcdiv)
{
    rt__steps w = RT_STEPS(c);
    if (in_one_loop(c, 3)) {
        return run_loop(c, RT_EW_addcdiv, 3, rt__arg_float(c, 3));
    }
    rt_tensor *part = CALL(&w, RT_OP_div, c->a[1], c->a[2]);
    return rt__steps_end(&w, c,
                         CALL(&w, RT_OP_add, c->a[0], T(part), c->a[3]));
}

RT_KERNEL(logit)
{
    rt__steps w = RT_STEPS(c);
    rt_tensor *x = c->a[0].t;
    if (rt__arg_given(c, 1)) {
        double eps = rt__arg_float(c, 1);
        x = CALL(&w, RT_OP_clamp, T(x), F(eps), F(1 - eps));
    }
    rt_tensor *rest = CALL(&w, RT_OP_rsub, T(x), F(1));
    rt_tensor *odds = CALL(&w, RT_OP_div, T(x), T(rest));
    return rt__steps_end(&w, c, CALL(&w, RT_OP_log, T(odds)));
}

/* --- activations --------------------------------------------------------- */

RT_KERNEL(selu)
{
    rt__steps w = RT_STEPS(c);
    rt_tensor *e = CALL(&w, RT_OP_elu, c->a[0], F(1.6732632423543772848));
    return rt__steps_end(&w, c,
                         CALL(&w, RT_OP_mul, T(e), F(1.0507009873554804934)));
}

RT_KERNEL(mish)
{
    rt__steps w = RT_STEPS(c);
    rt_tensor *soft = CALL(&w, RT_OP_softplus, c->a[0]);
    rt_tensor *gate = CALL(&w, RT_OP_tanh, T(soft));
    return rt__steps_end(&w, c, CALL(&w, RT_OP_mul, c->a[0], T(gate)));
}

RT_KERNEL(logsigmoid)
{
    rt__steps w = RT_STEPS(c);
    rt_tensor *minus = CALL(&w, RT_OP_neg, c->a[0]);
    rt_tensor *soft = CALL(&w, RT_OP_softplus, T(minus));
    return rt__steps_end(&w, c, CALL(&w, RT_OP_neg, T(soft)));
}

static double largest_of(rt_dtype d)
{
    switch (d) {
    case RT_FLOAT16:
        return 65504;
    case RT_BFLOAT16:
        return 0x1.fep127;
    case RT_FLOAT32:
        return 0x1.fffffep127;
    default:
        return 0x1.fffffffffffffp1023;
    }
}

RT_KERNEL(nan_to_num)
{
    rt__steps w = RT_STEPS(c);
    rt_tensor *x = c->a[0].t;
    rt_dtype d = (rt_dtype)x->dtype;
    if (!rt_dtype_is_floating(d)) {
        return rt__steps_end(&w, c, CALL(&w, RT_OP_clone, T(x)));
    }
    const double signs[] = {0, INFINITY, -INFINITY};
    const double otherwise[] = {0, largest_of(d), -largest_of(d)};
    for (int i = 0; i < 3; i++) {
        rt_tensor *where = i ? CALL(&w, RT_OP_eq, c->a[0], F(signs[i]))
                             : CALL(&w, RT_OP_isnan, c->a[0]);
        double v = rt__arg_given(c, i + 1) ? rt__arg_float(c, i + 1)
                                           : otherwise[i];
        x = CALL(&w, RT_OP_where, T(where), F(v), T(x));
    }
    return rt__steps_end(&w, c, x);
}

RT_KERNEL(type_as)
{
    rt__steps w = RT_STEPS(c);
    return rt__steps_end(
        &w, c, CALL(&w, RT_OP_to, c->a[0], RT_V_DTYPE(c->a[1].t->dtype)));
}

RT_KERNEL(count_nonzero)
{
    rt__steps w = RT_STEPS(c);
    rt_tensor *set = CALL(&w, RT_OP_ne, c->a[0], RT_V_INT(0));
    return rt__steps_end(&w, c, CALL(&w, RT_OP_sum, T(set), c->a[1]));
}

/* --- products ------------------------------------------------------------ */

RT_KERNEL(outer)
{
    rt__steps w = RT_STEPS(c);
    if (c->a[0].t->ndim != 1 || c->a[1].t->ndim != 1) {
        return rt_fail(c->err, RT_E_SHAPE,
                       "outer: expected two vectors, got %d and %d dimensions",
                       c->a[0].t->ndim, c->a[1].t->ndim);
    }
    rt_tensor *column = CALL(&w, RT_OP_unsqueeze, c->a[0], RT_V_INT(1));
    return rt__steps_end(&w, c, CALL(&w, RT_OP_mul, T(column), c->a[1]));
}

RT_KERNEL(addmm)
{
    rt__steps w = RT_STEPS(c);
    rt_tensor *self = c->a[0].t;
    rt_tensor *product = CALL(&w, RT_OP_mm, c->a[1], c->a[2]);
    if (is_number(&c->a[3], 0)) {      /* self counts for nothing, even NaN */
        return rt__steps_end(&w, c,
                             CALL(&w, RT_OP_mul, T(product), c->a[4]));
    }
    if (!is_number(&c->a[3], 1)) {
        self = CALL(&w, RT_OP_mul, T(self), c->a[3]);
    }
    return rt__steps_end(&w, c,
                         CALL(&w, RT_OP_add, T(self), T(product), c->a[4]));
}

RT_KERNEL(trace)
{
    rt__steps w = RT_STEPS(c);
    if (c->a[0].t->ndim != 2) {
        return rt_fail(c->err, RT_E_SHAPE,
                       "trace: expected a matrix, got %d dimensions",
                       c->a[0].t->ndim);
    }
    rt_tensor *diagonal = CALL(&w, RT_OP_diagonal, c->a[0]);
    return rt__steps_end(&w, c, CALL(&w, RT_OP_sum, T(diagonal)));
}

/* --- whole comparisons --------------------------------------------------- */

/* Whether all elements of a bool tensor are set, as a bool result. */
static rt_status all_set(rt__call *c, rt__steps *w, rt_tensor *t)
{
    rt_tensor *all = CALL(w, RT_OP_all, T(t));
    bool yes = all && *(const uint8_t *)all->data;
    for (int i = 0; i < w->n; i++) {
        rt_release(w->made[i]);
    }
    if (w->s == RT_OK) {
        c->r[0] = RT_V_BOOL(yes);
    }
    return w->s;
}

RT_KERNEL(equal)
{
    rt__steps w = RT_STEPS(c);
    if (!rt__same_shape(c->a[0].t, c->a[1].t)) {
        c->r[0] = RT_V_BOOL(false);
        return RT_OK;
    }
    return all_set(c, &w, CALL(&w, RT_OP_eq, c->a[0], c->a[1]));
}

RT_KERNEL(allclose)
{
    rt__steps w = RT_STEPS(c);
    return all_set(c, &w, CALL(&w, RT_OP_isclose, c->a[0], c->a[1], c->a[2],
                               c->a[3], c->a[4]));
}

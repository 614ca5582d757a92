/* SPDX-License-Identifier: MIT
 * Gradients of reductions and scans.
 */
#define RT_FORMULA_NAMES
#include "runtime/autograd/formula.h"

#include <math.h>

/* --- dimensions --------------------------------------------------------------------- */

typedef struct dims {
    int n;
    int64_t dim[RT_MAX_DIMS];         /* reduced, wrapped */
    int64_t kept[RT_MAX_DIMS];        /* the shape with keepdim */
    int64_t count;                    /* elements behind one result */
} dims;

static void add_dim(dims *d, const rt__like *like, int64_t dim)
{
    if (like->ndim > 0) {
        dim = dim < 0 ? dim + like->ndim : dim;
        d->kept[dim] = 1;
        d->count *= like->shape[dim];
        d->dim[d->n++] = dim;
    }
}

/* The dimensions that argument v names: an int, a list, None for all. */
static void read_dims(dims *d, const rt__like *like, const rt_value *v)
{
    d->n = 0;
    d->count = 1;
    for (int i = 0; i < like->ndim; i++) {
        d->kept[i] = like->shape[i];
    }
    if (v->kind == RT_K_INT) {
        add_dim(d, like, v->i);
        return;
    }
    bool all = v->kind != RT_K_INTS || v->count == 0;
    for (int i = 0; i < (all ? like->ndim : v->count); i++) {
        add_dim(d, like, all ? i : v->ints[i]);
    }
}

/* A result or its gradient with the reduced dimensions back as ones. */
static rt_tensor *restored(rt__rule_call *c, const dims *d, rt_tensor *t)
{
    return F(reshape, T(t), L(d->kept, LIKE(0)->ndim));
}

static rt_tensor *spread(rt__rule_call *c, const dims *d, rt_tensor *t)
{
    const rt__like *like = LIKE(0);
    return F(expand, T(restored(c, d, t)), L(like->shape, like->ndim));
}

static rt_tensor *sum_over(rt__rule_call *c, const dims *d, rt_tensor *t)
{
    return d->n ? F(sum, T(t), L(d->dim, d->n), B(true)) : t;
}

/* --- sums ------------------------------------------------------------------------------ */

RULE(sum, D)
{
    dims d;
    read_dims(&d, LIKE(0), &c->a[1]);
    GIVE(0, spread(c, &d, G));
}

RULE(mean, D)
{
    dims d;
    read_dims(&d, LIKE(0), &c->a[1]);
    rt_tensor *g = F(div, T(G), N((double)d.count));
    GIVE(0, spread(c, &d, g));
}

/* d var / d x = 2 (x - mean) / (n - correction) */
static rt_tensor *var_slope(rt__rule_call *c, const dims *d)
{
    double correction = c->a[4].kind == RT_K_INT ? (double)c->a[4].i
                                                 : (double)(c->a[2].i != 0);
    double n = (double)d->count - correction;
    rt_tensor *x = ARG(0);
    rt_tensor *mean = d->n ? F(mean, T(x), L(d->dim, d->n), B(true)) : x;
    return F(mul, T(F(sub, T(x), T(mean))), N(2.0 / (n > 0 ? n : 0.0)));
}

RULE(var, D | A(0))
{
    dims d;
    read_dims(&d, LIKE(0), &c->a[1]);
    GIVE(0, F(mul, T(restored(c, &d, G)), T(var_slope(c, &d))));
}

/* 0 where the deviation is 0, as PyTorch has it. */
RULE(std, D | A(0) | R(0))
{
    dims d;
    read_dims(&d, LIKE(0), &c->a[1]);
    rt_tensor *y = RES(0), *flat = F(eq, T(y), N(0.0));
    rt_tensor *g = F(div, T(G), T(F(mul, T(y), N(2.0))));
    g = F(masked_fill, T(g), T(flat), N(0.0));
    GIVE(0, F(mul, T(restored(c, &d, g)), T(var_slope(c, &d))));
}

/* --- norms ------------------------------------------------------------------------------ */

static rt_tensor *norm_inf(rt__rule_call *c, const dims *d, rt_tensor *y,
                           rt_tensor *g)
{
    rt_tensor *x = ARG(0);
    rt_tensor *hit = F(eq, T(F(abs, T(x))), T(y));
    rt_tensor *share = F(where, T(hit), T(F(sign, T(x))), N(0.0));
    rt_tensor *count = sum_over(c, d, F(to, T(hit), RT_V_DTYPE(LIKE(0)->dtype)));
    return F(mul, T(share), T(F(div, T(g), T(count))));
}

static rt_tensor *norm_p(rt__rule_call *c, rt_tensor *y, rt_tensor *g, double p)
{
    rt_tensor *x = ARG(0), *zero = F(eq, T(y), N(0.0));
    if (p == 2.0) {
        rt_tensor *ratio = F(div, T(g), T(y));
        return F(mul, T(x), T(F(masked_fill, T(ratio), T(zero), N(0.0))));
    }
    rt_tensor *scale = F(div, T(g), T(F(pow, T(y), N(p - 1.0))));
    scale = F(masked_fill, T(scale), T(zero), N(0.0));
    rt_tensor *power = F(pow, T(F(abs, T(x))), N(p - 2.0));
    power = F(mul, T(x), T(power));
    if (p < 2.0) {
        power = F(masked_fill, T(power), T(F(eq, T(x), N(0.0))), N(0.0));
    }
    return F(mul, T(power), T(scale));
}

RULE(norm, D | A(0) | R(0))
{
    dims d;
    const rt_value *v = &c->a[1];
    double p = v->kind == RT_K_FLOAT ? v->f
               : v->kind == RT_K_NONE ? 2.0 : (double)v->i;
    read_dims(&d, LIKE(0), &c->a[2]);
    rt_tensor *y = restored(c, &d, RES(0)), *g = restored(c, &d, G);
    if (p == 0.0) {
        GIVE(0, F(zeros_like, T(ARG(0))));
    } else if (p == 1.0) {
        GIVE(0, F(mul, T(g), T(F(sign, T(ARG(0))))));
    } else if (isinf(p)) {
        GIVE(0, norm_inf(c, &d, y, g));
    } else {
        GIVE(0, norm_p(c, y, g, p));
    }
}

RULE(logsumexp, D | A(0) | R(0))
{
    dims d;
    read_dims(&d, LIKE(0), &c->a[1]);
    rt_tensor *y = restored(c, &d, RES(0));
    rt_tensor *share = F(exp, T(F(sub, T(ARG(0)), T(y))));
    GIVE(0, F(mul, T(restored(c, &d, G)), T(share)));
}

/* --- extrema ----------------------------------------------------------------------------- */

/* Every element equal to the result gets the same share; `nan` says whether
 * a NaN equals one. */
static rt_tensor *shared(rt__rule_call *c, const dims *d, bool nan)
{
    rt_tensor *x = ARG(0), *y = restored(c, d, RES(0));
    rt_tensor *hit = F(eq, T(x), T(y));
    if (nan && rt_dtype_is_floating((rt_dtype)LIKE(0)->dtype)) {
        hit = F(logical_or, T(hit), T(F(logical_and, T(F(isnan, T(x))),
                                        T(F(isnan, T(y))))));
    }
    rt_tensor *count = sum_over(c, d, F(to, T(hit), RT_V_DTYPE(LIKE(0)->dtype)));
    return F(div, T(F(mul, T(restored(c, d, G)), T(hit))), T(count));
}

RULE(minmax_all, D | A(0) | R(0))
{
    dims d;
    read_dims(&d, LIKE(0), &RT_NONE);
    GIVE(0, shared(c, &d, true));
}

RULE(aminmax, D | A(0) | R(0))
{
    dims d;
    read_dims(&d, LIKE(0), &c->a[1]);
    GIVE(0, shared(c, &d, false));
}

RULE(minmax_dim, D | R(1))
{
    dims d;
    const rt__like *like = LIKE(0);
    read_dims(&d, like, &c->a[1]);
    rt_tensor *g = restored(c, &d, G);
    if (like->ndim == 0) {
        GIVE(0, g);
        return;
    }
    rt_tensor *zeros = F(new_zeros, T(G), L(like->shape, like->ndim));
    rt_tensor *at = restored(c, &d, RES(1));
    GIVE(0, F(scatter_add_, T(zeros), c->a[1], T(at), T(g)));
}

/* --- scans and products -------------------------------------------------------------------- */

static rt_tensor *reversed(rt__rule_call *c, rt_tensor *t, int64_t dim)
{
    return F(flip, T(t), L(&dim, 1));
}

/* Sums from the end along dim. */
static rt_tensor *sum_from_end(rt__rule_call *c, rt_tensor *t, int64_t dim)
{
    return reversed(c, F(cumsum, T(reversed(c, t, dim)), I(dim)), dim);
}

RULE(cumsum, D)
{
    int64_t dim = LIKE(0)->ndim ? c->a[1].i : 0;
    GIVE(0, LIKE(0)->ndim ? sum_from_end(c, G, dim) : G);
}

static bool has_zero(rt__rule_call *c, rt_tensor *x)
{
    rt_tensor *any = F(any, T(F(eq, T(x), N(0.0))));
    return any && *(const uint8_t *)any->data;
}

/* x [.., n] as [.., n, n] with row j holding x but 1 at place j. */
static rt_tensor *without_each(rt__rule_call *c, rt_tensor *x)
{
    int64_t shape[RT_MAX_DIMS + 1];   /* unsqueeze refuses one too many */
    int nd = x ? x->ndim : 0;   /* NULL: what came before has failed */
    if (nd == 0) {
        return NULL;
    }
    for (int i = 0; i < nd; i++) {
        shape[i] = x->shape[i];
    }
    shape[nd] = x->shape[nd - 1];
    rt_tensor *rows = F(expand, T(F(unsqueeze, T(x), I(nd - 1))),
                        L(shape, nd + 1));
    rt_tensor *eye = F(eye, I(shape[nd]), NONE, RT_V_DTYPE(RT_BOOL));
    return F(masked_fill, T(rows), T(eye), N(1.0));
}

/* The gradient of a product over the last dimension, zeros allowed. */
static rt_tensor *prod_slow(rt__rule_call *c, rt_tensor *x, rt_tensor *g)
{
    rt_tensor *others = F(prod, T(without_each(c, x)), I(-1));
    return F(mul, T(others), T(g));
}

static rt_tensor *prod_along(rt__rule_call *c, int64_t dim)
{
    rt_tensor *x = ARG(0);
    dims d;
    rt_value v = I(dim);
    read_dims(&d, LIKE(0), &v);
    rt_tensor *g = restored(c, &d, G);
    if (!has_zero(c, x)) {
        rt_tensor *y = restored(c, &d, RES(0));
        return F(div, T(F(mul, T(g), T(y))), T(x));
    }
    g = F(transpose, T(g), I(dim), I(-1));
    rt_tensor *t = prod_slow(c, F(transpose, T(x), I(dim), I(-1)), g);
    return F(transpose, T(t), I(dim), I(-1));
}

RULE(prod, D | A(0) | R(0))
{
    const rt__like *like = LIKE(0);
    if (like->ndim == 0) {
        GIVE(0, G);
    } else if (c->a[1].kind == RT_K_INT) {
        GIVE(0, prod_along(c, c->a[1].i));
    } else if (!has_zero(c, ARG(0))) {
        GIVE(0, F(div, T(F(mul, T(G), T(RES(0)))), T(ARG(0))));
    } else {
        int64_t flat = -1;
        rt_tensor *x = F(reshape, T(ARG(0)), L(&flat, 1));
        rt_tensor *t = prod_slow(c, x, F(reshape, T(G), L(&flat, 1)));
        GIVE(0, F(reshape, T(t), L(like->shape, like->ndim)));
    }
}

/* Row j: the products up to each place with factor j left out, 0 before j. */
static rt_tensor *cumprod_slow(rt__rule_call *c, rt_tensor *x, rt_tensor *g)
{
    int64_t last = -1;
    rt_tensor *rows = F(cumprod, T(without_each(c, x)), I(-1));
    rows = F(mul, T(F(triu, T(rows))), T(F(unsqueeze, T(g), I(-2))));
    return F(sum, T(rows), L(&last, 1));
}

RULE(cumprod, D | A(0) | R(0))
{
    int64_t dim = c->a[1].i;
    rt_tensor *x = ARG(0);
    if (LIKE(0)->ndim == 0) {
        GIVE(0, G);
    } else if (!has_zero(c, x)) {
        rt_tensor *t = sum_from_end(c, F(mul, T(G), T(RES(0))), dim);
        GIVE(0, F(div, T(t), T(x)));
    } else {
        rt_tensor *g = F(transpose, T(G), I(dim), I(-1));
        rt_tensor *t = cumprod_slow(c, F(transpose, T(x), I(dim), I(-1)), g);
        GIVE(0, F(transpose, T(t), I(dim), I(-1)));
    }
}

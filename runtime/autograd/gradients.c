/* SPDX-License-Identifier: MIT
 * Gradients of elementwise ops, of filling and of copying.
 */
#define RT_FORMULA_NAMES
#include "runtime/autograd/formula.h"
#include "runtime/ops/cpu/backward.h"

#include <math.h>

#define LN2 0.69314718055994530942
#define LN10 2.30258509299404568402
#define TWO_OVER_SQRT_PI 1.12837916709551257390
#define INV_SQRT_2 0.70710678118654752440
#define INV_SQRT_2PI 0.39894228040143267794
#define SQRT_2_OVER_PI 0.79788456080286535588

static double number(const rt_value *v)
{
    return v->kind == RT_K_FLOAT ? v->f : (double)v->i;
}

/* t * v for a Scalar argument v; t itself for 1. */
static rt_tensor *scaled(rt__rule_call *c, rt_tensor *t, double v)
{
    return v == 1.0 ? t : F(mul, T(t), N(v));
}

/* t where mask holds, else 0. */
static rt_tensor *keep(rt__rule_call *c, rt_tensor *mask, rt_tensor *t)
{
    return F(where, T(mask), T(t), N(0.0));
}

static rt_tensor *one_minus(rt__rule_call *c, rt_tensor *t)
{
    return F(rsub, T(t), N(1.0));
}

/* One pass over the gradient and y; NULL where the composition must do it. */
static rt_tensor *fused(rt__rule_call *c, rt__ew op, rt_tensor *y, double p0)
{
    rt_tensor *t = NULL;
    if (c->graph || c->status != RT_OK) {
        return NULL;
    }
    rt_status s = rt__fused_elementwise(&t, op, G, y, p0, c->err);
    return rt__formula_fused(c, s, t);
}

/* Gives the fused gradient and leaves the rule if there is one. */
#define TRY_FUSED(op, y, p0)                                                   \
    do {                                                                       \
        rt_tensor *t_ = fused(c, RT_EW_##op, y, p0);                           \
        if (t_ || c->status != RT_OK) {                                        \
            GIVE(0, t_);                                                       \
            return;                                                            \
        }                                                                      \
    } while (0)

/* --- two operands ---------------------------------------------------------------- */

RULE(add, D, D)
{
    if (WANTS(0)) {
        GIVE(0, G);
    }
    if (WANTS(1)) {
        GIVE(1, scaled(c, G, number(&c->a[2])));
    }
}

RULE(sub, D, D)
{
    if (WANTS(0)) {
        GIVE(0, G);
    }
    if (WANTS(1)) {
        GIVE(1, scaled(c, F(neg, T(G)), number(&c->a[2])));
    }
}

RULE(rsub, D, D)
{
    if (WANTS(0)) {
        GIVE(0, scaled(c, F(neg, T(G)), number(&c->a[2])));
    }
    if (WANTS(1)) {
        GIVE(1, G);
    }
}

RULE(mul, D | A(1), D | A(0))
{
    if (WANTS(0)) {
        GIVE(0, F(mul, T(G), T(ARG(1))));
    }
    if (WANTS(1)) {
        GIVE(1, F(mul, T(G), T(ARG(0))));
    }
}

RULE(div, D | A(1), D | A(0) | A(1))
{
    if (c->a[2].kind == RT_K_STRING) {      /* rounded: flat */
        if (WANTS(0)) {
            GIVE(0, F(zeros_like, T(G)));
        }
        if (WANTS(1)) {
            GIVE(1, F(zeros_like, T(G)));
        }
        return;
    }
    rt_tensor *part = F(div, T(G), T(ARG(1)));
    if (WANTS(0)) {
        GIVE(0, part);
    }
    if (WANTS(1)) {
        rt_tensor *ratio = F(div, T(ARG(0)), T(ARG(1)));
        GIVE(1, F(neg, T(F(mul, T(part), T(ratio)))));
    }
}

static void remainder_rule(rt__rule_call *c, const char *rounding)
{
    if (WANTS(0)) {
        GIVE(0, G);
    }
    if (WANTS(1)) {
        rt_tensor *q = F(div, T(ARG(0)), T(ARG(1)), S(rounding));
        GIVE(1, F(neg, T(F(mul, T(G), T(q)))));
    }
}

RULE(remainder, D, D | A(0) | A(1))
{
    remainder_rule(c, "floor");
}

RULE(fmod, D, D | A(0) | A(1))
{
    remainder_rule(c, "trunc");
}

static rt_tensor *pow_of_number(rt__rule_call *c, double e)
{
    if (e == 0.0) {
        return F(zeros_like, T(G));
    }
    if (e == 1.0) {
        return G;
    }
    rt_tensor *power = e == 2.0 ? ARG(0) : F(pow, T(ARG(0)), N(e - 1.0));
    return F(mul, T(G), T(F(mul, T(power), N(e))));
}

static rt_tensor *pow_base(rt__rule_call *c)
{
    rt_tensor *e = ARG(1);
    if (e->ndim == 0 && !(e->flags & RT_F_REQUIRES_GRAD)) {
        return pow_of_number(c, rt_dtype_is_floating((rt_dtype)e->dtype)
                             ? rt__load_float((rt_dtype)e->dtype, e->data)
                             : (double)rt__load_int((rt_dtype)e->dtype,
                                                    e->data));
    }
    rt_tensor *power = F(pow, T(ARG(0)), T(F(sub, T(e), N(1.0))));
    rt_tensor *all = F(mul, T(G), T(F(mul, T(e), T(power))));
    return F(where, T(F(eq, T(e), N(0.0))), N(0.0), T(all));
}

RULE(pow, D | A(0) | A(1), D | A(0) | A(1) | R(0))
{
    if (WANTS(0)) {
        GIVE(0, pow_base(c));
    }
    if (WANTS(1)) {
        rt_tensor *zero = F(eq, T(ARG(0)), N(0.0));
        rt_tensor *flat = F(logical_and, T(zero),
                            T(F(ge, T(ARG(1)), N(0.0))));
        rt_tensor *log = F(log, T(F(where, T(flat), N(1.0), T(ARG(0)))));
        GIVE(1, F(mul, T(G), T(F(mul, T(RES(0)), T(log)))));
    }
}

/* Equal elements share the gradient; the loser gets none, and where one is
 * NaN, nobody loses. */
static void extremum(rt__rule_call *c, rt_tensor *lost0, rt_tensor *lost1)
{
    rt_tensor *share = F(where, T(F(eq, T(ARG(0)), T(ARG(1)))),
                         T(F(mul, T(G), N(0.5))), T(G));
    if (WANTS(0)) {
        GIVE(0, F(where, T(lost0), N(0.0), T(share)));
    }
    if (WANTS(1)) {
        GIVE(1, F(where, T(lost1), N(0.0), T(share)));
    }
}

RULE(maximum, D | A(0) | A(1), D | A(0) | A(1))
{
    extremum(c, F(lt, T(ARG(0)), T(ARG(1))), F(gt, T(ARG(0)), T(ARG(1))));
}

RULE(minimum, D | A(0) | A(1), D | A(0) | A(1))
{
    extremum(c, F(gt, T(ARG(0)), T(ARG(1))), F(lt, T(ARG(0)), T(ARG(1))));
}

/* 0 at the origin, as in PyTorch. */
RULE(atan2, D | A(0) | A(1), D | A(0) | A(1))
{
    rt_tensor *r2 = F(add, T(F(square, T(ARG(0)))), T(F(square, T(ARG(1)))));
    rt_tensor *origin = F(eq, T(r2), I(0));
    rt_tensor *part = F(where, T(origin), N(0.0), T(F(div, T(G), T(r2))));
    if (WANTS(0)) {
        GIVE(0, F(mul, T(part), T(ARG(1))));
    }
    if (WANTS(1)) {
        GIVE(1, F(neg, T(F(mul, T(part), T(ARG(0))))));
    }
}

RULE(where, 0, D | A(0), D | A(0))
{
    if (WANTS(1)) {
        GIVE(1, keep(c, ARG(0), G));
    }
    if (WANTS(2)) {
        GIVE(2, F(where, T(ARG(0)), N(0.0), T(G)));
    }
}

/* --- one operand -------------------------------------------------------------------- */

/* RULE for f(x) with one line for the gradient. */
#define UNARY(name, saves, gradient)                                           \
    RULE(name, saves)                                                          \
    {                                                                          \
        GIVE(0, gradient);                                                     \
    }
#define X ARG(0)
#define Y RES(0)

UNARY(neg, D, F(neg, T(G)))
UNARY(abs, D | A(0), F(mul, T(G), T(F(sign, T(X)))))
UNARY(zero, D, F(zeros_like, T(G)))
UNARY(square, D | A(0), F(mul, T(G), T(F(mul, T(X), N(2.0)))))
UNARY(exp, D | R(0), F(mul, T(G), T(Y)))
UNARY(exp2, D | R(0), F(mul, T(G), T(F(mul, T(Y), N(LN2)))))
UNARY(expm1, D | R(0), F(mul, T(G), T(F(add, T(Y), N(1.0)))))
UNARY(log, D | A(0), F(div, T(G), T(X)))
UNARY(log2, D | A(0), F(div, T(G), T(F(mul, T(X), N(LN2)))))
UNARY(log10, D | A(0), F(div, T(G), T(F(mul, T(X), N(LN10)))))
UNARY(log1p, D | A(0), F(div, T(G), T(F(add, T(X), N(1.0)))))
UNARY(sqrt, D | R(0), F(div, T(G), T(F(mul, T(Y), N(2.0)))))
UNARY(reciprocal, D | R(0), F(neg, T(F(mul, T(G), T(F(square, T(Y)))))))
UNARY(softsign, D | A(0),
      F(div, T(G), T(F(square, T(F(add, T(F(abs, T(X))), N(1.0)))))))
UNARY(sin, D | A(0), F(mul, T(G), T(F(cos, T(X)))))
UNARY(cos, D | A(0), F(neg, T(F(mul, T(G), T(F(sin, T(X)))))))
UNARY(tan, D | R(0), F(mul, T(G), T(F(add, T(F(square, T(Y))), N(1.0)))))
UNARY(atan, D | A(0), F(div, T(G), T(F(add, T(F(square, T(X))), N(1.0)))))
UNARY(sinh, D | A(0), F(mul, T(G), T(F(cosh, T(X)))))
UNARY(cosh, D | A(0), F(mul, T(G), T(F(sinh, T(X)))))

RULE(tanh, D | R(0))
{
    TRY_FUSED(tanh_grad, Y, 0);
    GIVE(0, F(mul, T(G), T(one_minus(c, F(square, T(Y))))));
}

RULE(rsqrt, D | R(0))
{
    rt_tensor *cube = F(mul, T(F(square, T(Y))), T(Y));
    GIVE(0, F(mul, T(G), T(F(mul, T(cube), N(-0.5)))));
}

/* 1 / sqrt(1 - x^2) */
static rt_tensor *arc(rt__rule_call *c)
{
    return F(rsqrt, T(one_minus(c, F(square, T(X)))));
}

UNARY(asin, D | A(0), F(mul, T(G), T(arc(c))))
UNARY(acos, D | A(0), F(neg, T(F(mul, T(G), T(arc(c))))))

RULE(sigmoid, D | R(0))
{
    TRY_FUSED(sigmoid_grad, Y, 0);
    GIVE(0, F(mul, T(G), T(F(mul, T(Y), T(one_minus(c, Y))))));
}

RULE(erf, D | A(0))
{
    rt_tensor *bell = F(exp, T(F(neg, T(F(square, T(X))))));
    GIVE(0, F(mul, T(G), T(F(mul, T(bell), N(TWO_OVER_SQRT_PI)))));
}

/* --- activations ------------------------------------------------------------------------ */

RULE(relu, D | R(0))
{
    TRY_FUSED(relu_grad, Y, 0);
    GIVE(0, F(where, T(F(le, T(Y), N(0.0))), N(0.0), T(G)));   /* NaN: g */
}

RULE(leaky_relu, D | A(0))
{
    TRY_FUSED(leaky_relu_grad, X, number(&c->a[1]));
    rt_tensor *low = F(mul, T(G), c->a[1]);
    GIVE(0, F(where, T(F(gt, T(X), N(0.0))), T(G), T(low)));
}

RULE(elu, D | A(0))
{
    TRY_FUSED(elu_grad, X, number(&c->a[1]));
    rt_tensor *below = F(exp, T(F(clamp, T(X), NONE, N(0.0))));
    rt_tensor *low = F(mul, T(G), T(F(mul, T(below), c->a[1])));
    GIVE(0, F(where, T(F(le, T(X), N(0.0))), T(low), T(G)));
}

/* Phi(x) + x phi(x) */
static rt_tensor *gelu_slope(rt__rule_call *c)
{
    rt_tensor *cdf = F(erf, T(F(mul, T(X), N(INV_SQRT_2))));
    cdf = F(mul, T(F(add, T(cdf), N(1.0))), N(0.5));
    rt_tensor *pdf = F(exp, T(F(mul, T(F(square, T(X))), N(-0.5))));
    pdf = F(mul, T(F(mul, T(X), T(pdf))), N(INV_SQRT_2PI));
    return F(add, T(cdf), T(pdf));
}

/* For y = x (1 + tanh u) / 2, u = k (x + 0.044715 x^3). */
static rt_tensor *gelu_tanh_slope(rt__rule_call *c)
{
    rt_tensor *x2 = F(square, T(X));
    rt_tensor *inner = F(add, T(F(mul, T(x2), N(0.044715))), N(1.0));
    rt_tensor *u = F(mul, T(F(mul, T(X), T(inner))), N(SQRT_2_OVER_PI));
    rt_tensor *tanh = F(tanh, T(u));
    rt_tensor *du = F(add, T(F(mul, T(x2), N(3 * 0.044715))), N(1.0));
    du = F(mul, T(du), N(SQRT_2_OVER_PI));
    rt_tensor *left = F(mul, T(F(add, T(tanh), N(1.0))), N(0.5));
    rt_tensor *bend = F(mul, T(one_minus(c, F(square, T(tanh)))), T(du));
    return F(add, T(left), T(F(mul, T(F(mul, T(X), T(bend))), N(0.5))));
}

RULE(gelu, D | A(0))
{
    bool tanh_form = c->a[1].kind == RT_K_STRING && c->a[1].s[0] == 't';
    if (tanh_form) {
        TRY_FUSED(gelu_tanh_grad, X, 0);
    } else {
        TRY_FUSED(gelu_grad, X, 0);
    }
    GIVE(0, F(mul, T(G), T(tanh_form ? gelu_tanh_slope(c) : gelu_slope(c))));
}

RULE(silu, D | A(0))
{
    TRY_FUSED(silu_grad, X, 0);
    rt_tensor *s = F(sigmoid, T(X));
    rt_tensor *slope = F(add, T(F(mul, T(X), T(one_minus(c, s)))), N(1.0));
    GIVE(0, F(mul, T(G), T(F(mul, T(s), T(slope)))));
}

RULE(hardsigmoid, D | A(0))
{
    TRY_FUSED(hardsigmoid_grad, X, 0);
    rt_tensor *bent = F(lt, T(F(abs, T(X))), N(3.0));
    GIVE(0, F(where, T(bent), T(F(mul, T(G), N(1.0 / 6))), N(0.0)));
}

/* (2 x + 3) / 6 between -3 and 3 */
RULE(hardswish, D | A(0))
{
    TRY_FUSED(hardswish_grad, X, 0);
    rt_tensor *slope = F(add, T(F(mul, T(X), N(1.0 / 3))), N(0.5));
    rt_tensor *bent = F(lt, T(X), N(3.0));
    rt_tensor *t = F(where, T(bent), T(F(mul, T(G), T(slope))), T(G));
    GIVE(0, F(where, T(F(le, T(X), N(-3.0))), N(0.0), T(t)));
}

RULE(softplus, D | A(0))
{
    rt_tensor *scaled_x = F(mul, T(X), c->a[1]);
    rt_tensor *soft = F(mul, T(G), T(F(sigmoid, T(scaled_x))));
    GIVE(0, F(where, T(F(gt, T(scaled_x), c->a[2])), T(G), T(soft)));
}

RULE(clamp, D | A(0))
{
    rt_tensor *g = G;
    if (c->a[1].kind != RT_K_NONE) {
        g = keep(c, F(ge, T(X), c->a[1]), g);
    }
    if (c->a[2].kind != RT_K_NONE) {
        g = keep(c, F(le, T(X), c->a[2]), g);
    }
    GIVE(0, g);
}

/* Nothing at the bounds themselves, as PyTorch has it, where clamp passes. */
RULE(hardtanh, D | A(0))
{
    rt_tensor *flat = F(logical_or, T(F(le, T(X), c->a[1])),
                        T(F(ge, T(X), c->a[2])));
    GIVE(0, F(where, T(flat), N(0.0), T(G)));
}

/* --- filling and copying ------------------------------------------------------------------ */

UNARY(fill, D, F(zeros_like, T(G)))
UNARY(clone, D, G)
UNARY(to, D, G)

RULE(copy, D, D)
{
    if (WANTS(0)) {
        GIVE(0, F(zeros_like, T(G)));
    }
    if (WANTS(1)) {
        GIVE(1, G);
    }
}

RULE(masked_fill, D | A(1), 0, D | A(1))
{
    if (WANTS(0)) {
        GIVE(0, F(masked_fill, T(G), T(ARG(1)), N(0.0)));
    }
    if (WANTS(2)) {
        GIVE(2, keep(c, ARG(1), G));
    }
}

/* SPDX-License-Identifier: MIT
 * The kernel steps of elementwise ops: which loop, in which dtype.
 */
#include "runtime/ops/cpu/elementwise.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/iterator.h"

#include <math.h>
#include <string.h>

static rt_dtype dtype_of(const rt_tensor *t)
{
    return (rt_dtype)t->dtype;
}

/* The loop, or its plan where one is asked for. */
static rt_status run_on(rt__call *c, rt__ew op, rt_dtype compute,
                        rt_tensor *const *in, int n, const rt__params *p)
{
    static const rt__params none;
    if (!c->plan) {
        return rt__elementwise(c->name, op, compute, c->r[0].t, in, n, p,
                               c->err);
    }
    *c->plan = (rt__ew_plan){.op = op, .compute = compute, .n = n,
                             .p = p ? *p : none};
    memcpy(c->plan->in, in, (size_t)n * sizeof *in);
    return RT_OK;
}

static rt_status run(rt__call *c, rt__ew op, rt_dtype compute, int n,
                     const rt__params *p)
{
    rt_tensor *in[RT_ELEMENTWISE_INPUTS];
    for (int i = 0; i < n; i++) {
        in[i] = c->a[i].t;
    }
    return run_on(c, op, compute, in, n, p);
}

/* --- one operand --------------------------------------------------------- */

/* In the result's dtype; the kernel sees bools as uint8. */
#define UNARY(name)                                                            \
    RT_KERNEL(name)                                                            \
    {                                                                          \
        return run(c, RT_EW_##name, dtype_of(c->r[0].t), 1, NULL);             \
    }
UNARY(neg)
UNARY(abs)
UNARY(sign)
UNARY(square)
UNARY(floor)
UNARY(ceil)
UNARY(trunc)
UNARY(frac)
UNARY(relu)
UNARY(exp)
UNARY(exp2)
UNARY(expm1)
UNARY(log)
UNARY(log2)
UNARY(log10)
UNARY(log1p)
UNARY(sqrt)
UNARY(rsqrt)
UNARY(reciprocal)
UNARY(softsign)
UNARY(hardsigmoid)
UNARY(hardswish)
UNARY(sin)
UNARY(cos)
UNARY(tan)
UNARY(asin)
UNARY(acos)
UNARY(atan)
UNARY(sinh)
UNARY(cosh)
UNARY(tanh)
UNARY(sigmoid)
UNARY(erf)
UNARY(silu)

/* In the operand's dtype; the result is bool. */
#define UNARY_TEST(name)                                                       \
    RT_KERNEL(name)                                                            \
    {                                                                          \
        return run(c, RT_EW_##name, dtype_of(c->a[0].t), 1, NULL);             \
    }
UNARY_TEST(logical_not)
UNARY_TEST(isnan)
UNARY_TEST(isinf)
UNARY_TEST(isfinite)

RT_KERNEL(round)
{
    rt_dtype d = dtype_of(c->r[0].t);
    int64_t decimals = rt__arg_int(c, 1);
    if (decimals == 0 || !rt_dtype_is_floating(d)) {
        return run(c, RT_EW_round, d, 1, NULL);
    }
    rt__params p = {.f = {pow(10, (double)decimals)}};
    return run(c, RT_EW_round_at, d, 1, &p);
}

RT_KERNEL(bitwise_not)
{
    rt_tensor *self = c->a[0].t;
    if (self->dtype == RT_BOOL) {
        return run(c, RT_EW_logical_not, RT_BOOL, 1, NULL);
    }
    rt_tensor *ones = NULL;
    rt_status s = rt_tensor_scalar(&ones, dtype_of(self), 0, c->err);
    if (s == RT_OK) {
        rt_tensor *in[] = {self, ones};
        rt__store_int(dtype_of(self), ones->data, -1);
        s = rt__elementwise(c->name, RT_EW_bitwise_xor, dtype_of(self),
                            c->r[0].t, in, 2, NULL, c->err);
        rt_release(ones);
    }
    return s;
}

RT_KERNEL(leaky_relu)
{
    rt__params p = {.f = {rt__arg_float(c, 1)}};
    return run(c, RT_EW_leaky_relu, dtype_of(c->r[0].t), 1, &p);
}

RT_KERNEL(elu)
{
    rt__params p = {.f = {rt__arg_float(c, 1)}};
    return run(c, RT_EW_elu, dtype_of(c->r[0].t), 1, &p);
}

RT_KERNEL(softplus)
{
    rt__params p = {.f = {rt__arg_float(c, 1), rt__arg_float(c, 2)}};
    return run(c, RT_EW_softplus, dtype_of(c->r[0].t), 1, &p);
}

RT_KERNEL(gelu)
{
    const char *form = c->a[1].s;
    bool tanh_form = strcmp(form, "tanh") == 0;
    if (!tanh_form && strcmp(form, "none") != 0) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "gelu: approximate must be 'none' or 'tanh', got '%s'",
                       form);
    }
    return run(c, tanh_form ? RT_EW_gelu_tanh : RT_EW_gelu,
               dtype_of(c->r[0].t), 1, NULL);
}

RT_KERNEL(clamp)
{
    rt_dtype d = dtype_of(c->r[0].t);
    bool low = rt__arg_given(c, 1), high = rt__arg_given(c, 2);
    if (!low && !high) {    /* infer has refused it, but is not asked first
                               for a plan */
        return rt_fail(c->err, RT_E_ARGUMENT, "%s: give min, max or both",
                       c->name);
    }
    rt__params p = {
        .f = {low ? rt__arg_float(c, 1) : -INFINITY,
              high ? rt__arg_float(c, 2) : INFINITY},
        .i = {low ? rt__arg_int(c, 1) : INT64_MIN,
              high ? rt__arg_int(c, 2) : INT64_MAX},
    };
    if (rt_dtype_is_floating(d) && (isnan(p.f[0]) || isnan(p.f[1]))) {
        /* All is NaN then; no loop to plan. */
        return c->plan ? RT_OK
                       : rt__fill_float(c->name, c->r[0].t, NAN, c->err);
    }
    /* Bounds outside an integer type are as good as its own limits. */
    int64_t least = d == RT_INT32 ? INT32_MIN : d == RT_INT64 ? INT64_MIN : 0;
    int64_t most = d == RT_INT32   ? INT32_MAX
                   : d == RT_INT64 ? INT64_MAX
                                   : 255;
    for (int k = 0; k < 2; k++) {
        p.i[k] = p.i[k] < least ? least : p.i[k] > most ? most : p.i[k];
    }
    return run(c, RT_EW_clamp, d, 1, &p);
}

RT_KERNEL(hardtanh)
{
    double low = rt__arg_float(c, 1), high = rt__arg_float(c, 2);
    return low <= high ? rt__kernel_clamp(c)
                       : rt_fail(c->err, RT_E_ARGUMENT,
                                 "hardtanh: min_val %g is above max_val %g",
                                 low, high);
}

/* --- two operands -------------------------------------------------------- */

static rt_dtype pair_type(const rt__call *c)
{
    return rt__result_type(c->a[0].t, c->a[1].t);
}

#define BINARY(name)                                                           \
    RT_KERNEL(name)                                                            \
    {                                                                          \
        return run(c, RT_EW_##name, pair_type(c), 2, NULL);                    \
    }
BINARY(maximum)
BINARY(minimum)
BINARY(mul)
BINARY(eq)
BINARY(ne)
BINARY(lt)
BINARY(le)
BINARY(gt)
BINARY(ge)
BINARY(logical_and)
BINARY(logical_or)
BINARY(logical_xor)
BINARY(bitwise_and)
BINARY(bitwise_or)
BINARY(bitwise_xor)
BINARY(bitwise_left_shift)
BINARY(bitwise_right_shift)

RT_KERNEL(atan2)
{
    return run(c, RT_EW_atan2, rt__float_type(pair_type(c)), 2, NULL);
}

static bool is_one(const rt_value *v)
{
    return v->kind == RT_K_FLOAT ? v->f == 1 : v->i == 1;
}

/* a + factor * b; an integer result takes no fractional factor. */
static rt_status add_scaled(rt__call *c, int a, int b, double sign)
{
    rt_dtype d = pair_type(c);
    const rt_value *alpha = &c->a[2];
    if (alpha->kind == RT_K_FLOAT && !rt_dtype_is_floating(d)) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "%s: alpha must be an integer for %s tensors, got %g",
                       c->name, rt_dtype_name(d), alpha->f);
    }
    rt_tensor *in[] = {c->a[a].t, c->a[b].t};
    rt__ew op = d == RT_BOOL     ? RT_EW_logical_or
                : !is_one(alpha) ? RT_EW_add_scaled
                : sign > 0       ? RT_EW_add
                                 : RT_EW_sub;
    rt__params p = {.f = {sign * rt__arg_float(c, 2)},
                    .i = {(int64_t)((uint64_t)(int64_t)sign *
                                    (uint64_t)rt__arg_int(c, 2))}};
    return run_on(c, op, d, in, 2, &p);
}

RT_KERNEL(add)
{
    return add_scaled(c, 0, 1, 1);
}

RT_KERNEL(sub)
{
    return add_scaled(c, 0, 1, -1);
}

RT_KERNEL(rsub)
{
    return add_scaled(c, 1, 0, -1);
}

/* --- division ------------------------------------------------------------ */

typedef struct zero_search {
    rt_dtype dtype;
    bool found;
} zero_search;

static void find_zero(void *ctx, char *const *data, const int64_t *strides,
                      int64_t n)
{
    zero_search *z = ctx;
    for (int64_t i = 0; i < n; i++) {
        if (rt__load_int(z->dtype, data[0] + i * strides[0]) == 0) {
            __atomic_store_n(&z->found, true, __ATOMIC_RELAXED);
        }
    }
}

static rt_status refuse_zero(rt__call *c)
{
    rt_tensor *divisor = c->a[1].t;
    zero_search z = {dtype_of(divisor), false};
    rt__iter it;
    rt__iter_init(&it, &divisor, 1);
    rt_status s = rt__iter_run(&it, find_zero, &z, c->name, c->err);
    if (s == RT_OK && z.found && c->r[0].t->numel) {
        s = rt_fail(c->err, RT_E_ARITHMETIC,
                    "%s: division of integers by zero", c->name);
        rt_error_help(c->err, "mask the zeros out, or divide floats, which "
                              "give inf and nan");
    }
    return s;
}

static rt_status divide(rt__call *c, rt__ew op)
{
    rt_dtype d = pair_type(c);
    bool floats = rt_dtype_is_floating(d);
    rt_status s = floats ? RT_OK : refuse_zero(c);
    if (!floats && op == RT_EW_floor_divide) {
        op = RT_EW_whole_quotient;
    } else if (!floats && op == RT_EW_remainder) {
        op = RT_EW_whole_modulo;
    }
    return s == RT_OK ? run(c, op, d, 2, NULL) : s;
}

RT_KERNEL(div)
{
    if (!rt__arg_given(c, 2)) {
        return run(c, RT_EW_div, rt__float_type(pair_type(c)), 2, NULL);
    }
    const char *mode = c->a[2].s;
    if (strcmp(mode, "trunc") == 0) {
        return divide(c, RT_EW_div_trunc);
    }
    if (strcmp(mode, "floor") == 0) {
        return divide(c, RT_EW_floor_divide);
    }
    return rt_fail(c->err, RT_E_ARGUMENT,
                   "%s: rounding_mode must be None, 'trunc' or 'floor', got "
                   "'%s'", c->name, mode);
}

RT_KERNEL(floor_divide)
{
    return divide(c, RT_EW_floor_divide);
}

RT_KERNEL(remainder)
{
    return divide(c, RT_EW_remainder);
}

RT_KERNEL(fmod)
{
    return divide(c, RT_EW_fmod);
}

/* Exponents with a loop of their own, when the exponent is one number. */
static const struct {
    double exponent;
    rt__ew op;
    bool floats_only;
} powers[] = {
    {2, RT_EW_square, false},    {3, RT_EW_cube, false},
    {0.5, RT_EW_sqrt, true},     {-1, RT_EW_reciprocal, true},
    {-0.5, RT_EW_rsqrt, true},
};

RT_KERNEL(pow)
{
    rt_dtype d = pair_type(c);
    const rt_tensor *e = c->a[1].t;
    for (size_t i = 0; e->numel == 1 && e->ndim == 0 &&
                       i < sizeof powers / sizeof *powers; i++) {
        if (rt__load_float(dtype_of(e), e->data) == powers[i].exponent &&
            (rt_dtype_is_floating(d) || !powers[i].floats_only)) {
            return run(c, powers[i].op, d, 1, NULL);
        }
    }
    bool halves = d == RT_FLOAT16 || d == RT_BFLOAT16;
    return run(c, d == RT_FLOAT32 || halves ? RT_EW_float_pow : RT_EW_pow, d, 2,
               NULL);
}

RT_KERNEL(isclose)
{
    rt_dtype d = pair_type(c);
    rt__params p = {.f = {rt__arg_float(c, 2), rt__arg_float(c, 3)},
                    .i = {rt__arg_int(c, 4)}};
    return run(c, RT_EW_isclose, d, 2, &p);
}

/* --- choosing ------------------------------------------------------------ */

RT_KERNEL(where)
{
    return run(c, RT_EW_where, dtype_of(c->r[0].t), 3, NULL);
}

RT_KERNEL(masked_fill)
{
    rt_tensor *in[] = {c->a[1].t, c->a[2].t, c->a[0].t};
    return rt__elementwise(c->name, RT_EW_where, dtype_of(c->r[0].t),
                           c->r[0].t, in, 3, NULL, c->err);
}

/* --- filling and copying ------------------------------------------------- */

RT_KERNEL(fill)
{
    const rt_value *v = &c->a[1];
    return v->kind == RT_K_FLOAT
               ? rt__fill_float(c->name, c->r[0].t, v->f, c->err)
               : rt__fill_int(c->name, c->r[0].t, v->i, c->err);
}

RT_KERNEL(zero)
{
    return rt__fill_int(c->name, c->r[0].t, 0, c->err);
}

RT_KERNEL(copy)
{
    return rt__copy(c->name, c->r[0].t, c->a[1].t, c->err);
}

RT_KERNEL(copy_self)
{
    return rt__copy(c->name, c->r[0].t, c->a[0].t, c->err);
}

RT_KERNEL(to)
{
    rt_tensor *self = c->a[0].t;
    rt_dtype d = rt__arg_given(c, 1) ? (rt_dtype)c->a[1].dtype
                                     : dtype_of(self);
    if (rt__arg_given(c, 2)) {
        rt_status s = rt_device_check(c->a[2].device, c->err);
        if (s != RT_OK) {
            return s;
        }
    }
    if (d == dtype_of(self) && !rt__arg_int(c, 3)) {
        return rt__result_steal(c, 0, rt_retain(self));
    }
    rt_status s = rt__result_like(c, self, d);
    return s == RT_OK ? rt__copy(c->name, c->r[0].t, self, c->err) : s;
}

/* Keeps columns [from, to) of row i of each matrix, zeroes the others. */
static rt_status triangle(rt__call *c, bool upper)
{
    rt_tensor *out = c->r[0].t;
    rt_status s = rt__copy(c->name, out, c->a[0].t, c->err);
    int64_t rows = out->shape[out->ndim - 2], cols = out->shape[out->ndim - 1];
    int64_t size = (int64_t)rt_dtype_size(dtype_of(out));
    int64_t diagonal = rt__arg_int(c, 1);
    diagonal = diagonal < -rows ? -rows : diagonal > cols ? cols : diagonal;
    int64_t all = cols ? out->numel / cols : 0;
    for (int64_t r = 0; s == RT_OK && r < all; r++) {
        int64_t cut = r % rows + diagonal + !upper;   /* first column kept, or */
        cut = cut < 0 ? 0 : cut > cols ? cols : cut;  /* first dropped         */
        char *row = out->data + r * cols * size;
        if (upper) {
            memset(row, 0, (size_t)(cut * size));
        } else {
            memset(row + cut * size, 0, (size_t)((cols - cut) * size));
        }
    }
    return s;
}

RT_KERNEL(tril)
{
    return triangle(c, false);
}

RT_KERNEL(triu)
{
    return triangle(c, true);
}

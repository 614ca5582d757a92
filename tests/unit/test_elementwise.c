/* SPDX-License-Identifier: MIT
 * Elementwise ops: accuracy against float64 for every instruction set, layouts,
 * dtypes, in-place forms and errors.
 */
#include "runtime/ops/cpu/elementwise.h"
#include "runtime/ops/cpu/vec.h"
#include "tests/unit/tensors.h"

/* --- accuracy ---------------------------------------------------------------- */

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double gelu(double x)
{
    return 0.5 * x * erfc(-x * M_SQRT1_2);
}

static double silu(double x)
{
    return x * sigmoid(x);
}

static double softplus(double x)
{
    return log1p(exp(x));
}

static double hardsigmoid(double x)
{
    return fmin(fmax(x + 3, 0), 6) / 6;
}

static double hardswish(double x)
{
    return x * hardsigmoid(x);
}

static const struct {
    const char *name;
    rt__ew op;
    double (*exact)(double x);
    double low, high, ulps;
} functions[] = {
    {"exp", RT_EW_exp, exp, -104, 89, 2},
    {"exp2", RT_EW_exp2, exp2, -150, 128, 1.5},
    {"exp2 near 0", RT_EW_exp2, exp2, -1, 1, 1.5},
    {"expm1", RT_EW_expm1, expm1, -20, 88, 2},
    {"expm1 near 0", RT_EW_expm1, expm1, -1e-3, 1e-3, 2},
    {"log", RT_EW_log, log, 1e-38, 1e4, 2},
    {"log near 1", RT_EW_log, log, 0.7, 1.4, 2},
    {"log2", RT_EW_log2, log2, 0.5, 3, 2},
    {"log10", RT_EW_log10, log10, 1e-3, 1e3, 2.5},
    {"log1p", RT_EW_log1p, log1p, -0.9, 3, 2.5},
    {"log1p near 0", RT_EW_log1p, log1p, -1e-4, 1e-4, 2.5},
    {"sin", RT_EW_sin, sin, -100, 100, 2},
    {"sin of large numbers", RT_EW_sin, sin, 1e4, 9e5, 2},
    {"cos", RT_EW_cos, cos, -100, 100, 2},
    {"tanh", RT_EW_tanh, tanh, -10, 10, 2.5},
    {"tanh near 0", RT_EW_tanh, tanh, -0.01, 0.01, 2.5},
    {"sigmoid", RT_EW_sigmoid, sigmoid, -80, 80, 3},
    {"erf", RT_EW_erf, erf, -4, 4, 2.5},
    {"silu", RT_EW_silu, silu, -80, 80, 3.5},
    {"hardsigmoid", RT_EW_hardsigmoid, hardsigmoid, -2.5, 5, 3},
    {"hardsigmoid of large numbers", RT_EW_hardsigmoid, hardsigmoid, 3, 1e30, 0},
    {"hardswish", RT_EW_hardswish, hardswish, -2.5, 5, 4},
    {"hardswish of large numbers", RT_EW_hardswish, hardswish, 3, 3e38, 0.5},
    {"softplus", RT_EW_softplus, softplus, -80, 19, 3},
    {"sqrt", RT_EW_sqrt, sqrt, 0, 1e6, 0.51},
    {"tan", RT_EW_tan, tan, -3, 3, 0.55},
    {"tan of large numbers", RT_EW_tan, tan, 1e4, 9e5, 0.55},
    {"asin", RT_EW_asin, asin, -1, 1, 2},
    {"acos", RT_EW_acos, acos, -1, 1, 1.5},
    {"acos near 1", RT_EW_acos, acos, 0.999, 1, 1.5},
    {"atan", RT_EW_atan, atan, -30, 30, 1.5},
    {"atan near 0", RT_EW_atan, atan, -1e-3, 1e-3, 1.5},
    {"sinh", RT_EW_sinh, sinh, -89.4, 89.4, 2},
    {"sinh near 0", RT_EW_sinh, sinh, -1.1, 1.1, 2},
    {"cosh", RT_EW_cosh, cosh, -89.4, 89.4, 2},
    {"cosh near 0", RT_EW_cosh, cosh, -1.1, 1.1, 2},
};

/* Distance in units of the last place of the exact value. */
static double ulps(float got, double exact)
{
    float nearest = (float)exact;
    if (nearest == got) {
        return fabs((double)got - exact) == 0 ? 0 : 0.5;
    }
    int e;
    frexp(exact, &e);
    double unit = ldexp(1, e - 24 < -149 ? -149 : e - 24);
    return fabs((double)got - exact) / unit;
}

static double worst_error(rt__isa isa, int f)
{
    enum { N = 20011 };
    static float x[N], y[N];
    static const rt__params usual = {.f = {1, 20}};   /* of softplus */
    double worst = 0;
    for (int i = 0; i < N; i++) {
        x[i] = (float)(functions[f].low + (functions[f].high - functions[f].low) *
                                              i / (N - 1.0));
    }
    void *data[] = {y, x};
    rt__elementwise_tables[isa]->fn[functions[f].op][RT_FLOAT32](data, N, &usual);
    for (int i = 0; i < N; i++) {
        double u = ulps(y[i], functions[f].exact((double)x[i]));
        worst = u > worst ? u : worst;
    }
    return worst;
}

CASE(float32_functions_keep_their_bounds_on_every_instruction_set)
{
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) {
            double worst = worst_error((rt__isa)isa, (int)f);
            if (!(worst <= functions[f].ulps)) {
                UNIT_FAIL("%s on instruction set %d is %.2f ulp off, bound %.2f",
                          functions[f].name, isa, worst, functions[f].ulps);
            }
        }
    }
}

CASE(gelu_stays_within_an_absolute_bound)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(4001), 3), *r[1];
    for (int i = 0; i < 4001; i++) {
        put(x, i, (i - 2000) * 0.004);
    }
    for (int simd = 0; simd < 2; simd++) {
        rt_set_simd_enabled(simd);
        rt_value v[RT_MAX_RESULTS], a[] = {T(x)};
        CHECK_OK(rt_call(rt_op_find("gelu"), a, 1, v, &err), err);
        r[0] = v[0].t;
        for (int i = 0; i < 4001; i++) {
            CHECK_NEAR(((float *)r[0]->data)[i],
                       gelu((double)((float *)x->data)[i]), 5e-7);
        }
        rt_release(r[0]);
    }
    rt_set_simd_enabled(true);
    rt_release(x);
}

/* One float through one function, on every instruction set. */
static void check_edge(rt__ew op, float x, float want)
{
    static const rt__params none;
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        float in[19], out[19];
        for (int i = 0; i < 19; i++) {
            in[i] = x;
        }
        void *data[] = {out, in};
        rt__elementwise_tables[isa]->fn[op][RT_FLOAT32](data, 19, &none);
        for (int i = 0; i < 19; i += 18) {   /* in the vector and in the tail */
            bool same = out[i] == want || (isnan(out[i]) && isnan(want));
            if (!same || (!isnan(want) && !signbit(out[i]) != !signbit(want))) {
                UNIT_FAIL("op %d of %g on instruction set %d is %g, expected %g",
                          op, (double)x, isa, (double)out[i], (double)want);
            }
        }
    }
}

CASE(infinities_nans_and_zeros_have_their_values)
{
    const float inf = INFINITY, nan = NAN;
    check_edge(RT_EW_exp, inf, inf);
    check_edge(RT_EW_exp, -inf, 0);
    check_edge(RT_EW_exp, nan, nan);
    check_edge(RT_EW_exp, 0, 1);
    check_edge(RT_EW_exp, 90, inf);
    check_edge(RT_EW_exp, -105, 0);
    check_edge(RT_EW_exp2, inf, inf);
    check_edge(RT_EW_exp2, -inf, 0);
    check_edge(RT_EW_exp2, nan, nan);
    check_edge(RT_EW_exp2, -149, 0x1p-149f);
    check_edge(RT_EW_exp2, 127, 0x1p127f);
    check_edge(RT_EW_log, 0, -inf);
    check_edge(RT_EW_log, -1, nan);
    check_edge(RT_EW_log, inf, inf);
    check_edge(RT_EW_log, nan, nan);
    check_edge(RT_EW_log, 0x1p-140f, (float)(-140 * M_LN2));
    check_edge(RT_EW_log1p, -1, -inf);
    check_edge(RT_EW_log1p, inf, inf);
    check_edge(RT_EW_tanh, inf, 1);
    check_edge(RT_EW_tanh, -inf, -1);
    check_edge(RT_EW_tanh, nan, nan);
    check_edge(RT_EW_tanh, -0.f, -0.f);
    check_edge(RT_EW_erf, inf, 1);
    check_edge(RT_EW_erf, -inf, -1);
    check_edge(RT_EW_erf, nan, nan);
    check_edge(RT_EW_expm1, -inf, -1);
    check_edge(RT_EW_expm1, inf, inf);
    check_edge(RT_EW_sigmoid, -inf, 0);
    check_edge(RT_EW_sigmoid, inf, 1);
    check_edge(RT_EW_sin, inf, nan);
    check_edge(RT_EW_sin, 1e30f, (float)sin((double)1e30f));
    check_edge(RT_EW_tan, inf, nan);
    check_edge(RT_EW_tan, -0.f, -0.f);
    check_edge(RT_EW_tan, 1e30f, (float)tan((double)1e30f));
    check_edge(RT_EW_tan, -0x1p-140f, -0x1p-140f);
    check_edge(RT_EW_asin, 1.0001f, nan);
    check_edge(RT_EW_asin, -1, (float)-M_PI_2);
    check_edge(RT_EW_asin, -0.f, -0.f);
    check_edge(RT_EW_acos, -1, (float)M_PI);
    check_edge(RT_EW_acos, 1, 0);
    check_edge(RT_EW_acos, nan, nan);
    check_edge(RT_EW_atan, -inf, (float)-M_PI_2);
    check_edge(RT_EW_atan, nan, nan);
    check_edge(RT_EW_atan, -0.f, -0.f);
    check_edge(RT_EW_atan, 0x1p-140f, 0x1p-140f);
    check_edge(RT_EW_sinh, -inf, -inf);
    check_edge(RT_EW_sinh, 90, inf);
    check_edge(RT_EW_sinh, -0.f, -0.f);
    check_edge(RT_EW_sinh, nan, nan);
    check_edge(RT_EW_cosh, -inf, inf);
    check_edge(RT_EW_cosh, nan, nan);
    check_edge(RT_EW_relu, nan, nan);
    check_edge(RT_EW_relu, -1, 0);
    check_edge(RT_EW_sqrt, -1, nan);
    check_edge(RT_EW_abs, -0.f, 0);
    check_edge(RT_EW_frac, -1.75f, -0.75f);
    check_edge(RT_EW_frac, -3, 0);
    check_edge(RT_EW_frac, inf, nan);
}

CASE(all_instruction_sets_agree_on_arithmetic)
{
    enum { N = 1003 };
    static float a[N], b[N], first[N], out[N];
    static const rt__params p = {.f = {0.75, 2}};
    static const rt__ew ops[] = {RT_EW_add, RT_EW_sub, RT_EW_mul, RT_EW_div,
                                 RT_EW_maximum, RT_EW_minimum, RT_EW_remainder,
                                 RT_EW_floor_divide, RT_EW_fmod, RT_EW_floor,
                                 RT_EW_ceil, RT_EW_round, RT_EW_trunc,
                                 RT_EW_clamp, RT_EW_square, RT_EW_sign};
    for (int i = 0; i < N; i++) {
        a[i] = (float)((i * 37 % 1001) - 500) / 8;
        b[i] = (float)((i * 53 % 991) - 495) / 4 + 0.125f;
    }
    a[5] = NAN;
    b[6] = NAN;
    for (size_t k = 0; k < sizeof ops / sizeof *ops; k++) {
        for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
            void *data[] = {isa ? out : first, a, b};
            rt__elementwise_tables[isa]->fn[ops[k]][RT_FLOAT32](data, N, &p);
            if (isa && memcmp(out, first, sizeof out) != 0) {
                UNIT_FAIL("op %d differs on instruction set %d", ops[k], isa);
            }
        }
    }
}

/* --- calls ---------------------------------------------------------------------- */

static rt_tensor *call(const char *name, rt_value a, rt_value b)
{
    rt_value args[] = {a, b}, r[RT_MAX_RESULTS] = {{0}};
    CHECK_OK(rt_call(rt_op_find(name), args, b.kind ? 2 : 1, r, &err), err);
    return r[0].kind == RT_K_TENSOR ? r[0].t : NULL;
}

CASE(operands_broadcast_and_may_have_any_strides)
{
    int64_t turned[] = {4, 3}, strides[] = {1, 4};
    rt_tensor *x = counting(RT_FLOAT32, SHAPE(3, 4)), *xt = NULL;
    rt_tensor *row = counting(RT_FLOAT32, SHAPE(3));
    CHECK_OK(rt_tensor_view(&xt, x, 2, turned, strides, 0, &err), err);
    rt_tensor *sum = call("add", T(xt), T(row));
    CHECK_INT(sum->shape[0], 4);
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 3; j++) {
            CHECK_NEAR(at(sum, i * 3 + j),
                       j * 4 + i + j, 0);
        }
    }
    rt_release(sum);
    rt_release(xt);
    rt_release(x);
    rt_release(row);
}

CASE(mixed_dtypes_follow_promotion)
{
    rt_tensor *i = counting(RT_INT32, SHAPE(5)), *h = counting(RT_FLOAT16, SHAPE(5));
    rt_tensor *u = counting(RT_UINT8, SHAPE(5));
    struct {
        const char *op;
        rt_value a, b;
        rt_dtype want;
    } rows[] = {
        {"add", T(i), T(h), RT_FLOAT16},     {"mul", T(i), RT_V_FLOAT(2.5), RT_FLOAT32},
        {"mul", T(h), RT_V_INT(2), RT_FLOAT16}, {"add", T(u), T(i), RT_INT32},
        {"div", T(i), T(i), RT_FLOAT32},     {"mul", T(u), RT_V_INT(1000), RT_UINT8},
        {"lt", T(i), RT_V_FLOAT(2.5), RT_BOOL}, {"exp", T(i), RT_UNSET, RT_FLOAT32},
        {"exp", T(h), RT_UNSET, RT_FLOAT16},
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        rt_tensor *t = call(rows[k].op, rows[k].a, rows[k].b);
        if (t && t->dtype != rows[k].want) {
            UNIT_FAIL("row %zu gives %s", k, rt_dtype_name((rt_dtype)t->dtype));
        }
        rt_release(t);
    }
    rt_release(i);
    rt_release(h);
    rt_release(u);
}

CASE(empty_and_zero_dimensional_operands_work)
{
    rt_tensor *none = counting(RT_FLOAT32, SHAPE(0, 3)), *one = NULL;
    CHECK_OK(rt_tensor_scalar(&one, RT_FLOAT32, 3, &err), err);
    rt_tensor *r = call("mul", T(none), T(one));
    CHECK_INT(r->numel, 0);
    CHECK_INT(r->ndim, 2);
    rt_release(r);
    r = call("mul", T(one), T(one));
    CHECK_INT(r->ndim, 0);
    CHECK_NEAR(at(r, 0), 9, 0);
    rt_release(r);
    rt_release(none);
    rt_release(one);
}

CASE(in_place_writes_the_tensor_and_counts_a_version)
{
    rt_tensor *x = counting(RT_FLOAT32, SHAPE(6));
    uint32_t before = rt_tensor_version(x);
    rt_tensor *r = call("add_", T(x), RT_V_INT(10));
    CHECK(r == x);
    CHECK_INT(rt_tensor_version(x), before + 1);
    CHECK_NEAR(at(x, 5), 15, 0);
    rt_release(r);
    rt_release(x);
}

CASE(overlapping_in_place_operands_act_as_if_copied)
{
    int64_t five[] = {5}, one[] = {1};
    rt_tensor *x = counting(RT_FLOAT32, SHAPE(6)), *low = NULL, *high = NULL;
    CHECK_OK(rt_tensor_view(&low, x, 1, five, one, 0, &err), err);
    CHECK_OK(rt_tensor_view(&high, x, 1, five, one, 1, &err), err);
    rt_release(call("add_", T(high), T(low)));
    for (int i = 1; i < 6; i++) {
        CHECK_NEAR(at(x, i), 2 * i - 1, 0);
    }
    rt_release(call("copy_", T(high), T(low)));
    CHECK_NEAR(at(x, 1), 0, 0);
    CHECK_NEAR(at(x, 5), 7, 0);
    rt_release(low);
    rt_release(high);
    rt_release(x);
}

CASE(refusals_name_dtypes_and_shapes_and_change_nothing)
{
    rt_value r[RT_MAX_RESULTS];
    int64_t many[] = {4}, zero[] = {0};
    rt_tensor *i = counting(RT_INT64, SHAPE(3)), *f = counting(RT_FLOAT32, SHAPE(4));
    rt_tensor *b = counting(RT_BOOL, SHAPE(3)), *wide = NULL;
    rt_value half[] = {T(i), RT_V_FLOAT(0.5)}, shapes[] = {T(i), T(f)};
    rt_value bools[] = {T(b), T(b)}, zeros[] = {T(i), T(i)};
    CHECK_FAILS(rt_call(rt_op_find("mul_"), half, 2, r, &err), err, RT_E_DTYPE);
    CHECK_HAS(err.message, "mul_: the result is float32, which a int64");
    CHECK_FAILS(rt_call(rt_op_find("add"), shapes, 2, r, &err), err, RT_E_SHAPE);
    CHECK_HAS(err.message, "[3]");
    CHECK_INT(err.nshapes, 2);
    rt_value swapped[] = {T(f), T(i)};
    CHECK_FAILS(rt_call(rt_op_find("add_"), swapped, 2, r, &err), err, RT_E_SHAPE);
    CHECK_FAILS(rt_call(rt_op_find("sub"), bools, 2, r, &err), err, RT_E_DTYPE);
    CHECK_HAS(err.help, "logical_xor");
    CHECK_FAILS(rt_call(rt_op_find("remainder"), zeros, 2, r, &err), err,
                RT_E_ARITHMETIC);
    CHECK_OK(rt_tensor_view(&wide, i, 1, many, zero, 0, &err), err);
    rt_value stretched[] = {T(wide), RT_V_INT(1)};
    CHECK_FAILS(rt_call(rt_op_find("add_"), stretched, 2, r, &err), err,
                RT_E_ARGUMENT);
    CHECK_NEAR(at(i, 2), 2, 0);
    rt_release(wide);
    rt_release(i);
    rt_release(f);
    rt_release(b);
}

CASE(results_are_the_same_bits_for_any_number_of_threads)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(300, 301), 5), *r[2];
    for (int k = 0; k < 2; k++) {
        rt_set_num_threads(k ? 3 : 1);
        r[k] = call("tanh", T(x), RT_UNSET);
    }
    rt_set_num_threads(0);
    CHECK(memcmp(r[0]->data, r[1]->data, (size_t)x->numel * 4) == 0);
    rt_release(r[0]);
    rt_release(r[1]);
    rt_release(x);
}

CASE(single_elements_of_any_dtype_meet_large_tensors)
{
    rt_tensor *x = counting(RT_FLOAT32, SHAPE(20011)), *half = NULL;
    CHECK_OK(rt_tensor_scalar(&half, RT_FLOAT64, 0.5, &err), err);
    rt_tensor *a = call("sub", T(x), RT_V_FLOAT(0.5)), *b = call("sub", T(half), T(x));
    rt_tensor *c = call("div", T(x), RT_V_INT(4)), *d = call("lt", T(x), RT_V_INT(7));
    int wrong = 0;
    for (int i = 0; i < 20011; i++) {
        wrong += at(a, i) != i - 0.5 || at(b, i) != 0.5 - i ||
                 at(c, i) != (double)((float)i / 4) || at(d, i) != (i < 7);
    }
    CHECK_INT(wrong, 0);
    DROP(x, half, a, b, c, d);
}

/* More bytes than the last cache: the result is written past it. */
CASE(results_larger_than_the_caches_are_whole)
{
    int64_t n = (int64_t)rt__cpu_info()->l3 / 12 + 50001, wrong = 0;
    rt_tensor *x = NULL, *y = NULL;
    n = n < 8000000 ? n : 8000000;
    CHECK_OK(rt_tensor_new(&x, RT_FLOAT32, 1, &n, &err), err);
    CHECK_OK(rt_tensor_new(&y, RT_FLOAT32, 1, &n, &err), err);
    float *a = (float *)x->data, *b = (float *)y->data;
    for (int64_t i = 0; i < n; i++) {
        a[i] = (float)(i % 8191);
        b[i] = (float)(i % 127);
    }
    rt_tensor *sum = call("add", T(x), T(y)), *far = NULL;
    for (int64_t i = 0; i < n; i++) {
        wrong += ((float *)sum->data)[i] != a[i] + b[i];
    }
    n -= 3;     /* an output that starts within a cache line, written in place */
    CHECK_OK(rt_tensor_view(&far, sum, 1, &n, (int64_t[]){1}, 3, &err), err);
    rt_release(call("neg_", T(far), RT_UNSET));
    for (int64_t i = 0; i < n; i++) {
        wrong += ((float *)far->data)[i] != -(a[i + 3] + b[i + 3]);
    }
    CHECK_INT(wrong, 0);
    DROP(x, y, sum, far);
}

CASE(what_no_integer_holds_becomes_the_least_one)
{
    rt_tensor *x = tensor(RT_FLOAT32, SHAPE(37),
                          VALUES(INFINITY, -INFINITY, NAN, 1e30, -2.5));
    rt_tensor *l = CALL(to, 2, T(x), RT_V_DTYPE(RT_INT64));
    rt_tensor *i = CALL(to, 2, T(x), RT_V_DTYPE(RT_INT32));
    for (int k = 0; k < 37; k++) {
        bool fits = k % 5 == 4;
        CHECK_INT(((int64_t *)rt_tensor_data(l))[k], fits ? -2 : INT64_MIN);
        CHECK_INT(((int32_t *)rt_tensor_data(i))[k], fits ? -2 : INT32_MIN);
    }
    DROP(x, l, i);
}

CASE(half_types_round_to_nearest_even_through_every_conversion)
{
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        const rt__convert_table *t = rt__convert_tables[isa];
        int wrong = 0;
        for (int h = 0; h < 65536; h++) {
            uint16_t bits = (uint16_t)h, back[2];
            float f[2];
            t->fn[RT_FLOAT16][RT_FLOAT32]((char *)&f[0], 4, (char *)&bits, 2, 1);
            t->fn[RT_BFLOAT16][RT_FLOAT32]((char *)&f[1], 4, (char *)&bits, 2, 1);
            float want[] = {rt__half_to_float(bits), rt__bfloat16_to_float(bits)};
            wrong += memcmp(f, want, sizeof f) != 0;
            float between = f[0] * 1.0003f;
            t->fn[RT_FLOAT32][RT_FLOAT16]((char *)&back[0], 2, (char *)&between,
                                          4, 1);
            t->fn[RT_FLOAT32][RT_BFLOAT16]((char *)&back[1], 2, (char *)&between,
                                           4, 1);
            wrong += back[0] != rt__float_to_half(between) ||
                     back[1] != rt__float_to_bfloat16(between);
        }
        CHECK_INT(wrong, 0);
    }
}

CASE(integers_wrap_around)
{
    rt_tensor *x = tensor(RT_INT64, SHAPE(9), VALUES(1));
    rt_tensor *one = tensor(RT_INT64, SHAPE(9), VALUES(1));
    for (int i = 0; i < 9; i++) {
        ((int64_t *)x->data)[i] = INT64_MAX;
    }
    rt_tensor *more = call("add", T(x), T(one));
    CHECK(((int64_t *)more->data)[8] == INT64_MIN);
    rt_tensor *r[] = {
        call("neg", T(more), RT_UNSET), call("abs", T(more), RT_UNSET),
        call("sub", T(more), T(one)), call("mul", T(x), T(x)),
        call("square", T(x), RT_UNSET), call("pow", T(x), T(x)),
        call("floor_divide", T(more), RT_V_INT(-1)),
        call("sum", T(x), RT_UNSET), call("prod", T(x), RT_UNSET),
        call("bitwise_left_shift", T(x), T(one))};
    int64_t want[] = {INT64_MIN, INT64_MIN, INT64_MAX, 1, 1, INT64_MAX,
                      INT64_MIN, INT64_MAX - 8, INT64_MAX, -2};
    for (int i = 0; i < 10; i++) {
        CHECK(((int64_t *)r[i]->data)[0] == want[i]);
        rt_release(r[i]);
    }
    rt_value args[] = {T(x), T(one), RT_V_INT(INT64_MIN)}, less[RT_MAX_RESULTS];
    CHECK_OK(rt_call(rt_op_find("sub"), args, 3, less, &err), err);
    CHECK(((int64_t *)less[0].t->data)[8] == -1);
    rt_value_release(&less[0]);
    rt_release(x);
    rt_release(one);
    rt_release(more);
}

static int64_t floored(int64_t a, int64_t b)
{
    int64_t q = b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
    return q - (b != -1 && a % b != 0 && (a < 0) != (b < 0));
}

CASE(integers_of_every_size_divide_alike_on_every_instruction_set)
{
    enum { N = 1000 };
    static int64_t a[N], b[N], q[N], m[N];
    static const rt__params none;
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        const rt__elementwise_table *t = rt__elementwise_tables[isa];
        uint64_t state = 1;
        int wrong = 0;
        for (int i = 0; i < N; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            a[i] = (int64_t)state >> (i / 200 * 10 + 3);
            state = state * 6364136223846793005u + 1442695040888963407u;
            b[i] = (int64_t)state >> (i % 200 / 4 + 8);
            b[i] = b[i] ? b[i] : i % 2 ? -1 : 7;
        }
        a[0] = INT64_MIN, b[0] = -1, a[1] = INT64_MAX, b[1] = -1;
        t->fn[RT_EW_whole_quotient][RT_INT64]((void *[]){q, a, b}, N, &none);
        t->fn[RT_EW_whole_modulo][RT_INT64]((void *[]){m, a, b}, N, &none);
        for (int i = 0; i < N; i++) {
            int64_t want = floored(a[i], b[i]);
            uint64_t rest = (uint64_t)a[i] - (uint64_t)want * (uint64_t)b[i];
            wrong += q[i] != want || m[i] != (int64_t)rest;
        }
        CHECK_INT(wrong, 0);
    }
}

CASE(float64_exponentials_stay_within_an_ulp)
{
    enum { N = 4001 };
    static double x[N], y[N];
    static const rt__params none;
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        double worst = 0;
        for (int i = 0; i < N; i++) {
            x[i] = -708 + 1417. * i / (N - 1);
        }
        x[0] = NAN, x[1] = INFINITY, x[2] = -INFINITY, x[3] = -745;
        rt__elementwise_tables[isa]->fn[RT_EW_exp][RT_FLOAT64](
            (void *[]){y, x}, N, &none);
        CHECK(isnan(y[0]) && y[1] == INFINITY && y[2] == 0);
        CHECK_NEAR(y[3], 0x1p-1074, 0);
        for (int i = 4; i < N; i++) {
            double want = exp(x[i]);
            worst = fmax(worst, fabs(y[i] - want) / want);
        }
        CHECK_NEAR(worst, 0, 0x1p-52);
    }
}

static void check_power(rt__elementwise_fn fn, float a, float b)
{
    static const rt__params none;
    float y;
    double want = pow((double)a, (double)b);
    fn((void *[]){&y, &a, &b}, 1, &none);
    if (isnan(want) ? !isnan(y) : (ulps(y, want) > 0.51 ||
                                   !signbit(y) != !signbit(want))) {
        UNIT_FAIL("%g to the power %g is %g, not %g", (double)a, (double)b,
                  (double)y, want);
    }
}

/* On every instruction set, between low and high and at the edges. */
static void check_float64(rt__ew op, long double (*exact)(long double),
                          double low, double high, double bound)
{
    enum { N = 4001 };
    static double x[N], y[N];
    static const rt__params none;
    static const double edges[] = {0, -0., INFINITY, -INFINITY, NAN, 5e-324,
                                   -1e-310, 1.7e308, -1, 1, 1e-20, 2, -3};
    for (int i = 0; i < N; i++) {
        x[i] = low + (high - low) * i / (N - 1);
    }
    memcpy(x, edges, sizeof edges);
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        rt__elementwise_tables[isa]->fn[op][RT_FLOAT64]((void *[]){y, x}, N,
                                                        &none);
        for (int i = 0; i < N; i++) {
            long double want = exact((long double)x[i]);
            double near = (double)want;
            int e;
            frexpl(want, &e);
            long double unit = ldexpl(1, e < -1021 ? -1074 : e - 53);
            long double off = fabsl((long double)y[i] - want) / unit;
            if (isnan(near)            ? !isnan(y[i])
                : isinf(near) || !near ? memcmp(&near, &y[i], 8) != 0
                                       : !(off <= (long double)bound)) {
                UNIT_FAIL("op %d of %a on instruction set %d is %a, not %a",
                          op, x[i], isa, y[i], near);
            }
        }
    }
}

CASE(float64_functions_keep_their_bounds_on_every_instruction_set)
{
    check_float64(RT_EW_log, logl, 1e-300, 1e4, 1);
    check_float64(RT_EW_log, logl, 0.7, 1.5, 1);
    check_float64(RT_EW_log1p, log1pl, -0.9, 3, 2);
    check_float64(RT_EW_log1p, log1pl, -1e-4, 1e-4, 2);
    check_float64(RT_EW_tanh, tanhl, -20, 20, 2.5);
    check_float64(RT_EW_tanh, tanhl, -0.5, 0.5, 2.5);
}

CASE(powers_of_all_kinds_of_numbers_are_rounded_once)
{
    static const float some[] = {0, -0.f, 1, -1, 2, -2, 0.5f, -0.5f, 3, 1e-40f,
                                 -1e-40f, 1e38f, 7.25f, 1.0001f, INFINITY,
                                 -INFINITY, NAN, 4194304, -3, 100, 1e9f};
    int n = sizeof some / sizeof *some;
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        rt__elementwise_fn fn =
            rt__elementwise_tables[isa]->fn[RT_EW_float_pow][RT_FLOAT32];
        for (int i = 0; i < n * n; i++) {
            check_power(fn, some[i / n], some[i % n]);
        }
        for (int i = 0; i < 3000; i++) {
            check_power(fn, (float)exp(i * 0.05 - 75), (float)(i % 17) - 8.3f);
        }
    }
}

/* Pairs of all kinds of numbers, then of neighbours of multiples. */
static void pairs_of_all_kinds(float *a, float *b, int n)
{
    static const float some[] = {0, -0.f, 1, -1, 2, -3, 0.5f, 7.25f, 1e-45f,
                                 -1e-40f, 1e-20f, 1e20f, -3.4e38f, INFINITY,
                                 -INFINITY, NAN, 16777216};
    int m = sizeof some / sizeof *some;
    uint64_t r = 7;
    for (int i = 0; i < n; i++) {
        r = r * 6364136223846793005u + 1442695040888963407u;
        float w = v_float((uint32_t)(r >> 32));
        float q = (float)(int32_t)((uint32_t)(r >> 20) & 0xfffffu >> i % 20);
        a[i] = i < m * m ? some[i / m] : i % 3 ? w * q : nextafterf(w * q, 0);
        b[i] = i < m * m ? some[i % m] : i % 5 ? w : -w;
    }
}

CASE(atan2_stays_within_two_ulp_in_every_quadrant)
{
    enum { N = 20011 };
    static float a[N], b[N], y[N];
    static const rt__params none;
    pairs_of_all_kinds(a, b, N);
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        void *data[] = {y, a, b};
        rt__elementwise_tables[isa]->fn[RT_EW_atan2][RT_FLOAT32](data, N, &none);
        for (int i = 0; i < N; i++) {
            double want = atan2((double)a[i], (double)b[i]);
            if (isnan(want) ? !isnan(y[i])
                            : !(ulps(y[i], want) <= 2) ||
                                  !signbit(y[i]) != !signbit(want)) {
                UNIT_FAIL("atan2 of %a and %a on instruction set %d is %a",
                          (double)a[i], (double)b[i], isa, (double)y[i]);
            }
        }
    }
}

CASE(float32_remainders_are_exact_for_any_quotient)
{
    enum { N = 20011 };
    static float a[N], b[N], y[2][N];
    static const rt__params none;
    pairs_of_all_kinds(a, b, N);
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        for (int k = 0; k < 2; k++) {
            rt__ew op = k ? RT_EW_remainder : RT_EW_fmod;
            rt__elementwise_fn fn =
                rt__elementwise_tables[isa]->fn[op][RT_FLOAT32];
            /* Singly first: a block with a large quotient goes another way. */
            for (int i = 0, n = 1; i < N; i += n, n = i < 300 ? 1 : N - i) {
                fn((void *[]){y[k] + i, a + i, b + i}, n, &none);
            }
        }
        for (int i = 0; i < N; i++) {
            float m = fmodf(a[i], b[i]);
            float r = m != 0 && (b[i] < 0) != (m < 0) ? m + b[i] : m;
            if (isnan(m) ? !isnan(y[0][i]) || !isnan(y[1][i])
                         : v_bits(m) != v_bits(y[0][i]) ||
                               v_bits(r) != v_bits(y[1][i])) {
                UNIT_FAIL("remainders of %a and %a on instruction set %d are "
                          "%a and %a", (double)a[i], (double)b[i], isa,
                          (double)y[0][i], (double)y[1][i]);
            }
        }
    }
}

CASE(halves_calculate_as_float32_rounded_once_on_every_instruction_set)
{
    enum { N = 65536 + 37 };
    static const rt__ew ops[] = {RT_EW_add, RT_EW_sub, RT_EW_mul, RT_EW_div};
    static const rt_dtype types[] = {RT_FLOAT16, RT_BFLOAT16};
    static uint16_t a[N], b[N], y[N], z[N];
    static float wide[3][N];
    static const rt__params none;
    for (int i = 0; i < N; i++) {
        a[i] = (uint16_t)i;
        b[i] = (uint16_t)(i * 40503u >> 3);
    }
    for (int k = 0; k < 8 * ((int)rt__cpu_info()->isa + 1); k++) {
        rt__isa isa = (rt__isa)(k / 8);
        rt_dtype t = types[k / 4 % 2];
        const rt__convert_table *c = rt__convert_tables[isa];
        const rt__elementwise_table *e = rt__elementwise_tables[isa];
        c->fn[t][RT_FLOAT32]((char *)wide[1], 4, (char *)a, 2, N);
        c->fn[t][RT_FLOAT32]((char *)wide[2], 4, (char *)b, 2, N);
        e->fn[ops[k % 4]][RT_FLOAT32]((void *[]){wide[0], wide[1], wide[2]}, N,
                                      &none);
        c->fn[RT_FLOAT32][t]((char *)z, 2, (char *)wide[0], 4, N);
        e->halves[k / 4 % 2][ops[k % 4]]((void *[]){y, a, b}, N, &none);
        for (int i = 0; i < N; i++) {
            if (y[i] != z[i] && !isnan(wide[0][i])) {
                UNIT_FAIL("op %d of %04x and %04x on instruction set %d is "
                          "%04x, not %04x", ops[k % 4], a[i], b[i], isa, y[i],
                          z[i]);
            }
        }
    }
}

CASE(division_modes_agree_with_python)
{
    static const double a[] = {7, -7, 7, -7}, b[] = {2, 2, -2, -2};
    static const double floors[] = {3, -4, -4, 3}, mods[] = {1, 1, -1, -1};
    static const rt_dtype types[] = {RT_INT64, RT_INT32, RT_FLOAT32, RT_FLOAT64};
    for (int k = 0; k < 4; k++) {
        rt_tensor *x = tensor(types[k], SHAPE(4), a, 4);
        rt_tensor *y = tensor(types[k], SHAPE(4), b, 4);
        rt_tensor *q = call("floor_divide", T(x), T(y));
        rt_tensor *m = call("remainder", T(x), T(y));
        for (int i = 0; i < 4; i++) {
            CHECK_NEAR(at(q, i), floors[i], 0);
            CHECK_NEAR(at(m, i), mods[i], 0);
        }
        rt_release(x);
        rt_release(y);
        rt_release(q);
        rt_release(m);
    }
}

UNIT_MAIN

/* SPDX-License-Identifier: MIT
 * Ops made of other ops: formulas, Einstein's notation, whole comparisons.
 */
#include "tests/unit/tensors.h"

CASE(interpolation_and_fused_sums_follow_their_formulas)
{
    rt_tensor *a = tensor(RT_FLOAT64, SHAPE(3), VALUES(1, 2, 3));
    rt_tensor *b = tensor(RT_FLOAT64, SHAPE(3), VALUES(5, 6, 7));
    rt_tensor *l = CALL(lerp, 3, T(a), T(b), RT_V_FLOAT(0.25));
    rt_tensor *m = CALL(addcmul, 4, T(a), T(a), T(b), RT_V_FLOAT(0.5));
    rt_tensor *d = CALL(addcdiv, 4, T(a), T(b), T(a), RT_V_FLOAT(2));
    CHECK_TENSOR(l, RT_FLOAT64, SHAPE(3), VALUES(2, 3, 4));
    CHECK_TENSOR(m, RT_FLOAT64, SHAPE(3), VALUES(3.5, 8, 13.5));
    CHECK_CLOSE(d, RT_FLOAT64, SHAPE(3), VALUES(11, 8, 3 + 14 / 3.), 1e-12);
    rt_release(l);
    rt_release(m);
    rt_release(d);
    rt_release(a);
    rt_release(b);
}

static void check_same(const char *name, rt_tensor *recorded, rt_tensor *loop)
{
    if (largest_difference(recorded, loop) != 0) {
        UNIT_FAIL("%s of %s differs from its recorded form", name,
                  rt_dtype_name((rt_dtype)loop->dtype));
    }
    DROP(recorded, loop);
}

CASE(one_loop_gives_the_bits_of_the_recorded_steps)
{
    for (int k = 0; k < 2 * 3; k++) {
        rt_dtype d = k % 2 ? RT_FLOAT64 : RT_FLOAT32;
        rt_tensor *a[2], *b = noise(d, SHAPE(41, 1003), 3);
        rt_tensor *w = noise(d, SHAPE(41, 1003), 4);
        a[0] = noise(d, SHAPE(41, 1003), 5);
        a[1] = CALL(clone, 1, T(a[0]));
        CHECK_OK(rt_set_requires_grad(a[0], true, &err), err);
        rt_set_num_threads(k / 2 + 1);
        rt_tensor *r[2][6];
        for (int i = 0; i < 2; i++) {
            r[i][0] = CALL(lerp, 3, T(a[i]), T(b), RT_V_FLOAT(0.3));
            r[i][1] = CALL(lerp, 3, T(a[i]), T(b), T(w));
            r[i][2] = CALL(addcmul, 3, T(a[i]), T(b), T(w));
            r[i][3] = CALL(addcmul, 4, T(a[i]), T(b), T(w), RT_V_FLOAT(0.7));
            r[i][4] = CALL(addcdiv, 3, T(a[i]), T(b), T(w));
            r[i][5] = CALL(addcdiv, 4, T(a[i]), T(b), T(w), RT_V_INT(3));
        }
        CHECK(rt_requires_grad(r[0][0]) && !rt_requires_grad(r[1][0]));
        for (int i = 0; i < 6; i++) {
            check_same(i < 2 ? "lerp" : i < 4 ? "addcmul" : "addcdiv", r[0][i],
                       r[1][i]);
        }
        DROP(a[0], a[1], b, w);
    }
    rt_set_num_threads(0);
}

CASE(activations_follow_their_formulas)
{
    rt_tensor *x = tensor(RT_FLOAT64, SHAPE(4), VALUES(-30, -1, 0.5, 30));
    rt_tensor *s = CALL(logsigmoid, 1, T(x)), *m = CALL(mish, 1, T(x));
    rt_tensor *e = CALL(selu, 1, T(x)), *h = CALL(hardtanh, 1, T(x));
    rt_tensor *f = CALL(frac, 1, T(x));
    for (int i = 0; i < 4; i++) {
        double v = at(x, i), soft = v > 20 ? v : log1p(exp(v));
        CHECK_NEAR(at(s, i), -log1p(exp(-v)), 1e-8);
        CHECK_NEAR(at(m, i), v * tanh(soft), 1e-12);
        CHECK_NEAR(at(e, i), 1.0507009873554805 *
                                 (v > 0 ? v : 1.6732632423543772 * expm1(v)), 1e-12);
        CHECK_NEAR(at(h, i), fmax(-1, fmin(1, v)), 0);
        CHECK_NEAR(at(f, i), v - trunc(v), 0);
    }
    rt_release(s);
    rt_release(m);
    rt_release(e);
    rt_release(h);
    rt_release(f);
    rt_release(x);
}

CASE(nan_to_num_takes_the_limits_of_the_dtype)
{
    rt_tensor *x = tensor(RT_FLOAT32, SHAPE(4), VALUES(NAN, INFINITY, -INFINITY, 2));
    rt_tensor *r = CALL(nan_to_num, 1, T(x));
    CHECK_TENSOR(r, RT_FLOAT32, SHAPE(4),
                 VALUES(0, 0x1.fffffep127, -0x1.fffffep127, 2));
    rt_tensor *s = CALL(nan_to_num, 3, T(x), RT_V_FLOAT(7), RT_V_FLOAT(8));
    CHECK_TENSOR(s, RT_FLOAT32, SHAPE(4), VALUES(7, 8, -0x1.fffffep127, 2));
    rt_release(r);
    rt_release(s);
    rt_release(x);
}

static rt_tensor *einsum(const char *equation, rt_tensor *a, rt_tensor *b)
{
    rt_tensor *both[] = {a, b};
    return CALL(einsum, 2, RT_V_STRING(equation), RT_V_TENSORS(both, b ? 2 : 1));
}

CASE(einsum_writes_products_sums_diagonals_and_transposes)
{
    rt_tensor *a = counting(RT_FLOAT64, SHAPE(2, 3)), *b = counting(RT_FLOAT64, SHAPE(3, 2));
    rt_tensor *q = counting(RT_FLOAT64, SHAPE(2, 2));
    struct {
        const char *equation;
        rt_tensor *x, *y;
        int64_t shape[3];
        int ndim;
        double values[6];
    } rows[] = {
        {"ij,jk->ik", a, b, {2, 2}, 2, {10, 13, 28, 40}},
        {"ij,jk", a, b, {2, 2}, 2, {10, 13, 28, 40}},
        {"ij->ji", a, NULL, {3, 2}, 2, {0, 3, 1, 4, 2, 5}},
        {"ii", q, NULL, {0}, 0, {3}},
        {"ii->i", q, NULL, {2}, 1, {0, 3}},
        {"ij->", a, NULL, {0}, 0, {15}},
        {"ij,ij->j", a, a, {3}, 1, {9, 17, 29}},
        {"...i,ik->...k", a, b, {2, 2}, 2, {10, 13, 28, 40}},
        {"ij,kl->", q, q, {0}, 0, {36}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rt_tensor *r = einsum(rows[i].equation, rows[i].x, rows[i].y);
        CHECK_TENSOR(r, RT_FLOAT64, rows[i].shape, rows[i].ndim, rows[i].values,
                     (int)r->numel);
        rt_release(r);
    }
    rt_tensor *both[] = {a, b};
    REFUSES(RT_E_SHAPE, "label 'j' has sizes 3 and 2", einsum, 2,
            RT_V_STRING("ij,kj->ik"), RT_V_TENSORS(both, 2));
    REFUSES(RT_E_ARGUMENT, "fewer terms", einsum, 2, RT_V_STRING("ij->ij"),
            RT_V_TENSORS(both, 2));
    REFUSES(RT_E_ARGUMENT, "in no operand", einsum, 2, RT_V_STRING("ij,jk->iz"),
            RT_V_TENSORS(both, 2));
    rt_release(a);
    rt_release(b);
    rt_release(q);
}

CASE(whole_comparisons_give_a_bool)
{
    rt_tensor *a = tensor(RT_FLOAT32, SHAPE(3), VALUES(1, 2, NAN));
    rt_tensor *b = tensor(RT_FLOAT32, SHAPE(3), VALUES(1, 2.000001, NAN));
    rt_value r[RT_MAX_RESULTS];
    CHECK_OK(call_all(r, RT_OP_allclose, 2, T(a), T(b)), err);
    CHECK(r[0].kind == RT_K_BOOL && !r[0].b);
    CHECK_OK(call_all(r, RT_OP_allclose, 5, T(a), T(b), RT_V_FLOAT(1e-5),
                      RT_V_FLOAT(0), RT_V_BOOL(true)), err);
    CHECK(r[0].b);
    CHECK_OK(call_all(r, RT_OP_equal, 2, T(a), T(a)), err);
    CHECK(!r[0].b);
    rt_release(a);
    rt_release(b);
}

UNIT_MAIN

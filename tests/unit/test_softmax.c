/* SPDX-License-Identifier: MIT
 * Softmax and its logarithm along every dimension, against float64.
 */
#include "tests/unit/tensors.h"

/* Largest difference from a plain float64 softmax along dimension d. */
static double worst(const rt_tensor *x, const rt_tensor *y, int d, bool logarithm)
{
    int64_t inner = 1, n = x->shape[d];
    double most = 0;
    for (int i = d + 1; i < x->ndim; i++) {
        inner *= x->shape[i];
    }
    for (int64_t i = 0; i < x->numel / n; i++) {
        int64_t first = i / inner * inner * n + i % inner;
        double best = -INFINITY, sum = 0;
        for (int64_t k = 0; k < n; k++) {
            best = fmax(best, at(x, first + k * inner));
        }
        for (int64_t k = 0; k < n; k++) {
            sum += exp(at(x, first + k * inner) - best);
        }
        for (int64_t k = 0; k < n; k++) {
            double shifted = at(x, first + k * inner) - best;
            double want = logarithm ? shifted - log(sum) : exp(shifted) / sum;
            most = fmax(most, fabs(want - at(y, first + k * inner)));
        }
    }
    return most;
}

CASE(softmax_matches_a_reference_along_every_dimension)
{
    static const rt_dtype types[] = {RT_FLOAT32, RT_FLOAT64, RT_FLOAT16};
    static const double bound[] = {1e-6, 1e-14, 4e-3};
    for (int simd = 0; simd < 2; simd++) {
        rt_set_simd_enabled(simd);
        for (int k = 0; k < 3; k++) {
            rt_tensor *x = noise(types[k], SHAPE(5, 33, 18), 3);
            for (int d = 0; d < 3; d++) {
                rt_tensor *s = CALL(softmax, 2, T(x), I(d));
                rt_tensor *l = CALL(log_softmax, 2, T(x), I(d - 3));
                CHECK_NEAR(worst(x, s, d, false), 0, bound[k]);
                CHECK_NEAR(worst(x, l, d, true), 0, bound[k] * 4);
                rt_release(s);
                rt_release(l);
            }
            rt_release(x);
        }
    }
    rt_set_simd_enabled(true);
}

CASE(large_values_and_masked_rows)
{
    rt_tensor *x = tensor(RT_FLOAT32, SHAPE(3, 3),
                          VALUES(1e30, 1e30, 0, -INFINITY, 2, -INFINITY,
                                 -INFINITY, -INFINITY, -INFINITY));
    rt_tensor *s = CALL(softmax, 2, T(x), I(1)), *l = CALL(log_softmax, 2, T(x), I(1));
    CHECK_NEAR(at(s, 0), 0.5, 1e-7);
    CHECK_NEAR(at(s, 4), 1, 0);
    CHECK_NEAR(at(s, 3), 0, 0);
    CHECK(isnan(at(s, 6)));
    CHECK_NEAR(at(l, 0), -M_LN2, 1e-6);
    CHECK_NEAR(at(l, 5), -INFINITY, 0);
    rt_release(s);
    rt_release(l);
    rt_release(x);
}

CASE(strided_operands_zero_dimensions_and_dtypes)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(4, 7), 9), *turned = NULL, *one = NULL;
    int64_t shape[] = {7, 4}, strides[] = {1, 7};
    CHECK_OK(rt_tensor_view(&turned, x, 2, shape, strides, 0, &err), err);
    rt_tensor *s = CALL(softmax, 2, T(turned), I(1));
    CHECK_NEAR(worst(turned, s, 1, false), 0, 1e-6);
    CHECK_OK(rt_tensor_scalar(&one, RT_FLOAT32, 3, &err), err);
    rt_tensor *z = CALL(softmax, 2, T(one), I(0));
    CHECK_NEAR(at(z, 0), 1, 0);
    rt_tensor *i = counting(RT_INT64, SHAPE(3));
    REFUSES(RT_E_DTYPE, "softmax: expected a floating dtype", softmax, 2, T(i), I(0));
    REFUSES(RT_E_INDEX, "softmax", softmax, 2, T(x), I(2));
    rt_tensor *w = CALL(softmax, 3, T(i), I(0), RT_V_DTYPE(RT_FLOAT64));
    CHECK_INT(w->dtype, RT_FLOAT64);
    rt_release(w);
    rt_release(i);
    rt_release(z);
    rt_release(one);
    rt_release(s);
    rt_release(turned);
    rt_release(x);
}

CASE(an_interrupt_gives_an_error_and_no_result)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(200, 1000), 9);
    rt_interrupt();
    REFUSES(RT_E_INTERRUPT, "softmax", softmax, 2, T(x), I(1));
    rt_interrupt_clear();
    rt_release(x);
}

UNIT_MAIN

/* SPDX-License-Identifier: MIT
 * Softmax and its logarithm along every dimension, against float64.
 */
#include "runtime/ops/cpu/softmax.h"
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

/* --- the kernels of every instruction set, against their stated bounds --------- */

/* Spread over 60, with the numbers that are easily got wrong in between. */
static void fill(float *x, int64_t n, uint32_t seed)
{
    static const float odd[] = {0, -0.f, 1e-40f, -1e-45f, 1e-38f, -INFINITY,
                                -200, 30};
    for (int64_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = i % 11 == 3 ? odd[i / 11 % 8]
                           : (float)(seed >> 8) / 279620.0f - 30;
    }
}

/* How far y is beyond the bound of softmax.h; at most 1 is good. */
static double excess(const float *x, const float *y, int64_t n, int64_t step,
                     bool log_)
{
    double top = -INFINITY, sum = 0, most = 0;
    for (int64_t i = 0; i < n; i++) {
        top = fmax(top, (double)x[i * step]);
    }
    for (int64_t i = 0; i < n; i++) {
        sum += exp((double)x[i * step] - top);
    }
    for (int64_t i = 0; i < n; i++) {
        double d = (double)x[i * step] - top, got = (double)y[i * step];
        double want = log_ ? d - log(sum) : exp(d) / sum;
        double bound = log_ ? 1e-6 * (fabs(d) + 1)
                            : 1e-7 * (fabs(d) + 8) * want + 2e-38;
        if (isinf(d)) {
            most = got == want ? most : INFINITY;
        } else {
            most = fmax(most, fabs(got - want) / bound);
        }
    }
    return most;
}

enum { MOST = 20000 };
static const int64_t lengths[] = {1, 2, 3, 15, 16, 17, 31, 33, 50, 63, 64, 65,
                                  100, 127, 128, 1000, 8191, 8193, MOST};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

CASE(rows_stay_within_their_bound_on_every_instruction_set)
{
    static float x[3 * MOST], y[3 * MOST];
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        const rt__softmax_fns *fns = &rt__softmax_tables[isa]->narrow;
        for (int k = 0; k < 2 * LENGTHS; k++) {
            int64_t n = lengths[k / 2];
            fill(x, 3 * n, (uint32_t)k + 7);
            x[0] = 1;        /* no row of -inf alone */
            x[n] = -3e38f;
            x[2 * n] = -1;
            fns->rows(y, x, 3, n, k % 2, 1);
            for (int r = 0; r < 3; r++) {
                double e = excess(x + r * n, y + r * n, n, 1, k % 2);
                if (!(e <= 1)) {
                    UNIT_FAIL("isa %d, n %d, row %d: %g bounds", isa, (int)n,
                              r, e);
                }
            }
            fns->rows(x, x, 3, n, k % 2, 1);   /* in place */
            CHECK(memcmp(x, y, (size_t)(3 * n) * sizeof *x) == 0);
        }
    }
}

CASE(log_sums_of_rows_on_every_instruction_set)
{
    static float x[3 * MOST];
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        for (int k = 0; k < LENGTHS; k++) {
            int64_t n = lengths[k];
            double got[3], want = -INFINITY;
            fill(x, 3 * n, (uint32_t)k);
            for (int64_t i = 0; i < n; i++) {
                x[n + i] = -INFINITY;
            }
            x[2 * n] = INFINITY;
            rt__softmax_tables[isa]->narrow.log_sums(got, x, 3, n);
            for (int64_t i = 0; i < n; i++) {
                double v = (double)x[i], top = fmax(want, v);
                want = isinf(top) ? top
                                  : top + log(exp(want - top) + exp(v - top));
            }
            CHECK_NEAR(got[0], want, 2e-6);
            CHECK(got[1] == -INFINITY);
            CHECK(got[2] == INFINITY);
        }
    }
}

CASE(columns_stay_within_their_bound_on_every_instruction_set)
{
    static float x[300 * 70], y[300 * 70];
    static const int widths[] = {1, 5, 16, 40, 63, 64};
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        const rt__softmax_fns *fns = &rt__softmax_tables[isa]->narrow;
        for (int k = 0; k < 12; k++) {
            int width = widths[k / 2];
            bool log_ = k % 2;
            rt__soft_band b;
            for (int w = 0; w < RT_SOFT_COLUMNS; w++) {
                b.top[w] = -INFINITY;
                b.sum[w] = 0;
            }
            fill(x, 300 * 70, (uint32_t)k);
            memset(y, 7, sizeof y);
            fns->columns_largest(&b, x, 300, 70, width);
            /* in two parts */
            fns->columns_exponentials(&b, log_ ? NULL : y, x, 200, 70, width);
            fns->columns_exponentials(&b, log_ ? NULL : y + 200 * 70,
                                      x + 200 * 70, 100, 70, width);
            fns->columns_finish(&b, y, x, 300, 70, width, log_);
            for (int w = 0; w < width; w++) {
                double e = excess(x + w, y + w, 300, 70, log_);
                if (!(e <= 1)) {
                    UNIT_FAIL("isa %d, column %d of %d, log %d: %g bounds", isa, w,
                              width, log_, e);
                }
            }
            CHECK(width == 70 || ((unsigned char *)(y + width))[0] == 7);
        }
    }
}

CASE(any_row_with_nan_or_inf_is_nan_on_every_instruction_set)
{
    static float x[2000], y[2000];
    static const float odd[] = {NAN, INFINITY};
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        for (int k = 0; k < 2 * LENGTHS && lengths[k / 2] <= 1000; k++) {
            int64_t n = lengths[k / 2];
            fill(x, 2 * n, 3);
            x[n - 1] = odd[k % 2];
            x[n] = 0;
            rt__softmax_tables[isa]->narrow.rows(y, x, 2, n, false, 1);
            for (int64_t i = 0; i < n; i++) {
                CHECK(isnan(y[i]));
                CHECK(!isnan(y[n + i]));
            }
        }
    }
}

CASE(the_bits_are_the_same_for_any_number_of_threads)
{
    static const int64_t shapes[][2] = {{301, 1003}, {700, 50}, {2, 300000}};
    for (int k = 0; k < 12; k++) {
        const int64_t *shape = shapes[k / 4];
        rt_tensor *x = noise(RT_FLOAT32, shape, 2, 5), *first = NULL;
        for (int threads = 1; threads <= 3; threads++) {
            rt_set_num_threads(threads);
            rt_tensor *y = k & 1 ? CALL(log_softmax, 2, T(x), I(k >> 1 & 1))
                                 : CALL(softmax, 2, T(x), I(k >> 1 & 1));
            if (first) {
                CHECK(memcmp(first->data, y->data, (size_t)x->numel * 4) == 0);
                rt_release(y);
            } else {
                first = y;
                CHECK_NEAR(worst(x, y, k >> 1 & 1, k & 1), 0, 1e-5);
            }
        }
        rt_release(first);
        rt_release(x);
    }
    rt_set_num_threads(0);
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

/* SPDX-License-Identifier: MIT
 * Reductions against float64 references: every layout, dtype and instruction
 * set; the same bits for any number of threads.
 */
#include "runtime/ops/cpu/reduce.h"
#include "tests/unit/tensors.h"

/* Runs the body once with and once without wide vectors. */
#define FOR_BOTH(simd)                                                         \
    for (int simd = 0; simd < 2 && (rt_set_simd_enabled(simd), 1); simd++)

CASE(sums_over_each_dimension_match_plain_loops)
{
    FOR_BOTH(simd) {
        rt_tensor *x = noise(RT_FLOAT32, SHAPE(6, 35, 19), 7);
        for (int d = 0; d < 3; d++) {
            rt_tensor *s = CALL(sum, 2, T(x), INTS(d));
            int64_t inner = d == 2 ? 1 : d == 1 ? 19 : 35 * 19;
            for (int64_t i = 0; i < s->numel; i++) {
                int64_t first = i / inner * inner * x->shape[d] + i % inner;
                double want = 0;
                for (int64_t k = 0; k < x->shape[d]; k++) {
                    want += at(x, first + k * inner);
                }
                CHECK_NEAR(at(s, i), want, 2e-6);
            }
            rt_release(s);
        }
        rt_release(x);
    }
}

CASE(long_sums_keep_their_accuracy)
{
    FOR_BOTH(simd) {
        rt_tensor *x = tensor(RT_FLOAT32, SHAPE(1000003), VALUES(0.1));
        double want = 1000003 * (double)0.1f;
        rt_tensor *s = CALL(sum, 1, T(x)), *m = CALL(mean, 1, T(x));
        CHECK_NEAR(at(s, 0), want, want * 1e-6);
        CHECK_NEAR(at(m, 0), (double)0.1f, 1e-7);
        rt_release(s);
        rt_release(m);
        rt_release(x);
    }
}

CASE(any_set_of_dimensions_of_any_layout_reduces)
{
    rt_tensor *x = counting(RT_FLOAT64, SHAPE(2, 3, 4)), *turned = NULL;
    int64_t shape[] = {4, 2, 3}, strides[] = {1, 12, 4};
    CHECK_OK(rt_tensor_view(&turned, x, 3, shape, strides, 0, &err), err);
    rt_tensor *a = CALL(sum, 3, T(x), INTS(0, 2), RT_V_BOOL(true));
    rt_tensor *b = CALL(sum, 2, T(turned), INTS(0, 1));
    rt_tensor *c = CALL(sum, 2, T(turned), INTS(-1));
    CHECK_TENSOR(a, RT_FLOAT64, SHAPE(1, 3, 1), VALUES(60, 92, 124));
    CHECK_TENSOR(b, RT_FLOAT64, SHAPE(3), VALUES(60, 92, 124));
    CHECK_TENSOR(c, RT_FLOAT64, SHAPE(4, 2),
                 VALUES(12, 48, 15, 51, 18, 54, 21, 57));
    rt_release(a);
    rt_release(b);
    rt_release(c);
    rt_release(turned);
    rt_release(x);
}

/* Dimensions 0 and 2 of [3][5][length] by one and by three threads. */
static void check_apart(rt_op_id id, rt_dtype dtype, int64_t length,
                        double (*join)(double, double))
{
    rt_tensor *x = noise(dtype, SHAPE(3, 5, length), 29), *s[2];
    for (int k = 0; k < 2; k++) {
        rt_set_num_threads(1 + 2 * k);
        s[k] = call_one(__FILE__, __LINE__, id, 2, T(x), INTS(0, 2));
    }
    CHECK(memcmp(s[0]->data, s[1]->data,
                 (size_t)s[0]->numel * rt_dtype_size(dtype)) == 0);
    for (int64_t c = 0; c < 5; c++) {
        double want = at(x, c * length);
        for (int64_t i = 1; i < 3 * length; i++) {
            want = join(want, at(x, (i / length * 5 + c) * length + i % length));
        }
        CHECK_NEAR(at(s[0], c), want, 1e-6 * sqrt((double)length) + 1e-6);
    }
    rt_set_num_threads(0);
    DROP(x, s[0], s[1]);
}

static double add_two(double a, double b)
{
    return a + b;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

CASE(dimensions_that_are_not_neighbours_reduce_where_they_are)
{
    static const int64_t lengths[] = {1, 31, 32, 100, 1025, 20000};
    FOR_BOTH(simd) {
        for (int i = 0; i < 6; i++) {
            check_apart(RT_OP_sum, RT_FLOAT32, lengths[i], add_two);
            check_apart(RT_OP_sum, RT_FLOAT64, lengths[i], add_two);
            check_apart(RT_OP_amax, RT_FLOAT32, lengths[i], larger);
        }
    }
    rt_set_simd_enabled(true);
    rt_tensor *x = counting(RT_INT64, SHAPE(2, 2, 2, 40));
    rt_tensor *s = CALL(sum, 2, T(x), INTS(0, 1, 3));
    rt_tensor *two = CALL(sum, 2, T(x), INTS(1, 3));
    rt_tensor *m = CALL(any, 2, T(x), INTS(0, 3));
    CHECK_TENSOR(s, RT_INT64, SHAPE(2), VALUES(22320, 28720));
    CHECK_TENSOR(two, RT_INT64, SHAPE(2, 2), VALUES(4760, 7960, 17560, 20760));
    CHECK_TENSOR(m, RT_BOOL, SHAPE(2, 2), VALUES(1, 1, 1, 1));
    DROP(x, s, two, m);
}

CASE(products_of_any_length_are_exact_in_float64)
{
    FOR_BOTH(simd) {
        for (int64_t n = 1; n < 140; n++) {
            rt_tensor *x = noise(RT_FLOAT32, SHAPE(2, n), 31);
            rt_tensor *d = CALL(to, 2, T(x), RT_V_DTYPE(RT_FLOAT64));
            rt_tensor *p = CALL(prod, 2, T(x), RT_V_INT(1));
            rt_tensor *q = CALL(prod, 2, T(d), RT_V_INT(1));
            for (int r = 0; r < 2; r++) {
                double want = 1;
                for (int64_t i = 0; i < n; i++) {
                    want *= at(x, r * n + i);
                }
                CHECK_NEAR(at(p, r), want, fabs(want) * 1e-7 + 1e-44);
                CHECK_NEAR(at(q, r), want, fabs(want) * 1e-13);
            }
            DROP(x, d, p, q);
        }
    }
    rt_set_simd_enabled(true);
}

CASE(integers_and_bools_add_up_in_64_bits)
{
    rt_tensor *big = tensor(RT_INT32, SHAPE(3), VALUES(2000000000));
    rt_tensor *flags = tensor(RT_BOOL, SHAPE(300), VALUES(1, 0, 1));
    rt_tensor *a = CALL(sum, 1, T(big)), *b = CALL(sum, 1, T(flags));
    rt_tensor *c = CALL(prod, 1, T(big));
    CHECK_TENSOR(a, RT_INT64, SHAPE(), VALUES(6e9));
    CHECK_TENSOR(b, RT_INT64, SHAPE(), VALUES(200));
    CHECK_INT(c->dtype, RT_INT64);
    REFUSES(RT_E_DTYPE, "mean: expected a floating dtype", mean, 1, T(big));
    rt_release(a);
    rt_release(b);
    rt_release(c);
    rt_release(big);
    rt_release(flags);
}

CASE(variance_is_exact_far_from_zero)
{
    FOR_BOTH(simd) {
        rt_tensor *x = noise(RT_FLOAT32, SHAPE(4, 1000), 11);
        for (int64_t i = 0; i < x->numel; i++) {
            put(x, i, at(x, i) + 1000);
        }
        rt_tensor *v = CALL(var, 2, T(x), INTS(1));
        rt_tensor *s = CALL(std, 3, T(x), INTS(1), RT_V_BOOL(false));
        for (int r = 0; r < 4; r++) {
            double mean = 0, squares = 0;
            for (int i = 0; i < 1000; i++) {
                mean += at(x, r * 1000 + i) / 1000;
            }
            for (int i = 0; i < 1000; i++) {
                double d = at(x, r * 1000 + i) - mean;
                squares += d * d;
            }
            CHECK_NEAR(at(v, r), squares / 999, 1e-6);
            CHECK_NEAR(at(s, r), sqrt(squares / 1000), 1e-6);
        }
        rt_release(v);
        rt_release(s);
        rt_release(x);
    }
}

CASE(extremes_know_their_place_and_nan_wins)
{
    FOR_BOTH(simd) {
        rt_tensor *x = noise(RT_FLOAT32, SHAPE(3, 20000), 13);
        put(x, 17777, 5);
        put(x, 19999, 5);
        put(x, 20000 + 18000, -5);
        put(x, 40000 + 19001, NAN);
        rt_value r[RT_MAX_RESULTS];
        CHECK_OK(call_all(r, RT_OP_max_dim, 2, T(x), I(1)), err);
        CHECK_NEAR(at(r[0].t, 0), 5, 0);
        CHECK_INT((int64_t)at(r[1].t, 0), 17777);
        CHECK(isnan(at(r[0].t, 2)));
        CHECK_INT((int64_t)at(r[1].t, 2), 19001);
        rt_value_release(&r[0]);
        rt_value_release(&r[1]);
        rt_tensor *low = CALL(argmin, 2, T(x), I(1)), *all = CALL(argmax, 1, T(x));
        CHECK_INT((int64_t)at(low, 1), 18000);
        CHECK_INT((int64_t)at(all, 0), 40000 + 19001);
        rt_release(low);
        rt_release(all);
        rt_release(x);
    }
}

CASE(every_dtype_has_extremes_and_truth)
{
    for (int d = 0; d < RT_DTYPE_COUNT; d++) {
        rt_tensor *x = tensor((rt_dtype)d, SHAPE(2, 3), VALUES(0, 1, 0, 1, 1, 1));
        rt_tensor *a = CALL(amax, 2, T(x), INTS(1)), *b = CALL(amin, 2, T(x), INTS(1));
        rt_tensor *c = CALL(all, 2, T(x), INTS(1)), *e = CALL(any, 1, T(x));
        CHECK_TENSOR(a, (rt_dtype)d, SHAPE(2), VALUES(1, 1));
        CHECK_TENSOR(b, (rt_dtype)d, SHAPE(2), VALUES(0, 1));
        CHECK_TENSOR(c, d == RT_UINT8 ? RT_UINT8 : RT_BOOL, SHAPE(2), VALUES(0, 1));
        CHECK_NEAR(at(e, 0), 1, 0);
        rt_release(a);
        rt_release(b);
        rt_release(c);
        rt_release(e);
        rt_release(x);
    }
}

CASE(reductions_of_nothing)
{
    rt_tensor *none = counting(RT_FLOAT32, SHAPE(2, 0));
    rt_tensor *s = CALL(sum, 2, T(none), INTS(1)), *p = CALL(prod, 1, T(none));
    rt_tensor *m = CALL(mean, 1, T(none)), *all = CALL(all, 1, T(none));
    CHECK_TENSOR(s, RT_FLOAT32, SHAPE(2), VALUES(0, 0));
    CHECK_NEAR(at(p, 0), 1, 0);
    CHECK(isnan(at(m, 0)));
    CHECK_NEAR(at(all, 0), 1, 0);
    REFUSES(RT_E_SHAPE, "max: no elements along dimension 1", max, 1, T(none));
    REFUSES(RT_E_INDEX, "sum", sum, 2, T(none), INTS(2));
    REFUSES(RT_E_ARGUMENT, "given twice", sum, 2, T(none), INTS(0, -2));
    rt_release(s);
    rt_release(p);
    rt_release(m);
    rt_release(all);
    rt_release(none);
}

CASE(norms_of_all_orders)
{
    rt_tensor *x = tensor(RT_FLOAT64, SHAPE(4), VALUES(3, -4, 0, 12));
    const double orders[] = {2, 1, 0, INFINITY, -INFINITY, 3};
    const double want[] = {13, 19, 3, 12, 0, cbrt(27 + 64 + 1728)};
    for (int i = 0; i < 6; i++) {
        rt_tensor *n = CALL(norm, 2, T(x), RT_V_FLOAT(orders[i]));
        CHECK_NEAR(at(n, 0), want[i], 1e-12);
        rt_release(n);
    }
    rt_release(x);
}

CASE(logsumexp_does_not_overflow)
{
    rt_tensor *x = tensor(RT_FLOAT32, SHAPE(3, 2),
                          VALUES(1000, 1000, -INFINITY, -INFINITY, 0, -1000));
    rt_tensor *l = CALL(logsumexp, 2, T(x), INTS(1));
    CHECK_CLOSE(l, RT_FLOAT32, SHAPE(3), VALUES(1000 + M_LN2, -INFINITY, 0), 1e-4);
    rt_release(l);
    rt_release(x);
}

/* Samples that say nothing or mislead, equal elements, infinities. */
CASE(the_median_of_many_has_half_of_them_on_either_side)
{
    enum { N = 40000 };
    for (int k = 0; k < 12; k++) {
        rt_dtype d = k % 2 ? RT_INT64 : RT_FLOAT32;
        rt_tensor *x = noise(RT_FLOAT64, SHAPE(N), 3), *y = NULL;
        int64_t below = 0, above = 0;
        CHECK_OK(rt_tensor_new(&y, d, 1, (int64_t[]){N}, &err), err);
        for (int64_t i = 0; i < N; i++) {
            double v = at(x, i) * 1e6;
            put(y, i, k / 2 == 0   ? v
                      : k / 2 == 1 ? (double)i
                      : k / 2 == 2 ? (double)(N - i)
                      : k / 2 == 3 ? (v > 0 ? 5 : 5 + (v < -9e5))
                      : k / 2 == 4 ? (i % (N / 1024) ? v : -2e6)
                                   : (k % 2 ? v : v > 1 ? INFINITY : -INFINITY));
        }
        rt_tensor *m = CALL(median, 1, T(y));
        for (int64_t i = 0; i < N; i++) {
            below += at(y, i) < at(m, 0);
            above += at(y, i) > at(m, 0);
        }
        CHECK(below <= (N - 1) / 2 && above <= N / 2);
        DROP(x, y, m);
    }
}

CASE(the_median_is_the_lower_middle)
{
    rt_tensor *x = tensor(RT_INT64, SHAPE(6), VALUES(5, 1, 9, 3, 7, 8));
    rt_tensor *m = CALL(median, 1, T(x));
    CHECK_TENSOR(m, RT_INT64, SHAPE(), VALUES(5));
    rt_release(m);
    rt_release(x);
}

CASE(running_sums_and_products_follow_the_dimension)
{
    rt_tensor *x = tensor(RT_FLOAT32, SHAPE(2, 3), VALUES(1, 2, 3, 4, 5, 6));
    rt_tensor *a = CALL(cumsum, 2, T(x), I(1)), *b = CALL(cumsum, 2, T(x), I(0));
    rt_tensor *c = CALL(cumprod, 2, T(x), I(-1));
    CHECK_TENSOR(a, RT_FLOAT32, SHAPE(2, 3), VALUES(1, 3, 6, 4, 9, 15));
    CHECK_TENSOR(b, RT_FLOAT32, SHAPE(2, 3), VALUES(1, 2, 3, 5, 7, 9));
    CHECK_TENSOR(c, RT_FLOAT32, SHAPE(2, 3), VALUES(1, 2, 6, 4, 20, 120));
    rt_release(a);
    rt_release(b);
    rt_release(c);
    rt_release(x);
}

CASE(threads_and_instruction_sets_never_show_in_a_sum)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(3, 70001), 17);
    static const rt_op_id ids[] = {RT_OP_sum, RT_OP_mean, RT_OP_var, RT_OP_norm};
    for (int k = 0; k < 4; k++) {
        rt_tensor *r[4];
        for (int i = 0; i < 4; i++) {
            rt_set_num_threads(i % 2 ? 4 : 1);
            rt_set_simd_enabled(i < 2);
            r[i] = call_one(__FILE__, __LINE__, ids[k], 1, T(x));
        }
        CHECK(memcmp(r[0]->data, r[1]->data, 4) == 0);
        CHECK(memcmp(r[2]->data, r[3]->data, 4) == 0);
        CHECK_NEAR(at(r[0], 0), at(r[2], 0), fabs(at(r[0], 0)) * 1e-6);
        for (int i = 0; i < 4; i++) {
            rt_release(r[i]);
        }
    }
    rt_set_num_threads(0);
    rt_set_simd_enabled(true);
    rt_release(x);
}

/* Sums along dimension 1 of [outer][length][inner] for one and three threads. */
static void check_columns(rt_dtype dtype, int64_t outer, int64_t length,
                          int64_t inner)
{
    rt_tensor *x = noise(dtype, SHAPE(outer, length, inner), 23), *s[2];
    for (int k = 0; k < 2; k++) {
        rt_set_num_threads(1 + 2 * k);
        s[k] = CALL(sum, 2, T(x), INTS(1));
    }
    CHECK(memcmp(s[0]->data, s[1]->data,
                 (size_t)s[0]->numel * rt_dtype_size(dtype)) == 0);
    double worst = 0;
    for (int64_t i = 0; i < s[0]->numel; i++) {
        int64_t first = i / inner * inner * length + i % inner;
        double want = 0;
        for (int64_t k = 0; k < length; k++) {
            want += at(x, first + k * inner);
        }
        worst = fmax(worst, fabs(at(s[0], i) - want));
    }
    CHECK_NEAR(worst, 0, 1e-6 * sqrt((double)length) + 3e-6);
    rt_set_num_threads(0);
    DROP(x, s[0], s[1]);
}

CASE(columns_of_all_lengths_and_widths_add_up)
{
    FOR_BOTH(simd) {
        check_columns(RT_FLOAT32, 1, 1000, 1000);
        check_columns(RT_FLOAT32, 2, 65, 1025);
        check_columns(RT_FLOAT32, 3, 64, 2049);
        check_columns(RT_FLOAT32, 1, 20000, 17);
        check_columns(RT_FLOAT32, 5, 1, 100);
        check_columns(RT_FLOAT64, 2, 131, 33);
    }
    rt_set_simd_enabled(true);
    rt_tensor *none = tensor(RT_FLOAT32, SHAPE(0, 20), VALUES(0));
    rt_tensor *s = CALL(sum, 2, T(none), INTS(0));
    CHECK(s->numel == 20 && at(s, 0) == 0 && at(s, 19) == 0);
    DROP(none, s);
}

CASE(rows_summed_together_have_the_bits_of_each_alone)
{
    enum { ROWS = 5 };
    static const int64_t widths[] = {0, 1, 15, 16, 63, 64, 65, 130, 1000, 1024};
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(ROWS, RT_SHORT_ROW), 29);
    const float *data = (const float *)(const void *)x->data;
    double first[ROWS], s[ROWS];
    rt__sum alone;
    for (size_t k = 0; k < sizeof widths / sizeof *widths; k++) {
        for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
            int64_t n = widths[k];
            rt__reduce_tables[isa]->sums(data, ROWS, n, s);
            for (int i = 0; i < ROWS; i++) {
                rt__reduce_tables[isa]->row[RT_RED_sum][RT_FLOAT32](
                    data + i * n, n, 0, &alone);
                CHECK(s[i] == alone.f);
                first[i] = isa == 0 ? s[i] : first[i];
                CHECK(s[i] == first[i]);
            }
        }
    }
    DROP(x);
}

CASE(sums_and_means_of_many_short_rows_are_each_at_their_place)
{
    static const int64_t rows[] = {1, 63, 64, 65, 300}, widths[] = {3, 1000};
    for (int k = 0; k < 10; k++) {
        rt_set_num_threads(1 + k % 3);
        int64_t n = rows[k / 2], width = widths[k % 2];
        rt_tensor *x = noise(RT_FLOAT32, SHAPE(n, width), 31);
        rt_tensor *s = CALL(sum, 2, T(x), INTS(1));
        rt_tensor *m = CALL(mean, 2, T(x), INTS(1));
        for (int64_t i = 0; i < n; i++) {
            double want = 0;
            for (int64_t j = 0; j < width; j++) {
                want += at(x, i * width + j);
            }
            CHECK_NEAR(at(s, i), want, 1e-4);
            CHECK_NEAR(at(m, i), want / (double)width, 1e-6);
        }
        DROP(x, s, m);
    }
    rt_set_num_threads(0);
}

CASE(an_extreme_or_a_nan_is_found_wherever_it_stands)
{
    enum { N = 203 };
    float x[N];
    rt__sum s;
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        for (int at = 0; at < N; at++) {
            for (int i = 0; i < N; i++) {
                x[i] = (float)(i * 37 % 101) - 50;
            }
            x[at] = 70;
            x[N - 1] = 70;
            rt__reduce_tables[isa]->row[RT_RED_largest][RT_FLOAT32](x, N, 0, &s);
            CHECK(s.j == at && s.f == 70);
            x[at] = -INFINITY;
            rt__reduce_tables[isa]->row[RT_RED_smallest][RT_FLOAT32](x, N, 0, &s);
            CHECK(s.j == at && s.f == -INFINITY);
            x[at] = NAN;
            rt__reduce_tables[isa]->row[RT_RED_largest][RT_FLOAT32](x, N, 0, &s);
            CHECK(s.j == at && isnan(s.f));
        }
    }
}

CASE(rows_of_a_few_add_as_the_same_rows_with_zeros_behind)
{
    static const double odd[] = {-0.0, -0.0, 3e38, 3e38, -3e38, 1e-40, NAN, 0.5,
                                 INFINITY, -INFINITY, 1, 16777216, 1e-8};
    for (int64_t k = 0; k < 4 * 2 * 3; k++) {
        int64_t n = 1 + k % 4, wrong = 0;
        rt_tensor *x = noise(RT_FLOAT32, SHAPE(5003, n), (uint32_t)k);
        rt_tensor *wide = tensor(RT_FLOAT32, SHAPE(5003, 8), VALUES(0));
        for (int64_t i = 0; i < x->numel; i++) {
            if (i % 3 == 0) {
                put(x, i, odd[i / 3 % 13]);
            }
            put(wide, i / n * 8 + i % n, at(x, i));
        }
        rt_set_num_threads((int)(k / 8) + 1);
        rt_set_simd_enabled(k / 4 % 2);
        rt_tensor *a = CALL(sum, 2, T(x), INTS(-1));
        rt_tensor *b = CALL(sum, 2, T(wide), INTS(-1));
        for (int64_t i = 0; i < a->numel; i++) {
            double u = at(a, i), v = at(b, i);
            wrong += !(isnan(u) && isnan(v)) &&
                     (u != v || signbit(u) != signbit(v));
        }
        CHECK_INT(wrong, 0);
        DROP(x, wide, a, b);
    }
    rt_set_simd_enabled(true);
    rt_set_num_threads(0);
}

UNIT_MAIN

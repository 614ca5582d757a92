/* SPDX-License-Identifier: MIT
 * sort, topk, unique, bincount, searchsorted.
 */
#include "tests/unit/tensors.h"

static void check_sorted(rt_tensor *t, bool descending)
{
    rt_value r[RT_MAX_RESULTS];
    CHECK_OK(call_all(r, RT_OP_sort, 3, T(t), I(-1), RT_V_BOOL(descending)),
             err);
    int64_t wrong = 0, n = t->numel;
    for (int64_t i = 0; i < n; i++) {
        int64_t from = (int64_t)at(r[1].t, i);
        wrong += at(t, from) != at(r[0].t, i);
        if (i > 0) {
            double a = at(r[0].t, i - 1), b = at(r[0].t, i);
            wrong += descending ? a < b : a > b;
            wrong += a == b && at(r[1].t, i - 1) > from;   /* stable */
        }
    }
    CHECK_INT(wrong, 0);
    rt_value_release(&r[0]);
    rt_value_release(&r[1]);
}

CASE(every_dtype_and_size_sorts_stably)
{
    static const int64_t sizes[] = {0, 1, 2, 23, 100, 511, 5000};
    static const rt_dtype dtypes[] = {RT_BOOL, RT_UINT8, RT_INT32, RT_INT64,
                                      RT_FLOAT16, RT_BFLOAT16, RT_FLOAT32,
                                      RT_FLOAT64};
    for (int s = 0; s < 7; s++) {
        for (int d = 0; d < 8; d++) {
            rt_tensor *t = noise(RT_FLOAT64, &sizes[s], 1, 7), *x = NULL;
            CHECK_OK(rt_tensor_new(&x, dtypes[d], 1, &sizes[s], &err), err);
            bool whole = !rt_dtype_is_floating(dtypes[d]);
            for (int64_t i = 0; i < sizes[s]; i++) {
                double v = dtypes[d] == RT_BOOL    ? at(t, i) > 0
                           : dtypes[d] == RT_UINT8 ? at(t, i) * 100 + 100
                           : whole                 ? at(t, i) * 1000
                                                   : at(t, i);
                put(x, i, v);
            }
            check_sorted(x, false);
            check_sorted(x, true);
            DROP(t, x);
        }
    }
}

CASE(nan_counts_as_largest_and_zeros_are_equal)
{
    rt_tensor *t = tensor(RT_FLOAT32, SHAPE(6),
                          VALUES(NAN, 1, -INFINITY, 0.0, -0.0, INFINITY));
    rt_value r[RT_MAX_RESULTS];
    CHECK_OK(call_all(r, RT_OP_sort, 1, T(t)), err);
    CHECK_TENSOR(r[0].t, RT_FLOAT32, SHAPE(6),
                 VALUES(-INFINITY, 0, 0, 1, INFINITY, NAN));
    CHECK_TENSOR(r[1].t, RT_INT64, SHAPE(6), VALUES(2, 3, 4, 1, 5, 0));
    rt_value_release(&r[0]);
    rt_value_release(&r[1]);
    CHECK_OK(call_all(r, RT_OP_sort, 3, T(t), I(0), RT_V_BOOL(true)), err);
    CHECK_TENSOR(r[1].t, RT_INT64, SHAPE(6), VALUES(0, 5, 1, 3, 4, 2));
    rt_value_release(&r[0]);
    rt_value_release(&r[1]);
    DROP(t);
}

/* Bits of element i, so that zeros and NaNs tell where they come from. */
static uint64_t bits_of(const rt_tensor *t, int64_t i)
{
    size_t size = rt_dtype_size((rt_dtype)t->dtype);
    uint64_t bits = 0;
    memcpy(&bits, t->data + (size_t)i * size, size);
    return bits;
}

/* 1 where b may not follow a; NaN is the largest. */
static bool out_of_order(double a, double b, bool descending)
{
    if (descending) {
        double keep = a;
        a = b;
        b = keep;
    }
    return isnan(a) ? !isnan(b) : a > b;
}

static int64_t wrong_in_column(const rt_tensor *t, rt_value *r, int64_t n,
                               int64_t columns, int64_t c, bool descending)
{
    int64_t wrong = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t k = i * columns + c, from = (int64_t)at(r[1].t, k);
        wrong += bits_of(r[0].t, k) != bits_of(t, from * columns + c);
        if (i > 0) {
            double a = at(r[0].t, k - columns), b = at(r[0].t, k);
            bool same = a == b || (isnan(a) && isnan(b));
            wrong += out_of_order(a, b, descending);
            wrong += same && at(r[1].t, k - columns) >= (double)from;
        }
    }
    return wrong;
}

CASE(long_rows_sort_the_same_way_for_any_number_of_threads)
{
    enum { LONG = 200001 };
    static const rt_dtype dtypes[] = {RT_FLOAT32, RT_FLOAT64, RT_INT64,
                                      RT_UINT8, RT_BFLOAT16};
    rt_tensor *noisy = noise(RT_FLOAT64, SHAPE(LONG, 2), 11);
    for (int d = 0; d < 5; d++) {
        bool floats = rt_dtype_is_floating(dtypes[d]);
        rt_tensor *t = tensor(dtypes[d], SHAPE(LONG, 2), VALUES(0));
        rt_tensor *first = NULL;
        for (int64_t i = 0; i < 2 * LONG; i++) {
            double v = at(noisy, i);
            put(t, i, floats ? v : floor(v * 100) + 100);
            if (floats && i % 7 == 0) {
                put(t, i, i % 3 ? -0.0 : 0.0);
            } else if (floats && i % 1000 == 1) {
                put(t, i, i % 9 ? NAN : INFINITY);
            }
        }
        for (int threads = 1; threads <= 3; threads++) {
            rt_value r[RT_MAX_RESULTS];
            bool descending = threads == 3;
            rt_set_num_threads(threads);
            CHECK_OK(call_all(r, RT_OP_sort, 3, T(t), I(0),
                              RT_V_BOOL(descending)), err);
            for (int64_t c = 0; c < 2; c++) {
                CHECK_INT(wrong_in_column(t, r, LONG, 2, c, descending), 0);
            }
            rt_value_release(&r[0]);
            if (threads == 1) {
                first = r[1].t;
                continue;
            }
            CHECK(descending ||
                  memcmp(first->data, r[1].t->data, LONG * 16) == 0);
            rt_value_release(&r[1]);
        }
        DROP(t, first);
    }
    rt_set_num_threads(0);
    DROP(noisy);
}

CASE(sort_works_along_any_dimension)
{
    rt_tensor *t = tensor(RT_INT64, SHAPE(3, 2), VALUES(3, 1, 1, 2, 2, 0));
    rt_tensor *tr = CALL(transpose, 3, T(t), I(0), I(1));
    rt_tensor *a = CALL(sort, 2, T(t), I(0));
    rt_tensor *b = CALL(sort, 2, T(tr), I(-1));
    rt_tensor *c = CALL(argsort, 2, T(t), I(0));
    CHECK_TENSOR(a, RT_INT64, SHAPE(3, 2), VALUES(1, 0, 2, 1, 3, 2));
    CHECK_TENSOR(b, RT_INT64, SHAPE(2, 3), VALUES(1, 2, 3, 0, 1, 2));
    CHECK_TENSOR(c, RT_INT64, SHAPE(3, 2), VALUES(1, 2, 2, 0, 0, 1));
    REFUSES(RT_E_INDEX, "", sort, 2, T(t), I(2));
    DROP(t, tr, a, b, c);
}

CASE(topk_gives_what_sort_begins_with)
{
    rt_tensor *t = noise(RT_FLOAT32, SHAPE(4, 1000), 9);
    for (int largest = 0; largest < 2; largest++) {
        for (int64_t k = 0; k <= 1000; k = k * 5 + 3) {
            rt_value r[RT_MAX_RESULTS], s[RT_MAX_RESULTS];
            CHECK_OK(call_all(r, RT_OP_topk, 4, T(t), I(k), I(1),
                              RT_V_BOOL(largest)), err);
            CHECK_OK(call_all(s, RT_OP_sort, 3, T(t), I(1),
                              RT_V_BOOL(largest)), err);
            int64_t wrong = 0;
            for (int64_t i = 0; i < 4 * k; i++) {
                int64_t j = i / k * 1000 + i % k;
                wrong += at(r[0].t, i) != at(s[0].t, j) ||
                         at(r[1].t, i) != at(s[1].t, j);
            }
            CHECK_INT(wrong, 0);
            for (int i = 0; i < 2; i++) {
                rt_value_release(&r[i]);
                rt_value_release(&s[i]);
            }
        }
    }
    REFUSES(RT_E_INDEX, "k is 1001, dimension 1 has size 1000", topk, 2, T(t),
            I(1001));
    DROP(t);
}

CASE(unique_counts_and_inverts)
{
    rt_tensor *t = tensor(RT_INT64, SHAPE(2, 3), VALUES(3, 1, 3, 2, 1, 3));
    rt_tensor *n = tensor(RT_FLOAT32, SHAPE(3), VALUES(NAN, 1, NAN));
    rt_value r[RT_MAX_RESULTS];
    CHECK_OK(call_all(r, RT_OP_unique, 4, T(t), RT_V_BOOL(true),
                      RT_V_BOOL(true), RT_V_BOOL(true)), err);
    CHECK_TENSOR(r[0].t, RT_INT64, SHAPE(3), VALUES(1, 2, 3));
    CHECK_TENSOR(r[1].t, RT_INT64, SHAPE(2, 3), VALUES(2, 0, 2, 1, 0, 2));
    CHECK_TENSOR(r[2].t, RT_INT64, SHAPE(3), VALUES(2, 1, 3));
    for (int i = 0; i < 3; i++) {
        rt_value_release(&r[i]);
    }
    rt_tensor *u = CALL(unique, 1, T(n));
    CHECK_TENSOR(u, RT_FLOAT32, SHAPE(3), VALUES(1, NAN, NAN));
    DROP(t, n, u);
}

CASE(bincount_counts_and_weighs)
{
    rt_tensor *t = tensor(RT_INT64, SHAPE(4), VALUES(1, 3, 1, 0));
    rt_tensor *w = tensor(RT_FLOAT32, SHAPE(4), VALUES(0.5, 1, 2, 4));
    rt_tensor *a = CALL(bincount, 1, T(t));
    rt_tensor *b = CALL(bincount, 3, T(t), T(w), I(5));
    CHECK_TENSOR(a, RT_INT64, SHAPE(4), VALUES(1, 2, 0, 1));
    CHECK_TENSOR(b, RT_FLOAT32, SHAPE(5), VALUES(4, 2.5, 0, 1, 0));
    put(t, 2, -1);
    REFUSES(RT_E_ARGUMENT, "element 2 is -1", bincount, 1, T(t));
    REFUSES(RT_E_DTYPE, "must hold integers", bincount, 1, T(w));
    ((int64_t *)t->data)[2] = INT64_MAX;
    REFUSES(RT_E_MEMORY, "more elements than memory", bincount, 1, T(t));
    DROP(t, w, a, b);
}

CASE(many_values_are_counted_by_several_threads)
{
    enum { N = 150001 };
    rt_tensor *t = counting(RT_INT64, SHAPE(N));
    for (int bins = 2047; bins < 2050; bins++) {
        for (int64_t i = 0; i < N; i++) {
            put(t, i, (double)(i * 7 % bins));
        }
        rt_set_num_threads(bins % 3 + 1);
        rt_tensor *a = CALL(bincount, 1, T(t));
        CHECK_INT(a->numel, bins);
        for (int64_t i = 0; i < a->numel; i++) {
            CHECK(at(a, i) == N / bins || at(a, i) == N / bins + 1);
        }
        rt_tensor *sum = CALL(sum, 1, T(a));
        CHECK_INT((int64_t)at(sum, 0), N);
        DROP(a, sum);
    }
    rt_set_num_threads(0);
    rt_release(t);
}

CASE(searchsorted_finds_both_sides)
{
    rt_tensor *s = tensor(RT_FLOAT32, SHAPE(4), VALUES(1, 2, 2, 5));
    rt_tensor *v = tensor(RT_FLOAT32, SHAPE(2, 2), VALUES(2, 0, 6, 5));
    rt_tensor *rows = tensor(RT_FLOAT32, SHAPE(2, 2), VALUES(0, 1, 10, 20));
    rt_tensor *a = CALL(searchsorted, 2, T(s), T(v));
    rt_tensor *b = CALL(searchsorted, 3, T(s), T(v), RT_V_BOOL(true));
    rt_tensor *c = CALL(searchsorted, 2, T(rows), T(v));
    CHECK_TENSOR(a, RT_INT64, SHAPE(2, 2), VALUES(1, 0, 4, 3));
    CHECK_TENSOR(b, RT_INT64, SHAPE(2, 2), VALUES(3, 0, 4, 4));
    CHECK_TENSOR(c, RT_INT64, SHAPE(2, 2), VALUES(2, 0, 0, 0));
    DROP(s, v, rows, a, b, c);
}

/* One more or less than a power of two, nothing, NaN on either side, integers
 * that no double holds, and pieces of several threads. */
CASE(searchsorted_counts_what_comes_before)
{
    static const int64_t lengths[] = {0, 1, 2, 3, 7, 8, 9, 1000};
    rt_tensor *v = noise(RT_FLOAT32, SHAPE(5000), 4);
    put(v, 7, NAN);
    put(v, 12, INFINITY);
    for (int k = 0; k < 32; k++) {
        int64_t n = lengths[k / 4];
        rt_tensor *s = counting(RT_FLOAT64, SHAPE(n));
        rt_set_num_threads(1 + k % 3);
        for (int64_t i = 0; i < n; i++) {
            put(s, i, i < n - k % 2 || n < 3 ? (double)(i / 2) / 300 - 1 : NAN);
        }
        rt_tensor *y = CALL(searchsorted, 3, T(s), T(v), RT_V_BOOL(k / 2 % 2));
        for (int64_t i = 0; i < 5000; i++) {
            double x = at(v, i);
            int64_t before = 0;
            for (int64_t j = 0; j < n; j++) {
                double a = at(s, j);
                before += a < x || (a == a && (x != x || (k & 2 && a == x)));
            }
            CHECK_INT(((int64_t *)y->data)[i], before);
        }
        DROP(s, y);
    }
    rt_set_num_threads(0);
    rt_tensor *a = counting(RT_INT64, SHAPE(3)), *b = counting(RT_INT64,
                                                               SHAPE(2));
    for (int i = 0; i < 3; i++) {
        ((int64_t *)a->data)[i] = (1LL << 60) + i;
    }
    ((int64_t *)b->data)[0] = (1LL << 60) + 1;
    ((int64_t *)b->data)[1] = (1LL << 60) + 2;
    rt_tensor *y = CALL(searchsorted, 2, T(a), T(b));
    CHECK_TENSOR(y, RT_INT64, SHAPE(2), VALUES(1, 2));
    DROP(v, a, b, y);
}

UNIT_MAIN

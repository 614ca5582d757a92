/* SPDX-License-Identifier: MIT
 * Elementwise ops and copies over rows, columns, transposed operands and rows
 * too short for a call each.
 */
#include "runtime/ops/cpu/elementwise.h"
#include "tests/unit/tensors.h"

static rt_tensor *call(const char *name, rt_value a, rt_value b)
{
    rt_value args[] = {a, b}, r[RT_MAX_RESULTS] = {{0}};
    CHECK_OK(rt_call(rt_op_find(name), args, b.kind ? 2 : 1, r, &err), err);
    return r[0].kind == RT_K_TENSOR ? r[0].t : NULL;
}

/* A view of all of x with its dimensions swapped. */
static rt_tensor *turned(rt_tensor *x)
{
    rt_tensor *t = NULL;
    int64_t shape[] = {x->shape[1], x->shape[0]}, strides[] = {1, x->shape[1]};
    CHECK_OK(rt_tensor_view(&t, x, 2, shape, strides, 0, &err), err);
    return t;
}

static void check_sums(const char *what, rt_tensor *a, rt_tensor *b)
{
    for (int threads = 1; threads <= 3; threads++) {
        rt_set_num_threads(threads);
        rt_set_simd_enabled(threads != 2);
        rt_tensor *sum = call("add", T(a), T(b)), *gap = call("sub", T(a), T(b));
        int64_t wrong = 0, n = sum->shape[1];
        for (int64_t i = 0; i < sum->numel; i++) {
            int64_t r = i / n, c = i % n;
            double x = at(a, a->shape[0] == 1 ? c : a->shape[1] == 1 ? r : i);
            double y = at(b, b->shape[0] == 1 ? c : b->shape[1] == 1 ? r : i);
            wrong += at(sum, i) != x + y || at(gap, i) != x - y;
        }
        if (wrong) {
            UNIT_FAIL("%s of %s, %d thread(s): %lld wrong", what,
                      rt_dtype_name((rt_dtype)a->dtype), threads,
                      (long long)wrong);
        }
        DROP(sum, gap);
    }
    rt_set_simd_enabled(true);
    rt_set_num_threads(0);
}

CASE(rows_columns_and_transposed_operands_fall_together_right)
{
    static const rt_dtype types[] = {RT_FLOAT32, RT_FLOAT64, RT_INT32};
    for (int k = 0; k < 3; k++) {
        rt_tensor *x = counting(types[k], SHAPE(157, 331));
        rt_tensor *y = counting(types[k], SHAPE(331, 157)), *yt = turned(y);
        rt_tensor *row = counting(types[k], SHAPE(1, 331));
        rt_tensor *column = counting(types[k], SHAPE(157, 1));
        check_sums("rows", x, row);
        check_sums("rows, the other way", row, x);
        check_sums("columns", x, column);
        check_sums("columns, the other way", column, x);
        check_sums("a transposed operand", x, yt);
        check_sums("a transposed operand, the other way", yt, x);
        check_sums("a row and a column", row, column);
        check_sums("a transposed operand and a column", yt, column);
        DROP(x, y, yt, row, column);
    }
}

/* a[i] - b[j], as a tensor of every pair, against the same on dense copies. */
static void check_pairs(rt_dtype dtype, int64_t rows, int64_t columns)
{
    rt_tensor *a = counting(dtype, SHAPE(rows, columns)), *v[2], *full[2];
    rt_tensor *b = counting(dtype, SHAPE(columns, rows)), *bt = turned(b);
    const int64_t all[] = {rows, rows, columns};
    const int64_t first[] = {a->strides[0], 0, a->strides[1]};
    const int64_t second[] = {0, bt->strides[0], bt->strides[1]};
    CHECK_OK(rt_tensor_view(&v[0], a, 3, all, first, 0, &err), err);
    CHECK_OK(rt_tensor_view(&v[1], bt, 3, all, second, 0, &err), err);
    full[0] = call("contiguous", T(v[0]), RT_UNSET);
    full[1] = call("contiguous", T(v[1]), RT_UNSET);
    rt_tensor *want = call("sub", T(full[0]), T(full[1]));
    int64_t wrong = 0;
    for (int64_t i = 0; i < want->numel; i++) {
        int64_t k = i % columns, r = i / columns;
        wrong += at(full[0], i) != at(a, r / rows * columns + k) ||
                 at(full[1], i) != at(b, k * rows + r % rows);
    }
    CHECK_INT(wrong, 0);
    for (int threads = 1; threads <= 3; threads++) {
        rt_set_num_threads(threads);
        rt_set_simd_enabled(threads != 2);
        rt_tensor *gap = call("sub", T(v[0]), T(v[1]));
        if (memcmp(gap->data, want->data,
                   (size_t)want->numel * rt_dtype_size(want->dtype)) != 0) {
            UNIT_FAIL("%lld pairs of %lld %s, %d thread(s)",
                      (long long)(rows * rows), (long long)columns,
                      rt_dtype_name(dtype), threads);
        }
        rt_release(gap);
    }
    rt_set_simd_enabled(true);
    rt_set_num_threads(0);
    DROP(full[0], full[1], v[0], v[1], want, a, b, bt);
}

CASE(short_rows_of_all_pairs_fall_together_right)
{
    static const rt_dtype types[] = {RT_FLOAT32, RT_FLOAT64, RT_INT32,
                                     RT_FLOAT16, RT_UINT8};
    for (int k = 0; k < 5; k++) {
        for (int64_t columns = 2; columns < 40; columns += 1 + columns / 8) {
            check_pairs(types[k], 97, columns);
        }
        check_pairs(types[k], 19, 129);
    }
}

CASE(a_column_of_another_dtype_meets_short_rows)
{
    for (int64_t n = 2; n < 150; n = n * 3 / 2 + 1) {
        rt_tensor *x = counting(RT_FLOAT32, SHAPE(1001, n));
        rt_tensor *column = counting(RT_INT32, SHAPE(1001, 1));
        rt_tensor *row = counting(RT_FLOAT16, SHAPE(1, n));
        check_sums("a column of integers", x, column);
        check_sums("a row of halves", x, row);
        rt_tensor *less = call("lt", T(x), T(column));
        int64_t wrong = 0;
        for (int64_t i = 0; i < x->numel; i++) {
            wrong += at(less, i) != (i < i / n);
        }
        CHECK_INT(wrong, 0);
        DROP(x, column, row, less);
    }
}

CASE(a_transposing_copy_is_exact_for_every_element_size)
{
    static const rt_dtype types[] = {RT_UINT8, RT_FLOAT16, RT_INT32, RT_FLOAT64};
    for (int k = 0; k < 4; k++) {
        rt_tensor *x = counting(types[k], SHAPE(2, 37, 45)), *xt = NULL;
        int64_t shape[] = {45, 2, 37}, strides[] = {1, 37 * 45, 45};
        CHECK_OK(rt_tensor_view(&xt, x, 3, shape, strides, 0, &err), err);
        rt_tensor *c = call("contiguous", T(xt), RT_UNSET);
        int wrong = 0;
        for (int i = 0; i < 45 * 2 * 37; i++) {
            int a = i / 74, b = i / 37 % 2, d = i % 37;
            wrong += at(c, i) != at(x, b * 37 * 45 + d * 45 + a);
        }
        CHECK_INT(wrong, 0);
        rt_release(c);
        rt_release(xt);
        rt_release(x);
    }
}

CASE(rows_of_any_length_and_direction_are_copied_exactly)
{
    static const rt_dtype types[] = {RT_UINT8, RT_FLOAT16, RT_INT32, RT_FLOAT64};
    static const int lengths[] = {1, 2, 3, 4, 5, 7, 9, 15, 16, 17, 31, 33, 63,
                                  64, 65, 129, 300};
    const int wide = 307, high = 61;
    for (int k = 0; k < 4; k++) {
        rt_tensor *x = counting(types[k], SHAPE(high, wide));
        for (int i = 0; i < 17 * 4; i++) {
            int64_t n = lengths[i / 4], step = (int[]){1, -1, 0, 2}[i % 4];
            n = step == 2 && n > 150 ? 150 : n;
            int64_t from = step < 0 ? n : 1, wrong = 0;
            rt_tensor *v = NULL;
            CHECK_OK(rt__tensor_over(&v, x->storage, types[k], 2,
                                     (int64_t[]){high, n},
                                     (int64_t[]){wide, step}, from, &err), err);
            rt_tensor *c = call("contiguous", T(v), RT_UNSET);
            for (int64_t j = 0; j < c->numel; j++) {
                wrong += at(c, j) != at(x, j / n * wide + from + j % n * step);
            }
            CHECK_INT(wrong, 0);
            DROP(c, v);
        }
        rt_release(x);
    }
}

UNIT_MAIN

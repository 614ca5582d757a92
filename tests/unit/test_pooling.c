/* SPDX-License-Identifier: MIT
 * max_pool2d and avg_pool2d.
 */
#include "tests/unit/tensors.h"

CASE(max_pool_gives_values_and_where_they_stand)
{
    rt_tensor *x = tensor(RT_FLOAT32, SHAPE(1, 1, 4, 4),
                          VALUES(1, 2, 5, 4, 3, 0, 1, 7, 9, 8, -1, -2, 6, 5,
                                 -3, -4));
    rt_value r[RT_MAX_RESULTS];
    CHECK_OK(call_all(r, RT_OP_max_pool2d, 2, T(x), I(2)), err);
    CHECK_TENSOR(r[0].t, RT_FLOAT32, SHAPE(1, 1, 2, 2), VALUES(3, 7, 9, -1));
    CHECK_TENSOR(r[1].t, RT_INT64, SHAPE(1, 1, 2, 2), VALUES(4, 7, 8, 10));
    rt_value_release(&r[0]);
    rt_value_release(&r[1]);
    DROP(x);
}

CASE(max_pool_padding_never_wins)
{
    rt_tensor *x = tensor(RT_FLOAT32, SHAPE(1, 2, 2), VALUES(-1, -2, -3, -4));
    rt_tensor *y = CALL(max_pool2d, 4, T(x), I(2), I(2), I(1));
    CHECK_TENSOR(y, RT_FLOAT32, SHAPE(1, 2, 2), VALUES(-1, -2, -3, -4));
    DROP(x, y);
}

CASE(max_pool_strides_dilates_and_rounds_up)
{
    rt_tensor *x = counting(RT_FLOAT32, SHAPE(1, 5, 5));
    rt_tensor *a = CALL(max_pool2d, 5, T(x), I(2), I(1), I(0), I(2));
    rt_tensor *b = CALL(max_pool2d, 6, T(x), I(2), I(2), I(0), I(1),
                        RT_V_BOOL(true));
    rt_tensor *c = CALL(max_pool2d, 3, T(x), INTS(1, 3), INTS(4, 2));
    CHECK_TENSOR(a, RT_FLOAT32, SHAPE(1, 3, 3),
                 VALUES(12, 13, 14, 17, 18, 19, 22, 23, 24));
    CHECK_TENSOR(b, RT_FLOAT32, SHAPE(1, 3, 3),
                 VALUES(6, 8, 9, 16, 18, 19, 21, 23, 24));
    CHECK_TENSOR(c, RT_FLOAT32, SHAPE(1, 2, 2), VALUES(2, 4, 22, 24));
    DROP(x, a, b, c);
}

CASE(max_pool_lets_nan_through)
{
    rt_tensor *x = tensor(RT_FLOAT32, SHAPE(1, 2, 2), VALUES(1, NAN, 3, 4));
    rt_tensor *y = CALL(max_pool2d, 2, T(x), I(2));
    CHECK(isnan(at(y, 0)));
    DROP(x, y);
}

/* Rows of every length, cut vectors too, ties and NaN among them. */
CASE(max_pool_of_pairs_agrees_with_plain_windows)
{
    for (int64_t n = 1; n < 40; n++) {
        rt_tensor *x = noise(RT_FLOAT32, SHAPE(2, 5, 2 * n + 1), (uint32_t)n);
        rt_value r[RT_MAX_RESULTS];
        put(x, n, NAN);
        put(x, 2, 2);
        put(x, 0, 2);
        CHECK_OK(call_all(r, RT_OP_max_pool2d, 2, T(x), I(2)), err);
        const int64_t *where = (const int64_t *)r[1].t->data;
        for (int64_t i = 0; i < r[0].t->numel; i++) {
            int64_t plane = i / (2 * n) * 5 * (2 * n + 1), best = -1;
            int64_t from = i / n % 2 * 2 * (2 * n + 1) + i % n * 2;
            for (int64_t k = 0; k < 4; k++) {
                int64_t p = from + k / 2 * (2 * n + 1) + k % 2;
                double v = at(x, plane + p);
                best = best < 0 || isnan(v) || v > at(x, plane + best) ? p
                                                                       : best;
            }
            CHECK_INT(where[i], best);
            CHECK(memcmp((float *)r[0].t->data + i,
                         (float *)x->data + plane + best, 4) == 0);
        }
        rt_value_release(&r[0]);
        rt_value_release(&r[1]);
        DROP(x);
    }
}

CASE(avg_pool_counts_padding_or_not)
{
    rt_tensor *x = tensor(RT_FLOAT64, SHAPE(1, 2, 2), VALUES(4, 8, 12, 16));
    rt_tensor *a = CALL(avg_pool2d, 2, T(x), I(2));
    rt_tensor *b = CALL(avg_pool2d, 4, T(x), I(2), I(2), I(1));
    rt_tensor *c = CALL(avg_pool2d, 6, T(x), I(2), I(2), I(1),
                        RT_V_BOOL(false), RT_V_BOOL(false));
    CHECK_TENSOR(a, RT_FLOAT64, SHAPE(1, 1, 1), VALUES(10));
    CHECK_TENSOR(b, RT_FLOAT64, SHAPE(1, 2, 2), VALUES(1, 2, 3, 4));
    CHECK_TENSOR(c, RT_FLOAT64, SHAPE(1, 2, 2), VALUES(4, 8, 12, 16));
    DROP(x, a, b, c);
}

CASE(avg_pool_gradient_is_its_transpose)
{
    rt_tensor *x = noise(RT_FLOAT64, SHAPE(2, 3, 7, 6), 1);
    rt_tensor *y = CALL(avg_pool2d, 4, T(x), INTS(3, 2), INTS(2, 1), I(1));
    rt_tensor *g = noise(RT_FLOAT64, y->shape, 4, 2);
    rt_tensor *dx = CALL(avg_pool2d_backward, 6, T(g), RT_V_INTS(x->shape, 4),
                         INTS(3, 2), INTS(2, 1), INTS(1, 1), RT_V_BOOL(true));
    double yg = 0, xd = 0;    /* <A x, g> = <x, A^T g> */
    for (int64_t i = 0; i < y->numel; i++) {
        yg += at(y, i) * at(g, i);
    }
    for (int64_t i = 0; i < x->numel; i++) {
        xd += at(x, i) * at(dx, i);
    }
    CHECK_NEAR(yg, xd, 1e-12);
    DROP(x, y, g, dx);
}

CASE(windows_that_do_not_fit_are_refused)
{
    rt_tensor *x = counting(RT_FLOAT32, SHAPE(1, 3, 3));
    rt_tensor *m = counting(RT_FLOAT32, SHAPE(3, 3));
    rt_tensor *i = counting(RT_INT64, SHAPE(1, 3, 3));
    REFUSES(RT_E_SHAPE, "4 x 4", max_pool2d, 2, T(x), I(4));
    REFUSES(RT_E_SHAPE, "got shape [3, 3]", max_pool2d, 2, T(m), I(2));
    REFUSES(RT_E_ARGUMENT, "more than half", max_pool2d, 4, T(x), I(2), I(2),
            I(2));
    REFUSES(RT_E_ARGUMENT, "kernel_size must be at least 1", avg_pool2d, 2,
            T(x), I(0));
    /* An empty list gave a stride of 0, and a division by it. */
    REFUSES(RT_E_ARGUMENT, "kernel_size must be one number or two, got none",
            max_pool2d, 2, T(x), RT_V_INTS(NULL, 0));
    REFUSES(RT_E_ARGUMENT, "padding must be one number or two, got none",
            avg_pool2d, 4, T(x), I(2), I(2), RT_V_INTS(NULL, 0));
    REFUSES(RT_E_ARGUMENT, "dilation must be at most 2147483647", max_pool2d, 5,
            T(x), I(2), I(2), I(0), I(INT64_MAX));
    REFUSES(RT_E_DTYPE, "int64", avg_pool2d, 2, T(i), I(2));
    DROP(x, m, i);
}

/* The gradient of the pooled x's sum weighted by g, with `threads` threads. */
static rt_tensor *pool_gradient(rt_tensor *x, const rt_value *window,
                                rt_tensor *g, bool graph, int threads)
{
    rt_tensor *out = NULL;
    rt_value r[RT_MAX_RESULTS];
    rt_set_num_threads(threads);
    CHECK_OK(call_all(r, RT_OP_max_pool2d, 4, T(x), window[0], window[1],
                      window[2]), err);
    CHECK_OK(rt_gradients(&out, &r[0].t, &g, 1, &x, 1, false, graph, false,
                          &err), err);
    rt_value_release(&r[0]);
    rt_value_release(&r[1]);
    rt_set_num_threads(0);
    return out;
}

static void check_gradient(rt_dtype dtype, int kernel, int stride, int padding)
{
    int64_t out = (33 + 2 * padding - kernel) / stride + 1;
    rt_value window[] = {I(kernel), I(stride), I(padding)};
    rt_tensor *x = noise(dtype, SHAPE(3, 5, 33, 33), 7);
    rt_tensor *g = noise(dtype, SHAPE(3, 5, out, out), 8);
    put(x, 40, NAN);
    put(x, 41, NAN);
    put(x, 2000, INFINITY);
    put(g, 3, NAN);
    put(g, 4, 1e-310);
    CHECK_OK(rt_set_requires_grad(x, true, &err), err);
    /* under create_graph the composition of ops does it */
    rt_tensor *want = pool_gradient(x, window, g, true, 1);
    for (int threads = 1; threads <= 3; threads++) {
        rt_tensor *dx = pool_gradient(x, window, g, false, threads);
        CHECK(memcmp(dx->data, want->data, (size_t)dx->numel *
                     rt_dtype_size(dtype)) == 0);
        rt_release(dx);
    }
    DROP(x, g, want);
}

CASE(max_pool_gradients_go_where_the_largest_stood)
{
    check_gradient(RT_FLOAT32, 2, 2, 0);
    check_gradient(RT_FLOAT32, 3, 1, 1);
    check_gradient(RT_FLOAT64, 3, 2, 1);
    check_gradient(RT_FLOAT64, 5, 3, 2);
}

static void refuse_index(int64_t index, const char *message)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(1, 1, 4, 4), 1);
    rt_value r[RT_MAX_RESULTS];
    CHECK_OK(rt_set_requires_grad(x, true, &err), err);
    CHECK_OK(call_all(r, RT_OP_max_pool2d, 2, T(x), I(2)), err);
    ((int64_t *)r[1].t->data)[2] = index;
    rt_tensor *total = CALL(sum, 1, T(r[0].t));
    CHECK_FAILS(rt_backward(&total, NULL, 1, false, false, &err), err,
                RT_E_INDEX);
    CHECK_HAS(err.message, message);
    rt_value_release(&r[0]);
    rt_value_release(&r[1]);
    DROP(x, total);
}

CASE(max_pool_indices_changed_behind_its_back_are_refused)
{
    refuse_index(16, "the index 16, expected one from 0 to 15");
    refuse_index(-5, "the index -5, expected one from 0 to 15");
}

/* The gradient read a stride from a list of none. */
CASE(the_gradient_of_the_avg_pool_gradient_takes_the_default_stride)
{
    int64_t sizes[] = {1, 1, 4, 4};
    rt_tensor *g = counting(RT_FLOAT64, SHAPE(1, 1, 2, 2)), *loss;
    CHECK(rt_set_requires_grad(g, true, &err) == RT_OK);
    rt_tensor *dx = CALL(avg_pool2d_backward, 6, T(g), RT_V_INTS(sizes, 4),
                         I(2), RT_V_INTS(NULL, 0), I(0), RT_V_BOOL(true));
    loss = CALL(sum, 1, T(dx));
    CHECK(rt_backward(&loss, NULL, 1, false, false, &err) == RT_OK);
    CHECK_TENSOR(rt_grad(g), RT_FLOAT64, SHAPE(1, 1, 2, 2), VALUES(1, 1, 1, 1));
    DROP(g, dx, loss);
}

UNIT_MAIN

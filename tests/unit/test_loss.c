/* SPDX-License-Identifier: MIT
 * Losses against their formulas in float64, and what they refuse.
 */
#include "tests/unit/tensors.h"

#define N 3
#define C 4

/* -log softmax(x[row])[k] */
static double nll(const rt_tensor *x, int row, int k)
{
    double sum = 0;
    for (int j = 0; j < C; j++) {
        sum += exp(at(x, row * C + j));
    }
    return log(sum) - at(x, row * C + k);
}

CASE(cross_entropy_is_the_mean_of_minus_log_softmax)
{
    rt_tensor *x = noise(RT_FLOAT64, SHAPE(N, C), 1);
    rt_tensor *t = tensor(RT_INT64, SHAPE(N), VALUES(2, 0, 3));
    rt_tensor *mean = CALL(cross_entropy, 2, T(x), T(t));
    rt_tensor *sum = CALL(cross_entropy, 4, T(x), T(t), RT_NONE,
                          RT_V_STRING("sum"));
    rt_tensor *none = CALL(cross_entropy, 4, T(x), T(t), RT_NONE,
                           RT_V_STRING("none"));
    double want[N] = {nll(x, 0, 2), nll(x, 1, 0), nll(x, 2, 3)};
    double total = want[0] + want[1] + want[2];
    CHECK_CLOSE(mean, RT_FLOAT64, NULL, 0, VALUES(total / N), 1e-12);
    CHECK_CLOSE(sum, RT_FLOAT64, NULL, 0, VALUES(total), 1e-12);
    CHECK_CLOSE(none, RT_FLOAT64, SHAPE(N), want, N, 1e-12);
    DROP(x, t, mean, sum, none);
}

CASE(cross_entropy_takes_weights_and_an_ignored_class)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(N, C), 2);
    rt_tensor *t = tensor(RT_INT64, SHAPE(N), VALUES(1, -100, 3));
    rt_tensor *w = tensor(RT_FLOAT32, SHAPE(C), VALUES(1, 2, 3, 4));
    rt_tensor *l = CALL(cross_entropy, 3, T(x), T(t), T(w));
    double want = (2 * nll(x, 0, 1) + 4 * nll(x, 2, 3)) / 6;
    CHECK_CLOSE(l, RT_FLOAT32, NULL, 0, VALUES(want), 1e-6);
    DROP(x, t, w, l);
}

CASE(cross_entropy_takes_probabilities)
{
    rt_tensor *x = noise(RT_FLOAT64, SHAPE(1, C), 3);
    rt_tensor *p = tensor(RT_FLOAT64, SHAPE(1, C), VALUES(0.1, 0.2, 0.3, 0.4));
    rt_tensor *l = CALL(cross_entropy, 2, T(x), T(p));
    double want = 0;
    for (int k = 0; k < C; k++) {
        want += 0.1 * (k + 1) * nll(x, 0, k);
    }
    CHECK_CLOSE(l, RT_FLOAT64, NULL, 0, VALUES(want), 1e-12);
    DROP(x, p, l);
}

CASE(label_smoothing_mixes_in_the_mean_of_all_classes)
{
    rt_tensor *x = noise(RT_FLOAT64, SHAPE(1, C), 4);
    rt_tensor *t = tensor(RT_INT64, SHAPE(1), VALUES(2));
    rt_tensor *l = CALL(cross_entropy, 6, T(x), T(t), RT_NONE,
                        RT_V_STRING("mean"), I(-100), RT_V_FLOAT(0.2));
    double all = 0;
    for (int k = 0; k < C; k++) {
        all += nll(x, 0, k);
    }
    CHECK_CLOSE(l, RT_FLOAT64, NULL, 0,
                VALUES(0.8 * nll(x, 0, 2) + 0.2 / C * all), 1e-12);
    DROP(x, t, l);
}

CASE(cross_entropy_classes_stand_in_dimension_one)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(2, C, 3), 5), *rows = NULL;
    rt_tensor *t = tensor(RT_INT64, SHAPE(2, 3), VALUES(0, 1, 2, 3, 0, 1));
    rt_tensor *flat = CALL(reshape, 2, T(t), INTS(6));
    rt_tensor *last = CALL(movedim, 3, T(x), I(1), I(2));
    rows = CALL(reshape, 2, T(last), INTS(6, C));
    rt_tensor *a = CALL(cross_entropy, 2, T(x), T(t));
    rt_tensor *b = CALL(cross_entropy, 2, T(rows), T(flat));
    CHECK_NEAR(at(a, 0), at(b, 0), 1e-6);
    DROP(x, t, flat, last, rows, a, b);
}

CASE(cross_entropy_survives_large_logits)
{
    rt_tensor *x = tensor(RT_FLOAT32, SHAPE(1, 2), VALUES(1000, -1000));
    rt_tensor *t = tensor(RT_INT64, SHAPE(1), VALUES(1));
    rt_tensor *l = CALL(cross_entropy, 2, T(x), T(t));
    CHECK_NEAR(at(l, 0), 2000, 1e-3);
    DROP(x, t, l);
}

CASE(a_class_out_of_range_is_named_with_its_row)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(N, C), 1);
    rt_tensor *t = tensor(RT_INT64, SHAPE(N), VALUES(0, 4, 1));
    REFUSES(RT_E_INDEX, "row 1 asks for class 4 of 4", cross_entropy, 2, T(x),
            T(t));
    CHECK_HAS(err.help, "counted from 1");
    REFUSES(RT_E_INDEX, "row 1", nll_loss, 2, T(x), T(t));
    DROP(x, t);
}

CASE(cross_entropy_refuses_targets_that_do_not_fit)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(N, C), 1);
    rt_tensor *t = tensor(RT_INT64, SHAPE(2), VALUES(0, 1));
    rt_tensor *p = noise(RT_FLOAT32, SHAPE(N), 1);
    rt_tensor *i = counting(RT_INT64, SHAPE(N, C));
    REFUSES(RT_E_SHAPE, "expected [3]", cross_entropy, 2, T(x), T(t));
    REFUSES(RT_E_SHAPE, "expected [3, 4]", cross_entropy, 2, T(x), T(p));
    REFUSES(RT_E_DTYPE, "floating", cross_entropy, 2, T(i), T(t));
    REFUSES(RT_E_ARGUMENT, "'none', 'mean' or 'sum', got 'average'",
            cross_entropy, 4, T(x), T(t), RT_NONE, RT_V_STRING("average"));
    DROP(x, t, p, i);
}

CASE(nll_loss_reads_log_probabilities)
{
    rt_tensor *x = tensor(RT_FLOAT32, SHAPE(2, 2), VALUES(-1, -2, -3, -4));
    rt_tensor *t = tensor(RT_INT64, SHAPE(2), VALUES(1, 0));
    rt_tensor *l = CALL(nll_loss, 2, T(x), T(t));
    CHECK_CLOSE(l, RT_FLOAT32, NULL, 0, VALUES(2.5), 1e-6);
    DROP(x, t, l);
}

CASE(mse_loss_reduces_and_broadcasts)
{
    rt_tensor *a = tensor(RT_FLOAT32, SHAPE(2, 2), VALUES(1, 2, 3, 4));
    rt_tensor *b = tensor(RT_FLOAT32, SHAPE(2), VALUES(0, 1));
    rt_tensor *mean = CALL(mse_loss, 2, T(a), T(b));
    rt_tensor *none = CALL(mse_loss, 3, T(a), T(b), RT_V_STRING("none"));
    CHECK_CLOSE(mean, RT_FLOAT32, NULL, 0, VALUES(5), 1e-6);
    CHECK_CLOSE(none, RT_FLOAT32, SHAPE(2, 2), VALUES(1, 1, 9, 9), 1e-6);
    rt_tensor *i = counting(RT_INT64, SHAPE(2));
    REFUSES(RT_E_DTYPE, "floating", mse_loss, 2, T(i), T(i));
    DROP(a, b, mean, none, i);
}

CASE(a_large_mse_has_the_same_bits_for_any_thread_count)
{
    rt_tensor *a = noise(RT_FLOAT32, SHAPE(100000), 1);
    rt_tensor *b = noise(RT_FLOAT32, SHAPE(100000), 2);
    rt_set_num_threads(1);
    rt_tensor *one = CALL(mse_loss, 2, T(a), T(b));
    rt_set_num_threads(3);
    rt_tensor *three = CALL(mse_loss, 2, T(a), T(b));
    rt_set_num_threads(0);
    CHECK(at(one, 0) == at(three, 0));
    DROP(a, b, one, three);
}

UNIT_MAIN

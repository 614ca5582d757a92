/* SPDX-License-Identifier: MIT
 * Losses against their formulas in float64, and what they refuse.
 */
#include "runtime/base/cpu.h"
#include "runtime/ops/cpu/rows.h"
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

/* smooth_l1_loss of d, as it is defined. */
static double smooth(double d, double beta)
{
    return fabs(d) < beta ? d * d / (2 * beta) : fabs(d) - beta / 2;
}

CASE(smooth_l1_loss_follows_its_definition_on_every_instruction_set)
{
    enum { LONG = 1003 };
    static float x[LONG], y[LONG], out[LONG];
    static const double betas[] = {1, 0.25, 3, 0x1p-125};
    for (int i = 0; i < LONG; i++) {
        x[i] = (float)(i % 37) * 0.11f - 2;
        y[i] = (float)(i % 31) * 0.13f - 2;
    }
    for (int k = 0; k < 4 * ((int)rt__cpu_info()->isa + 1); k++) {
        const rt__row_fns *fns = &rt__rows_tables[k / 4]->narrow;
        double sum = 0, beta = betas[k % 4];
        fns->smooth(out, x, y, LONG, beta);
        for (int i = 0; i < LONG; i++) {
            double want = smooth((double)(x[i] - y[i]), beta);
            CHECK_NEAR((double)out[i], want, 4e-7 * (want + 1e-3));
            sum += want;
        }
        CHECK_NEAR(fns->smooth(NULL, x, y, LONG, beta), sum, 1e-6 * sum);
    }
}

CASE(smooth_l1_loss_reduces_broadcasts_and_reads_beta)
{
    rt_tensor *a = tensor(RT_FLOAT32, SHAPE(2, 3), VALUES(0, 1, 2, -3, 4, 0x1p100));
    rt_tensor *b = tensor(RT_FLOAT32, SHAPE(3), VALUES(0.5, 1, 4));
    rt_tensor *i = tensor(RT_INT64, SHAPE(2), VALUES(1));
    rt_tensor *none = CALL(smooth_l1_loss, 3, T(a), T(b), RT_V_STRING("none"));
    rt_tensor *flat = CALL(smooth_l1_loss, 4, T(b), T(b), RT_V_STRING("sum"),
                           RT_V_FLOAT(0));
    rt_tensor *line = CALL(smooth_l1_loss, 4, T(a), T(b), RT_V_STRING("none"),
                           RT_V_FLOAT(0));
    rt_tensor *wide = CALL(smooth_l1_loss, 4, T(a), T(b), RT_V_STRING("none"),
                           RT_V_FLOAT(INFINITY));
    CHECK_CLOSE(none, RT_FLOAT32, SHAPE(2, 3),
                VALUES(0.125, 0, 1.5, 3, 2.5, 0x1p100), 1e-6);
    CHECK_CLOSE(line, RT_FLOAT32, SHAPE(2, 3), VALUES(0.5, 0, 2, 3.5, 3, 0x1p100),
                0);
    CHECK_NEAR(at(flat, 0), 0, 0);
    CHECK_NEAR(at(wide, 3), 0, 1e-30);
    put(a, 4, NAN);
    rt_tensor *mean = CALL(smooth_l1_loss, 2, T(a), T(b));
    CHECK(isnan(at(mean, 0)));
    REFUSES(RT_E_DTYPE, "floating", smooth_l1_loss, 2, T(i), T(i));
    REFUSES(RT_E_ARGUMENT, "beta must not be negative, got -1", smooth_l1_loss,
            4, T(a), T(b), RT_V_STRING("sum"), RT_V_FLOAT(-1));
    DROP(a, b, i, none, flat, line, wide, mean);
}

CASE(a_large_smooth_l1_has_the_same_bits_for_any_thread_count)
{
    rt_tensor *a = noise(RT_FLOAT32, SHAPE(300007), 1), *first = NULL;
    rt_tensor *b = noise(RT_FLOAT32, SHAPE(300007), 2);
    for (int threads = 1; threads <= 3; threads++) {
        rt_set_num_threads(threads);
        rt_tensor *one = CALL(smooth_l1_loss, 2, T(a), T(b));
        CHECK(!first || memcmp(first->data, one->data, 4) == 0);
        rt_release(first);
        first = one;
    }
    rt_set_num_threads(0);
    DROP(a, b, first);
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

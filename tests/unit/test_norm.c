/* SPDX-License-Identifier: MIT
 * layer_norm, group_norm and batch_norm against float64 loops.
 */
#include "runtime/ops/cpu/backward.h"
#include "runtime/ops/cpu/norm.h"
#include "tests/unit/tensors.h"

/* (x - mean) / sqrt(var + eps) over n values in steps; biased variance. */
static void moments(const rt_tensor *x, const int64_t *places, int n,
                    double *mean, double *var)
{
    *mean = *var = 0;
    for (int i = 0; i < n; i++) {
        *mean += at(x, places[i]) / n;
    }
    for (int i = 0; i < n; i++) {
        double d = at(x, places[i]) - *mean;
        *var += d * d / n;
    }
}

CASE(layer_norm_normalises_each_row)
{
    enum { ROWS = 5, WIDTH = 37 };
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(ROWS, WIDTH), 1);
    rt_tensor *w = noise(RT_FLOAT32, SHAPE(WIDTH), 2);
    rt_tensor *b = noise(RT_FLOAT32, SHAPE(WIDTH), 3);
    rt_value r[RT_MAX_RESULTS];
    CHECK_OK(call_all(r, RT_OP_layer_norm, 4, T(x), INTS(WIDTH), T(w), T(b)),
             err);
    for (int row = 0; row < ROWS; row++) {
        int64_t places[WIDTH];
        double mean, var, worst = 0;
        for (int k = 0; k < WIDTH; k++) {
            places[k] = row * WIDTH + k;
        }
        moments(x, places, WIDTH, &mean, &var);
        for (int k = 0; k < WIDTH; k++) {
            double want = (at(x, places[k]) - mean) / sqrt(var + 1e-5) *
                              at(w, k) + at(b, k);
            double d = fabs(at(r[0].t, places[k]) - want);
            worst = d > worst ? d : worst;
        }
        CHECK_NEAR(worst, 0, 1e-6);
        CHECK_NEAR(at(r[1].t, row), mean, 1e-6);
        CHECK_NEAR(at(r[2].t, row), 1 / sqrt(var + 1e-5), 1e-5);
    }
    CHECK_INT(r[1].t->ndim, 2);
    for (int i = 0; i < 3; i++) {
        rt_value_release(&r[i]);
    }
    DROP(x, w, b);
}

CASE(layer_norm_names_the_shape_it_expects)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(2, 4), 1);
    rt_tensor *w = noise(RT_FLOAT32, SHAPE(3), 1);
    REFUSES(RT_E_SHAPE, "last dimensions must be [5], its shape is [2, 4]",
            layer_norm, 2, T(x), INTS(5));
    REFUSES(RT_E_SHAPE, "weight has shape [3], expected [4]", layer_norm, 3,
            T(x), INTS(4), T(w));
    DROP(x, w);
}

enum { BN = 3, BC = 2, BS = 4 };

static void channel_places(int64_t *places, int channel)
{
    for (int i = 0; i < BN * BS; i++) {
        places[i] = (i / BS * BC + channel) * BS + i % BS;
    }
}

CASE(batch_norm_trains_on_the_batch_and_moves_the_running_statistics)
{
    rt_tensor *x = noise(RT_FLOAT64, SHAPE(BN, BC, BS), 1);
    rt_tensor *rm = tensor(RT_FLOAT64, SHAPE(BC), VALUES(0));
    rt_tensor *rv = tensor(RT_FLOAT64, SHAPE(BC), VALUES(1));
    uint32_t version = rt_tensor_version(rm);
    rt_tensor *y = CALL(batch_norm, 6, T(x), T(rm), T(rv), RT_NONE, RT_NONE,
                        RT_V_BOOL(true));
    for (int ch = 0; ch < BC; ch++) {
        int64_t places[BN * BS];
        double mean, var;
        channel_places(places, ch);
        moments(x, places, BN * BS, &mean, &var);
        for (int i = 0; i < BN * BS; i++) {
            CHECK_NEAR(at(y, places[i]),
                       (at(x, places[i]) - mean) / sqrt(var + 1e-5), 1e-12);
        }
        CHECK_NEAR(at(rm, ch), 0.1 * mean, 1e-12);
        CHECK_NEAR(at(rv, ch), 0.9 + 0.1 * var * BN * BS / (BN * BS - 1),
                   1e-12);
    }
    CHECK(rt_tensor_version(rm) != version);
    DROP(x, rm, rv, y);
}

CASE(batch_norm_evaluates_with_the_running_statistics)
{
    rt_tensor *x = tensor(RT_FLOAT32, SHAPE(1, 2), VALUES(3, 5));
    rt_tensor *rm = tensor(RT_FLOAT32, SHAPE(2), VALUES(1, 2));
    rt_tensor *rv = tensor(RT_FLOAT32, SHAPE(2), VALUES(4, 9));
    rt_tensor *w = tensor(RT_FLOAT32, SHAPE(2), VALUES(2, 1));
    rt_tensor *b = tensor(RT_FLOAT32, SHAPE(2), VALUES(0, 10));
    rt_tensor *y = CALL(batch_norm, 5, T(x), T(rm), T(rv), T(w), T(b));
    CHECK_CLOSE(y, RT_FLOAT32, SHAPE(1, 2), VALUES(2, 11), 1e-4);
    CHECK_NEAR(at(rm, 0), 1, 0);
    DROP(x, rm, rv, w, b, y);
}

CASE(batch_norm_refuses_one_value_a_channel_and_wrong_channels)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(1, 2), 1);
    rt_tensor *w = noise(RT_FLOAT32, SHAPE(3), 1);
    REFUSES(RT_E_ARGUMENT, "more than 1 value per channel", batch_norm, 6,
            T(x), RT_NONE, RT_NONE, RT_NONE, RT_NONE, RT_V_BOOL(true));
    rt_tensor *big = noise(RT_FLOAT32, SHAPE(4, 2), 1);
    REFUSES(RT_E_SHAPE, "weight has shape [3], expected [2]", batch_norm, 6,
            T(big), RT_NONE, RT_NONE, T(w), RT_NONE, RT_V_BOOL(true));
    REFUSES(RT_E_ARGUMENT, "running_mean", batch_norm, 3, T(big), RT_NONE,
            RT_NONE);
    DROP(x, w, big);
}

/* --- the kernels of every instruction set, against their stated bounds --------- */

enum { MOST = 9000, ROWS_AT_ONCE = 7 };
static const int64_t widths[] = {1, 2, 15, 16, 17, 33, 64, 100, 768, 1000, MOST};
enum { WIDTHS = sizeof widths / sizeof *widths };

/* Noise around `middle`; the first element may lie far away, so that sums
 * around it would cancel. */
static void fill(float *x, int64_t n, float middle, float first, uint32_t seed)
{
    for (int64_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)(seed >> 8) / 8388608.0f - 1 + middle;
    }
    x[0] += first;
}

static void exact_moments(const float *x, int64_t n, double *mean, double *var)
{
    *mean = *var = 0;
    for (int64_t i = 0; i < n; i++) {
        *mean += (double)x[i] / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        double d = (double)x[i] - *mean;
        *var += d * d / (double)n;
    }
}

static double layer_excess(const float *y, const float *x, const float *w,
                           const float *b, int64_t n)
{
    double mean, var, most = 0;
    exact_moments(x, n, &mean, &var);
    double rstd = 1 / sqrt(var + 1e-5);
    for (int64_t i = 0; i < n; i++) {
        double d = ((double)x[i] - mean) * rstd;
        double wi = w ? (double)w[i] : 1, bi = b ? (double)b[i] : 0;
        double bound = (1e-6 * (fabs(d) + 4) + 1e-7 * fabs(mean) * rstd)
                           * fabs(wi) + 1e-6 * fabs(bi);
        most = fmax(most, fabs((double)y[i] - (d * wi + bi)) / bound);
    }
    return most;
}

CASE(layer_rows_stay_within_their_bound_on_every_instruction_set)
{
    static float x[ROWS_AT_ONCE * MOST], y[ROWS_AT_ONCE * MOST], one[MOST];
    static float w[MOST], b[MOST];
    double mean[ROWS_AT_ONCE], rstd[ROWS_AT_ONCE], m, r;
    fill(w, MOST, 0.5f, 0, 2);
    fill(b, MOST, 0, 0, 3);
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        const rt__norm_fns *fns = &rt__norm_tables[isa]->narrow;
        for (int k = 0; k < 4 * WIDTHS; k++) {
            int64_t n = widths[k / 4];
            const float *wk = k & 1 ? w : NULL, *bk = k & 2 ? b : NULL;
            for (int i = 0; i < ROWS_AT_ONCE; i++) {
                fill(x + i * n, n, i == 2 ? 30.f : 0.1f, i == 4 ? 1e4f : 0,
                     (uint32_t)(k + i));
            }
            fns->layer(y, x, wk, bk, ROWS_AT_ONCE, n, 1e-5, mean, rstd);
            for (int i = 0; i < ROWS_AT_ONCE; i++) {
                double e = layer_excess(y + i * n, x + i * n, wk, bk, n);
                if (!(e <= 1)) {
                    UNIT_FAIL("isa %d, n %d, row %d: %g bounds", isa, (int)n, i,
                              e);
                }
                /* alone: the same bits */
                fns->layer(one, x + i * n, wk, bk, 1, n, 1e-5, &m, &r);
                CHECK(memcmp(one, y + i * n, (size_t)n * sizeof *y) == 0);
                CHECK(m == mean[i] && r == rstd[i]);
            }
        }
    }
}

CASE(layer_gradients_follow_the_formula_on_every_instruction_set)
{
    static float x[2 * MOST], g[2 * MOST], w[MOST], y[2 * MOST];
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        for (int k = 0; k < 2 * WIDTHS; k++) {
            int64_t n = widths[k / 2];
            double mean[2], rstd[2], var;
            fill(x, 2 * n, 0.2f, 0, 5);
            fill(g, 2 * n, 0.1f, 0, 6);
            fill(w, n, 0.5f, 0, 7);
            for (int i = 0; i < 2; i++) {
                exact_moments(x + i * n, n, mean + i, &var);
                rstd[i] = 1 / sqrt(var + 1e-5);
            }
            rt__norm_tables[isa]->narrow.layer_backward(
                y, g, x, k % 2 ? w : NULL, 2, n, mean, rstd);
            for (int i = 0; i < 2; i++) {
                double plain = 0, along = 0, worst = 0;
#define GW(c) ((double)g[i * n + (c)] * (k % 2 ? (double)w[c] : 1))
#define HAT(c) (((double)x[i * n + (c)] - mean[i]) * rstd[i])
                for (int64_t c = 0; c < n; c++) {
                    plain += GW(c) / (double)n;
                    along += GW(c) * HAT(c) / (double)n;
                }
                for (int64_t c = 0; c < n; c++) {
                    double want = rstd[i] * (GW(c) - plain - HAT(c) * along);
                    worst = fmax(worst, fabs((double)y[i * n + c] - want));
                }
                CHECK_NEAR(worst, 0, 4e-6 * rstd[i]);
            }
        }
    }
}

CASE(a_layer_row_with_nan_or_inf_is_nan_alone)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    float x[5 * 50], y[5 * 50];
    double mean[5], rstd[5];
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        for (int k = 0; k < 6; k++) {
            fill(x, 5 * 50, 0, 0, 1);
            x[100 + (k > 2 ? 49 : 0)] = odd[k % 3];
            rt__norm_tables[isa]->narrow.layer(y, x, NULL, NULL, 5, 50, 1e-5,
                                               mean, rstd);
            for (int i = 0; i < 250; i++) {
                CHECK(isnan(y[i]) == (i / 50 == 2));
            }
        }
        memset(x, 0, sizeof x);   /* no deviation at all */
        rt__norm_tables[isa]->narrow.layer(y, x, NULL, NULL, 5, 50, 1e-5, mean,
                                           rstd);
        CHECK(y[0] == 0 && mean[4] == 0 && fabs(rstd[4] - 316.2278) < 1e-3);
    }
}

CASE(layer_norm_and_its_gradient_have_the_same_bits_for_any_number_of_threads)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(301, 130), 1), *first = NULL;
    rt_tensor *g = noise(RT_FLOAT32, SHAPE(301, 130), 2), *back = NULL;
    rt_tensor *w = noise(RT_FLOAT32, SHAPE(130), 3);
    for (int threads = 1; threads <= 3; threads++) {
        rt_value r[RT_MAX_RESULTS];
        rt_tensor *gx = NULL;
        rt_set_num_threads(threads);
        CHECK_OK(call_all(r, RT_OP_layer_norm, 3, T(x), INTS(130), T(w)), err);
        CHECK_OK(rt__fused_layer_norm(&gx, g, x, w, r[1].t, r[2].t, &err), err);
        if (first) {
            CHECK(memcmp(first->data, r[0].t->data, 301 * 130 * 4) == 0);
            CHECK(memcmp(back->data, gx->data, 301 * 130 * 4) == 0);
            rt_release(gx);
            rt_value_release(&r[0]);
        } else {
            first = r[0].t;
            back = gx;
        }
        rt_value_release(&r[1]);
        rt_value_release(&r[2]);
    }
    rt_set_num_threads(0);
    rt_release(first);
    rt_release(back);
    rt_release(x);
    rt_release(g);
    rt_release(w);
}

/* --- group_norm ------------------------------------------------------------------ */

/* Groups of two channels, each worked out in float64: the worst of result and
 * gradient in bounds of 1e-6 and 4e-6. */
static double group_excess(const rt__norm_fns *fns, int64_t inner, bool affine)
{
    static float x[2 * MOST], g[2 * MOST], y[2 * MOST], out[2 * MOST];
    static const float w[2] = {0.5f, -2}, b[2] = {3, 0.25f};
    const int64_t n = 2 * inner;
    double sums[2][2] = {{0}}, mean, var, mean1, var1, plain = 0, along = 0;
    double most = 0;
    fill(x, n, 0.2f, 0, (uint32_t)inner);
    fill(g, n, 0.1f, 0, 6);
    exact_moments(x, n, &mean1, &var1);
    fns->moments(x, n, &mean, &var);
    double rstd = 1 / sqrt(var + 1e-5);
    most = fmax(fabs(mean - mean1), fabs(var - var1)) / 1e-6;
    fns->group(y, x, affine ? w : NULL, affine ? b : NULL, 2, inner, mean, rstd);
    fns->group_sums(sums, g, x, 2, inner, mean);
#define SCALE(i) (affine ? (double)w[(i) / inner] : 1)
    double exact[2][2] = {{0}};
    for (int64_t i = 0; i < n; i++) {
        double d = ((double)x[i] - mean) * rstd * SCALE(i) +
                   (affine ? (double)b[i / inner] : 0);
        most = fmax(most, fabs((double)y[i] - d) / (1e-6 * (fabs(d) + 4)));
        exact[i / inner][0] += (double)g[i];
        exact[i / inner][1] += (double)g[i] * ((double)x[i] - mean);
        plain += (double)g[i] * SCALE(i) / (double)n;
        along += (double)g[i] * SCALE(i) * ((double)x[i] - mean) / (double)n;
    }
    for (int c = 0; c < 4; c++) {
        double off = fabs(sums[c / 2][c % 2] - exact[c / 2][c % 2]);
        most = fmax(most, off / (1e-7 * (double)inner + 1e-6));
    }
    double f[3] = {rstd, -rstd * rstd * rstd * along, -rstd * plain};
    fns->group_backward(out, g, x, affine ? w : NULL, 2, inner, mean, f);
    for (int64_t i = 0; i < n; i++) {
        double want = (double)g[i] * SCALE(i) * f[0] +
                      ((double)x[i] - mean) * f[1] + f[2];
        most = fmax(most, fabs((double)out[i] - want) / (4e-6 * rstd));
    }
    return most;
}

CASE(groups_stay_within_their_bound_on_every_instruction_set)
{
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        for (int k = 0; k < 2 * WIDTHS; k++) {
            double e = group_excess(&rt__norm_tables[isa]->narrow, widths[k / 2],
                                    k % 2);
            if (!(e <= 1)) {
                UNIT_FAIL("isa %d, inner %d: %g bounds", isa,
                          (int)widths[k / 2], e);
            }
        }
    }
}

CASE(pieces_of_a_group_cover_it_once_whatever_its_sizes)
{
    static const int64_t sizes[][2] = {{1, 1}, {7, 65536}, {2, 65537},
                                       {3, 200000}, {100000, 1}, {9, 60000}};
    for (int k = 0; k < 6; k++) {
        int64_t at = 0, channels = sizes[k][0], inner = sizes[k][1];
        while (at < channels * inner) {
            rt__norm_piece p = rt__norm_piece_at(at, channels, inner);
            CHECK(p.length > 0 && p.length <= 65536);
            CHECK(p.length == p.channels * p.inner && p.channel == at / inner);
            CHECK(p.channels == 1 || (p.inner == inner && at % inner == 0));
            CHECK((at + p.length - 1) / inner == p.channel + p.channels - 1);
            at += p.length;
        }
        CHECK_INT(at, channels * inner);
    }
}

CASE(group_norm_and_its_gradients_have_the_same_bits_for_any_number_of_threads)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(11, 12, 19, 23), 1);
    rt_tensor *g = noise(RT_FLOAT32, SHAPE(11, 12, 19, 23), 2);
    rt_tensor *w = noise(RT_FLOAT32, SHAPE(12), 3), *first[4] = {NULL};
    for (int threads = 1; threads <= 3; threads++) {
        rt_value r[RT_MAX_RESULTS];
        rt_tensor *got[4] = {NULL};
        rt_set_num_threads(threads);
        CHECK_OK(call_all(r, RT_OP_group_norm, 4, T(x), I(3), T(w), T(w)), err);
        CHECK_OK(rt__fused_group_norm(got, g, x, w, r[1].t, r[2].t, true, &err),
                 err);
        got[3] = rt_retain(r[0].t);
        for (int i = 0; i < 4; i++) {
            CHECK(got[i] && (!first[i] ||
                             memcmp(first[i]->data, got[i]->data,
                                    (size_t)got[i]->numel * 4) == 0));
            rt_release(first[i]);
            first[i] = got[i];
        }
        for (int i = 0; i < 3; i++) {
            rt_value_release(&r[i]);
        }
    }
    rt_set_num_threads(0);
    for (int i = 0; i < 4; i++) {
        rt_release(first[i]);
    }
    DROP(x, g, w);
}

CASE(group_norm_of_nothing_has_groups_without_moments)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(2, 4, 0), 1);
    rt_value r[RT_MAX_RESULTS];
    CHECK_OK(call_all(r, RT_OP_group_norm, 2, T(x), I(2)), err);
    CHECK_INT(r[0].t->numel, 0);
    CHECK(r[1].t->numel == 4 && isnan(at(r[1].t, 3)) && isnan(at(r[2].t, 0)));
    for (int i = 0; i < 3; i++) {
        rt_value_release(&r[i]);
    }
    rt_release(x);
}

CASE(group_norm_names_what_does_not_fit)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(2, 4), 1);
    rt_tensor *w = noise(RT_FLOAT32, SHAPE(3), 1);
    REFUSES(RT_E_ARGUMENT, "the 4 channels of [2, 4] do not divide into 3 groups",
            group_norm, 2, T(x), I(3));
    REFUSES(RT_E_ARGUMENT, "0 groups", group_norm, 2, T(x), I(0));
    REFUSES(RT_E_SHAPE, "expected [N, C, ...], got shape [3]", group_norm, 2,
            T(w), I(1));
    REFUSES(RT_E_SHAPE, "weight has shape [3], expected [4]", group_norm, 3,
            T(x), I(2), T(w));
    DROP(x, w);
}

UNIT_MAIN

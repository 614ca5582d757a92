/* SPDX-License-Identifier: MIT
 * batch_norm by rows: its kernels and both passes against float64 loops.
 */
#include "runtime/ops/cpu/backward.h"
#include "runtime/ops/cpu/columns.h"
#include "runtime/base/cpu.h"
#include "tests/unit/tensors.h"

enum { WIDEST = 133, MOST_ROWS = 70, MOST = WIDEST * MOST_ROWS };

/* Noise in (-1, 1) around `middle`. */
static void fill(float *x, int64_t n, float middle, uint32_t seed)
{
    for (int64_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)(seed >> 8) / 8388608.0f - 1 + middle;
    }
}

typedef struct operands {
    float x[MOST], g[MOST], y[MOST], m[WIDEST], a[WIDEST], b[WIDEST], c[WIDEST];
    double sums[2 * WIDEST];
} operands;

/* The worst of what `fns` gives on these sizes, in bounds. */
static double excess(const rt__column_fns *fns, operands *o, int64_t rows,
                     int64_t width, bool products)
{
    double most = 0;
    memset(o->sums, 0, sizeof o->sums);
    fns->sums(o->sums, products ? o->g : NULL, o->x, o->m, rows, width);
    for (int64_t j = 0; j < width; j++) {
        double plain = 0, along = 0;
        for (int64_t i = j; i < rows * width; i += width) {
            double d = (double)o->x[i] - (double)o->m[j];
            double v = products ? (double)o->g[i] : d;
            plain += v;
            along += v * d;
        }
        double off = fmax(fabs(o->sums[j] - plain),
                          fabs(o->sums[width + j] - along));
        most = fmax(most, off / (2e-6 * sqrt((double)rows)));
    }
    fns->affine(o->y, o->x, o->m, o->a, o->b, rows, width);
    for (int64_t i = 0; i < rows * width; i++) {
        double d = ((double)o->x[i] - (double)o->m[i % width]) *
                   (double)o->a[i % width] + (double)o->b[i % width];
        most = fmax(most, fabs((double)o->y[i] - d) / 1e-6);
    }
    fns->shifted(o->y, o->g, o->x, o->m, o->a, products ? o->b : NULL, o->c,
                 rows, width);
    for (int64_t i = 0; i < rows * width; i++) {
        int64_t j = i % width;
        double d = (double)o->g[i] * (double)o->a[j];
        d -= products ? ((double)o->x[i] - (double)o->m[j]) * (double)o->b[j] +
                            (double)o->c[j] : 0;
        most = fmax(most, fabs((double)o->y[i] - d) / 1e-6);
    }
    return most;
}

CASE(rows_of_columns_follow_their_formulas_on_every_instruction_set)
{
    static const int64_t widths[] = {1, 3, 4, 15, 16, 17, 64, 80, WIDEST};
    static operands o;
    fill(o.x, MOST, 0.5f, 1);
    fill(o.g, MOST, 0.1f, 2);
    fill(o.m, WIDEST, 0.5f, 3);
    fill(o.a, WIDEST, 0, 4);
    fill(o.b, WIDEST, 0.2f, 5);
    fill(o.c, WIDEST, 0, 6);
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        for (int k = 0; k < 9 * 4; k++) {
            int64_t rows = k & 1 ? MOST_ROWS : 3;
            double e = excess(&rt__columns_tables[isa]->narrow, &o, rows,
                              widths[k / 4], k & 2);
            if (!(e <= 1)) {
                UNIT_FAIL("isa %d, %d rows of %d: %g bounds", isa, (int)rows,
                          (int)widths[k / 4], e);
            }
        }
    }
}

/* --- the whole passes --------------------------------------------------------- */

/* Everything a training step makes of x and g. */
static void train(rt_tensor *out[6], rt_tensor *x, rt_tensor *g, rt_tensor *w)
{
    rt_value r[RT_MAX_RESULTS];
    memset(out, 0, 6 * sizeof *out);
    CHECK_OK(call_all(r, RT_OP_batch_norm, 6, T(x), RT_NONE, RT_NONE, T(w),
                      T(w), RT_V_BOOL(true)), err);
    CHECK_OK(rt__fused_batch_norm(out, g, x, w, r[1].t, r[2].t, true, true,
                                  &err), err);
    for (int i = 0; i < 3; i++) {
        out[3 + i] = r[i].t;
    }
}

/* Result and input gradient of channel `ch`, in bounds of `bound`. */
static double channel_excess(rt_tensor *const out[6], const rt_tensor *x,
                             const rt_tensor *g, const rt_tensor *w, int ch,
                             double bound)
{
    int64_t inner = x->ndim > 2 ? x->shape[2] : 1, step = x->shape[1] * inner;
    double n = (double)(x->shape[0] * inner), mean = 0, var = 0, plain = 0;
    double along = 0, most = 0;
#define EACH_ELEMENT                                                           \
    for (int64_t i = ch * inner; i < x->numel; i += step)                      \
        for (int64_t e = i; e < i + inner; e++)
    EACH_ELEMENT { mean += at(x, e) / n; }
    EACH_ELEMENT { var += (at(x, e) - mean) * (at(x, e) - mean) / n; }
    double rstd = 1 / sqrt(var + 1e-5), wc = at(w, ch);
    EACH_ELEMENT {
        plain += at(g, e) / n;
        along += at(g, e) * (at(x, e) - mean) * rstd / n;
    }
    EACH_ELEMENT {
        double hat = (at(x, e) - mean) * rstd;
        double back = wc * rstd * (at(g, e) - plain - hat * along);
        most = fmax(most, fabs(at(out[3], e) - (hat * wc + wc)) / bound);
        most = fmax(most, fabs(at(out[0], e) - back) / (bound * (rstd + 1)));
    }
    most = fmax(most, fabs(at(out[1], ch) - along * n) / (bound * n));
    most = fmax(most, fabs(at(out[2], ch) - plain * n) / (bound * n));
    most = fmax(most, fabs(at(out[4], ch) - mean) / (bound * (fabs(mean) + 1)));
    return fmax(most, fabs(at(out[5], ch) - rstd) / (bound * rstd));
}

static void drop_all(rt_tensor *out[6])
{
    for (int i = 0; i < 6; i++) {
        rt_release(out[i]);
    }
}

CASE(a_training_step_of_few_elements_a_channel_is_that_of_float64)
{
    static const int64_t shapes[][3] = {{3, 5, 1}, {128, 130, 1}, {2, 17, 4},
                                        {777, 3, 7}, {9000, 1, 1}, {4, 10, 31}};
    for (int k = 0; k < 2 * 6; k++) {
        rt_dtype dtype = k & 1 ? RT_FLOAT64 : RT_FLOAT32;
        rt_tensor *x = noise(dtype, shapes[k / 2], 3, 1), *out[6];
        rt_tensor *g = noise(dtype, shapes[k / 2], 3, 2);
        rt_tensor *w = noise(dtype, SHAPE(x->shape[1]), 3);
        train(out, x, g, w);
        for (int ch = 0; ch < x->shape[1]; ch++) {
            CHECK(channel_excess(out, x, g, w, ch, k & 1 ? 1e-12 : 3e-6) <= 1);
        }
        drop_all(out);
        DROP(x, g, w);
    }
}

/* The first rows tell nothing about the others, or squares do not fit. */
CASE(channels_far_from_their_first_rows_keep_their_deviation)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(200, 3), 1), *out[6];
    rt_tensor *g = noise(RT_FLOAT32, SHAPE(200, 3), 2);
    rt_tensor *w = tensor(RT_FLOAT32, SHAPE(3), VALUES(1));
    for (int64_t i = 0; i < 200; i++) {
        put(x, i * 3, at(x, i * 3) + (i < 8 ? 0 : 300));
        put(x, i * 3 + 1, at(x, i * 3 + 1) * 1e25);
    }
    train(out, x, g, w);
    for (int ch = 0; ch < 3; ch++) {
        CHECK(channel_excess(out, x, g, w, ch, 2e-5) <= 1);
    }
    drop_all(out);
    DROP(x, g, w);
}

CASE(a_channel_with_nan_or_inf_is_nan_alone)
{
    static const double odd[] = {NAN, INFINITY, -INFINITY};
    for (int k = 0; k < 6; k++) {
        rt_tensor *x = noise(RT_FLOAT32, SHAPE(40, 20), 1), *out[6];
        rt_tensor *w = tensor(RT_FLOAT32, SHAPE(20), VALUES(1));
        put(x, (k > 2 ? 39 : 0) * 20 + 7, odd[k % 3]);
        train(out, x, x, w);
        for (int64_t i = 0; i < 800; i++) {
            CHECK(isnan(at(out[3], i)) == (i % 20 == 7));
        }
        drop_all(out);
        DROP(x, w);
    }
}

CASE(evaluation_scales_gradients_whatever_the_input_holds)
{
    rt_tensor *x = tensor(RT_FLOAT32, SHAPE(2, 2), VALUES(1, 2, 3, INFINITY));
    rt_tensor *g = tensor(RT_FLOAT32, SHAPE(2, 2), VALUES(1, 2, 3, 4));
    rt_tensor *m = tensor(RT_FLOAT32, SHAPE(2), VALUES(1, 2));
    rt_tensor *rstd = tensor(RT_FLOAT32, SHAPE(2), VALUES(0.5, 2));
    rt_tensor *out[3] = {NULL};
    CHECK_OK(rt__fused_batch_norm(out, g, x, NULL, m, rstd, false, true, &err),
             err);
    CHECK_CLOSE(out[0], RT_FLOAT32, SHAPE(2, 2), VALUES(0.5, 4, 1.5, 8), 1e-6);
    CHECK_CLOSE(out[2], RT_FLOAT32, SHAPE(2), VALUES(4, 6), 1e-6);
    CHECK_NEAR(at(out[1], 0), 3, 1e-6);
    DROP(x, g, m, rstd, out[0], out[1], out[2]);
}

CASE(rows_of_columns_have_the_same_bits_for_any_number_of_threads)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(3001, 50), 1), *first[6];
    rt_tensor *g = noise(RT_FLOAT32, SHAPE(3001, 50), 2);
    rt_tensor *w = noise(RT_FLOAT32, SHAPE(50), 3);
    for (int threads = 1; threads <= 3; threads++) {
        rt_tensor *out[6];
        rt_set_num_threads(threads);
        train(out, x, g, w);
        for (int i = 0; threads > 1 && i < 6; i++) {
            CHECK(memcmp(first[i]->data, out[i]->data,
                         (size_t)out[i]->numel * 4) == 0);
        }
        if (threads > 1) {
            drop_all(first);
        }
        memcpy(first, out, sizeof first);
    }
    rt_set_num_threads(0);
    drop_all(first);
    DROP(x, g, w);
}

UNIT_MAIN

/* SPDX-License-Identifier: MIT
 * conv2d and its gradients against direct float64 loops.
 */
#include "runtime/ops/cpu/patches.h"
#include "tests/unit/tensors.h"

typedef struct setup {
    int64_t n, c, h, w, o, kh, kw;
    int64_t stride[2], padding[2], dilation[2], groups;
} setup;

static const setup setups[] = {
    {2, 3, 7, 8, 4, 3, 3, {1, 1}, {0, 0}, {1, 1}, 1},
    {1, 1, 5, 5, 1, 5, 5, {1, 1}, {0, 0}, {1, 1}, 1},
    {3, 4, 9, 6, 6, 3, 2, {2, 1}, {1, 2}, {1, 1}, 2},
    {2, 4, 8, 8, 4, 3, 3, {1, 1}, {1, 1}, {1, 1}, 4},
    {2, 2, 11, 9, 3, 3, 3, {2, 3}, {2, 2}, {2, 2}, 1},
    {2, 5, 4, 4, 3, 1, 1, {1, 1}, {0, 0}, {1, 1}, 1},
    {2, 2, 4, 4, 3, 1, 1, {2, 2}, {1, 0}, {1, 1}, 1},
    {1, 2, 3, 3, 2, 3, 3, {1, 1}, {4, 4}, {1, 1}, 1},
    {40, 8, 32, 32, 4, 3, 3, {1, 1}, {1, 1}, {1, 1}, 1},   /* many chunks */
};
/* 3x3 with enough channels for tiles: whole and cut ones, all paddings. */
static const setup tiled[] = {
    {2, 16, 8, 8, 16, 3, 3, {1, 1}, {1, 1}, {1, 1}, 1},
    {3, 17, 9, 11, 33, 3, 3, {1, 1}, {1, 1}, {1, 1}, 1},
    {1, 31, 6, 7, 16, 3, 3, {1, 1}, {0, 0}, {1, 1}, 1},
    {5, 16, 7, 7, 48, 3, 3, {1, 1}, {2, 1}, {1, 1}, 1},
    {9, 20, 13, 21, 30, 3, 3, {1, 1}, {0, 2}, {1, 1}, 1},
    {2, 16, 70, 67, 17, 3, 3, {1, 1}, {1, 1}, {1, 1}, 1},   /* many blocks */
    {4, 1032, 9, 9, 16, 3, 3, {1, 1}, {1, 1}, {1, 1}, 1},   /* some groups */
};
/* Enough images that they lie side by side. */
static const setup laned[] = {
    {16, 1, 28, 28, 6, 5, 5, {1, 1}, {2, 2}, {1, 1}, 1},
    {32, 6, 14, 14, 16, 5, 5, {1, 1}, {0, 0}, {1, 1}, 1},
    {17, 3, 7, 8, 4, 3, 3, {1, 1}, {0, 1}, {1, 1}, 1},
    {31, 3, 9, 11, 7, 3, 2, {2, 1}, {1, 2}, {1, 1}, 1},
    {12, 4, 12, 9, 10, 3, 3, {2, 3}, {2, 2}, {2, 2}, 1},
    {16, 6, 9, 6, 15, 2, 3, {1, 1}, {1, 2}, {1, 3}, 3},
    {16, 8, 8, 8, 8, 3, 3, {1, 1}, {1, 1}, {1, 1}, 8},
    {13, 2, 3, 3, 5, 3, 3, {1, 1}, {4, 5}, {1, 1}, 1},   /* more outside */
    {20, 3, 60, 70, 13, 7, 7, {2, 2}, {3, 3}, {1, 1}, 1},
    {150, 1, 5, 5, 2, 5, 5, {1, 1}, {0, 0}, {1, 1}, 1},  /* one pixel */
};
/* Neither: strides, paddings, dilations and groups of all kinds, panels and
 * runs that end early, rows longer than runs, phases without a tap. */
static const setup patched[] = {
    {3, 20, 15, 18, 37, 3, 3, {2, 2}, {1, 1}, {1, 1}, 1},
    {2, 3, 31, 40, 33, 7, 7, {2, 2}, {3, 3}, {1, 1}, 1},
    {1, 5, 12, 14, 6, 3, 3, {2, 3}, {2, 0}, {3, 2}, 1},
    {2, 8, 10, 11, 12, 3, 2, {1, 2}, {1, 1}, {2, 1}, 4},
    {3, 70, 9, 9, 40, 1, 1, {1, 1}, {0, 0}, {1, 1}, 1},
    {2, 9, 9, 9, 5, 1, 1, {3, 2}, {0, 1}, {1, 1}, 1},   /* gaps in dx */
    {2, 4, 7, 7, 4, 2, 2, {3, 3}, {0, 0}, {1, 1}, 2},
    {1, 2, 1, 1300, 3, 1, 9, {1, 1}, {0, 4}, {1, 1}, 1},
    {2, 16, 2, 700, 15, 1, 4, {1, 2}, {0, 1}, {1, 1}, 1},
    {1, 130, 6, 7, 30, 5, 5, {1, 1}, {2, 2}, {1, 1}, 1}, /* some blocks */
    {2, 2, 20, 1, 3, 5, 1, {1, 1}, {4, 0}, {1, 1}, 1},
    {1, 2, 3, 3, 2, 3, 3, {2, 2}, {5, 4}, {2, 2}, 1},
    {3, 6, 17, 19, 6, 3, 3, {1, 1}, {1, 1}, {1, 1}, 6},  /* one channel each */
    {2, 5, 90, 71, 5, 3, 4, {2, 2}, {1, 2}, {1, 1}, 5},
    {2, 3, 3, 2100, 3, 2, 5, {1, 1}, {1, 0}, {1, 3}, 3},
    {1, 1, 40, 40, 2, 33, 33, {1, 1}, {3, 3}, {1, 1}, 1}, /* by columns */
    {1, 1, 40, 40, 2, 30, 34, {2, 1}, {0, 0}, {1, 1}, 1},
};
#define PATCHED ((int)(sizeof patched / sizeof *patched))
#define LANED ((int)(sizeof laned / sizeof *laned))
#define TILED ((int)(sizeof tiled / sizeof *tiled))
#define SETUPS ((int)(sizeof setups / sizeof *setups))

static int64_t out_size(const setup *s, int d)
{
    int64_t in = d ? s->w : s->h, k = d ? s->kw : s->kh;
    return (in + 2 * s->padding[d] - s->dilation[d] * (k - 1) - 1) /
               s->stride[d] + 1;
}

/* Calls fn for every (output, input, weight) triple of flat positions that are
 * multiplied together. */
static void each_product(const setup *s,
                         void (*fn)(void *, int64_t, int64_t, int64_t),
                         void *ctx)
{
    int64_t oh = out_size(s, 0), ow = out_size(s, 1), ci = s->c / s->groups;
    int64_t co = s->o / s->groups;
    for (int64_t i = 0; i < s->n * s->o * oh * ow; i++) {
        int64_t x = i % ow, y = i / ow % oh, o = i / ow / oh % s->o;
        int64_t image = i / ow / oh / s->o;
        for (int64_t k = 0; k < ci * s->kh * s->kw; k++) {
            int64_t kx = k % s->kw, ky = k / s->kw % s->kh;
            int64_t ch = k / s->kw / s->kh;
            int64_t ix = x * s->stride[1] + kx * s->dilation[1] -
                         s->padding[1];
            int64_t iy = y * s->stride[0] + ky * s->dilation[0] -
                         s->padding[0];
            if (ix < 0 || ix >= s->w || iy < 0 || iy >= s->h) {
                continue;
            }
            int64_t channel = o / co * ci + ch;
            fn(ctx, i, ((image * s->c + channel) * s->h + iy) * s->w + ix,
               o * ci * s->kh * s->kw + k);
        }
    }
}

typedef struct sums {
    const double *x, *w, *g;
    double *y, *dx, *dw;
} sums;

static void add_product(void *ctx, int64_t out, int64_t in, int64_t weight)
{
    sums *s = ctx;
    s->y[out] += s->x[in] * s->w[weight];
    s->dx[in] += s->g[out] * s->w[weight];
    s->dw[weight] += s->g[out] * s->x[in];
}

static double *numbers(const rt_tensor *t, bool zero)
{
    double *p = calloc((size_t)t->numel + 1, sizeof *p);
    for (int64_t i = 0; p && !zero && i < t->numel; i++) {
        p[i] = at(t, i);
    }
    return p;
}

static double worst(const rt_tensor *t, const double *want, double offset)
{
    double most = t ? 0 : INFINITY;
    for (int64_t i = 0; t && i < t->numel; i++) {
        double d = fabs(at(t, i) - want[i] - offset);
        most = d > most || isnan(d) ? d : most;
    }
    return most;
}

static void check_setup(const setup *s, rt_dtype dtype, double tolerance)
{
    rt_tensor *x = noise(dtype, SHAPE(s->n, s->c, s->h, s->w), 1);
    rt_tensor *w = noise(dtype, SHAPE(s->o, s->c / s->groups, s->kh, s->kw),
                         2);
    rt_tensor *g = noise(dtype, SHAPE(s->n, s->o, out_size(s, 0),
                                      out_size(s, 1)), 3);
    rt_tensor *bias = tensor(dtype, SHAPE(s->o), VALUES(0.5));
    rt_value st = RT_V_INTS(s->stride, 2), pa = RT_V_INTS(s->padding, 2);
    rt_value di = RT_V_INTS(s->dilation, 2), gr = I(s->groups);
    rt_tensor *y = CALL(conv2d, 7, T(x), T(w), T(bias), st, pa, di, gr);
    rt_tensor *dx = CALL(conv2d_input, 7, T(g), T(w),
                         RT_V_INTS(x->shape, 4), st, pa, di, gr);
    rt_tensor *dw = CALL(conv2d_weight, 7, T(g), T(x),
                         RT_V_INTS(w->shape, 4), st, pa, di, gr);
    sums all = {numbers(x, false), numbers(w, false), numbers(g, false),
                numbers(g, true), numbers(x, true), numbers(w, true)};
    each_product(s, add_product, &all);
    CHECK_NEAR(worst(y, all.y, 0.5), 0, tolerance);
    CHECK_NEAR(worst(dx, all.dx, 0), 0, tolerance);
    CHECK_NEAR(worst(dw, all.dw, 0), 0, tolerance * (double)(s->n * s->h));
    double *lists[] = {(double *)all.x, (double *)all.w, (double *)all.g,
                       all.y, all.dx, all.dw};
    for (int i = 0; i < 6; i++) {
        free(lists[i]);
    }
    DROP(x, w, g, bias, y, dx, dw);
}

CASE(float64_agrees_with_direct_loops)
{
    for (int i = 0; i < SETUPS; i++) {
        check_setup(&setups[i], RT_FLOAT64, 1e-12);
    }
}

CASE(float32_agrees_with_direct_loops)
{
    for (int i = 0; i < SETUPS; i++) {
        check_setup(&setups[i], RT_FLOAT32, 2e-5);
    }
}

/* With vectors and without. */
static void check_setups(const setup *of, int n, double tolerance)
{
    for (int on = 1; on >= 0; on--) {
        rt_set_simd_enabled(on);
        for (int i = 0; i < n; i++) {
            check_setup(&of[i], RT_FLOAT32, tolerance);
        }
    }
    rt_set_simd_enabled(true);
}

CASE(images_side_by_side_agree_with_direct_loops)
{
    check_setups(laned, LANED, 2e-5);
}

CASE(patches_agree_with_direct_loops)
{
    check_setups(patched, PATCHED, 1e-4);
}

/* Bound: a part of the sum of |x| |w|, which grows with the channels. */
CASE(tiles_of_3x3_convolutions_agree_with_direct_loops)
{
    for (int on = 1; on >= 0; on--) {
        rt_set_simd_enabled(on);
        for (int i = 0; i < TILED; i++) {
            check_setup(&tiled[i], RT_FLOAT32, 1e-6 * 9 * (double)tiled[i].c);
        }
    }
    rt_set_simd_enabled(true);
}

/* Where the direct loops give NaN or an infinity there is the same one, and
 * everything else is near. */
static int misses(const rt_tensor *t, const double *want, double tolerance)
{
    int n = t ? 0 : 1;
    for (int64_t i = 0; t && i < t->numel; i++) {
        double y = at(t, i);
        bool same = isnan(want[i])   ? isnan(y)
                    : isinf(want[i]) ? y == want[i]
                                     : fabs(y - want[i]) <= tolerance;
        n += !same;
    }
    return n;
}

enum { IN_X, IN_G, IN_W };

/* One value of input, output's gradient or weight is special. Zeros around the
 * image are multiplied too: a special weight is tried without them. */
static void check_special(const setup *s, int where, int64_t place,
                          float value, double tolerance)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(s->n, s->c, s->h, s->w), 1);
    rt_tensor *w = noise(RT_FLOAT32, SHAPE(s->o, s->c / s->groups, s->kh,
                                           s->kw), 2);
    rt_tensor *g = noise(RT_FLOAT32, SHAPE(s->n, s->o, out_size(s, 0),
                                           out_size(s, 1)), 3);
    rt_tensor *t = where == IN_X ? x : where == IN_G ? g : w;
    rt_value st = RT_V_INTS(s->stride, 2), pa = RT_V_INTS(s->padding, 2);
    rt_value di = RT_V_INTS(s->dilation, 2), gr = I(s->groups);
    ((float *)(void *)t->data)[(t->numel + place) % t->numel] = value;
    rt_tensor *y = CALL(conv2d, 7, T(x), T(w), RT_NONE, st, pa, di, gr);
    rt_tensor *dx = CALL(conv2d_input, 7, T(g), T(w),
                         RT_V_INTS(x->shape, 4), st, pa, di, gr);
    rt_tensor *dw = CALL(conv2d_weight, 7, T(g), T(x),
                         RT_V_INTS(w->shape, 4), st, pa, di, gr);
    sums all = {numbers(x, false), numbers(w, false), numbers(g, false),
                numbers(g, true), numbers(x, true), numbers(w, true)};
    each_product(s, add_product, &all);
    CHECK_INT(misses(y, all.y, tolerance), 0);
    if (where != IN_W) {
        CHECK_INT(misses(dx, all.dx, tolerance), 0);
    }
    if (where != IN_G) {
        CHECK_INT(misses(dw, all.dw, tolerance * (double)(s->n * s->h)), 0);
    }
    double *lists[] = {(double *)all.x, (double *)all.w, (double *)all.g,
                       all.y, all.dx, all.dw};
    for (int i = 0; i < 6; i++) {
        free(lists[i]);
    }
    DROP(x, w, g, y, dx, dw);
}

static void check_specials(const setup *s, double tolerance)
{
    const float values[] = {NAN, INFINITY, -INFINITY, 1e-40f};
    const int64_t places[] = {0, s->h * s->w / 2 + 1, -1};
    bool padded = s->padding[0] || s->padding[1];
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 3; k++) {
            check_special(s, IN_X, places[k], values[i], tolerance);
            check_special(s, IN_G, places[k], values[i], tolerance);
        }
        if (!padded) {
            check_special(s, IN_W, 4, values[i], tolerance);
        }
    }
}

CASE(one_special_value_reaches_only_what_depends_on_it_by_tiles)
{
    for (int on = 1; on >= 0; on--) {
        rt_set_simd_enabled(on);
        for (int i = 0; i < 5; i++) {
            check_specials(&tiled[i], 1e-6 * 9 * (double)tiled[i].c);
        }
    }
    rt_set_simd_enabled(true);
}

CASE(one_special_value_reaches_only_what_depends_on_it_side_by_side)
{
    for (int on = 1; on >= 0; on--) {
        rt_set_simd_enabled(on);
        for (int i = 1; i < 8; i++) {
            check_specials(&laned[i], 2e-5);
        }
    }
    rt_set_simd_enabled(true);
}

CASE(one_special_value_reaches_only_what_depends_on_it_by_columns)
{
    for (int i = 0; i < 7; i++) {
        check_specials(&setups[i], 2e-5);
    }
}

CASE(one_special_value_reaches_only_what_depends_on_it_by_patches)
{
    for (int on = 1; on >= 0; on--) {
        rt_set_simd_enabled(on);
        for (int i = 0; i < PATCHED; i += i < 3 ? 1 : 5) {
            check_specials(&patched[i], 1e-4);
        }
    }
    rt_set_simd_enabled(true);
}

static void check_threads(int64_t n, int64_t c, int64_t k, int64_t size,
                          int64_t stride, int64_t groups)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(n, c, size, size), 1), *r[2][3];
    rt_tensor *w = noise(RT_FLOAT32, SHAPE(k, c / groups, 3, 3), 2);
    int64_t out = (size - 1) / stride + 1;
    rt_tensor *g = noise(RT_FLOAT32, SHAPE(n, k, out, out), 3);
    rt_value one = INTS(1, 1), step = INTS(stride, stride);
    for (int i = 0; i < 2; i++) {
        rt_set_num_threads(i ? 3 : 1);
        r[i][0] = CALL(conv2d, 7, T(x), T(w), RT_NONE, step, one, one,
                       I(groups));
        r[i][1] = CALL(conv2d_input, 7, T(g), T(w), RT_V_INTS(x->shape, 4),
                       step, one, one, I(groups));
        r[i][2] = CALL(conv2d_weight, 7, T(g), T(x), RT_V_INTS(w->shape, 4),
                       step, one, one, I(groups));
    }
    rt_set_num_threads(0);
    for (int which = 0; which < 3; which++) {
        CHECK(memcmp(r[0][which]->data, r[1][which]->data,
                     (size_t)r[0][which]->numel * 4) == 0);
        DROP(r[0][which], r[1][which]);
    }
    DROP(x, w, g);
}

CASE(threads_change_no_bit_of_a_tiled_convolution)
{
    check_threads(4, 24, 40, 15, 1, 1);
    check_threads(2, 16, 20, 70, 1, 1);
}

CASE(threads_change_no_bit_of_images_side_by_side)
{
    check_threads(40, 3, 20, 15, 1, 1);
    check_threads(16, 5, 3, 40, 1, 1);
}

CASE(threads_change_no_bit_of_patches)
{
    check_threads(4, 70, 40, 21, 2, 1);
    check_threads(1, 12, 50, 70, 3, 1);
    check_threads(3, 7, 7, 90, 1, 7);
    check_threads(1, 1, 1, 90, 2, 1);
}

CASE(one_image_without_a_batch_dimension)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(3, 6, 6), 1), *batch = NULL;
    rt_tensor *w = noise(RT_FLOAT32, SHAPE(2, 3, 3, 3), 2);
    batch = CALL(unsqueeze, 2, T(x), I(0));
    rt_tensor *a = CALL(conv2d, 2, T(x), T(w));
    rt_tensor *b = CALL(conv2d, 2, T(batch), T(w));
    CHECK_INT(a->ndim, 3);
    CHECK_NEAR(largest_difference(a, b), 0, 0);
    DROP(x, w, batch, a, b);
}

CASE(a_transposed_image_is_read_by_its_strides)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(1, 5, 6, 2), 1);
    rt_tensor *w = noise(RT_FLOAT32, SHAPE(2, 2, 3, 3), 2);
    rt_tensor *p = CALL(permute, 2, T(x), INTS(0, 3, 1, 2));
    rt_tensor *c = CALL(contiguous, 1, T(p));
    rt_tensor *a = CALL(conv2d, 2, T(p), T(w));
    rt_tensor *b = CALL(conv2d, 2, T(c), T(w));
    CHECK_NEAR(largest_difference(a, b), 0, 0);
    DROP(x, w, p, c, a, b);
}

CASE(rows_are_spread_and_scattered_and_nothing_else_is_written)
{
    enum { MOST = 70 };
    float in[3 * MOST], out[3 * MOST + 2];
    for (int i = 0; i < 3 * MOST; i++) {
        in[i] = (float)i + 1;
    }
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        const rt__patches_table *t = rt__patches_tables[isa];
        for (int k = 0; k < 3 * MOST; k++) {
            int64_t step = k % 3 + 1, n = k / 3;
            memset(out, 0, sizeof out);
            t->scatter(out + 1, in, step, n);
            for (int64_t i = 0; i < 3 * MOST; i++) {
                bool hit = i % step == 0 && i / step < n;
                CHECK(out[1 + i] == (hit ? in[i / step] : 0));
            }
            CHECK(out[0] == 0 && out[3 * MOST + 1] == 0);
            memset(out, 0, sizeof out);
            t->spread(out + 1, in, step, n);
            for (int64_t i = 0; i < MOST; i++) {
                CHECK(out[1 + i] == (i < n ? in[step * i] : 0));
            }
            CHECK(out[0] == 0);
        }
    }
}

CASE(misfits_are_explained)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(1, 3, 4, 4), 1);
    rt_tensor *w = noise(RT_FLOAT32, SHAPE(2, 2, 3, 3), 2);
    rt_tensor *big = noise(RT_FLOAT32, SHAPE(2, 3, 5, 5), 2);
    rt_tensor *d = noise(RT_FLOAT64, SHAPE(2, 3, 3, 3), 2);
    REFUSES(RT_E_SHAPE, "the weight is for 2 channels, the input has 3",
            conv2d, 2, T(x), T(w));
    REFUSES(RT_E_SHAPE, "does not fit an input of 4 x 4", conv2d, 2, T(x),
            T(big));
    REFUSES(RT_E_DTYPE, "float32 and float64", conv2d, 2, T(x), T(d));
    REFUSES(RT_E_ARGUMENT, "stride must be at least 1", conv2d, 4, T(x),
            T(big), RT_NONE, I(0));
    REFUSES(RT_E_ARGUMENT, "groups=2 must divide", conv2d, 7, T(x), T(w),
            RT_NONE, I(1), I(0), I(1), I(2));
    REFUSES(RT_E_SHAPE, "bias must hold", conv2d, 5, T(x), T(big), T(w),
            I(1), I(2));
    DROP(x, w, big, d);
}

UNIT_MAIN

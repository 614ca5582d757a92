/* SPDX-License-Identifier: MIT
 * Convolutions whose lanes are images. A step takes some output rows of as
 * many images as there are lanes: their input is turned so that images lie
 * side by side, padded with zeros, and used up in L2. Steps, and the chains of
 * steps whose sums are a weight's gradient, are cut by shape alone.
 */
#include "runtime/ops/cpu/lanes.h"

#include <stdatomic.h>
#include <string.h>

#include "runtime/base/pool.h"
#include "runtime/ops/cpu/step.h"

enum { LEAST_STEPS = 8, CHAINS = 8, MOST_SUMS = 1 << 14 };

typedef struct span {
    int64_t from, to;
} span;

typedef struct work {
    const rt__lanes *v;
    const rt__lanes_table *t;
    int64_t groups, rows, bands;   /* of images; of output rows, in steps */
    int64_t in_rows, width;        /* of a turned plane */
    int64_t taps;                  /* c x kernel */
    int64_t panels, high;          /* of output channels, rows in each */
    int64_t chains;
    float *weights;                /* [panels][taps][high] */
    float *sums;                   /* [chains][k][taps][lanes] */
    float *dw;
    rt__step_state failed;
} work;

static int64_t quotient(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t input_rows(const rt__lanes *v, int64_t rows)
{
    return (rows - 1) * v->stride[0] + (v->kernel[0] - 1) * v->dilation[0] + 1;
}

static int64_t padded_width(const rt__lanes *v)
{
    return (v->ow - 1) * v->stride[1] + (v->kernel[1] - 1) * v->dilation[1] +
           1;
}

/* Floats of a step's turned input, and of its turned output. */
static int64_t input_room(const work *d)
{
    return d->v->c * d->in_rows * d->width * d->t->lanes;
}

static int64_t output_room(const work *d, int64_t channels)
{
    int64_t pixels = quotient(d->rows * d->v->ow, d->t->pixels) * d->t->pixels;
    return channels * pixels * d->t->lanes;
}

static int64_t room_for(const rt__lanes *v, int lanes)
{
    return (int64_t)rt__cpu_info()->l2 / 2 / (4 * lanes);
}

bool rt__lanes_suits(const rt__lanes *v)
{
    int lanes = RT_ISA_TABLE(lanes)->lanes;
    int64_t pixels = v->c * input_rows(v, least(v->oh, 4)) * padded_width(v);
    return v->n * 3 >= quotient(v->n, lanes) * lanes * 2 &&
           v->kernel[0] * v->kernel[1] > 1 && v->pad[0] >= 0 &&
           v->pad[1] >= 0 && v->c > 0 && v->k > 0 && v->oh > 0 && v->ow > 0 &&
           v->k * v->c * v->kernel[0] * v->kernel[1] <= MOST_SUMS &&
           pixels + v->k * least(v->oh, 4) * v->ow <= room_for(v, lanes);
}

/* Output rows in a step: all of it fits into half of L2, and there is work for
 * some threads. */
static void plan(work *d, const rt__lanes *v)
{
    *d = (work){.v = v, .t = RT_ISA_TABLE(lanes), .width = padded_width(v),
                .taps = v->c * v->kernel[0] * v->kernel[1]};
    d->groups = quotient(v->n, d->t->lanes);
    int64_t row = v->c * d->width * v->stride[0] + v->k * v->ow;
    int64_t first = v->c * d->width *
                    ((v->kernel[0] - 1) * v->dilation[0] + 1);
    int64_t most = (room_for(v, d->t->lanes) - first) / row;
    d->bands = quotient(v->oh, most < 1 ? 1 : least(most, v->oh));
    if (d->groups * d->bands < LEAST_STEPS) {
        d->bands = least(quotient(LEAST_STEPS, d->groups), quotient(v->oh, 4));
    }
    d->rows = quotient(v->oh, d->bands);
    d->bands = quotient(v->oh, d->rows);
    d->in_rows = input_rows(v, d->rows);
    d->panels = quotient(v->k, RT_LANES_ROWS);
    d->high = quotient(v->k, d->panels);
    d->panels = quotient(v->k, d->high);
}

/* --- turning ------------------------------------------------------------- */

/* n pixels of some images side by side. */
static void turn(float *out, int lanes, const float *in, int64_t image,
                 int images, int64_t n)
{
    int64_t even = n / 8 * 8;
    RT_ISA_TABLE(convert)->transpose((char *)out, lanes * 4, (const char *)in,
                                     image * 4, images, (int)even, 4);
    if (even < n && even > 0) {     /* the last 8, some for the second time */
        even = n - 8;
    }
    RT_ISA_TABLE(convert)->transpose(
        (char *)(out + even * lanes), lanes * 4, (const char *)(in + even),
        image * 4, images, (int)(n - even), 4);
}

static int images_of(const work *d, int64_t group)
{
    return (int)least(d->v->n - group * d->t->lanes, d->t->lanes);
}

static void zero(float *p, int64_t n)
{
    memset(p, 0, (size_t)(n > 0 ? n : 0) * sizeof *p);
}

/* Input rows from output row `oy` on: x [c][in_rows][width][lanes], zeros
 * where there is no input. */
static void turn_input(const work *d, int64_t group, int64_t oy, float *x)
{
    const rt__lanes *v = d->v;
    int lanes = d->t->lanes, images = images_of(d, group);
    const float *from = v->x + group * lanes * v->x_image;
    int64_t left = v->pad[1], end = least(left + v->w, d->width);
    int64_t first = oy * v->stride[0] - v->pad[0];
    bool cut = images < lanes || end <= left;
    for (int64_t i = 0; i < v->c * d->in_rows; i++) {
        int64_t y = first + i % d->in_rows;
        float *row = x + i * d->width * lanes;
        if (cut || y < 0 || y >= v->h) {
            zero(row, d->width * lanes);
        }
        if (end > left && y >= 0 && y < v->h) {
            zero(row, left * lanes);
            turn(row + left * lanes, lanes,
                 from + (i / d->in_rows * v->h + y) * v->w, v->x_image, images,
                 end - left);
            zero(row + end * lanes, (d->width - end) * lanes);
        }
    }
}

/* Pixels [rows of the step][lanes] of output channel k, to its images. */
static void turn_back(const work *d, int64_t group, int64_t oy, int64_t rows,
                      int64_t k, const float *from)
{
    const rt__lanes *v = d->v;
    int lanes = d->t->lanes;
    RT_ISA_TABLE(convert)->transpose(
        (char *)(v->y + group * lanes * v->y_image + (k * v->oh + oy) * v->ow),
        v->y_image * 4, (const char *)from, lanes * 4, (int)(rows * v->ow),
        images_of(d, group), 4);
}

/* --- forward ------------------------------------------------------------- */

static void pack_weights(const work *d)
{
    const rt__lanes *v = d->v;
    int64_t per = v->kernel[0] * v->kernel[1];
    float *to = d->weights;
    for (int64_t p = 0; p < d->panels; p++) {
        for (int64_t i = 0; i < d->taps; i++) {
            int64_t tap = v->flip ? per - 1 - i % per : i % per;
            for (int64_t r = 0; r < d->high; r++, to++) {
                int64_t k = p * d->high + r;
                *to = k < v->k ? v->weight[k * v->wk + i / per * v->wc + tap]
                               : 0;
            }
        }
    }
}

/* Taps of output o whose input exists, widened by those of others. */
static void widen(span *s, const rt__lanes *v, int dim, int64_t o)
{
    int64_t step = v->dilation[dim], size = dim ? v->w : v->h;
    int64_t at = o * v->stride[dim] - v->pad[dim];
    int64_t from = at < 0 ? quotient(-at, step) : 0;
    int64_t to = at < size ? least(quotient(size - at, step), v->kernel[dim])
                           : 0;
    s->from = from < s->from ? from : s->from;
    s->to = to > s->to ? to : s->to;
}

/* Output channels of a panel for `pixels` pixels from the step's q-th on. */
static void pixels_of(const work *d, int64_t panel, int64_t oy, int64_t q,
                      int64_t count, const float *x, float *out, int64_t step)
{
    const rt__lanes *v = d->v;
    const float *at[RT_LANES_PIXELS];
    float bias[RT_LANES_ROWS] = {0};
    int lanes = d->t->lanes;
    int64_t high = least(v->k - panel * d->high, d->high);
    int64_t down = d->width * lanes;
    span y = {v->kernel[0], 0}, z = {v->kernel[1], 0};
    for (int64_t j = 0; j < d->t->pixels; j++) {
        int64_t p = least(q + j, count - 1), row = p / v->ow, col = p % v->ow;
        at[j] = x + row * v->stride[0] * down + col * v->stride[1] * lanes;
        widen(&y, v, 0, oy + row);
        widen(&z, v, 1, col);
    }
    for (int64_t i = 0; v->bias && i < high; i++) {
        bias[i] = v->bias[panel * d->high + i];
    }
    rt__taps t = {.channels = y.from < y.to && z.from < z.to ? v->c : 0,
                  .down = y.to - y.from, .across = z.to - z.from,
                  .x_channel = d->in_rows * down,
                  .x_down = v->dilation[0] * down,
                  .x_across = v->dilation[1] * lanes,
                  .w_channel = v->kernel[0] * v->kernel[1] * d->high,
                  .w_down = v->kernel[1] * d->high, .w_across = d->high};
    for (int64_t j = 0; j < d->t->pixels; j++) {
        at[j] += y.from * t.x_down + z.from * t.x_across;
    }
    d->t->products((int)high, &t, at,
                   d->weights + panel * d->taps * d->high +
                       y.from * t.w_down + z.from * t.w_across,
                   bias, out + q * lanes, step);
}

static void steps(void *ctx, int64_t begin, int64_t end)
{
    work *d = ctx;
    const rt__lanes *v = d->v;
    int64_t in = input_room(d), step = output_room(d, 1);
    float *x = rt__step_room(&d->failed, in + step * d->high);
    for (int64_t s = begin; x && s < end; s++) {
        int64_t group = s / d->bands, oy = s % d->bands * d->rows;
        int64_t rows = least(v->oh - oy, d->rows), count = rows * v->ow;
        turn_input(d, group, oy, x);
        for (int64_t p = 0; p < d->panels && !rt_interrupted(); p++) {
            /* a large window makes even a few pixels long */
            for (int64_t q = 0; q < count && !rt_interrupted();
                 q += d->t->pixels) {
                pixels_of(d, p, oy, q, count, x, x + in, step);
            }
            for (int64_t i = 0; i < d->high && p * d->high + i < v->k; i++) {
                turn_back(d, group, oy, rows, p * d->high + i,
                          x + in + i * step);
            }
        }
    }
    rt_free(x);
}

rt_status rt__lanes_run(const rt__lanes *v, const char *name, rt_error *err)
{
    work d;
    plan(&d, v);
    d.weights = rt_alloc((size_t)(d.panels * d.taps * d.high) *
                         sizeof *d.weights);
    if (!d.weights) {
        return rt_fail(err, RT_E_MEMORY, "%s: not enough memory", name);
    }
    pack_weights(&d);
    bool whole = rt__parallel(d.groups * d.bands, 1, steps, &d);
    rt_free(d.weights);
    return rt__steps_ended(whole, &d.failed, name, err);
}

/* --- gradient of the weight ---------------------------------------------- */

/* Gradients of the step's outputs: g [k][rows * ow][lanes]. */
static void turn_gradients(const work *d, int64_t group, int64_t oy,
                           int64_t rows, float *g, int64_t plane)
{
    const rt__lanes *v = d->v;
    int lanes = d->t->lanes, images = images_of(d, group);
    for (int64_t k = 0; k < v->k; k++) {
        float *to = g + k * plane;
        if (images < lanes) {
            zero(to, rows * v->ow * lanes);
        }
        turn(to, lanes,
             v->y + group * lanes * v->y_image + (k * v->oh + oy) * v->ow,
             v->y_image, images, rows * v->ow);
    }
}

/* Adds products of the taps [tap, tap + n) to all channels' sums. */
static void add_taps(const work *d, int64_t tap, int64_t n, int64_t rows,
                     const float *x, const float *g, int64_t plane,
                     float *sums)
{
    const rt__lanes *v = d->v;
    const float *at[RT_LANES_TAPS];
    int lanes = d->t->lanes;
    int64_t down = d->width * lanes, kw = v->kernel[1];
    int64_t high = quotient(v->k, quotient(v->k, d->t->planes));
    for (int64_t j = 0; j < n; j++) {
        int64_t i = tap + j, row = i / kw, c = row / v->kernel[0];
        row %= v->kernel[0];
        at[j] = x + (c * d->in_rows + row * v->dilation[0]) * down +
                i % kw * v->dilation[1] * lanes;
    }
    for (int64_t k = 0; k < v->k; k += high) {
        d->t->sums((int)least(v->k - k, high), (int)n, rows, v->ow,
                   g + k * plane, plane, at, v->stride[0] * down,
                   v->stride[1] * lanes, sums + (k * d->taps + tap) * lanes,
                   d->taps);
    }
}

/* Each chain takes every so many steps, in order. */
static void chains(void *ctx, int64_t begin, int64_t end)
{
    work *d = ctx;
    const rt__lanes *v = d->v;
    int64_t in = input_room(d), plane = output_room(d, 1);
    int64_t all = v->k * d->taps * d->t->lanes;
    int64_t n = quotient(d->taps, quotient(d->taps, d->t->taps));
    float *x = rt__step_room(&d->failed, in + v->k * plane);
    for (int64_t chain = begin; x && chain < end; chain++) {
        float *sums = d->sums + chain * all;
        zero(sums, all);
        for (int64_t s = chain; s < d->groups * d->bands; s += d->chains) {
            int64_t oy = s % d->bands * d->rows;
            int64_t rows = least(v->oh - oy, d->rows);
            turn_input(d, s / d->bands, oy, x);
            turn_gradients(d, s / d->bands, oy, rows, x + in, plane);
            for (int64_t i = 0; i < d->taps; i += n) {
                if (rt_interrupted()) {
                    d->failed = RT_E_INTERRUPT;
                    rt_free(x);
                    return;
                }
                add_taps(d, i, least(d->taps - i, n), rows, x, x + in, plane,
                         sums);
            }
        }
    }
    rt_free(x);
}

static void join_sums(void *ctx, int64_t begin, int64_t end)
{
    const work *d = ctx;
    int lanes = d->t->lanes;
    d->t->join(d->dw + begin, d->sums + begin * lanes,
               d->v->k * d->taps * lanes, d->chains, end - begin);
}

rt_status rt__lanes_weight(const rt__lanes *v, float *dw, const char *name,
                           rt_error *err)
{
    work d;
    plan(&d, v);
    d.dw = dw;
    d.chains = least(d.groups * d.bands, CHAINS);
    d.sums = rt_alloc((size_t)(d.chains * v->k * d.taps * d.t->lanes) *
                      sizeof *d.sums);
    if (!d.sums) {
        return rt_fail(err, RT_E_MEMORY, "%s: not enough memory", name);
    }
    bool whole = rt__parallel(d.chains, 1, chains, &d) &&
                 rt__parallel(v->k * d.taps, 256, join_sums, &d);
    rt_free(d.sums);
    return rt__steps_ended(whole, &d.failed, name, err);
}

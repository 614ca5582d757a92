/* SPDX-License-Identifier: MIT
 * Convolutions by patches: a task takes a run of output pixels of one image
 * and goes through blocks of channels, whose input it copies, packs and
 * multiplies. The weight's gradient goes through runs of pixels in chains of
 * tasks, each with a sum of its own.
 */
#include "runtime/ops/cpu/patches.h"

#include <string.h>

#include "runtime/base/blocks.h"
#include "runtime/base/pool.h"
#include "runtime/ops/cpu/sgemm_kernels.h"
#include "runtime/ops/cpu/step.h"

enum { DEPTH = 512, TASKS = 8, MOST_TAPS = 1024, MOST_PANELS = 16,
       MOST_ROOM = 1 << 24 };         /* floats of a copied input */
enum { LINE = 16 };              /* floats of a line of the caches */
enum { PLANE = 4096 };           /* pixels of a run of a single channel */
enum { PIXELS = 256, COLUMNS = 256 };   /* of a piece of a weight's gradient */
enum { MOST_LANES = 16, MOST_NR = 2 * MOST_LANES };

typedef struct work {
    const rt__patches *v;
    const rt__patches_table *t;
    const rt__sgemm_table *g;
    int64_t taps, channels, k;     /* of a window; in a block; c * taps */
    int64_t panels;                /* of the weight's rows */
    int64_t pixels, runs, across;  /* in a run; runs of a plane, of a row (0:
                                      runs go on over rows) */
    int64_t phases[2], reach[2];   /* of the stride; rows a window adds */
    float *weights, *bias;         /* panels; [m][nr] */
    int64_t blocks, chains;        /* of columns; sums */
    float *sums;
    rt__step_state failed;
} work;

/* What a task has copied: rows and columns of phases, `size` floats for a
 * channel, for outputs from (y, x) on. */
typedef struct view {
    int64_t y, x, rows, columns, phase, size;
} view;

static int64_t quotient(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t within(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

static int64_t shift(const rt__side *s, int64_t tap)
{
    return s->shift0 + tap * s->shift_step;
}

static int64_t farthest(const rt__side *s)
{
    return shift(s, s->shift_step < 0 ? 0 : s->taps - 1);
}

/* Inputs that `outs` outputs in a row reach over. */
static double span_of(const rt__side *s, int64_t outs)
{
    return ((double)outs + 1) * (double)s->stride + (double)farthest(s);
}

bool rt__patches_suits(const rt__patches *v)
{
    int64_t taps = v->side[0].taps * v->side[1].taps, ow = v->side[1].out;
    if (taps > MOST_TAPS || v->c < 1 || v->m < 1 || ow < 1) {
        return false;
    }
    double room = (double)within(DEPTH / taps, 1, v->c) *
                  span_of(&v->side[0], PLANE / ow + 2) *
                  span_of(&v->side[1], least(ow, 2 * PLANE));
    return room < MOST_ROOM;
}

static void plan(work *d, const rt__patches *v)
{
    *d = (work){.v = v, .t = RT_ISA_TABLE(patches), .g = RT_ISA_TABLE(sgemm),
                .taps = v->side[0].taps * v->side[1].taps};
    d->k = v->c * d->taps;
    d->panels = quotient(v->m, d->g->mr);
    for (int i = 0; i < 2; i++) {
        const rt__side *s = &v->side[i];
        int64_t far = farthest(s);
        d->phases[i] = least(s->stride, far + 1);
        d->reach[i] = far / s->stride;
    }
}

/* Cuts planes into runs of at most `pixels`: within rows where those are
 * long. */
static void cut_runs(work *d, int64_t pixels)
{
    int64_t ow = d->v->side[1].out, p = d->v->side[0].out * ow;
    int64_t nr = d->g->nr;
    if (ow > 2 * pixels) {
        d->across = quotient(ow, pixels);
        d->pixels = quotient(quotient(ow, d->across), nr) * nr;
        d->across = quotient(ow, d->pixels);
        d->runs = d->across * d->v->side[0].out;
    } else {
        d->across = 0;
        d->pixels = quotient(quotient(p, quotient(p, pixels)), nr) * nr;
        d->runs = quotient(p, d->pixels);
    }
}

/* The pixels [from, to) of a run. */
static void run_of(const work *d, int64_t run, int64_t *from, int64_t *to)
{
    int64_t ow = d->v->side[1].out, end = d->v->side[0].out * ow;
    *from = run * d->pixels;
    if (d->across) {
        int64_t row = run / d->across * ow;
        *from = row + run % d->across * d->pixels;
        end = row + ow;
    }
    *to = least(*from + d->pixels, end);
}

/* --- copying ------------------------------------------------------------- */

static view view_of(const work *d, int64_t from, int64_t to)
{
    int64_t ow = d->v->side[1].out, last = (to - 1) / ow;
    view w = {.y = from / ow, .columns = ow + d->reach[1]};
    if (w.y == last) {
        w.x = from % ow;
        w.columns = to - from + d->reach[1];
    }
    w.rows = last - w.y + 1 + d->reach[0];
    w.phase = w.rows * w.columns;
    w.size = w.phase * d->phases[0] * d->phases[1];
    return w;
}

/* The most floats that `channels` of any run take, and what is read past
 * them. */
static int64_t view_room(const work *d, int64_t channels)
{
    int64_t ow = d->v->side[1].out;
    int64_t rows = d->across ? 1 : (d->pixels + ow - 2) / ow + 1;
    int64_t columns = d->across ? d->pixels : ow;
    return channels * (rows + d->reach[0]) * (columns + d->reach[1]) *
               d->phases[0] * d->phases[1] + 4 * MOST_LANES;
}

/* Mostly none, or one. */
static void zeros(float *out, int64_t n)
{
    if (n == 1) {
        *out = 0;
    } else if (n > 0) {
        memset(out, 0, (size_t)n * sizeof *out);
    }
}

/* One phase of a plane: of its rows every stride-th input from x on, 0
 * outside. */
static void copy_phase(const work *d, const view *w, const float *plane,
                       int64_t y, int64_t x, float *out)
{
    const rt__side *s = d->v->side;
    int64_t n = w->columns, step = s[1].stride;
    int64_t from = least(x < 0 ? quotient(-x, step) : 0, n);
    int64_t to = within(x < s[1].in ? quotient(s[1].in - x, step) : 0, from, n);
    for (int64_t i = 0; i < w->rows; i++, out += n, y += s[0].stride) {
        if (y < 0 || y >= s[0].in) {
            zeros(out, n);
            continue;
        }
        zeros(out, from);
        if (to > from) {
            d->t->spread(out + from, plane + y * s[1].in + x + from * step,
                         step, to - from);
        }
        zeros(out + to, n - to);
    }
}

/* Asks for the rows of a plane that a view is about to copy: they lie too far
 * apart for the processor to see them coming. */
static void fetch(const work *d, const view *w, const float *plane)
{
    const rt__side *s = d->v->side;
    int64_t y = s[0].first + w->y * s[0].stride;
    int64_t end = within(y + w->rows * s[0].stride, 0, s[0].in) * s[1].in;
    for (int64_t i = y > 0 ? y * s[1].in : 0; i < end; i += LINE) {
        __builtin_prefetch(plane + i);
    }
}

static void copy_channels(const work *d, const view *w, const float *plane,
                          int64_t channels, float *out)
{
    const rt__side *s = d->v->side;
    int64_t y = s[0].first + w->y * s[0].stride;
    int64_t x = s[1].first + w->x * s[1].stride;
    int64_t size = s[0].in * s[1].in;
    for (int64_t c = 0; c < channels; c++, plane += size) {
        if (!d->across && c + 1 < channels) {
            fetch(d, w, plane + size);
        }
        for (int64_t i = 0; i < d->phases[0]; i++) {
            for (int64_t j = 0; j < d->phases[1]; j++, out += w->phase) {
                copy_phase(d, w, plane, y + i, x + j, out);
            }
        }
    }
}

/* Where each tap of `channels` begins. */
static void offsets(const work *d, const view *w, int64_t channels,
                    int32_t *at)
{
    const rt__side *s = d->v->side;
    for (int64_t i = 0; i < d->taps; i++) {
        int64_t y = shift(&s[0], i / s[1].taps);
        int64_t x = shift(&s[1], i % s[1].taps);
        int64_t phase = y % s[0].stride * d->phases[1] + x % s[1].stride;
        at[i] = (int32_t)(phase * w->phase + y / s[0].stride * w->columns +
                          x / s[1].stride);
    }
    for (int64_t i = d->taps; i < channels * d->taps; i++) {
        at[i] = at[i - d->taps] + (int32_t)w->size;
    }
}

/* Where output pixel p lies in a view, before any shift. */
static int64_t position(const work *d, const view *w, int64_t p)
{
    int64_t ow = d->v->side[1].out;
    return (p / ow - w->y) * w->columns + p % ow - w->x;
}

/* The vectors of a panel of the pixels [from, to). */
static int copies_of(const work *d, const view *w, int64_t from, int64_t to,
                     rt__copy *copies)
{
    int64_t ow = d->v->side[1].out;
    int n = 0;
    for (int64_t p = from; p < to;) {
        int64_t run = least(ow - p % ow, to - p);
        for (int64_t i = 0; i < run; i += d->t->lanes) {
            copies[n++] = (rt__copy){(int32_t)(position(d, w, p) + i),
                                     (int32_t)(p - from + i)};
        }
        p += run;
    }
    return n;
}

/* --- forward ------------------------------------------------------------- */

/* Rows of the weight side by side, block of channels by block. */
static void pack_weights(void *ctx, int64_t begin, int64_t end)
{
    const work *d = ctx;
    const rt__patches *v = d->v;
    const rt__side *s = v->side;
    int mr = d->g->mr;
    bool plain = v->wc == d->taps && v->w_row == s[1].taps &&
                 s[0].tap_step == 1 && s[1].tap_step == 1;
    for (int64_t i = begin; i < end; i++) {
        int64_t group = i / d->panels, row = i % d->panels * mr;
        int64_t n = least(v->m - row, mr);
        const float *w = v->weight + group * v->wg + row * v->wm;
        for (int64_t c = 0; c < v->c; c += d->channels) {
            int64_t have = least(v->c - c, d->channels), k = have * d->taps;
            float *out = d->weights +
                         (group * d->panels * d->k + d->panels * c * d->taps +
                          i % d->panels * k) * mr;
            if (plain) {
                d->g->pack(out, mr, w + c * d->taps, v->wm, 1, n, k);
                continue;
            }
            for (int64_t p = 0; p < k; p++, out += mr) {
                int64_t tap = p % d->taps;
                const float *from =
                    w + (c + p / d->taps) * v->wc +
                    (s[0].tap0 + tap / s[1].taps * s[0].tap_step) * v->w_row +
                    s[1].tap0 + tap % s[1].taps * s[1].tap_step;
                for (int64_t r = 0; r < mr; r++) {
                    out[r] = r < n ? from[r * v->wm] : 0;
                }
            }
        }
    }
}

/* One run of pixels of one image and group, and what its room is used for. */
typedef struct task {
    const work *d;
    view w;
    int64_t group, from, to;
    float *x, *panels, *out;       /* out: where y has gaps, [m][pixels] */
    float *y;                      /* the group's planes */
    int32_t *at;
} task;

static bool gaps(const rt__patches *v)
{
    return v->side[0].out_step != 1 || v->side[1].out_step != 1 ||
           v->row != v->side[1].out;
}

/* A panel of the weight's rows times all panels of pixels. */
static void multiply(const task *k, int64_t panel, int64_t c, int64_t depth)
{
    const work *d = k->d;
    const rt__patches *v = d->v;
    int mr = d->g->mr, nr = d->g->nr;
    bool apart = gaps(v);
    int64_t row = panel * mr, ld = apart ? d->pixels : v->plane;
    int h = (int)least(v->m - row, mr);
    const float *a = d->weights + (k->group * d->panels * d->k +
                                   d->panels * c * d->taps + panel * depth) *
                                      mr;
    float *out = apart ? k->out + row * ld : k->y + row * ld + k->from;
    const float *bias = d->bias ? d->bias + (k->group * v->m + row) * nr
                                : NULL;
    for (int64_t j = 0; j < k->to - k->from; j += nr) {
        int w = (int)least(k->to - k->from - j, nr);
        d->g->tile(h, w, depth, a, k->panels + j * depth, out + j, ld,
                   c ? out + j : bias, c ? ld : nr);
    }
}

/* Results to their places in y: planes of them `plane` apart, rows `row`. */
static void place(const task *k, int64_t plane, int64_t row)
{
    const rt__patches *v = k->d->v;
    const rt__side *s = v->side;
    for (int64_t m = 0; m < v->m; m++) {
        const float *from = k->out + m * plane;
        for (int64_t p = k->from; p < k->to;) {
            int64_t x = p % s[1].out, run = least(s[1].out - x, k->to - p);
            float *to = k->y + m * v->plane + s[1].out_first +
                        (s[0].out_first + p / s[1].out * s[0].out_step) *
                            v->row + x * s[1].out_step;
            for (int64_t i = 0; m + 1 < v->m && i < run * s[1].out_step;
                 i += LINE) {
                __builtin_prefetch(to + v->plane + i, 1);
            }
            k->d->t->scatter(to, from, s[1].out_step, run);
            from += p + run < k->to && x + run == s[1].out ? row - x : run;
            p += run;
        }
    }
}

static void run_task(task *k, const float *x)
{
    const work *d = k->d;
    const rt__patches *v = d->v;
    int64_t plane = v->side[0].in * v->side[1].in;
    rt__copy copies[MOST_NR + 2];
    k->w = view_of(d, k->from, k->to);
    for (int64_t c = 0; c < v->c && !rt_interrupted(); c += d->channels) {
        int64_t have = least(v->c - c, d->channels), depth = have * d->taps;
        copy_channels(d, &k->w, x + c * plane, have, k->x);
        offsets(d, &k->w, have, k->at);
        for (int64_t p = k->from; p < k->to; p += d->g->nr) {
            int n = copies_of(d, &k->w, p, least(p + d->g->nr, k->to), copies);
            d->t->lines(k->panels + (p - k->from) * depth, d->g->nr, k->x,
                        k->at, depth, copies, n);
        }
        for (int64_t i = 0; i < d->panels && !rt_interrupted(); i++) {
            multiply(k, i, c, depth);
        }
    }
    if (gaps(v)) {
        place(k, d->pixels, v->side[1].out);
    }
}

static void tasks(void *ctx, int64_t begin, int64_t end)
{
    work *d = ctx;
    const rt__patches *v = d->v;
    int64_t plane = v->side[0].in * v->side[1].in;
    int64_t x = view_room(d, d->channels), depth = d->channels * d->taps;
    int64_t panels = d->pixels * depth + MOST_NR;
    int64_t out = gaps(v) ? v->m * d->pixels : 0;
    float *room = rt__step_room(&d->failed, x + panels + out + depth);
    task k = {.d = d, .x = room};
    for (int64_t i = begin; room && i < end; i++) {
        int64_t image = i / d->runs;        /* and group */
        k.panels = room + x;
        k.out = k.panels + panels;
        k.at = (int32_t *)(void *)(k.out + out);
        k.group = image % v->groups;
        k.y = v->y + image * v->m * v->plane;
        run_of(d, i % d->runs, &k.from, &k.to);
        run_task(&k, v->x + image * v->c * plane);
    }
    rt_free(room);
}

/* The weights of a group's single channel, in the order of offsets(). */
static void single_weights(const work *d, int64_t group, float *out)
{
    const rt__patches *v = d->v;
    const rt__side *s = v->side;
    const float *w = v->weight + group * v->wg;
    for (int64_t i = 0; i < d->taps; i++) {
        int64_t y = s[0].tap0 + i / s[1].taps * s[0].tap_step;
        out[i] = w[y * v->w_row + s[1].tap0 + i % s[1].taps * s[1].tap_step];
    }
}

/* Groups of one channel each: shifted planes are added up. */
static void singles(void *ctx, int64_t begin, int64_t end)
{
    work *d = ctx;
    const rt__patches *v = d->v;
    int64_t x = view_room(d, 1) + 4 * MOST_LANES;
    float *room = rt__step_room(&d->failed, 2 * x + 2 * d->taps);
    task k = {.d = d, .x = room};
    for (int64_t i = begin; room && i < end && !rt_interrupted(); i++) {
        int64_t plane = i / d->runs;
        float *w = room + 2 * x;
        k.out = room + x;
        k.at = (int32_t *)(void *)(w + d->taps);
        k.group = plane % v->groups;
        k.y = v->y + plane * v->plane;
        run_of(d, i % d->runs, &k.from, &k.to);
        k.w = view_of(d, k.from, k.to);
        copy_channels(d, &k.w, v->x + plane * v->side[0].in * v->side[1].in, 1,
                      k.x);
        offsets(d, &k.w, 1, k.at);
        single_weights(d, k.group, w);
        int64_t first = position(d, &k.w, k.from);
        d->t->single(k.out, k.x + first, k.at, w, d->taps,
                     v->bias ? v->bias[k.group] : 0,
                     position(d, &k.w, k.to - 1) - first + 1);
        place(&k, 0, k.w.columns);
    }
    rt_free(room);
}

/* Channels in a block, pixels in a run. */
static void plan_forward(work *d)
{
    const rt__patches *v = d->v;
    int64_t p = v->side[0].out * v->side[1].out, nr = d->g->nr;
    d->channels = within(DEPTH / d->taps, 1, v->c);
    d->channels = quotient(v->c, quotient(v->c, d->channels));
    int64_t part = (int64_t)rt__cpu_info()->l2 / 4;
    int64_t most = within(part / (d->channels * d->taps * nr * 4), 1,
                          MOST_PANELS);
    int64_t runs = quotient(TASKS, v->n * v->groups);
    most = least(most, quotient(quotient(p, runs), nr));
    cut_runs(d, most * nr);
}

static void widen_bias(const work *d)
{
    for (int64_t i = 0; i < d->v->groups * d->v->m; i++) {
        for (int64_t j = 0; j < d->g->nr; j++) {
            d->bias[i * d->g->nr + j] = d->v->bias[i];
        }
    }
}

static bool is_single(const rt__patches *v)
{
    return v->c == 1 && v->m == 1;
}

static int64_t single_grain(const work *d)
{
    return 65536 / (d->pixels * d->taps + 1) + 1;
}

rt_status rt__patches_run(const rt__patches *v, const char *name, rt_error *err)
{
    work d;
    plan(&d, v);
    if (is_single(v)) {
        cut_runs(&d, PLANE);
        bool all = rt__parallel(v->n * v->groups * d.runs, single_grain(&d),
                                singles, &d);
        return rt__steps_ended(all, &d.failed, name, err);
    }
    plan_forward(&d);
    int64_t weights = v->groups * d.panels * d.g->mr * d.k;
    int64_t bias = v->bias ? v->groups * v->m * d.g->nr : 0;
    d.weights = rt__alloc_whole((size_t)(weights + bias) * sizeof *d.weights);
    if (!d.weights) {
        return rt_fail(err, RT_E_MEMORY, "%s: not enough memory", name);
    }
    if (v->bias) {
        d.bias = d.weights + weights;
        widen_bias(&d);
    }
    int64_t grain = 16384 / (d.g->mr * d.k) + 1;
    bool whole = rt__parallel(v->groups * d.panels, grain, pack_weights, &d) &&
                 rt__parallel(v->n * v->groups * d.runs, 1, tasks, &d);
    rt_free(d.weights);
    return rt__steps_ended(whole, &d.failed, name, err);
}

/* --- gradient of the weight ---------------------------------------------- */

/* Positions of the pixels [from, to), in squares. */
static int squares_of(const work *d, const view *w, int64_t from, int64_t to,
                      rt__square *squares)
{
    int64_t begin = 0;
    int n = 0;
    for (int64_t p = from; p < to; p++) {
        int64_t at = position(d, w, p);
        if (n == 0 || at >= begin + d->t->lanes) {
            squares[n++] = (rt__square){(int32_t)at, 0};
            begin = at;
        }
        squares[n - 1].wanted |= 1u << (at - begin);
    }
    return n;
}

/* A piece of a sum: some channels of a group, over the pixels of every
 * chains-th run. */
typedef struct piece {
    const work *d;
    int64_t group, c, have;
    float *x, *panels, *rows, *sums;     /* sums: [m][k] of the group */
    int32_t *at;
    rt__square *squares;
} piece;

static void add_run(const piece *k, int64_t image, int64_t from, int64_t to,
                    bool first)
{
    const work *d = k->d;
    const rt__patches *v = d->v;
    int64_t plane = v->side[0].in * v->side[1].in, n = to - from;
    int64_t columns = k->have * d->taps;
    int mr = d->g->mr, nr = d->g->nr;
    view w = view_of(d, from, to);
    copy_channels(d, &w, v->x + (image * v->c + k->c) * plane, k->have, k->x);
    offsets(d, &w, k->have, k->at);
    int count = squares_of(d, &w, from, to, k->squares);
    for (int64_t j = 0; j < columns; j += nr) {
        d->t->turned(k->panels + j * n, nr, k->x, k->at + j,
                     (int)least(columns - j, nr), k->squares, count);
    }
    for (int64_t i = 0; i < v->m && !rt_interrupted(); i += mr) {
        int h = (int)least(v->m - i, mr);
        d->g->pack(k->rows, mr, v->y + (image * v->m + i) * v->plane + from,
                   v->plane, 1, h, n);
        for (int64_t j = 0; j < columns; j += nr) {
            float *to_sums = k->sums + i * d->k + k->c * d->taps + j;
            d->g->tile(h, (int)least(columns - j, nr), n, k->rows,
                       k->panels + j * n, to_sums, d->k,
                       first ? NULL : to_sums, d->k);
        }
    }
}

static void pieces(void *ctx, int64_t begin, int64_t end)
{
    work *d = ctx;
    const rt__patches *v = d->v;
    int64_t columns = quotient(d->channels * d->taps, d->g->nr) * d->g->nr;
    int64_t x = view_room(d, d->channels);
    int64_t panels = columns * d->pixels + 2 * MOST_NR;
    int64_t rows = d->pixels * d->g->mr;
    float *room = rt__step_room(&d->failed, x + panels + rows + columns +
                                                2 * d->pixels);
    piece k = {.d = d, .x = room};
    for (int64_t i = begin; room && i < end; i++) {
        int64_t chain = i % d->chains, block = i / d->chains % d->blocks;
        int64_t from, to;
        k.group = i / d->chains / d->blocks;
        k.c = block * d->channels;
        k.have = least(v->c - k.c, d->channels);
        k.panels = room + x;
        k.rows = k.panels + panels;
        k.at = (int32_t *)(void *)(k.rows + rows);
        k.squares = (rt__square *)(void *)(k.at + columns);
        k.sums = d->sums + (chain * v->groups + k.group) * v->m * d->k;
        for (int64_t s = chain; s < v->n * d->runs && !rt_interrupted();
             s += d->chains) {
            run_of(d, s % d->runs, &from, &to);
            add_run(&k, s / d->runs * v->groups + k.group, from, to,
                    s == chain);
        }
    }
    rt_free(room);
}

/* The same with one channel: sums of lanes, over planes where they lie. */
static void single_pieces(void *ctx, int64_t begin, int64_t end)
{
    work *d = ctx;
    const rt__patches *v = d->v;
    const rt__side *s = v->side;
    int64_t x = view_room(d, 1), lanes = d->t->lanes, from, to;
    float *room = rt__step_room(&d->failed, x + d->taps * (lanes + 1));
    for (int64_t i = begin; room && i < end; i++) {
        int64_t chain = i % d->chains, group = i / d->chains;
        float *sums = room + x, *out = d->sums +
                                       (chain * v->groups + group) * d->taps;
        int32_t *at = (int32_t *)(void *)(sums + d->taps * lanes);
        memset(sums, 0, (size_t)(d->taps * lanes) * sizeof *sums);
        for (int64_t r = chain; r < v->n * d->runs && !rt_interrupted();
             r += d->chains) {
            int64_t plane = r / d->runs * v->groups + group;
            run_of(d, r % d->runs, &from, &to);
            view w = view_of(d, from, to);
            copy_channels(d, &w, v->x + plane * s[0].in * s[1].in, 1, room);
            offsets(d, &w, 1, at);
            const float *g = v->y + plane * v->plane + from;
            while (from < to) {            /* whole rows at once */
                int64_t col = from % s[1].out, n = to - from, rows = 1;
                if (col == 0 && n >= s[1].out) {
                    rows = n / s[1].out;
                    n = s[1].out;
                } else {
                    n = least(n, s[1].out - col);
                }
                d->t->dots(sums, g, room + position(d, &w, from), at, d->taps,
                           rows, n, w.columns);
                g += rows * n;
                from += rows * n;
            }
        }
        for (int64_t t = 0; t < d->taps; t++) {
            out[t] = 0;
            for (int64_t l = 0; l < lanes; l++) {
                out[t] += sums[t * lanes + l];
            }
        }
    }
    rt_free(room);
}

/* Sums of all chains, in order, into the first. */
static void join(void *ctx, int64_t begin, int64_t end)
{
    const work *d = ctx;
    int64_t all = d->v->groups * d->v->m * d->k;
    for (int64_t c = 1; c < d->chains; c++) {
        const float *from = d->sums + c * all;
        for (int64_t i = begin; i < end; i++) {
            d->sums[i] += from[i];
        }
    }
}

rt_status rt__patches_weight(const rt__patches *v, float *dw, const char *name,
                             rt_error *err)
{
    work d;
    plan(&d, v);
    int64_t all = v->groups * v->m * d.k;
    d.channels = within(COLUMNS / d.taps, 1, v->c);
    d.blocks = quotient(v->c, d.channels);
    d.channels = quotient(v->c, d.blocks);
    d.blocks = quotient(v->c, d.channels);
    cut_runs(&d, is_single(v) ? PLANE : PIXELS);
    d.chains = within(quotient(2 * TASKS, d.blocks * v->groups), 1,
                      v->n * d.runs);
    d.sums = d.chains > 1 ? rt__alloc_whole((size_t)(d.chains * all) *
                                            sizeof *d.sums)
                          : dw;
    if (!d.sums) {
        return rt_fail(err, RT_E_MEMORY, "%s: not enough memory", name);
    }
    rt__range_fn fn = is_single(v) ? single_pieces : pieces;
    bool whole = rt__parallel(d.chains * d.blocks * v->groups, 1, fn, &d) &&
                 rt__parallel(all, 16384, join, &d);
    if (d.chains > 1) {
        memcpy(dw, d.sums, (size_t)all * sizeof *dw);
        rt_free(d.sums);
    }
    return rt__steps_ended(whole, &d.failed, name, err);
}

/* SPDX-License-Identifier: MIT
 * 3x3 convolutions by F(4x4, 3x3). With many tiles and a small weight, a step
 * takes one block of tiles all the way from input to output in L2. Otherwise
 * a step takes some output channels through all tiles at hand: their weights
 * are transformed in L2 and used up at once, never written to memory. Every
 * step is cut by shape alone.
 */
#include "runtime/ops/cpu/winograd.h"

#include <stdatomic.h>
#include <string.h>

#include "runtime/base/blocks.h"
#include "runtime/base/pool.h"
#include "runtime/ops/cpu/sgemm_kernels.h"
#include "runtime/ops/cpu/step.h"

enum { POINTS = RT_WINOGRAD_POINTS, CHANNELS = 16 };
enum { LEAST_CHANNELS = 16 };
/* Whole blocks a step: at least so many, the weight at most so many bytes.
 * Inputs of a group of blocks otherwise: at most so many bytes. */
enum { MANY_BLOCKS = 16, SMALL_WEIGHT = 3 << 20, GROUP_BYTES = 8 << 20 };
/* Points lie this much further apart than they need: were they a power of two
 * apart, they would share few sets of the caches. */
enum { GAP = 16 };

typedef struct work {
    const rt__winograd *v;
    const rt__sgemm_table *g;
    const rt__winograd_table *w;
    rt__tiling in, out;
    int64_t c, k;                 /* channels read, and made */
    int64_t panels, rows;         /* of output channels; in one of them */
    int64_t blocks, most;         /* of nr tiles: in all, at a time */
    int64_t first, now;           /* blocks at hand */
    int64_t u_points, x_points, m_points;   /* from one point to the next */
    float *u, *x, *m;             /* points of weights, inputs, outputs */
    float *a, *b;                 /* packed, for the weight's gradient */
    float *dw;
    rt__step_state failed;        /* of a step */
    atomic_bool given_up;         /* a result was no finite number */
} work;

static int64_t quotient(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

bool rt__winograd_suits(const rt__winograd *v)
{
    return v->c >= LEAST_CHANNELS && v->k >= LEAST_CHANNELS && v->oh >= 4 &&
           v->ow >= 4 && v->pad[0] >= 0 && v->pad[0] <= 2 && v->pad[1] >= 0 &&
           v->pad[1] <= 2 && v->n > 0;
}

static rt__tiling tiling_of(const rt__winograd *v, bool output)
{
    rt__tiling t = {.h = output ? v->oh : v->h, .w = output ? v->ow : v->w,
                    .pad = {output ? 0 : v->pad[0], output ? 0 : v->pad[1]},
                    .down = quotient(v->oh, 4), .across = quotient(v->ow, 4),
                    .side = output ? 4 : 6};
    t.image = (output ? v->k : v->c) * t.h * t.w;
    t.count = v->n * t.down * t.across;
    return t;
}

static void places_of(rt__place *places, const rt__tiling *t, int64_t first,
                      int lanes)
{
    int64_t per = t->down * t->across;
    for (int l = 0; l < lanes; l++) {
        int64_t tile = first + l, in = tile % per;
        int64_t y = in / t->across * 4 - t->pad[0];
        int64_t x = in % t->across * 4 - t->pad[1];
        int64_t h = t->h - y, w = t->w - x;
        if (tile >= t->count) {
            places[l] = (rt__place){0, 0, 0, 0, 0};
            continue;
        }
        places[l] = (rt__place){
            tile / per * t->image + y * t->w + x, y < 0 ? (int)-y : 0,
            h < t->side ? (int)h : t->side, x < 0 ? (int)-x : 0,
            w < t->side ? (int)w : t->side};
    }
}

static void plan(work *d, const rt__winograd *v)
{
    *d = (work){.v = v, .g = RT_ISA_TABLE(sgemm), .w = RT_ISA_TABLE(winograd),
                .in = tiling_of(v, false), .out = tiling_of(v, true),
                .c = v->c, .k = v->k};
    d->blocks = quotient(d->in.count, d->g->nr);
}

/* At most `most` blocks at a time, in even groups. */
static void group_blocks(work *d, int64_t most)
{
    most = most < 1 ? 1 : most;
    d->most = quotient(d->blocks, quotient(d->blocks, most));
}

static rt_status no_memory(const char *name, rt_error *err)
{
    return rt_fail(err, RT_E_MEMORY, "%s: not enough memory for its tiles",
                   name);
}

/* --- forward -------------------------------------------------------------- */

static int64_t rows_of(const work *d, int64_t panel)
{
    int64_t left = d->k - panel * d->rows;
    return left < d->rows ? left : d->rows;
}

/* Points of a panel's weights at u: [points][c][mr]; a vector's rest is
 * written over by the next channel's, or falls into the gap. */
static void panel_weights(const work *d, int64_t panel, float *u)
{
    enum { MOST_ROWS = 16 };
    const rt__winograd *v = d->v;
    const float *w = v->weight + panel * d->rows * v->wk;
    float taps[(CHANNELS * 9 + 1) * MOST_ROWS];
    int mr = d->g->mr;
    memset(taps, 0, sizeof taps);
    for (int64_t c = 0; c < d->c; c += CHANNELS) {
        int64_t n = d->c - c < CHANNELS ? d->c - c : CHANNELS;
        int64_t once = v->wc == 9 ? n : 1;    /* neighbours in memory */
        for (int64_t i = 0; i < n; i += once) {
            d->g->pack(taps + i * 9 * mr, mr, w + (c + i) * v->wc, v->wk, 1,
                       rows_of(d, panel), once * 9);
        }
        for (int64_t i = 0; i < n; i++) {
            d->w->weight(u + (c + i) * mr, d->u_points, taps + i * 9 * mr, mr,
                         v->flip);
        }
    }
}

/* u: [panels][points][c][mr] */
static void weights(void *ctx, int64_t begin, int64_t end)
{
    const work *d = ctx;
    for (int64_t p = begin; p < end; p++) {
        panel_weights(d, p, d->u + p * POINTS * d->u_points);
    }
}

/* Points of channels [from, to) of a block at x: [points][c][nr]. */
static void block_inputs(const work *d, int64_t block, int64_t from,
                         int64_t to, float *x)
{
    rt__place places[RT_WINOGRAD_TILES];
    int64_t plane = d->in.h * d->in.w;
    int nr = d->g->nr;
    places_of(places, &d->in, block * nr, nr);
    for (int64_t c = from; c < to; c++) {
        d->w->input(x + c * nr, d->x_points, d->v->x + c * plane, d->in.w,
                    places, nr);
    }
}

static bool goes_on(const work *d)
{
    return !rt_interrupted() && !d->given_up;
}

/* A panel's outputs of a block, by way of m: [points][mr][nr]. */
static void panel_outputs(work *d, int64_t panel, int64_t block,
                          const float *u, const float *x, float *m)
{
    const rt__winograd *v = d->v;
    rt__place places[RT_WINOGRAD_TILES];
    int64_t plane = d->out.h * d->out.w, first = panel * d->rows;
    int nr = d->g->nr, rows = (int)rows_of(d, panel);
    for (int64_t i = 0; i < POINTS; i++) {
        d->g->tile(rows, nr, d->c, u + i * d->u_points, x + i * d->x_points,
                   m + i * d->m_points, nr, NULL, 0);
    }
    places_of(places, &d->out, block * nr, nr);
    for (int64_t k = 0; k < rows; k++) {
        if (!d->w->output(v->y + (first + k) * plane, d->out.w, places,
                          m + k * nr, d->m_points, nr,
                          v->bias ? v->bias[first + k] : 0)) {
            d->given_up = true;
        }
    }
}

static void whole_blocks(void *ctx, int64_t begin, int64_t end)
{
    work *d = ctx;
    float *x = rt__step_room(&d->failed, POINTS * (d->x_points + d->m_points));
    for (int64_t b = begin; x && b < end && goes_on(d); b++) {
        block_inputs(d, b, 0, d->c, x);
        for (int64_t p = 0; p < d->panels && goes_on(d); p++) {
            panel_outputs(d, p, b, d->u + p * POINTS * d->u_points, x,
                          x + POINTS * d->x_points);
        }
    }
    rt_free(x);
}

/* x: [points][blocks][c][nr] */
static void inputs(void *ctx, int64_t begin, int64_t end)
{
    const work *d = ctx;
    int64_t parts = quotient(d->c, CHANNELS);
    for (int64_t i = begin; i < end; i++) {
        int64_t b = i / parts, c = i % parts * CHANNELS;
        block_inputs(d, d->first + b, c, c + CHANNELS < d->c ? c + CHANNELS
                                                             : d->c,
                     d->x + b * d->c * d->g->nr);
    }
}

static void whole_panels(void *ctx, int64_t begin, int64_t end)
{
    work *d = ctx;
    float *u = rt__step_room(&d->failed, POINTS * (d->u_points + d->m_points));
    for (int64_t p = begin; u && p < end && goes_on(d); p++) {
        panel_weights(d, p, u);
        for (int64_t b = 0; b < d->now && goes_on(d); b++) {
            panel_outputs(d, p, d->first + b, u, d->x + b * d->c * d->g->nr,
                          u + POINTS * d->u_points);
        }
    }
    rt_free(u);
}

static bool by_blocks(work *d)
{
    d->x_points = d->c * d->g->nr + GAP;
    return rt__parallel(d->panels, 1, weights, d) &&
           rt__parallel(d->blocks, 1, whole_blocks, d);
}

static bool by_panels(work *d)
{
    bool whole = true;
    for (; whole && !d->given_up && d->first < d->blocks; d->first += d->now) {
        int64_t left = d->blocks - d->first;
        d->now = left < d->most ? left : d->most;
        whole = rt__parallel(d->now * quotient(d->c, CHANNELS), 1, inputs, d) &&
                rt__parallel(d->panels, 1, whole_panels, d);
    }
    return whole;
}

rt_status rt__winograd_run(const rt__winograd *v, bool *done, const char *name,
                           rt_error *err)
{
    work d;
    plan(&d, v);
    /* An even number of panels, all but the last of one size. */
    d.panels = quotient(quotient(d.k, d.g->mr), 2) * 2;
    d.rows = quotient(d.k, d.panels);
    d.panels = quotient(d.k, d.rows);
    d.u_points = d.c * d.g->mr + GAP;
    d.m_points = d.g->mr * d.g->nr;
    int64_t u = d.panels * POINTS * d.u_points;
    int64_t block = POINTS * d.c * d.g->nr;
    bool many = d.blocks >= MANY_BLOCKS && u * 4 <= SMALL_WEIGHT;
    group_blocks(&d, GROUP_BYTES / (block * 4));
    d.x_points = d.most * d.c * d.g->nr + GAP;
    d.u = d.x = rt__alloc_whole((size_t)(many ? u : POINTS * d.x_points) *
                                sizeof *d.x);
    if (!d.x) {
        return no_memory(name, err);
    }
    bool whole = many ? by_blocks(&d) : by_panels(&d);
    rt_free(d.x);
    *done = !d.given_up;
    return rt__steps_ended(whole, &d.failed, name, err);
}

/* --- gradient of the weight -------------------------------------------------- */

/* Tiles of one channel side by side: x [points][c][tiles], m [points][k][tiles];
 * channels of both are counted through. */
static void both_points(void *ctx, int64_t begin, int64_t end)
{
    const work *d = ctx;
    rt__place places[RT_WINOGRAD_TILES];
    int nr = d->g->nr;
    int64_t wide = d->now * nr;
    for (int64_t i = begin; i < end; i++) {
        bool in = i < d->c;
        int64_t ch = in ? i : i - d->c;
        const rt__tiling *t = in ? &d->in : &d->out;
        for (int64_t b = 0; b < d->now; b++) {
            places_of(places, t, (d->first + b) * nr, nr);
            (in ? d->w->input : d->w->gradient)(
                (in ? d->x : d->m) + ch * wide + b * nr,
                (in ? d->c : d->k) * wide,
                (in ? d->v->x : d->v->y) + ch * t->h * t->w, t->w, places, nr);
        }
    }
}

/* u[point][k][c] = or += gradients times inputs, over the tiles at hand. */
static void sums(void *ctx, int64_t begin, int64_t end)
{
    const work *d = ctx;
    int mr = d->g->mr, nr = d->g->nr;
    int64_t wide = d->now * nr, across = quotient(d->c, nr);
    for (int64_t x = begin; x < end; x++) {
        float *a = d->a + x * d->panels * mr * wide;
        float *b = d->b + x * across * nr * wide;
        d->g->pack(a, mr, d->m + x * d->k * wide, wide, 1, d->k, wide);
        d->g->pack(b, nr, d->x + x * d->c * wide, wide, 1, d->c, wide);
        for (int64_t j = 0; j < across && !rt_interrupted(); j++) {
            int64_t w = d->c - j * nr < nr ? d->c - j * nr : nr;
            for (int64_t i = 0; i < d->panels; i++) {
                int64_t h = d->k - i * mr < mr ? d->k - i * mr : mr;
                float *u = d->u + (x * d->k + i * mr) * d->c + j * nr;
                d->g->tile((int)h, (int)w, wide, a + i * mr * wide,
                           b + j * nr * wide, u, d->c,
                           d->first > 0 ? u : NULL, d->c);
            }
        }
    }
}

static void weight_gradients(void *ctx, int64_t begin, int64_t end)
{
    work *d = ctx;
    enum { LANES = RT_WINOGRAD_TILES };
    for (int64_t k = begin; k < end; k++) {
        for (int64_t c = 0; c < d->c; c += LANES) {
            int64_t at = k * d->c + c, left = d->c - c;
            if (!d->w->weight_gradient(d->dw + at * 9, 9, d->u + at,
                                       d->k * d->c,
                                       left < LANES ? (int)left : LANES)) {
                d->given_up = true;
            }
        }
    }
}

rt_status rt__winograd_weight(const rt__winograd *v, float *dw, bool *done,
                              const char *name, rt_error *err)
{
    work d;
    plan(&d, v);
    group_blocks(&d, (int64_t)rt__cpu_info()->l2 * 4 /
                         ((d.c + d.k) * POINTS * d.g->nr * 4));
    d.panels = quotient(d.k, d.g->mr);
    d.dw = dw;
    int64_t wide = d.most * d.g->nr;
    int64_t ka = d.panels * d.g->mr, ca = quotient(d.c, d.g->nr) * d.g->nr;
    float *room = rt__alloc_whole(
        (size_t)(POINTS * ((d.c + d.k + ka + ca) * wide + d.k * d.c)) *
        sizeof *room);
    if (!room) {
        return no_memory(name, err);
    }
    d.x = room;
    d.m = d.x + POINTS * d.c * wide;
    d.a = d.m + POINTS * d.k * wide;
    d.b = d.a + POINTS * ka * wide;
    d.u = d.b + POINTS * ca * wide;
    bool whole = true;
    for (; whole && d.first < d.blocks; d.first += d.now) {
        int64_t left = d.blocks - d.first;
        d.now = left < d.most ? left : d.most;
        whole = rt__parallel(d.c + d.k, 4, both_points, &d) &&
                rt__parallel(POINTS, 1, sums, &d);
    }
    whole = whole && rt__parallel(d.k, 4, weight_gradients, &d);
    rt_free(room);
    *done = !d.given_up;
    return rt__steps_ended(whole, &d.failed, name, err);
}

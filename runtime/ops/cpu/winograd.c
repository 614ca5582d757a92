/* SPDX-License-Identifier: MIT
 * 3x3 convolutions by F(4x4, 3x3): some blocks of tiles at a time, so that
 * their points stay near the caches; every step is cut by shape alone.
 */
#include "runtime/ops/cpu/winograd.h"

#include <string.h>

#include "runtime/base/pool.h"
#include "runtime/ops/cpu/sgemm_kernels.h"

enum { POINTS = RT_WINOGRAD_POINTS, CHANNELS = 8 };
enum { LEAST_CHANNELS = 16, PIECE = 1 << 18 };

typedef struct work {
    const rt__winograd *v;
    const rt__sgemm_table *g;
    const rt__winograd_table *w;
    rt__tiling in, out;
    int64_t c, k;                 /* channels read, and made */
    int64_t panels;               /* of mr output channels */
    int64_t blocks, most;         /* of nr tiles: in all, at a time */
    int64_t first, now;           /* blocks at hand */
    int64_t group;                /* panels in one piece of the products */
    float *u, *x, *m;             /* points of weights, inputs, outputs */
    float *a, *b;                 /* packed, for the weight's gradient */
    float *dw;
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

static void plan(work *d, const rt__winograd *v, size_t room)
{
    *d = (work){.v = v, .g = RT_ISA_TABLE(sgemm), .w = RT_ISA_TABLE(winograd),
                .in = tiling_of(v, false), .out = tiling_of(v, true),
                .c = v->c, .k = v->k};
    int64_t bytes = (v->c + v->k) * POINTS * d->g->nr * 4;
    d->panels = quotient(v->k, d->g->mr);
    d->blocks = quotient(d->in.count, d->g->nr);
    d->most = (int64_t)room / bytes;
    d->most = d->most < 1 ? 1 : d->most;
    d->most = quotient(d->blocks, quotient(d->blocks, d->most));
    d->group = PIECE / (d->c * d->g->nr * d->g->mr) + 1;
}

static rt_status no_memory(const char *name, rt_error *err)
{
    return rt_fail(err, RT_E_MEMORY, "%s: not enough memory for its tiles",
                   name);
}

static rt_status done(bool whole, const char *name, rt_error *err)
{
    return whole ? RT_OK
                 : rt_fail(err, RT_E_INTERRUPT, "%s: interrupted", name);
}

/* --- forward -------------------------------------------------------------- */

/* u: [points][panels][c][mr] */
static void weights(void *ctx, int64_t begin, int64_t end)
{
    const work *d = ctx;
    const rt__winograd *v = d->v;
    int mr = d->g->mr;
    for (int64_t i = begin; i < end; i++) {
        int64_t p = i / d->c, c = i % d->c, left = d->k - p * mr;
        d->w->weight(d->u + i * mr, d->panels * d->c * mr,
                     v->weight + p * mr * v->wk + c * v->wc, v->wk, v->flip,
                     left < mr ? (int)left : mr, mr);
    }
}

/* x: [points][blocks][c][nr] */
static void inputs(void *ctx, int64_t begin, int64_t end)
{
    const work *d = ctx;
    rt__place places[RT_WINOGRAD_TILES];
    int nr = d->g->nr;
    int64_t plane = d->in.h * d->in.w, parts = quotient(d->c, CHANNELS);
    for (int64_t i = begin; i < end; i++) {
        int64_t b = i / parts, c = i % parts * CHANNELS;
        int64_t last = c + CHANNELS < d->c ? c + CHANNELS : d->c;
        places_of(places, &d->in, (d->first + b) * nr, nr);
        for (; c < last; c++) {
            d->w->input(d->x + (b * d->c + c) * nr, d->now * d->c * nr,
                        d->v->x + c * plane, d->in.w, places, nr);
        }
    }
}

/* m: [points][blocks][k][nr], one group of panels of one block a step. */
static void products(void *ctx, int64_t begin, int64_t end)
{
    const work *d = ctx;
    int mr = d->g->mr, nr = d->g->nr;
    int64_t groups = quotient(d->panels, d->group);
    for (int64_t i = begin; i < end; i++) {
        int64_t xb = i / groups, p = i % groups * d->group;
        int64_t last = p + d->group < d->panels ? p + d->group : d->panels;
        const float *u = d->u + xb / d->now * d->panels * d->c * mr;
        for (; p < last; p++) {
            int64_t left = d->k - p * mr;
            d->g->tile(left < mr ? (int)left : mr, nr, d->c,
                       u + p * d->c * mr, d->x + xb * d->c * nr,
                       d->m + (xb * d->k + p * mr) * nr, nr, NULL, 0);
        }
    }
}

static void outputs(void *ctx, int64_t begin, int64_t end)
{
    const work *d = ctx;
    rt__place places[RT_WINOGRAD_TILES];
    int nr = d->g->nr;
    int64_t plane = d->out.h * d->out.w, parts = quotient(d->k, CHANNELS);
    for (int64_t i = begin; i < end; i++) {
        int64_t b = i / parts, k = i % parts * CHANNELS;
        int64_t last = k + CHANNELS < d->k ? k + CHANNELS : d->k;
        places_of(places, &d->out, (d->first + b) * nr, nr);
        for (; k < last; k++) {
            d->w->output(d->v->y + k * plane, d->out.w, places,
                         d->m + (b * d->k + k) * nr, d->now * d->k * nr, nr,
                         d->v->bias ? d->v->bias[k] : 0);
        }
    }
}

rt_status rt__winograd_run(const rt__winograd *v, const char *name,
                           rt_error *err)
{
    work d;
    plan(&d, v, rt__cpu_info()->l2 * 2);
    int64_t u = d.panels * d.c * d.g->mr, wide = d.most * d.g->nr;
    float *room = rt_alloc((size_t)(POINTS * (u + (d.c + d.k) * wide)) *
                           sizeof *room);
    if (!room) {
        return no_memory(name, err);
    }
    d.x = room;
    d.m = d.x + POINTS * d.c * wide;
    d.u = d.m + POINTS * d.k * wide;
    bool whole = rt__parallel(d.panels * d.c, 64, weights, &d);
    for (; whole && d.first < d.blocks; d.first += d.now) {
        int64_t left = d.blocks - d.first;
        d.now = left < d.most ? left : d.most;
        whole = rt__parallel(d.now * quotient(d.c, CHANNELS), 1, inputs, &d) &&
                rt__parallel(POINTS * d.now * quotient(d.panels, d.group), 1,
                             products, &d) &&
                rt__parallel(d.now * quotient(d.k, CHANNELS), 1, outputs, &d);
    }
    rt_free(room);
    return done(whole, name, err);
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
        for (int64_t j = 0; j < across; j++) {
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
    const work *d = ctx;
    enum { LANES = RT_WINOGRAD_TILES };
    for (int64_t k = begin; k < end; k++) {
        for (int64_t c = 0; c < d->c; c += LANES) {
            int64_t at = k * d->c + c, left = d->c - c;
            d->w->weight_gradient(d->dw + at * 9, 9, d->u + at,
                                  d->k * d->c,
                                  left < LANES ? (int)left : LANES);
        }
    }
}

rt_status rt__winograd_weight(const rt__winograd *v, float *dw,
                              const char *name, rt_error *err)
{
    work d;
    plan(&d, v, rt__cpu_info()->l2 * 4);
    d.dw = dw;
    int64_t wide = d.most * d.g->nr;
    int64_t ka = d.panels * d.g->mr, ca = quotient(d.c, d.g->nr) * d.g->nr;
    float *room = rt_alloc(
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
    return done(whole, name, err);
}

/* SPDX-License-Identifier: MIT
 * batch_norm by rows: pieces of rows in parallel, their sums joined in order.
 */
#include "runtime/ops/cpu/columns.h"

#include "runtime/base/pool.h"
#include "runtime/ops/cpu/move.h"
#include "runtime/ops/op.h"

#include <math.h>
#include <string.h>

enum { PIECE = 8192, FIRST = 8 };  /* elements of a piece; rows looked at first */

typedef struct walk {
    const rt__columns *t;
    const rt__column_fns *fns;
    const char *g;
    char *out, *p[4];            /* p: one element a column */
    double *sums;                /* two a column, for each piece */
    int64_t width, rows, pieces; /* rows: of a piece */
    size_t size;
} walk;

static rt_status open_walk(walk *w, const rt__columns *t, bool sums,
                           rt_error *err)
{
    int64_t width = t->channels * t->inner;
    int64_t rows = (PIECE / width / RT_COLUMN_ROWS + 1) * RT_COLUMN_ROWS;
    int64_t pieces = (t->n + rows - 1) / rows;
    size_t each = (size_t)width * sizeof(double);
    size_t all = sums ? 2 * each * (size_t)pieces : 0;
    bool wide = t->dtype == RT_FLOAT64;
    const rt__columns_table *table = RT_ISA_TABLE(columns);
    *w = (walk){.t = t, .width = width, .rows = rows, .pieces = pieces,
                .fns = wide ? &table->wide : &table->narrow,
                .size = rt_dtype_size(t->dtype),
                .sums = rt_alloc(all + 4 * each)};
    if (!w->sums) {
        return rt_fail(err, RT_E_MEMORY, "batch_norm: no memory for %lld "
                       "channels", (long long)t->channels);
    }
    memset(w->sums, 0, all);
    for (int i = 0; i < 4; i++) {
        w->p[i] = (char *)w->sums + all + (size_t)i * each;
    }
    return RT_OK;
}

/* Over all rows, in parallel; closes the walk when it fails. */
static rt_status go(walk *w, rt__range_fn fn, rt_error *err)
{
    if (rt__parallel(w->pieces, 1, fn, w)) {
        return RT_OK;
    }
    rt_free(w->sums);
    return rt__interrupted("batch_norm", err);
}

/* One number a channel into parameter `i`, for each of its columns. */
static void spread(walk *w, int i, const double *from)
{
    const rt__columns *t = w->t;
    float *narrow = (void *)w->p[i];
    double *wide = (void *)w->p[i];
    for (int64_t c = 0, at = 0; c < t->channels; c++) {
        for (int64_t k = 0; k < t->inner; k++, at++) {
            if (t->dtype == RT_FLOAT64) {
                wide[at] = from[c];
            } else {
                narrow[at] = (float)from[c];
            }
        }
    }
}

/* The rows of a piece, and how far from the start they are in bytes. */
static int64_t rows_of(const walk *w, int64_t piece, size_t *at)
{
    int64_t first = piece * w->rows, left = w->t->n - first;
    *at = (size_t)(first * w->width) * w->size;
    return left < w->rows ? left : w->rows;
}

static void sum_pieces(void *ctx, int64_t begin, int64_t end)
{
    const walk *w = ctx;
    size_t at;
    for (int64_t i = begin; i < end; i++) {
        int64_t rows = rows_of(w, i, &at);
        w->fns->sums(w->sums + i * 2 * w->width, w->g ? w->g + at : NULL,
                     w->t->x + at, w->p[0], rows, w->width);
    }
}

/* Sums around `middle` of the whole of each channel. */
static rt_status channel_sums(const rt__columns *t, const char *g,
                              const double *middle, double *plain,
                              double *along, rt_error *err)
{
    walk w;
    rt_status s = open_walk(&w, t, true, err);
    if (s != RT_OK) {
        return s;
    }
    w.g = g;
    spread(&w, 0, middle);
    s = go(&w, sum_pieces, err);
    if (s != RT_OK) {
        return s;
    }
    for (int64_t i = 1; i < w.pieces; i++) {
        for (int64_t at = 0; at < 2 * w.width; at++) {
            w.sums[at] += w.sums[i * 2 * w.width + at];
        }
    }
    for (int64_t c = 0; c < t->channels; c++) {
        plain[c] = along[c] = 0;
        for (int64_t i = c * t->inner; i < (c + 1) * t->inner; i++) {
            plain[c] += w.sums[i];
            along[c] += w.sums[w.width + i];
        }
    }
    rt_free(w.sums);
    return RT_OK;
}

rt_status rt__columns_products(const rt__columns *t, const char *g,
                               const double *mean, double *plain,
                               double *along, rt_error *err)
{
    return channel_sums(t, g, mean, plain, along, err);
}

/* --- moments ------------------------------------------------------------------ */

/* The sum of (x - middle)^power in a channel's first rows. */
static double slow_sum(const rt__columns *t, int64_t c, int64_t rows,
                       double middle, bool square)
{
    int64_t size = (int64_t)rt_dtype_size(t->dtype);
    double sum = 0;
    for (int64_t i = 0; i < rows && !rt__stops_at(i); i++) {
        const char *x = t->x + (i * t->channels + c) * t->inner * size;
        for (int64_t k = 0; k < t->inner; k++) {
            double d = rt__load_float(t->dtype, x + k * size) - middle;
            sum += square ? d * d : d;
        }
    }
    return sum;
}

/* Sums are taken around the mean of some rows, rounded to the dtype. Where that
 * is far from the mean of all, squares would cancel, and beyond 1e19 they would
 * not fit: then once more, around the mean and in float64. */
rt_status rt__columns_moments(const rt__columns *t, double *mean, double *var,
                              rt_error *err)
{
    double count = (double)(t->n * t->inner);
    int64_t first = t->n < FIRST ? t->n : FIRST;
    double *middle = rt_alloc((size_t)t->channels * sizeof *middle);
    if (!middle) {
        return rt_fail(err, RT_E_MEMORY, "batch_norm: no memory for %lld "
                       "channels", (long long)t->channels);
    }
    for (int64_t c = 0; c < t->channels; c++) {
        middle[c] = slow_sum(t, c, first, 0, false) /
                    (double)(first * t->inner);
        middle[c] = t->dtype == RT_FLOAT64 ? middle[c]
                                           : (double)(float)middle[c];
    }
    rt_status s = channel_sums(t, NULL, middle, mean, var, err);
    for (int64_t c = 0; s == RT_OK && c < t->channels; c++) {
        double off = mean[c] / count;
        mean[c] = middle[c] + off;
        var[c] = var[c] / count - off * off;
        if (!(off * off <= 8 * var[c] && var[c] < INFINITY)) {
            mean[c] = slow_sum(t, c, t->n, 0, false) / count;
            var[c] = slow_sum(t, c, t->n, mean[c], true) / count;
        }
    }
    rt_free(middle);
    return s == RT_OK && rt_interrupted() ? rt__interrupted("batch_norm", err)
                                          : s;
}

/* --- results ------------------------------------------------------------------ */

static void affine_pieces(void *ctx, int64_t begin, int64_t end)
{
    const walk *w = ctx;
    size_t at;
    for (int64_t i = begin; i < end; i++) {
        int64_t rows = rows_of(w, i, &at);
        w->fns->affine(w->out + at, w->t->x + at, w->p[0], w->p[1], w->p[2],
                       rows, w->width);
    }
}

rt_status rt__columns_affine(const rt__columns *t, char *y, const double *mean,
                             const double *scale, const double *offset,
                             rt_error *err)
{
    walk w;
    rt_status s = open_walk(&w, t, false, err);
    if (s != RT_OK) {
        return s;
    }
    w.out = y;
    spread(&w, 0, mean);
    spread(&w, 1, scale);
    spread(&w, 2, offset);
    s = go(&w, affine_pieces, err);
    if (s == RT_OK) {
        rt_free(w.sums);
    }
    return s;
}

static void shifted_pieces(void *ctx, int64_t begin, int64_t end)
{
    const walk *w = ctx;
    size_t at;
    for (int64_t i = begin; i < end; i++) {
        int64_t rows = rows_of(w, i, &at);
        w->fns->shifted(w->out + at, w->g + at, w->t->x + at, w->p[0], w->p[1],
                        w->p[2], w->p[3], rows, w->width);
    }
}

rt_status rt__columns_shifted(const rt__columns *t, char *out, const char *g,
                              const double *mean, const double *a,
                              const double *b, const double *c, rt_error *err)
{
    walk w;
    rt_status s = open_walk(&w, t, false, err);
    if (s != RT_OK) {
        return s;
    }
    w.g = g;
    w.out = out;
    spread(&w, 0, mean);
    spread(&w, 1, a);
    if (b) {
        spread(&w, 2, b);
        spread(&w, 3, c);
    } else {
        w.p[2] = NULL;
    }
    s = go(&w, shifted_pieces, err);
    if (s == RT_OK) {
        rt_free(w.sums);
    }
    return s;
}

/* SPDX-License-Identifier: MIT
 * Fused gradients over tensors: where they apply, and their rows in parallel.
 */
#include "runtime/ops/cpu/backward.h"

#include "runtime/base/pool.h"
#include "runtime/ops/cpu/columns.h"
#include "runtime/ops/cpu/elementwise.h"
#include "runtime/ops/cpu/norm.h"
#include "runtime/ops/cpu/softmax.h"

#include <string.h>

#define ROW_GRAIN 16384        /* elements a piece of parallel work */

static bool plain(const rt_tensor *t)
{
    return (t->dtype == RT_FLOAT32 || t->dtype == RT_FLOAT64)
           && (t->flags & RT_F_CONTIGUOUS);
}

static const rt__backward_rows *rows_of(const rt_tensor *t)
{
    return &RT_ISA_TABLE(backward)->rows[t->dtype == RT_FLOAT64];
}

static rt_status stopped(rt_error *err)
{
    return rt_fail(err, RT_E_INTERRUPT, "backward: interrupted");
}

rt_status rt__fused_elementwise(rt_tensor **out, rt__ew op, rt_tensor *g,
                                rt_tensor *y, double p0, rt_error *err)
{
    rt_tensor *t = NULL, *in[2] = {g, y};
    rt__params p = {.f = {p0}};
    if (g->dtype != y->dtype || !rt__same_shape(g, y)) {
        return RT_OK;
    }
    rt_status s = rt__tensor_like(&t, y, (rt_dtype)y->dtype, err);
    if (s == RT_OK) {
        s = rt__elementwise("backward", op, (rt_dtype)y->dtype, t, in, 2, &p,
                            err);
    }
    if (s != RT_OK) {
        rt_release(t);
        return s;
    }
    *out = t;
    return RT_OK;
}

/* --- rows ---------------------------------------------------------------------------- */

typedef struct job {
    const rt__backward_rows *rows;
    char *out;
    const char *g, *x, *w;
    const rt_tensor *mean, *rstd;
    const int64_t *target;
    int64_t n, row_bytes, ignore, nrows;
    double scale;
    const rt_tensor *scales;    /* one a row, instead of `scale` */
    bool log, narrow;           /* narrow: float32 */
} job;

static double number(const rt_tensor *t, int64_t i)
{
    return t->dtype == RT_FLOAT64 ? ((const double *)t->data)[i]
                                  : (double)((const float *)t->data)[i];
}

static bool each_row(job *j, rt__range_fn fn)
{
    int64_t grain = j->n > 0 ? ROW_GRAIN / j->n : 1;
    return rt__parallel(j->nrows, grain > 0 ? grain : 1, fn, j);
}

static void softmax_rows(void *ctx, int64_t begin, int64_t end)
{
    job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        int64_t at = i * j->row_bytes;
        (j->log ? j->rows->log_softmax : j->rows->softmax)(
            j->out + at, j->g + at, j->x + at, j->n);
    }
}

/* The gradient in C order, for kernels that walk it beside x. */
static rt_status beside(rt_tensor **dense, rt_tensor **out, rt_tensor *g,
                        const rt_tensor *x, rt_error *err)
{
    rt_status s = rt__contiguous_as(dense, g, (rt_dtype)g->dtype, "backward",
                                    err);
    return s == RT_OK ? rt_tensor_new(out, (rt_dtype)x->dtype, x->ndim,
                                      x->shape, err)
                      : s;
}

static rt_status finish(rt_tensor **out, rt_tensor *t, rt_tensor *dense,
                        rt_status s)
{
    rt_release(dense);
    if (s == RT_OK) {
        *out = t;
    } else {
        rt_release(t);
    }
    return s;
}

rt_status rt__fused_softmax(rt_tensor **out, rt_tensor *g, rt_tensor *y,
                            bool log, rt_error *err)
{
    rt_tensor *dense = NULL, *t = NULL;
    if (!plain(y) || g->dtype != y->dtype || y->ndim == 0 || y->numel == 0) {
        return RT_OK;
    }
    rt_status s = beside(&dense, &t, g, y, err);
    if (s == RT_OK) {
        int64_t n = y->shape[y->ndim - 1];
        job j = {.rows = rows_of(y), .out = t->data, .g = dense->data,
                 .x = y->data, .n = n, .nrows = y->numel / n, .log = log,
                 .row_bytes = n * (int64_t)rt_dtype_size((rt_dtype)y->dtype)};
        s = each_row(&j, softmax_rows) ? RT_OK : stopped(err);
    }
    return finish(out, t, dense, s);
}

/* scale * (softmax(x) - 1 at the target) */
static void cross_entropy_run(const job *j, int64_t i, int64_t rows,
                              double scale)
{
    rt_dtype d = j->narrow ? RT_FLOAT32 : RT_FLOAT64;
    char *out = j->out + i * j->row_bytes;
    rt__softmax_fns_of(d)->rows(out, j->x + i * j->row_bytes, rows, j->n, false,
                                scale);
    for (int64_t k = 0; k < rows; k++) {
        int64_t at = k * j->n + j->target[i + k];
        if (j->narrow) {
            ((float *)(void *)out)[at] -= (float)scale;
        } else {
            ((double *)(void *)out)[at] -= scale;
        }
    }
}

/* Rows go together as long as they have a target and one scale. */
static void cross_entropy_rows(void *ctx, int64_t begin, int64_t end)
{
    job *j = ctx;
    for (int64_t i = begin; i < end;) {
        int64_t run = 0;
        while (i + run < end && j->target[i + run] != j->ignore &&
               (run == 0 || !j->scales)) {
            run++;
        }
        if (run) {
            cross_entropy_run(j, i, run,
                              j->scales ? number(j->scales, i) : j->scale);
        } else {
            memset(j->out + i * j->row_bytes, 0, (size_t)j->row_bytes);
        }
        i += run ? run : 1;
    }
}

static int64_t count_real(const rt_tensor *target, int64_t ignore)
{
    const int64_t *t = (const int64_t *)target->data;
    int64_t n = 0;
    for (int64_t i = 0; i < target->numel; i++) {
        n += t[i] != ignore;
    }
    return n;
}

rt_status rt__fused_cross_entropy(rt_tensor **out, rt_tensor *g, rt_tensor *x,
                                  rt_tensor *target, bool mean, int64_t ignore,
                                  rt_error *err)
{
    rt_tensor *dense = NULL, *t = NULL;
    bool each = g->ndim > 0;
    if (!plain(x) || x->ndim != 2 || x->numel == 0 || g->dtype != x->dtype
        || target->dtype != RT_INT64 || !(target->flags & RT_F_CONTIGUOUS)) {
        return RT_OK;
    }
    rt_status s = beside(&dense, &t, g, x, err);
    if (s == RT_OK) {
        int64_t n = x->shape[1];
        double divisor = mean ? (double)count_real(target, ignore) : 1.0;
        job j = {.narrow = x->dtype == RT_FLOAT32, .out = t->data,
                 .x = x->data, .n = n,
                 .nrows = x->shape[0], .ignore = ignore,
                 .target = (const int64_t *)target->data,
                 .scales = each ? dense : NULL,
                 .scale = each ? 0.0 : number(dense, 0) / divisor,
                 .row_bytes = n * (int64_t)rt_dtype_size((rt_dtype)x->dtype)};
        s = each_row(&j, cross_entropy_rows) ? RT_OK : stopped(err);
    }
    return finish(out, t, dense, s);
}

/* --- layer_norm --------------------------------------------------------------------------- */

static bool layer_plain(const rt_tensor *g, const rt_tensor *x,
                        const rt_tensor *w, const rt_tensor *mean)
{
    return plain(x) && g->dtype == x->dtype && x->numel > 0
           && mean->dtype == x->dtype && mean->numel > 0
           && (!w || (plain(w) && w->dtype == x->dtype));
}

static void layer_rows(void *ctx, int64_t begin, int64_t end)
{
    job *j = ctx;
    const rt__norm_fns *fns = rt__norm_fns_of((rt_dtype)j->mean->dtype);
    double mean[RT_NORM_ROWS], rstd[RT_NORM_ROWS];
    for (int64_t i = begin; i < end; i += RT_NORM_ROWS) {
        int64_t at = i * j->row_bytes;
        int rows = end - i < RT_NORM_ROWS ? (int)(end - i) : RT_NORM_ROWS;
        for (int k = 0; k < rows; k++) {
            mean[k] = number(j->mean, i + k);
            rstd[k] = number(j->rstd, i + k);
        }
        fns->layer_backward(j->out + at, j->g + at, j->x + at, j->w, rows, j->n,
                            mean, rstd);
    }
}

rt_status rt__fused_layer_norm(rt_tensor **out, rt_tensor *g, rt_tensor *x,
                               rt_tensor *w, rt_tensor *mean, rt_tensor *rstd,
                               rt_error *err)
{
    rt_tensor *dense = NULL, *t = NULL;
    if (!layer_plain(g, x, w, mean)) {
        return RT_OK;
    }
    rt_status s = beside(&dense, &t, g, x, err);
    if (s == RT_OK) {
        int64_t n = x->numel / mean->numel;
        job j = {.rows = rows_of(x), .out = t->data, .g = dense->data,
                 .x = x->data, .w = w ? w->data : NULL, .mean = mean,
                 .rstd = rstd, .n = n, .nrows = mean->numel,
                 .row_bytes = n * (int64_t)rt_dtype_size((rt_dtype)x->dtype)};
        s = each_row(&j, layer_rows) ? RT_OK : stopped(err);
    }
    return finish(out, t, dense, s);
}

/* Parallel over columns, rows in order: the same sums for any thread count. */
static void layer_columns(void *ctx, int64_t begin, int64_t end)
{
    job *j = ctx;
    for (int64_t i = 0; i < j->nrows; i++) {
        int64_t at = i * j->row_bytes;
        j->rows->layer_weight(j->out, j->g + at, j->x + at, number(j->mean, i),
                              number(j->rstd, i), begin, end);
    }
}

rt_status rt__fused_layer_weight(rt_tensor **out, rt_tensor *g, rt_tensor *x,
                                 rt_tensor *w, rt_tensor *mean,
                                 rt_tensor *rstd, rt_error *err)
{
    rt_tensor *dense = NULL, *t = NULL;
    if (!layer_plain(g, x, w, mean)) {
        return RT_OK;
    }
    rt_status s = beside(&dense, &t, g, w, err);
    if (s == RT_OK) {
        int64_t size = (int64_t)rt_dtype_size((rt_dtype)x->dtype);
        int64_t n = x->numel / mean->numel, grain = ROW_GRAIN / mean->numel;
        job j = {.rows = rows_of(x), .out = t->data, .g = dense->data,
                 .x = x->data, .mean = mean, .rstd = rstd, .n = n,
                 .nrows = mean->numel, .row_bytes = n * size};
        memset(t->data, 0, (size_t)(n * size));
        s = rt__parallel(n, grain > 64 ? grain : 64, layer_columns, &j)
                ? RT_OK : stopped(err);
    }
    return finish(out, t, dense, s);
}

/* --- batch_norm --------------------------------------------------------------------------- */

typedef struct channels {
    const rt__backward_rows *rows;
    char *dx;
    const char *g, *x;
    const rt_tensor *w, *mean, *rstd;
    rt_tensor *dw, *db;
    int64_t n, count, inner;       /* images, channels, pixels */
    bool training;
} channels;

/* Stores channel c's two gradients by its sums of g and of g * (x - mean), and
 * writes what those of x are made of: g * f[0] - (x - mean) * f[1] - f[2]. */
static void channel_factors(const channels *j, int64_t c, double plain,
                            double along, double f[3])
{
    rt_dtype dtype = (rt_dtype)j->mean->dtype;
    int64_t at = c * (int64_t)rt_dtype_size(dtype);
    double rstd = number(j->rstd, c), all = (double)(j->n * j->inner);
    rt__store_float(dtype, j->dw->data + at, along * rstd);
    rt__store_float(dtype, j->db->data + at, plain);
    f[0] = rstd * (j->w ? number(j->w, c) : 1);
    f[1] = j->training ? f[0] * rstd * rstd * along / all : 0;
    f[2] = j->training ? f[0] * plain / all : 0;
}

/* Few elements of a channel in each image: by rows. */
static rt_status batch_columns(const channels *j, rt_error *err)
{
    rt__columns t = {(rt_dtype)j->mean->dtype, j->x, j->n, j->count, j->inner};
    double *mean = rt_alloc((size_t)j->count * 4 * sizeof *mean), f[3];
    double *a = mean + j->count, *b = a + j->count, *c = b + j->count;
    if (!mean) {
        return rt_fail(err, RT_E_MEMORY, "backward: no memory for the sums of "
                       "%lld channels", (long long)j->count);
    }
    for (int64_t i = 0; i < j->count; i++) {
        mean[i] = number(j->mean, i);
    }
    rt_status s = rt__columns_products(&t, j->g, mean, b, c, err);
    for (int64_t i = 0; s == RT_OK && i < j->count; i++) {
        channel_factors(j, i, b[i], c[i], f);
        a[i] = f[0];
        b[i] = f[1];
        c[i] = f[2];
    }
    if (s == RT_OK && j->dx) {
        s = rt__columns_shifted(&t, j->dx, j->g, mean, a,
                                j->training ? b : NULL, c, err);
    }
    rt_free(mean);
    return s;
}

static void channel_range(void *ctx, int64_t begin, int64_t end)
{
    channels *j = ctx;
    int64_t size = (int64_t)rt_dtype_size((rt_dtype)j->mean->dtype);
    int64_t bytes = j->inner * size;
    for (int64_t c = begin; c < end; c++) {
        double sums[2] = {0}, mean = number(j->mean, c), f[3];
        for (int64_t i = 0; i < j->n && !rt_interrupted(); i++) {
            int64_t at = (i * j->count + c) * bytes;
            j->rows->moments(j->g + at, j->x + at, mean, j->inner, sums);
        }
        channel_factors(j, c, sums[0], sums[1], f);
        for (int64_t i = 0; j->dx && i < j->n && !rt_interrupted(); i++) {
            int64_t at = (i * j->count + c) * bytes;
            j->rows->shifted(j->dx + at, j->g + at, j->x + at, mean, j->inner,
                             f);
        }
    }
}

static rt_status run_channels(channels *j, rt_error *err)
{
    if (rt__columns_fit(j->n, j->count, j->inner)) {
        return batch_columns(j, err);
    }
    int64_t grain = ROW_GRAIN / (j->n * j->inner + 1) + 1;
    bool whole = rt__parallel(j->count, grain, channel_range, j) &&
                 !rt_interrupted();           /* nor within a channel */
    return whole ? RT_OK : stopped(err);
}

rt_status rt__fused_batch_norm(rt_tensor *out[3], rt_tensor *g, rt_tensor *x,
                               rt_tensor *w, rt_tensor *mean, rt_tensor *rstd,
                               bool training, bool want_x, rt_error *err)
{
    rt_tensor *dense = NULL;
    if (!layer_plain(g, x, w, mean) || !rt__same_shape(g, x)) {
        return RT_OK;
    }
    int64_t n = x->shape[0], count = mean->numel, inner = x->numel / n / count;
    rt_status s = rt__contiguous_as(&dense, g, (rt_dtype)g->dtype, "backward", err);
    if (s == RT_OK && want_x) {
        s = rt__tensor_like(&out[0], x, (rt_dtype)x->dtype, err);
    }
    for (int i = 1; s == RT_OK && i < 3; i++) {
        s = rt__tensor_like(&out[i], mean, (rt_dtype)x->dtype, err);
    }
    if (s == RT_OK) {
        channels j = {rows_of(x), want_x ? out[0]->data : NULL, dense->data,
                      x->data, w, mean, rstd, out[1], out[2], n, count, inner,
                      training};
        s = run_channels(&j, err);
    }
    rt_release(dense);
    for (int i = 0; s != RT_OK && i < 3; i++) {
        rt_release(out[i]);
        out[i] = NULL;
    }
    return s;
}

/* --- group_norm --------------------------------------------------------------------------- */

/* A row is a group of `channels` channels of `inner` elements. */
typedef struct groups {
    const rt__norm_fns *fns;
    char *dx;
    const char *g, *x, *w;
    const rt_tensor *mean, *rstd;
    rt_tensor *dw, *db;
    double (*sums)[2];           /* per sample and channel */
    int64_t n, count, channels, inner;    /* samples, groups in each */
} groups;

/* What a row's input gradient is made of: out = g w f[0] + (x - mean) f[1]
 * + f[2]. */
static void group_factors(const groups *j, int64_t row, double f[3])
{
    rt_dtype dtype = (rt_dtype)j->mean->dtype;
    int64_t size = (int64_t)rt_dtype_size(dtype);
    int64_t first = row % j->count * j->channels * size;
    const char *w = j->w ? j->w + first : NULL;
    double (*sums)[2] = j->sums + row * j->channels;
    double plain = 0, along = 0, all = (double)(j->channels * j->inner);
    for (int64_t c = 0; c < j->channels; c++) {
        double v = w ? rt__load_float(dtype, w + c * size) : 1;
        plain += sums[c][0] * v;
        along += sums[c][1] * v;
    }
    f[0] = number(j->rstd, row);
    f[1] = -f[0] * f[0] * f[0] * along / all;
    f[2] = -f[0] * plain / all;
}

static void group_rows(void *ctx, int64_t begin, int64_t end)
{
    const groups *j = ctx;
    int64_t size = (int64_t)rt_dtype_size((rt_dtype)j->mean->dtype);
    int64_t all = j->channels * j->inner;
    for (int64_t row = begin; row < end; row++) {
        int64_t from = row * all * size, at;
        double mean = number(j->mean, row), f[3];
        rt__norm_piece p;
        for (at = 0; at < all && !rt_interrupted(); at += p.length) {
            p = rt__norm_piece_at(at, j->channels, j->inner);
            j->fns->group_sums(j->sums + row * j->channels + p.channel,
                               j->g + from + at * size,
                               j->x + from + at * size, p.channels, p.inner,
                               mean);
        }
        group_factors(j, row, f);
        for (at = 0; j->dx && at < all && !rt_interrupted(); at += p.length) {
            p = rt__norm_piece_at(at, j->channels, j->inner);
            int64_t c = row % j->count * j->channels + p.channel;
            j->fns->group_backward(j->dx + from + at * size,
                                   j->g + from + at * size,
                                   j->x + from + at * size,
                                   j->w ? j->w + c * size : NULL, p.channels,
                                   p.inner, mean, f);
        }
    }
}

/* Samples in order: the same sums for any thread count. */
static void group_weights(void *ctx, int64_t begin, int64_t end)
{
    const groups *j = ctx;
    rt_dtype dtype = (rt_dtype)j->mean->dtype;
    int64_t size = (int64_t)rt_dtype_size(dtype), step = j->count * j->channels;
    for (int64_t c = begin; c < end; c++) {
        double dw = 0, db = 0;
        for (int64_t i = 0; i < j->n; i++) {
            const double *sums = j->sums[i * step + c];
            dw += sums[1] * number(j->rstd, i * j->count + c / j->channels);
            db += sums[0];
        }
        rt__store_float(dtype, j->dw->data + c * size, dw);
        rt__store_float(dtype, j->db->data + c * size, db);
    }
}

static rt_status run_groups(groups *j, rt_error *err)
{
    int64_t rows = j->mean->numel, all = j->channels * j->inner;
    size_t bytes = (size_t)(rows * j->channels) * sizeof *j->sums;
    j->sums = rt_alloc(bytes);
    if (!j->sums) {
        return rt_fail(err, RT_E_MEMORY, "backward: no memory for the sums of "
                       "%lld channels", (long long)(rows * j->channels));
    }
    memset(j->sums, 0, bytes);
    bool whole = rt__parallel(rows, ROW_GRAIN / (all + 32) + 1, group_rows, j) &&
                 !rt_interrupted() &&         /* nor within a group */
                 rt__parallel(j->count * j->channels,
                              ROW_GRAIN / (j->n + 1) + 1, group_weights, j);
    rt_free(j->sums);
    return whole ? RT_OK : stopped(err);
}

rt_status rt__fused_group_norm(rt_tensor *out[3], rt_tensor *g, rt_tensor *x,
                               rt_tensor *w, rt_tensor *mean, rt_tensor *rstd,
                               bool want_x, rt_error *err)
{
    rt_tensor *dense = NULL;
    if (!layer_plain(g, x, w, mean) || !rt__same_shape(g, x)) {
        return RT_OK;
    }
    int64_t n = mean->shape[0], count = mean->shape[1];
    int64_t each = x->shape[1] / count;
    rt_status s = rt__contiguous_as(&dense, g, (rt_dtype)g->dtype, "backward", err);
    if (s == RT_OK && want_x) {
        s = rt__tensor_like(&out[0], x, (rt_dtype)x->dtype, err);
    }
    for (int i = 1; s == RT_OK && i < 3; i++) {
        s = rt_tensor_new(&out[i], (rt_dtype)x->dtype, 1, &x->shape[1], err);
    }
    if (s == RT_OK) {
        groups j = {rt__norm_fns_of((rt_dtype)x->dtype),
                    want_x ? out[0]->data : NULL, dense->data, x->data,
                    w ? w->data : NULL, mean, rstd, out[1], out[2], NULL, n,
                    count, each, x->numel / (n * count * each)};
        s = run_groups(&j, err);
    }
    rt_release(dense);
    for (int i = 0; s != RT_OK && i < 3; i++) {
        rt_release(out[i]);
        out[i] = NULL;
    }
    return s;
}

/* SPDX-License-Identifier: MIT
 * max_pool2d and avg_pool2d with the latter's gradient: planes of [.., H, W],
 * one after the other.
 */
#include "runtime/ops/cpu/pooling.h"

#include "runtime/base/pool.h"
#include "runtime/ops/cpu/backward.h"
#include "runtime/ops/cpu/elementwise.h"
#include "runtime/ops/cpu/move.h"
#include "runtime/ops/cpu/window.h"

#include <math.h>
#include <string.h>

enum { P_SELF, P_KERNEL, P_STRIDE, P_PADDING };

typedef struct planes {
    rt__window w;
    const void *src;
    void *dst;
    int64_t *indices;
    rt_dtype dtype;          /* of src and dst: float32, float64 or int64 */
    bool include_pad;
} planes;

/* Kernel, stride, padding, dilation from the arguments; sizes from the last
 * two dimensions of `shape`. */
static rt_status read_window(rt__window *w, rt__call *c, int ndim,
                             const int64_t *shape, int dilation)
{
    char text[96];
    *w = (rt__window){.dilation = {1, 1}};
    if (ndim != 3 && ndim != 4) {
        rt__shape_format(text, sizeof text, ndim, shape);
        return rt_fail(c->err, RT_E_SHAPE,
                       "%s: expected [N, C, H, W] or [C, H, W], got shape %s",
                       c->name, text);
    }
    w->in[0] = shape[ndim - 2];
    w->in[1] = shape[ndim - 1];
    rt_status s = rt__pair_arg(w->kernel, c, P_KERNEL, "kernel_size", 1);
    w->stride[0] = w->kernel[0];
    w->stride[1] = w->kernel[1];
    return s != RT_OK || dilation < 0
               ? s
               : rt__pair_arg(w->dilation, c, dilation, "dilation", 1);
}

static rt_status check_padding(const rt__window *w, const rt__call *c)
{
    for (int d = 0; d < 2; d++) {
        int64_t reach = w->dilation[d] * (w->kernel[d] - 1) + 1;
        if (w->padding[d] > reach / 2) {
            return rt_fail(c->err, RT_E_ARGUMENT,
                           "%s: padding %lld is more than half of a window of "
                           "%lld", c->name, (long long)w->padding[d],
                           (long long)reach);
        }
    }
    return RT_OK;
}

static rt_status read_pooling(rt__window *w, rt__call *c, int dilation,
                              int ceil_mode)
{
    rt_tensor *self = rt__arg(c, P_SELF);
    rt_status s = read_window(w, c, self->ndim, self->shape, dilation);
    if (s == RT_OK) {
        s = rt__pair_arg(w->stride, c, P_STRIDE, "stride", 1);
    }
    if (s == RT_OK) {
        s = rt__pair_arg(w->padding, c, P_PADDING, "padding", 0);
    }
    if (s == RT_OK) {
        s = check_padding(w, c);
    }
    return s == RT_OK ? rt__window_fit(w, c, c->a[ceil_mode].i != 0) : s;
}

static void pooled_shape(int64_t *shape, const rt_tensor *t,
                         const rt__window *w)
{
    memcpy(shape, t->shape, (size_t)t->ndim * sizeof *shape);
    shape[t->ndim - 2] = w->out[0];
    shape[t->ndim - 1] = w->out[1];
}

/* --- max ------------------------------------------------------------------ */

/* The part of an output's window that lies inside the input: [*from, *to) in
 * steps of the dilation. */
static void inside(const rt__window *w, int d, int64_t out, int64_t *from,
                   int64_t *to)
{
    int64_t start = out * w->stride[d] - w->padding[d], step = w->dilation[d];
    int64_t end = start + step * (w->kernel[d] - 1) + 1;
    *from = start >= 0 ? start : start + (-start + step - 1) / step * step;
    *to = end < w->in[d] ? end : w->in[d];
}

/* One row of outputs. The first element wins ties, the last NaN wins all. */
#define MAX_ROW(TYPE, LOWEST)                                                  \
    static void max_row_##TYPE(const planes *p, int64_t row)                   \
    {                                                                          \
        const rt__window *w = &p->w;                                           \
        const TYPE *src = (const TYPE *)p->src +                               \
                          row / w->out[0] * w->in[0] * w->in[1];               \
        TYPE *dst = (TYPE *)p->dst + row * w->out[1];                          \
        int64_t *where = p->indices + row * w->out[1], y0, y1, x0, x1;         \
        inside(w, 0, row % w->out[0], &y0, &y1);                               \
        for (int64_t o = 0; o < w->out[1]; o++) {                              \
            inside(w, 1, o, &x0, &x1);                                         \
            int64_t at = y0 * w->in[1] + x0;                                   \
            TYPE best = LOWEST;                                                \
            for (int64_t y = y0; y < y1; y += w->dilation[0]) {                \
                const TYPE *line = src + y * w->in[1];                         \
                for (int64_t x = x0; x < x1; x += w->dilation[1]) {            \
                    /* no branch: which one wins cannot be foretold */         \
                    TYPE v = line[x];                                          \
                    int64_t take = -(int64_t)((v > best) | (v != v));          \
                    best = take ? v : best;                                    \
                    at = (take & (y * w->in[1] + x)) | (~take & at);           \
                }                                                              \
            }                                                                  \
            dst[o] = best;                                                     \
            where[o] = at;                                                     \
        }                                                                      \
    }
MAX_ROW(float, -INFINITY)
MAX_ROW(double, -INFINITY)
MAX_ROW(int64_t, INT64_MIN)

/* Windows of 2x2 side by side, none of them cut. */
static bool pairs_of(const planes *p)
{
    const rt__window *w = &p->w;
    bool fits = p->dtype == RT_FLOAT32 && w->in[1] < 1 << 30;
    for (int d = 0; d < 2; d++) {
        fits = fits && w->kernel[d] == 2 && w->stride[d] == 2 &&
               w->padding[d] == 0 && w->dilation[d] == 1 &&
               2 * w->out[d] <= w->in[d];
    }
    return fits;
}

static void max_pairs(const planes *p, int64_t begin, int64_t end)
{
    const rt__window *w = &p->w;
    int64_t y = begin % w->out[0], size = w->in[0] * w->in[1];
    const float *plane = (const float *)p->src + begin / w->out[0] * size;
    for (int64_t row = begin; row < end; row++) {
        int64_t at = 2 * y * w->in[1], to = row * w->out[1];
        RT_ISA_TABLE(pooling)->pairs((float *)p->dst + to, p->indices + to,
                                     plane + at, w->in[1], at, w->out[1]);
        if (++y == w->out[0]) {
            y = 0;
            plane += size;
        }
    }
}

static void max_range(void *ctx, int64_t begin, int64_t end)
{
    const planes *p = ctx;
    if (pairs_of(p)) {
        max_pairs(p, begin, end);
        return;
    }
    for (int64_t row = begin; row < end; row++) {
        if (p->dtype == RT_FLOAT32) {
            max_row_float(p, row);
        } else if (p->dtype == RT_FLOAT64) {
            max_row_double(p, row);
        } else {
            max_row_int64_t(p, row);
        }
    }
}

RT_INFER(max_pool2d)
{
    rt_tensor *self = rt__arg(c, P_SELF);
    int64_t shape[4];
    rt__window w;
    rt_status s = read_pooling(&w, c, 4, 5);
    if (s != RT_OK) {
        return s;
    }
    pooled_shape(shape, self, &w);
    s = rt__result_new(c, 0, self->dtype, self->ndim, shape);
    return s == RT_OK ? rt__result_new(c, 1, RT_INT64, self->ndim, shape) : s;
}

/* Rows of output a piece: about 16k window elements. */
static int64_t row_grain(const rt__window *w)
{
    int64_t work = w->out[1] * w->kernel[0] * w->kernel[1];
    return 16384 / (work + 1) + 1;
}

RT_KERNEL(max_pool2d)
{
    rt_tensor *self = rt__arg(c, P_SELF), *x = NULL, *y = NULL;
    planes p = {0};
    rt_dtype compute = rt_dtype_is_floating(self->dtype)
                           ? rt__compute_dtype(self)
                           : RT_INT64;
    rt_status s = read_pooling(&p.w, c, 4, 5);
    if (s == RT_OK) {
        s = rt__dense_as(&x, self, compute, c->name, c->err);
    }
    if (s == RT_OK) {
        s = rt__begin_work(&y, c->r[0].t, compute, c->err);
    }
    if (s == RT_OK && y->numel > 0) {
        p.src = x->data;
        p.dst = y->data;
        p.indices = (int64_t *)c->r[1].t->data;
        p.dtype = compute;
        if (!rt__parallel(y->numel / p.w.out[1], row_grain(&p.w), max_range,
                          &p)) {
            s = rt__interrupted(c->name, c->err);
        }
    }
    rt_release(x);
    return rt__finish_work(s, y, c->r[0].t, c->name, c->err);
}

/* --- gradient of the max -------------------------------------------------- */

typedef struct returning {
    const void *g;
    const int64_t *where;
    void *dst;
    int64_t outs, size;      /* elements of a plane of g and of dst */
    rt_dtype dtype;
    atomic_bool lost;        /* an index lies in no plane: */
    _Atomic int64_t outside; /* this one */
} returning;

#define POLL_AT 65536        /* elements between looks for an interrupt */

/* Planes go to threads as a whole: no two add to one place, and the order of
 * the sums is that of the outputs. */
#define RETURN_PLANE(TYPE)                                                     \
    static void return_plane_##TYPE(returning *r, int64_t plane)               \
    {                                                                          \
        TYPE *dst = (TYPE *)r->dst + plane * r->size;                          \
        const TYPE *g = (const TYPE *)r->g + plane * r->outs;                  \
        const int64_t *where = r->where + plane * r->outs;                     \
        for (int64_t i = 0; i < r->size && !rt_interrupted(); i += POLL_AT) {  \
            int64_t n = r->size - i < POLL_AT ? r->size - i : POLL_AT;         \
            memset(dst + i, 0, (size_t)n * sizeof *dst);                       \
        }                                                                      \
        for (int64_t o = 0; o < r->outs; o++) {                                \
            uint64_t at = (uint64_t)where[o];                                  \
            if (at >= (uint64_t)r->size) {                                     \
                r->outside = where[o];                                         \
                r->lost = true;                                                \
                return;                                                        \
            }                                                                  \
            dst[at] += g[o];                                                   \
            if (o % POLL_AT == POLL_AT - 1 && rt_interrupted()) {              \
                return;                                                        \
            }                                                                  \
        }                                                                      \
    }
RETURN_PLANE(float)
RETURN_PLANE(double)

static void return_range(void *ctx, int64_t begin, int64_t end)
{
    returning *r = ctx;
    for (int64_t plane = begin; plane < end; plane++) {
        if (r->dtype == RT_FLOAT32) {
            return_plane_float(r, plane);
        } else {
            return_plane_double(r, plane);
        }
    }
}

static rt_status return_all(returning *r, int64_t n, rt_error *err)
{
    int64_t grain = 16384 / (r->size + r->outs + 1) + 1;
    if (!rt__parallel(n, grain, return_range, r) || rt_interrupted()) {
        return rt__interrupted("max_pool2d", err);
    }
    return !r->lost
               ? RT_OK
               : rt_fail(err, RT_E_INDEX, "max_pool2d: its gradient found the "
                         "index %lld, expected one from 0 to %lld: the "
                         "indices were changed since", (long long)r->outside,
                         (long long)r->size - 1);
}

rt_status rt__fused_max_pool(rt_tensor **out, rt_tensor *g, rt_tensor *where,
                             int ndim, const int64_t *shape, rt_error *err)
{
    rt_tensor *dense = NULL, *t = NULL;
    rt_dtype d = (rt_dtype)g->dtype;
    if ((d != RT_FLOAT32 && d != RT_FLOAT64) || g->numel == 0 ||
        !(where->flags & RT_F_CONTIGUOUS) || !rt__same_shape(g, where)) {
        return RT_OK;
    }
    rt_status s = rt__contiguous_as(&dense, g, d, "max_pool2d", err);
    if (s == RT_OK) {
        s = rt_tensor_new(&t, d, ndim, shape, err);
    }
    if (s == RT_OK) {
        returning r = {.g = dense->data,
                       .where = (const int64_t *)where->data,
                       .dst = t->data,
                       .outs = rt__product(g->shape, ndim - 2, ndim),
                       .size = rt__product(shape, ndim - 2, ndim),
                       .dtype = d};
        s = return_all(&r, t->numel / r.size, err);
    }
    rt_release(dense);
    if (s == RT_OK) {
        *out = t;
    } else {
        rt_release(t);
    }
    return s;
}

/* --- mean ----------------------------------------------------------------- */

/* The window of an output along one dimension: its part inside the input, and
 * how many elements it counts as. */
static double mean_span(const planes *p, int d, int64_t out, int64_t part[2])
{
    const rt__window *w = &p->w;
    int64_t from = out * w->stride[d] - w->padding[d];
    int64_t to = from + w->kernel[d], edge = w->in[d] + w->padding[d];
    to = to < edge ? to : edge;
    part[0] = from > 0 ? from : 0;
    part[1] = to < w->in[d] ? to : w->in[d];
    return (double)(p->include_pad ? to - from : part[1] - part[0]);
}

#define MEAN_ROW(TYPE)                                                         \
    static void mean_row_##TYPE(const planes *p, int64_t row)                  \
    {                                                                          \
        const rt__window *w = &p->w;                                           \
        const TYPE *src = (const TYPE *)p->src +                               \
                          row / w->out[0] * w->in[0] * w->in[1];               \
        TYPE *dst = (TYPE *)p->dst + row * w->out[1];                          \
        int64_t y[2], x[2];                                                    \
        double high = mean_span(p, 0, row % w->out[0], y);                     \
        for (int64_t o = 0; o < w->out[1]; o++) {                              \
            double wide = mean_span(p, 1, o, x), sum = 0;                      \
            for (int64_t i = y[0]; i < y[1]; i++) {                            \
                for (int64_t j = x[0]; j < x[1]; j++) {                        \
                    sum += (double)src[i * w->in[1] + j];                      \
                }                                                              \
            }                                                                  \
            dst[o] = (TYPE)(sum / (high * wide));                              \
        }                                                                      \
    }
MEAN_ROW(float)
MEAN_ROW(double)

static void mean_range(void *ctx, int64_t begin, int64_t end)
{
    const planes *p = ctx;
    for (int64_t row = begin; row < end; row++) {
        if (p->dtype == RT_FLOAT64) {
            mean_row_double(p, row);
        } else {
            mean_row_float(p, row);
        }
    }
}

static rt_status check_mean_dtype(rt__call *c)
{
    rt_tensor *self = rt__arg(c, P_SELF);
    if (rt_dtype_is_floating(self->dtype)) {
        return RT_OK;
    }
    rt_fail(c->err, RT_E_DTYPE, "%s: expected a floating tensor, got %s",
            c->name, rt_dtype_name(self->dtype));
    rt_error_help(c->err, "convert it with .to(float32)");
    return RT_E_DTYPE;
}

RT_INFER(avg_pool2d)
{
    rt_tensor *self = rt__arg(c, P_SELF);
    int64_t shape[4];
    rt__window w;
    rt_status s = check_mean_dtype(c);
    if (s == RT_OK) {
        s = read_pooling(&w, c, -1, 4);
    }
    if (s != RT_OK) {
        return s;
    }
    pooled_shape(shape, self, &w);
    return rt__result_new(c, 0, self->dtype, self->ndim, shape);
}

RT_KERNEL(avg_pool2d)
{
    rt_tensor *self = rt__arg(c, P_SELF), *x = NULL, *y = NULL;
    planes p = {.dtype = rt__compute_dtype(self),
                .include_pad = c->a[5].i != 0};
    rt_status s = read_pooling(&p.w, c, -1, 4);
    if (s == RT_OK) {
        s = rt__dense_as(&x, self, p.dtype, c->name, c->err);
    }
    if (s == RT_OK) {
        s = rt__begin_work(&y, c->r[0].t, p.dtype, c->err);
    }
    if (s == RT_OK && y->numel > 0) {
        p.src = x->data;
        p.dst = y->data;
        if (!rt__parallel(y->numel / p.w.out[1], row_grain(&p.w), mean_range,
                          &p)) {
            s = rt__interrupted(c->name, c->err);
        }
    }
    rt_release(x);
    return rt__finish_work(s, y, c->r[0].t, c->name, c->err);
}

/* --- gradient of the mean ------------------------------------------------- */

enum { G_GRAD, G_SIZE, G_KERNEL, G_STRIDE, G_PADDING, G_INCLUDE };

static rt_status read_backward(rt__window *w, rt__call *c)
{
    rt_tensor *grad = rt__arg(c, G_GRAD);
    int n = c->a[G_SIZE].count;
    char a[96], b[96];
    *w = (rt__window){.dilation = {1, 1}};
    rt_status s = rt__pair_arg(w->kernel, c, G_KERNEL, "kernel_size", 1);
    w->stride[0] = w->kernel[0];
    w->stride[1] = w->kernel[1];
    if (s == RT_OK) {
        s = rt__pair_arg(w->stride, c, G_STRIDE, "stride", 1);
    }
    if (s == RT_OK) {
        s = rt__pair_arg(w->padding, c, G_PADDING, "padding", 0);
    }
    bool fits = grad->ndim == n && (n == 3 || n == 4);
    for (int d = 0; fits && d < n - 2; d++) {
        fits = grad->shape[d] == c->a[G_SIZE].ints[d];
    }
    if (s == RT_OK && !fits) {
        rt__shape_format(a, sizeof a, grad->ndim, grad->shape);
        rt__shape_format(b, sizeof b, n, c->a[G_SIZE].ints);
        return rt_fail(c->err, RT_E_SHAPE,
                       "%s: a gradient of shape %s does not fit an input of "
                       "shape %s", c->name, a, b);
    }
    for (int d = 0; s == RT_OK && d < 2; d++) {
        w->in[d] = c->a[G_SIZE].ints[n - 2 + d];
        w->out[d] = grad->shape[n - 2 + d];
    }
    return s;
}

RT_INFER(avg_pool2d_backward)
{
    rt__window w;
    rt_status s = check_mean_dtype(c);
    if (s == RT_OK) {
        s = read_backward(&w, c);
    }
    return s == RT_OK ? rt__result_new(c, 0, rt__arg(c, G_GRAD)->dtype,
                                       c->a[G_SIZE].count, c->a[G_SIZE].ints)
                      : s;
}

#define SPREAD(TYPE)                                                           \
    do {                                                                       \
        TYPE *dst = (TYPE *)p->dst + plane * size;                             \
        TYPE g = (TYPE)((double)((const TYPE *)p->src)[out] / divisor);        \
        for (int64_t i = y[0]; i < y[1]; i++) {                                \
            for (int64_t j = x[0]; j < x[1]; j++) {                            \
                dst[i * w->in[1] + j] += g;                                    \
            }                                                                  \
        }                                                                      \
    } while (0)

/* Whole planes, so that no two threads add to one place. */
static void spread_range(void *ctx, int64_t begin, int64_t end)
{
    const planes *p = ctx;
    const rt__window *w = &p->w;
    int64_t size = w->in[0] * w->in[1], outs = w->out[0] * w->out[1];
    for (int64_t out = begin * outs; out < end * outs; out++) {
        int64_t plane = out / outs, y[2], x[2];
        double divisor = mean_span(p, 0, out % outs / w->out[1], y) *
                         mean_span(p, 1, out % w->out[1], x);
        if (p->dtype == RT_FLOAT64) {
            SPREAD(double);
        } else {
            SPREAD(float);
        }
    }
}

RT_KERNEL(avg_pool2d_backward)
{
    rt_tensor *grad = rt__arg(c, G_GRAD), *g = NULL, *out = NULL;
    planes p = {.dtype = rt__compute_dtype(grad),
                .include_pad = c->a[G_INCLUDE].i != 0};
    rt_status s = read_backward(&p.w, c);
    if (s == RT_OK) {
        s = rt__dense_as(&g, grad, p.dtype, c->name, c->err);
    }
    if (s == RT_OK) {
        s = rt__begin_work(&out, c->r[0].t, p.dtype, c->err);
    }
    if (s == RT_OK && out->numel > 0) {
        int64_t count = rt__product(out->shape, 0, out->ndim - 2);
        p.src = g->data;
        p.dst = out->data;
        memset(out->data, 0,
               (size_t)out->numel * rt_dtype_size(out->dtype));
        if (!rt__parallel(count, 1, spread_range, &p)) {
            s = rt__interrupted(c->name, c->err);
        }
    }
    rt_release(g);
    return rt__finish_work(s, out, c->r[0].t, c->name, c->err);
}

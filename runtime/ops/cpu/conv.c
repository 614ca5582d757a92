/* SPDX-License-Identifier: MIT
 *
 * conv2d and its two gradients as matrix products over unrolled windows:
 *
 *   input  [N, G*Ci, H, W]     columns [n, G, Ci*kH*kW, OH*OW] of n images
 *   weight [G*Co, Ci, kH, kW]  = [G, Co, Ci*kH*kW]
 *   output [N, G*Co, OH, OW]   = weight x columns
 *   d input  = weight^T x d output, rolled back
 *   d weight = d output x columns^T
 *
 * Images are taken in groups whose columns fit the cache, chosen by shape
 * alone. A 1 x 1 window without stride or padding needs no columns. float32
 * goes other ways: tiles, images side by side, patches.
 */
#include "runtime/ops/cpu/conv.h"

#include "runtime/base/pool.h"
#include "runtime/ops/cpu/gemm.h"
#include "runtime/ops/cpu/lanes.h"
#include "runtime/ops/cpu/move.h"
#include "runtime/ops/cpu/winograd.h"

#include <stdio.h>
#include <string.h>

#define COLUMN_BYTES (4 << 20)

typedef rt__conv conv;

/* --- geometry ------------------------------------------------------------- */

static rt_status conv_misfit(rt__call *c, int nx, const int64_t *x, int nw,
                             const int64_t *w, const char *why)
{
    char a[96], b[96];
    rt__shape_format(a, sizeof a, nx, x);
    rt__shape_format(b, sizeof b, nw, w);
    rt_fail(c->err, RT_E_SHAPE, "%s: input %s, weight %s: %s", c->name, a, b,
            why);
    rt_error_help(c->err, "input is [N, C, H, W] (or [C, H, W]), weight "
                          "[O, C / groups, kH, kW]");
    return RT_E_SHAPE;
}

/* Fills everything from the shapes of input and weight; stride, padding,
 * dilation and groups are arguments `first` to first + 3. */
static rt_status read_conv(conv *v, rt__call *c, int nx, const int64_t *x,
                           int nw, const int64_t *w, int first)
{
    memset(v, 0, sizeof *v);
    v->w = (rt__window){.stride = {1, 1}, .dilation = {1, 1}};
    if ((nx != 3 && nx != 4) || nw != 4) {
        return conv_misfit(c, nx, x, nw, w, "wrong number of dimensions");
    }
    const int64_t *chw = x + nx - 3;
    rt_status s = rt__pair_arg(v->w.stride, c, first, "stride", 1);
    if (s == RT_OK) {
        s = rt__pair_arg(v->w.padding, c, first + 1, "padding", 0);
    }
    if (s == RT_OK) {
        s = rt__pair_arg(v->w.dilation, c, first + 2, "dilation", 1);
    }
    if (s != RT_OK) {
        return s;
    }
    v->groups = c->a[first + 3].i;
    if (v->groups < 1 || chw[0] % v->groups != 0 || w[0] % v->groups != 0) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "%s: groups=%lld must divide both the %lld input and "
                       "the %lld output channels", c->name,
                       (long long)v->groups, (long long)chw[0],
                       (long long)w[0]);
    }
    if (w[1] != chw[0] / v->groups) {
        char why[128];
        snprintf(why, sizeof why,
                 "the weight is for %lld channels, the input has %lld",
                 (long long)(w[1] * v->groups), (long long)chw[0]);
        return conv_misfit(c, nx, x, nw, w, why);
    }
    v->n = nx == 4 ? x[0] : 1;
    v->ci = w[1];
    v->co = w[0] / v->groups;
    for (int d = 0; d < 2; d++) {
        v->w.in[d] = chw[1 + d];
        v->w.kernel[d] = w[2 + d];
    }
    if (w[2] < 1 || w[3] < 1) {
        return conv_misfit(c, nx, x, nw, w, "the kernel is empty");
    }
    return rt__window_fit(&v->w, c, false);
}

static void plan(conv *v, rt_dtype dtype)
{
    const rt__window *w = &v->w;
    v->dtype = dtype;
    v->size = rt_dtype_size(dtype);
    v->k = v->ci * w->kernel[0] * w->kernel[1];
    v->p = w->out[0] * w->out[1];
    v->plain = w->kernel[0] == 1 && w->kernel[1] == 1 && w->stride[0] == 1 &&
               w->stride[1] == 1 && w->padding[0] == 0 && w->padding[1] == 0;
    int64_t bytes = v->groups * v->k * v->p * (int64_t)v->size;
    v->chunk = bytes > 0 ? COLUMN_BYTES / bytes : v->n;
    v->chunk = v->chunk < 1 ? 1 : v->chunk > v->n ? v->n : v->chunk;
}

/* --- columns -------------------------------------------------------------- */

typedef struct unroll {
    const conv *v;
    char *image;            /* of the first image: read, or added to */
    char *columns;          /* [n, G, K, P], or [G, K, n, P] */
    int64_t n;
    bool images_inside;     /* the second layout */
} unroll;

/* Where the row of columns for (image, channel row kk of G*K) begins. */
static char *column_row(const unroll *u, int64_t image, int64_t kk)
{
    const conv *v = u->v;
    int64_t row = u->images_inside ? kk * u->n + image
                                   : image * v->groups * v->k + kk;
    return u->columns + row * v->p * (int64_t)v->size;
}

/* The part [*from, *to) of an output row whose input column exists. */
static void inside(const rt__window *w, int64_t tap, int64_t *from, int64_t *to)
{
    int64_t shift = tap * w->dilation[1] - w->padding[1], s = w->stride[1];
    *from = shift >= 0 ? 0 : (-shift + s - 1) / s;
    int64_t last = w->in[1] - 1 - shift;
    *to = last < 0 ? 0 : last / s + 1;
    *to = *to < w->out[1] ? *to : w->out[1];
    *from = *from < *to ? *from : *to;
}

#define UNROLL_LINE(TYPE)                                                      \
    do {                                                                       \
        TYPE *d = (TYPE *)dst;                                                 \
        const TYPE *s = (const TYPE *)src;                                     \
        for (int64_t x = from; x < to; x++) {                                  \
            d[x] = s[x * step];                                                \
        }                                                                      \
    } while (0)

/* One row of columns: kernel tap (ky, kx) of one channel, all outputs. */
static void unroll_row(const unroll *u, int64_t image, int64_t kk)
{
    const conv *v = u->v;
    const rt__window *w = &v->w;
    int64_t taps = w->kernel[0] * w->kernel[1], channel = kk / taps;
    int64_t ky = kk % taps / w->kernel[1], kx = kk % w->kernel[1];
    int64_t size = (int64_t)v->size, step = w->stride[1], from, to;
    int64_t plane = (image * v->groups * v->ci + channel) * w->in[0];
    char *dst = column_row(u, image, kk);
    inside(w, kx, &from, &to);
    for (int64_t oy = 0; oy < w->out[0]; oy++, dst += w->out[1] * size) {
        int64_t y = oy * w->stride[0] + ky * w->dilation[0] - w->padding[0];
        if (y < 0 || y >= w->in[0]) {
            memset(dst, 0, (size_t)(w->out[1] * size));
            continue;
        }
        const char *src = u->image + ((plane + y) * w->in[1] +
                                      kx * w->dilation[1] - w->padding[1]) *
                                         size;
        memset(dst, 0, (size_t)(from * size));
        memset(dst + to * size, 0, (size_t)((w->out[1] - to) * size));
        if (step == 1) {
            memcpy(dst + from * size, src + from * size,
                   (size_t)((to - from) * size));
        } else if (size == 4) {
            UNROLL_LINE(float);
        } else {
            UNROLL_LINE(double);
        }
    }
}

static void unroll_range(void *ctx, int64_t begin, int64_t end)
{
    const unroll *u = ctx;
    int64_t rows = u->v->groups * u->v->k;
    for (int64_t i = begin; i < end; i++) {
        unroll_row(u, i / rows, i % rows);
    }
}

static rt_status unroll_images(rt__call *c, const unroll *u)
{
    int64_t rows = u->n * u->v->groups * u->v->k;
    return rt__parallel(rows, 16384 / (u->v->p + 1) + 1, unroll_range,
                        (void *)u)
               ? RT_OK
               : rt__interrupted(c->name, c->err);
}

#define ROLL_LINE(TYPE)                                                        \
    do {                                                                       \
        TYPE *d = (TYPE *)dst;                                                 \
        const TYPE *s = (const TYPE *)src;                                     \
        for (int64_t x = from; x < to; x++) {                                  \
            d[x * step] += s[x];                                               \
        }                                                                      \
    } while (0)

/* Adds one row of columns back to its places in the image. */
static void roll_row(const unroll *u, int64_t image, int64_t kk)
{
    const conv *v = u->v;
    const rt__window *w = &v->w;
    int64_t taps = w->kernel[0] * w->kernel[1], channel = kk / taps;
    int64_t ky = kk % taps / w->kernel[1], kx = kk % w->kernel[1];
    int64_t size = (int64_t)v->size, step = w->stride[1], from, to;
    int64_t plane = (image * v->groups * v->ci + channel) * w->in[0];
    const char *src = column_row(u, image, kk);
    inside(w, kx, &from, &to);
    for (int64_t oy = 0; oy < w->out[0]; oy++, src += w->out[1] * size) {
        int64_t y = oy * w->stride[0] + ky * w->dilation[0] - w->padding[0];
        if (y < 0 || y >= w->in[0]) {
            continue;
        }
        char *dst = u->image + ((plane + y) * w->in[1] +
                                kx * w->dilation[1] - w->padding[1]) * size;
        if (size == 4) {
            ROLL_LINE(float);
        } else {
            ROLL_LINE(double);
        }
    }
}

/* Whole channels, so that no two threads add to one place. */
static void roll_range(void *ctx, int64_t begin, int64_t end)
{
    const unroll *u = ctx;
    int64_t taps = u->v->w.kernel[0] * u->v->w.kernel[1];
    int64_t channels = u->v->groups * u->v->ci;
    for (int64_t i = begin; i < end; i++) {
        for (int64_t t = 0; t < taps; t++) {
            roll_row(u, i / channels, i % channels * taps + t);
        }
    }
}

/* --- products ------------------------------------------------------------- */

/* `count` products, operand x of the i-th being step_x[0] * (i / groups) +
 * step_x[1] * (i % groups) elements from where g points. */
static rt_status products(rt__call *c, const conv *v, const rt__gemm *g,
                          int64_t count, const int64_t step_a[2],
                          const int64_t step_b[2], const int64_t step_c[2])
{
    if (count == 1) {
        return rt__gemm_run(g, c->name, c->err);
    }
    int64_t *at = rt_alloc((size_t)(3 * count + 1) * sizeof *at);
    if (!at) {
        return rt_fail(c->err, RT_E_MEMORY, "%s: no memory for %lld products",
                       c->name, (long long)count);
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t image = i / v->groups, group = i % v->groups;
        at[i] = step_a[0] * image + step_a[1] * group;
        at[count + i] = step_b[0] * image + step_b[1] * group;
        at[2 * count + i] = step_c[0] * image + step_c[1] * group;
    }
    rt_status s = rt__gemm_batch(g, count, at, at + count, at + 2 * count,
                                 c->name, c->err);
    rt_free(at);
    return s;
}

/* The columns of images [first, first + n), as [n, G, K, P]: at *data, in
 * memory of their own (*owned) unless they are the input itself. */
static rt_status columns_of(const char **data, rt_tensor **owned, rt__call *c,
                            const conv *v, rt_tensor *input, int64_t first,
                            int64_t n)
{
    int64_t shape[4] = {n, v->groups, v->k, v->p};
    int64_t image = v->groups * v->ci * v->w.in[0] * v->w.in[1];
    char *from = input->data + first * image * (int64_t)v->size;
    if (v->plain) {
        *data = from;
        return RT_OK;
    }
    rt_status s = rt_tensor_new(owned, v->dtype, 4, shape, c->err);
    if (s == RT_OK) {
        unroll u = {v, from, (*owned)->data, n, false};
        *data = (*owned)->data;
        s = unroll_images(c, &u);
    }
    return s;
}

/* --- by tiles -------------------------------------------------------------- */

/* The convolution as Winograd tiles; false where they do not apply. The
 * pointers are left to the caller. */
static bool tiles_of(rt__winograd *t, const conv *v)
{
    const rt__window *w = &v->w;
    *t = (rt__winograd){.n = v->n, .c = v->ci, .k = v->co, .h = w->in[0],
                        .w = w->in[1], .oh = w->out[0], .ow = w->out[1],
                        .pad = {w->padding[0], w->padding[1]},
                        .wk = v->ci * 9, .wc = 9};
    bool three = v->groups == 1 && v->dtype == RT_FLOAT32;
    for (int d = 0; d < 2; d++) {
        three = three && w->kernel[d] == 3 && w->stride[d] == 1 &&
                w->dilation[d] == 1;
    }
    return three && rt__winograd_suits(t);
}

/* The gradient of the input is the convolution of the output's gradient with
 * the turned weight, channels exchanged. */
static bool turned_tiles_of(rt__winograd *t, const conv *v)
{
    bool suits = tiles_of(t, v);
    int64_t c = t->c, h = t->h, w = t->w;
    t->c = t->k, t->k = c;
    t->h = t->oh, t->oh = h;
    t->w = t->ow, t->ow = w;
    t->pad[0] = 2 - t->pad[0], t->pad[1] = 2 - t->pad[1];
    t->wc = t->wk, t->wk = 9;
    t->flip = true;
    return suits && rt__winograd_suits(t);
}

/* --- by lanes -------------------------------------------------------------- */

/* The convolution of one group with images in the lanes; false where that does
 * not suit. The pointers are left to the caller. */
static bool lanes_of(rt__lanes *t, const conv *v)
{
    const rt__window *w = &v->w;
    *t = (rt__lanes){.n = v->n, .c = v->ci, .k = v->co, .h = w->in[0],
                     .w = w->in[1], .oh = w->out[0], .ow = w->out[1],
                     .x_image = v->groups * v->ci * w->in[0] * w->in[1],
                     .y_image = v->groups * v->co * v->p,
                     .wk = v->k, .wc = w->kernel[0] * w->kernel[1]};
    for (int d = 0; d < 2; d++) {
        t->kernel[d] = w->kernel[d];
        t->stride[d] = w->stride[d];
        t->pad[d] = w->padding[d];
        t->dilation[d] = w->dilation[d];
    }
    return v->dtype == RT_FLOAT32 && rt__lanes_suits(t);
}

static bool turned_lanes_of(rt__lanes *t, const conv *v)
{
    lanes_of(t, v);
    rt__lanes l = *t;
    t->c = l.k, t->h = l.oh, t->w = l.ow, t->x_image = l.y_image;
    t->k = l.c, t->oh = l.h, t->ow = l.w, t->y_image = l.x_image;
    t->wk = l.wc, t->wc = l.wk;
    t->flip = true;
    for (int d = 0; d < 2; d++) {
        t->pad[d] = l.dilation[d] * (l.kernel[d] - 1) - l.pad[d];
    }
    return v->dtype == RT_FLOAT32 && l.stride[0] == 1 && l.stride[1] == 1 &&
           rt__lanes_suits(t);
}

/* Every group; the weight's gradient if dw is given. */
static rt_status run_lanes(rt__call *c, const conv *v, rt__lanes t, float *dw)
{
    rt_status s = RT_OK;
    for (int64_t i = 0; s == RT_OK && i < v->groups; i++) {
        s = dw ? rt__lanes_weight(&t, dw + i * v->co * v->k, c->name, c->err)
               : rt__lanes_run(&t, c->name, c->err);
        t.x += t.c * t.h * t.w;
        t.y += t.k * t.oh * t.ow;
        if (!dw) {
            t.weight += v->co * v->k;
        }
        if (t.bias) {
            t.bias += t.k;
        }
    }
    return s;
}

/* --- forward -------------------------------------------------------------- */

enum { C_INPUT, C_WEIGHT, C_BIAS, C_STRIDE };

static rt_status check_conv_dtypes(rt__call *c)
{
    rt_tensor *x = rt__arg(c, 0), *w = rt__arg(c, 1);
    if (x->dtype == w->dtype && rt_dtype_is_floating(x->dtype)) {
        return RT_OK;
    }
    rt_fail(c->err, RT_E_DTYPE,
            "%s: expected floating tensors of one dtype, got %s and %s",
            c->name, rt_dtype_name(x->dtype), rt_dtype_name(w->dtype));
    rt_error_help(c->err, "convert one of them with .to(...)");
    return RT_E_DTYPE;
}

RT_INFER(conv2d)
{
    rt_tensor *x = rt__arg(c, C_INPUT), *w = rt__arg(c, C_WEIGHT);
    rt_tensor *bias = rt__arg(c, C_BIAS);
    char text[96];
    conv v;
    rt_status s = check_conv_dtypes(c);
    if (s == RT_OK) {
        s = read_conv(&v, c, x->ndim, x->shape, w->ndim, w->shape, C_STRIDE);
    }
    if (s != RT_OK) {
        return s;
    }
    if (bias && (bias->ndim != 1 || bias->numel != w->shape[0])) {
        rt__shape_format(text, sizeof text, bias->ndim, bias->shape);
        return rt_fail(c->err, RT_E_SHAPE,
                       "conv2d: bias must hold one number for each of the "
                       "%lld output channels, got shape %s",
                       (long long)w->shape[0], text);
    }
    int64_t shape[4] = {v.n, w->shape[0], v.w.out[0], v.w.out[1]};
    return rt__result_new(c, 0, x->dtype, x->ndim, shape + 4 - x->ndim);
}

typedef struct bias_job {
    const conv *v;
    char *dst;
    const char *bias;
} bias_job;

#define BIAS_PLANE(TYPE)                                                       \
    do {                                                                       \
        TYPE *d = (TYPE *)j->dst + i * p, b;                                   \
        b = ((const TYPE *)j->bias)[i % channels];                             \
        for (int64_t k = 0; k < p; k++) {                                      \
            d[k] = b;                                                          \
        }                                                                      \
    } while (0)

static void bias_range(void *ctx, int64_t begin, int64_t end)
{
    const bias_job *j = ctx;
    int64_t p = j->v->p, channels = j->v->groups * j->v->co;
    for (int64_t i = begin; i < end; i++) {
        if (j->v->size == 4) {
            BIAS_PLANE(float);
        } else {
            BIAS_PLANE(double);
        }
    }
}

/* Output of images [first, first + n) into y: the bias first, then the
 * products are added to it. */
static rt_status forward_chunk(rt__call *c, const conv *v, rt_tensor *x,
                               rt_tensor *w, rt_tensor *bias, rt_tensor *y,
                               int64_t first, int64_t n)
{
    rt_tensor *owned = NULL;
    const char *columns = NULL;
    int64_t planes = v->groups * v->co, kp = v->k * v->p, cp = v->co * v->p;
    char *out = y->data + first * planes * v->p * (int64_t)v->size;
    rt_status s = columns_of(&columns, &owned, c, v, x, first, n);
    if (s == RT_OK && bias) {
        bias_job j = {v, out, bias->data};
        if (!rt__parallel(n * planes, 16384 / (v->p + 1) + 1, bias_range,
                          &j)) {
            s = rt__interrupted(c->name, c->err);
        }
    }
    if (s == RT_OK) {
        rt__gemm g = {v->dtype, v->co, v->p, v->k, w->data, columns, out,
                      v->k, 1, v->p, 1, v->p, 1, bias != NULL, NULL};
        s = products(c, v, &g, n * v->groups,
                     (int64_t[]){0, v->co * v->k},
                     (int64_t[]){v->groups * kp, kp},
                     (int64_t[]){v->groups * cp, cp});
    }
    rt_release(owned);
    return s;
}

RT_KERNEL(conv2d)
{
    rt_tensor *x = NULL, *w = NULL, *b = NULL, *y = NULL;
    rt_tensor *input = rt__arg(c, C_INPUT), *weight = rt__arg(c, C_WEIGHT);
    rt_dtype compute = rt__compute_dtype(input);
    rt__winograd t;
    rt__lanes l;
    int64_t i = 0;
    bool done = false;
    conv v;
    rt_status s = read_conv(&v, c, input->ndim, input->shape, weight->ndim,
                            weight->shape, C_STRIDE);
    plan(&v, compute);
    if (s == RT_OK) {
        s = rt__dense_as(&x, input, compute, c->name, c->err);
    }
    if (s == RT_OK) {
        s = rt__dense_as(&w, weight, compute, c->name, c->err);
    }
    if (s == RT_OK && rt__arg(c, C_BIAS)) {
        s = rt__dense_as(&b, rt__arg(c, C_BIAS), compute, c->name, c->err);
    }
    if (s == RT_OK) {
        s = rt__begin_work(&y, c->r[0].t, compute, c->err);
    }
    if (s == RT_OK && y->numel > 0 && tiles_of(&t, &v)) {
        t.x = (const float *)x->data;
        t.weight = (const float *)w->data;
        t.bias = b ? (const float *)b->data : NULL;
        t.y = (float *)y->data;
        s = rt__winograd_run(&t, &done, c->name, c->err);
        i = done ? v.n : 0;
    } else if (s == RT_OK && y->numel > 0 && lanes_of(&l, &v)) {
        l.x = (const float *)x->data;
        l.weight = (const float *)w->data;
        l.bias = b ? (const float *)b->data : NULL;
        l.y = (float *)y->data;
        s = run_lanes(c, &v, l, NULL);
        i = v.n;
    }
    if (s == RT_OK && y->numel > 0 && i == 0) {
        s = rt__conv_patches(&v, x, w, b, y, &done, c->name, c->err);
        i = done ? v.n : 0;
    }
    for (; s == RT_OK && y->numel > 0 && i < v.n; i += v.chunk) {
        int64_t n = v.n - i < v.chunk ? v.n - i : v.chunk;
        s = forward_chunk(c, &v, x, w, b, y, i, n);
    }
    rt_release(x);
    rt_release(w);
    rt_release(b);
    return rt__finish_work(s, y, c->r[0].t, c->name, c->err);
}

/* --- gradient of the input ------------------------------------------------ */

enum { I_GRAD, I_OTHER, I_SIZE, I_STRIDE };

/* The gradient must have the output's shape. */
static rt_status check_grad(rt__call *c, const conv *v, const rt_tensor *grad)
{
    int64_t want[4] = {v->n, v->groups * v->co, v->w.out[0], v->w.out[1]};
    const int64_t *shape = want + 4 - grad->ndim;
    char a[96], b[96];
    bool fits = grad->ndim == 3 || grad->ndim == 4;
    for (int d = 0; fits && d < grad->ndim; d++) {
        fits = grad->shape[d] == shape[d];
    }
    if (fits) {
        return RT_OK;
    }
    rt__shape_format(a, sizeof a, grad->ndim, grad->shape);
    rt__shape_format(b, sizeof b, 4, want);
    return rt_fail(c->err, RT_E_SHAPE,
                   "%s: the gradient has shape %s, the output %s", c->name, a,
                   b);
}

static rt_status read_conv_input(conv *v, rt__call *c)
{
    rt_tensor *w = rt__arg(c, I_OTHER);
    rt_status s = check_conv_dtypes(c);
    if (s == RT_OK) {
        s = read_conv(v, c, c->a[I_SIZE].count, c->a[I_SIZE].ints, w->ndim,
                      w->shape, I_STRIDE);
    }
    return s == RT_OK ? check_grad(c, v, rt__arg(c, I_GRAD)) : s;
}

RT_INFER(conv2d_input)
{
    conv v;
    rt_status s = read_conv_input(&v, c);
    return s == RT_OK ? rt__result_new(c, 0, rt__arg(c, I_GRAD)->dtype,
                                       c->a[I_SIZE].count, c->a[I_SIZE].ints)
                      : s;
}

static rt_status input_chunk(rt__call *c, const conv *v, rt_tensor *g,
                             rt_tensor *w, rt_tensor *out, int64_t first,
                             int64_t n)
{
    rt_tensor *columns = NULL;
    int64_t shape[4] = {n, v->groups, v->k, v->p};
    int64_t image = v->groups * v->ci * v->w.in[0] * v->w.in[1];
    int64_t kp = v->k * v->p, cp = v->co * v->p;
    rt_status s = rt_tensor_new(&columns, v->dtype, 4, shape, c->err);
    if (s == RT_OK) {
        const char *grads =
            g->data + first * v->groups * cp * (int64_t)v->size;
        rt__gemm product = {v->dtype, v->k, v->p, v->co, w->data, grads,
                            columns->data, 1, v->k, v->p, 1, v->p, 1, false,
                            NULL};
        s = products(c, v, &product, n * v->groups,
                     (int64_t[]){0, v->co * v->k},
                     (int64_t[]){v->groups * cp, cp},
                     (int64_t[]){v->groups * kp, kp});
    }
    if (s == RT_OK) {
        unroll u = {v, out->data + first * image * (int64_t)v->size,
                    columns->data, n, false};
        int64_t each = v->p * v->w.kernel[0] * v->w.kernel[1];
        memset(u.image, 0, (size_t)(n * image) * v->size);
        if (!rt__parallel(n * v->groups * v->ci, 16384 / (each + 1) + 1,
                          roll_range, &u)) {
            s = rt__interrupted(c->name, c->err);
        }
    }
    rt_release(columns);
    return s;
}

RT_KERNEL(conv2d_input)
{
    rt_tensor *g = NULL, *w = NULL, *out = NULL;
    rt_dtype compute = rt__compute_dtype(rt__arg(c, I_GRAD));
    rt__winograd t;
    rt__lanes l;
    int64_t i = 0;
    bool done = false;
    conv v;
    rt_status s = read_conv_input(&v, c);
    plan(&v, compute);
    if (s == RT_OK) {
        s = rt__dense_as(&g, rt__arg(c, I_GRAD), compute, c->name, c->err);
    }
    if (s == RT_OK) {
        s = rt__dense_as(&w, rt__arg(c, I_OTHER), compute, c->name, c->err);
    }
    if (s == RT_OK) {
        s = rt__begin_work(&out, c->r[0].t, compute, c->err);
    }
    if (s == RT_OK && out->numel > 0 && turned_tiles_of(&t, &v)) {
        t.x = (const float *)g->data;
        t.weight = (const float *)w->data;
        t.y = (float *)out->data;
        s = rt__winograd_run(&t, &done, c->name, c->err);
        i = done ? v.n : 0;
    } else if (s == RT_OK && out->numel > 0 && turned_lanes_of(&l, &v)) {
        l.x = (const float *)g->data;
        l.weight = (const float *)w->data;
        l.y = (float *)out->data;
        s = run_lanes(c, &v, l, NULL);
        i = v.n;
    }
    if (s == RT_OK && out->numel > 0 && i == 0) {
        s = rt__conv_patches_input(&v, g, w, out, &done, c->name, c->err);
        i = done ? v.n : 0;
    }
    for (; s == RT_OK && out->numel > 0 && i < v.n; i += v.chunk) {
        int64_t n = v.n - i < v.chunk ? v.n - i : v.chunk;
        s = input_chunk(c, &v, g, w, out, i, n);
    }
    rt_release(g);
    rt_release(w);
    return rt__finish_work(s, out, c->r[0].t, c->name, c->err);
}

/* --- gradient of the weight ----------------------------------------------- */

static rt_status read_conv_weight(conv *v, rt__call *c)
{
    rt_tensor *x = rt__arg(c, I_OTHER);
    rt_status s = check_conv_dtypes(c);
    if (s == RT_OK) {
        s = read_conv(v, c, x->ndim, x->shape, c->a[I_SIZE].count,
                      c->a[I_SIZE].ints, I_STRIDE);
    }
    return s == RT_OK ? check_grad(c, v, rt__arg(c, I_GRAD)) : s;
}

RT_INFER(conv2d_weight)
{
    conv v;
    rt_status s = read_conv_weight(&v, c);
    return s == RT_OK ? rt__result_new(c, 0, rt__arg(c, I_GRAD)->dtype,
                                       c->a[I_SIZE].count, c->a[I_SIZE].ints)
                      : s;
}

/* Columns as [G, K, n * P] and gradients as [G, Co, n * P]: one product for
 * all images of the chunk. */
static rt_status weight_operands(rt__call *c, const conv *v, rt_tensor *g,
                                 rt_tensor *x, int64_t first, int64_t n,
                                 rt_tensor **grads, rt_tensor **columns)
{
    int64_t cs[3] = {v->groups, v->k, n * v->p};
    int64_t gs[3] = {v->groups, v->co, n * v->p};
    int64_t planes = v->groups * v->co;
    int64_t wide[3] = {planes, n, v->p}, from[3] = {v->p, planes * v->p, 1};
    int64_t image = v->groups * v->ci * v->w.in[0] * v->w.in[1];
    rt_tensor *src = NULL, *dst = NULL;
    rt_status s = rt_tensor_new(columns, v->dtype, 3, cs, c->err);
    if (s == RT_OK) {
        unroll u = {v, x->data + first * image * (int64_t)v->size,
                    (*columns)->data, n, true};
        s = unroll_images(c, &u);
    }
    if (s == RT_OK) {
        s = rt_tensor_new(grads, v->dtype, 3, gs, c->err);
    }
    if (s == RT_OK) {
        int64_t to[3] = {n * v->p, v->p, 1};
        s = rt__tensor_over(&dst, (*grads)->storage, v->dtype, 3, wide, to, 0,
                            c->err);
    }
    if (s == RT_OK) {
        s = rt__tensor_over(&src, g->storage, g->dtype, 3, wide, from,
                            g->offset + first * planes * v->p, c->err);
    }
    if (s == RT_OK) {
        s = rt__move(dst, src, c->name, c->err);
    }
    rt_release(src);
    rt_release(dst);
    return s;
}

static rt_status weight_chunk(rt__call *c, const conv *v, rt_tensor *g,
                              rt_tensor *x, rt_tensor *out, int64_t first,
                              int64_t n)
{
    rt_tensor *grads = NULL, *columns = NULL;
    int64_t np = n * v->p;
    rt_status s = weight_operands(c, v, g, x, first, n, &grads, &columns);
    if (s == RT_OK) {
        rt__gemm product = {v->dtype, v->co, v->k, np, grads->data,
                            columns->data, out->data, np, 1, 1, np, v->k, 1,
                            true, NULL};
        s = products(c, v, &product, v->groups,
                     (int64_t[]){0, v->co * np}, (int64_t[]){0, v->k * np},
                     (int64_t[]){0, v->co * v->k});
    }
    rt_release(grads);
    rt_release(columns);
    return s;
}

RT_KERNEL(conv2d_weight)
{
    rt_tensor *g = NULL, *x = NULL, *out = NULL;
    rt_dtype compute = rt__compute_dtype(rt__arg(c, I_GRAD));
    rt__winograd t;
    rt__lanes l;
    int64_t i = 0;
    bool done = false;
    conv v;
    rt_status s = read_conv_weight(&v, c);
    plan(&v, compute);
    if (s == RT_OK) {
        s = rt__dense_as(&g, rt__arg(c, I_GRAD), compute, c->name, c->err);
    }
    if (s == RT_OK) {
        s = rt__dense_as(&x, rt__arg(c, I_OTHER), compute, c->name, c->err);
    }
    if (s == RT_OK) {
        s = rt__begin_work(&out, c->r[0].t, compute, c->err);
    }
    if (s == RT_OK && g->numel > 0 && tiles_of(&t, &v)) {
        t.x = (const float *)x->data;
        t.y = (float *)g->data;
        s = rt__winograd_weight(&t, (float *)out->data, &done, c->name,
                                c->err);
        i = done ? v.n : 0;
    } else if (s == RT_OK && g->numel > 0 && lanes_of(&l, &v)) {
        l.x = (const float *)x->data;
        l.y = (float *)g->data;
        s = run_lanes(c, &v, l, (float *)out->data);
        i = v.n;
    }
    if (s == RT_OK && g->numel > 0 && out->numel > 0 && i == 0) {
        s = rt__conv_patches_weight(&v, g, x, out, &done, c->name, c->err);
        i = done ? v.n : 0;
    }
    if (s == RT_OK && i == 0) {     /* the products are added to it */
        memset(out->data, 0, (size_t)out->numel * v.size);
    }
    for (; s == RT_OK && g->numel > 0 && i < v.n; i += v.chunk) {
        int64_t n = v.n - i < v.chunk ? v.n - i : v.chunk;
        s = weight_chunk(c, &v, g, x, out, i, n);
    }
    rt_release(g);
    rt_release(x);
    return rt__finish_work(s, out, c->r[0].t, c->name, c->err);
}

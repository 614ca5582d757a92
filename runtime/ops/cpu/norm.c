/* SPDX-License-Identifier: MIT
 *
 * layer_norm: rows of n elements, each normalised by its own mean and
 * deviation. group_norm: the same for groups of channels of [N, C, S...].
 * batch_norm: channels of [N, C, S...], by the batch's or the running
 * statistics; where S is small, by rows (columns.h).
 */
#include "runtime/base/pool.h"
#include "runtime/ops/cpu/columns.h"
#include "runtime/ops/cpu/move.h"
#include "runtime/ops/cpu/norm.h"
#include "runtime/ops/cpu/rows.h"

#include <math.h>
#include <string.h>

/* --- what every norm opens and closes ------------------------------------- */

typedef struct operands {
    rt_tensor *x, *w, *b, *y;   /* dense; w, b NULL when not given */
} operands;

/* An optional argument, dense in dtype; NULL when not given. */
static rt_status dense_option(rt_tensor **out, rt__call *c, int arg,
                              rt_dtype dtype)
{
    rt_tensor *t = rt__arg(c, arg);
    return t ? rt__dense_as(out, t, dtype, c->name, c->err) : RT_OK;
}

/* The input in its compute dtype, weight (argument `arg`) and bias (the next)
 * in `affine`, room for result 0. Closed by close_operands, also when failed.
 */
static rt_status open_operands(operands *o, rt__call *c, int arg,
                               rt_dtype affine)
{
    rt_tensor *self = rt__arg(c, 0);
    rt_dtype wide = rt__compute_dtype(self);
    *o = (operands){NULL};
    rt_status s = rt__dense_as(&o->x, self, wide, c->name, c->err);
    if (s == RT_OK) {
        s = dense_option(&o->w, c, arg, affine);
    }
    if (s == RT_OK) {
        s = dense_option(&o->b, c, arg + 1, affine);
    }
    if (s == RT_OK) {
        s = rt__begin_work(&o->y, c->r[0].t, wide, c->err);
    }
    return s;
}

/* What the kernel answers: s, or why the result could not be stored. */
static rt_status close_operands(operands *o, rt__call *c, rt_status s)
{
    s = rt__finish_work(s, o->y, c->r[0].t, c->name, c->err);
    rt_release(o->x);
    rt_release(o->w);
    rt_release(o->b);
    return s;
}

/* NULL when not given. */
static const char *data_of(const rt_tensor *t)
{
    return t ? t->data : NULL;
}

/* --- layer_norm ----------------------------------------------------------- */

static rt_status check_affine(rt__call *c, int arg, const char *what, int ndim,
                              const int64_t *shape)
{
    rt_tensor *t = rt__arg(c, arg);
    char a[96], b[96];
    bool fits = !t || t->ndim == ndim;
    for (int d = 0; t && fits && d < ndim; d++) {
        fits = t->shape[d] == shape[d];
    }
    if (fits) {
        return RT_OK;
    }
    rt__shape_format(a, sizeof a, t->ndim, t->shape);
    rt__shape_format(b, sizeof b, ndim, shape);
    return rt_fail(c->err, RT_E_SHAPE, "%s: %s has shape %s, expected %s",
                   c->name, what, a, b);
}

static rt_status check_floating(rt__call *c)
{
    rt_tensor *self = rt__arg(c, 0);
    if (rt_dtype_is_floating(self->dtype)) {
        return RT_OK;
    }
    rt_fail(c->err, RT_E_DTYPE, "%s: expected a floating tensor, got %s",
            c->name, rt_dtype_name(self->dtype));
    rt_error_help(c->err, "convert it with .to(float32)");
    return RT_E_DTYPE;
}

RT_INFER(layer_norm)
{
    rt_tensor *self = rt__arg(c, 0);
    int n = c->a[1].count, lead = self->ndim - n;
    int64_t shape[RT_MAX_DIMS];
    char a[96], b[96];
    rt_status s = check_floating(c);
    if (s != RT_OK) {
        return s;
    }
    bool fits = n > 0 && lead >= 0;
    for (int d = 0; fits && d < n; d++) {
        fits = self->shape[lead + d] == c->a[1].ints[d];
    }
    if (!fits) {
        rt__shape_format(a, sizeof a, self->ndim, self->shape);
        rt__shape_format(b, sizeof b, n, c->a[1].ints);
        rt_fail(c->err, RT_E_SHAPE,
                "layer_norm: the input's last dimensions must be %s, its "
                "shape is %s", b, a);
        return RT_E_SHAPE;
    }
    s = check_affine(c, 2, "weight", n, c->a[1].ints);
    if (s == RT_OK) {
        s = check_affine(c, 3, "bias", n, c->a[1].ints);
    }
    for (int d = 0; d < self->ndim; d++) {
        shape[d] = d < lead ? self->shape[d] : 1;
    }
    rt_dtype wide = rt__compute_dtype(self);
    if (s == RT_OK) {
        s = rt__result_new(c, 0, self->dtype, self->ndim, self->shape);
    }
    for (int i = 1; s == RT_OK && i < 3; i++) {
        s = rt__result_new(c, i, wide, self->ndim, shape);
    }
    return s;
}

typedef struct layer {
    const char *x, *w, *b;
    char *y;
    rt_tensor *mean, *rstd;
    int64_t n;
    double eps;
    const rt__norm_fns *fns;
} layer;

static void layer_range(void *ctx, int64_t begin, int64_t end)
{
    const layer *l = ctx;
    size_t size = rt_dtype_size(l->mean->dtype);
    double mean[RT_NORM_ROWS], rstd[RT_NORM_ROWS];
    for (int64_t row = begin; row < end; row += RT_NORM_ROWS) {
        size_t at = (size_t)(row * l->n) * size;
        int rows = end - row < RT_NORM_ROWS ? (int)(end - row) : RT_NORM_ROWS;
        l->fns->layer(l->y + at, l->x + at, l->w, l->b, rows, l->n, l->eps,
                      mean, rstd);
        for (int i = 0; i < rows; i++) {
            size_t to = (size_t)(row + i) * size;
            rt__store_float(l->mean->dtype, l->mean->data + to, mean[i]);
            rt__store_float(l->rstd->dtype, l->rstd->data + to, rstd[i]);
        }
    }
}

RT_KERNEL(layer_norm)
{
    rt_tensor *self = rt__arg(c, 0);
    operands o;
    if (self->numel == 0) {
        return RT_OK;
    }
    rt_status s = open_operands(&o, c, 2, rt__compute_dtype(self));
    if (s == RT_OK) {
        int64_t n = rt__product(c->a[1].ints, 0, c->a[1].count);
        layer l = {o.x->data, data_of(o.w), data_of(o.b), o.y->data,
                   c->r[1].t, c->r[2].t, n, rt__arg_float(c, 4),
                   rt__norm_fns_of(o.x->dtype)};
        if (!rt__parallel(self->numel / n, 16384 / n + RT_NORM_ROWS, layer_range, &l)) {
            s = rt__interrupted(c->name, c->err);
        }
    }
    return close_operands(&o, c, s);
}

/* --- group_norm ----------------------------------------------------------- */

RT_INFER(group_norm)
{
    rt_tensor *self = rt__arg(c, 0);
    int64_t groups = c->a[1].i, channels = self->ndim > 1 ? self->shape[1] : 0;
    char text[96];
    rt_status s = check_floating(c);
    if (s != RT_OK) {
        return s;
    }
    rt__shape_format(text, sizeof text, self->ndim, self->shape);
    if (self->ndim < 2) {
        return rt_fail(c->err, RT_E_SHAPE,
                       "group_norm: expected [N, C, ...], got shape %s", text);
    }
    if (groups < 1 || channels % groups) {
        rt_fail(c->err, RT_E_ARGUMENT, "group_norm: the %lld channels of %s "
                "do not divide into %lld groups", (long long)channels, text,
                (long long)groups);
        rt_error_help(c->err, "num_groups has to divide dimension 1");
        return RT_E_ARGUMENT;
    }
    s = check_affine(c, 2, "weight", 1, &channels);
    if (s == RT_OK) {
        s = check_affine(c, 3, "bias", 1, &channels);
    }
    if (s == RT_OK) {
        s = rt__result_new(c, 0, self->dtype, self->ndim, self->shape);
    }
    int64_t shape[2] = {self->shape[0], groups};
    for (int i = 1; s == RT_OK && i < 3; i++) {
        s = rt__result_new(c, i, rt__compute_dtype(self), 2, shape);
    }
    return s;
}

/* Rows are groups: channels / groups channels of `inner` elements. */
typedef struct group {
    const char *x, *w, *b;
    char *y;
    rt_tensor *mean, *rstd;
    int64_t groups, channels, inner;     /* channels of one group */
    double eps;
    const rt__norm_fns *fns;
} group;

static void group_moments(const group *t, const char *x, int64_t n,
                          double *mean, double *var)
{
    const int64_t size = (int64_t)rt_dtype_size(t->mean->dtype);
    rt__norm_piece p = rt__norm_piece_at(0, t->channels, t->inner);
    t->fns->moments(x, p.length, mean, var);
    if (p.length == n) {
        return;
    }
    double m2 = *var * (double)p.length;
    for (int64_t at = p.length; at < n && !rt_interrupted(); at += p.length) {
        double mean1, var1;
        p = rt__norm_piece_at(at, t->channels, t->inner);
        t->fns->moments(x + at * size, p.length, &mean1, &var1);
        rt__join_moments(mean, &m2, (double)at, mean1,
                         var1 * (double)p.length, (double)p.length);
    }
    *var = m2 / (double)n;
}

static void group_range(void *ctx, int64_t begin, int64_t end)
{
    const group *t = ctx;
    const rt_dtype wide = t->mean->dtype;
    const int64_t size = (int64_t)rt_dtype_size(wide);
    const int64_t n = t->channels * t->inner;
    for (int64_t row = begin; row < end; row++) {
        const char *x = t->x + row * n * size;
        char *y = t->y + row * n * size;
        double mean, var;
        rt__norm_piece p;
        group_moments(t, x, n, &mean, &var);
        double rstd = 1 / sqrt(var + t->eps);
        for (int64_t at = 0; at < n && !rt_interrupted(); at += p.length) {
            p = rt__norm_piece_at(at, t->channels, t->inner);
            int64_t to = (row % t->groups * t->channels + p.channel) * size;
            t->fns->group(y + at * size, x + at * size, t->w ? t->w + to : NULL,
                          t->b ? t->b + to : NULL, p.channels, p.inner, mean,
                          rstd);
        }
        rt__store_float(wide, t->mean->data + row * size, mean);
        rt__store_float(wide, t->rstd->data + row * size, rstd);
    }
}

static rt_status run_group(rt__call *c, const operands *o)
{
    const rt_tensor *x = o->x;
    int64_t rows = c->r[1].t->numel, n = x->numel / rows;
    int64_t channels = x->shape[1] / c->a[1].i;
    group t = {x->data, data_of(o->w), data_of(o->b), o->y->data,
               c->r[1].t, c->r[2].t, c->a[1].i, channels, n / channels,
               rt__arg_float(c, 4), rt__norm_fns_of(x->dtype)};
    bool whole = rt__parallel(rows, 16384 / (n + 32) + 1, group_range, &t) &&
                 !rt_interrupted();          /* nor within a group */
    return whole ? RT_OK : rt__interrupted(c->name, c->err);
}

RT_KERNEL(group_norm)
{
    rt_tensor *self = rt__arg(c, 0);
    rt_dtype wide = rt__compute_dtype(self);
    operands o;
    if (self->numel == 0) {
        for (int i = 1; i < 3; i++) {       /* of groups without elements */
            rt_tensor *t = c->r[i].t;
            for (int64_t at = 0; at < t->numel; at++) {
                rt__store_float(wide, t->data + at * (int64_t)rt_dtype_size(wide), NAN);
            }
        }
        return RT_OK;
    }
    rt_status s = open_operands(&o, c, 2, wide);
    if (s == RT_OK) {
        s = run_group(c, &o);
    }
    return close_operands(&o, c, s);
}

/* --- batch_norm ----------------------------------------------------------- */

enum { B_SELF, B_MEAN, B_VAR, B_WEIGHT, B_BIAS, B_TRAINING, B_MOMENTUM, B_EPS };

static rt_status check_channels(rt__call *c, int64_t channels)
{
    static const char *const names[] = {"running_mean", "running_var",
                                        "weight", "bias"};
    rt_status s = RT_OK;
    for (int i = 0; s == RT_OK && i < 4; i++) {
        s = check_affine(c, B_MEAN + i, names[i], 1, &channels);
    }
    for (int i = B_MEAN; s == RT_OK && i <= B_VAR; i++) {
        if (rt__arg(c, i) && c->a[B_TRAINING].i) {
            s = rt__check_writable(rt__arg(c, i), c->name, c->err);
        }
    }
    return s;
}

RT_INFER(batch_norm)
{
    rt_tensor *self = rt__arg(c, B_SELF);
    char text[96];
    rt_status s = check_floating(c);
    if (s != RT_OK) {
        return s;
    }
    rt__shape_format(text, sizeof text, self->ndim, self->shape);
    if (self->ndim < 2) {
        return rt_fail(c->err, RT_E_SHAPE,
                       "batch_norm: expected [N, C, ...], got shape %s", text);
    }
    int64_t channels = self->shape[1];
    bool training = c->a[B_TRAINING].i != 0;
    if (training && channels > 0 && self->numel / channels <= 1) {
        rt_fail(c->err, RT_E_ARGUMENT,
                "batch_norm: Expected more than 1 value per channel when "
                "training, got input size %s", text);
        rt_error_help(c->err, "use a larger batch, or model.eval()");
        return RT_E_ARGUMENT;
    }
    if (!training && (!rt__arg(c, B_MEAN) || !rt__arg(c, B_VAR))) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "batch_norm: running_mean and running_var are needed "
                       "unless training");
    }
    s = check_channels(c, channels);
    if (s == RT_OK) {
        s = rt__result_new(c, 0, self->dtype, self->ndim, self->shape);
    }
    for (int i = 1; s == RT_OK && i < 3; i++) {
        s = rt__result_new(c, i, rt__compute_dtype(self), 1, &channels);
    }
    return s;
}

typedef struct batch {
    const char *x;
    char *y;
    const double *w, *b;        /* NULL: 1 and 0 */
    double *mean, *var;         /* per channel: used statistics (var biased);
                                   room for twice as much behind them */
    int64_t n, channels, inner;
    double eps;
    size_t size;
    const rt__row_fns *fns;
    bool training;
} batch;

/* Bytes from the start to the plane of one image's channel. */
static size_t plane_at(const batch *t, int64_t image, int64_t ch)
{
    return (size_t)((image * t->channels + ch) * t->inner) * t->size;
}

static void channel_moments(const batch *t, int64_t ch)
{
    double mean = 0, m2 = 0, count = 0;
    for (int64_t i = 0; i < t->n; i++) {
        double mean1, m21;
        t->fns->moments(t->x + plane_at(t, i, ch), t->inner, &mean1, &m21);
        rt__join_moments(&mean, &m2, count, mean1, m21, (double)t->inner);
        count += (double)t->inner;
    }
    t->mean[ch] = mean;
    t->var[ch] = m2 / count;
}

/* Few elements of a channel in each image: by rows. */
static rt_status run_columns(const batch *t, rt_dtype dtype, rt_error *err)
{
    rt__columns all = {dtype, t->x, t->n, t->channels, t->inner};
    double *scale = t->var + t->channels, *offset = scale + t->channels;
    rt_status s = RT_OK;
    if (t->training) {
        s = rt__columns_moments(&all, t->mean, t->var, err);
    }
    for (int64_t ch = 0; ch < t->channels; ch++) {
        scale[ch] = 1 / sqrt(t->var[ch] + t->eps) * (t->w ? t->w[ch] : 1);
        offset[ch] = t->b ? t->b[ch] : 0;
    }
    return s == RT_OK
        ? rt__columns_affine(&all, t->y, t->mean, scale, offset, err) : s;
}

static void channel_range(void *ctx, int64_t begin, int64_t end)
{
    const batch *t = ctx;
    for (int64_t ch = begin; ch < end; ch++) {
        if (t->training) {
            channel_moments(t, ch);
        }
        double scale = 1 / sqrt(t->var[ch] + t->eps) * (t->w ? t->w[ch] : 1);
        double offset = (t->b ? t->b[ch] : 0) - t->mean[ch] * scale;
        for (int64_t i = 0; i < t->n; i++) {
            size_t at = plane_at(t, i, ch);
            t->fns->affine(t->y + at, t->x + at, t->inner, scale, offset);
        }
    }
}

static void update_running(rt_tensor *t, const double *now, double momentum,
                           double factor)
{
    for (int64_t i = 0; t && i < t->numel; i++) {
        char *p = t->data +
                  i * t->strides[0] * (int64_t)rt_dtype_size(t->dtype);
        double old = rt__load_float(t->dtype, p);
        rt__store_float(t->dtype, p,
                        (1 - momentum) * old + momentum * factor * now[i]);
    }
    if (t) {
        rt__bump_version(t);
    }
}

/* Statistics used, into results 1 and 2; running ones forward when training. */
static void publish(rt__call *c, const batch *t)
{
    double count = (double)(t->n * t->inner);
    double momentum = rt__arg_float(c, B_MOMENTUM);
    rt_tensor *mean = c->r[1].t, *rstd = c->r[2].t;
    for (int64_t ch = 0; ch < t->channels; ch++) {
        size_t at = (size_t)ch * rt_dtype_size(mean->dtype);
        rt__store_float(mean->dtype, mean->data + at, t->mean[ch]);
        rt__store_float(rstd->dtype, rstd->data + at,
                        1 / sqrt(t->var[ch] + t->eps));
    }
    if (t->training) {
        update_running(rt__arg(c, B_MEAN), t->mean, momentum, 1);
        update_running(rt__arg(c, B_VAR), t->var, momentum,
                       count / (count - 1));
    }
}

static rt_status run_batch(rt__call *c, batch *t)
{
    int64_t each = t->n * t->inner;
    double *work = rt_alloc((size_t)(4 * t->channels + 1) * sizeof *work);
    if (!work) {
        return rt_fail(c->err, RT_E_MEMORY, "batch_norm: no memory for %lld "
                       "channels", (long long)t->channels);
    }
    t->mean = work;
    t->var = work + t->channels;
    for (int64_t ch = 0; !t->training && ch < t->channels; ch++) {
        const rt_tensor *m = rt__arg(c, B_MEAN), *v = rt__arg(c, B_VAR);
        t->mean[ch] = rt__load_float(
            m->dtype, m->data + ch * m->strides[0] *
                                    (int64_t)rt_dtype_size(m->dtype));
        t->var[ch] = rt__load_float(
            v->dtype, v->data + ch * v->strides[0] *
                                    (int64_t)rt_dtype_size(v->dtype));
    }
    rt_status s = RT_OK;
    if (rt__columns_fit(t->n, t->channels, t->inner)) {
        s = run_columns(t, rt__compute_dtype(rt__arg(c, B_SELF)), c->err);
    } else if (!rt__parallel(t->channels, 16384 / (each + 1) + 1,
                             channel_range, t)) {
        s = rt__interrupted(c->name, c->err);
    }
    if (s == RT_OK) {
        publish(c, t);
    }
    rt_free(work);
    return s;
}

RT_KERNEL(batch_norm)
{
    rt_tensor *self = rt__arg(c, B_SELF);
    operands o;
    rt_status s = open_operands(&o, c, B_WEIGHT, RT_FLOAT64);
    if (s == RT_OK) {
        batch t = {.x = o.x->data, .y = o.y->data, .n = self->shape[0],
                   .w = (const double *)data_of(o.w),
                   .b = (const double *)data_of(o.b),
                   .channels = self->shape[1],
                   .inner = rt__product(self->shape, 2, self->ndim),
                   .eps = rt__arg_float(c, B_EPS),
                   .size = rt_dtype_size(o.x->dtype),
                   .fns = rt__row_fns_of(o.x->dtype),
                   .training = c->a[B_TRAINING].i != 0};
        s = run_batch(c, &t);
    }
    return close_operands(&o, c, s);
}

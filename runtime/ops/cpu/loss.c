/* SPDX-License-Identifier: MIT
 *
 * Losses in one pass: cross_entropy (log-softmax and the negative log
 * likelihood together), nll_loss, mse_loss and smooth_l1_loss.
 *
 *   input [N, C, D...] or [C];  rows: N * D, each with C classes in steps of D
 */
#include "runtime/ops/cpu/loss.h"

#include "runtime/base/pool.h"
#include "runtime/ops/cpu/move.h"
#include "runtime/ops/cpu/rows.h"
#include "runtime/ops/cpu/softmax.h"

#include <math.h>
#include <string.h>

rt_status rt__reduction_arg(rt__reduction *out, const rt__call *c, int i,
                            bool batch)
{
    static const char *const names[] = {"none", "mean", "sum", "batchmean"};
    for (int k = 0; k < (batch ? 4 : 3); k++) {
        if (strcmp(c->a[i].s, names[k]) == 0) {
            *out = (rt__reduction)k;
            return RT_OK;
        }
    }
    return rt_fail(c->err, RT_E_ARGUMENT,
                   "%s: reduction must be 'none', 'mean'%s or 'sum', got '%s'",
                   c->name, batch ? ", 'batchmean'" : "", c->a[i].s);
}

/* --- cross entropy: arguments --------------------------------------------- */

enum { A_INPUT, A_TARGET, A_WEIGHT, A_REDUCTION, A_IGNORE, A_SMOOTHING };

static int class_dim(const rt_tensor *input)
{
    return input->ndim == 1 ? 0 : 1;
}

static bool has_probabilities(const rt__call *c)
{
    return rt_dtype_is_floating(rt__arg(c, A_TARGET)->dtype);
}

static rt_status target_misfit(rt__call *c, int ndim, const int64_t *expected)
{
    rt_tensor *input = rt__arg(c, A_INPUT), *target = rt__arg(c, A_TARGET);
    char a[96], b[96], want[96];
    rt__shape_format(a, sizeof a, input->ndim, input->shape);
    rt__shape_format(b, sizeof b, target->ndim, target->shape);
    rt__shape_format(want, sizeof want, ndim, expected);
    rt_fail(c->err, RT_E_SHAPE,
            "%s: target of shape %s does not fit input of shape %s; expected "
            "%s", c->name, b, a, want);
    rt__error_shapes(c->err, input, target);
    rt_error_help(c->err, "the target holds one class index for each row of "
                          "the input%s",
                  c->op->id == RT_OP_cross_entropy
                      ? ", or floating probabilities in the input's shape"
                      : "");
    return RT_E_SHAPE;
}

static rt_status check_target(rt__call *c, int ndim, const int64_t *rows)
{
    rt_tensor *input = rt__arg(c, A_INPUT), *target = rt__arg(c, A_TARGET);
    if (has_probabilities(c) && c->op->id == RT_OP_cross_entropy) {
        return rt__same_shape(input, target)
                   ? RT_OK
                   : target_misfit(c, input->ndim, input->shape);
    }
    if (!rt_dtype_is_integral(target->dtype, false)) {
        rt_fail(c->err, RT_E_DTYPE,
                "%s: class indices must be integers, the target is %s",
                c->name, rt_dtype_name(target->dtype));
        rt_error_help(c->err, "convert it with .to(int64)");
        return RT_E_DTYPE;
    }
    bool fits = target->ndim == ndim;
    for (int d = 0; fits && d < ndim; d++) {
        fits = target->shape[d] == rows[d];
    }
    return fits ? RT_OK : target_misfit(c, ndim, rows);
}

static rt_status check_weight(rt__call *c, int64_t classes)
{
    rt_tensor *weight = rt__arg(c, A_WEIGHT);
    char text[96];
    if (weight && (weight->ndim != 1 || weight->numel != classes)) {
        rt__shape_format(text, sizeof text, weight->ndim, weight->shape);
        return rt_fail(c->err, RT_E_SHAPE,
                       "%s: weight must hold one number for each of the %lld "
                       "classes, got shape %s", c->name, (long long)classes,
                       text);
    }
    return RT_OK;
}

RT_INFER(cross_entropy)
{
    rt_tensor *input = rt__arg(c, A_INPUT);
    int64_t rows[RT_MAX_DIMS];
    int n = 0;
    rt__reduction reduction;
    rt_status s = rt__reduction_arg(&reduction, c, A_REDUCTION, false);
    if (s != RT_OK) {
        return s;
    }
    if (input->ndim < 1 || !rt_dtype_is_floating(input->dtype)) {
        return rt_fail(c->err, input->ndim < 1 ? RT_E_SHAPE : RT_E_DTYPE,
                       "%s: input must be a floating tensor [N, C, ...] or "
                       "[C], got %s with %d dimensions", c->name,
                       rt_dtype_name(input->dtype), input->ndim);
    }
    for (int d = 0; d < input->ndim; d++) {
        if (d != class_dim(input)) {
            rows[n++] = input->shape[d];
        }
    }
    s = check_target(c, n, rows);
    if (s == RT_OK) {
        s = check_weight(c, input->shape[class_dim(input)]);
    }
    if (s != RT_OK) {
        return s;
    }
    return rt__result_new(c, 0, input->dtype,
                          reduction == RT_REDUCE_NONE ? n : 0, rows);
}

/* --- cross entropy: rows -------------------------------------------------- */

typedef struct entropy {
    const void *input;         /* float32 or float64, dense */
    const int64_t *target;     /* NULL with probabilities */
    const void *probabilities; /* as input */
    const double *weight;      /* NULL: ones */
    double *loss, *norm;       /* per row: weighted loss and its weight */
    double *smooth;            /* per row: sum of w_c * -log p_c; NULL: none */
    int64_t classes, inner, ignore;
    double smoothing;
    bool wide, logs;           /* float64; input holds log-probabilities */
} entropy;

static double value(const entropy *e, const void *p, int64_t i)
{
    return e->wide ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

/* log(sum(exp(x))) of each row into e->loss, by whole rows or by bands of
 * columns; 0 for log-probabilities. */
static void log_sums(const entropy *e, int64_t begin, int64_t end)
{
    int64_t size = e->wide ? 8 : 4;
    const rt__softmax_fns *fns =
        rt__softmax_fns_of(e->wide ? RT_FLOAT64 : RT_FLOAT32);
    const char *x = e->input;
    if (e->logs) {
        memset(e->loss + begin, 0, (size_t)(end - begin) * sizeof *e->loss);
        return;
    }
    if (e->inner == 1) {
        fns->log_sums(e->loss + begin, x + begin * e->classes * size,
                      end - begin, e->classes);
        return;
    }
    while (begin < end) {
        rt__soft_band b;
        int64_t column = begin % e->inner, left = e->inner - column;
        int64_t base = begin / e->inner * e->inner * e->classes + column;
        left = left < end - begin ? left : end - begin;
        int width = left < RT_SOFT_COLUMNS ? (int)left : RT_SOFT_COLUMNS;
        for (int w = 0; w < RT_SOFT_COLUMNS; w++) {
            b.top[w] = -INFINITY;
            b.sum[w] = 0;
        }
        fns->columns_largest(&b, x + base * size, e->classes, e->inner, width);
        fns->columns_exponentials(&b, NULL, x + base * size, e->classes,
                                  e->inner, width);
        for (int w = 0; w < width; w++) {
            e->loss[begin + w] =
                isinf(b.top[w]) ? b.top[w] : b.top[w] + log(b.sum[w]);
        }
        begin += width;
    }
}

static void row_of_classes(const entropy *e, int64_t row, int64_t base)
{
    int64_t t = e->target[row];
    double lse = e->loss[row];
    e->loss[row] = e->norm[row] = 0;
    if (e->smooth) {
        e->smooth[row] = 0;
    }
    if (t == e->ignore) {
        return;
    }
    e->norm[row] = e->weight ? e->weight[t] : 1;
    e->loss[row] =
        e->norm[row] * (lse - value(e, e->input, base + t * e->inner));
    for (int64_t k = 0; e->smooth && k < e->classes; k++) {
        double w = e->weight ? e->weight[k] : 1;
        e->smooth[row] +=
            w * (lse - value(e, e->input, base + k * e->inner));
    }
}

static void row_of_probabilities(const entropy *e, int64_t row, int64_t base)
{
    double lse = e->loss[row], sum = 0;
    for (int64_t k = 0; k < e->classes; k++) {
        int64_t i = base + k * e->inner;
        double p = value(e, e->probabilities, i) * (1 - e->smoothing) +
                   e->smoothing / (double)e->classes;
        double w = e->weight ? e->weight[k] : 1;
        sum += w * p * (lse - value(e, e->input, i));
    }
    e->loss[row] = sum;
    e->norm[row] = 1;
}

static void entropy_range(void *ctx, int64_t begin, int64_t end)
{
    const entropy *e = ctx;
    log_sums(e, begin, end);
    for (int64_t row = begin; row < end; row++) {
        int64_t base = row / e->inner * e->inner * e->classes + row % e->inner;
        if (e->target) {
            row_of_classes(e, row, base);
        } else {
            row_of_probabilities(e, row, base);
        }
    }
}

static rt_status check_classes(rt__call *c, const entropy *e, int64_t rows)
{
    for (int64_t i = 0; e->target && i < rows; i++) {
        int64_t t = e->target[i];
        if (t != e->ignore && (t < 0 || t >= e->classes)) {
            rt_fail(c->err, RT_E_INDEX,
                    "%s: Target %lld is out of bounds: row %lld asks for class "
                    "%lld of %lld", c->name, (long long)t, (long long)i,
                    (long long)t, (long long)e->classes);
            rt_error_help(c->err, "classes are numbered 0 to %lld%s",
                          (long long)(e->classes - 1),
                          t == e->classes ? "; are the labels counted from 1?"
                                          : "");
            return RT_E_INDEX;
        }
    }
    return RT_OK;
}

/* The reduced loss. With smoothing, the two parts are averaged separately:
 * PyTorch divides both by the sum of the targets' weights. */
static double reduce_rows(const entropy *e, int64_t rows, rt__reduction how)
{
    double loss = 0, norm = 0, smooth = 0;
    for (int64_t i = 0; i < rows; i++) {
        loss += e->loss[i];
        norm += e->norm[i];
        smooth += e->smooth ? e->smooth[i] : 0;
    }
    if (e->smooth) {
        loss = (1 - e->smoothing) * loss +
               e->smoothing / (double)e->classes * smooth;
    }
    return how == RT_REDUCE_MEAN ? loss / norm : loss;
}

static void write_rows(const entropy *e, int64_t rows, rt_tensor *out)
{
    size_t size = rt_dtype_size(out->dtype);
    for (int64_t i = 0; i < rows; i++) {
        double v = e->loss[i];
        if (e->smooth) {
            v = (1 - e->smoothing) * v +
                e->smoothing / (double)e->classes * e->smooth[i];
        }
        rt__store_float(out->dtype, out->data + (size_t)i * size, v);
    }
}

static rt_status run_entropy(rt__call *c, entropy *e, int64_t rows)
{
    rt__reduction how;
    rt_status s = rt__reduction_arg(&how, c, A_REDUCTION, false);
    if (s == RT_OK) {
        s = check_classes(c, e, rows);
    }
    if (s != RT_OK) {
        return s;
    }
    double *work = rt_alloc((size_t)(3 * rows + 1) * sizeof *work);
    if (!work) {
        return rt_fail(c->err, RT_E_MEMORY, "%s: no memory for %lld rows",
                       c->name, (long long)rows);
    }
    e->loss = work;
    e->norm = work + rows;
    e->smooth = e->target && e->smoothing > 0 ? work + 2 * rows : NULL;
    int64_t grain = 16384 / (e->classes + 1) + 1;
    /* whole bands of columns */
    grain = e->inner > 1 && grain < RT_SOFT_COLUMNS ? RT_SOFT_COLUMNS : grain;
    if (!rt__parallel(rows, grain, entropy_range, e)) {
        s = rt__interrupted(c->name, c->err);
    } else if (how == RT_REDUCE_NONE) {
        write_rows(e, rows, c->r[0].t);
    } else {
        rt__store_float(c->r[0].t->dtype, c->r[0].t->data,
                        reduce_rows(e, rows, how));
    }
    rt_free(work);
    return s;
}

static rt_status entropy_call(rt__call *c, bool logs, double smoothing)
{
    rt_tensor *input = rt__arg(c, A_INPUT), *x = NULL, *t = NULL, *w = NULL;
    rt_dtype compute = rt__compute_dtype(input);
    bool probabilities = has_probabilities(c);
    int dim = class_dim(input);
    entropy e = {.classes = input->shape[dim], .ignore = c->a[A_IGNORE].i,
                 .inner = rt__product(input->shape, dim + 1, input->ndim),
                 .smoothing = smoothing, .wide = compute == RT_FLOAT64,
                 .logs = logs};
    rt_status s = rt__dense_as(&x, input, compute, c->name, c->err);
    if (s == RT_OK) {
        s = rt__dense_as(&t, rt__arg(c, A_TARGET),
                         probabilities ? compute : RT_INT64, c->name, c->err);
    }
    if (s == RT_OK && rt__arg(c, A_WEIGHT)) {
        s = rt__dense_as(&w, rt__arg(c, A_WEIGHT), RT_FLOAT64, c->name,
                         c->err);
    }
    if (s == RT_OK) {
        e.input = x->data;
        e.target = probabilities ? NULL : (const int64_t *)t->data;
        e.probabilities = t->data;
        e.weight = w ? (const double *)w->data : NULL;
        int64_t rows = rt__product(input->shape, 0, dim) * e.inner;
        s = run_entropy(c, &e, rows);
    }
    rt_release(x);
    rt_release(t);
    rt_release(w);
    return s;
}

RT_KERNEL(cross_entropy)
{
    double smoothing = rt__arg_float(c, A_SMOOTHING);
    if (!(smoothing >= 0 && smoothing <= 1)) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "cross_entropy: label_smoothing must be between 0 and "
                       "1, got %g", smoothing);
    }
    return entropy_call(c, false, smoothing);
}

RT_KERNEL(nll_loss)
{
    return entropy_call(c, true, 0);
}

/* --- mse_loss and smooth_l1_loss ------------------------------------------ */

RT_INFER(loss)
{
    rt_tensor *self = rt__arg(c, 0), *target = rt__arg(c, 1);
    int64_t shape[RT_MAX_DIMS];
    int ndim;
    rt__reduction how;
    rt_status s = rt__reduction_arg(&how, c, 2, false);
    if (s == RT_OK) {
        s = rt__broadcast(&ndim, shape, self, target, c->name, c->err);
    }
    if (s != RT_OK) {
        return s;
    }
    rt_dtype dtype = rt__result_type(self, target);
    if (!rt_dtype_is_floating(dtype)) {
        rt_fail(c->err, RT_E_DTYPE, "%s: expected floating tensors, got %s",
                c->name, rt_dtype_name(dtype));
        rt_error_help(c->err, "convert with .to(float32)");
        return RT_E_DTYPE;
    }
    return rt__result_new(c, 0, dtype, how == RT_REDUCE_NONE ? ndim : 0,
                          shape);
}

#define BLOCK 8192   /* elements; partial sums are added in this order */

typedef struct squares {
    const void *a, *b;
    void *out;           /* elements, or NULL: sums */
    double *partial, beta;
    int64_t n;
    bool wide, smooth;   /* smooth: smooth_l1_loss of `beta` */
} squares;

#define SQUARES(TYPE)                                                          \
    do {                                                                       \
        const TYPE *a = q->a, *b = q->b;                                       \
        TYPE *out = q->out;                                                    \
        for (int64_t i = from; i < to; i++) {                                  \
            out[i] = (a[i] - b[i]) * (a[i] - b[i]);                            \
        }                                                                      \
    } while (0)

static void squares_range(void *ctx, int64_t begin, int64_t end)
{
    const squares *q = ctx;
    size_t size = q->wide ? 8 : 4;
    const rt__row_fns *fns =
        rt__row_fns_of(q->wide ? RT_FLOAT64 : RT_FLOAT32);
    for (int64_t block = begin; block < end; block++) {
        int64_t from = block * BLOCK, to = from + BLOCK;
        size_t at = (size_t)from * size;
        to = to < q->n ? to : q->n;
        if (q->smooth) {
            q->partial[block] = fns->smooth(
                q->out ? (char *)q->out + at : NULL, (const char *)q->a + at,
                (const char *)q->b + at, to - from, q->beta);
        } else if (!q->out) {
            q->partial[block] = fns->distance((const char *)q->a + at,
                                              (const char *)q->b + at,
                                              to - from);
        } else if (q->wide) {
            SQUARES(double);
        } else {
            SQUARES(float);
        }
    }
}

static rt_status run_squares(rt__call *c, squares *q, rt_tensor *out)
{
    int64_t blocks = (q->n + BLOCK - 1) / BLOCK;
    double sum = 0;
    rt__reduction how;
    rt_status s = rt__reduction_arg(&how, c, 2, false);
    if (s != RT_OK) {
        return s;
    }
    q->partial = rt_alloc((size_t)(blocks + 1) * sizeof *q->partial);
    if (!q->partial) {
        return rt_fail(c->err, RT_E_MEMORY, "%s: no memory for partial sums",
                       c->name);
    }
    q->out = how == RT_REDUCE_NONE ? out->data : NULL;
    if (!rt__parallel(blocks, 2, squares_range, q)) {
        s = rt__interrupted(c->name, c->err);
    } else if (!q->out) {
        for (int64_t i = 0; i < blocks; i++) {
            sum += q->partial[i];
        }
        sum = how == RT_REDUCE_MEAN ? sum / (double)q->n : sum;
        rt__store_float(out->dtype, out->data, sum);
    }
    rt_free(q->partial);
    return s;
}

/* t broadcast to shape, dense, in dtype. */
static rt_status spread(rt_tensor **out, rt_tensor *t, int ndim,
                        const int64_t *shape, rt_dtype dtype, rt__call *c)
{
    rt_tensor *view = NULL;
    rt_status s = rt__broadcast_view(&view, t, ndim, shape, c->err);
    if (s == RT_OK) {
        s = rt__dense_as(out, view, dtype, c->name, c->err);
    }
    rt_release(view);
    return s;
}

static rt_status distances(rt__call *c, bool smooth, double beta)
{
    rt_tensor *a = NULL, *b = NULL, *work = NULL, *out = c->r[0].t;
    rt_dtype compute = rt__compute_dtype(out);
    int64_t shape[RT_MAX_DIMS];
    int ndim;
    rt_status s = rt__broadcast(&ndim, shape, rt__arg(c, 0), rt__arg(c, 1),
                                c->name, c->err);
    if (s == RT_OK) {
        s = spread(&a, rt__arg(c, 0), ndim, shape, compute, c);
    }
    if (s == RT_OK) {
        s = spread(&b, rt__arg(c, 1), ndim, shape, compute, c);
    }
    if (s == RT_OK) {
        s = rt__begin_work(&work, out, compute, c->err);
    }
    if (s == RT_OK) {
        squares q = {.a = a->data, .b = b->data, .n = a->numel,
                     .smooth = smooth, .beta = beta,
                     .wide = compute == RT_FLOAT64};
        s = run_squares(c, &q, work);
    }
    s = rt__finish_work(s, work, out, c->name, c->err);
    rt_release(a);
    rt_release(b);
    return s;
}

RT_KERNEL(mse_loss)
{
    return distances(c, false, 0);
}

RT_INFER(smooth_loss)
{
    double beta = rt__arg_float(c, 3);
    if (!(beta >= 0)) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "smooth_l1_loss: beta must not be negative, got %g",
                       beta);
    }
    return rt__infer_loss(c);
}

RT_KERNEL(smooth_l1_loss)
{
    return distances(c, true, rt__smooth_beta(rt__arg_float(c, 3)));
}

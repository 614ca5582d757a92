/* SPDX-License-Identifier: MIT
 * The random ops: new tensors of samples, in-place fills, dropout, multinomial.
 */
#include "runtime/base/pool.h"
#include "runtime/ops/cpu/move.h"
#include "runtime/ops/cpu/random_fill.h"
#include "runtime/ops/op.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* A new tensor through `empty`, which checks sizes, device and requires_grad;
 * the four options stand at a[first]: generator, dtype, device, requires_grad. */
static rt_status make(rt__call *c, rt_value size, int first, rt_dtype otherwise)
{
    rt_value dtype = c->a[first + 1];
    rt_tensor *t = NULL;
    rt_status s = rt__check_sizes(c, size.count, size.ints);
    if (s) {
        return s;
    }
    if (dtype.kind != RT_K_DTYPE && otherwise != RT_DTYPE_NONE) {
        dtype = RT_V_DTYPE(otherwise);
    }
    s = rt__op1(RT_OP_empty, &t, c->err, 4, size, dtype,
                c->a[first + 2], c->a[first + 3]);
    return s ? s : rt__result_steal(c, 0, t);
}

static rt_value size_like(const rt_tensor *t)
{
    return RT_V_INTS(t->shape, t->ndim);
}

static rt_status want_floating(const rt__call *c, rt_dtype d)
{
    if (rt_dtype_is_floating(d)) {
        return RT_OK;
    }
    rt_fail(c->err, RT_E_DTYPE, "%s: cannot sample into %s; expected a "
                                "floating dtype", c->name, rt_dtype_name(d));
    rt_error_help(c->err, "for integers use randint");
    return RT_E_DTYPE;
}

static rt_status fill_result(rt__call *c, int first, bool normal)
{
    rt_tensor *t = c->r[0].t;
    rt_generator *g = rt__generator_of(&c->a[first]);
    rt_status s = want_floating(c, (rt_dtype)t->dtype);
    if (s == RT_OK && normal) {
        rt__sample_normal(g, t, 0, 1);
    } else if (s == RT_OK) {
        rt__sample_uniform(g, t, 0, 1);
    }
    return s;
}

/* --- new tensors -------------------------------------------------------------- */

RT_KERNEL(rand)
{
    rt_status s = make(c, c->a[0], 1, RT_DTYPE_NONE);
    return s ? s : fill_result(c, 1, false);
}

RT_KERNEL(randn)
{
    rt_status s = make(c, c->a[0], 1, RT_DTYPE_NONE);
    return s ? s : fill_result(c, 1, true);
}

RT_KERNEL(rand_like)
{
    rt_tensor *t = rt__arg(c, 0);
    rt_status s = make(c, size_like(t), 1, (rt_dtype)t->dtype);
    return s ? s : fill_result(c, 1, false);
}

RT_KERNEL(randn_like)
{
    rt_tensor *t = rt__arg(c, 0);
    rt_status s = make(c, size_like(t), 1, (rt_dtype)t->dtype);
    return s ? s : fill_result(c, 1, true);
}

static rt_status integers(rt__call *c, int64_t low, int64_t high, int size)
{
    if (low >= high) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "randint: the range [%lld, %lld) is empty; expected low "
                       "below high", (long long)low, (long long)high);
    }
    rt_status s = make(c, c->a[size], size + 1, RT_INT64);
    if (s == RT_OK) {
        rt__sample_integers(rt__generator_of(&c->a[size + 1]), c->r[0].t, low,
                          high);
    }
    return s;
}

RT_KERNEL(randint)
{
    return integers(c, 0, rt__arg_int(c, 0), 1);
}

RT_KERNEL(randint_low)
{
    return integers(c, rt__arg_int(c, 0), rt__arg_int(c, 1), 2);
}

RT_KERNEL(randperm)
{
    int64_t n = rt__arg_int(c, 0);
    if (n < 0) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "randperm: %lld elements; expected 0 or more",
                       (long long)n);
    }
    rt_status s = make(c, RT_V_INTS(&n, 1), 1, RT_INT64);
    rt_tensor *t = s ? NULL : c->r[0].t, *order = t;
    if (s == RT_OK && t->dtype != RT_INT64) {
        s = rt_tensor_new(&order, RT_INT64, 1, &n, c->err);
    }
    if (s == RT_OK) {
        rt__sample_permutation(rt__generator_of(&c->a[1]),
                             (int64_t *)order->data, n);
    }
    for (int64_t i = 0; s == RT_OK && order != t && i < n && !rt__stops_at(i);
         i++) {
        rt_dtype d = (rt_dtype)t->dtype;
        rt__store_int(d, t->data + i * (int64_t)rt_dtype_size(d),
                      ((int64_t *)order->data)[i]);
    }
    if (order != t) {
        rt_release(order);
    }
    return s;
}

/* Unit normals in the shape of mean and std (or `size`), scaled and shifted. */
RT_KERNEL(normal)
{
    rt_tensor *mean = rt__arg(c, 0), *std = rt__arg(c, 1), *t = NULL;
    int ndim = 0;
    int64_t shape[RT_MAX_DIMS];
    rt_status s = RT_OK;
    if (c->a[2].kind == RT_K_INTS) {
        ndim = c->a[2].count;
        memcpy(shape, c->a[2].ints, (size_t)ndim * sizeof *shape);
    } else {
        s = rt__broadcast(&ndim, shape, mean, std, c->name, c->err);
    }
    rt_dtype d = rt__result_type(mean, std);
    if (s == RT_OK) {
        s = rt_tensor_new(&t, rt_dtype_is_floating(d) ? d : rt_default_dtype(),
                          ndim, shape, c->err);
    }
    if (s) {
        return s;
    }
    rt__result_steal(c, 0, t);
    rt__sample_normal(rt__generator_of(&c->a[3]), t, 0, 1);
    s = rt__op0(RT_OP_mul_, c->err, 2, RT_V_TENSOR(t), RT_V_TENSOR(std));
    return s ? s : rt__op0(RT_OP_add_, c->err, 2, RT_V_TENSOR(t),
                           RT_V_TENSOR(mean));
}

/* p: dense probabilities; names the first that is none. */
static rt_status check_probabilities(const rt__call *c, const rt_tensor *p)
{
    rt_dtype d = (rt_dtype)p->dtype;
    for (int64_t i = 0; i < p->numel && !rt__stops_at(i); i++) {
        double v = rt__load_float(d, p->data + i * (int64_t)rt_dtype_size(d));
        if (!(v >= 0 && v <= 1)) {
            return rt_fail(c->err, RT_E_ARGUMENT,
                           "bernoulli: element %lld is %g; expected "
                           "probabilities from 0 to 1", (long long)i, v);
        }
    }
    return RT_OK;
}

RT_KERNEL(bernoulli)
{
    rt_tensor *p = NULL, *out = NULL;
    rt_status s = want_floating(c, (rt_dtype)rt__arg(c, 0)->dtype);
    s = s ? s : rt__dense(&p, rt__arg(c, 0), c->name, c->err);
    s = s ? s : check_probabilities(c, p);
    s = s ? s : rt_tensor_new(&out, (rt_dtype)p->dtype, p->ndim, p->shape,
                              c->err);
    if (s == RT_OK) {
        rt__sample_bernoulli_from(rt__generator_of(&c->a[1]), out, p);
        rt__result_steal(c, 0, out);
    }
    rt_release(p);
    return s;
}

/* --- in place ------------------------------------------------------------------ */

/* Dense room for the samples of self: self, or a twin that `put_back` copies. */
static rt_status take_room(rt_tensor **out, rt__call *c)
{
    rt_tensor *self = rt__arg(c, 0);
    if (self->flags & RT_F_CONTIGUOUS) {
        *out = rt_retain(self);
        return RT_OK;
    }
    return rt_tensor_new(out, (rt_dtype)self->dtype, self->ndim, self->shape,
                         c->err);
}

static rt_status put_back(rt__call *c, rt_tensor *room)
{
    rt_status s = RT_OK;
    if (room != rt__arg(c, 0)) {
        s = rt__move(rt__arg(c, 0), room, c->name, c->err);
    }
    rt_release(room);
    return s;
}

RT_KERNEL(uniform_)
{
    double from = rt__arg_float(c, 1), to = rt__arg_float(c, 2);
    rt_tensor *t;
    rt_status s = want_floating(c, (rt_dtype)rt__arg(c, 0)->dtype);
    if (s == RT_OK && !(from <= to)) {
        s = rt_fail(c->err, RT_E_ARGUMENT,
                    "uniform_: from=%g is above to=%g", from, to);
    }
    s = s ? s : take_room(&t, c);
    if (s) {
        return s;
    }
    rt__sample_uniform(rt__generator_of(&c->a[3]), t, from, to);
    return put_back(c, t);
}

RT_KERNEL(normal_)
{
    double mean = rt__arg_float(c, 1), std = rt__arg_float(c, 2);
    rt_tensor *t;
    rt_status s = want_floating(c, (rt_dtype)rt__arg(c, 0)->dtype);
    if (s == RT_OK && !(std >= 0)) {
        s = rt_fail(c->err, RT_E_ARGUMENT,
                    "normal_: std is %g; expected 0 or more", std);
    }
    s = s ? s : take_room(&t, c);
    if (s) {
        return s;
    }
    rt__sample_normal(rt__generator_of(&c->a[3]), t, mean, std);
    return put_back(c, t);
}

RT_KERNEL(bernoulli_)
{
    double p = rt__arg_float(c, 1);
    rt_tensor *t;
    if (!(p >= 0 && p <= 1)) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "bernoulli_: p is %g; expected 0 to 1", p);
    }
    rt_status s = take_room(&t, c);
    if (s) {
        return s;
    }
    rt__sample_bernoulli(rt__generator_of(&c->a[2]), t, p);
    return put_back(c, t);
}

RT_KERNEL(random_)
{
    bool full = !rt__arg_given(c, 2) && rt__arg_int(c, 1) == 0;
    int64_t from = rt__arg_int(c, 1);
    int64_t to = rt__arg_given(c, 2) ? rt__arg_int(c, 2) : INT64_MAX;
    rt_tensor *t;
    if (!full && from >= to) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "random_: the range [%lld, %lld) is empty",
                       (long long)from, (long long)to);
    }
    rt_status s = take_room(&t, c);
    if (s) {
        return s;
    }
    rt_generator *g = rt__generator_of(&c->a[3]);
    if (full) {
        rt__sample_integers_full(g, t);
    } else {
        rt__sample_integers(g, t, from, to);
    }
    return put_back(c, t);
}

RT_KERNEL(exponential_)
{
    double lambda = rt__arg_float(c, 1);
    rt_tensor *t;
    rt_status s = want_floating(c, (rt_dtype)rt__arg(c, 0)->dtype);
    if (s == RT_OK && !(lambda > 0)) {
        s = rt_fail(c->err, RT_E_ARGUMENT,
                    "exponential_: lambd is %g; expected more than 0", lambda);
    }
    s = s ? s : take_room(&t, c);
    if (s) {
        return s;
    }
    rt__sample_exponential(rt__generator_of(&c->a[2]), t, lambda);
    return put_back(c, t);
}

/* --- dropout --------------------------------------------------------------------- */

RT_KERNEL(dropout)
{
    double p = rt__arg_float(c, 1);
    rt_tensor *self = rt__arg(c, 0), *noise = NULL, *out = NULL;
    if (!(p >= 0 && p <= 1)) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "dropout: p is %g; expected a probability from 0 to 1",
                       p);
    }
    if (!c->a[2].i || p == 0 || self->numel == 0) {
        return rt__result_steal(c, 0, rt_retain(self));
    }
    rt_status s = want_floating(c, (rt_dtype)self->dtype);
    s = s ? s : rt_tensor_new(&noise, (rt_dtype)self->dtype, self->ndim,
                              self->shape, c->err);
    if (s == RT_OK) {
        rt__sample_bernoulli(rt_default_generator(), noise, 1 - p);
        if (p < 1) {
            s = rt__op0(RT_OP_div_, c->err, 2, RT_V_TENSOR(noise),
                        RT_V_FLOAT(1 - p));
        }
    }
    s = s ? s : rt__op1(RT_OP_mul, &out, c->err, 2, RT_V_TENSOR(self),
                        RT_V_TENSOR(noise));
    rt_release(noise);
    return s ? s : rt__result_steal(c, 0, out);
}

/* --- multinomial ------------------------------------------------------------------- */

typedef struct weights {
    rt_tensor *t;            /* dense, floating */
    int64_t rows, columns;
} weights;

#define COUNT_GOOD(TYPE)                                                       \
    do {                                                                       \
        const TYPE *v = (const TYPE *)(const void *)w->t->data +               \
                        row * w->columns;                                      \
        for (int64_t i = 0; i < w->columns; i++) {                             \
            good += v[i] >= 0 && v[i] <= most;                                 \
            positive += v[i] > 0;                                              \
        }                                                                      \
    } while (0)

/* Whether a row has nothing wrong; what it has is for check_row to say. */
static bool is_good_row(const weights *w, int64_t row, int64_t least)
{
    int64_t good = 0, positive = 0;
    if (w->t->dtype == RT_FLOAT32) {
        const float most = FLT_MAX;
        COUNT_GOOD(float);
    } else if (w->t->dtype == RT_FLOAT64) {
        const double most = DBL_MAX;
        COUNT_GOOD(double);
    }
    return good == w->columns && positive >= least;
}

static rt_status check_row(const rt__call *c, const weights *w, int64_t row,
                           int64_t wanted, bool replacement)
{
    rt_dtype d = (rt_dtype)w->t->dtype;
    double sum = 0;
    int64_t positive = 0;
    if (is_good_row(w, row, replacement || wanted < 1 ? 1 : wanted)) {
        return RT_OK;
    }
    for (int64_t i = 0; i < w->columns; i++) {
        const char *p = w->t->data + (row * w->columns + i) *
                                         (int64_t)rt_dtype_size(d);
        double v = rt__load_float(d, p);
        if (!(v >= 0) || isinf(v)) {
            return rt_fail(c->err, RT_E_ARGUMENT,
                           "multinomial: weight %lld of row %lld is %g; "
                           "expected finite weights, 0 or more", (long long)i,
                           (long long)row, v);
        }
        sum += v;
        positive += v > 0;
    }
    if (!(sum > 0)) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "multinomial: the weights of row %lld add up to 0",
                       (long long)row);
    }
    if (!replacement && wanted > positive) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "multinomial: %lld samples without replacement, but "
                       "row %lld has %lld positive weights",
                       (long long)wanted, (long long)row, (long long)positive);
    }
    return RT_OK;
}

/* The largest of weight / exponential are a sample without replacement
 * (Efraimidis and Spirakis 2006); PyTorch's way too. */
static rt_status without_replacement(rt__call *c, const weights *w,
                                     int64_t wanted, rt_tensor **out)
{
    rt_tensor *q = NULL, *keys = NULL;
    rt_value found[RT_MAX_RESULTS] = {RT_UNSET};
    rt_status s = rt_tensor_new(&q, (rt_dtype)w->t->dtype, w->t->ndim,
                                w->t->shape, c->err);
    if (s == RT_OK) {
        rt__sample_exponential(rt__generator_of(&c->a[3]), q, 1);
        s = rt__op1(RT_OP_div, &keys, c->err, 2, RT_V_TENSOR(w->t),
                    RT_V_TENSOR(q));
    }
    if (s == RT_OK && wanted == 1) {
        s = rt__op1(RT_OP_argmax, out, c->err, 3, RT_V_TENSOR(keys),
                    RT_V_INT(-1), RT_V_BOOL(true));
    } else if (s == RT_OK) {
        rt_value args[] = {RT_V_TENSOR(keys), RT_V_INT(wanted)};
        s = rt__opn(RT_OP_topk, found, c->err, args, 2);
        *out = s ? NULL : rt_retain(found[1].t);
        rt_value_release(&found[0]);
        rt_value_release(&found[1]);
    }
    rt_release(q);
    rt_release(keys);
    return s;
}

/* How many of the shares are below u; the last index at most. */
static int64_t search(const double *shares, int64_t n, double u)
{
    int64_t low = 0;
    for (int64_t left = n; left > 1; left -= left / 2) {
        low += -(int64_t)(shares[low + left / 2 - 1] < u) & (left / 2);
    }
    low += shares[low] < u;
    return low < n ? low : n - 1;
}

enum { SEARCHES = 4096 };    /* between looks for an interrupt: some 100 ns each */

/* Samples, drawn in their order, lie as doubles where their answers go. */
typedef struct drawing {
    const weights *w;
    double *shares;          /* a row for each row of weights */
    rt_tensor *out;
    int64_t wanted;
} drawing;

static void draw_rows(void *ctx, int64_t begin, int64_t end)
{
    const drawing *d = ctx;
    const weights *w = d->w;
    rt_dtype t = (rt_dtype)w->t->dtype;
    int64_t n = w->columns, size = (int64_t)rt_dtype_size(t);
    for (int64_t r = begin; r < end; r++) {
        double sum = 0, *shares = d->shares + r * n;
        const char *p = w->t->data + r * n * size;
        for (int64_t i = 0; i < n && !rt__stops_at(i); i++) {
            sum += t == RT_FLOAT32 ? (double)((const float *)(const void *)p)[i]
                                   : rt__load_float(t, p + i * size);
            shares[i] = sum;
        }
        for (int64_t i = 0; i < n && !rt__stops_at(i); i++) {
            shares[i] /= sum;
        }
        int64_t *out = (int64_t *)d->out->data + r * d->wanted;
        for (int64_t k = 0; k < d->wanted; k++) {
            double u;
            if (k % SEARCHES == SEARCHES - 1 && rt_interrupted()) {
                return;
            }
            memcpy(&u, &out[k], sizeof u);
            out[k] = search(shares, n, u);
        }
    }
}

static rt_status with_replacement(rt__call *c, const weights *w, int64_t wanted,
                                  rt_tensor *out)
{
    rt_generator *g = rt__generator_of(&c->a[3]);
    drawing d = {.w = w, .out = out, .wanted = wanted};
    d.shares = rt_alloc((size_t)(w->rows * w->columns) * sizeof *d.shares);
    if (!d.shares) {
        return rt_fail(c->err, RT_E_MEMORY, "multinomial: not enough memory");
    }
    rt__generator_lock(g);
    for (int64_t i = 0; i < out->numel && !rt__stops_at(i); i++) {
        double u = rt__random_f53(g);
        memcpy((int64_t *)out->data + i, &u, sizeof u);
    }
    rt__generator_unlock(g);
    if (!rt_interrupted()) {
        rt__parallel(w->rows, 16384 / (w->columns + 8 * wanted) + 1, draw_rows,
                     &d);
    }
    rt_free(d.shares);
    return RT_OK;
}

static rt_status read_weights(rt__call *c, weights *w, int64_t wanted)
{
    rt_tensor *self = rt__arg(c, 0);
    bool replacement = c->a[2].i != 0;
    char text[96];
    rt_status s = want_floating(c, (rt_dtype)self->dtype);
    if (s == RT_OK && (self->ndim < 1 || self->ndim > 2 || !self->numel)) {
        s = rt_fail(c->err, RT_E_SHAPE,
                    "multinomial: weights of shape %s; expected [n] or "
                    "[rows, n], not empty",
                    rt__shape_format(text, sizeof text, self->ndim,
                                     self->shape));
    }
    if (s == RT_OK && wanted < 1) {
        s = rt_fail(c->err, RT_E_ARGUMENT,
                    "multinomial: %lld samples; expected 1 or more",
                    (long long)wanted);
    }
    if (s) {
        return s;
    }
    w->rows = self->ndim == 2 ? self->shape[0] : 1;
    w->columns = self->shape[self->ndim - 1];
    s = rt__dense(&w->t, self, c->name, c->err);
    for (int64_t r = 0; s == RT_OK && r < w->rows; r++) {
        s = check_row(c, w, r, wanted, replacement);
    }
    return s;
}

RT_KERNEL(multinomial)
{
    int64_t wanted = rt__arg_int(c, 1);
    weights w = {0};
    rt_tensor *out = NULL;
    rt_status s = read_weights(c, &w, wanted);
    if (s == RT_OK && (!c->a[2].i || wanted == 1)) {
        s = without_replacement(c, &w, wanted, &out);
    } else if (s == RT_OK) {
        int64_t shape[] = {w.rows, wanted};
        int skip = w.t->ndim == 1;
        s = rt_tensor_new(&out, RT_INT64, 2 - skip, shape + skip, c->err);
        s = s ? s : with_replacement(c, &w, wanted, out);
    }
    rt_release(w.t);
    if (s) {
        rt_release(out);
        return s;
    }
    return rt__result_steal(c, 0, out);
}

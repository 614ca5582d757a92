/* SPDX-License-Identifier: MIT
 * Initialisation in place: the nn.init family. Draws come in PyTorch's order,
 * bounds are computed in float64 as Python does.
 */
#include "runtime/nn/module.h"

#include <math.h>
#include <string.h>

/* --- filling without recording ------------------------------------------------ */

static rt_status fill(rt_op_id op, rt_tensor *t, rt_error *err, int n,
                      rt_value a, rt_value b, rt_value generator)
{
    bool was = rt_set_grad_enabled(false);
    rt_status st = n == 1 ? rt__op0(op, err, 2, RT_V_TENSOR(t), a)
                          : rt__op0(op, err, 4, RT_V_TENSOR(t), a, b, generator);
    rt_set_grad_enabled(was);
    return st;
}

rt_status rt__fill_uniform(rt_tensor *t, double low, double high, rt_error *err)
{
    return fill(RT_OP_uniform_, t, err, 2, RT_V_FLOAT(low), RT_V_FLOAT(high),
                RT_NONE);
}

rt_status rt__fill_normal(rt_tensor *t, double mean, double std, rt_error *err)
{
    return fill(RT_OP_normal_, t, err, 2, RT_V_FLOAT(mean), RT_V_FLOAT(std),
                RT_NONE);
}

rt_status rt__fill_value(rt_tensor *t, double value, rt_error *err)
{
    return fill(RT_OP_fill_, t, err, 1, RT_V_FLOAT(value), RT_NONE, RT_NONE);
}

/* --- fans and gains ------------------------------------------------------------- */

typedef struct fans {
    double in, out;
} fans;

static rt_status fans_of(fans *f, const rt_tensor *t, const char *who,
                         rt_error *err)
{
    int n = rt_tensor_ndim(t);
    if (n < 2) {
        return rt_fail(err, RT_E_SHAPE,
                       "%s: a tensor of at least 2 dimensions is needed, "
                       "this one has %d", who, n);
    }
    const int64_t *s = rt_tensor_shape(t);
    double field = 1;
    for (int i = 2; i < n; i++) {
        field *= (double)s[i];
    }
    f->in = (double)s[1] * field;
    f->out = (double)s[0] * field;
    return RT_OK;
}

rt_status rt_init_gain(double *out, const char *nonlinearity, double param,
                       rt_error *err)
{
    static const struct { const char *name; double gain; } table[] = {
        {"linear", 1}, {"conv1d", 1}, {"conv2d", 1}, {"conv3d", 1},
        {"sigmoid", 1}, {"tanh", 5.0 / 3}, {"relu", 0}, {"leaky_relu", 0},
        {"selu", 3.0 / 4},
    };
    if (strcmp(nonlinearity, "relu") == 0) {
        *out = sqrt(2.0);
        return RT_OK;
    }
    if (strcmp(nonlinearity, "leaky_relu") == 0) {
        *out = sqrt(2.0 / (1 + param * param));
        return RT_OK;
    }
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].name, nonlinearity) == 0) {
            *out = table[i].gain;
            return RT_OK;
        }
    }
    return rt_fail(err, RT_E_ARGUMENT, "calculate_gain: unknown nonlinearity "
                   "'%s'", nonlinearity);
}

rt_status rt__fill_linear(rt_tensor *weight, rt_tensor *bias, rt_error *err)
{
    fans f;
    double gain, a = sqrt(5.0);
    rt_status st = fans_of(&f, weight, "Linear", err);
    if (!st) {
        st = rt_init_gain(&gain, "leaky_relu", a, err);
    }
    if (!st && f.in > 0) {
        double bound = sqrt(3.0) * (gain / sqrt(f.in));
        st = rt__fill_uniform(weight, -bound, bound, err);
    }
    if (!st && bias) {
        double bound = f.in > 0 ? 1 / sqrt(f.in) : 0;
        st = rt__fill_uniform(bias, -bound, bound, err);
    }
    return st;
}

/* --- the nn.init family: a[0] is the tensor ----------------------------------------- */

static double number(const rt_value *v)
{
    return v->kind == RT_K_FLOAT ? v->f : (double)v->i;
}

static rt_status fill_uniform_(const rt_value *a, rt_error *err)
{
    return fill(RT_OP_uniform_, a[0].t, err, 2, a[1], a[2], a[3]);
}

static rt_status fill_normal_(const rt_value *a, rt_error *err)
{
    return fill(RT_OP_normal_, a[0].t, err, 2, a[1], a[2], a[3]);
}

static rt_status fill_constant_(const rt_value *a, rt_error *err)
{
    return rt__fill_value(a[0].t, number(&a[1]), err);
}

static rt_status fill_ones_(const rt_value *a, rt_error *err)
{
    return rt__fill_value(a[0].t, 1, err);
}

static rt_status fill_zeros_(const rt_value *a, rt_error *err)
{
    return rt__fill_value(a[0].t, 0, err);
}

static rt_status fill_eye_(const rt_value *a, rt_error *err)
{
    rt_tensor *t = a[0].t, *diagonal;
    if (rt_tensor_ndim(t) != 2) {
        return rt_fail(err, RT_E_SHAPE, "eye_: only matrices, this tensor has "
                       "%d dimensions", rt_tensor_ndim(t));
    }
    rt_status st = rt__fill_value(t, 0, err);
    bool was = rt_set_grad_enabled(false);
    if (!st
        && !(st = rt__op1(RT_OP_diagonal, &diagonal, err, 1, RT_V_TENSOR(t)))) {
        st = rt__fill_value(diagonal, 1, err);
        rt_release(diagonal);
    }
    rt_set_grad_enabled(was);
    return st;
}

static rt_status xavier(const rt_value *a, bool normal, rt_error *err)
{
    fans f;
    rt_status st = fans_of(&f, a[0].t, "xavier", err);
    if (st) {
        return st;
    }
    double std = number(&a[1]) * sqrt(2.0 / (f.in + f.out));
    double bound = sqrt(3.0) * std;
    return normal ? fill(RT_OP_normal_, a[0].t, err, 2, RT_V_FLOAT(0),
                         RT_V_FLOAT(std), a[2])
                  : fill(RT_OP_uniform_, a[0].t, err, 2, RT_V_FLOAT(-bound),
                         RT_V_FLOAT(bound), a[2]);
}

static rt_status fill_xavier_uniform_(const rt_value *a, rt_error *err)
{
    return xavier(a, false, err);
}

static rt_status fill_xavier_normal_(const rt_value *a, rt_error *err)
{
    return xavier(a, true, err);
}

static rt_status kaiming(const rt_value *a, bool normal, rt_error *err)
{
    fans f;
    double gain;
    if (rt_tensor_numel(a[0].t) == 0) {
        return RT_OK;
    }
    rt_status st = fans_of(&f, a[0].t, "kaiming", err);
    if (st || (st = rt_init_gain(&gain, a[3].s, number(&a[1]), err))) {
        return st;
    }
    bool in = strcmp(a[2].s, "fan_in") == 0;
    if (!in && strcmp(a[2].s, "fan_out") != 0) {
        return rt_fail(err, RT_E_ARGUMENT, "kaiming: mode is 'fan_in' or "
                       "'fan_out', not '%s'", a[2].s);
    }
    double std = gain / sqrt(in ? f.in : f.out), bound = sqrt(3.0) * std;
    return normal ? fill(RT_OP_normal_, a[0].t, err, 2, RT_V_FLOAT(0),
                         RT_V_FLOAT(std), a[4])
                  : fill(RT_OP_uniform_, a[0].t, err, 2, RT_V_FLOAT(-bound),
                         RT_V_FLOAT(bound), a[4]);
}

static rt_status fill_kaiming_uniform_(const rt_value *a, rt_error *err)
{
    return kaiming(a, false, err);
}

static rt_status fill_kaiming_normal_(const rt_value *a, rt_error *err)
{
    return kaiming(a, true, err);
}

/* --- the cut-off normal distribution ------------------------------------------------ */

/* Samples for the elements that are still wanted come from fresh draws of the
 * whole tensor, as PyTorch makes them. */
typedef struct cut {
    rt_tensor *t;
    double mean, std, low, high, peak;
    rt_value generator;
} cut;

static rt_status fresh(rt_tensor **out, const cut *c, bool normal, double a,
                       double b, rt_error *err)
{
    rt_status st = rt__op1(RT_OP_empty_like, out, err, 1, RT_V_TENSOR(c->t));
    if (!st) {
        st = fill(normal ? RT_OP_normal_ : RT_OP_uniform_, *out, err, 2,
                  RT_V_FLOAT(a), RT_V_FLOAT(b), c->generator);
        if (st) {
            rt_release(*out);
        }
    }
    return st;
}

static double get(const rt_tensor *t, int64_t i)
{
    rt_dtype d = rt_tensor_dtype(t);
    return rt__load_float(d, (char *)rt_tensor_data(t)
                                 + (size_t)i * rt_dtype_size(d));
}

static void set(rt_tensor *t, int64_t i, double v)
{
    rt_dtype d = rt_tensor_dtype(t);
    rt__store_float(d, (char *)rt_tensor_data(t)
                           + (size_t)i * rt_dtype_size(d), v);
}

/* Where the interval holds much of the mass: normal samples, outliers anew. */
static rt_status cut_by_rejection(const cut *c, rt_error *err)
{
    rt_status st = fill(RT_OP_normal_, c->t, err, 2, RT_V_FLOAT(c->mean),
                        RT_V_FLOAT(c->std), c->generator);
    for (bool outside = true; outside && !st;) {
        rt_tensor *draw = NULL;
        outside = false;
        for (int64_t i = 0; i < rt_tensor_numel(c->t) && !st; i++) {
            double v = get(c->t, i);
            if (v < c->low || v > c->high) {
                outside = true;
                st = draw ? RT_OK
                          : fresh(&draw, c, true, c->mean, c->std, err);
                if (!st) {
                    set(c->t, i, get(draw, i));
                }
            }
        }
        rt_release(draw);
    }
    return st;
}

/* In the tails: uniform samples, taken with the density's probability. */
static rt_status cut_by_density(const cut *c, rt_error *err)
{
    int64_t n = rt_tensor_numel(c->t), left = n;
    bool *taken = rt_alloc((size_t)n + 1);
    if (!taken) {
        return rt_fail(err, RT_E_MEMORY, "trunc_normal_: no memory");
    }
    memset(taken, 0, (size_t)n + 1);
    rt_status st = RT_OK;
    while (left && !st) {
        rt_tensor *draw = NULL, *lot = NULL;
        st = fresh(&draw, c, false, c->low, c->high, err);
        st = st ? st : fresh(&lot, c, false, 0, 1, err);
        for (int64_t i = 0; i < n && !st; i++) {
            double v = get(draw, i), z = (v - c->mean) / c->std;
            if (taken[i]) {
                continue;
            }
            set(c->t, i, v);
            taken[i] = !(log(get(lot, i)) > -0.5 * z * z - c->peak);
            left -= taken[i];
        }
        rt_release(draw);
        rt_release(lot);
    }
    rt_free(taken);
    return st;
}

static double below(double z)
{
    return (1 + erf(z / sqrt(2))) / 2;
}

static rt_status fill_trunc_normal_(const rt_value *a, rt_error *err)
{
    cut c = {a[0].t, number(&a[1]), number(&a[2]), number(&a[3]), number(&a[4]),
             0, a[5]};
    if (!rt_tensor_is_contiguous(c.t)
        || !rt_dtype_is_floating(rt_tensor_dtype(c.t))) {
        return rt_fail(err, RT_E_ARGUMENT, "trunc_normal_: a contiguous tensor "
                       "of floats is needed");
    }
    if (!(c.low < c.high) || !(c.std > 0)) {
        return rt_fail(err, RT_E_ARGUMENT, "trunc_normal_: needs a < b and a "
                       "positive std, got a=%g, b=%g, std=%g", c.low, c.high,
                       c.std);
    }
    bool was = rt_set_grad_enabled(false);
    rt_status st;
    if (below((c.high - c.mean) / c.std) - below((c.low - c.mean) / c.std)
        > 0.3) {
        st = cut_by_rejection(&c, err);
    } else {
        double mode = fmax(c.low, fmin(c.mean, c.high)) - c.mean;
        c.peak = -0.5 * (mode / c.std) * (mode / c.std);
        st = cut_by_density(&c, err);
    }
    rt_tensor_bump_version(c.t);
    rt_set_grad_enabled(was);
    return st;
}

/* --- orthogonal matrices --------------------------------------------------------------- */

/* Q of a QR decomposition of `a` [rows, cols], rows >= cols, by Gram-Schmidt
 * done twice in float64; columns' signs as the diagonal of R. */
static void orthonormal_columns(double *a, int64_t rows, int64_t cols)
{
    for (int64_t j = 0; j < cols; j++) {
        for (int pass = 0; pass < 2; pass++) {
            for (int64_t k = 0; k < j; k++) {
                double dot = 0;
                for (int64_t i = 0; i < rows; i++) {
                    dot += a[i * cols + k] * a[i * cols + j];
                }
                for (int64_t i = 0; i < rows; i++) {
                    a[i * cols + j] -= dot * a[i * cols + k];
                }
            }
        }
        double norm = 0;
        for (int64_t i = 0; i < rows; i++) {
            norm += a[i * cols + j] * a[i * cols + j];
        }
        norm = sqrt(norm);
        for (int64_t i = 0; i < rows && norm > 0; i++) {
            a[i * cols + j] /= norm;
        }
    }
}

static void orthogonal_store(rt_tensor *t, const double *q, int64_t rows,
                             int64_t cols, bool turned, double gain)
{
    rt_dtype d = rt_tensor_dtype(t);
    char *p = rt_tensor_data(t);
    size_t size = rt_dtype_size(d);
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < cols; j++, p += size) {
            double v = turned ? q[j * rows + i] : q[i * cols + j];
            rt__store_float(d, p, gain * v);
        }
    }
}

static rt_status fill_orthogonal_(const rt_value *a, rt_error *err)
{
    rt_tensor *t = a[0].t;
    if (rt_tensor_ndim(t) < 2) {
        return rt_fail(err, RT_E_SHAPE, "orthogonal_: a tensor of at least 2 "
                       "dimensions is needed");
    }
    if (!rt_tensor_is_contiguous(t)
        || !rt_dtype_is_floating(rt_tensor_dtype(t))) {
        return rt_fail(err, RT_E_ARGUMENT, "orthogonal_: a contiguous tensor "
                       "of floats is needed");
    }
    int64_t n = rt_tensor_numel(t);
    if (n == 0) {
        return RT_OK;
    }
    int64_t rows = rt_tensor_shape(t)[0], cols = n / rows;
    bool turned = rows < cols;
    double *q = rt_alloc((size_t)n * sizeof *q);
    if (!q) {
        return rt_fail(err, RT_E_MEMORY, "orthogonal_: no memory");
    }
    rt_status st = fill(RT_OP_normal_, t, err, 2, RT_V_FLOAT(0), RT_V_FLOAT(1),
                        a[2]);
    if (!st) {
        rt_dtype d = rt_tensor_dtype(t);
        char *p = rt_tensor_data(t);
        for (int64_t i = 0; i < n; i++) {
            int64_t r = i / cols, c = i % cols;
            q[turned ? c * rows + r : i] =
                rt__load_float(d, p + (size_t)i * rt_dtype_size(d));
        }
        orthonormal_columns(q, turned ? cols : rows, turned ? rows : cols);
        orthogonal_store(t, q, rows, cols, turned, number(&a[1]));
        rt_tensor_bump_version(t);
    }
    rt_free(q);
    return st;
}

/* --- the catalog -------------------------------------------------------------------- */

struct rt_init {
    const char *name, *schema, *doc;
    rt_status (*fill)(const rt_value *args, rt_error *err);
};

static const rt_init inits[] = {
#define INIT(id, schema, doc) {#id, schema, doc, fill_##id},
#include "runtime/nn/init.def"
#undef INIT
};
enum { INIT_COUNT = sizeof inits / sizeof *inits };

int rt_init_count(void)
{
    return INIT_COUNT;
}

const rt_init *rt_init_at(int index)
{
    return index >= 0 && index < INIT_COUNT ? &inits[index] : NULL;
}

const rt_init *rt_init_find(const char *name)
{
    for (int i = 0; i < INIT_COUNT; i++) {
        if (strcmp(inits[i].name, name) == 0) {
            return &inits[i];
        }
    }
    return NULL;
}

const char *rt_init_name(const rt_init *i)
{
    return i->name;
}

const char *rt_init_doc(const rt_init *i)
{
    return i->doc;
}

const rt_signature *rt_init_signature(const rt_init *i)
{
    static rt_signature *_Atomic cache[INIT_COUNT];
    return rt__catalog_signature(&cache[i - inits], i->schema);
}

rt_status rt_init_apply(const rt_init *i, const rt_value *args, int npos,
                        const rt_value *named, const char *const *names,
                        int nnamed, rt_error *err)
{
    const rt_signature *sig = rt_init_signature(i);
    rt_frame frame;
    if (!sig) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory", i->name);
    }
    rt_status st = rt_bind(&frame, sig, args, npos, named, names, nnamed, err);
    for (int k = 0; k < sig->nparams && !st; k++) {
        if (frame.value[k].kind == RT_K_UNSET) {
            frame.value[k] = sig->params[k].value;
        }
    }
    if (!st && frame.value[0].kind != RT_K_TENSOR) {
        return rt_fail(err, RT_E_TYPE, "%s: the first argument is not a tensor",
                       i->name);
    }
    return st ? st : i->fill(frame.value, err);
}

/* SPDX-License-Identifier: MIT
 * Initialisation: the nn.init family, and what each layer starts with. Draws
 * come in PyTorch's order, bounds are computed in float64 as Python does.
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

/* --- what layers start with ------------------------------------------------------------ */

rt_dtype rt__layer_dtype(const rt_module *m)
{
    const rt_value *v = rt__option(m, "dtype");
    return v && v->kind == RT_K_DTYPE ? (rt_dtype)v->dtype
                                      : rt_default_dtype();
}

rt_status rt__layer_parameter(rt_module *m, const char *name, int ndim,
                              const int64_t *shape, rt_tensor **borrowed,
                              rt_error *err)
{
    rt_tensor *t;
    rt_status st = rt_tensor_new(&t, rt__layer_dtype(m), ndim, shape, err);
    if (st) {
        return st;
    }
    if (!(st = rt_set_requires_grad(t, true, err))
        && !(st = rt_module_set_parameter(m, name, t, err))) {
        *borrowed = t;
    }
    rt_release(t);
    return st;
}

rt_status rt__layer_buffer(rt_module *m, const char *name, rt_dtype dtype,
                           int ndim, const int64_t *shape, double value,
                           rt_error *err)
{
    rt_tensor *t;
    rt_status st = rt_tensor_new(&t, dtype, ndim, shape, err);
    if (st) {
        return st;
    }
    if (!(st = rt__fill_value(t, value, err))) {
        st = rt_module_set_buffer(m, name, t, true, err);
    }
    rt_release(t);
    return st;
}

/* A parameter filled with one value, or None where `on` is false. */
static rt_status constant_parameter(rt_module *m, const char *name, bool on,
                                    int ndim, const int64_t *shape,
                                    double value, rt_error *err)
{
    rt_tensor *t;
    if (!on) {
        return rt_module_set_parameter(m, name, NULL, err);
    }
    rt_status st = rt__layer_parameter(m, name, ndim, shape, &t, err);
    return st ? st : rt__fill_value(t, value, err);
}

static rt_status positive(const rt_module *m, const char *name, int64_t low,
                          rt_error *err)
{
    int64_t v = rt__option_int(m, name);
    if (v >= low) {
        return RT_OK;
    }
    return rt_fail(err, RT_E_ARGUMENT, "%s: %s must be at least %lld, got %lld",
                   m->cls->name, name, (long long)low, (long long)v);
}

static rt_status weight_and_bias(rt_module *m, int ndim, const int64_t *shape,
                                 rt_tensor **w, rt_tensor **b, rt_error *err)
{
    rt_status st = rt__layer_parameter(m, "weight", ndim, shape, w, err);
    *b = NULL;
    if (st) {
        return st;
    }
    return rt__option_bool(m, "bias")
               ? rt__layer_parameter(m, "bias", 1, shape, b, err)
               : rt_module_set_parameter(m, "bias", NULL, err);
}

RT_LAYER_INIT(linear)
{
    rt_tensor *w, *b;
    rt_status st;
    int64_t shape[2] = {rt__option_int(m, "out_features"),
                        rt__option_int(m, "in_features")};
    if ((st = positive(m, "in_features", 0, err))
        || (st = positive(m, "out_features", 0, err))
        || (st = weight_and_bias(m, 2, shape, &w, &b, err))) {
        return st;
    }
    return rt__fill_linear(w, b, err);
}

RT_LAYER_INIT(bilinear)
{
    rt_tensor *w, *b;
    rt_status st;
    int64_t shape[3] = {rt__option_int(m, "out_features"),
                        rt__option_int(m, "in1_features"),
                        rt__option_int(m, "in2_features")};
    if ((st = positive(m, "in1_features", 1, err))
        || (st = positive(m, "in2_features", 0, err))
        || (st = positive(m, "out_features", 0, err))
        || (st = weight_and_bias(m, 3, shape, &w, &b, err))) {
        return st;
    }
    double bound = 1 / sqrt((double)shape[1]);
    st = rt__fill_uniform(w, -bound, bound, err);
    return st || !b ? st : rt__fill_uniform(b, -bound, bound, err);
}

RT_LAYER_INIT(containers)
{
    return RT_OK;   /* children came with the arguments */
}

RT_LAYER_INIT(dropout)
{
    double p = rt__option_float(m, "p");
    if (p >= 0 && p <= 1) {
        return RT_OK;
    }
    return rt_fail(err, RT_E_ARGUMENT,
                   "Dropout: p is a probability, got %g", p);
}

RT_LAYER_INIT(prelu)
{
    int64_t n = rt__option_int(m, "num_parameters");
    rt_status st = positive(m, "num_parameters", 1, err);
    return st ? st : constant_parameter(m, "weight", true, 1, &n,
                                        rt__option_float(m, "init"), err);
}

RT_LAYER_INIT(layer_norm)
{
    const rt_value *v = rt__option(m, "normalized_shape");
    bool affine = rt__option_bool(m, "elementwise_affine");
    bool bias = affine && rt__option_bool(m, "bias");
    rt_status st = constant_parameter(m, "weight", affine, v->count, v->ints, 1,
                                      err);
    return st ? st : constant_parameter(m, "bias", bias, v->count, v->ints, 0,
                                        err);
}

static rt_status affine_channels(rt_module *m, int64_t c, rt_error *err)
{
    bool affine = rt__option_bool(m, "affine");
    bool bias = affine && rt__option_bool(m, "bias");
    rt_status st = constant_parameter(m, "weight", affine, 1, &c, 1, err);
    return st ? st : constant_parameter(m, "bias", bias, 1, &c, 0, err);
}

RT_LAYER_INIT(group_norm)
{
    int64_t groups = rt__option_int(m, "num_groups");
    int64_t c = rt__option_int(m, "num_channels");
    rt_status st = positive(m, "num_groups", 1, err);
    if (!st && c % groups) {
        return rt_fail(err, RT_E_ARGUMENT, "GroupNorm: num_channels (%lld) "
                       "must be divisible by num_groups (%lld)", (long long)c,
                       (long long)groups);
    }
    return st ? st : affine_channels(m, c, err);
}

RT_LAYER_INIT(batch_norm)
{
    int64_t c = rt__option_int(m, "num_features");
    rt_status st = positive(m, "num_features", 1, err);
    if (st || (st = affine_channels(m, c, err))) {
        return st;
    }
    if (!rt__option_bool(m, "track_running_stats")) {
        (void)((st = rt_module_set_buffer(m, "running_mean", NULL, true, err))
               || (st = rt_module_set_buffer(m, "running_var", NULL, true, err))
               || (st = rt_module_set_buffer(m, "num_batches_tracked", NULL,
                                             true, err)));
        return st;
    }
    rt_dtype d = rt__layer_dtype(m);
    (void)((st = rt__layer_buffer(m, "running_mean", d, 1, &c, 0, err))
           || (st = rt__layer_buffer(m, "running_var", d, 1, &c, 1, err))
           || (st = rt__layer_buffer(m, "num_batches_tracked", RT_INT64, 0,
                                     NULL, 0, err)));
    return st;
}

static rt_status check_conv(rt_module *m, rt_error *err)
{
    rt_status st = positive(m, "groups", 1, err);
    if (st) {
        return st;
    }
    int64_t groups = rt__option_int(m, "groups");
    const char *const both[] = {"in_channels", "out_channels"};
    for (int i = 0; i < 2; i++) {
        int64_t c = rt__option_int(m, both[i]);
        if (c < 1 || c % groups) {
            return rt_fail(err, RT_E_ARGUMENT, "Conv2d: %s must be a positive "
                           "multiple of groups (%lld), got %lld", both[i],
                           (long long)groups, (long long)c);
        }
    }
    const char *mode = rt__option(m, "padding_mode")->s;
    if (strcmp(mode, "zeros") != 0) {
        return rt_fail(err, RT_E_UNSUPPORTED, "Conv2d: padding_mode '%s' is "
                       "not available, only 'zeros'", mode);
    }
    const int64_t *k = rt__option(m, "kernel_size")->ints;
    const int64_t *s = rt__option(m, "stride")->ints;
    bool same = rt__option(m, "padding")->ints[0] == -1;
    for (int i = 0; i < 2; i++) {
        if (k[i] < 1 || s[i] < 1) {
            return rt_fail(err, RT_E_ARGUMENT, "Conv2d: kernel_size and stride "
                           "must be positive");
        }
        if (same && s[i] != 1) {
            return rt_fail(err, RT_E_ARGUMENT, "Conv2d: padding='same' needs "
                           "stride 1");
        }
    }
    return RT_OK;
}

RT_LAYER_INIT(conv2d)
{
    rt_status st;
    if ((st = rt__option_spread(m, "kernel_size", 2, err))
        || (st = rt__option_spread(m, "stride", 2, err))
        || (st = rt__option_spread(m, "padding", 2, err))
        || (st = rt__option_spread(m, "dilation", 2, err))
        || (st = check_conv(m, err))) {
        return st;
    }
    const int64_t *k = rt__option(m, "kernel_size")->ints;
    int64_t shape[4] = {rt__option_int(m, "out_channels"),
                        rt__option_int(m, "in_channels")
                            / rt__option_int(m, "groups"), k[0], k[1]};
    rt_tensor *w, *b;
    st = weight_and_bias(m, 4, shape, &w, &b, err);
    return st ? st : rt__fill_linear(w, b, err);
}

/* stride defaults to the window. */
RT_LAYER_INIT(pool2d)
{
    rt_value *stride = (rt_value *)rt__option(m, "stride");
    const rt_value *k = rt__option(m, "kernel_size");
    for (int i = 0; i < k->count; i++) {
        if (k->ints[i] < 1) {
            return rt_fail(err, RT_E_ARGUMENT,
                           "%s: kernel_size must be positive", m->cls->name);
        }
    }
    return stride->kind == RT_K_NONE ? rt__value_copy(stride, k, err) : RT_OK;
}

RT_LAYER_INIT(embedding)
{
    int64_t shape[2] = {rt__option_int(m, "num_embeddings"),
                        rt__option_int(m, "embedding_dim")};
    rt_value *pad = (rt_value *)rt__option(m, "padding_idx");
    rt_tensor *w, *row;
    rt_status st;
    if ((st = positive(m, "num_embeddings", 0, err))
        || (st = positive(m, "embedding_dim", 0, err))) {
        return st;
    }
    if (pad->kind == RT_K_INT && (pad->i >= shape[0] || pad->i < -shape[0])) {
        return rt_fail(err, RT_E_ARGUMENT, "Embedding: padding_idx %lld is "
                       "outside %lld rows", (long long)pad->i,
                       (long long)shape[0]);
    }
    if ((st = rt__layer_parameter(m, "weight", 2, shape, &w, err))
        || (st = rt__fill_normal(w, 0, 1, err)) || pad->kind != RT_K_INT) {
        return st;
    }
    pad->i += pad->i < 0 ? shape[0] : 0;
    bool was = rt_set_grad_enabled(false);
    st = rt__op1(RT_OP_select, &row, err, 3, RT_V_TENSOR(w), RT_V_INT(0), *pad);
    if (!st) {
        st = rt__fill_value(row, 0, err);
        rt_release(row);
    }
    rt_set_grad_enabled(was);
    return st;
}

/* SPDX-License-Identifier: MIT
 * What each layer starts with: options checked, parameters and buffers made and
 * filled, in the order in which PyTorch draws them.
 */
#include "runtime/nn/module.h"

#include <math.h>
#include <string.h>

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

RT_LAYER_INIT(instance_norm)
{
    rt_status st = positive(m, "num_features", 1, err);
    if (!st && rt__option_bool(m, "track_running_stats")) {
        return rt_fail(err, RT_E_UNSUPPORTED,
                       "%s: running statistics are not kept", m->cls->name);
    }
    return st ? st : affine_channels(m, rt__option_int(m, "num_features"), err);
}

RT_LAYER_INIT(rms_norm)
{
    const rt_value *v = rt__option(m, "normalized_shape");
    return constant_parameter(m, "weight",
                              rt__option_bool(m, "elementwise_affine"),
                              v->count, v->ints, 1, err);
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

static rt_status check_conv(rt_module *m, int dims, rt_error *err)
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
            return rt_fail(err, RT_E_ARGUMENT, "%s: %s must be a positive "
                           "multiple of groups (%lld), got %lld",
                           m->cls->name, both[i],
                           (long long)groups, (long long)c);
        }
    }
    const char *mode = rt__option(m, "padding_mode")->s;
    if (strcmp(mode, "zeros") != 0) {
        return rt_fail(err, RT_E_UNSUPPORTED, "%s: padding_mode '%s' is "
                       "not available, only 'zeros'", m->cls->name, mode);
    }
    const int64_t *k = rt__option(m, "kernel_size")->ints;
    const int64_t *s = rt__option(m, "stride")->ints;
    bool same = rt__option(m, "padding")->ints[0] == -1;
    for (int i = 0; i < dims; i++) {
        if (k[i] < 1 || s[i] < 1) {
            return rt_fail(err, RT_E_ARGUMENT, "%s: kernel_size and stride "
                           "must be positive", m->cls->name);
        }
        if (same && s[i] != 1) {
            return rt_fail(err, RT_E_ARGUMENT, "%s: padding='same' needs "
                           "stride 1", m->cls->name);
        }
    }
    return RT_OK;
}

/* Options spread to `dims` numbers, weight [O, I / groups, kernel...], bias. */
static rt_status start_conv(rt_module *m, int dims, rt_error *err)
{
    rt_status st;
    if ((st = rt__option_spread(m, "kernel_size", dims, err))
        || (st = rt__option_spread(m, "stride", dims, err))
        || (st = rt__option_spread(m, "padding", dims, err))
        || (st = rt__option_spread(m, "dilation", dims, err))
        || (st = check_conv(m, dims, err))) {
        return st;
    }
    int64_t shape[4] = {rt__option_int(m, "out_channels"),
                        rt__option_int(m, "in_channels")
                            / rt__option_int(m, "groups")};
    memcpy(shape + 2, rt__option(m, "kernel_size")->ints,
           (size_t)dims * sizeof *shape);
    rt_tensor *w, *b;
    st = weight_and_bias(m, 2 + dims, shape, &w, &b, err);
    return st ? st : rt__fill_linear(w, b, err);
}

RT_LAYER_INIT(conv1d)
{
    return start_conv(m, 1, err);
}

RT_LAYER_INIT(conv2d)
{
    return start_conv(m, 2, err);
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

/* SPDX-License-Identifier: MIT
 * What layers compute that are more than one op, and the containers.
 * Shapes: N batch, C channels, H and W height and width, G groups.
 */
#include "runtime/nn/module.h"

#include <stdio.h>
#include <string.h>

static rt_value value_of(rt_tensor *t)
{
    return t ? RT_V_TENSOR(t) : RT_NONE;
}

RT_LAYER_FORWARD(identity)
{
    rt_status st = rt__layer_inputs(m, args, nargs, 1, err);
    if (!st) {
        *result = RT_V_TENSOR(rt_retain(args[0].t));
    }
    return st;
}

/* --- containers ----------------------------------------------------------------- */

/* Says where in the tree an op failed: the innermost container adds the layer. */
static void add_place(rt_error *err, const rt_module *parent, int i)
{
    if (!err || err->code == RT_E_INTERRUPT || strstr(err->message, " (in ")) {
        return;
    }
    char *text = NULL;
    rt_module *child = rt_module_slot_child(parent, i);
    if (rt_module_repr(&text, child, NULL) || strchr(text, '\n')) {
        rt_free(text);
        text = NULL;
    }
    size_t n = strlen(err->message);
    snprintf(err->message + n, sizeof err->message - n, " (in %s: %s)",
             rt_module_slot_name(parent, RT_SLOT_CHILD, i),
             text ? text : rt_module_name(child));
    rt_free(text);
}

RT_LAYER_FORWARD(sequential)
{
    int n = rt_module_slot_count(m, RT_SLOT_CHILD);
    if (n == 0) {
        return rt__layer_forward_identity(m, args, nargs, result, err);
    }
    rt_value at = RT_UNSET;
    for (int i = 0; i < n; i++) {
        rt_value next = RT_UNSET;
        rt_status st = rt_module_forward(rt_module_slot_child(m, i),
                                         i ? &at : args, i ? 1 : nargs, &next,
                                         err);
        rt_value_release(&at);
        if (st) {
            add_place(err, m, i);
            return st;
        }
        at = next;
    }
    *result = at;
    return RT_OK;
}

RT_LAYER_FORWARD(list)
{
    rt_fail(err, RT_E_UNSUPPORTED, "ModuleList: a list of modules has no forward");
    rt_error_help(err, "call its members one by one, or use Sequential");
    return RT_E_UNSUPPORTED;
}

/* --- activations ------------------------------------------------------------------ */

/* inplace=True writes into the input where an in-place op exists; elsewhere it
 * gives the same result in new memory. */
RT_LAYER_FORWARD(activation)
{
    if (rt__option_bool(m, "inplace") && m->layer->id == RT_LAYER_ReLU) {
        rt_status st = rt__layer_inputs(m, args, nargs, 1, err);
        rt_tensor *out;
        if (st || (st = rt__op1(RT_OP_relu_, &out, err, 1, args[0]))) {
            return st;
        }
        *result = RT_V_TENSOR(out);
        return RT_OK;
    }
    return rt__layer_forward_call(m, args, nargs, result, err);
}

RT_LAYER_FORWARD(softmax)
{
    const rt_value *dim = rt__option(m, "dim");
    if (dim->kind != RT_K_NONE) {
        return rt__layer_forward_call(m, args, nargs, result, err);
    }
    rt_status st = rt__layer_inputs(m, args, nargs, 1, err);
    if (st) {
        return st;
    }
    /* PyTorch's choice where none is given. */
    int n = rt_tensor_ndim(args[0].t);
    rt_value d = RT_V_INT(n == 0 || n == 1 || n == 3 ? 0 : 1);
    rt_tensor *out;
    bool logs = m->layer->id == RT_LAYER_LogSoftmax;
    st = rt__op1(logs ? RT_OP_log_softmax : RT_OP_softmax, &out, err, 2,
                 args[0], d);
    if (!st) {
        *result = RT_V_TENSOR(out);
    }
    return st;
}

/* relu(x) - w * relu(-x), w along dimension 1. */
RT_LAYER_FORWARD(prelu)
{
    rt_tensor *w = NULL, *neg = NULL, *low = NULL, *high = NULL, *part = NULL,
              *out;
    rt_status st = rt__layer_inputs(m, args, nargs, 1, err);
    if (st) {
        return st;
    }
    rt_tensor *weight = rt__module_tensor(m, "weight");
    int64_t shape[RT_MAX_DIMS];
    int n = rt_tensor_ndim(args[0].t);
    for (int i = 0; i < n; i++) {
        shape[i] = 1;
    }
    bool many = rt_tensor_numel(weight) != 1 && n > 1;
    shape[n > 1 ? 1 : 0] = rt_tensor_numel(weight);
    if ((st = many ? rt__op1(RT_OP_view, &w, err, 2, RT_V_TENSOR(weight),
                             RT_V_INTS(shape, n)) : RT_OK)
        || (st = rt__op1(RT_OP_neg, &neg, err, 1, args[0]))
        || (st = rt__op1(RT_OP_relu, &low, err, 1, RT_V_TENSOR(neg)))
        || (st = rt__op1(RT_OP_relu, &high, err, 1, args[0]))
        || (st = rt__op1(RT_OP_mul, &part, err, 2, RT_V_TENSOR(low),
                         value_of(w ? w : weight)))
        || (st = rt__op1(RT_OP_sub, &out, err, 2, RT_V_TENSOR(high),
                         RT_V_TENSOR(part)))) {
        goto done;
    }
    *result = RT_V_TENSOR(out);
done:
    rt_release(w);
    rt_release(neg);
    rt_release(low);
    rt_release(high);
    rt_release(part);
    return st;
}

/* --- products ----------------------------------------------------------------------- */

/* x1 [*, I], A [O, I, J], x2 [*, J]: first x1 A as one product of [I, O J]. */
static rt_status bilinear_product(rt_tensor **out, rt_tensor *a, rt_tensor *x1,
                                  rt_tensor *x2, rt_error *err)
{
    const int64_t *s = rt_tensor_shape(a);
    int64_t order[3] = {1, 0, 2}, flat[2] = {s[1], s[0] * s[2]};
    int64_t shape[RT_MAX_DIMS];
    int n = rt_tensor_ndim(x1);
    for (int i = 0; i < n - 1; i++) {
        shape[i] = rt_tensor_shape(x1)[i];
    }
    shape[n - 1] = s[0];
    shape[n] = s[2];
    rt_tensor *t1 = NULL, *t2 = NULL, *t3 = NULL, *t4 = NULL, *t5 = NULL,
              *t6 = NULL;
    rt_status st;
    int64_t last = -1;
    if ((st = rt__op1(RT_OP_permute, &t1, err, 2, RT_V_TENSOR(a),
                      RT_V_INTS(order, 3)))
        || (st = rt__op1(RT_OP_reshape, &t2, err, 2, RT_V_TENSOR(t1),
                         RT_V_INTS(flat, 2)))
        || (st = rt__op1(RT_OP_matmul, &t3, err, 2, RT_V_TENSOR(x1),
                         RT_V_TENSOR(t2)))
        || (st = rt__op1(RT_OP_reshape, &t4, err, 2, RT_V_TENSOR(t3),
                         RT_V_INTS(shape, n + 1)))
        || (st = rt__op1(RT_OP_unsqueeze, &t5, err, 2, RT_V_TENSOR(x2),
                         RT_V_INT(-2)))
        || (st = rt__op1(RT_OP_mul, &t6, err, 2, RT_V_TENSOR(t4),
                         RT_V_TENSOR(t5)))
        || (st = rt__op1(RT_OP_sum, out, err, 2, RT_V_TENSOR(t6),
                         RT_V_INTS(&last, 1)))) {
        goto done;
    }
done:
    rt_release(t1);
    rt_release(t2);
    rt_release(t3);
    rt_release(t4);
    rt_release(t5);
    rt_release(t6);
    return st;
}

RT_LAYER_FORWARD(bilinear)
{
    rt_status st = rt__layer_inputs(m, args, nargs, 2, err);
    if (st) {
        return st;
    }
    rt_tensor *a = rt__module_tensor(m, "weight"), *x1 = args[0].t,
              *x2 = args[1].t;
    rt_tensor *bias = rt__module_tensor(m, "bias"), *product, *out;
    for (int i = 0; i < 2; i++) {
        rt_tensor *x = i ? x2 : x1;
        int n = rt_tensor_ndim(x);
        int64_t want = rt_tensor_shape(a)[i + 1];
        if (n < 1 || n >= RT_MAX_DIMS || rt_tensor_shape(x)[n - 1] != want) {
            return rt_fail(err, RT_E_SHAPE, "Bilinear: the last dimension of "
                           "input %d must be %lld", i + 1, (long long)want);
        }
    }
    if ((st = bilinear_product(&product, a, x1, x2, err))) {
        return st;
    }
    out = product;
    if (bias) {
        st = rt__op1(RT_OP_add, &out, err, 2, RT_V_TENSOR(product),
                     RT_V_TENSOR(bias));
        rt_release(product);
    }
    if (!st) {
        *result = RT_V_TENSOR(out);
    }
    return st;
}

/* --- norms ---------------------------------------------------------------------------- */

static rt_status check_channels(rt_module *m, rt_tensor *x, int64_t want,
                                int low, int high, rt_error *err)
{
    char shape[96];
    int n = rt_tensor_ndim(x);
    rt__shape_format(shape, sizeof shape, n, (int64_t *)rt_tensor_shape(x));
    if (n < low || n > high) {
        return rt_fail(err, RT_E_SHAPE,
                       "%s: expected %d%s dimensions, got %s", m->cls->name,
                       low, high == low ? "" : high > 8 ? " or more" : " or 3",
                       shape);
    }
    if (rt_tensor_shape(x)[1] != want) {
        return rt_fail(err, RT_E_SHAPE,
                       "%s: expected %lld channels in dimension 1, got %s",
                       m->cls->name, (long long)want, shape);
    }
    return RT_OK;
}

/* The channels of an instance norm are groups of one. */
RT_LAYER_FORWARD(group_norm)
{
    rt_status st = rt__layer_inputs(m, args, nargs, 1, err);
    bool grouped = m->layer->id == RT_LAYER_GroupNorm;
    int low = grouped ? 2 : m->layer->id == RT_LAYER_InstanceNorm1d ? 3 : 4;
    int64_t c = rt__option_int(m, grouped ? "num_channels" : "num_features");
    if (st || (st = check_channels(m, args[0].t, c, low,
                                   grouped ? RT_MAX_DIMS : low, err))) {
        return st;
    }
    rt_value r[RT_MAX_RESULTS] = {{0}};
    rt_value a[5] = {args[0],
                     RT_V_INT(grouped ? rt__option_int(m, "num_groups") : c),
                     value_of(rt__module_tensor(m, "weight")),
                     value_of(rt__module_tensor(m, "bias")),
                     RT_V_FLOAT(rt__option_float(m, "eps"))};
    if ((st = rt__opn(RT_OP_group_norm, r, err, a, 5))) {
        return st;
    }
    *result = r[0];
    rt_value_release(&r[1]);
    rt_value_release(&r[2]);
    return RT_OK;
}

/* Counts the batch; the weight that the running statistics give it. */
static double batch_momentum(rt_module *m, bool counts)
{
    const rt_value *v = rt__option(m, "momentum");
    rt_tensor *seen = rt__module_tensor(m, "num_batches_tracked");
    int64_t batches = 0;
    if (counts && seen) {
        batches = ++*(int64_t *)rt_tensor_data(seen);
        rt_tensor_bump_version(seen);
    }
    if (v->kind != RT_K_NONE) {
        return rt__option_float(m, "momentum");
    }
    return batches ? 1.0 / (double)batches : 0.0;
}

RT_LAYER_FORWARD(batch_norm)
{
    rt_status st = rt__layer_inputs(m, args, nargs, 1, err);
    bool flat = m->layer->id == RT_LAYER_BatchNorm1d;
    if (st || (st = check_channels(m, args[0].t,
                                   rt__option_int(m, "num_features"),
                                   flat ? 2 : 4, flat ? 3 : 4, err))) {
        return st;
    }
    rt_tensor *mean = rt__module_tensor(m, "running_mean");
    rt_tensor *var = rt__module_tensor(m, "running_var");
    bool training = m->training || !mean;
    int64_t per = rt_tensor_numel(args[0].t) / rt__option_int(m, "num_features");
    if (training && per == 1) {
        rt_fail(err, RT_E_SHAPE, "%s: training needs more than one value per "
                "channel", m->cls->name);
        rt_error_help(err, "use a larger batch, or switch to eval mode");
        return RT_E_SHAPE;
    }
    double momentum = batch_momentum(m, m->training);
    rt_value r[RT_MAX_RESULTS] = {{0}};
    rt_value a[8] = {args[0], value_of(mean), value_of(var),
                     value_of(rt__module_tensor(m, "weight")),
                     value_of(rt__module_tensor(m, "bias")),
                     RT_V_BOOL(training), RT_V_FLOAT(momentum),
                     RT_V_FLOAT(rt__option_float(m, "eps"))};
    if ((st = rt__opn(RT_OP_batch_norm, r, err, a, 8))) {
        return st;
    }
    *result = r[0];
    rt_value_release(&r[1]);
    rt_value_release(&r[2]);
    return RT_OK;
}

/* --- pictures ------------------------------------------------------------------------- */

/* 'same': the total padding of a dimension is dilation * (kernel - 1); an odd
 * one puts the extra element at the end, by an explicit pad. */
static rt_status same_padding(rt_module *m, rt_value *x, rt_tensor **padded,
                              int64_t *padding, rt_error *err)
{
    const int64_t *k = rt__option(m, "kernel_size")->ints;
    const int64_t *d = rt__option(m, "dilation")->ints;
    int64_t extra[4] = {0};
    bool uneven = false;
    for (int i = 0; i < 2; i++) {
        int64_t total = d[i] * (k[i] - 1);
        padding[i] = total / 2;
        extra[2 * (1 - i) + 1] = total % 2;
        uneven |= total % 2 != 0;
    }
    if (!uneven) {
        return RT_OK;
    }
    rt_status st = rt__op1(RT_OP_pad, padded, err, 2, *x, RT_V_INTS(extra, 4));
    if (!st) {
        *x = RT_V_TENSOR(*padded);
    }
    return st;
}

RT_LAYER_FORWARD(conv2d)
{
    rt_status st = rt__layer_inputs(m, args, nargs, 1, err);
    if (st) {
        return st;
    }
    const rt_value *given = rt__option(m, "padding");
    int64_t padding[2] = {0, 0};
    rt_value x = args[0];
    rt_tensor *padded = NULL, *out;
    if (given->ints[0] == -1) {
        st = same_padding(m, &x, &padded, padding, err);
    } else if (given->ints[0] >= 0) {
        memcpy(padding, given->ints, sizeof padding);
    }
    if (!st) {
        st = rt__op1(RT_OP_conv2d, &out, err, 7, x,
                     RT_V_TENSOR(rt__module_tensor(m, "weight")),
                     value_of(rt__module_tensor(m, "bias")),
                     *rt__option(m, "stride"), RT_V_INTS(padding, 2),
                     *rt__option(m, "dilation"), *rt__option(m, "groups"));
    }
    rt_release(padded);
    if (!st) {
        *result = RT_V_TENSOR(out);
    }
    return st;
}

RT_LAYER_FORWARD(max_pool2d)
{
    rt_status st = rt__layer_inputs(m, args, nargs, 1, err);
    if (st) {
        return st;
    }
    rt_value r[RT_MAX_RESULTS] = {{0}};
    rt_value a[6] = {args[0], *rt__option(m, "kernel_size"),
                     *rt__option(m, "stride"), *rt__option(m, "padding"),
                     *rt__option(m, "dilation"), *rt__option(m, "ceil_mode")};
    if ((st = rt__opn(RT_OP_max_pool2d, r, err, a, 6))) {
        return st;
    }
    if (!rt__option_bool(m, "return_indices")) {
        *result = r[0];
        rt_value_release(&r[1]);
        return RT_OK;
    }
    rt_tensor **pair = rt_alloc(2 * sizeof *pair);
    if (!pair) {
        rt_value_release(&r[0]);
        rt_value_release(&r[1]);
        return rt_fail(err, RT_E_MEMORY, "MaxPool2d: no memory");
    }
    pair[0] = r[0].t;
    pair[1] = r[1].t;
    *result = RT_V_TENSORS(pair, 2);
    return RT_OK;
}

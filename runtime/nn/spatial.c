/* SPDX-License-Identifier: MIT
 * Layers over sequences and pictures that are made of 2-d ops: convolutions and
 * pooling of one dimension run as 2-d ones of height 1, a transposed convolution
 * is the gradient of one, adaptive pooling picks its windows by size.
 */
#include "runtime/nn/module.h"

#include <math.h>
#include <string.h>

/* --- one dimension as two --------------------------------------------------------- */

/* The int[] option `name` with `before` in front. */
static rt_value pair_of(int64_t pair[2], const rt_module *m, const char *name,
                        int64_t before)
{
    pair[0] = before;
    pair[1] = rt__option(m, name)->ints[0];
    return RT_V_INTS(pair, 2);
}

static rt_status lift(rt_tensor **out, rt_tensor *x, rt_error *err)
{
    return rt__op1(RT_OP_unsqueeze, out, err, 2, RT_V_TENSOR(x), RT_V_INT(-2));
}

/* Takes y over; drops its dimension before the last. */
static rt_status drop_steal(rt_value *result, rt_tensor *y, rt_error *err)
{
    int64_t dim = -2;
    rt_tensor *out;
    rt_status st = rt__op1(RT_OP_squeeze, &out, err, 2, RT_V_TENSOR(y),
                           RT_V_INTS(&dim, 1));
    rt_release(y);
    if (!st) {
        *result = RT_V_TENSOR(out);
    }
    return st;
}

/* 'same' of one dimension: the odd element goes to the end. */
static rt_status pad_same(rt_tensor **x, int64_t *padding, const rt_module *m,
                          rt_error *err)
{
    int64_t total = rt__option(m, "dilation")->ints[0]
                    * (rt__option(m, "kernel_size")->ints[0] - 1);
    int64_t extra[2] = {0, total % 2};
    *padding = total / 2;
    if (!extra[1]) {
        return RT_OK;
    }
    rt_tensor *padded;
    rt_status st = rt__op1(RT_OP_pad, &padded, err, 2, RT_V_TENSOR(*x),
                           RT_V_INTS(extra, 2));
    if (!st) {
        rt_release(*x);
        *x = padded;
    }
    return st;
}

RT_LAYER_FORWARD(conv1d)
{
    rt_tensor *x = NULL, *w = NULL, *y, *bias = rt__module_tensor(m, "bias");
    int64_t stride[2], dilation[2], padding[2];
    rt_status st = rt__layer_inputs(m, args, nargs, 1, err);
    if (st || (st = lift(&x, args[0].t, err))
        || (st = lift(&w, rt__module_tensor(m, "weight"), err))) {
        goto done;
    }
    pair_of(padding, m, "padding", 0);
    if (padding[1] == -1) {
        st = pad_same(&x, &padding[1], m, err);
    } else if (padding[1] < 0) {
        padding[1] = 0;
    }
    if (!st) {
        st = rt__op1(RT_OP_conv2d, &y, err, 7, RT_V_TENSOR(x), RT_V_TENSOR(w),
                     bias ? RT_V_TENSOR(bias) : RT_NONE,
                     pair_of(stride, m, "stride", 1), RT_V_INTS(padding, 2),
                     pair_of(dilation, m, "dilation", 1),
                     *rt__option(m, "groups"));
    }
    st = st ? st : drop_steal(result, y, err);
done:
    rt_release(x);
    rt_release(w);
    return st;
}

RT_LAYER_FORWARD(pool1d)
{
    rt_tensor *x;
    int64_t kernel[2], stride[2], padding[2], dilation[2];
    bool max = m->layer->id == RT_LAYER_MaxPool1d;
    rt_value r[RT_MAX_RESULTS] = {{0}};
    rt_status st = rt__layer_inputs(m, args, nargs, 1, err);
    if (st || (st = lift(&x, args[0].t, err))) {
        return st;
    }
    rt_value a[6] = {RT_V_TENSOR(x), pair_of(kernel, m, "kernel_size", 1),
                     pair_of(stride, m, "stride", 1),
                     pair_of(padding, m, "padding", 0)};
    if (max) {
        a[4] = pair_of(dilation, m, "dilation", 1);
        a[5] = *rt__option(m, "ceil_mode");
    } else {
        a[4] = *rt__option(m, "ceil_mode");
        a[5] = *rt__option(m, "count_include_pad");
    }
    st = rt__opn(max ? RT_OP_max_pool2d : RT_OP_avg_pool2d, r, err, a, 6);
    rt_release(x);
    if (!st) {
        rt_value_release(&r[1]);
        st = drop_steal(result, r[0].t, err);
    }
    return st;
}

/* --- transposed convolution ---------------------------------------------------------- */

RT_LAYER_INIT(conv_transpose2d)
{
    static const char *const pairs[] = {"kernel_size", "stride", "padding",
                                        "output_padding", "dilation"};
    rt_status st = RT_OK;
    for (int i = 0; i < 5 && !st; i++) {
        st = rt__option_spread(m, pairs[i], 2, err);
    }
    if (st) {
        return st;
    }
    int64_t groups = rt__option_int(m, "groups");
    int64_t in = rt__option_int(m, "in_channels");
    int64_t out = rt__option_int(m, "out_channels");
    const int64_t *k = rt__option(m, "kernel_size")->ints;
    const int64_t *s = rt__option(m, "stride")->ints;
    const int64_t *d = rt__option(m, "dilation")->ints;
    const int64_t *extra = rt__option(m, "output_padding")->ints;
    if (groups < 1 || in < 1 || out < 1 || in % groups || out % groups) {
        return rt_fail(err, RT_E_ARGUMENT, "ConvTranspose2d: channels must be "
                       "positive multiples of groups (%lld)",
                       (long long)groups);
    }
    for (int i = 0; i < 2; i++) {
        if (k[i] < 1 || s[i] < 1 || extra[i] < 0
            || (extra[i] && extra[i] >= s[i] && extra[i] >= d[i])) {
            return rt_fail(err, RT_E_ARGUMENT, "ConvTranspose2d: kernel_size "
                           "and stride must be positive, and output_padding "
                           "below stride or dilation");
        }
    }
    int64_t shape[4] = {in, out / groups, k[0], k[1]};
    rt_tensor *w, *b = NULL;
    if ((st = rt__layer_parameter(m, "weight", 4, shape, &w, err))
        || (st = rt__option_bool(m, "bias")
                     ? rt__layer_parameter(m, "bias", 1, &out, &b, err)
                     : rt_module_set_parameter(m, "bias", NULL, err))) {
        return st;
    }
    return rt__fill_linear(w, b, err);
}

static rt_status add_bias(rt_tensor **y, rt_tensor *bias, rt_error *err)
{
    int64_t shape[3] = {rt_tensor_numel(bias), 1, 1};
    rt_tensor *view, *sum;
    rt_status st = rt__op1(RT_OP_view, &view, err, 2, RT_V_TENSOR(bias),
                           RT_V_INTS(shape, 3));
    if (st) {
        return st;
    }
    st = rt__op1(RT_OP_add, &sum, err, 2, RT_V_TENSOR(*y), RT_V_TENSOR(view));
    rt_release(view);
    if (!st) {
        rt_release(*y);
        *y = sum;
    }
    return st;
}

RT_LAYER_FORWARD(conv_transpose2d)
{
    rt_status st = rt__layer_inputs(m, args, nargs, 1, err);
    if (st) {
        return st;
    }
    rt_tensor *x = args[0].t, *bias = rt__module_tensor(m, "bias"), *y = NULL;
    const int64_t *in = rt_tensor_shape(x);
    if (rt_tensor_ndim(x) != 4 || in[1] != rt__option_int(m, "in_channels")) {
        char text[96];
        rt__shape_format(text, sizeof text, rt_tensor_ndim(x), (int64_t *)in);
        return rt_fail(err, RT_E_SHAPE, "ConvTranspose2d: expected [N, %lld, "
                       "H, W], got %s",
                       (long long)rt__option_int(m, "in_channels"), text);
    }
    const int64_t *k = rt__option(m, "kernel_size")->ints;
    const int64_t *s = rt__option(m, "stride")->ints;
    const int64_t *p = rt__option(m, "padding")->ints;
    const int64_t *d = rt__option(m, "dilation")->ints;
    const int64_t *extra = rt__option(m, "output_padding")->ints;
    int64_t size[4] = {in[0], rt__option_int(m, "out_channels")};
    for (int i = 0; i < 2; i++) {
        size[2 + i] = (in[2 + i] - 1) * s[i] - 2 * p[i] + d[i] * (k[i] - 1)
                      + extra[i] + 1;
        if (size[2 + i] < 1) {
            return rt_fail(err, RT_E_SHAPE, "ConvTranspose2d: the input is too "
                           "small, the output would have size %lld",
                           (long long)size[2 + i]);
        }
    }
    st = rt__op1(RT_OP_conv2d_input, &y, err, 7, args[0],
                 RT_V_TENSOR(rt__module_tensor(m, "weight")), RT_V_INTS(size, 4),
                 *rt__option(m, "stride"), *rt__option(m, "padding"),
                 *rt__option(m, "dilation"), *rt__option(m, "groups"));
    if (!st && bias) {
        st = add_bias(&y, bias, err);
    }
    if (st) {
        rt_release(y);
        return st;
    }
    *result = RT_V_TENSOR(y);
    return RT_OK;
}

/* --- adaptive pooling -------------------------------------------------------------------- */

RT_LAYER_INIT(adaptive2d)
{
    const rt_value *v = rt__option(m, "output_size");
    for (int i = 0; i < v->count; i++) {
        if (v->ints[i] < 1 || v->count > 2) {
            return rt_fail(err, RT_E_ARGUMENT, "%s: output_size is one positive "
                           "number or two", m->cls->name);
        }
    }
    return RT_OK;
}

/* Means of `n` windows along `dim` (negative); window i covers
 * [floor(i L / n), ceil((i + 1) L / n)). */
static rt_status adapt(rt_tensor **out, rt_tensor *x, int dim, int64_t n,
                       rt_error *err)
{
    int64_t length = rt_tensor_shape(x)[rt_tensor_ndim(x) + dim], at = dim;
    rt_tensor **parts = rt_alloc((size_t)n * sizeof *parts);
    int64_t made = 0;
    rt_status st = RT_OK;
    if (!parts) {
        return rt_fail(err, RT_E_MEMORY, "AdaptiveAvgPool2d: no memory");
    }
    while (made < n && !st) {
        int64_t begin = made * length / n;
        int64_t end = ((made + 1) * length + n - 1) / n;
        rt_tensor *window;
        st = rt__op1(RT_OP_narrow, &window, err, 4, RT_V_TENSOR(x),
                     RT_V_INT(dim), RT_V_INT(begin), RT_V_INT(end - begin));
        if (!st) {
            st = rt__op1(RT_OP_mean, &parts[made], err, 3, RT_V_TENSOR(window),
                         RT_V_INTS(&at, 1), RT_V_BOOL(true));
            made += st == RT_OK;
            rt_release(window);
        }
    }
    if (!st) {
        st = rt__op1(RT_OP_cat, out, err, 2, RT_V_TENSORS(parts, n),
                     RT_V_INT(dim));
    }
    for (int64_t i = 0; i < made; i++) {
        rt_release(parts[i]);
    }
    rt_free(parts);
    return st;
}

RT_LAYER_FORWARD(adaptive_avg_pool2d)
{
    rt_status st = rt__layer_inputs(m, args, nargs, 1, err);
    if (st) {
        return st;
    }
    rt_tensor *x = args[0].t, *y, *out;
    int n = rt_tensor_ndim(x);
    const rt_value *v = rt__option(m, "output_size");
    int64_t h = v->ints[0], w = v->ints[v->count - 1];
    if (n < 3 || n > 4 || rt_tensor_numel(x) == 0) {
        return rt_fail(err, RT_E_SHAPE, "AdaptiveAvgPool2d: expected [N, C, H, "
                       "W] or [C, H, W] with elements, got %d dimensions", n);
    }
    const int64_t *size = rt_tensor_shape(x) + n - 2;
    if (h == 1 && w == 1) {
        int64_t dims[2] = {-2, -1};
        st = rt__op1(RT_OP_mean, &out, err, 3, args[0], RT_V_INTS(dims, 2),
                     RT_V_BOOL(true));
    } else if (size[0] % h == 0 && size[1] % w == 0) {
        int64_t window[2] = {size[0] / h, size[1] / w};
        st = rt__op1(RT_OP_avg_pool2d, &out, err, 2, args[0],
                     RT_V_INTS(window, 2));
    } else if (!(st = adapt(&y, x, -2, h, err))) {
        st = adapt(&out, y, -1, w, err);
        rt_release(y);
    }
    if (!st) {
        *result = RT_V_TENSOR(out);
    }
    return st;
}

/* --- whole channels, root mean square ------------------------------------------------------ */

/* Drops whole channels: one draw for each sample and channel. */
RT_LAYER_FORWARD(dropout2d)
{
    rt_status st = rt__layer_inputs(m, args, nargs, 1, err);
    double p = rt__option_float(m, "p");
    if (st || !m->training || p == 0) {
        return st ? st : rt__layer_forward_identity(m, args, nargs, result, err);
    }
    rt_tensor *x = args[0].t, *mask, *kept, *out;
    int n = rt_tensor_ndim(x);
    int64_t shape[RT_MAX_DIMS];
    if (n < 2) {
        return rt_fail(err, RT_E_SHAPE, "%s: expected at least 2 dimensions, "
                       "got %d", m->cls->name, n);
    }
    for (int i = 0; i < n; i++) {
        shape[i] = i < 2 ? rt_tensor_shape(x)[i] : 1;
    }
    if ((st = rt__op1(RT_OP_new_empty, &mask, err, 2, args[0],
                      RT_V_INTS(shape, n)))) {
        return st;
    }
    st = rt__op0(RT_OP_bernoulli_, err, 2, RT_V_TENSOR(mask), RT_V_FLOAT(1 - p));
    if (!st && p < 1) {
        st = rt__op0(RT_OP_div_, err, 2, RT_V_TENSOR(mask), RT_V_FLOAT(1 - p));
    }
    kept = mask;
    st = st ? st : rt__op1(RT_OP_mul, &out, err, 2, args[0], RT_V_TENSOR(kept));
    rt_release(mask);
    if (!st) {
        *result = RT_V_TENSOR(out);
    }
    return st;
}

/* x / sqrt(mean(x^2) + eps) * weight over the last dimensions. */
RT_LAYER_FORWARD(rms_norm)
{
    rt_status st = rt__layer_inputs(m, args, nargs, 1, err);
    const rt_value *shape = rt__option(m, "normalized_shape");
    const rt_value *given = rt__option(m, "eps");
    rt_tensor *weight = rt__module_tensor(m, "weight"), *t[6] = {NULL};
    int64_t dims[RT_MAX_DIMS];
    if (st) {
        return st;
    }
    rt_tensor *x = args[0].t;
    int n = rt_tensor_ndim(x), k = shape->count;
    if (n < k || memcmp(rt_tensor_shape(x) + n - k, shape->ints,
                        (size_t)k * sizeof *shape->ints)) {
        return rt_fail(err, RT_E_SHAPE, "RMSNorm: the last dimensions of the "
                       "input are not normalized_shape");
    }
    for (int i = 0; i < k; i++) {
        dims[i] = i - k;
    }
    double tiny = rt_tensor_dtype(x) == RT_FLOAT64 ? 0x1p-52 : 0x1p-23;
    double eps = given->kind == RT_K_NONE ? tiny : rt__option_float(m, "eps");
    (void)((st = rt__op1(RT_OP_square, &t[0], err, 1, args[0]))
           || (st = rt__op1(RT_OP_mean, &t[1], err, 3, RT_V_TENSOR(t[0]),
                            RT_V_INTS(dims, k), RT_V_BOOL(true)))
           || (st = rt__op1(RT_OP_add, &t[2], err, 2, RT_V_TENSOR(t[1]),
                            RT_V_FLOAT(eps)))
           || (st = rt__op1(RT_OP_rsqrt, &t[3], err, 1, RT_V_TENSOR(t[2])))
           || (st = rt__op1(RT_OP_mul, &t[4], err, 2, args[0],
                            RT_V_TENSOR(t[3])))
           || (st = weight ? rt__op1(RT_OP_mul, &t[5], err, 2,
                                     RT_V_TENSOR(t[4]), RT_V_TENSOR(weight))
                           : RT_OK));
    if (!st) {
        *result = RT_V_TENSOR(rt_retain(t[5] ? t[5] : t[4]));
    }
    for (int i = 0; i < 6; i++) {
        rt_release(t[i]);
    }
    return st;
}

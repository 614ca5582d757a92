/* SPDX-License-Identifier: MIT
 * Values: giving back results, and the one number in a tensor.
 */
#include "runtime/core/tensor.h"

/* Modules live two floors above: whoever holds one has linked them in. */
#pragma weak rt_module_release

static void release_tensors(rt_value *v)
{
    for (int i = 0; i < v->count; i++) {
        rt_release(v->tensors[i]);
    }
    rt_free((void *)v->tensors);
}

static void release_modules(rt_value *v)
{
    for (int i = 0; i < v->count; i++) {
        rt_module_release(v->modules[i]);
    }
    rt_free((void *)v->modules);
}

void rt_value_release(rt_value *v)
{
    switch (v->kind) {
    case RT_K_TENSOR:
        rt_release(v->t);
        break;
    case RT_K_TENSORS:
        release_tensors(v);
        break;
    case RT_K_MODULE:
        rt_module_release(v->m);
        break;
    case RT_K_MODULES:
        release_modules(v);
        break;
    case RT_K_INTS:
        rt_free((void *)v->ints);
        break;
    case RT_K_FLOATS:
        rt_free((void *)v->floats);
        break;
    default:
        break;
    }
    *v = RT_UNSET;
}

rt_status rt_tensor_item(rt_value *out, const rt_tensor *t, rt_error *err)
{
    rt_dtype d = (rt_dtype)t->dtype;
    if (t->numel != 1) {
        char shape[64];
        rt_status s = rt_fail(err, RT_E_SHAPE,
                              "item: a tensor of shape %s has %lld elements, "
                              "expected one",
                              rt__shape_format(shape, sizeof shape, t->ndim,
                                               t->shape),
                              (long long)t->numel);
        rt_error_help(err, "index it first, or use tolist()");
        return s;
    }
    if (rt_dtype_is_floating(d)) {
        *out = RT_V_FLOAT(rt__load_float(d, t->data));
    } else if (d == RT_BOOL) {
        *out = RT_V_BOOL(rt__load_int(d, t->data) != 0);
    } else {
        *out = RT_V_INT(rt__load_int(d, t->data));
    }
    return RT_OK;
}

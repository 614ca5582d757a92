/* SPDX-License-Identifier: MIT
 * Values: giving back results.
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

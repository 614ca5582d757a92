/* SPDX-License-Identifier: MIT
 * Elements of tensors one by one, of any dtype and layout, and when two numbers
 * are as good as equal.
 */
#ifndef RT_TESTS_FUZZ_ELEMENTS_H
#define RT_TESTS_FUZZ_ELEMENTS_H

#include "runtime/ops/op.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static inline int64_t place(const rt_tensor *t, int64_t i)
{
    int64_t at = 0;
    for (int d = t->ndim - 1; d >= 0; d--) {
        at += i % t->shape[d] * t->strides[d];
        i /= t->shape[d];
    }
    return at;
}

static inline double at(const rt_tensor *t, int64_t i)
{
    const char *p = t->data +
                    place(t, i) * (int64_t)rt_dtype_size((rt_dtype)t->dtype);
    return rt_dtype_is_floating((rt_dtype)t->dtype)
               ? rt__load_float((rt_dtype)t->dtype, p)
               : (double)rt__load_int((rt_dtype)t->dtype, p);
}

static inline rt_tensor *in_order(const rt_tensor *t)
{
    rt_tensor *copy = NULL;
    size_t size = rt_dtype_size((rt_dtype)t->dtype);
    if (rt_tensor_new(&copy, (rt_dtype)t->dtype, t->ndim, t->shape, NULL)) {
        return NULL;
    }
    for (int64_t i = 0; i < t->numel; i++) {
        memcpy(copy->data + (size_t)i * size,
               t->data + place(t, i) * (int64_t)size, size);
    }
    return copy;
}

static inline double tolerance(rt_dtype d)
{
    return d == RT_FLOAT64 ? 1e-9 : d == RT_FLOAT32 ? 1e-3 : 0.06;
}

static inline bool near_times(double a, double b, rt_dtype d, double factor)
{
    if (a == b || (isnan(a) && isnan(b))) {
        return true;
    }
    if (!rt_dtype_is_floating(d)) {
        return false;
    }
    double large = d == RT_FLOAT16 ? 3e4 : 1e30;
    return fabs(a - b) <= tolerance(d) * (factor + fabs(b)) ||
           (fabs(a) > large && fabs(b) > large);
}

static inline bool near(double a, double b, rt_dtype d)
{
    return near_times(a, b, d, 1);
}

#endif

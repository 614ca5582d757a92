/* SPDX-License-Identifier: MIT
 * Choices taken from a fuzzer's input, and tensors made by them.
 */
#ifndef FUZZ_BYTES_H
#define FUZZ_BYTES_H

#include "runtime/core/tensor.h"

#include <math.h>
#include <stdlib.h>

typedef struct bytes {
    const uint8_t *data;
    size_t left;
} bytes;

/* The next byte; zeros when the input is used up. */
static inline int take(bytes *b)
{
    if (b->left == 0) {
        return 0;
    }
    b->left--;
    return *b->data++;
}

static inline int64_t between(bytes *b, int64_t low, int64_t high)
{
    return low + take(b) % (high - low + 1);
}

/* Small numbers mostly, and those that are trouble. */
static inline double number(bytes *b)
{
    static const double odd[] = {0, -0.0, 1, -1, INFINITY, -INFINITY, NAN,
                                 1e-40, 3.4e38, 65504, 1e-320, 2147483648.0};
    int v = take(b);
    return v < 24 ? odd[v % 12] : (v - 140) / 8.0;
}

/* A number of the range mostly, given twice: least and largest. */
static inline double ranged(bytes *b, const double *range, bool whole)
{
    static const double odd[] = {-1, 255, 1e5, -1e5, 0x1p31, -0x1p31, 0x1p62,
                                 -0x1p63};
    int v = take(b);
    double low = range[0], high = range[1];
    if (!whole) {
        return v >= 248 ? number(b) : low + (high - low) * v / 247;
    }
    return v >= 252 ? odd[take(b) % 8]
                    : low + v % ((int)fmin(high - low, 250) + 1);
}

static inline void store(rt_tensor *t, int64_t at, double v)
{
    char *p = t->data + at * (int64_t)rt_dtype_size((rt_dtype)t->dtype);
    if (rt_dtype_is_floating((rt_dtype)t->dtype)) {
        rt__store_float((rt_dtype)t->dtype, p, v);
    } else if (t->dtype == RT_BOOL) {
        *p = v > 0;
    } else {
        rt__store_int((rt_dtype)t->dtype, p,
                      v >= -0x1p63 && v < 0x1p63 ? (int64_t)v : 7);
    }
}

/* A tensor of the shape, in one of several layouts: in C order, with an offset
 * and gaps, transposed, or one row for all (stride 0). range may be NULL: any
 * numbers. */
static inline rt_tensor *laid_out(bytes *b, rt_dtype dtype, int ndim,
                                  const int64_t *shape, const double *range,
                                  rt_error *err)
{
    int64_t wide[RT_MAX_DIMS], strides[RT_MAX_DIMS], offset = 0;
    int layout = take(b) % 5, gap = layout == 1 ? 2 : 1;
    rt_tensor *base = NULL, *t = NULL;
    for (int d = 0; d < ndim; d++) {
        int from = layout == 2 ? ndim - 1 - d : d;
        wide[d] = (shape[from] + (layout == 1)) * gap;
    }
    if (rt_tensor_new(&base, dtype, ndim, wide, err) != RT_OK) {
        return NULL;
    }
    for (int64_t i = 0; i < base->numel; i++) {
        store(base, i,
              range ? ranged(b, range, !rt_dtype_is_floating(dtype))
                    : number(b));
    }
    for (int d = 0; d < ndim; d++) {
        int from = layout == 2 ? ndim - 1 - d : d;
        strides[d] = base->strides[from] * gap;
        offset += layout == 1 && shape[d] ? base->strides[d] : 0;
        if (layout == 3 && d == 0 && ndim > 0) {
            strides[d] = 0;
        }
    }
    if (rt_tensor_view(&t, base, ndim, shape, strides, offset, err) != RT_OK) {
        t = NULL;
    }
    rt_release(base);
    return t;
}

#endif

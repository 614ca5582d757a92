/* SPDX-License-Identifier: MIT
 * Unrecorded copies between layouts and dtypes; checks before writing.
 */
#include "runtime/ops/cpu/move.h"

#include "runtime/base/pool.h"
#include "runtime/ops/cpu/elementwise.h"
#include "runtime/ops/cpu/isa.h"
#include "runtime/ops/cpu/rows.h"

#include <string.h>

#define GRAIN_BYTES (64 * 1024)

rt_status rt__interrupted(const char *name, rt_error *err)
{
    return rt_fail(err, RT_E_INTERRUPT, "%s: interrupted", name);
}

int64_t rt__product(const int64_t *shape, int from, int to)
{
    int64_t n = 1;
    for (int d = from; d < to; d++) {
        n *= shape[d];
    }
    return n;
}

/* --- copies: elementwise.c's, under the names that say what is meant ------ */

rt_status rt__move(rt_tensor *dst, rt_tensor *src, const char *name,
                   rt_error *err)
{
    return rt__copy(name, dst, src, err);
}

rt_status rt__dense(rt_tensor **out, rt_tensor *t, const char *name,
                    rt_error *err)
{
    return rt__contiguous_as(out, t, (rt_dtype)t->dtype, name, err);
}

rt_status rt__dense_as(rt_tensor **out, rt_tensor *t, rt_dtype dtype,
                       const char *name, rt_error *err)
{
    return rt__contiguous_as(out, t, dtype, name, err);
}

rt_dtype rt__compute_dtype(const rt_tensor *t)
{
    return t->dtype == RT_FLOAT64 ? RT_FLOAT64 : RT_FLOAT32;
}

rt_status rt__begin_work(rt_tensor **out, rt_tensor *result, rt_dtype compute,
                         rt_error *err)
{
    if (result->dtype == compute && (result->flags & RT_F_CONTIGUOUS)) {
        *out = rt_retain(result);
        return RT_OK;
    }
    return rt_tensor_new(out, compute, result->ndim, result->shape, err);
}

rt_status rt__finish_work(rt_status s, rt_tensor *work, rt_tensor *result,
                          const char *name, rt_error *err)
{
    if (s == RT_OK && work != result) {
        s = rt__copy(name, result, work, err);
    }
    rt_release(work);
    return s;
}

rt_status rt__index_dense(rt_tensor **out, rt_tensor *t, const char *what,
                          const char *name, rt_error *err)
{
    if (!rt_dtype_is_integral(t->dtype, false)) {
        rt_fail(err, RT_E_DTYPE, "%s: %s must hold integers, got %s", name,
                what, rt_dtype_name(t->dtype));
        rt_error_help(err, "convert it with .to(int64)");
        return RT_E_DTYPE;
    }
    return rt__dense_as(out, t, RT_INT64, name, err);
}

/* --- views ---------------------------------------------------------------- */

rt_status rt__broadcast_view(rt_tensor **out, rt_tensor *t, int ndim,
                             const int64_t *shape, rt_error *err)
{
    int64_t strides[RT_MAX_DIMS];
    int lead = ndim - t->ndim;
    for (int d = 0; d < ndim; d++) {
        bool stays = d >= lead && t->shape[d - lead] == shape[d];
        strides[d] = stays ? t->strides[d - lead] : 0;
    }
    return rt__tensor_over(out, t->storage, t->dtype, ndim, shape, strides,
                           t->offset, err);
}

rt_status rt__swapped_view(rt_tensor **out, rt_tensor *t, int a, int b,
                           rt_error *err)
{
    int64_t shape[RT_MAX_DIMS], strides[RT_MAX_DIMS];
    memcpy(shape, t->shape, (size_t)t->ndim * sizeof *shape);
    memcpy(strides, t->strides, (size_t)t->ndim * sizeof *strides);
    if (t->ndim > 0) {
        shape[a] = t->shape[b];
        shape[b] = t->shape[a];
        strides[a] = t->strides[b];
        strides[b] = t->strides[a];
    }
    return rt__tensor_over(out, t->storage, t->dtype, t->ndim, shape, strides,
                           t->offset, err);
}

rt_status rt__check_writable(const rt_tensor *t, const char *name,
                             rt_error *err)
{
    char text[96];
    if (t->flags & RT_F_READONLY) {
        rt_fail(err, RT_E_ARGUMENT, "%s: the tensor's memory is read-only",
                name);
        rt_error_help(err, "write to a copy: x.clone()");
        return RT_E_ARGUMENT;
    }
    for (int d = 0; d < t->ndim && t->numel > 0; d++) {
        if (t->strides[d] == 0 && t->shape[d] > 1) {
            rt__shape_format(text, sizeof text, t->ndim, t->shape);
            rt_fail(err, RT_E_ARGUMENT,
                    "%s: more than one element of the written tensor of shape "
                    "%s refers to the same memory (dimension %d is expanded)",
                    name, text, d);
            rt_error_help(err, "write to a copy: x.clone()");
            return RT_E_ARGUMENT;
        }
    }
    return RT_OK;
}

/* --- filling and adding --------------------------------------------------- */

typedef struct filling {
    char *dst;
    size_t size;
    uint64_t pattern;
} filling;

static void fill_range(void *ctx, int64_t begin, int64_t end)
{
    filling *f = ctx;
    if (f->pattern == 0) {
        memset(f->dst + (size_t)begin * f->size, 0,
               (size_t)(end - begin) * f->size);
        return;
    }
    const int64_t strides[] = {(int64_t)f->size, 0}, none[] = {0, 0};
    rt__plane_copy_of(f->size)(f->dst + (size_t)begin * f->size, strides,
                               (const char *)&f->pattern, none, end - begin, 1);
}

rt_status rt__fill_pattern(void *dst, int64_t n, size_t size,
                           const void *pattern, const char *name,
                           rt_error *err)
{
    filling f = {dst, size, 0};
    memcpy(&f.pattern, pattern, size);
    if (!rt__parallel(n, (int64_t)(GRAIN_BYTES / size), fill_range, &f)) {
        return rt__interrupted(name, err);
    }
    return RT_OK;
}

#define ADD_LOOP(TYPE)                                                         \
    do {                                                                       \
        TYPE *restrict d = dst;                                                \
        const TYPE *restrict s = src;                                          \
        for (int64_t i = 0; i < n; i++) {                                      \
            d[i] = (TYPE)(d[i] + s[i]);                                        \
        }                                                                      \
    } while (0)

static void add_half(rt_dtype dtype, void *dst, const void *src, int64_t n)
{
    uint16_t *d = dst;
    const uint16_t *s = src;
    for (int64_t i = 0; i < n; i++) {
        rt__store_float(dtype, d + i, rt__load_float(dtype, d + i) +
                                          rt__load_float(dtype, s + i));
    }
}

static void or_row(uint8_t *d, const uint8_t *s, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        d[i] |= s[i];
    }
}

void rt__add_row(rt_dtype dtype, void *dst, const void *src, int64_t n)
{
    switch (dtype) {
    case RT_BOOL:
        or_row(dst, src, n);
        break;
    case RT_UINT8:
        ADD_LOOP(uint8_t);
        break;
    case RT_INT32:
        ADD_LOOP(uint32_t);
        break;
    case RT_INT64:
        ADD_LOOP(uint64_t);
        break;
    case RT_FLOAT32:
    case RT_FLOAT64:
        rt__row_fns_of(dtype)->add(dst, src, n);
        break;
    default:
        add_half(dtype, dst, src, n);
    }
}

/* --- results -------------------------------------------------------------- */

rt_status rt__result_list(rt__call *c, rt_tensor **tensors, int64_t n)
{
    size_t bytes = (size_t)(n > 0 ? n : 1) * sizeof *tensors;
    rt_tensor **list = rt_alloc(bytes);
    if (!list) {
        for (int64_t i = 0; i < n; i++) {
            rt_release(tensors[i]);
        }
        return rt_fail(c->err, RT_E_MEMORY, "%s: no memory for %lld results",
                       c->name, (long long)n);
    }
    memcpy(list, tensors, (size_t)n * sizeof *tensors);
    c->r[0] = RT_V_TENSORS(list, n);
    return RT_OK;
}

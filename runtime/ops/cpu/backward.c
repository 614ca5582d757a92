/* SPDX-License-Identifier: MIT
 * Kernels that only gradients call.
 */
#include "runtime/ops/cpu/move.h"

#include <string.h>

/* --- as_strided_backward ------------------------------------------------------ */

typedef struct geometry {
    int ndim;
    const int64_t *shape, *strides;
    int64_t offset;
} geometry;

/* One past the last element; the offset itself when there is none; INT64_MAX,
 * which no memory holds, beyond that. */
static int64_t end_of(const geometry *g)
{
    int64_t last = g->offset, more;
    bool large = last == INT64_MAX;
    for (int i = 0; i < g->ndim; i++) {
        if (g->shape[i] == 0) {
            return g->offset;
        }
        large |= __builtin_mul_overflow(g->shape[i] - 1, g->strides[i], &more) ||
                 __builtin_add_overflow(last, more, &last);
    }
    return large || last == INT64_MAX ? INT64_MAX : last + 1;
}

static rt_status read_geometry(const rt__call *c, geometry *g, int at)
{
    const rt_value *shape = &c->a[at], *strides = &c->a[at + 1];
    *g = (geometry){shape->count, shape->ints, strides->ints, c->a[at + 2].i};
    bool good = shape->count == strides->count && g->offset >= 0;
    for (int i = 0; good && i < g->ndim; i++) {
        good = g->shape[i] >= 0 && g->strides[i] >= 0;
    }
    return good ? RT_OK
                : rt_fail(c->err, RT_E_ARGUMENT, "%s: sizes, strides and "
                          "offsets must fit each other and not be negative",
                          c->name);
}

/* `line` handles the innermost dimension of two geometries of one shape. */
typedef void (*line_fn)(char *a, int64_t a_step, const char *b, int64_t b_step,
                        int64_t n);

static void each_line(const geometry *a, char *pa, const geometry *b,
                      const char *pb, int64_t size, line_fn line)
{
    int64_t at[RT_MAX_DIMS] = {0};
    int n = a->ndim;
    int64_t inner = n ? a->shape[n - 1] : 1;
    /* Of a dimension of one element the stride may be any. */
    int64_t sa = inner > 1 ? a->strides[n - 1] * size : 0;
    int64_t sb = inner > 1 ? b->strides[n - 1] * size : 0;
    for (;;) {
        line(pa, sa, pb, sb, inner);
        int d = n - 2;
        for (; d >= 0; d--) {
            if (++at[d] < a->shape[d]) {
                pa += a->strides[d] * size;
                pb += b->strides[d] * size;
                break;
            }
            pa -= (at[d] - 1) * a->strides[d] * size;
            pb -= (at[d] - 1) * b->strides[d] * size;
            at[d] = 0;
        }
        if (d < 0) {
            return;
        }
    }
}

static void add_float32(char *a, int64_t sa, const char *b, int64_t sb,
                        int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        *(float *)(a + i * sa) += *(const float *)(b + i * sb);
    }
}

static void add_float64(char *a, int64_t sa, const char *b, int64_t sb,
                        int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        *(double *)(a + i * sa) += *(const double *)(b + i * sb);
    }
}

static void add_float16(char *a, int64_t sa, const char *b, int64_t sb,
                        int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        void *to = a + i * sa;
        rt__store_float(RT_FLOAT16, to,
                        rt__load_float(RT_FLOAT16, to)
                            + rt__load_float(RT_FLOAT16, b + i * sb));
    }
}

static void add_bfloat16(char *a, int64_t sa, const char *b, int64_t sb,
                         int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        void *to = a + i * sa;
        rt__store_float(RT_BFLOAT16, to,
                        rt__load_float(RT_BFLOAT16, to)
                            + rt__load_float(RT_BFLOAT16, b + i * sb));
    }
}

static line_fn adder(rt_dtype d)
{
    switch (d) {
    case RT_FLOAT32:
        return add_float32;
    case RT_FLOAT64:
        return add_float64;
    case RT_FLOAT16:
        return add_float16;
    case RT_BFLOAT16:
        return add_bfloat16;
    default:
        return NULL;
    }
}

/* Whether no two elements of g share a place: each step is longer than all that
 * the smaller ones reach. */
static bool is_apart(const geometry *g)
{
    int order[RT_MAX_DIMS];
    int64_t reach = 0;
    for (int i = 0; i < g->ndim; i++) {
        int at = i;
        for (; at > 0 && g->strides[order[at - 1]] > g->strides[i]; at--) {
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
    for (int i = 0; i < g->ndim; i++) {
        int64_t n = g->shape[order[i]], step = g->strides[order[i]];
        if (n > 1 && step <= reach) {
            return false;
        }
        reach += n > 1 ? (n - 1) * step : 0;
    }
    return true;
}

/* The gradient's elements in memory of zeros: copied, by threads together,
 * where each has a place of its own, added one after the other elsewhere. */
static rt_status place(const rt__call *c, rt_tensor *flat, const geometry *from,
                       const geometry *source, line_fn add)
{
    rt_tensor *grad = rt__arg(c, 0), *view = NULL;
    int64_t size = (int64_t)rt_dtype_size((rt_dtype)grad->dtype), zero = 0;
    bool apart = is_apart(from);
    rt_status s = RT_OK;
    if (flat->numel && !(apart && grad->numel == flat->numel)) {
        s = rt__fill_pattern(flat->data, flat->numel, (size_t)size, &zero,
                             c->name, c->err);
    }
    if (s != RT_OK || !grad->numel) {
        return s;
    }
    if (!apart) {
        each_line(from, flat->data + from->offset * size, source, grad->data,
                  size, add);
        return RT_OK;
    }
    s = rt__tensor_over(&view, flat->storage, (rt_dtype)grad->dtype, from->ndim,
                        from->shape, from->strides, from->offset, c->err);
    if (s == RT_OK) {
        s = rt__move(view, grad, c->name, c->err);
    }
    rt_release(view);
    return s;
}

/* Zeros as long as both geometries need, with the gradient's elements where
 * `from` has them. */
static rt_status scatter(const rt__call *c, rt_tensor **out,
                         const geometry *to, const geometry *from)
{
    rt_tensor *grad = rt__arg(c, 0), *flat = NULL;
    int64_t extent = end_of(to), end = end_of(from);
    line_fn add = adder((rt_dtype)grad->dtype);
    geometry source = {grad->ndim, grad->shape, grad->strides, 0};
    extent = extent > end ? extent : end;
    if (!add) {
        return rt_fail(c->err, RT_E_DTYPE, "%s: gradients are floating, got %s",
                       c->name, rt_dtype_name((rt_dtype)grad->dtype));
    }
    if (grad->ndim != from->ndim
        || (grad->ndim && memcmp(grad->shape, from->shape,
                                 sizeof(int64_t) * grad->ndim))) {
        return rt_fail(c->err, RT_E_SHAPE, "%s: the gradient does not have the "
                       "given size", c->name);
    }
    rt_status s = rt_tensor_new(&flat, (rt_dtype)grad->dtype, 1, &extent,
                                c->err);
    if (s != RT_OK) {
        return s;
    }
    s = place(c, flat, from, &source, add);
    if (s == RT_OK) {
        *out = flat;
    } else {
        rt_release(flat);
    }
    return s;
}

static bool is_plain(const geometry *g, int64_t extent)
{
    int64_t step = 1;
    for (int i = g->ndim - 1; i >= 0; i--) {
        if (g->shape[i] != 1 && g->strides[i] != step) {
            return false;
        }
        step *= g->shape[i];
    }
    return g->offset == 0 && step == extent;
}

RT_KERNEL(as_strided_backward)
{
    geometry to, from;
    rt_tensor *flat = NULL, *result = NULL;
    rt_status s = read_geometry(c, &to, 1);
    s = s == RT_OK ? read_geometry(c, &from, 4) : s;
    s = s == RT_OK ? scatter(c, &flat, &to, &from) : s;
    if (s != RT_OK) {
        return s;
    }
    int64_t strides[RT_MAX_DIMS];
    rt__shape_strides(to.ndim, to.shape, strides);
    bool plain = is_plain(&to, flat->numel);
    s = rt__tensor_over(&result, flat->storage, (rt_dtype)flat->dtype, to.ndim,
                        to.shape, plain ? strides : to.strides, to.offset,
                        c->err);
    rt_release(flat);
    return s == RT_OK ? rt__result_steal(c, 0, result) : s;
}

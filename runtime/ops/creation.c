/* SPDX-License-Identifier: MIT
 * Ops that make tensors from numbers: zeros, full, arange, eye, one_hot, ...
 */
#include "runtime/base/pool.h"
#include "runtime/ops/cpu/isa.h"
#include "runtime/ops/cpu/move.h"
#include "runtime/ops/op.h"

#include <math.h>
#include <string.h>

/* The dtype, device and requires_grad arguments that end every schema here. */
typedef struct options {
    rt_dtype dtype;
    bool requires_grad;
} options;

static rt_status read_options(options *o, const rt__call *c, int first,
                              rt_dtype otherwise)
{
    o->dtype = c->a[first].kind == RT_K_DTYPE ? (rt_dtype)c->a[first].dtype
                                              : otherwise;
    o->requires_grad = c->a[first + 2].i != 0;
    if (o->requires_grad && !rt_dtype_is_floating(o->dtype)) {
        rt_fail(c->err, RT_E_AUTOGRAD,
                "%s: only floating tensors can require gradients, got %s",
                c->name, rt_dtype_name(o->dtype));
        rt_error_help(c->err, "give dtype=float32, or leave requires_grad out");
        return RT_E_AUTOGRAD;
    }
    if (c->a[first + 1].kind == RT_K_DEVICE) {
        return rt_device_check(c->a[first + 1].device, c->err);
    }
    return RT_OK;
}

rt_status rt__check_sizes(const rt__call *c, int ndim, const int64_t *shape)
{
    char text[96];
    for (int d = 0; d < ndim; d++) {
        if (shape[d] < 0) {
            rt__shape_format(text, sizeof text, ndim, shape);
            return rt_fail(c->err, RT_E_SHAPE,
                           "%s: sizes must not be negative, got %s", c->name,
                           text);
        }
    }
    return RT_OK;
}

/* --- one element as bytes ------------------------------------------------- */

static rt_status out_of_range(const rt__call *c, const rt_value *v,
                              rt_dtype dtype)
{
    if (v->kind == RT_K_FLOAT) {
        return rt_fail(c->err, RT_E_ARGUMENT, "%s: %g does not fit in %s",
                       c->name, v->f, rt_dtype_name(dtype));
    }
    return rt_fail(c->err, RT_E_ARGUMENT, "%s: %lld does not fit in %s",
                   c->name, (long long)v->i, rt_dtype_name(dtype));
}

/* uint8 takes negatives down to -255 and wraps them, as PyTorch does. */
static bool fits(rt_dtype dtype, double v)
{
    switch (dtype) {
    case RT_UINT8:
        return v > -256 && v < 256;
    case RT_INT32:
        return v > -2147483649.0 && v < 2147483648.0;
    case RT_INT64:
        return v >= -9223372036854775808.0 && v < 9223372036854775808.0;
    default:
        return true;
    }
}

static rt_status encode(uint64_t *bits, const rt__call *c, const rt_value *v,
                        rt_dtype dtype)
{
    double f = v->kind == RT_K_FLOAT ? v->f : (double)v->i;
    *bits = 0;
    if (rt_dtype_is_floating(dtype)) {
        rt__store_float(dtype, bits, f);
    } else if (dtype == RT_BOOL) {
        rt__store_int(dtype, bits, v->kind == RT_K_FLOAT ? f != 0 : v->i != 0);
    } else if (v->kind != RT_K_FLOAT && dtype == RT_INT64) {
        rt__store_int(dtype, bits, v->i);
    } else if (!fits(dtype, f)) {
        return out_of_range(c, v, dtype);
    } else {
        rt__store_int(dtype, bits, (int64_t)f);
    }
    return RT_OK;
}

/* --- constant tensors ----------------------------------------------------- */

/* Makes the result; v NULL: left uninitialised. */
static rt_status make(rt__call *c, const options *o, int ndim,
                      const int64_t *shape, const rt_value *v)
{
    uint64_t bits = 0;
    rt_status s = rt__check_sizes(c, ndim, shape);
    if (s == RT_OK && v) {
        s = encode(&bits, c, v, o->dtype);
    }
    if (s == RT_OK) {
        s = rt__result_new(c, 0, o->dtype, ndim, shape);
    }
    if (s == RT_OK && v) {
        s = rt__fill_pattern(c->r[0].t->data, c->r[0].t->numel,
                             rt_dtype_size(o->dtype), &bits, c->name, c->err);
    }
    if (s == RT_OK && o->requires_grad) {
        s = rt_set_requires_grad(c->r[0].t, true, c->err);
    }
    return s;
}

static rt_status make_sized(rt__call *c, int size, int first, rt_dtype dtype,
                            const rt_value *v)
{
    options o;
    rt_status s = read_options(&o, c, first, dtype);
    if (s != RT_OK) {
        return s;
    }
    return make(c, &o, c->a[size].count, c->a[size].ints, v);
}

static rt_status make_like(rt__call *c, int first, const rt_value *v)
{
    options o;
    rt_tensor *self = rt__arg(c, 0);
    rt_status s = read_options(&o, c, first, self->dtype);
    if (s != RT_OK) {
        return s;
    }
    return make(c, &o, self->ndim, self->shape, v);
}

static const rt_value zero = {.kind = RT_K_INT, .i = 0};
static const rt_value one = {.kind = RT_K_INT, .i = 1};

RT_KERNEL(empty)
{
    return make_sized(c, 0, 1, rt_default_dtype(), NULL);
}

RT_KERNEL(zeros)
{
    return make_sized(c, 0, 1, rt_default_dtype(), &zero);
}

RT_KERNEL(ones)
{
    return make_sized(c, 0, 1, rt_default_dtype(), &one);
}

RT_KERNEL(full)
{
    rt_dtype d = c->a[1].kind == RT_K_BOOL  ? RT_BOOL
                 : c->a[1].kind == RT_K_INT ? RT_INT64
                                            : rt_default_dtype();
    return make_sized(c, 0, 2, d, &c->a[1]);
}

RT_KERNEL(empty_like)
{
    return make_like(c, 1, NULL);
}

RT_KERNEL(zeros_like)
{
    return make_like(c, 1, &zero);
}

RT_KERNEL(ones_like)
{
    return make_like(c, 1, &one);
}

RT_KERNEL(full_like)
{
    return make_like(c, 2, &c->a[1]);
}

RT_KERNEL(new_zeros)
{
    return make_sized(c, 1, 2, rt__arg(c, 0)->dtype, &zero);
}

RT_KERNEL(new_ones)
{
    return make_sized(c, 1, 2, rt__arg(c, 0)->dtype, &one);
}

RT_KERNEL(new_full)
{
    return make_sized(c, 1, 3, rt__arg(c, 0)->dtype, &c->a[2]);
}

RT_KERNEL(new_empty)
{
    return make_sized(c, 1, 2, rt__arg(c, 0)->dtype, NULL);
}

/* --- ranges --------------------------------------------------------------- */

static rt_status check_range(const rt__call *c, double start, double end,
                             double step)
{
    if (step == 0) {
        return rt_fail(c->err, RT_E_ARGUMENT, "%s: step must not be 0",
                       c->name);
    }
    if (!isfinite(start) || !isfinite(end) || !isfinite(step)) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "%s: the range %g .. %g by %g is not finite", c->name,
                       start, end, step);
    }
    if ((step > 0 && end < start) || (step < 0 && end > start)) {
        rt_fail(c->err, RT_E_ARGUMENT,
                "%s: the range %g .. %g cannot be walked in steps of %g",
                c->name, start, end, step);
        rt_error_help(c->err, "give the step the sign of end - start");
        return RT_E_ARGUMENT;
    }
    return RT_OK;
}

static int64_t count_ints(int64_t start, int64_t end, int64_t step)
{
    __int128 span = step > 0 ? (__int128)end - start : (__int128)start - end;
    __int128 s = step > 0 ? step : -(__int128)step;
    return (int64_t)((span + s - 1) / s);
}

/* start + i * step, in floats or in ints. */
typedef struct counting {
    rt_tensor *t;
    double start, step;
    int64_t istart, istep;
    bool floats;
} counting;

/* Modulo 2**64: between the ends of a long range i * step alone may not fit. */
static int64_t counted(const counting *g, int64_t i)
{
    return (int64_t)((uint64_t)g->istart + (uint64_t)i * (uint64_t)g->istep);
}

/* n values start + i * step from i = `first` on, as a floating dtype. */
static void store_steps(rt_dtype dtype, char *out, double start, double step,
                        int64_t first, int64_t n)
{
    const rt__convert_table *convert = RT_ISA_TABLE(convert);
    int64_t size = (int64_t)rt_dtype_size(dtype);
    double room[512];
    for (int64_t i = 0; i < n; i += 512) {
        int m = n - i < 512 ? (int)(n - i) : 512;
        convert->count_floats(room, start, step, first + i, m);
        convert->fn[RT_FLOAT64][dtype](out + i * size, size,
                                       (const char *)room, 8, m);
    }
}

static void count_range(void *ctx, int64_t begin, int64_t end)
{
    const counting *g = ctx;
    rt_dtype dtype = g->t->dtype;
    if (dtype == RT_INT64 && !g->floats) {
        RT_ISA_TABLE(convert)->count_ints(
            (int64_t *)(void *)g->t->data + begin, counted(g, begin), g->istep,
            end - begin);
        return;
    }
    char *p = g->t->data + (size_t)begin * rt_dtype_size(dtype);
    if (rt_dtype_is_floating(dtype)) {
        store_steps(dtype, p, g->start, g->step, begin, end - begin);
        return;
    }
    for (int64_t i = begin; i < end; i++, p += rt_dtype_size(dtype)) {
        if (g->floats) {
            rt__store_int(dtype, p, rt__whole(g->start + (double)i * g->step));
        } else {
            rt__store_int(dtype, p, counted(g, i));
        }
    }
}

static rt_status range(rt__call *c, int first, rt_value start, rt_value end,
                       rt_value step)
{
    bool floats = start.kind == RT_K_FLOAT || end.kind == RT_K_FLOAT ||
                  step.kind == RT_K_FLOAT;
    double s0 = start.kind == RT_K_FLOAT ? start.f : (double)start.i;
    double s1 = end.kind == RT_K_FLOAT ? end.f : (double)end.i;
    double by = step.kind == RT_K_FLOAT ? step.f : (double)step.i;
    options o;
    rt_status s =
        read_options(&o, c, first, floats ? rt_default_dtype() : RT_INT64);
    if (s == RT_OK) {
        s = check_range(c, s0, s1, by);
    }
    if (s != RT_OK) {
        return s;
    }
    double count = ceil((s1 - s0) / by);
    if (count > 9e15) {
        return rt_fail(c->err, RT_E_MEMORY,
                       "%s: %g elements are more than memory can hold",
                       c->name, count);
    }
    int64_t n = floats ? (int64_t)count : count_ints(start.i, end.i, step.i);
    s = make(c, &o, 1, &n, NULL);
    if (s != RT_OK) {
        return s;
    }
    counting g = {c->r[0].t, s0, by, start.i, step.i, floats};
    if (!rt__parallel(n, 16384, count_range, &g)) {
        s = rt__interrupted(c->name, c->err);
    }
    return s;
}

RT_KERNEL(arange)
{
    return range(c, 1, zero, c->a[0], one);
}

RT_KERNEL(arange_start)
{
    return range(c, 3, c->a[0], c->a[1], c->a[2]);
}

/* `n` values from `start` to `end`, or powers of `base` with these exponents. */
typedef struct spacing {
    rt_tensor *t;
    double start, end, step, base;
    bool powers;
} spacing;

static double spaced(const spacing *g, int64_t i)
{
    int64_t n = g->t->numel;
    double v = i < n / 2 || n == 1 ? g->start + g->step * (double)i
                                   : g->end - g->step * (double)(n - 1 - i);
    return g->powers ? pow(g->base, v) : v;
}

static void space_one_by_one(const spacing *g, int64_t begin, int64_t end)
{
    rt_dtype dtype = (rt_dtype)g->t->dtype;
    char *p = g->t->data + (size_t)begin * rt_dtype_size(dtype);
    for (int64_t i = begin; i < end; i++, p += rt_dtype_size(dtype)) {
        if (rt_dtype_is_floating(dtype)) {
            rt__store_float(dtype, p, spaced(g, i));
        } else {
            rt__store_int(dtype, p, rt__whole(spaced(g, i)));
        }
    }
}

/* Steps from both ends, so that the last value is `end` exactly. */
static void space_range(void *ctx, int64_t begin, int64_t end)
{
    const spacing *g = ctx;
    rt_dtype dtype = (rt_dtype)g->t->dtype;
    int64_t n = g->t->numel, middle = n == 1 ? 1 : n / 2;
    int64_t turn = middle < begin ? begin : middle < end ? middle : end;
    char *out = g->t->data;
    if (g->powers || !rt_dtype_is_floating(dtype)) {
        space_one_by_one(g, begin, end);
        return;
    }
    size_t size = rt_dtype_size(dtype);
    store_steps(dtype, out + (size_t)begin * size, g->start, g->step, begin,
                turn - begin);
    store_steps(dtype, out + (size_t)turn * size, g->end, g->step,
                turn - (n - 1), end - turn);
}

static rt_status spaced_values(rt__call *c, int first, bool powers, double base)
{
    spacing g = {.start = rt__arg_float(c, 0), .end = rt__arg_float(c, 1),
                 .base = base, .powers = powers};
    int64_t n = rt__arg_int(c, 2);
    options o;
    rt_status s = read_options(&o, c, first, rt_default_dtype());
    if (s != RT_OK) {
        return s;
    }
    if (n < 0) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "%s: steps must not be negative, got %lld", c->name,
                       (long long)n);
    }
    s = make(c, &o, 1, &n, NULL);
    if (s != RT_OK) {
        return s;
    }
    g.t = c->r[0].t;
    g.step = n > 1 ? (g.end - g.start) / (double)(n - 1) : 0;
    return rt__parallel(n, 16384, space_range, &g)
               ? RT_OK
               : rt__interrupted(c->name, c->err);
}

RT_KERNEL(linspace)
{
    return spaced_values(c, 3, false, 0);
}

RT_KERNEL(logspace)
{
    return spaced_values(c, 4, true, rt__arg_float(c, 3));
}

/* --- matrices and grids --------------------------------------------------- */

RT_KERNEL(eye)
{
    options o;
    int64_t shape[2] = {rt__arg_int(c, 0), 0};
    shape[1] = rt__arg_given(c, 1) ? rt__arg_int(c, 1) : shape[0];
    uint64_t bits = 0;
    rt_status s = read_options(&o, c, 2, rt_default_dtype());
    if (s == RT_OK) {
        s = make(c, &o, 2, shape, &zero);
    }
    if (s == RT_OK) {
        s = encode(&bits, c, &one, o.dtype);
    }
    if (s != RT_OK) {
        return s;
    }
    size_t size = rt_dtype_size(o.dtype);
    int64_t n = shape[0] < shape[1] ? shape[0] : shape[1];
    for (int64_t i = 0; i < n; i++) {
        memcpy(c->r[0].t->data + (size_t)(i * shape[1] + i) * size, &bits,
               size);
    }
    return RT_OK;
}

/* The class count to use; fails on a class outside it. */
static rt_status count_classes(rt__call *c, const int64_t *v, int64_t n,
                               int64_t *classes)
{
    int64_t top = -1;
    for (int64_t i = 0; i < n; i++) {
        if (v[i] < 0 || (*classes >= 0 && v[i] >= *classes)) {
            rt_fail(c->err, RT_E_INDEX,
                    "%s: class %lld at position %lld is outside 0..%lld",
                    c->name, (long long)v[i], (long long)i,
                    (long long)(*classes < 0 ? INT64_MAX : *classes - 1));
            rt_error_help(c->err, "Class values must be non-negative and "
                                  "smaller than num_classes");
            return RT_E_INDEX;
        }
        top = v[i] > top ? v[i] : top;
        if (rt__stops_at(i)) {
            return rt_fail(c->err, RT_E_INTERRUPT, "%s: interrupted", c->name);
        }
    }
    *classes = *classes < 0 ? top + 1 : *classes;
    return RT_OK;
}

typedef struct marking {
    int64_t *out;
    const int64_t *v;
    int64_t classes;
} marking;

static void mark_rows(void *ctx, int64_t begin, int64_t end)
{
    const marking *m = ctx;
    for (int64_t i = begin; i < end; i++) {
        int64_t *row = m->out + i * m->classes;
        memset(row, 0, (size_t)m->classes * sizeof *row);
        row[m->v[i]] = 1;
    }
}

RT_KERNEL(one_hot)
{
    rt_tensor *self = rt__arg(c, 0), *index = NULL;
    int64_t classes = rt__arg_int(c, 1), shape[RT_MAX_DIMS];
    rt_status s = rt__index_dense(&index, self, "the classes", c->name, c->err);
    if (s != RT_OK) {
        return s;
    }
    if (classes == 0 || classes < -1 || (index->numel == 0 && classes < 0)) {
        s = rt_fail(c->err, RT_E_ARGUMENT,
                    "one_hot: num_classes must be positive (or -1 for a "
                    "non-empty tensor), got %lld", (long long)classes);
        goto done;
    }
    s = count_classes(c, (int64_t *)index->data, index->numel, &classes);
    if (s != RT_OK || self->ndim >= RT_MAX_DIMS) {
        goto done;
    }
    memcpy(shape, self->shape, (size_t)self->ndim * sizeof *shape);
    shape[self->ndim] = classes;
    s = rt__result_new(c, 0, RT_INT64, self->ndim + 1, shape);
    if (s == RT_OK) {
        marking m = {(int64_t *)c->r[0].t->data, (int64_t *)index->data,
                     classes};
        if (!rt__parallel(index->numel, 8192 / (classes + 1) + 1, mark_rows,
                          &m)) {
            s = rt__interrupted(c->name, c->err);
        }
    }
done:
    rt_release(index);
    return s;
}

static rt_status grid_shape(rt__call *c, int64_t *shape, int n)
{
    for (int i = 0; i < n; i++) {
        rt_tensor *t = c->a[0].tensors[i];
        if (t->ndim > 1) {
            return rt_fail(c->err, RT_E_SHAPE,
                           "meshgrid: tensor %d has %d dimensions, expected 1",
                           i, t->ndim);
        }
        shape[i] = t->numel;
    }
    return RT_OK;
}

/* One grid: the vector along its axis, expanded to the whole shape. */
static rt_status grid(rt_tensor **out, rt__call *c, int axis, int n, bool xy,
                      const int64_t *shape)
{
    int64_t ones[RT_MAX_DIMS];
    rt_tensor *line = NULL, *full = NULL;
    for (int d = 0; d < n; d++) {
        ones[d] = d == axis ? -1 : 1;
    }
    rt_status s = rt__op1(RT_OP_reshape, &line, c->err, 2,
                          RT_V_TENSOR(c->a[0].tensors[axis]),
                          RT_V_INTS(ones, n));
    if (s == RT_OK) {
        s = rt__op1(RT_OP_expand, &full, c->err, 2, RT_V_TENSOR(line),
                    RT_V_INTS(shape, n));
    }
    rt_release(line);
    if (s == RT_OK && xy && n > 1) {
        s = rt__op1(RT_OP_transpose, out, c->err, 3, RT_V_TENSOR(full),
                    RT_V_INT(0), RT_V_INT(1));
        rt_release(full);
    } else if (s == RT_OK) {
        *out = full;
    }
    return s;
}

RT_KERNEL(meshgrid)
{
    int n = c->a[0].count;
    int64_t shape[RT_MAX_DIMS];
    rt_tensor *grids[RT_MAX_DIMS] = {NULL};
    bool xy = strcmp(c->a[1].s, "xy") == 0;
    if (!xy && strcmp(c->a[1].s, "ij") != 0) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "meshgrid: indexing must be 'ij' or 'xy', got '%s'",
                       c->a[1].s);
    }
    if (n < 1 || n > RT_MAX_DIMS) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "meshgrid: expected 1 to %d tensors, got %d",
                       RT_MAX_DIMS, n);
    }
    rt_status s = grid_shape(c, shape, n);
    int made = 0;
    for (; s == RT_OK && made < n; made++) {
        s = grid(&grids[made], c, made, n, xy, shape);
    }
    if (s == RT_OK) {
        return rt__result_list(c, grids, n);
    }
    for (int i = 0; i < made; i++) {
        rt_release(grids[i]);
    }
    return s;
}

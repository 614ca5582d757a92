/* SPDX-License-Identifier: MIT
 * Kernels that move whole blocks: cat, flip, pad.
 */
#include "runtime/base/pool.h"
#include "runtime/ops/cpu/isa.h"
#include "runtime/ops/cpu/move.h"

#include <string.h>

/* --- cat ------------------------------------------------------------------ */

/* PyTorch lets [0]-shaped tensors pass whatever the others' shape is. */
static bool skipped(const rt_tensor *t)
{
    return t->ndim == 1 && t->shape[0] == 0;
}

static rt_status cat_misfit(rt__call *c, const rt_tensor *a,
                            const rt_tensor *b, int i, int dim)
{
    char sa[96], sb[96];
    rt__shape_format(sa, sizeof sa, a->ndim, a->shape);
    rt__shape_format(sb, sizeof sb, b->ndim, b->shape);
    rt_fail(c->err, RT_E_SHAPE,
            "cat: sizes must match except in dimension %d, but tensor %d has "
            "shape %s where %s came before", dim, i, sb, sa);
    rt__error_shapes(c->err, a, b);
    return RT_E_SHAPE;
}

static rt_status add_to_shape(rt__call *c, const rt_tensor *first, int i,
                              int dim, int64_t *shape)
{
    const rt_tensor *t = c->a[0].tensors[i];
    if (t->ndim != first->ndim) {
        return cat_misfit(c, first, t, i, dim);
    }
    for (int d = 0; d < t->ndim; d++) {
        if (d != dim && t->shape[d] != first->shape[d]) {
            return cat_misfit(c, first, t, i, dim);
        }
    }
    shape[dim] += t->shape[dim];
    return RT_OK;
}

RT_INFER(cat)
{
    int n = c->a[0].count, dim = 0;
    const rt_tensor *first = NULL;
    int64_t shape[RT_MAX_DIMS] = {0};
    rt_status s = RT_OK;
    if (n == 0) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "cat: expected a non-empty list of tensors");
    }
    rt_dtype dtype = c->a[0].tensors[0]->dtype;
    for (int i = 0; s == RT_OK && i < n; i++) {
        rt_tensor *t = c->a[0].tensors[i];
        dtype = rt_promote_types(dtype, t->dtype);
        if (t->ndim == 0) {
            rt_fail(c->err, RT_E_SHAPE,
                    "cat: tensor %d is 0-dim and cannot be concatenated", i);
            rt_error_help(c->err, "use stack, which adds a dimension");
            return RT_E_SHAPE;
        }
        if (skipped(t)) {
            continue;
        }
        if (!first) {
            first = t;
            s = rt__wrap_dim(&dim, c->a[1].i, t->ndim, c->name, c->err);
            memcpy(shape, t->shape, (size_t)t->ndim * sizeof *shape);
        } else {
            s = add_to_shape(c, first, i, dim, shape);
        }
    }
    if (s != RT_OK) {
        return s;
    }
    return rt__result_new(c, 0, dtype, first ? first->ndim : 1, shape);
}

/* Copies t into out at `at` along dim, converting where the dtypes differ. */
static rt_status place(rt__call *c, rt_tensor *out, rt_tensor *t, int dim,
                       int64_t at)
{
    rt_tensor *part = NULL, *same = NULL;
    rt_status s = rt__tensor_over(&part, out->storage, out->dtype, t->ndim,
                                  t->shape, out->strides,
                                  out->offset + at * out->strides[dim],
                                  c->err);
    if (s == RT_OK) {
        s = t->dtype == out->dtype
                ? (same = rt_retain(t), RT_OK)
                : rt__dense_as(&same, t, (rt_dtype)out->dtype, c->name, c->err);
    }
    if (s == RT_OK) {
        s = rt__move(part, same, c->name, c->err);
    }
    rt_release(part);
    rt_release(same);
    return s;
}

RT_KERNEL(cat)
{
    rt_tensor *out = c->r[0].t;
    int64_t at = 0;
    int dim = 0;
    rt_status s =
        rt__wrap_dim(&dim, c->a[1].i, out->ndim, c->name, c->err);
    for (int i = 0; s == RT_OK && i < c->a[0].count; i++) {
        rt_tensor *t = c->a[0].tensors[i];
        if (!skipped(t)) {
            s = place(c, out, t, dim, at);
            at += t->shape[dim];
        }
    }
    return s;
}

/* --- flip ----------------------------------------------------------------- */

/* A view with negative strides along the flipped dimensions, then a copy. */
RT_KERNEL(flip)
{
    rt_tensor *self = rt__arg(c, 0), *view = NULL;
    int64_t strides[RT_MAX_DIMS], offset = self->offset;
    bool seen[RT_MAX_DIMS] = {false};
    memcpy(strides, self->strides, (size_t)self->ndim * sizeof *strides);
    for (int i = 0; i < c->a[1].count; i++) {
        int d;
        rt_status s =
            rt__wrap_dim(&d, c->a[1].ints[i], self->ndim, c->name, c->err);
        if (s != RT_OK) {
            return s;
        }
        if (seen[d]) {
            return rt_fail(c->err, RT_E_ARGUMENT,
                           "flip: dimension %d is named twice", d);
        }
        seen[d] = true;
        if (self->ndim > 0 && self->shape[d] > 0) {
            offset += (self->shape[d] - 1) * strides[d];
            strides[d] = -strides[d];
        }
    }
    rt_status s = rt__result_new(c, 0, (rt_dtype)self->dtype, self->ndim,
                                 self->shape);
    if (s == RT_OK) {
        s = rt__tensor_over(&view, self->storage, (rt_dtype)self->dtype,
                            self->ndim, self->shape, strides, offset, c->err);
    }
    if (s == RT_OK) {
        s = rt__move(c->r[0].t, view, c->name, c->err);
    }
    rt_release(view);
    return s;
}

/* --- pad ------------------------------------------------------------------ */

enum { PAD_CONSTANT, PAD_REFLECT, PAD_REPLICATE, PAD_CIRCULAR, PAD_MODES };
static const char *const pad_modes[PAD_MODES] = {"constant", "reflect",
                                                 "replicate", "circular"};

static rt_status pad_mode(rt__call *c, int *mode)
{
    for (*mode = 0; *mode < PAD_MODES; (*mode)++) {
        if (strcmp(c->a[2].s, pad_modes[*mode]) == 0) {
            return RT_OK;
        }
    }
    return rt_fail(c->err, RT_E_ARGUMENT,
                   "pad: mode must be 'constant', 'reflect', 'replicate' or "
                   "'circular', got '%s'", c->a[2].s);
}

/* Where padded position i (0 is the first inside) comes from; -1: the value. */
static int64_t pad_source(int mode, int64_t i, int64_t n)
{
    if (i >= 0 && i < n) {
        return i;
    }
    switch (mode) {
    case PAD_REFLECT:
        return i < 0 ? -i : 2 * (n - 1) - i;
    case PAD_REPLICATE:
        return i < 0 ? 0 : n - 1;
    case PAD_CIRCULAR:
        return i < 0 ? i + n : i - n;
    default:
        return -1;
    }
}

int64_t rt__pad_source(const char *mode, int64_t i, int64_t n)
{
    for (int k = 0; k < PAD_MODES; k++) {
        if (strcmp(mode, pad_modes[k]) == 0) {
            return pad_source(k, i, n);
        }
    }
    return -1;
}

static rt_status pad_limits(rt__call *c, int mode, int dim, int64_t n,
                            int64_t before, int64_t after)
{
    int64_t most = mode == PAD_CONSTANT    ? INT64_MAX / 4
                   : mode == PAD_REFLECT   ? n - 1
                   : mode == PAD_CIRCULAR  ? n
                   : n > 0                 ? INT64_MAX / 4
                                           : 0;
    if (before > most || after > most) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "pad: '%s' margins (%lld, %lld) are too wide for "
                       "dimension %d of size %lld (at most %lld)",
                       pad_modes[mode], (long long)before, (long long)after,
                       dim, (long long)n, (long long)most);
    }
    int64_t left;
    if (__builtin_add_overflow(n, before, &left) ||
        __builtin_add_overflow(left, after, &left) || left < 0) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "pad: margins (%lld, %lld) leave less than nothing of "
                       "dimension %d of size %lld", (long long)before,
                       (long long)after, dim, (long long)n);
    }
    return RT_OK;
}

typedef struct padding {
    const rt_tensor *src;
    rt_tensor *out;
    int64_t left, middle;        /* of a row: margin, then a run of the source
                                    as it stands (0: element by element) */
    int64_t first;               /* where in the source that begins */
    int64_t *map[RT_MAX_DIMS];   /* source position of each output position */
    uint64_t value;
    bool constant;               /* the mode */
    int64_t size;                /* of an element */
} padding;

/* Where an output row is: its place in each dimension but the last. */
static void pad_place(const padding *p, int64_t row, int64_t *place)
{
    for (int d = p->out->ndim - 2; d >= 0; d--) {
        place[d] = row % p->out->shape[d];
        row /= p->out->shape[d];
    }
}

/* `rows` further, within the plane of the last two dimensions or to its end. */
static void pad_next(const padding *p, int64_t *place, int64_t rows)
{
    int d = p->out->ndim - 2;
    if (d >= 0) {
        place[d] += rows;
    }
    while (d >= 0 && place[d] == p->out->shape[d]) {
        place[d--] = 0;
        if (d >= 0) {
            place[d]++;
        }
    }
}

/* Source offset (elements) of an output row, or -1 when all of it is margin. */
static int64_t pad_row(const padding *p, const int64_t *place)
{
    int64_t offset = 0;
    for (int d = p->out->ndim - 2; d >= 0; d--) {
        int64_t at = p->map[d][place[d]];
        if (at < 0) {
            return -1;
        }
        offset += at * p->src->strides[d];
    }
    return offset;
}

/* How many rows from this place on, at most `most`, are the source's rows one
 * after the other, or all margin. */
static int64_t pad_run(const padding *p, const int64_t *place, bool margin,
                       int64_t most)
{
    int d = p->out->ndim - 2;
    if (d < 0) {
        return 1;
    }
    const int64_t *map = p->map[d] + place[d];
    int64_t left = p->out->shape[d] - place[d], n = 1;
    most = most < left ? most : left;
    while (n < most && (margin ? map[0] >= 0 || map[n] < 0
                               : map[n] == map[0] + n)) {
        n++;
    }
    return n;
}

#define PAD_LOOP(TYPE)                                                         \
    for (int64_t i = begin; i < end; i++) {                                    \
        ((TYPE *)to)[i] = map[i] < 0 ? (TYPE)p->value                          \
                                     : ((const TYPE *)in)[map[i] * step];      \
    }                                                                          \
    break

/* Elements of one row, wherever each comes from. */
static void pad_elements(const padding *p, void *to, const void *in,
                         int64_t begin, int64_t end)
{
    int last = p->out->ndim - 1;
    const int64_t *map = p->map[last], step = p->src->strides[last];
    switch (p->size) {
    case 1: PAD_LOOP(uint8_t);
    case 2: PAD_LOOP(uint16_t);
    case 4: PAD_LOOP(uint32_t);
    default: PAD_LOOP(uint64_t);
    }
}

/* The same columns of many rows; `in` NULL: the constant. */
static void pad_columns(const padding *p, char *to, const char *in,
                        int64_t in_row, int64_t begin, int64_t end,
                        int64_t rows)
{
    const int64_t width = p->out->shape[p->out->ndim - 1] * p->size;
    const int64_t strides[] = {p->size, width}, none[] = {0, 0};
    if (begin >= end) {
        return;
    }
    if (!in || (p->constant && p->middle)) {
        rt__plane_copy_of((size_t)p->size)(to + begin * p->size, strides,
                                           (const char *)&p->value, none,
                                           end - begin, rows);
        return;
    }
    for (int64_t r = 0; r < rows; r++, to += width, in += in_row) {
        pad_elements(p, to, in, begin, end);
    }
}

static void pad_range(void *ctx, int64_t begin, int64_t end)
{
    const padding *p = ctx;
    int last = p->out->ndim - 1;
    int64_t width = p->out->shape[last], n;
    int64_t in_row = last ? p->src->strides[last - 1] * p->size : 0;
    const int64_t os[] = {p->size, width * p->size}, is[] = {p->size, in_row};
    int64_t place[RT_MAX_DIMS];
    pad_place(p, begin, place);
    for (int64_t row = begin; row < end; row += n, pad_next(p, place, n)) {
        int64_t from = pad_row(p, place);
        char *to = p->out->data + row * width * p->size;
        n = pad_run(p, place, from < 0, end - row);
        if (from < 0) {
            pad_columns(p, to, NULL, 0, 0, n * width, 1);
            continue;
        }
        const char *in = p->src->data + from * p->size;
        int64_t right = p->left + p->middle;
        pad_columns(p, to, in, in_row, 0, p->middle ? p->left : width, n);
        if (p->middle) {
            rt__plane_copy_of((size_t)p->size)(to + p->left * p->size, os,
                                               in + p->first * p->size, is,
                                               p->middle, n);
            pad_columns(p, to, in, in_row, right, width, n);
        }
    }
}

/* Fills the maps (one block at *block, freed by the caller). */
static rt_status pad_maps(rt__call *c, padding *p, int mode,
                          const int64_t *before, int64_t **block)
{
    int64_t total = 0, used = 0;
    for (int d = 0; d < p->out->ndim; d++) {
        total += p->out->shape[d];
    }
    *block = rt_alloc((size_t)(total + 1) * sizeof **block);
    if (!*block) {
        return rt_fail(c->err, RT_E_MEMORY, "pad: no memory for %lld indices",
                       (long long)total);
    }
    for (int d = 0; d < p->out->ndim; d++) {
        p->map[d] = *block + used;
        used += p->out->shape[d];
        for (int64_t i = 0; i < p->out->shape[d]; i++) {
            p->map[d][i] = pad_source(mode, i - before[d], p->src->shape[d]);
        }
    }
    return RT_OK;
}

static rt_status pad_shape(rt__call *c, int mode, int64_t *shape,
                           int64_t *before)
{
    rt_tensor *self = rt__arg(c, 0);
    int n = c->a[1].count;
    if (n % 2 != 0 || n / 2 > self->ndim) {
        rt_fail(c->err, RT_E_ARGUMENT,
                "pad: expected up to %d margins, two a dimension, got %d",
                2 * self->ndim, n);
        rt_error_help(c->err, "the last dimension comes first: (left, right, "
                              "top, bottom, ...)");
        return RT_E_ARGUMENT;
    }
    for (int d = 0; d < self->ndim; d++) {
        int k = self->ndim - 1 - d;
        int64_t after = 2 * k + 1 < n ? c->a[1].ints[2 * k + 1] : 0;
        before[d] = 2 * k < n ? c->a[1].ints[2 * k] : 0;
        rt_status s =
            pad_limits(c, mode, d, self->shape[d], before[d], after);
        if (s != RT_OK) {
            return s;
        }
        shape[d] = self->shape[d] + before[d] + after;
    }
    return RT_OK;
}

/* The part of a row that is the source's own. */
static void find_middle(padding *p, int64_t before)
{
    int last = p->out->ndim - 1;
    int64_t width = p->out->shape[last], n = p->src->shape[last];
    int64_t from = before > 0 ? before : 0;
    int64_t to = before + n < width ? before + n : width;
    if (p->src->strides[last] == 1 && to > from) {
        p->left = from;
        p->middle = to - from;
        p->first = from - before;
    }
}

RT_KERNEL(pad)
{
    rt_tensor *self = rt__arg(c, 0);
    int64_t shape[RT_MAX_DIMS], before[RT_MAX_DIMS], *block = NULL;
    padding p = {.src = self,
                 .size = (int64_t)rt_dtype_size((rt_dtype)self->dtype)};
    int mode;
    rt_status s = pad_mode(c, &mode);
    p.constant = s == RT_OK && mode == PAD_CONSTANT;
    if (s == RT_OK) {
        s = pad_shape(c, mode, shape, before);
    }
    if (s == RT_OK) {
        s = rt__result_new(c, 0, (rt_dtype)self->dtype, self->ndim, shape);
    }
    if (s != RT_OK || c->r[0].t->numel == 0) {
        return s;
    }
    if (self->ndim == 0) {
        return rt__move(c->r[0].t, self, c->name, c->err);
    }
    p.out = c->r[0].t;
    if (rt_dtype_is_floating((rt_dtype)self->dtype)) {
        rt__store_float((rt_dtype)self->dtype, &p.value, rt__arg_float(c, 3));
    } else {
        rt__store_int((rt_dtype)self->dtype, &p.value, rt__arg_int(c, 3));
    }
    s = pad_maps(c, &p, mode, before, &block);
    find_middle(&p, before[self->ndim - 1]);
    if (s == RT_OK) {
        int64_t width = shape[self->ndim - 1];
        int64_t grain = 16384 / (width > 0 ? width : 1) + 1;
        if (!rt__parallel(p.out->numel / width, grain, pad_range, &p)) {
            s = rt__interrupted(c->name, c->err);
        }
    }
    rt_free(block);
    return s;
}

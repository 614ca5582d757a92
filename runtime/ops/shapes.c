/* SPDX-License-Identifier: MIT
 * Shape ops composed of views, cat and index_select; gradients follow from
 * theirs.
 */
#include "runtime/ops/cpu/move.h"
#include "runtime/ops/op.h"

#include <string.h>

/* Calls a view op of (self, ints) into result 0. */
static rt_status with_ints(rt__call *c, rt_op_id id, const int64_t *ints, int n)
{
    rt_tensor *out = NULL;
    rt_status s = rt__op1(id, &out, c->err, 2, c->a[0], RT_V_INTS(ints, n));
    return s == RT_OK ? rt__result_steal(c, 0, out) : s;
}

static rt_status with_shape_of_other(rt__call *c, rt_op_id id)
{
    rt_tensor *other = rt__arg(c, 1);
    return with_ints(c, id, other->shape, other->ndim);
}

/* self itself as the result, recorded as a view. */
static rt_status same(rt__call *c)
{
    rt_tensor *self = rt__arg(c, 0);
    return with_ints(c, RT_OP_view, self->shape, self->ndim);
}

RT_KERNEL(view_as)
{
    return with_shape_of_other(c, RT_OP_view);
}

RT_KERNEL(reshape_as)
{
    return with_shape_of_other(c, RT_OP_reshape);
}

RT_KERNEL(expand_as)
{
    return with_shape_of_other(c, RT_OP_expand);
}

RT_KERNEL(flatten)
{
    rt_tensor *self = rt__arg(c, 0);
    int64_t shape[RT_MAX_DIMS];
    int from, to, n = 0;
    rt_status s = rt__wrap_dim(&from, c->a[1].i, self->ndim, c->name, c->err);
    if (s == RT_OK) {
        s = rt__wrap_dim(&to, c->a[2].i, self->ndim, c->name, c->err);
    }
    if (s != RT_OK) {
        return s;
    }
    if (from > to) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "flatten: start_dim %d comes after end_dim %d", from,
                       to);
    }
    if (self->ndim == 0) {
        shape[n++] = 1;
    }
    for (int d = 0; d < self->ndim; d++) {
        if (d > from && d <= to) {
            shape[n - 1] *= self->shape[d];
        } else {
            shape[n++] = self->shape[d];
        }
    }
    return with_ints(c, RT_OP_reshape, shape, n);
}

/* A -1 in sizes is what the others leave of `total`. */
static rt_status fill_hole(rt__call *c, int64_t *sizes, int n, int64_t total)
{
    int64_t known = 1;
    int hole = -1;
    char text[96];
    for (int i = 0; i < n; i++) {
        if (sizes[i] == -1 && hole < 0) {
            hole = i;
        } else if (__builtin_mul_overflow(known, sizes[i], &known)) {
            known = -1;         /* no tensor has so many */
            break;
        }
    }
    if (hole >= 0 && known > 0 && total % known == 0) {
        sizes[hole] = total / known;
        known = total;
    }
    if (known != total || (hole >= 0 && sizes[hole] == -1)) {
        rt__shape_format(text, sizeof text, n, c->a[2].ints);
        return rt_fail(c->err, RT_E_SHAPE,
                       "unflatten: sizes %s do not multiply to %lld, the size "
                       "of dimension %lld", text, (long long)total,
                       (long long)c->a[1].i);
    }
    return RT_OK;
}

RT_KERNEL(unflatten)
{
    rt_tensor *self = rt__arg(c, 0);
    int64_t shape[2 * RT_MAX_DIMS];
    int dim, n = c->a[2].count;
    rt_status s = rt__wrap_dim(&dim, c->a[1].i, self->ndim, c->name, c->err);
    if (s != RT_OK) {
        return s;
    }
    if (self->ndim == 0 || n == 0 || n > RT_MAX_DIMS) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "unflatten: needs a tensor with dimensions and sizes "
                       "for the new ones");
    }
    memcpy(shape, self->shape, (size_t)dim * sizeof *shape);
    memcpy(shape + dim, c->a[2].ints, (size_t)n * sizeof *shape);
    memcpy(shape + dim + n, self->shape + dim + 1,
           (size_t)(self->ndim - dim - 1) * sizeof *shape);
    s = fill_hole(c, shape + dim, n, self->shape[dim]);
    return s == RT_OK ? with_ints(c, RT_OP_view, shape, self->ndim + n - 1)
                      : s;
}

RT_KERNEL(t)
{
    rt_tensor *self = rt__arg(c, 0), *out = NULL;
    if (self->ndim > 2) {
        rt_fail(c->err, RT_E_SHAPE,
                "t: expected at most 2 dimensions, got %d", self->ndim);
        rt_error_help(c->err, "name the dimensions: x.transpose(-2, -1)");
        return RT_E_SHAPE;
    }
    if (self->ndim < 2) {
        return same(c);
    }
    rt_status s = rt__op1(RT_OP_transpose, &out, c->err, 3, c->a[0],
                          RT_V_INT(0), RT_V_INT(1));
    return s == RT_OK ? rt__result_steal(c, 0, out) : s;
}

RT_KERNEL(movedim)
{
    rt_tensor *self = rt__arg(c, 0);
    int64_t order[RT_MAX_DIMS];
    int from, to, n = 0;
    rt_status s = rt__wrap_dim(&from, c->a[1].i, self->ndim, c->name, c->err);
    if (s == RT_OK) {
        s = rt__wrap_dim(&to, c->a[2].i, self->ndim, c->name, c->err);
    }
    if (s != RT_OK || self->ndim == 0) {
        return s == RT_OK ? same(c) : s;
    }
    for (int d = 0; d < self->ndim; d++) {
        if (n == to) {
            order[n++] = from;
        }
        if (d != from) {
            order[n++] = d;
        }
    }
    if (n == to) {
        order[n++] = from;
    }
    return with_ints(c, RT_OP_permute, order, n);
}

/* --- pieces --------------------------------------------------------------- */

static rt_status slice_of(rt_tensor **out, rt_error *err, rt_value self,
                          int dim, int64_t start, int64_t length)
{
    return rt__op1(RT_OP_slice, out, err, 5, self, RT_V_INT(dim),
                   RT_V_INT(start), RT_V_INT(start + length), RT_V_INT(1));
}

RT_KERNEL(narrow)
{
    rt_tensor *self = rt__arg(c, 0), *out = NULL;
    int64_t start = c->a[2].i, length = c->a[3].i;
    int dim;
    rt_status s = rt__wrap_dim(&dim, c->a[1].i, self->ndim, c->name, c->err);
    if (s != RT_OK) {
        return s;
    }
    int64_t size = self->ndim > 0 ? self->shape[dim] : 0;
    start = start < 0 ? start + size : start;
    if (self->ndim == 0 || start < 0 || length < 0 || start > size ||
        length > size - start) {
        return rt_fail(c->err, RT_E_INDEX,
                       "narrow: start %lld and length %lld reach outside "
                       "dimension %d of size %lld", (long long)c->a[2].i,
                       (long long)length, dim, (long long)size);
    }
    s = slice_of(&out, c->err, c->a[0], dim, start, length);
    return s == RT_OK ? rt__result_steal(c, 0, out) : s;
}

/* Slices of the given lengths, one after the other, as the result. */
static rt_status pieces(rt__call *c, int dim, const int64_t *lengths, int64_t n)
{
    rt_tensor **list = rt_alloc((size_t)(n + 1) * sizeof *list);
    int64_t made = 0, start = 0;
    rt_status s = RT_OK;
    if (!list) {
        return rt_fail(c->err, RT_E_MEMORY, "%s: no memory for %lld pieces",
                       c->name, (long long)n);
    }
    while (s == RT_OK && made < n) {
        s = slice_of(&list[made], c->err, c->a[0], dim, start, lengths[made]);
        if (s == RT_OK) {
            start += lengths[made++];
        }
    }
    if (s == RT_OK) {
        s = rt__result_list(c, list, n);
    } else {
        for (int64_t i = 0; i < made; i++) {
            rt_release(list[i]);
        }
    }
    rt_free(list);
    return s;
}

/* n pieces of `length`, the last one of what is left. */
static rt_status equal_pieces(rt__call *c, int dim, int64_t length, int64_t n)
{
    int64_t size = rt__arg(c, 0)->shape[dim];
    int64_t *lengths = rt_alloc((size_t)n * sizeof *lengths);
    if (!lengths) {
        return rt_fail(c->err, RT_E_MEMORY, "%s: no memory for %lld pieces",
                       c->name, (long long)n);
    }
    for (int64_t i = 0; i < n; i++) {
        lengths[i] = i < n - 1 ? length : size - i * length;
    }
    rt_status s = pieces(c, dim, lengths, n);
    rt_free(lengths);
    return s;
}

static rt_status cut_dim(int *dim, rt__call *c, int64_t arg)
{
    rt_tensor *self = rt__arg(c, 0);
    if (self->ndim == 0) {
        return rt_fail(c->err, RT_E_SHAPE,
                       "%s: a 0-dim tensor cannot be cut", c->name);
    }
    return rt__wrap_dim(dim, arg, self->ndim, c->name, c->err);
}

static rt_status split_by_lengths(rt__call *c, int dim)
{
    int64_t total = 0, size = rt__arg(c, 0)->shape[dim];
    bool wrong = false;
    char text[96];
    for (int i = 0; i < c->a[1].count && !wrong; i++) {
        int64_t length = c->a[1].ints[i];
        wrong = length < 0 || length > size - total;
        total += wrong ? 0 : length;
    }
    if (total != size || wrong) {
        rt__shape_format(text, sizeof text, c->a[1].count, c->a[1].ints);
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "split: lengths %s do not add up to %lld, the size of "
                       "dimension %d", text, (long long)size, dim);
    }
    return pieces(c, dim, c->a[1].ints, c->a[1].count);
}

/* One number is the length of every piece but the last. A list of one number
 * means the same: it fits only a list that covers the whole dimension, for
 * which both readings agree. */
RT_KERNEL(split)
{
    int dim;
    rt_status s = cut_dim(&dim, c, c->a[2].i);
    if (s != RT_OK) {
        return s;
    }
    if (c->a[1].count != 1) {
        return split_by_lengths(c, dim);
    }
    if (c->a[1].ints[0] < 1) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "split: the length of a piece must be positive, got "
                       "%lld", (long long)c->a[1].ints[0]);
    }
    int64_t size = rt__arg(c, 0)->shape[dim], length = c->a[1].ints[0];
    return equal_pieces(c, dim, length, size ? (size - 1) / length + 1 : 1);
}

/* Nothing else bounds their number. */
#define MOST_EMPTY_CHUNKS 65536

/* As many as asked for of an empty dimension, as PyTorch has it. */
RT_KERNEL(chunk)
{
    int dim;
    int64_t n = c->a[1].i;
    rt_status s = cut_dim(&dim, c, c->a[2].i);
    if (s != RT_OK) {
        return s;
    }
    if (n < 1) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "chunk: expected at least 1 chunk, got %lld",
                       (long long)n);
    }
    int64_t size = rt__arg(c, 0)->shape[dim];
    int64_t length = size / n + (size % n != 0);
    if (size == 0 && n > MOST_EMPTY_CHUNKS) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "chunk: dimension %d is empty and would be cut into "
                       "%lld empty pieces; at most %d can be had", dim,
                       (long long)n, MOST_EMPTY_CHUNKS);
    }
    return equal_pieces(c, dim, length, size ? (size - 1) / length + 1 : n);
}

RT_KERNEL(unbind)
{
    rt_tensor **list;
    int dim;
    int64_t made = 0;
    rt_status s = cut_dim(&dim, c, c->a[1].i);
    if (s != RT_OK) {
        return s;
    }
    int64_t n = rt__arg(c, 0)->shape[dim];
    list = rt_alloc((size_t)(n + 1) * sizeof *list);
    if (!list) {
        return rt_fail(c->err, RT_E_MEMORY, "unbind: no memory for %lld slices",
                       (long long)n);
    }
    for (; s == RT_OK && made < n; made += s == RT_OK) {
        s = rt__op1(RT_OP_select, &list[made], c->err, 3, c->a[0],
                    RT_V_INT(dim), RT_V_INT(made));
    }
    if (s == RT_OK) {
        s = rt__result_list(c, list, n);
    } else {
        for (int64_t i = 0; i < made; i++) {
            rt_release(list[i]);
        }
    }
    rt_free(list);
    return s;
}

/* --- joining -------------------------------------------------------------- */

RT_KERNEL(stack)
{
    int n = c->a[0].count, dim;
    rt_tensor **parts, *out = NULL;
    rt_status s = RT_OK;
    if (n == 0) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "stack: expected a non-empty list of tensors");
    }
    rt_tensor *first = c->a[0].tensors[0];
    s = rt__wrap_dim(&dim, c->a[1].i, first->ndim + 1, c->name, c->err);
    if (s != RT_OK) {
        return s;
    }
    parts = rt_alloc((size_t)n * sizeof *parts);
    if (!parts) {
        return rt_fail(c->err, RT_E_MEMORY, "stack: no memory for %d tensors",
                       n);
    }
    memset(parts, 0, (size_t)n * sizeof *parts);
    for (int i = 0; s == RT_OK && i < n; i++) {
        rt_tensor *t = c->a[0].tensors[i];
        if (!rt__same_shape(t, first)) {
            char a[96], b[96];
            rt__shape_format(a, sizeof a, first->ndim, first->shape);
            rt__shape_format(b, sizeof b, t->ndim, t->shape);
            s = rt_fail(c->err, RT_E_SHAPE,
                        "stack: tensors must have equal shapes, but tensor 0 "
                        "is %s and tensor %d is %s", a, i, b);
            rt__error_shapes(c->err, first, t);
        } else {
            s = rt__op1(RT_OP_unsqueeze, &parts[i], c->err, 2, RT_V_TENSOR(t),
                        RT_V_INT(dim));
        }
    }
    if (s == RT_OK) {
        s = rt__op1(RT_OP_cat, &out, c->err, 2, RT_V_TENSORS(parts, n),
                    RT_V_INT(dim));
    }
    for (int i = 0; i < n; i++) {
        rt_release(parts[i]);
    }
    rt_free(parts);
    return s == RT_OK ? rt__result_steal(c, 0, out) : s;
}

/* --- repeating ------------------------------------------------------------ */

/* repeats has ndim >= self's entries. Inserts a dimension of `repeats` before
 * each dimension, expands it and folds it in. */
static rt_status tile_by(rt__call *c, const int64_t *repeats, int ndim)
{
    rt_tensor *self = rt__arg(c, 0), *wide = NULL, *big = NULL, *out = NULL;
    int64_t split[2 * RT_MAX_DIMS], full[2 * RT_MAX_DIMS], last[RT_MAX_DIMS];
    int lead = ndim - self->ndim;
    for (int d = 0; d < ndim; d++) {
        int64_t size = d >= lead ? self->shape[d - lead] : 1;
        if (repeats[d] < 0) {
            return rt_fail(c->err, RT_E_ARGUMENT,
                           "%s: counts must not be negative, got %lld",
                           c->name, (long long)repeats[d]);
        }
        split[2 * d] = 1;
        split[2 * d + 1] = size;
        full[2 * d] = repeats[d];
        full[2 * d + 1] = size;
        if (__builtin_mul_overflow(repeats[d], size, &last[d])) {
            return rt_fail(c->err, RT_E_MEMORY,
                           "%s: %lld times a size of %lld is more than memory "
                           "can hold", c->name, (long long)repeats[d],
                           (long long)size);
        }
    }
    rt_status s = rt__op1(RT_OP_reshape, &wide, c->err, 2, c->a[0],
                          RT_V_INTS(split, 2 * ndim));
    if (s == RT_OK) {
        s = rt__op1(RT_OP_expand, &big, c->err, 2, RT_V_TENSOR(wide),
                    RT_V_INTS(full, 2 * ndim));
    }
    if (s == RT_OK) {
        /* clone, so that a repeat by ones is a copy too */
        s = rt__op1(RT_OP_clone, &out, c->err, 1, RT_V_TENSOR(big));
    }
    rt_release(wide);
    rt_release(big);
    if (s == RT_OK) {
        rt_tensor *copy = out;
        s = rt__op1(RT_OP_reshape, &out, c->err, 2, RT_V_TENSOR(copy),
                    RT_V_INTS(last, ndim));
        rt_release(copy);
    }
    return s == RT_OK ? rt__result_steal(c, 0, out) : s;
}

RT_KERNEL(repeat)
{
    rt_tensor *self = rt__arg(c, 0);
    int n = c->a[1].count;
    if (n < self->ndim || n > RT_MAX_DIMS / 2) {
        rt_fail(c->err, RT_E_ARGUMENT,
                "repeat: %d counts for a tensor of %d dimensions", n,
                self->ndim);
        rt_error_help(c->err, "give one count a dimension; more counts add "
                              "dimensions in front");
        return RT_E_ARGUMENT;
    }
    return tile_by(c, c->a[1].ints, n);
}

RT_KERNEL(tile)
{
    rt_tensor *self = rt__arg(c, 0);
    int n = c->a[1].count, ndim = n > self->ndim ? n : self->ndim;
    int64_t repeats[RT_MAX_DIMS];
    if (ndim > RT_MAX_DIMS / 2) {
        return rt_fail(c->err, RT_E_LIMIT,
                       "tile: at most %d dimensions, got %d", RT_MAX_DIMS / 2,
                       ndim);
    }
    for (int d = 0; d < ndim; d++) {
        repeats[d] = d < ndim - n ? 1 : c->a[1].ints[d - (ndim - n)];
    }
    return tile_by(c, repeats, ndim);
}

RT_KERNEL(repeat_interleave)
{
    rt_tensor *self = rt__arg(c, 0), *flat = NULL, *wide = NULL, *big = NULL;
    rt_tensor *out = NULL;
    int64_t shape[RT_MAX_DIMS + 1], minus_one = -1, n = c->a[1].i;
    int dim = 0;
    rt_status s = RT_OK;
    if (n < 0) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "repeat_interleave: repeats must not be negative, got "
                       "%lld", (long long)n);
    }
    if (!rt__arg_given(c, 2) || self->ndim == 0) {
        s = rt__op1(RT_OP_reshape, &flat, c->err, 2, c->a[0],
                    RT_V_INTS(&minus_one, 1));
    } else {
        flat = rt_retain(self);
        s = rt__wrap_dim(&dim, c->a[2].i, self->ndim, c->name, c->err);
    }
    if (s == RT_OK) {
        s = rt__op1(RT_OP_unsqueeze, &wide, c->err, 2, RT_V_TENSOR(flat),
                    RT_V_INT(dim + 1));
    }
    if (s == RT_OK) {
        memcpy(shape, wide->shape, (size_t)wide->ndim * sizeof *shape);
        shape[dim + 1] = n;
        s = rt__op1(RT_OP_expand, &big, c->err, 2, RT_V_TENSOR(wide),
                    RT_V_INTS(shape, wide->ndim));
    }
    if (s == RT_OK) {
        rt_release(wide);
        s = rt__op1(RT_OP_clone, &wide, c->err, 1, RT_V_TENSOR(big));
        wide = s == RT_OK ? wide : NULL;
    }
    if (s == RT_OK) {
        memcpy(shape, flat->shape, (size_t)flat->ndim * sizeof *shape);
        shape[dim] *= n;
        s = rt__op1(RT_OP_reshape, &out, c->err, 2, RT_V_TENSOR(wide),
                    RT_V_INTS(shape, flat->ndim));
    }
    rt_release(flat);
    rt_release(wide);
    rt_release(big);
    return s == RT_OK ? rt__result_steal(c, 0, out) : s;
}

/* --- rolling, diagonals --------------------------------------------------- */

/* *t = t with its last `shift` slices along dim moved to the front. */
static rt_status roll_one(rt_tensor **t, rt__call *c, int dim, int64_t shift)
{
    rt_tensor *halves[2] = {NULL, NULL}, *out = NULL;
    int64_t size = (*t)->shape[dim];
    if (size == 0) {
        return RT_OK;
    }
    shift = ((shift % size) + size) % size;
    rt_status s = slice_of(&halves[0], c->err, RT_V_TENSOR(*t), dim,
                           size - shift, shift);
    if (s == RT_OK) {
        s = slice_of(&halves[1], c->err, RT_V_TENSOR(*t), dim, 0,
                     size - shift);
    }
    if (s == RT_OK) {
        s = rt__op1(RT_OP_cat, &out, c->err, 2, RT_V_TENSORS(halves, 2),
                    RT_V_INT(dim));
    }
    rt_release(halves[0]);
    rt_release(halves[1]);
    if (s == RT_OK) {
        rt_release(*t);
        *t = out;
    }
    return s;
}

static rt_status roll_flat(rt__call *c)
{
    rt_tensor *self = rt__arg(c, 0), *flat = NULL, *out = NULL;
    int64_t minus_one = -1;
    if (c->a[1].count != 1) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "roll: without dims, one shift is expected, got %d",
                       c->a[1].count);
    }
    rt_status s = rt__op1(RT_OP_reshape, &flat, c->err, 2, c->a[0],
                          RT_V_INTS(&minus_one, 1));
    if (s == RT_OK) {
        s = roll_one(&flat, c, 0, c->a[1].ints[0]);
    }
    if (s == RT_OK) {
        s = rt__op1(RT_OP_reshape, &out, c->err, 2, RT_V_TENSOR(flat),
                    RT_V_INTS(self->shape, self->ndim));
    }
    rt_release(flat);
    return s == RT_OK ? rt__result_steal(c, 0, out) : s;
}

RT_KERNEL(roll)
{
    rt_tensor *self = rt__arg(c, 0), *t = NULL;
    int n = c->a[1].count;
    if (!rt__arg_given(c, 2) || c->a[2].count == 0) {
        return roll_flat(c);
    }
    if (c->a[2].count != n || self->ndim == 0) {
        return rt_fail(c->err, RT_E_ARGUMENT, "roll: %d shifts but %d dims", n,
                       c->a[2].count);
    }
    rt_status s = RT_OK;
    t = rt_retain(self);
    for (int i = 0; s == RT_OK && i < n; i++) {
        int dim;
        s = rt__wrap_dim(&dim, c->a[2].ints[i], self->ndim, c->name, c->err);
        if (s == RT_OK) {
            s = roll_one(&t, c, dim, c->a[1].ints[i]);
        }
    }
    if (s == RT_OK && t == self) {     /* nothing to roll: still a new tensor */
        rt_release(t);
        t = NULL;
        s = rt__op1(RT_OP_clone, &t, c->err, 1, c->a[0]);
    }
    if (s != RT_OK) {
        rt_release(t);
        return s;
    }
    return rt__result_steal(c, 0, t);
}

/* A copy of the k-th diagonal of a matrix. */
static rt_status diag_of_matrix(rt_tensor **out, rt__call *c)
{
    rt_tensor *view = NULL;
    rt_status s = rt__op1(RT_OP_diagonal, &view, c->err, 2, c->a[0], c->a[1]);
    if (s == RT_OK) {
        s = rt__op1(RT_OP_clone, out, c->err, 1, RT_V_TENSOR(view));
    }
    rt_release(view);
    return s;
}

/* Zeros with a copy of a vector on the k-th diagonal. */
static rt_status diag_of_vector(rt_tensor **out, rt__call *c)
{
    rt_tensor *self = rt__arg(c, 0), *view = NULL;
    int64_t k = c->a[1].i, size;
    if (k == INT64_MIN ||
        __builtin_add_overflow(self->numel, k < 0 ? -k : k, &size)) {
        rt_fail(c->err, RT_E_ARGUMENT, "diag: no matrix has a diagonal %lld "
                "away from its main one", (long long)k);
        rt_error_help(c->err, "the result has %lld rows and |diagonal| more",
                      (long long)self->numel);
        return RT_E_ARGUMENT;
    }
    int64_t shape[2] = {size, size};
    rt_status s = rt__op1(RT_OP_zeros, out, c->err, 2, RT_V_INTS(shape, 2),
                          RT_V_DTYPE(self->dtype));
    if (s == RT_OK) {
        s = rt__op1(RT_OP_diagonal, &view, c->err, 2, RT_V_TENSOR(*out),
                    RT_V_INT(k));
    }
    if (s == RT_OK) {
        s = rt__op0(RT_OP_copy_, c->err, 2, RT_V_TENSOR(view),
                    RT_V_TENSOR(self));
    }
    rt_release(view);
    if (s != RT_OK) {
        rt_release(*out);
        *out = NULL;
    }
    return s;
}

RT_KERNEL(diag)
{
    rt_tensor *self = rt__arg(c, 0), *out = NULL;
    if (self->ndim != 1 && self->ndim != 2) {
        return rt_fail(c->err, RT_E_SHAPE,
                       "diag: expected a vector or a matrix, got %d dimensions",
                       self->ndim);
    }
    rt_status s = self->ndim == 2 ? diag_of_matrix(&out, c)
                                  : diag_of_vector(&out, c);
    return s == RT_OK ? rt__result_steal(c, 0, out) : s;
}

/* SPDX-License-Identifier: MIT
 * View ops: a second tensor over the same memory, made in the infer step.
 */
#include "runtime/ops/cpu/move.h"
#include "runtime/ops/op.h"

#include <string.h>

/* Result 0: a view of argument 0 with this geometry. */
static rt_status make_view(rt__call *c, int ndim, const int64_t *shape,
                           const int64_t *strides, int64_t offset)
{
    rt_tensor *self = rt__arg(c, 0), *out = NULL;
    if (ndim > RT_MAX_DIMS) {
        return rt_fail(c->err, RT_E_LIMIT,
                       "%s: a tensor has at most %d dimensions, asked for %d",
                       c->name, RT_MAX_DIMS, ndim);
    }
    rt_status s = rt__tensor_over(&out, self->storage, self->dtype, ndim,
                                  shape, strides, offset, c->err);
    if (s != RT_OK) {
        return s;
    }
    out->flags |= RT_F_VIEW | (self->flags & RT_F_READONLY);
    return rt__result_steal(c, 0, out);
}

static void copy_geometry(const rt_tensor *t, int64_t *shape, int64_t *strides)
{
    memcpy(shape, t->shape, (size_t)t->ndim * sizeof *shape);
    memcpy(strides, t->strides, (size_t)t->ndim * sizeof *strides);
}

/* --- view and reshape ----------------------------------------------------- */

static rt_status size_misfit(const rt__call *c, const rt_tensor *self, int ndim,
                             const int64_t *size)
{
    char have[96], want[96];
    rt__shape_format(have, sizeof have, self->ndim, self->shape);
    rt__shape_format(want, sizeof want, ndim, size);
    rt_fail(c->err, RT_E_SHAPE,
            "%s: shape %s is invalid for a tensor of shape %s with %lld "
            "elements", c->name, want, have, (long long)self->numel);
    rt_error_help(c->err, "sizes must multiply to %lld; one of them may be -1",
                  (long long)self->numel);
    return RT_E_SHAPE;
}

/* Resolves a -1 in `size` and checks the element count. */
static rt_status resolve_size(const rt__call *c, int64_t *out, int ndim,
                              const int64_t *size)
{
    rt_tensor *self = rt__arg(c, 0);
    int64_t known = 1;
    int hole = -1;
    if (ndim > RT_MAX_DIMS) {
        return rt_fail(c->err, RT_E_LIMIT,
                       "%s: a tensor has at most %d dimensions, asked for %d",
                       c->name, RT_MAX_DIMS, ndim);
    }
    for (int d = 0; d < ndim; d++) {
        out[d] = size[d];
        if (size[d] == -1 && hole < 0) {
            hole = d;
        } else if (size[d] < 0 ||
                   __builtin_mul_overflow(known, size[d], &known)) {
            return size_misfit(c, self, ndim, size);
        }
    }
    if (hole >= 0) {
        if (known == 0 || self->numel % known != 0) {
            return size_misfit(c, self, ndim, size);
        }
        out[hole] = self->numel / known;
        return RT_OK;
    }
    return known == self->numel ? RT_OK : size_misfit(c, self, ndim, size);
}

/* Strides of `t` seen in another shape, false where no view can do it. Walks
 * both shapes from the end, over runs of dimensions of t that are one piece of
 * memory. */
static bool view_strides(const rt_tensor *t, int ndim, const int64_t *shape,
                         int64_t *strides)
{
    if (t->numel == 0 || t->ndim == 0) {
        rt__shape_strides(ndim, shape, strides);
        return true;
    }
    int v = ndim - 1;
    int64_t base = t->strides[t->ndim - 1], have = 1, used = 1;
    for (int d = t->ndim - 1; d >= 0; d--) {
        have *= t->shape[d];
        bool ends = d == 0 || (t->shape[d - 1] != 1 &&
                               t->strides[d - 1] != have * base);
        if (!ends) {
            continue;
        }
        while (v >= 0 && (used < have || shape[v] == 1)) {
            strides[v] = used * base;
            used *= shape[v];
            v--;
        }
        if (used != have) {
            return false;
        }
        if (d > 0) {
            base = t->strides[d - 1];
            have = used = 1;
        }
    }
    return v == -1;
}

RT_INFER(view)
{
    rt_tensor *self = rt__arg(c, 0);
    int ndim = c->a[1].count;
    int64_t shape[RT_MAX_DIMS], strides[RT_MAX_DIMS];
    char have[96], want[96];
    rt_status s = resolve_size(c, shape, ndim, c->a[1].ints);
    if (s != RT_OK) {
        return s;
    }
    if (!view_strides(self, ndim, shape, strides)) {
        rt__shape_format(have, sizeof have, self->ndim, self->shape);
        rt__shape_format(want, sizeof want, ndim, shape);
        rt_fail(c->err, RT_E_SHAPE,
                "view: size %s is not compatible with the memory layout of a "
                "tensor of shape %s (its elements are not in order)",
                want, have);
        rt_error_help(c->err, "use x.reshape(...), which copies when it must");
        return RT_E_SHAPE;
    }
    return make_view(c, ndim, shape, strides, self->offset);
}

RT_INFER(reshape)
{
    rt_tensor *self = rt__arg(c, 0), *copy = NULL, *out = NULL;
    int ndim = c->a[1].count;
    int64_t shape[RT_MAX_DIMS], strides[RT_MAX_DIMS];
    rt_status s = resolve_size(c, shape, ndim, c->a[1].ints);
    if (s != RT_OK) {
        return s;
    }
    if (view_strides(self, ndim, shape, strides)) {
        return make_view(c, ndim, shape, strides, self->offset);
    }
    s = rt__dense(&copy, self, c->name, c->err);
    if (s != RT_OK) {
        return s;
    }
    rt__shape_strides(ndim, shape, strides);
    s = rt__tensor_over(&out, copy->storage, self->dtype, ndim, shape, strides,
                        0, c->err);
    rt_release(copy);
    return s == RT_OK ? rt__result_steal(c, 0, out) : s;
}

RT_INFER(view_dtype)
{
    rt_tensor *self = rt__arg(c, 0), *out = NULL;
    rt_dtype dtype = (rt_dtype)c->a[1].dtype;
    if (rt_dtype_size(dtype) != rt_dtype_size(self->dtype)) {
        rt_fail(c->err, RT_E_DTYPE,
                "view: %s has elements of %zu bytes, %s of %zu: only a dtype "
                "of the same size can look at the same memory",
                rt_dtype_name(self->dtype), rt_dtype_size(self->dtype),
                rt_dtype_name(dtype), rt_dtype_size(dtype));
        rt_error_help(c->err, "x.to(%s) converts the values",
                      rt_dtype_name(dtype));
        return RT_E_DTYPE;
    }
    rt_status s = rt__tensor_over(&out, self->storage, dtype, self->ndim,
                                  self->shape, self->strides, self->offset,
                                  c->err);
    if (s != RT_OK) {
        return s;
    }
    out->flags |= RT_F_VIEW | (self->flags & RT_F_READONLY);
    return rt__result_steal(c, 0, out);
}

RT_INFER(detach)
{
    rt_tensor *self = rt__arg(c, 0);
    return make_view(c, self->ndim, self->shape, self->strides, self->offset);
}

/* --- reordering ----------------------------------------------------------- */

RT_INFER(transpose)
{
    rt_tensor *self = rt__arg(c, 0);
    int a, b;
    int64_t shape[RT_MAX_DIMS], strides[RT_MAX_DIMS];
    rt_status s = rt__wrap_dim(&a, c->a[1].i, self->ndim, c->name, c->err);
    if (s == RT_OK) {
        s = rt__wrap_dim(&b, c->a[2].i, self->ndim, c->name, c->err);
    }
    if (s != RT_OK) {
        return s;
    }
    copy_geometry(self, shape, strides);
    if (self->ndim > 0) {
        shape[a] = self->shape[b];
        shape[b] = self->shape[a];
        strides[a] = self->strides[b];
        strides[b] = self->strides[a];
    }
    return make_view(c, self->ndim, shape, strides, self->offset);
}

RT_INFER(permute)
{
    rt_tensor *self = rt__arg(c, 0);
    int64_t shape[RT_MAX_DIMS], strides[RT_MAX_DIMS];
    bool seen[RT_MAX_DIMS] = {false};
    char text[96];
    if (c->a[1].count != self->ndim) {
        rt__shape_format(text, sizeof text, self->ndim, self->shape);
        return rt_fail(c->err, RT_E_SHAPE,
                       "permute: %d dims given for a tensor of shape %s, "
                       "which has %d", c->a[1].count, text, self->ndim);
    }
    for (int i = 0; i < self->ndim; i++) {
        int d;
        rt_status s =
            rt__wrap_dim(&d, c->a[1].ints[i], self->ndim, c->name, c->err);
        if (s != RT_OK) {
            return s;
        }
        if (seen[d]) {
            return rt_fail(c->err, RT_E_ARGUMENT,
                           "permute: dimension %d is named twice", d);
        }
        seen[d] = true;
        shape[i] = self->shape[d];
        strides[i] = self->strides[d];
    }
    return make_view(c, self->ndim, shape, strides, self->offset);
}

/* --- dimensions of size 1 ------------------------------------------------- */

RT_INFER(squeeze)
{
    rt_tensor *self = rt__arg(c, 0);
    int64_t shape[RT_MAX_DIMS], strides[RT_MAX_DIMS];
    bool drop[RT_MAX_DIMS] = {false};
    bool all = !rt__arg_given(c, 1);
    int n = 0;
    for (int i = 0; !all && i < c->a[1].count; i++) {
        int d;
        rt_status s =
            rt__wrap_dim(&d, c->a[1].ints[i], self->ndim, c->name, c->err);
        if (s != RT_OK) {
            return s;
        }
        drop[d] = true;
    }
    for (int d = 0; d < self->ndim; d++) {
        if (self->shape[d] == 1 && (all || drop[d])) {
            continue;
        }
        shape[n] = self->shape[d];
        strides[n++] = self->strides[d];
    }
    return make_view(c, n, shape, strides, self->offset);
}

RT_INFER(unsqueeze)
{
    rt_tensor *self = rt__arg(c, 0);
    int64_t shape[RT_MAX_DIMS + 1], strides[RT_MAX_DIMS + 1];
    int d, n = 0;
    rt_status s =
        rt__wrap_dim(&d, c->a[1].i, self->ndim + 1, c->name, c->err);
    if (s != RT_OK) {
        return s;
    }
    for (int i = 0; i <= self->ndim; i++) {
        if (i == d) {
            shape[i] = 1;
            strides[i] = i < self->ndim ? self->shape[i] * self->strides[i] : 1;
        } else {
            shape[i] = self->shape[n];
            strides[i] = self->strides[n++];
        }
    }
    return make_view(c, self->ndim + 1, shape, strides, self->offset);
}

/* --- expand --------------------------------------------------------------- */

static rt_status expand_misfit(const rt__call *c, const rt_tensor *self)
{
    char have[96], want[96];
    rt__shape_format(have, sizeof have, self->ndim, self->shape);
    rt__shape_format(want, sizeof want, c->a[1].count, c->a[1].ints);
    rt_fail(c->err, RT_E_SHAPE, "%s: shape %s cannot be expanded to %s",
            c->name, have, want);
    rt_error_help(c->err, "only dimensions of size 1 grow; new dimensions "
                          "come in front");
    return RT_E_SHAPE;
}

RT_INFER(expand)
{
    rt_tensor *self = rt__arg(c, 0);
    int ndim = c->a[1].count, lead = ndim - self->ndim;
    int64_t shape[RT_MAX_DIMS], strides[RT_MAX_DIMS];
    if (lead < 0 || ndim > RT_MAX_DIMS) {
        return expand_misfit(c, self);
    }
    for (int d = 0; d < ndim; d++) {
        int64_t want = c->a[1].ints[d];
        int64_t have = d >= lead ? self->shape[d - lead] : 1;
        if (want == -1 && d >= lead) {
            want = have;
        }
        if (want < 0 || (have != want && have != 1)) {
            return expand_misfit(c, self);
        }
        shape[d] = want;
        strides[d] = d >= lead && have == want ? self->strides[d - lead] : 0;
    }
    if (rt__shape_numel(ndim, shape) < 0) {
        return expand_misfit(c, self);
    }
    return make_view(c, ndim, shape, strides, self->offset);
}

/* --- parts ---------------------------------------------------------------- */

RT_INFER(select)
{
    rt_tensor *self = rt__arg(c, 0);
    int64_t shape[RT_MAX_DIMS], strides[RT_MAX_DIMS], index = c->a[2].i;
    int dim, n = 0;
    if (self->ndim == 0) {
        rt_fail(c->err, RT_E_INDEX,
                "%s: a 0-dim tensor has no dimension to index", c->name);
        rt_error_help(c->err, "use x.item() to read its value");
        return RT_E_INDEX;
    }
    rt_status s = rt__wrap_dim(&dim, c->a[1].i, self->ndim, c->name, c->err);
    if (s != RT_OK) {
        return s;
    }
    int64_t size = self->shape[dim], at = index < 0 ? index + size : index;
    if (at < 0 || at >= size) {
        rt_fail(c->err, RT_E_INDEX,
                "index %lld is out of bounds for dimension %d with size %lld",
                (long long)index, dim, (long long)size);
        rt_error_help(c->err, size > 0 ? "valid indices are %lld to %lld"
                                       : "the dimension is empty",
                      (long long)-size, (long long)(size - 1));
        return RT_E_INDEX;
    }
    for (int d = 0; d < self->ndim; d++) {
        if (d != dim) {
            shape[n] = self->shape[d];
            strides[n++] = self->strides[d];
        }
    }
    return make_view(c, n, shape, strides,
                     self->offset + at * self->strides[dim]);
}

static int64_t clamp_bound(int64_t v, int64_t size)
{
    v = v < 0 ? v + size : v;
    return v < 0 ? 0 : v > size ? size : v;
}

RT_INFER(slice)
{
    rt_tensor *self = rt__arg(c, 0);
    int64_t shape[RT_MAX_DIMS], strides[RT_MAX_DIMS], step = c->a[4].i;
    int dim;
    if (self->ndim == 0) {
        return rt_fail(c->err, RT_E_INDEX,
                       "slice: a 0-dim tensor has no dimension to slice");
    }
    rt_status s = rt__wrap_dim(&dim, c->a[1].i, self->ndim, c->name, c->err);
    if (s != RT_OK) {
        return s;
    }
    if (step <= 0) {
        rt_fail(c->err, RT_E_ARGUMENT,
                "slice: step must be greater than zero, got %lld",
                (long long)step);
        rt_error_help(c->err, "reverse with flip(x, [%d])", dim);
        return RT_E_ARGUMENT;
    }
    int64_t size = self->shape[dim];
    int64_t from = rt__arg_given(c, 2) ? clamp_bound(c->a[2].i, size) : 0;
    int64_t to = rt__arg_given(c, 3) ? clamp_bound(c->a[3].i, size) : size;
    int64_t span = to > from ? to - from : 0;
    copy_geometry(self, shape, strides);
    shape[dim] = span == 0 ? 0 : (span - 1) / step + 1;
    int64_t old = strides[dim];
    if (__builtin_mul_overflow(old, step, &strides[dim])) {
        strides[dim] = old;   /* at most one element is left */
    }
    int64_t offset = self->offset + (from < size ? from * old : 0);
    return make_view(c, self->ndim, shape, strides, offset);
}

RT_INFER(diagonal)
{
    rt_tensor *self = rt__arg(c, 0);
    int64_t shape[RT_MAX_DIMS], strides[RT_MAX_DIMS], k = c->a[1].i;
    int a, b, n = 0;
    if (self->ndim < 2) {
        return rt_fail(c->err, RT_E_SHAPE,
                       "diagonal: expected at least 2 dimensions, got %d",
                       self->ndim);
    }
    rt_status s = rt__wrap_dim(&a, c->a[2].i, self->ndim, c->name, c->err);
    if (s == RT_OK) {
        s = rt__wrap_dim(&b, c->a[3].i, self->ndim, c->name, c->err);
    }
    if (s != RT_OK) {
        return s;
    }
    if (a == b) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "diagonal: dim1 and dim2 are both %d", a);
    }
    int64_t rows = self->shape[a] + (k < 0 ? k : 0);
    int64_t cols = self->shape[b] - (k > 0 ? k : 0);
    int64_t len = rows < cols ? rows : cols;
    for (int d = 0; d < self->ndim; d++) {
        if (d != a && d != b) {
            shape[n] = self->shape[d];
            strides[n++] = self->strides[d];
        }
    }
    shape[n] = len > 0 ? len : 0;
    strides[n++] = self->strides[a] + self->strides[b];
    int64_t skip = len <= 0 ? 0
                   : k >= 0 ? k * self->strides[b]
                            : -k * self->strides[a];
    return make_view(c, n, shape, strides, self->offset + skip);
}

/* Whether [offset, furthest element] lies in the storage. */
static rt_status check_extent(const rt__call *c, const rt_tensor *self,
                              int ndim, const int64_t *shape,
                              const int64_t *strides, int64_t offset)
{
    int64_t last = offset, room;
    bool empty = false, bad = offset < 0;
    for (int d = 0; d < ndim && !bad; d++) {
        int64_t reach;
        empty = empty || shape[d] == 0;
        bad = shape[d] < 0 || strides[d] < 0 ||
              (shape[d] > 0 &&
               (__builtin_mul_overflow(shape[d] - 1, strides[d], &reach) ||
                __builtin_add_overflow(last, reach, &last)));
    }
    room = (int64_t)(self->storage->bytes / rt_dtype_size(self->dtype));
    if (bad || (!empty && last >= room)) {
        char sizes[96], steps[96];
        rt__shape_format(sizes, sizeof sizes, ndim, shape);
        rt__shape_format(steps, sizeof steps, ndim, strides);
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "as_strided: sizes %s, strides %s, offset %lld reach "
                       "outside a storage of %lld elements",
                       sizes, steps, (long long)offset, (long long)room);
    }
    return RT_OK;
}

RT_INFER(as_strided)
{
    rt_tensor *self = rt__arg(c, 0);
    int ndim = c->a[1].count;
    int64_t offset = rt__arg_given(c, 3) ? c->a[3].i : self->offset;
    if (c->a[2].count != ndim) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "as_strided: %d sizes but %d strides", ndim,
                       c->a[2].count);
    }
    rt_status s =
        check_extent(c, self, ndim, c->a[1].ints, c->a[2].ints, offset);
    return s == RT_OK
               ? make_view(c, ndim, c->a[1].ints, c->a[2].ints, offset)
               : s;
}

RT_INFER(unfold)
{
    rt_tensor *self = rt__arg(c, 0);
    int64_t shape[RT_MAX_DIMS + 1], strides[RT_MAX_DIMS + 1];
    int64_t size = c->a[2].i, step = c->a[3].i;
    int dim;
    rt_status s = rt__wrap_dim(&dim, c->a[1].i, self->ndim, c->name, c->err);
    if (s != RT_OK) {
        return s;
    }
    int64_t have = self->ndim > 0 ? self->shape[dim] : 1;
    if (size < 0 || size > have || step < 1) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "unfold: windows of %lld in steps of %lld do not fit "
                       "dimension %d of size %lld", (long long)size,
                       (long long)step, dim, (long long)have);
    }
    copy_geometry(self, shape, strides);
    int64_t stride = self->ndim > 0 ? strides[dim] : 1;
    if (self->ndim > 0) {
        shape[dim] = (have - size) / step + 1;
        strides[dim] = shape[dim] > 1 ? stride * step : stride;
    }
    shape[self->ndim] = size;
    strides[self->ndim] = stride;
    return make_view(c, self->ndim + 1, shape, strides, self->offset);
}

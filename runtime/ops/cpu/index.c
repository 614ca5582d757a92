/* SPDX-License-Identifier: MIT
 *
 * Advanced indexing: index, index_put_. A plan turns the index tensors into
 * element offsets once, checked, before anything is written:
 *
 *   self dims    [before...] [indexed...] [after...]
 *   offsets       before[nb]   index[n]     after[na]
 *
 * The result is [before][n][after] when the indexed dimensions are neighbours,
 * else [n][before + after] (NumPy's rule). A bool mask stands for as many
 * dimensions as it has.
 */
#include "runtime/base/pool.h"
#include "runtime/ops/cpu/gather.h"
#include "runtime/ops/cpu/move.h"

#include <string.h>

typedef struct plan {
    int64_t nb, n, na;
    int64_t *before, *index, *after;   /* element offsets; after: NULL when it
                                          is one dense piece */
    int ndim;                          /* of the result */
    int64_t shape[2 * RT_MAX_DIMS];
    size_t size;                       /* bytes of an element */
} plan;

static void plan_dispose(plan *p)
{
    rt_free(p->before);
    rt_free(p->index);
    rt_free(p->after);
}

static rt_status no_memory(rt__call *c, int64_t n)
{
    return rt_fail(c->err, RT_E_MEMORY, "%s: no memory for %lld offsets",
                   c->name, (long long)n);
}

/* --- entries: one index tensor or mask ------------------------------------ */

typedef struct entry {
    int first, ndims;          /* dimensions of self that it indexes */
    int ndim;                  /* its own shape, after masks became vectors */
    int64_t shape[RT_MAX_DIMS];
    int64_t *offsets;          /* one per position of its shape */
    int64_t count;
} entry;

static bool is_mask(const rt_tensor *t)
{
    return t->dtype == RT_BOOL || t->dtype == RT_UINT8;
}

static rt_status mask_misfit(rt__call *c, const rt_tensor *mask, int first)
{
    rt_tensor *self = rt__arg(c, 0);
    char a[96], b[96];
    rt__shape_format(a, sizeof a, mask->ndim, mask->shape);
    rt__shape_format(b, sizeof b, self->ndim, self->shape);
    rt_fail(c->err, RT_E_INDEX,
            "%s: the shape of the mask %s does not match the indexed tensor "
            "of shape %s at dimension %d", c->name, a, b, first);
    rt__error_shapes(c->err, self, mask);
    rt_error_help(c->err, "a mask has the sizes of the dimensions it selects "
                          "from");
    return RT_E_INDEX;
}

/* Whether ndim dimensions from `first` are one run of equal steps. */
static bool evenly_spaced(const rt_tensor *t, int first, int ndim)
{
    if (ndim == 0) {
        return false;
    }
    for (int d = first; d + 1 < first + ndim; d++) {
        if (t->strides[d] != t->strides[d + 1] * t->shape[d + 1]) {
            return false;
        }
    }
    return true;
}

/* Without a branch: every offset is written, and kept where the mask holds.
 * There is room for one more than are kept. */
static void even_offsets(int64_t *offsets, const uint8_t *m, int64_t n,
                         int64_t stride)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++) {
        offsets[kept] = i * stride;
        kept += m[i] != 0;
    }
}

/* Offsets of the true elements of a dense mask. */
static rt_status mask_offsets(rt__call *c, entry *e, const rt_tensor *mask)
{
    rt_tensor *self = rt__arg(c, 0);
    const uint8_t *m = (const uint8_t *)mask->data;
    int64_t n = 0, at[RT_MAX_DIMS] = {0}, offset = 0;
    for (int64_t i = 0; i < mask->numel; i++) {
        n += m[i] != 0;
    }
    e->offsets = rt_alloc((size_t)(n + 1) * sizeof *e->offsets);
    if (!e->offsets) {
        return no_memory(c, n);
    }
    e->ndim = 1;
    e->shape[0] = e->count = n;
    if (evenly_spaced(self, e->first, mask->ndim)) {
        even_offsets(e->offsets, m, mask->numel,
                     self->strides[e->first + mask->ndim - 1]);
        return RT_OK;
    }
    n = 0;
    for (int64_t i = 0; i < mask->numel; i++) {
        if (m[i]) {
            e->offsets[n++] = offset;
        }
        for (int d = mask->ndim - 1; d >= 0; d--) {
            int64_t stride = self->strides[e->first + d];
            offset += stride;
            if (++at[d] < mask->shape[d]) {
                break;
            }
            offset -= stride * mask->shape[d];
            at[d] = 0;
        }
    }
    return RT_OK;
}

static rt_status read_mask(rt__call *c, entry *e, rt_tensor *t)
{
    rt_tensor *self = rt__arg(c, 0), *dense = NULL;
    e->ndims = t->ndim;
    if (e->first + t->ndim > self->ndim) {
        return mask_misfit(c, t, e->first);
    }
    for (int d = 0; d < t->ndim; d++) {
        if (t->shape[d] != self->shape[e->first + d]) {
            return mask_misfit(c, t, e->first);
        }
    }
    rt_status s = rt__dense(&dense, t, c->name, c->err);
    if (s == RT_OK) {
        s = mask_offsets(c, e, dense);
    }
    rt_release(dense);
    return s;
}

static rt_status out_of_bounds(rt__call *c, int64_t v, int dim, int64_t size)
{
    rt_fail(c->err, RT_E_INDEX,
            "%s: index %lld is out of bounds for dimension %d with size %lld",
            c->name, (long long)v, dim, (long long)size);
    rt_error_help(c->err, size > 0 ? "valid indices are %lld to %lld"
                                   : "the dimension is empty",
                  (long long)-size, (long long)(size - 1));
    return RT_E_INDEX;
}

static rt_status read_indices(rt__call *c, entry *e, rt_tensor *t)
{
    rt_tensor *self = rt__arg(c, 0), *dense = NULL;
    e->ndims = 1;
    rt_status s = rt__index_dense(&dense, t, "an index tensor", c->name,
                                  c->err);
    if (s != RT_OK) {
        return s;
    }
    int64_t size = self->shape[e->first], stride = self->strides[e->first];
    const int64_t *v = (const int64_t *)dense->data;
    e->ndim = t->ndim;
    memcpy(e->shape, t->shape, (size_t)t->ndim * sizeof *e->shape);
    e->count = t->numel;
    e->offsets = rt_alloc((size_t)(t->numel + 1) * sizeof *e->offsets);
    s = e->offsets ? RT_OK : no_memory(c, t->numel);
    for (int64_t i = 0; s == RT_OK && i < t->numel; i++) {
        int64_t at = v[i] < 0 ? v[i] + size : v[i];
        if (at < 0 || at >= size) {
            s = out_of_bounds(c, v[i], e->first, size);
        }
        e->offsets[i] = s == RT_OK ? at * stride : 0;
    }
    rt_release(dense);
    return s;
}

static rt_status too_many(rt__call *c)
{
    rt_tensor *self = rt__arg(c, 0);
    char text[96];
    rt__shape_format(text, sizeof text, self->ndim, self->shape);
    return rt_fail(c->err, RT_E_INDEX,
                   "%s: too many indices for a tensor of shape %s", c->name,
                   text);
}

/* Reads the list of index tensors into entries; *n of them. */
static rt_status read_entries(rt__call *c, entry **entries, int *n)
{
    rt_tensor *self = rt__arg(c, 0);
    int count = c->a[1].count, dim = 0;
    *n = 0;
    *entries = rt_alloc((size_t)(count + 1) * sizeof **entries);
    if (!*entries) {
        return no_memory(c, count);
    }
    memset(*entries, 0, (size_t)(count + 1) * sizeof **entries);
    for (int i = 0; i < count; i++) {
        rt_tensor *t = c->a[1].tensors[i];
        entry *e = *entries + *n;
        bool mask = t && is_mask(t);
        if (!mask && dim >= self->ndim) {
            return too_many(c);
        }
        if (!t) {
            dim++;
            continue;
        }
        e->first = dim;
        ++*n;
        rt_status s = mask ? read_mask(c, e, t) : read_indices(c, e, t);
        if (s != RT_OK) {
            return s;
        }
        dim += e->ndims;
    }
    if (*n == 0) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "%s: expected at least one index tensor", c->name);
    }
    return RT_OK;
}

/* --- broadcasting the entries --------------------------------------------- */

static rt_status entries_misfit(rt__call *c, const entry *a, const entry *b)
{
    char sa[96], sb[96];
    rt__shape_format(sa, sizeof sa, a->ndim, a->shape);
    rt__shape_format(sb, sizeof sb, b->ndim, b->shape);
    rt_fail(c->err, RT_E_INDEX,
            "%s: shape mismatch: indexing tensors could not be broadcast "
            "together with shapes %s, %s", c->name, sa, sb);
    rt_error_help(c->err, "index tensors are paired element by element; for "
                          "all combinations give them shapes like [n, 1] and "
                          "[m]");
    return RT_E_INDEX;
}

static rt_status broadcast_entries(rt__call *c, const entry *e, int n,
                                   int *ndim, int64_t *shape)
{
    *ndim = 0;
    for (int i = 0; i < n; i++) {
        *ndim = e[i].ndim > *ndim ? e[i].ndim : *ndim;
    }
    for (int d = 0; d < *ndim; d++) {
        int from = -1;
        shape[d] = 1;
        for (int i = 0; i < n; i++) {
            int k = d - (*ndim - e[i].ndim);
            if (k < 0 || e[i].shape[k] == 1) {
                continue;
            }
            if (from >= 0 && e[i].shape[k] != shape[d]) {
                return entries_misfit(c, &e[from], &e[i]);
            }
            from = i;
            shape[d] = e[i].shape[k];
        }
    }
    return RT_OK;
}

/* out[i] += the entry's offset at position i of the broadcast shape. */
static void add_entry(int64_t *out, int64_t n, const entry *e, int ndim,
                      const int64_t *shape)
{
    int64_t steps[RT_MAX_DIMS], at[RT_MAX_DIMS] = {0}, pos = 0, step = 1;
    if (e->count == n) {
        for (int64_t i = 0; i < n; i++) {
            out[i] += e->offsets[i];
        }
        return;
    }
    for (int d = ndim - 1; d >= 0; d--) {
        int k = d - (ndim - e->ndim);
        int64_t size = k >= 0 ? e->shape[k] : 1;
        steps[d] = size == 1 ? 0 : step;
        step *= size;
    }
    for (int64_t i = 0; i < n; i++) {
        out[i] += e->offsets[pos];
        for (int d = ndim - 1; d >= 0; d--) {
            pos += steps[d];
            if (++at[d] < shape[d]) {
                break;
            }
            pos -= steps[d] * shape[d];
            at[d] = 0;
        }
    }
}

/* --- offsets of plain dimensions ------------------------------------------ */

/* Offsets over dims[0..n) of self, in C order; one block, NULL on failure. */
static int64_t *plain_offsets(const rt_tensor *self, const int *dims, int n,
                              int64_t count)
{
    int64_t *out = rt_alloc((size_t)(count + 1) * sizeof *out);
    int64_t at[RT_MAX_DIMS] = {0}, offset = 0;
    for (int64_t i = 0; out && i < count; i++) {
        out[i] = offset;
        for (int k = n - 1; k >= 0; k--) {
            offset += self->strides[dims[k]];
            if (++at[k] < self->shape[dims[k]]) {
                break;
            }
            offset -= self->strides[dims[k]] * self->shape[dims[k]];
            at[k] = 0;
        }
    }
    return out;
}

static bool is_dense_run(const rt_tensor *self, const int *dims, int n)
{
    int64_t expected = 1;
    for (int k = n - 1; k >= 0; k--) {
        if (self->shape[dims[k]] != 1) {
            if (self->strides[dims[k]] != expected) {
                return false;
            }
            expected *= self->shape[dims[k]];
        }
    }
    return true;
}

/* Which dimensions stay, before and after the indexed ones. */
static void sort_dims(const rt_tensor *self, const entry *e, int n, int *before,
                      int *nbefore, int *after, int *nafter)
{
    bool taken[RT_MAX_DIMS] = {false}, neighbours = true;
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < e[i].ndims; k++) {
            taken[e[i].first + k] = true;
        }
        if (i > 0 && e[i - 1].first + e[i - 1].ndims != e[i].first) {
            neighbours = false;
        }
    }
    *nbefore = *nafter = 0;
    for (int d = 0; d < self->ndim; d++) {
        if (taken[d]) {
            continue;
        }
        if (neighbours && d < e[0].first) {
            before[(*nbefore)++] = d;
        } else {
            after[(*nafter)++] = d;
        }
    }
}

static rt_status fill_plan(rt__call *c, plan *p, const entry *e, int n)
{
    rt_tensor *self = rt__arg(c, 0);
    int before[RT_MAX_DIMS], after[RT_MAX_DIMS], nbefore, nafter, ndim;
    int64_t shape[RT_MAX_DIMS];
    rt_status s = broadcast_entries(c, e, n, &ndim, shape);
    if (s != RT_OK) {
        return s;
    }
    sort_dims(self, e, n, before, &nbefore, after, &nafter);
    p->nb = p->na = 1;
    for (int k = 0; k < nbefore; k++) {
        p->nb *= p->shape[p->ndim++] = self->shape[before[k]];
    }
    p->n = rt__product(shape, 0, ndim);
    memcpy(p->shape + p->ndim, shape, (size_t)ndim * sizeof *shape);
    p->ndim += ndim;
    for (int k = 0; k < nafter; k++) {
        p->na *= p->shape[p->ndim++] = self->shape[after[k]];
    }
    p->before = plain_offsets(self, before, nbefore, p->nb);
    p->index = rt_alloc((size_t)(p->n + 1) * sizeof *p->index);
    if (!is_dense_run(self, after, nafter)) {
        p->after = plain_offsets(self, after, nafter, p->na);
        s = p->after ? RT_OK : RT_E_MEMORY;
    }
    if (s != RT_OK || !p->before || !p->index) {
        return no_memory(c, p->n);
    }
    memset(p->index, 0, (size_t)p->n * sizeof *p->index);
    for (int i = 0; i < n; i++) {
        add_entry(p->index, p->n, &e[i], ndim, shape);
    }
    return RT_OK;
}

static rt_status make_plan(rt__call *c, plan *p)
{
    entry *entries = NULL;
    int n = 0;
    memset(p, 0, sizeof *p);
    p->size = rt_dtype_size(rt__arg(c, 0)->dtype);
    rt_status s = read_entries(c, &entries, &n);
    if (s == RT_OK) {
        s = fill_plan(c, p, entries, n);
    }
    if (s == RT_OK && p->ndim > RT_MAX_DIMS) {
        s = rt_fail(c->err, RT_E_LIMIT, "%s: the result has %d dimensions, at "
                    "most %d are possible", c->name, p->ndim, RT_MAX_DIMS);
    }
    for (int i = 0; entries && i < n; i++) {
        rt_free(entries[i].offsets);
    }
    rt_free(entries);
    return s;
}

/* --- index ---------------------------------------------------------------- */

typedef struct job {
    const plan *p;
    char *self;
    char *other;     /* the result, or the values */
    int64_t step;    /* of values: 1, or 0 for a single one */
    rt_dtype dtype;
    bool accumulate;
} job;

#define GATHER(TYPE)                                                           \
    do {                                                                       \
        TYPE *restrict dst = (TYPE *)to;                                       \
        const TYPE *src = (const TYPE *)j->self + from;                        \
        for (int64_t k = 0; k < p->na; k++) {                                  \
            dst[k] = src[p->after[k]];                                         \
        }                                                                      \
    } while (0)

static void get_piece(const job *j, int64_t from, char *to)
{
    const plan *p = j->p;
    if (!p->after) {
        const char *src = j->self + from * (int64_t)p->size;
        if (p->na == 1 && p->size == 4) {
            memcpy(to, src, 4);
        } else if (p->na == 1 && p->size == 8) {
            memcpy(to, src, 8);
        } else {
            memcpy(to, src, (size_t)p->na * p->size);
        }
        return;
    }
    switch (p->size) {
    case 1:
        GATHER(uint8_t);
        break;
    case 2:
        GATHER(uint16_t);
        break;
    case 4:
        GATHER(uint32_t);
        break;
    default:
        GATHER(uint64_t);
    }
}

static void get_range(void *ctx, int64_t begin, int64_t end)
{
    const job *j = ctx;
    const plan *p = j->p;
    int64_t piece = p->na * (int64_t)p->size;
    for (int64_t i = begin; i < end; i++) {
        int64_t from = p->before[i / p->n] + p->index[i % p->n];
        get_piece(j, from, j->other + i * piece);
    }
}

/* Which dimension of a dense self the only index tensor (no mask) stands for;
 * -1: it is not as simple as that. */
static int only_index(rt__call *c)
{
    const rt_tensor *self = rt__arg(c, 0);
    int dim = -1;
    if (!(self->flags & RT_F_CONTIGUOUS) || c->a[1].count > self->ndim) {
        return -1;
    }
    for (int i = 0; i < c->a[1].count; i++) {
        const rt_tensor *t = c->a[1].tensors[i];
        if (t && (dim >= 0 || is_mask(t)
                  || self->ndim - 1 + t->ndim > RT_MAX_DIMS)) {
            return -1;
        }
        dim = t ? i : dim;
    }
    return dim;
}

/* One index tensor on dense memory: rows by index, without a plan. */
static rt_status index_rows(rt__call *c, int dim)
{
    rt_tensor *self = rt__arg(c, 0), *t = c->a[1].tensors[dim], *dense = NULL;
    int64_t shape[2 * RT_MAX_DIMS], first;
    int after = self->ndim - dim - 1;
    memcpy(shape, self->shape, (size_t)dim * sizeof *shape);
    memcpy(shape + dim, t->shape, (size_t)t->ndim * sizeof *shape);
    memcpy(shape + dim + t->ndim, self->shape + dim + 1,
           (size_t)after * sizeof *shape);
    rt_status s = rt__index_dense(&dense, t, "an index tensor", c->name,
                                  c->err);
    if (s == RT_OK) {
        s = rt__result_new(c, 0, self->dtype, self->ndim - 1 + t->ndim, shape);
    }
    if (s == RT_OK) {
        rt__row_gather r = {
            .src = self->data, .dst = c->r[0].t->data,
            .v = (const int64_t *)dense->data, .n = dense->numel,
            .outer = rt__product(self->shape, 0, dim),
            .size = self->shape[dim], .wraps = true,
            .inner = rt__product(self->shape, dim + 1, self->ndim) *
                     (int64_t)rt_dtype_size(self->dtype)};
        s = rt__gather_rows(&r, &first, c->name, c->err);
        if (s == RT_E_INDEX) {
            out_of_bounds(c, r.v[first], dim, r.size);
        }
    }
    rt_release(dense);
    return s;
}

RT_KERNEL(index)
{
    rt_tensor *self = rt__arg(c, 0);
    plan p;
    int dim = only_index(c);
    if (dim >= 0) {
        return index_rows(c, dim);
    }
    rt_status s = make_plan(c, &p);
    if (s == RT_OK) {
        s = rt__result_new(c, 0, self->dtype, p.ndim, p.shape);
    }
    if (s == RT_OK && c->r[0].t->numel > 0) {
        job j = {.p = &p, .self = self->data, .other = c->r[0].t->data};
        if (!rt__parallel(p.nb * p.n, 16384 / p.na + 1, get_range, &j)) {
            s = rt__interrupted(c->name, c->err);
        }
    }
    plan_dispose(&p);
    return s;
}

/* --- index_put_ ----------------------------------------------------------- */

static void put_one(const job *j, int64_t to, const char *src)
{
    char *dst = j->self + to * (int64_t)j->p->size;
    if (j->accumulate) {
        rt__add_row(j->dtype, dst, src, 1);
    } else {
        memcpy(dst, src, j->p->size);
    }
}

static void put_piece(const job *j, int64_t to, const char *src)
{
    const plan *p = j->p;
    if (p->after || j->step == 0) {
        for (int64_t k = 0; k < p->na; k++) {
            put_one(j, to + (p->after ? p->after[k] : k),
                    src + k * j->step * (int64_t)p->size);
        }
    } else if (j->accumulate) {
        rt__add_row(j->dtype, j->self + to * (int64_t)p->size, src, p->na);
    } else {
        memcpy(j->self + to * (int64_t)p->size, src, (size_t)p->na * p->size);
    }
}

/* Duplicate indices may meet in one place: the order is kept by one thread, so
 * that the last value wins and sums are always taken in the same order. */
static rt_status put_all(rt__call *c, const job *j)
{
    const plan *p = j->p;
    int64_t piece = p->na * (int64_t)p->size * j->step;
    for (int64_t i = 0; i < p->nb * p->n; i++) {
        if (i % 4096 == 4095 && rt_interrupted()) {
            rt__interrupted(c->name, c->err);
            rt_error_help(c->err, "the tensor is partly written");
            return RT_E_INTERRUPT;
        }
        put_piece(j, p->before[i / p->n] + p->index[i % p->n],
                  j->other + i * piece);
    }
    return RT_OK;
}

/* values as dense memory in the plan's shape, or its one element as it is. */
static rt_status read_values(rt__call *c, const plan *p, rt_tensor **out)
{
    rt_tensor *self = rt__arg(c, 0), *values = rt__arg(c, 2), *wide = NULL;
    int skip = 0;
    char a[96], b[96];
    while (values->ndim - skip > p->ndim && values->shape[skip] == 1) {
        skip++;
    }
    bool fits = values->ndim - skip <= p->ndim;
    for (int d = skip; fits && d < values->ndim; d++) {
        int64_t want = p->shape[p->ndim - values->ndim + d];
        fits = values->shape[d] == want || values->shape[d] == 1;
    }
    if (!fits) {
        rt__shape_format(a, sizeof a, values->ndim, values->shape);
        rt__shape_format(b, sizeof b, p->ndim, p->shape);
        return rt_fail(c->err, RT_E_SHAPE,
                       "%s: shape mismatch: values of shape %s cannot be "
                       "broadcast to the indexed shape %s", c->name, a, b);
    }
    if (values->numel == 1) {
        return rt__dense_as(out, values, self->dtype, c->name, c->err);
    }
    rt_status s = rt__tensor_over(&wide, values->storage, values->dtype,
                                  values->ndim - skip, values->shape + skip,
                                  values->strides + skip, values->offset,
                                  c->err);
    if (s == RT_OK) {
        rt_tensor *view = wide;
        s = rt__broadcast_view(&wide, view, p->ndim, p->shape, c->err);
        rt_release(view);
    }
    if (s != RT_OK) {
        return s;
    }
    s = rt__dense_as(out, wide, self->dtype, c->name, c->err);
    rt_release(wide);
    if (s == RT_OK && rt_tensor_shares_storage(*out, self)) {
        rt_tensor *copy = NULL;
        s = rt_tensor_from_data(&copy, self->dtype, p->ndim, p->shape,
                                (*out)->data, c->err);
        rt_release(*out);
        *out = copy;
    }
    return s;
}

RT_INFER(inplace_index_put)
{
    rt_tensor *self = rt__arg(c, 0), *values = rt__arg(c, 2);
    if (rt_dtype_is_floating(values->dtype) &&
        !rt_dtype_is_floating(self->dtype) && !(values->flags & RT_F_WRAPPED)) {
        rt_fail(c->err, RT_E_DTYPE,
                "%s: %s values cannot be written into a %s tensor", c->name,
                rt_dtype_name(values->dtype), rt_dtype_name(self->dtype));
        rt_error_help(c->err, "convert one of them with .to(...)");
        return RT_E_DTYPE;
    }
    rt_status s = rt__check_writable(self, c->name, c->err);
    return s == RT_OK ? rt__result_steal(c, 0, rt_retain(self)) : s;
}

RT_KERNEL(index_put_)
{
    rt_tensor *self = rt__arg(c, 0), *values = NULL;
    plan p;
    rt_status s = make_plan(c, &p);
    if (s == RT_OK) {
        s = read_values(c, &p, &values);
    }
    if (s == RT_OK && p.nb * p.n * p.na > 0) {
        job j = {&p, self->data, values->data, values->numel != 1, self->dtype,
                 c->a[3].i != 0};
        s = put_all(c, &j);
    }
    rt_release(values);
    plan_dispose(&p);
    return s;
}

RT_KERNEL(index_put)
{
    rt_tensor *copy = NULL;
    rt_status s = rt__op1(RT_OP_clone, &copy, c->err, 1, c->a[0]);
    if (s == RT_OK) {
        s = rt__op0(RT_OP_index_put_, c->err, 4, RT_V_TENSOR(copy), c->a[1],
                    c->a[2], c->a[3]);
    }
    if (s != RT_OK) {
        rt_release(copy);
        return s;
    }
    return rt__result_steal(c, 0, copy);
}

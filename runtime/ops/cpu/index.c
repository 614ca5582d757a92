/* SPDX-License-Identifier: MIT
 * Advanced indexing: plans (index.h), and the op that reads by one.
 */
#include "runtime/ops/cpu/index.h"

#include "runtime/base/pool.h"
#include "runtime/ops/cpu/gather.h"
#include "runtime/ops/cpu/move.h"

#include <stdatomic.h>
#include <string.h>

#define GRAIN 16384

void rt__index_plan_dispose(rt__index_plan *p)
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
    rt_tensor *dense;          /* index tensors: the indices, all in range */
    int64_t *places;           /* masks: element offsets */
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

/* The same where the steps are not equal. */
static void odd_offsets(int64_t *offsets, const rt_tensor *self, int first,
                        const rt_tensor *mask)
{
    const uint8_t *m = (const uint8_t *)mask->data;
    int64_t n = 0, at[RT_MAX_DIMS] = {0}, offset = 0;
    for (int64_t i = 0; i < mask->numel && !rt__stops_at(i); i++) {
        if (m[i]) {
            offsets[n++] = offset;
        }
        for (int d = mask->ndim - 1; d >= 0; d--) {
            int64_t stride = self->strides[first + d];
            offset += stride;
            if (++at[d] < mask->shape[d]) {
                break;
            }
            offset -= stride * mask->shape[d];
            at[d] = 0;
        }
    }
}

/* Offsets of the true elements of a dense mask. */
static rt_status mask_offsets(rt__call *c, entry *e, const rt_tensor *mask)
{
    rt_tensor *self = rt__arg(c, 0);
    rt__chosen k;
    rt_status s = rt__choose(&k, mask, c->name, c->err);
    if (s != RT_OK) {
        return s;
    }
    e->ndim = 1;
    e->shape[0] = e->count = k.n;
    e->places = rt_alloc((size_t)(k.n + 1) * sizeof *e->places);
    if (!e->places) {
        s = no_memory(c, k.n);
    } else if (evenly_spaced(self, e->first, mask->ndim)) {
        s = rt__chosen_places(&k, e->places,
                              self->strides[e->first + mask->ndim - 1],
                              c->name, c->err);
    } else {
        odd_offsets(e->places, self, e->first, mask);
        s = rt_interrupted() ? rt__interrupted(c->name, c->err) : RT_OK;
    }
    rt__chosen_dispose(&k);
    return s;
}

rt_status rt__index_check_mask(rt__call *c, const rt_tensor *t, int first)
{
    rt_tensor *self = rt__arg(c, 0);
    if (first + t->ndim > self->ndim) {
        return mask_misfit(c, t, first);
    }
    for (int d = 0; d < t->ndim; d++) {
        if (t->shape[d] != self->shape[first + d]) {
            return mask_misfit(c, t, first);
        }
    }
    return RT_OK;
}

static rt_status read_mask(rt__call *c, entry *e, rt_tensor *t)
{
    rt_tensor *dense = NULL;
    rt_status s = rt__index_check_mask(c, t, e->first);
    e->ndims = t->ndim;
    if (s != RT_OK) {
        return s;
    }
    s = rt__dense(&dense, t, c->name, c->err);
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

typedef struct checking {
    const int64_t *v;
    int64_t size;
    atomic_bool bad;
} checking;

static void check_range(void *ctx, int64_t begin, int64_t end)
{
    checking *k = ctx;
    if (!RT_ISA_TABLE(gather)->within(k->v + begin, end - begin, -k->size,
                                      k->size)) {
        atomic_store_explicit(&k->bad, true, memory_order_relaxed);
    }
}

static rt_status read_indices(rt__call *c, entry *e, rt_tensor *t)
{
    checking k = {.size = rt__arg(c, 0)->shape[e->first]};
    rt_status s = rt__index_dense(&e->dense, t, "an index tensor", c->name,
                                  c->err);
    e->ndims = 1;
    e->ndim = t->ndim;
    e->count = t->numel;
    memcpy(e->shape, t->shape, (size_t)t->ndim * sizeof *e->shape);
    if (s != RT_OK) {
        return s;
    }
    k.v = (const int64_t *)e->dense->data;
    if (!rt__parallel(e->count, GRAIN, check_range, &k)) {
        return rt__interrupted(c->name, c->err);
    }
    for (int64_t i = 0; k.bad && i < e->count; i++) {
        if (k.v[i] < -k.size || k.v[i] >= k.size) {
            return out_of_bounds(c, k.v[i], e->first, k.size);
        }
    }
    return RT_OK;
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

/* Offsets of an entry as they come: (v + size where v < 0) * stride. */
typedef struct summing {
    int64_t *out;
    const int64_t *v;
    int64_t size, stride;
    bool first;              /* of the entries: nothing is there to add to */
} summing;

static summing open_entry(const rt_tensor *self, const entry *e)
{
    return e->places
               ? (summing){.v = e->places, .size = 0, .stride = 1}
               : (summing){.v = (const int64_t *)e->dense->data,
                           .size = self->shape[e->first],
                           .stride = self->strides[e->first]};
}

static inline int64_t offset_at(const summing *s, int64_t i)
{
    return (s->v[i] + (s->v[i] >> 63 & s->size)) * s->stride;
}

static void sum_range(void *ctx, int64_t begin, int64_t end)
{
    const summing s = *(const summing *)ctx;
    if (s.first) {
        for (int64_t i = begin; i < end; i++) {
            s.out[i] = offset_at(&s, i);
        }
        return;
    }
    for (int64_t i = begin; i < end; i++) {
        s.out[i] += offset_at(&s, i);
    }
}

/* An entry that repeats itself over the broadcast shape. */
static void sum_broadcast(const summing *s, int64_t n, const entry *e, int ndim,
                          const int64_t *shape)
{
    int64_t steps[RT_MAX_DIMS], at[RT_MAX_DIMS] = {0}, pos = 0, step = 1;
    for (int d = ndim - 1; d >= 0; d--) {
        int k = d - (ndim - e->ndim);
        int64_t size = k >= 0 ? e->shape[k] : 1;
        steps[d] = size == 1 ? 0 : step;
        step *= size;
    }
    for (int64_t i = 0; i < n && !rt__stops_at(i); i++) {
        s->out[i] = (s->first ? 0 : s->out[i]) + offset_at(s, pos);
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

/* p->index: the entries' offsets, added up. */
static rt_status sum_entries(rt__call *c, rt__index_plan *p, entry *e, int n,
                             int ndim, const int64_t *shape)
{
    if (n == 1 && e->places) {
        p->index = e->places;
        e->places = NULL;
        return RT_OK;
    }
    p->index = rt_alloc((size_t)(p->n + 1) * sizeof *p->index);
    if (!p->index) {
        return no_memory(c, p->n);
    }
    for (int i = 0; i < n; i++) {
        summing s = open_entry(rt__arg(c, 0), &e[i]);
        s.out = p->index;
        s.first = i == 0;
        if (e[i].count != p->n) {
            sum_broadcast(&s, p->n, &e[i], ndim, shape);
        } else {
            rt__parallel(p->n, GRAIN, sum_range, &s);
        }
        if (rt_interrupted()) {
            return rt__interrupted(c->name, c->err);
        }
    }
    return RT_OK;
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

static rt_status fill_plan(rt__call *c, rt__index_plan *p, entry *e, int n)
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
    if (!is_dense_run(self, after, nafter)) {
        p->after = plain_offsets(self, after, nafter, p->na);
        s = p->after ? RT_OK : RT_E_MEMORY;
    }
    if (s != RT_OK || !p->before) {
        return no_memory(c, p->n);
    }
    return sum_entries(c, p, e, n, ndim, shape);
}

rt_status rt__index_plan_make(rt__call *c, rt__index_plan *p)
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
        rt_release(entries[i].dense);
        rt_free(entries[i].places);
    }
    rt_free(entries);
    return s;
}

/* --- index ---------------------------------------------------------------- */

typedef struct job {
    const rt__index_plan *p;
    char *self, *out;
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
    const rt__index_plan *p = j->p;
    if (!p->after) {
        memcpy(to, j->self + from * (int64_t)p->size,
               (size_t)p->na * p->size);
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

/* [begin, end) of the n indices of one block. */
static void get_some(const void *ctx, int64_t block, int64_t begin,
                     int64_t end)
{
    const job *j = ctx;
    const rt__index_plan *p = j->p;
    int64_t piece = p->na * (int64_t)p->size, before = p->before[block];
    char *to = j->out + (block * p->n + begin) * piece;
    if (p->na == 1) {
        RT_ISA_TABLE(gather)->pick[__builtin_ctzl(p->size)](
            to, j->self + before * piece, p->index + begin, end - begin);
        return;
    }
    for (int64_t i = begin; i < end; i++, to += piece) {
        get_piece(j, before + p->index[i], to);
    }
}

void rt__index_each_block(const rt__index_plan *p, const void *ctx,
                          int64_t begin, int64_t end, rt__index_some_fn some)
{
    while (begin < end) {
        int64_t block = begin / p->n, first = begin % p->n;
        int64_t many = p->n - first < end - begin ? p->n - first : end - begin;
        some(ctx, block, first, first + many);
        begin += many;
    }
}

static void get_range(void *ctx, int64_t begin, int64_t end)
{
    const job *j = ctx;
    rt__index_each_block(j->p, j, begin, end, get_some);
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
    rt__index_plan p;
    int dim = only_index(c);
    if (dim >= 0) {
        return index_rows(c, dim);
    }
    rt_status s = rt__index_plan_make(c, &p);
    if (s == RT_OK) {
        s = rt__result_new(c, 0, self->dtype, p.ndim, p.shape);
    }
    if (s == RT_OK && c->r[0].t->numel > 0) {
        job j = {.p = &p, .self = self->data, .out = c->r[0].t->data};
        if (!rt__parallel(p.nb * p.n, GRAIN / p.na + 1, get_range, &j)) {
            s = rt__interrupted(c->name, c->err);
        }
    }
    rt__index_plan_dispose(&p);
    return s;
}

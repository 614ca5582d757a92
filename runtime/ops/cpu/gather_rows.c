/* SPDX-License-Identifier: MIT
 * Rows gathered by index, and added back in the gradient of embedding.
 */
#include "runtime/ops/cpu/gather.h"

#include <stdatomic.h>
#include <string.h>

#include "runtime/base/pool.h"
#include "runtime/ops/cpu/move.h"

#define PIECE 131072        /* bytes of the result that a piece writes */
#define LINE 64

/* --- gathering ------------------------------------------------------------ */

typedef struct gathering {
    const rt__row_gather *r;
    int size_bits;             /* of an element that is a row, -1: longer */
    atomic_bool bad;
} gathering;

static int bits_of(int64_t inner)
{
    return inner == 1 ? 0 : inner == 2 ? 1 : inner == 4 ? 2 : inner == 8 ? 3
                                                                         : -1;
}

/* The row that comes next is called while this one is copied. */
static void copy_rows(const rt__row_gather *r, const char *src, char *dst,
                      const int64_t *v, int64_t n)
{
    int64_t ahead = r->inner < 8192 ? r->inner : 8192;
    for (int64_t i = 0; i < n; i++, dst += r->inner) {
        int64_t at = v[i] < 0 ? v[i] + r->size : v[i];
        if (i + 1 < n) {
            int64_t soon = v[i + 1] < 0 ? v[i + 1] + r->size : v[i + 1];
            for (int64_t k = 0; k < ahead; k += LINE) {
                __builtin_prefetch(src + soon * r->inner + k);
            }
        }
        memcpy(dst, src + at * r->inner, (size_t)r->inner);
    }
}

/* n results in one block of src. */
static void gather_some(gathering *g, const char *src, char *dst,
                        const int64_t *v, int64_t n)
{
    const rt__gather_table *table = RT_ISA_TABLE(gather);
    const rt__row_gather *r = g->r;
    bool plain = table->within(v, n, 0, r->size);
    if (!plain && (!r->wraps || !table->within(v, n, -r->size, r->size))) {
        atomic_store_explicit(&g->bad, true, memory_order_relaxed);
    } else if (g->size_bits < 0) {
        copy_rows(r, src, dst, v, n);
    } else if (plain) {
        table->pick[g->size_bits](dst, src, v, n);
    } else {
        table->wrap[g->size_bits](dst, src, v, n, r->size);
    }
}

static void gather_range(void *ctx, int64_t begin, int64_t end)
{
    gathering *g = ctx;
    const rt__row_gather *r = g->r;
    while (begin < end) {
        int64_t block = begin / r->n, first = begin % r->n;
        int64_t n = r->n - first < end - begin ? r->n - first : end - begin;
        gather_some(g, r->src + block * r->size * r->inner,
                    r->dst + begin * r->inner, r->v + first, n);
        begin += n;
    }
}

static int64_t first_bad(const rt__row_gather *r)
{
    for (int64_t i = 0; i < r->n; i++) {
        if (r->v[i] >= r->size || r->v[i] < (r->wraps ? -r->size : 0)) {
            return i;
        }
    }
    return -1;
}

rt_status rt__gather_rows(const rt__row_gather *r, int64_t *first,
                          const char *name, rt_error *err)
{
    gathering g = {.r = r, .size_bits = bits_of(r->inner)};
    /* nothing to write: the indices are looked at all the same */
    if (r->outer == 0 || r->inner == 0 || r->n == 0) {
        *first = first_bad(r);
        return *first < 0 ? RT_OK : RT_E_INDEX;
    }
    if (!rt__parallel(r->outer * r->n, PIECE / (r->inner + 8) + 1, gather_range,
                      &g)) {
        return rt__interrupted(name, err);
    }
    if (atomic_load(&g.bad)) {
        *first = first_bad(r);
        return RT_E_INDEX;
    }
    return RT_OK;
}

/* --- the gradient of embedding --------------------------------------------- */

/* Which rows of g belong to a row of the result: a list for each, in order. */
typedef struct spreading {
    char *out;
    const char *g;
    int64_t step;              /* bytes from row to row of g, 0: all one */
    int32_t *head, *next;      /* -1 ends a list */
    int64_t each, inner;       /* elements and bytes of a row */
    rt_dtype dtype;
    bool large;
} spreading;

static void clear_rows(const spreading *s, int64_t from, int64_t to)
{
    char *p = s->out + from * s->inner;
    if (s->large) {
        RT_ISA_TABLE(gather)->clear(p, (to - from) * s->inner);
    } else {
        memset(p, 0, (size_t)((to - from) * s->inner));
    }
}

static void spread_range(void *ctx, int64_t begin, int64_t end)
{
    const spreading *s = ctx;
    int64_t from = begin;
    for (int64_t row = begin; row < end; row++) {
        if (s->head[row] < 0) {
            continue;
        }
        char *to = s->out + row * s->inner;
        clear_rows(s, from, row);
        from = row + 1;
        memset(to, 0, (size_t)s->inner);
        for (int32_t i = s->head[row]; i >= 0; i = s->next[i]) {
            rt__add_row(s->dtype, to, s->g + i * s->step, s->each);
        }
    }
    clear_rows(s, from, end);
}

static void link_rows(spreading *s, const int64_t *v, int64_t n, int64_t size,
                      int64_t padding)
{
    memset(s->head, 0xff, (size_t)size * sizeof *s->head);
    for (int64_t i = n - 1; i >= 0; i--) {
        if (v[i] != padding) {
            s->next[i] = s->head[v[i]];
            s->head[v[i]] = (int32_t)i;
        }
    }
}

/* g with rows that are dense in themselves: as it is, its one row where all are
 * the same, or a dense copy. */
static rt_status open_rows(rt_tensor **out, spreading *s, rt_tensor *g,
                           rt_error *err)
{
    int64_t size = (int64_t)rt_dtype_size((rt_dtype)g->dtype);
    rt_status st = RT_OK;
    bool one = g->strides[0] == 0 && g->shape[0] > 0;
    if (g->strides[1] == 1 || g->shape[1] == 1) {
        *out = rt_retain(g);
        s->step = g->strides[0] * size;
    } else if (one) {
        rt_tensor *row = NULL;
        st = rt__tensor_over(&row, g->storage, g->dtype, 1, g->shape + 1,
                             g->strides + 1, g->offset, err);
        st = st ? st : rt__dense(out, row, "backward", err);
        s->step = 0;
        rt_release(row);
    } else {
        st = rt__dense(out, g, "backward", err);
        s->step = s->inner;
    }
    s->g = st ? NULL : (*out)->data;
    return st;
}

static rt_status run_spread(rt_tensor **out, spreading *s, rt_tensor *rows,
                            const rt_tensor *index, int64_t size,
                            int64_t padding, rt_error *err)
{
    int64_t shape[2] = {size, s->each}, n = index->numel;
    rt_tensor *t = NULL;
    rt_status st = rt_tensor_new(&t, (rt_dtype)rows->dtype, 2, shape, err);
    s->head = rt_alloc((size_t)(size + n + 1) * sizeof *s->head);
    if (st == RT_OK && !s->head) {
        st = rt_fail(err, RT_E_MEMORY, "backward: no memory for %lld indices",
                     (long long)n);
    }
    if (st == RT_OK) {
        s->next = s->head + size;
        s->out = t->data;
        s->large = size * s->inner > (int64_t)8 << 20;
        link_rows(s, (const int64_t *)index->data, n, size, padding);
        st = rt__parallel(size, 2 * PIECE / (s->inner + 1) + 1, spread_range, s)
                 ? RT_OK : rt__interrupted("backward", err);
    }
    rt_free(s->head);
    if (st == RT_OK) {
        *out = t;
    } else {
        rt_release(t);
    }
    return st;
}

rt_status rt__fused_embedding(rt_tensor **out, rt_tensor *g, rt_tensor *index,
                              int64_t size, int64_t padding, rt_error *err)
{
    rt_tensor *rows = NULL;
    rt_dtype dtype = (rt_dtype)g->dtype;
    spreading s = {.dtype = dtype, .each = g->ndim == 2 ? g->shape[1] : 0};
    if ((dtype != RT_FLOAT32 && dtype != RT_FLOAT64) || g->ndim != 2
        || index->dtype != RT_INT64 || !(index->flags & RT_F_CONTIGUOUS)
        || g->shape[0] != index->numel || size >= INT32_MAX
        || index->numel >= INT32_MAX || g->numel == 0
        || !RT_ISA_TABLE(gather)->within((const int64_t *)index->data,
                                         index->numel, 0, size)) {
        return RT_OK;
    }
    s.inner = s.each * (int64_t)rt_dtype_size(dtype);
    rt_status st = open_rows(&rows, &s, g, err);
    if (st == RT_OK) {
        st = run_spread(out, &s, rows, index, size, padding, err);
    }
    rt_release(rows);
    return st;
}

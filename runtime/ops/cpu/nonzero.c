/* SPDX-License-Identifier: MIT
 * Which elements are not 0: nonzero, where, and the places of a mask. Blocks
 * are counted first; then each is written where its places begin.
 */
#include "runtime/ops/cpu/gather.h"

#include <string.h>

#include "runtime/base/pool.h"
#include "runtime/ops/cpu/move.h"

#define BLOCK 2048
#define BLOCKS_A_PIECE 16

/* --- choosing ------------------------------------------------------------- */

/* A byte for each of n elements from `first`: in m, or as they lie there. */
static const uint8_t *flags_of(const rt_tensor *t, int64_t first, int64_t n,
                               uint8_t *m)
{
    size_t size = rt_dtype_size(t->dtype);
    const char *src = t->data + first * (int64_t)size;
    if (size == 1) {
        return (const uint8_t *)src;
    }
    RT_ISA_TABLE(gather)->flag[__builtin_ctzl(size)](
        m, src, n, rt_dtype_is_floating(t->dtype));
    return m;
}

static int64_t block_size(const rt_tensor *t, int64_t block)
{
    int64_t left = t->numel - block * BLOCK;
    return left < BLOCK ? left : BLOCK;
}

static void count_blocks(void *ctx, int64_t begin, int64_t end)
{
    const rt__chosen *k = ctx;
    uint8_t m[BLOCK];
    for (int64_t b = begin; b < end; b++) {
        int64_t n = block_size(k->t, b);
        k->before[b] = RT_ISA_TABLE(gather)->count(
            flags_of(k->t, b * BLOCK, n, m), n);
    }
}

rt_status rt__choose(rt__chosen *k, const rt_tensor *t, const char *name,
                     rt_error *err)
{
    int64_t blocks = (t->numel + BLOCK - 1) / BLOCK;
    *k = (rt__chosen){.t = t};
    k->before = rt_alloc((size_t)(blocks + 1) * sizeof *k->before);
    if (!k->before) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory for %lld counts", name,
                       (long long)blocks);
    }
    if (!rt__parallel(blocks, BLOCKS_A_PIECE, count_blocks, k)) {
        rt__chosen_dispose(k);
        return rt__interrupted(name, err);
    }
    for (int64_t b = 0; b < blocks; b++) {
        int64_t here = k->before[b];
        k->before[b] = k->n;
        k->n += here;
    }
    return RT_OK;
}

void rt__chosen_dispose(rt__chosen *k)
{
    rt_free(k->before);
    k->before = NULL;
}

/* --- writing where they are ----------------------------------------------- */

/* Of dimension d the j-th goes to to[d][j * step]. */
typedef struct listing {
    const rt__chosen *k;
    int64_t *to[RT_MAX_DIMS], step;
} listing;

typedef struct block_places {
    int64_t at[BLOCK + 8], rest[BLOCK];
} block_places;

static int64_t places_of(const rt__chosen *k, int64_t b, int64_t *at)
{
    uint8_t m[BLOCK];
    int64_t n = block_size(k->t, b);
    return RT_ISA_TABLE(gather)->places(at, flags_of(k->t, b * BLOCK, n, m), n,
                                        b * BLOCK);
}

static void spread(int64_t *to, int64_t step, const int64_t *from, int64_t n)
{
    if (step == 1) {
        memcpy(to, from, (size_t)n * sizeof *to);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        to[i * step] = from[i];
    }
}

static void list_blocks(void *ctx, int64_t begin, int64_t end)
{
    const listing *l = ctx;
    const rt_tensor *t = l->k->t;
    block_places p;
    for (int64_t b = begin; b < end; b++) {
        int64_t start = l->k->before[b] * l->step;
        int64_t n = places_of(l->k, b, p.at);
        for (int d = t->ndim - 1; d > 0; d--) {
            RT_ISA_TABLE(gather)->split(p.at, p.rest, n, t->shape[d]);
            spread(l->to[d] + start, l->step, p.rest, n);
        }
        spread(l->to[0] + start, l->step, p.at, n);
    }
}

static rt_status list_all(const listing *l, const char *name, rt_error *err)
{
    int64_t blocks = (l->k->t->numel + BLOCK - 1) / BLOCK;
    if (l->k->n > 0 && l->k->t->ndim > 0
        && !rt__parallel(blocks, BLOCKS_A_PIECE, list_blocks, (void *)l)) {
        return rt__interrupted(name, err);
    }
    return RT_OK;
}

typedef struct offsets {
    const rt__chosen *k;
    int64_t *out, step;
} offsets;

static void offset_blocks(void *ctx, int64_t begin, int64_t end)
{
    const offsets *o = ctx;
    int64_t at[BLOCK + 8];
    for (int64_t b = begin; b < end; b++) {
        int64_t n = places_of(o->k, b, at), *to = o->out + o->k->before[b];
        for (int64_t i = 0; i < n; i++) {
            to[i] = at[i] * o->step;
        }
    }
}

rt_status rt__chosen_places(const rt__chosen *k, int64_t *out, int64_t step,
                            const char *name, rt_error *err)
{
    offsets o = {k, out, step};
    int64_t blocks = (k->t->numel + BLOCK - 1) / BLOCK;
    if (k->n > 0 && !rt__parallel(blocks, BLOCKS_A_PIECE, offset_blocks, &o)) {
        return rt__interrupted(name, err);
    }
    return RT_OK;
}

/* --- the ops -------------------------------------------------------------- */

RT_KERNEL(nonzero)
{
    rt_tensor *self = rt__arg(c, 0), *dense = NULL, *out = NULL;
    rt__chosen k = {0};
    listing l = {.k = &k, .step = self->ndim};
    rt_status s = rt__dense(&dense, self, c->name, c->err);
    if (s == RT_OK) {
        s = rt__choose(&k, dense, c->name, c->err);
    }
    if (s == RT_OK) {
        s = rt_tensor_new(&out, RT_INT64, 2, (int64_t[]){k.n, self->ndim},
                          c->err);
    }
    for (int d = 0; s == RT_OK && d < self->ndim; d++) {
        l.to[d] = (int64_t *)out->data + d;
    }
    if (s == RT_OK) {
        s = list_all(&l, c->name, c->err);
    }
    rt__chosen_dispose(&k);
    rt_release(dense);
    if (s != RT_OK) {
        rt_release(out);
        return s;
    }
    return rt__result_steal(c, 0, out);
}

/* The columns of nonzero, each a vector of its own. */
static rt_status columns(rt__call *c, rt_tensor *flat, rt_tensor **list)
{
    rt_tensor *dense = NULL;
    rt__chosen k = {0};
    listing l = {.k = &k, .step = 1};
    rt_status s = rt__dense(&dense, flat, c->name, c->err);
    if (s == RT_OK) {
        s = rt__choose(&k, dense, c->name, c->err);
    }
    for (int d = 0; s == RT_OK && d < flat->ndim; d++) {
        s = rt_tensor_new(&list[d], RT_INT64, 1, &k.n, c->err);
        l.to[d] = s == RT_OK ? (int64_t *)list[d]->data : NULL;
    }
    if (s == RT_OK) {
        s = list_all(&l, c->name, c->err);
    }
    rt__chosen_dispose(&k);
    rt_release(dense);
    return s;
}

RT_KERNEL(where_indices)
{
    rt_tensor *cond = rt__arg(c, 0), *flat = NULL;
    rt_tensor *list[RT_MAX_DIMS] = {NULL};
    int64_t one = 1;
    rt_status s = cond->ndim > 0
                      ? (flat = rt_retain(cond), RT_OK)
                      : rt__broadcast_view(&flat, cond, 1, &one, c->err);
    if (s == RT_OK) {
        s = columns(c, flat, list);
    }
    rt_release(flat);
    if (s == RT_OK) {
        return rt__result_list(c, list, cond->ndim > 0 ? cond->ndim : 1);
    }
    for (int d = 0; d < RT_MAX_DIMS; d++) {
        rt_release(list[d]);
    }
    return s;
}

/* SPDX-License-Identifier: MIT
 *
 * Rows by index: what indexing by one tensor, index_select and embedding are,
 * and the gradient of embedding; and which elements a mask chooses. A row is
 * `inner` bytes of dense memory; the indices are checked piece by piece before
 * anything is read through them.
 * Nothing here adds in an order that depends on the threads.
 */
#ifndef RT_OPS_CPU_GATHER_H
#define RT_OPS_CPU_GATHER_H

#include "runtime/ops/cpu/isa.h"
#include "runtime/ops/op.h"

typedef struct rt__gather_table {
    /* Whether all n indices lie in [low, high). */
    bool (*within)(const int64_t *v, int64_t n, int64_t low, int64_t high);
    /* dst[i] = src[v[i]] for elements of 1, 2, 4, 8 bytes (pick[log2]); the
     * indices are good and not negative. */
    void (*pick[4])(void *dst, const void *src, const int64_t *v, int64_t n);
    /* The same, negative indices counting from the end. */
    void (*wrap[4])(void *dst, const void *src, const int64_t *v, int64_t n,
                    int64_t size);
    /* Zeros past the caches, for memory larger than they are. */
    void (*clear)(void *dst, int64_t bytes);
    /* How many of n bytes are not 0. */
    int64_t (*count)(const uint8_t *m, int64_t n);
    /* m[i] = whether element i is not 0, of 1, 2, 4, 8 bytes (flag[log2]),
     * `sign`: the top bit of an element does not matter. */
    void (*flag[4])(uint8_t *m, const void *src, int64_t n, bool sign);
    /* first + i for each m[i] that is not 0, one after the other; how many.
     * There is room for 8 more than that. */
    int64_t (*places)(int64_t *out, const uint8_t *m, int64_t n, int64_t first);
    /* rest[i] = p[i] % size, p[i] /= size; p[i] from 0 to 2^52. */
    void (*split)(int64_t *p, int64_t *rest, int64_t n, int64_t size);
} rt__gather_table;
RT_ISA_FAMILY(rt__gather_table, gather);

/* dst[o][i] = src[o][v[i]] */
typedef struct rt__row_gather {
    const char *src;             /* [outer][size] rows */
    char *dst;                   /* [outer][n] rows */
    const int64_t *v;
    int64_t outer, n, size, inner;
    bool wraps;                  /* indices may be -size to -1 */
} rt__row_gather;

/* RT_E_INDEX, without a message, and *first the place of the first index that
 * is out of range; then dst is partly written. An interrupt is reported. */
rt_status rt__gather_rows(const rt__row_gather *r, int64_t *first,
                          const char *name, rt_error *err);

/* The elements of a dense tensor that are not 0, counted block by block. */
typedef struct rt__chosen {
    const rt_tensor *t;
    int64_t n, *before;          /* in all; in the blocks before each block */
} rt__chosen;

rt_status rt__choose(rt__chosen *k, const rt_tensor *t, const char *name,
                     rt_error *err);
void rt__chosen_dispose(rt__chosen *k);
/* out[j] = step times the place of the j-th of them. */
rt_status rt__chosen_places(const rt__chosen *k, int64_t *out, int64_t step,
                            const char *name, rt_error *err);

/* The gradient of embedding: *out [size, each], rows of g [n, each] added in
 * their order, where `index` (dense int64, n) says; entries that are `padding`
 * are left out (-1: none). Each line of the result is written once. *out stays
 * NULL, without an error, where it does not apply. */
rt_status rt__fused_embedding(rt_tensor **out, rt_tensor *g, rt_tensor *index,
                              int64_t size, int64_t padding, rt_error *err);

#endif

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
#ifndef RT_OPS_CPU_INDEX_H
#define RT_OPS_CPU_INDEX_H

#include "runtime/ops/op.h"

typedef struct rt__index_plan {
    int64_t nb, n, na;
    int64_t *before, *index, *after;   /* element offsets; after: NULL when it
                                          is one dense piece */
    int ndim;                          /* of the result */
    int64_t shape[2 * RT_MAX_DIMS];
    size_t size;                       /* bytes of an element */
} rt__index_plan;

/* The plan for index or index_put_'s first two arguments. On failure, too, it
 * has to be disposed of. */
rt_status rt__index_plan_make(rt__call *c, rt__index_plan *p);
void rt__index_plan_dispose(rt__index_plan *p);
/* RT_OK, or the error for a mask that does not have self's sizes from dimension
 * `first` on. */
rt_status rt__index_check_mask(rt__call *c, const rt_tensor *mask, int first);

/* A job over a plan: [begin, end) of the n indices of one block. */
typedef void (*rt__index_some_fn)(const void *ctx, int64_t block, int64_t begin,
                                  int64_t end);
/* Calls `some` for what [begin, end) of all nb * n rows is of each block. */
void rt__index_each_block(const rt__index_plan *p, const void *ctx,
                          int64_t begin, int64_t end, rt__index_some_fn some);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The collapsed-dimension iterator under every elementwise and reduction
 * kernel: operands of one (broadcast) shape, size-1 dimensions dropped,
 * dimensions ordered by the first operand's strides and merged where all
 * operands allow, so that most calls end as one long inner loop.
 */
#ifndef RT_OPS_ITERATOR_H
#define RT_OPS_ITERATOR_H

#include "runtime/core/tensor.h"

#define RT_ITER_OPERANDS 5

typedef struct rt__iter {
    int noperands, ndim;                 /* ndim after collapsing, >= 1 */
    int64_t shape[RT_MAX_DIMS];          /* innermost first */
    int64_t strides[RT_ITER_OPERANDS][RT_MAX_DIMS];  /* bytes */
    char *data[RT_ITER_OPERANDS];
    int64_t numel;
} rt__iter;

/* Inner loop: n elements, operand i at data[i] in steps of stride[i] bytes. */
typedef void (*rt__inner_fn)(void *ctx, char *const *data,
                             const int64_t *strides, int64_t n);

/* Operand 0 is the output and decides the shape; the others broadcast to it
 * (the caller has checked that they do). */
void rt__iter_init(rt__iter *it, rt_tensor *const *operands, int n);
/* Runs the loop over all elements, in parallel above a grain; RT_E_INTERRUPT
 * when interrupted (err->op = name). */
rt_status rt__iter_run(const rt__iter *it, rt__inner_fn fn, void *ctx,
                       const char *name, rt_error *err);

/* Inner loop over n1 rows of n0 elements, operand i at data[i] with the
 * strides of the iterator's dimensions 0 and 1. */
typedef void (*rt__rows_fn)(void *ctx, char *const *data, int64_t n0,
                            int64_t n1);
/* The same with a loop over whole rows: with as many at once as there are,
 * which is what short rows want; n1 is 1 where a piece is part of a row. */
rt_status rt__iter_run_rows(const rt__iter *it, rt__rows_fn fn, void *ctx,
                            const char *name, rt_error *err);

#endif

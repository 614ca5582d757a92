/* SPDX-License-Identifier: MIT
 *
 * Row and column loops of softmax and cross entropy, per instruction set.
 *
 * Bounds for float32 against the exact result, held by tests/unit/test_softmax.c
 * and test_loss.c: a probability has a relative error of at most 1e-7 times
 * |x - top| + 8, and 2e-38 beside that; a logarithm an absolute one of 1e-6
 * times |x - top| + 1. -inf gives exactly 0; NaN, +inf or nothing but -inf in a
 * row makes the whole row NaN. Sums run in fixed lanes and fixed blocks, so
 * that the bits depend on the shape alone.
 */
#ifndef RT_OPS_CPU_SOFTMAX_H
#define RT_OPS_CPU_SOFTMAX_H

#include "runtime/ops/cpu/isa.h"

#define RT_SOFT_COLUMNS 64   /* most columns a column kernel takes at once */

/* What the columns of a band know so far: begin with -INFINITY and 0. */
typedef struct rt__soft_band {
    double top[RT_SOFT_COLUMNS], sum[RT_SOFT_COLUMNS];
} rt__soft_band;

typedef struct rt__softmax_fns {
    /* Whole rows of n elements, side by side; probabilities times `scale`.
     * out may be x. */
    void (*rows)(void *out, const void *x, int64_t rows, int64_t n, bool log,
                 double scale);
    /* log(sum(exp(x))) of each row: top + log(sum), or top where that is
     * infinite. */
    void (*log_sums)(double *out, const void *x, int64_t rows, int64_t n);
    /* A row in parts: its largest element (NaNs are passed over); the sum of
     * exp(x - top), written to out unless that is NULL; then what is left to
     * do with the sum of all parts: out holds the exponentials, or for the
     * logarithm anything. */
    double (*largest)(const void *x, int64_t n);
    double (*exponentials)(void *out, const void *x, int64_t n, double top);
    void (*finish)(void *out, const void *x, int64_t n, double top, double sum,
                   bool log);
    /* The same three steps for `width` columns of `rows` elements, `stride`
     * apart; b carries what is known from one call to the next. */
    void (*columns_largest)(rt__soft_band *b, const void *x, int64_t rows,
                            int64_t stride, int width);
    void (*columns_exponentials)(rt__soft_band *b, void *out, const void *x,
                                 int64_t rows, int64_t stride, int width);
    void (*columns_finish)(const rt__soft_band *b, void *out, const void *x,
                           int64_t rows, int64_t stride, int width, bool log);
} rt__softmax_fns;

typedef struct rt__softmax_table {
    rt__softmax_fns narrow, wide;     /* float, double */
} rt__softmax_table;
RT_ISA_FAMILY(rt__softmax_table, softmax);

static inline const rt__softmax_fns *rt__softmax_fns_of(rt_dtype dtype)
{
    const rt__softmax_table *t = RT_ISA_TABLE(softmax);
    return dtype == RT_FLOAT64 ? &t->wide : &t->narrow;
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * Loops over one dense row that norms, losses, pooling and indexing share, per
 * instruction set. n may be 0. Sums use fixed lanes, so that the bits do not
 * depend on how rows are handed out to threads.
 */
#ifndef RT_OPS_CPU_ROWS_H
#define RT_OPS_CPU_ROWS_H

#include "runtime/ops/cpu/isa.h"

/* One set for float, one for double. */
typedef struct rt__row_fns {
    /* y[i] += x[i] */
    void (*add)(void *y, const void *x, int64_t n);
    /* Mean, and sum of squared differences from it; n > 0. */
    void (*moments)(const void *x, int64_t n, double *mean, double *m2);
    /* y[i] = x[i] * a + b */
    void (*affine)(void *y, const void *x, int64_t n, double a, double b);
    /* y[i] = (x[i] - mean) * scale * w[i] + b[i]; w, b may be NULL. */
    void (*normalise)(void *y, const void *x, int64_t n, double mean,
                      double scale, const void *w, const void *b);
    /* Sum of (x[i] - y[i])^2. */
    double (*distance)(const void *x, const void *y, int64_t n);
    /* smooth_l1_loss, with d = x[i] - y[i]: d^2 / (2 beta) where that is nearer
     * to 0 than beta, |d| - beta / 2 elsewhere. Into out, or when that is NULL
     * their sum as the result. */
    double (*smooth)(void *out, const void *x, const void *y, int64_t n,
                     double beta);
} rt__row_fns;

typedef struct rt__rows_table {
    rt__row_fns narrow, wide;     /* float, double */
} rt__rows_table;
RT_ISA_FAMILY(rt__rows_table, rows);

static inline const rt__row_fns *rt__row_fns_of(rt_dtype dtype)
{
    const rt__rows_table *t = RT_ISA_TABLE(rows);
    return dtype == RT_FLOAT64 ? &t->wide : &t->narrow;
}

#endif

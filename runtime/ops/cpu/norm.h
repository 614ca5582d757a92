/* SPDX-License-Identifier: MIT
 *
 * Rows of layer_norm and its gradient, per instruction set.
 *
 * Bounds for float32 against float64, held by tests/unit/test_norm.c, with
 * d = |x - mean| / deviation: a result is within 1e-6 (d + 4) |w| + 1e-6 |b|,
 * and 1e-7 |mean / deviation| |w| beside that. Sums run in fixed lanes and
 * blocks: the bits depend on the row alone. NaN or inf anywhere in a row makes
 * all of it NaN.
 */
#ifndef RT_OPS_CPU_NORM_H
#define RT_OPS_CPU_NORM_H

#include "runtime/ops/cpu/isa.h"

#define RT_NORM_ROWS 16        /* most rows of one call */

typedef struct rt__norm_fns {
    /* y = (x - mean) * rstd * w + b over rows of n > 0 elements, with each
     * row's own mean and 1 / sqrt(variance + eps), which are written too (one a
     * row); w, b may be NULL. */
    void (*layer)(void *y, const void *x, const void *w, const void *b,
                  int64_t rows, int64_t n, double eps, double *mean,
                  double *rstd);
    /* out = rstd * (gw - mean(gw) - xhat * mean(gw * xhat)) with gw = g * w (w
     * may be NULL) and xhat = (x - mean) * rstd */
    void (*layer_backward)(void *out, const void *g, const void *x,
                           const void *w, int64_t rows, int64_t n,
                           const double *mean, const double *rstd);
} rt__norm_fns;

typedef struct rt__norm_table {
    rt__norm_fns narrow, wide;     /* float, double */
} rt__norm_table;
RT_ISA_FAMILY(rt__norm_table, norm);

static inline const rt__norm_fns *rt__norm_fns_of(rt_dtype dtype)
{
    const rt__norm_table *t = RT_ISA_TABLE(norm);
    return dtype == RT_FLOAT64 ? &t->wide : &t->narrow;
}

#endif

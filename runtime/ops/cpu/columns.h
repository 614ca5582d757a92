/* SPDX-License-Identifier: MIT
 *
 * batch_norm and its gradient where one image holds few elements of a channel:
 * [n, channels * inner] is walked by rows, with vectors over the columns.
 *
 * Sums of float32 run in float32 over RT_COLUMN_ROWS rows, then in float64;
 * pieces of rows are cut by shape and joined in order: the same bits for any
 * number of threads. Bounds as in norm.h, held by tests/unit/test_columns.c.
 */
#ifndef RT_OPS_CPU_COLUMNS_H
#define RT_OPS_CPU_COLUMNS_H

#include "runtime/ops/cpu/isa.h"

#include <stdbool.h>

#define RT_COLUMN_ROWS 32

/* x: [n, channels, inner], dense, float32 or float64. */
typedef struct rt__columns {
    rt_dtype dtype;
    const char *x;
    int64_t n, channels, inner;
} rt__columns;

/* Is this the better way for these sizes? */
static inline bool rt__columns_fit(int64_t n, int64_t channels, int64_t inner)
{
    return n > 0 && channels > 0 && inner > 0 && inner < 32;
}

/* Each channel's mean and biased variance. These four fail when interrupted or
 * out of memory; their arrays hold one element a channel. */
rt_status rt__columns_moments(const rt__columns *t, double *mean, double *var,
                              rt_error *err);
/* y = (x - mean) * scale + offset */
rt_status rt__columns_affine(const rt__columns *t, char *y, const double *mean,
                             const double *scale, const double *offset,
                             rt_error *err);
/* The sums of g and of g * (x - mean); g like x. */
rt_status rt__columns_products(const rt__columns *t, const char *g,
                               const double *mean, double *plain,
                               double *along, rt_error *err);
/* out = g * a - (x - mean) * b - c; out = g * a when b is NULL. */
rt_status rt__columns_shifted(const rt__columns *t, char *out, const char *g,
                              const double *mean, const double *a,
                              const double *b, const double *c, rt_error *err);

/* Rows of one dtype; m, f, ... hold one element of it a column. */
typedef struct rt__column_fns {
    /* sums[j] += the sum of v, sums[width + j] += that of v * (x - m): v is g,
     * or x - m when g is NULL. */
    void (*sums)(double *sums, const void *g, const void *x, const void *m,
                 int64_t rows, int64_t width);
    /* y = (x - m) * f + b */
    void (*affine)(void *y, const void *x, const void *m, const void *f,
                   const void *b, int64_t rows, int64_t width);
    /* out = g * a - (x - m) * b - c; g * a when b is NULL */
    void (*shifted)(void *out, const void *g, const void *x, const void *m,
                    const void *a, const void *b, const void *c, int64_t rows,
                    int64_t width);
} rt__column_fns;

typedef struct rt__columns_table {
    rt__column_fns narrow, wide;     /* float, double */
} rt__columns_table;
RT_ISA_FAMILY(rt__columns_table, columns);

#endif

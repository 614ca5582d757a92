/* SPDX-License-Identifier: MIT
 * Reductions: the table of row kernels, and the layout a reduction works on.
 */
#ifndef RT_OPS_CPU_REDUCE_H
#define RT_OPS_CPU_REDUCE_H

#include "runtime/ops/cpu/isa.h"
#include "runtime/ops/op.h"

/* What a row kernel finds: f for floating types, i for the others; j is the
 * place of a largest or smallest element. */
typedef struct rt__sum {
    double f;
    int64_t i, j;
} rt__sum;

typedef enum rt__row_reduction {
    RT_RED_sum, RT_RED_product, RT_RED_largest, RT_RED_smallest,
    RT_RED_nonzero,
    /* floating types only; m is the parameter */
    RT_RED_squares,        /* (x - m)^2 */
    RT_RED_absolutes,      /* |x| */
    RT_RED_deviations,     /* x - m */
    RT_RED_exponentials,   /* exp(x - m) */
    RT_RED_powers,         /* |x|^m */
    RT_RED_COUNT
} rt__row_reduction;

#define RT_SHORT_ROW 1024  /* elements: rows this short are summed together */
#define RT_COLUMNS 1024    /* most columns a column kernel takes at once */

typedef struct rt__reduce_table {
    void (*row[RT_RED_COUNT][RT_DTYPE_COUNT])(const void *row, int64_t n,
                                              double m, rt__sum *s);
    /* s[i] becomes the sum of row i, the same bits that row[RT_RED_sum] gives;
     * n <= RT_SHORT_ROW. */
    void (*sums)(const float *x, int64_t rows, int64_t n, double *s);
    /* Sums `width` columns of `rows` elements, `stride` elements apart, in
     * their own type; join adds such sums to a total. */
    void (*column_sum[RT_DTYPE_COUNT])(const void *x, int64_t rows,
                                       int64_t stride, int width, void *sums);
    void (*column_join[RT_DTYPE_COUNT])(double *total, const void *sums,
                                        int64_t rows, int64_t stride,
                                        int width);
} rt__reduce_table;
RT_ISA_FAMILY(rt__reduce_table, reduce);

/* Which dimensions a call reduces: from its `dim` and `keepdim` arguments. */
typedef struct rt__axes {
    bool reduced[RT_MAX_DIMS];
    bool keep;
} rt__axes;
rt_status rt__axes_of(const rt__call *c, rt__axes *axes);

/* Dense memory seen as [outer][length][inner]; `owned` holds it. */
typedef struct rt__rows {
    rt_tensor *owned;
    rt_dtype dtype;         /* halves become float32 */
    const char *data;
    int64_t outer, length, inner;
} rt__rows;
/* Without `columns` inner is always 1. Release owned afterwards. */
rt_status rt__rows_of(rt__rows *rows, const char *name, rt_tensor *t,
                      const bool *reduced, rt_dtype dtype, bool columns,
                      rt_error *err);

#endif

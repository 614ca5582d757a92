/* SPDX-License-Identifier: MIT
 *
 * Inner loops of float32 matrix products, per instruction set. A panel holds
 * `width` rows of A (or columns of B) side by side: element p of lane x is at
 * [p * width + x]; lanes past the end are 0. No kernel reads or writes outside
 * the matrices it is given, and none skips a factor of 0.
 */
#ifndef RT_OPS_CPU_SGEMM_KERNELS_H
#define RT_OPS_CPU_SGEMM_KERNELS_H

#include "runtime/ops/cpu/isa.h"

/* A matrix as float data and strides in elements. */
typedef struct rt__matrix {
    const float *data;
    int64_t rs, cs;
} rt__matrix;

enum { RT_SGEMM_DIRECT_DEPTH = 512 };   /* steps of k of a panel of `direct` */

typedef struct rt__sgemm_table {
    int mr, nr;           /* sizes of the packed tile */
    /* n lanes that lie `along` apart, k deep in steps of `deep`, as panels. */
    void (*pack)(float *out, int width, const float *from, int64_t along,
                 int64_t deep, int64_t n, int64_t k);
    /* C[h, w] = A panel times B panel + what `plus` holds, rows ldp apart
     * (NULL: nothing; c itself: the sum grows); h <= mr, w <= nr. */
    void (*tile)(int h, int w, int64_t k, const float *a, const float *b,
                 float *c, int64_t ldc, const float *plus, int64_t ldp);
    /* C[m, n] = A[m, k] B[k, n] + plus without packing A, nor B where its rows
     * are dense. */
    void (*direct)(int64_t m, int64_t n, int64_t k, rt__matrix a, rt__matrix b,
                   float *c, int64_t ldc, const float *plus, int64_t ldp);
    /* y[i * inc] = or += row i of A times x; rows and x are dense. */
    void (*rows_by_vector)(int64_t m, int64_t k, const float *a, int64_t rs,
                           const float *x, float *y, int64_t inc, bool add);
    /* y[n] = or += x[k] times B; rows of B and y are dense. */
    void (*vector_by_rows)(int64_t n, int64_t k, const float *x, int64_t inc,
                           const float *b, int64_t rs, float *y, bool add);
} rt__sgemm_table;
RT_ISA_FAMILY(rt__sgemm_table, sgemm);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Matrix products on strided memory: C[m, n] = A[m, k] B[k, n], or += . Shapes
 * are cut into tiles by size alone, so that results are the same bits for any
 * number of threads.
 */
#ifndef RT_OPS_CPU_GEMM_H
#define RT_OPS_CPU_GEMM_H

#include "runtime/core/tensor.h"

typedef struct rt__gemm {
    rt_dtype dtype;
    int64_t m, n, k;
    const char *a, *b;
    char *c;
    int64_t ars, acs, brs, bcs;   /* strides in elements: rows, columns */
    int64_t crs, ccs;
    bool accumulate;              /* add to what C holds */
    const char *bias;             /* NULL, or n dense numbers that every row of
                                     C is given besides; not with accumulate */
} rt__gemm;

/* One product, tiles spread over the pool. RT_E_INTERRUPT when interrupted,
 * RT_E_MEMORY when an operand had to be made dense and could not be. */
rt_status rt__gemm_run(const rt__gemm *g, const char *name, rt_error *err);
/* `count` products of one shape, spread over the pool: step i of operand x is
 * offsets_x[i] elements from g->x. */
rt_status rt__gemm_batch(const rt__gemm *g, int64_t count, const int64_t *a,
                         const int64_t *b, const int64_t *c, const char *name,
                         rt_error *err);

/* Writes the bias into C, which is added to from then on. */
void rt__gemm_start(rt__gemm *g);

/* Float32 by our own kernels: whether C's strides suit them, whether a product
 * is theirs (RT_GEMM=blas leaves it to OpenBLAS), and the product. */
bool rt__gemm_suits(const rt__gemm *g);
bool rt__gemm_own(const rt__gemm *g);
rt_status rt__gemm_own_run(const rt__gemm *g, const char *name, rt_error *err);
/* A product so small that all it takes is one call of a kernel; without bias. */
bool rt__gemm_own_small(const rt__gemm *g);
void rt__gemm_own_small_run(const rt__gemm *g);

#endif

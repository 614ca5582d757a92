/* SPDX-License-Identifier: MIT
 *
 * OpenBLAS, opened at the first use with one thread and the right core type
 * for this processor (docs/adr/0007). Row-major CBLAS entry points; `loaded` is
 * false where the library is absent, and our own kernels do the work.
 */
#ifndef RT_OPS_CPU_BLAS_H
#define RT_OPS_CPU_BLAS_H

#include <stdbool.h>

enum { RT_BLAS_ROW_MAJOR = 101, RT_BLAS_NO_TRANS = 111, RT_BLAS_TRANS = 112 };

/* Debian's OpenBLAS counts with int (LP64). */
typedef struct rt__blas {
    bool loaded;
    const char *core;      /* "SkylakeX", "" when unknown */
    void (*sgemm)(int order, int ta, int tb, int m, int n, int k, float alpha,
                  const float *a, int lda, const float *b, int ldb, float beta,
                  float *c, int ldc);
    void (*dgemm)(int order, int ta, int tb, int m, int n, int k, double alpha,
                  const double *a, int lda, const double *b, int ldb,
                  double beta, double *c, int ldc);
    void (*sgemv)(int order, int ta, int m, int n, float alpha, const float *a,
                  int lda, const float *x, int incx, float beta, float *y,
                  int incy);
    void (*dgemv)(int order, int ta, int m, int n, double alpha,
                  const double *a, int lda, const double *x, int incx,
                  double beta, double *y, int incy);
} rt__blas;

/* Never NULL; the same for the life of the process. RT_BLAS=off leaves it out. */
const rt__blas *rt__blas_get(void);

#endif

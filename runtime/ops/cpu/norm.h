/* SPDX-License-Identifier: MIT
 *
 * Rows of layer_norm and group_norm and their gradients, per instruction set.
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
    /* Mean, and biased variance, of n > 0 elements. */
    void (*moments)(const void *x, int64_t n, double *mean, double *var);
    /* y = (x - mean) * rstd * w[c] + b[c] over channels of `inner` elements; w,
     * b may be NULL. */
    void (*group)(void *y, const void *x, const void *w, const void *b,
                  int64_t channels, int64_t inner, double mean, double rstd);
    /* Per channel: sums[0] += the sum of g, sums[1] += that of g * (x - mean) */
    void (*group_sums)(double (*sums)[2], const void *g, const void *x,
                       int64_t channels, int64_t inner, double mean);
    /* out = g * w[c] * f[0] + (x - mean) * f[1] + f[2]; w may be NULL */
    void (*group_backward)(void *out, const void *g, const void *x,
                           const void *w, int64_t channels, int64_t inner,
                           double mean, const double f[3]);
} rt__norm_fns;

/* The part of a group that one call takes, so that interrupts are noticed:
 * whole channels, or some elements of one. */
typedef struct rt__norm_piece {
    int64_t channel, channels, inner, length;
} rt__norm_piece;

static inline rt__norm_piece rt__norm_piece_at(int64_t at, int64_t channels,
                                               int64_t inner)
{
    const int64_t most = 65536;
    if (channels * inner <= most) {
        return (rt__norm_piece){0, channels, inner, channels * inner};
    }
    rt__norm_piece p = {at / inner, 1, inner - at % inner, 0};
    if (inner <= most) {
        p.channels = channels - p.channel;
        p.channels = p.channels < most / inner ? p.channels : most / inner;
    } else if (p.inner > most) {
        p.inner = most;
    }
    p.length = p.channels * p.inner;
    return p;
}

/* Chan's way of joining the moments of two parts of n0 and n1 elements; m2:
 * sums of squared differences from the mean. */
static inline void rt__join_moments(double *mean, double *m2, double n0,
                                    double mean1, double m21, double n1)
{
    double step = mean1 - *mean, n = n0 + n1;
    *mean += step * n1 / n;
    *m2 += m21 + step * step * n0 * n1 / n;
}

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

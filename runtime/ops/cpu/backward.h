/* SPDX-License-Identifier: MIT
 *
 * Fused gradients: one pass where the composition of ops would take several.
 * Each function leaves *out NULL, without an error, where it does not apply
 * (other dtypes, other dimensions); the rule then takes the composition.
 */
#ifndef RT_OPS_CPU_BACKWARD_H
#define RT_OPS_CPU_BACKWARD_H

#include "runtime/core/tensor.h"
#include "runtime/ops/cpu/isa.h"

/* Rows of n elements of one dtype. */
typedef struct rt__backward_rows {
    /* y * (g - sum(g * y)) */
    void (*softmax)(void *out, const void *g, const void *y, int64_t n);
    /* g - exp(y) * sum(g) */
    void (*log_softmax)(void *out, const void *g, const void *y, int64_t n);
    /* += over one row: gw += g * xhat, for columns [begin, end) */
    void (*layer_weight)(void *gw, const void *g, const void *x, double mean,
                         double rstd, int64_t begin, int64_t end);
    /* += the sums of g and of g * (x - mean) */
    void (*moments)(const void *g, const void *x, double mean, int64_t n,
                    double sums[2]);
    /* g * f[0] - (x - mean) * f[1] - f[2] */
    void (*shifted)(void *out, const void *g, const void *x, double mean,
                    int64_t n, const double f[3]);
} rt__backward_rows;

typedef struct rt__backward_table {
    rt__backward_rows rows[2];    /* float32, float64 */
} rt__backward_table;
RT_ISA_FAMILY(rt__backward_table, backward);

/* Elementwise kernels of elementwise.def that take (gradient, x or y). */
rt_status rt__fused_elementwise(rt_tensor **out, rt__ew op, rt_tensor *g,
                                rt_tensor *y, double p0, rt_error *err);
/* Over the last dimension of y. */
rt_status rt__fused_softmax(rt_tensor **out, rt_tensor *g, rt_tensor *y,
                            bool log, rt_error *err);
/* x [N, C], target [N] int64; g is one number, or [N] for reduction 'none'. */
rt_status rt__fused_cross_entropy(rt_tensor **out, rt_tensor *g, rt_tensor *x,
                                  rt_tensor *target, bool mean, int64_t ignore,
                                  rt_error *err);
/* max_pool2d: `where` are the indices it gave, [.., H, W] its input's shape. */
rt_status rt__fused_max_pool(rt_tensor **out, rt_tensor *g, rt_tensor *where,
                             int ndim, const int64_t *shape, rt_error *err);
/* n: elements of a normalised row; w may be NULL. */
rt_status rt__fused_layer_norm(rt_tensor **out, rt_tensor *g, rt_tensor *x,
                               rt_tensor *w, rt_tensor *mean, rt_tensor *rstd,
                               rt_error *err);
rt_status rt__fused_layer_weight(rt_tensor **out, rt_tensor *g, rt_tensor *x,
                                 rt_tensor *w, rt_tensor *mean,
                                 rt_tensor *rstd, rt_error *err);
/* batch_norm: gradients of x, weight and bias at once; out[0] stays NULL unless
 * wanted. mean and rstd are what was used, the batch's own if `training`. */
rt_status rt__fused_batch_norm(rt_tensor *out[3], rt_tensor *g, rt_tensor *x,
                               rt_tensor *w, rt_tensor *mean, rt_tensor *rstd,
                               bool training, bool want_x, rt_error *err);
/* group_norm: the same three, out[0] NULL unless wanted. */
rt_status rt__fused_group_norm(rt_tensor *out[3], rt_tensor *g, rt_tensor *x,
                               rt_tensor *w, rt_tensor *mean, rt_tensor *rstd,
                               bool want_x, rt_error *err);

#endif

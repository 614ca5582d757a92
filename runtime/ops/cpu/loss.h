/* SPDX-License-Identifier: MIT
 * What the losses share: the `reduction` argument, and beta.
 */
#ifndef RT_OPS_CPU_LOSS_H
#define RT_OPS_CPU_LOSS_H

#include "runtime/ops/op.h"

typedef enum rt__reduction { RT_REDUCE_NONE, RT_REDUCE_MEAN, RT_REDUCE_SUM,
                             RT_REDUCE_BATCHMEAN } rt__reduction;

/* Reads argument i; RT_E_ARGUMENT naming the choices. "batchmean" is only
 * accepted where `batch` is true. */
rt_status rt__reduction_arg(rt__reduction *out, const rt__call *c, int i,
                            bool batch);

/* smooth_l1_loss's beta where its inverse is a float too; 0 stands for |d|. */
static inline double rt__smooth_beta(double beta)
{
    return beta < 0x1p-125 ? 0x1p-125 : beta > 0x1p125 ? 0x1p125 : beta;
}

#endif

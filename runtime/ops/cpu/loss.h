/* SPDX-License-Identifier: MIT
 * What the losses share: the `reduction` argument.
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

#endif

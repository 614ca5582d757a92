/* SPDX-License-Identifier: MIT
 * What conv2d and its gradients know of a call, and the ways that have files
 * of their own.
 */
#ifndef RT_OPS_CPU_CONV_H
#define RT_OPS_CPU_CONV_H

#include "runtime/ops/cpu/window.h"

typedef struct rt__conv {
    rt__window w;
    int64_t n, groups, ci, co;   /* ci, co: channels in one group */
    int64_t k, p;                /* ci * kH * kW, OH * OW */
    int64_t chunk;               /* images at a time */
    bool plain;                  /* columns are the input itself */
    rt_dtype dtype;
    size_t size;
} rt__conv;

/* By patches (runtime/ops/cpu/patches.h). *done stays false, with RT_OK, where
 * that does not suit; tensors are dense, in v->dtype. */
rt_status rt__conv_patches(const rt__conv *v, const rt_tensor *x,
                           const rt_tensor *w, const rt_tensor *bias,
                           rt_tensor *y, bool *done, const char *name,
                           rt_error *err);
rt_status rt__conv_patches_input(const rt__conv *v, const rt_tensor *g,
                                 const rt_tensor *w, rt_tensor *dx, bool *done,
                                 const char *name, rt_error *err);
rt_status rt__conv_patches_weight(const rt__conv *v, const rt_tensor *g,
                                  const rt_tensor *x, rt_tensor *dw,
                                  bool *done, const char *name, rt_error *err);

#endif

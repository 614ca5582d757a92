/* SPDX-License-Identifier: MIT
 * Sliding windows over the last two dimensions, for convolution and pooling.
 */
#ifndef RT_OPS_CPU_WINDOW_H
#define RT_OPS_CPU_WINDOW_H

#include "runtime/ops/op.h"

typedef struct rt__window {
    int64_t kernel[2], stride[2], padding[2], dilation[2];
    int64_t in[2], out[2];        /* sizes of the two dimensions */
} rt__window;

/* Reads an int[] of one or two numbers, each at least `least` and at most
 * INT32_MAX; `name` is the argument's. A missing list leaves *pair as it is, and
 * so does an empty one where *pair is a value and least is not 0. */
rt_status rt__pair_arg(int64_t pair[2], const rt__call *c, int i,
                       const char *name, int64_t least);
/* Computes w->out from the rest; RT_E_SHAPE when the window does not fit. In
 * ceil mode a last window may begin inside and end outside. */
rt_status rt__window_fit(rt__window *w, const rt__call *c, bool ceil_mode);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Running an elementwise kernel over tensors of any dtype and layout, copying
 * with conversion and broadcasting, and filling.
 */
#ifndef RT_OPS_CPU_ELEMENTWISE_H
#define RT_OPS_CPU_ELEMENTWISE_H

#include "runtime/core/tensor.h"
#include "runtime/ops/cpu/isa.h"

#define RT_ELEMENTWISE_INPUTS 3

/* out = op(in...), inputs broadcast to out's shape and converted to `compute`;
 * the result is converted to out's dtype. Inputs that overlap out without
 * being it are copied first. `p` may be NULL. RT_E_DTYPE when the op has no
 * kernel for `compute`. */
rt_status rt__elementwise(const char *name, rt__ew op, rt_dtype compute,
                          rt_tensor *out, rt_tensor *const *in, int n,
                          const rt__params *p, rt_error *err);
/* out = in, converted and broadcast; any layouts, overlap allowed. */
rt_status rt__copy(const char *name, rt_tensor *out, rt_tensor *in,
                   rt_error *err);
/* What a call of rt__elementwise would be: see rt__call's plan. */
typedef struct rt__ew_plan {
    rt__ew op;
    rt_dtype compute;
    int n;                    /* inputs; 0 until a step has noted its loop */
    rt_tensor *in[RT_ELEMENTWISE_INPUTS];
    rt__params p;
} rt__ew_plan;
/* A C-contiguous tensor with t's elements as `dtype`: t itself (retained) when
 * it is one already. */
rt_status rt__contiguous_as(rt_tensor **out, rt_tensor *t, rt_dtype dtype,
                            const char *name, rt_error *err);
/* Sets every element; the value is converted to t's dtype. */
rt_status rt__fill_float(const char *name, rt_tensor *t, double v,
                         rt_error *err);
rt_status rt__fill_int(const char *name, rt_tensor *t, int64_t v,
                       rt_error *err);

#endif

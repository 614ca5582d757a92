/* SPDX-License-Identifier: MIT
 * Helpers that infer steps of several families share.
 */
#ifndef RT_OPS_INFER_H
#define RT_OPS_INFER_H

#include "runtime/ops/op.h"

/* d itself when floating, else the default dtype. */
rt_dtype rt__float_type(rt_dtype d);
/* Refuses results of a category that t's dtype cannot hold. */
rt_status rt__check_cast(const rt__call *c, rt_dtype from, const rt_tensor *t);
/* Refuses other if it does not broadcast to self's very shape. */
rt_status rt__check_fits(const rt__call *c, const rt_tensor *self,
                         const rt_tensor *other);
/* Makes argument 0, checked writable, the result. */
rt_status rt__result_self(rt__call *c);
/* The broadcast shape of n tensors. */
rt_status rt__broadcast_all(const rt__call *c, rt_tensor *const *t, int n,
                            int *ndim, int64_t *shape);
/* New result 0 in the broadcast shape of arguments 0 and 1. */
rt_status rt__result_broadcast(rt__call *c, rt_dtype dtype);
/* New result 0 in t's shape, and its order of dimensions where dense. */
rt_status rt__result_like(rt__call *c, const rt_tensor *t, rt_dtype dtype);
rt_status rt__refuse_dtype(const rt__call *c, rt_dtype d, const char *expected);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Moving elements: copies between layouts and dtypes that record nothing, for
 * kernels that want plain dense memory, and the checks before a tensor is
 * written. A "dense" tensor is C-contiguous.
 */
#ifndef RT_OPS_CPU_MOVE_H
#define RT_OPS_CPU_MOVE_H

#include "runtime/ops/op.h"

/* dst[...] = src[...]; same dtype, src broadcasts to dst's shape. */
rt_status rt__move(rt_tensor *dst, rt_tensor *src, const char *name,
                   rt_error *err);
/* t itself (retained) when dense, else a dense copy. */
rt_status rt__dense(rt_tensor **out, rt_tensor *t, const char *name,
                    rt_error *err);
/* The same with a conversion to `dtype` where needed. */
rt_status rt__dense_as(rt_tensor **out, rt_tensor *t, rt_dtype dtype,
                       const char *name, rt_error *err);
/* The type to compute t's elements in: float64, or float32 for all others. */
rt_dtype rt__compute_dtype(const rt_tensor *t);
/* Memory of dtype `compute` to fill for a result: `result` itself (retained),
 * or a dense tensor of its shape that rt__finish_work converts into it. */
rt_status rt__begin_work(rt_tensor **out, rt_tensor *result, rt_dtype compute,
                         rt_error *err);
/* Converts where needed; releases `work` in every case. `s` is the status so
 * far, and is returned unless it is RT_OK. */
rt_status rt__finish_work(rt_status s, rt_tensor *work, rt_tensor *result,
                          const char *name, rt_error *err);
/* t broadcast to a shape (a view: strides 0); the caller knows that it fits. */
rt_status rt__broadcast_view(rt_tensor **out, rt_tensor *t, int ndim,
                             const int64_t *shape, rt_error *err);
/* A view with two dimensions swapped. */
rt_status rt__swapped_view(rt_tensor **out, rt_tensor *t, int a, int b,
                           rt_error *err);
/* Fails when t must not be written: read-only memory, or elements that share
 * memory (an expanded tensor). */
rt_status rt__check_writable(const rt_tensor *t, const char *name,
                             rt_error *err);
/* An integer tensor (uint8, int32, int64; bool is refused) as dense int64, a
 * new reference. `what` names the argument in the message. */
rt_status rt__index_dense(rt_tensor **out, rt_tensor *t, const char *what,
                          const char *name, rt_error *err);
/* Sets n elements of `size` bytes to the one at `pattern`, in parallel. */
rt_status rt__fill_pattern(void *dst, int64_t n, size_t size,
                           const void *pattern, const char *name,
                           rt_error *err);
/* dst[i] += src[i] over n elements, in dtype's arithmetic; bool: or. */
void rt__add_row(rt_dtype dtype, void *dst, const void *src, int64_t n);

/* Numbers of things in one message. */
rt_status rt__interrupted(const char *name, rt_error *err);
/* Product of shape[from..to). */
int64_t rt__product(const int64_t *shape, int from, int to);
/* Padding: where position i of a padded dimension (0 is the first element that
 * was there before) comes from among n elements; -1: it holds the constant.
 * `mode` is one of pad's. */
int64_t rt__pad_source(const char *mode, int64_t i, int64_t n);
/* Makes result 0 the list of n tensors (references taken over; on failure they
 * are released). */
rt_status rt__result_list(rt__call *c, rt_tensor **tensors, int64_t n);

#endif

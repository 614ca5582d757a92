/* SPDX-License-Identifier: MIT
 * Sorting of dense rows, for sort, topk, unique and median.
 */
#ifndef RT_OPS_CPU_SORT_H
#define RT_OPS_CPU_SORT_H

#include "runtime/ops/op.h"

/* Writes to indices[0..k) where the k first elements stand in the order of the
 * n elements at `data` (step elements apart): ascending, or descending; NaN is
 * larger than everything, equal elements keep their order. RT_E_MEMORY,
 * RT_E_INTERRUPT. */
rt_status rt__sort_row(int64_t *indices, int64_t k, const void *data,
                       rt_dtype dtype, int64_t n, int64_t step,
                       bool descending, rt_error *err);

#endif

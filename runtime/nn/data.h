/* SPDX-License-Identifier: MIT
 *
 * Data sets from inside: a class of functions over a context, and for the
 * built-in kinds a short way to a whole batch.
 */
#ifndef RT_NN_DATA_H
#define RT_NN_DATA_H

#include "runtime/ops/op.h"

struct rt_dataset {
    atomic_int refs;
    const rt_dataset_class *cls;
    void *ctx;
    rt_peer peer;
};

/* The samples at `indices` as one batch: fields[k] is [count, ...]. New
 * references; *n is the number of fields. */
rt_status rt__dataset_batch(rt_dataset *d, const int64_t *indices,
                            int64_t count, rt_tensor **fields, int *n,
                            rt_error *err);
/* Whether batches may be made on several threads at once. */
bool rt__dataset_threadable(const rt_dataset *d);

#endif

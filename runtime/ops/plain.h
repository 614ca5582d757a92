/* SPDX-License-Identifier: MIT
 *
 * The short way for small elementwise ops: operands that are contiguous, of one
 * floating dtype and one shape go straight to the loop. No defaults to fill, no
 * checks of shapes, no iterator. What a call does otherwise stands in op.h.
 */
#ifndef RT_OPS_PLAIN_H
#define RT_OPS_PLAIN_H

#include "runtime/ops/cpu/isa.h"
#include "runtime/ops/op.h"

#define RT_PLAIN_MOST 16384   /* elements: above, the work is worth sharing */

/* op(args...) if it can be done the short way: true, and *status and results[0]
 * tell how it went. */
bool rt__call_plain(const rt_op *op, const rt_value *args, int nargs,
                    rt_value *results, rt_error *err, rt_status *status);

/* t is contiguous, small and of a dtype that the short way knows. */
static inline bool rt__is_plain(const rt_tensor *t)
{
    return (t->flags & RT_F_CONTIGUOUS) && t->numel <= RT_PLAIN_MOST &&
           (t->dtype == RT_FLOAT32 || t->dtype == RT_FLOAT64);
}
/* a and b agree in dtype and shape. */
static inline bool rt__is_pair(const rt_tensor *a, const rt_tensor *b)
{
    if (a->dtype != b->dtype || a->ndim != b->ndim) {
        return false;
    }
    for (int i = 0; i < a->ndim; i++) {
        if (a->shape[i] != b->shape[i]) {
            return false;
        }
    }
    return true;
}
/* out = ew(a, b) for a plain pair; out may be one of them. */
static inline void rt__plain_run(rt__ew ew, rt_tensor *out, const rt_tensor *a,
                                 const rt_tensor *b)
{
    static const rt__params none;
    void *d[] = {out->data, a->data, b->data};
    RT_ISA_TABLE(elementwise)->fn[ew][a->dtype](d, out->numel, &none);
}

#endif

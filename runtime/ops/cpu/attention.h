/* SPDX-License-Identifier: MIT
 *
 * softmax(scale q k^T) v of float32 without gradients: some rows of scores at a
 * time, which never leave the second-level cache. Keys that no row of a block
 * may see are left out. Rows are cut by shape alone and sums run in one order:
 * the bits do not depend on the number of threads.
 */
#ifndef RT_OPS_CPU_ATTENTION_H
#define RT_OPS_CPU_ATTENTION_H

#include "runtime/core/tensor.h"

typedef struct rt__attention {
    const rt_tensor *q, *k, *v;   /* [.., L, E], [.., S, E], [.., S, Ev] */
    const rt_tensor *mask;        /* NULL, or float32 to be added, or bool: what
                                     is seen; broadcasts to [.., L, S] */
    bool causal;                  /* row i sees keys up to i */
    double scale;
} rt__attention;

/* Whether it applies, the shapes fitting each other. */
bool rt__attention_suits(const rt__attention *a);
/* Into `out`, dense, [.., L, Ev]. */
rt_status rt__attention_run(const rt__attention *a, rt_tensor *out,
                            const char *name, rt_error *err);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Kernels of pooling, per instruction set.
 */
#ifndef RT_OPS_CPU_POOLING_H
#define RT_OPS_CPU_POOLING_H

#include "runtime/ops/cpu/isa.h"

typedef struct rt__pooling_table {
    /* n windows of 2x2 side by side from two rows, `width` (below 2^30)
     * apart; `at` is the
     * first one's place in its plane. The first largest element wins, the last
     * NaN before all. */
    void (*pairs)(float *out, int64_t *where, const float *rows, int64_t width,
                  int64_t at, int64_t n);
} rt__pooling_table;
RT_ISA_FAMILY(rt__pooling_table, pooling);

#endif

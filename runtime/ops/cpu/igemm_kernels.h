/* SPDX-License-Identifier: MIT
 *
 * Matrix products of integers, modulo 2^32 and 2^64, per instruction set.
 */
#ifndef RT_OPS_CPU_IGEMM_KERNELS_H
#define RT_OPS_CPU_IGEMM_KERNELS_H

#include "runtime/ops/cpu/gemm.h"
#include "runtime/ops/cpu/isa.h"

typedef struct rt__igemm_table {
    /* One product on the calling thread; a and b may have any strides, c's
     * rows are dense. Stops early when interrupted. */
    void (*int32)(const rt__gemm *g);
    void (*int64)(const rt__gemm *g);
} rt__igemm_table;
RT_ISA_FAMILY(rt__igemm_table, igemm);

#endif

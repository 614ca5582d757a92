/* SPDX-License-Identifier: MIT
 * Own matrix product on packed panels, per instruction set: what machines
 * without OpenBLAS use.
 */
#ifndef RT_OPS_CPU_GEMM_KERNELS_H
#define RT_OPS_CPU_GEMM_KERNELS_H

#include "runtime/ops/cpu/gemm.h"
#include "runtime/ops/cpu/isa.h"

#define RT_GEMM_ROOM (5 << 18)     /* bytes */

typedef struct rt__gemm_table {
    /* One product on the calling thread; a and b may have any strides, c's
     * rows are dense. `room` holds RT_GEMM_ROOM bytes. float32, float64. */
    void (*packed[RT_DTYPE_COUNT])(const rt__gemm *g, void *room);
} rt__gemm_table;
RT_ISA_FAMILY(rt__gemm_table, gemm);

#endif

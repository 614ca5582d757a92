/* SPDX-License-Identifier: MIT
 * Own float64 product on packed panels, per instruction set: what machines
 * without OpenBLAS use.
 */
#ifndef RT_OPS_CPU_DGEMM_KERNELS_H
#define RT_OPS_CPU_DGEMM_KERNELS_H

#include "runtime/ops/cpu/gemm.h"
#include "runtime/ops/cpu/isa.h"

#define RT_DGEMM_ROOM (5 << 18)     /* bytes */

typedef struct rt__dgemm_table {
    /* One product on the calling thread; a and b may have any strides, c's
     * rows are dense. `room` holds RT_DGEMM_ROOM bytes. */
    void (*packed)(const rt__gemm *g, void *room);
} rt__dgemm_table;
RT_ISA_FAMILY(rt__dgemm_table, dgemm);

#endif

/* SPDX-License-Identifier: MIT
 * What the processor offers: instruction set, caches, usable cores. Read once.
 */
#ifndef RT_BASE_CPU_H
#define RT_BASE_CPU_H

#include <stdbool.h>
#include <stddef.h>

typedef enum rt__isa { RT_ISA_BASELINE, RT_ISA_AVX2, RT_ISA_AVX512,
                       RT_ISA_COUNT } rt__isa;

typedef struct rt__cpu {
    rt__isa isa;              /* best one; lowered by RT_ISA=baseline|avx2|avx512 */
    char vendor[16], name[64];
    int family, model;
    size_t l1d, l2, l3;       /* bytes; a usual value where unknown */
    int cores;                /* usable: affinity mask and cgroup quota */
} rt__cpu;

const rt__cpu *rt__cpu_info(void);
/* The instruction set in force: cpu isa, or baseline while SIMD is off. */
rt__isa rt__isa_now(void);

#endif

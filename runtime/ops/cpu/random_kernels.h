/* SPDX-License-Identifier: MIT
 * Inner loops of random numbers and of 2x2 pooling, per instruction set.
 */
#ifndef RT_OPS_CPU_RANDOM_KERNELS_H
#define RT_OPS_CPU_RANDOM_KERNELS_H

#include "runtime/ops/cpu/isa.h"

enum { RT_NORMAL_BLOCK = 16 };

typedef struct rt__random_table {
    /* data holds words; they become uniforms of [0, 1). */
    void (*uniforms)(float *data, int64_t n);
    /* data holds words; blocks of 16 become normal samples by Box and Muller
     * (1958), from uniforms: the first 8 give the radius, the last 8 the
     * angle. */
    void (*normals)(float *data, int64_t blocks, float mean, float std);
    /* out[i] = 1 where words 2i (high) and 2i + 1 make a 53-bit fraction below
     * p, else 0. */
    void (*hits)(float *out, const uint32_t *words, int64_t n, double p);
} rt__random_table;
RT_ISA_FAMILY(rt__random_table, random);

#endif

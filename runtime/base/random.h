/* SPDX-License-Identifier: MIT
 *
 * mt19937 as PyTorch's CPU generator runs it (Matsumoto and Nishimura 1998;
 * seeding as in NumPy's legacy RandomState). Draws are serial by definition;
 * callers hold the generator for one op at a time (rt__generator_lock).
 */
#ifndef RT_BASE_RANDOM_H
#define RT_BASE_RANDOM_H

#include "runtime/rustorch.h"

void rt__generator_lock(rt_generator *g);
void rt__generator_unlock(rt_generator *g);
uint32_t rt__random_u32(rt_generator *g);
uint64_t rt__random_u64(rt_generator *g);       /* high word first */
/* n words, in order (vectorised blocks). */
void rt__random_words(rt_generator *g, uint32_t *out, int64_t n);
/* The same before their last transformation, rt__random_temper, which any
 * thread may do on any part of them. */
void rt__random_untempered(rt_generator *g, uint32_t *out, int64_t n);
void rt__random_temper(uint32_t *words, int64_t n);
float rt__random_f24(rt_generator *g);          /* uniform [0,1), 24 bits */
double rt__random_f53(rt_generator *g);         /* uniform [0,1), 53 bits */
/* What rt__random_f53 makes of the next two words. */
static inline double rt__fraction53(uint32_t high, uint32_t low)
{
    uint64_t word = (uint64_t)high << 32 | low;
    return (double)(word & ((1ull << 53) - 1)) * 0x1p-53;
}
/* Scalar normal (pairs in float64, the second is kept). */
double rt__random_normal(rt_generator *g);
/* The generator an op uses: `v` when given, else the default one. */
rt_generator *rt__generator_of(const rt_value *v);

#endif

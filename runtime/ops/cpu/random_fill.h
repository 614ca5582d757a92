/* SPDX-License-Identifier: MIT
 *
 * Filling dense memory with random numbers as PyTorch's CPU kernels do: the
 * words are drawn in order, their transformation into samples is parallel.
 * Every function holds the generator for its whole run.
 */
#ifndef RT_OPS_CPU_RANDOM_FILL_H
#define RT_OPS_CPU_RANDOM_FILL_H

#include "runtime/base/random.h"
#include "runtime/core/tensor.h"

/* t is dense and of floating type. */
void rt__sample_uniform(rt_generator *g, rt_tensor *t, double from, double to);
/* 16 elements or more: blocks of 16 by Box and Muller (1958) on uniforms of the
 * type's own width; fewer: pairs in float64. */
void rt__sample_normal(rt_generator *g, rt_tensor *t, double mean, double std);
/* 1 with probability p (any dtype). */
void rt__sample_bernoulli(rt_generator *g, rt_tensor *t, double p);
/* 1 with the probability p[i]; p is dense, of floating type, of t's numel. */
void rt__sample_bernoulli_from(rt_generator *g, rt_tensor *t,
                             const rt_tensor *p);
/* Integers of [low, high), high > low. */
void rt__sample_integers(rt_generator *g, rt_tensor *t, int64_t low,
                       int64_t high);
/* Integers over the dtype's whole non-negative exact range. */
void rt__sample_integers_full(rt_generator *g, rt_tensor *t);
void rt__sample_exponential(rt_generator *g, rt_tensor *t, double lambda);
/* 0 .. n-1 in random order (Fisher and Yates). */
void rt__sample_permutation(rt_generator *g, int64_t *out, int64_t n);

#endif

/* SPDX-License-Identifier: MIT
 * Blocks of mt19937 and their tempered words; compiled per instruction
 * set.
 */
#include "runtime/base/mt19937.h"

#include "runtime/base/loops.h"

enum { N = RT_MT_WORDS, M = RT_MT_REACH };

static inline uint32_t twist(uint32_t u, uint32_t v)
{
    uint32_t y = (u & 0x80000000u) | (v & 0x7fffffffu);
    return (y >> 1) ^ (-(v & 1u) & 0x9908b0dfu);
}

static inline uint32_t tempered(uint32_t y)
{
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

/* The recurrence reaches 397 words ahead and 227 back, farther than any vector
 * is wide. */
static void refill(uint32_t *w, uint32_t *out)
{
    RT_VECTORISE
    for (int i = 0; i < N - M; i++) {
        w[i] = w[i + M] ^ twist(w[i], w[i + 1]);
    }
    RT_VECTORISE
    for (int i = N - M; i < N - 1; i++) {
        w[i] = w[i + M - N] ^ twist(w[i], w[i + 1]);
    }
    w[N - 1] = w[M - 1] ^ twist(w[N - 1], w[0]);
    RT_VECTORISE
    for (int i = 0; i < N; i++) {
        out[i] = tempered(w[i]);
    }
}

static void extend(uint32_t *x, int64_t n)
{
    RT_VECTORISE
    for (int64_t i = 0; i < n; i++) {
        x[i] = x[i + M - N] ^ twist(x[i - N], x[i - N + 1]);
    }
}

static void temper(uint32_t *words, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        words[i] = tempered(words[i]);
    }
}

const rt__mt19937_table RT_ISA_NAME(mt19937) = {refill, extend, temper};

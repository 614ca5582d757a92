/* SPDX-License-Identifier: MIT
 * A square of floats, as many vectors as a vector has lanes, transposed in
 * registers.
 */
#ifndef RT_OPS_CPU_SQUARE_H
#define RT_OPS_CPU_SQUARE_H

#include "runtime/ops/cpu/wide.h"

/* Lane l of the lower and the upper vector after exchanging blocks of d. */
#define SQUARE_LOW(l, d) ((l) & (d) ? WIDE + (l) - (d) : (l))
#define SQUARE_HIGH(l, d) ((l) & (d) ? WIDE + (l) : (l) + (d))
#define SQUARE_FOUR(f, l, d)                                                   \
    f(l, d), f((l) + 1, d), f((l) + 2, d), f((l) + 3, d)
#if defined(__AVX512F__)
#define SQUARE_LANES(f, d)                                                     \
    SQUARE_FOUR(f, 0, d), SQUARE_FOUR(f, 4, d), SQUARE_FOUR(f, 8, d),          \
        SQUARE_FOUR(f, 12, d)
#elif defined(__AVX2__)
#define SQUARE_LANES(f, d) SQUARE_FOUR(f, 0, d), SQUARE_FOUR(f, 4, d)
#else
#define SQUARE_LANES(f, d) SQUARE_FOUR(f, 0, d)
#endif

/* Compilers spell it differently. */
#if defined(__clang__)
#define SQUARE_PICK(x, y, f, d)                                                \
    __builtin_shufflevector(x, y, SQUARE_LANES(f, d))
#else
#define SQUARE_PICK(x, y, f, d)                                                \
    __builtin_shuffle(x, y, (square_pick){SQUARE_LANES(f, d)})
typedef int32_t square_pick __attribute__((vector_size(WIDE * 4)));
#endif

#define SQUARE_EXCHANGE(d)                                                     \
    _Pragma("GCC unroll 16") for (int i = 0; i < WIDE; i++)                    \
    {                                                                          \
        if (!(i & (d))) {                                                      \
            wide x = r[i], y = r[i + (d)];                                     \
            r[i] = SQUARE_PICK(x, y, SQUARE_LOW, d);                           \
            r[i + (d)] = SQUARE_PICK(x, y, SQUARE_HIGH, d);                    \
        }                                                                      \
    }

/* r becomes its transpose: blocks of 1, 2, 4 ... change places. */
V_INLINE void w_transpose(wide r[WIDE])
{
    SQUARE_EXCHANGE(1)
    SQUARE_EXCHANGE(2)
#if defined(__AVX2__)
    SQUARE_EXCHANGE(4)
#endif
#if defined(__AVX512F__)
    SQUARE_EXCHANGE(8)
#endif
}

#endif

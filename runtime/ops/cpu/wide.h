/* SPDX-License-Identifier: MIT
 *
 * Explicit vectors of floats, as wide as the instruction set has them, for the
 * loops where the compiler's own vectors are not enough: accumulators that
 * stay in registers, masked ends, and exponentials that scale in one step.
 *
 * Sums run in WIDE_LANES lanes whatever the width and are joined by halving,
 * so that every instruction set and any number of threads adds in one order.
 */
#ifndef RT_OPS_CPU_WIDE_H
#define RT_OPS_CPU_WIDE_H

#include "runtime/ops/cpu/vec.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define WIDE_LANES 64
#if defined(__AVX512F__)
#define WIDE 16
#elif defined(__AVX2__)
#define WIDE 8
#else
#define WIDE 4
#endif
#define WIDE_PARTS (WIDE_LANES / WIDE)
/* Over the vectors of WIDE_LANES lanes; always unrolled into registers. */
#define EACH_PART _Pragma("GCC unroll 16") for (int j = 0; j < WIDE_PARTS; j++)

typedef float wide __attribute__((vector_size(4 * WIDE)));
typedef int32_t wide_int __attribute__((vector_size(4 * WIDE)));
typedef float wide_loose __attribute__((vector_size(4 * WIDE), aligned(4),
                                        may_alias));

V_INLINE wide w_all(float v)
{
    return (wide){0} + v;
}

V_INLINE wide w_load(const float *p)
{
    return *(const wide_loose *)p;
}

V_INLINE void w_store(float *p, wide v)
{
    *(wide_loose *)p = v;
}

V_INLINE wide w_select(wide_int mask, wide a, wide b)
{
    return (wide)((mask & (wide_int)a) | (~mask & (wide_int)b));
}

V_INLINE wide w_abs(wide x)
{
    return (wide)((wide_int)x & 0x7fffffff);
}

/* a * b + c, in one step where the machine has it. */
V_INLINE wide w_fma(wide a, wide b, wide c)
{
#if defined(__AVX512F__)
    return (wide)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
    return (wide)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}

/* The same with constants for b and c: a step of Horner's rule, or for c
 * alone. */
V_INLINE wide w_step(wide a, wide b, float c)
{
    return w_fma(a, b, w_all(c));
}

/* a > b ? a : b, b when either is NaN. */
V_INLINE wide w_max(wide a, wide b)
{
#if defined(__AVX512F__)
    return (wide)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (wide)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return w_select(a > b, a, b);
#endif
}

V_INLINE wide w_min(wide a, wide b)
{
#if defined(__AVX512F__)
    return (wide)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (wide)_mm256_min_ps((__m256)a, (__m256)b);
#else
    return w_select(a < b, a, b);
#endif
}

/* What a comparison finds, lane by lane; masks of one kind may be joined by |. */
#if defined(__AVX512F__)
typedef unsigned w_mask;
#else
typedef wide_int w_mask;
#endif

V_INLINE w_mask w_equal(wide a, wide b)
{
#if defined(__AVX512F__)
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_EQ_OQ);
#else
    return a == b;
#endif
}

V_INLINE w_mask w_either_nan(wide a, wide b)
{
#if defined(__AVX512F__)
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_UNORD_Q);
#elif defined(__AVX2__)
    return (w_mask)_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_UNORD_Q);
#else
    return (a != a) | (b != b);
#endif
}

V_INLINE int w_any(w_mask m)
{
#if defined(__AVX512F__)
    return m != 0;
#elif defined(__AVX2__)
    return _mm256_movemask_ps((__m256)m) != 0;
#else
    return (m[0] | m[1] | m[2] | m[3]) != 0;
#endif
}

/* --- the last elements of a row ---------------------------------------------- */

/* The first n elements (n may be negative or large), then `fill`. */
V_INLINE wide w_load_part(const float *p, int64_t n, float fill)
{
    if (n >= WIDE) {
        return w_load(p);
    }
#if defined(__AVX512F__)
    __mmask16 m = n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
    return (wide)_mm512_mask_loadu_ps(_mm512_set1_ps(fill), m, p);
#else
    wide v = w_all(fill);
    for (int i = 0; i < n; i++) {
        v[i] = p[i];
    }
    return v;
#endif
}

V_INLINE void w_store_part(float *p, int64_t n, wide v)
{
    if (n >= WIDE) {
        w_store(p, v);
        return;
    }
#if defined(__AVX512F__)
    __mmask16 m = n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
    _mm512_mask_storeu_ps(p, m, (__m512)v);
#else
    for (int i = 0; i < n; i++) {
        p[i] = v[i];
    }
#endif
}

/* --- joining lanes ------------------------------------------------------------ */

/* Halves the lanes until one is left. */
#define WIDE_JOIN(id, JOIN_PARTS, JOIN_ONE)                                    \
    V_INLINE float id(const wide *parts)                                       \
    {                                                                          \
        wide p[WIDE_PARTS];                                                    \
        float lane[WIDE];                                                      \
        EACH_PART { p[j] = parts[j]; }                                         \
        _Pragma("GCC unroll 4")                                                \
        for (int half = WIDE_PARTS / 2; half > 0; half /= 2) {                 \
            _Pragma("GCC unroll 8")                                            \
            for (int j = 0; j < half; j++) {                                   \
                p[j] = JOIN_PARTS(p[j], p[j + half]);                          \
            }                                                                  \
        }                                                                      \
        w_store(lane, p[0]);                                                   \
        for (int half = WIDE / 2; half > 0; half /= 2) {                       \
            for (int j = 0; j < half; j++) {                                   \
                lane[j] = JOIN_ONE(lane[j], lane[j + half]);                   \
            }                                                                  \
        }                                                                      \
        return lane[0];                                                        \
    }
#define W_ADD(a, b) ((a) + (b))
#define W_LARGER(a, b) ((a) > (b) ? (a) : (b))
#define W_SMALLER(a, b) ((a) < (b) ? (a) : (b))
WIDE_JOIN(w_join_sum, W_ADD, W_ADD)
WIDE_JOIN(w_join_max, w_max, W_LARGER)
WIDE_JOIN(w_join_min, w_min, W_SMALLER)

#if defined(__AVX512F__)
/* The lanes added in float64. */
V_INLINE double w_sum64(wide p)
{
    __m512 v = (__m512)p;
    __m512d d = _mm512_cvtps_pd(_mm512_castps512_ps256(v)) +
                _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
    __m256d h = _mm512_castpd512_pd256(d) + _mm512_extractf64x4_pd(d, 1);
    __m128d q = _mm256_castpd256_pd128(h) + _mm256_extractf128_pd(h, 1);
    return q[0] + q[1];
}
#endif

/* The lanes added: down to 16 of them as they are, those in float64. */
V_INLINE double w_join_wide(const wide *parts)
{
    wide p[WIDE_PARTS];
    EACH_PART { p[j] = parts[j]; }
    _Pragma("GCC unroll 4")
    for (int half = WIDE_PARTS / 2; half * WIDE >= 16; half /= 2) {
        _Pragma("GCC unroll 8")
        for (int j = 0; j < half; j++) {
            p[j] += p[j + half];
        }
    }
#if defined(__AVX512F__)
    return w_sum64(p[0]);
#else
    float lane[16];
    double sum[8];
    _Pragma("GCC unroll 4")
    for (int j = 0; j < 16 / WIDE; j++) {
        w_store(lane + j * WIDE, p[j]);
    }
    for (int k = 0; k < 8; k++) {
        sum[k] = (double)lane[k] + (double)lane[k + 8];
    }
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) +
           ((sum[1] + sum[5]) + (sum[3] + sum[7]));
#endif
}

#endif

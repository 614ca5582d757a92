/* SPDX-License-Identifier: MIT
 *
 * Exponentials and what is made of them, on explicit vectors. Bounds are
 * against the exact value, held by tests/unit/test_elementwise.c.
 */
#ifndef RT_OPS_CPU_WIDE_MATH_H
#define RT_OPS_CPU_WIDE_MATH_H

#include "runtime/ops/cpu/wide.h"

/* --- exponentials -------------------------------------------------------------- */

/* p * 2^n for a whole n in [-252, 254]. */
V_INLINE wide w_scale(wide p, wide n)
{
#if defined(__AVX512F__)
    return (wide)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
    wide_int i = __builtin_convertvector(n, wide_int), half = i >> 1;
    return p * (wide)((half + 127) << 23) * (wide)((i - half + 127) << 23);
#endif
}

/* x = n * ln(2) + r. */
V_INLINE wide w_reduce_ln2(wide x, wide *n)
{
#if defined(__AVX512F__)
    *n = (wide)_mm512_roundscale_ps((__m512)(x * 0x1.715476p0f),
                                    _MM_FROUND_TO_NEAREST_INT |
                                        _MM_FROUND_NO_EXC);
#else
    *n = (x * 0x1.715476p0f + 0x1.8p23f) - 0x1.8p23f;
#endif
    wide r = w_fma(*n, w_all(-0x1.62e4p-1f), x);
    return w_fma(*n, w_all(-0x1.7f7d1cp-20f), r);
}

/* exp(r) - 1 for |r| <= ln(2)/2, with a relative error of 1e-8. */
V_INLINE wide w_expm1_small(wide r)
{
    wide q = w_step(r, w_all(1.3950536e-3f), 8.368888e-3f);
    q = w_step(q, r, 4.1666206e-2f);
    q = w_step(q, r, 1.6666518e-1f);
    q = w_step(q, r, 0.5f);
    return w_fma(r * r, q, r);
}

#if defined(__AVX512F__)
/* 2^(i/16) */
static const float w_roots[16] __attribute__((aligned(64))) = {
    1.0f,         1.04427378f, 1.09050773f, 1.13878863f,
    1.18920712f,  1.24185781f, 1.29683955f, 1.35425555f,
    1.41421356f,  1.47682615f, 1.54221083f, 1.61049033f,
    1.68179283f,  1.75625216f, 1.83400809f, 1.91520656f};

/* exp(x) for x in [-104, 89]: 2^n * 2^(k/16) * exp(r) with |r| <= ln(2)/32,
 * 2^(k/16) picked from a register by the low bits of the rounded quotient. */
V_INLINE wide w_exp_within(wide x)
{
    const wide magic = w_all(0x1.8p19f);
    wide k = w_fma(x, w_all(0x1.715476p0f), magic), n = k - magic;
    wide r = w_fma(n, w_all(-0x1.62e4p-1f), x);
    r = w_fma(n, w_all(-0x1.7f7d1cp-20f), r);
    wide root = (wide)_mm512_permutexvar_ps((__m512i)k,
                                            _mm512_load_ps(w_roots));
    wide p = w_fma(r * r, w_step(r, w_all(1.f / 6), 0.5f), r);
    /* The scaling takes the whole part of n. */
    return w_scale(w_fma(root, p, root), n);
}

/* The same of 2^x: the rest of x after sixteenths is exact. */
V_INLINE wide w_exp2_within(wide x)
{
    wide k = x + 0x1.8p19f, n = k - 0x1.8p19f;
    wide r = (x - n) * 0x1.62e43p-1f;
    wide root = (wide)_mm512_permutexvar_ps((__m512i)k,
                                            _mm512_load_ps(w_roots));
    wide p = w_fma(r * r, w_step(r, w_all(1.f / 6), 0.5f), r);
    return w_scale(w_fma(root, p, root), n);
}
#else
V_INLINE wide w_exp_within(wide x)
{
    wide n, r = w_reduce_ln2(x, &n);
    return w_scale(w_expm1_small(r) + 1, n);
}

V_INLINE wide w_exp2_within(wide x)
{
    wide n = (x + 0x1.8p23f) - 0x1.8p23f;
    return w_scale(w_expm1_small((x - n) * 0x1.62e43p-1f) + 1, n);
}
#endif

/* 1 ulp; overflows to inf, underflows gradually; NaN stays NaN. */
V_INLINE wide w_exp(wide x)
{
    return w_exp_within(w_max(w_all(-104), w_min(w_all(89), x)));
}

/* 1.5 ulp; as w_exp. */
V_INLINE wide w_exp2(wide x)
{
    return w_exp2_within(w_max(w_all(-152), w_min(w_all(129), x)));
}

#if defined(__AVX512F__)
/* The bits of 2^(i/16 - 24), less i << 19: i + 16 k, shifted so,
 * adds k to the exponent. */
static const int32_t w_root_bits[16] __attribute__((aligned(64))) = {
    0x33800000, 0x337daac3, 0x337b95c2, 0x3379c3d3, 0x337837f0, 0x3376f532,
    0x3375fed7, 0x3375583f, 0x337504f3, 0x337508a4, 0x3375672a, 0x3376248c,
    0x337744fd, 0x3378ccdf, 0x337ac0c7, 0x337d257d};

/* exp(-x) / 2^24 + one for x in [-104, 69]: as w_exp_within, with
 * multiplications saved, for they set the pace. n counts in 2^-28, which is
 * twice what ln(2) as a float has too much: r * r + n takes that back. */
V_INLINE wide w_exp_of_minus(wide x, wide one)
{
    const __m512 magic = _mm512_set1_ps(0x1.8p-9f), v = (__m512)x;
    __m512 k = _mm512_fnmadd_ps(v, _mm512_set1_ps(0x1.715476p-28f), magic);
    __m512 n = k - magic;
    __m512 r = _mm512_fmadd_ps(n, _mm512_set1_ps(0x1.62e43p27f), v);
    __m512i bits = _mm512_permutexvar_epi32((__m512i)k,
                                            _mm512_load_si512(w_root_bits));
    __m512 root = (__m512)_mm512_add_epi32(bits,
                                           _mm512_slli_epi32((__m512i)k, 19));
    __m512 q = _mm512_fnmadd_ps(r, _mm512_set1_ps(1.f / 6),
                                _mm512_set1_ps(0.5000162f));
    __m512 p = _mm512_fmsub_ps(_mm512_fmadd_ps(r, r, n), q, r);
    return (wide)_mm512_fmadd_ps(root, p, root + (__m512)one);
}

/* 2.7 ulp. Both parts of the quotient are 2^-24 of what they stand for, so that
 * results underflow gradually. */
V_INLINE wide w_sigmoid(wide x)
{
    const wide one = w_all(0x1p-24f);
    x = w_max(w_all(-104), w_min(w_all(69), x));
    return one / w_exp_of_minus(x, one);
}
#else
V_INLINE wide w_sigmoid(wide x)
{
    return 1 / (1 + w_exp(-x));
}
#endif

V_INLINE wide w_silu(wide x)
{
    return x / (1 + w_exp(-x));
}

/* x * (1 + tanh(u)) / 2 is x * sigmoid(2 u). */
V_INLINE wide w_gelu_tanh(wide x)
{
    wide z = x * x;
    wide u = x * w_step(z, w_all(-2 * 0.79788456f * 0.044715f),
                        -2 * 0.79788456f);
    return x / (1 + w_exp(u));
}

/* 2 ulp: exp(2 |x|) - 1 over itself and 2. */
V_INLINE wide w_tanh(wide x)
{
    wide n, t = w_min(w_all(10), w_abs(x));
    wide p = w_expm1_small(w_reduce_ln2(t + t, &n));
    wide s = w_scale(w_all(1), n);
    wide e = w_fma(s, p, s - 1);
    wide y = e / (e + 2);
    return (wide)((wide_int)y | ((wide_int)x & (int32_t)0x80000000u));
}

/* 2 ulp: v_erf's polynomials, one below 1 and one for log(erfc). */
V_INLINE wide w_erf(wide x)
{
    wide a = w_abs(x), z = x * x, b = w_min(w_all(4), a);
    wide p = w_step(z, w_all(-9.67317828e-06f), 0.00011268119852f);
    p = w_step(p, z, -0.00084843795048f);
    p = w_step(p, z, 0.00522105256096f);
    p = w_step(p, z, -0.02686543762684f);
    p = w_step(p, z, 0.11283782869577f);
    p = w_step(p, z, -0.37612637877464f);
    p = w_step(p, z, 0.12837916709551f);
    wide l = w_step(b, w_all(-2.0160099666e-05f), 0.00042231287808f);
    l = w_step(l, b, -0.00410543568432f);
    l = w_step(l, b, 0.02492814697325f);
    l = w_step(l, b, -0.10795473307371f);
    l = w_step(l, b, -0.63367033004761f);
    l = w_step(l, b, -1.12934076786041f);
    l = w_step(l, b, 0.00013541022782f);
    wide n, r = w_expm1_small(w_reduce_ln2(l, &n));
    wide large = 1 - w_scale(r + 1, n);
    wide_int sign = (wide_int)x & (int32_t)0x80000000u;
    return w_select(a < 1, w_fma(x, p, x), (wide)((wide_int)large | sign));
}

#endif

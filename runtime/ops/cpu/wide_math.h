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
    wide r = *n * -0x1.62e4p-1f + x;
    return *n * -0x1.7f7d1cp-20f + r;
}

/* exp(r) - 1 for |r| <= ln(2)/2, with a relative error of 1e-8. */
V_INLINE wide w_expm1_small(wide r)
{
    wide q = r * 1.3950536e-3f + 8.368888e-3f;
    q = q * r + 4.1666206e-2f;
    q = q * r + 1.6666518e-1f;
    q = q * r + 0.5f;
    return r * r * q + r;
}

/* 1 ulp; overflows to inf, underflows gradually; NaN stays NaN. */
V_INLINE wide w_exp(wide x)
{
    wide n, t = w_max(w_all(-104), w_min(w_all(89), x));
    wide p = w_expm1_small(w_reduce_ln2(t, &n));
    return w_scale(p + 1, n);
}

V_INLINE wide w_sigmoid(wide x)
{
    return 1 / (1 + w_exp(-x));
}

V_INLINE wide w_silu(wide x)
{
    return x / (1 + w_exp(-x));
}

/* x * (1 + tanh(u)) / 2 is x * sigmoid(2 u). */
V_INLINE wide w_gelu_tanh(wide x)
{
    wide z = x * x;
    wide u = x * (z * (-2 * 0.79788456f * 0.044715f) - 2 * 0.79788456f);
    return x / (1 + w_exp(u));
}

/* 2 ulp: exp(2 |x|) - 1 over itself and 2. */
V_INLINE wide w_tanh(wide x)
{
    wide n, t = w_min(w_all(10), w_abs(x));
    wide p = w_expm1_small(w_reduce_ln2(t + t, &n));
    wide s = w_scale(w_all(1), n);
    wide e = s * p + (s - 1);
    wide y = e / (e + 2);
    return (wide)((wide_int)y | ((wide_int)x & (int32_t)0x80000000u));
}

/* 2 ulp: v_erf's polynomials, one below 1 and one for log(erfc). */
V_INLINE wide w_erf(wide x)
{
    wide a = w_abs(x), z = x * x, b = w_min(w_all(4), a);
    wide p = z * -9.67317828e-06f + 0.00011268119852f;
    p = p * z - 0.00084843795048f;
    p = p * z + 0.00522105256096f;
    p = p * z - 0.02686543762684f;
    p = p * z + 0.11283782869577f;
    p = p * z - 0.37612637877464f;
    p = p * z + 0.12837916709551f;
    wide l = b * -2.0160099666e-05f + 0.00042231287808f;
    l = l * b - 0.00410543568432f;
    l = l * b + 0.02492814697325f;
    l = l * b - 0.10795473307371f;
    l = l * b - 0.63367033004761f;
    l = l * b - 1.12934076786041f;
    l = l * b + 0.00013541022782f;
    wide n, r = w_expm1_small(w_reduce_ln2(l, &n));
    wide large = 1 - w_scale(r + 1, n);
    wide_int sign = (wide_int)x & (int32_t)0x80000000u;
    return w_select(a < 1, x * p + x, (wide)((wide_int)large | sign));
}

V_INLINE wide w_gelu(wide x)
{
    return 0.5f * x * (1 + w_erf(x * 0.70710678f));
}

#endif

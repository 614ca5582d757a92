/* SPDX-License-Identifier: MIT
 *
 * Vector mathematics, written once: functions of one float without branches or
 * calls, so that the compiler turns a loop over them into the widest vectors
 * of the instruction set a file is compiled for. Bounds are against the exact
 * value, found by tests/unit/test_elementwise.c; float64 goes to libm.
 *
 * FMA(a, b, c) is a * b + c: fused where the machine does it in one step.
 */
#ifndef RT_OPS_CPU_VEC_H
#define RT_OPS_CPU_VEC_H

#include "runtime/base/loops.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __FMA__
#define FMA(a, b, c) __builtin_fmaf(a, b, c)
#else
#define FMA(a, b, c) ((a) * (b) + (c))
#endif

#define V_INLINE static inline __attribute__((always_inline, unused))

V_INLINE float v_float(uint32_t bits)
{
    union { uint32_t u; float f; } v = {.u = bits};
    return v.f;
}

V_INLINE uint32_t v_bits(float f)
{
    union { float f; uint32_t u; } v = {.f = f};
    return v.u;
}

/* To the nearest integer, halves to even, for |x| < 2^22. */
V_INLINE float v_nearest(float x)
{
    const float magic = 0x1.8p23f;
    return (x + magic) - magic;
}

/* The same of its result as an integer; of a NaN any, where a cast would be
 * undefined. */
V_INLINE int32_t v_whole(float n)
{
    const float magic = 0x1.8p23f;
    return (int32_t)(v_bits(n + magic) - v_bits(magic));
}

V_INLINE float v_abs(float x)
{
    return v_float(v_bits(x) & 0x7fffffffu);
}

V_INLINE float v_sign_of(float value, float sign)
{
    return v_float((v_bits(value) & 0x7fffffffu) |
                   (v_bits(sign) & 0x80000000u));
}

/* p * 2^n for n in [-252, 254], in two exact steps. */
V_INLINE float v_scale(float p, int32_t n)
{
    uint32_t half = (uint32_t)(n >> 1);
    return p * v_float((half + 127u) << 23) *
           v_float(((uint32_t)n - half + 127u) << 23);
}

/* exp(r) - 1 for |r| <= ln(2)/2. */
V_INLINE float v_expm1_small(float r)
{
    float q = FMA(r, 1.f / 5040, 1.f / 720);
    q = FMA(r, q, 1.f / 120);
    q = FMA(r, q, 1.f / 24);
    q = FMA(r, q, 1.f / 6);
    q = FMA(r, q, 0.5f);
    return FMA(r * r, q, r);
}

/* x = n * ln(2) + r, |r| <= ln(2)/2. */
V_INLINE float v_reduce_ln2(float x, float *n)
{
    *n = v_nearest(x * 0x1.715476p0f);
    float r = FMA(*n, -0x1.62e4p-1f, x);
    return FMA(*n, -0x1.7f7d1cp-20f, r);
}

/* 1 ulp; overflows to inf, underflows gradually. */
V_INLINE float v_exp(float x)
{
    float n, t = x > 89 ? 89 : x;
    t = t < -104 ? -104 : t;
    float r = v_reduce_ln2(t, &n);
    return v_scale(1 + v_expm1_small(r), v_whole(n));
}

/* 2 ulp, also near 0. */
V_INLINE float v_expm1(float x)
{
    float n, t = x > 89 ? 89 : x;
    t = t < -20 ? -20 : t;
    float r = v_reduce_ln2(t, &n), p = v_expm1_small(r);
    /* 2^n in two steps, so that n = 128 does not overflow on the way. */
    float half = v_float(((uint32_t)v_whole(n) + 126u) << 23);
    float y = 2 * FMA(half, p, half - 0.5f);
    return v_abs(x) < 0x1p-24f ? x : y;
}

/* Splits positive x into m * 2^e with m in [sqrt(1/2), sqrt(2)). */
V_INLINE float v_split(float x, float *e)
{
    float tiny = x < 0x1p-126f ? 0x1p23f : 1.f;
    uint32_t u = v_bits(x * tiny) + (0x3f800000u - 0x3f3504f3u);
    *e = (float)((int32_t)(u >> 23) - 127) - (tiny > 1 ? 23.f : 0.f);
    return v_float((u & 0x7fffffu) + 0x3f3504f3u);
}

/* log(1 + f) - f for 1 + f in [sqrt(1/2), sqrt(2)): with s = f / (2 + f),
 * log(1 + f) = 2 atanh(s), arranged so that f itself enters exactly. */
V_INLINE float v_log_rest(float f)
{
    float s = f / (2 + f), z = s * s;
    float q = FMA(z, 2.f / 9, 2.f / 7);
    q = FMA(z, q, 2.f / 5);
    q = FMA(z, q, 2.f / 3);
    float h = 0.5f * f * f;
    return s * (h + z * q) - h;
}

/* The values of a logarithm outside (0, inf). */
V_INLINE float v_log_edges(float x, float y)
{
    y = x == INFINITY ? INFINITY : y;
    y = x == 0 ? -INFINITY : y;
    y = x < 0 ? NAN : y;
    return x != x ? x : y;
}

/* 1 ulp. */
V_INLINE float v_log(float x)
{
    float e, m = v_split(x, &e), f = m - 1;
    float low = FMA(e, 0x1.7f7d1cp-20f, v_log_rest(f));
    return v_log_edges(x, FMA(e, 0x1.62e4p-1f, f + low));
}

/* 2 ulp. */
V_INLINE float v_log2(float x)
{
    float e, m = v_split(x, &e), f = m - 1;
    float rest = v_log_rest(f), high = v_float(v_bits(f) & 0xfffff000u);
    float low = (f - high) + rest;
    /* 1/ln(2) in two parts, the first short enough for an exact product. */
    float y = FMA(low, 0x1.715476p0f, high * -0x1.7135a8p-13f);
    y = FMA(high, 0x1.716p0f, y);
    return v_log_edges(x, e + y);
}

/* 2 ulp. */
V_INLINE float v_log10(float x)
{
    float e, m = v_split(x, &e), f = m - 1;
    float rest = v_log_rest(f);
    float y = FMA(f + rest, 0x1.bcb7b2p-2f, e * 0x1.3509f8p-18f);
    return v_log_edges(x, FMA(e, 0x1.344p-2f, y));
}

/* 2 ulp: the rounding of 1 + x is given back. */
V_INLINE float v_log1p(float x)
{
    float u = 1 + x;
    float lost = x - (u - 1);
    float y = v_log(u);
    float fixed = y + lost / u;
    y = v_abs(x) < 0x1p30f && u > 0 ? fixed : y;
    return v_abs(x) < 0x1p-24f ? x : y;
}

/* 2 ulp. */
V_INLINE float v_sigmoid(float x)
{
    return 1 / (1 + v_exp(-x));
}

/* 2 ulp. */
V_INLINE float v_tanh(float x)
{
    float a = v_abs(x);
    float t = v_expm1(2 * (a > 10 ? 10 : a));
    return v_sign_of(t / (t + 2), x);
}

/* log(erfc(a)) for a in [1, 4]. */
V_INLINE float v_log_erfc(float a)
{
    float p = FMA(a, -2.0160099666e-05f, 0.00042231287808f);
    p = FMA(a, p, -0.00410543568432f);
    p = FMA(a, p, 0.02492814697325f);
    p = FMA(a, p, -0.10795473307371f);
    p = FMA(a, p, -0.63367033004761f);
    p = FMA(a, p, -1.12934076786041f);
    return FMA(a, p, 0.00013541022782f);
}

/* 2 ulp. */
V_INLINE float v_erf(float x)
{
    float a = v_abs(x), z = x * x;
    float p = FMA(z, -9.67317828e-06f, 0.00011268119852f);
    p = FMA(z, p, -0.00084843795048f);
    p = FMA(z, p, 0.00522105256096f);
    p = FMA(z, p, -0.02686543762684f);
    p = FMA(z, p, 0.11283782869577f);
    p = FMA(z, p, -0.37612637877464f);
    p = FMA(z, p, 0.12837916709551f);     /* 2/sqrt(pi) - 1 */
    float small = FMA(x, p, x);
    float b = a > 4 ? 4 : a;
    float large = v_sign_of(1 - v_exp(v_log_erfc(b)), x);
    return a < 1 ? small : x != x ? x : large;
}

#endif

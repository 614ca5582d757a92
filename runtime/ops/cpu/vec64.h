/* SPDX-License-Identifier: MIT
 *
 * Vector mathematics in float64, as vec.h has it for float: the exponential,
 * whole numbers, and what float32 needs more than its own bits for.
 */
#ifndef RT_OPS_CPU_VEC64_H
#define RT_OPS_CPU_VEC64_H

#include "runtime/ops/cpu/vec.h"

#ifdef __FMA__
#define FMA64(a, b, c) __builtin_fma(a, b, c)
#else
#define FMA64(a, b, c) ((a) * (b) + (c))
#endif

/* Added to a number below 2^51, this rounds it and leaves it in the low bits. */
#define V_MAGIC64 0x1.8p52

V_INLINE double v_double(uint64_t bits)
{
    union { uint64_t u; double d; } v = {.u = bits};
    return v.d;
}

V_INLINE uint64_t v_bits64(double d)
{
    union { double d; uint64_t u; } v = {.d = d};
    return v.u;
}

V_INLINE double v_nearest64(double x)
{
    return (x + V_MAGIC64) - V_MAGIC64;
}

V_INLINE double v_floor64(double x)
{
    double n = v_nearest64(x);
    return n > x ? n - 1 : n;
}

/* Integers below 2^51 and back. */
V_INLINE double v_from_whole(int64_t i)
{
    return v_double((uint64_t)i + v_bits64(V_MAGIC64)) - V_MAGIC64;
}

V_INLINE int64_t v_to_whole(double n)
{
    return (int64_t)(v_bits64(n + V_MAGIC64) - v_bits64(V_MAGIC64));
}

/* 2^n for a whole n in [-1022, 1023]. */
V_INLINE double v_power64(double n)
{
    return v_double(v_bits64(n + (V_MAGIC64 + 1023)) << 52);
}

/* x = n * ln(2) + r, |r| <= ln(2)/2. */
V_INLINE double v_reduce_ln2_64(double x, double *n)
{
    *n = v_nearest64(x * 0x1.71547652b82fep0);
    double r = FMA64(*n, -0x1.62e42fefa0000p-1, x);
    return FMA64(*n, -0x1.cf79abc9e3b3ap-40, r);
}

/* exp(r) - 1 for |r| <= ln(2)/2. */
V_INLINE double v_expm1_small64(double r)
{
    double q = FMA64(r, 1. / 6227020800, 1. / 479001600);
    q = FMA64(r, q, 1. / 39916800);
    q = FMA64(r, q, 1. / 3628800);
    q = FMA64(r, q, 1. / 362880);
    q = FMA64(r, q, 1. / 40320);
    q = FMA64(r, q, 1. / 5040);
    q = FMA64(r, q, 1. / 720);
    q = FMA64(r, q, 1. / 120);
    q = FMA64(r, q, 1. / 24);
    q = FMA64(r, q, 1. / 6);
    q = FMA64(r, q, 0.5);
    return FMA64(r * r, q, r);
}

/* 1 ulp; overflows to inf, underflows gradually; NaN stays NaN. */
V_INLINE double v_exp64(double x)
{
    double t = x > 710 ? 710 : x;
    t = t < -746 ? -746 : t;
    double n, r = v_reduce_ln2_64(t, &n);
    double p = 1 + v_expm1_small64(r);
    /* In two steps: 2^1024 and 2^-1074 are no factors by themselves. */
    double half = v_nearest64(0.5 * n);
    return p * v_power64(half) * v_power64(n - half);
}

/* 2.5 ulp: exp(2 |x|) - 1 over itself and 2. */
V_INLINE double v_tanh64(double x)
{
    double a = v_double(v_bits64(x) & INT64_MAX), t = a > 20 ? 20 : a;
    double n, p = v_expm1_small64(v_reduce_ln2_64(t + t, &n));
    double s = v_power64(n), e = FMA64(s, p, s - 1);
    uint64_t sign = v_bits64(x) & ~(uint64_t)INT64_MAX;
    return v_double(v_bits64(e / (e + 2)) | sign);
}

/* 1 ulp. As v_log: with s = f / (2 + f), log(1 + f) is 2 atanh(s), whose series
 * behind 2 s was fitted by Remez' exchange, of degree 14; 1.3e-18. */
V_INLINE double v_log64(double x)
{
    double tiny = x < 0x1p-1022 ? 0x1p54 : 1.;
    uint64_t u = v_bits64(x * tiny);
    u += 0x3ff0000000000000u - 0x3fe6a09e667f3bcdu;
    double e = v_double((u >> 52) + v_bits64(V_MAGIC64)) - (V_MAGIC64 + 1023);
    e -= tiny > 1 ? 54. : 0.;
    double f = v_double((u & 0xfffffffffffffu) + 0x3fe6a09e667f3bcdu) - 1;
    double s = f / (2 + f), z = s * s, h = 0.5 * f * f;
    double q = FMA64(z, 0.14795949478481456, 0.15314050623490925);
    q = FMA64(z, q, 0.18183564320816913);
    q = FMA64(z, q, 0.22222198573351978);
    q = FMA64(z, q, 0.28571428742385106);
    q = FMA64(z, q, 0.39999999999414695);
    q = FMA64(z, q, 0.66666666666667344);
    double low = FMA64(e, 0x1.cf79abc9e3b3ap-40, s * FMA64(z, q, h));
    double y = FMA64(e, 0x1.62e42fefa0000p-1, f - (h - low));
    y = x == (double)INFINITY ? x : y;
    y = x == 0 ? -(double)INFINITY : y;
    y = x < 0 ? (double)NAN : y;
    return x != x ? x : y;
}

/* 2 ulp: the rounding of 1 + x is given back. */
V_INLINE double v_log1p64(double x)
{
    double u = 1 + x, lost = x - (u - 1), y = v_log64(u);
    double size = v_double(v_bits64(x) & INT64_MAX);
    y = ((size < 0x1p60) & (u > 0)) ? y + lost / u : y;
    return size < 0x1p-53 ? x : y;
}

/* log2(m * 2^e) for the positive normal number with these bits; 1e-13. */
V_INLINE double v_log2_64(double x)
{
    uint64_t u = v_bits64(x) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu);
    double e = v_double((u >> 52) + v_bits64(V_MAGIC64)) - (V_MAGIC64 + 1023);
    double m = v_double((u & 0xfffffffffffffu) + 0x3fe6a09e667f3bcdu);
    double s = (m - 1) / (m + 1), z = s * s;
    double q = FMA64(z, 1. / 15, 1. / 13);
    q = FMA64(z, q, 1. / 11);
    q = FMA64(z, q, 1. / 9);
    q = FMA64(z, q, 1. / 7);
    q = FMA64(z, q, 1. / 5);
    q = FMA64(z, q, 1. / 3);
    q = FMA64(z, q, 1.);
    return e + s * q * 0x1.71547652b82fep1;
}

/* 2^t within 1e-11 for t in [-200, 200]. */
V_INLINE double v_exp2_64(double t)
{
    double n = v_nearest64(t), r = (t - n) * 0x1.62e42fefa39efp-1;
    double q = FMA64(r, 1. / 362880, 1. / 40320);
    q = FMA64(r, q, 1. / 5040);
    q = FMA64(r, q, 1. / 720);
    q = FMA64(r, q, 1. / 120);
    q = FMA64(r, q, 1. / 24);
    q = FMA64(r, q, 1. / 6);
    q = FMA64(r, q, 0.5);
    q = FMA64(r, q, 1.);
    return FMA64(r, q, 1.) * v_power64(n);
}

/* a to the b-th power for finite a and |b| < 2^22; 1 ulp. */
V_INLINE float v_pow(float a, float b)
{
    float size = v_abs(a), whole = v_nearest(b);
    double t = (double)b * v_log2_64((double)(size > 0 ? size : 1.f));
    t = t > 200 ? 200 : t;
    t = t < -200 ? -200 : t;
    float y = (float)v_exp2_64(t);
    y = size > 0 ? y : b > 0 ? 0.f : b < 0 ? INFINITY : 1.f;
    float half = 0.5f * b;
    float turned = whole == b && v_nearest(half) != half ? v_sign_of(y, a) : y;
    return a < 0 && whole != b ? NAN : turned;
}

/* Whether v_fmod does not take a and b, but libm has to. */
V_INLINE int v_fmod_far(float a, float b)
{
    float x = v_abs(a), y = v_abs(b);
    return (x > y * 0x1p28f) & (x < INFINITY) & (y > 0);
}

/* What is left of a after whole multiples of b, with a's sign; exact. A
 * quotient below 2^28 that is no integer is at least 2^-24 away from the next,
 * so that its rounding does not reach it; times b it has 52 bits. */
V_INLINE float v_fmod(float a, float b)
{
    double x = (double)v_abs(a), y = (double)v_abs(b);
    double m = x - v_floor64(x / y) * y;
    return v_sign_of(v_abs(a) < v_abs(b) ? a : (float)m, a);
}

/* log(1 + exp(x)); 3 ulp: the larger of x and 0, and log(1 + z) for z in
 * (0, 1] as 2 atanh(z / (2 + z)). */
V_INLINE float v_softplus(float x)
{
    float z = v_exp(-v_abs(x)), s = z / (2 + z), w = s * s;
    float q = FMA(w, 2.f / 15, 2.f / 13);
    q = FMA(w, q, 2.f / 11);
    q = FMA(w, q, 2.f / 9);
    q = FMA(w, q, 2.f / 7);
    q = FMA(w, q, 2.f / 5);
    q = FMA(w, q, 2.f / 3);
    float y = FMA(s * w, q, 2 * s);
    return (x > 0 ? x : 0) + y;
}

#endif

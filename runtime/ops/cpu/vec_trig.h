/* SPDX-License-Identifier: MIT
 * Trigonometric and hyperbolic functions and their inverses, in the manner of
 * vec.h. Polynomials that are no Taylor series were fitted by Remez' exchange to
 * the least largest relative error of the function, which stands beside them.
 */
#ifndef RT_OPS_CPU_VEC_TRIG_H
#define RT_OPS_CPU_VEC_TRIG_H

#include "runtime/ops/cpu/vec64.h"

/* x = n * pi/2 + r in float64; exact enough for |x| <= V_TRIG_LIMIT. */
#define V_TRIG_LIMIT 1e6f
V_INLINE double v_reduce_pi64(double x, uint64_t *quadrant)
{
    double y = x * 0x1.45f306dc9c883p-1 + V_MAGIC64, n = y - V_MAGIC64;
    *quadrant = v_bits64(y);   /* of a NaN any */
    return (x - n * 0x1.921fb54p0) - n * 0x1.10b4611a62633p-30;
}

V_INLINE float v_reduce_pi(float x, int32_t *quadrant)
{
    uint64_t q;
    double r = v_reduce_pi64((double)x, &q);
    *quadrant = (int32_t)(uint32_t)q;
    return (float)r;
}

V_INLINE float v_sin_small(float r)
{
    float z = r * r;
    float p = FMA(z, 1.f / 362880, -1.f / 5040);
    p = FMA(z, p, 1.f / 120);
    p = FMA(z, p, -1.f / 6);
    return FMA(r * z, p, r);
}

V_INLINE float v_cos_small(float r)
{
    float z = r * r;
    float p = FMA(z, -1.f / 3628800, 1.f / 40320);
    p = FMA(z, p, -1.f / 720);
    p = FMA(z, p, 1.f / 24);
    p = FMA(z, p, -0.5f);
    return FMA(z, p, 1);
}

V_INLINE float v_quarter(float r, int32_t quadrant)
{
    float s = v_sin_small(r), c = v_cos_small(r);
    float y = quadrant & 1 ? c : s;
    return v_float(v_bits(y) ^ ((uint32_t)(quadrant & 2) << 30));
}

/* 2 ulp for |x| <= V_TRIG_LIMIT. */
V_INLINE float v_sin(float x)
{
    int32_t q;
    float r = v_reduce_pi(x, &q);
    return v_quarter(r, q);
}

V_INLINE float v_cos(float x)
{
    int32_t q;
    float r = v_reduce_pi(x, &q);
    return v_quarter(r, q + 1);
}

/* 0.53 ulp for |x| <= V_TRIG_LIMIT: in float64, of degree 15; 1.5e-9. */
V_INLINE float v_tan(float x)
{
    uint64_t quadrant;
    double r = v_reduce_pi64((double)x, &quadrant), z = r * r;
    double p = FMA64(z, 0.0044137889492119057, 9.7234855189425115e-06);
    p = FMA64(z, p, 0.010902183014135397);
    p = FMA64(z, p, 0.021255050227449428);
    p = FMA64(z, p, 0.054065522968389347);
    p = FMA64(z, p, 0.1333261012325273);
    p = FMA64(z, p, 0.33333351435295982);
    double t = FMA64(r * z, p, r);
    return (float)(quadrant & 1 ? -1 / t : t);
}

/* --- inverses ------------------------------------------------------------------ */

/* pi and its half are the float beside them and this much less. */
#define V_PI 0x1.921fb6p1f
#define V_HALF_PI 0x1.921fb6p0f
#define V_PI_OVER 0x1.777a5cp-24f
#define V_HALF_PI_OVER 0x1.777a5cp-25f

/* atan(t) - t for t in [0, 1], of degree 19; 2.3e-9. */
V_INLINE float v_atan_rest(float t)
{
    float z = t * t;
    float p = FMA(z, -0.00182719562f, 0.0110643682f);
    p = FMA(z, p, -0.0314555784f);
    p = FMA(z, p, 0.0582344438f);
    p = FMA(z, p, -0.0841945435f);
    p = FMA(z, p, 0.109575753f);
    p = FMA(z, p, -0.142652454f);
    p = FMA(z, p, 0.199986387f);
    p = FMA(z, p, -0.333333019f);
    return t * z * p;
}

/* 1.5 ulp. */
V_INLINE float v_atan(float x)
{
    float a = v_abs(x), t = a > 1 ? 1 / a : a, rest = v_atan_rest(t);
    float steep = (V_HALF_PI - t) - (V_HALF_PI_OVER + rest);
    return v_sign_of(a > 1 ? steep : t + rest, x);
}

/* 2 ulp. The smaller of the two over the larger gives the angle to an axis. */
V_INLINE float v_atan2(float y, float x)
{
    float a = v_abs(y), b = v_abs(x);
    float low = a > b ? b : a, high = a > b ? a : b;
    float t = low / high;
    t = low == high ? (low > 0 ? 1.f : 0.f) : t;
    float left = v_bits(x) >> 31 ? V_PI : 0.f;
    float left_over = v_bits(x) >> 31 ? V_PI_OVER : 0.f;
    float axis = a > b ? V_HALF_PI : left;
    float over = a > b ? V_HALF_PI_OVER : left_over;
    /* Away from the axis, or back towards it. */
    float sign = (a > b) != (left > 0) ? -1.f : 1.f;
    float angle = (axis + sign * t) - (over - sign * v_atan_rest(t));
    return v_sign_of(angle, y);
}

/* asin(s) - s for s in [0, 1/2] and z = s * s, of degree 11; 5e-9. */
V_INLINE float v_asin_rest(float s, float z)
{
    float p = FMA(z, 0.042218619f, 0.0241475717f);
    p = FMA(z, p, 0.0454771045f);
    p = FMA(z, p, 0.0749524173f);
    p = FMA(z, p, 0.166667539f);
    return s * z * p;
}

/* 2 ulp. Above 1/2 asin(a) is pi/2 - 2 asin(sqrt((1 - a) / 2)). */
V_INLINE float v_asin(float x)
{
    float a = v_abs(x), z = a > 0.5f ? (1 - a) * 0.5f : a * a;
    float s = a > 0.5f ? sqrtf(z) : a, rest = v_asin_rest(s, z);
    float steep = (V_HALF_PI - 2 * s) - (V_HALF_PI_OVER + 2 * rest);
    return v_sign_of(a > 0.5f ? steep : s + rest, x);
}

/* 1.5 ulp. */
V_INLINE float v_acos(float x)
{
    float a = v_abs(x), z = a > 0.5f ? (1 - a) * 0.5f : a * a;
    float s = a > 0.5f ? sqrtf(z) : x, rest = v_asin_rest(s, z);
    float middle = V_HALF_PI - (s + (V_HALF_PI_OVER + rest));
    float right = 2 * (s + rest);
    float left = V_PI - (2 * s + (V_PI_OVER + 2 * rest));
    return a > 0.5f ? (x > 0 ? right : left) : middle;
}

/* --- hyperbolic functions ------------------------------------------------------ */

/* exp(a) / 2 for a >= 0; 1 ulp. */
V_INLINE float v_half_exp(float a)
{
    float n, r = v_reduce_ln2(a > 90 ? 90 : a, &n);
    return v_scale(1 + v_expm1_small(r), v_whole(n) - 1);
}

/* 2 ulp. */
V_INLINE float v_cosh(float x)
{
    float e = v_half_exp(v_abs(x));
    return e + 0.25f / e;
}

/* 2 ulp; below 1 of degree 9, 6e-11. */
V_INLINE float v_sinh(float x)
{
    float a = v_abs(x), z = a * a, e = v_half_exp(a);
    float p = FMA(z, 2.81743953e-06f, 0.000198360663f);
    p = FMA(z, p, 0.0083333506f);
    p = FMA(z, p, 0.166666665f);
    float large = v_sign_of(e - 0.25f / e, x);
    return a < 1 ? FMA(x * z, p, x) : large;
}

#endif

/* SPDX-License-Identifier: MIT
 * Sine and cosine, in the manner of vec.h.
 */
#ifndef RT_OPS_CPU_VEC_TRIG_H
#define RT_OPS_CPU_VEC_TRIG_H

#include "runtime/ops/cpu/vec.h"

/* x = n * pi/2 + r in float64; exact enough for |x| <= V_TRIG_LIMIT. */
#define V_TRIG_LIMIT 1e6f
V_INLINE float v_reduce_pi(float x, int32_t *quadrant)
{
    const double magic = 0x1.8p52;
    union { double f; uint64_t u; } y = {x * 0x1.45f306dc9c883p-1 + magic};
    double n = y.f - magic;
    *quadrant = (int32_t)(uint32_t)y.u;   /* of a NaN any */
    return (float)((x - n * 0x1.921fb54p0) - n * 0x1.10b4611a62633p-30);
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

#endif

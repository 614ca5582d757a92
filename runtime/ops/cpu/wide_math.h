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
#else
V_INLINE wide w_exp_within(wide x)
{
    wide n, r = w_reduce_ln2(x, &n);
    return w_scale(w_expm1_small(r) + 1, n);
}
#endif

/* 1 ulp; overflows to inf, underflows gradually; NaN stays NaN. */
V_INLINE wide w_exp(wide x)
{
    return w_exp_within(w_max(w_all(-104), w_min(w_all(89), x)));
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

#if defined(__AVX512F__)
/* Half of erf(x / sqrt(2)) around 3/16 * i, by powers of the distance. Fitted
 * at Chebyshev nodes; 5e-9 off, and the rounding of the first. */
static const float w_normal[5][32] __attribute__((aligned(64))) = {
    {0.0f, 0.0743656904f, 0.146169767f, 0.213112295f, 0.27337265f,
     0.325749278f, 0.369705468f, 0.40532425f, 0.43319279f, 0.454246372f,
     0.469603628f, 0.480419934f, 0.487775534f, 0.492605388f, 0.495667547f,
     0.497542113f, 0.498650104f, 0.499282449f, 0.499630928f, 0.499816328f,
     0.499911577f, 0.499958843f, 0.499981463f, 0.499991924f, 0.499996603f,
     0.499998629f, 0.499999464f, 0.499999791f, 0.499999911f, 0.49999997f,
     0.5f, 0.5f},
    {0.398942053f, 0.391990691f, 0.371854931f, 0.340567499f, 0.301137447f,
     0.257073998f, 0.21187678f, 0.168593332f, 0.129517734f, 0.0960616171f,
     0.0687863529f, 0.0475539342f, 0.0317396633f, 0.0204526633f,
     0.0127241584f, 0.00764257787f, 0.00443182187f, 0.00248116814f,
     0.00134110148f, 0.000699839613f, 0.000352587405f, 0.000171500913f,
     8.05373566e-05f, 3.65140113e-05f, 1.59828014e-05f, 6.75425326e-06f,
     2.75570596e-06f, 1.08547385e-06f, 4.1279722e-07f, 1.51560144e-07f,
     5.37234683e-08f, 1.83854283e-08f},
    {-7.73973984e-15f, -0.0367490835f, -0.069722712f, -0.0957845002f,
     -0.112926409f, -0.120503291f, -0.11918056f, -0.110639267f, -0.097138226f,
     -0.0810519457f, -0.0644871965f, -0.0490400046f, -0.0357071497f,
     -0.0249267239f, -0.0167005006f, -0.0107474169f, -0.00664776796f,
     -0.00395439006f, -0.00226312969f, -0.00124660402f, -0.000661111146f,
     -0.000337648555f, -0.000166111975f, -7.87354365e-05f, -3.59624501e-05f,
     -1.58308794e-05f, -6.71733187e-06f, -2.74774834e-06f, -1.08365805e-06f,
     -4.12082841e-07f, -1.51109305e-07f, -5.34375104e-08f},
    {-0.0663809255f, -0.0629349649f, -0.05318648f, -0.0387641937f,
     -0.021959519f, -0.00522359647f, 0.00932200346f, 0.0202384721f,
     0.0269184131f, 0.0295289028f, 0.0288039707f, 0.0257700235f,
     0.0214852896f, 0.0168490987f, 0.012502851f, 0.00881458912f,
     0.00592129491f, 0.00379829621f, 0.00233041891f, 0.00136934512f,
     0.0007713901f, 0.000416948256f, 0.000216390661f, 0.000107893422f,
     5.17088083e-05f, 2.38302782e-05f, 1.05644122e-05f, 4.50660264e-06f,
     1.85037482e-06f, 7.31444288e-07f, 2.78423727e-07f, 1.02074488e-07f},
    {1.10367141e-12f, 0.00905993301f, 0.0165789258f, 0.0213787667f,
     0.0228981636f, 0.0212691221f, 0.017208105f, 0.0117740165f,
     0.00607978459f, 0.00104488526f, -0.00275253993f, -0.00510734506f,
     -0.00612409227f, -0.00610163994f, -0.00541067589f, -0.00439701416f,
     -0.00332534104f, -0.00236191251f, -0.00158498227f, -0.00100902806f,
     -0.000611213443f, -0.000353072508f, -0.000194834778f, -0.000102847698f,
     -5.19909518e-05f, -2.51918354e-05f, -1.17089703e-05f, -5.22373148e-06f,
     -2.23811298e-06f, -9.21352239e-07f, -3.64578256e-07f, -1.3871616e-07f},
};

V_INLINE wide w_normal_at(wide index, int power)
{
    return (wide)_mm512_permutex2var_ps(
        _mm512_load_ps(w_normal[power]), (__m512i)index,
        _mm512_load_ps(w_normal[power] + 16));
}

/* x times the normal distribution's integral up to x; absolute error 1.2e-7
 * and an ulp of the result. Beyond 5.8 the integral counts as 0 or 1. */
V_INLINE wide w_gelu(wide x)
{
    const wide magic = w_all(0x1.8p23f);
    wide a = w_min(w_all(5.8125f), w_abs(x));
    wide k = w_fma(a, w_all(16.f / 3), magic);
    wide u = w_fma(k - magic, w_all(-3.f / 16), a);
    wide p = w_fma(w_normal_at(k, 4), u, w_normal_at(k, 3));
    p = w_fma(p, u, w_normal_at(k, 2));
    p = w_fma(p, u, w_normal_at(k, 1));
    p = w_fma(p, u, w_normal_at(k, 0));
    wide_int sign = (wide_int)x & (int32_t)0x80000000u;
    return x * ((wide)((wide_int)p ^ sign) + 0.5f);
}
#else
V_INLINE wide w_gelu(wide x)
{
    return 0.5f * x * (1 + w_erf(x * 0.70710678f));
}
#endif

#endif

/* SPDX-License-Identifier: MIT
 * Normal samples and hits of a probability; compiled per instruction set.
 */
#include "runtime/ops/cpu/random_kernels.h"
#include "runtime/ops/cpu/wide.h"

enum { HALF = RT_NORMAL_BLOCK / 2 };

static void uniforms(float *data, int64_t n)
{
    RT_VECTORISE
    for (int64_t i = 0; i < n; i++) {
        data[i] = (float)(int32_t)(v_bits(data[i]) & 0xffffffu) * 0x1p-24f;
    }
}

V_INLINE wide fraction(wide_int words)
{
    return __builtin_convertvector(words & 0xffffff, wide) * 0x1p-24f;
}

V_INLINE wide root(wide x)
{
#if defined(__AVX512F__)
    return (wide)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__)
    return (wide)_mm256_sqrt_ps((__m256)x);
#else
    for (int i = 0; i < WIDE; i++) {
        x[i] = __builtin_sqrtf(x[i]);
    }
    return x;
#endif
}

/* log(x) for normal x > 0, 1 ulp: x = 2^e (1 + f), 1 + f in [sqrt(1/2),
 * sqrt(2)), and f - f^2/2 + f^3 times a polynomial (6e-9 off). */
V_INLINE wide log_of(wide x)
{
    wide_int u = (wide_int)x + (0x3f800000 - 0x3f3504f3);
    wide e = __builtin_convertvector((u >> 23) - 127, wide);
    wide f = (wide)((u & 0x7fffff) + 0x3f3504f3) - 1, z = f * f;
    wide p = w_step(f, w_all(-0.076344810f), 0.127615705f);
    p = w_step(p, f, -0.131601855f);
    p = w_step(p, f, 0.142017588f);
    p = w_step(p, f, -0.166233569f);
    p = w_step(p, f, 0.200012267f);
    p = w_step(p, f, -0.250008196f);
    p = w_step(p, f, 0.333333313f);
    p = w_fma(e, w_all(0x1.7f7d1cp-20f), f * z * p);
    return w_fma(e, w_all(0x1.62e4p-1f), f + w_fma(w_all(-0.5f), z, p));
}

/* The sine and cosine of t in [0, 2 pi]: t = q * pi/2 + r, where all products
 * but the last part's are exact. */
V_INLINE void circle(wide t, wide *sine, wide *cosine)
{
    wide k = w_step(t, w_all(0x1.45f306p-1f), 0x1.8p23f), q = k - 0x1.8p23f;
    wide r = w_fma(q, w_all(-1.5703125f), t);
    r = w_fma(q, w_all(-4.837512969970703125e-4f), r);
    r = w_fma(q, w_all(-7.54978994890e-8f), r);
    wide z = r * r;
    wide s = w_step(z, w_all(1.f / 362880), -1.f / 5040);
    s = w_step(s, z, 1.f / 120);
    s = w_step(s, z, -1.f / 6);
    s = w_fma(r * z, s, r);
    wide c = w_step(z, w_all(-1.f / 3628800), 1.f / 40320);
    c = w_step(c, z, -1.f / 720);
    c = w_step(c, z, 1.f / 24);
    c = w_step(c, z, -0.5f);
    c = w_step(c, z, 1);
    /* Odd quarters swap the two; a sign goes with the quarter's second bit. */
    wide_int n = (wide_int)k, odd = -(n & 1);
    *sine = (wide)((wide_int)w_select(odd, c, s) ^ (n & 2) << 30);
    *cosine = (wide)((wide_int)w_select(odd, s, c) ^ ((n + 1) & 2) << 30);
}

V_INLINE void box_muller(wide_int *u, wide_int *v, float mean, float std)
{
    wide sine, cosine, radius = root(-2 * log_of(1 - fraction(*u)));
    circle(fraction(*v) * (2 * (float)M_PI), &sine, &cosine);
    *u = (wide_int)(radius * cosine * std + mean);
    *v = (wide_int)(radius * sine * std + mean);
}

V_INLINE wide_int load(const float *p)
{
    return (wide_int)w_load(p);
}

static void normals(float *data, int64_t blocks, float mean, float std)
{
    int64_t b = 0;
#if defined(__AVX512F__)
    for (; b + 2 <= blocks; b += 2, data += 4 * HALF) {
        __m512i x = (__m512i)load(data), y = (__m512i)load(data + 2 * HALF);
        wide_int u = (wide_int)_mm512_shuffle_i64x2(x, y, 0x44);
        wide_int v = (wide_int)_mm512_shuffle_i64x2(x, y, 0xee);
        box_muller(&u, &v, mean, std);
        x = _mm512_shuffle_i64x2((__m512i)u, (__m512i)v, 0x44);
        y = _mm512_shuffle_i64x2((__m512i)u, (__m512i)v, 0xee);
        w_store(data, (wide)x);
        w_store(data + 2 * HALF, (wide)y);
    }
#endif
    for (; b < blocks; b++, data += 2 * HALF) {
        for (int i = 0; i < HALF; i += WIDE) {
            int64_t n = HALF - i;
            wide_int u = (wide_int)w_load_part(data + i, n, 0);
            wide_int v = (wide_int)w_load_part(data + HALF + i, n, 0);
            box_muller(&u, &v, mean, std);
            w_store_part(data + i, n, (wide)u);
            w_store_part(data + HALF + i, n, (wide)v);
        }
    }
}

static void hits(float *out, const uint32_t *words, int64_t n, double p)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t bits = (int64_t)(words[2 * i] & 0x1fffffu) << 32 |
                       words[2 * i + 1];
        out[i] = (double)bits * 0x1p-53 < p;
    }
}

const rt__random_table RT_ISA_NAME(random) = {
    .uniforms = uniforms,
    .normals = normals,
    .hits = hits,
};

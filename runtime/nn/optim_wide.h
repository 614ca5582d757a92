/* SPDX-License-Identifier: MIT
 *
 * Adam's loop for AVX-512, included by optim_kernels.c. A root and a division
 * for each element take longer than its 28 bytes; here the root alone goes
 * through the divider, and beside it 1 / d is an estimate r of 14 bits with one
 * step of Newton's: q / d = q r (2 - d r), to 4 ulp of the step.
 */
#ifndef RT_NN_OPTIM_WIDE_H
#define RT_NN_OPTIM_WIDE_H

#include <immintrin.h>

/* The step is mean / (root(square) * slope + base). */
typedef struct adam_numbers {
    float slope, base;
} adam_numbers;

static adam_numbers adam_divisor(const rt__optim_job *j)
{
    double size = j->c[3];
    return (adam_numbers){(float)(1 / (size * j->c[4])),
                          (float)(j->c[5] / size)};
}

/* Whether no divisor that is finite leaves the range of the estimate, which is
 * said by the options: eps 0 does not fit. */
static bool adam_fits(const rt__optim_job *j, adam_numbers d)
{
    return j->data[4] == NULL && (float)j->c[0] < 0.5f && d.slope > 0x1p-40f
           && d.slope < 0x1p40f && d.base > 0x1p-80f && d.base < 0x1p40f;
}

/* The vectors of GROUP steps are all read before one is written: where a
 * tensor lies a little in front of another, modulo 4 KiB, the processor takes
 * what is read next for what is being written, and waits. */
BODY adam_wide_at(const rt__optim_job *j, adam_numbers n, int64_t i,
                  __mmask16 some, int count, bool decays, bool shrinks)
{
    enum { GROUP = 4 };
    float *p = (float *)j->data[0] + i, *m = (float *)j->data[2] + i;
    float *v = (float *)j->data[3] + i;
    const float *g = (const float *)j->data[1] + i;
    const __m512i sign = _mm512_set1_epi32(j->flag[0] ? INT32_MIN : 0);
    __m512 at[GROUP], x[GROUP], mean[GROUP], square[GROUP];
    _Pragma("GCC unroll 4") for (int k = 0; k < count; k++) {
        x[k] = _mm512_maskz_loadu_ps(some, g + 16 * k);
        mean[k] = _mm512_maskz_loadu_ps(some, m + 16 * k);
        square[k] = _mm512_maskz_loadu_ps(some, v + 16 * k);
        at[k] = _mm512_maskz_loadu_ps(some, p + 16 * k);
    }
    __asm__ volatile("" ::: "memory");
    _Pragma("GCC unroll 4") for (int k = 0; k < count; k++) {
        x[k] = _mm512_castsi512_ps(
            _mm512_xor_si512(_mm512_castps_si512(x[k]), sign));
        if (decays) {
            x[k] = _mm512_fmadd_ps(_mm512_set1_ps((float)j->c[6]), at[k], x[k]);
        }
        mean[k] = _mm512_fmadd_ps(_mm512_set1_ps((float)j->c[0]),
                                  _mm512_sub_ps(x[k], mean[k]), mean[k]);
        square[k] = _mm512_fmadd_ps(
            _mm512_mul_ps(_mm512_set1_ps((float)j->c[2]), x[k]), x[k],
            _mm512_mul_ps(square[k], _mm512_set1_ps((float)j->c[1])));
        __m512 d = _mm512_fmadd_ps(_mm512_sqrt_ps(square[k]),
                                   _mm512_set1_ps(n.slope),
                                   _mm512_set1_ps(n.base));
        __m512 r = _mm512_rcp14_ps(d);
        /* Of NaN and 0 this is 0: an infinite d, whose r is 0. */
        __m512 e = _mm512_max_ps(_mm512_fnmadd_ps(d, r, _mm512_set1_ps(2)),
                                 _mm512_setzero_ps());
        if (shrinks) {
            at[k] = _mm512_mul_ps(at[k], _mm512_set1_ps((float)j->c[7]));
        }
        at[k] = _mm512_fnmadd_ps(_mm512_mul_ps(mean[k], r), e, at[k]);
    }
    _Pragma("GCC unroll 4") for (int k = 0; k < count; k++) {
        _mm512_mask_storeu_ps(m + 16 * k, some, mean[k]);
        _mm512_mask_storeu_ps(v + 16 * k, some, square[k]);
        _mm512_mask_storeu_ps(p + 16 * k, some, at[k]);
    }
}

BODY adam_wide_body(const rt__optim_job *j, int64_t begin, int64_t end,
                    bool decays, bool shrinks)
{
    const adam_numbers n = adam_divisor(j);
    const rt__optim_job own = *j;   /* which no store of the loop can be to */
    int64_t i = begin;
    for (; i + 64 <= end; i += 64) {
        adam_wide_at(&own, n, i, 0xffff, 4, decays, shrinks);
    }
    for (; i + 16 <= end; i += 16) {
        adam_wide_at(&own, n, i, 0xffff, 1, decays, shrinks);
    }
    if (i < end) {
        adam_wide_at(&own, n, i, (__mmask16)((1u << (end - i)) - 1), 1, decays,
                     shrinks);
    }
}

static void adam_wide(const rt__optim_job *j, int64_t begin, int64_t end)
{
    if (!adam_fits(j, adam_divisor(j))) {
        adam_32(j, begin, end);
        return;
    }
    CASES(adam_wide_body, j->c[6] != 0, j->c[7] != 1);
}

#endif

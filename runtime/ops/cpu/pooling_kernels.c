/* SPDX-License-Identifier: MIT
 * 2x2 pooling; compiled per instruction set.
 */
#include "runtime/ops/cpu/pooling.h"
#include "runtime/ops/cpu/vec.h"

#if defined(__AVX512F__)
#include <immintrin.h>

/* 16 pairs of neighbours, as far as they exist: the first of each, and the
 * second. */
V_INLINE void split(__m512 *a, __m512 *b, const float *row, __mmask32 exist)
{
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18,
                                           20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    __m512 x = _mm512_maskz_loadu_ps((__mmask16)exist, row);
    __m512 y = _mm512_maskz_loadu_ps((__mmask16)(exist >> 16), row + 16);
    *a = _mm512_permutex2var_ps(x, even, y);
    *b = _mm512_permutex2var_ps(x, odd, y);
}

/* Takes b, which stands at `at`, where it is larger or NaN. */
V_INLINE void take(__m512 *a, __m512i *where, __m512 b, int at)
{
    __mmask16 m = _mm512_cmp_ps_mask(b, *a, _CMP_GT_OQ) |
                  _mm512_cmp_ps_mask(b, b, _CMP_UNORD_Q);
    *a = _mm512_mask_mov_ps(*a, m, b);
    *where = _mm512_mask_mov_epi32(*where, m, _mm512_set1_epi32(at));
}

static void pairs(float *restrict out, int64_t *restrict where,
                  const float *restrict rows, int64_t width, int64_t at,
                  int64_t n)
{
    const __m512i step = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    for (int64_t i = 0; i < n; i += 16) {
        unsigned m = n - i < 16 ? (1u << (n - i)) - 1 : 0xffff;
        __mmask32 exist = n - i < 16 ? (1u << 2 * (n - i)) - 1 : ~0u;
        __m512i w = _mm512_setzero_si512();
        __m512i from = _mm512_add_epi64(step, _mm512_set1_epi64(at + 2 * i));
        __m512 a, b, c, d;
        split(&a, &b, rows + 2 * i, exist);
        split(&c, &d, rows + 2 * i + width, exist);
        take(&a, &w, b, 1);
        take(&a, &w, c, (int)width);
        take(&a, &w, d, (int)width + 1);
        _mm512_mask_storeu_ps(out + i, (__mmask16)m, a);
        __m512i low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(w));
        __m512i high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(w, 1));
        _mm512_mask_storeu_epi64(where + i, (__mmask8)m,
                                 _mm512_add_epi64(low, from));
        _mm512_mask_storeu_epi64(
            where + i + 8, (__mmask8)(m >> 8),
            _mm512_add_epi64(_mm512_add_epi64(high, from),
                             _mm512_set1_epi64(16)));
    }
}
#else
static void pairs(float *restrict out, int64_t *restrict where,
                  const float *restrict rows, int64_t width, int64_t at,
                  int64_t n)
{
    const float *below = rows + width;
    RT_VECTORISE
    for (int64_t i = 0; i < n; i++) {
        float a = rows[2 * i], b = rows[2 * i + 1];
        float c = below[2 * i], d = below[2 * i + 1];
        int64_t w = 0;
        int tb = (b > a) | (b != b);
        a = tb ? b : a;
        w = tb ? 1 : w;
        int tc = (c > a) | (c != c);
        a = tc ? c : a;
        w = tc ? width : w;
        int td = (d > a) | (d != d);
        out[i] = td ? d : a;
        where[i] = at + 2 * i + (td ? width + 1 : w);
    }
}
#endif

const rt__pooling_table RT_ISA_NAME(pooling) = {.pairs = pairs};

/* SPDX-License-Identifier: MIT
 * Half types to and from float: as core/dtype.c, but without branches.
 */
#ifndef RT_OPS_CPU_VEC_HALF_H
#define RT_OPS_CPU_VEC_HALF_H

#include "runtime/ops/cpu/vec.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

V_INLINE float v_from_bfloat16(uint16_t h)
{
    return v_float((uint32_t)h << 16);
}

V_INLINE uint16_t v_to_bfloat16(float f)
{
    uint32_t u = v_bits(f);
    uint32_t r = (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
    return (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : r);
}

V_INLINE float v_from_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, rest = h & 0x7fffu;
    uint32_t special = 0x7f800000u | (rest & 0x3ffu) << 13;
    uint32_t small = v_bits((float)(int32_t)rest * 0x1p-24f);
    uint32_t normal = (rest << 13) + (112u << 23);
    uint32_t u = rest < 0x400u ? small : normal;
    return v_float(sign | (rest >= 0x7c00u ? special : u));
}

V_INLINE uint16_t v_to_half(float f)
{
    uint32_t u = v_bits(f), sign = u >> 16 & 0x8000u;
    u &= 0x7fffffffu;
    uint32_t small = v_bits(v_float(u) + 0.5f) - 0x3f000000u;
    uint32_t normal = (u + 0xfffu + (u >> 13 & 1u) - (112u << 23)) >> 13;
    uint32_t r = u < 0x38800000u ? small : normal;
    r = u >= 0x477ff000u ? 0x7c00u : r;
    r = u > 0x7f800000u ? 0x7e00u : r;
    return (uint16_t)(sign | r);
}

#if defined(__AVX512F__)
/* Sixteen by the machine's own instructions, whose results are those above but
 * for what a NaN carries: that is put right. */
V_INLINE __m512 v_load_halves(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)p));
}

V_INLINE void v_store_halves(uint16_t *p, __m512 v)
{
    __m512i sign = _mm512_and_epi32(_mm512_castps_si512(v),
                                    _mm512_set1_epi32(INT32_MIN));
    __m512i nan = _mm512_or_epi32(sign, _mm512_set1_epi32(0x7fc00000));
    v = _mm512_mask_mov_ps(v, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q),
                           _mm512_castsi512_ps(nan));
    _mm256_storeu_si256((void *)p,
                        _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
#endif

#endif

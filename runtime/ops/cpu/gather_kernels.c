/* SPDX-License-Identifier: MIT
 * Inner loops of gathering by index; compiled per instruction set.
 */
#include "runtime/ops/cpu/gather.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "runtime/ops/cpu/vec.h"

static bool within(const int64_t *v, int64_t n, int64_t low, int64_t high)
{
    uint64_t span = (uint64_t)high - (uint64_t)low, bad = 0;
    if (high <= low) {
        return n == 0;
    }
    /* the top bit of (at - span) is clear where at >= span: both fit 63 bits
     * or at has the top bit itself */
    RT_VECTORISE
    for (int64_t i = 0; i < n; i++) {
        uint64_t at = (uint64_t)v[i] - (uint64_t)low;
        bad |= at | ~(at - span);
    }
    return bad >> 63 == 0;
}

/* Reads go to any place: eight at a time are under way before one is used. */
#define PICK(id, TYPE)                                                         \
    static void pick_##id(void *to, const void *from, const int64_t *v,        \
                          int64_t n)                                           \
    {                                                                          \
        TYPE *restrict dst = to;                                               \
        const TYPE *restrict src = from;                                       \
        _Pragma("GCC unroll 8")                                                \
        for (int64_t i = 0; i < n; i++) {                                      \
            dst[i] = src[v[i]];                                                \
        }                                                                      \
    }                                                                          \
    static void wrap_##id(void *to, const void *from, const int64_t *v,        \
                          int64_t n, int64_t size)                             \
    {                                                                          \
        TYPE *restrict dst = to;                                               \
        const TYPE *restrict src = from;                                       \
        for (int64_t i = 0; i < n; i++) {                                      \
            dst[i] = src[v[i] + (v[i] >> 63 & size)];                          \
        }                                                                      \
    }
PICK(1, uint8_t)
PICK(2, uint16_t)
PICK(4, uint32_t)
PICK(8, uint64_t)

static void clear(void *dst, int64_t bytes)
{
    char *p = dst;
#if defined(__x86_64__)
    int64_t head = -(intptr_t)p & 63;
    head = head < bytes ? head : bytes;
    memset(p, 0, (size_t)head);
    p += head;
    bytes -= head;
    for (; bytes >= 64; bytes -= 64, p += 64) {
#if defined(__AVX512F__)
        _mm512_stream_si512((void *)p, _mm512_setzero_si512());
#else
        for (int i = 0; i < 64; i += 16) {
            _mm_stream_si128((__m128i *)(void *)(p + i), _mm_setzero_si128());
        }
#endif
    }
    _mm_sfence();
#endif
    memset(p, 0, (size_t)bytes);
}

const rt__gather_table RT_ISA_NAME(gather) = {
    .within = within,
    .pick = {pick_1, pick_2, pick_4, pick_8},
    .wrap = {wrap_1, wrap_2, wrap_4, wrap_8},
    .clear = clear,
};

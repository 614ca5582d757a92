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

static int64_t count(const uint8_t *m, int64_t n)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i += 128) {
        int64_t end = n - i < 128 ? n : i + 128;
        uint8_t some = 0;
        for (int64_t k = i; k < end; k++) {
            some += m[k] != 0;
        }
        sum += some;
    }
    return sum;
}

#define FLAG(bits)                                                             \
    static void flag_##bits(uint8_t *restrict m, const void *src, int64_t n,   \
                            bool sign)                                         \
    {                                                                          \
        const uint##bits##_t *restrict v = src;                                \
        uint##bits##_t mask = (uint##bits##_t)-1 >> sign;                      \
        for (int64_t i = 0; i < n; i++) {                                      \
            m[i] = (v[i] & mask) != 0;                                         \
        }                                                                      \
    }
FLAG(8)
FLAG(16)
FLAG(32)
FLAG(64)

/* Without a branch: every place is written, and kept where the mask holds. */
static int64_t places(int64_t *out, const uint8_t *m, int64_t n, int64_t first)
{
    int64_t kept = 0, i = 0;
#ifdef __AVX512F__
    __m512i at = _mm512_add_epi64(_mm512_set1_epi64(first),
                                  _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0));
    const __m512i eight = _mm512_set1_epi64(8);
    for (; n - i >= 8; i += 8) {
        __m128i eight_flags = _mm_loadl_epi64((const void *)(m + i));
        __mmask8 set = (__mmask8)_mm_test_epi8_mask(eight_flags, eight_flags);
        _mm512_storeu_si512(out + kept, _mm512_maskz_compress_epi64(set, at));
        kept += __builtin_popcount(set);
        at = _mm512_add_epi64(at, eight);
    }
#endif
    for (; i < n; i++) {
        out[kept] = first + i;
        kept += m[i] != 0;
    }
    return kept;
}

/* The quotient of doubles is at most one off. */
static void split(int64_t *restrict p, int64_t *restrict rest, int64_t n,
                  int64_t size)
{
    double per = 1.0 / (double)size;
    for (int64_t i = 0; i < n; i++) {
        int64_t q = (int64_t)((double)p[i] * per), r = p[i] - q * size;
        int64_t low = -(int64_t)(r < 0);
        q += low;
        r += low & size;
        int64_t high = -(int64_t)(r >= size);
        p[i] = q - high;
        rest[i] = r - (high & size);
    }
}

const rt__gather_table RT_ISA_NAME(gather) = {
    .within = within,
    .pick = {pick_1, pick_2, pick_4, pick_8},
    .wrap = {wrap_1, wrap_2, wrap_4, wrap_8},
    .clear = clear,
    .count = count,
    .flag = {flag_8, flag_16, flag_32, flag_64},
    .places = places,
    .split = split,
};

/* SPDX-License-Identifier: MIT
 * Conversion between all pairs of element types, and small transposes;
 * compiled per instruction set.
 */
#include "runtime/ops/cpu/isa.h"
#include "runtime/ops/cpu/vec_half.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Floats to integers go through int64, so that -1.0 becomes 255 in uint8 on
 * every instruction set. What does not fit, and NaN, becomes the least integer,
 * as x86's own instructions have it. */
#define IDENTITY(v) (v)
#define TO_BOOL(v) ((v) != 0)
#define INT_TO_HALF(v) v_to_half((float)(v))
#define INT_TO_BF16(v) v_to_bfloat16((float)(v))
#define FROM_F16(v) v_from_half(v)
#define FROM_BF16(v) v_from_bfloat16(v)
#define FLOAT_TO_U8(v) (uint8_t)FLOAT_TO_I64(v)
#define FLOAT_TO_I32(v)                                                        \
    ((v) >= -0x1p31f && (v) < 0x1p31f ? (int32_t)(v) : INT32_MIN)
#define FLOAT_TO_I64(v)                                                        \
    ((v) >= -0x1p63f && (v) < 0x1p63f ? (int64_t)(v) : INT64_MIN)

#define CONVERT(id, S, D, LOAD, STORE)                                         \
    static void id(char *out, int64_t os, const char *in, int64_t is,          \
                   int64_t n)                                                  \
    {                                                                          \
        if (os == (int64_t)sizeof(D) && is == (int64_t)sizeof(S)) {            \
            const S *from = (const S *)(const void *)in;                       \
            D *to = (D *)(void *)out;                                          \
            RT_VECTORISE                                                       \
            for (int64_t i = 0; i < n; i++) {                                  \
                to[i] = (D)STORE(LOAD(from[i]));                               \
            }                                                                  \
            return;                                                            \
        }                                                                      \
        if (os == (int64_t)sizeof(D) && is == 0) {                             \
            D v = (D)STORE(LOAD(*(const S *)(const void *)in));                \
            D *to = (D *)(void *)out;                                          \
            for (int64_t i = 0; i < n; i++) {                                  \
                to[i] = v;                                                     \
            }                                                                  \
            return;                                                            \
        }                                                                      \
        for (int64_t i = 0; i < n; i++) {                                      \
            *(D *)(void *)(out + i * os) =                                     \
                (D)STORE(LOAD(*(const S *)(const void *)(in + i * is)));       \
        }                                                                      \
    }

/* From one type (suffix, C type, how to load) to all. */
#define FROM_INT(s, S)                                                         \
    CONVERT(s##_bool, S, uint8_t, IDENTITY, TO_BOOL)                           \
    CONVERT(s##_u8, S, uint8_t, IDENTITY, IDENTITY)                            \
    CONVERT(s##_i32, S, int32_t, IDENTITY, IDENTITY)                           \
    CONVERT(s##_i64, S, int64_t, IDENTITY, IDENTITY)                           \
    CONVERT(s##_f16, S, uint16_t, IDENTITY, INT_TO_HALF)                       \
    CONVERT(s##_bf16, S, uint16_t, IDENTITY, INT_TO_BF16)                      \
    CONVERT(s##_f32, S, float, IDENTITY, IDENTITY)                             \
    CONVERT(s##_f64, S, double, IDENTITY, IDENTITY)
#define FROM_FLOAT(s, S, LOAD)                                                 \
    CONVERT(s##_bool, S, uint8_t, LOAD, TO_BOOL)                               \
    CONVERT(s##_u8, S, uint8_t, LOAD, FLOAT_TO_U8)                             \
    CONVERT(s##_i32, S, int32_t, LOAD, FLOAT_TO_I32)                           \
    CONVERT(s##_i64, S, int64_t, LOAD, FLOAT_TO_I64)                           \
    CONVERT(s##_f32, S, float, LOAD, IDENTITY)                                 \
    CONVERT(s##_f64, S, double, LOAD, IDENTITY)

#if defined(__AVX512F__)
/* Dense rows of halves. */
static void halves_to_floats(float *to, const uint16_t *from, int64_t n)
{
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        _mm512_storeu_ps(to + i, v_load_halves(from + i));
    }
    for (; i < n; i++) {
        to[i] = v_from_half(from[i]);
    }
}

static void floats_to_halves(uint16_t *to, const float *from, int64_t n)
{
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        v_store_halves(to + i, _mm512_loadu_ps(from + i));
    }
    for (; i < n; i++) {
        to[i] = v_to_half(from[i]);
    }
}

/* The general conversion, but for dense rows. */
#define DENSE(id, S, D, ROW_FN)                                                \
    static void dense_##id(char *out, int64_t os, const char *in, int64_t is,  \
                           int64_t n)                                          \
    {                                                                          \
        if (os == (int64_t)sizeof(D) && is == (int64_t)sizeof(S)) {            \
            ROW_FN((D *)(void *)out, (const S *)(const void *)in, n);          \
        } else {                                                               \
            id(out, os, in, is, n);                                            \
        }                                                                      \
    }
#else
#define DENSE(id, S, D, ROW_FN)                                                \
    static void dense_##id(char *out, int64_t os, const char *in, int64_t is,  \
                           int64_t n)                                          \
    {                                                                          \
        id(out, os, in, is, n);                                                \
    }
#endif

FROM_INT(u8, uint8_t)
FROM_INT(i32, int32_t)
FROM_INT(i64, int64_t)
FROM_FLOAT(f16, uint16_t, FROM_F16)
FROM_FLOAT(bf16, uint16_t, FROM_BF16)
FROM_FLOAT(f32, float, IDENTITY)
FROM_FLOAT(f64, double, IDENTITY)
CONVERT(f16_f16, uint16_t, uint16_t, IDENTITY, IDENTITY)
CONVERT(f16_bf16, uint16_t, uint16_t, FROM_F16, v_to_bfloat16)
CONVERT(bf16_f16, uint16_t, uint16_t, FROM_BF16, v_to_half)
CONVERT(bf16_bf16, uint16_t, uint16_t, IDENTITY, IDENTITY)
CONVERT(f32_f16, float, uint16_t, IDENTITY, v_to_half)
CONVERT(f32_bf16, float, uint16_t, IDENTITY, v_to_bfloat16)
CONVERT(f64_f16, double, uint16_t, IDENTITY, INT_TO_HALF)
CONVERT(f64_bf16, double, uint16_t, IDENTITY, INT_TO_BF16)

DENSE(f16_f32, uint16_t, float, halves_to_floats)
DENSE(f32_f16, float, uint16_t, floats_to_halves)

#define TRANSPOSE(T)                                                           \
    for (int i = 0; i < rows; i++) {                                           \
        const T *from = (const T *)(const void *)(in + i * in_stride);         \
        for (int j = 0; j < columns; j++) {                                    \
            ((T *)(void *)(out + j * out_stride))[i] = from[j];                \
        }                                                                      \
    }                                                                          \
    break

#if defined(__AVX2__)
V_INLINE __m256 two_halves(const char *in, int64_t far)
{
    __m128 low = _mm_loadu_ps((const float *)(const void *)in);
    return _mm256_insertf128_ps(
        _mm256_castps128_ps256(low),
        _mm_loadu_ps((const float *)(const void *)(in + far)), 1);
}

/* Eight rows of eight, in registers: four columns of all rows are loaded as
 * rows 0..3 beside rows 4..7, and turned four by four. */
V_INLINE void transpose_8x8(char *out, int64_t os, const char *in, int64_t is)
{
    _Pragma("GCC unroll 2")
    for (int half = 0; half < 2; half++) {
        const char *at = in + 16 * half;
        __m256 a = two_halves(at, 4 * is), b = two_halves(at + is, 4 * is);
        __m256 c = two_halves(at + 2 * is, 4 * is);
        __m256 d = two_halves(at + 3 * is, 4 * is);
        __m256 ab = _mm256_unpacklo_ps(a, b), cd = _mm256_unpacklo_ps(c, d);
        __m256 ef = _mm256_unpackhi_ps(a, b), gh = _mm256_unpackhi_ps(c, d);
        float *to = (float *)(void *)(out + 4 * half * os);
        int64_t step = os / 4;
        _mm256_storeu_ps(to, _mm256_shuffle_ps(ab, cd, 0x44));
        _mm256_storeu_ps(to + step, _mm256_shuffle_ps(ab, cd, 0xee));
        _mm256_storeu_ps(to + 2 * step, _mm256_shuffle_ps(ef, gh, 0x44));
        _mm256_storeu_ps(to + 3 * step, _mm256_shuffle_ps(ef, gh, 0xee));
    }
}

static void transpose_4(char *out, int64_t out_stride, const char *in,
                        int64_t in_stride, int rows, int columns)
{
    int r = rows & ~7, c = columns & ~7;
    for (int j = 0; j < c; j += 8) {
        for (int i = 0; i < r; i += 8) {
            transpose_8x8(out + j * out_stride + 4 * i, out_stride,
                          in + i * in_stride + 4 * j, in_stride);
        }
    }
    for (int i = 0; i < rows; i++) {
        const uint32_t *from =
            (const uint32_t *)(const void *)(in + i * in_stride);
        for (int j = i < r ? c : 0; j < columns; j++) {
            ((uint32_t *)(void *)(out + j * out_stride))[i] = from[j];
        }
    }
}
#else
static void transpose_4(char *out, int64_t out_stride, const char *in,
                        int64_t in_stride, int rows, int columns)
{
    do {
        TRANSPOSE(uint32_t);
    } while (0);
}
#endif

static void transpose(char *out, int64_t out_stride, const char *in,
                      int64_t in_stride, int rows, int columns, int size)
{
    switch (size) {
    case 1: TRANSPOSE(uint8_t);
    case 2: TRANSPOSE(uint16_t);
    case 4:
        transpose_4(out, out_stride, in, in_stride, rows, columns);
        break;
    default: TRANSPOSE(uint64_t);
    }
}

#if defined(__x86_64__)
/* In as few instructions as there are for it: what looks ahead gets further. */
static inline void stream_line(char *out, const char *in)
{
#if defined(__AVX512F__)
    _mm512_stream_si512((void *)out, _mm512_loadu_si512(in));
#elif defined(__AVX2__)
    for (int i = 0; i < 2; i++) {
        _mm256_stream_si256((__m256i *)(void *)out + i,
                            _mm256_loadu_si256(
                                (const __m256i *)(const void *)in + i));
    }
#else
    for (int i = 0; i < 4; i++) {
        _mm_stream_si128((__m128i *)(void *)out + i,
                         _mm_loadu_si128(
                             (const __m128i *)(const void *)in + i));
    }
#endif
}
#endif

static void stream(char *out, const char *in, int64_t bytes)
{
#if defined(__x86_64__)
    int64_t head = (int64_t)(-(uintptr_t)out & 63);
    head = head < bytes ? head : bytes;
    if (head > 0) {
        memcpy(out, in, (size_t)head);
        out += head;
        in += head;
        bytes -= head;
    }
    for (; bytes >= 64; bytes -= 64, out += 64, in += 64) {
        stream_line(out, in);
    }
    if (bytes == 0) {
        return;
    }
#endif
    memcpy(out, in, (size_t)bytes);
}

static void count_floats(double *out, double start, double step, int64_t first,
                         int n)
{
    const double from = (double)first;
    for (int i = 0; i < n; i++) {
        out[i] = start + (from + (double)i) * step;
    }
}

static void count_ints(int64_t *out, int64_t start, int64_t step, int64_t n)
{
    uint64_t v = (uint64_t)start;
    for (int64_t i = 0; i < n; i++) {
        out[i] = (int64_t)(v + (uint64_t)i * (uint64_t)step);
    }
}

#define ROW(s)                                                                 \
    {                                                                          \
        [RT_BOOL] = s##_bool, [RT_UINT8] = s##_u8, [RT_INT32] = s##_i32,       \
        [RT_INT64] = s##_i64, [RT_FLOAT16] = s##_f16,                          \
        [RT_BFLOAT16] = s##_bf16, [RT_FLOAT32] = s##_f32,                      \
        [RT_FLOAT64] = s##_f64,                                                \
    }

#define FROM_HALF                                                              \
    {                                                                          \
        [RT_BOOL] = f16_bool, [RT_UINT8] = f16_u8, [RT_INT32] = f16_i32,       \
        [RT_INT64] = f16_i64, [RT_FLOAT16] = f16_f16,                          \
        [RT_BFLOAT16] = f16_bf16, [RT_FLOAT32] = dense_f16_f32,                \
        [RT_FLOAT64] = f16_f64,                                                \
    }
#define FROM_FLOAT32                                                           \
    {                                                                          \
        [RT_BOOL] = f32_bool, [RT_UINT8] = f32_u8, [RT_INT32] = f32_i32,       \
        [RT_INT64] = f32_i64, [RT_FLOAT16] = dense_f32_f16,                    \
        [RT_BFLOAT16] = f32_bf16, [RT_FLOAT32] = f32_f32,                      \
        [RT_FLOAT64] = f32_f64,                                                \
    }

const rt__convert_table RT_ISA_NAME(convert) = {
    .fn = {
        [RT_BOOL] = ROW(u8), [RT_UINT8] = ROW(u8), [RT_INT32] = ROW(i32),
        [RT_INT64] = ROW(i64), [RT_FLOAT16] = FROM_HALF,
        [RT_BFLOAT16] = ROW(bf16), [RT_FLOAT32] = FROM_FLOAT32,
        [RT_FLOAT64] = ROW(f64),
    },
    .transpose = transpose,
    .stream = stream,
    .count_floats = count_floats,
    .count_ints = count_ints,
};

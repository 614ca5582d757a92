/* SPDX-License-Identifier: MIT
 * Conversion between all pairs of element types, and small transposes;
 * compiled per instruction set.
 */
#include "runtime/ops/cpu/isa.h"
#include "runtime/ops/cpu/vec_half.h"

/* Floats to integers go through int64, so that -1.0 becomes 255 in uint8 on
 * every instruction set. */
#define IDENTITY(v) (v)
#define TO_BOOL(v) ((v) != 0)
#define INT_TO_HALF(v) v_to_half((float)(v))
#define INT_TO_BF16(v) v_to_bfloat16((float)(v))
#define FROM_F16(v) v_from_half(v)
#define FROM_BF16(v) v_from_bfloat16(v)
#define FLOAT_TO_U8(v) (uint8_t)(int64_t)(v)
#define FLOAT_TO_I32(v) (int32_t)(v)
#define FLOAT_TO_I64(v) (int64_t)(v)

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

#define TRANSPOSE(T)                                                           \
    for (int i = 0; i < rows; i++) {                                           \
        const T *from = (const T *)(const void *)(in + i * in_stride);         \
        for (int j = 0; j < columns; j++) {                                    \
            ((T *)(void *)(out + j * out_stride))[i] = from[j];                \
        }                                                                      \
    }                                                                          \
    break

static void transpose(char *out, int64_t out_stride, const char *in,
                      int64_t in_stride, int rows, int columns, int size)
{
    switch (size) {
    case 1: TRANSPOSE(uint8_t);
    case 2: TRANSPOSE(uint16_t);
    case 4: TRANSPOSE(uint32_t);
    default: TRANSPOSE(uint64_t);
    }
}

#define ROW(s)                                                                 \
    {                                                                          \
        [RT_BOOL] = s##_bool, [RT_UINT8] = s##_u8, [RT_INT32] = s##_i32,       \
        [RT_INT64] = s##_i64, [RT_FLOAT16] = s##_f16,                          \
        [RT_BFLOAT16] = s##_bf16, [RT_FLOAT32] = s##_f32,                      \
        [RT_FLOAT64] = s##_f64,                                                \
    }

const rt__convert_table RT_ISA_NAME(convert) = {
    .fn = {
        [RT_BOOL] = ROW(u8), [RT_UINT8] = ROW(u8), [RT_INT32] = ROW(i32),
        [RT_INT64] = ROW(i64), [RT_FLOAT16] = ROW(f16),
        [RT_BFLOAT16] = ROW(bf16), [RT_FLOAT32] = ROW(f32),
        [RT_FLOAT64] = ROW(f64),
    },
    .transpose = transpose,
};

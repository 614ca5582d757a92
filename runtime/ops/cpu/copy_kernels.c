/* SPDX-License-Identifier: MIT
 * Copies of planes, rows of elements at any strides; compiled per instruction
 * set. Short rows are moved by their first and their last bytes, in vectors
 * that overlap: no loop and no call for each.
 */
#include "runtime/ops/cpu/isa.h"

#include "runtime/base/loops.h"

#include <string.h>

#define LONG_ROW 1024      /* bytes from which on a call a row costs nothing */

#define BYTES(n)                                                               \
    typedef uint8_t bytes##n                                                   \
        __attribute__((vector_size(n), aligned(1), may_alias))
BYTES(4);
BYTES(8);
BYTES(16);
BYTES(32);
BYTES(64);

/* Rows of n to 2 n bytes. */
#define BOTH_ENDS(n)                                                           \
    for (int64_t r = 0; r < rows; r++, out += os, in += is) {                  \
        bytes##n first = *(const bytes##n *)in;                                \
        bytes##n last = *(const bytes##n *)(in + width - (n));                 \
        *(bytes##n *)out = first;                                              \
        *(bytes##n *)(out + width - (n)) = last;                               \
    }

static void copy_wide_rows(char *out, int64_t os, const char *in, int64_t is,
                           int64_t width, int64_t rows)
{
    for (int64_t r = 0; r < rows; r++, out += os, in += is) {
        bytes64 last = *(const bytes64 *)(in + width - 64);
        for (int64_t at = 0; at < width - 64; at += 64) {
            *(bytes64 *)(out + at) = *(const bytes64 *)(in + at);
        }
        *(bytes64 *)(out + width - 64) = last;
    }
}

/* Rows of `width` bytes. */
static void copy_dense_rows(char *out, int64_t os, const char *in, int64_t is,
                            int64_t width, int64_t rows)
{
    if (width >= LONG_ROW) {
        for (int64_t r = 0; r < rows; r++) {
            memcpy(out + r * os, in + r * is, (size_t)width);
        }
    } else if (width > 128) {
        copy_wide_rows(out, os, in, is, width, rows);
    } else if (width >= 64) {
        BOTH_ENDS(64)
    } else if (width >= 32) {
        BOTH_ENDS(32)
    } else if (width >= 16) {
        BOTH_ENDS(16)
    } else if (width >= 8) {
        BOTH_ENDS(8)
    } else if (width >= 4) {
        BOTH_ENDS(4)
    } else {
        for (int64_t r = 0; r < rows; r++, out += os, in += is) {
            for (int64_t at = 0; at < width; at++) {
                out[at] = in[at];
            }
        }
    }
}

/* A few columns: the compiler knows how many. */
#define COLUMNS(T, n)                                                          \
    for (int64_t r = 0; r < n1; r++, out += os[1], in += is[1]) {              \
        _Pragma("GCC unroll 4")                                                \
        for (int64_t k = 0; k < (n); k++) {                                    \
            *(T *)(void *)(out + k * step) =                                   \
                *(const T *)(const void *)(in + k * from);                     \
        }                                                                      \
    }                                                                          \
    break

#define PLANE(T)                                                               \
    /* One element a row, repeated. */                                         \
    static void repeat_##T(char *out, int64_t os, const char *in, int64_t is,  \
                           int64_t n0, int64_t n1)                             \
    {                                                                          \
        typedef T all __attribute__((vector_size(32), aligned(1), may_alias)); \
        int64_t width = n0 * (int64_t)sizeof(T);                               \
        for (int64_t r = 0; r < n1; r++, out += os, in += is) {                \
            T v = *(const T *)(const void *)in, *to = (T *)(void *)out;        \
            if (width < 32) {                                                  \
                for (int64_t k = 0; k < n0; k++) {                             \
                    to[k] = v;                                                 \
                }                                                              \
                continue;                                                      \
            }                                                                  \
            all vs = (all){0} + v;                                             \
            for (int64_t at = 0; at < width - 32; at += 32) {                  \
                *(all *)(out + at) = vs;                                       \
            }                                                                  \
            *(all *)(out + width - 32) = vs;                                   \
        }                                                                      \
    }                                                                          \
    static void turn_##T(char *out, int64_t os, const char *in, int64_t is,    \
                         int64_t n0, int64_t n1)                               \
    {                                                                          \
        for (int64_t r = 0; r < n1; r++, out += os, in += is) {                \
            const T *from = (const T *)(const void *)in;                       \
            T *to = (T *)(void *)out;                                          \
            RT_VECTORISE                                                       \
            for (int64_t k = 0; k < n0; k++) {                                 \
                to[k] = from[-k];                                              \
            }                                                                  \
        }                                                                      \
    }                                                                          \
    static void spread_##T(char *out, const int64_t *os, const char *in,       \
                           const int64_t *is, int64_t n0, int64_t n1)          \
    {                                                                          \
        int64_t step = os[0], from = is[0];                                    \
        switch (n0) {                                                          \
        case 1: COLUMNS(T, 1);                                                 \
        case 2: COLUMNS(T, 2);                                                 \
        case 3: COLUMNS(T, 3);                                                 \
        case 4: COLUMNS(T, 4);                                                 \
        default: COLUMNS(T, n0);                                               \
        }                                                                      \
    }                                                                          \
    static void plane_##T(char *out, const int64_t *os, const char *in,        \
                          const int64_t *is, int64_t n0, int64_t n1)           \
    {                                                                          \
        const int64_t size = (int64_t)sizeof(T);                               \
        if (os[0] != size) {                                                   \
            spread_##T(out, os, in, is, n0, n1);                               \
        } else if (is[0] == size) {                                            \
            copy_dense_rows(out, os[1], in, is[1], n0 * size, n1);             \
        } else if (is[0] == 0) {                                               \
            repeat_##T(out, os[1], in, is[1], n0, n1);                         \
        } else if (is[0] == -size) {                                           \
            turn_##T(out, os[1], in, is[1], n0, n1);                           \
        } else {                                                               \
            spread_##T(out, os, in, is, n0, n1);                               \
        }                                                                      \
    }
PLANE(uint8_t)
PLANE(uint16_t)
PLANE(uint32_t)
PLANE(uint64_t)

const rt__copy_table RT_ISA_NAME(copy) = {
    {plane_uint8_t, plane_uint16_t, plane_uint32_t, plane_uint64_t},
};

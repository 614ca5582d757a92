/* SPDX-License-Identifier: MIT
 * Integer matrix products: tiles of C in registers over panels of B, which are
 * read as they are where their rows are dense. Compiled per instruction set.
 */
#include "runtime/ops/cpu/igemm_kernels.h"

#include <string.h>

#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX2__)
#define WIDTH 32
#else
#define WIDTH 16
#endif

enum { ROWS = 4, DEPTH = 256 };   /* of a tile; steps of k of a panel */
enum { FEW = 16 };    /* rows, each of which goes by dot products */
enum { LENGTH = 1 << 18 };   /* of a dot product between looks for interrupts */

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 4")

/* Products of unsigned numbers T, which wrap, in tiles of two vectors. */
#define KERNEL(name, T)                                                        \
    typedef T name##_vec __attribute__((vector_size(WIDTH)));                  \
    typedef T name##_loose                                                     \
        __attribute__((vector_size(WIDTH), aligned(sizeof(T)), may_alias));    \
    enum { name##_VL = WIDTH / sizeof(T), name##_NR = 2 * name##_VL };         \
                                                                               \
    /* h rows of a panel; c is w columns wide and is added to. */              \
    INLINE void name##_tile(const int h, int64_t k, const T *a, int64_t ars,   \
                            int64_t acs, const T *b, int64_t bks, T *c,        \
                            int64_t ldc, int w, bool add)                      \
    {                                                                          \
        name##_vec s[ROWS][2] = {{{0}}};                                       \
        for (int64_t p = 0; p < k; p++, a += acs, b += bks) {                  \
            name##_vec y0 = *(const name##_loose *)b;                          \
            name##_vec y1 = *(const name##_loose *)(b + name##_VL);            \
            UNROLL for (int i = 0; i < h; i++)                                 \
            {                                                                  \
                s[i][0] += a[i * ars] * y0;                                    \
                s[i][1] += a[i * ars] * y1;                                    \
            }                                                                  \
        }                                                                      \
        for (int i = 0; i < h; i++) {                                          \
            T sum[name##_NR];                                                  \
            memcpy(sum, s[i], sizeof sum);                                     \
            for (int j = 0; j < w; j++) {                                      \
                c[i * ldc + j] = (add ? c[i * ldc + j] : 0) + sum[j];          \
            }                                                                  \
        }                                                                      \
    }                                                                          \
                                                                               \
    /* All rows of C below a panel of B. */                                    \
    static void name##_rows(int64_t m, int64_t k, const T *a, int64_t ars,     \
                            int64_t acs, const T *b, int64_t bks, T *c,        \
                            int64_t ldc, int w, bool add)                      \
    {                                                                          \
        int64_t i = 0;                                                         \
        for (; i + ROWS <= m; i += ROWS) {                                     \
            name##_tile(ROWS, k, a + i * ars, ars, acs, b, bks, c + i * ldc,   \
                        ldc, w, add);                                          \
        }                                                                      \
        for (; i < m; i++) {                                                   \
            name##_tile(1, k, a + i * ars, ars, acs, b, bks, c + i * ldc, ldc, \
                        w, add);                                               \
        }                                                                      \
    }                                                                          \
                                                                               \
    static void name##_pack(T *to, const T *b, int64_t brs, int64_t bcs,       \
                            int w, int64_t k)                                  \
    {                                                                          \
        memset(to, 0, (size_t)(k * name##_NR) * sizeof *to);                   \
        for (int64_t p = 0; p < k; p++, to += name##_NR) {                     \
            for (int j = 0; j < w; j++) {                                      \
                to[j] = b[p * brs + j * bcs];                                  \
            }                                                                  \
        }                                                                      \
    }                                                                          \
                                                                               \
    /* y = or += dense rows of a matrix times x. */                            \
    static void name##_dots(int64_t rows, int64_t k, const T *row, int64_t rs, \
                            const T *x, T *y, int64_t inc, bool add)           \
    {                                                                          \
        for (int64_t i = 0; i < rows; i++, row += rs, y += inc) {              \
            T sum = add ? *y : 0;                                              \
            for (int64_t p = 0; p < k; p += LENGTH) {                          \
                int64_t end = k - p < LENGTH ? k : p + LENGTH;                 \
                if (rt_interrupted()) {                                        \
                    return;                                                    \
                }                                                              \
                for (int64_t q = p; q < end; q++) {                            \
                    sum += row[q] * x[q];                                      \
                }                                                              \
            }                                                                  \
            *y = sum;                                                          \
        }                                                                      \
    }                                                                          \
                                                                               \
    static void name(const rt__gemm *g)                                        \
    {                                                                          \
        T panel[DEPTH * name##_NR] __attribute__((aligned(64)));               \
        const T *a = (const T *)g->a, *b = (const T *)g->b;                    \
        if (g->acs == 1 && g->brs == 1 && g->n == 1) {                         \
            name##_dots(g->m, g->k, a, g->ars, b, (T *)g->c, g->crs,           \
                        g->accumulate);                                        \
            return;                                                            \
        }                                                                      \
        if (g->acs == 1 && g->brs == 1 && g->m <= FEW) {                       \
            for (int64_t i = 0; i < g->m; i++) {                               \
                name##_dots(g->n, g->k, b, g->bcs, a + i * g->ars,             \
                            (T *)g->c + i * g->crs, 1, g->accumulate);         \
            }                                                                  \
            return;                                                            \
        }                                                                      \
        for (int64_t j = 0; j < g->n; j += name##_NR) {                        \
            int w = g->n - j < name##_NR ? (int)(g->n - j) : name##_NR;        \
            for (int64_t p = 0; p < g->k; p += DEPTH) {                        \
                int64_t deep = g->k - p < DEPTH ? g->k - p : DEPTH;            \
                const T *from = b + p * g->brs + j * g->bcs;                   \
                int64_t step = g->brs;                                         \
                if (rt_interrupted()) {                                        \
                    return;                                                    \
                }                                                              \
                if (g->bcs != 1 || w < name##_NR) {                            \
                    name##_pack(panel, from, g->brs, g->bcs, w, deep);         \
                    from = panel;                                              \
                    step = name##_NR;                                          \
                }                                                              \
                name##_rows(g->m, deep, a + p * g->acs, g->ars, g->acs, from,  \
                            step, (T *)g->c + j, g->crs, w,                    \
                            g->accumulate || p > 0);                           \
            }                                                                  \
        }                                                                      \
    }
KERNEL(of_int32, uint32_t)
KERNEL(of_int64, uint64_t)

const rt__igemm_table RT_ISA_NAME(igemm) = {.int32 = of_int32,
                                            .int64 = of_int64};

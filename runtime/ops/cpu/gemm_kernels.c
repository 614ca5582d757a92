/* SPDX-License-Identifier: MIT
 *
 * Own matrix product, for machines without OpenBLAS and for its tests: panels
 * of both operands are packed so that the inner kernel reads memory in order,
 * and a tile of c stays in registers while it runs over k. Compiled per
 * instruction set.
 */
#pragma GCC optimize("fp-contract=fast")   /* products and sums fuse here */

#include "runtime/ops/cpu/gemm_kernels.h"
#include "runtime/ops/cpu/vec.h"

/* Registers of the machine: wider vectors would live in memory. */
#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX__)
#define WIDTH 32
#else
#define WIDTH 16
#endif
typedef float vec_f32 __attribute__((vector_size(WIDTH), aligned(4)));
typedef double vec_f64 __attribute__((vector_size(WIDTH), aligned(8)));

#define MR 6          /* rows of a register tile; two vectors wide */
#define KC 256        /* depth of a packed panel */
#define MC 96         /* rows of a packed block of a: a multiple of MR */
#define NC 512        /* columns of a packed block of b */

#define GEMM(suffix, T, V, LANES)                                              \
    enum { NR_##suffix = 2 * (LANES) };                                        \
                                                                               \
    /* [k][MR] groups of a's rows, zero beyond the last. */                    \
    static void pack_a_##suffix(T *to, const rt__gemm *g, int64_t row,         \
                                int64_t rows, int64_t k0, int64_t depth)       \
    {                                                                          \
        const T *x = (const T *)(const void *)g->a + row * g->ars +            \
                     k0 * g->acs;                                              \
        for (int64_t i = 0; i < rows; i += MR) {                               \
            for (int64_t k = 0; k < depth; k++) {                              \
                for (int64_t r = 0; r < MR; r++) {                             \
                    *to++ = i + r < rows                                       \
                                ? x[(i + r) * g->ars +                         \
                                    k * g->acs]                                \
                                : 0;                                           \
                }                                                              \
            }                                                                  \
        }                                                                      \
    }                                                                          \
                                                                               \
    /* [k][NR] groups of b's columns, zero beyond the last. */                 \
    static void pack_b_##suffix(T *to, const rt__gemm *g, int64_t column,      \
                                int64_t columns, int64_t k0, int64_t depth)    \
    {                                                                          \
        const T *x = (const T *)(const void *)g->b + column * g->bcs +         \
                     k0 * g->brs;                                              \
        for (int64_t j = 0; j < columns; j += NR_##suffix) {                   \
            for (int64_t k = 0; k < depth; k++) {                              \
                for (int64_t c = 0; c < NR_##suffix; c++) {                    \
                    *to++ = j + c < columns                                    \
                                ? x[k * g->brs +                               \
                                    (j + c) * g->bcs]                          \
                                : 0;                                           \
                }                                                              \
            }                                                                  \
        }                                                                      \
    }                                                                          \
                                                                               \
    static void tile_##suffix(const T *a, const T *b, int64_t depth, T *c,     \
                              int64_t stride, int64_t rows, int64_t columns,   \
                              bool add)                                        \
    {                                                                          \
        V acc[MR][2] = {{{0}}};                                                \
        for (int64_t k = 0; k < depth; k++, a += MR, b += NR_##suffix) {       \
            V b0 = *(const V *)(const void *)b;                                \
            V b1 = *(const V *)(const void *)(b + (LANES));                    \
            _Pragma("GCC unroll 6")                                            \
            for (int r = 0; r < MR; r++) {                                     \
                acc[r][0] += a[r] * b0;                                        \
                acc[r][1] += a[r] * b1;                                        \
            }                                                                  \
        }                                                                      \
        for (int64_t r = 0; r < rows; r++) {                                   \
            const T *from = (const T *)&acc[r];                                \
            for (int64_t j = 0; j < columns; j++) {                            \
                c[r * stride + j] = (add ? c[r * stride + j] : 0) + from[j];   \
            }                                                                  \
        }                                                                      \
    }                                                                          \
                                                                               \
    static void gemm_##suffix(const rt__gemm *g, void *room)                   \
    {                                                                          \
        int64_t m = g->m, n = g->n, depth = g->k, stride = g->crs;             \
        T *c = (T *)(void *)g->c, *pa = room, *pb = pa + MC * KC;              \
        for (int64_t i = 0; depth == 0 && !g->accumulate && i < m; i++) {      \
            memset(c + i * stride, 0, (size_t)n * sizeof *c);                  \
        }                                                                      \
        for (int64_t j0 = 0; j0 < n; j0 += NC) {                               \
            int64_t nj = n - j0 < NC ? n - j0 : NC;                            \
            for (int64_t k0 = 0; k0 < depth; k0 += KC) {                       \
                int64_t nk = depth - k0 < KC ? depth - k0 : KC;                \
                pack_b_##suffix(pb, g, j0, nj, k0, nk);                        \
                for (int64_t i0 = 0; i0 < m; i0 += MC) {                       \
                    int64_t ni = m - i0 < MC ? m - i0 : MC;                    \
                    pack_a_##suffix(pa, g, i0, ni, k0, nk);                    \
                    for (int64_t j = 0; j < nj; j += NR_##suffix) {            \
                        for (int64_t i = 0; i < ni; i += MR) {                 \
                            tile_##suffix(                                     \
                                pa + i * nk, pb + j * nk, nk,                  \
                                c + (i0 + i) * stride + j0 + j, stride,        \
                                ni - i < MR ? ni - i : MR,                     \
                                nj - j < NR_##suffix ? nj - j : NR_##suffix,   \
                                g->accumulate || k0 > 0);                      \
                        }                                                      \
                    }                                                          \
                }                                                              \
            }                                                                  \
        }                                                                      \
    }
GEMM(f32, float, vec_f32, WIDTH / 4)
GEMM(f64, double, vec_f64, WIDTH / 8)

_Static_assert((MC * KC + KC * (NC + 32)) * sizeof(double) <= RT_GEMM_ROOM,
               "the packed blocks fit into the room");

const rt__gemm_table RT_ISA_NAME(gemm) = {
    .packed = {[RT_FLOAT32] = gemm_f32, [RT_FLOAT64] = gemm_f64},
};

/* SPDX-License-Identifier: MIT
 *
 * Own float64 matrix product, for machines without OpenBLAS and for its tests:
 * panels of both operands are packed so that the inner kernel reads memory in
 * order, and a tile of c stays in registers while it runs over k. Compiled per
 * instruction set.
 */
#ifdef __clang__               /* products and sums fuse here */
#pragma clang fp contract(fast)
#else
#pragma GCC optimize("fp-contract=fast")
#endif

#include "runtime/ops/cpu/dgemm_kernels.h"
#include "runtime/ops/cpu/vec.h"

/* Registers of the machine: wider vectors would live in memory. */
#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX__)
#define WIDTH 32
#else
#define WIDTH 16
#endif
typedef double vec __attribute__((vector_size(WIDTH), aligned(8)));

enum {
    LANES = WIDTH / 8,
    MR = 6, NR = 2 * LANES,    /* a register tile */
    KC = 256,                  /* depth of a packed panel */
    MC = 96,                   /* rows of a packed block of a, in whole tiles */
    NC = 512,                  /* columns of a packed block of b */
};

static int64_t least(int64_t x, int64_t y)
{
    return x < y ? x : y;
}

/* Panels of `width` lanes, `along` apart in the source, `depth` steps of `deep`
 * each; 0 beyond the last lane. */
static inline __attribute__((always_inline)) void
pack(double *to, int64_t width, const double *from, int64_t lanes,
     int64_t along, int64_t deep, int64_t depth)
{
    for (int64_t i = 0; i < lanes; i += width) {
        for (int64_t k = 0; k < depth; k++) {
            for (int64_t r = 0; r < width; r++) {
                *to++ = i + r < lanes ? from[(i + r) * along + k * deep] : 0;
            }
        }
    }
}

static void tile(const double *a, const double *b, int64_t depth, double *c,
                 int64_t stride, int64_t rows, int64_t columns, bool add)
{
    vec acc[MR][2] = {{{0}}};
    for (int64_t k = 0; k < depth; k++, a += MR, b += NR) {
        vec b0 = *(const vec *)b, b1 = *(const vec *)(b + LANES);
        _Pragma("GCC unroll 6")
        for (int r = 0; r < MR; r++) {
            acc[r][0] += a[r] * b0;
            acc[r][1] += a[r] * b1;
        }
    }
    for (int64_t r = 0; r < rows; r++) {
        const double *from = (const double *)&acc[r];
        for (int64_t j = 0; j < columns; j++) {
            c[r * stride + j] = (add ? c[r * stride + j] : 0) + from[j];
        }
    }
}

/* All tiles of a packed block. */
static void block(const double *a, const double *b, int64_t depth, double *c,
                  int64_t stride, int64_t rows, int64_t columns, bool add)
{
    for (int64_t j = 0; j < columns; j += NR) {
        for (int64_t i = 0; i < rows; i += MR) {
            tile(a + i * depth, b + j * depth, depth, c + i * stride + j,
                 stride, least(rows - i, MR), least(columns - j, NR), add);
        }
    }
}

static void packed(const rt__gemm *g, void *room)
{
    const double *a = (const double *)g->a, *b = (const double *)g->b;
    double *c = (double *)g->c, *pa = room, *pb = pa + MC * KC;
    for (int64_t i = 0; g->k == 0 && !g->accumulate && i < g->m; i++) {
        memset(c + i * g->crs, 0, (size_t)g->n * sizeof *c);
    }
    for (int64_t j = 0; j < g->n; j += NC) {
        int64_t nj = least(g->n - j, NC);
        for (int64_t k = 0; k < g->k; k += KC) {
            int64_t nk = least(g->k - k, KC);
            pack(pb, NR, b + k * g->brs + j * g->bcs, nj, g->bcs, g->brs, nk);
            for (int64_t i = 0; i < g->m; i += MC) {
                int64_t ni = least(g->m - i, MC);
                pack(pa, MR, a + i * g->ars + k * g->acs, ni, g->ars, g->acs,
                     nk);
                block(pa, pb, nk, c + i * g->crs + j, g->crs, ni, nj,
                      g->accumulate || k > 0);
            }
        }
    }
}

_Static_assert((MC * KC + KC * (NC + NR)) * sizeof(double) <= RT_DGEMM_ROOM,
               "the packed blocks fit into the room");

const rt__dgemm_table RT_ISA_NAME(dgemm) = {.packed = packed};

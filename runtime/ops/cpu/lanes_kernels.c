/* SPDX-License-Identifier: MIT
 * Convolution kernels whose lanes are images; compiled per instruction set.
 */
#include "runtime/ops/cpu/lanes.h"
#include "runtime/ops/cpu/wide.h"

#if defined(__AVX512F__)
enum { PIXELS = 4, PLANES = 4, TAPS = 6 };
#else
enum { PIXELS = 2, PLANES = 3, TAPS = 3 };   /* 16 registers */
#endif
#define UNROLL _Pragma("GCC unroll 8")

/* --- forward ------------------------------------------------------------- */

#define PRODUCTS(H)                                                            \
    static void products_##H(const rt__taps *t, const float *const *x,         \
                             const float *w, const float *b, float *out,       \
                             int64_t step)                                     \
    {                                                                          \
        wide s[H][PIXELS];                                                     \
        UNROLL for (int i = 0; i < H; i++)                                     \
        {                                                                      \
            UNROLL for (int j = 0; j < PIXELS; j++) { s[i][j] = w_all(b[i]); } \
        }                                                                      \
        for (int64_t c = 0; c < t->channels; c++) {                            \
            for (int64_t y = 0; y < t->down; y++) {                            \
                const float *u = w + c * t->w_channel + y * t->w_down;         \
                int64_t at = c * t->x_channel + y * t->x_down;                 \
                for (int64_t k = 0; k < t->across; k++) {                      \
                    wide v[PIXELS];                                            \
                    UNROLL for (int j = 0; j < PIXELS; j++)                    \
                    {                                                          \
                        v[j] = w_load(x[j] + at);                              \
                    }                                                          \
                    UNROLL for (int i = 0; i < H; i++)                         \
                    {                                                          \
                        wide f = w_all(u[i]);                                  \
                        UNROLL for (int j = 0; j < PIXELS; j++)                \
                        {                                                      \
                            s[i][j] = w_fma(f, v[j], s[i][j]);                 \
                        }                                                      \
                    }                                                          \
                    at += t->x_across;                                         \
                    u += t->w_across;                                          \
                }                                                              \
            }                                                                  \
        }                                                                      \
        UNROLL for (int i = 0; i < H; i++)                                     \
        {                                                                      \
            UNROLL for (int j = 0; j < PIXELS; j++)                            \
            {                                                                  \
                w_store(out + i * step + j * WIDE, s[i][j]);                   \
            }                                                                  \
        }                                                                      \
    }
PRODUCTS(1) PRODUCTS(2) PRODUCTS(3) PRODUCTS(4) PRODUCTS(5) PRODUCTS(6)

static void products(int h, const rt__taps *t, const float *const *x,
                     const float *w, const float *b, float *out, int64_t step)
{
    static void (*const by_rows[RT_LANES_ROWS])(
        const rt__taps *, const float *const *, const float *, const float *,
        float *, int64_t) = {products_1, products_2, products_3,
                             products_4, products_5, products_6};
    by_rows[h - 1](t, x, w, b, out, step);
}

/* --- gradient of the weight ---------------------------------------------- */

V_INLINE void sums_of(int h, int n, int64_t rows, int64_t columns,
                      const float *g, int64_t plane, const float *const *x,
                      int64_t down, int64_t across, float *sums, int64_t ld)
{
    wide s[PLANES][TAPS];
    UNROLL for (int i = 0; i < h; i++)
    {
        UNROLL for (int j = 0; j < n; j++)
        {
            s[i][j] = w_load(sums + (i * ld + j) * WIDE);
        }
    }
    for (int64_t y = 0; y < rows; y++) {
        int64_t at = y * down;
        for (int64_t p = 0; p < columns; p++, at += across, g += WIDE) {
            wide v[TAPS];
            UNROLL for (int j = 0; j < n; j++) { v[j] = w_load(x[j] + at); }
            UNROLL for (int i = 0; i < h; i++)
            {
                wide f = w_load(g + i * plane);
                UNROLL for (int j = 0; j < n; j++)
                {
                    s[i][j] = w_fma(f, v[j], s[i][j]);
                }
            }
        }
    }
    UNROLL for (int i = 0; i < h; i++)
    {
        UNROLL for (int j = 0; j < n; j++)
        {
            w_store(sums + (i * ld + j) * WIDE, s[i][j]);
        }
    }
}

#define SUMS(H, N)                                                             \
    static void sums_##H##_##N(int64_t rows, int64_t columns, const float *g,  \
                               int64_t plane, const float *const *x,           \
                               int64_t down, int64_t across, float *sums,      \
                               int64_t ld)                                     \
    {                                                                          \
        sums_of(H, N, rows, columns, g, plane, x, down, across, sums, ld);     \
    }
#define SUMS_3(N) SUMS(1, N) SUMS(2, N) SUMS(3, N)
SUMS_3(1) SUMS_3(2) SUMS_3(3)
#if defined(__AVX512F__)
SUMS_3(4) SUMS_3(5) SUMS_3(6)
SUMS(4, 1) SUMS(4, 2) SUMS(4, 3) SUMS(4, 4) SUMS(4, 5) SUMS(4, 6)
#endif

typedef void (*sums_fn)(int64_t rows, int64_t columns, const float *g,
                        int64_t plane, const float *const *x, int64_t down,
                        int64_t across, float *sums, int64_t ld);

#if defined(__AVX512F__)
#define EACH(H)                                                                \
    {sums_##H##_1, sums_##H##_2, sums_##H##_3,                                 \
     sums_##H##_4, sums_##H##_5, sums_##H##_6}
static const sums_fn by_size[PLANES][TAPS] = {EACH(1), EACH(2), EACH(3),
                                              EACH(4)};
#else
#define EACH(H) {sums_##H##_1, sums_##H##_2, sums_##H##_3}
static const sums_fn by_size[PLANES][TAPS] = {EACH(1), EACH(2), EACH(3)};
#endif

static void sums(int h, int n, int64_t rows, int64_t columns, const float *g,
                 int64_t plane, const float *const *x, int64_t down,
                 int64_t across, float *sums, int64_t ld)
{
    by_size[h - 1][n - 1](rows, columns, g, plane, x, down, across, sums, ld);
}

static void join(float *out, const float *sums, int64_t chain, int64_t chains,
                 int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        wide s = w_load(sums + i * WIDE);
        float lane[WIDE];
        for (int64_t c = 1; c < chains; c++) {
            s += w_load(sums + c * chain + i * WIDE);
        }
        w_store(lane, s);
        UNROLL for (int half = WIDE / 2; half; half /= 2)
        {
            for (int l = 0; l < half; l++) {
                lane[l] += lane[l + half];
            }
        }
        out[i] = lane[0];
    }
}

const rt__lanes_table RT_ISA_NAME(lanes) = {
    .lanes = WIDE,
    .pixels = PIXELS,
    .planes = PLANES,
    .taps = TAPS,
    .products = products,
    .sums = sums,
    .join = join,
};

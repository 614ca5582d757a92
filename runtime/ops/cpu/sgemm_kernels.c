/* SPDX-License-Identifier: MIT
 * Float32 matrix product kernels on vectors of the instruction set's width;
 * compiled per instruction set.
 */
#include "runtime/ops/cpu/sgemm_kernels.h"
#include "runtime/ops/cpu/square.h"

#include <string.h>

#if defined(__FMA__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { VL = 16, MR = 14 };
#elif defined(__AVX2__)
enum { VL = 8, MR = 6 };
#else
enum { VL = 4, MR = 6 };
#endif
enum { NR = 2 * VL };
/* Tiles of twice the columns, whose loads are fewer, where so few rows of B
 * stay in L1; with AVX-512 only, whose registers hold them. */
enum { BROAD = 2 * NR, BROAD_MR = 4, BROAD_DEPTH = 64 };

typedef float vec __attribute__((vector_size(VL * 4)));
typedef float loose __attribute__((vector_size(VL * 4), aligned(4)));

#define INLINE static inline __attribute__((always_inline))
#define UNROLL_ALL _Pragma("GCC unroll 16")

INLINE vec load(const float *p)
{
    return *(const loose *)p;
}

INLINE void store(float *p, vec v)
{
    *(loose *)p = v;
}

/* x * y + s, rounded once where the machine can. */
INLINE vec fused(vec x, vec y, vec s)
{
#if defined(__AVX512F__)
    return (vec)_mm512_fmadd_ps((__m512)x, (__m512)y, (__m512)s);
#elif defined(__FMA__)
    return (vec)_mm256_fmadd_ps((__m256)x, (__m256)y, (__m256)s);
#else
    return x * y + s;
#endif
}

INLINE vec all(float x)
{
    return x - (vec){0};
}

/* The first n <= VL elements from p, 0 behind them; nothing past them is
 * touched where the machine has masks. */
#if defined(__AVX512F__)
enum { MASKS = 1 };

INLINE vec load_left(const float *p, int n)
{
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}

INLINE void store_left(float *p, vec v, int n)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
}
#else
enum { MASKS = 0 };

INLINE vec load_left(const float *p, int n)
{
    vec v = {0};
    memcpy(&v, p, (size_t)n * sizeof *p);
    return v;
}

INLINE void store_left(float *p, vec v, int n)
{
    memcpy(p, &v, (size_t)n * sizeof *p);
}
#endif

/* --- packing ------------------------------------------------------------- */

/* The first n <= VL lanes; n is known when this is compiled. */
INLINE void store_part(float *p, vec v, int n)
{
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#elif defined(__AVX2__)
    if (n == 6) {
        _mm_storeu_ps(p, _mm256_castps256_ps128((__m256)v));
        _mm_storel_pi((__m64 *)(p + 4), _mm256_extractf128_ps((__m256)v, 1));
        return;
    }
    memcpy(p, &v, (size_t)n * sizeof *p);
#else
    memcpy(p, &v, (size_t)n * sizeof *p);
#endif
}

/* VL steps of k for lanes [x, x + VL) of a panel; each lane's source is dense.
 * Lanes past n are 0, lanes past the width are not written. */
INLINE void pack_square(float *out, int width, int x, const float *from,
                        int64_t along, int n)
{
    vec r[VL];
    int have = width - x < VL ? width - x : VL;
    UNROLL_ALL for (int i = 0; i < VL; i++)
    {
        r[i] = i < n && i < have ? load(from + i * along) : (vec){0};
    }
    w_transpose(r);
    UNROLL_ALL for (int i = 0; i < VL; i++)
    {
        if (have == VL) {
            store(out + i * width + x, r[i]);
        } else {
            store_part(out + i * width + x, r[i], have);
        }
    }
}

INLINE void pack_lines(float *out, int width, const float *from, int64_t along,
                       int n, int64_t k)
{
    int64_t p = 0;
    for (; p + VL <= k; p += VL) {
        UNROLL_ALL for (int x = 0; x < width; x += VL)
        {
            pack_square(out + p * width, width, x, from + p + x * along, along,
                        n - x);
        }
    }
    for (; p < k; p++) {
        for (int x = 0; x < width; x++) {
            out[p * width + x] = x < n ? from[p + x * along] : 0;
        }
    }
}

/* Full panels have loops of their own, without a question on every lane. */
static void pack_deep(float *out, int width, const float *from, int64_t along,
                      int n, int64_t k)
{
    if (width == MR && n == MR) {
        pack_lines(out, MR, from, along, MR, k);
    } else if (width == MR) {
        pack_lines(out, MR, from, along, n, k);
    } else if (n == NR) {
        pack_lines(out, NR, from, along, NR, k);
    } else {
        pack_lines(out, NR, from, along, n, k);
    }
}

static void pack_wide(float *out, int width, const float *from, int64_t deep,
                      int n, int64_t k)
{
    size_t have = (size_t)n * 4, none = (size_t)(width - n) * 4;
    if (n == NR && width == NR) {
        for (int64_t p = 0; p < k; p++, from += deep, out += NR) {
            store(out, load(from));
            store(out + VL, load(from + VL));
        }
        return;
    }
    if (n == MR && width == MR) {
        for (int64_t p = 0; p < k; p++, from += deep, out += MR) {
            memcpy(out, from, MR * sizeof *out);
        }
        return;
    }
    for (int64_t p = 0; p < k; p++, from += deep, out += width) {
        memcpy(out, from, have);
        memset(out + n, 0, none);
    }
}

/* Several full panels of NR at once, row by row of what is read. */
static void pack_beside(float *out, const float *from, int64_t deep,
                        int64_t panels, int64_t k)
{
    for (int64_t p = 0; p < k; p++, from += deep, out += NR) {
        for (int64_t j = 0; j < panels; j++) {
            store(out + j * k * NR, load(from + j * NR));
            store(out + j * k * NR + VL, load(from + j * NR + VL));
        }
    }
}

static void pack(float *out, int width, const float *from, int64_t along,
                 int64_t deep, int64_t n, int64_t k)
{
    int64_t x = 0;
    if (along == 1 && width == NR && n >= 2 * NR) {
        pack_beside(out, from, deep, n / NR, k);
        x = n / NR * NR;
        out += x * k;
    }
    for (; x < n; x += width, out += k * width) {
        int have = n - x < width ? (int)(n - x) : width;
        const float *lanes = from + x * along;
        if (along == 1) {
            pack_wide(out, width, lanes, deep, have, k);
        } else if (deep == 1) {
            pack_deep(out, width, lanes, along, have, k);
        } else {
            for (int64_t p = 0; p < k; p++) {
                for (int i = 0; i < width; i++) {
                    out[p * width + i] =
                        i < have ? lanes[i * along + p * deep] : 0;
                }
            }
        }
    }
}

/* --- tiles --------------------------------------------------------------- */

/* Sums of H x NV vectors in registers over all of k. Row i of A at step p is
 * a[i * ars + p * aks]. The tile of C is fetched while they are formed. B has
 * all of its columns, or those that C has (LEFT), none of them read past. */
#define TILE(name, H, NV, ARS, AKS, BKS, LEFT)                                 \
    static void name(int64_t k, const float *restrict a, int64_t ars,          \
                     int64_t aks, const float *restrict b, int64_t bks,        \
                     float *restrict c, int64_t ldc, int w,                    \
                     const float *plus, int64_t ldp)                           \
    {                                                                          \
        vec s[H][NV];                                                          \
        const int left = w - (NV - 1) * VL;                                    \
        (void)ars, (void)aks, (void)bks;                                       \
        UNROLL_ALL for (int i = 0; i < H; i++)                                 \
        {                                                                      \
            UNROLL_ALL for (int j = 0; j < NV; j++) { s[i][j] = (vec){0}; }    \
            __builtin_prefetch(c + i * ldc, 1);                                \
            __builtin_prefetch(c + i * ldc + w - 1, 1);                        \
        }                                                                      \
        _Pragma("GCC unroll 4") for (int64_t p = 0; p < k; p++)                \
        {                                                                      \
            vec y[NV];                                                         \
            UNROLL_ALL for (int j = 0; j < NV; j++)                            \
            {                                                                  \
                y[j] = LEFT && j == NV - 1 ? load_left(b + j * VL, left)       \
                                           : load(b + j * VL);                 \
            }                                                                  \
            UNROLL_ALL for (int i = 0; i < H; i++)                             \
            {                                                                  \
                vec x = all(a[i * (ARS)]);                                     \
                UNROLL_ALL for (int j = 0; j < NV; j++)                        \
                {                                                              \
                    s[i][j] = fused(x, y[j], s[i][j]);                         \
                }                                                              \
            }                                                                  \
            a += (AKS);                                                        \
            b += (BKS);                                                        \
        }                                                                      \
        if (!(LEFT) && left == VL) {                                           \
            UNROLL_ALL for (int i = 0; i < H; i++)                             \
            {                                                                  \
                UNROLL_ALL for (int j = 0; j < NV; j++)                        \
                {                                                              \
                    float *d = c + i * ldc + j * VL;                           \
                    const float *e = plus + i * ldp + j * VL;                  \
                    store(d, plus ? s[i][j] + load(e) : s[i][j]);              \
                }                                                              \
            }                                                                  \
            return;                                                            \
        }                                                                      \
        UNROLL_ALL for (int i = 0; i < H; i++)                                 \
        {                                                                      \
            float *d = c + i * ldc;                                            \
            const float *e = plus + i * ldp;                                   \
            UNROLL_ALL for (int j = 0; j < NV - 1; j++, d += VL, e += VL)      \
            {                                                                  \
                store(d, plus ? s[i][j] + load(e) : s[i][j]);                  \
            }                                                                  \
            vec last = s[i][NV - 1];                                           \
            store_left(d, plus ? last + load_left(e, left) : last, left);      \
        }                                                                      \
    }

/* Packed panels, and matrices as they are. */
#define PACKED(H)                                                              \
    TILE(packed_##H##_1, H, 1, 1, MR, NR, 0)                                   \
    TILE(packed_##H##_2, H, 2, 1, MR, NR, 0)
#define PLAIN(H)                                                               \
    TILE(plain_##H##_1, H, 1, ars, aks, bks, 0)                                \
    TILE(plain_##H##_2, H, 2, ars, aks, bks, 0)
#if defined(__AVX512F__)
#define NARROW(H)                                                              \
    TILE(narrow_##H##_1, H, 1, ars, aks, bks, 1)                               \
    TILE(narrow_##H##_2, H, 2, ars, aks, bks, 1)
TILE(broad_1, 1, 4, ars, aks, bks, 0) TILE(broad_2, 2, 4, ars, aks, bks, 0)
TILE(broad_3, 3, 4, ars, aks, bks, 0) TILE(broad_4, 4, 4, ars, aks, bks, 0)
#else
#define NARROW(H)
#endif

typedef void (*tile_fn)(int64_t k, const float *restrict a, int64_t ars,
                        int64_t aks, const float *restrict b, int64_t bks,
                        float *restrict c, int64_t ldc, int w,
                        const float *plus, int64_t ldp);

#define BOTH(H) PACKED(H) PLAIN(H) NARROW(H)
BOTH(1) BOTH(2) BOTH(3) BOTH(4) BOTH(5) BOTH(6)
#if defined(__AVX512F__)
BOTH(7) BOTH(8) BOTH(9) BOTH(10) BOTH(11) BOTH(12) BOTH(13) BOTH(14)
#endif

#define PAIR(kind, H) {kind##_##H##_1, kind##_##H##_2}
#define SIX(kind)                                                              \
    {NULL, NULL}, PAIR(kind, 1), PAIR(kind, 2), PAIR(kind, 3), PAIR(kind, 4),  \
        PAIR(kind, 5), PAIR(kind, 6)
#if defined(__AVX512F__)
#define TILES(kind)                                                            \
    {SIX(kind), PAIR(kind, 7), PAIR(kind, 8), PAIR(kind, 9), PAIR(kind, 10),   \
     PAIR(kind, 11), PAIR(kind, 12), PAIR(kind, 13), PAIR(kind, 14)}
#else
#define TILES(kind) {SIX(kind)}
#endif
static const tile_fn packed_tiles[MR + 1][2] = TILES(packed);
static const tile_fn plain_tiles[MR + 1][2] = TILES(plain);
#if defined(__AVX512F__)
static const tile_fn narrow_tiles[MR + 1][2] = TILES(narrow);
static const tile_fn broad_tiles[BROAD_MR + 1][2] = {
    {NULL, NULL}, {NULL, broad_1}, {NULL, broad_2}, {NULL, broad_3},
    {NULL, broad_4}};
#else
#define narrow_tiles plain_tiles     /* never called: columns are packed */
#define broad_tiles plain_tiles      /* nor this */
#endif

static void tile(int h, int w, int64_t k, const float *a, const float *b,
                 float *c, int64_t ldc, const float *plus, int64_t ldp)
{
    packed_tiles[h][w > VL](k, a, 1, MR, b, NR, c, ldc, w, plus, ldp);
}

/* `deep` steps of k of a panel of C, in tiles of about the same height. */
static void direct_panel(const tile_fn (*kind)[2], int mr, int64_t m, int w,
                         int64_t deep, rt__matrix a, const float *y,
                         int64_t step, float *c, int64_t ldc,
                         const float *plus, int64_t ldp)
{
    int64_t tiles = (m + mr - 1) / mr, i = 0;
    for (int64_t t = 0; t < tiles; t++) {
        int64_t end = tiles == 1 ? m : m * (t + 1) / tiles;
        kind[end - i][w > VL](deep, a.data + i * a.rs, a.rs, a.cs, y, step,
                              c + i * ldc, ldc, w,
                              plus ? plus + i * ldp : NULL, ldp);
        i = end;
    }
}

static void direct(int64_t m, int64_t n, int64_t k, rt__matrix a, rt__matrix b,
                   float *c, int64_t ldc, const float *plus, int64_t ldp)
{
    enum { DEPTH = RT_SGEMM_DIRECT_DEPTH };
    float panel[DEPTH * NR] __attribute__((aligned(64)));
    int64_t blocks = k > DEPTH ? (k + DEPTH - 1) / DEPTH : 1;
    bool few = MASKS && b.cs == 1 && k <= BROAD_DEPTH;
    int w;
    for (int64_t j = 0; j < n; j += w, c += w) {
        bool broad = few && n - j >= BROAD;
        w = broad ? BROAD : n - j < NR ? (int)(n - j) : NR;
        const float *e = plus ? plus + j : NULL;
        int64_t p = 0, lde = ldp;
        for (int64_t block = 0; block < blocks; block++) {
            int64_t end = k * (block + 1) / blocks, step = b.rs;
            rt__matrix x = {a.data + p * a.cs, a.rs, a.cs};
            const float *y = b.data + j * b.cs + p * b.rs;
            bool whole = broad || w == NR || w == VL;
            if (b.cs != 1 || !(whole || MASKS)) {
                pack(panel, NR, y, b.cs, b.rs, w, end - p);
                y = panel;
                step = NR;
                whole = true;
            }
            direct_panel(broad   ? broad_tiles
                         : whole ? plain_tiles
                                 : narrow_tiles,
                         broad ? BROAD_MR : MR, m, w, end - p, x, y, step, c,
                         ldc, e, lde);
            e = c;
            lde = ldc;
            p = end;
        }
    }
}

/* --- vectors ------------------------------------------------------------- */

INLINE float lanes_sum(vec v)
{
    float lane[VL];
    memcpy(lane, &v, sizeof lane);
    for (int half = VL / 2; half; half /= 2) {
        for (int i = 0; i < half; i++) {
            lane[i] += lane[i + half];
        }
    }
    return lane[0];
}

/* H rows at once: x is read once for all of them. */
#define DOTS(H)                                                                \
    INLINE void dots_##H(int64_t k, const float *a, int64_t rs,                \
                         const float *x, float *y, int64_t inc, bool add)      \
    {                                                                          \
        vec s[H][2];                                                           \
        float rest[H];                                                         \
        int64_t p = 0;                                                         \
        UNROLL_ALL for (int i = 0; i < H; i++)                                 \
        {                                                                      \
            s[i][0] = s[i][1] = (vec){0};                                      \
            rest[i] = 0;                                                       \
        }                                                                      \
        for (; p + NR <= k; p += NR) {                                         \
            vec u = load(x + p), v = load(x + p + VL);                         \
            UNROLL_ALL for (int i = 0; i < H; i++)                             \
            {                                                                  \
                s[i][0] = fused(u, load(a + i * rs + p), s[i][0]);             \
                s[i][1] = fused(v, load(a + i * rs + p + VL), s[i][1]);        \
            }                                                                  \
        }                                                                      \
        for (; p < k; p++) {                                                   \
            for (int i = 0; i < H; i++) {                                      \
                rest[i] += x[p] * a[i * rs + p];                               \
            }                                                                  \
        }                                                                      \
        for (int i = 0; i < H; i++) {                                          \
            float sum = lanes_sum(s[i][0] + s[i][1]) + rest[i];                \
            y[i * inc] = add ? y[i * inc] + sum : sum;                         \
        }                                                                      \
    }
DOTS(1)
DOTS(4)

static void rows_by_vector(int64_t m, int64_t k, const float *a, int64_t rs,
                           const float *x, float *y, int64_t inc, bool add)
{
    int64_t i = 0;
    for (; i + 4 <= m; i += 4) {
        dots_4(k, a + i * rs, rs, x, y + i * inc, inc, add);
    }
    for (; i < m; i++) {
        dots_1(k, a + i * rs, rs, x, y + i * inc, inc, add);
    }
}

static void vector_by_rows(int64_t n, int64_t k, const float *x, int64_t inc,
                           const float *b, int64_t rs, float *y, bool add)
{
    int64_t p = 0;
    if (!add) {
        memset(y, 0, (size_t)n * sizeof *y);
    }
    for (; p + 4 <= k; p += 4, b += 4 * rs) {
        float x0 = x[p * inc], x1 = x[(p + 1) * inc], x2 = x[(p + 2) * inc],
              x3 = x[(p + 3) * inc];
        const float *b1 = b + rs, *b2 = b1 + rs, *b3 = b2 + rs;
        int64_t j = 0;
        for (; j + VL <= n; j += VL) {
            vec s = fused(all(x0), load(b + j), load(y + j));
            s = fused(all(x1), load(b1 + j), s);
            s = fused(all(x2), load(b2 + j), s);
            store(y + j, fused(all(x3), load(b3 + j), s));
        }
        for (; j < n; j++) {
            y[j] = y[j] + x0 * b[j] + x1 * b1[j] + x2 * b2[j] + x3 * b3[j];
        }
    }
    for (; p < k; p++, b += rs) {
        float factor = x[p * inc];
        for (int64_t j = 0; j < n; j++) {
            y[j] += factor * b[j];
        }
    }
}

const rt__sgemm_table RT_ISA_NAME(sgemm) = {
    .mr = MR,
    .nr = NR,
    .pack = pack,
    .tile = tile,
    .direct = direct,
    .rows_by_vector = rows_by_vector,
    .vector_by_rows = vector_by_rows,
};

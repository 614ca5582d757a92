/* SPDX-License-Identifier: MIT
 * Transforms of Winograd's F(4x4, 3x3), lanes are tiles or channels; compiled
 * per instruction set.
 */
#include "runtime/ops/cpu/winograd.h"

#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
enum { VL = 16 };
#elif defined(__AVX2__)
enum { VL = 8 };
#else
enum { VL = 4 };
#endif
enum { TILES = RT_WINOGRAD_TILES, POINTS = RT_WINOGRAD_POINTS };

typedef float vec __attribute__((vector_size(VL * 4)));
typedef float loose __attribute__((vector_size(VL * 4), aligned(4)));

#define INLINE static inline __attribute__((always_inline))
#define UNROLL_ALL _Pragma("GCC unroll 6")

INLINE vec load(const float *p)
{
    return *(const loose *)p;
}

INLINE void store(float *p, vec v)
{
    *(loose *)p = v;
}

INLINE bool all_finite(vec v)
{
    vec zero = v - v;
#if defined(__AVX512F__)
    return _mm512_cmp_ps_mask((__m512)zero, _mm512_setzero_ps(),
                              _CMP_EQ_OQ) == 0xffff;
#else
    bool all = true;
    for (int l = 0; l < VL; l++) {
        all &= zero[l] == 0;
    }
    return all;
#endif
}

/* --- the four one-dimensional transforms ------------------------------------ */

/* B^T d: 6 inputs to 6 points. */
INLINE void points_of_input(vec d[6])
{
    vec p = d[4] - 4 * d[2], q = d[3] - 4 * d[1];
    vec r = d[4] - d[2], s = 2 * (d[3] - d[1]);
    d[0] = 4 * d[0] - 5 * d[2] + d[4];
    d[5] = 4 * d[1] - 5 * d[3] + d[5];
    d[1] = p + q;
    d[2] = p - q;
    d[3] = r + s;
    d[4] = r - s;
}

/* G g: 3 weights to 6 points. */
INLINE void points_of_weight(vec d[6])
{
    vec a = d[0], b = d[1], c = d[2];
    vec p = (a + c) * (-1.f / 6), q = b * (1.f / 6);
    vec r = a * (1.f / 24) + c * (1.f / 6), s = b * (1.f / 12);
    d[0] = a * 0.25f;
    d[1] = p - q;
    d[2] = p + q;
    d[3] = r + s;
    d[4] = r - s;
    d[5] = c;
}

/* A^T m: 6 points to 4 outputs. */
INLINE void outputs_of_points(vec m[6])
{
    vec p = m[1] + m[2], q = m[1] - m[2], r = m[3] + m[4], s = m[3] - m[4];
    m[0] = m[0] + p + r;
    m[1] = q + 2 * s;
    m[2] = p + 4 * r;
    m[3] = q + 8 * s + m[5];
}

/* A g: 4 output gradients to 6 points. */
INLINE void points_of_gradient(vec d[6])
{
    vec a = d[0], b = d[1], c = d[2], e = d[3];
    vec p = a + c, q = b + e, r = a + 4 * c, s = 2 * b + 8 * e;
    d[1] = p + q;
    d[2] = p - q;
    d[3] = r + s;
    d[4] = r - s;
    d[5] = e;
}

/* G^T u: 6 points to 3 weights. */
INLINE void weights_of_points(vec d[6])
{
    vec p = d[1] + d[2], q = d[2] - d[1], r = d[3] + d[4], s = d[3] - d[4];
    vec a = d[0] * 0.25f - p * (1.f / 6) + r * (1.f / 24);
    d[2] = (r - p) * (1.f / 6) + d[5];
    d[1] = q * (1.f / 6) + s * (1.f / 12);
    d[0] = a;
}

/* Both dimensions of VL lanes: from rows x columns values to others. */
#define BOTH(name, FROM, TO, STEP)                                             \
    INLINE void name(vec out[TO][TO], const float *in, int64_t points)         \
    {                                                                          \
        vec half[TO][FROM], d[6];                                              \
        UNROLL_ALL for (int j = 0; j < FROM; j++)                              \
        {                                                                      \
            UNROLL_ALL for (int i = 0; i < FROM; i++)                          \
            {                                                                  \
                d[i] = load(in + (i * FROM + j) * points);                     \
            }                                                                  \
            STEP(d);                                                           \
            UNROLL_ALL for (int i = 0; i < TO; i++) { half[i][j] = d[i]; }     \
        }                                                                      \
        UNROLL_ALL for (int i = 0; i < TO; i++)                                \
        {                                                                      \
            UNROLL_ALL for (int j = 0; j < FROM; j++) { d[j] = half[i][j]; }   \
            STEP(d);                                                           \
            UNROLL_ALL for (int j = 0; j < TO; j++) { out[i][j] = d[j]; }      \
        }                                                                      \
    }
BOTH(input_points, 6, 6, points_of_input)
BOTH(weight_points, 3, 6, points_of_weight)
BOTH(gradient_points, 4, 6, points_of_gradient)
BOTH(output_pixels, 6, 4, outputs_of_points)
BOTH(weight_pixels, 6, 3, weights_of_points)

/* --- tiles in a plane --------------------------------------------------------- */

#if defined(__AVX512F__)

/* From four rows of 4x4 blocks, a block in each quarter, to their columns. */
INLINE void turn_4(__m512 x[4])
{
    __m512 a = _mm512_unpacklo_ps(x[0], x[1]), b = _mm512_unpacklo_ps(x[2], x[3]);
    __m512 c = _mm512_unpackhi_ps(x[0], x[1]), d = _mm512_unpackhi_ps(x[2], x[3]);
    x[0] = _mm512_shuffle_ps(a, b, 0x44);
    x[1] = _mm512_shuffle_ps(a, b, 0xee);
    x[2] = _mm512_shuffle_ps(c, d, 0x44);
    x[3] = _mm512_shuffle_ps(c, d, 0xee);
}

/* Where the rows of VL tiles are read, and how far apart; tiles that are cut
 * are copied first, with zeros. */
typedef struct rows {
    const float *from[VL];
    int64_t step[VL];
    float cut[VL][6][8];
} rows;

INLINE void find_rows(rows *r, const float *plane, int64_t width,
                      const rt__place *places, int side)
{
    for (int l = 0; l < VL; l++) {
        const rt__place *p = places + l;
        r->from[l] = plane + p->at;
        r->step[l] = width;
        if (p->y1 - p->y0 == side && p->x1 - p->x0 == side) {
            continue;
        }
        __mmask8 columns = (__mmask8)((1u << p->x1) - (1u << p->x0));
        for (int i = 0; i < side; i++) {
            __mmask8 in = i >= p->y0 && i < p->y1 ? columns : 0;
            _mm256_storeu_ps(r->cut[l][i], _mm256_maskz_loadu_ps(
                                               in, r->from[l] + i * width));
        }
        r->from[l] = r->cut[l][0];
        r->step[l] = 8;
    }
}

/* Columns [j, j + 4) of row i, tiles side by side. */
INLINE void columns_of(__m512 x[4], const rows *r, int i, int j)
{
    UNROLL_ALL for (int q = 0; q < 4; q++)
    {
        const float *const *f = r->from + q;
        const int64_t *s = r->step + q;
        __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(f[0] + i * s[0] + j));
        v = _mm512_insertf32x4(v, _mm_loadu_ps(f[4] + i * s[4] + j), 1);
        v = _mm512_insertf32x4(v, _mm_loadu_ps(f[8] + i * s[8] + j), 2);
        x[q] = _mm512_insertf32x4(v, _mm_loadu_ps(f[12] + i * s[12] + j), 3);
    }
    turn_4(x);
}

/* side x side values of VL tiles, tiles side by side. */
INLINE void gather(float *out, const float *plane, int64_t width,
                   const rt__place *places, int side)
{
    __m512 x[4];
    rows r;
    find_rows(&r, plane, width, places, side);
    for (int i = 0; i < side; i++) {
        float *row = out + i * side * VL;
        columns_of(x, &r, i, 0);
        UNROLL_ALL for (int q = 0; q < 4; q++)
        {
            _mm512_store_ps(row + q * VL, x[q]);
        }
        if (side == 6) {
            columns_of(x, &r, i, 2);
            _mm512_store_ps(row + 4 * VL, x[2]);
            _mm512_store_ps(row + 5 * VL, x[3]);
        }
    }
}

/* Writes a row of a tile, as far as it exists. */
INLINE void put_four(float *to, const rt__place *p, int i, __m128 y)
{
    unsigned columns = i < p->y1 ? (1u << p->x1) - 1 : 0;
    if (columns == 15) {
        _mm_storeu_ps(to + p->at, y);
    } else if (columns) {
        _mm_mask_storeu_ps(to + p->at, (__mmask8)columns, y);
    }
}

/* Writes 4x4 pixels of VL tiles. */
INLINE void scatter(float *plane, int64_t width, const rt__place *places,
                    vec v[4][4], float bias)
{
    __m512 x[4];
    for (int i = 0; i < 4; i++) {
        float *row = plane + i * width;
        UNROLL_ALL for (int q = 0; q < 4; q++)
        {
            x[q] = (__m512)(v[i][q] + bias);
        }
        turn_4(x);
        UNROLL_ALL for (int q = 0; q < 4; q++)
        {
            const rt__place *p = places + q;
            put_four(row, p, i, _mm512_castps512_ps128(x[q]));
            put_four(row, p + 4, i, _mm512_extractf32x4_ps(x[q], 1));
            put_four(row, p + 8, i, _mm512_extractf32x4_ps(x[q], 2));
            put_four(row, p + 12, i, _mm512_extractf32x4_ps(x[q], 3));
        }
    }
}

#else

/* side x side values of VL tiles, tiles side by side. */
INLINE void gather(float *restrict out, const float *restrict plane,
                   int64_t width, const rt__place *places, int side)
{
    for (int l = 0; l < VL; l++) {
        rt__place p = places[l];
        const float *from = plane + p.at;
        if (p.y1 - p.y0 == side && p.x1 - p.x0 == side) {
            UNROLL_ALL for (int i = 0; i < side; i++)
            {
                UNROLL_ALL for (int j = 0; j < side; j++)
                {
                    out[(i * side + j) * VL + l] = from[i * width + j];
                }
            }
            continue;
        }
        for (int i = 0; i < side; i++) {
            for (int j = 0; j < side; j++) {
                bool in = i >= p.y0 && i < p.y1 && j >= p.x0 && j < p.x1;
                out[(i * side + j) * VL + l] = in ? from[i * width + j] : 0;
            }
        }
    }
}

/* Writes 4x4 pixels of VL tiles. */
INLINE void scatter(float *plane, int64_t width, const rt__place *places,
                    vec v[4][4], float bias)
{
    float d[16][VL] __attribute__((aligned(64)));
    for (int i = 0; i < 16; i++) {
        store(d[i], v[i / 4][i % 4] + bias);
    }
    for (int l = 0; l < VL; l++) {
        rt__place p = places[l];
        for (int i = 0; i < p.y1; i++) {
            for (int j = 0; j < p.x1; j++) {
                plane[p.at + i * width + j] = d[i * 4 + j][l];
            }
        }
    }
}

#endif

INLINE void store_points(float *out, int64_t points, vec v[6][6])
{
    UNROLL_ALL for (int i = 0; i < 6; i++)
    {
        UNROLL_ALL for (int j = 0; j < 6; j++)
        {
            store(out + (i * 6 + j) * points, v[i][j]);
        }
    }
}

static void input(float *out, int64_t points, const float *plane,
                  int64_t width, const rt__place *places, int lanes)
{
    float d[POINTS * VL] __attribute__((aligned(64)));
    vec v[6][6];
    for (int l = 0; l < lanes; l += VL) {
        gather(d, plane, width, places + l, 6);
        input_points(v, d, VL);
        store_points(out + l, points, v);
    }
}

static void gradient(float *out, int64_t points, const float *plane,
                     int64_t width, const rt__place *places, int lanes)
{
    float d[16 * VL] __attribute__((aligned(64)));
    vec v[6][6];
    for (int l = 0; l < lanes; l += VL) {
        gather(d, plane, width, places + l, 4);
        gradient_points(v, d, VL);
        store_points(out + l, points, v);
    }
}

static bool output(float *plane, int64_t width, const rt__place *places,
                   const float *in, int64_t points, int lanes, float bias)
{
    vec v[4][4], sum = {0};
    for (int l = 0; l < lanes; l += VL) {
        output_pixels(v, in + l, points);
        UNROLL_ALL for (int i = 0; i < 4; i++)
        {
            sum += (v[i][0] + v[i][1]) + (v[i][2] + v[i][3]);
        }
        scatter(plane, width, places + l, v, bias);
    }
    return all_finite(sum);
}

/* --- weights ------------------------------------------------------------------- */

static void weight(float *out, int64_t points, const float *taps, int width,
                   bool flip)
{
    float d[9 * VL] __attribute__((aligned(64)));
    vec v[6][6];
    for (int l = 0; l < width; l += VL) {
        UNROLL_ALL for (int i = 0; i < 9; i++)
        {
            store(d + i * VL, load(taps + (flip ? 8 - i : i) * width + l));
        }
        weight_points(v, d, VL);
        store_points(out + l, points, v);
    }
}

static bool weight_gradient(float *w, int64_t along, const float *in,
                            int64_t points, int n)
{
    float u[POINTS * TILES] __attribute__((aligned(64))), d[9 * TILES];
    vec v[3][3], sum = {0};
    memset(u, 0, sizeof u);
    for (int x = 0; x < POINTS; x++) {
        memcpy(u + x * TILES, in + x * points, (size_t)n * sizeof *in);
    }
    for (int l = 0; l < n; l += VL) {
        weight_pixels(v, u + l, TILES);
        for (int i = 0; i < 9; i++) {
            store(d + i * TILES + l, v[i / 3][i % 3]);
            sum += v[i / 3][i % 3];
        }
    }
    for (int l = 0; l < n; l++) {
        for (int i = 0; i < 9; i++) {
            w[l * along + i] = d[i * TILES + l];
        }
    }
    return all_finite(sum);
}

const rt__winograd_table RT_ISA_NAME(winograd) = {
    .input = input,
    .weight = weight,
    .output = output,
    .gradient = gradient,
    .weight_gradient = weight_gradient,
};

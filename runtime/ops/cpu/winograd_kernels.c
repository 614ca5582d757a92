/* SPDX-License-Identifier: MIT
 * Transforms of Winograd's F(4x4, 3x3), lanes are tiles or channels; compiled
 * per instruction set.
 */
#include "runtime/ops/cpu/winograd.h"

#include <string.h>

#if defined(__AVX512F__)
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

/* SIDE x SIDE values of each tile, lanes side by side. */
#define GATHER(name, SIDE)                                                     \
    INLINE void name(float *restrict out, const float *restrict plane,         \
                     int64_t width, const rt__place *places, int lanes)        \
    {                                                                          \
        for (int l = 0; l < lanes; l++) {                                      \
            rt__place p = places[l];                                           \
            const float *from = plane + p.at;                                  \
            if (p.y1 - p.y0 == SIDE && p.x1 - p.x0 == SIDE) {                  \
                UNROLL_ALL for (int i = 0; i < SIDE; i++)                      \
                {                                                              \
                    UNROLL_ALL for (int j = 0; j < SIDE; j++)                  \
                    {                                                          \
                        out[(i * SIDE + j) * TILES + l] = from[i * width + j]; \
                    }                                                          \
                }                                                              \
                continue;                                                      \
            }                                                                  \
            for (int i = 0; i < SIDE; i++) {                                   \
                for (int j = 0; j < SIDE; j++) {                               \
                    bool in = i >= p.y0 && i < p.y1 && j >= p.x0 && j < p.x1;  \
                    out[(i * SIDE + j) * TILES + l] =                          \
                        in ? from[i * width + j] : 0;                          \
                }                                                              \
            }                                                                  \
        }                                                                      \
    }
GATHER(gather_6, 6)
GATHER(gather_4, 4)

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
    float d[POINTS * TILES] __attribute__((aligned(64)));
    vec v[6][6];
    gather_6(d, plane, width, places, lanes);
    for (int l = 0; l < lanes; l += VL) {
        input_points(v, d + l, TILES);
        store_points(out + l, points, v);
    }
}

static void gradient(float *out, int64_t points, const float *plane,
                     int64_t width, const rt__place *places, int lanes)
{
    float d[16 * TILES] __attribute__((aligned(64)));
    vec v[6][6];
    gather_4(d, plane, width, places, lanes);
    for (int l = 0; l < lanes; l += VL) {
        gradient_points(v, d + l, TILES);
        store_points(out + l, points, v);
    }
}

static void output(float *plane, int64_t width, const rt__place *places,
                   const float *in, int64_t points, int lanes, float bias)
{
    float d[16][TILES] __attribute__((aligned(64)));
    vec v[4][4];
    for (int l = 0; l < lanes; l += VL) {
        output_pixels(v, in + l, points);
        for (int i = 0; i < 16; i++) {
            store(&d[i][l], v[i / 4][i % 4] + bias);
        }
    }
    for (int l = 0; l < lanes; l++) {
        rt__place p = places[l];
        float *to = plane + p.at;
        if (p.y1 == 4 && p.x1 == 4) {
            UNROLL_ALL for (int i = 0; i < 4; i++)
            {
                UNROLL_ALL for (int j = 0; j < 4; j++)
                {
                    to[i * width + j] = d[i * 4 + j][l];
                }
            }
            continue;
        }
        for (int i = 0; i < p.y1; i++) {
            for (int j = 0; j < p.x1; j++) {
                to[i * width + j] = d[i * 4 + j][l];
            }
        }
    }
}

/* --- weights ------------------------------------------------------------------- */

static void weight(float *out, int64_t points, const float *w, int64_t along,
                   bool flip, int n, int lanes)
{
    float d[9 * TILES] __attribute__((aligned(64)));
    float u[POINTS * TILES] __attribute__((aligned(64)));
    vec v[6][6];
    for (int l = 0; l < TILES; l++) {
        for (int i = 0; i < 9; i++) {
            d[i * TILES + l] = l < n ? w[l * along + (flip ? 8 - i : i)] : 0;
        }
    }
    for (int l = 0; l < lanes; l += VL) {
        weight_points(v, d + l, TILES);
        store_points(u + l, TILES, v);
    }
    for (int x = 0; x < POINTS; x++) {
        memcpy(out + x * points, u + x * TILES, (size_t)lanes * sizeof *out);
    }
}

static void weight_gradient(float *w, int64_t along, const float *in,
                            int64_t points, int n)
{
    float u[POINTS * TILES] __attribute__((aligned(64))), d[9 * TILES];
    vec v[3][3];
    memset(u, 0, sizeof u);
    for (int x = 0; x < POINTS; x++) {
        memcpy(u + x * TILES, in + x * points, (size_t)n * sizeof *in);
    }
    for (int l = 0; l < n; l += VL) {
        weight_pixels(v, u + l, TILES);
        for (int i = 0; i < 9; i++) {
            store(d + i * TILES + l, v[i / 3][i % 3]);
        }
    }
    for (int l = 0; l < n; l++) {
        for (int i = 0; i < 9; i++) {
            w[l * along + i] = d[i * TILES + l];
        }
    }
}

const rt__winograd_table RT_ISA_NAME(winograd) = {
    .input = input,
    .weight = weight,
    .output = output,
    .gradient = gradient,
    .weight_gradient = weight_gradient,
};

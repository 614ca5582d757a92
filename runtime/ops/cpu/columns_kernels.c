/* SPDX-License-Identifier: MIT
 * Rows of batch_norm with vectors over the columns; compiled per instruction set.
 */
#include "runtime/ops/cpu/columns.h"

#include "runtime/ops/cpu/wide.h"

/* --- float32 ------------------------------------------------------------------ */

/* Vectors that go down the rows together. */
enum { TOGETHER = 4 };
#define EACH _Pragma("GCC unroll 4") for (int j = 0; j < count; j++)
#define LEFT (left - j * WIDE)
#define LOAD(p) w_load_part((p) + j * WIDE, LEFT, 0)

/* Runs `body` on strips of columns: `at` is where one starts, `count` its
 * vectors, `left` its columns. */
#define STRIPS(width, body)                                                    \
    do {                                                                       \
        int64_t at = 0;                                                        \
        for (; at + TOGETHER * WIDE <= (width); at += TOGETHER * WIDE) {       \
            const int count = TOGETHER;                                        \
            const int64_t left = TOGETHER * WIDE;                              \
            body;                                                              \
        }                                                                      \
        for (; at + WIDE <= (width); at += WIDE) {                             \
            const int count = 1;                                               \
            const int64_t left = WIDE;                                         \
            body;                                                              \
        }                                                                      \
        if (at < (width)) {                                                    \
            const int count = 1;                                               \
            const int64_t left = (width) - at;                                 \
            body;                                                              \
        }                                                                      \
    } while (0)

V_INLINE void add_lanes(double *to, int64_t left, wide v)
{
    float lane[WIDE];
    w_store(lane, v);
    for (int64_t i = 0; i < (left < WIDE ? left : WIDE); i++) {
        to[i] += (double)lane[i];
    }
}

V_INLINE void strip_sums(double *sums, const float *g, const float *x,
                         const float *m, int64_t rows, int64_t width,
                         int64_t left, int count)
{
    wide middle[TOGETHER], plain[TOGETHER], along[TOGETHER], d, v;
    EACH { middle[j] = LOAD(m); }
    for (int64_t i = 0; i < rows; i += RT_COLUMN_ROWS) {
        int64_t more = rows - i < RT_COLUMN_ROWS ? rows - i : RT_COLUMN_ROWS;
        EACH { plain[j] = along[j] = w_all(0); }
        for (int64_t r = 0; r < more; r++) {
            EACH
            {
                d = LOAD(x) - middle[j];
                v = g ? LOAD(g) : d;
                plain[j] += v;
                along[j] = w_fma(v, d, along[j]);
            }
            x += width;
            g = g ? g + width : NULL;
        }
        EACH
        {
            add_lanes(sums + j * WIDE, LEFT, plain[j]);
            add_lanes(sums + width + j * WIDE, LEFT, along[j]);
        }
    }
}

static void sums_float(double *sums, const void *g_, const void *x_,
                       const void *m_, int64_t rows, int64_t width)
{
    const float *g = g_, *x = x_, *m = m_;
    if (g) {
        STRIPS(width, strip_sums(sums + at, g + at, x + at, m + at, rows, width,
                                 left, count));
    } else {
        STRIPS(width, strip_sums(sums + at, NULL, x + at, m + at, rows, width,
                                 left, count));
    }
}

V_INLINE void strip_affine(float *y, const float *x, const float *m,
                           const float *f, const float *b, int64_t rows,
                           int64_t width, int64_t left, int count)
{
    wide middle[TOGETHER], by[TOGETHER], plus[TOGETHER];
    EACH { middle[j] = LOAD(m); by[j] = LOAD(f); plus[j] = LOAD(b); }
    for (int64_t r = 0; r < rows; r++, x += width, y += width) {
        EACH
        {
            w_store_part(y + j * WIDE, LEFT,
                         w_fma(LOAD(x) - middle[j], by[j], plus[j]));
        }
    }
}

static void affine_float(void *y_, const void *x_, const void *m_,
                         const void *f_, const void *b_, int64_t rows,
                         int64_t width)
{
    const float *x = x_, *m = m_, *f = f_, *b = b_;
    float *y = y_;
    STRIPS(width, strip_affine(y + at, x + at, m + at, f + at, b + at, rows,
                               width, left, count));
}

V_INLINE void strip_shifted(float *out, const float *g, const float *x,
                            const float *m, const float *a, const float *b,
                            const float *c, int64_t rows, int64_t width,
                            int64_t left, int count)
{
    wide middle[TOGETHER], by[TOGETHER], along[TOGETHER], less[TOGETHER];
    EACH
    {
        middle[j] = LOAD(m);
        by[j] = LOAD(a);
        along[j] = -LOAD(b);
        less[j] = -LOAD(c);
    }
    for (int64_t r = 0; r < rows; r++, g += width, x += width, out += width) {
        EACH
        {
            wide t = w_fma(LOAD(x) - middle[j], along[j], less[j]);
            w_store_part(out + j * WIDE, LEFT, w_fma(LOAD(g), by[j], t));
        }
    }
}

V_INLINE void strip_scaled(float *out, const float *g, const float *a,
                           int64_t rows, int64_t width, int64_t left, int count)
{
    wide by[TOGETHER];
    EACH { by[j] = LOAD(a); }
    for (int64_t r = 0; r < rows; r++, g += width, out += width) {
        EACH { w_store_part(out + j * WIDE, LEFT, LOAD(g) * by[j]); }
    }
}

static void shifted_float(void *out_, const void *g_, const void *x_,
                          const void *m_, const void *a_, const void *b_,
                          const void *c_, int64_t rows, int64_t width)
{
    const float *g = g_, *x = x_, *m = m_, *a = a_, *b = b_, *c = c_;
    float *out = out_;
    if (b) {
        STRIPS(width, strip_shifted(out + at, g + at, x + at, m + at, a + at,
                                    b + at, c + at, rows, width, left, count));
    } else {
        STRIPS(width, strip_scaled(out + at, g + at, a + at, rows, width, left,
                                   count));
    }
}

/* --- float64 ------------------------------------------------------------------- */

static void sums_double(double *sums, const void *g_, const void *x_,
                        const void *m_, int64_t rows, int64_t width)
{
    const double *x = x_, *m = m_, *g = g_;
    double *along = sums + width;
    for (int64_t r = 0; r < rows; r++, x += width) {
        RT_VECTORISE
        for (int64_t i = 0; i < width; i++) {
            double d = x[i] - m[i], v = g ? g[i] : d;
            sums[i] += v;
            along[i] += v * d;
        }
        g = g ? g + width : NULL;
    }
}

static void affine_double(void *y_, const void *x_, const void *m_,
                          const void *f_, const void *b_, int64_t rows,
                          int64_t width)
{
    const double *x = x_, *m = m_, *f = f_, *b = b_;
    double *y = y_;
    for (int64_t r = 0; r < rows; r++, x += width, y += width) {
        RT_VECTORISE
        for (int64_t i = 0; i < width; i++) {
            y[i] = (x[i] - m[i]) * f[i] + b[i];
        }
    }
}

static void shifted_double(void *out_, const void *g_, const void *x_,
                           const void *m_, const void *a_, const void *b_,
                           const void *c_, int64_t rows, int64_t width)
{
    const double *g = g_, *x = x_, *m = m_, *a = a_, *b = b_, *c = c_;
    double *out = out_;
    for (int64_t r = 0; r < rows; r++, g += width, x += width, out += width) {
        RT_VECTORISE
        for (int64_t i = 0; i < width; i++) {
            out[i] = b ? g[i] * a[i] - (x[i] - m[i]) * b[i] - c[i]
                       : g[i] * a[i];
        }
    }
}

const rt__columns_table RT_ISA_NAME(columns) = {
    {sums_float, affine_float, shifted_float},
    {sums_double, affine_double, shifted_double},
};

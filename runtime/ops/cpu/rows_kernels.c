/* SPDX-License-Identifier: MIT
 * Row loops of norms, losses and indexing; compiled per instruction set.
 */
#include "runtime/ops/cpu/rows.h"

#include "runtime/ops/cpu/wide_rows.h"

#define LANES 32

#define FOR_LANES for (int k = 0; k < LANES; k++)

#define ROWS(TYPE)                                                             \
    static void add_##TYPE(void *y, const void *x, int64_t n)                  \
    {                                                                          \
        TYPE *restrict d = y;                                                  \
        const TYPE *restrict s = x;                                            \
        for (int64_t i = 0; i < n; i++) {                                      \
            d[i] += s[i];                                                      \
        }                                                                      \
    }                                                                          \
                                                                               \
    static void affine_##TYPE(void *y, const void *x, int64_t n, double a,     \
                              double b)                                        \
    {                                                                          \
        TYPE *restrict d = y;                                                  \
        const TYPE *restrict s = x;                                            \
        TYPE p = (TYPE)a, q = (TYPE)b;                                         \
        for (int64_t i = 0; i < n; i++) {                                      \
            d[i] = s[i] * p + q;                                               \
        }                                                                      \
    }                                                                          \
                                                                               \
    static void normalise_##TYPE(void *y, const void *x, int64_t n,            \
                                 double mean, double scale, const void *w,     \
                                 const void *b)                                \
    {                                                                          \
        TYPE *restrict d = y;                                                  \
        const TYPE *restrict s = x;                                            \
        const TYPE *restrict ws = w, *restrict bs = b;                         \
        TYPE m = (TYPE)mean, f = (TYPE)scale;                                  \
        if (w && b) {                                                          \
            for (int64_t i = 0; i < n; i++) {                                  \
                d[i] = (s[i] - m) * f * ws[i] + bs[i];                         \
            }                                                                  \
            return;                                                            \
        }                                                                      \
        for (int64_t i = 0; i < n; i++) {                                      \
            d[i] = (s[i] - m) * f;                                             \
        }                                                                      \
        for (int64_t i = 0; w && i < n; i++) {                                 \
            d[i] *= ws[i];                                                     \
        }                                                                      \
        for (int64_t i = 0; b && i < n; i++) {                                 \
            d[i] += bs[i];                                                     \
        }                                                                      \
    }                                                                          \
                                                                               \
    static double distance_##TYPE(const void *a, const void *b, int64_t n)     \
    {                                                                          \
        const TYPE *x = a, *y = b;                                             \
        TYPE lanes[LANES] = {0};                                               \
        double sum = 0;                                                        \
        int64_t i = 0;                                                         \
        for (; i + LANES <= n; i += LANES) {                                   \
            FOR_LANES {                                                        \
                TYPE d = x[i + k] - y[i + k];                                  \
                lanes[k] += d * d;                                             \
            }                                                                  \
        }                                                                      \
        FOR_LANES { sum += (double)lanes[k]; }                                 \
        for (; i < n; i++) {                                                   \
            double d = (double)x[i] - (double)y[i];                            \
            sum += d * d;                                                      \
        }                                                                      \
        return sum;                                                            \
    }                                                                          \
                                                                               \
    static inline TYPE smooth_one_##TYPE(TYPE d, TYPE inverse, TYPE half)      \
    {                                                                          \
        TYPE u = d * inverse;                                                  \
        u = u < -1 ? -1 : u;                                                   \
        u = u > 1 ? 1 : u;                                                     \
        return u * (d - half * u);                                             \
    }                                                                          \
                                                                               \
    static double smooth_##TYPE(void *out_, const void *a, const void *b,      \
                                int64_t n, double beta)                        \
    {                                                                          \
        const TYPE *x = a, *y = b, inverse = (TYPE)(1 / beta);                 \
        const TYPE half = (TYPE)(beta / 2);                                    \
        TYPE lanes[LANES] = {0}, *out = out_;                                  \
        double sum = 0;                                                        \
        int64_t i = 0;                                                         \
        for (; out && i < n; i++) {                                            \
            out[i] = smooth_one_##TYPE(x[i] - y[i], inverse, half);            \
        }                                                                      \
        for (; i + LANES <= n; i += LANES) {                                   \
            FOR_LANES {                                                        \
                lanes[k] += smooth_one_##TYPE(x[i + k] - y[i + k], inverse,    \
                                              half);                           \
            }                                                                  \
        }                                                                      \
        FOR_LANES { sum += (double)lanes[k]; }                                 \
        for (; i < n; i++) {                                                   \
            sum += (double)smooth_one_##TYPE(x[i] - y[i], inverse, half);      \
        }                                                                      \
        return sum;                                                            \
    }

ROWS(float)
ROWS(double)

static void moments_double(const void *row, int64_t n, double *mean,
                           double *m2)
{
    const double *x = row;
    double lanes[LANES] = {0};
    double sum = 0, squares = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        FOR_LANES { lanes[k] += x[i + k]; }
    }
    FOR_LANES { sum += (double)lanes[k]; lanes[k] = 0; }
    for (; i < n; i++) {
        sum += (double)x[i];
    }
    *mean = sum / (double)n;
    double centre = (double)*mean;
    for (i = 0; i + LANES <= n; i += LANES) {
        FOR_LANES {
            double d = x[i + k] - centre;
            lanes[k] += d * d;
        }
    }
    FOR_LANES { squares += (double)lanes[k]; }
    for (; i < n; i++) {
        double d = (double)x[i] - (double)centre;
        squares += d * d;
    }
    double off = *mean - (double)centre;
    *m2 = squares - (double)n * off * off;
}

/* A row is read twice; the mean is rounded to float for the second time, and
 * what that loses is taken back. */
static void moments_float(const void *row, int64_t n, double *mean, double *m2)
{
    const float *x = row;
    wide lane[WIDE_PARTS];
    EACH_PART { lane[j] = w_all(0); }
    WIDE_ROW(x, n, 0, lane[j] += v);
    *mean = w_join_wide(lane) / (double)n;
    float centre = (float)*mean;
    EACH_PART { lane[j] = w_all(0); }
    WIDE_ROW(x, n, centre, lane[j] += (v - centre) * (v - centre));
    double off = *mean - (double)centre;
    *m2 = w_join_wide(lane) - (double)n * off * off;
}

#define SET(TYPE)                                                              \
    {add_##TYPE, moments_##TYPE, affine_##TYPE, normalise_##TYPE,              \
     distance_##TYPE, smooth_##TYPE}

const rt__rows_table RT_ISA_NAME(rows) = {SET(float), SET(double)};

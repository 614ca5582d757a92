/* SPDX-License-Identifier: MIT
 * Rows of layer_norm and group_norm and their gradients; compiled per instruction set.
 */
#include "runtime/ops/cpu/norm.h"

#include "runtime/ops/cpu/rows.h"
#include "runtime/ops/cpu/wide.h"

#define BLOCK 1024   /* elements added in float32 before a float64 takes them */

/* --- float32 ------------------------------------------------------------------ */

/* Rows that go together, so that w and b are loaded once for all of them, and
 * the accumulators that each row has: what fits the registers. */
#if WIDE == 16
enum { TOGETHER = 4, PARTS = 2 };
#else
enum { TOGETHER = 1, PARTS = 4 };
#endif
#define EACH_ROW _Pragma("GCC unroll 8") for (int r = 0; r < rows; r++)
#define EACH_LANE _Pragma("GCC unroll 8") for (int j = 0; j < PARTS; j++)

/* Halves the parts, then adds the lanes that are left in float64. */
V_INLINE double total(const wide *parts)
{
    wide p = PARTS == 2 ? parts[0] + parts[1]
                        : (parts[0] + parts[2]) + (parts[1] + parts[3]);
#if defined(__AVX512F__)
    return w_sum64(p);
#else
    double sum = 0;
    for (int i = 0; i < WIDE; i++) {
        sum += (double)p[i];
    }
    return sum;
#endif
}

/* Runs `body` along a row: `at` is where a vector starts, j its part; `left`
 * elements are there, WIDE or fewer. */
#define ALONG(n, body)                                                         \
    do {                                                                       \
        int64_t i_ = 0;                                                        \
        for (; i_ + WIDE * PARTS <= (n); i_ += WIDE * PARTS) {                 \
            EACH_LANE                                                          \
            {                                                                  \
                const int64_t at = i_ + j * WIDE, left = WIDE;                 \
                body;                                                          \
            }                                                                  \
        }                                                                      \
        for (int j = 0; i_ < (n); i_ += WIDE, j++) {                           \
            const int64_t at = i_, left = (n) - i_;                            \
            body;                                                              \
        }                                                                      \
    } while (0)
#define LOAD(p, fill) w_load_part((p) + at, left, fill)

/* Sums of x - k and its square, k near the row's elements. */
typedef struct sums {
    double plain[TOGETHER], square[TOGETHER];
} sums;

V_INLINE void add_sums(sums *to, const float *x, int64_t n, int64_t stride,
                       const float *k, int rows)
{
    wide s[TOGETHER][PARTS], q[TOGETHER][PARTS], v;
    EACH_ROW { EACH_LANE { s[r][j] = q[r][j] = w_all(0); } }
    ALONG(n, EACH_ROW {
        v = LOAD(x + r * stride, k[r]) - k[r];
        s[r][j] += v;
        q[r][j] = w_fma(v, v, q[r][j]);
    });
    EACH_ROW {
        to->plain[r] += total(s[r]);
        to->square[r] += total(q[r]);
    }
}

V_INLINE void sums_of(sums *to, const float *x, int64_t n, const float *k,
                      int rows)
{
    *to = (sums){0};
    for (int64_t i = 0; i < n; i += BLOCK) {
        add_sums(to, x + i, n - i < BLOCK ? n - i : BLOCK, n, k, rows);
    }
}

/* Means and variances in one walk: the sums are taken around the row's first
 * element. Where that is far from the mean, squares would cancel: then once
 * more around the mean. */
V_INLINE void moments(const float *x, int64_t n, int rows, double *mean,
                      double *var)
{
    float k[TOGETHER];
    sums s;
    EACH_ROW { k[r] = x[r * n]; }
    sums_of(&s, x, n, k, rows);
    EACH_ROW
    {
        double off = s.plain[r] / (double)n;
        mean[r] = (double)k[r] + off;
        var[r] = s.square[r] / (double)n - off * off;
        if (!(off * off <= 8 * var[r])) {
            sums again;
            float near = (float)mean[r];
            sums_of(&again, x + r * n, n, &near, 1);
            off = again.plain[0] / (double)n;
            mean[r] = (double)near + off;
            var[r] = again.square[0] / (double)n - off * off;
            var[r] = var[r] < 0 ? 0 : var[r];
        }
    }
}

V_INLINE void normalise(float *y, const float *x, const float *w,
                        const float *b, int64_t n, int rows, const double *mean,
                        const double *rstd)
{
    wide m[TOGETHER], f[TOGETHER], v, ww = w_all(1), bb = w_all(0);
    EACH_ROW { m[r] = w_all((float)mean[r]); f[r] = w_all((float)rstd[r]); }
    ALONG(n, ww = w ? LOAD(w, 0) : ww; bb = b ? LOAD(b, 0) : bb; EACH_ROW {
        v = (LOAD(x + r * n, 0) - m[r]) * f[r];
        v = w ? b ? w_fma(v, ww, bb) : v * ww : b ? v + bb : v;
        w_store_part(y + r * n + at, left, v);
    });
}

/* The same, with its three forms compiled apart. */
V_INLINE void layer_affine(float *y, const float *x, const float *w,
                           const float *b, int64_t n, int rows,
                           const double *mean, const double *rstd)
{
    if (w && b) {
        normalise(y, x, w, b, n, rows, mean, rstd);
    } else if (w) {
        normalise(y, x, w, NULL, n, rows, mean, rstd);
    } else {
        normalise(y, x, NULL, b, n, rows, mean, rstd);
    }
}

V_INLINE void layer_rows(float *y, const float *x, const float *w,
                         const float *b, int64_t n, int rows, double eps,
                         double *mean, double *rstd)
{
    double var[TOGETHER];
    moments(x, n, rows, mean, var);
    EACH_ROW { rstd[r] = 1 / sqrt(var[r] + eps); }
    layer_affine(y, x, w, b, n, rows, mean, rstd);
}

static void layer_float(void *y_, const void *x_, const void *w, const void *b,
                        int64_t rows, int64_t n, double eps, double *mean,
                        double *rstd)
{
    const float *x = x_;
    float *y = y_;
    int64_t i = 0;
    for (; i + TOGETHER <= rows; i += TOGETHER) {
        layer_rows(y + i * n, x + i * n, w, b, n, TOGETHER, eps, mean + i,
                   rstd + i);
    }
    for (; i < rows; i++) {
        layer_rows(y + i * n, x + i * n, w, b, n, 1, eps, mean + i, rstd + i);
    }
}

/* --- its gradient in float32 ------------------------------------------------------ */

/* Sums of gw and of gw * (x - mean). One row at a time: three streams of more
 * rows would not stay in the first cache until their second walk. */
V_INLINE void products_of(const float *g, const float *x, const float *w,
                          int64_t n, wide m, double *plain, double *along)
{
    *plain = *along = 0;
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t len = n - i < BLOCK ? n - i : BLOCK;
        wide s[PARTS], q[PARTS], v;
        EACH_LANE { s[j] = q[j] = w_all(0); }
        ALONG(len, v = LOAD(g + i, 0); v = w ? v * LOAD(w + i, 0) : v;
              s[j] += v; q[j] = w_fma(v, LOAD(x + i, 0) - m, q[j]));
        *plain += total(s);
        *along += total(q);
    }
}

V_INLINE void backward_row(float *out, const float *g, const float *x,
                           const float *w, int64_t n, double mean, double rstd)
{
    double plain, along, by = -rstd / (double)n;
    wide m = w_all((float)mean), f = w_all((float)rstd), v;
    products_of(g, x, w, n, m, &plain, &along);
    wide a = w_all((float)(by * plain));
    wide b = w_all((float)(by * rstd * rstd * along));
    ALONG(n, v = LOAD(g, 0); v = w ? v * LOAD(w, 0) : v;
          w_store_part(out + at, left,
                       w_fma(v, f, w_fma(LOAD(x, 0) - m, b, a))));
}

static void layer_backward_float(void *out_, const void *g_, const void *x_,
                                 const void *w, int64_t rows, int64_t n,
                                 const double *mean, const double *rstd)
{
    const float *g = g_, *x = x_;
    float *out = out_;
    for (int64_t i = 0; i < rows; i++, out += n, g += n, x += n) {
        if (w) {
            backward_row(out, g, x, w, n, mean[i], rstd[i]);
        } else {
            backward_row(out, g, x, NULL, n, mean[i], rstd[i]);
        }
    }
}

/* --- group_norm in float32 ---------------------------------------------------------- */

static void moments_float(const void *x, int64_t n, double *mean, double *var)
{
    moments(x, n, 1, mean, var);
}

static void group_float(void *y_, const void *x_, const void *w_,
                        const void *b_, int64_t channels, int64_t inner,
                        double mean, double rstd)
{
    const float *x = x_, *w = w_, *b = b_;
    float *y = y_;
    wide m = w_all((float)mean);
    if (inner == 1) {
        layer_affine(y, x, w, b, channels, 1, &mean, &rstd);
        return;
    }
    for (int64_t c = 0; c < channels; c++, x += inner, y += inner) {
        wide f = w_all((float)(w ? rstd * (double)w[c] : rstd));
        wide add = w_all(b ? b[c] : 0);
        ALONG(inner, w_store_part(y + at, left,
                                  w_fma(LOAD(x, 0) - m, f, add)));
    }
}

static void group_sums_float(double (*to)[2], const void *g_, const void *x_,
                             int64_t channels, int64_t inner, double mean)
{
    const float *g = g_, *x = x_;
    wide m = w_all((float)mean);
    for (int64_t c = 0; c < channels; c++, g += inner, x += inner) {
        double plain, along;
        if (inner == 1) {
            plain = (double)*g;
            along = (double)(*g * (*x - m[0]));
        } else {
            products_of(g, x, NULL, inner, m, &plain, &along);
        }
        to[c][0] += plain;
        to[c][1] += along;
    }
}

static void group_backward_float(void *out_, const void *g_, const void *x_,
                                 const void *w_, int64_t channels,
                                 int64_t inner, double mean, const double f[3])
{
    const float *g = g_, *x = x_, *w = w_;
    float *out = out_;
    wide m = w_all((float)mean), b = w_all((float)f[1]), p = w_all((float)f[2]);
    if (inner == 1) {
        wide a = w_all((float)f[0]), v;
        ALONG(channels, v = LOAD(g, 0) * a; v = w ? v * LOAD(w, 0) : v;
              w_store_part(out + at, left, w_fma(LOAD(x, 0) - m, b, v + p)));
        return;
    }
    for (int64_t c = 0; c < channels; c++) {
        wide a = w_all((float)(w ? f[0] * (double)w[c] : f[0]));
        ALONG(inner, w_store_part(out + at, left,
                                  w_fma(LOAD(g, 0), a,
                                        w_fma(LOAD(x, 0) - m, b, p))));
        g += inner;
        x += inner;
        out += inner;
    }
}

/* --- float64 ------------------------------------------------------------------- */

static void layer_double(void *y, const void *x, const void *w, const void *b,
                         int64_t count, int64_t n, double eps, double *mean,
                         double *rstd)
{
    const rt__row_fns *rows = &RT_ISA_NAME(rows).wide;
    for (int64_t i = 0; i < count; i++) {
        const double *from = (const double *)x + i * n;
        double m2;
        rows->moments(from, n, mean + i, &m2);
        rstd[i] = 1 / sqrt(m2 / (double)n + eps);
        rows->normalise((double *)y + i * n, from, n, mean[i], rstd[i], w, b);
    }
}

enum { LANES = 16 };

static void backward_double(double *out, const double *g, const double *x,
                            const double *w, int64_t n, double mean,
                            double rstd)
{
    double s[LANES] = {0}, t[LANES] = {0}, plain = 0, along = 0;
    for (int64_t i = 0; i < n; i++) {
        double v = w ? g[i] * w[i] : g[i];
        s[i % LANES] += v;
        t[i % LANES] += v * ((x[i] - mean) * rstd);
    }
    for (int l = 0; l < LANES; l++) {
        plain += s[l];
        along += t[l];
    }
    plain /= (double)n;
    along /= (double)n;
    RT_VECTORISE
    for (int64_t i = 0; i < n; i++) {
        double v = w ? g[i] * w[i] : g[i];
        out[i] = rstd * (v - plain - (x[i] - mean) * rstd * along);
    }
}

static void layer_backward_double(void *out, const void *g, const void *x,
                                  const void *w, int64_t rows, int64_t n,
                                  const double *mean, const double *rstd)
{
    for (int64_t i = 0; i < rows; i++) {
        backward_double((double *)out + i * n, (const double *)g + i * n,
                        (const double *)x + i * n, w, n, mean[i], rstd[i]);
    }
}

static void moments_double(const void *x, int64_t n, double *mean, double *var)
{
    double m2;
    RT_ISA_NAME(rows).wide.moments(x, n, mean, &m2);
    *var = m2 / (double)n;
}

static void group_double(void *y_, const void *x_, const void *w_,
                         const void *b_, int64_t channels, int64_t inner,
                         double mean, double rstd)
{
    const double *x = x_, *w = w_, *b = b_;
    double *y = y_;
    for (int64_t c = 0; c < channels; c++, x += inner, y += inner) {
        double f = w ? rstd * w[c] : rstd, add = b ? b[c] : 0;
        RT_VECTORISE
        for (int64_t i = 0; i < inner; i++) {
            y[i] = (x[i] - mean) * f + add;
        }
    }
}

static void group_sums_double(double (*to)[2], const void *g_,
                              const void *x_, int64_t channels, int64_t inner,
                              double mean)
{
    const double *g = g_, *x = x_;
    for (int64_t c = 0; c < channels; c++, g += inner, x += inner) {
        double s[LANES] = {0}, t[LANES] = {0};
        for (int64_t i = 0; i < inner; i++) {
            s[i % LANES] += g[i];
            t[i % LANES] += g[i] * (x[i] - mean);
        }
        for (int l = 0; l < LANES; l++) {
            to[c][0] += s[l];
            to[c][1] += t[l];
        }
    }
}

static void group_backward_double(void *out_, const void *g_, const void *x_,
                                  const void *w_, int64_t channels,
                                  int64_t inner, double mean, const double f[3])
{
    const double *g = g_, *x = x_, *w = w_;
    double *out = out_, b = f[1], p = f[2];
    for (int64_t c = 0; c < channels; c++) {
        double a = w ? f[0] * w[c] : f[0];
        RT_VECTORISE
        for (int64_t i = 0; i < inner; i++) {
            out[i] = g[i] * a + ((x[i] - mean) * b + p);
        }
        g += inner;
        x += inner;
        out += inner;
    }
}

const rt__norm_table RT_ISA_NAME(norm) = {
    {layer_float, layer_backward_float, moments_float, group_float,
     group_sums_float, group_backward_float},
    {layer_double, layer_backward_double, moments_double, group_double,
     group_sums_double, group_backward_double},
};

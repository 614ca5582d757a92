/* SPDX-License-Identifier: MIT
 * Softmax over rows and columns; compiled per instruction set.
 */
#include "runtime/ops/cpu/softmax.h"

#include "runtime/ops/cpu/wide_rows.h"

/* --- exponentials of what is not above 0 --------------------------------------- */

#if defined(__AVX512F__)
/* 2^(i/16): the powers between two whole ones stand in one register. */
static const float powers[16] = {
    0x1p0f,        0x1.0b5586p0f, 0x1.172b84p0f, 0x1.2387a6p0f,
    0x1.306fep0f,  0x1.3dea64p0f, 0x1.4bfdaep0f, 0x1.5ab07ep0f,
    0x1.6a09e6p0f, 0x1.7a1148p0f, 0x1.8ace54p0f, 0x1.9c4918p0f,
    0x1.ae89fap0f, 0x1.c199bep0f, 0x1.d5818ep0f, 0x1.ea4afap0f,
};

/* x = n ln(2) + r with n in sixteenths, |r| <= 0.0217: a cubic is enough. The
 * product n ln(2) is rounded once; against the rounding that made x from two
 * numbers that is little. */
V_INLINE wide exp_below(wide x)
{
    wide t = w_max(w_all(-105), x);
    wide z = w_fma(t, w_all(0x1.715476p0f), w_all(0x1.8p19f));
    wide n = z - 0x1.8p19f, r = w_fma(n, w_all(-0x1.62e43p-1f), t);
    wide p = (wide)_mm512_permutexvar_ps((__m512i)z, _mm512_loadu_ps(powers));
    wide q = w_fma(w_fma(r, w_all(1.f / 6), w_all(0.5f)), r, w_all(1));
    return (wide)_mm512_scalef_ps((__m512)w_fma(r * p, q, p), (__m512)n);
}
#else
V_INLINE wide exp_below(wide x)
{
    return w_exp(x);
}
#endif

/* --- joining lanes in registers -------------------------------------------------- */

#if defined(__x86_64__)
V_INLINE __m128 quarter_of(wide v, int largest)
{
#if defined(__AVX512F__)
    __m256 lo = _mm512_castps512_ps256((__m512)v);
    __m256 hi = _mm512_extractf32x8_ps((__m512)v, 1);
    __m256 h = largest ? _mm256_max_ps(lo, hi) : _mm256_add_ps(lo, hi);
#elif defined(__AVX2__)
    __m256 h = (__m256)v;
#else
    return (__m128)v;
#endif
#if defined(__AVX2__)
    __m128 a = _mm256_castps256_ps128(h), b = _mm256_extractf128_ps(h, 1);
    return largest ? _mm_max_ps(a, b) : _mm_add_ps(a, b);
#endif
}

V_INLINE float join_lanes(wide v, int largest)
{
    __m128 q = quarter_of(v, largest), s = _mm_movehl_ps(q, q);
    q = largest ? _mm_max_ps(q, s) : _mm_add_ps(q, s);
    s = _mm_shuffle_ps(q, q, 1);
    return _mm_cvtss_f32(largest ? _mm_max_ss(q, s) : _mm_add_ss(q, s));
}
#else
V_INLINE float join_lanes(wide v, int largest)
{
    for (int half = WIDE / 2; half > 0; half /= 2) {
        for (int j = 0; j < half; j++) {
            float a = v[j], b = v[j + half];
            v[j] = largest ? (a > b ? a : b) : a + b;
        }
    }
    return v[0];
}
#endif

/* The first `parts` vectors joined by halving; the others count for nothing. */
V_INLINE float join_parts(const wide *v, int parts, int largest)
{
    wide p[WIDE_PARTS];
    _Pragma("GCC unroll 16")
    for (int j = 0; j < parts; j++) {
        p[j] = v[j];
    }
    _Pragma("GCC unroll 4")
    for (int half = WIDE_PARTS / 2; half > 0; half /= 2) {
        _Pragma("GCC unroll 8")
        for (int j = 0; j < half; j++) {
            if (j + half < parts) {
                p[j] = largest ? w_max(p[j], p[j + half]) : p[j] + p[j + half];
            }
        }
    }
    return join_lanes(p[0], largest);
}

/* --- short rows: all in registers ------------------------------------------------- */

enum wish { PROBABILITY, LOGARITHM, LOG_SUM };

static double log_sum(double top, double sum)
{
    return isinf(top) ? top : top + log(sum);
}

/* `parts` vectors; WIDE_PARTS stands for any number that is left. */
V_INLINE double short_row(float *out, const float *x, int n, int parts,
                          enum wish wish, float scale)
{
    wide v[WIDE_PARTS], e[WIDE_PARTS];
#define EACH(body)                                                             \
    _Pragma("GCC unroll 16") for (int j = 0; j < parts; j++) { body; }
#define LEFT (parts < WIDE_PARTS && j < parts - 1 ? WIDE : n - j * WIDE)
    EACH(v[j] = w_load_part(x + j * WIDE, LEFT, -INFINITY))
    wide top = w_all(join_parts(v, parts, 1));
    EACH(v[j] -= top; e[j] = exp_below(v[j]))
    float sum = join_parts(e, parts, 0);
    if (wish == LOG_SUM) {
        return log_sum((double)top[0], (double)sum);
    }
    if (wish == LOGARITHM) {
        wide shift = w_all((float)log((double)sum));
        EACH(w_store_part(out + j * WIDE, LEFT, v[j] - shift))
        return 0;
    }
    wide factor = w_all(scale / sum);
    EACH(w_store_part(out + j * WIDE, LEFT, e[j] * factor))
    return 0;
#undef EACH
#undef LEFT
}

static void short_rows(float *out, double *sums, const float *x, int64_t rows,
                       int n, enum wish wish, float scale)
{
    int parts = (n + WIDE - 1) / WIDE;
    for (int64_t i = 0; i < rows; i++, x += n) {
        double sum;
        switch (parts) {
#define PARTS(p)                                                               \
    case p:                                                                    \
        sum = short_row(out, x, n, p, wish, scale);                            \
        break;
            PARTS(1)
            PARTS(2)
            PARTS(3)
#if WIDE < 16
            PARTS(4)
            PARTS(5)
            PARTS(6)
            PARTS(7)
#endif
        default:
            sum = short_row(out, x, n, WIDE_PARTS, wish, scale);
        }
        if (wish == LOG_SUM) {
            sums[i] = sum;
        } else {
            out += n;
        }
    }
}

/* --- rows of float32 -------------------------------------------------------------- */

#define BLOCK 8192   /* elements added in float32 before a float64 takes them */

static double largest_float(const void *x, int64_t n)
{
    wide best[WIDE_PARTS];
    EACH_PART { best[j] = w_all(-INFINITY); }
    WIDE_ROW((const float *)x, n, -INFINITY, best[j] = w_max(v, best[j]));
    return (double)join_parts(best, WIDE_PARTS, 1);
}

V_INLINE float block_exponentials(float *out, const float *x, int64_t n,
                                  float top, bool keep)
{
    wide sum[WIDE_PARTS], e;
    int64_t i = 0;
    EACH_PART { sum[j] = w_all(0); }
    for (; i + WIDE_LANES <= n; i += WIDE_LANES) {
        EACH_PART
        {
            e = exp_below(w_load(x + i + j * WIDE) - top);
            if (keep) {
                w_store(out + i + j * WIDE, e);
            }
            sum[j] += e;
        }
    }
    for (int j = 0; i < n; i += WIDE, j++) {
        e = exp_below(w_load_part(x + i, n - i, -INFINITY) - top);
        if (keep) {
            w_store_part(out + i, n - i, e);
        }
        sum[j] += e;
    }
    return join_parts(sum, WIDE_PARTS, 0);
}

static double exponentials_float(void *out_, const void *x_, int64_t n,
                                 double top)
{
    const float *x = x_;
    float *out = out_;
    double total = 0;
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t len = n - i < BLOCK ? n - i : BLOCK;
        total += (double)(out ? block_exponentials(out + i, x + i, len,
                                                   (float)top, true)
                              : block_exponentials(NULL, x + i, len,
                                                   (float)top, false));
    }
    return total;
}

static void finish_float(void *out, const void *x, int64_t n, double top,
                         double sum, bool log_)
{
    float *y = out, most = (float)top;
    if (log_) {
        float shift = (float)log(sum);
        WIDE_MAP(y, (const float *)x, n, (v - most) - shift);
    } else {
        float scale = 1 / (float)sum;
        WIDE_MAP(y, y, n, v * scale);
    }
}

#if WIDE == 16
/* Up to three rows are under way: the exponentials of this one, which keep the
 * multipliers busy, the largest element of the next, and (where they are kept)
 * the scaling of the last. Sums as in block_exponentials; n <= BLOCK. */
typedef struct flight {
    float top, next_top, scale;
} flight;

V_INLINE float row_in_flight(float *out, const float *x, int64_t n, flight *f,
                             const float *next, float *last, bool keep)
{
    wide sum[WIDE_PARTS], best[WIDE_PARTS], e;
    float top = f->top, scale = f->scale;
    int64_t i = 0;
    EACH_PART { sum[j] = w_all(0); best[j] = w_all(-INFINITY); }
    for (; i + WIDE_LANES <= n; i += WIDE_LANES) {
        EACH_PART
        {
            int64_t at = i + j * WIDE;
            e = exp_below(w_load(x + at) - top);
            sum[j] += e;
            best[j] = w_max(w_load(next + at), best[j]);
            if (keep) {
                w_store(out + at, e);
                w_store(last + at, w_load(last + at) * scale);
            }
        }
    }
    for (int j = 0; i < n; i += WIDE, j++) {
        int64_t left = n - i;
        e = exp_below(w_load_part(x + i, left, -INFINITY) - top);
        sum[j] += e;
        best[j] = w_max(w_load_part(next + i, left, -INFINITY), best[j]);
        if (keep) {
            w_store_part(out + i, left, e);
            w_store_part(last + i, left, w_load_part(last + i, left, 0) * scale);
        }
    }
    f->next_top = join_parts(best, WIDE_PARTS, 1);
    return join_parts(sum, WIDE_PARTS, 0);
}

static void rows_in_flight(float *out, const float *x, int64_t rows, int64_t n,
                           float scale)
{
    flight f = {.top = (float)largest_float(x, n), .scale = 1};
    for (int64_t i = 0; i < rows; i++) {
        const float *next = i + 1 < rows ? x + n : x;
        float *last = i ? out - n : out;
        f.scale = scale / row_in_flight(out, x, n, &f, next, last, true);
        f.top = f.next_top;
        x += n;
        out += n;
    }
    WIDE_MAP(out - n, out - n, n, v * f.scale);
}

static void sums_in_flight(double *out, const float *x, int64_t rows, int64_t n)
{
    flight f = {.top = (float)largest_float(x, n)};
    for (int64_t i = 0; i < rows; i++, x += n) {
        const float *next = i + 1 < rows ? x + n : x;
        float sum = row_in_flight(NULL, x, n, &f, next, NULL, false);
        out[i] = log_sum((double)f.top, (double)sum);
        f.top = f.next_top;
    }
}
#endif

static void rows_float(void *out_, const void *x_, int64_t rows, int64_t n,
                       bool log_, double scale)
{
    const float *x = x_;
    float *out = out_;
    if (n <= WIDE_LANES) {
        short_rows(out, NULL, x, rows, (int)n, log_ ? LOGARITHM : PROBABILITY,
                   (float)scale);
        return;
    }
#if WIDE == 16
    if (n <= BLOCK && !log_) {
        rows_in_flight(out, x, rows, n, (float)scale);
        return;
    }
#endif
    for (int64_t i = 0; i < rows; i++, x += n, out += n) {
        double top = largest_float(x, n);
        double sum = exponentials_float(log_ ? NULL : out, x, n, top);
        finish_float(out, x, n, top, log_ ? sum : sum / scale, log_);
    }
}

static void log_sums_float(double *out, const void *x_, int64_t rows, int64_t n)
{
    const float *x = x_;
    if (n <= WIDE_LANES) {
        short_rows(NULL, out, x, rows, (int)n, LOG_SUM, 1);
        return;
    }
#if WIDE == 16
    if (n <= BLOCK) {
        sums_in_flight(out, x, rows, n);
        return;
    }
#endif
    for (int64_t i = 0; i < rows; i++, x += n) {
        double top = largest_float(x, n);
        out[i] = log_sum(top, exponentials_float(NULL, x, n, top));
    }
}

/* --- columns of float32: one for each lane ----------------------------------------- */

/* A band as wide as can be has no ends to mask. */
#define BAND(call)                                                             \
    do {                                                                       \
        if (width == RT_SOFT_COLUMNS) {                                        \
            call(RT_SOFT_COLUMNS);                                             \
        } else {                                                               \
            call(width);                                                       \
        }                                                                      \
    } while (0)
#define EACH_ROW(width, body)                                                  \
    for (int64_t r = 0; r < rows; r++) {                                       \
        EACH_PART                                                              \
        {                                                                      \
            int left = (width) - j * WIDE;                                     \
            int64_t at = r * stride + j * WIDE;                                \
            if (left > 0) {                                                    \
                body;                                                          \
            }                                                                  \
        }                                                                      \
    }
#define INPUT w_load_part(x + at, left, 0)
#define AHEAD 8      /* rows that are called into the cache beforehand */

V_INLINE wide narrow(const double *p)
{
    wide v;
    for (int i = 0; i < WIDE; i++) {
        v[i] = (float)p[i];
    }
    return v;
}

V_INLINE void widen(double *p, wide v)
{
    for (int i = 0; i < WIDE; i++) {
        p[i] = (double)v[i];
    }
}

static void columns_largest_float(rt__soft_band *b, const void *from,
                                  int64_t rows, int64_t stride, int width)
{
    const float *x = from;
    wide best[WIDE_PARTS];
    EACH_PART { best[j] = narrow(b->top + j * WIDE); }
#define LARGEST(width)                                                         \
    EACH_ROW(width, best[j] = w_max(INPUT, best[j]);                           \
             __builtin_prefetch(x + at + AHEAD * stride))
    BAND(LARGEST);
    EACH_PART { widen(b->top + j * WIDE, best[j]); }
}

static void columns_exponentials_float(rt__soft_band *b, void *to,
                                       const void *from, int64_t rows,
                                       int64_t stride, int width)
{
    const float *x = from;
    float *out = to;
    wide best[WIDE_PARTS], sum[WIDE_PARTS], e;
    EACH_PART { best[j] = narrow(b->top + j * WIDE); sum[j] = w_all(0); }
#define EXPONENTIALS(width)                                                    \
    EACH_ROW(width, e = exp_below(INPUT - best[j]); sum[j] += e;               \
             w_store_part(out + at, left, e))
#define SUMS(width) EACH_ROW(width, sum[j] += exp_below(INPUT - best[j]))
    if (to) {
        BAND(EXPONENTIALS);
    } else {
        BAND(SUMS);
    }
    for (int i = 0; i < WIDE_LANES; i++) {
        b->sum[i] += (double)sum[i / WIDE][i % WIDE];
    }
}

static void columns_finish_float(const rt__soft_band *b, void *to,
                                 const void *from, int64_t rows, int64_t stride,
                                 int width, bool log_)
{
    const float *x = from;
    float *out = to;
    wide best[WIDE_PARTS], sum[WIDE_PARTS];
    EACH_PART
    {
        best[j] = narrow(b->top + j * WIDE);
        for (int i = 0; i < WIDE; i++) {
            double s = b->sum[j * WIDE + i];
            sum[j][i] = log_ ? (float)log(s) : 1 / (float)s;
        }
    }
#define LOGARITHMS(width)                                                      \
    EACH_ROW(width, w_store_part(out + at, left, (INPUT - best[j]) - sum[j]))
#define PROBABILITIES(width)                                                   \
    EACH_ROW(width, w_store_part(out + at, left,                               \
                                 w_load_part(out + at, left, 0) * sum[j]))
    if (log_) {
        BAND(LOGARITHMS);
    } else {
        BAND(PROBABILITIES);
    }
}

/* --- the same in float64 ------------------------------------------------------------ */

enum { LANES = 16 };

static double largest_double(const void *x_, int64_t n)
{
    const double *x = x_;
    double lane[LANES], best = -INFINITY;
    int64_t i = 0;
    for (int l = 0; l < LANES; l++) {
        lane[l] = best;
    }
    for (; i + LANES <= n; i += LANES) {
        for (int l = 0; l < LANES; l++) {
            lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
        }
    }
    for (int l = 0; l < LANES; l++) {
        best = lane[l] > best ? lane[l] : best;
    }
    for (; i < n; i++) {
        best = x[i] > best ? x[i] : best;
    }
    return best;
}

static double exponentials_double(void *out_, const void *x_, int64_t n,
                                  double top)
{
    const double *x = x_;
    double *out = out_, lane[LANES] = {0}, total = 0;
    for (int64_t i = 0; i < n; i++) {
        double e = exp(x[i] - top);
        lane[i % LANES] += e;
        if (out) {
            out[i] = e;
        }
    }
    for (int l = 0; l < LANES; l++) {
        total += lane[l];
    }
    return total;
}

static void finish_double(void *out, const void *x_, int64_t n, double top,
                          double sum, bool log_)
{
    const double *x = x_;
    double *y = out, scale = 1 / sum, shift = log(sum);
    for (int64_t i = 0; i < n; i++) {
        y[i] = log_ ? (x[i] - top) - shift : y[i] * scale;
    }
}

static void rows_double(void *out_, const void *x_, int64_t rows, int64_t n,
                        bool log_, double scale)
{
    const double *x = x_;
    double *out = out_;
    for (int64_t i = 0; i < rows; i++, x += n, out += n) {
        double top = largest_double(x, n);
        double sum = exponentials_double(log_ ? NULL : out, x, n, top);
        finish_double(out, x, n, top, log_ ? sum : sum / scale, log_);
    }
}

static void log_sums_double(double *out, const void *x_, int64_t rows,
                            int64_t n)
{
    const double *x = x_;
    for (int64_t i = 0; i < rows; i++, x += n) {
        double top = largest_double(x, n);
        out[i] = log_sum(top, exponentials_double(NULL, x, n, top));
    }
}

static void columns_largest_double(rt__soft_band *b, const void *from,
                                   int64_t rows, int64_t stride, int width)
{
    const double *x = from;
    for (int64_t r = 0; r < rows; r++, x += stride) {
        for (int w = 0; w < width; w++) {
            b->top[w] = x[w] > b->top[w] ? x[w] : b->top[w];
        }
    }
}

static void columns_exponentials_double(rt__soft_band *b, void *to,
                                        const void *from, int64_t rows,
                                        int64_t stride, int width)
{
    const double *x = from;
    double *out = to;
    for (int64_t r = 0; r < rows; r++) {
        for (int w = 0; w < width; w++) {
            double e = exp(x[r * stride + w] - b->top[w]);
            b->sum[w] += e;
            if (out) {
                out[r * stride + w] = e;
            }
        }
    }
}

static void columns_finish_double(const rt__soft_band *b, void *to,
                                  const void *from, int64_t rows,
                                  int64_t stride, int width, bool log_)
{
    const double *x = from;
    double *out = to, with[RT_SOFT_COLUMNS];
    for (int w = 0; w < width; w++) {
        with[w] = log_ ? log(b->sum[w]) : 1 / b->sum[w];
    }
    for (int64_t r = 0; r < rows; r++, x += stride, out += stride) {
        for (int w = 0; w < width; w++) {
            out[w] = log_ ? (x[w] - b->top[w]) - with[w] : out[w] * with[w];
        }
    }
}

#define SET(T)                                                                 \
    {rows_##T, log_sums_##T, largest_##T, exponentials_##T, finish_##T,        \
     columns_largest_##T, columns_exponentials_##T, columns_finish_##T}

const rt__softmax_table RT_ISA_NAME(softmax) = {SET(float), SET(double)};

/* SPDX-License-Identifier: MIT
 *
 * Reductions of dense rows and columns; compiled per instruction set. Float
 * sums run in a fixed number of lanes whatever the vector width, so that every
 * instruction set adds in the same order.
 */
#include "runtime/ops/cpu/reduce.h"
#include "runtime/ops/cpu/wide_rows.h"

#define LANES 64

#define RUN 16      /* additions before a lane is set aside: a tree of sums */

/* Sum of `expr` over v = x[i]; m is a parameter. Short rows add in float64. */
#define LANE_SUM(id, T, expr)                                                  \
    static void id(const void *row, int64_t n, double p, rt__sum *s)           \
    {                                                                          \
        const T *x = row, m = (T)p;                                            \
        T lane[LANES] = {0}, run[LANES];                                       \
        double total = 0;                                                      \
        int64_t i = 0, whole = n - n % LANES;                                  \
        (void)m;                                                               \
        while (i < whole) {                                                    \
            int64_t end = i + LANES * RUN < whole ? i + LANES * RUN : whole;   \
            memset(run, 0, sizeof run);                                        \
            for (; i < end; i += LANES) {                                      \
                RT_VECTORISE                                                   \
                for (int l = 0; l < LANES; l++) {                              \
                    T v = x[i + l];                                            \
                    run[l] += (expr);                                          \
                }                                                              \
            }                                                                  \
            for (int l = 0; l < LANES; l++) {                                  \
                lane[l] += run[l];                                             \
            }                                                                  \
        }                                                                      \
        for (int l = 0; i && l < LANES; l++) {                                 \
            total += (double)lane[l];                                          \
        }                                                                      \
        for (; i < n; i++) {                                                   \
            T v = x[i];                                                        \
            total += (double)(expr);                                           \
        }                                                                      \
        s->f = total;                                                          \
    }

LANE_SUM(exponentials_f64, double, exp(v - m))
LANE_SUM(powers_f32, float, powf(v_abs(v), m))
LANE_SUM(powers_f64, double, pow(fabs(v), m))

/* The same on explicit vectors of float64. */
#define HALF_WIDE (WIDE / 2)
#define HALF_LANES 32
#define HALF_PARTS (HALF_LANES / HALF_WIDE)
#define EACH_HALF _Pragma("GCC unroll 16") for (int j = 0; j < HALF_PARTS; j++)
typedef double wide64 __attribute__((vector_size(4 * WIDE)));
typedef int64_t wide64_int __attribute__((vector_size(4 * WIDE)));
typedef double wide64_loose __attribute__((vector_size(4 * WIDE), aligned(8),
                                           may_alias));
#define LOAD64(p) ((wide64) * (const wide64_loose *)(p))
#define ABS64(v) ((wide64)((wide64_int)(v) & INT64_MAX))

/* `total` takes the lanes, joined by halving: one order for all widths. */
#define HALF_JOIN(total, lane, TAKE)                                           \
    do {                                                                       \
        double room[HALF_WIDE];                                                \
        _Pragma("GCC unroll 4")                                                \
        for (int half = HALF_PARTS / 2; half > 0; half /= 2) {                 \
            _Pragma("GCC unroll 8")                                            \
            for (int j = 0; j < half; j++) {                                   \
                lane[j] TAKE lane[j + half];                                   \
            }                                                                  \
        }                                                                      \
        memcpy(room, lane, sizeof room);                                       \
        for (int half = HALF_WIDE / 2; half > 0; half /= 2) {                  \
            for (int j = 0; j < half; j++) {                                   \
                room[j] TAKE room[j + half];                                   \
            }                                                                  \
        }                                                                      \
        total TAKE room[0];                                                    \
    } while (0)

#define WIDE_SUM64(id, expr)                                                   \
    static void id(const void *row, int64_t n, double m, rt__sum *s)           \
    {                                                                          \
        const double *x = row;                                                 \
        wide64 lane[HALF_PARTS], run[HALF_PARTS], v = {0};                     \
        int64_t i = 0, whole = n - n % HALF_LANES;                             \
        (void)m;                                                               \
        EACH_HALF { lane[j] = v; }                                             \
        while (i < whole) {                                                    \
            int64_t far = i + HALF_LANES * RUN;                                \
            int64_t end = far < whole ? far : whole;                           \
            EACH_HALF { run[j] = (wide64){0}; }                                \
            for (; i < end; i += HALF_LANES) {                                 \
                EACH_HALF                                                      \
                {                                                              \
                    v = LOAD64(x + i + j * HALF_WIDE);                         \
                    run[j] += (expr);                                          \
                }                                                              \
            }                                                                  \
            EACH_HALF { lane[j] += run[j]; }                                   \
        }                                                                      \
        double total = 0;                                                      \
        HALF_JOIN(total, lane, +=);                                            \
        for (; i < n; i++) {                                                   \
            v = (wide64){0} + x[i];                                            \
            total += (expr)[0];                                                \
        }                                                                      \
        s->f = total;                                                          \
    }
WIDE_SUM64(sum_f64, v)
WIDE_SUM64(squares_f64, (v - m) * (v - m))
WIDE_SUM64(absolutes_f64, ABS64(v))
WIDE_SUM64(deviations_f64, v - m)

/* Products of floats, in float64. */
#define WIDE_PRODUCT(id, T, LOAD)                                              \
    static void id(const void *row, int64_t n, double p, rt__sum *s)           \
    {                                                                          \
        const T *x = row;                                                      \
        wide64 lane[HALF_PARTS];                                               \
        double total = 1;                                                      \
        int64_t i = 0;                                                         \
        EACH_HALF { lane[j] = (wide64){0} + 1; }                               \
        for (; i + HALF_LANES <= n; i += HALF_LANES) {                         \
            EACH_HALF { lane[j] *= LOAD(x + i + j * HALF_WIDE); }              \
        }                                                                      \
        EACH_HALF                                                              \
        {                                                                      \
            const T *at = x + i + j * HALF_WIDE;                               \
            int64_t left = n - i - j * HALF_WIDE;                              \
            if (left >= HALF_WIDE) {                                           \
                lane[j] *= LOAD(at);                                           \
            } else if (left > 0) {                                             \
                T rest[HALF_WIDE];                                             \
                for (int k = 0; k < HALF_WIDE; k++) {                          \
                    rest[k] = k < left ? at[k] : 1;                            \
                }                                                              \
                lane[j] *= LOAD(rest);                                         \
            }                                                                  \
        }                                                                      \
        HALF_JOIN(total, lane, *=);                                            \
        s->f = total;                                                          \
    }
/* Floats as float64, in one step where the machine has it. */
V_INLINE wide64 load_floats(const float *p)
{
#if defined(__AVX512F__)
    return (wide64)_mm512_cvtps_pd(_mm256_loadu_ps(p));
#elif defined(__AVX2__)
    return (wide64)_mm256_cvtps_pd(_mm_loadu_ps(p));
#else
    return (wide64){(double)p[0], (double)p[1]};
#endif
}
WIDE_PRODUCT(product_f32, float, load_floats)
WIDE_PRODUCT(product_f64, double, LOAD64)

/* The same on explicit vectors: `expr` over v is 0 where v is `fill`. */
#define WIDE_SUM(id, fill, expr)                                               \
    static void id(const void *row, int64_t n, double p, rt__sum *s)           \
    {                                                                          \
        const float *x = row, m = (float)p;                                    \
        wide lane[WIDE_PARTS], run[WIDE_PARTS];                                \
        (void)m;                                                               \
        EACH_PART { lane[j] = w_all(0); }                                      \
        for (int64_t i = 0; i < n; i += WIDE_LANES * RUN) {                    \
            int64_t len = n - i < WIDE_LANES * RUN ? n - i : WIDE_LANES * RUN; \
            EACH_PART { run[j] = w_all(0); }                                   \
            WIDE_ROW(x + i, len, fill, run[j] += (expr));                      \
            EACH_PART { lane[j] += run[j]; }                                   \
        }                                                                      \
        s->f = w_join_wide(lane);                                              \
    }
WIDE_SUM(sum_f32, 0, v)
WIDE_SUM(squares_f32, m, (v - m) * (v - m))
WIDE_SUM(absolutes_f32, 0, w_abs(v))
WIDE_SUM(deviations_f32, m, v - m)
WIDE_SUM(exponentials_f32, -INFINITY, w_exp(v - m))

/* sum_f32 of `count` rows side by side: while one waits for its last additions,
 * the others go on. */
V_INLINE void sum_together(const float *x, int64_t n, double *s, int count)
{
    enum { MOST = 2 };
    wide sum[MOST][WIDE_PARTS];
    int64_t i = 0;
#define EACH_ROW _Pragma("GCC unroll 2") for (int r = 0; r < count; r++)
    EACH_ROW { EACH_PART { sum[r][j] = w_all(0); } }
    for (; i + WIDE_LANES <= n; i += WIDE_LANES) {
        EACH_ROW
        {
            EACH_PART { sum[r][j] += w_load(x + r * n + i + j * WIDE); }
        }
    }
    if (i < n) {
        EACH_PART
        {
            int64_t at = i + j * WIDE, left = n - at;
            EACH_ROW { sum[r][j] += w_load_part(x + r * n + at, left, 0); }
        }
    }
    EACH_ROW { s[r] = w_join_wide(sum[r]); }
#undef EACH_ROW
}

/* What sum_together gives for rows of up to four: lanes that hold nothing add
 * 0, and so does every lane's beginning. */
#define SUM_FEW(second, third, fourth)                                         \
    for (int64_t i = 0; i < rows; i++, x += n) {                               \
        s[i] = (((double)x[0] + 0.0) + (third)) + ((second) + (fourth));       \
    }                                                                          \
    return true

static bool sums_of_few(const float *x, int64_t rows, int64_t n, double *s)
{
    switch (n) {
    case 1: SUM_FEW(0.0, 0.0, 0.0);
    case 2: SUM_FEW((double)x[1], 0.0, 0.0);
    case 3: SUM_FEW((double)x[1], (double)x[2], 0.0);
    case 4: SUM_FEW((double)x[1], (double)x[2], (double)x[3]);
    default: return false;
    }
}

static void sums(const float *x, int64_t rows, int64_t n, double *s)
{
    int64_t i = 0;
    if (sums_of_few(x, rows, n, s)) {
        return;
    }
    /* Longer rows one after the other: memory comes fastest in one stream. */
    for (; WIDE == 16 && n < WIDE_LANES && i + 2 <= rows;
         i += 2, x += 2 * n) {
        sum_together(x, n, s + i, 2);
    }
    for (; i < rows; i++, x += n) {
        sum_together(x, n, s + i, 1);
    }
}

#define INT_SUM(id, T, expr)                                                   \
    static void id(const void *row, int64_t n, double p, rt__sum *s)           \
    {                                                                          \
        const T *x = row;                                                      \
        int64_t total = 0;                                                     \
        for (int64_t i = 0; i < n; i++) {                                      \
            total += (expr);                                                   \
        }                                                                      \
        s->i = total;                                                          \
    }
INT_SUM(sum_u8, uint8_t, x[i])
INT_SUM(sum_i32, int32_t, x[i])
INT_SUM(sum_i64, int64_t, x[i])
INT_SUM(nonzero_u8, uint8_t, x[i] != 0)
INT_SUM(nonzero_i32, int32_t, x[i] != 0)
INT_SUM(nonzero_i64, int64_t, x[i] != 0)
INT_SUM(nonzero_f32, float, x[i] != 0)
INT_SUM(nonzero_f64, double, x[i] != 0)

#define PRODUCT(id, T)                                                         \
    static void id(const void *row, int64_t n, double p, rt__sum *s)           \
    {                                                                          \
        const T *x = row;                                                      \
        uint64_t total = 1;                                                    \
        for (int64_t i = 0; i < n; i++) {                                      \
            total *= (uint64_t)x[i];                                           \
        }                                                                      \
        s->i = (int64_t)total;                                                 \
    }
PRODUCT(product_u8, uint8_t)
PRODUCT(product_i32, int32_t)
PRODUCT(product_i64, int64_t)

/* The best element and where it first stands; a NaN beats all. s->j is -1 for
 * an empty row. */
#define BEST(id, T, field, BETTER)                                             \
    static void id(const void *row, int64_t n, double p, rt__sum *s)           \
    {                                                                          \
        const T *x = row;                                                      \
        T lane[LANES], best;                                                   \
        int64_t i = 0;                                                         \
        s->j = -1;                                                             \
        if (n == 0) {                                                          \
            return;                                                            \
        }                                                                      \
        best = x[0];                                                           \
        uint8_t odd = 0;                                                       \
        for (int l = 0; l < LANES; l++) {                                      \
            lane[l] = best;                                                    \
        }                                                                      \
        for (; i + LANES <= n; i += LANES) {                                   \
            for (int l = 0; l < LANES; l++) {                                  \
                T v = x[i + l];                                                \
                lane[l] = v BETTER lane[l] ? v : lane[l];                      \
                odd |= v != v;                                                 \
            }                                                                  \
        }                                                                      \
        for (int l = 0; i && l < LANES; l++) {                                 \
            best = lane[l] BETTER best ? lane[l] : best;                       \
        }                                                                      \
        for (; i < n; i++) {                                                   \
            best = x[i] BETTER best ? x[i] : best;                             \
            odd |= x[i] != x[i];                                               \
        }                                                                      \
        i = 0;                                                                 \
        if (odd) {                                                             \
            while (x[i] == x[i]) {                                             \
                i++;                                                           \
            }                                                                  \
        } else {                                                               \
            for (int none = 1; none; i += none ? LANES : 0) {                  \
                if (i + LANES > n) {                                           \
                    break;                                                     \
                }                                                              \
                for (int l = 0; l < LANES; l++) {                              \
                    none &= x[i + l] != best;                                  \
                }                                                              \
            }                                                                  \
            while (x[i] != best) {                                             \
                i++;                                                           \
            }                                                                  \
        }                                                                      \
        s->j = i;                                                              \
        s->field = x[i];                                                       \
    }
BEST(largest_u8, uint8_t, i, >)
BEST(largest_i32, int32_t, i, >)
BEST(largest_i64, int64_t, i, >)
BEST(largest_f64, double, f, >)
BEST(smallest_u8, uint8_t, i, <)
BEST(smallest_i32, int32_t, i, <)
BEST(smallest_i64, int64_t, i, <)
BEST(smallest_f64, double, f, <)

/* Whether x[0 .. WIDE_LANES) has `best`. */
V_INLINE int holds(const float *x, float best)
{
    w_mask found = w_equal(w_load(x), w_all(best));
    EACH_PART { found |= w_equal(w_load(x + j * WIDE), w_all(best)); }
    return w_any(found);
}

/* The first place of `best` in a row that holds it; of a NaN when it is one. */
static int64_t place_of(const float *x, int64_t n, float best)
{
    int64_t i = 0;
    if (best != best) {
        while (x[i] == x[i]) {
            i++;
        }
        return i;
    }
    while (i + WIDE_LANES <= n && !holds(x + i, best)) {
        i += WIDE_LANES;
    }
    while (i + WIDE <= n && !w_any(w_equal(w_load(x + i), w_all(best)))) {
        i += WIDE;
    }
    while (x[i] != best) {
        i++;
    }
    return i;
}

/* The extreme of the numbers, unless a NaN turned up on the way. */
#define EACH_PAIR                                                              \
    _Pragma("GCC unroll 8") for (int j = 0; j < WIDE_PARTS; j += 2)
#define WIDE_BEST(id, worst, PICK, JOIN)                                       \
    static void id(const void *row, int64_t n, double p, rt__sum *s)           \
    {                                                                          \
        const float *x = row;                                                  \
        wide best[WIDE_PARTS], v[WIDE_PARTS];                                  \
        w_mask odd = w_equal(w_all(0), w_all(1));                              \
        s->j = -1;                                                             \
        if (n == 0) {                                                          \
            return;                                                            \
        }                                                                      \
        EACH_PART { best[j] = w_all(worst); }                                  \
        int64_t i = 0;                                                         \
        for (; i + WIDE_LANES <= n; i += WIDE_LANES) {                         \
            EACH_PART { v[j] = w_load(x + i + j * WIDE); }                     \
            EACH_PART { best[j] = PICK(v[j], best[j]); }                       \
            EACH_PAIR { odd |= w_either_nan(v[j], v[j + 1]); }                 \
        }                                                                      \
        for (; i < n; i += WIDE) {                                             \
            v[0] = w_load_part(x + i, n - i, worst);                           \
            best[0] = PICK(v[0], best[0]);                                     \
            odd |= w_either_nan(v[0], v[0]);                                   \
        }                                                                      \
        s->j = place_of(x, n, w_any(odd) ? NAN : JOIN(best));                  \
        s->f = (double)x[s->j];                                                \
    }
WIDE_BEST(largest_f32, -INFINITY, w_max, w_join_max)
WIDE_BEST(smallest_f32, INFINITY, w_min, w_join_min)

/* --- columns ------------------------------------------------------------- */

#define COLUMN_SUM(id, T)                                                      \
    static void id(const void *first, int64_t rows, int64_t stride, int width, \
                   void *sums)                                                 \
    {                                                                          \
        const T *x = first;                                                    \
        T *sum = sums;                                                         \
        int64_t r = 0;                                                         \
        memset(sum, 0, (size_t)width * sizeof *sum);                           \
        for (; r + 4 <= rows; r += 4, x += 4 * stride) {                       \
            const T *b = x + stride, *c = b + stride, *d = c + stride;         \
            RT_VECTORISE                                                       \
            for (int w = 0; w < width; w++) {                                  \
                sum[w] = (((sum[w] + x[w]) + b[w]) + c[w]) + d[w];             \
            }                                                                  \
        }                                                                      \
        for (; r < rows; r++, x += stride) {                                   \
            RT_VECTORISE                                                       \
            for (int w = 0; w < width; w++) {                                  \
                sum[w] += x[w];                                                \
            }                                                                  \
        }                                                                      \
    }
COLUMN_SUM(column_sum_f32, float)
COLUMN_SUM(column_sum_f64, double)

#define COLUMN_JOIN(id, T)                                                     \
    static void id(double *total, const void *first, int64_t rows,             \
                   int64_t stride, int width)                                  \
    {                                                                          \
        const T *x = first;                                                    \
        for (int64_t r = 0; r < rows; r++, x += stride) {                      \
            RT_VECTORISE                                                       \
            for (int w = 0; w < width; w++) {                                  \
                total[w] += (double)x[w];                                      \
            }                                                                  \
        }                                                                      \
    }
COLUMN_JOIN(column_join_f32, float)
COLUMN_JOIN(column_join_f64, double)

/* --- the table ----------------------------------------------------------- */

#define FLOATS(name) [RT_FLOAT32] = name##_f32, [RT_FLOAT64] = name##_f64
#define ALL(name)                                                              \
    {                                                                          \
        [RT_BOOL] = name##_u8, [RT_UINT8] = name##_u8,                         \
        [RT_INT32] = name##_i32, [RT_INT64] = name##_i64, FLOATS(name)         \
    }

const rt__reduce_table RT_ISA_NAME(reduce) = {
    .row = {
        [RT_RED_sum] = ALL(sum),
        [RT_RED_product] = ALL(product),
        [RT_RED_largest] = ALL(largest),
        [RT_RED_smallest] = ALL(smallest),
        [RT_RED_nonzero] = ALL(nonzero),
        [RT_RED_squares] = {FLOATS(squares)},
        [RT_RED_absolutes] = {FLOATS(absolutes)},
        [RT_RED_deviations] = {FLOATS(deviations)},
        [RT_RED_exponentials] = {FLOATS(exponentials)},
        [RT_RED_powers] = {FLOATS(powers)},
    },
    .sums = sums,
    .column_sum = {FLOATS(column_sum)},
    .column_join = {FLOATS(column_join)},
};

/* SPDX-License-Identifier: MIT
 * Dense rows of floats on explicit vectors: what maps, softmax, its gradients and
 * the losses share.
 */
#ifndef RT_OPS_CPU_WIDE_ROWS_H
#define RT_OPS_CPU_WIDE_ROWS_H

#include "runtime/ops/cpu/wide_math.h"

/* Runs `body` with v as the row's next vector and j as the part it belongs to;
 * `fill` stands behind the end of the row. */
#define WIDE_ROW(x, n, fill, body)                                             \
    do {                                                                       \
        int64_t at_ = 0;                                                       \
        for (; at_ + WIDE_LANES <= (n); at_ += WIDE_LANES) {                   \
            EACH_PART                                                          \
            {                                                                  \
                wide v = w_load((x) + at_ + j * WIDE);                         \
                body;                                                          \
            }                                                                  \
        }                                                                      \
        if (at_ < (n)) {                                                       \
            EACH_PART                                                          \
            {                                                                  \
                wide v = w_load_part((x) + at_ + j * WIDE,                     \
                                     (n) - at_ - j * WIDE, fill);              \
                body;                                                          \
            }                                                                  \
        }                                                                      \
    } while (0)

/* The whole vectors of a row, then its end through masks; x may be out. */
#define WIDE_MAP(out, x, n, expr)                                              \
    do {                                                                       \
        int64_t at_ = 0;                                                       \
        for (; at_ + WIDE <= (n); at_ += WIDE) {                               \
            wide v = w_load((x) + at_);                                        \
            w_store((out) + at_, expr);                                        \
        }                                                                      \
        if (at_ < (n)) {                                                       \
            wide v = w_load_part((x) + at_, (n) - at_, 0);                     \
            w_store_part((out) + at_, (n) - at_, expr);                        \
        }                                                                      \
    } while (0)

/* The largest element; NaNs are passed over. */
V_INLINE float w_row_max(const float *x, int64_t n)
{
    wide best[WIDE_PARTS];
    EACH_PART { best[j] = w_all(-INFINITY); }
    WIDE_ROW(x, n, -INFINITY, best[j] = w_max(v, best[j]));
    return w_join_max(best);
}

/* out[i] = exp(x[i] - m); returns their sum. */
V_INLINE float w_row_exp(float *out, const float *x, int64_t n, float m)
{
    wide sum[WIDE_PARTS], e;
    EACH_PART { sum[j] = w_all(0); }
    int64_t i = 0;
    for (; i + WIDE_LANES <= n; i += WIDE_LANES) {
        EACH_PART
        {
            e = w_exp(w_load(x + i + j * WIDE) - m);
            w_store(out + i + j * WIDE, e);
            sum[j] += e;
        }
    }
    if (i < n) {
        EACH_PART
        {
            int64_t left = n - i - j * WIDE;
            if (left > 0) {
                e = w_exp(w_load_part(x + i + j * WIDE, left, -INFINITY) - m);
                w_store_part(out + i + j * WIDE, left, e);
                sum[j] += e;
            }
        }
    }
    return w_join_sum(sum);
}

/* out[i] = x[i] * f */
V_INLINE void w_row_scale(float *out, const float *x, int64_t n, float f)
{
    WIDE_MAP(out, x, n, v * f);
}

#endif

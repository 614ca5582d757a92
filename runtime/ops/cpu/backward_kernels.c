/* SPDX-License-Identifier: MIT
 * Rows of fused gradients, compiled per instruction set. Sums run in
 * independent lanes, so that they are vectorised in one fixed order.
 */
#include "runtime/ops/cpu/backward.h"

#include "runtime/ops/cpu/wide_rows.h"

#define LANES 16

/* sum over i of `term`, in T */
#define SUM(T, total, n, term)                                                 \
    do {                                                                       \
        T lanes_[LANES] = {0};                                                 \
        int64_t i = 0;                                                         \
        for (; i + LANES <= (n); i += LANES) {                                 \
            for (int k_ = 0; k_ < LANES; k_++) {                               \
                int64_t at = i + k_;                                           \
                lanes_[k_] += (term);                                          \
            }                                                                  \
        }                                                                      \
        for (int k_ = 0; i + k_ < (n); k_++) {                                 \
            int64_t at = i + k_;                                               \
            lanes_[k_] += (term);                                              \
        }                                                                      \
        (total) = 0;                                                           \
        for (int k_ = 0; k_ < LANES; k_++) {                                   \
            (total) += lanes_[k_];                                             \
        }                                                                      \
    } while (0)

#define ROWS(T, EXP)                                                           \
    static void softmax_##T(void *out_, const void *g_, const void *y_,        \
                            int64_t n)                                         \
    {                                                                          \
        T *out = out_, dot;                                                    \
        const T *g = g_, *y = y_;                                              \
        SUM(T, dot, n, g[at] * y[at]);                                         \
        RT_VECTORISE                                                           \
        for (int64_t i = 0; i < n; i++) {                                      \
            out[i] = y[i] * (g[i] - dot);                                      \
        }                                                                      \
    }                                                                          \
    static void log_softmax_##T(void *out_, const void *g_, const void *y_,    \
                                int64_t n)                                     \
    {                                                                          \
        T *out = out_, sum;                                                    \
        const T *g = g_, *y = y_;                                              \
        SUM(T, sum, n, g[at]);                                                 \
        RT_VECTORISE                                                           \
        for (int64_t i = 0; i < n; i++) {                                      \
            out[i] = g[i] - EXP(y[i]) * sum;                                   \
        }                                                                      \
    }                                                                          \
    static void layer_weight_##T(void *gw_, const void *g_, const void *x_,    \
                                 double mean_, double rstd_, int64_t begin,    \
                                 int64_t end)                                  \
    {                                                                          \
        T *gw = gw_, m = (T)mean_, r = (T)rstd_;                               \
        const T *g = g_, *x = x_;                                              \
        RT_VECTORISE                                                           \
        for (int64_t i = begin; i < end; i++) {                                \
            gw[i] += g[i] * ((x[i] - m) * r);                                  \
        }                                                                      \
    }                                                                          \
    static void moments_##T(const void *g_, const void *x_, double mean_,      \
                            int64_t n, double sums[2])                         \
    {                                                                          \
        const T *g = g_, *x = x_;                                              \
        T m = (T)mean_, sum, along;                                            \
        SUM(T, sum, n, g[at]);                                                 \
        SUM(T, along, n, g[at] * (x[at] - m));                                 \
        sums[0] += sum;                                                        \
        sums[1] += along;                                                      \
    }                                                                          \
    static void shifted_##T(void *out_, const void *g_, const void *x_,        \
                            double mean_, int64_t n, const double f[3])        \
    {                                                                          \
        T *out = out_, m = (T)mean_, a = (T)f[0], b = (T)f[1], c = (T)f[2];    \
        const T *g = g_, *x = x_;                                              \
        if (b == 0 && c == 0) {             /* whatever x holds */             \
            RT_VECTORISE                                                       \
            for (int64_t i = 0; i < n; i++) {                                  \
                out[i] = g[i] * a;                                             \
            }                                                                  \
            return;                                                            \
        }                                                                      \
        RT_VECTORISE                                                           \
        for (int64_t i = 0; i < n; i++) {                                      \
            out[i] = g[i] * a - (x[i] - m) * b - c;                            \
        }                                                                      \
    }
ROWS(float, v_exp)
ROWS(double, exp)

#define TABLE(T)                                                               \
    {softmax_##T, log_softmax_##T, layer_weight_##T, moments_##T, shifted_##T}

const rt__backward_table RT_ISA_NAME(backward) = {{TABLE(float), TABLE(double)}};

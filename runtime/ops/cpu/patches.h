/* SPDX-License-Identifier: MIT
 *
 * Convolutions as matrix products whose columns exist only by the piece: the
 * input that some outputs need is copied once, padded and with its phases of
 * the stride apart, so that every tap of the window is a shift of it; packed
 * panels of that are multiplied while they are in L2. float32; sums run over
 * channels, rows and columns of the window, in blocks cut by shape.
 */
#ifndef RT_OPS_CPU_PATCHES_H
#define RT_OPS_CPU_PATCHES_H

#include "runtime/ops/cpu/isa.h"

/* A vector of a panel: from the copied input, to the panel's row. */
typedef struct rt__copy {
    int32_t from, to;
} rt__copy;

/* As many positions as a vector has lanes; bit i: the i-th is wanted. */
typedef struct rt__square {
    int32_t from;
    uint32_t wanted;
} rt__square;

typedef struct rt__patches_table {
    int lanes;
    /* out[i] = in[i * step] */
    void (*spread)(float *out, const float *in, int64_t step, int64_t n);
    /* out[i * step] = in[i], and nothing between is touched */
    void (*scatter)(float *out, const float *in, int64_t step, int64_t n);
    /* Row p of the panel: `count` vectors of x + at[p], in this order: a later
     * one covers what an earlier one wrote too much. Rows are `width` apart; a
     * vector too much is written. */
    void (*lines)(float *out, int width, const float *x, const int32_t *at,
                  int64_t rows, const rt__copy *copies, int count);
    /* Lane i of the panel's rows: the wanted positions of x + at[i], for n
     * lanes (others are 0). A row too much may be written. */
    void (*turned)(float *out, int width, const float *x, const int32_t *at,
                   int n, const rt__square *squares, int count);
    /* out[i] = b + the sum over taps t of w[t] * x[at[t] + i]; whole vectors
     * are written. */
    void (*single)(float *out, const float *x, const int32_t *at,
                   const float *w, int64_t taps, float b, int64_t n);
    /* sums[t * lanes] += g times x from at[t] on, for rows of `columns`
     * numbers: dense in g, `pitch` apart in x. */
    void (*dots)(float *sums, const float *g, const float *x,
                 const int32_t *at, int64_t taps, int64_t rows,
                 int64_t columns, int64_t pitch);
} rt__patches_table;
RT_ISA_FAMILY(rt__patches_table, patches);

/* One of the two dimensions of a convolution. Output o takes tap m (number
 * tap0 + m * tap_step of the weight's) from input
 * first + o * stride + shift0 + m * shift_step and lies at
 * out_first + o * out_step of the plane that is written. Shifts are >= 0. */
typedef struct rt__side {
    int64_t in, out, stride, first;
    int64_t taps, tap0, tap_step, shift0, shift_step;
    int64_t out_first, out_step;
} rt__side;

/* y = conv(x, w) + bias: n images of groups * c and groups * m dense planes.
 * Tap (i, j) of weight (m, c) of group g is at weight + g * wg + m * wm +
 * c * wc + i * w_row + j. */
typedef struct rt__patches {
    int64_t n, groups, c, m;
    rt__side side[2];
    int64_t plane;                /* floats of an output plane, */
    int64_t row;                  /* and of its rows */
    const float *x, *weight, *bias;      /* bias may be NULL */
    float *y;
    int64_t wg, wm, wc, w_row;
} rt__patches;

/* Whether windows are small enough. */
bool rt__patches_suits(const rt__patches *v);
rt_status rt__patches_run(const rt__patches *v, const char *name,
                          rt_error *err);
/* Its weight's gradient, dense [groups, m, c, taps] at `dw`; y is read as the
 * output's gradient. For outputs without gaps (out_step 1) and all taps. */
rt_status rt__patches_weight(const rt__patches *v, float *dw, const char *name,
                             rt_error *err);

#endif

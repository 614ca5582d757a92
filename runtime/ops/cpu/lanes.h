/* SPDX-License-Identifier: MIT
 *
 * Convolutions of few channels whose vectors hold one pixel of as many images
 * as there are lanes: no column is ever built, any window, stride and dilation
 * costs the same, and taps that fall outside the input are skipped. float32;
 * sums run over channels, rows and columns of the window in this order.
 */
#ifndef RT_OPS_CPU_LANES_H
#define RT_OPS_CPU_LANES_H

#include "runtime/ops/cpu/isa.h"

/* The most that any instruction set takes at once. */
enum { RT_LANES_ROWS = 6, RT_LANES_PIXELS = 4, RT_LANES_TAPS = 6 };

/* Taps of some pixels: [channels][down][across] of them, each channel, row and
 * column so many floats after the one before, for pixels and for weights. */
typedef struct rt__taps {
    int64_t channels, down, across;
    int64_t x_channel, x_down, x_across;
    int64_t w_channel, w_down, w_across;
} rt__taps;

typedef struct rt__lanes_table {
    int lanes, pixels;       /* in a vector; in a call of `products` */
    int planes, taps;        /* the most in a call of `sums` */
    /* out[i * step + j * lanes] for h <= RT_LANES_ROWS rows i of weights and
     * `pixels` pixels j: b[i] + the sum over taps of w[i] times x[j]'s. */
    void (*products)(int h, const rt__taps *t, const float *const *x,
                     const float *w, const float *b, float *out, int64_t step);
    /* sums[(i * ld + j) * lanes] += the sum over rows x columns pixels of
     * g[i * plane] times x[j], for h planes of g and n taps; x steps by
     * `across` floats a pixel and `down` a row, g is dense. */
    void (*sums)(int h, int n, int64_t rows, int64_t columns, const float *g,
                 int64_t plane, const float *const *x, int64_t down,
                 int64_t across, float *sums, int64_t ld);
    /* out[i] = the sum over chains, `chain` floats apart, then over lanes of
     * n vectors of sums. */
    void (*join)(float *out, const float *sums, int64_t chain, int64_t chains,
                 int64_t n);
} rt__lanes_table;
RT_ISA_FAMILY(rt__lanes_table, lanes);

/* y = conv(x, w) + bias; images are x_image and y_image floats apart, their
 * planes dense. Tap t of weight (k, c) is at w + k * wk + c * wc + t, counted
 * from the last one if `flip`. */
typedef struct rt__lanes {
    int64_t n, c, k, h, w, oh, ow;
    int64_t kernel[2], stride[2], pad[2], dilation[2];
    const float *x, *weight, *bias;      /* bias may be NULL */
    float *y;
    int64_t x_image, y_image, wk, wc;
    bool flip;
} rt__lanes;

/* Whether the sizes make it worth while. */
bool rt__lanes_suits(const rt__lanes *v);
rt_status rt__lanes_run(const rt__lanes *v, const char *name, rt_error *err);
/* Its weight's gradient, dense [k, c, kernel] at `dw`; y is read as the
 * output's gradient. */
rt_status rt__lanes_weight(const rt__lanes *v, float *dw, const char *name,
                           rt_error *err);

#endif

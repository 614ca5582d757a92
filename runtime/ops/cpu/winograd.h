/* SPDX-License-Identifier: MIT
 *
 * 3x3 convolutions with stride 1 as F(4x4, 3x3) of Winograd's minimal
 * algorithms (Lavin and Gray 2016): tiles of 6x6 inputs and 4x4 outputs pass
 * through 36 matrix products over channels, a quarter of the multiplications.
 * float32; the error grows to about 1e-5 of the largest sum. A NaN or an
 * infinity reaches all of its tile, so results that hold one are given up: the
 * caller convolves another way.
 */
#ifndef RT_OPS_CPU_WINOGRAD_H
#define RT_OPS_CPU_WINOGRAD_H

#include "runtime/ops/cpu/isa.h"

enum { RT_WINOGRAD_TILES = 32, RT_WINOGRAD_POINTS = 36 };

/* Planes of h x w that are cut into tiles, `image` floats from one image's
 * first plane to the next one's. A tile starts step (4) apart at -pad and is
 * side (6 or 4) wide; what lies outside is 0, or not written. */
typedef struct rt__tiling {
    int64_t h, w, image, pad[2];
    int64_t down, across, count;     /* tiles in a plane; of all images */
    int side;
} rt__tiling;

/* Where a tile begins in its plane, and the part [y0, y1) x [x0, x1) of it
 * that exists; an empty part for tiles past the last. */
typedef struct rt__place {
    int64_t at;
    int y0, y1, x0, x1;
} rt__place;

/* `lanes` (at most RT_WINOGRAD_TILES, a multiple of the vector width but for
 * weights) lie side by side; point x of them is `points` floats after point
 * x - 1. `width` is the plane's. */
typedef struct rt__winograd_table {
    /* Tiles of a plane, transformed. */
    void (*input)(float *out, int64_t points, const float *plane,
                  int64_t width, const rt__place *places, int lanes);
    /* `width` output channels of a 3x3 weight side by side, taps `width`
     * apart, turned by 180 degrees if `flip`. Reads and writes whole vectors,
     * past the last of them. */
    void (*weight)(float *out, int64_t points, const float *taps, int width,
                   bool flip);
    /* Products back to output pixels, plus a bias. False if one of them is no
     * finite number before the bias; now and then also where only their sum is
     * none. */
    bool (*output)(float *plane, int64_t width, const rt__place *places,
                   const float *in, int64_t points, int lanes, float bias);
    /* For the weight's gradient: tiles of the output's gradient, and the sums
     * of products back to n 3x3 weights, `along` floats apart (false as for
     * output). */
    void (*gradient)(float *out, int64_t points, const float *plane,
                     int64_t width, const rt__place *places, int lanes);
    bool (*weight_gradient)(float *w, int64_t along, const float *in,
                            int64_t points, int n);
} rt__winograd_table;
RT_ISA_FAMILY(rt__winograd_table, winograd);

/* y = conv(x, w) + bias; n images of c and k planes, all dense. Weight
 * (k, c) begins at w + k * wk + c * wc. */
typedef struct rt__winograd {
    int64_t n, c, k, h, w, oh, ow, pad[2];
    const float *x, *weight, *bias;      /* bias may be NULL */
    float *y;
    int64_t wk, wc;
    bool flip;
} rt__winograd;

/* Whether the sizes make it worth while. */
bool rt__winograd_suits(const rt__winograd *v);
/* *done: false, with RT_OK, if the result was given up; y holds anything. */
rt_status rt__winograd_run(const rt__winograd *v, bool *done, const char *name,
                           rt_error *err);
/* The weight's gradient, dense [k, c, 3, 3] at `dw`; y is read as the output's
 * gradient. */
rt_status rt__winograd_weight(const rt__winograd *v, float *dw, bool *done,
                              const char *name, rt_error *err);

#endif

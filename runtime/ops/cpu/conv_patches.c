/* SPDX-License-Identifier: MIT
 * conv2d and its gradients by patches. The gradient of the input falls into as
 * many convolutions of the output's gradient as the strides have phases, each
 * with the taps that reach its pixels and without any stride.
 */
#include "runtime/ops/cpu/conv.h"

#include <string.h>

#include "runtime/ops/cpu/patches.h"

static rt__side forward_side(const rt__window *w, int d)
{
    return (rt__side){.in = w->in[d], .out = w->out[d], .stride = w->stride[d],
                      .first = -w->padding[d], .taps = w->kernel[d],
                      .tap_step = 1, .shift_step = w->dilation[d],
                      .out_step = 1};
}

/* Input pixels phase, phase + stride ... as outputs: tap k reaches pixel o
 * from the gradient at (o * stride + phase + padding - k * dilation) / stride,
 * where that has no remainder. */
static rt__side phase_side(const rt__window *w, int d, int64_t phase)
{
    int64_t s = w->stride[d], at = phase + w->padding[d], last = 0;
    rt__side p = {.in = w->out[d], .out = (w->in[d] - phase + s - 1) / s,
                  .stride = 1, .tap_step = 1, .out_first = phase,
                  .out_step = s};
    for (int64_t k = 0; k < w->kernel[d]; k++) {
        if ((at - k * w->dilation[d]) % s != 0) {
            continue;
        }
        if (p.taps == 0) {
            p.tap0 = k;
        } else if (p.taps == 1) {
            p.tap_step = k - p.tap0;
        }
        last = k;
        p.taps++;
    }
    if (p.taps > 0) {
        p.shift_step = -p.tap_step * w->dilation[d] / s;
        p.first = (at - last * w->dilation[d]) / s;
        p.shift0 = -p.shift_step * (p.taps - 1);
    }
    return p;
}

rt_status rt__conv_patches(const rt__conv *v, const rt_tensor *x,
                           const rt_tensor *w, const rt_tensor *bias,
                           rt_tensor *y, bool *done, const char *name,
                           rt_error *err)
{
    int64_t taps = v->w.kernel[0] * v->w.kernel[1];
    rt__patches p = {.n = v->n, .groups = v->groups, .c = v->ci, .m = v->co,
                     .side = {forward_side(&v->w, 0), forward_side(&v->w, 1)},
                     .plane = v->p, .row = v->w.out[1],
                     .wg = v->co * v->k, .wm = v->k, .wc = taps,
                     .w_row = v->w.kernel[1]};
    *done = v->dtype == RT_FLOAT32 && rt__patches_suits(&p);
    if (!*done) {
        return RT_OK;
    }
    p.x = (const float *)x->data;
    p.weight = (const float *)w->data;
    p.bias = bias ? (const float *)bias->data : NULL;
    p.y = (float *)y->data;
    return rt__patches_run(&p, name, err);
}

rt_status rt__conv_patches_input(const rt__conv *v, const rt_tensor *g,
                                 const rt_tensor *w, rt_tensor *dx, bool *done,
                                 const char *name, rt_error *err)
{
    int64_t taps = v->w.kernel[0] * v->w.kernel[1];
    rt__patches p = {.n = v->n, .groups = v->groups, .c = v->co, .m = v->ci,
                     .plane = v->w.in[0] * v->w.in[1], .row = v->w.in[1],
                     .x = (const float *)g->data,
                     .weight = (const float *)w->data, .y = (float *)dx->data,
                     .wg = v->co * v->k, .wm = taps, .wc = v->k,
                     .w_row = v->w.kernel[1]};
    rt_status s = RT_OK;
    p.side[0] = forward_side(&v->w, 0);
    p.side[1] = forward_side(&v->w, 1);
    *done = v->dtype == RT_FLOAT32 && rt__patches_suits(&p);
    if (!*done) {
        return RT_OK;
    }
    for (int64_t i = 0; i < v->w.stride[0] * v->w.stride[1]; i++) {
        p.side[0] = phase_side(&v->w, 0, i / v->w.stride[1]);
        p.side[1] = phase_side(&v->w, 1, i % v->w.stride[1]);
        if (p.side[0].taps == 0 || p.side[1].taps == 0) {
            memset(p.y, 0, (size_t)dx->numel * v->size);
            break;
        }
    }
    for (int64_t i = 0; s == RT_OK && i < v->w.stride[0] * v->w.stride[1];
         i++) {
        p.side[0] = phase_side(&v->w, 0, i / v->w.stride[1]);
        p.side[1] = phase_side(&v->w, 1, i % v->w.stride[1]);
        if (p.side[0].taps > 0 && p.side[1].taps > 0 && p.side[0].out > 0 &&
            p.side[1].out > 0) {
            s = rt__patches_run(&p, name, err);
        }
    }
    return s;
}

rt_status rt__conv_patches_weight(const rt__conv *v, const rt_tensor *g,
                                  const rt_tensor *x, rt_tensor *dw,
                                  bool *done, const char *name, rt_error *err)
{
    rt__patches p = {.n = v->n, .groups = v->groups, .c = v->ci, .m = v->co,
                     .side = {forward_side(&v->w, 0), forward_side(&v->w, 1)},
                     .plane = v->p, .row = v->w.out[1]};
    *done = v->dtype == RT_FLOAT32 && rt__patches_suits(&p);
    if (!*done) {
        return RT_OK;
    }
    p.x = (const float *)x->data;
    p.y = (float *)g->data;
    return rt__patches_weight(&p, (float *)dw->data, name, err);
}

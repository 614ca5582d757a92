/* SPDX-License-Identifier: MIT
 * Reading and fitting of sliding windows.
 */
#include "runtime/ops/cpu/window.h"

rt_status rt__pair_arg(int64_t pair[2], const rt__call *c, int i,
                       const char *name, int64_t least)
{
    bool empty = rt__arg_given(c, i) && c->a[i].count == 0;
    if (!rt__arg_given(c, i) || (empty && least > 0 && pair[0] >= least)) {
        return RT_OK;   /* the caller's default; no padding is 0, not () */
    }
    if (empty) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "%s: %s must be one number or two, got none", c->name,
                       name);
    }
    if (c->a[i].count > 2) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "%s: %s must be one number or two, got %d", c->name,
                       name, c->a[i].count);
    }
    pair[0] = c->a[i].ints[0];
    pair[1] = c->a[i].ints[c->a[i].count - 1];
    for (int k = 0; k < 2; k++) {
        if (pair[k] < least) {
            return rt_fail(c->err, RT_E_ARGUMENT,
                           "%s: %s must be at least %lld, got %lld", c->name,
                           name, (long long)least, (long long)pair[k]);
        }
        if (pair[k] > INT32_MAX) {   /* products of two fit */
            return rt_fail(c->err, RT_E_ARGUMENT,
                           "%s: %s must be at most %d, got %lld", c->name,
                           name, INT32_MAX, (long long)pair[k]);
        }
    }
    return RT_OK;
}

rt_status rt__window_fit(rt__window *w, const rt__call *c, bool ceil_mode)
{
    for (int d = 0; d < 2; d++) {
        int64_t room = w->in[d] + 2 * w->padding[d];
        int64_t reach = w->dilation[d] * (w->kernel[d] - 1) + 1;
        if (room < reach) {
            rt_fail(c->err, RT_E_SHAPE,
                    "%s: a window of %lld x %lld (dilation %lld, %lld) does "
                    "not fit an input of %lld x %lld with padding %lld, %lld",
                    c->name, (long long)w->kernel[0], (long long)w->kernel[1],
                    (long long)w->dilation[0], (long long)w->dilation[1],
                    (long long)w->in[0], (long long)w->in[1],
                    (long long)w->padding[0], (long long)w->padding[1]);
            rt_error_help(c->err, "use a smaller kernel or more padding");
            return RT_E_SHAPE;
        }
        int64_t extra = ceil_mode ? w->stride[d] - 1 : 0;
        w->out[d] = (room - reach + extra) / w->stride[d] + 1;
        if (ceil_mode &&
            (w->out[d] - 1) * w->stride[d] >= w->in[d] + w->padding[d]) {
            w->out[d]--;
        }
    }
    return RT_OK;
}

/* SPDX-License-Identifier: MIT
 * Grad mode and inference mode: per thread, as autograd's rules demand.
 */
#include "runtime/base/thread.h"
#include "runtime/rustorch.h"

bool rt_grad_enabled(void)
{
    return !rt__this.grad_off;
}

bool rt_set_grad_enabled(bool on)
{
    bool before = !rt__this.grad_off;
    rt__this.grad_off = !on;
    return before;
}

bool rt_inference_mode(void)
{
    return rt__this.inference;
}

bool rt_set_inference_mode(bool on)
{
    bool before = rt__this.inference;
    rt__this.inference = on;
    return before;
}

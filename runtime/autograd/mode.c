/* SPDX-License-Identifier: MIT
 * Grad mode and inference mode: per thread, as autograd's rules demand.
 */
#include "runtime/rustorch.h"

static _Thread_local bool grad_off;
static _Thread_local bool inference;

bool rt_grad_enabled(void)
{
    return !grad_off;
}

bool rt_set_grad_enabled(bool on)
{
    bool before = !grad_off;
    grad_off = !on;
    return before;
}

bool rt_inference_mode(void)
{
    return inference;
}

bool rt_set_inference_mode(bool on)
{
    bool before = inference;
    inference = on;
    return before;
}

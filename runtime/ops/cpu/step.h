/* SPDX-License-Identifier: MIT
 *
 * Steps of a parallel operation that can fail: each takes room of its own, and
 * the first failure is kept for whoever shares them out. Zero at the start.
 */
#ifndef RT_OPS_CPU_STEP_H
#define RT_OPS_CPU_STEP_H

#include "runtime/rustorch.h"

typedef _Atomic rt_status rt__step_state;

/* Room of a step's own; NULL when it is not to run. */
static inline float *rt__step_room(rt__step_state *failed, int64_t floats)
{
    float *room = NULL;
    if (rt_interrupted()) {
        *failed = RT_E_INTERRUPT;
    } else if (!*failed) {
        room = rt_alloc((size_t)floats * sizeof *room);
        if (!room) {
            *failed = RT_E_MEMORY;
        }
    }
    return room;
}

/* What the operation answers; `whole`: no step was left out. */
static inline rt_status rt__steps_ended(bool whole,
                                        const rt__step_state *failed,
                                        const char *op, rt_error *err)
{
    return whole && !*failed ? RT_OK
           : *failed == RT_E_MEMORY
               ? rt_fail(err, RT_E_MEMORY, "%s: not enough memory for its tiles",
                         op)
               : rt_fail(err, RT_E_INTERRUPT, "%s: interrupted", op);
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * Writing a composite op as a sequence of steps. Each step makes a tensor that
 * the sequence owns; after a failed step the later ones do nothing.
 */
#ifndef RT_OPS_STEPS_H
#define RT_OPS_STEPS_H

#include "runtime/ops/op.h"

#define RT_MOST_STEPS 64

typedef struct rt__steps {
    rt_tensor *made[RT_MOST_STEPS];
    int n;
    rt_status s;
    rt_error *err;
} rt__steps;
#define RT_STEPS(c) {.n = 0, .s = RT_OK, .err = (c)->err}

/* Calls op `id` with n values; the result is borrowed from the sequence, NULL
 * after a failure. */
rt_tensor *rt__step_of(rt__steps *w, rt_op_id id, const rt_value *args, int n);
#define RT_STEP_CALL(w, id, ...)                                               \
    rt__step_of(w, id, (const rt_value[]){__VA_ARGS__},                        \
                (int)(sizeof((const rt_value[]){__VA_ARGS__}) /                \
                      sizeof(rt_value)))
/* Ends the sequence: `result` becomes result 0, the rest is released. */
rt_status rt__steps_end(rt__steps *w, rt__call *c, rt_tensor *result);

#endif

/* SPDX-License-Identifier: MIT
 * Sequences of ops inside a composite.
 */
#include "runtime/ops/steps.h"

rt_tensor *rt__step_of(rt__steps *w, rt_op_id id, const rt_value *args, int n)
{
    if (w->s != RT_OK) {
        return NULL;
    }
    if (w->n == RT_MOST_STEPS) {
        w->s = rt_fail(w->err, RT_E_LIMIT, "%s: more than %d steps",
                       rt_op_name(&rt__ops[id]), RT_MOST_STEPS);
        return NULL;
    }
    rt_value r[RT_MAX_RESULTS];
    w->s = rt_call(&rt__ops[id], args, n, r, w->err);
    if (w->s != RT_OK) {
        return NULL;
    }
    for (int i = 1; i < RT_MAX_RESULTS; i++) {
        rt_value_release(&r[i]);
    }
    return w->made[w->n++] = r[0].t;
}

rt_status rt__steps_end(rt__steps *w, rt__call *c, rt_tensor *result)
{
    if (w->s == RT_OK) {
        rt__result_steal(c, 0, rt_retain(result));
    }
    for (int i = 0; i < w->n; i++) {
        rt_release(w->made[i]);
    }
    return w->s;
}

/* SPDX-License-Identifier: MIT
 * The few functions under gradient rules: calling an op, holding its result,
 * summing a gradient back over broadcast dimensions.
 */
#include "runtime/autograd/formula.h"

rt_tensor *rt__formula_hold(rt__rule_call *c, rt_tensor *t)
{
    if (!t) {
        return NULL;
    }
    if (c->nscratch == RT_RULE_SCRATCH) {
        rt_release(t);
        c->status = rt_fail(c->err, RT_E_INTERNAL, "gradient of %s: too many "
                            "intermediate results", rt_op_name(c->op));
        return NULL;
    }
    return c->scratch[c->nscratch++] = t;
}

void rt__formula_release(rt__rule_call *c)
{
    while (c->nscratch > 0) {
        rt_release(c->scratch[--c->nscratch]);
    }
}

rt_tensor *rt__formula(rt__rule_call *c, rt_op_id id, const rt_value *args,
                       int n)
{
    rt_value results[RT_MAX_RESULTS] = {{0}};
    if (c->status != RT_OK) {
        return NULL;
    }
    c->status = rt_call(&rt__ops[id], args, n, results, c->err);
    if (c->status != RT_OK) {
        return NULL;
    }
    for (int i = 1; i < RT_MAX_RESULTS; i++) {
        rt_value_release(&results[i]);
    }
    return rt__formula_hold(c, results[0].t);
}

rt_tensor *rt__formula_fused(rt__rule_call *c, rt_status s, rt_tensor *t)
{
    if (s != RT_OK) {
        c->status = s;
    }
    return rt__formula_hold(c, t);
}

rt_tensor *rt__formula_sum_to(rt__rule_call *c, rt_tensor *t, int ndim,
                              const int64_t *shape)
{
    int64_t dims[RT_MAX_DIMS];
    int n = 0, extra = t->ndim - ndim;
    for (int i = 0; i < t->ndim; i++) {
        if (i < extra || (shape[i - extra] == 1 && t->shape[i] != 1)) {
            dims[n++] = i;
        }
    }
    if (n > 0) {
        rt_value args[] = {RT_V_TENSOR(t), RT_V_INTS(dims, n),
                           RT_V_BOOL(true)};
        t = rt__formula(c, RT_OP_sum, args, 3);
    }
    if (t && extra > 0) {
        rt_value args[] = {RT_V_TENSOR(t), RT_V_INTS(shape, ndim)};
        t = rt__formula(c, RT_OP_reshape, args, 2);
    }
    return t;
}

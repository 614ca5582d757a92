/* SPDX-License-Identifier: MIT
 *
 * How a gradient rule is written. RULE(mul, D | A(1), D | A(0)) opens the rule
 * of token `mul`: argument 0 has a gradient that needs argument 1 saved, and
 * the other way round. Inside, F(op, ...) calls an op of the catalog; its result
 * is borrowed (the call holds it until the rule ends). The first failure sticks:
 * what follows it does nothing, so rules need no checks.
 *
 * The engine sums a gradient over dimensions that broadcasting had added and
 * converts its dtype; rules need not.
 */
#ifndef RT_AUTOGRAD_FORMULA_H
#define RT_AUTOGRAD_FORMULA_H

#include "runtime/autograd/graph.h"

#define RT_RULE_SCRATCH 96

struct rt__rule_call {
    const rt_op *op;
    const rt__rule *rule;
    const rt_value *a;        /* arguments; tensors not saved are RT_NONE */
    rt_tensor *const *r;      /* saved results */
    rt_tensor *g;             /* gradient of result 0 */
    const rt__like *like;     /* by slot */
    const bool *needs;        /* by slot */
    rt_tensor **out;          /* by slot: new references, NULL: zero */
    int nslots;
    bool graph;               /* create_graph: ops only, no fused shortcuts */
    rt_status status;
    rt_error *err;
    int nscratch;
    rt_tensor *scratch[RT_RULE_SCRATCH];
};

/* Calls an op; result 0, held by c. NULL after a failure. */
rt_tensor *rt__formula(rt__rule_call *c, rt_op_id id, const rt_value *args,
                       int n);
/* Lets c hold t (taken over); returns it. */
rt_tensor *rt__formula_hold(rt__rule_call *c, rt_tensor *t);
void rt__formula_release(rt__rule_call *c);
/* t summed down to the shape (broadcasting backwards); t itself if it fits. */
rt_tensor *rt__formula_sum_to(rt__rule_call *c, rt_tensor *t, int ndim,
                              const int64_t *shape);

/* The result of a fused gradient (runtime/ops/cpu/backward.h): t if it applied
 * (taken over), NULL if not; `s` is what it answered. */
rt_tensor *rt__formula_fused(rt__rule_call *c, rt_status s, rt_tensor *t);

static inline int rt__slot(const rt__rule *rule, int arg)
{
    int slot = 0;
    for (int i = 0; i < arg; i++) {
        slot += rule->saves[i] != 0;
    }
    return slot;
}
static inline bool rt__rule_wants(const rt__rule_call *c, int arg)
{
    return c->needs[rt__slot(c->rule, arg)];
}
/* The gradient of argument `arg` is t. */
static inline void rt__rule_give(rt__rule_call *c, int arg, rt_tensor *t)
{
    c->out[rt__slot(c->rule, arg)] = rt_retain(t);
}

#ifdef RT_FORMULA_NAMES
#define D RT_D
#define A(i) RT_SAVE_ARG(i)
#define R(i) RT_SAVE_RESULT(i)
#define RULE(name, ...)                                                        \
    static void apply_##name(rt__rule_call *c);                                \
    const rt__rule rt__gradient_##name = {apply_##name, {__VA_ARGS__}};        \
    static void apply_##name(rt__rule_call *c)
#define T(t) RT_V_TENSOR(t)
#define N(v) RT_V_FLOAT(v)
#define I(v) RT_V_INT(v)
#define B(v) RT_V_BOOL(v)
#define S(v) RT_V_STRING(v)
#define L(p, n) RT_V_INTS(p, n)
#define NONE RT_NONE
#define F(op, ...)                                                             \
    rt__formula(c, RT_OP_##op, (rt_value[]){__VA_ARGS__},                      \
                (int)(sizeof((rt_value[]){__VA_ARGS__}) / sizeof(rt_value)))
#define G (c->g)
#define ARG(i) (c->a[i].kind == RT_K_TENSOR ? c->a[i].t : NULL)
#define RES(i) (c->r[i])
#define LIKE(i) (&c->like[rt__slot(c->rule, i)])
#define WANTS(i) rt__rule_wants(c, i)
#define GIVE(i, t) rt__rule_give(c, i, t)
#endif

#endif

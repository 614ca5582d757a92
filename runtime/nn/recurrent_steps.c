/* SPDX-License-Identifier: MIT
 * One direction of RNN, GRU and LSTM as a composition of ops. The input's
 * product with w_ih is taken for all steps at once; each step then adds the
 * hidden state's.
 */
#include "runtime/nn/recurrent.h"

#include <string.h>

/* --- one step -------------------------------------------------------------------- */

/* Slots for what a step makes on the way; released together. */
typedef struct scratch {
    rt_tensor *t[24];
    int n;
    rt_status st;
    rt_error *err;
} scratch;

static rt_tensor *keep(scratch *s, rt_op_id op, int n, rt_value a, rt_value b,
                       rt_value c)
{
    rt_tensor *out = NULL;
    if (!s->st) {
        s->st = rt__op1(op, &out, s->err, n, a, b, c);
    }
    if (out) {
        s->t[s->n++] = out;
    }
    return out;
}

static rt_tensor *one(scratch *s, rt_op_id op, rt_tensor *a)
{
    return s->st ? NULL : keep(s, op, 1, RT_V_TENSOR(a), RT_NONE, RT_NONE);
}

static rt_tensor *two(scratch *s, rt_op_id op, rt_tensor *a, rt_tensor *b)
{
    return s->st ? NULL
                 : keep(s, op, 2, RT_V_TENSOR(a), RT_V_TENSOR(b), RT_NONE);
}

/* Columns [i H, (i+1) H) of a [N, gates H]. */
static rt_tensor *gate(scratch *s, const rt__direction *d, rt_tensor *a, int i)
{
    rt_tensor *out = NULL;
    if (!s->st) {
        s->st = rt__op1(RT_OP_narrow, &out, s->err, 4, RT_V_TENSOR(a),
                        RT_V_INT(-1), RT_V_INT(i * d->hidden),
                        RT_V_INT(d->hidden));
    }
    if (out) {
        s->t[s->n++] = out;
    }
    return out;
}

static void scratch_drop(scratch *s)
{
    for (int i = 0; i < s->n; i++) {
        rt_release(s->t[i]);
    }
    s->n = 0;
}

/* gx [N, 4H] from the input, gh from the hidden state; gates i, f, g, o. */
static void lstm_step(scratch *s, const rt__direction *d, rt_tensor *gx, rt_tensor *gh,
                      rt_tensor **h, rt_tensor **c)
{
    rt_tensor *g = two(s, RT_OP_add, gx, gh);
    rt_tensor *in = one(s, RT_OP_sigmoid, gate(s, d, g, 0));
    rt_tensor *forget = one(s, RT_OP_sigmoid, gate(s, d, g, 1));
    rt_tensor *cell = one(s, RT_OP_tanh, gate(s, d, g, 2));
    rt_tensor *out = one(s, RT_OP_sigmoid, gate(s, d, g, 3));
    rt_tensor *kept = two(s, RT_OP_mul, forget, *c);
    *c = two(s, RT_OP_add, kept, two(s, RT_OP_mul, in, cell));
    *h = two(s, RT_OP_mul, out, one(s, RT_OP_tanh, *c));
}

/* Gates r, z, n; h' = n + z (h - n). */
static void gru_step(scratch *s, const rt__direction *d, rt_tensor *gx, rt_tensor *gh,
                     rt_tensor **h)
{
    rt_tensor *r = one(s, RT_OP_sigmoid,
                       two(s, RT_OP_add, gate(s, d, gx, 0), gate(s, d, gh, 0)));
    rt_tensor *z = one(s, RT_OP_sigmoid,
                       two(s, RT_OP_add, gate(s, d, gx, 1), gate(s, d, gh, 1)));
    rt_tensor *part = two(s, RT_OP_mul, r, gate(s, d, gh, 2));
    rt_tensor *new = one(s, RT_OP_tanh,
                         two(s, RT_OP_add, gate(s, d, gx, 2), part));
    rt_tensor *gap = two(s, RT_OP_sub, *h, new);
    *h = two(s, RT_OP_add, new, two(s, RT_OP_mul, z, gap));
}

/* One step: replaces the references *h and *c. */
static rt_status step(const rt__direction *d, rt_tensor *gx, rt_tensor *w, rt_tensor *b,
                      rt_tensor **h, rt_tensor **c, rt_error *err)
{
    scratch s = {.err = err};
    rt_tensor *nh = *h, *nc = *c;
    rt_tensor *gh = keep(&s, RT_OP_linear, 3, RT_V_TENSOR(*h), RT_V_TENSOR(w),
                         b ? RT_V_TENSOR(b) : RT_NONE);
    if (d->id == RT_LAYER_LSTM) {
        lstm_step(&s, d, gx, gh, &nh, &nc);
    } else if (d->id == RT_LAYER_GRU) {
        gru_step(&s, d, gx, gh, &nh);
    } else {
        nh = one(&s, d->relu ? RT_OP_relu : RT_OP_tanh,
                 two(&s, RT_OP_add, gx, gh));
    }
    if (!s.st) {
        rt_retain(nh);
        rt_release(*h);
        *h = nh;
        if (d->id == RT_LAYER_LSTM) {
            rt_retain(nc);
            rt_release(*c);
            *c = nc;
        }
    }
    scratch_drop(&s);
    return s.st;
}

/* --- all steps ------------------------------------------------------------------------ */

/* outs[t]: the state after each step, new references. */
static rt_status run_steps(rt_tensor **outs, const rt__direction *d,
                           rt_tensor *gx, rt_tensor **h, rt_tensor **c,
                           rt_error *err)
{
    int64_t steps = rt_tensor_shape(gx)[0];
    rt_status st = RT_OK;
    for (int64_t i = 0; i < steps && !st; i++) {
        int64_t t = d->reverse ? steps - 1 - i : i;
        rt_tensor *at = NULL;
        st = rt__op1(RT_OP_select, &at, err, 3, RT_V_TENSOR(gx), RT_V_INT(0),
                     RT_V_INT(t));
        st = st ? st : step(d, at, d->in[RT_REC_W_HH], d->in[RT_REC_B_HH], h, c,
                            err);
        outs[t] = st ? NULL : rt_retain(*h);
        rt_release(at);
    }
    return st;
}

rt_status rt__recurrent_steps(rt_tensor *out[RT_REC_OUTPUTS],
                              const rt__direction *d, rt_error *err)
{
    rt_tensor *bias = d->in[RT_REC_B_IH], *gx = NULL;
    rt_tensor *h = rt_retain(d->in[RT_REC_H0]);
    rt_tensor *c = d->in[RT_REC_C0] ? rt_retain(d->in[RT_REC_C0]) : NULL;
    int64_t steps = rt_tensor_shape(d->in[RT_REC_X])[0];
    rt_tensor **outs = rt_alloc((size_t)(steps + 1) * sizeof *outs);
    rt_status st = RT_OK;
    memset(out, 0, RT_REC_OUTPUTS * sizeof *out);
    if (!outs) {
        st = rt_fail(err, RT_E_MEMORY, "%s: no memory", d->name);
        steps = 0;
    } else {
        memset(outs, 0, (size_t)(steps + 1) * sizeof *outs);
    }
    st = st ? st : rt__op1(RT_OP_linear, &gx, err, 3,
                           RT_V_TENSOR(d->in[RT_REC_X]),
                           RT_V_TENSOR(d->in[RT_REC_W_IH]),
                           bias ? RT_V_TENSOR(bias) : RT_NONE);
    st = st ? st : run_steps(outs, d, gx, &h, &c, err);
    st = st ? st : rt__op1(RT_OP_stack, &out[RT_REC_OUT], err, 2,
                           RT_V_TENSORS(outs, steps), RT_V_INT(0));
    for (int64_t i = 0; i < steps; i++) {
        rt_release(outs[i]);
    }
    rt_free(outs);
    rt_release(gx);
    if (st) {
        rt_release(h);
        rt_release(c);
        return st;
    }
    out[RT_REC_H] = h;
    out[RT_REC_C] = c;
    return RT_OK;
}

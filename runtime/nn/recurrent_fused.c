/* SPDX-License-Identifier: MIT
 * One direction of RNN, GRU and LSTM in float32 as one node of the graph: its
 * backward pass goes through all steps at once and takes the weights' gradients
 * from one product over all of them. Where gradients of gradients are wanted
 * the steps are taken again, by ops.
 */
#include "runtime/autograd/graph.h"
#include "runtime/core/tensor.h"
#include "runtime/nn/recurrent.h"
#include "runtime/ops/cpu/recurrent.h"

#include <string.h>

enum { LEAST_STEPS = 4, LEAST_ROWS = 16 };   /* that pay for packing w_hh */

/* What the backward pass needs. */
typedef struct kept {
    rt__direction d;
    const void *storage[RT_REC_INPUTS];
    uint32_t version[RT_REC_INPUTS + 1];      /* and of out */
    rt__recurrent run;                        /* over the tensors below */
    rt_tensor *w, *h0, *c0, *gates, *product, *out, *c;
} kept;

/* --- whether it applies ----------------------------------------------------------- */

static bool is_float(const rt_tensor *t, int ndim, int64_t rows, int64_t columns)
{
    return t->dtype == RT_FLOAT32 && t->ndim == ndim && t->shape[0] == rows &&
           (ndim == 1 || t->shape[1] == columns);
}

/* Parameters that somebody replaced by others go to the ops, whose errors
 * explain. */
static bool applies(const rt__direction *d)
{
    rt_tensor *const *in = d->in, *x = in[RT_REC_X];
    int64_t rows = d->gates * d->hidden;
    int64_t steps = x->shape[0], batch = x->shape[1];
    bool fits = x->dtype == RT_FLOAT32 && steps >= LEAST_STEPS &&
                steps * batch >= LEAST_ROWS &&
                is_float(in[RT_REC_W_IH], 2, rows, x->shape[2]) &&
                is_float(in[RT_REC_W_HH], 2, rows, d->hidden) &&
                is_float(in[RT_REC_H0], 2, batch, d->hidden);
    for (int i = RT_REC_B_IH; i <= RT_REC_B_HH && fits; i++) {
        fits = !in[i] == !in[RT_REC_B_IH] &&
               (!in[i] || is_float(in[i], 1, rows, 0));
    }
    return fits && (!in[RT_REC_C0] ||
                    is_float(in[RT_REC_C0], 2, batch, d->hidden));
}

/* --- forward ------------------------------------------------------------------------ */

/* Both biases in one, but for that of a GRU's n, which stays outside. */
static rt_status join_biases(rt_tensor **out, const rt__direction *d,
                             rt_error *err)
{
    rt_tensor *a = d->in[RT_REC_B_IH], *b = d->in[RT_REC_B_HH], *part = NULL;
    int64_t some = (d->gates - (d->id == RT_LAYER_GRU)) * d->hidden;
    *out = NULL;
    if (!a) {
        return RT_OK;
    }
    rt_status st = rt__op1(RT_OP_clone, out, err, 1, RT_V_TENSOR(a));
    st = st ? st : rt__op1(RT_OP_narrow, &part, err, 4, RT_V_TENSOR(*out),
                           RT_V_INT(0), RT_V_INT(0), RT_V_INT(some));
    rt_tensor *more = NULL;
    st = st ? st : rt__op1(RT_OP_narrow, &more, err, 4, RT_V_TENSOR(b),
                           RT_V_INT(0), RT_V_INT(0), RT_V_INT(some));
    st = st ? st : rt__op0(RT_OP_add_, err, 2, RT_V_TENSOR(part),
                           RT_V_TENSOR(more));
    rt_release(part);
    rt_release(more);
    return st;
}

static rt_status dense(rt_tensor **out, rt_tensor *t, rt_error *err)
{
    return rt__op1(RT_OP_contiguous, out, err, 1, RT_V_TENSOR(t));
}

/* The input's share of the gates [T, N, G H] and dense operands. */
static rt_status gather(kept *k, rt_error *err)
{
    const rt__direction *d = &k->d;
    rt_tensor *bias = NULL;
    rt_status st = join_biases(&bias, d, err);
    st = st ? st : rt__op1(RT_OP_linear, &k->gates, err, 3,
                           RT_V_TENSOR(d->in[RT_REC_X]),
                           RT_V_TENSOR(d->in[RT_REC_W_IH]),
                           bias ? RT_V_TENSOR(bias) : RT_NONE);
    rt_release(bias);
    st = st ? st : dense(&k->w, d->in[RT_REC_W_HH], err);
    st = st ? st : dense(&k->h0, d->in[RT_REC_H0], err);
    if (!st && d->in[RT_REC_C0]) {
        st = dense(&k->c0, d->in[RT_REC_C0], err);
    }
    return st;
}

static rt_status new_states(rt_tensor **t, const kept *k, rt_error *err)
{
    const int64_t *x = k->d.in[RT_REC_X]->shape;
    return rt_tensor_new(t, RT_FLOAT32, 3,
                         (int64_t[]){x[0], x[1], k->d.hidden}, err);
}

static float *floats(const rt_tensor *t)
{
    return t ? (float *)t->data : NULL;
}

static rt_status prepare(kept *k, rt_error *err)
{
    const rt__direction *d = &k->d;
    bool gru = d->id == RT_LAYER_GRU;
    rt_status st = gather(k, err);
    st = st ? st : new_states(&k->out, k, err);
    st = st || !gru ? st : new_states(&k->product, k, err);
    st = st || !k->c0 ? st : new_states(&k->c, k, err);
    if (st) {
        return st;
    }
    k->run = (rt__recurrent){
        .cell = k->c0 ? RT_CELL_LSTM : gru ? RT_CELL_GRU
                : d->relu ? RT_CELL_RELU : RT_CELL_TANH,
        .reverse = d->reverse, .steps = k->out->shape[0],
        .batch = k->out->shape[1], .hidden = d->hidden,
        .per_unit = d->gates, .w = floats(k->w),
        .gates = floats(k->gates), .product = floats(k->product),
        .h0 = floats(k->h0), .c0 = floats(k->c0), .h = floats(k->out),
        .c = floats(k->c)};
    return RT_OK;
}

/* A GRU's bias of n, dense only while it runs. */
static rt_status run(kept *k, rt_error *err)
{
    rt_tensor *b = NULL;
    rt_status st = RT_OK;
    if (k->product && k->d.in[RT_REC_B_HH]) {
        st = dense(&b, k->d.in[RT_REC_B_HH], err);
        k->run.b = b ? floats(b) + 2 * k->d.hidden : NULL;
    }
    st = st ? st : rt__recurrent_run(&k->run, k->d.name, err);
    k->run.b = NULL;
    rt_release(b);
    return st;
}

/* The state after the last step, a tensor of its own. */
static rt_status last_state(rt_tensor **out, const kept *k, const rt_tensor *all,
                            rt_error *err)
{
    int64_t size = k->run.batch * k->run.hidden;
    int64_t last = k->run.reverse ? 0 : k->run.steps - 1;
    return rt_tensor_from_data(out, RT_FLOAT32, 2,
                               (int64_t[]){k->run.batch, k->run.hidden},
                               floats(all) + last * size, err);
}

/* --- what is kept ------------------------------------------------------------------- */

static void drop(void *ctx)
{
    kept *k = ctx;
    rt_tensor *all[] = {k->w, k->h0, k->c0, k->gates, k->product, k->out, k->c};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        rt_release(all[i]);
    }
    for (int i = 0; i < RT_REC_INPUTS; i++) {
        rt_release(k->d.in[i]);
    }
    rt_free(k);
}

static kept *keep(const rt__direction *d)
{
    kept *k = rt_alloc(sizeof *k);
    if (!k) {
        return NULL;
    }
    *k = (kept){.d = *d};
    for (int i = 0; i < RT_REC_INPUTS; i++) {
        rt_tensor *t = d->in[i];
        if (t) {
            rt_retain(t);
            k->storage[i] = rt_tensor_storage_id(t);
            k->version[i] = rt_tensor_version(t);
        }
    }
    return k;
}

/* As for ops: nothing the gradient needs may have been written since. */
static rt_status check_kept(const kept *k, rt_error *err)
{
    static const char *const names[] = {"the input", "weight_ih", "weight_hh",
                                        "bias_ih", "bias_hh", "the first state",
                                        "the first cell state", "the output"};
    for (int i = 0; i <= RT_REC_INPUTS; i++) {
        const rt_tensor *t = i < RT_REC_INPUTS ? k->d.in[i] : k->out;
        bool bias = i == RT_REC_B_IH || i == RT_REC_B_HH;
        if (!t || bias ||
            (rt_tensor_version(t) == k->version[i] &&
             (i == RT_REC_INPUTS || rt_tensor_storage_id(t) == k->storage[i]))) {
            continue;
        }
        rt_fail(err, RT_E_AUTOGRAD, "backward: %s needs %s for its gradient, "
                "but that has been written to since", k->d.name, names[i]);
        rt_error_help(err, "call backward() before the parameters change, or "
                      "write to a clone()");
        return RT_E_AUTOGRAD;
    }
    return RT_OK;
}

/* --- backward ----------------------------------------------------------------------- */

/* The gradients of one pass on their way. */
typedef struct back {
    const kept *k;
    rt_tensor *g;            /* of out, or NULL */
    rt_tensor *dx, *dh;      /* [T N, G H]; the same one but in a GRU */
    rt_tensor *gh, *gc;      /* [N, H] */
} back;

/* A copy of g, or zeros [N, H]. */
static rt_status start_state(rt_tensor **out, const kept *k, rt_tensor *g,
                             rt_error *err)
{
    return g ? rt__op1(RT_OP_clone, out, err, 1, RT_V_TENSOR(g))
             : rt__op1(RT_OP_zeros_like, out, err, 1, RT_V_TENSOR(k->h0));
}

static rt_status through_time(back *b, rt_tensor *const *grads, rt_error *err)
{
    const kept *k = b->k;
    const rt__recurrent *r = &k->run;
    int64_t shape[2] = {r->steps * r->batch, k->d.gates * r->hidden};
    rt_status st = grads[RT_REC_OUT] ? dense(&b->g, grads[RT_REC_OUT], err)
                                     : RT_OK;
    st = st ? st : start_state(&b->gh, k, grads[RT_REC_H], err);
    st = st || !k->c0 ? st : start_state(&b->gc, k, grads[RT_REC_C], err);
    st = st ? st : rt_tensor_new(&b->dx, RT_FLOAT32, 2, shape, err);
    if (!st && k->product) {
        st = rt_tensor_new(&b->dh, RT_FLOAT32, 2, shape, err);
    }
    if (st) {
        return st;
    }
    rt__recurrent_grads d = {floats(b->g), floats(b->gh), floats(b->gc),
                             floats(b->dx), floats(b->dh)};
    st = rt__recurrent_back(r, &d, k->d.name, err);
    b->dh = b->dh ? b->dh : rt_retain(b->dx);
    return st;
}

/* a^T b over rows [from, from + n) of a and [at, at + n) of b, added to *sum
 * if there is one. */
static rt_status add_product(rt_tensor **sum, rt_tensor *a, int64_t from,
                             rt_tensor *b, int64_t at, int64_t n, rt_error *err)
{
    rt_tensor *x = NULL, *y = NULL, *turned = NULL, *out = NULL;
    rt_status st = rt__op1(RT_OP_narrow, &x, err, 4, RT_V_TENSOR(a), RT_V_INT(0),
                           RT_V_INT(from), RT_V_INT(n));
    st = st ? st : rt__op1(RT_OP_narrow, &y, err, 4, RT_V_TENSOR(b), RT_V_INT(0),
                           RT_V_INT(at), RT_V_INT(n));
    st = st ? st : rt__op1(RT_OP_transpose, &turned, err, 3, RT_V_TENSOR(x),
                           RT_V_INT(0), RT_V_INT(1));
    if (!st && *sum) {
        st = rt__op1(RT_OP_addmm, &out, err, 3, RT_V_TENSOR(*sum),
                     RT_V_TENSOR(turned), RT_V_TENSOR(y));
    } else if (!st) {
        st = rt__op1(RT_OP_mm, &out, err, 2, RT_V_TENSOR(turned), RT_V_TENSOR(y));
    }
    rt_release(x);
    rt_release(y);
    rt_release(turned);
    if (!st) {
        rt_release(*sum);
        *sum = out;
    }
    return st;
}

/* t as rows, [T N, last]. */
static rt_status as_rows(rt_tensor **out, rt_tensor *t, rt_error *err)
{
    int64_t shape[2] = {t->shape[0] * t->shape[1], t->shape[2]};
    return rt__op1(RT_OP_reshape, out, err, 2, RT_V_TENSOR(t),
                   RT_V_INTS(shape, 2));
}

static rt_status input_grad(rt_tensor **out, const back *b, rt_error *err)
{
    const rt_tensor *x = b->k->d.in[RT_REC_X];
    rt_tensor *rows = NULL;
    rt_status st = rt__op1(RT_OP_mm, &rows, err, 2, RT_V_TENSOR(b->dx),
                           RT_V_TENSOR(b->k->d.in[RT_REC_W_IH]));
    st = st ? st : rt__op1(RT_OP_reshape, out, err, 2, RT_V_TENSOR(rows),
                           RT_V_INTS(x->shape, 3));
    rt_release(rows);
    return st;
}

/* Every step's state before it, times the gradient of what it was used for. */
static rt_status hidden_weight_grad(rt_tensor **out, const back *b,
                                    rt_error *err)
{
    const rt__recurrent *r = &b->k->run;
    int64_t n = r->batch, most = (r->steps - 1) * n;
    rt_tensor *h = NULL;
    rt_status st = as_rows(&h, b->k->out, err);
    st = st ? st : add_product(out, b->dh, r->reverse ? 0 : n, h,
                               r->reverse ? n : 0, most, err);
    st = st ? st : add_product(out, b->dh, r->reverse ? most : 0, b->k->h0, 0, n,
                               err);
    rt_release(h);
    return st;
}

static rt_status column_sums(rt_tensor **out, rt_tensor *rows, rt_error *err)
{
    int64_t dim = 0;
    return rt__op1(RT_OP_sum, out, err, 2, RT_V_TENSOR(rows),
                   RT_V_INTS(&dim, 1));
}

static rt_status weight_grads(rt_tensor **grads, const back *b, rt_error *err)
{
    rt_tensor *const *in = b->k->d.in;
    rt_tensor *x = NULL;
    rt_status st = RT_OK;
    if (rt_requires_grad(in[RT_REC_W_IH])) {
        st = as_rows(&x, in[RT_REC_X], err);
        st = st ? st : add_product(&grads[RT_REC_W_IH], b->dx, 0, x, 0,
                                   b->dx->shape[0], err);
        rt_release(x);
    }
    if (!st && rt_requires_grad(in[RT_REC_W_HH])) {
        st = hidden_weight_grad(&grads[RT_REC_W_HH], b, err);
    }
    if (!st && in[RT_REC_B_IH] && rt_requires_grad(in[RT_REC_B_IH])) {
        st = column_sums(&grads[RT_REC_B_IH], b->dx, err);
    }
    if (!st && in[RT_REC_B_HH] && rt_requires_grad(in[RT_REC_B_HH])) {
        st = column_sums(&grads[RT_REC_B_HH], b->dh, err);
    }
    return st;
}

/* Through the steps taken again: gradients that have gradients. */
static rt_status by_steps(const kept *k, rt_tensor *const *grads,
                          rt_tensor **results, rt_error *err)
{
    rt_tensor *made[RT_REC_OUTPUTS], *outs[RT_REC_OUTPUTS];
    rt_tensor *gs[RT_REC_OUTPUTS], *in[RT_REC_INPUTS], *got[RT_REC_INPUTS];
    int which[RT_REC_INPUTS], n = 0, m = 0;
    rt_status st = rt__recurrent_steps(made, &k->d, err);
    for (int i = 0; i < RT_REC_OUTPUTS && !st; i++) {
        if (grads[i]) {
            outs[n] = made[i];
            gs[n++] = grads[i];
        }
    }
    for (int i = 0; i < RT_REC_INPUTS; i++) {
        if (k->d.in[i] && rt_requires_grad(k->d.in[i])) {
            which[m] = i;
            got[m] = NULL;
            in[m++] = k->d.in[i];
        }
    }
    st = st ? st : rt_gradients(got, outs, gs, n, in, m, true, true, true, err);
    for (int i = 0; i < m && !st; i++) {
        results[which[i]] = got[i];
    }
    for (int i = 0; i < RT_REC_OUTPUTS; i++) {
        rt_release(made[i]);
    }
    return st;
}

static rt_status backward(void *ctx, rt_tensor *const *grad_outputs,
                          int noutputs, rt_tensor **grads, int ninputs,
                          rt_error *err)
{
    const kept *k = ctx;
    rt_status st = check_kept(k, err);
    (void)noutputs, (void)ninputs;
    if (st || rt_grad_enabled()) {
        return st ? st : by_steps(k, grad_outputs, grads, err);
    }
    back b = {.k = k};
    st = through_time(&b, grad_outputs, err);
    st = st ? st : weight_grads(grads, &b, err);
    if (!st && rt_requires_grad(k->d.in[RT_REC_X])) {
        st = input_grad(&grads[RT_REC_X], &b, err);
    }
    rt_release(b.g);
    rt_release(b.dx);
    rt_release(b.dh);
    grads[RT_REC_H0] = b.gh;
    grads[RT_REC_C0] = b.gc;
    return st;
}

/* --- the direction ------------------------------------------------------------------ */

static bool is_recorded(const rt__direction *d)
{
    bool some = false;
    for (int i = 0; i < RT_REC_INPUTS; i++) {
        some |= d->in[i] && rt_requires_grad(d->in[i]);
    }
    return some && rt_grad_enabled();
}

/* Takes k, which then lives as long as the node; its output without history, or
 * the node would hold itself. */
static rt_status record(rt_tensor *out[RT_REC_OUTPUTS], kept *k, rt_error *err)
{
    rt_tensor *made = k->out;
    rt_status st = rt__twin(&k->out, made, err);
    if (st) {
        k->out = NULL;
        rt_release(made);
        drop(k);
        return st;
    }
    k->version[RT_REC_INPUTS] = rt_tensor_version(made);
    rt_custom_node node = {k->d.name, backward, k, drop};
    out[RT_REC_OUT] = made;
    st = rt_attach_custom(&node, k->d.in, RT_REC_INPUTS, out, RT_REC_OUTPUTS,
                          err);
    if (st) {
        drop(k);
    }
    return st;
}

rt_status rt__recurrent_fused(rt_tensor *out[RT_REC_OUTPUTS],
                              const rt__direction *d, bool *done, rt_error *err)
{
    memset(out, 0, RT_REC_OUTPUTS * sizeof *out);
    *done = applies(d);
    if (!*done) {
        return RT_OK;
    }
    kept *k = keep(d);
    if (!k) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory", d->name);
    }
    bool before = rt_set_grad_enabled(false);
    rt_status st = prepare(k, err);
    st = st ? st : run(k, err);
    st = st ? st : last_state(&out[RT_REC_H], k, k->out, err);
    st = st || !k->c ? st : last_state(&out[RT_REC_C], k, k->c, err);
    rt_set_grad_enabled(before);
    if (!st && is_recorded(d)) {
        st = record(out, k, err);
    } else {
        out[RT_REC_OUT] = st ? NULL : rt_retain(k->out);
        drop(k);
    }
    for (int i = 0; i < RT_REC_OUTPUTS && st; i++) {
        rt_release(out[i]);
        out[i] = NULL;
    }
    return st;
}

/* SPDX-License-Identifier: MIT
 * RNN, GRU and LSTM with PyTorch's parameters, gate order and results: layers,
 * directions, states. Shapes: T steps, N batch, I input size, H hidden size, L
 * layers, D directions.
 */
#include "runtime/nn/recurrent.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static rt__net net_of(rt_module *m)
{
    rt__net n = {.m = m, .id = m->layer->id};
    n.gates = n.id == RT_LAYER_LSTM ? 4 : n.id == RT_LAYER_GRU ? 3 : 1;
    n.input = rt__option_int(m, "input_size");
    n.hidden = rt__option_int(m, "hidden_size");
    n.layers = rt__option_int(m, "num_layers");
    n.directions = rt__option_bool(m, "bidirectional") ? 2 : 1;
    n.bias = rt__option_bool(m, "bias");
    n.batch_first = rt__option_bool(m, "batch_first");
    n.dropout = rt__option_float(m, "dropout");
    n.relu = n.id == RT_LAYER_RNN
             && strcmp(rt__option(m, "nonlinearity")->s, "relu") == 0;
    return n;
}

static void part_name(char *out, const char *part, int64_t layer, int direction)
{
    snprintf(out, 48, "%s_l%lld%s", part, (long long)layer,
             direction ? "_reverse" : "");
}

static rt_tensor *part_of(const rt__net *n, const char *part, int64_t layer,
                          int direction)
{
    char name[48];
    part_name(name, part, layer, direction);
    return rt__module_tensor(n->m, name);
}

static rt_status check(const rt__net *n, rt_error *err)
{
    const char *name = n->m->cls->name;
    if (n->hidden < 1 || n->input < 0 || n->layers < 1) {
        return rt_fail(err, RT_E_ARGUMENT, "%s: hidden_size and num_layers "
                       "must be positive, got %lld and %lld", name,
                       (long long)n->hidden, (long long)n->layers);
    }
    if (!(n->dropout >= 0 && n->dropout <= 1)) {
        return rt_fail(err, RT_E_ARGUMENT,
                       "%s: dropout must be in [0, 1], got %g", name,
                       n->dropout);
    }
    if (n->id == RT_LAYER_RNN && !n->relu
        && strcmp(rt__option(n->m, "nonlinearity")->s, "tanh") != 0) {
        return rt_fail(err, RT_E_ARGUMENT,
                       "RNN: nonlinearity is 'tanh' or 'relu', not '%s'",
                       rt__option(n->m, "nonlinearity")->s);
    }
    return RT_OK;
}

RT_LAYER_INIT(recurrent)
{
    static const char *const parts[] = {"weight_ih", "weight_hh", "bias_ih",
                                        "bias_hh"};
    rt__net n = net_of(m);
    rt_status st = check(&n, err);
    double bound = st ? 0 : 1 / sqrt((double)n.hidden);
    for (int64_t l = 0; l < n.layers && !st; l++) {
        for (int d = 0; d < n.directions; d++) {
            for (int p = 0; p < (n.bias ? 4 : 2) && !st; p++) {
                int64_t in = l ? n.hidden * n.directions : n.input;
                int64_t shape[2] = {n.gates * n.hidden, p ? n.hidden : in};
                char name[48];
                rt_tensor *t;
                part_name(name, parts[p], l, d);
                st = rt__layer_parameter(m, name, p < 2 ? 2 : 1, shape, &t, err);
                st = st ? st : rt__fill_uniform(t, -bound, bound, err);
            }
        }
    }
    return st;
}

/* --- one layer in one direction ------------------------------------------------------ */

/* x [T, N, in] -> *out [T, N, H]; *h and *c (new references) become the last
 * states. */
static rt_status run_direction(rt_tensor **out, const rt__net *n, rt_tensor *x,
                               int64_t layer, int direction, rt_tensor **h,
                               rt_tensor **c, rt_error *err)
{
    rt_tensor *made[RT_REC_OUTPUTS];
    rt__direction d = {
        .id = n->id, .name = n->m->cls->name, .reverse = direction,
        .gates = n->gates, .relu = n->relu, .hidden = n->hidden,
        .in = {x, part_of(n, "weight_ih", layer, direction),
               part_of(n, "weight_hh", layer, direction),
               part_of(n, "bias_ih", layer, direction),
               part_of(n, "bias_hh", layer, direction), *h, *c}};
    bool done;
    rt_status st = rt__recurrent_fused(made, &d, &done, err);
    if (!st && !done) {
        st = rt__recurrent_steps(made, &d, err);
    }
    if (!st) {
        rt_release(*h);
        rt_release(*c);
        *out = made[RT_REC_OUT];
        *h = made[RT_REC_H];
        *c = made[RT_REC_C];
    }
    return st;
}

/* --- the whole stack ------------------------------------------------------------------- */

/* States [L D, N, H]: the given one, or zeros like x. */
static rt_status first_state(rt_tensor **out, const rt__net *n, rt_tensor *given,
                             rt_tensor *x, bool batched, rt_error *err)
{
    int64_t want[3] = {n->layers * n->directions, rt_tensor_shape(x)[1],
                       n->hidden};
    if (!given) {
        return rt__op1(RT_OP_new_zeros, out, err, 2, RT_V_TENSOR(x),
                       RT_V_INTS(want, 3));
    }
    rt_tensor *t = NULL;
    if (!batched) {
        rt_status st = rt__op1(RT_OP_unsqueeze, &t, err, 2, RT_V_TENSOR(given),
                               RT_V_INT(1));
        if (st) {
            return st;
        }
    } else {
        t = rt_retain(given);
    }
    if (rt_tensor_ndim(t) != 3 || memcmp(rt_tensor_shape(t), want, sizeof want)) {
        rt_release(t);
        return rt_fail(err, RT_E_SHAPE, "%s: the initial state must be "
                       "[%lld, %lld, %lld]", n->m->cls->name,
                       (long long)want[0], (long long)want[1],
                       (long long)want[2]);
    }
    *out = t;
    return RT_OK;
}

/* Both directions of a layer: x [T, N, in] -> *out [T, N, D H]. */
static rt_status run_layer(rt_tensor **out, const rt__net *n, rt_tensor *x,
                           int64_t layer, rt_tensor *const first[2],
                           rt_tensor **last_h, rt_tensor **last_c,
                           rt_error *err)
{
    rt_tensor *part[2] = {NULL, NULL};
    rt_status st = RT_OK;
    for (int d = 0; d < n->directions && !st; d++) {
        int64_t i = layer * n->directions + d;
        for (int k = 0; k < (first[1] ? 2 : 1) && !st; k++) {
            st = rt__op1(RT_OP_select, k ? &last_c[i] : &last_h[i], err, 3,
                         RT_V_TENSOR(first[k]), RT_V_INT(0), RT_V_INT(i));
        }
        st = st ? st : run_direction(&part[d], n, x, layer, d, &last_h[i],
                                     &last_c[i], err);
    }
    if (!st && n->directions == 2) {
        st = rt__op1(RT_OP_cat, out, err, 2, RT_V_TENSORS(part, 2),
                     RT_V_INT(-1));
    } else if (!st) {
        *out = rt_retain(part[0]);
    }
    rt_release(part[0]);
    rt_release(part[1]);
    return st;
}

static rt_status run_layers(rt_tensor **out, const rt__net *n, rt_tensor *x,
                            rt_tensor *const first[2], rt_tensor **last_h,
                            rt_tensor **last_c, rt_error *err)
{
    rt_tensor *at = rt_retain(x);
    rt_status st = RT_OK;
    for (int64_t l = 0; l < n->layers && !st; l++) {
        rt_tensor *next;
        if (l && n->dropout > 0 && n->m->training) {
            if ((st = rt__op1(RT_OP_dropout, &next, err, 3, RT_V_TENSOR(at),
                              RT_V_FLOAT(n->dropout), RT_V_BOOL(true)))) {
                break;
            }
            rt_release(at);
            at = next;
        }
        if (!(st = run_layer(&next, n, at, l, first, last_h, last_c, err))) {
            rt_release(at);
            at = next;
        }
    }
    if (st) {
        rt_release(at);
        return st;
    }
    *out = at;
    return RT_OK;
}

/* Brings x to [T, N, I]. */
static rt_status arrange(rt_tensor **out, const rt__net *n, rt_tensor *x,
                         bool *batched, rt_error *err)
{
    int dims = rt_tensor_ndim(x);
    if ((dims != 2 && dims != 3) || rt_tensor_shape(x)[dims - 1] != n->input) {
        char shape[96];
        rt__shape_format(shape, sizeof shape, dims,
                         (int64_t *)rt_tensor_shape(x));
        rt_fail(err, RT_E_SHAPE,
                "%s: expected [time, batch, %lld] (or [time, %lld]), got %s",
                n->m->cls->name, (long long)n->input, (long long)n->input,
                shape);
        rt_error_help(err, "batch_first=True takes [batch, time, %lld]",
                      (long long)n->input);
        return RT_E_SHAPE;
    }
    *batched = dims == 3;
    if (rt_tensor_shape(x)[dims == 3 && n->batch_first ? 1 : 0] == 0) {
        return rt_fail(err, RT_E_SHAPE, "%s: the sequence is empty",
                       n->m->cls->name);
    }
    if (dims == 2) {
        return rt__op1(RT_OP_unsqueeze, out, err, 2, RT_V_TENSOR(x),
                       RT_V_INT(1));
    }
    if (n->batch_first) {
        return rt__op1(RT_OP_transpose, out, err, 3, RT_V_TENSOR(x),
                       RT_V_INT(0), RT_V_INT(1));
    }
    *out = rt_retain(x);
    return RT_OK;
}

/* Undoes arrange on the output; joins the last states. */
static rt_status finish(rt_tensor **made, const rt__net *n, rt_tensor *y,
                        rt_tensor **last[2], bool batched, rt_error *err)
{
    int64_t states = n->layers * n->directions;
    rt_status st = RT_OK;
    if (!batched) {
        int64_t dim = 1;
        st = rt__op1(RT_OP_squeeze, &made[0], err, 2, RT_V_TENSOR(y),
                     RT_V_INTS(&dim, 1));
    } else if (n->batch_first) {
        st = rt__op1(RT_OP_transpose, &made[0], err, 3, RT_V_TENSOR(y),
                     RT_V_INT(0), RT_V_INT(1));
    } else {
        made[0] = rt_retain(y);
    }
    int count = n->id == RT_LAYER_LSTM ? 2 : 1;
    for (int k = 0; k < count && !st; k++) {
        rt_tensor *all;
        st = rt__op1(RT_OP_stack, &all, err, 2, RT_V_TENSORS(last[k], states),
                     RT_V_INT(0));
        if (st || batched) {
            made[1 + k] = st ? NULL : all;
            continue;
        }
        int64_t dim = 1;
        st = rt__op1(RT_OP_squeeze, &made[1 + k], err, 2, RT_V_TENSOR(all),
                     RT_V_INTS(&dim, 1));
        rt_release(all);
    }
    return st;
}

/* forward(x), forward(x, h), forward(x, [h, c]), forward(x, h, c). */
static rt_status take_states(const rt__net *n, const rt_value *args, int nargs,
                             rt_tensor *given[2], rt_error *err)
{
    int want = n->id == RT_LAYER_LSTM ? 2 : 1, got = 0;
    bool ok = nargs >= 1 && args[0].kind == RT_K_TENSOR && nargs <= 3;
    for (int i = 1; i < nargs && ok; i++) {
        const rt_value *v = &args[i];
        if (v->kind == RT_K_TENSOR && got < 2) {
            given[got++] = v->t;
        } else if (v->kind == RT_K_TENSORS && v->count == 2 && got == 0) {
            given[0] = v->tensors[0];
            given[1] = v->tensors[1];
            got = 2;
        } else {
            ok = v->kind == RT_K_NONE;
        }
    }
    if (ok && (got == 0 || got == want)) {
        return RT_OK;
    }
    return rt_fail(err, RT_E_TYPE, "%s: forward takes the input and %s",
                   n->m->cls->name,
                   want == 2 ? "a pair of states (h, c)" : "a state h");
}

static rt_status run(rt_tensor **made, const rt__net *n, const rt_value *args,
                     rt_tensor *const given[2], rt_tensor **last[2],
                     rt_error *err)
{
    rt_tensor *x = NULL, *y = NULL, *first[2] = {NULL, NULL};
    bool batched, cells = n->id == RT_LAYER_LSTM;
    rt_status st = arrange(&x, n, args[0].t, &batched, err);
    for (int k = 0; k < (cells ? 2 : 1) && !st; k++) {
        st = first_state(&first[k], n, given[k], x, batched, err);
    }
    st = st ? st : run_layers(&y, n, x, first, last[0], last[1], err);
    st = st ? st : finish(made, n, y, last, batched, err);
    rt_release(x);
    rt_release(y);
    rt_release(first[0]);
    rt_release(first[1]);
    return st;
}

RT_LAYER_FORWARD(recurrent)
{
    rt__net n = net_of(m);
    int64_t states = n.layers * n.directions;
    rt_tensor *given[2] = {NULL, NULL};
    rt_status st = take_states(&n, args, nargs, given, err);
    if (st) {
        return st;
    }
    size_t bytes = (size_t)states * 2 * sizeof(rt_tensor *);
    rt_tensor **lasts = rt_alloc(bytes);
    rt_tensor **made = rt_alloc(3 * sizeof *made);
    if (!lasts || !made) {
        rt_free(lasts);
        rt_free(made);
        return rt_fail(err, RT_E_MEMORY, "%s: no memory", m->cls->name);
    }
    memset(lasts, 0, bytes);
    memset(made, 0, 3 * sizeof *made);
    rt_tensor **last[2] = {lasts, lasts + states};
    st = run(made, &n, args, given, last, err);
    for (int64_t i = 0; i < 2 * states; i++) {
        rt_release(lasts[i]);
    }
    rt_free(lasts);
    rt_value all = RT_V_TENSORS(made, n.id == RT_LAYER_LSTM ? 3 : 2);
    if (st) {
        for (int i = 0; i < 3; i++) {
            rt_release(made[i]);
        }
        rt_free(made);
        return st;
    }
    *result = all;
    return RT_OK;
}

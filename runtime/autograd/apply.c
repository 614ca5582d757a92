/* SPDX-License-Identifier: MIT
 * Applying one node: saved values checked and brought back, the rule called,
 * its answers made to fit; and the sums of gradients.
 */
#include "runtime/autograd/engine.h"

#include "runtime/ops/plain.h"

#include <string.h>

/* --- saved values -------------------------------------------------------------- */

rt_status rt__used_up(const rt_node *n, rt_error *err)
{
    rt_fail(err, RT_E_AUTOGRAD, "backward: %s was differentiated before, and "
            "what it had saved was freed then", rt_node_name(n));
    rt_error_help(err, "call the first backward with retain_graph=True, or "
                  "compute the result anew");
    return RT_E_AUTOGRAD;
}

rt_status rt__overwritten(const rt_node *n, const rt__overwritten_as *what,
                          rt_error *err)
{
    const rt__storage *s = what->storage;
    char was[64], now[64] = "of unknown shape";
    const char *writer = "a write from outside";
    int64_t shape[4];
    rt__shape_format(was, sizeof was, what->ndim, what->shape);
    if (s->writer) {
        for (int i = 0; i < 4; i++) {
            shape[i] = s->writer_shape[i];
        }
        writer = rt_op_name(&rt__ops[s->writer]);
        rt__shape_format(now, sizeof now,
                         s->writer_ndim > 4 ? 4 : s->writer_ndim, shape);
    }
    rt_fail(err, RT_E_AUTOGRAD, "backward: %s saved %s of shape %s for its "
            "gradient, but %s (on a tensor of shape %s) has written to that "
            "memory since (version %u, saved at version %u)",
            rt_op_name(n->op), what->result ? "its result" : "an argument", was,
            writer, now, s->version, what->version);
    rt_error_help(err, "use the op that makes a new tensor instead of %s, or "
                  "write to a clone()", writer);
    return RT_E_AUTOGRAD;
}

rt_status rt__replaced(const rt_node *n, rt_error *err)
{
    rt_fail(err, RT_E_AUTOGRAD, "backward: a tensor that %s saved was given "
            "other data (t.data = ...) since", rt_op_name(n->op));
    rt_error_help(err, "change data after backward, or run the op again");
    return RT_E_AUTOGRAD;
}

static rt_status check_saved(const rt_node *n, rt_error *err)
{
    if (n->freed) {
        return rt__used_up(n, err);
    }
    for (int i = 0; i < n->nsaved; i++) {
        const rt__saved *s = &n->saved[i];
        if (s->storage != s->tensor->storage) {
            return rt__replaced(n, err);
        }
        if (s->version != rt_tensor_version(s->tensor)) {
            const rt_tensor *t = s->tensor;
            rt__overwritten_as what = {t->storage, s->version, t->ndim,
                                       t->shape, s->slot < 0 && s->result};
            return rt__overwritten(n, &what, err);
        }
    }
    return RT_OK;
}

/* Saved twins have no history; for create_graph they get it back. */
static rt_status with_history(rt__rule_call *c, rt_tensor **at, rt_node *n,
                              uint32_t output)
{
    rt_tensor *t = NULL;
    rt_status s = rt__twin(&t, *at, c->err);
    if (s == RT_OK) {
        s = rt__set_history(t, n, output, c->err);
        *at = rt__formula_hold(c, t);
    }
    return s == RT_OK ? c->status : s;
}

static rt_status restore_history(rt__rule_call *c, rt_node *n,
                                 rt__unpacked *u)
{
    rt_value *args = u->args;
    rt_tensor **results = u->results;
    rt_status s = RT_OK;
    for (int i = 0; i < u->nargs && s == RT_OK; i++) {
        int slot = i < RT_RULE_ARGS && c->rule->saves[i]
                       ? rt__slot(c->rule, i) : -1;
        if (slot < 0 || args[i].kind != RT_K_TENSOR) {
            continue;
        }
        bool written = slot == 0 && !n->plain && n->slices;
        const rt__edge *edge = written ? &n->slices->before : &n->edges[slot];
        if (!edge->node || (args[i].t->flags & RT_F_REQUIRES_GRAD)) {
            continue;
        }
        rt_tensor *t = args[i].t;
        s = with_history(c, &t, edge->node, edge->output);
        args[i].t = t;
    }
    if (results[0] && s == RT_OK) {
        s = with_history(c, &results[0], n, 0);
    }
    return s;
}

/* --- fitting ------------------------------------------------------------------- */

static rt_status misfit(const rt_node *n, int slot, const rt_tensor *t,
                        const rt__like *like, rt_error *err)
{
    char got[64], want[64];
    rt__shape_format(got, sizeof got, t->ndim, t->shape);
    rt__shape_format(want, sizeof want, like->ndim, like->shape);
    return rt_fail(err, RT_E_SHAPE, "backward: %s gave a gradient of shape %s "
                   "for its input %d of shape %s", rt_node_name(n), got, slot,
                   want);
}

static bool fits(const rt_tensor *t, const rt__like *like)
{
    if (t->ndim != like->ndim) {
        return false;
    }
    for (int i = 0; i < t->ndim; i++) {
        if (t->shape[i] != like->shape[i]) {
            return false;
        }
    }
    return true;
}

static bool can_sum_to(const rt_tensor *t, const rt__like *like)
{
    int extra = t->ndim - like->ndim;
    for (int i = 0; i < like->ndim && extra >= 0; i++) {
        if (like->shape[i] != 1 && like->shape[i] != t->shape[i + extra]) {
            return false;
        }
    }
    return extra >= 0;
}

static rt_status fit(rt__rule_call *c, const rt_node *n, int slot)
{
    rt_tensor *t = c->out[slot], *was = t;
    const rt__like *like = &c->like[slot];
    if (!fits(t, like)) {
        if (!can_sum_to(t, like)) {
            return misfit(n, slot, t, like, c->err);
        }
        t = rt__formula_sum_to(c, t, like->ndim, like->shape);
    }
    if (t && t->dtype != like->dtype) {
        rt_value args[] = {RT_V_TENSOR(t), RT_V_DTYPE(like->dtype)};
        t = rt__formula(c, RT_OP_to, args, 2);
    }
    if (t && t != was) {
        c->out[slot] = rt_retain(t);
        rt_release(was);
    }
    return c->status;
}

/* --- one node ------------------------------------------------------------------- */

static void apply_rule(rt__rule_call *c, rt_node *n)
{
    c->rule->apply(c);
    for (int i = 0; i < n->nslots && c->status == RT_OK; i++) {
        if (c->out[i]) {
            c->status = fit(c, n, i);
        }
    }
}

static rt_tensor *strided(rt__rule_call *c, rt_tensor *t, const rt__like *like,
                          int64_t low)
{
    rt_value args[] = {RT_V_TENSOR(t), RT_V_INTS(like->shape, like->ndim),
                       RT_V_INTS(like->strides, like->ndim),
                       RT_V_INT(like->offset - low)};
    return rt__formula(c, RT_OP_as_strided, args, 4);
}

static int64_t end_of(const rt__like *like)
{
    int64_t last = like->offset;
    for (int i = 0; i < like->ndim; i++) {
        last += (like->shape[i] - 1) * like->strides[i];
    }
    return last + 1;
}

/* The gradient of the base laid out as its storage is, in memory of its own. */
static rt_tensor *image_of(rt__rule_call *c, const rt__slices *s, int64_t low)
{
    int64_t end = end_of(&s->base), view_end = end_of(&s->view);
    int64_t extent = (end > view_end ? end : view_end) - low, one = 1;
    rt_value args[] = {
        RT_V_TENSOR(c->g), RT_V_INTS(&extent, 1), RT_V_INTS(&one, 1),
        RT_V_INT(0), RT_V_INTS(s->base.shape, s->base.ndim),
        RT_V_INTS(s->base.strides, s->base.ndim),
        RT_V_INT(s->base.offset - low)};
    return rt__formula(c, RT_OP_as_strided_backward, args, 7);
}

/* The op wrote a view: its rule sees the view's part of the gradient, and what
 * it answers for slot 0 takes that part's place. */
static void apply_slices(rt__rule_call *c, rt_node *n)
{
    const rt__slices *s = n->slices;
    int64_t low = s->base.offset < s->view.offset ? s->base.offset
                                                  : s->view.offset;
    rt_tensor *image = image_of(c, s, low);
    rt_tensor *part = image ? strided(c, image, &s->view, low) : NULL;
    rt_value value = RT_V_TENSOR(part);
    c->g = part ? rt__formula(c, RT_OP_clone, &value, 1) : NULL;
    if (!c->g) {
        return;
    }
    rt__like likes[RT_RULE_ARGS];
    memcpy(likes, n->likes, sizeof *likes * n->nslots);
    likes[0] = s->written;
    c->like = likes;
    apply_rule(c, n);
    if (!c->needs[0] || c->status != RT_OK) {
        return;
    }
    rt_value both[] = {value, RT_V_TENSOR(c->out[0])};
    rt__formula(c, c->out[0] ? RT_OP_copy_ : RT_OP_zero_, both,
                c->out[0] ? 2 : 1);
    rt_release(c->out[0]);
    c->out[0] = rt_retain(image ? strided(c, image, &s->base, low) : NULL);
}

/* Points c at what n saved; a copy of it, where history is to be restored. */
static void borrow(rt__rule_call *c, const rt_node *n, rt__unpacked *u)
{
    c->status = check_saved(n, c->err);
    c->a = n->args;
    c->r = n->results;
    c->like = n->likes;
    if (u) {
        u->nargs = n->nargs;
        memcpy(u->args, n->args, sizeof *u->args * n->nargs);
        memcpy(u->results, n->results, sizeof u->results);
        c->a = u->args;
        c->r = u->results;
    }
}

static rt_status apply_op(rt__run *run, rt_node *n, rt_tensor *g,
                          const bool *needs, rt_tensor **out)
{
    rt__rule_call c;
    rt__unpacked u;
    c.op = n->op;
    c.rule = rt__rule_of(n->op);
    c.g = g;
    c.needs = needs;
    c.out = out;
    c.nslots = n->nslots;
    c.graph = run->create_graph;
    c.err = run->err;
    c.nscratch = 0;
    c.status = RT_OK;
    if (n->plain) {
        rt__plain_unpack(&c, n, &u);
    } else {
        borrow(&c, n, run->create_graph ? &u : NULL);
    }
    if (c.status == RT_OK && run->create_graph) {
        c.status = restore_history(&c, n, &u);
    }
    if (c.status == RT_OK) {
        if (!n->plain && n->slices) {
            apply_slices(&c, n);
        } else {
            apply_rule(&c, n);
        }
    }
    rt__formula_release(&c);
    return c.status;
}

static rt_status apply_custom(rt__run *run, rt_node *n, rt_tensor *const *grads,
                              rt_tensor **out)
{
    rt__rule_call c = {.like = n->likes, .out = out, .err = run->err};
    rt_custom_node *custom = n->custom;
    c.status = custom->backward(custom->ctx, grads, n->noutputs, out, n->nslots,
                                run->err);
    for (int i = 0; i < n->nslots && c.status == RT_OK; i++) {
        if (out[i] && n->edges[i].node) {
            c.status = fit(&c, n, i);
        }
    }
    rt__formula_release(&c);
    return c.status;
}

rt_status rt__node_apply(rt__run *run, rt_node *n, rt_tensor **grads,
                         const bool *needs, rt_tensor **out)
{
    rt_status s;
    if (n->kind == RT_NODE_CUSTOM) {
        return apply_custom(run, n, grads, out);
    }
    if (n->plain && rt__plain_apply(run, n, &grads[0], needs, out, &s)) {
        return s;
    }
    return apply_op(run, n, grads[0], needs, out);
}

/* --- sums ------------------------------------------------------------------------- */

/* a += b in a's memory; in one step where they are a plain pair. */
static rt_status add_to(rt_tensor *a, rt_tensor *b, rt_error *err)
{
    if (rt__is_plain(a) && (b->flags & RT_F_CONTIGUOUS) && rt__is_pair(a, b)) {
        rt__plain_run(RT_EW_add, a, a, b);
        return RT_OK;
    }
    return rt__op0(RT_OP_add_, err, 2, RT_V_TENSOR(a), RT_V_TENSOR(b));
}

rt_status rt__grad_add(rt_tensor **sum, rt_tensor *grad, bool create_graph,
                       rt_error *err)
{
    rt_tensor *a = *sum, *b = grad, *total = NULL;
    rt_status s;
    if (!a) {
        *sum = grad;
        return RT_OK;
    }
    if (!create_graph && !rt__sole_owner(a) && rt__sole_owner(b)) {
        a = grad;
        b = *sum;
    }
    if (!create_graph && rt__sole_owner(a)) {
        s = add_to(a, b, err);
        total = rt_retain(a);
    } else {
        s = rt__op1(RT_OP_add, &total, err, 2, RT_V_TENSOR(a), RT_V_TENSOR(b));
    }
    rt_release(*sum);
    rt_release(grad);
    *sum = total;
    return s;
}

static bool same_layout(const rt_tensor *a, const rt_tensor *b)
{
    return ((a->flags & b->flags) & RT_F_CONTIGUOUS)
           || (a->ndim == b->ndim
               && memcmp(a->strides, b->strides,
                         sizeof(int64_t) * (size_t)a->ndim) == 0);
}

/* The first gradient of a leaf: taken over when it is nobody else's. */
static rt_status first_grad(rt_tensor **out, rt_tensor *leaf, rt_tensor *grad,
                            bool create_graph, rt_error *err)
{
    rt_tensor *copy = NULL;
    if (create_graph || (rt__sole_owner(grad) && same_layout(leaf, grad))) {
        *out = rt_retain(grad);
        return RT_OK;
    }
    rt_status s = rt__tensor_like(&copy, leaf, (rt_dtype)leaf->dtype, err);
    if (s == RT_OK) {
        s = rt__op0(RT_OP_copy_, err, 2, RT_V_TENSOR(copy), RT_V_TENSOR(grad));
    }
    if (s == RT_OK) {
        *out = rt_retain(copy);
    }
    rt_release(copy);
    return s;
}

rt_status rt__grad_accumulate(rt_tensor *leaf, rt_tensor *grad,
                              bool create_graph, rt_error *err)
{
    rt_tensor *old = leaf->meta->grad, *total = NULL;
    rt_status s = RT_OK;
    if (!old) {
        s = first_grad(&total, leaf, grad, create_graph, err);
    } else if (create_graph) {
        s = rt__op1(RT_OP_add, &total, err, 2, RT_V_TENSOR(old),
                    RT_V_TENSOR(grad));
    } else {
        s = rt__op0(RT_OP_add_, err, 2, RT_V_TENSOR(old), RT_V_TENSOR(grad));
        total = rt_retain(old);
    }
    if (s == RT_OK) {
        leaf->meta->grad = rt_retain(total);
        rt_release(old);
    }
    rt_release(total);
    rt_release(grad);
    return s;
}

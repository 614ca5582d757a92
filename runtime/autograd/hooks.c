/* SPDX-License-Identifier: MIT
 *
 * Hooks. A cell is counted: the tensor's list holds it for removal, the node's
 * list for running, so that the hook of an intermediate result runs even when
 * nobody holds that tensor any more. A leaf's cells are in its own list only.
 */
#include "runtime/autograd/graph.h"

#include <string.h>

static atomic_llong next_handle = 1;

static void cell_release(rt__hook_cell *c)
{
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (c->hook.destroy) {
        c->hook.destroy(c->hook.ctx);
    }
    rt_free(c);
}

void rt__hooks_release_node(rt_node *n)
{
    for (rt__hook_cell *c = n->hooks, *next; c; c = next) {
        next = c->next_node;
        cell_release(c);
    }
    n->hooks = NULL;
}

void rt__hooks_release_tensor(rt_tensor *t)
{
    rt__hook_cell *c = t->meta->hooks;
    t->meta->hooks = NULL;
    while (c) {
        rt__hook_cell *next = c->next_tensor;
        c->retains = NULL;
        cell_release(c);
        c = next;
    }
}

static void link_node(rt_node *n, rt__hook_cell *c)
{
    rt__hook_cell **at = &n->hooks;
    while (*at) {
        at = &(*at)->next_node;
    }
    *at = c;
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
}

static void unlink_node(rt_node *n, rt__hook_cell *c)
{
    rt__hook_cell **at = &n->hooks;
    while (*at && *at != c) {
        at = &(*at)->next_node;
    }
    if (*at) {
        *at = c->next_node;
        cell_release(c);
    }
}

static void link_tensor(rt_tensor *t, rt__hook_cell *c)
{
    rt__hook_cell **at = &t->meta->hooks;
    while (*at) {
        at = &(*at)->next_tensor;
    }
    *at = c;
}

/* Adds a cell of the kind to t and, for a result, to its node. */
static rt_status add(rt__hook_cell **out, rt_tensor *t, rt__hook_kind kind,
                     const rt_hook *hook, rt_error *err)
{
    rt__hook_cell *c = rt_alloc(sizeof *c);
    if (!c) {
        return rt_fail(err, RT_E_MEMORY, "hook: no memory");
    }
    memset(c, 0, sizeof *c);
    c->refs = 1;
    c->kind = (uint8_t)kind;
    c->handle = atomic_fetch_add(&next_handle, 1);
    c->output = t->meta->output;
    if (hook) {
        c->hook = *hook;
    }
    link_tensor(t, c);
    rt_node *n = t->meta->grad_fn;
    if (n && kind != RT_HOOK_POST) {
        link_node(n, c);
    }
    *out = c;
    return RT_OK;
}

/* A hook needs a tensor whose gradient is computed, and its current node. */
static rt_status ready(rt_tensor *t, const char *what, rt_error *err)
{
    rt__edge edge;
    rt_status s = rt__edge_of(&edge, t, err);
    if (s == RT_OK && !edge.node) {
        rt_fail(err, RT_E_AUTOGRAD, "%s: the tensor does not require a "
                "gradient", what);
        rt_error_help(err, "make it with requires_grad=True, or compute it "
                      "from tensors that are");
        s = RT_E_AUTOGRAD;
    }
    rt_node_release(edge.node);
    return s;
}

rt_status rt_register_hook(rt_tensor *t, const rt_hook *hook, int64_t *handle,
                           rt_error *err)
{
    rt__hook_cell *c = NULL;
    rt_status s = ready(t, "register_hook", err);
    if (s == RT_OK && (s = add(&c, t, RT_HOOK_GRAD, hook, err)) == RT_OK) {
        *handle = c->handle;
    }
    return s;
}

rt_status rt_register_post_accumulate_hook(rt_tensor *t, const rt_hook *hook,
                                           int64_t *handle, rt_error *err)
{
    rt__hook_cell *c = NULL;
    rt_status s = ready(t, "register_post_accumulate_grad_hook", err);
    if (s == RT_OK && !rt_is_leaf(t)) {
        return rt_fail(err, RT_E_AUTOGRAD, "register_post_accumulate_grad_hook:"
                       " gradients accumulate in leaves, this is a result of "
                       "%s", rt_node_name(t->meta->grad_fn));
    }
    if (s == RT_OK && (s = add(&c, t, RT_HOOK_POST, hook, err)) == RT_OK) {
        *handle = c->handle;
    }
    return s;
}

static void drop(rt_tensor *t, rt__hook_cell **at)
{
    rt__hook_cell *c = *at;
    *at = c->next_tensor;
    c->removed = true;
    if (t->meta->grad_fn) {
        unlink_node(t->meta->grad_fn, c);
    }
    cell_release(c);
}

void rt_remove_hook(rt_tensor *t, int64_t handle)
{
    if (!t->meta) {
        return;
    }
    for (rt__hook_cell **at = &t->meta->hooks; *at; at = &(*at)->next_tensor) {
        if ((*at)->handle == handle) {
            drop(t, at);
            return;
        }
    }
}

static rt__hook_cell *retaining(rt_tensor *t)
{
    rt__hook_cell *c = t->meta ? t->meta->hooks : NULL;
    while (c && c->kind != RT_HOOK_RETAIN) {
        c = c->next_tensor;
    }
    return c;
}

rt_status rt_retain_grad(rt_tensor *t, rt_error *err)
{
    rt__hook_cell *c = NULL;
    rt_status s = ready(t, "retain_grad", err);
    if (s != RT_OK || rt_is_leaf(t) || retaining(t)) {
        return s;
    }
    s = add(&c, t, RT_HOOK_RETAIN, NULL, err);
    if (s == RT_OK) {
        c->retains = t;
    }
    return s;
}

rt_status rt__hooks_move(rt_tensor *t, rt_error *err)
{
    rt__hook_cell *old = retaining(t), *c = NULL;
    if (!old) {
        return RT_OK;
    }
    old->removed = true;
    old->retains = NULL;
    for (rt__hook_cell **at = &t->meta->hooks; *at; at = &(*at)->next_tensor) {
        if (*at == old) {
            drop(t, at);
            break;
        }
    }
    rt_status s = add(&c, t, RT_HOOK_RETAIN, NULL, err);
    if (s == RT_OK) {
        c->retains = t;
    }
    return s;
}

static rt_status keep_grad(rt__hook_cell *c, rt_tensor *grad)
{
    if (c->retains) {
        rt__meta *m = c->retains->meta;
        rt_release(m->grad);
        m->grad = rt_retain(grad);
    }
    return RT_OK;
}

static rt_status run(rt__hook_cell *c, rt_tensor **grad, rt_error *err)
{
    if (c->kind == RT_HOOK_RETAIN) {
        return keep_grad(c, *grad);
    }
    return c->hook.call(c->hook.ctx, grad, err);
}

/* A hook may remove itself or others: the cell that runs is held, and its links
 * stay good while it is. */
#define EACH(first, next, condition, grad)                                     \
    rt_status s = RT_OK;                                                       \
    rt__hook_cell *c = first;                                                  \
    while (c && s == RT_OK) {                                                  \
        atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);          \
        if (!c->removed && (condition)) {                                      \
            s = run(c, grad, err);                                             \
        }                                                                      \
        rt__hook_cell *after = c->next;                                        \
        cell_release(c);                                                       \
        c = after;                                                             \
    }                                                                          \
    return s

rt_status rt__hooks_run(rt_node *n, uint32_t output, rt_tensor **grad,
                        rt_error *err)
{
    if (n->kind == RT_NODE_LEAF) {
        EACH(n->leaf->meta->hooks, next_tensor, c->kind == RT_HOOK_GRAD, grad);
    }
    EACH(n->hooks, next_node, c->output == output, grad);
}

rt_status rt__hooks_run_post(rt_tensor *leaf, rt_error *err)
{
    EACH(leaf->meta->hooks, next_tensor, c->kind == RT_HOOK_POST,
         &leaf->meta->grad);
}

/* SPDX-License-Identifier: MIT
 * Nodes whose rule lives in the host: custom autograd functions.
 */
#include "runtime/autograd/graph.h"

#include <string.h>

static rt_status fill_inputs(rt_node *n, rt_tensor *const *inputs, char *tail,
                             rt_error *err)
{
    rt_status s = RT_OK;
    for (int i = 0; i < n->nslots && s == RT_OK; i++) {
        rt_tensor *t = inputs[i];
        if (!t) {
            continue;
        }
        size_t bytes = sizeof(int64_t) * (size_t)t->ndim;
        memcpy(tail, t->shape, bytes);
        n->likes[i] = (rt__like){t->dtype, t->ndim, t->offset,
                                 (int64_t *)tail, NULL};
        tail += bytes;
        if (rt__needs_grad(t)) {
            s = rt__edge_of(&n->edges[i], t, err);
        }
    }
    return s;
}

static rt_node *new_node(const rt_custom_node *node, rt_tensor *const *inputs,
                         int ninputs, int noutputs, char **tail)
{
    size_t each = sizeof(rt__edge) + sizeof(rt__like), dims = 0;
    size_t head = (sizeof(rt_node) + 15) & ~(size_t)15;
    for (int i = 0; i < ninputs; i++) {
        dims += inputs[i] ? sizeof(int64_t) * (size_t)inputs[i]->ndim : 0;
    }
    size_t fixed = head + each * (size_t)ninputs;
    rt_node *n = rt_alloc(fixed + dims);
    size_t length = strlen(node->name) + 1;
    rt_custom_node *copy = rt_alloc(sizeof *copy + length);
    if (!n || !copy) {
        rt_free(n);
        rt_free(copy);
        return NULL;
    }
    memset(n, 0, fixed);
    *copy = *node;
    copy->name = memcpy(copy + 1, node->name, length);
    n->refs = n->lodgers = 1;
    n->kind = RT_NODE_CUSTOM;
    n->seq = rt__next_sequence();
    n->noutputs = (uint16_t)noutputs;
    n->nslots = (uint16_t)ninputs;
    n->custom = copy;
    n->edges = (rt__edge *)((char *)n + head);
    n->likes = (rt__like *)(n->edges + ninputs);
    *tail = (char *)n + fixed;
    return n;
}

static rt_status check_outputs(const rt_custom_node *node,
                               rt_tensor *const *outputs, int n, rt_error *err)
{
    for (int i = 0; i < n; i++) {
        if (outputs[i] && (outputs[i]->flags & RT_F_REQUIRES_GRAD)
            && rt_is_leaf(outputs[i])) {
            rt_fail(err, RT_E_AUTOGRAD, "%s: output %d is a leaf that requires "
                    "a gradient", node->name, i);
            rt_error_help(err, "return a new tensor, for example a clone()");
            return RT_E_AUTOGRAD;
        }
    }
    return RT_OK;
}

static bool any_edge(const rt_node *n)
{
    for (int i = 0; i < n->nslots; i++) {
        if (n->edges[i].node) {
            return true;
        }
    }
    return false;
}

rt_status rt_attach_custom(const rt_custom_node *node,
                           rt_tensor *const *inputs, int ninputs,
                           rt_tensor *const *outputs, int noutputs,
                           rt_error *err)
{
    char *tail;
    rt_status s = check_outputs(node, outputs, noutputs, err);
    if (s != RT_OK) {
        return s;
    }
    rt_node *n = new_node(node, inputs, ninputs, noutputs, &tail);
    if (!n) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory to record it",
                       node->name);
    }
    s = fill_inputs(n, inputs, tail, err);
    bool record = any_edge(n);
    for (int i = 0; i < noutputs && s == RT_OK && record; i++) {
        if (outputs[i] && rt_dtype_is_floating(outputs[i]->dtype)) {
            s = rt__set_history(outputs[i], n, (uint32_t)i, err);
        }
    }
    if (s != RT_OK) {
        n->custom->destroy = NULL;      /* the caller keeps its ctx */
    }
    rt_node_release(n);
    return s;
}

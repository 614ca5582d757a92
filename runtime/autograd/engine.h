/* SPDX-License-Identifier: MIT
 *
 * One backward pass. A task stands for a node while the pass runs: how many
 * gradients are still to come, their sum so far. The node points to its task;
 * a pass that a hook starts inside another one stacks its tasks on top and
 * takes them off when it ends.
 */
#ifndef RT_AUTOGRAD_ENGINE_H
#define RT_AUTOGRAD_ENGINE_H

#include "runtime/autograd/formula.h"

typedef struct rt__run rt__run;

typedef struct rt__task {
    rt__run *run;
    rt_node *node;
    struct rt__task *outer;   /* of the pass around this one */
    int deps;                 /* consumers that have not run */
    bool wanted;              /* a gradient asked for lies here or behind */
    bool target, walked, queued;
    bool done;                /* the node forgot it, its gradients are gone */
    rt_tensor *one, **grads;  /* by output; &one when there is only one */
} rt__task;

typedef struct rt__target {
    rt__task *task;
    uint32_t output;
} rt__target;

typedef struct rt__stack {
    void **items;
    size_t count, room;
} rt__stack;

struct rt__run {
    bool retain, create_graph, collecting;
    rt__stack chunks;         /* of tasks */
    size_t used;              /* tasks in the last chunk */
    rt__stack ready;          /* heap, the youngest node on top, */
    rt__task *next;           /* but for one: a chain needs no heap */
    rt__target *targets;      /* of rt_gradients, by input */
    rt_tensor **captured;
    int ntargets;
    rt_error *err;
};

/* The gradients of a node's slots from those of its outputs; out[slot] are new
 * references in the shape and dtype of the slot. */
rt_status rt__node_apply(rt__run *run, rt_node *n, rt_tensor *const *grads,
                         const bool *needs, rt_tensor **out);
/* Adds *grad (taken over) to *sum, in place where nobody can see it. */
rt_status rt__grad_add(rt_tensor **sum, rt_tensor *grad, bool create_graph,
                       rt_error *err);
/* Adds grad (taken over) to the leaf's grad. */
rt_status rt__grad_accumulate(rt_tensor *leaf, rt_tensor *grad,
                              bool create_graph, rt_error *err);

#endif

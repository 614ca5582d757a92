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

/* Nobody else can see t or its memory. */
static inline bool rt__sole_owner(const rt_tensor *t)
{
    return atomic_load(&t->refs) == 1 && atomic_load(&t->storage->refs) == 1
           && (t->flags & RT_F_CONTIGUOUS)
           && !(t->flags & (RT_F_REQUIRES_GRAD | RT_F_READONLY));
}

/* --- plain nodes (plain.c) ------------------------------------------------------ */

/* Whether a plain node was done without ops; *s tells how it went. Its gradient
 * *g is NULL afterwards if its memory was taken. */
bool rt__plain_apply(rt__run *run, rt_node *n, rt_tensor **g,
                     const bool *needs, rt_tensor **out, rt_status *s);

/* Arguments, results and likes of a plain node as a rule expects them. */
typedef struct rt__unpacked {
    rt_value args[RT_MAX_ARGS];
    rt_tensor *results[RT_MAX_RESULTS];
    rt__like likes[2];
    int nargs;
} rt__unpacked;
/* Checks what n keeps and points c at it; c->status tells how it went. */
void rt__plain_unpack(rt__rule_call *c, const rt_node *n, rt__unpacked *out);

/* --- what is wrong with a saved value (apply.c) ----------------------------------- */

typedef struct rt__overwritten_as {
    const rt__storage *storage;
    uint32_t version;         /* when it was saved */
    int ndim;
    const int64_t *shape;
    bool result;              /* of the node itself, not an argument */
} rt__overwritten_as;
rt_status rt__used_up(const rt_node *n, rt_error *err);
rt_status rt__replaced(const rt_node *n, rt_error *err);
rt_status rt__overwritten(const rt_node *n, const rt__overwritten_as *what,
                          rt_error *err);

/* --- one node ---------------------------------------------------------------------- */

/* The gradients of a node's slots from those of its outputs; out[slot] are new
 * references in the shape and dtype of the slot. The memory of a gradient may be
 * taken: it is NULL in grads afterwards. */
rt_status rt__node_apply(rt__run *run, rt_node *n, rt_tensor **grads,
                         const bool *needs, rt_tensor **out);
/* Adds *grad (taken over) to *sum, in place where nobody can see it. */
rt_status rt__grad_add(rt_tensor **sum, rt_tensor *grad, bool create_graph,
                       rt_error *err);
/* Adds grad (taken over) to the leaf's grad. */
rt_status rt__grad_accumulate(rt_tensor *leaf, rt_tensor *grad,
                              bool create_graph, rt_error *err);

#endif

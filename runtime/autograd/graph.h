/* SPDX-License-Identifier: MIT
 *
 * Autograd's graph: a node for each recorded op, with edges to the nodes of its
 * inputs and what the gradient needs saved, with version numbers. A leaf's
 * AccumulateGrad node lives inside the leaf: counting it counts the tensor.
 * Nodes of ops have one output; only custom nodes may have more.
 *
 * The arguments of an op that may carry a gradient ("accepted") are numbered
 * 0, 1, ... as slots: edges, shapes and gradients are kept by slot. A Tensor[]
 * argument, which then is the only accepted one, has a slot per element.
 *
 * A gradient rule (one per token of ops.def's gradient column) is a composition
 * of public ops: under create_graph they record themselves, so higher orders
 * need nothing more. See formula.h.
 */
#ifndef RT_AUTOGRAD_GRAPH_H
#define RT_AUTOGRAD_GRAPH_H

#include "runtime/base/thread.h"
#include "runtime/ops/op.h"

/* --- rules ----------------------------------------------------------------- */

#define RT_RULE_ARGS 5        /* accepted arguments are among the first five */

typedef struct rt__rule_call rt__rule_call;

/* What a gradient with respect to one argument needs: RT_D says that there is
 * one, the other bits which arguments and results must be saved for it. */
#define RT_D (1u << 31)
#define RT_SAVE_ARG(i) (1u << (i))
#define RT_SAVE_RESULT(i) (1u << (16 + (i)))
#define RT_SAVE_STRIDES (1u << 30)   /* the argument's strides and offset */

typedef struct rt__rule {
    void (*apply)(rt__rule_call *c);
    uint32_t saves[RT_RULE_ARGS];
} rt__rule;

/* The op's rule; its `apply` is NULL where the op has no gradient. */
const rt__rule *rt__rule_of(const rt_op *op);

/* --- nodes ------------------------------------------------------------------ */

typedef struct rt__edge {
    rt_node *node;            /* counted; NULL: no gradient wanted */
    uint32_t output;          /* which output of it */
} rt__edge;

/* Shape and dtype of a slot's argument; strides only with RT_SAVE_STRIDES. */
typedef struct rt__like {
    uint8_t dtype, ndim;
    int64_t offset;
    const int64_t *shape, *strides;
} rt__like;

/* A saved tensor: its place among args or results, the version it had. */
typedef struct rt__saved {
    rt_tensor *tensor;        /* counted */
    const rt__storage *storage;   /* the one it had: t.data = x changes it */
    uint32_t version;
    int16_t slot;             /* the argument's slot, -1: none */
    uint8_t result;           /* it is a result of the node itself */
} rt__saved;

/* What a plain node saves of an operand or its result, whose shape and dtype it
 * knows: no header. */
typedef struct rt__kept {
    rt__storage *storage;
    const char *data;         /* first element */
    uint32_t version;
    bool counted;             /* the storage; a leaf is kept by its edge */
} rt__kept;

typedef struct rt__hook_cell {
    atomic_int refs;
    int64_t handle;
    uint8_t kind;             /* rt__hook_kind */
    bool removed;
    uint32_t output;
    rt_hook hook;
    rt_tensor *retains;       /* RT_HOOK_RETAIN: borrowed, NULL once it died */
    struct rt__hook_cell *next_node, *next_tensor;
} rt__hook_cell;
typedef enum rt__hook_kind { RT_HOOK_GRAD, RT_HOOK_RETAIN, RT_HOOK_POST }
    rt__hook_kind;

typedef enum rt__node_kind { RT_NODE_OP, RT_NODE_LEAF, RT_NODE_CUSTOM }
    rt__node_kind;

/* In-place ops on a view: the gradient of the whole base comes in, the region
 * of the view is what the op's rule sees and replaces (CopySlices). */
typedef struct rt__slices {
    rt__like base, view;      /* in the elements of one storage */
    rt__like written;         /* what slot 0 of the op looked like, */
    rt__edge before;          /* and where its gradient went */
    int64_t dims[];
} rt__slices;

/* What a tensor carries for autograd. That of an op's result usually lies in
 * the node (`own`), which lives at least as long as it is the grad_fn. */
typedef struct rt__meta {
    rt_node *grad_fn;         /* counted */
    rt_node *leaf;            /* owned: the AccumulateGrad node */
    rt_tensor *grad;
    rt_tensor *base;          /* of a view: the root, never a view itself; its
                                 gradient is the view's unless RT_F_UNTRACKED */
    rt__hook_cell *hooks;     /* counted cells, linked by next_tensor */
    uint32_t output;          /* of grad_fn */
    uint32_t version;         /* of a view: the base's when grad_fn was made */
} rt__meta;

/* A saved twin that lies in its node's block. Who still holds it when the node
 * lets go of it keeps the block. */
typedef struct rt__lodger {
    rt_node *node;
    rt_tensor tensor;         /* with as much of dims as it needs */
} rt__lodger;

/* A plain node (rt__record_plain) is of an op whose operands, result and
 * gradients are contiguous and of one shape and dtype. Its block, as small as it
 * can be, ends at `likes`; edges, what it keeps and the shape follow. */
struct rt_node {
    atomic_int refs;          /* leaf: unused, the tensor's count stands */
    atomic_int lodgers;       /* twins that outlived the node's use of them,
                                 and 1 for the node itself */
    uint8_t kind;
    bool freed;               /* what was saved has been given back */
    bool own_used;            /* a tensor has taken `own` */
    bool plain;
    uint8_t dtype, ndim;      /* of a plain node's tensors, */
    uint8_t keeps;            /* and whose data is kept: operand i at bit i,
                                 the result at bit RT_KEEPS_RESULT */
    uint16_t nargs, nslots, nsaved, noutputs;
    union {
        uint64_t seq;         /* order of execution */
        rt_node *next;        /* in the list of nodes being freed */
    };
    void *task;               /* of the backward pass that runs */
    union {
        const rt_op *op;
        rt_tensor *leaf;      /* borrowed */
        rt_custom_node *custom;
    };
    rt__hook_cell *hooks;
    rt__edge *edges;          /* [nslots]; all arrays share the node's block */
    union {
        rt__saved *saved;     /* [nsaved] */
        rt__kept *kept;       /* of a plain node: in the order of its bits */
    };
    rt__meta own;
    rt__like *likes;          /* [nslots] */
    rt_value *args;           /* [nargs]; tensors not saved are RT_NONE */
    rt__slices *slices;       /* own block, or NULL */
    rt_tensor *results[RT_MAX_RESULTS];
};

#define RT_KEEPS_RESULT 2
#define RT_PLAIN_NODE offsetof(rt_node, likes)

/* Where a plain node keeps what `bit` says, which must be set. */
static inline rt__kept *rt__kept_at(const rt_node *n, int bit)
{
    unsigned before = n->keeps & ((1u << bit) - 1);
    return &n->kept[(before & 1) + (before >> 1)];
}
static inline int64_t *rt__plain_shape(const rt_node *n)
{
    return (int64_t *)(rt__kept_at(n, RT_KEEPS_RESULT)
                       + (n->keeps >> RT_KEEPS_RESULT));
}

/* Records op(args): edges, shapes, saved arguments. With `inplace`, argument 0
 * is about to be overwritten and is copied if it must be saved. *out is NULL
 * when no argument needs a gradient. */
rt_status rt__node_record(rt_node **out, const rt_op *op, const rt_value *args,
                          bool inplace, rt_error *err);
/* The same for a plain op that has run (runtime/ops/plain.h): attaches the node
 * to the result, if there is one. */
rt_status rt__record_plain(const rt_op *op, rt_tensor *const *in, int n,
                           rt_tensor *out, rt_error *err);
/* Gives back what a plain node keeps. */
void rt__plain_let_go(rt_node *n);
/* Saves result i of the node, which must be room for (the rule asked for it). */
rt_status rt__node_save_result(rt_node *n, int i, rt_tensor *result,
                               rt_error *err);
/* Numbers nodes in order of recording, per thread. */
static inline uint64_t rt__next_sequence(void)
{
    return ++rt__this.sequence;
}
/* The bits of rule->saves that the needed slots ask for. */
uint32_t rt__node_saves(const rt_node *n);
/* Gives saved tensors back and marks the node as used up. */
void rt__node_free_saved(rt_node *n);
/* "MulBackward0" of an op. */
const char *rt__op_node_name(const rt_op *op);

/* --- tensors ------------------------------------------------------------------ */

/* The tensor's meta, made on demand; NULL when memory is short. */
rt__meta *rt__meta_of(rt_tensor *t);
/* t is a view of a base that records. */
static inline bool rt__base_records(const rt_tensor *t)
{
    const rt__meta *m = t->meta;
    return m && m->base && !(t->flags & RT_F_UNTRACKED)
           && (m->base->flags & RT_F_REQUIRES_GRAD);
}
/* Whether a gradient with respect to t is wanted (views ask their base). */
static inline bool rt__needs_grad(const rt_tensor *t)
{
    return (t->flags & RT_F_REQUIRES_GRAD) || rt__base_records(t);
}
/* Where t's gradient goes: counted edge; {NULL} when none is wanted. A view
 * whose base was written since gets its grad_fn made anew first. */
rt_status rt__edge_of(rt__edge *out, rt_tensor *t, rt_error *err);
/* Makes t the output of n (retained); its old history is dropped. */
rt_status rt__set_history(rt_tensor *t, rt_node *n, uint32_t output,
                          rt_error *err);
/* Makes t a view of base's root. */
rt_status rt__track_view(rt_tensor *t, rt_tensor *base, rt_error *err);
/* t's memory and version, no history. */
rt_status rt__twin(rt_tensor **out, rt_tensor *t, rt_error *err);

/* Moves a retain_grad of t to its new grad_fn. */
rt_status rt__hooks_move(rt_tensor *t, rt_error *err);
/* Runs the hooks of one output of a node on *grad. */
rt_status rt__hooks_run(rt_node *n, uint32_t output, rt_tensor **grad,
                        rt_error *err);
rt_status rt__hooks_run_post(rt_tensor *leaf, rt_error *err);
void rt__hooks_release_node(rt_node *n);
void rt__hooks_release_tensor(rt_tensor *t);

extern const rt__autograd_hooks rt__recording;

#endif

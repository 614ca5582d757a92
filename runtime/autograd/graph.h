/* SPDX-License-Identifier: MIT
 *
 * Autograd's graph: a node for each recorded op, with edges to the nodes of its
 * inputs (a leaf has an AccumulateGrad node), what the gradient needs saved
 * with version numbers, and a sequence number that gives execution order.
 *
 * A gradient rule (one per token of ops.def's gradient column) gets the saved
 * arguments and results and the gradients of the results, and returns one
 * gradient per tensor argument. Rules are written as compositions of public
 * ops: under create_graph they record themselves, so higher orders need nothing
 * more.
 */
#ifndef RT_AUTOGRAD_GRAPH_H
#define RT_AUTOGRAD_GRAPH_H

#include "runtime/ops/op.h"

typedef struct rt__rule_call {
    const rt_op *op;
    const rt_value *a;       /* saved arguments in schema order; a tensor not
                                saved is RT_NONE but its shape is in `like` */
    rt_tensor *const *r;     /* saved results, NULL where not saved */
    rt_tensor *const *g;     /* gradients of the results, NULL: zero */
    rt_tensor **out;         /* to fill: one per argument (lists: in `list`),
                                new references; NULL where none is needed */
    rt_tensor ***list;       /* for a Tensor[] argument i: list[i][k] */
    const bool *needs;       /* which arguments want a gradient */
    const rt_tensor *const *like;  /* header-only twins: shape and dtype of each
                                      tensor argument, saved or not */
    rt_error *err;
} rt__rule_call;

typedef struct rt__rule {
    rt_status (*apply)(rt__rule_call *c);
    uint32_t saves_args;     /* bit i: argument i is saved */
    uint32_t saves_results;  /* bit i: result i is saved */
    uint32_t accepts;        /* bit i: argument i is differentiable */
} rt__rule;

#endif

/* SPDX-License-Identifier: MIT
 * From an op to its gradient rule: the gradient column of ops.def.
 */
#include "runtime/autograd/graph.h"

/* Rows that have no gradient of their own. */
static const rt__rule rt__gradient_none, rt__gradient_composite;

#define OP(id, schema, infer, kernel, gradient, doc)                           \
    extern const rt__rule rt__gradient_##gradient;
#include "runtime/ops/ops.def"
#undef OP

static const rt__rule *const rules[RT_OP_COUNT] = {
#define OP(id, schema, infer, kernel, gradient, doc)                           \
    [RT_OP_##id] = &rt__gradient_##gradient,
#include "runtime/ops/ops.def"
#undef OP
};

const rt__rule *rt__rule_of(const rt_op *op)
{
    return rules[op->id];
}

/* SPDX-License-Identifier: MIT
 *
 * How an op runs inside the runtime. rt_call (call.c) fills in defaults, turns
 * numbers given for Tensor parameters into wrapped 0-d tensors, and then:
 *
 *   1. asks autograd (through rt__autograd_hooks) whether to record,
 *   2. calls rt__infer_<infer>(c): checks the arguments, and puts new result
 *      tensors (or views) into c->r,
 *   3. calls rt__kernel_<kernel>(c): fills them,
 *   4. lets autograd attach the history.
 *
 * Both columns are functions of one type, rt__step. `own` and `composite` rows
 * have no infer step: their kernel makes the results itself. A composite's
 * kernel calls other ops, which record themselves. For in-place rows infer puts
 * self (retained) into c->r[0]; rt_call bumps its version after the kernel.
 * On failure a step leaves what it put into c->r there: rt_call releases it.
 */
#ifndef RT_OPS_OP_H
#define RT_OPS_OP_H

#include "runtime/core/tensor.h"

typedef enum rt_op_id {
#define OP(id, schema, infer, kernel, gradient, doc) RT_OP_##id,
#include "runtime/ops/ops.def"
#undef OP
    RT_OP_COUNT
} rt_op_id;

typedef struct rt__call {
    const rt_op *op;
    const char *name;     /* the op's, for messages */
    rt_value *a;          /* all arguments, in schema order, defaults filled */
    rt_value *r;          /* RT_MAX_RESULTS results, RT_UNSET at first */
    rt_error *err;        /* never NULL */
    struct rt__ew_plan *plan;  /* not NULL: an elementwise kernel step notes
                             the loop it would run there, and runs nothing */
} rt__call;

typedef rt_status (*rt__step)(rt__call *c);

struct rt_op {
    rt_op_id id;
    const char *schema, *doc;
    rt__step infer, kernel;
    bool differentiable;  /* gradient column is neither none nor composite */
    bool inplace;         /* name ends in one underscore */
    bool view;            /* result shares memory: kernel column is none */
};
extern const rt_op rt__ops[RT_OP_COUNT];
/* NULL when memory is short; parsed at first use. */
const rt_signature *rt__op_signature(const rt_op *op);
/* Parses any schema text into *out; RT_E_INTERNAL with the column on a bad one.
 * Also used for layers, optimizers and schedulers. */
rt_status rt__schema_parse(rt_signature *out, const char *text, rt_error *err);
/* Frees what a parsed signature points to (catalogs keep theirs for ever). */
void rt__schema_dispose(rt_signature *sig);

/* Autograd's two ends of a call; NULL until autograd is linked in. `begin` may
 * refuse (a leaf written in place), saves what the gradient needs and returns
 * its record in *record (NULL: nothing to record); `end` attaches or, when the
 * call failed (ok false), drops it. */
typedef struct rt__autograd_hooks {
    rt_status (*begin)(rt__call *c, void **record);
    rt_status (*end)(rt__call *c, void *record, bool ok);
    /* The whole of it for a plain op (plain.h) that has run, with recording
     * on: n operands, one result; parameters after those have their defaults. */
    rt_status (*plain)(const rt_op *op, rt_tensor *const *in, int n,
                       rt_tensor *out, rt_error *err);
} rt__autograd_hooks;
extern const rt__autograd_hooks *rt__autograd;

/* Begins the definition of a step; the declaration before it is its prototype
 * (the only other one is catalog.c's expansion of ops.def). */
#define RT_STEP(function)                                                      \
    rt_status function(rt__call *c);                                           \
    rt_status function(rt__call *c)
#define RT_INFER(name) RT_STEP(rt__infer_##name)
#define RT_KERNEL(name) RT_STEP(rt__kernel_##name)

/* --- small helpers for steps ---------------------------------------------- */

static inline rt_tensor *rt__arg(const rt__call *c, int i)
{
    return c->a[i].kind == RT_K_TENSOR ? c->a[i].t : NULL;   /* NULL: None */
}
/* Scalars as numbers, whatever their kind. */
static inline double rt__arg_float(const rt__call *c, int i)
{
    return c->a[i].kind == RT_K_FLOAT ? c->a[i].f : (double)c->a[i].i;
}
static inline int64_t rt__arg_int(const rt__call *c, int i)
{
    return c->a[i].kind == RT_K_FLOAT ? rt__whole(c->a[i].f) : c->a[i].i;
}
static inline bool rt__arg_given(const rt__call *c, int i)
{
    return c->a[i].kind != RT_K_NONE && c->a[i].kind != RT_K_UNSET;
}
/* Makes result i: a fresh C-contiguous tensor. */
rt_status rt__result_new(rt__call *c, int i, rt_dtype dtype, int ndim,
                         const int64_t *shape);
/* Puts t (a new reference, taken over) in as result i. */
static inline rt_status rt__result_steal(rt__call *c, int i, rt_tensor *t)
{
    c->r[i] = RT_V_TENSOR(t);
    return RT_OK;
}
/* dtype of a result of two operands: promotion with wrapped numbers and 0-d
 * tensors weak inside their category (PyTorch's result_type). */
rt_dtype rt__result_type(const rt_tensor *a, const rt_tensor *b);

/* --- calling ops from C (composites, gradients, nn) -------------------------- */

/* Variadic: the op's first n arguments as rt_value; one tensor result, new
 * reference. E.g. rt__op1(RT_OP_mul, &out, err, 2, RT_V_TENSOR(a), ...) */
rt_status rt__op1(rt_op_id id, rt_tensor **out, rt_error *err, int n, ...);
/* Fails in the op's own name when a size is negative. */
rt_status rt__check_sizes(const rt__call *c, int ndim, const int64_t *shape);
/* The same through an array, all results. */
rt_status rt__opn(rt_op_id id, rt_value *results, rt_error *err,
                  const rt_value *args, int n);
/* In-place ops: no result wanted. */
rt_status rt__op0(rt_op_id id, rt_error *err, int n, ...);

#endif

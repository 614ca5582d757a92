/* SPDX-License-Identifier: MIT
 * Chains of elementwise ops: found by the compiler, run as one pass. */
#include "lang/emit.h"
#include "lang/vm.h"

/* A chain is a tree of ops over leaves. Leaves are computed first, in their
 * order; what the single calls would compute between them must not matter. */
typedef struct tree {
    lang__chain chain;
    const lang__expr *nodes[RT_FUSED_STEPS];   /* what each step is */
    lang__expr *leaves[RT_FUSED_INPUTS];
    int nleaves;
} tree;

typedef struct node {
    const rt_op *op;
    lang__expr *args[RT_FUSED_ARGS];
    int nargs;
} node;

static bool is_tensor(const lang__expr *x)
{
    return lang__type_is(x->type, LANG_TENSOR);
}

/* Numbers need no tensor around them in an op. */
static lang__expr *bare(lang__expr *x)
{
    while (x && x->kind == E_CONVERT && is_tensor(x) &&
           lang__type_is_number(x->u.convert.operand->type))
        x = x->u.convert.operand;
    return x;
}

static bool writes(const rt_op *op)
{
    const rt_signature *sig = rt_op_signature(op);
    return !sig || (sig->nparams && sig->params[0].written);
}

static bool node_of_call(const lang__expr *x, node *n)
{
    n->op = x->u.invoke.callee.op;
    n->nargs = x->u.invoke.nargs;
    if (x->u.invoke.object || x->u.invoke.nnamed || n->nargs > RT_FUSED_ARGS)
        return false;
    for (int i = 0; i < n->nargs; i++)
        n->args[i] = x->u.invoke.args[i];
    return true;
}

/* x as an op that may be part of a chain. */
static bool node_of(const lang__expr *x, node *n)
{
    bool known = is_tensor(x), tensors = false;
    *n = (node){0};
    if (x->kind == E_BINARY) {
        n->op = rt_op_find(lang__operator_op(x->u.binary.op));
        n->args[0] = x->u.binary.left;
        n->args[1] = x->u.binary.right;
        n->nargs = 2;
    } else if (x->kind == E_UNARY) {
        n->op = rt_op_find(lang__operator_op(x->u.unary.op));
        n->args[0] = x->u.unary.operand;
        n->nargs = 1;
    } else {
        known = known && x->kind == E_CALL_OP && node_of_call(x, n);
    }
    if (!known || !rt_op_fusable(n->op) || writes(n->op))
        return false;
    for (int i = 0; i < n->nargs; i++) {
        n->args[i] = bare(n->args[i]);
        tensors |= n->args[i] && is_tensor(n->args[i]);
    }
    return tensors;
}

static bool is_arithmetic(const lang__expr *x)
{
    lang__operator op = x->u.binary.op;
    return op == O_ADD || op == O_SUB || op == O_MUL ||
           (op == O_DIV && lang__type_is(x->u.binary.left->type, LANG_FLOAT));
}

/* Whether computing x can neither fail nor be noticed. */
static bool is_quiet(const lang__expr *x)
{
    switch (x->kind) {
    case E_CONSTANT:
    case E_LOCAL:
    case E_GLOBAL:
    case E_FIELD: return true;
    case E_UNARY:
        return lang__type_is_number(x->type) && is_quiet(x->u.unary.operand);
    case E_BINARY:
        return lang__type_is_number(x->type) && is_arithmetic(x) &&
               is_quiet(x->u.binary.left) && is_quiet(x->u.binary.right);
    case E_CONVERT:
        return lang__type_is(x->type, LANG_FLOAT) &&
               lang__type_is_number(x->u.convert.operand->type) &&
               is_quiet(x->u.convert.operand);
    default: return false;
    }
}

static bool may_be_leaf(const lang__expr *x)
{
    return is_tensor(x) || lang__type_is_number(x->type) ||
           lang__type_is(x->type, LANG_STRING);
}

static bool gather(tree *t, const lang__expr *x, const node *n);

/* Argument `x` of a step: a chain itself, a leaf, or left out. */
static bool gather_argument(tree *t, lang__expr *x, int16_t *out)
{
    node n;
    if (!x) {
        *out = RT_FUSED_DEFAULT;
        return true;
    }
    if (node_of(x, &n)) {
        bool ok = gather(t, x, &n);
        *out = (int16_t)RT_FUSED_RESULT(t->chain.nsteps - 1);
        return ok;
    }
    if (t->nleaves == RT_FUSED_INPUTS || !may_be_leaf(x) ||
        (t->chain.nsteps && !is_quiet(x)))
        return false;
    *out = (int16_t)t->nleaves;
    t->leaves[t->nleaves++] = x;
    return true;
}

/* Adds x, which is n, and what it is computed from. */
static bool gather(tree *t, const lang__expr *x, const node *n)
{
    rt_fused_step step = {.op = n->op, .nargs = n->nargs};
    for (int i = 0; i < n->nargs; i++) {
        if (!gather_argument(t, n->args[i], &step.args[i]))
            return false;
    }
    if (t->chain.nsteps == RT_FUSED_STEPS)
        return false;
    t->nodes[t->chain.nsteps] = x;
    t->chain.steps[t->chain.nsteps++] = step;
    return true;
}

/* --- code ------------------------------------------------------------------- */

static lang__span span_of(const lang__expr *x)
{
    return x->kind == E_BINARY   ? x->u.binary.op_span
           : x->kind == E_ASSIGN ? x->u.assign.op_span : x->span;
}

static lang__operand step_argument(const tree *t, const lang__operand *leaves,
                                   const int *results, int from)
{
    if (from == RT_FUSED_DEFAULT)
        return (lang__operand){.given = false};
    if (from >= 0)
        return leaves[from];
    int k = RT_FUSED_RESULT(from);
    return (lang__operand){
        .reg = (int16_t)results[k], .kind = LANG_TENSOR, .counted = true,
        .dies = true, .given = true, .span = t->nodes[k]->span};
}

/* Step k as a call of its own, into R[to]. */
static void single(lang__emitter *e, const tree *t,
                   const lang__operand *leaves, const int *results, int k,
                   int to)
{
    int index;
    const rt_fused_step *s = &t->chain.steps[k];
    const lang__expr *x = t->nodes[k];
    lang__site *site = lang__site_for(e, x, &index);
    if (x->kind == E_ASSIGN)
        site->type = x->u.assign.target->type;
    site->op = s->op;
    site->nresults = 1;
    site->span = span_of(x);
    site->args = lang__arena_get(e->arena,
                                 (size_t)(s->nargs + 1) * sizeof *site->args);
    for (int i = 0; site->args && i < s->nargs; i++)
        site->args[i] = step_argument(t, leaves, results, s->args[i]);
    site->nargs = site->args ? s->nargs : 0;
    e->span = span_of(x);
    lang__emit(e, LANG__OP_INVOKE, to, index, 0);
    for (int i = 0; i < s->nargs; i++) {
        if (s->args[i] <= RT_FUSED_RESULT(0))
            lang__free_register(e, results[RT_FUSED_RESULT(s->args[i])]);
    }
}

/* FUSED, then every step as a call; `old` is the last input when >= 0. */
static void emit_chain(lang__emitter *e, const lang__expr *x, const tree *t,
                       const lang__operand *old, int to)
{
    int index, results[RT_FUSED_STEPS];
    lang__jumps end = {0};
    lang__site *site = lang__site_for(e, x, &index);
    site->chain = LANG__NEW(e->arena, lang__chain);
    *site->chain = t->chain;
    site->span = span_of(x);
    site->args = lang__operands(e, t->leaves, t->nleaves, LANG__AS_VALUE);
    if (!site->args)
        return;
    site->nargs = t->nleaves;
    if (old)
        site->args[site->nargs++] = *old;
    e->span = span_of(x);
    lang__jump_note(e, &end,
                    lang__emit_wide(e, LANG__OP_FUSED, to, index, 0, 0));
    for (int k = 0; k < t->chain.nsteps; k++) {
        bool last = k == t->chain.nsteps - 1;
        results[k] = last ? to : lang__temporary(e, true);
        single(e, t, site->args, results, k, results[k]);
    }
    lang__jumps_land(e, &end, lang__here(e));
    lang__free_operands(e, site->args, t->nleaves, t->leaves);
}

bool lang__fuse(lang__emitter *e, const lang__expr *x, int to)
{
    tree t = {.nleaves = 0};
    node n;
    if (!node_of(x, &n) || !gather(&t, x, &n) || t.chain.nsteps < 2)
        return false;
    emit_chain(e, x, &t, NULL, to);
    return true;
}

bool lang__fuse_assign(lang__emitter *e, const lang__expr *x,
                       const rt_op *inplace, int to, int old)
{
    tree t = {.nleaves = 0};
    int16_t value;
    lang__expr *by = bare(x->u.assign.value);
    lang__operand self = {
        .reg = (int16_t)old, .kind = LANG_TENSOR, .counted = true,
        .given = true, .span = x->u.assign.target->span};
    if (!rt_op_fusable(inplace) || !gather_argument(&t, by, &value) ||
        !t.chain.nsteps || t.chain.nsteps == RT_FUSED_STEPS ||
        t.nleaves == RT_FUSED_INPUTS)
        return false;
    t.nodes[t.chain.nsteps] = x;
    t.chain.steps[t.chain.nsteps++] = (rt_fused_step){
        .op = inplace, .nargs = 2, .args = {(int16_t)t.nleaves, value}};
    emit_chain(e, x, &t, &self, to);
    return true;
}

/* --- running ---------------------------------------------------------------- */

static bool input(rt_value *out, lang__value v)
{
    switch (v.kind) {
    case LANG_TENSOR: *out = RT_V_TENSOR(v.t); return v.t != NULL;
    case LANG_BOOL: *out = RT_V_BOOL(v.i); return true;
    case LANG_INT: *out = RT_V_INT(v.i); return true;
    case LANG_FLOAT: *out = RT_V_FLOAT(v.f); return true;
    case LANG_STRING: *out = RT_V_STRING(v.s->text); return true;
    default: return false;
    }
}

rt_status lang__run_fused(const lang__site *site,
                          const lang__value *registers, lang__value *to,
                          bool *done, rt_error *err)
{
    rt_value inputs[RT_FUSED_INPUTS];
    rt_tensor *t = NULL;
    *done = false;
    for (int i = 0; i < site->nargs; i++) {
        if (!input(&inputs[i], lang__fetch(&site->args[i], registers)))
            return RT_OK;
    }
    rt_status status = rt_fused(site->chain->steps, site->chain->nsteps,
                                inputs, site->nargs, &t, err);
    if (status || !t)
        return status;
    lang__value old = *to;
    *to = LANG__TENSOR_VALUE(t);
    lang__release(&old);
    *done = true;
    return RT_OK;
}

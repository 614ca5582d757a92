/* SPDX-License-Identifier: MIT
 *
 * Calling an op: defaults, numbers for tensors, autograd, infer, kernel.
 */
#include "runtime/ops/op.h"

#include "runtime/ops/plain.h"

#include <stdarg.h>
#include <string.h>

const rt__autograd_hooks *rt__autograd;

#define K(kind) (1u << RT_K_##kind)

/* What a parameter takes as it is, and what it takes after a conversion. */
static const struct {
    uint32_t plain, converted;
} accepted[] = {
    [RT_T_TENSOR] = {K(TENSOR), K(BOOL) | K(INT) | K(FLOAT)},
    [RT_T_TENSORS] = {K(TENSORS), 0},
    [RT_T_OPT_TENSORS] = {K(TENSORS), 0},
    [RT_T_SCALAR] = {K(BOOL) | K(INT) | K(FLOAT), 0},
    [RT_T_INT] = {K(INT), K(BOOL)},
    [RT_T_FLOAT] = {K(FLOAT), K(INT) | K(BOOL)},
    [RT_T_BOOL] = {K(BOOL), 0},
    [RT_T_STRING] = {K(STRING), 0},
    [RT_T_INTS] = {K(INTS), K(INT)},
    [RT_T_FLOATS] = {K(FLOATS), K(FLOAT)},
    [RT_T_DTYPE] = {K(DTYPE), 0},
    [RT_T_DEVICE] = {K(DEVICE), 0},
    [RT_T_GENERATOR] = {K(GENERATOR), 0},
    [RT_T_MODULE] = {K(MODULE), 0},
    [RT_T_MODULES] = {K(MODULES), 0},
};

/* Numbers given for Tensor parameters become tensors that the call owns. */
typedef struct temporaries {
    rt_tensor *t[4];
    int n;
} temporaries;

static rt_status wrap_number(rt_value *v, temporaries *own, rt_error *err)
{
    rt_tensor *t = NULL;
    rt_status s;
    if (own->n == (int)(sizeof own->t / sizeof *own->t)) {
        return rt_fail(err, RT_E_TYPE, "at most 4 arguments may be numbers "
                                       "where tensors are expected");
    }
    if (v->kind == RT_K_FLOAT) {
        s = rt_tensor_from_float(&t, v->f, err);
    } else if (v->kind == RT_K_INT) {
        s = rt_tensor_from_int(&t, v->i, err);
    } else {
        s = rt_tensor_scalar(&t, RT_BOOL, v->b, err);
    }
    if (s == RT_OK) {
        t->flags |= RT_F_WRAPPED;
        own->t[own->n++] = t;
        *v = RT_V_TENSOR(t);
    }
    return s;
}

static rt_status wrong_kind(const rt_op *op, const rt_param *p, rt_error *err)
{
    return rt_fail(err, RT_E_TYPE, "%s: argument '%s' is missing or of the "
                                   "wrong kind", rt_op_name(op), p->name);
}

/* Puts the argument (or its default) for p into *v. `given` stays in the
 * caller's array, so a list of one may point into it. */
static rt_status fill(rt_value *v, const rt_value *given, const rt_op *op,
                      const rt_param *p, temporaries *own, rt_error *err)
{
    if (!given || given->kind == RT_K_UNSET) {
        *v = p->value;
        return p->has_default ? RT_OK : wrong_kind(op, p, err);
    }
    *v = *given;
    uint32_t bit = 1u << given->kind;
    if (bit & accepted[p->type].plain) {
        return RT_OK;
    }
    if (given->kind == RT_K_NONE) {
        return p->optional ? RT_OK : wrong_kind(op, p, err);
    }
    if (!(bit & accepted[p->type].converted)) {
        return wrong_kind(op, p, err);
    }
    switch (p->type) {
    case RT_T_TENSOR:
        return wrap_number(v, own, err);
    case RT_T_INT:
        *v = RT_V_INT(given->i);
        break;
    case RT_T_FLOAT:
        *v = RT_V_FLOAT((double)given->i);
        break;
    case RT_T_INTS:
        *v = RT_V_INTS(&given->i, 1);
        break;
    default:
        *v = RT_V_FLOATS(&given->f, 1);
        break;
    }
    return RT_OK;
}

static rt_status fill_all(rt_value *a, const rt_op *op, const rt_value *args,
                          int nargs, temporaries *own, rt_error *err)
{
    const rt_signature *sig = rt__op_signature(op);
    if (!sig) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory for its signature",
                       rt_op_name(op));
    }
    if (nargs > sig->nparams) {
        return rt_fail(err, RT_E_TYPE, "%s takes %d arguments, got %d",
                       sig->name, sig->nparams, nargs);
    }
    for (int i = 0; i < sig->nparams; i++) {
        rt_status s = fill(&a[i], i < nargs ? &args[i] : NULL, op,
                           &sig->params[i], own, err);
        if (s != RT_OK) {
            return s;
        }
    }
    return RT_OK;
}

/* A kernel may have left its work where an interrupt found it. */
static rt_status stopped(rt__call *c)
{
    char text[96];
    const rt_tensor *t = c->op->inplace ? c->r[0].t : NULL;
    rt_error_clear(c->err);
    rt_fail(c->err, RT_E_INTERRUPT, "%s: interrupted", c->name);
    if (t) {
        rt__bump_version(c->r[0].t);
        rt_error_help(c->err, "the %s tensor of shape %s that %s writes to may "
                              "be partly written",
                      rt_dtype_name((rt_dtype)t->dtype),
                      rt__shape_format(text, sizeof text, t->ndim, t->shape),
                      c->name);
    }
    return RT_E_INTERRUPT;
}

static rt_status run_steps(rt__call *c)
{
    const rt_op *op = c->op;
    rt_status s = op->infer(c);
    if (s != RT_OK) {
        return s;
    }
    if (op->inplace) {
        rt__own_storage(c->a[0].t);
    }
    if (rt_interrupted()) {   /* the result's pages may not be there */
        return stopped(c);
    }
    s = op->kernel(c);
    if (s == RT_E_INTERRUPT || (s == RT_OK && rt_interrupted())) {
        return stopped(c);
    }
    if (s == RT_OK && op->inplace) {
        rt__bump_version(c->r[0].t);
    }
    return s;
}

static rt_status record_and_run(rt__call *c)
{
    if (!rt__autograd || !(c->op->differentiable || c->op->inplace)) {
        return run_steps(c);
    }
    void *record = NULL;
    rt_status s = rt__autograd->begin(c, &record);
    if (s == RT_OK) {
        s = run_steps(c);
        rt_status ended = rt__autograd->end(c, record, s == RT_OK);
        s = s == RT_OK ? ended : s;
    }
    return s;
}

static __attribute__((noinline)) rt_status
call_fully(const rt_op *op, const rt_value *args, int nargs,
           rt_value *results, rt_error *err)
{
    rt_value a[RT_MAX_ARGS], r[RT_MAX_RESULTS] = {{0}};
    temporaries own = {.n = 0};
    rt__call c = {op, rt_op_name(op), a, r, err, NULL};
    rt_status s = rt_interrupted()
                      ? rt_fail(err, RT_E_INTERRUPT,
                                "%s: interrupted before it began", c.name)
                      : fill_all(a, op, args, nargs, &own, err);
    if (s == RT_OK) {
        s = record_and_run(&c);
    }
    for (int i = 0; i < own.n; i++) {
        rt_release(own.t[i]);
    }
    if (s != RT_OK) {
        for (int i = 0; i < RT_MAX_RESULTS; i++) {
            rt_value_release(&r[i]);
        }
        return s;
    }
    memcpy(results, r, sizeof r);
    return RT_OK;
}

/* A caller that wants no error still gets a status: infer steps write into one. */
static __attribute__((noinline)) rt_status
call_unseen(const rt_op *op, const rt_value *args, int nargs,
            rt_value *results)
{
    rt_error unseen;
    rt_error_clear(&unseen);
    return call_fully(op, args, nargs, results, &unseen);
}

rt_status rt_call(const rt_op *op, const rt_value *args, int nargs,
                  rt_value *results, rt_error *err)
{
    rt_status s;
    if (rt__call_plain(op, args, nargs, results, err, &s)) {
        return s;
    }
    return err ? call_fully(op, args, nargs, results, err)
               : call_unseen(op, args, nargs, results);
}

rt_status rt__result_new(rt__call *c, int i, rt_dtype dtype, int ndim,
                         const int64_t *shape)
{
    rt_tensor *t = NULL;
    rt_status s = rt_tensor_new(&t, dtype, ndim, shape, c->err);
    if (s == RT_OK) {
        c->r[i] = RT_V_TENSOR(t);
    }
    return s;
}

rt_status rt__opn(rt_op_id id, rt_value *results, rt_error *err,
                  const rt_value *args, int n)
{
    return rt_call(&rt__ops[id], args, n, results, err);
}

static rt_status call_list(rt_op_id id, rt_value *results, rt_error *err,
                           int n, va_list list)
{
    rt_value args[RT_MAX_ARGS];
    for (int i = 0; i < n; i++) {
        args[i] = va_arg(list, rt_value);
    }
    return rt_call(&rt__ops[id], args, n, results, err);
}

rt_status rt__op1(rt_op_id id, rt_tensor **out, rt_error *err, int n, ...)
{
    rt_value results[RT_MAX_RESULTS];
    va_list list;
    va_start(list, n);
    rt_status s = call_list(id, results, err, n, list);
    va_end(list);
    if (s != RT_OK) {
        return s;
    }
    *out = results[0].t;
    for (int i = 1; i < RT_MAX_RESULTS; i++) {
        rt_value_release(&results[i]);
    }
    return RT_OK;
}

rt_status rt__op0(rt_op_id id, rt_error *err, int n, ...)
{
    rt_value results[RT_MAX_RESULTS];
    va_list list;
    va_start(list, n);
    rt_status s = call_list(id, results, err, n, list);
    va_end(list);
    for (int i = 0; s == RT_OK && i < RT_MAX_RESULTS; i++) {
        rt_value_release(&results[i]);
    }
    return s;
}

/* --- dtype of a result --------------------------------------------------- */

static rt_dtype combine(rt_dtype stronger, rt_dtype weaker)
{
    if (stronger == RT_DTYPE_NONE) {
        return weaker;
    }
    if (weaker == RT_DTYPE_NONE || rt_dtype_is_floating(stronger)) {
        return stronger;
    }
    if (stronger == RT_BOOL || rt_dtype_is_floating(weaker)) {
        return rt_promote_types(stronger, weaker);
    }
    return stronger;
}

/* Tensors with dimensions decide first, then 0-d tensors, then numbers. */
rt_dtype rt__result_type(const rt_tensor *a, const rt_tensor *b)
{
    if (a->dtype == b->dtype && !((a->flags | b->flags) & RT_F_WRAPPED)) {
        return (rt_dtype)a->dtype;
    }
    rt_dtype rank[3] = {RT_DTYPE_NONE, RT_DTYPE_NONE, RT_DTYPE_NONE};
    const rt_tensor *both[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        const rt_tensor *t = both[i];
        rt_dtype d = (rt_dtype)t->dtype;
        bool wrapped = t->flags & RT_F_WRAPPED;
        if (wrapped && rt_dtype_is_floating(d)) {
            d = rt_default_dtype();
        }
        rt_dtype *r = &rank[t->ndim ? 0 : wrapped ? 2 : 1];
        *r = *r == RT_DTYPE_NONE ? d : rt_promote_types(*r, d);
    }
    return combine(rank[0], combine(rank[1], rank[2]));
}

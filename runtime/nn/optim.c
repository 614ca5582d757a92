/* SPDX-License-Identifier: MIT
 * Optimizers: catalog, groups of parameters with their options and states.
 */
#include "runtime/nn/optim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const rt_optim_kind kinds[] = {
#define STATES(...) {__VA_ARGS__}
#define OPTIM(id, schema, states, update, doc)                                 \
    {#id, schema, doc, states, rt__optim_##update},
#include "runtime/nn/optim.def"
#undef OPTIM
};
enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

/* --- rows ------------------------------------------------------------------- */

int rt_optim_count(void)
{
    return KIND_COUNT;
}

const rt_optim_kind *rt_optim_at(int index)
{
    return index >= 0 && index < KIND_COUNT ? &kinds[index] : NULL;
}

const rt_optim_kind *rt_optim_find(const char *name)
{
    for (int i = 0; i < KIND_COUNT; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

const char *rt_optim_name(const rt_optim_kind *k)
{
    return k->name;
}

const char *rt_optim_doc(const rt_optim_kind *k)
{
    return k->doc;
}

const rt_signature *rt_optim_signature(const rt_optim_kind *k)
{
    static rt_signature *_Atomic cache[KIND_COUNT];
    return rt__catalog_signature(&cache[k - kinds], k->schema);
}

/* --- options ------------------------------------------------------------------ */

const rt_value *rt__optim_option(const rt_optimizer *o,
                                 const rt__optim_group *g, const char *name)
{
    int i = rt__param_index(rt_optim_signature(o->kind), name);
    return i < 1 ? NULL : &g->options[i];
}

double rt__optim_float(const rt_optimizer *o, const rt__optim_group *g,
                       const char *name)
{
    const rt_value *v = rt__optim_option(o, g, name);
    return v->kind == RT_K_FLOAT ? v->f : (double)v->i;
}

bool rt__optim_counts(const rt_optimizer *o)
{
    return strcmp(o->kind->states[0], "step") == 0;
}

bool rt__optim_flag(const rt_optimizer *o, const rt__optim_group *g,
                    const char *name)
{
    const rt_value *v = rt__optim_option(o, g, name);
    return v && v->kind == RT_K_BOOL && v->b;
}

static void free_options(rt_value *options, int n)
{
    for (int i = 0; options && i < n; i++) {
        rt__value_free(&options[i]);
    }
    rt_free(options);
}

static rt_status check_number(const char *who, const char *name, double v,
                              bool below_one, rt_error *err)
{
    if (v >= 0 && (!below_one || v < 1)) {
        return RT_OK;
    }
    return rt_fail(err, RT_E_ARGUMENT, "%s: %s must %s, got %g", who, name,
                   below_one ? "be in [0, 1)" : "not be negative", v);
}

static rt_status check_option(const rt_optim_kind *kind, const rt_param *p,
                              const rt_value *v, rt_error *err)
{
    if (strcmp(p->name, "betas") == 0) {
        if (v->count != 2) {
            return rt_fail(err, RT_E_ARGUMENT, "%s: betas is a pair",
                           kind->name);
        }
        rt_status st = check_number(kind->name, "betas[0]", v->floats[0], true,
                                    err);
        return st ? st : check_number(kind->name, "betas[1]", v->floats[1],
                                      true, err);
    }
    if (strcmp(p->name, "differentiable") == 0 && v->b) {
        return rt_fail(err, RT_E_UNSUPPORTED, "%s: differentiable steps are "
                       "not available", kind->name);
    }
    if (p->type == RT_T_FLOAT && strcmp(p->name, "dampening") != 0) {
        return check_number(kind->name, p->name, v->f, false, err);
    }
    return RT_OK;
}

static rt_status check_options(const rt_optim_kind *kind, const rt_value *v,
                               rt_error *err)
{
    const rt_signature *sig = rt_optim_signature(kind);
    rt_status st = RT_OK;
    for (int i = 1; i < sig->nparams && !st; i++) {
        st = check_option(kind, &sig->params[i], &v[i], err);
    }
    int n = rt__param_index(sig, "nesterov");
    if (!st && n > 0 && v[n].b
        && (v[rt__param_index(sig, "momentum")].f <= 0
            || v[rt__param_index(sig, "dampening")].f != 0)) {
        st = rt_fail(err, RT_E_ARGUMENT, "%s: nesterov needs a momentum above "
                     "0 and no dampening", kind->name);
    }
    return st;
}

/* Copies the bound values; what was not given comes from `defaults`. */
static rt_status take_options(rt_value **out, const rt_optim_kind *kind,
                              const rt_frame *frame, const rt_value *defaults,
                              rt_error *err)
{
    const rt_signature *sig = rt_optim_signature(kind);
    size_t bytes = (size_t)sig->nparams * sizeof **out;
    rt_value *v = rt_alloc(bytes);
    if (!v) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory", kind->name);
    }
    memset(v, 0, bytes);
    rt_status st = RT_OK;
    for (int i = 1; i < sig->nparams && !st; i++) {
        const rt_value *from = &frame->value[i];
        if (from->kind == RT_K_UNSET) {
            from = defaults ? &defaults[i] : &sig->params[i].value;
        }
        st = rt__value_copy(&v[i], from, err);
    }
    st = st ? st : check_options(kind, v, err);
    if (st) {
        free_options(v, sig->nparams);
        return st;
    }
    *out = v;
    return RT_OK;
}

/* --- groups ---------------------------------------------------------------------- */

static void group_dispose(rt_optimizer *o, rt__optim_group *g)
{
    for (int i = 0; i < g->n; i++) {
        rt_release(g->params[i]);
        for (int k = 0; k < RT_OPTIM_STATES; k++) {
            rt_release(g->state[i][k]);
        }
    }
    rt_free(g->params);
    rt_free(g->state);
    free_options(g->options, rt_optim_signature(o->kind)->nparams);
}

static bool has_param(const rt_optimizer *o, const rt_tensor *t)
{
    for (int g = 0; g < o->ngroups; g++) {
        for (int i = 0; i < o->groups[g].n; i++) {
            if (o->groups[g].params[i] == t) {
                return true;
            }
        }
    }
    return false;
}

static rt_status check_params(const rt_optimizer *o, rt_tensor *const *params,
                              int n, rt_error *err)
{
    const char *who = o->kind->name;
    if (n == 0) {
        rt_fail(err, RT_E_ARGUMENT, "%s: the parameter list is empty", who);
        rt_error_help(err, "give model.parameters()");
        return RT_E_ARGUMENT;
    }
    for (int i = 0; i < n; i++) {
        if (!params[i]) {
            return rt_fail(err, RT_E_TYPE, "%s: parameter %d is not a tensor",
                           who, i);
        }
        if (!rt_is_leaf(params[i])) {
            return rt_fail(err, RT_E_ARGUMENT, "%s: parameter %d is the result "
                           "of an operation, only leaves can be optimized",
                           who, i);
        }
        if (!rt_dtype_is_floating(rt_tensor_dtype(params[i]))) {
            return rt_fail(err, RT_E_DTYPE, "%s: parameter %d is %s, only "
                           "floats can be optimized", who, i,
                           rt_dtype_name(rt_tensor_dtype(params[i])));
        }
        bool twice = has_param(o, params[i]);
        for (int k = 0; k < i && o->ngroups; k++) {
            twice |= params[k] == params[i];
        }
        if (twice) {
            return rt_fail(err, RT_E_ARGUMENT, "%s: parameter %d is already "
                           "in a group", who, i);
        }
    }
    return RT_OK;
}

static rt_status group_init(rt__optim_group *g, rt_tensor *const *params, int n,
                            rt_error *err)
{
    size_t rows = (size_t)n * sizeof *g->state;
    g->params = rt_alloc((size_t)n * sizeof *g->params);
    g->state = rt_alloc(rows);
    g->initial_lr = NAN;
    if (!g->params || !g->state) {
        rt_free(g->params);
        rt_free(g->state);
        return rt_fail(err, RT_E_MEMORY, "optimizer: no memory for a group");
    }
    memset(g->state, 0, rows);
    for (int i = 0; i < n; i++) {
        g->params[i] = rt_retain(params[i]);
    }
    g->n = n;
    return RT_OK;
}

rt_status rt_optimizer_add_group(rt_optimizer *o, rt_tensor *const *params,
                                 int n, const rt_value *named,
                                 const char *const *names, int nnamed,
                                 rt_error *err)
{
    rt_frame frame;
    rt_value list = RT_V_TENSORS(params, n), *options;
    rt_status st;
    if ((st = rt_bind(&frame, rt_optim_signature(o->kind), &list, 1, named,
                      names, nnamed, err))
        || (st = check_params(o, params, n, err))
        || (st = take_options(&options, o->kind, &frame, o->defaults, err))) {
        return st;
    }
    rt__optim_group g = {0};
    rt__optim_group *all = rt_realloc(o->groups, (size_t)(o->ngroups + 1)
                                                     * sizeof *all);
    if (!all) {
        free_options(options, rt_optim_signature(o->kind)->nparams);
        return rt_fail(err, RT_E_MEMORY, "%s: no memory", o->kind->name);
    }
    o->groups = all;
    if ((st = group_init(&g, params, n, err))) {
        free_options(options, rt_optim_signature(o->kind)->nparams);
        return st;
    }
    g.options = options;
    atomic_fetch_add(&o->revision, 1);
    o->groups[o->ngroups++] = g;
    return RT_OK;
}

/* --- life ---------------------------------------------------------------------------- */

rt_status rt_optimizer_new(rt_optimizer **out, const rt_optim_kind *kind,
                           const rt_value *args, int npos,
                           const rt_value *named, const char *const *names,
                           int nnamed, rt_error *err)
{
    const rt_signature *sig = rt_optim_signature(kind);
    rt_optimizer *o = rt_alloc(sizeof *o);
    rt_frame frame;
    if (!sig || !o) {
        rt_free(o);
        return rt_fail(err, RT_E_MEMORY, "%s: no memory", kind->name);
    }
    memset(o, 0, sizeof *o);
    atomic_init(&o->refs, 1);
    o->kind = kind;
    rt_status st = rt_bind(&frame, sig, args, npos, named, names, nnamed, err);
    if (!st) {
        st = take_options(&o->defaults, kind, &frame, NULL, err);
    }
    if (!st) {
        st = rt_optimizer_add_group(o, frame.value[0].tensors,
                                    frame.value[0].count, NULL, NULL, 0, err);
    }
    if (st) {
        rt_optimizer_release(o);
        return st;
    }
    *out = o;
    return RT_OK;
}

rt_optimizer *rt_optimizer_retain(rt_optimizer *o)
{
    if (o) {
        atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
    }
    return o;
}

void rt_optimizer_release(rt_optimizer *o)
{
    if (!o || atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (o->peer.released) {
        o->peer.released(o->peer.object);
    }
    for (int i = 0; i < o->ngroups; i++) {
        group_dispose(o, &o->groups[i]);
    }
    rt_free(o->groups);
    free_options(o->defaults, rt_optim_signature(o->kind)->nparams);
    rt_free(o);
}

rt_peer *rt_optimizer_peer(rt_optimizer *o)
{
    return &o->peer;
}

const rt_optim_kind *rt_optimizer_kind(const rt_optimizer *o)
{
    return o->kind;
}

void rt_optimizer_zero_grad(rt_optimizer *o, bool set_to_none)
{
    for (int g = 0; g < o->ngroups; g++) {
        for (int i = 0; i < o->groups[g].n; i++) {
            rt__zero_grad(o->groups[g].params[i], set_to_none);
        }
    }
}

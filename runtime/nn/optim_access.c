/* SPDX-License-Identifier: MIT
 * Reading and setting an optimizer's groups, options and states; its text.
 */
#include "runtime/nn/optim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int rt_optimizer_group_count(const rt_optimizer *o)
{
    return o->ngroups;
}

int rt_optimizer_param_count(const rt_optimizer *o, int group)
{
    return o->groups[group].n;
}

rt_tensor *rt_optimizer_param(const rt_optimizer *o, int group, int i)
{
    return o->groups[group].params[i];
}

/* --- options ------------------------------------------------------------------ */

static rt_status unknown(const rt_optimizer *o, const char *option,
                         rt_error *err)
{
    return rt_fail(err, RT_E_NAME, "%s: there is no option '%s'",
                   o->kind->name, option);
}

rt_status rt_optimizer_get(rt_value *out, const rt_optimizer *o, int group,
                           const char *option, rt_error *err)
{
    const rt__optim_group *g = &o->groups[group];
    if (strcmp(option, "initial_lr") == 0 && !isnan(g->initial_lr)) {
        *out = RT_V_FLOAT(g->initial_lr);
        return RT_OK;
    }
    const rt_value *v = rt__optim_option(o, g, option);
    if (!v) {
        return unknown(o, option, err);
    }
    *out = *v;
    return RT_OK;
}

static rt_status set_initial(rt__optim_group *g, const rt_value *v,
                             rt_error *err)
{
    if (v->kind != RT_K_FLOAT && v->kind != RT_K_INT) {
        return rt_fail(err, RT_E_TYPE, "optimizer: initial_lr is a number");
    }
    g->initial_lr = v->kind == RT_K_FLOAT ? v->f : (double)v->i;
    return RT_OK;
}

rt_status rt_optimizer_set(rt_optimizer *o, int group, const char *option,
                           rt_value value, rt_error *err)
{
    rt__optim_group *g = &o->groups[group];
    if (strcmp(option, "initial_lr") == 0) {
        return set_initial(g, &value, err);
    }
    const rt_signature *sig = rt_optim_signature(o->kind);
    int i = rt__param_index(sig, option);
    if (i < 1) {
        return unknown(o, option, err);
    }
    /* Binding it as the one named argument checks and widens the value. */
    rt_frame frame;
    rt_value list = RT_V_TENSORS(g->params, g->n), copy;
    rt_status st = rt_bind(&frame, sig, &list, 1, &value, &option, 1, err);
    if (st || (st = rt__value_copy(&copy, &frame.value[i], err))) {
        return st;
    }
    rt__value_free(&g->options[i]);
    g->options[i] = copy;
    atomic_fetch_add(&o->revision, 1);
    return RT_OK;
}

uint64_t rt_optimizer_revision(const rt_optimizer *o)
{
    return atomic_load(&o->revision);
}

/* --- states --------------------------------------------------------------------- */

int rt_optimizer_state_count(const rt_optimizer *o)
{
    int n = 0;
    while (n < RT_OPTIM_STATES && o->kind->states[n]) {
        n++;
    }
    return n;
}

const char *rt_optimizer_state_name(const rt_optimizer *o, int i)
{
    return o->kind->states[i];
}

rt_tensor *rt_optimizer_state(const rt_optimizer *o, int group, int param,
                              int state)
{
    return o->groups[group].state[param][state];
}

rt_status rt_optimizer_set_state(rt_optimizer *o, int group, int param,
                                 int state, rt_tensor *value, rt_error *err)
{
    const char *name = o->kind->states[state];
    rt_tensor *p = o->groups[group].params[param];
    rt_tensor **slot = &o->groups[group].state[param][state];
    bool step = strcmp(name, "step") == 0;
    if (value && (step ? rt_tensor_numel(value) != 1
                       : !rt__same_shape(p, value))) {
        rt_fail(err, RT_E_SHAPE, "%s: the state '%s' does not fit its "
                "parameter", o->kind->name, name);
        rt__error_shapes(err, p, value);
        return RT_E_SHAPE;
    }
    rt_tensor *copy = NULL;
    if (value) {
        rt_dtype want = step ? RT_FLOAT32 : rt_tensor_dtype(p);
        rt_status st = rt__op1(RT_OP_to, &copy, err, 4, RT_V_TENSOR(value),
                               RT_V_DTYPE(want), RT_NONE, RT_V_BOOL(true));
        if (st) {
            return st;
        }
    }
    rt_release(*slot);
    *slot = copy;
    return RT_OK;
}

/* --- text --------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_option(rt__text *t, const rt_optimizer *o,
                       const rt__optim_group *g, const char *name)
{
    rt__text_format(t, "    %s: ", name);
    if (strcmp(name, "initial_lr") == 0) {
        rt__text_double(t, g->initial_lr);
    } else {
        const rt_signature *sig = rt_optim_signature(o->kind);
        int i = rt__param_index(sig, name);
        /* Python's defaults such as `momentum=0` are printed as written. */
        if (rt__value_same(&g->options[i], &sig->params[i].value)
            && g->options[i].kind == RT_K_FLOAT
            && !strpbrk(sig->params[i].default_text, ".e")) {
            rt__text_add(t, sig->params[i].default_text);
        } else {
            rt__value_show(t, &g->options[i]);
        }
    }
    rt__text_char(t, '\n');
}

rt_status rt_optimizer_repr(char **out, rt_optimizer *o, rt_error *err)
{
    const rt_signature *sig = rt_optim_signature(o->kind);
    const char *names[RT_MAX_ARGS + 1];
    rt__text t = {0};
    rt__text_format(&t, "%s (\n", o->kind->name);
    for (int k = 0; k < o->ngroups; k++) {
        int n = 0;
        for (int i = 1; i < sig->nparams; i++) {
            names[n++] = sig->params[i].name;
        }
        if (!isnan(o->groups[k].initial_lr)) {
            names[n++] = "initial_lr";
        }
        qsort(names, (size_t)n, sizeof *names, by_name);
        rt__text_format(&t, "%sParameter Group %d\n", k ? "\n" : "", k);
        for (int i = 0; i < n; i++) {
            add_option(&t, o, &o->groups[k], names[i]);
        }
    }
    rt__text_char(&t, ')');
    return rt__text_take(&t, out, err);
}

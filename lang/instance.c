/* SPDX-License-Identifier: MIT
 * Modules that users define: an rt_module whose context holds the members.
 *
 * Members that are modules are children of it, tensors are parameters (when
 * they require gradients) or buffers; those live in the module's own tables, so
 * that Python and the language see the same. Everything else is a field here. */
#include "lang/vm.h"

#include <string.h>

static rt_status instance_forward(rt_module *m, const rt_value *args,
                                  int nargs, rt_value *result, rt_error *err);

static char *instance_describe(rt_module *m)
{
    return rt_strdup("");
}

static void instance_destroy(void *ctx)
{
    lang__instance *in = ctx;
    for (int i = 0; i < in->nfields; i++)
        lang__release(&in->fields[i]);
    lang__klass_release(in->klass);
    rt_free(in);
}

lang__instance *lang__instance_of(rt_module *m)
{
    /* Known by its class table: only ours have this destroy function. */
    const rt_module_class *table = rt_module_class_of(m);
    return table && table->destroy == instance_destroy ? rt_module_context(m)
                                                       : NULL;
}

/* --- members in the module's tables ------------------------------------------- */

static int find_slot(const rt_module *m, rt_slot slot, const char *name)
{
    int n = rt_module_slot_count(m, slot);
    for (int i = 0; i < n; i++) {
        if (strcmp(rt_module_slot_name(m, slot, i), name) == 0)
            return i;
    }
    return -1;
}

static bool is_module(lang__type t)
{
    return lang__type_is(t, LANG_MODULE);
}

static bool is_tensor(lang__type t)
{
    return lang__type_is(t, LANG_TENSOR);
}

lang__value lang__field_get(rt_module *m, int i)
{
    lang__instance *in = rt_module_context(m);
    const lang__member *member = &in->klass->module->members[i];
    lang__value v = in->fields[i];
    int at;
    if (is_module(member->type)) {
        at = find_slot(m, RT_SLOT_CHILD, member->name);
        if (at >= 0)
            v.m = rt_module_slot_child(m, at);
    } else if (is_tensor(member->type)) {
        at = find_slot(m, RT_SLOT_PARAMETER, member->name);
        rt_slot slot = at >= 0 ? RT_SLOT_PARAMETER : RT_SLOT_BUFFER;
        if (at < 0)
            at = find_slot(m, slot, member->name);
        if (at >= 0)
            v.t = rt_module_slot_tensor(m, slot, at);
    }
    return v;
}

static rt_status register_tensor(rt_module *m, const char *name, rt_tensor *t,
                                 rt_error *err)
{
    if (rt_requires_grad(t) && rt_is_leaf(t)) {
        if (find_slot(m, RT_SLOT_BUFFER, name) >= 0)
            rt_module_remove(m, name);
        return rt_module_set_parameter(m, name, t, err);
    }
    if (find_slot(m, RT_SLOT_PARAMETER, name) >= 0)
        rt_module_remove(m, name);
    return rt_module_set_buffer(m, name, t, true, err);
}

/* A list of modules: a ModuleList of its own, so that parameters are named
 * "layers.0.weight". */
static rt_status register_list(rt_module *m, const char *name, lang_list *l,
                               rt_error *err)
{
    rt_module *list = NULL;
    const char *names[1] = {"modules"};
    rt_value modules = RT_V_MODULES((rt_module *const *)l->items, l->count);
    for (int64_t i = 0; i < l->count; i++) {
        if (!l->items[i].p)
            return rt_fail(err, RT_E_ARGUMENT, "%s: element %lld is undefined",
                           name, (long long)i);
    }
    rt_status status = rt_layer_new(&list, rt_layer_find("ModuleList"), NULL, 0,
                                    &modules, names, 1, err);
    if (!status)
        status = rt_module_set_child(m, name, list, err);
    rt_module_release(list);
    return status;
}

rt_status lang__field_set(rt_module *m, int i, lang__value v, rt_error *err)
{
    lang__instance *in = rt_module_context(m);
    const lang__member *member = &in->klass->module->members[i];
    rt_status status = RT_OK;
    if (is_module(member->type) && v.m)
        status = rt_module_set_child(m, member->name, v.m, err);
    else if (is_tensor(member->type) && v.t)
        status = register_tensor(m, member->name, v.t, err);
    else if ((is_module(member->type) || is_tensor(member->type)))
        rt_module_remove(m, member->name);
    else if (v.kind == LANG_LIST && v.l &&
             lang__type_is(v.l->element, LANG_MODULE))
        status = register_list(m, member->name, v.l, err);
    if (status)
        return status;
    lang__value old = in->fields[i];
    in->fields[i] = v;
    if (is_module(member->type) || is_tensor(member->type))
        in->fields[i].p = NULL;      /* the module's tables hold it */
    else
        lang__retain(v);
    lang__release(&old);
    return RT_OK;
}

/* --- making and calling --------------------------------------------------------- */

static rt_status new_instance(lang__klass *k, rt_module **out, rt_error *err)
{
    int n = k->module->nmembers;
    lang__instance *in = rt_alloc(sizeof *in +
                                  (size_t)n * sizeof in->fields[0]);
    if (!in)
        return rt_fail(err, RT_E_MEMORY, "%s: no memory", k->module->name);
    in->klass = lang__klass_retain(k);
    in->nfields = n;
    memset(in->fields, 0, (size_t)n * sizeof in->fields[0]);
    k->table = (rt_module_class){.name = k->module->name,
                                 .forward = instance_forward,
                                 .describe = instance_describe,
                                 .destroy = instance_destroy};
    rt_status status = rt_module_new(out, &k->table, in, err);
    if (status)
        instance_destroy(in);
    return status;
}

/* Fields before they were initialised: zero, undefined, empty. */
static rt_status blank_fields(lang__klass *k, rt_module *m, rt_error *err)
{
    lang__instance *in = rt_module_context(m);
    rt_status status = RT_OK;
    for (int i = 0; i < k->module->nmembers && !status; i++) {
        const lang__member *member = &k->module->members[i];
        if (lang__type_counted(member->type))
            status = lang__default_value(&in->fields[i], member->type, err);
        else
            in->fields[i].kind = member->type.kind;
    }
    return status;
}

static rt_status set_parameters(lang__klass *k, rt_module *m,
                                const lang__value *args, int n, rt_error *err)
{
    const lang__signature *sig = &k->module->signature;
    rt_status status = RT_OK;
    if (n > sig->nparams)
        return rt_fail(err, RT_E_TYPE, "%s takes %d arguments, not %d",
                       sig->name, sig->nparams, n);
    for (int i = 0; i < sig->nparams && !status; i++) {
        lang__value v = LANG__VOID_VALUE;
        if (i < n)
            status = lang__converted(&v, args[i], sig->params[i].type, err);
        else if (sig->params[i].has_default)
            status = lang__constant_value(&v, &sig->params[i].value,
                                          sig->params[i].type, err);
        else
            status = rt_fail(err, RT_E_TYPE, "%s: the argument %s is missing",
                             sig->name, sig->params[i].name);
        if (!status)
            status = lang__field_set(m, i, v, err);
        lang__release(&v);
    }
    return status;
}

rt_status lang__construct(lang_session *s, lang__klass *k,
                          const lang__value *args, int n, rt_module **out,
                          rt_error *err)
{
    rt_module *m = NULL;
    lang__value nothing = LANG__VOID_VALUE;
    rt_status status = new_instance(k, &m, err);
    if (status)
        return status;
    status = blank_fields(k, m, err);
    if (!status)
        status = set_parameters(k, m, args, n, err);
    if (!status)
        status = lang__run(s, k->init, m, NULL, 0, &nothing, err);
    lang__release(&nothing);
    if (status)
        rt_module_release(m);
    else
        *out = m;
    return status;
}

/* Tensors (or one) as the runtime wants them. */
static rt_status result_to_rt(rt_value *out, lang__value v, rt_error *err)
{
    char kind[48];
    if (v.kind == LANG_TENSOR && v.t) {
        *out = RT_V_TENSOR(rt_retain(v.t));
        return RT_OK;
    }
    if (v.kind != LANG_LIST || !lang__type_is(v.l->element, LANG_TENSOR))
        return lang__to_rt(out, v, RT_T_TENSOR, err) ? err->code
               : out->kind == RT_K_INT || out->kind == RT_K_FLOAT ||
                       out->kind == RT_K_BOOL
                   ? RT_OK
                   : rt_fail(err, RT_E_TYPE, "forward gave %s, not a Tensor",
                             lang__value_kind(kind, v));
    size_t bytes = (size_t)(v.l->count + 1) * sizeof(rt_tensor *);
    rt_tensor **tensors = rt_alloc(bytes);
    if (!tensors)
        return rt_fail(err, RT_E_MEMORY, "no memory for results");
    for (int64_t i = 0; i < v.l->count; i++)
        tensors[i] = rt_retain(v.l->items[i].p);
    *out = RT_V_TENSORS(tensors, v.l->count);
    return RT_OK;
}

static rt_status instance_forward(rt_module *m, const rt_value *args,
                                  int nargs, rt_value *result, rt_error *err)
{
    lang__value a[RT_MAX_ARGS] = {{0}}, out = LANG__VOID_VALUE;
    rt_error own;
    rt_error_clear(&own);
    rt_error *e = err ? err : &own;
    rt_status status = RT_OK;
    if (nargs > RT_MAX_ARGS)
        return rt_fail(e, RT_E_LIMIT, "a module with %d inputs", nargs);
    for (int i = 0; i < nargs && !status; i++) {
        /* lang__from_rt takes the reference over, but arguments are lent. */
        rt_value lent = args[i];
        if (lent.kind == RT_K_TENSOR)
            rt_retain(lent.t);
        else if (lent.kind == RT_K_MODULE)
            rt_module_retain(lent.m);
        else if (lent.kind >= RT_K_INTS)
            return rt_fail(e, RT_E_UNSUPPORTED,
                           "%s: a list as an input", rt_module_name(m));
        status = lang__from_rt(&a[i], &lent, e);
    }
    if (!status)
        status = lang__call_module(m, a, nargs, &out, e);
    if (!status)
        status = result_to_rt(result, out, e);
    lang__release(&out);
    for (int i = 0; i < nargs; i++)
        lang__release(&a[i]);
    return status;
}

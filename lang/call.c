/* SPDX-License-Identifier: MIT
 * Calls that leave the language: ops, layers, modules, functions as values. */
#include "lang/vm.h"

#include <string.h>

/* Arguments on their way into the runtime, with room for what they need. */
typedef struct lang__arguments {
    rt_value value[RT_MAX_ARGS];
    int64_t single[RT_MAX_ARGS];
    int n;
} arguments;

/* --- values to the runtime and back ----------------------------------------- */

static rt_status list_to_rt(rt_value *out, lang_list *l, rt_type type,
                            rt_error *err)
{
    uint8_t kind = l->element.depth ? LANG_LIST : l->element.kind;
    bool wants_tensors = type == RT_T_TENSORS || type == RT_T_OPT_TENSORS;
    if (l->count > INT32_MAX)
        return rt_fail(err, RT_E_LIMIT, "a list of %lld elements is too long",
                       (long long)l->count);
    if (kind == LANG_TENSOR || (!l->count && wants_tensors))
        *out = RT_V_TENSORS((rt_tensor *const *)l->items, l->count);
    else if (kind == LANG_MODULE || (!l->count && type == RT_T_MODULES))
        *out = RT_V_MODULES((rt_module *const *)l->items, l->count);
    else if (kind == LANG_FLOAT || (!l->count && type == RT_T_FLOATS))
        *out = RT_V_FLOATS((const double *)l->items, l->count);
    else if (kind == LANG_INT || kind == LANG_BOOL || !l->count)
        *out = RT_V_INTS((const int64_t *)l->items, l->count);
    else
        return rt_fail(err, RT_E_TYPE, "a list of this kind cannot be given");
    for (int64_t i = 0; i < l->count && type != RT_T_OPT_TENSORS &&
                        (kind == LANG_TENSOR || kind == LANG_MODULE); i++) {
        if (!l->items[i].p)
            return rt_fail(err, RT_E_ARGUMENT,
                           "element %lld of the list is undefined",
                           (long long)i);
    }
    return RT_OK;
}

static rt_status text_to_rt(rt_value *out, const char *text, rt_type type,
                            rt_error *err)
{
    *out = RT_V_STRING(text);
    if (type == RT_T_DEVICE) {
        out->kind = RT_K_DEVICE;
        return rt_device_parse(&out->device, text, err);
    }
    if (type == RT_T_DTYPE) {
        *out = RT_V_DTYPE(rt_dtype_parse(text));
        if (out->dtype == RT_DTYPE_NONE)
            return rt_fail(err, RT_E_ARGUMENT, "'%s' is not a dtype", text);
    }
    return RT_OK;
}

rt_status lang__to_rt(rt_value *out, lang__value v, rt_type type,
                      rt_error *err)
{
    char kind[48];
    switch (v.kind) {
    case LANG_VOID: *out = RT_NONE; return RT_OK;
    case LANG_BOOL: *out = RT_V_BOOL(v.i); return RT_OK;
    case LANG_INT:
        *out = type == RT_T_FLOAT ? RT_V_FLOAT((double)v.i) : RT_V_INT(v.i);
        return RT_OK;
    case LANG_FLOAT: *out = RT_V_FLOAT(v.f); return RT_OK;
    case LANG_DTYPE: *out = RT_V_DTYPE(v.i); return RT_OK;
    case LANG_STRING: return text_to_rt(out, v.s->text, type, err);
    case LANG_LIST: return list_to_rt(out, v.l, type, err);
    case LANG_TENSOR: *out = v.t ? RT_V_TENSOR(v.t) : RT_NONE; return RT_OK;
    case LANG_MODULE: *out = v.m ? RT_V_MODULE(v.m) : RT_NONE; return RT_OK;
    case LANG_GENERATOR:
        *out = RT_NONE;
        if (v.generator)
            *out = (rt_value){.kind = RT_K_GENERATOR, .g = v.generator};
        return RT_OK;
    default:
        return rt_fail(err, RT_E_TYPE, "%s cannot be given to the runtime",
                       lang__value_kind(kind, v));
    }
}

static rt_status list_from(lang__value *out, const rt_value *v, rt_error *err)
{
    uint8_t kind = v->kind == RT_K_TENSORS   ? LANG_TENSOR
                   : v->kind == RT_K_MODULES ? LANG_MODULE
                   : v->kind == RT_K_FLOATS  ? LANG_FLOAT : LANG_INT;
    lang_list *l;
    rt_status status = lang__list_new(&l, LANG__TYPE(kind), 0, err);
    for (int i = 0; i < v->count && !status; i++) {
        lang__value item = {.kind = kind};
        if (kind == LANG_TENSOR)
            item.t = v->tensors[i];
        else if (kind == LANG_MODULE)
            item.m = v->modules[i];
        else if (kind == LANG_FLOAT)
            item.f = v->floats[i];
        else
            item.i = v->ints[i];
        status = lang__list_add(l, item, err);
        if (status)
            lang__list_release(l);
    }
    if (!status)
        *out = LANG__LIST_VALUE(l);
    return status;
}

rt_status lang__from_rt(lang__value *out, rt_value *v, rt_error *err)
{
    rt_status status = RT_OK;
    lang__value r = LANG__VOID_VALUE;
    switch ((rt_kind)v->kind) {
    case RT_K_BOOL: r = LANG__BOOL_VALUE(v->b); break;
    case RT_K_INT: r = LANG__INT_VALUE(v->i); break;
    case RT_K_FLOAT: r = LANG__FLOAT_VALUE(v->f); break;
    case RT_K_DTYPE:
        r = (lang__value){.kind = LANG_DTYPE, .i = v->dtype};
        break;
    case RT_K_TENSOR: r = LANG__TENSOR_VALUE(rt_retain(v->t)); break;
    case RT_K_MODULE:
        r = (lang__value){.kind = LANG_MODULE, .m = rt_module_retain(v->m)};
        break;
    case RT_K_STRING:
        r = LANG__STRING_VALUE(NULL);
        status = lang__string_new(&r.s, v->s, strlen(v->s), err);
        break;
    case RT_K_INTS:
    case RT_K_FLOATS:
    case RT_K_TENSORS:
    case RT_K_MODULES: status = list_from(&r, v, err); break;
    default: break;
    }
    rt_value_release(v);
    if (!status)
        *out = r;
    return status;
}

/* --- results ------------------------------------------------------------------ */

/* One result into a register of the site's type. */
static rt_status give(const lang__site *site, lang__value *registers,
                      int target, lang__value v, rt_error *err)
{
    lang__value *to = &registers[target];
    if (site->nresults > 1 || lang__type_counted(site->type)) {
        lang__value old = *to;
        *to = v;
        lang__release(&old);
        return RT_OK;
    }
    if (v.kind != site->type.kind) {
        lang__value number = LANG__VOID_VALUE;
        rt_status status = lang__converted(&number, v, site->type, err);
        lang__release(&v);
        if (status)
            return status;
        v = number;
    }
    to->i = v.i;
    return RT_OK;
}

static rt_status give_all(const lang__site *site, lang__value *registers,
                          int target, rt_value *results, int n, rt_error *err)
{
    rt_status status = RT_OK;
    int wanted = site->nresults > 0 ? site->nresults : 1;
    if (wanted > n)
        status = rt_fail(err, RT_E_TYPE, "%d values are wanted, but there "
                         "are %d", wanted, n);
    for (int i = 0; i < wanted && !status; i++) {
        lang__value v;
        status = lang__from_rt(&v, &results[i], err);
        if (!status)
            status = give(site, registers, target + i, v, err);
    }
    for (int i = 0; i < n; i++)
        rt_value_release(&results[i]);
    return status;
}

/* --- ops, layers, optimizers, schedulers ------------------------------------------ */

static rt_status undefined(const char *op, const rt_param *p, rt_error *err)
{
    rt_status status = rt_fail(err, RT_E_ARGUMENT,
                               "%s: %s is undefined: it was declared, but "
                               "never given a value", op, p->name);
    return status;
}

/* Tensors and floats, which most operands are, go as they are. */
static bool goes_straight(rt_value *out, const lang__operand *o,
                          const lang__value *registers)
{
    if (!o->given) {
        *out = RT_UNSET;
        return true;
    }
    const lang__value *v = &registers[o->reg];
    uint8_t kind = o->counted ? v->kind : o->kind;
    if (kind == LANG_TENSOR && v->t) {
        *out = RT_V_TENSOR(v->t);
        return true;
    }
    if (kind == LANG_FLOAT) {
        *out = RT_V_FLOAT(v->f);
        return true;
    }
    return false;
}

/* Operand `o` as argument i of a signature. */
static rt_status argument(arguments *a, int i, const lang__operand *o,
                          const lang__value *registers, const rt_signature *sig,
                          const rt_param *p, rt_error *err)
{
    a->value[i] = RT_UNSET;
    if (!o->given)
        return RT_OK;
    lang__value v = lang__fetch(o, registers);
    rt_status status = lang__to_rt(&a->value[i], v, p->type, err);
    if (status)
        return status;
    if (a->value[i].kind == RT_K_NONE && v.kind != LANG_VOID && !p->optional)
        return undefined(sig->name, p, err);
    bool number = a->value[i].kind == RT_K_INT || a->value[i].kind == RT_K_BOOL;
    if (number && p->type == RT_T_INTS) {
        a->single[i] = a->value[i].i;
        a->value[i] = RT_V_INTS(&a->single[i], 1);
    }
    return RT_OK;
}

static rt_status invoke_op(const lang__site *site, lang__value *registers,
                           int target, rt_error *err)
{
    arguments a;
    const rt_signature *sig = rt_op_signature(site->op);
    rt_value results[RT_MAX_RESULTS];
    rt_status status = RT_OK;
    if (!sig)
        return rt_fail(err, RT_E_MEMORY, "no memory for a signature");
    int n = site->nargs < sig->nparams ? site->nargs : sig->nparams;
    for (int i = 0; i < n && !status; i++) {
        if (!goes_straight(&a.value[i], &site->args[i], registers))
            status = argument(&a, i, &site->args[i], registers, sig,
                              &sig->params[i], err);
    }
    if (!status)
        status = rt_call(site->op, a.value, n, results, err);
    if (status)
        return status;
    int nresults = sig->nresults > 0 ? sig->nresults : 1;
    if (nresults == 1 && results[0].kind == RT_K_TENSOR &&
        lang__type_counted(site->type) && site->nresults <= 1) {
        lang__replace(&registers[target], LANG_TENSOR, results[0].t);
        return RT_OK;
    }
    return give_all(site, registers, target, results, nresults, err);
}

/* The given operands from `first` on, by the names of the signature. */
static rt_status by_name(arguments *a, const char **names,
                         const lang__site *site, int first,
                         const lang__value *registers, const rt_signature *sig,
                         int first_param, rt_error *err)
{
    a->n = 0;
    for (int i = first; i < site->nargs; i++) {
        int at = i - first + first_param;
        if (!site->args[i].given || at >= sig->nparams)
            continue;
        names[a->n] = sig->params[at].name;
        rt_status status = argument(a, a->n, &site->args[i], registers, sig,
                                    &sig->params[at], err);
        if (status)
            return status;
        a->n++;
    }
    return RT_OK;
}

static rt_status invoke_layer(const lang__site *site, lang__value *registers,
                              int target, rt_error *err)
{
    arguments a;
    const char *names[RT_MAX_ARGS];
    const rt_layer *layer = site->expr->u.invoke.callee.layer;
    lang__value v = {.kind = LANG_MODULE};
    rt_status status = by_name(&a, names, site, 0, registers,
                               rt_layer_signature(layer), 0, err);
    if (!status)
        status = rt_layer_new(&v.m, layer, NULL, 0, a.value, names, a.n, err);
    return status ? status : give(site, registers, target, v, err);
}

static void keep_argument(rt_value *v, rt_error *err)
{
    if (v->kind == RT_K_STRING) {
        v->s = rt_strdup(v->s);
        if (!v->s)
            rt_fail(err, RT_E_MEMORY, "no memory for an optimizer");
    } else if (v->kind == RT_K_FLOATS) {
        double *own = rt_alloc((size_t)(v->count + 1) * sizeof *own);
        if (own)
            memcpy(own, v->floats, (size_t)v->count * sizeof *own);
        else
            rt_fail(err, RT_E_MEMORY, "no memory for an optimizer");
        v->floats = own;
    }
}

/* Adam(lr=1e-3) without parameters: remembered until fit has some. */
static rt_status keep_options(lang__optim *o, arguments *a,
                              const lang__site *site,
                              const lang__value *registers, rt_error *err)
{
    const rt_signature *sig = rt_optim_signature(o->kind);
    o->args[0] = RT_UNSET;
    o->nargs = 1;
    for (int i = 1; i < site->nargs && i < sig->nparams; i++) {
        rt_status status = argument(a, i, &site->args[i], registers, sig,
                                    &sig->params[i], err);
        if (status)
            return status;
        o->args[i] = a->value[i];
        o->nargs = i + 1;
        keep_argument(&o->args[i], err);
    }
    return err->code;
}

static rt_status invoke_optim(const lang__site *site, lang__value *registers,
                              int target, rt_error *err)
{
    arguments a;
    const char *names[RT_MAX_ARGS];
    const rt_optim_kind *kind = site->expr->u.invoke.callee.optim;
    lang__optim *o = rt_alloc(sizeof *o);
    if (!o)
        return rt_fail(err, RT_E_MEMORY, "no memory for an optimizer");
    *o = (lang__optim){.head = {1, LANG_OPTIMIZER}, .kind = kind};
    lang__value v = {.kind = LANG_OPTIMIZER, .optim = o};
    rt_status status;
    if (!site->nargs || !site->args[0].given) {
        status = keep_options(o, &a, site, registers, err);
    } else {
        status = by_name(&a, names, site, 0, registers,
                         rt_optim_signature(kind), 0, err);
        if (!status)
            status = rt_optimizer_new(&o->made, kind, NULL, 0, a.value, names,
                                      a.n, err);
    }
    if (status) {
        lang__release(&v);
        return status;
    }
    return give(site, registers, target, v, err);
}

static rt_status invoke_schedule(const lang__site *site,
                                 lang__value *registers, int target,
                                 rt_error *err)
{
    arguments a;
    const char *names[RT_MAX_ARGS];
    const rt_schedule_kind *kind = site->expr->u.invoke.callee.schedule;
    lang__value o = lang__fetch(&site->args[0], registers);
    if (!o.optim || !o.optim->made) {
        rt_fail(err, RT_E_ARGUMENT, "%s: the optimizer has no parameters yet",
                rt_schedule_name(kind));
        rt_error_help(err, "give them: %s(net.parameters(), ...)",
                      o.optim ? rt_optim_name(o.optim->kind) : "Adam");
        return err->code;
    }
    lang__value v = {.kind = LANG_SCHEDULER};
    rt_status status = by_name(&a, names, site, 1, registers,
                               rt_schedule_signature(kind), 0, err);
    if (!status)
        status = rt_scheduler_new(&v.scheduler, kind, o.optim->made, NULL, 0,
                                  a.value, names, a.n, err);
    return status ? status : give(site, registers, target, v, err);
}

/* --- functions of the language ------------------------------------------------------ */

/* Arguments of any types for a signature: converted, defaults filled in. All
 * of out[] are new references. */
static rt_status fit_arguments(lang__value *out, const lang__signature *sig,
                               const lang__value *args, int n, rt_error *err)
{
    if (n > sig->nparams)
        return rt_fail(err, RT_E_TYPE, "%s takes %d arguments, not %d",
                       sig->name, sig->nparams, n);
    for (int i = 0; i < sig->nparams; i++) {
        const lang__param *p = &sig->params[i];
        lang__value v = LANG__VOID_VALUE;
        if (i < n) {
            v = lang__retain(args[i]);
        } else if (!p->has_default) {
            return rt_fail(err, RT_E_TYPE, "%s: the argument %s is missing",
                           sig->name, p->name);
        } else {
            rt_status status = lang__constant_value(&v, &p->value, p->type,
                                                    err);
            if (status)
                return status;
        }
        rt_status status = lang__converted(&out[i], v, p->type, err);
        lang__release(&v);
        if (status)
            return status;
    }
    return RT_OK;
}

static rt_status run_fitted(lang_session *s, lang__routine *r, rt_module *self,
                            const lang__value *args, int n, lang__value *out,
                            rt_error *err)
{
    lang__value fitted[RT_MAX_ARGS] = {{0}};
    rt_status status = RT_OK;
    if (r->epoch != s->epoch)
        status = lang__refresh(s, &r, err);
    if (!status && r->nparams > RT_MAX_ARGS)
        status = rt_fail(err, RT_E_LIMIT, "%s has too many parameters to be "
                         "called as a value", r->name);
    if (!status)
        status = fit_arguments(fitted, r->signature, args, n, err);
    if (!status)
        status = lang__run(s, r, self, fitted, r->nparams, out, err);
    for (int i = 0; i < RT_MAX_ARGS; i++)
        lang__release(&fitted[i]);
    return status;
}

static rt_status run_instance(rt_module *m, lang__instance *in, int method,
                              const lang__value *args, int n, lang__value *out,
                              rt_error *err)
{
    lang_session *s = in->klass->anchor->session;
    if (!s)
        return rt_fail(err, RT_E_UNSUPPORTED,
                       "%s: the session that defined this module is closed",
                       in->klass->module->name);
    rt_module_retain(m);
    rt_status status = run_fitted(s, in->klass->methods[method], m, args, n,
                                  out, err);
    rt_module_release(m);
    return status;
}

rt_status lang__call_module(rt_module *m, const lang__value *args, int n,
                            lang__value *out, rt_error *err)
{
    lang__instance *in = lang__instance_of(m);
    if (in)
        return run_instance(m, in, in->klass->forward, args, n, out, err);
    rt_value a[RT_MAX_ARGS], result = RT_UNSET;
    if (n > RT_MAX_ARGS)
        return rt_fail(err, RT_E_LIMIT, "a module with %d inputs", n);
    for (int i = 0; i < n; i++) {
        rt_status status = lang__to_rt(&a[i], args[i], RT_T_TENSOR, err);
        if (status)
            return status;
        if (a[i].kind == RT_K_NONE && args[i].kind == LANG_TENSOR)
            return rt_fail(err, RT_E_ARGUMENT,
                           "%s: input %d is undefined: it was never given a "
                           "value", rt_module_name(m), i + 1);
    }
    rt_status status = rt_module_forward(m, a, n, &result, err);
    return status ? status : lang__from_rt(out, &result, err);
}

static rt_status call_catalog(const lang__callee *c, const lang__value *args,
                              int n, lang__value *out, rt_error *err)
{
    rt_value a[RT_MAX_ARGS], results[RT_MAX_RESULTS] = {{0}};
    if (n > RT_MAX_ARGS)
        return rt_fail(err, RT_E_LIMIT, "a call with %d arguments", n);
    for (int i = 0; i < n; i++) {
        rt_status status = lang__to_rt(&a[i], args[i], RT_T_SCALAR, err);
        if (status)
            return status;
    }
    if (c->layer) {
        *out = (lang__value){.kind = LANG_MODULE};
        return rt_layer_new(&out->m, c->layer, a, n, NULL, NULL, 0, err);
    }
    if (!c->op)
        return rt_fail(err, RT_E_UNSUPPORTED,
                       "%s cannot be called as a value", c->name ? c->name : "it");
    rt_status status = rt_call_named(c->op, a, n, NULL, NULL, 0, results, err);
    if (status)
        return status;
    status = lang__from_rt(out, &results[0], err);
    for (int i = 0; i < RT_MAX_RESULTS; i++)
        rt_value_release(&results[i]);
    return status;
}

static rt_status call_builtin_value(lang_session *s, const lang__builtin *b,
                                    const lang__value *args, int n,
                                    lang__value *out, rt_error *err)
{
    lang__value fitted[RT_MAX_ARGS] = {{0}};
    const lang__signature *sig = lang__builtin_signature(b);
    if (sig->nparams && sig->params[sig->nparams - 1].variadic)
        return rt_fail(err, RT_E_UNSUPPORTED,
                       "%s cannot be called as a value", b->name);
    rt_status status = fit_arguments(fitted, sig, args, n, err);
    if (!status) {
        lang__native_call c = {.s = s, .a = fitted, .n = sig->nparams,
                               .out = out, .err = err};
        status = lang__native_of(b->id)(&c);
    }
    for (int i = 0; i < RT_MAX_ARGS; i++)
        lang__release(&fitted[i]);
    return status;
}

static rt_status call_host(lang__foreign *f, const lang__value *args, int n,
                           lang__value *out, rt_error *err)
{
    lang_value a[RT_MAX_ARGS] = {{0}}, result = {.kind = LANG_VOID};
    int made = 0;
    rt_status status = RT_OK;
    if (!f->host.call || n > RT_MAX_ARGS)
        return rt_fail(err, RT_E_UNSUPPORTED, "this value cannot be called");
    for (; made < n && !status; made++)
        status = lang__value_export(&a[made], args[made], err);
    if (status)
        made--;
    else
        status = f->host.call(f->host.ctx, f->object, a, n, &result, err);
    for (int i = 0; i < made; i++)
        lang_value_release(&a[i]);
    if (status)
        return status;
    status = lang__value_import(out, &result, &f->host, err);
    if (result.kind != LANG_HOST)
        lang_value_release(&result);
    return status;
}

static rt_status call_named_function(lang_session *s, const char *name,
                                     const lang__value *args, int n,
                                     lang__value *out, rt_error *err)
{
    lang__global *g = lang__find_global(s, name);
    if (g && g->state == LANG__FUNCTION_NAME)
        return run_fitted(s, g->routine, NULL, args, n, out, err);
    if (g && g->state == LANG__MODULE_NAME) {
        *out = (lang__value){.kind = LANG_MODULE};
        return lang__construct(s, g->klass, args, n, &out->m, err);
    }
    return rt_fail(err, RT_E_NAME, "%s is not a function any more", name);
}

rt_status lang__call_value(lang_session *s, lang__value f,
                           const lang__value *args, int n, lang__value *out,
                           rt_error *err)
{
    char kind[48];
    if (f.kind == LANG_MODULE && f.m)
        return lang__call_module(f.m, args, n, out, err);
    if (f.kind == LANG_HOST)
        return call_host(f.foreign, args, n, out, err);
    if (f.kind != LANG_FUNCTION || !f.closure)
        return rt_fail(err, RT_E_TYPE, "%s is not a function",
                       lang__value_kind(kind, f));
    const lang__callee *c = &f.closure->callee;
    if (c->builtin)
        return call_builtin_value(s, c->builtin, args, n, out, err);
    if (c->op || c->layer || c->optim || c->schedule)
        return call_catalog(c, args, n, out, err);
    return call_named_function(s, c->name, args, n, out, err);
}

/* --- what INVOKE stands for ------------------------------------------------------------ */

/* All operands with their tags; *room is on the caller's stack when it fits. */
static lang__value *fetch_all(const lang__site *site,
                              const lang__value *registers, lang__value *room,
                              int size, rt_error *err)
{
    lang__value *args = room;
    if (site->nargs > size)
        args = rt_alloc((size_t)site->nargs * sizeof *args);
    if (!args)
        rt_fail(err, RT_E_MEMORY, "no memory for %d arguments", site->nargs);
    for (int i = 0; args && i < site->nargs; i++)
        args[i] = site->args[i].given ? lang__fetch(&site->args[i], registers)
                                      : LANG__VOID_VALUE;
    return args;
}

static rt_status invoke_method(lang_session *s, const lang__site *site,
                               const lang__value *args, lang__value object,
                               lang__value *out, rt_error *err)
{
    const char *name = site->expr->u.invoke.callee.name;
    if (object.kind != LANG_MODULE || !object.m) {
        char kind[48];
        return rt_fail(err, RT_E_NAME, "%s has no method %s",
                       lang__value_kind(kind, object), name);
    }
    lang__instance *in = lang__instance_of(object.m);
    for (int i = 0; in && i < in->klass->nmethods; i++) {
        if (strcmp(in->klass->methods[i]->name, name) == 0)
            return run_instance(object.m, in, i, args, site->nargs, out, err);
    }
    for (int i = 0; i < rt_module_slot_count(object.m, RT_SLOT_CHILD); i++) {
        if (strcmp(rt_module_slot_name(object.m, RT_SLOT_CHILD, i), name) == 0)
            return lang__call_module(rt_module_slot_child(object.m, i), args,
                                     site->nargs, out, err);
    }
    return rt_fail(err, RT_E_NAME, "%s has neither a method nor a layer %s",
                   rt_module_name(object.m), name);
}

/* Defaults of a builtin's parameters stand in for what was left out. */
static rt_status with_defaults(lang__value *args, bool *made,
                               const lang__signature *sig, int n,
                               const lang__site *site, rt_error *err)
{
    for (int i = 0; i < n && i < sig->nparams; i++) {
        const lang__param *p = &sig->params[i];
        if ((i < site->nargs && site->args[i].given) || p->variadic)
            continue;
        args[i] = LANG__VOID_VALUE;
        if (!p->has_default)
            continue;
        rt_status status = lang__constant_value(&args[i], &p->value, p->type,
                                                err);
        if (status)
            return status;
        made[i] = true;
    }
    return RT_OK;
}

static rt_status run_native(lang_session *s, const lang__site *site,
                            lang__value *args, int n,
                            const lang__value *registers, lang__value *out,
                            rt_error *err)
{
    lang__value named[RT_MAX_ARGS];
    const lang__expr *x = site->expr;
    int nnamed = site->named ? x->u.invoke.nnamed : 0;
    if (nnamed > RT_MAX_ARGS)
        return rt_fail(err, RT_E_LIMIT, "a call with %d named arguments",
                       nnamed);
    for (int i = 0; i < nnamed; i++)
        named[i] = lang__fetch(&site->named[i], registers);
    lang__native_call c = {
        .s = s, .a = args, .n = n, .out = out, .expr = x, .named = named,
        .names = x->u.invoke.names, .nnamed = nnamed, .err = err};
    rt_status status = lang__native_of(x->u.invoke.callee.builtin->id)(&c);
    for (int i = 0; i < RT_MAX_RESULTS && status; i++)
        lang__release(&out[i]);
    return status;
}

static rt_status invoke_builtin(lang_session *s, const lang__site *site,
                                lang__value *registers, int target,
                                rt_error *err)
{
    const lang__builtin *b = site->expr->u.invoke.callee.builtin;
    const lang__signature *sig = lang__builtin_signature(b);
    lang__value room[RT_MAX_ARGS], out[RT_MAX_RESULTS] = {{0}};
    bool made[RT_MAX_ARGS] = {false};
    lang__value *args = fetch_all(site, registers, room, RT_MAX_ARGS, err);
    if (!args)
        return err->code;
    int fixed = sig->nparams - (sig->nparams &&
                                sig->params[sig->nparams - 1].variadic);
    int n = site->nargs > fixed ? site->nargs : fixed;
    rt_status status = with_defaults(args, made, sig, fixed, site, err);
    if (!status)
        status = run_native(s, site, args, n, registers, out, err);
    for (int i = 0; i < fixed; i++) {
        if (made[i])
            lang__release(&args[i]);
    }
    if (args != room)
        rt_free(args);
    int wanted = site->nresults > 1 ? site->nresults : 1;
    for (int i = 0; i < wanted && !status; i++)
        status = give(site, registers, target + i, out[i], err);
    return status;
}

/* Modules, function values, methods, constructors: one value, or several to be
 * taken apart. */
static rt_status invoke_object(lang_session *s, const lang__site *site,
                               lang__value *registers, int target,
                               rt_error *err)
{
    lang__value room[RT_MAX_ARGS], out = LANG__VOID_VALUE;
    lang__value *args = fetch_all(site, registers, room, RT_MAX_ARGS, err);
    if (!args)
        return err->code;
    lang__value object = site->object.given
        ? lang__fetch(&site->object, registers) : LANG__VOID_VALUE;
    rt_status status;
    if (site->expr->kind == E_CALL_NEW) {
        out = (lang__value){.kind = LANG_MODULE};
        status = site->global->state == LANG__MODULE_NAME
            ? lang__construct(s, site->global->klass, args, site->nargs,
                              &out.m, err)
            : rt_fail(err, RT_E_NAME, "%s is not a module any more",
                      site->global->name);
    } else if (site->expr->kind == E_CALL_METHOD) {
        status = invoke_method(s, site, args, object, &out, err);
    } else if (site->expr->kind == E_CALL_MODULE && !object.m) {
        status = rt_fail(err, RT_E_ARGUMENT,
                         "the module is undefined: it was declared, but never "
                         "given a value");
    } else {
        status = lang__call_value(s, object, args, site->nargs, &out, err);
    }
    if (args != room)
        rt_free(args);
    if (status)
        return status;
    if (site->nresults <= 1)
        return give(site, registers, target, out, err);
    lang__value parts[16] = {{0}};
    status = lang__unpack(out, parts, site->nresults, err);
    for (int i = 0; i < site->nresults && !status; i++)
        status = give(site, registers, target + i, parts[i], err);
    lang__release(&out);
    return status;
}

rt_status lang__invoke(lang_session *s, const lang__site *site,
                       lang__value *registers, int target, rt_module *self,
                       rt_error *err)
{
    if (site->op)
        return invoke_op(site, registers, target, err);
    switch (site->expr->kind) {
    case E_CALL_BUILTIN:
        return invoke_builtin(s, site, registers, target, err);
    case E_CALL_LAYER: return invoke_layer(site, registers, target, err);
    case E_CALL_OPTIM: return invoke_optim(site, registers, target, err);
    case E_CALL_SCHEDULE:
        return invoke_schedule(site, registers, target, err);
    default: return invoke_object(s, site, registers, target, err);
    }
}

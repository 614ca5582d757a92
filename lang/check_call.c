/* SPDX-License-Identifier: MIT
 * Calls and members: which function, constructor, method or attribute a name
 * means, among the cell's, the session's and the catalogs'. */
#include "lang/check.h"

#include "lang/parser.h"

#include <stdio.h>
#include <string.h>

/* --- namespaces ------------------------------------------------------------------- */

static const char *const namespaces[] = {
    "torch", "nn", "F", "optim", "functional", "rustorch", "tch", "std",
    "lr_scheduler", "utils", "data", "init", "math", NULL};

static bool listed(const char *name, const char *const *list)
{
    for (; *list; list++) {
        if (!strcmp(*list, name))
            return true;
    }
    return false;
}

bool lang__namespace_name(const char *name)
{
    return listed(name, namespaces) || lang__type_named(name, strlen(name)) >= 0;
}

static bool is_variable(lang__checker *c, const char *name)
{
    lang__known known = {0};
    if (lang__names_find(&c->names, name) ||
        (c->owner && lang__member_index(c->owner, name) >= 0))
        return true;
    return c->session && c->session->find &&
           c->session->find(c->session->ctx, name, &known) &&
           known.kind == LANG__KNOWN_VARIABLE;
}

bool lang__is_namespace(lang__checker *c, const lang__expr *e)
{
    if (e->kind == E_MEMBER)
        return lang__is_namespace(c, e->u.member.object) &&
               listed(e->u.member.name, namespaces);
    if (e->kind != E_NAME || is_variable(c, e->u.name.text))
        return false;
    if (!lang__namespace_name(e->u.name.text))
        return false;
    /* a value of the host under such a name, `data`, goes first */
    lang__type type;
    return !c->session || !c->session->lookup ||
           !c->session->lookup(c->session->ctx, e->u.name.text, &type) ||
           lang__type_is(type, LANG_HOST);
}

/* --- candidates --------------------------------------------------------------------- */

typedef struct candidate {
    lang__callee callee;
    lang__expr_kind kind;
    lang__fit fit;
} candidate;

typedef struct candidates {
    candidate *items;
    int count;
} candidates;

lang__function *lang__find_function(lang__checker *c, const char *name)
{
    for (int i = 0; i < c->nfunctions; i++) {
        if (!strcmp(c->functions[i]->name, name))
            return c->functions[i];
    }
    return NULL;
}

lang__module *lang__find_module(lang__checker *c, const char *name)
{
    for (int i = 0; i < c->nmodules; i++) {
        if (!strcmp(c->modules[i]->name, name))
            return c->modules[i];
    }
    return NULL;
}

static void add(lang__checker *c, candidates *list, lang__expr_kind kind,
                lang__callee callee)
{
    candidate *slot = LANG__PUSH(c->arena, list->items, list->count);
    if (slot)
        *slot = (candidate){callee, kind, {0}};
}

/* The cell's or the session's own function or module of that name. */
static bool add_user(lang__checker *c, candidates *list, const char *name,
                     lang__span use)
{
    lang__function *f = lang__find_function(c, name);
    lang__module *m = lang__find_module(c, name);
    lang__known known = {0};
    if (f) {
        lang__infer_result(c, f, use);
        add(c, list, E_CALL_USER, (lang__callee){.name = name,
                                              .signature = &f->signature});
    } else if (m) {
        add(c, list, E_CALL_NEW, (lang__callee){.name = name,
                                             .signature = &m->signature});
    } else if (c->session && c->session->find &&
               c->session->find(c->session->ctx, name, &known) &&
               known.kind != LANG__KNOWN_VARIABLE && known.signature) {
        add(c, list, known.kind == LANG__KNOWN_MODULE ? E_CALL_NEW : E_CALL_USER,
            (lang__callee){.name = name, .signature = known.signature});
    }
    return list->count > 0;
}

static void add_rows(lang__checker *c, candidates *list, const char *name)
{
    const lang__builtin *b = lang__builtin_find(name);
    for (; b; b = lang__builtin_overload(b))
        add(c, list, E_CALL_BUILTIN,
            (lang__callee){.name = name, .builtin = b,
                           .signature = lang__builtin_signature(b)});
    const rt_op *op = rt_op_find(name);
    for (; op; op = rt_op_overload(op)) {
        const rt_signature *s = rt_op_signature(op);
        if (s)
            add(c, list, E_CALL_OP,
                (lang__callee){.name = name, .op = op,
                               .signature = lang__signature_of(c->arena, s)});
    }
    const rt_layer *layer = rt_layer_find(name);
    if (layer && rt_layer_signature(layer)) {
        lang__signature *s = lang__signature_of(c->arena,
                                                rt_layer_signature(layer));
        s->name = name;
        s->result = LANG__TYPE(LANG_MODULE);
        s->nresults = 1;
        add(c, list, E_CALL_LAYER,
            (lang__callee){.name = name, .layer = layer, .signature = s});
    }
}

static void add_training(lang__checker *c, candidates *list, const char *name)
{
    const rt_optim_kind *o = lang__optimizer_find(name);
    if (o && rt_optim_signature(o))
        add(c, list, E_CALL_OPTIM,
            (lang__callee){.name = name, .optim = o,
                           .signature = lang__signature_of_optimizer(
                               c->arena, rt_optim_signature(o))});
    const rt_schedule_kind *s = rt_schedule_find(name);
    if (s && rt_schedule_signature(s))
        add(c, list, E_CALL_SCHEDULE,
            (lang__callee){.name = name, .schedule = s,
                           .signature = lang__signature_of_scheduler(
                               c->arena, rt_schedule_signature(s))});
}

static void collect(lang__checker *c, candidates *list, const char *name,
                    lang__span use)
{
    *list = (candidates){0};
    if (add_user(c, list, name, use))
        return;
    add_rows(c, list, name);
    if (list->count == 0)
        add_training(c, list, name);
}

bool lang__check_function_value(lang__checker *c, lang__expr *e,
                                const char *name)
{
    candidates list;
    collect(c, &list, name, e->span);
    if (list.count == 0)
        return false;
    candidate *first = &list.items[0];
    if (first->kind == E_CALL_USER || first->kind == E_CALL_NEW)
        lang__depend(c, name, LANG__TYPE(LANG_FUNCTION),
                     first->callee.signature);
    e->kind = E_FUNCTION;
    e->u.callee = first->callee;
    e->type = LANG__TYPE(LANG_FUNCTION);
    return true;
}

/* --- arguments ------------------------------------------------------------------------ */

/* Checks what stands between the parentheses, a receiver before it. */
static lang__arguments check_arguments(lang__checker *c, lang__expr *call,
                                 lang__expr *receiver)
{
    lang__arguments a = {0};
    if (receiver) {
        lang__argument *slot = LANG__PUSH(c->arena, a.items, a.count);
        if (slot)
            slot->value = receiver;
        a.bad = receiver->type.kind == LANG__BAD;
    }
    for (int i = 0; i < call->u.call.count; i++) {
        lang__argument *slot = LANG__PUSH(c->arena, a.items, a.count);
        if (!slot)
            break;
        *slot = call->u.call.args[i];
        lang__check_expr(c, slot->value, LANG__TYPE(LANG_VOID));
        a.bad |= slot->value->type.kind == LANG__BAD;
        if (lang__type_is(slot->value->type, LANG_VOID)) {
            lang__report(c->errors, LANG__D_TYPE, slot->value->span,
                         "this call gives no value");
            a.bad = true;
        }
    }
    return a;
}

/* --- applying a match -------------------------------------------------------------------- */

static void set_result(lang__expr *e, const lang__fit *m)
{
    const lang__signature *s = m->signature;
    lang__param result = {.type = s->result};
    e->type = lang__match_type(m, &result);
    e->u.invoke.nresults = s->nresults;
}

static void apply_named(lang__checker *c, lang__expr *e, const lang__fit *m)
{
    int names = 0, values = 0;
    for (int i = 0; i < m->nnamed; i++) {
        const char **name = LANG__PUSH(c->arena, e->u.invoke.names, names);
        lang__expr **value = LANG__PUSH(c->arena, e->u.invoke.named, values);
        if (!name || !value)
            return;
        *name = m->named[i].name;
        *value = m->named[i].value;
        lang__coerce(c, value, LANG__FLOAT, "the value");
    }
    e->u.invoke.nnamed = values;
}

/* adam(net) means adam(net.parameters()). */
static void spread_module(lang__checker *c, lang__expr **slot)
{
    if (!*slot || !lang__type_is((*slot)->type, LANG_MODULE))
        return;
    const lang__builtin *b = lang__builtin_at(LANG__B_PARAMETERS);
    lang__expr *call = lang__make(c, E_CALL_BUILTIN, (*slot)->span,
                                  LANG__LIST_OF(LANG_TENSOR));
    lang__expr **args = lang__arena_get(c->arena, sizeof *args);
    args[0] = *slot;
    call->u.invoke.callee = (lang__callee){
        .name = b->name, .builtin = b, .signature = lang__builtin_signature(b)};
    call->u.invoke.args = args;
    call->u.invoke.nargs = 1;
    call->u.invoke.nresults = 1;
    *slot = call;
}

static void apply(lang__checker *c, lang__expr *e, candidate *chosen)
{
    if (chosen->kind == E_CALL_OPTIM && chosen->fit.signature->nparams)
        spread_module(c, &chosen->fit.args[0]);
    lang__expr **args;
    int nargs;
    bool user = chosen->kind == E_CALL_USER || chosen->kind == E_CALL_NEW ||
                chosen->kind == E_CALL_SELF;
    lang__match_apply(c, &chosen->fit, &args, &nargs, user);
    memset(&e->u, 0, sizeof e->u);
    e->kind = (uint8_t)chosen->kind;
    e->u.invoke.callee = chosen->callee;
    e->u.invoke.args = args;
    e->u.invoke.nargs = nargs;
    apply_named(c, e, &chosen->fit);
    set_result(e, &chosen->fit);
    if (user && chosen->kind != E_CALL_SELF)
        lang__depend(c, chosen->callee.name, LANG__TYPE(LANG_FUNCTION),
                     chosen->callee.signature);
    if (chosen->kind == E_CALL_NEW)
        e->cls = lang__find_module(c, chosen->callee.name);
}

/* The cheapest that fits, else NULL. */
static candidate *best(lang__checker *c, candidates *list, lang__arguments *a,
                       lang__span span)
{
    candidate *found = NULL;
    for (int i = 0; i < list->count; i++) {
        candidate *one = &list->items[i];
        lang__match(c, &one->fit, one->callee.signature, a->items, a->count,
                    span);
        if (one->fit.cost < LANG__NEVER &&
            (!found || one->fit.cost < found->fit.cost))
            found = one;
    }
    return found;
}

/* Of two complaints, the one about a value says more than one about counts. */
static int weight(const lang__fit *m)
{
    return m->fitting * 4 + (m->kind == LANG__D_TYPE ? 2
                             : m->kind == LANG__D_UNKNOWN_ARGUMENT);
}

/* The candidate whose complaint is worth telling: most of it fits. */
static candidate *nearest(candidates *list)
{
    candidate *found = &list->items[0];
    for (int i = 1; i < list->count; i++) {
        if (weight(&list->items[i].fit) > weight(&found->fit))
            found = &list->items[i];
    }
    return found;
}

/* --- calls of values ------------------------------------------------------------------------------- */

static void call_value(lang__checker *c, lang__expr *e, lang__expr *object,
                       lang__arguments *a)
{
    lang__type t = object->type;
    bool module = lang__type_is(t, LANG_MODULE);
    bool value = lang__type_is(t, LANG_FUNCTION) || lang__type_is(t, LANG_HOST) ||
                 lang__type_is(t, LANG__ANY);
    lang__function *forward = module && object->cls
                                  ? lang__method(object->cls, "forward") : NULL;
    if (!module && !value) {
        if (t.kind != LANG__BAD)
            lang__report(c->errors, LANG__D_NOT_CALLABLE, e->span,
                         "a value of type %s cannot be called",
                         lang__say(c, t));
        lang__bad(e);
        return;
    }
    if (forward) {
        candidates list = {0};
        add(c, &list, E_CALL_MODULE,
            (lang__callee){.name = "forward",
                           .signature = &forward->signature});
        candidate *one = best(c, &list, a, e->span);
        if (!one) {
            if (list.count)
                lang__match_report(c, &list.items[0].fit, "forward", 1);
            lang__bad(e);
            return;
        }
        apply(c, e, one);
        e->u.invoke.object = object;
        return;
    }
    lang__expr **args = NULL;
    int n = 0;
    for (int i = 0; i < a->count; i++) {
        lang__expr **slot = LANG__PUSH(c->arena, args, n);
        if (!slot)
            break;
        *slot = a->items[i].value;
        if (a->items[i].name) {
            lang__report(c->errors, LANG__D_UNKNOWN_ARGUMENT,
                         a->items[i].name_span, "this call takes no named "
                         "arguments: its parameters are not known");
            lang__bad(e);
            return;
        }
        if (!module)
            lang__coerce(c, slot, LANG__TYPE(LANG__ANY), "the argument");
        else if (lang__type_is_list((*slot)->type) &&
                 (*slot)->type.kind <= LANG_FLOAT)
            lang__coerce(c, slot, LANG__TENSOR, "the argument");
    }
    memset(&e->u, 0, sizeof e->u);
    e->kind = module ? E_CALL_MODULE : E_CALL_VALUE;
    e->u.invoke.object = object;
    e->u.invoke.args = args;
    e->u.invoke.nargs = n;
    e->u.invoke.nresults = 1;
    e->type = module ? LANG__TENSOR : LANG__TYPE(LANG__ANY);
}

/* --- calls by name ------------------------------------------------------------------------------------ */

static bool callable(lang__type t)
{
    return lang__type_is(t, LANG_MODULE) || lang__type_is(t, LANG_FUNCTION) ||
           lang__type_is(t, LANG_HOST) || lang__type_is(t, LANG__ANY);
}

/* A variable of that name, when it can be called or nothing else can. */
static lang__expr *callable_variable(lang__checker *c, lang__expr *callee,
                                     const candidates *list)
{
    if (!is_variable(c, callee->u.name.text))
        return NULL;
    lang__expr trial = *callee;
    lang__check_name(c, &trial);
    if (!callable(trial.type) && list->count > 0)
        return NULL;
    *callee = trial;
    return callee;
}

static void unknown_function(lang__checker *c, lang__expr *e,
                             lang__expr *callee, const char *name)
{
    const char *help = lang__foreign_help(name, false);
    if (help) {
        lang__diagnostic *d = lang__report(c->errors, LANG__D_UNKNOWN_NAME,
                                           callee->span,
                                           "there is no function `%s`", name);
        lang__report_help(c->errors, d, "%s", help);
        lang__bad(e);
        return;
    }
    lang__expr lookup = *callee;
    lookup.kind = E_NAME;
    lookup.u.name.text = name;
    lang__check_name(c, &lookup);     /* host names; else reports, suggests */
    if (lookup.type.kind == LANG__BAD) {
        lang__bad(e);
        return;
    }
    *callee = lookup;
    lang__arguments a = check_arguments(c, e, NULL);
    if (a.bad)
        lang__bad(e);
    else
        call_value(c, e, callee, &a);
}

static bool call_own_method(lang__checker *c, lang__expr *e, const char *name,
                            lang__arguments *a)
{
    lang__function *f = c->owner ? lang__method(c->owner, name) : NULL;
    if (!f)
        return false;
    candidates list = {0};
    lang__infer_result(c, f, e->span);
    add(c, &list, E_CALL_SELF,
        (lang__callee){.name = name, .signature = &f->signature});
    candidate *one = best(c, &list, a, e->span);
    if (one) {
        apply(c, e, one);
    } else {
        if (list.count)
            lang__match_report(c, &list.items[0].fit, name, 1);
        lang__bad(e);
    }
    return true;
}

static void call_name(lang__checker *c, lang__expr *e, lang__expr *callee,
                      const char *name)
{
    candidates list;
    collect(c, &list, name, e->span);
    lang__expr *value = callee->kind == E_NAME
                            ? callable_variable(c, callee, &list) : NULL;
    bool own = c->owner && lang__method(c->owner, name);
    bool cast = lang__type_named(name, strlen(name)) >= 0 &&
                lang__type_named(name, strlen(name)) <= LANG_STRING;
    if (!value && !own && !cast && list.count == 0) {
        unknown_function(c, e, callee, name);
        return;
    }
    lang__arguments a = check_arguments(c, e, NULL);
    if (a.bad || c->arena->failed) {
        lang__bad(e);
        return;
    }
    bool user = list.count && (list.items[0].kind == E_CALL_USER ||
                               list.items[0].kind == E_CALL_NEW);
    if (value) {
        call_value(c, e, value, &a);
        return;
    }
    if (call_own_method(c, e, name, &a) ||
        (!user && lang__check_special(c, e, name, &a)))
        return;
    candidate *one = best(c, &list, &a, e->span);
    if (one) {
        apply(c, e, one);
        return;
    }
    lang__match_report(c, &nearest(&list)->fit, name, list.count);
    lang__bad(e);
}

/* --- methods ---------------------------------------------------------------------------------------------- */

/* object.name(...) found at run time; `wanted` converts its result. */
static void call_dynamic(lang__checker *c, lang__expr *e, lang__expr *object,
                         const char *name, lang__arguments *a)
{
    a->items++;
    a->count--;
    lang__coerce(c, &object, LANG__TYPE(LANG_MODULE), "the object");
    lang__expr function = {.kind = E_FUNCTION, .span = object->span,
                           .type = LANG__TYPE(LANG_FUNCTION)};
    call_value(c, e, &function, a);
    if (e->kind != E_CALL_VALUE)
        return;
    e->kind = E_CALL_METHOD;
    e->u.invoke.object = object;
    e->u.invoke.callee.name = name;
}

/* A method or field of a Module whose class is in this cell. */
static bool call_known_member(lang__checker *c, lang__expr *e,
                              lang__expr *object, const char *name,
                              lang__arguments *a)
{
    lang__module *cls = object->cls;
    lang__function *f = cls ? lang__method(cls, name) : NULL;
    int i = cls ? lang__member_index(cls, name) : -1;
    lang__arguments rest = {a->items + 1, a->count - 1, a->bad};
    if (f && object->kind == E_SELF)
        return call_own_method(c, e, name, &rest);
    if (f) {
        candidates list = {0};
        lang__infer_result(c, f, e->span);
        add(c, &list, E_CALL_METHOD,
            (lang__callee){.name = name, .signature = &f->signature});
        candidate *one = best(c, &list, &rest, e->span);
        if (!one) {
            if (list.count)
                lang__match_report(c, &list.items[0].fit, name, 1);
            lang__bad(e);
            return true;
        }
        lang__type result = f->signature.result;
        apply(c, e, one);
        for (int k = 0; k < e->u.invoke.nargs; k++) {
            if (!e->u.invoke.args[k])
                e->u.invoke.args[k] = lang__make_constant(
                    c, e->span, &f->signature.params[k].value,
                    f->signature.params[k].type);
            lang__coerce(c, &e->u.invoke.args[k], LANG__TYPE(LANG__ANY), name);
        }
        e->u.invoke.object = object;
        e->type = LANG__TYPE(LANG__ANY);
        if (!lang__type_is(result, LANG_VOID)) {
            lang__expr *call = lang__make(c, e->kind, e->span, e->type);
            *call = *e;
            *e = *lang__convert(c, call, result);
        }
        return true;
    }
    if (i < 0)
        return false;
    lang__expr *member = lang__make(c, E_MEMBER, object->span,
                                    LANG__TYPE(LANG_VOID));
    member->u.member.object = object;
    member->u.member.name = name;
    lang__check_member(c, member);
    call_value(c, e, member, &rest);
    return true;
}

static void no_method(lang__checker *c, lang__expr *e, lang__expr *object,
                      const lang__expr *callee, candidates *list)
{
    const char *name = callee->u.member.name;
    candidate *near = list->count ? nearest(list) : NULL;
    bool receiver_fits = near && near->fit.where.start > object->span.end;
    if (near && (receiver_fits || near->fit.kind != LANG__D_TYPE)) {
        lang__match_report(c, &near->fit, name, list->count);
        lang__bad(e);
        return;
    }
    lang__diagnostic *d = lang__report(
        c->errors, LANG__D_UNKNOWN_MEMBER, callee->u.member.name_span,
        "%s has no method `%s`", lang__say(c, object->type), name);
    lang__suggestion near_name;
    lang__suggest_start(&near_name, name);
    for (int i = 0; i < lang__attribute_count(); i++) {
        if (lang__attribute_at(i)->owner == object->type.kind)
            lang__suggest_offer(&near_name, lang__attribute_at(i)->name);
    }
    for (int i = 0; i < c->nfunctions; i++)
        lang__suggest_offer(&near_name, c->functions[i]->name);
    lang__suggest_catalogs(&near_name);
    if (near)
        lang__report_help(c->errors, d, "`%s` takes %s first", name,
                          near->callee.signature->nparams
                          ? lang__say(c, near->callee.signature->params[0].type)
                          : "nothing");
    else if (near_name.best)
        lang__report_help(c->errors, d, "did you mean '%s'?", near_name.best);
    lang__bad(e);
}

/* x.shape() means x.shape. */
static bool called_attribute(lang__checker *c, lang__expr *e,
                             lang__expr *object, lang__expr *callee)
{
    const lang__attribute *a =
        object->type.depth || e->u.call.count
            ? NULL : lang__attribute_find(object->type.kind,
                                          callee->u.member.name);
    if (!a || a->name[0] == '*')
        return false;
    lang__span span = e->span;
    *e = *callee;
    e->span = span;
    e->kind = E_ATTRIBUTE;
    e->u.member.object = object;
    e->u.member.attribute = a;
    e->type = a->type;
    return true;
}

static void call_method(lang__checker *c, lang__expr *e, lang__expr *callee)
{
    lang__expr *object = callee->u.member.object;
    const char *name = callee->u.member.name;
    lang__check_expr(c, object, LANG__TYPE(LANG_VOID));
    lang__arguments a = check_arguments(c, e, object);
    if (a.bad || c->arena->failed) {
        lang__bad(e);
        return;
    }
    if (lang__type_is(object->type, LANG_MODULE) &&
        call_known_member(c, e, object, name, &a))
        return;
    if (lang__check_to_dtype(c, e, object, name))
        return;
    candidates list;
    collect(c, &list, name, e->span);
    candidate *one = best(c, &list, &a, e->span);
    bool user = list.count && list.items[0].kind == E_CALL_USER;
    if (!one && user) {                 /* the user's does not fit: a builtin? */
        list = (candidates){0};
        add_rows(c, &list, name);
        one = best(c, &list, &a, e->span);
        user = false;
    }
    const lang__builtin *b = lang__builtin_find(name);
    if (!user && b && b->check != LANG__PLAIN &&
        lang__check_special(c, e, name, &a))
        return;
    if (one)
        apply(c, e, one);
    else if (lang__type_is(object->type, LANG_MODULE) ||
             lang__type_is(object->type, LANG__ANY))
        call_dynamic(c, e, object, name, &a);
    else if (!called_attribute(c, e, object, callee))
        no_method(c, e, object, callee, &list);
}

void lang__check_call(lang__checker *c, lang__expr *e)
{
    lang__expr *callee = e->u.call.callee;
    if (callee->kind == E_NAME) {
        call_name(c, e, callee, callee->u.name.text);
        return;
    }
    if (callee->kind == E_MEMBER) {
        lang__expr *object = callee->u.member.object;
        const char *name = callee->u.member.name;
        bool construct = callee->u.member.path && !strcmp(name, "new") &&
                         (object->kind == E_NAME || object->kind == E_MEMBER);
        if (construct)                         /* Linear::new(784, 128) */
            call_name(c, e, object, object->kind == E_NAME
                      ? object->u.name.text : object->u.member.name);
        else if (lang__is_namespace(c, object))
            call_name(c, e, callee, name);
        else
            call_method(c, e, callee);
        return;
    }
    lang__check_expr(c, callee, LANG__TYPE(LANG_VOID));
    lang__arguments a = check_arguments(c, e, NULL);
    if (a.bad || callee->type.kind == LANG__BAD)
        lang__bad(e);
    else
        call_value(c, e, callee, &a);
}

/* --- members ------------------------------------------------------------------------------------------------- */

static bool tuple_item(lang__checker *c, lang__expr *e, lang__expr *object,
                       const char *name)
{
    if (object->type.kind != LANG__TUPLE || object->kind != E_CALL_OP)
        return false;
    const rt_signature *s = rt_op_signature(object->u.invoke.callee.op);
    for (int i = 0; i < s->nresults; i++) {
        if (strcmp(s->result_names[i] ? s->result_names[i] : "", name))
            continue;
        e->kind = E_TUPLE_ITEM;
        e->u.item.call = object;
        e->u.item.index = i;
        e->type = LANG__TENSOR;
        return true;
    }
    return false;
}

/* A field of a Module: its type is known when its class is in this cell. */
static void module_member(lang__checker *c, lang__expr *e)
{
    lang__expr *object = e->u.member.object;
    int i = object->cls ? lang__member_index(object->cls, e->u.member.name) : -1;
    if (object->kind == E_SELF && i >= 0) {
        const char *name = e->u.member.name;
        e->kind = E_FIELD;
        e->u.field.index = i;
        e->u.field.name = name;
        e->type = c->owner->members[i].type;
        e->cls = c->owner->members[i].cls;
        return;
    }
    lang__coerce(c, &e->u.member.object, LANG__TYPE(LANG_MODULE), "the object");
    e->kind = E_DYNAMIC;
    e->type = LANG__TYPE(LANG__ANY);
    if (i < 0)
        return;
    const lang__member *m = &object->cls->members[i];
    lang__expr *dynamic = lang__make(c, e->kind, e->span, e->type);
    *dynamic = *e;
    if (m->type.kind != LANG__BAD && m->type.kind != LANG__ANY)
        *e = *lang__convert(c, dynamic, m->type);
    e->cls = m->cls;
}

static void unknown_member(lang__checker *c, lang__expr *e, lang__type t)
{
    const char *name = e->u.member.name;
    char has[200];
    lang__diagnostic *d = lang__report(
        c->errors, LANG__D_UNKNOWN_MEMBER, e->u.member.name_span,
        "%s has no attribute `%s`", lang__say(c, t), name);
    lang__suggestion near;
    lang__suggest_start(&near, name);
    for (int i = 0; t.depth == 0 && i < lang__attribute_count(); i++) {
        const lang__attribute *a = lang__attribute_at(i);
        if (a->owner == t.kind && a->name[0] != '*')
            lang__suggest_offer(&near, a->name);
    }
    const char *attribute = near.best;
    if (lang__builtin_find(name) || rt_op_find(name) ||
        lang__find_function(c, name))
        lang__report_help(c->errors, d, "it is a function: write .%s()", name);
    else if (attribute)
        lang__report_help(c->errors, d, "did you mean '%s'?", attribute);
    else if (t.depth)
        lang__report_help(c->errors, d, "the length of a list is len(x)");
    else if (lang__attribute_list(t.kind, has, sizeof has))
        lang__report_help(c->errors, d, "it has %s", has);
    lang__bad(e);
}

void lang__check_member(lang__checker *c, lang__expr *e)
{
    const char *name = e->u.member.name;
    lang__expr *object = e->u.member.object;
    if (lang__is_namespace(c, object)) {
        e->kind = E_NAME;
        e->u.name.text = name;
        lang__check_name(c, e);
        return;
    }
    lang__check_expr(c, object, LANG__TYPE(LANG_VOID));
    lang__type t = object->type;
    if (t.kind == LANG__BAD) {
        lang__bad(e);
        return;
    }
    if (tuple_item(c, e, object, name))
        return;
    bool any = lang__type_is(t, LANG__ANY);
    const lang__attribute *a =
        t.depth ? NULL : lang__attribute_find(any ? LANG_TENSOR : t.kind, name);
    if (a) {
        if (any)
            lang__coerce(c, &e->u.member.object, LANG__TENSOR, "the object");
        e->kind = E_ATTRIBUTE;
        e->u.member.attribute = a;
        e->type = a->type;
    } else if (any || lang__type_is(t, LANG_MODULE)) {
        module_member(c, e);
    } else {
        unknown_member(c, e, t);
    }
}

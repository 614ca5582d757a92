/* SPDX-License-Identifier: MIT
 * Functions and modules: their types first, so that all of the cell can use
 * them, their bodies after the statements. */
#include "lang/check.h"

#include <string.h>

/* --- types as written ------------------------------------------------------------ */

static bool is_optimizer(const char *name)
{
    return rt_optim_find(name) != NULL;
}

/* MLP net; Linear fc; Adam opt: classes stand for their kind. */
static bool class_type(lang__checker *c, const char *name, lang__type *type,
                       lang__module **cls)
{
    lang__known known = {0};
    lang__module *m = lang__find_module(c, name);
    bool session = c->session && c->session->find &&
                   c->session->find(c->session->ctx, name, &known) &&
                   known.kind == LANG__KNOWN_MODULE;
    if (m || session || rt_layer_find(name))
        type->kind = LANG_MODULE;
    else if (is_optimizer(name))
        type->kind = LANG_OPTIMIZER;
    else if (rt_schedule_find(name))
        type->kind = LANG_SCHEDULER;
    else if (!strcmp(name, "TensorDataset"))
        type->kind = LANG_DATASET;
    else
        return false;
    if (cls && type->depth == 0)
        *cls = m;
    return true;
}

static void unknown_type(lang__checker *c, const lang__written *w)
{
    lang__diagnostic *d = lang__report(c->errors, LANG__D_UNKNOWN_TYPE, w->span,
                                       "there is no type `%s`", w->name);
    lang__suggestion near;
    lang__suggest_start(&near, w->name);
    for (int i = 0; lang__type_name_at(i); i++)
        lang__suggest_offer(&near, lang__type_name_at(i));
    for (int i = 0; i < c->nmodules; i++)
        lang__suggest_offer(&near, c->modules[i]->name);
    for (int i = 0; i < rt_layer_count(); i++)
        lang__suggest_offer(&near, rt_layer_name(rt_layer_at(i)));
    if (near.best)
        lang__report_help(c->errors, d, "did you mean '%s'?", near.best);
    else
        lang__report_help(c->errors, d, "types are bool, int, float, string, "
                          "Tensor, T[], Module, Optimizer, ...; auto infers");
}

lang__type lang__resolve(lang__checker *c, const lang__written *w,
                         lang__module **cls)
{
    lang__type type = w->type;
    if (!w->name)
        return type;
    if (class_type(c, w->name, &type, cls))
        return type;
    unknown_type(c, w);
    return LANG__TYPE(LANG__BAD);
}

/* --- parameters ------------------------------------------------------------------- */

static void check_default(lang__checker *c, lang__param *p, lang__span span)
{
    lang__expr *value = lang__make_constant(c, span, &p->value, p->type);
    if (p->value.kind == LANG_LIST && !lang__type_is_list(p->type)) {
        lang__report(c->errors, LANG__D_TYPE, span,
                     "the default of `%s` is a list, not %s", p->name,
                     lang__say(c, p->type));
        return;
    }
    if (value->kind == E_CONSTANT)
        p->value = value->u.constant;       /* widened: int n=1 for a float */
}

static void check_params(lang__checker *c, lang__signature *s,
                         lang__local **locals)
{
    bool optional = false;
    for (int i = 0; i < s->nparams; i++) {
        lang__param *p = &s->params[i];
        lang__local *l = locals[i];
        p->type = l->type = lang__resolve(c, &l->written, &l->cls);
        if (lang__type_is(p->type, LANG_VOID)) {
            lang__report(c->errors, LANG__D_DEFINITION, l->span,
                         "a parameter cannot be void");
            p->type = l->type = LANG__TYPE(LANG__BAD);
        }
        if (p->has_default)
            check_default(c, p, l->span);
        else if (optional)
            lang__report(c->errors, LANG__D_DEFINITION, l->span,
                         "`%s` needs a default: the parameter before it has "
                         "one", p->name);
        optional |= p->has_default;
        for (int k = 0; k < i; k++) {
            if (!strcmp(s->params[k].name, p->name))
                lang__report(c->errors, LANG__D_REDECLARED, l->span,
                             "there are two parameters `%s`", p->name);
        }
    }
}

static void check_signature(lang__checker *c, lang__function *f)
{
    check_params(c, &f->signature, f->params);
    if (f->infer_result)
        f->signature.result = LANG__TYPE(LANG__BAD);   /* until inferred */
    else
        f->signature.result = lang__resolve(c, &f->result, NULL);
    f->signature.nresults = !lang__type_is(f->signature.result, LANG_VOID);
}

/* --- bodies ------------------------------------------------------------------------- */

typedef struct frame {
    lang__names names;
    lang__function *function;
    lang__module *owner;
    int loops, switches;
    lang__dependency **deps;
    int *ndeps;
} frame;

/* A body sees the names of the cell's top level, not those of the block where
 * the checker happens to be. */
static frame enter(lang__checker *c, lang__module *owner,
                   lang__dependency **deps, int *ndeps)
{
    frame saved = {c->names, c->function, c->owner, c->loops, c->switches,
                   c->deps, c->ndeps};
    lang__names_init(&c->names, c->arena);
    for (int i = 0; i < c->program->nglobals; i++)
        lang__names_add(&c->names, c->program->globals[i]);
    lang__names_enter(&c->names);
    c->owner = owner;
    c->loops = c->switches = 0;
    c->deps = deps;
    c->ndeps = ndeps;
    return saved;
}

static void leave(lang__checker *c, const frame *saved)
{
    c->names = saved->names;
    c->function = saved->function;
    c->owner = saved->owner;
    c->loops = saved->loops;
    c->switches = saved->switches;
    c->deps = saved->deps;
    c->ndeps = saved->ndeps;
}

static bool block_ends(const lang__block *b)
{
    for (int i = 0; i < b->count; i++) {
        if (lang__ends(b->items[i]))
            return true;
    }
    return false;
}

static void check_end(lang__checker *c, lang__function *f)
{
    if (f->infer_result && f->signature.result.kind == LANG__BAD &&
        !f->returns) {
        f->signature.result = LANG__TYPE(LANG_VOID);
        f->signature.nresults = 0;
    }
    if (lang__type_is(f->signature.result, LANG_VOID) ||
        f->signature.result.kind == LANG__BAD || block_ends(&f->body))
        return;
    lang__span at = {f->body_span.end ? f->body_span.end - 1 : 0,
                     f->body_span.end};
    lang__diagnostic *d = lang__report(
        c->errors, LANG__D_RETURN, at, "`%s` can end here without the %s it "
        "returns", f->name, lang__say(c, f->signature.result));
    lang__report_help(c->errors, d, "add `return ...;`, or declare it void");
}

static void check_body(lang__checker *c, lang__function *f)
{
    if (f->checked)
        return;
    f->checked = 1;
    frame saved = enter(c, f->owner, &f->dependencies, &f->ndependencies);
    c->function = f;
    for (int i = 0; i < f->signature.nparams; i++)
        lang__declare(c, f->params[i]);
    lang__check_block(c, &f->body);
    check_end(c, f);
    leave(c, &saved);
    f->checked = 2;
}

void lang__infer_result(lang__checker *c, lang__function *f, lang__span use)
{
    if (!f->infer_result || f->signature.result.kind != LANG__BAD)
        return;
    if (f->checked == 1) {
        lang__diagnostic *d = lang__report(
            c->errors, LANG__D_DEFINITION, use,
            "the type of `%s` is needed before it is known", f->name);
        lang__report_help(c->errors, d, "write the type it returns instead of "
                          "auto");
        return;
    }
    check_body(c, f);
}

/* --- modules --------------------------------------------------------------------------- */

int lang__member_index(const lang__module *m, const char *name)
{
    for (int i = 0; i < m->nmembers; i++) {
        if (!strcmp(m->members[i].name, name))
            return i;
    }
    return -1;
}

lang__function *lang__method(const lang__module *m, const char *name)
{
    for (int i = 0; i < m->nmethods; i++) {
        if (!strcmp(m->methods[i]->name, name))
            return m->methods[i];
    }
    return NULL;
}

static void check_member_names(lang__checker *c, lang__module *m)
{
    for (int i = 0; i < m->nmembers; i++) {
        if (lang__member_index(m, m->members[i].name) != i)
            lang__report(c->errors, LANG__D_REDECLARED, m->members[i].span,
                         "`%s` has two members `%s`", m->name,
                         m->members[i].name);
    }
    for (int i = 0; i < m->nmethods; i++) {
        lang__function *f = m->methods[i];
        if (lang__method(m, f->name) != f ||
            lang__member_index(m, f->name) >= 0)
            lang__report(c->errors, LANG__D_REDECLARED, f->name_span,
                         "`%s` has two members `%s`", m->name, f->name);
    }
}

static void check_forward(lang__checker *c, lang__module *m)
{
    lang__function *f = lang__method(m, "forward");
    lang__diagnostic *d;
    if (!f) {
        d = lang__report(c->errors, LANG__D_DEFINITION, m->name_span,
                         "the module `%s` has no forward", m->name);
    } else if (!lang__type_is(f->signature.result, LANG_TENSOR) &&
               f->signature.result.kind != LANG__BAD) {
        d = lang__report(c->errors, LANG__D_DEFINITION, f->name_span,
                         "forward returns a Tensor, not %s",
                         lang__say(c, f->signature.result));
    } else {
        return;
    }
    lang__report_help(c->errors, d,
                      "add `Tensor forward(Tensor x) { return ...; }`");
}

/* Fields see the members before them; types are known afterwards. */
static void check_fields(lang__checker *c, lang__module *m)
{
    frame saved = enter(c, m, &m->dependencies, &m->ndependencies);
    c->function = NULL;
    int all = m->nmembers;
    for (int i = 0; i < all; i++) {
        lang__member *member = &m->members[i];
        lang__local *l = member->declared;
        if (member->parameter) {
            member->type = l->type;
            member->cls = l->cls;
            continue;
        }
        m->nmembers = i;                   /* later ones are not there yet */
        lang__check_init(c, l, &member->init, member->sizes, member->nsizes,
                         &member->cls);
        member->type = l->type;
    }
    m->nmembers = all;
    leave(c, &saved);
}

/* --- in order --------------------------------------------------------------------------- */

static void duplicate(lang__checker *c, lang__span span, const char *name)
{
    lang__report(c->errors, LANG__D_REDECLARED, span,
                 "`%s` is defined twice in this cell", name);
}

void lang__check_signatures(lang__checker *c)
{
    lang__block *body = &c->program->body;
    for (int i = 0; i < body->count && !c->arena->failed; i++) {
        lang__stmt *s = body->items[i];
        if (s->kind == S_FUNCTION) {
            lang__function *f = s->u.function;
            if (lang__find_function(c, f->name) || lang__find_module(c, f->name))
                duplicate(c, f->name_span, f->name);
            lang__function **slot = LANG__PUSH(c->arena, c->functions,
                                               c->nfunctions);
            if (slot)
                *slot = f;
        } else if (s->kind == S_MODULE) {
            lang__module *m = s->u.module;
            if (lang__find_function(c, m->name) || lang__find_module(c, m->name))
                duplicate(c, m->name_span, m->name);
            lang__module **slot = LANG__PUSH(c->arena, c->modules, c->nmodules);
            if (slot)
                *slot = m;
        }
    }
    for (int i = 0; i < c->nfunctions; i++)
        check_signature(c, c->functions[i]);
    for (int i = 0; i < c->nmodules; i++) {
        lang__module *m = c->modules[i];
        m->signature.nresults = 1;
        check_params(c, &m->signature, m->params);
        for (int k = 0; k < m->nmethods; k++)
            check_signature(c, m->methods[k]);
        /* member types are needed where the module is used: declared ones
         * now, inferred ones when the fields are checked below */
        check_member_names(c, m);
        for (int k = 0; k < m->nmembers; k++) {
            lang__local *l = m->members[k].declared;
            m->members[k].type = l->written.inferred
                                     ? LANG__TYPE(LANG__ANY) : l->written.type;
            if (l->written.name)
                m->members[k].type = LANG__TYPE(LANG__ANY);
        }
    }
}

void lang__check_bodies(lang__checker *c)
{
    for (int i = 0; i < c->nmodules && !c->arena->failed; i++)
        check_fields(c, c->modules[i]);
    for (int i = 0; i < c->nmodules && !c->arena->failed; i++) {
        for (int k = 0; k < c->modules[i]->nmethods; k++)
            check_body(c, c->modules[i]->methods[k]);
        check_forward(c, c->modules[i]);
    }
    for (int i = 0; i < c->nfunctions && !c->arena->failed; i++)
        check_body(c, c->functions[i]);
}

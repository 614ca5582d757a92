/* SPDX-License-Identifier: MIT
 * Whether arguments fit a signature, how well, and putting them in order. */
#include "lang/check.h"

#include <string.h>

/* --- one argument ------------------------------------------------------------ */

static int catalog_type(const lang__param *p)
{
    return (int)p->catalog - 1;
}

lang__type lang__match_type(const lang__fit *m, const lang__param *p)
{
    if (p->type.kind != LANG__T)
        return p->type;
    return (lang__type){m->element.kind,
                        (uint8_t)(m->element.depth + p->type.depth)};
}

/* T is what the first argument that shows it says. */
static int generic_cost(lang__fit *m, const lang__param *p, lang__type t)
{
    if (m->element.kind == LANG_VOID) {
        if (t.depth < p->type.depth || t.kind == LANG__ANY ||
            t.kind == LANG_VOID || t.kind == LANG__TUPLE)
            return LANG__NEVER;
        m->element = (lang__type){t.kind, (uint8_t)(t.depth - p->type.depth)};
        return LANG__SAME;
    }
    return lang__type_cost(t, lang__match_type(m, p));
}

static int catalog_cost(const lang__param *p, lang__type t)
{
    switch (catalog_type(p)) {
    case RT_T_TENSOR:
        return lang__type_is(t, LANG__NONE) ? LANG__NEVER
                                            : lang__type_cost(t, p->type);
    case RT_T_SCALAR:
        return lang__type_is_number(t) ? LANG__SAME
                                       : lang__type_cost(t, p->type);
    case RT_T_INTS: case RT_T_FLOATS:
        if (!lang__type_is_list(t)) {
            lang__type one = lang__type_element(p->type);
            int cost = lang__type_cost(t, one);
            return cost == LANG__NEVER ? cost : cost + LANG__WIDEN;
        }
        return lang__type_cost(t, p->type);
    default:
        return lang__type_is(t, LANG__NONE) ? LANG__NEVER
                                            : lang__type_cost(t, p->type);
    }
}

static int argument_cost(lang__fit *m, const lang__param *p,
                         const lang__expr *e)
{
    lang__type t = e->type;
    if (t.kind == LANG__BAD)
        return LANG__SAME;
    if (lang__type_is(t, LANG__NONE) &&
        (p->optional || (p->has_default && p->value.kind == LANG__NONE)))
        return LANG__SAME;
    if (p->type.kind == LANG__T)
        return generic_cost(m, p, t);
    if (p->catalog)
        return catalog_cost(p, t);
    int cost = lang__type_cost(t, p->type);
    if (cost != LANG__SAME && lang__type_is(p->type, LANG__ANY))
        return cost == LANG__NEVER ? cost : 2;
    if (lang__type_is(t, LANG__ANY) && !lang__type_is(p->type, LANG_TENSOR))
        return cost == LANG__NEVER ? cost : cost + 1;
    return cost;
}

static void problem(lang__checker *c, lang__fit *m, lang__diagnostic_id kind,
                    lang__span where, const char *text)
{
    m->cost = LANG__NEVER;
    if (m->problem)
        return;
    m->problem = text;
    m->where = where;
    m->kind = kind;
}

static void place(lang__checker *c, lang__fit *m, const lang__param *p,
                  lang__expr **slot, lang__expr *value)
{
    int cost = argument_cost(m, p, value);
    m->fitting += cost != LANG__NEVER;
    if (cost == LANG__NEVER)
        problem(c, m, LANG__D_TYPE, value->span,
                lang__arena_format(c->arena, "`%s` wants %s%s, not %s",
                                   strcmp(p->name, "self") ? p->name : "input",
                                   lang__say(c, lang__match_type(m, p)),
                                   p->optional ? " or None" : "",
                                   lang__say(c, value->type)));
    else
        m->cost += cost;
    *slot = value;
}

/* --- all of them --------------------------------------------------------------- */

static int param_named(const lang__signature *s, const char *name)
{
    static const char *const aliases[][2] = {
        {"axis", "dim"}, {"keepdims", "keepdim"}, {"input", "self"},
        {"self", "input"}};
    for (int i = 0; i < s->nparams; i++) {
        if (!strcmp(s->params[i].name, name))
            return i;
    }
    for (size_t a = 0; a < sizeof aliases / sizeof *aliases; a++) {
        for (int i = 0; !strcmp(aliases[a][0], name) && i < s->nparams; i++) {
            if (s->params[i].catalog && !strcmp(s->params[i].name, aliases[a][1]))
                return i;
        }
    }
    return -1;
}

static void place_named(lang__checker *c, lang__fit *m,
                        const lang__argument *a)
{
    int i = param_named(m->signature, a->name);
    if (i >= 0 && m->args[i]) {
        problem(c, m, LANG__D_ARGUMENTS, a->name_span,
                lang__arena_format(c->arena, "`%s` is given twice", a->name));
    } else if (i >= 0) {
        place(c, m, &m->signature->params[i], &m->args[i], a->value);
    } else if (m->signature->any_keyword) {
        lang__argument *slot = LANG__PUSH(c->arena, m->named, m->nnamed);
        if (slot)
            *slot = *a;
        if (lang__type_cost(a->value->type, LANG__FLOAT) == LANG__NEVER)
            problem(c, m, LANG__D_TYPE, a->value->span,
                    lang__arena_format(c->arena, "`%s` wants float, not %s",
                                       a->name, lang__say(c, a->value->type)));
    } else {
        m->unknown = a->name;
        problem(c, m, LANG__D_UNKNOWN_ARGUMENT, a->name_span,
                lang__arena_format(c->arena, "there is no argument `%s`",
                                   a->name));
    }
}

/* Whether the parameter takes this and the following positional arguments. */
static bool takes_rest(const lang__param *p, const lang__expr *first)
{
    if (!p->variadic)
        return false;
    if (!p->catalog)
        return true;
    /* one list fills the parameter; single values are collected */
    return !lang__type_is_list(first->type) &&
           !lang__type_is(first->type, LANG__ANY) &&
           !lang__type_is(first->type, LANG__NONE);
}

static void place_rest(lang__checker *c, lang__fit *m, const lang__param *p,
                       lang__expr *value)
{
    lang__param one = *p;
    if (p->catalog) {
        one.catalog = 0;
        one.type = lang__type_element(p->type);
    }
    lang__expr **slot = LANG__PUSH(c->arena, m->rest, m->nrest);
    lang__expr *spare;
    place(c, m, &one, slot ? slot : &spare, value);
}

static int positional_params(const lang__signature *s)
{
    int n = 0;
    while (n < s->nparams && !s->params[n].keyword_only)
        n++;
    return n;
}

static void too_many(lang__checker *c, lang__fit *m, int most, int count,
                     lang__span where)
{
    problem(c, m, LANG__D_ARGUMENTS, where,
            lang__arena_format(c->arena, "takes %s%d argument%s, but got %d",
                               most == 0 ? "" : "at most ", most,
                               most == 1 ? "" : "s", count));
}

static void check_missing(lang__checker *c, lang__fit *m, lang__span call)
{
    const lang__signature *s = m->signature;
    for (int i = 0; i < s->nparams; i++) {
        const lang__param *p = &s->params[i];
        if (m->args[i] || p->has_default || p->variadic ||
            (p->optional && p->catalog))
            continue;
        problem(c, m, LANG__D_ARGUMENTS, call,
                lang__arena_format(c->arena, "the argument `%s` is missing",
                                   p->name));
        return;
    }
}

void lang__match(lang__checker *c, lang__fit *m, const lang__signature *s,
                 const lang__argument *args, int count, lang__span call)
{
    *m = (lang__fit){.signature = s};
    m->args = lang__arena_get(c->arena,
                              (size_t)(s->nparams + 1) * sizeof *m->args);
    if (!m->args) {
        m->cost = LANG__NEVER;
        m->problem = "has too many parameters";
        return;
    }
    int most = positional_params(s), at = 0, given = 0;
    for (int i = 0; i < count; i++)
        given += !args[i].name;
    for (int i = 0; i < count; i++) {
        if (args[i].name) {
            place_named(c, m, &args[i]);
        } else if (at >= most) {
            too_many(c, m, most, given, args[i].value->span);
        } else {
            const lang__param *p = &s->params[at];
            if (m->nrest || takes_rest(p, args[i].value))
                place_rest(c, m, p, args[i].value);
            else
                place(c, m, p, &m->args[at++], args[i].value);
        }
    }
    check_missing(c, m, call);
}

/* --- converting ------------------------------------------------------------------- */

static lang__expr *list_of(lang__checker *c, lang__expr **items, int count,
                           lang__type type)
{
    lang__span span = items[0]->span;
    span.end = items[count - 1]->span.end;
    lang__expr *e = lang__make(c, E_LIST, span, type);
    lang__type element = lang__type_element(type);
    for (int i = 0; i < count; i++) {
        lang__expr **slot = LANG__PUSH(c->arena, e->u.list.items,
                                       e->u.list.count);
        if (!slot)
            break;
        *slot = items[i];
        lang__coerce(c, slot, element, "the element");
    }
    return e;
}

static void convert_one(lang__checker *c, const lang__fit *m,
                        const lang__param *p, lang__expr **slot)
{
    lang__expr *e = *slot;
    lang__type to = lang__match_type(m, p);
    if (lang__type_is(e->type, LANG__NONE) && (p->optional || p->has_default)) {
        *slot = p->has_default && p->value.kind == LANG__NONE ? NULL : e;
        if (*slot && !p->catalog)
            lang__coerce(c, slot, to, p->name);
        return;
    }
    bool number = lang__type_is_number(e->type);
    int t = catalog_type(p);
    if (number && (t == RT_T_TENSOR || t == RT_T_SCALAR))
        return;
    if ((t == RT_T_INTS || t == RT_T_FLOATS) && !lang__type_is_list(e->type) &&
        !lang__type_is(e->type, LANG__ANY)) {
        *slot = list_of(c, &e, 1, to);
        return;
    }
    lang__coerce(c, slot, to, lang__arena_format(c->arena, "`%s`", p->name));
}

static void convert_rest(lang__checker *c, const lang__fit *m,
                         lang__expr ***args, int *nargs)
{
    int at = 0;
    while (!m->signature->params[at].variadic)
        at++;
    const lang__param *p = &m->signature->params[at];
    if (p->catalog) {
        (*args)[at] = list_of(c, m->rest, m->nrest, p->type);
        return;
    }
    for (int i = 0; i < m->nrest; i++) {
        lang__coerce(c, &m->rest[i], lang__match_type(m, p), p->name);
        lang__expr **slot = LANG__PUSH(c->arena, *args, *nargs);
        if (slot)
            *slot = m->rest[i];
    }
}

void lang__match_apply(lang__checker *c, const lang__fit *m,
                       lang__expr ***args, int *nargs, bool fill_defaults)
{
    const lang__signature *s = m->signature;
    *args = NULL;
    *nargs = 0;
    for (int i = 0; i < s->nparams; i++) {
        if (s->params[i].variadic && !s->params[i].catalog)
            break;
        lang__expr **slot = LANG__PUSH(c->arena, *args, *nargs);
        if (!slot)
            return;
        *slot = m->args[i];
        if (*slot)
            convert_one(c, m, &s->params[i], slot);
        else if (fill_defaults)
            *slot = lang__make_constant(c, (lang__span){0, 0},
                                        &s->params[i].value, s->params[i].type);
    }
    if (m->nrest)
        convert_rest(c, m, args, nargs);
}

/* --- when nothing fits ------------------------------------------------------------ */

void lang__match_report(lang__checker *c, const lang__fit *m,
                        const char *name, int overloads)
{
    lang__diagnostic *d = lang__report(c->errors, m->kind, m->where, "%s: %s",
                                       name, m->problem);
    lang__suggestion near;
    if (m->unknown) {
        lang__suggest_start(&near, m->unknown);
        for (int i = 0; i < m->signature->nparams; i++)
            lang__suggest_offer(&near, m->signature->params[i].name);
        if (near.best) {
            lang__report_help(c->errors, d, "did you mean '%s'?", near.best);
            return;
        }
    }
    char *text = lang__signature_text(m->signature);
    lang__report_help(c->errors, d, overloads > 1 ? "%s (one of %d forms)"
                                                  : "%s",
                      text ? text : name, overloads);
    rt_free(text);
}

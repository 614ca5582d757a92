/* SPDX-License-Identifier: MIT
 * Expressions: types, names, lists, indexing, conversions. */
#include "lang/check.h"
#include "lang/parser.h"

#include <math.h>
#include <string.h>

/* --- making nodes ------------------------------------------------------------- */

const char *lang__say(lang__checker *c, lang__type t)
{
    char text[48];
    return lang__arena_format(c->arena, "%s", lang__type_text(text, t));
}

void lang__bad(lang__expr *e)
{
    e->kind = E_BAD;
    e->type = LANG__TYPE(LANG__BAD);
}

lang__expr *lang__make(lang__checker *c, lang__expr_kind kind,
                       lang__span span, lang__type type)
{
    lang__expr *e = LANG__NEW(c->arena, lang__expr);
    e->kind = (uint8_t)kind;
    e->span = span;
    e->type = type;
    return e;
}

lang__expr *lang__make_int(lang__checker *c, lang__span span, int64_t value)
{
    lang__expr *e = lang__make(c, E_CONSTANT, span, LANG__INT);
    e->u.constant.kind = LANG_INT;
    e->u.constant.i = value;
    return e;
}

lang__expr *lang__convert(lang__checker *c, lang__expr *e, lang__type to)
{
    lang__expr *out = lang__make(c, E_CONVERT, e->span, to);
    out->u.convert.operand = e;
    out->cls = e->cls;
    return out;
}

lang__expr *lang__make_constant(lang__checker *c, lang__span span,
                                const lang__constant *value, lang__type type)
{
    if (value->kind == LANG_LIST)
        return lang__make(c, E_LIST, span, type);
    lang__expr *e = lang__make(c, E_CONSTANT, span, LANG__TYPE(value->kind));
    e->u.constant = *value;
    lang__coerce(c, &e, type, "the default");
    return e;
}

/* A number constant takes its new type at once. */
static bool fold_number(lang__expr *e, lang__type to)
{
    lang__constant *k = &e->u.constant;
    if (e->kind != E_CONSTANT || !lang__type_is_number(to) ||
        !lang__type_is_number(e->type))
        return false;
    double value = k->kind == LANG_FLOAT ? k->f : k->kind == LANG_INT
                   ? (double)k->i : k->b;
    if (to.kind == LANG_FLOAT)
        k->f = value;
    else if (to.kind == LANG_BOOL)
        k->b = value != 0;
    else if (k->kind == LANG_BOOL)
        k->i = k->b;
    else
        return false;
    k->kind = to.kind;
    e->type = to;
    return true;
}

/* --- conversions ----------------------------------------------------------------- */

void lang__wrong_type(lang__checker *c, const lang__expr *e, lang__type to,
                       const char *what)
{
    lang__type from = e->type;
    lang__diagnostic *d =
        lang__report(c->errors, LANG__D_TYPE, e->span, "%s wants %s, not %s",
                     what, lang__say(c, to), lang__say(c, from));
    const char *help = NULL;
    if (lang__type_is(from, LANG_FLOAT) && lang__type_is(to, LANG_INT))
        help = "int(x) cuts the fraction off; round(x) goes to the nearest";
    else if (lang__type_is(to, LANG_STRING) && from.kind != LANG_VOID)
        help = "string(x) turns a value into text";
    else if (lang__type_is(from, LANG_STRING) && lang__type_is_number(to))
        help = "int(s) and float(s) read a number from text";
    else if (from.kind == LANG__TUPLE)
        help = "take the results apart: auto [a, b] = ...;";
    else if (lang__type_is(to, LANG_BOOL) && (from.depth ||
             lang__type_is(from, LANG_STRING)))
        help = "compare its length: len(x) > 0";
    else if (from.depth == 1 && from.kind == LANG_TENSOR &&
             lang__type_is(to, LANG_TENSOR))
        help = "there are several tensors: auto [x, y] takes them apart, "
               "stack(list) joins them";
    else if (lang__type_is(from, LANG_VOID))
        help = "the call gives no value";
    if (help)
        lang__report_help(c->errors, d, "%s", help);
}

static bool coerce_list(lang__checker *c, lang__expr *e, lang__type to)
{
    lang__type element = lang__type_element(to);
    e->type = to;
    bool ok = true;
    for (int i = 0; i < e->u.list.count; i++)
        ok &= lang__coerce(c, &e->u.list.items[i], element, "an element");
    return ok;
}

bool lang__coerce(lang__checker *c, lang__expr **slot, lang__type to,
                  const char *what)
{
    lang__expr *e = *slot;
    if (e->type.kind == LANG__BAD || to.kind == LANG__BAD)
        return false;
    if (lang__type_equal(e->type, to))
        return true;
    if (lang__type_cost(e->type, to) == LANG__NEVER) {
        lang__wrong_type(c, e, to, what);
        *slot = lang__make(c, E_BAD, e->span, LANG__TYPE(LANG__BAD));
        return false;
    }
    if (e->kind == E_LIST && lang__type_is_list(to))
        return coerce_list(c, e, to);
    if (!fold_number(e, to))
        *slot = lang__convert(c, e, to);
    return true;
}

void lang__check_as(lang__checker *c, lang__expr **slot, lang__type to,
                    const char *what)
{
    lang__check_expr(c, *slot, to);
    lang__coerce(c, slot, to, what);
}

void lang__check_condition(lang__checker *c, lang__expr **slot)
{
    lang__check_expr(c, *slot, LANG__BOOL);
    if ((*slot)->kind == E_ASSIGN && !(*slot)->parenthesised) {
        lang__diagnostic *d = lang__report(
            c->errors, LANG__D_TYPE, (*slot)->u.assign.op_span,
            "the condition assigns instead of comparing");
        lang__report_help(c->errors, d, "write == to compare");
        lang__bad(*slot);
    }
    lang__coerce(c, slot, LANG__BOOL, "the condition");
}

/* --- names --------------------------------------------------------------------------- */

static const struct { const char *name; double value; } constants[] = {
    {"pi", 3.14159265358979323846}, {"M_PI", 3.14159265358979323846},
    {"M_E", 2.7182818284590452354}, {"inf", INFINITY}, {"INFINITY", INFINITY},
    {"nan", NAN}, {"NAN", NAN},
};

static bool named_constant(lang__expr *e, const char *name)
{
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
        if (strcmp(constants[i].name, name))
            continue;
        e->kind = E_CONSTANT;
        e->u.constant = (lang__constant){.kind = LANG_FLOAT,
                                         .f = constants[i].value};
        e->type = LANG__FLOAT;
        return true;
    }
    return false;
}

/* float32, int64...; as values `float`, `int`, `bool` are dtypes too. */
static bool dtype_name(lang__expr *e, const char *name)
{
    rt_dtype d = RT_DTYPE_NONE;
    if (!strcmp(name, "int"))
        d = RT_INT64;
    else if (lang__type_named(name, strlen(name)) != LANG_STRING)
        d = rt_dtype_parse(name);
    if (d == RT_DTYPE_NONE)
        return false;
    e->kind = E_DTYPE;
    e->u.dtype = d;
    e->type = LANG__TYPE(LANG_DTYPE);
    return true;
}

void lang__depend(lang__checker *c, const char *name, lang__type type,
                  const lang__signature *signature)
{
    if (!c->deps)
        return;
    for (int i = 0; i < *c->ndeps; i++) {
        if (!strcmp((*c->deps)[i].name, name))
            return;
    }
    lang__dependency *d = LANG__PUSH(c->arena, *c->deps, *c->ndeps);
    if (d)
        *d = (lang__dependency){name, type, signature};
}

static bool variable(lang__checker *c, lang__expr *e, const char *name)
{
    lang__local *l = lang__names_find(&c->names, name);
    if (!l)
        return false;
    l->used = true;
    e->type = l->type;
    e->cls = l->cls;
    if (l->global) {
        e->kind = E_GLOBAL;
        e->u.name.text = name;
        lang__depend(c, name, l->type, NULL);
    } else {
        e->kind = E_LOCAL;
        e->u.local = l;
    }
    return true;
}

static bool field(lang__checker *c, lang__expr *e, const char *name)
{
    int i = c->owner ? lang__member_index(c->owner, name) : -1;
    if (i < 0)
        return false;
    e->kind = E_FIELD;
    e->u.field.index = i;
    e->u.field.name = name;
    e->type = c->owner->members[i].type;
    e->cls = c->owner->members[i].cls;
    return true;
}

static bool session_variable(lang__checker *c, lang__expr *e, const char *name)
{
    lang__known known = {0};
    if (!c->session || !c->session->find ||
        lang__find_function(c, name) || lang__find_module(c, name) ||
        !c->session->find(c->session->ctx, name, &known) ||
        known.kind != LANG__KNOWN_VARIABLE)
        return false;
    e->kind = E_GLOBAL;
    e->u.name.text = name;
    e->type = known.type;
    lang__depend(c, name, known.type, NULL);
    return true;
}

static bool host_name(lang__checker *c, lang__expr *e, const char *name)
{
    lang__type type;
    if (!c->session || !c->session->lookup ||
        !c->session->lookup(c->session->ctx, name, &type))
        return false;
    e->kind = E_HOST;
    e->u.name.text = name;
    e->type = type;
    return true;
}

static void unknown_name(lang__checker *c, lang__expr *e, const char *name)
{
    lang__diagnostic *d = lang__report(c->errors, LANG__D_UNKNOWN_NAME, e->span,
                                       "nothing is known by the name `%s`",
                                       name);
    const char *foreign = lang__foreign_help(name, false);
    if (foreign) {
        lang__report_help(c->errors, d, "%s", foreign);
        lang__bad(e);
        return;
    }
    lang__suggestion near;
    lang__suggest_start(&near, name);
    for (int i = c->names.count - 1; i >= 0; i--)
        lang__suggest_offer(&near, c->names.items[i].local->name);
    for (int i = 0; c->owner && i < c->owner->nmembers; i++)
        lang__suggest_offer(&near, c->owner->members[i].name);
    for (int i = 0; i < c->nfunctions; i++)
        lang__suggest_offer(&near, c->functions[i]->name);
    for (int i = 0; c->session && c->session->name_at; i++) {
        const char *known = c->session->name_at(c->session->ctx, i);
        if (!known)
            break;
        lang__suggest_offer(&near, known);
    }
    lang__suggest_catalogs(&near);
    if (near.best)
        lang__report_help(c->errors, d, "did you mean '%s'?", near.best);
    lang__bad(e);
}

void lang__check_name(lang__checker *c, lang__expr *e)
{
    const char *name = e->u.name.text;
    if (variable(c, e, name) || field(c, e, name) ||
        session_variable(c, e, name))
        return;
    if (c->owner && (!strcmp(name, "self") || !strcmp(name, "this"))) {
        e->kind = E_SELF;
        e->type = LANG__TYPE(LANG_MODULE);
        e->cls = c->owner;
        return;
    }
    if (lang__find_function(c, name) || lang__find_module(c, name)) {
        lang__check_function_value(c, e, name);
        return;
    }
    lang__expr trial = *e;
    if (host_name(c, &trial, name) && trial.type.kind != LANG_HOST &&
        trial.type.kind != LANG_FUNCTION) {
        *e = trial;
        return;
    }
    if (dtype_name(e, name) || lang__check_function_value(c, e, name) ||
        named_constant(e, name) || host_name(c, e, name))
        return;
    unknown_name(c, e, name);
}

/* --- lists and ranges -------------------------------------------------------------------- */

lang__type lang__unify(lang__type a, lang__type b)
{
    if (lang__type_cost(b, a) != LANG__NEVER &&
        (!lang__type_is_number(a) || !lang__type_is_number(b) ||
         a.kind >= b.kind) &&
        !(lang__type_is_number(a) && !lang__type_is_number(b)))
        return a;
    if (lang__type_cost(a, b) != LANG__NEVER)
        return b;
    return LANG__TYPE(LANG__BAD);
}

static lang__type element_hint(lang__type wanted)
{
    if (lang__type_is_list(wanted))
        return lang__type_element(wanted);
    return LANG__TYPE(LANG_VOID);
}

static void mixed_list(lang__checker *c, lang__expr *e, const lang__expr *item,
                       lang__type before)
{
    lang__diagnostic *d = lang__report(
        c->errors, LANG__D_TYPE, item->span,
        "the elements of a list have one type: this is %s, before it stands %s",
        lang__say(c, item->type), lang__say(c, before));
    lang__report_label(c->errors, d, e->u.list.items[0]->span, "%s",
                       lang__say(c, before));
    lang__bad(e);
}

static void check_list(lang__checker *c, lang__expr *e, lang__type wanted)
{
    lang__type hint = element_hint(wanted);
    lang__type type = LANG__TYPE(LANG__NONE);
    for (int i = 0; i < e->u.list.count; i++) {
        lang__expr *item = e->u.list.items[i];
        lang__check_expr(c, item, hint);
        if (item->type.kind == LANG__BAD) {
            lang__bad(e);
            return;
        }
        if (lang__type_is(item->type, LANG_VOID) ||
            item->type.kind == LANG__TUPLE || item->type.depth > 8) {
            lang__wrong_type(c, item, LANG__TYPE(LANG__ANY), "an element");
            lang__bad(e);
            return;
        }
        lang__type both = i == 0 ? item->type : lang__unify(type, item->type);
        if (both.kind == LANG__BAD) {
            mixed_list(c, e, item, type);
            return;
        }
        type = both;
    }
    e->type = (lang__type){type.kind, (uint8_t)(type.depth + 1)};
    for (int i = 0; i < e->u.list.count; i++)
        lang__coerce(c, &e->u.list.items[i], type, "an element");
}

static void check_range(lang__checker *c, lang__expr *e)
{
    if (e->u.range.start)
        lang__check_as(c, &e->u.range.start, LANG__INT, "the start");
    lang__check_as(c, &e->u.range.stop, LANG__INT, "the end");
    if (e->u.range.step)
        lang__check_as(c, &e->u.range.step, LANG__INT, "the step");
    e->type = LANG__LIST_OF(LANG_INT);
}

/* --- indexing ------------------------------------------------------------------------------------ */

static void check_slice(lang__checker *c, lang__index *item)
{
    if (item->start)
        lang__check_as(c, &item->start, LANG__INT, "the start of a slice");
    if (item->stop)
        lang__check_as(c, &item->stop, LANG__INT, "the end of a slice");
    if (item->step)
        lang__check_as(c, &item->step, LANG__INT, "the step of a slice");
}

static void tensor_index(lang__checker *c, lang__index *item)
{
    if (item->kind == LANG__SLICE)
        check_slice(c, item);
    if (item->kind != LANG__AT)
        return;
    lang__check_expr(c, item->at, LANG__TYPE(LANG_VOID));
    lang__type t = item->at->type;
    if (lang__type_is_list(t))
        lang__coerce(c, &item->at, LANG__TENSOR, "an index");
    else if (!lang__type_is(t, LANG_TENSOR) && !lang__type_is(t, LANG_BOOL) &&
             !lang__type_is(t, LANG__ANY))
        lang__coerce(c, &item->at, LANG__INT, "an index");
}

/* Lists, strings, modules, data sets: one int or one slice. */
static void sequence_index(lang__checker *c, lang__expr *e, lang__type at,
                           lang__type part)
{
    if (e->u.index.count != 1) {
        lang__diagnostic *d = lang__report(
            c->errors, LANG__D_TYPE, e->span, "%s takes one index, not %d",
            lang__say(c, e->u.index.object->type), e->u.index.count);
        lang__report_help(c->errors, d, "for nested lists write l[i][j]; "
                          "tensor(l) takes x[i, j]");
        lang__bad(e);
        return;
    }
    lang__index *item = &e->u.index.items[0];
    if (item->kind == LANG__AT) {
        lang__check_as(c, &item->at, LANG__INT, "an index");
        e->type = at;
    } else if (item->kind == LANG__SLICE && part.kind != LANG__BAD) {
        check_slice(c, item);
        e->type = part;
    } else {
        lang__report(c->errors, LANG__D_TYPE, item->span,
                     "%s does not take such an index",
                     lang__say(c, e->u.index.object->type));
        lang__bad(e);
    }
}

static void check_index(lang__checker *c, lang__expr *e)
{
    lang__check_expr(c, e->u.index.object, LANG__TYPE(LANG_VOID));
    if (lang__type_is(e->u.index.object->type, LANG__ANY))
        lang__coerce(c, &e->u.index.object, LANG__TENSOR, "the object");
    lang__type t = e->u.index.object->type, none = LANG__TYPE(LANG__BAD);
    if (lang__type_is_list(t)) {
        sequence_index(c, e, lang__type_element(t), t);
        return;
    }
    switch (t.kind) {
    case LANG_TENSOR:
        for (int i = 0; i < e->u.index.count; i++)
            tensor_index(c, &e->u.index.items[i]);
        e->type = t;
        break;
    case LANG_STRING: sequence_index(c, e, LANG__INT, t); break;
    case LANG_MODULE: sequence_index(c, e, t, none); break;
    case LANG_DATASET:
        sequence_index(c, e, LANG__LIST_OF(LANG_TENSOR), none);
        break;
    default:
        if (t.kind != LANG__BAD)
            lang__report(c->errors, LANG__D_TYPE, e->span,
                         "%s cannot be indexed", lang__say(c, t));
        lang__bad(e);
    }
}

/* --- casts --------------------------------------------------------------------------------------- */

static bool castable(lang__type from, lang__type to)
{
    if (lang__type_cost(from, to) != LANG__NEVER)
        return true;
    if (lang__type_is(to, LANG_STRING))
        return from.kind != LANG_VOID && from.kind != LANG__TUPLE;
    return (lang__type_is_number(from) || lang__type_is(from, LANG_STRING)) &&
           lang__type_is_number(to);
}

static void check_cast(lang__checker *c, lang__expr *e)
{
    lang__type to = e->type;
    lang__check_expr(c, e->u.convert.operand, to);
    lang__type from = e->u.convert.operand->type;
    e->kind = E_CONVERT;
    e->type = to;
    if (from.kind == LANG__BAD) {
        lang__bad(e);
    } else if (!castable(from, to)) {
        lang__report(c->errors, LANG__D_TYPE, e->span, "%s cannot become %s",
                     lang__say(c, from), lang__say(c, to));
        lang__bad(e);
    }
}

/* --- the whole ------------------------------------------------------------------------------------- */

void lang__check_expr(lang__checker *c, lang__expr *e, lang__type wanted)
{
    if (c->arena->failed)
        return;
    switch ((lang__expr_kind)e->kind) {
    case E_NAME: lang__check_name(c, e); break;
    case E_LIST: check_list(c, e, wanted); break;
    case E_RANGE: check_range(c, e); break;
    case E_UNARY: lang__check_unary(c, e); break;
    case E_BINARY: lang__check_binary(c, e); break;
    case E_LOGICAL: lang__check_logical(c, e); break;
    case E_CHOOSE: lang__check_choose(c, e, wanted); break;
    case E_ASSIGN: lang__check_assign(c, e); break;
    case E_STEP: lang__check_step(c, e); break;
    case E_CALL: lang__check_call(c, e); break;
    case E_MEMBER: lang__check_member(c, e); break;
    case E_INDEX: check_index(c, e); break;
    case E_CAST: check_cast(c, e); break;
    default: break;
    }
}

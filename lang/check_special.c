/* SPDX-License-Identifier: MIT
 * Calls with rules of their own: formats, range, casts, text pasted from
 * Rust. */
#include "lang/check.h"
#include "lang/format_spec.h"

#include <string.h>

/* --- formats ---------------------------------------------------------------------------------- */

static lang__type wanted_by(char conversion)
{
    switch (conversion) {
    case 'd': case 'x': case 'X': case 'o': case 'b': case 'c':
        return LANG__INT;
    case 'f': case 'F': case 'e': case 'E': case 'g': case 'G':
        return LANG__FLOAT;
    case 's':
        return LANG__TYPE(LANG_STRING);
    default:
        return LANG__TYPE(LANG__ANY);
    }
}

static void wrong_conversion(lang__checker *c, const lang__expr *value,
                             const char *format, const lang__piece *p)
{
    lang__type t = value->type;
    lang__diagnostic *d = lang__report(
        c->errors, LANG__D_FORMAT, value->span, "`%.*s` wants %s, not %s",
        p->end - p->at, format + p->at, lang__say(c, wanted_by(p->conversion)),
        lang__say(c, t));
    const char *fit = lang__type_is(t, LANG_STRING) ? "%s"
                      : lang__type_is(t, LANG_FLOAT) ? "%f or %g"
                      : lang__type_is(t, LANG_INT) ||
                        lang__type_is(t, LANG_BOOL) ? "%d" : "%v";
    lang__report_help(c->errors, d, "use %s here; %%v prints any value", fit);
}

static void format_value(lang__checker *c, lang__expr **slot,
                         const char *format, const lang__piece *p)
{
    lang__type to = wanted_by(p->conversion);
    lang__type from = (*slot)->type;
    if (lang__type_cost(from, to) == LANG__NEVER) {
        wrong_conversion(c, *slot, format, p);
        return;
    }
    lang__coerce(c, slot, to, "the value");
}

static void format_size(lang__checker *c, lang__expr **args, int n, int arg)
{
    if (arg >= 0 && arg + 1 < n)
        lang__coerce(c, &args[arg + 1], LANG__INT, "`*`");
}

static bool format_counts(lang__checker *c, lang__expr *e,
                          const lang__format *format, int given)
{
    if (format->nargs == given)
        return true;
    lang__report(c->errors, LANG__D_FORMAT, e->span,
                 "the format wants %d value%s, but %d %s given", format->nargs,
                 format->nargs == 1 ? "" : "s", given,
                 given == 1 ? "is" : "are");
    return false;
}

static void bad_format(lang__checker *c, const lang__expr *text,
                       const lang__format_error *error)
{
    lang__span at = text->span;
    const char *source = c->program->source->text;
    uint32_t length = (uint32_t)strlen(text->u.constant.s);
    /* point into the literal when it has no escapes */
    if (text->span.end - text->span.start == length + 2 &&
        source[text->span.start] == '"') {
        at.end = at.start + 1 + (uint32_t)error->end;
        at.start += 1 + (uint32_t)error->at;
    }
    lang__report(c->errors, LANG__D_FORMAT, at, "%s", error->message);
}

static void check_format(lang__checker *c, lang__expr *e,
                         const lang__builtin *b, lang__arguments *a)
{
    bool braces = b->check == LANG__PRINTLN;
    if (braces && a->count == 0) {           /* println!() */
        lang__argument *slot = LANG__PUSH(c->arena, a->items, a->count);
        lang__constant empty = {.kind = LANG_STRING, .s = ""};
        if (slot)
            slot->value = lang__make_constant(c, e->span, &empty,
                                              LANG__TYPE(LANG_STRING));
    }
    lang__expr *text = a->count ? a->items[0].value : NULL;
    if (!text || text->kind != E_CONSTANT ||
        !lang__type_is(text->type, LANG_STRING)) {
        lang__diagnostic *d = lang__report(
            c->errors, LANG__D_FORMAT, text ? text->span : e->span,
            "the format of %s is not a string literal", b->name);
        lang__report_help(c->errors, d, "write %s(\"%s\", value)", b->name,
                          braces ? "{}" : "%s");
        lang__bad(e);
        return;
    }
    lang__format *format = LANG__NEW(c->arena, lang__format);
    lang__format_error error;
    bool ok = braces ? lang__format_parse_braces(format, c->arena,
                                                 text->u.constant.s, &error)
                     : lang__format_parse_c(format, c->arena,
                                            text->u.constant.s, &error);
    if (!ok) {
        bad_format(c, text, &error);
        lang__bad(e);
        return;
    }
    lang__expr **args = NULL;
    int n = 0;
    for (int i = 0; i < a->count; i++) {
        lang__expr **slot = LANG__PUSH(c->arena, args, n);
        if (slot)
            *slot = a->items[i].value;
        if (a->items[i].name) {
            lang__report(c->errors, LANG__D_UNKNOWN_ARGUMENT,
                         a->items[i].name_span,
                         "values of a format have no names");
            lang__bad(e);
            return;
        }
    }
    if (!format_counts(c, e, format, n - 1)) {
        lang__bad(e);
        return;
    }
    for (int i = 0; i < format->count && !c->arena->failed; i++) {
        lang__piece *p = &format->pieces[i];
        if (p->text)
            continue;
        format_size(c, args, n, p->width_arg);
        format_size(c, args, n, p->precision_arg);
        if (p->arg + 1 < n)
            format_value(c, &args[p->arg + 1], text->u.constant.s, p);
    }
    memset(&e->u, 0, sizeof e->u);
    e->kind = E_CALL_BUILTIN;
    e->u.invoke.callee = (lang__callee){
        .name = b->name, .builtin = b,
        .signature = lang__builtin_signature(b)};
    e->u.invoke.args = args;
    e->u.invoke.nargs = n;
    e->u.invoke.format = format;
    e->type = lang__builtin_signature(b)->result;
    e->u.invoke.nresults = lang__builtin_signature(b)->nresults;
}

/* --- builtins with rules of their own ------------------------------------------------------------ */

static void check_range_call(lang__checker *c, lang__expr *e, lang__arguments *a)
{
    if (a->count < 1 || a->count > 3) {
        lang__report(c->errors, LANG__D_ARGUMENTS, e->span,
                     "range takes 1 to 3 arguments, but got %d", a->count);
        lang__bad(e);
        return;
    }
    lang__expr *v[3] = {0};
    for (int i = 0; i < a->count; i++) {
        v[i] = a->items[i].value;
        lang__coerce(c, &v[i], LANG__INT, "range");
    }
    memset(&e->u, 0, sizeof e->u);
    e->kind = E_RANGE;
    e->u.range.start = a->count > 1 ? v[0] : NULL;
    e->u.range.stop = a->count > 1 ? v[1] : v[0];
    e->u.range.step = v[2];
    e->type = LANG__LIST_OF(LANG_INT);
}

static void check_casting(lang__checker *c, lang__expr *e, lang__type to,
                          lang__arguments *a)
{
    if (a->count != 1) {
        lang__report(c->errors, LANG__D_ARGUMENTS, e->span,
                     "%s takes one argument, but got %d", lang__say(c, to),
                     a->count);
        lang__bad(e);
        return;
    }
    lang__expr *operand = a->items[0].value;
    memset(&e->u, 0, sizeof e->u);
    e->kind = E_CAST;
    e->type = to;
    e->u.convert.operand = operand;
    e->u.convert.written = true;
    lang__check_expr(c, e, to);
}

bool lang__check_special(lang__checker *c, lang__expr *e, const char *name,
                          lang__arguments *a)
{
    const lang__builtin *b = lang__builtin_find(name);
    int type = lang__type_named(name, strlen(name));
    if (!b && type >= LANG_BOOL && type <= LANG_STRING) {   /* double(x) */
        check_casting(c, e, LANG__TYPE((uint8_t)type), a);
        return true;
    }
    if (!b)
        return false;
    switch (b->check) {
    case LANG__PRINTF: case LANG__PRINTLN:
        check_format(c, e, b, a);
        return true;
    case LANG__RANGE_CALL:
        if (a->count && lang__type_is(a->items[0].value->type, LANG_TENSOR))
            return false;
        check_range_call(c, e, a);
        return true;
    case LANG__CASTING:
        check_casting(c, e, lang__builtin_signature(b)->result, a);
        return true;
    case LANG__IDENTITY:
        if (a->count)
            *e = *a->items[0].value;
        else
            lang__bad(e);
        return true;
    case LANG__PROGRESS:
        lang__report(c->errors, LANG__D_TYPE, e->span,
                     "progress stands in the head of a for loop only");
        lang__bad(e);
        return true;
    case LANG__PLAIN:
        break;
    }
    return false;
}

/* x.float(), x.long(): another element type, and not a cast to a number. */
bool lang__check_to_dtype(lang__checker *c, lang__expr *e,
                          lang__expr *object, const char *name)
{
    rt_dtype d = !strcmp(name, "int") ? RT_INT32 : rt_dtype_parse(name);
    if (!lang__type_is(object->type, LANG_TENSOR) || e->u.call.count ||
        d == RT_DTYPE_NONE || rt_op_find(name))
        return false;
    const lang__builtin *b = lang__builtin_at(LANG__B_TO_DTYPE);
    lang__expr *dtype = lang__make(c, E_DTYPE, e->span,
                                   LANG__TYPE(LANG_DTYPE));
    lang__expr **args = lang__arena_get(c->arena, 2 * sizeof *args);
    dtype->u.dtype = d;
    args[0] = object;
    args[1] = dtype;
    memset(&e->u, 0, sizeof e->u);
    e->kind = E_CALL_BUILTIN;
    e->type = LANG__TENSOR;
    e->u.invoke.callee = (lang__callee){
        .name = b->name, .builtin = b, .signature = lang__builtin_signature(b)};
    e->u.invoke.args = args;
    e->u.invoke.nargs = 2;
    e->u.invoke.nresults = 1;
    return true;
}

/* SPDX-License-Identifier: MIT
 * Type names, conversions, signatures as text. */
#include "lang/types.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* How each kind is shown; the order is that of lang_type_kind. */
static const char *const kind_names[LANG__KIND_COUNT] = {
    [LANG_VOID] = "void", [LANG_BOOL] = "bool", [LANG_INT] = "int",
    [LANG_FLOAT] = "float", [LANG_STRING] = "string",
    [LANG_TENSOR] = "Tensor", [LANG_LIST] = "list",
    [LANG_FUNCTION] = "Function", [LANG_MODULE] = "Module",
    [LANG_OPTIMIZER] = "Optimizer", [LANG_SCHEDULER] = "Scheduler",
    [LANG_DATASET] = "Dataset", [LANG_LOADER] = "DataLoader",
    [LANG_GENERATOR] = "Generator", [LANG_DTYPE] = "dtype",
    [LANG_HISTORY] = "History", [LANG_PLOT] = "Plot", [LANG_HOST] = "host",
    [LANG__ANY] = "any", [LANG__TUPLE] = "tuple", [LANG__NONE] = "None",
    [LANG__BAD] = "?", [LANG__T] = "T",
};

/* Names a program may write; the first of a kind is its own name. */
static const struct { const char *name; uint8_t kind; bool shown; } names[] = {
    {"bool", LANG_BOOL, true},         {"int", LANG_INT, true},
    {"float", LANG_FLOAT, true},       {"string", LANG_STRING, true},
    {"void", LANG_VOID, true},         {"Tensor", LANG_TENSOR, true},
    {"Module", LANG_MODULE, true},     {"Optimizer", LANG_OPTIMIZER, true},
    {"Scheduler", LANG_SCHEDULER, true}, {"Dataset", LANG_DATASET, true},
    {"DataLoader", LANG_LOADER, true}, {"Generator", LANG_GENERATOR, true},
    {"Function", LANG_FUNCTION, true}, {"History", LANG_HISTORY, true},
    {"Plot", LANG_PLOT, true},         {"dtype", LANG_DTYPE, true},
    {"double", LANG_FLOAT, true},      {"long", LANG_INT, true},
    {"size_t", LANG_INT, true},        {"char", LANG_INT, true},
    {"short", LANG_INT, false},        {"unsigned", LANG_INT, false},
    {"signed", LANG_INT, false},       {"ssize_t", LANG_INT, false},
    {"ptrdiff_t", LANG_INT, false},    {"int8_t", LANG_INT, false},
    {"int16_t", LANG_INT, false},      {"int32_t", LANG_INT, false},
    {"int64_t", LANG_INT, false},      {"uint8_t", LANG_INT, false},
    {"uint16_t", LANG_INT, false},     {"uint32_t", LANG_INT, false},
    {"uint64_t", LANG_INT, false},     {"i8", LANG_INT, false},
    {"i16", LANG_INT, false},          {"i32", LANG_INT, false},
    {"i64", LANG_INT, false},          {"u8", LANG_INT, false},
    {"u16", LANG_INT, false},          {"u32", LANG_INT, false},
    {"u64", LANG_INT, false},          {"isize", LANG_INT, false},
    {"usize", LANG_INT, false},        {"f32", LANG_FLOAT, false},
    {"f64", LANG_FLOAT, false},        {"float32_t", LANG_FLOAT, false},
    {"float64_t", LANG_FLOAT, false},  {"_Bool", LANG_BOOL, false},
    {"String", LANG_STRING, false},    {"str", LANG_STRING, false},
};

lang_type_kind lang__type_outer(lang__type t)
{
    if (t.depth)
        return LANG_LIST;
    return t.kind < LANG_TYPE_COUNT ? (lang_type_kind)t.kind : LANG_HOST;
}

char *lang__type_text(char out[48], lang__type t)
{
    int n = snprintf(out, 32, "%s", kind_names[t.kind]);
    int depth = t.depth < 6 ? t.depth : 6;
    for (int i = 0; i < depth; i++)
        n += snprintf(out + n, 3, "[]");
    return out;
}

int lang__type_named(const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i].name) == size && !memcmp(names[i].name, name, size))
            return names[i].kind;
    }
    return -1;
}

const char *lang__type_name_at(int n)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].shown && n-- == 0)
            return names[i].name;
    }
    return NULL;
}

/* --- conversions ------------------------------------------------------------ */

static bool is_handle(int kind)
{
    return (kind >= LANG_TENSOR && kind <= LANG_HOST) || kind == LANG__T;
}

static int list_cost(lang__type from, lang__type to)
{
    if (lang__type_is(to, LANG_TENSOR))
        return from.kind <= LANG_FLOAT && from.kind >= LANG_BOOL
                   ? LANG__COLLECT
               : from.kind == LANG__T || from.kind == LANG__NONE
                   ? LANG__COLLECT : LANG__NEVER;
    if (from.kind == LANG__NONE)             /* the empty list fits any list */
        return to.depth >= from.depth ? LANG__WIDEN : LANG__NEVER;
    if (to.depth != from.depth)
        return LANG__NEVER;
    if (from.kind >= LANG_BOOL && to.kind <= LANG_FLOAT && from.kind < to.kind)
        return LANG__WRAP;
    return LANG__NEVER;
}

int lang__type_cost(lang__type from, lang__type to)
{
    if (lang__type_equal(from, to))
        return LANG__SAME;
    if (from.kind == LANG__BAD || to.kind == LANG__BAD)
        return LANG__SAME;
    if (lang__type_is(to, LANG__ANY))
        return lang__type_is(from, LANG_VOID) || from.kind == LANG__TUPLE
                   ? LANG__NEVER : LANG__WIDEN;
    if (lang__type_is(from, LANG__ANY))
        return lang__type_is(to, LANG_VOID) ? LANG__NEVER : LANG__WIDEN;
    if (lang__type_is(from, LANG__NONE))
        return to.depth == 0 && is_handle(to.kind) ? LANG__WIDEN : LANG__NEVER;
    if (from.depth)
        return list_cost(from, to);
    if (to.depth)
        return LANG__NEVER;
    bool numbers = lang__type_is_number(from) && lang__type_is_number(to);
    if (numbers && to.kind == LANG_BOOL)
        return LANG__WRAP;
    if (numbers)
        return from.kind < to.kind ? LANG__WIDEN : LANG__NEVER;
    if (to.kind == LANG_TENSOR && lang__type_is_number(from))
        return LANG__WRAP;
    if (from.kind == LANG_TENSOR && lang__type_is_number(to))
        return LANG__UNWRAP;
    if (from.kind == LANG_HOST && to.kind == LANG_FUNCTION)
        return LANG__WIDEN;
    return LANG__NEVER;
}

/* --- signatures --------------------------------------------------------------- */

typedef struct text {
    char *at;
    size_t size, room;
    bool failed;
} text;

static void put(text *t, const char *format, ...)
{
    char piece[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    size_t size = n < 0 ? 0 : n < (int)sizeof piece ? (size_t)n
                                                    : sizeof piece - 1;
    if (t->size + size + 1 > t->room) {
        size_t room = (t->size + size + 1) * 2;
        char *grown = rt_realloc(t->at, room);
        if (!grown) {
            t->failed = true;
            return;
        }
        t->at = grown;
        t->room = room;
    }
    memcpy(t->at + t->size, piece, size + 1);
    t->size += size;
}

static void put_constant(text *t, const lang__constant *c)
{
    switch (c->kind) {
    case LANG_BOOL: put(t, "%s", c->b ? "true" : "false"); break;
    case LANG_INT: put(t, "%lld", (long long)c->i); break;
    case LANG_FLOAT: put(t, "%.12g", c->f); break;
    case LANG_STRING: put(t, "\"%s\"", c->s); break;
    case LANG_LIST: put(t, "[]"); break;
    default: put(t, "None"); break;
    }
}

static void put_param(text *t, const lang__param *p)
{
    char type[48];
    put(t, "%s%s%s %s", lang__type_text(type, p->type),
        p->optional ? "?" : "", p->variadic ? "..." : "", p->name);
    if (p->has_default) {
        put(t, "=");
        put_constant(t, &p->value);
    }
}

char *lang__signature_text(const lang__signature *s)
{
    text t = {0};
    char type[48];
    bool star = false;
    put(&t, "%s(", s->name);
    for (int i = 0; i < s->nparams; i++) {
        const char *comma = i ? ", " : "";
        if (s->params[i].keyword_only && !star) {
            put(&t, "%s*", comma);
            star = true;
            comma = ", ";
        }
        put(&t, "%s", comma);
        put_param(&t, &s->params[i]);
    }
    if (s->any_keyword)
        put(&t, "%sfloat name=..", s->nparams ? ", " : "");
    put(&t, ")");
    if (s->nresults > 1) {
        put(&t, " -> (");
        for (int i = 0; i < s->nresults; i++)
            put(&t, "%s%s", i ? ", " : "", lang__type_text(type, s->results[i]));
        put(&t, ")");
    } else if (!lang__type_is(s->result, LANG_VOID)) {
        put(&t, " -> %s", lang__type_text(type, s->result));
    }
    if (t.failed) {
        rt_free(t.at);
        return NULL;
    }
    return t.at;
}

bool lang__signature_equal(const lang__signature *a, const lang__signature *b)
{
    if (a->nparams != b->nparams || !lang__type_equal(a->result, b->result))
        return false;
    for (int i = 0; i < a->nparams; i++) {
        const lang__param *p = &a->params[i], *q = &b->params[i];
        if (!lang__type_equal(p->type, q->type) || strcmp(p->name, q->name) ||
            p->has_default != q->has_default)
            return false;
    }
    return true;
}

/* Sizes first, then the same walk copies. */
static size_t text_size(const char *s)
{
    return s ? strlen(s) + 1 : 0;
}

static const char *copy_text(char **to, const char *s)
{
    if (!s)
        return NULL;
    char *at = *to;
    memcpy(at, s, strlen(s) + 1);
    *to += strlen(s) + 1;
    return at;
}

static const char *constant_text(const lang__constant *c)
{
    return c->kind == LANG_STRING ? c->s : NULL;
}

lang__signature *lang__signature_copy(const lang__signature *s)
{
    size_t size = sizeof *s + (size_t)s->nparams * sizeof *s->params +
                  text_size(s->name);
    for (int i = 0; i < s->nparams; i++)
        size += text_size(s->params[i].name) +
                text_size(constant_text(&s->params[i].value));
    lang__signature *copy = rt_alloc(size);
    if (!copy)
        return NULL;
    *copy = *s;
    copy->params = (lang__param *)(copy + 1);
    char *to = (char *)(copy->params + s->nparams);
    copy->name = copy_text(&to, s->name);
    for (int i = 0; i < s->nparams; i++) {
        lang__param *p = &copy->params[i];
        *p = s->params[i];
        p->name = copy_text(&to, p->name);
        if (constant_text(&p->value))
            p->value.s = copy_text(&to, p->value.s);
    }
    return copy;
}

/* SPDX-License-Identifier: MIT
 * Help for a name: from the session, the cell, and the catalogs. */
#include "lang/check.h"
#include "lang/place.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A page as plain text and as markdown, written side by side. */
typedef struct page {
    char *plain, *markdown;
    size_t nplain, nmarkdown;
    bool failed;
} page;

static void append(page *p, char **text, size_t *size, const char *more)
{
    size_t n = strlen(more);
    char *grown = rt_realloc(*text, *size + n + 1);
    if (!grown) {
        p->failed = true;
        return;
    }
    memcpy(grown + *size, more, n + 1);
    *text = grown;
    *size += n;
}

static void plain(page *p, const char *text)
{
    append(p, &p->plain, &p->nplain, text);
}

static void markdown(page *p, const char *text)
{
    append(p, &p->markdown, &p->nmarkdown, text);
}

static void code(page *p, const char *text)
{
    plain(p, text);
    plain(p, "\n");
    markdown(p, "```c\n");
    markdown(p, text);
    markdown(p, "\n```\n");
}

static void field(page *p, const char *name, const char *value)
{
    if (!value || !value[0])
        return;
    plain(p, name);
    plain(p, ": ");
    plain(p, value);
    plain(p, "\n");
    markdown(p, "**");
    markdown(p, name);
    markdown(p, "**: ");
    markdown(p, value);
    markdown(p, "\n\n");
}

static void paragraph(page *p, const char *text)
{
    if (!text || !text[0])
        return;
    plain(p, "\n");
    plain(p, text);
    plain(p, "\n");
    markdown(p, "\n");
    markdown(p, text);
    markdown(p, "\n");
}

/* --- where help comes from ---------------------------------------------------- */

static void signature(page *p, const lang__signature *s)
{
    char *text = lang__signature_text(s);
    if (text)
        code(p, text);
    else
        p->failed = true;
    rt_free(text);
}

static bool session_help(page *p, const lang_symbols *t, const char *name,
                         int detail)
{
    for (int i = 0; i < lang_symbols_count(t); i++) {
        lang_symbol s = lang_symbols_at(t, i);
        if (strcmp(s.name, name))
            continue;
        code(p, s.signature[0] ? s.signature : s.name);
        field(p, "kind", s.kind);
        field(p, "type", s.type);
        field(p, "value", s.value);
        /* a function's doc is its source: only on request */
        if (detail > 0 || strcmp(s.kind, "function"))
            paragraph(p, s.doc);
        return true;
    }
    return false;
}

static bool cell_help(page *p, lang__place *place, const char *name)
{
    const lang__program *program = place->program;
    char type[48];
    for (int i = 0; program && i < program->body.count; i++) {
        const lang__stmt *s = program->body.items[i];
        bool function = s->kind == S_FUNCTION &&
                        !strcmp(s->u.function->name, name);
        bool module = s->kind == S_MODULE && !strcmp(s->u.module->name, name);
        if (!function && !module)
            continue;
        signature(p, function ? &s->u.function->signature
                              : &s->u.module->signature);
        field(p, "kind", function ? "function" : "module");
        return true;
    }
    lang__type t;
    lang_symbols const *symbols = place->symbols;
    place->symbols = NULL;
    bool known = lang__place_variable(place, name, &t);
    place->symbols = symbols;
    if (!known)
        return false;
    code(p, name);
    field(p, "kind", "variable");
    field(p, "type", lang__type_text(type, t));
    return true;
}

static bool builtin_help(page *p, const char *name)
{
    const lang__builtin *first = lang__builtin_find(name);
    for (const lang__builtin *b = first; b; b = lang__builtin_overload(b))
        code(p, b->text);
    if (first)
        paragraph(p, first->doc);
    return first != NULL;
}

static bool op_help(page *p, const char *name, int detail)
{
    const rt_op *first = rt_op_find(name);
    for (const rt_op *op = first; op; op = rt_op_overload(op)) {
        const rt_signature *s = rt_op_signature(op);
        if (s)
            code(p, s->text);
    }
    if (!first)
        return false;
    paragraph(p, rt_op_doc(first));
    if (detail > 0)
        paragraph(p, rt_op_differentiable(first)
                     ? "Gradients flow through it."
                     : "No gradient flows through it.");
    return true;
}

static bool row_help(page *p, const rt_signature *s, const char *kind,
                     const char *doc)
{
    if (s)
        code(p, s->text);
    field(p, "kind", kind);
    paragraph(p, doc);
    return true;
}

static bool constructor_help(page *p, const char *name)
{
    const rt_layer *l = rt_layer_find(name);
    if (l)
        return row_help(p, rt_layer_signature(l), "layer", rt_layer_doc(l));
    const rt_optim_kind *o = lang__optimizer_find(name);
    if (o)
        return row_help(p, rt_optim_signature(o), "optimizer", rt_optim_doc(o));
    const rt_schedule_kind *s = rt_schedule_find(name);
    return s && row_help(p, rt_schedule_signature(s), "scheduler",
                         rt_schedule_doc(s));
}

static bool attribute_help(page *p, const char *name)
{
    char owner[48], type[48], line[160];
    bool found = false;
    for (int i = 0; i < lang__attribute_count(); i++) {
        const lang__attribute *a = lang__attribute_at(i);
        if (strcmp(a->name, name))
            continue;
        lang__type_text(owner, LANG__TYPE(a->owner));
        lang__type_text(type, a->type);
        snprintf(line, sizeof line, "%s.%s -> %s", owner, name, type);
        code(p, line);
        paragraph(p, a->doc);
        found = true;
    }
    return found;
}

static bool magic_help(page *p, const char *name)
{
    static const struct { const char *name, *args, *doc; } magics[] = {
#define MAGIC(id, name, cell, args, doc) {name, args, doc},
#include "lang/magics.def"
#undef MAGIC
    };
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        if (strcmp(magics[i].name, name))
            continue;
        char line[96];
        snprintf(line, sizeof line, "%%%s %s", name, magics[i].args);
        code(p, line);
        paragraph(p, magics[i].doc);
        return true;
    }
    return false;
}

static bool help(page *p, lang__place *place, const char *name, int detail)
{
    if (name[0] == '%')
        return magic_help(p, name + 1);
    if (session_help(p, place->symbols, name, detail) ||
        cell_help(p, place, name))
        return true;
    bool found = builtin_help(p, name);
    found |= op_help(p, name, detail);
    found = found || constructor_help(p, name);
    return attribute_help(p, name) || found;
}

/* --- which name -------------------------------------------------------------------- */

/* The word the cursor touches, with a macro's `!`; "" when there is none. */
static const char *word_at(lang__arena *a, const lang__source *s,
                           uint32_t cursor)
{
    lang__tokens tokens;
    lang__diagnostics errors = {.arena = a};
    lang__lex(&tokens, (lang__source *)s, (lang__span){0, 0}, &errors);
    for (int i = 0; i < tokens.count; i++) {
        const lang__token *t = &tokens.items[i];
        if (t->span.start > cursor)
            break;
        if (t->span.end < cursor)
            continue;
        if (t->kind == T_NAME)
            return t->text;
        if (t->kind == T_HELP) {
            const char *dot = strrchr(t->text, '.');
            return dot ? dot + 1 : t->text;
        }
        if (t->kind == T_MAGIC)
            return lang__arena_format(a, "%%%s", t->text);
    }
    return "";
}

static bool write_page(lang_bundle *out, const page *p)
{
    return !p->failed && p->plain &&
           lang_bundle_add(out, "text/plain", p->plain, p->nplain, false,
                           NULL) == RT_OK &&
           lang_bundle_add(out, "text/markdown", p->markdown, p->nmarkdown,
                           false, NULL) == RT_OK;
}

rt_status lang__inspect(const lang_symbols *t, const char *source, size_t size,
                        int cursor, int detail, lang_bundle *out)
{
    lang__place place;
    page p = {0};
    lang__source *whole = NULL;
    rt_status status = RT_E_MEMORY;
    memset(out, 0, sizeof *out);
    if (lang__place_init(&place, t, source, size, cursor) &&
        lang__source_new(&whole, source, size, 0, NULL, NULL) == RT_OK) {
        const char *word = word_at(&place.arena, whole, place.cursor);
        bool found = word[0] && help(&p, &place, word, detail);
        if (!found && place.call)
            found = help(&p, &place, place.call, detail);
        bool whole_page = found && write_page(out, &p);
        status = place.arena.failed || (found && !whole_page) ? RT_E_MEMORY
                 : found                                      ? RT_OK
                                                              : RT_E_NAME;
    }
    if (status)
        lang_bundle_dispose(out);
    rt_free(p.plain);
    rt_free(p.markdown);
    lang__source_release(whole);
    lang__place_free(&place);
    return status;
}

bool lang_inspect(const lang_symbols *t, const char *source, size_t size,
                  int cursor, int detail, lang_bundle *out)
{
    return lang__inspect(t, source, size, cursor, detail, out) == RT_OK;
}

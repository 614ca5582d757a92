/* SPDX-License-Identifier: MIT
 * Finding out what stands at a cursor. */
#include "lang/place.h"

#include "lang/check.h"

#include <string.h>

lang__type lang__type_parse(const char *text)
{
    size_t size = strcspn(text, "[");
    int kind = lang__type_named(text, size);
    lang__type t = LANG__TYPE((uint8_t)(kind < 0 ? LANG__ANY : kind));
    for (const char *at = text + size; !strncmp(at, "[]", 2) && t.depth < 8;
         at += 2)
        t.depth++;
    return t;
}

/* --- names -------------------------------------------------------------------- */

static const lang__local *local_named(lang__local *const *list, int n,
                                      const char *name)
{
    for (int i = n - 1; i >= 0; i--) {
        if (!strcmp(list[i]->name, name))
            return list[i];
    }
    return NULL;
}

static const lang__local *cell_local(const lang__place *p, const char *name)
{
    const lang__local *l = NULL;
    if (p->function)
        l = local_named(p->function->locals, p->function->nslots, name);
    else
        l = local_named(p->program->locals, p->program->nslots, name);
    return l ? l : local_named(p->program->globals, p->program->nglobals, name);
}

static bool cell_variable(const lang__place *p, const char *name,
                          lang__type *out)
{
    const lang__function *f = p->function;
    if (!p->program)
        return false;
    int field = f && f->owner ? lang__member_index(f->owner, name) : -1;
    const lang__local *l = cell_local(p, name);
    if (l)
        *out = l->type.kind == LANG__BAD ? LANG__TYPE(LANG__ANY) : l->type;
    else if (field >= 0)
        *out = f->owner->members[field].type;
    return l || field >= 0;
}

bool lang__place_variable(lang__place *p, const char *name, lang__type *out)
{
    if (cell_variable(p, name, out))
        return true;
    for (int i = 0; i < lang_symbols_count(p->symbols); i++) {
        lang_symbol s = lang_symbols_at(p->symbols, i);
        if (strcmp(s.name, name))
            continue;
        bool function = !s.type[0] || !strcmp(s.kind, "function");
        *out = function ? LANG__TYPE(LANG_FUNCTION) : lang__type_parse(s.type);
        return true;
    }
    return false;
}

static bool find(void *ctx, const char *name, lang__known *out)
{
    lang__place *p = ctx;
    *out = (lang__known){0};
    if (lang__place_variable(p, name, &out->type))
        return true;
    for (int i = 0; p->program && i < p->program->body.count; i++) {
        const lang__stmt *s = p->program->body.items[i];
        if (s->kind == S_FUNCTION && !strcmp(s->u.function->name, name)) {
            out->kind = LANG__KNOWN_FUNCTION;
            out->signature = &s->u.function->signature;
            return true;
        }
        if (s->kind == S_MODULE && !strcmp(s->u.module->name, name)) {
            out->kind = LANG__KNOWN_MODULE;
            out->signature = &s->u.module->signature;
            return true;
        }
    }
    return false;
}

/* While the cell itself is checked, only the session's names count. */
static bool find_symbol(void *ctx, const char *name, lang__known *out)
{
    lang__place *p = ctx;
    return p->program == NULL && find(ctx, name, out);
}

/* --- tokens -------------------------------------------------------------------- */

static bool is_wordlike(const lang__token *t)
{
    return t->kind == T_NAME || (t->kind > T_BAD && t->kind <= T_WHILE);
}

/* A comment between the last token and the cursor. */
static bool in_comment(const lang__place *p)
{
    const lang__tokens *t = &p->tokens;
    uint32_t from = t->count > 1 ? t->items[t->count - 2].span.end : 0;
    const char *text = p->source->text;
    for (uint32_t i = from; i + 1 < p->cursor; i++) {
        if (text[i] == '/' && text[i + 1] == '/') {
            const char *end = memchr(text + i, '\n', p->cursor - i);
            if (!end)
                return true;
            i = (uint32_t)(end - text);
        }
    }
    return t->open_comment;
}

static void find_word(lang__place *p)
{
    int last = p->tokens.count - 2;              /* before END */
    p->prefix = "";
    p->start = p->cursor;
    p->last = last;
    if (last < 0)
        return;
    const lang__token *t = &p->tokens.items[last];
    if (t->span.end != p->cursor || !is_wordlike(t))
        return;
    p->start = t->span.start;
    p->prefix = lang__arena_text(&p->arena, p->source->text + p->start,
                                 p->cursor - p->start);
    p->last = last - 1;
}

/* The opening bracket around the cursor, and whose it is. */
static void find_call(lang__place *p)
{
    int level = 0;
    for (int i = p->last; i >= 0; i--) {
        int kind = p->tokens.items[i].kind;
        if (kind == T_RPAREN || kind == T_RBRACKET || kind == T_RBRACE)
            level++;
        if (kind != T_LPAREN && kind != T_LBRACKET && kind != T_LBRACE)
            continue;
        if (level-- > 0)
            continue;
        const lang__token *name = i > 0 ? &p->tokens.items[i - 1] : NULL;
        if (kind != T_LPAREN || !name || name->kind != T_NAME)
            return;
        int before = p->tokens.items[p->last].kind;
        p->call = name->text;
        p->argument = before == T_LPAREN || before == T_COMMA;
        return;
    }
}

/* Whether the bracket at this byte is still open at the cursor. */
static bool still_open(const lang__place *p, uint32_t at)
{
    int level = 0;
    for (int i = p->tokens.count - 1; i >= 0; i--) {
        const lang__token *t = &p->tokens.items[i];
        level += t->kind == T_RBRACE;
        if (t->kind != T_LBRACE)
            continue;
        if (level == 0 && t->span.start == at)
            return true;
        level -= level > 0;
    }
    return false;
}

static void find_function(lang__place *p)
{
    const lang__block *b = &p->program->body;
    for (int i = 0; i < b->count; i++) {
        const lang__stmt *s = b->items[i];
        if (s->kind == S_FUNCTION &&
            still_open(p, s->u.function->body_span.start))
            p->function = s->u.function;
        for (int k = 0; s->kind == S_MODULE && k < s->u.module->nmethods; k++) {
            lang__function *f = s->u.module->methods[k];
            if (still_open(p, f->body_span.start))
                p->function = f;
        }
    }
}

bool lang__place_init(lang__place *p, const lang_symbols *symbols,
                      const char *source, size_t size, int cursor)
{
    memset(p, 0, sizeof *p);
    p->symbols = symbols;
    if (!lang__arena_init(&p->arena))
        return false;
    int codepoints = cursor < 0 ? 0 : cursor;
    size_t end = lang__utf8_offset(source, size, codepoints);
    if (lang__source_new(&p->source, source, end, 0, NULL, NULL) != RT_OK)
        return false;
    p->cursor = p->source->size;
    lang__diagnostics errors = {.arena = &p->arena};
    lang__lex(&p->tokens, p->source, (lang__span){0, 0}, &errors);
    find_word(p);
    p->text = p->tokens.open_string || in_comment(p);
    find_call(p);
    lang__scope scope = {p, find_symbol, NULL, NULL};
    lang__check_request request = {.source = p->source, .scope = &scope,
                                   .arena = &p->arena};
    p->program = lang__check_partial(&request);
    if (p->program)
        find_function(p);
    return !p->arena.failed;
}

void lang__place_free(lang__place *p)
{
    lang__source_release(p->source);
    lang__arena_free(&p->arena);
}

/* --- the object before a dot ------------------------------------------------------- */

static int opening(const lang__place *p, int close)
{
    int level = 0;
    for (int i = close; i >= 0; i--) {
        int kind = p->tokens.items[i].kind;
        level += kind == T_RPAREN || kind == T_RBRACKET || kind == T_RBRACE;
        level -= kind == T_LPAREN || kind == T_LBRACKET || kind == T_LBRACE;
        if (level == 0)
            return i;
    }
    return -1;
}

/* First token of the chain x.f(1)[2] that ends at token i; -1: none. */
static int chain_start(const lang__place *p, int i)
{
    while (i >= 0) {
        int kind = p->tokens.items[i].kind;
        if (kind == T_RPAREN || kind == T_RBRACKET) {
            i = opening(p, i);
            if (i <= 0)
                return i;
            int before = p->tokens.items[i - 1].kind;
            if (before != T_NAME && before != T_RPAREN && before != T_RBRACKET)
                return i;
            i--;
        } else if (kind == T_NAME) {
            if (i < 2 || (p->tokens.items[i - 1].kind != T_DOT &&
                          p->tokens.items[i - 1].kind != T_PATH))
                return i;
            i -= 2;
        } else {
            return kind == T_STRING ? i : -1;
        }
    }
    return -1;
}

lang__type lang__place_object(lang__place *p, int dot, bool *names,
                              lang__module **cls)
{
    lang__type unknown = LANG__TYPE(LANG__BAD);
    int start = chain_start(p, dot - 1);
    *names = false;
    *cls = NULL;
    if (start < 0)
        return unknown;
    const lang__token *first = &p->tokens.items[start];
    lang__type ignored;
    if (start == dot - 1 && first->kind == T_NAME &&
        lang__namespace_name(first->text) &&
        !lang__place_variable(p, first->text, &ignored)) {
        *names = true;
        return unknown;
    }
    lang__scope scope = {p, find, NULL, NULL};
    lang__check_request request = {
        .source = p->source, .scope = &scope, .arena = &p->arena,
        .range = {first->span.start, p->tokens.items[dot - 1].span.end},
        .expression = true};
    lang__program *program;
    lang__diagnostics errors;
    if (lang__check(&program, &errors, &request) != RT_OK)
        return unknown;
    const lang__expr *e = program->body.items[0]->u.expr.value;
    const lang__local *l = e->kind == E_GLOBAL && p->program
                               ? cell_local(p, e->u.name.text) : NULL;
    *cls = l ? l->cls : e->cls;
    return e->type;
}

/* SPDX-License-Identifier: MIT
 * Types, variables, functions and modules as they are written, in C's way and
 * in Rust's. */
#include "lang/parser.h"

#include <stdio.h>
#include <string.h>

/* --- types ------------------------------------------------------------------ */

static bool one_of(const char *word, const char *const *list)
{
    for (; *list; list++) {
        if (!strcmp(word, *list))
            return true;
    }
    return false;
}

static const char *const qualifiers[] = {"static", "inline", "volatile",
                                         "register", "mut", "constexpr", NULL};
static const char *const number_words[] = {
    "unsigned", "signed", "long", "short", "int", "char", "double", "float",
    NULL};
static const char *const list_words[] = {"vector", "Vec", "list", "List", NULL};

static bool at_name_in(const lang__parser *p, const char *const *list)
{
    lang__token *t = lang__peek(p, 0);
    return t->kind == T_NAME && one_of(t->text, list);
}

static void skip_qualifiers(lang__parser *p, lang__written *w)
{
    for (;;) {
        if (lang__accept(p, T_CONST))
            w->constant = true;
        else if (at_name_in(p, qualifiers) &&
                 (lang__peek(p, 1)->kind == T_NAME ||
                  lang__peek(p, 1)->kind == T_AUTO ||
                  lang__peek(p, 1)->kind == T_CONST))
            lang__take(p);
        else
            return;
    }
}

/* unsigned long long int, long double, ... */
static void number_type(lang__parser *p, lang__written *w)
{
    w->type.kind = LANG_INT;
    while (at_name_in(p, number_words)) {
        const char *word = lang__take(p)->text;
        if (!strcmp(word, "double") || !strcmp(word, "float"))
            w->type.kind = LANG_FLOAT;
        w->character |= !strcmp(word, "char");
    }
}

/* The `>` that closes Vec<Vec<f64>>, where two are one token. */
static bool close_angle(lang__parser *p)
{
    if (lang__is(p, T_SHR)) {
        lang__token *t = lang__peek(p, 0);
        t->kind = T_GT;
        t->span.start++;
        return true;
    }
    return lang__expect(p, T_GT, "after the type of the elements");
}

static bool deepen(lang__parser *p, lang__written *w)
{
    if (w->type.depth >= 8) {
        lang__syntax(p, LANG__D_NESTING, lang__peek(p, 0)->span,
                     "lists of more than 8 levels are not supported");
        return false;
    }
    w->type.depth++;
    return true;
}

/* Rust's &[f64], [f64; 3]. */
static bool bracket_type(lang__parser *p, lang__written *w)
{
    lang__take(p);
    if (!lang__read_type(p, w))
        return false;
    if (lang__accept(p, T_SEMICOLON))
        lang__read_expr(p);
    return lang__expect(p, T_RBRACKET, "after the type of the elements") &&
           deepen(p, w);
}

static bool named_type(lang__parser *p, lang__written *w)
{
    while (lang__is(p, T_NAME) && lang__peek(p, 1)->kind == T_PATH &&
           lang__peek(p, 2)->kind == T_NAME)
        p->at += 2;                           /* std:: torch:: */
    if (at_name_in(p, number_words)) {
        number_type(p, w);
        return true;
    }
    lang__token *t = lang__take(p);
    w->span = t->span;
    if (one_of(t->text, list_words) && lang__accept(p, T_LT))
        return lang__read_type(p, w) && close_angle(p) && deepen(p, w);
    int kind = lang__type_named(t->text, strlen(t->text));
    if (kind >= 0)
        w->type.kind = (uint8_t)kind;
    else
        w->name = t->text;
    return true;
}

/* Behind the type's name: [] * & */
static bool type_suffix(lang__parser *p, lang__written *w)
{
    skip_qualifiers(p, w);
    while (lang__is(p, T_LBRACKET) && lang__peek(p, 1)->kind == T_RBRACKET) {
        p->at += 2;
        if (!deepen(p, w))
            return false;
    }
    if (w->name)
        return true;
    while (lang__is(p, T_AND) || lang__is(p, T_BOTH))
        lang__take(p);                        /* const Tensor& x */
    while (lang__is(p, T_MUL)) {
        lang__token *t = lang__take(p);
        skip_qualifiers(p, w);
        if (w->character && !w->pointer) {
            w->pointer = true;
            w->type.kind = LANG_STRING;       /* char *s */
            continue;
        }
        lang__diagnostic *d = lang__syntax(p, LANG__D_NOT_IN_LANGUAGE, t->span,
                                           "there are no pointer types");
        lang__syntax_help(p, d, "use a list (`float[] a`), a Tensor, or drop "
                          "the `*`: tensors, lists and modules are handles");
        return false;
    }
    return true;
}

bool lang__read_type(lang__parser *p, lang__written *w)
{
    if (!lang__enter(p))
        return false;
    bool ok = false;
    uint32_t start = lang__peek(p, 0)->span.start;
    while (lang__is(p, T_AND) || lang__is(p, T_BOTH))
        lang__take(p);                        /* Rust's &T, &mut T */
    skip_qualifiers(p, w);
    if (lang__accept(p, T_AUTO)) {
        w->inferred = true;
        ok = type_suffix(p, w);
    } else if (lang__is(p, T_LBRACKET)) {
        ok = bracket_type(p, w);
    } else if (lang__is(p, T_NAME)) {
        ok = named_type(p, w) && type_suffix(p, w);
    } else {
        lang__syntax(p, LANG__D_SYNTAX, lang__peek(p, 0)->span,
                     "expected a type");
    }
    w->span = (lang__span){start, lang__last_span(p).end};
    lang__leave(p);
    return ok;
}

/* Reads a type without reporting or keeping anything: the token behind it, or
 * -1. */
static int try_type(const lang__parser *p, int i, lang__written *w)
{
    lang__parser trial = *p;
    trial.at = i;
    trial.panic = true;
    *w = (lang__written){0};
    int kind = p->tokens[i].kind;
    if (kind != T_NAME && kind != T_CONST && kind != T_AUTO)
        return -1;
    return lang__read_type(&trial, w) && trial.at > i ? trial.at : -1;
}

int lang__skip_type(const lang__parser *p, int i)
{
    lang__written w;
    int behind = try_type(p, i, &w);
    return behind < 0 || w.name || w.inferred ? -1 : behind;
}

/* `Foo x = ...`: not a type we know, but written as if it were one. */
static bool looks_declared(const lang__token *name, const lang__token *next)
{
    if (name->first || !strcmp(name->text, "in") || !strcmp(name->text, "as"))
        return false;
    return next->kind == T_ASSIGN || next->kind == T_SEMICOLON ||
           next->kind == T_LBRACKET || next->kind == T_LPAREN ||
           next->kind == T_COLON || next->kind == T_COMMA ||
           next->kind == T_END;
}

bool lang__at_declaration(const lang__parser *p)
{
    lang__token *t = lang__peek(p, 0);
    if (t->kind == T_CONST || t->kind == T_AUTO)
        return true;
    if (t->kind != T_NAME)
        return false;
    lang__written w;
    int behind = try_type(p, p->at, &w);
    if (behind < 0) {                         /* int *p, int **p */
        return lang__type_named(t->text, strlen(t->text)) >= 0 &&
               lang__peek(p, 1)->kind == T_MUL;
    }
    lang__token *name = &p->tokens[behind];
    if (name->kind != T_NAME)
        return false;
    lang__token *next = &p->tokens[behind + 1 < p->count ? behind + 1 : behind];
    return !w.name || looks_declared(name, next);
}

/* --- names -------------------------------------------------------------------- */

lang__local *lang__new_local(lang__parser *p, const lang__token *name)
{
    lang__local *l = LANG__NEW(p->arena, lang__local);
    l->name = name->kind == T_NAME ? name->text : "";
    l->span = name->span;
    l->slot = -1;
    return l;
}

static lang__local *read_name(lang__parser *p, const char *what)
{
    lang__token *t = lang__peek(p, 0);
    if (t->kind == T_NAME)
        return lang__new_local(p, lang__take(p));
    if (t->kind > T_BAD && t->kind <= T_WHILE)
        lang__syntax(p, LANG__D_SYNTAX, t->span,
                     "%s is a reserved word and cannot name %s",
                     lang__token_text(t->kind), what);
    else
        lang__syntax(p, LANG__D_SYNTAX, t->span,
                     "expected a name for %s, found %s", what,
                     lang__token_text(t->kind));
    return lang__new_local(p, t);
}

int lang__read_names(lang__parser *p, int close, lang__local ***out)
{
    int count = 0;
    *out = NULL;
    lang__take(p);
    while (!lang__is(p, close) && !lang__is(p, T_END) && !p->panic) {
        while (lang__is(p, T_AND) || lang__is_word(p, "mut"))
            lang__take(p);
        lang__local *l = read_name(p, "a variable");
        l->written.inferred = true;
        lang__local **slot = LANG__PUSH(p->arena, *out, count);
        if (slot)
            *slot = l;
        if (!lang__accept(p, T_COMMA))
            break;
    }
    lang__expect(p, close, "after the names");
    return count;
}

/* --- variables ------------------------------------------------------------------ */

/* name[3][4]: sizes; name[]: a level of list without one. */
static void array_suffix(lang__parser *p, lang__stmt *s, lang__written *w)
{
    while (lang__is(p, T_LBRACKET) && !p->panic) {
        lang__take(p);
        if (w->character && !w->pointer && w->type.depth == 0) {
            w->type.kind = LANG_STRING;       /* char s[10] */
            w->pointer = true;
            if (!lang__is(p, T_RBRACKET))
                lang__read_expr(p);
            lang__expect(p, T_RBRACKET, "after the size");
            continue;
        }
        deepen(p, w);
        if (!lang__is(p, T_RBRACKET)) {
            lang__expr *size = lang__read_expr(p);
            lang__expr **slot = LANG__PUSH(p->arena, s->u.declare.sizes,
                                           s->u.declare.nsizes);
            if (slot)
                *slot = size;
        }
        lang__expect(p, T_RBRACKET, "after the size");
    }
}

static void variable(lang__parser *p, lang__written w, lang__local *name,
                     lang__block *out)
{
    lang__stmt *s = lang__new_stmt(p, S_DECLARE, name->span);
    array_suffix(p, s, &w);
    s->u.declare.local = name;
    name->written = w;
    name->constant = w.constant && !w.pointer;
    if (lang__accept(p, T_ASSIGN)) {
        s->u.declare.init = lang__read_initializer(p);
        s->span.end = s->u.declare.init->span.end;
    }
    lang__add_stmt(p, out, s);
}

static void binding(lang__parser *p, lang__block *out, int close, bool let)
{
    lang__stmt *s = lang__new_stmt(p, S_BIND, lang__peek(p, 0)->span);
    s->u.bind.count = lang__read_names(p, close, &s->u.bind.locals);
    for (int i = 0; i < s->u.bind.count; i++)
        s->u.bind.locals[i]->repeatable = let;
    if (lang__expect(p, T_ASSIGN, "after the names"))
        s->u.bind.value = lang__read_initializer(p);
    else
        s->u.bind.value = lang__new_expr(p, E_BAD, lang__last_span(p));
    s->span.end = lang__last_span(p).end;
    lang__add_stmt(p, out, s);
}

void lang__read_let(lang__parser *p, lang__block *out)
{
    lang__take(p);
    if (lang__is_word(p, "mut"))
        lang__take(p);
    if (lang__is(p, T_LPAREN) || lang__is(p, T_LBRACKET)) {
        binding(p, out, lang__is(p, T_LPAREN) ? T_RPAREN : T_RBRACKET, true);
        return;
    }
    lang__local *name = read_name(p, "a variable");
    lang__written w = {.inferred = true};
    if (lang__accept(p, T_COLON)) {
        w.inferred = false;
        lang__read_type(p, &w);
    }
    name->repeatable = true;
    variable(p, w, name, out);
}

/* --- functions --------------------------------------------------------------------- */

/* A parameter's default: a literal, a negative number, an empty list. */
static bool fold(lang__constant *out, const lang__expr *e)
{
    if (e->kind == E_CONSTANT) {
        *out = e->u.constant;
        return true;
    }
    if (e->kind == E_LIST && e->u.list.count == 0) {
        out->kind = LANG_LIST;
        return true;
    }
    if (e->kind != E_UNARY || e->u.unary.op != O_NEG ||
        e->u.unary.operand->kind != E_CONSTANT)
        return false;
    *out = e->u.unary.operand->u.constant;
    if (out->kind == LANG_INT)
        out->i = (int64_t)(0 - (uint64_t)out->i);
    else if (out->kind == LANG_FLOAT)
        out->f = -out->f;
    else
        return false;
    return true;
}

static void parameter_default(lang__parser *p, lang__param *param)
{
    if (!lang__accept(p, T_ASSIGN))
        return;
    lang__expr *e = lang__read_expr(p);
    param->has_default = fold(&param->value, e);
    if (!param->has_default)
        lang__syntax(p, LANG__D_DEFINITION, e->span,
                     "the default of `%s` is not a constant", param->name);
}

/* "Tensor x", or with rust "x: Tensor". */
static lang__local *parameter(lang__parser *p, lang__param *param, bool rust)
{
    lang__written w = {0};
    lang__local *l;
    if (rust) {
        if (lang__is_word(p, "mut"))
            lang__take(p);
        l = read_name(p, "a parameter");
        if (lang__is(p, T_RPAREN) || lang__is(p, T_COMMA))
            lang__syntax(p, LANG__D_SYNTAX, l->span,
                         "the parameter `%s` needs a type: write `%s: Tensor`",
                         l->name, l->name);
        else if (lang__expect(p, T_COLON, "after the parameter's name"))
            lang__read_type(p, &w);
    } else {
        lang__read_type(p, &w);
        if (w.name && (lang__is(p, T_RPAREN) || lang__is(p, T_COMMA)))
            lang__syntax(p, LANG__D_SYNTAX, w.span,
                         "the parameter `%s` needs a type before its name: "
                         "write `Tensor %s`",
                         w.name, w.name);
        l = read_name(p, "a parameter");
    }
    lang__stmt scratch = {0};
    array_suffix(p, &scratch, &w);
    if (w.inferred)
        lang__syntax(p, LANG__D_DEFINITION, l->span,
                     "a parameter needs a type: `%s` has none", l->name);
    l->written = w;
    l->constant = w.constant && !w.pointer;
    param->name = l->name;
    param->type = w.type;
    parameter_default(p, param);
    return l;
}

/* Rust's receiver: self, &self, &mut self. */
static bool skip_self(lang__parser *p)
{
    int ahead = lang__is(p, T_AND);
    lang__token *t = lang__peek(p, ahead);
    if (ahead && t->kind == T_NAME && !strcmp(t->text, "mut"))
        t = lang__peek(p, ++ahead);
    if (t->kind != T_NAME || strcmp(t->text, "self"))
        return false;
    p->at += ahead + 1;
    return true;
}

/* ( ... ) of a function or module. */
static lang__local **parameters(lang__parser *p, lang__signature *s, bool rust)
{
    lang__local **locals = NULL;
    int count = 0;
    lang__expect(p, T_LPAREN, "before the parameters");
    if (lang__is_word(p, "void") && lang__peek(p, 1)->kind == T_RPAREN)
        lang__take(p);
    while (!lang__is(p, T_RPAREN) && !lang__is(p, T_END) && !p->panic) {
        if (!rust || !skip_self(p)) {
            if (count == RT_MAX_ARGS) {
                lang__syntax(p, LANG__D_DEFINITION, lang__peek(p, 0)->span,
                             "a function has at most %d parameters", count);
                break;
            }
            lang__param param = {0};
            lang__local *l = parameter(p, &param, rust);
            lang__param *to = LANG__PUSH(p->arena, s->params, s->nparams);
            lang__local **slot = LANG__PUSH(p->arena, locals, count);
            if (to)
                *to = param;
            if (slot)
                *slot = l;
        }
        if (!lang__accept(p, T_COMMA))
            break;
    }
    lang__expect(p, T_RPAREN, "after the parameters");
    return locals;
}

static void function_body(lang__parser *p, lang__function *f)
{
    bool outer = p->in_function, block = p->in_block;
    p->in_function = true;
    p->in_block = true;
    f->body_span = lang__peek(p, 0)->span;
    lang__stmt *body = lang__read_block(p);
    f->body = body->u.block;
    f->body_span.end = lang__last_span(p).end;
    f->span.end = f->body_span.end;
    p->in_function = outer;
    p->in_block = block;
}

static lang__function *new_function(lang__parser *p, lang__local *name,
                                    uint32_t start)
{
    lang__function *f = LANG__NEW(p->arena, lang__function);
    f->name = name->name;
    f->signature.name = name->name;
    f->name_span = name->span;
    f->span = (lang__span){start, start};
    if (p->in_function)
        lang__syntax(p, LANG__D_DEFINITION, name->span,
                     "a function cannot be defined inside another");
    return f;
}

static void add_function(lang__parser *p, lang__block *out, lang__function *f)
{
    lang__stmt *s = lang__new_stmt(p, S_FUNCTION, f->span);
    s->u.function = f;
    lang__add_stmt(p, out, s);
}

static void c_function(lang__parser *p, lang__written w, lang__local *name,
                       uint32_t start, lang__block *out)
{
    lang__function *f = new_function(p, name, start);
    f->result = w;
    f->infer_result = w.inferred;
    f->params = parameters(p, &f->signature, false);
    if (lang__accept(p, T_ARROW)) {           /* auto f() -> float */
        f->result = (lang__written){0};
        f->infer_result = false;
        lang__read_type(p, &f->result);
    }
    if (lang__is(p, T_SEMICOLON)) {           /* a prototype says nothing new */
        lang__take(p);
        return;
    }
    if (!lang__is(p, T_LBRACE)) {
        lang__expect(p, T_LBRACE, "at the start of the function's body");
        return;
    }
    function_body(p, f);
    add_function(p, out, f);
}

/* fn f(x: f64) -> f64 { x * x }: the last expression is the result. */
void lang__read_rust_function(lang__parser *p, lang__block *out)
{
    uint32_t start = lang__take(p)->span.start;
    lang__local *name = read_name(p, "a function");
    lang__function *f = new_function(p, name, start);
    f->params = parameters(p, &f->signature, true);
    f->result.type.kind = LANG_VOID;
    if (lang__accept(p, T_ARROW))
        lang__read_type(p, &f->result);
    bool outer = p->in_rust;
    p->in_rust = true;
    if (lang__is(p, T_LBRACE))
        function_body(p, f);
    else
        lang__expect(p, T_LBRACE, "at the start of the function's body");
    p->in_rust = outer;
    lang__stmt *last = f->body.count ? f->body.items[f->body.count - 1] : NULL;
    if (last && last->kind == S_EXPR && last->u.expr.shown) {
        last->u.expr.shown = false;
        if (f->result.name || f->result.type.kind != LANG_VOID)
            last->kind = S_RETURN;
    }
    add_function(p, out, f);
}

void lang__read_declaration(lang__parser *p, lang__block *out)
{
    uint32_t start = lang__peek(p, 0)->span.start;
    lang__written w = {0};
    if (!lang__read_type(p, &w))
        return;
    if (w.inferred && (lang__is(p, T_LBRACKET) || lang__is(p, T_LPAREN))) {
        binding(p, out, lang__is(p, T_LPAREN) ? T_RPAREN : T_RBRACKET, false);
        return;
    }
    if (!lang__is(p, T_NAME) && w.constant && w.span.end > w.span.start &&
        w.name) {                             /* const N = 3 */
        lang__token t = *lang__peek(p, -1);
        w = (lang__written){.inferred = true, .constant = true};
        variable(p, w, lang__new_local(p, &t), out);
        return;
    }
    lang__local *name = read_name(p, "a variable");
    if (lang__is(p, T_LPAREN)) {
        c_function(p, w, name, start, out);
        return;
    }
    variable(p, w, name, out);
    while (!p->panic && lang__accept(p, T_COMMA))
        variable(p, w, read_name(p, "a variable"), out);
}

/* --- modules ------------------------------------------------------------------------ */

static void add_member(lang__parser *p, lang__module *m, lang__local *l)
{
    lang__member *slot = LANG__PUSH(p->arena, m->members, m->nmembers);
    if (!slot)
        return;
    slot->name = l->name;
    slot->span = l->span;
    slot->constant = l->constant;
    slot->declared = l;
}

static void add_method(lang__parser *p, lang__module *m, lang__function *f)
{
    lang__function **slot = LANG__PUSH(p->arena, m->methods, m->nmethods);
    if (slot)
        *slot = f;
    f->owner = m;
}

/* What a declaration in the body of a module made. */
static void adopt(lang__parser *p, lang__module *m, const lang__stmt *s)
{
    if (s->kind == S_FUNCTION) {
        add_method(p, m, s->u.function);
    } else if (s->kind == S_DECLARE) {
        add_member(p, m, s->u.declare.local);
        if (m->nmembers == 0)
            return;                           /* no memory */
        lang__member *last = &m->members[m->nmembers - 1];
        last->init = s->u.declare.init;
        last->sizes = s->u.declare.sizes;
        last->nsizes = s->u.declare.nsizes;
    } else {
        lang__syntax(p, LANG__D_DEFINITION, s->span,
                     "the fields of a module are declared one by one");
    }
}

static void module_item(lang__parser *p, lang__module *m)
{
    lang__block made = {0};
    bool function = false;
    if (lang__is(p, T_LET)) {
        lang__read_let(p, &made);
    } else if (lang__is_word(p, "fn")) {
        lang__read_rust_function(p, &made);
    } else if (lang__at_declaration(p)) {
        lang__read_declaration(p, &made);
    } else {
        lang__syntax(p, LANG__D_DEFINITION, lang__peek(p, 0)->span,
                     "a module holds fields and functions, no statements");
        return;
    }
    for (int i = 0; i < made.count; i++) {
        function |= made.items[i]->kind == S_FUNCTION;
        adopt(p, m, made.items[i]);
    }
    if (!function && made.count)
        lang__expect(p, T_SEMICOLON, "after the field");
}

/* Reading goes on behind the damaged item. */
static void recover(lang__parser *p)
{
    while (!lang__is(p, T_END) && !lang__is(p, T_RBRACE)) {
        if (lang__is(p, T_LBRACE)) {
            p->at = lang__closing(p, p->at);
            lang__take(p);
            break;
        }
        if (lang__take(p)->kind == T_SEMICOLON)
            break;
    }
    p->panic = false;
}

void lang__read_module(lang__parser *p, lang__block *out)
{
    lang__module *m = LANG__NEW(p->arena, lang__module);
    m->span = lang__take(p)->span;
    lang__local *name = read_name(p, "a module");
    m->name = m->signature.name = name->name;
    m->name_span = name->span;
    m->signature.result.kind = LANG_MODULE;
    if (p->in_function || p->in_module)
        lang__syntax(p, LANG__D_DEFINITION, name->span,
                     "a module is defined at the top level of a cell");
    if (lang__is(p, T_LPAREN))
        m->params = parameters(p, &m->signature, false);
    for (int i = 0; i < m->signature.nparams && !p->arena->failed; i++) {
        add_member(p, m, m->params[i]);
        if (m->nmembers)
            m->members[m->nmembers - 1].parameter = true;
    }
    bool outer = p->in_module;
    p->in_module = true;
    if (lang__expect(p, T_LBRACE, "at the start of the module's body")) {
        while (!lang__is(p, T_RBRACE) && !lang__is(p, T_END)) {
            if (lang__accept(p, T_SEMICOLON))
                continue;
            int before = p->at;
            module_item(p, m);
            if (p->panic)
                recover(p);
            if (p->at == before)
                lang__take(p);
        }
        lang__expect(p, T_RBRACE, "at the end of the module");
    }
    p->in_module = outer;
    m->span.end = lang__last_span(p).end;
    lang__stmt *s = lang__new_stmt(p, S_MODULE, m->span);
    s->u.module = m;
    lang__add_stmt(p, out, s);
}

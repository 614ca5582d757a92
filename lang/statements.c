/* SPDX-License-Identifier: MIT
 * Statements, blocks, and the cell as a whole. */
#include "lang/checker.h"
#include "lang/parser.h"

#include <string.h>

static void statement(lang__parser *p, lang__block *out);

lang__stmt *lang__new_stmt(lang__parser *p, lang__stmt_kind kind,
                           lang__span span)
{
    lang__stmt *s = LANG__NEW(p->arena, lang__stmt);
    s->kind = (uint8_t)kind;
    s->span = span;
    return s;
}

void lang__add_stmt(lang__parser *p, lang__block *block, lang__stmt *s)
{
    lang__stmt **slot = LANG__PUSH(p->arena, block->items, block->count);
    if (slot)
        *slot = s;
}

void lang__end_statement(lang__parser *p)
{
    if (p->panic || lang__accept(p, T_SEMICOLON))
        return;
    lang__token *t = lang__peek(p, 0);
    if (t->kind == T_END && !p->in_block)
        return;
    if (t->kind == T_RBRACE && p->in_rust)
        return;
    lang__span at = lang__last_span(p);
    at.start = at.end;
    bool next_line = t->first || t->kind == T_END || t->kind == T_RBRACE;
    if (next_line) {
        lang__diagnostic *d = lang__syntax(p, LANG__D_SYNTAX, at,
                                           "a `;` is missing here");
        lang__syntax_help(p, d, "every statement but a cell's last expression "
                          "ends in `;`");
        p->panic = false;          /* as if it were there */
        return;
    }
    lang__stumble(p, t->span, "expected `;` before %s",
                  lang__found_text(p, t));
}

static bool begins_statement(const lang__token *t)
{
    switch (t->kind) {
    case T_IF: case T_FOR: case T_WHILE: case T_DO: case T_SWITCH:
    case T_RETURN: case T_BREAK: case T_CONTINUE: case T_LET: case T_AUTO:
    case T_CONST: case T_MAGIC: case T_HELP:
        return true;
    default:
        return false;
    }
}

/* After an error: behind the next `;`, before a `}` or the next statement. */
static void synchronise(lang__parser *p)
{
    while (!lang__is(p, T_END) && !lang__is(p, T_RBRACE)) {
        lang__token *t = lang__peek(p, 0);
        if (t->first && begins_statement(t))
            break;
        if (t->kind == T_LBRACE) {
            p->at = lang__closing(p, p->at);
            lang__take(p);
            break;
        }
        if (lang__take(p)->kind == T_SEMICOLON)
            break;
    }
    p->panic = false;
}

/* Statements up to `close`, each at least one token long. */
static void statements(lang__parser *p, lang__block *out, int close)
{
    while (!lang__is(p, close) && !lang__is(p, T_END)) {
        int before = p->at;
        statement(p, out);
        if (p->panic)
            synchronise(p);
        if (p->at == before)
            lang__take(p);
    }
}

lang__stmt *lang__read_block(lang__parser *p)
{
    lang__stmt *s = lang__new_stmt(p, S_BLOCK, lang__peek(p, 0)->span);
    if (!lang__enter(p))
        return s;
    lang__token *open = lang__peek(p, 0);
    bool outer = p->in_block;
    p->in_block = true;
    if (lang__expect(p, T_LBRACE, "at the start of the block")) {
        statements(p, &s->u.block, T_RBRACE);
        if (!lang__accept(p, T_RBRACE)) {
            lang__diagnostic *d =
                lang__syntax(p, LANG__D_SYNTAX, open->span,
                             "this `{` is never closed");
            lang__syntax_help(p, d, "add the missing `}`");
        }
    }
    p->in_block = outer;
    s->span.end = lang__last_span(p).end;
    lang__leave(p);
    return s;
}

/* The body of if, for, ...: a block or one statement. */
static lang__stmt *body(lang__parser *p)
{
    if (lang__is(p, T_LBRACE))
        return lang__read_block(p);
    lang__stmt *s = lang__new_stmt(p, S_BLOCK, lang__peek(p, 0)->span);
    if (!lang__enter(p))
        return s;
    bool outer = p->in_block;
    p->in_block = true;
    if (!lang__accept(p, T_SEMICOLON))
        statement(p, &s->u.block);
    p->in_block = outer;
    s->span.end = lang__last_span(p).end;
    lang__leave(p);
    return s;
}

/* Rust leaves the parentheses of a condition out: then (a) && b { is one
 * expression, and what follows it is a block. */
static bool rust_condition(const lang__parser *p)
{
    if (!lang__is(p, T_LPAREN))
        return true;
    switch (p->tokens[lang__closing(p, p->at)
                      + (lang__closing(p, p->at) < p->count - 1)].kind) {
    case T_BOTH: case T_EITHER: case T_EQ: case T_NE: case T_LT: case T_LE:
    case T_GT: case T_GE: case T_DOT: case T_ADD: case T_DIV: case T_MOD:
    case T_MATMUL: case T_OR:
        return true;
    default:
        return false;
    }
}

static lang__expr *condition(lang__parser *p, const char *word)
{
    if (rust_condition(p)) {
        if (lang__is(p, T_LBRACE))
            lang__expect(p, T_LPAREN, word);
        lang__expr *e = lang__read_expr(p);
        if (!p->panic && !lang__is(p, T_LBRACE)) {
            lang__diagnostic *d =
                lang__syntax(p, LANG__D_SYNTAX, lang__peek(p, 0)->span,
                             "expected `{` after the condition");
            lang__syntax_help(p, d, "conditions stand in parentheses, or are "
                              "followed by a block in braces");
        }
        return e;
    }
    lang__take(p);
    lang__expr *e = lang__read_expr(p);
    lang__expect(p, T_RPAREN, "after the condition");
    return e;
}

/* --- control flow --------------------------------------------------------------- */

static lang__stmt *if_statement(lang__parser *p)
{
    lang__stmt *s = lang__new_stmt(p, S_IF, lang__take(p)->span);
    if (!lang__enter(p))
        return s;
    s->u.branch.condition = condition(p, "after `if`");
    s->u.branch.yes = body(p);
    if (!p->panic && lang__accept(p, T_ELSE))
        s->u.branch.no = lang__is(p, T_IF) ? if_statement(p) : body(p);
    s->span.end = lang__last_span(p).end;
    lang__leave(p);
    return s;
}

static lang__stmt *while_statement(lang__parser *p)
{
    lang__stmt *s = lang__new_stmt(p, S_WHILE, lang__take(p)->span);
    s->u.loop.condition = condition(p, "after `while`");
    s->u.loop.body = body(p);
    s->span.end = lang__last_span(p).end;
    return s;
}

static lang__stmt *do_statement(lang__parser *p)
{
    lang__stmt *s = lang__new_stmt(p, S_DO, lang__take(p)->span);
    s->u.loop.body = body(p);
    s->u.loop.condition = lang__new_expr(p, E_BAD, lang__last_span(p));
    if (lang__expect(p, T_WHILE, "after the body of `do`") &&
        lang__expect(p, T_LPAREN, "after `while`")) {
        s->u.loop.condition = lang__read_expr(p);
        lang__expect(p, T_RPAREN, "after the condition");
        lang__end_statement(p);
    }
    s->span.end = lang__last_span(p).end;
    return s;
}

/* What the loop goes over, and its body. */
static void each_rest(lang__parser *p, lang__stmt *s, bool closing)
{
    s->u.each.over = lang__read_expr(p);
    if (closing)
        lang__expect(p, T_RPAREN, "after what the loop goes over");
    s->u.each.body = body(p);
    s->span.end = lang__last_span(p).end;
}

static bool each_separator(const lang__token *t)
{
    return t->kind == T_COLON || (t->kind == T_NAME && !strcmp(t->text, "in"));
}

/* for (float x : xs), for (auto [a, b] : batches), for (auto x in xs) */
static bool c_each(lang__parser *p, lang__stmt *s)
{
    int start = p->at;
    lang__written w = {.inferred = true};
    bool panic = p->panic;
    p->panic = true;                       /* only a trial */
    lang__take(p);                         /* ( */
    if (lang__is(p, T_LET))
        lang__take(p);
    else if (lang__at_declaration(p)) {
        w.inferred = false;
        lang__read_type(p, &w);
    }
    int at = p->at;
    bool names = lang__is(p, T_LBRACKET) || lang__is(p, T_LPAREN);
    int behind = names ? lang__closing(p, at) + 1 : at + 1;
    bool each = (names || lang__is(p, T_NAME)) && behind < p->count &&
                each_separator(&p->tokens[behind]);
    p->panic = panic;
    if (!each) {
        p->at = start;
        return false;
    }
    s->kind = S_FOR_EACH;
    s->u.each.apart = names;
    if (names) {
        s->u.each.count = lang__read_names(
            p, lang__is(p, T_LBRACKET) ? T_RBRACKET : T_RPAREN,
            &s->u.each.locals);
    } else {
        lang__local *l = lang__new_local(p, lang__take(p));
        l->written = w;
        l->constant = w.constant;
        lang__local **slot = LANG__PUSH(p->arena, s->u.each.locals,
                                        s->u.each.count);
        if (slot)
            *slot = l;
    }
    lang__take(p);                         /* : or in */
    each_rest(p, s, true);
    return true;
}

/* for i in 0..10 { }, for (x, y) in batches { } */
static bool rust_each(lang__parser *p, lang__stmt *s)
{
    bool names = lang__is(p, T_LPAREN);
    int behind = names ? lang__closing(p, p->at) + 1 : p->at + 1;
    if ((!names && !lang__is(p, T_NAME)) || behind >= p->count ||
        p->tokens[behind].kind != T_NAME ||
        strcmp(p->tokens[behind].text, "in"))
        return false;
    s->kind = S_FOR_EACH;
    s->u.each.apart = names;
    if (names) {
        s->u.each.count = lang__read_names(p, T_RPAREN, &s->u.each.locals);
    } else {
        lang__local *l = lang__new_local(p, lang__take(p));
        l->written.inferred = true;
        lang__local **slot = LANG__PUSH(p->arena, s->u.each.locals,
                                        s->u.each.count);
        if (slot)
            *slot = l;
    }
    lang__take(p);
    each_rest(p, s, false);
    return true;
}

static void for_init(lang__parser *p, lang__stmt *s)
{
    if (lang__accept(p, T_SEMICOLON))
        return;
    s->u.loop.init = lang__new_stmt(p, S_BLOCK, lang__peek(p, 0)->span);
    lang__block *made = &s->u.loop.init->u.block;
    if (lang__is(p, T_LET)) {
        lang__read_let(p, made);
    } else if (lang__at_declaration(p)) {
        lang__read_declaration(p, made);
    } else {
        do {
            lang__stmt *e = lang__new_stmt(p, S_EXPR, lang__peek(p, 0)->span);
            e->u.expr.value = lang__read_expr(p);
            e->span.end = e->u.expr.value->span.end;
            lang__add_stmt(p, made, e);
        } while (!p->panic && lang__accept(p, T_COMMA));
    }
    lang__expect(p, T_SEMICOLON, "after the start of `for`");
}

static lang__expr *for_step(lang__parser *p)
{
    lang__expr *e = lang__read_expr(p);
    if (!lang__is(p, T_COMMA))
        return e;
    lang__diagnostic *d =
        lang__syntax(p, LANG__D_NOT_IN_LANGUAGE, lang__peek(p, 0)->span,
                     "there is no comma operator");
    lang__syntax_help(p, d, "move the second step to the end of the body");
    return e;
}

static lang__stmt *for_statement(lang__parser *p)
{
    lang__stmt *s = lang__new_stmt(p, S_FOR, lang__take(p)->span);
    if (rust_each(p, s))
        return s;
    if (!lang__is(p, T_LPAREN)) {
        lang__expect(p, T_LPAREN, "after `for`");
        return s;
    }
    if (c_each(p, s))
        return s;
    lang__take(p);
    for_init(p, s);
    if (!p->panic && !lang__is(p, T_SEMICOLON))
        s->u.loop.condition = lang__read_expr(p);
    lang__expect(p, T_SEMICOLON, "after the condition of `for`");
    if (!p->panic && !lang__is(p, T_RPAREN))
        s->u.loop.step = for_step(p);
    lang__expect(p, T_RPAREN, "after the head of `for`");
    s->u.loop.body = p->panic ? lang__new_stmt(p, S_BLOCK, s->span) : body(p);
    s->span.end = lang__last_span(p).end;
    return s;
}

static void case_label(lang__parser *p, lang__stmt *s)
{
    lang__case item = {.first = s->u.select.body.count};
    if (lang__take(p)->kind == T_CASE)
        item.value = lang__read_expr(p);
    lang__expect(p, T_COLON, "after the case");
    lang__case *slot = LANG__PUSH(p->arena, s->u.select.cases,
                                  s->u.select.count);
    if (slot)
        *slot = item;
}

static lang__stmt *switch_statement(lang__parser *p)
{
    lang__stmt *s = lang__new_stmt(p, S_SWITCH, lang__take(p)->span);
    if (!lang__enter(p))
        return s;
    s->u.select.value = condition(p, "after `switch`");
    bool outer = p->in_block;
    p->in_block = true;
    if (lang__expect(p, T_LBRACE, "after the value of `switch`")) {
        while (!lang__is(p, T_RBRACE) && !lang__is(p, T_END)) {
            int before = p->at;
            if (lang__is(p, T_CASE) || lang__is(p, T_DEFAULT))
                case_label(p, s);
            else
                statement(p, &s->u.select.body);
            if (p->panic)
                synchronise(p);
            if (p->at == before)
                lang__take(p);
        }
        lang__expect(p, T_RBRACE, "at the end of `switch`");
    }
    p->in_block = outer;
    s->span.end = lang__last_span(p).end;
    lang__leave(p);
    return s;
}

/* --- the rest -------------------------------------------------------------------- */

static lang__stmt *jump(lang__parser *p, lang__stmt_kind kind)
{
    lang__stmt *s = lang__new_stmt(p, kind, lang__take(p)->span);
    if (kind == S_RETURN && !lang__is(p, T_SEMICOLON) &&
        !lang__is(p, T_RBRACE) && !lang__is(p, T_END))
        s->u.expr.value = lang__read_initializer(p);
    s->span.end = lang__last_span(p).end;
    lang__end_statement(p);
    return s;
}

static lang__stmt *no_grad(lang__parser *p)
{
    lang__span start = lang__take(p)->span;
    if (lang__is(p, T_LPAREN)) {
        lang__take(p);
        lang__expect(p, T_RPAREN, "after `no_grad(`");
    }
    lang__stmt *s = lang__read_block(p);
    s->kind = S_NO_GRAD;
    s->span.start = start.start;
    return s;
}

static lang__stmt *magic(lang__parser *p)
{
    lang__token *t = lang__take(p);
    lang__stmt *s = lang__new_stmt(p, t->kind == T_HELP ? S_HELP : S_MAGIC,
                                   t->span);
    s->u.magic.name = t->text;
    s->u.magic.rest = t->rest ? t->rest : "";
    s->u.magic.cell = t->kind == T_MAGIC && t->detail;
    s->u.magic.detail = t->kind == T_HELP && t->detail;
    s->u.magic.rest_start = t->rest_start;
    if (p->in_block)
        lang__syntax(p, LANG__D_CONTROL, t->span,
                     "a line magic stands at the top level of a cell");
    return s;
}

static lang__stmt *expression(lang__parser *p)
{
    lang__stmt *s = lang__new_stmt(p, S_EXPR, lang__peek(p, 0)->span);
    s->u.expr.value = lang__read_expr(p);
    s->span.end = lang__last_span(p).end;
    s->u.expr.shown = !p->panic && ((lang__is(p, T_END) && !p->in_block) ||
                                    (lang__is(p, T_RBRACE) && p->in_rust));
    lang__end_statement(p);
    return s;
}

/* use a::b; extern crate c; using namespace d; : accepted and ignored */
static bool ignored(lang__parser *p)
{
    lang__token *t = lang__peek(p, 0), *next = lang__peek(p, 1);
    if (t->kind != T_NAME || (next->kind != T_NAME && next->kind != T_PATH))
        return false;
    if (strcmp(t->text, "use") && strcmp(t->text, "using") &&
        (strcmp(t->text, "extern") || next->kind != T_NAME ||
         strcmp(next->text, "crate")))
        return false;
    while (!lang__is(p, T_SEMICOLON) && !lang__is(p, T_END))
        lang__take(p);
    lang__accept(p, T_SEMICOLON);
    return true;
}

/* struct, class, def, import ... */
static bool foreign(lang__parser *p)
{
    lang__token *t = lang__peek(p, 0), *next = lang__peek(p, 1);
    const char *help = t->kind == T_NAME ? lang__foreign_help(t->text, true)
                                         : NULL;
    if (!help)
        return false;
    bool condition = next->kind == T_LPAREN && !strcmp(t->text, "elif");
    if (next->kind != T_NAME && next->kind != T_LBRACE && !condition &&
        (next->kind != T_SEMICOLON || strcmp(t->text, "pass")))
        return false;
    lang__diagnostic *d = lang__syntax(p, LANG__D_NOT_IN_LANGUAGE, t->span,
                                       "`%s` is not part of the language",
                                       t->text);
    lang__syntax_help(p, d, "%s", help);
    return true;
}

static void declaration(lang__parser *p, lang__block *out)
{
    int before = out->count;
    if (lang__is(p, T_LET))
        lang__read_let(p, out);
    else
        lang__read_declaration(p, out);
    bool function = out->count > before &&
                    out->items[out->count - 1]->kind == S_FUNCTION;
    bool prototype = out->count == before && !p->panic;
    if (!function && !prototype)
        lang__end_statement(p);
}

static lang__stmt *control(lang__parser *p)
{
    switch (lang__peek(p, 0)->kind) {
    case T_IF: return if_statement(p);
    case T_WHILE: return while_statement(p);
    case T_DO: return do_statement(p);
    case T_FOR: return for_statement(p);
    case T_SWITCH: return switch_statement(p);
    case T_BREAK: return jump(p, S_BREAK);
    case T_CONTINUE: return jump(p, S_CONTINUE);
    case T_RETURN: return jump(p, S_RETURN);
    case T_LBRACE: return lang__read_block(p);
    case T_MAGIC: case T_HELP: return magic(p);
    default: return NULL;
    }
}

static bool misplaced(lang__parser *p)
{
    lang__token *t = lang__peek(p, 0);
    if (t->kind != T_CASE && t->kind != T_DEFAULT && t->kind != T_ELSE &&
        t->kind != T_RBRACE && t->kind != T_RPAREN && t->kind != T_RBRACKET)
        return false;
    bool label = t->kind == T_CASE || t->kind == T_DEFAULT;
    lang__syntax(p, label ? LANG__D_CONTROL : LANG__D_SYNTAX, t->span,
                 "%s without %s", lang__token_text(t->kind),
                 label ? "a switch around it"
                 : t->kind == T_ELSE ? "an `if` before it"
                                     : "an opening bracket before it");
    if (!label && t->kind != T_ELSE) {
        p->panic = false;            /* only this token is wrong */
        lang__take(p);
    }
    return true;
}

static void statement(lang__parser *p, lang__block *out)
{
    lang__token *next = lang__peek(p, 1);
    if (lang__accept(p, T_SEMICOLON) || misplaced(p) || ignored(p))
        return;
    lang__stmt *s = control(p);
    if (s) {
        lang__add_stmt(p, out, s);
    } else if (lang__is_word(p, "module") && next->kind == T_NAME) {
        lang__read_module(p, out);
    } else if (lang__is_word(p, "no_grad") &&
               (next->kind == T_LBRACE ||
                (next->kind == T_LPAREN && lang__peek(p, 3)->kind == T_LBRACE))) {
        lang__add_stmt(p, out, no_grad(p));
    } else if (lang__is_word(p, "fn") && next->kind == T_NAME) {
        lang__read_rust_function(p, out);
    } else if (foreign(p)) {
        return;
    } else if (lang__is(p, T_LET) || lang__at_declaration(p)) {
        declaration(p, out);
    } else {
        lang__add_stmt(p, out, expression(p));
    }
}

/* --- the cell ----------------------------------------------------------------------- */

static void whole(lang__parser *p, lang__program *program, bool expression_only)
{
    if (!expression_only) {
        statements(p, &program->body, T_END);
        return;
    }
    lang__add_stmt(p, &program->body, expression(p));
    if (!p->panic && !lang__is(p, T_END))
        lang__syntax(p, LANG__D_SYNTAX, lang__peek(p, 0)->span,
                     "one expression was expected, and something follows it");
}

rt_status lang__parse(lang__program **out, lang__diagnostics *errors,
                      const lang__check_request *request)
{
    lang__arena *arena = request->arena;
    *errors = (lang__diagnostics){.arena = arena};
    *out = NULL;
    lang__tokens tokens;
    lang__lex(&tokens, request->source, request->range, errors);
    lang__parser p = {.source = request->source, .arena = arena,
                      .errors = errors, .tokens = tokens.items,
                      .count = tokens.count};
    lang__program *program = LANG__NEW(arena, lang__program);
    program->source = request->source;
    whole(&p, program, request->expression);
    if (arena->failed)
        return RT_E_MEMORY;
    *out = program;
    return errors->count ? errors->items[0].status : RT_OK;
}

/* SPDX-License-Identifier: MIT
 * The parser's hands: tokens one after the other, errors, nesting. */
#include "lang/parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- tokens -------------------------------------------------------------- */

lang__token *lang__peek(const lang__parser *p, int ahead)
{
    int i = p->at + ahead;
    return &p->tokens[i < p->count ? i : p->count - 1];
}

bool lang__is(const lang__parser *p, int kind)
{
    return p->tokens[p->at].kind == kind;
}

bool lang__token_is(const lang__token *t, const char *word)
{
    return t->kind == T_NAME && !strcmp(t->text, word);
}

bool lang__is_word(const lang__parser *p, const char *word)
{
    return lang__token_is(&p->tokens[p->at], word);
}

lang__token *lang__take(lang__parser *p)
{
    lang__token *t = &p->tokens[p->at];
    if (p->at < p->count - 1)
        p->at++;
    return t;
}

bool lang__accept(lang__parser *p, int kind)
{
    if (!lang__is(p, kind))
        return false;
    lang__take(p);
    return true;
}

lang__span lang__last_span(const lang__parser *p)
{
    return p->tokens[p->at ? p->at - 1 : 0].span;
}

int lang__closing(const lang__parser *p, int open)
{
    int level = 0;
    for (int i = open; i < p->count; i++) {
        int kind = p->tokens[i].kind;
        level += kind == T_LPAREN || kind == T_LBRACKET || kind == T_LBRACE;
        level -= kind == T_RPAREN || kind == T_RBRACKET || kind == T_RBRACE;
        if (level == 0)
            return i;
    }
    return p->count - 1;
}

/* --- habits of other languages --------------------------------------------- */

#define STATEMENT(word, help) {word, help, true},
#define EXPRESSION(word, help) {word, help, false},
static const struct { const char *word, *help; bool statement; } foreign[] = {
#include "lang/foreign.def"
};
#undef STATEMENT
#undef EXPRESSION

const char *lang__foreign_help(const char *word, bool statement)
{
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        if (foreign[i].statement == statement && !strcmp(foreign[i].word, word))
            return foreign[i].help;
    }
    return NULL;
}

/* Where the parser stumbled: a word that other languages have, in front of it
 * or there. */
static const lang__token *foreign_word(const lang__parser *p)
{
    for (int i = p->at; i >= 0 && i >= p->at - 2; i--) {
        const lang__token *t = &p->tokens[i];
        if (t->kind == T_NAME && lang__foreign_help(t->text, false))
            return t;
    }
    return NULL;
}

static const char *habit_help(const lang__parser *p)
{
    const lang__token *t = &p->tokens[p->at];
    const lang__token *before = p->at > 0 ? t - 1 : NULL;
    bool value = t->kind == T_STRING || t->kind == T_INT ||
                 t->kind == T_FLOAT || t->kind == T_NAME;
    if (t->kind == T_COLON)
        return "blocks stand in braces: if (x > 0) { ... }, "
               "for (int i : range(3)) { ... }";
    if (t->kind == T_FOR)
        return "write a loop, list.push(x) in it; tensors need none: x * x";
    if (!before || before->kind != T_NAME || t->first || !value)
        return NULL;
    if (t->kind == T_STRING && !strcmp(before->text, "f"))
        return "use format(\"%v and %v\", a, b), or print(a, b)";
    const lang__token *start = p->at > 1 ? t - 2 : NULL;
    if (start && start->kind != T_SEMICOLON && start->kind != T_LBRACE &&
        start->kind != T_RBRACE && !before->first)
        return NULL;
    return "arguments stand in parentheses: print(\"text\", x)";
}

/* --- errors --------------------------------------------------------------- */

lang__diagnostic *lang__syntax(lang__parser *p, lang__diagnostic_id id,
                               lang__span span, const char *format, ...)
{
    if (p->panic || p->lost)
        return NULL;
    p->panic = true;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return lang__report(p->errors, id, span, "%s", text);
}

void lang__syntax_help(lang__parser *p, lang__diagnostic *d,
                       const char *format, ...)
{
    if (!d)
        return;
    char text[320];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    lang__report_help(p->errors, d, "%s", text);
}

lang__diagnostic *lang__stumble(lang__parser *p, lang__span at,
                                const char *format, ...)
{
    const lang__token *word = foreign_word(p);
    const char *help = word ? lang__foreign_help(word->text, false)
                            : habit_help(p);
    lang__diagnostic *d;
    if (word) {
        d = lang__syntax(p, LANG__D_NOT_IN_LANGUAGE, word->span,
                         "`%s` is not part of the language", word->text);
    } else {
        char text[512];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        d = lang__syntax(p, LANG__D_SYNTAX, at, "%s", text);
    }
    if (help)
        lang__syntax_help(p, d, "%s", help);
    return d;
}

/* "`foo`", "the end of the cell": what stands there. */
const char *lang__found_text(lang__parser *p, const lang__token *t)
{
    if (t->kind == T_NAME)
        return lang__arena_format(p->arena, "`%s`", t->text);
    return lang__token_text(t->kind);
}

bool lang__expect(lang__parser *p, int kind, const char *where)
{
    if (lang__accept(p, kind))
        return true;
    lang__token *t = lang__peek(p, 0);
    lang__span at = t->span;
    if (t->first || t->kind == T_END) {       /* point behind what came before */
        at = lang__last_span(p);
        at.start = at.end;
    }
    lang__stumble(p, at, "expected %s %s, found %s", lang__token_text(kind),
                  where, lang__found_text(p, t));
    return false;
}

bool lang__enter(lang__parser *p)
{
    if (p->depth < LANG__MAX_NESTING) {
        p->depth++;
        return true;
    }
    lang__diagnostic *d = lang__syntax(p, LANG__D_NESTING,
                                       lang__peek(p, 0)->span,
                                       "nested more than %d levels deep",
                                       LANG__MAX_NESTING);
    lang__syntax_help(p, d, "name inner parts: a variable or a function for "
                            "each");
    lang__give_up(p);
    return false;
}

void lang__give_up(lang__parser *p)
{
    p->at = p->count - 1;
    p->lost = true;
}

void lang__leave(lang__parser *p)
{
    p->depth--;
}

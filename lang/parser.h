/* SPDX-License-Identifier: MIT
 *
 * parser.h - what the files of the parser share: reader.c tokens and errors,
 * parser.c expressions, declarations.c types and definitions, statements.c the
 * rest.
 *
 * The first error of a statement is reported, the others of the same statement
 * are not (`panic`); reading goes on behind the next `;` or `}`.
 */
#ifndef LANG_PARSER_H
#define LANG_PARSER_H

#include "lang/ast.h"
#include "lang/lexer.h"

/* Brackets, blocks and operators in one another; and links of one chain
 * (a + b + c ..., x.f().g()...), which recursive walks feel as well. */
enum { LANG__MAX_NESTING = 200, LANG__MAX_CHAIN = 1000 };

typedef struct lang__parser {
    lang__source *source;
    lang__arena *arena;
    lang__diagnostics *errors;
    lang__token *tokens;
    int count, at;
    int depth;
    bool panic;
    bool lost;                /* nothing more is reported */
    bool in_function, in_module, in_block, in_rust;
} lang__parser;

/* --- tokens (reader.c) --- */
lang__token *lang__peek(const lang__parser *p, int ahead);
bool lang__is(const lang__parser *p, int kind);
/* The next token is this name (contextual keywords: module, in, fn). */
bool lang__is_word(const lang__parser *p, const char *word);
bool lang__token_is(const lang__token *t, const char *word);
/* "`foo`", "the end of the cell": what stands there. */
const char *lang__found_text(lang__parser *p, const lang__token *t);
lang__token *lang__take(lang__parser *p);
bool lang__accept(lang__parser *p, int kind);
/* Takes it, or reports what was expected `after`. */
bool lang__expect(lang__parser *p, int kind, const char *where);
lang__span lang__last_span(const lang__parser *p);
/* Index of the token that closes the bracket at token `open`, or of END. */
int lang__closing(const lang__parser *p, int open);

/* NULL while panicking (what it would say is noise). */
lang__diagnostic *lang__syntax(lang__parser *p, lang__diagnostic_id id,
                               lang__span span, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same where the next token did not fit; a word or sign that another
 * language would have there is named instead, with what to write. */
lang__diagnostic *lang__stumble(lang__parser *p, lang__span at,
                                const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void lang__syntax_help(lang__parser *p, lang__diagnostic *d,
                       const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* False (and reported) when nested too deeply; else pair with lang__leave. */
bool lang__enter(lang__parser *p);
void lang__leave(lang__parser *p);
/* Ends the reading where no way to go on is sensible. */
void lang__give_up(lang__parser *p);

/* --- expressions (never NULL; BAD after an error) --- */
lang__expr *lang__new_expr(lang__parser *p, lang__expr_kind kind,
                           lang__span span);
lang__expr *lang__read_expr(lang__parser *p);
/* Without a comma; braces allowed: what stands behind `=`. */
lang__expr *lang__read_initializer(lang__parser *p);

/* --- types and definitions --- */
/* Whether a type followed by a name begins here. */
bool lang__at_declaration(const lang__parser *p);
/* Reads a type; false after an error. */
bool lang__read_type(lang__parser *p, lang__written *out);
/* Tokens of a type in parentheses from token index i on: index behind it, or
 * -1. Used to tell a cast from a parenthesised expression. */
int lang__skip_type(const lang__parser *p, int i);
/* `int a = 1, b[] = {..};` or a function: statements are appended. */
void lang__read_declaration(lang__parser *p, lang__block *out);
void lang__read_let(lang__parser *p, lang__block *out);
void lang__read_rust_function(lang__parser *p, lang__block *out);
void lang__read_module(lang__parser *p, lang__block *out);
lang__local *lang__new_local(lang__parser *p, const lang__token *name);
/* [a, b] or (a, b): the names between brackets. */
int lang__read_names(lang__parser *p, int close, lang__local ***out);

/* --- statements --- */
lang__stmt *lang__new_stmt(lang__parser *p, lang__stmt_kind kind,
                           lang__span span);
void lang__add_stmt(lang__parser *p, lang__block *block, lang__stmt *s);
/* { ... } with the braces. */
lang__stmt *lang__read_block(lang__parser *p);
void lang__end_statement(lang__parser *p);

/* What a word of another language means here: help text, or NULL. */
const char *lang__foreign_help(const char *word, bool statement);

#endif

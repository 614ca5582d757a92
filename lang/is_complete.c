/* SPDX-License-Identifier: MIT
 * Whether a cell can be run as it stands, needs another line, or is wrong. */
#include "lang/checker.h"
#include "lang/lexer.h"

enum { INDENT = 4 };

/* Open brackets at the end; -1 when one closes that never opened. */
static int open_brackets(const lang__tokens *t)
{
    int depth = 0;
    for (int i = 0; i < t->count; i++) {
        int kind = t->items[i].kind;
        depth += kind == T_LPAREN || kind == T_LBRACKET || kind == T_LBRACE;
        depth -= kind == T_RPAREN || kind == T_RBRACKET || kind == T_RBRACE;
        if (depth < 0)
            return -1;
    }
    return depth;
}

/* An error at the very end: something is still to come. */
static bool only_at_end(const lang__diagnostics *errors,
                        const lang__tokens *tokens)
{
    if (tokens->count < 2)
        return false;
    uint32_t end = tokens->items[tokens->count - 2].span.end;
    for (int i = 0; i < errors->count; i++) {
        if (errors->items[i].id != LANG__D_SYNTAX ||
            errors->items[i].span.start < end)
            return false;
    }
    return true;
}

static lang_completeness judge(lang__source *source, lang__arena *arena,
                               int *indent)
{
    lang__tokens tokens;
    lang__diagnostics errors = {.arena = arena};
    lang__lex(&tokens, source, (lang__span){0, 0}, &errors);
    int depth = open_brackets(&tokens);
    if (tokens.open_comment)
        return LANG_INCOMPLETE;
    if (errors.count || depth < 0)
        return LANG_INVALID;
    if (depth > 0) {
        *indent = depth * INDENT;
        return LANG_INCOMPLETE;
    }
    lang__program *program;
    lang__check_request request = {.source = source, .arena = arena};
    if (lang__parse(&program, &errors, &request) == RT_OK)
        return LANG_COMPLETE;
    if (!only_at_end(&errors, &tokens))
        return LANG_INVALID;
    *indent = INDENT;
    return LANG_INCOMPLETE;
}

lang_completeness lang_is_complete(const char *text, size_t size, int *indent)
{
    lang__arena arena;
    lang__source *source = NULL;
    int spaces = 0;
    lang_completeness result = LANG_INVALID;
    bool ready = lang__arena_init(&arena);
    if (ready && lang__source_new(&source, text, size, 0, NULL, NULL) == RT_OK)
        result = judge(source, &arena, &spaces);
    if (indent)
        *indent = spaces;
    lang__source_release(source);
    lang__arena_free(&arena);
    return result;
}

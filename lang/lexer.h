/* SPDX-License-Identifier: MIT
 *
 * lexer.h - a cell's text as tokens.
 *
 * All tokens of a range are made at once, into the arena; the last one is END.
 * Damage is reported and becomes BAD (or is skipped), so that the parser can go
 * on. Blanks, comments and `#include <...>` lines vanish. A line `%name rest`
 * or `name?` where a statement may begin is one token. Macros keep their `!`
 * in the name (`println!`).
 */
#ifndef LANG_LEXER_H
#define LANG_LEXER_H

#include "lang/diagnostic.h"

typedef enum lang__token_kind {
#define TOKEN(id, text) T_##id,
#define KEYWORD(id, text) T_##id,
#define PUNCTUATION(id, text) T_##id,
#include "lang/token.def"
#undef TOKEN
#undef KEYWORD
#undef PUNCTUATION
    T_COUNT
} lang__token_kind;

typedef struct lang__token {
    uint8_t kind;
    bool first;             /* first of its line */
    bool detail;            /* HELP: name?? ; MAGIC: %% */
    bool character;         /* INT: written 'a' */
    bool least;             /* INT: 9223372036854775808, fine only after - */
    lang__span span;
    union {
        int64_t i;
        double f;
        const char *text;   /* NAME, STRING (decoded), MAGIC and HELP: name */
    };
    const char *rest;       /* MAGIC: what follows the name, trimmed */
    uint32_t rest_start;
} lang__token;

typedef struct lang__tokens {
    lang__token *items;
    int count;
    bool open_comment;      /* it ended inside a comment or string: more text */
    bool open_string;       /* may complete the cell */
} lang__tokens;

void lang__lex(lang__tokens *out, lang__source *source, lang__span range,
               lang__diagnostics *errors);

/* "`;`", "a name", "`while`": for messages. */
const char *lang__token_text(lang__token_kind kind);
/* n-th reserved word, NULL past the end. */
const char *lang__keyword_at(int n);

#endif

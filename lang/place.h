/* SPDX-License-Identifier: MIT
 *
 * place.h - what stands at the cursor: shared by completion and inspection.
 *
 * The cell up to the cursor is parsed and checked as far as it goes, errors
 * and all, so that its own variables have types; other names come from the
 * symbols of the session. Nothing is executed.
 */
#ifndef LANG_PLACE_H
#define LANG_PLACE_H

#include "lang/checker.h"
#include "lang/lexer.h"

typedef struct lang__place {
    const lang_symbols *symbols;
    lang__arena arena;
    lang__source *source;
    lang__tokens tokens;         /* up to the cursor */
    uint32_t cursor;             /* bytes */
    lang__program *program;      /* checked as far as it goes, or NULL */
    lang__function *function;    /* the cursor stands in, or NULL */
    const char *prefix;          /* the word being written, "" at none */
    uint32_t start;              /* where it begins */
    int last;                    /* index of the token before the word, -1 */
    bool text;                   /* inside a string or comment */
    const char *call;            /* name of the call around it, or NULL */
    bool argument;               /* the word may be an argument's name */
} lang__place;

/* False without memory; free it in any case. */
bool lang__place_init(lang__place *p, const lang_symbols *symbols,
                      const char *source, size_t size, int cursor);
void lang__place_free(lang__place *p);

/* The type of the expression that ends in front of token `dot`; LANG__BAD when
 * unknown. *names: it is a namespace (Tensor::, torch.) instead. *cls: the
 * user's module it is, or NULL. */
lang__type lang__place_object(lang__place *p, int dot, bool *names,
                              lang__module **cls);
/* The type of a name as the cell or the session has it; false when unknown. */
bool lang__place_variable(lang__place *p, const char *name, lang__type *out);
/* "float[]" read back; LANG__ANY for what is no type. */
lang__type lang__type_parse(const char *text);

/* lang_inspect, with the reason when there is nothing: RT_E_NAME (nothing is
 * known) or RT_E_MEMORY. */
rt_status lang__inspect(const lang_symbols *t, const char *source, size_t size,
                        int cursor, int detail, lang_bundle *out);

#endif

/* SPDX-License-Identifier: MIT
 *
 * checker.h - from source text to a typed tree, or to diagnostics.
 *
 * lang__check lexes, parses and checks; nothing is executed and the session is
 * only asked. Top-level functions and modules are visible in the whole cell;
 * their bodies are checked after the statements, so that they may use every
 * name of the cell. A `let`-style redeclaration within one cell gives a second
 * global of the same name and maybe another type: statements see the one
 * declared last above them, function bodies the last one of the cell.
 */
#ifndef LANG_CHECKER_H
#define LANG_CHECKER_H

#include "lang/ast.h"
#include "lang/diagnostic.h"

/* A name as the session knows it. */
typedef struct lang__known {
    enum { LANG__KNOWN_VARIABLE, LANG__KNOWN_FUNCTION, LANG__KNOWN_MODULE } kind;
    lang__type type;                     /* of a variable */
    bool constant;
    const lang__signature *signature;    /* of a function; of a module its
                                            constructor; borrowed, valid for
                                            the duration of the check */
} lang__known;

typedef struct lang__scope {
    void *ctx;
    /* A name of the session; false when absent. */
    bool (*find)(void *ctx, const char *name, lang__known *out);
    /* A free name of the host: its type. NULL: no outside names. */
    bool (*lookup)(void *ctx, const char *name, lang__type *out);
    /* n-th name of the session, for "did you mean"; NULL past the end.
     * May be NULL. */
    const char *(*name_at)(void *ctx, int n);
} lang__scope;

typedef struct lang__check_request {
    lang__source *source;          /* borrowed; must outlive the program */
    lang__span range;              /* {0, 0}: all of it. Else the part to read:
                                      a function's span, to check it again */
    const lang__scope *scope;      /* NULL: an empty session */
    lang__arena *arena;            /* everything returned lives here */
    bool expression;               /* exactly one expression, no statements */
} lang__check_request;

/* On success *out is the typed program. Else the status of the first
 * diagnostic (RT_E_MEMORY without memory: then there may be none), with *out
 * NULL and errors filled. errors->arena is set here. */
rt_status lang__check(lang__program **out, lang__diagnostics *errors,
                      const lang__check_request *request);

/* Only the first half, for dumps, completion and is-complete: the raw tree,
 * with BAD nodes where errors stood. */
rt_status lang__parse(lang__program **out, lang__diagnostics *errors,
                      const lang__check_request *request);

/* For questions: checked as far as it goes, errors forgotten; variables of
 * unknown type are LANG__BAD. NULL without memory, or when nested too deeply. */
lang__program *lang__check_partial(const lang__check_request *request);

/* Names that stand in front of `::` or a dot without being values: types,
 * torch, nn, F, ... */
bool lang__namespace_name(const char *name);

#endif

/* SPDX-License-Identifier: MIT
 *
 * builtins.h - the catalogs of what the language itself brings.
 *
 * builtins.def lists the functions, attributes.def what follows a dot without
 * parentheses. A row's signature is text in the notation of the op catalog,
 * with the language's types (`float[]`, `any`, `T`, `T[]`, `...` after the
 * type of a variadic parameter, `**` for further named numbers) and is parsed
 * once per process. Rows of one name are overloads and neighbours; the checker
 * takes the cheapest that fits, ops of the catalog included, first wins.
 */
#ifndef LANG_BUILTINS_H
#define LANG_BUILTINS_H

#include "lang/effects.h"
#include "lang/types.h"

typedef enum lang__builtin_id {
#define BUILTIN(id, name, signature, check, effect, doc) LANG__B_##id,
#include "lang/builtins.def"
#undef BUILTIN
    LANG__B_COUNT
} lang__builtin_id;

/* How the checker treats a call. */
typedef enum lang__check_kind {
    LANG__PLAIN,
    LANG__PRINTF,     /* literal C format, arguments checked against it */
    LANG__PRINTLN,    /* literal {} format */
    LANG__RANGE_CALL, /* becomes a RANGE node */
    LANG__PROGRESS,   /* only as what a range-for goes over */
    LANG__CASTING,    /* int(x), float(x), string(x), bool(x): CONVERT */
    LANG__IDENTITY    /* x.unwrap(), x.expect("..."): x itself */
} lang__check_kind;

typedef struct lang__builtin {
    lang__builtin_id id;
    const char *name;
    const char *text;                     /* the signature as written */
    lang__check_kind check;
    lang__effect effect;
    const char *doc;
} lang__builtin;

int lang__builtin_count(void);
const lang__builtin *lang__builtin_at(int i);
/* The first of its name; the following rows may be overloads. NULL: none. */
const lang__builtin *lang__builtin_find(const char *name);
const lang__builtin *lang__builtin_overload(const lang__builtin *b);
/* Parsed at first use, in static storage; never NULL for a row (a test reads
 * all of them). */
const lang__signature *lang__builtin_signature(const lang__builtin *b);

typedef enum lang__attribute_id {
#define ATTRIBUTE(id, owner, name, type, depth, writable, doc) LANG__A_##id,
#include "lang/attributes.def"
#undef ATTRIBUTE
    LANG__A_COUNT
} lang__attribute_id;

typedef struct lang__attribute {
    lang__attribute_id id;
    uint8_t owner;            /* lang_type_kind of the object */
    const char *name;         /* "*": any name (series of a History) */
    lang__type type;
    bool writable;
    const char *doc;
} lang__attribute;

int lang__attribute_count(void);
const lang__attribute *lang__attribute_at(int i);
const lang__attribute *lang__attribute_find(int owner, const char *name);
/* "shape, dtype, grad": the attributes of a type, as many as fit; false: none. */
bool lang__attribute_list(int owner, char *text, size_t room);

/* A catalog row's signature in the language's terms, made in the arena: what
 * a call may pass and gets. Tensor parameters take numbers as they are, int[]
 * parameters single ints. */
lang__signature *lang__signature_of(lang__arena *a, const rt_signature *s);
/* The same for optimizers and schedulers: the first parameter is what they
 * work on (Module or Tensor[]; Optimizer). */
lang__signature *lang__signature_of_optimizer(lang__arena *a,
                                              const rt_signature *s);
lang__signature *lang__signature_of_scheduler(lang__arena *a,
                                              const rt_signature *s);
/* Optimizers may be written in small letters: adam(net, lr=1e-3). */
const rt_optim_kind *lang__optimizer_find(const char *name);

#endif

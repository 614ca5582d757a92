/* SPDX-License-Identifier: MIT
 *
 * types.h - the static types of the cell language.
 *
 * A type is two bytes, compared by value: a kind, and how many list levels are
 * around it (`float[][]` is {LANG_FLOAT, 2}). Beyond the kinds a host sees
 * there are a few that only the checker and the compiler know:
 *   any    known at run time only: results of host callables, attributes of
 *          modules; converts to every type, checked when it happens;
 *   tuple  several results, to be taken apart by `auto [a, b] = ...`;
 *   none   the literal None;
 *   bad    of an expression already reported; silences what follows from it;
 *   T      in signatures of builtins: the element type of the first list.
 *
 * Implicit conversions (each becomes an E_CONVERT node; `from` is the operand's
 * type, `to` the node's):
 *   bool -> int -> float           bool/int/float -> Tensor (0-d, wrapped)
 *   Tensor -> bool int float       one element, else a run-time error
 *   int float -> bool              the truth value, as in C
 *   list, string -> bool           not: use len(x) > 0
 *   any -> T, T -> any             unboxing is checked; boxing is free
 *   int[] -> float[]               copies (likewise deeper lists, bool[])
 *   number lists -> Tensor         nested lists must be rectangular
 *   none -> Tensor, Module, ...    undefined handle, where None is allowed
 *   Dataset -> DataLoader          not: loader(d) does it
 * Explicit only (casts, `int(x)`): float -> int, string <-> number, anything
 * -> string, bool.
 */
#ifndef LANG_TYPES_H
#define LANG_TYPES_H

#include "lang/arena.h"
#include "lang/lang.h"

enum {
    LANG__ANY = LANG_TYPE_COUNT, LANG__TUPLE, LANG__NONE, LANG__BAD, LANG__T,
    LANG__KIND_COUNT
};

typedef struct lang__type {
    uint8_t kind;      /* lang_type_kind (never LANG_LIST) or one of the above */
    uint8_t depth;     /* list levels around it */
} lang__type;

#define LANG__TYPE(k) ((lang__type){(k), 0})
#define LANG__LIST_OF(k) ((lang__type){(k), 1})

static inline bool lang__type_equal(lang__type a, lang__type b)
{
    return a.kind == b.kind && a.depth == b.depth;
}
static inline bool lang__type_is(lang__type t, int kind)
{
    return t.kind == kind && t.depth == 0;
}
/* bool, int, float */
static inline bool lang__type_is_number(lang__type t)
{
    return t.depth == 0 && t.kind >= LANG_BOOL && t.kind <= LANG_FLOAT;
}
static inline bool lang__type_is_list(lang__type t)
{
    return t.depth > 0;
}
/* The element type of a list. */
static inline lang__type lang__type_element(lang__type t)
{
    return (lang__type){t.kind, (uint8_t)(t.depth - 1)};
}
/* How a host would see it: LANG_LIST for lists, LANG_HOST for `any`. */
lang_type_kind lang__type_outer(lang__type t);

/* "float[][]" in one of a few rotating static-size buffers of the caller:
 * out holds at least 48 bytes; returns out. */
char *lang__type_text(char out[48], lang__type t);
/* The kind a type name stands for ("double", "usize", "String", "f32",
 * "Vec"...), -1 when it is none. `const char *` is the parser's matter. */
int lang__type_named(const char *name, size_t size);
/* The n-th type name for completion, NULL past the end. */
const char *lang__type_name_at(int n);

/* How `from` becomes `to` without a cast. */
enum {
    LANG__SAME = 0,        /* no conversion */
    LANG__WIDEN = 1,       /* int -> float, none -> handle, any */
    LANG__WRAP = 3,        /* number -> Tensor, int[] -> float[] */
    LANG__COLLECT = 5,     /* list -> Tensor */
    LANG__UNWRAP = 8,      /* Tensor -> number */
    LANG__NEVER = 1000
};
int lang__type_cost(lang__type from, lang__type to);

/* A parameter's default, or any folded constant. */
typedef struct lang__constant {
    uint8_t kind;          /* LANG_BOOL.. LANG_STRING, LANG__NONE; LANG_VOID: none;
                              LANG_LIST: the empty list */
    union { bool b; int64_t i; double f; const char *s; };
} lang__constant;

typedef struct lang__param {
    const char *name;
    lang__type type;
    bool optional;         /* None is allowed */
    bool has_default;
    bool keyword_only;
    bool variadic;         /* the last positional one: takes the rest */
    uint8_t catalog;       /* rt_type + 1 of a catalog's parameter, else 0 */
    lang__constant value;  /* the default */
} lang__param;

/* Of a user's function, a module's constructor, a builtin. */
typedef struct lang__signature {
    const char *name;
    lang__type result;
    int nresults;          /* 0 or 1; more: a tuple of that many */
    lang__type results[RT_MAX_RESULTS];
    int nparams;
    bool any_keyword;      /* `**`: further named arguments, all float */
    lang__param *params;
} lang__signature;

/* "f(float t, int n=2) -> float"; rt_alloc'ed, NULL without memory. */
char *lang__signature_text(const lang__signature *s);
/* Same parameter types, names and result: a call checked against one may run
 * the other. */
bool lang__signature_equal(const lang__signature *a, const lang__signature *b);
/* Deep copy in one rt_alloc block: free with rt_free. NULL without memory. */
lang__signature *lang__signature_copy(const lang__signature *s);

#endif

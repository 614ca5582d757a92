/* SPDX-License-Identifier: MIT
 *
 * check.h - what the files of the checker share: checker.c walks statements,
 * check_expr.c expressions, check_operate.c operators, check_call.c
 * calls and members, check_special.c calls with rules of their own, check_match.c
 * picks among overloads, check_define.c checks functions and modules.
 */
#ifndef LANG_CHECK_H
#define LANG_CHECK_H

#include "lang/checker.h"
#include "lang/scope.h"
#include "lang/suggest.h"

typedef struct lang__checker {
    lang__arena *arena;
    lang__diagnostics *errors;
    const lang__scope *session;
    lang__program *program;
    lang__names names;
    lang__function *function;      /* whose body this is, NULL: the cell */
    lang__module *owner;           /* of that function */
    int loops, switches;           /* around this point, of this function */
    lang__function **functions;    /* of the cell */
    int nfunctions;
    lang__module **modules;
    int nmodules;
    lang__dependency **deps;       /* where dependencies go, NULL: nowhere */
    int *ndeps;
} lang__checker;

#define LANG__BOOL LANG__TYPE(LANG_BOOL)
#define LANG__INT LANG__TYPE(LANG_INT)
#define LANG__FLOAT LANG__TYPE(LANG_FLOAT)
#define LANG__TENSOR LANG__TYPE(LANG_TENSOR)

/* --- check_expr.c --- */
/* Checks e in place; e->type is set (LANG__BAD after an error). `wanted` is a
 * hint for literals, LANG_VOID when there is none. */
void lang__check_expr(lang__checker *c, lang__expr *e, lang__type wanted);
/* Checks and converts: *slot has type `to` afterwards, or a report was made
 * with `what` ("the condition", "`x`"). */
void lang__check_as(lang__checker *c, lang__expr **slot, lang__type to,
                    const char *what);
/* The same for one already checked. False after a report. */
bool lang__coerce(lang__checker *c, lang__expr **slot, lang__type to,
                  const char *what);
/* A truth value: bool, number, one-element tensor. */
void lang__check_condition(lang__checker *c, lang__expr **slot);
lang__expr *lang__convert(lang__checker *c, lang__expr *e, lang__type to);
lang__expr *lang__make(lang__checker *c, lang__expr_kind kind,
                       lang__span span, lang__type type);
void lang__bad(lang__expr *e);
/* "Tensor", "float[]" in the arena. */
const char *lang__say(lang__checker *c, lang__type t);
/* An int, float, bool, ... of this value. */
lang__expr *lang__make_int(lang__checker *c, lang__span span, int64_t value);
lang__expr *lang__make_constant(lang__checker *c, lang__span span,
                                const lang__constant *value, lang__type type);
/* A name as a value or a place; suggests when unknown. */
void lang__check_name(lang__checker *c, lang__expr *e);
void lang__depend(lang__checker *c, const char *name, lang__type type,
                  const lang__signature *signature);

/* The type both fit, LANG__BAD when there is none. */
lang__type lang__unify(lang__type a, lang__type b);
void lang__wrong_type(lang__checker *c, const lang__expr *e, lang__type to,
                      const char *what);

/* --- check_operate.c --- */
void lang__check_binary(lang__checker *c, lang__expr *e);
void lang__check_unary(lang__checker *c, lang__expr *e);
void lang__check_logical(lang__checker *c, lang__expr *e);
void lang__check_choose(lang__checker *c, lang__expr *e, lang__type wanted);
void lang__check_assign(lang__checker *c, lang__expr *e);
void lang__check_step(lang__checker *c, lang__expr *e);

/* --- check_match.c --- */
typedef struct lang__fit {
    const lang__signature *signature;
    lang__expr **args;        /* by parameter, not yet converted */
    lang__expr **rest;        /* what a variadic parameter takes */
    int nrest;
    lang__argument *named;    /* further names, for any_keyword */
    int nnamed;
    lang__type element;       /* what T stands for */
    int cost, fitting;        /* fitting: arguments that found a place */
    const char *problem;      /* why it does not fit, and where */
    lang__span where;
    lang__diagnostic_id kind;
    const char *unknown;      /* an argument name it does not have */
} lang__fit;
/* How well checked arguments fit; LANG__NEVER in cost when not at all. */
void lang__match(lang__checker *c, lang__fit *m, const lang__signature *s,
                 const lang__argument *args, int count, lang__span call);
/* Converts what was matched; fills *args with one entry a parameter (plus the
 * rest of a language variadic). */
void lang__match_apply(lang__checker *c, const lang__fit *m,
                       lang__expr ***args, int *nargs, bool fill_defaults);
/* The type a parameter takes, T replaced. */
lang__type lang__match_type(const lang__fit *m, const lang__param *p);
void lang__match_report(lang__checker *c, const lang__fit *m,
                        const char *name, int overloads);

/* --- check_special.c --- */
/* The arguments of a call, already checked, a receiver first. */
typedef struct lang__arguments {
    lang__argument *items;
    int count;
    bool bad;
} lang__arguments;
/* True when `name` is such a call: e is done then, or was reported. */
bool lang__check_special(lang__checker *c, lang__expr *e, const char *name,
                         lang__arguments *a);

/* The same for x.float(), x.long() of a Tensor. */
bool lang__check_to_dtype(lang__checker *c, lang__expr *e, lang__expr *object,
                          const char *name);

/* --- check_call.c --- */
void lang__check_call(lang__checker *c, lang__expr *e);
void lang__check_member(lang__checker *c, lang__expr *e);
/* A FUNCTION value when `name` is a function of any kind. */
bool lang__check_function_value(lang__checker *c, lang__expr *e,
                                const char *name);
bool lang__is_namespace(lang__checker *c, const lang__expr *e);
lang__function *lang__find_function(lang__checker *c, const char *name);
lang__module *lang__find_module(lang__checker *c, const char *name);

/* --- check_define.c --- */
/* The type a declaration names; LANG__BAD after a report. */
lang__type lang__resolve(lang__checker *c, const lang__written *w,
                         lang__module **cls);
void lang__check_signatures(lang__checker *c);
void lang__check_bodies(lang__checker *c);
/* Checks an `auto` function whose result is wanted now. */
void lang__infer_result(lang__checker *c, lang__function *f, lang__span use);
int lang__member_index(const lang__module *m, const char *name);
lang__function *lang__method(const lang__module *m, const char *name);

/* --- checker.c --- */
void lang__check_block(lang__checker *c, lang__block *b);
void lang__check_stmt(lang__checker *c, lang__stmt *s);
/* Gives a variable its slot or makes it a session variable. */
void lang__declare(lang__checker *c, lang__local *l);
/* The value of a declaration: typed by it, or typing it. */
void lang__check_init(lang__checker *c, lang__local *l, lang__expr **init,
                      lang__expr **sizes, int nsizes, lang__module **cls);
/* Whether control never gets past it. */
bool lang__ends(const lang__stmt *s);

#endif

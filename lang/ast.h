/* SPDX-License-Identifier: MIT
 *
 * ast.h - the tree of a cell, before and after checking.
 *
 * One set of nodes serves both: the parser fills them, the checker resolves
 * names, writes each expression's type, makes implicit conversions explicit
 * (CONVERT) and replaces raw nodes (nodes.def says which). After a successful
 * check no raw node and no LANG__BAD type is left, and:
 *   - each operand has exactly the type its parent wants, so a compiler never
 *     converts on its own;
 *   - calls hold their arguments in the order of the callee's signature,
 *     NULL where one was left out and the callee's default counts (user
 *     functions: never NULL, defaults are filled in);
 *   - all text (names, strings) lives in the arena of the program.
 */
#ifndef LANG_AST_H
#define LANG_AST_H

#include "lang/builtins.h"
#include "lang/source.h"
#include "lang/types.h"

typedef struct lang__expr lang__expr;
typedef struct lang__stmt lang__stmt;
typedef struct lang__function lang__function;
typedef struct lang__module lang__module;

typedef enum lang__expr_kind {
#define EXPR(id, text, doc) E_##id,
#define STMT(id, text, doc)
#include "lang/nodes.def"
#undef EXPR
#undef STMT
    E_KIND_COUNT
} lang__expr_kind;

typedef enum lang__stmt_kind {
#define EXPR(id, text, doc)
#define STMT(id, text, doc) S_##id,
#include "lang/nodes.def"
#undef EXPR
#undef STMT
    S_KIND_COUNT
} lang__stmt_kind;

/* Operators: C suffix, text, op of the catalog for tensors, in-place op. */
#define LANG__OPERATORS(X)                                                     \
    X(NONE, "", "", "")                                                        \
    X(ADD, "+", "add", "add_") X(SUB, "-", "sub", "sub_")                      \
    X(MUL, "*", "mul", "mul_") X(DIV, "/", "div", "div_")                      \
    X(MOD, "%", "remainder", "remainder_") X(POW, "**", "pow", "pow_")         \
    X(MATMUL, "@", "matmul", "")                                               \
    X(AND, "&", "bitwise_and", "bitwise_and_")                                 \
    X(OR, "|", "bitwise_or", "bitwise_or_")                                    \
    X(XOR, "^", "bitwise_xor", "bitwise_xor_")                                 \
    X(SHL, "<<", "bitwise_left_shift", "") X(SHR, ">>", "bitwise_right_shift", "") \
    X(EQ, "==", "eq", "") X(NE, "!=", "ne", "") X(LT, "<", "lt", "")           \
    X(LE, "<=", "le", "") X(GT, ">", "gt", "") X(GE, ">=", "ge", "")           \
    X(BOTH, "&&", "", "") X(EITHER, "||", "", "")                              \
    X(NEG, "-", "neg", "") X(NOT, "!", "", "") X(FLIP, "~", "bitwise_not", "")
typedef enum lang__operator {
#define X(id, text, op, inplace) O_##id,
    LANG__OPERATORS(X)
#undef X
    O_COUNT
} lang__operator;
const char *lang__operator_text(lang__operator o);
const char *lang__operator_op(lang__operator o);        /* "" when none */
const char *lang__operator_inplace(lang__operator o);   /* "" when none */

/* [raw] a type as the program writes it; `name` is set when it is none of the
 * language's own: a user's module, a layer (`Linear fc = ...`) or a mistake. */
typedef struct lang__written {
    lang__type type;
    const char *name;
    lang__span span;
    bool inferred;            /* auto, let */
    bool constant, character, pointer;
} lang__written;

/* A variable of a function body, or of a block of the cell: `slot` is its own
 * within the function or program. */
typedef struct lang__local {
    const char *name;
    lang__type type;
    lang__written written;    /* [raw] */
    lang__span span;          /* of the name in its declaration */
    int slot;
    bool constant, used, global;
    bool repeatable;          /* declared by `let` */
    lang__module *cls;        /* the user's class of a Module, when known */
} lang__local;

/* [raw] an argument as written. */
typedef struct lang__argument {
    const char *name;         /* NULL: positional */
    lang__span name_span;
    lang__expr *value;
} lang__argument;

/* What a FUNCTION value or an invocation refers to. */
typedef struct lang__callee {
    const char *name;                      /* user functions: late bound */
    const lang__signature *signature;      /* user functions, builtins */
    const lang__builtin *builtin;
    const rt_op *op;                       /* the overload meant */
    const rt_layer *layer;
    const rt_optim_kind *optim;
    const rt_schedule_kind *schedule;
} lang__callee;

typedef struct lang__index {
    enum { LANG__AT, LANG__SLICE, LANG__NEW_AXIS, LANG__REST } kind;
    lang__expr *at;                    /* int, Tensor, int[], bool; any */
    lang__expr *start, *stop, *step;   /* int or NULL */
    lang__span span;
} lang__index;

struct lang__expr {
    uint8_t kind;             /* lang__expr_kind */
    bool parenthesised;
    bool fallible;            /* [unused by the checker: the compiler's own] */
    lang__type type;
    uint16_t height;          /* levels of the tree below, limited */
    lang__span span;
    lang__module *cls;        /* a Module of this user's class, when known */
    union {
        lang__constant constant;
        rt_dtype dtype;
        struct { const char *text; } name;
        lang__local *local;
        struct { int index; const char *name; } field;  /* owner->members */
        lang__callee callee;
        struct { lang__expr **items; int count; bool braces; } list;
        struct { lang__expr *start, *stop, *step; bool inclusive; } range;
                              /* int; start and step NULL: 0 and 1 */
        struct { lang__operator op; lang__expr *operand; } unary;
        struct { lang__operator op; lang__expr *left, *right;
                 lang__span op_span; } binary;
        struct { lang__expr *condition, *yes, *no; } choose;
        struct { lang__operator op;      /* O_NONE: plain */
                 lang__expr *target;     /* LOCAL GLOBAL FIELD INDEX ATTRIBUTE
                                            DYNAMIC */
                 lang__expr *value;      /* of target's type; compound on a
                                            Tensor: Tensor or number */
                 lang__span op_span; } assign;
        struct { lang__expr *target; int by; bool prefix; } step;
        struct { lang__expr *callee; lang__argument *args; int count; } call;
        struct {
            lang__callee callee;
            lang__expr *object;    /* CALL_MODULE, _VALUE, _METHOD */
            lang__expr **args;     /* in signature order, NULL: default */
            int nargs;             /* variadic: the rest stands at the end;
                                      layers and ops: list parameters hold a
                                      LIST node */
            const char **names;    /* `**` builtins (live.push): names of */
            lang__expr **named;    /* the further named arguments */
            int nnamed;
            int nresults;          /* wanted, > 1 only under BIND */
            const struct lang__format *format;   /* printf, println!, eprintf */
        } invoke;
        struct { lang__expr *object; const char *name; lang__span name_span;
                 bool path;        /* written with :: */
                 const struct lang__attribute *attribute; } member;
        struct { lang__expr *call; int index; } item;
        struct { lang__expr *object; lang__index *items; int count; } index;
        struct { lang__expr *operand; bool written; } convert;
    } u;
};

typedef struct lang__block {
    lang__stmt **items;
    int count;
} lang__block;

typedef struct lang__case {
    lang__expr *value;        /* int or string constant; NULL: default */
    int first;                /* index into the body where it starts */
} lang__case;

struct lang__stmt {
    uint8_t kind;             /* lang__stmt_kind */
    lang__span span;
    union {
        struct { lang__expr *value; bool shown; } expr;
        struct {
            lang__local *local;     /* ->global: a session variable */
            lang__expr *init;       /* NULL: 0, "", empty, undefined */
            lang__expr **sizes;     /* [raw] int a[n][m]: the checker makes */
            int nsizes;             /* `init` of them, by filled(value, n) */
        } declare;
        struct {
            lang__local **locals;
            int count;
            lang__expr *value;      /* tuple-typed call (nresults set), list,
                                       Module call, or any */
        } bind;
        lang__function *function;
        lang__module *module;
        lang__block block;
        struct { lang__expr *condition; lang__stmt *yes, *no; } branch;
        struct { lang__stmt *init;          /* DECLAREs in a BLOCK, or EXPR */
                 lang__expr *condition;     /* bool; NULL: true */
                 lang__expr *step;
                 lang__stmt *body; } loop;
        struct {
            lang__local **locals;   /* one, or several: taken apart */
            int count;
            lang__expr *over;
            lang__type item;        /* of one element before the locals */
            bool apart;             /* for (auto [a, ...] : ...) */
            bool progress;          /* `over` was progress(over, note) */
            lang__expr *note;       /* string or NULL */
            lang__stmt *body;
        } each;
        struct { lang__expr *value;         /* int or string */
                 lang__case *cases; int count;
                 lang__block body; } select;
        struct { const char *name;          /* "timeit"; help: "Linear" */
                 const char *rest;          /* as written, trimmed */
                 bool cell;                 /* %%: the rest of the cell is its
                                               body: all later statements */
                 bool detail;               /* name?? */
                 uint32_t rest_start; } magic;  /* byte where rest begins */
    } u;
};

/* A global or function that a body was checked against: when one of them is
 * redefined with another type or signature, the body is checked again at the
 * next call. */
typedef struct lang__dependency {
    const char *name;
    lang__type type;                    /* of a variable */
    const lang__signature *signature;   /* of a function or module, or NULL */
} lang__dependency;

struct lang__function {
    const char *name;
    lang__signature signature;
    lang__local **params;     /* slots 0..nparams-1 */
    lang__block body;
    lang__span span;          /* the whole definition: check it again by this */
    lang__span name_span;
    lang__span body_span;     /* from { to } */
    int nslots;               /* locals, parameters included */
    lang__local **locals;     /* by slot */
    lang__module *owner;      /* of a method, else NULL */
    lang__dependency *dependencies;
    int ndependencies;
    uint8_t checked;          /* the checker's own: 0 no, 1 under way, 2 yes */
    lang__written result;     /* [raw] */
    bool infer_result;        /* declared `auto` */
    bool returns;             /* [checker] a return with a value was seen */
};

/* Members are the constructor's parameters, then the fields, in order. */
typedef struct lang__member {
    const char *name;
    lang__type type;
    lang__expr *init;         /* fields: may use earlier members (FIELD) */
    lang__span span;
    bool parameter, constant;
    lang__module *cls;
    lang__local *declared;    /* [raw] */
    lang__expr **sizes;       /* [raw] */
    int nsizes;
} lang__member;

struct lang__module {
    const char *name;
    lang__signature signature;     /* of the constructor; result Module */
    lang__member *members;
    int nmembers;
    lang__function **methods;
    int nmethods;                  /* one of them is `forward` */
    lang__span span, name_span;
    lang__dependency *dependencies;    /* of the initialisers */
    int ndependencies;
    lang__local **params;          /* [raw] */
    uint8_t checked;               /* the checker's own */
};

typedef struct lang__program {
    lang__source *source;          /* borrowed */
    lang__block body;
    int nslots;                    /* locals of blocks of the cell */
    lang__local **locals;
    lang__local **globals;         /* declared by this cell, in order */
    int nglobals;
} lang__program;

/* The tree as s-expressions, one statement a line: rt_alloc'ed, NULL without
 * memory. Typed nodes are followed by `:type`. */
char *lang__program_text(const lang__program *p);
char *lang__expr_text(const lang__expr *e);

#endif

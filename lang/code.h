/* SPDX-License-Identifier: MIT
 *
 * code.h - what the compiler makes and the machine runs.
 *
 * A unit is all that stays of a cell: its source and the arena with its tree.
 * Routines (the cell's body, functions, methods) point into it and keep it
 * alive, so that formats, names and spans need no second copy. A site is the
 * full description of one call or access; instructions refer to it by number.
 */
#ifndef LANG_CODE_H
#define LANG_CODE_H

#include "lang/value.h"

typedef enum lang__opcode {
#define OP(id, effect, meaning) LANG__OP_##id,
#include "lang/opcode.def"
#undef OP
    LANG__OP_COUNT
} lang__opcode;

/* Bit of BINARY's operator: the left side is about to be replaced. */
enum { LANG__COMPOUND = 256 };

typedef struct lang__code {
    uint16_t op;
    int16_t a, b, c;
} lang__code;

typedef struct lang__unit {
    int count;
    lang__source *source;
    lang__arena arena;
} lang__unit;

/* An entry of the session's table of names. Entries live as long as the
 * session, so that code may point to them. */
typedef struct lang__global {
    char *name;
    enum { LANG__ABSENT, LANG__VARIABLE, LANG__FUNCTION_NAME,
           LANG__MODULE_NAME } state;
    lang__type type;             /* of a variable */
    bool constant;
    lang__value value;
    struct lang__routine *routine;
    struct lang__klass *klass;
    int cell;                    /* where it was declared last */
} lang__global;

/* One operand of a site. */
typedef struct lang__operand {
    int16_t reg;
    uint8_t kind;                /* tag of an untagged register, else its
                                    static kind (ANY: see the tag) */
    bool counted;                /* the register is tagged */
    bool dies;                   /* a temporary: released after the call */
    bool given;                  /* false: left out, the default counts */
    lang__span span;
} lang__operand;

/* Ops that may run as one pass, as rt_fused takes them. */
typedef struct lang__chain {
    rt_fused_step steps[RT_FUSED_STEPS];
    int nsteps;
} lang__chain;

typedef struct lang__site {
    lang__span span;             /* `^` of a diagnostic */
    const lang__expr *expr;      /* may be NULL */
    const lang__stmt *stmt;
    const rt_op *op;             /* ops, operators on tensors */
    lang__global *global;        /* functions, modules, variables by name */
    lang__operand object;        /* what is called, indexed, asked */
    lang__operand *args;
    int nargs;
    lang__operand *named;        /* further named arguments */
    lang__type type;             /* of the result, or the value stored */
    lang__type from;             /* CONVERT: of the operand */
    int nresults;
    int method;                  /* CALL_SELF: index of the method */
    struct lang__chain *chain;   /* FUSED: its steps; args are the inputs */
    struct lang__routine *body;  /* cell magics: the rest of the cell; owned */
} lang__site;

typedef struct lang__routine {
    int count;
    lang__unit *unit;
    const char *name;            /* "" for a cell */
    const lang__function *function;    /* NULL for a cell, an initialiser */
    struct lang__klass *klass;   /* of a method; not counted */
    lang__code *code;
    lang__span *spans;           /* one per word */
    int ncode;
    lang__value *constants;      /* last first: a copy goes below R[0] */
    int nconstants;
    int nregisters;
    int16_t *objects;            /* registers that are counted */
    int nobjects;
    lang__site **sites;          /* in `unit->arena` or a child's */
    int nsites;
    int nparams;
    const lang__signature *signature;
    const lang__dependency *dependencies;
    int ndependencies;
    uint64_t epoch;              /* of the session when last checked */
    uint64_t place;              /* of its source's first byte (lang_watch) */
} lang__routine;

/* The session as modules see it: they may outlive it. */
typedef struct lang__anchor {
    int count;
    struct lang_session *session;    /* NULL once it is gone */
} lang__anchor;

/* A user's module definition, compiled. Counted by its entry and instances. */
typedef struct lang__klass {
    int count;
    lang__unit *unit;
    const lang__module *module;
    lang__anchor *anchor;
    rt_module_class table;       /* as the runtime sees it */
    lang__routine *init;         /* evaluates the fields, then returns */
    lang__routine **methods;
    int nmethods;
    int forward;                 /* index of it */
} lang__klass;

/* What an instance holds: the module's context. */
typedef struct lang__instance {
    lang__klass *klass;
    int nfields;
    lang__value fields[];
} lang__instance;

lang__unit *lang__unit_retain(lang__unit *u);
void lang__unit_release(lang__unit *u);
lang__routine *lang__routine_retain(lang__routine *r);
void lang__routine_release(lang__routine *r);
lang__klass *lang__klass_retain(lang__klass *k);
void lang__klass_release(lang__klass *k);
lang__anchor *lang__anchor_retain(lang__anchor *a);
void lang__anchor_release(lang__anchor *a);

/* Whether a second word follows the instruction. */
bool lang__has_next_word(int op);
/* The instructions as text, for dumps and tests: rt_alloc'ed. */
rt_status lang__disassemble(char **out, const lang__routine *r, rt_error *err);

#endif

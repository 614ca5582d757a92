/* SPDX-License-Identifier: MIT
 *
 * emit.h - inside the compiler: registers, constants, code words, jumps.
 */
#ifndef LANG_EMIT_H
#define LANG_EMIT_H

#include "lang/compiler.h"

enum { LANG__RECENT_NAMES = 8 };

/* Words whose jump distance is not known yet. */
typedef struct lang__jumps {
    int *at;
    int count;
} lang__jumps;

typedef struct lang__loop {
    struct lang__loop *outer;
    lang__jumps breaks, continues;
    bool is_switch;           /* `continue` means the loop around it */
    int guards;               /* no_grad blocks around it */
} lang__loop;

typedef struct lang__emitter {
    lang__unit *unit;
    lang__arena *arena;
    const lang__names *names;
    const lang__module *owner;
    lang__routine *routine;   /* under construction */
    int code_room, constant_room, site_room;
    uint8_t *counted;         /* per register */
    int register_room;
    int *free_registers[2];   /* by class: payload, counted */
    int nfree[2], free_room[2];
    int recent[LANG__RECENT_NAMES];   /* sites of names used last */
    unsigned next_recent;
    lang__loop *loop;
    int *guards;              /* registers of the no_grad blocks we are in */
    int nguards;
    lang__span span;          /* of what is being compiled */
    rt_status status;
    rt_error *err;
} lang__emitter;

/* A register with a value; a temporary is free again after its use. */
typedef struct lang__place {
    int reg;
    bool temporary;
} lang__place;

rt_status lang__emit_begin(lang__emitter *e, lang__unit *unit,
                           const lang__names *names, int nslots,
                           lang__local *const *locals, rt_error *err);
/* Hands the routine over, or frees it and returns the first error. */
rt_status lang__emit_finish(lang__emitter *e, lang__routine **out);

int lang__emit(lang__emitter *e, lang__opcode op, int a, int b, int c);
/* With a second word; returns the index of that word. */
int lang__emit_wide(lang__emitter *e, lang__opcode op, int a, int b, int c,
                    int32_t next);
/* B and C as one number. */
int lang__emit_long(lang__emitter *e, lang__opcode op, int a, int32_t bc);

int lang__temporary(lang__emitter *e, bool counted);
/* n neighbouring counted registers. */
int lang__temporaries(lang__emitter *e, int n);
void lang__free_register(lang__emitter *e, int reg);
void lang__free_place(lang__emitter *e, lang__place p);
/* The register of a constant: takes the reference over. */
int lang__constant_register(lang__emitter *e, lang__value v);
lang__site *lang__site_new(lang__emitter *e, int *index);

void lang__jump_note(lang__emitter *e, lang__jumps *list, int word);
/* Lets all jumps of the list arrive at `target`. */
void lang__jumps_land(lang__emitter *e, lang__jumps *list, int target);
int lang__here(const lang__emitter *e);

void lang__compile_fail(lang__emitter *e, rt_status code, const char *format,
                        ...) __attribute__((format(printf, 3, 4)));

/* --- expressions.c ------------------------------------------------------------ */

/* The value of x in whatever register suits. */
lang__place lang__anywhere(lang__emitter *e, const lang__expr *x);
/* The value of x into a register of its class; `to` is written last. */
void lang__into(lang__emitter *e, const lang__expr *x, int to);
/* Computes x for its effects. */
void lang__effects(lang__emitter *e, const lang__expr *x);
/* Jumps when the truth of x is `when`. */
void lang__branch(lang__emitter *e, const lang__expr *x, bool when,
                  lang__jumps *out);
/* R[to] := R[from] by class. */
void lang__move(lang__emitter *e, int to, int from, lang__type type);
/* From a temporary that dies. */
void lang__move_out(lang__emitter *e, int to, int from, lang__type type);
/* How an operand will be used: read; given to an op, which takes numbers for
 * tensors; given to somebody who may change or keep it. */
typedef enum lang__how {
    LANG__AS_VALUE, LANG__AS_OP_ARGUMENT, LANG__AS_OWNED
} lang__how;
lang__operand lang__operand_of(lang__emitter *e, const lang__expr *x);
void lang__set_operand(lang__emitter *e, lang__operand *o,
                       const lang__expr *x, lang__how as);
lang__operand *lang__operands(lang__emitter *e, lang__expr *const *args, int n,
                              lang__how as);
/* Their temporaries may be used again; `from` are the expressions they hold. */
void lang__free_operands(lang__emitter *e, const lang__operand *o, int n,
                         lang__expr *const *from);
lang__site *lang__site_for(lang__emitter *e, const lang__expr *x, int *index);
/* Gives a site these operands; their temporaries may be used again. */
void lang__with_operands(lang__emitter *e, lang__site *site,
                         lang__expr *const *args, int n, lang__how as);
lang__global *lang__entry(lang__emitter *e, const char *name);
/* As lang__anywhere, where nobody will change the list it may be. */
lang__place lang__read_only(lang__emitter *e, const lang__expr *x);
/* Whether x is a small int constant; *out is sign times it. */
bool lang__fits_step(lang__emitter *e, const lang__expr *x, int sign,
                     int *out);
/* R[to] := R[left] op R[right] for payloads of one type. */
void lang__number_binary(lang__emitter *e, lang__operator op, lang__type type,
                         int to, int left, int right);
/* R[to] := R[p] as `type`; p is free afterwards. */
void lang__convert_place(lang__emitter *e, lang__place p, lang__type from,
                         lang__type type, int to);
/* A call with several results: the first of neighbouring registers. */
int lang__results(lang__emitter *e, const lang__expr *x, int n);
/* The results of a call of an op as a list of tensors, in a temporary. */
int lang__results_listed(lang__emitter *e, const lang__expr *x);

/* --- fuse.c ------------------------------------------------------------------- */

/* R[to] := x when x is a chain of elementwise ops: FUSED, and the single calls
 * for when it will not do. False, and nothing happened, when x is none. */
bool lang__fuse(lang__emitter *e, const lang__expr *x, int to);
/* The same for the assignment x with an operator, to the tensor R[old] that
 * `inplace` changes; its value is a fusable op itself. */
bool lang__fuse_assign(lang__emitter *e, const lang__expr *x,
                       const rt_op *inplace, int to, int old);

/* --- places.c ----------------------------------------------------------------- */

void lang__index_get(lang__emitter *e, const lang__expr *x, int to);
lang__site *lang__member_site(lang__emitter *e, const lang__expr *x,
                              int *index);
/* Loads or stores a session variable. */
void lang__named(lang__emitter *e, const lang__expr *x, lang__opcode payload,
                 lang__opcode object, int reg, const char *name);
void lang__field(lang__emitter *e, const lang__expr *x, lang__opcode op,
                 int reg);
void lang__by_site(lang__emitter *e, const lang__expr *x, lang__opcode op,
                   int to);
/* An assignment, ++ or --; the value ends in R[result] unless it is < 0. */
void lang__assign(lang__emitter *e, const lang__expr *x, int result);
void lang__step(lang__emitter *e, const lang__expr *x, int result);

#endif

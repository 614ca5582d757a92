/* SPDX-License-Identifier: MIT
 *
 * vm.h - the machine, and everything it asks others to do.
 *
 * A session owns one machine: a stack of registers that never moves, and a
 * stack of frames. Calls between functions of the language push a frame;
 * modules called by the runtime, and functions called as values, run the loop
 * again, on the same stacks. The first failure is kept in the error struct of
 * the innermost caller, together with where it happened (trouble).
 */
#ifndef LANG_VM_H
#define LANG_VM_H

#include "lang/code.h"
#include "lang/diagnostic.h"

enum {
    LANG__MAX_FRAMES = 10000,     /* nested calls of functions */
    LANG__MAX_NESTING = 200,      /* nested calls through the runtime */
    LANG__STACK = 1 << 19         /* registers */
};

typedef struct lang__frame {
    lang__routine *routine;
    const lang__code *pc;         /* where to go on */
    lang__value *registers;
    rt_module *self;              /* of a method, borrowed */
    int16_t target;               /* register of the caller */
    bool boundary;                /* returns to C */
} lang__frame;

/* Where and why a run failed: kept from the innermost frame on. */
typedef struct lang__trouble {
    bool active;
    char message[sizeof((rt_error *)0)->message];   /* to know it by */
    lang__source *source;
    lang__span span;
    struct { lang__span span; char text[160]; } labels[LANG__MAX_LABELS];
    int nlabels;
    lang_trace trace[32];
    int ntrace;
} lang__trouble;

struct lang_session {
    lang_host host;
    lang__anchor *anchor;
    lang__global **names;
    int nnames, names_room;
    int *index;                   /* hash table over names, -1: free */
    int index_room;
    uint64_t epoch;               /* changes with any type or signature */
    lang__value *stack, *top, *stack_end;
    lang__frame *frames;
    int depth, nesting;
    bool running;
    bool has_result;
    lang__value result;
    char **declared;
    int ndeclared, declared_room;
    int cell;
    int displays;                 /* numbers of display ids */
    lang__plot *plot;             /* the live plot pushed to last */
    bool exit_asked;              /* exit() was called */
    int exit_status;
    lang__trouble trouble;
    volatile uint64_t *place;     /* lang_watch; never NULL */
    uint64_t unwatched;
};

/* Runs a routine with arguments of its parameters' types (borrowed). *result
 * is tagged, a new reference. `self` is the module of a method, or NULL. */
rt_status lang__run(lang_session *s, lang__routine *r, rt_module *self,
                    const lang__value *args, int nargs, lang__value *result,
                    rt_error *err);

/* The routine is checked again when types of the session changed since (it may
 * be replaced: *r then is the new one). */
rt_status lang__refresh(lang_session *s, lang__routine **r, rt_error *err);

/* The value of an operand with its tag; borrowed. */
static inline lang__value lang__fetch(const lang__operand *o,
                                      const lang__value *registers)
{
    lang__value v = registers[o->reg];
    if (!o->counted)
        v.kind = o->kind;
    return v;
}
/* Lets go of the temporaries among the operands of a site. */
void lang__drop_operands(const lang__site *site, lang__value *registers);

/* --- objects.c ---------------------------------------------------------------- */

/* a op b on strings, lists and handles. */
rt_status lang__object_binary(lang__value *out, lang__value a, lang__value b,
                              int op, rt_error *err);
rt_status lang__make_list(lang__value *out, const lang__site *site,
                          lang__value *registers, rt_error *err);
/* Lists inside are copied too. */
rt_status lang__copy_list(lang__value *out, lang_list *l, rt_error *err);
rt_status lang__range_list(lang__value *out, const lang__site *site,
                           const lang__value *registers, rt_error *err);
rt_status lang__host_value(lang_session *s, const lang__site *site,
                           lang__value *out, rt_error *err);
rt_status lang__closure_of(const lang__site *site, lang__value *out,
                           rt_error *err);
/* The site's variable exists from now on; takes *from over. */
rt_status lang__declare_variable(lang_session *s, const lang__site *site,
                        lang__value *from, rt_error *err);
void lang__keep_result(lang_session *s, const lang__site *site, lang__value v);

/* --- call.c ------------------------------------------------------------------- */

/* Everything INVOKE stands for; results into R[target].. */
rt_status lang__invoke(lang_session *s, const lang__site *site,
                       lang__value *registers, int target, rt_module *self,
                       rt_error *err);
/* Tries the site's chain as one pass; its result into *to. */
rt_status lang__run_fused(const lang__site *site,
                          const lang__value *registers, lang__value *to,
                          bool *done, rt_error *err);
/* A value as a runtime argument for a parameter type; borrowed. */
rt_status lang__to_rt(rt_value *out, lang__value v, rt_type type,
                      rt_error *err);
/* A runtime's result as a value: takes the reference over. */
rt_status lang__from_rt(lang__value *out, rt_value *v, rt_error *err);
/* Calls a function value; arguments are any. New reference. */
rt_status lang__call_value(lang_session *s, lang__value f,
                           const lang__value *args, int n, lang__value *out,
                           rt_error *err);
/* net(args...): *out is a Tensor, or a list of them. */
rt_status lang__call_module(rt_module *m, const lang__value *args, int n,
                            lang__value *out, rt_error *err);

/* The function or module of a name, or NULL. */
lang__global *lang__find_global(lang_session *s, const char *name);
/* A parameter's default as a value of its type: a new reference. */
rt_status lang__constant_value(lang__value *out, const lang__constant *c,
                               lang__type type, rt_error *err);

/* --- instance.c ----------------------------------------------------------------- */

/* A new module of a user's class. */
rt_status lang__construct(lang_session *s, lang__klass *k,
                          const lang__value *args, int n, rt_module **out,
                          rt_error *err);
/* The instance behind a module, NULL for other modules. */
lang__instance *lang__instance_of(rt_module *m);
/* Field i: borrowed. */
lang__value lang__field_get(rt_module *m, int i);
rt_status lang__field_set(rt_module *m, int i, lang__value v, rt_error *err);

/* --- convert.c ------------------------------------------------------------------- */

/* v as type `to`: a new reference. Numbers, text, lists, tensors, any. */
rt_status lang__converted(lang__value *out, lang__value v, lang__type to,
                        rt_error *err);
/* Nested lists of numbers as a tensor. dtype RT_DTYPE_NONE: by the elements. */
rt_status lang__list_tensor(rt_tensor **out, lang_list *l, rt_dtype dtype,
                            rt_error *err);

/* --- access.c --------------------------------------------------------------------- */

rt_status lang__get_index(lang__value *out, const lang__site *site,
                          const lang__value *registers, rt_error *err);
rt_status lang__set_index(const lang__site *site,
                          const lang__value *registers, lang__value v,
                          rt_error *err);
rt_status lang__get_attribute(lang__value *out, const lang__site *site,
                              lang__value object, rt_error *err);
rt_status lang__set_attribute(const lang__site *site, lang__value object,
                              lang__value v, rt_error *err);
/* Index i of n elements, counted from the end when negative. */
rt_status lang__position(int64_t *out, int64_t i, int64_t n, const char *what,
                         rt_error *err);

/* --- iterate.c -------------------------------------------------------------------- */

rt_status lang__iterate(lang_session *s, const lang__site *site,
                        const lang__value *registers, lang__value *out,
                        rt_error *err);
/* Fills n values (new references); *end is true instead when there are none. */
rt_status lang__next(lang__value iterator, lang__value *out, int n, bool *end,
                     rt_error *err);
/* Takes a value apart into n. */
rt_status lang__unpack(lang__value v, lang__value *out, int n, rt_error *err);

/* --- trouble.c --------------------------------------------------------------------- */

/* Notes where a failure happened; of several for one error the first counts,
 * outer frames only add to the trace. */
void lang__trouble_note(lang_session *s, const lang__frame *f,
                        const lang__code *at, const rt_error *err);
void lang__trouble_clear(lang__trouble *t);

/* --- magic.c ------------------------------------------------------------------------ */

rt_status lang__magic(lang_session *s, const lang__site *site,
                      lang__unit *unit, rt_error *err);

/* --- natives.c ---------------------------------------------------------------------- */

/* What a native function gets: arguments in order of its signature, tagged,
 * borrowed, VOID where left out (defaults are filled in), the variadic rest at
 * the end. *out starts as nothing; what is put there is a new reference. */
typedef struct lang__native_call {
    lang_session *s;
    const lang__value *a;
    int n;
    lang__value *out;             /* room for RT_MAX_RESULTS */
    const lang__expr *expr;       /* for formats and names; may be NULL */
    const lang__value *named;     /* further named arguments */
    const char *const *names;
    int nnamed;
    rt_error *err;
} lang__native_call;
typedef rt_status (*lang__native)(lang__native_call *c);
lang__native lang__native_of(lang__builtin_id id);

/* --- output ------------------------------------------------------------------------- */

void lang__print(lang_session *s, int fd, const char *text, size_t size);
/* Shows a bundle; counts text for the drained streams. */
void lang__show(lang_session *s, const lang_bundle *b, const char *id,
                bool update);
void lang__next_display_id(lang_session *s, char out[48]);
double lang__clock(void);

#endif

/* SPDX-License-Identifier: MIT
 *
 * value.h - values as the virtual machine holds them.
 *
 * A value is 16 bytes: a tag and a payload. Registers that the compiler knows
 * to hold numbers keep only the payload; everything counted is always tagged,
 * so that leaving a frame can release whatever it holds. Objects of the
 * language (strings, lists, functions, ...) begin with a lang__object; tensors,
 * modules and the like are the runtime's own. A NULL payload of a handle kind
 * is the undefined handle (`Tensor t;`), LANG_VOID is "nothing" (None).
 */
#ifndef LANG_VALUE_H
#define LANG_VALUE_H

#include "lang/ast.h"

typedef struct lang__object {
    int count;
    uint8_t kind;             /* lang_type_kind */
} lang__object;

typedef struct lang__string {
    lang__object head;
    uint32_t size, room;      /* bytes, without the NUL */
    int32_t length;           /* code points; -1: not counted yet */
    char text[];
} lang__string;

typedef union lang__word {    /* one element of a list: its payload */
    int64_t i;
    double f;
    void *p;
} lang__word;

struct lang_list {
    lang__object head;
    lang__type element;       /* {ANY, 0}: words point to lang__box */
    int64_t count, room;
    lang__word *items;
};

typedef struct lang__value {
    uint8_t kind;             /* lang_type_kind */
    uint8_t spare[7];
    union {
        int64_t i;            /* BOOL (0, 1), INT, DTYPE */
        double f;
        void *p;
        lang__object *o;
        lang__string *s;
        lang_list *l;
        struct lang__closure *closure;
        struct lang__record *record;
        struct lang__plot *plot;
        struct lang__foreign *foreign;
        rt_tensor *t;
        rt_module *m;
        struct lang__optim *optim;
        rt_scheduler *scheduler;
        rt_dataset *dataset;
        rt_loader *loader;
        rt_generator *generator;
    };
} lang__value;

typedef struct lang__box {    /* element of an `any` list */
    lang__object head;
    lang__value value;
} lang__box;

/* A function as a value: the name of one of the session's, or a catalog row. */
typedef struct lang__closure {
    lang__object head;
    lang__callee callee;      /* name: owned copy, NULL for catalog rows */
} lang__closure;

/* What fit() returns. */
typedef struct lang__record {
    lang__object head;
    rt_history history;
} lang__record;

/* A chart that grows. */
typedef struct lang__plot {
    lang__object head;
    int nseries;
    char **names;
    lang_list **series;       /* float[] each */
    char id[48];              /* display id; "" until shown */
    double shown;             /* when it was drawn last */
    bool stale;               /* has points that were not drawn */
} lang__plot;

/* An opaque callable of the host. */
typedef struct lang__foreign {
    lang__object head;
    void *object;
    lang_host host;
} lang__foreign;

/* An optimizer; `made` is NULL while it has no parameters: `Adam(lr=1e-3)`
 * waits for fit, which binds it. */
typedef struct lang__optim {
    lang__object head;
    rt_optimizer *made;
    const rt_optim_kind *kind;
    rt_value args[RT_MAX_ARGS];    /* in order of the signature, while unbound;
                                      texts and lists are owned */
    int nargs;
} lang__optim;

#define LANG__VOID_VALUE ((lang__value){.kind = LANG_VOID})
#define LANG__INT_VALUE(v) ((lang__value){.kind = LANG_INT, .i = (v)})
#define LANG__BOOL_VALUE(v) ((lang__value){.kind = LANG_BOOL, .i = (v) ? 1 : 0})
#define LANG__FLOAT_VALUE(v) ((lang__value){.kind = LANG_FLOAT, .f = (v)})
#define LANG__TENSOR_VALUE(v) ((lang__value){.kind = LANG_TENSOR, .t = (v)})
#define LANG__STRING_VALUE(v) ((lang__value){.kind = LANG_STRING, .s = (v)})
#define LANG__LIST_VALUE(v) ((lang__value){.kind = LANG_LIST, .l = (v)})

/* Whether registers of this type are counted and tagged. */
static inline bool lang__type_counted(lang__type t)
{
    return t.depth > 0 || !((t.kind >= LANG_BOOL && t.kind <= LANG_FLOAT) ||
                            t.kind == LANG_DTYPE);
}

/* The tag of an iterator (iterate.c), which only registers hold. */
enum { LANG__ITERATOR = LANG__KIND_COUNT };
void lang__iterator_free(void *iterator);

void lang__retain_slow(lang__value v);
void lang__release_slow(uint8_t kind, void *p);

static inline lang__value lang__retain(lang__value v)
{
    if (v.kind > LANG_FLOAT && v.p)
        lang__retain_slow(v);
    return v;
}

/* Puts v where *to was; both by their parts: a load of 16 bytes right after the
 * two stores that made a value waits until both have reached the cache. */
static inline void lang__replace(lang__value *to, uint8_t kind, void *p)
{
    uint8_t old_kind = to->kind;
    void *old = to->p;
    to->kind = kind;
    to->p = p;
    if (old_kind > LANG_FLOAT && old)
        lang__release_slow(old_kind, old);
}

/* Releases what *v holds and leaves "nothing". */
static inline void lang__release(lang__value *v)
{
    uint8_t kind = v->kind;
    v->kind = LANG_VOID;
    if (kind > LANG_FLOAT && v->p)
        lang__release_slow(kind, v->p);
}

/* The value a declaration without initialiser gives. Strings and lists are
 * new objects: RT_E_MEMORY is possible. */
rt_status lang__default_value(lang__value *out, lang__type type, rt_error *err);
/* Static type as far as the value tells (lists know their element). */
lang__type lang__value_type(lang__value v);
/* "float[]", "Tensor", "None" for messages; out holds 48 bytes. */
const char *lang__value_kind(char out[48], lang__value v);

/* --- strings ---------------------------------------------------------------- */

rt_status lang__string_new(lang__string **out, const char *text, size_t size,
                           rt_error *err);
/* Takes over rt_alloc'ed text (frees it in any case). */
rt_status lang__string_take(lang__string **out, char *text, rt_error *err);
int64_t lang__string_length(lang__string *s);
/* Byte offset of a code point, 0 <= at <= length. */
size_t lang__string_offset(lang__string *s, int64_t at);
/* a + b; when `reuse` is set and nobody else holds a, b is appended to it. */
rt_status lang__string_join(lang__string **out, lang__string *a,
                            lang__string *b, bool reuse, rt_error *err);
int lang__string_compare(const lang__string *a, const lang__string *b);

/* --- lists ------------------------------------------------------------------ */

rt_status lang__list_new(lang_list **out, lang__type element, int64_t count,
                         rt_error *err);
/* Element i as a value: borrowed. */
lang__value lang__list_at(const lang_list *l, int64_t i);
/* Stores (retains) a value of the element type. */
rt_status lang__list_put(lang_list *l, int64_t i, lang__value v, rt_error *err);
rt_status lang__list_add(lang_list *l, lang__value v, rt_error *err);
rt_status lang__list_insert(lang_list *l, int64_t at, lang__value v,
                            rt_error *err);
/* Removes element i; the reference it held goes to *out. */
void lang__list_remove(lang_list *l, int64_t i, lang__value *out);
void lang__list_clear(lang_list *l);
/* start, start + step, ...: n elements, each retained. */
rt_status lang__list_slice(lang_list **out, const lang_list *l, int64_t start,
                           int64_t step, int64_t n, rt_error *err);
rt_status lang__list_join(lang_list **out, const lang_list *a,
                          const lang_list *b, rt_error *err);
void lang__list_release(lang_list *l);

/* --- any two values --------------------------------------------------------- */

/* Handles by identity, strings, numbers and lists by value. */
bool lang__values_equal(lang__value a, lang__value b);
/* <0, 0, >0 of numbers, strings, lists of them. */
int lang__values_compare(lang__value a, lang__value b);

/* --- the border to hosts ---------------------------------------------------- */

/* New references both ways. Foreign objects of `host` are wrapped, and go out
 * as the host's own pointer, borrowed. */
rt_status lang__value_import(lang__value *out, const lang_value *v,
                             const lang_host *host, rt_error *err);
rt_status lang__value_export(lang_value *out, lang__value v, rt_error *err);

#endif

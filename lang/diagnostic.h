/* SPDX-License-Identifier: MIT
 *
 * diagnostic.h - messages that point at source text.
 *
 * One struct serves static and run-time errors. A diagnostic has one main
 * place, optionally labels (operands with what they are), and a help line. It
 * is rendered once, as plain text or with terminal colours:
 *
 *   error[shape]: matmul: x is [64, 784] but w is [128, 784]
 *     cell 7, line 3
 *      3 | Tensor h = x @ w + b;
 *        |            ~ ^ ~
 *        |            |   w: float32 [128, 784]
 *        |            x: float32 [64, 784]
 *     help: w looks transposed: x @ w.T
 *
 * `^` marks the main span, `~` the labelled ones, all on the line where the
 * main span begins; labels elsewhere are printed as notes with their line.
 */
#ifndef LANG_DIAGNOSTIC_H
#define LANG_DIAGNOSTIC_H

#include "lang/arena.h"
#include "lang/source.h"

typedef enum lang__diagnostic_id {
    LANG__D_RUNTIME,            /* code and class from errors.def by `status` */
#define DIAGNOSTIC(id, code, cls, doc, example, fixed) LANG__D_##id,
#include "lang/diagnostics.def"
#undef DIAGNOSTIC
    LANG__D_COUNT
} lang__diagnostic_id;

typedef struct lang__diagnostic_info {
    const char *code;
    rt_status status;
    const char *doc, *example, *fixed;
} lang__diagnostic_info;
/* Borrowed; NULL outside 1..LANG__D_COUNT-1. */
const lang__diagnostic_info *lang__diagnostic_describe(lang__diagnostic_id id);

#define LANG__MAX_LABELS 4

typedef struct lang__label {
    lang__span span;
    const char *text;           /* "w: float32 [128, 784]" */
} lang__label;

typedef struct lang__diagnostic {
    lang__diagnostic_id id;
    rt_status status;
    lang__span span;
    const char *message;        /* one line */
    const char *help;           /* NULL or "": none */
    lang__label labels[LANG__MAX_LABELS];
    int nlabels;
} lang__diagnostic;

/* The diagnostics of one cell, in source order of discovery; at most 20 are
 * kept, `total` counts all. */
typedef struct lang__diagnostics {
    lang__arena *arena;         /* texts live here */
    lang__diagnostic *items;
    int count, total;
} lang__diagnostics;

/* Adds one and returns it (never NULL: a spare one when memory or the limit
 * ran out), so that labels and help can follow. */
lang__diagnostic *lang__report(lang__diagnostics *d, lang__diagnostic_id id,
                               lang__span span, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void lang__report_help(lang__diagnostics *d, lang__diagnostic *item,
                       const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void lang__report_label(lang__diagnostics *d, lang__diagnostic *item,
                        lang__span span, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* "shape": the code shown. */
const char *lang__diagnostic_code(const lang__diagnostic *item);

/* The rendering shown above, without a final newline: rt_alloc'ed, NULL
 * without memory. source may be NULL (headline and help only). */
char *lang__diagnostic_render(const lang__source *source,
                              const lang__diagnostic *item, bool ansi);

/* All of them into a failure as hosts get it: the first gives code, ename,
 * evalue, line and columns; text and ansi hold all, blank lines between. The
 * strings are rt_alloc'ed; on lack of memory they may be NULL. trace is left
 * empty. */
void lang__failure_fill(lang_failure *out, const lang__source *source,
                        const lang__diagnostic *items, int count, int total);
void lang__failure_dispose(lang_failure *f);

#endif

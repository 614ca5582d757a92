/* SPDX-License-Identifier: MIT
 *
 * A growing text buffer. Failure to grow is remembered and reported once, by
 * rt__text_take, so that writers need no check at each step.
 */
#ifndef RT_BASE_TEXT_H
#define RT_BASE_TEXT_H

#include "runtime/rustorch.h"

typedef struct rt__text {
    char *data;        /* NUL-terminated once anything was added */
    size_t size, room;
    bool failed;
} rt__text;

void rt__text_add(rt__text *t, const char *s);
void rt__text_add_n(rt__text *t, const char *s, size_t n);
void rt__text_char(rt__text *t, char c);
void rt__text_format(rt__text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Adds s with &, <, > and " escaped for HTML. */
void rt__text_html(rt__text *t, const char *s);
/* Hands the buffer over (never NULL on success); RT_E_MEMORY if any step
 * failed. The struct is left empty. */
rt_status rt__text_take(rt__text *t, char **out, rt_error *err);
void rt__text_dispose(rt__text *t);
/* The shortest decimal that reads back as v: "0.1", "2.0", "1e+20", "inf". */
void rt__text_double(rt__text *t, double v);

#endif

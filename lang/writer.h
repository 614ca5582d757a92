/* SPDX-License-Identifier: MIT
 *
 * writer.h - a growing text buffer, and numbers as text without the locale.
 *
 * Failure to grow is remembered and reported once, by lang__writer_take, so
 * that writers need no check at each step.
 */
#ifndef LANG_WRITER_H
#define LANG_WRITER_H

#include "runtime/rustorch.h"

typedef struct lang__writer {
    char *data;        /* NUL-terminated once anything was added */
    size_t size, room;
    bool failed;
} lang__writer;

void lang__write(lang__writer *w, const char *s);
void lang__write_n(lang__writer *w, const char *s, size_t n);
void lang__write_char(lang__writer *w, char c);
void lang__write_format(lang__writer *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* &, <, > and " escaped for HTML. */
void lang__write_html(lang__writer *w, const char *s);
/* In double quotes, with C's escapes for what cannot be seen. */
void lang__write_quoted(lang__writer *w, const char *s, size_t n);
/* The shortest decimal that reads back as v: 0.1, 2.0, 1e+20, inf, nan. */
void lang__write_double(lang__writer *w, double v);
/* snprintf of one double with a decimal point whatever the locale is. `out`
 * has `room` bytes; returns the length. */
int lang__format_double(char *out, size_t room, const char *format,
                        int precision, double v);
/* A number in all of text (blanks at the ends allowed); false when it is not
 * one. */
bool lang__read_double(double *out, const char *text);
bool lang__read_int(int64_t *out, const char *text);
/* Hands the text over (never NULL on success); RT_E_MEMORY if a step failed.
 * The writer is left empty. */
rt_status lang__writer_take(lang__writer *w, char **out, rt_error *err);
void lang__writer_dispose(lang__writer *w);

#endif

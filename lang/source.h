/* SPDX-License-Identifier: MIT
 *
 * source.h - the text of one cell or file, and places in it.
 *
 * A source is counted: functions keep theirs for as long as they live, so that
 * a late error can still show the line. Text is valid UTF-8 always: invalid
 * bytes are replaced when the source is made. Spans are byte offsets; lines
 * and columns (in code points, from 1) are computed only for messages.
 */
#ifndef LANG_SOURCE_H
#define LANG_SOURCE_H

#include "lang/lang.h"

typedef struct lang__span {
    uint32_t start, end;      /* bytes, end exclusive */
} lang__span;

/* From the start of a to the end of b. */
static inline lang__span lang__span_join(lang__span a, lang__span b)
{
    return (lang__span){a.start, b.end > a.end ? b.end : a.end};
}

typedef struct lang__source {
    char *text;               /* NUL-terminated, UTF-8 */
    uint32_t size;
    char *name;               /* "cell 7" or a file's name */
    int cell;
    uint32_t *lines;          /* byte offset of each line's start */
    int nlines;
    int count;                /* references */
} lang__source;

/* Copies text and name (NULL: "cell N"). Refuses more than 16 MiB with
 * RT_E_LIMIT. */
rt_status lang__source_new(lang__source **out, const char *text, size_t size,
                           int cell, const char *name, rt_error *err);
lang__source *lang__source_retain(lang__source *s);
void lang__source_release(lang__source *s);

/* Line from 1 of a byte offset. */
int lang__source_line(const lang__source *s, uint32_t offset);
/* Column from 1, in code points. */
int lang__source_column(const lang__source *s, uint32_t offset);
/* A line without its newline: borrowed text, *size bytes. */
const char *lang__source_line_text(const lang__source *s, int line,
                                   uint32_t *size);
/* Byte offset of the n-th code point of text (clamped to size). */
size_t lang__utf8_offset(const char *text, size_t size, int codepoints);
/* How many code points the first `bytes` bytes hold. */
int lang__utf8_count(const char *text, size_t bytes);
/* Code point at *p, which moves on; 0xFFFD for damage. p < end. */
uint32_t lang__utf8_next(const char **p, const char *end);
/* Writes 1-4 bytes; returns how many. */
int lang__utf8_put(char *out, uint32_t codepoint);
/* Terminal cells a code point takes: 0, 1 or 2. */
int lang__utf8_width(uint32_t codepoint);

#endif

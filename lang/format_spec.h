/* SPDX-License-Identifier: MIT
 *
 * format_spec.h - the parsed format of printf and println!.
 *
 * Both kinds become the same list of pieces: literal text, or a conversion
 * with flags, width and precision. The checker has converted argument `arg`
 * (index into the invocation's arguments after the format) to the type that
 * the conversion wants: d i u x X o b c -> int; f F e E g G -> float (an int
 * stays an int under {:.3}-like braces only when no precision is given);
 * s -> string; v and braces -> any value as it is.
 */
#ifndef LANG_FORMAT_SPEC_H
#define LANG_FORMAT_SPEC_H

#include "lang/arena.h"
#include "lang/source.h"

typedef struct lang__piece {
    const char *text;     /* literal, size bytes; NULL: a conversion */
    int size;
    char conversion;      /* d u x X o b c f F e E g G s v (i is d) */
    bool left, plus, space, zero, alternate, centre, debug;
    char fill[5];         /* UTF-8, "" is a space */
    int width;            /* -1: none; -2: from argument width_arg */
    int precision;        /* likewise */
    int width_arg, precision_arg;
    int arg;              /* which argument after the format */
    int at, end;          /* bytes of the conversion within the format */
} lang__piece;

typedef struct lang__format {
    lang__piece *pieces;
    int count;
    int nargs;            /* arguments the format wants */
} lang__format;

/* What is wrong with a format, as a sentence, and where in it. */
typedef struct lang__format_error {
    const char *message;
    int at, end;
} lang__format_error;

/* C's notation (and %v); false with *error on a bad format. */
bool lang__format_parse_c(lang__format *out, lang__arena *arena,
                          const char *text, lang__format_error *error);
/* Rust's braces: {} {:?} {:.3} {:>8} {:08.2} {0} {{ }}. */
bool lang__format_parse_braces(lang__format *out, lang__arena *arena,
                               const char *text, lang__format_error *error);

#endif

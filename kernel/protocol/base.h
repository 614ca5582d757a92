/* SPDX-License-Identifier: MIT
 *
 * base.h - what every protocol file shares: borrowed bytes, and an error text
 * in the caller's hands. First error wins; both may be ignored with NULL.
 */
#ifndef JP_BASE_H
#define JP_BASE_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes somebody else owns; not NUL-terminated. */
typedef struct jp_slice {
    const char *data;
    size_t size;
} jp_slice;

typedef struct jp_error {
    char text[320];
} jp_error;

/* The bytes of a C string. */
jp_slice jp_text(const char *text);
/* Writes the message unless `err` is NULL or holds one; returns false. */
bool jp_fail(jp_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif

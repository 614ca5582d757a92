/* SPDX-License-Identifier: MIT
 *
 * text.h - growing text that is always valid UTF-8. Bytes come in pieces; a
 * character cut in two is carried to the next piece, and what is no UTF-8
 * becomes U+FFFD.
 */
#ifndef KERNEL_TEXT_H
#define KERNEL_TEXT_H

#include <jansson.h>
#include <stddef.h>

typedef struct kernel_text {
    char *data;            /* NUL-terminated when size > 0 */
    size_t size, capacity;
} kernel_text;

/* The unfinished character at the end of a piece. */
typedef struct kernel_carry {
    unsigned char bytes[4];
    int size;
} kernel_carry;

/* Appends, completing `carry` and leaving the new rest in it. */
void kernel_text_add(kernel_text *t, kernel_carry *carry, const char *data,
                     size_t size);
/* Appends what is left in the carry as U+FFFD. */
void kernel_text_finish(kernel_text *t, kernel_carry *carry);
/* Appends `data`, which is UTF-8, as a JSON string with its quotes. */
void kernel_text_quote(kernel_text *t, const char *data, size_t size);
void kernel_text_clear(kernel_text *t);   /* keeps the memory */
void kernel_text_dispose(kernel_text *t);
/* A JSON string of any bytes. */
json_t *kernel_json_text(const char *data, size_t size);

#endif

/* SPDX-License-Identifier: MIT
 * UTF-8 in pieces.
 */
#include "kernel/text.h"

#include "kernel/log.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void append(kernel_text *t, const void *data, size_t size)
{
    if (t->size + size + 1 > t->capacity) {
        t->capacity = 2 * (t->size + size) + 256;
        t->data = kernel_grow(t->data, t->capacity);
    }
    memcpy(t->data + t->size, data, size);
    t->size += size;
    t->data[t->size] = '\0';
}

/* Length of the character that begins with `lead`; 0: none does. */
static int expected_length(unsigned char lead)
{
    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xc2 && lead <= 0xdf) {
        return 2;
    }
    if (lead >= 0xe0 && lead <= 0xef) {
        return 3;
    }
    return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/* The range of the second byte (Unicode, table 3-7): it excludes overlong
 * forms, surrogates and what lies above U+10FFFF. */
static bool second_fits(unsigned char lead, unsigned char c)
{
    unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    return c >= low && c <= high;
}

/* How many of the bytes form the start of one character; *whole when it is
 * complete. 0: the first byte begins none. */
static int measure(const unsigned char *p, size_t n, bool *whole)
{
    int want = expected_length(p[0]), got = want ? 1 : 0;
    while (got && got < want && (size_t)got < n &&
           (got == 1 ? second_fits(p[0], p[1]) : (p[got] & 0xc0) == 0x80)) {
        got++;
    }
    *whole = got && got == want;
    return got;
}

/* Takes characters off the front; stops before an unfinished one at the end. */
static size_t take(kernel_text *t, const unsigned char *p, size_t n)
{
    size_t at = 0;
    while (at < n) {
        size_t plain = at;
        while (plain < n && p[plain] < 0x80) {
            plain++;
        }
        append(t, p + at, plain - at);
        at = plain;
        if (at == n) {
            break;
        }
        bool whole;
        int len = measure(p + at, n - at, &whole);
        if (whole) {
            append(t, p + at, (size_t)len);
        } else if (len && at + (size_t)len == n) {
            break;
        } else {
            append(t, "\xef\xbf\xbd", 3);
            len = len ? len : 1;
        }
        at += (size_t)len;
    }
    return at;
}

void kernel_text_add(kernel_text *t, kernel_carry *carry, const char *data,
                     size_t size)
{
    const unsigned char *p = (const unsigned char *)data;
    while (carry->size && size) {
        unsigned char joined[8];
        size_t n = (size_t)carry->size;
        memcpy(joined, carry->bytes, n);
        joined[n++] = *p++;
        size--;
        size_t used = take(t, joined, n);
        carry->size = (int)(n - used);
        memcpy(carry->bytes, joined + used, n - used);
    }
    if (!size) {
        return;
    }
    size_t used = take(t, p, size);
    carry->size = (int)(size - used);
    memcpy(carry->bytes, p + used, size - used);
}

void kernel_text_finish(kernel_text *t, kernel_carry *carry)
{
    if (carry->size) {
        append(t, "\xef\xbf\xbd", 3);
        carry->size = 0;
    }
}

/* What stands behind the backslash; 'u': four digits do. */
static char escape_of(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 'u';
    }
}

static void append_escaped(kernel_text *t, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    char text[] = {'\\', escape_of(c), '0', '0', digits[c >> 4],
                   digits[c & 15]};
    append(t, text, text[1] == 'u' ? sizeof text : 2);
}

void kernel_text_quote(kernel_text *t, const char *data, size_t size)
{
    const unsigned char *p = (const unsigned char *)data;
    append(t, "\"", 1);
    for (size_t at = 0; at < size;) {
        size_t plain = at;
        while (plain < size && p[plain] >= 0x20 && p[plain] != '"' &&
               p[plain] != '\\') {
            plain++;
        }
        append(t, p + at, plain - at);
        if (plain < size) {
            append_escaped(t, p[plain++]);
        }
        at = plain;
    }
    append(t, "\"", 1);
}

void kernel_text_clear(kernel_text *t)
{
    t->size = 0;
}

void kernel_text_dispose(kernel_text *t)
{
    free(t->data);
    *t = (kernel_text){0};
}

json_t *kernel_json_text(const char *data, size_t size)
{
    json_t *s = json_stringn(data, size);
    if (s) {
        return s;
    }
    kernel_text clean = {0};
    kernel_carry carry = {{0}, 0};
    kernel_text_add(&clean, &carry, data, size);
    kernel_text_finish(&clean, &carry);
    s = json_stringn(clean.data ? clean.data : "", clean.size);
    kernel_text_dispose(&clean);
    return s;
}

/* SPDX-License-Identifier: MIT
 * Growing text, and numbers written and read without the locale. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1   /* strtod_l */
#endif
#include "lang/writer.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(lang__writer *w, size_t more)
{
    if (w->failed)
        return false;
    if (w->size + more + 1 <= w->room)
        return true;
    size_t room = w->room ? w->room * 2 : 128;
    while (room < w->size + more + 1)
        room *= 2;
    char *data = rt_realloc(w->data, room);
    if (!data) {
        w->failed = true;
        return false;
    }
    w->data = data;
    w->room = room;
    return true;
}

void lang__write_n(lang__writer *w, const char *s, size_t n)
{
    if (!reserve(w, n))
        return;
    memcpy(w->data + w->size, s, n);
    w->size += n;
    w->data[w->size] = 0;
}

void lang__write(lang__writer *w, const char *s)
{
    lang__write_n(w, s, strlen(s));
}

void lang__write_char(lang__writer *w, char c)
{
    lang__write_n(w, &c, 1);
}

void lang__write_format(lang__writer *w, const char *format, ...)
{
    char small[256];
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(small, sizeof small, format, args);
    if (n >= 0 && (size_t)n < sizeof small) {
        lang__write_n(w, small, (size_t)n);
    } else if (n >= 0 && reserve(w, (size_t)n)) {
        vsnprintf(w->data + w->size, (size_t)n + 1, format, again);
        w->size += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

void lang__write_html(lang__writer *w, const char *s)
{
    for (; *s; s++) {
        switch (*s) {
        case '&': lang__write(w, "&amp;"); break;
        case '<': lang__write(w, "&lt;"); break;
        case '>': lang__write(w, "&gt;"); break;
        case '"': lang__write(w, "&quot;"); break;
        default: lang__write_char(w, *s);
        }
    }
}

void lang__write_quoted(lang__writer *w, const char *s, size_t n)
{
    lang__write_char(w, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        switch (c) {
        case '"': lang__write(w, "\\\""); break;
        case '\\': lang__write(w, "\\\\"); break;
        case '\n': lang__write(w, "\\n"); break;
        case '\t': lang__write(w, "\\t"); break;
        case '\r': lang__write(w, "\\r"); break;
        default:
            if (c < 0x20 || c == 0x7F)
                lang__write_format(w, "\\x%02x", c);
            else
                lang__write_char(w, (char)c);
        }
    }
    lang__write_char(w, '"');
}

int lang__format_double(char *out, size_t room, const char *format,
                        int precision, double v)
{
    int n = precision < 0 ? snprintf(out, room, format, v)
                          : snprintf(out, room, format, precision, v);
    struct lconv *c = localeconv();
    const char *point = c && c->decimal_point ? c->decimal_point : ".";
    size_t size = strlen(point);
    char *at = strcmp(point, ".") != 0 ? strstr(out, point) : NULL;
    if (at) {
        *at = '.';
        memmove(at + 1, at + size, strlen(at + size) + 1);
        n -= (int)size - 1;
    }
    return n;
}

bool lang__read_double(double *out, const char *text)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain)
        return false;
    char *end;
    *out = strtod_l(text, &end, plain);
    freelocale(plain);
    if (end == text)
        return false;
    return end[strspn(end, " \t\n")] == 0;
}

bool lang__read_int(int64_t *out, const char *text)
{
    const char *digits = text + strspn(text, " \t\n");
    const char *body = digits + (*digits == '-' || *digits == '+');
    bool hex = body[0] == '0' && (body[1] == 'x' || body[1] == 'X');
    char *end;
    errno = 0;
    long long v = strtoll(digits, &end, hex ? 16 : 10);
    if (end == digits || errno == ERANGE)
        return false;
    *out = v;
    return end[strspn(end, " \t\n")] == 0;
}

void lang__write_double(lang__writer *w, double v)
{
    if (isnan(v)) {
        lang__write(w, "nan");
        return;
    }
    if (isinf(v)) {
        lang__write(w, v > 0 ? "inf" : "-inf");
        return;
    }
    char text[40];
    for (int precision = 1; precision <= 17; precision++) {
        double back;
        lang__format_double(text, sizeof text, "%.*g", precision, v);
        /* Shorter precisions of an exact value differ only by digits, so that
         * the plain C reader is good enough to compare. */
        if (lang__read_double(&back, text) && back == v)
            break;
    }
    lang__write(w, text);
    if (!strpbrk(text, ".e"))
        lang__write(w, ".0");
}

rt_status lang__writer_take(lang__writer *w, char **out, rt_error *err)
{
    if (!w->failed && !w->data)
        lang__write(w, "");
    if (w->failed || !w->data) {
        lang__writer_dispose(w);
        return rt_fail(err, RT_E_MEMORY, "text: no memory for the result");
    }
    *out = w->data;
    *w = (lang__writer){0};
    return RT_OK;
}

void lang__writer_dispose(lang__writer *w)
{
    rt_free(w->data);
    *w = (lang__writer){0};
}

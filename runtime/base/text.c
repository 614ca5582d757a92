/* SPDX-License-Identifier: MIT
 * The growing text buffer, and the shortest decimal form of a double.
 */
#include "runtime/base/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for n more bytes and the NUL. */
static bool reserve(rt__text *t, size_t n)
{
    if (t->failed) {
        return false;
    }
    if (t->size + n + 1 <= t->room) {
        return true;
    }
    size_t room = t->room ? t->room * 2 : 128;
    while (room < t->size + n + 1) {
        room *= 2;
    }
    char *data = rt_realloc(t->data, room);
    if (!data) {
        t->failed = true;
        return false;
    }
    t->data = data;
    t->room = room;
    return true;
}

void rt__text_add_n(rt__text *t, const char *s, size_t n)
{
    if (reserve(t, n)) {
        memcpy(t->data + t->size, s, n);
        t->size += n;
        t->data[t->size] = '\0';
    }
}

void rt__text_add(rt__text *t, const char *s)
{
    rt__text_add_n(t, s, strlen(s));
}

void rt__text_char(rt__text *t, char c)
{
    rt__text_add_n(t, &c, 1);
}

void rt__text_format(rt__text *t, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n > 0 && reserve(t, (size_t)n)) {
        vsnprintf(t->data + t->size, (size_t)n + 1, format, again);
        t->size += (size_t)n;
    }
    va_end(again);
}

void rt__text_html(rt__text *t, const char *s)
{
    for (; *s; s++) {
        switch (*s) {
        case '&': rt__text_add(t, "&amp;"); break;
        case '<': rt__text_add(t, "&lt;"); break;
        case '>': rt__text_add(t, "&gt;"); break;
        case '"': rt__text_add(t, "&quot;"); break;
        default: rt__text_char(t, *s);
        }
    }
}

rt_status rt__text_take(rt__text *t, char **out, rt_error *err)
{
    reserve(t, 0);
    if (t->failed) {
        rt__text_dispose(t);
        return rt_fail(err, RT_E_MEMORY, "text: not enough memory");
    }
    t->data[t->size] = '\0';
    *out = t->data;
    *t = (rt__text){0};
    return RT_OK;
}

void rt__text_dispose(rt__text *t)
{
    rt_free(t->data);
    *t = (rt__text){0};
}

void rt__text_double(rt__text *t, double v)
{
    if (isnan(v)) {
        rt__text_add(t, "nan");
        return;
    }
    if (isinf(v)) {
        rt__text_add(t, v < 0 ? "-inf" : "inf");
        return;
    }
    char buffer[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(buffer, sizeof buffer, "%.*g", digits, v);
        if (strtod(buffer, NULL) == v) {
            break;
        }
    }
    /* %g turns to exponents at the precision, Python at 1e16 and 1e-5. */
    double a = fabs(v);
    if (strchr(buffer, 'e') && a >= 1e-4 && a < 1e16) {
        for (int decimals = 0; decimals <= 20; decimals++) {
            snprintf(buffer, sizeof buffer, "%.*f", decimals, v);
            if (strtod(buffer, NULL) == v) {
                break;
            }
        }
    }
    rt__text_add(t, buffer);
    if (!strpbrk(buffer, ".e")) {
        rt__text_add(t, ".0");
    }
}

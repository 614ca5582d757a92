/* SPDX-License-Identifier: MIT
 * The strict JSON reader of files.
 */
#define _GNU_SOURCE
#include "runtime/nn/json.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 200 };

void rt__json_init(rt__json *j, const char *what, const char *text, size_t size,
                   rt_error *err)
{
    *j = (rt__json){.what = what, .start = text, .at = text, .end = text + size,
                    .err = err};
}

rt_status rt__json_fail(rt__json *j, const char *message)
{
    if (!j->status) {
        j->status = rt_fail(j->err, RT_E_FORMAT, "%s: %s at byte %zu of its "
                            "description", j->what, message,
                            (size_t)(j->at - j->start));
    }
    return j->status;
}

char rt__json_peek(rt__json *j)
{
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\t'
                              || *j->at == '\n' || *j->at == '\r')) {
        j->at++;
    }
    return j->at < j->end && !j->status ? *j->at : '\0';
}

static bool take(rt__json *j, char c)
{
    if (rt__json_peek(j) != c || j->status) {
        return false;
    }
    j->at++;
    return true;
}

bool rt__json_open(rt__json *j, char bracket)
{
    if (++j->depth > DEPTH_MAX) {
        rt__json_fail(j, "nesting is too deep");
        return false;
    }
    if (!take(j, bracket)) {
        rt__json_fail(j, bracket == '{' ? "'{' was expected"
                                        : "'[' was expected");
        return false;
    }
    j->first = true;
    return true;
}

/* Takes the comma before an entry, or the closing bracket. */
static bool more(rt__json *j, char close)
{
    if (j->status) {
        return false;
    }
    if (take(j, close)) {
        j->depth--;
        j->first = false;
        return false;
    }
    if (!j->first && !take(j, ',')) {
        rt__json_fail(j, "',' was expected");
        return false;
    }
    j->first = false;
    return true;
}

bool rt__json_item(rt__json *j)
{
    return more(j, ']');
}

bool rt__json_key(rt__json *j, char **key)
{
    if (!more(j, '}')) {
        return false;
    }
    char *s = rt__json_string(j);
    if (s && !take(j, ':')) {
        rt__json_fail(j, "':' was expected");
        rt_free(s);
        s = NULL;
    }
    *key = s;
    return s != NULL;
}

/* --- strings ---------------------------------------------------------------------- */

static int hex4(const char *p)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (d < 0) {
            return -1;
        }
        v = 16 * v + d;
    }
    return v;
}

static void add_utf8(rt__text *t, unsigned c)
{
    if (c < 0x80) {
        rt__text_char(t, (char)c);
    } else if (c < 0x800) {
        rt__text_char(t, (char)(0xC0 | c >> 6));
        rt__text_char(t, (char)(0x80 | (c & 63)));
    } else if (c < 0x10000) {
        rt__text_char(t, (char)(0xE0 | c >> 12));
        rt__text_char(t, (char)(0x80 | (c >> 6 & 63)));
        rt__text_char(t, (char)(0x80 | (c & 63)));
    } else {
        rt__text_char(t, (char)(0xF0 | c >> 18));
        rt__text_char(t, (char)(0x80 | (c >> 12 & 63)));
        rt__text_char(t, (char)(0x80 | (c >> 6 & 63)));
        rt__text_char(t, (char)(0x80 | (c & 63)));
    }
}

/* Behind "\u"; joins a pair of surrogates. */
static rt_status take_unicode(rt__json *j, rt__text *t)
{
    int c = j->end - j->at >= 4 ? hex4(j->at) : -1;
    if (c <= 0 || (c >= 0xDC00 && c < 0xE000)) {
        return rt__json_fail(j, "a bad \\u escape");
    }
    j->at += 4;
    if (c >= 0xD800 && c < 0xDC00) {
        int low = j->end - j->at >= 6 && j->at[0] == '\\' && j->at[1] == 'u'
                      ? hex4(j->at + 2) : -1;
        if (low < 0xDC00 || low >= 0xE000) {
            return rt__json_fail(j, "half of a surrogate pair");
        }
        j->at += 6;
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    }
    add_utf8(t, (unsigned)c);
    return RT_OK;
}

static rt_status take_escape(rt__json *j, rt__text *t)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (j->at >= j->end) {
        return rt__json_fail(j, "a string without an end");
    }
    char c = *j->at++;
    const char *p = c ? strchr(from, c) : NULL;
    if (p) {
        rt__text_char(t, to[p - from]);
        return RT_OK;
    }
    return c == 'u' ? take_unicode(j, t) : rt__json_fail(j, "a bad escape");
}

/* One multi-byte character of UTF-8: shortest form, no surrogates. */
static rt_status take_bytes(rt__json *j, rt__text *t)
{
    const unsigned char *p = (const unsigned char *)j->at;
    int n = p[0] >= 0xF0 && p[0] < 0xF5 ? 4
            : p[0] >= 0xE0 && p[0] < 0xF0 ? 3
            : p[0] >= 0xC2 && p[0] < 0xE0 ? 2 : 0;
    bool ok = n && j->end - j->at >= n;
    for (int i = 1; ok && i < n; i++) {
        ok = (p[i] & 0xC0) == 0x80;
    }
    if (ok && n > 2) {
        ok = !(p[0] == 0xE0 && p[1] < 0xA0) && !(p[0] == 0xED && p[1] > 0x9F)
             && !(p[0] == 0xF0 && p[1] < 0x90) && !(p[0] == 0xF4 && p[1] > 0x8F);
    }
    if (!ok) {
        return rt__json_fail(j, "text that is not UTF-8");
    }
    rt__text_add_n(t, j->at, (size_t)n);
    j->at += n;
    return RT_OK;
}

char *rt__json_string(rt__json *j)
{
    rt__text t = {0};
    char *out = NULL;
    if (!take(j, '"')) {
        rt__json_fail(j, "a string was expected");
    }
    while (!j->status) {
        unsigned char c = j->at < j->end ? (unsigned char)*j->at : 0;
        if (c == '"') {
            j->at++;
            break;
        }
        if (c < 0x20) {
            rt__json_fail(j, j->at < j->end ? "a control character in a string"
                                            : "a string without an end");
        } else if (c == '\\') {
            j->at++;
            take_escape(j, &t);
        } else if (c >= 0x80) {
            take_bytes(j, &t);
        } else {
            rt__text_char(&t, (char)c);
            j->at++;
        }
    }
    rt__text_add(&t, "");
    if (j->status) {
        rt__text_dispose(&t);
        return NULL;
    }
    j->status = rt__text_take(&t, &out, j->err);
    return out;
}

/* --- numbers and words -------------------------------------------------------------- */

int64_t rt__json_natural(rt__json *j)
{
    char c = rt__json_peek(j);
    int64_t v = 0;
    if (c < '0' || c > '9') {
        rt__json_fail(j, "a whole number was expected");
        return 0;
    }
    bool zero = c == '0';
    for (int i = 0; j->at < j->end && *j->at >= '0' && *j->at <= '9'; i++) {
        int d = *j->at - '0';
        if ((zero && i) || v > (INT64_MAX - d) / 10) {
            rt__json_fail(j, zero ? "a number with a leading zero"
                                  : "a number beyond 64 bits");
            return 0;
        }
        v = 10 * v + d;
        j->at++;
    }
    if (j->at < j->end && strchr(".eE", *j->at)) {
        rt__json_fail(j, "a whole number was expected");
    }
    return v;
}

static double parse_double(const char *text)
{
    static _Atomic(locale_t) plain;
    locale_t c = plain;
    if (!c) {
        c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
        plain = c;
    }
    return c ? strtod_l(text, NULL, c) : strtod(text, NULL);
}

rt_value rt__json_number(rt__json *j)
{
    char text[64];
    size_t n = 0;
    bool whole = true;
    rt__json_peek(j);
    while (j->at < j->end && n < sizeof text - 1 && *j->at
           && strchr("+-.0123456789eE", *j->at)) {
        whole &= strchr(".eE", *j->at) == NULL;
        text[n++] = *j->at++;
    }
    text[n] = '\0';
    size_t sign = text[0] == '-';
    if (n == sign || text[sign] < '0' || text[sign] > '9') {
        rt__json_fail(j, "a number was expected");
        return RT_NONE;
    }
    if (whole && n - sign <= 18) {
        return RT_V_INT(strtoll(text, NULL, 10));
    }
    return RT_V_FLOAT(parse_double(text));
}

rt_value rt__json_word(rt__json *j)
{
    static const struct { const char *word; rt_value value; } words[] = {
        {"true", {.kind = RT_K_BOOL, .i = 1}},
        {"false", {.kind = RT_K_BOOL, .i = 0}},
        {"null", {.kind = RT_K_NONE}},
    };
    rt__json_peek(j);
    for (int i = 0; i < 3; i++) {
        size_t n = strlen(words[i].word);
        if ((size_t)(j->end - j->at) >= n
            && memcmp(j->at, words[i].word, n) == 0) {
            j->at += n;
            return words[i].value;
        }
    }
    rt__json_fail(j, "a value was expected");
    return RT_NONE;
}

rt_status rt__json_end(rt__json *j)
{
    rt__json_peek(j);
    if (j->at < j->end) {
        rt__json_fail(j, "something behind the end");
    }
    return j->status;
}

void rt__json_quote(rt__text *t, const char *s)
{
    rt__text_char(t, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\') {
            rt__text_char(t, '\\');
            rt__text_char(t, *s);
        } else if ((unsigned char)*s < 0x20) {
            rt__text_format(t, "\\u%04x", (unsigned)*s);
        } else {
            rt__text_char(t, *s);
        }
    }
    rt__text_char(t, '"');
}

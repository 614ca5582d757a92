/* SPDX-License-Identifier: MIT
 * The text of a cell, its lines, and walking through UTF-8. */
#include "lang/source.h"

#include <stdio.h>
#include <string.h>

enum { MAX_SIZE = 16 * 1024 * 1024 };

uint32_t lang__utf8_next(const char **p, const char *end)
{
    const unsigned char *s = (const unsigned char *)*p;
    size_t left = (size_t)(end - *p);
    int extra = s[0] < 0x80 ? 0 : s[0] >= 0xC2 && s[0] < 0xE0 ? 1
                : (s[0] & 0xF0) == 0xE0 ? 2 : s[0] >= 0xF0 && s[0] < 0xF5 ? 3
                : -1;
    *p += 1;
    if (extra == 0)
        return s[0];
    if (extra < 0 || (size_t)extra >= left)
        return 0xFFFD;
    uint32_t c = s[0] & (0x3F >> extra);
    for (int i = 1; i <= extra; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0xFFFD;
        c = c << 6 | (s[i] & 0x3F);
    }
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    if (c < least[extra] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
        return 0xFFFD;
    *p += extra;
    return c;
}

int lang__utf8_put(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

int lang__utf8_width(uint32_t c)
{
    if (c < 0x20 || (c >= 0x300 && c < 0x370) || c == 0x200B ||
        (c >= 0x20D0 && c < 0x2100) || (c >= 0xFE00 && c < 0xFE10))
        return c == '\t' ? 1 : 0;
    bool wide = (c >= 0x1100 && c < 0x1160) || (c >= 0x2E80 && c < 0xA4D0) ||
                (c >= 0xAC00 && c < 0xD7A4) || (c >= 0xF900 && c < 0xFB00) ||
                (c >= 0xFE30 && c < 0xFE70) || (c >= 0xFF00 && c < 0xFF61) ||
                (c >= 0x1F300 && c < 0x1F650) || (c >= 0x1F900 && c < 0x1FA00) ||
                (c >= 0x20000 && c < 0x3FFFE);
    return wide ? 2 : 1;
}

size_t lang__utf8_offset(const char *text, size_t size, int codepoints)
{
    const char *p = text, *end = text + size;
    for (int i = 0; i < codepoints && p < end; i++)
        lang__utf8_next(&p, end);
    return (size_t)(p - text);
}

int lang__utf8_count(const char *text, size_t bytes)
{
    const char *p = text, *end = text + bytes;
    int n = 0;
    for (; p < end; n++)
        lang__utf8_next(&p, end);
    return n;
}

/* Copies text, bytes that are not UTF-8 (and NULs) as U+FFFD; out has room for
 * three times the size. Line ends become \n. */
static size_t clean(char *out, const char *text, size_t size)
{
    char *o = out;
    for (const char *p = text, *end = text + size; p < end;) {
        if (*p == '\r') {
            *o++ = '\n';
            p += 1 + (p + 1 < end && p[1] == '\n');
            continue;
        }
        uint32_t c = lang__utf8_next(&p, end);
        o += lang__utf8_put(o, c ? c : 0xFFFD);
    }
    *o = 0;
    return (size_t)(o - out);
}

static bool index_lines(lang__source *s)
{
    int n = 1;
    for (uint32_t i = 0; i < s->size; i++)
        n += s->text[i] == '\n';
    s->lines = rt_alloc((size_t)n * sizeof *s->lines);
    if (!s->lines)
        return false;
    s->nlines = 0;
    s->lines[s->nlines++] = 0;
    for (uint32_t i = 0; i < s->size; i++) {
        if (s->text[i] == '\n')
            s->lines[s->nlines++] = i + 1;
    }
    return true;
}

rt_status lang__source_new(lang__source **out, const char *text, size_t size,
                           int cell, const char *name, rt_error *err)
{
    if (size > MAX_SIZE)
        return rt_fail(err, RT_E_LIMIT,
                       "source: %zu bytes, but at most %d are read", size,
                       MAX_SIZE);
    char number[32];
    snprintf(number, sizeof number, "cell %d", cell);
    lang__source *s = rt_alloc(sizeof *s);
    if (!s)
        goto failed;
    *s = (lang__source){.cell = cell, .count = 1};
    s->text = rt_alloc(size * 3 + 1);
    s->name = rt_strdup(name ? name : number);
    if (!s->text || !s->name)
        goto failed;
    s->size = (uint32_t)clean(s->text, text, size);
    if (!index_lines(s))
        goto failed;
    *out = s;
    return RT_OK;
failed:
    lang__source_release(s);
    return rt_fail(err, RT_E_MEMORY, "source: no memory for %zu bytes", size);
}

lang__source *lang__source_retain(lang__source *s)
{
    if (s)
        s->count++;
    return s;
}

void lang__source_release(lang__source *s)
{
    if (!s || --s->count > 0)
        return;
    rt_free(s->text);
    rt_free(s->name);
    rt_free(s->lines);
    rt_free(s);
}

int lang__source_line(const lang__source *s, uint32_t offset)
{
    int low = 0, high = s->nlines;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (s->lines[middle] <= offset)
            low = middle;
        else
            high = middle;
    }
    return low + 1;
}

int lang__source_column(const lang__source *s, uint32_t offset)
{
    if (offset > s->size)
        offset = s->size;
    uint32_t start = s->lines[lang__source_line(s, offset) - 1];
    return lang__utf8_count(s->text + start, offset - start) + 1;
}

const char *lang__source_line_text(const lang__source *s, int line,
                                   uint32_t *size)
{
    if (line < 1 || line > s->nlines) {
        *size = 0;
        return "";
    }
    uint32_t start = s->lines[line - 1];
    uint32_t end = line < s->nlines ? s->lines[line] - 1 : s->size;
    *size = end - start;
    return s->text + start;
}

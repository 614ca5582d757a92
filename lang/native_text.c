/* SPDX-License-Identifier: MIT
 * Built-in functions on text: printing, strings, input. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1   /* memmem */
#endif
#include "lang/native.h"

#include "lang/format.h"

#include <string.h>

/* --- printing --------------------------------------------------------------- */

static rt_status formatted(lang__native_call *c, lang__writer *w)
{
    const lang__format *f = c->expr ? c->expr->u.invoke.format : NULL;
    if (!f)
        return rt_fail(c->err, RT_E_UNSUPPORTED,
                       "a format must be written in the call itself");
    return lang__write_formatted(w, f, c->a + 1, c->n - 1, c->err);
}

static rt_status print_formatted(lang__native_call *c, int fd, bool line)
{
    lang__writer w = {0};
    rt_status status = formatted(c, &w);
    if (line)
        lang__write_char(&w, '\n');
    if (!status && w.failed)
        status = rt_fail(c->err, RT_E_MEMORY, "printf: no memory");
    if (!status)
        lang__print(c->s, fd, w.data ? w.data : "", w.size);
    lang__writer_dispose(&w);
    return status;
}

static rt_status format_text(lang__native_call *c)
{
    lang__writer w = {0};
    char *text = NULL;
    rt_status status = formatted(c, &w);
    if (!status)
        status = lang__writer_take(&w, &text, c->err);
    lang__writer_dispose(&w);
    return status ? status : lang__return_text(c, text);
}

NATIVE(PRINTF) { return print_formatted(c, 1, false); }
NATIVE(EPRINTF) { return print_formatted(c, 2, false); }
NATIVE(FORMAT) { return format_text(c); }
NATIVE(PRINTLN) { return print_formatted(c, 1, true); }
NATIVE(PRINT_BRACES) { return print_formatted(c, 1, false); }
NATIVE(EPRINTLN) { return print_formatted(c, 2, true); }
NATIVE(FORMAT_BRACES) { return format_text(c); }

NATIVE(PRINT)
{
    lang__writer w = {0};
    rt_status status = RT_OK;
    for (int i = 0; i < c->n && !status; i++) {
        if (i)
            lang__write_char(&w, ' ');
        status = lang__write_value(&w, c->a[i], false, c->err);
    }
    lang__write_char(&w, '\n');
    if (!status && w.failed)
        status = rt_fail(c->err, RT_E_MEMORY, "print: no memory");
    if (!status)
        lang__print(c->s, 1, w.data, w.size);
    lang__writer_dispose(&w);
    return status;
}

NATIVE(INPUT)
{
    char *line = NULL;
    if (!c->s->host.input)
        return rt_fail(c->err, RT_E_UNSUPPORTED,
                       "input: this front end takes no input");
    rt_status status = c->s->host.input(c->s->host.ctx, c->a[0].s->text, false,
                                        &line, c->err);
    return status ? status : lang__return_text(c, line);
}

/* --- strings ---------------------------------------------------------------- */

NATIVE(CHR)
{
    char text[5] = {0};
    int64_t code = c->a[0].i;
    if (code < 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
        return rt_fail(c->err, RT_E_ARGUMENT, "chr: %lld is not a code point",
                       (long long)code);
    int n = lang__utf8_put(text, (uint32_t)code);
    *c->out = LANG__STRING_VALUE(NULL);
    return lang__string_new(&c->out->s, text, (size_t)n, c->err);
}

NATIVE(ORD)
{
    lang__string *s = c->a[0].s;
    if (lang__string_length(s) != 1)
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "ord: one character is wanted, the string has %lld",
                       (long long)lang__string_length(s));
    const char *p = s->text;
    *c->out = LANG__INT_VALUE(lang__utf8_next(&p, s->text + s->size));
    return RT_OK;
}

static rt_status add_part(lang_list *l, const char *text, size_t size,
                          rt_error *err)
{
    lang__value part = LANG__STRING_VALUE(NULL);
    rt_status status = lang__string_new(&part.s, text, size, err);
    if (!status)
        status = lang__list_add(l, part, err);
    lang__release(&part);
    return status;
}

NATIVE(SPLIT_TEXT)
{
    const lang__string *s = c->a[0].s, *separator = c->a[1].s;
    lang_list *l = NULL;
    if (!separator->size)
        return rt_fail(c->err, RT_E_ARGUMENT, "split: an empty separator");
    rt_status status = lang__list_new(&l, LANG__TYPE(LANG_STRING), 0, c->err);
    const char *at = s->text, *end = s->text + s->size;
    while (!status) {
        const char *next = memmem(at, (size_t)(end - at), separator->text,
                                  separator->size);
        status = add_part(l, at, (size_t)((next ? next : end) - at), c->err);
        if (!next)
            break;
        at = next + separator->size;
    }
    *c->out = LANG__LIST_VALUE(l);
    return status;
}

NATIVE(JOIN)
{
    lang__writer w = {0};
    char *text = NULL;
    lang_list *l = c->a[0].l;
    for (int64_t i = 0; i < l->count; i++) {
        lang__string *s = l->items[i].p;
        if (i)
            lang__write_n(&w, c->a[1].s->text, c->a[1].s->size);
        if (s)
            lang__write_n(&w, s->text, s->size);
    }
    rt_status status = lang__writer_take(&w, &text, c->err);
    return status ? status : lang__return_text(c, text);
}

static bool blank(char ch)
{
    return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r';
}

NATIVE(STRIP)
{
    const char *from = c->a[0].s->text, *to = from + c->a[0].s->size;
    while (from < to && blank(*from))
        from++;
    while (to > from && blank(to[-1]))
        to--;
    *c->out = LANG__STRING_VALUE(NULL);
    return lang__string_new(&c->out->s, from, (size_t)(to - from), c->err);
}

/* ASCII letters, and the Latin, Greek and Cyrillic ones that pair simply. */
static uint32_t change_case(uint32_t ch, bool upper)
{
    bool small = (ch >= 'a' && ch <= 'z') || (ch >= 0xE0 && ch <= 0xFE &&
                 ch != 0xF7) || (ch >= 0x3B1 && ch <= 0x3C9 && ch != 0x3C2) ||
                 (ch >= 0x430 && ch <= 0x44F);
    bool large = (ch >= 'A' && ch <= 'Z') || (ch >= 0xC0 && ch <= 0xDE &&
                 ch != 0xD7) || (ch >= 0x391 && ch <= 0x3A9) ||
                 (ch >= 0x410 && ch <= 0x42F);
    if (upper && small)
        return ch - 32;
    return !upper && large ? ch + 32 : ch;
}

static rt_status recase(lang__native_call *c, bool upper)
{
    lang__writer w = {0};
    char *text = NULL, utf8[4];
    const char *p = c->a[0].s->text, *end = p + c->a[0].s->size;
    while (p < end) {
        uint32_t ch = change_case(lang__utf8_next(&p, end), upper);
        lang__write_n(&w, utf8, (size_t)lang__utf8_put(utf8, ch));
    }
    rt_status status = lang__writer_take(&w, &text, c->err);
    return status ? status : lang__return_text(c, text);
}

NATIVE(UPPER) { return recase(c, true); }
NATIVE(LOWER) { return recase(c, false); }

NATIVE(REPLACE)
{
    lang__writer w = {0};
    char *text = NULL;
    const lang__string *s = c->a[0].s, *old = c->a[1].s, *new = c->a[2].s;
    if (!old->size)
        return rt_fail(c->err, RT_E_ARGUMENT, "replace: nothing to look for");
    const char *at = s->text, *end = s->text + s->size;
    for (;;) {
        const char *next = memmem(at, (size_t)(end - at), old->text, old->size);
        lang__write_n(&w, at, (size_t)((next ? next : end) - at));
        if (!next)
            break;
        lang__write_n(&w, new->text, new->size);
        at = next + old->size;
    }
    rt_status status = lang__writer_take(&w, &text, c->err);
    return status ? status : lang__return_text(c, text);
}

static const char *find(const lang__native_call *c)
{
    const lang__string *s = c->a[0].s, *part = c->a[1].s;
    return memmem(s->text, s->size, part->text, part->size);
}

NATIVE(FIND)
{
    const char *at = find(c);
    *c->out = LANG__INT_VALUE(-1);
    if (at)
        c->out->i = lang__utf8_count(c->a[0].s->text,
                                     (size_t)(at - c->a[0].s->text));
    return RT_OK;
}

NATIVE(CONTAINS_TEXT)
{
    *c->out = LANG__BOOL_VALUE(find(c) != NULL);
    return RT_OK;
}

NATIVE(STARTS_WITH)
{
    const lang__string *s = c->a[0].s, *part = c->a[1].s;
    *c->out = LANG__BOOL_VALUE(part->size <= s->size &&
                               memcmp(s->text, part->text, part->size) == 0);
    return RT_OK;
}

NATIVE(ENDS_WITH)
{
    const lang__string *s = c->a[0].s, *part = c->a[1].s;
    *c->out = LANG__BOOL_VALUE(
        part->size <= s->size &&
        memcmp(s->text + s->size - part->size, part->text, part->size) == 0);
    return RT_OK;
}

NATIVE(LEN_STRING)
{
    *c->out = LANG__INT_VALUE(lang__string_length(c->a[0].s));
    return RT_OK;
}

NATIVE(TYPE)
{
    char text[48];
    const char *kind = lang__value_kind(text, c->a[0]);
    *c->out = LANG__STRING_VALUE(NULL);
    return lang__string_new(&c->out->s, kind, strlen(kind), c->err);
}

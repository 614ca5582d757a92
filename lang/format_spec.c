/* SPDX-License-Identifier: MIT
 * Formats of printf and println! as lists of pieces. */
#include "lang/format_spec.h"

#include <string.h>

enum { WIDEST = 10000 };

typedef struct reader {
    const char *text, *at;
    lang__format *out;
    lang__arena *arena;
    lang__format_error *error;
} reader;

static bool fail(reader *r, const char *from, const char *message)
{
    r->error->message = message;
    r->error->at = (int)(from - r->text);
    r->error->end = (int)(r->at - r->text);
    return false;
}

static lang__piece *add(reader *r)
{
    lang__piece *p = LANG__PUSH(r->arena, r->out->pieces, r->out->count);
    if (!p)
        p = LANG__NEW(r->arena, lang__piece);
    p->width = p->precision = -1;
    p->width_arg = p->precision_arg = -1;
    return p;
}

static void literal(reader *r, const char *from, const char *to)
{
    if (to == from)
        return;
    lang__piece *p = add(r);
    p->text = lang__arena_text(r->arena, from, (size_t)(to - from));
    p->size = (int)(to - from);
}

/* A number; -1 when there is none, -2 when too large. */
static int number(reader *r)
{
    if (*r->at < '0' || *r->at > '9')
        return -1;
    int n = 0;
    for (; *r->at >= '0' && *r->at <= '9'; r->at++)
        n = n < WIDEST ? n * 10 + (*r->at - '0') : n;
    return n < WIDEST ? n : -2;
}

/* --- C ------------------------------------------------------------------------ */

static void flags(reader *r, lang__piece *p)
{
    for (;; r->at++) {
        switch (*r->at) {
        case '-': p->left = true; break;
        case '+': p->plus = true; break;
        case ' ': p->space = true; break;
        case '0': p->zero = true; break;
        case '#': p->alternate = true; break;
        default: return;
        }
    }
}

/* "*" takes an argument. */
static int size_c(reader *r, int *arg)
{
    if (*r->at != '*')
        return number(r);
    r->at++;
    *arg = r->out->nargs++;
    return -2;
}

static bool conversion_c(reader *r)
{
    const char *start = r->at++;
    lang__piece *p = add(r);
    flags(r, p);
    p->width = size_c(r, &p->width_arg);
    if (p->width == -2 && p->width_arg < 0)
        return fail(r, start, "the width is too large");
    if (*r->at == '.') {
        r->at++;
        p->precision = size_c(r, &p->precision_arg);
        if (p->precision == -2 && p->precision_arg < 0)
            return fail(r, start, "the precision is too large");
        if (p->precision == -1)
            p->precision = 0;
    }
    r->at += strspn(r->at, "hlLjzt");
    char c = *r->at;
    if (c == 0)
        return fail(r, start, "the format ends in the middle of a conversion");
    r->at++;
    if (!strchr("diuxXobcfFeEgGsv", c))
        return fail(r, start, c == 'p' || c == 'n'
                    ? "%p and %n are about pointers, which do not exist here"
                    : "there is no such conversion");
    p->conversion = c == 'i' || c == 'u' ? 'd' : c;
    p->arg = r->out->nargs++;
    p->at = (int)(start - r->text);
    p->end = (int)(r->at - r->text);
    return true;
}

static void begin(reader *r, lang__format *out, lang__arena *arena,
                  const char *text, lang__format_error *error)
{
    *out = (lang__format){0};
    *error = (lang__format_error){0};
    *r = (reader){text, text, out, arena, error};
}

bool lang__format_parse_c(lang__format *out, lang__arena *arena,
                          const char *text, lang__format_error *error)
{
    reader r;
    begin(&r, out, arena, text, error);
    while (*r.at) {
        const char *from = r.at;
        r.at += strcspn(r.at, "%");
        literal(&r, from, r.at);
        if (r.at[0] == '%' && r.at[1] == '%') {
            literal(&r, r.at, r.at + 1);
            r.at += 2;
        } else if (*r.at && !conversion_c(&r)) {
            return false;
        }
    }
    return true;
}

/* --- Rust --------------------------------------------------------------------------- */

static bool alignment(const char *at)
{
    return *at == '<' || *at == '>' || *at == '^';
}

static void align(reader *r, lang__piece *p)
{
    const char *next = r->at, *end = r->at + strlen(r->at);
    if (next < end && *next != '}')
        lang__utf8_next(&next, end);
    if (next < end && next > r->at && alignment(next)) {
        size_t size = (size_t)(next - r->at);
        memcpy(p->fill, r->at, size < 4 ? size : 4);
        r->at = next;
    }
    if (!alignment(r->at))
        return;
    p->left = *r->at == '<';
    p->centre = *r->at == '^';
    r->at++;
}

/* After the colon: fill, alignment, sign, #, 0, width, .precision, kind. */
static bool spec(reader *r, lang__piece *p, const char *start)
{
    align(r, p);
    if (*r->at == '+') {
        p->plus = true;
        r->at++;
    }
    if (*r->at == '#') {
        p->alternate = true;
        r->at++;
    }
    if (*r->at == '0') {
        p->zero = true;
        r->at++;
    }
    p->width = number(r);
    if (*r->at == '.') {
        r->at++;
        p->precision = number(r);
        if (p->precision == -1)
            return fail(r, start, "digits are missing after the point");
    }
    if (p->width == -2 || p->precision == -2)
        return fail(r, start, "the width is too large");
    if (*r->at == '?') {
        p->debug = true;
        r->at++;
    } else if (*r->at && strchr("xXobeE", *r->at)) {
        p->conversion = *r->at++;
    }
    return true;
}

static bool braces(reader *r, int *next)
{
    const char *start = r->at++;
    lang__piece *p = add(r);
    p->conversion = 'v';
    int position = number(r);
    p->arg = position >= 0 ? position : (*next)++;
    if (*r->at == ':') {
        r->at++;
        if (!spec(r, p, start))
            return false;
    }
    if (*r->at != '}') {
        r->at += strcspn(r->at, "}");
        r->at += *r->at == '}';
        return fail(r, start, "{} takes a position and a format, as in {0:.3}; "
                    "pass names and expressions as arguments");
    }
    r->at++;
    if (p->arg + 1 > r->out->nargs)
        r->out->nargs = p->arg + 1;
    p->at = (int)(start - r->text);
    p->end = (int)(r->at - r->text);
    return r->out->nargs <= 100 || fail(r, start, "the position is too large");
}

bool lang__format_parse_braces(lang__format *out, lang__arena *arena,
                               const char *text, lang__format_error *error)
{
    reader r;
    int next = 0;
    begin(&r, out, arena, text, error);
    while (*r.at) {
        const char *from = r.at;
        r.at += strcspn(r.at, "{}");
        literal(&r, from, r.at);
        if (*r.at && r.at[0] == r.at[1]) {
            literal(&r, r.at, r.at + 1);
            r.at += 2;
        } else if (*r.at == '}') {
            from = r.at++;
            return fail(&r, from, "a `}` without its `{`: write }} for the "
                        "character itself");
        } else if (*r.at && !braces(&r, &next)) {
            return false;
        }
    }
    return true;
}

/* SPDX-License-Identifier: MIT
 * Text to tokens: one pass, no backtracking beyond a line. */
#define _GNU_SOURCE        /* strtod_l */
#include "lang/lexer.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

typedef struct lexer {
    const char *text;          /* the whole source */
    uint32_t at, end;
    lang__tokens *out;
    lang__arena *arena;
    lang__diagnostics *errors;
    bool first;                /* nothing but blanks on this line so far */
    int brackets;              /* open ( and [ */
} lexer;

static const char *const token_texts[] = {
#define TOKEN(id, text) text,
#define KEYWORD(id, text) "`" text "`",
#define PUNCTUATION(id, text) "`" text "`",
#include "lang/token.def"
#undef TOKEN
#undef KEYWORD
#undef PUNCTUATION
};

typedef struct spelling {
    const char *text;
    uint8_t kind, size;
} spelling;

static const spelling keywords[] = {
#define TOKEN(id, text)
#define KEYWORD(id, text) {text, T_##id, sizeof(text) - 1},
#define PUNCTUATION(id, text)
#include "lang/token.def"
#undef KEYWORD
#undef PUNCTUATION
    {"True", T_TRUE, 4},      {"False", T_FALSE, 5}, {"NULL", T_NONE, 4},
    {"nullptr", T_NONE, 7},   {"null", T_NONE, 4},
};

static const spelling punctuation[] = {
#define KEYWORD(id, text)
#define PUNCTUATION(id, text) {text, T_##id, sizeof(text) - 1},
#include "lang/token.def"
#undef TOKEN
#undef KEYWORD
#undef PUNCTUATION
};

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

const char *lang__token_text(lang__token_kind kind)
{
    return token_texts[kind];
}

const char *lang__keyword_at(int n)
{
    int own = T_WHILE - T_AUTO + 1;
    return n >= 0 && n < own ? keywords[n].text : NULL;
}

static char peek(const lexer *l, uint32_t ahead)
{
    return l->at + ahead < l->end ? l->text[l->at + ahead] : 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (unsigned char)c >= 0x80;
}

static bool is_part(char c)
{
    return is_start(c) || is_digit(c);
}

static lang__token *add(lexer *l, lang__token_kind kind, uint32_t start)
{
    lang__token *t = LANG__PUSH(l->arena, l->out->items, l->out->count);
    if (!t) {
        l->end = l->at;            /* no memory: stop here */
        return LANG__NEW(l->arena, lang__token);
    }
    t->kind = kind;
    t->span = (lang__span){start, l->at};
    t->first = l->first;
    l->first = false;
    return t;
}

static lang__diagnostic *report(lexer *l, lang__diagnostic_id id,
                                uint32_t start, uint32_t end,
                                const char *message)
{
    return lang__report(l->errors, id, (lang__span){start, end}, "%s", message);
}

/* --- blanks, comments, preprocessor lines --------------------------------- */

static void skip_line(lexer *l)
{
    while (l->at < l->end && l->text[l->at] != '\n')
        l->at++;
}

static void skip_comment(lexer *l)
{
    uint32_t start = l->at;
    l->at += 2;
    while (l->at < l->end && !(peek(l, 0) == '*' && peek(l, 1) == '/')) {
        if (peek(l, 0) == '\n')
            l->first = true;
        l->at++;
    }
    if (l->at >= l->end) {
        l->out->open_comment = true;
        report(l, LANG__D_UNTERMINATED, start, start + 2,
               "this comment has no end: `*/` is missing");
        return;
    }
    l->at += 2;
}

/* A line that begins with #. */
static void directive(lexer *l)
{
    uint32_t start = l->at, word = start + 1;
    skip_line(l);
    uint32_t end = l->at;
    while (word < end && (l->text[word] == ' ' || l->text[word] == '\t'))
        word++;
    const char *w = l->text + word;
    size_t left = end - word;
    lang__diagnostic *d;
    if (left >= 7 && !strncmp(w, "include", 7)) {
        if (memchr(w, '<', left))
            return;                     /* C's own headers are not needed */
        d = report(l, LANG__D_UNSUPPORTED, start, end,
                   "#include of a file is not supported yet");
        lang__report_help(l->errors, d, "run the file's text in this session "
                          "with the line magic %%load, or paste it here");
    } else if (left >= 6 && !strncmp(w, "define", 6)) {
        d = report(l, LANG__D_NOT_IN_LANGUAGE, start, end,
                   "there is no preprocessor: #define is not part of cells");
        lang__report_help(l->errors, d,
                          "use a constant, `const int N = 10;`, or a function");
    } else {
        d = report(l, LANG__D_NOT_IN_LANGUAGE, start, end,
                   "a line may not begin with #");
        lang__report_help(l->errors, d, "comments begin with //");
    }
}

/* --- names ----------------------------------------------------------------- */

/* Quotes, dashes, arrows and other signs that editors and web pages slip in
 * are no letters. */
static bool is_letter(uint32_t c)
{
    return c >= 0xC0 && c != 0xD7 && c != 0xF7 && !(c >= 0x2000 && c < 0x2C00) &&
           !(c >= 0x3000 && c < 0x3040) && !(c >= 0xE000 && c < 0xF900) &&
           !(c >= 0xFE00 && c < 0xFF21) && c < 0x1F000;
}

/* Bytes of the name's character at `at`: 0 when it is none. */
static uint32_t part_size(const lexer *l, uint32_t at)
{
    if (at >= l->end)
        return 0;
    if ((unsigned char)l->text[at] < 0x80)
        return is_part(l->text[at]);
    const char *p = l->text + at;
    bool letter = is_letter(lang__utf8_next(&p, l->text + l->end));
    return letter ? (uint32_t)(p - l->text) - at : 0;
}

static void name(lexer *l)
{
    uint32_t start = l->at, step;
    while ((step = part_size(l, l->at)))
        l->at += step;
    if (peek(l, 0) == '!' && (peek(l, 1) == '(' || peek(l, 1) == '['))
        l->at++;                        /* println!( vec![ */
    uint32_t size = l->at - start;
    for (int i = 0; i < COUNT(keywords); i++) {
        if (keywords[i].size == size &&
            !memcmp(keywords[i].text, l->text + start, size)) {
            add(l, keywords[i].kind, start);
            return;
        }
    }
    lang__token *t = add(l, T_NAME, start);
    t->text = lang__arena_text(l->arena, l->text + start, size);
}

/* --- numbers --------------------------------------------------------------- */

static int digit_value(char c)
{
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

/* f, L, u, ul, i64, f32...: 'f' when it makes a float, 0 when unknown. */
static char suffix(lexer *l)
{
    static const char *const known[] = {
        "f", "F", "f32", "f64", "u", "U", "l", "L", "ul", "UL", "ll", "LL",
        "ull", "ULL", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64",
        "usize", "isize", "_f32", "_f64", "_i64", "_usize", "_i32"};
    uint32_t start = l->at;
    while (is_part(peek(l, 0)))
        l->at++;
    size_t size = l->at - start;
    if (size == 0)
        return 'n';
    for (int i = 0; i < COUNT(known); i++) {
        if (strlen(known[i]) == size &&
            !memcmp(known[i], l->text + start, size))
            return strchr("fF", known[i][known[i][0] == '_']) ? 'f' : 'n';
    }
    return 0;
}

static void bad_number(lexer *l, uint32_t start, const char *message)
{
    while (is_part(peek(l, 0)))
        l->at++;
    report(l, LANG__D_NUMBER, start, l->at, message);
    add(l, T_INT, start)->i = 0;
}

static void whole_number(lexer *l, uint32_t start, int base, uint32_t end)
{
    uint64_t value = 0;
    bool over = false;
    for (uint32_t i = start; i < end; i++) {
        char c = l->text[i];
        if (c == '_')
            continue;
        uint64_t digit = (uint64_t)digit_value(c);
        if (digit >= (uint64_t)base) {
            bad_number(l, start, base == 8
                       ? "8 and 9 are no digits of an octal number: a leading "
                         "0 means base 8, as in C"
                       : "this digit does not belong to the number's base");
            return;
        }
        over |= value > (UINT64_MAX - digit) / (uint64_t)base;
        value = value * (uint64_t)base + digit;
    }
    bool least = base == 10 && value == (uint64_t)INT64_MAX + 1;
    if (over || (base == 10 && value > INT64_MAX && !least)) {
        bad_number(l, start, "this integer does not fit into 64 bits");
        return;
    }
    char kind = suffix(l);
    if (!kind) {
        bad_number(l, start, "letters follow the number");
    } else if (kind == 'f' && base == 10) {
        add(l, T_FLOAT, start)->f = (double)value;
    } else {
        lang__token *t = add(l, T_INT, start);
        t->i = (int64_t)value;
        t->least = least;
    }
}

static void prefixed_number(lexer *l, int base)
{
    uint32_t start = l->at;
    l->at += 2;
    uint32_t digits = l->at;
    while (peek(l, 0) == '_' || digit_value(peek(l, 0)) < (base == 16 ? 16 : 10))
        l->at++;
    if (l->at == digits) {
        bad_number(l, start, "digits are missing after the base");
        return;
    }
    uint32_t end = l->at, count = l->out->count;
    whole_number(l, digits, base, end);
    if ((uint32_t)l->out->count > count)
        l->out->items[l->out->count - 1].span.start = start;
}

static void skip_digits(lexer *l)
{
    while (is_digit(peek(l, 0)) || (peek(l, 0) == '_' && is_digit(peek(l, 1))))
        l->at++;
}

/* strtod whatever the host's locale is. */
static double parse_float(const char *digits)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double value = c ? strtod_l(digits, NULL, c) : strtod(digits, NULL);
    if (c)
        freelocale(c);
    return value;
}

static void number(lexer *l)
{
    uint32_t start = l->at;
    char second = (char)(peek(l, 1) | 0x20);
    if (peek(l, 0) == '0' && (second == 'x' || second == 'b' || second == 'o')) {
        prefixed_number(l, second == 'x' ? 16 : second == 'b' ? 2 : 8);
        return;
    }
    skip_digits(l);
    bool real = false;
    if (peek(l, 0) == '.' && peek(l, 1) != '.' &&
        (!is_start(peek(l, 1)) || ((peek(l, 1) | 0x20) == 'e' &&
                                   (is_digit(peek(l, 2)) || peek(l, 2) == '-')) ||
         ((peek(l, 1) | 0x20) == 'f' && !is_part(peek(l, 2))))) {
        real = true;
        l->at++;
        skip_digits(l);
    }
    char sign = peek(l, 1);
    if ((peek(l, 0) | 0x20) == 'e' &&
        (is_digit(sign) || ((sign == '-' || sign == '+') && is_digit(peek(l, 2))))) {
        real = true;
        l->at += 2;
        skip_digits(l);
    }
    if (!real) {
        bool octal = l->text[start] == '0' && l->at > start + 1;
        whole_number(l, start, octal ? 8 : 10, l->at);
        return;
    }
    char digits[128];
    size_t n = 0;
    for (uint32_t i = start; i < l->at && n < sizeof digits - 1; i++) {
        if (l->text[i] != '_')
            digits[n++] = l->text[i];
    }
    digits[n] = 0;
    if (!suffix(l))
        bad_number(l, start, "letters follow the number");
    else
        add(l, T_FLOAT, start)->f = parse_float(digits);
}

/* --- strings and characters -------------------------------------------------- */

static uint32_t hex_escape(lexer *l, int least, int most, bool *ok)
{
    uint32_t value = 0;
    int n = 0;
    while (n < most && digit_value(peek(l, 0)) < 16) {
        value = value * 16 + (uint32_t)digit_value(peek(l, 0));
        l->at++;
        n++;
    }
    *ok = n >= least && value <= 0x10FFFF &&
          !(value >= 0xD800 && value < 0xE000);
    return value;
}

/* After the backslash. */
static uint32_t escape(lexer *l, bool *ok)
{
    static const char from[] = "abefnrtv0\\'\"?";
    static const char to[] = "\a\b\033\f\n\r\t\v\0\\'\"?";
    char c = peek(l, 0);
    *ok = true;
    if (c >= '0' && c <= '7') {
        uint32_t value = 0;
        for (int i = 0; i < 3 && peek(l, 0) >= '0' && peek(l, 0) <= '7'; i++)
            value = value * 8 + (uint32_t)(l->text[l->at++] - '0');
        return value;
    }
    if (l->at < l->end) {                         /* all of the character */
        const char *p = l->text + l->at;
        lang__utf8_next(&p, l->text + l->end);
        l->at = (uint32_t)(p - l->text);
    }
    if (c == 'x')
        return hex_escape(l, 1, 2, ok);
    if (c == 'U')
        return hex_escape(l, 8, 8, ok);
    if (c == 'u' && peek(l, 0) == '{') {          /* Rust's \u{1F600} */
        l->at++;
        uint32_t value = hex_escape(l, 1, 6, ok);
        *ok = *ok && peek(l, 0) == '}';
        l->at += *ok;
        return value;
    }
    if (c == 'u')
        return hex_escape(l, 4, 4, ok);
    const char *found = c ? strchr(from, c) : NULL;
    *ok = found != NULL;
    return found ? (uint32_t)(unsigned char)to[found - from] : '?';
}

/* One character of a literal, escapes decoded. */
static uint32_t literal_part(lexer *l)
{
    if (peek(l, 0) != '\\') {
        const char *p = l->text + l->at;
        uint32_t c = lang__utf8_next(&p, l->text + l->end);
        l->at = (uint32_t)(p - l->text);
        return c;
    }
    uint32_t start = l->at++;
    bool ok;
    uint32_t c = escape(l, &ok);
    if (!ok) {
        lang__diagnostic *d = report(l, LANG__D_CHARACTER, start, l->at,
                                     "no such escape in a string");
        lang__report_help(l->errors, d, "write \\\\ for a backslash itself");
    }
    return c;
}

static void string(lexer *l)
{
    uint32_t start = l->at++;
    uint32_t close = l->at;
    while (close < l->end && l->text[close] != '"' && l->text[close] != '\n')
        close += l->text[close] == '\\' && close + 1 < l->end ? 2 : 1;
    if (close > l->end)
        close = l->end;
    if (close >= l->end || l->text[close] != '"') {
        l->out->open_string = close >= l->end;
        lang__diagnostic *d = report(l, LANG__D_UNTERMINATED, start, close,
                                     "this string has no end");
        lang__report_help(l->errors, d, "close it with \" on the same line; "
                          "\\n stands for a new line");
        l->at = close;
        add(l, T_STRING, start)->text = "";
        return;
    }
    /* An escape, good or bad, is at least as long as its UTF-8, and the source
     * is valid UTF-8: nothing grows. */
    char *text = lang__arena_text(l->arena, "", 0);
    size_t n = 0, room = 1;
    if (close - start > 1)
        text = lang__arena_get(l->arena, room = close - start + 8);
    while (l->at < close) {
        uint32_t at = l->at, c = literal_part(l);
        if (!c)
            report(l, LANG__D_CHARACTER, at, l->at,
                   "a string cannot hold the character 0");
        else if (text && n + 4 < room)
            n += (size_t)lang__utf8_put(text + n, c);
    }
    if (text)
        text[n] = 0;
    l->at = close + 1;
    add(l, T_STRING, start)->text = text ? text : "";
}

static void character(lexer *l)
{
    uint32_t start = l->at++;
    if (peek(l, 0) == '\'' || peek(l, 0) == '\n' || l->at >= l->end) {
        l->at += peek(l, 0) == '\'';
        report(l, LANG__D_UNTERMINATED, start, l->at,
               "a character is missing between the quotes");
        add(l, T_INT, start)->i = 0;
        return;
    }
    uint32_t c = literal_part(l);
    if (peek(l, 0) == '\'') {
        l->at++;
    } else {
        uint32_t close = l->at;
        while (close < l->end && l->text[close] != '\'' &&
               l->text[close] != '\n')
            close++;
        bool closed = close < l->end && l->text[close] == '\'';
        l->at = closed ? close + 1 : l->at;
        lang__diagnostic *d = report(l, LANG__D_UNTERMINATED, start, l->at,
                                     closed ? "'...' holds one character"
                                            : "this character has no end");
        lang__report_help(l->errors, d,
                          "text stands in double quotes: \"...\"");
    }
    lang__token *t = add(l, T_INT, start);
    t->i = c;
    t->character = true;
}

/* --- magics and help lines ---------------------------------------------------- */

/* Whether a statement may begin here. */
static bool at_statement(const lexer *l)
{
    if (!l->first || l->brackets > 0)
        return false;
    if (l->out->count == 0)
        return true;
    int kind = l->out->items[l->out->count - 1].kind;
    return kind == T_SEMICOLON || kind == T_RBRACE || kind == T_LBRACE ||
           kind == T_MAGIC || kind == T_HELP;
}

static bool magic(lexer *l)
{
    uint32_t start = l->at, at = start + 1;
    bool cell = at < l->end && l->text[at] == '%';
    at += cell;
    if (at >= l->end || !is_start(l->text[at]))
        return false;
    uint32_t word = at;
    while (at < l->end && is_part(l->text[at]))
        at++;
    const char *text = lang__arena_text(l->arena, l->text + word, at - word);
    while (at < l->end && (l->text[at] == ' ' || l->text[at] == '\t'))
        at++;
    l->at = at;
    skip_line(l);
    uint32_t end = l->at;
    while (end > at && (l->text[end - 1] == ' ' || l->text[end - 1] == '\t'))
        end--;
    lang__token *t = add(l, T_MAGIC, start);
    t->text = text;
    t->detail = cell;
    t->rest = lang__arena_text(l->arena, l->text + at, end - at);
    t->rest_start = at;
    return true;
}

/* name? name?? x.sum? ?name, alone on a line. */
static bool help_line(lexer *l)
{
    uint32_t start = l->at, at = start;
    bool before = l->text[at] == '?';
    at += before;
    uint32_t word = at;
    while (at < l->end && (is_part(l->text[at]) ||
                           (at > word && strchr(".:!", l->text[at]))))
        at++;
    uint32_t stop = at;
    int marks = before;
    while (at < l->end && l->text[at] == '?' && marks < 2)
        at++, marks++;
    while (at < l->end && (l->text[at] == ' ' || l->text[at] == '\t'))
        at++;
    if (stop == word || marks == 0 || !is_start(l->text[word]) ||
        (at < l->end && l->text[at] != '\n'))
        return false;
    l->at = at;
    lang__token *t = add(l, T_HELP, start);
    t->text = lang__arena_text(l->arena, l->text + word, stop - word);
    t->detail = marks == 2;
    return true;
}

/* --- the whole ------------------------------------------------------------------ */

static void punctuate(lexer *l)
{
    uint32_t start = l->at;
    for (int i = 0; i < COUNT(punctuation); i++) {
        const spelling *s = &punctuation[i];
        if (l->end - start >= s->size &&
            !memcmp(s->text, l->text + start, s->size)) {
            l->at += s->size;
            l->brackets += s->kind == T_LPAREN || s->kind == T_LBRACKET;
            l->brackets -= s->kind == T_RPAREN || s->kind == T_RBRACKET;
            if (l->brackets < 0 || s->kind == T_LBRACE || s->kind == T_RBRACE)
                l->brackets = 0;
            add(l, s->kind, start);
            return;
        }
    }
    const char *p = l->text + l->at;
    lang__utf8_next(&p, l->text + l->end);
    l->at = (uint32_t)(p - l->text);
    lang__report(l->errors, LANG__D_CHARACTER, (lang__span){start, l->at},
                 "the character `%.*s` has no meaning here",
                 (int)(l->at - start), l->text + start);
}

static void next(lexer *l)
{
    char c = peek(l, 0);
    if (c == '\n') {
        l->first = true;
        l->at++;
    } else if (c == ' ' || c == '\t' || c == '\f' || c == '\v') {
        l->at++;
    } else if (c == '/' && peek(l, 1) == '/') {
        skip_line(l);
    } else if (c == '/' && peek(l, 1) == '*') {
        skip_comment(l);
    } else if (c == '#' && l->first) {
        directive(l);
    } else if ((c == '%' && at_statement(l) && magic(l)) ||
               ((c == '?' || is_start(c)) && at_statement(l) && help_line(l))) {
        l->first = false;
    } else if (is_start(c) && part_size(l, l->at)) {
        name(l);
    } else if (is_digit(c) || (c == '.' && is_digit(peek(l, 1)))) {
        number(l);
    } else if (c == '"') {
        string(l);
    } else if (c == '\'') {
        character(l);
    } else {
        punctuate(l);
    }
}

void lang__lex(lang__tokens *out, lang__source *source, lang__span range,
               lang__diagnostics *errors)
{
    uint32_t end = range.end ? range.end : source->size;
    lexer l = {.text = source->text, .at = range.start, .end = end,
               .out = out, .arena = errors->arena, .errors = errors,
               .first = true};
    *out = (lang__tokens){0};
    while (l.at < l.end && !l.arena->failed)
        next(&l);
    l.first = true;
    add(&l, T_END, l.at);
    if (l.arena->failed) {
        out->items = LANG__NEW(l.arena, lang__token);    /* END */
        out->count = 1;
    }
}

/* SPDX-License-Identifier: MIT
 * Cases of lang/lexer.c. */
#include "lang/lexer.h"
#include "tests/unit/unit.h"

typedef struct lexed {
    lang__arena arena;
    lang__source *source;
    lang__diagnostics errors;
    lang__tokens tokens;
} lexed;

static lang__token *lex(lexed *l, const char *text)
{
    memset(l, 0, sizeof *l);
    rt_error err = {0};
    lang__arena_init(&l->arena);
    CHECK_OK(lang__source_new(&l->source, text, strlen(text), 1, NULL, &err),
             err);
    l->errors.arena = &l->arena;
    lang__lex(&l->tokens, l->source, (lang__span){0, 0}, &l->errors);
    return l->tokens.items;
}

static void done(lexed *l)
{
    lang__arena_free(&l->arena);
    lang__source_release(l->source);
}

/* The kinds and texts of a line: "NAME(x) ASSIGN INT(1)". */
static void kinds(char *out, size_t room, const char *text)
{
    static const char *const names[] = {
#define TOKEN(id, text) #id,
#define KEYWORD(id, text) #id,
#define PUNCTUATION(id, text) #id,
#include "lang/token.def"
#undef TOKEN
#undef KEYWORD
#undef PUNCTUATION
    };
    lexed l;
    lang__token *t = lex(&l, text);
    size_t n = 0;
    out[0] = 0;
    for (; t->kind != T_END; t++) {
        n += (size_t)snprintf(out + n, room - n, "%s%s", n ? " " : "",
                              names[t->kind]);
        if (t->kind == T_NAME || t->kind == T_STRING || t->kind == T_MAGIC)
            n += (size_t)snprintf(out + n, room - n, "(%s)", t->text);
        if (t->kind == T_INT)
            n += (size_t)snprintf(out + n, room - n, "(%lld)",
                                  (long long)t->i);
        if (t->kind == T_FLOAT)
            n += (size_t)snprintf(out + n, room - n, "(%g)", t->f);
    }
    for (int i = 0; i < l.errors.count; i++)
        n += (size_t)snprintf(out + n, room - n, " !%s",
                              lang__diagnostic_code(&l.errors.items[i]));
    done(&l);
}

static const struct { const char *text, *want; } cases[] = {
    {"int x = 1;", "NAME(int) NAME(x) ASSIGN INT(1) SEMICOLON"},
    {"0..10", "INT(0) RANGE INT(10)"},
    {"0..=10", "INT(0) RANGE_UP_TO INT(10)"},
    {"1. .5 1e3 1.5e-3 2f 1_000", "FLOAT(1) FLOAT(0.5) FLOAT(1000) "
     "FLOAT(0.0015) FLOAT(2) INT(1000)"},
    {"0x1F 0b101 017 0xFFFFFFFFFFFFFFFF", "INT(31) INT(5) INT(15) INT(-1)"},
    {"5.sum", "INT(5) DOT NAME(sum)"},
    {"x**2 **= @ @=", "NAME(x) POW INT(2) POW_ASSIGN MATMUL MATMUL_ASSIGN"},
    {"println!(\"a\\n\")", "NAME(println!) LPAREN STRING(a\n) RPAREN"},
    {"a != b", "NAME(a) NE NAME(b)"},
    {"'a' '\\n' '\\u00e9' '\\''", "INT(97) INT(10) INT(233) INT(39)"},
    {"\"\\u00e9\\x41\\101\"", "STRING(\xc3\xa9" "AA)"},
    {"a // b\nc /* d\n */ e", "NAME(a) NAME(c) NAME(e)"},
    {"#include <stdio.h>\nx", "NAME(x)"},
    {"%time f(x)\ny % z", "MAGIC(time) NAME(y) MOD NAME(z)"},
    {"x = 5 \n % z;", "NAME(x) ASSIGN INT(5) MOD NAME(z) SEMICOLON"},
    {"relu?\n", "HELP"},
    {"a ? b : c", "NAME(a) QUESTION NAME(b) COLON NAME(c)"},
    {"9223372036854775807", "INT(9223372036854775807)"},
    {"9223372036854775809", "INT(0) !number"},
    {"0b12", "INT(0) !number"},
    {"12abc", "INT(0) !number"},
    {"\"abc", "STRING() !unterminated"},
    {"'abc'", "INT(97) !unterminated"},
    {"''", "INT(0) !unterminated"},
    {"/* abc", " !unterminated"},
    {"a $ b", "NAME(a) NAME(b) !character"},
    {"\"\\q\"", "STRING(?) !character"},
    {"#define N 3", " !not-in-language"},
    {"\xe2\x80\x9chi\xe2\x80\x9d", "NAME(hi) !character !character"},
    {"gr\xc3\xb6\xc3\x9f" "e", "NAME(gr\xc3\xb6\xc3\x9f" "e)"},
};

CASE(source_text_becomes_the_tokens_expected)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char got[512];
        kinds(got, sizeof got, cases[i].text);
        CHECK_TEXT(got, cases[i].want);
    }
}

CASE(spans_are_bytes_and_columns_are_code_points)
{
    lexed l;
    lang__token *t = lex(&l, "\"\xc3\xa9\" x\n  y");
    CHECK_INT(t[1].span.start, 5);
    CHECK_INT(lang__source_column(l.source, t[1].span.start), 5);
    CHECK_INT(lang__source_line(l.source, t[2].span.start), 2);
    CHECK_INT(lang__source_column(l.source, t[2].span.start), 3);
    CHECK(t[2].first && !t[1].first);
    done(&l);
}

CASE(damaged_utf8_and_line_ends_are_cleaned)
{
    rt_error err = {0};
    lang__source *s;
    CHECK_OK(lang__source_new(&s, "a\xff\r\nb\0c", 7, 3, NULL, &err), err);
    CHECK_TEXT(s->text, "a\xef\xbf\xbd\nb\xef\xbf\xbd" "c");
    CHECK_TEXT(s->name, "cell 3");
    CHECK_INT(s->nlines, 2);
    lang__source_release(s);
}

CASE(sources_beyond_the_limit_are_refused)
{
    rt_error err = {0};
    lang__source *s = NULL;
    CHECK_FAILS(lang__source_new(&s, "", (size_t)1 << 30, 1, NULL, &err), err,
                RT_E_LIMIT);
}

CASE(lexing_survives_each_failing_allocation)
{
    char text[40000];
    for (size_t i = 0; i < sizeof text - 1; i++)
        text[i] = i % 2 ? '+' : 'x';
    text[sizeof text - 1] = 0;
    for (int n = 2; n < 40; n++) {
        lexed l = {0};
        rt_error err = {0};
        if (!lang__arena_init(&l.arena))
            continue;
        CHECK_OK(lang__source_new(&l.source, text, strlen(text), 1, NULL,
                                  &err), err);
        l.errors.arena = &l.arena;
        rt_memory_fail_after(n);
        lang__lex(&l.tokens, l.source, (lang__span){0, 0}, &l.errors);
        rt_memory_fail_after(0);
        CHECK(l.tokens.count >= 1);
        CHECK_INT(l.tokens.items[l.tokens.count - 1].kind, T_END);
        done(&l);
    }
}

UNIT_MAIN

/* SPDX-License-Identifier: MIT
 * Cases of lang/parser.c, declarations.c and statements.c: text to tree. */
#include "lang/checker.h"
#include "tests/unit/unit.h"

/* The tree of a cell, then "!code line:column" for each error; rt_alloc'ed. */
static char *tree(const char *text, size_t size)
{
    lang__arena arena;
    lang__source *source = NULL;
    lang__diagnostics errors;
    lang__program *program;
    lang__arena_init(&arena);
    lang__source_new(&source, text, size, 1, NULL, NULL);
    lang__check_request request = {.source = source, .arena = &arena};
    lang__parse(&program, &errors, &request);
    char *out = program ? lang__program_text(program) : rt_strdup("");
    size_t n = strlen(out);
    out = rt_realloc(out, n + 1000);
    if (errors.count && errors.count < 10)
        out[n = 0] = 0;
    for (int i = 0; i < errors.count; i++) {
        lang__diagnostic *d = &errors.items[i];
        n += (size_t)snprintf(out + n, n < 900 ? 60 : 0, "!%s %d:%d\n",
                              lang__diagnostic_code(d),
                              lang__source_line(source, d->span.start),
                              lang__source_column(source, d->span.start));
    }
    lang__source_release(source);
    lang__arena_free(&arena);
    return out;
}

typedef struct parse_case {
    const char *text, *want;
} parse_case;

static void check_all(const parse_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *got = tree(cases[i].text, strlen(cases[i].text));
        char *want = rt_alloc(strlen(cases[i].want) + 2);
        sprintf(want, "%s\n", cases[i].want);
        if (strcmp(got, want))
            printf("in %s\n", cases[i].text);
        CHECK_TEXT(got, want);
        rt_free(got);
        rt_free(want);
    }
}
#define CHECK_CASES(array) check_all(array, sizeof array / sizeof *array)

CASE(operators_bind_as_in_c_with_matmul_and_power)
{
    static const parse_case cases[] = {
        {"a + b * c;", "(expr (binary + (name a) (binary * (name b) (name c))))"},
        {"a - b - c;", "(expr (binary - (binary - (name a) (name b)) (name c)))"},
        {"x @ w + b;", "(expr (binary + (binary @ (name x) (name w)) (name b)))"},
        {"-x ** 2;", "(expr (unary - (binary ** (name x) (const 2))))"},
        {"2 ** 3 ** 2;", "(expr (binary ** (const 2) (binary ** (const 3) (const 2))))"},
        {"2 ** -1;", "(expr (binary ** (const 2) (unary - (const 1))))"},
        {"a < b == c;", "(expr (binary == (binary < (name a) (name b)) (name c)))"},
        {"a & b == c;", "(expr (binary & (name a) (binary == (name b) (name c))))"},
        {"a || b && !c;", "(expr (logical || (name a) (logical && (name b) (unary ! (name c)))))"},
        {"a = b = 1;", "(expr (assign = (name a) (assign = (name b) (const 1))))"},
        {"a += b ? 1 : 2;", "(expr (assign += (name a) (?: (name b) (const 1) (const 2))))"},
        {"-9223372036854775808;", "(expr (unary - (const -9223372036854775808)))"},
        {"i++; --j;", "(expr (step post++ (name i)))\n(expr (step pre-- (name j)))"},
        {"&a + &b;", "(expr (binary + (name a) (name b)))"},
        {"(float) x / 2;", "(expr (binary / (cast float (name x)) (const 2)))"},
        {"(x) / 2;", "(expr (binary / (name x) (const 2)))"},
        {"x as f64;", "(expr (cast float (name x)))"},
        {"\"a\" \"b\"", "(expr (const \"ab\") shown)"},
    };
    CHECK_CASES(cases);
}

CASE(calls_members_and_indices_chain)
{
    static const parse_case cases[] = {
        {"x.sum(dim=1).T", "(expr (member (call (member (name x) sum) dim=(const 1)) T) shown)"},
        {"Tensor::randn(&[3, 3]);", "(expr (call (member (name Tensor) randn) (list (const 3) (const 3))))"},
        {"x[1:3, :, ::2];", "(expr (index (name x) (slice (const 1) (const 3) _) (slice _ _ _) (slice _ _ (const 2))))"},
        {"x[1::2];", "(expr (index (name x) (slice (const 1) _ (const 2))))"},
        {"x[..., None, -1];", "(expr (index (name x) ... None (unary - (const 1))))"},
        {"x[1..3];", "(expr (index (name x) (slice (const 1) (const 3) _)))"},
        {"f(g(1), a=2)(3);", "(expr (call (call (name f) (call (name g) (const 1)) a=(const 2)) (const 3)))"},
        {"vec![1.0, 2.0];", "(expr (list (const 1) (const 2)))"},
        {"vec![0; 5];", "(expr (call (name filled) (const 0) (const 5)))"},
        {"println!(\"{:?}\", t);", "(expr (call (name println!) (const \"{:?}\") (name t)))"},
    };
    CHECK_CASES(cases);
}

CASE(declarations_read_in_c_and_in_rust)
{
    static const parse_case cases[] = {
        {"int x = 1, y;", "(declare x:int (const 1))\n(declare y:int)"},
        {"unsigned long long n = 3;", "(declare n:int (const 3))"},
        {"const char *s = \"a\";", "(declare s:string (const \"a\"))"},
        {"char s[] = \"a\";", "(declare s:string (const \"a\"))"},
        {"int sizes[] = {1, 2};", "(declare sizes:int[] (list (const 1) (const 2)))"},
        {"int[] a = [1];", "(declare a:int[] (list (const 1)))"},
        {"float m[2][3];", "(declare m:float[][] size (const 2) size (const 3))"},
        {"Tensor e = {{1, 0}, {0, 1}};", "(declare e:Tensor (list (list (const 1) (const 0)) (list (const 0) (const 1))))"},
        {"auto [a, b] = f();", "(bind [ a b ] (call (name f)))"},
        {"let (a, mut b) = f();", "(bind [ a b ] (call (name f)))"},
        {"let mut x: Vec<Vec<f64>> = y;", "(declare x:float[][] (name y))"},
        {"let x: &[f32] = y;", "(declare x:float[] (name y))"},
        {"let tensor = 1;", "(declare tensor (const 1))"},
        {"std::vector<float> v;", "(declare v:float[])"},
        {"const Tensor& t = x;", "(declare t:Tensor (name x))"},
        {"MLP net = MLP(1);", "(declare net:MLP (call (name MLP) (const 1)))"},
        {"float f(float t, int n = -2) { return t; }",
         "(function f [ t:float n:int ] -> float (return (name t)))"},
        {"fn sq(x: f64) -> f64 { x * x }",
         "(function sq [ x:float ] -> float (return (binary * (name x) (name x))))"},
        {"float f(float t);", ""},
        {"use tch::Tensor; extern crate tch;", ""},
        {"module M(int n) { Module fc = Linear(n, 2); Tensor forward(Tensor x) { return fc(x); } }",
         "(module M (parameter n:int) (field fc:Module (call (name Linear) (name n) (const 2)))"
         " (method forward [ x:Tensor ] -> Tensor (return (call (name fc) (name x)))))"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].want[0]) {
            check_all(&cases[i], 1);
        } else {
            char *got = tree(cases[i].text, strlen(cases[i].text));
            CHECK_TEXT(got, "");
            rt_free(got);
        }
    }
}

CASE(control_flow_reads_in_c_and_in_rust)
{
    static const parse_case cases[] = {
        {"if (a) b; else if (c) d; else { e; }",
         "(if (name a) (block (expr (name b))) (if (name c) (block (expr (name d))) (block (expr (name e)))))"},
        {"if a > 1 { b; }", "(if (binary > (name a) (const 1)) (block (expr (name b))) _)"},
        {"if (a) && b { c; }", "(if (logical && (name a) (name b)) (block (expr (name c))) _)"},
        {"for (int i = 0; i < 3; i++) { }",
         "(for (block (declare i:int (const 0))) (binary < (name i) (const 3)) (step post++ (name i)) (block))"},
        {"for (;;) break;", "(for _ _ _ (block (break)))"},
        {"for i in 0..10 { }", "(for-each [ i ] (range (const 0) (const 10) _) (block))"},
        {"for (auto [x, y] : data) { }", "(for-each [ x y ] (name data) (block))"},
        {"for (float v : {1, 2}) { }", "(for-each [ v:float ] (list (const 1) (const 2)) (block))"},
        {"for (x, y) in data { }", "(for-each [ x y ] (name data) (block))"},
        {"while x < 3 { x++; }", "(while _ (binary < (name x) (const 3)) _ (block (expr (step post++ (name x)))))"},
        {"do { x++; } while (x < 3);", "(do _ (binary < (name x) (const 3)) _ (block (expr (step post++ (name x)))))"},
        {"switch (x) { case 1: a; break; default: b; }",
         "(switch (name x) (case (const 1) 0) (case _ 2) (expr (name a)) (break) (expr (name b)))"},
        {"no_grad { x; }", "(no-grad (expr (name x)))"},
        {"%timeit f(x)", "(magic timeit \"f(x)\")"},
        {"%%time\nx;", "(magic %%time \"\")\n(expr (name x))"},
        {"relu??", "(help relu detail)"},
        {"int in = 3; in", "(declare in:int (const 3))\n(expr (name in) shown)"},
    };
    CHECK_CASES(cases);
}

CASE(several_errors_of_one_cell_are_reported_with_their_places)
{
    static const parse_case cases[] = {
        {"int x = (1 + 2;\nint y = 3 +;\nint z = 1;", "!syntax 1:15\n!syntax 2:12"},
        {"int x = 1\nint y = 2;", "!syntax 1:10"},
        {"if (a { b; }\nc;", "!syntax 1:7"},
        {"struct p { int x; };", "!not-in-language 1:1"},
        {"int *p;", "!not-in-language 1:5"},
        {"*p = 1;", "!not-in-language 1:1"},
        {"x->y;", "!not-in-language 1:2"},
        {"int n = sizeof(int);", "!not-in-language 1:9"},
        {"goto end;", "!not-in-language 1:1"},
        {"def f(x):\n  return x", "!not-in-language 1:1"},
        {"while (1) {", "!syntax 1:11"},
        {"}", "!syntax 1:1"},
        {"case 1:", "!control 1:1"},
        {"#include \"a.rt\"", "!unsupported 1:1"},
        {"float f(x) { }", "!syntax 1:9"},
        {"int a[;", "!syntax 1:7"},
        {"(1, 2);", "!not-in-language 1:3"},
    };
    CHECK_CASES(cases);
}

/* --- hostile input --------------------------------------------------------- */

/* "first" n times, then "last" n times. */
static char *repeated(const char *first, const char *last, int n)
{
    size_t a = strlen(first), b = strlen(last);
    char *text = rt_alloc((a + b) * (size_t)n + 16);
    char *at = text;
    for (int i = 0; i < n; i++)
        at += sprintf(at, "%s", first);
    for (int i = 0; i < n; i++)
        at += sprintf(at, "%s", last);
    *at = 0;
    return text;
}

CASE(deep_nesting_is_an_error_and_no_crash)
{
    static const struct { const char *first, *last; } shapes[] = {
        {"(", ")"}, {"[", "]"}, {"{", "}"}, {"-", "1"}, {"!", "x"},
        {"f(", ")"}, {"x[", "]"}, {"a+", "b"}, {"a.", "b"}, {"a**", "b"},
        {"a?", ":b"}, {"a?b:", "c"}, {"a=", "b"}, {"if(a)", ""},
        {"else if(a){}", ""}, {"if(a){}else ", ""}, {"while(a)", ""},
        {"for(;;)", ""}, {"{", ""}, {"(", ""}, {"Vec<", ">"},
        {"let x: Vec<", ">"}, {"f()", ""}, {"(int)", "x"}, {"x as i32 ", ""},
        {"&", "x"}, {"vec![", "]"}, {"switch(a){", "}"}, {"no_grad{", "}"},
        {"module M(){", "}"}, {"int f(){", "}"}, {"a b ", ""}, {"\"", ""},
        {"++", ""}, {"int[]", ""}, {"x++", ""}, {"a..", "b"}, {",", ""},
        {"println!(", ")"}, {"auto [", "]"}, {"for x in ", ""}, {"do ", ""},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        char *text = repeated(shapes[i].first, shapes[i].last, 20000);
        char *got = tree(text, strlen(text));
        CHECK(got != NULL);
        rt_free(got);
        rt_free(text);
    }
    char *text = repeated("(", ")", 20000);
    char *got = tree(text, strlen(text));
    CHECK_HAS(got, "!nesting");
    rt_free(got);
    rt_free(text);
}

CASE(random_bytes_and_token_soup_end_in_errors_only)
{
    static const char *const words[] = {
        "int", "x", "(", ")", "{", "}", "[", "]", ";", ",", "=", "+", "*",
        "if", "else", "for", "while", "do", "module", "fn", "let", "auto",
        "return", "in", ":", "::", ".", "..", "1", "2.5", "\"s\"", "'c'",
        "const", "Tensor", "&", "->", "!", "println!", "vec!", "?", "\n",
        "switch", "case", "default", "no_grad", "%", "struct", "None", "<", ">",
        ">>", "Vec", "as", "mut", "...", "++", "%time x\n", "f?\n", "/*", "\""};
    uint32_t seed = 1;
    for (int round = 0; round < 400; round++) {
        char text[1200];
        size_t n = 0;
        while (n < 1000) {
            seed = seed * 1664525 + 1013904223;
            uint32_t r = seed >> 16;
            if (round % 4 == 3)
                text[n++] = (char)r;
            else
                n += (size_t)sprintf(text + n, "%s ",
                                     words[r % (sizeof words / sizeof *words)]);
        }
        char *got = tree(text, n);
        CHECK(got != NULL);
        rt_free(got);
    }
}

CASE(parsing_survives_each_failing_allocation)
{
    const char *text = "module M(int n) { Module a = Linear(n, 2); Tensor "
        "forward(Tensor x) { for (int i = 0; i < 3; i++) { x = a(x)[1:2, "
        "None] + {1, 2, 3, 4, 5, 6}; } return x; } } int f(int a, int b) { "
        "switch (a) { case 1: return 2; default: return f(b, a=1); } }";
    char *big = rt_alloc(strlen(text) * 60 + 1);
    big[0] = 0;
    for (int i = 0; i < 60; i++)
        strcat(big, text);
    for (int n = 1; n < 60; n++) {
        lang__arena arena;
        lang__source *source = NULL;
        lang__diagnostics errors;
        lang__program *program;
        lang__arena_init(&arena);
        lang__source_new(&source, big, strlen(big), 1, NULL, NULL);
        lang__check_request request = {.source = source, .arena = &arena};
        rt_memory_fail_after(n);
        rt_status status = lang__parse(&program, &errors, &request);
        rt_memory_fail_after(0);
        CHECK(status == RT_OK || status == RT_E_MEMORY);
        lang__source_release(source);
        lang__arena_free(&arena);
    }
    rt_free(big);
}

UNIT_MAIN

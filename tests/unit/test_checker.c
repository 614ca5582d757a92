/* SPDX-License-Identifier: MIT
 * Cases of the checker: cells to typed trees, or to diagnostics. */
#include "lang/checker.h"
#include "tests/unit/unit.h"

/* What the session and the host of these tests know. */
static lang__param known_params[] = {
    {.name = "a", .type = {LANG_FLOAT, 0}},
    {.name = "n", .type = {LANG_INT, 0}, .has_default = true,
     .value = {.kind = LANG_INT, .i = 2}},
};
static lang__signature known_function = {
    .name = "scaled", .result = {LANG_FLOAT, 0}, .nresults = 1, .nparams = 2,
    .params = known_params};
static lang__signature known_module = {
    .name = "Net", .result = {LANG_MODULE, 0}, .nresults = 1, .nparams = 1,
    .params = known_params};

static const struct {
    const char *name;
    lang__known known;
} session_names[] = {
    {"x", {.kind = LANG__KNOWN_VARIABLE, .type = {LANG_TENSOR, 0}}},
    {"w", {.kind = LANG__KNOWN_VARIABLE, .type = {LANG_TENSOR, 0}}},
    {"i", {.kind = LANG__KNOWN_VARIABLE, .type = {LANG_INT, 0}}},
    {"r", {.kind = LANG__KNOWN_VARIABLE, .type = {LANG_FLOAT, 0}}},
    {"s", {.kind = LANG__KNOWN_VARIABLE, .type = {LANG_STRING, 0}}},
    {"l", {.kind = LANG__KNOWN_VARIABLE, .type = {LANG_INT, 1}}},
    {"net", {.kind = LANG__KNOWN_VARIABLE, .type = {LANG_MODULE, 0}}},
    {"opt", {.kind = LANG__KNOWN_VARIABLE, .type = {LANG_OPTIMIZER, 0}}},
    {"data", {.kind = LANG__KNOWN_VARIABLE, .type = {LANG_DATASET, 0}}},
    {"batches", {.kind = LANG__KNOWN_VARIABLE, .type = {LANG_LOADER, 0}}},
    {"limit", {.kind = LANG__KNOWN_VARIABLE, .type = {LANG_INT, 0},
               .constant = true}},
    {"scaled", {.kind = LANG__KNOWN_FUNCTION, .signature = &known_function}},
    {"Net", {.kind = LANG__KNOWN_MODULE, .signature = &known_module}},
};

static bool find(void *ctx, const char *name, lang__known *out)
{
    for (size_t i = 0; i < sizeof session_names / sizeof *session_names; i++) {
        if (!strcmp(session_names[i].name, name)) {
            *out = session_names[i].known;
            return true;
        }
    }
    return false;
}

static bool lookup(void *ctx, const char *name, lang__type *out)
{
    *out = LANG__TYPE(!strcmp(name, "images") ? LANG_TENSOR : LANG_HOST);
    return !strcmp(name, "images") || !strcmp(name, "python_function");
}

static const char *name_at(void *ctx, int n)
{
    size_t count = sizeof session_names / sizeof *session_names;
    return n < (int)count ? session_names[n].name : NULL;
}

static const lang__scope scope = {NULL, find, lookup, name_at};

/* The tree, or "!code line:column message | help" for each error. */
static char *check(const char *text)
{
    lang__arena arena;
    lang__source *source = NULL;
    lang__diagnostics errors;
    lang__program *program;
    lang__arena_init(&arena);
    lang__source_new(&source, text, strlen(text), 1, NULL, NULL);
    lang__check_request request = {.source = source, .arena = &arena,
                                   .scope = &scope};
    rt_status status = lang__check(&program, &errors, &request);
    CHECK((status == RT_OK) == (program != NULL));
    char *out = program ? lang__program_text(program) : rt_alloc(8000);
    size_t n = 0;
    for (int i = 0; i < errors.count; i++) {
        lang__diagnostic *d = &errors.items[i];
        n += (size_t)snprintf(out + n, 8000 - n, "!%s %d:%d %s%s%s\n",
                              lang__diagnostic_code(d),
                              lang__source_line(source, d->span.start),
                              lang__source_column(source, d->span.start),
                              d->message, d->help ? " | " : "",
                              d->help ? d->help : "");
    }
    lang__source_release(source);
    lang__arena_free(&arena);
    return out;
}

typedef struct check_case {
    const char *text, *want;
} check_case;

static void check_all(const check_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *got = check(cases[i].text);
        if (!strstr(got, cases[i].want))
            printf("in %s\n", cases[i].text);
        CHECK_HAS(got, cases[i].want);
        rt_free(got);
    }
}
#define CHECK_CASES(array) check_all(array, sizeof array / sizeof *array)

CASE(every_signature_of_the_builtins_reads)
{
    for (int i = 0; i < lang__builtin_count(); i++) {
        const lang__builtin *b = lang__builtin_at(i);
        const lang__signature *s = lang__builtin_signature(b);
        CHECK_TEXT(s->name, b->name);
        const char *arrow = strstr(b->text, "->");
        CHECK(arrow != NULL);
        for (int k = 0; k < s->nparams; k++)
            CHECK_HAS(b->text, s->params[k].name);
        char *text = lang__signature_text(s);
        CHECK_HAS(text, b->name);
        rt_free(text);
    }
}

CASE(numbers_widen_and_never_narrow_by_themselves)
{
    static const check_case cases[] = {
        {"float a = 1;", "(declare a:float (const 1))"},
        {"float a = i;", "(declare a:float (convert float (global i):int))"},
        {"i + 1.5", "(binary + (convert float (global i):int) (const 1.5)):float"},
        {"7 / 2", "(binary / (const 7) (const 2)):int"},
        {"i < 2", "(binary < (global i):int (const 2)):bool"},
        {"true + 1", "(binary + (const 1) (const 1)):int"},
        {"int a = 2.5;", "!type 1:9 `a` wants int, not float | int(x)"},
        {"i += 0.5;", "!type 1:6 the assignment wants int, not float"},
        {"r += 1;", "(assign += (global r):float (const 1)):float"},
        {"r ^ 2", "!type 1:3 `^` does not work between float and int | the power"},
        {"int a = (int) 2.5;", "(declare a:int (convert int (const 2.5)))"},
        {"int(2.5)", "(convert int (const 2.5))"},
        {"int n = \"7\";", "!type 1:9 `n` wants int, not string | int(s)"},
        {"-9223372036854775808", "(const -9223372036854775808)"},
    };
    CHECK_CASES(cases);
}

CASE(tensors_and_numbers_mix)
{
    static const check_case cases[] = {
        {"x + 1", "(binary + (global x):Tensor (const 1)):Tensor"},
        {"x @ w.T", "(binary @ (global x):Tensor (attribute (global w):Tensor T):Tensor):Tensor"},
        {"2 * x", "(binary * (const 2) (global x):Tensor):Tensor"},
        {"x > 0", ":Tensor"},
        {"if (x > 0) { }", "(if (convert bool (binary > (global x):Tensor (const 0)):Tensor)"},
        {"float l = x;", "(convert float (global x):Tensor)"},
        {"Tensor t = 3;", "(convert Tensor (const 3))"},
        {"Tensor e = {{1, 0}, {0, 1}};", "(convert Tensor (list (list (const 1) (const 0)):int[] (list (const 0) (const 1)):int[]):int[][])"},
        {"x @ 2", "!type 1:3 `@` does not work between Tensor and int"},
        {"x += 1;", "(assign += (global x):Tensor (const 1)):Tensor"},
        {"x[0] = 1;", "(assign = (index (global x):Tensor (const 0)):Tensor (const 1)):Tensor"},
        {"x[1:, [0, 1]]", "(slice (const 1) _ _) (convert Tensor (list"},
        {"x[0.5]", "!type 1:3 an index wants int, not float"},
        {"x.requires_grad = true;", "(assign = (attribute (global x):Tensor requires_grad):bool (const true)):bool"},
        {"x.shape = 3;", "!not-assignable 1:1"},
        {"auto [n, m] = x.shape;", "(bind [ n:int m:int ] (attribute (global x):Tensor shape):int[])"},
        {"x.shap", "!unknown-member 1:3 Tensor has no attribute `shap` | did you mean 'shape'?"},
        {"images * 2", "(host images):Tensor"},
    };
    CHECK_CASES(cases);
}

CASE(lists_have_one_element_type)
{
    static const check_case cases[] = {
        {"int a[] = {1, 2};", "(declare a:int[] (list (const 1) (const 2)):int[])"},
        {"float a[] = {1, 2.5};", "(list (const 1) (const 2.5)):float[]"},
        {"auto a = [1, 2.5];", "(declare a:float[]"},
        {"auto a = vec![1.0, 2.0];", "(declare a:float[]"},
        {"auto a = [];", "!type 1:10"},
        {"float a[] = {};", "(declare a:float[] (list):float[])"},
        {"auto a = [1, \"b\"];", "!type 1:14 the elements of a list have one type"},
        {"int a[3];", "(call-builtin filled (const 0) (const 3)):int[]"},
        {"int a[3] = {1};", "(list (const 1) (const 0) (const 0)):int[]"},
        {"int a[1] = {1, 2};", "!type 1:12 2 values do not fit into a list of 1"},
        {"l[0] + l[1:2][0]", "(index (global l):int[] (slice (const 1) (const 2) _)):int[] (const 0)):int"},
        {"l.push(3); l.pop()", "(call-builtin pop (global l):int[]):int"},
        {"l.push(\"a\");", "!type 1:8 push: `value` wants int, not string"},
        {"len(l) + len(s) + len(x)", "(call-builtin len (global s):string):int"},
        {"s[0] - 'a'", "(binary - (index (global s):string (const 0)):int (const 97)):int"},
        {"s + 1", "!type 1:3 `+` does not work between string and int | string(x)"},
        {"for (float v : l) { v; }", "(for-each [ v:float ] (global l):int[]"},
        {"max(l) + max(2, 3)", "(call-builtin max (global l):int[]):int"},
        {"sqrt(2)", "(call-builtin sqrt (const 2)):float"},
    };
    CHECK_CASES(cases);
}

CASE(functions_are_checked_and_late_bound)
{
    static const check_case cases[] = {
        {"float f(float t) { return t * t + 1; } f(2)", "(call-user f (const 2)):float"},
        {"int f(int n) { return n < 2 ? 1 : n * f(n - 1); }", "(function f [ n:int ] -> int"},
        {"f(1); void f(int n) { g = g + n; } int g = 0;", "(function f"},
        {"auto f(int n) { return n * 0.5; } f(3)", "(call-user f (const 3)):float"},
        {"int f(int n) { if (n > 0) { return 1; } }", "!return 1:41"},
        {"void f() { return 1; }", "!return 1:19"},
        {"int f() { return \"a\"; }", "!type 1:18 the result of `f` wants int, not string"},
        {"scaled(2)", "(call-user scaled (const 2) (const 2)):float"},
        {"scaled(2, n=3)", "(call-user scaled (const 2) (const 3)):float"},
        {"scaled(2, nn=3)", "!unknown-argument 1:11 scaled: there is no argument `nn` | did you mean 'n'?"},
        {"scaled()", "!arguments 1:1 scaled: the argument `a` is missing | scaled(float a, int n=2) -> float"},
        {"scaled(1, 2, 3)", "!arguments 1:14 scaled: takes at most 2 arguments, but got 3"},
        {"r.scaled()", "(call-user scaled (global r):float (const 2)):float"},
        {"python_function(1, x)", "(call-value (host python_function):host (convert any (const 1)) (convert any (global x):Tensor)):any"},
        {"float y = python_function(1);", "(convert float (call-value"},
        {"fn sq(a: f64) -> f64 { a * a } sq(3)", "(call-user sq (const 3)):float"},
        {"int f() { return 1; } int f() { return 2; }", "!redeclared 1:27"},
        {"return 3;", "!control 1:1"},
        {"break;", "!control 1:1"},
        {"int f() { while (true) { } }", "(function f"},
        {"i(3)", "!not-callable 1:1 a value of type int cannot be called"},
        {"softmx(x)", "!unknown-name 1:1 nothing is known by the name `softmx`"},
        {"y = 3;", "!unknown-name 1:1 `y` is assigned but was never declared | declare it: auto y"},
        {"strlen(s)", "!unknown-name 1:1 there is no function `strlen` | use len(s)"},
        {"std::cout << s;", "!unknown-name 1:1 nothing is known by the name `cout` | use print(value)"},
        {"limit = 3;", "!constant 1:1"},
        {"const int k = 1; k++;", "!constant 1:18"},
        {"int a = 1; int a = 2;", "!redeclared 1:16"},
        {"let a = 1; let a = \"s\"; a", "(expr (global a):string shown)"},
        {"int a = 1; { int a = 2; a; } a", "(local a):int"},
        {"Tenser t = x;", "!unknown-type 1:1 there is no type `Tenser` | did you mean 'Tensor'?"},
    };
    CHECK_CASES(cases);
}

CASE(modules_know_their_members)
{
    const char *mlp =
        "module MLP(int in, int out) {\n"
        "  Module fc1 = Net(in);\n"
        "  int hidden = in * 2;\n"
        "  Tensor forward(Tensor x) { return twice(fc1(x)) + hidden; }\n"
        "  Tensor twice(Tensor x) { return x * 2; }\n"
        "}\n"
        "auto m = MLP(784, 10);\nm(x); m.hidden; m.twice(x); net.anything(1);";
    char *got = check(mlp);
    CHECK_HAS(got, "(field hidden:int (binary * (field in):int (const 2)):int)");
    CHECK_HAS(got, "(field fc1:Module (new-module Net (convert float (field in):int)):Module)");
    CHECK_HAS(got, "(call-self twice (forward (field fc1):Module (local x):Tensor):Tensor):Tensor");
    CHECK_HAS(got, "(declare m:Module (new-module MLP (const 784) (const 10)):Module)");
    CHECK_HAS(got, "(forward forward (global m):Module (global x):Tensor):Tensor");
    CHECK_HAS(got, "(convert int (dynamic (global m):Module hidden):any)");
    CHECK_HAS(got, "(convert Tensor (call-method twice (global m):Module (convert any (global x):Tensor)):any)");
    CHECK_HAS(got, "(call-method anything (global net):Module (convert any (const 1))):any");
    rt_free(got);
    static const check_case cases[] = {
        {"module M() { int f() { return 1; } }", "!definition 1:8 the module `M` has no forward"},
        {"module M() { int forward(Tensor x) { return 1; } }", "!definition 1:18 forward returns a Tensor, not int"},
        {"net(x) + 1", "(forward (global net):Module (global x):Tensor):Tensor"},
        {"net.parameters()", "(call-builtin parameters (global net):Module):Tensor[]"},
        {"opt.zero_grad(); opt.step();", "(call-builtin step (global opt):Optimizer)"},
        {"opt.lr = 1;", "(assign = (attribute (global opt):Optimizer lr):float (const 1)):float"},
        {"auto [a, b] = split(data, 0.8, seed=0);", "(bind [ a:Dataset b:Dataset ] (call-builtin split"},
        {"auto [a, b, c] = split(data, 0.8);", "!unpack 1:6 3 names for 2 results"},
        {"for (auto [xb, yb] : loader(data, batch_size=64, shuffle=true)) { xb; }", "(for-each [ xb:Tensor yb:Tensor ] (call-builtin loader"},
        {"for (auto b : batches) { b; }", "(for-each [ b:Tensor[] ]"},
        {"for (Tensor b : batches) { b; }", "!type 1:13 `b` is Tensor, but the items are Tensor[] | a batch has several"},
        {"for (int k : progress(10)) { k; }", "(for-each [ k:int ] progress (range _ (const 10) _):int[]"},
        {"for (int k : 10) { }", "!type 1:14 a loop cannot go over int | count with range(n)"},
        {"auto h = fit(net, data, epochs=2, metrics=[\"accuracy\"]);", "(declare h:History (call-builtin fit"},
        {"auto p = live_plot(\"loss\"); p.push(loss=x);", "(call-builtin push (global p):Plot loss=(convert float (global x):Tensor))"},
        {"auto p = live_plot(\"a\", 3);", "!type 1:25 live_plot: `series` wants string, not int"},
    };
    CHECK_CASES(cases);
}

CASE(formats_are_checked_against_their_arguments)
{
    static const check_case cases[] = {
        {"printf(\"epoch %d loss %.4f\\n\", i, x);", "(call-builtin printf (const \"epoch %d loss %.4f\n\") (global i):int (convert float (global x):Tensor))"},
        {"printf(\"%d\\n\", s);", "!format 1:16 `%d` wants int, not string | use %s here"},
        {"printf(\"%d\\n\", r);", "!format 1:16 `%d` wants int, not float | use %f or %g here"},
        {"printf(\"%s\", i);", "!format 1:14 `%s` wants string, not int | use %d here"},
        {"printf(\"%d %d\", i);", "!format 1:1 the format wants 2 values, but 1 is given"},
        {"printf(\"%q\", i);", "!format 1:9 there is no such conversion"},
        {"printf(s);", "!format 1:8 the format of printf is not a string literal"},
        {"printf(\"%*d %v%%\", 3, i, l);", "(convert any (global l):int[])"},
        {"println!(\"{:?} {:.3}\", x, r);", "(call-builtin println! (const \"{:?} {:.3}\") (convert any (global x):Tensor) (convert any (global r):float))"},
        {"println!(\"{\", x);", "!format 1:11"},
        {"println!();", "(call-builtin println! (const \"\"))"},
        {"print(i, s, x);", "(call-builtin print (convert any (global i):int)"},
        {"let t = Tensor::tensor(&[3, 3]); println!(\"{:?}\", t);", "(call-builtin println!"},
    };
    CHECK_CASES(cases);
}

CASE(several_errors_of_a_cell_are_told_and_follow_ups_are_not)
{
    char *got = check("auto a = qqqqqqqq + 1;\na.foo(); a = 3;\nint b = \"x\";");
    CHECK_TEXT(got, "!unknown-name 1:10 nothing is known by the name `qqqqqqqq`\n"
               "!type 3:9 `b` wants int, not string | int(s) and float(s) read "
               "a number from text\n");
    rt_free(got);
}

CASE(the_examples_of_the_diagnostics_catalog_show_what_they_say)
{
    for (int id = 1; id < LANG__D_COUNT; id++) {
        const lang__diagnostic_info *info = lang__diagnostic_describe(id);
        if (!info->example[0])
            continue;
        char *got = check(info->example);
        char want[80];
        snprintf(want, sizeof want, "!%s ", info->code);
        if (strncmp(got, want, strlen(want)))
            printf("in %s\n", info->example);
        CHECK_HAS(got, want);
        rt_free(got);
        got = check(info->fixed);
        if (got[0] == '!')
            printf("in %s\n", info->fixed);
        CHECK(got[0] != '!');
        rt_free(got);
    }
}

CASE(a_single_expression_is_checked_alone)
{
    lang__arena arena;
    lang__source *source = NULL;
    lang__diagnostics errors;
    lang__program *program;
    lang__arena_init(&arena);
    lang__source_new(&source, "1 + 2; 3", 8, 1, NULL, NULL);
    lang__check_request request = {.source = source, .arena = &arena,
                                   .expression = true};
    CHECK_INT(lang__check(&program, &errors, &request), RT_E_SYNTAX);
    lang__source_release(source);
    lang__arena_free(&arena);
}

/* Words that parse often, so that damaged programs reach the checker. */
static size_t soup(char *text, size_t room, uint32_t *seed)
{
    static const char *const words[] = {
        "x", "i", "r", "s", "l", "net", "opt", "data", "f", "g", "1", "2.5",
        "\"%d {}\"", "None", "[1, 2]", "[]", "{x, 1}", "(", ")", "[", "]", "+",
        "*", "@", "=", "+=", "<", "&&", "?", ":", ".", ",", "-", "!", "..",
        "sum", "T", "shape", "push", "max(dim=1)", "float", "printf(\"%d\", ",
        "println!(\"{}\", ", "print(", "range(", "len(", "fit(net, data",
        "Linear(", "for (auto [a, b] : ", "for (int k : ", "if (", "return ",
        "int n", "auto q", "float f(int n) {", "module M(int n) {",
        "Tensor forward(Tensor x) {", "}", "{", "no_grad {", "++", "self",
        "switch (i) {", "case 1:", "break", "as f64", "progress(", "split("};
    size_t n = 0;
    int count = 3 + (int)((*seed >> 8) % 40);
    for (int k = 0; k < count && n + 40 < room; k++) {
        *seed = *seed * 1664525 + 1013904223;
        uint32_t pick = *seed >> 12;
        n += (size_t)sprintf(text + n, "%s%s",
                             words[pick % (sizeof words / sizeof *words)],
                             pick % 5 == 0 ? ";\n" : " ");
    }
    return n;
}

CASE(random_programs_end_in_trees_or_errors_only)
{
    uint32_t seed = 7;
    for (int round = 0; round < 3000; round++) {
        char text[2000];
        soup(text, sizeof text, &seed);
        char *got = check(text);
        CHECK(got != NULL);
        rt_free(got);
        lang_completion c;
        lang_complete(NULL, text, strlen(text), (int)(seed % 60), &c);
        lang_completion_dispose(&c);
        int indent;
        lang_is_complete(text, strlen(text), &indent);
    }
}

CASE(long_chains_and_deep_trees_are_walked_or_refused)
{
    static const char *const links[] = {"+1", ".T", ".sum()", "[0]", "@x",
                                        "&&x", "?x:x", "==x", "**x"};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        char *text = rt_alloc(3000 * 8 + 10);
        strcpy(text, "x");
        char *at = text + 1;
        for (int k = 0; k < 3000; k++)
            at += sprintf(at, "%s", links[i]);
        char *got = check(text);
        CHECK_HAS(got, "!nesting");
        rt_free(got);
        text[1 + 700 * strlen(links[i])] = 0;
        got = check(text);
        CHECK(got != NULL);
        rt_free(got);
        rt_free(text);
    }
}

CASE(a_function_is_checked_again_by_its_span_and_names_what_it_needs)
{
    const char *text = "int a = 1;\nint f(int n) { return n + i + g(n); }\n"
                       "int g(int n) { return \"x\"; }";
    lang__arena arena;
    lang__source *source = NULL;
    lang__diagnostics errors;
    lang__program *program;
    lang__arena_init(&arena);
    lang__source_new(&source, text, strlen(text), 1, NULL, NULL);
    uint32_t start = (uint32_t)(strstr(text, "int f") - text);
    uint32_t end = (uint32_t)(strstr(text, "int g") - text);
    lang__check_request request = {.source = source, .arena = &arena,
                                   .scope = &scope, .range = {start, end}};
    CHECK_INT(lang__check(&program, &errors, &request), RT_E_NAME);  /* no g */
    CHECK_INT(lang__source_line(source, errors.items[0].span.start), 2);
    char *fixed = strstr(source->text, "g(n)");
    memcpy(fixed, "r   ", 4);                       /* a float: still wrong */
    CHECK_INT(lang__check(&program, &errors, &request), RT_E_TYPE);
    memcpy(fixed, "l[0]", 4);
    CHECK_INT(lang__check(&program, &errors, &request), RT_OK);
    lang__function *f = program->body.items[0]->u.function;
    CHECK_INT(f->ndependencies, 2);
    CHECK_TEXT(f->dependencies[0].name, "i");
    CHECK_TEXT(f->dependencies[1].name, "l");
    CHECK_INT(f->span.start, start);
    lang__source_release(source);
    lang__arena_free(&arena);
}

CASE(checking_survives_each_failing_allocation)
{
    const char *text = "module M(int n) { Module a = Net(n); Tensor "
        "forward(Tensor x) { for (int k = 0; k < 3; k++) { x = a(x)[1:2, "
        "None] + [1, 2, 3, 4, 5, 6]; } return x; } } int f(int a, int b) { "
        "switch (a) { case 1: return 2; default: return f(b, b=1); } } "
        "printf(\"%d %v\", f(1, 2), M(3)(x)); auto [p, q] = split(data, 0.5);";
    for (int n = 1; n < 40; n++) {
        lang__arena arena;
        lang__source *source = NULL;
        lang__diagnostics errors;
        lang__program *program;
        lang__arena_init(&arena);
        lang__source_new(&source, text, strlen(text), 1, NULL, NULL);
        lang__check_request request = {.source = source, .arena = &arena,
                                       .scope = &scope};
        rt_memory_fail_after(n);
        rt_status status = lang__check(&program, &errors, &request);
        rt_memory_fail_after(0);
        CHECK(status == RT_OK || status == RT_E_MEMORY);
        lang__source_release(source);
        lang__arena_free(&arena);
    }
}

UNIT_MAIN

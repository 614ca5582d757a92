/* SPDX-License-Identifier: MIT
 * Sessions as hosts use them: cells, variables, interrupts, lack of memory. */
#include "lang/lang.h"

#include "tests/unit/unit.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

static char said[4096];

static void on_stream(void *ctx, int fd, const char *data, size_t size)
{
    size_t used = strlen(said);
    if (used + size < sizeof said) {
        memcpy(said + used, data, size);
        said[used + size] = 0;
    }
}

static lang_session *open_session(void)
{
    lang_host host = {.stream = on_stream};
    lang_session *s = NULL;
    rt_error err;
    said[0] = 0;
    CHECK_OK(lang_session_new(&s, &host, &err), err);
    return s;
}

static lang_outcome run(lang_session *s, const char *text)
{
    static int number;
    lang_outcome o;
    lang_execute(s, text, strlen(text), ++number, NULL, &o);
    return o;
}

static void run_ok(lang_session *s, const char *text)
{
    lang_outcome o = run(s, text);
    if (!o.ok) {
        UNIT_FAIL("%s: %s", text, o.failure.text);
    }
    lang_outcome_dispose(&o);
}

static rt_status run_code(lang_session *s, const char *text)
{
    lang_outcome o = run(s, text);
    rt_status code = o.ok ? RT_OK : o.failure.code;
    lang_outcome_dispose(&o);
    return code;
}

CASE(a_cell_gives_its_last_expression_with_its_rendering)
{
    lang_session *s = open_session();
    lang_outcome o = run(s, "int x = 40;\nx + 2");
    CHECK(o.ok && o.has_value);
    CHECK_INT(o.value.kind, LANG_INT);
    CHECK_INT(o.value.i, 42);
    CHECK_TEXT(o.bundle.items[0].mime, "text/plain");
    CHECK_TEXT(o.bundle.items[0].data, "42");
    lang_outcome_dispose(&o);
    o = run(s, "x + 2;");
    CHECK(o.ok && !o.has_value);
    lang_outcome_dispose(&o);
    lang_session_free(s);
}

CASE(variables_go_out_and_come_in)
{
    lang_session *s = open_session();
    lang_value v;
    rt_error err;
    run_ok(s, "float[] l = {1, 2.5}; string t = \"hi\"; Tensor x = ones(2);");
    CHECK_INT(lang_declared_count(s), 3);
    CHECK_TEXT(lang_declared_at(s, 1), "t");
    CHECK(lang_get(s, "l", &v));
    CHECK_INT(lang_list_length(v.list), 2);
    CHECK_NEAR(lang_list_get(v.list, 1).f, 2.5, 0);
    lang_value_release(&v);
    CHECK(lang_get(s, "x", &v));
    CHECK_INT(rt_tensor_numel(v.tensor), 2);
    CHECK_OK(lang_set(s, "y", &v, &err), err);
    lang_value_release(&v);
    run_ok(s, "y += 1; assert(x[0] == 2, \"not the same memory\");");
    CHECK(!lang_get(s, "nothing", &v));
    CHECK(lang_unset(s, "y"));
    CHECK_INT(run_code(s, "y"), RT_E_NAME);
    lang_session_free(s);
}

CASE(a_variable_set_with_another_type_makes_functions_check_again)
{
    lang_session *s = open_session();
    rt_error err;
    run_ok(s, "int n = 1; int f() { return n + 1; }");
    lang_value text = {.kind = LANG_STRING, .s = (char *)"one"};
    CHECK_OK(lang_set(s, "n", &text, &err), err);
    CHECK_INT(run_code(s, "f()"), RT_E_TYPE);
    lang_value number = {.kind = LANG_INT, .i = 5};
    CHECK_OK(lang_set(s, "n", &number, &err), err);
    run_ok(s, "assert(f() == 6);");
    lang_session_free(s);
}

CASE(a_static_error_runs_nothing_and_a_late_one_keeps_what_ran)
{
    lang_session *s = open_session();
    run_ok(s, "int x = 1;");
    CHECK_INT(run_code(s, "x = 2;\nx = \"text\";"), RT_E_TYPE);
    run_ok(s, "assert(x == 1);");
    CHECK_INT(run_code(s, "x = 3;\nx = x / 0;"), RT_E_ARITHMETIC);
    run_ok(s, "assert(x == 3);");
    lang_session_free(s);
}

CASE(an_error_says_where_and_how_it_was_reached)
{
    lang_session *s = open_session();
    run_ok(s, "int f(int n) {\n    return 10 / n;\n}");
    lang_outcome o = run(s, "\nf(0)");
    CHECK(!o.ok);
    CHECK_TEXT(o.failure.ename, "ArithmeticsError");
    CHECK_INT(o.failure.line, 2);
    CHECK_INT(o.failure.ntrace, 2);
    CHECK_TEXT(o.failure.trace[0].function, "f");
    CHECK_INT(o.failure.trace[0].line, 2);
    CHECK_INT(o.failure.trace[1].line, 2);
    CHECK_HAS(o.failure.text, "called from cell");
    lang_outcome_dispose(&o);
    lang_session_free(s);
}

CASE(an_expression_can_be_evaluated_between_cells)
{
    lang_session *s = open_session();
    lang_outcome o;
    run_ok(s, "int x = 5;");
    lang_evaluate(s, "x * 2", 5, &o);
    CHECK(o.ok && o.has_value);
    CHECK_INT(o.value.i, 10);
    lang_outcome_dispose(&o);
    lang_evaluate(s, "int y = 3;", 10, &o);
    CHECK(!o.ok);
    lang_outcome_dispose(&o);
    lang_session_free(s);
}

static void *interrupt_soon(void *ctx)
{
    struct timespec t = {0, 50 * 1000 * 1000};
    nanosleep(&t, NULL);
    rt_interrupt();
    return NULL;
}

static void interrupted(lang_session *s, const char *text)
{
    pthread_t thread;
    rt_interrupt_clear();
    pthread_create(&thread, NULL, interrupt_soon, NULL);
    lang_outcome o = run(s, text);
    pthread_join(thread, NULL);
    rt_interrupt_clear();
    CHECK(!o.ok);
    CHECK_INT(o.failure.code, RT_E_INTERRUPT);
    CHECK_TEXT(o.failure.ename, "KeyboardInterrupt");
    lang_outcome_dispose(&o);
}

CASE(an_interrupt_ends_every_kind_of_loop_and_keeps_variables)
{
    lang_session *s = open_session();
    run_ok(s, "int kept = 7; void forever() { while (true) { } }");
    interrupted(s, "while (1) { }");
    interrupted(s, "for (;;) { kept = 8; }");
    interrupted(s, "forever();");
    interrupted(s, "sleep(100);");
    interrupted(s, "for (int i : range(1000000000000)) { }");
    interrupted(s, "Tensor x = ones(100); while (true) { x = x * 1; }");
    run_ok(s, "assert(kept == 8);");
    lang_session_free(s);
}

CASE(a_module_outlives_its_session)
{
    lang_session *s = open_session();
    lang_value v;
    rt_error err;
    run_ok(s, "module Half() { float by = 0.5; Tensor forward(Tensor x) "
              "{ return x * by; } }\nauto half_of = Half();\n"
              "auto x = ones(2);");
    CHECK(lang_get(s, "half_of", &v));
    lang_value x;
    CHECK(lang_get(s, "x", &x));
    rt_value arg = RT_V_TENSOR(x.tensor), result = RT_UNSET;
    CHECK_OK(rt_module_forward(v.module, &arg, 1, &result, &err), err);
    CHECK_INT(result.kind, RT_K_TENSOR);
    rt_value_release(&result);
    lang_session_free(s);
    CHECK_FAILS(rt_module_forward(v.module, &arg, 1, &result, &err), err,
                RT_E_UNSUPPORTED);
    lang_value_release(&v);
    lang_value_release(&x);
}

CASE(a_cell_tells_whether_it_can_have_changed_the_session)
{
    static const struct {
        const char *text;
        bool untouched;
    } cells[] = {
        {"1;", true},
        {"n", true},
        {"n + 2 * n", true},
        {"print(x, n); printf(\"%d\\n\", n);", true},
        {"x.sum().item()", true},
        {"sigmoid(x * x + x)[0]", true},
        {"\"a\" + words[0]", true},
        {"x.shape", true},
        {"if (n > 2) { print(n / 0); }", true},
        {"n / (n - 3)", true},
        {"no such cell (", true},
        {"n = 4;", false},
        {"int m = 1;", false},
        {"x[0] = 5.0;", false},
        {"x.add_(1.0);", false},
        {"words.push(\"b\");", false},
        {"words[0] += \"b\";", false},
        {"x.grad = x;", false},
        {"(x * x).sum().backward();", false},
        {"randn(2)", false},
        {"dropout(x, 0.5, true)", false},
        {"manual_seed(1);", false},
        {"twice(n)", false},
        {"float twice2(float a) { return a; }", false},
        {"Linear(2, 2)", false},
        {"net(x)", false},
        {"net.train(false);", false},
        {"%reset", false},
    };
    lang_session *s = open_session();
    run_ok(s, "int n = 3; Tensor x = ones(2); x.requires_grad_(true);"
              "string[] words = [\"a\"]; Module net = Linear(2, 2);"
              "int twice(int a) { return 2 * a; }");
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        lang_outcome o = run(s, cells[i].text);
        if (o.untouched != cells[i].untouched) {
            UNIT_FAIL("%s: untouched is %d", cells[i].text, o.untouched);
        }
        lang_outcome_dispose(&o);
    }
    lang_session_free(s);
}

CASE(exit_ends_the_cell_and_tells_its_status)
{
    lang_session *s = open_session();
    lang_outcome o = run(s, "exit(3);\nprint(\"never\");");
    CHECK(o.ok && o.exit_asked);
    CHECK_INT(o.exit_status, 3);
    CHECK_TEXT(said, "");
    lang_outcome_dispose(&o);
    lang_session_free(s);
}

CASE(a_session_lists_its_symbols)
{
    lang_session *s = open_session();
    run_ok(s, "Tensor x = ones(2, 3); int f(int n) { return n; }");
    lang_symbols *t = lang_session_symbols(s);
    CHECK_INT(lang_symbols_count(t), 2);
    bool tensor = false, function = false;
    for (int i = 0; i < lang_symbols_count(t); i++) {
        lang_symbol y = lang_symbols_at(t, i);
        tensor |= !strcmp(y.name, "x") && !strcmp(y.type, "Tensor") &&
                  !strcmp(y.value, "float32 [2, 3]");
        function |= !strcmp(y.name, "f") &&
                    !strcmp(y.signature, "f(int n) -> int");
    }
    CHECK(tensor && function);
    lang_symbols_free(t);
    lang_session_free(s);
}

CASE(any_value_is_rendered_with_text)
{
    lang_bundle b = {0};
    rt_error err;
    lang_value v = {.kind = LANG_STRING, .s = (char *)"a\"b"};
    CHECK_OK(lang_render(&b, &v, &err), err);
    CHECK_TEXT(b.items[0].data, "\"a\\\"b\"");
    lang_bundle_dispose(&b);
}

/* Each allocation of a cell fails in turn; then the session must still work. */
CASE(a_cell_survives_the_failure_of_each_allocation)
{
    static const char *const cell =
        "module N(int n) { Module f = Linear(n, 2); Tensor forward(Tensor x) "
        "{ return f(x); } }\n"
        "int add(int a, int b=2) { return a + b; }\n"
        "string t = \"a\" + string(add(3));\n"
        "float[] l = {1, 2.5}; l.push(add(1));\n"
        "Tensor x = tensor({{1.0, 2.0}});\n"
        "auto y = N(2)(x).sum();\n"
        "println!(\"{} {:?} {:.2}\", t, l, y);\n"
        "l";
    lang_session *s = open_session();
    run_ok(s, "int kept = 1;");
    int n = 1;
    for (; n < 2000; n++) {
        rt_memory_fail_after(n);
        lang_outcome o = run(s, cell);
        rt_memory_fail_after(0);
        bool ok = o.ok;
        lang_outcome_dispose(&o);
        said[0] = 0;
        run_ok(s, "assert(kept == 1);");
        if (ok && n > 300) {
            break;
        }
    }
    CHECK(n < 2000);
    run_ok(s, cell);
    lang_session_free(s);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&         \
    defined(__OPTIMIZE__)
CASE(twenty_million_scalar_steps_take_less_than_a_second)
{
    lang_session *s = open_session();
    clock_t begun = clock();
    run_ok(s, "int k = 0; float t = 0;\n"
              "for (int i = 0; i < 20000000; i++) { k += i & 3; t += 0.5; }\n"
              "assert(k == 30000000 && t == 10000000);");
    CHECK((double)(clock() - begun) / CLOCKS_PER_SEC < 1.0);
    lang_session_free(s);
}
#endif

UNIT_MAIN

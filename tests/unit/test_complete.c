/* SPDX-License-Identifier: MIT
 * Cases of lang/complete.c and place.c. The cursor is the `|` in
 * the text. */
#include "lang/lang.h"
#include "tests/unit/unit.h"

static lang_symbols *session(void)
{
    static const lang_symbol rows[] = {
        {"weights", "variable", "Tensor", "", "", "tensor[3]"},
        {"sizes", "variable", "int[]", "", "", "[1, 2]"},
        {"network", "variable", "Module", "", "", "MLP"},
        {"history", "variable", "History", "", "", ""},
        {"scaled", "function", "", "scaled(float amount, int times=2) -> float",
         "float scaled(...) { }", ""},
    };
    lang_symbols *t = lang_symbols_new();
    rt_error err = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_OK(lang_symbols_add(t, &rows[i], &err), err);
    CHECK_INT(lang_symbols_count(t), 5);
    return t;
}

/* The text without its `|`; *cursor in code points. */
static size_t split(char *out, const char *text, int *cursor)
{
    const char *bar = strchr(text, '|');
    size_t before = (size_t)(bar - text);
    memcpy(out, text, before);
    strcpy(out + before, bar + 1);
    *cursor = 0;
    for (size_t i = 0; i < before; i++)
        *cursor += ((unsigned char)text[i] & 0xC0) != 0x80;
    return strlen(out);
}

static const lang_completion_item *complete(lang_completion *c,
                                            const char *text,
                                            const char *wanted)
{
    char source[512];
    int cursor;
    lang_symbols *t = session();
    size_t size = split(source, text, &cursor);
    lang_complete(t, source, size, cursor, c);
    lang_symbols_free(t);
    CHECK_INT(c->end, cursor);
    for (int i = 0; i < c->count; i++) {
        if (!strcmp(c->items[i].text, wanted))
            return &c->items[i];
    }
    return NULL;
}

static const struct {
    const char *text, *wanted, *type;   /* type NULL: not offered */
} cases[] = {
    {"wei|", "weights", "instance"},
    {"sca|", "scaled", "function"},
    {"soft|", "softmax", "function"},
    {"print|", "println!", "function"},
    {"Lin|", "Linear", "class"},
    {"lin|", "linear", "function"},
    {"whi|", "while", "keyword"},
    {"Ten|", "Tensor", "type"},
    {"float3|", "float32", "constant"},
    {"SG|", "SGD", "class"},
    {"int counter = 1;\ncou|", "counter", "instance"},
    {"float f(float inner) { return inn|", "inner", "instance"},
    {"float f(float inner) { return inner; }\ninn|", "inner", NULL},
    {"float helper(int n) { return n; }\nhel|", "helper", "function"},
    {"weights.sha|", "shape", "property"},
    {"weights.s|", "sum", "function"},
    {"weights.|", "T", "property"},
    {"weights.sum().T.req|", "requires_grad", "property"},
    {"sizes.pu|", "push", "function"},
    {"sizes.|", "shape", NULL},
    {"network.par|", "parameters", "function"},
    {"network.|", "cos", NULL},
    {"history.lo|", "loss", "property"},
    {"\"a b\".spl|", "split", "function"},
    {"Tensor::ran|", "randn", "function"},
    {"auto t = randn(3, 3);\nt.sha|", "shape", "property"},
    {"auto t = randn(3, 3); for (auto [a, b] : loader(q)) { t.sha|", "shape",
     "property"},
    {"module M(int n) { Module first = Linear(n, 2); Tensor forward(Tensor x) "
     "{ return fir|", "first", "property"},
    {"module M(int n) { int hidden = n; Tensor forward(Tensor x) { return x; } "
     "}\nauto m = M(3);\nm.hid|", "hidden", "property"},
    {"Linear(3, 4, bi|", "bias=", "param"},
    {"scaled(ti|", "times=", "param"},
    {"weights.sum(di|", "dim=", "param"},
    {"weights.sum(1 + di|", "dim=", NULL},
    {"%ti|", "timeit", "magic"},
    {"print(\"wei|", "weights", NULL},
    {"// wei|", "weights", NULL},
    {"WEI|", "weights", "instance"},
    {"x = \xc3\xa9 + wei|", "weights", "instance"},
};

CASE(rows_of_symbols_are_replaced_added_and_cut)
{
    lang_symbols *t = session();
    rt_error err;
    const lang_symbol other = {"other", "variable", "int", "", "", "5"};
    CHECK_OK(lang_symbols_set(t, 1, &other, &err), err);
    CHECK_INT(lang_symbols_count(t), 5);
    CHECK_TEXT(lang_symbols_at(t, 1).name, "other");
    CHECK_OK(lang_symbols_set(t, 5, &other, &err), err);
    CHECK_INT(lang_symbols_count(t), 6);
    CHECK_TEXT(lang_symbols_at(t, 5).value, "5");
    lang_symbols_cut(t, 2);
    CHECK_INT(lang_symbols_count(t), 2);
    CHECK_TEXT(lang_symbols_at(t, 1).name, "other");
    CHECK_TEXT(lang_symbols_at(t, 2).name, "");
    lang_symbols_free(t);
}

CASE(names_members_and_arguments_are_offered_where_they_fit)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lang_completion c;
        const lang_completion_item *item = complete(&c, cases[i].text,
                                                    cases[i].wanted);
        if (!item != !cases[i].type)
            UNIT_FAIL("in \"%s\" %s is %soffered", cases[i].text,
                      cases[i].wanted, item ? "" : "not ");
        if (item && cases[i].type)
            CHECK_TEXT(item->type, cases[i].type);
        lang_completion_dispose(&c);
    }
}

CASE(the_word_before_the_cursor_is_replaced_in_code_points)
{
    lang_completion c;
    complete(&c, "x = \xc3\xa9 + wei|ghts", "weights");
    CHECK_INT(c.start, 8);
    CHECK_INT(c.end, 11);
    lang_completion_dispose(&c);
}

CASE(signatures_and_types_come_with_the_names)
{
    lang_completion c;
    const lang_completion_item *item = complete(&c, "Line|", "Linear");
    CHECK(item != NULL);
    CHECK_HAS(item ? item->signature : "", "in_features");
    lang_completion_dispose(&c);
    item = complete(&c, "weigh|", "weights");
    CHECK_TEXT(item ? item->signature : "", "Tensor");
    lang_completion_dispose(&c);
}

CASE(a_loop_without_a_body_yet_is_completed)
{
    static const char *const texts[] = {
        "int f({for|", "int f(int x) { while (true) 0; for -|",
        "int f() { while (true)|", "int f() { do|", "int f() { if (true)|",
        "int f() { while (true) { if (true)|", "int f() { switch (1) { default:|"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        lang_completion c = {0};
        complete(&c, texts[i], "");
        lang_completion_dispose(&c);
    }
}

CASE(questions_survive_hostile_text_and_failing_allocations)
{
    static const char *const texts[] = {
        "((((((((((", "x.x.x.x.", "f(f(f(f(", "module M(", "int f(", "a::",
        "auto [", "{{{{{{", "\"", "/*", "'", "%", "x[1:", "for (auto x : ",
        "\xff\xfe.", "if (x", "switch (a) { case", "M().", "5.", "].", ")."};
    lang_symbols *t = session();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (int n = 0; n < 30; n++) {
            lang_completion c;
            int length = (int)strlen(texts[i]);
            rt_memory_fail_after(n);
            lang_complete(t, texts[i], strlen(texts[i]), length, &c);
            rt_memory_fail_after(0);
            lang_completion_dispose(&c);
        }
    }
    char *deep = rt_alloc(40001);
    memset(deep, '(', 40000);
    deep[40000] = 0;
    lang_completion c;
    lang_complete(t, deep, 40000, 40000, &c);
    lang_completion_dispose(&c);
    rt_free(deep);
    lang_symbols_free(t);
}

UNIT_MAIN

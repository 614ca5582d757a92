/* SPDX-License-Identifier: MIT
 * Cases of lang/inspect.c. The cursor is the `|` in
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

static const char *text_of(const lang_bundle *b, const char *mime)
{
    for (int i = 0; i < b->count; i++) {
        if (!strcmp(b->items[i].mime, mime))
            return b->items[i].data;
    }
    return "";
}

static const struct { const char *text, *want; } pages[] = {
    {"soft|max(weights, 0)", "softmax("},
    {"softmax(weights, |0)", "softmax("},
    {"Linear(|", "in_features"},
    {"weights|", "type: Tensor"},
    {"scaled|", "scaled(float amount, int times=2) -> float"},
    {"weights.sha|pe", "Sizes of the dimensions."},
    {"int counter = 1;\ncou|nter", "type: int"},
    {"println|!(\"a\")", "Writes a line"},
    {"relu|?", "relu("},
    {"SGD|", "optimizer"},
    {"%tim|eit f()", "Runs it often"},
};

CASE(help_tells_signature_type_and_meaning)
{
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        char source[256];
        int cursor;
        lang_bundle b;
        lang_symbols *t = session();
        size_t size = split(source, pages[i].text, &cursor);
        bool found = lang_inspect(t, source, size, cursor, 0, &b);
        if (!found)
            UNIT_FAIL("nothing found in \"%s\"", pages[i].text);
        CHECK_HAS(text_of(&b, "text/plain"), pages[i].want);
        CHECK(text_of(&b, "text/markdown")[0] || !found);
        lang_bundle_dispose(&b);
        lang_symbols_free(t);
    }
}

CASE(unknown_words_have_no_help)
{
    lang_bundle b;
    CHECK(!lang_inspect(NULL, "qqqqqq", 6, 3, 0, &b));
    CHECK(!lang_inspect(NULL, "", 0, 0, 0, &b));
    CHECK(!lang_inspect(NULL, "1 + 2", 5, 99, 1, &b));
}

UNIT_MAIN

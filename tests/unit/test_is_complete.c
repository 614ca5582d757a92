/* SPDX-License-Identifier: MIT
 * Cases of lang/is_complete.c. */
#include "lang/lang.h"
#include "tests/unit/unit.h"

static const struct {
    const char *text;
    lang_completeness want;
    int indent;
} cases[] = {
    {"", LANG_COMPLETE, 0},
    {"1 + 2", LANG_COMPLETE, 0},
    {"int x = 3;", LANG_COMPLETE, 0},
    {"int x = 3", LANG_COMPLETE, 0},
    {"int x =", LANG_INCOMPLETE, 4},
    {"1 +", LANG_INCOMPLETE, 4},
    {"f(1,", LANG_INCOMPLETE, 4},
    {"for (int i = 0; i < 3; i++) {", LANG_INCOMPLETE, 4},
    {"for (int i = 0; i < 3; i++) {\n    if (i) {\n", LANG_INCOMPLETE, 8},
    {"for (int i = 0; i < 3; i++) { }", LANG_COMPLETE, 0},
    {"for (int i = 0; i < 3; i++)", LANG_INCOMPLETE, 4},
    {"if (x)", LANG_INCOMPLETE, 4},
    {"if (x) { } else", LANG_INCOMPLETE, 4},
    {"do { } while (x);", LANG_COMPLETE, 0},
    {"do { }", LANG_INCOMPLETE, 4},
    {"/* a", LANG_INCOMPLETE, 0},
    {"\"abc", LANG_INVALID, 0},
    {"x = )", LANG_INVALID, 0},
    {"int x = 1\nint y = 2;", LANG_INVALID, 0},
    {"}", LANG_INVALID, 0},
    {"(]", LANG_INVALID, 0},
    {"int *p;", LANG_INVALID, 0},
    {"%time f(x)", LANG_COMPLETE, 0},
    {"relu?", LANG_COMPLETE, 0},
    {"module M(int n) {\n", LANG_INCOMPLETE, 4},
    {"// only a comment", LANG_COMPLETE, 0},
};

CASE(cells_are_complete_incomplete_or_invalid)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int indent = -1;
        lang_completeness got = lang_is_complete(
            cases[i].text, strlen(cases[i].text), &indent);
        if (got != cases[i].want || indent != cases[i].indent)
            UNIT_FAIL("\"%s\" is %d with indent %d, expected %d, %d",
                      cases[i].text, (int)got, indent, (int)cases[i].want,
                      cases[i].indent);
    }
}

UNIT_MAIN

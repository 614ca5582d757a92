/* SPDX-License-Identifier: MIT
 * Cases of lang/suggest.c: CPython's weights. */
#include "lang/suggest.h"
#include "tests/unit/unit.h"

static const struct { const char *word, *candidates[5], *want; } cases[] = {
    {"softmx", {"softmin", "softmax", "sort"}, "softmax"},
    {"Relu", {"relu", "ReLU", "rel"}, "relu"},
    {"lenght", {"length", "len"}, "length"},
    {"xyz", {"abc", "softmax"}, NULL},
    {"a", {"b"}, NULL},
    {"shap", {"shape", "share"}, "shape"},
    {"same", {"same"}, NULL},
    {"blech", {"blach", "bluch"}, "blach"},
};

CASE(the_nearest_name_is_suggested)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lang__suggestion s;
        lang__suggest_start(&s, cases[i].word);
        for (int k = 0; k < 5 && cases[i].candidates[k]; k++)
            lang__suggest_offer(&s, cases[i].candidates[k]);
        if (cases[i].want)
            CHECK_TEXT(s.best, cases[i].want);
        else
            CHECK(s.best == NULL);
    }
}

CASE(long_names_and_floods_of_names_are_left_out)
{
    char word[64], other[64];
    memset(word, 'a', 45);
    word[45] = 0;
    strcpy(other, word);
    other[3] = 'b';
    lang__suggestion s;
    lang__suggest_start(&s, word);
    lang__suggest_offer(&s, other);
    CHECK(s.best == NULL);
    lang__suggest_start(&s, "value");
    for (int i = 0; i < 750; i++)
        lang__suggest_offer(&s, "quite_another");
    lang__suggest_offer(&s, "values");
    CHECK(s.best == NULL);
}

CASE(the_catalogs_offer_their_names)
{
    lang__suggestion s;
    lang__suggest_start(&s, "Liner");
    lang__suggest_catalogs(&s);
    CHECK_TEXT(s.best, "Linear");
    lang__suggest_start(&s, "printf_");
    lang__suggest_catalogs(&s);
    CHECK_TEXT(s.best, "printf");
}

UNIT_MAIN

/* SPDX-License-Identifier: MIT
 * Cases of lang/diagnostic.c: what a reader sees. */
#include "lang/diagnostic.h"
#include "tests/unit/unit.h"

typedef struct setting {
    lang__arena arena;
    lang__source *source;
    lang__diagnostics errors;
} setting;

static void begin(setting *s, const char *text, int cell)
{
    memset(s, 0, sizeof *s);
    lang__arena_init(&s->arena);
    lang__source_new(&s->source, text, strlen(text), cell, NULL, NULL);
    s->errors.arena = &s->arena;
}

static void end(setting *s)
{
    lang__source_release(s->source);
    lang__arena_free(&s->arena);
}

static lang__span span_of(const setting *s, const char *part)
{
    uint32_t at = (uint32_t)(strstr(s->source->text, part) - s->source->text);
    return (lang__span){at, at + (uint32_t)strlen(part)};
}

CASE(operands_are_labelled_under_the_line_as_in_the_manual)
{
    setting s;
    begin(&s, "\n\nTensor h = x @ w + b;", 7);
    lang__diagnostic *d = lang__report(
        &s.errors, LANG__D_RUNTIME, span_of(&s, "@"),
        "matmul: x is [64, 784] but w is [128, 784]");
    d->status = RT_E_SHAPE;
    lang__report_label(&s.errors, d, span_of(&s, "x"), "x: float32 [64, 784]");
    lang__report_label(&s.errors, d, span_of(&s, "w"), "w: float32 [128, 784]");
    lang__report_help(&s.errors, d, "w looks transposed: x @ w.T");
    char *text = lang__diagnostic_render(s.source, d, false);
    CHECK_TEXT(text,
               "error[shape]: matmul: x is [64, 784] but w is [128, 784]\n"
               "  cell 7, line 3\n"
               "   3 | Tensor h = x @ w + b;\n"
               "     |            ~ ^ ~\n"
               "     |            |   w: float32 [128, 784]\n"
               "     |            x: float32 [64, 784]\n"
               "  help: w looks transposed: x @ w.T");
    rt_free(text);
    text = lang__diagnostic_render(s.source, d, true);
    CHECK_HAS(text, "\033[1;31merror[shape]\033[0m");
    rt_free(text);
    end(&s);
}

CASE(carets_stand_under_wide_and_tabbed_text)
{
    setting s;
    begin(&s, "\t\"\xe4\xb8\xad\" + nope;", 1);
    lang__diagnostic *d = lang__report(&s.errors, LANG__D_UNKNOWN_NAME,
                                       span_of(&s, "nope"), "unknown");
    char *text = lang__diagnostic_render(s.source, d, false);
    CHECK_HAS(text, "     |         ^^^^");
    rt_free(text);
    end(&s);
}

CASE(labels_on_other_lines_become_notes)
{
    setting s;
    begin(&s, "int n = 1;\nint n = 2;", 2);
    lang__span second = {15, 16};
    lang__diagnostic *d = lang__report(&s.errors, LANG__D_REDECLARED, second,
                                       "`n` is declared twice");
    lang__report_label(&s.errors, d, (lang__span){4, 5}, "first declared here");
    char *text = lang__diagnostic_render(s.source, d, false);
    CHECK_HAS(text, "  line 1: first declared here");
    CHECK_HAS(text, "error[redeclared]");
    rt_free(text);
    end(&s);
}

CASE(spans_beyond_the_text_and_missing_sources_are_harmless)
{
    setting s;
    begin(&s, "x", 1);
    lang__diagnostic *d = lang__report(&s.errors, LANG__D_SYNTAX,
                                       (lang__span){900, 1000}, "far away");
    char *text = lang__diagnostic_render(s.source, d, false);
    CHECK_HAS(text, "far away");
    rt_free(text);
    text = lang__diagnostic_render(NULL, d, false);
    CHECK_TEXT(text, "error[syntax]: far away");
    rt_free(text);
    end(&s);
}

CASE(a_failure_has_name_value_place_and_all_texts)
{
    setting s;
    begin(&s, "a\n  nope + zilch", 4);
    lang__report(&s.errors, LANG__D_UNKNOWN_NAME, span_of(&s, "nope"), "one");
    lang__report(&s.errors, LANG__D_UNKNOWN_NAME, span_of(&s, "zilch"), "two");
    lang_failure f;
    lang__failure_fill(&f, s.source, s.errors.items, s.errors.count,
                       s.errors.total + 3);
    CHECK_INT(f.code, RT_E_NAME);
    CHECK_TEXT(f.ename, "UnknownNameError");
    CHECK_TEXT(f.evalue, "one");
    CHECK_INT(f.line, 2);
    CHECK_INT(f.column, 3);
    CHECK_INT(f.end_column, 7);
    CHECK_HAS(f.text, "two");
    CHECK_HAS(f.text, "and 3 more");
    lang__failure_dispose(&f);
    end(&s);
}

CASE(messages_stay_on_one_line_and_floods_are_counted)
{
    setting s;
    begin(&s, "x", 1);
    for (int i = 0; i < 50; i++)
        lang__report(&s.errors, LANG__D_SYNTAX, (lang__span){0, 1}, "a\nb");
    CHECK_INT(s.errors.count, 20);
    CHECK_INT(s.errors.total, 50);
    CHECK_TEXT(s.errors.items[0].message, "a b");
    end(&s);
}

CASE(every_code_of_the_catalog_is_described)
{
    for (int i = 1; i < LANG__D_COUNT; i++) {
        const lang__diagnostic_info *info = lang__diagnostic_describe(i);
        CHECK(info && info->code[0] && info->doc[0]);
        CHECK(info && info->status > RT_OK && info->status < RT_STATUS_COUNT);
    }
    CHECK(lang__diagnostic_describe(LANG__D_RUNTIME) == NULL);
    CHECK(lang__diagnostic_describe(LANG__D_COUNT) == NULL);
}

UNIT_MAIN

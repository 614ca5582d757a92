/* SPDX-License-Identifier: MIT
 * History over sessions, and on a disk that refuses.
 */
#include "kernel/history.h"

#include "tests/unit/unit.h"

#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/rustorch-history-XXXXXX";

static const char *scratch(void)
{
    static int made;
    if (!made++ && !mkdtemp(directory)) {
        UNIT_FAIL("mkdtemp failed");
    }
    return directory;
}

static void forget(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/history.jsonl", scratch());
    unlink(path);
}

static void add(kernel_history *h, int line, const char *code)
{
    kernel_history_add(h, line, code, strlen(code));
}

/* The answer to a request, as text. */
static char *answer(kernel_history *h, const char *request)
{
    static char text[4096];
    json_t *q = json_loads(request, 0, NULL);
    json_t *a = kernel_history_answer(h, q);
    char *dump = json_dumps(a, JSON_COMPACT);
    snprintf(text, sizeof text, "%s", dump);
    free(dump);
    json_decref(a);
    json_decref(q);
    return text;
}

CASE(tail_gives_the_last_lines_in_order)
{
    forget();
    kernel_history *h = kernel_history_new(scratch());
    add(h, 1, "a = 1");
    add(h, 2, "b");
    kernel_history_result(h, "2");
    CHECK_TEXT(answer(h, "{\"hist_access_type\":\"tail\",\"n\":1}"),
               "[[1,2,\"b\"]]");
    CHECK_TEXT(answer(h, "{\"hist_access_type\":\"tail\",\"n\":5,"
                         "\"output\":true}"),
               "[[1,1,[\"a = 1\",null]],[1,2,[\"b\",\"2\"]]]");
    kernel_history_free(h);
}

CASE(the_next_session_remembers_the_last)
{
    forget();
    kernel_history *first = kernel_history_new(scratch());
    add(first, 1, "old \xe2\x98\x83");
    kernel_history_result(first, "out");
    kernel_history_save(first);
    kernel_history *second = kernel_history_new(scratch());
    add(second, 1, "new");
    CHECK_TEXT(answer(second, "{\"hist_access_type\":\"tail\",\"n\":9}"),
               "[[1,1,\"old \xe2\x98\x83\"],[2,1,\"new\"]]");
    CHECK_TEXT(answer(second, "{\"hist_access_type\":\"range\",\"session\":-1,"
                              "\"start\":1,\"stop\":2,\"output\":true}"),
               "[[1,1,[\"old \xe2\x98\x83\",\"out\"]]]");
    CHECK_TEXT(answer(second, "{\"hist_access_type\":\"range\"}"),
               "[[2,1,\"new\"]]");
    CHECK_TEXT(kernel_history_line(second, 0), "new");
    CHECK(!kernel_history_line(second, 1));
    kernel_history_free(first);
    kernel_history_free(second);
}

CASE(search_is_a_pattern_and_unique_keeps_the_latest)
{
    forget();
    kernel_history *h = kernel_history_new(scratch());
    add(h, 1, "x = 1");
    add(h, 2, "y = 2");
    add(h, 3, "x = 1");
    CHECK_TEXT(answer(h, "{\"hist_access_type\":\"search\","
                         "\"pattern\":\"x*\"}"),
               "[[1,1,\"x = 1\"],[1,3,\"x = 1\"]]");
    CHECK_TEXT(answer(h, "{\"hist_access_type\":\"search\",\"pattern\":\"x*\","
                         "\"unique\":true}"),
               "[[1,3,\"x = 1\"]]");
    CHECK_TEXT(answer(h, "{\"hist_access_type\":\"search\",\"pattern\":\"*\","
                         "\"n\":2}"),
               "[[1,2,\"y = 2\"],[1,3,\"x = 1\"]]");
    kernel_history_free(h);
}

CASE(damaged_lines_are_passed_by)
{
    forget();
    char path[128];
    snprintf(path, sizeof path, "%s/history.jsonl", scratch());
    FILE *f = fopen(path, "w");
    fputs("nonsense\n{\"session\":4,\"line\":1,\"in\":\"kept\"}\n\n"
          "{\"session\":4,\"line\":2,\"in\":\"cut", f);
    fclose(f);
    kernel_history *h = kernel_history_new(scratch());
    add(h, 1, "next");
    kernel_history_free(h);
    h = kernel_history_new(scratch());
    CHECK_TEXT(answer(h, "{\"hist_access_type\":\"tail\",\"n\":9}"),
               "[[4,1,\"kept\"],[5,1,\"next\"]]");
    kernel_history_free(h);
}

CASE(a_line_cut_by_another_kernel_costs_no_line_of_ours)
{
    forget();
    char path[128];
    snprintf(path, sizeof path, "%s/history.jsonl", scratch());
    kernel_history *h = kernel_history_new(scratch());
    add(h, 1, "before");
    kernel_history_save(h);
    FILE *f = fopen(path, "a");   /* killed while it wrote */
    fputs("{\"session\":9,\"line\":1,\"in\":\"cu", f);
    fclose(f);
    add(h, 2, "after");
    kernel_history_free(h);
    h = kernel_history_new(scratch());
    CHECK_TEXT(answer(h, "{\"hist_access_type\":\"tail\",\"n\":9}"),
               "[[1,1,\"before\"],[1,2,\"after\"]]");
    kernel_history_free(h);
}

CASE(without_a_disk_the_session_is_remembered_and_said_once)
{
    kernel_history *h = kernel_history_new("/proc/none/such");
    CHECK(!kernel_history_problem(h));
    add(h, 1, "a");
    char *problem = kernel_history_problem(h);
    CHECK_HAS(problem, "/proc/none/such");
    free(problem);
    add(h, 2, "b");
    CHECK(!kernel_history_problem(h));
    CHECK_TEXT(answer(h, "{\"hist_access_type\":\"tail\",\"n\":2}"),
               "[[1,1,\"a\"],[1,2,\"b\"]]");
    kernel_history_free(h);
}

CASE(patterns_match_whole_texts)
{
    static const struct {
        const char *pattern, *text;
        int match;
    } rows[] = {
        {"*", "", 1},          {"a*", "abc", 1},     {"*c", "abc", 1},
        {"*b*", "abc", 1},     {"a?c", "abc", 1},
        {"a?c", "a\xe2\x98\x83" "c", 1},
        {"abc", "abcd", 0},    {"[a-c]x", "bx", 1},  {"[^a-c]x", "bx", 0},
        {"[]]", "]", 1},       {"*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaac", 0},
        {"a**b", "ab", 1},     {"[", "[", 0},        {"a\nb*", "a\nbc", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (kernel_glob(rows[i].pattern, rows[i].text) != rows[i].match) {
            UNIT_FAIL("%s against %s", rows[i].pattern, rows[i].text);
        }
    }
}

UNIT_MAIN

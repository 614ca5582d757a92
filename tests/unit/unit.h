/* SPDX-License-Identifier: MIT
 * The test registry: CASE(name) defines a test whose name reads as a sentence;
 * CHECK prints both values when it fails. A program ends with UNIT_MAIN.
 * Its last line is "N passed, N failed". Argument: run only names containing it.
 */
#ifndef UNIT_H
#define UNIT_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct unit_case {
    const char *name;
    void (*run)(void);
    struct unit_case *next;
} unit_case;

static unit_case *unit_first, **unit_last = &unit_first;
static int unit_failures; /* of the case that runs */

#define CASE(id)                                                               \
    static void case_##id(void);                                               \
    static unit_case unit_##id = {#id, case_##id, NULL};                       \
    __attribute__((constructor)) static void register_##id(void)               \
    {                                                                          \
        *unit_last = &unit_##id;                                               \
        unit_last = &unit_##id.next;                                           \
    }                                                                          \
    static void case_##id(void)

#define UNIT_FAIL(...)                                                         \
    do {                                                                       \
        unit_failures++;                                                       \
        printf("  %s:%d: ", __FILE__, __LINE__);                               \
        printf(__VA_ARGS__);                                                   \
        printf("\n");                                                          \
    } while (0)

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition))                                                      \
            UNIT_FAIL("%s is false", #condition);                              \
    } while (0)
#define CHECK_INT(got, want)                                                   \
    do {                                                                       \
        long long g_ = (long long)(got), w_ = (long long)(want);               \
        if (g_ != w_)                                                          \
            UNIT_FAIL("%s is %lld, expected %lld", #got, g_, w_);              \
    } while (0)
#define CHECK_NEAR(got, want, tolerance)                                       \
    do {                                                                       \
        double g_ = (got), w_ = (want);                                        \
        if (!(fabs(g_ - w_) <= (tolerance)) && !(isnan(g_) && isnan(w_)) &&    \
            g_ != w_)                                                          \
            UNIT_FAIL("%s is %.9g, expected %.9g", #got, g_, w_);              \
    } while (0)
#define CHECK_TEXT(got, want)                                                  \
    do {                                                                       \
        const char *g_ = (got), *w_ = (want);                                  \
        if (!g_ || strcmp(g_, w_) != 0)                                        \
            UNIT_FAIL("%s is\n\"%s\"\n  expected\n\"%s\"", #got,               \
                      g_ ? g_ : "(null)", w_);                                 \
    } while (0)
#define CHECK_HAS(text, part)                                                  \
    do {                                                                       \
        const char *t_ = (text), *p_ = (part);                                 \
        if (!t_ || !strstr(t_, p_))                                            \
            UNIT_FAIL("%s is\n\"%s\"\n  which lacks \"%s\"", #text,            \
                      t_ ? t_ : "(null)", p_);                                 \
    } while (0)
/* A call that must succeed: prints the error's own message when it does not. */
#define CHECK_OK(call, err)                                                    \
    do {                                                                       \
        (err).code = RT_OK;                                                    \
        if ((call) != RT_OK)                                                   \
            UNIT_FAIL("%s: %s", #call, (err).message);                         \
    } while (0)
#define CHECK_FAILS(call, err, status)                                         \
    do {                                                                       \
        (err).code = RT_OK;                                                    \
        if ((call) != (status))                                                \
            UNIT_FAIL("%s should fail with %s, got %d", #call, #status,        \
                      (int)(err).code);                                        \
    } while (0)

static int unit_main(int argc, char **argv)
{
    int passed = 0, failed = 0;
    for (unit_case *c = unit_first; c; c = c->next) {
        if (argc > 1 && !strstr(c->name, argv[1]))
            continue;
        unit_failures = 0;
        c->run();
        if (unit_failures) {
            failed++;
            printf("FAILED %s\n", c->name);
        } else {
            passed++;
        }
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}

#define UNIT_MAIN                                                              \
    int main(int argc, char **argv)                                            \
    {                                                                          \
        return unit_main(argc, argv);                                          \
    }

#endif

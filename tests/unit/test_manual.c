/* SPDX-License-Identifier: MIT
 * The examples of docs/language.md, run as the cells of one session: each
 * ```c block runs, each ```c fails CODE block fails with that code. */
#include "lang/lang.h"
#include "tests/unit/unit.h"

static void stream(void *ctx, int fd, const char *text, size_t size)
{
    size_t *written = ctx;
    *written += size;
}

static void display(void *ctx, const lang_bundle *bundle,
                    const char *display_id, bool update)
{
    CHECK(bundle->count > 0);
}

/* expected: "" or the code it fails with. */
static void run_block(lang_session *s, const char *text, size_t size, int cell,
                      const char *expected)
{
    lang_outcome out;
    lang_execute(s, text, size, cell, NULL, &out);
    if (!expected[0]) {
        if (!out.ok)
            UNIT_FAIL("cell %d:\n%s", cell, out.failure.text);
    } else {
        char want[60];
        snprintf(want, sizeof want, "error[%s]", expected);
        CHECK(!out.ok);
        CHECK_HAS(out.ok ? "" : out.failure.text, want);
    }
    lang_outcome_dispose(&out);
}

static char *read_file(const char *name)
{
    const char *top = getenv("RUSTORCH_SRCDIR");
    char path[1000];
    snprintf(path, sizeof path, "%s/%s", top ? top : "..", name);
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    char *text = calloc(1, 200000);
    size_t n = fread(text, 1, 199999, f);
    text[n] = 0;
    fclose(f);
    return text;
}

CASE(every_example_of_the_language_manual_does_what_it_says)
{
    char *text = read_file("docs/language.md");
    size_t written = 0;
    lang_host host = {.ctx = &written, .stream = stream, .display = display};
    lang_session *s = NULL;
    rt_error err = {0};
    int blocks = 0;
    CHECK(text != NULL);
    CHECK_OK(lang_session_new(&s, &host, &err), err);
    for (char *at = text; at && (at = strstr(at, "\n```c"));) {
        char code[40] = "";
        sscanf(at, "\n```c fails %39s", code);
        char *start = strchr(at + 1, '\n') + 1;
        char *stop = strstr(start, "\n```");
        run_block(s, start, (size_t)(stop - start), ++blocks, code);
        at = stop + 4;
    }
    CHECK(blocks >= 20);
    CHECK(written > 100);
    lang_session_free(s);
    free(text);
}

UNIT_MAIN

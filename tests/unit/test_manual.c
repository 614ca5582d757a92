/* SPDX-License-Identifier: MIT
 * The examples of docs/language.md, checked as the cells of one session: each
 * ```c block passes, each ```c fails CODE block fails with that code. */
#include "lang/checker.h"
#include "tests/unit/unit.h"

enum { MOST = 400 };

/* What the cells so far declared. */
typedef struct session {
    struct {
        char *name;
        lang__known known;
    } items[MOST];
    int count;
} session;

static bool find(void *ctx, const char *name, lang__known *out)
{
    session *s = ctx;
    for (int i = s->count - 1; i >= 0; i--) {
        if (!strcmp(s->items[i].name, name)) {
            *out = s->items[i].known;
            return true;
        }
    }
    return false;
}

static void keep(session *s, const char *name, lang__known known)
{
    if (s->count == MOST)
        return;
    if (known.signature)
        known.signature = lang__signature_copy(known.signature);
    s->items[s->count].name = rt_strdup(name);
    s->items[s->count++].known = known;
}

static void keep_all(session *s, const lang__program *program)
{
    for (int i = 0; i < program->nglobals; i++)
        keep(s, program->globals[i]->name,
             (lang__known){.type = program->globals[i]->type,
                           .constant = program->globals[i]->constant});
    for (int i = 0; i < program->body.count; i++) {
        const lang__stmt *one = program->body.items[i];
        if (one->kind == S_FUNCTION)
            keep(s, one->u.function->name,
                 (lang__known){.kind = LANG__KNOWN_FUNCTION,
                               .signature = &one->u.function->signature});
        if (one->kind == S_MODULE)
            keep(s, one->u.module->name,
                 (lang__known){.kind = LANG__KNOWN_MODULE,
                               .signature = &one->u.module->signature});
    }
}

/* expected: "" or the code it fails with. */
static void check_block(session *s, const char *text, size_t size,
                        const char *expected)
{
    lang__arena arena;
    lang__source *source = NULL;
    lang__diagnostics errors;
    lang__program *program;
    lang__scope scope = {s, find, NULL, NULL};
    lang__arena_init(&arena);
    lang__source_new(&source, text, size, 1, NULL, NULL);
    lang__check_request request = {.source = source, .arena = &arena,
                                   .scope = &scope};
    lang__check(&program, &errors, &request);
    const char *got = errors.count ? lang__diagnostic_code(&errors.items[0])
                                   : "";
    CHECK_TEXT(got, expected);
    if (errors.count && strcmp(got, expected)) {
        char *shown = lang__diagnostic_render(source, &errors.items[0], false);
        printf("%s\n", shown);
        rt_free(shown);
    }
    if (program)
        keep_all(s, program);
    lang__source_release(source);
    lang__arena_free(&arena);
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

CASE(every_example_of_the_language_manual_is_as_it_says)
{
    char *text = read_file("docs/language.md");
    session *s = calloc(1, sizeof *s);
    int blocks = 0;
    CHECK(text != NULL);
    for (char *at = text; at && (at = strstr(at, "\n```c"));) {
        char code[40] = "";
        sscanf(at, "\n```c fails %39s", code);
        char *start = strchr(at + 1, '\n') + 1;
        char *stop = strstr(start, "\n```");
        check_block(s, start, (size_t)(stop - start), code);
        at = stop + 4;
        blocks++;
    }
    CHECK(blocks >= 15);
    for (int i = 0; i < s->count; i++) {
        rt_free(s->items[i].name);
        rt_free((void *)s->items[i].known.signature);
    }
    free(s);
    free(text);
}

UNIT_MAIN

/* SPDX-License-Identifier: MIT
 * Runs the programs of tests/lang. A file is one session; `// cell` begins a
 * new cell (lines count from the line after it). What a cell must do stands in
 * comments inside it:
 *
 *   // expect: text             the next line of its output; its result, as a
 *                               notebook shows it, is the last
 *   // expect stderr: text      the next line of its error stream
 *   // expect display: text     a display's MIME types or text contain it
 *   // expect error 3:7 shape   it fails there (column, or line and column, or
 *                               the code may be left out) with this code
 *   // expect message: text     the diagnostic contains it
 *   // expect ok                it runs; the output does not matter
 *   // input: text              what input() gets next
 *
 * Without arguments: all files of $RUSTORCH_SRCDIR/tests/lang.
 */
#include "lang/lang.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct text {
    char *data;
    size_t size, room;
} text;

static void add(text *t, const char *data, size_t size)
{
    if (t->size + size + 1 > t->room) {
        t->room = (t->size + size + 1) * 2;
        t->data = realloc(t->data, t->room);
        if (!t->data) {
            abort();
        }
    }
    memcpy(t->data + t->size, data, size);
    t->size += size;
    t->data[t->size] = 0;
}

static void add_line(text *t, const char *data, size_t size)
{
    add(t, data, size);
    add(t, "\n", 1);
}

static const char *string_of(const text *t)
{
    return t->data ? t->data : "";
}

/* What a cell said, and what it should have. */
typedef struct cell {
    text source, out, err, shown;
    text want_out, want_err;
    char want_code[32];
    int want_line, want_column;
    bool any_output, has_code;
    char *wants[64];          /* messages and displays */
    bool is_display[64];
    int nwants;
    char *inputs[16];
    int ninputs, at_input;
} cell;

static int passed, failed;

/* --- the host --------------------------------------------------------------- */

static void on_stream(void *ctx, int fd, const char *data, size_t size)
{
    cell *c = ctx;
    add(fd == 2 ? &c->err : &c->out, data, size);
}

static void on_display(void *ctx, const lang_bundle *b, const char *id,
                       bool update)
{
    cell *c = ctx;
    for (int i = 0; i < b->count; i++) {
        add_line(&c->shown, b->items[i].mime, strlen(b->items[i].mime));
        if (!b->items[i].binary) {
            add_line(&c->shown, b->items[i].data, b->items[i].size);
        }
    }
}

static rt_status on_input(void *ctx, const char *prompt, bool password,
                          char **line, rt_error *err)
{
    cell *c = ctx;
    if (c->at_input >= c->ninputs) {
        return rt_fail(err, RT_E_UNSUPPORTED, "no more input");
    }
    add(&c->out, prompt, strlen(prompt));
    *line = rt_strdup(c->inputs[c->at_input++]);
    return RT_OK;
}

/* Names of a Python notebook, so to speak. */
static bool on_lookup(void *ctx, const char *name, lang_value *out)
{
    if (strcmp(name, "host_number") == 0) {
        *out = (lang_value){.kind = LANG_FLOAT, .f = 2.5};
        return true;
    }
    if (strcmp(name, "host_double") == 0) {
        *out = (lang_value){.kind = LANG_HOST, .object = (void *)on_stream};
        return true;
    }
    return false;
}

static rt_status on_call(void *ctx, void *object, const lang_value *args,
                         int n, lang_value *out, rt_error *err)
{
    if (n != 1 || args[0].kind != LANG_INT) {
        return rt_fail(err, RT_E_HOST, "host_double wants one int");
    }
    *out = (lang_value){.kind = LANG_INT, .i = args[0].i * 2};
    return RT_OK;
}

/* --- comments ----------------------------------------------------------------- */

static const char *after(const char *line, const char *prefix)
{
    const char *at = strstr(line, prefix);
    return at ? at + strlen(prefix) : NULL;
}

static void want(cell *c, const char *s, bool display)
{
    if (c->nwants < 64) {
        c->is_display[c->nwants] = display;
        c->wants[c->nwants++] = strdup(s);
    }
}

static void parse_error(cell *c, const char *s)
{
    int n = 0;
    if (sscanf(s, "%d:%d %31s", &c->want_line, &c->want_column,
               c->want_code) == 3) {
        return;
    }
    c->want_line = c->want_column = 0;
    if (sscanf(s, "%d %n", &c->want_line, &n) == 1 && n > 0) {
        s += n;
    }
    if (sscanf(s, "%31s", c->want_code) != 1) {
        strcpy(c->want_code, "any");
    }
}

static void parse_line(cell *c, const char *line)
{
    const char *s;
    if (line[0] && strncmp(line, "//", 2) != 0) {
        c->has_code = true;
    }
    if ((s = after(line, "// expect: "))) {
        add_line(&c->want_out, s, strlen(s));
    } else if (strstr(line, "// expect:")) {
        add_line(&c->want_out, "", 0);
    } else if ((s = after(line, "// expect stderr: "))) {
        add_line(&c->want_err, s, strlen(s));
    } else if ((s = after(line, "// expect display: "))) {
        want(c, s, true);
    } else if ((s = after(line, "// expect message: "))) {
        want(c, s, false);
    } else if ((s = after(line, "// expect error"))) {
        parse_error(c, s);
    } else if (strstr(line, "// expect ok")) {
        c->any_output = true;
    } else if ((s = after(line, "// input: ")) && c->ninputs < 16) {
        c->inputs[c->ninputs++] = strdup(s);
    }
}

/* --- one cell ------------------------------------------------------------------- */

static bool complain(const char *file, int number, const char *what,
                     const char *got, const char *wanted)
{
    printf("FAILED %s, cell %d: %s\n", file, number, what);
    if (wanted) {
        printf("--- expected\n%s--- got\n%s---\n", wanted, got);
    }
    return false;
}

static void add_result(cell *c, const lang_outcome *o)
{
    for (int i = 0; o->has_value && i < o->bundle.count; i++) {
        if (strcmp(o->bundle.items[i].mime, "text/plain") == 0) {
            add_line(&c->out, o->bundle.items[i].data,
                     o->bundle.items[i].size);
        }
    }
}

static bool same_failure(const char *file, int number, const cell *c,
                         const lang_outcome *o)
{
    const char *message = o->failure.text ? o->failure.text : "";
    char head[48];
    if (!c->want_code[0]) {
        return o->ok || complain(file, number, "it failed", message, "");
    }
    if (o->ok) {
        return complain(file, number, "it should have failed", "",
                        c->want_code);
    }
    snprintf(head, sizeof head, "error[%s]", c->want_code);
    if (strcmp(c->want_code, "any") == 0) {
        strcpy(head, "error[");
    }
    if (strncmp(message, head, strlen(head)) != 0) {
        return complain(file, number, "another error", message, head);
    }
    if ((c->want_line && o->failure.line != c->want_line) ||
        (c->want_column && o->failure.column != c->want_column)) {
        printf("at %d:%d\n", o->failure.line, o->failure.column);
        return complain(file, number, "the error is elsewhere", message, head);
    }
    return true;
}

static bool judge(const char *file, int number, cell *c, lang_outcome *o)
{
    const char *out = string_of(&c->out), *wanted = string_of(&c->want_out);
    if (!same_failure(file, number, c, o)) {
        return false;
    }
    size_t size = strlen(out);
    if (size && out[size - 1] != '\n') {
        add(&c->out, "\n", 1);
        out = string_of(&c->out);
    }
    if (!c->any_output && strcmp(out, wanted) != 0) {
        return complain(file, number, "another output", out, wanted);
    }
    if (strcmp(string_of(&c->err), string_of(&c->want_err)) != 0) {
        return complain(file, number, "another error stream",
                        string_of(&c->err), string_of(&c->want_err));
    }
    for (int i = 0; i < c->nwants; i++) {
        const char *in = c->is_display[i] ? string_of(&c->shown)
                         : o->failure.text ? o->failure.text : "";
        if (!strstr(in, c->wants[i])) {
            return complain(file, number, "lacks a text", in, c->wants[i]);
        }
    }
    return true;
}

/* Comments alone (a file's head) are no test. */
static void run_cell(lang_session *s, const char *file, int number, cell *c)
{
    lang_outcome o;
    if (!c->has_code) {
        return;
    }
    rt_interrupt_clear();
    lang_execute(s, string_of(&c->source), c->source.size, number, NULL, &o);
    add_result(c, &o);
    if (judge(file, number, c, &o)) {
        passed++;
    } else {
        failed++;
    }
    lang_outcome_dispose(&o);
}

static void clear(cell *c)
{
    text *all[] = {&c->source, &c->out, &c->err, &c->shown, &c->want_out,
                   &c->want_err};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        free(all[i]->data);
    }
    for (int i = 0; i < c->nwants; i++) {
        free(c->wants[i]);
    }
    for (int i = 0; i < c->ninputs; i++) {
        free(c->inputs[i]);
    }
    *c = (cell){0};
}

static void run_file(const char *path)
{
    static char line[65536];
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    FILE *f = fopen(path, "r");
    lang_session *s = NULL;
    cell c = {0};
    int number = 1;
    lang_host host = {.ctx = &c, .stream = on_stream, .display = on_display,
                      .input = on_input, .lookup = on_lookup, .call = on_call};
    if (!f || lang_session_new(&s, &host, NULL)) {
        printf("FAILED %s cannot be run\n", path);
        failed++;
        return;
    }
    while (fgets(line, sizeof line, f)) {
        size_t size = strcspn(line, "\n");
        line[size] = 0;
        if (strcmp(line, "// cell") == 0) {
            run_cell(s, file, number++, &c);
            clear(&c);
            continue;
        }
        parse_line(&c, line);
        add_line(&c.source, line, size);
    }
    run_cell(s, file, number, &c);
    clear(&c);
    fclose(f);
    lang_session_free(s);
}

static int is_program(const struct dirent *d)
{
    size_t n = strlen(d->d_name);
    return n > 3 && strcmp(d->d_name + n - 3, ".rt") == 0;
}

static void run_all(void)
{
    const char *top = getenv("RUSTORCH_SRCDIR");
    char folder[1024], path[2048];
    struct dirent **names;
    snprintf(folder, sizeof folder, "%s/tests/lang", top ? top : ".");
    int n = scandir(folder, &names, is_program, alphasort);
    if (n <= 0) {
        printf("FAILED no programs in %s\n", folder);
        failed++;
    }
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        run_file(path);
        free(names[i]);
    }
    if (n > 0) {
        free(names);
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        run_file(argv[i]);
    }
    if (argc == 1) {
        run_all();
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}

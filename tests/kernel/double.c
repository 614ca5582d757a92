/* SPDX-License-Identifier: MIT
 * A stand-in for the language and the runtime: lang.h over a handful of
 * commands, one a line, so that the kernel is tested without them and made to
 * do what no real program should (crash, flood, exit). Lines end at newlines;
 * an optional `;` at their end is ignored.
 *
 *   print TEXT, eprint TEXT   a line to a stream      raw TEXT      to fd 1
 *   count N       prints N lines      flood N         N lines to fd 1
 *   spin          until interrupted   sleep MS        (interruptible)
 *   set NAME N    a variable          get NAME        its value as result
 *   show TEXT, update TEXT, clear, png, page TEXT, next TEXT, ask PROMPT
 *   large N       a display of N MiB
 *   fail TEXT, segv, abort, overflow, exit N, undelivered N, utf8
 */
#include "lang/lang.h"

#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* --- the runtime's part --------------------------------------------------- */

static volatile sig_atomic_t interrupted;

void *rt_alloc(size_t bytes)
{
    return malloc(bytes ? bytes : 1);
}

void *rt_realloc(void *p, size_t bytes)
{
    return realloc(p, bytes);
}

void rt_free(void *p)
{
    free(p);
}

char *rt_strdup(const char *s)
{
    return s ? strdup(s) : NULL;
}

const char *rt_version(void)
{
    return "0.0-double";
}

void rt_memory_read_stats(rt_memory_stats *out)
{
    *out = (rt_memory_stats){0};
}

void rt_memory_own_small(void)
{
}

void rt_memory_forked(bool child)
{
    (void)child;   /* no blocks of its own */
}

void rt_interrupt(void)
{
    interrupted = 1;
}

void rt_interrupt_clear(void)
{
    interrupted = 0;
}

bool rt_interrupted(void)
{
    return interrupted != 0;
}

rt_status rt_fail(rt_error *err, rt_status code, const char *format, ...)
{
    if (err) {
        va_list ap;
        va_start(ap, format);
        vsnprintf(err->message, sizeof err->message, format, ap);
        va_end(ap);
        err->code = code;
    }
    return code;
}

/* --- bundles, symbols ----------------------------------------------------- */

rt_status lang_bundle_add(lang_bundle *b, const char *mime, const void *data,
                          size_t size, bool binary, rt_error *err)
{
    b->items = realloc(b->items, (size_t)(b->count + 1) * sizeof *b->items);
    lang_mime *m = &b->items[b->count++];
    *m = (lang_mime){strdup(mime), malloc(size + 1), size, binary};
    memcpy(m->data, data, size);
    m->data[size] = '\0';
    return RT_OK;
}

void lang_bundle_dispose(lang_bundle *b)
{
    for (int i = 0; i < b->count; i++) {
        free(b->items[i].mime);
        free(b->items[i].data);
    }
    free(b->items);
    *b = (lang_bundle){0};
}

enum { MOST = 64 };

struct lang_symbols {
    int count;
    char *name[MOST], *value[MOST];
};

lang_symbols *lang_symbols_new(void)
{
    return calloc(1, sizeof(lang_symbols));
}

void lang_symbols_free(lang_symbols *t)
{
    for (int i = 0; t && i < t->count; i++) {
        free(t->name[i]);
        free(t->value[i]);
    }
    free(t);
}

rt_status lang_symbols_add(lang_symbols *t, const lang_symbol *s, rt_error *err)
{
    if (t->count < MOST) {
        t->name[t->count] = strdup(s->name);
        t->value[t->count++] = strdup(s->value);
    }
    return RT_OK;
}

rt_status lang_symbols_set(lang_symbols *t, int i, const lang_symbol *s,
                           rt_error *err)
{
    if (i >= t->count) {
        return lang_symbols_add(t, s, err);
    }
    free(t->name[i]);
    free(t->value[i]);
    t->name[i] = strdup(s->name);
    t->value[i] = strdup(s->value);
    return RT_OK;
}

void lang_symbols_cut(lang_symbols *t, int n)
{
    while (t->count > n) {
        free(t->name[--t->count]);
        free(t->value[t->count]);
    }
}

int lang_symbols_count(const lang_symbols *t)
{
    return t->count;
}

lang_symbol lang_symbols_at(const lang_symbols *t, int i)
{
    return (lang_symbol){t->name[i], "variable", "int", "", "", t->value[i]};
}

/* The word that ends at the cursor (the double's sources are ASCII). */
static const char *word_at(const char *source, int cursor, int *size)
{
    int from = cursor;
    while (from > 0 && source[from - 1] != ' ' && source[from - 1] != '\n') {
        from--;
    }
    *size = cursor - from;
    return source + from;
}

void lang_complete(const lang_symbols *t, const char *source, size_t size,
                   int cursor, lang_completion *out)
{
    int n;
    const char *word = word_at(source, cursor, &n);
    *out = (lang_completion){calloc(MOST, sizeof *out->items), 0, cursor - n,
                             cursor};
    for (int i = 0; i < t->count; i++) {
        if (strncmp(t->name[i], word, (size_t)n) == 0) {
            out->items[out->count++] = (lang_completion_item){
                strdup(t->name[i]), strdup("instance"), strdup("")};
        }
    }
}

void lang_completion_dispose(lang_completion *c)
{
    for (int i = 0; i < c->count; i++) {
        free(c->items[i].text);
        free(c->items[i].type);
        free(c->items[i].signature);
    }
    free(c->items);
}

bool lang_inspect(const lang_symbols *t, const char *source, size_t size,
                  int cursor, int detail, lang_bundle *out)
{
    int n;
    const char *word = word_at(source, cursor, &n);
    for (int i = 0; i < t->count; i++) {
        if (strncmp(t->name[i], word, (size_t)n) == 0 && !t->name[i][n]) {
            char text[128];
            int size_of = snprintf(text, sizeof text, "%s = %s", t->name[i],
                                   t->value[i]);
            lang_bundle_add(out, "text/plain", text, (size_t)size_of, false,
                            NULL);
            return true;
        }
    }
    return false;
}

lang_completeness lang_is_complete(const char *source, size_t size, int *indent)
{
    *indent = 4;
    return strchr(source, ')')   ? LANG_INVALID
           : strchr(source, '(') ? LANG_INCOMPLETE
                                 : LANG_COMPLETE;
}

/* --- the session ---------------------------------------------------------- */

struct lang_session {
    lang_host host;
    lang_symbols *vars;
    volatile uint64_t *place;
};

void lang_watch(lang_session *s, volatile uint64_t *place)
{
    s->place = place;
}

rt_status lang_session_new(lang_session **out, const lang_host *host,
                           rt_error *err)
{
    if (getenv("RUSTORCH_DOUBLE_REFUSES")) {
        return rt_fail(err, RT_E_MEMORY, "no session today");
    }
    *out = calloc(1, sizeof **out);
    (*out)->host = *host;
    (*out)->vars = lang_symbols_new();
    return RT_OK;
}

void lang_session_free(lang_session *s)
{
    lang_symbols_free(s->vars);
    free(s);
}

lang_symbols *lang_session_symbols(lang_session *s)
{
    lang_symbols *t = lang_symbols_new();
    for (int i = 0; i < s->vars->count; i++) {
        lang_symbol row = lang_symbols_at(s->vars, i);
        lang_symbols_add(t, &row, NULL);
    }
    return t;
}

void lang_outcome_dispose(lang_outcome *o)
{
    lang_bundle_dispose(&o->bundle);
    free(o->failure.ename);
    free(o->failure.evalue);
    free(o->failure.ansi);
}

static bool fail(lang_outcome *o, rt_status code, const char *name,
                 const char *value)
{
    o->ok = false;
    o->failure.code = code;
    o->failure.ename = strdup(name);
    o->failure.evalue = strdup(value);
    o->failure.ansi = NULL;
    return false;
}

static bool stop_if_interrupted(lang_outcome *o)
{
    return !interrupted || fail(o, RT_E_INTERRUPT, "Interrupted", "stopped");
}

static void text_out(lang_session *s, int fd, const char *text)
{
    s->host.stream(s->host.ctx, fd, text, strlen(text));
}

static void show(lang_session *s, const char *text, bool update)
{
    lang_bundle b = {0};
    lang_bundle_add(&b, "text/plain", text, strlen(text), false, NULL);
    s->host.display(s->host.ctx, &b, "shown", update);
    lang_bundle_dispose(&b);
}

static void give(lang_outcome *o, const char *text)
{
    lang_bundle_dispose(&o->bundle);
    o->has_value = true;
    lang_bundle_add(&o->bundle, "text/plain", text, strlen(text), false, NULL);
}

static const char *find(lang_session *s, const char *name)
{
    for (int i = s->vars->count; i-- > 0;) {
        if (strcmp(s->vars->name[i], name) == 0) {
            return s->vars->value[i];
        }
    }
    return NULL;
}

static int sink;

/* Uses up the stack; `depth` is never reached. */
static int overflow(volatile char *below, long depth)
{
    volatile char frame[4096];
    frame[0] = below[0];
    sink += frame[0];
    return depth ? overflow(frame, depth - 1) + frame[0] : 0;
}

static bool do_print(lang_session *s, const char *arg, lang_outcome *o)
{
    text_out(s, 1, arg);
    text_out(s, 1, "\n");
    return true;
}

static bool do_eprint(lang_session *s, const char *arg, lang_outcome *o)
{
    text_out(s, 2, arg);
    text_out(s, 2, "\n");
    return true;
}

static bool do_raw(lang_session *s, const char *arg, lang_outcome *o)
{
    printf("%s\n", arg);
    return true;
}

static bool do_utf8(lang_session *s, const char *arg, lang_outcome *o)
{
    /* A snowman in two pieces, then a byte that is none. */
    if (write(1, "\xe2", 1) != 1 || write(1, "\x98\x83 \xff\n", 5) != 5) {
        return fail(o, RT_E_HOST, "HostError", "write");
    }
    return true;
}

static bool do_count(lang_session *s, const char *arg, lang_outcome *o)
{
    for (int i = 0, n = atoi(arg); i < n; i++) {
        char line[32];
        snprintf(line, sizeof line, "line %d\n", i);
        text_out(s, 1, line);
        if (!stop_if_interrupted(o)) {
            return false;
        }
    }
    return true;
}

static bool do_flood(lang_session *s, const char *arg, lang_outcome *o)
{
    for (int i = 0, n = atoi(arg); i < n; i++) {
        dprintf(1, "line %d\n", i);
    }
    return true;
}

static bool do_spin(lang_session *s, const char *arg, lang_outcome *o)
{
    while (!interrupted) {
    }
    return stop_if_interrupted(o);
}

static bool do_sleep(lang_session *s, const char *arg, lang_outcome *o)
{
    int ms = atoi(arg);
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
    return stop_if_interrupted(o);
}

static bool do_set(lang_session *s, const char *arg, lang_outcome *o)
{
    char name[32] = "", value[32] = "";
    sscanf(arg, "%31s %31s", name, value);
    lang_symbol row = {name, "variable", "int", "", "", value};
    lang_symbols_add(s->vars, &row, NULL);
    return true;
}

static bool do_get(lang_session *s, const char *arg, lang_outcome *o)
{
    const char *value = find(s, arg);
    if (!value) {
        return fail(o, RT_E_NAME, "UnknownNameError", arg);
    }
    give(o, value);
    return true;
}

static bool do_show(lang_session *s, const char *arg, lang_outcome *o)
{
    show(s, arg, false);
    return true;
}

static bool do_update(lang_session *s, const char *arg, lang_outcome *o)
{
    show(s, arg, true);
    return true;
}

static bool do_clear(lang_session *s, const char *arg, lang_outcome *o)
{
    s->host.clear_output(s->host.ctx, true);
    return true;
}

static bool do_png(lang_session *s, const char *arg, lang_outcome *o)
{
    lang_bundle b = {.width = 3, .height = 2};
    lang_bundle_add(&b, "text/plain", "<png>", 5, false, NULL);
    lang_bundle_add(&b, "image/png", "\x89PNG\r\n", 6, true, NULL);
    lang_bundle_add(&b, "application/json", "{\"a\": [1]}", 10, false, NULL);
    s->host.display(s->host.ctx, &b, NULL, false);
    lang_bundle_dispose(&b);
    return true;
}

static bool do_large(lang_session *s, const char *arg, lang_outcome *o)
{
    lang_bundle b = {0};
    size_t size = (size_t)atoi(arg) << 20;
    char *data = malloc(size + 1);
    if (data) {
        memset(data, 'l', size);
        data[size] = '\0';
        lang_bundle_add(&b, "text/plain", data, size, false, NULL);
        s->host.display(s->host.ctx, &b, NULL, false);
        lang_bundle_dispose(&b);
        free(data);
    }
    return true;
}

static bool do_page(lang_session *s, const char *arg, lang_outcome *o)
{
    lang_bundle b = {0};
    lang_bundle_add(&b, "text/plain", arg, strlen(arg), false, NULL);
    s->host.page(s->host.ctx, &b);
    lang_bundle_dispose(&b);
    return true;
}

static bool do_next(lang_session *s, const char *arg, lang_outcome *o)
{
    s->host.set_next_input(s->host.ctx, arg, false);
    return true;
}

static bool do_ask(lang_session *s, const char *arg, lang_outcome *o)
{
    char *line = NULL;
    rt_error err = {.code = RT_OK};
    rt_status code = s->host.input(s->host.ctx, arg, false, &line, &err);
    if (code != RT_OK) {
        return fail(o, code, "InputError", err.message);
    }
    give(o, line);
    free(line);
    return true;
}

static bool do_earlier(lang_session *s, const char *arg, lang_outcome *o)
{
    const char *line = s->host.history(s->host.ctx, atoi(arg));
    give(o, line ? line : "none");
    return true;
}

static bool do_fail(lang_session *s, const char *arg, lang_outcome *o)
{
    return fail(o, RT_E_ARGUMENT, "TestError", arg);
}

static bool do_segv(lang_session *s, const char *arg, lang_outcome *o)
{
    volatile int *nowhere = NULL;
    *nowhere = 1;
    return true;
}

static bool do_abort(lang_session *s, const char *arg, lang_outcome *o)
{
    abort();
}

static bool do_overflow(lang_session *s, const char *arg, lang_outcome *o)
{
    volatile char top[1] = {0};
    sink = overflow(top, LONG_MAX);
    return true;
}

static bool do_exit(lang_session *s, const char *arg, lang_outcome *o)
{
    exit(atoi(arg));
}

static const struct {
    const char *name;
    bool (*run)(lang_session *s, const char *arg, lang_outcome *o);
} commands[] = {
    {"print", do_print}, {"eprint", do_eprint}, {"raw", do_raw},
    {"utf8", do_utf8},   {"count", do_count},   {"flood", do_flood},
    {"spin", do_spin},   {"sleep", do_sleep},   {"set", do_set},
    {"get", do_get},     {"show", do_show},     {"update", do_update},
    {"clear", do_clear}, {"png", do_png},       {"page", do_page},
    {"next", do_next},   {"ask", do_ask},       {"earlier", do_earlier},
    {"fail", do_fail},   {"segv", do_segv},     {"abort", do_abort},
    {"overflow", do_overflow}, {"exit", do_exit},
    {"large", do_large},
};

static bool run_line(lang_session *s, const char *line, lang_outcome *o)
{
    char name[16] = "";
    int used = 0;
    if (sscanf(line, "%15s%n", name, &used) < 1) {
        return true;
    }
    const char *arg = line + used + (line[used] == ' ');
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return commands[i].run(s, arg, o);
        }
    }
    return fail(o, RT_E_SYNTAX, "CellSyntaxError", name);
}

void lang_execute(lang_session *s, const char *source, size_t size, int cell,
                  const char *name, lang_outcome *out)
{
    char *copy = strndup(source, size), *save = NULL;
    *out = (lang_outcome){.ok = true};
    for (char *line = strtok_r(copy, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        if (s->place) {
            *s->place = ((uint64_t)cell << 32) + (uint64_t)(line - copy) + 1;
        }
        if (!run_line(s, line, out)) {
            out->has_value = false;
            break;
        }
    }
    if (s->place) {
        *s->place = 0;
    }
    free(copy);
}

void lang_evaluate(lang_session *s, const char *source, size_t size,
                   lang_outcome *out)
{
    char *copy = strndup(source, size);
    *out = (lang_outcome){.ok = true};
    do_get(s, copy, out);
    free(copy);
}

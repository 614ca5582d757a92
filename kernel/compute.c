/* SPDX-License-Identifier: MIT
 * The compute process: cells in, outputs out.
 */
#include "kernel/compute.h"

#include "kernel/bundle.h"
#include "kernel/crash.h"
#include "kernel/link.h"
#include "kernel/log.h"
#include "kernel/output.h"
#include "kernel/protocol/memory.h"
#include "kernel/supervise.h"
#include "kernel/text.h"
#include "kernel/turns.h"
#include "kernel/twin.h"
#include "lang/lang.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* PAUSE_MS: after a checkpoint, so long without a cell is time for what makes
 * the next one faster. */
enum { INPUT_TICK_MS = 50, PAUSE_MS = 3, MEMORY_PATIENCE = 3 };

/* The one session of this process. */
typedef struct compute {
    lang_session *session;
    kernel_inbox inbox;
    bool allow_stdin;
    bool untouched;        /* the cell left the session as it was */
    bool sharing;          /* small blocks with a new checkpoint */
    int inputs;            /* asked so far */
    json_t *payload;       /* of the reply being made */
    lang_symbols *symbols; /* those the front knows; NULL: none */
    kernel_shared *shared;
    char **lines;          /* texts of earlier cells */
    int nlines;
} compute;

/* --- interrupts ----------------------------------------------------------- */

/* The front names the cell it means: a signal that comes too late must not
 * stop the next one, and one that comes before its cell must not be lost. */
static volatile sig_atomic_t current_cell, interrupted_cell;

static void on_interrupt(int number, siginfo_t *info, void *context)
{
    int cell = info->si_code == SI_QUEUE ? info->si_value.sival_int
                                         : current_cell;
    if (cell >= current_cell) {
        interrupted_cell = cell;
        rt_interrupt();
    }
}

static void begin_cell(int cell)
{
    current_cell = cell;
    rt_interrupt_clear();
    if (interrupted_cell == cell) {
        rt_interrupt();
    }
}

static void install_signals(void)
{
    struct sigaction action = {.sa_sigaction = on_interrupt,
                               .sa_flags = SA_SIGINFO};
    sigset_t set;
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    kernel_crash_install(KERNEL_COMPUTE_CRASH);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* --- sending -------------------------------------------------------------- */

static bool send_json(kernel_link_kind kind, json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT);
    json_decref(value);
    if (text) {
        kernel_output_send(kind, text, strlen(text));
        free(text);
    }
    return text != NULL;
}

/* What is too large for the memory there is goes, and that is said. */
static void say_lost(const char *what)
{
    char *line = kernel_format("note: %s is too large for the memory that is "
                               "left, and is missing here.\n", what);
    kernel_output_text(2, line, strlen(line));
    free(line);
}

/* A message for iopub: its type, NUL, its content (stolen). */
static void publish(const char *type, json_t *content)
{
    char *text = json_dumps(content, JSON_COMPACT);
    json_decref(content);
    size_t n = strlen(type) + 1, size = text ? strlen(text) : 0;
    char *both = text ? jp_alloc(n + size) : NULL;
    if (both) {
        memcpy(both, type, n);
        memcpy(both + n, text, size);
        kernel_output_send(KERNEL_LINK_PUBLISH, both, n + size);
    } else {
        say_lost(type);
    }
    free(both);
    free(text);
}

/* --- the host's callbacks ------------------------------------------------- */

static void on_stream(void *ctx, int fd, const char *text, size_t size)
{
    kernel_output_text(fd, text, size);
}

static void on_display(void *ctx, const lang_bundle *bundle,
                       const char *display_id, bool update)
{
    json_t *transient = json_object();
    if (display_id) {
        json_object_set_new(transient, "display_id",
                            kernel_json_text(display_id, strlen(display_id)));
    }
    publish(update ? "update_display_data" : "display_data",
            json_pack("{so so so}", "data", kernel_bundle_data(bundle),
                      "metadata", kernel_bundle_metadata(bundle), "transient",
                      transient));
}

static void on_clear(void *ctx, bool wait)
{
    publish("clear_output", json_pack("{sb}", "wait", wait));
}

static void on_page(void *ctx, const lang_bundle *bundle)
{
    compute *c = ctx;
    json_array_append_new(
        c->payload, json_pack("{ss so si}", "source", "page", "data",
                              kernel_bundle_data(bundle), "start", 0));
}

static void on_next_input(void *ctx, const char *text, bool replace)
{
    compute *c = ctx;
    json_array_append_new(
        c->payload,
        json_pack("{ss so sb}", "source", "set_next_input", "text",
                  kernel_json_text(text, strlen(text)), "replace", replace));
}

static const char *on_history(void *ctx, int n)
{
    compute *c = ctx;
    return n >= 0 && n < c->nlines ? c->lines[n] : NULL;
}

/* The value of the reply to question `number`; NULL: another message. */
static char *read_reply(compute *c, int number)
{
    char *line = NULL;
    json_t *o = json_loadb(c->inbox.data, c->inbox.size, JSON_ALLOW_NUL, NULL);
    if (c->inbox.kind == KERNEL_LINK_INPUT_REPLY &&
        json_integer_value(json_object_get(o, "number")) == number) {
        line = rt_strdup(json_string_value(json_object_get(o, "value")));
    }
    json_decref(o);
    return line;
}

static rt_status on_input(void *ctx, const char *prompt, bool password,
                          char **line, rt_error *err)
{
    compute *c = ctx;
    if (!c->allow_stdin) {
        return rt_fail(err, RT_E_UNSUPPORTED,
                       "input: this front end takes no input");
    }
    int number = ++c->inputs;
    send_json(KERNEL_LINK_INPUT,
              json_pack("{so sb si}", "prompt",
                        kernel_json_text(prompt, strlen(prompt)), "password",
                        password, "number", number));
    for (;;) {
        struct pollfd p = {KERNEL_COMPUTE_LINK, POLLIN, 0};
        if (rt_interrupted()) {
            return rt_fail(err, RT_E_INTERRUPT, "input: interrupted");
        }
        poll(&p, 1, INPUT_TICK_MS);   /* a signal ends it early */
        kernel_received got = kernel_link_receive(&c->inbox,
                                                  KERNEL_COMPUTE_LINK);
        if (got == KERNEL_CLOSED) {
            return rt_fail(err, RT_E_INTERRUPT, "input: the kernel ends");
        }
        if (got == KERNEL_MESSAGE && (*line = read_reply(c, number))) {
            return RT_OK;
        }
    }
}

/* --- cells ---------------------------------------------------------------- */

/* Lines of the coloured diagnostic. */
static json_t *traceback(const lang_failure *f)
{
    json_t *lines = json_array();
    const char *text = f->ansi ? f->ansi : f->text ? f->text : f->evalue;
    while (text) {
        const char *end = strchr(text, '\n');
        size_t n = end ? (size_t)(end - text) : strlen(text);
        if (n || end) {
            json_array_append_new(lines, kernel_json_text(text, n));
        }
        text = end ? end + 1 : NULL;
    }
    return lines;
}

static json_t *describe_failure(const lang_failure *f)
{
    const char *name = f->code == RT_E_INTERRUPT ? "KeyboardInterrupt"
                       : f->ename                ? f->ename
                                                 : "Error";
    const char *value = f->evalue ? f->evalue : "";
    return json_pack("{so so so}", "ename",
                     kernel_json_text(name, strlen(name)), "evalue",
                     kernel_json_text(value, strlen(value)), "traceback",
                     traceback(f));
}

static json_t *evaluate(compute *c, const char *source)
{
    lang_outcome o = {0};
    lang_evaluate(c->session, source, strlen(source), &o);
    c->untouched &= o.untouched;
    json_t *result = o.ok ? json_pack("{ss so so}", "status", "ok", "data",
                                      kernel_bundle_data(&o.bundle),
                                      "metadata",
                                      kernel_bundle_metadata(&o.bundle))
                          : describe_failure(&o.failure);
    if (!o.ok) {
        json_object_set_new(result, "status", json_string("error"));
    }
    lang_outcome_dispose(&o);
    return result;
}

static json_t *evaluate_all(compute *c, json_t *expressions)
{
    json_t *results = json_object();
    const char *name;
    json_t *source;
    json_object_foreach(expressions, name, source) {
        const char *text = json_string_value(source);
        json_object_set_new(results, name, evaluate(c, text ? text : ""));
    }
    return results;
}

/* Publishes the outcome and makes the reply (new). */
static json_t *report(compute *c, const lang_outcome *o, json_t *request)
{
    if (!o->ok) {
        json_t *error = describe_failure(&o->failure);
        publish("error", json_incref(error));
        json_t *reply = json_copy(error);
        json_object_set_new(reply, "status", json_string("error"));
        json_decref(error);
        return reply;
    }
    if (o->has_value) {
        publish("execute_result",
                json_pack("{sO so so}", "execution_count",
                          json_object_get(request, "count"), "data",
                          kernel_bundle_data(&o->bundle), "metadata",
                          kernel_bundle_metadata(&o->bundle)));
    }
    json_t *expressions = json_object_get(request, "user_expressions");
    return json_pack("{ss sO so}", "status", "ok", "payload", c->payload,
                     "user_expressions", evaluate_all(c, expressions));
}

static bool same_symbol(lang_symbol a, lang_symbol b)
{
    return strcmp(a.name, b.name) == 0 && strcmp(a.kind, b.kind) == 0 &&
           strcmp(a.type, b.type) == 0 &&
           strcmp(a.signature, b.signature) == 0 &&
           strcmp(a.doc, b.doc) == 0 && strcmp(a.value, b.value) == 0;
}

static json_t *symbol_row(int i, lang_symbol s)
{
    const char *field[] = {s.name, s.kind, s.type, s.signature, s.doc, s.value};
    json_t *row = json_pack("[i]", i);
    for (size_t k = 0; k < sizeof field / sizeof *field; k++) {
        json_array_append_new(row, kernel_json_text(field[k],
                                                    strlen(field[k])));
    }
    return row;
}

/* Sends what is new of that from which the front completes and inspects. The
 * rows of a session keep their order, so that they are known by their place. */
static void send_symbols(compute *c)
{
    lang_symbols *now = lang_session_symbols(c->session);
    int count = now ? lang_symbols_count(now) : 0;
    int had = c->symbols ? lang_symbols_count(c->symbols) : 0;
    json_t *rows = json_array();
    for (int i = 0; i < count; i++) {
        lang_symbol s = lang_symbols_at(now, i);
        if (i >= had || !same_symbol(s, lang_symbols_at(c->symbols, i))) {
            json_array_append_new(rows, symbol_row(i, s));
        }
    }
    if (!c->symbols || count != had || json_array_size(rows)) {
        send_json(KERNEL_LINK_SYMBOLS,
                  json_pack("{si sO}", "count", count, "rows", rows));
    }
    json_decref(rows);
    lang_symbols_free(c->symbols);
    c->symbols = now;
}

static void remember(compute *c, const char *text, size_t size)
{
    c->lines = kernel_grow(c->lines, (size_t)(c->nlines + 1) * sizeof(char *));
    c->lines[c->nlines++] = kernel_copy(text, size);
}

/* The end of a cell for which there was no memory. */
static void send_failure(const char *why)
{
    json_t *error = json_pack("{ss ss s[s]}", "ename", "OutOfMemoryError",
                              "evalue", why, "traceback", why);
    publish("error", json_incref(error));
    json_object_set_new(error, "status", json_string("error"));
    send_json(KERNEL_LINK_DONE, json_pack("{so}", "reply", error));
}

static void run_cell(compute *c, json_t *request)
{
    const json_t *code = json_object_get(request, "code");
    int count = (int)json_integer_value(json_object_get(request, "count"));
    lang_outcome o = {0};
    c->payload = json_array();
    c->allow_stdin = json_is_true(json_object_get(request, "allow_stdin"));
    begin_cell((int)json_integer_value(json_object_get(request, "seq")));
    c->shared->begun = (uint64_t)current_cell;
    lang_execute(c->session, json_string_value(code), json_string_length(code),
                 count, NULL, &o);
    rt_interrupt_clear();   /* what follows is not the cell any more */
    c->untouched = o.untouched;
    c->shared->ended = (uint64_t)current_cell;
    if (!json_is_true(json_object_get(request, "silent"))) {
        remember(c, json_string_value(code), json_string_length(code));
    }
    json_t *reply = report(c, &o, request);
    const lang_mime *plain = o.has_value ? kernel_bundle_plain(&o.bundle)
                                         : NULL;
    json_t *result = plain ? kernel_json_text(plain->data, plain->size)
                           : json_null();
    lang_outcome_dispose(&o);
    fflush(NULL);   /* what C libraries printed */
    if (!c->untouched) {
        send_symbols(c);
    }
    if (!send_json(KERNEL_LINK_DONE,
                   json_pack("{so so sb}", "reply", reply, "result", result,
                             "untouched", c->untouched))) {
        send_failure("the cell has run, but there is no memory for its reply");
    }
    json_decref(c->payload);
    c->payload = NULL;
}

/* What the front knows of a process it has just got hold of is nothing. */
static void introduce(compute *c)
{
    while (c->nlines) {
        free(c->lines[--c->nlines]);
    }
    lang_symbols_free(c->symbols);
    c->symbols = NULL;
    kernel_output_send(KERNEL_LINK_READY, "{}", 2);
    send_symbols(c);
}

static void keep_checkpoint(compute *c)
{
    json_t *request = json_loadb(c->inbox.data, c->inbox.size, 0, NULL);
    if (request && kernel_twin_make(request)) {
        introduce(c);   /* this is the twin, and it has taken over */
    }
    c->sharing = true;
    json_decref(request);
}

static void handle(compute *c)
{
    if (c->inbox.kind == KERNEL_LINK_HISTORY) {
        remember(c, c->inbox.data, c->inbox.size);
    } else if (c->inbox.kind == KERNEL_LINK_CHECKPOINT) {
        keep_checkpoint(c);
    } else if (c->inbox.kind == KERNEL_LINK_EXECUTE) {
        json_t *request = json_loadb(c->inbox.data, c->inbox.size,
                                     JSON_ALLOW_NUL, NULL);
        if (request) {
            run_cell(c, request);
        } else {
            c->untouched = true;
            send_failure("there is no memory for a cell of this size: it has "
                         "not run");
        }
        json_decref(request);
    }
}

static void serve(compute *c)
{
    for (;;) {
        struct pollfd p = {KERNEL_COMPUTE_LINK, POLLIN, 0};
        if (poll(&p, 1, c->sharing ? PAUSE_MS : -1) == 0) {
            rt_memory_own_small();
            c->sharing = false;
            continue;
        }
        kernel_received got = kernel_link_receive(&c->inbox,
                                                  KERNEL_COMPUTE_LINK);
        if (got == KERNEL_CLOSED) {
            return;
        }
        if (got == KERNEL_MESSAGE) {
            handle(c);
        }
    }
}

int kernel_compute_main(void)
{
    static compute c;
    rt_error err;
    const lang_host host = {.ctx = &c,
                            .stream = on_stream,
                            .display = on_display,
                            .clear_output = on_clear,
                            .input = on_input,
                            .page = on_page,
                            .set_next_input = on_next_input,
                            .history = on_history};
    rt_error_clear(&err);
    kernel_take_long_turns();
    jp_memory_init(MEMORY_PATIENCE);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    kernel_mark_busy();
    install_signals();
    c.shared = kernel_child_map(KERNEL_COMPUTE_SHARED);
    if (!c.shared) {
        dprintf(KERNEL_COMPUTE_CRASH, "no shared memory to be had\n");
        return 1;
    }
    if (!kernel_output_start(KERNEL_COMPUTE_LINK, rt_interrupted,
                             &c.shared->rest)) {
        dprintf(KERNEL_COMPUTE_CRASH, "no thread to be had\n");
        return 1;
    }
    if (lang_session_new(&c.session, &host, &err) != RT_OK) {
        dprintf(KERNEL_COMPUTE_CRASH, "no session: %s\n", err.message);
        return 1;
    }
    lang_watch(c.session, &c.shared->line);
    kernel_output_send(KERNEL_LINK_READY, "{}", 2);
    serve(&c);
    lang_session_free(c.session);
    return 0;
}

/* SPDX-License-Identifier: MIT
 * Cells: waiting, running, ending.
 */
#include "kernel/router.h"

#include "kernel/log.h"
#include "kernel/protocol/memory.h"
#include "kernel/text.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* COPIES: of a large cell, as it is on its way to the history, the clients and
 * the compute process. */
enum { HEED_MS = 2000, SAVE_MS = 5, LARGE = 1 << 20, COPIES = 16 };

/* --- requests ------------------------------------------------------------- */

static bool flag(const kernel_request *q, const char *name, bool fallback)
{
    const json_t *value = json_object_get(q->content, name);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

json_t *kernel_execute(kernel_router *r, kernel_request *q)
{
    *r->last = q;
    r->last = &q->next;
    kernel_next_cell(r);
    return NULL;
}

static kernel_request *pop(kernel_router *r)
{
    kernel_request *q = r->first;
    if (q) {
        r->first = q->next;
        r->last = r->first ? r->last : &r->first;
        q->next = NULL;
    }
    return q;
}

static void abort_waiting(kernel_router *r)
{
    for (kernel_request *q; (q = pop(r));) {
        kernel_status(r, q, "busy");
        kernel_reply(r, q, json_pack("{ss si}", "status", "aborted",
                                     "execution_count", r->counter));
        kernel_status(r, q, "idle");
        kernel_request_free(q);
    }
}

/* --- the history file ----------------------------------------------------- */

static void save_history(kernel_router *r)
{
    r->save_due = 0;
    kernel_history_save(r->history);
}

/* Of a cell that takes longer the line is in the file before it ends. */
static void save_soon(kernel_router *r)
{
    r->save_due = kernel_now() + SAVE_MS;
}

int64_t kernel_tick_history(kernel_router *r)
{
    int64_t left = r->save_due - kernel_now();
    if (r->save_due && left <= 0) {
        save_history(r);
    }
    return r->save_due ? left : -1;
}

/* --- cells ---------------------------------------------------------------- */

/* Closes a cell with its reply (stolen). */
void kernel_end_cell(kernel_router *r, kernel_request *q, json_t *reply)
{
    const char *status = json_string_value(json_object_get(reply, "status"));
    bool failed = !status || strcmp(status, "ok") != 0;
    bool abort = r->abort_waiting || (failed && q->stop_on_error);
    json_object_set_new(reply, "execution_count", json_integer(q->number));
    r->ending = true;
    if (abort) {
        /* What was sent before the error could be known counts as waiting,
         * though it is still in the socket; what comes after the reply does
         * not. */
        kernel_router_read(r, JP_SHELL);
    }
    r->running = NULL;
    r->abort_waiting = false;
    r->asking = 0;
    /* What a client waits for goes first; but what has got its reply is never
     * lost from the history. */
    kernel_status(r, q, "idle");
    save_history(r);
    kernel_reply(r, q, reply);
    kernel_request_free(q);
    if (abort) {
        abort_waiting(r);
    }
    r->ending = false;
}

void kernel_say(kernel_router *r, const kernel_request *q, const char *text)
{
    kernel_publish(r, q, "stream", json_pack("{ss ss}", "name", "stderr",
                                             "text", text));
}

/* Tells once what the user should know and no message was there to tell. */
void kernel_say_notices(kernel_router *r, const kernel_request *q)
{
    if (q->silent) {
        return;
    }
    char *problem = kernel_history_problem(r->history);
    if (r->notice) {
        kernel_say(r, q, r->notice);
        free(r->notice);
        r->notice = NULL;
    }
    if (problem) {
        char *line = kernel_format("note: %s\n", problem);
        kernel_say(r, q, line);
        free(line);
        free(problem);
    }
}

static bool is_blank(const char *code, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!isspace((unsigned char)code[i])) {
            return false;
        }
    }
    return true;
}

static void fail_for_memory(kernel_router *r, kernel_request *q, size_t size)
{
    char *text = kernel_format("the kernel has no memory for a cell of %zu "
                               "MiB: it has not run", size >> 20);
    kernel_end_cell(r, q, kernel_fail_cell(r, q, "OutOfMemoryError", text));
    free(text);
}

void kernel_hand_over(kernel_router *r, kernel_request *q)
{
    json_t *expressions = json_object_get(q->content, "user_expressions");
    json_t *o = json_pack(
        "{si si sO sb sb sO*}", "seq", ++r->sequence, "count", q->number,
        "code", json_object_get(q->content, "code"), "silent", q->silent,
        "allow_stdin", flag(q, "allow_stdin", true), "user_expressions",
        json_is_object(expressions) ? expressions : NULL);
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    r->hung = false;
    r->hung_due = 0;
    r->child.shared->line = 0;
    if (text && kernel_outbox_add(&r->outbox, KERNEL_LINK_EXECUTE, text,
                                  strlen(text))) {
        kernel_outbox_push(&r->outbox, r->child.link);
    } else {
        fail_for_memory(r, q, q->message->content.size);
    }
    free(text);
}

/* What is done while the compute process has the cell already. */
static void note_start(kernel_router *r, kernel_request *q)
{
    json_t *code = json_object_get(q->content, "code");
    if (!q->silent) {
        kernel_publish(r, q, "execute_input",
                       json_pack("{sO si}", "code", code, "execution_count",
                                 q->number));
    }
    kernel_iopub_cell(r->io, q->message->header, q->silent);
    if (q->store) {
        r->counter = q->number;
        kernel_history_add(r->history, q->number, json_string_value(code),
                           json_string_length(code));
        save_soon(r);
    }
    kernel_say_notices(r, q);
}

/* Nothing that the compute process says is read before this returns. */
static void start_cell(kernel_router *r, kernel_request *q)
{
    const json_t *code = json_object_get(q->content, "code");
    const char *text = json_string_value(code);
    size_t size = json_string_length(code);
    q->silent = flag(q, "silent", false);
    q->stop_on_error = flag(q, "stop_on_error", true);
    q->store = !q->silent && flag(q, "store_history", true) &&
               !is_blank(text, size);
    q->number = r->counter + !q->silent;
    r->running = q;
    if (size > LARGE && !jp_memory_set_aside(COPIES * size)) {
        fail_for_memory(r, q, size);
        return;
    }
    bool ours = kernel_is_front_magic(text);
    if (!ours) {
        kernel_hand_over(r, q);
    }
    if (r->running == q) {   /* or there was no memory for it */
        note_start(r, q);
        if (ours) {
            kernel_run_front_magic(r, q, text);
        }
    }
    if (size > LARGE) {
        jp_memory_set_aside(0);
    }
}

/* --- the queue ------------------------------------------------------------ */

/* A cell for the front waits until it is known what can be had. */
static bool must_wait(const kernel_router *r)
{
    return r->running || r->dying || r->waking || r->ending ||
           (r->first && (r->making || r->wanted) &&
            kernel_is_front_magic(json_string_value(
                json_object_get(r->first->content, "code"))));
}

void kernel_next_cell(kernel_router *r)
{
    jp_error err = {""};
    if (r->first && !r->running && !r->ending) {
        kernel_ask_checkpoint(r);   /* of what the cell will find */
    }
    while (!must_wait(r) && r->first) {
        kernel_request *q = pop(r);
        q->number = r->counter;
        kernel_status(r, q, "busy");
        if (!json_is_string(json_object_get(q->content, "code"))) {
            kernel_end_cell(r, q, kernel_error("MessageError",
                                               "execute_request: no text in "
                                               "\"code\""));
        } else if (!kernel_have_child(r, &err)) {
            q->stop_on_error = true;
            kernel_end_cell(r, q, kernel_error("ComputeProcessError",
                                               err.text));
        } else {
            start_cell(r, q);
        }
    }
}

/* --- interrupt, input ----------------------------------------------------- */

/* Code that heeds no interrupt: the first one is HEED_MS old and the cell's
 * code has not ended. (What it printed may still be on its way.) */
static bool is_hung(const kernel_router *r)
{
    return r->hung_due && kernel_now() >= r->hung_due && !r->hung &&
           kernel_child_runs(&r->child, r->sequence);
}

void kernel_interrupt(kernel_router *r)
{
    if (!r->running) {
        return;
    }
    r->abort_waiting = true;
    if (is_hung(r) && r->checkpoints.count) {
        r->hung = r->running->retried = true;
        kill(-r->child.pid, SIGKILL);
        return;
    }
    if (!r->hung_due) {
        r->hung_due = kernel_now() + HEED_MS;
        r->told_hung = false;
    }
    kernel_child_interrupt(&r->child, r->sequence);
}

int64_t kernel_tick_interrupt(kernel_router *r)
{
    if (!r->running || !r->hung_due || r->told_hung) {
        return -1;
    }
    if (is_hung(r)) {
        r->told_hung = true;
        if (!r->running->silent) {
            kernel_say(r, r->running,
                       r->checkpoints.count
                           ? "note: the cell does not stop. Interrupt it once "
                             "more to end its process and go back to the "
                             "variables as they were before it.\n"
                           : "note: the cell does not stop. There is no "
                             "checkpoint to go back to: only a restart of the "
                             "kernel ends it.\n");
        }
        return -1;
    }
    int64_t left = r->hung_due - kernel_now();
    return left > 0 ? left : -1;
}

static void ask(kernel_router *r, const kernel_news *n)
{
    json_t *o = json_loadb(n->text, n->size, 0, NULL);
    if (r->running && o) {
        r->asking = 0;
        kernel_router_read(r, JP_STDIN);   /* old replies are nobody's now */
        r->asking = (int)json_integer_value(json_object_get(o, "number"));
        free(r->ask_id);
        kernel_send(r, JP_STDIN, r->running, "input_request",
                    json_pack("{sO sO}", "prompt", json_object_get(o, "prompt"),
                              "password", json_object_get(o, "password")),
                    &r->ask_id);
    }
    json_decref(o);
}

/* Whether the reply comes from the client that was asked, and answers this
 * question; a client that names no parent is taken at its word. */
static bool answers(const kernel_router *r, const jp_message *m)
{
    const jp_message *asked = r->running ? r->running->message : NULL;
    if (!r->asking || !asked || strcmp(m->type, "input_reply") != 0 ||
        asked->nidents != m->nidents) {
        return false;
    }
    for (int i = 0; i < m->nidents; i++) {
        if (m->frames[i].size != asked->frames[i].size ||
            memcmp(m->frames[i].data, asked->frames[i].data,
                   m->frames[i].size) != 0) {
            return false;
        }
    }
    json_t *parent = json_loadb(m->parent.data, m->parent.size, 0, NULL);
    const char *id = json_string_value(json_object_get(parent, "msg_id"));
    bool same = !id || !r->ask_id || strcmp(id, r->ask_id) == 0;
    json_decref(parent);
    return same;
}

void kernel_take_input(kernel_router *r, jp_message *m)
{
    json_t *content = json_loadb(m->content.data, m->content.size,
                                 JSON_ALLOW_NUL, NULL);
    json_t *value = json_object_get(content, "value");
    if (json_is_string(value) && answers(r, m)) {
        json_t *o = json_pack("{sO si}", "value", value, "number", r->asking);
        char *text = json_dumps(o, JSON_COMPACT);
        if (text && kernel_outbox_add(&r->outbox, KERNEL_LINK_INPUT_REPLY,
                                      text, strlen(text))) {
            r->asking = 0;
        }
        free(text);
        json_decref(o);
    }
    if (r->asking && answers(r, m)) {
        kernel_say(r, r->running, "note: this input could not be read: it is "
                                  "no text, or there is no memory for it. The "
                                  "cell waits for another.\n");
    }
    json_decref(content);
    jp_message_free(m);
}

/* --- events --------------------------------------------------------------- */

static void learn_symbols(kernel_router *r, const kernel_news *n)
{
    json_t *o = json_loadb(n->text, n->size, JSON_ALLOW_NUL, NULL);
    json_t *rows = json_object_get(o, "rows"), *row;
    size_t i;
    json_array_foreach(rows, i, row) {
        const char *f[6];
        for (size_t k = 0; k < 6; k++) {
            const char *text = json_string_value(json_array_get(row, k + 1));
            f[k] = text ? text : "";
        }
        lang_symbol s = {f[0], f[1], f[2], f[3], f[4], f[5]};
        lang_symbols_set(r->symbols,
                         (int)json_integer_value(json_array_get(row, 0)), &s,
                         NULL);
    }
    if (o) {
        lang_symbols_cut(r->symbols,
                         (int)json_integer_value(json_object_get(o, "count")));
    }
    json_decref(o);
}

static void finish(kernel_router *r, const kernel_news *n)
{
    json_t *o = json_loadb(n->text, n->size, JSON_ALLOW_NUL, NULL);
    json_t *reply = json_object_get(o, "reply");
    const char *result = json_string_value(json_object_get(o, "result"));
    if (r->running) {
        if (result && r->running->store) {
            kernel_history_result(r->history, result);
        }
        bool silent = r->running->silent;
        if (!json_is_true(json_object_get(o, "untouched"))) {
            r->done_cell = silent ? r->done_cell : r->running->number;
            r->done_seq = r->sequence;
            kernel_keep_checkpoint(r);
        }
        kernel_end_cell(r, r->running,
                        json_is_object(reply)
                            ? json_incref(reply)
                            : kernel_error("InternalError",
                                           "the compute process gave no "
                                           "reply"));
    }
    json_decref(o);
    kernel_next_cell(r);
}

void kernel_handle_event(void *router, kernel_news *n)
{
    kernel_router *r = router;
    switch (n->event) {
    case KERNEL_EVENT_READY:
        r->ready = true;
        kernel_child_stands(r);
        break;
    case KERNEL_EVENT_TWIN:
        kernel_take_checkpoint(r, n);
        break;
    case KERNEL_EVENT_INPUT:
        ask(r, n);
        break;
    case KERNEL_EVENT_SYMBOLS:
        learn_symbols(r, n);
        break;
    case KERNEL_EVENT_DONE:
        finish(r, n);
        break;
    }
}

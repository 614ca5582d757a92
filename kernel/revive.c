/* SPDX-License-Identifier: MIT
 * The life of the compute process: start, checkpoints, death, and what follows.
 */
#include "kernel/router.h"

#include "kernel/log.h"
#include "kernel/scene.h"
#include "kernel/text.h"
#include "kernel/twin.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A waking checkpoint is looked at every LOOK_MS: one that has slept from one
 * look to the next is given up for an older one; one that still wants to work,
 * on a machine that has other things to do, has WAKE_MS. What checkpoints hold
 * is looked at every TRIM_MS while it can grow. */
enum { START_ATTEMPTS = 3, RECORD_LINES = 12, LOOK_MS = 150, WAKE_MS = 3000,
       TRIM_MS = 1000 };

/* --- checkpoints ---------------------------------------------------------- */

void kernel_keep_checkpoint(kernel_router *r)
{
    r->wanted = !r->checkpoints.off;
}

void kernel_ask_checkpoint(kernel_router *r)
{
    char text[96];
    bool wanted = r->wanted && !r->checkpoints.off && r->child.pid;
    r->wanted = false;
    if (!wanted) {
        return;
    }
    int n = snprintf(text, sizeof text,
                     "{\"cell\":%d,\"seq\":%d,\"limit\":%" PRId64 "}",
                     r->done_cell, r->done_seq, r->checkpoints.limit);
    r->making = true;
    kernel_outbox_add(&r->outbox, KERNEL_LINK_CHECKPOINT, text, (size_t)n);
    kernel_outbox_push(&r->outbox, r->child.link);
}

static void look_at_waking(kernel_router *r, int64_t now)
{
    if (now < r->look_due) {
        return;
    }
    r->look_due = now + LOOK_MS;
    if (kernel_child_sleeps(&r->child, &r->pulse) || now >= r->wake_due) {
        kernel_log("a checkpoint did not wake: the next older one is taken");
        kill(r->child.pid, SIGKILL);
    }
}

int64_t kernel_tick_checkpoints(kernel_router *r)
{
    int64_t now = kernel_now();
    if (r->wanted && !r->running) {
        kernel_ask_checkpoint(r);
    }
    if (!r->waking || r->dying) {
        return -1;
    }
    look_at_waking(r, now);
    return r->look_due - now;
}

static void set_notice(kernel_router *r, char *text)
{
    free(r->notice);
    r->notice = text;
}

/* Not at once: to look takes milliseconds where gigabytes are shared, and cells
 * may follow each other. */
static void look_soon(kernel_router *r)
{
    r->trim_due = r->trim_due ? r->trim_due : kernel_now() + TRIM_MS;
}

int64_t kernel_tick_trim(kernel_router *r)
{
    if (r->trim_due && kernel_now() >= r->trim_due) {
        kernel_trim_checkpoints(r);
    }
    if (r->running && r->checkpoints.count) {
        look_soon(r);   /* a running cell makes them hold more and more */
    }
    int64_t left = r->trim_due - kernel_now();
    return r->trim_due == 0 ? -1 : left > 0 ? left : 0;
}

void kernel_trim_checkpoints(kernel_router *r)
{
    r->trim_due = 0;
    int had = r->checkpoints.count;
    int dropped = kernel_checkpoints_trim(&r->checkpoints, r->child.pid);
    if (dropped && dropped == had) {
        char budget[KERNEL_SIZE_TEXT];
        kernel_size_text(budget, r->checkpoints.budget);
        set_notice(r, kernel_format("note: there is no checkpoint now: the "
                                    "variables that changed take more than %s "
                                    "(%%checkpoints memory=MiB changes "
                                    "that).\n", budget));
    }
}

/* Once, until a checkpoint is made again. */
static void tell_large(kernel_router *r, int64_t bytes)
{
    char now[KERNEL_SIZE_TEXT], limit[KERNEL_SIZE_TEXT];
    if (!r->told_large) {
        kernel_size_text(now, bytes);
        kernel_size_text(limit, r->checkpoints.limit);
        set_notice(r, kernel_format("note: tensors take %s: above %s no "
                                    "checkpoints are made, for what a cell "
                                    "changes is then held twice "
                                    "(%%checkpoints tensors=MiB moves the "
                                    "limit).\n", now, limit));
    }
    r->told_large = true;
}

/* Once too. */
static void tell_failure(kernel_router *r, const char *why)
{
    if (!r->no_checkpoint[0]) {
        set_notice(r, kernel_format("note: no checkpoint could be made: %s. "
                                    "Cells run on, but a crash now costs what "
                                    "they change.\n", why));
    }
    snprintf(r->no_checkpoint, sizeof r->no_checkpoint, "%s", why);
}

void kernel_take_checkpoint(kernel_router *r, kernel_news *n)
{
    json_t *o = json_loadb(n->text, n->size, 0, NULL);
    const char *error = json_string_value(json_object_get(o, "error"));
    r->making = false;
    if (n->fd >= 0) {
        kernel_checkpoints_add(
            &r->checkpoints,
            (kernel_checkpoint){
                .pid = (pid_t)json_integer_value(json_object_get(o, "pid")),
                .link = n->fd,
                .cell = (int)json_integer_value(json_object_get(o, "cell")),
                .seq = (int)json_integer_value(json_object_get(o, "seq")),
                .made = kernel_now(),
                .us = json_real_value(json_object_get(o, "us"))});
        n->fd = -1;
        look_soon(r);
        r->told_large = false;
        r->no_checkpoint[0] = '\0';
    } else if (json_object_get(o, "skipped")) {
        tell_large(r, json_integer_value(json_object_get(o, "skipped")));
    } else {
        tell_failure(r, error ? error : "no reason given");
    }
    json_decref(o);
    kernel_next_cell(r);
}

/* --- start ---------------------------------------------------------------- */

/* What a new process must hear before its first cell. */
static void brief(kernel_router *r)
{
    const char *line;
    for (int i = 0; (line = kernel_history_line(r->history, i)); i++) {
        kernel_outbox_add(&r->outbox, KERNEL_LINK_HISTORY, line, strlen(line));
    }
    kernel_keep_checkpoint(r);
}

static bool start_child(kernel_router *r, jp_error *err)
{
    int pipes[3];
    kernel_outbox_clear(&r->outbox);
    r->ready = r->making = r->wanted = false;
    if (!kernel_child_start(&r->child, pipes, err)) {
        kernel_log("%s", err->text);
        return false;
    }
    kernel_iopub_attach(r->io, pipes);
    r->done_cell = 0;
    r->done_seq = r->sequence;
    brief(r);
    return true;
}

void kernel_start_compute(kernel_router *r)
{
    jp_error err = {""};
    start_child(r, &err);   /* a failure is logged; the next cell retries */
}

bool kernel_have_child(kernel_router *r, jp_error *err)
{
    return r->child.pid || start_child(r, err);
}

/* Lets the newest checkpoint that still lives take over. */
static bool wake_checkpoint(kernel_router *r)
{
    kernel_checkpoint p;
    int pipes[3];
    while (kernel_checkpoints_take(&r->checkpoints, &p)) {
        kernel_outbox_clear(&r->outbox);
        r->ready = r->making = r->wanted = false;
        if (kernel_child_wake(&r->child, p.pid, p.link, pipes)) {
            r->wake_due = kernel_now() + WAKE_MS;
            r->look_due = kernel_now() + LOOK_MS;
            r->pulse = (kernel_pulse){0};
            kernel_iopub_attach(r->io, pipes);
            r->done_cell = p.cell;
            r->done_seq = p.seq;
            brief(r);
            return true;
        }
        close(p.link);
    }
    return false;
}

/* --- death ---------------------------------------------------------------- */

/* What became of the variables (malloc'ed). */
static char *tell_state(const kernel_router *r, bool revived)
{
    if (!revived) {
        return r->no_checkpoint[0] && !r->checkpoints.off
                   ? kernel_format("all variables are gone (no checkpoint "
                                   "could be made: %s)", r->no_checkpoint)
                   : kernel_format("all variables are gone%s",
                                   r->checkpoints.off
                                       ? " (checkpoints are off)"
                                       : "");
    }
    if (r->done_seq == r->lost_seq && !r->undoing) {
        return kernel_format("variables are as they were before this cell");
    }
    return r->done_cell
               ? kernel_format("variables are as they were after cell [%d]",
                               r->done_cell)
               : kernel_format("variables are as they were at the start of "
                               "the session");
}

/* The first lines of the crash record, one element each. */
static void add_record(json_t *lines, const char *record)
{
    for (int i = 0; i < RECORD_LINES && *record; i++) {
        size_t n = strcspn(record, "\n");
        json_array_append_new(lines, kernel_json_text(record, n));
        record += n + (record[n] == '\n');
    }
}

/* The line that was being executed. */
static kernel_scene find_scene(const kernel_router *r, const kernel_request *q)
{
    uint64_t place = r->child.shared->line;   /* the dead process's last word */
    int cell = kernel_scene_cell(place);
    if (cell == q->number) {
        const json_t *code = json_object_get(q->content, "code");
        return kernel_scene_find(place, json_string_value(code),
                                 json_string_length(code));
    }
    const char *earlier = kernel_history_cell(r->history, cell);
    return kernel_scene_find(place, earlier,
                             earlier ? strlen(earlier) : 0);
}

/* The cell in which the process died ends with an error that says so. */
static void end_dead_cell(kernel_router *r, bool revived)
{
    kernel_request *q = r->running;
    char *state = tell_state(r, revived);
    kernel_scene scene = find_scene(r, q);
    char *phrase = kernel_scene_phrase(&scene, q->number);
    char *value = kernel_format("the compute process ended: %s%s; %s",
                                r->cause, phrase, state);
    free(phrase);
    json_t *lines = json_pack("[ss]", "\x1b[1;31mComputeProcessDied\x1b[0m",
                              value);
    kernel_scene_draw(&scene, lines);
    json_array_append_new(
        lines,
        json_string(revived ? "  The session has been restored from a "
                              "checkpoint; history and the execution counter "
                              "go on."
                            : "  RusTorch has started a fresh session: "
                              "history and the execution counter go on,"));
    if (!revived) {
        json_array_append_new(lines, json_string("  but run the cells that "
                                                 "define your variables "
                                                 "again."));
    }
    add_record(lines, r->record);
    json_t *error = json_pack("{ss ss so}", "ename", "ComputeProcessDied",
                              "evalue", value, "traceback", lines);
    if (!q->silent) {
        kernel_publish(r, q, "error", json_incref(error));
    }
    json_t *reply = json_copy(error);
    json_object_set_new(reply, "status", json_string("error"));
    json_decref(error);
    free(value);
    free(state);
    kernel_end_cell(r, q, reply);
}

static void end_undo(kernel_router *r, bool revived)
{
    kernel_request *q = r->running;
    char *state = tell_state(r, revived);
    char *line = kernel_format("%s\n", state);
    if (!revived) {
        kernel_end_cell(r, q, kernel_fail_cell(r, q, "UndoError", state));
    } else {
        if (!q->silent) {
            kernel_publish(r, q, "stream", json_pack("{ss ss}", "name",
                                                     "stdout", "text", line));
        }
        kernel_end_cell(r, q, kernel_cell_done());
    }
    free(line);
    free(state);
}

/* A death between cells: said with the next one, which then runs. */
static void note_death(kernel_router *r, bool revived)
{
    char *state = revived && r->done_seq == r->lost_seq
                      ? kernel_format("variables are as they were")
                      : tell_state(r, revived);
    set_notice(r, kernel_format("note: the compute process ended between "
                                "cells (%s): %s%s.\n", r->cause, state,
                                revived ? "" : " and a fresh session has "
                                               "begun"));
    free(state);
}

/* Whether the cell at hand had begun to run when its process died. */
static bool has_begun(const kernel_router *r)
{
    return r->running && r->child.shared->begun == (uint64_t)r->sequence;
}

/* A new process is there, or none can be had: whoever waits is answered. */
static void conclude(kernel_router *r, bool revived)
{
    bool undoing = r->undoing;
    bool between = !undoing && r->failures == 0 && !has_begun(r);
    r->waking = false;
    if (between) {
        note_death(r, revived);
    }
    if (r->running && undoing) {
        end_undo(r, revived);
    } else if (r->running && between && r->child.pid && !r->running->retried) {
        r->running->retried = true;
        kernel_say_notices(r, r->running);
        kernel_hand_over(r, r->running);   /* it never began: it runs now */
    } else if (r->running) {
        end_dead_cell(r, revived);
    }
    r->undoing = false;
    free(r->cause);
    free(r->record);
    r->cause = r->record = NULL;
    kernel_next_cell(r);
}

/* The dead process has been heard out: a checkpoint or a fresh one follows. */
static void replace_child(kernel_router *r)
{
    jp_error err = {""};
    kernel_child_close(&r->child);
    r->dying = false;
    if (wake_checkpoint(r)) {
        r->waking = true;   /* goes on when its session stands */
        return;
    }
    lang_symbols_cut(r->symbols, 0);
    /* A process that cannot even start is tried again with the next cell. */
    if (r->failures < START_ATTEMPTS) {
        start_child(r, &err);
    }
    conclude(r, false);
}

void kernel_check_child(kernel_router *r)
{
    int status;
    if (!kernel_child_reap(&r->child, &status)) {
        return;
    }
    char *cause, *record;
    kernel_child_obituary(&r->child, status, &cause, &record);
    if (r->hung) {
        free(cause);
        cause = kernel_format("it did not stop when it was interrupted");
    }
    if (!r->undoing) {
        kernel_log("the compute process ended: %s\n%s", cause, record);
    }
    if (r->waking) {   /* what brought us here is the thing to tell */
        free(cause);
        free(record);
    } else {
        r->cause = cause;
        r->record = record;
        r->lost_seq = r->done_seq;
        r->failures = r->ready ? 0 : r->failures + 1;
    }
    r->dying = true;
    kernel_iopub_detach(r->io, &r->child.shared->rest, kernel_handle_event, r);
    replace_child(r);
}

void kernel_child_stands(kernel_router *r)
{
    if (r->waking) {
        r->failures = 0;
        conclude(r, true);
    }
}

void kernel_go_back(kernel_router *r)
{
    r->undoing = true;
    kill(-r->child.pid, SIGKILL);
}

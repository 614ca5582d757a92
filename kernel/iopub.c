/* SPDX-License-Identifier: MIT
 * The publisher.
 */
#include "kernel/iopub.h"

#include "kernel/log.h"
#include "kernel/outlet.h"
#include "kernel/relay.h"
#include "kernel/stream.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A turn ends after so many link messages, or once so much text has come, so
 * that what clients ask is answered meanwhile. */
enum {
    RETRY_MS = 1,
    PASSING_MS = 100,
    TURN_MESSAGES = 64,
    TURN_BYTES = 64 * 1024,
    WELCOME_TURN = 64,
    PIPE_CHUNK = 64 * 1024,
    STOP_MS = 500,
    LARGE = 1 << 20
};

struct kernel_iopub {
    kernel_queue *relay;
    jp_wire *wire;
    void *xpub;
    char session[JP_SESSION_SIZE];
    kernel_outlet outlet;
    kernel_stream stream;
    kernel_text content;    /* of the stream message being made */
    kernel_inbox inbox;
    int fd[3];              /* link, stdout, stderr; -1: closed */
    char *parent;           /* of the cell whose output comes */
    bool silent, started;
    uint64_t packets;       /* of text from this process */
    size_t shown;           /* bytes of text in this turn */
    kernel_hear *hear;      /* while serving */
    void *ctx;
};

static void say_lost(kernel_iopub *io, const char *type, size_t size);

/* --- sending -------------------------------------------------------------- */

/* What a cell can print without end, and a front end can do without. */
static bool is_bulky(const char *type)
{
    return strcmp(type, "stream") == 0 || strcmp(type, "display_data") == 0 ||
           strcmp(type, "update_display_data") == 0;
}

static bool send_topic(kernel_iopub *io, jp_slice topic, const char *type,
                       jp_slice parent, jp_slice content, int64_t lines)
{
    jp_error err = {""};
    jp_outgoing o = {.idents = &topic,
                     .nidents = 1,
                     .type = type,
                     .parent = parent,
                     .content = content};
    jp_packet *packet = jp_wire_pack(io->wire, &o, &err);
    if (!packet) {
        kernel_log("iopub: %s", err.text);
    }
    kernel_outlet_add(&io->outlet, packet, is_bulky(type), lines);
    return packet != NULL;
}

static void send_lines(kernel_iopub *io, const char *type, jp_slice parent,
                       jp_slice content, int64_t lines)
{
    char topic[128];
    snprintf(topic, sizeof topic, "kernel.%s.%s", io->session, type);
    if (!send_topic(io, jp_text(topic), type, parent, content, lines) &&
        content.size > LARGE) {
        say_lost(io, type, content.size);
    }
}

static void send_text(kernel_iopub *io, const char *type, jp_slice parent,
                      jp_slice content)
{
    send_lines(io, type, parent, content, 0);
}

static int64_t count_lines(const char *text, size_t size)
{
    int64_t n = 0;
    const char *end = text + size;
    while ((text = memchr(text, '\n', (size_t)(end - text)))) {
        text++;
        n++;
    }
    return n;
}

/* Of what the running cell, or the one that ran last, gave. */
static jp_slice cell(const kernel_iopub *io)
{
    return jp_text(io->parent ? io->parent : "");
}

static void send_stream(void *ctx, const char *name, const char *text,
                        size_t size)
{
    kernel_iopub *io = ctx;
    kernel_text *t = &io->content;
    kernel_carry none = {{0}, 0};
    kernel_text_clear(t);
    kernel_text_add(t, &none, "{\"name\":", 8);
    kernel_text_quote(t, name, strlen(name));
    kernel_text_add(t, &none, ",\"text\":", 8);
    kernel_text_quote(t, text, size);
    kernel_text_add(t, &none, "}", 1);
    send_lines(io, "stream", cell(io), (jp_slice){t->data, t->size},
               count_lines(text, size));
}

static void send_starting(kernel_iopub *io)
{
    if (!io->started) {
        io->started = true;
        send_text(io, "status", jp_text(""),
                  jp_text("{\"execution_state\":\"starting\"}"));
    }
}

/* Greets each subscription; `starting` waits for the first of them. */
static void welcome(kernel_iopub *io)
{
    char topic[JP_TOPIC_MAX];
    size_t size = 0;
    /* Bounded: who never stops subscribing must not hold up output. */
    for (int i = 0; i < WELCOME_TURN; i++) {
        jp_upstream kind = jp_upstream_take(io->xpub, topic, &size);
        if (kind == JP_UP_NONE) {
            return;
        }
        json_t *name = kind == JP_UP_SUBSCRIBED ? json_stringn(topic, size)
                                                : NULL;
        io->outlet.subscribers += (kind == JP_UP_SUBSCRIBED) -
                                  (kind == JP_UP_UNSUBSCRIBED);
        if (!name) {
            continue;   /* an unsubscription, or no UTF-8 */
        }
        json_t *content = json_pack("{so}", "subscription", name);
        char *dump = json_dumps(content, JSON_COMPACT);
        json_decref(content);
        send_topic(io, (jp_slice){topic, size}, "iopub_welcome", jp_text(""),
                   jp_text(dump ? dump : "{}"), 0);
        free(dump);
        send_starting(io);
    }
}

/* --- what the router says ------------------------------------------------- */

static void close_pipe(kernel_iopub *io, int which)
{
    if (io->fd[which] >= 0) {
        close(io->fd[which]);
        io->fd[which] = -1;
    }
}

void kernel_iopub_publish(kernel_iopub *io, const char *type, jp_slice parent,
                          json_t *content)
{
    char *text = json_dumps(content, JSON_COMPACT);
    json_decref(content);
    if (!text) {
        kernel_log("iopub: %s: the content cannot be encoded", type);
        return;
    }
    send_starting(io);
    /* A status must not overtake text printed before it. */
    kernel_stream_flush(&io->stream);
    send_text(io, type, parent, jp_text(text));
    free(text);
}

void kernel_iopub_cell(kernel_iopub *io, jp_slice parent, bool silent)
{
    kernel_stream_finish(&io->stream);
    free(io->parent);
    io->parent = kernel_copy(parent.data, parent.size);
    io->silent = silent;
}

void kernel_iopub_attach(kernel_iopub *io, const int fd[3])
{
    memcpy(io->fd, fd, sizeof io->fd);
    io->inbox.partial = false;
    io->packets = 0;
}

/* --- what the relay says -------------------------------------------------- */

/* In the cell that runs, or ran last: who can read it shall know. */
static void say(kernel_iopub *io, const char *format, ...)
{
    va_list ap;
    char text[400];
    va_start(ap, format);
    int n = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    kernel_log("%.*s", n - 4, text + 2);   /* without newlines and brackets */
    kernel_stream_flush(&io->stream);
    send_stream(io, "stderr", text, (size_t)n);
}

/* A message that is larger than the memory there is. */
static void say_lost(kernel_iopub *io, const char *type, size_t size)
{
    say(io, "\n[%s of %zu MiB is missing here: the kernel has no memory to "
            "pass it on]\n", type, size >> 20);
}

static void take_relay(kernel_iopub *io)
{
    kernel_outlet *o = &io->outlet;
    for (kernel_note *n; (n = kernel_queue_take(io->relay));) {
        switch ((kernel_relay_event)n->kind) {
        case KERNEL_RELAY_FULL:
            o->behind++;
            say(io, o->subscribers > o->behind
                        ? "\n[more output waits for a client than is kept: "
                          "it may miss what comes now; the cell and other "
                          "clients do not wait for it]\n"
                        : "\n[more output waits for the only client than is "
                          "kept: the cell's prints wait for it, and are "
                          "dropped if it reads nothing for 10 seconds]\n");
            break;
        case KERNEL_RELAY_ROOM:
            o->behind--;
            break;
        case KERNEL_RELAY_NO_DISK:
            say(io, "\n[output that waits for a client cannot be kept in a "
                    "file (%s): 16 MiB of it are kept in memory; see "
                    "TMPDIR]\n", n->text);
            break;
        }
        kernel_note_free(n);
    }
}

static void report_loss(kernel_iopub *io)
{
    kernel_loss lost = kernel_outlet_take_lost(&io->outlet);
    long long lines = (long long)lost.lines, kib = lost.bytes / 1024 + 1;
    if (lost.bytes && lost.all) {
        say(io, "\n[%lld lines were dropped here (%lld KiB of output): no "
                "client read for 10 seconds, and more waited for them than is "
                "kept (RUSTORCH_OUTPUT_MIB)]\n", lines, kib);
    } else if (lost.bytes) {
        say(io, "\n[about %lld lines were dropped here (%lld KiB of output) "
                "for a client that did not read, because more waited for it "
                "than is kept (RUSTORCH_OUTPUT_MIB)]\n", lines, kib);
    }
}

/* --- what the compute process says ---------------------------------------- */

static void show(kernel_iopub *io, kernel_source source, const char *data,
                 size_t size)
{
    io->shown += size;
    if (!io->silent) {
        kernel_stream_add(&io->stream, source, data, size);
    }
}

/* Reads at most `limit` bytes that wait in a pipe. */
static void read_pipe(kernel_iopub *io, int which, size_t limit)
{
    static char chunk[PIPE_CHUNK];
    kernel_source source = which == 1 ? KERNEL_FROM_PIPE_OUT
                                      : KERNEL_FROM_PIPE_ERR;
    while (limit && io->fd[which] >= 0) {
        size_t want = limit < sizeof chunk ? limit : sizeof chunk;
        ssize_t got = read(io->fd[which], chunk, want);
        if (got > 0) {
            show(io, source, chunk, (size_t)got);
            limit -= (size_t)got;
        } else if (got < 0 && errno == EINTR) {
            continue;
        } else {
            if (got == 0 || errno != EAGAIN) {
                close_pipe(io, which);
            }
            return;
        }
    }
}

/* Empties the pipes of what is in them now: a writer that never stops cannot
 * hold up the rest. */
static void empty_pipes(kernel_iopub *io)
{
    for (int which = 1; which <= 2; which++) {
        int waiting = 0;
        if (io->fd[which] >= 0 &&
            ioctl(io->fd[which], FIONREAD, &waiting) == 0 && waiting > 0) {
            read_pipe(io, which, (size_t)waiting);
        }
    }
}

static void tell_router(kernel_iopub *io, kernel_event event)
{
    kernel_inbox *in = &io->inbox;
    kernel_news news = {.event = event,
                        .text = in->data,
                        .size = in->size,
                        .fd = in->nfds == 1 ? in->fds[0] : -1};
    bool with = news.fd >= 0;
    io->hear(io->ctx, &news);
    if (with && news.fd < 0) {
        in->nfds = 0;
    }
}

/* A publication: message type, NUL, content. */
static void relay(kernel_iopub *io)
{
    const char *type = io->inbox.data;
    size_t n = strnlen(type, io->inbox.size);
    if (!io->silent && n < io->inbox.size) {
        kernel_stream_flush(&io->stream);
        send_text(io, type, cell(io),
                  (jp_slice){type + n + 1, io->inbox.size - n - 1});
    }
}

/* In place of a message for which there was no memory. */
static void handle_lost(kernel_iopub *io)
{
    static const char done[] =
        "{\"reply\":{\"status\":\"error\",\"ename\":\"OutOfMemoryError\","
        "\"evalue\":\"the cell has run, but the kernel has no memory to pass "
        "its reply on\",\"traceback\":[]}}";
    bool ended = io->inbox.kind == KERNEL_LINK_DONE;
    say_lost(io, ended ? "a reply" : "an output", io->inbox.lost);
    if (ended) {
        kernel_stream_finish(&io->stream);
        kernel_news news = {.event = KERNEL_EVENT_DONE,
                            .text = done,
                            .size = sizeof done - 1,
                            .fd = -1};
        io->hear(io->ctx, &news);
    }
}

static void handle_link(kernel_iopub *io)
{
    const kernel_inbox *in = &io->inbox;
    if (in->lost) {
        handle_lost(io);
        return;
    }
    switch (in->kind) {
    case KERNEL_LINK_STREAM:
        io->packets++;
        if (in->size > 1) {
            show(io, in->data[0] == 2 ? KERNEL_FROM_LINK_ERR
                                      : KERNEL_FROM_LINK_OUT,
                 in->data + 1, in->size - 1);
        }
        break;
    case KERNEL_LINK_PUBLISH:
        relay(io);
        break;
    case KERNEL_LINK_INPUT:
        kernel_stream_flush(&io->stream);
        tell_router(io, KERNEL_EVENT_INPUT);
        break;
    case KERNEL_LINK_SYMBOLS:
        tell_router(io, KERNEL_EVENT_SYMBOLS);
        break;
    case KERNEL_LINK_TWIN:
        tell_router(io, KERNEL_EVENT_TWIN);
        break;
    case KERNEL_LINK_READY:
        tell_router(io, KERNEL_EVENT_READY);
        break;
    case KERNEL_LINK_DONE:
        kernel_stream_finish(&io->stream);
        tell_router(io, KERNEL_EVENT_DONE);
        break;
    default:
        kernel_log("the compute process sent a message of kind %d",
                   (int)in->kind);
    }
}

static void read_link(kernel_iopub *io)
{
    for (int i = 0; i < TURN_MESSAGES && io->shown < TURN_BYTES; i++) {
        kernel_received got = kernel_link_receive(&io->inbox, io->fd[0]);
        if (got == KERNEL_CLOSED) {
            io->fd[0] = -1;
        }
        if (got != KERNEL_MESSAGE) {
            return;
        }
        empty_pipes(io);
        handle_link(io);
        if (io->fd[0] < 0 || kernel_outlet_full(&io->outlet)) {
            return;
        }
    }
}

/* Unless the packet had left and only its sender did not live to note that. */
static void show_rest(kernel_iopub *io, const kernel_rest *rest)
{
    size_t size = rest->size < sizeof rest->text ? rest->size : 0;
    if (size && io->packets <= rest->sent) {
        show(io, rest->text[0] == 2 ? KERNEL_FROM_LINK_ERR
                                    : KERNEL_FROM_LINK_OUT,
             rest->text + 1, size);
    }
}

void kernel_iopub_detach(kernel_iopub *io, const kernel_rest *rest,
                         kernel_hear *hear, void *ctx)
{
    io->hear = hear;
    io->ctx = ctx;
    while (io->fd[0] >= 0 && kernel_link_receive(&io->inbox, io->fd[0]) ==
                                 KERNEL_MESSAGE) {
        empty_pipes(io);
        handle_link(io);
    }
    show_rest(io, rest);
    empty_pipes(io);
    kernel_stream_finish(&io->stream);
    io->fd[0] = -1;
    close_pipe(io, 1);
    close_pipe(io, 2);
}

/* --- its part of the loop ------------------------------------------------- */

static int64_t next_timeout(kernel_iopub *io)
{
    int64_t due = kernel_stream_tick(&io->stream);
    int64_t again = kernel_outlet_waits(&io->outlet) ? RETRY_MS
                    : io->outlet.passing             ? PASSING_MS
                                                     : -1;
    return again >= 0 && (due < 0 || due > again) ? again : due;
}

int64_t kernel_iopub_watch(kernel_iopub *io,
                           jp_poll_item items[KERNEL_IOPUB_ITEMS])
{
    bool full = kernel_outlet_full(&io->outlet);
    for (int i = 0; i < 3; i++) {
        items[i] = (jp_poll_item){.fd = full ? -1 : io->fd[i]};
    }
    items[3] = (jp_poll_item){.socket = io->xpub};
    items[4] = (jp_poll_item){.fd = kernel_queue_fd(io->relay)};
    return next_timeout(io);
}

void kernel_iopub_serve(kernel_iopub *io,
                        const jp_poll_item items[KERNEL_IOPUB_ITEMS],
                        kernel_hear *hear, void *ctx)
{
    io->hear = hear;
    io->ctx = ctx;
    io->shown = 0;
    if (items[3].ready) {
        welcome(io);
    }
    if (items[4].ready) {
        take_relay(io);
    }
    if (items[0].ready && io->fd[0] >= 0) {
        read_link(io);
    }
    for (int which = 1; which <= 2; which++) {
        if (items[which].ready) {
            read_pipe(io, which, PIPE_CHUNK);
        }
    }
    kernel_outlet_push(&io->outlet);
    report_loss(io);
}

/* --- start and stop ------------------------------------------------------- */

kernel_iopub *kernel_iopub_new(void *xpub, jp_wire *wire, const char *session,
                               kernel_queue *relay)
{
    kernel_iopub *io = kernel_alloc(sizeof *io);
    io->xpub = xpub;
    io->wire = wire;
    io->relay = relay;
    io->fd[0] = io->fd[1] = io->fd[2] = -1;
    snprintf(io->session, sizeof io->session, "%s", session);
    kernel_outlet_init(&io->outlet, xpub);
    io->stream.send = send_stream;
    io->stream.ctx = io;
    return io;
}

void kernel_iopub_free(kernel_iopub *io)
{
    if (!io) {
        return;
    }
    kernel_stream_finish(&io->stream);
    int64_t end = kernel_now() + STOP_MS;
    while (kernel_outlet_waits(&io->outlet) && kernel_now() < end) {
        kernel_outlet_push(&io->outlet);
        usleep(1000);
    }
    close_pipe(io, 1);
    close_pipe(io, 2);
    kernel_outlet_clear(&io->outlet);
    kernel_stream_dispose(&io->stream);
    kernel_text_dispose(&io->content);
    kernel_inbox_dispose(&io->inbox);
    free(io->parent);
    free(io);
}

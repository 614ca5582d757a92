/* SPDX-License-Identifier: MIT
 * The publisher thread.
 */
#include "kernel/iopub.h"

#include "kernel/link.h"
#include "kernel/log.h"
#include "kernel/outlet.h"
#include "kernel/protocol/channel.h"
#include "kernel/relay.h"
#include "kernel/stream.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    RETRY_MS = 1,
    PASSING_MS = 100,
    LINK_TURN = 64,
    WELCOME_TURN = 64,
    PIPE_CHUNK = 64 * 1024,
    STOP_MS = 500,
    LARGE = 1 << 20
};

typedef enum note_kind { PUBLISH, CELL, ATTACH, DETACH, STOP } note_kind;

struct kernel_iopub {
    pthread_t thread;
    kernel_queue *in, *router, *relay;
    jp_wire *wire;
    void *xpub;
    char session[JP_SESSION_SIZE];
    kernel_outlet outlet;
    kernel_stream stream;
    kernel_inbox inbox;
    int fd[3];              /* link, stdout, stderr; -1: closed */
    char *parent;           /* of the cell whose output comes */
    bool silent, started, detaching, stopping;
    uint64_t packets;       /* of text from this process */
    kernel_note rest;       /* what a dead one had not sent */
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
                       const char *parent, jp_slice content)
{
    jp_error err = {""};
    jp_outgoing o = {.idents = &topic,
                     .nidents = 1,
                     .type = type,
                     .parent = jp_text(parent ? parent : ""),
                     .content = content};
    jp_packet *packet = jp_wire_pack(io->wire, &o, &err);
    if (!packet) {
        kernel_log("iopub: %s", err.text);
    }
    kernel_outlet_add(&io->outlet, packet, is_bulky(type));
    return packet != NULL;
}

static void send_text(kernel_iopub *io, const char *type, const char *parent,
                      jp_slice content)
{
    char topic[128];
    snprintf(topic, sizeof topic, "kernel.%s.%s", io->session, type);
    if (!send_topic(io, jp_text(topic), type, parent, content) &&
        content.size > LARGE) {
        say_lost(io, type, content.size);
    }
}

static void send_stream(void *ctx, const char *name, const char *text,
                        size_t size)
{
    kernel_iopub *io = ctx;
    json_t *content = json_pack("{ss so}", "name", name, "text",
                                json_stringn_nocheck(text, size));
    char *dump = json_dumps(content, JSON_COMPACT);
    json_decref(content);
    if (dump) {
        send_text(io, "stream", io->parent, jp_text(dump));
        free(dump);
    }
}

static void send_starting(kernel_iopub *io)
{
    if (!io->started) {
        io->started = true;
        send_text(io, "status", NULL,
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
        send_topic(io, (jp_slice){topic, size}, "iopub_welcome", NULL,
                   jp_text(dump ? dump : "{}"));
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

static void handle_note(kernel_iopub *io, kernel_note *n)
{
    switch ((note_kind)n->kind) {
    case PUBLISH:
        send_starting(io);
        /* A status must not overtake text printed before it. */
        kernel_stream_flush(&io->stream);
        send_text(io, n->type, n->parent, (jp_slice){n->text, n->size});
        break;
    case CELL:
        kernel_stream_finish(&io->stream);
        free(io->parent);
        io->parent = n->parent;
        n->parent = NULL;
        io->silent = n->flag;
        break;
    case ATTACH:
        memcpy(io->fd, n->fd, sizeof io->fd);
        io->inbox.partial = false;
        io->packets = 0;
        break;
    case DETACH:
        io->detaching = true;
        io->rest = *n;
        n->text = NULL;
        break;
    case STOP:
        io->stopping = true;
        break;
    }
}

static void take_notes(kernel_iopub *io)
{
    for (kernel_note *n; (n = kernel_queue_take(io->in));) {
        handle_note(io, n);
        kernel_note_free(n);
    }
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
    int64_t lost = kernel_outlet_take_lost(&io->outlet);
    if (lost) {
        say(io, "\n[a client that did not read has missed about %lld KiB of "
                "output]\n", (long long)lost / 1024 + 1);
    }
}

/* --- what the compute process says ---------------------------------------- */

static void show(kernel_iopub *io, kernel_source source, const char *data,
                 size_t size)
{
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

/* The inbox's text; a large one is handed over. */
static char *take_text(kernel_inbox *in)
{
    char *text = in->data;
    if (in->size < LARGE) {
        return kernel_copy(in->data, in->size);
    }
    in->data = NULL;
    in->capacity = 0;
    return text;
}

static void tell_router(kernel_iopub *io, kernel_event event)
{
    size_t size = io->inbox.size;
    int fd = io->inbox.nfds == 1 ? io->inbox.fds[0] : -1;
    io->inbox.nfds = io->inbox.nfds == 1 ? 0 : io->inbox.nfds;
    kernel_queue_post(io->router,
                      (kernel_note){.kind = (int)event,
                                    .fd = {fd, -1, -1},
                                    .text = take_text(&io->inbox),
                                    .size = size});
}

/* A publication: message type, NUL, content. */
static void relay(kernel_iopub *io)
{
    const char *type = io->inbox.data;
    size_t n = strnlen(type, io->inbox.size);
    if (!io->silent && n < io->inbox.size) {
        kernel_stream_flush(&io->stream);
        send_text(io, type, io->parent,
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
        kernel_queue_post(io->router,
                          (kernel_note){.kind = KERNEL_EVENT_DONE,
                                        .text = kernel_copy(done,
                                                            sizeof done - 1),
                                        .size = sizeof done - 1});
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
    case KERNEL_LINK_BEGIN:
        tell_router(io, KERNEL_EVENT_BEGIN);
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

/* Up to `turns` link messages. */
static void read_link(kernel_iopub *io, int turns)
{
    while (turns-- > 0 && io->fd[0] >= 0) {
        kernel_received got = kernel_link_receive(&io->inbox, io->fd[0]);
        if (got == KERNEL_CLOSED) {
            io->fd[0] = -1;
        }
        if (got != KERNEL_MESSAGE) {
            return;
        }
        /* What the router posted before it asked comes before the answer. */
        take_notes(io);
        empty_pipes(io);
        handle_link(io);
        if (kernel_outlet_full(&io->outlet)) {
            return;
        }
    }
}

/* --- the thread ----------------------------------------------------------- */

/* Unless the packet had left and only its sender did not live to note that. */
static void show_rest(kernel_iopub *io)
{
    if (io->rest.size > 1 && io->packets <= io->rest.number) {
        show(io, io->rest.text[0] == 2 ? KERNEL_FROM_LINK_ERR
                                       : KERNEL_FROM_LINK_OUT,
             io->rest.text + 1, io->rest.size - 1);
    }
    free(io->rest.text);
    io->rest = (kernel_note){0};
}

static void detach(kernel_iopub *io)
{
    io->detaching = false;
    while (io->fd[0] >= 0) {
        kernel_received got = kernel_link_receive(&io->inbox, io->fd[0]);
        if (got != KERNEL_MESSAGE) {
            break;
        }
        empty_pipes(io);
        handle_link(io);
    }
    show_rest(io);
    empty_pipes(io);
    kernel_stream_finish(&io->stream);
    io->fd[0] = -1;
    close_pipe(io, 1);
    close_pipe(io, 2);
    kernel_queue_post(io->router, (kernel_note){.kind = KERNEL_EVENT_DRAINED});
}

static int64_t next_timeout(kernel_iopub *io)
{
    int64_t due = kernel_stream_tick(&io->stream);
    int64_t again = kernel_outlet_waits(&io->outlet) ? RETRY_MS
                    : io->outlet.passing             ? PASSING_MS
                                                     : -1;
    return again >= 0 && (due < 0 || due > again) ? again : due;
}

static void turn(kernel_iopub *io)
{
    int64_t timeout = next_timeout(io);
    bool full = kernel_outlet_full(&io->outlet);
    jp_poll_item items[] = {
        {.fd = kernel_queue_fd(io->in)},
        {.socket = io->xpub},
        {.fd = full ? -1 : io->fd[0]},
        {.fd = full ? -1 : io->fd[1]},
        {.fd = full ? -1 : io->fd[2]},
        {.fd = kernel_queue_fd(io->relay)},
    };
    jp_poll(items, 6, timeout);
    welcome(io);
    take_notes(io);
    take_relay(io);
    if (items[2].ready) {
        read_link(io, LINK_TURN);
    }
    for (int which = 1; which <= 2; which++) {
        if (items[2 + which].ready) {
            read_pipe(io, which, PIPE_CHUNK);
        }
    }
    if (io->detaching) {
        detach(io);
    }
    kernel_outlet_push(&io->outlet);
    report_loss(io);
}

static void *run(void *arg)
{
    kernel_iopub *io = arg;
    while (!io->stopping) {
        turn(io);
    }
    kernel_stream_finish(&io->stream);
    int64_t end = kernel_now() + STOP_MS;
    while (kernel_outlet_waits(&io->outlet) && kernel_now() < end) {
        kernel_outlet_push(&io->outlet);
        usleep(1000);
    }
    return NULL;
}

kernel_iopub *kernel_iopub_start(void *xpub, jp_wire *wire,
                                 const char *session, kernel_queue *router,
                                 kernel_queue *relay)
{
    kernel_iopub *io = kernel_alloc(sizeof *io);
    io->xpub = xpub;
    io->wire = wire;
    io->router = router;
    io->relay = relay;
    io->in = kernel_queue_new();
    io->fd[0] = io->fd[1] = io->fd[2] = -1;
    snprintf(io->session, sizeof io->session, "%s", session);
    kernel_outlet_init(&io->outlet, xpub);
    io->stream.send = send_stream;
    io->stream.ctx = io;
    if (!io->in || pthread_create(&io->thread, NULL, run, io) != 0) {
        kernel_queue_free(io->in);
        free(io);
        return NULL;
    }
    return io;
}

static char *copy_parent(jp_slice parent)
{
    return parent.size ? kernel_copy(parent.data, parent.size) : NULL;
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
    kernel_queue_post(io->in, (kernel_note){.kind = PUBLISH,
                                            .type = kernel_copy(type,
                                                                strlen(type)),
                                            .parent = copy_parent(parent),
                                            .text = text,
                                            .size = strlen(text)});
}

void kernel_iopub_cell(kernel_iopub *io, jp_slice parent, bool silent)
{
    kernel_queue_post(io->in, (kernel_note){.kind = CELL,
                                            .parent = copy_parent(parent),
                                            .flag = silent});
}

void kernel_iopub_attach(kernel_iopub *io, const int fd[3])
{
    kernel_note n = {.kind = ATTACH};
    memcpy(n.fd, fd, sizeof n.fd);
    kernel_queue_post(io->in, n);
}

void kernel_iopub_detach(kernel_iopub *io, const kernel_rest *rest)
{
    size_t size = rest->size < sizeof rest->text ? rest->size : 0;
    kernel_queue_post(io->in,
                      (kernel_note){.kind = DETACH,
                                    .text = kernel_copy(rest->text, size + 1),
                                    .size = size + 1,
                                    .number = rest->sent});
}

void kernel_iopub_stop(kernel_iopub *io)
{
    if (!io) {
        return;
    }
    kernel_queue_post(io->in, (kernel_note){.kind = STOP});
    pthread_join(io->thread, NULL);
    close_pipe(io, 1);
    close_pipe(io, 2);
    kernel_outlet_clear(&io->outlet);
    kernel_stream_dispose(&io->stream);
    kernel_inbox_dispose(&io->inbox);
    kernel_queue_free(io->in);
    free(io->parent);
    free(io);
}

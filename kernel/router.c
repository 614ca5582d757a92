/* SPDX-License-Identifier: MIT
 * The front's loop, dispatch and replies.
 */
#include "kernel/router.h"

#include "kernel/log.h"
#include "kernel/protocol/memory.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* --- the table ------------------------------------------------------------ */

enum { ON_SHELL = 1 << JP_SHELL, ON_CONTROL = 1 << JP_CONTROL };
enum { FIRST, NOW, LATER };
enum { TURN = 1000 };   /* messages of a channel before the next is read */
/* COPIES: of a large content, while it is parsed. */
enum { LARGE = 1 << 20, COPIES = 8 };

typedef struct entry {
    const char *type;
    unsigned channels;
    int when;
    kernel_handler *answer;
} entry;

static const entry handlers[] = {
#define HANDLER(type, channels, when, function)                                \
    {#type, channels, when, function},
#include "kernel/handlers.def"
#undef HANDLER
};

static const entry *find_handler(const char *type, jp_channel channel)
{
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++) {
        if ((handlers[i].channels & 1u << channel) &&
            strcmp(handlers[i].type, type) == 0) {
            return &handlers[i];
        }
    }
    return NULL;
}

/* --- replies -------------------------------------------------------------- */

void kernel_request_free(kernel_request *q)
{
    if (q) {
        jp_message_free(q->message);
        json_decref(q->content);
        free(q);
    }
}

json_t *kernel_error(const char *ename, const char *evalue)
{
    return json_pack("{ss ss ss s[s]}", "status", "error", "ename", ename,
                     "evalue", evalue, "traceback", evalue);
}

void kernel_publish(kernel_router *r, const kernel_request *q,
                    const char *type, json_t *content)
{
    kernel_iopub_publish(r->io, type, q->message->header, content);
}

void kernel_status(kernel_router *r, const kernel_request *q,
                   const char *state)
{
    kernel_publish(r, q, "status", json_pack("{ss}", "execution_state",
                                             state));
}

void kernel_send(kernel_router *r, jp_channel channel, const kernel_request *q,
                 const char *type, json_t *content, char **id)
{
    static const char short_of_memory[] =
        "{\"status\":\"error\",\"ename\":\"OutOfMemoryError\",\"evalue\":"
        "\"the kernel has no memory for this reply\",\"traceback\":[]}";
    jp_error err = {""};
    char *text = json_dumps(content, JSON_COMPACT);
    json_decref(content);
    jp_outgoing o = {.idents = q->message->frames,
                     .nidents = q->message->nidents,
                     .type = type,
                     .parent = q->message->header,
                     .content = jp_text(text ? text : short_of_memory)};
    jp_packet *packet = jp_wire_pack(r->wire, &o, &err);
    if (!packet) {
        o.content = jp_text(short_of_memory);
        packet = jp_wire_pack(r->wire, &o, &err);
    }
    if (!packet || !jp_packet_send(packet, r->channels->socket[channel])) {
        kernel_log("%s: not sent: %s", type,
                   packet ? strerror(errno) : err.text);
    }
    if (id) {
        *id = packet ? kernel_copy(jp_packet_id(packet),
                                   strlen(jp_packet_id(packet)))
                     : NULL;
    }
    jp_packet_free(packet);
    free(text);
}

void kernel_reply(kernel_router *r, const kernel_request *q, json_t *content)
{
    char type[128];
    size_t stem = strlen(q->message->type) - strlen("_request");
    snprintf(type, sizeof type, "%.*s_reply", (int)stem, q->message->type);
    kernel_send(r, q->channel, q, type, content, NULL);
}

/* --- dispatch ------------------------------------------------------------- */

static bool expects_reply(const char *type)
{
    size_t n = strlen(type), tail = strlen("_request");
    return n > tail && strcmp(type + n - tail, "_request") == 0;
}

/* NULL with a reason, a shortage of memory too, which is found before the
 * content is read. */
static json_t *read_content(const jp_message *m, json_error_t *why)
{
    size_t size = m->content.size;
    bool large = size > LARGE;
    if (large && !jp_memory_set_aside(COPIES * size)) {
        return NULL;
    }
    json_t *content = json_loadb(m->content.data, size, JSON_ALLOW_NUL, why);
    if (large) {
        jp_memory_set_aside(0);
    }
    return content;
}

/* The content could not be read: whoever waits for a reply gets the reason. */
static json_t *refuse(const kernel_request *q, const json_error_t *why)
{
    const jp_message *m = q->message;
    bool memory = !why->text[0] ||
                  json_error_code(why) == json_error_out_of_memory;
    char *text = memory ? kernel_format("%s: the kernel has no memory for a "
                                        "message of %zu MiB", m->type,
                                        m->content.size >> 20)
                        : kernel_format("%s: the content is no usable JSON: "
                                        "%s", m->type, why->text);
    json_t *content = expects_reply(m->type)
                          ? kernel_error(memory ? "OutOfMemoryError"
                                                : "MessageError", text)
                          : NULL;
    kernel_log("%s", text);
    free(text);
    return content;
}

static void dispatch(kernel_router *r, jp_channel channel, jp_message *m)
{
    const entry *h = find_handler(m->type, channel);
    kernel_request *q = kernel_alloc(sizeof *q);
    json_error_t why = {0};
    q->message = m;
    q->channel = channel;
    q->content = read_content(m, &why);
    if (h && q->content && h->when == LATER) {
        h->answer(r, q);
        return;
    }
    /* What is published wakes others, who may get this thread's processor. */
    bool first = h && q->content && h->when == FIRST;
    json_t *content = first ? h->answer(r, q) : NULL;
    kernel_status(r, q, "busy");
    if (!h) {
        kernel_log("%s: no message of the %s channel", m->type,
                   jp_channel_name(channel));
    } else if (!first) {
        content = q->content ? h->answer(r, q) : refuse(q, &why);
    }
    if (content || (h && expects_reply(m->type))) {
        kernel_reply(r, q, content);
    }
    kernel_status(r, q, "idle");
    kernel_request_free(q);
}

void kernel_router_read(kernel_router *r, jp_channel channel)
{
    /* Bounded: a client that never pauses must not keep events waiting. */
    for (int i = 0; i < TURN; i++) {
        jp_message *m = NULL;
        jp_error err = {""};
        jp_verdict v = jp_wire_receive(r->wire, r->channels->socket[channel],
                                       &m, &err);
        if (v == JP_NONE) {
            return;
        }
        if (v == JP_DROPPED) {
            kernel_log("%s: message dropped: %s", jp_channel_name(channel),
                       err.text);
        } else if (channel == JP_STDIN) {
            kernel_take_input(r, m);
        } else {
            dispatch(r, channel, m);
        }
        if (channel != JP_CONTROL) {
            kernel_router_read(r, JP_CONTROL);   /* control goes first */
        }
    }
}

/* --- the loop ------------------------------------------------------------- */

static void read_signals(kernel_router *r)
{
    struct signalfd_siginfo info;
    while (read(r->signals, &info, sizeof info) == sizeof info) {
        switch (info.ssi_signo) {
        case SIGINT:
            kernel_interrupt(r);
            break;
        case SIGCHLD:
            kernel_check_child(r);
            break;
        default:
            r->stopping = true;
        }
    }
}

/* Of two times to wait; -1: for ever. */
static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* The router's own part of what is waited for; the publisher's follows. */
enum { SIGNALS = JP_CHANNEL_COUNT, PARENT, LINK, OWN_ITEMS,
       ITEMS = OWN_ITEMS + KERNEL_IOPUB_ITEMS };

static const jp_channel reading[] = {JP_CONTROL, JP_SHELL, JP_STDIN};

/* How long to wait at most. */
static int64_t watch(kernel_router *r, jp_poll_item items[ITEMS])
{
    bool backlog = r->outbox.first && r->child.pid;
    for (int i = 0; i < OWN_ITEMS; i++) {
        items[i] = (jp_poll_item){.fd = -1};
    }
    for (size_t i = 0; i < sizeof reading / sizeof *reading; i++) {
        items[reading[i]].socket = r->channels->socket[reading[i]];
    }
    items[SIGNALS].fd = r->signals;
    items[PARENT].fd = r->parent;
    items[LINK] = (jp_poll_item){.fd = backlog ? r->child.link : -1,
                                 .write = true};
    int64_t tick = sooner(kernel_tick_checkpoints(r),
                          kernel_tick_trim(r));
    tick = sooner(tick, kernel_tick_interrupt(r));
    tick = sooner(tick, kernel_tick_history(r));
    return sooner(tick, kernel_iopub_watch(r->io, items + OWN_ITEMS));
}

static void serve(kernel_router *r, const jp_poll_item items[ITEMS])
{
    if (items[PARENT].ready) {
        kernel_log("the process that started this kernel is gone");
        r->stopping = true;
    }
    if (items[SIGNALS].ready) {
        read_signals(r);
    }
    for (size_t i = 0; i < sizeof reading / sizeof *reading; i++) {
        if (items[reading[i]].ready) {
            kernel_router_read(r, reading[i]);
        }
    }
    kernel_iopub_serve(r->io, items + OWN_ITEMS, kernel_handle_event, r);
    if (r->child.pid) {
        kernel_outbox_push(&r->outbox, r->child.link);
    }
}

void kernel_router_run(kernel_router *r)
{
    kernel_outbox_init(&r->outbox);
    r->last = &r->first;
    kernel_checkpoints_init(&r->checkpoints);
    kernel_start_compute(r);
    while (!r->stopping) {
        jp_poll_item items[ITEMS];
        int64_t timeout = watch(r, items);
        jp_poll(items, ITEMS, timeout);
        serve(r, items);
    }
}

void kernel_router_close(kernel_router *r)
{
    kernel_child_kill(&r->child);
    kernel_checkpoints_drop_newest(&r->checkpoints, r->checkpoints.count);
    kernel_outbox_clear(&r->outbox);
    kernel_request_free(r->running);
    while (r->first) {
        kernel_request *q = r->first;
        r->first = q->next;
        kernel_request_free(q);
    }
    free(r->cause);
    free(r->record);
    free(r->notice);
    free(r->ask_id);
}

/* SPDX-License-Identifier: MIT
 * Fuzz target: requests. The kernel's router, with its sockets and publisher
 * but no compute process, is sent what the input's lines say: the first letter
 * chooses the message, the rest is its content. Some letters are what the
 * compute process would say. Every content must leave the router able to
 * answer the next question.
 */
#define _GNU_SOURCE
#include "kernel/log.h"
#include "kernel/router.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = {
#define HANDLER(type, channels, when, function) #type,
#include "kernel/handlers.def"
#undef HANDLER
};
enum { TYPES = sizeof types / sizeof *types, LINES = 40 };
static const struct {
    char letter;
    kernel_event event;
} events[] = {{'A', KERNEL_EVENT_INPUT}, {'S', KERNEL_EVENT_SYMBOLS},
              {'D', KERNEL_EVENT_DONE},  {'T', KERNEL_EVENT_TWIN}};

/* One socket pair a channel, and what lives as long as the program. */
static struct {
    void *context, *client[JP_CHANNEL_COUNT], *xpub;
    jp_channels channels;
    jp_wire *wire;
    kernel_queue *relay;
    kernel_iopub *io;
    int link[2];
    kernel_shared shared;
} world;

static void check(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void *bound(int type, const char *address)
{
    void *socket = zmq_socket(world.context, type);
    check(socket && zmq_bind(socket, address) == 0);
    return socket;
}

static void set_up(void)
{
    jp_error err = {""};
    world.context = world.channels.context = zmq_ctx_new();
    for (int i = JP_SHELL; i <= JP_STDIN; i++) {
        char address[32] = "inproc://a";
        address[9] = (char)('a' + i);
        if (i != JP_SHELL && i != JP_CONTROL && i != JP_STDIN) {
            continue;
        }
        world.channels.socket[i] = bound(ZMQ_ROUTER, address);
        world.client[i] = zmq_socket(world.context, ZMQ_DEALER);
        zmq_setsockopt(world.client[i], ZMQ_ROUTING_ID, "client", 6);
        check(zmq_connect(world.client[i], address) == 0);
    }
    world.xpub = bound(ZMQ_XPUB, "inproc://iopub");
    world.wire = jp_wire_new("hmac-sha256", "", "s", 'r', &err);
    world.relay = kernel_queue_new();
    world.io = kernel_iopub_new(world.xpub, world.wire, "s", world.relay);
    check(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, world.link) == 0);
    check(world.wire && world.relay && world.io);
    stderr = fopen("/dev/null", "w");   /* where the kernel's log goes */
    check(stderr != NULL);
}

/* --- the client ---------------------------------------------------------------- */

static void send_message(jp_channel channel, const char *type,
                         const char *content, size_t size)
{
    char header[160];
    void *socket = world.client[channel];
    snprintf(header, sizeof header, "{\"msg_id\":\"1\",\"msg_type\":\"%s\"}",
             type);
    zmq_send(socket, "<IDS|MSG>", 9, ZMQ_SNDMORE);
    zmq_send(socket, "", 0, ZMQ_SNDMORE);
    zmq_send(socket, header, strlen(header), ZMQ_SNDMORE);
    zmq_send(socket, "{}", 2, ZMQ_SNDMORE);
    zmq_send(socket, "{}", 2, ZMQ_SNDMORE);
    zmq_send(socket, content, size, 0);
}

/* Reads one message; its last frame (malloc'ed), NULL: none waits. */
static char *receive(jp_channel channel)
{
    char *last = NULL;
    int more = 1, flags = ZMQ_DONTWAIT;
    while (more) {
        zmq_msg_t m;
        size_t room = sizeof more;
        zmq_msg_init(&m);
        if (zmq_msg_recv(&m, world.client[channel], flags) < 0) {
            zmq_msg_close(&m);
            break;
        }
        free(last);
        last = kernel_copy(zmq_msg_data(&m), zmq_msg_size(&m));
        zmq_msg_close(&m);
        zmq_getsockopt(world.client[channel], ZMQ_RCVMORE, &more, &room);
        flags = 0;
    }
    return last;
}

/* Every reply's content is a JSON object. */
static int take_replies(jp_channel channel)
{
    int n = 0;
    for (char *text; (text = receive(channel)); n++) {
        json_t *o = json_loads(text, JSON_ALLOW_NUL, NULL);
        check(json_is_object(o));
        json_decref(o);
        free(text);
    }
    return n;
}

/* --- the router ------------------------------------------------------------------ */

static void drain_link(void)
{
    char buffer[4096];
    while (recv(world.link[1], buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
    }
}

static void begin(kernel_router *r, const jp_connection *connection)
{
    *r = (kernel_router){.connection = connection,
                         .channels = &world.channels,
                         .wire = world.wire,
                         .io = world.io,
                         .history = kernel_history_new("/dev/null/none"),
                         .symbols = lang_symbols_new(),
                         .signals = -1,
                         .parent = -1};
    kernel_outbox_init(&r->outbox);
    r->last = &r->first;
    kernel_checkpoints_init(&r->checkpoints);
    r->child = (kernel_child){.pid = INT_MAX, .link = world.link[0],
                              .crash = -1, .memory = -1,
                              .shared = &world.shared};
    r->ready = true;
}

static void end(kernel_router *r)
{
    r->child.pid = 0;
    r->child.link = -1;
    kernel_router_close(r);
    kernel_history_free(r->history);
    lang_symbols_free(r->symbols);
}

static void happen(kernel_router *r, kernel_event event, const char *text,
                   size_t size)
{
    char *copy = kernel_copy(text, size);
    kernel_news n = {.event = event, .text = copy, .size = size, .fd = -1};
    kernel_handle_event(r, &n);
    free(copy);
}

static void run_line(kernel_router *r, const char *line, size_t size)
{
    char letter = line[0];
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        if (events[i].letter == letter) {
            happen(r, events[i].event, line + 1, size - 1);
            return;
        }
    }
    if (letter == 'I') {
        send_message(JP_STDIN, "input_reply", line + 1, size - 1);
        kernel_router_read(r, JP_STDIN);
        return;
    }
    jp_channel channel = letter >= 'a' ? JP_SHELL : JP_CONTROL;
    send_message(channel, types[(unsigned char)letter % TYPES], line + 1,
                 size - 1);
    kernel_router_read(r, channel);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    jp_connection connection = {0};
    kernel_router r;
    const char *at = (const char *)data, *stop = at + size;
    if (!world.context) {
        set_up();
    }
    begin(&r, &connection);
    for (int n = 0; at < stop && n < LINES; n++) {
        const char *newline = memchr(at, '\n', (size_t)(stop - at));
        const char *last = newline ? newline : stop;
        if (last > at) {
            run_line(&r, at, (size_t)(last - at));
        }
        at = last + 1;
        drain_link();
        take_replies(JP_SHELL);
        take_replies(JP_CONTROL);
        take_replies(JP_STDIN);
    }
    send_message(JP_CONTROL, "kernel_info_request", "{}", 2);
    kernel_router_read(&r, JP_CONTROL);
    check(take_replies(JP_CONTROL) == 1);
    end(&r);
    take_replies(JP_SHELL);
    return 0;
}

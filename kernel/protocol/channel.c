/* SPDX-License-Identifier: MIT
 * Opens and binds the kernel's sockets.
 */
#include "kernel/protocol/channel.h"

#include "kernel/protocol/ipc.h"
#include "kernel/protocol/listen.h"
#include "kernel/protocol/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <zmq.h>

/* An XPUB that never drops needs little room: what waits for a client waits
 * behind it, where bytes are counted. Whoever connects and then says nothing
 * is sent away. */
enum {
    LINGER_MS = 500,
    ROUTER_ROOM = 10000,
    XPUB_ROOM = 256,
    HANDSHAKE_MS = 10000
};

/* `largest`: bytes of one frame; libzmq closes the connection of who sends
 * more, before it takes the memory. */
static const struct {
    int type;
    int64_t largest;
} kinds[JP_CHANNEL_COUNT] = {
    [JP_SHELL] = {ZMQ_ROUTER, JP_MAX_MESSAGE},
    [JP_CONTROL] = {ZMQ_ROUTER, 1 << 24},
    [JP_STDIN] = {ZMQ_ROUTER, 1 << 26},
    [JP_IOPUB] = {ZMQ_XPUB, 1 << 16},
    [JP_HEARTBEAT] = {ZMQ_ROUTER, 1 << 16},
};

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool set_options(void *socket, jp_channel channel,
                        const jp_connection *c)
{
    bool publishes = kinds[channel].type == ZMQ_XPUB;
    bool ok = zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &kinds[channel].largest,
                             sizeof(int64_t)) == 0 &&
              set_int(socket, ZMQ_LINGER, LINGER_MS) &&
              set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) &&
              (jp_ipc_only_own(socket) ||
               (errno == EINVAL && !publishes)) &&
              set_int(socket, ZMQ_SNDHWM,
                      publishes ? XPUB_ROOM : ROUTER_ROOM) &&
              set_int(socket, ZMQ_IPV6, strchr(c->ip, ':') != NULL);
    if (!publishes) {
        return ok && set_int(socket, ZMQ_ROUTER_HANDOVER, 1);
    }
    return ok && set_int(socket, ZMQ_XPUB_VERBOSER, 1) &&
           set_int(socket, ZMQ_XPUB_NODROP, 1);
}

/* From here on the socket talks to none who does not know the public key. */
static bool set_keys(void *socket, const jp_connection *c)
{
    return !c->curve ||
           (set_int(socket, ZMQ_CURVE_SERVER, 1) &&
            zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, c->curve_public,
                           JP_CURVE_KEY_SIZE) == 0 &&
            zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, c->curve_secret,
                           JP_CURVE_KEY_SIZE) == 0);
}

void *jp_socket_bind(void *context, const jp_connection *c, jp_channel channel,
                     const char *inner, jp_error *err)
{
    char address[JP_ADDRESS_MAX];
    if (inner) {
        snprintf(address, sizeof address, "%s", inner);
    } else if (!jp_connection_address(c, channel, address, err) ||
               !jp_path_free(c, address, err)) {
        return NULL;
    }
    void *socket = zmq_socket(context, kinds[channel].type);
    if (!socket || !set_options(socket, channel, c) || !set_keys(socket, c) ||
        zmq_bind(socket, address) != 0) {
        jp_fail(err, "%s: cannot bind %s: %s", jp_channel_name(channel),
                address, zmq_strerror(errno));
        if (socket) {
            zmq_close(socket);
        }
        return NULL;
    }
    return socket;
}

bool jp_channels_open(jp_channels *out, const jp_connection *connection,
                      jp_error *err)
{
    *out = (jp_channels){.listener = -1};
    out->context = zmq_ctx_new();
    if (!out->context) {
        return jp_fail(err, "channels: %s", zmq_strerror(errno));
    }
    mode_t before = umask(077);   /* ipc sockets are for their owner */
    bool ok = jp_inner_address(out->inner, err);
    for (int i = 0; ok && i < JP_CHANNEL_COUNT; i++) {
        if (i != JP_HEARTBEAT) {
            out->socket[i] = jp_socket_bind(out->context, connection, i,
                                            i == JP_IOPUB ? out->inner : NULL,
                                            err);
            ok = out->socket[i] != NULL;
        }
    }
    umask(before);
    out->listener = ok ? jp_listen(connection, JP_IOPUB, err) : -1;
    if (out->listener < 0) {
        jp_channels_close(out);
    }
    return out->listener >= 0;
}

void jp_channels_close(jp_channels *c)
{
    for (int i = 0; i < JP_CHANNEL_COUNT; i++) {
        if (c->socket[i]) {
            zmq_close(c->socket[i]);
        }
    }
    while (c->context && zmq_ctx_term(c->context) != 0 && errno == EINTR) {
    }
    *c = (jp_channels){.listener = c->listener};
}

/* The descriptor that becomes readable when something happens to the socket,
 * not: each time there is something to receive. */
static int event_fd(void *socket)
{
    int fd = -1;
    size_t size = sizeof fd;
    zmq_getsockopt(socket, ZMQ_FD, &fd, &size);
    return fd;
}

static bool has_message(void *socket)
{
    int events = 0;
    size_t size = sizeof events;
    return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) == 0 &&
           (events & ZMQ_POLLIN);
}

/* Sockets from which something can be received without a wait. */
static bool look_at_sockets(jp_poll_item *items, int n)
{
    bool any = false;
    for (int i = 0; i < n; i++) {
        items[i].ready = items[i].socket && has_message(items[i].socket);
        any |= items[i].ready;
    }
    return any;
}

/* One wait. False: time is left, and what happened was no message. */
static bool wait_once(jp_poll_item *items, int n, int timeout)
{
    struct pollfd set[JP_POLL_MAX];
    bool any = false;
    for (int i = 0; i < n; i++) {
        set[i] = (struct pollfd){
            .fd = items[i].socket ? event_fd(items[i].socket) : items[i].fd,
            .events = items[i].write ? POLLOUT : POLLIN};
    }
    if (poll(set, (nfds_t)n, timeout) <= 0) {
        return true;
    }
    for (int i = 0; i < n; i++) {
        if (set[i].revents && !items[i].ready) {
            items[i].ready = !items[i].socket || has_message(items[i].socket);
        }
        any |= items[i].ready;
    }
    return any;
}

static int64_t milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* zmq_poll does the same, but asks every socket after every wait too, which
 * is two system calls each. */
void jp_poll(jp_poll_item *items, int n, int64_t timeout)
{
    int64_t left = look_at_sockets(items, n) ? 0 : timeout;
    int64_t end = left > 0 ? milliseconds() + left : 0;
    while (!wait_once(items, n, (int)left) && left) {
        if (left > 0 && (left = end - milliseconds()) < 0) {
            left = 0;
        }
    }
}

/* Reads the frames that follow in the same message and lets them go. */
static void skip_rest(void *socket, zmq_msg_t *frame)
{
    while (zmq_msg_more(frame)) {
        if (zmq_msg_recv(frame, socket, 0) < 0 && errno != EINTR) {
            return;
        }
    }
}

jp_upstream jp_upstream_take(void *xpub, char topic[JP_TOPIC_MAX],
                             size_t *size)
{
    zmq_msg_t frame;
    jp_upstream kind = JP_UP_NONE;
    zmq_msg_init(&frame);
    if (zmq_msg_recv(&frame, xpub, ZMQ_DONTWAIT) >= 0) {
        const char *data = zmq_msg_data(&frame);
        size_t n = zmq_msg_size(&frame);
        kind = JP_UP_OTHER;
        if (n >= 1 && n <= JP_TOPIC_MAX && data[0] <= 1 && data[0] >= 0 &&
            !zmq_msg_more(&frame)) {
            kind = data[0] ? JP_UP_SUBSCRIBED : JP_UP_UNSUBSCRIBED;
            *size = n - 1;
            memcpy(topic, data + 1, n - 1);
            topic[n - 1] = '\0';
        }
        skip_rest(xpub, &frame);
    }
    zmq_msg_close(&frame);
    return kind;
}

void jp_publisher_drops(void *xpub, bool drops)
{
    set_int(xpub, ZMQ_XPUB_NODROP, !drops);
}

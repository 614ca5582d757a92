/* SPDX-License-Identifier: MIT
 * Clients of the publisher's socket, through the relay.
 */
#include "kernel/relay.h"

#include "kernel/protocol/channel.h"
#include "kernel/protocol/listen.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

enum { SIZE = 64 * 1024, MANY = 1000, LIMIT = 4 << 20 };

typedef struct bench {
    char folder[64], address[JP_ADDRESS_MAX];
    jp_connection connection;
    jp_channels channels;
    kernel_relay *relay;
    void *context;
} bench;

static void open_bench(bench *b)
{
    char text[256], folder[] = "/tmp/rustorch-relay-XXXXXX";
    *b = (bench){.context = zmq_ctx_new()};
    CHECK(mkdtemp(folder) != NULL);
    memcpy(b->folder, folder, sizeof folder);
    snprintf(text, sizeof text,
             "{\"transport\":\"ipc\",\"ip\":\"%s/k\",\"key\":\"k\","
             "\"shell_port\":1,\"control_port\":2,\"stdin_port\":3,"
             "\"iopub_port\":4,\"hb_port\":5}", folder);
    CHECK(jp_connection_parse(&b->connection, jp_text(text), NULL));
    CHECK(jp_channels_open(&b->channels, &b->connection, NULL));
    jp_connection_address(&b->connection, JP_IOPUB, b->address, NULL);
    b->relay = kernel_relay_start(b->channels.listener, b->channels.inner,
                                  LIMIT);
    CHECK(b->relay != NULL);
}

static void close_bench(bench *b)
{
    char file[JP_ADDRESS_MAX];
    zmq_ctx_term(b->context);
    jp_channels_close(&b->channels);
    kernel_relay_stop(b->relay);
    jp_listen_close(&b->connection, JP_IOPUB, b->channels.listener);
    CHECK(access(b->address + sizeof "ipc://" - 1, F_OK) != 0);
    for (int i = 1; i <= 3; i++) {
        snprintf(file, sizeof file, "%s/k-%d", b->folder, i);
        unlink(file);
    }
    CHECK_INT(rmdir(b->folder), 0);
    jp_connection_dispose(&b->connection);
}

static void set(void *socket, int option, int value)
{
    zmq_setsockopt(socket, option, &value, sizeof value);
}

/* A subscriber that the publisher knows of. */
static void *subscribe(bench *b, int room)
{
    char topic[JP_TOPIC_MAX];
    size_t size;
    void *sub = zmq_socket(b->context, ZMQ_SUB);
    set(sub, ZMQ_LINGER, 0);
    set(sub, ZMQ_RCVHWM, room);
    set(sub, ZMQ_RCVTIMEO, 20000);
    zmq_setsockopt(sub, ZMQ_SUBSCRIBE, "", 0);
    zmq_connect(sub, b->address);
    for (int i = 0; i < 20000; i++) {
        if (jp_upstream_take(b->channels.socket[JP_IOPUB], topic, &size) ==
            JP_UP_SUBSCRIBED) {
            return sub;
        }
        usleep(1000);
    }
    CHECK(false);
    return sub;
}

/* Sends message number i; whether there was room within `ms`. */
static bool publish(bench *b, int i, int ms)
{
    static char body[SIZE];
    memcpy(body, &i, sizeof i);
    for (int t = 0; t <= ms; t++) {
        if (zmq_send(b->channels.socket[JP_IOPUB], body, SIZE,
                     ZMQ_DONTWAIT) == SIZE) {
            return true;
        }
        usleep(1000);
    }
    return false;
}

/* The next message's number. */
static int take(void *sub)
{
    static char body[SIZE];
    int i = -1;
    if (zmq_recv(sub, body, SIZE, 0) == SIZE) {
        memcpy(&i, body, sizeof i);
    }
    return i;
}

/* The next event, -1: none within 20 s. */
static int next_event(bench *b, int ms)
{
    for (int t = 0; t <= ms; t++) {
        kernel_note *n = kernel_queue_take(kernel_relay_events(b->relay));
        if (n) {
            int kind = n->kind;
            kernel_note_free(n);
            return kind;
        }
        usleep(1000);
    }
    return -1;
}

CASE(messages_pass_whole_and_in_order)
{
    bench b;
    int wrong = 0;
    open_bench(&b);
    void *sub = subscribe(&b, 1);
    for (int i = 0; i < MANY; i++) {
        CHECK(publish(&b, i, 20000));
        wrong += take(sub) != i;
    }
    CHECK_INT(wrong, 0);
    zmq_close(sub);
    close_bench(&b);
}

CASE(one_that_does_not_read_keeps_no_other_waiting)
{
    bench b;
    int wrong = 0, room = 0;
    open_bench(&b);
    void *idle = subscribe(&b, 1), *sub = subscribe(&b, 1);
    for (int i = 0; i < 60; i++) {      /* 4 MiB: below the limit */
        room += publish(&b, i, 20000);
        wrong += take(sub) != i;
    }
    CHECK_INT(room, 60);
    CHECK_INT(next_event(&b, 0), -1);
    for (int i = 0; i < 60; i++) {
        wrong += take(idle) != i;
    }
    CHECK_INT(wrong, 0);
    zmq_close(idle);
    zmq_close(sub);
    close_bench(&b);
}

CASE(at_the_limit_it_is_said_and_the_socket_refuses)
{
    bench b;
    int sent = 0, wrong = 0;
    open_bench(&b);
    void *sub = subscribe(&b, 1);
    while (sent < MANY && publish(&b, sent, 500)) {
        sent++;
    }
    CHECK(sent > LIMIT / SIZE && sent < MANY);
    CHECK_INT(next_event(&b, 20000), KERNEL_RELAY_FULL);
    CHECK_INT(next_event(&b, 0), -1);
    for (int i = 0; i < sent; i++) {
        wrong += take(sub) != i;
    }
    CHECK_INT(wrong, 0);
    CHECK_INT(next_event(&b, 20000), KERNEL_RELAY_ROOM);
    CHECK(publish(&b, sent, 20000));
    CHECK_INT(take(sub), sent);
    zmq_close(sub);
    close_bench(&b);
}

CASE(one_that_leaves_at_the_limit_makes_room)
{
    bench b;
    int sent = 0;
    open_bench(&b);
    void *sub = subscribe(&b, 1);
    while (sent < MANY && publish(&b, sent, 500)) {
        sent++;
    }
    CHECK_INT(next_event(&b, 20000), KERNEL_RELAY_FULL);
    zmq_close(sub);
    CHECK_INT(next_event(&b, 20000), KERNEL_RELAY_ROOM);
    CHECK(publish(&b, sent, 20000));
    close_bench(&b);
}

CASE(what_waits_at_the_end_still_leaves)
{
    bench b;
    int wrong = 0;
    open_bench(&b);
    void *sub = subscribe(&b, 0);
    for (int i = 0; i < 40; i++) {
        CHECK(publish(&b, i, 20000));
    }
    jp_channels_close(&b.channels);
    for (int i = 0; i < 40; i++) {
        wrong += take(sub) != i;
    }
    CHECK_INT(wrong, 0);
    zmq_close(sub);
    close_bench(&b);
}

CASE(junk_ends_the_connection_it_came_on)
{
    bench b;
    char byte, greeting[64] = "\xff\0\0\0\0\0\0\0\0\x7f\3\0NOSUCH";
    open_bench(&b);
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    memcpy(to.sun_path, b.address + 6, strlen(b.address + 6) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    CHECK_INT(send(fd, greeting, sizeof greeting, 0), sizeof greeting);
    while (recv(fd, &byte, 1, 0) > 0) {
    }
    close(fd);
    void *sub = subscribe(&b, 1);
    CHECK(publish(&b, 7, 20000));
    CHECK_INT(take(sub), 7);
    zmq_close(sub);
    close_bench(&b);
}

UNIT_MAIN

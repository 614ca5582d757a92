/* SPDX-License-Identifier: MIT
 * What a stranger's bytes may cost: sizes and counts are bounded before memory
 * is taken for them.
 */
#include "kernel/protocol/channel.h"
#include "kernel/protocol/wire.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

enum { SLACK_KIB = 16 << 10 };

/* A figure of this process in KiB, as "VmPeak". */
static long figure(const char *name)
{
    char line[256];
    long kib = -1;
    size_t n = strlen(name);
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, name, n) == 0 && line[n] == ':') {
            kib = strtol(line + n + 1, NULL, 10);
        }
    }
    if (f) {
        fclose(f);
    }
    return kib;
}

/* A kernel's socket on some port of this machine. */
typedef struct place {
    void *context, *socket;
    char address[64];
} place;

static bool open_place(place *p, jp_channel channel)
{
    jp_connection c = {.transport = "tcp", .ip = "127.0.0.1", .key = "key"};
    jp_error err = {""};
    size_t size = sizeof p->address;
    p->context = zmq_ctx_new();
    p->socket = jp_socket_bind(p->context, &c, channel, "tcp://127.0.0.1:*",
                               &err);
    CHECK_TEXT(err.text, "");
    return p->socket && zmq_getsockopt(p->socket, ZMQ_LAST_ENDPOINT,
                                       p->address, &size) == 0;
}

static void close_place(place *p)
{
    zmq_close(p->socket);
    zmq_ctx_term(p->context);
}

/* --- one frame ---------------------------------------------------------------- */

static bool send_all(int fd, const void *data, size_t size)
{
    return send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size;
}

/* A connection that has shaken hands by ZMTP 3.0, or -1. */
static int speak(const place *p, const char *kind)
{
    static const char name[] = "\5READY\13Socket-Type";
    unsigned char greeting[64] = {0xff, [9] = 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
    unsigned char ready[64] = {4}, got[512];
    size_t n = sizeof name - 1, size = strlen(kind), have = 0;
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct timeval patience = {.tv_sec = 30};
    to.sin_port = htons((uint16_t)strtol(strrchr(p->address, ':') + 1, NULL,
                                         10));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ready[1] = (unsigned char)(n + 4 + size);
    memcpy(ready + 2, name, n);
    ready[2 + n + 3] = (unsigned char)size;
    memcpy(ready + 2 + n + 4, kind, size);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    bool ok = connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
              send_all(fd, greeting, sizeof greeting) &&
              send_all(fd, ready, 2 + n + 4 + size);
    while (ok && have < sizeof greeting + 2) {
        ssize_t more = recv(fd, got + have, sizeof got - have, 0);
        ok = more > 0;
        have += ok ? (size_t)more : 0;
    }
    CHECK(ok);
    return fd;
}

/* Whether the other side hangs up. */
static bool is_closed(int fd)
{
    char rest[4096];
    ssize_t n;
    while ((n = recv(fd, rest, sizeof rest, 0)) > 0) {
    }
    return n == 0 || errno == ECONNRESET;
}

static void claim(const place *p, const char *kind, uint64_t size)
{
    unsigned char frame[9] = {2};
    int fd = speak(p, kind);
    for (int i = 0; i < 8; i++) {
        frame[1 + i] = (unsigned char)(size >> 8 * (7 - i));
    }
    send_all(fd, frame, sizeof frame);
    CHECK(is_closed(fd));
    close(fd);
}

CASE(a_frame_that_claims_more_than_its_channel_takes_costs_nothing)
{
    static const struct {
        jp_channel channel;
        const char *kind;
        uint64_t limit;
    } rows[] = {{JP_SHELL, "DEALER", JP_MAX_MESSAGE},
                {JP_CONTROL, "DEALER", 16 << 20},
                {JP_STDIN, "DEALER", 64 << 20},
                {JP_IOPUB, "SUB", 64 << 10},
                {JP_HEARTBEAT, "REQ", 64 << 10}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        place p;
        if (open_place(&p, rows[i].channel)) {
            int fd = speak(&p, rows[i].kind);   /* what a connection takes */
            long before = figure("VmPeak");
            claim(&p, rows[i].kind, rows[i].limit + 1);
            claim(&p, rows[i].kind, UINT64_C(1) << 40);
            claim(&p, rows[i].kind, UINT64_MAX);
            CHECK(figure("VmPeak") - before < SLACK_KIB);
            close(fd);
        }
        close_place(&p);
    }
}

/* --- one message -------------------------------------------------------------- */

/* What the kernel says of a message of n frames of `size` bytes. */
static void refuse(int n, size_t size, const char *what)
{
    place p;
    jp_wire *w = jp_wire_new("hmac-sha256", "key", "session", 'r', NULL);
    void *client;
    char *data = calloc(1, size + 1);
    jp_message *m = NULL;
    jp_error err = {""};
    jp_verdict verdict = JP_NONE;
    if (open_place(&p, JP_SHELL)) {
        client = zmq_socket(p.context, ZMQ_DEALER);
        CHECK(zmq_connect(client, p.address) == 0);
        for (int i = 0; i < n; i++) {
            zmq_send(client, data, size, i + 1 < n ? ZMQ_SNDMORE : 0);
        }
        jp_poll(&(jp_poll_item){.socket = p.socket}, 1, 60000);
        verdict = jp_wire_receive(w, p.socket, &m, &err);
        zmq_close(client);
    }
    CHECK_INT(verdict, JP_DROPPED);
    CHECK(m == NULL);
    CHECK_HAS(err.text, what);
    free(data);
    jp_wire_free(w);
    close_place(&p);
}

CASE(a_message_of_too_many_frames_is_read_and_let_go)
{
    refuse(JP_MAX_FRAMES + 1, 1, "more than 256 frames");
    refuse(4000, 100, "more than 256 frames");
    refuse(JP_MAX_FRAMES - 1, 1, "without a delimiter");
}

CASE(a_message_of_too_many_bytes_is_let_go_unread)
{
    refuse(5, JP_MAX_MESSAGE / 4, "or 268435456 bytes");
}

UNIT_MAIN

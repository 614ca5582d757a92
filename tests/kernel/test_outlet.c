/* SPDX-License-Identifier: MIT
 * The publisher's waiting line before a subscriber that does not read.
 */
#include "kernel/outlet.h"

#include "tests/unit/unit.h"

#include <zmq.h>

enum { MANY = 200, SIZE = 100 * 1024 };

/* An XPUB as the kernel's, and one subscriber with little room. */
typedef struct bench {
    void *context, *pub, *sub;
    jp_wire *wire;
    kernel_outlet outlet;
    char *text;
} bench;

static void open_bench(bench *b)
{
    const int one = 1;
    char greeting[2];
    b->context = zmq_ctx_new();
    b->pub = zmq_socket(b->context, ZMQ_XPUB);
    b->sub = zmq_socket(b->context, ZMQ_SUB);
    zmq_setsockopt(b->pub, ZMQ_SNDHWM, &one, sizeof one);
    zmq_setsockopt(b->pub, ZMQ_XPUB_NODROP, &one, sizeof one);
    zmq_setsockopt(b->sub, ZMQ_RCVHWM, &one, sizeof one);
    zmq_setsockopt(b->sub, ZMQ_SUBSCRIBE, "", 0);
    zmq_bind(b->pub, "inproc://outlet");
    zmq_connect(b->sub, "inproc://outlet");
    zmq_recv(b->pub, greeting, sizeof greeting, 0);
    b->wire = jp_wire_new("hmac-sha256", "k", "session", 'p', NULL);
    b->text = malloc(SIZE);
    memset(b->text, ' ', SIZE);
    kernel_outlet_init(&b->outlet, b->pub);
}

static void close_bench(bench *b)
{
    const int none = 0;
    kernel_outlet_clear(&b->outlet);
    zmq_setsockopt(b->pub, ZMQ_LINGER, &none, sizeof none);
    zmq_close(b->pub);
    zmq_close(b->sub);
    zmq_ctx_term(b->context);
    jp_wire_free(b->wire);
    free(b->text);
}

/* Message number i, its number first in the content. */
static void add(bench *b, int i, bool stream)
{
    char number[16];
    int n = snprintf(number, sizeof number, "%d", i);
    memcpy(b->text, number, (size_t)n + 1);
    b->text[n] = ' ';
    jp_outgoing o = {.type = "stream", .content = {b->text, SIZE}};
    kernel_outlet_add(&b->outlet, jp_wire_pack(b->wire, &o, NULL), stream);
}

/* The number of the next message; -1: none is there. */
static int take(bench *b)
{
    static char frame[SIZE];
    int more = 1, number = -1;
    size_t size = sizeof more;
    while (more) {
        if (zmq_recv(b->sub, frame, sizeof frame, ZMQ_DONTWAIT) < 0) {
            return -1;
        }
        zmq_getsockopt(b->sub, ZMQ_RCVMORE, &more, &size);
    }
    sscanf(frame, "%d", &number);
    return number;
}

CASE(nothing_is_lost_and_order_is_kept)
{
    bench b;
    int wrong = 0, next = 0;
    open_bench(&b);
    for (int i = 0; i < MANY; i++) {
        add(&b, i, true);
    }
    CHECK(kernel_outlet_waits(&b.outlet));
    CHECK(kernel_outlet_full(&b.outlet));
    for (int idle = 0; next < MANY && idle < 1000000; idle++) {
        int got = take(&b);
        if (got >= 0) {
            wrong += got != next++;
        }
        kernel_outlet_push(&b.outlet);
    }
    CHECK_INT(next, MANY);
    CHECK_INT(wrong, 0);
    CHECK_INT(b.outlet.bytes, 0);
    CHECK_INT(kernel_outlet_take_lost(&b.outlet), 0);
    close_bench(&b);
}

CASE(a_dead_subscriber_costs_stream_text_and_nothing_else)
{
    bench b;
    int got, others = 0;
    open_bench(&b);
    for (int i = 0; i < MANY; i++) {
        add(&b, i, i % 10 != 9);
    }
    b.outlet.progress -= 11000;
    kernel_outlet_push(&b.outlet);
    CHECK(!kernel_outlet_full(&b.outlet));
    add(&b, MANY, true);
    add(&b, MANY + 9, false);
    for (int idle = 0; idle < 100000; idle++) {
        if ((got = take(&b)) >= 0) {
            others += got % 10 == 9;
        }
        kernel_outlet_push(&b.outlet);
    }
    CHECK_INT(others, MANY / 10 + 1);
    CHECK(kernel_outlet_take_lost(&b.outlet) > 100 * SIZE);
    CHECK_INT(kernel_outlet_take_lost(&b.outlet), 0);
    CHECK(!b.outlet.truncating);
    close_bench(&b);
}

UNIT_MAIN

/* SPDX-License-Identifier: MIT
 * The publisher's waiting line before a socket without room.
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
    kernel_outlet_add(&b->outlet, jp_wire_pack(b->wire, &o, NULL), stream, 7);
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

/* Takes what is there until nothing comes any more; how many came, and of
 * them how many with a number that ends in 9. */
static int take_all(bench *b, int *nines)
{
    int got, count = 0;
    *nines = 0;
    for (int idle = 0; idle < 100000; idle++) {
        if ((got = take(b)) >= 0) {
            count++;
            *nines += got % 10 == 9;
        }
        kernel_outlet_push(&b->outlet);
    }
    return count;
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
    CHECK_INT(kernel_outlet_take_lost(&b.outlet).bytes, 0);
    close_bench(&b);
}

CASE(when_nobody_reads_new_bulky_packets_are_let_go_after_a_while)
{
    bench b;
    int nines;
    open_bench(&b);
    b.outlet.subscribers = b.outlet.behind = 1;
    for (int i = 0; i < MANY / 2; i++) {
        add(&b, i, i % 10 != 9);
    }
    CHECK(kernel_outlet_full(&b.outlet));
    kernel_outlet_push(&b.outlet);
    CHECK(kernel_outlet_full(&b.outlet));
    b.outlet.progress -= 11000;
    kernel_outlet_push(&b.outlet);
    CHECK(!kernel_outlet_full(&b.outlet));
    for (int i = MANY / 2; i < MANY; i++) {
        add(&b, i, i % 10 != 9);
    }
    CHECK_INT(take_all(&b, &nines), MANY / 2 + MANY / 20);
    CHECK_INT(nines, MANY / 10);
    kernel_loss lost = kernel_outlet_take_lost(&b.outlet);
    CHECK(lost.all && lost.bytes >= 90 * SIZE);
    CHECK_INT(lost.lines, 7 * 90);
    CHECK_INT(kernel_outlet_take_lost(&b.outlet).bytes, 0);
    CHECK(!b.outlet.truncating);
    close_bench(&b);
}

/* A second subscriber, with room; the first is returned. */
static void *add_subscriber(bench *b)
{
    const int all = 0;
    char greeting[2];
    void *first = b->sub;
    b->sub = zmq_socket(b->context, ZMQ_SUB);
    zmq_setsockopt(b->sub, ZMQ_RCVHWM, &all, sizeof all);
    zmq_setsockopt(b->sub, ZMQ_SUBSCRIBE, "", 0);
    zmq_connect(b->sub, "inproc://outlet");
    zmq_recv(b->pub, greeting, sizeof greeting, ZMQ_DONTWAIT);
    b->outlet.subscribers = 2;
    return first;
}

/* The packets that wait all go out, to b's second subscriber. */
static void check_passed(bench *b)
{
    int got, next = 0, wrong = 0;
    kernel_outlet_push(&b->outlet);
    CHECK(!kernel_outlet_waits(&b->outlet));
    while ((got = take(b)) >= 0) {
        wrong += got != next++;
    }
    CHECK_INT(next, MANY);
    CHECK_INT(wrong, 0);
    add(b, MANY, true);
    CHECK(!kernel_outlet_waits(&b->outlet));
    CHECK_INT(take(b), MANY);
}

CASE(a_client_at_the_limit_holds_up_others_for_a_moment_and_its_loss_is_told)
{
    bench b;
    open_bench(&b);
    void *behind = add_subscriber(&b);
    b.outlet.behind = 1;
    for (int i = 0; i < MANY; i++) {
        add(&b, i, true);
    }
    kernel_outlet_push(&b.outlet);
    CHECK(kernel_outlet_waits(&b.outlet));
    b.outlet.progress -= 300;
    check_passed(&b);
    CHECK_INT(kernel_outlet_take_lost(&b.outlet).bytes, 0);    /* not yet */
    b.outlet.behind = 0;
    kernel_outlet_push(&b.outlet);
    CHECK_INT(kernel_outlet_take_lost(&b.outlet).bytes, 0);    /* nearly */
    b.outlet.room_since -= 2000;
    kernel_outlet_push(&b.outlet);
    kernel_loss lost = kernel_outlet_take_lost(&b.outlet);
    CHECK(!lost.all && lost.bytes >= (MANY - 10) * SIZE);
    CHECK(lost.lines >= 7 * (MANY - 10));
    zmq_close(behind);
    close_bench(&b);
}

CASE(others_wait_longer_where_nobody_is_known_to_be_behind)
{
    bench b;
    open_bench(&b);
    void *dead = add_subscriber(&b);
    for (int i = 0; i < MANY; i++) {
        add(&b, i, true);
    }
    b.outlet.progress -= 5000;
    kernel_outlet_push(&b.outlet);
    CHECK(kernel_outlet_waits(&b.outlet));
    b.outlet.progress -= 6000;
    check_passed(&b);
    zmq_close(dead);
    close_bench(&b);
}

UNIT_MAIN

/* SPDX-License-Identifier: MIT
 * The publisher's waiting line.
 */
#include "kernel/outlet.h"

#include "kernel/log.h"
#include "kernel/protocol/channel.h"

#include <stdlib.h>

enum { ROOM = 8 << 20, MOST = 1 << 30, DEAD_MS = 10000 };

struct kernel_waiting {
    jp_packet *packet;
    bool stream;
    struct kernel_waiting *next;
};

void kernel_outlet_init(kernel_outlet *o, void *socket)
{
    *o = (kernel_outlet){.socket = socket, .progress = kernel_now(),
                         .room = ROOM, .most = MOST};
    o->last = &o->first;
}

bool kernel_outlet_waits(const kernel_outlet *o)
{
    return o->first != NULL;
}

/* What is in memory counts as well: where no file can be had it is all. */
static bool crowded(const kernel_outlet *o)
{
    return kernel_spill_bytes(&o->file) > o->most || o->bytes > 2 * o->room;
}

bool kernel_outlet_full(const kernel_outlet *o)
{
    return crowded(o) && !o->truncating;
}

static void append(kernel_outlet *o, jp_packet *packet, bool stream)
{
    struct kernel_waiting *w = kernel_alloc(sizeof *w);
    w->packet = packet;
    w->stream = stream;
    o->bytes += jp_packet_size(packet);
    *o->last = w;
    o->last = &w->next;
}

/* Into the file, once memory is full or older packets are there. */
static bool spill(kernel_outlet *o, const jp_packet *packet, bool stream)
{
    size_t size;
    const void *data = jp_packet_bytes(packet, &size);
    return (o->bytes >= o->room || kernel_spill_bytes(&o->file)) &&
           kernel_spill_add(&o->file, data, size, stream);
}

static bool send(kernel_outlet *o, const jp_packet *packet)
{
    bool sent = jp_packet_send(packet, o->socket);
    if (sent) {
        o->progress = kernel_now();
    }
    return sent;
}

void kernel_outlet_add(kernel_outlet *o, jp_packet *packet, bool stream)
{
    if (!packet) {
        return;
    }
    if (!o->first && send(o, packet)) {
        jp_packet_free(packet);
        return;
    }
    if (stream && o->truncating) {
        o->lost += jp_packet_size(packet);
        jp_packet_free(packet);
    } else if (spill(o, packet, stream)) {
        jp_packet_free(packet);
    } else {
        append(o, packet, stream);
    }
}

static void remove_first(kernel_outlet *o)
{
    struct kernel_waiting *w = o->first;
    o->first = w->next;
    o->last = o->first ? o->last : &o->first;
    o->bytes -= jp_packet_size(w->packet);
    jp_packet_free(w->packet);
    free(w);
}

/* From the file into memory, as much as has its place there. */
static void refill(kernel_outlet *o)
{
    while (o->bytes < o->room && kernel_spill_bytes(&o->file)) {
        bool stream;
        void *data = kernel_spill_take(&o->file, &stream);
        if (data) {
            append(o, jp_packet_restore(data), stream);
        }
    }
}

static void send_waiting(kernel_outlet *o)
{
    while (o->first && send(o, o->first->packet)) {
        remove_first(o);
        if (!o->first || o->bytes < o->room / 2) {
            refill(o);
        }
    }
}

/* One subscriber reads nothing and the others shall not wait for it any
 * longer. Once a packet has been dropped for want of room the socket passes
 * that subscriber by, until it reads again. */
static void pass_by(kernel_outlet *o)
{
    kernel_log("a client takes no output for %d s: the others get it without "
               "waiting for that one", DEAD_MS / 1000);
    jp_publisher_drops(o->socket, true);
    if (send(o, o->first->packet)) {
        remove_first(o);
    }
    jp_publisher_drops(o->socket, false);
    refill(o);
    send_waiting(o);
}

void kernel_outlet_push(kernel_outlet *o)
{
    send_waiting(o);
    bool dead = o->first && kernel_now() - o->progress > DEAD_MS;
    if (dead && o->subscribers > 1) {
        pass_by(o);
    } else if (dead && kernel_outlet_full(o)) {
        o->truncating = true;
        kernel_log("a client takes no output for %d s and %lld bytes wait for "
                   "it: stream output is dropped until it reads again",
                   DEAD_MS / 1000,
                   (long long)kernel_spill_bytes(&o->file));
    }
    if (!crowded(o)) {
        o->truncating = false;
    }
}

size_t kernel_outlet_take_lost(kernel_outlet *o)
{
    size_t lost = o->first ? 0 : o->lost;
    o->lost -= lost;
    return lost;
}

void kernel_outlet_clear(kernel_outlet *o)
{
    kernel_spill_close(&o->file);
    while (o->first) {
        remove_first(o);
    }
}

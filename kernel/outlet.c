/* SPDX-License-Identifier: MIT
 * The publisher's waiting line.
 */
#include "kernel/outlet.h"

#include "kernel/log.h"
#include "kernel/protocol/channel.h"

#include <stdlib.h>

/* A client that is not at the limit is read from by the relay at once; one
 * that has room again is still passed by until the socket's queue is empty. */
enum { ROOM = 8 << 20, BEHIND_MS = 250, DEAD_MS = 10000, RETURN_MS = 1000 };

struct kernel_waiting {
    jp_packet *packet;
    int64_t lines;
    struct kernel_waiting *next;
};

void kernel_outlet_init(kernel_outlet *o, void *socket)
{
    *o = (kernel_outlet){.socket = socket, .progress = kernel_now(),
                         .room = ROOM};
    o->last = &o->first;
}

bool kernel_outlet_waits(const kernel_outlet *o)
{
    return o->first != NULL;
}

bool kernel_outlet_full(const kernel_outlet *o)
{
    return o->bytes > o->room && !o->truncating;
}

static void count_lost(kernel_outlet *o, const jp_packet *packet,
                       int64_t lines)
{
    o->lost.bytes += (int64_t)jp_packet_size(packet);
    o->lost.lines += lines;
}

static bool send(kernel_outlet *o, jp_packet *packet, int64_t lines)
{
    bool sent = jp_packet_send(packet, o->socket);
    if (sent) {
        o->progress = kernel_now();
        if (o->passing) {
            count_lost(o, packet, lines);
        }
    }
    return sent;
}

static void append(kernel_outlet *o, jp_packet *packet, int64_t lines)
{
    struct kernel_waiting *w = kernel_alloc(sizeof *w);
    w->packet = packet;
    w->lines = lines;
    o->progress = o->first ? o->progress : kernel_now();
    o->bytes += jp_packet_size(packet);
    *o->last = w;
    o->last = &w->next;
}

void kernel_outlet_add(kernel_outlet *o, jp_packet *packet, bool bulky,
                       int64_t lines)
{
    if (!packet) {
        return;
    }
    if (!o->first && send(o, packet, lines)) {
        jp_packet_free(packet);
    } else if (bulky && o->truncating) {
        o->lost.all = true;
        count_lost(o, packet, lines);
        jp_packet_free(packet);
    } else {
        append(o, packet, lines);
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

static void send_waiting(kernel_outlet *o)
{
    while (o->first && send(o, o->first->packet, o->first->lines)) {
        remove_first(o);
    }
}

/* Once a packet has been dropped for want of room the socket passes that
 * client by, until it has room again. */
static void pass_by(kernel_outlet *o)
{
    jp_publisher_drops(o->socket, true);
    o->passing = true;
    o->room_since = kernel_now();
    if (send(o, o->first->packet, o->first->lines)) {
        remove_first(o);
    }
    jp_publisher_drops(o->socket, false);
    send_waiting(o);
}

static void end_passing(kernel_outlet *o)
{
    int64_t now = kernel_now();
    o->room_since = o->behind || !o->room_since ? now : o->room_since;
    o->passing = o->passing && now - o->room_since < RETURN_MS;
}

void kernel_outlet_push(kernel_outlet *o)
{
    send_waiting(o);
    end_passing(o);
    o->truncating = o->truncating && o->first;
    int64_t still = o->first ? kernel_now() - o->progress : 0;
    bool others = o->subscribers > (o->behind ? o->behind : 1);
    if (others && still > (o->behind ? BEHIND_MS : DEAD_MS)) {
        pass_by(o);
    } else if (still > DEAD_MS && kernel_outlet_full(o)) {
        o->truncating = true;
        kernel_log("no client takes output: text and displays are dropped "
                   "until one reads again");
    }
}

kernel_loss kernel_outlet_take_lost(kernel_outlet *o)
{
    kernel_loss lost = {0};
    if (!o->first && !o->passing) {
        lost = o->lost;
        o->lost = (kernel_loss){0};
    }
    return lost;
}

void kernel_outlet_clear(kernel_outlet *o)
{
    while (o->first) {
        remove_first(o);
    }
}

/* SPDX-License-Identifier: MIT
 * The publisher's waiting line.
 */
#include "kernel/outlet.h"

#include "kernel/log.h"

#include <stdlib.h>

enum { FULL_BYTES = 8 * 1024 * 1024, DEAD_MS = 10000 };

struct kernel_waiting {
    jp_packet *packet;
    bool stream;
    struct kernel_waiting *next;
};

void kernel_outlet_init(kernel_outlet *o, void *socket)
{
    *o = (kernel_outlet){.socket = socket, .progress = kernel_now()};
    o->last = &o->first;
}

bool kernel_outlet_waits(const kernel_outlet *o)
{
    return o->first != NULL;
}

bool kernel_outlet_full(const kernel_outlet *o)
{
    return o->bytes > FULL_BYTES && !o->truncating;
}

void kernel_outlet_add(kernel_outlet *o, jp_packet *packet, bool stream)
{
    if (!packet) {
        return;
    }
    if (!o->first && jp_packet_send(packet, o->socket)) {
        o->progress = kernel_now();
        jp_packet_free(packet);
        return;
    }
    if (stream && o->truncating) {
        o->lost += jp_packet_size(packet);
        jp_packet_free(packet);
        return;
    }
    struct kernel_waiting *w = kernel_alloc(sizeof *w);
    w->packet = packet;
    w->stream = stream;
    o->bytes += jp_packet_size(packet);
    *o->last = w;
    o->last = &w->next;
}

static void remove_at(kernel_outlet *o, struct kernel_waiting **p)
{
    struct kernel_waiting *w = *p;
    *p = w->next;
    if (!w->next) {
        o->last = p;
    }
    o->bytes -= jp_packet_size(w->packet);
    jp_packet_free(w->packet);
    free(w);
}

static void truncate_streams(kernel_outlet *o)
{
    struct kernel_waiting **p = &o->first;
    o->truncating = true;
    while (*p) {
        if ((*p)->stream) {
            o->lost += jp_packet_size((*p)->packet);
            remove_at(o, p);
        } else {
            p = &(*p)->next;
        }
    }
    kernel_log("a client takes no output for %d s: stream output is dropped "
               "until it reads again",
               DEAD_MS / 1000);
}

void kernel_outlet_push(kernel_outlet *o)
{
    while (o->first && jp_packet_send(o->first->packet, o->socket)) {
        o->progress = kernel_now();
        remove_at(o, &o->first);
    }
    if (!o->first) {
        o->truncating = false;
    } else if (kernel_outlet_full(o) && kernel_now() - o->progress > DEAD_MS) {
        truncate_streams(o);
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
    while (o->first) {
        remove_at(o, &o->first);
    }
}

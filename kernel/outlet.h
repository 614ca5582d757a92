/* SPDX-License-Identifier: MIT
 *
 * outlet.h - packets on their way out of the XPUB socket, in order.
 *
 * Behind the socket the relay takes all and keeps what clients do not read, so
 * it has room but for moments, until a client has reached the relay's limit.
 * Then it refuses instead of dropping, and packets wait here, in a little
 * memory; when that is used up the publisher stops reading from the compute
 * process, whose prints then wait. Such a client holds up others for a
 * fraction of a second, then they get what it loses; when all clients are like
 * that, new bulky packets (text and displays, and only these) are let go after
 * ten seconds. What was let go is counted.
 */
#ifndef KERNEL_OUTLET_H
#define KERNEL_OUTLET_H

#include "kernel/protocol/wire.h"

#include <stdint.h>

/* What clients have not got. */
typedef struct kernel_loss {
    int64_t bytes, lines;  /* of packets; of printed text in them */
    bool all;              /* every client, for none has read */
} kernel_loss;

typedef struct kernel_outlet {
    void *socket;
    struct kernel_waiting *first, **last;
    size_t bytes;          /* waiting */
    size_t room;           /* bytes from which on nothing more is read */
    kernel_loss lost;      /* let go since the last report */
    int64_t progress;      /* when a packet left, ms */
    int subscribers;       /* the owner's to count, as is */
    int behind;            /* how many clients are at the limit */
    bool passing;          /* they are passed by: they lose what is sent */
    int64_t room_since;    /* while passing: when the last had room again */
    bool truncating;       /* nobody reads: bulky packets are let go */
} kernel_outlet;

void kernel_outlet_init(kernel_outlet *o, void *socket);
/* Takes the packet, which holds so many lines of text; NULL is ignored. */
void kernel_outlet_add(kernel_outlet *o, jp_packet *packet, bool bulky,
                       int64_t lines);
/* Sends what fits. */
void kernel_outlet_push(kernel_outlet *o);
bool kernel_outlet_full(const kernel_outlet *o);
bool kernel_outlet_waits(const kernel_outlet *o);
/* What was lost and is not yet reported, once clients read again and all that
 * waited has left; else nothing. Where one client was passed by, up to a
 * second's output more is counted than it has missed. */
kernel_loss kernel_outlet_take_lost(kernel_outlet *o);
void kernel_outlet_clear(kernel_outlet *o);

#endif

/* SPDX-License-Identifier: MIT
 *
 * outlet.h - packets on their way out of the XPUB socket, in order.
 *
 * The socket refuses instead of dropping when a subscriber is slow; packets
 * then wait here. Past a limit the outlet is "full": the publisher stops
 * reading from the compute process, whose prints then wait. When a subscriber
 * takes nothing for ten seconds while the outlet is full, stream packets (and
 * only these) are let go, and counted.
 */
#ifndef KERNEL_OUTLET_H
#define KERNEL_OUTLET_H

#include "kernel/protocol/wire.h"

#include <stdint.h>

typedef struct kernel_outlet {
    void *socket;
    struct kernel_waiting *first, **last;
    size_t bytes;          /* waiting */
    size_t lost;           /* stream bytes let go since the last report */
    int64_t progress;      /* when a packet left, ms */
    bool truncating;
} kernel_outlet;

void kernel_outlet_init(kernel_outlet *o, void *socket);
/* Takes the packet; NULL is ignored. */
void kernel_outlet_add(kernel_outlet *o, jp_packet *packet, bool stream);
/* Sends what fits. */
void kernel_outlet_push(kernel_outlet *o);
bool kernel_outlet_full(const kernel_outlet *o);
bool kernel_outlet_waits(const kernel_outlet *o);
/* Stream bytes lost and not yet reported, once all that waited has left. */
size_t kernel_outlet_take_lost(kernel_outlet *o);
void kernel_outlet_clear(kernel_outlet *o);

#endif

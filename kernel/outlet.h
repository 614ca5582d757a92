/* SPDX-License-Identifier: MIT
 *
 * outlet.h - packets on their way out of the XPUB socket, in order.
 *
 * The socket refuses instead of dropping when a subscriber is slow; packets
 * then wait here: some megabytes in memory, more in a temporary file. When
 * that is full too, the publisher stops reading from the compute process,
 * whose prints then wait. When a subscriber takes nothing for ten seconds,
 * then: if others wait for the same packets, they get them and it loses them;
 * if the file is full, new stream packets (and only these) are let go, and
 * counted.
 */
#ifndef KERNEL_OUTLET_H
#define KERNEL_OUTLET_H

#include "kernel/protocol/wire.h"
#include "kernel/spill.h"

#include <stdint.h>

typedef struct kernel_outlet {
    void *socket;
    struct kernel_waiting *first, **last;   /* older than the file's */
    size_t bytes;          /* waiting in memory */
    kernel_spill file;
    size_t room;           /* bytes in memory from which on the file is used */
    int64_t most;          /* bytes in the file from which on it is full */
    size_t lost;           /* stream bytes let go since the last report */
    int64_t progress;      /* when a packet left, ms */
    int subscribers;       /* the owner's to count */
    bool truncating;       /* the file is full, its reader dead */
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

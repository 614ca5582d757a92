/* SPDX-License-Identifier: MIT
 *
 * relay.h - the thread between the publisher's socket and its clients.
 *
 * Each client's connection ends here and goes on to the publisher's socket by
 * one of its own. Bytes pass as they are, encrypted or not. What a client does
 * not take waits for it alone, in a kernel_spill, so a client that is slow, or
 * stopped, costs the others and the cell nothing until so much waits for it
 * that the limit is reached; then its connection to the publisher is not read
 * any more until half has left.
 */
#ifndef KERNEL_RELAY_H
#define KERNEL_RELAY_H

#include "kernel/queue.h"

#include <stdint.h>

/* Posted as notes. */
typedef enum kernel_relay_event {
    KERNEL_RELAY_FULL,       /* a client has reached the limit */
    KERNEL_RELAY_ROOM,       /* it has room again, or has gone */
    KERNEL_RELAY_NO_DISK     /* text: why what waits cannot be in a file */
} kernel_relay_event;

typedef struct kernel_relay kernel_relay;

/* Serves `listener`; clients are connected to the ZeroMQ address `inner`. At
 * most `limit` bytes wait for one client, four times that for all. Both
 * arguments stay the caller's and must outlive the relay. NULL when there is
 * no thread to be had. */
kernel_relay *kernel_relay_start(int listener, const char *inner,
                                 int64_t limit);
/* Where the events go, until the relay is stopped. */
kernel_queue *kernel_relay_events(kernel_relay *r);
/* The publisher's socket is closed: gives what waits a moment to leave, ends
 * the thread and frees. */
void kernel_relay_stop(kernel_relay *r);

#endif

/* SPDX-License-Identifier: MIT
 *
 * heartbeat.h - the echo that tells clients the kernel lives. A thread and a
 * ZeroMQ context of its own, so that nothing else can delay it.
 */
#ifndef JP_HEARTBEAT_H
#define JP_HEARTBEAT_H

#include "kernel/protocol/connection.h"

typedef struct jp_heartbeat jp_heartbeat;

/* Binds and starts; NULL with a message on failure. */
jp_heartbeat *jp_heartbeat_start(const jp_connection *connection,
                                 jp_error *err);
/* Stops the thread and frees. */
void jp_heartbeat_stop(jp_heartbeat *h);

#endif

/* SPDX-License-Identifier: MIT
 *
 * listen.h - the iopub channel's address, held by ourselves: the publisher's
 * socket sits behind it, at a name of this process, and each client gets a
 * connection of its own to there (kernel/relay.h). libzmq's queues count
 * messages in memory; what passes here can be counted in bytes and put away.
 */
#ifndef JP_LISTEN_H
#define JP_LISTEN_H

#include "kernel/protocol/connection.h"

/* A listening socket at the channel's address, not blocking. -1 with a
 * message. */
int jp_listen(const jp_connection *connection, jp_channel channel,
              jp_error *err);
/* Closes it, and removes its file if it has one. */
void jp_listen_close(const jp_connection *connection, jp_channel channel,
                     int listener);
/* The next client, not blocking; one that is another user's process is sent
 * away. -1 with errno, EAGAIN when there is none. */
int jp_accept(int listener);

/* A ZeroMQ address of which only this process knows. */
bool jp_inner_address(char out[JP_ADDRESS_MAX], jp_error *err);
/* A connection to it, not blocking; -1 with errno. */
int jp_inner_connect(const char *address);

#endif

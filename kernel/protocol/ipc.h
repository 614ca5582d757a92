/* SPDX-License-Identifier: MIT
 *
 * ipc.h - the files of ipc sockets. libzmq removes whatever lies at a path
 * before it binds there, so that is looked at first.
 */
#ifndef JP_IPC_H
#define JP_IPC_H

#include "kernel/protocol/connection.h"

/* Whether an ipc socket may be bound at the address: nothing is there or a
 * socket nobody listens on, in a folder where no other user can put another
 * in its place. True for other transports. */
bool jp_path_free(const jp_connection *c, const char *address, jp_error *err);

/* Lets only this user and root in, whatever the file's permissions become.
 * False: libzmq cannot tell users apart; errno is EINVAL then. */
bool jp_ipc_only_own(void *socket);

#endif

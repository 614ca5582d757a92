/* SPDX-License-Identifier: MIT
 *
 * guard.h - a small process that waits for the front's end. A front that is
 * killed cannot remove the files of its ipc sockets; the guard does. It is in
 * a process group of its own, so that what kills the kernel's passes it by.
 */
#ifndef KERNEL_GUARD_H
#define KERNEL_GUARD_H

#include "kernel/protocol/connection.h"

/* Once the sockets are bound. Nothing to do with another transport than ipc; a
 * guard that cannot be had is only missed when the front is killed. */
void kernel_guard_start(const jp_connection *connection);

#endif

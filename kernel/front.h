/* SPDX-License-Identifier: MIT
 *
 * front.h - the process a client talks to. It owns every socket, the protocol
 * and the history, and never runs a user's code.
 */
#ifndef KERNEL_FRONT_H
#define KERNEL_FRONT_H

/* Serves the connection file's channels until shutdown; the exit status. */
int kernel_front_main(const char *connection_file);

#endif

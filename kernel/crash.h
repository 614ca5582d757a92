/* SPDX-License-Identifier: MIT
 *
 * crash.h - the compute process's last act on a fatal signal: the text still
 * unsent, and one record (signal, address, call stack) for the front.
 */
#ifndef KERNEL_CRASH_H
#define KERNEL_CRASH_H

/* How the record of a stack overflow begins. */
#define KERNEL_CRASH_STACK "stack overflow"

/* Installs handlers that write to `fd` on a stack of their own, so that a
 * stack overflow is reported too; the signal then takes its default course. */
void kernel_crash_install(int fd);

#endif

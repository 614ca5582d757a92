/* SPDX-License-Identifier: MIT
 *
 * compute.h - the process that runs cells: a host of the language that speaks
 * to the front over the link. It ends when the front closes the link.
 */
#ifndef KERNEL_COMPUTE_H
#define KERNEL_COMPUTE_H

/* Runs until the link closes; the exit status. */
int kernel_compute_main(void);

#endif

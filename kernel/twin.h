/* SPDX-License-Identifier: MIT
 *
 * twin.h - copy-on-write checkpoints, as the compute process makes them.
 *
 * A checkpoint is a twin: a fork of the idle compute process that sleeps on a
 * link of its own, whose other end goes to the front. The twin shares every
 * page that neither has written since. When the front closes that end (or
 * dies) the twin ends; when it sends TAKE_OVER with a stdout, a stderr and a
 * crash pipe, the twin becomes the compute process.
 */
#ifndef KERNEL_TWIN_H
#define KERNEL_TWIN_H

#include "kernel/link.h"

#include <jansson.h>

/* Makes a twin of this process and answers on the link with TWIN; `request`
 * is echoed in the answer. None is made when tensors take more than the
 * `limit` of the request. True in the twin, once it has taken over: its
 * descriptors are in place and its link is KERNEL_COMPUTE_LINK. */
bool kernel_twin_make(json_t *request);

/* Names the process as `ps` shows it, and says how soon the system should end
 * it when memory runs out: the busy one first, its twins after it, the front
 * last. */
void kernel_mark_busy(void);

#endif

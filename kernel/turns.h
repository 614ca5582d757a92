/* SPDX-License-Identifier: MIT
 *
 * turns.h - how long the scheduler lets a thread run at a time.
 *
 * Where cells keep every core busy, the front and its client would wait for a
 * running thread's turn to end (up to 6 ms each time, measured) before they get
 * to pass a word on. The scheduler lets a thread that wakes up go first when its
 * turns are shorter; what share of the time each gets stays the same.
 */
#ifndef KERNEL_TURNS_H
#define KERNEL_TURNS_H

/* For this thread and those it starts from now on. Systems before Linux 6.12
 * know no such wish; there nothing changes. */
void kernel_take_short_turns(void);   /* little to do, but at once */
void kernel_take_long_turns(void);    /* much to do: others may go first */

#endif

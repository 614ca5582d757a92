/* SPDX-License-Identifier: MIT
 * Turns, by sched_setattr, for which the C library has no name.
 */
#include "kernel/turns.h"

#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SHORT_NS = 100000, LONG_NS = 5000000 };   /* the least; above what others have */

/* The part of struct sched_attr that every Linux since 3.14 knows. */
typedef struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
} attributes;

/* Only of a thread that is scheduled as most are: the rest has been chosen. */
static void take(uint64_t ns)
{
    attributes a = {.size = sizeof a};
    if (syscall(SYS_sched_getattr, 0, &a, sizeof a, 0) == 0 &&
        a.policy == SCHED_OTHER) {
        a.size = sizeof a;
        a.runtime = ns;
        syscall(SYS_sched_setattr, 0, &a, 0);   /* a wish */
    }
}

void kernel_take_short_turns(void)
{
    take(SHORT_NS);
}

void kernel_take_long_turns(void)
{
    take(LONG_NS);
}

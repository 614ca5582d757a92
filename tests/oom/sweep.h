/* SPDX-License-Identifier: MIT
 * Allocations that fail in turn: SWEEP runs a step with the n-th allocation of
 * it failing, n = 1, 2, ..., until the step gets by without reaching it. The
 * environment's OOM_EVERY (1: each allocation, the default 11) thins it out.
 */
#ifndef OOM_SWEEP_H
#define OOM_SWEEP_H

#include "runtime/rustorch.h"
#include "tests/unit/unit.h"

#include <unistd.h>

typedef struct sweep {
    long failed;      /* allocations that failed */
    long absorbed;    /* of them, those that the step did without */
} sweep;

static inline int sweep_every(void)
{
    const char *text = getenv("OOM_EVERY");
    int every = text ? atoi(text) : 11;
    return every > 0 ? every : 1;
}

static inline int64_t memory_in_use(void)
{
    rt_memory_stats s;
    rt_memory_read_stats(&s);
    return s.allocated;
}

/* Bytes more than `before` are in use; a thread that ends gets its time. */
static inline int64_t memory_lost(int64_t before)
{
    int64_t lost = memory_in_use() - before;
    for (int i = 0; lost && i < 2000; i++) {
        usleep(1000);
        lost = memory_in_use() - before;
    }
    return lost;
}

#endif

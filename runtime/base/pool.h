/* SPDX-License-Identifier: MIT
 *
 * The thread pool: one parallel-for. Work is cut by shape, never by thread
 * count, so that results are the same bits for any number of threads. Workers
 * spin shortly, then sleep; they are re-created in a forked child. The caller
 * works too and never waits for a chunk that nobody has claimed. Nested calls
 * run serially.
 */
#ifndef RT_BASE_POOL_H
#define RT_BASE_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/rustorch.h"

/* Handles [begin, end); runs on any thread. */
typedef void (*rt__range_fn)(void *ctx, int64_t begin, int64_t end);

/* Calls fn over [0, n) in pieces of `grain` (the last may be shorter). Stops
 * handing out pieces once rt_interrupted(); returns false in that case. */
bool rt__parallel(int64_t n, int64_t grain, rt__range_fn fn, void *ctx);
/* From now on the calling thread, one of several that do the same, does what it
 * asks for itself. */
void rt__run_alone(void);

/* For serial loops over elements: looks for an interrupt at one i in 64 Ki. A
 * kernel that stops early may return RT_OK: rt_call fails after it. */
static inline bool rt__stops_at(int64_t i)
{
    return (i & 0xffff) == 0xffff && rt_interrupted();
}

#endif

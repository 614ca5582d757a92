/* SPDX-License-Identifier: MIT
 * Version, log level and sink, and the interrupt flag.
 */
#include "runtime/rustorch.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/base/log.h"
#include "runtime/base/thread.h"
#include "config.h"

const char *rt_version(void)
{
    return PACKAGE_VERSION;
}

/* --- interrupts ----------------------------------------------------------- */

/* 1: interrupted; below 0: that many polls from now on. Lock-free: set from
 * signal handlers. */
static atomic_int interrupted;

enum { LONG_TICKS = 2000000 };

void rt_interrupt(void)
{
    atomic_store_explicit(&interrupted, 1, memory_order_relaxed);
}

void rt_interrupt_clear(void)
{
    atomic_store_explicit(&interrupted, 0, memory_order_relaxed);
}

static bool count_down(int left)
{
    while (left < 0 && !atomic_compare_exchange_weak(
                           &interrupted, &left, left == -1 ? 1 : left + 1)) {
    }
    return left == -1 || left > 0;
}

/* Any clock that runs at a steady pace of one to five ticks a nanosecond: it
 * only tells work of microseconds from work of milliseconds. */
static uint64_t ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
#endif
}

rt_long_work rt_on_long_work(rt_long_work call)
{
    rt_long_work before = rt__this.long_work;
    rt__this.long_work = call;
    if (call) {
        rt__this.long_from = ticks() + LONG_TICKS;
    }
    return before;
}

static void tell_host(void)
{
    rt_long_work call = rt__this.long_work;
    if (ticks() >= rt__this.long_from) {
        rt__this.long_work = NULL;
        call();
    }
}

bool rt_interrupted(void)
{
    if (rt__this.long_work) {
        tell_host();
    }
    int state = atomic_load_explicit(&interrupted, memory_order_relaxed);
    return state != 0 && count_down(state);
}

int rt_interrupt_after(int n)
{
    int left = atomic_exchange(&interrupted, n > 0 ? -n : 0);
    return left < 0 ? -left : 0;
}

/* --- logging ----------------------------------------------------------------- */

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static int level_from_environment(void)
{
    const char *text = getenv("RUSTORCH_LOG_LEVEL");
    for (int i = 0; text && i < 4; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            return i;
        }
    }
    return 1;
}

static atomic_int level = -1;
static rt_log_sink log_sink;
static void *log_ctx;

int rt_log_level(void)
{
    int now = atomic_load(&level);
    if (now < 0) {
        now = level_from_environment();
        atomic_store(&level, now);
    }
    return now;
}

void rt_set_log_level(int wanted)
{
    atomic_store(&level, wanted < 0 ? 0 : wanted > 3 ? 3 : wanted);
}

void rt_set_log_sink(rt_log_sink sink, void *ctx)
{
    log_sink = sink;
    log_ctx = ctx;
}

void rt__log(int at, const char *text)
{
    if (at > rt_log_level()) {
        return;
    }
    if (log_sink) {
        log_sink(log_ctx, at, text);
    } else {
        fprintf(stderr, "rustorch %s: %s\n", level_names[at & 3], text);
    }
}

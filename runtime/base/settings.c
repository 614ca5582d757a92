/* SPDX-License-Identifier: MIT
 * Version, log level and sink, and the interrupt flag.
 */
#include "runtime/rustorch.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/log.h"
#include "config.h"

const char *rt_version(void)
{
    return PACKAGE_VERSION;
}

/* --- interrupts ----------------------------------------------------------- */

/* 1: interrupted; below 0: that many polls from now on. Lock-free: set from
 * signal handlers. */
static atomic_int interrupted;

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

bool rt_interrupted(void)
{
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

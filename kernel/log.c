/* SPDX-License-Identifier: MIT
 * Log lines, memory and the clock.
 */
#include "kernel/log.h"

#include "kernel/protocol/memory.h"

#include <ctype.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINES_A_SECOND = 50 };

/* Whoever reaches a port can make us complain, but not fill a disk with it.
 * Returns whether the line may be written, and first how many were not. */
static bool admit_line(unsigned *dropped)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static int64_t second = -1;
    static unsigned lines, kept_back;
    int64_t now = kernel_now() / 1000;
    pthread_mutex_lock(&lock);
    *dropped = 0;
    if (now != second) {
        *dropped = kept_back;
        second = now;
        lines = kept_back = 0;
    }
    bool admitted = ++lines <= LINES_A_SECOND;
    kept_back += !admitted;
    pthread_mutex_unlock(&lock);
    return admitted;
}

/* Without a terminal's codes; no text can begin a line that looks like ours. */
static void write_line(char *text)
{
    const char *before = "rustorch-kernel: ";
    for (char *next; text && *text; text = next, before = "    ") {
        next = strchr(text, '\n');
        if (next) {
            *next++ = '\0';
        }
        for (char *p = text; *p; p++) {
            *p = iscntrl((unsigned char)*p) ? '?' : *p;
        }
        fprintf(stderr, "%s%s\n", before, text);
    }
}

void kernel_log(const char *format, ...)
{
    char line[1024];
    unsigned dropped;
    va_list ap;
    if (!admit_line(&dropped)) {
        return;
    }
    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    if (dropped) {
        fprintf(stderr, "rustorch-kernel: and %u more lines\n", dropped);
    }
    write_line(line);
}

static void *checked(void *p, size_t size)
{
    if (!p) {
        kernel_log("out of memory for %zu bytes", size);
        exit(70);
    }
    return p;
}

void *kernel_alloc(size_t size)
{
    return checked(jp_zeroed(size), size);
}

void *kernel_grow(void *p, size_t size)
{
    return checked(jp_grow(p, size), size);
}

char *kernel_copy(const char *data, size_t size)
{
    char *copy = checked(jp_alloc(size + 1), size);
    memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

char *kernel_format(const char *format, ...)
{
    va_list ap, again;
    va_start(ap, format);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, format, ap);
    size_t size = n < 0 ? 1 : (size_t)n + 1;
    char *text = checked(jp_zeroed(size), size);
    vsnprintf(text, size, format, again);
    va_end(again);
    va_end(ap);
    return text;
}

int64_t kernel_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

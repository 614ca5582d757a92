/* SPDX-License-Identifier: MIT
 * Log lines, memory and the clock.
 */
#include "kernel/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void kernel_log(const char *format, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    fprintf(stderr, "rustorch-kernel: %s\n", line);
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
    return checked(calloc(1, size ? size : 1), size);
}

void *kernel_grow(void *p, size_t size)
{
    return checked(realloc(p, size ? size : 1), size);
}

char *kernel_copy(const char *data, size_t size)
{
    char *copy = checked(malloc(size + 1), size);
    memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

char *kernel_format(const char *format, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, format);
    int n = vasprintf(&text, format, ap);
    va_end(ap);
    return checked(n < 0 ? NULL : text, 0);
}

int64_t kernel_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* SPDX-License-Identifier: MIT
 *
 * log.h - the kernel's own log (its stderr, which Jupyter shows in the
 * server's terminal) and memory that does not fail: what is asked for here is
 * little, and it waits for it (protocol/memory.h) before it gives up.
 */
#ifndef KERNEL_LOG_H
#define KERNEL_LOG_H

#include <stddef.h>
#include <stdint.h>

/* One line, "rustorch-kernel: " before it. Of many in one second the rest is
 * counted in the next. */
void kernel_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Zeroed memory; ends the process with a message when there is none. */
void *kernel_alloc(size_t size);
void *kernel_grow(void *p, size_t size);
char *kernel_copy(const char *data, size_t size);   /* adds a NUL */
char *kernel_format(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
/* Milliseconds of a clock that only goes forward. */
int64_t kernel_now(void);

#endif

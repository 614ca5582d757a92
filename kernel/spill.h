/* SPDX-License-Identifier: MIT
 *
 * spill.h - a queue of blobs in a temporary file without a name, which goes
 * with the process.
 */
#ifndef KERNEL_SPILL_H
#define KERNEL_SPILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct kernel_spill {
    int fd;              /* 0: no file yet */
    int64_t read, write; /* where the oldest begins, where the next goes */
} kernel_spill;

/* False when the file cannot be had or is full; nothing has happened then. */
bool kernel_spill_add(kernel_spill *s, const void *data, size_t size,
                      bool flag);
/* The oldest, malloc'ed; NULL when there is none, or (what was left is gone
 * then) when it cannot be read. */
void *kernel_spill_take(kernel_spill *s, bool *flag);
/* Bytes that wait. */
int64_t kernel_spill_bytes(const kernel_spill *s);
void kernel_spill_close(kernel_spill *s);

#endif

/* SPDX-License-Identifier: MIT
 *
 * spill.h - a queue of bytes: the oldest in a little memory, the others in a
 * temporary file without a name, which goes with the process. Where no file
 * can be had, or no room in it, the newest wait in memory.
 */
#ifndef KERNEL_SPILL_H
#define KERNEL_SPILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes kept in memory before a file is used. */
enum { KERNEL_SPILL_ROOM = 256 * 1024 };

typedef struct kernel_bytes {
    char *data;
    size_t at, size, capacity;   /* data[at .. size-1] wait */
} kernel_bytes;

/* Zeroed: an empty queue. */
typedef struct kernel_spill {
    kernel_bytes head, tail;     /* before and behind the file's */
    int fd;                      /* 0: no file yet */
    int64_t read, write;         /* the file's oldest byte, its end */
    int problem;                 /* errno of the file that could not be */
    bool broken;                 /* what was in the file cannot be read */
} kernel_spill;

void kernel_spill_add(kernel_spill *s, const void *data, size_t size);
/* The oldest bytes, borrowed until the next call; *size is 0 when nothing
 * waits, or when all that did is lost (`broken`). */
const char *kernel_spill_peek(kernel_spill *s, size_t *size);
/* Lets go of the first `size` of those. */
void kernel_spill_drop(kernel_spill *s, size_t size);
/* Bytes that wait; those of them that are in the file. */
int64_t kernel_spill_bytes(const kernel_spill *s);
int64_t kernel_spill_on_disk(const kernel_spill *s);
void kernel_spill_close(kernel_spill *s);

#endif

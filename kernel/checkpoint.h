/* SPDX-License-Identifier: MIT
 *
 * checkpoint.h - the checkpoints that the front holds: sleeping twins of the
 * compute process (twin.h), oldest first. Closing a twin's link ends it.
 */
#ifndef KERNEL_CHECKPOINT_H
#define KERNEL_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { KERNEL_CHECKPOINTS_MOST = 64 };

typedef struct kernel_checkpoint {
    pid_t pid;
    int link;
    int cell;        /* made after it; 0: at the start of the session */
    int seq;         /* of the last cell that had run */
    int64_t made;    /* ms, of kernel_now */
    double us;       /* that making it took */
} kernel_checkpoint;

typedef struct kernel_checkpoints {
    kernel_checkpoint at[KERNEL_CHECKPOINTS_MOST];
    int count;
    bool off;
    int most;            /* kept */
    int64_t budget;      /* bytes that all may hold beyond the session's */
    int64_t limit;       /* bytes of tensors from which on none is made */
} kernel_checkpoints;

/* Three checkpoints, which may hold a quarter of the memory; none is made of a
 * session whose tensors alone are more than that. */
void kernel_checkpoints_init(kernel_checkpoints *c);
/* Takes over the link. One of the same cell is replaced; past the cap the
 * oldest goes. */
void kernel_checkpoints_add(kernel_checkpoints *c, kernel_checkpoint p);
/* Hands the newest over. False when there is none. */
bool kernel_checkpoints_take(kernel_checkpoints *c, kernel_checkpoint *out);
void kernel_checkpoints_drop_newest(kernel_checkpoints *c, int n);
void kernel_checkpoints_drop_oldest(kernel_checkpoints *c, int n);
/* Drops the oldest until the rest fit the budget; how many went. `busy` is the
 * compute process. */
int kernel_checkpoints_trim(kernel_checkpoints *c, pid_t busy);
/* Bytes all hold beyond what the compute process needs itself. */
int64_t kernel_checkpoints_cost(const kernel_checkpoints *c, pid_t busy);
/* A table for people (malloc'ed). `now` is the seq of the last cell. */
char *kernel_checkpoints_table(const kernel_checkpoints *c, pid_t busy,
                               int now);
/* "1.5 GiB" in a buffer of the caller's. */
enum { KERNEL_SIZE_TEXT = 24 };
const char *kernel_size_text(char out[KERNEL_SIZE_TEXT], int64_t bytes);

#endif

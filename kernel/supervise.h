/* SPDX-License-Identifier: MIT
 *
 * supervise.h - the compute process as the front sees it: start, interrupt,
 * death and its cause. It runs in a process group of its own, so that a Ctrl-C
 * meant for the kernel reaches it only through the front, and its children end
 * with it.
 */
#ifndef KERNEL_SUPERVISE_H
#define KERNEL_SUPERVISE_H

#include "kernel/link.h"
#include "kernel/protocol/base.h"

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Descriptors the compute process finds open. */
enum { KERNEL_COMPUTE_LINK = 3, KERNEL_COMPUTE_CRASH = 4,
       KERNEL_COMPUTE_SHARED = 5 };

/* What both processes see; written by whichever process runs cells. */
typedef struct kernel_shared {
    volatile uint64_t line;    /* where the cell is (lang_watch) */
    volatile uint64_t begun;   /* seq of the last cell that began to run */
    volatile uint64_t ended;   /* seq of the last cell whose code has ended */
    kernel_rest rest;
} kernel_shared;

typedef struct kernel_child {
    pid_t pid;        /* 0: none */
    int link, crash;  /* ours, open while pid is set and until _close */
    int memory;       /* holds *shared */
    kernel_shared *shared;
    char *program;              /* the kernel's file, as it was started */
    struct stat file;
} kernel_child;

/* Before everything else, over zeros; no process yet. */
bool kernel_child_init(kernel_child *c, jp_error *err);
void kernel_child_dispose(kernel_child *c);
/* What is behind descriptor `memory`; NULL when it cannot be had. */
kernel_shared *kernel_child_map(int memory);

/* Starts this program again as `--compute`. The read ends of its stdout and
 * stderr go to pipes[1] and pipes[2], the link to pipes[0] too. */
bool kernel_child_start(kernel_child *c, int pipes[3], jp_error *err);
/* The same with a sleeping twin (twin.h): gives it pipes and lets it take over.
 * `link` is the caller's until that has succeeded. */
bool kernel_child_wake(kernel_child *c, pid_t pid, int link, int pipes[3]);
/* Whether a process that should work does not: it has slept since `before`
 * without doing anything. Updates `before`; zeros are no earlier look. */
typedef struct kernel_pulse {
    char state;             /* as in ps; 0: not known */
    unsigned long long ran; /* ns on a processor */
} kernel_pulse;
bool kernel_child_sleeps(const kernel_child *c, kernel_pulse *before);
/* Whether the code of cell `seq` has not ended. */
bool kernel_child_runs(const kernel_child *c, int seq);
/* Asks the cell numbered `cell` to stop; no other cell is meant. */
void kernel_child_interrupt(const kernel_child *c, int cell);
/* True once the process has ended; pid is then 0. Does not wait. Other
 * processes that have become children of this one are buried by the way. */
bool kernel_child_reap(kernel_child *c, int *status);
/* What happened, one line ("SIGSEGV: ..."), and the crash record, which may be
 * empty. Both malloc'ed. */
void kernel_child_obituary(const kernel_child *c, int status, char **line,
                           char **record);
/* Closes what is ours. */
void kernel_child_close(kernel_child *c);
/* Ends it and its children, waits, closes. */
void kernel_child_kill(kernel_child *c);

#endif

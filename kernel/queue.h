/* SPDX-License-Identifier: MIT
 *
 * queue.h - messages from one thread of the front process to another.
 * A post wakes the reader through an eventfd that fits a poll set.
 */
#ifndef KERNEL_QUEUE_H
#define KERNEL_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One note. `text` and `parent` are malloc'ed or NULL and go with it. */
typedef struct kernel_note {
    int kind;
    int fd[3];
    bool flag;
    char *type;      /* a message type */
    char *parent;    /* JSON of the parent header */
    char *text;      /* JSON content, or whatever `kind` says */
    size_t size;     /* of text */
    uint64_t number; /* whatever `kind` says */
    struct kernel_note *next;
} kernel_note;

typedef struct kernel_queue kernel_queue;

/* NULL when the system has no eventfd or memory left. */
kernel_queue *kernel_queue_new(void);
void kernel_queue_free(kernel_queue *q);
/* Readable while notes wait. */
int kernel_queue_fd(const kernel_queue *q);
/* Takes the note's texts. */
void kernel_queue_post(kernel_queue *q, kernel_note note);
/* The oldest note, to be freed with kernel_note_free; NULL: none waits. */
kernel_note *kernel_queue_take(kernel_queue *q);
void kernel_note_free(kernel_note *n);

#endif

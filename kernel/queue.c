/* SPDX-License-Identifier: MIT
 * A locked list and an eventfd.
 */
#include "kernel/queue.h"

#include "kernel/log.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct kernel_queue {
    pthread_mutex_t lock;
    kernel_note *first, **last;
    int event;
};

kernel_queue *kernel_queue_new(void)
{
    kernel_queue *q = kernel_alloc(sizeof *q);
    pthread_mutex_init(&q->lock, NULL);
    q->last = &q->first;
    q->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (q->event < 0) {
        free(q);
        return NULL;
    }
    return q;
}

void kernel_queue_free(kernel_queue *q)
{
    if (!q) {
        return;
    }
    for (kernel_note *n; (n = kernel_queue_take(q));) {
        kernel_note_free(n);
    }
    close(q->event);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

int kernel_queue_fd(const kernel_queue *q)
{
    return q->event;
}

void kernel_queue_post(kernel_queue *q, kernel_note note)
{
    kernel_note *n = kernel_alloc(sizeof *n);
    const uint64_t one = 1;
    *n = note;
    n->next = NULL;
    pthread_mutex_lock(&q->lock);
    *q->last = n;
    q->last = &n->next;
    pthread_mutex_unlock(&q->lock);
    /* The counter never fills up, so this write cannot fail. */
    ssize_t written = write(q->event, &one, sizeof one);
    (void)written;
}

kernel_note *kernel_queue_take(kernel_queue *q)
{
    pthread_mutex_lock(&q->lock);
    kernel_note *n = q->first;
    if (n) {
        q->first = n->next;
        q->last = q->first ? q->last : &q->first;
    } else {
        /* Under the lock: a post after it makes the event readable again. */
        uint64_t count;
        ssize_t got = read(q->event, &count, sizeof count);
        (void)got;
    }
    pthread_mutex_unlock(&q->lock);
    return n;
}

void kernel_note_free(kernel_note *n)
{
    if (n) {
        free(n->type);
        free(n->parent);
        free(n->text);
        free(n);
    }
}

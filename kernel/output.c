/* SPDX-License-Identifier: MIT
 * Text on its way to the front.
 */
#include "kernel/output.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = KERNEL_LINK_PACKET, GATHER_MS = 1 };

/* One per process, as the link is. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int link;
    bool (*give_up)(void);
    kernel_rest *rest;
} out = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

/* The lock is held. */
static void flush(void)
{
    if (out.rest->size) {
        bool sent = kernel_link_send(out.link, KERNEL_LINK_STREAM,
                                     out.rest->text, out.rest->size + 1,
                                     out.give_up);
        out.rest->size = 0;   /* first: sent + 1 without text is nothing */
        out.rest->sent += sent;
    }
}

/* Sends gathered text once its time has come. */
static void *gather(void *unused)
{
    const struct timespec pause = {0, GATHER_MS * 1000000L};
    pthread_mutex_lock(&out.lock);
    for (;;) {
        while (!out.rest->size) {
            pthread_cond_wait(&out.wake, &out.lock);
        }
        pthread_mutex_unlock(&out.lock);
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&out.lock);
        flush();
    }
    return NULL;
}

/* A library may call exit() in the middle of a cell. */
static void at_exit(void)
{
    pthread_mutex_lock(&out.lock);
    flush();
    pthread_mutex_unlock(&out.lock);
}

static bool start_thread(void)
{
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);   /* signals go to the cell */
    int failure = pthread_create(&thread, NULL, gather, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failure) {
        pthread_detach(thread);
    }
    return !failure;
}

static void begin(void)
{
    out.rest->size = 0;
    out.rest->sent = 0;
}

bool kernel_output_start(int link, bool (*give_up)(void), kernel_rest *rest)
{
    out.link = link;
    out.give_up = give_up;
    out.rest = rest;
    begin();
    return start_thread() && atexit(at_exit) == 0;
}

bool kernel_output_restart(void)
{
    /* The thread may have held the lock when the copy was made. */
    pthread_mutex_init(&out.lock, NULL);
    pthread_cond_init(&out.wake, NULL);
    begin();
    return start_thread();
}

/* The lock is held. The text is there before its size says so. */
static void add(int fd, const char *text, size_t size)
{
    kernel_rest *r = out.rest;
    if (r->size && r->text[0] != fd) {
        flush();
    }
    r->text[0] = (char)fd;
    while (size) {
        size_t room = BATCH - 1 - r->size;
        size_t part = size < room ? size : room;
        memcpy(r->text + 1 + r->size, text, part);
        r->size += (uint32_t)part;
        text += part;
        size -= part;
        if (r->size == BATCH - 1) {
            flush();
        }
    }
}

void kernel_output_text(int fd, const char *text, size_t size)
{
    pthread_mutex_lock(&out.lock);
    bool first = out.rest->size == 0;
    add(fd, text, size);
    if (out.rest->size && first) {
        pthread_cond_signal(&out.wake);
    }
    pthread_mutex_unlock(&out.lock);
}

void kernel_output_send(kernel_link_kind kind, const char *data, size_t size)
{
    pthread_mutex_lock(&out.lock);
    flush();
    kernel_link_send(out.link, kind, data, size, NULL);
    pthread_mutex_unlock(&out.lock);
}

static bool at_once(void)
{
    return true;
}

void kernel_output_last_words(void)
{
    /* A lock that is held means that somebody is sending that text. Trying is
     * one atomic operation, harmless in a handler; it is never given back. */
    if (pthread_mutex_trylock(&out.lock) == 0 && out.rest->size) {
        kernel_link_send(out.link, KERNEL_LINK_STREAM, out.rest->text,
                         out.rest->size + 1, at_once);
    }
}

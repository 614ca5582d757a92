/* SPDX-License-Identifier: MIT
 * One epoll loop over pairs of connections.
 */
#include "kernel/relay.h"

#include "kernel/log.h"
#include "kernel/protocol/listen.h"
#include "kernel/spill.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    UP = 4 * 1024,              /* a client only subscribes */
    CHUNK = 256 * 1024,
    EVENTS = 64,
    NO_DISK_MOST = 16 << 20,    /* bytes in memory where no file is */
    PAUSE_MS = 100,             /* of accepting, when there are no files */
    STOP_MS = 500
};

typedef struct kernel_pair pair;

/* One of a pair's two connections. */
typedef struct side {
    pair *of;
    int fd;
    uint32_t events;   /* that epoll is asked for */
} side;

struct kernel_pair {
    side client, inside;
    kernel_spill down;          /* to the client */
    char up[UP];                /* to the publisher */
    size_t up_at, up_size;
    bool full, ended, gone;     /* ended: the publisher has hung up */
    pair *next;
};

struct kernel_relay {
    pthread_t thread;
    int listener, poll, wake;
    const char *inner;
    int64_t limit, waits;       /* for one; for all together, now */
    atomic_bool stopping;
    bool told_disk, paused, told_pause;
    kernel_queue *events;
    pair *pairs;
    char chunk[CHUNK];
};

static void tell(kernel_relay *r, kernel_relay_event event, const char *text)
{
    char *copy = text ? kernel_copy(text, strlen(text)) : NULL;
    kernel_queue_post(r->events,
                      (kernel_note){.kind = (int)event, .text = copy});
}

/* --- pairs ---------------------------------------------------------------- */

static void ask(kernel_relay *r, side *s, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = s};
    if (s->fd >= 0 && s->events != events) {
        s->events = events;
        epoll_ctl(r->poll, EPOLL_CTL_MOD, s->fd, &e);
    }
}

/* Says again what each side is waited for. */
static void arm(kernel_relay *r, pair *p)
{
    bool waits = kernel_spill_bytes(&p->down) > 0;
    ask(r, &p->client, (p->up_size ? 0 : EPOLLIN) | (waits ? EPOLLOUT : 0));
    ask(r, &p->inside, (p->full ? 0 : EPOLLIN) | (p->up_size ? EPOLLOUT : 0));
}

static bool watch(kernel_relay *r, side *s, pair *p, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = s};
    *s = (side){p, fd, EPOLLIN};
    return fd >= 0 && epoll_ctl(r->poll, EPOLL_CTL_ADD, fd, &e) == 0;
}

static void hang_up(side *s)
{
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

static void add_pair(kernel_relay *r, int client)
{
    pair *p = kernel_alloc(sizeof *p);
    p->next = r->pairs;
    r->pairs = p;
    p->inside.fd = -1;
    /* Without a way inside the client is sent away and will try again. */
    p->gone = !watch(r, &p->client, p, client) ||
              !watch(r, &p->inside, p, jp_inner_connect(r->inner));
}

static void free_pair(kernel_relay *r, pair *p)
{
    r->waits -= kernel_spill_bytes(&p->down);
    if (p->full) {
        tell(r, KERNEL_RELAY_ROOM, NULL);
    }
    hang_up(&p->client);
    hang_up(&p->inside);
    kernel_spill_close(&p->down);
    free(p);
}

static void free_gone(kernel_relay *r)
{
    for (pair **at = &r->pairs; *at;) {
        pair *p = *at;
        if (p->gone) {
            *at = p->next;
            free_pair(r, p);
        } else {
            at = &p->next;
        }
    }
}

/* --- to the client -------------------------------------------------------- */

static bool only_not_now(ssize_t n)
{
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* How much the client takes; marks a dead one. */
static size_t offer(pair *p, const char *data, size_t size)
{
    ssize_t n = send(p->client.fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    p->gone |= n < 0 && !only_not_now(n);
    return n > 0 ? (size_t)n : 0;
}

static bool is_full(const kernel_relay *r, const pair *p)
{
    int64_t bytes = kernel_spill_bytes(&p->down);
    int64_t memory = bytes - kernel_spill_on_disk(&p->down);
    bool much = bytes > r->limit || memory > NO_DISK_MOST ||
                (r->waits > 4 * r->limit && bytes > KERNEL_SPILL_ROOM);
    return much || (p->full && (bytes > r->limit / 2 ||
                                memory > NO_DISK_MOST / 2));
}

/* After every change of what waits. */
static void judge(kernel_relay *r, pair *p, int64_t before)
{
    r->waits += kernel_spill_bytes(&p->down) - before;
    if (p->down.problem && !r->told_disk) {
        r->told_disk = true;
        tell(r, KERNEL_RELAY_NO_DISK, strerror(p->down.problem));
    }
    if (p->down.broken) {
        kernel_log("relay: output that waited for a client cannot be kept or "
                   "read back; the client must connect again");
        p->gone = true;
    }
    bool full = is_full(r, p);
    if (full != p->full) {
        p->full = full;
        tell(r, full ? KERNEL_RELAY_FULL : KERNEL_RELAY_ROOM, NULL);
    }
}

/* Once what the publisher has said is read. */
static void pass_down(kernel_relay *r, pair *p)
{
    int64_t before = kernel_spill_bytes(&p->down);
    ssize_t n = recv(p->inside.fd, r->chunk, CHUNK, MSG_DONTWAIT);
    if (n <= 0) {
        p->ended |= !only_not_now(n);
        return;
    }
    size_t taken = before ? 0 : offer(p, r->chunk, (size_t)n);
    if (taken < (size_t)n) {
        kernel_spill_add(&p->down, r->chunk + taken, (size_t)n - taken);
    }
    judge(r, p, before);
}

static void send_waiting(kernel_relay *r, pair *p)
{
    size_t size, taken;
    int64_t before = kernel_spill_bytes(&p->down);
    do {
        const char *data = kernel_spill_peek(&p->down, &size);
        taken = size ? offer(p, data, size) : 0;
        kernel_spill_drop(&p->down, taken);
    } while (taken && taken == size);
    judge(r, p, before);
}

/* --- to the publisher ----------------------------------------------------- */

static void send_up(pair *p)
{
    ssize_t n = send(p->inside.fd, p->up + p->up_at, p->up_size,
                     MSG_DONTWAIT | MSG_NOSIGNAL);
    p->up_at += n > 0 ? (size_t)n : 0;
    p->up_size -= n > 0 ? (size_t)n : 0;
}

static void pass_up(pair *p)
{
    /* With bytes still here it is only called when the client is dead. */
    ssize_t n = p->up_size ? 0 : recv(p->client.fd, p->up, UP, MSG_DONTWAIT);
    if (n > 0) {
        p->up_at = 0;
        p->up_size = (size_t)n;
        send_up(p);
    } else {
        p->gone |= !only_not_now(n);
    }
}

/* --- the thread ----------------------------------------------------------- */

static void accept_all(kernel_relay *r)
{
    int fd;
    while ((fd = jp_accept(r->listener)) >= 0) {
        add_pair(r, fd);
        r->told_pause = false;
    }
    if (errno != EAGAIN) {
        if (!r->told_pause) {
            kernel_log("iopub: no more clients for now: %s", strerror(errno));
        }
        r->told_pause = true;
        epoll_ctl(r->poll, EPOLL_CTL_DEL, r->listener, NULL);
        r->paused = true;
    }
}

static void listen_again(kernel_relay *r)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = &r->listener};
    r->paused = epoll_ctl(r->poll, EPOLL_CTL_ADD, r->listener, &e) != 0;
}

static void serve_side(kernel_relay *r, side *s, uint32_t events)
{
    pair *p = s->of;
    if (p->gone) {
        return;
    }
    if (s == &p->client) {
        if (events & EPOLLOUT) {
            send_waiting(r, p);
        }
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
            pass_up(p);
        }
    } else {
        if (events & EPOLLOUT) {
            send_up(p);
        }
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
            pass_down(r, p);
        }
    }
    if (p->ended) {
        hang_up(&p->inside);
        p->up_size = 0;
        p->gone |= kernel_spill_bytes(&p->down) == 0;
    }
    if (!p->gone) {
        arm(r, p);
    }
}

static void turn(kernel_relay *r, int timeout)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(r->poll, events, EVENTS, timeout);
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr == &r->listener) {
            accept_all(r);
        } else if (events[i].data.ptr) {
            serve_side(r, events[i].data.ptr, events[i].events);
        }
    }
    free_gone(r);
}

static void *run(void *arg)
{
    kernel_relay *r = arg;
    while (!atomic_load(&r->stopping)) {
        turn(r, r->paused ? PAUSE_MS : -1);
        if (r->paused) {
            listen_again(r);
        }
    }
    epoll_ctl(r->poll, EPOLL_CTL_DEL, r->wake, NULL);
    if (!r->paused) {
        epoll_ctl(r->poll, EPOLL_CTL_DEL, r->listener, NULL);
    }
    int64_t end = kernel_now() + STOP_MS;
    while (r->pairs && kernel_now() < end) {
        turn(r, 10);
    }
    return NULL;
}

/* --- start and stop ------------------------------------------------------- */

static void dispose(kernel_relay *r)
{
    for (pair *p = r->pairs; p; p = p->next) {
        p->gone = true;
    }
    free_gone(r);
    kernel_queue_free(r->events);
    if (r->poll >= 0) {
        close(r->poll);
    }
    if (r->wake >= 0) {
        close(r->wake);
    }
    free(r);
}

kernel_relay *kernel_relay_start(int listener, const char *inner,
                                 int64_t limit)
{
    kernel_relay *r = kernel_alloc(sizeof *r);
    r->listener = listener;
    r->inner = inner;
    r->limit = limit;
    r->events = kernel_queue_new();
    r->poll = epoll_create1(EPOLL_CLOEXEC);
    r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event stop = {.events = EPOLLIN, .data.ptr = NULL};
    bool ok = r->events && r->poll >= 0 && r->wake >= 0 &&
              epoll_ctl(r->poll, EPOLL_CTL_ADD, r->wake, &stop) == 0;
    if (ok) {
        listen_again(r);
        ok = !r->paused && pthread_create(&r->thread, NULL, run, r) == 0;
    }
    if (!ok) {
        dispose(r);
        return NULL;
    }
    return r;
}

kernel_queue *kernel_relay_events(kernel_relay *r)
{
    return r->events;
}

void kernel_relay_stop(kernel_relay *r)
{
    const uint64_t one = 1;
    if (!r) {
        return;
    }
    atomic_store(&r->stopping, true);
    ssize_t written = write(r->wake, &one, sizeof one);
    (void)written;
    pthread_join(r->thread, NULL);
    dispose(r);
}

/* SPDX-License-Identifier: MIT
 * Packets over the socket pair.
 */
#include "kernel/link.h"

#include "kernel/log.h"
#include "kernel/protocol/memory.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* BUFFER: what a cell has printed and the front has not read yet. It is sent
 * before the cell's reply, also when the cell is interrupted; so it is no more
 * than the front sends in a few milliseconds. */
enum { BUFFER = 128 * 1024, WAIT_MS = 50, LOOK_MS = 2 };

bool kernel_link_pair(int fd[2])
{
    const int size = BUFFER;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) != 0) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        /* A smaller buffer than asked for still works. */
        setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }
    return true;
}

/* One packet, without waiting; its payload's size, or -1. */
static ssize_t send_packet(int fd, kernel_link_kind kind, const char *data,
                           size_t size)
{
    size_t part = size < KERNEL_LINK_PACKET ? size : KERNEL_LINK_PACKET;
    unsigned char head[KERNEL_LINK_HEAD] = {(unsigned char)kind, part < size};
    struct iovec iov[2] = {{head, sizeof head}, {(void *)data, part}};
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
    ssize_t sent;
    do {
        sent = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -1 : (ssize_t)part;
}

static bool full(void)
{
    return errno == EAGAIN || errno == ENOBUFS;
}

bool kernel_link_send(int fd, kernel_link_kind kind, const char *data,
                      size_t size, bool (*give_up)(void))
{
    size_t at = 0;
    do {
        ssize_t sent = send_packet(fd, kind, data + at, size - at);
        if (sent >= 0) {
            at += (size_t)sent;
        } else if (!full()) {
            return false;
        } else if (at == 0 && give_up && give_up()) {
            return false;
        } else {
            /* Bounded, so that an interrupt just before it is seen, or one
             * whose signal goes to another thread. */
            struct pollfd p = {fd, POLLOUT, 0};
            poll(&p, 1, give_up ? LOOK_MS : WAIT_MS);
            continue;
        }
    } while (at < size);
    return true;
}

/* Room for the control message that carries descriptors. */
typedef union ancillary {
    struct cmsghdr head;
    char room[CMSG_SPACE(KERNEL_LINK_FDS * sizeof(int))];
} ancillary;

bool kernel_link_send_fds(int fd, kernel_link_kind kind, const char *data,
                          size_t size, const int *fds, int nfds)
{
    unsigned char head[KERNEL_LINK_HEAD] = {(unsigned char)kind};
    struct iovec iov[2] = {{head, sizeof head}, {(void *)data, size}};
    size_t bytes = (size_t)nfds * sizeof *fds;
    ancillary a = {.head = {.cmsg_len = CMSG_LEN(bytes),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2, .msg_control = &a,
                       .msg_controllen = CMSG_SPACE(bytes)};
    ssize_t sent;
    memcpy(CMSG_DATA(&a.head), fds, bytes);
    do {
        sent = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

struct kernel_outgoing {
    kernel_link_kind kind;
    struct kernel_outgoing *next;
    size_t size, at;
    char data[];
};

void kernel_outbox_init(kernel_outbox *o)
{
    o->first = NULL;
    o->last = &o->first;
}

bool kernel_outbox_add(kernel_outbox *o, kernel_link_kind kind,
                       const char *data, size_t size)
{
    struct kernel_outgoing *m = jp_alloc(sizeof *m + size);
    if (!m) {
        return false;
    }
    *m = (struct kernel_outgoing){.kind = kind, .size = size};
    memcpy(m->data, data, size);
    *o->last = m;
    o->last = &m->next;
    return true;
}

static void remove_first(kernel_outbox *o)
{
    struct kernel_outgoing *m = o->first;
    o->first = m->next;
    o->last = o->first ? o->last : &o->first;
    free(m);
}

void kernel_outbox_push(kernel_outbox *o, int fd)
{
    while (o->first) {
        struct kernel_outgoing *m = o->first;
        ssize_t sent = send_packet(fd, m->kind, m->data + m->at,
                                   m->size - m->at);
        if (sent < 0 && full()) {
            return;
        }
        m->at += sent < 0 ? m->size : (size_t)sent;
        if (sent < 0 || m->at >= m->size) {
            remove_first(o);   /* sent, or nobody is there to read it */
        }
    }
}

void kernel_outbox_clear(kernel_outbox *o)
{
    while (o->first) {
        remove_first(o);
    }
}

/* Room for one more packet: where there is none for all that has come of a
 * message, that goes, and so will the rest. */
static void reserve(kernel_inbox *in, size_t room)
{
    if (in->size + room + 1 <= in->capacity) {
        return;
    }
    size_t capacity = 2 * in->size + room + 1;
    char *data = in->size ? jp_grow(in->data, capacity)
                          : kernel_grow(in->data, capacity);
    if (data) {
        in->data = data;
        in->capacity = capacity;
    } else {
        in->lost += in->size;
        in->size = 0;
    }
}

/* Closes what came with the last message and nobody took. */
static void drop_fds(kernel_inbox *in)
{
    while (in->nfds) {
        close(in->fds[--in->nfds]);
    }
}

static void take_fds(kernel_inbox *in, struct msghdr *m)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
        drop_fds(in);
        in->nfds = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(in->fds, CMSG_DATA(c), (size_t)in->nfds * sizeof(int));
    }
}

kernel_received kernel_link_receive(kernel_inbox *in, int fd)
{
    drop_fds(in);
    if (!in->partial) {
        in->size = in->lost = 0;
    }
    for (;;) {
        unsigned char head[KERNEL_LINK_HEAD];
        reserve(in, KERNEL_LINK_PACKET);
        struct iovec iov[2] = {{head, sizeof head},
                               {in->data + in->size, KERNEL_LINK_PACKET}};
        ancillary a;
        struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2, .msg_control = &a,
                           .msg_controllen = sizeof a};
        ssize_t got = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && errno == EAGAIN) {
            return KERNEL_NOTHING;
        }
        if (got < KERNEL_LINK_HEAD || head[0] >= KERNEL_LINK_KIND_COUNT) {
            return KERNEL_CLOSED;
        }
        take_fds(in, &m);
        in->kind = (kernel_link_kind)head[0];
        *(in->lost ? &in->lost : &in->size) += (size_t)got - KERNEL_LINK_HEAD;
        in->data[in->size] = '\0';
        in->partial = head[1] != 0;
        if (!in->partial) {
            return KERNEL_MESSAGE;
        }
    }
}

void kernel_inbox_dispose(kernel_inbox *in)
{
    drop_fds(in);
    free(in->data);
    *in = (kernel_inbox){0};
}

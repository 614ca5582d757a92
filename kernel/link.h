/* SPDX-License-Identifier: MIT
 *
 * link.h - messages between the front and the compute process.
 *
 * A SOCK_SEQPACKET socket keeps packet borders and order; a message larger
 * than one packet is sent as several. A packet is
 *   byte 0: the kind, byte 1: 1 when more packets follow, bytes 2-3: 0,
 * then payload. Payloads are JSON, but for streams (one byte 1 or 2, then the
 * text) and publications (message type, NUL, JSON of the content).
 */
#ifndef KERNEL_LINK_H
#define KERNEL_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*       name          direction and payload */
#define KERNEL_LINK_KINDS(X)                                                   \
    X(EXECUTE)     /* > {seq, count, code, silent, allow_stdin, ...} */        \
    X(HISTORY)     /* > the text of an earlier cell */                         \
    X(INPUT_REPLY) /* > {value, number} */                                     \
    X(CHECKPOINT)  /* > {cell, seq, limit}: keep a twin of the session */      \
    X(TAKE_OVER)   /* > {front}, stdout, stderr, crash: to a twin */           \
    X(READY)       /* < {} once the session stands */                          \
    X(STREAM)      /* < stream byte, text */                                   \
    X(PUBLISH)     /* < message type, NUL, content */                          \
    X(INPUT)       /* < {prompt, password, number} */                          \
    X(TWIN)        /* < {cell, seq, pid, us} and its link, or {error} */       \
    X(SYMBOLS)     /* < {count, rows: [[i, name, kind, type, signature, doc,   \
                        value], ...]}: those that changed */                   \
    X(DONE)        /* < {reply, result, untouched} */

typedef enum kernel_link_kind {
#define X(name) KERNEL_LINK_##name,
    KERNEL_LINK_KINDS(X)
#undef X
    KERNEL_LINK_KIND_COUNT
} kernel_link_kind;

enum { KERNEL_LINK_PACKET = 32 * 1024, KERNEL_LINK_HEAD = 4,
       KERNEL_LINK_FDS = 3 };

/* Printed text that has not been sent yet, in memory that both processes see:
 * when the compute process is killed the front finds it there. It is packet
 * number `sent`, counted from 0; the front may have received that one already
 * if the process died before it could clear `size`. */
typedef struct kernel_rest {
    _Atomic uint64_t sent;
    _Atomic uint32_t size;            /* of the text; 0: none */
    char text[KERNEL_LINK_PACKET];    /* the stream's byte, then the text */
} kernel_rest;

/* Both ends, close-on-exec, with large buffers. */
bool kernel_link_pair(int fd[2]);

/* --- sending -------------------------------------------------------------- */

/* Sends, waiting for room. `give_up` is asked while it waits (NULL: never).
 * False when the other side is gone or give_up said so before the first
 * packet left. */
bool kernel_link_send(int fd, kernel_link_kind kind, const char *data,
                      size_t size, bool (*give_up)(void));

/* Sends a message of one packet with descriptors, without waiting; they stay
 * the caller's. False when there is no room or the other side is gone. */
bool kernel_link_send_fds(int fd, kernel_link_kind kind, const char *data,
                          size_t size, const int *fds, int nfds);

/* Messages that leave when there is room, for a thread that must not wait. */
typedef struct kernel_outbox {
    struct kernel_outgoing *first, **last;
} kernel_outbox;
void kernel_outbox_init(kernel_outbox *o);
/* Copies. False when there is no memory for what is large. */
bool kernel_outbox_add(kernel_outbox *o, kernel_link_kind kind,
                       const char *data, size_t size);
/* Sends what fits now. */
void kernel_outbox_push(kernel_outbox *o, int fd);
void kernel_outbox_clear(kernel_outbox *o);

/* --- receiving ------------------------------------------------------------ */

/* A message being received. */
typedef struct kernel_inbox {
    kernel_link_kind kind;
    char *data;              /* NUL-terminated, valid until the next receive */
    size_t size, capacity;
    bool partial;
    size_t lost;             /* bytes of a message for which there was no
                                memory: data is "" then */
    int fds[KERNEL_LINK_FDS], nfds;   /* that came with it; closed by the next
                                         receive unless taken (nfds = 0) */
} kernel_inbox;

typedef enum kernel_received {
    KERNEL_MESSAGE,   /* whole */
    KERNEL_NOTHING,   /* nothing (more) waits */
    KERNEL_CLOSED     /* the other side is gone */
} kernel_received;

/* Receives without waiting. */
kernel_received kernel_link_receive(kernel_inbox *in, int fd);
void kernel_inbox_dispose(kernel_inbox *in);

#endif

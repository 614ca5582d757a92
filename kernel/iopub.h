/* SPDX-License-Identifier: MIT
 *
 * iopub.h - the publisher: all that is said on iopub, and the only reader of
 * what the compute process says (the link and the pipes of its fds 1 and 2).
 * It is a part of the router's loop and has no thread of its own, for each
 * thread that has to be woken on a cell's way costs more than the work there.
 *
 * Everything a cell printed is published before its end is reported to the
 * router: bytes written before a link message are in the pipes when the
 * message arrives, so the pipes are emptied first.
 */
#ifndef KERNEL_IOPUB_H
#define KERNEL_IOPUB_H

#include "kernel/link.h"
#include "kernel/protocol/channel.h"
#include "kernel/protocol/wire.h"
#include "kernel/queue.h"

/* What the router hears of. */
typedef enum kernel_event {
    KERNEL_EVENT_READY,
    KERNEL_EVENT_TWIN,       /* text as on the link; fd: its link or -1 */
    KERNEL_EVENT_INPUT,      /* text: the link message's payload */
    KERNEL_EVENT_SYMBOLS,
    KERNEL_EVENT_DONE        /* all of the cell's output is published */
} kernel_event;

typedef struct kernel_news {
    kernel_event event;
    const char *text;   /* borrowed */
    size_t size;
    int fd;             /* -1: none; who keeps it writes -1 here */
} kernel_news;

typedef struct kernel_iopub kernel_iopub;

/* Publishes on `xpub`, signs with `wire`; `relay` tells of clients that do not
 * read. All stay the caller's. */
kernel_iopub *kernel_iopub_new(void *xpub, jp_wire *wire, const char *session,
                               kernel_queue *relay);
/* Publishes what waits, as long as clients take it (half a second at most),
 * and frees. */
void kernel_iopub_free(kernel_iopub *io);
/* Publishes; `parent` may be empty. Steals `content`. */
void kernel_iopub_publish(kernel_iopub *io, const char *type, jp_slice parent,
                          json_t *content);
/* From now on output belongs to this request; a silent one shows none. */
void kernel_iopub_cell(kernel_iopub *io, jp_slice parent, bool silent);
/* A new compute process: link, stdout, stderr. The last two are closed here;
 * the link stays the caller's and must outlive kernel_iopub_detach. */
void kernel_iopub_attach(kernel_iopub *io, const int fd[3]);

typedef void kernel_hear(void *ctx, kernel_news *news);
/* The process is dead: publishes and tells `hear` what it still said. */
void kernel_iopub_detach(kernel_iopub *io, const kernel_rest *rest,
                         kernel_hear *hear, void *ctx);

enum { KERNEL_IOPUB_ITEMS = 5 };
/* What to wait for, and how long at most (ms, -1: no limit). */
int64_t kernel_iopub_watch(kernel_iopub *io,
                           jp_poll_item items[KERNEL_IOPUB_ITEMS]);
/* After the wait: reads a bounded piece of what has come, publishes it, and
 * tells `hear` of the rest. */
void kernel_iopub_serve(kernel_iopub *io,
                        const jp_poll_item items[KERNEL_IOPUB_ITEMS],
                        kernel_hear *hear, void *ctx);

#endif

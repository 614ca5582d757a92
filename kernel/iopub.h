/* SPDX-License-Identifier: MIT
 *
 * iopub.h - the thread that alone owns the XPUB socket, and alone reads what
 * the compute process says (the link and the pipes of its fds 1 and 2).
 *
 * Everything a cell printed is published before its end is reported to the
 * router: bytes written before a link message are in the pipes when the
 * message arrives, so the pipes are emptied first.
 */
#ifndef KERNEL_IOPUB_H
#define KERNEL_IOPUB_H

#include "kernel/protocol/wire.h"
#include "kernel/link.h"
#include "kernel/queue.h"

/* What the router hears of, in its queue. */
typedef enum kernel_event {
    KERNEL_EVENT_READY,
    KERNEL_EVENT_BEGIN,
    KERNEL_EVENT_TWIN,       /* text as on the link; fd[0]: its link or -1 */
    KERNEL_EVENT_INPUT,      /* text: the link message's payload */
    KERNEL_EVENT_SYMBOLS,
    KERNEL_EVENT_DONE,       /* all of the cell's output is published */
    KERNEL_EVENT_DRAINED     /* answers kernel_iopub_detach */
} kernel_event;

typedef struct kernel_iopub kernel_iopub;

/* Starts the thread. `wire` and `xpub` are its own from now on; events go to
 * `router`; `relay` tells of clients that do not read. NULL when there is no
 * thread to be had. */
kernel_iopub *kernel_iopub_start(void *xpub, jp_wire *wire,
                                 const char *session, kernel_queue *router,
                                 kernel_queue *relay);
/* Publishes; `parent` may be empty. Steals `content`. */
void kernel_iopub_publish(kernel_iopub *io, const char *type, jp_slice parent,
                          json_t *content);
/* From now on output belongs to this request; a silent one shows none. */
void kernel_iopub_cell(kernel_iopub *io, jp_slice parent, bool silent);
/* A new compute process: link, stdout, stderr. The thread closes the last two;
 * the link stays the caller's and must outlive the DRAINED event. */
void kernel_iopub_attach(kernel_iopub *io, const int fd[3]);
/* The process is dead: publishes what it still said, then DRAINED. */
void kernel_iopub_detach(kernel_iopub *io, const kernel_rest *rest);
/* Publishes what waits, ends the thread and frees. */
void kernel_iopub_stop(kernel_iopub *io);

#endif

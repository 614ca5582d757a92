/* SPDX-License-Identifier: MIT
 *
 * router.h - the thread that alone owns the shell, control, stdin and iopub
 * sockets.
 *
 * It reads requests, answers questions itself, hands one cell after another to
 * the compute process, publishes what that says (iopub.h), and buries and
 * replaces that process when it dies. It never waits for anybody but in its
 * loop. What its files share is declared here:
 *   router.c   the loop, dispatch, replies
 *   execute.c  cells: queue, end, interrupt, input
 *   revive.c   the compute process: start, death, checkpoints
 *   magic.c    cells that the front runs itself: %undo, %checkpoints
 *   replies.c  answers to questions
 */
#ifndef KERNEL_ROUTER_H
#define KERNEL_ROUTER_H

#include "kernel/checkpoint.h"
#include "kernel/history.h"
#include "kernel/iopub.h"
#include "kernel/link.h"
#include "kernel/protocol/channel.h"
#include "kernel/protocol/wire.h"
#include "kernel/supervise.h"
#include "lang/lang.h"

/* One request being served. */
typedef struct kernel_request {
    jp_message *message;
    jp_channel channel;
    json_t *content;
    struct kernel_request *next;
    /* of an execute_request */
    int number;              /* execution count */
    bool silent, store, stop_on_error;
    bool retried;            /* its first process died before it began */
} kernel_request;

typedef struct kernel_router {
    const jp_connection *connection;
    jp_channels *channels;
    jp_wire *wire;
    kernel_iopub *io;
    kernel_history *history;
    lang_symbols *symbols;   /* of the session, as of the last cell's end */
    int signals, parent;     /* signalfd; pidfd of the parent, or -1 */
    bool stopping;

    kernel_child child;
    kernel_outbox outbox;    /* to the compute process */
    bool ready, dying;       /* its session stands; it is dead, not drained */
    bool waking;             /* a checkpoint is taking over from it */
    int failures;            /* deaths in a row before a session stood */
    char *cause, *record;    /* of the last death */
    kernel_checkpoints checkpoints;
    bool wanted, making;     /* one will be, has been asked for */
    int64_t save_due;        /* when history is written to its file, or 0 */
    int64_t trim_due;        /* when what they hold is looked at; 0: never */
    int64_t wake_due;        /* when a waking checkpoint is given up */
    int64_t look_due;        /* when it is looked at next */
    kernel_pulse pulse;      /* how it was at the last look */
    bool told_large;         /* that tensors are too large for checkpoints */
    char no_checkpoint[80];  /* why the last could not be made, or "" */
    int done_cell, done_seq; /* whose end the session's state is */
    int lost_seq;            /* done_seq at the last death */
    bool undoing;            /* the process was ended to take cells back */
    char *notice;            /* to be shown with the next cell */

    kernel_request *running; /* the cell that the compute process has */
    int64_t hung_due;        /* when it should have heeded an interrupt, or 0 */
    bool told_hung;          /* that it did not has been said */
    bool hung;               /* its process has been ended for that */
    kernel_request *first, **last;   /* cells that wait */
    bool abort_waiting;      /* when the running cell ends */
    bool ending;             /* no next cell yet: one is being closed */
    int counter, sequence;
    int asking;              /* number of the input that is waited for, or 0 */
    char *ask_id;            /* msg_id of its input_request */
} kernel_router;

/* Runs until shutdown. The fields above `stopping` are the caller's. */
void kernel_router_run(kernel_router *r);
/* After it, and after the publisher is freed: ends the compute process. */
void kernel_router_close(kernel_router *r);

/* --- shared by the files of the router ------------------------------------ */

typedef json_t *kernel_handler(kernel_router *r, kernel_request *q);
#define HANDLER(type, channels, when, function) kernel_handler function;
#include "kernel/handlers.def"
#undef HANDLER

void kernel_status(kernel_router *r, const kernel_request *q,
                   const char *state);
/* Sends `<type>_reply`; steals content. */
void kernel_reply(kernel_router *r, const kernel_request *q, json_t *content);
/* A message on `channel` to the sender of `q`; steals content. *id, unless id
 * is NULL, gets the message's id (malloc'ed). */
void kernel_send(kernel_router *r, jp_channel channel, const kernel_request *q,
                 const char *type, json_t *content, char **id);
void kernel_publish(kernel_router *r, const kernel_request *q,
                    const char *type, json_t *content);
void kernel_request_free(kernel_request *q);
/* Reads what waits on a channel and dispatches it. */
void kernel_router_read(kernel_router *r, jp_channel channel);
/* {status: error, ename, evalue, traceback: [evalue]} */
json_t *kernel_error(const char *ename, const char *evalue);

void kernel_say(kernel_router *r, const kernel_request *q, const char *text);
/* Tells once what the user should know and no message was there to tell. */
void kernel_say_notices(kernel_router *r, const kernel_request *q);
/* Gives the cell to the compute process. */
void kernel_hand_over(kernel_router *r, kernel_request *q);
/* Closes a cell with its reply (stolen). */
void kernel_end_cell(kernel_router *r, kernel_request *q, json_t *reply);

/* Starts the first compute process, before any cell asks for one. */
void kernel_start_compute(kernel_router *r);
/* A compute process to run cells in; false with a reason. */
bool kernel_have_child(kernel_router *r, jp_error *err);
/* The session of the new process stands. */
void kernel_child_stands(kernel_router *r);
/* A checkpoint of the session as it is between two cells is to be made: once the
 * last one's end has been told, while the client takes that in. */
void kernel_keep_checkpoint(kernel_router *r);
/* Asks for the one that is wanted, if any. */
void kernel_ask_checkpoint(kernel_router *r);
/* What is due now; how long until the next time, in ms, -1: no time. */
int64_t kernel_tick_checkpoints(kernel_router *r);
int64_t kernel_tick_interrupt(kernel_router *r);
int64_t kernel_tick_history(kernel_router *r);
/* The answer to that. */
void kernel_take_checkpoint(kernel_router *r, kernel_news *n);
/* Drops checkpoints that hold too much memory, now, or (what is left until then
 * as of the ticks above) when it is time to look again. */
void kernel_trim_checkpoints(kernel_router *r);
int64_t kernel_tick_trim(kernel_router *r);
/* Goes back to the checkpoint that is the newest in the list. */
void kernel_go_back(kernel_router *r);

/* The reply of a cell that did what it should. */
json_t *kernel_cell_done(void);
/* Publishes the error and makes the reply. */
json_t *kernel_fail_cell(kernel_router *r, const kernel_request *q,
                         const char *ename, const char *evalue);
/* Whether the whole cell is a magic of the front. `code` may be NULL. */
bool kernel_is_front_magic(const char *code);
/* Runs it; the cell ends now or when the new process stands. */
void kernel_run_front_magic(kernel_router *r, kernel_request *q,
                            const char *code);

/* Starts the next waiting cell, if that can be. */
void kernel_next_cell(kernel_router *r);
/* What the publisher tells the router (a kernel_hear). */
void kernel_handle_event(void *router, kernel_news *news);
/* SIGCHLD came. */
void kernel_check_child(kernel_router *r);
void kernel_interrupt(kernel_router *r);
void kernel_take_input(kernel_router *r, jp_message *m);   /* steals */

#endif

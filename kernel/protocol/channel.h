/* SPDX-License-Identifier: MIT
 *
 * channel.h - the kernel's bound sockets. All but the heartbeat's belong to one
 * thread.
 */
#ifndef JP_CHANNEL_H
#define JP_CHANNEL_H

#include "kernel/protocol/connection.h"

#include <stdint.h>

typedef struct jp_channels {
    void *context;
    void *socket[JP_CHANNEL_COUNT];   /* none for the heartbeat */
    int listener;                     /* at iopub's address */
    char inner[JP_ADDRESS_MAX];       /* where iopub's socket is */
} jp_channels;

/* Binds all but the heartbeat: ROUTERs with handover, an XPUB that tells of
 * every subscription and never drops. The XPUB's clients come through the
 * listener, which is the caller's to serve, and to close after the sockets
 * with jp_listen_close. On failure nothing stays open. */
bool jp_channels_open(jp_channels *out, const jp_connection *connection,
                      jp_error *err);
/* Gives what was sent a moment to leave, then closes. */
void jp_channels_close(jp_channels *c);

/* The bound socket of a channel, with its limits and keys. `inner`: bind it
 * there instead of at the channel's address; may be NULL. */
void *jp_socket_bind(void *context, const jp_connection *connection,
                     jp_channel channel, const char *inner, jp_error *err);

/* One thing to wait for: a socket's messages, or (socket NULL) a file
 * descriptor; -1 is left out. */
typedef struct jp_poll_item {
    void *socket;
    int fd;
    bool write;      /* of a descriptor: wait for room instead of for data */
    bool ready;      /* set by jp_poll */
} jp_poll_item;

enum { JP_POLL_MAX = 16 };
/* Waits until something is ready or the time is over (ms; -1: no limit). At
 * most JP_POLL_MAX items. */
void jp_poll(jp_poll_item *items, int n, int64_t timeout);

typedef enum jp_upstream {
    JP_UP_NONE,
    JP_UP_SUBSCRIBED,
    JP_UP_UNSUBSCRIBED,  /* or its connection ended */
    JP_UP_OTHER
} jp_upstream;
enum { JP_TOPIC_MAX = 1024 };
/* Takes what a subscriber sent to an XPUB, without waiting. The topic of a
 * subscription is written (NUL-terminated); longer ones count as OTHER, as
 * does everything that is no subscription. */
jp_upstream jp_upstream_take(void *xpub, char topic[JP_TOPIC_MAX],
                             size_t *size);
/* Whether a subscriber without room loses what is sent (no: jp_packet_send
 * says that there is no room), from now on. */
void jp_publisher_drops(void *xpub, bool drops);

#endif

/* SPDX-License-Identifier: MIT
 *
 * wire.h - Jupyter messages on ZeroMQ sockets.
 *
 *   [ident...] <IDS|MSG> signature header parent metadata content [buffer...]
 *
 * Incoming frames are judged in this order, and the first failure drops the
 * message: shape and sizes, signature, header, replay. The content is left
 * unparsed for the handler. The parent of a reply is the request's header,
 * byte for byte. A wire belongs to one thread; all wires of a kernel share one
 * session id.
 */
#ifndef JP_WIRE_H
#define JP_WIRE_H

#include "kernel/protocol/base.h"

#include <jansson.h>

enum {
    JP_MAX_FRAMES = 256,
    JP_MAX_IDENTS = 64,
    JP_MAX_HEADER = 64 * 1024,
    JP_MAX_MESSAGE = 256 * 1024 * 1024,   /* bytes, all frames together */
    JP_SESSION_SIZE = 40                  /* a UUID and its NUL */
};

/* A verified message; free with jp_message_free. */
typedef struct jp_message {
    jp_slice frames[JP_MAX_FRAMES];
    int nframes;
    int nidents;                /* frames[0 .. nidents-1] route the reply */
    jp_slice header, parent, metadata, content;
    json_t *head;               /* the parsed header */
    const char *type, *id;      /* borrowed from head */
    void *parts;                /* what the frames point into */
} jp_message;

typedef enum jp_verdict { JP_OK, JP_NONE, JP_DROPPED } jp_verdict;

typedef struct jp_wire jp_wire;

/* `tag` tells the ids of this wire's messages from those of the others. */
jp_wire *jp_wire_new(const char *scheme, const char *key, const char *session,
                     char tag, jp_error *err);
void jp_wire_free(jp_wire *w);
/* A random version-4 UUID. */
bool jp_session_new(char out[JP_SESSION_SIZE], jp_error *err);

/* Judges m->frames[0 .. nframes-1] and fills the rest of *m. On JP_DROPPED
 * `err` says why. Does not take the frames' memory. */
jp_verdict jp_message_judge(jp_wire *w, jp_message *m, jp_error *err);
/* Takes the next message, without waiting. JP_NONE: there is none. */
jp_verdict jp_wire_receive(jp_wire *w, void *socket, jp_message **out,
                           jp_error *err);
void jp_message_free(jp_message *m);

/* A signed message ready to send, once or later. */
typedef struct jp_packet jp_packet;

typedef struct jp_outgoing {
    const jp_slice *idents;     /* routing frames, or one topic */
    int nidents;
    const char *type;
    jp_slice parent;            /* size 0: {} */
    jp_slice metadata;          /* size 0: {} */
    jp_slice content;
} jp_outgoing;

/* NULL with a message when memory or libcrypto fails. */
jp_packet *jp_wire_pack(jp_wire *w, const jp_outgoing *message, jp_error *err);
/* Bytes of all frames. */
size_t jp_packet_size(const jp_packet *p);
/* The id in the packet's header. */
const char *jp_packet_id(const jp_packet *p);
/* Sends all frames or none: false with errno EAGAIN when the socket is full
 * (then try again later), or with another errno. Does not free. */
bool jp_packet_send(jp_packet *p, void *socket);
void jp_packet_free(jp_packet *p);

#endif

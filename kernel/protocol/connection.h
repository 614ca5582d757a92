/* SPDX-License-Identifier: MIT
 *
 * connection.h - the connection file: where to bind and with which key.
 *
 * The file holds the key, so whoever reads it may run code: it is refused when
 * it is a symbolic link, belongs to another user, or others may read it.
 */
#ifndef JP_CONNECTION_H
#define JP_CONNECTION_H

#include "kernel/protocol/base.h"

typedef enum jp_channel {
    JP_SHELL,
    JP_CONTROL,
    JP_STDIN,
    JP_IOPUB,
    JP_HEARTBEAT,
    JP_CHANNEL_COUNT
} jp_channel;

/* Longest address: "ipc://" and a socket path. */
enum { JP_ADDRESS_MAX = 128 };

typedef struct jp_connection {
    char *transport;   /* "tcp" or "ipc" */
    char *ip;          /* an address, or the path prefix of ipc sockets */
    char *key;         /* "" means unsigned */
    char *scheme;      /* "hmac-sha256" */
    int port[JP_CHANNEL_COUNT];
} jp_connection;

/* "shell", "control", ... */
const char *jp_channel_name(jp_channel channel);
/* Fills *out from the file. `lax` accepts a file others may read. False with
 * a message on failure; *out then needs no dispose. */
bool jp_connection_load(jp_connection *out, const char *path, bool lax,
                        jp_error *err);
/* The same from text. */
bool jp_connection_parse(jp_connection *out, jp_slice text, jp_error *err);
void jp_connection_dispose(jp_connection *c);
/* The ZeroMQ address of a channel. */
bool jp_connection_address(const jp_connection *c, jp_channel channel,
                           char out[JP_ADDRESS_MAX], jp_error *err);

#endif

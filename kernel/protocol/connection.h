/* SPDX-License-Identifier: MIT
 *
 * connection.h - the connection file: where to bind and with which keys.
 *
 * The file holds the keys, so whoever reads it may run code: it is refused when
 * it is a symbolic link, belongs to another user, or others may read it. No
 * message of an error holds a key, nor any other text of the file's keys.
 *
 * With "curve_publickey" and "curve_secretkey" (Z85, the kernel's own pair)
 * every socket speaks only CurveZMQ, to clients that know the public one.
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

#define JP_IPC_SCHEME "ipc://"
/* Longest address: the scheme and a socket path. */
enum { JP_ADDRESS_MAX = 128 };
/* A key of CurveZMQ in Z85 and its NUL. */
enum { JP_CURVE_KEY_SIZE = 41 };

typedef struct jp_connection {
    char *transport;   /* "tcp" or "ipc" */
    char *ip;          /* an address, or the path prefix of ipc sockets */
    char *key;         /* "" means unsigned */
    char *scheme;      /* "hmac-sha256" */
    bool curve;        /* the two keys below are set and belong together */
    char curve_public[JP_CURVE_KEY_SIZE], curve_secret[JP_CURVE_KEY_SIZE];
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
/* Whether others than this machine's users can reach it. */
bool jp_connection_reaches_out(const jp_connection *c);
/* The ZeroMQ address of a channel. */
bool jp_connection_address(const jp_connection *c, jp_channel channel,
                           char out[JP_ADDRESS_MAX], jp_error *err);

#endif

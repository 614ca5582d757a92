/* SPDX-License-Identifier: MIT
 * The heartbeat thread.
 */
#include "kernel/protocol/heartbeat.h"

#include "kernel/protocol/channel.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zmq.h>

struct jp_heartbeat {
    void *context, *socket;
    pthread_t thread;
};

/* Echoes until the context is shut down. */
static void *echo(void *arg)
{
    jp_heartbeat *h = arg;
    zmq_proxy(h->socket, h->socket, NULL);
    zmq_close(h->socket);
    return NULL;
}

jp_heartbeat *jp_heartbeat_start(const jp_connection *connection,
                                 jp_error *err)
{
    jp_heartbeat *h = calloc(1, sizeof *h);
    if (!h || !(h->context = zmq_ctx_new())) {
        jp_fail(err, "heartbeat: out of memory");
        free(h);
        return NULL;
    }
    mode_t before = umask(077);
    h->socket = jp_socket_bind(h->context, connection, JP_HEARTBEAT, NULL,
                               err);
    umask(before);
    int failure = h->socket ? pthread_create(&h->thread, NULL, echo, h) : 0;
    if (h->socket && !failure) {
        return h;
    }
    if (h->socket) {
        jp_fail(err, "heartbeat: %s", strerror(failure));
        zmq_close(h->socket);
    }
    zmq_ctx_term(h->context);
    free(h);
    return NULL;
}

void jp_heartbeat_stop(jp_heartbeat *h)
{
    if (!h) {
        return;
    }
    zmq_ctx_shutdown(h->context);
    pthread_join(h->thread, NULL);
    while (zmq_ctx_term(h->context) != 0 && errno == EINTR) {
    }
    free(h);
}

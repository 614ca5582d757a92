/* SPDX-License-Identifier: MIT
 * echo -f CONNECTION_FILE: answers each cell at once with the messages a kernel
 * sends for one that does nothing, from one thread, and runs none. What
 * jupyter_client and libzmq take for that is the least a kernel can take.
 */
#include "kernel/protocol/channel.h"
#include "kernel/protocol/heartbeat.h"
#include "kernel/protocol/memory.h"
#include "kernel/protocol/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { READ = 2, MEMORY_PATIENCE = 3 };

typedef struct echo {
    void *socket[JP_CHANNEL_COUNT];
    jp_wire *wire;
} echo;

static bool send(echo *e, jp_channel channel, const jp_message *m,
                 const char *type, const char *content)
{
    jp_error err = {""};
    jp_slice topic = jp_text(type);
    bool all = channel == JP_IOPUB;
    jp_outgoing o = {.idents = all ? &topic : m->frames,
                     .nidents = all ? 1 : m->nidents,
                     .type = type,
                     .parent = m->header,
                     .content = jp_text(content)};
    jp_packet *packet = jp_wire_pack(e->wire, &o, &err);
    bool ok = packet && jp_packet_send(packet, e->socket[channel]);
    jp_packet_free(packet);
    return ok;
}

static bool status(echo *e, const jp_message *m, const char *content)
{
    return send(e, JP_IOPUB, m, "status", content);
}

/* In the order in which our kernel sends them. */
static bool answer(echo *e, jp_channel channel, const jp_message *m)
{
    bool cell = strcmp(m->type, "execute_request") == 0;
    bool info = strcmp(m->type, "kernel_info_request") == 0;
    bool ok = status(e, m, "{\"execution_state\":\"busy\"}");
    if (cell) {
        ok = ok && send(e, JP_IOPUB, m, "execute_input",
                        "{\"code\":\"1;\",\"execution_count\":1}");
    }
    ok = ok && status(e, m, "{\"execution_state\":\"idle\"}");
    if (cell) {
        ok = ok && send(e, channel, m, "execute_reply",
                        "{\"status\":\"ok\",\"execution_count\":1,"
                        "\"payload\":[],\"user_expressions\":{}}");
    } else if (info) {
        ok = ok && send(e, channel, m, "kernel_info_reply",
                        "{\"status\":\"ok\",\"protocol_version\":\"5.3\","
                        "\"implementation\":\"echo\","
                        "\"implementation_version\":\"1\",\"language_info\":"
                        "{\"name\":\"echo\"},\"banner\":\"\"}");
    }
    return ok;
}

static bool read_all(echo *e, jp_channel channel)
{
    jp_error err = {""};
    jp_message *m;
    bool ok = true;
    while (ok && jp_wire_receive(e->wire, e->socket[channel], &m, &err) ==
                     JP_OK) {
        ok = answer(e, channel, m) &&
             strcmp(m->type, "shutdown_request") != 0;
        jp_message_free(m);
    }
    return ok;
}

/* Until it is asked to end, or killed. */
static void serve(echo *e)
{
    const jp_channel reading[READ] = {JP_CONTROL, JP_SHELL};
    bool ok = true;
    while (ok) {
        jp_poll_item items[READ];
        for (int i = 0; i < READ; i++) {
            items[i] = (jp_poll_item){.socket = e->socket[reading[i]]};
        }
        jp_poll(items, READ, -1);
        for (int i = 0; ok && i < READ; i++) {
            ok = !items[i].ready || read_all(e, reading[i]);
        }
    }
}

static bool open_sockets(echo *e, const jp_connection *c, jp_error *err)
{
    void *context = zmq_ctx_new();
    bool ok = context && jp_heartbeat_start(c, err);
    for (int i = 0; ok && i < JP_CHANNEL_COUNT; i++) {
        if (i != JP_HEARTBEAT) {
            e->socket[i] = jp_socket_bind(context, c, i, NULL, err);
            ok = e->socket[i] != NULL;
        }
    }
    return ok;
}

int main(int argc, char **argv)
{
    char session[JP_SESSION_SIZE];
    jp_connection c;
    jp_error err = {""};
    echo e = {{0}, NULL};
    jp_memory_init(MEMORY_PATIENCE);
    if (argc != 3 || !jp_connection_load(&c, argv[2], true, &err) ||
        !jp_session_new(session, &err) || !open_sockets(&e, &c, &err) ||
        !(e.wire = jp_wire_new(c.scheme, c.key, session, 'e', &err))) {
        fprintf(stderr, "echo -f CONNECTION_FILE: %s\n", err.text);
        return 1;
    }
    serve(&e);
    return 0;
}

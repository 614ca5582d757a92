/* SPDX-License-Identifier: MIT
 * Sending: headers, signatures, and packets that wait for room.
 */
#include "kernel/protocol/wire.h"

#include "kernel/protocol/memory.h"
#include "kernel/protocol/wire_priv.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define VERSION "5.6"

bool jp_session_new(char out[JP_SESSION_SIZE], jp_error *err)
{
    unsigned char r[16];
    if (RAND_bytes(r, sizeof r) != 1) {
        return jp_fail(err, "session: libcrypto gives no random bytes");
    }
    r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
    r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
    snprintf(out, JP_SESSION_SIZE,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
             "%02x%02x%02x%02x%02x%02x",
             r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10],
             r[11], r[12], r[13], r[14], r[15]);
    return true;
}

/* The user's name where it needs no escaping in JSON. */
static void set_username(jp_wire *w)
{
    const char *name = getenv("USER");
    size_t n = name ? strlen(name) : 0;
    bool plain = n > 0 && n < sizeof w->username;
    for (size_t i = 0; plain && i < n; i++) {
        plain = isalnum((unsigned char)name[i]) || strchr("._-@", name[i]);
    }
    snprintf(w->username, sizeof w->username, "%s", plain ? name : "kernel");
}

jp_wire *jp_wire_new(const char *scheme, const char *key, const char *session,
                     char tag, jp_error *err)
{
    jp_wire *w = jp_zeroed(sizeof *w);
    if (!w) {
        jp_fail(err, "wire: out of memory");
        return NULL;
    }
    w->tag = tag;
    snprintf(w->session, sizeof w->session, "%s", session);
    set_username(w);
    w->signer = jp_signer_new(scheme, key, err);
    w->replay = jp_replay_new();
    if (!w->signer || !w->replay) {
        jp_fail(err, "wire: out of memory");
        jp_wire_free(w);
        return NULL;
    }
    return w;
}

void jp_wire_free(jp_wire *w)
{
    if (w) {
        jp_signer_free(w->signer);
        jp_replay_free(w->replay);
        free(w);
    }
}

enum { ID_SIZE = 96, FIXED_PARTS = 6, MAX_OUT = JP_MAX_IDENTS + FIXED_PARTS,
       LENT = 64 * 1024 };

struct jp_packet {
    char id[ID_SIZE];
    size_t size;
    atomic_int holders;         /* its owner, and frames that a socket has */
    int nframes;
    jp_slice frames[MAX_OUT];   /* into the bytes after the struct */
};

static void now_text(char *out, size_t size)
{
    struct timespec t;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &utc);
    snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%06ldZ",
             utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
             utc.tm_min, utc.tm_sec, t.tv_nsec / 1000);
}

static jp_slice make_header(jp_wire *w, const char *type, char *id, char *out,
                            size_t size)
{
    char date[64];
    now_text(date, sizeof date);
    snprintf(id, ID_SIZE, "%s_%d_%c%llu", w->session, (int)getpid(), w->tag,
             w->sent++);
    int n = snprintf(out, size,
                     "{\"msg_id\":\"%s\",\"session\":\"%s\",\"username\":"
                     "\"%s\",\"date\":\"%s\",\"msg_type\":\"%s\","
                     "\"version\":\"" VERSION "\"}",
                     id, w->session, w->username, date, type);
    return (jp_slice){out, n > 0 && (size_t)n < size ? (size_t)n : 0};
}

static void add_frame(jp_packet *p, char **at, jp_slice s)
{
    memcpy(*at, s.data, s.size);
    p->frames[p->nframes++] = (jp_slice){*at, s.size};
    *at += s.size;
}

static jp_packet *assemble(const jp_outgoing *o, const jp_slice *fixed)
{
    size_t size = 0;
    for (int i = 0; i < o->nidents; i++) {
        size += o->idents[i].size;
    }
    for (int i = 0; i < FIXED_PARTS; i++) {
        size += fixed[i].size;
    }
    jp_packet *p = jp_alloc(sizeof *p + size);
    if (!p) {
        return NULL;
    }
    char *at = (char *)(p + 1);
    p->size = size;
    p->nframes = 0;
    atomic_init(&p->holders, 1);
    for (int i = 0; i < o->nidents; i++) {
        add_frame(p, &at, o->idents[i]);
    }
    for (int i = 0; i < FIXED_PARTS; i++) {
        add_frame(p, &at, fixed[i]);
    }
    return p;
}

jp_packet *jp_wire_pack(jp_wire *w, const jp_outgoing *o, jp_error *err)
{
    const jp_slice empty = jp_text("{}");
    char header[512], id[ID_SIZE], hex[JP_HEX_MAX + 1];
    jp_slice fixed[FIXED_PARTS] = {
        jp_text("<IDS|MSG>"),
        {NULL, 0},
        make_header(w, o->type, id, header, sizeof header),
        o->parent.size ? o->parent : empty,
        o->metadata.size ? o->metadata : empty,
        o->content,
    };
    if (o->nidents > JP_MAX_IDENTS || !fixed[2].size ||
        !jp_sign(w->signer, fixed + 2, hex)) {
        jp_fail(err, "%s: cannot be signed", o->type);
        return NULL;
    }
    fixed[1] = jp_text(hex);
    jp_packet *p = assemble(o, fixed);
    if (!p) {
        jp_fail(err, "%s: out of memory", o->type);
        return NULL;
    }
    memcpy(p->id, id, ID_SIZE);
    return p;
}

size_t jp_packet_size(const jp_packet *p)
{
    return p->size;
}

const char *jp_packet_id(const jp_packet *p)
{
    return p->id;
}

static void let_go(void *data, void *packet)
{
    (void)data;
    jp_packet_free(packet);
}

/* A large frame is lent to the socket, and nothing is copied. */
static bool make_frame(zmq_msg_t *out, jp_packet *p, const jp_slice *f)
{
    if (f->size < LENT) {
        if (zmq_msg_init_size(out, f->size) != 0) {
            return false;
        }
        memcpy(zmq_msg_data(out), f->data, f->size);
        return true;
    }
    if (zmq_msg_init_data(out, (void *)f->data, f->size, let_go, p) != 0) {
        return false;
    }
    atomic_fetch_add(&p->holders, 1);
    return true;
}

bool jp_packet_send(jp_packet *p, void *socket)
{
    zmq_msg_t frames[MAX_OUT];
    int made = 0, sent = 0, why;
    /* All are made before the first is sent: a message is never cut short. */
    while (made < p->nframes &&
           make_frame(&frames[made], p, &p->frames[made])) {
        made++;
    }
    bool ok = made == p->nframes;
    while (ok && sent < made) {
        /* Room is judged on the first frame; the rest always fits. */
        int flags = (sent ? 0 : ZMQ_DONTWAIT) |
                    (sent + 1 < made ? ZMQ_SNDMORE : 0);
        if (zmq_msg_send(&frames[sent], socket, flags) >= 0) {
            sent++;
        } else {
            ok = errno == EINTR;
        }
    }
    why = errno;
    for (int i = sent; i < made; i++) {
        zmq_msg_close(&frames[i]);
    }
    errno = why;
    return ok;
}

void jp_packet_free(jp_packet *p)
{
    if (p && atomic_fetch_sub(&p->holders, 1) == 1) {
        free(p);
    }
}

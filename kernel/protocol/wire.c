/* SPDX-License-Identifier: MIT
 * Receiving: shape, signature, header, replay, in this order.
 */
#include "kernel/protocol/wire.h"

#include "kernel/protocol/memory.h"
#include "kernel/protocol/sign.h"
#include "kernel/protocol/wire_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

static const char delimiter[] = "<IDS|MSG>";

static bool is_delimiter(jp_slice s)
{
    return s.size == sizeof delimiter - 1 &&
           memcmp(s.data, delimiter, s.size) == 0;
}

/* Finds the delimiter; four JSON frames and a signature must follow it. */
static bool check_shape(jp_message *m, jp_error *err)
{
    size_t total = 0;
    int at = -1;
    for (int i = 0; i < m->nframes; i++) {
        total += m->frames[i].size;
        if (at < 0 && is_delimiter(m->frames[i])) {
            at = i;
        }
    }
    if (at < 0) {
        return jp_fail(err, "%d frames without a delimiter", m->nframes);
    }
    if (at > JP_MAX_IDENTS) {
        return jp_fail(err, "%d routing frames, expected at most %d", at,
                       JP_MAX_IDENTS);
    }
    if (m->nframes - at < 2 + JP_SIGNED_PARTS) {
        return jp_fail(err, "%d frames after the delimiter, expected at "
                            "least %d",
                       m->nframes - at - 1, 1 + JP_SIGNED_PARTS);
    }
    if (total > JP_MAX_MESSAGE) {
        return jp_fail(err, "%zu bytes, expected at most %d", total,
                       JP_MAX_MESSAGE);
    }
    m->nidents = at;
    m->header = m->frames[at + 2];
    m->parent = m->frames[at + 3];
    m->metadata = m->frames[at + 4];
    m->content = m->frames[at + 5];
    if (m->header.size > JP_MAX_HEADER || m->parent.size > JP_MAX_HEADER) {
        return jp_fail(err, "a header of %zu bytes, expected at most %d",
                       m->header.size, JP_MAX_HEADER);
    }
    return true;
}

static bool check_origin(jp_wire *w, const jp_message *m,
                         unsigned char digest[JP_DIGEST_SIZE], jp_error *err)
{
    const jp_slice parts[JP_SIGNED_PARTS] = {m->header, m->parent, m->metadata,
                                             m->content};
    return jp_verify(w->signer, parts, m->frames[m->nidents + 1], digest) ||
           jp_fail(err, "the signature does not match");
}

static bool parse_header(jp_message *m, jp_error *err)
{
    json_error_t why;
    m->head = json_loadb(m->header.data, m->header.size,
                         JSON_REJECT_DUPLICATES, &why);
    if (!m->head) {
        return jp_fail(err, "header: %s", why.text);
    }
    m->id = json_string_value(json_object_get(m->head, "msg_id"));
    m->type = json_string_value(json_object_get(m->head, "msg_type"));
    return (m->id && m->type) ||
           jp_fail(err, "header: no msg_id or no msg_type");
}

static bool check_fresh(jp_wire *w, const jp_message *m,
                        const unsigned char digest[JP_DIGEST_SIZE],
                        jp_error *err)
{
    const json_t *session = json_object_get(m->head, "session");
    const json_t *date = json_object_get(m->head, "date");
    if (!jp_signer_active(w->signer)) {
        return true;
    }
    switch (jp_replay_admit(w->replay, digest,
                            (jp_slice){json_string_value(session),
                                       json_string_length(session)},
                            jp_date_parse(json_string_value(date)))) {
    case JP_REPLAYED:
        return jp_fail(err, "the same signed message came before");
    case JP_STALE:
        return jp_fail(err, "its date is not after that of messages of its "
                            "session that came long before");
    case JP_FRESH:
        break;
    }
    return true;
}

jp_verdict jp_message_judge(jp_wire *w, jp_message *m, jp_error *err)
{
    unsigned char digest[JP_DIGEST_SIZE];
    bool ok = check_shape(m, err) && check_origin(w, m, digest, err) &&
              parse_header(m, err) && check_fresh(w, m, digest, err);
    return ok ? JP_OK : JP_DROPPED;
}

typedef struct part {
    zmq_msg_t body;
    struct part *next;
} part;

/* Takes one frame into the message; past the limits it is read and let go. */
static bool take_frame(jp_message *m, zmq_msg_t *frame, size_t *total)
{
    part *p;
    *total += zmq_msg_size(frame);
    p = m->nframes < JP_MAX_FRAMES && *total <= JP_MAX_MESSAGE
            ? jp_alloc(sizeof *p)
            : NULL;
    if (!p) {
        return false;
    }
    zmq_msg_init(&p->body);
    zmq_msg_move(&p->body, frame);
    p->next = m->parts;
    m->parts = p;
    m->frames[m->nframes++] =
        (jp_slice){zmq_msg_data(&p->body), zmq_msg_size(&p->body)};
    return true;
}

jp_verdict jp_wire_receive(jp_wire *w, void *socket, jp_message **out,
                           jp_error *err)
{
    jp_message *m = NULL;
    bool more = true, whole = true;
    size_t total = 0;
    *out = NULL;
    for (int n = 0; more; n++) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, socket, n ? 0 : ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&frame);
            if (n && errno == EINTR) {
                continue;
            }
            jp_message_free(m);
            return JP_NONE;
        }
        m = m ? m : jp_zeroed(sizeof *m);
        more = zmq_msg_more(&frame);
        whole = whole && m && take_frame(m, &frame, &total);
        zmq_msg_close(&frame);   /* empty, if it was taken */
    }
    if (!whole) {
        jp_fail(err, "more than %d frames or %d bytes, or no memory",
                JP_MAX_FRAMES, JP_MAX_MESSAGE);
    }
    if (!whole || jp_message_judge(w, m, err) != JP_OK) {
        jp_message_free(m);
        return JP_DROPPED;
    }
    *out = m;
    return JP_OK;
}

void jp_message_free(jp_message *m)
{
    if (!m) {
        return;
    }
    for (part *p = m->parts; p;) {
        part *next = p->next;
        zmq_msg_close(&p->body);
        free(p);
        p = next;
    }
    json_decref(m->head);
    free(m);
}

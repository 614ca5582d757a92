/* SPDX-License-Identifier: MIT
 * What is dropped, and why, before a message is believed.
 */
#include "kernel/protocol/wire.h"

#include "kernel/protocol/sign.h"
#include "tests/unit/unit.h"

/* How often the parser has asked for memory: it does so before it reads. */
static int parsed;

static void *counted(size_t size)
{
    parsed++;
    return malloc(size);
}

__attribute__((constructor)) static void count_parsing(void)
{
    json_set_alloc_funcs(counted, free);
}

#define HEADER "{\"msg_id\":\"1\",\"msg_type\":\"t_request\",\"new\":[1]}"

static jp_wire *wire(const char *key)
{
    return jp_wire_new("hmac-sha256", key, "session", 'r', NULL);
}

/* Frames of a signed message; the signature goes to `hex`. */
static void fill(jp_message *m, const char *header, char *hex)
{
    jp_signer *s = jp_signer_new("hmac-sha256", "key", NULL);
    *m = (jp_message){.nframes = 7};
    m->frames[0] = jp_text("ident");
    m->frames[1] = jp_text("<IDS|MSG>");
    m->frames[3] = jp_text(header);
    m->frames[4] = m->frames[5] = m->frames[6] = jp_text("{}");
    jp_sign(s, m->frames + 3, hex);
    m->frames[2] = jp_text(hex);
    jp_signer_free(s);
}

static void release(jp_message *m)
{
    json_decref(m->head);
}

CASE(a_signed_message_is_taken_apart)
{
    char hex[JP_HEX_MAX + 1];
    jp_message m;
    jp_wire *w = wire("key");
    jp_error err = {""};
    fill(&m, HEADER, hex);
    CHECK_INT(jp_message_judge(w, &m, &err), JP_OK);
    CHECK_TEXT(m.type, "t_request");
    CHECK_TEXT(m.id, "1");
    CHECK_INT(m.nidents, 1);
    CHECK_INT(m.header.size, strlen(HEADER));
    release(&m);
    jp_wire_free(w);
}

CASE(the_same_message_twice_is_a_replay)
{
    char hex[JP_HEX_MAX + 1];
    jp_message m;
    jp_wire *w = wire("key");
    jp_error err = {""};
    fill(&m, HEADER, hex);
    CHECK_INT(jp_message_judge(w, &m, &err), JP_OK);
    release(&m);
    fill(&m, HEADER, hex);
    CHECK_INT(jp_message_judge(w, &m, &err), JP_DROPPED);
    CHECK_HAS(err.text, "came before");
    release(&m);
    jp_wire_free(w);
}

CASE(a_bad_signature_neither_passes_nor_fills_the_window)
{
    char hex[JP_HEX_MAX + 1];
    jp_message m;
    jp_wire *w = wire("key");
    jp_error err = {""};
    fill(&m, HEADER, hex);
    m.frames[6] = jp_text("{\"code\":1}");
    CHECK_INT(jp_message_judge(w, &m, &err), JP_DROPPED);
    CHECK_HAS(err.text, "signature");
    fill(&m, HEADER, hex);
    CHECK_INT(jp_message_judge(w, &m, &err), JP_OK);
    release(&m);
    jp_wire_free(w);
}

/* Of the message in which one frame is another, or the signature. */
static const char *refusal(jp_wire *w, int frame, const char *other)
{
    static jp_error err;
    char hex[JP_HEX_MAX + 1];
    jp_message m;
    err = (jp_error){""};
    fill(&m, HEADER, hex);
    m.frames[frame] = jp_text(other);
    CHECK_INT(jp_message_judge(w, &m, &err), JP_DROPPED);
    release(&m);
    return err.text;
}

CASE(nothing_is_parsed_before_the_signature_is_right)
{
    static const char *const nonsense[] = {
        "", "{", "[[[[[[[[", "\xff\xfe", "{\"msg_id\":1,\"msg_id\":1}", HEADER};
    char hex[JP_HEX_MAX + 1], zeros[JP_HEX_MAX + 1];
    jp_message m;
    jp_wire *w = wire("key");
    jp_error err = {""};
    fill(&m, HEADER, hex);
    memset(zeros, '0', sizeof zeros);
    zeros[strlen(hex)] = '\0';
    parsed = 0;
    CHECK_HAS(refusal(w, 2, zeros), "signature does not match");
    CHECK_HAS(refusal(w, 2, ""), "signature does not match");
    CHECK_HAS(refusal(w, 2, "00"), "signature does not match");
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        for (int frame = 3; frame < 7; frame++) {
            if (frame > 3 || nonsense[i] != nonsense[5]) {
                CHECK_HAS(refusal(w, frame, nonsense[i]),
                          "signature does not match");
            }
        }
    }
    CHECK_INT(parsed, 0);
    fill(&m, HEADER, hex);   /* and the counter counts */
    CHECK_INT(jp_message_judge(w, &m, &err), JP_OK);
    CHECK(parsed > 0);
    release(&m);
    jp_wire_free(w);
}

CASE(sizes_and_counts_are_judged_before_signatures)
{
    static char large[JP_MAX_HEADER + 2];
    jp_wire *w = wire("key");
    memset(large, '[', sizeof large - 1);
    parsed = 0;
    CHECK_HAS(refusal(w, 3, large), "a header of");
    CHECK_HAS(refusal(w, 4, large), "a header of");
    CHECK_HAS(refusal(w, 1, "<IDS|MSG"), "without a delimiter");
    CHECK_INT(parsed, 0);
    jp_wire_free(w);
}

CASE(every_short_or_shapeless_message_is_dropped)
{
    jp_wire *w = wire("");
    for (int n = 0; n <= 20; n++) {
        for (int at = -1; at < n; at++) {
            jp_message m = {.nframes = n};
            jp_error err = {""};
            for (int i = 0; i < n; i++) {
                m.frames[i] = jp_text(i == at ? "<IDS|MSG>" : HEADER);
            }
            bool whole = at >= 0 && n - at >= 6;
            CHECK_INT(jp_message_judge(w, &m, &err),
                      whole ? JP_OK : JP_DROPPED);
            release(&m);
        }
    }
    jp_wire_free(w);
}

CASE(headers_that_are_no_headers_are_dropped)
{
    static const char *const bad[] = {
        "",   "[]", "{}", "null", "{\"msg_id\":1,\"msg_type\":\"a\"}",
        "{\"msg_id\":\"a\"}", "{\"msg_id\":\"a\",\"msg_id\":\"b\"}",
        "{\"msg_id\":\"a\",\"msg_type\":\"\xff\"}"};
    jp_wire *w = wire("key");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char hex[JP_HEX_MAX + 1];
        jp_message m;
        jp_error err = {""};
        fill(&m, bad[i], hex);
        CHECK_INT(jp_message_judge(w, &m, &err), JP_DROPPED);
        CHECK_HAS(err.text, "header");
        release(&m);
    }
    jp_wire_free(w);
}

CASE(too_many_idents_and_too_large_headers_are_dropped)
{
    static char large[JP_MAX_HEADER + 2];
    jp_wire *w = wire("");
    jp_message m = {.nframes = JP_MAX_IDENTS + 7};
    jp_error err = {""};
    for (int i = 0; i < m.nframes; i++) {
        m.frames[i] = jp_text(HEADER);
    }
    m.frames[JP_MAX_IDENTS + 1] = jp_text("<IDS|MSG>");
    CHECK_INT(jp_message_judge(w, &m, &err), JP_DROPPED);
    CHECK_HAS(err.text, "routing frames");
    memset(large, ' ', sizeof large - 1);
    memcpy(large, HEADER, strlen(HEADER));
    m = (jp_message){.nframes = 6};
    for (int i = 1; i < 6; i++) {
        m.frames[i] = jp_text(large);
    }
    m.frames[0] = jp_text("<IDS|MSG>");
    err.text[0] = '\0';
    CHECK_INT(jp_message_judge(w, &m, &err), JP_DROPPED);
    CHECK_HAS(err.text, "a header of");
    jp_wire_free(w);
}

CASE(packets_of_one_wire_have_ids_of_their_own)
{
    jp_wire *w = wire("key");
    jp_outgoing o = {.type = "status", .content = jp_text("{}")};
    jp_packet *a = jp_wire_pack(w, &o, NULL), *b = jp_wire_pack(w, &o, NULL);
    CHECK(strcmp(jp_packet_id(a), jp_packet_id(b)) != 0);
    CHECK_HAS(jp_packet_id(a), "session_");
    jp_packet_free(a);
    jp_packet_free(b);
    jp_wire_free(w);
}

UNIT_MAIN

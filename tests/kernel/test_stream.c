/* SPDX-License-Identifier: MIT
 * Batches of printed text, characters cut in two, and the link's packets.
 */
#include "kernel/stream.h"

#include "kernel/link.h"
#include "kernel/log.h"
#include "tests/unit/unit.h"

#include <unistd.h>

static char sent[1 << 20];
static int messages;

static void collect(void *ctx, const char *name, const char *text, size_t size)
{
    size_t at = strlen(sent);
    snprintf(sent + at, sizeof sent - at, "%c:%.*s|", name[3], (int)size, text);
    messages++;
}

static kernel_stream fresh(void)
{
    sent[0] = '\0';
    messages = 0;
    return (kernel_stream){.send = collect};
}

static void add(kernel_stream *s, kernel_source source, const char *text)
{
    kernel_stream_add(s, source, text, strlen(text));
}

CASE(the_other_stream_sends_what_waits)
{
    kernel_stream s = fresh();
    add(&s, KERNEL_FROM_LINK_OUT, "a");
    add(&s, KERNEL_FROM_PIPE_OUT, "b");
    add(&s, KERNEL_FROM_LINK_ERR, "c");
    add(&s, KERNEL_FROM_LINK_OUT, "d");
    kernel_stream_finish(&s);
    CHECK_TEXT(sent, "o:ab|e:c|o:d|");
    kernel_stream_dispose(&s);
}

CASE(text_waits_a_few_milliseconds_and_no_more)
{
    kernel_stream s = fresh();
    CHECK_INT(kernel_stream_tick(&s), -1);
    add(&s, KERNEL_FROM_LINK_OUT, "a");
    int64_t left = kernel_stream_tick(&s);
    CHECK(left > 0 && left <= 5);
    s.due = kernel_now();
    CHECK_INT(kernel_stream_tick(&s), -1);
    CHECK_TEXT(sent, "o:a|");
    add(&s, KERNEL_FROM_LINK_OUT, "b");
    left = kernel_stream_tick(&s);
    CHECK(left > 5 && left <= 50);
    kernel_stream_dispose(&s);
}

CASE(large_batches_leave_at_once)
{
    static char big[70000];
    kernel_stream s = fresh();
    memset(big, 'x', sizeof big - 1);
    add(&s, KERNEL_FROM_LINK_OUT, big);
    CHECK_INT(messages, 1);
    kernel_stream_dispose(&s);
}

CASE(characters_cut_anywhere_come_out_whole)
{
    const char *text = "a\xc3\xa9\xe2\x98\x83\xf0\x9f\x94\xa5z";
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        for (size_t next = cut; next <= strlen(text); next++) {
            kernel_text t = {0};
            kernel_carry c = {{0}, 0};
            kernel_text_add(&t, &c, text, cut);
            kernel_text_add(&t, &c, text + cut, next - cut);
            kernel_text_add(&t, &c, text + next, strlen(text) - next);
            kernel_text_finish(&t, &c);
            CHECK_TEXT(t.data, text);
            kernel_text_dispose(&t);
        }
    }
}

CASE(what_is_no_utf8_becomes_replacement_characters)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"\xff", "\xef\xbf\xbd"},
        {"a\xe2\x98", "a\xef\xbf\xbd"},
        {"\xe2\x98g", "\xef\xbf\xbdg"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf5g", "\xef\xbf\xbdg"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *s = kernel_json_text(rows[i].in, strlen(rows[i].in));
        CHECK_TEXT(json_string_value(s), rows[i].out);
        json_decref(s);
    }
}

CASE(quoted_text_reads_back_as_it_was)
{
    char bytes[128];
    kernel_text t = {0};
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)i;
    }
    kernel_text_quote(&t, bytes, sizeof bytes);
    json_t *s = json_loads(t.data, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
    CHECK_INT(json_string_length(s), sizeof bytes);
    CHECK(s && memcmp(json_string_value(s), bytes, sizeof bytes) == 0);
    json_decref(s);
    kernel_text_clear(&t);
    kernel_text_quote(&t, "a\"\\\n\x01\xe2\x98\x83", 8);
    CHECK_TEXT(t.data, "\"a\\\"\\\\\\n\\u0001\xe2\x98\x83\"");
    kernel_text_clear(&t);
    kernel_text_quote(&t, NULL, 0);
    CHECK_TEXT(t.data, "\"\"");
    kernel_text_dispose(&t);
}

static bool at_once(void)
{
    return true;
}

/* All of it is sent before the reply of an interrupted cell. */
CASE(little_is_on_its_way_across_the_link)
{
    static char text[KERNEL_LINK_PACKET];
    int fd[2];
    size_t waits = 0;
    CHECK(kernel_link_pair(fd));
    while (kernel_link_send(fd[1], KERNEL_LINK_STREAM, text, sizeof text,
                            at_once)) {
        waits += sizeof text;
    }
    CHECK(waits >= 2 * sizeof text);
    CHECK(waits <= 256 * 1024);
    close(fd[0]);
    close(fd[1]);
}

CASE(long_messages_cross_the_link_in_packets)
{
    enum { SIZE = 300000 };
    int fd[2];
    kernel_inbox in = {0};
    kernel_outbox out;
    char *data = kernel_alloc(SIZE);
    for (int i = 0; i < SIZE; i++) {
        data[i] = (char)(i * 7);
    }
    CHECK(kernel_link_pair(fd));
    kernel_outbox_init(&out);
    kernel_outbox_add(&out, KERNEL_LINK_EXECUTE, data, SIZE);
    kernel_outbox_add(&out, KERNEL_LINK_STREAM, "", 0);
    kernel_received got;
    do {
        kernel_outbox_push(&out, fd[0]);
        got = kernel_link_receive(&in, fd[1]);
    } while (got == KERNEL_NOTHING);
    CHECK_INT(got, KERNEL_MESSAGE);
    CHECK_INT(in.size, SIZE);
    CHECK(in.size == SIZE && memcmp(in.data, data, SIZE) == 0);
    kernel_outbox_push(&out, fd[0]);
    CHECK_INT(kernel_link_receive(&in, fd[1]), KERNEL_MESSAGE);
    CHECK_INT(in.kind, KERNEL_LINK_STREAM);
    CHECK_INT(in.size, 0);
    CHECK_INT(kernel_link_receive(&in, fd[1]), KERNEL_NOTHING);
    close(fd[0]);
    CHECK_INT(kernel_link_receive(&in, fd[1]), KERNEL_CLOSED);
    close(fd[1]);
    kernel_inbox_dispose(&in);
    free(data);
}

UNIT_MAIN

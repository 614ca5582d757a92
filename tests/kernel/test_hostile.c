/* SPDX-License-Identifier: MIT
 * Random and mutated input for everything that reads what others wrote. The
 * seed is fixed; RUSTORCH_FUZZ_ROUNDS asks for more than the usual rounds.
 * Meant to run under the sanitizers too (make asan).
 */
#include "kernel/history.h"
#include "kernel/link.h"
#include "kernel/protocol/connection.h"
#include "kernel/protocol/sign.h"
#include "kernel/protocol/wire.h"
#include "kernel/text.h"
#include "tests/unit/unit.h"

#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint32_t draw(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % below;
}

static int rounds(void)
{
    const char *text = getenv("RUSTORCH_FUZZ_ROUNDS");
    return text ? atoi(text) : 20000;
}

/* Some bytes changed, some put in, perhaps the end cut; returns the size. */
static size_t mutate(char *out, size_t room, const char *in)
{
    static const char grit[] = "\"\\{}[],:0-9eE.\x00\x01\xff\xe2\xc0\n *?^";
    size_t size = strlen(in);
    size = size < room ? size : room;
    memcpy(out, in, size);
    for (uint32_t i = draw(6); i > 0 && size; i--) {
        out[draw((uint32_t)size)] = draw(2) ? grit[draw(sizeof grit)]
                                            : (char)draw(256);
    }
    return draw(4) ? size : draw((uint32_t)size + 1);
}

CASE(random_frames_are_dropped_or_read_and_never_overrun)
{
    static const char *const seeds[] = {
        "<IDS|MSG>", "{\"msg_id\":\"1\",\"msg_type\":\"execute_request\"}",
        "{}", "", "0123456789abcdef0123456789abcdef0123456789abcdef01234567"};
    jp_wire *w[2] = {jp_wire_new("hmac-sha256", "", "s", 'r', NULL),
                     jp_wire_new("hmac-sha256", "key", "s", 'r', NULL)};
    int believed = 0;
    for (int round = 0; round < rounds(); round++) {
        char bytes[96];
        jp_message m = {.nframes = (int)draw(13)};
        jp_error err = {""};
        for (int i = 0; i < m.nframes; i++) {
            const char *seed = seeds[i == 0 && draw(2) ? 0 : draw(5)];
            /* Exactly as large as it says, so that ASan sees one byte more. */
            size_t n = strlen(seed);
            memcpy(bytes, seed, n);
            n = draw(3) ? n : mutate(bytes, sizeof bytes, seed);
            char *copy = malloc(n + !n);
            memcpy(copy, bytes, n);
            m.frames[i] = (jp_slice){copy, n};
        }
        bool keyed = draw(2);
        bool ok = jp_message_judge(w[keyed], &m, &err) == JP_OK;
        believed += ok && keyed;
        CHECK(ok || err.text[0]);
        json_decref(m.head);
        for (int i = 0; i < m.nframes; i++) {
            free((char *)m.frames[i].data);
        }
    }
    CHECK_INT(believed, 0);   /* nobody guesses a signature */
    jp_wire_free(w[0]);
    jp_wire_free(w[1]);
}

CASE(mutated_connection_files_are_refused_or_read)
{
    const char *seed =
        "{\"transport\":\"tcp\",\"ip\":\"127.0.0.1\",\"key\":\"k\","
        "\"signature_scheme\":\"hmac-sha256\",\"shell_port\":1,"
        "\"control_port\":2,\"stdin_port\":\"3\",\"iopub_port\":4,"
        "\"hb_port\":5}";
    for (int round = 0; round < rounds(); round++) {
        char text[512], address[JP_ADDRESS_MAX];
        jp_connection c;
        jp_error err = {""};
        size_t n = mutate(text, sizeof text, seed);
        if (jp_connection_parse(&c, (jp_slice){text, n}, &err)) {
            for (int i = 0; i < JP_CHANNEL_COUNT; i++) {
                CHECK(jp_connection_address(&c, i, address, &err));
            }
            jp_connection_dispose(&c);
        } else {
            CHECK(err.text[0]);
        }
    }
}

CASE(any_bytes_become_text_however_they_are_cut)
{
    for (int round = 0; round < rounds(); round++) {
        char bytes[64];
        size_t n = draw(sizeof bytes);
        for (size_t i = 0; i < n; i++) {
            bytes[i] = (char)(draw(2) ? draw(256) : 0xe0 + draw(32));
        }
        kernel_text whole = {0}, cut = {0};
        kernel_carry a = {{0}, 0}, b = {{0}, 0};
        kernel_text_add(&whole, &a, bytes, n);
        kernel_text_finish(&whole, &a);
        for (size_t at = 0, part; at < n; at += part) {
            part = 1 + draw((uint32_t)(n - at));
            kernel_text_add(&cut, &b, bytes + at, part);
        }
        kernel_text_finish(&cut, &b);
        json_t *valid = json_stringn(whole.data ? whole.data : "", whole.size);
        CHECK(valid != NULL);
        CHECK(whole.size == cut.size &&
              (!n || memcmp(whole.data, cut.data, cut.size) == 0));
        json_decref(valid);
        kernel_text_dispose(&whole);
        kernel_text_dispose(&cut);
    }
}

CASE(random_patterns_end)
{
    static const char letters[] = "ab*?[]^-!\xe2\x98\x83";
    for (int round = 0; round < rounds(); round++) {
        char pattern[24] = "", text[24] = "";
        for (uint32_t i = 0, n = draw(23); i < n; i++) {
            pattern[i] = letters[draw(sizeof letters - 1)];
        }
        for (uint32_t i = 0, n = draw(23); i < n; i++) {
            text[i] = letters[draw(sizeof letters - 1)];
        }
        int match = kernel_glob(pattern, text);
        CHECK(match == 0 || match == 1);
        CHECK(kernel_glob("*", text) == 1);
    }
}

CASE(random_packets_close_the_link_or_are_read)
{
    for (int round = 0; round < rounds() / 20; round++) {
        int fd[2];
        kernel_inbox in = {0};
        if (!kernel_link_pair(fd)) {
            UNIT_FAIL("no socket pair");
            return;
        }
        for (uint32_t i = draw(8); i > 0; i--) {
            char packet[64];
            size_t n = draw(sizeof packet);
            for (size_t k = 0; k < n; k++) {
                packet[k] = (char)draw(k < 2 ? 12 : 256);
            }
            CHECK(send(fd[0], packet, n, MSG_DONTWAIT) == (ssize_t)n);
        }
        close(fd[0]);
        kernel_received got;
        do {
            got = kernel_link_receive(&in, fd[1]);
        } while (got == KERNEL_MESSAGE);
        CHECK_INT(got, KERNEL_CLOSED);
        kernel_inbox_dispose(&in);
        close(fd[1]);
    }
}

CASE(a_mutated_history_file_is_read_as_far_as_it_makes_sense)
{
    const char *seed = "{\"session\":1,\"line\":1,\"in\":\"a = 1\"}\n"
                       "{\"session\":1,\"line\":1,\"out\":\"1\"}\n"
                       "{\"session\":2}\n{\"session\":2,\"line\":7,"
                       "\"in\":\"b\"}\n";
    char directory[] = "/tmp/rustorch-hostile-XXXXXX", path[128];
    CHECK(mkdtemp(directory) != NULL);
    snprintf(path, sizeof path, "%s/history.jsonl", directory);
    json_t *request = json_pack("{ss si sb}", "hist_access_type", "tail", "n",
                                9, "output", 1);
    for (int round = 0; round < rounds() / 100; round++) {
        char text[512];
        size_t n = mutate(text, sizeof text, seed);
        FILE *f = fopen(path, "w");
        fwrite(text, 1, n, f);
        fclose(f);
        kernel_history *h = kernel_history_new(directory);
        kernel_history_add(h, 1, "fresh", 5);
        json_t *rows = kernel_history_answer(h, request);
        size_t last = json_array_size(rows);
        CHECK(last >= 1);
        const json_t *row = json_array_get(rows, last - 1);
        const json_t *both = json_array_get(row, 2);
        CHECK_TEXT(json_string_value(json_array_get(both, 0)), "fresh");
        json_decref(rows);
        kernel_history_free(h);
    }
    json_decref(request);
    unlink(path);
    snprintf(path, sizeof path, "%s/history.lock", directory);
    unlink(path);
    rmdir(directory);
}

UNIT_MAIN

/* SPDX-License-Identifier: MIT
 * Messages that came before, lately or long ago.
 */
#include "kernel/protocol/replay.h"

#include "tests/unit/unit.h"

static jp_replay *window;

/* Sends message `i` of a session to the window. */
static jp_freshness send(const char *session, unsigned i, int64_t date)
{
    unsigned char digest[JP_DIGEST_SIZE] = {0};
    memcpy(digest, &(unsigned){i * 2654435761u}, sizeof i);
    digest[30] = (unsigned char)session[0];
    digest[31] = (unsigned char)session[1];
    return jp_replay_admit(window, digest, jp_text(session), date);
}

/* Messages from..to of a session, the i-th at the date i; how many passed. */
static int flood(const char *session, int from, int to)
{
    int passed = 0;
    for (int i = from; i < to; i++) {
        passed += send(session, (unsigned)i, i) == JP_FRESH;
    }
    return passed;
}

CASE(what_is_in_the_window_is_a_replay)
{
    window = jp_replay_new();
    CHECK_INT(flood("a", 0, JP_REPLAY_WINDOW), JP_REPLAY_WINDOW);
    CHECK_INT(send("a", 0, 0), JP_REPLAYED);
    CHECK_INT(send("a", JP_REPLAY_WINDOW - 1, 5), JP_REPLAYED);
    jp_replay_free(window);
}

CASE(what_has_left_the_window_is_stale_by_its_date)
{
    window = jp_replay_new();
    flood("a", 0, JP_REPLAY_WINDOW + 10);
    for (unsigned i = 0; i < 10; i++) {
        CHECK_INT(send("a", i, i), JP_STALE);
    }
    CHECK_INT(send("a", 10, 10), JP_REPLAYED);
    CHECK_INT(send("a", 1000000, 9), JP_STALE);
    CHECK_INT(send("a", 1000000, 10), JP_FRESH);   /* late, not stale */
    jp_replay_free(window);
}

CASE(the_clock_of_one_client_is_not_that_of_another)
{
    window = jp_replay_new();
    flood("ahead", 0, 2 * JP_REPLAY_WINDOW);
    CHECK_INT(send("behind", 7, -1000000), JP_FRESH);
    CHECK_INT(send("behind", 7, -1000000), JP_REPLAYED);
    jp_replay_free(window);
}

CASE(without_a_date_only_the_window_protects)
{
    window = jp_replay_new();
    CHECK_INT(send("a", 0, JP_NO_DATE), JP_FRESH);
    CHECK_INT(send("a", 0, JP_NO_DATE), JP_REPLAYED);
    flood("b", 1, JP_REPLAY_WINDOW + 1);
    CHECK_INT(send("a", 0, JP_NO_DATE), JP_FRESH);
    jp_replay_free(window);
}

CASE(a_client_whose_clock_stands_still_is_served)
{
    int passed = 0;
    window = jp_replay_new();
    for (unsigned i = 0; i < 2 * JP_REPLAY_WINDOW; i++) {
        passed += send("a", i, 42) == JP_FRESH;
    }
    CHECK_INT(passed, 2 * JP_REPLAY_WINDOW);
    CHECK_INT(send("a", 0x7fffffff, 41), JP_STALE);
    jp_replay_free(window);
}

CASE(sessions_that_are_forgotten_too_leave_their_date)
{
    char session[16];
    window = jp_replay_new();
    for (int s = 0; s < JP_REPLAY_SESSIONS + 1; s++) {
        snprintf(session, sizeof session, "%02x", s);
        send(session, 1, 100 + s);
        send(session, 2, 101 + s);
    }
    flood("flood", 1000, 1000 + JP_REPLAY_WINDOW);   /* all left the window */
    CHECK_INT(send("00", 1, 100), JP_STALE);
    CHECK_INT(send("05", 1, 105), JP_STALE);
    CHECK_INT(send("05", 2, 106), JP_STALE);
    CHECK_INT(send("05", 3, 107), JP_FRESH);
    CHECK_INT(send("new", 1, 99), JP_STALE);   /* older than all of those */
    CHECK_INT(send("new", 2, 2000), JP_FRESH);
    jp_replay_free(window);
}

CASE(dates_are_read_as_clients_write_them)
{
    static const struct {
        const char *text;
        int64_t micros;
    } dates[] = {
        {"1970-01-01T00:00:01Z", 1000000},
        {"1970-01-01T00:00:00.5Z", 500000},
        {"1970-01-01T00:00:00.000001+00:00", 1},
        {"1970-01-01T01:00:00.123456789+01:00", 123456},
        {"1969-12-31T18:30:00-0530", 0},
        {"2026-01-01T00:00:00.123Z", INT64_C(1767225600123000)},
        {"2026-01-01T00:00:00", INT64_C(1767225600000000)},
        {"", JP_NO_DATE},
        {"d", JP_NO_DATE},
        {"2026-01-01", JP_NO_DATE},
        {"2026-01-01T00:00:00 and so on", JP_NO_DATE},
        {"2026-01-01T00:00:00+1", JP_NO_DATE},
    };
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
        CHECK_INT(jp_date_parse(dates[i].text), dates[i].micros);
    }
    CHECK_INT(jp_date_parse(NULL), JP_NO_DATE);
}

UNIT_MAIN

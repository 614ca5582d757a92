/* SPDX-License-Identifier: MIT
 * The replay window and the dates behind it.
 */
#include "kernel/protocol/replay.h"

#include "kernel/protocol/memory.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct slot {
    unsigned char digest[JP_DIGEST_SIZE];
    uint64_t session;
    int64_t date;
    uint32_t next;          /* in its bucket; 1-based, 0 ends the chain */
} slot;

typedef struct horizon {
    uint64_t session;
    int64_t date;           /* the latest forgotten; JP_NO_DATE: free */
    bool moves;             /* its dates differ */
    uint64_t used;
} horizon;

/* A ring of slots. A digest is uniform, so its first bytes are the hash. */
struct jp_replay {
    uint32_t first[JP_REPLAY_WINDOW];
    slot slots[JP_REPLAY_WINDOW + 1];
    uint32_t at, count;
    horizon known[JP_REPLAY_SESSIONS];
    int64_t others;         /* the horizon of sessions not in `known` */
    uint64_t clock;
};

jp_replay *jp_replay_new(void)
{
    jp_replay *r = jp_zeroed(sizeof *r);
    for (int i = 0; r && i < JP_REPLAY_SESSIONS; i++) {
        r->known[i].date = JP_NO_DATE;
    }
    if (r) {
        r->others = JP_NO_DATE;
    }
    return r;
}

void jp_replay_free(jp_replay *r)
{
    free(r);
}

/* FNV-1a. Only who has the key can choose sessions. */
static uint64_t name(jp_slice session)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < session.size; i++) {
        h = (h ^ (unsigned char)session.data[i]) * UINT64_C(0x100000001b3);
    }
    return h;
}

/* --- dates of what is forgotten ------------------------------------------- */

static horizon *find(jp_replay *r, uint64_t session)
{
    for (int i = 0; i < JP_REPLAY_SESSIONS; i++) {
        if (r->known[i].date != JP_NO_DATE &&
            r->known[i].session == session) {
            r->known[i].used = ++r->clock;
            return &r->known[i];
        }
    }
    return NULL;
}

static void raise_to(int64_t *date, int64_t to)
{
    *date = to > *date ? to : *date;
}

/* The place of the session that was silent longest. */
static horizon *make_room(jp_replay *r)
{
    horizon *oldest = &r->known[0];
    for (int i = 0; i < JP_REPLAY_SESSIONS; i++) {
        oldest = r->known[i].used < oldest->used ? &r->known[i] : oldest;
    }
    raise_to(&r->others, oldest->date);
    return oldest;
}

static void keep_date(jp_replay *r, const slot *s)
{
    if (s->date == JP_NO_DATE) {
        return;
    }
    horizon *h = find(r, s->session);
    if (!h) {
        h = make_room(r);
        *h = (horizon){s->session, s->date, false, ++r->clock};
    }
    h->moves |= s->date != h->date;
    raise_to(&h->date, s->date);
}

/* A client whose dates never change is served, with the window alone. */
static bool is_stale(jp_replay *r, uint64_t session, int64_t date)
{
    const horizon *h = find(r, session);
    if (date == JP_NO_DATE) {
        return false;
    }
    return h ? date < h->date || (date == h->date && h->moves)
             : date <= r->others;
}

/* --- the window ----------------------------------------------------------- */

static uint32_t *bucket(jp_replay *r, const unsigned char *digest)
{
    return &r->first[digest[0] | (uint32_t)digest[1] << 8];
}

static void forget(jp_replay *r, uint32_t position)
{
    uint32_t *p = bucket(r, r->slots[position].digest);
    while (*p != position) {
        p = &r->slots[*p].next;
    }
    *p = r->slots[position].next;
    keep_date(r, &r->slots[position]);
}

jp_freshness jp_replay_admit(jp_replay *r,
                             const unsigned char digest[JP_DIGEST_SIZE],
                             jp_slice session, int64_t date)
{
    uint32_t *head = bucket(r, digest);
    uint64_t who = name(session);
    for (uint32_t p = *head; p; p = r->slots[p].next) {
        if (memcmp(r->slots[p].digest, digest, JP_DIGEST_SIZE) == 0) {
            return JP_REPLAYED;
        }
    }
    if (is_stale(r, who, date)) {
        return JP_STALE;
    }
    uint32_t position = r->at + 1;
    if (r->count == JP_REPLAY_WINDOW) {
        forget(r, position);
    } else {
        r->count++;
    }
    r->at = position % JP_REPLAY_WINDOW;
    slot *s = &r->slots[position];
    memcpy(s->digest, digest, JP_DIGEST_SIZE);
    s->session = who;
    s->date = date;
    s->next = *head;
    *head = position;
    return JP_FRESH;
}

/* --- dates ---------------------------------------------------------------- */

/* "Z", "+hh:mm", "-hhmm" or nothing; seconds east of UTC. */
static bool read_zone(const char *p, int *east)
{
    int hours = 0, minutes = 0, n = 0;
    *east = 0;
    if (!*p || strcmp(p, "Z") == 0) {
        return true;
    }
    if ((*p != '+' && *p != '-') || !isdigit((unsigned char)p[1]) ||
        (sscanf(p + 1, "%2d:%2d%n", &hours, &minutes, &n) < 2 &&
         sscanf(p + 1, "%2d%2d%n", &hours, &minutes, &n) < 2) ||
        p[1 + n]) {
        return false;
    }
    *east = (*p == '-' ? -60 : 60) * (60 * hours + minutes);
    return true;
}

int64_t jp_date_parse(const char *text)
{
    struct tm t = {0};
    int n = 0, east, micros = 0;
    if (!text || !isdigit((unsigned char)text[0]) ||
        sscanf(text, "%4d-%2d-%2d%*1[T ]%2d:%2d:%2d%n", &t.tm_year, &t.tm_mon,
               &t.tm_mday, &t.tm_hour, &t.tm_min, &t.tm_sec, &n) < 6 || !n) {
        return JP_NO_DATE;
    }
    const char *p = text + n;
    if (*p == '.') {
        int unit = 100000;
        for (p++; isdigit((unsigned char)*p); p++, unit /= 10) {
            micros += unit * (*p - '0');
        }
    }
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    if (!read_zone(p, &east)) {
        return JP_NO_DATE;
    }
    return ((int64_t)timegm(&t) - east) * 1000000 + micros;
}

/* SPDX-License-Identifier: MIT
 *
 * replay.h - refuses signed messages that came before.
 *
 * The digests of the last JP_REPLAY_WINDOW messages are known one by one. Of
 * what has left the window a date remains: per session of a client the latest
 * `date` of a forgotten message. A message of that session with no later date
 * is stale, for it may be one of those. Clocks of different clients are never
 * compared, nor is any clock of ours. Memory is fixed; a session that had to be
 * forgotten too leaves its date to all that are unknown.
 */
#ifndef JP_REPLAY_H
#define JP_REPLAY_H

#include "kernel/protocol/base.h"

#include <stdint.h>

enum {
    JP_DIGEST_SIZE = 32,    /* what the window keeps of a digest */
    JP_REPLAY_WINDOW = 65536,
    JP_REPLAY_SESSIONS = 256
};

/* The date of a message that names none: only the window protects it. */
#define JP_NO_DATE INT64_MIN

typedef enum jp_freshness { JP_FRESH, JP_REPLAYED, JP_STALE } jp_freshness;

typedef struct jp_replay jp_replay;

jp_replay *jp_replay_new(void);   /* NULL: no memory */
void jp_replay_free(jp_replay *r);
/* Admits a verified message to the window unless it is replayed or stale. */
jp_freshness jp_replay_admit(jp_replay *r,
                             const unsigned char digest[JP_DIGEST_SIZE],
                             jp_slice session, int64_t date);

/* Microseconds since 1970 of an ISO 8601 date with seconds, perhaps with a
 * fraction and a zone (none: UTC); JP_NO_DATE when it is none. */
int64_t jp_date_parse(const char *text);

#endif

/* SPDX-License-Identifier: MIT
 *
 * sign.h - HMAC signatures of messages, and the window that refuses replays.
 *
 * A signature covers exactly the four JSON frames. Verification looks at the
 * length first and compares in constant time. A signer belongs to one thread.
 */
#ifndef JP_SIGN_H
#define JP_SIGN_H

#include "kernel/protocol/base.h"

enum {
    JP_SIGNED_PARTS = 4,
    JP_HEX_MAX = 128,       /* sha512 in hexadecimal */
    JP_DIGEST_SIZE = 32,    /* what the replay window keeps of a digest */
    JP_REPLAY_WINDOW = 65536
};

typedef struct jp_signer jp_signer;

/* `scheme` is "hmac-" and a hash; an empty key makes a signer that signs with
 * "" and accepts everything. NULL with a message on failure. */
jp_signer *jp_signer_new(const char *scheme, const char *key, jp_error *err);
void jp_signer_free(jp_signer *s);
/* False for the empty key. */
bool jp_signer_active(const jp_signer *s);
/* Writes the hexadecimal signature and a NUL; false when libcrypto fails. */
bool jp_sign(jp_signer *s, const jp_slice parts[JP_SIGNED_PARTS],
             char hex[JP_HEX_MAX + 1]);
/* True when `signature` is right; then `digest` identifies the message. */
bool jp_verify(jp_signer *s, const jp_slice parts[JP_SIGNED_PARTS],
               jp_slice signature, unsigned char digest[JP_DIGEST_SIZE]);

/* The last JP_REPLAY_WINDOW digests, oldest out first. */
typedef struct jp_replay jp_replay;
jp_replay *jp_replay_new(void);   /* NULL: no memory */
void jp_replay_free(jp_replay *r);
/* False when the digest is in the window, else adds it. */
bool jp_replay_admit(jp_replay *r, const unsigned char digest[JP_DIGEST_SIZE]);

#endif

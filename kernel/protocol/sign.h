/* SPDX-License-Identifier: MIT
 *
 * sign.h - HMAC signatures of messages.
 *
 * A signature covers exactly the four JSON frames. Verification looks at the
 * length first and compares in constant time. A signer belongs to one thread.
 */
#ifndef JP_SIGN_H
#define JP_SIGN_H

#include "kernel/protocol/replay.h"

enum {
    JP_SIGNED_PARTS = 4,
    JP_HEX_MAX = 128        /* sha512 in hexadecimal */
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

#endif

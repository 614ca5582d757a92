/* SPDX-License-Identifier: MIT
 * HMAC through libcrypto.
 */
#include "kernel/protocol/sign.h"

#include "kernel/protocol/memory.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct jp_signer {
    EVP_MD_CTX *keyed;   /* initialised with the key; copied per message */
    EVP_MD_CTX *work;
    size_t hex_size;
};

static bool init_key(jp_signer *s, const char *hash, const char *key,
                     jp_error *err)
{
    const EVP_MD *md = EVP_get_digestbyname(hash);
    if (!md) {
        return jp_fail(err, "signature_scheme: the hash \"%s\" is unknown",
                       hash);
    }
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(
        EVP_PKEY_HMAC, NULL, (const unsigned char *)key, strlen(key));
    s->keyed = EVP_MD_CTX_new();
    s->work = EVP_MD_CTX_new();
    s->hex_size = 2 * (size_t)EVP_MD_size(md);
    bool ok = pkey && s->keyed && s->work &&
              EVP_DigestSignInit(s->keyed, NULL, md, NULL, pkey) == 1;
    EVP_PKEY_free(pkey);
    return ok || jp_fail(err, "signature_scheme: libcrypto refuses hmac-%s",
                         hash);
}

jp_signer *jp_signer_new(const char *scheme, const char *key, jp_error *err)
{
    jp_signer *s = jp_zeroed(sizeof *s);
    if (!s) {
        jp_fail(err, "signer: out of memory");
        return NULL;
    }
    if (!key[0]) {
        return s;
    }
    if (strncmp(scheme, "hmac-", 5) != 0) {
        jp_fail(err, "signature_scheme: \"%s\" is unknown, expected "
                     "hmac-sha256",
                scheme);
    } else if (init_key(s, scheme + 5, key, err)) {
        return s;
    }
    jp_signer_free(s);
    return NULL;
}

void jp_signer_free(jp_signer *s)
{
    if (s) {
        EVP_MD_CTX_free(s->keyed);
        EVP_MD_CTX_free(s->work);
        free(s);
    }
}

bool jp_signer_active(const jp_signer *s)
{
    return s->keyed != NULL;
}

/* The raw digest; 0 when libcrypto fails. */
static size_t compute(jp_signer *s, const jp_slice parts[JP_SIGNED_PARTS],
                      unsigned char out[EVP_MAX_MD_SIZE])
{
    size_t size = EVP_MAX_MD_SIZE;
    if (EVP_MD_CTX_copy_ex(s->work, s->keyed) != 1) {
        return 0;
    }
    for (int i = 0; i < JP_SIGNED_PARTS; i++) {
        if (EVP_DigestSignUpdate(s->work, parts[i].data, parts[i].size) != 1) {
            return 0;
        }
    }
    return EVP_DigestSignFinal(s->work, out, &size) == 1 ? size : 0;
}

static void write_hex(char *hex, const unsigned char *raw, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        hex[2 * i] = "0123456789abcdef"[raw[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[raw[i] & 15];
    }
    hex[2 * size] = '\0';
}

bool jp_sign(jp_signer *s, const jp_slice parts[JP_SIGNED_PARTS],
             char hex[JP_HEX_MAX + 1])
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    hex[0] = '\0';
    if (!jp_signer_active(s)) {
        return true;
    }
    size_t size = compute(s, parts, raw);
    write_hex(hex, raw, size);
    return size > 0;
}

bool jp_verify(jp_signer *s, const jp_slice parts[JP_SIGNED_PARTS],
               jp_slice signature, unsigned char digest[JP_DIGEST_SIZE])
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    char hex[JP_HEX_MAX + 1];
    memset(digest, 0, JP_DIGEST_SIZE);
    if (!jp_signer_active(s)) {
        return true;
    }
    if (signature.size != s->hex_size) {
        return false;
    }
    size_t size = compute(s, parts, raw);
    if (!size) {
        return false;
    }
    write_hex(hex, raw, size);
    if (CRYPTO_memcmp(hex, signature.data, s->hex_size) != 0) {
        return false;
    }
    memcpy(digest, raw, size < JP_DIGEST_SIZE ? size : JP_DIGEST_SIZE);
    return true;
}

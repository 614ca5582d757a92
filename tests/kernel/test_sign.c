/* SPDX-License-Identifier: MIT
 * Signatures and the replay window.
 */
#include "kernel/protocol/sign.h"

#include "tests/unit/unit.h"

static const jp_slice parts[JP_SIGNED_PARTS] = {
    {"what do ya want ", 16}, {"for nothing?", 12}, {"", 0}, {"", 0}};

CASE(the_signature_is_the_hmac_of_rfc_4231)
{
    char hex[JP_HEX_MAX + 1];
    jp_error err = {""};
    jp_signer *s = jp_signer_new("hmac-sha256", "Jefe", &err);
    CHECK(s && jp_sign(s, parts, hex));
    CHECK_TEXT(hex, "5bdcc146bf60754e6a042426089575c7"
                    "5a003f089d2739839dec58b964ec3843");
    jp_signer_free(s);
}

CASE(only_the_whole_lower_case_signature_verifies)
{
    char hex[JP_HEX_MAX + 1];
    unsigned char digest[JP_DIGEST_SIZE];
    jp_signer *s = jp_signer_new("hmac-sha256", "k", NULL);
    CHECK(jp_sign(s, parts, hex));
    CHECK(jp_verify(s, parts, jp_text(hex), digest));
    for (size_t n = 0; n < 64; n++) {
        CHECK(!jp_verify(s, parts, (jp_slice){hex, n}, digest));
    }
    hex[63] = hex[63] == '0' ? '1' : '0';
    CHECK(!jp_verify(s, parts, jp_text(hex), digest));
    jp_sign(s, parts, hex);
    for (char *p = hex; *p; p++) {
        *p = *p >= 'a' ? (char)(*p - 32) : *p;
    }
    CHECK(!jp_verify(s, parts, jp_text(hex), digest));
    jp_signer_free(s);
}

CASE(an_empty_key_signs_with_nothing_and_accepts)
{
    char hex[JP_HEX_MAX + 1];
    unsigned char digest[JP_DIGEST_SIZE];
    jp_signer *s = jp_signer_new("hmac-sha256", "", NULL);
    CHECK(!jp_signer_active(s) && jp_sign(s, parts, hex));
    CHECK_TEXT(hex, "");
    CHECK(jp_verify(s, parts, jp_text("anything"), digest));
    jp_signer_free(s);
}

CASE(an_unknown_scheme_is_refused_by_name)
{
    jp_error err = {""};
    CHECK(!jp_signer_new("hmac-rot13", "k", &err));
    CHECK_HAS(err.text, "rot13");
    err.text[0] = '\0';
    CHECK(!jp_signer_new("md5", "k", &err));
    CHECK_HAS(err.text, "expected hmac-sha256");
}

UNIT_MAIN

/* SPDX-License-Identifier: MIT
 * Which row of the op catalog a fuzzer's two bytes mean.
 */
#ifndef FUZZ_ROWS_H
#define FUZZ_ROWS_H

#include "runtime/rustorch.h"

static inline uint32_t hash_of(const char *text, uint32_t h)
{
    for (; *text; text++) {
        h = (h ^ (uint8_t)*text) * 16777619u;
    }
    return h;
}

/* The row that a key means: that with the largest mix of name and key, so that
 * seeds keep their rows when others come or go (Thaler and Ravishankar 1998). */
static inline const rt_op *op_of(uint32_t key)
{
    static uint32_t names[4096];
    uint32_t most = 0;
    int best = 0;
    for (int i = 0; i < rt_op_count(); i++) {
        if (!names[i]) {
            const rt_signature *sig = rt_op_signature(rt_op_at(i));
            names[i] = hash_of(sig->overload, hash_of(sig->name, 2166136261u));
        }
        uint32_t mix = (names[i] ^ key * 2654435761u) * 2246822519u;
        mix = (mix ^ mix >> 15) * 3266489917u;
        mix ^= mix >> 13;
        if (mix >= most) {
            most = mix;
            best = i;
        }
    }
    return rt_op_at(best);
}

/* A key of the row, at most 65535 as the target reads it. */
static inline uint32_t key_of(const rt_op *op)
{
    uint32_t key = 0;
    while (key < 65535 && op_of(key) != op) {
        key++;
    }
    return key;
}

#endif

/* SPDX-License-Identifier: MIT
 * The blocks of mt19937 (Matsumoto and Nishimura 1998), per instruction set.
 */
#ifndef RT_BASE_MT19937_H
#define RT_BASE_MT19937_H

#include "runtime/base/isa.h"

#include <stdint.h>

enum { RT_MT_WORDS = 624, RT_MT_REACH = 397 };

typedef struct rt__mt19937_table {
    /* The state's next block, and the same words tempered. */
    void (*refill)(uint32_t *state, uint32_t *out);
    /* x[-RT_MT_WORDS .. -1] is a state: x[0 .. n) becomes what follows it,
     * words before tempering; their last RT_MT_WORDS are a state again. */
    void (*extend)(uint32_t *x, int64_t n);
    /* n words as the generator gives them, from words before tempering. */
    void (*temper)(uint32_t *words, int64_t n);
} rt__mt19937_table;
RT_ISA_FAMILY(rt__mt19937_table, mt19937);

#endif

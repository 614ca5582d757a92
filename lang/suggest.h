/* SPDX-License-Identifier: MIT
 *
 * suggest.h - "did you mean": the nearest of the names offered.
 *
 * The distance is Levenshtein's with CPython's weights: 2 for an insertion,
 * deletion or replacement, 1 for a change of case; names of at most 40 bytes;
 * at most 750 candidates; a third of the letters may differ.
 */
#ifndef LANG_SUGGEST_H
#define LANG_SUGGEST_H

#include "lang/lang.h"

typedef struct lang__suggestion {
    const char *word;
    const char *best;      /* borrowed from who offered it, NULL: none */
    int distance, offered;
} lang__suggestion;

void lang__suggest_start(lang__suggestion *s, const char *word);
void lang__suggest_offer(lang__suggestion *s, const char *candidate);
/* Builtins, ops, layers, optimizers, schedulers. */
void lang__suggest_catalogs(lang__suggestion *s);

#endif

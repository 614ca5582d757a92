/* SPDX-License-Identifier: MIT
 *
 * effects.h - which cells leave a session as it was: those that only read
 * variables, compute new values and print them. Whoever keeps checkpoints needs
 * none after such a cell. The catalogs of instructions and builtins say for
 * each row what it can do; what they do not know counts as a change.
 */
#ifndef LANG_EFFECTS_H
#define LANG_EFFECTS_H

#include <stdbool.h>

typedef enum lang__effect {
    LANG__KEEPS,      /* whatever it gets */
    LANG__CHANGES,    /* variables, objects, random generators, modes */
    LANG__DEPENDS     /* on what it calls */
} lang__effect;

struct lang__program;
struct lang__routine;

/* Whether running the cell cannot change the session, whatever happens. */
bool lang__keeps_session(const struct lang__program *p,
                         const struct lang__routine *r);

#endif

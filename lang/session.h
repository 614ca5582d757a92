/* SPDX-License-Identifier: MIT
 *
 * session.h - inside a session: its names, and cells that run in it.
 */
#ifndef LANG_SESSION_H
#define LANG_SESSION_H

#include "lang/checker.h"
#include "lang/compiler.h"
#include "lang/vm.h"

/* The entry of a name; made when `make` and absent. NULL: absent, or no
 * memory. */
lang__global *lang__entry_of(lang_session *s, const char *name, bool make);
/* Forgets what the name stands for. */
void lang__forget(lang_session *s, lang__global *g);
/* How checker and compiler see the session. */
lang__scope lang__session_scope(lang_session *s);
lang__names lang__session_names(lang_session *s);

/* A cell on its way: its source, tree and code. */
typedef struct lang__cell {
    lang__unit *unit;
    lang__program *program;
    lang__routine *routine;
} lang__cell;
/* Checks and compiles source[range] ({0, 0}: all). A static error goes into
 * *failure, and the status says so. */
rt_status lang__cell_open(lang__cell *cell, lang_session *s,
                          lang__source *source, lang__span range,
                          bool expression, lang_failure *failure,
                          rt_error *err);
void lang__cell_close(lang__cell *cell);
/* Functions and modules of the program become those of the session. */
rt_status lang__define_all(lang_session *s, lang__cell *cell, rt_error *err);
/* Checks, compiles, defines and runs a part of a cell, for line magics. */
rt_status lang__run_text(lang_session *s, lang__source *source,
                         lang__span range, rt_error *err);

#endif

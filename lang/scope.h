/* SPDX-License-Identifier: MIT
 *
 * scope.h - the variables that are visible at one point of a cell.
 *
 * Names are pushed as they are declared and leave with their block. Blocks are
 * counted: level 0 is the cell's own, whose names are session variables.
 */
#ifndef LANG_SCOPE_H
#define LANG_SCOPE_H

#include "lang/ast.h"

enum { LANG__SCOPE_BUCKETS = 256 };

typedef struct lang__entry {
    lang__local *local;
    int level, next;
    unsigned hash;
} lang__entry;

typedef struct lang__names {
    lang__arena *arena;
    lang__entry *items;
    int count, room, level;
    int heads[LANG__SCOPE_BUCKETS];     /* index + 1, 0: none */
} lang__names;

void lang__names_init(lang__names *n, lang__arena *arena);
void lang__names_enter(lang__names *n);
void lang__names_leave(lang__names *n);
void lang__names_add(lang__names *n, lang__local *l);
/* The innermost of that name, NULL: none. */
lang__local *lang__names_find(const lang__names *n, const char *name);
/* The one declared in the current block itself. */
lang__local *lang__names_here(const lang__names *n, const char *name);

#endif

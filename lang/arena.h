/* SPDX-License-Identifier: MIT
 *
 * arena.h - memory of one cell: tokens, syntax tree, diagnostics.
 *
 * Blocks are zeroed and freed all at once. When memory runs out, `failed` is
 * set and small requests are still answered, from a reserve that is used over
 * and over: what is built then is nonsense but safe to write to. Whoever
 * loops looks at `failed` and stops; the result is thrown away.
 */
#ifndef LANG_ARENA_H
#define LANG_ARENA_H

#include "runtime/rustorch.h"

typedef struct lang__arena {
    struct lang__block *blocks;
    char *next, *end;
    char *reserve;
    size_t reserve_used;
    bool failed;
} lang__arena;

/* False when there is not even memory for the reserve. */
bool lang__arena_init(lang__arena *a);
void lang__arena_free(lang__arena *a);
/* Zeroed, 16-byte aligned. NULL only for requests above 4 KiB. */
void *lang__arena_get(lang__arena *a, size_t bytes);
char *lang__arena_text(lang__arena *a, const char *text, size_t size);
char *lang__arena_format(lang__arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Room for one more item at the end of *items (count in use); the new item is
 * zeroed. NULL when memory ran out. */
void *lang__arena_push(lang__arena *a, void **items, int *count, size_t size);
#define LANG__NEW(arena, type) ((type *)lang__arena_get(arena, sizeof(type)))
#define LANG__PUSH(arena, items, count)                                        \
    lang__arena_push(arena, (void **)&(items), &(count), sizeof *(items))

#endif

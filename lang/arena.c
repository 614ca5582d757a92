/* SPDX-License-Identifier: MIT
 * Memory of one cell: zeroed blocks, freed all at once, with a reserve that
 * lets the front end unwind without checks when memory runs out. */
#include "lang/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { BLOCK = 64 };        /* each request on its own, so that it is watched */
#else
enum { BLOCK = 32 * 1024 };
#endif
enum { RESERVE = 16 * 1024, SMALL = 4096, ALIGN = 16 };

typedef struct lang__block {
    struct lang__block *next;
    size_t unused;              /* keeps the data 16-byte aligned */
} block;

bool lang__arena_init(lang__arena *a)
{
    memset(a, 0, sizeof *a);
    a->reserve = rt_alloc(RESERVE);
    a->failed = !a->reserve;
    return !a->failed;
}

void lang__arena_free(lang__arena *a)
{
    for (block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        rt_free(b);
    }
    rt_free(a->reserve);
    memset(a, 0, sizeof *a);
}

/* Out of memory: hand out the reserve, again and again. */
static void *from_reserve(lang__arena *a, size_t bytes)
{
    a->failed = true;
    if (!a->reserve || bytes > SMALL)
        return NULL;
    if (a->reserve_used + bytes > RESERVE)
        a->reserve_used = 0;
    void *p = a->reserve + a->reserve_used;
    a->reserve_used += bytes;
    memset(p, 0, bytes);
    return p;
}

void *lang__arena_get(lang__arena *a, size_t bytes)
{
    bytes = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (a->failed)
        return from_reserve(a, bytes);
    if ((size_t)(a->end - a->next) < bytes || !a->next) {
        size_t size = bytes > BLOCK / 4 ? bytes : BLOCK;
        block *b = rt_alloc(sizeof *b + size);
        if (!b)
            return from_reserve(a, bytes);
        b->next = a->blocks;
        a->blocks = b;
        if (size != BLOCK)      /* a large one of its own */
            return memset(b + 1, 0, bytes);
        a->next = (char *)(b + 1);
        a->end = a->next + size;
    }
    void *p = a->next;
    a->next += bytes;
    return memset(p, 0, bytes);
}

char *lang__arena_text(lang__arena *a, const char *text, size_t size)
{
    char *copy = lang__arena_get(a, size + 1);
    if (!copy)
        return lang__arena_get(a, 1);
    if (size)
        memcpy(copy, text, size);
    copy[size] = 0;
    return copy;
}

char *lang__arena_format(lang__arena *a, const char *format, ...)
{
    char buffer[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(buffer, sizeof buffer, format, args);
    va_end(args);
    if (n < 0)
        n = 0;
    if (n >= (int)sizeof buffer)
        n = (int)sizeof buffer - 1;
    return lang__arena_text(a, buffer, (size_t)n);
}

/* Counts that are powers of two are full: they double. */
void *lang__arena_push(lang__arena *a, void **items, int *count, size_t size)
{
    int n = *count;
    if (n == 0 || (n >= 4 && (n & (n - 1)) == 0)) {
        size_t room = n == 0 ? 4 : (size_t)n * 2;
        void *grown = lang__arena_get(a, room * size);
        if (a->failed)
            return NULL;
        if (n)
            memcpy(grown, *items, (size_t)n * size);
        *items = grown;
    }
    *count = n + 1;
    return (char *)*items + (size_t)n * size;
}

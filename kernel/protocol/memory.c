/* SPDX-License-Identifier: MIT
 * Memory with patience.
 */
#include "kernel/protocol/memory.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

enum { RESERVE = 1 << 20, SMALL = 1 << 20, PAUSE_MS = 10 };

static _Atomic(void *) reserve;
static int pauses = 300;

static void refill(void)
{
    void *fresh = atomic_load(&reserve) ? NULL : malloc(RESERVE), *none = NULL;
    if (fresh && !atomic_compare_exchange_strong(&reserve, &none, fresh)) {
        free(fresh);
    }
}

/* Whether it is worth trying again, for the n-th time. */
static bool try_again(int n, size_t size)
{
    void *spare = atomic_exchange(&reserve, NULL);
    if (spare) {
        free(spare);
        return true;
    }
    if (n >= pauses || size > SMALL) {
        return false;
    }
    nanosleep(&(struct timespec){0, PAUSE_MS * 1000000L}, NULL);
    return true;
}

/* p with another size; with p NULL and `zeroed` something new, in which pages
 * that nobody touches take no memory. */
static void *get(void *p, size_t size, bool zeroed)
{
    void *q;
    size = size ? size : 1;
    for (int n = 0; !(q = zeroed ? calloc(1, size) : realloc(p, size)) &&
                    try_again(n, size); n++) {
    }
    if (q && !atomic_load(&reserve)) {
        refill();
    }
    return q;
}

void *jp_grow(void *p, size_t size)
{
    return get(p, size, false);
}

void *jp_alloc(size_t size)
{
    return jp_grow(NULL, size);
}

void *jp_zeroed(size_t size)
{
    return get(NULL, size, true);
}

bool jp_memory_set_aside(size_t size)
{
    void *room = size ? malloc(size) : NULL;
    if (size && !room) {
        return false;
    }
    free(atomic_exchange(&reserve, room));
    refill();
    return true;
}

static void *crypto_alloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return size ? jp_alloc(size) : NULL;
}

static void *crypto_grow(void *p, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    if (!size) {
        free(p);
        return NULL;
    }
    return jp_grow(p, size);
}

static void crypto_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

void jp_memory_init(int seconds)
{
    pauses = seconds * 1000 / PAUSE_MS;
    json_set_alloc_funcs(jp_alloc, free);
    CRYPTO_set_mem_functions(crypto_alloc, crypto_grow, crypto_free);
    refill();
}

/* SPDX-License-Identifier: MIT
 * The one door to memory: a caching allocator with 64-byte alignment.
 *
 * A block has a 64-byte header in front of it that remembers its size class.
 * Classes are 2^k * {1, 1.25, 1.5, 1.75} from 64 bytes up. Small blocks (up to
 * 64 KiB) are recycled through per-thread stacks without atomics or locks;
 * larger ones through a central list under a mutex, capped at a quarter of the
 * machine's memory. Blocks from 2 MiB up come from mmap, 2 MiB aligned, with
 * huge pages asked for once: first touch of fresh 4 KiB pages is the largest
 * cost of a big result (performance.md, trap 3).
 */
#include "runtime/rustorch.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Under AddressSanitizer nothing is cached, so that every block is its own and a
 * use after free is seen. */
#if defined(__SANITIZE_ADDRESS__)
#define CACHED false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CACHED false
#endif
#endif
#ifndef CACHED
#define CACHED true
#endif

enum {
    HEADER = 64,
    CLASSES = 4 * 48,
    SMALL_CLASSES = 4 * 10 + 1,   /* up to 64 KiB */
    MAGAZINE_BYTES = 256 << 10,   /* kept per class and thread */
    MAGAZINE_MIN = 8,
};
#define HUGE_BLOCK ((size_t)2 << 20)
#define MAGIC 0x5254414cu

typedef struct block {
    uint32_t magic;
    int32_t class;
    size_t size;          /* usable bytes of the class */
    struct block *next;   /* while cached */
    size_t mapped;        /* bytes of the mapping, 0: from the C library */
    void *mapping;
} block;
_Static_assert(sizeof(block) <= HEADER, "block header outgrew its room");

typedef struct magazine {
    block *first;
    int count;
} magazine;

/* What a thread keeps: its magazines, and its share of the statistics since
 * the last flush. Only the thread itself writes (plain stores); a reader adds
 * all shares up. */
typedef struct cache {
    magazine magazines[SMALL_CLASSES];
    _Atomic long long taken, cached, calls;
    struct cache *next;
    bool registered;
} cache;

static __thread cache mine;
static cache *caches;     /* of all threads, under central_lock */
static pthread_key_t thread_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static pthread_mutex_t central_lock = PTHREAD_MUTEX_INITIALIZER;
static block *central[CLASSES];
static size_t central_bytes, central_cap;

/* Totals of what has been flushed; a thread flushes every FLUSH bytes, so the
 * peak is exact to FLUSH bytes a thread. */
static atomic_llong bytes_now, bytes_peak, bytes_cached, calls, fail_after;
enum { FLUSH = 256 << 10 };

static inline void grow(_Atomic long long *share, long long by)
{
    atomic_store_explicit(
        share, atomic_load_explicit(share, memory_order_relaxed) + by,
        memory_order_relaxed);
}

static void move_share(_Atomic long long *share, atomic_llong *total)
{
    atomic_fetch_add_explicit(
        total, atomic_load_explicit(share, memory_order_relaxed),
        memory_order_relaxed);
    atomic_store_explicit(share, 0, memory_order_relaxed);
}

static void flush(void)
{
    move_share(&mine.taken, &bytes_now);
    move_share(&mine.cached, &bytes_cached);
    move_share(&mine.calls, &calls);
    long long now = atomic_load_explicit(&bytes_now, memory_order_relaxed);
    if (now > atomic_load_explicit(&bytes_peak, memory_order_relaxed)) {
        atomic_store_explicit(&bytes_peak, now, memory_order_relaxed);
    }
}

/* Class k*4+q holds 64 * 2^k * (1 + q/4) bytes. */
static size_t class_bytes(int class)
{
    size_t base = (size_t)64 << (class >> 2);
    return base + base / 4 * (size_t)(class & 3);
}

static int class_of(size_t bytes)
{
    if (bytes <= 64) {
        return 0;
    }
    int k = 63 - __builtin_clzll((unsigned long long)(bytes - 1)) - 6;
    size_t base = (size_t)64 << k;
    int q = (int)((bytes - base + base / 4 - 1) / (base / 4));
    return q == 4 ? (k + 1) * 4 : k * 4 + q;
}

static void unmap(block *b)
{
    if (b->mapped) {
        munmap(b->mapping, b->mapped);
    } else {
        free(b);
    }
}

static void give_central(block *b)
{
    pthread_mutex_lock(&central_lock);
    bool keep = central_bytes + b->size <= central_cap;
    if (keep) {
        b->next = central[b->class];
        central[b->class] = b;
        central_bytes += b->size;
    }
    pthread_mutex_unlock(&central_lock);
    if (!keep) {
        atomic_fetch_sub_explicit(&bytes_cached, (long long)b->size,
                                  memory_order_relaxed);
        unmap(b);
    }
}

static void empty_magazines(void)
{
    for (int i = 0; i < SMALL_CLASSES; i++) {
        while (mine.magazines[i].first) {
            block *b = mine.magazines[i].first;
            mine.magazines[i].first = b->next;
            give_central(b);
        }
        mine.magazines[i].count = 0;
    }
}

/* A thread that ends hands its magazines and its share over. */
static void thread_ends(void *unused)
{
    (void)unused;
    empty_magazines();
    flush();
    pthread_mutex_lock(&central_lock);
    cache **at = &caches;
    while (*at && *at != &mine) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = mine.next;
    }
    pthread_mutex_unlock(&central_lock);
    mine.registered = false;
}

static void fork_prepare(void)
{
    pthread_mutex_lock(&central_lock);
}
static void fork_done(void)
{
    pthread_mutex_unlock(&central_lock);
}

/* Only the forking thread lives on; what the others cached is lost to it. */
static void fork_child(void)
{
    caches = mine.registered ? &mine : NULL;
    mine.next = NULL;
    pthread_mutex_unlock(&central_lock);
}

static void setup(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    central_cap = pages > 0 && page > 0 ? (size_t)pages * (size_t)page / 4
                                        : (size_t)1 << 30;
    pthread_key_create(&thread_key, thread_ends);
    pthread_atfork(fork_prepare, fork_done, fork_child);
}

static void register_thread(void)
{
    pthread_once(&once, setup);
    pthread_setspecific(thread_key, &mine);
    pthread_mutex_lock(&central_lock);
    mine.next = caches;
    caches = &mine;
    pthread_mutex_unlock(&central_lock);
    mine.registered = true;
}

static block *fresh_mapped(int class, size_t size)
{
    /* One huge page more than needed, so that the data can start on one. */
    size_t want = size + 2 * HUGE_BLOCK;
    char *p = mmap(NULL, want, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
    uintptr_t data = ((uintptr_t)p + HEADER + HUGE_BLOCK - 1) &
                     ~(uintptr_t)(HUGE_BLOCK - 1);
    madvise((void *)data, size, MADV_HUGEPAGE);
    block *b = (block *)(data - HEADER);
    *b = (block){MAGIC, class, size, NULL, want, p};
    return b;
}

/* Refuses what the machine cannot hold: mmap would promise it. */
static bool beyond_memory(size_t size)
{
    return size > central_cap * 4;
}

static block *fresh(int class)
{
    size_t size = class_bytes(class);
    if (beyond_memory(size)) {
        return NULL;
    }
    if (CACHED && size >= HUGE_BLOCK) {
        return fresh_mapped(class, size);
    }
    void *p = NULL;
    if (posix_memalign(&p, HEADER, size + HEADER) != 0) {
        return NULL;
    }
    block *b = p;
    *b = (block){MAGIC, class, size, NULL, 0, NULL};
    return b;
}

static block *take_central(int class)
{
    pthread_mutex_lock(&central_lock);
    block *b = central[class];
    if (b) {
        central[class] = b->next;
        central_bytes -= b->size;
    }
    pthread_mutex_unlock(&central_lock);
    return b;
}

static bool must_fail(void)
{
    if (atomic_load_explicit(&fail_after, memory_order_relaxed) == 0) {
        return false;
    }
    return atomic_fetch_sub(&fail_after, 1) == 1;
}

static inline void count_taken(block *b, bool recycled)
{
    long long size = (long long)b->size;
    grow(&mine.taken, size);
    grow(&mine.calls, 1);
    if (recycled) {
        grow(&mine.cached, -size);
    }
    if (atomic_load_explicit(&mine.taken, memory_order_relaxed) > FLUSH) {
        flush();
    }
}

void *rt_alloc(size_t bytes)
{
    if (!mine.registered) {
        register_thread();
    }
    if (bytes > ((size_t)1 << 47) || must_fail()) {
        return NULL;
    }
    int class = class_of(bytes);
    block *b = NULL;
    if (class < SMALL_CLASSES && mine.magazines[class].first) {
        b = mine.magazines[class].first;
        mine.magazines[class].first = b->next;
        mine.magazines[class].count--;
    } else {
        b = take_central(class);
    }
    bool recycled = b != NULL;
    if (!b) {
        b = fresh(class);
        if (!b) {
            rt_memory_empty_cache();
            b = fresh(class);
        }
    }
    if (!b) {
        return NULL;
    }
    count_taken(b, recycled);
    return (char *)b + HEADER;
}

void rt_free(void *p)
{
    if (!p) {
        return;
    }
    if (!mine.registered) {
        register_thread();
    }
    block *b = (block *)((char *)p - HEADER);
    grow(&mine.taken, -(long long)b->size);
    if (!CACHED) {
        unmap(b);
        return;
    }
    grow(&mine.cached, (long long)b->size);
    if (b->class < SMALL_CLASSES) {
        magazine *m = &mine.magazines[b->class];
        int room = (int)((size_t)MAGAZINE_BYTES / b->size);
        if (m->count < (room > MAGAZINE_MIN ? room : MAGAZINE_MIN)) {
            b->next = m->first;
            m->first = b;
            m->count++;
            return;
        }
    }
    give_central(b);
}

void *rt_realloc(void *p, size_t bytes)
{
    if (!p) {
        return rt_alloc(bytes);
    }
    block *b = (block *)((char *)p - HEADER);
    if (bytes <= b->size) {
        return p;
    }
    void *q = rt_alloc(bytes);
    if (!q) {
        return NULL;
    }
    memcpy(q, p, b->size);
    rt_free(p);
    return q;
}

char *rt_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = rt_alloc(n);
    if (copy) {
        memcpy(copy, s, n);
    }
    return copy;
}

void rt_memory_read_stats(rt_memory_stats *out)
{
    pthread_once(&once, setup);
    pthread_mutex_lock(&central_lock);
    out->allocated = atomic_load(&bytes_now);
    out->cached = atomic_load(&bytes_cached);
    out->allocations = atomic_load(&calls);
    for (cache *c = caches; c; c = c->next) {
        out->allocated += atomic_load(&c->taken);
        out->cached += atomic_load(&c->cached);
        out->allocations += atomic_load(&c->calls);
    }
    out->peak = atomic_load(&bytes_peak);
    if (out->allocated > out->peak) {
        out->peak = out->allocated;
    }
    pthread_mutex_unlock(&central_lock);
}

void rt_memory_empty_cache(void)
{
    pthread_once(&once, setup);
    empty_magazines();
    block *drop = NULL;
    pthread_mutex_lock(&central_lock);
    for (int i = 0; i < CLASSES; i++) {
        while (central[i]) {
            block *b = central[i];
            central[i] = b->next;
            b->next = drop;
            drop = b;
        }
    }
    central_bytes = 0;
    pthread_mutex_unlock(&central_lock);
    while (drop) {
        block *b = drop;
        drop = b->next;
        atomic_fetch_sub(&bytes_cached, (long long)b->size);
        unmap(b);
    }
}

void rt_memory_fail_after(int64_t n)
{
    atomic_store(&fail_after, n);
}

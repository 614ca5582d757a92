/* SPDX-License-Identifier: MIT
 * The one door to memory: a caching allocator with 64-byte alignment.
 *
 * Blocks up to 1 KiB come from slabs (slab.h). A larger block has a 64-byte
 * header in front of it that remembers its size class. Classes are 2^k * {1,
 * 1.25, 1.5, 1.75}. Small blocks (up to 64 KiB) are recycled through per-thread
 * stacks without atomics or locks; larger ones through a central list under a
 * mutex, capped at a quarter of the machine's memory. Blocks from 2 MiB up come
 * from mmap, each on huge pages of its own, asked for once: first touch of fresh
 * 4 KiB pages is the largest cost of a big result (performance.md, trap 3).
 */
#include "runtime/base/blocks.h"
#include "runtime/base/slab.h"
#include "runtime/base/thread.h"
#include "runtime/rustorch.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Under AddressSanitizer nothing is cached, so that every block is its own and a
 * use after free is seen, and neither a block's header nor what it has beyond
 * the bytes that were asked for may be touched. */
#if defined(__SANITIZE_ADDRESS__)
#define CACHED false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CACHED false
#endif
#endif
#ifndef CACHED
#define CACHED true
#define fence(b, bytes) ((void)(b), (void)(bytes))
#define unfence(b) ((void)(b))
#else
#include <sanitizer/asan_interface.h>
#define fence(b, bytes) fence_off(b, bytes)
#define unfence(b) open_up(b)
#endif

enum {
    HEADER = RT_BLOCK_HEADER,
    CLASSES = 4 * 48,
    SMALL_CLASSES = 4 * 10 + 1,   /* up to 64 KiB */
    SMALL_BYTES = 64 << 10,
    TINY_CLASSES = 4 * 5,         /* below 2 KiB */
    MAGAZINE_TINY = 1 << 20,      /* bytes kept per class and thread */
    SLAB_BATCH = 256,             /* blocks of slabs that move together */
    MAGAZINE_BYTES = 256 << 10,   /* the same for larger blocks */
    MAGAZINE_MIN = 8,             /* blocks kept at least */
    BATCH = 32,                   /* blocks that move together */
    SPREAD_FROM = 16 << 10,       /* bytes, see apart() */
};
#define HUGE_BLOCK RT_HUGE_PAGE
#define MAGIC 0x5254414cu

typedef rt__block block;

/* Only its thread writes (plain stores); readers of statistics look at count. */
typedef struct magazine {
    block *first;
    atomic_int count;
} magazine;

/* The same for blocks of slabs, and the slab that the thread uses up. */
typedef struct tray {
    rt__slot *first;
    atomic_int count;
    rt__fresh fresh;
} tray;

/* What a thread keeps: its magazines, and its share of the statistics since
 * the last flush. A reader adds all shares up. rt__this.cache points to it from
 * the thread's first call on. */
typedef struct rt__cache {
    tray trays[RT_SLAB_CLASSES];
    magazine magazines[SMALL_CLASSES];
    _Atomic long long taken, calls;
    struct rt__cache *next;
} cache;

RT_THREAD_LOCAL rt__thread rt__this;
static __thread cache mine;
static cache *caches;     /* of all threads, under central_lock */
static pthread_key_t thread_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static pthread_mutex_t central_lock = PTHREAD_MUTEX_INITIALIZER;
static block *central[CLASSES];
static size_t central_bytes, central_cap;
static rt__slot *central_slots[RT_SLAB_CLASSES];

/* Totals of what has been flushed; a thread flushes every FLUSH bytes, so the
 * peak is exact to FLUSH bytes a thread. */
static atomic_llong bytes_now, bytes_peak, calls, fail_after;
static atomic_llong held, limit;   /* from the system; at most, 0: no limit */
enum { FLUSH = 256 << 10 };

#ifdef ASAN_POISON_MEMORY_REGION
static void open_up(block *b)
{
    ASAN_UNPOISON_MEMORY_REGION(b, HEADER);
    ASAN_UNPOISON_MEMORY_REGION((char *)b + HEADER, b->size);
}

static void fence_off(block *b, size_t bytes)
{
    ASAN_POISON_MEMORY_REGION((char *)b + HEADER + bytes, b->size - bytes);
    ASAN_POISON_MEMORY_REGION(b, HEADER);
}
#endif

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
    int q = (int)((bytes - base + base / 4 - 1) >> (k + 4));
    return q == 4 ? (k + 1) * 4 : k * 4 + q;
}

static void unmap(block *b)
{
    atomic_fetch_sub_explicit(&held, (long long)b->size, memory_order_relaxed);
    if (b->mapped) {
        munmap(b->mapping, b->mapped);
    } else {
        free(b);
    }
}

/* A twin has b's pages as well. To write them again would copy what they hold,
 * page by page; fresh ones cost a fraction of that. */
static bool is_shared(const block *b)
{
    return b->mapped && b->owned != rt__fork_count();
}

static void give_central(block *b)
{
    bool keep = !is_shared(b);
    pthread_mutex_lock(&central_lock);
    keep = keep && central_bytes + b->size <= central_cap;
    if (keep) {
        b->next = central[b->class];
        central[b->class] = b;
        central_bytes += b->size;
    }
    pthread_mutex_unlock(&central_lock);
    if (!keep) {
        unmap(b);
    }
}

static inline int count_of(atomic_int *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

static inline void grow_count(atomic_int *count, int by)
{
    atomic_store_explicit(
        count, atomic_load_explicit(count, memory_order_relaxed) + by,
        memory_order_relaxed);
}

/* Blocks of a class that a magazine keeps: a shift, as sizes double every four
 * classes. */
static inline int magazine_room(int class)
{
    int bytes = class < TINY_CLASSES ? MAGAZINE_TINY : MAGAZINE_BYTES;
    int room = bytes >> (6 + (class >> 2));
    return room > MAGAZINE_MIN ? room : MAGAZINE_MIN;
}

static void give_batch(magazine *m)
{
    for (int i = 0; i < BATCH && m->first; i++) {
        block *b = m->first;
        m->first = b->next;
        grow_count(&m->count, -1);
        give_central(b);
    }
}

/* Up to n blocks of a tray go to the others. */
static void give_slots(tray *t, int class, int n)
{
    pthread_mutex_lock(&central_lock);
    for (; n > 0 && t->first; n--) {
        rt__slot *b = t->first;
        t->first = b->next;
        b->next = central_slots[class];
        central_slots[class] = b;
        central_bytes += rt__slab_size(class);
        grow_count(&t->count, -1);
    }
    pthread_mutex_unlock(&central_lock);
}

static void empty_trays(void)
{
    for (int i = 0; i < RT_SLAB_CLASSES; i++) {
        give_slots(&mine.trays[i], i, INT_MAX);
    }
}

/* What the thread has not used of its slabs becomes blocks like others. */
static void use_up_slabs(void)
{
    for (int i = 0; i < RT_SLAB_CLASSES; i++) {
        tray *t = &mine.trays[i];
        for (; t->fresh.at != t->fresh.end; t->fresh.at += rt__slab_size(i)) {
            rt__slot *b = (rt__slot *)t->fresh.at;
            b->next = t->first;
            t->first = b;
            grow_count(&t->count, 1);
        }
    }
}

static void empty_magazines(void)
{
    for (int i = 0; i < SMALL_CLASSES; i++) {
        while (mine.magazines[i].first) {
            give_batch(&mine.magazines[i]);
        }
    }
}

/* A thread that ends hands its magazines and its share over. */
static void thread_ends(void *unused)
{
    (void)unused;
    use_up_slabs();
    empty_trays();
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
    rt__this.cache = NULL;
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
    caches = rt__this.cache;
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
    rt__this.cache = &mine;
}

char *rt__map_pages(size_t bytes, size_t boundary)
{
    size_t want = bytes + boundary;
    char *p = mmap(NULL, want, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
    size_t skip = -(uintptr_t)p & (boundary - 1);
    if (skip) {
        munmap(p, skip);
    }
    munmap(p + skip + bytes, boundary - skip);
    return p + skip;
}

/* How far into its huge page a block's data starts: operands that all begin at
 * one place of a page make the processor mistake each other's lines for their
 * own. */
static size_t next_colour(void)
{
    static atomic_uint turn;
    unsigned k = atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed);
    return (k & 7) * 5 % 8 * 640 + HEADER;
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
    uintptr_t page = ((uintptr_t)p + HUGE_BLOCK - 1) &
                     ~(uintptr_t)(HUGE_BLOCK - 1);
    uintptr_t data = page + next_colour();
    madvise((void *)page, size + (data - page), MADV_HUGEPAGE);
    block *b = (block *)(data - HEADER);
    *b = (block){MAGIC, class, size, NULL, want, p, rt__fork_count(), true};
    return b;
}

/* Refuses what the machine cannot hold (mmap would promise it), and what the
 * limit forbids. */
static bool beyond_memory(size_t size)
{
    long long most = atomic_load_explicit(&limit, memory_order_relaxed);
    return size > central_cap * 4 ||
           (most > 0 && (long long)size > most - atomic_load(&held));
}

/* The same for blocks that the C library puts behind each other: their sizes
 * are multiples of 4 KiB, and with this room every fourth begins at one place
 * of a page. */
static size_t apart(size_t size)
{
    return CACHED && size >= SPREAD_FROM ? 1024 - RT_SLAB_STEP : 0;
}

static block *from_system(int class, size_t size)
{
    if (CACHED && size >= HUGE_BLOCK) {
        return fresh_mapped(class, size);
    }
    void *p = NULL;
    if (posix_memalign(&p, RT_SLAB_STEP, size + HEADER + apart(size)) != 0) {
        return NULL;
    }
    block *b = p;
    *b = (block){.magic = MAGIC, .class = class, .size = size};
    return b;
}

static block *fresh(int class)
{
    size_t size = class_bytes(class);
    block *b = beyond_memory(size) ? NULL : from_system(class, size);
    if (b) {
        atomic_fetch_add_explicit(&held, (long long)size, memory_order_relaxed);
    }
    return b;
}

void rt_memory_set_limit(int64_t bytes)
{
    atomic_store(&limit, bytes > 0 ? bytes : 0);
}

/* One block, and of a small class some more for the thread's magazine. */
static block *take_central(int class)
{
    pthread_mutex_lock(&central_lock);
    block *b = central[class];
    if (b) {
        central[class] = b->next;
        central_bytes -= b->size;
        b->owned = rt__fork_count();   /* twins gave back what was cached */
    }
    for (int i = 1; class < SMALL_CLASSES && i < BATCH && central[class]; i++) {
        magazine *m = &mine.magazines[class];
        block *more = central[class];
        central[class] = more->next;
        central_bytes -= more->size;
        more->next = m->first;
        m->first = more;
        grow_count(&m->count, 1);
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

static inline void count_taken(cache *c, size_t bytes)
{
    grow(&c->taken, (long long)bytes);
    grow(&c->calls, 1);
    if (atomic_load_explicit(&c->taken, memory_order_relaxed) > FLUSH) {
        flush();
    }
}

/* Blocks for a tray that has none: of the others, or a new slab. */
static bool fill_tray(tray *t, int class)
{
    pthread_mutex_lock(&central_lock);
    for (int i = 0; i < SLAB_BATCH && central_slots[class]; i++) {
        rt__slot *b = central_slots[class];
        central_slots[class] = b->next;
        central_bytes -= rt__slab_size(class);
        b->next = t->first;
        t->first = b;
        grow_count(&t->count, 1);
    }
    if (!t->first && !beyond_memory(RT_SLAB_BYTES)) {
        t->fresh = rt__slab_new(class);
        if (t->fresh.at) {
            atomic_fetch_add_explicit(&held, RT_SLAB_BYTES,
                                      memory_order_relaxed);
        }
    }
    pthread_mutex_unlock(&central_lock);
    return t->first || t->fresh.at;
}

static inline void *take_slot(cache *c, int class)
{
    tray *t = &c->trays[class];
    void *p = t->first;
    if (p) {
        t->first = t->first->next;
        __builtin_prefetch(t->first, 1);   /* its link is read next time */
        grow_count(&t->count, -1);
    } else if (t->fresh.at != t->fresh.end) {
        p = t->fresh.at;
        t->fresh.at += rt__slab_size(class);
    }
    return p;
}

static inline void give_slot(cache *c, void *p, int class)
{
    tray *t = &c->trays[class];
    rt__slot *b = p;
    b->next = t->first;
    t->first = b;
    grow_count(&t->count, 1);
    if (count_of(&t->count) > MAGAZINE_TINY / (int)rt__slab_size(class)) {
        give_slots(t, class, SLAB_BATCH);
    }
}

/* A block of a slab when the thread's tray is empty. */
static void *slot_slowly(size_t bytes)
{
    int class = rt__slab_class(bytes);
    tray *t = &mine.trays[class];
    if (!t->first && t->fresh.at == t->fresh.end && !fill_tray(t, class)) {
        rt_memory_empty_cache();
        if (!fill_tray(t, class)) {
            return NULL;
        }
    }
    count_taken(&mine, rt__slab_size(class));
    return take_slot(&mine, class);
}

/* Not from this thread's magazine. */
static __attribute__((noinline)) void *alloc_slowly(size_t bytes)
{
    if (!rt__this.cache) {
        register_thread();
    }
    if (bytes > ((size_t)1 << 47) || must_fail()) {
        return NULL;
    }
    if (CACHED && bytes <= RT_SLAB_MOST) {
        return slot_slowly(bytes);
    }
    int class = class_of(bytes);
    block *b = take_central(class);
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
    count_taken(&mine, b->size);
    fence(b, bytes);
    return (char *)b + HEADER;
}

static inline block *take_small(cache *c, int class)
{
    magazine *m = &c->magazines[class];
    block *b = m->first;
    if (b) {
        m->first = b->next;
        grow_count(&m->count, -1);
    }
    return b;
}

void *rt_alloc(size_t bytes)
{
    cache *c = rt__this.cache;
    if (!c || bytes > SMALL_BYTES ||
        atomic_load_explicit(&fail_after, memory_order_relaxed) != 0) {
        return alloc_slowly(bytes);
    }
    if (CACHED && bytes <= RT_SLAB_MOST) {
        int class = rt__slab_class(bytes);
        void *p = take_slot(c, class);
        if (p) {
            count_taken(c, rt__slab_size(class));
            return p;
        }
        return alloc_slowly(bytes);
    }
    block *b = take_small(c, class_of(bytes));
    if (b) {
        count_taken(c, b->size);
        return (char *)b + HEADER;
    }
    return alloc_slowly(bytes);
}

void rt_free(void *p)
{
    if (!p) {
        return;
    }
    if (!rt__this.cache) {
        register_thread();
    }
    cache *c = rt__this.cache;
    if (rt__in_slab(p)) {
        int class = rt__slab_of(p)->class;
        grow(&c->taken, -(long long)rt__slab_size(class));
        give_slot(c, p, class);
        return;
    }
    block *b = (block *)((char *)p - HEADER);
    unfence(b);
    grow(&c->taken, -(long long)b->size);
    if (!CACHED) {
        unmap(b);
        return;
    }
    if (b->class < SMALL_CLASSES) {
        magazine *m = &c->magazines[b->class];
        int count = count_of(&m->count);
        b->next = m->first;
        m->first = b;
        grow_count(&m->count, 1);
        if (count >= magazine_room(b->class)) {
            give_batch(m);
        }
        return;
    }
    give_central(b);
}

void *rt_realloc(void *p, size_t bytes)
{
    if (!p) {
        return rt_alloc(bytes);
    }
    block *b = (block *)((char *)p - HEADER);
    bool slab = rt__in_slab(p);
    if (!slab) {
        unfence(b);
    }
    size_t size = slab ? rt__slab_size(rt__slab_of(p)->class) : b->size;
    if (bytes <= size) {
        fence(b, bytes);
        return p;
    }
    void *q = rt_alloc(bytes);
    if (!q) {
        return NULL;
    }
    memcpy(q, p, size);
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

static int64_t cached_in(cache *c)
{
    int64_t bytes = 0;
    for (int i = 0; i < SMALL_CLASSES; i++) {
        bytes += (int64_t)class_bytes(i) * count_of(&c->magazines[i].count);
    }
    for (int i = 0; i < RT_SLAB_CLASSES; i++) {
        bytes += (int64_t)rt__slab_size(i) * count_of(&c->trays[i].count);
    }
    return bytes;
}

void rt_memory_read_stats(rt_memory_stats *out)
{
    pthread_once(&once, setup);
    pthread_mutex_lock(&central_lock);
    out->allocated = atomic_load(&bytes_now);
    out->cached = (int64_t)central_bytes;
    out->allocations = atomic_load(&calls);
    for (cache *c = caches; c; c = c->next) {
        out->allocated += atomic_load(&c->taken);
        out->cached += cached_in(c);
        out->allocations += atomic_load(&c->calls);
    }
    out->peak = atomic_load(&bytes_peak);
    if (out->allocated > out->peak) {
        out->peak = out->allocated;
    }
    pthread_mutex_unlock(&central_lock);
}

/* Takes the blocks of the central lists from a class on, as one list. */
static block *take_all(int first)
{
    block *drop = NULL;
    pthread_mutex_lock(&central_lock);
    for (int i = first; i < CLASSES; i++) {
        while (central[i]) {
            block *b = central[i];
            central[i] = b->next;
            central_bytes -= b->size;
            b->next = drop;
            drop = b;
        }
    }
    pthread_mutex_unlock(&central_lock);
    return drop;
}

static void unmap_all(block *drop)
{
    while (drop) {
        block *b = drop;
        drop = b->next;
        unmap(b);
    }
}

/* Slabs of which every block is cached. */
static void reclaim_slabs(void)
{
    pthread_mutex_lock(&central_lock);
    for (int i = 0; i < RT_SLAB_CLASSES; i++) {
        size_t gone = rt__slab_reclaim(&central_slots[i], i);
        central_bytes -= gone * rt__slab_size(i) * (size_t)rt__slab_blocks(i);
        atomic_fetch_sub_explicit(&held, (long long)(gone * RT_SLAB_BYTES),
                                  memory_order_relaxed);
    }
    pthread_mutex_unlock(&central_lock);
}

void rt_memory_empty_cache(void)
{
    pthread_once(&once, setup);
    empty_trays();
    empty_magazines();
    reclaim_slabs();
    unmap_all(take_all(0));
}

void rt__empty_mapped(void)
{
    unmap_all(take_all(class_of(HUGE_BLOCK)));
}

int64_t rt_memory_fail_after(int64_t n)
{
    int64_t left = atomic_exchange(&fail_after, n);
    return left > 0 ? left : 0;
}

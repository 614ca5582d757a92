/* SPDX-License-Identifier: MIT
 * The pages of large blocks: asked for in bulk, and after a fork made this
 * process's own in bulk.
 *
 * After a fork the system copies a shared page when it is first written, 4 KiB
 * at a time, also where the page was huge. For a tensor of 1 GiB that is 262,144
 * faults, about a second, and small pages ever after. Here a stretch of the
 * block is copied onto fresh huge pages, which then take the place of the shared
 * ones (mremap), so that no address changes.
 */
#define _GNU_SOURCE   /* mremap */
#include "runtime/base/blocks.h"

#include "runtime/base/pages.h"
#include "runtime/base/pool.h"
#include "runtime/base/slab.h"
#include "runtime/rustorch.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* Reads headers, which AddressSanitizer is told to guard. */
#define READS_HEADERS __attribute__((no_sanitize_address))

enum { AT_ONCE = 8 };   /* huge pages between two looks for an interrupt */
enum { SMALL_MAPPING = 1 << 20 };

static _Atomic uint32_t forks;

uint32_t rt__fork_count(void)
{
    return atomic_load_explicit(&forks, memory_order_relaxed);
}

void rt_memory_forked(bool child)
{
    atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
    if (child) {
        rt__empty_mapped();
    }
}

READS_HEADERS void rt__touch_pages(void *p, size_t bytes)
{
    if (rt__in_slab(p) || bytes < RT_HUGE_PAGE) {
        return;
    }
    rt__block *b = (rt__block *)((char *)p - RT_BLOCK_HEADER);
    if (b->fresh) {   /* the first page holds the header */
        uintptr_t first = (uintptr_t)b & ~(uintptr_t)(RT_HUGE_PAGE - 1);
        size_t more = ((uintptr_t)p + bytes - 1 - first) / RT_HUGE_PAGE;
        /* Beyond the last whole one there would be 511 small pages that nobody
         * needs and that each fork copies the entries of. */
        size_t whole = ((uintptr_t)p + b->size - first) / RT_HUGE_PAGE - 1;
        b->fresh = !rt__ask_pages((char *)first + RT_HUGE_PAGE,
                                  more < whole ? more : whole);
    }
}

/* The stack, the C library's heap, what libraries have in variables: small
 * mappings that the next piece of work writes all over. */
static void own_small_mappings(void)
{
    char line[256], mode[5];
    unsigned long begin, end;
    FILE *f = fopen("/proc/self/maps", "re");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%lx-%lx %4s", &begin, &end, mode) == 3 &&
            strcmp(mode, "rw-p") == 0 && end - begin <= SMALL_MAPPING) {
            rt__own_range((char *)begin, end - begin);
        }
    }
    if (f) {
        fclose(f);
    }
}

void *rt__alloc_whole(size_t bytes)
{
    void *p = rt_alloc(bytes);
    if (p) {
        rt__touch_pages(p, bytes);
    }
    return p;
}

void rt_memory_own_small(void)
{
    rt__slab_own_pages();
    own_small_mappings();
}

typedef struct stretch {
    char *from, *to;
} stretch;

static void copy_pages(void *ctx, int64_t begin, int64_t end)
{
    const stretch *s = ctx;
    size_t at = (size_t)begin * RT_HUGE_PAGE;
    memcpy(s->to + at, s->from + at, (size_t)(end - begin) * RT_HUGE_PAGE);
}

/* False: the stretch is as it was. */
static bool replace(char *pages, size_t n)
{
    stretch s = {pages, rt__map_pages(n * RT_HUGE_PAGE, RT_HUGE_PAGE)};
    if (!s.to) {
        return false;
    }
    madvise(s.to, n * RT_HUGE_PAGE, MADV_HUGEPAGE);
    if (rt__ask_pages(s.to, n) &&
        rt__parallel((int64_t)n, 1, copy_pages, &s) &&
        mremap(s.to, n * RT_HUGE_PAGE, n * RT_HUGE_PAGE,
               MREMAP_MAYMOVE | MREMAP_FIXED, pages) != MAP_FAILED) {
        return true;
    }
    rt__drop_pages(s.to, n);
    return false;
}

READS_HEADERS void rt__own_pages(void *p)
{
    rt__block *b = (rt__block *)((char *)p - RT_BLOCK_HEADER);
    uint32_t now = rt__fork_count();
    if (!now || rt__in_slab(p) || b->size < RT_SHARED_LARGE || !b->mapped ||
        b->owned == now) {
        return;
    }
    uintptr_t first = (uintptr_t)b & ~(uintptr_t)(RT_HUGE_PAGE - 1);
    size_t n = ((uintptr_t)p + b->size - first) / RT_HUGE_PAGE;
    for (size_t i = 0; i < n; i += AT_ONCE) {
        size_t some = n - i < AT_ONCE ? n - i : AT_ONCE;
        if (!replace((char *)first + i * RT_HUGE_PAGE, some)) {
            return;
        }
    }
    b->owned = now;
}

/* SPDX-License-Identifier: MIT
 * Slabs are cut from mappings of 1 MiB, and unmapped one by one.
 */
#include "runtime/base/slab.h"

#include "runtime/base/blocks.h"

#include <sys/mman.h>
#include <unistd.h>

#define MAPPING ((size_t)1 << 20)

/* What is left of the newest mapping. */
static rt__fresh rest;
static char *newest[4];       /* mappings, in turn */
static unsigned next_newest;

/* A mapping that begins on a slab's boundary. Pages of 4 KiB: of these blocks a
 * few are written after a fork, and each written page is copied. */
static bool map_more(void)
{
    char *p = rt__map_pages(MAPPING, RT_SLAB_BYTES);
    if (!p) {
        return false;
    }
    rest = (rt__fresh){p, p + MAPPING};
    newest[next_newest++ % 4] = rest.at;
#ifdef MADV_NOHUGEPAGE
    madvise(rest.at, MAPPING, MADV_NOHUGEPAGE);
#endif
    return true;
}

rt__fresh rt__slab_new(int class)
{
    if (rest.at == rest.end && !map_more()) {
        return (rt__fresh){NULL, NULL};
    }
    char *base = rest.at, *first = base + RT_SLAB_HEAD;
    rest.at += RT_SLAB_BYTES;
    *rt__slab_of(base) = (rt__slab){class, 0, 0};
    return (rt__fresh){first, first + (size_t)rt__slab_blocks(class) *
                                          rt__slab_size(class)};
}

static void unmap(rt__slab *slab)
{
    munmap((void *)((uintptr_t)slab & ~(uintptr_t)(RT_SLAB_BYTES - 1)),
           RT_SLAB_BYTES);
}

size_t rt__slab_reclaim(rt__slot **list, int class)
{
    size_t gone = 0;
    int whole = rt__slab_blocks(class);
    for (rt__slot *b = *list; b; b = b->next) {
        rt__slab_of(b)->free++;
    }
    for (rt__slot **at = list; *at;) {
        rt__slab *slab = rt__slab_of(*at);
        if (slab->free < whole) {
            slab->free = 0;
            at = &(*at)->next;
            continue;
        }
        *at = (*at)->next;
        if (++slab->taken == whole) {
            unmap(slab);
            gone++;
        }
    }
    return gone;
}

#ifdef MADV_POPULATE_WRITE

/* At most a slab's bytes: the pages that are there, in runs. */
static void own_some(char *base, size_t bytes, size_t page)
{
    unsigned char there[RT_SLAB_BYTES / 4096 + 1] = {0};
    size_t n = bytes / page;
    if (n >= sizeof there || mincore(base, bytes, there) != 0) {
        return;   /* given back meanwhile */
    }
    for (size_t i = 0, begin; i < n; i++) {
        for (begin = i; there[i] & 1;) {
            i++;
        }
        if (i > begin) {
            madvise(base + begin * page, (i - begin) * page,
                    MADV_POPULATE_WRITE);
        }
    }
}

void rt__own_range(char *begin, size_t bytes)
{
    long page = sysconf(_SC_PAGESIZE);
    for (size_t at = 0; page > 0 && at < bytes; at += RT_SLAB_BYTES) {
        size_t left = bytes - at;
        own_some(begin + at, left < RT_SLAB_BYTES ? left : RT_SLAB_BYTES,
                 (size_t)page);
    }
}

#else

void rt__own_range(char *begin, size_t bytes)
{
}

#endif

void rt__slab_own_pages(void)
{
    for (int k = 0; k < 4; k++) {
        if (newest[k]) {
            rt__own_range(newest[k], MAPPING);
        }
    }
}

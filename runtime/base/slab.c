/* SPDX-License-Identifier: MIT
 * Slabs are cut from mappings of 1 MiB, and unmapped one by one.
 */
#include "runtime/base/slab.h"

#include <sys/mman.h>

#define MAPPING ((size_t)1 << 20)

/* What is left of the newest mapping. */
static rt__fresh rest;

/* A mapping that begins on a slab's boundary. Pages of 4 KiB: of these blocks a
 * few are written after a fork, and each written page is copied. */
static bool map_more(void)
{
    size_t want = MAPPING + RT_SLAB_BYTES;
    char *p = mmap(NULL, want, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        return false;
    }
    size_t skip = -(uintptr_t)p & (RT_SLAB_BYTES - 1);
    if (skip) {
        munmap(p, skip);
    }
    rest = (rt__fresh){p + skip, p + skip + MAPPING};
    munmap(rest.end, want - skip - MAPPING);
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

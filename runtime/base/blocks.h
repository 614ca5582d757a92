/* SPDX-License-Identifier: MIT
 *
 * What stands in front of every block of the allocator (alloc.c), and the large
 * blocks that a forked twin of this process shares with it (share.c).
 */
#ifndef RT_BASE_BLOCKS_H
#define RT_BASE_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/pages.h"

enum { RT_BLOCK_HEADER = 64 };
#define RT_SHARED_LARGE ((size_t)4 << 20)   /* what is worth copying in bulk */

typedef struct rt__block {
    uint32_t magic;
    int32_t class;
    size_t size;             /* usable bytes of the class */
    struct rt__block *next;  /* while cached */
    size_t mapped;           /* bytes of the mapping, 0: from the C library */
    void *mapping;
    uint32_t owned;          /* rt__fork_count() when its pages were last known
                              * to be this process's own; mapped blocks only */
    bool fresh;              /* mapped, and its pages are not all there yet */
} rt__block;
_Static_assert(sizeof(rt__block) <= RT_BLOCK_HEADER,
               "block header outgrew its room");

/* Fresh pages from the system, the first on a multiple of `boundary` (a power
 * of 2, of pages); munmap gives them back. NULL when there are none. */
char *rt__map_pages(size_t bytes, size_t boundary);
/* Times this process was forked by rt_memory_forked's reckoning. */
uint32_t rt__fork_count(void);
/* Gives the cached blocks that are mappings of their own back to the system. */
void rt__empty_mapped(void);
/* The elements at p, which rt_alloc gave, are about to be written, most of
 * them. A large block whose pages a twin shares is copied here, by all threads
 * and onto huge pages: several times faster than page by page on first write.
 * Without memory for that, or interrupted, the rest is left to the system. */
void rt__own_pages(void *p);
/* Asks for the pages of a fresh block now, for the first `bytes` bytes, unless
 * interrupted: to get one may take milliseconds (pages.h), and one piece of a
 * kernel's work may touch dozens. */
void rt__touch_pages(void *p, size_t bytes);
/* rt_alloc for what will be written all through: with its pages. */
void *rt__alloc_whole(size_t bytes);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Slabs: 64 KiB of small blocks of one size, without a header each, so that
 * small tensors and recorded nodes stay in the caches. Sizes are multiples of
 * 128, and so are the addresses of the blocks; the allocator's other blocks lie
 * 64 bytes beside such an address, which tells the two kinds apart.
 *
 * Nothing here locks: the allocator does, where threads meet.
 */
#ifndef RT_BASE_SLAB_H
#define RT_BASE_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RT_SLAB_BYTES = 64 << 10,
    RT_SLAB_STEP = 128,
    RT_SLAB_CLASSES = 8,          /* 128, 256, ... 1024 bytes */
    RT_SLAB_MOST = RT_SLAB_STEP * RT_SLAB_CLASSES,
    RT_SLAB_HEAD = 1024,          /* room for the head, see rt__slab_of */
};

/* Its place in the slab's first KiB differs from slab to slab: all at one place
 * would push each other out of the caches. */
typedef struct rt__slab {
    int class;
    int free, taken;              /* while its blocks are counted */
} rt__slab;

/* A block that nobody uses. */
typedef struct rt__slot {
    struct rt__slot *next;
} rt__slot;

/* What a slab still has that was never used. */
typedef struct rt__fresh {
    char *at, *end;
} rt__fresh;

static inline bool rt__in_slab(const void *p)
{
    return ((uintptr_t)p & (RT_SLAB_STEP - 1)) == 0;
}
static inline rt__slab *rt__slab_of(const void *p)
{
    uintptr_t base = (uintptr_t)p & ~(uintptr_t)(RT_SLAB_BYTES - 1);
    return (rt__slab *)(base + (base / RT_SLAB_BYTES) % 16 * 64);
}
/* The class of a block of that many bytes, at most RT_SLAB_MOST. */
static inline int rt__slab_class(size_t bytes)
{
    return bytes ? (int)((bytes - 1) / RT_SLAB_STEP) : 0;
}
static inline size_t rt__slab_size(int class)
{
    return (size_t)(class + 1) * RT_SLAB_STEP;
}

/* Blocks of a slab. */
static inline int rt__slab_blocks(int class)
{
    return (int)((RT_SLAB_BYTES - RT_SLAB_HEAD) / rt__slab_size(class));
}

/* A new slab of the class: its blocks; empty when there is no memory. */
rt__fresh rt__slab_new(int class);
/* Gives slabs back to the system of which every block is in the list; returns
 * how many, and takes their blocks off the list. */
size_t rt__slab_reclaim(rt__slot **list, int class);
/* The pages that are there of a stretch which begins on a page, and that a fork
 * shares, become this process's own, where the system can do that for many at
 * once. What they hold stays. */
void rt__own_range(char *begin, size_t bytes);
/* The same of the newest slabs. */
void rt__slab_own_pages(void);

#endif

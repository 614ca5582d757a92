/* SPDX-License-Identifier: MIT
 *
 * What the runtime keeps per thread on the path of every small operation, in
 * one place. With glibc it is one load away even from a library that was loaded
 * late (the static TLS model; few bytes, as that room is shared by all
 * libraries).
 */
#ifndef RT_BASE_THREAD_H
#define RT_BASE_THREAD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__GLIBC__) && defined(__ELF__)
#define RT_THREAD_LOCAL                                                        \
    _Thread_local __attribute__((tls_model("initial-exec")))
#else
#define RT_THREAD_LOCAL _Thread_local
#endif

struct rt__cache;             /* alloc.c */
struct rt_node;               /* runtime/autograd/graph.h */

typedef struct rt__thread {
    struct rt__cache *cache;  /* of the allocator; NULL before its first use */
    uint64_t sequence;        /* of the last recorded node */
    struct rt_node *dying;    /* nodes to be freed, */
    bool draining;            /* and whether that is going on */
    bool grad_off, inference; /* modes */
    void (*long_work)(void);  /* settings.c; NULL, or what a poll calls */
    uint64_t long_from;       /* from this time on */
} rt__thread;

extern RT_THREAD_LOCAL rt__thread rt__this;

#endif

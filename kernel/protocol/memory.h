/* SPDX-License-Identifier: MIT
 *
 * memory.h - memory for processes that must outlive a shortage of it.
 *
 * When there is none, a reserve is given back, and what is small then waits a
 * while: most often a cell has taken it all, and ends or is ended. Jansson and
 * libcrypto get theirs here too, so that no reply is lost for want of a few
 * bytes. libzmq has its own way: it ends the process.
 */
#ifndef JP_MEMORY_H
#define JP_MEMORY_H

#include <stddef.h>

/* Before any other call into the protocol. */
void jp_memory_init(void);
/* As malloc, calloc and realloc; given back with free. NULL when patience did
 * not help. */
void *jp_alloc(size_t size);
void *jp_zeroed(size_t size);
void *jp_grow(void *p, size_t size);

#endif

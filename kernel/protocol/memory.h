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

#include <stdbool.h>
#include <stddef.h>

/* Before any other call into the protocol. What is small waits so long. */
void jp_memory_init(int seconds);
/* For what a large message will take, so that it is refused before it is read:
 * false when there is not so much. It is the reserve from now on, and takes no
 * memory while nobody needs it; 0: the usual one again. */
bool jp_memory_set_aside(size_t size);
/* As malloc, calloc and realloc; given back with free. NULL when patience did
 * not help. */
void *jp_alloc(size_t size);
void *jp_zeroed(size_t size);
void *jp_grow(void *p, size_t size);

#endif

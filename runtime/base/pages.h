/* SPDX-License-Identifier: MIT
 *
 * pages.h - fresh huge pages, asked for by threads that may be kept waiting.
 *
 * A system clears a huge page before it gives it, and one whose own memory comes
 * from a host takes milliseconds for that, in which no signal reaches the thread.
 * So threads that do nothing else ask for the pages; who needs them waits in a
 * way that an interrupt ends.
 */
#ifndef RT_BASE_PAGES_H
#define RT_BASE_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#define RT_HUGE_PAGE ((size_t)2 << 20)

/* Asks for the n huge pages at `first` (aligned, and mapped for writing, not yet
 * written to). False: interrupted, and some of them may still be on their way;
 * the mapping may be used like any other, but only rt__drop_pages gives it back
 * without waiting. */
bool rt__ask_pages(char *first, size_t n);
/* munmap for a mapping of n huge pages, of which some may be on their way. */
void rt__drop_pages(char *first, size_t n);

#endif

/* SPDX-License-Identifier: MIT
 *
 * output.h - the compute process's side of the link: printed text in few
 * packets, and everything else behind it in order.
 *
 * Text is gathered until 32 KiB are together or, by a small thread, for about
 * a millisecond. All sending goes through here, under one lock.
 */
#ifndef KERNEL_OUTPUT_H
#define KERNEL_OUTPUT_H

#include "kernel/link.h"

#include <stdbool.h>

/* Starts; `give_up` says whether waiting for room should end (text is then
 * dropped). Text waits in `rest`. False when there is no thread to be had. */
bool kernel_output_start(int link, bool (*give_up)(void), kernel_rest *rest);
/* In a forked copy of the process, which has lost the small thread: forgets
 * what was waiting and starts again. */
bool kernel_output_restart(void);
void kernel_output_text(int fd, const char *text, size_t size);
/* Sends the text that waits, then the message. */
void kernel_output_send(kernel_link_kind kind, const char *data, size_t size);
/* From a fatal signal's handler: sends the text that waits, never waits
 * for a lock. */
void kernel_output_last_words(void);

#endif

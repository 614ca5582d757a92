/* SPDX-License-Identifier: MIT
 *
 * history.h - what was typed, over sessions.
 *
 * A file of JSON lines in the user's data directory; each kernel process is a
 * session with a number. Opened at first use. Lines wait in memory until they
 * are saved. When the file cannot be written, this session's history lives in
 * memory and `problem` says so once.
 */
#ifndef KERNEL_HISTORY_H
#define KERNEL_HISTORY_H

#include <jansson.h>
#include <stddef.h>

typedef struct kernel_history kernel_history;

/* `directory` NULL: $XDG_DATA_HOME/rustorch or ~/.local/share/rustorch. */
kernel_history *kernel_history_new(const char *directory);
/* Saves, and frees. */
void kernel_history_free(kernel_history *h);
void kernel_history_add(kernel_history *h, int line, const char *code,
                        size_t size);
/* The result of the line added last. */
void kernel_history_result(kernel_history *h, const char *text);
/* Writes the lines that wait; they are in the file when this returns. */
void kernel_history_save(kernel_history *h);
/* The `history` array of a reply to this history_request (new). */
json_t *kernel_history_answer(kernel_history *h, const json_t *request);
/* Why nothing is kept on disk: once, then NULL. malloc'ed. */
char *kernel_history_problem(kernel_history *h);
/* The n-th line of this session (0-based, borrowed); NULL past the end. */
const char *kernel_history_line(kernel_history *h, int n);
/* The cell of this session with that number (borrowed), or NULL. */
const char *kernel_history_cell(kernel_history *h, int number);
/* Shell patterns: * ? [a-z] [^a], over whole texts. */
int kernel_glob(const char *pattern, const char *text);

#endif

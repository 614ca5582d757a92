/* SPDX-License-Identifier: MIT
 *
 * shell.h - the language in a terminal: a third host beside the kernel and the
 * Python extension.
 */
#ifndef KERNEL_SHELL_H
#define KERNEL_SHELL_H

/* Runs a file ("-": standard input). 0; 1 after an error, which is on stderr;
 * 130 when interrupted. */
int kernel_shell_run(const char *path);
/* Reads, runs and prints until the input ends or the user says `exit`. */
int kernel_shell_repl(void);

#endif

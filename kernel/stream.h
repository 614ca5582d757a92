/* SPDX-License-Identifier: MIT
 *
 * stream.h - gathers printed text into few stream messages.
 *
 * Text waits at most 4 ms when nothing was sent lately, else until 50 ms after
 * the last message, or until 64 KiB are together. Text of the other stream,
 * or any other message, sends what waits before it.
 */
#ifndef KERNEL_STREAM_H
#define KERNEL_STREAM_H

#include "kernel/text.h"

#include <stdbool.h>
#include <stdint.h>

/* Where text comes from; each has its own unfinished character. */
typedef enum kernel_source {
    KERNEL_FROM_LINK_OUT,
    KERNEL_FROM_LINK_ERR,
    KERNEL_FROM_PIPE_OUT,
    KERNEL_FROM_PIPE_ERR,
    KERNEL_SOURCE_COUNT
} kernel_source;

typedef struct kernel_stream {
    kernel_text text;
    bool err;                      /* the text that waits is stderr's */
    int64_t due, last;             /* ms; due only while text waits */
    kernel_carry carry[KERNEL_SOURCE_COUNT];
    void (*send)(void *ctx, const char *name, const char *text, size_t size);
    void *ctx;
} kernel_stream;

void kernel_stream_add(kernel_stream *s, kernel_source source,
                       const char *data, size_t size);
/* Sends what waits. */
void kernel_stream_flush(kernel_stream *s);
/* The same, unfinished characters too: no more text is to come. */
void kernel_stream_finish(kernel_stream *s);
/* Sends when its time has come; ms until then, -1 when nothing waits. */
int64_t kernel_stream_tick(kernel_stream *s);
void kernel_stream_dispose(kernel_stream *s);

#endif

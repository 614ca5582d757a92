/* SPDX-License-Identifier: MIT
 * Stream batching.
 */
#include "kernel/stream.h"

#include "kernel/log.h"

enum { FIRST_MS = 4, NEXT_MS = 50, BATCH = 64 * 1024 };

void kernel_stream_flush(kernel_stream *s)
{
    if (s->text.size) {
        s->last = kernel_now();
        s->send(s->ctx, s->err ? "stderr" : "stdout", s->text.data,
                s->text.size);
        kernel_text_clear(&s->text);
    }
}

/* Makes `source` the stream that gathers. */
static void turn_to(kernel_stream *s, kernel_source source)
{
    bool err = source == KERNEL_FROM_LINK_ERR || source == KERNEL_FROM_PIPE_ERR;
    if (err != s->err) {
        kernel_stream_flush(s);
        s->err = err;
    }
}

void kernel_stream_add(kernel_stream *s, kernel_source source,
                       const char *data, size_t size)
{
    turn_to(s, source);
    if (!s->text.size) {
        int64_t now = kernel_now();
        s->due = s->last + NEXT_MS > now + FIRST_MS ? s->last + NEXT_MS
                                                    : now + FIRST_MS;
    }
    kernel_text_add(&s->text, &s->carry[source], data, size);
    if (s->text.size >= BATCH) {
        kernel_stream_flush(s);
    }
}

void kernel_stream_finish(kernel_stream *s)
{
    for (int i = 0; i < KERNEL_SOURCE_COUNT; i++) {
        if (s->carry[i].size) {
            turn_to(s, i);
            kernel_text_finish(&s->text, &s->carry[i]);
        }
    }
    kernel_stream_flush(s);
}

int64_t kernel_stream_tick(kernel_stream *s)
{
    if (!s->text.size) {
        return -1;
    }
    int64_t left = s->due - kernel_now();
    if (left > 0) {
        return left;
    }
    kernel_stream_flush(s);
    return -1;
}

void kernel_stream_dispose(kernel_stream *s)
{
    kernel_text_dispose(&s->text);
}

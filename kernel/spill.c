/* SPDX-License-Identifier: MIT
 * Memory, a file, memory.
 */
#include "kernel/spill.h"

#include "kernel/log.h"
#include "kernel/protocol/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What was read is given back to the disk in pieces of this size. */
enum { HOLE = 16 << 20 };

/* --- the file ------------------------------------------------------------- */

static int open_in(const char *directory)
{
#ifdef O_TMPFILE
    int made = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (made >= 0) {
        return made;
    }
#endif
    char *path = kernel_format("%s/rustorch-XXXXXX", directory);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) {
        unlink(path);
    }
    free(path);
    return fd;
}

/* A disk is better than /tmp, which is often memory. */
static bool open_file(kernel_spill *s)
{
    const char *const places[] = {getenv("TMPDIR"), "/var/tmp", "/tmp"};
    for (size_t i = 0; s->fd <= 0 && i < sizeof places / sizeof *places; i++) {
        s->fd = places[i] && *places[i] ? open_in(places[i]) : -1;
    }
    return s->fd > 0;
}

static bool write_at(int fd, const char *from, size_t size, int64_t at)
{
    while (size) {
        ssize_t n = pwrite(fd, from, size, (off_t)at);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            errno = n ? errno : ENOSPC;
            return false;
        }
        n = n > 0 ? n : 0;
        from += n;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static bool read_at(int fd, char *to, size_t size, int64_t at)
{
    while (size) {
        ssize_t n = pread(fd, to, size, (off_t)at);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return false;
        }
        n = n > 0 ? n : 0;
        to += n;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static bool append_to_file(kernel_spill *s, const char *data, size_t size)
{
    if ((s->fd <= 0 && !open_file(s)) ||
        !write_at(s->fd, data, size, s->write)) {
        s->problem = errno;
        return false;
    }
    s->write += (int64_t)size;
    return true;
}

/* Lets go of what has been read. */
static void shrink(kernel_spill *s, int64_t before)
{
    if (s->read == s->write) {
        s->read = s->write = 0;
        if (ftruncate(s->fd, 0) != 0) {
            kernel_log("spill: %s", strerror(errno));
        }
        return;
    }
#ifdef FALLOC_FL_PUNCH_HOLE
    if (before / HOLE != s->read / HOLE) {
        fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                  (off_t)(s->read / HOLE * HOLE));
    }
#endif
}

/* --- memory --------------------------------------------------------------- */

static size_t waiting(const kernel_bytes *b)
{
    return b->size - b->at;
}

static void release(kernel_bytes *b)
{
    free(b->data);
    *b = (kernel_bytes){0};
}

/* Room for `size` more bytes, at the returned place; NULL: no memory. */
static char *extend(kernel_bytes *b, size_t size)
{
    if (b->at && b->size + size > b->capacity) {
        memmove(b->data, b->data + b->at, waiting(b));
        b->size -= b->at;
        b->at = 0;
    }
    if (b->size + size > b->capacity) {
        size_t capacity = b->size + size + b->size / 2;
        char *data = jp_grow(b->data, capacity);
        if (!data) {
            return NULL;
        }
        b->data = data;
        b->capacity = capacity;
    }
    b->size += size;
    return b->data + b->size - size;
}

/* Without a part the rest is of no use. */
static void give_up(kernel_spill *s)
{
    s->broken = true;
    s->read = s->write;
    release(&s->head);
    release(&s->tail);
}

/* The memory before the file is used up: what comes next moves there. */
static void refill(kernel_spill *s)
{
    int64_t before = s->read, there = s->write - s->read;
    if (there == 0) {
        release(&s->head);
        s->head = s->tail;
        s->tail = (kernel_bytes){0};
        return;
    }
    size_t n = there < KERNEL_SPILL_ROOM ? (size_t)there : KERNEL_SPILL_ROOM;
    s->head.at = s->head.size = 0;
    char *place = extend(&s->head, n);
    if (place && read_at(s->fd, place, n, s->read)) {
        s->read += (int64_t)n;
    } else {
        give_up(s);
    }
    shrink(s, before);
}

static void append(kernel_spill *s, kernel_bytes *b, const void *data,
                   size_t size)
{
    char *place = extend(b, size);
    if (place) {
        memcpy(place, data, size);
    } else {
        give_up(s);
    }
}

void kernel_spill_add(kernel_spill *s, const void *data, size_t size)
{
    bool on_disk = s->write > s->read;
    bool first = !on_disk && !waiting(&s->tail) &&
                 waiting(&s->head) + size <= KERNEL_SPILL_ROOM;
    if (first) {
        append(s, &s->head, data, size);
    } else if (waiting(&s->tail) || !append_to_file(s, data, size)) {
        append(s, &s->tail, data, size);
    }
}

const char *kernel_spill_peek(kernel_spill *s, size_t *size)
{
    if (!waiting(&s->head)) {
        refill(s);
    }
    *size = waiting(&s->head);
    return *size ? s->head.data + s->head.at : NULL;
}

void kernel_spill_drop(kernel_spill *s, size_t size)
{
    s->head.at += size;
    if (!kernel_spill_bytes(s)) {
        release(&s->head);
    }
}

int64_t kernel_spill_on_disk(const kernel_spill *s)
{
    return s->write - s->read;
}

int64_t kernel_spill_bytes(const kernel_spill *s)
{
    return kernel_spill_on_disk(s) +
           (int64_t)(waiting(&s->head) + waiting(&s->tail));
}

void kernel_spill_close(kernel_spill *s)
{
    if (s->fd > 0) {
        close(s->fd);
    }
    release(&s->head);
    release(&s->tail);
    *s = (kernel_spill){0};
}

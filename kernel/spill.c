/* SPDX-License-Identifier: MIT
 * A file of records: a head, then the blob.
 */
#include "kernel/spill.h"

#include "kernel/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct head {
    uint64_t size;
    uint64_t flag;
} head;

/* What was read is given back to the disk in pieces of this size. */
enum { HOLE = 16 << 20 };

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

static bool write_at(int fd, const void *data, size_t size, int64_t at)
{
    const char *from = data;
    while (size) {
        ssize_t n = pwrite(fd, from, size, (off_t)at);
        if (n <= 0 && errno != EINTR) {
            return false;
        }
        n = n > 0 ? n : 0;
        from += n;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static bool read_at(int fd, void *data, size_t size, int64_t at)
{
    char *to = data;
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

bool kernel_spill_add(kernel_spill *s, const void *data, size_t size,
                      bool flag)
{
    head h = {size, flag};
    if ((s->fd <= 0 && !open_file(s)) ||
        !write_at(s->fd, &h, sizeof h, s->write) ||
        !write_at(s->fd, data, size, s->write + (int64_t)sizeof h)) {
        return false;
    }
    s->write += (int64_t)(sizeof h + size);
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

void *kernel_spill_take(kernel_spill *s, bool *flag)
{
    head h;
    int64_t before = s->read;
    if (s->read == s->write) {
        return NULL;
    }
    void *data = NULL;
    if (read_at(s->fd, &h, sizeof h, s->read)) {
        data = kernel_alloc(h.size);
    }
    if (!data ||
        !read_at(s->fd, data, h.size, s->read + (int64_t)sizeof h)) {
        kernel_log("spill: waiting output cannot be read back");
        free(data);
        s->read = s->write;
        shrink(s, before);
        return NULL;
    }
    *flag = h.flag != 0;
    s->read += (int64_t)(sizeof h + h.size);
    shrink(s, before);
    return data;
}

int64_t kernel_spill_bytes(const kernel_spill *s)
{
    return s->write - s->read;
}

void kernel_spill_close(kernel_spill *s)
{
    if (s->fd > 0) {
        close(s->fd);
    }
    *s = (kernel_spill){0};
}

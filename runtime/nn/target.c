/* SPDX-License-Identifier: MIT
 * New content for a file, under its name once it is whole. */
#include "runtime/nn/target.h"

#include "runtime/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* NAME_TRIES: others who save under the same name at the same moment. */
enum { LONG_NAME = 200, NAME_TRIES = 64, OWN_NAME = 40 };

static rt_status fail(rt_error *err, const char *path)
{
    return rt_fail(err, errno == ENOMEM ? RT_E_MEMORY : RT_E_FILE,
                   "cannot write '%s': %s", path, strerror(errno));
}

static size_t folder_size(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash + 1 - path) : 0;
}

/* "folder/.name.rustorch-part", with a number for the later of them. No two
 * targets of a folder have the same: too long a name gives way to its hash. */
static char *part_name(const char *path, int number)
{
    size_t folder = folder_size(path);
    const char *name = path + folder;
    rt__text t = {0};
    char *part = NULL;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    rt__text_add_n(&t, path, folder);
    if (strlen(name) <= LONG_NAME) {
        rt__text_format(&t, ".%s.rustorch-part", name);
    } else {
        for (const char *p = name; *p; p++) {
            hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
        }
        rt__text_format(&t, ".%016" PRIx64 ".rustorch-part", hash);
    }
    if (number) {
        rt__text_format(&t, "%d", number);
    }
    if (rt__text_take(&t, &part, NULL)) {
        errno = ENOMEM;
        return NULL;
    }
    return part;
}

/* --- without a name --------------------------------------------------------------- */

/* How linkat finds the file. */
static void own_name(char out[OWN_NAME], int fd)
{
    snprintf(out, OWN_NAME, "/proc/self/fd/%d", fd);
}

static int open_unnamed(const char *path)
{
#ifdef O_TMPFILE
    char own[OWN_NAME];
    size_t size = folder_size(path);
    char *folder = size ? rt_strdup(path) : rt_strdup(".");
    if (!folder) {
        return -1;
    }
    folder[size > 1 ? size - 1 : 1] = '\0';
    int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    rt_free(folder);
    own_name(own, fd);
    if (fd >= 0 && access(own, F_OK) != 0) {
        close(fd);
        return -1;
    }
    return fd;
#else
    (void)path;
    return -1;
#endif
}

/* The next name, when somebody else's file has this one. */
static bool rename_part(rt__target *t, int number)
{
    rt_free(t->part);
    t->part = part_name(t->path, number);
    return t->part != NULL;
}

/* A name cannot be taken over in one step: it is given beside the target, for
 * a moment. Who finds a name there takes it away: its owner is dead, or will
 * notice and give it again. */
static bool name_file(rt__target *t)
{
    char own[OWN_NAME];
    int number = 0;
    own_name(own, t->fd);
    for (int i = 0; i < NAME_TRIES; i++) {
        if (linkat(AT_FDCWD, own, AT_FDCWD, t->part, AT_SYMLINK_FOLLOW) != 0) {
            if (errno != EEXIST) {
                return false;
            }
            if (unlink(t->part) != 0 && errno != ENOENT &&
                !rename_part(t, ++number)) {
                return false;
            }
        } else if (rename(t->part, t->path) == 0) {
            return true;
        } else if (errno != ENOENT) {
            int why = errno;
            unlink(t->part);
            errno = why;
            return false;
        }
    }
    return false;
}

/* --- with a name ------------------------------------------------------------------ */

/* Ours alone, empty, and still there: a writer that has just ended may have
 * renamed it meanwhile. */
static bool claim(int fd, const char *part)
{
    struct stat open, there;
    return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &open) == 0 &&
           stat(part, &there) == 0 && open.st_dev == there.st_dev &&
           open.st_ino == there.st_ino && ftruncate(fd, 0) == 0;
}

static int open_named(rt__target *t)
{
    int why = EBUSY;
    for (int i = 0; i < NAME_TRIES; i++) {
        if (!rename_part(t, i)) {
            return -1;
        }
        int fd = open(t->part, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                      0666);
        if (fd >= 0 && claim(fd, t->part)) {
            return fd;
        }
        why = fd < 0 ? errno : EBUSY;
        if (fd >= 0) {
            close(fd);
        } else if (why != EACCES && why != EPERM && why != ELOOP) {
            break;   /* else it may be somebody else's */
        }
    }
    errno = why;
    return -1;
}

/* --- both ------------------------------------------------------------------------- */

static void dispose(rt__target *t)
{
    if (t->fd >= 0) {
        close(t->fd);
    }
    rt_free(t->part);
    rt_free(t->path);
    *t = (rt__target){.fd = -1};
}

/* A new file beside the one of that name, as readable as it is. */
static void open_beside(rt__target *t, bool named, const struct stat *old)
{
    t->part = part_name(t->path, 0);
    t->fd = named || !t->part ? -1 : open_unnamed(t->path);
    t->unnamed = t->fd >= 0;
    if (!t->unnamed) {
        t->fd = open_named(t);
    }
    if (t->fd >= 0 && old) {
        (void)fchmod(t->fd, old->st_mode & 0777);
    }
}

rt_status rt__target_open(rt__target *t, const char *path, bool named,
                          rt_error *err)
{
    struct stat old;
    bool exists = stat(path, &old) == 0;
    char *real = realpath(path, NULL);
    *t = (rt__target){.path = rt_strdup(real ? real : path), .fd = -1};
    free(real);
    if (!t->path) {
        return rt_fail(err, RT_E_MEMORY, "cannot write '%s': no memory", path);
    }
    if (exists && !S_ISREG(old.st_mode)) {
        t->fd = open(t->path, O_WRONLY | O_CLOEXEC);
    } else {
        open_beside(t, named, exists ? &old : NULL);
    }
    if (t->fd < 0) {
        rt_status st = fail(err, path);
        dispose(t);
        return st;
    }
    return RT_OK;
}

/* Makes the rename itself durable, where the system allows it. */
static void sync_folder(const char *path)
{
    char *folder = rt_strdup(path);
    char *slash = folder ? strrchr(folder, '/') : NULL;
    if (slash) {
        slash[slash == folder] = '\0';
    }
    int fd = open(slash ? folder : ".", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    rt_free(folder);
}

rt_status rt__target_close(rt__target *t, const char *path, rt_status st,
                           rt_error *err)
{
    bool done = !st && t->part && fsync(t->fd) == 0 &&
                (t->unnamed ? name_file(t) : rename(t->part, t->path) == 0);
    if (!st && t->part && !done) {
        st = fail(err, path);
    }
    if (!done && t->part && !t->unnamed) {
        unlink(t->part);   /* while it is locked: nobody else has it */
    }
    int fd = t->fd;
    t->fd = -1;
    if (close(fd) != 0 && !st && !done) {
        st = fail(err, path);
    }
    if (done) {
        sync_folder(t->path);
    }
    dispose(t);
    return st;
}

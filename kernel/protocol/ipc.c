/* SPDX-License-Identifier: MIT
 * Looks before an ipc socket is bound.
 */
#include "kernel/protocol/ipc.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

static bool check_folder(const char *path, jp_error *err)
{
    char copy[JP_ADDRESS_MAX];
    struct stat st;
    snprintf(copy, sizeof copy, "%s", path);
    const char *folder = dirname(copy);
    if (stat(folder, &st) != 0) {
        return jp_fail(err, "%s: %s", folder, strerror(errno));
    }
    if (st.st_uid != geteuid() && st.st_uid != 0) {
        return jp_fail(err, "%s: belongs to user %d, who could put other "
                            "sockets in place of this kernel's",
                       folder, (int)st.st_uid);
    }
    if ((st.st_mode & 022) && !(st.st_mode & S_ISVTX)) {
        return jp_fail(err, "%s: mode %03o lets other users put sockets in "
                            "place of this kernel's; expected 700",
                       folder, (unsigned)(st.st_mode & 0777));
    }
    return true;
}

/* Whether a process answers at the socket. */
static bool is_served(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    bool served = fd >= 0 &&
                  (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ||
                   errno == EAGAIN);
    if (fd >= 0) {
        close(fd);
    }
    return served;
}

bool jp_ipc_only_own(void *socket)
{
#ifdef ZMQ_IPC_FILTER_UID
    const uid_t users[] = {geteuid(), 0};
    for (int i = 0; i < 2; i++) {
        if (zmq_setsockopt(socket, ZMQ_IPC_FILTER_UID, &users[i],
                           sizeof users[i]) != 0) {
            return false;
        }
    }
    return true;
#else
    errno = EINVAL;
    return false;
#endif
}

bool jp_path_free(const jp_connection *c, const char *address, jp_error *err)
{
    const char *path = address + sizeof JP_IPC_SCHEME - 1;
    struct stat st;
    if (strcmp(c->transport, "ipc") != 0) {
        return true;
    }
    if (path[0] == '@') {
        return jp_fail(err, "cannot bind %s: a name without a file is open to "
                            "every user; give a path", path);
    }
    if (!check_folder(path, err)) {
        return false;
    }
    if (lstat(path, &st) != 0) {
        return errno == ENOENT || jp_fail(err, "%s: %s", path, strerror(errno));
    }
    if (!S_ISSOCK(st.st_mode)) {
        return jp_fail(err, "cannot bind %s: something is there that is no "
                            "socket", path);
    }
    return !is_served(path) ||
           jp_fail(err, "cannot bind %s: another process listens there", path);
}

/* SPDX-License-Identifier: MIT
 * What a killed front leaves behind.
 */
#include "kernel/guard.h"

#include "kernel/log.h"
#include "kernel/protocol/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct watched {
    char path[JP_ADDRESS_MAX];
    dev_t device;
    ino_t inode;
} watched;

static int look(watched files[JP_CHANNEL_COUNT], const jp_connection *c)
{
    char address[JP_ADDRESS_MAX];
    jp_error err = {""};
    int n = 0;
    for (int i = 0; i < JP_CHANNEL_COUNT; i++) {
        struct stat st;
        if (jp_connection_address(c, (jp_channel)i, address, &err) &&
            lstat(address + sizeof JP_IPC_SCHEME - 1, &st) == 0) {
            strcpy(files[n].path, address + sizeof JP_IPC_SCHEME - 1);
            files[n].device = st.st_dev;
            files[n++].inode = st.st_ino;
        }
    }
    return n;
}

/* Everything else that the front had open must end with the front. */
static void keep_only(int fd)
{
    dup2(fd, 0);
#ifdef SYS_close_range
    if (syscall(SYS_close_range, 1u, ~0u, 0u) == 0) {
        return;
    }
#endif
    for (int i = 1; i < 1024; i++) {
        close(i);
    }
}

/* In a copy of a process with threads: system calls only. Sockets that another
 * kernel has put there meanwhile stay. */
static void watch(int ended, const watched *files, int n)
{
    char byte;
    setsid();
    prctl(PR_SET_NAME, "rt-guard");
    keep_only(ended);
    while (read(0, &byte, 1) < 0 && errno == EINTR) {
    }
    for (int i = 0; i < n; i++) {
        struct stat st;
        if (lstat(files[i].path, &st) == 0 && st.st_dev == files[i].device &&
            st.st_ino == files[i].inode) {
            unlink(files[i].path);
        }
    }
    _exit(0);
}

void kernel_guard_start(const jp_connection *connection)
{
    watched files[JP_CHANNEL_COUNT];
    int alive[2];
    int n = strcmp(connection->transport, "ipc") == 0
                ? look(files, connection)
                : 0;
    if (n == 0 || pipe2(alive, O_CLOEXEC) != 0) {
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        watch(alive[0], files, n);
    }
    if (pid < 0) {
        kernel_log("no guard for the ipc sockets: %s", strerror(errno));
        close(alive[1]);
    }
    close(alive[0]);   /* the other end is closed by this process's end */
}

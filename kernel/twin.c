/* SPDX-License-Identifier: MIT
 * Twins: forked, asleep, awake.
 */
#include "kernel/twin.h"

#include "kernel/checkpoint.h"
#include "kernel/log.h"
#include "kernel/output.h"
#include "kernel/supervise.h"
#include "runtime/rustorch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_FREE = 16 };

static double microseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void mark(const char *name, int oom_score)
{
    FILE *f = fopen("/proc/self/oom_score_adj", "w");
    if (f) {
        fprintf(f, "%d", oom_score);
        fclose(f);
    }
    prctl(PR_SET_NAME, name);
}

void kernel_mark_busy(void)
{
    mark("rt-compute", 500);
}

/* --- the twin ------------------------------------------------------------- */

/* The twin holds nothing by which others notice that the busy process ended:
 * not its link, not its pipes. */
static void let_go(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2; fd++) {
        dup2(null, fd);
    }
    close(null);
    close(KERNEL_COMPUTE_LINK);
    close(KERNEL_COMPUTE_CRASH);
}

/* Puts what TAKE_OVER brought where the compute process looks for it. */
static bool take_places(int link, kernel_inbox *in)
{
    static const int place[] = {STDOUT_FILENO, STDERR_FILENO,
                                KERNEL_COMPUTE_CRASH, KERNEL_COMPUTE_LINK};
    int fds[] = {in->fds[0], in->fds[1], in->fds[2], link};
    bool ok = in->nfds == KERNEL_LINK_FDS;
    for (int i = 0; ok && i < 4; i++) {
        int high = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST_FREE);
        close(fds[i]);
        fds[i] = high;
        ok = high >= 0;
    }
    for (int i = 0; ok && i < 4; i++) {
        ok = dup2(fds[i], place[i]) >= 0;
        close(fds[i]);
    }
    in->nfds = 0;
    return ok;
}

/* From now on it ends with the front, as the process it replaces did. */
static bool follow(const kernel_inbox *in)
{
    json_t *o = json_loadb(in->data, in->size, 0, NULL);
    pid_t front = (pid_t)json_integer_value(json_object_get(o, "front"));
    json_decref(o);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return getppid() == front;
}

/* Sleeps until it is needed; ends the process when it is not. */
static void stand_by(int link)
{
    kernel_inbox in = {0};
    for (;;) {
        struct pollfd p = {link, POLLIN, 0};
        poll(&p, 1, -1);
        kernel_received got = kernel_link_receive(&in, link);
        if (got == KERNEL_CLOSED) {
            _exit(0);
        }
        if (got != KERNEL_MESSAGE || in.kind != KERNEL_LINK_TAKE_OVER) {
            continue;
        }
        if (!follow(&in) || !take_places(link, &in) ||
            !kernel_output_restart()) {
            _exit(1);
        }
        kernel_mark_busy();
        kernel_inbox_dispose(&in);
        return;
    }
}

/* --- the process it is made of -------------------------------------------- */

/* The twins of this process; only they are waited for, for a library may have
 * children of its own. */
static volatile pid_t twins[KERNEL_CHECKPOINTS_MOST + 1];
enum { TWINS = sizeof twins / sizeof *twins };

static void on_child(int number)
{
    int saved = errno;
    for (int i = 0; i < TWINS; i++) {
        pid_t pid = twins[i];
        if (pid && waitpid(pid, NULL, WNOHANG) != 0) {
            twins[i] = 0;
        }
    }
    errno = saved;
}

static void remember(pid_t pid)
{
    for (int i = 0; i < TWINS; i++) {
        if (!twins[i]) {
            twins[i] = pid;
            return;
        }
    }
}

/* Twins are buried as soon as they end. */
static void watch_children(void)
{
    const struct sigaction action = {.sa_handler = on_child,
                                     .sa_flags = SA_RESTART | SA_NOCLDSTOP};
    sigaction(SIGCHLD, &action, NULL);
}

static bool answer(json_t *request, pid_t pid, double us, int link)
{
    json_object_set_new(request, "pid", json_integer(pid));
    json_object_set_new(request, "us", json_real(us));
    char *text = json_dumps(request, JSON_COMPACT);
    bool ok = text && kernel_link_send_fds(KERNEL_COMPUTE_LINK,
                                           KERNEL_LINK_TWIN, text,
                                           strlen(text), &link, 1);
    free(text);
    return ok;
}

static void answer_failure(json_t *request)
{
    const char *why = strerror(errno);
    json_object_set_new(request, "error", json_string(why));
    char *text = json_dumps(request, JSON_COMPACT);
    if (text) {
        kernel_output_send(KERNEL_LINK_TWIN, text, strlen(text));
        free(text);
    }
}

/* Beyond some size of tensors a twin costs more than it is worth: what the next
 * cell writes is held twice. */
static bool too_large(json_t *request)
{
    rt_memory_stats stats;
    rt_memory_read_stats(&stats);
    if (stats.allocated <=
        json_integer_value(json_object_get(request, "limit"))) {
        return false;
    }
    json_object_set_new(request, "skipped", json_integer(stats.allocated));
    char *text = json_dumps(request, JSON_COMPACT);
    if (text) {
        kernel_output_send(KERNEL_LINK_TWIN, text, strlen(text));
        free(text);
    }
    return true;
}

bool kernel_twin_make(json_t *request)
{
    int link[2];
    watch_children();
    if (too_large(request)) {
        return false;
    }
    double begun = microseconds();
    pid_t pid = -1;
    if (!kernel_link_pair(link)) {
        answer_failure(request);
        return false;
    }
    pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        close(link[0]);
        let_go();
        rt_memory_forked(true);
        memset((void *)twins, 0, sizeof twins);   /* brothers now */
        mark("rt-checkpoint", 300);
        stand_by(link[1]);
        return true;
    }
    if (pid > 0) {
        /* Before the front hears of it: it kills this process's group. */
        setpgid(pid, pid);
        remember(pid);
        rt_memory_forked(false);
    }
    if (pid < 0 || !answer(request, pid, microseconds() - begun, link[0])) {
        answer_failure(request);   /* a twin, if any, ends with its link */
    }
    close(link[0]);
    close(link[1]);
    return false;
}

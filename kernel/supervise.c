/* SPDX-License-Identifier: MIT
 * Starts and buries compute processes.
 */
#include "kernel/supervise.h"

#include "kernel/crash.h"
#include "kernel/link.h"
#include "kernel/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIPE_SIZE = 1024 * 1024, FIRST_FREE = 16, RECORD_MAX = 8192, ENDS = 6 };

/* --- what both processes see ---------------------------------------------- */

kernel_shared *kernel_child_map(int memory)
{
    void *pages = mmap(NULL, sizeof(kernel_shared), PROT_READ | PROT_WRITE,
                       MAP_SHARED, memory, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

static void note_program(kernel_child *c)
{
    char name[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", name, sizeof name - 1);
    if (n > 0 && (c->program = malloc((size_t)n + 1))) {
        name[n] = 0;
        strcpy(c->program, name);
        stat(name, &c->file);
    }
}

bool kernel_child_init(kernel_child *c, jp_error *err)
{
    *c = (kernel_child){.link = -1, .crash = -1};
    note_program(c);
    c->memory = memfd_create("rustorch", MFD_CLOEXEC);
    if (c->memory >= 0 && ftruncate(c->memory, sizeof(kernel_shared)) == 0) {
        c->shared = kernel_child_map(c->memory);
    }
    return c->shared || jp_fail(err, "shared memory: %s", strerror(errno));
}

void kernel_child_dispose(kernel_child *c)
{
    if (c->shared) {
        munmap(c->shared, sizeof *c->shared);
    }
    if (c->memory > 0) {
        close(c->memory);
    }
    free(c->program);
}

/* By its name while that still means the file that was started (memory
 * checkers follow names only); after an upgrade by the old file's handle. */
static const char *program(const kernel_child *c)
{
    struct stat now;
    bool same = c->program && stat(c->program, &now) == 0 &&
                now.st_dev == c->file.st_dev && now.st_ino == c->file.st_ino;
    return same ? c->program : "/proc/self/exe";
}

/* --- start and end -------------------------------------------------------- */

/* Both ends of everything that joins the two processes. */
typedef struct cables {
    int link[2], out[2], err[2], crash[2];
} cables;

static void close_all(cables *c)
{
    int *fd = (int *)c;
    for (size_t i = 0; i < sizeof *c / sizeof *fd; i++) {
        if (fd[i] >= 0) {
            close(fd[i]);
        }
    }
}

/* A pipe whose read end never blocks us. */
static bool make_pipe(int fd[2])
{
    if (pipe2(fd, O_CLOEXEC) != 0) {
        return false;
    }
    fcntl(fd[0], F_SETPIPE_SZ, PIPE_SIZE);   /* smaller is fine too */
    return fcntl(fd[0], F_SETFL, O_NONBLOCK) == 0;
}

/* All but the link. */
static bool make_pipes(cables *c)
{
    memset(c, 0xff, sizeof *c);
    return make_pipe(c->out) && make_pipe(c->err) && make_pipe(c->crash);
}

static bool make_cables(cables *c)
{
    return make_pipes(c) && kernel_link_pair(c->link);
}

/* Runs in the child between fork and exec: async-signal-safe calls only. The
 * ends are moved out of the way first, for they may sit on 0 to 5. */
static void become_compute(const cables *c, int memory, pid_t front,
                           const char *program)
{
    const int ends[] = {open("/dev/null", O_RDONLY), c->out[1], c->err[1],
                        c->link[1], c->crash[1], memory};
    int high[ENDS];
    sigset_t interrupt;
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != front) {
        _exit(1);   /* the front died before the line above */
    }
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);   /* waits until there is a handler */
    sigprocmask(SIG_SETMASK, &interrupt, NULL);
    for (int i = 0; i < ENDS; i++) {
        high[i] = fcntl(ends[i], F_DUPFD_CLOEXEC, FIRST_FREE);
    }
    for (int i = 0; i < ENDS; i++) {
        if (high[i] < 0 || dup2(high[i], i) < 0) {
            _exit(127);
        }
    }
    char *const argv[] = {"rustorch-compute", "--compute", NULL};
    execv(program, argv);
    _exit(127);
}

/* Closes the other side's ends of the pipes. */
static void keep_ours(kernel_child *c, pid_t pid, const cables *k,
                      int pipes[3])
{
    close(k->out[1]);
    close(k->err[1]);
    close(k->crash[1]);
    c->pid = pid;
    c->link = k->link[0];
    c->crash = k->crash[0];
    pipes[0] = k->link[0];
    pipes[1] = k->out[0];
    pipes[2] = k->err[0];
}

bool kernel_child_start(kernel_child *c, int pipes[3], jp_error *err)
{
    cables k;
    pid_t front = getpid();
    const char *file = program(c);
    if (!make_cables(&k)) {
        close_all(&k);
        return jp_fail(err, "compute process: %s", strerror(errno));
    }
    pid_t pid = fork();
    if (pid == 0) {
        become_compute(&k, c->memory, front, file);
    }
    if (pid < 0) {
        close_all(&k);
        return jp_fail(err, "compute process: %s", strerror(errno));
    }
    setpgid(pid, pid);   /* also here: whoever is first */
    close(k.link[1]);
    keep_ours(c, pid, &k, pipes);
    return true;
}

bool kernel_child_wake(kernel_child *c, pid_t pid, int link, int pipes[3])
{
    cables k;
    char text[32];
    bool ok = make_pipes(&k);
    const int ends[] = {k.out[1], k.err[1], k.crash[1]};
    int n = snprintf(text, sizeof text, "{\"front\":%d}", (int)getpid());
    if (!ok || !kernel_link_send_fds(link, KERNEL_LINK_TAKE_OVER, text,
                                     (size_t)n, ends, 3)) {
        close_all(&k);
        return false;
    }
    kill(pid, SIGCONT);   /* whoever stopped it did not mean this */
    k.link[0] = link;
    keep_ours(c, pid, &k, pipes);
    return true;
}

/* The first character after the name, which may hold any other. */
static char state_of(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f) {
        fclose(f);
    }
    text[n] = '\0';
    const char *end = strrchr(text, ')');
    return end && end[1] ? end[2] : '\0';
}

static unsigned long long time_of(pid_t pid)
{
    char path[64];
    unsigned long long ns = 0;
    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    FILE *f = fopen(path, "re");
    if (f) {
        if (fscanf(f, "%llu", &ns) != 1) {
            ns = 0;
        }
        fclose(f);
    }
    return ns;
}

bool kernel_child_sleeps(const kernel_child *c, kernel_pulse *before)
{
    kernel_pulse now = {state_of(c->pid), time_of(c->pid)};
    bool same = now.ran && now.ran == before->ran &&
                now.state == before->state;
    *before = now;
    return same && (now.state == 'S' || now.state == 'T');
}

bool kernel_child_runs(const kernel_child *c, int seq)
{
    return c->pid && c->shared->ended != (uint64_t)seq;
}

void kernel_child_interrupt(const kernel_child *c, int cell)
{
    if (c->pid) {
        sigqueue(c->pid, SIGINT, (union sigval){.sival_int = cell});
    }
}

bool kernel_child_reap(kernel_child *c, int *status)
{
    /* Twins of a process that has died are children of this one now. */
    pid_t pid;
    int how;
    bool dead = false;
    while ((pid = waitpid(-1, &how, WNOHANG)) > 0) {
        if (pid == c->pid) {
            dead = true;
            *status = how;
        }
    }
    if (!dead) {
        return false;
    }
    kill(-c->pid, SIGKILL);   /* what it started and left behind */
    c->pid = 0;
    return true;
}

static const struct {
    int number;
    const char *name, *meaning;
} signals[] = {
    {SIGSEGV, "SIGSEGV", "an invalid memory access"},
    {SIGBUS, "SIGBUS", "a memory access that could not be served"},
    {SIGFPE, "SIGFPE", "an arithmetic fault"},
    {SIGILL, "SIGILL", "an instruction this processor does not have"},
    {SIGABRT, "SIGABRT", "it stopped itself after an internal error"},
    {SIGKILL, "SIGKILL", "killed, most often because memory ran out"},
    {SIGTERM, "SIGTERM", "asked to end from outside"},
};

static char *describe(int status)
{
    if (WIFEXITED(status)) {
        return kernel_format("it exited with status %d", WEXITSTATUS(status));
    }
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        if (signals[i].number == WTERMSIG(status)) {
            return kernel_format("%s, %s", signals[i].name,
                                 signals[i].meaning);
        }
    }
    return kernel_format("signal %d", WTERMSIG(status));
}

void kernel_child_obituary(const kernel_child *c, int status, char **line,
                           char **record)
{
    char text[RECORD_MAX];
    ssize_t got = 0;
    size_t size = 0;
    while (size < sizeof text &&
           (got = read(c->crash, text + size, sizeof text - size)) > 0) {
        size += (size_t)got;
    }
    *record = kernel_copy(text, size);
    *line = strncmp(*record, KERNEL_CRASH_STACK,
                    strlen(KERNEL_CRASH_STACK)) == 0
                ? kernel_format("SIGSEGV, the stack overflowed: calls without "
                                "end in native code")
                : describe(status);
}

void kernel_child_close(kernel_child *c)
{
    if (c->link >= 0) {
        close(c->link);
        close(c->crash);
    }
    c->pid = 0;
    c->link = c->crash = -1;
}

void kernel_child_kill(kernel_child *c)
{
    if (c->pid) {
        kill(-c->pid, SIGKILL);
        kill(c->pid, SIGKILL);
        while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    kernel_child_close(c);
}

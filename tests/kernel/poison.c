/* SPDX-License-Identifier: MIT
 * A library that a test preloads into the kernel: opening the file "poison:NAME"
 * (`load("poison:abort")` in a cell) makes the process do what native code with
 * a fault does, in the midst of the runtime. SIGRTMIN + 1 makes it sleep for
 * ever wherever it is.
 *
 *   null, wild, jump   a read, a write, a call through a bad pointer
 *   stack              calls without end    heap    freed is what was no block
 *   abort, exit, quit, float, instruction   the processor's and the system's
 *   thread             a bad pointer in another thread
 *   memory             takes memory until somebody ends it
 *   hang, deaf         computes for ever; the second lets no signal in
 *   nofork, fork       from now on there is no room for another process; again
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile int zero, sink;
static char *volatile nowhere = (char *)16;

static void *touch_nowhere(void *unused)
{
    sink = *nowhere;
    return unused;
}

static void do_null(void) { touch_nowhere(NULL); }
static void do_wild(void) { *(char *volatile)(nowhere + (1L << 40)) = 1; }
static void do_jump(void) { ((void (*)(void))nowhere)(); }

/* `depth` is never used up. */
static int deeper(volatile char *below, long depth)
{
    volatile char frame[4096];
    frame[0] = below[0];
    return depth ? deeper(frame, depth - 1) + frame[0] : 0;
}

static void do_stack(void)
{
    volatile char first = 0;
    sink = deeper(&first, 1L << 40);
}

static void do_heap(void)
{
    char *volatile block = malloc(100), *volatile inside = block + 16;
    free(inside);
    free(block);
}

static void do_abort(void) { abort(); }
static void do_exit(void) { exit(3); }
static void do_quit(void) { _exit(0); }
static void do_float(void) { sink = sink / zero; }
static void do_instruction(void) { __builtin_trap(); }

static void do_thread(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, touch_nowhere, NULL);
    pthread_join(thread, NULL);
}

static void do_memory(void)
{
    enum { PIECE = 4 << 20 };
    for (;;) {
        char *piece = malloc(PIECE);
        memset(piece, 1, PIECE);
        sink = piece[PIECE / 2];
    }
}

static void do_hang(void)
{
    for (;;) {
        sink++;
    }
}

static void do_deaf(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    do_hang();
}

static bool crowded;

static void do_nofork(void) { crowded = true; }
static void do_fork(void) { crowded = false; }

pid_t fork(void)
{
    static pid_t (*next)(void);
    if (!next) {
        *(void **)&next = dlsym(RTLD_NEXT, "fork");
    }
    if (crowded) {
        errno = ENOMEM;
        return -1;
    }
    return next();
}

static const struct {
    const char *name;
    void (*act)(void);
} poisons[] = {
    {"null", do_null},   {"wild", do_wild},     {"jump", do_jump},
    {"stack", do_stack}, {"heap", do_heap},     {"abort", do_abort},
    {"exit", do_exit},   {"quit", do_quit},     {"float", do_float},
    {"hang", do_hang},   {"memory", do_memory}, {"thread", do_thread},
    {"deaf", do_deaf},   {"instruction", do_instruction},
    {"nofork", do_nofork}, {"fork", do_fork},
};

static void take(const char *path)
{
    const char prefix[] = "poison:";
    if (strncmp(path, prefix, sizeof prefix - 1) != 0) {
        return;
    }
    for (size_t i = 0; i < sizeof poisons / sizeof *poisons; i++) {
        if (strcmp(path + sizeof prefix - 1, poisons[i].name) == 0) {
            poisons[i].act();
        }
    }
}

int open(const char *path, int flags, ...)
{
    static int (*next)(const char *, int, ...);
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    take(path);
    if (!next) {
        *(void **)&next = dlsym(RTLD_NEXT, "open");
    }
    return next(path, flags, mode);
}

static void sleep_for_ever(int number)
{
    for (;;) {
        pause();
    }
}

__attribute__((constructor)) static void listen_to_signals(void)
{
    signal(SIGRTMIN + 1, sleep_for_ever);
}

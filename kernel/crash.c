/* SPDX-License-Identifier: MIT
 * Fatal signals of the compute process.
 */
#include "kernel/crash.h"

#include "kernel/output.h"

#include <execinfo.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

enum { STACK_SIZE = 64 * 1024, FRAMES = 32, NEAR_STACK = 256 * 1024 };

static int record_fd = -1;

/* Async-signal-safe number writing. */
static char *put_text(char *at, const char *text)
{
    size_t n = strlen(text);
    memcpy(at, text, n);
    return at + n;
}

static char *put_number(char *at, uintptr_t value, unsigned base)
{
    char digits[24];
    int n = 0;
    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (n) {
        *at++ = digits[--n];
    }
    return at;
}

/* The stack pointer where the signal struck; 0: not known here. */
static uintptr_t stack_pointer(const void *context)
{
    const ucontext_t *c = context;
#if defined(__x86_64__)
    return (uintptr_t)c->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    return (uintptr_t)c->uc_mcontext.sp;
#else
    return c ? 0 : 1;
#endif
}

/* A fault beside the stack pointer: below the page that may be touched. */
static bool overflowed(int number, const siginfo_t *info, const void *context)
{
    uintptr_t at = (uintptr_t)info->si_addr, top = stack_pointer(context);
    uintptr_t distance = at > top ? at - top : top - at;
    return number == SIGSEGV && info->si_code > 0 && top &&
           distance < NEAR_STACK;
}

static void write_record(int number, const siginfo_t *info,
                         const void *context)
{
    char line[160], *at = line;
    if (overflowed(number, info, context)) {
        at = put_text(at, KERNEL_CRASH_STACK ", ");
    }
    at = put_text(at, "signal ");
    at = put_number(at, (uintptr_t)number, 10);
    if (info->si_code <= 0) {
        at = put_text(at, ", sent by process ");
        at = put_number(at, (uintptr_t)info->si_pid, 10);
    } else {
        at = put_text(at, ", address 0x");
        at = put_number(at, (uintptr_t)info->si_addr, 16);
    }
    at = put_text(at, "\n");
    ssize_t written = write(record_fd, line, (size_t)(at - line));
    (void)written;
}

static void on_fatal(int number, siginfo_t *info, void *context)
{
    void *frames[FRAMES];
    kernel_output_last_words();
    write_record(number, info, context);
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES), record_fd);
    /* SA_RESETHAND: the second time it is fatal. */
    raise(number);
}

void kernel_crash_install(int fd)
{
    static char stack[STACK_SIZE] __attribute__((aligned(16)));
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    void *warm[1];
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_sigaction = on_fatal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK |
                                           (int)SA_RESETHAND};
    record_fd = fd;
    sigaltstack(&alternate, NULL);
    backtrace(warm, 1);   /* loads the unwinder while that is still allowed */
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) {
        sigaction(fatal[i], &action, NULL);
    }
}

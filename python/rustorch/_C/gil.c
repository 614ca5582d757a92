/* SPDX-License-Identifier: MIT
 * Giving up the GIL around long work, with SIGINT turned into the runtime's
 * interrupt flag meanwhile.
 */
#include "python/rustorch/_C/binding.h"

#include <pthread.h>
#include <signal.h>

/* What we stood in front of first, which is Python's own, and last. */
static struct sigaction first, last;
static pthread_t main_thread;
/* Big calls of the main thread that are under way, one inside the other; and
 * whether one of them was told of an interrupt. */
static volatile sig_atomic_t working, told;

/* The thread that imports the extension: Python runs signal handlers there. */
static void __attribute__((constructor)) remember_thread(void)
{
    main_thread = pthread_self();
}

/* Sets the flag while there is work to stop, and lets Python's own handler take
 * note as well. Another one may call us in turn, whom it once replaced. */
static void on_interrupt(int number, siginfo_t *info, void *context)
{
    static volatile sig_atomic_t inside;
    const struct sigaction *next = inside ? &first : &last;
    if (working) {
        told = 1;
        rt_interrupt();
    }
    inside++;
    if (next->sa_flags & SA_SIGINFO) {
        next->sa_sigaction(number, info, context);
    } else {
        next->sa_handler(number);
    }
    inside--;
}

/* In front of the handler that is there, unless that is ours or none. Only the
 * main thread does this: two would save each other's handlers as the previous
 * one. */
static void install(void)
{
    static int replaced;
    struct sigaction action = {.sa_sigaction = on_interrupt,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction now;
    if (sigaction(SIGINT, NULL, &now) != 0 ||
        ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_interrupt) ||
        (!(now.sa_flags & SA_SIGINFO) &&
         (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN))) {
        return;
    }
    last = now;
    first = replaced++ ? first : now;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

void py_expect_interrupts(void)
{
    if (pthread_equal(main_thread, pthread_self())) {
        install();
    }
}

/* Our handler stays where it is: to put it there and take it away again takes
 * longer than most calls. Whoever has taken its place since (signal.signal does)
 * is noticed once work takes long enough for somebody to want it stopped. */
py_unlocked py_unlock(bool big)
{
    static bool installed;
    py_unlocked u = {NULL, false, NULL};
    if (!big) {
        return u;
    }
    u.main = pthread_equal(main_thread, pthread_self());
    if (u.main) {
        if (!installed) {
            installed = true;
            install();
        }
        working++;
        u.outer = rt_on_long_work(install);
    }
    u.state = PyEval_SaveThread();
    return u;
}

void py_lock(py_unlocked u)
{
    if (u.state) {
        PyEval_RestoreThread(u.state);
    }
    if (u.main) {
        rt_on_long_work(u.outer);
        working--;
        if (told) {
            told = 0;
            rt_interrupt_clear();   /* Python's own handler knows by now */
        }
    }
}

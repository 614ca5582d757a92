/* SPDX-License-Identifier: MIT
 * Giving up the GIL around long work, with SIGINT turned into the runtime's
 * interrupt flag meanwhile.
 */
#include "python/rustorch/_C/binding.h"

#include <pthread.h>
#include <signal.h>

static struct sigaction previous;
static pthread_t main_thread;

/* The thread that imports the extension: Python runs signal handlers there. */
static void __attribute__((constructor)) remember_thread(void)
{
    main_thread = pthread_self();
}

/* Sets the flag and lets Python's own handler take note as well. */
static void on_interrupt(int number, siginfo_t *info, void *context)
{
    rt_interrupt();
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(number, info, context);
    } else if (previous.sa_handler != SIG_IGN &&
               previous.sa_handler != SIG_DFL) {
        previous.sa_handler(number);
    }
}

/* Only one thread installs it: two would save each other's handlers as the
 * previous one. */
static bool install(void)
{
    struct sigaction action = {.sa_sigaction = on_interrupt,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction now;
    if (!pthread_equal(main_thread, pthread_self()) ||
        sigaction(SIGINT, NULL, &now) != 0 ||
        ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_interrupt) ||
        (!(now.sa_flags & SA_SIGINFO) &&
         (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN))) {
        return false;
    }
    previous = now;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGINT, &action, NULL) == 0;
}

py_unlocked py_unlock(bool big)
{
    py_unlocked u = {NULL, false};
    if (big) {
        u.handler = install();
        u.state = PyEval_SaveThread();
    }
    return u;
}

void py_lock(py_unlocked u)
{
    if (u.state) {
        PyEval_RestoreThread(u.state);
    }
    if (u.handler) {
        sigaction(SIGINT, &previous, NULL);
        rt_interrupt_clear();   /* Python's own handler knows by now */
    }
}

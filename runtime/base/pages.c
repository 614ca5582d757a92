/* SPDX-License-Identifier: MIT
 * Threads that ask for pages, one at a time and without looking at them
 * (MADV_POPULATE_WRITE): memory that has gone meanwhile is an error they ignore.
 */
#include "runtime/base/pages.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>

#include "runtime/rustorch.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23   /* Linux 5.14 */
#endif

enum { HELPERS = 8, ORPHANS = 16, LOOK_NS = 500000 };

typedef struct stretch {
    char *first;   /* NULL: none */
    size_t n;
} stretch;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work, news;
    bool taken;                 /* somebody waits for what is asked for */
    stretch asked;              /* and not yet begun */
    int helpers;                /* started */
    char *at[HELPERS];          /* the page each of them waits for, or NULL */
    stretch orphans[ORPHANS];   /* to be unmapped when nobody is at them */
} pages = {.lock = PTHREAD_MUTEX_INITIALIZER,
           .work = PTHREAD_COND_INITIALIZER,
           .news = PTHREAD_COND_INITIALIZER};
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* --- the lock is held ------------------------------------------------------ */

static bool holds(stretch s, const char *page)
{
    return page && s.first && page >= s.first &&
           page < s.first + s.n * RT_HUGE_PAGE;
}

static bool somebody_is_at(stretch s)
{
    for (int i = 0; i < pages.helpers; i++) {
        if (holds(s, pages.at[i])) {
            return true;
        }
    }
    return false;
}

/* The stretch that nobody wants and nobody is at any more; first NULL: none. */
static stretch take_orphan(const char *page)
{
    for (int i = 0; i < ORPHANS; i++) {
        stretch s = pages.orphans[i];
        if (holds(s, page) && !somebody_is_at(s)) {
            pages.orphans[i].first = NULL;
            return s;
        }
    }
    return (stretch){NULL, 0};
}

static bool leave_orphan(stretch s)
{
    for (int i = 0; i < ORPHANS; i++) {
        if (!pages.orphans[i].first) {
            pages.orphans[i] = s;
            return true;
        }
    }
    return false;
}

/* --- the threads ----------------------------------------------------------- */

static void *help(void *arg)
{
    char **at = arg;
    pthread_mutex_lock(&pages.lock);
    for (;;) {
        while (pages.asked.n == 0) {
            pthread_cond_wait(&pages.work, &pages.lock);
        }
        char *page = *at = pages.asked.first;
        pages.asked.first += RT_HUGE_PAGE;
        pages.asked.n--;
        pthread_mutex_unlock(&pages.lock);
        madvise(page, RT_HUGE_PAGE, MADV_POPULATE_WRITE);
        pthread_mutex_lock(&pages.lock);
        *at = NULL;
        stretch gone = take_orphan(page);
        if (pages.asked.n == 0) {
            pthread_cond_broadcast(&pages.news);
        }
        if (gone.first) {
            munmap(gone.first, gone.n * RT_HUGE_PAGE);
        }
    }
    return NULL;
}

static void child_after_fork(void)
{
    pthread_mutex_init(&pages.lock, NULL);
    pthread_cond_init(&pages.work, NULL);
    pthread_cond_init(&pages.news, NULL);
    pages.taken = false;
    pages.helpers = 0;
    pages.asked = (stretch){NULL, 0};
    for (int i = 0; i < ORPHANS; i++) {
        if (pages.orphans[i].first) {
            munmap(pages.orphans[i].first,
                   pages.orphans[i].n * RT_HUGE_PAGE);
            pages.orphans[i].first = NULL;
        }
    }
}

static void setup(void)
{
    pthread_atfork(NULL, NULL, child_after_fork);
}

/* False: there are none, or the system knows no such request. */
static bool start_helpers(char *page)
{
    int want = rt_num_threads() < HELPERS ? rt_num_threads() : HELPERS;
    sigset_t all, before;
    if (pages.helpers >= want ||
        madvise(page, 0, MADV_POPULATE_WRITE) != 0) {
        return pages.helpers > 0;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);   /* not theirs */
    while (pages.helpers < want) {
        pthread_t id;
        char **at = &pages.at[pages.helpers];
        *at = NULL;
        if (pthread_create(&id, NULL, help, at) != 0) {
            break;
        }
        pthread_detach(id);
        pages.helpers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pages.helpers > 0;
}

/* --- who needs pages ------------------------------------------------------- */

/* By this thread; what a page holds is zero, and stays so. */
static bool touch(stretch s)
{
    for (size_t i = 0; i < s.n && !rt_interrupted(); i++) {
        *(volatile char *)(s.first + i * RT_HUGE_PAGE) = 0;
    }
    return !rt_interrupted();
}

/* Until there is news, but not for long: an interrupt makes none. */
static void wait_for_news(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += LOOK_NS;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&pages.news, &pages.lock, &t);
}

bool rt__ask_pages(char *first, size_t n)
{
    stretch s = {first, n};
    if (n == 0 || rt_interrupted()) {
        return n == 0;
    }
    pthread_once(&once, setup);
    pthread_mutex_lock(&pages.lock);
    if (pages.taken || !start_helpers(first)) {
        pthread_mutex_unlock(&pages.lock);
        return touch(s);
    }
    pages.taken = true;
    pages.asked = s;
    pthread_cond_broadcast(&pages.work);
    bool there = false, stopped = false;
    while (!there && !stopped) {
        wait_for_news();
        there = pages.asked.n == 0 && !somebody_is_at(s);
        stopped = rt_interrupted();
    }
    pages.asked.n = 0;
    pages.taken = false;
    pthread_mutex_unlock(&pages.lock);
    return there;
}

void rt__drop_pages(char *first, size_t n)
{
    stretch s = {first, n};
    pthread_mutex_lock(&pages.lock);
    bool later = somebody_is_at(s) && leave_orphan(s);
    pthread_mutex_unlock(&pages.lock);
    if (!later) {
        munmap(first, n * RT_HUGE_PAGE);
    }
}

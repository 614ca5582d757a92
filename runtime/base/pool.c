/* SPDX-License-Identifier: MIT
 * The thread pool. Workers claim pieces from a shared counter; the caller
 * claims too, then waits only for pieces that others have claimed. A worker
 * spins for some microseconds after its last job, then sleeps on a futex-backed
 * condition variable. A forked child starts without workers and makes new ones
 * at its first parallel loop.
 */
#define _GNU_SOURCE
#include "runtime/base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "runtime/base/cpu.h"
#include "runtime/rustorch.h"

enum { MAX_THREADS = 256, SPINS = 4000 };

typedef struct job {
    rt__range_fn fn;
    void *ctx;
    int64_t n, grain;
    atomic_llong next;     /* first element nobody has claimed */
    atomic_int stopped;    /* an interrupt was seen */
} job;

static struct {
    pthread_mutex_t lock, submit;
    pthread_cond_t wake;
    atomic_uint generation;   /* counts jobs; workers wait for a change */
    _Atomic(job *) current;
    atomic_int busy;          /* workers inside `current` */
    atomic_int wanted;        /* threads in all, the caller's included */
    int workers;              /* started */
    atomic_int sleepers;
} pool = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .submit = PTHREAD_MUTEX_INITIALIZER,
    .wake = PTHREAD_COND_INITIALIZER,
};

static __thread bool inside; /* nested loops run serially */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void work(job *j)
{
    inside = true;
    for (;;) {
        if (rt_interrupted()) {
            atomic_store_explicit(&j->stopped, 1, memory_order_relaxed);
            break;
        }
        int64_t begin = atomic_fetch_add_explicit(&j->next, j->grain,
                                                  memory_order_relaxed);
        if (begin >= j->n) {
            break;
        }
        int64_t end = begin + j->grain < j->n ? begin + j->grain : j->n;
        j->fn(j->ctx, begin, end);
    }
    inside = false;
}

static void wait_for_change(unsigned seen)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&pool.generation, memory_order_acquire) !=
            seen) {
            return;
        }
        relax();
    }
    pthread_mutex_lock(&pool.lock);
    atomic_fetch_add(&pool.sleepers, 1);
    while (atomic_load(&pool.generation) == seen) {
        pthread_cond_wait(&pool.wake, &pool.lock);
    }
    atomic_fetch_sub(&pool.sleepers, 1);
    pthread_mutex_unlock(&pool.lock);
}

static void *worker(void *arg)
{
    int index = (int)(intptr_t)arg; /* 1, 2, ...: the caller is 0 */
    unsigned seen = 0;
    for (;;) {
        wait_for_change(seen);
        seen = atomic_load_explicit(&pool.generation, memory_order_acquire);
        /* Enter first, look second: the caller clears `current`, then waits
         * until nobody is inside. */
        atomic_fetch_add(&pool.busy, 1);
        job *j = atomic_load(&pool.current);
        if (j && index < atomic_load(&pool.wanted)) {
            work(j);
        }
        atomic_fetch_sub(&pool.busy, 1);
    }
    return NULL;
}

static void start_workers(int threads)
{
    /* Signals belong to the host's threads. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool.workers < threads - 1) {
        pthread_t id;
        intptr_t index = pool.workers + 1;
        if (pthread_create(&id, NULL, worker, (void *)index) != 0) {
            break; /* fewer threads: the same results */
        }
        pthread_detach(id);
        pool.workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void child_after_fork(void)
{
    pthread_mutex_init(&pool.lock, NULL);
    pthread_mutex_init(&pool.submit, NULL);
    pthread_cond_init(&pool.wake, NULL);
    atomic_store(&pool.current, NULL);
    atomic_store(&pool.busy, 0);
    atomic_store(&pool.sleepers, 0);
    pool.workers = 0;
    inside = false;
}

static int default_threads(void)
{
    const char *names[] = {"RT_NUM_THREADS", "RUSTORCH_NUM_THREADS"};
    for (int i = 0; i < 2; i++) {
        const char *text = getenv(names[i]);
        int n = text ? atoi(text) : 0;
        if (n > 0) {
            return n < MAX_THREADS ? n : MAX_THREADS;
        }
    }
    return rt__cpu_info()->cores;
}

static void setup(void)
{
    pthread_atfork(NULL, NULL, child_after_fork);
    if (atomic_load(&pool.wanted) == 0) {
        atomic_store(&pool.wanted, default_threads());
    }
}

int rt_num_threads(void)
{
    pthread_once(&once, setup);
    return atomic_load(&pool.wanted);
}

void rt_set_num_threads(int n)
{
    pthread_once(&once, setup);
    if (n < 1) {
        n = default_threads();
    }
    atomic_store(&pool.wanted, n < MAX_THREADS ? n : MAX_THREADS);
}

static bool run_serial(job *j)
{
    for (int64_t i = 0; i < j->n; i += j->grain) {
        if (rt_interrupted()) {
            return false;
        }
        j->fn(j->ctx, i, i + j->grain < j->n ? i + j->grain : j->n);
    }
    return true;
}

static void publish(job *j)
{
    atomic_store(&pool.current, j);
    atomic_fetch_add_explicit(&pool.generation, 1, memory_order_release);
    if (atomic_load(&pool.sleepers) > 0) {
        pthread_mutex_lock(&pool.lock);
        pthread_cond_broadcast(&pool.wake);
        pthread_mutex_unlock(&pool.lock);
    }
}

bool rt__parallel(int64_t n, int64_t grain, rt__range_fn fn, void *ctx)
{
    if (n <= 0) {
        return true;
    }
    job j = {.fn = fn, .ctx = ctx, .n = n, .grain = grain < 1 ? 1 : grain};
    int threads = rt_num_threads();
    if (n <= j.grain || threads == 1 || inside ||
        pthread_mutex_trylock(&pool.submit) != 0) {
        return run_serial(&j);
    }
    if (pool.workers < threads - 1) {
        start_workers(threads);
    }
    publish(&j);
    work(&j);
    atomic_store(&pool.current, NULL);
    while (atomic_load(&pool.busy) > 0) {
        relax();
    }
    pthread_mutex_unlock(&pool.submit);
    return !atomic_load(&j.stopped);
}

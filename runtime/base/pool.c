/* SPDX-License-Identifier: MIT
 * The thread pool. Each thread has a contiguous range of pieces of its own,
 * the same one for the same job, so that what it touched last time is still in
 * its caches; a thread that is done takes pieces of the others. The caller
 * then waits only for pieces that others have begun. A worker spins for some
 * microseconds after its last job, then sleeps. A forked child starts without
 * workers and makes new ones at its first parallel loop.
 */
#define _GNU_SOURCE
#include "runtime/base/pool.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/cpu.h"
#include "runtime/rustorch.h"

enum { MAX_THREADS = 256, SPIN_NS = 50000, PATIENCE_NS = 300000 };

/* The pieces of one thread: the next one that nobody has begun, and the end. */
typedef struct share {
    _Alignas(64) atomic_llong next;
    int64_t end;
} share;

typedef struct job {
    rt__range_fn fn;
    void *ctx;
    int64_t n, grain;
    int shares;
    atomic_int stopped;    /* an interrupt was seen */
    share share[MAX_THREADS];
} job;

typedef struct member {
    pid_t tid;
    atomic_bool asleep;
    clockid_t clock;       /* of the processor time it had */
    /* Under `submit`: */
    int away;              /* the processor it is kept from */
    int64_t had;           /* when the caller began to wait for it */
} member;

static struct {
    pthread_mutex_t submit;
    /* Each line has one kind of writer. */
    _Alignas(64) atomic_int generation;  /* counts jobs: a change is a new one */
    _Atomic(job *) current;
    atomic_int caller_cpu;
    _Alignas(64) atomic_int busy;        /* workers inside `current` */
    atomic_int joining;                  /* the caller sleeps until busy is 0 */
    _Alignas(64) atomic_int sleepers;
    atomic_int wanted;    /* threads in all, the caller's included */
    int workers;          /* started */
    member member[MAX_THREADS];
} pool = {
    .submit = PTHREAD_MUTEX_INITIALIZER,
};

static __thread bool inside; /* nested loops run serially */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t = {0};
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* Sleeps while *word is `value`, not for longer than `limit` (NULL: none); may
 * wake up for no reason. */
static void futex_wait(atomic_int *word, int value,
                       const struct timespec *limit)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, limit, NULL, 0);
}

static void futex_wake_all(atomic_int *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* --- doing pieces -------------------------------------------------------- */

/* False once interrupted. */
static bool run_share(job *j, share *s)
{
    for (;;) {
        if (atomic_load_explicit(&s->next, memory_order_relaxed) >= s->end) {
            return true;
        }
        if (rt_interrupted()) {
            atomic_store_explicit(&j->stopped, 1, memory_order_relaxed);
            return false;
        }
        int64_t i = atomic_fetch_add_explicit(&s->next, 1,
                                              memory_order_relaxed);
        if (i < s->end) {
            int64_t begin = i * j->grain, end = begin + j->grain;
            j->fn(j->ctx, begin, end < j->n ? end : j->n);
        }
    }
}

/* First one's own share, then what is left of the others'. Where each share is
 * one piece the caller alone looks at the others', once it is done: a worker
 * would only wait for lines that others have written. */
static void work(job *j, int index)
{
    bool single = j->n <= j->shares * j->grain;
    int shares = index && single ? 1 : j->shares;
    inside = true;
    __builtin_prefetch(j->ctx);
    __builtin_prefetch((const char *)j->ctx + 64);
    for (int k = 0; k < shares; k++) {
        if (!run_share(j, &j->share[(index + k) % j->shares])) {
            break;
        }
    }
    inside = false;
}

/* --- workers ------------------------------------------------------------- */

static bool is_new(int seen)
{
    return atomic_load_explicit(&pool.generation, memory_order_acquire) !=
           seen;
}

/* Waiting on the caller's own processor would only hold the caller up. */
static bool spin_for_job(int seen)
{
    int64_t until = now_ns() + SPIN_NS;
    while (sched_getcpu() != atomic_load_explicit(&pool.caller_cpu,
                                                  memory_order_relaxed) &&
           now_ns() < until) {
        for (int i = 0; i < 32; i++) {
            if (is_new(seen)) {
                return true;
            }
            relax();
        }
    }
    return is_new(seen);
}

static void sleep_for_job(member *me, int seen)
{
    atomic_store(&me->asleep, true);
    atomic_fetch_add(&pool.sleepers, 1);
    while (!is_new(seen)) {
        futex_wait(&pool.generation, seen, NULL);
    }
    atomic_fetch_sub(&pool.sleepers, 1);
    atomic_store(&me->asleep, false);
}

static void *worker(void *arg)
{
    int index = (int)(intptr_t)arg; /* 1, 2, ...: the caller is 0 */
    member *me = &pool.member[index];
    int seen = 0;
    me->tid = (pid_t)syscall(SYS_gettid);
    for (;;) {
        if (!spin_for_job(seen)) {
            sleep_for_job(me, seen);
        }
        seen = atomic_load_explicit(&pool.generation, memory_order_acquire);
        const job *next = atomic_load_explicit(&pool.current,
                                               memory_order_relaxed);
        if (next) {    /* perhaps over already, but so its lines come early */
            __builtin_prefetch(next);
            __builtin_prefetch(&next->share[index], 1);
        }
        /* Enter first, look second: the caller clears `current`, then waits
         * until nobody is inside. */
        atomic_fetch_add(&pool.busy, 1);
        job *j = atomic_load(&pool.current);
        if (j && index < atomic_load(&pool.wanted)) {
            work(j, index);
        }
        if (atomic_fetch_sub(&pool.busy, 1) == 1 &&
            atomic_load(&pool.joining)) {
            futex_wake_all(&pool.busy);
        }
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
        atomic_store(&pool.member[index].asleep, false);
        pool.member[index].away = -1;
        if (pthread_create(&id, NULL, worker, (void *)index) != 0) {
            break; /* fewer threads: the same results */
        }
        pthread_getcpuclockid(id, &pool.member[index].clock);
        pthread_detach(id);
        pool.workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void child_after_fork(void)
{
    pthread_mutex_init(&pool.submit, NULL);
    atomic_store(&pool.current, NULL);
    atomic_store(&pool.busy, 0);
    atomic_store(&pool.joining, 0);
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

/* --- jobs ---------------------------------------------------------------- */

static bool run_serial(int64_t n, int64_t grain, rt__range_fn fn, void *ctx)
{
    for (int64_t i = 0; i < n; i += grain) {
        if (rt_interrupted()) {
            return false;
        }
        fn(ctx, i, i + grain < n ? i + grain : n);
    }
    return true;
}

static void cut(job *j, int threads)
{
    int64_t pieces = (j->n + j->grain - 1) / j->grain;
    j->shares = pieces < threads ? (int)pieces : threads;
    for (int64_t k = 0; k < j->shares; k++) {
        atomic_init(&j->share[k].next, pieces * k / j->shares);
        j->share[k].end = pieces * (k + 1) / j->shares;
    }
}

/* Kernels like to wake a thread on its waker's processor, even when another
 * one idles; there it would have to wait for the caller. So a worker that is
 * about to be woken is kept from that processor (and may run on all others
 * that the caller may use). */
static void keep_away(member *m, int cpu)
{
    cpu_set_t others;
    if (!atomic_load(&m->asleep) || m->away == cpu ||
        sched_getaffinity(0, sizeof others, &others) != 0) {
        return;
    }
    CPU_CLR((size_t)cpu, &others);
    if (CPU_COUNT(&others) > 0) {
        sched_setaffinity(m->tid, sizeof others, &others);
    }
    m->away = cpu;
}

static void publish(job *j)
{
    int cpu = sched_getcpu();
    /* Workers poll this line: it is fetched from them once, not three times. */
    if (atomic_load_explicit(&pool.caller_cpu, memory_order_relaxed) != cpu) {
        atomic_store_explicit(&pool.caller_cpu, cpu, memory_order_relaxed);
    }
    if (cpu >= 0 && cpu < CPU_SETSIZE && atomic_load(&pool.sleepers) > 0) {
        for (int i = 1; i <= pool.workers; i++) {
            keep_away(&pool.member[i], cpu);
        }
    }
    atomic_store_explicit(&pool.current, j, memory_order_release);
    atomic_fetch_add(&pool.generation, 1);
    if (atomic_load(&pool.sleepers) > 0) {
        futex_wake_all(&pool.generation);
    }
}

/* Those of the awake workers that had no processor since `had` was noted: others
 * use theirs, so they may have this one, which is idle, and all others. */
static void fetch_waiting(void)
{
    cpu_set_t all, here;
    int cpu = sched_getcpu();
    if (cpu < 0 || cpu >= CPU_SETSIZE ||
        sched_getaffinity(0, sizeof all, &all) != 0) {
        return;
    }
    CPU_ZERO(&here);
    CPU_SET((size_t)cpu, &here);
    for (int i = 1; i <= pool.workers; i++) {
        member *m = &pool.member[i];
        if (m->away >= 0 && !atomic_load(&m->asleep) &&
            clock_ns(m->clock) == m->had) {
            sched_setaffinity(m->tid, sizeof here, &here);
            sched_setaffinity(m->tid, sizeof all, &all);
            m->away = -1;
        }
    }
}

/* Sleeps while so many workers are inside, but not for long. */
static void wait_for_workers(int busy)
{
    const struct timespec limit = {0, PATIENCE_NS};
    for (int i = 1; i <= pool.workers; i++) {
        pool.member[i].had = clock_ns(pool.member[i].clock);
    }
    atomic_store(&pool.joining, 1);
    futex_wait(&pool.busy, busy, &limit);
    atomic_store(&pool.joining, 0);
    if (atomic_load(&pool.busy) == busy) {
        fetch_waiting();
    }
}

/* Until no worker is inside. Whoever is kept from running meanwhile gets this
 * processor when it takes long. */
static void join(void)
{
    int64_t until = 0;
    for (int i = 1; atomic_load(&pool.busy) > 0; i++) {
        relax();
        if (i % 256 != 0) {
            continue;
        }
        int64_t now = now_ns();
        until = until ? until : now + SPIN_NS;
        int busy = atomic_load(&pool.busy);
        if (now > until && busy > 0) {
            wait_for_workers(busy);
        }
    }
}

void rt__run_alone(void)
{
    inside = true;
}

bool rt__parallel(int64_t n, int64_t grain, rt__range_fn fn, void *ctx)
{
    if (n <= 0) {
        return true;
    }
    grain = grain < 1 ? 1 : grain;
    int threads = rt_num_threads();
    if (n <= grain || threads == 1 || inside ||
        pthread_mutex_trylock(&pool.submit) != 0) {
        return run_serial(n, grain, fn, ctx);
    }
    if (pool.workers < threads - 1) {
        start_workers(threads);
    }
    job j;
    j.fn = fn;
    j.ctx = ctx;
    j.n = n;
    j.grain = grain;
    atomic_init(&j.stopped, 0);
    cut(&j, threads);
    publish(&j);
    work(&j, 0);
    atomic_store(&pool.current, NULL);
    join();
    pthread_mutex_unlock(&pool.submit);
    return !atomic_load(&j.stopped);
}

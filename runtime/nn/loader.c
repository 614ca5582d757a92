/* SPDX-License-Identifier: MIT
 * The loader: which samples make which batch (PyTorch's order and its draws
 * from the generator), and threads that prepare batches ahead. Batch b is the
 * same whoever makes it; they are handed out in order.
 */
#include "runtime/nn/data.h"

#include "runtime/base/pool.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct rt_loader {
    atomic_int refs;
    rt_dataset *dataset;
    rt_loader_options options;
    rt_peer peer;
};

rt_status rt_loader_new(rt_loader **out, rt_dataset *d,
                        const rt_loader_options *options, rt_error *err)
{
    rt_loader_options o = RT_LOADER_OPTIONS_INIT;
    o = options ? *options : o;
    if (o.batch_size < 1) {
        return rt_fail(err, RT_E_ARGUMENT, "DataLoader: batch_size must be "
                       "positive, got %lld", (long long)o.batch_size);
    }
    if (o.num_workers < 0) {
        return rt_fail(err, RT_E_ARGUMENT, "DataLoader: num_workers must not "
                       "be negative, got %d", o.num_workers);
    }
    rt_loader *l = rt_alloc(sizeof *l);
    if (!l) {
        return rt_fail(err, RT_E_MEMORY, "DataLoader: no memory");
    }
    memset(l, 0, sizeof *l);
    atomic_init(&l->refs, 1);
    l->dataset = rt_dataset_retain(d);
    l->options = o;
    l->options.generator = rt_generator_retain(o.generator);
    *out = l;
    return RT_OK;
}

rt_loader *rt_loader_retain(rt_loader *l)
{
    if (l) {
        atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    }
    return l;
}

void rt_loader_release(rt_loader *l)
{
    if (!l || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (l->peer.released) {
        l->peer.released(l->peer.object);
    }
    rt_dataset_release(l->dataset);
    rt_generator_release(l->options.generator);
    rt_free(l);
}

rt_peer *rt_loader_peer(rt_loader *l)
{
    return &l->peer;
}

static int64_t batches(int64_t n, const rt_loader_options *o)
{
    return o->drop_last ? n / o->batch_size
                        : n / o->batch_size + (n % o->batch_size != 0);
}

int64_t rt_loader_length(rt_loader *l)
{
    return batches(rt_dataset_length(l->dataset), &l->options);
}

int64_t rt_loader_batch_size(const rt_loader *l)
{
    return l->options.batch_size;
}

rt_dataset *rt_loader_dataset(rt_loader *l)
{
    return l->dataset;
}

/* --- one epoch ------------------------------------------------------------------- */

enum { WORKERS_MAX = 64, LOOK_NS = 1000000 };

typedef struct ahead {           /* a batch made ahead */
    bool done;
    rt_status status;
    int n;
    rt_tensor *fields[RT_MAX_RESULTS];
    rt_error err;
} ahead;

struct rt_loader_iter {
    rt_loader *loader;
    int64_t samples, batches;
    int64_t next;                /* batch to hand out */
    rt_tensor *order;            /* int64; NULL: 0, 1, 2, ... */
    bool ordered, drained;
    /* Threads; all below is guarded by the lock. */
    int nthreads, depth;
    pid_t pid;                   /* they exist in this process only */
    pthread_t threads[WORKERS_MAX];
    pthread_mutex_t lock;
    pthread_cond_t ready, room;
    int64_t claimed;
    bool stop;
    ahead *ahead;                /* [depth], batch b at b % depth */
};

static rt_status make_batch(rt_loader_iter *it, int64_t batch,
                            rt_tensor **fields, int *n, rt_error *err)
{
    int64_t size = it->loader->options.batch_size;
    int64_t begin = batch * size, end = begin + size;
    end = end < it->samples ? end : it->samples;
    if (it->order) {
        const int64_t *order = rt_tensor_data(it->order);
        return rt__dataset_batch(it->loader->dataset, order + begin,
                                 end - begin, fields, n, err);
    }
    int64_t *index = rt_alloc((size_t)(end - begin + 1) * sizeof *index);
    if (!index) {
        return rt_fail(err, RT_E_MEMORY, "DataLoader: no memory");
    }
    for (int64_t i = begin; i < end; i++) {
        index[i - begin] = i;
    }
    rt_status st = rt__dataset_batch(it->loader->dataset, index, end - begin,
                                     fields, n, err);
    rt_free(index);
    return st;
}

static void *work(void *ctx)
{
    rt_loader_iter *it = ctx;
    rt_set_grad_enabled(false);
    if (it->depth > 2) {   /* several batches are made at once */
        rt__run_alone();
    }
    pthread_mutex_lock(&it->lock);
    for (;;) {
        while (!it->stop && it->claimed < it->batches
               && it->claimed >= it->next + it->depth) {
            pthread_cond_wait(&it->room, &it->lock);
        }
        if (it->stop || it->claimed >= it->batches) {
            break;
        }
        int64_t b = it->claimed++;
        ahead *a = &it->ahead[b % it->depth];
        pthread_mutex_unlock(&it->lock);
        rt_error_clear(&a->err);
        rt_status st = make_batch(it, b, a->fields, &a->n, &a->err);
        if (st) {
            memset(a->fields, 0, sizeof a->fields);
        }
        pthread_mutex_lock(&it->lock);
        a->status = st;
        a->done = true;
        if (b == it->next) {   /* nobody waits for another */
            pthread_cond_signal(&it->ready);
        }
    }
    pthread_mutex_unlock(&it->lock);
    return NULL;
}

static bool threads_live(const rt_loader_iter *it)
{
    return it->nthreads > 0 && it->pid == getpid();
}

/* Starts what threads it can; with none, batches are made by the caller. */
static void start_threads(rt_loader_iter *it)
{
    int want = it->loader->options.num_workers;
    want = want < WORKERS_MAX ? want : WORKERS_MAX;
    if (want == 0 || !rt__dataset_threadable(it->loader->dataset)) {
        return;
    }
    it->depth = 2 * want;
    it->ahead = rt_alloc((size_t)it->depth * sizeof *it->ahead);
    if (!it->ahead) {
        return;
    }
    memset(it->ahead, 0, (size_t)it->depth * sizeof *it->ahead);
    pthread_mutex_init(&it->lock, NULL);
    pthread_cond_init(&it->ready, NULL);
    pthread_cond_init(&it->room, NULL);
    it->pid = getpid();
    while (it->nthreads < want
           && !pthread_create(&it->threads[it->nthreads], NULL, work, it)) {
        it->nthreads++;
    }
}

static void stop_threads(rt_loader_iter *it)
{
    if (!threads_live(it)) {
        return;
    }
    pthread_mutex_lock(&it->lock);
    it->stop = true;
    pthread_cond_broadcast(&it->room);
    pthread_mutex_unlock(&it->lock);
    for (int i = 0; i < it->nthreads; i++) {
        pthread_join(it->threads[i], NULL);
    }
    pthread_mutex_destroy(&it->lock);
    pthread_cond_destroy(&it->ready);
    pthread_cond_destroy(&it->room);
    it->nthreads = 0;
}

/* --- order ----------------------------------------------------------------------- */

static rt_status permutation(rt_tensor **out, int64_t n, rt_generator *g,
                             rt_error *err)
{
    rt_value gen = {.kind = RT_K_GENERATOR, .g = g};
    return rt__op1(RT_OP_randperm, out, err, 2, RT_V_INT(n), gen);
}

/* The sampler's first step: without a generator of its own it seeds one with a
 * 63-bit draw from the default generator. */
static rt_status draw_order(rt_loader_iter *it, rt_error *err)
{
    rt_generator *own = it->loader->options.generator, *g = NULL;
    it->ordered = true;
    if (!it->loader->options.shuffle || it->samples == 0) {
        return RT_OK;
    }
    if (own) {
        return permutation(&it->order, it->samples, own, err);
    }
    uint64_t seed = rt_generator_random64(rt_default_generator()) & INT64_MAX;
    rt_status st = rt_generator_new(&g, seed, err);
    if (!st) {
        st = permutation(&it->order, it->samples, g, err);
        rt_generator_release(g);
    }
    return st;
}

/* PyTorch's sampler draws one more permutation when it runs dry, and uses none
 * of it: seen only where the loader has a generator of its own. */
static rt_status drain(rt_loader_iter *it, rt_error *err)
{
    rt_tensor *unused;
    rt_generator *own = it->loader->options.generator;
    if (it->drained || !own || !it->loader->options.shuffle || !it->samples) {
        return RT_OK;
    }
    it->drained = true;
    rt_status st = permutation(&unused, it->samples, own, err);
    if (!st) {
        rt_release(unused);
    }
    return st;
}

rt_status rt_loader_begin(rt_loader_iter **out, rt_loader *l, rt_error *err)
{
    rt_loader_iter *it = rt_alloc(sizeof *it);
    if (!it) {
        return rt_fail(err, RT_E_MEMORY, "DataLoader: no memory");
    }
    memset(it, 0, sizeof *it);
    it->loader = rt_loader_retain(l);
    it->samples = rt_dataset_length(l->dataset);
    it->batches = batches(it->samples, &l->options);
    /* The base seed that PyTorch draws for its worker processes. */
    rt_generator *own = l->options.generator;
    (void)rt_generator_random64(own ? own : rt_default_generator());
    *out = it;
    return RT_OK;
}

/* --- handing out -------------------------------------------------------------------- */

/* Waits for batch it->next; polls for interrupts meanwhile. */
static rt_status take_ahead(rt_loader_iter *it, rt_tensor **fields, int *n,
                            rt_error *err)
{
    rt_status st = RT_OK;
    pthread_mutex_lock(&it->lock);
    ahead *a = &it->ahead[it->next % it->depth];
    while (!a->done) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&it->ready, &it->lock, &until);
        if (rt_interrupted() && !a->done) {
            pthread_mutex_unlock(&it->lock);
            return rt_fail(err, RT_E_INTERRUPT, "DataLoader: interrupted");
        }
    }
    st = a->status;
    if (st && err && err->code == RT_OK) {
        *err = a->err;
    }
    if (!st) {
        memcpy(fields, a->fields, sizeof a->fields);
        *n = a->n;
    }
    memset(a->fields, 0, sizeof a->fields);
    a->done = false;
    it->next++;
    /* Not for each batch: being woken costs more than to make a small one. */
    if (it->next + it->depth - it->claimed >= it->depth / 2) {
        pthread_cond_broadcast(&it->room);
    }
    pthread_mutex_unlock(&it->lock);
    return st;
}

static rt_status take_here(rt_loader_iter *it, rt_tensor **fields, int *n,
                           rt_error *err)
{
    bool was = rt_set_grad_enabled(false);
    rt_status st = make_batch(it, it->next, fields, n, err);
    rt_set_grad_enabled(was);
    it->next += st == RT_OK;
    return st;
}

rt_status rt_loader_next(rt_loader_iter *it, rt_tensor **fields, int *n,
                         rt_error *err)
{
    rt_status st = RT_OK;
    if (rt_interrupted()) {
        return rt_fail(err, RT_E_INTERRUPT, "DataLoader: interrupted");
    }
    if (!it->ordered) {
        if ((st = draw_order(it, err))) {
            return st;
        }
        start_threads(it);
    }
    if (it->next >= it->batches) {
        *n = 0;
        return drain(it, err);
    }
    bool last = it->next == it->batches - 1;
    bool partial = it->samples % it->loader->options.batch_size != 0;
    rt_tensor *got[RT_MAX_RESULTS] = {NULL};
    int count = 0;
    st = threads_live(it) ? take_ahead(it, got, &count, err)
                          : take_here(it, got, &count, err);
    if (!st && last && partial && !it->loader->options.drop_last) {
        st = drain(it, err);
    }
    if (st) {
        for (int i = 0; i < count; i++) {
            rt_release(got[i]);
        }
        return st;
    }
    memcpy(fields, got, (size_t)count * sizeof *got);
    *n = count;
    return RT_OK;
}

void rt_loader_end(rt_loader_iter *it)
{
    if (!it) {
        return;
    }
    stop_threads(it);
    for (int i = 0; it->ahead && i < it->depth; i++) {
        /* A batch that a thread of the parent was making stays unfinished. */
        for (int k = 0; it->ahead[i].done && k < RT_MAX_RESULTS; k++) {
            rt_release(it->ahead[i].fields[k]);
        }
    }
    rt_free(it->ahead);
    rt_release(it->order);
    rt_loader_release(it->loader);
    rt_free(it);
}

/* SPDX-License-Identifier: MIT
 * The machine's limits as `make bench` counts them, with 1 and 2 threads:
 * float32 multiply-adds a second (independent chains in registers), and for
 * sizes from the caches to memory the bytes a second that are read (a sum),
 * that are read and written (c = a + b, past the caches where that is faster),
 * and that four arrays in L3 take of which three are added to in place; with 2
 * threads also the seconds in which they can meet. Sizes are the bytes that all
 * threads move together in one pass. Each is the best of ROUNDS windows, which
 * lie seconds apart: a neighbour or a slow moment lowers no limit. Prints JSON.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#ifdef __SSE__
#include <immintrin.h>
#endif

enum { CHAINS = 12, LANES = 16, MAX_THREADS = 2, SIZES = 5, ROUNDS = 6 };
#define WINDOW 0.05      /* seconds */
#define UPDATED (28L * 1000 * 1000)
typedef float vector __attribute__((vector_size(LANES * sizeof(float))));

static const long sizes[SIZES] = {192L << 10, 1536L << 10, 6L << 20, 12L << 20,
                                  120L << 20};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

typedef struct task {
    double end, amount;   /* when to stop; operations or bytes done */
    float sink;
    vector *memory;
    long vectors;         /* of memory, for this thread */
    int index;            /* of the thread */
} task;

__attribute__((target_clones("default", "avx2,fma", "avx512f")))
static void *multiply_add(void *arg)
{
    task *t = arg;
    vector acc[CHAINS], x, y;
    for (int i = 0; i < LANES; i++) {
        x[i] = 0.999f;
        y[i] = 1e-7f;
    }
    _Pragma("GCC unroll 12") for (int c = 0; c < CHAINS; c++) {
        acc[c] = y * (float)(c + 1);   /* equal chains would be merged */
    }
    while (now() < t->end) {
        for (int n = 0; n < 100000; n++) {
            /* unrolled at any -O level: the chains stay in registers */
            _Pragma("GCC unroll 12") for (int c = 0; c < CHAINS; c++) {
                acc[c] = acc[c] * x + y;
            }
        }
        t->amount += 100000.0 * CHAINS * LANES * 2;
    }
    _Pragma("GCC unroll 12") for (int c = 1; c < CHAINS; c++) {
        acc[0] += acc[c];
    }
    t->sink = acc[0][0];
    return NULL;
}

__attribute__((target_clones("default", "avx2", "avx512f")))
static void *read_memory(void *arg)
{
    task *t = arg;
    vector acc[8] = {{0}};
    while (now() < t->end) {
        const vector *m = t->memory;
        for (long i = 0; i + 8 <= t->vectors; i += 8) {
            _Pragma("GCC unroll 8") for (int c = 0; c < 8; c++) {
                acc[c] += m[i + c];
            }
        }
        t->amount += (double)t->vectors * sizeof(vector);
    }
    _Pragma("GCC unroll 8") for (int c = 1; c < 8; c++) {
        acc[0] += acc[c];
    }
    t->sink = acc[0][0];
    return NULL;
}

__attribute__((target_clones("default", "avx2", "avx512f")))
static void *add_memory(void *arg)
{
    task *t = arg;
    long third = t->vectors / 3;
    const vector *a = t->memory, *b = a + third;
    vector *c = t->memory + 2 * third;
    while (now() < t->end) {
        for (long i = 0; i < third; i++) {
            c[i] = a[i] + b[i];
        }
        t->amount += 3.0 * (double)third * sizeof(vector);
        __asm__ volatile("" ::: "memory");
    }
    return NULL;
}

#ifdef __SSE__
/* The same with stores that do not read the line they replace. */
static void *stream_memory(void *arg)
{
    task *t = arg;
    long third = t->vectors / 3;
    const float *a = (const float *)t->memory, *b = a + third * LANES;
    float *c = (float *)(t->memory + 2 * third);
    while (now() < t->end) {
        for (long i = 0; i < third * LANES; i += 4) {
            _mm_stream_ps(c + i, _mm_add_ps(_mm_load_ps(a + i),
                                            _mm_load_ps(b + i)));
        }
        t->amount += 3.0 * (double)third * sizeof(vector);
    }
    _mm_sfence();
    return NULL;
}

/* Whole lines at once, the operands in stretches of 1 KiB. */
__attribute__((target("avx512f"))) static void *stream_lines(void *arg)
{
    enum { STRETCH = 16 };
    task *t = arg;
    long third = t->vectors / 3;
    const float *a = (const float *)t->memory, *b = a + third * LANES;
    float *c = (float *)(t->memory + 2 * third);
    __m512 sums[STRETCH];
    while (now() < t->end) {
        for (long i = 0; i + STRETCH <= third; i += STRETCH) {
            for (long k = 0; k < STRETCH; k++) {
                long at = (i + k) * LANES;
                sums[k] = _mm512_add_ps(_mm512_load_ps(a + at),
                                        _mm512_load_ps(b + at));
            }
            for (long k = 0; k < STRETCH; k++) {
                _mm512_stream_ps(c + (i + k) * LANES, sums[k]);
            }
        }
        t->amount += 3.0 * (double)third * sizeof(vector);
    }
    _mm_sfence();
    return NULL;
}
#endif

/* Four arrays, one read and three added to: seven passes over a quarter. They
 * begin at different places of a page, as the processor takes addresses that
 * are equal modulo 4 KiB for one. */
__attribute__((target_clones("default", "avx2", "avx512f")))
static void *update_memory(void *arg)
{
    enum { APART = 1024 / sizeof(vector) };
    task *t = arg;
    long n = t->vectors / 7, step = n + APART - n % (4 * APART);
    const vector *g = t->memory;
    vector *p = t->memory + step, *m = p + step, *v = m + step;
    while (now() < t->end) {
        for (long i = 0; i < n; i++) {
            vector x = g[i], a = p[i], b = m[i], c = v[i];
            p[i] = a + x;
            m[i] = b + x;
            v[i] = c + x;
        }
        t->amount += 7.0 * (double)n * sizeof(vector);
        __asm__ volatile("" ::: "memory");
    }
    return NULL;
}

/* One thread posts a number in a line of its own, the other answers in its. */
static struct {
    _Alignas(128) atomic_long posted;
    _Alignas(128) atomic_long answered;
} lines;

static void *meet(void *arg)
{
    task *t = arg;
    if (t->index > 0) {
        for (long seen = 0, now; seen >= 0; seen = now) {
            while ((now = atomic_load_explicit(&lines.posted,
                                               memory_order_acquire)) == seen) {
            }
            atomic_store_explicit(&lines.answered, now, memory_order_release);
        }
        return NULL;
    }
    while (now() < t->end) {
        for (int i = 0; i < 100; i++) {
            t->amount += 1;
            long turn = (long)t->amount;
            atomic_store_explicit(&lines.posted, turn, memory_order_release);
            while (atomic_load_explicit(&lines.answered,
                                        memory_order_acquire) != turn) {
            }
        }
    }
    atomic_store(&lines.posted, -1);
    return NULL;
}

/* Operations, bytes or meetings a second in one window. */
static double rate(void *(*work)(void *), int threads, vector **memory,
                   long bytes)
{
    pthread_t id[MAX_THREADS];
    task tasks[MAX_THREADS];
    atomic_store(&lines.posted, 0);
    atomic_store(&lines.answered, 0);
    double begin = now(), amount = 0;
    for (int i = 0; i < threads; i++) {
        tasks[i] = (task){begin + WINDOW, 0, 0, memory[i],
                          bytes / threads / (long)sizeof(vector), i};
        pthread_create(&id[i], NULL, work, &tasks[i]);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(id[i], NULL);
        amount += tasks[i].amount;
    }
    return amount / (now() - begin);
}

typedef struct limits {
    double flops, read[SIZES], byte[SIZES], update, meetings;
} limits;

static void raise_to(double *best, double rate)
{
    *best = rate > *best ? rate : *best;
}

static void one_round(limits *l, int threads, vector **memory)
{
    raise_to(&l->flops, rate(multiply_add, threads, memory, 0));
    raise_to(&l->update, rate(update_memory, threads, memory, UPDATED));
    for (int i = 0; i < SIZES; i++) {
        raise_to(&l->read[i], rate(read_memory, threads, memory, sizes[i]));
        raise_to(&l->byte[i], rate(add_memory, threads, memory, sizes[i]));
#ifdef __SSE__
        raise_to(&l->byte[i], rate(stream_memory, threads, memory, sizes[i]));
        if (__builtin_cpu_supports("avx512f")) {
            raise_to(&l->byte[i],
                     rate(stream_lines, threads, memory, sizes[i]));
        }
#endif
    }
    if (threads == 2) {
        raise_to(&l->meetings, rate(meet, threads, memory, 0));
    }
}

static void print_rates(const char *name, const double *rates)
{
    printf(", \"%s\": {", name);
    for (int i = 0; i < SIZES; i++) {
        printf("%s\"%ld\": %.4g", i ? ", " : "", sizes[i], rates[i]);
    }
    printf("}");
}

static void print_limits(const limits *l)
{
    printf("{\"flops\": %.4g", l->flops);
    print_rates("read", l->read);
    print_rates("byte", l->byte);
    printf(", \"update\": {\"%ld\": %.4g}", UPDATED, l->update);
    printf(", \"meet\": %.4g}", l->meetings > 0 ? 1 / l->meetings : 0);
}

int main(void)
{
    vector *memory[MAX_THREADS];
    long largest = sizes[SIZES - 1];
    for (int i = 0; i < MAX_THREADS; i++) {
        memory[i] = aligned_alloc(2 << 20, (size_t)largest);
        if (memory[i]) {
            madvise(memory[i], (size_t)largest, MADV_HUGEPAGE);
        }
        for (long n = 0; memory[i] && n < largest / (long)sizeof(vector); n++) {
            memory[i][n] = (vector){1};
        }
        if (!memory[i]) {
            return 1;
        }
    }
    limits l[MAX_THREADS];
    memset(l, 0, sizeof l);
    for (int round = 0; round < ROUNDS; round++) {
        for (int threads = 1; threads <= MAX_THREADS; threads++) {
            one_round(&l[threads - 1], threads, memory);
        }
    }
    printf("{\"1\": ");
    print_limits(&l[0]);
    printf(", \"2\": ");
    print_limits(&l[1]);
    printf("}\n");
    return 0;
}

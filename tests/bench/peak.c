/* SPDX-License-Identifier: MIT
 * The machine's limits as `make bench` counts them, with 1 and 2 threads:
 * float32 multiply-adds a second (independent chains in registers), and for
 * sizes from the caches to memory the bytes a second that are read (a sum) and
 * that are read and written (c = a + b, past the caches where that is faster).
 * Sizes are what all threads touch together. Prints JSON.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#ifdef __SSE__
#include <immintrin.h>
#endif

enum { CHAINS = 12, LANES = 16, MAX_THREADS = 2, SIZES = 5 };
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

static double rate_once(void *(*work)(void *), int threads, vector **memory,
                        long bytes)
{
    pthread_t id[MAX_THREADS];
    task tasks[MAX_THREADS];
    double begin = now(), amount = 0;
    for (int i = 0; i < threads; i++) {
        tasks[i] = (task){begin + 0.1, 0, 0, memory[i],
                          bytes / threads / (long)sizeof(vector)};
        pthread_create(&id[i], NULL, work, &tasks[i]);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(id[i], NULL);
        amount += tasks[i].amount;
    }
    return amount / (now() - begin);
}

/* The best of three: a limit is not lowered by a neighbour. */
static double rate(void *(*work)(void *), int threads, vector **memory,
                   long bytes)
{
    double best = 0;
    for (int i = 0; i < 3; i++) {
        double r = rate_once(work, threads, memory, bytes);
        best = r > best ? r : best;
    }
    return best;
}

static double written(int threads, vector **memory, long bytes)
{
    double best = rate(add_memory, threads, memory, bytes);
#ifdef __SSE__
    double past = rate(stream_memory, threads, memory, bytes);
    best = past > best ? past : best;
    if (__builtin_cpu_supports("avx512f")) {
        past = rate(stream_lines, threads, memory, bytes);
        best = past > best ? past : best;
    }
#endif
    return best;
}

static void print_rates(const char *name, int threads, vector **memory)
{
    printf(", \"%s\": {", name);
    for (int i = 0; i < SIZES; i++) {
        double r = name[0] == 'r' ? rate(read_memory, threads, memory, sizes[i])
                                  : written(threads, memory, sizes[i]);
        printf("%s\"%ld\": %.4g", i ? ", " : "", sizes[i], r);
    }
    printf("}");
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
    printf("{");
    for (int threads = 1; threads <= MAX_THREADS; threads++) {
        printf("%s\"%d\": {\"flops\": %.4g", threads > 1 ? ", " : "", threads,
               rate(multiply_add, threads, memory, 0));
        print_rates("read", threads, memory);
        print_rates("byte", threads, memory);
        printf("}");
    }
    printf("}\n");
    return 0;
}

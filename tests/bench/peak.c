/* SPDX-License-Identifier: MIT
 * The machine's limits as `make bench` counts them: float32 multiply-adds a
 * second (independent chains in registers) and bytes a second (sum over a
 * 24 MB buffer), with 1 and 2 threads. Prints JSON.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CHAINS = 12, LANES = 16, FLOATS = 6 << 20 };
typedef float vector __attribute__((vector_size(LANES * sizeof(float))));

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

typedef struct task {
    double seconds, amount;   /* in: how long; out: operations or bytes */
    float sink;
    float *memory;
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
    double end = now() + t->seconds;
    while (now() < end) {
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
    double end = now() + t->seconds;
    vector acc[4] = {{0}};
    while (now() < end) {
        const vector *m = (const vector *)t->memory;
        for (long i = 0; i < FLOATS / LANES; i += 4) {
            for (int c = 0; c < 4; c++) {
                acc[c] += m[i + c];
            }
        }
        t->amount += FLOATS * sizeof(float);
    }
    t->sink = (acc[0] + acc[1] + acc[2] + acc[3])[0];
    return NULL;
}

static double rate(void *(*work)(void *), int threads, float **memory)
{
    pthread_t id[2];
    task tasks[2];
    double begin = now(), amount = 0;
    for (int i = 0; i < threads; i++) {
        tasks[i] = (task){0.5, 0, 0, memory[i]};
        pthread_create(&id[i], NULL, work, &tasks[i]);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(id[i], NULL);
        amount += tasks[i].amount;
    }
    return amount / (now() - begin);
}

int main(void)
{
    float *memory[2];
    for (int i = 0; i < 2; i++) {
        memory[i] = aligned_alloc(64, FLOATS * sizeof(float));
        for (long n = 0; memory[i] && n < FLOATS; n++) {
            memory[i][n] = 1;
        }
        if (!memory[i]) {
            return 1;
        }
    }
    printf("{");
    for (int threads = 1; threads <= 2; threads++) {
        printf("%s\"%d\": {\"flops\": %.4g, \"bytes\": %.4g}",
               threads > 1 ? ", " : "", threads,
               rate(multiply_add, threads, memory),
               rate(read_memory, threads, memory));
    }
    printf("}\n");
    return 0;
}

/* SPDX-License-Identifier: MIT
 * mt19937 (Matsumoto and Nishimura 1998), 32 bits, with the draws PyTorch's CPU
 * kernels make from it.
 */
#include "runtime/base/random.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/mt19937.h"

enum { N = RT_MT_WORDS };

struct rt_generator {
    atomic_int refs;
    pthread_mutex_t lock;
    uint64_t seed;
    uint32_t words[N];   /* the state, then tempered in place by `refill` */
    uint32_t out[N];     /* tempered words of this block */
    int next;            /* of out; N: refill first */
    bool has_normal;     /* second value of the last scalar pair */
    double normal;
};

static void seed_words(rt_generator *g, uint64_t seed)
{
    g->seed = seed;
    g->words[0] = (uint32_t)seed;
    for (uint32_t i = 1; i < N; i++) {
        uint32_t prev = g->words[i - 1];
        g->words[i] = 1812433253u * (prev ^ (prev >> 30)) + i;
    }
    g->next = N;
    g->has_normal = false;
}

/* The next block of N words. */
static void refill(rt_generator *g)
{
    RT_ISA_TABLE(mt19937)->refill(g->words, g->out);
    g->next = 0;
}

uint32_t rt__random_u32(rt_generator *g)
{
    if (g->next == N) {
        refill(g);
    }
    return g->out[g->next++];
}

uint64_t rt__random_u64(rt_generator *g)
{
    uint64_t high = rt__random_u32(g);
    return high << 32 | rt__random_u32(g);
}

void rt__random_words(rt_generator *g, uint32_t *out, int64_t n)
{
    while (n > 0) {
        if (g->next == N) {
            refill(g);
        }
        int64_t have = N - g->next;
        int64_t take = n < have ? n : have;
        memcpy(out, g->out + g->next, (size_t)take * sizeof *out);
        g->next += (int)take;
        out += take;
        n -= take;
    }
}

/* Runs the state forward in `out` itself; leaves the block used up. */
static void run_on(rt_generator *g, uint32_t *out, int64_t words)
{
    memcpy(out, g->words, sizeof g->words);
    RT_ISA_TABLE(mt19937)->extend(out + N, words - N);
    memcpy(g->words, out + words - N, sizeof g->words);
    g->next = N;
}

void rt__random_untempered(rt_generator *g, uint32_t *out, int64_t n)
{
    while (n > 0) {
        if (g->next == N) {
            refill(g);
        }
        int64_t have = N - g->next;
        int64_t take = n < have ? n : have;
        if (have == N && n >= 2 * N) {
            take = n / N * N;
            run_on(g, out, take);
        } else {
            memcpy(out, g->words + g->next, (size_t)take * sizeof *out);
            g->next += (int)take;
        }
        out += take;
        n -= take;
    }
}

void rt__random_temper(uint32_t *words, int64_t n)
{
    RT_ISA_TABLE(mt19937)->temper(words, n);
}

float rt__random_f24(rt_generator *g)
{
    return (float)(rt__random_u32(g) & 0xffffffu) * 0x1p-24f;
}

double rt__random_f53(rt_generator *g)
{
    return (double)(rt__random_u64(g) & ((1ull << 53) - 1)) * 0x1p-53;
}

double rt__random_normal(rt_generator *g)
{
    if (g->has_normal) {
        g->has_normal = false;
        return g->normal;
    }
    double u1 = rt__random_f53(g), u2 = rt__random_f53(g);
    double r = sqrt(-2 * log1p(-u2)), t = 2 * M_PI * u1;
    g->normal = r * sin(t);
    g->has_normal = true;
    return r * cos(t);
}

/* --- generators as objects ------------------------------------------------- */

rt_status rt_generator_new(rt_generator **out, uint64_t seed, rt_error *err)
{
    rt_generator *g = rt_alloc(sizeof *g);
    if (!g) {
        return rt_fail(err, RT_E_MEMORY, "Generator: not enough memory");
    }
    memset(g, 0, sizeof *g);
    atomic_init(&g->refs, 1);
    pthread_mutex_init(&g->lock, NULL);
    seed_words(g, seed);
    *out = g;
    return RT_OK;
}

rt_generator *rt_generator_retain(rt_generator *g)
{
    if (g) {
        atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
    }
    return g;
}

void rt_generator_release(rt_generator *g)
{
    if (g && atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) == 1) {
        pthread_mutex_destroy(&g->lock);
        rt_free(g);
    }
}

static rt_generator default_generator = {
    .refs = 1,
    .lock = PTHREAD_MUTEX_INITIALIZER,
};
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* A new seed for each process, as PyTorch (which takes 53 bits, so that a float64
 * holds it). */
static void seed_default(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed) {
        seed = (uint64_t)time(NULL) * 2654435761u + (uint64_t)getpid();
    }
    seed_words(&default_generator, seed & ((1ull << 53) - 1));
}

rt_generator *rt_default_generator(void)
{
    pthread_once(&once, seed_default);
    return &default_generator;
}

rt_generator *rt__generator_of(const rt_value *v)
{
    return v && v->kind == RT_K_GENERATOR ? v->g : rt_default_generator();
}

void rt__generator_lock(rt_generator *g)
{
    pthread_mutex_lock(&g->lock);
}

void rt__generator_unlock(rt_generator *g)
{
    pthread_mutex_unlock(&g->lock);
}

void rt_generator_seed(rt_generator *g, uint64_t seed)
{
    pthread_mutex_lock(&g->lock);
    seed_words(g, seed);
    pthread_mutex_unlock(&g->lock);
}

uint64_t rt_generator_initial_seed(const rt_generator *g)
{
    return g->seed;
}

uint64_t rt_generator_random64(rt_generator *g)
{
    pthread_mutex_lock(&g->lock);
    uint64_t v = rt__random_u64(g);
    pthread_mutex_unlock(&g->lock);
    return v;
}

void rt_manual_seed(uint64_t seed)
{
    rt_generator_seed(rt_default_generator(), seed);
}

/* --- saved states ------------------------------------------------------------ */

typedef struct state {
    char magic[8];
    uint64_t seed;
    uint32_t words[N], out[N];
    int32_t next, has_normal;
    double normal;
} state;
static const char state_magic[8] = "rt-mt-1";

rt_status rt_generator_get_state(const rt_generator *g, rt_tensor **out,
                                 rt_error *err)
{
    state s = {.seed = g->seed, .next = g->next,
               .has_normal = g->has_normal, .normal = g->normal};
    memcpy(s.magic, state_magic, sizeof s.magic);
    memcpy(s.words, g->words, sizeof s.words);
    memcpy(s.out, g->out, sizeof s.out);
    int64_t size = sizeof s;
    return rt_tensor_from_data(out, RT_UINT8, 1, &size, &s, err);
}

rt_status rt_generator_set_state(rt_generator *g, const rt_tensor *t,
                                 rt_error *err)
{
    state s;
    if (rt_tensor_dtype(t) != RT_UINT8 || !rt_tensor_is_contiguous(t) ||
        rt_tensor_numel(t) != (int64_t)sizeof s) {
        return rt_fail(err, RT_E_FORMAT,
                       "set_rng_state: expected the %zu bytes (uint8) that "
                       "get_rng_state gave, got %lld of %s", sizeof s,
                       (long long)rt_tensor_numel(t),
                       rt_dtype_name(rt_tensor_dtype(t)));
    }
    memcpy(&s, rt_tensor_data(t), sizeof s);
    if (memcmp(s.magic, state_magic, sizeof s.magic) != 0 || s.next < 0 ||
        s.next > N) {
        return rt_fail(err, RT_E_FORMAT,
                       "set_rng_state: the bytes are not a saved state");
    }
    pthread_mutex_lock(&g->lock);
    g->seed = s.seed;
    memcpy(g->words, s.words, sizeof s.words);
    memcpy(g->out, s.out, sizeof s.out);
    g->next = s.next;
    g->has_normal = s.has_normal != 0;
    g->normal = s.normal;
    pthread_mutex_unlock(&g->lock);
    return RT_OK;
}

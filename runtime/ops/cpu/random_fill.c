/* SPDX-License-Identifier: MIT
 * Random samples into dense memory, in PyTorch's order of draws
 * (ATen/native/cpu/DistributionTemplates.h describes the same streams).
 */
#include "runtime/ops/cpu/random_fill.h"

#include <math.h>

#include "runtime/base/pool.h"
#include "runtime/ops/cpu/random_kernels.h"

enum {
    BLOCK = 16,
    PARALLEL_BLOCKS = 512,
    NEAR = 128,                /* blocks that stay in the first cache */
    WORDS_AT_ONCE = 1 << 18,
    WORDS_NEAR = 1024,
    WIDE_RANGE = 1 << 28       /* from here on integers take 64 bits each */
};

/* Half types take a float32 sample, rounded when it is stored. */
static double uniform_of(rt_generator *g, rt_dtype d)
{
    return d == RT_FLOAT64 ? rt__random_f53(g) : (double)rt__random_f24(g);
}

/* Words before tempering, an interrupt's worth at a time. */
static void draw_words(rt_generator *g, uint32_t *out, int64_t n)
{
    for (int64_t at = 0; at < n && !rt_interrupted(); at += WORDS_AT_ONCE) {
        rt__random_untempered(g, out + at,
                              n - at < WORDS_AT_ONCE ? n - at : WORDS_AT_ONCE);
    }
}

/* Uniforms of [0, 1) as float32 in place of the words. */
static void floats_of_range(void *data, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i += NEAR * BLOCK) {
        int64_t n = end - i < NEAR * BLOCK ? end - i : NEAR * BLOCK;
        float *at = (float *)data + i;
        rt__random_temper((uint32_t *)(void *)at, n);
        RT_ISA_TABLE(random)->uniforms(at, n);
    }
}

static char *element(const rt_tensor *t, int64_t i)
{
    return t->data + i * (int64_t)rt_dtype_size((rt_dtype)t->dtype);
}

void rt__sample_uniform(rt_generator *g, rt_tensor *t, double from, double to)
{
    rt__generator_lock(g);
    if (t->dtype == RT_FLOAT32) {
        float *data = (float *)t->data, a = (float)from, span = (float)to - a;
        draw_words(g, (uint32_t *)t->data, t->numel);
        rt__parallel(t->numel, WORDS_AT_ONCE / 8, floats_of_range, data);
        for (int64_t i = 0; (from != 0 || to != 1) && i < t->numel &&
                            !rt__stops_at(i); i++) {
            /* One rounding, as PyTorch's fused multiply-add has: the product
             * of two floats is exact in float64. */
            data[i] = (float)((double)data[i] * span + a);
        }
    } else {
        rt_dtype d = (rt_dtype)t->dtype;
        for (int64_t i = 0; i < t->numel && !rt__stops_at(i); i++) {
            char *x = element(t, i);
            rt__store_float(d, x, uniform_of(g, d) * (to - from) + from);
            if (rt__load_float(d, x) == to) {   /* rounded out of the range */
                rt__store_float(d, x, from);
            }
        }
    }
    rt__generator_unlock(g);
}

/* --- normal ------------------------------------------------------------------ */

typedef struct normal_job {
    void *data;
    double mean, std;
} normal_job;

static void box_muller_double(double *x, double mean, double std)
{
    for (int k = 0; k < BLOCK / 2; k++) {
        double u1 = 1 - x[k], u2 = x[k + BLOCK / 2];
        double r = sqrt(-2 * log(u1)), t = 2 * M_PI * u2;
        x[k] = r * cos(t) * std + mean;
        x[k + BLOCK / 2] = r * sin(t) * std + mean;
    }
}

static void float_blocks(void *ctx, int64_t begin, int64_t end)
{
    normal_job *j = ctx;
    for (int64_t b = begin; b < end; b += NEAR) {
        int64_t n = end - b < NEAR ? end - b : NEAR;
        float *data = (float *)j->data + b * BLOCK;
        rt__random_temper((uint32_t *)(void *)data, n * BLOCK);
        RT_ISA_TABLE(random)->normals(data, n, (float)j->mean, (float)j->std);
    }
}

static void double_blocks(void *ctx, int64_t begin, int64_t end)
{
    normal_job *j = ctx;
    for (int64_t b = begin; b < end; b++) {
        box_muller_double((double *)j->data + b * BLOCK, j->mean, j->std);
    }
}

static void draw_doubles(rt_generator *g, double *data, int64_t n)
{
    for (int64_t i = 0; i < n && !rt__stops_at(i); i++) {
        data[i] = rt__random_f53(g);
    }
}

/* The tail that fills no whole block is the last 16 elements, drawn anew. */
static void normal_floats(rt_generator *g, float *data, int64_t n,
                          double mean, double std)
{
    normal_job job = {data, mean, std};
    draw_words(g, (uint32_t *)(void *)data, n);
    rt__parallel(n / BLOCK, PARALLEL_BLOCKS, float_blocks, &job);
    if (n % BLOCK) {
        rt__random_words(g, (uint32_t *)(void *)(data + n - BLOCK), BLOCK);
        RT_ISA_TABLE(random)->normals(data + n - BLOCK, 1, (float)mean,
                                      (float)std);
    }
}

static void normal_doubles(rt_generator *g, double *data, int64_t n,
                           double mean, double std)
{
    normal_job job = {data, mean, std};
    draw_doubles(g, data, n);
    rt__parallel(n / BLOCK, PARALLEL_BLOCKS, double_blocks, &job);
    if (n % BLOCK) {
        draw_doubles(g, data + n - BLOCK, BLOCK);
        box_muller_double(data + n - BLOCK, mean, std);
    }
}

/* Half types: block by block, so that the tail's words follow at once. */
static void normal_halves(rt_generator *g, rt_tensor *t, double mean,
                          double std)
{
    int64_t n = t->numel;
    for (int64_t at = 0; at < n && !rt__stops_at(at | 0xf); at += BLOCK) {
        float block[BLOCK];
        int64_t first = at + BLOCK <= n ? at : n - BLOCK;
        rt__random_words(g, (uint32_t *)(void *)block, BLOCK);
        RT_ISA_TABLE(random)->normals(block, 1, (float)mean, (float)std);
        for (int64_t i = 0; i < BLOCK; i++) {
            rt__store_float((rt_dtype)t->dtype, element(t, first + i),
                            (double)block[i]);
        }
    }
}

void rt__sample_normal(rt_generator *g, rt_tensor *t, double mean, double std)
{
    rt__generator_lock(g);
    rt_dtype d = (rt_dtype)t->dtype;
    if (t->numel >= BLOCK && d == RT_FLOAT32) {
        normal_floats(g, (float *)t->data, t->numel, mean, std);
    } else if (t->numel >= BLOCK && d == RT_FLOAT64) {
        normal_doubles(g, (double *)t->data, t->numel, mean, std);
    } else if (t->numel >= BLOCK) {
        normal_halves(g, t, mean, std);
    } else {
        for (int64_t i = 0; i < t->numel; i++) {
            rt__store_float(d, element(t, i),
                            rt__random_normal(g) * std + mean);
        }
    }
    rt__generator_unlock(g);
}

/* --- the others ----------------------------------------------------------------- */

void rt__sample_bernoulli(rt_generator *g, rt_tensor *t, double p)
{
    rt_dtype d = (rt_dtype)t->dtype;
    rt__generator_lock(g);
    if (d == RT_FLOAT32) {
        enum { AT_ONCE = 512 };
        uint32_t words[2 * AT_ONCE];
        for (int64_t i = 0; i < t->numel && !rt__stops_at(i | (AT_ONCE - 1));
             i += AT_ONCE) {
            int64_t n = t->numel - i < AT_ONCE ? t->numel - i : AT_ONCE;
            rt__random_words(g, words, 2 * n);
            RT_ISA_TABLE(random)->hits((float *)t->data + i, words, n, p);
        }
    } else {
        for (int64_t i = 0; i < t->numel && !rt__stops_at(i); i++) {
            rt__store_int(d, element(t, i), rt__random_f53(g) < p);
        }
    }
    rt__generator_unlock(g);
}

void rt__sample_bernoulli_from(rt_generator *g, rt_tensor *t, const rt_tensor *p)
{
    rt_dtype d = (rt_dtype)t->dtype, from = (rt_dtype)p->dtype;
    rt__generator_lock(g);
    for (int64_t i = 0; i < t->numel && !rt__stops_at(i); i++) {
        bool hit = uniform_of(g, from) < rt__load_float(from, element(p, i));
        rt__store_int(d, element(t, i), hit);
    }
    rt__generator_unlock(g);
}

/* int64 from words drawn ahead, each modulo a 32 bit range. */
static void integers_of_words(rt_generator *g, int64_t *out, int64_t n,
                              uint32_t range, int64_t low)
{
    uint32_t words[WORDS_NEAR];
    /* floor(2^64 / range) + 1: the high part of its product with a word of 32
     * bits is the quotient (Lemire, Kaser and Kurz 2019). */
    uint64_t inverse = range > 1 ? UINT64_MAX / range + 1 : 0;
    for (int64_t i = 0; i < n && !rt__stops_at(i | (WORDS_NEAR - 1));
         i += WORDS_NEAR) {
        int64_t m = n - i < WORDS_NEAR ? n - i : WORDS_NEAR;
        rt__random_words(g, words, m);
        for (int64_t k = 0; k < m; k++) {
            uint64_t q = (uint64_t)((unsigned __int128)inverse * words[k] >> 64);
            uint32_t rest = words[k] - (uint32_t)q * range;
            out[i + k] = (int64_t)((uint64_t)(range > 1 ? rest : 0) +
                                   (uint64_t)low);
        }
    }
}

void rt__sample_integers(rt_generator *g, rt_tensor *t, int64_t low, int64_t high)
{
    uint64_t range = (uint64_t)high - (uint64_t)low;
    rt_dtype d = (rt_dtype)t->dtype;
    rt__generator_lock(g);
    if (d == RT_INT64 && range < WIDE_RANGE) {
        integers_of_words(g, (int64_t *)(void *)t->data, t->numel,
                          (uint32_t)range, low);
        rt__generator_unlock(g);
        return;
    }
    for (int64_t i = 0; i < t->numel && !rt__stops_at(i); i++) {
        uint64_t word = range >= WIDE_RANGE ? rt__random_u64(g) : rt__random_u32(g);
        rt__store_int(d, element(t, i),
                      (int64_t)(word % range + (uint64_t)low));
    }
    rt__generator_unlock(g);
}

void rt__sample_integers_full(rt_generator *g, rt_tensor *t)
{
    static const uint64_t limit[RT_DTYPE_COUNT] = {
        [RT_BOOL] = 2,
        [RT_UINT8] = 256,
        [RT_INT32] = 1ull << 31,
        [RT_INT64] = 1ull << 63,
        [RT_FLOAT16] = (1 << 11) + 1,
        [RT_BFLOAT16] = (1 << 8) + 1,
        [RT_FLOAT32] = (1 << 24) + 1,
        [RT_FLOAT64] = (1ull << 53) + 1,
    };
    rt_dtype d = (rt_dtype)t->dtype;
    bool wide = d == RT_INT64 || d == RT_FLOAT64;
    rt__generator_lock(g);
    for (int64_t i = 0; i < t->numel && !rt__stops_at(i); i++) {
        uint64_t word = wide ? rt__random_u64(g) : rt__random_u32(g);
        rt__store_int(d, element(t, i), (int64_t)(word % limit[d]));
    }
    rt__generator_unlock(g);
}

/* Words are drawn in their order, some thousand pairs at a time; threads share
 * the logarithms. */
enum { WAITS = 8192, WAITS_A_PIECE = 1024 };

typedef struct waiting {
    rt_tensor *t;
    int64_t first;             /* element of t that the first pair is for */
    double lambda;
    uint32_t words[2 * WAITS];
} waiting;

static void wait_range(void *ctx, int64_t begin, int64_t end)
{
    const waiting *w = ctx;
    rt_dtype d = (rt_dtype)w->t->dtype;
    for (int64_t i = begin; i < end; i++) {
        double u = rt__fraction53(w->words[2 * i], w->words[2 * i + 1]);
        rt__store_float(d, element(w->t, w->first + i),
                        -1 / w->lambda * log1p(-u));
    }
}

void rt__sample_exponential(rt_generator *g, rt_tensor *t, double lambda)
{
    waiting w;
    w.t = t;
    w.lambda = lambda;
    rt__generator_lock(g);
    for (w.first = 0; w.first < t->numel; w.first += WAITS) {
        int64_t n = t->numel - w.first < WAITS ? t->numel - w.first : WAITS;
        rt__random_words(g, w.words, 2 * n);
        if (!rt__parallel(n, WAITS_A_PIECE, wait_range, &w)) {
            break;
        }
    }
    rt__generator_unlock(g);
}

void rt__sample_permutation(rt_generator *g, int64_t *out, int64_t n)
{
    for (int64_t i = 0; i < n && !rt__stops_at(i); i++) {
        out[i] = i;
    }
    rt__generator_lock(g);
    for (int64_t i = 0; i < n - 1 && !rt__stops_at(i); i++) {
        int64_t z = (int64_t)(rt__random_u32(g) % (uint64_t)(n - i));
        int64_t keep = out[i];
        out[i] = out[z + i];
        out[z + i] = keep;
    }
    rt__generator_unlock(g);
}

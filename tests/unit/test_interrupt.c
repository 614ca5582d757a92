/* SPDX-License-Identifier: MIT
 * Interrupts inside kernels. Each situation is one call that takes some tens
 * of milliseconds on one core. It must poll often enough, fail with
 * RT_E_INTERRUPT whichever poll finds the interrupt, and give its memory back;
 * and an interrupt from another thread must end it soon.
 *
 * test_interrupt every [PART]: interrupts at many more polls than the cases.
 *
 * test_interrupt measure [PART]: prints per situation how long it takes, the
 * time between polls and the latency (p50, p99, worst) of up to 100 interrupts
 * at random moments, on larger operands.
 */
#include "tests/unit/tensors.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOWER 20
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLOWER 20
#endif
#endif
#ifndef SLOWER
#define SLOWER 1
#endif

enum { BOUND_MS = 250 * SLOWER, INTERRUPTS = 3, MEASURED = 100 };

static int64_t big = 1;   /* how much larger operands are when measuring */

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void release_all(rt_value *r)
{
    for (int i = 0; i < RT_MAX_RESULTS; i++) {
        rt_value_release(&r[i]);
    }
}

/* --- the situations --------------------------------------------------------- */

/* Operands are made once a situation; `run` is the call that is interrupted. */
typedef struct operands {
    rt_tensor *t[4];
    rt_dataset *data;
    rt_module *layer;
} operands;

static rt_tensor *randn(int64_t a, int64_t b)
{
    return CALL(randn, 1, INTS(a, b));
}

static rt_tensor *randn4(int64_t a, int64_t b, int64_t c, int64_t d)
{
    return CALL(randn, 1, INTS(a, b, c, d));
}

static rt_tensor *converted(rt_tensor *t, rt_dtype dtype)
{
    rt_tensor *out = CALL(to, 2, T(t), RT_V_DTYPE(dtype));
    rt_release(t);
    return out;
}

static rt_tensor *indices(int64_t high, int64_t n)
{
    return CALL(randint, 2, I(high), INTS(n));
}

static rt_tensor *transposed(rt_tensor *t)
{
    rt_tensor *out = CALL(transpose, 3, T(t), I(0), I(1));
    rt_release(t);
    return out;
}

/* One call whose results are dropped. */
#define RUN(id, n, ...)                                                        \
    do {                                                                       \
        rt_value r_[RT_MAX_RESULTS];                                           \
        rt_status s_ = call_all(r_, RT_OP_##id, n, __VA_ARGS__);               \
        if (s_ == RT_OK) {                                                     \
            release_all(r_);                                                   \
        }                                                                      \
        return s_;                                                             \
    } while (0)

#define A T(o->t[0])
#define B T(o->t[1])
#define C T(o->t[2])

typedef struct situation {
    const char *name;
    void (*make)(operands *o);
    rt_status (*run)(operands *o);
    struct situation *next;
} situation;

static situation *first, **last = &first;

#define SITUATION(id, text, made, ...)                                         \
    static void make_##id(operands *o)                                         \
    {                                                                          \
        (void)o;                                                               \
        made;                                                                  \
    }                                                                          \
    static rt_status run_##id(operands *o)                                     \
    {                                                                          \
        (void)o;                                                               \
        __VA_ARGS__;                                                           \
    }                                                                          \
    static situation situation_##id = {text, make_##id, run_##id, NULL};       \
    __attribute__((constructor)) static void list_##id(void)                   \
    {                                                                          \
        *last = &situation_##id;                                               \
        last = &situation_##id.next;                                           \
    }

/* Elementwise, copies, conversions. */
SITUATION(add, "add 1e7", o->t[0] = randn(10, 1000000 * big),
          RUN(add, 2, A, A))
SITUATION(add_row, "add of a row, 4000^2",
          (o->t[0] = randn(4000 * big, 4000), o->t[1] = randn(1, 4000)),
          RUN(add, 2, A, B))
SITUATION(add_in_place, "add_ 1e7", o->t[0] = randn(10, 1000000 * big),
          RUN(add_, 2, A, A))
SITUATION(add_int, "add 1e7 int64",
          o->t[0] = indices(100, 10000000 * big), RUN(add, 2, A, A))
SITUATION(add_mixed, "add 1e7 int64 and float32",
          (o->t[0] = indices(100, 10000000 * big),
           o->t[1] = CALL(randn, 1, INTS(10000000 * big))),
          RUN(add, 2, A, B))
SITUATION(add_half, "add 1e7 float16",
          o->t[0] = converted(randn(10, 1000000 * big), RT_FLOAT16),
          RUN(add, 2, A, A))
SITUATION(powers, "pow 4e6 float64",
          o->t[0] = converted(randn(4, 1000000 * big), RT_FLOAT64),
          RUN(pow, 2, A, RT_V_FLOAT(2.5)))
SITUATION(sine, "sin 1e7", o->t[0] = randn(10, 1000000 * big), RUN(sin, 1, A))
SITUATION(atan2, "atan2 4e6", o->t[0] = randn(4, 1000000 * big),
          RUN(atan2, 2, A, A))
SITUATION(where, "where 1e7",
          (o->t[1] = randn(10, 1000000 * big),
           o->t[0] = CALL(gt, 2, B, RT_V_FLOAT(0))),
          RUN(where, 3, A, B, B))
SITUATION(lerp, "lerp 1e7 (composite)", o->t[0] = randn(10, 1000000 * big),
          RUN(lerp, 3, A, A, A))
SITUATION(to_double, "to float64 1e7", o->t[0] = randn(10, 1000000 * big),
          RUN(to, 2, A, RT_V_DTYPE(RT_FLOAT64)))
SITUATION(clone, "clone 2e7", o->t[0] = randn(20, 1000000 * big),
          RUN(clone, 1, A))
SITUATION(fill, "fill_ 2e7", o->t[0] = randn(20, 1000000 * big),
          RUN(fill_, 2, A, RT_V_FLOAT(1)))
SITUATION(copy, "copy_ 2e7",
          (o->t[0] = randn(20, 1000000 * big),
           o->t[1] = randn(20, 1000000 * big)),
          RUN(copy_, 2, A, B))
SITUATION(transpose, "x.T contiguous 4000^2",
          o->t[0] = transposed(randn(4000, 4000 * big)), RUN(contiguous, 1, A))
SITUATION(flip, "flip 4000^2", o->t[0] = randn(4000, 4000 * big),
          RUN(flip, 2, A, INTS(0, 1)))
SITUATION(roll, "roll 4000^2", o->t[0] = randn(4000, 4000 * big),
          RUN(roll, 3, A, INTS(7, 9), INTS(0, 1)))
SITUATION(pad, "pad 4000^2", o->t[0] = randn(4000, 4000 * big),
          RUN(pad, 2, A, INTS(1, 1, 1, 1)))
SITUATION(cat, "cat 2 x 1e7", o->t[0] = randn(10, 1000000 * big),
          RUN(cat, 1, RT_V_TENSORS(((rt_tensor *[]){o->t[0], o->t[0]}), 2)))
SITUATION(stack, "repeat 1e6 x 20", o->t[0] = randn(1, 1000000 * big),
          RUN(repeat, 2, A, INTS(20, 1)))
SITUATION(triu, "triu 4000^2", o->t[0] = randn(4000, 4000 * big),
          RUN(triu, 1, A))
SITUATION(equal, "equal 2e7",
          (o->t[0] = randn(20, 1000000 * big), o->t[1] = CALL(clone, 1, A)),
          RUN(equal, 2, A, B))
SITUATION(allclose, "allclose 2e7",
          (o->t[0] = randn(20, 1000000 * big), o->t[1] = CALL(clone, 1, A)),
          RUN(allclose, 2, A, B))

/* Creation and random numbers. */
SITUATION(zeros, "zeros 4e7", , RUN(zeros, 1, INTS(40, 1000000 * big)))
SITUATION(arange, "arange 1e7", , RUN(arange, 1, I(10000000 * big)))
SITUATION(linspace, "linspace 1e7", ,
          RUN(linspace, 3, RT_V_FLOAT(0), RT_V_FLOAT(1), I(10000000 * big)))
SITUATION(eye, "eye 5000", , RUN(eye, 1, I(5000)))
SITUATION(one_hot, "one_hot 1e6 x 10", o->t[0] = indices(10, 1000000 * big),
          RUN(one_hot, 2, A, I(10)))
SITUATION(randn, "randn 1e7", , RUN(randn, 1, INTS(10, 1000000 * big)))
SITUATION(rand, "rand 1e7", , RUN(rand, 1, INTS(10, 1000000 * big)))
SITUATION(randint, "randint 1e7", , RUN(randint, 2, I(9), INTS(10000000 * big)))
SITUATION(randperm, "randperm 3e6", , RUN(randperm, 1, I(3000000 * big)))
SITUATION(normal, "normal_ 5e6 float64",
          o->t[0] = converted(randn(5, 1000000 * big), RT_FLOAT64),
          RUN(normal_, 1, A))
SITUATION(bernoulli, "bernoulli_ 1e7", o->t[0] = randn(10, 1000000 * big),
          RUN(bernoulli_, 1, A))
SITUATION(exponential, "exponential_ 5e6", o->t[0] = randn(5, 1000000 * big),
          RUN(exponential_, 1, A))
SITUATION(dropout, "dropout 1e7", o->t[0] = randn(10, 1000000 * big),
          RUN(dropout, 1, A))
SITUATION(multinomial, "multinomial 1e6 of 1000",
          o->t[0] = CALL(rand, 1, INTS(1000)),
          RUN(multinomial, 3, A, I(1000000 * big), RT_V_BOOL(true)))

/* Reductions and scans. */
SITUATION(sum, "sum 4e7", o->t[0] = randn(40, 1000000 * big), RUN(sum, 1, A))
SITUATION(sum_first, "sum dim 0 4000^2", o->t[0] = randn(4000, 4000 * big),
          RUN(sum, 2, A, INTS(0)))
SITUATION(prod, "prod 1e7", o->t[0] = randn(10, 1000000 * big), RUN(prod, 1, A))
SITUATION(var, "var 1e7", o->t[0] = randn(10, 1000000 * big), RUN(var, 1, A))
SITUATION(var_first, "var dim 0 4000^2", o->t[0] = randn(4000, 4000 * big),
          RUN(var, 2, A, INTS(0)))
SITUATION(norm, "norm p=3 4e6", o->t[0] = randn(4, 1000000 * big),
          RUN(norm, 2, A, RT_V_FLOAT(3)))
SITUATION(argmax, "argmax 2e7", o->t[0] = randn(20, 1000000 * big),
          RUN(argmax, 1, A))
SITUATION(max_first, "max dim 0 4000^2", o->t[0] = randn(4000, 4000 * big),
          RUN(max_dim, 2, A, I(0)))
SITUATION(all, "all 4e7 bool",
          o->t[0] = CALL(ones, 2, INTS(40000000 * big), RT_V_DTYPE(RT_BOOL)),
          RUN(all, 1, A))
SITUATION(logsumexp, "logsumexp 1e7, one row",
          o->t[0] = randn(1, 10000000 * big), RUN(logsumexp, 2, A, INTS(1)))
SITUATION(cumsum, "cumsum 1e7, one row", o->t[0] = randn(1, 10000000 * big),
          RUN(cumsum, 2, A, I(1)))
SITUATION(cumsum_first, "cumsum dim 0 4000^2", o->t[0] = randn(4000, 4000 * big),
          RUN(cumsum, 2, A, I(0)))
SITUATION(median, "median 5e6", o->t[0] = randn(5, 1000000 * big),
          RUN(median, 1, A))

/* Softmax, norms, losses. */
SITUATION(softmax, "softmax 3000^2", o->t[0] = randn(3000, 3000 * big),
          RUN(softmax, 2, A, I(1)))
SITUATION(softmax_first, "softmax dim 0 3000^2", o->t[0] = randn(3000, 3000 * big),
          RUN(softmax, 2, A, I(0)))
SITUATION(softmax_row, "softmax 1e7, one row", o->t[0] = randn(1, 10000000 * big),
          RUN(softmax, 2, A, I(1)))
SITUATION(log_softmax_double, "log_softmax float64 2000^2",
          o->t[0] = converted(randn(2000, 2000 * big), RT_FLOAT64),
          RUN(log_softmax, 2, A, I(1)))
SITUATION(layer_norm, "layer_norm 3000^2", o->t[0] = randn(3000 * big, 3000),
          RUN(layer_norm, 2, A, INTS(3000)))
SITUATION(group_norm, "group_norm 16x64x96^2, 8 groups",
          o->t[0] = randn4(16 * big, 64, 96, 96), RUN(group_norm, 2, A, I(8)))
SITUATION(group_norm_whole, "group_norm 1x4x1600^2, 1 group",
          o->t[0] = randn4(1, 4 * big, 1600, 1600), RUN(group_norm, 2, A, I(1)))
SITUATION(batch_norm, "batch_norm 16x64x96^2",
          o->t[0] = randn4(16 * big, 64, 96, 96),
          RUN(batch_norm, 6, A, RT_NONE, RT_NONE, RT_NONE, RT_NONE,
              RT_V_BOOL(true)))
SITUATION(cross_entropy, "cross_entropy 10000x1000",
          (o->t[0] = randn(10000 * big, 1000),
           o->t[1] = indices(1000, 10000 * big)),
          RUN(cross_entropy, 2, A, B))
SITUATION(mse_loss, "mse_loss 2e7", o->t[0] = randn(20, 1000000 * big),
          RUN(mse_loss, 2, A, A))

/* Products, convolution, pooling, embedding. */
SITUATION(matmul, "matmul 1200", o->t[0] = randn(1200 * big, 1200 * big),
          RUN(matmul, 2, A, A))
SITUATION(matmul_double, "matmul 700 float64",
          o->t[0] = converted(randn(700 * big, 700 * big), RT_FLOAT64),
          RUN(matmul, 2, A, A))
SITUATION(matmul_half, "matmul 700 bfloat16",
          o->t[0] = converted(randn(700 * big, 700 * big), RT_BFLOAT16),
          RUN(matmul, 2, A, A))
SITUATION(matmul_int, "matmul 300 int64",
          (o->t[0] = CALL(randint, 2, I(9), INTS(300 * big, 300)),
           o->t[1] = CALL(randint, 2, I(9), INTS(300, 300))),
          RUN(matmul, 2, A, B))
SITUATION(matmul_thin, "matmul 8 x 4000 x 4000",
          (o->t[0] = randn(8, 4000 * big), o->t[1] = randn(4000 * big, 4000)),
          RUN(matmul, 2, A, B))
SITUATION(gemv, "gemv 6000^2",
          (o->t[0] = randn(6000 * big, 6000),
           o->t[1] = CALL(randn, 1, INTS(6000))),
          RUN(mv, 2, A, B))
SITUATION(bmm, "bmm 3000 x 64^3", o->t[0] = CALL(randn, 1, INTS(3000 * big, 64, 64)),
          RUN(bmm, 2, A, A))
SITUATION(einsum, "einsum ij,kj->ik 1000",
          o->t[0] = randn(1000, 1000 * big),
          RUN(einsum, 2, RT_V_STRING("ij,kj->ik"),
              RT_V_TENSORS(((rt_tensor *[]){o->t[0], o->t[0]}), 2)))
SITUATION(attention, "attention B2 H4 S512 D64",
          o->t[0] = randn4(2 * big, 4, 512, 64),
          RUN(scaled_dot_product_attention, 3, A, A, A))
SITUATION(conv, "conv 3x3 64@56 N4",
          (o->t[0] = randn4(4 * big, 64, 56, 56),
           o->t[1] = randn4(64, 64, 3, 3)),
          RUN(conv2d, 5, A, B, RT_NONE, INTS(1, 1), INTS(1, 1)))
SITUATION(conv_large, "conv 7x7 stride 2 3->64@224 N4",
          (o->t[0] = randn4(4 * big, 3, 224, 224), o->t[1] = randn4(64, 3, 7, 7)),
          RUN(conv2d, 5, A, B, RT_NONE, INTS(2, 2), INTS(3, 3)))
SITUATION(conv_groups, "conv 3x3 depthwise 64@112 N8",
          (o->t[0] = randn4(8 * big, 64, 112, 112), o->t[1] = randn4(64, 1, 3, 3)),
          RUN(conv2d, 7, A, B, RT_NONE, INTS(1, 1), INTS(1, 1), INTS(1, 1), I(64)))
SITUATION(conv_double, "conv 3x3 float64 16@56 N8",
          (o->t[0] = converted(randn4(8 * big, 16, 56, 56), RT_FLOAT64),
           o->t[1] = converted(randn4(32, 16, 3, 3), RT_FLOAT64)),
          RUN(conv2d, 5, A, B, RT_NONE, INTS(1, 1), INTS(1, 1)))
SITUATION(max_pool, "max_pool2d 3x3 16x64x112^2",
          o->t[0] = randn4(16 * big, 64, 112, 112),
          RUN(max_pool2d, 3, A, INTS(3, 3), INTS(1, 1)))
SITUATION(avg_pool, "avg_pool2d 3x3 16x64x112^2",
          o->t[0] = randn4(16 * big, 64, 112, 112),
          RUN(avg_pool2d, 3, A, INTS(3, 3), INTS(1, 1)))
SITUATION(embedding, "embedding 50000 of 256",
          (o->t[0] = randn(10000, 256), o->t[1] = indices(10000, 50000 * big)),
          RUN(embedding, 2, A, B))

/* Indexing, sorting, searching. */
SITUATION(index, "x[i] 1e7",
          (o->t[0] = CALL(randn, 1, INTS(10000000 * big)),
           o->t[1] = indices(10000000 * big, 10000000 * big)),
          RUN(index, 2, A, RT_V_TENSORS(&o->t[1], 1)))
SITUATION(index_put, "x[i] += v 4e6",
          (o->t[0] = CALL(randn, 1, INTS(4000000 * big)),
           o->t[1] = indices(4000000 * big, 4000000 * big)),
          RUN(index_put_, 4, A, RT_V_TENSORS(&o->t[1], 1), A, RT_V_BOOL(true)))
SITUATION(gather, "gather dim 1 3000^2",
          (o->t[0] = randn(3000, 3000 * big),
           o->t[1] = CALL(randint, 2, I(3000), INTS(3000, 3000 * big))),
          RUN(gather, 3, A, I(1), B))
SITUATION(scatter_add, "scatter_add_ dim 0 2000^2",
          (o->t[0] = randn(2000, 2000 * big),
           o->t[1] = CALL(randint, 2, I(2000), INTS(2000, 2000 * big))),
          RUN(scatter_add_, 4, A, I(0), B, A))
SITUATION(index_select, "index_select dim 1 3000^2",
          (o->t[0] = randn(3000, 3000), o->t[1] = indices(3000, 3000 * big)),
          RUN(index_select, 3, A, I(1), B))
SITUATION(index_add, "index_add_ 50000 rows of 256",
          (o->t[0] = randn(10000, 256), o->t[1] = indices(10000, 50000 * big),
           o->t[2] = randn(50000 * big, 256)),
          RUN(index_add_, 4, A, I(0), B, C))
SITUATION(masked_select, "masked_select 1e7",
          (o->t[0] = randn(10, 1000000 * big),
           o->t[1] = CALL(gt, 2, A, RT_V_FLOAT(0))),
          RUN(masked_select, 2, A, B))
SITUATION(nonzero, "nonzero 1e7", o->t[0] = randn(10, 1000000 * big),
          RUN(nonzero, 1, A))
SITUATION(sort, "sort 2e6 (1e8 when measured), one row",
          o->t[0] = randn(1, big > 1 ? 100000000 : 2000000),
          RUN(sort, 2, A, I(1)))
SITUATION(sort_rows, "sort 2000 rows of 1000", o->t[0] = randn(2000 * big, 1000),
          RUN(sort, 2, A, I(1)))
SITUATION(sort_int, "sort 2e6 int64, one row",
          o->t[0] = indices(1000000000, 2000000 * big), RUN(sort, 2, A, I(0)))
SITUATION(topk, "topk 1000 of 1e7", o->t[0] = randn(1, 10000000 * big),
          RUN(topk, 2, A, I(1000)))
SITUATION(unique, "unique 1e6", o->t[0] = indices(1000000, 1000000 * big),
          RUN(unique, 1, A))
SITUATION(unique_falling, "unique 1e6, the least last",
          o->t[0] = CALL(arange_start, 3, I(1000000), I(0), I(-1)),
          RUN(unique, 1, A))
SITUATION(bincount, "bincount 2e7", o->t[0] = indices(1000, 20000000 * big),
          RUN(bincount, 1, A))
SITUATION(searchsorted, "searchsorted 2e6 in 1e5",
          (o->t[0] = CALL(arange, 1, I(100000)),
           o->t[1] = indices(100000, 2000000 * big)),
          RUN(searchsorted, 2, A, B))

/* Backward, a loader. */
static void leaf(rt_tensor *t)
{
    CHECK_OK(rt_set_requires_grad(t, true, &err), err);
}

/* Backward of the sum of the op's result. */
#define BACKWARD(id, n, ...)                                                   \
    do {                                                                       \
        rt_value y_[RT_MAX_RESULTS], l_[RT_MAX_RESULTS];                       \
        rt_status s_ = call_all(y_, RT_OP_##id, n, __VA_ARGS__);               \
        if (s_ == RT_OK) {                                                     \
            s_ = call_all(l_, RT_OP_sum, 1, T(y_[0].t));                       \
            release_all(y_);                                                   \
        }                                                                      \
        return s_ == RT_OK ? backward_of(l_[0].t) : s_;                        \
    } while (0)

static rt_status backward_of(rt_tensor *loss)
{
    rt_error_clear(&err);
    rt_status s = rt_backward(&loss, NULL, 1, false, false, &err);
    rt_release(loss);
    return s;
}

SITUATION(matmul_backward, "matmul 800 with backward",
          (o->t[0] = randn(800 * big, 800 * big), leaf(o->t[0])),
          BACKWARD(matmul, 2, A, A))
SITUATION(conv_backward, "conv 3x3 32@56 N4 with backward",
          (o->t[0] = randn4(4 * big, 32, 56, 56), o->t[1] = randn4(32, 32, 3, 3),
           leaf(o->t[0]), leaf(o->t[1])),
          BACKWARD(conv2d, 5, A, B, RT_NONE, INTS(1, 1), INTS(1, 1)))
SITUATION(attention_backward, "attention B2 H4 S512 D64 with backward",
          (o->t[0] = randn4(2 * big, 4, 512, 64), leaf(o->t[0])),
          BACKWARD(scaled_dot_product_attention, 3, A, A, A))
SITUATION(softmax_backward, "softmax 2000^2 with backward",
          (o->t[0] = randn(2000, 2000 * big), leaf(o->t[0])),
          BACKWARD(softmax, 2, A, I(1)))
SITUATION(layer_norm_backward, "layer_norm 2000^2 with backward",
          (o->t[0] = randn(2000 * big, 2000), leaf(o->t[0])),
          BACKWARD(layer_norm, 2, A, INTS(2000)))
SITUATION(group_norm_backward, "group_norm 8x64x96^2 with backward",
          (o->t[0] = randn4(8 * big, 64, 96, 96), leaf(o->t[0])),
          BACKWARD(group_norm, 2, A, I(8)))
SITUATION(batch_norm_backward, "batch_norm 8x64x96^2 with backward",
          (o->t[0] = randn4(8 * big, 64, 96, 96), leaf(o->t[0])),
          BACKWARD(batch_norm, 6, A, RT_NONE, RT_NONE, RT_NONE, RT_NONE,
                   RT_V_BOOL(true)))
SITUATION(cross_entropy_backward, "cross_entropy 4000x1000 with backward",
          (o->t[0] = randn(4000 * big, 1000), leaf(o->t[0]),
           o->t[1] = indices(1000, 4000 * big)),
          BACKWARD(cross_entropy, 2, A, B))
SITUATION(pool_backward, "max_pool2d 8x64x112^2 with backward",
          (o->t[0] = randn4(8 * big, 64, 112, 112), leaf(o->t[0])),
          BACKWARD(max_pool2d, 2, A, INTS(2, 2)))
SITUATION(embedding_backward, "embedding 50000 of 256 with backward",
          (o->t[0] = randn(10000, 256), leaf(o->t[0]),
           o->t[1] = indices(10000, 50000 * big)),
          BACKWARD(embedding, 2, A, B))
SITUATION(index_backward, "x[i] 2e6 with backward",
          (o->t[0] = CALL(randn, 1, INTS(2000000 * big)), leaf(o->t[0]),
           o->t[1] = indices(2000000 * big, 2000000 * big)),
          BACKWARD(index, 2, A, RT_V_TENSORS(&o->t[1], 1)))
SITUATION(sigmoid_backward, "sigmoid 1e7 with backward",
          (o->t[0] = randn(10, 1000000 * big), leaf(o->t[0])),
          BACKWARD(sigmoid, 1, A))
SITUATION(cumsum_backward, "cumsum 4e6 with backward",
          (o->t[0] = randn(1, 4000000 * big), leaf(o->t[0])),
          BACKWARD(cumsum, 2, A, I(1)))
SITUATION(sort_backward, "sort 1e6 with backward",
          (o->t[0] = randn(1, 1000000 * big), leaf(o->t[0])),
          BACKWARD(sort, 2, A, I(1)))

/* A layer and its input [steps, 64, 256]. */
static void make_layer(operands *o, const char *name, int64_t steps)
{
    rt_value sizes[] = {I(256), I(256)};
    CHECK_OK(rt_layer_new(&o->layer, rt_layer_find(name), sizes, 2, NULL, NULL,
                          0, &err), err);
    o->t[0] = CALL(randn, 1, INTS(steps, 64, 256));
    leaf(o->t[0]);
}

static rt_status layer_backward(operands *o)
{
    rt_value y;
    rt_tensor *loss = NULL;
    rt_error_clear(&err);
    rt_status s = rt_module_forward(o->layer, &A, 1, &y, &err);
    if (s != RT_OK) {
        return s;
    }
    s = rt__op1(RT_OP_sum, &loss, &err, 1, T(y.tensors[0]));
    rt_value_release(&y);
    s = s ? s : backward_of(loss);
    rt_module_zero_grad(o->layer, true);
    return s;
}

SITUATION(lstm, "LSTM 256 over 30 steps with backward",
          make_layer(o, "LSTM", 30 * big), return layer_backward(o))
SITUATION(gru, "GRU 256 over 30 steps with backward",
          make_layer(o, "GRU", 30 * big), return layer_backward(o))

static rt_status first_batch(operands *o, int64_t size, int workers)
{
    rt_loader_options options = {size, true, false, workers, NULL};
    rt_tensor *fields[RT_MAX_RESULTS];
    rt_loader *l = NULL;
    rt_loader_iter *it = NULL;
    int n = 0;
    rt_error_clear(&err);
    rt_status s = rt_loader_new(&l, o->data, &options, &err);
    s = s ? s : rt_loader_begin(&it, l, &err);
    s = s ? s : rt_loader_next(it, fields, &n, &err);
    for (int i = 0; i < n; i++) {
        rt_release(fields[i]);
    }
    rt_loader_end(it);
    rt_loader_release(l);
    return s;
}

static void make_data(operands *o)
{
    o->t[0] = randn(500000, 16 * big);
    CHECK_OK(rt_tensor_dataset(&o->data, o->t, 1, &err), err);
}

SITUATION(loader, "data loader, batch of 5e5 shuffled", make_data(o),
          return first_batch(o, 500000, 0))

/* --- whichever poll finds the interrupt --------------------------------------- */

static void put_away(operands *o)
{
    rt_dataset_release(o->data);
    rt_module_release(o->layer);
    for (int i = 0; i < 4; i++) {
        rt_release(o->t[i]);
    }
    memset(o, 0, sizeof *o);
}

static void drop_grad(operands *o)
{
    for (int i = 0; i < 4; i++) {
        if (o->t[i]) {
            rt_set_grad(o->t[i], NULL, NULL);
        }
    }
}

/* How often the call polls when nothing interrupts it. */
static int polls_of(const situation *s, operands *o)
{
    rt_interrupt_after(1 << 30);
    rt_status status = s->run(o);
    int polls = (1 << 30) - rt_interrupt_after(0);
    if (status != RT_OK) {
        UNIT_FAIL("%s: %s", s->name, err.message);
    }
    drop_grad(o);
    return polls;
}

static int64_t memory_in_use(void)
{
    rt_memory_stats stats;
    rt_memory_read_stats(&stats);
    return stats.allocated;
}

static void interrupted_at(const situation *s, operands *o, int n)
{
    int64_t before = memory_in_use();
    rt_interrupt_after(n);
    rt_status status = s->run(o);
    rt_interrupt_clear();
    if (status != RT_E_INTERRUPT) {
        UNIT_FAIL("%s: status %d although poll %d found an interrupt", s->name,
                  (int)status, n);
    }
    drop_grad(o);
    if (memory_in_use() != before) {
        UNIT_FAIL("%s: %lld bytes kept after an interrupt at poll %d", s->name,
                  (long long)(memory_in_use() - before), n);
    }
}

/* A call of some tens of milliseconds must find an interrupt within 10. */
enum { POLLS_EXPECTED = 6 };

CASE(every_situation_polls_and_fails_whichever_poll_finds_the_interrupt)
{
    rt_set_num_threads(1);
    for (const situation *s = first; s; s = s->next) {
        operands o = {{0}, NULL, NULL};
        s->make(&o);
        polls_of(s, &o);   /* fresh memory takes looks of its own */
        int polls = polls_of(s, &o);
        if (polls < POLLS_EXPECTED) {
            UNIT_FAIL("%s polls %d times", s->name, polls);
        }
        int points[] = {1, 2, 3, polls / 2, polls / 4, polls - 1, polls};
        for (int i = 0; i < (SLOWER > 1 ? 4 : 7); i++) {
            if (points[i] > 0 && points[i] <= polls) {
                interrupted_at(s, &o, points[i]);
            }
        }
        put_away(&o);
    }
    rt_set_num_threads(0);
}

/* The first 40 polls, where the call has only begun and lays its memory out,
 * and 10 more. */
static int every_poll(const char *part)
{
    rt_set_num_threads(1);
    for (const situation *s = first; s; s = s->next) {
        if (!strstr(s->name, part)) {
            continue;
        }
        operands o = {{0}, NULL, NULL};
        s->make(&o);
        polls_of(s, &o);
        int polls = polls_of(s, &o);
        for (int n = 1; n <= polls; n += n < 40 ? 1 : polls / 10 + 1) {
            interrupted_at(s, &o, n);
        }
        put_away(&o);
        printf("%s: %d polls\n", s->name, polls);
        fflush(stdout);
    }
    return unit_failures != 0;
}

/* --- what is written in place --------------------------------------------------- */

CASE(an_interrupted_call_says_what_it_may_have_left_partly_written)
{
    rt_tensor *x = randn(100, 10000);
    uint32_t version = x->storage->version;
    rt_value r[RT_MAX_RESULTS];
    rt_interrupt_after(5);
    CHECK_INT(call_all(r, RT_OP_add_, 2, T(x), RT_V_FLOAT(1)), RT_E_INTERRUPT);
    rt_interrupt_clear();
    CHECK_TEXT(err.message, "add_: interrupted");
    CHECK_HAS(err.help, "float32 tensor of shape [100, 10000] that add_ writes "
                        "to may be partly written");
    CHECK(x->storage->version > version);   /* backward must not use it */
    rt_interrupt_after(5);
    CHECK_INT(call_all(r, RT_OP_lerp, 3, T(x), T(x), T(x)), RT_E_INTERRUPT);
    rt_interrupt_clear();
    CHECK_TEXT(err.message, "lerp: interrupted");
    CHECK_TEXT(err.help, "");
    version = x->storage->version;
    rt_interrupt();
    CHECK_INT(call_all(r, RT_OP_add_, 2, T(x), RT_V_FLOAT(1)), RT_E_INTERRUPT);
    rt_interrupt_clear();
    CHECK_TEXT(err.message, "add_: interrupted before it began");
    CHECK_TEXT(err.help, "");               /* nothing is */
    CHECK_INT(x->storage->version, version);
    rt_release(x);
}

static rt_tensor *after_two_steps(int interrupted_at)
{
    rt_tensor *p = CALL(ones, 1, INTS(300000)), *loss;
    rt_optimizer *o = NULL;
    rt_value params = RT_V_TENSORS(&p, 1);
    leaf(p);
    loss = CALL(sum, 1, T(p));
    CHECK_OK(backward_of(loss), err);
    CHECK_OK(rt_optimizer_new(&o, rt_optim_find("Adam"), &params, 1, NULL, NULL,
                              0, &err),
             err);
    CHECK_OK(rt_optimizer_step(o, &err), err);
    rt_interrupt_after(interrupted_at);
    CHECK_OK(rt_optimizer_step(o, &err), err);
    rt_interrupt_clear();
    rt_optimizer_release(o);
    return p;
}

CASE(an_optimizer_step_that_began_is_made_whole)
{
    rt_tensor *a = after_two_steps(0), *b = after_two_steps(8);
    CHECK(memcmp(a->data, b->data, (size_t)a->numel * sizeof(float)) == 0);
    CHECK(((float *)b->data)[299999] < 0.9985f);
    rt_release(a);
    rt_release(b);
}

/* --- an interrupt from another thread ------------------------------------------- */

typedef struct bell {
    double after_ms, rung_at;
} bell;

static void *ring(void *arg)
{
    bell *b = arg;
    usleep((useconds_t)(b->after_ms * 1e3));
    b->rung_at = now_ms();
    rt_interrupt();
    return NULL;
}

/* Milliseconds from rt_interrupt to the end of the call that runs by then. */
static double latency(const situation *s, operands *o, double after_ms)
{
    pthread_t id;
    bell b = {after_ms, 0};
    rt_status status = RT_OK;
    pthread_create(&id, NULL, ring, &b);
    while (status == RT_OK) {
        drop_grad(o);
        status = s->run(o);
    }
    double ended = now_ms();
    pthread_join(id, NULL);
    rt_interrupt_clear();
    drop_grad(o);
    if (status != RT_E_INTERRUPT) {
        UNIT_FAIL("%s: %s", s->name, err.message);
    }
    return ended - b.rung_at;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

CASE(an_interrupt_from_another_thread_ends_every_situation)
{
    for (const situation *s = first; s; s = s->next) {
        operands o = {{0}, NULL, NULL};
        double ms[INTERRUPTS];
        s->make(&o);
        for (int i = 0; i < INTERRUPTS; i++) {
            ms[i] = latency(s, &o, 5 + 9 * i);
        }
        qsort(ms, INTERRUPTS, sizeof *ms, by_size);
        if (ms[INTERRUPTS / 2] > BOUND_MS) {
            UNIT_FAIL("%s: %.0f ms after an interrupt", s->name,
                      ms[INTERRUPTS / 2]);
        }
        put_away(&o);
    }
}

/* --- measuring -------------------------------------------------------------------- */

static void measure(const situation *s)
{
    operands o = {{0}, NULL, NULL};
    double ms[MEASURED];
    s->make(&o);
    double begin = now_ms();
    int polls = polls_of(s, &o);
    double whole = now_ms() - begin;
    int n = 0;
    while (n < MEASURED && now_ms() - begin < 30e3) {
        ms[n++] = latency(s, &o, 2 + whole * (rand() % 1000) / 1000);
    }
    qsort(ms, (size_t)n, sizeof *ms, by_size);
    printf("%-42s %9.1f %8.2f %8.2f %8.2f %8.2f %5d\n", s->name, whole,
           whole * rt_num_threads() / (polls ? polls : 1), ms[n / 2],
           ms[(n - 1) * 99 / 100], ms[n - 1], n);
    fflush(stdout);
    put_away(&o);
}

static int measure_all(const char *part)
{
    big = 4;
    printf("operands four times as large (products: each side)\n"
           "%-42s %9s %8s %8s %8s %8s %5s\n", "situation (milliseconds)",
           "whole", "a poll", "p50", "p99", "worst", "times");
    for (const situation *s = first; s; s = s->next) {
        if (strstr(s->name, part)) {
            measure(s);
        }
    }
    return unit_failures != 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "measure") == 0) {
        return measure_all(argc > 2 ? argv[2] : "");
    }
    if (argc > 1 && strcmp(argv[1], "every") == 0) {
        return every_poll(argc > 2 ? argv[2] : "");
    }
    return unit_main(argc, argv);
}

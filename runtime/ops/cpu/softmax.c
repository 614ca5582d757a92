/* SPDX-License-Identifier: MIT
 * Softmax, its logarithm, and running sums and products: results as large as
 * the operand, along one dimension.
 */
#include "runtime/base/pool.h"
#include "runtime/ops/cpu/elementwise.h"
#include "runtime/ops/cpu/move.h"
#include "runtime/ops/cpu/softmax.h"
#include "runtime/ops/op.h"

#include <math.h>

#define GRAIN 16384
#define SCAN_COLUMNS 64
#define SIDE_BY_SIDE 4   /* rows of a scan */

/* The result seen as [outer][length][inner], holding the operand converted;
 * work happens in place. */
typedef struct along {
    rt_tensor *work;       /* float32 in place of halves */
    int64_t outer, length, inner, bands;
    int width;             /* columns of a band */
    bool flag;
} along;

static rt_status open_along(rt__call *c, along *a, int width)
{
    rt_tensor *out = c->r[0].t;
    rt_dtype d = (rt_dtype)out->dtype;
    int dim;
    a->work = NULL;
    rt_status s = rt__wrap_dim(&dim, rt__arg_int(c, 1), out->ndim, c->name,
                               c->err);
    if (s != RT_OK) {
        return s;
    }
    a->outer = a->inner = 1;
    a->length = out->ndim ? out->shape[dim] : 1;
    for (int i = 0; i < out->ndim; i++) {
        *(i < dim ? &a->outer : i > dim ? &a->inner : &(int64_t){1}) *=
            out->shape[i];
    }
    a->width = width;
    a->bands = (a->inner + width - 1) / width;
    if (d == RT_FLOAT16 || d == RT_BFLOAT16) {
        s = rt_tensor_new(&a->work, RT_FLOAT32, out->ndim, out->shape, c->err);
    } else {
        a->work = rt_retain(out);
    }
    return s;
}

/* A piece that sees an interrupt ends early. */
static rt_status run_pieces(rt__call *c, int64_t n, int64_t grain,
                            rt__range_fn fn, void *ctx)
{
    if (!rt__parallel(n, grain, fn, ctx) || rt_interrupted()) {
        return rt__interrupted(c->name, c->err);
    }
    return RT_OK;
}

/* The work, where it is not the result itself, becomes the result. */
static rt_status end_along(rt__call *c, const along *a)
{
    return a->work == c->r[0].t ? RT_OK
                                : rt__copy(c->name, c->r[0].t, a->work, c->err);
}

static rt_status run_along(rt__call *c, along *a, rt__range_fn fn)
{
    int64_t cost = a->length * (a->inner < a->width ? a->inner : a->width);
    rt_status s = run_pieces(c, a->outer * a->bands, GRAIN / (cost + 16) + 1,
                             fn, a);
    return s == RT_OK ? end_along(c, a) : s;
}

/* --- softmax: columns and rows of common length --------------------------- */

typedef struct soft_job {
    along a;
    const char *in;
    const rt__softmax_fns *fns;
    int64_t size;          /* bytes of an element */
    int64_t row;           /* of a long row's chunks */
    double *top, *sum;     /* of each chunk; top[0], sum[0]: of the row */
} soft_job;

#define STEP 4096          /* rows of a band between looks at the interrupt */

/* One band: three walks down the columns. */
static void soft_band(const soft_job *j, char *out, const char *in, int width)
{
    const along *a = &j->a;
    int64_t line = a->inner * j->size;
    rt__soft_band b;
    for (int w = 0; w < RT_SOFT_COLUMNS; w++) {
        b.top[w] = -INFINITY;
        b.sum[w] = 0;
    }
    for (int walk = 0; walk < 3; walk++) {
        for (int64_t r = 0; r < a->length && !rt_interrupted(); r += STEP) {
            int64_t n = a->length - r < STEP ? a->length - r : STEP;
            const char *x = in + r * line;
            char *y = out + r * line;
            if (walk == 0) {
                j->fns->columns_largest(&b, x, n, a->inner, width);
            } else if (walk == 1) {
                j->fns->columns_exponentials(&b, a->flag ? NULL : y, x, n,
                                             a->inner, width);
            } else {
                j->fns->columns_finish(&b, y, x, n, a->inner, width, a->flag);
            }
        }
    }
}

/* Neighbouring bands share lines of the cache: pieces that run at one time are
 * taken from the two halves. */
static void soft_bands(void *ctx, int64_t begin, int64_t end)
{
    const soft_job *j = ctx;
    const along *a = &j->a;
    int64_t half = (a->outer * a->bands + 1) / 2;
    for (int64_t k = begin; k < end; k++) {
        int64_t i = k % 2 ? half + k / 2 : k / 2;
        int64_t from = i % a->bands * a->width, left = a->inner - from;
        int64_t at = (i / a->bands * a->length * a->inner + from) * j->size;
        soft_band(j, a->work->data + at, j->in + at,
                  (int)(left < a->width ? left : a->width));
    }
}

static void soft_rows(void *ctx, int64_t begin, int64_t end)
{
    const soft_job *j = ctx;
    const along *a = &j->a;
    int64_t at = begin * a->length * j->size;
    j->fns->rows(a->work->data + at, j->in + at, end - begin, a->length,
                 a->flag, 1);
}

/* --- softmax: long rows, in chunks that threads share ---------------------- */

#define CHUNK 65536

static int64_t chunk_size(const soft_job *j, int64_t chunk)
{
    int64_t left = j->a.length - chunk * CHUNK;
    return left < CHUNK ? left : CHUNK;
}

static int64_t chunk_at(const soft_job *j, int64_t chunk)
{
    return (j->row * j->a.length + chunk * CHUNK) * j->size;
}

static void chunks_largest(void *ctx, int64_t begin, int64_t end)
{
    const soft_job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        j->top[i] = j->fns->largest(j->in + chunk_at(j, i), chunk_size(j, i));
    }
}

static void chunks_exponentials(void *ctx, int64_t begin, int64_t end)
{
    const soft_job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        int64_t at = chunk_at(j, i);
        j->sum[i] = j->fns->exponentials(
            j->a.flag ? NULL : j->a.work->data + at, j->in + at,
            chunk_size(j, i), j->top[0]);
    }
}

static void chunks_finish(void *ctx, int64_t begin, int64_t end)
{
    const soft_job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        int64_t at = chunk_at(j, i);
        j->fns->finish(j->a.work->data + at, j->in + at, chunk_size(j, i),
                       j->top[0], j->sum[0], j->a.flag);
    }
}

static rt_status soft_long_row(rt__call *c, soft_job *j, int64_t chunks)
{
    rt_status s = run_pieces(c, chunks, 1, chunks_largest, j);
    for (int64_t i = 1; s == RT_OK && i < chunks; i++) {
        j->top[0] = j->top[i] > j->top[0] ? j->top[i] : j->top[0];
    }
    s = s ? s : run_pieces(c, chunks, 1, chunks_exponentials, j);
    for (int64_t i = 1; s == RT_OK && i < chunks; i++) {
        j->sum[0] += j->sum[i];
    }
    return s ? s : run_pieces(c, chunks, 1, chunks_finish, j);
}

static rt_status soft_long_rows(rt__call *c, soft_job *j)
{
    int64_t chunks = (j->a.length + CHUNK - 1) / CHUNK;
    j->top = rt_alloc((size_t)chunks * 2 * sizeof *j->top);
    if (!j->top) {
        return rt_fail(c->err, RT_E_MEMORY, "%s: no memory for %lld parts of a "
                       "row", c->name, (long long)chunks);
    }
    j->sum = j->top + chunks;
    rt_status s = RT_OK;
    for (j->row = 0; s == RT_OK && j->row < j->a.outer; j->row++) {
        s = soft_long_row(c, j, chunks);
    }
    rt_free(j->top);
    return s;
}

/* --- softmax --------------------------------------------------------------- */

static rt_status run_softmax(rt__call *c, soft_job *j)
{
    along *a = &j->a;
    rt_status s;
    if (a->inner != 1) {
        return run_along(c, a, soft_bands);
    }
    if (a->length >= 4 * CHUNK) {
        s = soft_long_rows(c, j);
    } else {
        s = run_pieces(c, a->outer, GRAIN / (a->length + 16) + 1, soft_rows,
                       j);
    }
    return s == RT_OK ? end_along(c, a) : s;
}

static rt_status softmax(rt__call *c, bool logarithm)
{
    soft_job j;
    rt_tensor *in = NULL;
    rt_status s = open_along(c, &j.a, RT_SOFT_COLUMNS);
    if (s == RT_OK) {
        s = rt__contiguous_as(&in, c->a[0].t, (rt_dtype)j.a.work->dtype,
                              c->name, c->err);
    }
    if (s == RT_OK) {
        j.a.flag = logarithm;
        j.in = in->data;
        j.size = (int64_t)rt_dtype_size((rt_dtype)in->dtype);
        j.fns = rt__softmax_fns_of((rt_dtype)in->dtype);
        s = run_softmax(c, &j);
    }
    rt_release(in);
    rt_release(j.a.work);
    return s;
}

RT_KERNEL(softmax)
{
    return softmax(c, false);
}

RT_KERNEL(log_softmax)
{
    return softmax(c, true);
}

/* --- running sums and products ------------------------------------------- */

/* Floats run in float64 and are rounded at each step, as PyTorch does. STEP
 * joins the running value s and the element v. */
#define SCAN(T, A, STEP)                                                       \
    do {                                                                       \
        A acc[SCAN_COLUMNS], s = a->flag;                                      \
        T *x = (T *)(void *)a->work->data + at;                                \
        for (int w = 0; w < width; w++) {                                      \
            acc[w] = a->flag;                                                  \
        }                                                                      \
        for (int64_t r = 0; a->inner == 1 && r < a->length; r++) {             \
            A v = (A)x[r];                                                     \
            s = STEP;                                                          \
            x[r] = (T)s;                                                       \
        }                                                                      \
        for (int64_t r = 0; a->inner != 1 && r < a->length;                    \
             r++, x += a->inner) {                                             \
            for (int w = 0; w < width; w++) {                                  \
                A v = (A)x[w];                                                 \
                s = acc[w];                                                    \
                acc[w] = STEP;                                                 \
                x[w] = (T)acc[w];                                              \
            }                                                                  \
        }                                                                      \
    } while (0)
/* Rows side by side: while one waits for its last addition, the others go on. */
#define SCAN_ROWS(T, A, STEP)                                                  \
    do {                                                                       \
        A acc[SIDE_BY_SIDE];                                                   \
        T *x = (T *)(void *)a->work->data + at;                                \
        for (int k = 0; k < SIDE_BY_SIDE; k++) {                               \
            acc[k] = a->flag;                                                  \
        }                                                                      \
        for (int64_t r = 0; r < a->length; r++) {                              \
            _Pragma("GCC unroll 4")                                            \
            for (int k = 0; k < SIDE_BY_SIDE; k++) {                           \
                T *p = x + k * a->length + r;                                  \
                A v = (A)*p, s = acc[k];                                       \
                acc[k] = STEP;                                                 \
                *p = (T)acc[k];                                                \
            }                                                                  \
        }                                                                      \
    } while (0)
#define SCAN_BAND(T, A)                                                        \
    if (rows && a->flag) {                                                     \
        SCAN_ROWS(T, A, s *v);                                                 \
    } else if (rows) {                                                         \
        SCAN_ROWS(T, A, s + v);                                                \
    } else if (a->flag) {                                                      \
        SCAN(T, A, s *v);                                                      \
    } else {                                                                   \
        SCAN(T, A, s + v);                                                     \
    }

static void scan_bands(void *ctx, int64_t begin, int64_t end)
{
    const along *a = ctx;
    int64_t next;
    for (int64_t i = begin; i < end; i = next) {
        int64_t from = i % a->bands * a->width, left = a->inner - from;
        int64_t at = i / a->bands * a->length * a->inner + from;
        int width = (int)(left < a->width ? left : a->width);
        bool rows = a->inner == 1 && end - i >= SIDE_BY_SIDE;
        next = i + (rows ? SIDE_BY_SIDE : 1);
        switch (a->work->dtype) {
        case RT_FLOAT32:
            SCAN_BAND(float, double);
            break;
        case RT_FLOAT64:
            SCAN_BAND(double, double);
            break;
        case RT_INT32:
            SCAN_BAND(int32_t, uint32_t);
            break;
        case RT_INT64:
            SCAN_BAND(int64_t, uint64_t);
            break;
        default:
            SCAN_BAND(uint8_t, uint32_t);
        }
    }
}

static rt_status scan(rt__call *c, bool product)
{
    along a;
    rt_status s = open_along(c, &a, SCAN_COLUMNS);
    if (s == RT_OK) {
        s = rt__copy(c->name, a.work, c->a[0].t, c->err);
    }
    if (s == RT_OK) {
        a.flag = product;
        s = run_along(c, &a, scan_bands);
    }
    rt_release(a.work);
    return s;
}

RT_KERNEL(cumsum)
{
    return scan(c, false);
}

RT_KERNEL(cumprod)
{
    return scan(c, true);
}

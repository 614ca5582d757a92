/* SPDX-License-Identifier: MIT
 * Softmax, its logarithm, and running sums and products: results as large as
 * the operand, along one dimension.
 */
#include "runtime/base/pool.h"
#include "runtime/ops/cpu/elementwise.h"
#include "runtime/ops/cpu/move.h"
#include "runtime/ops/cpu/reduce.h"

#define GRAIN 16384
#define SCAN_COLUMNS 64

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

static rt_status run_along(rt__call *c, along *a, rt__range_fn fn)
{
    int64_t cost = a->length * (a->inner < a->width ? a->inner : a->width);
    if (!rt__parallel(a->outer * a->bands, GRAIN / (cost + 16) + 1, fn, a)) {
        return rt__interrupted(c->name, c->err);
    }
    return a->work == c->r[0].t ? RT_OK
                                : rt__copy(c->name, c->r[0].t, a->work, c->err);
}

/* --- softmax ------------------------------------------------------------- */

typedef struct soft_job {
    along a;
    const char *in;
} soft_job;

static void soft_bands(void *ctx, int64_t begin, int64_t end)
{
    const soft_job *j = ctx;
    const along *a = &j->a;
    rt_dtype d = (rt_dtype)a->work->dtype;
    int64_t size = (int64_t)rt_dtype_size(d);
    for (int64_t i = begin; i < end; i++) {
        int64_t from = i % a->bands * a->width;
        int64_t at = (i / a->bands * a->length * a->inner + from) * size;
        int64_t left = a->inner - from;
        if (a->inner == 1) {
            RT_ISA_TABLE(reduce)->softmax_row[d](a->work->data + at, j->in + at,
                                                 a->length, a->flag);
        } else {
            RT_ISA_TABLE(reduce)->softmax_columns[d](
                a->work->data + at, j->in + at, a->length, a->inner,
                (int)(left < a->width ? left : a->width), a->flag);
        }
    }
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
        s = run_along(c, &j.a, soft_bands);
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
#define SCAN_BAND(T, A)                                                        \
    if (a->flag) {                                                             \
        SCAN(T, A, s *v);                                                      \
    } else {                                                                   \
        SCAN(T, A, s + v);                                                     \
    }

static void scan_bands(void *ctx, int64_t begin, int64_t end)
{
    const along *a = ctx;
    for (int64_t i = begin; i < end; i++) {
        int64_t from = i % a->bands * a->width, left = a->inner - from;
        int64_t at = i / a->bands * a->length * a->inner + from;
        int width = (int)(left < a->width ? left : a->width);
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

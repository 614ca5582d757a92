/* SPDX-License-Identifier: MIT
 *
 * sort, argsort, topk. Every element becomes an unsigned key in the order
 * asked for (NaN last ascending, first descending), packed with its index:
 * into one 64-bit word where key and index take 32 bits each, else into a
 * pair. Rows are sorted apart; the elements are then fetched by index.
 */
#include "runtime/ops/cpu/sort.h"

#include "runtime/base/pool.h"
#include "runtime/ops/cpu/move.h"

#include <string.h>

typedef struct pair {
    uint64_t key;
    uint64_t index;
} pair;

#define ITEM uint64_t
#define BEFORE(a, b) ((a) < (b))
#define DIGIT(x, p) (((x) >> (32 + 8 * (p))) & 255)
#define DIGITS 4
#define ROW(name) word_##name
#include "runtime/ops/cpu/sort_row.h"
#undef ITEM
#undef BEFORE
#undef DIGIT
#undef DIGITS
#undef ROW

#define ITEM pair
#define BEFORE(a, b)                                                           \
    ((a).key < (b).key || ((a).key == (b).key && (a).index < (b).index))
#define DIGIT(x, p) (((x).key >> (8 * (p))) & 255)
#define DIGITS 8
#define ROW(name) pair_##name
#include "runtime/ops/cpu/sort_row.h"
#undef ITEM
#undef BEFORE
#undef DIGIT
#undef DIGITS
#undef ROW

/* --- keys --------------------------------------------------------------------
 * Floats compare as their bits do once negatives are complemented and positives
 * get the top bit. All NaNs share the largest key, both zeros one key. */

static uint32_t key_of_float(float v)
{
    uint32_t b;
    v = v == 0 ? 0 : v;
    memcpy(&b, &v, sizeof b);
    if (v != v) {
        return UINT32_MAX;
    }
    return b >> 31 ? ~b : b | 0x80000000u;
}

static uint64_t key_of_double(double v)
{
    uint64_t b;
    v = v == 0 ? 0 : v;
    memcpy(&b, &v, sizeof b);
    if (v != v) {
        return UINT64_MAX;
    }
    return b >> 63 ? ~b : b | 0x8000000000000000u;
}

static uint32_t narrow_key(rt_dtype dtype, const void *data, int64_t i)
{
    switch (dtype) {
    case RT_BOOL:
    case RT_UINT8:
        return ((const uint8_t *)data)[i];
    case RT_INT32:
        return (uint32_t)((const int32_t *)data)[i] ^ 0x80000000u;
    case RT_FLOAT32:
        return key_of_float(((const float *)data)[i]);
    default:
        return key_of_float(
            (float)rt__load_float(dtype, (const uint16_t *)data + i));
    }
}

static bool word_row(uint64_t *work, int64_t *indices, int64_t k,
                     const void *data, rt_dtype dtype, int64_t n, int64_t step,
                     bool descending)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t key = narrow_key(dtype, data, i * step);
        key = descending ? ~key : key;
        work[i] = (uint64_t)key << 32 | (uint64_t)i;
        if (rt__stops_at(i)) {
            return false;
        }
    }
    word_top(work, work + n, n, k);
    if (rt_interrupted()) {
        return false;
    }
    for (int64_t i = 0; i < k; i++) {
        indices[i] = (int64_t)(work[i] & UINT32_MAX);
    }
    return true;
}

static uint64_t wide_key(rt_dtype dtype, const void *data, int64_t i)
{
    if (dtype == RT_FLOAT64) {
        return key_of_double(((const double *)data)[i]);
    }
    if (dtype == RT_INT64) {
        return (uint64_t)((const int64_t *)data)[i] ^ 0x8000000000000000u;
    }
    return narrow_key(dtype, data, i);
}

static bool pair_row(pair *work, int64_t *indices, int64_t k, const void *data,
                     rt_dtype dtype, int64_t n, int64_t step, bool descending)
{
    for (int64_t i = 0; i < n; i++) {
        uint64_t key = wide_key(dtype, data, i * step);
        work[i] = (pair){descending ? ~key : key, (uint64_t)i};
        if (rt__stops_at(i)) {
            return false;
        }
    }
    pair_top(work, work + n, n, k);
    if (rt_interrupted()) {
        return false;
    }
    for (int64_t i = 0; i < k; i++) {
        indices[i] = (int64_t)work[i].index;
    }
    return true;
}

rt_status rt__sort_row(int64_t *indices, int64_t k, const void *data,
                       rt_dtype dtype, int64_t n, int64_t step,
                       bool descending, rt_error *err)
{
    bool narrow = rt_dtype_size(dtype) <= 4 && n < INT64_C(0x100000000);
    size_t size = narrow ? sizeof(uint64_t) : sizeof(pair);
    void *work = rt_alloc(2 * (size_t)n * size + 1);
    if (!work) {
        return rt_fail(err, RT_E_MEMORY, "sort: no memory for %lld elements",
                       (long long)n);
    }
    bool whole = narrow ? word_row(work, indices, k, data, dtype, n, step,
                                   descending)
                        : pair_row(work, indices, k, data, dtype, n, step,
                                   descending);
    rt_free(work);
    return whole ? RT_OK : rt__interrupted("sort", err);
}

/* --- the ops -------------------------------------------------------------- */

typedef struct job {
    const rt_tensor *self;       /* dense */
    char *values;
    int64_t *indices;
    int64_t n, k, inner;         /* sizes along dim: before and after; step */
    bool descending;
    size_t size;
    rt_status failed;            /* written by any thread, always the same */
} job;

static void copy_elements(const job *j, const int64_t *row, const char *src,
                          int64_t out)
{
    for (int64_t i = 0; i < j->k; i++) {
        int64_t to = out + i * j->inner;
        j->indices[to] = row[i];
        memcpy(j->values + to * (int64_t)j->size,
               src + row[i] * j->inner * (int64_t)j->size, j->size);
        if (rt__stops_at(i)) {
            return;
        }
    }
}

static void sort_range(void *ctx, int64_t begin, int64_t end)
{
    job *j = ctx;
    int64_t *row = rt_alloc((size_t)(j->k + 1) * sizeof *row);
    rt_status s = row ? RT_OK : RT_E_MEMORY;
    for (int64_t r = begin; s == RT_OK && r < end; r++) {
        int64_t outer = r / j->inner, in = r % j->inner;
        const char *src = j->self->data +
                          (outer * j->n * j->inner + in) * (int64_t)j->size;
        s = rt__sort_row(row, j->k, src, j->self->dtype, j->n, j->inner,
                         j->descending, NULL);
        if (s == RT_OK) {
            copy_elements(j, row, src, outer * j->k * j->inner + in);
        }
    }
    rt_free(row);
    if (s != RT_OK) {
        __atomic_store_n(&j->failed, s, __ATOMIC_RELAXED);
    }
}

/* Fills results 0 and 1 with the k first of the order along dim. */
static rt_status run(rt__call *c, int dim, int64_t k, bool descending)
{
    rt_tensor *self = NULL;
    if (c->r[0].t->numel == 0) {
        return RT_OK;
    }
    rt_status s = rt__dense(&self, rt__arg(c, 0), c->name, c->err);
    if (s != RT_OK) {
        return s;
    }
    int nd = self->ndim;
    job j = {.self = self, .values = c->r[0].t->data,
             .indices = (int64_t *)c->r[1].t->data,
             .n = nd > 0 ? self->shape[dim] : 1, .k = k,
             .inner = nd > 0 ? rt__product(self->shape, dim + 1, nd) : 1,
             .descending = descending, .size = rt_dtype_size(self->dtype)};
    if (!rt__parallel(self->numel / j.n, 4096 / j.n + 1, sort_range, &j)) {
        s = rt__interrupted(c->name, c->err);
    } else if (j.failed == RT_E_INTERRUPT) {
        s = rt__interrupted(c->name, c->err);
    } else if (j.failed != RT_OK) {
        s = rt_fail(c->err, j.failed, "%s: no memory to sort %lld elements",
                    c->name, (long long)j.n);
    }
    rt_release(self);
    return s;
}

static rt_status make_results(rt__call *c, int dim, int64_t k)
{
    rt_tensor *self = rt__arg(c, 0);
    int64_t shape[RT_MAX_DIMS];
    memcpy(shape, self->shape, (size_t)self->ndim * sizeof *shape);
    if (self->ndim > 0) {
        shape[dim] = k;
    }
    rt_status s = rt__result_new(c, 0, self->dtype, self->ndim, shape);
    return s == RT_OK ? rt__result_new(c, 1, RT_INT64, self->ndim, shape) : s;
}

RT_INFER(sort)
{
    rt_tensor *self = rt__arg(c, 0);
    int dim;
    rt_status s = rt__wrap_dim(&dim, c->a[1].i, self->ndim, c->name, c->err);
    return s == RT_OK
               ? make_results(c, dim, self->ndim > 0 ? self->shape[dim] : 1)
               : s;
}

RT_KERNEL(sort)
{
    rt_tensor *self = rt__arg(c, 0);
    int dim;
    rt_status s = rt__wrap_dim(&dim, c->a[1].i, self->ndim, c->name, c->err);
    return s == RT_OK ? run(c, dim, self->ndim > 0 ? self->shape[dim] : 1,
                            c->a[2].i != 0)
                      : s;
}

RT_KERNEL(argsort)
{
    rt_value r[RT_MAX_RESULTS];
    rt_status s = rt__opn(RT_OP_sort, r, c->err, c->a, 4);
    if (s == RT_OK) {
        c->r[0] = r[1];
        rt_value_release(&r[0]);
    }
    return s;
}

RT_INFER(topk)
{
    rt_tensor *self = rt__arg(c, 0);
    int64_t k = c->a[1].i;
    int dim;
    rt_status s = rt__wrap_dim(&dim, c->a[2].i, self->ndim, c->name, c->err);
    if (s != RT_OK) {
        return s;
    }
    int64_t n = self->ndim > 0 ? self->shape[dim] : 1;
    if (k < 0 || k > n) {
        rt_fail(c->err, RT_E_INDEX,
                "topk: selected index k out of range: k is %lld, dimension %d "
                "has size %lld", (long long)k, dim, (long long)n);
        rt_error_help(c->err, "k must be between 0 and %lld", (long long)n);
        return RT_E_INDEX;
    }
    return make_results(c, dim, k);
}

RT_KERNEL(topk)
{
    rt_tensor *self = rt__arg(c, 0);
    int dim;
    rt_status s = rt__wrap_dim(&dim, c->a[2].i, self->ndim, c->name, c->err);
    int64_t k = self->ndim > 0 ? c->a[1].i : 1;
    return s == RT_OK ? run(c, dim, k, c->a[3].i != 0) : s;
}

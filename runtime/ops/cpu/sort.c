/* SPDX-License-Identifier: MIT
 *
 * sort, argsort, topk. Every element becomes an unsigned key in the order
 * asked for (NaN last ascending, first descending), packed with its index:
 * into one 64-bit word where key and index take 32 bits each, else into a
 * pair. Long rows are sorted by all threads together, short ones side by side.
 */
#include "runtime/ops/cpu/sort.h"

#include "runtime/base/blocks.h"
#include "runtime/base/pool.h"
#include "runtime/ops/cpu/move.h"

#include <string.h>

typedef struct pair {
    uint64_t key;
    uint64_t index;
} pair;

enum { PART = 65536 };      /* items that one thread walks at a time */

#define ITEM uint64_t
#define BEFORE(a, b) ((a) < (b))
#define DIGIT(x, p) (((x) >> (32 + 8 * (p))) & 255)
#define DIGITS 4
#define COUNT uint32_t
#define ROW(name) word_##name
#include "runtime/ops/cpu/sort_row.h"

#define ITEM pair
#define BEFORE(a, b)                                                           \
    ((a).key < (b).key || ((a).key == (b).key && (a).index < (b).index))
#define DIGIT(x, p) (((x).key >> (8 * (p))) & 255)
#define DIGITS 8
#define COUNT int64_t
#define ROW(name) pair_##name
#include "runtime/ops/cpu/sort_row.h"

/* --- keys --------------------------------------------------------------------
 * Floats compare as their bits do once negatives are complemented and positives
 * get the top bit. All NaNs share the largest key, both zeros one key. */

static uint32_t key_of_float(float v)
{
    uint32_t b;
    v += 0.0f;   /* -0 becomes 0 */
    memcpy(&b, &v, sizeof b);
    b ^= (uint32_t)((int32_t)b >> 31) | 0x80000000u;
    return v != v ? UINT32_MAX : b;
}

static uint64_t key_of_double(double v)
{
    uint64_t b;
    v += 0.0;
    memcpy(&b, &v, sizeof b);
    b ^= (uint64_t)((int64_t)b >> 63) | 0x8000000000000000u;
    return v != v ? UINT64_MAX : b;
}

/* --- one row ------------------------------------------------------------------ */

typedef struct row {
    const void *data;
    rt_dtype dtype;
    bool descending, narrow;     /* narrow: words, else pairs */
    int64_t n, step;             /* elements, and how far apart */
    void *items;                 /* in the order of the elements, then sorted */
} row;

#define EACH_KEY(type, key)                                                    \
    do {                                                                       \
        const type *x = (const type *)r->data + begin * r->step;               \
        for (int64_t i = begin; i < end; i++, x += r->step) {                  \
            EACH_ITEM(key);                                                    \
        }                                                                      \
    } while (0)

static void word_keys(void *ctx, int64_t begin, int64_t end)
{
    const row *r = ctx;
    uint64_t *items = r->items;
    uint32_t flip = r->descending ? UINT32_MAX : 0;
#define EACH_ITEM(key) items[i] = (uint64_t)((key) ^ flip) << 32 | (uint64_t)i
    switch (r->dtype) {
    case RT_BOOL:
    case RT_UINT8:
        EACH_KEY(uint8_t, *x);
        break;
    case RT_INT32:
        EACH_KEY(int32_t, (uint32_t)*x ^ 0x80000000u);
        break;
    case RT_FLOAT32:
        EACH_KEY(float, key_of_float(*x));
        break;
    default:
        EACH_KEY(uint16_t, key_of_float((float)rt__load_float(r->dtype, x)));
    }
#undef EACH_ITEM
}

static void pair_keys(void *ctx, int64_t begin, int64_t end)
{
    const row *r = ctx;
    pair *items = r->items;
    uint64_t flip = r->descending ? UINT64_MAX : 0;
#define EACH_ITEM(key) items[i] = (pair){(key) ^ flip, (uint64_t)i}
    switch (r->dtype) {
    case RT_FLOAT64:
        EACH_KEY(double, key_of_double(*x));
        break;
    case RT_INT64:
        EACH_KEY(int64_t, (uint64_t)*x ^ 0x8000000000000000u);
        break;
    case RT_FLOAT32:
        EACH_KEY(float, key_of_float(*x));
        break;
    case RT_INT32:
        EACH_KEY(int32_t, (uint32_t)*x ^ 0x80000000u);
        break;
    case RT_FLOAT16:
    case RT_BFLOAT16:
        EACH_KEY(uint16_t, key_of_float((float)rt__load_float(r->dtype, x)));
        break;
    default:
        EACH_KEY(uint8_t, *x);
    }
#undef EACH_ITEM
}

/* Where the k first elements go: step elements apart. */
typedef struct output {
    const row *from;
    int64_t *indices;
    char *values;                /* NULL: not asked for */
    int64_t step;
} output;

/* The element of a float32's key; zeros and NaNs, which share theirs, come from
 * where they stand. */
static float float_of_item(const row *r, uint64_t item)
{
    uint32_t key = (uint32_t)(item >> 32) ^ (r->descending ? UINT32_MAX : 0);
    if (key == 0x80000000u || key == UINT32_MAX) {
        return ((const float *)r->data)[(int64_t)(item & UINT32_MAX) * r->step];
    }
    uint32_t b = key >> 31 ? key ^ 0x80000000u : ~key;
    float v;
    memcpy(&v, &b, sizeof v);
    return v;
}

static void put_floats(void *ctx, int64_t begin, int64_t end)
{
    const output *o = ctx;
    const uint64_t *items = o->from->items;
    for (int64_t i = begin; i < end; i++) {
        int64_t to = i * o->step;
        o->indices[to] = (int64_t)(items[i] & UINT32_MAX);
        ((float *)o->values)[to] = float_of_item(o->from, items[i]);
    }
}

static void put_any(void *ctx, int64_t begin, int64_t end)
{
    const output *o = ctx;
    const row *r = o->from;
    size_t size = rt_dtype_size(r->dtype);
    for (int64_t i = begin; i < end; i++) {
        int64_t from = r->narrow
                           ? (int64_t)(((uint64_t *)r->items)[i] & UINT32_MAX)
                           : (int64_t)((pair *)r->items)[i].index;
        o->indices[i * o->step] = from;
        if (o->values) {
            memcpy(o->values + (size_t)(i * o->step) * size,
                   (const char *)r->data + (size_t)(from * r->step) * size,
                   size);
        }
    }
}

/* room: for the items twice, then for the counts of all parts. */
static bool order_row(row *r, int64_t k, char *room)
{
    size_t size = r->narrow ? sizeof(uint64_t) : sizeof(pair);
    char *scratch = room + (size_t)r->n * size, *at = scratch + (size_t)r->n * size;
    r->items = room;
    if (!rt__parallel(r->n, PART, r->narrow ? word_keys : pair_keys, r)) {
        return false;
    }
    r->items = r->narrow
                   ? (void *)word_top((uint64_t *)room, (uint64_t *)scratch,
                                      r->n, k, at)
                   : (void *)pair_top((pair *)room, (pair *)scratch, r->n, k,
                                      at);
    return r->items != NULL;
}

static rt_status sort_row(row *r, int64_t k, output *o)
{
    r->narrow = rt_dtype_size(r->dtype) <= 4 && r->n < INT64_C(0x100000000);
    o->from = r;
    size_t size = r->narrow ? sizeof(uint64_t) : sizeof(pair);
    size_t parts = ((size_t)r->n + PART - 1) / PART;
    char *room = rt__alloc_whole(2 * (size_t)r->n * size +
                                 parts * 256 * sizeof(int64_t) + 1);
    if (!room) {
        return RT_E_MEMORY;
    }
    bool floats = r->dtype == RT_FLOAT32 && r->narrow && o->values;
    bool whole = order_row(r, k, room) &&
                 rt__parallel(k, PART, floats ? put_floats : put_any, o);
    rt_free(room);
    return whole ? RT_OK : RT_E_INTERRUPT;
}

rt_status rt__sort_row(int64_t *indices, int64_t k, const void *data,
                       rt_dtype dtype, int64_t n, int64_t step,
                       bool descending, rt_error *err)
{
    row r = {.data = data, .dtype = dtype, .descending = descending, .n = n,
             .step = step};
    rt_status s = sort_row(&r, k, &(output){.indices = indices, .step = 1});
    if (s == RT_E_MEMORY) {
        return rt_fail(err, s, "sort: no memory for %lld elements",
                       (long long)n);
    }
    return s == RT_OK ? s : rt__interrupted("sort", err);
}

/* --- the ops -------------------------------------------------------------- */

typedef struct job {
    const rt_tensor *self;       /* dense */
    char *values;
    int64_t *indices;
    int64_t n, k, inner;         /* sizes along dim: before and after; step */
    bool descending;
    rt_status failed;            /* written by any thread, always the same */
} job;

static void sort_range(void *ctx, int64_t begin, int64_t end)
{
    job *j = ctx;
    size_t size = rt_dtype_size(j->self->dtype);
    rt_status s = RT_OK;
    for (int64_t i = begin; s == RT_OK && i < end; i++) {
        int64_t outer = i / j->inner, in = i % j->inner;
        int64_t from = outer * j->n * j->inner + in;
        int64_t to = outer * j->k * j->inner + in;
        row r = {.data = j->self->data + (size_t)from * size,
                 .dtype = j->self->dtype, .descending = j->descending,
                 .n = j->n, .step = j->inner};
        output o = {.indices = j->indices + to,
                    .values = j->values + (size_t)to * size, .step = j->inner};
        s = sort_row(&r, j->k, &o);
    }
    if (s != RT_OK) {
        __atomic_store_n(&j->failed, s, __ATOMIC_RELAXED);
    }
}

/* Rows side by side; long ones one by one, each with all threads. */
static bool sort_rows(job *j)
{
    int64_t rows = j->self->numel / j->n;
    if (j->n > PART) {
        sort_range(j, 0, rows);
        return true;
    }
    return rt__parallel(rows, 4096 / j->n + 1, sort_range, j);
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
             .descending = descending};
    if (!sort_rows(&j) || j.failed == RT_E_INTERRUPT) {
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

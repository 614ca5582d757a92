/* SPDX-License-Identifier: MIT
 * Ops over values and their counts: unique, bincount, searchsorted.
 */
#include "runtime/base/pool.h"
#include "runtime/ops/cpu/move.h"
#include "runtime/ops/cpu/isa.h"
#include "runtime/ops/cpu/reduce.h"
#include "runtime/ops/cpu/sort.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

/* --- unique --------------------------------------------------------------- */

/* Equal as numbers: NaN differs from itself. */
static bool same_value(rt_dtype d, const char *p, const char *q)
{
    if (rt_dtype_is_floating(d)) {
        return rt__load_float(d, p) == rt__load_float(d, q);
    }
    return rt__load_int(d, p) == rt__load_int(d, q);
}

typedef struct distinct {
    const rt_tensor *t;      /* dense */
    int64_t *order;          /* sorted: where each stands */
    int64_t *group;          /* of order[i]: which distinct value */
    int64_t n;               /* how many distinct values */
} distinct;

static rt_status find_groups(rt__call *c, distinct *d)
{
    int64_t numel = d->t->numel;
    size_t size = rt_dtype_size(d->t->dtype);
    rt_status s = rt__sort_row(d->order, numel, d->t->data, d->t->dtype, numel,
                               1, false, c->err);
    for (int64_t i = 0; s == RT_OK && i < numel; i++) {
        const char *p = d->t->data + (size_t)d->order[i] * size;
        bool fresh = i == 0 ||
                     !same_value(d->t->dtype, p,
                                 d->t->data + (size_t)d->order[i - 1] * size);
        d->n += fresh;
        d->group[i] = d->n - 1;
        if (rt__stops_at(i)) {
            s = rt__interrupted(c->name, c->err);
        }
    }
    return s;
}

static void write_groups(rt__call *c, const distinct *d)
{
    size_t size = rt_dtype_size(d->t->dtype);
    bool inverse = c->a[2].i != 0, counts = c->a[3].i != 0;
    int64_t *inv = (int64_t *)c->r[1].t->data;
    int64_t *count = (int64_t *)c->r[2].t->data;
    if (counts) {
        memset(count, 0, (size_t)d->n * sizeof *count);
    }
    for (int64_t i = d->t->numel - 1; i >= 0; i--) {
        /* backwards, so that the first of equal elements is the one kept */
        memcpy(c->r[0].t->data + (size_t)d->group[i] * size,
               d->t->data + (size_t)d->order[i] * size, size);
        if (inverse) {
            inv[d->order[i]] = d->group[i];
        }
        if (counts) {
            count[d->group[i]]++;
        }
        if (rt__stops_at(i)) {
            return;
        }
    }
}

enum { SOME = 1 << 15 };     /* elements of a piece */

typedef struct limits {
    const int64_t *v;
    _Atomic int64_t low, high;
} limits;

static void limit_range(void *ctx, int64_t begin, int64_t end)
{
    const rt__reduce_table *reduce = RT_ISA_TABLE(reduce);
    limits *l = ctx;
    rt__sum a, b;
    reduce->row[RT_RED_smallest][RT_INT64](l->v + begin, end - begin, 0, &a);
    reduce->row[RT_RED_largest][RT_INT64](l->v + begin, end - begin, 0, &b);
    int64_t low = l->low, high = l->high;
    while (a.i < low && !atomic_compare_exchange_weak(&l->low, &low, a.i)) {
    }
    while (b.i > high && !atomic_compare_exchange_weak(&l->high, &high, b.i)) {
    }
}

/* The least and the largest of n > 0 integers; not all were seen, and memory
 * must not be laid out by the answer, after RT_E_INTERRUPT. */
static rt_status limits_of(const rt__call *c, const int64_t *v, int64_t n,
                           int64_t *low, int64_t *high)
{
    limits l = {v, v[0], v[0]};
    if (!rt__parallel(n, SOME, limit_range, &l) || rt_interrupted()) {
        return rt__interrupted(c->name, c->err);
    }
    *low = l.low;
    *high = l.high;
    return RT_OK;
}

/* Where integers lie close together: each has a place of its own, which counts
 * it, then says which distinct value it is. */
static rt_status by_counting(rt__call *c, const rt_tensor *t, int64_t low,
                             int64_t *place, int64_t places)
{
    const int64_t *v = (const int64_t *)(const void *)t->data;
    int64_t n = 0, none = 0;
    bool inverse = c->a[2].i != 0, counts = c->a[3].i != 0;
    memset(place, 0, (size_t)places * sizeof *place);
    for (int64_t i = 0; i < t->numel && !rt__stops_at(i); i++) {
        place[v[i] - low]++;
    }
    for (int64_t i = 0; i < places; i++) {
        n += place[i] != 0;
    }
    rt_status s = rt__result_new(c, 0, RT_INT64, 1, &n);
    if (s == RT_OK) {
        s = inverse ? rt__result_new(c, 1, RT_INT64, t->ndim, t->shape)
                    : rt__result_new(c, 1, RT_INT64, 1, &none);
    }
    if (s == RT_OK) {
        s = rt__result_new(c, 2, RT_INT64, 1, counts ? &n : &none);
    }
    if (s != RT_OK) {
        return s;
    }
    int64_t *values = (int64_t *)c->r[0].t->data;
    int64_t *inv = (int64_t *)c->r[1].t->data;
    int64_t *count = (int64_t *)c->r[2].t->data;
    for (int64_t i = 0, k = 0; i < places && k < n; i++) {
        if (place[i]) {
            values[k] = low + i;
            if (counts) {
                count[k] = place[i];
            }
            place[i] = k++;
        }
    }
    for (int64_t i = 0; inverse && i < t->numel && !rt__stops_at(i); i++) {
        inv[i] = place[v[i] - low];
    }
    return RT_OK;
}

RT_KERNEL(unique)
{
    rt_tensor *self = rt__arg(c, 0), *t = NULL;
    int64_t none = 0, low = 0, high = 0;
    bool inverse = c->a[2].i != 0, counts = c->a[3].i != 0;
    rt_status s = rt__dense(&t, self, c->name, c->err);
    if (s != RT_OK) {
        return s;
    }
    if (t->dtype == RT_INT64 && t->numel > 0) {
        s = limits_of(c, (const int64_t *)(const void *)t->data, t->numel, &low,
                      &high);
    }
    int64_t *work = NULL;
    if (s != RT_OK) {
        goto done;
    }
    work = rt_alloc((size_t)(2 * t->numel + 1) * sizeof *work);
    distinct d = {.t = t, .order = work};
    if (!work) {
        s = rt_fail(c->err, RT_E_MEMORY, "unique: no memory for %lld elements",
                    (long long)t->numel);
        goto done;
    }
    d.group = work + t->numel;
    if (t->dtype == RT_INT64 && t->numel > 0 &&
        (uint64_t)high - (uint64_t)low < (uint64_t)t->numel) {
        s = by_counting(c, t, low, work, high - low + 1);
        goto done;
    }
    s = find_groups(c, &d);
    if (s == RT_OK) {
        s = rt__result_new(c, 0, t->dtype, 1, &d.n);
    }
    if (s == RT_OK) {
        s = inverse ? rt__result_new(c, 1, RT_INT64, t->ndim, t->shape)
                    : rt__result_new(c, 1, RT_INT64, 1, &none);
    }
    if (s == RT_OK) {
        s = rt__result_new(c, 2, RT_INT64, 1, counts ? &d.n : &none);
    }
    if (s == RT_OK) {
        write_groups(c, &d);
    }
done:
    rt_free(work);
    rt_release(t);
    return s;
}

/* --- bincount ------------------------------------------------------------- */

static rt_status check_bins(rt__call *c, const int64_t *v, int64_t n,
                            int64_t *bins)
{
    int64_t low = 0, high = -1;
    rt_status s = n > 0 ? limits_of(c, v, n, &low, &high) : RT_OK;
    if (n > 0 && s == RT_OK) {
        /* No machine has room for the last integer's bin, nor for the one
         * below it: what makes them says so. */
        high -= high == INT64_MAX;
        *bins = high >= *bins ? high + 1 : *bins;
    }
    for (int64_t i = 0; s == RT_OK && low < 0 && i < n; i++) {
        if (v[i] < 0) {
            return rt_fail(c->err, RT_E_ARGUMENT,
                           "bincount: expected non-negative integers, element "
                           "%lld is %lld", (long long)i, (long long)v[i]);
        }
    }
    return s;
}

static rt_status count_weighted(rt__call *c, const rt_tensor *index,
                                int64_t bins)
{
    rt_tensor *w = NULL, *arg = rt__arg(c, 1);
    rt_dtype dtype = arg->dtype == RT_FLOAT32 ? RT_FLOAT32 : RT_FLOAT64;
    if (arg->ndim != 1 || arg->numel != index->numel) {
        return rt_fail(c->err, RT_E_SHAPE,
                       "bincount: weights must be a vector of %lld numbers, "
                       "got %lld", (long long)index->numel,
                       (long long)arg->numel);
    }
    rt_status s = rt__dense_as(&w, arg, RT_FLOAT64, c->name, c->err);
    if (s == RT_OK) {
        s = rt__result_new(c, 0, dtype, 1, &bins);
    }
    if (s == RT_OK) {
        char *out = c->r[0].t->data;
        size_t size = rt_dtype_size(dtype);
        memset(out, 0, (size_t)bins * size);
        for (int64_t i = 0; i < index->numel && !rt__stops_at(i); i++) {
            char *p = out + (size_t)((int64_t *)index->data)[i] * size;
            rt__store_float(dtype, p, rt__load_float(dtype, p) +
                                          ((double *)w->data)[i]);
        }
    }
    rt_release(w);
    return s;
}

enum { TABLES = 4, FEW = 2048 };

typedef struct counting {
    const int64_t *v;
    _Atomic int64_t *out;
    int64_t bins;
} counting;

/* Few bins are counted four at a time, each in a table of its own: equal values
 * in a row would wait for each other. Sums of integers have no order. */
static void count_few(void *ctx, int64_t begin, int64_t end)
{
    const counting *c = ctx;
    const int64_t *v = c->v;
    int32_t near[TABLES][FEW];
    int64_t i = begin;
    for (int k = 0; k < TABLES; k++) {
        memset(near[k], 0, (size_t)c->bins * sizeof near[k][0]);
    }
    for (; end - i >= TABLES; i += TABLES) {
        near[0][v[i]]++;
        near[1][v[i + 1]]++;
        near[2][v[i + 2]]++;
        near[3][v[i + 3]]++;
    }
    for (; i < end; i++) {
        near[0][v[i]]++;
    }
    for (int64_t k = 0; k < c->bins; k++) {
        atomic_fetch_add_explicit(&c->out[k], (int64_t)near[0][k] + near[1][k] +
                                  near[2][k] + near[3][k],
                                  memory_order_relaxed);
    }
}

static void count_values(int64_t *out, int64_t bins, const int64_t *v,
                         int64_t n)
{
    counting c = {v, (_Atomic int64_t *)out, bins};
    if (bins <= FEW && n >= FEW) {
        rt__parallel(n, SOME, count_few, &c);
        return;
    }
    for (int64_t i = 0; i < n && !rt__stops_at(i); i++) {
        out[v[i]]++;
    }
}

static rt_status count_plain(rt__call *c, const rt_tensor *index, int64_t bins)
{
    rt_status s = rt__result_new(c, 0, RT_INT64, 1, &bins);
    if (s == RT_OK) {
        int64_t *out = (int64_t *)c->r[0].t->data;
        memset(out, 0, (size_t)bins * sizeof *out);
        count_values(out, bins, (const int64_t *)(const void *)index->data,
                     index->numel);
    }
    return s;
}

RT_KERNEL(bincount)
{
    rt_tensor *self = rt__arg(c, 0), *index = NULL;
    int64_t bins = c->a[2].i;
    if (self->ndim != 1) {
        return rt_fail(c->err, RT_E_SHAPE,
                       "bincount: expected a vector, got %d dimensions",
                       self->ndim);
    }
    if (bins < 0) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "bincount: minlength must not be negative, got %lld",
                       (long long)bins);
    }
    rt_status s = rt__index_dense(&index, self, "the input", c->name, c->err);
    if (s == RT_OK) {
        s = check_bins(c, (int64_t *)index->data, index->numel, &bins);
    }
    if (s == RT_OK) {
        s = rt__arg(c, 1) ? count_weighted(c, index, bins)
                          : count_plain(c, index, bins);
    }
    rt_release(index);
    return s;
}

/* --- searchsorted --------------------------------------------------------- */

/* Values looked up by one piece, and those that are looked up side by side: a
 * step of each waits for memory while the others go on. */
enum { SEARCHES = 2048, TOGETHER = 8 };

typedef struct searching {
    const rt_tensor *values;    /* dense, of any type */
    const char *sequence;       /* dense double, or int64_t for `whole` */
    int64_t *out;
    int64_t n, each;            /* of a sequence; values that look in one */
    bool right, whole;
} searching;

/* How many of a[0..n) come before v (right: or are v); NaN comes after all
 * numbers, so all of those come before it. Without branches. */
#define SEARCH(name, type, BEFORE)                                             \
    static void name(int64_t *out, const type *a, int64_t n, const type *v,    \
                     int many)                                                 \
    {                                                                          \
        int64_t low[TOGETHER] = {0};                                           \
        int64_t left = n;                                                      \
        for (; left > 1; left -= left / 2) {                                   \
            int64_t half = left / 2;                                           \
            for (int k = 0; k < many; k++) {                                   \
                low[k] += -(int64_t)(a[low[k] + half - 1] BEFORE v[k]) & half; \
            }                                                                  \
        }                                                                      \
        for (int k = 0; k < many; k++) {                                       \
            out[k] = low[k] + (left > 0 && a[low[k]] BEFORE v[k]);             \
        }                                                                      \
    }
SEARCH(search_left, double, <)
SEARCH(search_right, double, <=)
SEARCH(search_whole_left, int64_t, <)
SEARCH(search_whole_right, int64_t, <=)

/* Up to TOGETHER values that look in one sequence. */
static void search_some(const searching *s, int64_t first, int many,
                        const void *values)
{
    int64_t *out = s->out + first, row = first / s->each * s->n;
    const double *a = (const double *)(const void *)s->sequence + row;
    const int64_t *w = (const int64_t *)(const void *)s->sequence + row;
    const double *v = values;
    if (s->whole) {
        (s->right ? search_whole_right : search_whole_left)(out, w, s->n,
                                                            values, many);
        return;
    }
    bool nan = false;
    for (int k = 0; k < many; k++) {
        nan |= isnan(v[k]);
    }
    if (!nan) {
        (s->right ? search_right : search_left)(out, a, s->n, v, many);
        return;
    }
    for (int k = 0; k < many; k++) {
        double most = INFINITY;
        bool is_nan = isnan(v[k]);
        (s->right || is_nan ? search_right : search_left)(
            out + k, a, s->n, is_nan ? &most : v + k, 1);
    }
}

static void search_range(void *ctx, int64_t begin, int64_t end)
{
    const searching *s = ctx;
    union { double f; int64_t i; } v[SEARCHES];
    rt_dtype d = s->values->dtype, to = s->whole ? RT_INT64 : RT_FLOAT64;
    int64_t size = (int64_t)rt_dtype_size(d);
    RT_ISA_TABLE(convert)->fn[d][to]((char *)v, sizeof *v,
                                     s->values->data + begin * size, size,
                                     end - begin);
    for (int64_t i = begin; i < end;) {
        int64_t many = s->each - i % s->each;
        many = many < end - i ? many : end - i;
        for (; many > 0; many -= TOGETHER) {
            int now = many < TOGETHER ? (int)many : TOGETHER;
            search_some(s, i, now, &v[i - begin]);
            i += now;
        }
    }
}

static rt_status check_sequence(rt__call *c)
{
    rt_tensor *a = rt__arg(c, 0), *v = rt__arg(c, 1);
    char sa[96], sv[96];
    bool fits = a->ndim == 1 || (a->ndim > 1 && a->ndim == v->ndim);
    for (int d = 0; fits && a->ndim > 1 && d < a->ndim - 1; d++) {
        fits = a->shape[d] == v->shape[d];
    }
    if (fits) {
        return RT_OK;
    }
    rt__shape_format(sa, sizeof sa, a->ndim, a->shape);
    rt__shape_format(sv, sizeof sv, v->ndim, v->shape);
    return rt_fail(c->err, RT_E_SHAPE,
                   "searchsorted: the sorted sequence must be a vector or "
                   "agree with the values in all but the last dimension, got "
                   "%s and %s", sa, sv);
}

RT_KERNEL(searchsorted)
{
    rt_tensor *a = NULL, *v = NULL;
    rt_tensor *sequence = rt__arg(c, 0), *values = rt__arg(c, 1);
    searching job = {.right = c->a[2].i != 0};
    job.whole = !rt_dtype_is_floating(sequence->dtype)
                && !rt_dtype_is_floating(values->dtype);
    rt_status s = check_sequence(c);
    if (s == RT_OK) {
        s = rt__dense_as(&a, sequence, job.whole ? RT_INT64 : RT_FLOAT64,
                         c->name, c->err);
    }
    if (s == RT_OK) {
        s = rt__dense(&v, values, c->name, c->err);
    }
    if (s == RT_OK) {
        s = rt__result_new(c, 0, RT_INT64, v->ndim, v->shape);
    }
    if (s == RT_OK && v->numel > 0) {
        job.values = v;
        job.sequence = a->data;
        job.out = (int64_t *)c->r[0].t->data;
        job.n = a->shape[a->ndim - 1];
        job.each = a->ndim > 1 ? v->shape[v->ndim - 1] : v->numel;
        if (!rt__parallel(v->numel, SEARCHES, search_range, &job)) {
            s = rt__interrupted(c->name, c->err);
        }
    }
    rt_release(a);
    rt_release(v);
    return s;
}

/* SPDX-License-Identifier: MIT
 *
 * Reductions. Operands are brought into dense rows (or kept as columns where
 * that is faster); rows are cut into blocks by their length alone, so that the
 * number of threads never shows in a result.
 */
#include "runtime/ops/cpu/reduce.h"

#include "runtime/base/pool.h"
#include "runtime/ops/cpu/elementwise.h"
#include "runtime/ops/cpu/move.h"
#include "runtime/ops/infer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 16384      /* elements of a row that one task reduces */
#define LEAST_FOLDED 32  /* elements of a row of several to a result */

static bool is_half(rt_dtype d)
{
    return d == RT_FLOAT16 || d == RT_BFLOAT16;
}

/* --- layout -------------------------------------------------------------- */

/* Kept dimensions first, reduced ones last. */
static rt_status reduced_last(rt_tensor **out, rt_tensor *t,
                              const bool *reduced, rt_error *err)
{
    int64_t shape[RT_MAX_DIMS], strides[RT_MAX_DIMS];
    int n = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int d = 0; d < t->ndim; d++) {
            if (reduced[d] == (pass == 1)) {
                shape[n] = t->shape[d];
                strides[n++] = t->strides[d];
            }
        }
    }
    return rt__tensor_over(out, t->storage, (rt_dtype)t->dtype, n, shape,
                           strides, t->offset, err);
}

/* Sizes before, in and after the reduced dimensions; false when these are not
 * neighbours. */
static bool split(const rt_tensor *t, const bool *reduced, int64_t *size)
{
    int part = 0;
    size[0] = size[1] = size[2] = 1;
    for (int d = 0; d < t->ndim; d++) {
        if (t->shape[d] == 1) {
            continue;
        }
        if (reduced[d] && part == 0) {
            part = 1;
        } else if (!reduced[d] && part == 1) {
            part = 2;
        } else if (reduced[d] && part == 2) {
            return false;
        }
        /* Next to a size of 0 the others may be any numbers. */
        size[part] = (int64_t)((uint64_t)size[part] * (uint64_t)t->shape[d]);
    }
    return true;
}

rt_status rt__rows_of(rt__rows *rows, const char *name, rt_tensor *t,
                      const bool *reduced, rt_dtype dtype, bool columns,
                      rt_error *err)
{
    int64_t size[3];
    rt_tensor *seen = NULL;
    rt_status s = RT_OK;
    rows->dtype = is_half(dtype) ? RT_FLOAT32 : dtype;
    rows->owned = NULL;
    bool neighbours = split(t, reduced, size);
    if (neighbours && (size[2] == 1 || columns)) {
        seen = rt_retain(t);
    } else {
        s = reduced_last(&seen, t, reduced, err);
        if (neighbours) {
            size[0] *= size[2];
        } else {
            size[0] = size[1] = 1;
            for (int d = 0; d < t->ndim; d++) {
                size[reduced[d]] *= t->shape[d];
            }
        }
        size[2] = 1;
    }
    if (s == RT_OK) {
        s = rt__contiguous_as(&rows->owned, seen, rows->dtype, name, err);
        rt_release(seen);
    }
    if (s == RT_OK) {
        rows->data = rows->owned->data;
        rows->outer = size[0];
        rows->length = size[1];
        rows->inner = size[2];
    }
    return s;
}

/* --- one pass over rows -------------------------------------------------- */

typedef struct pass {
    rt__rows rows;
    rt_tensor *folded;     /* NULL, or a tensor whose last dimensions are what
                              a row is: see fold_rows */
    rt__axes axes;
    rt__row_reduction kind;
    double m;              /* or what sums are divided by */
    int64_t blocks;        /* of a row */
    rt__sum *sums;         /* [outer][blocks] */
    int64_t whole;         /* elements that make one of its results */
    float *results;        /* NULL, or where sums of short rows go instead */
} pass;

/* Sums of short rows of float32: a piece writes results itself. */
static void sum_short_rows(void *ctx, int64_t begin, int64_t end)
{
    enum { ONCE = 64 };
    pass *p = ctx;
    int64_t length = p->rows.length;
    const float *x = (const float *)(const void *)p->rows.data;
    double sums[ONCE];
    for (int64_t i = begin; i < end; i += ONCE) {
        int64_t n = end - i < ONCE ? end - i : ONCE;
        RT_ISA_TABLE(reduce)->sums(x + i * length, n, length, sums);
        for (int64_t k = 0; k < n; k++) {
            if (p->results) {
                double v = sums[k];   /* dividing takes as long as adding */
                p->results[i + k] = (float)(p->m == 1 ? v : v / p->m);
            } else {
                p->sums[i + k].f = sums[k];
            }
        }
    }
}

static bool are_short(const pass *p)
{
    return p->kind == RT_RED_sum && p->rows.dtype == RT_FLOAT32 &&
           p->rows.length <= RT_SHORT_ROW;
}

static void run_blocks(void *ctx, int64_t begin, int64_t end)
{
    pass *p = ctx;
    const rt__rows *r = &p->rows;
    int64_t size = (int64_t)rt_dtype_size(r->dtype);
    if (are_short(p)) {
        sum_short_rows(p, begin, end);
        return;
    }
    for (int64_t i = begin; i < end; i++) {
        int64_t row = i / p->blocks, from = i % p->blocks * BLOCK;
        int64_t n = r->length - from < BLOCK ? r->length - from : BLOCK;
        RT_ISA_TABLE(reduce)->row[p->kind][r->dtype](
            r->data + (row * r->length + from) * size, n, p->m, &p->sums[i]);
        if (p->sums[i].j >= 0) {
            p->sums[i].j += from;
        }
    }
}

static bool better(rt__row_reduction kind, bool floats, const rt__sum *a,
                   const rt__sum *b)
{
    if (floats) {
        return isnan(b->f)                  ? false
               : isnan(a->f)                ? true
               : kind == RT_RED_largest     ? a->f > b->f
                                            : a->f < b->f;
    }
    return kind == RT_RED_largest ? a->i > b->i : a->i < b->i;
}

static void join(const pass *p, rt__sum *into, const rt__sum *next)
{
    bool floats = rt_dtype_is_floating(p->rows.dtype);
    switch (p->kind) {
    case RT_RED_largest:
    case RT_RED_smallest:
        if (better(p->kind, floats, next, into)) {
            *into = *next;
        }
        break;
    case RT_RED_product:
        into->f *= next->f;
        into->i = (int64_t)((uint64_t)into->i * (uint64_t)next->i);
        break;
    default:
        into->f += next->f;
        into->i = (int64_t)((uint64_t)into->i + (uint64_t)next->i);
    }
}

/* Dense tensors reduced over dimensions that are not neighbours, but over the
 * last: these make rows, found where they are, and fold_rows joins what comes
 * of them. False when copying is better. */
static bool rows_to_fold(pass *p, rt_tensor *t, rt_dtype dtype)
{
    const bool *reduced = p->axes.reduced;
    int64_t size[3], length = 1, all = 1;
    if (t->dtype != dtype || is_half(dtype) || t->numel == 0 ||
        !(t->flags & RT_F_CONTIGUOUS) || split(t, reduced, size)) {
        return false;
    }
    for (int d = t->ndim - 1; d >= 0 && (reduced[d] || t->shape[d] == 1); d--) {
        length *= t->shape[d];
    }
    if (length < LEAST_FOLDED) {
        return false;
    }
    for (int d = 0; d < t->ndim; d++) {
        all *= reduced[d] ? t->shape[d] : 1;
    }
    p->rows = (rt__rows){rt_retain(t), dtype, t->data, t->numel / length,
                         length, 1};
    p->folded = t;
    p->whole = all;
    return true;
}

/* Joins the rows whose reduced dimensions differ, in order: sums[k] is read
 * before it is written, for a result never comes after its rows. */
static void fold_rows(pass *p)
{
    const rt_tensor *t = p->folded;
    int64_t results = t->numel / p->whole;
    for (int64_t i = 0; i < p->rows.outer; i++) {
        int64_t at = i * p->rows.length, step = 1, k = 0, again = 0;
        for (int d = t->ndim - 1; d >= 0; d--) {
            int64_t place = at % t->shape[d];
            at /= t->shape[d];
            if (p->axes.reduced[d]) {
                again += place;
            } else {
                k += place * step;
                step *= t->shape[d];
            }
        }
        if (again) {
            join(p, &p->sums[k], &p->sums[i]);
        } else {
            p->sums[k] = p->sums[i];
        }
    }
    p->rows.outer = results;
    p->rows.length = p->whole;
}

/* Reduces all rows into p->sums[0..outer); frees nothing. */
static rt_status run_pass(pass *p, const char *name, rt_error *err)
{
    const rt__rows *r = &p->rows;
    if (!RT_ISA_TABLE(reduce)->row[p->kind][r->dtype]) {
        return rt_fail(err, RT_E_DTYPE, "%s: not defined for %s", name,
                       rt_dtype_name(r->dtype));
    }
    p->blocks = r->length > BLOCK ? (r->length + BLOCK - 1) / BLOCK : 1;
    int64_t tasks = r->outer * p->blocks;
    int64_t cost = r->length < BLOCK ? r->length : BLOCK;
    p->sums = rt_alloc((size_t)(tasks ? tasks : 1) * sizeof *p->sums);
    if (!p->sums) {
        return rt_fail(err, RT_E_MEMORY, "%s: not enough memory", name);
    }
    memset(p->sums, 0, (size_t)tasks * sizeof *p->sums);
    if (!rt__parallel(tasks, BLOCK / (cost + 16) + 1, run_blocks, p)) {
        return rt_fail(err, RT_E_INTERRUPT, "%s: interrupted", name);
    }
    for (int64_t i = 0; p->blocks > 1 && i < r->outer; i++) {
        rt__sum s = p->sums[i * p->blocks];
        for (int64_t b = 1; b < p->blocks; b++) {
            join(p, &s, &p->sums[i * p->blocks + b]);
        }
        p->sums[i] = s;
    }
    if (p->folded) {
        fold_rows(p);
    }
    return RT_OK;
}

static void end_pass(pass *p)
{
    rt_free(p->sums);
    rt_release(p->rows.owned);
}

/* Stores number i of every row into result k; floats through `f`, given the
 * row length. */
static void store(rt__call *c, int k, const pass *p,
                  double (*f)(double v, double n, const rt__call *c))
{
    rt_tensor *out = c->r[k].t;
    rt_dtype d = (rt_dtype)out->dtype;
    int64_t size = (int64_t)rt_dtype_size(d);
    bool floats = rt_dtype_is_floating(p->rows.dtype);
    for (int64_t i = 0; i < p->rows.outer; i++) {
        const rt__sum *s = &p->sums[i];
        if (floats && !f && d == RT_FLOAT32) {
            ((float *)(void *)out->data)[i] = (float)s->f;
        } else if (floats) {
            double v = f ? f(s->f, (double)p->rows.length, c) : s->f;
            rt__store_float(d, out->data + i * size, v);
        } else {
            rt__store_int(d, out->data + i * size, s->i);
        }
    }
}

static rt_status sum_short(pass *p, rt__call *c, double divisor)
{
    p->m = divisor;
    p->results = (float *)(void *)c->r[0].t->data;
    int64_t rows = 2 * BLOCK / (p->rows.length + 16) + 1;
    bool whole = rt__parallel(p->rows.outer, rows, sum_short_rows, p);
    return whole ? RT_OK : rt__interrupted(c->name, c->err);
}

static rt_status start(rt__call *c, pass *p, rt_dtype dtype)
{
    *p = (pass){.kind = RT_RED_COUNT};
    rt_status s = rt__axes_of(c, &p->axes);
    if (s != RT_OK || rows_to_fold(p, c->a[0].t, dtype)) {
        return s;
    }
    return rt__rows_of(&p->rows, c->name, c->a[0].t, p->axes.reduced, dtype,
                       false, c->err);
}

static rt_status reduce(rt__call *c, rt__row_reduction kind, rt_dtype dtype,
                        double (*f)(double v, double n, const rt__call *c))
{
    pass p;
    rt_status s = start(c, &p, dtype);
    if (s == RT_OK) {
        p.kind = kind;
        s = are_short(&p) && !p.folded && c->r[0].t->dtype == RT_FLOAT32
                ? sum_short(&p, c, f ? (double)p.rows.length : 1)
                : run_pass(&p, c->name, c->err);
    }
    if (s == RT_OK && p.sums) {
        store(c, 0, &p, f);
    }
    end_pass(&p);
    return s;
}

/* --- sums ---------------------------------------------------------------- */

/* Columns are added in float64 from sums of ROW_RUN rows in the element type:
 * those are written in the order of the elements, then joined. */
#define ROW_RUN 64

typedef struct column_job {
    const rt__rows *rows;
    rt_tensor *out;
    double scale;
    int64_t bands;        /* of RT_COLUMNS columns */
    int64_t runs;         /* of ROW_RUN rows */
    char *sums;           /* [outer][runs][inner]; NULL: one run is all */
} column_job;

/* Where a band begins, and how wide it is. */
static int64_t band_of(const column_job *j, int64_t i, int *width)
{
    int64_t from = i % j->bands * RT_COLUMNS, left = j->rows->inner - from;
    *width = left < RT_COLUMNS ? (int)left : RT_COLUMNS;
    return from;
}

/* Sums of a band to the result. */
static void join_band(const column_job *j, int64_t outer, int64_t from,
                      int width, const char *sums)
{
    const rt__rows *r = j->rows;
    rt_dtype d = (rt_dtype)j->out->dtype;
    int64_t size = (int64_t)rt_dtype_size(r->dtype);
    int64_t to = (int64_t)rt_dtype_size(d);
    double total[RT_COLUMNS] = {0};
    for (int64_t i = 0; i < j->runs && !rt__stops_at(i | (ROW_RUN - 1));
         i += ROW_RUN) {
        int64_t n = j->runs - i < ROW_RUN ? j->runs - i : ROW_RUN;
        RT_ISA_TABLE(reduce)->column_join[r->dtype](
            total, sums + i * r->inner * size, n, r->inner, width);
    }
    for (int w = 0; w < width; w++) {
        total[w] *= j->scale;
    }
    RT_ISA_TABLE(convert)->fn[RT_FLOAT64][d](
        j->out->data + (outer * r->inner + from) * to, to, (char *)total, 8,
        width);
}

static void sum_runs(void *ctx, int64_t begin, int64_t end)
{
    const column_job *j = ctx;
    const rt__rows *r = j->rows;
    int64_t size = (int64_t)rt_dtype_size(r->dtype);
    double one[RT_COLUMNS];
    for (int64_t i = begin; i < end; i++) {
        int width;
        int64_t from = band_of(j, i, &width), run = i / j->bands;
        int64_t outer = run / j->runs, row = run % j->runs * ROW_RUN;
        int64_t rows = r->length - row < ROW_RUN ? r->length - row : ROW_RUN;
        char *sums = j->sums ? j->sums + (run * r->inner + from) * size
                             : (char *)one;
        RT_ISA_TABLE(reduce)->column_sum[r->dtype](
            r->data + ((outer * r->length + row) * r->inner + from) * size,
            rows, r->inner, width, sums);
        if (!j->sums) {
            join_band(j, outer, from, width, sums);
        }
    }
}

static void join_runs(void *ctx, int64_t begin, int64_t end)
{
    const column_job *j = ctx;
    const rt__rows *r = j->rows;
    int64_t size = (int64_t)rt_dtype_size(r->dtype);
    for (int64_t i = begin; i < end; i++) {
        int width;
        int64_t from = band_of(j, i, &width), outer = i / j->bands;
        join_band(j, outer, from, width,
                  j->sums + (outer * j->runs * r->inner + from) * size);
    }
}

static rt_status run_columns(column_job *j, const char *name, rt_error *err)
{
    const rt__rows *r = j->rows;
    j->bands = (r->inner + RT_COLUMNS - 1) / RT_COLUMNS;
    j->runs = r->length > ROW_RUN ? (r->length + ROW_RUN - 1) / ROW_RUN : 1;
    int64_t pieces = r->outer * j->runs, width = r->inner / j->bands + 1;
    if (j->runs > 1) {
        j->sums = rt_alloc((size_t)(pieces * r->inner) *
                           rt_dtype_size(r->dtype));
        if (!j->sums) {
            return rt_fail(err, RT_E_MEMORY, "%s: not enough memory", name);
        }
    }
    int64_t rows = r->length < ROW_RUN ? r->length : ROW_RUN;
    bool whole = rt__parallel(pieces * j->bands, BLOCK / (rows * width + 1) + 1,
                              sum_runs, j);
    if (whole && j->sums) {
        whole = rt__parallel(r->outer * j->bands,
                             BLOCK / (j->runs * width + 1) + 1, join_runs, j);
    }
    rt_free(j->sums);
    return whole ? RT_OK : rt__interrupted(name, err);
}

/* Floats summed over dimensions that are not the last: column by column.
 * *done tells whether this was such a case. */
static rt_status sum_columns(rt__call *c, rt_dtype dtype, bool mean, bool *done)
{
    rt__axes axes;
    rt__rows rows;
    int64_t size[3];
    *done = false;
    rt_status s = rt__axes_of(c, &axes);
    if (s != RT_OK || !rt_dtype_is_floating(dtype) ||
        !split(c->a[0].t, axes.reduced, size) || size[2] < 16) {
        return s;
    }
    s = rt__rows_of(&rows, c->name, c->a[0].t, axes.reduced, dtype, true,
                    c->err);
    if (s == RT_OK) {
        *done = true;
        column_job j = {.rows = &rows, .out = c->r[0].t,
                        .scale = mean ? 1 / (double)rows.length : 1};
        s = run_columns(&j, c->name, c->err);
    }
    rt_release(rows.owned);
    return s;
}

static double divide(double v, double n, const rt__call *c)
{
    return v / n;
}

static rt_status sum(rt__call *c, bool mean)
{
    bool done;
    rt_dtype d = (rt_dtype)c->r[0].t->dtype;
    /* Narrow integers are added as they are, into 64 bits. */
    rt_dtype own = (rt_dtype)c->a[0].t->dtype;
    rt_dtype compute = d == RT_INT64 && !rt_dtype_is_floating(own) ? own : d;
    rt_status s = sum_columns(c, compute, mean, &done);
    return done || s != RT_OK ? s
                              : reduce(c, RT_RED_sum, compute,
                                       mean ? divide : NULL);
}

RT_KERNEL(sum)
{
    return sum(c, false);
}

RT_KERNEL(mean)
{
    return sum(c, true);
}

RT_KERNEL(prod)
{
    return reduce(c, RT_RED_product, (rt_dtype)c->r[0].t->dtype, NULL);
}

/* --- extremes, truth ----------------------------------------------------- */

static rt_status extreme(rt__call *c, rt__row_reduction kind, int values,
                         int indices)
{
    pass p;
    rt_status s = start(c, &p, (rt_dtype)c->a[0].t->dtype);
    if (s == RT_OK) {
        p.kind = kind;
        s = run_pass(&p, c->name, c->err);
    }
    if (s == RT_OK && values >= 0) {
        store(c, values, &p, NULL);
    }
    if (s == RT_OK && indices >= 0) {
        int64_t *out = (int64_t *)(void *)c->r[indices].t->data;
        for (int64_t i = 0; i < p.rows.outer; i++) {
            out[i] = p.sums[i].j;
        }
    }
    end_pass(&p);
    return s;
}

RT_KERNEL(max)
{
    return extreme(c, RT_RED_largest, 0, -1);
}

RT_KERNEL(min)
{
    return extreme(c, RT_RED_smallest, 0, -1);
}

RT_KERNEL(amax)
{
    return extreme(c, RT_RED_largest, 0, -1);
}

RT_KERNEL(amin)
{
    return extreme(c, RT_RED_smallest, 0, -1);
}

RT_KERNEL(max_dim)
{
    return extreme(c, RT_RED_largest, 0, 1);
}

RT_KERNEL(min_dim)
{
    return extreme(c, RT_RED_smallest, 0, 1);
}

RT_KERNEL(argmax)
{
    return extreme(c, RT_RED_largest, -1, 0);
}

RT_KERNEL(argmin)
{
    return extreme(c, RT_RED_smallest, -1, 0);
}

static rt_status truth(rt__call *c, bool all)
{
    pass p;
    rt_status s = start(c, &p, (rt_dtype)c->a[0].t->dtype);
    if (s == RT_OK) {
        p.kind = RT_RED_nonzero;
        s = run_pass(&p, c->name, c->err);
    }
    for (int64_t i = 0; s == RT_OK && i < p.rows.outer; i++) {
        int64_t n = p.sums[i].i;
        c->r[0].t->data[i] = all ? n == p.rows.length : n > 0;
    }
    end_pass(&p);
    return s;
}

RT_KERNEL(all)
{
    return truth(c, true);
}

RT_KERNEL(any)
{
    return truth(c, false);
}

/* --- norms --------------------------------------------------------------- */

static double root(double v, double n, const rt__call *c)
{
    return sqrt(v);
}

static double any_root(double v, double n, const rt__call *c)
{
    return pow(v, 1 / rt__arg_float(c, 1));
}

/* inf and -inf: the extreme of the absolute values. */
static rt_status extreme_norm(rt__call *c, rt__row_reduction kind)
{
    rt_tensor *absolute = NULL, *self = c->a[0].t;
    rt_status s = rt__tensor_like(&absolute, self, (rt_dtype)self->dtype,
                                  c->err);
    if (s == RT_OK) {
        s = rt__elementwise(c->name, RT_EW_abs, (rt_dtype)self->dtype, absolute,
                            &self, 1, NULL, c->err);
    }
    if (s == RT_OK) {
        rt_value *given = c->a, a[RT_MAX_ARGS];
        memcpy(a, given, 4 * sizeof *a);
        a[0].t = absolute;
        c->a = a;
        s = extreme(c, kind, 0, -1);
        c->a = given;
    }
    rt_release(absolute);
    return s;
}

static rt_status count_norm(rt__call *c)
{
    pass p;
    rt_status s = start(c, &p, (rt_dtype)c->a[0].t->dtype);
    if (s == RT_OK) {
        p.kind = RT_RED_nonzero;
        s = run_pass(&p, c->name, c->err);
    }
    for (int64_t i = 0; s == RT_OK && i < p.rows.outer; i++) {
        p.sums[i].f = (double)p.sums[i].i;
    }
    if (s == RT_OK) {
        store(c, 0, &p, NULL);
    }
    end_pass(&p);
    return s;
}

static rt_status power_norm(rt__call *c, double power)
{
    pass p;
    rt_status s = start(c, &p, (rt_dtype)c->r[0].t->dtype);
    if (s == RT_OK) {
        p.kind = RT_RED_powers;
        p.m = power;
        s = run_pass(&p, c->name, c->err);
    }
    if (s == RT_OK) {
        store(c, 0, &p, any_root);
    }
    end_pass(&p);
    return s;
}

RT_KERNEL(norm)
{
    rt_dtype d = (rt_dtype)c->r[0].t->dtype;
    double power = rt__arg_given(c, 1) ? rt__arg_float(c, 1) : 2;
    if (power == 2) {
        return reduce(c, RT_RED_squares, d, root);
    }
    if (power == 1) {
        return reduce(c, RT_RED_absolutes, d, NULL);
    }
    if (power == 0) {
        return count_norm(c);
    }
    if (isinf(power)) {
        return extreme_norm(c, power > 0 ? RT_RED_largest : RT_RED_smallest);
    }
    return power_norm(c, power);
}

/* --- two passes a row ---------------------------------------------------- */

typedef struct row_job {
    rt__rows rows;
    rt_tensor *out;
    double (*row)(const struct row_job *j, const char *x);
    double correction;
    bool root;
} row_job;

/* One kernel over a row, block by block. */
static double over_row(const row_job *j, const char *x, rt__row_reduction kind,
                       double m)
{
    int64_t n = j->rows.length, size = (int64_t)rt_dtype_size(j->rows.dtype);
    rt__sum s = {.f = 0};
    double total = kind == RT_RED_largest ? -INFINITY : 0;
    for (int64_t from = 0; from < n; from += BLOCK) {
        int64_t len = n - from < BLOCK ? n - from : BLOCK;
        if (n > BLOCK && rt_interrupted()) {
            break;
        }
        RT_ISA_TABLE(reduce)->row[kind][j->rows.dtype](x + from * size, len, m,
                                                       &s);
        if (kind != RT_RED_largest) {
            total += s.f;
        } else if (s.f > total || isnan(s.f)) {
            total = s.f;
        }
    }
    return total;
}

static void run_rows(void *ctx, int64_t begin, int64_t end)
{
    const row_job *j = ctx;
    rt_dtype d = (rt_dtype)j->out->dtype;
    int64_t row = j->rows.length * (int64_t)rt_dtype_size(j->rows.dtype);
    for (int64_t i = begin; i < end; i++) {
        rt__store_float(d, j->out->data + i * (int64_t)rt_dtype_size(d),
                        j->row(j, j->rows.data + i * row));
    }
}

static rt_status by_rows(rt__call *c, row_job *j)
{
    rt__axes axes;
    j->out = c->r[0].t;
    rt_status s = rt__axes_of(c, &axes);
    if (s == RT_OK) {
        s = rt__rows_of(&j->rows, c->name, c->a[0].t, axes.reduced,
                        (rt_dtype)j->out->dtype, false, c->err);
    }
    if (s == RT_OK && !rt__parallel(j->rows.outer,
                                    BLOCK / (j->rows.length + 16) + 1,
                                    run_rows, j)) {
        s = rt__interrupted(c->name, c->err);
    }
    rt_release(j->rows.owned);
    return s;
}

/* The mean is rounded to the element type inside the second pass; what that
 * loses is taken back through the sum of deviations. */
static double variance(const row_job *j, const char *x)
{
    double n = (double)j->rows.length;
    double mean = over_row(j, x, RT_RED_sum, 0) / n;
    double squares = over_row(j, x, RT_RED_squares, mean);
    double off = over_row(j, x, RT_RED_deviations, mean);
    double left = n - j->correction;
    double v = (squares - off * off / n) / (left > 0 ? left : 0);
    return j->root ? sqrt(v) : v;
}

static rt_status spread(rt__call *c, bool take_root)
{
    row_job j = {.row = variance, .root = take_root};
    j.correction = rt__arg_given(c, 4) ? (double)rt__arg_int(c, 4)
                                       : (double)(c->a[2].i != 0);
    return by_rows(c, &j);
}

RT_KERNEL(var)
{
    return spread(c, false);
}

RT_KERNEL(std)
{
    return spread(c, true);
}

static double log_sum_exp(const row_job *j, const char *x)
{
    double best = over_row(j, x, RT_RED_largest, 0);
    if (isinf(best)) {
        return best;     /* inf wins; -inf: all terms are zero */
    }
    return best + log(over_row(j, x, RT_RED_exponentials, best));
}

RT_KERNEL(logsumexp)
{
    row_job j = {.row = log_sum_exp};
    return by_rows(c, &j);
}

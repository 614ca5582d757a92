/* SPDX-License-Identifier: MIT
 *
 * Indexing along one dimension: gather, scatter, index_select, index_add,
 * embedding; and the composites masked_select and take.
 */
#include "runtime/ops/cpu/gather.h"

#include "runtime/base/pool.h"
#include "runtime/ops/cpu/move.h"

#include <stdatomic.h>
#include <string.h>

#define GRAIN 16384

/* --- gather and scatter ------------------------------------------------------
 * Both walk the positions of `index` in C order, row by row over its last
 * dimension. `t` is the tensor reached through the index, `s` the other one
 * (gather: written, scatter: read), laid out like index or a single number. */
typedef struct walk {
    const rt_tensor *t, *s, *index;
    const int64_t *v;            /* index values, dense and checked */
    int dim;
    bool scatter, add;
    size_t size;
} walk;

static rt_status index_misfit(rt__call *c, const rt_tensor *t,
                              const char *what, const rt_tensor *index, int dim)
{
    char a[96], b[96];
    rt__shape_format(a, sizeof a, t->ndim, t->shape);
    rt__shape_format(b, sizeof b, index->ndim, index->shape);
    rt_fail(c->err, RT_E_SHAPE,
            "%s: index of shape %s does not fit %s of shape %s along dimension "
            "%d", c->name, b, what, a, dim);
    rt__error_shapes(c->err, t, index);
    rt_error_help(c->err, "index has as many dimensions as the tensor, and is "
                          "nowhere larger except along dim");
    return RT_E_SHAPE;
}

/* index->shape[d] <= t->shape[d] for every d but `except`. */
static rt_status check_index_shape(rt__call *c, const rt_tensor *t,
                                   const char *what, const rt_tensor *index,
                                   int dim, int except)
{
    int tn = t->ndim > 0 ? t->ndim : 1, in = index->ndim > 0 ? index->ndim : 1;
    if (index->numel == 0) {
        return RT_OK;
    }
    if (tn != in) {
        return index_misfit(c, t, what, index, dim);
    }
    for (int d = 0; d < tn; d++) {
        int64_t i = index->ndim > 0 ? index->shape[d] : 1;
        if (d != except && i > (t->ndim > 0 ? t->shape[d] : 1)) {
            return index_misfit(c, t, what, index, dim);
        }
    }
    return RT_OK;
}

/* The message for entry `first` of the index. */
static rt_status refuse_value(rt__call *c, const int64_t *v, int64_t first,
                              int64_t size, int dim)
{
    rt_fail(c->err, RT_E_INDEX,
            "%s: index %lld is out of bounds for dimension %d with size %lld "
            "(entry %lld of the index)", c->name, (long long)v[first], dim,
            (long long)size, (long long)first);
    rt_error_help(c->err, size > 0 ? "valid indices are 0 to %lld"
                                   : "the dimension is empty",
                  (long long)(size - 1));
    return RT_E_INDEX;
}

typedef struct checking {
    const int64_t *v;
    int64_t size;
    atomic_bool bad;
} checking;

static void check_range(void *ctx, int64_t begin, int64_t end)
{
    checking *k = ctx;
    if (!RT_ISA_TABLE(gather)->within(k->v + begin, end - begin, 0, k->size)) {
        k->bad = true;
    }
}

static rt_status check_values(rt__call *c, const int64_t *v, int64_t n,
                              int64_t size, int dim)
{
    checking k = {.v = v, .size = size};
    if (n > 0 && !rt__parallel(n, 2 * GRAIN, check_range, &k)) {
        return rt__interrupted(c->name, c->err);
    }
    for (int64_t i = 0; k.bad && i < n; i++) {
        if (v[i] < 0 || v[i] >= size) {
            return refuse_value(c, v, i, size, dim);
        }
    }
    return RT_OK;
}

/* Offsets in t (without the indexed dimension) and s of a row's start. */
static void row_offsets(const walk *w, int64_t row, int64_t *ot, int64_t *os)
{
    *ot = *os = 0;
    for (int d = w->index->ndim - 2; d >= 0; d--) {
        int64_t at = row % w->index->shape[d];
        row /= w->index->shape[d];
        *ot += d == w->dim ? 0 : at * w->t->strides[d];
        *os += w->s->ndim == 0 ? 0 : at * w->s->strides[d];
    }
}

static void move_one(const walk *w, char *t, char *s)
{
    if (!w->scatter) {
        memcpy(s, t, w->size);
    } else if (w->add) {
        rt__add_row(w->t->dtype, t, s, 1);
    } else {
        memcpy(t, s, w->size);
    }
}

#define WALK_ROW(TYPE, STATEMENT)                                              \
    do {                                                                       \
        TYPE *t = (TYPE *)w->t->data + ot, *s = (TYPE *)w->s->data + os;       \
        for (int64_t i = 0; i < width; i++) {                                  \
            TYPE *tp = t + v[i] * by_index + i * by_place, *sp = s + i * ss;   \
            STATEMENT;                                                         \
        }                                                                      \
    } while (0)

/* Along a dense last dimension, in order. */
static void add_floats(float *t, const float *s, const int64_t *v, int64_t n)
{
    for (; n >= 4; n -= 4, v += 4, s += 4) {
        t[v[0]] += s[0];
        t[v[1]] += s[1];
        t[v[2]] += s[2];
        t[v[3]] += s[3];
    }
    for (int64_t i = 0; i < n; i++) {
        t[v[i]] += s[i];
    }
}

static void walk_row(const walk *w, int64_t row)
{
    int last = w->index->ndim - 1;
    int64_t width = last >= 0 ? w->index->shape[last] : 1, ot, os;
    int64_t st = w->t->ndim > 0 ? w->t->strides[w->dim] : 1;
    int64_t ss = w->s->ndim > 0 ? w->s->strides[last] : 0;
    int64_t by_index = st;
    int64_t by_place = last < 0 || last == w->dim ? 0 : w->t->strides[last];
    const int64_t *v = w->v + row * width;
    row_offsets(w, row, &ot, &os);
    if (!w->scatter && by_index == 1 && by_place == 0 && ss == 1) {
        RT_ISA_TABLE(gather)->pick[__builtin_ctz((unsigned)w->size)](
            w->s->data + os * (int64_t)w->size,
            w->t->data + ot * (int64_t)w->size, v, width);
    } else if (w->size == 4 && !w->scatter) {
        WALK_ROW(uint32_t, *sp = *tp);
    } else if (w->size == 8 && !w->scatter) {
        WALK_ROW(uint64_t, *sp = *tp);
    } else if (w->size == 4 && !w->add) {
        WALK_ROW(uint32_t, *tp = *sp);
    } else if (w->size == 8 && !w->add) {
        WALK_ROW(uint64_t, *tp = *sp);
    } else if (w->add && w->t->dtype == RT_FLOAT32 && by_index == 1
               && by_place == 0 && ss == 1) {
        add_floats((float *)w->t->data + ot, (const float *)w->s->data + os, v,
                   width);
    } else if (w->add && w->t->dtype == RT_FLOAT32) {
        WALK_ROW(float, *tp += *sp);
    } else if (w->add && w->t->dtype == RT_FLOAT64) {
        WALK_ROW(double, *tp += *sp);
    } else {
        char *t = w->t->data + ot * (int64_t)w->size;
        char *s = w->s->data + os * (int64_t)w->size;
        for (int64_t i = 0; i < width; i++) {
            int64_t at = v[i] * by_index + i * by_place;
            move_one(w, t + at * (int64_t)w->size,
                     s + i * ss * (int64_t)w->size);
        }
    }
}

static void walk_rows(void *ctx, int64_t begin, int64_t end)
{
    for (int64_t row = begin; row < end; row++) {
        walk_row(ctx, row);
    }
}

/* Rows go in parallel where they cannot write to the same place: always for
 * gather, along the last dimension for scatter. */
static rt_status run_walk(rt__call *c, const walk *w)
{
    int last = w->index->ndim - 1;
    int64_t width = last >= 0 ? w->index->shape[last] : 1;
    if (w->index->numel == 0) {
        return RT_OK;
    }
    int64_t rows = w->index->numel / width;
    bool apart = !w->scatter || w->dim == last || last < 0;
    int64_t grain = apart ? GRAIN / width + 1 : rows;
    if (!rt__parallel(rows, grain, walk_rows, (void *)w)) {
        return rt__interrupted(c->name, c->err);
    }
    return RT_OK;
}

RT_INFER(gather)
{
    rt_tensor *self = rt__arg(c, 0), *index = rt__arg(c, 2);
    int dim;
    rt_status s = rt__wrap_dim(&dim, c->a[1].i, self->ndim, c->name, c->err);
    if (s == RT_OK) {
        s = check_index_shape(c, self, "the tensor", index, dim, dim);
    }
    return s == RT_OK ? rt__result_new(c, 0, self->dtype, index->ndim,
                                       index->shape)
                      : s;
}

RT_KERNEL(gather)
{
    rt_tensor *self = rt__arg(c, 0), *index = NULL;
    int dim;
    rt_status s = rt__wrap_dim(&dim, c->a[1].i, self->ndim, c->name, c->err);
    if (s == RT_OK) {
        s = rt__index_dense(&index, rt__arg(c, 2), "index", c->name, c->err);
    }
    if (s != RT_OK) {
        return s;
    }
    const int64_t *v = (const int64_t *)index->data;
    s = check_values(c, v, index->numel,
                     self->ndim > 0 ? self->shape[dim] : 1, dim);
    if (s == RT_OK) {
        walk w = {.t = self, .s = c->r[0].t, .index = index, .v = v,
                  .dim = dim, .size = rt_dtype_size(self->dtype)};
        s = run_walk(c, &w);
    }
    rt_release(index);
    return s;
}

RT_INFER(inplace_scatter)
{
    rt_tensor *self = rt__arg(c, 0), *index = rt__arg(c, 2);
    rt_tensor *src = rt__arg(c, 3);
    int dim;
    rt_status s = rt__wrap_dim(&dim, c->a[1].i, self->ndim, c->name, c->err);
    if (s == RT_OK) {
        s = check_index_shape(c, self, "the tensor", index, dim, dim);
    }
    if (s == RT_OK && !(src->flags & RT_F_WRAPPED)) {
        s = check_index_shape(c, src, "src", index, dim, -1);
        if (s == RT_OK && src->dtype != self->dtype) {
            rt_fail(c->err, RT_E_DTYPE,
                    "%s: src is %s but the tensor is %s", c->name,
                    rt_dtype_name(src->dtype), rt_dtype_name(self->dtype));
            rt_error_help(c->err, "convert it with .to(%s)",
                          rt_dtype_name(self->dtype));
            s = RT_E_DTYPE;
        }
    }
    if (s == RT_OK) {
        s = rt__check_writable(self, c->name, c->err);
    }
    return s == RT_OK ? rt__result_steal(c, 0, rt_retain(self)) : s;
}

/* src as it can be read while self is written. */
static rt_status apart_from(rt_tensor **out, rt__call *c, rt_tensor *src,
                            rt_tensor *self)
{
    if (rt_tensor_shares_storage(src, self)) {
        rt_tensor *view = NULL;
        rt_status s = rt_tensor_new(&view, src->dtype, src->ndim, src->shape,
                                    c->err);
        if (s == RT_OK) {
            s = rt__move(view, src, c->name, c->err);
        }
        *out = view;
        return s;
    }
    if (src->dtype != self->dtype) {
        return rt__dense_as(out, src, self->dtype, c->name, c->err);
    }
    *out = rt_retain(src);
    return RT_OK;
}

static rt_status scatter(rt__call *c, bool add)
{
    rt_tensor *self = rt__arg(c, 0), *index = NULL, *src = NULL;
    int dim;
    rt_status s = rt__wrap_dim(&dim, c->a[1].i, self->ndim, c->name, c->err);
    if (s == RT_OK) {
        s = rt__index_dense(&index, rt__arg(c, 2), "index", c->name, c->err);
    }
    if (s == RT_OK) {
        s = check_values(c, (const int64_t *)index->data, index->numel,
                         self->ndim > 0 ? self->shape[dim] : 1, dim);
    }
    if (s == RT_OK) {
        s = apart_from(&src, c, rt__arg(c, 3), self);
    }
    if (s == RT_OK) {
        walk w = {self, src, index, (const int64_t *)index->data, dim, true,
                  add, rt_dtype_size(self->dtype)};
        s = run_walk(c, &w);
    }
    rt_release(index);
    rt_release(src);
    return s;
}

RT_KERNEL(scatter_)
{
    return scatter(c, false);
}

RT_KERNEL(scatter_add_)
{
    return scatter(c, true);
}

/* A clone of self, changed by the in-place op with the same arguments. */
static rt_status on_a_copy(rt__call *c, rt_op_id id)
{
    rt_tensor *copy = NULL;
    rt_status s = rt__op1(RT_OP_clone, &copy, c->err, 1, c->a[0]);
    if (s == RT_OK) {
        s = rt__op0(id, c->err, 4, RT_V_TENSOR(copy), c->a[1], c->a[2],
                    c->a[3]);
    }
    if (s != RT_OK) {
        rt_release(copy);
        return s;
    }
    return rt__result_steal(c, 0, copy);
}

RT_KERNEL(scatter)
{
    return on_a_copy(c, RT_OP_scatter_);
}

RT_KERNEL(scatter_add)
{
    return on_a_copy(c, RT_OP_scatter_add_);
}

/* --- index_select, embedding ---------------------------------------------- */

typedef struct rows {
    const char *src;
    char *dst;
    const int64_t *v;
    int64_t n, size, inner;   /* indices, rows of src, bytes of a row */
} rows;

/* Slices of t along dim by dense indices, which it checks, into out (dense). */
static rt_status select_rows(rt__call *c, rt_tensor *t, int dim,
                             const rt_tensor *index, rt_tensor *out)
{
    rt_tensor *dense = NULL;
    int64_t first;
    rt_status s = rt__dense(&dense, t, c->name, c->err);
    if (s != RT_OK) {
        return s;
    }
    int64_t inner = t->ndim == 0 ? 1 : rt__product(t->shape, dim + 1, t->ndim);
    rt__row_gather r = {
        .src = dense->data, .dst = out->data,
        .v = (const int64_t *)index->data,
        .outer = rt__product(t->shape, 0, dim), .n = index->numel,
        .size = t->ndim == 0 ? 1 : t->shape[dim],
        .inner = inner * (int64_t)rt_dtype_size(t->dtype)};
    s = rt__gather_rows(&r, &first, c->name, c->err);
    if (s == RT_E_INDEX) {
        refuse_value(c, r.v, first, r.size, dim);
    }
    rt_release(dense);
    return s;
}

static rt_status check_vector(rt__call *c, const rt_tensor *index)
{
    if (index->ndim > 1) {
        return rt_fail(c->err, RT_E_SHAPE,
                       "%s: index must be a vector, got %d dimensions",
                       c->name, index->ndim);
    }
    return RT_OK;
}

RT_INFER(index_select)
{
    rt_tensor *self = rt__arg(c, 0), *index = rt__arg(c, 2);
    int64_t shape[RT_MAX_DIMS];
    int dim;
    rt_status s = rt__wrap_dim(&dim, c->a[1].i, self->ndim, c->name, c->err);
    if (s == RT_OK) {
        s = check_vector(c, index);
    }
    if (s != RT_OK) {
        return s;
    }
    if (self->ndim == 0 && index->numel != 1) {
        return rt_fail(c->err, RT_E_SHAPE,
                       "index_select: a tensor without dimensions takes one "
                       "index, got %lld", (long long)index->numel);
    }
    memcpy(shape, self->shape, (size_t)self->ndim * sizeof *shape);
    shape[dim] = index->numel;
    return rt__result_new(c, 0, self->dtype, self->ndim, shape);
}

RT_KERNEL(index_select)
{
    rt_tensor *self = rt__arg(c, 0), *index = NULL;
    int dim;
    rt_status s = rt__wrap_dim(&dim, c->a[1].i, self->ndim, c->name, c->err);
    if (s == RT_OK) {
        s = rt__index_dense(&index, rt__arg(c, 2), "index", c->name, c->err);
    }
    if (s == RT_OK) {
        s = select_rows(c, self, dim, index, c->r[0].t);
    }
    rt_release(index);
    return s;
}

RT_INFER(embedding)
{
    rt_tensor *weight = rt__arg(c, 0), *index = rt__arg(c, 1);
    int64_t shape[RT_MAX_DIMS + 1];
    if (weight->ndim != 2) {
        return rt_fail(c->err, RT_E_SHAPE,
                       "embedding: weight must be [num_embeddings, "
                       "embedding_dim], got %d dimensions", weight->ndim);
    }
    if (rt__arg_given(c, 2) && (c->a[2].i < -weight->shape[0] ||
                                c->a[2].i >= weight->shape[0])) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "embedding: padding_idx %lld is outside the %lld "
                       "embeddings", (long long)c->a[2].i,
                       (long long)weight->shape[0]);
    }
    memcpy(shape, index->shape, (size_t)index->ndim * sizeof *shape);
    shape[index->ndim] = weight->shape[1];
    return rt__result_new(c, 0, weight->dtype, index->ndim + 1, shape);
}

RT_KERNEL(embedding)
{
    rt_tensor *weight = rt__arg(c, 0), *index = NULL;
    rt_status s = rt__index_dense(&index, rt__arg(c, 1), "indices", c->name,
                                  c->err);
    if (s == RT_OK) {
        s = select_rows(c, weight, 0, index, c->r[0].t);
    }
    rt_release(index);
    return s;
}

/* --- index_add_ ----------------------------------------------------------- */

RT_INFER(inplace_index_add)
{
    rt_tensor *self = rt__arg(c, 0), *index = rt__arg(c, 2);
    rt_tensor *source = rt__arg(c, 3);
    int dim;
    char a[96], b[96];
    rt_status s = rt__wrap_dim(&dim, c->a[1].i, self->ndim, c->name, c->err);
    if (s == RT_OK) {
        s = check_vector(c, index);
    }
    if (s == RT_OK) {
        s = rt__check_writable(self, c->name, c->err);
    }
    if (s != RT_OK) {
        return s;
    }
    bool fits = source->ndim == self->ndim && source->dtype == self->dtype;
    for (int d = 0; fits && d < self->ndim; d++) {
        fits = source->shape[d] == (d == dim ? index->numel : self->shape[d]);
    }
    if (!fits) {
        rt__shape_format(a, sizeof a, source->ndim, source->shape);
        rt__shape_format(b, sizeof b, self->ndim, self->shape);
        rt_fail(c->err, RT_E_SHAPE,
                "%s: source %s %s does not fit %s %s with %lld indices along "
                "dimension %d", c->name, rt_dtype_name(source->dtype), a,
                rt_dtype_name(self->dtype), b, (long long)index->numel, dim);
        rt_error_help(c->err, "source has the tensor's dtype and shape, with "
                              "one slice an index along dim");
        return RT_E_SHAPE;
    }
    return rt__result_steal(c, 0, rt_retain(self));
}

/* Adds rows into dense memory in the order of the indices. Threads share the
 * columns, never the order, so that sums are always taken the same way. */
typedef struct adding {
    const rows *r;
    char *dst;
    int64_t outer, each;     /* elements of a row */
    rt_dtype dtype;
    size_t size;
} adding;

#define COLUMNS 64           /* elements: one line of the cache or more */
#define SHORT_ROW 64         /* elements: no columns to share */
#define NO_CALL 8            /* elements that a call would take longer for */

static void add_range(void *ctx, int64_t begin, int64_t end)
{
    const adding *a = ctx;
    const rows *r = a->r;
    int64_t from = begin * COLUMNS, to = end * COLUMNS;
    to = to < a->each ? to : a->each;
    int64_t at = from * (int64_t)a->size;
    for (int64_t i = 0; i < a->outer * r->n; i++) {
        char *block = a->dst + i / r->n * r->size * r->inner;
        if (i % 4096 == 4095 && rt_interrupted()) {
            return;
        }
        rt__add_row(a->dtype, block + r->v[i % r->n] * r->inner + at,
                    r->src + i * r->inner + at, to - from);
    }
}

#define ADD_SHORT(TYPE)                                                        \
    for (int64_t i = 0; i < r->n; i++) {                                       \
        TYPE *to = (TYPE *)(void *)block + r->v[i] * a->each;                  \
        const TYPE *from = (const TYPE *)(const void *)src + i * a->each;      \
        for (int64_t k = 0; k < a->each; k++) {                                \
            to[k] = (TYPE)(to[k] + from[k]);                                   \
        }                                                                      \
    }                                                                          \
    break

/* Whole blocks, of short rows. */
static void add_blocks(void *ctx, int64_t begin, int64_t end)
{
    const adding *a = ctx;
    const rows *r = a->r;
    for (int64_t o = begin; o < end; o++) {
        char *block = a->dst + o * r->size * r->inner;
        const char *src = r->src + o * r->n * r->inner;
        switch (a->each <= NO_CALL ? a->dtype : RT_DTYPE_NONE) {
        case RT_FLOAT32: ADD_SHORT(float);
        case RT_FLOAT64: ADD_SHORT(double);
        case RT_INT32: ADD_SHORT(uint32_t);
        case RT_INT64: ADD_SHORT(uint64_t);
        default:
            for (int64_t i = 0; i < r->n; i++) {
                rt__add_row(a->dtype, block + r->v[i] * r->inner,
                            src + i * r->inner, a->each);
            }
        }
    }
}

static rt_status add_rows(rt__call *c, char *dst, const rows *r, int64_t outer,
                          rt_dtype dtype)
{
    size_t size = rt_dtype_size(dtype);
    adding a = {r, dst, outer, r->inner / (int64_t)size, dtype, size};
    if (outer > 1 && a.each <= SHORT_ROW && r->n * a.each <= GRAIN) {
        return rt__parallel(outer, GRAIN / (r->n * a.each + 1) + 1, add_blocks,
                            &a)
                   ? RT_OK
                   : rt__interrupted(c->name, c->err);
    }
    int64_t blocks = (a.each + COLUMNS - 1) / COLUMNS;
    bool small = outer * r->n * a.each < 2 * GRAIN;
    if (!rt__parallel(blocks, small ? blocks : 1, add_range, &a) ||
        rt_interrupted()) {
        return rt__interrupted(c->name, c->err);
    }
    return RT_OK;
}

RT_KERNEL(index_add_)
{
    rt_tensor *self = rt__arg(c, 0), *index = NULL, *src = NULL, *work = NULL;
    int dim;
    rt_status s = rt__wrap_dim(&dim, c->a[1].i, self->ndim, c->name, c->err);
    if (s == RT_OK) {
        s = rt__index_dense(&index, rt__arg(c, 2), "index", c->name, c->err);
    }
    if (s == RT_OK) {
        s = check_values(c, (const int64_t *)index->data, index->numel,
                         self->ndim > 0 ? self->shape[dim] : 1, dim);
    }
    if (s == RT_OK) {
        s = apart_from(&work, c, rt__arg(c, 3), self);
    }
    if (s == RT_OK) {
        s = rt__dense(&src, work, c->name, c->err);
    }
    rt_release(work);
    work = NULL;
    if (s == RT_OK) {
        s = rt__dense(&work, self, c->name, c->err);
    }
    if (s == RT_OK && src->numel > 0) {
        rows r = {src->data, NULL, (const int64_t *)index->data, index->numel,
                  self->ndim > 0 ? self->shape[dim] : 1,
                  (self->ndim > 0
                       ? rt__product(self->shape, dim + 1, self->ndim)
                       : 1) * (int64_t)rt_dtype_size(self->dtype)};
        s = add_rows(c, work->data, &r, rt__product(self->shape, 0, dim),
                     self->dtype);
    }
    if (s == RT_OK && work != self) {
        s = rt__move(self, work, c->name, c->err);
    }
    rt_release(index);
    rt_release(src);
    rt_release(work);
    return s;
}

/* --- composites ----------------------------------------------------------- */

RT_KERNEL(masked_select)
{
    rt_tensor *self = rt__arg(c, 0), *mask = rt__arg(c, 1);
    rt_tensor *a = NULL, *m = NULL, *out = NULL;
    int64_t shape[RT_MAX_DIMS];
    int64_t minus_one = -1;
    int ndim;
    if (mask->dtype != RT_BOOL) {
        rt_fail(c->err, RT_E_DTYPE, "masked_select: the mask must be bool, got "
                "%s", rt_dtype_name(mask->dtype));
        rt_error_help(c->err, "compare first, as in x[x > 0]");
        return RT_E_DTYPE;
    }
    rt_status s = rt__broadcast(&ndim, shape, self, mask, c->name, c->err);
    if (s == RT_OK) {
        s = rt__op1(RT_OP_expand, &a, c->err, 2, c->a[0],
                    RT_V_INTS(shape, ndim));
    }
    if (s == RT_OK) {
        s = rt__op1(RT_OP_expand, &m, c->err, 2, c->a[1],
                    RT_V_INTS(shape, ndim));
    }
    if (s == RT_OK && ndim == 0) {
        rt_tensor *a0 = a, *m0 = m;
        a = m = NULL;
        s = rt__op1(RT_OP_reshape, &a, c->err, 2, RT_V_TENSOR(a0),
                    RT_V_INTS(&minus_one, 1));
        if (s == RT_OK) {
            s = rt__op1(RT_OP_reshape, &m, c->err, 2, RT_V_TENSOR(m0),
                        RT_V_INTS(&minus_one, 1));
        }
        rt_release(a0);
        rt_release(m0);
    }
    if (s == RT_OK) {
        s = rt__op1(RT_OP_index, &out, c->err, 2, RT_V_TENSOR(a),
                    RT_V_TENSORS(&m, 1));
    }
    rt_release(a);
    rt_release(m);
    return s == RT_OK ? rt__result_steal(c, 0, out) : s;
}

RT_KERNEL(take)
{
    rt_tensor *flat = NULL, *out = NULL, *index = rt__arg(c, 1);
    int64_t minus_one = -1;
    if (!rt_dtype_is_integral(index->dtype, false)) {
        return rt_fail(c->err, RT_E_DTYPE,
                       "take: index must hold integers, got %s",
                       rt_dtype_name(index->dtype));
    }
    rt_status s = rt__op1(RT_OP_reshape, &flat, c->err, 2, c->a[0],
                          RT_V_INTS(&minus_one, 1));
    if (s == RT_OK) {
        s = rt__op1(RT_OP_index, &out, c->err, 2, RT_V_TENSOR(flat),
                    RT_V_TENSORS(&index, 1));
    }
    rt_release(flat);
    return s == RT_OK ? rt__result_steal(c, 0, out) : s;
}

/* SPDX-License-Identifier: MIT
 * Advanced indexing that writes: index_put_ by a plan, or by a mask alone.
 */
#include "runtime/ops/cpu/index.h"

#include <string.h>

#include "runtime/base/pool.h"
#include "runtime/ops/cpu/elementwise.h"
#include "runtime/ops/cpu/move.h"

#define GRAIN 16384

typedef struct job {
    const rt__index_plan *p;
    char *self;
    const char *values;
    int64_t piece;   /* bytes from row to row of values, 0: all the same */
    rt_dtype dtype;
    bool accumulate;
} job;

static void put_one(const job *j, char *dst, const char *src)
{
    if (j->accumulate) {
        rt__add_row(j->dtype, dst, src, 1);
    } else {
        memcpy(dst, src, j->p->size);
    }
}

#define PUT(TYPE, SIGN)                                                        \
    do {                                                                       \
        TYPE *dst = (TYPE *)(void *)self;                                      \
        for (int64_t i = 0; i < n; i++, src += j->piece) {                     \
            dst[index[i]] SIGN *(const TYPE *)(const void *)src;               \
        }                                                                      \
    } while (0)

/* n single elements, in their order. */
static void put_elements(const job *j, char *self, const int64_t *index,
                         const char *src, int64_t n)
{
    int64_t size = (int64_t)j->p->size;
    if (j->accumulate && j->dtype == RT_FLOAT32) {
        PUT(float, +=);
    } else if (j->accumulate && j->dtype == RT_FLOAT64) {
        PUT(double, +=);
    } else if (!j->accumulate && size == 4) {
        PUT(uint32_t, =);
    } else if (!j->accumulate && size == 8) {
        PUT(uint64_t, =);
    } else {
        for (int64_t i = 0; i < n; i++) {
            put_one(j, self + index[i] * size, src + i * j->piece);
        }
    }
}

/* Columns [from, from + n) of a row. */
static void put_columns(const job *j, int64_t to, const char *src, int64_t from,
                        int64_t n)
{
    const rt__index_plan *p = j->p;
    int64_t size = (int64_t)p->size;
    char *row = j->self + to * size;
    src += from * size;
    if (p->after) {
        for (int64_t k = 0; k < n; k++) {
            put_one(j, row + p->after[from + k] * size, src + k * size);
        }
    } else if (j->accumulate) {
        rt__add_row(j->dtype, row + from * size, src, n);
    } else {
        memcpy(row + from * size, src, (size_t)(n * size));
    }
}

/* Duplicate indices may meet in one place: one thread has all that can meet,
 * in its order, so that the last value wins and sums are always taken in the
 * same order. Threads share the blocks and the columns of rows. */
#define COLUMNS 64

static int64_t columns_of(const rt__index_plan *p)
{
    return p->na < 2 * COLUMNS ? p->na : COLUMNS;
}

static void put_range(void *ctx, int64_t begin, int64_t end)
{
    const job *j = ctx;
    const rt__index_plan *p = j->p;
    int64_t width = columns_of(p), parts = (p->na + width - 1) / width;
    while (begin < end) {
        int64_t block = begin / parts, part = begin % parts;
        int64_t many = parts - part < end - begin ? parts - part : end - begin;
        int64_t from = part * width, to = (part + many) * width;
        to = to < p->na ? to : p->na;
        begin += many;
        for (int64_t i = 0; i < p->n; i += 4096) {
            int64_t last = p->n - i < 4096 ? p->n : i + 4096;
            const char *src = j->values + (block * p->n + i) * j->piece;
            if (i > 0 && rt_interrupted()) {
                return;
            }
            if (p->na == 1) {
                put_elements(j, j->self + p->before[block] * (int64_t)p->size,
                             p->index + i, src, last - i);
                continue;
            }
            for (int64_t k = i; k < last; k++, src += j->piece) {
                put_columns(j, p->before[block] + p->index[k], src, from,
                            to - from);
            }
        }
    }
}

/* One value for all elements: whoever writes it, in whatever order. */
#define SAME(bits)                                                             \
    do {                                                                       \
        uint##bits##_t v, *dst = (uint##bits##_t *)(void *)self;               \
        memcpy(&v, j->values, sizeof v);                                       \
        for (int64_t i = begin; i < end; i++) {                                \
            __atomic_store_n(dst + j->p->index[i], v, __ATOMIC_RELAXED);       \
        }                                                                      \
    } while (0)

static void put_same(const void *ctx, int64_t block, int64_t begin,
                     int64_t end)
{
    const job *j = ctx;
    char *self = j->self + j->p->before[block] * (int64_t)j->p->size;
    switch (j->p->size) {
    case 1:
        SAME(8);
        break;
    case 2:
        SAME(16);
        break;
    case 4:
        SAME(32);
        break;
    default:
        SAME(64);
    }
}

static void put_same_range(void *ctx, int64_t begin, int64_t end)
{
    const job *j = ctx;
    rt__index_each_block(j->p, j, begin, end, put_same);
}

static rt_status put_all(rt__call *c, const job *j)
{
    const rt__index_plan *p = j->p;
    int64_t width = columns_of(p), parts = (p->na + width - 1) / width;
    bool same = j->piece == 0 && p->na == 1 && !j->accumulate;
    if (same) {
        rt__parallel(p->nb * p->n, GRAIN, put_same_range, (void *)j);
    } else {
        rt__parallel(p->nb * parts, 2 * GRAIN / p->n / width + 1, put_range,
                     (void *)j);
    }
    if (rt_interrupted()) {
        rt__interrupted(c->name, c->err);
        rt_error_help(c->err, "the tensor is partly written");
        return RT_E_INTERRUPT;
    }
    return RT_OK;
}

/* values as dense memory in the plan's shape, or its one element as it is. */
static rt_status read_values(rt__call *c, const rt__index_plan *p,
                             rt_tensor **out)
{
    rt_tensor *self = rt__arg(c, 0), *values = rt__arg(c, 2), *wide = NULL;
    int skip = 0;
    char a[96], b[96];
    while (values->ndim - skip > p->ndim && values->shape[skip] == 1) {
        skip++;
    }
    bool fits = values->ndim - skip <= p->ndim;
    for (int d = skip; fits && d < values->ndim; d++) {
        int64_t want = p->shape[p->ndim - values->ndim + d];
        fits = values->shape[d] == want || values->shape[d] == 1;
    }
    if (!fits) {
        rt__shape_format(a, sizeof a, values->ndim, values->shape);
        rt__shape_format(b, sizeof b, p->ndim, p->shape);
        return rt_fail(c->err, RT_E_SHAPE,
                       "%s: shape mismatch: values of shape %s cannot be "
                       "broadcast to the indexed shape %s", c->name, a, b);
    }
    if (values->numel == 1) {
        return rt__dense_as(out, values, self->dtype, c->name, c->err);
    }
    rt_status s = rt__tensor_over(&wide, values->storage, values->dtype,
                                  values->ndim - skip, values->shape + skip,
                                  values->strides + skip, values->offset,
                                  c->err);
    if (s == RT_OK) {
        rt_tensor *view = wide;
        s = rt__broadcast_view(&wide, view, p->ndim, p->shape, c->err);
        rt_release(view);
    }
    if (s != RT_OK) {
        return s;
    }
    s = rt__dense_as(out, wide, self->dtype, c->name, c->err);
    rt_release(wide);
    if (s == RT_OK && rt_tensor_shares_storage(*out, self)) {
        rt_tensor *copy = NULL;
        s = rt_tensor_from_data(&copy, self->dtype, p->ndim, p->shape,
                                (*out)->data, c->err);
        rt_release(*out);
        *out = copy;
    }
    return s;
}

RT_INFER(inplace_index_put)
{
    rt_tensor *self = rt__arg(c, 0), *values = rt__arg(c, 2);
    if (rt_dtype_is_floating(values->dtype) &&
        !rt_dtype_is_floating(self->dtype) && !(values->flags & RT_F_WRAPPED)) {
        rt_fail(c->err, RT_E_DTYPE,
                "%s: %s values cannot be written into a %s tensor", c->name,
                rt_dtype_name(values->dtype), rt_dtype_name(self->dtype));
        rt_error_help(c->err, "convert one of them with .to(...)");
        return RT_E_DTYPE;
    }
    rt_status s = rt__check_writable(self, c->name, c->err);
    return s == RT_OK ? rt__result_steal(c, 0, rt_retain(self)) : s;
}

/* A row of na times the one value. */
static rt_status repeat_value(rt__call *c, const rt__index_plan *p,
                              rt_tensor **values)
{
    rt_tensor *row = NULL;
    rt_status s = rt_tensor_new(&row, (*values)->dtype, 1, &p->na, c->err);
    if (s == RT_OK) {
        s = rt__fill_pattern(row->data, p->na, p->size, (*values)->data,
                             c->name, c->err);
    }
    if (s != RT_OK) {
        rt_release(row);
        return s;
    }
    rt_release(*values);
    *values = row;
    return RT_OK;
}

static rt_status put_by_plan(rt__call *c)
{
    rt_tensor *self = rt__arg(c, 0), *values = NULL;
    rt__index_plan p;
    rt_status s = rt__index_plan_make(c, &p);
    if (s == RT_OK) {
        s = read_values(c, &p, &values);
    }
    if (s == RT_OK && p.nb * p.n * p.na > 0) {
        job j = {&p, self->data, NULL, p.na * (int64_t)p.size, self->dtype,
                 c->a[3].i != 0};
        if (values->numel == 1) {
            j.piece = 0;
            s = p.na > 1 ? repeat_value(c, &p, &values) : RT_OK;
        }
        j.values = values->data;
        s = s == RT_OK ? put_all(c, &j) : s;
    }
    rt_release(values);
    rt__index_plan_dispose(&p);
    return s;
}

/* The bool mask that is all there is to the index, with the dimension where it
 * starts; NULL: it is not as simple as that. */
static rt_tensor *only_mask(rt__call *c, int *first)
{
    rt_tensor *mask = NULL;
    for (int i = 0; i < c->a[1].count; i++) {
        rt_tensor *t = c->a[1].tensors[i];
        if (t && (mask || t->dtype != RT_BOOL || t->ndim == 0)) {
            return NULL;
        }
        if (t) {
            mask = t;
            *first = i;
        }
    }
    if (mask && mask->ndim + c->a[1].count - 1 > rt__arg(c, 0)->ndim) {
        return NULL;
    }
    return mask;
}

/* One value where a mask holds: written in one pass, without a plan. */
static rt_status put_by_mask(rt__call *c, rt_tensor *mask, int first)
{
    rt_tensor *self = rt__arg(c, 0), *value = NULL, *m = NULL;
    int64_t shape[RT_MAX_DIMS], strides[RT_MAX_DIMS];
    rt_status s = rt__index_check_mask(c, mask, first);
    for (int d = 0; s == RT_OK && d < self->ndim; d++) {
        bool in = d >= first && d < first + mask->ndim;
        shape[d] = in ? mask->shape[d - first] : 1;
        strides[d] = in ? mask->strides[d - first] : 0;
    }
    if (s == RT_OK) {
        s = rt__dense_as(&value, rt__arg(c, 2), self->dtype, c->name, c->err);
    }
    if (s == RT_OK) {
        s = rt__tensor_over(&m, mask->storage, RT_BOOL, self->ndim, shape,
                            strides, mask->offset, c->err);
    }
    if (s == RT_OK) {
        rt_tensor *in[] = {m, value, self};
        s = rt__elementwise(c->name, RT_EW_where, self->dtype, self, in, 3,
                            NULL, c->err);
    }
    rt_release(value);
    rt_release(m);
    return s;
}

RT_KERNEL(index_put_)
{
    int first = 0;
    rt_tensor *values = rt__arg(c, 2), *mask = only_mask(c, &first);
    return mask && values->numel == 1 && values->ndim == 0 && !c->a[3].i
               ? put_by_mask(c, mask, first)
               : put_by_plan(c);
}

RT_KERNEL(index_put)
{
    rt_tensor *copy = NULL;
    rt_status s = rt__op1(RT_OP_clone, &copy, c->err, 1, c->a[0]);
    if (s == RT_OK) {
        s = rt__op0(RT_OP_index_put_, c->err, 4, RT_V_TENSOR(copy), c->a[1],
                    c->a[2], c->a[3]);
    }
    if (s != RT_OK) {
        rt_release(copy);
        return s;
    }
    return rt__result_steal(c, 0, copy);
}

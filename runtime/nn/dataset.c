/* SPDX-License-Identifier: MIT
 * Data sets: rows of tensors, subsets, random splits, and those of a host.
 */
#include "runtime/nn/data.h"

#include <string.h>

/* --- life ----------------------------------------------------------------------- */

rt_status rt_dataset_new(rt_dataset **out, const rt_dataset_class *cls,
                         void *ctx, rt_error *err)
{
    rt_dataset *d = rt_alloc(sizeof *d);
    if (!d) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory", cls->name);
    }
    memset(d, 0, sizeof *d);
    atomic_init(&d->refs, 1);
    d->cls = cls;
    d->ctx = ctx;
    *out = d;
    return RT_OK;
}

rt_dataset *rt_dataset_retain(rt_dataset *d)
{
    if (d) {
        atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
    }
    return d;
}

void rt_dataset_release(rt_dataset *d)
{
    if (!d || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (d->peer.released) {
        d->peer.released(d->peer.object);
    }
    if (d->cls->destroy) {
        d->cls->destroy(d->ctx);
    }
    rt_free(d);
}

rt_peer *rt_dataset_peer(rt_dataset *d)
{
    return &d->peer;
}

int64_t rt_dataset_length(rt_dataset *d)
{
    return d->cls->length(d->ctx);
}

rt_status rt_dataset_get(rt_dataset *d, int64_t index, rt_tensor **fields,
                         int *n, rt_error *err)
{
    int64_t length = rt_dataset_length(d);
    int64_t at = index < 0 ? index + length : index;
    if (at < 0 || at >= length) {
        return rt_fail(err, RT_E_INDEX,
                       "%s: index %lld is outside %lld samples", d->cls->name,
                       (long long)index, (long long)length);
    }
    return d->cls->get(d->ctx, at, fields, n, err);
}

static void drop_fields(rt_tensor **fields, int n)
{
    for (int i = 0; i < n; i++) {
        rt_release(fields[i]);
    }
}

/* --- rows of tensors ----------------------------------------------------------------- */

typedef struct rows {
    int n;
    int64_t length;
    rt_tensor *t[RT_MAX_RESULTS];
} rows;

static int64_t rows_length(void *ctx)
{
    return ((rows *)ctx)->length;
}

static rt_status rows_get(void *ctx, int64_t index, rt_tensor **fields, int *n,
                          rt_error *err)
{
    rows *r = ctx;
    for (int i = 0; i < r->n; i++) {
        rt_status st = rt__op1(RT_OP_select, &fields[i], err, 3,
                               RT_V_TENSOR(r->t[i]), RT_V_INT(0),
                               RT_V_INT(index));
        if (st) {
            drop_fields(fields, i);
            return st;
        }
    }
    *n = r->n;
    return RT_OK;
}

static void rows_destroy(void *ctx)
{
    rows *r = ctx;
    drop_fields(r->t, r->n);
    rt_free(r);
}

static const rt_dataset_class rows_class = {"TensorDataset", rows_length,
                                            rows_get, rows_destroy, true};

static rt_status check_rows(rt_tensor *const *tensors, int n, rt_error *err)
{
    if (n < 1 || n > RT_MAX_RESULTS) {
        return rt_fail(err, RT_E_ARGUMENT, "TensorDataset: takes 1 to %d "
                       "tensors, got %d", RT_MAX_RESULTS, n);
    }
    for (int i = 0; i < n; i++) {
        if (rt_tensor_ndim(tensors[i]) == 0) {
            return rt_fail(err, RT_E_SHAPE, "TensorDataset: tensor %d has no "
                           "dimension to take rows from", i);
        }
        int64_t got = rt_tensor_shape(tensors[i])[0];
        int64_t want = rt_tensor_shape(tensors[0])[0];
        if (got != want) {
            rt_fail(err, RT_E_SHAPE, "TensorDataset: tensor %d has %lld rows, "
                    "tensor 0 has %lld", i, (long long)got, (long long)want);
            rt__error_shapes(err, tensors[0], tensors[i]);
            return RT_E_SHAPE;
        }
    }
    return RT_OK;
}

rt_status rt_tensor_dataset(rt_dataset **out, rt_tensor *const *tensors, int n,
                            rt_error *err)
{
    rt_status st = check_rows(tensors, n, err);
    if (st) {
        return st;
    }
    rows *r = rt_alloc(sizeof *r);
    if (!r) {
        return rt_fail(err, RT_E_MEMORY, "TensorDataset: no memory");
    }
    memset(r, 0, sizeof *r);
    r->n = n;
    r->length = rt_tensor_shape(tensors[0])[0];
    for (int i = 0; i < n; i++) {
        r->t[i] = rt_retain(tensors[i]);
    }
    if ((st = rt_dataset_new(out, &rows_class, r, err))) {
        rows_destroy(r);
    }
    return st;
}

/* --- subsets ------------------------------------------------------------------------------ */

typedef struct subset {
    rt_dataset *of;
    int64_t n;
    int64_t index[];
} subset;

static int64_t subset_length(void *ctx)
{
    return ((subset *)ctx)->n;
}

static rt_status subset_get(void *ctx, int64_t index, rt_tensor **fields,
                            int *n, rt_error *err)
{
    subset *s = ctx;
    return rt_dataset_get(s->of, s->index[index], fields, n, err);
}

static void subset_destroy(void *ctx)
{
    rt_dataset_release(((subset *)ctx)->of);
    rt_free(ctx);
}

static const rt_dataset_class subset_class = {"Subset", subset_length,
                                              subset_get, subset_destroy, true};

rt_status rt_subset(rt_dataset **out, rt_dataset *d, const int64_t *indices,
                    int64_t n, rt_error *err)
{
    int64_t length = rt_dataset_length(d);
    for (int64_t i = 0; i < n; i++) {
        if (indices[i] < -length || indices[i] >= length) {
            return rt_fail(err, RT_E_INDEX, "Subset: index %lld is outside "
                           "%lld samples", (long long)indices[i],
                           (long long)length);
        }
    }
    subset *s = rt_alloc(sizeof *s + (size_t)n * sizeof *indices);
    if (!s) {
        return rt_fail(err, RT_E_MEMORY, "Subset: no memory");
    }
    s->of = rt_dataset_retain(d);
    s->n = n;
    for (int64_t i = 0; i < n; i++) {
        s->index[i] = indices[i] < 0 ? indices[i] + length : indices[i];
    }
    rt_status st = rt_dataset_new(out, &subset_class, s, err);
    if (st) {
        subset_destroy(s);
    }
    return st;
}

rt_status rt_random_split(rt_dataset **out, rt_dataset *d,
                          const int64_t *lengths, int n, rt_generator *g,
                          rt_error *err)
{
    int64_t total = 0, length = rt_dataset_length(d);
    for (int i = 0; i < n; i++) {
        if (lengths[i] < 0 || lengths[i] > length - total) {
            total = -1;
            break;
        }
        total += lengths[i];
    }
    if (total != length) {
        return rt_fail(err, RT_E_ARGUMENT, "random_split: the lengths do not "
                       "add up to the %lld samples", (long long)length);
    }
    rt_tensor *order;
    rt_value gen = {.kind = RT_K_GENERATOR, .g = g};
    rt_status st = rt__op1(RT_OP_randperm, &order, err, 2, RT_V_INT(length),
                           g ? gen : RT_NONE);
    if (st) {
        return st;
    }
    const int64_t *p = rt_tensor_data(order);
    for (int i = 0; i < n && !st; i++) {
        st = rt_subset(&out[i], d, p, lengths[i], err);
        for (int k = 0; st && k < i; k++) {
            rt_dataset_release(out[k]);
        }
        p += lengths[i];
    }
    rt_release(order);
    return st;
}

/* --- batches -------------------------------------------------------------------------------- */

static rt_status rows_batch(rows *r, const int64_t *indices, int64_t count,
                            rt_tensor **fields, int *n, rt_error *err)
{
    rt_tensor *at;
    rt_status st = rt_tensor_from_data(&at, RT_INT64, 1, &count, indices, err);
    if (st) {
        return st;
    }
    for (int i = 0; i < r->n && !st; i++) {
        st = rt__op1(RT_OP_index_select, &fields[i], err, 3,
                     RT_V_TENSOR(r->t[i]), RT_V_INT(0), RT_V_TENSOR(at));
        if (st) {
            drop_fields(fields, i);
        }
    }
    rt_release(at);
    *n = st ? 0 : r->n;
    return st;
}

static rt_status subset_batch(subset *s, const int64_t *indices, int64_t count,
                              rt_tensor **fields, int *n, rt_error *err)
{
    int64_t *mapped = rt_alloc((size_t)(count + 1) * sizeof *mapped);
    if (!mapped) {
        return rt_fail(err, RT_E_MEMORY, "Subset: no memory");
    }
    for (int64_t i = 0; i < count; i++) {
        mapped[i] = s->index[indices[i]];
    }
    rt_status st = rt__dataset_batch(s->of, mapped, count, fields, n, err);
    rt_free(mapped);
    return st;
}

/* samples[i * RT_MAX_RESULTS + k]: field k of sample i. */
static rt_status collect(rt_tensor **samples, int *n, rt_dataset *d,
                         const int64_t *indices, int64_t count, rt_error *err)
{
    for (int64_t i = 0; i < count; i++) {
        int got = 0;
        if (rt_interrupted()) {
            return rt_fail(err, RT_E_INTERRUPT, "%s: interrupted",
                           d->cls->name);
        }
        rt_status st = rt_dataset_get(d, indices[i],
                                      samples + i * RT_MAX_RESULTS, &got, err);
        if (st) {
            return st;
        }
        if (i && got != *n) {
            *n = *n > got ? *n : got;
            return rt_fail(err, RT_E_SHAPE, "%s: sample %lld has %d fields, "
                           "others have another number", d->cls->name,
                           (long long)indices[i], got);
        }
        *n = got;
    }
    return RT_OK;
}

/* One field of all samples, stacked. */
static rt_status stack_field(rt_tensor **out, rt_tensor **samples, int64_t count,
                             int field, rt_error *err)
{
    rt_tensor **column = rt_alloc((size_t)count * sizeof *column);
    if (!column) {
        return rt_fail(err, RT_E_MEMORY, "loader: no memory");
    }
    for (int64_t i = 0; i < count; i++) {
        column[i] = samples[i * RT_MAX_RESULTS + field];
    }
    rt_status st = rt__op1(RT_OP_stack, out, err, 2,
                           RT_V_TENSORS(column, count), RT_V_INT(0));
    rt_free(column);
    return st;
}

static rt_status host_batch(rt_dataset *d, const int64_t *indices,
                            int64_t count, rt_tensor **fields, int *n,
                            rt_error *err)
{
    size_t bytes = (size_t)count * RT_MAX_RESULTS * sizeof(rt_tensor *);
    rt_tensor **samples = rt_alloc(bytes + 1);
    if (!samples) {
        return rt_fail(err, RT_E_MEMORY, "loader: no memory for a batch");
    }
    memset(samples, 0, bytes);
    int width = 0;
    rt_status st = collect(samples, &width, d, indices, count, err);
    for (int k = 0; k < width && !st; k++) {
        st = stack_field(&fields[k], samples, count, k, err);
        if (st) {
            drop_fields(fields, k);
        }
    }
    for (int64_t i = 0; i < count * RT_MAX_RESULTS; i++) {
        rt_release(samples[i]);
    }
    rt_free(samples);
    *n = st ? 0 : width;
    return st;
}

rt_status rt__dataset_batch(rt_dataset *d, const int64_t *indices,
                            int64_t count, rt_tensor **fields, int *n,
                            rt_error *err)
{
    if (d->cls == &rows_class) {
        return rows_batch(d->ctx, indices, count, fields, n, err);
    }
    if (d->cls == &subset_class) {
        return subset_batch(d->ctx, indices, count, fields, n, err);
    }
    return host_batch(d, indices, count, fields, n, err);
}

bool rt__dataset_threadable(const rt_dataset *d)
{
    if (d->cls == &subset_class) {
        return rt__dataset_threadable(((subset *)d->ctx)->of);
    }
    return d->cls->thread_safe;
}

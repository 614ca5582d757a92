/* SPDX-License-Identifier: MIT
 * Collapsing of dimensions, and running an inner loop over what is left.
 */
#include "runtime/ops/iterator.h"

#include "runtime/base/pool.h"

#include <string.h>

#define GRAIN 16384     /* elements a piece of parallel work */

static int64_t magnitude(int64_t v)
{
    return v < 0 ? -v : v;
}

/* Byte strides of operand i, aligned to the output's dimensions from the
 * right; 0 where it is broadcast. Innermost first. */
static void load_strides(rt__iter *it, int i, const rt_tensor *t, int ndim)
{
    int64_t size = (int64_t)rt_dtype_size((rt_dtype)t->dtype);
    for (int d = 0; d < ndim; d++) {
        int own = t->ndim - 1 - d;
        it->strides[i][d] =
            own < 0 || t->shape[own] == 1 ? 0 : t->strides[own] * size;
    }
}

static void move_dim(rt__iter *it, int to, int from)
{
    it->shape[to] = it->shape[from];
    for (int i = 0; i < it->noperands; i++) {
        it->strides[i][to] = it->strides[i][from];
    }
}

static void swap_dims(rt__iter *it, int a, int b)
{
    int64_t shape = it->shape[a];
    it->shape[a] = it->shape[b];
    it->shape[b] = shape;
    for (int i = 0; i < it->noperands; i++) {
        int64_t stride = it->strides[i][a];
        it->strides[i][a] = it->strides[i][b];
        it->strides[i][b] = stride;
    }
}

static void drop_ones(rt__iter *it)
{
    int n = 0;
    for (int d = 0; d < it->ndim; d++) {
        if (it->shape[d] != 1) {
            move_dim(it, n++, d);
        }
    }
    it->ndim = n;
}

/* Insertion sort by the output's strides; equal ones keep their order. */
static void sort_dims(rt__iter *it)
{
    for (int d = 1; d < it->ndim; d++) {
        for (int k = d; k > 0 && magnitude(it->strides[0][k]) <
                                     magnitude(it->strides[0][k - 1]); k--) {
            swap_dims(it, k, k - 1);
        }
    }
}

static bool mergeable(const rt__iter *it, int low, int high)
{
    for (int i = 0; i < it->noperands; i++) {
        if (it->strides[i][high] != it->strides[i][low] * it->shape[low]) {
            return false;
        }
    }
    return true;
}

static void merge_dims(rt__iter *it)
{
    int last = 0;
    for (int d = 1; d < it->ndim; d++) {
        if (mergeable(it, last, d)) {
            it->shape[last] *= it->shape[d];
        } else {
            move_dim(it, ++last, d);
        }
    }
    it->ndim = it->ndim ? last + 1 : 0;
}

void rt__iter_init(rt__iter *it, rt_tensor *const *operands, int n)
{
    const rt_tensor *out = operands[0];
    it->noperands = n;
    it->ndim = out->ndim;
    it->numel = out->numel;
    for (int d = 0; d < out->ndim; d++) {
        it->shape[d] = out->shape[out->ndim - 1 - d];
    }
    for (int i = 0; i < n; i++) {
        it->data[i] = operands[i]->data;
        load_strides(it, i, operands[i], out->ndim);
    }
    drop_ones(it);
    sort_dims(it);
    merge_dims(it);
    if (it->ndim == 0) {
        it->ndim = 1;
        it->shape[0] = out->numel;    /* 1, or 0 for an empty tensor */
        for (int i = 0; i < n; i++) {
            it->strides[i][0] =
                (int64_t)rt_dtype_size((rt_dtype)operands[i]->dtype);
        }
    }
    for (int i = 0; it->ndim == 1 && i < n; i++) {
        it->strides[i][1] = 0;        /* of the one row, where rows are run */
    }
}

/* --- running ------------------------------------------------------------- */

typedef struct job {
    const rt__iter *it;
    rt__inner_fn fn;
    rt__rows_fn rows;
    void *ctx;
} job;

/* Where the element, or from dimension 1 on the row, of this index lies:
 * pointers, and the counter of each dimension. */
static void seek(const rt__iter *it, int first, int64_t index, char **data,
                 int64_t *counter)
{
    for (int i = 0; i < it->noperands; i++) {
        data[i] = it->data[i];
    }
    for (int d = first; d < it->ndim; d++) {
        counter[d] = index % it->shape[d];
        index /= it->shape[d];
        for (int i = 0; i < it->noperands; i++) {
            data[i] += counter[d] * it->strides[i][d];
        }
    }
}

/* To the start of the next row; of the next plane where `first` is 1. */
static void next_row(const rt__iter *it, int first, char **data,
                     int64_t *counter)
{
    for (int i = 0; i < it->noperands; i++) {
        data[i] -= counter[first] * it->strides[i][first];
    }
    counter[first] = 0;
    for (int d = first + 1; d < it->ndim; d++) {
        bool more = ++counter[d] < it->shape[d];
        int64_t steps = more ? 1 : 1 - it->shape[d];
        for (int i = 0; i < it->noperands; i++) {
            data[i] += steps * it->strides[i][d];
        }
        if (more) {
            return;
        }
        counter[d] = 0;
    }
}

static void run_range(void *ctx, int64_t begin, int64_t end)
{
    const job *j = ctx;
    const rt__iter *it = j->it;
    int64_t strides[RT_ITER_OPERANDS], counter[RT_MAX_DIMS];
    char *data[RT_ITER_OPERANDS];
    for (int i = 0; i < it->noperands; i++) {
        strides[i] = it->strides[i][0];
    }
    seek(it, 0, begin, data, counter);
    while (begin < end) {
        int64_t n = it->shape[0] - counter[0];
        n = n < end - begin ? n : end - begin;
        j->fn(j->ctx, data, strides, n);
        begin += n;
        if (begin < end) {
            next_row(it, 0, data, counter);
        }
    }
}

rt_status rt__iter_run(const rt__iter *it, rt__inner_fn fn, void *ctx,
                       const char *name, rt_error *err)
{
    job j = {it, fn, NULL, ctx};
    if (it->numel <= 0) {
        return RT_OK;
    }
    if (it->numel <= GRAIN) {
        run_range(&j, 0, it->numel);
        return RT_OK;
    }
    if (!rt__parallel(it->numel, GRAIN, run_range, &j)) {
        return rt_fail(err, RT_E_INTERRUPT, "%s: interrupted", name);
    }
    return RT_OK;
}

static void run_part_of_row(void *ctx, char *const *data,
                            const int64_t *strides, int64_t n)
{
    const job *j = ctx;
    (void)strides;
    j->rows(j->ctx, data, n, 1);
}

static void run_rows(void *ctx, int64_t begin, int64_t end)
{
    const job *j = ctx;
    const rt__iter *it = j->it;
    int64_t counter[RT_MAX_DIMS];
    char *data[RT_ITER_OPERANDS];
    seek(it, 1, begin, data, counter);
    while (begin < end) {
        int64_t n = it->shape[1] - counter[1];
        n = n < end - begin ? n : end - begin;
        j->rows(j->ctx, data, it->shape[0], n);
        begin += n;
        if (begin < end) {
            next_row(it, 1, data, counter);
        }
    }
}

rt_status rt__iter_run_rows(const rt__iter *it, rt__rows_fn fn, void *ctx,
                            const char *name, rt_error *err)
{
    job j = {it, NULL, fn, ctx};
    if (it->ndim < 2 || it->shape[0] > GRAIN) {
        return rt__iter_run(it, run_part_of_row, &j, name, err);
    }
    if (it->numel <= 0) {
        return RT_OK;
    }
    int64_t rows = it->numel / it->shape[0];
    if (it->numel <= GRAIN) {
        run_rows(&j, 0, rows);
        return RT_OK;
    }
    if (!rt__parallel(rows, GRAIN / it->shape[0], run_rows, &j)) {
        return rt_fail(err, RT_E_INTERRUPT, "%s: interrupted", name);
    }
    return RT_OK;
}

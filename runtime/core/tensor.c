/* SPDX-License-Identifier: MIT
 * Tensors and storages: making, sharing, freeing, asking.
 */
#include "runtime/core/tensor.h"

#include <string.h>

void (*rt__meta_free)(rt_tensor *t);
void (*rt__lodging_left)(rt_tensor *t);

/* --- storage --------------------------------------------------------------- */

void rt__storage_release(rt__storage *s)
{
    if (atomic_load_explicit(&s->refs, memory_order_acquire) != 1 &&
        atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (s->destroy) {
        s->destroy(s->ctx);
    } else {
        rt_free(s->data);
    }
    rt_free(s);
}

static rt__storage *storage_new(size_t bytes)
{
    rt__storage *s = rt_alloc(sizeof *s);
    if (!s) {
        return NULL;
    }
    *s = (rt__storage){.refs = 1, .bytes = bytes, .device = {RT_CPU, -1}};
    s->data = rt_alloc(bytes);
    if (!s->data) {
        rt_free(s);
        return NULL;
    }
    rt__touch_pages(s->data, bytes);
    return s;
}

static inline rt__storage *storage_retain(rt__storage *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

/* --- headers ----------------------------------------------------------------- */

static bool dense_c_order(const rt_tensor *t)
{
    int64_t step = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (t->shape[i] != 1) {
            if (t->strides[i] != step) {
                return t->numel == 0;
            }
            step *= t->shape[i];
        }
    }
    return true;
}

void rt__tensor_refresh(rt_tensor *t)
{
    t->numel = rt__shape_numel(t->ndim, t->shape);
    t->data = (char *)t->storage->data +
              t->offset * (int64_t)rt_dtype_size((rt_dtype)t->dtype);
    if (dense_c_order(t)) {
        t->flags |= RT_F_CONTIGUOUS;
    } else {
        t->flags &= (uint16_t)~RT_F_CONTIGUOUS;
    }
}

/* Points shape and strides at room for ndim of each; false: no memory. */
static bool make_room(rt_tensor *t, int ndim)
{
    t->ndim = (uint8_t)ndim;
    if (ndim <= RT_INLINE_DIMS) {
        t->shape = t->dims;
    } else {
        t->shape = rt_alloc(2 * (size_t)ndim * sizeof *t->shape);
        if (!t->shape) {
            return false;
        }
    }
    t->strides = t->shape + (ndim <= RT_INLINE_DIMS ? RT_INLINE_DIMS : ndim);
    return true;
}

static inline void header_init(rt_tensor *t, rt_dtype dtype)
{
    atomic_init(&t->refs, 1);
    t->dtype = (uint8_t)dtype;
    t->flags = 0;
    t->storage = NULL;
    t->offset = 0;
    t->meta = NULL;
    t->peer = (rt_peer){NULL, NULL};
}

static rt_tensor *header_new(rt_dtype dtype, int ndim)
{
    rt_tensor *t = rt_alloc(sizeof *t + RT_META_BYTES);
    if (!t) {
        return NULL;
    }
    header_init(t, dtype);
    t->flags = RT_F_ROOMY;
    if (!make_room(t, ndim)) {
        rt_free(t);
        return NULL;
    }
    return t;
}

static inline rt__storage *home_of(const rt_tensor *t)
{
    return (rt__storage *)t - 1;
}

/* Frees the header, or gives up its share of the block it lies in. */
static inline void header_free(rt_tensor *t)
{
    if (t->shape != t->dims) {
        rt_free(t->shape);
    }
    if (t->flags & RT_F_JOINED) {
        rt__storage_release(home_of(t));
    } else if (t->flags & RT_F_LODGED) {
        rt__lodging_left(t);
    } else {
        rt_free(t);
    }
}

/* --- joined blocks ----------------------------------------------------------- */

#define JOINED_BYTES 1024     /* elements up to which a tensor is one block */

static void lies_inside(void *ctx)
{
}

/* Where the elements of a joined tensor begin, from the start of the block. */
static inline size_t joined_head(int ndim)
{
    size_t head = sizeof(rt__storage) + offsetof(rt_tensor, dims) +
                  2 * sizeof(int64_t) * (size_t)ndim;
    return (head + 63) & ~(size_t)63;
}

/* Storage, header and room for elements; shape and strides are not filled. */
static inline rt_tensor *joined_new(rt_dtype dtype, int ndim, size_t bytes)
{
    size_t head = joined_head(ndim);
    rt__storage *s = rt_alloc(head + bytes);
    if (!s) {
        return NULL;
    }
    *s = (rt__storage){.refs = 1, .bytes = bytes, .device = {RT_CPU, -1},
                       .data = (char *)s + head, .destroy = lies_inside};
    rt_tensor *t = (rt_tensor *)(s + 1);
    header_init(t, dtype);
    t->ndim = (uint8_t)ndim;
    t->shape = t->dims;
    t->strides = t->dims + ndim;
    t->storage = s;
    t->data = s->data;
    t->flags = RT_F_CONTIGUOUS | RT_F_JOINED;
    return t;
}

static inline bool joins(int ndim, size_t bytes)
{
    return bytes <= JOINED_BYTES && ndim <= RT_INLINE_DIMS;
}

/* The same in two or three blocks. */
static rt_tensor *apart_new(rt_dtype dtype, int ndim, size_t bytes)
{
    rt_tensor *t = header_new(dtype, ndim);
    rt__storage *s = t ? storage_new(bytes) : NULL;
    if (!s) {
        if (t) {
            header_free(t);
        }
        return NULL;
    }
    t->storage = s;
    t->data = s->data;
    t->flags |= RT_F_CONTIGUOUS;
    return t;
}

static rt_status no_memory(rt_error *err, int ndim, const int64_t *shape,
                           rt_dtype dtype, int64_t numel)
{
    char text[128];
    rt__shape_format(text, sizeof text, ndim, shape);
    double gib = (double)numel * (double)rt_dtype_size(dtype) / (1 << 30);
    rt_fail(err, RT_E_MEMORY,
            "tensor: not enough memory for a %s tensor of shape %s (%.3g GiB)",
            rt_dtype_name(dtype), text, gib);
    rt_error_help(err, "use a smaller shape or dtype, or free tensors that are "
                       "no longer needed");
    return RT_E_MEMORY;
}

rt_status rt__tensor_beside(rt_tensor **out, const rt_tensor *of,
                            rt_error *err)
{
    rt_dtype dtype = (rt_dtype)of->dtype;
    int ndim = of->ndim;
    size_t bytes = (size_t)of->numel * rt_dtype_size(dtype);
    rt_tensor *t = joins(ndim, bytes) ? joined_new(dtype, ndim, bytes)
                                      : apart_new(dtype, ndim, bytes);
    if (!t) {
        return no_memory(err, ndim, of->shape, dtype, of->numel);
    }
    t->numel = of->numel;
    int64_t step = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        t->shape[i] = of->shape[i];
        t->strides[i] = step;
        step *= of->shape[i] > 1 ? of->shape[i] : 1;
    }
    *out = t;
    return RT_OK;
}

static rt_status check_shape(int64_t *numel, rt_dtype dtype, int ndim,
                             const int64_t *shape, rt_error *err)
{
    char text[160];
    if (ndim < 0 || ndim > RT_MAX_DIMS) {
        return rt_fail(err, RT_E_SHAPE,
                       "tensor: %d dimensions, expected at most %d", ndim,
                       RT_MAX_DIMS);
    }
    for (int i = 0; i < ndim; i++) {
        if (shape[i] < 0) {
            return rt_fail(err, RT_E_SHAPE,
                           "tensor: negative size %lld in shape %s",
                           (long long)shape[i],
                           rt__shape_format(text, sizeof text, ndim, shape));
        }
    }
    int64_t bytes;
    *numel = rt__shape_numel(ndim, shape);
    if (*numel < 0 || __builtin_mul_overflow(
                          *numel, (int64_t)rt_dtype_size(dtype), &bytes)) {
        return rt_fail(err, RT_E_MEMORY,
                       "tensor: shape %s has more elements than memory has "
                       "addresses",
                       rt__shape_format(text, sizeof text, ndim, shape));
    }
    return RT_OK;
}

rt_status rt_tensor_new(rt_tensor **out, rt_dtype dtype, int ndim,
                        const int64_t *shape, rt_error *err)
{
    int64_t numel;
    rt_status status = check_shape(&numel, dtype, ndim, shape, err);
    if (status) {
        return status;
    }
    size_t bytes = (size_t)numel * rt_dtype_size(dtype);
    rt_tensor *t = joins(ndim, bytes) ? joined_new(dtype, ndim, bytes)
                                      : apart_new(dtype, ndim, bytes);
    if (!t) {
        return no_memory(err, ndim, shape, dtype, numel);
    }
    for (int i = 0; i < ndim; i++) {
        t->shape[i] = shape[i];
    }
    rt__shape_strides(ndim, shape, t->strides);
    t->numel = numel;
    *out = t;
    return RT_OK;
}

rt_status rt_tensor_from_data(rt_tensor **out, rt_dtype dtype, int ndim,
                              const int64_t *shape, const void *data,
                              rt_error *err)
{
    rt_tensor *t;
    rt_status status = rt_tensor_new(&t, dtype, ndim, shape, err);
    if (status == RT_OK) {
        if (t->numel) {
            memcpy(t->data, data, (size_t)t->numel * rt_dtype_size(dtype));
        }
        *out = t;
    }
    return status;
}

rt_status rt__tensor_over(rt_tensor **out, rt__storage *s, rt_dtype dtype,
                          int ndim, const int64_t *shape,
                          const int64_t *strides, int64_t offset,
                          rt_error *err)
{
    rt_tensor *t = header_new(dtype, ndim);
    if (!t) {
        return rt_fail(err, RT_E_MEMORY, "view: not enough memory");
    }
    for (int i = 0; i < ndim; i++) {
        t->shape[i] = shape[i];
        t->strides[i] = strides[i];
    }
    t->storage = storage_retain(s);
    t->offset = offset;
    rt__tensor_refresh(t);
    *out = t;
    return RT_OK;
}

void rt__tensor_lodge(rt_tensor *t, const rt_tensor *of)
{
    header_init(t, (rt_dtype)of->dtype);
    t->ndim = of->ndim;
    t->flags = RT_F_LODGED | (of->flags & (RT_F_CONTIGUOUS | RT_F_WRAPPED |
                                           RT_F_READONLY));
    /* The block has room for the sizes there are, be they more than dims. */
    t->shape = (int64_t *)((char *)t + offsetof(rt_tensor, dims));
    t->strides = t->shape + of->ndim;
    for (int i = 0; i < of->ndim; i++) {
        t->shape[i] = of->shape[i];
        t->strides[i] = of->strides[i];
    }
    t->storage = storage_retain(of->storage);
    t->data = of->data;
    t->offset = of->offset;
    t->numel = of->numel;
}

/* The lowest and highest element a layout touches, relative to the first. */
static void extent(int ndim, const int64_t *shape, const int64_t *strides,
                   int64_t *low, int64_t *high)
{
    *low = *high = 0;
    for (int i = 0; i < ndim; i++) {
        int64_t reach = (shape[i] - 1) * strides[i];
        *(reach < 0 ? low : high) += reach;
    }
}

rt_status rt_tensor_wrap(rt_tensor **out, rt_dtype dtype, int ndim,
                         const int64_t *shape, const int64_t *strides,
                         void *data, void (*destroy)(void *ctx), void *ctx,
                         rt_error *err)
{
    int64_t numel, dense[RT_MAX_DIMS], low = 0, high = 0;
    rt_status status = check_shape(&numel, dtype, ndim, shape, err);
    if (status) {
        return status;
    }
    if (!strides) {
        rt__shape_strides(ndim, shape, dense);
        strides = dense;
    }
    if (numel) {
        extent(ndim, shape, strides, &low, &high);
    }
    size_t size = rt_dtype_size(dtype);
    rt__storage *s = rt_alloc(sizeof *s);
    if (!s) {
        return no_memory(err, ndim, shape, dtype, numel);
    }
    *s = (rt__storage){.refs = 1,
                       .data = (char *)data + low * (int64_t)size,
                       .bytes = numel ? (size_t)(high - low + 1) * size : 0,
                       .device = {RT_CPU, -1}};
    status = rt__tensor_over(out, s, dtype, ndim, shape, strides, -low, err);
    if (status == RT_OK) {
        s->destroy = destroy ? destroy : (void (*)(void *))NULL;
        s->ctx = ctx;
        atomic_fetch_sub(&s->refs, 1);   /* the tensor holds the only one */
    } else {
        rt_free(s);
    }
    return status;
}

rt_status rt_tensor_view(rt_tensor **out, rt_tensor *base, int ndim,
                         const int64_t *shape, const int64_t *strides,
                         int64_t offset, rt_error *err)
{
    int64_t numel, low = 0, high = 0;
    rt_dtype dtype = (rt_dtype)base->dtype;
    rt_status status = check_shape(&numel, dtype, ndim, shape, err);
    if (status) {
        return status;
    }
    if (numel) {
        extent(ndim, shape, strides, &low, &high);
    }
    int64_t held = (int64_t)(base->storage->bytes / rt_dtype_size(dtype));
    if (offset + low < 0 || (numel && offset + high >= held)) {
        return rt_fail(err, RT_E_INDEX,
                       "as_strided: elements %lld to %lld of a storage of %lld",
                       (long long)(offset + low), (long long)(offset + high),
                       (long long)held);
    }
    return rt__tensor_over(out, base->storage, dtype, ndim, shape, strides,
                           offset, err);
}

rt_status rt__tensor_like(rt_tensor **out, const rt_tensor *t, rt_dtype dtype,
                          rt_error *err)
{
    rt_status status = rt_tensor_new(out, dtype, t->ndim, t->shape, err);
    if (status || (t->flags & RT_F_CONTIGUOUS)) {
        return status;
    }
    /* Dense in another order (a transpose): keep that order. */
    int64_t strides[RT_MAX_DIMS], step = 1;
    bool used[RT_MAX_DIMS] = {false};
    for (int k = 0; k < t->ndim; k++) {
        int best = -1;
        for (int i = t->ndim - 1; i >= 0; i--) {
            if (!used[i] && (best < 0 || t->strides[i] < t->strides[best])) {
                best = i;
            }
        }
        used[best] = true;
        if (t->shape[best] > 1 && t->strides[best] != step) {
            return RT_OK;   /* gaps or overlaps: C order */
        }
        strides[best] = step;
        step *= t->shape[best];
    }
    memcpy((*out)->strides, strides, t->ndim * sizeof *strides);
    rt__tensor_refresh(*out);
    return RT_OK;
}

rt_status rt__tensor_rebind(rt_tensor *t, const rt_tensor *src, rt_error *err)
{
    int64_t *room = t->dims;
    size_t n = src->ndim;
    bool tight = t->flags & (RT_F_JOINED | RT_F_LODGED);
    if (n > (tight ? 0 : RT_INLINE_DIMS)) {
        room = rt_alloc(2 * n * sizeof *room);
        if (!room) {
            return rt_fail(err, RT_E_MEMORY, "set_data: not enough memory");
        }
    }
    memcpy(room, src->shape, n * sizeof *room);
    memcpy(room + n, src->strides, n * sizeof *room);
    if (t->shape != t->dims) {
        rt_free(t->shape);
    }
    t->ndim = src->ndim;
    t->shape = room;
    t->strides = room + n;
    rt__storage *before = t->storage, *home = home_of(t);
    bool joined = t->flags & RT_F_JOINED;   /* home stays counted all along */
    t->storage = joined && src->storage == home ? home
                                                : storage_retain(src->storage);
    if (!joined || before != home) {
        rt__storage_release(before);
    }
    t->offset = src->offset;
    t->dtype = src->dtype;
    rt__tensor_refresh(t);
    return RT_OK;
}

rt_status rt_tensor_set_data(rt_tensor *t, const rt_tensor *src,
                             rt_error *err)
{
    return t == src ? RT_OK : rt__tensor_rebind(t, src, err);
}

/* --- scalars --------------------------------------------------------------------- */

rt_status rt_tensor_scalar(rt_tensor **out, rt_dtype dtype, double value,
                           rt_error *err)
{
    rt_status status = rt_tensor_new(out, dtype, 0, NULL, err);
    if (status == RT_OK) {
        rt__store_float(dtype, (*out)->data, value);
    }
    return status;
}

rt_status rt_tensor_from_int(rt_tensor **out, int64_t value, rt_error *err)
{
    rt_status status = rt_tensor_new(out, RT_INT64, 0, NULL, err);
    if (status == RT_OK) {
        *(int64_t *)(*out)->data = value;
        (*out)->flags |= RT_F_WRAPPED;
    }
    return status;
}

rt_status rt_tensor_from_float(rt_tensor **out, double value, rt_error *err)
{
    rt_status status = rt_tensor_new(out, RT_FLOAT64, 0, NULL, err);
    if (status == RT_OK) {
        *(double *)(*out)->data = value;
        (*out)->flags |= RT_F_WRAPPED;
    }
    return status;
}

/* --- counting, asking --------------------------------------------------------------- */

rt_tensor *rt_retain(rt_tensor *t)
{
    if (t) {
        atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    }
    return t;
}

/* What a header holds besides the memory it lies in. */
static inline void let_go(rt_tensor *t)
{
    if (t->peer.object) {
        t->peer.released(t->peer.object);
    }
    if (t->meta) {
        rt__meta_free(t);
    }
    if (!(t->flags & RT_F_JOINED) || t->storage != home_of(t)) {
        rt__storage_release(t->storage);
    }
}

void rt__tensor_vacate(rt_tensor *t)
{
    let_go(t);
    if (t->shape != t->dims) {
        rt_free(t->shape);
    }
}

void rt_release(rt_tensor *t)
{
    if (!t) {
        return;
    }
    if (atomic_load_explicit(&t->refs, memory_order_acquire) != 1 &&
        atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    let_go(t);
    header_free(t);
}

int rt_refcount(const rt_tensor *t)
{
    return atomic_load(&((rt_tensor *)t)->refs);
}

rt_dtype rt_tensor_dtype(const rt_tensor *t)
{
    return (rt_dtype)t->dtype;
}

rt_device rt_tensor_device(const rt_tensor *t)
{
    return t->storage->device;
}

int rt_tensor_ndim(const rt_tensor *t)
{
    return t->ndim;
}

const int64_t *rt_tensor_shape(const rt_tensor *t)
{
    return t->shape;
}

const int64_t *rt_tensor_strides(const rt_tensor *t)
{
    return t->strides;
}

int64_t rt_tensor_numel(const rt_tensor *t)
{
    return t->numel;
}

int64_t rt_tensor_offset(const rt_tensor *t)
{
    return t->offset;
}

void *rt_tensor_data(const rt_tensor *t)
{
    return t->data;
}

bool rt_tensor_is_contiguous(const rt_tensor *t)
{
    return t->flags & RT_F_CONTIGUOUS;
}

bool rt_tensor_shares_storage(const rt_tensor *a, const rt_tensor *b)
{
    return a->storage == b->storage;
}

const void *rt_tensor_storage_id(const rt_tensor *t)
{
    return t->storage;
}

uint32_t rt_tensor_version(const rt_tensor *t)
{
    return atomic_load_explicit(&t->storage->version, memory_order_relaxed);
}

void rt_tensor_bump_version(rt_tensor *t)
{
    t->storage->writer = 0;
    rt__bump_version(t);
}

rt_peer *rt_tensor_peer(rt_tensor *t)
{
    return &t->peer;
}

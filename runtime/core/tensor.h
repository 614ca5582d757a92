/* SPDX-License-Identifier: MIT
 *
 * The tensor's body, for the runtime's own files. A tensor is a counted header
 * (dtype, shape, strides in elements) over a counted storage; views share the
 * storage, and with it the version counter that autograd watches. What only
 * recording tensors need hangs on `meta`, made by autograd on demand.
 */
#ifndef RT_CORE_TENSOR_H
#define RT_CORE_TENSOR_H

#include "runtime/base/blocks.h"
#include "runtime/rustorch.h"

#include <stdatomic.h>

#define RT_INLINE_DIMS 6
#define RT_META_BYTES 64      /* behind a header that has a block of its own */

/* One cache line. */
typedef struct rt__storage {
    atomic_int refs;
    atomic_uint version;      /* bumped by every in-place write */
    void *data;
    size_t bytes;
    rt_device device;
    uint16_t writer;          /* rt_op_id of the last in-place op, 0: unknown */
    uint8_t writer_ndim;      /* and what it wrote, for autograd's messages */
    int32_t writer_shape[4];
    void (*destroy)(void *ctx);  /* of adopted memory; NULL: rt_free(data) */
    void *ctx;
} rt__storage;

enum {
    RT_F_CONTIGUOUS = 1,      /* C order, no gaps */
    RT_F_WRAPPED = 2,         /* a number: weak in dtype promotion */
    RT_F_REQUIRES_GRAD = 4,   /* a leaf that records, or has a grad_fn */
    RT_F_VIEW = 8,            /* made by a view op: shares its base's storage */
    RT_F_READONLY = 16,       /* adopted memory that must not be written */
    RT_F_INFERENCE = 32,      /* made in inference mode */
    RT_F_UNTRACKED = 64,      /* a view made where nothing is recorded */
    RT_F_JOINED = 128,        /* lies behind its first storage, in one block */
    RT_F_LODGED = 256,        /* lies in a block of autograd's */
    RT_F_ROOMY = 512,         /* has RT_META_BYTES of room behind it */
};

struct rt__meta;              /* runtime/autograd/graph.h */

/* Small tensors are one block: storage, header, elements. Such a header keeps
 * its first storage (the one in front of it) counted for as long as it lives,
 * even if it describes another one by then, and has no more room in `dims` than
 * it was made with. So has a header that is lodged in a node. */
struct rt_tensor {
    atomic_int refs;
    uint8_t dtype, ndim;
    uint16_t flags;
    rt__storage *storage;
    char *data;               /* first element: storage->data + offset * size */
    int64_t offset;           /* elements */
    int64_t numel;
    int64_t *shape, *strides; /* into `dims`, or one heap block when ndim > 6 */
    struct rt__meta *meta;    /* NULL until autograd needs it */
    rt_peer peer;
    int64_t dims[2 * RT_INLINE_DIMS];
};

/* Frees meta, and what a lodged header lies in; set by autograd, so that core
 * includes nothing above it. */
extern void (*rt__meta_free)(rt_tensor *t);
extern void (*rt__lodging_left)(rt_tensor *t);

/* numel of a shape, or -1 when it overflows or a size is negative. */
int64_t rt__shape_numel(int ndim, const int64_t *shape);
/* C-order strides. */
void rt__shape_strides(int ndim, const int64_t *shape, int64_t *strides);
/* "[2, 3]" into out (at least 8 bytes, truncated with "..."); returns out. */
char *rt__shape_format(char *out, size_t size, int ndim, const int64_t *shape);
bool rt__same_shape(const rt_tensor *a, const rt_tensor *b);
/* Wraps a negative dimension; RT_E_INDEX outside [-ndim, ndim) (0-d counts as
 * one dimension, as in PyTorch). */
rt_status rt__wrap_dim(int *out, int64_t dim, int ndim, const char *op,
                       rt_error *err);
/* Broadcast of two shapes: RT_E_SHAPE (with both shapes recorded) when they do
 * not fit. out holds RT_MAX_DIMS. */
rt_status rt__broadcast(int *ndim, int64_t *out, const rt_tensor *a,
                        const rt_tensor *b, const char *op, rt_error *err);
/* Records the operands' shapes in a shape error, for `e.shape1`, `e.shape2`. */
void rt__error_shapes(rt_error *err, const rt_tensor *a, const rt_tensor *b);

/* Recomputes data, numel and RT_F_CONTIGUOUS from shape, strides, offset. */
void rt__tensor_refresh(rt_tensor *t);
/* A tensor over an existing storage (retained), shape and strides copied;
 * no range check: the caller has done it. */
rt_status rt__tensor_over(rt_tensor **out, rt__storage *s, rt_dtype dtype,
                          int ndim, const int64_t *shape,
                          const int64_t *strides, int64_t offset,
                          rt_error *err);
/* Makes `t`, whose room for dims is enough, a contiguous or strided twin of
 * `of` over the same storage (retained): what rt__tensor_over does, in place. */
void rt__tensor_lodge(rt_tensor *t, const rt_tensor *of);
/* Gives back what a lodged header holds; it is the last use of it. */
void rt__tensor_vacate(rt_tensor *t);
/* A contiguous tensor in the shape of t, of its dtype, for results of ops that
 * the caller fills. */
rt_status rt__tensor_beside(rt_tensor **out, const rt_tensor *t,
                            rt_error *err);
/* Gives up one reference to s; the last one frees it. */
void rt__storage_release(rt__storage *s);
/* The same shape and strides order (dense) where possible, else C order. */
rt_status rt__tensor_like(rt_tensor **out, const rt_tensor *t, rt_dtype dtype,
                          rt_error *err);
static inline void rt__bump_version(rt_tensor *t)
{
    atomic_fetch_add_explicit(&t->storage->version, 1, memory_order_relaxed);
}
/* Before t is written in place: where that is most of a large storage, its
 * pages become this process's own (rt__own_pages). */
static inline void rt__own_storage(const rt_tensor *t)
{
    const rt__storage *s = t->storage;
    if (s->bytes >= RT_SHARED_LARGE && rt__fork_count() && !s->destroy &&
        (size_t)t->numel * 2 * rt_dtype_size((rt_dtype)t->dtype) >= s->bytes) {
        rt__own_pages(s->data);
    }
}
/* Makes t describe what src describes (in-place change of metadata, used by
 * t.data = x and detach_); storage is shared. */
rt_status rt__tensor_rebind(rt_tensor *t, const rt_tensor *src, rt_error *err);

/* Conversion of single elements; half types by software. */
float rt__half_to_float(uint16_t h);
uint16_t rt__float_to_half(float f);
float rt__bfloat16_to_float(uint16_t h);
uint16_t rt__float_to_bfloat16(float f);
/* Reads or writes one element as the widest type of its category. */
double rt__load_float(rt_dtype d, const void *p);
int64_t rt__load_int(rt_dtype d, const void *p);
/* v without its fraction; what does not fit, and NaN, is the least integer
 * (as in ops/cpu/convert_kernels.c). */
int64_t rt__whole(double v);
void rt__store_float(rt_dtype d, void *p, double v);
void rt__store_int(rt_dtype d, void *p, int64_t v);

#endif

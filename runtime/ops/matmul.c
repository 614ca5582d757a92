/* SPDX-License-Identifier: MIT
 * matmul and its narrower kin (mm, bmm, mv, dot), and linear.
 *
 * Letters: A is [..., M, K], B is [..., K, N], C is [..., M, N]; a vector on the
 * left is [1, K], on the right [K, 1], and the added dimension is dropped again.
 */
#include "runtime/ops/cpu/elementwise.h"
#include "runtime/ops/cpu/gemm.h"
#include "runtime/ops/op.h"

#include <string.h>

/* --- shapes -------------------------------------------------------------------- */

static rt_status check_dtypes(const rt__call *c, const rt_tensor *a,
                              const rt_tensor *b)
{
    if (a->dtype == b->dtype && a->dtype != RT_BOOL) {
        return RT_OK;
    }
    rt_fail(c->err, RT_E_DTYPE,
            "%s: operands are %s and %s; expected one dtype for both, not bool",
            c->name, rt_dtype_name((rt_dtype)a->dtype),
            rt_dtype_name((rt_dtype)b->dtype));
    rt_error_help(c->err, "convert one: x.to(float32)");
    return RT_E_DTYPE;
}

static rt_status inner_differ(const rt__call *c, const rt_tensor *a,
                              const rt_tensor *b, int64_t x, int64_t y)
{
    char s[128], t[128];
    rt_fail(c->err, RT_E_SHAPE,
            "%s: %s @ %s: inner sizes %lld and %lld differ", c->name,
            rt__shape_format(s, sizeof s, a->ndim, a->shape),
            rt__shape_format(t, sizeof t, b->ndim, b->shape), (long long)x,
            (long long)y);
    rt__error_shapes(c->err, a, b);
    if (b->ndim >= 2 && b->shape[b->ndim - 1] == x) {
        rt_error_help(c->err, "the second operand looks transposed: x @ w.T");
    } else if (a->ndim == 2 && a->shape[0] == y) {
        rt_error_help(c->err, "the first operand looks transposed: x.T @ w");
    }
    return RT_E_SHAPE;
}

static rt_status wants_dims(const rt__call *c, const rt_tensor *a,
                            const rt_tensor *b, const char *expected)
{
    char s[128], t[128];
    rt_fail(c->err, RT_E_SHAPE, "%s: got %s and %s; expected %s", c->name,
            rt__shape_format(s, sizeof s, a->ndim, a->shape),
            rt__shape_format(t, sizeof t, b->ndim, b->shape), expected);
    rt__error_shapes(c->err, a, b);
    rt_error_help(c->err, "matmul takes operands of any dimensions");
    return RT_E_SHAPE;
}

/* Broadcasts the batch dimensions into shape; RT_E_SHAPE when they do not. */
static rt_status batch_shape(const rt__call *c, const rt_tensor *a,
                             const rt_tensor *b, int *n, int64_t *shape)
{
    int na = a->ndim > 2 ? a->ndim - 2 : 0, nb = b->ndim > 2 ? b->ndim - 2 : 0;
    char s[128], t[128];
    *n = na > nb ? na : nb;
    for (int i = 1; i <= *n; i++) {
        int64_t x = i <= na ? a->shape[na - i] : 1;
        int64_t y = i <= nb ? b->shape[nb - i] : 1;
        if (x != y && x != 1 && y != 1) {
            rt_fail(c->err, RT_E_SHAPE,
                    "%s: %s @ %s: batch sizes %lld and %lld do not broadcast",
                    c->name, rt__shape_format(s, sizeof s, a->ndim, a->shape),
                    rt__shape_format(t, sizeof t, b->ndim, b->shape),
                    (long long)x, (long long)y);
            rt__error_shapes(c->err, a, b);
            return RT_E_SHAPE;
        }
        shape[*n - i] = x == 1 ? y : x;
    }
    return RT_OK;
}

RT_INFER(matmul)
{
    rt_tensor *a = rt__arg(c, 0), *b = rt__arg(c, 1);
    int64_t shape[RT_MAX_DIMS];
    int n = 0;
    if (a->ndim == 0 || b->ndim == 0) {
        return wants_dims(c, a, b, "at least one dimension each; for a number "
                                   "use *");
    }
    int64_t x = a->shape[a->ndim - 1], y = b->shape[b->ndim > 1 ? b->ndim - 2
                                                                : 0];
    rt_status s = check_dtypes(c, a, b);
    if (s == RT_OK && x != y) {
        s = inner_differ(c, a, b, x, y);
    }
    s = s ? s : batch_shape(c, a, b, &n, shape);
    if (a->ndim > 1) {
        shape[n++] = a->shape[a->ndim - 2];
    }
    if (b->ndim > 1) {
        shape[n++] = b->shape[b->ndim - 1];
    }
    return s ? s : rt__result_new(c, 0, (rt_dtype)a->dtype, n, shape);
}

/* The narrower ops: the same product, for operands of given dimensions. */
static rt_status narrow_infer(rt__call *c, int na, int nb, const char *expected)
{
    rt_tensor *a = rt__arg(c, 0), *b = rt__arg(c, 1);
    if (a->ndim != na || b->ndim != nb ||
        (na == 3 && a->shape[0] != b->shape[0])) {
        return wants_dims(c, a, b, expected);
    }
    return rt__infer_matmul(c);
}

RT_INFER(matmul_2d)
{
    return narrow_infer(c, 2, 2, "two matrices, [M, K] and [K, N]");
}

RT_INFER(matmul_3d)
{
    return narrow_infer(c, 3, 3, "two batches, [B, M, K] and [B, K, N]");
}

RT_INFER(matmul_mv)
{
    return narrow_infer(c, 2, 1, "a matrix and a vector, [M, K] and [K]");
}

RT_INFER(matmul_dot)
{
    return narrow_infer(c, 1, 1, "two vectors, [K] and [K]");
}

/* --- products ------------------------------------------------------------------- */

/* Fills the sizes and strides of one product of the last two dimensions. */
static rt__gemm product_of(const rt_tensor *a, const rt_tensor *b,
                           const rt_tensor *r)
{
    int i = a->ndim - 1, j = b->ndim - 1, k = r->ndim - 1;
    bool left = a->ndim == 1, right = b->ndim == 1;
    return (rt__gemm){
        .dtype = (rt_dtype)a->dtype,
        .m = left ? 1 : a->shape[i - 1],
        .n = right ? 1 : b->shape[j],
        .k = a->shape[i],
        .a = a->data,
        .b = b->data,
        .c = r->data,
        .ars = left ? a->shape[i] : a->strides[i - 1],
        .acs = a->strides[i],
        .brs = right ? b->strides[0] : b->strides[j - 1],
        .bcs = right ? 1 : b->strides[j],
        .crs = left ? (right ? 1 : r->shape[k]) : right ? 1 : r->strides[k - 1],
        .ccs = 1,
    };
}

/* True when A's batch dimensions and rows are one run of rows, and B has no
 * batch: then the whole is one tall product. */
static bool one_tall_product(const rt_tensor *a, const rt_tensor *b, int64_t *m,
                             int64_t *stride)
{
    if (b->ndim > 2 || a->ndim < 3) {
        return false;
    }
    *m = a->shape[a->ndim - 2];
    *stride = a->strides[a->ndim - 2];
    for (int d = a->ndim - 3; d >= 0; d--) {
        if (a->shape[d] != 1 && a->strides[d] != *m * *stride) {
            return false;
        }
        *m *= a->shape[d];
    }
    return true;
}

/* Element offsets of t's matrices, in the order of the result's batch. */
static void batch_offsets(int64_t *to, const rt_tensor *t, const rt_tensor *r,
                          int batch, int64_t count)
{
    int own = t->ndim > 2 ? t->ndim - 2 : 0;
    int64_t at[RT_MAX_DIMS] = {0}, step[RT_MAX_DIMS], offset = 0;
    for (int d = 0; d < batch; d++) {
        int mine = own - (batch - d);
        step[d] = mine >= 0 && t->shape[mine] != 1 ? t->strides[mine] : 0;
    }
    for (int64_t i = 0; i < count; i++) {
        to[i] = offset;
        for (int d = batch - 1; d >= 0; d--) {
            offset += step[d];
            if (++at[d] < r->shape[d]) {
                break;
            }
            offset -= r->shape[d] * step[d];
            at[d] = 0;
        }
    }
}

static rt_status run_batches(rt__call *c, const rt__gemm *g, const rt_tensor *a,
                             const rt_tensor *b, const rt_tensor *r, int batch)
{
    int64_t count = 1;
    for (int d = 0; d < batch; d++) {
        count *= r->shape[d];
    }
    if (count == 0) {
        return RT_OK;
    }
    int64_t *offsets = rt_alloc((size_t)count * 3 * sizeof *offsets);
    if (!offsets) {
        return rt_fail(c->err, RT_E_MEMORY, "%s: not enough memory", c->name);
    }
    batch_offsets(offsets, a, r, batch, count);
    batch_offsets(offsets + count, b, r, batch, count);
    for (int64_t i = 0; i < count; i++) {
        offsets[2 * count + i] = i * g->m * g->n;
    }
    rt_status s = rt__gemm_batch(g, count, offsets, offsets + count,
                                 offsets + 2 * count, c->name, c->err);
    rt_free(offsets);
    return s;
}

static bool is_half(const rt_tensor *t)
{
    return t->dtype == RT_FLOAT16 || t->dtype == RT_BFLOAT16;
}

/* Runs a kernel of n tensor arguments on float32 copies of half types; the
 * result is rounded once. */
static rt_status through_float32(rt__call *c, int n, rt__step kernel)
{
    rt_tensor *out = c->r[0].t, *in[3] = {NULL}, *wide = NULL;
    rt_value a[3] = {{0}}, r[RT_MAX_RESULTS] = {{0}};
    rt__call inner = {c->op, c->name, a, r, c->err, NULL};
    rt_status s = rt_tensor_new(&wide, RT_FLOAT32, out->ndim, out->shape,
                                c->err);
    for (int i = 0; s == RT_OK && i < n; i++) {
        if (rt__arg(c, i)) {
            s = rt__contiguous_as(&in[i], rt__arg(c, i), RT_FLOAT32, c->name,
                                  c->err);
            a[i] = RT_V_TENSOR(in[i]);
        }
    }
    r[0] = RT_V_TENSOR(wide);
    if (s == RT_OK) {
        s = kernel(&inner);
    }
    if (s == RT_OK) {
        s = rt__copy(c->name, out, wide, c->err);
    }
    for (int i = 0; i < n; i++) {
        rt_release(in[i]);
    }
    rt_release(wide);
    return s;
}

RT_KERNEL(matmul)
{
    rt_tensor *a = rt__arg(c, 0), *b = rt__arg(c, 1), *r = c->r[0].t;
    if (is_half(r)) {
        return through_float32(c, 2, rt__kernel_matmul);
    }
    rt__gemm g = product_of(a, b, r);
    int batch = r->ndim - (a->ndim > 1) - (b->ndim > 1);
    if (batch == 0) {
        return rt__gemm_run(&g, c->name, c->err);
    }
    if (one_tall_product(a, b, &g.m, &g.ars)) {
        g.crs = g.n;
        return rt__gemm_run(&g, c->name, c->err);
    }
    g.m = a->ndim > 1 ? a->shape[a->ndim - 2] : 1;
    g.ars = a->ndim > 1 ? a->strides[a->ndim - 2] : g.k;
    return run_batches(c, &g, a, b, r, batch);
}

/* --- linear ----------------------------------------------------------------------- */

static rt_status input_differs(const rt__call *c, const rt_tensor *x,
                               const rt_tensor *w)
{
    char s[128], t[128];
    int64_t have = x->shape[x->ndim - 1], want = w->shape[w->ndim - 1];
    rt_fail(c->err, RT_E_SHAPE,
            "linear: input %s has last size %lld, but weight %s expects %lld",
            rt__shape_format(s, sizeof s, x->ndim, x->shape), (long long)have,
            rt__shape_format(t, sizeof t, w->ndim, w->shape), (long long)want);
    rt__error_shapes(c->err, x, w);
    int64_t rest = 1;
    for (int d = x->ndim - 1; d > 0; d--) {
        rest *= x->shape[d];
    }
    if (rest == want) {
        rt_error_help(c->err, "did you forget Flatten? flatten(1) makes each "
                              "sample one row of %lld", (long long)want);
    } else if (x->ndim == 2 && x->shape[0] == want) {
        rt_error_help(c->err, "the input looks transposed: samples are rows");
    }
    return RT_E_SHAPE;
}

RT_INFER(linear)
{
    rt_tensor *x = rt__arg(c, 0), *w = rt__arg(c, 1), *b = rt__arg(c, 2);
    int64_t shape[RT_MAX_DIMS];
    char text[96];
    if (x->ndim == 0 || w->ndim < 1 || w->ndim > 2) {
        return wants_dims(c, x, w, "input [..., in] and weight [out, in]");
    }
    if (x->shape[x->ndim - 1] != w->shape[w->ndim - 1]) {
        return input_differs(c, x, w);
    }
    rt_status s = check_dtypes(c, x, w);
    int64_t outs = w->ndim == 2 ? w->shape[0] : 1;
    if (s == RT_OK && b && (b->dtype != w->dtype || b->ndim > 1 ||
                            (b->numel != 1 && b->numel != outs))) {
        s = rt_fail(c->err, RT_E_SHAPE,
                    "linear: bias is %s %s; expected %s [%lld]",
                    rt_dtype_name((rt_dtype)b->dtype),
                    rt__shape_format(text, sizeof text, b->ndim, b->shape),
                    rt_dtype_name((rt_dtype)w->dtype), (long long)outs);
    }
    memcpy(shape, x->shape, x->ndim * sizeof *shape);
    shape[x->ndim - 1] = outs;
    return s ? s : rt__result_new(c, 0, (rt_dtype)x->dtype,
                                  x->ndim - (w->ndim == 1), shape);
}

/* The bias as `outs` dense numbers: its own, or a copy at *copy. */
static rt_status dense_bias(rt_tensor **copy, const char **data, rt_tensor *b,
                            int64_t outs, rt_error *err)
{
    size_t size = rt_dtype_size((rt_dtype)b->dtype);
    int64_t step = b->ndim && b->numel > 1 ? b->strides[0] : 0;
    if (outs == 1 || step == 1) {
        *data = b->data;
        return RT_OK;
    }
    rt_status s = rt_tensor_new(copy, (rt_dtype)b->dtype, 1, &outs, err);
    for (int64_t j = 0; s == RT_OK && j < outs; j++) {
        memcpy((*copy)->data + (size_t)j * size,
               b->data + j * step * (int64_t)size, size);
    }
    *data = s == RT_OK ? (*copy)->data : NULL;
    return s;
}

RT_KERNEL(linear)
{
    rt_tensor *x = rt__arg(c, 0), *w = rt__arg(c, 1), *b = rt__arg(c, 2);
    rt_tensor *r = c->r[0].t, *rows = NULL, *copy = NULL;
    const char *bias = NULL;
    if (is_half(r)) {
        return through_float32(c, 3, rt__kernel_linear);
    }
    int64_t outs = w->ndim == 2 ? w->shape[0] : 1, m, stride;
    rt_status s = RT_OK;
    if (x->ndim <= 2) {
        m = x->ndim == 2 ? x->shape[0] : 1;
        stride = x->ndim == 2 ? x->strides[0] : x->shape[0];
    } else if (!one_tall_product(x, w, &m, &stride)) {
        s = rt__op1(RT_OP_contiguous, &rows, c->err, 1, RT_V_TENSOR(x));
        if (s) {
            return s;
        }
        x = rows;           /* if empty, its strides may be any */
        stride = x->shape[x->ndim - 1];
        m = 1;
        for (int d = 0; d < x->ndim - 1; d++) {
            m *= x->shape[d];
        }
    }
    rt__gemm g = {.dtype = (rt_dtype)x->dtype, .m = m, .n = outs,
                  .k = x->shape[x->ndim - 1], .a = x->data, .b = w->data,
                  .c = r->data, .ars = stride, .acs = x->strides[x->ndim - 1],
                  .brs = w->strides[w->ndim - 1],
                  .bcs = w->ndim == 2 ? w->strides[0] : 1, .crs = outs,
                  .ccs = 1};
    if (b) {
        s = dense_bias(&copy, &bias, b, outs, c->err);
    }
    g.bias = bias;
    if (s == RT_OK) {
        s = rt__gemm_run(&g, c->name, c->err);
    }
    rt_release(copy);
    rt_release(rows);
    return s;
}

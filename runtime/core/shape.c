/* SPDX-License-Identifier: MIT
 * Shapes: sizes, strides, wrapping of dimensions, broadcasting, printing.
 */
#include "runtime/core/tensor.h"

#include <stdio.h>
#include <string.h>

/* With room for bytes and strides, those of a shape with zeros too. */
#define MOST_ELEMENTS (INT64_MAX / 16)

int64_t rt__shape_numel(int ndim, const int64_t *shape)
{
    int64_t n = 1;
    bool none = false;
    for (int i = 0; i < ndim; i++) {
        if (shape[i] == 0) {
            none = true;
        } else if (shape[i] < 0 || __builtin_mul_overflow(n, shape[i], &n)) {
            return -1;
        }
    }
    return n > MOST_ELEMENTS ? -1 : none ? 0 : n;
}

void rt__shape_strides(int ndim, const int64_t *shape, int64_t *strides)
{
    int64_t step = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        strides[i] = step;
        step *= shape[i] > 1 ? shape[i] : 1;
    }
}

char *rt__shape_format(char *out, size_t size, int ndim, const int64_t *shape)
{
    size_t at = 0;
    out[at++] = '[';
    for (int i = 0; i < ndim; i++) {
        char one[32];
        int n = snprintf(one, sizeof one, i ? ", %lld" : "%lld",
                         (long long)shape[i]);
        if (at + (size_t)n + 6 > size) {
            memcpy(out + at, "...", 3);
            at += 3;
            break;
        }
        memcpy(out + at, one, (size_t)n);
        at += (size_t)n;
    }
    out[at++] = ']';
    out[at] = '\0';
    return out;
}

bool rt__same_shape(const rt_tensor *a, const rt_tensor *b)
{
    return a->ndim == b->ndim &&
           memcmp(a->shape, b->shape, a->ndim * sizeof *a->shape) == 0;
}

rt_status rt__wrap_dim(int *out, int64_t dim, int ndim, const char *op,
                       rt_error *err)
{
    int n = ndim ? ndim : 1;
    if (dim < -n || dim >= n) {
        return rt_fail(err, RT_E_INDEX,
                       "%s: dimension %lld is out of range for a tensor of %d "
                       "dimension%s; expected %d to %d",
                       op, (long long)dim, ndim, ndim == 1 ? "" : "s", -n,
                       n - 1);
    }
    *out = (int)(dim < 0 ? dim + n : dim);
    return RT_OK;
}

static void copy_shape(rt_error *err, int i, const rt_tensor *t)
{
    int n = t->ndim < RT_ERROR_DIMS ? t->ndim : RT_ERROR_DIMS;
    err->ndim[i] = n;
    memcpy(err->shape[i], t->shape, (size_t)n * sizeof *t->shape);
}

void rt__error_shapes(rt_error *err, const rt_tensor *a, const rt_tensor *b)
{
    if (!err || err->code == RT_OK || err->nshapes) {
        return;
    }
    copy_shape(err, 0, a);
    err->nshapes = 1;
    if (b) {
        copy_shape(err, 1, b);
        err->nshapes = 2;
    }
}

static rt_status cannot_broadcast(const rt_tensor *a, const rt_tensor *b,
                                  const char *op, int64_t x, int64_t y,
                                  int from_right, rt_error *err)
{
    char s[128], t[128];
    rt__shape_format(s, sizeof s, a->ndim, a->shape);
    rt__shape_format(t, sizeof t, b->ndim, b->shape);
    rt_fail(err, RT_E_SHAPE,
            "%s: shapes %s and %s do not broadcast: sizes %lld and %lld differ "
            "in dimension %d and neither is 1",
            op, s, t, (long long)x, (long long)y, -from_right);
    rt__error_shapes(err, a, b);
    if (a->ndim == 1 && b->ndim == 2 && a->shape[0] == b->shape[0]) {
        rt_error_help(err, "to apply one value per row, use x.unsqueeze(1)");
    }
    return RT_E_SHAPE;
}

rt_status rt__broadcast(int *ndim, int64_t *out, const rt_tensor *a,
                        const rt_tensor *b, const char *op, rt_error *err)
{
    int n = a->ndim > b->ndim ? a->ndim : b->ndim;
    for (int i = 1; i <= n; i++) {
        int64_t x = i <= a->ndim ? a->shape[a->ndim - i] : 1;
        int64_t y = i <= b->ndim ? b->shape[b->ndim - i] : 1;
        if (x != y && x != 1 && y != 1) {
            return cannot_broadcast(a, b, op, x, y, i, err);
        }
        out[n - i] = x == 1 ? y : x;
    }
    *ndim = n;
    return RT_OK;
}

/* SPDX-License-Identifier: MIT
 * The median: the lower middle of all elements, found without sorting them.
 */
#include "runtime/base/pool.h"
#include "runtime/ops/cpu/elementwise.h"
#include "runtime/ops/op.h"

#include <math.h>

/* Brings the k-th smallest of v[0..n) to v[k] (Hoare 1961), around the middle
 * of three. Left unfinished by an interrupt. */
#define SELECT(name, type)                                                     \
    static void name(type *v, int64_t n, int64_t k)                            \
    {                                                                          \
        int64_t low = 0, high = n - 1;                                         \
        while (low < high) {                                                   \
            type a = v[low], b = v[low + (high - low) / 2], c = v[high];       \
            type x = a < b ? (b < c ? b : a < c ? c : a)                       \
                           : (a < c ? a : b < c ? c : b);                      \
            int64_t i = low, j = high;                                         \
            while (i <= j) {                                                   \
                for (; v[i] < x; i++) {                                        \
                    if (rt__stops_at(i)) {                                     \
                        return;                                                \
                    }                                                          \
                }                                                              \
                for (; x < v[j]; j--) {                                        \
                    if (rt__stops_at(j)) {                                     \
                        return;                                                \
                    }                                                          \
                }                                                              \
                if (i <= j) {                                                  \
                    type swap = v[i];                                          \
                    v[i++] = v[j];                                             \
                    v[j--] = swap;                                             \
                }                                                              \
            }                                                                  \
            low = k > j ? i : low;                                             \
            high = k < i ? j : high;                                           \
            if (k > j && k < i) {                                              \
                return;                                                        \
            }                                                                  \
        }                                                                      \
    }
SELECT(select_double, double)
SELECT(select_integer, int64_t)

RT_KERNEL(median)
{
    rt_tensor *self = c->a[0].t, *all;
    bool floats = rt_dtype_is_floating((rt_dtype)self->dtype);
    rt_status s = rt_tensor_new(&all, floats ? RT_FLOAT64 : RT_INT64,
                                self->ndim, self->shape, c->err);
    if (s != RT_OK) {
        return s;
    }
    s = rt__copy(c->name, all, self, c->err);
    double *v = (double *)(void *)all->data;
    int64_t at = -1, n = all->numel;
    for (int64_t i = 0; s == RT_OK && floats && at < 0 && i < n; i++) {
        at = isnan(v[i]) ? i : -1;
    }
    if (s == RT_OK && at < 0 && n > 0) {
        at = (n - 1) / 2;
        if (floats) {
            select_double(v, n, at);
        } else {
            select_integer((int64_t *)(void *)v, n, at);
        }
    }
    if (s == RT_OK) {
        rt_dtype d = (rt_dtype)self->dtype;
        if (floats) {
            rt__store_float(d, c->r[0].t->data, n ? v[at] : NAN);
        } else {
            rt__store_int(d, c->r[0].t->data, ((int64_t *)v)[at]);
        }
    }
    rt_release(all);
    return s;
}

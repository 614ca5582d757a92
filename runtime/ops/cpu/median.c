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

/* Where there are many, two elements of a sample that the middle most likely
 * lies between are found first, and those from one to the other are picked out
 * without a branch (after Floyd and Rivest 1975). False: it was not so.
 * Interrupted, there is no answer that counts. */
enum { SAMPLE = 1024, AROUND = 64, MANY = 16 * SAMPLE };

#define NARROW(name, type, select)                                             \
    static bool name(type *found, const type *v, int64_t n, int64_t k,         \
                     type *near, int64_t room)                                 \
    {                                                                          \
        type s[SAMPLE];                                                        \
        int64_t place = (int64_t)((double)k / (double)n * SAMPLE), in = 0;     \
        int64_t first = place > AROUND ? place - AROUND : 0, below = 0;        \
        int64_t last = place + AROUND < SAMPLE ? place + AROUND : SAMPLE - 1;  \
        for (int64_t i = 0; i < SAMPLE; i++) {                                 \
            s[i] = v[n / SAMPLE * i];                                          \
        }                                                                      \
        select(s, SAMPLE, first);                                              \
        select(s + first, SAMPLE - first, last - first);                       \
        type low = s[first], high = s[last];                                   \
        for (int64_t i = 0; i < n; i++) {                                      \
            near[in < room ? in : room] = v[i];                                \
            below += v[i] < low;                                               \
            in += (v[i] >= low) & (v[i] <= high);                              \
            if (rt__stops_at(i)) {                                             \
                return true;                                                   \
            }                                                                  \
        }                                                                      \
        if (k < below || k >= below + in || (in > room && low != high)) {      \
            return false;                                                      \
        }                                                                      \
        if (low != high) {                                                     \
            select(near, in, k - below);                                       \
        }                                                                      \
        *found = low != high ? near[k - below] : low;                          \
        return true;                                                           \
    }
NARROW(narrow_double, double, select_double)
NARROW(narrow_integer, int64_t, select_integer)

/* The k-th smallest to v[k]. */
static rt_status select_kth(const rt__call *c, void *v, int64_t n, int64_t k,
                            bool floats)
{
    int64_t room = n / 3;
    double *near = NULL;
    bool found = false;
    if (n >= MANY) {
        near = rt_alloc((size_t)(room + 1) * sizeof *near);
        if (!near) {
            return rt_fail(c->err, RT_E_MEMORY, "%s: no memory for %lld "
                           "elements", c->name, (long long)room);
        }
        found = floats ? narrow_double((double *)v + k, v, n, k, near, room)
                       : narrow_integer((int64_t *)v + k, v, n, k,
                                        (int64_t *)(void *)near, room);
        rt_free(near);
    }
    if (!found && floats) {
        select_double(v, n, k);
    } else if (!found) {
        select_integer(v, n, k);
    }
    return RT_OK;
}

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
        s = select_kth(c, v, n, at, floats);
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

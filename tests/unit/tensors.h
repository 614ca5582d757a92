/* SPDX-License-Identifier: MIT
 * Helpers for tests of ops: tensors from literals, calls by name, comparison
 * with a literal. Failures print themselves through unit.h.
 */
#ifndef TENSORS_H
#define TENSORS_H

#include "runtime/ops/op.h"
#include "tests/unit/unit.h"

#include <stdarg.h>

static rt_error err;

#define SHAPE(...) (const int64_t[]){__VA_ARGS__},                             \
        (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))
#define INTS(...) RT_V_INTS(((const int64_t[]){__VA_ARGS__}),                  \
        (sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)))
#define VALUES(...) (const double[]){__VA_ARGS__},                             \
        (int)(sizeof((const double[]){__VA_ARGS__}) / sizeof(double))
#define T(x) RT_V_TENSOR(x)
#define I(x) RT_V_INT(x)

static inline void put(rt_tensor *t, int64_t i, double v)
{
    char *p = t->data + (size_t)i * rt_dtype_size(t->dtype);
    if (rt_dtype_is_floating(t->dtype)) {
        rt__store_float(t->dtype, p, v);
    } else {
        rt__store_int(t->dtype, p, (int64_t)v);
    }
}

/* A tensor of `shape` from n numbers, taken again from the start when short. */
static inline rt_tensor *tensor(rt_dtype dtype, const int64_t *shape, int ndim,
                                const double *values, int n)
{
    rt_tensor *t = NULL;
    CHECK_OK(rt_tensor_new(&t, dtype, ndim, shape, &err), err);
    for (int64_t i = 0; t && i < t->numel; i++) {
        put(t, i, values[i % n]);
    }
    return t;
}

/* 0, 1, 2, ... in this shape. */
static inline rt_tensor *counting(rt_dtype dtype, const int64_t *shape,
                                  int ndim)
{
    rt_tensor *t = NULL;
    CHECK_OK(rt_tensor_new(&t, dtype, ndim, shape, &err), err);
    for (int64_t i = 0; t && i < t->numel; i++) {
        put(t, i, (double)i);
    }
    return t;
}

/* A fixed sequence of numbers in (-1, 1). */
static inline rt_tensor *noise(rt_dtype dtype, const int64_t *shape, int ndim,
                               uint32_t seed)
{
    rt_tensor *t = NULL;
    uint32_t x = seed * 2654435761u + 12345u;
    CHECK_OK(rt_tensor_new(&t, dtype, ndim, shape, &err), err);
    for (int64_t i = 0; t && i < t->numel; i++) {
        x = x * 1664525u + 1013904223u;
        put(t, i, (double)(x >> 8) / 8388608.0 - 1.0);
    }
    return t;
}

/* Calls the op (its first overload); results in `results`. */
static inline rt_status call_all(rt_value *results, rt_op_id id, int n, ...)
{
    rt_value args[RT_MAX_ARGS];
    va_list list;
    va_start(list, n);
    for (int i = 0; i < n; i++) {
        args[i] = va_arg(list, rt_value);
    }
    va_end(list);
    rt_error_clear(&err);
    return rt_call(&rt__ops[id], args, n, results, &err);
}

/* One tensor result; reports a failure and returns NULL. */
#define CALL(id, n, ...) call_one(__FILE__, __LINE__, RT_OP_##id, n, __VA_ARGS__)
static inline rt_tensor *call_one(const char *file, int line, rt_op_id id,
                                  int n, ...)
{
    rt_value args[RT_MAX_ARGS], results[RT_MAX_RESULTS];
    va_list list;
    va_start(list, n);
    for (int i = 0; i < n; i++) {
        args[i] = va_arg(list, rt_value);
    }
    va_end(list);
    rt_error_clear(&err);
    if (rt_call(&rt__ops[id], args, n, results, &err) != RT_OK) {
        unit_failures++;
        printf("  %s:%d: %s\n", file, line, err.message);
        return NULL;
    }
    for (int i = 1; i < RT_MAX_RESULTS; i++) {
        rt_value_release(&results[i]);
    }
    return results[0].t;
}

/* The call must fail with this status and a message that has this part. */
#define REFUSES(status, part, id, n, ...)                                      \
    do {                                                                       \
        rt_value results_[RT_MAX_RESULTS];                                     \
        rt_status got_ = call_all(results_, RT_OP_##id, n, __VA_ARGS__);       \
        if (got_ != (status)) {                                                \
            UNIT_FAIL("%s should fail with %s, got %d", #id, #status,          \
                      (int)got_);                                              \
        } else {                                                               \
            CHECK_HAS(err.message, part);                                      \
        }                                                                      \
    } while (0)

static inline double at(const rt_tensor *t, int64_t i)
{
    int64_t offset = 0;
    for (int d = t->ndim - 1; d >= 0; d--) {
        offset += i % t->shape[d] * t->strides[d];
        i /= t->shape[d];
    }
    const char *p = t->data + offset * (int64_t)rt_dtype_size(t->dtype);
    return rt_dtype_is_floating(t->dtype) ? rt__load_float(t->dtype, p)
                                          : (double)rt__load_int(t->dtype, p);
}

/* dtype, shape and elements (in C order) of t. */
#define CHECK_TENSOR(...) CHECK_CLOSE(__VA_ARGS__, 0)
/* The same with a tolerance: t, dtype, SHAPE(...), VALUES(...), tolerance. */
#define CHECK_CLOSE(...) check_tensor(__FILE__, __LINE__, __VA_ARGS__)
static inline void check_tensor(const char *file, int line, const rt_tensor *t,
                                rt_dtype dtype, const int64_t *shape, int ndim,
                                const double *values, int n, double tolerance)
{
    char a[96], b[96];
    if (!t) {
        unit_failures++;
        printf("  %s:%d: no tensor\n", file, line);
        return;
    }
    if (t->dtype != dtype || t->ndim != ndim ||
        (ndim > 0 &&
         memcmp(t->shape, shape, (size_t)ndim * sizeof *shape) != 0)) {
        unit_failures++;
        rt__shape_format(a, sizeof a, t->ndim, t->shape);
        rt__shape_format(b, sizeof b, ndim, shape);
        printf("  %s:%d: %s %s, expected %s %s\n", file, line,
               rt_dtype_name(t->dtype), a, rt_dtype_name(dtype), b);
        return;
    }
    for (int64_t i = 0; i < t->numel && i < n; i++) {
        double got = at(t, i), want = values[i];
        if (!(fabs(got - want) <= tolerance) && got != want &&
            !(isnan(got) && isnan(want))) {
            unit_failures++;
            printf("  %s:%d: element %lld is %.9g, expected %.9g\n", file,
                   line, (long long)i, got, want);
        }
    }
}
/* The largest |a - b| over all elements; infinite when they do not fit. */
static inline double largest_difference(const rt_tensor *a, const rt_tensor *b)
{
    double worst = 0;
    if (!a || !b || a->numel != b->numel) {
        return INFINITY;
    }
    for (int64_t i = 0; i < a->numel; i++) {
        double d = fabs(at(a, i) - at(b, i));
        worst = d > worst || isnan(d) ? d : worst;
    }
    return worst;
}

/* Releases up to the NULL that ends the list. */
#define DROP(...) drop((rt_tensor *[]){__VA_ARGS__, NULL})
static inline void drop(rt_tensor **list)
{
    for (; *list; list++) {
        rt_release(*list);
    }
}

#endif

/* SPDX-License-Identifier: MIT
 * Compares gradients with central differences, element by element.
 */
#include "runtime/autograd/graph.h"

#include <math.h>
#include <string.h>

#define MAX_INPUTS 64

typedef struct check {
    rt_function f;
    void *ctx;
    rt_tensor *const *inputs;
    int n;
    rt_tensor *output;
    double **analytic;        /* by input: [output element][input element] */
    double *above, *below;    /* the output on either side of an element */
    double eps, atol, rtol;
    rt_error *err;
} check;

/* The address of element i in C order. */
static void *element(const rt_tensor *t, int64_t i)
{
    int64_t at = 0;
    for (int d = t->ndim - 1; d >= 0; d--) {
        at += i % t->shape[d] * t->strides[d];
        i /= t->shape[d];
    }
    return t->data + at * (int64_t)rt_dtype_size((rt_dtype)t->dtype);
}

static double value_at(const rt_tensor *t, int64_t i)
{
    return *(double *)element(t, i);
}

static rt_status check_inputs(const check *k)
{
    if (k->n > MAX_INPUTS) {
        return rt_fail(k->err, RT_E_LIMIT, "gradcheck: %d inputs, at most %d",
                       k->n, MAX_INPUTS);
    }
    for (int i = 0; i < k->n; i++) {
        rt_tensor *t = k->inputs[i];
        if (rt_requires_grad(t) && t->dtype != RT_FLOAT64) {
            rt_fail(k->err, RT_E_DTYPE, "gradcheck: input %d is %s", i,
                    rt_dtype_name((rt_dtype)t->dtype));
            rt_error_help(k->err, "differences need float64: t.to(float64)");
            return RT_E_DTYPE;
        }
    }
    return RT_OK;
}

static rt_status evaluate(const check *k, rt_tensor **out)
{
    rt_status s = k->f(k->ctx, k->inputs, k->n, out, k->err);
    if (s == RT_OK && (*out)->dtype != RT_FLOAT64) {
        s = rt_fail(k->err, RT_E_DTYPE, "gradcheck: the function gave %s, "
                    "expected float64", rt_dtype_name((rt_dtype)(*out)->dtype));
    }
    return s;
}

/* Row `row` of the Jacobian: the gradients of one element of the output. */
static rt_status analytic_row(check *k, rt_tensor *seed, int64_t row,
                              rt_tensor **leaves, const int *which, int nleaves)
{
    rt_tensor *grads[MAX_INPUTS] = {0};
    double *one = (double *)seed->data;
    memset(one, 0, sizeof *one * (size_t)seed->numel);
    one[row] = 1.0;
    rt_status s = rt_gradients(grads, &k->output, &seed, 1, leaves, nleaves,
                               true, false, true, k->err);
    for (int i = 0; i < nleaves && s == RT_OK; i++) {
        int64_t numel = leaves[i]->numel;
        for (int64_t j = 0; j < numel && grads[i]; j++) {
            k->analytic[which[i]][row * numel + j] = value_at(grads[i], j);
        }
    }
    for (int i = 0; i < nleaves; i++) {
        rt_release(grads[i]);
    }
    return s;
}

static rt_status analytic(check *k)
{
    rt_tensor *leaves[MAX_INPUTS], *seed = NULL;
    int which[MAX_INPUTS], n = 0;
    if (!rt_requires_grad(k->output)) {
        return RT_OK;           /* a constant: all zero */
    }
    for (int i = 0; i < k->n; i++) {
        if (rt_requires_grad(k->inputs[i])) {
            which[n] = i;
            leaves[n++] = k->inputs[i];
        }
    }
    rt_status s = rt_tensor_new(&seed, RT_FLOAT64, k->output->ndim,
                                k->output->shape, k->err);
    for (int64_t row = 0; s == RT_OK && row < k->output->numel; row++) {
        s = analytic_row(k, seed, row, leaves, which, n);
    }
    rt_release(seed);
    return s;
}

static rt_status compare(check *k, int input, int64_t j)
{
    int64_t numel = k->inputs[input]->numel, rows = k->output->numel;
    for (int64_t row = 0; row < rows; row++) {
        double numeric = (k->above[row] - k->below[row]) / (2.0 * k->eps);
        double got = k->analytic[input][row * numel + j];
        if (!(fabs(got - numeric) <= k->atol + k->rtol * fabs(numeric))) {
            return rt_fail(k->err, RT_E_AUTOGRAD, "gradcheck: output element "
                           "%lld by element %lld of input %d: the gradient is "
                           "%.9g, differences give %.9g", (long long)row,
                           (long long)j, input, got, numeric);
        }
    }
    return RT_OK;
}

/* The function's values: copied, for its output may be a view of an input. */
static rt_status sample(const check *k, double *values)
{
    rt_tensor *out = NULL;
    rt_status s = evaluate(k, &out);
    if (s == RT_OK && !rt__same_shape(out, k->output)) {
        s = rt_fail(k->err, RT_E_AUTOGRAD, "gradcheck: the function's output "
                    "changes its shape with its input's values");
    }
    for (int64_t i = 0; s == RT_OK && i < out->numel; i++) {
        values[i] = value_at(out, i);
    }
    rt_release(out);
    return s;
}

static rt_status check_element(check *k, int input, int64_t j)
{
    double *x = element(k->inputs[input], j), was = *x;
    *x = was + k->eps;
    rt_status s = sample(k, k->above);
    *x = was - k->eps;
    s = s == RT_OK ? sample(k, k->below) : s;
    *x = was;
    return s == RT_OK ? compare(k, input, j) : s;
}

static rt_status make_room(check *k)
{
    size_t n = (size_t)(k->n ? k->n : 1);
    k->analytic = rt_alloc(sizeof *k->analytic * n);
    if (!k->analytic) {
        return rt_fail(k->err, RT_E_MEMORY, "gradcheck: no memory");
    }
    memset(k->analytic, 0, sizeof *k->analytic * n);
    size_t side = sizeof(double) * (size_t)k->output->numel;
    k->above = rt_alloc(2 * side + 1);
    if (!k->above) {
        return rt_fail(k->err, RT_E_MEMORY, "gradcheck: no memory");
    }
    k->below = k->above + k->output->numel;
    for (int i = 0; i < k->n; i++) {
        size_t bytes = sizeof(double) * (size_t)(k->output->numel
                                                 * k->inputs[i]->numel);
        k->analytic[i] = rt_alloc(bytes ? bytes : 1);
        if (!k->analytic[i]) {
            return rt_fail(k->err, RT_E_MEMORY, "gradcheck: no memory");
        }
        memset(k->analytic[i], 0, bytes);
    }
    return RT_OK;
}

rt_status rt_gradcheck(rt_function f, void *ctx, rt_tensor *const *inputs,
                       int n, double eps, double atol, double rtol,
                       rt_error *err)
{
    check k = {.f = f, .ctx = ctx, .inputs = inputs, .n = n, .eps = eps,
               .atol = atol, .rtol = rtol, .err = err};
    rt_status s = check_inputs(&k);
    s = s == RT_OK ? evaluate(&k, &k.output) : s;
    s = s == RT_OK ? make_room(&k) : s;
    s = s == RT_OK ? analytic(&k) : s;
    for (int i = 0; i < n && s == RT_OK; i++) {
        if (!rt_requires_grad(inputs[i])) {
            continue;
        }
        for (int64_t j = 0; j < inputs[i]->numel && s == RT_OK; j++) {
            s = check_element(&k, i, j);
        }
    }
    for (int i = 0; k.analytic && i < n; i++) {
        rt_free(k.analytic[i]);
    }
    rt_free(k.analytic);
    rt_free(k.above);
    rt_release(k.output);
    return s;
}

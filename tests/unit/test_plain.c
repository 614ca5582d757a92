/* SPDX-License-Identifier: MIT
 * The short way for small elementwise ops: the same bits, gradients, errors and
 * memory as the long way, which the same numbers take when they lie apart.
 */
#include "runtime/autograd/graph.h"
#include "tests/unit/tensors.h"

#include <math.h>

static const struct {
    rt_op_id id;
    int operands;
} ops[] = {{RT_OP_add, 2}, {RT_OP_sub, 2}, {RT_OP_mul, 2}, {RT_OP_div, 2},
           {RT_OP_maximum, 2}, {RT_OP_minimum, 2}, {RT_OP_neg, 1},
           {RT_OP_abs, 1}, {RT_OP_square, 1}, {RT_OP_relu, 1}, {RT_OP_exp, 1},
           {RT_OP_log, 1}, {RT_OP_sqrt, 1}, {RT_OP_tanh, 1},
           {RT_OP_sigmoid, 1}};
#define OPS (int)(sizeof ops / sizeof *ops)

/* The numbers of t at every second place of a tensor twice as long. */
static rt_tensor *apart(const rt_tensor *t)
{
    int64_t n = t->numel, twice = 2 * n, step = 2;
    rt_tensor *wide = NULL, *out = NULL;
    CHECK_OK(rt_tensor_new(&wide, (rt_dtype)t->dtype, 1, &twice, &err), err);
    size_t size = rt_dtype_size((rt_dtype)t->dtype);
    memset(wide->data, 0, size * (size_t)twice);
    for (int64_t i = 0; i < n; i++) {
        memcpy(wide->data + 2 * i * (int64_t)size, t->data + i * (int64_t)size,
               size);
    }
    CHECK_OK(rt_tensor_view(&out, wide, 1, &n, &step, 0, &err), err);
    rt_release(wide);
    return out;
}

static rt_tensor *result(int k, rt_tensor *a, rt_tensor *b)
{
    rt_value args[] = {T(a), T(b)}, r[RT_MAX_RESULTS] = {{0}};
    CHECK_OK(rt_call(&rt__ops[ops[k].id], args, ops[k].operands, r, &err), err);
    return r[0].t;
}

static void check_same(int k, const char *what, const rt_tensor *a,
                       const rt_tensor *b)
{
    CHECK_INT(a->numel, b->numel);
    for (int64_t i = 0; i < a->numel; i++) {
        double x = at(a, i), y = at(b, i);
        if (memcmp(&x, &y, sizeof x) && !(isnan(x) && isnan(y))) {
            UNIT_FAIL("%s: %s %lld is %.17g, expected %.17g",
                      rt_op_name(&rt__ops[ops[k].id]), what, (long long)i, x,
                      y);
        }
    }
}

/* Result and gradients of op k on a and b, and on the same numbers apart. */
static void compare(int k, rt_tensor *a, rt_tensor *b, rt_tensor *g)
{
    rt_tensor *x[2] = {a, b}, *far[2] = {apart(a), apart(b)};
    rt_tensor *near_grads[2] = {NULL}, *far_grads[2] = {NULL};
    int n = ops[k].operands;
    for (int i = 0; i < 2; i++) {
        CHECK_OK(rt_set_requires_grad(x[i], true, &err), err);
        CHECK_OK(rt_set_requires_grad(far[i], true, &err), err);
    }
    rt_tensor *y = result(k, a, b), *z = result(k, far[0], far[1]);
    check_same(k, "result", y, z);
    CHECK(rt_requires_grad(y));
    CHECK_TEXT(rt_node_name(rt_grad_fn(y)), rt_node_name(rt_grad_fn(z)));
    CHECK_OK(rt_gradients(near_grads, &y, &g, 1, x, n, false, false, false,
                          &err), err);
    CHECK_OK(rt_gradients(far_grads, &z, &g, 1, far, n, false, false, false,
                          &err), err);
    for (int i = 0; i < n; i++) {
        check_same(k, "gradient", near_grads[i], far_grads[i]);
    }
    DROP(y, z, far[0], far[1]);
    DROP(near_grads[0], near_grads[1]);   /* a NULL ends a list */
    DROP(far_grads[0], far_grads[1]);
}

CASE(results_and_gradients_are_those_of_the_long_way)
{
    const int64_t sizes[] = {0, 1, 10, 1000};
    for (int k = 0; k < OPS; k++) {
        for (int s = 0; s < 4; s++) {
            for (int d = 0; d < 2; d++) {
                rt_dtype dtype = d ? RT_FLOAT64 : RT_FLOAT32;
                rt_tensor *a = noise(dtype, &sizes[s], 1, 1);
                rt_tensor *b = noise(dtype, &sizes[s], 1, 2);
                rt_tensor *g = noise(dtype, &sizes[s], 1, 3);
                compare(k, a, b, g);
                DROP(a, b, g);
            }
        }
    }
}

/* y = x; n times y = y * b; the gradients of sum(y * y). */
static void power_gradients(rt_tensor *x, rt_tensor *b, int n, rt_tensor **out)
{
    rt_tensor *y = rt_retain(x);
    for (int i = 0; i <= n; i++) {
        rt_tensor *next = result(2, y, i < n ? b : y);
        rt_release(y);
        y = next;
    }
    rt_tensor *seed = NULL, *inputs[] = {x, b};
    CHECK_OK(rt_tensor_new(&seed, (rt_dtype)y->dtype, y->ndim, y->shape, &err),
             err);
    for (int64_t i = 0; i < seed->numel; i++) {
        rt__store_float((rt_dtype)seed->dtype,
                        seed->data + i * (int64_t)rt_dtype_size(
                                             (rt_dtype)seed->dtype), 0.5);
    }
    CHECK_OK(rt_gradients(out, &y, &seed, 1, inputs, 2, false, false, false,
                          &err), err);
    rt_release(seed);
    rt_release(y);
}

CASE(a_factor_used_many_times_gets_the_same_sum)
{
    static const int64_t sizes[] = {1, 10, 255, 256, 257, 5000};
    for (size_t k = 0; k < 2 * sizeof sizes / sizeof *sizes; k++) {
        rt_dtype dtype = k % 2 ? RT_FLOAT64 : RT_FLOAT32;
        rt_tensor *x = noise(dtype, SHAPE(sizes[k / 2]), 1);
        rt_tensor *b = noise(dtype, SHAPE(sizes[k / 2]), 2);
        rt_tensor *far[] = {apart(x), apart(b)}, *near_grads[2], *far_grads[2];
        rt_tensor *all[] = {x, b, far[0], far[1]};
        for (int i = 0; i < 4; i++) {
            CHECK_OK(rt_set_requires_grad(all[i], true, &err), err);
        }
        power_gradients(x, b, 7, near_grads);
        power_gradients(far[0], far[1], 7, far_grads);
        for (int i = 0; i < 2; i++) {
            check_same(2, "gradient", near_grads[i], far_grads[i]);
            rt_release(near_grads[i]);
            rt_release(far_grads[i]);
        }
        for (int i = 0; i < 4; i++) {
            rt_release(all[i]);
        }
    }
}

CASE(odd_numbers_come_out_as_on_the_long_way)
{
    const double odd[] = {NAN, INFINITY, -INFINITY, 0.0, -0.0, 1e-42, -1e-42,
                          3e38, -3e38, 1};
    rt_tensor *a = tensor(RT_FLOAT32, SHAPE(100), odd, 10), *b, *g;
    b = tensor(RT_FLOAT32, SHAPE(100), VALUES(1, 1, 1, 1, 1, 1, 1, 1, 1, 1));
    g = tensor(RT_FLOAT32, SHAPE(100), VALUES(1, -1, 0.5));
    for (int i = 0; i < 100; i++) {
        put(b, i, odd[i / 10]);
    }
    for (int k = 0; k < OPS; k++) {
        compare(k, a, b, g);
    }
    DROP(a, b, g);
}

CASE(a_saved_value_that_is_overwritten_is_found_out)
{
    rt_tensor *a = noise(RT_FLOAT32, SHAPE(3), 1);
    rt_tensor *b = noise(RT_FLOAT32, SHAPE(3), 2);
    CHECK_OK(rt_set_requires_grad(a, true, &err), err);
    rt_tensor *y = CALL(mul, 2, T(a), T(b)), *total = CALL(sum, 1, T(y));
    rt_tensor *same = CALL(add_, 2, T(b), RT_V_FLOAT(1));
    CHECK_FAILS(rt_backward(&total, NULL, 1, false, false, &err), err,
                RT_E_AUTOGRAD);
    CHECK_HAS(err.message, "add_");
    CHECK_HAS(err.message, "mul saved an argument of shape [3]");
    DROP(a, b, y, total, same);
}

/* Who keeps a twin that lies in a node's block keeps the block. */
CASE(a_saved_value_outlives_its_node)
{
    rt_memory_stats before, after;
    rt_tensor *a = noise(RT_FLOAT32, SHAPE(2, 3), 1);
    rt_tensor *b = noise(RT_FLOAT32, SHAPE(3), 2);
    CHECK_OK(rt_set_requires_grad(a, true, &err), err);
    rt_memory_read_stats(&before);
    rt_tensor *y = CALL(mul, 2, T(a), T(b));
    rt_node *n = rt_grad_fn(y);
    CHECK_INT(n->nsaved, 1);
    rt_tensor *kept = rt_retain(n->saved[0].tensor);
    CHECK(kept->flags & RT_F_LODGED);
    CHECK(rt_tensor_shares_storage(kept, b));
    rt_release(y);
    check_same(2, "saved", kept, b);
    rt_release(kept);
    rt_memory_read_stats(&after);
    CHECK_INT(after.allocated, before.allocated);
    DROP(a, b);
}

CASE(a_plain_node_keeps_the_memory_of_its_operands_only)
{
    rt_memory_stats before, after;
    rt_tensor *a = noise(RT_FLOAT32, SHAPE(2, 3), 1);
    rt_tensor *b = noise(RT_FLOAT32, SHAPE(2, 3), 2), *copy;
    CHECK_OK(rt_set_requires_grad(a, true, &err), err);
    copy = CALL(clone, 1, T(b));
    rt_memory_read_stats(&before);
    rt_tensor *twice = CALL(add, 2, T(b), T(b));
    rt_tensor *y = CALL(mul, 2, T(a), T(twice));
    rt_release(twice);
    rt_node *n = rt_grad_fn(y);
    CHECK(n->plain);
    CHECK_INT(n->keeps, 2);
    CHECK_INT(atomic_load(&rt__kept_at(n, 1)->storage->refs), 1);
    rt_tensor *total = CALL(sum, 1, T(y)), *want = CALL(add, 2, T(b), T(b));
    CHECK_OK(rt_backward(&total, NULL, 1, false, false, &err), err);
    CHECK(n->freed);
    check_same(2, "gradient", rt_grad(a), want);
    CHECK_OK(rt_set_grad(a, NULL, &err), err);
    DROP(y, total, want);
    rt_memory_read_stats(&after);
    CHECK_INT(after.allocated, before.allocated);
    DROP(a, b, copy);
}

/* Rules that see tensors get them made anew, with their history under
 * create_graph: d2(x * y)/dx dy = 1, d2(tanh(x))/dx2 = -2 tanh(x) (1 - t^2). */
CASE(kept_values_become_tensors_for_rules_and_second_gradients)
{
    rt_tensor *x = noise(RT_FLOAT64, SHAPE(4), 1), *g = NULL, *gg = NULL;
    CHECK_OK(rt_set_requires_grad(x, true, &err), err);
    rt_tensor *t = CALL(tanh, 1, T(x)), *y = CALL(mul, 2, T(t), T(t));
    rt_tensor *total = CALL(sum, 1, T(y));
    CHECK_OK(rt_gradients(&g, &total, NULL, 1, &x, 1, true, true, false, &err),
             err);
    rt_tensor *again = CALL(sum, 1, T(g));
    CHECK_OK(rt_gradients(&gg, &again, NULL, 1, &x, 1, false, false, false,
                          &err), err);
    for (int i = 0; i < 4; i++) {
        double v = tanh(at(x, i)), d = 1 - v * v;
        CHECK(fabs(at(g, i) - 2 * v * d) < 1e-12);
        CHECK(fabs(at(gg, i) - (2 * d * d - 4 * v * v * d)) < 1e-12);
    }
    DROP(x, t, y, total, g, again, gg);
}

CASE(modes_and_wrapped_numbers_take_the_long_way)
{
    rt_tensor *a = noise(RT_FLOAT32, SHAPE(3), 1), *y;
    CHECK_OK(rt_set_requires_grad(a, true, &err), err);
    rt_set_grad_enabled(false);
    y = CALL(mul, 2, T(a), T(a));
    rt_set_grad_enabled(true);
    CHECK(!rt_requires_grad(y));
    rt_release(y);
    rt_set_inference_mode(true);
    y = CALL(mul, 2, T(a), T(a));
    rt_set_inference_mode(false);
    CHECK(y->flags & RT_F_INFERENCE);
    rt_release(y);
    y = CALL(mul, 2, T(a), RT_V_INT(2));
    CHECK_INT(y->dtype, RT_FLOAT32);
    rt_release(y);
    rt_interrupt();
    REFUSES(RT_E_INTERRUPT, "mul: interrupted before it began", mul, 2, T(a), T(a));
    rt_interrupt_clear();
    rt_release(a);
}

UNIT_MAIN

/* SPDX-License-Identifier: MIT
 * Recording and the backward pass: accumulation, versions, in-place rules,
 * views, hooks, custom nodes, modes, long chains, and that all is freed.
 */
#include "runtime/autograd/graph.h"

#include "tests/unit/unit.h"

#include <pthread.h>

/* --- short hands; every tensor made here lives until the case ends -------------- */

static rt_tensor *held[4096];
static int nheld;
static rt_error err;

static rt_tensor *hold(rt_tensor *t)
{
    if (t) {
        held[nheld++] = t;
    }
    return t;
}

static void let_go(void)
{
    while (nheld) {
        rt_release(held[--nheld]);
    }
}

static rt_tensor *make(int64_t n, double first, double step)
{
    rt_tensor *t = NULL;
    CHECK_OK(rt_tensor_new(&t, RT_FLOAT64, 1, &n, &err), err);
    for (int64_t i = 0; i < n; i++) {
        ((double *)t->data)[i] = first + step * (double)i;
    }
    return hold(t);
}

static rt_tensor *leaf(int64_t n, double first, double step)
{
    rt_tensor *t = make(n, first, step);
    CHECK_OK(rt_set_requires_grad(t, true, &err), err);
    return t;
}

static rt_tensor *op_n(rt_op_id id, const rt_value *args, int n)
{
    rt_value results[RT_MAX_RESULTS] = {{0}};
    err.code = RT_OK;
    if (rt_call(&rt__ops[id], args, n, results, &err) != RT_OK) {
        UNIT_FAIL("%s: %s", rt_op_name(&rt__ops[id]), err.message);
        return NULL;
    }
    for (int i = 1; i < RT_MAX_RESULTS; i++) {
        rt_value_release(&results[i]);
    }
    return hold(results[0].t);
}

#define T(t) RT_V_TENSOR(t)
#define N(v) RT_V_FLOAT(v)
#define I(v) RT_V_INT(v)
#define OP_(id, ...)                                                           \
    op_n(RT_OP_##id, (rt_value[]){__VA_ARGS__},                                \
         (int)(sizeof((rt_value[]){__VA_ARGS__}) / sizeof(rt_value)))

static rt_status try_op(rt_op_id id, rt_tensor *a, rt_value b)
{
    rt_value results[RT_MAX_RESULTS] = {{0}}, args[] = {T(a), b};
    err.code = RT_OK;
    rt_status s = rt_call(&rt__ops[id], args, 2, results, &err);
    for (int i = 0; s == RT_OK && i < RT_MAX_RESULTS; i++) {
        rt_value_release(&results[i]);
    }
    return s;
}

static rt_status run_backward(rt_tensor *y, bool retain, bool create)
{
    err.code = RT_OK;
    return rt_backward(&y, NULL, 1, retain, create, &err);
}

static void backward(rt_tensor *y)
{
    CHECK_OK(run_backward(y, false, false), err);
}

static double at(const rt_tensor *t, int64_t i)
{
    return t ? ((double *)t->data)[i] : NAN;
}

static double grad_at(const rt_tensor *t, int64_t i)
{
    return at(rt_grad(t), i);
}

#define CASE_HELD(name)                                                        \
    static void body_##name(void);                                             \
    CASE(name)                                                                 \
    {                                                                          \
        rt_memory_stats before, after;                                         \
        body_##name();       /* caches and names fill in the first round */    \
        let_go();                                                              \
        rt_memory_read_stats(&before);                                         \
        body_##name();                                                         \
        let_go();                                                              \
        rt_memory_read_stats(&after);                                          \
        CHECK_INT(after.allocated, before.allocated);                          \
    }                                                                          \
    static void body_##name(void)

/* --- leaves and accumulation ------------------------------------------------------- */

CASE_HELD(a_product_gives_both_factors_their_gradients)
{
    rt_tensor *a = leaf(3, 1, 1), *b = leaf(3, 4, 1);
    rt_tensor *y = OP_(sum, T(OP_(mul, T(a), T(b))));
    CHECK(rt_requires_grad(y));
    CHECK(!rt_is_leaf(y));
    CHECK_TEXT(rt_node_name(rt_grad_fn(y)), "SumBackward0");
    CHECK_TEXT(rt_node_name(rt_node_input(rt_grad_fn(y), 0)), "MulBackward0");
    backward(y);
    CHECK_NEAR(grad_at(a, 0), 4, 0);
    CHECK_NEAR(grad_at(a, 2), 6, 0);
    CHECK_NEAR(grad_at(b, 1), 2, 0);
    CHECK(rt_grad(y) == NULL);
}

CASE_HELD(gradients_accumulate_over_two_passes)
{
    rt_tensor *a = leaf(2, 1, 1);
    for (int i = 0; i < 2; i++) {
        backward(OP_(sum, T(OP_(square, T(a)))));
    }
    CHECK_NEAR(grad_at(a, 1), 8, 0);
    rt_tensor *g = rt_grad(a);
    backward(OP_(sum, T(a)));
    CHECK(rt_grad(a) == g);
    CHECK_NEAR(grad_at(a, 1), 9, 0);
}

CASE_HELD(a_diamond_sums_its_two_sides)
{
    rt_tensor *a = leaf(2, 3, 1);
    rt_tensor *b = OP_(mul, T(a), N(2.0));
    rt_tensor *y = OP_(add, T(OP_(mul, T(b), T(b))), T(b));
    backward(OP_(sum, T(y)));
    CHECK_NEAR(grad_at(a, 0), 8 * 3 + 2, 1e-12);
}

CASE_HELD(the_same_tensor_twice_counts_twice)
{
    rt_tensor *a = leaf(1, 3, 0);
    backward(OP_(mul, T(a), T(a)));
    CHECK_NEAR(grad_at(a, 0), 6, 0);
    rt_tensor *b = leaf(1, 3, 0);
    backward(OP_(add, T(b), T(b)));
    CHECK_NEAR(grad_at(b, 0), 2, 0);
}

CASE_HELD(broadcast_gradients_are_summed)
{
    rt_tensor *a = leaf(1, 2, 0), *b = leaf(4, 1, 1);
    backward(OP_(sum, T(OP_(mul, T(a), T(b)))));
    CHECK_INT(rt_grad(a)->numel, 1);
    CHECK_NEAR(grad_at(a, 0), 10, 0);
    CHECK_NEAR(grad_at(b, 3), 2, 0);
}

CASE_HELD(a_gradient_shared_by_two_leaves_is_not_shared_memory)
{
    rt_tensor *a = leaf(2, 1, 1), *b = leaf(2, 1, 1), *g = make(2, 1, 0);
    rt_tensor *y = OP_(add, T(a), T(b));
    CHECK_OK(rt_backward(&y, &g, 1, false, false, &err), err);
    CHECK(!rt_tensor_shares_storage(rt_grad(a), rt_grad(b)));
    CHECK(!rt_tensor_shares_storage(rt_grad(a), g));
}

CASE_HELD(gradients_have_the_dtype_of_their_leaf)
{
    rt_tensor *a = NULL, *b = leaf(2, 1, 1);
    int64_t n = 2;
    CHECK_OK(rt_tensor_new(&a, RT_FLOAT32, 1, &n, &err), err);
    hold(a);
    ((float *)a->data)[0] = ((float *)a->data)[1] = 3;
    CHECK_OK(rt_set_requires_grad(a, true, &err), err);
    backward(OP_(sum, T(OP_(mul, T(a), T(b)))));
    CHECK_INT(rt_grad(a)->dtype, RT_FLOAT32);
    CHECK_NEAR(((float *)rt_grad(a)->data)[1], 2, 0);
}

/* --- what must be refused ------------------------------------------------------------ */

CASE_HELD(requires_grad_is_for_floating_leaves)
{
    rt_tensor *t = NULL;
    int64_t n = 2;
    CHECK_OK(rt_tensor_new(&t, RT_INT64, 1, &n, &err), err);
    hold(t);
    CHECK_FAILS(rt_set_requires_grad(t, true, &err), err, RT_E_AUTOGRAD);
    CHECK(strstr(err.message, "int64") != NULL);
    rt_tensor *y = OP_(neg, T(leaf(2, 1, 1)));
    CHECK_FAILS(rt_set_requires_grad(y, false, &err), err, RT_E_AUTOGRAD);
    CHECK(strstr(err.help, "detach") != NULL);
}

CASE_HELD(backward_needs_a_gradient_for_more_than_one_element)
{
    rt_tensor *y = OP_(neg, T(leaf(2, 1, 1)));
    CHECK_INT(run_backward(y, false, false), RT_E_AUTOGRAD);
    CHECK(strstr(err.message, "[2]") != NULL);
    rt_tensor *g = make(3, 1, 0);
    CHECK_FAILS(rt_backward(&y, &g, 1, false, false, &err), err, RT_E_SHAPE);
    CHECK_INT(run_backward(make(1, 1, 0), false, false), RT_E_AUTOGRAD);
}

CASE_HELD(a_second_backward_needs_retain_graph)
{
    rt_tensor *a = leaf(1, 3, 0), *y = OP_(square, T(a));
    CHECK_OK(run_backward(y, true, false), err);
    CHECK_OK(run_backward(y, false, false), err);
    CHECK_NEAR(grad_at(a, 0), 12, 0);
    CHECK_INT(run_backward(y, false, false), RT_E_AUTOGRAD);
    CHECK(strstr(err.message, "SquareBackward0") != NULL);
    CHECK(strstr(err.help, "retain_graph") != NULL);
    CHECK_NEAR(grad_at(a, 0), 12, 0);
}

CASE_HELD(an_overwritten_saved_value_names_both_ops_and_shapes)
{
    rt_tensor *a = leaf(3, 1, 1), *b = OP_(mul, T(a), N(2.0));
    rt_tensor *y = OP_(sum, T(OP_(square, T(b))));
    rt_tensor *part = OP_(slice, T(b), I(0), I(0), I(2));
    OP_(add_, T(part), N(1.0));
    CHECK_INT(run_backward(y, false, false), RT_E_AUTOGRAD);
    CHECK(strstr(err.message, "square") != NULL);
    CHECK(strstr(err.message, "add_") != NULL);
    CHECK(strstr(err.message, "[3]") != NULL);
    CHECK(strstr(err.message, "[2]") != NULL);
    CHECK(rt_grad(a) == NULL);
}

CASE_HELD(an_op_that_saves_its_result_minds_writes_to_it)
{
    rt_tensor *a = leaf(2, 1, 1), *y = OP_(exp, T(a));
    OP_(mul_, T(y), N(2.0));
    CHECK_INT(run_backward(OP_(sum, T(y)), false, false), RT_E_AUTOGRAD);
    rt_tensor *z = OP_(neg, T(a));        /* saves nothing */
    OP_(mul_, T(z), N(2.0));
    backward(OP_(sum, T(z)));
    CHECK_NEAR(grad_at(a, 0), -2, 0);
}

CASE_HELD(new_data_under_a_saved_leaf_is_noticed)
{
    rt_tensor *a = leaf(2, 1, 1), *y = OP_(sum, T(OP_(square, T(a))));
    CHECK_OK(rt_tensor_set_data(a, make(2, 7, 1), &err), err);
    CHECK_INT(run_backward(y, false, false), RT_E_AUTOGRAD);
    CHECK(strstr(err.message, "data") != NULL);
    backward(OP_(sum, T(OP_(square, T(a)))));
    CHECK_NEAR(grad_at(a, 0), 14, 0);
}

CASE_HELD(a_leaf_is_not_written_in_place)
{
    rt_tensor *a = leaf(2, 1, 1);
    CHECK_INT(try_op(RT_OP_add_, a, N(1.0)), RT_E_AUTOGRAD);
    CHECK(strstr(err.help, "no_grad") != NULL);
    CHECK_NEAR(at(a, 0), 1, 0);
    rt_tensor *view = OP_(select, T(a), I(0), I(0));
    CHECK_INT(try_op(RT_OP_add_, view, N(1.0)), RT_E_AUTOGRAD);
    rt_set_grad_enabled(false);
    CHECK_INT(try_op(RT_OP_add_, a, N(1.0)), RT_OK);
    rt_set_grad_enabled(true);
    CHECK_NEAR(at(a, 0), 2, 0);
    CHECK(rt_is_leaf(a));
}

/* --- in place ---------------------------------------------------------------------------- */

CASE_HELD(an_in_place_op_moves_the_history_on)
{
    rt_tensor *a = leaf(2, 3, 1), *b = OP_(mul, T(a), N(2.0));
    OP_(add_, T(b), T(a));
    CHECK_TEXT(rt_node_name(rt_grad_fn(b)), "AddBackward0");
    OP_(mul_, T(b), T(b));
    backward(OP_(sum, T(b)));
    CHECK_NEAR(grad_at(a, 0), 2 * 9 * 3, 1e-12);
}

CASE_HELD(an_in_place_product_keeps_the_old_factor)
{
    rt_tensor *a = leaf(2, 3, 1), *b = leaf(2, 5, 1);
    rt_tensor *y = OP_(mul, T(a), N(1.0));
    OP_(mul_, T(y), T(b));
    backward(OP_(sum, T(y)));
    CHECK_NEAR(grad_at(b, 0), 3, 0);
    CHECK_NEAR(grad_at(a, 0), 5, 0);
}

CASE_HELD(plain_data_that_takes_in_a_gradient_begins_to_record)
{
    rt_tensor *a = leaf(2, 3, 1), *buffer = make(2, 0, 0);
    CHECK(!rt_requires_grad(buffer));
    OP_(add_, T(buffer), T(a));
    CHECK(rt_requires_grad(buffer));
    backward(OP_(sum, T(OP_(square, T(buffer)))));
    CHECK_NEAR(grad_at(a, 1), 8, 0);
}

CASE_HELD(writing_through_a_view_reaches_the_base)
{
    rt_tensor *a = leaf(4, 1, 1), *b = OP_(mul, T(a), N(1.0));
    rt_tensor *before = OP_(slice, T(b), I(0), I(2), I(4));
    rt_tensor *view = OP_(slice, T(b), I(0), I(0), I(3));
    OP_(mul_, T(view), N(10.0));
    CHECK_TEXT(rt_node_name(rt_grad_fn(b)), "CopySlices");
    CHECK_TEXT(rt_node_name(rt_grad_fn(view)), "AsStridedBackward0");
    CHECK_TEXT(rt_node_name(rt_grad_fn(before)), "AsStridedBackward0");
    rt_tensor *y = OP_(add, T(OP_(sum, T(b))), T(OP_(sum, T(before))));
    backward(y);
    CHECK_NEAR(grad_at(a, 0), 10, 0);
    CHECK_NEAR(grad_at(a, 2), 20, 0);
    CHECK_NEAR(grad_at(a, 3), 2, 0);
}

CASE_HELD(rows_written_into_a_plain_buffer_get_gradients)
{
    rt_tensor *a = leaf(1, 3, 0), *buffer = make(3, 7, 0);
    for (int i = 0; i < 2; i++) {
        rt_tensor *at_i = OP_(slice, T(buffer), I(0), I(i), I(i + 1));
        OP_(copy_, T(at_i), T(OP_(mul, T(a), N(i + 1.0))));
    }
    CHECK(rt_requires_grad(buffer));
    rt_tensor *g = make(3, 1, 1);
    CHECK_OK(rt_backward(&buffer, &g, 1, false, false, &err), err);
    CHECK_NEAR(grad_at(a, 0), 1 * 1 + 2 * 2, 0);
}

CASE_HELD(zeroing_a_view_stops_its_gradient)
{
    rt_tensor *a = leaf(3, 1, 1), *b = OP_(mul, T(a), N(2.0));
    OP_(zero_, T(OP_(slice, T(b), I(0), I(1), I(2))));
    backward(OP_(sum, T(b)));
    CHECK_NEAR(grad_at(a, 0), 2, 0);
    CHECK_NEAR(grad_at(a, 1), 0, 0);
}

CASE_HELD(a_write_through_a_transposed_base_finds_its_place)
{
    int64_t shape[2] = {2, 3};
    rt_tensor *a = leaf(6, 1, 1);
    rt_tensor *m = OP_(reshape, T(OP_(mul, T(a), N(1.0))),
                       RT_V_INTS(shape, 2));
    rt_tensor *column = OP_(select, T(OP_(transpose, T(m), I(0), I(1))), I(0),
                            I(1));
    OP_(mul_, T(column), N(5.0));
    backward(OP_(sum, T(m)));
    CHECK_NEAR(grad_at(a, 0), 1, 0);
    CHECK_NEAR(grad_at(a, 1), 5, 0);
    CHECK_NEAR(grad_at(a, 4), 5, 0);
}

CASE_HELD(a_view_made_in_no_grad_is_not_written_while_recording)
{
    rt_tensor *a = leaf(2, 1, 1), *b = OP_(mul, T(a), N(2.0));
    rt_set_grad_enabled(false);
    rt_tensor *view = OP_(slice, T(b), I(0), I(0), I(1));
    rt_set_grad_enabled(true);
    CHECK(!rt_requires_grad(view));
    CHECK_INT(try_op(RT_OP_mul_, view, T(a)), RT_E_AUTOGRAD);
    CHECK(strstr(err.message, "no_grad") != NULL);
    rt_tensor *inner = OP_(slice, T(view), I(0), I(0), I(1));
    CHECK_INT(try_op(RT_OP_mul_, inner, N(2.0)), RT_E_AUTOGRAD);
    rt_tensor *apart = OP_(detach, T(b));
    CHECK_INT(try_op(RT_OP_mul_, apart, N(2.0)), RT_OK);
}

/* --- modes ---------------------------------------------------------------------------------- */

static void *other_thread(void *out)
{
    *(bool *)out = rt_grad_enabled();
    return NULL;
}

CASE_HELD(no_grad_records_nothing_on_this_thread_only)
{
    rt_tensor *a = leaf(2, 1, 1);
    bool there = false;
    pthread_t thread;
    CHECK(rt_set_grad_enabled(false));
    rt_tensor *y = OP_(neg, T(a));
    pthread_create(&thread, NULL, other_thread, &there);
    pthread_join(thread, NULL);
    CHECK(!rt_set_grad_enabled(true));
    CHECK(there);
    CHECK(!rt_requires_grad(y));
    CHECK(rt_grad_fn(y) == NULL);
}

CASE_HELD(inference_tensors_do_not_record_outside)
{
    rt_tensor *a = leaf(2, 1, 1);
    rt_set_inference_mode(true);
    rt_tensor *y = OP_(mul, T(a), N(2.0));
    rt_set_inference_mode(false);
    CHECK(!rt_requires_grad(y));
    CHECK_INT(try_op(RT_OP_mul, a, T(y)), RT_E_AUTOGRAD);
    CHECK_INT(try_op(RT_OP_mul_, y, T(a)), RT_E_AUTOGRAD);
    CHECK_INT(try_op(RT_OP_mul, y, N(2.0)), RT_OK);
}

CASE_HELD(detach_shares_memory_but_no_history)
{
    rt_tensor *a = leaf(2, 1, 1), *y = OP_(mul, T(a), N(2.0)), *d = NULL;
    CHECK_OK(rt_detach(&d, y, &err), err);
    hold(d);
    CHECK(!rt_requires_grad(d));
    CHECK(rt_tensor_shares_storage(d, y));
    backward(OP_(sum, T(OP_(mul, T(y), T(d)))));
    CHECK_NEAR(grad_at(a, 1), 2 * 4, 0);
}

/* --- higher orders --------------------------------------------------------------------------- */

CASE_HELD(create_graph_differentiates_again)
{
    rt_tensor *a = leaf(1, 2, 0), *g1 = NULL, *g2 = NULL, *g3 = NULL;
    rt_tensor *y = OP_(pow, T(a), I(4));
    CHECK_OK(rt_gradients(&g1, &y, NULL, 1, &a, 1, true, true, false, &err), err);
    CHECK_OK(rt_gradients(&g2, &g1, NULL, 1, &a, 1, true, true, false, &err),
             err);
    CHECK_OK(rt_gradients(&g3, &g2, NULL, 1, &a, 1, false, false, false, &err),
             err);
    hold(g1), hold(g2), hold(g3);
    CHECK_NEAR(at(g1, 0), 32, 1e-12);
    CHECK_NEAR(at(g2, 0), 48, 1e-12);
    CHECK_NEAR(at(g3, 0), 48, 1e-12);
    CHECK(rt_grad(a) == NULL);
    CHECK(rt_requires_grad(g1));
    CHECK(!rt_requires_grad(g3));
}

CASE_HELD(backward_with_create_graph_leaves_gradients_that_record)
{
    rt_tensor *a = leaf(1, 3, 0), *y = OP_(exp, T(OP_(square, T(a))));
    CHECK_OK(run_backward(y, false, true), err);
    rt_tensor *g = hold(rt_retain(rt_grad(a)));
    CHECK(rt_requires_grad(g));
    CHECK_OK(rt_set_grad(a, NULL, &err), err);
    backward(g);
    CHECK_NEAR(grad_at(a, 0) / exp(9.0), 2 + 4 * 9, 1e-9);
    CHECK_OK(rt_set_grad(a, NULL, &err), err);
}

CASE_HELD(create_graph_passes_through_writes_to_views)
{
    rt_tensor *a = leaf(3, 1, 1), *g1 = NULL, *g2 = NULL;
    rt_tensor *b = OP_(square, T(a));
    rt_tensor *view = OP_(slice, T(b), I(0), I(1), I(3));
    OP_(mul_, T(view), T(OP_(slice, T(a), I(0), I(0), I(2))));
    rt_tensor *y = OP_(sum, T(b));          /* a0^2 + a1^2 a0 + a2^2 a1 */
    CHECK_OK(rt_gradients(&g1, &y, NULL, 1, &a, 1, true, true, false, &err), err);
    hold(g1);
    CHECK_NEAR(at(g1, 0), 2 * 1 + 4, 1e-12);
    CHECK_NEAR(at(g1, 1), 2 * 2 * 1 + 9, 1e-12);
    rt_tensor *z = OP_(sum, T(OP_(square, T(g1))));
    CHECK_OK(rt_gradients(&g2, &z, NULL, 1, &a, 1, false, false, false, &err),
             err);
    hold(g2);
    /* g1 = (2a + b^2, 2ab + c^2, 2bc): d/da sum g1^2 = 4 g1a + 4 b g1b */
    CHECK_NEAR(at(g2, 0), 4 * 6 + 4 * 2 * 13, 1e-9);
}

CASE_HELD(unused_inputs_are_null_or_an_error)
{
    rt_tensor *a = leaf(1, 2, 0), *b = leaf(1, 3, 0), *g[2] = {0};
    rt_tensor *y = OP_(square, T(a)), *inputs[2] = {a, b};
    CHECK_FAILS(rt_gradients(g, &y, NULL, 1, inputs, 2, true, false, false,
                             &err), err, RT_E_AUTOGRAD);
    CHECK(g[0] == NULL);
    CHECK_OK(rt_gradients(g, &y, NULL, 1, inputs, 2, false, false, true, &err),
             err);
    hold(g[0]);
    CHECK_NEAR(at(g[0], 0), 4, 0);
    CHECK(g[1] == NULL);
}

CASE_HELD(gradients_of_inner_results_and_of_the_output_itself)
{
    rt_tensor *a = leaf(1, 2, 0), *b = OP_(square, T(a)), *g[3] = {0};
    rt_tensor *y = OP_(mul, T(b), T(a)), *inputs[3] = {b, y, a};
    CHECK_OK(rt_gradients(g, &y, NULL, 1, inputs, 3, false, false, false, &err),
             err);
    hold(g[0]), hold(g[1]), hold(g[2]);
    CHECK_NEAR(at(g[0], 0), 2, 0);
    CHECK_NEAR(at(g[1], 0), 1, 0);
    CHECK_NEAR(at(g[2], 0), 12, 0);
}

/* --- hooks -------------------------------------------------------------------------------------- */

typedef struct seen {
    int calls, destroyed;
    double value;
} seen;

static rt_status double_it(void *ctx, rt_tensor **grad, rt_error *e)
{
    seen *s = ctx;
    rt_tensor *twice = NULL;
    s->calls++;
    s->value = at(*grad, 0);
    rt_status status = rt__op1(RT_OP_mul, &twice, e, 2, T(*grad), N(2.0));
    if (status == RT_OK) {
        rt_release(*grad);
        *grad = twice;
    }
    return status;
}

static rt_status look(void *ctx, rt_tensor **grad, rt_error *e)
{
    seen *s = ctx;
    s->calls++;
    s->value = at(*grad, 0);
    return RT_OK;
}

static rt_status refuse(void *ctx, rt_tensor **grad, rt_error *e)
{
    return rt_fail(e, RT_E_HOST, "the hook says no");
}

static void destroyed(void *ctx)
{
    ((seen *)ctx)->destroyed++;
}

CASE_HELD(hooks_may_replace_gradients_and_be_removed)
{
    seen s = {0};
    int64_t handle;
    rt_hook hook = {double_it, &s, destroyed};
    rt_tensor *a = leaf(1, 3, 0);
    CHECK_OK(rt_register_hook(a, &hook, &handle, &err), err);
    backward(OP_(square, T(a)));
    CHECK_NEAR(grad_at(a, 0), 12, 0);
    rt_remove_hook(a, handle);
    CHECK_INT(s.destroyed, 1);
    backward(OP_(square, T(a)));
    CHECK_NEAR(grad_at(a, 0), 18, 0);
    CHECK_INT(s.calls, 1);
}

CASE_HELD(a_hook_outlives_the_tensor_it_was_set_on)
{
    seen s = {0};
    int64_t handle;
    rt_hook hook = {double_it, &s, destroyed};
    rt_tensor *a = leaf(1, 3, 0), *b = NULL, *y = NULL;
    CHECK_OK(rt__op1(RT_OP_square, &b, &err, 1, T(a)), err);
    CHECK_OK(rt_register_hook(b, &hook, &handle, &err), err);
    CHECK_OK(rt__op1(RT_OP_mul, &y, &err, 2, T(b), N(5.0)), err);
    rt_release(b);
    CHECK_INT(s.destroyed, 0);
    backward(y);
    rt_release(y);
    CHECK_INT(s.destroyed, 1);
    CHECK_NEAR(s.value, 5, 0);
    CHECK_NEAR(grad_at(a, 0), 60, 0);
}

CASE_HELD(post_accumulate_hooks_see_the_sum)
{
    seen s = {0};
    int64_t handle;
    rt_hook hook = {look, &s, NULL};
    rt_tensor *a = leaf(1, 3, 0);
    CHECK_OK(rt_register_post_accumulate_hook(a, &hook, &handle, &err), err);
    backward(OP_(add, T(OP_(square, T(a))), T(a)));
    CHECK_INT(s.calls, 1);
    CHECK_NEAR(s.value, 7, 0);
    CHECK_FAILS(rt_register_post_accumulate_hook(OP_(neg, T(a)), &hook, &handle,
                                                 &err), err, RT_E_AUTOGRAD);
}

CASE_HELD(retain_grad_keeps_an_inner_gradient)
{
    rt_tensor *a = leaf(1, 3, 0), *b = OP_(square, T(a));
    CHECK_OK(rt_retain_grad(b, &err), err);
    OP_(mul_, T(b), N(2.0));
    backward(OP_(mul, T(b), N(5.0)));
    CHECK_NEAR(grad_at(b, 0), 5, 0);
    CHECK_FAILS(rt_retain_grad(make(1, 0, 0), &err), err, RT_E_AUTOGRAD);
}

CASE_HELD(a_failing_hook_stops_the_pass_and_leaves_it_clean)
{
    int64_t handle;
    rt_hook hook = {refuse, NULL, NULL};
    rt_tensor *a = leaf(1, 3, 0), *b = OP_(square, T(a));
    rt_tensor *y = OP_(mul, T(b), N(2.0));
    CHECK_OK(rt_register_hook(b, &hook, &handle, &err), err);
    CHECK_INT(run_backward(y, true, false), RT_E_HOST);
    CHECK(rt_grad(a) == NULL);
    rt_remove_hook(b, handle);
    backward(y);
    CHECK_NEAR(grad_at(a, 0), 12, 0);
}

static rt_status inner_pass(void *ctx, rt_tensor **grad, rt_error *e)
{
    rt_tensor *a = ctx, *y = NULL;
    bool before = rt_set_grad_enabled(true);
    rt_status s = rt__op1(RT_OP_mul, &y, e, 2, T(a), N(100.0));
    rt_set_grad_enabled(before);
    s = s ? s : rt_backward(&y, NULL, 1, false, false, e);
    rt_release(y);
    return s;
}

CASE_HELD(a_pass_inside_a_pass_uses_the_same_leaf)
{
    int64_t handle;
    rt_tensor *a = leaf(1, 3, 0), *b = OP_(square, T(a));
    rt_hook hook = {inner_pass, a, NULL};
    CHECK_OK(rt_register_hook(b, &hook, &handle, &err), err);
    backward(OP_(mul, T(b), T(a)));
    CHECK_NEAR(grad_at(a, 0), 27 + 100, 0);
}

/* --- custom nodes ------------------------------------------------------------------------------ */

static rt_status triple_backward(void *ctx, rt_tensor *const *grad_outputs,
                                 int noutputs, rt_tensor **grad_inputs,
                                 int ninputs, rt_error *e)
{
    ((seen *)ctx)->calls++;
    return grad_outputs[1]
               ? rt__op1(RT_OP_mul, &grad_inputs[0], e, 2, T(grad_outputs[1]),
                         N(3.0))
               : RT_OK;
}

static rt_status wrong_shape(void *ctx, rt_tensor *const *grad_outputs,
                             int noutputs, rt_tensor **grad_inputs, int ninputs,
                             rt_error *e)
{
    int64_t shape[1] = {5};
    return rt_tensor_new(&grad_inputs[0], RT_FLOAT64, 1, shape, e);
}

CASE_HELD(a_custom_node_runs_its_own_rule)
{
    seen s = {0};
    char name[] = "TripleBackward";
    rt_custom_node node = {name, triple_backward, &s, destroyed};
    rt_tensor *a = leaf(2, 1, 1), *plain = make(2, 0, 0);
    rt_tensor *outputs[2] = {make(2, 0, 0), make(2, 3, 3)};
    rt_tensor *inputs[2] = {a, plain};
    CHECK_OK(rt_attach_custom(&node, inputs, 2, outputs, 2, &err), err);
    name[0] = '?';
    CHECK_TEXT(rt_node_name(rt_grad_fn(outputs[1])), "TripleBackward");
    CHECK_INT(rt_node_ninputs(rt_grad_fn(outputs[1])), 2);
    CHECK(rt_node_variable(rt_node_input(rt_grad_fn(outputs[1]), 0)) == a);
    CHECK(rt_node_input(rt_grad_fn(outputs[1]), 1) == NULL);
    backward(OP_(sum, T(outputs[1])));
    CHECK_NEAR(grad_at(a, 0), 3, 0);
    CHECK_INT(s.calls, 1);
    let_go();
    CHECK_INT(s.destroyed, 1);
}

CASE_HELD(a_custom_gradient_of_the_wrong_shape_is_refused)
{
    rt_custom_node node = {"Bad", wrong_shape, NULL, NULL};
    rt_tensor *a = leaf(2, 1, 1), *y = make(2, 0, 0);
    CHECK_OK(rt_attach_custom(&node, &a, 1, &y, 1, &err), err);
    CHECK_INT(run_backward(OP_(sum, T(y)), false, false), RT_E_SHAPE);
    CHECK(strstr(err.message, "Bad") != NULL);
    CHECK(strstr(err.message, "[5]") != NULL);
}

/* --- size, failure --------------------------------------------------------------------------------- */

static rt_tensor *chain(rt_tensor *a, int n, rt_op_id id)
{
    rt_tensor *y = rt_retain(a);
    for (int i = 0; i < n; i++) {
        rt_tensor *next = NULL;
        if (rt__op1(id, &next, &err, 1, T(y)) != RT_OK) {
            break;
        }
        rt_release(y);
        y = next;
    }
    return y;
}

CASE(a_chain_of_a_million_ops_runs_and_is_freed)
{
    rt_tensor *a = leaf(1, 1, 0), *y = chain(a, 1000000, RT_OP_neg);
    backward(y);
    CHECK_NEAR(grad_at(a, 0), 1, 0);
    rt_release(y);
    y = chain(a, 1000000, RT_OP_abs);    /* saves its argument each time */
    rt_release(y);
    let_go();
}

CASE(memory_that_runs_out_leaves_everything_as_it_was)
{
    rt_memory_stats before, after;
    rt_tensor *a = leaf(3, 1, 1), *b = leaf(3, 2, 1);
    int failures = 0;
    rt_memory_read_stats(&before);
    for (int n = 1; n < 200; n++) {
        rt_tensor *p = NULL, *y = NULL;
        rt_memory_fail_after(n);
        err.code = RT_OK;
        rt_status s = rt__op1(RT_OP_mul, &p, &err, 2, T(a), T(b));
        s = s ? s : rt__op1(RT_OP_sum, &y, &err, 1, T(p));
        s = s ? s : rt_backward(&y, NULL, 1, false, false, &err);
        rt_memory_fail_after(0);
        failures += s != RT_OK;
        rt_release(p);
        rt_release(y);
        CHECK(rt_set_grad(a, NULL, NULL) == RT_OK);
        CHECK(rt_set_grad(b, NULL, NULL) == RT_OK);
        rt_memory_read_stats(&after);
        CHECK_INT(after.allocated, before.allocated);
    }
    CHECK(failures > 10);
    let_go();
}

/* A write through a view, hooks, and a second derivative; each allocation fails
 * in turn. */
static rt_status many_ways(rt_tensor *a, rt_tensor *w)
{
    rt_tensor *b = NULL, *v = NULL, *y = NULL, *g = NULL, *z = NULL;
    seen s = {0};
    int64_t handle;
    rt_hook hook = {double_it, &s, destroyed};
    rt_status status = rt__op1(RT_OP_square, &b, &err, 1, T(a));
    status = status ? status : rt_register_hook(b, &hook, &handle, &err);
    status = status ? status : rt_retain_grad(b, &err);
    status = status ? status : rt__op1(RT_OP_slice, &v, &err, 4, T(b), I(0),
                                       I(0), I(2));
    status = status ? status : rt__op0(RT_OP_mul_, &err, 2, T(v), T(w));
    status = status ? status : rt__op1(RT_OP_sum, &y, &err, 1, T(b));
    status = status ? status : rt_gradients(&g, &y, NULL, 1, &a, 1, true, true,
                                            false, &err);
    status = status ? status : rt__op1(RT_OP_sum, &z, &err, 1, T(g));
    status = status ? status : rt_backward(&z, NULL, 1, false, false, &err);
    rt_release(b);
    rt_release(v);
    rt_release(y);
    rt_release(g);
    rt_release(z);
    return status;
}

CASE(running_out_of_memory_in_views_hooks_and_second_order_leaks_nothing)
{
    rt_memory_stats before, after;
    rt_tensor *a = leaf(3, 1, 1), *w = leaf(2, 2, 1);
    rt_status s = RT_E_MEMORY;
    CHECK_INT(many_ways(a, w), RT_OK);
    CHECK_NEAR(grad_at(a, 0), 8, 0);      /* twice 2 w, doubled by the hook */
    rt_set_grad(a, NULL, NULL);
    rt_set_grad(w, NULL, NULL);
    rt_memory_read_stats(&before);
    for (int n = 1; s != RT_OK && n < 2000; n++) {
        rt_memory_fail_after(n);
        err.code = RT_OK;
        s = many_ways(a, w);
        rt_memory_fail_after(0);
        rt_set_grad(a, NULL, NULL);
        rt_set_grad(w, NULL, NULL);
        rt_memory_read_stats(&after);
        CHECK_INT(after.allocated, before.allocated);
        CHECK(rt_grad_enabled());
    }
    CHECK_INT(s, RT_OK);
    let_go();
}

UNIT_MAIN

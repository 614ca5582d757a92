/* SPDX-License-Identifier: MIT
 * Calling ops: defaults, numbers for tensors, versions, dtype of results, and
 * memory that runs out at every point.
 */
#include "tests/unit/tensors.h"

CASE(missing_arguments_take_their_defaults)
{
    rt_tensor *x = counting(RT_FLOAT32, SHAPE(4));
    rt_tensor *a = CALL(add, 2, T(x), T(x)), *b = CALL(add, 3, T(x), T(x), RT_UNSET);
    rt_tensor *c = CALL(leaky_relu, 1, T(x));
    CHECK_NEAR(at(a, 3), 6, 0);
    CHECK_NEAR(at(b, 3), 6, 0);
    CHECK_NEAR(at(c, 3), 3, 0);
    rt_release(a);
    rt_release(b);
    rt_release(c);
    rt_release(x);
}

CASE(numbers_stand_for_tensors_and_stay_weak_in_promotion)
{
    rt_tensor *x = counting(RT_INT32, SHAPE(3)), *h = counting(RT_BFLOAT16, SHAPE(3));
    rt_tensor *a = CALL(mul, 2, T(x), I(3)), *b = CALL(mul, 2, T(x), RT_V_FLOAT(0.5));
    rt_tensor *c = CALL(mul, 2, T(h), RT_V_FLOAT(0.5)), *d = CALL(add, 2, I(2), T(x));
    rt_tensor *e = CALL(mul, 2, T(x), RT_V_BOOL(true));
    CHECK_TENSOR(a, RT_INT32, SHAPE(3), VALUES(0, 3, 6));
    CHECK_TENSOR(b, RT_FLOAT32, SHAPE(3), VALUES(0, 0.5, 1));
    CHECK_TENSOR(c, RT_BFLOAT16, SHAPE(3), VALUES(0, 0.5, 1));
    CHECK_TENSOR(d, RT_INT32, SHAPE(3), VALUES(2, 3, 4));
    CHECK_TENSOR(e, RT_INT32, SHAPE(3), VALUES(0, 1, 2));
    rt_release(a);
    rt_release(b);
    rt_release(c);
    rt_release(d);
    rt_release(e);
    rt_release(x);
    rt_release(h);
}

CASE(result_types_follow_dimensions_before_categories)
{
    rt_tensor *x = counting(RT_FLOAT16, SHAPE(3)), *zero = NULL, *one = NULL;
    CHECK_OK(rt_tensor_scalar(&zero, RT_FLOAT64, 1, &err), err);
    CHECK_OK(rt_tensor_from_float(&one, 1, &err), err);
    CHECK_INT(rt__result_type(x, zero), RT_FLOAT16);
    CHECK_INT(rt__result_type(zero, one), RT_FLOAT64);
    rt_tensor *i = counting(RT_INT64, SHAPE(3));
    CHECK_INT(rt__result_type(i, zero), RT_FLOAT64);
    CHECK_INT(rt__result_type(i, one), RT_FLOAT32);
    rt_release(i);
    rt_release(one);
    rt_release(zero);
    rt_release(x);
}

CASE(a_null_error_and_a_refused_call_leave_the_results_alone)
{
    rt_value r[RT_MAX_RESULTS] = {I(5)};
    rt_tensor *a = counting(RT_FLOAT32, SHAPE(3)), *b = counting(RT_FLOAT32, SHAPE(4));
    rt_value args[] = {T(a), T(b)};
    CHECK_INT(rt_call(rt_op_find("add"), args, 2, r, NULL), RT_E_SHAPE);
    CHECK_INT(r[0].kind, RT_K_INT);
    rt_release(a);
    rt_release(b);
}

/* Calls the op with the n-th allocation failing, for every n it makes. */
static void starve(rt_op_id id, int nargs, const rt_value *args)
{
    rt_value r[RT_MAX_RESULTS];
    rt_memory_stats before, after;
    rt_call(&rt__ops[id], args, nargs, r, NULL);   /* signatures are kept */
    for (int i = 0; i < RT_MAX_RESULTS; i++) {
        rt_value_release(&r[i]);
    }
    rt_memory_read_stats(&before);
    for (int n = 1; n < 100; n++) {
        rt_error_clear(&err);
        rt_memory_fail_after(n);
        rt_status s = rt_call(&rt__ops[id], args, nargs, r, &err);
        rt_memory_fail_after(0);
        for (int i = 0; s == RT_OK && i < RT_MAX_RESULTS; i++) {
            rt_value_release(&r[i]);
        }
        rt_memory_read_stats(&after);
        if ((s != RT_OK && s != RT_E_MEMORY) || after.allocated != before.allocated) {
            UNIT_FAIL("%s with allocation %d failing: status %d, %lld bytes kept",
                      rt_op_name(&rt__ops[id]), n, (int)s,
                      (long long)(after.allocated - before.allocated));
            return;
        }
        if (s == RT_OK) {
            CHECK(n > 1);
            return;
        }
    }
    UNIT_FAIL("%s never succeeds", rt_op_name(&rt__ops[id]));
}

CASE(memory_that_runs_out_is_an_error_and_leaks_nothing)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(40, 50), 1), *y = NULL;
    rt_tensor *h = noise(RT_FLOAT16, SHAPE(50, 40), 2);
    int64_t shape[] = {50, 40}, strides[] = {1, 50};
    CHECK_OK(rt_tensor_view(&y, x, 2, shape, strides, 0, &err), err);
    rt_tensor *both[] = {x, y}, *positive = CALL(gt, 2, T(x), I(0));
    rt_value pair[] = {T(h), T(y)}, number[] = {T(x), RT_V_FLOAT(2)};
    rt_value along[] = {T(y), I(0)}, over[] = {T(y), INTS(0)};
    rt_value product[] = {T(x), T(y)};
    rt_value terms[] = {RT_V_STRING("ij,jk->ki"), RT_V_TENSORS(both, 2)};
    starve(RT_OP_add, 2, pair);
    starve(RT_OP_mul, 2, number);
    starve(RT_OP_exp, 1, pair);
    starve(RT_OP_where, 3, (rt_value[]){T(positive), T(x), I(1)});
    starve(RT_OP_to, 2, (rt_value[]){T(x), RT_V_DTYPE(RT_FLOAT64)});
    starve(RT_OP_contiguous, 1, along);
    starve(RT_OP_sum, 2, over);
    starve(RT_OP_var, 2, over);
    starve(RT_OP_max_dim, 2, along);
    starve(RT_OP_norm, 2, (rt_value[]){T(y), RT_V_FLOAT(INFINITY)});
    starve(RT_OP_logsumexp, 2, over);
    starve(RT_OP_median, 1, pair);
    starve(RT_OP_softmax, 2, (rt_value[]){T(h), I(0)});
    starve(RT_OP_cumsum, 2, (rt_value[]){T(h), I(1)});
    starve(RT_OP_matmul, 2, product);
    starve(RT_OP_einsum, 2, terms);
    starve(RT_OP_nan_to_num, 1, pair);
    starve(RT_OP_allclose, 2, (rt_value[]){T(x), T(x)});
    rt_release(positive);
    rt_release(y);
    rt_release(x);
    rt_release(h);
}

UNIT_MAIN

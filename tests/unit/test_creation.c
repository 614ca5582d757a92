/* SPDX-License-Identifier: MIT
 * Creation ops: values, dtypes, and what they refuse.
 */
#include "tests/unit/tensors.h"

CASE(zeros_and_ones_have_the_default_dtype)
{
    rt_tensor *z = CALL(zeros, 1, INTS(2, 3)), *o = CALL(ones, 1, INTS(2));
    CHECK_TENSOR(z, RT_FLOAT32, SHAPE(2, 3), VALUES(0, 0, 0, 0, 0, 0));
    CHECK_TENSOR(o, RT_FLOAT32, SHAPE(2), VALUES(1, 1));
    DROP(z, o);
}

CASE(full_takes_its_dtype_from_the_value)
{
    rt_tensor *b = CALL(full, 2, INTS(2), RT_V_BOOL(true));
    rt_tensor *i = CALL(full, 2, INTS(2), I(7));
    rt_tensor *f = CALL(full, 2, INTS(2), RT_V_FLOAT(2.5));
    rt_tensor *h = CALL(full, 3, INTS(2), RT_V_FLOAT(2.5),
                        RT_V_DTYPE(RT_FLOAT16));
    CHECK_TENSOR(b, RT_BOOL, SHAPE(2), VALUES(1, 1));
    CHECK_TENSOR(i, RT_INT64, SHAPE(2), VALUES(7, 7));
    CHECK_TENSOR(f, RT_FLOAT32, SHAPE(2), VALUES(2.5, 2.5));
    CHECK_TENSOR(h, RT_FLOAT16, SHAPE(2), VALUES(2.5, 2.5));
    DROP(b, i, f, h);
}

CASE(full_refuses_what_does_not_fit)
{
    REFUSES(RT_E_ARGUMENT, "300 does not fit in uint8", full, 3, INTS(2),
            I(300), RT_V_DTYPE(RT_UINT8));
    REFUSES(RT_E_SHAPE, "[2, -1]", zeros, 1, INTS(2, -1));
}

CASE(a_large_fill_reaches_every_element)
{
    rt_tensor *t = CALL(full, 3, INTS(300, 1000), I(3), RT_V_DTYPE(RT_INT32));
    int64_t wrong = 0;
    for (int64_t i = 0; i < t->numel; i++) {
        wrong += at(t, i) != 3;
    }
    CHECK_INT(wrong, 0);
    DROP(t);
}

CASE(like_and_new_follow_the_tensor)
{
    rt_tensor *t = counting(RT_INT32, SHAPE(2, 2));
    rt_tensor *a = CALL(ones_like, 1, T(t));
    rt_tensor *b = CALL(new_full, 3, T(t), INTS(3), RT_V_FLOAT(1.75));
    rt_tensor *c = CALL(zeros_like, 2, T(t), RT_V_DTYPE(RT_FLOAT64));
    CHECK_TENSOR(a, RT_INT32, SHAPE(2, 2), VALUES(1, 1, 1, 1));
    CHECK_TENSOR(b, RT_INT32, SHAPE(3), VALUES(1, 1, 1));
    CHECK_TENSOR(c, RT_FLOAT64, SHAPE(2, 2), VALUES(0, 0, 0, 0));
    DROP(t, a, b, c);
}

CASE(arange_counts_in_ints_and_floats)
{
    rt_tensor *a = CALL(arange, 1, I(4));
    rt_tensor *b = CALL(arange_start, 3, I(5), I(0), I(-2));
    rt_tensor *c = CALL(arange_start, 3, RT_V_FLOAT(0), RT_V_FLOAT(1),
                        RT_V_FLOAT(0.25));
    rt_tensor *d = CALL(arange_start, 2, I(3), I(3));
    CHECK_TENSOR(a, RT_INT64, SHAPE(4), VALUES(0, 1, 2, 3));
    CHECK_TENSOR(b, RT_INT64, SHAPE(3), VALUES(5, 3, 1));
    CHECK_TENSOR(c, RT_FLOAT32, SHAPE(4), VALUES(0, 0.25, 0.5, 0.75));
    CHECK_INT(d->numel, 0);
    DROP(a, b, c, d);
}

CASE(arange_refuses_steps_that_lead_nowhere)
{
    REFUSES(RT_E_ARGUMENT, "steps of -1", arange_start, 3, I(0), I(5), I(-1));
    REFUSES(RT_E_ARGUMENT, "step must not be 0", arange_start, 3, I(0), I(5),
            I(0));
    REFUSES(RT_E_ARGUMENT, "not finite", arange_start, 2, I(0),
            RT_V_FLOAT(INFINITY));
}

CASE(linspace_ends_exactly)
{
    rt_tensor *a = CALL(linspace, 3, I(0), I(1), I(5));
    rt_tensor *b = CALL(linspace, 3, I(3), I(10), I(1));
    rt_tensor *c = CALL(logspace, 3, I(0), I(2), I(3));
    CHECK_TENSOR(a, RT_FLOAT32, SHAPE(5), VALUES(0, 0.25, 0.5, 0.75, 1));
    CHECK_TENSOR(b, RT_FLOAT32, SHAPE(1), VALUES(3));
    CHECK_TENSOR(c, RT_FLOAT32, SHAPE(3), VALUES(1, 10, 100));
    REFUSES(RT_E_ARGUMENT, "got -2", linspace, 3, I(0), I(1), I(-2));
    DROP(a, b, c);
}

CASE(ranges_beyond_what_integers_hold_are_no_surprise)
{
    rt_value dtype = RT_V_DTYPE(RT_INT64);
    rt_tensor *a = CALL(linspace, 4, RT_V_FLOAT(NAN), I(1), I(2), dtype);
    rt_tensor *b = CALL(logspace, 5, I(0), I(300), I(2), I(10), dtype);
    rt_tensor *c = CALL(arange_start, 3, I(-INT64_MAX), I(INT64_MAX),
                        I(INT64_MAX / 2 + 1));
    CHECK_INT(((int64_t *)a->data)[0], INT64_MIN);
    CHECK_INT(((int64_t *)b->data)[0], 1);
    CHECK_INT(((int64_t *)b->data)[1], INT64_MIN);
    CHECK_INT(c->numel, 4);
    CHECK_INT(((int64_t *)c->data)[3], INT64_MAX / 2 + 2);
    DROP(a, b, c);
}

CASE(eye_and_one_hot)
{
    rt_tensor *e = CALL(eye, 2, I(2), I(3));
    rt_tensor *labels = tensor(RT_INT64, SHAPE(3), VALUES(0, 2, 1));
    rt_tensor *h = CALL(one_hot, 1, T(labels));
    CHECK_TENSOR(e, RT_FLOAT32, SHAPE(2, 3), VALUES(1, 0, 0, 0, 1, 0));
    CHECK_TENSOR(h, RT_INT64, SHAPE(3, 3),
                 VALUES(1, 0, 0, 0, 0, 1, 0, 1, 0));
    REFUSES(RT_E_INDEX, "class 2 at position 1", one_hot, 2, T(labels), I(2));
    DROP(e, labels, h);
}

CASE(meshgrid_gives_both_orders)
{
    rt_tensor *x = counting(RT_INT64, SHAPE(2)), *y = counting(RT_INT64,
                                                               SHAPE(3));
    rt_tensor *both[2] = {x, y};
    rt_value r[RT_MAX_RESULTS];
    CHECK_OK(call_all(r, RT_OP_meshgrid, 1, RT_V_TENSORS(both, 2)), err);
    CHECK_INT(r[0].count, 2);
    CHECK_TENSOR(r[0].tensors[0], RT_INT64, SHAPE(2, 3),
                 VALUES(0, 0, 0, 1, 1, 1));
    CHECK_TENSOR(r[0].tensors[1], RT_INT64, SHAPE(2, 3),
                 VALUES(0, 1, 2, 0, 1, 2));
    rt_value_release(&r[0]);
    CHECK_OK(call_all(r, RT_OP_meshgrid, 2, RT_V_TENSORS(both, 2),
                      RT_V_STRING("xy")), err);
    CHECK_TENSOR(r[0].tensors[0], RT_INT64, SHAPE(3, 2),
                 VALUES(0, 1, 0, 1, 0, 1));
    rt_value_release(&r[0]);
    REFUSES(RT_E_ARGUMENT, "'ij' or 'xy'", meshgrid, 2, RT_V_TENSORS(both, 2),
            RT_V_STRING("yx"));
    DROP(x, y);
}

CASE(requires_grad_is_honoured)
{
    rt_tensor *t = CALL(ones, 4, INTS(2), RT_NONE, RT_NONE, RT_V_BOOL(true));
    char *s = NULL;
    CHECK(t && rt_requires_grad(t));
    CHECK_OK(rt_tensor_repr(&s, t, NULL, &err), err);
    CHECK_TEXT(s, "tensor([1., 1.], requires_grad=True)");
    rt_free(s);
    DROP(t);
}

CASE(an_absent_device_and_integer_gradients_are_refused)
{
    rt_value cuda = {.kind = RT_K_DEVICE, .device = {RT_CUDA, 0}};
    REFUSES(RT_E_DEVICE, "", zeros, 3, INTS(2), RT_NONE, cuda);
    REFUSES(RT_E_AUTOGRAD, "only floating tensors", zeros, 4, INTS(2),
            RT_V_DTYPE(RT_INT64), RT_NONE, RT_V_BOOL(true));
}

UNIT_MAIN

/* SPDX-License-Identifier: MIT
 * Tensors as text: the expected strings are what PyTorch 2.13 prints.
 */
#include "tests/unit/tensors.h"

static void check_repr(rt_tensor *t, const rt_print_options *o,
                       const char *want)
{
    char *got = NULL;
    CHECK_OK(rt_tensor_repr(&got, t, o, &err), err);
    CHECK_TEXT(got, want);
    rt_free(got);
    rt_release(t);
}

CASE(whole_floats_end_in_a_point)
{
    check_repr(tensor(RT_FLOAT32, SHAPE(3), VALUES(1, -2, 0)), NULL,
               "tensor([ 1., -2.,  0.])");
    check_repr(tensor(RT_FLOAT32, SHAPE(1), VALUES(4)), NULL, "tensor([4.])");
    check_repr(tensor(RT_FLOAT32, SHAPE(3), VALUES(1, INFINITY, NAN)), NULL,
               "tensor([1., inf, nan])");
}

CASE(fractions_have_four_digits_and_one_width)
{
    check_repr(tensor(RT_FLOAT32, SHAPE(2, 2), VALUES(0.5, -10.25, 3, 1)),
               NULL, "tensor([[  0.5000, -10.2500],\n"
                     "        [  3.0000,   1.0000]])");
}

CASE(wide_ranges_switch_to_scientific)
{
    check_repr(tensor(RT_FLOAT32, SHAPE(2), VALUES(1, 1001)), NULL,
               "tensor([1.0000e+00, 1.0010e+03])");
    check_repr(tensor(RT_FLOAT32, SHAPE(2), VALUES(0.00001, 0.00002)), NULL,
               "tensor([1.0000e-05, 2.0000e-05])");
    check_repr(tensor(RT_FLOAT32, SHAPE(2), VALUES(0, INFINITY)), NULL,
               "tensor([0., inf])");
}

CASE(integers_and_bools)
{
    check_repr(tensor(RT_INT64, SHAPE(3), VALUES(1, -20, 300)), NULL,
               "tensor([  1, -20, 300])");
    check_repr(tensor(RT_BOOL, SHAPE(2), VALUES(1, 0)), NULL,
               "tensor([ True, False])");
    check_repr(tensor(RT_INT32, SHAPE(1), VALUES(7)), NULL,
               "tensor([7], dtype=torch.int32)");
}

CASE(scalars_and_empty_tensors)
{
    check_repr(tensor(RT_FLOAT64, NULL, 0, VALUES(3.14159)), NULL,
               "tensor(3.1416, dtype=torch.float64)");
    check_repr(counting(RT_FLOAT32, SHAPE(0)), NULL, "tensor([])");
    check_repr(counting(RT_INT64, SHAPE(2, 0)), NULL,
               "tensor([], size=(2, 0), dtype=torch.int64)");
}

CASE(long_vectors_wrap_at_eighty_columns)
{
    check_repr(counting(RT_INT64, SHAPE(20)), NULL,
               "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, "
               "13, 14, 15, 16, 17,\n        18, 19])");
}

CASE(large_tensors_lose_their_middle)
{
    check_repr(counting(RT_FLOAT32, SHAPE(1001)), NULL,
               "tensor([   0.,    1.,    2.,  ...,  998.,  999., 1000.])");
    check_repr(counting(RT_INT64, SHAPE(8, 200)), NULL,
               "tensor([[   0,    1,    2,  ...,  197,  198,  199],\n"
               "        [ 200,  201,  202,  ...,  397,  398,  399],\n"
               "        [ 400,  401,  402,  ...,  597,  598,  599],\n"
               "        ...,\n"
               "        [1000, 1001, 1002,  ..., 1197, 1198, 1199],\n"
               "        [1200, 1201, 1202,  ..., 1397, 1398, 1399],\n"
               "        [1400, 1401, 1402,  ..., 1597, 1598, 1599]])");
}

CASE(blocks_are_apart_by_their_rank)
{
    check_repr(counting(RT_INT64, SHAPE(2, 1, 2)), NULL,
               "tensor([[[0, 1]],\n\n        [[2, 3]]])");
}

CASE(options_change_digits_edges_and_notation)
{
    rt_print_options o = RT_PRINT_OPTIONS_INIT;
    o.precision = 2;
    o.sci_mode = 1;
    check_repr(tensor(RT_FLOAT32, SHAPE(2), VALUES(1.5, 20)), &o,
               "tensor([1.50e+00, 2.00e+01])");
    o = (rt_print_options)RT_PRINT_OPTIONS_INIT;
    o.threshold = 4;
    o.edgeitems = 1;
    check_repr(counting(RT_INT64, SHAPE(5)), &o, "tensor([0,  ..., 4])");
}

CASE(views_print_what_they_show)
{
    rt_tensor *t = counting(RT_INT64, SHAPE(2, 3)), *v = NULL;
    int64_t shape[2] = {3, 2}, strides[2] = {1, 3};
    CHECK_OK(rt_tensor_view(&v, t, 2, shape, strides, 0, &err), err);
    check_repr(v, NULL, "tensor([[0, 3],\n        [1, 4],\n        [2, 5]])");
    rt_release(t);
}

CASE(summary_is_one_line)
{
    rt_tensor *t = tensor(RT_FLOAT32, SHAPE(2, 2), VALUES(1, 2, 3, 4));
    rt_tensor *odd = tensor(RT_FLOAT32, SHAPE(3), VALUES(NAN, 1, INFINITY));
    rt_tensor *i = counting(RT_INT64, SHAPE(3));
    char *s = NULL;
    CHECK_OK(rt_tensor_summary(&s, t, &err), err);
    CHECK_TEXT(s, "tensor[2, 2] n=4 x in [1, 4] mean=2.5 std=1.291");
    rt_free(s);
    CHECK_OK(rt_tensor_summary(&s, odd, &err), err);
    CHECK_TEXT(s, "tensor[3] n=3 x in [1, 1] mean=1 NaN! (1) Inf! (1)");
    rt_free(s);
    CHECK_OK(rt_tensor_summary(&s, i, &err), err);
    CHECK_TEXT(s, "tensor[3] int64 n=3 x in [0, 2] mean=1 std=1");
    rt_free(s);
    DROP(t, odd, i);
}

UNIT_MAIN

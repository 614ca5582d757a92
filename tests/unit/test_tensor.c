/* SPDX-License-Identifier: MIT
 * Tensors, storages, views of memory, dtypes and their conversions, shapes.
 */
#include "runtime/core/tensor.h"
#include "tests/unit/unit.h"

static rt_error err;

CASE(a_new_tensor_is_contiguous_and_counts_its_elements)
{
    int64_t shape[] = {2, 3, 4};
    rt_tensor *t;
    CHECK_OK(rt_tensor_new(&t, RT_FLOAT32, 3, shape, &err), err);
    CHECK_INT(rt_tensor_numel(t), 24);
    CHECK(rt_tensor_is_contiguous(t));
    CHECK_INT(rt_tensor_strides(t)[0], 12);
    CHECK_INT(rt_refcount(t), 1);
    rt_release(t);
}

CASE(shapes_of_up_to_64_dimensions_are_taken_and_more_refused)
{
    int64_t shape[65];
    for (int i = 0; i < 65; i++) {
        shape[i] = 1;
    }
    rt_tensor *t;
    CHECK_OK(rt_tensor_new(&t, RT_INT64, 64, shape, &err), err);
    rt_release(t);
    CHECK_FAILS(rt_tensor_new(&t, RT_INT64, 65, shape, &err), err, RT_E_SHAPE);
}

CASE(impossible_sizes_are_errors_not_crashes)
{
    int64_t huge[] = {1ll << 40, 1ll << 40}, negative[] = {2, -1};
    int64_t large[] = {200ll << 30};
    rt_tensor *t = NULL;
    CHECK_FAILS(rt_tensor_new(&t, RT_INT64, 2, huge, &err), err, RT_E_MEMORY);
    CHECK_FAILS(rt_tensor_new(&t, RT_INT64, 2, negative, &err), err, RT_E_SHAPE);
    CHECK_HAS(err.message, "-1 in shape [2, -1]");
    CHECK_FAILS(rt_tensor_new(&t, RT_FLOAT64, 1, large, &err), err, RT_E_MEMORY);
    /* No elements, but strides that no integer holds. */
    int64_t none[] = {0, 1ll << 40, 1ll << 40};
    CHECK_FAILS(rt_tensor_new(&t, RT_INT64, 3, none, &err), err, RT_E_MEMORY);
    CHECK(t == NULL);
}

static int destroyed;
static void destroy(void *ctx)
{
    destroyed += *(int *)ctx;
}

CASE(adopted_memory_is_shared_and_given_back_once)
{
    float data[] = {0, 1, 2, 3, 4, 5};
    int64_t shape[] = {2, 3}, strides[] = {-3, 1};
    int one = 1;
    rt_tensor *t, *v;
    destroyed = 0;
    CHECK_OK(rt_tensor_wrap(&t, RT_FLOAT32, 2, shape, strides, data + 3,
                            destroy, &one, &err), err);
    CHECK(rt_tensor_data(t) == data + 3);
    CHECK(!rt_tensor_is_contiguous(t));
    int64_t row[] = {3}, step[] = {1};
    CHECK_OK(rt_tensor_view(&v, t, 1, row, step, 0, &err), err);
    CHECK(rt_tensor_data(v) == data);
    CHECK_FAILS(rt_tensor_view(&v, t, 1, row, step, 4, &err), err, RT_E_INDEX);
    rt_release(t);
    CHECK_INT(destroyed, 0);
    rt_release(v);
    CHECK_INT(destroyed, 1);
}

CASE(the_version_is_shared_by_views)
{
    int64_t shape[] = {4}, step[] = {1};
    rt_tensor *t, *v;
    CHECK_OK(rt_tensor_new(&t, RT_FLOAT32, 1, shape, &err), err);
    CHECK_OK(rt_tensor_view(&v, t, 1, shape, step, 0, &err), err);
    rt_tensor_bump_version(v);
    CHECK_INT(rt_tensor_version(t), 1);
    rt_release(t);
    rt_release(v);
}

CASE(half_types_round_to_nearest_even_and_back)
{
    for (uint32_t h = 0; h < 0x10000; h++) {
        float f = rt__half_to_float((uint16_t)h);
        if (f == f) {
            CHECK_INT(rt__float_to_half(f), h);
        }
        float b = rt__bfloat16_to_float((uint16_t)h);
        if (b == b) {
            CHECK_INT(rt__float_to_bfloat16(b), h);
        }
    }
    CHECK_INT(rt__float_to_half(65519.0f), 0x7bff);
    CHECK_INT(rt__float_to_half(65520.0f), 0x7c00);
    CHECK_INT(rt__float_to_half(2049.0f), rt__float_to_half(2048.0f));
    CHECK_INT(rt__float_to_half(0x1p-25f), 0);
    CHECK_INT(rt__float_to_half(0x1.8p-25f), 1);
}

CASE(types_promote_as_in_pytorch)
{
    CHECK_INT(rt_promote_types(RT_BOOL, RT_UINT8), RT_UINT8);
    CHECK_INT(rt_promote_types(RT_INT64, RT_FLOAT16), RT_FLOAT16);
    CHECK_INT(rt_promote_types(RT_FLOAT16, RT_BFLOAT16), RT_FLOAT32);
    CHECK_INT(rt_promote_types(RT_INT32, RT_INT64), RT_INT64);
    CHECK_INT(rt_promote_types(RT_FLOAT64, RT_FLOAT32), RT_FLOAT64);
    CHECK_INT(rt_dtype_parse("torch.long"), RT_INT64);
    CHECK_INT(rt_dtype_parse("complex64"), RT_DTYPE_NONE);
}

CASE(shapes_broadcast_or_say_where_they_differ)
{
    int64_t a[] = {2, 1, 3}, b[] = {4, 1}, c[] = {4}, out[RT_MAX_DIMS];
    rt_tensor *x, *y, *z;
    int ndim;
    CHECK_OK(rt_tensor_new(&x, RT_FLOAT32, 3, a, &err), err);
    CHECK_OK(rt_tensor_new(&y, RT_FLOAT32, 2, b, &err), err);
    CHECK_OK(rt_tensor_new(&z, RT_FLOAT32, 1, c, &err), err);
    CHECK_OK(rt__broadcast(&ndim, out, x, y, "add", &err), err);
    CHECK_INT(ndim, 3);
    CHECK_INT(out[0] * 100 + out[1] * 10 + out[2], 243);
    CHECK_FAILS(rt__broadcast(&ndim, out, x, z, "add", &err), err, RT_E_SHAPE);
    CHECK_HAS(err.message, "add: shapes [2, 1, 3] and [4] do not broadcast");
    CHECK_INT(err.nshapes, 2);
    CHECK_INT(err.shape[1][0], 4);
    rt_release(x);
    rt_release(y);
    rt_release(z);
}

CASE(devices_parse_and_absent_ones_say_why)
{
    rt_device d;
    char text[16];
    CHECK_OK(rt_device_parse(&d, "cuda:1", &err), err);
    rt_device_format(text, d);
    CHECK_TEXT(text, "cuda:1");
    CHECK_FAILS(rt_device_check(d, &err), err, RT_E_DEVICE);
    CHECK_FAILS(rt_device_parse(&d, "gpu", &err), err, RT_E_DEVICE);
    CHECK_OK(rt_device_parse(&d, "cpu", &err), err);
    CHECK_OK(rt_device_check(d, &err), err);
}

/* A small tensor is one block with its storage: either may outlive the other. */
CASE(a_view_outlives_the_small_tensor_it_was_made_of)
{
    int64_t n = 4, two = 2, step = 1;
    float values[] = {1, 2, 3, 4};
    rt_memory_stats before, after;
    rt_memory_read_stats(&before);
    rt_tensor *t, *view;
    CHECK_OK(rt_tensor_from_data(&t, RT_FLOAT32, 1, &n, values, &err), err);
    CHECK_OK(rt_tensor_view(&view, t, 1, &two, &step, 2, &err), err);
    rt_release(t);
    CHECK_NEAR(((float *)rt_tensor_data(view))[1], 4, 0);
    rt_release(view);
    rt_memory_read_stats(&after);
    CHECK_INT(after.allocated, before.allocated);
}

CASE(a_small_tensor_takes_other_data_of_any_size_and_its_own_back)
{
    int64_t n = 2, many[] = {1, 2, 1, 2, 1, 2, 1, 2};
    float values[] = {5, 6};
    rt_memory_stats before, after;
    rt_memory_read_stats(&before);
    rt_tensor *t, *own, *other;
    CHECK_OK(rt_tensor_from_data(&t, RT_FLOAT32, 1, &n, values, &err), err);
    CHECK_OK(rt_tensor_view(&own, t, 0, NULL, NULL, 1, &err), err);
    CHECK_OK(rt_tensor_new(&other, RT_INT64, 8, many, &err), err);
    CHECK_OK(rt_tensor_set_data(t, other, &err), err);
    CHECK_INT(rt_tensor_ndim(t), 8);
    CHECK_INT(rt_tensor_shape(t)[7], 2);
    CHECK(rt_tensor_shares_storage(t, other));
    CHECK_OK(rt_tensor_set_data(t, own, &err), err);
    CHECK_INT(rt_tensor_ndim(t), 0);
    CHECK_NEAR(*(float *)rt_tensor_data(t), 6, 0);
    CHECK_OK(rt_tensor_set_data(t, other, &err), err);
    rt_release(t);
    CHECK_NEAR(*(float *)rt_tensor_data(own), 6, 0);
    rt_release(own);
    rt_release(other);
    rt_memory_read_stats(&after);
    CHECK_INT(after.allocated, before.allocated);
}

UNIT_MAIN

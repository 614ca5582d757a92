/* SPDX-License-Identifier: MIT
 * Collapsing dimensions and visiting every element once.
 */
#include "runtime/ops/iterator.h"
#include "tests/unit/unit.h"

#include <stdatomic.h>

static rt_error err;

static rt_tensor *counting(int ndim, const int64_t *shape)
{
    rt_tensor *t = NULL;
    rt_tensor_new(&t, RT_FLOAT32, ndim, shape, NULL);
    for (int64_t i = 0; i < t->numel; i++) {
        ((float *)t->data)[i] = (float)i;
    }
    return t;
}

static void add_into(void *ctx, char *const *data, const int64_t *strides,
                     int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        *(float *)(data[0] + i * strides[0]) +=
            *(float *)(data[1] + i * strides[1]);
    }
}

CASE(contiguous_operands_become_one_row)
{
    int64_t shape[] = {2, 3, 1, 4};
    rt_tensor *t[] = {counting(4, shape), counting(4, shape)};
    rt__iter it;
    rt__iter_init(&it, t, 2);
    CHECK_INT(it.ndim, 1);
    CHECK_INT(it.shape[0], 24);
    CHECK_INT(it.strides[1][0], 4);
    rt_release(t[0]);
    rt_release(t[1]);
}

CASE(broadcast_dimensions_have_stride_zero_and_stay_apart)
{
    int64_t big[] = {5, 3, 4}, small[] = {3, 1};
    rt_tensor *t[] = {counting(3, big), counting(2, small)};
    rt__iter it;
    rt__iter_init(&it, t, 2);
    CHECK_INT(it.ndim, 3);
    CHECK_INT(it.strides[1][0], 0);
    CHECK_INT(it.strides[1][1], 4);
    CHECK_INT(it.strides[1][2], 0);
    CHECK_OK(rt__iter_run(&it, add_into, NULL, "test", &err), err);
    CHECK_NEAR(((float *)t[0]->data)[59], 59 + 2, 0);
    CHECK_NEAR(((float *)t[0]->data)[16], 16 + 1, 0);
    rt_release(t[0]);
    rt_release(t[1]);
}

CASE(a_transposed_output_is_walked_in_its_own_order)
{
    int64_t shape[] = {4, 6}, strides[] = {1, 4};
    rt_tensor *base = counting(2, shape), *t[2];
    CHECK_OK(rt_tensor_view(&t[0], base, 2, shape, strides, 0, &err), err);
    t[1] = t[0];
    rt__iter it;
    rt__iter_init(&it, t, 2);
    CHECK_INT(it.ndim, 1);
    CHECK_INT(it.strides[0][0], 4);
    rt_release(t[0]);
    rt_release(base);
}

CASE(large_strided_work_visits_every_element_once)
{
    int64_t shape[] = {300, 257}, strides[] = {1, 300};
    rt_tensor *a = counting(2, shape), *b = counting(2, shape), *t[2] = {a, NULL};
    CHECK_OK(rt_tensor_view(&t[1], b, 2, shape, strides, 0, &err), err);
    rt__iter it;
    rt__iter_init(&it, t, 2);
    CHECK_INT(it.ndim, 2);
    CHECK_OK(rt__iter_run(&it, add_into, NULL, "test", &err), err);
    int wrong = 0;
    for (int i = 0; i < 300; i++) {
        for (int j = 0; j < 257; j++) {
            wrong += ((float *)a->data)[i * 257 + j] !=
                     (float)(i * 257 + j) + (float)(j * 300 + i);
        }
    }
    CHECK_INT(wrong, 0);
    rt_release(t[1]);
    rt_release(a);
    rt_release(b);
}

CASE(zero_dimensional_and_empty_tensors_work)
{
    int64_t none[] = {3, 0, 2};
    rt_tensor *a[] = {counting(0, NULL), counting(0, NULL)};
    rt_tensor *b[] = {counting(3, none), counting(3, none)};
    rt__iter it;
    *(float *)a[1]->data = 7;
    rt__iter_init(&it, a, 2);
    CHECK_OK(rt__iter_run(&it, add_into, NULL, "test", &err), err);
    CHECK_NEAR(*(float *)a[0]->data, 7, 0);
    rt__iter_init(&it, b, 2);
    CHECK_OK(rt__iter_run(&it, add_into, NULL, "test", &err), err);
    for (int i = 0; i < 2; i++) {
        rt_release(a[i]);
        rt_release(b[i]);
    }
}

CASE(an_interrupt_stops_large_work_with_an_error)
{
    int64_t shape[] = {1 << 20};
    rt_tensor *t[] = {counting(1, shape), counting(1, shape)};
    rt__iter it;
    rt__iter_init(&it, t, 2);
    rt_interrupt();
    CHECK_FAILS(rt__iter_run(&it, add_into, NULL, "test", &err), err,
                RT_E_INTERRUPT);
    rt_interrupt_clear();
    rt_release(t[0]);
    rt_release(t[1]);
}

typedef struct counted_rows {
    const rt__iter *it;
    atomic_llong elements, calls;
} counted_rows;

static void add_rows_into(void *ctx, char *const *data, int64_t n0, int64_t n1)
{
    counted_rows *c = ctx;
    for (int64_t r = 0; r < n1; r++) {
        char *row[] = {data[0] + r * c->it->strides[0][1],
                       data[1] + r * c->it->strides[1][1]};
        const int64_t strides[] = {c->it->strides[0][0], c->it->strides[1][0]};
        add_into(NULL, row, strides, n0);
    }
    c->elements += n0 * n1;
    c->calls++;
}

CASE(rows_are_handed_out_many_at_once)
{
    static const int64_t shapes[][3] = {{7, 500, 3}, {1, 1, 50000},
                                        {2, 3, 20000}, {40000, 1, 2}, {1, 1, 1}};
    for (int i = 0; i < 5; i++) {
        const int64_t *big = shapes[i], small[] = {big[0], 1, big[2]};
        rt_tensor *t[] = {counting(3, big), counting(3, small)};
        rt__iter it;
        rt__iter_init(&it, t, 2);
        counted_rows c = {.it = &it};
        CHECK_OK(rt__iter_run_rows(&it, add_rows_into, &c, "test", &err), err);
        CHECK_INT(c.elements, t[0]->numel);
        CHECK(c.calls <= 24);
        int64_t wrong = 0;
        for (int64_t k = 0; k < t[0]->numel; k++) {
            int64_t from = k / (big[1] * big[2]) * big[2] + k % big[2];
            wrong += ((float *)t[0]->data)[k] != (float)(k + from);
        }
        CHECK_INT(wrong, 0);
        rt_release(t[0]);
        rt_release(t[1]);
    }
}

UNIT_MAIN

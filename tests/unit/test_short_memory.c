/* SPDX-License-Identifier: MIT
 * Each allocation of an op fails in turn: the op answers with a memory error,
 * loses nothing (run under make asan) and works once memory is back.
 */
#include "tests/unit/tensors.h"

#define MOST 400    /* allocations of one op */

static rt_tensor *x, *y, *i, *gi, *m, *image, *kernel, *labels;

static void set_up(void)
{
    x = noise(RT_FLOAT32, SHAPE(3, 4), 1);
    y = noise(RT_FLOAT32, SHAPE(3, 4), 2);
    i = tensor(RT_INT64, SHAPE(2), VALUES(2, 0));
    gi = tensor(RT_INT64, SHAPE(2, 4), VALUES(2, 0, 1));
    m = tensor(RT_BOOL, SHAPE(3, 4), VALUES(1, 0, 1));
    image = noise(RT_FLOAT32, SHAPE(2, 2, 6, 6), 3);
    kernel = noise(RT_FLOAT32, SHAPE(2, 2, 3, 3), 4);
    labels = tensor(RT_INT64, SHAPE(3), VALUES(0, 3, 1));
}

static void tear_down(void)
{
    DROP(x, y, i, gi, m, image, kernel, labels);
}

static void drop_results(rt_value *r)
{
    for (int k = 0; k < RT_MAX_RESULTS; k++) {
        rt_value_release(&r[k]);
    }
}

/* Runs the op with the n-th allocation failing, n = 1, 2, ... until it gets
 * by; the catalog's own first-use allocations are made before. */
#define SURVIVES(id, n, ...)                                                   \
    do {                                                                       \
        rt_value r_[RT_MAX_RESULTS];                                           \
        CHECK_OK(call_all(r_, RT_OP_##id, n, __VA_ARGS__), err);               \
        drop_results(r_);                                                      \
        rt_status s_ = RT_E_MEMORY;                                            \
        int k_ = 1;                                                            \
        for (; s_ == RT_E_MEMORY && k_ < MOST; k_++) {                         \
            rt_memory_fail_after(k_);                                          \
            s_ = call_all(r_, RT_OP_##id, n, __VA_ARGS__);                     \
            rt_memory_fail_after(0);                                           \
        }                                                                      \
        CHECK_OK(s_, err);                                                     \
        CHECK(k_ > 2);                                                         \
        if (s_ == RT_OK) {                                                     \
            drop_results(r_);                                                  \
        }                                                                      \
    } while (0)

CASE(shape_ops_survive)
{
    rt_tensor *both[2] = {NULL, NULL};
    set_up();
    both[0] = x;
    both[1] = y;
    SURVIVES(zeros, 1, INTS(3));
    SURVIVES(view, 2, T(x), INTS(12));
    SURVIVES(cat, 1, RT_V_TENSORS(both, 2));
    SURVIVES(stack, 1, RT_V_TENSORS(both, 2));
    SURVIVES(chunk, 2, T(x), I(2));
    SURVIVES(unbind, 1, T(x));
    SURVIVES(repeat, 2, T(x), INTS(2, 2));
    SURVIVES(repeat_interleave, 2, T(x), I(2));
    SURVIVES(roll, 3, T(x), INTS(1), INTS(0));
    SURVIVES(flip, 2, T(x), INTS(0));
    SURVIVES(pad, 3, T(x), INTS(1, 1), RT_V_STRING("reflect"));
    SURVIVES(diag, 1, T(i));
    SURVIVES(one_hot, 1, T(labels));
    SURVIVES(meshgrid, 1, RT_V_TENSORS(&i, 1));
    tear_down();
}

CASE(indexing_and_sorting_survive)
{
    set_up();
    SURVIVES(index, 2, T(x), RT_V_TENSORS(&i, 1));
    SURVIVES(index, 2, T(x), RT_V_TENSORS(&m, 1));
    SURVIVES(index_put, 3, T(x), RT_V_TENSORS(&m, 1), RT_V_FLOAT(1));
    SURVIVES(index_select, 3, T(x), I(0), T(i));
    SURVIVES(gather, 3, T(x), I(0), T(gi));
    SURVIVES(masked_select, 2, T(x), T(m));
    SURVIVES(nonzero, 1, T(x));
    SURVIVES(where_indices, 1, T(x));
    SURVIVES(sort, 1, T(x));
    SURVIVES(topk, 2, T(x), I(2));
    SURVIVES(unique, 4, T(x), RT_V_BOOL(true), RT_V_BOOL(true),
             RT_V_BOOL(true));
    SURVIVES(bincount, 1, T(labels));
    SURVIVES(searchsorted, 2, T(i), T(x));
    tear_down();
}

CASE(layers_and_losses_survive)
{
    set_up();
    SURVIVES(conv2d, 2, T(image), T(kernel));
    SURVIVES(conv2d_weight, 7, T(image), T(image), INTS(2, 2, 1, 1), I(1),
             I(0), I(1), I(1));
    SURVIVES(conv2d_input, 7, T(image), T(kernel), INTS(2, 2, 6, 6), I(1),
             I(1), I(1), I(1));
    SURVIVES(max_pool2d, 2, T(image), I(2));
    SURVIVES(avg_pool2d, 2, T(image), I(2));
    SURVIVES(layer_norm, 2, T(x), INTS(4));
    SURVIVES(group_norm, 2, T(x), I(2));
    SURVIVES(batch_norm, 6, T(x), RT_NONE, RT_NONE, RT_NONE, RT_NONE,
             RT_V_BOOL(true));
    SURVIVES(cross_entropy, 2, T(x), T(labels));
    SURVIVES(mse_loss, 2, T(x), T(y));
    SURVIVES(smooth_l1_loss, 2, T(x), T(y));
    SURVIVES(binary_cross_entropy_with_logits, 2, T(x), T(y));
    SURVIVES(scaled_dot_product_attention, 3, T(x), T(y), T(y));
    SURVIVES(cosine_similarity, 2, T(x), T(y));
    tear_down();
}

CASE(attention_in_blocks_survives)
{
    rt_tensor *q = noise(RT_FLOAT32, SHAPE(2, 3, 40, 8), 1);
    SURVIVES(scaled_dot_product_attention, 3, T(q), T(q), T(q));
    rt_release(q);
}

CASE(printing_survives)
{
    char *s = NULL;
    set_up();
    rt_memory_fail_after(1);
    CHECK_FAILS(rt_tensor_repr(&s, x, NULL, &err), err, RT_E_MEMORY);
    rt_memory_fail_after(0);
    CHECK(s == NULL);
    tear_down();
}

UNIT_MAIN

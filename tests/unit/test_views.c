/* SPDX-License-Identifier: MIT
 * View and shape ops: geometry, shared memory, values, refusals.
 */
#include "runtime/ops/cpu/move.h"
#include "tests/unit/tensors.h"

CASE(view_shares_memory_and_fills_in_minus_one)
{
    rt_tensor *t = counting(RT_FLOAT32, SHAPE(2, 6));
    rt_tensor *v = CALL(view, 2, T(t), INTS(3, -1));
    CHECK_TENSOR(v, RT_FLOAT32, SHAPE(3, 4), VALUES(0, 1, 2, 3, 4, 5));
    CHECK(rt_tensor_shares_storage(t, v));
    DROP(t, v);
}

CASE(view_refuses_a_transposed_matrix_and_reshape_copies_it)
{
    rt_tensor *t = counting(RT_FLOAT32, SHAPE(2, 3));
    rt_tensor *tr = CALL(transpose, 3, T(t), I(0), I(-1));
    CHECK_TENSOR(tr, RT_FLOAT32, SHAPE(3, 2), VALUES(0, 3, 1, 4, 2, 5));
    REFUSES(RT_E_SHAPE, "not compatible", view, 2, T(tr), INTS(6));
    CHECK_HAS(err.help, "reshape");
    rt_tensor *r = CALL(reshape, 2, T(tr), INTS(6));
    CHECK_TENSOR(r, RT_FLOAT32, SHAPE(6), VALUES(0, 3, 1, 4, 2, 5));
    CHECK(!rt_tensor_shares_storage(r, t));
    DROP(t, tr, r);
}

CASE(reshape_keeps_memory_where_strides_allow)
{
    rt_tensor *t = counting(RT_FLOAT32, SHAPE(2, 3, 4));
    rt_tensor *p = CALL(transpose, 3, T(t), I(1), I(2));
    rt_tensor *r = CALL(reshape, 2, T(p), INTS(2, 2, 2, 3));
    CHECK_TENSOR(r, RT_FLOAT32, SHAPE(2, 2, 2, 3), VALUES(0, 4, 8, 1, 5, 9));
    CHECK(rt_tensor_shares_storage(r, t));
    DROP(t, p, r);
}

CASE(reshape_names_both_shapes_when_they_do_not_fit)
{
    rt_tensor *t = counting(RT_FLOAT32, SHAPE(2, 3));
    REFUSES(RT_E_SHAPE, "[4, -1]", reshape, 2, T(t), INTS(4, -1));
    CHECK_HAS(err.message, "[2, 3]");
    REFUSES(RT_E_SHAPE, "[7]", view, 2, T(t), INTS(7));
    REFUSES(RT_E_SHAPE, "[-1, -1]", view, 2, T(t), INTS(-1, -1));
    DROP(t);
}

CASE(empty_tensors_take_any_empty_shape)
{
    rt_tensor *t = counting(RT_FLOAT32, SHAPE(0, 3));
    rt_tensor *v = CALL(view, 2, T(t), INTS(3, 0, 5));
    CHECK_INT(v->ndim, 3);
    REFUSES(RT_E_SHAPE, "", view, 2, T(t), INTS(-1, 0));
    DROP(t, v);
}

CASE(view_as_another_dtype_reads_the_same_bits)
{
    rt_tensor *t = tensor(RT_FLOAT32, SHAPE(2), VALUES(1, -2));
    rt_tensor *v = CALL(view_dtype, 2, T(t), RT_V_DTYPE(RT_INT32));
    CHECK_TENSOR(v, RT_INT32, SHAPE(2), VALUES(0x3f800000, -0x40000000));
    REFUSES(RT_E_DTYPE, "4 bytes", view_dtype, 2, T(t),
            RT_V_DTYPE(RT_FLOAT64));
    DROP(t, v);
}

CASE(permute_squeeze_unsqueeze)
{
    rt_tensor *t = counting(RT_INT64, SHAPE(2, 1, 3));
    rt_tensor *p = CALL(permute, 2, T(t), INTS(2, 0, 1));
    rt_tensor *s = CALL(squeeze, 1, T(t));
    rt_tensor *u = CALL(unsqueeze, 2, T(s), I(-1));
    rt_tensor *same = CALL(squeeze, 2, T(t), I(0));
    CHECK_TENSOR(p, RT_INT64, SHAPE(3, 2, 1), VALUES(0, 3, 1, 4, 2, 5));
    CHECK_TENSOR(s, RT_INT64, SHAPE(2, 3), VALUES(0, 1, 2, 3, 4, 5));
    CHECK_TENSOR(u, RT_INT64, SHAPE(2, 3, 1), VALUES(0, 1, 2, 3, 4, 5));
    CHECK_INT(same->ndim, 3);
    REFUSES(RT_E_ARGUMENT, "dimension 0 is named twice", permute, 2, T(t),
            INTS(0, 0, 1));
    REFUSES(RT_E_SHAPE, "2 dims given", permute, 2, T(t), INTS(0, 1));
    REFUSES(RT_E_INDEX, "", unsqueeze, 2, T(t), I(5));
    DROP(t, p, s, u, same);
}

CASE(expand_repeats_without_memory)
{
    rt_tensor *t = counting(RT_INT64, SHAPE(2, 1));
    rt_tensor *e = CALL(expand, 2, T(t), INTS(3, -1, 2));
    CHECK_TENSOR(e, RT_INT64, SHAPE(3, 2, 2), VALUES(0, 0, 1, 1, 0, 0));
    CHECK(rt_tensor_shares_storage(e, t));
    REFUSES(RT_E_SHAPE, "[2, 1] cannot be expanded to [3, 2]", expand, 2, T(t),
            INTS(3, 2));
    DROP(t, e);
}

CASE(select_slice_narrow)
{
    rt_tensor *t = counting(RT_INT64, SHAPE(3, 4));
    rt_tensor *a = CALL(select, 3, T(t), I(1), I(-1));
    rt_tensor *b = CALL(slice, 5, T(t), I(1), I(1), RT_NONE, I(2));
    rt_tensor *c = CALL(slice, 4, T(t), I(0), I(-2), I(100));
    rt_tensor *d = CALL(narrow, 4, T(t), I(1), I(1), I(2));
    rt_tensor *e = CALL(slice, 4, T(t), I(0), I(5), I(1));
    CHECK_TENSOR(a, RT_INT64, SHAPE(3), VALUES(3, 7, 11));
    CHECK_TENSOR(b, RT_INT64, SHAPE(3, 2), VALUES(1, 3, 5, 7, 9, 11));
    CHECK_TENSOR(c, RT_INT64, SHAPE(2, 4), VALUES(4, 5, 6, 7, 8));
    CHECK_TENSOR(d, RT_INT64, SHAPE(3, 2), VALUES(1, 2, 5, 6, 9, 10));
    CHECK_INT(e->numel, 0);
    REFUSES(RT_E_INDEX, "index 3 is out of bounds for dimension 0 with size 3",
            select, 3, T(t), I(0), I(3));
    REFUSES(RT_E_ARGUMENT, "step must be greater than zero", slice, 5, T(t),
            I(0), RT_NONE, RT_NONE, I(-1));
    REFUSES(RT_E_INDEX, "reach outside dimension 1 of size 4", narrow, 4, T(t),
            I(1), I(3), I(2));
    DROP(t, a, b, c, d, e);
}

CASE(diagonals)
{
    rt_tensor *t = counting(RT_INT64, SHAPE(3, 4));
    rt_tensor *a = CALL(diagonal, 1, T(t));
    rt_tensor *b = CALL(diagonal, 2, T(t), I(2));
    rt_tensor *c = CALL(diagonal, 2, T(t), I(-1));
    rt_tensor *d = CALL(diagonal, 2, T(t), I(9));
    CHECK_TENSOR(a, RT_INT64, SHAPE(3), VALUES(0, 5, 10));
    CHECK_TENSOR(b, RT_INT64, SHAPE(2), VALUES(2, 7));
    CHECK_TENSOR(c, RT_INT64, SHAPE(2), VALUES(4, 9));
    CHECK_INT(d->numel, 0);
    DROP(t, a, b, c, d);
}

CASE(as_strided_and_unfold_stay_inside_the_memory)
{
    rt_tensor *t = counting(RT_INT64, SHAPE(6));
    rt_tensor *a = CALL(as_strided, 4, T(t), INTS(2, 2), INTS(2, 1), I(1));
    rt_tensor *b = CALL(unfold, 4, T(t), I(0), I(3), I(2));
    CHECK_TENSOR(a, RT_INT64, SHAPE(2, 2), VALUES(1, 2, 3, 4));
    CHECK_TENSOR(b, RT_INT64, SHAPE(2, 3), VALUES(0, 1, 2, 2, 3, 4));
    REFUSES(RT_E_ARGUMENT, "outside a storage", as_strided, 3, T(t),
            INTS(3, 3), INTS(3, 1));
    REFUSES(RT_E_ARGUMENT, "outside a storage", as_strided, 3, T(t),
            INTS(1LL << 62, 4), INTS(1LL << 62, 1));
    REFUSES(RT_E_ARGUMENT, "do not fit", unfold, 4, T(t), I(0), I(7), I(1));
    DROP(t, a, b);
}

CASE(flatten_unflatten_movedim_t)
{
    rt_tensor *t = counting(RT_INT64, SHAPE(2, 3, 2));
    rt_tensor *f = CALL(flatten, 2, T(t), I(1));
    rt_tensor *u = CALL(unflatten, 3, T(f), I(1), INTS(-1, 2));
    rt_tensor *m = CALL(movedim, 3, T(t), I(0), I(-1));
    rt_tensor *x = CALL(t, 1, T(f));
    CHECK_TENSOR(f, RT_INT64, SHAPE(2, 6), VALUES(0, 1, 2, 3));
    CHECK_TENSOR(u, RT_INT64, SHAPE(2, 3, 2), VALUES(0, 1, 2, 3));
    CHECK_TENSOR(m, RT_INT64, SHAPE(3, 2, 2), VALUES(0, 6, 1, 7, 2, 8));
    CHECK_TENSOR(x, RT_INT64, SHAPE(6, 2), VALUES(0, 6, 1, 7));
    REFUSES(RT_E_SHAPE, "at most 2 dimensions", t, 1, T(t));
    REFUSES(RT_E_SHAPE, "do not multiply to 6", unflatten, 3, T(f), I(1),
            INTS(4, -1));
    DROP(t, f, u, m, x);
}

static void check_list(rt_value *r, int n, const int64_t *sizes, int dim)
{
    CHECK_INT(r->count, n);
    for (int i = 0; i < r->count && i < n; i++) {
        CHECK_INT(r->tensors[i]->shape[dim], sizes[i]);
    }
    rt_value_release(r);
}

CASE(split_chunk_unbind_give_views)
{
    rt_tensor *t = counting(RT_INT64, SHAPE(2, 7));
    rt_value r[RT_MAX_RESULTS];
    CHECK_OK(call_all(r, RT_OP_split, 3, T(t), I(3), I(1)), err);
    CHECK_TENSOR(r[0].tensors[2], RT_INT64, SHAPE(2, 1), VALUES(6, 13));
    CHECK(rt_tensor_shares_storage(r[0].tensors[0], t));
    check_list(r, 3, (const int64_t[]){3, 3, 1}, 1);
    CHECK_OK(call_all(r, RT_OP_split, 3, T(t), INTS(2, 5), I(1)), err);
    check_list(r, 2, (const int64_t[]){2, 5}, 1);
    CHECK_OK(call_all(r, RT_OP_chunk, 3, T(t), I(4), I(-1)), err);
    check_list(r, 4, (const int64_t[]){2, 2, 2, 1}, 1);
    CHECK_OK(call_all(r, RT_OP_unbind, 1, T(t)), err);
    check_list(r, 2, (const int64_t[]){7, 7}, 0);
    REFUSES(RT_E_ARGUMENT, "do not add up to 7", split, 3, T(t), INTS(2, 2),
            I(1));
    DROP(t);
}

CASE(cat_and_stack_join)
{
    rt_tensor *a = counting(RT_INT64, SHAPE(2, 2));
    rt_tensor *b = tensor(RT_FLOAT32, SHAPE(2, 1), VALUES(0.5, 1.5));
    rt_tensor *empty = counting(RT_INT64, SHAPE(0));
    rt_tensor *parts[3] = {a, empty, b}, *twice[2] = {a, a};
    rt_tensor *c = CALL(cat, 2, RT_V_TENSORS(parts, 3), I(1));
    rt_tensor *s = CALL(stack, 2, RT_V_TENSORS(twice, 2), I(-1));
    CHECK_TENSOR(c, RT_FLOAT32, SHAPE(2, 3), VALUES(0, 1, 0.5, 2, 3, 1.5));
    CHECK_TENSOR(s, RT_INT64, SHAPE(2, 2, 2), VALUES(0, 0, 1, 1, 2, 2, 3, 3));
    parts[1] = b;
    REFUSES(RT_E_SHAPE, "tensor 1 has shape [2, 1] where [2, 2] came before",
            cat, 2, RT_V_TENSORS(parts, 2), I(0));
    REFUSES(RT_E_SHAPE, "equal shapes", stack, 1, RT_V_TENSORS(parts, 2));
    REFUSES(RT_E_ARGUMENT, "non-empty", cat, 1, RT_V_TENSORS(parts, 0));
    DROP(a, b, empty, c, s);
}

CASE(flip_and_roll_move_elements)
{
    rt_tensor *t = counting(RT_INT64, SHAPE(2, 3));
    rt_tensor *f = CALL(flip, 2, T(t), INTS(0, 1));
    rt_tensor *r = CALL(roll, 3, T(t), INTS(1), INTS(1));
    rt_tensor *g = CALL(roll, 2, T(t), INTS(-2));
    CHECK_TENSOR(f, RT_INT64, SHAPE(2, 3), VALUES(5, 4, 3, 2, 1, 0));
    CHECK_TENSOR(r, RT_INT64, SHAPE(2, 3), VALUES(2, 0, 1, 5, 3, 4));
    CHECK_TENSOR(g, RT_INT64, SHAPE(2, 3), VALUES(2, 3, 4, 5, 0, 1));
    REFUSES(RT_E_ARGUMENT, "named twice", flip, 2, T(t), INTS(0, -2));
    DROP(t, f, r, g);
}

CASE(repeats)
{
    rt_tensor *t = counting(RT_INT64, SHAPE(2));
    rt_tensor *a = CALL(repeat, 2, T(t), INTS(2, 2));
    rt_tensor *b = CALL(tile, 2, T(t), INTS(2));
    rt_tensor *c = CALL(repeat_interleave, 2, T(t), I(2));
    rt_tensor *one = CALL(repeat, 2, T(t), INTS(1));
    CHECK_TENSOR(a, RT_INT64, SHAPE(2, 4), VALUES(0, 1, 0, 1, 0, 1, 0, 1));
    CHECK_TENSOR(b, RT_INT64, SHAPE(4), VALUES(0, 1, 0, 1));
    CHECK_TENSOR(c, RT_INT64, SHAPE(4), VALUES(0, 0, 1, 1));
    CHECK(one && !rt_tensor_shares_storage(one, t));
    REFUSES(RT_E_ARGUMENT, "must not be negative", repeat, 2, T(t), INTS(-1));
    DROP(t, a, b, c, one);
}

/* Each of these once overflowed, which C leaves open. */
CASE(numbers_at_the_ends_of_what_integers_hold_are_errors_or_clamped)
{
    const int64_t most = INT64_MAX, least = INT64_MIN;
    rt_tensor *t = counting(RT_FLOAT32, SHAPE(3, 4));
    REFUSES(RT_E_ARGUMENT, "do not add up", split, 3, T(t),
            INTS(most, most, 6), I(1));
    REFUSES(RT_E_MEMORY, "more than memory can hold", repeat, 2, T(t),
            INTS(1, most));
    REFUSES(RT_E_SHAPE, "do not multiply to 4", unflatten, 3, T(t), I(1),
            INTS(-1, most, most));
    rt_value r[RT_MAX_RESULTS];
    CHECK_OK(call_all(r, RT_OP_chunk, 3, T(t), I(most), I(1)), err);
    check_list(r, 4, (const int64_t[]){1, 1, 1, 1}, 1);
    rt_tensor *upper = CALL(triu, 2, T(t), I(most));
    rt_tensor *lower = CALL(tril, 2, T(t), I(least));
    rt_tensor *all = CALL(triu, 2, T(t), I(least));
    rt_tensor *none = CALL(diagonal, 2, T(t), I(least));
    rt_tensor *window = CALL(unfold, 4, T(t), I(1), I(4), I(most));
    CHECK_TENSOR(upper, RT_FLOAT32, SHAPE(3, 4), VALUES(0));
    CHECK_TENSOR(lower, RT_FLOAT32, SHAPE(3, 4), VALUES(0));
    CHECK_INT(((float *)all->data)[11], 11);
    CHECK_INT(none->numel, 0);
    CHECK_INT(window->numel, 12);
    DROP(t, upper, lower, all, none, window);
}

CASE(diag_both_ways)
{
    rt_tensor *v = tensor(RT_FLOAT32, SHAPE(2), VALUES(1, 2));
    rt_tensor *m = CALL(diag, 2, T(v), I(1));
    rt_tensor *back = CALL(diag, 2, T(m), I(1));
    CHECK_TENSOR(m, RT_FLOAT32, SHAPE(3, 3),
                 VALUES(0, 1, 0, 0, 0, 2, 0, 0, 0));
    CHECK_TENSOR(back, RT_FLOAT32, SHAPE(2), VALUES(1, 2));
    REFUSES(RT_E_ARGUMENT, "no matrix has", diag, 2, T(v), I(INT64_MAX));
    REFUSES(RT_E_ARGUMENT, "no matrix has", diag, 2, T(v), I(INT64_MIN));
    DROP(v, m, back);
}

CASE(pad_modes)
{
    rt_tensor *t = counting(RT_FLOAT32, SHAPE(1, 3));
    rt_tensor *a = CALL(pad, 4, T(t), INTS(1, 2), RT_V_STRING("constant"),
                        RT_V_FLOAT(9));
    rt_tensor *b = CALL(pad, 3, T(t), INTS(2, 1), RT_V_STRING("reflect"));
    rt_tensor *c = CALL(pad, 3, T(t), INTS(1, 1, 1, 0),
                        RT_V_STRING("replicate"));
    rt_tensor *d = CALL(pad, 3, T(t), INTS(1, 2), RT_V_STRING("circular"));
    rt_tensor *e = CALL(pad, 2, T(t), INTS(-1, 0));
    CHECK_TENSOR(a, RT_FLOAT32, SHAPE(1, 6), VALUES(9, 0, 1, 2, 9, 9));
    CHECK_TENSOR(b, RT_FLOAT32, SHAPE(1, 6), VALUES(2, 1, 0, 1, 2, 1));
    CHECK_TENSOR(c, RT_FLOAT32, SHAPE(2, 5),
                 VALUES(0, 0, 1, 2, 2, 0, 0, 1, 2, 2));
    CHECK_TENSOR(d, RT_FLOAT32, SHAPE(1, 6), VALUES(2, 0, 1, 2, 0, 1));
    CHECK_TENSOR(e, RT_FLOAT32, SHAPE(1, 2), VALUES(1, 2));
    REFUSES(RT_E_ARGUMENT, "too wide", pad, 3, T(t), INTS(3, 0),
            RT_V_STRING("reflect"));
    REFUSES(RT_E_ARGUMENT, "two a dimension", pad, 2, T(t), INTS(1));
    REFUSES(RT_E_ARGUMENT, "mode must be", pad, 3, T(t), INTS(1, 1),
            RT_V_STRING("mirror"));
    DROP(t, a, b, c, d, e);
}

/* Element i of x [4, 13, w] padded by 1 to 3 a side, as pad's modes have it. */
static double padded(const char *mode, const rt_tensor *x, const rt_tensor *out,
                     int64_t i)
{
    int64_t from = 0, place[3];
    for (int d = 2; d >= 0; d--) {
        place[d] = i % out->shape[d];
        i /= out->shape[d];
    }
    for (int d = 0; d < 3; d++) {
        int64_t k = rt__pad_source(mode, place[d] - (3 - d), x->shape[d]);
        if (k < 0) {
            return 7;
        }
        from = from * x->shape[d] + k;
    }
    return at(x, from);
}

CASE(padded_planes_of_any_mode_and_dtype_hold_the_right_elements)
{
    static const char *const modes[] = {"constant", "reflect", "replicate",
                                        "circular"};
    static const rt_dtype types[] = {RT_UINT8, RT_FLOAT16, RT_FLOAT32,
                                     RT_INT64};
    for (int k = 0; k < 4 * 4 * 3; k++) {
        const char *mode = modes[k % 4];
        int64_t width = (int[]){3, 56, 301}[k / 16], wrong = 0;
        rt_tensor *x = counting(types[k / 4 % 4], SHAPE(4, 13, width));
        for (int threads = 1; threads <= 2; threads++) {
            rt_set_num_threads(threads);
            rt_tensor *out = CALL(pad, 4, T(x), INTS(1, 2, 2, 1, 3, 2),
                                  RT_V_STRING(mode), RT_V_FLOAT(7));
            for (int64_t i = 0; i < out->numel; i++) {
                wrong += at(out, i) != padded(mode, x, out, i);
            }
            DROP(out);
        }
        rt_set_num_threads(0);
        if (wrong) {
            UNIT_FAIL("%s of width %lld, %s: %lld wrong", mode,
                      (long long)width, rt_dtype_name(types[k / 4 % 4]),
                      (long long)wrong);
        }
        DROP(x);
    }
}

UNIT_MAIN

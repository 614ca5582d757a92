/* SPDX-License-Identifier: MIT
 * t[...] and t[...] = value: every kind of item, alone and mixed; gather,
 * scatter and their kin; bad indices leave everything as it was.
 */
#include "runtime/ops/cpu/gather.h"
#include "tests/unit/tensors.h"

static const rt_index none = {.kind = RT_I_NONE};
static const rt_index dots = {.kind = RT_I_ELLIPSIS};
static const rt_index all = {.kind = RT_I_SLICE, .step = 1};

static rt_index integer(int64_t i)
{
    return (rt_index){.kind = RT_I_INT, .i = i};
}

static rt_index part(int64_t start, int64_t stop, int64_t step)
{
    return (rt_index){.kind = RT_I_SLICE, .start = start, .stop = stop,
                      .step = step, .has_start = true, .has_stop = true};
}

static rt_index with(rt_tensor *t)
{
    return (rt_index){.kind = RT_I_TENSOR, .t = t};
}

#define ITEMS(...) (const rt_index[]){__VA_ARGS__},                            \
        (int)(sizeof((const rt_index[]){__VA_ARGS__}) / sizeof(rt_index))

static rt_tensor *get(rt_tensor *t, const rt_index *items, int n)
{
    rt_tensor *out = NULL;
    CHECK_OK(rt_tensor_get(&out, t, items, n, &err), err);
    return out;
}

CASE(ints_and_slices_are_views)
{
    rt_tensor *t = counting(RT_INT64, SHAPE(3, 4));
    rt_tensor *a = get(t, ITEMS(integer(-1)));
    rt_tensor *b = get(t, ITEMS(all, part(1, 4, 2)));
    rt_tensor *c = get(t, ITEMS(integer(1), integer(2)));
    rt_tensor *d = get(t, ITEMS(dots, integer(0)));
    rt_tensor *e = get(t, ITEMS(none, dots, none));
    rt_tensor *f = get(t, NULL, 0);
    CHECK_TENSOR(a, RT_INT64, SHAPE(4), VALUES(8, 9, 10, 11));
    CHECK_TENSOR(b, RT_INT64, SHAPE(3, 2), VALUES(1, 3, 5, 7, 9, 11));
    CHECK_TENSOR(c, RT_INT64, NULL, 0, VALUES(6));
    CHECK_TENSOR(d, RT_INT64, SHAPE(3), VALUES(0, 4, 8));
    CHECK_TENSOR(e, RT_INT64, SHAPE(1, 3, 4, 1), VALUES(0, 1));
    CHECK(rt_tensor_shares_storage(b, t) && rt_tensor_shares_storage(e, t));
    CHECK(rt_tensor_shares_storage(f, t) && f != t);
    DROP(t, a, b, c, d, e, f);
}

CASE(index_tensors_gather_and_broadcast)
{
    rt_tensor *t = counting(RT_INT64, SHAPE(3, 4));
    rt_tensor *rows = tensor(RT_INT64, SHAPE(2), VALUES(2, -3));
    rt_tensor *column = tensor(RT_INT32, SHAPE(2, 1), VALUES(0, 1));
    rt_tensor *a = get(t, ITEMS(with(rows)));
    rt_tensor *b = get(t, ITEMS(with(column), with(rows)));
    rt_tensor *c = get(t, ITEMS(all, with(rows)));
    rt_tensor *zero = tensor(RT_INT64, NULL, 0, VALUES(1));
    rt_tensor *d = get(t, ITEMS(with(zero)));
    CHECK_TENSOR(a, RT_INT64, SHAPE(2, 4), VALUES(8, 9, 10, 11, 0, 1, 2, 3));
    CHECK_TENSOR(b, RT_INT64, SHAPE(2, 2), VALUES(2, 1, 6, 5));
    CHECK_TENSOR(c, RT_INT64, SHAPE(3, 2), VALUES(2, 1, 6, 5, 10, 9));
    CHECK_TENSOR(d, RT_INT64, SHAPE(4), VALUES(4, 5, 6, 7));
    CHECK(rt_tensor_shares_storage(d, t));
    DROP(t, rows, column, a, b, c, zero, d);
}

CASE(index_tensors_apart_go_to_the_front)
{
    rt_tensor *t = counting(RT_INT64, SHAPE(2, 3, 4));
    rt_tensor *i = tensor(RT_INT64, SHAPE(2), VALUES(0, 1));
    rt_tensor *j = tensor(RT_INT64, SHAPE(2), VALUES(3, 0));
    rt_tensor *apart = get(t, ITEMS(with(i), all, with(j)));
    rt_tensor *together = get(t, ITEMS(all, with(i), with(j)));
    CHECK_TENSOR(apart, RT_INT64, SHAPE(2, 3), VALUES(3, 7, 11, 12, 16, 20));
    CHECK_TENSOR(together, RT_INT64, SHAPE(2, 2), VALUES(3, 4, 15, 16));
    DROP(t, i, j, apart, together);
}

CASE(masks_select_and_mix)
{
    rt_tensor *t = counting(RT_INT64, SHAPE(2, 3, 2));
    rt_tensor *m = tensor(RT_BOOL, SHAPE(2, 3), VALUES(1, 0, 0, 0, 1, 1));
    rt_tensor *rows = tensor(RT_BOOL, SHAPE(2), VALUES(0, 1));
    rt_tensor *a = get(t, ITEMS(with(m)));
    rt_tensor *b = get(t, ITEMS(with(m), integer(1)));
    rt_tensor *c = get(t, ITEMS(with(rows), part(0, 2, 1)));
    rt_tensor *d = get(t, ITEMS((rt_index){.kind = RT_I_BOOL, .i = 0}));
    CHECK_TENSOR(a, RT_INT64, SHAPE(3, 2), VALUES(0, 1, 8, 9, 10, 11));
    CHECK_TENSOR(b, RT_INT64, SHAPE(3), VALUES(1, 9, 11));
    CHECK_TENSOR(c, RT_INT64, SHAPE(1, 2, 2), VALUES(6, 7, 8, 9));
    CHECK_INT(d->ndim, 4);
    CHECK_INT(d->shape[0], 0);
    DROP(t, m, rows, a, b, c, d);
}

CASE(indexing_a_transposed_tensor_follows_its_strides)
{
    rt_tensor *t = counting(RT_INT64, SHAPE(3, 4));
    rt_tensor *tr = CALL(transpose, 3, T(t), I(0), I(1));
    rt_tensor *i = tensor(RT_INT64, SHAPE(2), VALUES(3, 0));
    rt_tensor *m = tensor(RT_BOOL, SHAPE(4, 3),
                          VALUES(1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0));
    rt_tensor *a = get(tr, ITEMS(with(i)));
    rt_tensor *b = get(tr, ITEMS(with(m)));
    CHECK_TENSOR(a, RT_INT64, SHAPE(2, 3), VALUES(3, 7, 11, 0, 4, 8));
    CHECK_TENSOR(b, RT_INT64, SHAPE(3), VALUES(0, 5, 10));
    DROP(t, tr, i, m, a, b);
}

static void refuse_get(rt_tensor *t, rt_status status, const char *text,
                       const rt_index *items, int n)
{
    rt_tensor *out = NULL;
    CHECK_FAILS(rt_tensor_get(&out, t, items, n, &err), err, status);
    CHECK_HAS(err.message, text);
    CHECK(out == NULL);
}

CASE(bad_indices_are_named)
{
    rt_tensor *t = counting(RT_INT64, SHAPE(3, 4));
    rt_tensor *i = tensor(RT_INT64, SHAPE(2), VALUES(0, 3));
    rt_tensor *f = tensor(RT_FLOAT32, SHAPE(1), VALUES(0));
    rt_tensor *m = tensor(RT_BOOL, SHAPE(2), VALUES(1, 1));
    rt_tensor *three = counting(RT_INT64, SHAPE(3));
    rt_tensor *ok = counting(RT_INT64, SHAPE(2));
    refuse_get(t, RT_E_INDEX, "index 3 is out of bounds for dimension 0 with "
               "size 3", ITEMS(integer(3)));
    refuse_get(t, RT_E_INDEX, "index 3 is out of bounds", ITEMS(with(i)));
    refuse_get(t, RT_E_INDEX, "too many indices",
               ITEMS(integer(0), integer(0), integer(0)));
    refuse_get(t, RT_E_INDEX, "single ellipsis", ITEMS(dots, dots));
    refuse_get(t, RT_E_INDEX, "got float32", ITEMS(with(f)));
    refuse_get(t, RT_E_INDEX, "mask [2]", ITEMS(with(m)));
    refuse_get(t, RT_E_INDEX, "shape mismatch", ITEMS(with(ok), with(three)));
    refuse_get(t, RT_E_ARGUMENT, "step must be greater than zero",
               ITEMS(part(0, 3, -1)));
    DROP(t, i, f, m, three, ok);
}

static void set(rt_tensor *t, rt_value v, const rt_index *items, int n)
{
    CHECK_OK(rt_tensor_set(t, items, n, v, &err), err);
}

CASE(assignment_writes_through_views)
{
    rt_tensor *t = counting(RT_INT64, SHAPE(2, 3));
    rt_tensor *row = tensor(RT_INT64, SHAPE(1, 3), VALUES(7, 8, 9));
    uint32_t version = rt_tensor_version(t);
    set(t, I(5), ITEMS(integer(0), integer(1)));
    set(t, T(row), ITEMS(integer(1)));
    CHECK_TENSOR(t, RT_INT64, SHAPE(2, 3), VALUES(0, 5, 2, 7, 8, 9));
    set(t, I(0), ITEMS(dots));
    CHECK_TENSOR(t, RT_INT64, SHAPE(2, 3), VALUES(0, 0, 0, 0, 0, 0));
    CHECK(rt_tensor_version(t) != version);
    DROP(t, row);
}

CASE(assignment_through_indices_and_masks)
{
    rt_tensor *t = counting(RT_FLOAT32, SHAPE(2, 3));
    rt_tensor *i = tensor(RT_INT64, SHAPE(2), VALUES(0, 2));
    rt_tensor *m = tensor(RT_BOOL, SHAPE(2, 3), VALUES(0, 1, 0, 0, 1, 0));
    rt_tensor *v = tensor(RT_FLOAT32, SHAPE(2), VALUES(10, 20));
    set(t, T(v), ITEMS(all, with(i)));
    CHECK_TENSOR(t, RT_FLOAT32, SHAPE(2, 3), VALUES(10, 1, 20, 10, 4, 20));
    set(t, RT_V_FLOAT(-1), ITEMS(with(m)));
    CHECK_TENSOR(t, RT_FLOAT32, SHAPE(2, 3), VALUES(10, -1, 20, 10, -1, 20));
    set(t, T(v), ITEMS(with(m)));
    CHECK_TENSOR(t, RT_FLOAT32, SHAPE(2, 3), VALUES(10, 10, 20, 10, 20, 20));
    DROP(t, i, m, v);
}

CASE(a_refused_assignment_changes_nothing)
{
    rt_tensor *t = counting(RT_INT64, SHAPE(2, 3));
    rt_tensor *i = tensor(RT_INT64, SHAPE(2), VALUES(0, 9));
    rt_tensor *v = counting(RT_INT64, SHAPE(4));
    CHECK_FAILS(rt_tensor_set(t, ITEMS(all, with(i)), I(5), &err), err,
                RT_E_INDEX);
    CHECK_FAILS(rt_tensor_set(t, ITEMS(integer(0)), T(v), &err), err,
                RT_E_SHAPE);
    CHECK_HAS(err.message, "[4] cannot be broadcast to the indexed part of "
                           "shape [3]");
    CHECK_TENSOR(t, RT_INT64, SHAPE(2, 3), VALUES(0, 1, 2, 3, 4, 5));
    DROP(t, i, v);
}

CASE(index_put_adds_every_duplicate)
{
    rt_tensor *t = counting(RT_FLOAT32, SHAPE(3));
    rt_tensor *i = tensor(RT_INT64, SHAPE(4), VALUES(1, 1, 1, 0));
    rt_tensor *v = tensor(RT_FLOAT32, SHAPE(4), VALUES(1, 2, 3, 4));
    rt_tensor *out = CALL(index_put, 4, T(t), RT_V_TENSORS(&i, 1), T(v),
                          RT_V_BOOL(true));
    CHECK_TENSOR(out, RT_FLOAT32, SHAPE(3), VALUES(4, 7, 2));
    CHECK_TENSOR(t, RT_FLOAT32, SHAPE(3), VALUES(0, 1, 2));
    DROP(t, i, v, out);
}

CASE(writing_into_expanded_memory_is_refused)
{
    rt_tensor *t = counting(RT_FLOAT32, SHAPE(1, 3));
    rt_tensor *e = CALL(expand, 2, T(t), INTS(2, 3));
    rt_tensor *i = tensor(RT_INT64, SHAPE(1), VALUES(0));
    CHECK_FAILS(rt_tensor_set(e, ITEMS(with(i)), I(1), &err), err,
                RT_E_ARGUMENT);
    CHECK_HAS(err.message, "same memory");
    CHECK_HAS(err.help, "clone");
    DROP(t, e, i);
}

CASE(index_select_of_a_number_takes_one_index)
{
    rt_tensor *t = tensor(RT_FLOAT32, NULL, 0, VALUES(3));
    rt_tensor *one = tensor(RT_INT64, SHAPE(1), VALUES(0));
    rt_tensor *many = tensor(RT_INT64, SHAPE(50), VALUES(0));
    rt_tensor *got = CALL(index_select, 3, T(t), I(0), T(one));
    CHECK_NEAR(at(got, 0), 3, 0);
    REFUSES(RT_E_SHAPE, "takes one index, got 50", index_select, 3, T(t), I(0),
            T(many));
    DROP(t, one, many, got);
}

CASE(index_select_and_index_add)
{
    rt_tensor *t = counting(RT_FLOAT32, SHAPE(2, 3));
    rt_tensor *i = tensor(RT_INT64, SHAPE(2), VALUES(2, 2));
    rt_tensor *a = CALL(index_select, 3, T(t), I(1), T(i));
    rt_tensor *sum = CALL(index_add_, 4, T(t), I(-1), T(i), T(a));
    CHECK_TENSOR(a, RT_FLOAT32, SHAPE(2, 2), VALUES(2, 2, 5, 5));
    CHECK_TENSOR(sum, RT_FLOAT32, SHAPE(2, 3), VALUES(0, 1, 6, 3, 4, 15));
    REFUSES(RT_E_INDEX, "entry 0", index_select, 3, T(t), I(0), T(i));
    REFUSES(RT_E_SHAPE, "source", index_add_, 4, T(t), I(0), T(i), T(i));
    DROP(t, i, a, sum);
}

CASE(short_rows_are_added_in_the_order_of_their_indices)
{
    static const rt_dtype types[] = {RT_FLOAT32, RT_FLOAT64, RT_INT32,
                                     RT_INT64, RT_FLOAT16, RT_UINT8};
    static const int widths[] = {1, 3, 8, 9, 64, 70};
    for (int k = 0; k < 36; k++) {
        rt_dtype dtype = types[k % 6];
        int64_t w = widths[k / 6], wrong = 0;
        rt_tensor *i = tensor(RT_INT64, SHAPE(11), VALUES(4, 0, 4, 4, 2, 1, 0));
        rt_tensor *from = counting(dtype, SHAPE(150, 11, w));
        for (int threads = 1; threads <= 3; threads++) {
            rt_set_num_threads(threads);
            rt_tensor *t = tensor(dtype, SHAPE(150, 5, w), VALUES(0));
            rt_tensor *sum = CALL(index_add_, 4, T(t), I(1), T(i), T(from));
            rt_tensor *one = tensor(dtype, SHAPE(1), VALUES(0));
            for (int64_t e = 0; e < sum->numel; e++) {
                put(one, 0, 0);
                for (int64_t n = 0; n < 11; n++) {
                    if ((int64_t)at(i, n) == e / w % 5) {
                        double v = at(from, (e / w / 5 * 11 + n) * w + e % w);
                        put(one, 0, at(one, 0) + v);
                    }
                }
                wrong += at(sum, e) != at(one, 0);
            }
            DROP(t, sum, one);
        }
        if (wrong) {
            UNIT_FAIL("%s rows of %lld: %lld wrong", rt_dtype_name(dtype),
                      (long long)w, (long long)wrong);
        }
        DROP(i, from);
    }
    rt_set_num_threads(0);
}

CASE(gather_and_scatter_are_inverse)
{
    rt_tensor *t = counting(RT_FLOAT32, SHAPE(2, 3));
    rt_tensor *i = tensor(RT_INT64, SHAPE(2, 3), VALUES(2, 0, 1, 1, 2, 0));
    rt_tensor *g = CALL(gather, 3, T(t), I(1), T(i));
    rt_tensor *back = CALL(scatter, 4, T(t), I(1), T(i), T(g));
    rt_tensor *rows = tensor(RT_INT64, SHAPE(1, 3), VALUES(1, 0, 1));
    rt_tensor *r = CALL(gather, 3, T(t), I(0), T(rows));
    rt_tensor *one = CALL(scatter, 4, T(t), I(0), T(rows), RT_V_FLOAT(9));
    rt_tensor *sum = CALL(scatter_add, 4, T(t), I(0), T(rows), T(t));
    CHECK_TENSOR(g, RT_FLOAT32, SHAPE(2, 3), VALUES(2, 0, 1, 4, 5, 3));
    CHECK_TENSOR(back, RT_FLOAT32, SHAPE(2, 3), VALUES(0, 1, 2, 3, 4, 5));
    CHECK_TENSOR(r, RT_FLOAT32, SHAPE(1, 3), VALUES(3, 1, 5));
    CHECK_TENSOR(one, RT_FLOAT32, SHAPE(2, 3), VALUES(0, 9, 2, 9, 4, 9));
    CHECK_TENSOR(sum, RT_FLOAT32, SHAPE(2, 3), VALUES(0, 2, 2, 3, 4, 7));
    DROP(t, i, g, back, rows, r, one, sum);
}

CASE(gather_and_scatter_refuse_what_does_not_fit)
{
    rt_tensor *t = counting(RT_FLOAT32, SHAPE(2, 3));
    rt_tensor *i = tensor(RT_INT64, SHAPE(2, 2), VALUES(0, 3, 0, 0));
    rt_tensor *wide = counting(RT_INT64, SHAPE(3, 3));
    rt_tensor *d = counting(RT_FLOAT64, SHAPE(2, 3));
    REFUSES(RT_E_INDEX, "index 3 is out of bounds for dimension 1", gather, 3,
            T(t), I(1), T(i));
    REFUSES(RT_E_SHAPE, "index of shape [3, 3]", gather, 3, T(t), I(1),
            T(wide));
    REFUSES(RT_E_DTYPE, "src is float64", scatter, 4, T(t), I(1), T(i), T(d));
    REFUSES(RT_E_DTYPE, "must hold integers", gather, 3, T(t), I(1), T(t));
    REFUSES(RT_E_INDEX, "", scatter_, 4, T(t), I(1), T(i), RT_V_FLOAT(1));
    CHECK_TENSOR(t, RT_FLOAT32, SHAPE(2, 3), VALUES(0, 1, 2, 3, 4, 5));
    DROP(t, i, wide, d);
}

CASE(embedding_looks_rows_up)
{
    rt_tensor *w = counting(RT_FLOAT32, SHAPE(3, 2));
    rt_tensor *i = tensor(RT_INT64, SHAPE(2, 1), VALUES(2, 0));
    rt_tensor *bad = tensor(RT_INT64, SHAPE(1), VALUES(3));
    rt_tensor *e = CALL(embedding, 2, T(w), T(i));
    CHECK_TENSOR(e, RT_FLOAT32, SHAPE(2, 1, 2), VALUES(4, 5, 0, 1));
    REFUSES(RT_E_INDEX, "index 3", embedding, 2, T(w), T(bad));
    DROP(w, i, bad, e);
}

CASE(nonzero_where_masked_select_take)
{
    rt_tensor *t = tensor(RT_FLOAT32, SHAPE(2, 2), VALUES(0, 1, -2, 0));
    rt_tensor *m = tensor(RT_BOOL, SHAPE(2), VALUES(0, 1));
    rt_tensor *i = tensor(RT_INT64, SHAPE(2), VALUES(2, -1));
    rt_tensor *nz = CALL(nonzero, 1, T(t));
    rt_tensor *s = CALL(masked_select, 2, T(t), T(m));
    rt_tensor *k = CALL(take, 2, T(t), T(i));
    rt_value r[RT_MAX_RESULTS];
    CHECK_TENSOR(nz, RT_INT64, SHAPE(2, 2), VALUES(0, 1, 1, 0));
    CHECK_TENSOR(s, RT_FLOAT32, SHAPE(2), VALUES(1, 0));
    CHECK_TENSOR(k, RT_FLOAT32, SHAPE(2), VALUES(-2, 0));
    CHECK_OK(call_all(r, RT_OP_where_indices, 1, T(t)), err);
    CHECK_TENSOR(r[0].tensors[1], RT_INT64, SHAPE(2), VALUES(1, 0));
    rt_value_release(&r[0]);
    DROP(t, m, i, nz, s, k);
}

CASE(item_reads_one_element)
{
    rt_tensor *b = tensor(RT_BOOL, SHAPE(1), VALUES(1));
    rt_tensor *f = tensor(RT_FLOAT32, NULL, 0, VALUES(2.5));
    rt_tensor *two = counting(RT_INT64, SHAPE(2));
    rt_value v;
    CHECK_OK(rt_tensor_item(&v, b, &err), err);
    CHECK(v.kind == RT_K_BOOL && v.i == 1);
    CHECK_OK(rt_tensor_item(&v, f, &err), err);
    CHECK(v.kind == RT_K_FLOAT && v.f == 2.5);
    CHECK_FAILS(rt_tensor_item(&v, two, &err), err, RT_E_SHAPE);
    CHECK_HAS(err.message, "2 elements");
    DROP(b, f, two);
}

/* --- the kernels under them, on every instruction set ---------------------- */

CASE(every_instruction_set_finds_an_index_out_of_range)
{
    static const int64_t bad[] = {-1, 10, 11, INT64_MIN, INT64_MAX};
    int64_t v[70];
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        const rt__gather_table *t = rt__gather_tables[isa];
        for (int i = 0; i < 70; i++) {
            v[i] = i % 10;
        }
        CHECK(t->within(v, 70, 0, 10));
        CHECK(t->within(v, 0, 0, 0));
        CHECK(!t->within(v, 1, 0, 0));
        for (int i = 0; i < 70; i++) {
            for (int k = 0; k < 5; k++) {
                v[i] = bad[k];
                CHECK(!t->within(v, 70, 0, 10));
                CHECK(t->within(v, 70, -10, 10) == (k == 0));
            }
            v[i] = i % 10;
        }
    }
}

CASE(every_instruction_set_picks_elements_of_every_size_and_clears)
{
    char src[80], got[8 * 70];
    int64_t v[70];
    for (int i = 0; i < 80; i++) {
        src[i] = (char)(3 * i + 1);
    }
    for (int k = 0; k < 8 * (1 + (int)rt__cpu_info()->isa); k++) {
        const rt__gather_table *t = rt__gather_tables[k / 8];
        int size = 1 << k % 4;
        for (int i = 0; i < 70; i++) {
            v[i] = (i * 7) % 10 - (k % 8 > 3 ? 5 : 0);
        }
        if (k % 8 > 3) {
            t->wrap[k % 4](got, src, v, 70, 10);
        } else {
            t->pick[k % 4](got, src, v, 70);
        }
        for (int i = 0; i < 70; i++) {
            int64_t at = v[i] < 0 ? v[i] + 10 : v[i];
            CHECK(memcmp(got + i * size, src + at * size, (size_t)size) == 0);
        }
        memset(got, 1, sizeof got);
        t->clear(got + k, 400 + k);
        for (int i = 0; i < (int)sizeof got; i++) {
            CHECK_INT(got[i], i < k || i >= 400 + 2 * k);
        }
    }
}

CASE(rows_by_index_are_the_same_for_any_number_of_threads)
{
    rt_tensor *t = noise(RT_FLOAT32, SHAPE(3, 500, 90), 4), *i = NULL;
    int64_t n = 4000;
    CHECK_OK(rt_tensor_new(&i, RT_INT64, 1, &n, &err), err);
    for (int64_t k = 0; k < n; k++) {
        put(i, k, (double)(k * 7919 % 1000 - 500));
    }
    for (int threads = 1; threads <= 3; threads++) {
        rt_set_num_threads(threads);
        rt_tensor *list[] = {NULL, i};
        rt_tensor *y = CALL(index, 2, T(t), RT_V_TENSORS(list, 2));
        CHECK_INT(y->numel, 3 * n * 90);
        for (int64_t k = 0; k < y->numel; k += 89) {
            int64_t at = k / 90 % n * 7919 % 1000 - 500;
            at = (k / (90 * n) * 500 + (at < 0 ? at + 500 : at)) * 90 + k % 90;
            CHECK_NEAR(((float *)y->data)[k], ((float *)t->data)[at], 0);
        }
        rt_release(y);
    }
    put(i, 3999, 500);
    rt_tensor *list[] = {NULL, i};
    REFUSES(RT_E_INDEX, "index 500 is out of bounds for dimension 1 with size "
            "500", index, 2, T(t), RT_V_TENSORS(list, 2));
    rt_set_num_threads(0);
    rt_release(t);
    rt_release(i);
}

/* --- what a mask chooses ------------------------------------------------------ */

/* -0.0 and its like are nothing, NaN and denormals are something. */
CASE(nonzero_finds_the_same_for_every_dtype_and_number_of_threads)
{
    static const double some[] = {0, 1, -0.0, 0, 3, 2e-7, 0};
    for (int d = 0; d < RT_DTYPE_COUNT; d++) {
        rt_tensor *t = tensor((rt_dtype)d, SHAPE(60, 1, 41, 37), some, 7);
        for (int threads = 1; threads <= 3; threads++) {
            rt_set_num_threads(threads);
            rt_tensor *y = CALL(nonzero, 1, T(t));
            const int64_t *found = (const int64_t *)y->data;
            int64_t n = 0;
            for (int64_t i = 0; i < t->numel && n < y->shape[0]; i++) {
                if (at(t, i) != 0) {
                    const int64_t *p = found + 4 * n++;
                    CHECK(p[1] == 0 &&
                          p[0] * 41 * 37 + p[2] * 37 + p[3] == i);
                    CHECK(p[2] < 41 && p[3] < 37);
                }
            }
            CHECK_INT(n, y->shape[0]);
            CHECK(n >= t->numel / 7);
            rt_release(y);
        }
        rt_release(t);
    }
    rt_set_num_threads(0);
}

CASE(every_instruction_set_splits_places_and_counts_flags)
{
    static const int64_t sizes[] = {1, 2, 3, 1000, 1 << 20, (1LL << 40) + 1};
    uint8_t m[300];
    int64_t out[308], rest[300], p[300];
    for (int i = 0; i < 300; i++) {
        m[i] = (uint8_t)(i * i % 7 < 3 ? i % 256 : 0);
    }
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        const rt__gather_table *t = rt__gather_tables[isa];
        for (int n = 0; n <= 300; n += 13) {
            int64_t kept = t->places(out, m, n, 1LL << 50), k = 0;
            for (int i = 0; i < n; i++) {
                CHECK(!m[i] || out[k++] == (1LL << 50) + i);
            }
            CHECK_INT(kept, k);
            CHECK_INT(t->count(m, n), k);
        }
        for (int k = 0; k < 6; k++) {
            for (int i = 0; i < 300; i++) {
                p[i] = (1LL << 52) / 300 * i + (i & 1 ? sizes[k] - i / 2 : 0);
                out[i] = p[i];
            }
            t->split(p, rest, 300, sizes[k]);
            for (int i = 0; i < 300; i++) {
                CHECK_INT(p[i], out[i] / sizes[k]);
                CHECK_INT(rest[i], out[i] % sizes[k]);
            }
        }
    }
}

static rt_tensor *written(rt_tensor *const *list, int n, rt_tensor *v,
                          bool add)
{
    rt_tensor *t = noise(RT_FLOAT32, SHAPE(300, 200), 3);
    rt_tensor *same = CALL(index_put_, 4, T(t), RT_V_TENSORS(list, n), T(v),
                           RT_V_BOOL(add));
    rt_release(same);
    return t;
}

/* Rows, columns and pairs that come more than once: the last value stays, sums
 * are taken in order. */
CASE(what_is_written_by_index_is_the_same_for_any_number_of_threads)
{
    rt_tensor *i = counting(RT_INT64, SHAPE(40000));
    rt_tensor *j = counting(RT_INT64, SHAPE(40000));
    rt_tensor *one = tensor(RT_FLOAT32, NULL, 0, VALUES(7));
    rt_tensor *each = noise(RT_FLOAT32, SHAPE(40000), 5);
    rt_tensor *few = counting(RT_INT64, SHAPE(400));
    rt_tensor *row = noise(RT_FLOAT32, SHAPE(400, 200), 6);
    rt_tensor *column = noise(RT_FLOAT32, SHAPE(300, 400), 7);
    for (int64_t k = 0; k < 40000; k++) {
        put(i, k, (double)(k * 7919 % 600 - 300));
        put(j, k, (double)(k * 31 % 200));
        put(few, k % 400, (double)(k * 77 % 150));
    }
    struct {
        rt_tensor *list[2], *v;
        int n;
    } way[] = {{{i, j}, one, 2}, {{i, j}, each, 2}, {{few, NULL}, one, 1},
               {{few, NULL}, row, 1}, {{NULL, few}, one, 2},
               {{NULL, few}, column, 2}};
    for (int k = 0; k < 12; k++) {
        rt_tensor *first = NULL;
        for (int threads = 1; threads <= 3; threads++) {
            rt_set_num_threads(threads);
            rt_tensor *t = written(way[k / 2].list, way[k / 2].n, way[k / 2].v,
                                   k % 2);
            if (!first) {
                first = t;
                continue;
            }
            CHECK(memcmp(first->data, t->data, 60000 * sizeof(float)) == 0);
            rt_release(t);
        }
        for (int64_t p = 0; k == 2 && p < 40000; p++) {
            int64_t r = (p * 7919 % 600 + 300) % 300, c = p * 31 % 200;
            int64_t last = p;   /* pairs come again after 600 */
            last += (39999 - p) / 600 * 600;
            CHECK_NEAR(at(first, r * 200 + c), at(each, last), 0);
        }
        rt_release(first);
    }
    rt_set_num_threads(0);
    DROP(i, j, one, each, few, row, column);
}

CASE(a_mask_writes_one_value_along_any_dimensions)
{
    rt_tensor *t = counting(RT_INT64, SHAPE(2, 3, 2));
    rt_tensor *m = tensor(RT_BOOL, SHAPE(3), VALUES(0, 1, 0));
    rt_tensor *v = tensor(RT_INT64, NULL, 0, VALUES(-1)), *list[] = {NULL, m};
    rt_tensor *wrong[] = {m};
    rt_release(CALL(index_put_, 3, T(t), RT_V_TENSORS(list, 2), T(v)));
    CHECK_TENSOR(t, RT_INT64, SHAPE(2, 3, 2),
                 VALUES(0, 1, -1, -1, 4, 5, 6, 7, -1, -1, 10, 11));
    REFUSES(RT_E_INDEX, "the shape of the mask [3] does not match", index_put_,
            3, T(t), RT_V_TENSORS(wrong, 1), T(v));
    DROP(t, m, v);
}

/* --- the gradient of embedding ---------------------------------------------- */

static double added(const rt_tensor *g, const int64_t *v, int64_t row,
                    int64_t column, int64_t padding)
{
    double sum = 0;
    for (int64_t i = 0; i < g->shape[0]; i++) {
        sum += v[i] == row && row != padding
                   ? rt__load_float(g->dtype,
                                    g->data + (i * g->strides[0] +
                                               column * g->strides[1]) *
                                                  (int64_t)rt_dtype_size(g->dtype))
                   : 0;
    }
    return sum;
}

CASE(the_gradient_of_embedding_adds_rows_in_order_on_any_number_of_threads)
{
    static const rt_dtype types[] = {RT_FLOAT32, RT_FLOAT64};
    for (int k = 0; k < 12; k++) {
        /* plain, transposed and expanded gradients; large ones are cleared
         * past the caches */
        int64_t n = 300, each = 37, size = k < 6 ? 90 : 60000;
        int64_t strides[3][2] = {{each, 1}, {1, n}, {0, 0}};
        rt_tensor *g0 = noise(types[k % 2], SHAPE(n * each), 5), *g = NULL;
        CHECK_OK(rt_tensor_view(&g, g0, 2, (int64_t[]){n, each},
                                strides[k / 2 % 3], 0, &err), err);
        rt_tensor *index = counting(RT_INT64, SHAPE(n)), *first = NULL;
        int64_t *v = (int64_t *)index->data;
        for (int64_t i = 0; i < n; i++) {
            v[i] = i * 31 % 83;
        }
        for (int threads = 1; threads <= 3; threads++) {
            rt_tensor *out = NULL;
            rt_set_num_threads(threads);
            CHECK_OK(rt__fused_embedding(&out, g, index, size, 5, &err), err);
            CHECK(out != NULL);
            for (int64_t i = 0; i < 90 * each; i++) {
                CHECK_NEAR(at(out, i), added(g, v, i / each, i % each, 5), 2e-6);
            }
            for (int64_t i = 90 * each; i < out->numel; i++) {
                CHECK(at(out, i) == 0);
            }
            if (first) {
                CHECK(memcmp(first->data, out->data,
                             (size_t)out->numel *
                                 rt_dtype_size(out->dtype)) == 0);
                rt_release(out);
            } else {
                first = out;
            }
        }
        v[0] = size;   /* somebody changed the indices meanwhile */
        rt_tensor *none_ = NULL;
        CHECK_OK(rt__fused_embedding(&none_, g, index, size, 5, &err), err);
        CHECK(none_ == NULL);
        rt_release(first);
        rt_release(index);
        rt_release(g);
        rt_release(g0);
    }
    rt_set_num_threads(0);
}

UNIT_MAIN

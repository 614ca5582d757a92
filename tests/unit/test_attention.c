/* SPDX-License-Identifier: MIT
 * Attention in blocks of rows against float64 loops.
 */
#include "runtime/ops/cpu/attention.h"
#include "tests/unit/tensors.h"

typedef struct sizes {
    int64_t b, h, l, s, e, ev;
} sizes;

static const sizes cases[] = {
    {1, 1, 16, 1, 1, 1},     {2, 3, 33, 40, 7, 5},  {1, 2, 130, 257, 64, 33},
    {1, 1, 300, 20, 16, 16}, {1, 1, 16, 1100, 3, 64}};
enum { CASES = sizeof cases / sizeof *cases };

/* Row `row` of head `head` in float64; what mask says, then what `causal`
 * says, is left out. */
static double excess(const rt_tensor *out, const rt_tensor *q,
                     const rt_tensor *k, const rt_tensor *v,
                     const rt_tensor *mask, bool causal, double scale,
                     const sizes *z, int64_t head, int64_t row)
{
    double scores[1100], top = -INFINITY, sum = 0, most = 0;
    int64_t n = causal && row < z->s ? row + 1 : z->s;
    for (int64_t i = 0; i < n; i++) {
        double m = mask ? at(mask, row * z->s + i) : 1, dot = 0;
        for (int64_t e = 0; e < z->e; e++) {
            dot += at(q, (head * z->l + row) * z->e + e) *
                   at(k, (head * z->s + i) * z->e + e);
        }
        scores[i] = dot * scale + (mask && mask->dtype == RT_FLOAT32 ? m : 0);
        if (mask && mask->dtype == RT_BOOL && m == 0) {
            scores[i] = -INFINITY;
        }
        top = fmax(top, scores[i]);
    }
    for (int64_t i = 0; i < n; i++) {
        scores[i] = exp(scores[i] - top);
        sum += scores[i];
    }
    for (int64_t x = 0; x < z->ev; x++) {
        double want = 0;
        for (int64_t i = 0; i < n; i++) {
            want += scores[i] / sum * at(v, (head * z->s + i) * z->ev + x);
        }
        double off = fabs(at(out, (head * z->l + row) * z->ev + x) - want);
        most = off > most || isnan(off) ? off : most;
    }
    return most;
}

/* A tensor of this shape whose elements lie as if its last two dimensions had
 * been the other way round. */
static rt_tensor *turned(rt_tensor *t)
{
    rt_tensor *a = CALL(transpose, 3, T(t), I(-2), I(-1));
    rt_tensor *b = CALL(contiguous, 1, T(a));
    rt_tensor *c = CALL(transpose, 3, T(b), I(-2), I(-1));
    DROP(t, a, b);
    return c;
}

static rt_tensor *mask_of(int kind, const sizes *z)
{
    rt_tensor *m = NULL;
    if (kind == 2) {
        m = noise(RT_FLOAT32, SHAPE(z->l, z->s), 9);
    } else if (kind == 3) {
        m = tensor(RT_BOOL, SHAPE(z->l, z->s), VALUES(1, 0, 1, 1, 0));
        for (int64_t i = 0; i < z->l; i++) {
            put(m, i * z->s, 1);       /* every row sees something */
        }
    }
    return m;
}

static void check_case(const sizes *z, int kind, bool strided)
{
    rt_tensor *q = noise(RT_FLOAT32, SHAPE(z->b, z->h, z->l, z->e), 1);
    rt_tensor *k = noise(RT_FLOAT32, SHAPE(z->b, z->h, z->s, z->e), 2);
    rt_tensor *v = noise(RT_FLOAT32, SHAPE(z->b, z->h, z->s, z->ev), 3);
    if (strided) {
        q = turned(q), k = turned(k), v = turned(v);
    }
    rt_tensor *mask = mask_of(kind, z), *first = NULL;
    rt__attention a = {q, k, v, mask, kind == 1, 0.7};
    CHECK(rt__attention_suits(&a));
    for (int threads = 1; threads <= 3; threads++) {
        rt_set_num_threads(threads);
        rt_tensor *out = CALL(scaled_dot_product_attention, 7, T(q), T(k), T(v),
                              mask ? T(mask) : RT_NONE, RT_V_FLOAT(0),
                              RT_V_BOOL(kind == 1), RT_V_FLOAT(0.7));
        for (int64_t i = 0; !first && i < z->b * z->h * z->l; i += 3) {
            double e = excess(out, q, k, v, mask, kind == 1, 0.7, z, i / z->l,
                              i % z->l);
            if (!(e < 2e-6)) {
                UNIT_FAIL("L %d, S %d, kind %d: %g off in row %d", (int)z->l,
                          (int)z->s, kind, e, (int)i);
            }
        }
        CHECK(!first || memcmp(first->data, out->data,
                               (size_t)out->numel * 4) == 0);
        rt_release(first);
        first = out;
    }
    rt_set_num_threads(0);
    DROP(q, k, v, first);
    rt_release(mask);
}

CASE(every_mask_and_layout_gives_the_sums_of_float64)
{
    for (int i = 0; i < CASES; i++) {
        for (int kind = 0; kind < 4; kind++) {
            check_case(&cases[i], kind, false);
            check_case(&cases[i], kind, true);
        }
    }
}

CASE(a_row_with_nan_or_nothing_to_see_is_nan_alone)
{
    rt_tensor *q = noise(RT_FLOAT32, SHAPE(20, 8), 1);
    rt_tensor *k = noise(RT_FLOAT32, SHAPE(30, 8), 2);
    rt_tensor *mask = tensor(RT_BOOL, SHAPE(20, 30), VALUES(1));
    put(q, 3 * 8 + 5, NAN);
    put(q, 9 * 8, INFINITY);
    for (int64_t i = 0; i < 30; i++) {
        put(mask, 7 * 30 + i, 0);
    }
    rt_tensor *out = CALL(scaled_dot_product_attention, 4, T(q), T(k), T(k),
                          T(mask));
    for (int64_t i = 0; i < 20 * 8; i++) {
        int64_t row = i / 8;
        CHECK(isnan(at(out, i)) == (row == 3 || row == 9 || row == 7));
    }
    DROP(q, k, mask, out);
}

CASE(a_mask_repeats_over_what_it_does_not_name)
{
    rt_tensor *q = noise(RT_FLOAT32, SHAPE(2, 3, 17, 8), 1);
    rt_tensor *mask = noise(RT_FLOAT32, SHAPE(2, 1, 1, 17), 5);
    int64_t all[] = {2, 3, 17, 17};
    rt_tensor *wide = CALL(expand, 2, T(mask), RT_V_INTS(all, 4));
    rt_tensor *full = CALL(contiguous, 1, T(wide));
    rt_tensor *a = CALL(scaled_dot_product_attention, 4, T(q), T(q), T(q),
                        T(mask));
    rt_tensor *b = CALL(scaled_dot_product_attention, 4, T(q), T(q), T(q),
                        T(full));
    CHECK(memcmp(a->data, b->data, (size_t)a->numel * 4) == 0);
    DROP(q, mask, wide, full, a, b);
}

CASE(what_is_recorded_or_does_not_fit_is_left_to_the_composition)
{
    rt_tensor *q = noise(RT_FLOAT32, SHAPE(2, 20, 8), 1);
    rt_tensor *one = noise(RT_FLOAT32, SHAPE(1, 20, 8), 2);
    rt_tensor *few = noise(RT_FLOAT32, SHAPE(2, 15, 8), 3);
    rt__attention a = {q, q, q, NULL, false, 1};
    CHECK(rt__attention_suits(&a));
    CHECK_OK(rt_set_requires_grad(q, true, &err), err);
    CHECK(!rt__attention_suits(&a));
    rt_set_grad_enabled(false);
    CHECK(rt__attention_suits(&a));
    a.k = a.v = one;
    CHECK(!rt__attention_suits(&a));
    a = (rt__attention){few, q, q, NULL, false, 1};
    CHECK(!rt__attention_suits(&a));
    a = (rt__attention){q, q, q, few, false, 1};
    CHECK(!rt__attention_suits(&a));
    rt_set_grad_enabled(true);
    DROP(q, one, few);
}

CASE(the_gradients_are_those_of_the_same_result)
{
    rt_tensor *q = noise(RT_FLOAT32, SHAPE(2, 20, 8), 1);
    rt_tensor *a = CALL(scaled_dot_product_attention, 3, T(q), T(q), T(q));
    CHECK_OK(rt_set_requires_grad(q, true, &err), err);
    rt_tensor *b = CALL(scaled_dot_product_attention, 3, T(q), T(q), T(q));
    for (int64_t i = 0; i < a->numel; i++) {
        CHECK_NEAR(at(a, i), at(b, i), 1e-6);
    }
    CHECK((b->flags & RT_F_REQUIRES_GRAD) && !(a->flags & RT_F_REQUIRES_GRAD));
    DROP(q, a, b);
}

UNIT_MAIN

/* SPDX-License-Identifier: MIT
 *
 * Losses and similarities as compositions of ops; their gradients follow. A
 * `work` holds the intermediate tensors of one call: each step makes the next
 * one, a failed step makes all later ones do nothing.
 */
#include "runtime/ops/cpu/attention.h"
#include "runtime/ops/cpu/loss.h"
#include "runtime/ops/op.h"

#include <math.h>
#include <string.h>

#define MOST_STEPS 32

typedef struct work {
    rt_tensor *made[MOST_STEPS];
    int n;
    rt_status s;
    rt_error *err;
} work;

/* The value of a step that made t (borrowed from the work). */
static rt_value keep(work *w, rt_status s, rt_tensor *t)
{
    w->s = s;
    if (s != RT_OK) {
        return RT_NONE;
    }
    w->made[w->n++] = t;
    return RT_V_TENSOR(t);
}

static rt_value step3(work *w, rt_op_id id, rt_value a, rt_value b, rt_value c)
{
    rt_tensor *t = NULL;
    if (w->s != RT_OK) {
        return RT_NONE;
    }
    rt_status s = rt__op1(id, &t, w->err, 3, a, b, c);
    return keep(w, s, t);
}

static rt_value step2(work *w, rt_op_id id, rt_value a, rt_value b)
{
    rt_tensor *t = NULL;
    if (w->s != RT_OK) {
        return RT_NONE;
    }
    rt_status s = rt__op1(id, &t, w->err, 2, a, b);
    return keep(w, s, t);
}

static rt_value step1(work *w, rt_op_id id, rt_value a)
{
    rt_tensor *t = NULL;
    if (w->s != RT_OK) {
        return RT_NONE;
    }
    rt_status s = rt__op1(id, &t, w->err, 1, a);
    return keep(w, s, t);
}

static void drop(work *w)
{
    for (int i = 0; i < w->n; i++) {
        rt_release(w->made[i]);
    }
}

/* Ends the composition: `result` becomes result 0. */
static rt_status finish(rt__call *c, work *w, rt_value result)
{
    if (w->s == RT_OK) {
        rt__result_steal(c, 0, rt_retain(result.t));
    }
    drop(w);
    return w->s;
}

/* The loss elements reduced as argument `arg` says. */
static rt_value reduce(rt__call *c, work *w, rt_value x, int arg, bool batch)
{
    rt__reduction how = RT_REDUCE_NONE;
    if (w->s != RT_OK) {
        return RT_NONE;
    }
    w->s = rt__reduction_arg(&how, c, arg, batch);
    if (w->s != RT_OK || how == RT_REDUCE_NONE) {
        return x;
    }
    if (how == RT_REDUCE_MEAN) {
        return step1(w, RT_OP_mean, x);
    }
    rt_value sum = step1(w, RT_OP_sum, x);
    if (how == RT_REDUCE_BATCHMEAN && w->s == RT_OK) {
        int64_t rows = x.t->ndim > 0 ? x.t->shape[0] : 1;
        return step2(w, RT_OP_div, sum, RT_V_INT(rows));
    }
    return sum;
}

/* Bad reductions fail before anything is computed. */
static rt_status check_reduction(const rt__call *c, int arg, bool batch)
{
    rt__reduction how;
    return rt__reduction_arg(&how, c, arg, batch);
}

/* PyTorch only takes a target of the input's own shape here. */
static rt_status check_same_shape(rt__call *c)
{
    rt_tensor *a = rt__arg(c, 0), *b = rt__arg(c, 1);
    char sa[96], sb[96];
    if (rt__same_shape(a, b)) {
        return RT_OK;
    }
    rt__shape_format(sa, sizeof sa, a->ndim, a->shape);
    rt__shape_format(sb, sizeof sb, b->ndim, b->shape);
    rt_fail(c->err, RT_E_SHAPE,
            "%s: target size %s must be the same as the input size %s", c->name,
            sb, sa);
    rt__error_shapes(c->err, a, b);
    rt_error_help(c->err, "reshape or unsqueeze one of them");
    return RT_E_SHAPE;
}

/* --- distances ------------------------------------------------------------ */

RT_KERNEL(l1_loss)
{
    work w = {.s = check_reduction(c, 2, false), .err = c->err};
    rt_value d = step2(&w, RT_OP_sub, c->a[0], c->a[1]);
    rt_value loss = step1(&w, RT_OP_abs, d);
    return finish(c, &w, reduce(c, &w, loss, 2, false));
}

/* --- binary cross entropy ------------------------------------------------- */

static rt_status check_probabilities(rt__call *c)
{
    rt_value v = RT_NONE;
    work w = {.err = c->err};
    rt_value low = step2(&w, RT_OP_ge, c->a[0], RT_V_INT(0));
    rt_value high = step2(&w, RT_OP_le, c->a[0], RT_V_INT(1));
    rt_value both = step2(&w, RT_OP_logical_and, low, high);
    rt_value all = step1(&w, RT_OP_all, both);
    if (w.s == RT_OK) {
        w.s = rt_tensor_item(&v, all.t, c->err);
    }
    drop(&w);
    if (w.s == RT_OK && v.i == 0) {
        rt_fail(c->err, RT_E_ARGUMENT,
                "%s: all elements of input should be between 0 and 1",
                c->name);
        rt_error_help(c->err, "apply sigmoid first, or use "
                              "binary_cross_entropy_with_logits");
        return RT_E_ARGUMENT;
    }
    return w.s;
}

/* log(x), at least -100; the gradient at x = 0 is 0 and not NaN. */
static rt_value bounded_log(work *w, rt_value x)
{
    rt_value zero = step2(w, RT_OP_le, x, RT_V_INT(0));
    rt_value safe = step3(w, RT_OP_where, zero, RT_V_FLOAT(1), x);
    rt_value log = step1(w, RT_OP_log, safe);
    log = step2(w, RT_OP_clamp, log, RT_V_FLOAT(-100));
    return step3(w, RT_OP_where, zero, RT_V_FLOAT(-100), log);
}

static rt_value weighted(rt__call *c, work *w, rt_value loss, int arg)
{
    return rt__arg(c, arg) ? step2(w, RT_OP_mul, loss, c->a[arg]) : loss;
}

RT_KERNEL(binary_cross_entropy)
{
    work w = {.s = check_reduction(c, 3, false), .err = c->err};
    w.s = w.s == RT_OK ? check_same_shape(c) : w.s;
    w.s = w.s == RT_OK ? check_probabilities(c) : w.s;
    rt_value x = c->a[0], t = c->a[1];
    rt_value rest = step2(&w, RT_OP_rsub, x, RT_V_INT(1));
    rt_value not_t = step2(&w, RT_OP_rsub, t, RT_V_INT(1));
    rt_value a = step2(&w, RT_OP_mul, t, bounded_log(&w, x));
    rt_value b = step2(&w, RT_OP_mul, not_t, bounded_log(&w, rest));
    rt_value sum = step2(&w, RT_OP_add, a, b);
    rt_value loss = weighted(c, &w, step1(&w, RT_OP_neg, sum), 2);
    return finish(c, &w, reduce(c, &w, loss, 3, false));
}

/* (1 - t) x + (1 + (p - 1) t) softplus(-x) */
RT_KERNEL(binary_cross_entropy_with_logits)
{
    work w = {.s = check_reduction(c, 3, false), .err = c->err};
    w.s = w.s == RT_OK ? check_same_shape(c) : w.s;
    rt_value x = c->a[0], t = c->a[1];
    rt_value not_t = step2(&w, RT_OP_rsub, t, RT_V_INT(1));
    rt_value a = step2(&w, RT_OP_mul, not_t, x);
    rt_value minus = step1(&w, RT_OP_neg, x);
    /* the threshold keeps exp finite and the result exact in float64 */
    rt_value b = step3(&w, RT_OP_softplus, minus, RT_V_FLOAT(1),
                       RT_V_FLOAT(40));
    if (rt__arg(c, 4)) {
        rt_value p = c->a[4];      /* unsigned ones have no 0 - 1 */
        if (!rt_dtype_is_floating(rt__arg(c, 4)->dtype)) {
            p = step2(&w, RT_OP_to, p, RT_V_DTYPE(rt__arg(c, 0)->dtype));
        }
        p = step2(&w, RT_OP_sub, p, RT_V_INT(1));
        rt_value scale = step2(&w, RT_OP_mul, p, t);
        scale = step2(&w, RT_OP_add, scale, RT_V_INT(1));
        b = step2(&w, RT_OP_mul, scale, b);
    }
    rt_value loss = weighted(c, &w, step2(&w, RT_OP_add, a, b), 2);
    return finish(c, &w, reduce(c, &w, loss, 3, false));
}

/* --- kl_div --------------------------------------------------------------- */

RT_KERNEL(kl_div)
{
    work w = {.s = check_reduction(c, 2, true), .err = c->err};
    rt_value x = c->a[0], t = c->a[1], loss;
    if (c->a[3].i) {
        rt_value p = step1(&w, RT_OP_exp, t);
        loss = step2(&w, RT_OP_mul, p, step2(&w, RT_OP_sub, t, x));
    } else {
        rt_value none = step2(&w, RT_OP_eq, t, RT_V_INT(0));
        rt_value safe = step3(&w, RT_OP_where, none, RT_V_FLOAT(1), t);
        rt_value own = step2(&w, RT_OP_mul, t, step1(&w, RT_OP_log, safe));
        loss = step2(&w, RT_OP_sub, own, step2(&w, RT_OP_mul, t, x));
    }
    return finish(c, &w, reduce(c, &w, loss, 2, true));
}

/* --- normalize, cosine_similarity ----------------------------------------- */

static rt_value norm_along(work *w, rt_value x, double p, int64_t dim,
                           double eps)
{
    rt_tensor *t = NULL;
    if (w->s != RT_OK) {
        return RT_NONE;
    }
    rt_status s = rt__op1(RT_OP_norm, &t, w->err, 4, x, RT_V_FLOAT(p),
                          RT_V_INTS(&dim, 1), RT_V_BOOL(true));
    rt_value n = keep(w, s, t);
    return step2(w, RT_OP_clamp, n, RT_V_FLOAT(eps));
}

RT_KERNEL(normalize)
{
    work w = {.err = c->err};
    rt_value n = norm_along(&w, c->a[0], rt__arg_float(c, 1), c->a[2].i,
                            rt__arg_float(c, 3));
    return finish(c, &w, step2(&w, RT_OP_div, c->a[0], n));
}

RT_KERNEL(cosine_similarity)
{
    double eps = rt__arg_float(c, 3);
    int64_t shape[RT_MAX_DIMS], dim = c->a[2].i;
    int ndim;
    work w = {.err = c->err};
    w.s = rt__broadcast(&ndim, shape, rt__arg(c, 0), rt__arg(c, 1), c->name,
                        c->err);
    rt_value a = step2(&w, RT_OP_expand, c->a[0], RT_V_INTS(shape, ndim));
    rt_value b = step2(&w, RT_OP_expand, c->a[1], RT_V_INTS(shape, ndim));
    rt_value na = norm_along(&w, a, 2, dim, eps);
    rt_value nb = norm_along(&w, b, 2, dim, eps);
    rt_value ua = step2(&w, RT_OP_div, a, na);
    rt_value ub = step2(&w, RT_OP_div, b, nb);
    rt_value product = step2(&w, RT_OP_mul, ua, ub);
    return finish(c, &w, step2(&w, RT_OP_sum, product, RT_V_INTS(&dim, 1)));
}

/* --- attention ------------------------------------------------------------ */

enum { Q, K, V, MASK, DROPOUT, CAUSAL, SCALE };

static rt_status check_attention(rt__call *c)
{
    rt_tensor *q = rt__arg(c, Q), *k = rt__arg(c, K), *v = rt__arg(c, V);
    char a[96], b[96], d[96];
    bool fits = q->ndim >= 2 && k->ndim >= 2 && v->ndim >= 2;
    fits = fits && q->shape[q->ndim - 1] == k->shape[k->ndim - 1] &&
           k->shape[k->ndim - 2] == v->shape[v->ndim - 2];
    if (!fits) {
        rt__shape_format(a, sizeof a, q->ndim, q->shape);
        rt__shape_format(b, sizeof b, k->ndim, k->shape);
        rt__shape_format(d, sizeof d, v->ndim, v->shape);
        return rt_fail(c->err, RT_E_SHAPE,
                       "%s: expected query [.., L, E], key [.., S, E], value "
                       "[.., S, Ev], got %s, %s, %s", c->name, a, b, d);
    }
    if (c->a[CAUSAL].i && rt__arg(c, MASK)) {
        return rt_fail(c->err, RT_E_ARGUMENT,
                       "%s: give either attn_mask or is_causal=True, not both",
                       c->name);
    }
    return RT_OK;
}

/* Scores with what must not be seen at -inf. */
static rt_value masked(rt__call *c, work *w, rt_value scores)
{
    rt_tensor *mask = rt__arg(c, MASK);
    rt_value hidden = RT_NONE;
    if (w->s != RT_OK || (!mask && !c->a[CAUSAL].i)) {
        return scores;
    }
    if (mask && mask->dtype != RT_BOOL) {
        return step2(w, RT_OP_add, scores, c->a[MASK]);
    }
    if (mask) {
        hidden = step1(w, RT_OP_logical_not, c->a[MASK]);
    } else {
        const rt_tensor *s = scores.t;
        hidden = step2(w, RT_OP_ones,
                       RT_V_INTS(s->shape + s->ndim - 2, 2),
                       RT_V_DTYPE(RT_BOOL));
        hidden = step2(w, RT_OP_triu, hidden, RT_V_INT(1));
    }
    return step3(w, RT_OP_masked_fill, scores, hidden, RT_V_FLOAT(-INFINITY));
}

/* All in one, where nothing is recorded. */
static rt_status attend(rt__call *c, const rt__attention *a)
{
    rt_tensor *out = NULL;
    int n = a->q->ndim;
    int64_t shape[RT_MAX_DIMS];
    memcpy(shape, a->q->shape, (size_t)n * sizeof *shape);
    shape[n - 1] = a->v->shape[n - 1];
    rt_status s = rt__op1(RT_OP_empty, &out, c->err, 2, RT_V_INTS(shape, n),
                          RT_V_DTYPE(RT_FLOAT32));
    if (s == RT_OK) {
        s = rt__attention_run(a, out, c->name, c->err);
    }
    if (s != RT_OK) {
        rt_release(out);
        return s;
    }
    return rt__result_steal(c, 0, out);
}

RT_KERNEL(scaled_dot_product_attention)
{
    work w = {.s = check_attention(c), .err = c->err};
    if (w.s != RT_OK) {
        return w.s;
    }
    rt_tensor *q = rt__arg(c, Q);
    double e = (double)q->shape[q->ndim - 1];
    double scale = rt__arg_given(c, SCALE) ? rt__arg_float(c, SCALE)
                                           : 1 / sqrt(e);
    rt__attention all = {q, rt__arg(c, K), rt__arg(c, V), rt__arg(c, MASK),
                         c->a[CAUSAL].i != 0, scale};
    if (rt__arg_float(c, DROPOUT) == 0 && rt__attention_suits(&all)) {
        return attend(c, &all);
    }
    rt_value scaled = step2(&w, RT_OP_mul, c->a[Q], RT_V_FLOAT(scale));
    rt_value turned = step3(&w, RT_OP_transpose, c->a[K], RT_V_INT(-2),
                            RT_V_INT(-1));
    rt_value scores = step2(&w, RT_OP_matmul, scaled, turned);
    scores = masked(c, &w, scores);
    rt_value p = step2(&w, RT_OP_softmax, scores, RT_V_INT(-1));
    if (rt__arg_float(c, DROPOUT) > 0) {
        p = step3(&w, RT_OP_dropout, p, c->a[DROPOUT], RT_V_BOOL(true));
    }
    return finish(c, &w, step2(&w, RT_OP_matmul, p, c->a[V]));
}

/* SPDX-License-Identifier: MIT
 * Gradients of products, softmax, normalisation, losses, convolution, pooling.
 */
#define RT_FORMULA_NAMES
#include "runtime/autograd/formula.h"
#include "runtime/ops/cpu/backward.h"
#include "runtime/ops/cpu/loss.h"

/* --- products --------------------------------------------------------------------------- */

static rt_tensor *flipped(rt__rule_call *c, rt_tensor *t)
{
    return F(transpose, T(t), I(-2), I(-1));
}

/* t as a matrix of rows: leading dimensions joined. Sizes are named, as -1 says
 * nothing where another one is 0. */
static rt_tensor *rows(rt__rule_call *c, rt_tensor *t)
{
    if (!t || t->ndim == 2) {
        return t;
    }
    int64_t shape[2] = {1, t->ndim ? t->shape[t->ndim - 1] : 1};
    for (int i = 0; i < t->ndim - 1; i++) {
        shape[0] *= t->shape[i];
    }
    return F(reshape, T(t), L(shape, 2));
}

/* The gradient of b in a @ b for a 2-d b under any a: one product, no batch. */
static rt_tensor *right_factor(rt__rule_call *c, rt_tensor *a, rt_tensor *g,
                               bool shared)
{
    if (shared) {
        a = rows(c, a);
        g = rows(c, g);
    }
    return F(matmul, T(flipped(c, a)), T(g));
}

RULE(matmul, D | A(1), D | A(0))
{
    const rt__like *la = LIKE(0), *lb = LIKE(1);
    rt_tensor *g = G;
    if (lb->ndim == 1) {
        g = F(unsqueeze, T(g), I(-1));
    }
    if (la->ndim == 1) {
        g = F(unsqueeze, T(g), I(-2));
    }
    if (WANTS(0)) {
        rt_tensor *b = ARG(1);
        b = lb->ndim == 1 ? F(unsqueeze, T(b), I(0)) : flipped(c, b);
        GIVE(0, F(matmul, T(g), T(b)));
    }
    if (WANTS(1)) {
        rt_tensor *a = ARG(0);
        a = la->ndim == 1 ? F(unsqueeze, T(a), I(0)) : a;
        rt_tensor *t = right_factor(c, a, g, lb->ndim <= 2);
        GIVE(1, lb->ndim == 1 ? F(reshape, T(t), L(lb->shape, 1)) : t);
    }
}

/* A weight of one dimension is one row whose output dimension is left out. */
RULE(linear, D | A(1), D | A(0), D)
{
    const rt__like *lw = LIKE(1);
    rt_tensor *g = lw->ndim == 1 ? F(unsqueeze, T(G), I(-1)) : G;
    if (WANTS(0)) {
        rt_tensor *w = ARG(1);
        w = lw->ndim == 1 ? F(unsqueeze, T(w), I(0)) : w;
        GIVE(0, F(matmul, T(g), T(w)));
    }
    if (WANTS(1)) {
        rt_tensor *t = F(matmul, T(flipped(c, rows(c, g))), T(rows(c, ARG(0))));
        GIVE(1, lw->ndim == 1 ? F(reshape, T(t), L(lw->shape, 1)) : t);
    }
    if (WANTS(2)) {
        GIVE(2, G);
    }
}

/* --- softmax ------------------------------------------------------------------------------ */

/* The one-pass gradient over the last dimension; NULL where there is none. */
static rt_tensor *fused_softmax(rt__rule_call *c, bool log)
{
    rt_tensor *t = NULL;
    int ndim = LIKE(0)->ndim;
    int64_t dim = c->a[1].i;
    if (c->graph || (dim != -1 && dim != ndim - 1)) {
        return NULL;
    }
    rt_status s = rt__fused_softmax(&t, G, RES(0), log, c->err);
    return rt__formula_fused(c, s, t);
}

RULE(softmax, D | R(0))
{
    rt_tensor *quick = fused_softmax(c, false);
    if (quick || c->status != RT_OK) {
        GIVE(0, quick);
        return;
    }
    int64_t dim = c->a[1].i;
    rt_tensor *y = RES(0), *gy = F(mul, T(G), T(y));
    rt_tensor *sum = F(sum, T(gy), L(&dim, 1), B(true));
    GIVE(0, F(sub, T(gy), T(F(mul, T(y), T(sum)))));
}

RULE(log_softmax, D | R(0))
{
    rt_tensor *quick = fused_softmax(c, true);
    if (quick || c->status != RT_OK) {
        GIVE(0, quick);
        return;
    }
    int64_t dim = c->a[1].i;
    rt_tensor *sum = F(sum, T(G), L(&dim, 1), B(true));
    GIVE(0, F(sub, T(G), T(F(mul, T(F(exp, T(RES(0)))), T(sum)))));
}

/* --- normalisation --------------------------------------------------------------------------- */

/* (x - mean) / sqrt(var + eps) over dims; *rstd is 1 / sqrt(var + eps). */
static rt_tensor *normalised(rt__rule_call *c, rt_tensor *x,
                             const int64_t *dims, int n, double eps,
                             rt_tensor **rstd)
{
    rt_tensor *centred = F(sub, T(x), T(F(mean, T(x), L(dims, n), B(true))));
    rt_tensor *var = F(mean, T(F(square, T(centred))), L(dims, n), B(true));
    *rstd = F(rsqrt, T(F(add, T(var), N(eps))));
    return F(mul, T(centred), T(*rstd));
}

/* rstd (gy - mean(gy) - xhat mean(gy xhat)) */
static rt_tensor *norm_input(rt__rule_call *c, rt_tensor *gy, rt_tensor *xhat,
                             rt_tensor *rstd, const int64_t *dims, int n)
{
    rt_tensor *mean = F(mean, T(gy), L(dims, n), B(true));
    rt_tensor *along = F(mean, T(F(mul, T(gy), T(xhat))), L(dims, n), B(true));
    rt_tensor *t = F(sub, T(F(sub, T(gy), T(mean))),
                     T(F(mul, T(xhat), T(along))));
    return F(mul, T(t), T(rstd));
}

static rt_tensor *fused_layer(rt__rule_call *c, bool weight)
{
    rt_tensor *t = NULL;
    if (c->graph || c->status != RT_OK) {
        return NULL;
    }
    rt_status s = weight
        ? rt__fused_layer_weight(&t, G, ARG(0), ARG(2), RES(1), RES(2), c->err)
        : rt__fused_layer_norm(&t, G, ARG(0), ARG(2), RES(1), RES(2), c->err);
    return rt__formula_fused(c, s, t);
}

RULE(layer_norm, D | A(0) | A(2) | R(1) | R(2), 0,
     D | A(0) | A(2) | R(1) | R(2), D)
{
    rt_tensor *quick_x = WANTS(0) ? fused_layer(c, false) : NULL;
    rt_tensor *quick_w = WANTS(2) ? fused_layer(c, true) : NULL;
    int64_t dims[RT_MAX_DIMS];
    int n = c->a[1].count;
    rt_tensor *rstd = NULL, *xhat = NULL;
    for (int i = 0; i < n; i++) {
        dims[i] = i - n;
    }
    if ((WANTS(0) && !quick_x) || (WANTS(2) && !quick_w)) {
        xhat = normalised(c, ARG(0), dims, n, c->a[4].f, &rstd);
    }
    if (WANTS(0)) {
        rt_tensor *gy = ARG(2) && !quick_x ? F(mul, T(G), T(ARG(2))) : G;
        GIVE(0, quick_x ? quick_x
                        : norm_input(c, gy, xhat, rstd, dims, n));
    }
    if (WANTS(2)) {
        GIVE(2, quick_w ? quick_w : F(mul, T(G), T(xhat)));
    }
    if (WANTS(3)) {
        GIVE(3, G);
    }
}

/* t [C] as [1, C, 1, ...], to go with the input. */
static rt_tensor *per_channel(rt__rule_call *c, rt_tensor *t)
{
    int64_t shape[RT_MAX_DIMS];
    const rt__like *like = LIKE(0);
    for (int i = 0; i < like->ndim; i++) {
        shape[i] = i == 1 ? -1 : 1;
    }
    return F(reshape, T(t), L(shape, like->ndim));
}

static rt_tensor *channel_sum(rt__rule_call *c, rt_tensor *t,
                              const int64_t *dims, int n)
{
    return F(sum, T(t), L(dims, n));
}

/* All gradients of group_norm at once: false where that does not apply. */
static bool fused_group(rt__rule_call *c)
{
    rt_tensor *out[3] = {NULL, NULL, NULL};
    if (c->graph || c->status != RT_OK) {
        return false;
    }
    rt_tensor *w = WANTS(0) ? ARG(2) : NULL;
    rt_status s = rt__fused_group_norm(out, G, ARG(0), w, RES(1), RES(2),
                                       WANTS(0), c->err);
    bool done = s == RT_OK && out[1];
    for (int i = 0; i < 3; i++) {
        int to = i ? i + 1 : 0;
        rt_tensor *t = rt__formula_fused(c, s, out[i]);
        if (done && WANTS(to)) {
            GIVE(to, t);
        }
    }
    return done || s != RT_OK;
}

/* t, of the input's shape, as [N, groups, the rest]. */
static rt_tensor *grouped(rt__rule_call *c, rt_tensor *t)
{
    const rt__like *like = LIKE(0);
    int64_t shape[3] = {like->shape[0], c->a[1].i, like->shape[1] / c->a[1].i};
    for (int i = 2; i < like->ndim; i++) {
        shape[2] *= like->shape[i];
    }
    return F(reshape, T(t), L(shape, 3));
}

static rt_tensor *ungrouped(rt__rule_call *c, rt_tensor *t)
{
    return F(reshape, T(t), L(LIKE(0)->shape, LIKE(0)->ndim));
}

RULE(group_norm, D | A(0) | A(2) | R(1) | R(2), 0, D | A(0) | R(1) | R(2), D)
{
    int64_t last = 2, others[RT_MAX_DIMS];
    int n = 0;
    rt_tensor *rstd = NULL, *xhat = NULL;
    if ((WANTS(0) || WANTS(2)) && fused_group(c)) {
        return;
    }
    for (int i = 0; i < LIKE(0)->ndim; i++) {
        if (i != 1) {
            others[n++] = i;
        }
    }
    if (WANTS(0) || WANTS(2)) {
        xhat = normalised(c, grouped(c, ARG(0)), &last, 1, c->a[4].f, &rstd);
    }
    if (WANTS(0)) {
        rt_tensor *gy = ARG(2) ? F(mul, T(G), T(per_channel(c, ARG(2)))) : G;
        gy = norm_input(c, grouped(c, gy), xhat, rstd, &last, 1);
        GIVE(0, ungrouped(c, gy));
    }
    if (WANTS(2)) {
        rt_tensor *gx = F(mul, T(G), T(ungrouped(c, xhat)));
        GIVE(2, channel_sum(c, gx, others, n));
    }
    if (WANTS(3)) {
        GIVE(3, channel_sum(c, G, others, n));
    }
}

/* All gradients of batch_norm at once: false where that does not apply. */
static bool fused_batch(rt__rule_call *c)
{
    rt_tensor *out[3] = {NULL, NULL, NULL};
    if (c->graph || c->status != RT_OK) {
        return false;
    }
    rt_tensor *w = WANTS(0) ? ARG(3) : NULL;
    rt_status s = rt__fused_batch_norm(out, G, ARG(0), w, RES(1), RES(2),
                                       c->a[5].i != 0, WANTS(0), c->err);
    bool done = s == RT_OK && out[1];
    for (int i = 0; i < 3; i++) {
        int to = i ? i + 2 : 0;
        rt_tensor *t = rt__formula_fused(c, s, out[i]);
        if (done && WANTS(to)) {
            GIVE(to, t);
        }
    }
    return done || s != RT_OK;
}

RULE(batch_norm, D | A(0) | A(3) | R(1) | R(2), 0, 0,
     D | A(0) | R(1) | R(2), D)
{
    int64_t dims[RT_MAX_DIMS];
    int n = 0;
    rt_tensor *rstd = NULL, *xhat = NULL;
    bool training = c->a[5].i != 0;
    if ((WANTS(0) || WANTS(3)) && fused_batch(c)) {
        return;
    }
    for (int i = 0; i < LIKE(0)->ndim; i++) {
        if (i != 1) {
            dims[n++] = i;
        }
    }
    if ((WANTS(0) || WANTS(3)) && training) {
        xhat = normalised(c, ARG(0), dims, n, c->a[7].f, &rstd);
    } else if (WANTS(0) || WANTS(3)) {
        rt_tensor *mean = per_channel(c, RES(1));
        rstd = per_channel(c, RES(2));
        xhat = F(mul, T(F(sub, T(ARG(0)), T(mean))), T(rstd));
    }
    if (WANTS(0)) {
        rt_tensor *gy = ARG(3) ? F(mul, T(G), T(per_channel(c, ARG(3)))) : G;
        GIVE(0, training ? norm_input(c, gy, xhat, rstd, dims, n)
                         : F(mul, T(gy), T(rstd)));
    }
    if (WANTS(3)) {
        GIVE(3, channel_sum(c, F(mul, T(G), T(xhat)), dims, n));
    }
    if (WANTS(4)) {
        GIVE(4, channel_sum(c, G, dims, n));
    }
}

/* --- losses -------------------------------------------------------------------------------------- */

static bool is_mean(const rt_value *reduction)
{
    return reduction->s[0] == 'm';
}

/* Bools, which know no difference, as numbers. */
static rt_tensor *number(rt__rule_call *c, rt_tensor *t)
{
    return t && t->dtype == RT_BOOL ? F(to, T(t), RT_V_DTYPE(G->dtype)) : t;
}

RULE(mse_loss, D | A(0) | A(1), D | A(0) | A(1))
{
    rt_tensor *d = F(sub, T(number(c, ARG(0))), T(number(c, ARG(1))));
    double scale = is_mean(&c->a[2]) && d ? 2.0 / (double)d->numel : 2.0;
    rt_tensor *g = rt_dtype_size(G->dtype) < 4   /* few digits near 0: last */
        ? F(mul, T(G), T(F(mul, T(d), N(scale))))
        : F(mul, T(d), T(F(mul, T(G), N(scale))));
    if (WANTS(0)) {
        GIVE(0, g);
    }
    if (WANTS(1)) {
        GIVE(1, F(neg, T(g)));
    }
}

/* (x - target) / beta held to [-1, 1] */
static rt_tensor *smooth_slope(rt__rule_call *c, double beta)
{
    rt_tensor *t = NULL, *x = number(c, ARG(0)), *target = number(c, ARG(1));
    if (!c->graph && c->status == RT_OK) {
        rt_status s = rt__fused_elementwise(&t, RT_EW_smooth_slope, x, target,
                                            1 / beta, c->err);
        t = rt__formula_fused(c, s, t);
    }
    if (t || c->status != RT_OK) {
        return t;
    }
    t = F(mul, T(F(sub, T(x), T(target))), N(1 / beta));
    return F(clamp, T(t), N(-1.0), N(1.0));
}

RULE(smooth_l1_loss, D | A(0) | A(1), D | A(0) | A(1))
{
    rt_tensor *slope = smooth_slope(c, rt__smooth_beta(c->a[3].f));
    rt_tensor *by = G;
    if (is_mean(&c->a[2]) && slope) {
        by = F(mul, T(G), N(1.0 / (double)slope->numel));
    }
    rt_tensor *g = F(mul, T(slope), T(by));
    if (WANTS(0)) {
        GIVE(0, g);
    }
    if (WANTS(1)) {
        GIVE(1, F(neg, T(g)));
    }
}

/* The class dimension of logits: 1, or 0 of a vector. */
static int class_dim(const rt__like *like)
{
    return like->ndim > 1;
}

/* A [C] vector in the shape [1, C, 1, ...] of the logits. */
static rt_tensor *per_class(rt__rule_call *c, rt_tensor *t)
{
    return t && LIKE(0)->ndim > 1 ? per_channel(c, t) : t;
}

/* Which rows count, and what reduction='mean' divides by. */
typedef struct rows_of_loss {
    rt_tensor *real, *norm;       /* real as the logits, 1 along classes */
} rows_of_loss;

/* A gradient of the logits: 0 in rows that are ignored, whatever stands there
 * and also where 'mean' divides by 0. */
static rt_tensor *of_real_rows(rt__rule_call *c, const rows_of_loss *rows,
                               rt_tensor *t)
{
    return rows->real ? F(where, T(rows->real), T(t), N(0)) : t;
}

/* Coefficients M of a loss -sum(M * logp) for class indices: `hit` of a row's
 * weight at its class, `rest` spread over all classes. What a weight of a class
 * that no row has may be, infinite too, tells only in `rest`. */
static rt_tensor *index_coefficients(rt__rule_call *c, int64_t ignore,
                                     double smoothing, rows_of_loss *rows)
{
    const rt__like *like = LIKE(0);
    int dim = class_dim(like);
    rt_tensor *target = ARG(1), *weight = ARG(2);
    int64_t first = -1;
    rt_tensor *real = F(ne, T(target), I(ignore));
    rt_tensor *safe = F(where, T(real), T(target), I(0));
    rt_tensor *own = F(to, T(real), RT_V_DTYPE(like->dtype));
    if (weight) {
        rt_tensor *flat = F(reshape, T(safe), L(&first, 1));
        flat = F(index_select, T(weight), I(0), T(flat));
        flat = F(reshape, T(flat), L(target->shape, target->ndim));
        own = F(where, T(real), T(flat), N(0));
    }
    rows->norm = F(sum, T(own));
    rows->real = F(unsqueeze, T(real), I(dim));
    rt_tensor *at = F(unsqueeze, T(safe), I(dim));
    rt_tensor *hit = F(mul, T(F(unsqueeze, T(own), I(dim))), N(1.0 - smoothing));
    rt_tensor *m = F(new_zeros, T(G), L(like->shape, like->ndim));
    m = F(scatter_add, T(m), I(dim), T(at), T(hit));
    if (smoothing > 0.0) {
        double rest = smoothing / (double)like->shape[dim];
        m = weight ? F(add, T(m), T(F(mul, T(per_class(c, weight)), N(rest))))
                   : F(add, T(m), N(rest));
    }
    return m;
}

/* G, divided for 'mean', ready to multiply logits' shape. */
static rt_tensor *loss_scale(rt__rule_call *c, const rt_value *reduction,
                             rt_tensor *norm)
{
    if (reduction->s[0] == 'n') {
        return F(unsqueeze, T(G), I(class_dim(LIKE(0))));
    }
    return is_mean(reduction) && norm ? F(div, T(G), T(norm)) : G;
}

RULE(nll_loss, D | A(1) | A(2))
{
    rows_of_loss rows = {NULL, NULL};
    rt_tensor *m = index_coefficients(c, c->a[4].i, 0.0, &rows);
    rt_tensor *scale = loss_scale(c, &c->a[3], rows.norm);
    GIVE(0, of_real_rows(c, &rows, F(neg, T(F(mul, T(m), T(scale))))));
}

/* For targets that are probabilities: M = weight ((1 - s) target + s / C). */
static rt_tensor *soft_coefficients(rt__rule_call *c, double smoothing)
{
    const rt__like *like = LIKE(0);
    rt_tensor *m = ARG(1);
    if (smoothing > 0.0) {
        double rest = smoothing / (double)like->shape[class_dim(like)];
        m = F(add, T(F(mul, T(m), N(1.0 - smoothing))), N(rest));
    }
    return ARG(2) ? F(mul, T(m), T(per_class(c, ARG(2)))) : m;
}

static void soft_target(rt__rule_call *c, rt_tensor *scale, double smoothing)
{
    rt_tensor *t = F(log_softmax, T(ARG(0)), I(class_dim(LIKE(0))));
    t = F(mul, T(t), N(smoothing - 1.0));
    if (ARG(2)) {
        t = F(mul, T(t), T(per_class(c, ARG(2))));
    }
    GIVE(1, F(mul, T(t), T(scale)));
}

static rt_tensor *fused_cross_entropy(rt__rule_call *c)
{
    rt_tensor *t = NULL;
    if (c->graph || ARG(2) || c->a[5].f > 0.0) {
        return NULL;
    }
    rt_status s = rt__fused_cross_entropy(&t, G, ARG(0), ARG(1),
                                          is_mean(&c->a[3]), c->a[4].i, c->err);
    return rt__formula_fused(c, s, t);
}

/* With loss = -sum(M logp), d loss / d logits = softmax * sum(M) - M. */
RULE(cross_entropy, D | A(0) | A(1) | A(2), D | A(0) | A(1) | A(2))
{
    const rt__like *like = LIKE(0);
    int64_t dim = class_dim(like);
    double smoothing = c->a[5].f;
    bool soft = rt_dtype_is_floating(rt_tensor_dtype(ARG(1)));
    rows_of_loss rows = {NULL, NULL};
    rt_tensor *m, *quick = soft ? NULL : fused_cross_entropy(c);
    if (quick || c->status != RT_OK) {
        GIVE(0, quick);
        return;
    }
    if (soft) {
        int64_t classes = like->shape[dim], numel = ARG(1)->numel;
        m = soft_coefficients(c, smoothing);
        double all = (double)(classes ? numel / classes : 0);
        rows.norm = F(full_like, T(G), N(all));
    } else {
        m = index_coefficients(c, c->a[4].i, smoothing, &rows);
    }
    rt_tensor *scale = loss_scale(c, &c->a[3], rows.norm);
    if (WANTS(0)) {
        rt_tensor *p = F(softmax, T(ARG(0)), I(dim));
        rt_tensor *total = F(sum, T(m), L(&dim, 1), B(true));
        rt_tensor *t = F(sub, T(F(mul, T(p), T(total))), T(m));
        GIVE(0, of_real_rows(c, &rows, F(mul, T(t), T(scale))));
    }
    if (WANTS(1)) {
        soft_target(c, scale, smoothing);
    }
}

/* --- convolution, pooling ------------------------------------------------------------------- */

#define SHAPE(i) L(LIKE(i)->shape, LIKE(i)->ndim)

RULE(conv2d, D | A(1), D | A(0), D)
{
    static const int64_t batched[3] = {0, 2, 3}, one[2] = {1, 2};
    bool many = LIKE(0)->ndim == 4;
    if (WANTS(0)) {
        GIVE(0, F(conv2d_input, T(G), T(ARG(1)), SHAPE(0), c->a[3], c->a[4],
                  c->a[5], c->a[6]));
    }
    if (WANTS(1)) {
        GIVE(1, F(conv2d_weight, T(G), T(ARG(0)), SHAPE(1), c->a[3], c->a[4],
                  c->a[5], c->a[6]));
    }
    if (WANTS(2)) {
        GIVE(2, F(sum, T(G), L(many ? batched : one, many ? 3 : 2)));
    }
}

/* conv2d_input(grad, weight): the same bilinear form, read another way. */
RULE(conv2d_input, D | A(1), D | A(0))
{
    if (WANTS(0)) {
        GIVE(0, F(conv2d, T(G), T(ARG(1)), NONE, c->a[3], c->a[4], c->a[5],
                  c->a[6]));
    }
    if (WANTS(1)) {
        GIVE(1, F(conv2d_weight, T(ARG(0)), T(G), SHAPE(1), c->a[3], c->a[4],
                  c->a[5], c->a[6]));
    }
}

RULE(conv2d_weight, D | A(1), D | A(0))
{
    if (WANTS(0)) {
        GIVE(0, F(conv2d, T(ARG(1)), T(G), NONE, c->a[3], c->a[4], c->a[5],
                  c->a[6]));
    }
    if (WANTS(1)) {
        GIVE(1, F(conv2d_input, T(ARG(0)), T(G), SHAPE(1), c->a[3], c->a[4],
                  c->a[5], c->a[6]));
    }
}

/* Straight into the planes; NULL where the composition must do it. */
static rt_tensor *fused_max_pool(rt__rule_call *c)
{
    const rt__like *like = LIKE(0);
    rt_tensor *t = NULL;
    if (c->graph || c->status != RT_OK) {
        return NULL;
    }
    rt_status s = rt__fused_max_pool(&t, G, RES(1), like->ndim, like->shape,
                                     c->err);
    return rt__formula_fused(c, s, t);
}

RULE(max_pool2d, D | R(1))
{
    const rt__like *like = LIKE(0);
    rt_tensor *quick = fused_max_pool(c);
    if (quick || c->status != RT_OK) {
        GIVE(0, quick);
        return;
    }
    int64_t flat[RT_MAX_DIMS], out[RT_MAX_DIMS];
    int lead = like->ndim - 2;
    for (int i = 0; i < lead; i++) {
        flat[i] = out[i] = like->shape[i];
    }
    flat[lead] = like->shape[lead] * like->shape[lead + 1];
    out[lead] = RES(1)->shape[lead] * RES(1)->shape[lead + 1];
    rt_tensor *zeros = F(new_zeros, T(G), L(flat, lead + 1));
    rt_tensor *at = F(reshape, T(RES(1)), L(out, lead + 1));
    rt_tensor *g = F(reshape, T(G), L(out, lead + 1));
    rt_tensor *t = F(scatter_add_, T(zeros), I(lead), T(at), T(g));
    GIVE(0, F(reshape, T(t), SHAPE(0)));
}

static rt_value pool_stride(const rt_value *stride, const rt_value *kernel)
{
    return stride->kind == RT_K_INTS && stride->count ? *stride : *kernel;
}

RULE(avg_pool2d, D)
{
    GIVE(0, F(avg_pool2d_backward, T(G), SHAPE(0), c->a[1],
              pool_stride(&c->a[2], &c->a[1]), c->a[3], c->a[5]));
}

/* Whether pooling rounded its output size up: seen from the shapes. */
static bool pooled_up(const rt__like *grad, const rt_value *input,
                      const rt_value *kernel, const rt_value *stride,
                      const rt_value *padding)
{
    for (int i = 0; i < 2; i++) {
        int64_t size = input->ints[input->count - 2 + i];
        int64_t k = kernel->ints[kernel->count > 1 ? i : 0];
        int64_t s = stride->ints[stride->count > 1 ? i : 0];
        int64_t p = padding->ints[padding->count > 1 ? i : 0];
        /* The op has checked them all. */
        if (grad->shape[grad->ndim - 2 + i] > (size + 2 * p - k) / s + 1) {
            return true;
        }
    }
    return false;
}

RULE(avg_pool2d_backward, D)
{
    rt_value stride = pool_stride(&c->a[3], &c->a[2]);
    bool up = pooled_up(LIKE(0), &c->a[1], &c->a[2], &stride, &c->a[4]);
    GIVE(0, F(avg_pool2d, T(G), c->a[2], stride, c->a[4], B(up), c->a[5]));
}

/* SPDX-License-Identifier: MIT
 *
 * Gradients of views, joining, indexing and sorting. A view that picks elements
 * (select, slice, diagonal, ...) is a geometry over its argument; its gradient
 * puts the elements back there (as_strided_backward), zeros elsewhere.
 */
#define RT_FORMULA_NAMES
#include "runtime/autograd/formula.h"
#include "runtime/ops/cpu/gather.h"
#include "runtime/ops/cpu/move.h"

#include <string.h>

typedef struct geometry {
    int ndim;
    int64_t shape[RT_MAX_DIMS], strides[RT_MAX_DIMS], offset;
} geometry;

static int wrap(int64_t dim, int ndim)
{
    return (int)(dim < 0 ? dim + (ndim ? ndim : 1) : dim);
}

static rt_tensor *zeros(rt__rule_call *c, const rt__like *like)
{
    return F(new_zeros, T(G), L(like->shape, like->ndim));
}

/* --- views ----------------------------------------------------------------------- */

static void start(geometry *g, const rt__like *like)
{
    g->ndim = like->ndim;
    g->offset = 0;
    memcpy(g->shape, like->shape, sizeof(int64_t) * like->ndim);
    rt__shape_strides(like->ndim, like->shape, g->strides);
}

static void drop_dim(geometry *g, int dim)
{
    for (int i = dim; i + 1 < g->ndim; i++) {
        g->shape[i] = g->shape[i + 1];
        g->strides[i] = g->strides[i + 1];
    }
    g->ndim--;
}

static rt_tensor *put_back(rt__rule_call *c, const geometry *g)
{
    int64_t strides[RT_MAX_DIMS];
    const rt__like *like = LIKE(0);
    rt__shape_strides(like->ndim, like->shape, strides);
    return F(as_strided_backward, T(G), L(like->shape, like->ndim),
             L(strides, like->ndim), I(0), L(g->shape, g->ndim),
             L(g->strides, g->ndim), I(g->offset));
}

RULE(reshape, D)
{
    GIVE(0, F(reshape, T(G), L(LIKE(0)->shape, LIKE(0)->ndim)));
}

RULE(transpose, D)
{
    GIVE(0, F(transpose, T(G), c->a[1], c->a[2]));
}

RULE(permute, D)
{
    int64_t back[RT_MAX_DIMS];
    int n = c->a[1].count;
    for (int i = 0; i < n; i++) {
        back[wrap(c->a[1].ints[i], n)] = i;
    }
    GIVE(0, F(permute, T(G), L(back, n)));
}

RULE(expand, D)
{
    GIVE(0, G);                 /* the engine sums it */
}

RULE(select, D)
{
    geometry g;
    start(&g, LIKE(0));
    int dim = wrap(c->a[1].i, g.ndim);
    int64_t index = c->a[2].i;
    g.offset = (index < 0 ? index + g.shape[dim] : index) * g.strides[dim];
    drop_dim(&g, dim);
    GIVE(0, put_back(c, &g));
}

RULE(slice, D)
{
    geometry g;
    start(&g, LIKE(0));
    int dim = wrap(c->a[1].i, g.ndim);
    int64_t from = c->a[2].kind == RT_K_INT ? c->a[2].i : 0, step = c->a[4].i;
    from = from < 0 ? from + g.shape[dim] : from;
    from = from < 0 ? 0 : from > g.shape[dim] ? g.shape[dim] : from;
    g.offset = from * g.strides[dim];
    g.shape[dim] = G->shape[dim];
    /* A step past the end may be any number. */
    g.strides[dim] *= g.shape[dim] > 1 ? step : 1;
    GIVE(0, put_back(c, &g));
}

RULE(diagonal, D)
{
    geometry g;
    start(&g, LIKE(0));
    int64_t offset = G->numel ? c->a[1].i : 0;     /* else any number */
    int dim1 = wrap(c->a[2].i, g.ndim), dim2 = wrap(c->a[3].i, g.ndim);
    int64_t step = g.strides[dim1] + g.strides[dim2];
    g.offset = offset < 0 ? -offset * g.strides[dim1]
                          : offset * g.strides[dim2];
    drop_dim(&g, dim1 > dim2 ? dim1 : dim2);
    drop_dim(&g, dim1 > dim2 ? dim2 : dim1);
    g.shape[g.ndim] = G->shape[g.ndim];
    g.strides[g.ndim++] = step;
    GIVE(0, put_back(c, &g));
}

RULE(unfold, D)
{
    geometry g;
    start(&g, LIKE(0));
    if (g.ndim == 0) {
        GIVE(0, F(reshape, T(G), L(g.shape, 0)));
        return;
    }
    int dim = wrap(c->a[1].i, g.ndim);
    g.shape[g.ndim] = c->a[2].i;
    g.strides[g.ndim++] = g.strides[dim];
    g.shape[dim] = G->shape[dim];
    g.strides[dim] *= c->a[3].i;
    GIVE(0, put_back(c, &g));
}

RULE(as_strided, D | RT_SAVE_STRIDES)
{
    const rt__like *like = LIKE(0);
    int64_t offset = c->a[3].kind == RT_K_INT ? c->a[3].i : like->offset;
    int64_t low = offset < like->offset ? offset : like->offset;
    GIVE(0, F(as_strided_backward, T(G), L(like->shape, like->ndim),
              L(like->strides, like->ndim), I(like->offset - low), c->a[1],
              c->a[2], I(offset - low)));
}

/* The same op with the two geometries exchanged. */
RULE(as_strided_backward, D)
{
    GIVE(0, F(as_strided_backward, T(G), c->a[4], c->a[5], c->a[6], c->a[1],
              c->a[2], c->a[3]));
}

/* --- joining, reordering ------------------------------------------------------------ */

static void cat_piece(rt__rule_call *c, int k, int dim, int64_t from)
{
    const rt__like *like = &c->like[k];
    rt_tensor *t;
    if (like->ndim != G->ndim) {            /* an empty vector joins anything */
        t = zeros(c, like);
    } else {
        t = F(slice, T(G), I(dim), I(from), I(from + like->shape[dim]));
    }
    c->out[k] = rt_retain(t);
    rt__formula_release(c);
}

RULE(cat, D)
{
    int dim = wrap(c->a[1].i, G->ndim);
    int64_t from = 0;
    for (int k = 0; k < c->nslots; k++) {
        if (c->needs[k]) {
            cat_piece(c, k, dim, from);
        }
        from += c->like[k].ndim == G->ndim ? c->like[k].shape[dim] : 0;
    }
}

RULE(flip, D)
{
    GIVE(0, F(flip, T(G), c->a[1]));
}

RULE(tril, D)
{
    GIVE(0, F(tril, T(G), c->a[1]));
}

RULE(triu, D)
{
    GIVE(0, F(triu, T(G), c->a[1]));
}

/* Margins are cut off; where the padding was negative, zeros come back. */
static rt_tensor *unpad(rt__rule_call *c)
{
    int64_t back[2 * RT_MAX_DIMS];
    const rt_value *pad = &c->a[1];
    rt_tensor *t = G;
    bool grows = false;
    for (int i = 0; i < pad->count / 2; i++) {
        int64_t left = pad->ints[2 * i], right = pad->ints[2 * i + 1];
        int dim = G->ndim - 1 - i;
        int64_t from = left > 0 ? left : 0;
        int64_t to = G->shape[dim] - (right > 0 ? right : 0);
        if (left > 0 || right > 0) {
            t = F(slice, T(t), I(dim), I(from), I(to));
        }
        back[2 * i] = left < 0 ? -left : 0;
        back[2 * i + 1] = right < 0 ? -right : 0;
        grows |= left < 0 || right < 0;
    }
    return grows ? F(pad, T(t), L(back, pad->count)) : t;
}

/* Which element each position of a padded dimension repeats, as a tensor. */
static rt_tensor *pad_index(rt__rule_call *c, int64_t left, int64_t size,
                            int64_t padded)
{
    rt_tensor *t = NULL;
    if (c->status == RT_OK) {
        c->status = rt_tensor_new(&t, RT_INT64, 1, &padded, c->err);
    }
    for (int64_t i = 0; t && i < padded; i++) {
        ((int64_t *)t->data)[i] = rt__pad_source(c->a[2].s, i - left, size);
    }
    return rt__formula_hold(c, t);
}

/* Modes that repeat elements: the margins are added to what they repeat. */
static rt_tensor *fold_margins(rt__rule_call *c)
{
    const rt_value *pad = &c->a[1];
    rt_tensor *t = G;
    for (int i = 0; t && i < pad->count / 2; i++) {
        int64_t left = pad->ints[2 * i], right = pad->ints[2 * i + 1];
        int dim = t->ndim - 1 - i;
        int64_t shape[RT_MAX_DIMS];
        if (left == 0 && right == 0) {
            continue;
        }
        memcpy(shape, t->shape, (size_t)t->ndim * sizeof *shape);
        shape[dim] -= left + right;
        rt_tensor *index = pad_index(c, left, shape[dim], t->shape[dim]);
        rt_tensor *sum = F(new_zeros, T(t), L(shape, t->ndim));
        t = F(index_add_, T(sum), I(dim), T(index), T(t));
    }
    return t;
}

RULE(pad, D)
{
    bool constant = strcmp(c->a[2].s, "constant") == 0;
    GIVE(0, constant ? unpad(c) : fold_margins(c));
}

/* --- indexing -------------------------------------------------------------------------- */

RULE(index, D | A(1))
{
    GIVE(0, F(index_put_, T(zeros(c, LIKE(0))), c->a[1], T(G), B(true)));
}

RULE(index_put, D | A(1), 0, D | A(1))
{
    if (WANTS(0)) {
        GIVE(0, c->a[3].i ? G : F(index_put, T(G), c->a[1], N(0.0)));
    }
    if (WANTS(2)) {
        GIVE(2, F(index, T(G), c->a[1]));
    }
}

RULE(index_select, D | A(2))
{
    GIVE(0, F(index_add_, T(zeros(c, LIKE(0))), c->a[1], T(ARG(2)), T(G)));
}

RULE(index_add, D, 0, 0, D | A(2))
{
    if (WANTS(0)) {
        GIVE(0, G);
    }
    if (WANTS(3)) {
        GIVE(3, F(index_select, T(G), c->a[1], T(ARG(2))));
    }
}

RULE(gather, D | A(2))
{
    GIVE(0, F(scatter_add_, T(zeros(c, LIKE(0))), c->a[1], T(ARG(2)), T(G)));
}

/* What of src the index reached: src may be larger than index. */
static rt_tensor *from_src(rt__rule_call *c)
{
    const rt__like *like = LIKE(3);
    rt_tensor *t = F(gather, T(G), c->a[1], T(ARG(2)));
    int64_t strides[RT_MAX_DIMS];
    if (!t || like->ndim != t->ndim
        || !memcmp(like->shape, t->shape, sizeof(int64_t) * t->ndim)) {
        return t;
    }
    rt__shape_strides(like->ndim, like->shape, strides);
    return F(as_strided_backward, T(t), L(like->shape, like->ndim),
             L(strides, like->ndim), I(0), L(t->shape, t->ndim),
             L(strides, t->ndim), I(0));
}

RULE(scatter, D | A(2), 0, 0, D | A(2))
{
    if (WANTS(0)) {
        rt_tensor *nothing = F(new_zeros, T(G), L(ARG(2)->shape, ARG(2)->ndim));
        GIVE(0, F(scatter, T(G), c->a[1], T(ARG(2)), T(nothing)));
    }
    if (WANTS(3)) {
        GIVE(3, from_src(c));
    }
}

RULE(scatter_add, D, 0, 0, D | A(2))
{
    if (WANTS(0)) {
        GIVE(0, G);
    }
    if (WANTS(3)) {
        GIVE(3, from_src(c));
    }
}

/* sort and topk: each value goes back to where it stood. */
RULE(sort, D | R(1))
{
    rt_value dim = c->a[c->op->id == RT_OP_topk ? 2 : 1];
    GIVE(0, F(scatter_add_, T(zeros(c, LIKE(0))), dim, T(RES(1)), T(G)));
}

/* In one pass; NULL where that does not apply. */
static rt_tensor *fused_embedding(rt__rule_call *c, rt_tensor *g,
                                  rt_tensor *index, int64_t pad)
{
    rt_tensor *t = NULL;
    if (c->graph || c->status != RT_OK) {
        return NULL;
    }
    rt_status s = rt__fused_embedding(&t, g, index, LIKE(0)->shape[0], pad,
                                      c->err);
    return rt__formula_fused(c, s, t);
}

RULE(embedding, D | A(1))
{
    const rt__like *like = LIKE(0);
    int64_t one = -1, pad = -1;
    int64_t rows[2] = {ARG(1)->numel, like->shape[1]};
    rt_tensor *index = F(reshape, T(ARG(1)), L(&one, 1));
    rt_tensor *g = F(reshape, T(G), L(rows, 2));
    if (c->a[2].kind == RT_K_INT) {
        pad = c->a[2].i < 0 ? c->a[2].i + like->shape[0] : c->a[2].i;
    }
    rt_tensor *quick = fused_embedding(c, g, index, pad);
    if (quick || c->status != RT_OK) {
        GIVE(0, quick);
        return;
    }
    if (c->a[2].kind == RT_K_INT) {
        rt_tensor *real = F(ne, T(index), I(pad));
        g = F(where, T(F(unsqueeze, T(real), I(1))), T(g), N(0.0));
    }
    GIVE(0, F(index_add_, T(zeros(c, like)), I(0), T(index), T(g)));
}

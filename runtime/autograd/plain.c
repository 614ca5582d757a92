/* SPDX-License-Identifier: MIT
 *
 * Plain nodes: recording them in few steps and little memory, and the gradients
 * of the commonest ones without calling ops. Chains of thousands of operations
 * on a few elements each are made of these. What a node keeps of a tensor is
 * its storage and version; a rule that has to see tensors gets them made anew.
 */
#include "runtime/autograd/engine.h"

#include "runtime/ops/plain.h"

#include <string.h>

/* --- recording --------------------------------------------------------------- */

static inline void keep(rt__kept *k, const rt_tensor *t, bool counted)
{
    if (counted) {
        atomic_fetch_add_explicit(&t->storage->refs, 1, memory_order_relaxed);
    }
    k->storage = t->storage;
    k->data = t->data;
    k->version = atomic_load_explicit(&t->storage->version,
                                      memory_order_relaxed);
    k->counted = counted;
}

/* Where t's gradient goes; a view may have to be renewed first. */
static inline rt_status plain_edge(rt__edge *out, rt_tensor *t, rt_error *err)
{
    rt__meta *m = t->meta;
    out->node = NULL;
    out->output = 0;
    if (!m || m->base) {
        return m ? rt__edge_of(out, t, err) : RT_OK;
    }
    if (!(t->flags & RT_F_REQUIRES_GRAD)) {
        return RT_OK;
    }
    if (m->grad_fn) {
        atomic_fetch_add_explicit(&m->grad_fn->refs, 1, memory_order_relaxed);
        out->node = m->grad_fn;
        out->output = m->output;
    } else {
        atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
        out->node = m->leaf;
    }
    return RT_OK;
}

static inline int count_of(unsigned keeps)
{
    return (int)((keeps & 1) + (keeps >> 1 & 1) + (keeps >> RT_KEEPS_RESULT));
}

static rt_node *plain_node(const rt_op *op, int n, unsigned keeps, int ndim)
{
    rt_node *node = rt_alloc(RT_PLAIN_NODE + sizeof(rt__edge) * (size_t)n +
                             sizeof(rt__kept) * (size_t)count_of(keeps) +
                             sizeof(int64_t) * (size_t)ndim);
    if (!node) {
        return NULL;
    }
    atomic_init(&node->refs, 1);
    atomic_init(&node->lodgers, 1);
    node->kind = RT_NODE_OP;
    node->freed = false;
    node->own_used = true;
    node->plain = true;
    node->ndim = (uint8_t)ndim;
    node->keeps = (uint8_t)keeps;
    node->nargs = node->nsaved = 0;
    node->nslots = (uint16_t)n;
    node->noutputs = 1;
    node->task = NULL;
    node->op = op;
    node->hooks = NULL;
    node->edges = (rt__edge *)((char *)node + RT_PLAIN_NODE);
    node->kept = (rt__kept *)(node->edges + n);
    return node;
}

static inline rt_status fill_edges(rt_node *node, rt_tensor *const *in, int n,
                                   rt_error *err)
{
    rt_status s = plain_edge(&node->edges[0], in[0], err), other = RT_OK;
    if (n == 2) {
        other = plain_edge(&node->edges[1], in[1], err);
    }
    return s == RT_OK ? other : s;
}

/* A leaf that records is held by the edge to it. */
static inline bool held_by_edge(const rt__edge *edge)
{
    return edge->node && edge->node->kind == RT_NODE_LEAF;
}

static inline void fill_kept(rt_node *node, unsigned keeps,
                             rt_tensor *const *in, const rt_tensor *out)
{
    rt__kept *k = node->kept;
    if (keeps & 1) {
        keep(k++, in[0], !held_by_edge(&node->edges[0]));
    }
    if (keeps & 2) {
        keep(k++, in[1], !held_by_edge(&node->edges[1]));
    }
    if (keeps & (1u << RT_KEEPS_RESULT)) {
        keep(k++, out, true);
    }
    int64_t *shape = (int64_t *)k;   /* as rt__plain_shape finds it */
    for (int i = 0; i < out->ndim; i++) {
        shape[i] = out->shape[i];
    }
}

/* out is new: its meta lies in the node, whose first reference it takes. */
static void attach(rt_tensor *out, rt_node *node)
{
    node->dtype = out->dtype;
    node->seq = rt__next_sequence();   /* after views that had to be renewed */
    node->own = (rt__meta){.grad_fn = node};
    out->meta = &node->own;
    out->flags |= RT_F_REQUIRES_GRAD;
}

rt_status rt__record_plain(const rt_op *op, rt_tensor *const *in, int n,
                           rt_tensor *out, rt_error *err)
{
    const rt__rule *rule = rt__rule_of(op);
    uint32_t saves = rt__needs_grad(in[0]) ? rule->saves[0] : 0;
    if (n == 2 && rt__needs_grad(in[1])) {
        saves |= rule->saves[1];
    }
    if (!saves) {
        return RT_OK;
    }
    unsigned keeps = saves & (RT_SAVE_ARG(0) | RT_SAVE_ARG(1));
    keeps |= saves & RT_SAVE_RESULT(0) ? 1u << RT_KEEPS_RESULT : 0;
    rt_node *node = plain_node(op, n, keeps, out->ndim);
    if (!node) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory to record it",
                       rt_op_name(op));
    }
    rt_status s = fill_edges(node, in, n, err);
    if (s != RT_OK) {
        node->keeps = 0;
        rt_node_release(node);
        return s;
    }
    fill_kept(node, keeps, in, out);
    attach(out, node);
    return RT_OK;
}

/* --- life --------------------------------------------------------------------- */

void rt__plain_let_go(rt_node *n)
{
    if (n->freed || !n->keeps) {
        return;
    }
    n->freed = true;
    const rt__kept *k = n->kept;
    for (unsigned left = n->keeps; left; left &= left - 1, k++) {
        if (k->counted) {
            rt__storage_release(k->storage);
        }
    }
}

/* --- a rule that sees tensors ---------------------------------------------------- */

/* What keeps something else than it had. */
static __attribute__((noinline, cold)) rt_status
changed(const rt_node *n, int bit, const rt__kept *k, rt_error *err)
{
    if (!k->counted && n->edges[bit].node->leaf->storage != k->storage) {
        return rt__replaced(n, err);
    }
    rt__overwritten_as what = {k->storage, k->version, n->ndim,
                               rt__plain_shape(n), bit == RT_KEEPS_RESULT};
    return rt__overwritten(n, &what, err);
}

static inline rt_status check_kept(const rt_node *n, rt_error *err)
{
    const rt__kept *k = n->kept;
    if (n->freed) {
        return rt__used_up(n, err);
    }
    for (unsigned left = n->keeps; left; left &= left - 1, k++) {
        int bit = __builtin_ctz(left);
        if ((!k->counted &&
             n->edges[bit].node->leaf->storage != k->storage) ||
            k->version != atomic_load_explicit(&k->storage->version,
                                               memory_order_relaxed)) {
            return changed(n, bit, k, err);
        }
    }
    return RT_OK;
}

/* The tensor that was kept: the leaf, or a twin that c holds. */
static rt_tensor *unpack(rt__rule_call *c, const rt_node *n, int bit)
{
    const rt__kept *k = rt__kept_at(n, bit);
    int64_t strides[RT_MAX_DIMS], *shape = rt__plain_shape(n);
    rt_tensor *t = NULL;
    if (!(n->keeps & (1u << bit)) || c->status != RT_OK) {
        return NULL;
    }
    if (!k->counted) {
        return n->edges[bit].node->leaf;
    }
    rt__shape_strides(n->ndim, shape, strides);
    c->status = rt__tensor_over(
        &t, k->storage, (rt_dtype)n->dtype, n->ndim, shape, strides,
        (k->data - (const char *)k->storage->data) /
            (int64_t)rt_dtype_size((rt_dtype)n->dtype), c->err);
    return c->status == RT_OK ? rt__formula_hold(c, t) : NULL;
}

void rt__plain_unpack(rt__rule_call *c, const rt_node *n, rt__unpacked *out)
{
    const rt_signature *sig = rt__op_signature(n->op);
    c->status = check_kept(n, c->err);
    for (int i = 0; i < sig->nparams && c->status == RT_OK; i++) {
        rt_tensor *t = i < n->nslots ? unpack(c, n, i) : NULL;
        out->args[i] = t ? RT_V_TENSOR(t) : i < n->nslots
                         ? RT_NONE : sig->params[i].value;
    }
    memset(out->results, 0, sizeof out->results);
    if (c->status == RT_OK) {
        out->results[0] = unpack(c, n, RT_KEEPS_RESULT);
    }
    for (int i = 0; i < n->nslots; i++) {
        out->likes[i] = (rt__like){n->dtype, n->ndim, 0, rt__plain_shape(n),
                                   NULL};
    }
    c->a = out->args;
    c->r = out->results;
    c->like = out->likes;
    out->nargs = sig->nparams;
}

/* --- gradients without ops ---------------------------------------------------------- */

/* A loop on the elements of a node's tensors. */
static inline void loop(rt__ew ew, const rt_tensor *g, void *out,
                        const void *a, const void *b)
{
    static const rt__params none;
    void *d[] = {out, (void *)a, (void *)b};
    RT_ISA_TABLE(elementwise)->fn[ew][g->dtype](d, g->numel, &none);
}

/* *out = ew(*g, data); in g's own memory when this is the last use of it: then
 * *g is NULL. */
static rt_status into_slot(rt_tensor **out, rt__ew ew, rt_tensor **g,
                           const void *data, bool last, rt_error *err)
{
    rt_tensor *from = *g;
    rt_status s = RT_OK;
    if (last && rt__sole_owner(from)) {
        *out = from;
        *g = NULL;
    } else {
        s = rt__tensor_beside(out, from, err);
    }
    if (s == RT_OK) {
        loop(ew, from, (*out)->data, from->data, data);
    }
    return s;
}

/* The sum that waits where slot i's gradient goes, if that can be added to it
 * in its memory. */
static rt_tensor *waiting_sum(const rt__run *run, const rt_node *n, int i,
                              const rt_tensor *g)
{
    const rt__edge *edge = &n->edges[i];
    const rt__task *t = edge->node->task;
    rt_tensor *sum = t && t->run == run ? t->grads[edge->output] : NULL;
    return sum && rt__sole_owner(sum) && rt__is_pair(sum, g) ? sum : NULL;
}

/* Slot i's gradient *g * data: added at once to what came for it before, so that
 * a parameter used many times costs no tensor each time. */
static rt_status product_into(const rt__run *run, rt_node *n, int i,
                              rt_tensor **g, const void *data, bool last,
                              rt_tensor **out, rt_error *err)
{
    static const rt__params none;
    rt_tensor *sum = waiting_sum(run, n, i, *g);
    if (!sum) {
        return into_slot(&out[i], RT_EW_mul, g, data, last, err);
    }
    void *d[] = {sum->data, sum->data, (*g)->data, (void *)data};
    RT_ISA_TABLE(elementwise)->fn[RT_EW_add_product][sum->dtype](d, sum->numel,
                                                                &none);
    return RT_OK;
}

static rt_status plain_mul(rt__run *run, rt_node *n, rt_tensor **g,
                           const bool *needs, rt_tensor **out)
{
    rt_status s = RT_OK;
    if (needs[1]) {
        s = product_into(run, n, 1, g, n->kept->data, !needs[0], out, run->err);
    }
    if (needs[0] && s == RT_OK) {
        s = product_into(run, n, 0, g, rt__kept_at(n, 1)->data, true, out,
                         run->err);
    }
    return s;
}

static rt_status plain_sub(rt_tensor **g, const bool *needs, rt_tensor **out,
                           rt_error *err)
{
    if (needs[0]) {
        out[0] = rt_retain(*g);
    }
    return needs[1] ? into_slot(&out[1], RT_EW_neg, g, (*g)->data, !needs[0],
                                err)
                    : RT_OK;
}

/* g is what the node's tensors are: hooks may give anything. */
static inline bool alike(const rt_node *n, const rt_tensor *g)
{
    if (!rt__is_plain(g) || g->dtype != n->dtype || g->ndim != n->ndim) {
        return false;
    }
    const int64_t *shape = rt__plain_shape(n);
    for (int i = 0; i < g->ndim; i++) {
        if (g->shape[i] != shape[i]) {
            return false;
        }
    }
    return true;
}

bool rt__plain_apply(rt__run *run, rt_node *n, rt_tensor **g,
                     const bool *needs, rt_tensor **out, rt_status *s)
{
    rt_op_id id = n->op->id;
    if ((id != RT_OP_mul && id != RT_OP_add && id != RT_OP_sub) ||
        run->create_graph || !alike(n, *g)) {
        return false;
    }
    *s = n->keeps ? check_kept(n, run->err) : RT_OK;
    if (*s != RT_OK) {
        return true;
    }
    if (id == RT_OP_mul) {
        *s = plain_mul(run, n, g, needs, out);
    } else if (id == RT_OP_sub) {
        *s = plain_sub(g, needs, out, run->err);
    } else {
        for (int i = 0; i < 2; i++) {
            out[i] = needs[i] ? rt_retain(*g) : NULL;
        }
    }
    return true;
}

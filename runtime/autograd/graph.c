/* SPDX-License-Identifier: MIT
 * What hangs on a tensor for autograd: history, leaf node, gradient, base of a
 * view; and the life of nodes, which are freed without recursion.
 */
#include "runtime/autograd/graph.h"

#include <string.h>

/* --- nodes ------------------------------------------------------------------ */

/* Releasing a node releases tensors and nodes behind it, and so on down a chain
 * of any length: those that die meanwhile queue here instead of recursing. */

/* The node lets go of a twin in its block. Usually nobody else has it. */
static void evict(rt_node *n, rt_tensor *t)
{
    if (atomic_load_explicit(&t->refs, memory_order_acquire) == 1) {
        rt__tensor_vacate(t);
    } else {
        atomic_fetch_add_explicit(&n->lodgers, 1, memory_order_relaxed);
        rt_release(t);
    }
}

static void block_release(rt_node *n)
{
    if (atomic_load_explicit(&n->lodgers, memory_order_acquire) == 1 ||
        atomic_fetch_sub_explicit(&n->lodgers, 1, memory_order_acq_rel) == 1) {
        rt_free(n);
    }
}

static void lodging_left(rt_tensor *t)
{
    block_release(((rt__lodger *)((char *)t - offsetof(rt__lodger, tensor)))
                      ->node);
}

void rt__node_free_saved(rt_node *n)
{
    if (n->plain) {
        rt__plain_let_go(n);
        return;
    }
    n->freed = n->freed || n->nsaved > 0;
    for (int i = 0; i < n->nsaved; i++) {
        rt_tensor *t = n->saved[i].tensor;
        n->saved[i].tensor = NULL;
        if (t->flags & RT_F_LODGED) {
            evict(n, t);
        } else {
            rt_release(t);
        }
    }
    n->nsaved = 0;
    memset(n->results, 0, sizeof n->results);
}

static void destroy_custom(rt_custom_node *custom)
{
    if (custom->destroy) {
        custom->destroy(custom->ctx);
    }
    rt_free(custom);
}

static void node_destroy(rt_node *n)
{
    rt__node_free_saved(n);
    for (int i = 0; i < n->nslots; i++) {
        rt_node_release(n->edges[i].node);
    }
    if (n->hooks) {
        rt__hooks_release_node(n);
    }
    if (n->plain) {
        rt_free(n);
        return;
    }
    if (n->kind == RT_NODE_CUSTOM) {
        destroy_custom(n->custom);
    }
    if (n->slices) {
        rt_node_release(n->slices->before.node);
        rt_free(n->slices);
    }
    block_release(n);
}

static void drain(void)
{
    rt__this.draining = true;
    while (rt__this.dying) {
        rt_node *n = rt__this.dying;
        rt__this.dying = n->next;
        node_destroy(n);
    }
    rt__this.draining = false;
}

rt_node *rt_node_retain(rt_node *n)
{
    if (n && n->kind == RT_NODE_LEAF) {
        rt_retain(n->leaf);
    } else if (n) {
        atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
    }
    return n;
}

void rt_node_release(rt_node *n)
{
    if (!n) {
        return;
    }
    if (n->kind == RT_NODE_LEAF) {
        rt_release(n->leaf);
        return;
    }
    if (atomic_load_explicit(&n->refs, memory_order_acquire) != 1 &&
        atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    __builtin_prefetch((const char *)n + RT_PLAIN_NODE);   /* its edges */
    n->next = rt__this.dying;
    rt__this.dying = n;
    if (!rt__this.draining) {
        drain();
    }
}

/* --- looking at nodes ------------------------------------------------------- */

static void name_of(char *out, size_t size, const char *op)
{
    size_t n = 0;
    bool upper = true;
    for (; *op && *op != '.' && n + 12 < size; op++) {
        if (*op == '_') {
            upper = true;
        } else {
            out[n++] = upper && *op >= 'a' && *op <= 'z' ? *op - 32 : *op;
            upper = false;
        }
    }
    strcpy(out + n, "Backward0");
}

const char *rt__op_node_name(const rt_op *op)
{
    static char names[RT_OP_COUNT][48];
    static atomic_char made[RT_OP_COUNT];
    char *name = names[op->id];
    if (!atomic_load_explicit(&made[op->id], memory_order_acquire)) {
        name_of(name, sizeof names[0], rt_op_name(op));
        atomic_store_explicit(&made[op->id], 1, memory_order_release);
    }
    return name;
}

const char *rt_node_name(const rt_node *n)
{
    switch (n->kind) {
    case RT_NODE_LEAF:
        return "AccumulateGrad";
    case RT_NODE_CUSTOM:
        return n->custom->name;
    default:
        return !n->plain && n->slices ? "CopySlices" : rt__op_node_name(n->op);
    }
}

int rt_node_ninputs(const rt_node *n)
{
    return n->nslots;
}

rt_node *rt_node_input(const rt_node *n, int i)
{
    return i >= 0 && i < n->nslots ? n->edges[i].node : NULL;
}

rt_tensor *rt_node_variable(const rt_node *n)
{
    return n->kind == RT_NODE_LEAF ? n->leaf : NULL;
}

/* --- what a tensor carries -------------------------------------------------- */

_Static_assert(sizeof(rt__meta) <= RT_META_BYTES, "rt__meta outgrew its room");

/* The room behind t, if it has some. */
static inline rt__meta *meta_room(rt_tensor *t)
{
    return t->flags & RT_F_ROOMY ? (rt__meta *)(t + 1) : NULL;
}

rt__meta *rt__meta_of(rt_tensor *t)
{
    if (!t->meta) {
        rt__meta *m = meta_room(t);
        m = m ? m : rt_alloc(sizeof *m);
        if (m) {
            memset(m, 0, sizeof *m);
        }
        t->meta = m;
    }
    return t->meta;
}

static rt_status no_memory(rt_error *err)
{
    return rt_fail(err, RT_E_MEMORY, "autograd: no memory for the graph");
}

static void free_meta(rt_tensor *t)
{
    rt__meta *m = t->meta;
    rt_node *n = m->grad_fn;
    if (m->hooks) {
        rt__hooks_release_tensor(t);
    }
    t->meta = NULL;
    rt_release(m->grad);
    rt_release(m->base);
    rt_free(m->leaf);
    if (m != meta_room(t) && (!n || m != &n->own)) {
        rt_free(m);
    }
    rt_node_release(n);
}

__attribute__((constructor)) static void link_autograd(void)
{
    rt__meta_free = free_meta;
    rt__lodging_left = lodging_left;
    rt__autograd = &rt__recording;
}

rt_status rt__twin(rt_tensor **out, rt_tensor *t, rt_error *err)
{
    rt_tensor *twin = NULL;
    rt_status s = rt__tensor_over(&twin, t->storage, t->dtype, t->ndim,
                                  t->shape, t->strides, t->offset, err);
    if (s == RT_OK) {
        twin->flags |= t->flags & (RT_F_WRAPPED | RT_F_READONLY);
        *out = twin;
    }
    return s;
}

/* Room for t's meta beside a new grad_fn: in the node itself if t has none
 * yet, on the heap if the old grad_fn holds it. */
static rt__meta *meta_beside(rt_tensor *t, rt_node *n)
{
    rt__meta *m = t->meta;
    if (!m && n->kind == RT_NODE_OP && !n->own_used) {
        n->own_used = true;
        n->own = (rt__meta){0};
        return t->meta = &n->own;
    }
    if (m && m->grad_fn && m == &m->grad_fn->own) {
        rt__meta *other = meta_room(t);
        other = other ? other : rt_alloc(sizeof *other);
        if (other) {
            *other = *m;
            t->meta = other;
        }
        return other;
    }
    return rt__meta_of(t);
}

rt_status rt__set_history(rt_tensor *t, rt_node *n, uint32_t output,
                          rt_error *err)
{
    rt__meta *m = meta_beside(t, n);
    if (!m) {
        return no_memory(err);
    }
    rt_node *old = m->grad_fn;
    m->grad_fn = rt_node_retain(n);
    m->output = output;
    t->flags |= RT_F_REQUIRES_GRAD;
    rt_node_release(old);
    return RT_OK;
}

rt_status rt__track_view(rt_tensor *t, rt_tensor *base, rt_error *err)
{
    rt_tensor *root = base->meta && base->meta->base ? base->meta->base : base;
    rt__meta *m = rt__meta_of(t);
    if (!m) {
        return no_memory(err);
    }
    m->base = rt_retain(root);
    m->version = rt_tensor_version(t);
    return RT_OK;
}

/* The base was written through another door: a view of it now comes from what
 * the base has become. */
static rt_status renew_view(rt_tensor *t, rt_error *err)
{
    rt__meta *m = t->meta;
    rt_value args[] = {RT_V_TENSOR(m->base), RT_V_INTS(t->shape, t->ndim),
                       RT_V_INTS(t->strides, t->ndim), RT_V_INT(t->offset)};
    rt_node *n = NULL;
    rt_status s = rt__node_record(&n, &rt__ops[RT_OP_as_strided], args, false,
                                  err);
    if (s == RT_OK && n) {
        s = rt__set_history(t, n, 0, err);
        if (s == RT_OK) {
            t->meta->version = rt_tensor_version(t);
            s = rt__hooks_move(t, err);
        }
    }
    rt_node_release(n);
    return s;
}

static rt_status refresh_view(rt_tensor *t, rt_error *err)
{
    rt__meta *m = t->meta;
    if (!rt__base_records(t)
        || (m->grad_fn && m->version == rt_tensor_version(t))) {
        return RT_OK;
    }
    return renew_view(t, err);
}

rt_status rt__edge_of(rt__edge *out, rt_tensor *t, rt_error *err)
{
    rt_status s = refresh_view(t, err);
    rt__meta *m = t->meta;
    *out = (rt__edge){NULL, 0};
    if (s == RT_OK && (t->flags & RT_F_REQUIRES_GRAD) && m) {
        rt_node *n = m->grad_fn ? m->grad_fn : m->leaf;
        *out = (rt__edge){rt_node_retain(n), m->grad_fn ? m->output : 0};
    }
    return s;
}

/* --- the public face -------------------------------------------------------- */

bool rt_requires_grad(const rt_tensor *t)
{
    return rt__needs_grad(t);
}

bool rt_is_leaf(const rt_tensor *t)
{
    const rt__meta *m = t->meta;
    return !m || (!m->grad_fn && !rt__base_records(t));
}

static rt_status make_leaf(rt_tensor *t, rt_error *err)
{
    rt__meta *m = rt__meta_of(t);
    if (!m) {
        return no_memory(err);
    }
    if (!m->leaf) {
        rt_node *n = rt_alloc(sizeof *n);
        if (!n) {
            return no_memory(err);
        }
        memset(n, 0, sizeof *n);
        n->kind = RT_NODE_LEAF;
        n->noutputs = 1;
        n->leaf = t;
        m->leaf = n;
    }
    t->flags |= RT_F_REQUIRES_GRAD;
    return RT_OK;
}

rt_status rt_set_requires_grad(rt_tensor *t, bool on, rt_error *err)
{
    if (!rt_is_leaf(t)) {
        if (on) {
            return RT_OK;
        }
        rt_fail(err, RT_E_AUTOGRAD, "requires_grad: only a leaf's can be "
                "switched off; this tensor is a result of %s",
                t->meta->grad_fn ? rt_node_name(t->meta->grad_fn) : "a view");
        rt_error_help(err, "use detach() for a tensor without history");
        return RT_E_AUTOGRAD;
    }
    if (!on) {
        t->flags &= (uint16_t)~RT_F_REQUIRES_GRAD;
        return RT_OK;
    }
    if (!rt_dtype_is_floating(t->dtype)) {
        rt_fail(err, RT_E_AUTOGRAD, "requires_grad: only floating tensors have "
                "gradients, this one is %s", rt_dtype_name(t->dtype));
        rt_error_help(err, "convert it first: t.to(float32)");
        return RT_E_AUTOGRAD;
    }
    if ((t->flags & RT_F_INFERENCE) && !rt_inference_mode()) {
        rt_fail(err, RT_E_AUTOGRAD, "requires_grad: the tensor was made in "
                "inference mode and cannot record outside it");
        rt_error_help(err, "clone() it outside inference mode");
        return RT_E_AUTOGRAD;
    }
    return make_leaf(t, err);
}

rt_tensor *rt_grad(const rt_tensor *t)
{
    return t->meta ? t->meta->grad : NULL;
}

rt_status rt_set_grad(rt_tensor *t, rt_tensor *grad, rt_error *err)
{
    if (grad == t) {
        return rt_fail(err, RT_E_AUTOGRAD,
                       "grad: a tensor cannot be its own gradient");
    }
    if (grad && !rt__same_shape(grad, t)) {
        char a[64], b[64];
        rt__shape_format(a, sizeof a, grad->ndim, grad->shape);
        rt__shape_format(b, sizeof b, t->ndim, t->shape);
        rt_fail(err, RT_E_SHAPE, "grad: a gradient of shape %s for a tensor of "
                "shape %s", a, b);
        rt__error_shapes(err, grad, t);
        return RT_E_SHAPE;
    }
    if (grad && grad->dtype != t->dtype) {
        return rt_fail(err, RT_E_DTYPE, "grad: a %s gradient for a %s tensor",
                       rt_dtype_name(grad->dtype), rt_dtype_name(t->dtype));
    }
    if (!grad && !t->meta) {
        return RT_OK;
    }
    rt__meta *m = rt__meta_of(t);
    if (!m) {
        return no_memory(err);
    }
    rt_tensor *old = m->grad;
    m->grad = rt_retain(grad);
    rt_release(old);
    return RT_OK;
}

rt_status rt_detach(rt_tensor **out, rt_tensor *t, rt_error *err)
{
    rt_tensor *twin = NULL;
    rt_status s = rt__twin(&twin, t, err);
    if (s == RT_OK) {
        twin->flags &= (uint16_t)~RT_F_WRAPPED;
        *out = twin;
    }
    return s;
}

rt_node *rt_grad_fn(const rt_tensor *t)
{
    /* A stale view is renewed even here: what is shown must be true. */
    rt_error err = {0};
    if (t->meta && refresh_view((rt_tensor *)t, &err) == RT_OK
        && (t->flags & RT_F_REQUIRES_GRAD)) {
        return t->meta->grad_fn;
    }
    return NULL;
}

/* SPDX-License-Identifier: MIT
 *
 * Recording: what rt_call asks before and after an op. A node and all its
 * arrays are one block, laid out for this call: edges, shapes, arguments, saved
 * tensors, then the numbers that lists and shapes point to.
 *
 * An argument is saved as a twin without history, so that a later in-place op
 * on it can make no cycle of references; only leaves are saved as they are.
 */
#include "runtime/autograd/graph.h"

#include <string.h>

/* The record of a call that makes no node but has results to mark. */
#define MARK_ONLY ((void *)(uintptr_t)1)

/* --- measuring ---------------------------------------------------------------- */

typedef struct plan {
    const rt__rule *rule;
    int nargs, nslots, nsaved;
    uint32_t saves;
    size_t tail;              /* bytes behind the arrays */
} plan;

static size_t like_bytes(const rt_tensor *t, uint32_t saves)
{
    return sizeof(int64_t) * (size_t)t->ndim
           * (saves & RT_SAVE_STRIDES ? 2 : 1);
}

/* Slots, and which of them need a gradient; false when none does. */
static bool plan_slots(plan *p, const rt_value *args)
{
    bool any = false;
    for (int i = 0; i < RT_RULE_ARGS && i < p->nargs; i++) {
        uint32_t saves = p->rule->saves[i];
        const rt_value *v = &args[i];
        bool needed = false;
        if (!saves) {
            continue;
        }
        if (v->kind == RT_K_TENSORS) {
            for (int k = 0; k < v->count; k++) {
                needed |= rt__needs_grad(v->tensors[k]);
                p->tail += like_bytes(v->tensors[k], saves);
            }
            p->nslots += v->count;
        } else {
            if (v->kind == RT_K_TENSOR) {
                needed = rt__needs_grad(v->t);
                p->tail += like_bytes(v->t, saves);
            }
            p->nslots++;
        }
        if (needed) {
            p->saves |= saves;
            any = true;
        }
    }
    return any;
}

/* Leaves and wrapped numbers are saved as they are. */
static bool saved_as_is(const rt_tensor *t)
{
    const rt__meta *m = t->meta;
    return m ? m->leaf && !m->grad_fn && (t->flags & RT_F_REQUIRES_GRAD)
             : (t->flags & RT_F_WRAPPED) != 0;
}

static size_t lodger_bytes(int ndim)
{
    return offsetof(rt__lodger, tensor.dims)
           + 2 * sizeof(int64_t) * (size_t)ndim;
}

/* Room that a saved argument needs in the block at most. */
static size_t saved_bytes(const rt_tensor *t)
{
    return t && t->ndim <= RT_INLINE_DIMS ? lodger_bytes(t->ndim) : 0;
}

static void plan_values(plan *p, const rt_value *args)
{
    for (int i = 0; i < p->nargs; i++) {
        const rt_value *v = &args[i];
        bool saved = i < 16 && (p->saves & RT_SAVE_ARG(i));
        switch (v->kind) {
        case RT_K_TENSOR:
            p->nsaved += saved;
            p->tail += saved ? saved_bytes(v->t) : 0;
            break;
        case RT_K_TENSORS:
            p->nsaved += saved ? v->count : 0;
            for (int k = 0; saved && k < v->count; k++) {
                p->tail += sizeof(rt_tensor *) + saved_bytes(v->tensors[k]);
            }
            break;
        case RT_K_INTS:
        case RT_K_FLOATS:
            p->tail += 8 * (size_t)v->count;
            break;
        case RT_K_STRING:
            p->tail += (strlen(v->s) + 8) & ~(size_t)7;
            break;
        default:
            break;
        }
    }
    for (int i = 0; i < RT_MAX_RESULTS; i++) {
        p->nsaved += (p->saves & RT_SAVE_RESULT(i)) != 0;
    }
}

/* --- building ------------------------------------------------------------------ */

static rt_node *node_block(const plan *p, const rt_op *op, char **tail)
{
    size_t edges = sizeof(rt__edge) * (size_t)p->nslots;
    size_t likes = sizeof(rt__like) * (size_t)p->nslots;
    size_t args = sizeof(rt_value) * (size_t)p->nargs;
    size_t saved = sizeof(rt__saved) * (size_t)p->nsaved;
    size_t head = (sizeof(rt_node) + 15) & ~(size_t)15;
    rt_node *n = rt_alloc(head + edges + likes + args + saved + p->tail);
    if (!n) {
        return NULL;
    }
    memset(n, 0, head + edges + likes);
    n->refs = n->lodgers = 1;
    n->kind = RT_NODE_OP;
    n->op = op;
    n->noutputs = 1;
    n->nargs = (uint16_t)p->nargs;
    n->nslots = (uint16_t)p->nslots;
    char *at = (char *)n + head;
    n->edges = (rt__edge *)at;
    n->likes = (rt__like *)(at + edges);
    n->args = (rt_value *)(at + edges + likes);
    n->saved = (rt__saved *)(at + edges + likes + args);
    *tail = at + edges + likes + args + saved;
    return n;
}

static void *take(char **tail, const void *from, size_t bytes)
{
    char *at = *tail;
    if (bytes) {
        memcpy(at, from, bytes);
    }
    *tail += (bytes + 7) & ~(size_t)7;
    return at;
}

static void make_like(rt__like *like, const rt_tensor *t, uint32_t saves,
                      char **tail)
{
    size_t bytes = sizeof(int64_t) * (size_t)t->ndim;
    like->dtype = t->dtype;
    like->ndim = t->ndim;
    like->offset = t->offset;
    like->shape = take(tail, t->shape, bytes);
    like->strides = saves & RT_SAVE_STRIDES ? take(tail, t->strides, bytes)
                                            : NULL;
}

static rt_status fill_slot(rt_node *n, int slot, rt_tensor *t, uint32_t saves,
                           char **tail, rt_error *err)
{
    make_like(&n->likes[slot], t, saves, tail);
    return rt__needs_grad(t) ? rt__edge_of(&n->edges[slot], t, err) : RT_OK;
}

static rt_status fill_slots(rt_node *n, const plan *p, const rt_value *args,
                            char **tail, rt_error *err)
{
    int slot = 0;
    rt_status s = RT_OK;
    for (int i = 0; i < RT_RULE_ARGS && i < p->nargs && s == RT_OK; i++) {
        uint32_t saves = p->rule->saves[i];
        const rt_value *v = &args[i];
        if (!saves) {
            continue;
        }
        if (v->kind == RT_K_TENSORS) {
            for (int k = 0; k < v->count && s == RT_OK; k++) {
                s = fill_slot(n, slot++, v->tensors[k], saves, tail, err);
            }
        } else if (v->kind == RT_K_TENSOR) {
            s = fill_slot(n, slot++, v->t, saves, tail, err);
        } else {
            slot++;
        }
    }
    return s;
}

/* A twin of t in the node's block. */
static rt_tensor *lodge(rt_node *n, char **tail, const rt_tensor *t)
{
    rt__lodger *l = (rt__lodger *)*tail;
    *tail += lodger_bytes(t->ndim);
    l->node = n;
    rt__tensor_lodge(&l->tensor, t);
    return &l->tensor;
}

/* What self held before an in-place op: a copy outside any history. */
static rt_status copy_before_write(rt_tensor **out, rt_tensor *t, rt_error *err)
{
    bool before = rt_set_grad_enabled(false);
    rt_status s = rt__op1(RT_OP_clone, out, err, 1, RT_V_TENSOR(t));
    rt_set_grad_enabled(before);
    return s;
}

static rt_status save(rt_node *n, rt_tensor **at, rt_tensor *t, int slot,
                      bool copy, char **tail, rt_error *err)
{
    rt_tensor *kept = NULL;
    rt_status s = RT_OK;
    if ((t->flags & RT_F_INFERENCE) && !rt_inference_mode()) {
        rt_fail(err, RT_E_AUTOGRAD, "%s: a tensor made in inference mode "
                "cannot be saved for a gradient", rt_op_name(n->op));
        rt_error_help(err, "clone() it outside inference mode first");
        return RT_E_AUTOGRAD;
    }
    if (copy) {
        s = copy_before_write(&kept, t, err);
    } else if (saved_as_is(t)) {
        kept = rt_retain(t);
    } else if (t->ndim <= RT_INLINE_DIMS) {
        kept = lodge(n, tail, t);
    } else {
        s = rt__twin(&kept, t, err);
    }
    if (s == RT_OK) {
        n->saved[n->nsaved++] = (rt__saved){
            kept, kept->storage, rt_tensor_version(kept), (int16_t)slot, 0};
        *at = kept;
    }
    return s;
}

static rt_status save_list(rt_node *n, rt_value *to, const rt_value *from,
                           char **tail, rt_error *err)
{
    rt_tensor **list = (rt_tensor **)*tail;
    *tail += sizeof *list * (size_t)from->count;
    memset(list, 0, sizeof *list * (size_t)from->count);
    *to = RT_V_TENSORS(list, from->count);
    rt_status s = RT_OK;
    for (int k = 0; k < from->count && s == RT_OK; k++) {
        if (from->tensors[k]) {
            s = save(n, &list[k], from->tensors[k], -1, false, tail, err);
        }
    }
    return s;
}

static rt_status fill_value(rt_node *n, const plan *p, int i,
                            const rt_value *from, const rt__storage *written,
                            char **tail, rt_error *err)
{
    rt_value *to = &n->args[i];
    bool saved = i < 16 && (p->saves & RT_SAVE_ARG(i));
    *to = *from;
    switch (from->kind) {
    case RT_K_TENSOR: {
        rt_tensor *t = NULL;
        *to = RT_NONE;
        if (!saved) {
            return RT_OK;
        }
        bool accepted = i < RT_RULE_ARGS && p->rule->saves[i];
        int slot = -1;
        for (int k = 0; accepted && k <= i; k++) {
            slot += p->rule->saves[k] != 0;
        }
        rt_status s = save(n, &t, from->t, slot,
                           from->t->storage == written, tail, err);
        if (s == RT_OK) {
            *to = RT_V_TENSOR(t);
        }
        return s;
    }
    case RT_K_TENSORS:
        *to = RT_NONE;
        return saved ? save_list(n, to, from, tail, err) : RT_OK;
    case RT_K_INTS:
        to->ints = take(tail, from->ints, 8 * (size_t)from->count);
        return RT_OK;
    case RT_K_FLOATS:
        to->floats = take(tail, from->floats, 8 * (size_t)from->count);
        return RT_OK;
    case RT_K_STRING:
        to->s = take(tail, from->s, strlen(from->s) + 1);
        return RT_OK;
    case RT_K_GENERATOR:
    case RT_K_MODULE:
    case RT_K_MODULES:
        *to = RT_NONE;
        return RT_OK;
    default:
        return RT_OK;
    }
}

rt_status rt__node_record(rt_node **out, const rt_op *op, const rt_value *args,
                          bool inplace, rt_error *err)
{
    plan p = {.rule = rt__rule_of(op)};
    *out = NULL;
    p.nargs = rt__op_signature(op)->nparams;
    if (!p.rule->apply || !plan_slots(&p, args)) {
        return RT_OK;
    }
    plan_values(&p, args);
    char *tail;
    rt_node *n = node_block(&p, op, &tail);
    if (!n) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory to record it",
                       rt_op_name(op));
    }
    rt_status s = fill_slots(n, &p, args, &tail, err);
    const rt__storage *written = inplace ? args[0].t->storage : NULL;
    for (int i = 0; i < p.nargs && s == RT_OK; i++) {
        s = fill_value(n, &p, i, &args[i], written, &tail, err);
    }
    n->seq = rt__next_sequence();
    if (s != RT_OK) {
        rt_node_release(n);
        return s;
    }
    *out = n;
    return RT_OK;
}

/* --- results --------------------------------------------------------------------- */

uint32_t rt__node_saves(const rt_node *n)
{
    const rt__rule *rule = rt__rule_of(n->op);
    uint32_t saves = 0;
    int slot = 0;
    for (int i = 0; i < RT_RULE_ARGS && slot < n->nslots; i++) {
        if (rule->saves[i]) {
            saves |= n->edges[slot].node ? rule->saves[i] : 0;
            slot++;
        }
    }
    return saves;
}

rt_status rt__node_save_result(rt_node *n, int i, rt_tensor *result,
                               rt_error *err)
{
    rt_tensor *twin = NULL;
    rt_status s = rt__twin(&twin, result, err);
    if (s == RT_OK) {
        n->saved[n->nsaved++] = (rt__saved){
            twin, twin->storage, rt_tensor_version(twin), -1, i == 0};
        n->results[i] = twin;
    }
    return s;
}

/* --- in-place ops ----------------------------------------------------------------- */

static bool any_needs(const rt_op *op, const rt_value *args)
{
    plan p = {.rule = rt__rule_of(op)};
    p.nargs = RT_RULE_ARGS;
    int nparams = rt__op_signature(op)->nparams;
    p.nargs = nparams < p.nargs ? nparams : p.nargs;
    return p.rule->apply && plan_slots(&p, args);
}

static rt_status refuse(rt_error *err, const rt_op *op, const char *what,
                        const char *help)
{
    rt_fail(err, RT_E_AUTOGRAD, "%s: %s", rt_op_name(op), what);
    rt_error_help(err, "%s", help);
    return RT_E_AUTOGRAD;
}

/* May this in-place call be recorded? */
static rt_status check_write(const rt_op *op, rt_tensor *self, rt_error *err)
{
    const rt__meta *m = self->meta;
    const char *no_grad = "write inside no_grad(), or use an op that makes a "
                          "new tensor";
    if (self->flags & RT_F_UNTRACKED) {
        return refuse(err, op, "this view was made inside no_grad() and is "
                      "written in place outside it, which leaves open whether "
                      "its base should follow",
                      "make the view outside no_grad(), or write inside it");
    }
    if (m && m->base) {
        return rt_is_leaf(m->base) && (m->base->flags & RT_F_REQUIRES_GRAD)
                   ? refuse(err, op, "a view of a leaf that requires a gradient "
                            "cannot be written in place", no_grad)
                   : RT_OK;
    }
    if ((self->flags & RT_F_REQUIRES_GRAD) && rt_is_leaf(self)) {
        return refuse(err, op, "a leaf that requires a gradient cannot be "
                      "written in place", no_grad);
    }
    if ((self->flags & RT_F_INFERENCE) && !rt_inference_mode()) {
        return refuse(err, op, "a tensor made in inference mode cannot be "
                      "written in place outside it", "clone() it first");
    }
    return RT_OK;
}

static void region(rt__like *like, int64_t **dims, const rt_tensor *t)
{
    size_t bytes = sizeof(int64_t) * (size_t)t->ndim;
    like->dtype = t->dtype;
    like->ndim = t->ndim;
    like->offset = t->offset;
    like->shape = *dims;
    memcpy(*dims, t->shape, bytes);
    like->strides = *dims + t->ndim;
    memcpy(*dims + t->ndim, t->strides, bytes);
    *dims += 2 * t->ndim;
}

/* The node of an op on a view takes the place of the base's history. */
static rt_status make_slices(rt_node *n, rt_tensor *view, rt_error *err)
{
    rt_tensor *base = view->meta->base;
    rt__slices *s = rt_alloc(sizeof *s + 16u * (size_t)(view->ndim + base->ndim));
    if (!s) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory to record it",
                       rt_op_name(n->op));
    }
    int64_t *dims = s->dims;
    region(&s->base, &dims, base);
    region(&s->view, &dims, view);
    s->written = n->likes[0];
    n->likes[0] = s->base;
    n->slices = s;
    s->before = n->edges[0];
    n->edges[0] = (rt__edge){NULL, 0};
    return rt__edge_of(&n->edges[0], base, err);
}

static rt_status begin_write(rt__call *c, rt_node **n)
{
    rt_tensor *self = rt__arg(c, 0);
    bool hidden = self && (self->flags & RT_F_UNTRACKED) && self->meta
                  && self->meta->base
                  && (self->meta->base->flags & RT_F_REQUIRES_GRAD);
    if (!self || !(hidden || any_needs(c->op, c->a))) {
        return RT_OK;
    }
    rt_status s = check_write(c->op, self, c->err);
    if (s == RT_OK) {
        s = rt__node_record(n, c->op, c->a, true, c->err);
    }
    if (s == RT_OK && *n && self->meta && self->meta->base) {
        s = make_slices(*n, self, c->err);
    }
    if (s != RT_OK) {
        rt_node_release(*n);
    }
    return s;
}

static rt_status end_write(rt__call *c, rt_node *n)
{
    rt_tensor *self = c->r[0].t;
    if (n->slices) {
        self = self->meta->base;
    }
    rt_status s = rt__set_history(self, n, 0, c->err);
    return s == RT_OK ? rt__hooks_move(self, c->err) : s;
}

/* --- the two ends of a call ------------------------------------------------------- */

static rt_status begin(rt__call *c, void **record)
{
    rt_node *n = NULL;
    rt_status s = RT_OK;
    bool marks = c->op->view || c->op->inplace;
    if (!rt_grad_enabled() || rt_inference_mode()) {
        *record = marks || rt_inference_mode() ? MARK_ONLY : NULL;
        return RT_OK;
    }
    if (c->op->inplace) {
        s = begin_write(c, &n);
    } else {
        s = rt__node_record(&n, c->op, c->a, false, c->err);
    }
    *record = n ? n : marks ? MARK_ONLY : NULL;
    return s;
}

/* Remembers the writer for the message that a saved value was overwritten. */
static void note_write(const rt_op *op, const rt_tensor *self)
{
    rt__storage *s = self->storage;
    s->writer = (uint16_t)op->id;
    s->writer_ndim = self->ndim;
    for (int i = 0; i < self->ndim && i < 4; i++) {
        s->writer_shape[i] = (int32_t)self->shape[i];
    }
}

/* Views made in no_grad, and views of those, are remembered as such; their base
 * only where writing to it would matter. */
static rt_status mark_view(rt_tensor *r, rt_tensor *self, rt_error *err)
{
    bool hidden = !rt_grad_enabled() || (self->flags & RT_F_UNTRACKED);
    if (hidden) {
        r->flags |= RT_F_UNTRACKED;
    }
    return !hidden || rt__needs_grad(self) || (self->meta && self->meta->base)
               ? rt__track_view(r, self, err) : RT_OK;
}

static rt_status mark(rt__call *c)
{
    rt_tensor *r = c->r[0].kind == RT_K_TENSOR ? c->r[0].t : NULL;
    rt_tensor *self = rt__arg(c, 0);
    if (!r) {
        return RT_OK;
    }
    if (c->op->inplace) {
        note_write(c->op, r);
        return RT_OK;
    }
    if (rt_inference_mode() && r != self) {
        r->flags |= RT_F_INFERENCE;
        return RT_OK;
    }
    if (c->op->view && self && r != self && r->storage == self->storage) {
        return mark_view(r, self, c->err);
    }
    return RT_OK;
}

static rt_status save_results(rt_node *n, rt__call *c)
{
    uint32_t saves = rt__node_saves(n);
    rt_status s = RT_OK;
    for (int i = 0; i < RT_MAX_RESULTS && s == RT_OK; i++) {
        if ((saves & RT_SAVE_RESULT(i)) && c->r[i].kind == RT_K_TENSOR) {
            s = rt__node_save_result(n, i, c->r[i].t, c->err);
        }
    }
    return s;
}

static rt_status attach(rt__call *c, rt_node *n)
{
    rt_tensor *r = c->r[0].kind == RT_K_TENSOR ? c->r[0].t : NULL;
    bool inplace = c->op->inplace;
    if (!r || !rt_dtype_is_floating(r->dtype)
        || (!inplace && r == rt__arg(c, 0))) {
        return mark(c);
    }
    rt_status s = save_results(n, c);
    if (s == RT_OK) {
        s = inplace ? end_write(c, n) : rt__set_history(r, n, 0, c->err);
    }
    return s == RT_OK ? mark(c) : s;
}

static rt_status end(rt__call *c, void *record, bool ok)
{
    rt_status s = RT_OK;
    if (record == MARK_ONLY) {
        return ok ? mark(c) : RT_OK;
    }
    if (ok && record) {
        s = attach(c, record);
    }
    rt_node_release(record);
    return s;
}

const rt__autograd_hooks rt__recording = {begin, end, rt__record_plain};

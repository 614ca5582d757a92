/* SPDX-License-Identifier: MIT
 *
 * The backward pass. First a walk from the outputs makes a task per node and
 * counts how many gradients each will get; then nodes run as soon as they have
 * all of theirs, the youngest first (the order in which PyTorch sums). Both are
 * loops: a chain of a million ops needs no more stack than one of ten.
 */
#include "runtime/autograd/engine.h"

#include <string.h>

#define CHUNK 512             /* tasks */

/* --- stacks ------------------------------------------------------------------ */

static rt_status push(rt__stack *s, void *item, rt_error *err)
{
    if (s->count == s->room) {
        size_t room = s->room ? 2 * s->room : 64;
        void **items = rt_realloc(s->items, room * sizeof *items);
        if (!items) {
            return rt_fail(err, RT_E_MEMORY, "backward: no memory");
        }
        s->items = items;
        s->room = room;
    }
    s->items[s->count++] = item;
    return RT_OK;
}

static uint64_t age(const rt__stack *heap, size_t i)
{
    return ((const rt__task *)heap->items[i])->node->seq;
}

static void swap(rt__stack *heap, size_t i, size_t j)
{
    void *t = heap->items[i];
    heap->items[i] = heap->items[j];
    heap->items[j] = t;
}

static rt_status heap_push(rt__stack *heap, rt__task *t, rt_error *err)
{
    rt_status s = push(heap, t, err);
    for (size_t i = heap->count - 1; s == RT_OK && i > 0; i = (i - 1) / 2) {
        if (age(heap, i) <= age(heap, (i - 1) / 2)) {
            break;
        }
        swap(heap, i, (i - 1) / 2);
    }
    return s;
}

static rt__task *heap_pop(rt__stack *heap)
{
    rt__task *top = heap->items[0];
    heap->items[0] = heap->items[--heap->count];
    for (size_t i = 0, child; (child = 2 * i + 1) < heap->count; i = child) {
        if (child + 1 < heap->count && age(heap, child + 1) > age(heap, child)) {
            child++;
        }
        if (age(heap, i) >= age(heap, child)) {
            break;
        }
        swap(heap, i, child);
    }
    return top;
}

static rt_status make_ready(rt__run *run, rt__task *t)
{
    if (!run->next) {
        run->next = t;
        return RT_OK;
    }
    return heap_push(&run->ready, t, run->err);
}

/* The youngest of all that are ready, or NULL. */
static rt__task *take_ready(rt__run *run)
{
    rt__task *t = run->next;
    if (run->ready.count && (!t || age(&run->ready, 0) > t->node->seq)) {
        return heap_pop(&run->ready);
    }
    run->next = NULL;
    return t;
}

/* --- tasks -------------------------------------------------------------------- */

static rt__task *task_of(const rt__run *run, const rt_node *n)
{
    rt__task *t = n->task;
    return t && t->run == run ? t : NULL;
}

static rt_status task_new(rt__task **out, rt__run *run, rt_node *n)
{
    if (run->chunks.count == 0 || run->used == CHUNK) {
        rt__task *chunk = rt_alloc(CHUNK * sizeof *chunk);
        if (!chunk) {
            return rt_fail(run->err, RT_E_MEMORY, "backward: no memory");
        }
        rt_status s = push(&run->chunks, chunk, run->err);
        if (s != RT_OK) {
            rt_free(chunk);
            return s;
        }
        run->used = 0;
    }
    rt__task *t = run->chunks.items[run->chunks.count - 1];
    t += run->used;
    *t = (rt__task){.run = run, .node = n, .outer = n->task};
    t->grads = &t->one;
    if (n->noutputs > 1) {
        size_t bytes = sizeof *t->grads * n->noutputs;
        t->grads = rt_alloc(bytes);
        if (!t->grads) {
            return rt_fail(run->err, RT_E_MEMORY, "backward: no memory");
        }
        memset(t->grads, 0, bytes);
    }
    run->used++;
    t->wanted = !run->collecting;
    n->task = t;
    *out = t;
    return RT_OK;
}

static void task_dispose(rt__task *t)
{
    for (int i = 0; i < t->node->noutputs; i++) {
        rt_release(t->grads[i]);
    }
    if (t->grads != &t->one) {
        rt_free(t->grads);
    }
}

/* The node has run, and its gradients are gone. */
static void task_finish(rt__task *t)
{
    t->node->task = t->outer;
    t->done = true;
    if (t->grads != &t->one) {
        rt_free(t->grads);
    }
}

/* Nodes forget their tasks before any gradient is let go: what is freed with a
 * gradient may be the last holder of a node. */
static void run_dispose(rt__run *run)
{
    for (int step = 0; step < 2; step++) {
        for (size_t i = 0; i < run->chunks.count; i++) {
            rt__task *chunk = run->chunks.items[i];
            size_t n = i + 1 < run->chunks.count ? CHUNK : run->used;
            for (size_t k = 0; k < n; k++) {
                if (chunk[k].done) {
                    continue;
                }
                if (step == 0) {
                    chunk[k].node->task = chunk[k].outer;
                } else {
                    task_dispose(&chunk[k]);
                }
            }
        }
    }
    for (size_t i = 0; i < run->chunks.count; i++) {
        rt_free(run->chunks.items[i]);
    }
    rt_free(run->chunks.items);
    rt_free(run->ready.items);
}

/* --- the walk ------------------------------------------------------------------ */

typedef struct frame {
    rt__task *task;
    size_t next;              /* edge to look at */
} frame;

typedef struct frames {
    frame *items;
    size_t count, room;
} frames;

static rt_status frame_push(frames *f, rt__task *t, rt_error *err)
{
    if (f->count == f->room) {
        size_t room = f->room ? 2 * f->room : 64;
        frame *items = rt_realloc(f->items, room * sizeof *items);
        if (!items) {
            return rt_fail(err, RT_E_MEMORY, "backward: no memory");
        }
        f->items = items;
        f->room = room;
    }
    f->items[f->count++] = (frame){t, 0};
    return RT_OK;
}

static rt_status frame_enter(rt__run *run, frames *f, rt__task *t)
{
    t->walked = true;
    return frame_push(f, t, run->err);
}

static rt_status visit(rt__run *run, frames *f, frame *top)
{
    rt_node *child = top->task->node->edges[top->next++].node;
    rt__task *t = child ? task_of(run, child) : NULL;
    rt_status s = RT_OK;
    if (!child) {
        return RT_OK;
    }
    if (!t) {
        s = task_new(&t, run, child);
    }
    if (s != RT_OK) {
        return s;
    }
    t->deps++;
    if (t->walked) {
        top->task->wanted |= t->wanted;
        return RT_OK;
    }
    return frame_enter(run, f, t);
}

#define POLL 4096             /* nodes walked between looks for an interrupt */

static rt_status interrupted(rt__run *run)
{
    return rt_fail(run->err, RT_E_INTERRUPT, "backward: interrupted");
}

/* Counts the edges of one node; what is met the first time is to be walked. */
static rt_status walk_node(rt__run *run, const rt_node *n, rt__stack *todo)
{
    rt_status s = RT_OK;
    for (int i = 0; i < n->nslots && s == RT_OK; i++) {
        rt_node *child = n->edges[i].node;
        if (child) {
            __builtin_prefetch((const char *)child + RT_PLAIN_NODE);
        }
        rt__task *t = child ? task_of(run, child) : NULL;
        if (child && !t) {
            s = task_new(&t, run, child);
        }
        if (s != RT_OK || !child) {
            continue;
        }
        t->deps++;
        if (!t->walked) {
            t->walked = true;
            s = child->nslots ? push(todo, child, run->err) : RT_OK;
        }
    }
    return s;
}

/* All gradients are wanted: in any order. */
static rt_status walk_all(rt__run *run, rt__task *root)
{
    rt__stack todo = {0};
    root->walked = true;
    rt_status s = push(&todo, root->node, run->err);
    for (size_t walked = 0; s == RT_OK && todo.count; walked++) {
        s = walk_node(run, todo.items[--todo.count], &todo);
        if (s == RT_OK && walked % POLL == POLL - 1 && rt_interrupted()) {
            s = interrupted(run);
        }
    }
    rt_free(todo.items);
    return s;
}

/* Depth first from a root; on the way back up, whether a target was seen. */
static rt_status walk(rt__run *run, rt__task *root)
{
    frames f = {0};
    size_t walked = 0;
    rt_status s = frame_enter(run, &f, root);
    while (s == RT_OK && f.count) {
        frame *top = &f.items[f.count - 1];
        if (top->next < top->task->node->nslots) {
            s = visit(run, &f, top);
            if (s == RT_OK && ++walked % POLL == 0 && rt_interrupted()) {
                s = interrupted(run);
            }
        } else if (--f.count) {
            f.items[f.count - 1].task->wanted |= top->task->wanted;
        }
    }
    rt_free(f.items);
    return s;
}

/* --- running -------------------------------------------------------------------- */

static rt_status capture(rt__run *run, rt__task *t)
{
    for (int i = 0; i < run->ntargets; i++) {
        rt__target *target = &run->targets[i];
        if (target->task == t && t->grads[target->output]) {
            rt_release(run->captured[i]);
            run->captured[i] = rt_retain(t->grads[target->output]);
        }
    }
    return RT_OK;
}

static rt_status prepare(rt__run *run, rt__task *t)
{
    rt_status s = RT_OK;
    rt_node *n = t->node;
    bool hooked = n->kind == RT_NODE_LEAF ? n->leaf->meta->hooks != NULL
                                          : n->hooks != NULL;
    for (int i = 0; hooked && i < n->noutputs && s == RT_OK; i++) {
        if (t->grads[i]) {
            s = rt__hooks_run(n, (uint32_t)i, &t->grads[i], run->err);
        }
    }
    return s == RT_OK && t->target ? capture(run, t) : s;
}

static rt_status run_leaf(rt__run *run, rt__task *t)
{
    rt_tensor *leaf = t->node->leaf;
    rt_status s = t->one ? prepare(run, t) : RT_OK;
    if (s != RT_OK || run->collecting || !t->one) {
        return s;
    }
    rt_tensor *grad = t->one;
    t->one = NULL;
    s = rt__grad_accumulate(leaf, grad, run->create_graph, run->err);
    return s == RT_OK ? rt__hooks_run_post(leaf, run->err) : s;
}

static rt_status arrive(rt__run *run, rt__edge *edge, rt_tensor *grad)
{
    rt__task *t = task_of(run, edge->node);
    rt_status s = RT_OK;
    if (grad) {
        s = rt__grad_add(&t->grads[edge->output], grad, run->create_graph,
                         run->err);
    }
    if (s != RT_OK || --t->deps > 0) {
        return s;
    }
    return edge->node->kind == RT_NODE_LEAF
               ? run_leaf(run, t) : make_ready(run, t);
}

static bool has_grad(const rt__task *t)
{
    for (int i = 0; i < t->node->noutputs; i++) {
        if (t->grads[i]) {
            return true;
        }
    }
    return false;
}

static bool find_needs(const rt__run *run, const rt_node *n, bool *needs)
{
    bool any = false;
    for (int i = 0; i < n->nslots; i++) {
        rt_node *child = n->edges[i].node;
        needs[i] = child && (!run->collecting || task_of(run, child)->wanted);
        any |= needs[i];
    }
    return any;
}

static void drop_grads(rt__task *t)
{
    for (int i = 0; i < t->node->noutputs; i++) {
        rt_release(t->grads[i]);
        t->grads[i] = NULL;
    }
}

static rt_status step(rt__run *run, rt__task *t, bool *needs, rt_tensor **out)
{
    rt_node *n = t->node;
    rt_status s = RT_OK;
    if (t->wanted && has_grad(t)) {
        s = prepare(run, t);
        if (s == RT_OK && find_needs(run, n, needs)) {
            s = rt__node_apply(run, n, t->grads, needs, out);
        }
    }
    if (s == RT_OK && !run->retain && t->wanted) {
        rt__node_free_saved(n);
    }
    drop_grads(t);
    for (int i = 0; i < n->nslots; i++) {
        rt_tensor *grad = out[i];
        out[i] = NULL;
        if (s == RT_OK && n->edges[i].node) {
            s = arrive(run, &n->edges[i], grad);
        } else {
            rt_release(grad);
        }
    }
    if (s == RT_OK) {
        task_finish(t);
    }
    return s;
}

/* A plain node of which nothing is asked but to hand its gradient on. */
static inline bool is_lean(const rt__run *run, const rt__task *t)
{
    return t->wanted && t->one && !t->target && !t->node->hooks
           && !run->create_graph;
}

/* What the node behind n keeps is on its way while n runs. */
static inline void look_ahead(const rt_node *n)
{
    const rt_node *next = n->edges[0].node;
    if (next && next->kind == RT_NODE_OP && next->plain && next->keeps) {
        __builtin_prefetch(next->kept->storage);
        __builtin_prefetch(next->kept->data);
    }
}

static rt_status run_lean(rt__run *run, rt__task *t)
{
    rt_node *n = t->node;
    rt_tensor *out[2] = {NULL, NULL};
    bool needs[2] = {false, false};
    rt_status s = RT_OK;
    look_ahead(n);
    if (find_needs(run, n, needs) &&
        !rt__plain_apply(run, n, &t->one, needs, out, &s)) {
        s = rt__node_apply(run, n, &t->one, needs, out);
    }
    if (s == RT_OK && !run->retain) {
        rt__plain_let_go(n);
    }
    rt_release(t->one);
    t->one = NULL;
    for (int i = 0; i < n->nslots; i++) {
        if (s == RT_OK && n->edges[i].node) {
            s = arrive(run, &n->edges[i], out[i]);
        } else {
            rt_release(out[i]);
        }
    }
    if (s == RT_OK) {
        task_finish(t);
    }
    return s;
}

#define FEW 8                 /* slots that need no memory of their own */

static rt_status run_node(rt__run *run, rt__task *t)
{
    bool few_needs[FEW], *needs = few_needs;
    rt_tensor *few_out[FEW], **out = few_out;
    size_t n = t->node->nslots;
    void *block = NULL;
    if (rt_interrupted()) {
        return interrupted(run);
    }
    if (t->node->plain && is_lean(run, t)) {
        return run_lean(run, t);
    }
    if (n > FEW) {
        out = block = rt_alloc(n * (sizeof *out + sizeof *needs));
        if (!block) {
            return rt_fail(run->err, RT_E_MEMORY, "backward: no memory");
        }
        needs = (bool *)(out + n);
    }
    memset(out, 0, n * sizeof *out);
    rt_status s = step(run, t, needs, out);
    rt_free(block);
    return s;
}

/* --- beginning ------------------------------------------------------------------- */

static rt_status no_history(rt_error *err, int i)
{
    rt_fail(err, RT_E_AUTOGRAD, "backward: output %d does not require a "
            "gradient: nothing it was computed from does, or it was computed "
            "inside no_grad()", i);
    rt_error_help(err, "make the parameters with requires_grad=True");
    return RT_E_AUTOGRAD;
}

/* The gradient to start with: the caller's, or one for a single element. */
static rt_status seed(rt_tensor **out, rt_tensor *output, rt_tensor *gradient,
                      rt_error *err)
{
    char a[64], b[64];
    rt__shape_format(a, sizeof a, output->ndim, output->shape);
    if (!gradient) {
        if (output->numel != 1) {
            rt_fail(err, RT_E_AUTOGRAD, "backward: the output has shape %s; a "
                    "gradient starts by itself only from one element", a);
            rt_error_help(err, "reduce it, for example with .sum() or .mean(), "
                          "or give gradient=");
            return RT_E_AUTOGRAD;
        }
        return rt__op1(RT_OP_ones_like, out, err, 1, RT_V_TENSOR(output));
    }
    if (!rt__same_shape(output, gradient)) {
        rt__shape_format(b, sizeof b, gradient->ndim, gradient->shape);
        rt_fail(err, RT_E_SHAPE, "backward: a gradient of shape %s for an "
                "output of shape %s", b, a);
        rt__error_shapes(err, gradient, output);
        return RT_E_SHAPE;
    }
    if (gradient->dtype != output->dtype) {
        return rt__op1(RT_OP_to, out, err, 2, RT_V_TENSOR(gradient),
                       RT_V_DTYPE(output->dtype));
    }
    *out = rt_retain(gradient);
    return RT_OK;
}

static rt_status start(rt__run *run, const rt__edge *root, rt_tensor *output,
                       rt_tensor *gradient)
{
    rt_tensor *grad = NULL;
    rt__task *t = task_of(run, root->node);
    rt_status s = t ? RT_OK : task_new(&t, run, root->node);
    if (s == RT_OK && !t->walked) {
        s = run->collecting ? walk(run, t) : walk_all(run, t);
    }
    if (s == RT_OK) {
        s = seed(&grad, output, gradient, run->err);
    }
    if (s == RT_OK) {
        s = rt__grad_add(&t->grads[root->output], grad, run->create_graph,
                         run->err);
    }
    return s;
}

static rt_status set_off(rt__run *run, const rt__edge *root)
{
    rt__task *t = task_of(run, root->node);
    if (t->deps > 0 || t->queued) {
        return RT_OK;
    }
    t->queued = true;
    return root->node->kind == RT_NODE_LEAF
               ? run_leaf(run, t) : make_ready(run, t);
}

static rt_status run_all(rt__run *run, const rt__edge *roots,
                         rt_tensor *const *outputs,
                         rt_tensor *const *gradients, int n)
{
    rt_status s = RT_OK;
    for (int i = 0; i < n && s == RT_OK; i++) {
        s = start(run, &roots[i], outputs[i], gradients ? gradients[i] : NULL);
    }
    for (int i = 0; i < n && s == RT_OK; i++) {
        s = set_off(run, &roots[i]);
    }
    for (rt__task *t; s == RT_OK && (t = take_ready(run));) {
        s = run_node(run, t);
    }
    return s;
}

static rt_status find_edges(rt__edge **out, rt_tensor *const *tensors, int n,
                            rt_error *err)
{
    rt__edge *edges = rt_alloc(sizeof *edges * (size_t)(n ? n : 1));
    rt_status s = RT_OK;
    if (!edges) {
        return rt_fail(err, RT_E_MEMORY, "backward: no memory");
    }
    memset(edges, 0, sizeof *edges * (size_t)n);
    for (int i = 0; i < n && s == RT_OK; i++) {
        s = rt__edge_of(&edges[i], tensors[i], err);
    }
    *out = edges;
    return s;
}

static void free_edges(rt__edge *edges, int n)
{
    for (int i = 0; edges && i < n; i++) {
        rt_node_release(edges[i].node);
    }
    rt_free(edges);
}

static rt_status set_targets(rt__run *run, const rt__edge *inputs, int n)
{
    rt_status s = RT_OK;
    run->ntargets = n;
    for (int i = 0; i < n && s == RT_OK; i++) {
        if (!inputs[i].node) {
            rt_fail(run->err, RT_E_AUTOGRAD, "gradients: input %d does not "
                    "require a gradient", i);
            rt_error_help(run->err, "set requires_grad before it is used");
            return RT_E_AUTOGRAD;
        }
        rt__task *t = task_of(run, inputs[i].node);
        if (!t) {
            s = task_new(&t, run, inputs[i].node);
        }
        if (s == RT_OK) {
            t->target = t->wanted = true;
            run->targets[i] = (rt__target){t, inputs[i].output};
        }
    }
    return s;
}

/* Both public functions: with `inputs`, gradients are collected in captured. */
static rt_status pass(rt__run *run, rt_tensor *const *outputs,
                      rt_tensor *const *gradients, int n,
                      rt_tensor *const *inputs, int ninputs)
{
    rt__edge *roots = NULL, *ends = NULL;
    bool before = rt_set_grad_enabled(run->create_graph);
    rt_status s = find_edges(&roots, outputs, n, run->err);
    for (int i = 0; i < n && s == RT_OK; i++) {
        s = roots[i].node ? RT_OK : no_history(run->err, i);
    }
    if (s == RT_OK) {
        s = find_edges(&ends, inputs, ninputs, run->err);
    }
    if (s == RT_OK) {
        s = set_targets(run, ends, ninputs);
    }
    if (s == RT_OK) {
        s = run_all(run, roots, outputs, gradients, n);
    }
    run_dispose(run);
    free_edges(roots, n);
    free_edges(ends, ninputs);
    rt_set_grad_enabled(before);
    return s;
}

/* --- the public face ------------------------------------------------------------- */

rt_status rt_backward(rt_tensor *const *outputs, rt_tensor *const *gradients,
                      int n, bool retain_graph, bool create_graph,
                      rt_error *err)
{
    rt_error unseen = {0};
    rt__run run = {.retain = retain_graph || create_graph,
                   .create_graph = create_graph, .err = err ? err : &unseen};
    return pass(&run, outputs, gradients, n, NULL, 0);
}

static rt_status check_used(const rt__run *run, bool allow_unused)
{
    for (int i = 0; i < run->ntargets && !allow_unused; i++) {
        if (!run->captured[i]) {
            rt_fail(run->err, RT_E_AUTOGRAD, "gradients: input %d was not used "
                    "to compute the outputs", i);
            rt_error_help(run->err, "leave it out, or allow_unused=True");
            return RT_E_AUTOGRAD;
        }
    }
    return RT_OK;
}

rt_status rt_gradients(rt_tensor **results, rt_tensor *const *outputs,
                       rt_tensor *const *gradients, int noutputs,
                       rt_tensor *const *inputs, int ninputs,
                       bool retain_graph, bool create_graph,
                       bool allow_unused, rt_error *err)
{
    rt_error unseen = {0};
    rt__run run = {.retain = retain_graph || create_graph, .collecting = true,
                   .create_graph = create_graph, .err = err ? err : &unseen};
    size_t each = sizeof *run.targets + sizeof *run.captured;
    run.targets = rt_alloc(each * (size_t)(ninputs ? ninputs : 1));
    if (!run.targets) {
        return rt_fail(err, RT_E_MEMORY, "gradients: no memory");
    }
    run.captured = (rt_tensor **)(run.targets + ninputs);
    memset(run.targets, 0, each * (size_t)ninputs);
    rt_status s = pass(&run, outputs, gradients, noutputs, inputs, ninputs);
    if (s == RT_OK) {
        s = check_used(&run, allow_unused);
    }
    for (int i = 0; i < ninputs; i++) {
        if (s == RT_OK) {
            results[i] = run.captured[i];
        } else {
            rt_release(run.captured[i]);
        }
    }
    rt_free(run.targets);
    return s;
}

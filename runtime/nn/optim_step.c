/* SPDX-License-Identifier: MIT
 * An optimizer's step over all its parameters. A step goes through more bytes
 * of elements than caches hold and finds no header there, so what tasks will
 * read is asked for some tasks ahead.
 */
#include "runtime/nn/optim.h"

#include "runtime/base/pool.h"

#include <string.h>

enum {
    CHUNK = 16384,      /* elements of one piece of work */
    FAR = 12, NEAR = 6, /* tasks ahead; what is NEAR hangs on what was FAR */
};

/* One parameter's update. The first line is what threads read that run it. */
typedef struct task {
    const rt__optim_rule *rule;
    int64_t n;
    void *data[RT_OPTIM_TENSORS];          /* of `copy` or else `tensor` */
    bool wide;                             /* float64 */
    float *step;                           /* count to raise, or NULL */
    rt_tensor *tensor[RT_OPTIM_TENSORS];   /* as the user sees them, owned but
                                              for the parameter: the group's */
    rt_tensor *copy[RT_OPTIM_TENSORS];     /* where loops can't walk those */
} task;

/* A step under way. */
typedef struct plan {
    rt_optimizer *o;
    task *tasks;
    rt__optim_rule *rules;     /* room for one for each task */
    int ntasks, nrules;
    bool counts, forked;
    rt_error *err;
} plan;

/* --- asking for headers ------------------------------------------------------ */

/* A header's numbers, and its shape. */
static void ask(const void *header)
{
    __builtin_prefetch(header);
    __builtin_prefetch((const char *)header + 64);
}

/* The headers that parameter i's task will read. */
static void ask_far(const rt__optim_group *g, int i)
{
    if (i < g->n) {
        ask(g->params[i]);
        ask((const char *)g->params[i] + 128);   /* often autograd's part */
        for (int k = 0; k < RT_OPTIM_STATES; k++) {
            __builtin_prefetch(g->state[i][k]);
        }
    }
}

static void ask_near(const rt__optim_group *g, int i)
{
    const rt_tensor *t;
    if (i < g->n && (t = rt_grad(g->params[i]))) {
        ask(t);
    }
    if (i < g->n && (t = g->state[i][0])) {
        __builtin_prefetch(t->data);
    }
}

/* --- preparing --------------------------------------------------------------- */

/* State k of parameter i, made when absent, borrowed. */
static rt_tensor *state_of(const plan *p, rt__optim_group *g, int i, int k,
                           double value)
{
    rt_tensor *t = g->state[i][k], *param = g->params[i];
    if (t) {
        return t;
    }
    rt_status st = k == 0 && p->counts
                       ? rt_tensor_new(&t, RT_FLOAT32, 0, NULL, p->err)
                       : rt__tensor_like(&t, param, rt_tensor_dtype(param),
                                         p->err);
    if (st || rt__fill_value(t, value, p->err)) {
        rt_release(t);
        return NULL;
    }
    return g->state[i][k] = t;
}

/* A copy that the element loops can walk: contiguous, float32 or float64. */
static rt_status walkable(rt_tensor **out, rt_tensor *t, rt_dtype want,
                          rt_error *err)
{
    rt_tensor *same;
    rt_status st = rt__op1(RT_OP_to, &same, err, 2, RT_V_TENSOR(t),
                           RT_V_DTYPE(want));
    if (!st) {
        st = rt__op1(RT_OP_contiguous, out, err, 1, RT_V_TENSOR(same));
        rt_release(same);
    }
    return st;
}

static rt_status take(const plan *p, task *t, int k, rt_tensor *tensor,
                      rt_dtype want)
{
    if (k != RT_JOB_GRAD && p->forked) {
        rt__own_storage(tensor);
    }
    t->tensor[k] = k == RT_JOB_PARAM ? tensor : rt_retain(tensor);
    if (tensor->numel != t->n) {
        return rt_fail(p->err, RT_E_SHAPE, "%s: a state has %lld elements, its "
                       "parameter %lld", p->o->kind->name,
                       (long long)tensor->numel, (long long)t->n);
    }
    if ((tensor->flags & RT_F_CONTIGUOUS) && tensor->dtype == want) {
        t->data[k] = tensor->data;
        return RT_OK;
    }
    rt_status st = walkable(&t->copy[k], tensor, want, p->err);
    t->data[k] = st ? NULL : t->copy[k]->data;
    return st;
}

/* The step count of parameter i, where there is one. */
static rt_status take_count(const plan *p, task *t, rt__optim_group *g, int i,
                            double *count)
{
    if (!p->counts) {
        *count = g->state[i][0] ? 2 : 1;
        return RT_OK;
    }
    rt_tensor *step = state_of(p, g, i, 0, 0);
    if (!step) {
        return RT_E_MEMORY;
    }
    if (step->dtype != RT_FLOAT32 || step->numel != 1) {
        return rt_fail(p->err, RT_E_TYPE, "%s: the state 'step' is not one "
                       "float32 number", p->o->kind->name);
    }
    t->step = (float *)step->data;
    *count = (double)*t->step + 1;
    return RT_OK;
}

/* Parameters of a group are usually at the same step: what options say about it
 * is worked out once. */
static const rt__optim_rule *rule_for(plan *p, const rt__optim_group *g,
                                      const rt__optim_rule *before,
                                      double count)
{
    if (before && before->count == count) {
        return before;
    }
    rt__optim_rule *r = &p->rules[p->nrules++];
    memset(r, 0, sizeof *r);
    r->count = count;
    p->o->kind->update(p->o, g, r);
    return r;
}

static rt_status check_gradient(const plan *p, const rt_tensor *param,
                                const rt_tensor *grad)
{
    if (rt__same_shape(param, grad)) {
        return RT_OK;
    }
    rt_fail(p->err, RT_E_SHAPE, "%s: a gradient has another shape than its "
            "parameter", p->o->kind->name);
    rt__error_shapes(p->err, param, grad);
    return RT_E_SHAPE;
}

static rt_status prepare(plan *p, task *t, const rt__optim_rule *before,
                         rt__optim_group *g, int i, rt_tensor *grad)
{
    rt_tensor *param = g->params[i];
    rt_dtype want = param->dtype == RT_FLOAT64 ? RT_FLOAT64 : RT_FLOAT32;
    double count = 0;
    memset(t, 0, sizeof *t);
    t->n = param->numel;
    t->wide = want == RT_FLOAT64;
    rt_status st;
    if ((st = check_gradient(p, param, grad))
        || (st = take_count(p, t, g, i, &count))
        || (st = take(p, t, RT_JOB_PARAM, param, want))
        || (st = take(p, t, RT_JOB_GRAD, grad, want))) {
        return st;
    }
    t->rule = rule_for(p, g, before, count);
    for (int k = p->counts; k < RT_OPTIM_STATES && !st; k++) {
        if (t->rule->wants[k]) {
            rt_tensor *s = state_of(p, g, i, k, t->rule->fill);
            st = s ? take(p, t, RT_JOB_STATE + k - p->counts, s, want)
                   : RT_E_MEMORY;
        }
    }
    return st;
}

static rt_status prepare_all(plan *p)
{
    rt_status st = RT_OK;
    for (int k = 0; k < p->o->ngroups && !st; k++) {
        rt__optim_group *g = &p->o->groups[k];
        const rt__optim_rule *before = NULL;
        for (int i = 0; i < FAR; i++) {
            ask_far(g, i);
        }
        for (int i = 0; i < g->n && !st; i++) {
            rt_tensor *grad = rt_grad(g->params[i]);
            ask_far(g, i + FAR);
            ask_near(g, i + NEAR);
            if (grad) {
                task *t = &p->tasks[p->ntasks++];
                st = prepare(p, t, before, g, i, grad);
                before = t->rule;
            }
        }
    }
    return st;
}

/* --- the elements -------------------------------------------------------------- */

typedef struct piece {
    const task *task;
    int64_t begin;
    bool done;
} piece;

static void run_pieces(void *ctx, int64_t begin, int64_t end)
{
    for (piece *p = (piece *)ctx + begin; p < (piece *)ctx + end; p++) {
        if (p->done) {
            continue;
        }
        const task *t = p->task;
        int64_t stop = p->begin + CHUNK;
        rt__optim_job j = t->rule->job;
        memcpy(j.data, t->data, sizeof j.data);
        t->rule->kernel[t->wide](&j, p->begin, stop < t->n ? stop : t->n);
        p->done = true;
    }
}

/* All elements of all tasks. What an interrupt left over is done here. */
static rt_status run_tasks(const plan *p)
{
    int64_t count = 0, at = 0;
    for (int i = 0; i < p->ntasks; i++) {
        count += (p->tasks[i].n + CHUNK - 1) / CHUNK;
    }
    piece *pieces = rt_alloc((size_t)(count + 1) * sizeof *pieces);
    if (!pieces) {
        return rt_fail(p->err, RT_E_MEMORY, "optimizer: no memory for a step");
    }
    for (int i = 0; i < p->ntasks; i++) {
        for (int64_t b = 0; b < p->tasks[i].n; b += CHUNK) {
            pieces[at++] = (piece){&p->tasks[i], b, false};
        }
    }
    if (!rt__parallel(count, 1, run_pieces, pieces)) {
        run_pieces(pieces, 0, count);
    }
    rt_free(pieces);
    return RT_OK;
}

/* --- finishing ----------------------------------------------------------------- */

/* Writes back where the work was done on a copy; marks what was written. */
static rt_status finish(const task *t, rt_error *err)
{
    rt_status st = RT_OK;
    for (int k = 0; k < RT_OPTIM_TENSORS && !st; k++) {
        if (k == RT_JOB_GRAD || !t->tensor[k]) {
            continue;
        }
        if (t->copy[k]) {
            st = rt__op0(RT_OP_copy_, err, 2, RT_V_TENSOR(t->tensor[k]),
                         RT_V_TENSOR(t->copy[k]));
        } else {
            rt__bump_version(t->tensor[k]);
        }
    }
    if (t->step) {
        *t->step += 1;
    }
    return st;
}

static void drop(task *t)
{
    for (int k = 0; k < RT_OPTIM_TENSORS; k++) {
        rt_release(k == RT_JOB_PARAM ? NULL : t->tensor[k]);
        rt_release(t->copy[k]);
    }
}

/* What finish and drop will write. */
static void ask_back(const plan *p, int i)
{
    for (int k = 0; k < RT_OPTIM_TENSORS && i + FAR < p->ntasks; k++) {
        __builtin_prefetch(p->tasks[i + FAR].tensor[k], 1);
    }
    for (int k = 0; k < RT_OPTIM_TENSORS && i + NEAR < p->ntasks; k++) {
        const rt_tensor *t = p->tasks[i + NEAR].tensor[k];
        if (t && k != RT_JOB_GRAD) {
            __builtin_prefetch(t->storage, 1);
        }
    }
    if (i + NEAR < p->ntasks) {
        __builtin_prefetch(p->tasks[i + NEAR].step, 1);
    }
}

static rt_status step(plan *p)
{
    rt_status st = prepare_all(p);
    st = st ? st : run_tasks(p);
    for (int i = 0; i < p->ntasks; i++) {
        ask_back(p, i);
        st = st ? st : finish(&p->tasks[i], p->err);
        drop(&p->tasks[i]);
    }
    return st;
}

rt_status rt_optimizer_step(rt_optimizer *o, rt_error *err)
{
    size_t n = 0;
    for (int g = 0; g < o->ngroups; g++) {
        n += (size_t)o->groups[g].n;
    }
    if (rt_interrupted()) {
        return rt_fail(err, RT_E_INTERRUPT, "%s: interrupted before the step",
                       o->kind->name);
    }
    plan p = {.o = o, .counts = rt__optim_counts(o), .err = err,
              .forked = rt__fork_count() > 0};
    p.tasks = rt_alloc(n * (sizeof *p.tasks + sizeof *p.rules));
    if (!p.tasks) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory for a step",
                       o->kind->name);
    }
    p.rules = (rt__optim_rule *)(p.tasks + n);
    bool was = rt_set_grad_enabled(false);
    rt_status st = step(&p);
    rt_set_grad_enabled(was);
    rt_free(p.tasks);
    return st;
}

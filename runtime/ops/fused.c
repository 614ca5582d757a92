/* SPDX-License-Identifier: MIT
 *
 * Chains of elementwise ops as one pass over memory: each piece of work goes
 * through all steps in blocks that stay in the first-level cache. The loops are
 * those of the single ops, found by asking each op's kernel step for its plan.
 */
#include "runtime/base/cpu.h"
#include "runtime/base/pool.h"
#include "runtime/ops/cpu/elementwise.h"
#include "runtime/ops/cpu/move.h"
#include "runtime/ops/op.h"

#include <pthread.h>
#include <string.h>

/* So few that a processor that looks ahead from the last step of one block
 * finds the loads of the next: steps that calculate and loads from memory then
 * pass side by side. All buffers together stay in the first-level cache. */
#define BLOCK_BYTES 1024
#define SLOTS 8         /* block buffers: numbers spread out, and results */
#define LAST_SLOT SLOTS /* of results on their way past the caches */
#define GRAIN 16384     /* elements a piece of parallel work, as in iterator.c */
#define OPERANDS (RT_ELEMENTWISE_INPUTS + 1)

/* --- which ops ------------------------------------------------------------- */

/* Kernel steps named as a float loop of elementwise.def run just that. */
static const char *const loops[] = {
#define EW1(name, i, f, d) #name,
#define EW1F(name, f, d) #name,
#define EW1W(name, f, d) #name,
#define EW1B(name, i, f)
#define EW2(name, i, f, d) #name,
#define EW2F(name, f, d) #name,
#define EW2X(name, i, d) #name,
#define EW2I(name, i)
#define EW2B(name, i, f)
#include "runtime/ops/cpu/elementwise.def"
    "sin", "cos", "tan",
};

static const char *const kernels[RT_OP_COUNT] = {
#define OP(id, schema, infer, kernel, gradient, doc) [RT_OP_##id] = #kernel,
#include "runtime/ops/ops.def"
#undef OP
};

static bool fusable[RT_OP_COUNT];
static pthread_once_t fusable_once = PTHREAD_ONCE_INIT;

static void find_fusable(void)
{
    for (int i = 0; i < RT_OP_COUNT; i++) {
        for (size_t k = 0; k < sizeof loops / sizeof *loops; k++) {
            fusable[i] |= strcmp(kernels[i], loops[k]) == 0;
        }
    }
}

bool rt_op_fusable(const rt_op *op)
{
    pthread_once(&fusable_once, find_fusable);
    return op && fusable[op->id];
}

/* --- a pass ---------------------------------------------------------------- */

/* Where elements lie: in a tensor, or in a block buffer. */
typedef struct place {
    char *data;
    int slot;
} place;

typedef struct stage {
    rt__elementwise_fn fn;      /* NULL: another stage has taken this one in */
    rt__ew ew;
    rt__params p;
    int n;                      /* operands */
    place at[OPERANDS];         /* the result first */
} stage;

typedef struct spread {         /* one number to fill a buffer with */
    rt__convert_fn convert;
    const char *from;
    int slot;
} spread;

typedef struct job {
    stage stages[RT_FUSED_STEPS];
    spread spreads[SLOTS];
    int nstages, nspreads;
    int64_t size, block;        /* of an element; elements of a block */
    char *past;                 /* where results go past the caches, or NULL */
} job;

/* Operands of each step at the next block, and what leads to the one after. */
typedef struct cursor {
    void *at[RT_FUSED_STEPS][OPERANDS];
    int64_t step[RT_FUSED_STEPS][OPERANDS];
} cursor;

static void place_operands(cursor *c, const job *j, char (*room)[BLOCK_BYTES],
                           int64_t begin)
{
    for (int i = 0; i < j->nstages; i++) {
        for (int k = 0; k < j->stages[i].n; k++) {
            const place *p = &j->stages[i].at[k];
            c->at[i][k] = p->data ? p->data + begin * j->size : room[p->slot];
            c->step[i][k] = p->data ? j->block * j->size : 0;
        }
    }
}

static void run_block(const job *j, cursor *c, int64_t n)
{
    for (int i = 0; i < j->nstages; i++) {
        const stage *s = &j->stages[i];
        s->fn(c->at[i], n, &s->p);
        for (int k = 0; k < s->n; k++) {
            c->at[i][k] = (char *)c->at[i][k] + c->step[i][k];
        }
    }
}

static void run_range(void *ctx, int64_t begin, int64_t end)
{
    const job *j = ctx;
    char room[SLOTS + 1][BLOCK_BYTES] __attribute__((aligned(64)));
    int64_t most = end - begin < j->block ? end - begin : j->block;
    cursor c;
    for (int i = 0; i < j->nspreads; i++) {
        const spread *s = &j->spreads[i];
        s->convert(room[s->slot], j->size, s->from, 0, most);
    }
    place_operands(&c, j, room, begin);
    for (int64_t at = begin; at < end; at += j->block) {
        int64_t n = end - at < j->block ? end - at : j->block;
        run_block(j, &c, n);
        if (j->past) {
            RT_ISA_TABLE(convert)->stream(j->past + at * j->size,
                                          room[LAST_SLOT], n * j->size);
        }
    }
    if (j->past) {
        rt__stream_end();
    }
}

/* --- preparing one --------------------------------------------------------- */

typedef struct number {         /* a wrapped number without a heap block */
    rt_tensor t;
    int64_t bits;
} number;

typedef struct chain {
    const rt_fused_step *steps;
    int nsteps;
    const rt_value *inputs;
    int ninputs;
    const rt_tensor *model;     /* has the result's shape and dtype */
    rt_tensor *tensor[RT_FUSED_INPUTS];  /* by input, NULL: no operand */
    place place[RT_FUSED_INPUTS];
    bool single[RT_FUSED_INPUTS], taken[RT_FUSED_INPUTS];
    number numbers[RT_FUSED_INPUTS];
    rt_tensor results[RT_FUSED_STEPS];   /* stand for what has no tensor */
    int slot[RT_FUSED_STEPS], last_use[RT_FUSED_STEPS];
    bool used[SLOTS];
    job job;
} chain;

static bool wrap(number *w, const rt_value *v)
{
    if (v->kind != RT_K_FLOAT && v->kind != RT_K_INT) {
        return false;
    }
    rt_dtype d = v->kind == RT_K_FLOAT ? RT_FLOAT64 : RT_INT64;
    w->t = (rt_tensor){.refs = 1, .dtype = (uint8_t)d, .numel = 1,
                       .flags = RT_F_WRAPPED | RT_F_CONTIGUOUS,
                       .data = (char *)&w->bits};
    memcpy(&w->bits, v->kind == RT_K_FLOAT ? (const void *)&v->f
                                           : (const void *)&v->i, 8);
    return true;
}

static bool usable(const rt_tensor *t, const rt_tensor *model, bool recording)
{
    return t->dtype == model->dtype && (t->flags & RT_F_CONTIGUOUS) &&
           !(recording && (t->flags & (RT_F_REQUIRES_GRAD | RT_F_UNTRACKED)));
}

/* The operands: all of one dtype, of the model's shape or single elements. */
static bool take_inputs(chain *c)
{
    bool recording = rt_grad_enabled();
    for (int i = 0; i < c->ninputs; i++) {
        const rt_tensor *t = c->inputs[i].kind == RT_K_TENSOR
                                 ? c->inputs[i].t : NULL;
        if (t && (!c->model || t->ndim > c->model->ndim ||
                  t->numel > c->model->numel)) {
            c->model = t;
        }
    }
    if (!c->model || c->model->numel < 2 ||
        (c->model->dtype != RT_FLOAT32 && c->model->dtype != RT_FLOAT64)) {
        return false;
    }
    for (int i = 0; i < c->ninputs; i++) {
        rt_tensor *t = c->inputs[i].kind == RT_K_TENSOR ? c->inputs[i].t
                                                        : NULL;
        if (!t) {
            continue;
        }
        c->single[i] = t->numel == 1 && t->ndim <= c->model->ndim;
        if (!usable(t, c->model, recording) ||
            (!c->single[i] && !rt__same_shape(t, c->model))) {
            return false;
        }
        c->tensor[i] = t;
        c->place[i].data = t->data;
    }
    return true;
}

static int free_slot(chain *c)
{
    for (int i = 0; i < SLOTS; i++) {
        if (!c->used[i]) {
            c->used[i] = true;
            return i;
        }
    }
    return -1;
}

/* Input i as an operand: single elements get a buffer, once. */
static bool operand(chain *c, int i)
{
    job *j = &c->job;
    if (c->taken[i]) {
        return true;
    }
    c->taken[i] = true;
    if (!c->tensor[i]) {
        if (!wrap(&c->numbers[i], &c->inputs[i])) {
            return false;
        }
        c->tensor[i] = &c->numbers[i].t;
        c->single[i] = true;
    }
    if (c->single[i]) {
        int slot = free_slot(c);
        rt_tensor *t = c->tensor[i];
        if (slot < 0) {
            return false;
        }
        c->place[i] = (place){NULL, slot};
        j->spreads[j->nspreads++] = (spread){
            RT_ISA_TABLE(convert)->fn[t->dtype][c->model->dtype], t->data,
            slot};
    }
    return true;
}

/* Argument values that are no operands: of their parameter's kind, or out. */
static bool plain(rt_value *v, const rt_param *p)
{
    switch (p->type) {
    case RT_T_FLOAT:
        if (v->kind == RT_K_INT) {
            *v = RT_V_FLOAT((double)v->i);
        }
        return v->kind == RT_K_FLOAT;
    case RT_T_SCALAR:
        return v->kind == RT_K_FLOAT || v->kind == RT_K_INT ||
               (v->kind == RT_K_NONE && p->optional);
    case RT_T_INT:
        return v->kind == RT_K_INT;
    case RT_T_STRING:
        return v->kind == RT_K_STRING || (v->kind == RT_K_NONE && p->optional);
    default:
        return false;
    }
}

/* Argument i of step k into *v. *wide: it has as many elements as the model. */
static bool argument(chain *c, int k, int i, const rt_param *p, rt_value *v,
                     bool *wide)
{
    const rt_fused_step *s = &c->steps[k];
    int from = i < s->nargs ? s->args[i] : RT_FUSED_DEFAULT;
    if (from == RT_FUSED_DEFAULT) {
        *v = p->value;
        return p->has_default;
    }
    if (from <= RT_FUSED_RESULT(0)) {
        *v = RT_V_TENSOR(&c->results[RT_FUSED_RESULT(from)]);
        *wide = true;
        return p->type == RT_T_TENSOR;
    }
    if (p->type == RT_T_TENSOR) {
        *v = RT_V_TENSOR(c->tensor[from]);
        *wide |= !c->single[from];
        return c->taken[from];
    }
    *v = c->inputs[from];
    return plain(v, p);
}

/* Where the operand that a plan names lies. */
static bool find(const chain *c, const rt_tensor *t, place *out)
{
    for (int i = 0; i < c->ninputs; i++) {
        if (c->taken[i] && c->tensor[i] == t) {
            *out = c->place[i];
            return true;
        }
    }
    if (t < c->results || t >= c->results + RT_FUSED_STEPS) {
        return false;
    }
    *out = (place){NULL, c->slot[t - c->results]};
    return true;
}

/* The loop of step k with its operands; its result's place is still open. */
static bool plan_step(chain *c, int k)
{
    const rt_op *op = c->steps[k].op;
    const rt_signature *sig = rt__op_signature(op);
    rt_error unseen;
    rt_value a[RT_MAX_ARGS], r = RT_V_TENSOR(&c->results[k]);
    rt__ew_plan plan = {.n = 0};
    rt__call call = {op, rt_op_name(op), a, &r, &unseen, &plan};
    bool wide = false;
    c->results[k] = (rt_tensor){.refs = 1, .dtype = c->model->dtype,
                                .ndim = c->model->ndim,
                                .flags = RT_F_CONTIGUOUS,
                                .numel = c->model->numel};
    for (int i = 0; i < sig->nparams; i++) {
        if (!argument(c, k, i, &sig->params[i], &a[i], &wide)) {
            return false;
        }
    }
    rt_error_clear(&unseen);
    bool ok = wide && op->kernel(&call) == RT_OK && plan.n > 0;
    rt_error_clear(&unseen);
    stage *s = &c->job.stages[k];
    s->fn = ok ? RT_ISA_TABLE(elementwise)->fn[plan.op][c->model->dtype]
               : NULL;
    s->ew = plan.op;
    s->p = plan.p;
    s->n = plan.n + 1;
    for (int i = 0; ok && i < plan.n; i++) {
        ok = find(c, plan.in[i], &s->at[i + 1]);
    }
    return s->fn && ok && plan.compute == (rt_dtype)c->model->dtype;
}

/* Who reads what. Numbers get their buffers before any result does: they are
 * filled once, for all blocks. */
static bool note_uses(chain *c, int k)
{
    const rt_fused_step *s = &c->steps[k];
    const rt_signature *sig = rt_op_fusable(s->op) ? rt__op_signature(s->op)
                                                   : NULL;
    bool ok = sig && s->nargs <= sig->nparams && s->nargs <= RT_FUSED_ARGS &&
              (!s->op->inplace || k == c->nsteps - 1);
    for (int i = 0; ok && i < s->nargs; i++) {
        int from = s->args[i];
        if (from <= RT_FUSED_RESULT(0)) {
            ok = RT_FUSED_RESULT(from) < k;
            if (ok) {
                c->last_use[RT_FUSED_RESULT(from)] = k;
            }
        } else if (from != RT_FUSED_DEFAULT) {
            ok = from < c->ninputs && (sig->params[i].type != RT_T_TENSOR ||
                                       operand(c, from));
        }
    }
    return ok;
}

/* Buffers whose last reader is step k may take its result. */
static bool place_result(chain *c, int k)
{
    for (int i = 0; i < k; i++) {
        if (c->last_use[i] == k) {
            c->used[c->slot[i]] = false;
        }
    }
    c->slot[k] = k == c->nsteps - 1 ? 0 : free_slot(c);
    c->job.stages[k].at[0] = (place){NULL, c->slot[k]};
    return c->slot[k] >= 0;
}

/* --- stages of one loop ---------------------------------------------------- */

/* Which operand of step k is the result of the step before, if nobody else
 * reads that; 0: none. */
static int from_before(const chain *c, int k)
{
    const stage *s = &c->job.stages[k];
    int found = 0;
    for (int i = 1; k > 0 && c->last_use[k - 1] == k && i < s->n; i++) {
        if (!s->at[i].data && s->at[i].slot == c->slot[k - 1]) {
            found = found ? -1 : i;   /* twice the same: no */
        }
    }
    return found > 0 ? found : 0;
}

/* Step k, one on explicit vectors, takes in the sum or product before it, and a
 * product before that sum. */
static void take_in(chain *c, int k)
{
    stage *s = &c->job.stages[k], *sum = s - 1, *product = s - 2;
    bool adds = k > 0 && sum->ew == RT_EW_add;
    if (s->n != 2 || !from_before(c, k) || (!adds && sum->ew != RT_EW_mul)) {
        return;
    }
    const rt__elementwise_table *t = RT_ISA_TABLE(elementwise);
    int at = adds && k > 1 && product->ew == RT_EW_mul ? from_before(c, k - 1)
                                                       : 0;
    rt__ew_first first = at ? RT_FIRST_MUL_ADD
                         : adds ? RT_FIRST_ADD : RT_FIRST_MUL;
    if (!t->after[first][s->ew]) {
        return;
    }
    s->fn = t->after[first][s->ew];
    s->n = at ? 4 : 3;
    s->at[1] = at ? product->at[1] : sum->at[1];
    s->at[2] = at ? product->at[2] : sum->at[2];
    sum->fn = NULL;
    if (at) {
        s->at[3] = sum->at[3 - at];   /* the term that is no product */
        product->fn = NULL;
    }
}

/* From the end on, and what is left closes up. */
static void join_stages(chain *c)
{
    job *j = &c->job;
    for (int k = c->nsteps - 1; c->model->dtype == RT_FLOAT32 && k > 0; k--) {
        if (j->stages[k].fn) {
            take_in(c, k);
        }
    }
    j->nstages = 0;
    for (int k = 0; k < c->nsteps; k++) {
        if (j->stages[k].fn) {
            j->stages[j->nstages++] = j->stages[k];
        }
    }
}

static bool prepare(chain *c)
{
    bool ok = take_inputs(c);
    for (int k = 0; ok && k < c->nsteps; k++) {
        ok = note_uses(c, k);
    }
    for (int k = 0; ok && k < c->nsteps; k++) {
        ok = plan_step(c, k) && place_result(c, k);
    }
    if (!ok) {
        return false;
    }
    join_stages(c);
    c->job.size = (int64_t)rt_dtype_size((rt_dtype)c->model->dtype);
    return true;
}

/* --- running it ------------------------------------------------------------ */

/* Whether all of self may be written while the others are read, block by
 * block. */
static bool writable(const chain *c, int self)
{
    const rt_tensor *t = self >= 0 && self < c->ninputs ? c->tensor[self]
                                                        : NULL;
    rt_error unseen;
    rt_error_clear(&unseen);
    if (!t || !t->storage || c->single[self] ||
        rt__check_writable(c->tensor[self], "", &unseen) != RT_OK) {
        rt_error_clear(&unseen);
        return false;
    }
    for (int i = 0; i < c->ninputs; i++) {
        const rt_tensor *other = c->tensor[i];
        if (other && other->storage == t->storage &&
            (c->single[i] || other->data != t->data)) {
            return false;
        }
    }
    return true;
}

/* What no cache holds until somebody reads it need not be read before it is
 * written. */
static bool goes_past(const chain *c, const rt_tensor *to)
{
    int64_t bytes = to->numel * c->job.size, all = bytes;
    for (int i = 0; i < c->ninputs; i++) {
        const rt_tensor *t = c->taken[i] ? c->tensor[i] : NULL;
        if (t && t->storage == to->storage) {
            return false;
        }
        all += t && !c->single[i] ? bytes : 0;
    }
    return (size_t)all > rt__cpu_info()->l3;
}

static rt_status pass(chain *c, rt_tensor *to, rt_error *err)
{
    job *j = &c->job;
    j->past = goes_past(c, to) ? to->data : NULL;
    bool buffers = j->nstages > 1 || j->nspreads || j->past;
    j->block = buffers ? BLOCK_BYTES / j->size : GRAIN;
    j->stages[j->nstages - 1].at[0] = (place){j->past ? NULL : to->data,
                                             LAST_SLOT};
    if (to->numel <= GRAIN) {
        run_range(j, 0, to->numel);
        return RT_OK;
    }
    return rt__parallel(to->numel, GRAIN, run_range, j)
               ? RT_OK
               : rt_fail(err, RT_E_INTERRUPT, "%s: interrupted",
                         rt_op_name(c->steps[c->nsteps - 1].op));
}

/* The last step writes into its first argument. Autograd notes the writer; it
 * has nothing to record, or the inputs would not have passed. */
static rt_status pass_in_place(chain *c, rt_tensor **out, rt_error *err)
{
    const rt_fused_step *last = &c->steps[c->nsteps - 1];
    int self = last->nargs ? last->args[0] : RT_FUSED_DEFAULT;
    if (!writable(c, self)) {
        return RT_OK;
    }
    rt_tensor *t = c->tensor[self];
    rt_value a[RT_MAX_ARGS] = {RT_V_TENSOR(t)}, r = RT_V_TENSOR(t);
    rt__call call = {last->op, rt_op_name(last->op), a, &r, err, NULL};
    void *record = NULL;
    rt_status s = rt__autograd ? rt__autograd->begin(&call, &record) : RT_OK;
    if (s != RT_OK) {
        return s;
    }
    s = pass(c, t, err);
    if (s == RT_OK) {
        rt__bump_version(t);
    }
    rt_status ended = rt__autograd ? rt__autograd->end(&call, record,
                                                       s == RT_OK) : RT_OK;
    s = s == RT_OK ? ended : s;
    *out = s == RT_OK ? rt_retain(t) : NULL;
    return s;
}

static rt_status pass_into_new(chain *c, rt_tensor **out, rt_error *err)
{
    rt_tensor *t;
    if (rt_tensor_new(&t, (rt_dtype)c->model->dtype, c->model->ndim,
                      c->model->shape, NULL) != RT_OK) {
        return RT_OK;    /* the single calls say what they lack */
    }
    rt_status s = pass(c, t, err);
    if (s == RT_OK) {
        *out = t;
    } else {
        rt_release(t);
    }
    return s;
}

rt_status rt_fused(const rt_fused_step *steps, int nsteps,
                   const rt_value *inputs, int ninputs, rt_tensor **out,
                   rt_error *err)
{
    rt_error unseen;
    if (!err) {
        rt_error_clear(&unseen);
        err = &unseen;
    }
    *out = NULL;
    if (nsteps < 1 || nsteps > RT_FUSED_STEPS || ninputs > RT_FUSED_INPUTS ||
        rt_interrupted() || rt_inference_mode()) {
        return RT_OK;
    }
    chain c;
    memset(&c, 0, offsetof(chain, numbers));
    c.steps = steps;
    c.nsteps = nsteps;
    c.inputs = inputs;
    c.ninputs = ninputs;
    memset(c.last_use, 0, sizeof c.last_use);
    memset(c.used, 0, sizeof c.used);
    c.job.nspreads = 0;
    if (!prepare(&c)) {
        return RT_OK;
    }
    return steps[nsteps - 1].op->inplace ? pass_in_place(&c, out, err)
                                         : pass_into_new(&c, out, err);
}

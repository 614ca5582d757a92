/* SPDX-License-Identifier: MIT
 * Attention: keys packed once, then blocks of rows, each a product, a softmax
 * and a product.
 */
#include "runtime/ops/cpu/attention.h"

#include <math.h>
#include <stdatomic.h>

#include "runtime/base/blocks.h"
#include "runtime/base/cpu.h"
#include "runtime/base/pool.h"
#include "runtime/ops/cpu/sgemm_kernels.h"
#include "runtime/ops/cpu/softmax.h"

enum { LEAST_ROWS = 16 };     /* fewer do not pay for the packing of keys */
enum { MOST_ROWS = 128, TASK_WORK = 1 << 20 };

static bool fits(const rt_tensor *t, const rt_tensor *q)
{
    bool same = t->dtype == RT_FLOAT32 && t->ndim == q->ndim && t->numel > 0;
    for (int d = 0; same && d < q->ndim - 2; d++) {
        same = t->shape[d] == q->shape[d];
    }
    return same && !(rt_grad_enabled() &&
                     (t->flags & (RT_F_REQUIRES_GRAD | RT_F_UNTRACKED)));
}

static bool mask_fits(const rt_tensor *t, const rt_tensor *q,
                      const rt_tensor *k)
{
    bool good = t->ndim <= q->ndim &&
                (t->dtype == RT_BOOL || t->dtype == RT_FLOAT32);
    for (int d = 0; good && d < t->ndim; d++) {
        int at = q->ndim - t->ndim + d;
        int64_t want = at == q->ndim - 1 ? k->shape[at - 1] : q->shape[at];
        good = t->shape[d] == 1 || t->shape[d] == want;
    }
    return good && !(rt_grad_enabled() &&
                     (t->flags & (RT_F_REQUIRES_GRAD | RT_F_UNTRACKED)));
}

bool rt__attention_suits(const rt__attention *a)
{
    return fits(a->q, a->q) && fits(a->k, a->q) && fits(a->v, a->q) &&
           a->q->shape[a->q->ndim - 2] >= LEAST_ROWS &&
           (!a->mask || mask_fits(a->mask, a->q, a->k));
}

/* Sizes as in the header; heads: all leading dimensions together. */
typedef struct job {
    const rt__attention *a;
    float *panels;               /* keys, `each` floats a head */
    float *out;
    int64_t heads, l, s, e, ev, each;
    int64_t rows, blocks;        /* of a block; in a head */
    const rt__sgemm_table *t;
    _Atomic bool failed;         /* no memory */
} job;

/* Elements from the data of t to head `head`; dimensions of 1 are repeated. */
static int64_t head_at(const rt_tensor *t, const rt_tensor *q, int64_t head)
{
    int64_t offset = 0;
    for (int d = q->ndim - 3; d >= 0; d--) {
        int own = d - (q->ndim - t->ndim);
        if (own >= 0 && t->shape[own] > 1) {
            offset += head % q->shape[d] * t->strides[own];
        }
        head /= q->shape[d];
    }
    return offset;
}

static int64_t stride_of(const rt_tensor *t, int from_end)
{
    int d = t->ndim - from_end;
    return d >= 0 && t->shape[d] > 1 ? t->strides[d] : 0;
}

static const float *floats_of(const rt_tensor *t, const rt_tensor *q,
                              int64_t head)
{
    return (const float *)t->data + head_at(t, q, head);
}

static void pack_range(void *ctx, int64_t begin, int64_t end)
{
    const job *j = ctx;
    const rt_tensor *k = j->a->k;
    int nr = j->t->nr;
    int64_t across = (j->s + nr - 1) / nr;
    for (int64_t i = begin; i < end; i++) {
        int64_t head = i / across, at = i % across * nr;
        int64_t left = j->s - at < nr ? j->s - at : nr, along = stride_of(k, 2);
        j->t->pack(j->panels + head * j->each + at * j->e, nr,
                   floats_of(k, j->a->q, head) + at * along, along,
                   stride_of(k, 1), left, j->e);
    }
}

/* A block of rows of one head: `ld` floats from one row of scores to the next,
 * `seen` keys of them. */
typedef struct part {
    int64_t head, row, rows, seen, ld;
    float *q, *scores;
} part;

static void scale_rows(const job *j, const part *p)
{
    const rt_tensor *q = j->a->q;
    const float *from = floats_of(q, q, p->head) + p->row * stride_of(q, 2);
    const int64_t down = stride_of(q, 2), across = stride_of(q, 1);
    const float scale = (float)j->a->scale;
    for (int64_t i = 0; i < p->rows; i++) {
        for (int64_t e = 0; e < j->e; e++) {
            p->q[i * j->e + e] = from[i * down + e * across] * scale;
        }
    }
}

static void scores_of(const job *j, const part *p)
{
    const int64_t nr = j->t->nr;
    const float *panel = j->panels + p->head * j->each;
    rt__matrix a = {p->q, j->e, 1};
    for (int64_t at = 0; at < p->seen && !rt_interrupted(); at += nr) {
        rt__matrix b = {panel + at * j->e, nr, 1};
        j->t->direct(p->rows, p->seen - at < nr ? p->seen - at : nr, j->e, a, b,
                     p->scores + at, p->ld, NULL, 0);
    }
}

/* Row `row` of the mask, laid over its scores. */
static void mask_row(const job *j, int64_t head, int64_t row, float *scores)
{
    const rt_tensor *m = j->a->mask;
    int64_t step = stride_of(m, 1);
    int64_t at = head_at(m, j->a->q, head) + row * stride_of(m, 2);
    for (int64_t i = 0; i < j->s; i++, at += step) {
        if (m->dtype == RT_FLOAT32) {
            scores[i] += ((const float *)m->data)[at];
        } else if (!((const uint8_t *)m->data)[at]) {
            scores[i] = -INFINITY;
        }
    }
}

static void soften(const job *j, const part *p)
{
    const rt__softmax_fns *fns = rt__softmax_fns_of(RT_FLOAT32);
    if (!j->a->causal && !j->a->mask && p->ld == p->seen) {
        fns->rows(p->scores, p->scores, p->rows, p->seen, false, 1);
        return;
    }
    for (int64_t i = 0; i < p->rows; i++) {
        float *row = p->scores + i * p->ld;
        int64_t n = p->seen;
        if (j->a->mask) {
            mask_row(j, p->head, p->row + i, row);
        } else if (j->a->causal && p->row + i + 1 < n) {
            n = p->row + i + 1;
        }
        fns->rows(row, row, 1, n, false, 1);
        for (; n < p->seen; n++) {
            row[n] = 0;
        }
    }
}

/* Rows of scores that lie a multiple of 4 KiB apart would share few places in
 * the first-level cache. */
static int64_t apart(int64_t seen)
{
    return seen < 128 ? seen : (seen + 31) / 32 * 32 + 16;
}

static void run_part(const job *j, part *p)
{
    const rt_tensor *v = j->a->v;
    scale_rows(j, p);
    scores_of(j, p);
    if (rt_interrupted()) {
        return;
    }
    soften(j, p);
    rt__matrix a = {p->scores, p->ld, 1};
    rt__matrix b = {floats_of(v, j->a->q, p->head), stride_of(v, 2),
                    j->ev > 1 ? stride_of(v, 1) : 1};
    j->t->direct(p->rows, j->ev, p->seen, a, b,
                 j->out + (p->head * j->l + p->row) * j->ev, j->ev, NULL, 0);
}

static void run_range(void *ctx, int64_t begin, int64_t end)
{
    job *j = ctx;
    size_t floats = (size_t)(j->rows * (apart(j->s) + j->e));
    float *room = rt_alloc(floats * sizeof *room);
    j->failed |= !room;
    for (int64_t i = begin; room && i < end && !j->failed; i++) {
        part p = {.head = i / j->blocks, .row = i % j->blocks * j->rows,
                  .seen = j->s, .q = room, .scores = room + j->rows * j->e};
        p.rows = j->l - p.row < j->rows ? j->l - p.row : j->rows;
        if (j->a->causal && p.row + p.rows < j->s) {
            p.seen = p.row + p.rows;
        }
        p.ld = apart(p.seen);
        run_part(j, &p);
    }
    rt_free(room);
}

/* Blocks of about the same height whose scores fill a third of the cache. */
static void cut(job *j)
{
    const int64_t mr = j->t->mr;
    int64_t most = (int64_t)rt__cpu_info()->l2 / 3 / (apart(j->s) * 4);
    most = most > MOST_ROWS ? MOST_ROWS : most < mr ? mr : most;
    j->blocks = (j->l + most - 1) / most;
    j->rows = (j->l + j->blocks - 1) / j->blocks;
    j->rows = (j->rows + mr - 1) / mr * mr;
    j->blocks = (j->l + j->rows - 1) / j->rows;
}

rt_status rt__attention_run(const rt__attention *a, rt_tensor *out,
                            const char *name, rt_error *err)
{
    const int n = a->q->ndim;
    job j = {.a = a, .out = (float *)out->data, .l = a->q->shape[n - 2],
             .e = a->q->shape[n - 1], .s = a->k->shape[n - 2],
             .ev = a->v->shape[n - 1], .t = RT_ISA_TABLE(sgemm)};
    int64_t across = (j.s + j.t->nr - 1) / j.t->nr;
    j.heads = a->q->numel / (j.l * j.e);
    j.each = across * j.t->nr * j.e;
    cut(&j);
    j.panels = rt__alloc_whole((size_t)(j.heads * j.each) * sizeof *j.panels);
    double work = (double)j.rows * (double)j.s * (double)(j.e + j.ev);
    int64_t grain = (int64_t)(TASK_WORK / work) + 1;
    bool whole = j.panels &&
                 rt__parallel(j.heads * across, 8192 / (j.e * j.t->nr) + 1,
                              pack_range, &j) &&
                 rt__parallel(j.heads * j.blocks, grain, run_range, &j) &&
                 !rt_interrupted();            /* nor within a block */
    rt_free(j.panels);
    if (!j.panels || j.failed) {
        return rt_fail(err, RT_E_MEMORY, "%s: not enough memory for the keys "
                       "and some rows of scores", name);
    }
    return whole ? RT_OK : rt_fail(err, RT_E_INTERRUPT, "%s: interrupted", name);
}

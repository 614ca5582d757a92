/* SPDX-License-Identifier: MIT
 * One direction of a recurrent layer, forward and backward through time. The
 * weights are packed once; each share of the batch's rows then runs alone.
 */
#include "runtime/ops/cpu/recurrent.h"

#include "runtime/base/pool.h"
#include "runtime/core/tensor.h"
#include "runtime/ops/cpu/sgemm_kernels.h"

/* A product C[rows, n] = A[rows, k] B[k, n], B in panels. */
typedef struct factor {
    const float *panels;
    int64_t k, n;
} factor;

typedef struct job {
    const rt__recurrent *r;
    const rt__recurrent_grads *d;
    const rt__sgemm_table *t;
    const rt__cell_fns *cell;
    factor main;             /* forward: all gates but a GRU's n; backward: all */
    factor new;              /* GRU, forward: n */
    float *scratch;          /* panels of A, `each` floats a share */
    int64_t each, share;     /* rows of a share */
} job;

static int64_t quotient(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Rows of A are packed in groups of one height, then each panel of B meets all
 * groups. */
static void multiply(const job *j, const factor *f, int64_t rows, const float *a,
                     int64_t lda, float *c, int64_t ldc, const float *plus,
                     int64_t ldp, float *scratch)
{
    int64_t mr = j->t->mr, nr = j->t->nr, groups = quotient(rows, mr);
    int64_t height = quotient(rows, groups);
    for (int64_t i = 0; i < groups; i++) {
        int64_t left = rows - i * height;
        j->t->pack(scratch + i * mr * f->k, (int)mr, a + i * height * lda, lda,
                   1, left < height ? left : height, f->k);
    }
    for (int64_t x = 0; x < f->n; x += nr) {
        int w = (int)(f->n - x < nr ? f->n - x : nr);
        for (int64_t i = 0; i < groups; i++) {
            int64_t left = rows - i * height;
            j->t->tile((int)(left < height ? left : height), w, f->k,
                       scratch + i * mr * f->k, f->panels + x * f->k,
                       c + i * height * ldc + x, ldc,
                       plus ? plus + i * height * ldp + x : NULL, ldp);
        }
    }
}

/* Where step s of row `row` has its parts. */
static rt__cell_row row_at(const rt__recurrent *r, int64_t s, int64_t row)
{
    int64_t n = r->hidden, all = r->batch * n, gates = r->per_unit;
    int64_t t = r->reverse ? r->steps - 1 - s : s;
    int64_t before = r->reverse ? t + 1 : t - 1, at = row * n;
    return (rt__cell_row){
        .gates = r->gates + t * all * gates + at * gates,
        .product = r->product ? r->product + t * all + at : NULL,
        .h = r->h + t * all + at,
        .c = r->c ? r->c + t * all + at : NULL,
        .h_before = s ? r->h + before * all + at : r->h0 + at,
        .c_before = !r->c ? NULL : s ? r->c + before * all + at : r->c0 + at,
    };
}

/* The row after r, a step's rows lying one behind the other. */
static void next_row(rt__cell_row *r, int64_t n, int64_t gates)
{
    r->gates += n * gates;
    r->product = r->product ? r->product + n : NULL;
    r->h += n;
    r->c = r->c ? r->c + n : NULL;
    r->h_before += n;
    r->c_before = r->c_before ? r->c_before + n : NULL;
}

/* --- forward ------------------------------------------------------------------------ */

static void step_forward(const job *j, int64_t s, int64_t row, int64_t rows,
                         float *scratch)
{
    const rt__recurrent *r = j->r;
    int64_t n = r->hidden, gates = r->per_unit;
    rt__cell_row at = row_at(r, s, row);
    multiply(j, &j->main, rows, at.h_before, n, at.gates, n * gates, at.gates,
             n * gates, scratch);
    if (r->product) {
        multiply(j, &j->new, rows, at.h_before, n, at.product, n, r->b, 0,
                 scratch);
    }
    for (int64_t i = 0; i < rows; i++, next_row(&at, n, gates)) {
        j->cell->run(n, &at);
    }
}

static void forward_range(void *ctx, int64_t begin, int64_t end)
{
    const job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        int64_t row = i * j->share, left = j->r->batch - row;
        int64_t rows = left < j->share ? left : j->share;
        for (int64_t s = 0; s < j->r->steps && !rt_interrupted(); s++) {
            step_forward(j, s, row, rows, j->scratch + i * j->each);
        }
    }
}

/* --- backward ----------------------------------------------------------------------- */

/* Rows of one gradient, one behind the other. */
static rt__cell_grads grads_at(const job *j, const rt__cell_row *at, int64_t row)
{
    const rt__recurrent *r = j->r;
    const rt__recurrent_grads *d = j->d;
    int64_t h = at->h - r->h, g = at->gates - r->gates, n = r->hidden;
    return (rt__cell_grads){
        .g = d->g ? d->g + h : NULL,
        .gh = d->gh + row * n,
        .gc = d->gc ? d->gc + row * n : NULL,
        .dx = d->dx + g,
        .dh = d->dh ? d->dh + g : NULL,
    };
}

static void step_back(const job *j, int64_t s, int64_t row, int64_t rows,
                      float *scratch)
{
    const rt__recurrent *r = j->r;
    int64_t n = r->hidden, gates = r->per_unit;
    rt__cell_row at = row_at(r, s, row), one = at;
    for (int64_t i = 0; i < rows; i++, next_row(&one, n, gates)) {
        rt__cell_grads d = grads_at(j, &one, row + i);
        j->cell->back(n, &one, &d);
    }
    rt__cell_grads d = grads_at(j, &at, row);
    multiply(j, &j->main, rows, d.dh ? d.dh : d.dx, n * gates, d.gh, n,
             d.dh ? d.gh : NULL, n, scratch);
}

static void back_range(void *ctx, int64_t begin, int64_t end)
{
    const job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        int64_t row = i * j->share, left = j->r->batch - row;
        int64_t rows = left < j->share ? left : j->share;
        for (int64_t s = j->r->steps; s-- > 0 && !rt_interrupted();) {
            step_back(j, s, row, rows, j->scratch + i * j->each);
        }
    }
}

/* --- both --------------------------------------------------------------------------- */

static rt_status pack_factor(factor *f, const rt__sgemm_table *t, const float *w,
                             int64_t along, int64_t deep, int64_t n, int64_t k,
                             const char *name, rt_error *err)
{
    int64_t columns = quotient(n, t->nr) * t->nr;
    float *panels = rt_alloc((size_t)(columns * k) * sizeof *panels + 64);
    if (!panels) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory for packed weights",
                       name);
    }
    t->pack(panels, t->nr, w, along, deep, n, k);
    *f = (factor){panels, k, n};
    return RT_OK;
}

static rt_status run_shares(job *j, rt__range_fn fn, int64_t k, const char *name,
                            rt_error *err)
{
    int64_t threads = rt_num_threads(), batch = j->r->batch;
    j->share = quotient(batch, threads > 1 ? threads : 1);
    int64_t shares = quotient(batch, j->share);
    j->each = quotient(j->share, j->t->mr) * j->t->mr * k;
    j->scratch = rt_alloc((size_t)(shares * j->each) * sizeof *j->scratch);
    if (!j->scratch) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory", name);
    }
    bool whole = rt__parallel(shares, 1, fn, j) && !rt_interrupted();
    rt_free(j->scratch);
    return whole ? RT_OK : rt_fail(err, RT_E_INTERRUPT, "%s: interrupted", name);
}

rt_status rt__recurrent_run(const rt__recurrent *r, const char *name,
                            rt_error *err)
{
    job j = {.r = r, .t = RT_ISA_TABLE(sgemm),
             .cell = &RT_ISA_TABLE(cells)->of[r->cell]};
    int64_t n = r->hidden, early = r->product ? 2 : r->per_unit;
    rt_status st = pack_factor(&j.main, j.t, r->w, n, 1, early * n, n, name, err);
    if (!st && r->product) {
        st = pack_factor(&j.new, j.t, r->w + early * n * n, n, 1, n, n, name,
                         err);
    }
    st = st ? st : run_shares(&j, forward_range, n, name, err);
    rt_free((void *)j.main.panels);
    rt_free((void *)j.new.panels);
    return st;
}

rt_status rt__recurrent_back(const rt__recurrent *r,
                             const rt__recurrent_grads *d, const char *name,
                             rt_error *err)
{
    job j = {.r = r, .d = d, .t = RT_ISA_TABLE(sgemm),
             .cell = &RT_ISA_TABLE(cells)->of[r->cell]};
    int64_t n = r->hidden, deep = r->per_unit * n;
    rt_status st = pack_factor(&j.main, j.t, r->w, 1, n, n, deep, name, err);
    st = st ? st : run_shares(&j, back_range, deep, name, err);
    rt_free((void *)j.main.panels);
    return st;
}

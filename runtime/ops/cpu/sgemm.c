/* SPDX-License-Identifier: MIT
 * Our own float32 matrix product: small ones straight from memory, large ones
 * over panels packed for the caches, products with a vector row by row. Blocks
 * and pieces are cut by shape alone; a sum runs over k in one fixed order.
 */
#include "runtime/ops/cpu/gemm.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/blocks.h"
#include "runtime/base/pool.h"
#include "runtime/ops/cpu/sgemm_kernels.h"

/* Products of at most this many multiplications are not packed, more of them
 * where rows of both factors are dense; those above SERIAL are shared between
 * threads. */
enum { DIRECT = 96 * 96 * 96, DENSE = 512 * 512 * 512, SERIAL = 40 * 40 * 40 };
enum { MOST_DEPTH = 16384 };   /* so that a piece of a direct one ends soon */
enum { SMALL_DEPTH = 64 };   /* of a vector's product among many */
enum { HEAD_START = 4096 };   /* multiplications ahead of a second thread */
enum { LEAST_WORK = 1 << 14 };   /* of a piece */
enum { DIRECT_ROWS = 16, FEW_ROWS = 64, MANY_ROWS = 256, DIRECT_COLUMNS = 128 };
enum { PANEL_COLUMNS = 32, PACKING_ROWS = 128 };
/* Where k is no longer, writing C is most of the work. */
enum { OUTER_DEPTH = 4, SHALLOW = 16, OUTER_ROWS = 8 };
/* Products of a vector of at least twice this length are sums of pieces, where
 * there are not as many rows as the kernel takes at once. */
enum { DEEP = 32768, DEEP_PIECES = 64, DEEP_ROWS = 3 };
/* Panels of B that are packed at once: longer runs of memory. */
enum { B_GROUP = 4 };
enum { LEAST_PIECE = 1 << 19, MOST_PIECE = 8 << 20, PIECES = 32 };

bool rt__gemm_suits(const rt__gemm *g)
{
    return g->ccs == 1 || g->n == 1 || g->crs == 1 || g->m == 1;
}

bool rt__gemm_own(const rt__gemm *g)
{
    static atomic_int choice;
    int c = atomic_load_explicit(&choice, memory_order_relaxed);
    if (!c) {
        const char *wanted = getenv("RT_GEMM");
        c = wanted && strcmp(wanted, "blas") == 0 ? 2 : 1;
        atomic_store_explicit(&choice, c, memory_order_relaxed);
    }
    return c == 1 && g->dtype == RT_FLOAT32 && rt__gemm_suits(g);
}

/* The same product with C's rows dense: C^T = B^T A^T where they are not. */
static rt__gemm dense_rows(const rt__gemm *g)
{
    rt__gemm t = *g;
    if (g->ccs == 1 || g->n == 1) {
        return t;
    }
    rt__gemm_start(&t);
    t.m = g->n, t.n = g->m;
    t.a = g->b, t.ars = g->bcs, t.acs = g->brs;
    t.b = g->a, t.brs = g->acs, t.bcs = g->ars;
    t.crs = g->ccs, t.ccs = 1;
    return t;
}

static int64_t quotient(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t within(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

/* --- packed -------------------------------------------------------------- */

typedef struct block {
    const rt__gemm *g;
    const rt__sgemm_table *t;
    float *a, *b;                      /* panels */
    int64_t i, j, p, m, n, k;          /* where it begins, its sizes */
    int64_t a_panels, b_panels;
    bool pack_b;
    int64_t rows, columns, across;   /* panels in a piece; pieces in a row */
} block;

static void pack_range(void *ctx, int64_t begin, int64_t end)
{
    const block *d = ctx;
    const rt__gemm *g = d->g;
    for (int64_t x = begin; x < end; x++) {
        if (x < d->a_panels) {
            int64_t at = x * d->t->mr;
            d->t->pack(d->a + at * d->k, d->t->mr,
                       (const float *)g->a + (d->i + at) * g->ars +
                           d->p * g->acs,
                       g->ars, g->acs, within(d->m - at, 0, d->t->mr), d->k);
        } else {
            int64_t at = (x - d->a_panels) * d->t->nr * B_GROUP;
            d->t->pack(d->b + at * d->k, d->t->nr,
                       (const float *)g->b + (d->j + at) * g->bcs +
                           d->p * g->brs,
                       g->bcs, g->brs,
                       within(d->n - at, 0, d->t->nr * B_GROUP), d->k);
        }
    }
}

/* What a tile of C at row i, column j is added to, and how far apart its rows
 * are. */
static const float *addend(const rt__gemm *g, int64_t p, const float *c,
                           int64_t j, int64_t *step)
{
    bool add = g->accumulate || p > 0;
    *step = add ? g->crs : 0;
    return add ? c : g->bias ? (const float *)g->bias + j : NULL;
}

/* Pieces in a row of pieces share rows of A. An interrupt is looked for before
 * each tile: where C has never been touched, those below each other may cost a
 * cleared huge page each. */
static void multiply_piece(const block *d, int64_t piece)
{
    const rt__gemm *g = d->g;
    int64_t i0 = piece / d->across * d->rows;
    int64_t j0 = piece % d->across * d->columns, step;
    int64_t i1 = within(i0 + d->rows, 0, d->a_panels);
    int64_t j1 = within(j0 + d->columns, 0, d->b_panels);
    int mr = d->t->mr, nr = d->t->nr;
    for (int64_t j = j0; j < j1 && !rt_interrupted(); j++) {
        int w = (int)within(d->n - j * nr, 0, nr);
        for (int64_t i = i0; i < i1 && !rt_interrupted(); i++) {
            int h = (int)within(d->m - i * mr, 0, mr);
            float *c = (float *)g->c + (d->i + i * mr) * g->crs + d->j + j * nr;
            const float *plus = addend(g, d->p, c, d->j + j * nr, &step);
            d->t->tile(h, w, d->k, d->a + i * mr * d->k, d->b + j * nr * d->k,
                       c, g->crs, plus, step);
        }
    }
}

static void multiply_range(void *ctx, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++) {
        multiply_piece(ctx, i);
    }
}

/* Pieces whose rows of A stay in L2, about PIECES of them. */
static void cut_pieces(block *d, int64_t l2_rows)
{
    int64_t tile = (int64_t)d->t->mr * d->t->nr * d->k;
    int64_t all = tile * d->a_panels * d->b_panels;
    int64_t want = within(all / PIECES, LEAST_PIECE, MOST_PIECE);
    d->rows = quotient(d->a_panels,
                       quotient(d->a_panels, within(l2_rows, 1, d->a_panels)));
    d->columns = within(want / (d->rows * tile), 1, d->b_panels);
    d->columns = quotient(d->b_panels, quotient(d->b_panels, d->columns));
    int64_t across = quotient(d->b_panels, d->columns);
    if (across * quotient(d->a_panels, d->rows) < PIECES / 2) {
        int64_t most = quotient(PIECES / 2, across);
        int64_t fit = quotient(all / across, LEAST_PIECE);
        d->rows = quotient(d->a_panels, within(fit, 1, most));
    }
    d->across = quotient(d->b_panels, d->columns);
}

static bool multiply_block(block *d, int64_t l2_rows)
{
    d->a_panels = quotient(d->m, d->t->mr);
    d->b_panels = quotient(d->n, d->t->nr);
    cut_pieces(d, l2_rows);
    int64_t panels = d->a_panels +
                     (d->pack_b ? quotient(d->b_panels, B_GROUP) : 0);
    return rt__parallel(panels, 8192 / (d->k * d->t->nr) + 1, pack_range, d) &&
           rt__parallel(d->across * quotient(d->a_panels, d->rows), 1,
                        multiply_range, d);
}

/* Sizes of blocks: a panel of B in twice L1, a piece of A in half of L2, the
 * packed block of B in a part of L3. */
typedef struct blocking {
    int64_t m, n, k, l2_rows;
} blocking;

static blocking blocking_of(const rt__gemm *g, const rt__sgemm_table *t)
{
    const rt__cpu *cpu = rt__cpu_info();
    blocking b;
    b.k = within((int64_t)cpu->l1d * 2 / (t->nr * 4), 128, 512);
    b.k = quotient(quotient(g->k, quotient(g->k, b.k)), 16) * 16;
    b.l2_rows = within((int64_t)cpu->l2 / 2 / (b.k * 4 * t->mr), 1, 256);
    int64_t most = within((int64_t)cpu->l3 / 8 / (b.k * 4), 1024, 4096);
    b.n = quotient(quotient(g->n, quotient(g->n, most)), t->nr) * t->nr;
    b.m = quotient(quotient(g->m, quotient(g->m, most)), t->mr) * t->mr;
    return b;
}

static rt_status packed(const rt__gemm *g, const char *name, rt_error *err)
{
    const rt__sgemm_table *t = RT_ISA_TABLE(sgemm);
    blocking b = blocking_of(g, t);
    float *panels = rt__alloc_whole((size_t)((b.m + b.n) * b.k) *
                                    sizeof *panels);
    if (!panels) {
        return rt_fail(err, RT_E_MEMORY,
                       "%s: not enough memory to pack %lld x %lld x %lld", name,
                       (long long)g->m, (long long)g->k, (long long)g->n);
    }
    bool whole = true;
    for (int64_t j = 0; whole && j < g->n; j += b.n) {
        for (int64_t p = 0; whole && p < g->k; p += b.k) {
            for (int64_t i = 0; whole && i < g->m; i += b.m) {
                block d = {.g = g, .t = t, .a = panels + b.n * b.k,
                           .b = panels, .i = i, .j = j, .p = p,
                           .m = within(g->m - i, 0, b.m),
                           .n = within(g->n - j, 0, b.n),
                           .k = within(g->k - p, 0, b.k), .pack_b = i == 0};
                whole = multiply_block(&d, b.l2_rows);
            }
        }
    }
    rt_free(panels);
    return whole ? RT_OK
                 : rt_fail(err, RT_E_INTERRUPT, "%s: interrupted", name);
}

/* --- direct -------------------------------------------------------------- */

static void direct_part(const rt__gemm *g, int64_t i, int64_t m, int64_t j,
                        int64_t n)
{
    rt__matrix a = {(const float *)g->a + i * g->ars, g->ars, g->acs};
    rt__matrix b = {(const float *)g->b + j * g->bcs, g->brs, g->bcs};
    float *c = (float *)g->c + i * g->crs + j;
    int64_t step;
    const float *plus = addend(g, 0, c, j, &step);
    RT_ISA_TABLE(sgemm)->direct(m, n, g->k, a, b, c, g->crs, plus, step);
}

static void direct_rows(void *ctx, int64_t begin, int64_t end)
{
    const rt__gemm *g = ctx;
    direct_part(g, begin, end - begin, 0, g->n);
}

static void direct_columns(void *ctx, int64_t begin, int64_t end)
{
    const rt__gemm *g = ctx;
    direct_part(g, 0, g->m, begin, end - begin);
}

/* How many rows are a piece. Few rows are one piece for each of two threads;
 * the caller's is larger, as the other begins later. */
static int64_t piece_rows(const rt__gemm *g, double work)
{
    int64_t least = LEAST_WORK / (g->n * g->k) + 1;
    if (g->k <= OUTER_DEPTH && g->n >= MANY_ROWS) {
        return OUTER_ROWS;
    }
    if (g->bcs != 1) {    /* each piece packs B */
        return within(quotient(g->m, 2), 1, PACKING_ROWS);
    }
    if (work <= DIRECT && g->m <= FEW_ROWS && rt_num_threads() == 2) {
        return (g->m + 1) / 2 + HEAD_START / (g->n * g->k);
    }
    if (g->m < 2 * DIRECT_ROWS) {
        return (g->m + 1) / 2;
    }
    return within(g->m < MANY_ROWS ? DIRECT_ROWS : 2 * DIRECT_ROWS, least,
                  g->m);
}

/* Where columns of B are packed each piece has its own of them; where there are
 * few rows B is read only once. */
static bool direct(rt__gemm *g, double work)
{
    if (work <= SERIAL) {
        direct_part(g, 0, g->m, 0, g->n);
        return true;
    }
    if (g->bcs != 1 && g->n > PANEL_COLUMNS) {
        return rt__parallel(g->n, PANEL_COLUMNS, direct_columns, g);
    }
    bool flat = g->k > OUTER_DEPTH && g->k <= SHALLOW && g->m >= MANY_ROWS &&
                g->n >= MANY_ROWS;
    if (g->n >= DIRECT_COLUMNS && (flat || g->m <= 2 * DIRECT_ROWS)) {
        return rt__parallel(g->n, DIRECT_COLUMNS / 2, direct_columns, g);
    }
    return rt__parallel(g->m, piece_rows(g, work), direct_rows, g);
}

/* Whether to take a product as it is: a small one; one where A stays in L2
 * while panels of B are packed, or B is a single panel; or one with dense rows
 * of B, and rows or columns of A. B is read again for each MR rows, so where it
 * is deep either they are few or it stays near. */
static bool is_direct(const rt__gemm *g, double work)
{
    bool few = g->m <= 2 * DIRECT_ROWS;
    size_t l2 = rt__cpu_info()->l2;
    if ((work > DENSE && !few) || g->k > MOST_DEPTH) {
        return false;
    }
    if (g->bcs != 1 && g->acs == 1) {
        return g->n <= PANEL_COLUMNS ||
               (size_t)(g->m * g->k) * sizeof(float) <= l2 / 2;
    }
    if (g->k <= RT_SGEMM_DIRECT_DEPTH && work <= DIRECT) {
        return true;
    }
    return g->bcs == 1 && (g->acs == 1 || g->ars == 1) &&
           (few || g->k <= RT_SGEMM_DIRECT_DEPTH ||
            (size_t)(g->n * g->k) * sizeof(float) <= 2 * l2);
}

/* --- with a vector ------------------------------------------------------- */

static void vector_rows(void *ctx, int64_t begin, int64_t end)
{
    const rt__gemm *g = ctx;
    RT_ISA_TABLE(sgemm)->rows_by_vector(
        end - begin, g->k, (const float *)g->a + begin * g->ars, g->ars,
        (const float *)g->b, (float *)g->c + begin * g->crs, g->crs,
        g->accumulate);
}

static void vector_columns(void *ctx, int64_t begin, int64_t end)
{
    const rt__gemm *g = ctx;
    RT_ISA_TABLE(sgemm)->vector_by_rows(
        end - begin, g->k, (const float *)g->b, g->brs,
        (const float *)g->a + begin * g->ars, g->acs,
        (float *)g->c + begin * g->crs, g->accumulate);
}

/* Sums of pieces of k, cut by its length alone, in their order. */
typedef struct deep {
    const rt__gemm *g;
    int64_t piece;
    float part[DEEP_PIECES * DEEP_ROWS];
} deep;

static void deep_pieces(void *ctx, int64_t begin, int64_t end)
{
    deep *d = ctx;
    const rt__gemm *g = d->g;
    for (int64_t i = begin; i < end; i++) {
        int64_t at = i * d->piece;
        RT_ISA_TABLE(sgemm)->rows_by_vector(
            g->m, within(g->k - at, 0, d->piece), (const float *)g->a + at,
            g->ars, (const float *)g->b + at, d->part + i * g->m, 1, false);
    }
}

static bool deep_rows(const rt__gemm *g)
{
    deep d = {.g = g};
    d.piece = quotient(g->k, within(g->k / DEEP, 1, DEEP_PIECES));
    int64_t pieces = quotient(g->k, d.piece);
    if (!rt__parallel(pieces, 1, deep_pieces, &d)) {
        return false;
    }
    for (int64_t i = 0; i < g->m; i++) {
        float *y = (float *)g->c + i * g->crs, sum = 0;
        for (int64_t p = 0; p < pieces; p++) {
            sum += d.part[p * g->m + i];
        }
        *y = g->accumulate ? *y + sum : sum;
    }
    return true;
}

/* A times a column, or a row times B (as B^T times a column). False in *done
 * where the strides suit neither loop. */
static bool vector(const rt__gemm *given, bool *done)
{
    rt__gemm g = *given;
    if (g.n != 1) {
        g = (rt__gemm){.dtype = g.dtype, .m = g.n, .n = 1, .k = g.k, .a = g.b,
                       .ars = g.bcs, .acs = g.brs, .b = g.a, .brs = g.acs,
                       .bcs = 1, .c = g.c, .crs = g.ccs, .ccs = 1,
                       .accumulate = g.accumulate};
    }
    *done = true;
    if (g.acs == 1 && g.brs == 1 && g.m <= DEEP_ROWS && g.k >= 2 * DEEP) {
        return deep_rows(&g);
    }
    if (g.acs == 1 && g.brs == 1) {
        int64_t rows = quotient(32768 / (g.k + 1) + 1, 4) * 4;
        return rt__parallel(g.m, rows, vector_rows, &g);
    }
    if (g.ars == 1 && (g.crs == 1 || g.m == 1)) {
        return rt__parallel(g.m, 65536 / (g.k + 1) + 256, vector_columns, &g);
    }
    *done = false;
    return true;
}

rt_status rt__gemm_own_run(const rt__gemm *given, const char *name,
                           rt_error *err)
{
    rt__gemm g = dense_rows(given);
    double work = (double)g.m * (double)g.n * (double)g.k;
    bool done = false, whole = true;
    if (g.m == 0 || g.n == 0) {
        return RT_OK;
    }
    if (g.m == 1 || g.n == 1) {
        rt__gemm_start(&g);
        whole = vector(&g, &done);
    }
    if (!done && is_direct(&g, work)) {
        whole = direct(&g, work);
        done = true;
    }
    if (done) {
        return whole ? RT_OK
                     : rt_fail(err, RT_E_INTERRUPT, "%s: interrupted", name);
    }
    return packed(&g, name, err);
}

bool rt__gemm_own_small(const rt__gemm *g)
{
    double work = (double)g->m * (double)g->n * (double)g->k;
    bool flat = (g->m == 1 || g->n == 1) && g->k > SMALL_DEPTH;
    return g->ccs == 1 && !g->bias && !flat && work > 0 && work <= SERIAL &&
           is_direct(g, work);
}

void rt__gemm_own_small_run(const rt__gemm *g)
{
    direct_part(g, 0, g->m, 0, g->n);
}

/* SPDX-License-Identifier: MIT
 * Matrix products by dtype: float32 goes to our own kernels, float64 to
 * OpenBLAS in tiles (float32 too under RT_GEMM=blas) or, without it, to our
 * own; integers to our own too, the other dtypes to plain loops.
 */
#include "runtime/ops/cpu/gemm.h"

#include <limits.h>
#include <string.h>

#include "runtime/base/blocks.h"
#include "runtime/base/pool.h"
#include "runtime/ops/cpu/blas.h"
#include "runtime/ops/cpu/dgemm_kernels.h"
#include "runtime/ops/cpu/igemm_kernels.h"

enum { SMALL = 48 * 48 * 48, LARGE = 200 * 200 * 200 };   /* multiplications */
enum { CALL_WORK = 500 };     /* what one product of a batch costs besides */
enum { ROWS = 256, LARGE_ROWS = 512, COLUMNS = 512 };

/* --- our own loops ------------------------------------------------------------- */

/* Row by row, k outside columns: the inner loop runs along C and B and the
 * compiler vectorises it. Sums are in ACC. */
#define PLAIN(suffix, T, ACC, LOAD, STORE)                                     \
    static void plain_##suffix(const rt__gemm *g)                              \
    {                                                                          \
        enum { WIDTH = 256 };                                                  \
        ACC row[WIDTH];                                                        \
        const T *a = (const T *)g->a, *b = (const T *)g->b;                    \
        T *c = (T *)g->c;                                                      \
        for (int64_t i = 0; i < g->m; i++) {                                   \
            for (int64_t j = 0; j < g->n; j += WIDTH) {                        \
                int64_t w = g->n - j < WIDTH ? g->n - j : WIDTH;               \
                if (g->k * w > 4096 && rt_interrupted()) {                     \
                    return;                                                    \
                }                                                              \
                for (int64_t x = 0; x < w; x++) {                              \
                    row[x] = g->accumulate                                     \
                                 ? LOAD(c[i * g->crs + (j + x) * g->ccs])      \
                                 : 0;                                          \
                }                                                              \
                for (int64_t p = 0; p < g->k; p++) {                           \
                    ACC v = LOAD(a[i * g->ars + p * g->acs]);                  \
                    const T *from = b + p * g->brs + j * g->bcs;               \
                    for (int64_t x = 0; x < w; x++) {                          \
                        row[x] += v * LOAD(from[x * g->bcs]);                  \
                    }                                                          \
                }                                                              \
                for (int64_t x = 0; x < w; x++) {                              \
                    c[i * g->crs + (j + x) * g->ccs] = STORE(row[x]);          \
                }                                                              \
            }                                                                  \
        }                                                                      \
    }
#define SAME(x) (x)
#define BYTE(x) ((uint8_t)(x))
PLAIN(float, float, float, SAME, SAME)
PLAIN(double, double, double, SAME, SAME)
PLAIN(uint8, uint8_t, uint32_t, SAME, BYTE)
PLAIN(int32, int32_t, uint32_t, (uint32_t), (int32_t))
PLAIN(int64, int64_t, uint64_t, (uint64_t), (int64_t))
PLAIN(half, uint16_t, float, rt__half_to_float, rt__float_to_half)
PLAIN(bfloat16, uint16_t, float, rt__bfloat16_to_float, rt__float_to_bfloat16)
#undef PLAIN
#undef SAME
#undef BYTE

static void plain(const rt__gemm *g)
{
    static void (*const by_dtype[RT_DTYPE_COUNT])(const rt__gemm *) = {
        [RT_UINT8] = plain_uint8,       [RT_INT32] = plain_int32,
        [RT_INT64] = plain_int64,       [RT_FLOAT16] = plain_half,
        [RT_BFLOAT16] = plain_bfloat16, [RT_FLOAT32] = plain_float,
        [RT_FLOAT64] = plain_double};
    by_dtype[g->dtype](g);
}

/* --- OpenBLAS ------------------------------------------------------------------- */

/* How BLAS sees a matrix: row-major as it is, transposed, or not at all. */
typedef struct layout {
    int trans;
    int ld;
    bool ok;
} layout;

static layout layout_of(int64_t rows, int64_t cols, int64_t rs, int64_t cs)
{
    if ((cs == 1 || cols == 1) && (rs >= cols || rows == 1)) {
        int64_t ld = rs > cols ? rs : cols;
        return (layout){RT_BLAS_NO_TRANS, (int)ld, ld <= INT_MAX};
    }
    if ((rs == 1 || rows == 1) && (cs >= rows || cols == 1)) {
        int64_t ld = cs > rows ? cs : rows;
        return (layout){RT_BLAS_TRANS, (int)ld, ld <= INT_MAX};
    }
    return (layout){0, 0, false};
}

static bool blas_takes(const rt__gemm *g)
{
    return (g->dtype == RT_FLOAT32 || g->dtype == RT_FLOAT64) &&
           rt__blas_get()->loaded;
}

static void blas_gemm(const rt__gemm *g, layout a, layout b)
{
    const rt__blas *l = rt__blas_get();
    int m = (int)g->m, n = (int)g->n, k = (int)g->k;
    int ldc = (int)(g->crs > g->n ? g->crs : g->n);
    if (g->dtype == RT_FLOAT32) {
        l->sgemm(RT_BLAS_ROW_MAJOR, a.trans, b.trans, m, n, k, 1,
                 (const float *)g->a, a.ld, (const float *)g->b, b.ld,
                 g->accumulate, (float *)g->c, ldc);
    } else {
        l->dgemm(RT_BLAS_ROW_MAJOR, a.trans, b.trans, m, n, k, 1,
                 (const double *)g->a, a.ld, (const double *)g->b, b.ld,
                 g->accumulate, (double *)g->c, ldc);
    }
}

/* y[rows] = M[rows, cols] x; M as laid out, x and y with strides. */
static void blas_gemv(rt_dtype d, layout m, int64_t rows, int64_t cols,
                      const char *matrix, const char *x, int64_t incx, char *y,
                      int64_t incy, bool accumulate)
{
    const rt__blas *l = rt__blas_get();
    bool plain_rows = m.trans == RT_BLAS_NO_TRANS;
    int r = (int)(plain_rows ? rows : cols), c = (int)(plain_rows ? cols : rows);
    if (d == RT_FLOAT32) {
        l->sgemv(RT_BLAS_ROW_MAJOR, m.trans, r, c, 1, (const float *)matrix,
                 m.ld, (const float *)x, (int)incx, accumulate, (float *)y,
                 (int)incy);
    } else {
        l->dgemv(RT_BLAS_ROW_MAJOR, m.trans, r, c, 1, (const double *)matrix,
                 m.ld, (const double *)x, (int)incx, accumulate, (double *)y,
                 (int)incy);
    }
}

/* Whether integers are worth the kernels' tiles; then the product. */
static bool of_integers(const rt__gemm *g)
{
    const rt__igemm_table *t = RT_ISA_TABLE(igemm);
    bool narrow = g->n < 4 && !(g->n == 1 && g->acs == 1 && g->brs == 1);
    if (g->ccs != 1 || narrow || g->m * g->n * g->k <= 512) {
        return false;
    }
    if (g->dtype == RT_INT64) {
        t->int64(g);
    } else if (g->dtype == RT_INT32) {
        t->int32(g);
    } else {
        return false;
    }
    return true;
}

/* Own kernels for floats and integers; plain loops for what is left, and when there is no
 * memory to pack into. */
static void without_blas(const rt__gemm *g)
{
    void *room = NULL;
    if (of_integers(g)) {
        return;
    }
    if (g->dtype == RT_FLOAT32 && rt__gemm_suits(g)) {
        if (rt__gemm_own_run(g, "", NULL) != RT_E_MEMORY) {
            return;   /* an interrupt is seen by who runs the tiles */
        }
    } else if (g->dtype == RT_FLOAT64 && g->ccs == 1 &&
               g->m * g->n * g->k > 512) {
        room = rt_alloc(RT_DGEMM_ROOM);
    }
    if (room) {
        RT_ISA_TABLE(dgemm)->packed(g, room);
    } else {
        plain(g);
    }
    rt_free(room);
}

/* A tile on the calling thread. */
static void tile(const rt__gemm *g)
{
    if (!blas_takes(g) || g->k == 0 || g->m > INT_MAX || g->n > INT_MAX ||
        g->k > INT_MAX) {
        without_blas(g);
        return;
    }
    layout a = layout_of(g->m, g->k, g->ars, g->acs);
    layout b = layout_of(g->k, g->n, g->brs, g->bcs);
    if (g->n == 1 && a.ok && g->brs > 0 && g->crs > 0) {
        blas_gemv(g->dtype, a, g->m, g->k, g->a, g->b, g->brs, g->c, g->crs,
                  g->accumulate);
    } else if (g->m == 1 && b.ok && g->acs > 0 && g->ccs > 0) {
        layout t = layout_of(g->n, g->k, g->bcs, g->brs);
        blas_gemv(g->dtype, t, g->n, g->k, g->b, g->a, g->acs, g->c, g->ccs,
                  g->accumulate);
    } else if (a.ok && b.ok && g->ccs == 1) {
        blas_gemm(g, a, b);
    } else {
        plain(g);
    }
}

/* --- tiles over the pool ------------------------------------------------------------ */

typedef struct grid {
    const rt__gemm *g;
    int64_t rows, columns, across;   /* of a tile; tiles in a row of tiles */
} grid;

static void run_tiles(void *ctx, int64_t begin, int64_t end)
{
    const grid *t = ctx;
    int64_t size = (int64_t)rt_dtype_size(t->g->dtype);
    for (int64_t i = begin; i < end; i++) {
        rt__gemm g = *t->g;
        int64_t r = i / t->across * t->rows, c = i % t->across * t->columns;
        g.m = g.m - r < t->rows ? g.m - r : t->rows;
        g.n = g.n - c < t->columns ? g.n - c : t->columns;
        g.a += r * g.ars * size;
        g.b += c * g.bcs * size;
        g.c += (r * g.crs + c * g.ccs) * size;
        tile(&g);
    }
}

/* The size of pieces of n, at most `most` each, which differ little. */
static int64_t even(int64_t n, int64_t most)
{
    int64_t pieces = (n + most - 1) / most;
    return (n + pieces - 1) / pieces;
}

/* Halves of the longer side for small products, blocks for large ones. */
static grid cut(const rt__gemm *g)
{
    grid t = {g, g->m, g->n, 1};
    double work = (double)g->m * (double)g->n * (double)g->k;
    if (work <= SMALL) {
        return t;
    }
    if (g->m <= ROWS && g->n <= COLUMNS) {
        if (g->m >= g->n) {
            t.rows = (g->m + 1) / 2;
        } else {
            t.columns = (g->n + 1) / 2;
        }
    } else {
        t.rows = even(g->m, g->m > 2 * LARGE_ROWS ? LARGE_ROWS : ROWS);
        t.columns = even(g->n, COLUMNS);
    }
    t.across = (g->n + t.columns - 1) / t.columns;
    return t;
}

static rt_status interrupted(const char *name, rt_error *err)
{
    return rt_fail(err, RT_E_INTERRUPT, "%s: interrupted", name);
}

/* Copies a [rows, cols] operand that BLAS cannot read into dense memory. */
static rt_status make_dense(char **copy, const char *data, int64_t rows,
                            int64_t cols, int64_t rs, int64_t cs, size_t size,
                            const char *name, rt_error *err)
{
    char *to = rt__alloc_whole((size_t)(rows * cols) * size + 1);
    if (!to) {
        return rt_fail(err, RT_E_MEMORY,
                       "%s: not enough memory to copy an operand of %lld x %lld",
                       name, (long long)rows, (long long)cols);
    }
    *copy = to;
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < cols; j++, to += size) {
            memcpy(to, data + (i * rs + j * cs) * (int64_t)size, size);
        }
    }
    return RT_OK;
}

/* Replaces operands whose strides BLAS has no word for; the copies are to be
 * freed by the caller. */
static rt_status densify(rt__gemm *g, char **copies, const char *name,
                         rt_error *err)
{
    size_t size = rt_dtype_size(g->dtype);
    rt_status s = RT_OK;
    if (!layout_of(g->m, g->k, g->ars, g->acs).ok) {
        s = make_dense(&copies[0], g->a, g->m, g->k, g->ars, g->acs, size, name,
                       err);
        g->a = copies[0];
        g->ars = g->k;
        g->acs = 1;
    }
    if (s == RT_OK && !layout_of(g->k, g->n, g->brs, g->bcs).ok) {
        s = make_dense(&copies[1], g->b, g->k, g->n, g->brs, g->bcs, size, name,
                       err);
        g->b = copies[1];
        g->brs = g->n;
        g->bcs = 1;
    }
    return s;
}

void rt__gemm_start(rt__gemm *g)
{
    size_t size = rt_dtype_size(g->dtype);
    if (!g->bias) {
        return;
    }
    for (int64_t i = 0; i < g->m; i++) {
        char *row = g->c + (size_t)(i * g->crs) * size;
        if (g->ccs == 1) {
            memcpy(row, g->bias, (size_t)g->n * size);
            continue;
        }
        for (size_t j = 0; j < (size_t)g->n; j++) {
            memcpy(row + j * (size_t)g->ccs * size, g->bias + j * size, size);
        }
    }
    g->accumulate = true;
    g->bias = NULL;
}

rt_status rt__gemm_run(const rt__gemm *given, const char *name, rt_error *err)
{
    rt__gemm g = *given;
    char *copies[2] = {NULL, NULL};
    rt_status s = RT_OK;
    if (rt__gemm_own(&g)) {
        return rt__gemm_own_run(&g, name, err);
    }
    rt__gemm_start(&g);
    if (blas_takes(&g) && g.m > 1 && g.n > 1) {
        s = densify(&g, copies, name, err);
    }
    if (s == RT_OK && g.m && g.n) {
        grid t = cut(&g);
        int64_t down = (g.m + t.rows - 1) / t.rows;
        if (!rt__parallel(down * t.across, 1, run_tiles, &t)) {
            s = interrupted(name, err);
        }
    }
    rt_free(copies[0]);
    rt_free(copies[1]);
    return s;
}

typedef struct batch {
    const rt__gemm *g;
    const int64_t *a, *b, *c;
    const char *name;
    bool own, small;
    _Atomic rt_status failed;
} batch;

static void run_batch(void *ctx, int64_t begin, int64_t end)
{
    batch *j = ctx;
    int64_t size = (int64_t)rt_dtype_size(j->g->dtype);
    rt_status s;
    for (int64_t i = begin; i < end && !j->failed; i++) {
        rt__gemm g = *j->g;
        g.a += j->a[i] * size;
        g.b += j->b[i] * size;
        g.c += j->c[i] * size;
        if (j->small) {
            rt__gemm_own_small_run(&g);
        } else if (!j->own) {
            tile(&g);
        } else if ((s = rt__gemm_own_run(&g, j->name, NULL))) {
            j->failed = s;
        }
    }
}

rt_status rt__gemm_batch(const rt__gemm *g, int64_t count, const int64_t *a,
                         const int64_t *b, const int64_t *c, const char *name,
                         rt_error *err)
{
    double work = (double)g->m * (double)g->n * (double)g->k;
    int64_t grain = work > SMALL ? 1 : (int64_t)(SMALL / (work + CALL_WORK)) + 1;
    batch j = {g, a, b, c, name, rt__gemm_own(g), false, RT_OK};
    j.small = j.own && rt__gemm_own_small(g);
    if (g->m == 0 || g->n == 0) {
        return RT_OK;
    }
    if (j.own && work > LARGE) {   /* each of them has work for all threads */
        run_batch(&j, 0, count);
    } else if (!rt__parallel(count, grain, run_batch, &j)) {
        return interrupted(name, err);
    }
    return j.failed == RT_E_MEMORY
               ? rt_fail(err, RT_E_MEMORY, "%s: not enough memory", name)
           : j.failed ? interrupted(name, err)
                      : RT_OK;
}

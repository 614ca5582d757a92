/* SPDX-License-Identifier: MIT
 *
 * Between tensors and the dense loops of elementwise_kernels.c: operands that
 * are strided, repeated or of another dtype pass through small buffers that
 * stay in the first-level cache; transposed ones tile by tile.
 */
#include "runtime/ops/cpu/elementwise.h"

#include "runtime/base/cpu.h"
#include "runtime/base/pool.h"
#include "runtime/ops/iterator.h"

#include <string.h>

#define OPERANDS (RT_ELEMENTWISE_INPUTS + 1)
#define BLOCK 512       /* elements of a buffer */
#define GRAIN 16384     /* elements a piece of parallel work */
/* Elements that are written past the caches at once: so few that a processor
 * that looks ahead has the next block's loads under way meanwhile. */
#define PAST_BLOCK 256

static const bool gives_bool[RT_EW_COUNT] = {
#define EW1(name, i, f, d)
#define EW1F(name, f, d)
#define EW1W(name, f, d)
#define EW1B(name, i, f) [RT_EW_##name] = true,
#define EW2(name, i, f, d)
#define EW2F(name, f, d)
#define EW2X(name, i, d)
#define EW2I(name, i)
#define EW2B(name, i, f) [RT_EW_##name] = true,
#include "runtime/ops/cpu/elementwise.def"
    [RT_EW_isclose] = true,
};

typedef struct job {
    rt__elementwise_fn fn;
    rt__elementwise_fn single[2];       /* for a single element as d[1], d[2] */
    const rt__params *p;
    int n;                              /* operands */
    rt__convert_fn convert[OPERANDS];   /* to or from the kernel's dtype */
    bool same[OPERANDS];                /* dtype is the kernel's already */
    int64_t size[OPERANDS];             /* of an element in the kernel */
    int64_t own[OPERANDS];              /* in memory */
    int64_t stride[OPERANDS];           /* of the flat case */
    char *data[OPERANDS];
    bool past;                          /* the result goes past the caches */
    char *given[OPERANDS];              /* a converted single element, in one[] */
    uint64_t one[OPERANDS];
} job;

static bool is_half(rt_dtype d)
{
    return d == RT_FLOAT16 || d == RT_BFLOAT16;
}

/* Copies operand i's next m elements into `room` unless they can be used where
 * they are. A repeated element is spread once, for all blocks. */
static void *take_input(const job *j, int i, char *room, char *const *data,
                        const int64_t *strides, int64_t at, int64_t m)
{
    if (j->same[i] && strides[i] == j->size[i]) {
        return data[i] + at * strides[i];
    }
    if (at == 0 || strides[i] != 0) {
        j->convert[i](room, j->size[i], data[i] + at * strides[i], strides[i],
                      m);
    }
    return room;
}

static void run_buffered(const job *j, char *const *data,
                         const int64_t *strides, int64_t n)
{
    char room[OPERANDS][BLOCK * 8] __attribute__((aligned(64)));
    bool direct = j->same[0] && strides[0] == j->size[0];
    for (int64_t at = 0; at < n; at += BLOCK) {
        int64_t m = n - at < BLOCK ? n - at : BLOCK;
        void *d[OPERANDS];
        for (int i = 1; i < j->n; i++) {
            d[i] = take_input(j, i, room[i], data, strides, at, m);
        }
        d[0] = direct ? data[0] + at * strides[0] : room[0];
        j->fn(d, m, j->p);
        if (!direct) {
            j->convert[0](data[0] + at * strides[0], strides[0], room[0],
                          j->size[0], m);
        }
    }
}

/* The loop that takes operands of these strides where they are. NULL: they
 * have to go through buffers. */
static rt__elementwise_fn direct_loop(const job *j, const int64_t *strides)
{
    rt__elementwise_fn fn = j->fn;
    for (int i = 0; i < j->n; i++) {
        if (!j->same[i]) {
            return NULL;
        }
        if (strides[i] != j->size[i]) {
            if (strides[i] != 0 || i == 0 || i > 2 || fn != j->fn ||
                !j->single[i - 1]) {
                return NULL;
            }
            fn = j->single[i - 1];
        }
    }
    return fn;
}

static void run_inner(void *ctx, char *const *data, const int64_t *strides,
                      int64_t n)
{
    const job *j = ctx;
    rt__elementwise_fn fn = direct_loop(j, strides);
    if (!fn) {
        run_buffered(j, data, strides, n);
        return;
    }
    void *d[OPERANDS];
    for (int i = 0; i < j->n; i++) {
        d[i] = data[i];
    }
    fn(d, n, j->p);
}

/* Results that no cache would hold until somebody reads them: writing them past
 * the caches saves reading their memory first. */
static void run_past(const job *j, char *const *data, int64_t n)
{
    char room[PAST_BLOCK * 8] __attribute__((aligned(64)));
    rt__elementwise_fn fn = direct_loop(j, j->stride);
    const rt__convert_table *convert = RT_ISA_TABLE(convert);
    for (int64_t at = 0; at < n; at += PAST_BLOCK) {
        int64_t m = n - at < PAST_BLOCK ? n - at : PAST_BLOCK;
        void *d[OPERANDS] = {room};
        for (int i = 1; i < j->n; i++) {
            d[i] = data[i] + at * j->stride[i];
        }
        fn(d, m, j->p);
        convert->stream(data[0] + at * j->size[0], room, m * j->size[0]);
    }
    rt__stream_end();
}

static void run_flat(void *ctx, int64_t begin, int64_t end)
{
    const job *j = ctx;
    char *data[OPERANDS];
    for (int i = 0; i < j->n; i++) {
        data[i] = j->data[i] + begin * j->stride[i];
    }
    if (j->past) {
        run_past(j, data, end - begin);
    } else {
        run_inner(ctx, data, j->stride, end - begin);
    }
}

/* Dense operands of the output's size, and single numbers: no iterator. */
static bool is_flat(job *j, rt_tensor *const *t)
{
    for (int i = 0; i < j->n; i++) {
        bool dense = (t[i]->flags & RT_F_CONTIGUOUS) &&
                     t[i]->numel == t[0]->numel;
        if (!dense && (i == 0 || t[i]->numel != 1)) {
            return false;
        }
        j->data[i] = j->given[i] ? j->given[i] : t[i]->data;
        j->stride[i] =
            dense ? (int64_t)rt_dtype_size((rt_dtype)t[i]->dtype) : 0;
    }
    return true;
}

static rt_status interrupted(const char *name, rt_error *err)
{
    return rt_fail(err, RT_E_INTERRUPT, "%s: interrupted", name);
}

static bool goes_past(const job *j, rt_tensor *const *t)
{
    int64_t bytes = 0;
    for (int i = 0; i < j->n; i++) {
        if (i > 0 && t[i]->storage == t[0]->storage) {
            return false;
        }
        bytes += j->stride[i] * t[0]->numel;
    }
    return (size_t)bytes > rt__cpu_info()->l3 && direct_loop(j, j->stride);
}

/* --- two dimensions ---------------------------------------------------------- */

#define SHORT_ROW 32        /* elements, where each row could run as it is */
#define SHORT_BUFFERED 128 /* where it would go through buffers anyway */
#define TILE_ROWS 32
#define TILE_BYTES 512     /* of a row of a tile */
#define TILE_RUN 8         /* tiles of a piece, along the rows */

typedef struct plane {
    const job *j;
    const rt__iter *it;
    rt__elementwise_fn fn;
    bool turned[OPERANDS];     /* dense along the other dimension */
    int64_t across;            /* pieces along a row, in tiles */
} plane;

static void run_rows(void *ctx, char *const *data, int64_t n0, int64_t n1)
{
    const plane *p = ctx;
    const int n = p->j->n;
    void *d[OPERANDS];
    for (int i = 0; i < n; i++) {
        d[i] = data[i];
    }
    for (int64_t r = 0; r < n1; r++) {
        p->fn(d, n0, p->j->p);
        for (int i = 0; i < n; i++) {
            d[i] = (char *)d[i] + p->it->strides[i][1];
        }
    }
}

/* Operand i's rows from `in` on, one after the other, in `room` unless they
 * lie so; what is the same in every row stays from one call to the next. */
static void *take_rows(const plane *p, int i, char *room, char *in, bool first,
                       int64_t n0, int64_t n1)
{
    const job *j = p->j;
    const int64_t *s = p->it->strides[i];
    const bool joined = s[1] == s[0] * n0;
    if (joined && j->same[i] && s[0] == j->size[i]) {
        return in;
    }
    if (s[1] == 0 && !first) {
        return room;
    }
    if (joined) {
        j->convert[i](room, j->size[i], in, s[0], n0 * n1);
    } else if (j->same[i]) {
        const int64_t to[] = {j->size[i], j->size[i] * n0};
        rt__plane_copy_of((size_t)j->size[i])(room, to, in, s, n0, n1);
    } else {
        char own[BLOCK * 8] __attribute__((aligned(64)));
        const int64_t to[] = {j->own[i], j->own[i] * n0};
        rt__plane_copy_of((size_t)j->own[i])(own, to, in, s, n0, n1);
        j->convert[i](room, j->size[i], own, j->own[i], n0 * n1);
    }
    return room;
}

/* Rows too short for a call each: many are laid together first. */
static void run_short(void *ctx, char *const *data, int64_t n0, int64_t n1)
{
    char room[OPERANDS][BLOCK * 8] __attribute__((aligned(64)));
    const plane *p = ctx;
    const job *j = p->j;
    const int64_t each = BLOCK / n0;
    for (int64_t r = 0; r < n1; r += each) {
        int64_t rows = n1 - r < each ? n1 - r : each;
        void *d[OPERANDS];
        for (int i = 1; i < j->n; i++) {
            d[i] = take_rows(p, i, room[i], data[i] + r * p->it->strides[i][1],
                             r == 0, n0, rows);
        }
        char *out = data[0] + r * p->it->strides[0][1];
        d[0] = j->same[0] ? out : room[0];
        j->fn(d, n0 * rows, j->p);
        if (!j->same[0]) {
            j->convert[0](out, j->own[0], room[0], j->size[0], n0 * rows);
        }
    }
}

/* Rows of the output that follow each other, but not the inputs'. */
static bool are_short(const plane *p)
{
    const int64_t n0 = p->it->shape[0], *s = p->it->strides[0];
    return n0 <= (p->fn ? SHORT_ROW : SHORT_BUFFERED) &&
           s[0] == p->j->own[0] && s[1] == s[0] * n0;
}

/* Rows r.. and columns c.. of the output. */
static void run_tile(const plane *p, int64_t r, int64_t c, int rows,
                     int columns)
{
    char room[OPERANDS][TILE_ROWS * TILE_BYTES] __attribute__((aligned(64)));
    const rt__iter *it = p->it;
    char *data[OPERANDS];
    int64_t step[OPERANDS];
    for (int i = 0; i < p->j->n; i++) {
        data[i] = it->data[i] + r * it->strides[i][1] + c * it->strides[i][0];
        step[i] = it->strides[i][1];
        if (p->turned[i]) {
            RT_ISA_TABLE(convert)->transpose(room[i], TILE_BYTES, data[i],
                                             it->strides[i][0], columns, rows,
                                             (int)p->j->size[i]);
            data[i] = room[i];
            step[i] = TILE_BYTES;
        }
    }
    for (int k = 0; k < rows; k++) {
        void *d[OPERANDS];
        for (int i = 0; i < p->j->n; i++) {
            d[i] = data[i] + k * step[i];
        }
        p->fn(d, columns, p->j->p);
    }
}

static void run_tiles(void *ctx, int64_t begin, int64_t end)
{
    const plane *p = ctx;
    int64_t width = TILE_BYTES / p->j->size[0];
    for (int64_t i = begin; i < end; i++) {
        int64_t r = i / p->across * TILE_ROWS, rows = p->it->shape[1] - r;
        int64_t c = i % p->across * TILE_RUN * width;
        int64_t stop = c + TILE_RUN * width;
        stop = stop < p->it->shape[0] ? stop : p->it->shape[0];
        for (; c < stop; c += width) {
            run_tile(p, r, c, (int)(rows < TILE_ROWS ? rows : TILE_ROWS),
                     (int)(stop - c < width ? stop - c : width));
        }
    }
}

/* Whether all operands are dense along one dimension or the other; the output
 * along rows. */
static bool all_turnable(plane *p)
{
    const job *j = p->j;
    for (int i = 0; i < j->n; i++) {
        const int64_t s[] = {p->it->strides[i][0], p->it->strides[i][1]};
        p->turned[i] = s[0] != j->size[i];
        if (!j->same[i] || j->size[i] != j->size[0] ||
            (p->turned[i] && (i == 0 || s[1] != j->size[i]))) {
            return false;
        }
    }
    return true;
}

static rt_status run_planes(const job *j, const rt__iter *it, const char *name,
                            rt_error *err)
{
    plane p = {.j = j, .it = it};
    int64_t inner[OPERANDS] = {0};
    for (int i = 0; i < j->n; i++) {
        inner[i] = it->strides[i][0];
    }
    p.fn = direct_loop(j, inner);
    if (are_short(&p)) {
        return rt__iter_run_rows(it, run_short, &p, name, err);
    }
    if (p.fn) {
        return rt__iter_run_rows(it, run_rows, &p, name, err);
    }
    if (it->ndim == 2 && all_turnable(&p)) {
        p.fn = j->fn;
        int64_t width = TILE_BYTES / j->size[0] * TILE_RUN;
        p.across = (it->shape[0] + width - 1) / width;
        int64_t down = (it->shape[1] + TILE_ROWS - 1) / TILE_ROWS;
        return rt__parallel(down * p.across, 1, run_tiles, &p)
                   ? RT_OK
                   : interrupted(name, err);
    }
    return rt__iter_run(it, run_inner, (void *)j, name, err);
}

static rt_status run(const char *name, job *j, rt_tensor *const *t,
                     rt_error *err)
{
    int64_t n = t[0]->numel;
    if (n == 0) {
        return RT_OK;
    }
    if (is_flat(j, t)) {
        if (n <= GRAIN) {
            run_flat(j, 0, n);
            return RT_OK;
        }
        j->past = goes_past(j, t);
        return rt__parallel(n, GRAIN, run_flat, j) ? RT_OK
                                                   : interrupted(name, err);
    }
    rt__iter it;
    rt__iter_init(&it, t, j->n);
    for (int i = 1; i < j->n; i++) {
        it.data[i] = j->given[i] ? j->given[i] : it.data[i];
    }
    return it.ndim > 1 ? run_planes(j, &it, name, err)
                       : rt__iter_run(&it, run_inner, j, name, err);
}

/* --- overlap ------------------------------------------------------------- */

static bool same_layout(const rt_tensor *a, const rt_tensor *b)
{
    if (a->data != b->data || a->dtype != b->dtype || !rt__same_shape(a, b)) {
        return false;
    }
    return memcmp(a->strides, b->strides, a->ndim * sizeof *a->strides) == 0;
}

/* First and last byte that t touches. */
static void span(const rt_tensor *t, char **low, char **high)
{
    int64_t size = (int64_t)rt_dtype_size((rt_dtype)t->dtype);
    *low = t->data;
    *high = t->data + size;
    for (int d = 0; d < t->ndim; d++) {
        int64_t reach = (t->shape[d] - 1) * t->strides[d] * size;
        *(reach < 0 ? low : high) += reach;
    }
}

static bool clashes(const rt_tensor *out, const rt_tensor *in)
{
    if (out->storage != in->storage || out->numel == 0 || in->numel == 0 ||
        same_layout(out, in)) {
        return false;
    }
    char *a, *b, *c, *d;
    span(out, &a, &b);
    span(in, &c, &d);
    return a < d && c < b;
}

/* --- elementwise --------------------------------------------------------- */

static rt_status no_kernel(const char *name, rt_dtype dtype, rt_error *err)
{
    rt_status s = rt_fail(err, RT_E_DTYPE, "%s: not defined for %s", name,
                          rt_dtype_name(dtype));
    rt_error_help(err, "convert the tensor first, e.g. with to(%s)",
                  rt_dtype_is_floating(dtype) ? "int64" : "float32");
    return s;
}

/* Copies inputs that overlap the output; `owned` are to be released. */
static rt_status separate(const char *name, rt_tensor **t, int n,
                          rt_tensor **owned, rt_error *err)
{
    for (int i = 1; i < n; i++) {
        if (clashes(t[0], t[i])) {
            rt_status s = rt__tensor_like(&owned[i], t[i],
                                          (rt_dtype)t[i]->dtype, err);
            if (s == RT_OK) {
                s = rt__copy(name, owned[i], t[i], err);
            }
            if (s != RT_OK) {
                return s;
            }
            t[i] = owned[i];
        }
    }
    return RT_OK;
}

/* Operands of any layout and dtype. */
static rt_status run_any(const char *name, rt__ew op, rt_dtype k,
                         rt__elementwise_fn fn, rt_tensor *out,
                         rt_tensor *const *in, int n, const rt__params *p,
                         rt_error *err)
{
    const rt__convert_table *convert = RT_ISA_TABLE(convert);
    rt_tensor *t[OPERANDS] = {out}, *owned[OPERANDS] = {NULL};
    job j = {.fn = fn, .p = p, .n = n + 1};
    bool shared = false;
    if (k == RT_FLOAT32 && n == 2) {
        j.single[0] = RT_ISA_TABLE(elementwise)->single[0][op];
        j.single[1] = RT_ISA_TABLE(elementwise)->single[1][op];
    }
    for (int i = 0; i <= n; i++) {
        t[i] = i ? in[i - 1] : out;
        rt_dtype own = (rt_dtype)t[i]->dtype;
        rt_dtype want = i == 0   ? (gives_bool[op] ? RT_BOOL : k)
                        : i == 1 && op == RT_EW_where ? RT_BOOL
                                                      : k;
        j.same[i] = own == want;
        j.size[i] = (int64_t)rt_dtype_size(want);
        j.own[i] = (int64_t)rt_dtype_size(own);
        j.convert[i] = i ? convert->fn[own][want] : convert->fn[want][own];
        shared |= i && t[i]->storage == out->storage;
        if (i && !j.same[i] && t[i]->numel == 1 && out->numel > 1) {
            j.given[i] = (char *)&j.one[i];
            j.convert[i](j.given[i], j.size[i], t[i]->data, 0, 1);
            j.convert[i] = convert->fn[want][want];
            j.same[i] = true;
        }
    }
    rt_status s = shared ? separate(name, t, n + 1, owned, err) : RT_OK;
    if (s == RT_OK) {
        s = run(name, &j, t, err);
    }
    for (int i = 1; shared && i <= n; i++) {
        rt_release(owned[i]);
    }
    return s;
}

/* Whether t is dense and of this dtype and size, and can be read while out is
 * written. */
static bool is_plain(const rt_tensor *t, const rt_tensor *out, rt_dtype dtype)
{
    return t->dtype == dtype && (t->flags & RT_F_CONTIGUOUS) &&
           t->numel == out->numel &&
           (t->storage != out->storage || t->data == out->data);
}

/* The most common call by far: small dense operands of the kernel's dtype. */
static bool run_plain(rt__elementwise_fn fn, rt__ew op, rt_dtype k,
                      rt_tensor *out, rt_tensor *const *in, int n,
                      const rt__params *p)
{
    void *d[OPERANDS] = {out->data};
    if (out->numel > GRAIN || op == RT_EW_where ||
        !is_plain(out, out, gives_bool[op] ? RT_BOOL : k)) {
        return false;
    }
    for (int i = 0; i < n; i++) {
        if (!is_plain(in[i], out, k)) {
            return false;
        }
        d[i + 1] = in[i]->data;
    }
    fn(d, out->numel, p);
    return true;
}

static bool all_are(rt_dtype dtype, const rt_tensor *out, rt_tensor *const *in,
                    int n)
{
    bool all = out->dtype == dtype;
    for (int i = 0; i < n; i++) {
        all &= in[i]->dtype == dtype;
    }
    return all;
}

rt_status rt__elementwise(const char *name, rt__ew op, rt_dtype compute,
                          rt_tensor *out, rt_tensor *const *in, int n,
                          const rt__params *p, rt_error *err)
{
    static const rt__params none;
    rt_dtype k = is_half(compute) ? RT_FLOAT32 : compute;
    rt__elementwise_fn fn = NULL;
    if (k != compute && all_are(compute, out, in, n)) {
        bool brain = compute == RT_BFLOAT16;
        fn = RT_ISA_TABLE(elementwise)->halves[brain][op];
        k = fn ? compute : k;
    }
    fn = fn ? fn : RT_ISA_TABLE(elementwise)->fn[op][k];
    p = p ? p : &none;
    if (!fn) {
        return no_kernel(name, compute, err);
    }
    if (run_plain(fn, op, k, out, in, n, p)) {
        return RT_OK;
    }
    return run_any(name, op, k, fn, out, in, n, p, err);
}

/* --- copying ------------------------------------------------------------- */

#define TILE 64
#define TILES 8      /* of a piece */

typedef struct tile_job {
    const rt__iter *it;
    int other;             /* the input's fastest dimension; the output's is 0 */
    int64_t bands;         /* tiles along `other` */
    int64_t across;        /* pieces along dimension 0 */
    int size;
} tile_job;

/* One piece: TILE steps along `other`, TILES tiles along dimension 0. */
static void copy_piece(const tile_job *j, int64_t piece)
{
    const rt__iter *it = j->it;
    int64_t begin = piece % j->across * TILES * TILE, band = piece / j->across;
    int64_t end = begin + TILES * TILE;
    int64_t rest = band / j->bands, start = band % j->bands * TILE;
    int64_t rows = it->shape[j->other] - start;
    end = end < it->shape[0] ? end : it->shape[0];
    char *out = it->data[0] + start * it->strides[0][j->other];
    const char *in = it->data[1] + start * it->strides[1][j->other];
    for (int d = 1; d < it->ndim; d++) {
        if (d != j->other) {
            out += rest % it->shape[d] * it->strides[0][d];
            in += rest % it->shape[d] * it->strides[1][d];
            rest /= it->shape[d];
        }
    }
    rows = rows < TILE ? rows : TILE;
    for (int64_t i = begin; i < end; i += TILE) {
        int64_t n = end - i < TILE ? end - i : TILE;
        RT_ISA_TABLE(convert)->transpose(
            out + i * j->size, it->strides[0][j->other],
            in + i * it->strides[1][0], it->strides[1][0], (int)n, (int)rows,
            j->size);
    }
}

static void copy_pieces(void *ctx, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++) {
        copy_piece(ctx, i);
    }
}

/* Where input and output disagree on the fastest dimension, walking either way
 * misses the cache: go tile by tile. */
static bool copy_tiles(const rt__iter *it, int size, bool *stopped)
{
    if (it->ndim < 2 || it->strides[0][0] != size ||
        it->strides[1][0] == size || it->shape[0] < 8) {
        return false;
    }
    int other = 1;
    while (other < it->ndim && it->strides[1][other] != size) {
        other++;
    }
    if (other == it->ndim || it->shape[other] < 8) {
        return false;
    }
    tile_job j = {it, other, (it->shape[other] + TILE - 1) / TILE,
                  (it->shape[0] + TILES * TILE - 1) / (TILES * TILE), size};
    int64_t pieces = j.bands * j.across;
    for (int d = 1; d < it->ndim; d++) {
        pieces *= d == other ? 1 : it->shape[d];
    }
    int64_t each = it->shape[0] < TILES * TILE ? it->shape[0] : TILES * TILE;
    *stopped = !rt__parallel(pieces, GRAIN / (TILE * each) + 1, copy_pieces,
                             &j);
    return true;
}

typedef struct plane_job {
    const rt__iter *it;
    rt__plane_copy_fn fn;
} plane_job;

static void copy_rows(void *ctx, char *const *data, int64_t n0, int64_t n1)
{
    const plane_job *j = ctx;
    j->fn(data[0], j->it->strides[0], data[1], j->it->strides[1], n0, n1);
}

static void copy_inner(void *ctx, char *const *data, const int64_t *strides,
                       int64_t n)
{
    rt__convert_fn *fn = ctx;
    (*fn)(data[0], strides[0], data[1], strides[1], n);
}

rt_status rt__copy(const char *name, rt_tensor *out, rt_tensor *in,
                   rt_error *err)
{
    rt_dtype from = (rt_dtype)in->dtype, to = (rt_dtype)out->dtype;
    if (same_layout(out, in) || out->numel == 0) {
        return RT_OK;
    }
    if (clashes(out, in)) {
        rt_tensor *apart;
        rt_status s = rt__tensor_like(&apart, in, from, err);
        if (s == RT_OK) {
            s = rt__copy(name, apart, in, err);
            s = s == RT_OK ? rt__copy(name, out, apart, err) : s;
            rt_release(apart);
        }
        return s;
    }
    rt__convert_fn fn = RT_ISA_TABLE(convert)->fn[from][to];
    const size_t size = rt_dtype_size(to);
    rt_tensor *t[] = {out, in};
    rt__iter it;
    bool stopped;
    rt__iter_init(&it, t, 2);
    if (from == to && copy_tiles(&it, (int)size, &stopped)) {
        return stopped ? interrupted(name, err) : RT_OK;
    }
    if (from == to && (it.ndim > 1 || it.strides[1][0] != (int64_t)size)) {
        plane_job j = {&it, rt__plane_copy_of(size)};
        return rt__iter_run_rows(&it, copy_rows, &j, name, err);
    }
    return rt__iter_run(&it, copy_inner, &fn, name, err);
}

rt_status rt__contiguous_as(rt_tensor **out, rt_tensor *t, rt_dtype dtype,
                            const char *name, rt_error *err)
{
    if (t->dtype == dtype && (t->flags & RT_F_CONTIGUOUS)) {
        *out = rt_retain(t);
        return RT_OK;
    }
    rt_tensor *copy;
    rt_status s = rt_tensor_new(&copy, dtype, t->ndim, t->shape, err);
    if (s != RT_OK) {
        return s;
    }
    s = rt__copy(name, copy, t, err);
    if (s != RT_OK) {
        rt_release(copy);
        return s;
    }
    *out = copy;
    return RT_OK;
}

/* --- filling ------------------------------------------------------------- */

typedef struct fill_job {
    rt__convert_fn fn;
    const char *value;
} fill_job;

static void fill_inner(void *ctx, char *const *data, const int64_t *strides,
                       int64_t n)
{
    const fill_job *j = ctx;
    j->fn(data[0], strides[0], j->value, 0, n);
}

static rt_status fill(const char *name, rt_tensor *t, const void *value,
                      rt_error *err)
{
    fill_job j = {RT_ISA_TABLE(convert)->fn[t->dtype][t->dtype], value};
    rt__iter it;
    rt__iter_init(&it, &t, 1);
    return rt__iter_run(&it, fill_inner, &j, name, err);
}

rt_status rt__fill_float(const char *name, rt_tensor *t, double v,
                         rt_error *err)
{
    char value[8] __attribute__((aligned(8)));
    RT_ISA_TABLE(convert)->fn[RT_FLOAT64][t->dtype](value, 8,
                                                    (const char *)&v, 8, 1);
    return fill(name, t, value, err);
}

rt_status rt__fill_int(const char *name, rt_tensor *t, int64_t v,
                       rt_error *err)
{
    char value[8] __attribute__((aligned(8)));
    RT_ISA_TABLE(convert)->fn[RT_INT64][t->dtype](value, 8, (const char *)&v,
                                                  8, 1);
    return fill(name, t, value, err);
}

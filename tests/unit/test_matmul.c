/* SPDX-License-Identifier: MIT
 * Matrix products against float64 loops: every form, dtype and layout, with
 * OpenBLAS and without it.
 */
#include "runtime/base/pool.h"
#include "runtime/ops/cpu/blas.h"
#include "runtime/ops/cpu/sgemm_kernels.h"
#include "runtime/ops/op.h"
#include "tests/unit/unit.h"

#include <sys/wait.h>
#include <unistd.h>

static rt_error err;

static rt_tensor *make(rt_dtype dtype, int ndim, const int64_t *shape)
{
    rt_tensor *t = NULL;
    CHECK_OK(rt_tensor_new(&t, dtype, ndim, shape, &err), err);
    for (int64_t i = 0; i < t->numel; i++) {
        rt__store_float(dtype, t->data + i * (int64_t)rt_dtype_size(dtype),
                        (double)((i * 7919 + 13) % 17 - 8));
    }
    return t;
}

static double at(const rt_tensor *t, int64_t offset)
{
    rt_dtype d = (rt_dtype)t->dtype;
    return rt__load_float(d, t->data + offset * (int64_t)rt_dtype_size(d));
}

static rt_tensor *run(rt_op_id id, int n, rt_tensor *a, rt_tensor *b,
                      rt_tensor *bias)
{
    rt_tensor *out = NULL;
    err.code = RT_OK;
    if (rt__op1(id, &out, &err, n, RT_V_TENSOR(a), RT_V_TENSOR(b),
                bias ? RT_V_TENSOR(bias) : RT_NONE)) {
        UNIT_FAIL("%s", err.message);
    }
    return out;
}

static void check_2d(const rt_tensor *a, const rt_tensor *b, const rt_tensor *r)
{
    int64_t m = a->shape[0], k = a->shape[1], n = b->shape[1];
    double worst = 0;
    for (int64_t i = 0; r && i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            double want = 0;
            for (int64_t p = 0; p < k; p++) {
                want += at(a, i * a->strides[0] + p * a->strides[1]) *
                        at(b, p * b->strides[0] + j * b->strides[1]);
            }
            worst = fmax(worst, fabs(at(r, i * n + j) - want));
        }
    }
    CHECK_NEAR(worst, 0, r->dtype == RT_BFLOAT16 || r->dtype == RT_FLOAT16
                             ? 32 : 1e-2);
}

/* b given as its transpose, so that a column-major operand is met too. */
static void check_size(rt_dtype dtype, int64_t m, int64_t k, int64_t n,
                       bool transposed)
{
    int64_t sa[] = {m, k}, sb[] = {transposed ? n : k, transposed ? k : n};
    rt_tensor *a = make(dtype, 2, sa), *b = make(dtype, 2, sb), *t = b;
    if (transposed) {
        int64_t shape[] = {k, n}, strides[] = {1, k};
        CHECK_OK(rt_tensor_view(&t, b, 2, shape, strides, 0, &err), err);
        rt_release(b);
    }
    rt_tensor *r = run(RT_OP_matmul, 2, a, t, NULL);
    check_2d(a, t, r);
    rt_release(a);
    rt_release(t);
    rt_release(r);
}

static void check_all_sizes(void)
{
    static const int64_t sizes[][3] = {{1, 1, 1},  {3, 5, 2},   {1, 40, 9},
                                       {9, 40, 1}, {64, 64, 64}, {65, 33, 130},
                                       {300, 20, 7}, {7, 20, 600}, {0, 3, 2},
                                       {1, 90, 5000}, {5000, 90, 1},
                                       {2, 0, 3},  {520, 70, 530}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int transposed = 0; transposed < 2; transposed++) {
            check_size(RT_FLOAT32, sizes[i][0], sizes[i][1], sizes[i][2],
                       transposed);
            check_size(RT_FLOAT64, sizes[i][0], sizes[i][1], sizes[i][2],
                       transposed);
        }
    }
    check_size(RT_INT64, 5, 9, 300, false);
    check_size(RT_INT32, 5, 9, 3, true);
    check_size(RT_FLOAT16, 5, 9, 30, false);
    check_size(RT_BFLOAT16, 5, 9, 30, true);
}

/* Rows of every kind of product, with a dense, a strided and a single bias. */
static void check_linear(rt_dtype d, int64_t m, int64_t k, int64_t n)
{
    int64_t sx[] = {m, k}, sw[] = {n, k}, wt[] = {1, k}, kn[] = {k, n};
    int64_t sb[] = {2 * n}, one[] = {1}, two[] = {2};
    rt_tensor *x = make(d, 2, sx), *w = make(d, 2, sw), *t;
    rt_tensor *many = make(d, 1, sb), *bias[3];
    CHECK_OK(rt_tensor_view(&t, w, 2, kn, wt, 0, &err), err);
    CHECK_OK(rt_tensor_view(&bias[0], many, 1, &n, one, 0, &err), err);
    CHECK_OK(rt_tensor_view(&bias[1], many, 1, &n, two, 0, &err), err);
    CHECK_OK(rt_tensor_view(&bias[2], many, 1, one, one, 1, &err), err);
    rt_tensor *plain = run(RT_OP_linear, 2, x, w, NULL);
    check_2d(x, t, plain);
    for (int v = 0; v < 3; v++) {
        rt_tensor *r = run(RT_OP_linear, 3, x, w, bias[v]);
        int64_t wrong = 0;
        for (int64_t i = 0; i < m * n; i++) {
            int64_t j = v == 2 ? 0 : i % n * bias[v]->strides[0];
            double want = at(plain, i) + at(bias[v], j);
            wrong += fabs(at(r, i) - want) > 1e-3;
        }
        CHECK_INT(wrong, 0);
        rt_release(r);
        rt_release(bias[v]);
    }
    rt_release(plain);
    rt_release(many);
    rt_release(x);
    rt_release(w);
    rt_release(t);
}

static void check_all_linear(void)
{
    static const int64_t sizes[][3] = {{1, 30, 20},   {20, 30, 1}, {5, 0, 7},
                                       {30, 40, 50},  {65, 700, 90},
                                       {130, 1100, 70}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int64_t *s = sizes[i];
        check_linear(RT_FLOAT32, s[0], s[1], s[2]);
        check_linear(RT_FLOAT64, s[0], s[1], s[2]);
    }
}

/* In a child, which has loaded no library and chosen no kernels yet. */
static void check_with(const char *gemm, const char *blas)
{
    pid_t child = fork();
    if (child == 0) {
        setenv("RT_GEMM", gemm, 1);
        setenv("RT_BLAS", blas, 1);
        check_all_sizes();
        check_all_linear();
        _exit(unit_failures ||
              (strcmp(blas, "off") == 0 && rt__blas_get()->loaded));
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK_INT(status, 0);
}

/* First, before anything has loaded the library. */
CASE(products_are_right_without_openblas)
{
    check_with("own", "off");
    check_with("blas", "off");
}

CASE(products_are_right_by_openblas)
{
    check_with("blas", "on");
}

CASE(products_are_right_for_every_size_and_layout)
{
    check_all_sizes();
}

CASE(linear_adds_its_bias_whatever_product_it_comes_to)
{
    check_all_linear();
}

CASE(a_product_of_reversed_and_strided_operands_is_right)
{
    int64_t shape[] = {40, 60}, half[] = {20, 30}, steps[] = {-120, 2};
    int64_t other[] = {30, 25};
    rt_tensor *base = make(RT_FLOAT32, 2, shape), *a;
    rt_tensor *b = make(RT_FLOAT32, 2, other);
    CHECK_OK(rt_tensor_view(&a, base, 2, half, steps, 39 * 60, &err), err);
    rt_tensor *r = run(RT_OP_matmul, 2, a, b, NULL);
    check_2d(a, b, r);
    rt_release(base);
    rt_release(a);
    rt_release(b);
    rt_release(r);
}

CASE(batches_broadcast)
{
    int64_t sa[] = {2, 1, 3, 4}, sb[] = {5, 4, 6};
    rt_tensor *a = make(RT_FLOAT64, 4, sa), *b = make(RT_FLOAT64, 3, sb);
    rt_tensor *r = run(RT_OP_matmul, 2, a, b, NULL);
    CHECK_INT(r->ndim, 4);
    CHECK_INT(r->shape[1], 5);
    for (int64_t x = 0; x < 2; x++) {
        for (int64_t y = 0; y < 5; y++) {
            double want = 0;
            for (int64_t p = 0; p < 4; p++) {
                want += at(a, x * 12 + 2 * 4 + p) * at(b, y * 24 + p * 6 + 5);
            }
            CHECK_NEAR(at(r, (x * 5 + y) * 18 + 2 * 6 + 5), want, 1e-12);
        }
    }
    rt_release(a);
    rt_release(b);
    rt_release(r);
}

CASE(small_products_of_a_batch_are_each_its_own)
{
    static const int64_t sizes[][3] = {{8, 8, 8}, {3, 3, 1}, {1, 5, 17},
                                       {15, 9, 33}, {20, 30, 40}};
    for (int i = 0; i < 5; i++) {
        int64_t m = sizes[i][0], k = sizes[i][1], n = sizes[i][2];
        int64_t sa[] = {3, 1, 50, m, k}, sb[] = {4, 1, k, n};
        rt_tensor *a = make(RT_FLOAT32, 5, sa), *b = make(RT_FLOAT32, 4, sb);
        rt_tensor *r[2];
        for (int t = 0; t < 2; t++) {
            rt_set_num_threads(t ? 3 : 1);
            r[t] = run(RT_OP_matmul, 2, a, b, NULL);
        }
        rt_set_num_threads(0);
        CHECK(memcmp(r[0]->data, r[1]->data, (size_t)r[0]->numel * 4) == 0);
        for (int64_t x = 0; x < r[0]->numel; x += 7) {
            int64_t at_a = x / (n * m) % 50 + x / (n * m * 200) * 50;
            int64_t at_b = x / (n * m * 50) % 4;
            double want = 0, size = 1;
            for (int64_t p = 0; p < k; p++) {
                double v = at(a, (at_a * m + x / n % m) * k + p) *
                           at(b, (at_b * k + p) * n + x % n);
                want += v;
                size += fabs(v);
            }
            CHECK_NEAR(at(r[0], x), want, size * (double)(k + 2) * 0x1p-24);
        }
        rt_release(a);
        rt_release(b);
        rt_release(r[0]);
        rt_release(r[1]);
    }
}

CASE(vectors_lose_the_dimension_they_were_lent)
{
    int64_t v[] = {4}, mat[] = {4, 3}, batch[] = {2, 3, 4};
    rt_tensor *x = make(RT_FLOAT32, 1, v), *m = make(RT_FLOAT32, 2, mat);
    rt_tensor *b = make(RT_FLOAT32, 3, batch);
    rt_tensor *dot = run(RT_OP_matmul, 2, x, x, NULL);
    rt_tensor *row = run(RT_OP_matmul, 2, x, m, NULL);
    rt_tensor *col = run(RT_OP_matmul, 2, b, x, NULL);
    CHECK_INT(dot->ndim, 0);
    CHECK_INT(row->shape[0], 3);
    CHECK_INT(col->ndim * 100 + col->shape[0] * 10 + col->shape[1], 223);
    double want = 0, want_col = 0;
    for (int p = 0; p < 4; p++) {
        want += at(x, p) * at(m, p * 3 + 1);
        want_col += at(b, 12 + 8 + p) * at(x, p);
    }
    CHECK_NEAR(at(row, 1), want, 1e-5);
    CHECK_NEAR(at(col, 5), want_col, 1e-5);
    rt_tensor *all[] = {x, m, b, dot, row, col};
    for (int i = 0; i < 6; i++) {
        rt_release(all[i]);
    }
}

CASE(linear_is_x_times_w_transposed_plus_bias)
{
    int64_t sx[] = {2, 3, 5}, sw[] = {4, 5}, sb[] = {4};
    rt_tensor *x = make(RT_FLOAT32, 3, sx), *w = make(RT_FLOAT32, 2, sw);
    rt_tensor *b = make(RT_FLOAT32, 1, sb);
    rt_tensor *r = run(RT_OP_linear, 3, x, w, b);
    CHECK_INT(r->shape[2], 4);
    for (int64_t i = 0; i < 6; i++) {
        for (int64_t o = 0; o < 4; o++) {
            double want = at(b, o);
            for (int64_t p = 0; p < 5; p++) {
                want += at(x, i * 5 + p) * at(w, o * 5 + p);
            }
            CHECK_NEAR(at(r, i * 4 + o), want, 1e-4);
        }
    }
    rt_release(x);
    rt_release(w);
    rt_release(b);
    rt_release(r);
}

CASE(linear_of_expanded_rows_of_nothing_is_zeros)
{
    int64_t sb[] = {1, 3, 0}, se[] = {64, 3, 0}, steps[] = {0, 0, 1};
    int64_t sw[] = {5, 0};
    rt_tensor *base = make(RT_INT64, 3, sb), *x = NULL, *r = NULL;
    rt_tensor *w = make(RT_INT64, 2, sw);
    CHECK_OK(rt_tensor_view(&x, base, 3, se, steps, 0, &err), err);
    r = run(RT_OP_linear, 2, x, w, NULL);
    CHECK_INT(r->numel, 64 * 3 * 5);
    for (int64_t i = 0; i < r->numel; i++) {
        CHECK_INT(((int64_t *)r->data)[i], 0);
    }
    rt_release(base);
    rt_release(x);
    rt_release(w);
    rt_release(r);
}

CASE(the_number_of_threads_does_not_change_a_bit)
{
    int64_t s[] = {300, 300};
    rt_tensor *a = make(RT_FLOAT32, 2, s);
    rt_set_num_threads(1);
    rt_tensor *x = run(RT_OP_matmul, 2, a, a, NULL);
    rt_set_num_threads(3);
    rt_tensor *y = run(RT_OP_matmul, 2, a, a, NULL);
    rt_set_num_threads(0);
    CHECK(memcmp(x->data, y->data, 300 * 300 * 4) == 0);
    rt_release(a);
    rt_release(x);
    rt_release(y);
}

/* Numbers of all bits, so that sums wrap. */
static rt_tensor *all_bits(rt_dtype d, int64_t m, int64_t n, bool columns)
{
    int64_t dense[] = {columns ? n : m, columns ? m : n};
    int64_t shape[] = {m, n}, strides[] = {1, m};
    rt_tensor *t = make(d, 2, dense), *turned = NULL;
    uint64_t x = (uint64_t)(m * 1000 + n);
    for (int64_t i = 0; i < t->numel; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        uint64_t v = x ^ x >> 29;
        memcpy(t->data + i * (int64_t)rt_dtype_size(d), &v, rt_dtype_size(d));
    }
    if (!columns) {
        return t;
    }
    CHECK_OK(rt_tensor_view(&turned, t, 2, shape, strides, 0, &err), err);
    rt_release(t);
    return turned;
}

static uint64_t bits_at(const rt_tensor *t, int64_t i, int64_t j)
{
    int64_t at = i * t->strides[0] + j * t->strides[1];
    return t->dtype == RT_INT64 ? ((const uint64_t *)t->data)[at]
                                : ((const uint32_t *)t->data)[at];
}

static int64_t wrong_integers(const rt_tensor *a, const rt_tensor *b,
                              const rt_tensor *r)
{
    int64_t wrong = 0;
    for (int64_t i = 0; i < r->shape[0]; i++) {
        for (int64_t j = 0; j < r->shape[1]; j++) {
            uint64_t sum = 0;
            for (int64_t p = 0; p < a->shape[1]; p++) {
                sum += bits_at(a, i, p) * bits_at(b, p, j);
            }
            sum = r->dtype == RT_INT64 ? sum : (uint32_t)sum;
            wrong += bits_at(r, i, j) != sum;
        }
    }
    return wrong;
}

CASE(products_of_integers_are_exact_and_wrap)
{
    static const int64_t sizes[][3] = {{1, 1, 1}, {3, 9, 31}, {4, 40, 16},
                                       {7, 300, 33}, {70, 20, 65},
                                       {1, 600, 40}, {40, 600, 1},
                                       {100, 60, 110}, {5, 0, 40}};
    for (size_t s = 0; s < 8 * (sizeof sizes / sizeof *sizes); s++) {
        const int64_t *size = sizes[s / 8];
        rt_dtype d = s & 4 ? RT_INT64 : RT_INT32;
        rt_tensor *a = all_bits(d, size[0], size[1], s & 1);
        rt_tensor *b = all_bits(d, size[1], size[2], s & 2);
        for (int threads = 1; threads <= 3; threads++) {
            rt_set_num_threads(threads);
            rt_set_simd_enabled(threads < 3);
            rt_tensor *r = run(RT_OP_matmul, 2, a, b, NULL);
            CHECK_INT(wrong_integers(a, b, r), 0);
            rt_release(r);
        }
        rt_set_simd_enabled(true);
        rt_set_num_threads(0);
        rt_release(a);
        rt_release(b);
    }
}

CASE(shapes_that_do_not_fit_are_named_with_the_likely_fix)
{
    int64_t s[] = {64, 784}, t[] = {128, 784}, img[] = {64, 28, 28};
    rt_tensor *x = make(RT_FLOAT32, 2, s), *w = make(RT_FLOAT32, 2, t);
    rt_tensor *i = make(RT_FLOAT32, 3, img), *out = NULL;
    rt_tensor *z = make(RT_INT64, 2, t);
    CHECK_FAILS(rt__op1(RT_OP_matmul, &out, &err, 2, RT_V_TENSOR(x),
                        RT_V_TENSOR(w)), err, RT_E_SHAPE);
    CHECK_TEXT(err.message, "matmul: [64, 784] @ [128, 784]: inner sizes 784 "
                            "and 128 differ");
    CHECK_HAS(err.help, "x @ w.T");
    CHECK_INT(err.shape[1][0], 128);
    CHECK_FAILS(rt__op1(RT_OP_linear, &out, &err, 2, RT_V_TENSOR(i),
                        RT_V_TENSOR(w)), err, RT_E_SHAPE);
    CHECK_HAS(err.help, "Flatten");
    CHECK_FAILS(rt__op1(RT_OP_matmul, &out, &err, 2, RT_V_TENSOR(x),
                        RT_V_TENSOR(z)), err, RT_E_DTYPE);
    CHECK_FAILS(rt__op1(RT_OP_bmm, &out, &err, 2, RT_V_TENSOR(x),
                        RT_V_TENSOR(w)), err, RT_E_SHAPE);
    rt_release(x);
    rt_release(w);
    rt_release(i);
    rt_release(z);
}

/* --- our kernels, every instruction set -------------------------------- */

static float sample(int64_t i)
{
    return (float)((i * 7919 + 13) % 257 - 128) / 64;
}

/* Largest |sum - exact| over the sum of |a||b|: the bound of a dot product of
 * length k in float32 is about k * 2^-24 of it. */
static double kernel_error(const rt__sgemm_table *t, int64_t m, int64_t n,
                           int64_t k, rt__matrix a, rt__matrix b, bool packed)
{
    int64_t mp = (m + t->mr - 1) / t->mr * t->mr;
    int64_t np = (n + t->nr - 1) / t->nr * t->nr;
    float *c = rt_alloc((size_t)(m * n + 2) * 4);
    float *pa = rt_alloc((size_t)(mp * k) * 4 + 64);
    float *pb = rt_alloc((size_t)(np * k) * 4 + 64);
    double worst = 0;
    for (int64_t i = 0; i < m * n + 2; i++) {
        c[i] = 3;
    }
    if (packed) {
        t->pack(pa, t->mr, a.data, a.rs, a.cs, m, k);
        t->pack(pb, t->nr, b.data, b.cs, b.rs, n, k);
        for (int64_t i = 0; i < m; i += t->mr) {
            for (int64_t j = 0; j < n; j += t->nr) {
                t->tile((int)(m - i < t->mr ? m - i : t->mr),
                        (int)(n - j < t->nr ? n - j : t->nr), k, pa + i * k,
                        pb + j * k, c + 1 + i * n + j, n,
                        c + 1 + i * n + j, n);
            }
        }
    } else {
        t->direct(m, n, k, a, b, c + 1, n, c + 1, n);
    }
    CHECK(c[0] == 3 && c[m * n + 1] == 3);
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            double want = 3, size = 3;
            for (int64_t p = 0; p < k; p++) {
                double x = (double)a.data[i * a.rs + p * a.cs] *
                           (double)b.data[p * b.rs + j * b.cs];
                want += x;
                size += fabs(x);
            }
            worst = fmax(worst, fabs((double)c[1 + i * n + j] - want) / size);
        }
    }
    rt_free(c);
    rt_free(pa);
    rt_free(pb);
    return worst;
}

CASE(kernels_of_every_instruction_set_are_right_at_every_edge)
{
    enum { MOST = 40 * 1100 * 2 };
    static const int64_t sizes[][3] = {{1, 1, 1}, {2, 3, 1}, {13, 31, 17},
                                       {14, 32, 16}, {15, 33, 33}, {29, 47, 5},
                                       {6, 16, 64}, {43, 65, 70}, {8, 70, 9},
                                       {1, 64, 20}, {2, 66, 3}, {7, 135, 64},
                                       {5, 40, 513}, {37, 3, 1100}};
    static float a[MOST], b[MOST];
    for (int64_t i = 0; i < MOST; i++) {
        a[i] = sample(i);
        b[i] = sample(i * 3 + 1);
    }
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        const rt__sgemm_table *t = rt__sgemm_tables[isa];
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            int64_t m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
            rt__matrix as[] = {{a, k, 1}, {a, 1, m}, {a, 2 * k, 2}};
            rt__matrix bs[] = {{b, n, 1}, {b, 1, k}, {b, 2, 2 * k}};
            for (int v = 0; v < 9; v++) {
                double bound = (double)(k + 2) * 0x1p-24;
                CHECK_NEAR(kernel_error(t, m, n, k, as[v / 3], bs[v % 3], true),
                           0, bound);
                CHECK_NEAR(kernel_error(t, m, n, k, as[v / 3], bs[v % 3],
                                        false), 0, bound);
            }
        }
    }
}

CASE(products_across_blocks_are_right_with_simd_off_too)
{
    for (int on = 1; on >= 0; on--) {
        rt_set_simd_enabled(on);
        check_size(RT_FLOAT32, 130, 1100, 70, false);
        check_size(RT_FLOAT32, 33, 700, 1090, true);
        check_size(RT_FLOAT32, 1, 700, 300, true);
        check_size(RT_FLOAT32, 1, 700, 300, false);
        check_size(RT_FLOAT32, 301, 77, 1, true);
        check_size(RT_FLOAT32, 10, 700, 130, false);
        check_size(RT_FLOAT32, 5, 700, 70, true);
        check_size(RT_FLOAT32, 70, 900, 20, true);
        check_size(RT_FLOAT32, 3, 70001, 1, false);
    }
    rt_set_simd_enabled(true);
}

CASE(nan_and_infinity_reach_every_sum_they_belong_to)
{
    static const int64_t sizes[] = {5, 64, 150};
    for (int s = 0; s < 3; s++) {
        int64_t n = sizes[s], shape[] = {n, n};
        rt_tensor *a = make(RT_FLOAT32, 2, shape);
        rt_tensor *b = make(RT_FLOAT32, 2, shape);
        memset(b->data, 0, (size_t)(n * n) * 4);
        ((float *)a->data)[2 * n + 3] = NAN;        /* row 2, times 0 */
        ((float *)a->data)[n] = INFINITY;           /* row 1 */
        rt_tensor *r = run(RT_OP_matmul, 2, a, b, NULL);
        int64_t wrong = 0;
        for (int64_t i = 0; i < n * n; i++) {
            bool nan = i / n == 1 || i / n == 2;
            wrong += isnan(at(r, i)) ? !nan : nan || at(r, i) != 0;
        }
        CHECK_INT(wrong, 0);
        rt_release(a);
        rt_release(b);
        rt_release(r);
    }
}

/* [m, n], dense along its rows or down its columns. */
static rt_tensor *rows_or_columns(int64_t m, int64_t n, bool columns)
{
    int64_t dense[] = {columns ? n : m, columns ? m : n};
    int64_t shape[] = {m, n}, strides[] = {1, m};
    rt_tensor *t = make(RT_FLOAT32, 2, dense), *turned = NULL;
    if (!columns) {
        return t;
    }
    rt__tensor_over(&turned, t->storage, RT_FLOAT32, 2, shape, strides, 0,
                    NULL);
    rt_release(t);
    return turned;
}

CASE(threads_change_no_bit_of_any_kind_of_product)
{
    static const int64_t sizes[][3] = {{64, 64, 64}, {41, 60, 165},
                                       {70, 300, 41}, {600, 400, 33},
                                       {1, 900, 800}, {700, 900, 1},
                                       {40, 900, 1000}, {64, 784, 128},
                                       {128, 64, 784},  {10, 784, 128},
                                       {10, 1000, 10},  {32, 600, 300},
                                       {2, 90000, 1},   {1, 70001, 1},
                                       {70, 600, 1800}, {9, 17000, 130},
                                       {300, 9, 280},   {40, 2, 900},
                                       {30000, 2, 3},   {300, 700, 20}};
    for (size_t i = 0; i < 4 * (sizeof sizes / sizeof *sizes); i++) {
        const int64_t *size = sizes[i / 4];
        rt_tensor *a = rows_or_columns(size[0], size[1], i & 1);
        rt_tensor *b = rows_or_columns(size[1], size[2], i & 2);
        for (int64_t j = 0; j < a->numel; j++) {
            ((float *)a->data)[j] *= 0.3f;
        }
        rt_set_num_threads(1);
        rt_tensor *x = run(RT_OP_matmul, 2, a, b, NULL);
        for (int threads = 2; threads <= 4; threads++) {
            rt_set_num_threads(threads);
            rt_tensor *y = run(RT_OP_matmul, 2, a, b, NULL);
            CHECK(memcmp(x->data, y->data, (size_t)x->numel * 4) == 0);
            rt_release(y);
        }
        rt_set_num_threads(0);
        rt_release(a);
        rt_release(b);
        rt_release(x);
    }
}

UNIT_MAIN

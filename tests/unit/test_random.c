/* SPDX-License-Identifier: MIT
 * Random ops draw what PyTorch 2.13's CPU kernels draw after manual_seed(7).
 */
#include <math.h>
#include <string.h>

#include "runtime/base/random.h"
#include "runtime/ops/cpu/random_kernels.h"
#include "runtime/ops/op.h"
#include "tests/unit/unit.h"

static rt_error err;

static rt_tensor *call(const char *name, int n, const rt_value *args)
{
    rt_value results[RT_MAX_RESULTS] = {RT_UNSET};
    rt_manual_seed(7);
    CHECK_OK(rt_call_named(rt_op_find(name), args, n, NULL, NULL, 0, results,
                           &err), err);
    return results[0].kind == RT_K_TENSOR ? results[0].t : NULL;
}

static double at(const rt_tensor *t, int64_t i)
{
    return rt__load_float((rt_dtype)t->dtype,
                          t->data + i * (int64_t)rt_dtype_size(t->dtype));
}

static void check_values(const rt_tensor *t, const double *want, int n,
                         double tolerance)
{
    for (int i = 0; t && i < n; i++) {
        CHECK_NEAR(at(t, i), want[i], tolerance);
    }
}

static rt_tensor *sized(const char *name, int64_t n, rt_dtype dtype)
{
    rt_value args[] = {RT_V_INTS(&n, 1)};
    rt_value named[] = {RT_V_DTYPE(dtype)}, results[RT_MAX_RESULTS] = {RT_UNSET};
    const char *names[] = {"dtype"};
    rt_manual_seed(7);
    CHECK_OK(rt_call_named(rt_op_find(name), args, 1, named, names, 1, results,
                           &err), err);
    return results[0].t;
}

CASE(rand_draws_24_bits_for_float32_and_53_for_float64)
{
    double narrow[] = {0.5349225401878357, 0.19880318641662598,
                       0.6592116951942444};
    double wide[] = {0.279380429906404, 0.27369371365176565,
                     0.8620929614176255};
    rt_tensor *t = sized("rand", 3, RT_FLOAT32);
    check_values(t, narrow, 3, 0);
    rt_release(t);
    t = sized("rand", 3, RT_FLOAT64);
    check_values(t, wide, 3, 1e-16);
    rt_release(t);
}

CASE(short_normals_come_in_pairs)
{
    double want[] = {-0.1467950940132141, 0.7861412763595581,
                     0.9468216300010681, -1.1143440008163452,
                     1.6907901763916016};
    rt_tensor *t = sized("randn", 5, RT_FLOAT32);
    check_values(t, want, 5, 1e-6);
    rt_release(t);
}

CASE(long_normals_come_in_blocks_of_16_with_the_tail_drawn_anew)
{
    static const int places[] = {0, 1, 15, 16, 30, 31, 36};
    static const double narrow[] = {
        -0.8201345205307007, 0.39563116431236267, 1.090165138244629,
        -1.5826646089553833, 0.501121461391449, 0.2600362002849579,
        -0.10073431581258774};
    static const double wide[] = {
        0.06626753966449943, 0.04699155524392409, -1.0492146121597965,
        0.12877206565947644, -1.5290464222497286, 0.7319577984300885,
        0.6869951990820099};
    rt_tensor *a = sized("randn", 37, RT_FLOAT32);
    rt_tensor *b = sized("randn", 37, RT_FLOAT64);
    for (int i = 0; i < 7; i++) {
        CHECK_NEAR(at(a, places[i]), narrow[i], 2e-6);
        CHECK_NEAR(at(b, places[i]), wide[i], 1e-14);
    }
    rt_release(a);
    rt_release(b);
}

CASE(integers_and_permutations_follow_the_words)
{
    int64_t six = 6, three = 3;
    rt_value small[] = {RT_V_INT(3), RT_V_INT(100), RT_V_INTS(&six, 1)};
    rt_value large[] = {RT_V_INT(0), RT_V_INT(1ll << 40), RT_V_INTS(&three, 1)};
    rt_value eight[] = {RT_V_INT(8)};
    double a[] = {55, 61, 86, 57, 53, 48};
    double b[] = {752595690692.0, 108744157686.0, 291964244179.0};
    double c[] = {7, 0, 3, 4, 1, 5, 2, 6};
    rt_tensor *t = call("randint", 3, small);
    check_values(t, a, 6, 0);
    rt_release(t);
    t = call("randint", 3, large);
    check_values(t, b, 3, 0);
    rt_release(t);
    t = call("randperm", 1, eight);
    check_values(t, c, 8, 0);
    rt_release(t);
}

static rt_tensor *drawn(int64_t count, bool again, int threads)
{
    int64_t shape[] = {40, 500};
    rt_tensor *w = sized("rand", 20000, RT_FLOAT32), *wide = NULL;
    rt_set_num_threads(threads);
    CHECK_OK(rt_tensor_view(&wide, w, 2, shape, (int64_t[]){500, 1}, 0, &err),
             err);
    rt_value args[] = {RT_V_TENSOR(wide), RT_V_INT(count), RT_V_BOOL(again)};
    rt_tensor *t = call("multinomial", 3, args);
    for (int64_t i = 0; t && i < t->numel; i++) {
        CHECK(at(t, i) >= 0 && at(t, i) < 500);
    }
    rt_release(w);
    rt_release(wide);
    return t;
}

CASE(samples_of_weights_are_the_same_for_any_number_of_threads)
{
    for (int k = 0; k < 3; k++) {
        int64_t count = k == 0 ? 1 : 60;
        rt_tensor *one = drawn(count, k == 2, 1), *more = drawn(count, k == 2, 3);
        CHECK_INT(one->numel, 40 * count);
        CHECK(memcmp(one->data, more->data,
                     (size_t)one->numel * sizeof(int64_t)) == 0);
        rt_release(one);
        rt_release(more);
    }
    rt_set_num_threads(0);
}

CASE(a_seed_repeats_and_threads_do_not_matter)
{
    rt_set_num_threads(1);
    rt_tensor *a = sized("randn", 100003, RT_FLOAT32);
    rt_set_num_threads(4);
    rt_tensor *b = sized("randn", 100003, RT_FLOAT32);
    rt_set_num_threads(0);
    CHECK(memcmp(a->data, b->data, 100003 * 4) == 0);
    rt_release(a);
    rt_release(b);
}

CASE(bad_ranges_and_dtypes_are_errors)
{
    int64_t n = 3;
    rt_value empty[] = {RT_V_INT(5), RT_V_INT(5), RT_V_INTS(&n, 1)};
    rt_value results[RT_MAX_RESULTS] = {RT_UNSET};
    CHECK_FAILS(rt_call_named(rt_op_find("randint"), empty, 3, NULL, NULL, 0,
                              results, &err), err, RT_E_ARGUMENT);
    CHECK_HAS(err.message, "[5, 5) is empty");
    rt_value size[] = {RT_V_INTS(&n, 1)}, dtype[] = {RT_V_DTYPE(RT_INT64)};
    const char *names[] = {"dtype"};
    CHECK_FAILS(rt_call_named(rt_op_find("randn"), size, 1, dtype, names, 1,
                              results, &err), err, RT_E_DTYPE);
}

CASE(words_tempered_later_are_the_same_words_wherever_a_draw_begins)
{
    enum { MOST = 5000 };
    static const int64_t draws[] = {1, 623, 624, 1, 1248, 5000, 300, 3000, 0,
                                    1871, 625, 2496};
    static uint32_t a[MOST], b[MOST];
    rt_generator *at_once = NULL, *later = NULL;
    CHECK_OK(rt_generator_new(&at_once, 5, &err), err);
    CHECK_OK(rt_generator_new(&later, 5, &err), err);
    for (size_t i = 0; i < sizeof draws / sizeof *draws; i++) {
        rt__random_words(at_once, a, draws[i]);
        rt__random_untempered(later, b, draws[i]);
        rt__random_temper(b, draws[i]);
        CHECK(memcmp(a, b, (size_t)draws[i] * sizeof *a) == 0);
        CHECK(rt__random_u32(at_once) == rt__random_u32(later));
    }
    rt_generator_release(at_once);
    rt_generator_release(later);
}

static double fraction_of(uint32_t word)
{
    return (double)(word & 0xffffffu) * 0x1p-24;
}

CASE(normals_stay_within_their_bound_on_every_instruction_set)
{
    enum { BLOCKS = 301, N = BLOCKS * RT_NORMAL_BLOCK };
    static uint32_t words[N], x[N];
    rt_generator *g = NULL;
    CHECK_OK(rt_generator_new(&g, 3, &err), err);
    rt__random_words(g, words, N);
    for (int i = 0; i < 16; i++) {   /* the ends of both ranges */
        words[i] = i % 2 ? 0xffffffu : 0;
        words[16 + i] = i < 8 ? (uint32_t)i : (uint32_t)(i - 8) << 21;
    }
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        memcpy(x, words, sizeof x);
        rt__random_tables[isa]->normals((float *)(void *)x, BLOCKS, 0.5f, 2);
        double worst = 0;
        for (int i = 0; i < N; i++) {
            int u = i & ~8, odd = i & 8;
            double r = sqrt(-2 * log1p(-fraction_of(words[u])));
            double t = 2 * M_PI * fraction_of(words[u | 8]);
            double want = r * (odd ? sin(t) : cos(t)) * 2 + 0.5;
            float got;
            memcpy(&got, x + i, sizeof got);
            worst = fmax(worst, fabs((double)got - want) / (r + 1));
        }
        CHECK_NEAR(worst, 0, 1e-6);
    }
    rt_generator_release(g);
}

CASE(half_types_round_float32_samples)
{
    /* torch.manual_seed(7); torch.rand(100, dtype=torch.float16) */
    rt_tensor *u = sized("rand", 100, RT_FLOAT16);
    CHECK_NEAR(at(u, 0), 0.53515625, 0);
    CHECK_NEAR(at(u, 1), 0.1988525390625, 0);
    /* torch.manual_seed(7); torch.randn(17, dtype=torch.float16) */
    rt_tensor *n = sized("randn", 17, RT_FLOAT16);
    CHECK_NEAR(at(n, 1), -1.5830078, 1e-3);
    CHECK_NEAR(at(n, 16), -1.359375, 1e-3);
    rt_release(u);
    rt_release(n);
}

UNIT_MAIN

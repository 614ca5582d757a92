/* SPDX-License-Identifier: MIT
 * Allocator, errors, text, thread pool, random words.
 */
#include "runtime/base/cpu.h"
#include "runtime/base/pool.h"
#include "runtime/base/random.h"
#include "runtime/base/text.h"
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

CASE(memory_is_aligned_to_64_bytes_for_every_size)
{
    for (size_t size = 0; size < (16u << 20); size = size * 3 / 2 + 1) {
        void *p = rt_alloc(size);
        CHECK_INT((uintptr_t)p % 64, 0);
        memset(p, 0xa5, size);
        rt_free(p);
    }
}

#ifndef __SANITIZE_ADDRESS__   /* under which nothing is cached */
CASE(a_freed_block_is_given_out_again)
{
    void *p = rt_alloc(1000);
    rt_free(p);
    void *q = rt_alloc(1000);
    CHECK(p == q);
    rt_free(q);
}
#endif

CASE(statistics_return_to_where_they_were)
{
    rt_memory_stats before, after;
    rt_memory_read_stats(&before);
    void *p = rt_alloc(5 << 20);
    rt_memory_read_stats(&after);
    CHECK(after.allocated - before.allocated >= 5 << 20);
    rt_free(p);
    rt_memory_read_stats(&after);
    CHECK_INT(after.allocated, before.allocated);
}

CASE(the_nth_allocation_fails_when_asked)
{
    rt_memory_fail_after(2);
    void *a = rt_alloc(10), *b = rt_alloc(10), *c = rt_alloc(10);
    CHECK(a && !b && c);
    rt_free(a);
    rt_free(c);
}

CASE(what_a_limit_forbids_is_refused_and_the_rest_goes_on)
{
    rt_memory_empty_cache();
    rt_memory_set_limit((int64_t)64 << 20);
    void *small = rt_alloc(1 << 20), *large = rt_alloc((size_t)80 << 20);
    CHECK(small != NULL);
    CHECK(large == NULL);
    rt_memory_set_limit(0);
    large = rt_alloc((size_t)80 << 20);
    CHECK(large != NULL);
    rt_free(large);
    rt_free(small);
}

CASE(more_memory_than_the_machine_has_is_refused)
{
    CHECK(rt_alloc((size_t)1 << 46) == NULL);
}

static void *allocate_elsewhere(void *unused)
{
    for (int i = 0; i < 1000; i++) {
        rt_free(rt_alloc((size_t)(i * 37 % 5000)));
    }
    return unused;
}

CASE(a_thread_that_ends_gives_its_cache_back)
{
    rt_memory_stats before, after;
    rt_memory_empty_cache();
    rt_memory_read_stats(&before);
    pthread_t id;
    pthread_create(&id, NULL, allocate_elsewhere, NULL);
    pthread_join(id, NULL);
    rt_memory_empty_cache();
    rt_memory_read_stats(&after);
    CHECK_INT(after.cached, before.cached);
}

CASE(the_first_error_wins_and_names_the_operation)
{
    rt_error err;
    rt_error_clear(&err);
    CHECK_INT(rt_fail(&err, RT_E_SHAPE, "matmul: [2, 3] x [4, 5]"), RT_E_SHAPE);
    rt_fail(&err, RT_E_DTYPE, "second");
    CHECK_TEXT(err.op, "matmul");
    CHECK_TEXT(err.message, "matmul: [2, 3] x [4, 5]");
    CHECK_INT(err.code, RT_E_SHAPE);
    CHECK_TEXT(rt_error_describe(err.code)->code, "shape");
    CHECK_INT(rt_fail(NULL, RT_E_INDEX, "x"), RT_E_INDEX);
}

CASE(doubles_print_in_their_shortest_exact_form)
{
    static const struct {
        double v;
        const char *text;
    } cases[] = {{0.1, "0.1"}, {2, "2.0"}, {1e20, "1e+20"}, {1e15, "1000000000000000.0"},
                 {1.0 / 3, "0.3333333333333333"}, {-0.0, "-0.0"}, {1e-5, "1e-05"},
                 {123456.789, "123456.789"}, {NAN, "nan"}, {-INFINITY, "-inf"},
                 {100, "100.0"}, {0.0001, "0.0001"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rt__text t = {0};
        char *s = NULL;
        rt__text_double(&t, cases[i].v);
        CHECK_INT(rt__text_take(&t, &s, NULL), RT_OK);
        CHECK_TEXT(s, cases[i].text);
        rt_free(s);
    }
}

static void count(void *ctx, int64_t begin, int64_t end)
{
    atomic_llong *sum = ctx;
    for (int64_t i = begin; i < end; i++) {
        atomic_fetch_add(sum, i);
    }
}

CASE(a_parallel_loop_visits_every_element_once)
{
    rt_set_num_threads(4);
    for (int round = 0; round < 200; round++) {
        atomic_llong sum = 0;
        CHECK(rt__parallel(1000, 7, count, &sum));
        CHECK_INT(sum, 499500);
    }
    rt_set_num_threads(0);
}

/* Pieces that take longer than workers and callers spin. */
static void count_slowly(void *ctx, int64_t begin, int64_t end)
{
    usleep(begin == 0 ? 100 : 1000);
    count(ctx, begin, end);
}

CASE(sleeping_workers_wake_up_and_late_ones_are_waited_for)
{
    for (int threads = 1; threads <= 5; threads++) {
        rt_set_num_threads(threads);
        for (int round = 0; round < 5; round++) {
            atomic_llong sum = 0;
            CHECK(rt__parallel(4, 1, count_slowly, &sum));
            CHECK_INT(sum, 6);
            usleep(300);
        }
    }
    rt_set_num_threads(0);
}

static void nested(void *ctx, int64_t begin, int64_t end)
{
    (void)begin, (void)end;
    rt__parallel(100, 10, count, ctx);
}

CASE(a_nested_loop_runs_serially)
{
    atomic_llong sum = 0;
    CHECK(rt__parallel(8, 1, nested, &sum));
    CHECK_INT(sum, 8 * 4950);
}

/* Pieces that others would take, if they could. */
static void count_own(void *ctx, int64_t begin, int64_t end)
{
    static _Thread_local int64_t own;
    own += end - begin;
    usleep(200);
    atomic_store((atomic_llong *)ctx, own);
}

static void *loop_alone(void *sum)
{
    rt__run_alone();
    rt__parallel(20, 1, count_own, sum);
    return NULL;
}

CASE(a_thread_that_runs_alone_does_every_piece_itself)
{
    atomic_llong own = 0;
    pthread_t thread;
    rt_set_num_threads(4);
    CHECK(pthread_create(&thread, NULL, loop_alone, &own) == 0);
    pthread_join(thread, NULL);
    CHECK_INT(own, 20);
    rt_set_num_threads(0);
}

CASE(a_forked_child_makes_new_workers)
{
    rt_set_num_threads(3);
    atomic_llong sum = 0;
    rt__parallel(1000, 1, count, &sum);
    pid_t child = fork();
    if (child == 0) {
        atomic_llong s = 0;
        bool done = rt__parallel(1000, 1, count, &s);
        _exit(done && s == 499500 ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK_INT(status, 0);
    rt_set_num_threads(0);
}

CASE(an_interrupt_stops_a_loop)
{
    atomic_llong sum = 0;
    rt_interrupt();
    CHECK(!rt__parallel(1000, 7, count, &sum));
    CHECK_INT(sum, 0);
    rt_interrupt_clear();
    CHECK(rt__parallel(1000, 7, count, &sum));
}

static int long_calls;

static void long_work(void)
{
    long_calls++;
}

CASE(a_poll_after_a_while_tells_of_long_work_once)
{
    CHECK(rt_on_long_work(long_work) == NULL);
    CHECK(rt_on_long_work(NULL) == long_work);
    usleep(20000);
    CHECK(!rt_interrupted());
    CHECK_INT(long_calls, 0);   /* taken back */
    rt_on_long_work(long_work);
    usleep(20000);
    atomic_llong sum = 0;
    CHECK(rt__parallel(1000, 7, count, &sum));
    CHECK_INT(sum, 499500);
    CHECK_INT(long_calls, 1);
    CHECK(rt_on_long_work(NULL) == NULL);
}

/* Matsumoto and Nishimura's reference output for seed 5489. */
CASE(mt19937_draws_the_reference_words)
{
    rt_generator *g;
    rt_error err;
    CHECK_OK(rt_generator_new(&g, 5489, &err), err);
    CHECK_INT(rt__random_u32(g), 3499211612u);
    CHECK_INT(rt__random_u32(g), 581869302u);
    for (int i = 2; i < 9999; i++) {
        rt__random_u32(g);
    }
    CHECK_INT(rt__random_u32(g), 4123659995u);
    rt_generator_release(g);
}

CASE(a_saved_state_draws_the_same_again)
{
    rt_generator *g = rt_default_generator();
    rt_error err;
    rt_tensor *state;
    rt_manual_seed(3);
    rt__random_normal(g);
    CHECK_OK(rt_generator_get_state(g, &state, &err), err);
    double a = rt__random_normal(g), b = rt__random_f53(g);
    CHECK_OK(rt_generator_set_state(g, state, &err), err);
    CHECK_NEAR(rt__random_normal(g), a, 0);
    CHECK_NEAR(rt__random_f53(g), b, 0);
    rt_release(state);
}

CASE(the_instruction_set_can_be_switched_off)
{
    rt_set_simd_enabled(false);
    CHECK_TEXT(rt_isa_name(), "baseline");
    rt_set_simd_enabled(true);
    CHECK(rt__cpu_info()->cores >= 1);
}

UNIT_MAIN

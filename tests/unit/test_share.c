/* SPDX-License-Identifier: MIT
 * Large blocks shared with a forked twin, and made this process's own.
 */
#include "runtime/base/blocks.h"

#include "tests/unit/tensors.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ELEMENTS = 5 << 20 };   /* 20 MiB: two stretches and a part */

/* AddressSanitizer is told to guard what these read. */
#define READS_HEADERS __attribute__((no_sanitize_address))

static const rt__block *block_of(const rt_tensor *t)
{
    return (const rt__block *)((char *)t->storage->data - RT_BLOCK_HEADER);
}

READS_HEADERS static bool is_mapped(const rt_tensor *t)
{
    return block_of(t)->mapped != 0;
}

READS_HEADERS static uint32_t owned_of(const rt_tensor *t)
{
    return block_of(t)->owned;
}

static rt_tensor *ramp(void)
{
    rt_tensor *t = NULL;
    CHECK_OK(rt_tensor_new(&t, RT_FLOAT32, 1, (int64_t[]){ELEMENTS}, &err), err);
    for (int64_t i = 0; i < ELEMENTS; i++) {
        ((float *)t->data)[i] = (float)i;
    }
    return t;
}

/* Whether t holds factor * i at every i. */
static bool holds(const rt_tensor *t, float factor)
{
    for (int64_t i = 0; i < ELEMENTS; i++) {
        if (((const float *)t->data)[i] != factor * (float)i) {
            return false;
        }
    }
    return true;
}

static void scale(rt_tensor *t, double by)
{
    rt_value r[RT_MAX_RESULTS];
    CHECK_OK(rt_call(rt_op_find("mul_"), (rt_value[]){T(t), RT_V_FLOAT(by)},
                     2, r, &err), err);
    rt_release(r[0].t);
}

/* A twin that waits until the pipe is closed, then says what it finds. */
static pid_t twin_of(const rt_tensor *t, int *go)
{
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(pipes[1]);
        rt_memory_forked(true);
        _exit(read(pipes[0], &byte, 1) == 0 && holds(t, 1) ? 0 : 1);
    }
    rt_memory_forked(false);
    close(pipes[0]);
    *go = pipes[1];
    return child;
}

static int end_of(pid_t child, int go)
{
    int status = -1;
    close(go);
    waitpid(child, &status, 0);
    return status;
}

CASE(an_operation_in_place_leaves_the_twin_what_it_had)
{
    int go;
    rt_tensor *t = ramp();
    pid_t child = twin_of(t, &go);
    const void *data = t->data;
    scale(t, 3);
    CHECK(t->data == data);
    CHECK(!is_mapped(t) || owned_of(t) == rt__fork_count());
    CHECK(holds(t, 3));
    CHECK_INT(end_of(child, go), 0);
    scale(t, 2);
    CHECK(holds(t, 6));
    rt_release(t);
}

CASE(a_write_to_a_small_part_copies_no_more_than_the_system_does)
{
    int go;
    rt_tensor *t = ramp(), *part = NULL;
    pid_t child = twin_of(t, &go);
    uint32_t owned = owned_of(t);
    CHECK_OK(rt__tensor_over(&part, t->storage, RT_FLOAT32, 1, (int64_t[]){10},
                             (int64_t[]){1}, 5, &err), err);
    scale(part, 2);
    CHECK_INT(owned_of(t), owned);
    CHECK(((float *)t->data)[5] == 10 && ((float *)t->data)[15] == 15);
    CHECK_INT(end_of(child, go), 0);
    rt_release(part);
    rt_release(t);
}

CASE(an_interrupt_leaves_the_rest_to_the_system)
{
    int go;
    rt_tensor *t = ramp();
    pid_t child = twin_of(t, &go);
    uint32_t owned = owned_of(t);
    rt_interrupt();
    rt__own_pages(t->storage->data);
    rt_interrupt_clear();
    CHECK_INT(owned_of(t), owned);
    CHECK(holds(t, 1));
    scale(t, 2);
    CHECK(holds(t, 2));
    CHECK_INT(end_of(child, go), 0);
    rt_release(t);
}

/* They may be on their way still when their mapping is given back, or when
 * somebody else asks for others. */
CASE(pages_asked_for_are_given_back_while_they_are_on_their_way)
{
    enum { N = 12 };
    for (int i = 0; i < 50; i++) {
        char *some = rt__map_pages(N * RT_HUGE_PAGE, RT_HUGE_PAGE);
        char *more = rt__map_pages(N * RT_HUGE_PAGE, RT_HUGE_PAGE);
        CHECK(some && more);
        rt_interrupt_after(2);
        rt__ask_pages(some, N);   /* in time or not: it comes back */
        rt_interrupt_clear();
        rt__drop_pages(some, N);
        CHECK(rt__ask_pages(more, N));
        for (size_t at = 0; at < N * RT_HUGE_PAGE; at += RT_HUGE_PAGE) {
            unsigned char there = 0;
            CHECK(mincore(more + at, 1, &there) == 0 && (there & 1));
            CHECK(more[at] == 0);
        }
        rt__drop_pages(more, N);
    }
}

CASE(a_block_whose_pages_are_on_their_way_can_be_used_and_freed)
{
    for (int i = 0; i < 20; i++) {
        rt_tensor *t = NULL;
        rt_memory_empty_cache();
        rt_interrupt_after(2);
        CHECK_OK(rt_tensor_new(&t, RT_FLOAT32, 1, (int64_t[]){ELEMENTS}, &err),
                 err);
        rt_interrupt_clear();
        float *data = (float *)t->data;
        for (int64_t k = 0; k < ELEMENTS; k++) {
            data[k] = (float)k;
        }
        CHECK(holds(t, 1));
        rt_release(t);
    }
    rt_memory_empty_cache();
}

CASE(a_step_of_an_optimizer_leaves_the_twin_what_it_had)
{
    int go;
    rt_tensor *t = ramp(), *g = ramp();
    rt_optimizer *o = NULL;
    CHECK_OK(rt_set_requires_grad(t, true, &err), err);
    CHECK_OK(rt_set_grad(t, g, &err), err);
    rt_value args[] = {RT_V_TENSORS(&t, 1), RT_V_FLOAT(0.5)};
    CHECK_OK(rt_optimizer_new(&o, rt_optim_find("SGD"), args, 2, NULL, NULL, 0,
                              &err), err);
    pid_t child = twin_of(t, &go);
    CHECK_OK(rt_optimizer_step(o, &err), err);
    CHECK(holds(t, 0.5f));
    CHECK_INT(end_of(child, go), 0);
    rt_optimizer_release(o);
    rt_release(t);
    rt_release(g);
}

/* In mebibytes: a tensor's header is cached as well. */
static int64_t cached_large(void)
{
    rt_memory_stats stats;
    rt_memory_read_stats(&stats);
    return stats.cached >> 20;
}

/* To write them again would copy them, page by page. */
CASE(pages_a_twin_shares_are_given_back_instead_of_used_again)
{
    int go;
    rt_tensor *t = ramp();
    bool mapped = is_mapped(t);
    pid_t child = twin_of(t, &go);
    int64_t before = cached_large();
    rt_release(t);
    CHECK(!mapped || cached_large() == before);
    t = ramp();   /* fresh pages, of which the twin has none */
    CHECK(!mapped || owned_of(t) == rt__fork_count());
    rt_release(t);
    CHECK(!mapped || cached_large() > before);
    CHECK_INT(end_of(child, go), 0);
}

CASE(pages_that_were_cached_when_the_twin_was_made_are_used_again)
{
    int go;
    rt_tensor *t = ramp();
    rt_release(ramp());
    bool mapped = is_mapped(t);
    int64_t before = cached_large();
    pid_t child = twin_of(t, &go);
    CHECK(!mapped || cached_large() == before);
    rt_tensor *other = ramp();
    CHECK(!mapped || cached_large() < before);
    CHECK(!mapped || owned_of(other) == rt__fork_count());
    rt_release(other);
    CHECK(!mapped || cached_large() == before);
    CHECK_INT(end_of(child, go), 0);
    rt_release(t);
}

CASE(pages_of_a_fresh_tensor_are_asked_for_when_it_is_made)
{
    rt_tensor *t = NULL;
    rt_memory_empty_cache();
    CHECK_OK(rt_tensor_new(&t, RT_FLOAT32, 1, (int64_t[]){ELEMENTS}, &err), err);
    uintptr_t begin = (uintptr_t)t->data, end = begin + 4 * (size_t)ELEMENTS;
    uintptr_t past = begin + RT_HUGE_PAGE - 1;
    uintptr_t page = past - past % RT_HUGE_PAGE;
    unsigned char there = 0;
    for (; is_mapped(t) && page + RT_HUGE_PAGE <= end; page += RT_HUGE_PAGE) {
        CHECK(mincore((void *)page, 1, &there) == 0 && (there & 1));
    }
    /* and none past its end, to be copied by every fork */
    page = end + 0x2000 - end % 0x1000;
    CHECK(!is_mapped(t) ||
          (mincore((void *)page, 1, &there) == 0 && !(there & 1)));
    rt_release(t);
}

/* Whether the first byte of t's page was copied is the system's to say; what
 * must hold is that nothing changes, on either side. */
CASE(small_blocks_made_ones_own_after_a_fork_keep_what_they_hold)
{
    enum { N = 3000 };
    rt_tensor *all[N];
    int go[2];
    for (int i = 0; i < N; i++) {
        all[i] = noise(RT_FLOAT32, SHAPE(10), (uint32_t)i);
    }
    CHECK(pipe(go) == 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(go[1]);
        rt_memory_forked(true);
        int good = read(go[0], &byte, 1) == 0;
        for (int i = 0; i < N; i++) {
            rt_tensor *same = noise(RT_FLOAT32, SHAPE(10), (uint32_t)i);
            good &= memcmp(same->data, all[i]->data, 40) == 0;
        }
        _exit(good ? 0 : 1);
    }
    rt_memory_forked(false);
    close(go[0]);
    rt_memory_own_small();
    for (int i = 0; i < N; i++) {
        rt_tensor *same = noise(RT_FLOAT32, SHAPE(10), (uint32_t)i);
        CHECK(memcmp(same->data, all[i]->data, 40) == 0);
        put(all[i], 3, 7);
        DROP(same, all[i]);
    }
    CHECK_INT(end_of(child, go[1]), 0);
}

/* ThreadSanitizer puts variables into a mapping that is not small. */
#if defined(MADV_POPULATE_WRITE) && !defined(__SANITIZE_THREAD__)
static char variables[64][4096] __attribute__((aligned(4096)));

static long faults(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_minflt;
}

CASE(variables_are_written_without_a_fault_each_when_there_was_time)
{
    int go;
    rt_tensor *t = ramp();
    for (int i = 0; i < 64; i++) {
        variables[i][0] = (char)i;
    }
    bool can = madvise(variables, sizeof variables, MADV_POPULATE_WRITE) == 0;
    pid_t child = twin_of(t, &go);
    rt_memory_own_small();
    long before = faults();
    for (int i = 0; i < 64; i++) {
        CHECK_INT(variables[i][0], i);
        variables[i][0] = 1;
    }
    long more = faults() - before;
    if (can && more > 32) {
        UNIT_FAIL("%ld faults for 64 pages", more);
    }
    CHECK_INT(end_of(child, go), 0);
    rt_release(t);
}
#endif

UNIT_MAIN

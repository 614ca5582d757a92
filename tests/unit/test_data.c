/* SPDX-License-Identifier: MIT */
#include "tests/unit/tensors.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

/* n samples: the number i, and [10 i, 10 i + 1]. */
static rt_dataset *rows(int64_t n)
{
    rt_tensor *t[2] = {counting(RT_INT64, SHAPE(n)),
                       counting(RT_FLOAT32, SHAPE(n, 2))};
    rt_dataset *d = NULL;
    for (int64_t i = 0; i < 2 * n; i++) {
        put(t[1], i, (double)(10 * (i / 2) + i % 2));
    }
    CHECK_OK(rt_tensor_dataset(&d, t, 2, &err), err);
    rt_release(t[0]);
    rt_release(t[1]);
    return d;
}

static rt_loader *loader(rt_dataset *d, int64_t batch, bool shuffle,
                         bool drop_last, int workers, rt_generator *g)
{
    rt_loader_options o = {batch, shuffle, drop_last, workers, g};
    rt_loader *l = NULL;
    CHECK_OK(rt_loader_new(&l, d, &o, &err), err);
    rt_dataset_release(d);
    return l;
}

/* The first fields of one epoch, batches ended by '|': "0 1 2|3|". */
static void epoch(char *out, rt_loader *l)
{
    rt_loader_iter *it = NULL;
    rt_tensor *f[RT_MAX_RESULTS];
    int n = 0;
    *out = '\0';
    CHECK_OK(rt_loader_begin(&it, l, &err), err);
    for (;;) {
        rt_error_clear(&err);
        if (rt_loader_next(it, f, &n, &err)) {
            UNIT_FAIL("next: %s", err.message);
            break;
        }
        if (n == 0) {
            break;
        }
        for (int64_t i = 0; i < f[0]->numel; i++) {
            sprintf(out + strlen(out), "%s%d", i ? " " : "", (int)at(f[0], i));
            if (n > 1) {
                CHECK_NEAR(at(f[1], 2 * i + 1), 10 * at(f[0], i) + 1, 0);
            }
        }
        strcat(out, "|");
        for (int i = 0; i < n; i++) {
            rt_release(f[i]);
        }
    }
    rt_loader_end(it);
}

CASE(a_tensor_dataset_gives_rows)
{
    rt_dataset *d = rows(4);
    rt_tensor *f[RT_MAX_RESULTS];
    int n = 0;
    CHECK_INT(rt_dataset_length(d), 4);
    CHECK_OK(rt_dataset_get(d, -1, f, &n, &err), err);
    CHECK_INT(n, 2);
    CHECK_TENSOR(f[1], RT_FLOAT32, SHAPE(2), VALUES(30, 31));
    rt_release(f[0]);
    rt_release(f[1]);
    CHECK_FAILS(rt_dataset_get(d, 4, f, &n, &err), err, RT_E_INDEX);
    CHECK_FAILS(rt_dataset_get(d, -5, f, &n, &err), err, RT_E_INDEX);
    rt_dataset_release(d);
}

CASE(tensors_of_different_lengths_are_refused)
{
    rt_tensor *t[2] = {counting(RT_INT64, SHAPE(3)),
                       counting(RT_INT64, SHAPE(2, 3))};
    rt_tensor *flat = counting(RT_INT64, NULL, 0);
    rt_dataset *d = NULL;
    CHECK_FAILS(rt_tensor_dataset(&d, t, 2, &err), err, RT_E_SHAPE);
    CHECK_HAS(err.message, "tensor 1 has 2 rows, tensor 0 has 3");
    CHECK_FAILS(rt_tensor_dataset(&d, &flat, 1, &err), err, RT_E_SHAPE);
    CHECK_FAILS(rt_tensor_dataset(&d, t, 0, &err), err, RT_E_ARGUMENT);
    rt_release(t[0]);
    rt_release(t[1]);
    rt_release(flat);
}

CASE(batches_come_in_order_with_a_short_last_one)
{
    char text[256];
    rt_loader *l = loader(rows(7), 3, false, false, 0, NULL);
    CHECK_INT(rt_loader_length(l), 3);
    epoch(text, l);
    CHECK_TEXT(text, "0 1 2|3 4 5|6|");
    rt_loader_release(l);
    l = loader(rows(7), 3, false, true, 0, NULL);
    CHECK_INT(rt_loader_length(l), 2);
    epoch(text, l);
    CHECK_TEXT(text, "0 1 2|3 4 5|");
    rt_loader_release(l);
}

CASE(a_batch_is_a_copy_of_its_rows)
{
    rt_dataset *d = rows(2);
    rt_loader *l = loader(rt_dataset_retain(d), 2, false, false, 0, NULL);
    rt_loader_iter *it = NULL;
    rt_tensor *f[RT_MAX_RESULTS], *row[RT_MAX_RESULTS];
    int n = 0;
    CHECK_OK(rt_loader_begin(&it, l, &err), err);
    CHECK_OK(rt_loader_next(it, f, &n, &err), err);
    put(f[1], 0, 99);
    CHECK_OK(rt_dataset_get(d, 0, row, &n, &err), err);
    CHECK_NEAR(at(row[1], 0), 0, 0);
    for (int i = 0; i < 2; i++) {
        rt_release(f[i]);
        rt_release(row[i]);
    }
    rt_loader_end(it);
    rt_loader_release(l);
    rt_dataset_release(d);
}

/* The next random_() of the generator, as PyTorch's int64 tensors see it. */
static int64_t next_draw(rt_generator *g)
{
    return (int64_t)(rt_generator_random64(g) & INT64_MAX);
}

CASE(shuffling_follows_pytorchs_generator)
{
    char text[256];
    rt_manual_seed(3);
    rt_loader *l = loader(rows(7), 3, true, false, 0, NULL);
    epoch(text, l);
    CHECK_TEXT(text, "3 2 5|4 1 0|6|");
    epoch(text, l);
    CHECK_TEXT(text, "3 1 6|0 2 4|5|");
    CHECK_INT(next_draw(rt_default_generator()), 7248591967756700307);
    rt_loader_release(l);
}

CASE(an_epoch_in_order_draws_one_number_as_pytorch_does)
{
    char text[256];
    rt_manual_seed(3);
    rt_loader *l = loader(rows(7), 3, false, false, 0, NULL);
    epoch(text, l);
    epoch(text, l);
    CHECK_INT(next_draw(rt_default_generator()), 5366245355481424840);
    rt_loader_release(l);
}

CASE(a_loader_with_its_own_generator_follows_pytorch)
{
    static const struct { int64_t size; bool drop; const char *first, *second; }
    rows_[] = {
        {3, false, "3 4 2|0 1 6|5|", "6 1 2|3 4 0|5|"},
        {7, false, "3 4 2 0 1 6 5|", "6 1 2 3 4 0 5|"},
        {3, true, "3 4 2|0 1 6|", "6 1 2|3 4 0|"},
    };
    for (int i = 0; i < 3; i++) {
        char text[256];
        rt_generator *g = NULL;
        CHECK_OK(rt_generator_new(&g, 3, &err), err);
        rt_loader *l = loader(rows(7), rows_[i].size, true, rows_[i].drop, 0,
                              g);
        epoch(text, l);
        CHECK_TEXT(text, rows_[i].first);
        epoch(text, l);
        CHECK_TEXT(text, rows_[i].second);
        CHECK_INT(next_draw(g), 3251329097462014786);
        rt_loader_release(l);
        rt_generator_release(g);
    }
}

CASE(workers_change_no_batch)
{
    char alone[4096], helped[4096];
    for (int workers = 1; workers <= 5; workers += 2) {
        rt_loader *a = loader(rows(101), 4, true, false, 0, NULL);
        rt_loader *b = loader(rows(101), 4, true, false, workers, NULL);
        rt_manual_seed(1);
        epoch(alone, a);
        rt_manual_seed(1);
        epoch(helped, b);
        CHECK_TEXT(helped, alone);
        rt_loader_release(a);
        rt_loader_release(b);
    }
}

CASE(an_epoch_may_be_left_early)
{
    rt_loader *l = loader(rows(100), 2, false, false, 3, NULL);
    for (int i = 0; i < 5; i++) {
        rt_loader_iter *it = NULL;
        rt_tensor *f[RT_MAX_RESULTS];
        int n = 0;
        CHECK_OK(rt_loader_begin(&it, l, &err), err);
        for (int k = 0; k < i; k++) {
            CHECK_OK(rt_loader_next(it, f, &n, &err), err);
            rt_release(f[0]);
            rt_release(f[1]);
        }
        rt_loader_end(it);
    }
    rt_loader_release(l);
}

CASE(a_forked_child_goes_on_without_the_workers)
{
    rt_loader *l = loader(rows(40), 2, false, false, 2, NULL);
    rt_loader_iter *it = NULL;
    rt_tensor *f[RT_MAX_RESULTS];
    int n = 0, status = -1;
    CHECK_OK(rt_loader_begin(&it, l, &err), err);
    CHECK_OK(rt_loader_next(it, f, &n, &err), err);
    rt_release(f[0]);
    rt_release(f[1]);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        bool ok = rt_loader_next(it, f, &n, &err) == RT_OK && n == 2
                  && at(f[0], 0) == 2;
        rt_loader_end(it);
        _exit(ok ? 0 : 1);
    }
    waitpid(child, &status, 0);
    CHECK_INT(status, 0);
    rt_loader_end(it);
    rt_loader_release(l);
}

CASE(an_interrupt_stops_a_loader)
{
    rt_loader *l = loader(rows(40), 2, false, false, 2, NULL);
    rt_loader_iter *it = NULL;
    rt_tensor *f[RT_MAX_RESULTS];
    int n = 0;
    CHECK_OK(rt_loader_begin(&it, l, &err), err);
    rt_interrupt();
    CHECK_FAILS(rt_loader_next(it, f, &n, &err), err, RT_E_INTERRUPT);
    rt_interrupt_clear();
    CHECK_OK(rt_loader_next(it, f, &n, &err), err);
    CHECK_NEAR(at(f[0], 1), 1, 0);
    rt_release(f[0]);
    rt_release(f[1]);
    rt_loader_end(it);
    rt_loader_release(l);
}

CASE(subsets_pick_and_split_at_random)
{
    rt_dataset *d = rows(7), *s = NULL, *part[2];
    const int64_t pick[] = {6, -7, 2}, lengths[] = {4, 3}, wrong[] = {4, 4};
    char text[256];
    CHECK_OK(rt_subset(&s, d, pick, 3, &err), err);
    rt_loader *l = loader(s, 2, false, false, 0, NULL);
    epoch(text, l);
    CHECK_TEXT(text, "6 0|2|");
    rt_loader_release(l);
    rt_manual_seed(3);
    rt_error_clear(&err);
    rt_status st = rt_random_split(part, d, lengths, 2, NULL, &err);
    CHECK_INT(st, RT_OK);
    const char *const want[] = {"5 3 4 6|", "0 2 1|"};
    for (int i = 0; i < 2 && !st; i++) {
        l = loader(part[i], 9, false, false, 2, NULL);
        epoch(text, l);
        CHECK_TEXT(text, want[i]);
        rt_loader_release(l);
    }
    const int64_t outside[] = {7};
    CHECK_FAILS(rt_subset(&s, d, outside, 1, &err), err, RT_E_INDEX);
    CHECK_FAILS(rt_random_split(part, d, wrong, 2, NULL, &err), err,
                RT_E_ARGUMENT);
    rt_dataset_release(d);
}

/* --- a host's data set ------------------------------------------------------------ */

typedef struct host {
    int64_t n, fails_at;
    int uneven;              /* from this sample on there are two fields */
    pthread_t owner;
    bool strayed;            /* asked from another thread */
} host;

static int64_t host_length(void *ctx)
{
    return ((host *)ctx)->n;
}

static rt_status host_get(void *ctx, int64_t i, rt_tensor **f, int *n,
                          rt_error *e)
{
    host *h = ctx;
    h->strayed |= !pthread_equal(h->owner, pthread_self());
    if (i == h->fails_at) {
        return rt_fail(e, RT_E_HOST, "sample %d is broken", (int)i);
    }
    *n = 1 + (h->uneven && i >= h->uneven);
    for (int k = 0; k < *n; k++) {
        f[k] = NULL;
        if (rt_tensor_scalar(&f[k], RT_INT64, (double)i, e)) {
            return RT_E_MEMORY;
        }
    }
    return RT_OK;
}

static const rt_dataset_class host_class = {"Host", host_length, host_get, NULL,
                                            false};

static rt_loader *host_loader(host *h, int workers)
{
    rt_dataset *d = NULL;
    h->owner = pthread_self();
    CHECK_OK(rt_dataset_new(&d, &host_class, h, &err), err);
    return loader(d, 2, false, false, workers, NULL);
}

CASE(samples_of_a_host_are_stacked_on_the_calling_thread)
{
    host h = {.n = 5, .fails_at = -1};
    char text[256];
    rt_loader *l = host_loader(&h, 3);
    epoch(text, l);
    CHECK_TEXT(text, "0 1|2 3|4|");
    CHECK(!h.strayed);
    rt_loader_release(l);
}

CASE(an_error_of_a_host_reaches_the_caller)
{
    host h = {.n = 5, .fails_at = 3}, u = {.n = 5, .fails_at = -1, .uneven = 1};
    rt_tensor *f[RT_MAX_RESULTS];
    rt_loader_iter *it = NULL;
    int n = 0;
    rt_loader *l = host_loader(&h, 0);
    CHECK_OK(rt_loader_begin(&it, l, &err), err);
    CHECK_OK(rt_loader_next(it, f, &n, &err), err);
    rt_release(f[0]);
    CHECK_FAILS(rt_loader_next(it, f, &n, &err), err, RT_E_HOST);
    CHECK_HAS(err.message, "sample 3 is broken");
    rt_loader_end(it);
    rt_loader_release(l);
    l = host_loader(&u, 0);
    CHECK_OK(rt_loader_begin(&it, l, &err), err);
    CHECK_FAILS(rt_loader_next(it, f, &n, &err), err, RT_E_SHAPE);
    rt_loader_end(it);
    rt_loader_release(l);
}

CASE(wrong_loader_options_are_refused)
{
    rt_dataset *d = rows(2);
    rt_loader *l = NULL;
    rt_loader_options none = {0, false, false, 0, NULL};
    rt_loader_options workers = {1, false, false, -1, NULL};
    CHECK_FAILS(rt_loader_new(&l, d, &none, &err), err, RT_E_ARGUMENT);
    CHECK_FAILS(rt_loader_new(&l, d, &workers, &err), err, RT_E_ARGUMENT);
    rt_dataset_release(d);
}

CASE(an_empty_data_set_has_empty_epochs)
{
    char text[256];
    rt_loader *l = loader(rows(0), 3, true, false, 2, NULL);
    CHECK_INT(rt_loader_length(l), 0);
    epoch(text, l);
    CHECK_TEXT(text, "");
    rt_loader_release(l);
}

UNIT_MAIN

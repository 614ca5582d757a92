/* SPDX-License-Identifier: MIT */
#include "tests/unit/modules.h"

static rt_dataset *exclusive_or(void)
{
    rt_tensor *t[2] = {tensor(RT_FLOAT32, SHAPE(4, 2),
                              VALUES(0, 0, 0, 1, 1, 0, 1, 1)),
                       tensor(RT_INT64, SHAPE(4), VALUES(0, 1, 1, 0))};
    rt_dataset *d = NULL;
    CHECK_OK(rt_tensor_dataset(&d, t, 2, &err), err);
    rt_release(t[0]);
    rt_release(t[1]);
    return d;
}

static bool add(void *ctx, const char *name, rt_tensor *t)
{
    rt_value *v = ctx;
    ((rt_tensor **)v->tensors)[v->count++] = t;
    return true;
}

static rt_optimizer *optimizer(const char *name, rt_module *m, double lr)
{
    rt_tensor *params[16];
    rt_value list = RT_V_TENSORS(params, 0), rate = RT_V_FLOAT(lr);
    const char *const names[] = {"lr"};
    rt_optimizer *o = NULL;
    rt_module_each_parameter(m, false, add, &list);
    CHECK_OK(rt_optimizer_new(&o, rt_optim_find(name), &list, 1, &rate, names,
                              1, &err), err);
    return o;
}

static rt_module *net(int hidden, int out)
{
    rt_manual_seed(0);
    rt_module *first = LAYER_OF("Linear", I(2), I(hidden));
    rt_module *last = LAYER_OF("Linear", I(hidden), I(out));
    return chain(3, first, BARE("Tanh"), last);
}

static const double *series(const rt_history *h, const char *name)
{
    for (int i = 0; i < h->nseries; i++) {
        if (strcmp(h->names[i], name) == 0) {
            return h->series[i];
        }
    }
    UNIT_FAIL("the history has no '%s'", name);
    return NULL;
}

CASE(a_run_prints_pytorchs_losses)
{
    static const double want[] = {0.8434359431266785, 0.7435060441493988,
                                  0.7183938920497894, 0.7473168969154358,
                                  0.7015448808670044};
    rt_module *m = net(8, 2);
    rt_dataset *d = exclusive_or();
    rt_fit_options o = RT_FIT_OPTIONS_INIT;
    rt_history h = {0};
    o.epochs = 5;
    o.batch_size = 2;
    o.optimizer = optimizer("Adam", m, 0.05);
    CHECK_OK(rt_fit(&h, m, d, &o, &err), err);
    CHECK_INT(h.epochs, 5);
    CHECK_INT(h.nseries, 1);
    for (int i = 0; i < h.epochs; i++) {
        CHECK_NEAR(h.series[0][i], want[i], 2e-6);
    }
    rt_history_dispose(&h);
    rt_optimizer_release(o.optimizer);
    rt_dataset_release(d);
    rt_module_release(m);
}

CASE(exclusive_or_is_learned)
{
    rt_module *m = net(8, 2);
    rt_dataset *d = exclusive_or();
    rt_fit_options o = RT_FIT_OPTIONS_INIT;
    rt_history h = {0};
    rt_evaluation e = {0};
    o.epochs = 150;
    o.batch_size = 4;
    o.accuracy = true;
    o.validation = d;
    o.optimizer = optimizer("Adam", m, 0.05);
    CHECK_OK(rt_fit(&h, m, d, &o, &err), err);
    if (h.epochs == 150) {
        CHECK(series(&h, "loss")[149] < 0.05);
        CHECK_NEAR(series(&h, "accuracy")[149], 1, 0);
        CHECK_NEAR(series(&h, "val_accuracy")[149], 1, 0);
        CHECK(series(&h, "val_loss")[149] < series(&h, "val_loss")[0]);
        CHECK(h.seconds > 0);
    }
    CHECK(rt_module_training(m));
    CHECK_OK(rt_evaluate(&e, m, d, "cross_entropy", 3, &err), err);
    CHECK_NEAR(e.accuracy, 1, 0);
    CHECK_INT(e.count, 4);
    rt_history_dispose(&h);
    rt_optimizer_release(o.optimizer);
    rt_dataset_release(d);
    rt_module_release(m);
}

/* y = 2 a - b + 1, targets [N] for outputs [N, 1]. */
CASE(a_line_is_learned_and_the_schedule_is_followed)
{
    rt_tensor *t[2] = {noise(RT_FLOAT32, SHAPE(64, 2), 1),
                       counting(RT_FLOAT32, SHAPE(64))};
    for (int i = 0; i < 64; i++) {
        put(t[1], i, 2 * at(t[0], 2 * i) - at(t[0], 2 * i + 1) + 1);
    }
    rt_dataset *d = NULL;
    CHECK_OK(rt_tensor_dataset(&d, t, 2, &err), err);
    rt_manual_seed(0);
    rt_module *m = chain(1, LAYER_OF("Linear", I(2), I(1)));
    rt_fit_options o = RT_FIT_OPTIONS_INIT;
    rt_history h = {0};
    const rt_value size = I(20);
    const char *const names[] = {"step_size"};
    o.epochs = 40;
    o.batch_size = 16;
    o.loss = "mse";
    o.accuracy = true;
    o.optimizer = optimizer("SGD", m, 0.1);
    CHECK_OK(rt_scheduler_new(&o.scheduler, rt_schedule_find("StepLR"),
                              o.optimizer, NULL, 0, &size, names, 1, &err),
             err);
    CHECK_OK(rt_fit(&h, m, d, &o, &err), err);
    rt_tensor *w = rt__module_tensor(rt_module_slot_child(m, 0), "weight");
    CHECK_NEAR(at(w, 0), 2, 0.02);
    CHECK_NEAR(at(w, 1), -1, 0.02);
    if (h.epochs) {
        CHECK(isnan(series(&h, "accuracy")[0]));
    }
    CHECK_NEAR(rt_scheduler_last_lr(o.scheduler, 0), 0.001, 1e-12);
    rt_history_dispose(&h);
    rt_scheduler_release(o.scheduler);
    rt_optimizer_release(o.optimizer);
    rt_dataset_release(d);
    rt_module_release(m);
    rt_release(t[0]);
    rt_release(t[1]);
}

CASE(yes_and_no_answers_are_counted)
{
    rt_tensor *t[2] = {tensor(RT_FLOAT32, SHAPE(4, 1), VALUES(-2, -1, 1, 2)),
                       tensor(RT_FLOAT32, SHAPE(4), VALUES(0, 1, 1, 1))};
    rt_dataset *d = NULL;
    rt_evaluation e = {0};
    CHECK_OK(rt_tensor_dataset(&d, t, 2, &err), err);
    rt_module *m = BARE("Identity"), *p = BARE("Sigmoid");
    CHECK_OK(rt_evaluate(&e, m, d, "bce_with_logits", 4, &err), err);
    CHECK_NEAR(e.accuracy, 0.75, 0);
    double loss = e.loss;
    CHECK_OK(rt_evaluate(&e, p, d, "bce", 4, &err), err);
    CHECK_NEAR(e.accuracy, 0.75, 0);
    CHECK_NEAR(e.loss, loss, 1e-6);
    rt_module_release(m);
    rt_module_release(p);
    rt_dataset_release(d);
    rt_release(t[0]);
    rt_release(t[1]);
}

/* --- progress and interrupts ----------------------------------------------------------- */

typedef struct watch {
    int batches, epochs, stop_at;
    int completed;           /* as the callback last saw it */
} watch;

static rt_status see(void *ctx, const rt_fit_progress *p, rt_error *e)
{
    watch *w = ctx;
    w->batches += !p->epoch_end;
    w->epochs += p->epoch_end;
    w->completed = p->history->epochs;
    CHECK_INT(p->batches, 2);
    CHECK(p->loss > 0);
    if (w->stop_at && w->batches == w->stop_at) {
        rt_interrupt();
    }
    return RT_OK;
}

CASE(an_interrupt_keeps_the_completed_epochs)
{
    rt_module *m = net(4, 2);
    rt_dataset *d = exclusive_or();
    rt_fit_options o = RT_FIT_OPTIONS_INIT;
    rt_history h = {0};
    watch w = {.stop_at = 5};
    o.epochs = 10;
    o.batch_size = 2;
    o.optimizer = optimizer("SGD", m, 0.1);
    o.progress = see;
    o.ctx = &w;
    CHECK_FAILS(rt_fit(&h, m, d, &o, &err), err, RT_E_INTERRUPT);
    rt_interrupt_clear();
    CHECK_INT(h.epochs, 2);
    CHECK_INT(w.epochs, 2);
    CHECK_INT(w.completed, 2);
    CHECK(h.nseries == 1 && h.series[0][1] > 0);
    rt_history_dispose(&h);
    rt_optimizer_release(o.optimizer);
    rt_dataset_release(d);
    rt_module_release(m);
}

static rt_status refuse(void *ctx, const rt_fit_progress *p, rt_error *e)
{
    return rt_fail(e, RT_E_HOST, "enough");
}

CASE(what_cannot_be_trained_says_why)
{
    rt_module *m = net(4, 2);
    rt_dataset *d = exclusive_or(), *one = NULL, *none = NULL;
    rt_tensor *x = counting(RT_FLOAT32, SHAPE(4, 2));
    CHECK_OK(rt_tensor_dataset(&one, &x, 1, &err), err);
    CHECK_OK(rt_subset(&none, d, NULL, 0, &err), err);
    rt_fit_options o = RT_FIT_OPTIONS_INIT;
    rt_history h = {0};
    CHECK_FAILS(rt_fit(&h, m, d, &o, &err), err, RT_E_ARGUMENT);
    CHECK_HAS(err.message, "optimizer");
    o.optimizer = optimizer("SGD", m, 0.1);
    CHECK_FAILS(rt_fit(&h, m, one, &o, &err), err, RT_E_ARGUMENT);
    CHECK_HAS(err.message, "an input and a target");
    CHECK_FAILS(rt_fit(&h, m, none, &o, &err), err, RT_E_ARGUMENT);
    o.loss = "luck";
    CHECK_FAILS(rt_fit(&h, m, d, &o, &err), err, RT_E_ARGUMENT);
    CHECK_HAS(err.help, "cross_entropy");
    o.loss = "cross_entropy";
    o.progress = refuse;
    CHECK_FAILS(rt_fit(&h, m, d, &o, &err), err, RT_E_HOST);
    CHECK_INT(h.nseries, 0);
    rt_optimizer_release(o.optimizer);
    rt_dataset_release(d);
    rt_dataset_release(one);
    rt_dataset_release(none);
    rt_release(x);
    rt_module_release(m);
}

CASE(memory_running_out_in_a_run_leaks_nothing)
{
    rt_module *m = net(2, 2);
    rt_dataset *d = exclusive_or();
    rt_memory_stats before, after;
    rt_fit_options o = RT_FIT_OPTIONS_INIT;
    o.batch_size = 4;
    o.accuracy = true;
    o.validation = d;
    o.optimizer = optimizer("SGD", m, 0.1);
    for (int i = 0, done = 0; i < 3000 && !done; i++) {
        rt_history h = {0};
        rt_error_clear(&err);
        rt_memory_fail_after(i);
        rt_status st = rt_fit(&h, m, d, &o, &err);
        done = i > 0 && st == RT_OK;
        rt_memory_fail_after(0);
        rt_history_dispose(&h);
        rt_optimizer_zero_grad(o.optimizer, true);
        if (i == 0) {
            rt_memory_read_stats(&before);
        }
        if (st != RT_OK && st != RT_E_MEMORY) {
            UNIT_FAIL("allocation %d: %d %s", i, (int)st, err.message);
            break;
        }
    }
    rt_memory_read_stats(&after);
    CHECK_INT(after.allocated, before.allocated);
    rt_optimizer_release(o.optimizer);
    rt_dataset_release(d);
    rt_module_release(m);
}

UNIT_MAIN

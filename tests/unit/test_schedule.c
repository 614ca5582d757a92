/* SPDX-License-Identifier: MIT */
#include "tests/unit/modules.h"

#define UNPACK(...) __VA_ARGS__

/* SGD over one parameter, lr 0.1 and momentum 0.5. */
static rt_optimizer *sgd(void)
{
    rt_tensor *p = counting(RT_FLOAT32, SHAPE(1));
    CHECK_OK(rt_set_requires_grad(p, true, &err), err);
    rt_value list = RT_V_TENSORS(&p, 1);
    const rt_value v[] = {RT_V_FLOAT(0.1), RT_V_FLOAT(0.5)};
    const char *const names[] = {"lr", "momentum"};
    rt_optimizer *o = NULL;
    CHECK_OK(rt_optimizer_new(&o, rt_optim_find("SGD"), &list, 1, v, names, 2,
                              &err), err);
    rt_release(p);
    return o;
}

static rt_scheduler *scheduler(const char *name, rt_optimizer *o,
                               const rt_value *named, const char *const *names,
                               int n)
{
    rt_scheduler *s = NULL;
    CHECK_OK(rt_scheduler_new(&s, rt_schedule_find(name), o, NULL, 0, named,
                              names, n, &err), err);
    return s;
}

static double option(const rt_optimizer *o, const char *name)
{
    rt_value v = RT_V_FLOAT(NAN);
    CHECK_OK(rt_optimizer_get(&v, o, 0, name, &err), err);
    return v.f;
}

static void check_rates(const char *name, const rt_value *named,
                        const char *const *names, int n, const double *rates,
                        const double *momenta)
{
    rt_optimizer *o = sgd();
    rt_scheduler *s = scheduler(name, o, named, names, n);
    for (int i = 0; s && i < 12; i++) {
        if (i) {
            CHECK_OK(rt_scheduler_step(s, &err), err);
        }
        CHECK_INT(rt_scheduler_epoch(s), i);
        CHECK_NEAR(option(o, "lr"), rates[i], 1e-15);
        CHECK_NEAR(rt_scheduler_last_lr(s, 0), rates[i], 1e-15);
        CHECK_NEAR(option(o, "momentum"), momenta[i], 1e-15);
    }
    rt_scheduler_release(s);
    rt_optimizer_release(o);
}

#define OPTIM(...)
#define SCHEDULE(id, name, n, args, names, rates, momenta)                     \
    CASE(id##_follows_pytorch)                                                 \
    {                                                                          \
        const rt_value v[] = {UNPACK args};                                    \
        const char *const k[] = {UNPACK names};                                \
        const double r[] = {UNPACK rates}, m[] = {UNPACK momenta};             \
        check_rates(name, v, k, n, r, m);                                      \
    }
#include "tests/unit/golden_optim.def"

CASE(reduce_on_plateau_waits_and_reduces)
{
    rt_optimizer *o = sgd();
    const rt_value v[] = {I(1), RT_V_FLOAT(0.5)};
    const char *const names[] = {"patience", "factor"};
    static const double losses[] = {1, 0.5, 0.5, 0.5, 0.4, 0.4, 0.4};
    static const double rates[] = {0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025};
    rt_scheduler *s = scheduler("ReduceLROnPlateau", o, v, names, 2);
    for (int i = 0; i < 7; i++) {
        CHECK_OK(rt_scheduler_step_metric(s, losses[i], &err), err);
        CHECK_NEAR(option(o, "lr"), rates[i], 1e-15);
    }
    CHECK_FAILS(rt_scheduler_step(s, &err), err, RT_E_ARGUMENT);
    rt_scheduler_release(s);
    rt_optimizer_release(o);
}

CASE(two_schedulers_act_on_one_optimizer)
{
    rt_optimizer *o = sgd();
    const rt_value gamma = RT_V_FLOAT(0.5), size = I(1);
    const char *const g = "gamma", *const z = "step_size";
    rt_scheduler *a = scheduler("ExponentialLR", o, &gamma, &g, 1);
    rt_scheduler *b = scheduler("StepLR", o, &size, &z, 1);
    CHECK_OK(rt_scheduler_step(a, &err), err);
    CHECK_OK(rt_scheduler_step(b, &err), err);
    CHECK_NEAR(option(o, "lr"), 0.005, 1e-15);
    CHECK_NEAR(option(o, "initial_lr"), 0.1, 0);
    rt_scheduler_release(a);
    rt_scheduler_release(b);
    rt_optimizer_release(o);
}

CASE(every_group_is_scheduled)
{
    rt_optimizer *o = sgd();
    rt_tensor *p = counting(RT_FLOAT32, SHAPE(1));
    CHECK_OK(rt_set_requires_grad(p, true, &err), err);
    const rt_value lr = RT_V_FLOAT(2), gamma = RT_V_FLOAT(0.5);
    const char *const name = "lr", *const g = "gamma";
    CHECK_OK(rt_optimizer_add_group(o, &p, 1, &lr, &name, 1, &err), err);
    rt_scheduler *s = scheduler("ExponentialLR", o, &gamma, &g, 1);
    CHECK_OK(rt_scheduler_step(s, &err), err);
    CHECK_NEAR(rt_scheduler_last_lr(s, 1), 1, 1e-15);
    rt_scheduler_release(s);
    rt_optimizer_release(o);
    rt_release(p);
}

CASE(a_cycle_ends)
{
    rt_optimizer *o = sgd();
    const rt_value v[] = {RT_V_FLOAT(1), I(3)};
    const char *const names[] = {"max_lr", "total_steps"};
    rt_scheduler *s = scheduler("OneCycleLR", o, v, names, 2);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(rt_scheduler_step(s, &err), err);
    }
    double lr = option(o, "lr");
    CHECK_FAILS(rt_scheduler_step(s, &err), err, RT_E_ARGUMENT);
    CHECK_NEAR(option(o, "lr"), lr, 0);
    rt_scheduler_release(s);
    rt_optimizer_release(o);
}

CASE(wrong_schedules_are_refused)
{
    static const struct { const char *kind, *name; rt_value v; } rows[] = {
        {"StepLR", "step_size", {.kind = RT_K_INT, .i = 0}},
        {"CosineAnnealingLR", "T_max", {.kind = RT_K_INT, .i = 0}},
        {"LinearLR", "start_factor", {.kind = RT_K_FLOAT, .f = 0}},
        {"ConstantLR", "factor", {.kind = RT_K_FLOAT, .f = 2}},
        {"OneCycleLR", "max_lr", {.kind = RT_K_FLOAT, .f = 1}},
        {"ReduceLROnPlateau", "mode", {.kind = RT_K_STRING, .s = "up"}},
        {"ReduceLROnPlateau", "factor", {.kind = RT_K_FLOAT, .f = 1}},
        {"PolynomialLR", "last_epoch", {.kind = RT_K_INT, .i = 3}},
    };
    rt_optimizer *o = sgd();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rt_scheduler *s = NULL;
        CHECK_FAILS(rt_scheduler_new(&s, rt_schedule_find(rows[i].kind), o,
                                     NULL, 0, &rows[i].v, &rows[i].name, 1,
                                     &err), err, RT_E_ARGUMENT);
        CHECK_NEAR(option(o, "lr"), 0.1, 0);
    }
    rt_optimizer_release(o);
}

CASE(every_schedule_has_a_signature_and_a_sentence)
{
    for (int i = 0; i < rt_schedule_count(); i++) {
        const rt_schedule_kind *k = rt_schedule_at(i);
        CHECK(rt_schedule_signature(k) != NULL);
        CHECK(rt_schedule_find(rt_schedule_name(k)) == k);
        CHECK(strlen(rt_schedule_doc(k)) > 10);
    }
}

UNIT_MAIN

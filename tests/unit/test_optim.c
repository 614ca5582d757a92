/* SPDX-License-Identifier: MIT */
#include "runtime/nn/optim.h"
#include "tests/unit/modules.h"

#include <math.h>

#define UNPACK(...) __VA_ARGS__

static rt_optimizer *optimizer(const char *name, rt_tensor *const *params,
                               int n, const rt_value *named,
                               const char *const *names, int nnamed)
{
    rt_optimizer *o = NULL;
    rt_value list = RT_V_TENSORS(params, n);
    CHECK_OK(rt_optimizer_new(&o, rt_optim_find(name), &list, 1, named, names,
                              nnamed, &err), err);
    return o;
}

static rt_tensor *parameter(rt_dtype d)
{
    rt_tensor *p = noise(d, SHAPE(2, 3), 3);
    CHECK_OK(rt_set_requires_grad(p, true, &err), err);
    return p;
}

static void set_gradient(rt_tensor *p, uint32_t seed)
{
    rt_tensor *g = noise(rt_tensor_dtype(p), rt_tensor_shape(p),
                         rt_tensor_ndim(p), seed);
    CHECK_OK(rt_set_grad(p, g, &err), err);
    rt_release(g);
}

/* Six steps in this dtype; compares with PyTorch's float32 numbers. */
static void check_steps(rt_dtype d, const char *name, const rt_value *named,
                        const char *const *names, int n, const double *want,
                        double tolerance)
{
    rt_tensor *p = parameter(d);
    rt_optimizer *o = optimizer(name, &p, 1, named, names, n);
    for (uint32_t k = 0; o && k < 6; k++) {
        set_gradient(p, 10 + k);
        CHECK_OK(rt_optimizer_step(o, &err), err);
    }
    for (int i = 0; i < 6; i++) {
        CHECK_NEAR(at(p, i), want[i], tolerance);
    }
    rt_optimizer_release(o);
    rt_release(p);
}

#define SCHEDULE(...)
#define OPTIM(id, name, n, args, names, want)                                  \
    CASE(id##_steps_as_in_pytorch)                                             \
    {                                                                          \
        const rt_value v[] = {UNPACK args};                                    \
        const char *const k[] = {UNPACK names};                                \
        const double w[] = {UNPACK want};                                      \
        check_steps(RT_FLOAT32, name, v, k, n, w, 4e-7);                       \
        check_steps(RT_FLOAT64, name, v, k, n, w, 2e-6);                       \
        check_steps(RT_BFLOAT16, name, v, k, n, w, 0.06);                      \
    }
#include "tests/unit/golden_optim.def"

CASE(a_parameter_without_gradient_is_left_alone)
{
    rt_tensor *p[2] = {parameter(RT_FLOAT32), parameter(RT_FLOAT32)};
    rt_optimizer *o = optimizer("Adam", p, 2, NULL, NULL, 0);
    double before = at(p[0], 0);
    set_gradient(p[1], 1);
    CHECK_OK(rt_optimizer_step(o, &err), err);
    CHECK_NEAR(at(p[0], 0), before, 0);
    CHECK(rt_optimizer_state(o, 0, 0, 0) == NULL);
    CHECK_NEAR(at(rt_optimizer_state(o, 0, 1, 0), 0), 1, 0);
    rt_optimizer_release(o);
    rt_release(p[0]);
    rt_release(p[1]);
}

CASE(a_step_over_many_tensors_equals_steps_over_each)
{
    rt_tensor *p[3], *q;
    for (int i = 0; i < 3; i++) {
        p[i] = noise(RT_FLOAT32, SHAPE(40000), (uint32_t)i);
        CHECK_OK(rt_set_requires_grad(p[i], true, &err), err);
        set_gradient(p[i], 7);
    }
    q = noise(RT_FLOAT32, SHAPE(40000), 2);
    CHECK_OK(rt_set_requires_grad(q, true, &err), err);
    set_gradient(q, 7);
    rt_optimizer *all = optimizer("AdamW", p, 3, NULL, NULL, 0);
    rt_optimizer *one = optimizer("AdamW", &q, 1, NULL, NULL, 0);
    CHECK_OK(rt_optimizer_step(all, &err), err);
    CHECK_OK(rt_optimizer_step(one, &err), err);
    CHECK(memcmp(p[2]->data, q->data, 40000 * sizeof(float)) == 0);
    rt_optimizer_release(all);
    rt_optimizer_release(one);
    for (int i = 0; i < 3; i++) {
        rt_release(p[i]);
    }
    rt_release(q);
}

CASE(a_transposed_parameter_is_updated_in_its_own_memory)
{
    rt_tensor *base = noise(RT_FLOAT32, SHAPE(3, 2), 3);
    rt_tensor *p = CALL(transpose, 3, T(base), I(0), I(1));
    rt_tensor *plain = CALL(clone, 1, T(p)), *flat = NULL;
    flat = CALL(contiguous, 1, T(plain));
    CHECK_OK(rt_set_requires_grad(p, true, &err), err);
    CHECK_OK(rt_set_requires_grad(flat, true, &err), err);
    set_gradient(p, 4);
    set_gradient(flat, 4);
    rt_tensor *both[2] = {p, flat};
    rt_optimizer *o = optimizer("SGD", both, 2, NULL, NULL, 0);
    CHECK_OK(rt_optimizer_step(o, &err), err);
    for (int i = 0; i < 6; i++) {
        CHECK_NEAR(at(p, i), at(flat, i), 0);
    }
    CHECK(rt_tensor_shares_storage(p, base));
    rt_optimizer_release(o);
    rt_release(base);
    rt_release(p);
    rt_release(plain);
    rt_release(flat);
}

/* --- Adam's loops, for each instruction set ---------------------------------- */

enum { ADAM_MOST = 150 };
typedef struct adam_case {
    float p[ADAM_MOST], g[ADAM_MOST], m[ADAM_MOST], v[ADAM_MOST];
} adam_case;

static rt__optim_job adam_job(adam_case *a, double lr, double eps, double decay,
                              double shrink, bool maximize)
{
    rt__optim_job j = {.data = {a->p, a->g, a->m, a->v}};
    j.c[0] = 1 - 0.9;
    j.c[1] = 0.999;
    j.c[2] = 1 - 0.999;
    j.c[3] = lr / (1 - 0.9);
    j.c[4] = sqrt(1 - 0.999);
    j.c[5] = eps;
    j.c[6] = decay;
    j.c[7] = shrink;
    j.flag[0] = maximize;
    return j;
}

static void adam_noise(adam_case *a, uint32_t *seed)
{
    for (int i = 0; i < ADAM_MOST; i++) {
        float f[4];
        for (int k = 0; k < 4; k++) {
            *seed = *seed * 1664525 + 1013904223;
            f[k] = (float)(int32_t)*seed / 0x1p31f;
        }
        a->p[i] = f[0];
        a->g[i] = ldexpf(f[1], i % 23 - 18);
        a->m[i] = ldexpf(f[2], i % 19 - 16);
        a->v[i] = ldexpf(fabsf(f[3]), i % 41 - 40);
    }
}

/* Element i, in float64. */
static void check_adam(const rt__optim_job *j, const adam_case *before,
                       const adam_case *a, int i, int isa)
{
    double p = before->p[i], m = a->m[i], v = a->v[i];
    double x = (j->flag[0] ? -1 : 1) * (double)before->g[i] + j->c[6] * p;
    double mean = before->m[i] + j->c[0] * (x - before->m[i]);
    double square = before->v[i] * j->c[1] + j->c[2] * x * x;
    double step = j->c[3] * m / (sqrt(v) / j->c[4] + j->c[5]);
    double want = p * j->c[7] - step;
    double off = 0x1p-23 * (fabs((double)before->g[i]) + fabs(j->c[6] * p));
    if (fabs(m - mean) > 0x1p-22 * (fabs(x) + fabs((double)before->m[i])) + off
        || fabs(v - square) > 0x1p-22 * square
                                  + 2 * j->c[2] * off * (fabs(x) + off)
        || fabs(a->p[i] - want) > 0x1p-24 * (8 * fabs(step) + 1.01 * fabs(want)
                                             + fabs(p))) {
        UNIT_FAIL("isa %d, element %d: %g, %g, %g instead of %g, %g, %g", isa,
                  i, a->p[i], m, v, want, mean, square);
    }
}

CASE(adam_is_within_ulps_of_float64_for_each_instruction_set)
{
    static const double numbers[][4] = {   /* lr, eps, decay, shrink */
        {1e-3, 1e-8, 0, 1}, {1e-2, 1e-8, 0.1, 1}, {0.5, 1e-6, 0, 0.995},
        {1e-3, 0, 0, 1}, {1e-30, 1e-8, 0, 1}, {30, 1e-3, 0.01, 0.9},
    };
    static const int lengths[] = {0, 1, 15, 16, 17, 63, 64, 65, 100, 131};
    uint32_t seed = 1;
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        for (int k = 0; k < 60; k++) {
            const double *c = numbers[k % 6];
            int n = lengths[k / 6], begin = k % 3 * 5;
            adam_case a, b;
            adam_noise(&a, &seed);
            b = a;
            rt__optim_job j = adam_job(&a, c[0], c[1], c[2], c[3], k % 4 == 1);
            rt__optim_tables[isa]->adam[0](&j, begin, begin + n);
            for (int i = begin; i < begin + n; i++) {
                check_adam(&j, &b, &a, i, isa);
            }
            for (int i = 0; i < ADAM_MOST; i++) {
                CHECK((i >= begin && i < begin + n) || a.p[i] == b.p[i]);
            }
        }
    }
}

/* Infinite, tiny, huge and missing numbers come to what IEEE says, as with a
 * division and in every lane. */
CASE(adam_meets_the_ends_of_floats_alike_on_each_instruction_set)
{
    static const float odd[] = {0, -0.f, 1, 1e-45f, 1e-38f, 1e30f, 3e38f,
                                INFINITY, -INFINITY, NAN, -1};
    enum { KINDS = sizeof odd / sizeof *odd };
    for (int isa = 0; isa <= (int)rt__cpu_info()->isa; isa++) {
        for (int k = 0; k < KINDS * KINDS * KINDS; k += 70) {
            adam_case a, b;
            for (int i = 0; i < ADAM_MOST; i++) {
                int at = k + i;
                a.p[i] = 0.5f;
                a.g[i] = odd[at % KINDS];
                a.m[i] = odd[at / KINDS % KINDS];
                a.v[i] = odd[at / KINDS / KINDS % KINDS];
            }
            b = a;
            rt__optim_job j = adam_job(&a, 1e-3, 1e-8, 0, 1, false);
            rt__optim_job twin = adam_job(&b, 1e-3, 1e-8, 0, 1, false);
            rt__optim_tables[isa]->adam[0](&j, 0, 70);
            rt__optim_tables[0]->adam[0](&twin, 0, 70);
            for (int i = 0; i < 70; i++) {
                double got = a.p[i], want = b.p[i];
                CHECK(isnan(got) == isnan(want));
                CHECK(isnan(want) || got == want
                      || fabs(got - want) <= 1e-6 * fabs(want));
            }
        }
    }
}

CASE(groups_have_their_own_options)
{
    rt_tensor *a = parameter(RT_FLOAT32), *b = parameter(RT_FLOAT32);
    const rt_value lr = RT_V_FLOAT(0.5), big = RT_V_FLOAT(2);
    const char *const name = "lr";
    rt_optimizer *o = optimizer("SGD", &a, 1, &lr, &name, 1);
    rt_value v;
    CHECK_OK(rt_optimizer_add_group(o, &b, 1, &big, &name, 1, &err), err);
    CHECK_INT(rt_optimizer_group_count(o), 2);
    CHECK_OK(rt_optimizer_get(&v, o, 1, "lr", &err), err);
    CHECK_NEAR(v.f, 2, 0);
    CHECK_OK(rt_optimizer_set(o, 1, "lr", RT_V_INT(3), &err), err);
    CHECK_OK(rt_optimizer_get(&v, o, 1, "lr", &err), err);
    CHECK_INT(v.kind, RT_K_FLOAT);
    CHECK_NEAR(v.f, 3, 0);
    CHECK_FAILS(rt_optimizer_set(o, 0, "rate", RT_V_INT(3), &err), err,
                RT_E_NAME);
    CHECK_FAILS(rt_optimizer_set(o, 0, "lr", RT_V_STRING("x"), &err), err,
                RT_E_TYPE);
    CHECK_FAILS(rt_optimizer_add_group(o, &a, 1, NULL, NULL, 0, &err), err,
                RT_E_ARGUMENT);
    CHECK_HAS(err.message, "already in a group");
    rt_optimizer_release(o);
    rt_release(a);
    rt_release(b);
}

CASE(wrong_arguments_are_refused)
{
    static const struct { const char *kind, *name; double v; } rows[] = {
        {"SGD", "lr", -1}, {"Adam", "eps", -1}, {"RMSprop", "momentum", -0.5},
        {"Adagrad", "weight_decay", -1},
    };
    rt_tensor *p = parameter(RT_FLOAT32), *ints = counting(RT_INT64, SHAPE(2));
    rt_tensor *y = CALL(mul, 2, T(p), T(p));
    rt_value list = RT_V_TENSORS(&p, 1);
    rt_optimizer *o = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rt_value v = RT_V_FLOAT(rows[i].v);
        CHECK_FAILS(rt_optimizer_new(&o, rt_optim_find(rows[i].kind), &list, 1,
                                     &v, &rows[i].name, 1, &err), err,
                    RT_E_ARGUMENT);
    }
    const double betas[] = {0.9, 1};
    rt_value b = RT_V_FLOATS(betas, 2), yes = RT_V_BOOL(true);
    const char *name = "betas", *nesterov = "nesterov";
    CHECK_FAILS(rt_optimizer_new(&o, rt_optim_find("Adam"), &list, 1, &b, &name,
                                 1, &err), err, RT_E_ARGUMENT);
    CHECK_FAILS(rt_optimizer_new(&o, rt_optim_find("SGD"), &list, 1, &yes,
                                 &nesterov, 1, &err), err, RT_E_ARGUMENT);
    rt_value none = RT_V_TENSORS(&p, 0), leaf = RT_V_TENSORS(&y, 1),
             whole = RT_V_TENSORS(&ints, 1);
    CHECK_FAILS(rt_optimizer_new(&o, rt_optim_find("SGD"), &none, 1, NULL, NULL,
                                 0, &err), err, RT_E_ARGUMENT);
    CHECK_HAS(err.help, "model.parameters()");
    CHECK_FAILS(rt_optimizer_new(&o, rt_optim_find("SGD"), &leaf, 1, NULL, NULL,
                                 0, &err), err, RT_E_ARGUMENT);
    CHECK_FAILS(rt_optimizer_new(&o, rt_optim_find("SGD"), &whole, 1, NULL,
                                 NULL, 0, &err), err, RT_E_DTYPE);
    rt_release(p);
    rt_release(y);
    rt_release(ints);
}

CASE(states_can_be_read_and_set)
{
    rt_tensor *p = parameter(RT_FLOAT32), *q = parameter(RT_FLOAT32);
    rt_optimizer *a = optimizer("Adam", &p, 1, NULL, NULL, 0);
    rt_optimizer *b = optimizer("Adam", &q, 1, NULL, NULL, 0);
    for (uint32_t k = 0; k < 4; k++) {
        set_gradient(p, k);
        CHECK_OK(rt_optimizer_step(a, &err), err);
        if (k == 1) {
            memcpy(q->data, p->data, 6 * sizeof(float));
            for (int s = 0; s < rt_optimizer_state_count(a); s++) {
                CHECK_OK(rt_optimizer_set_state(b, 0, 0, s,
                             rt_optimizer_state(a, 0, 0, s), &err), err);
            }
        } else if (k > 1) {
            set_gradient(q, k);
            CHECK_OK(rt_optimizer_step(b, &err), err);
        }
    }
    CHECK_TEXT(rt_optimizer_state_name(a, 1), "exp_avg");
    CHECK(memcmp(q->data, p->data, 6 * sizeof(float)) == 0);
    rt_tensor *wrong = counting(RT_FLOAT32, SHAPE(4));
    CHECK_FAILS(rt_optimizer_set_state(a, 0, 0, 1, wrong, &err), err,
                RT_E_SHAPE);
    rt_release(wrong);
    rt_optimizer_release(a);
    rt_optimizer_release(b);
    rt_release(p);
    rt_release(q);
}

/* Who holds a state can give it other memory at any time. */
static void check_refused_state(int k, rt_dtype d, int64_t size, rt_status want)
{
    rt_tensor *p = parameter(RT_FLOAT32), *other = NULL;
    rt_optimizer *o = optimizer("Adam", &p, 1, NULL, NULL, 0);
    set_gradient(p, 1);
    CHECK_OK(rt_optimizer_step(o, &err), err);
    CHECK_OK(rt_tensor_new(&other, d, 1, &size, &err), err);
    CHECK_OK(rt_tensor_set_data(rt_optimizer_state(o, 0, 0, k), other, &err),
             err);
    double before = at(p, 0);
    CHECK(rt_optimizer_step(o, &err) == want);
    CHECK_NEAR(at(p, 0), before, 0);
    rt_release(other);
    rt_optimizer_release(o);
    rt_release(p);
}

CASE(a_state_that_no_longer_fits_is_refused)
{
    check_refused_state(0, RT_FLOAT64, 1, RT_E_TYPE);
    check_refused_state(0, RT_FLOAT32, 0, RT_E_TYPE);
    check_refused_state(1, RT_FLOAT32, 5, RT_E_SHAPE);
    check_refused_state(2, RT_FLOAT32, 0, RT_E_SHAPE);
}

/* One group, whose parameters differ in step, dtype and gradient. */
CASE(parameters_at_different_steps_follow_different_rules)
{
    rt_tensor *p[5], *alone[5];
    const rt_dtype d[] = {RT_FLOAT32, RT_FLOAT64, RT_FLOAT32, RT_BFLOAT16,
                          RT_FLOAT32};
    rt_optimizer *each[5];
    for (int i = 0; i < 5; i++) {
        p[i] = parameter(d[i]);
        alone[i] = parameter(d[i]);
        each[i] = optimizer("Adam", &alone[i], 1, NULL, NULL, 0);
    }
    rt_optimizer *o = optimizer("Adam", p, 5, NULL, NULL, 0);
    for (int k = 0; k < 4; k++) {
        for (int i = 0; i < 5; i++) {
            rt_set_grad(p[i], NULL, &err);
            if (k >= i - 2) {
                set_gradient(p[i], (uint32_t)(10 * k + i));
                set_gradient(alone[i], (uint32_t)(10 * k + i));
                CHECK_OK(rt_optimizer_step(each[i], &err), err);
            }
        }
        CHECK_OK(rt_optimizer_step(o, &err), err);
    }
    for (int i = 0; i < 5; i++) {
        CHECK(rt_tensor_version(p[i]) == rt_tensor_version(alone[i]));
        for (int k = 0; k < 6; k++) {
            CHECK_NEAR(at(p[i], k), at(alone[i], k), 0);
        }
        rt_optimizer_release(each[i]);
        rt_release(alone[i]);
        rt_release(p[i]);
    }
    rt_optimizer_release(o);
}

CASE(the_revision_changes_with_options_and_groups_only)
{
    rt_tensor *p = parameter(RT_FLOAT32), *q = parameter(RT_FLOAT32);
    rt_optimizer *o = optimizer("SGD", &p, 1, NULL, NULL, 0);
    uint64_t was = rt_optimizer_revision(o);
    set_gradient(p, 1);
    CHECK_OK(rt_optimizer_step(o, &err), err);
    CHECK(rt_optimizer_revision(o) == was);
    CHECK_OK(rt_optimizer_set(o, 0, "lr", RT_V_FLOAT(0.5), &err), err);
    CHECK(rt_optimizer_revision(o) != was);
    was = rt_optimizer_revision(o);
    CHECK_OK(rt_optimizer_add_group(o, &q, 1, NULL, NULL, 0, &err), err);
    CHECK(rt_optimizer_revision(o) != was);
    rt_optimizer_release(o);
    rt_release(p);
    rt_release(q);
}

CASE(an_interrupt_before_a_step_leaves_everything)
{
    rt_tensor *p = parameter(RT_FLOAT32);
    rt_optimizer *o = optimizer("SGD", &p, 1, NULL, NULL, 0);
    double before = at(p, 0);
    set_gradient(p, 1);
    rt_interrupt();
    CHECK_FAILS(rt_optimizer_step(o, &err), err, RT_E_INTERRUPT);
    rt_interrupt_clear();
    CHECK_NEAR(at(p, 0), before, 0);
    rt_optimizer_release(o);
    rt_release(p);
}

CASE(a_step_tells_autograd_that_the_parameter_changed)
{
    rt_tensor *p = parameter(RT_FLOAT32);
    rt_optimizer *o = optimizer("SGD", &p, 1, NULL, NULL, 0);
    uint32_t version = rt_tensor_version(p);
    set_gradient(p, 1);
    CHECK_OK(rt_optimizer_step(o, &err), err);
    CHECK(rt_tensor_version(p) > version);
    rt_optimizer_zero_grad(o, true);
    CHECK(rt_grad(p) == NULL);
    rt_optimizer_release(o);
    rt_release(p);
}

CASE(repr_is_pytorchs)
{
    rt_tensor *p = parameter(RT_FLOAT32);
    rt_optimizer *o = optimizer("Adam", &p, 1, NULL, NULL, 0);
    char *text = NULL;
    CHECK_OK(rt_optimizer_repr(&text, o, &err), err);
    CHECK_TEXT(text, "Adam (\n"
                     "Parameter Group 0\n"
                     "    amsgrad: False\n"
                     "    betas: (0.9, 0.999)\n"
                     "    capturable: False\n"
                     "    decoupled_weight_decay: False\n"
                     "    differentiable: False\n"
                     "    eps: 1e-08\n"
                     "    foreach: None\n"
                     "    fused: None\n"
                     "    lr: 0.001\n"
                     "    maximize: False\n"
                     "    weight_decay: 0\n"
                     ")");
    rt_free(text);
    rt_optimizer_release(o);
    rt_release(p);
}

CASE(memory_running_out_in_a_step_changes_no_parameter)
{
    for (int i = 1; i < 40; i++) {
        rt_tensor *p = parameter(RT_FLOAT32);
        rt_optimizer *o = optimizer("Adam", &p, 1, NULL, NULL, 0);
        double before = at(p, 0);
        set_gradient(p, 1);
        rt_error_clear(&err);
        rt_memory_fail_after(i);
        rt_status st = rt_optimizer_step(o, &err);
        rt_memory_fail_after(0);
        CHECK(st == RT_OK || st == RT_E_MEMORY);
        CHECK((st == RT_OK) == (at(p, 0) != before));
        rt_optimizer_release(o);
        rt_release(p);
        if (st == RT_OK) {
            break;
        }
    }
}

UNIT_MAIN

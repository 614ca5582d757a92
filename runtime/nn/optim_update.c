/* SPDX-License-Identifier: MIT
 * What each optimizer does to one parameter: options become coefficients in
 * float64, states are made, the element loop is chosen.
 */
#include "runtime/nn/optim.h"

#include <math.h>
#include <string.h>

#define USE(j, name)                                                           \
    memcpy((j)->kernel, RT_ISA_TABLE(optim)->name, sizeof (j)->kernel)

/* Makes the step count and gives the number of this step (from 1). */
static rt_status next_step(double *step, rt__optim_group *g, int i,
                           rt__optim_job *j, rt_error *err)
{
    rt_tensor *t;
    rt_status st = rt__optim_state(&t, g, i, 0, true, 0, err);
    if (!st) {
        j->step = rt_tensor_data(t);
        *step = (double)*j->step + 1;
    }
    return st;
}

RT_OPTIM_UPDATE(sgd)
{
    double momentum = rt__optim_float(o, g, "momentum");
    USE(j, sgd);
    j->c[0] = rt__optim_float(o, g, "lr");
    j->c[1] = momentum;
    j->c[2] = 1 - rt__optim_float(o, g, "dampening");
    j->c[3] = rt__optim_float(o, g, "weight_decay");
    j->flag[0] = rt__optim_flag(o, g, "maximize");
    j->flag[1] = rt__optim_flag(o, g, "nesterov");
    j->flag[2] = g->state[i][0] == NULL;
    if (momentum == 0) {
        return RT_OK;
    }
    return rt__optim_state(&j->tensor[2], g, i, 0, false, 0, err);
}

static void adam_coefficients(const rt_optimizer *o, const rt__optim_group *g,
                              rt__optim_job *j)
{
    const double *beta = rt__optim_option(o, g, "betas")->floats;
    double lr = rt__optim_float(o, g, "lr"), step = j->count;
    double decay = rt__optim_float(o, g, "weight_decay");
    bool decoupled = rt__optim_flag(o, g, "decoupled_weight_decay");
    USE(j, adam);
    j->last = rt__optim_flag(o, g, "amsgrad") ? 3 : 2;
    j->c[0] = 1 - beta[0];
    j->c[1] = beta[1];
    j->c[2] = 1 - beta[1];
    j->c[3] = lr / (1 - pow(beta[0], step));
    j->c[4] = sqrt(1 - pow(beta[1], step));
    j->c[5] = rt__optim_float(o, g, "eps");
    j->c[6] = decoupled ? 0 : decay;
    j->c[7] = decoupled ? 1 - lr * decay : 1;
    j->flag[0] = rt__optim_flag(o, g, "maximize");
}

/* Parameters of a group are usually at the same step: what options say about it
 * is worked out once. */
static void adam_as_before(const rt_optimizer *o, const rt__optim_group *g,
                           rt__optim_job *j)
{
    const rt__optim_job *b = j->before;
    if (!b || b->count != j->count) {
        adam_coefficients(o, g, j);
        return;
    }
    memcpy(j->kernel, b->kernel, sizeof j->kernel);
    memcpy(j->c, b->c, sizeof j->c);
    memcpy(j->flag, b->flag, sizeof j->flag);
    j->last = b->last;
}

RT_OPTIM_UPDATE(adam)
{
    rt_status st = next_step(&j->count, g, i, j, err);
    if (!st) {
        adam_as_before(o, g, j);
    }
    for (int k = 1; k <= j->last && !st; k++) {
        st = rt__optim_state(&j->tensor[1 + k], g, i, k, false, 0, err);
    }
    return st;
}

RT_OPTIM_UPDATE(rmsprop)
{
    double momentum = rt__optim_float(o, g, "momentum"), step;
    rt_status st = next_step(&step, g, i, j, err);
    bool wanted[4] = {false, true, momentum > 0,
                      rt__optim_flag(o, g, "centered")};
    for (int k = 1; k < 4 && !st; k++) {
        if (wanted[k]) {
            st = rt__optim_state(&j->tensor[1 + k], g, i, k, false, 0, err);
        }
    }
    USE(j, rmsprop);
    j->c[0] = rt__optim_float(o, g, "lr");
    j->c[1] = rt__optim_float(o, g, "alpha");
    j->c[2] = 1 - j->c[1];
    j->c[3] = rt__optim_float(o, g, "eps");
    j->c[4] = rt__optim_float(o, g, "weight_decay");
    j->c[5] = momentum;
    j->flag[0] = rt__optim_flag(o, g, "maximize");
    return st;
}

RT_OPTIM_UPDATE(adagrad)
{
    double step;
    rt_status st = next_step(&step, g, i, j, err);
    if (!st) {
        st = rt__optim_state(&j->tensor[2], g, i, 1, false,
                             rt__optim_float(o, g, "initial_accumulator_value"),
                             err);
    }
    if (st) {
        return st;
    }
    USE(j, adagrad);
    j->c[0] = rt__optim_float(o, g, "lr")
              / (1 + (step - 1) * rt__optim_float(o, g, "lr_decay"));
    j->c[1] = rt__optim_float(o, g, "eps");
    j->c[2] = rt__optim_float(o, g, "weight_decay");
    j->flag[0] = rt__optim_flag(o, g, "maximize");
    return RT_OK;
}

/* SPDX-License-Identifier: MIT
 * What each optimizer does to parameters: options become coefficients in
 * float64, the element loop is chosen.
 */
#include "runtime/nn/optim.h"

#include <math.h>
#include <string.h>

#define USE(r, name)                                                           \
    memcpy((r)->kernel, RT_ISA_TABLE(optim)->name, sizeof (r)->kernel)

RT_OPTIM_UPDATE(sgd)
{
    double *c = r->job.c, momentum = rt__optim_float(o, g, "momentum");
    USE(r, sgd);
    r->wants[0] = momentum != 0;
    c[0] = rt__optim_float(o, g, "lr");
    c[1] = momentum;
    c[2] = 1 - rt__optim_float(o, g, "dampening");
    c[3] = rt__optim_float(o, g, "weight_decay");
    r->job.flag[0] = rt__optim_flag(o, g, "maximize");
    r->job.flag[1] = rt__optim_flag(o, g, "nesterov");
    r->job.flag[2] = r->count == 1;
}

RT_OPTIM_UPDATE(adam)
{
    const double *beta = rt__optim_option(o, g, "betas")->floats;
    double *c = r->job.c, lr = rt__optim_float(o, g, "lr");
    double decay = rt__optim_float(o, g, "weight_decay");
    bool decoupled = rt__optim_flag(o, g, "decoupled_weight_decay");
    USE(r, adam);
    r->wants[1] = r->wants[2] = true;
    r->wants[3] = rt__optim_flag(o, g, "amsgrad");
    c[0] = 1 - beta[0];
    c[1] = beta[1];
    c[2] = 1 - beta[1];
    c[3] = lr / (1 - pow(beta[0], r->count));
    c[4] = sqrt(1 - pow(beta[1], r->count));
    c[5] = rt__optim_float(o, g, "eps");
    c[6] = decoupled ? 0 : decay;
    c[7] = decoupled ? 1 - lr * decay : 1;
    r->job.flag[0] = rt__optim_flag(o, g, "maximize");
}

RT_OPTIM_UPDATE(rmsprop)
{
    double *c = r->job.c;
    USE(r, rmsprop);
    c[0] = rt__optim_float(o, g, "lr");
    c[1] = rt__optim_float(o, g, "alpha");
    c[2] = 1 - c[1];
    c[3] = rt__optim_float(o, g, "eps");
    c[4] = rt__optim_float(o, g, "weight_decay");
    c[5] = rt__optim_float(o, g, "momentum");
    r->job.flag[0] = rt__optim_flag(o, g, "maximize");
    r->wants[1] = true;
    r->wants[2] = c[5] > 0;
    r->wants[3] = rt__optim_flag(o, g, "centered");
}

RT_OPTIM_UPDATE(adagrad)
{
    double *c = r->job.c;
    USE(r, adagrad);
    r->wants[1] = true;
    r->fill = rt__optim_float(o, g, "initial_accumulator_value");
    c[0] = rt__optim_float(o, g, "lr")
           / (1 + (r->count - 1) * rt__optim_float(o, g, "lr_decay"));
    c[1] = rt__optim_float(o, g, "eps");
    c[2] = rt__optim_float(o, g, "weight_decay");
    r->job.flag[0] = rt__optim_flag(o, g, "maximize");
}

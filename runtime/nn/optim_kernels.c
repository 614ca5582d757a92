/* SPDX-License-Identifier: MIT
 * The element loops of the optimizers, compiled once per instruction set.
 */
#include "runtime/nn/optim.h"

#include <math.h>

#define T float
#define NAME(x) x##_32
#define SQRT sqrtf
#include "runtime/nn/optim_loops.h"
#undef T
#undef NAME
#undef SQRT
#define T double
#define NAME(x) x##_64
#define SQRT sqrt
#include "runtime/nn/optim_loops.h"
#undef T
#undef NAME
#undef SQRT

#ifdef __AVX512F__
#include "runtime/nn/optim_wide.h"
#define ADAM_32 adam_wide
#else
#define ADAM_32 adam_32
#endif

const rt__optim_table RT_ISA_NAME(optim) = {
    .sgd = {sgd_32, sgd_64},
    .adam = {ADAM_32, adam_64},
    .rmsprop = {rmsprop_32, rmsprop_64},
    .adagrad = {adagrad_32, adagrad_64},
};

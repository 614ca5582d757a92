/* SPDX-License-Identifier: MIT
 *
 * One direction of RNN, GRU and LSTM, inside runtime/nn. Shapes: T steps, N
 * batch, I input size, H hidden size, G gates.
 */
#ifndef RT_NN_RECURRENT_H
#define RT_NN_RECURRENT_H

#include "runtime/nn/module.h"

/* The facts of one module. */
typedef struct rt__net {
    rt_module *m;
    rt__layer_id id;
    int gates;               /* rows of the weights / H */
    int64_t input, hidden, layers;
    int directions;
    bool bias, batch_first, relu;
    double dropout;
} rt__net;

/* What a direction computes with, borrowed; biases NULL without, c0 NULL but
 * for an LSTM. */
enum {
    RT_REC_X, RT_REC_W_IH, RT_REC_W_HH, RT_REC_B_IH, RT_REC_B_HH, RT_REC_H0,
    RT_REC_C0, RT_REC_INPUTS
};
/* x [T, N, I], states [N, H]. */
typedef struct rt__direction {
    rt__layer_id id;
    const char *name;        /* of the class */
    bool reverse, relu;
    int gates;               /* as rt__net's */
    int64_t hidden;
    rt_tensor *in[RT_REC_INPUTS];
} rt__direction;

/* out [T, N, H] and the last states [N, H], new references; all NULL after a
 * failure. */
enum { RT_REC_OUT, RT_REC_H, RT_REC_C, RT_REC_OUTPUTS };

/* By ops, step after step: any dtype, any order of gradients. */
rt_status rt__recurrent_steps(rt_tensor *out[RT_REC_OUTPUTS],
                              const rt__direction *d, rt_error *err);
/* All steps in one call, and all of them backward in another. *done is false,
 * without an error, where that does not apply or does not pay: other dtypes,
 * a few steps. */
rt_status rt__recurrent_fused(rt_tensor *out[RT_REC_OUTPUTS],
                              const rt__direction *d, bool *done,
                              rt_error *err);

#endif

/* SPDX-License-Identifier: MIT
 *
 * One direction of a recurrent layer in float32: all its steps in one call, the
 * hidden state's product and the gates' functions together. Rows of the batch
 * know nothing of each other, so each thread takes some of them through all
 * steps and nobody waits; the results are the same bits for any number of
 * threads. Shapes: T steps, N rows, H hidden units, G gates.
 *
 * Gates are PyTorch's: of an LSTM i, f, g, o (Hochreiter and Schmidhuber 1997),
 * of a GRU r, z, n (Cho et al. 2014), the reset after the product.
 */
#ifndef RT_OPS_CPU_RECURRENT_H
#define RT_OPS_CPU_RECURRENT_H

#include "runtime/ops/cpu/isa.h"

typedef enum rt__cell {
    RT_CELL_TANH, RT_CELL_RELU, RT_CELL_GRU, RT_CELL_LSTM
} rt__cell;

/* What a direction works on; all matrices dense. */
typedef struct rt__recurrent {
    rt__cell cell;
    bool reverse;            /* the last step first */
    int64_t steps, batch, hidden, per_unit;   /* per_unit: G */
    const float *w;          /* [G H, H], of the hidden state */
    const float *b;          /* GRU: [H], added to n's product; may be NULL */
    float *gates;            /* [T, N, G H]: what the input adds, biases
                                included, becomes the gates */
    float *product;          /* GRU: [T, N, H], n's product; else NULL */
    const float *h0, *c0;    /* [N, H]; c0, c and gc: LSTM only */
    float *h, *c;            /* [T, N, H], of each step */
} rt__recurrent;

/* The gradients of one direction, after it has run. */
typedef struct rt__recurrent_grads {
    const float *g;          /* [T, N, H], of h; NULL: 0 */
    float *gh, *gc;          /* [N, H]: of the last state, become the first's */
    float *dx;               /* [T, N, G H]: of what the input adds */
    float *dh;               /* GRU: [T, N, G H], of the products; else NULL */
} rt__recurrent_grads;

/* RT_E_MEMORY, RT_E_INTERRUPT. */
rt_status rt__recurrent_run(const rt__recurrent *r, const char *name,
                            rt_error *err);
rt_status rt__recurrent_back(const rt__recurrent *r,
                             const rt__recurrent_grads *d, const char *name,
                             rt_error *err);

/* --- cells, per instruction set: rows of n units ----------------------------- */

/* What a row has at a step. */
typedef struct rt__cell_row {
    float *gates, *product, *h, *c;
    const float *h_before, *c_before;
} rt__cell_row;

typedef struct rt__cell_grads {
    const float *g;
    float *gh, *gc;          /* of the state, become the one's before; gh only
                                in a GRU, and there without the product's part */
    float *dx, *dh;
} rt__cell_grads;

typedef struct rt__cell_fns {
    void (*run)(int64_t n, const rt__cell_row *r);
    void (*back)(int64_t n, const rt__cell_row *r, const rt__cell_grads *d);
} rt__cell_fns;

typedef struct rt__cells_table {
    rt__cell_fns of[4];      /* by rt__cell */
} rt__cells_table;
RT_ISA_FAMILY(rt__cells_table, cells);

#endif

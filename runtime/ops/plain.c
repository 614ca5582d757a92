/* SPDX-License-Identifier: MIT
 * Small elementwise ops without detours.
 */
#include "runtime/ops/plain.h"

#include "runtime/base/thread.h"

/* Rows whose loop has their name and whose result has their operands' dtype,
 * with how many operands; parameters after those have their defaults. */
#define PLAIN_OPS(X)                                                           \
    X(add, 2) X(sub, 2) X(mul, 2) X(div, 2) X(maximum, 2) X(minimum, 2)        \
    X(neg, 1) X(abs, 1) X(square, 1) X(relu, 1) X(exp, 1) X(log, 1)            \
    X(sqrt, 1) X(tanh, 1) X(sigmoid, 1)

typedef struct plain_row {
    uint8_t operands;         /* 0: not a plain op */
    uint8_t ew;
} plain_row;

static const plain_row rows[RT_OP_COUNT] = {
#define X(name, n) [RT_OP_##name] = {n, RT_EW_##name},
    PLAIN_OPS(X)
#undef X
};

static bool suits(const rt_value *v)
{
    return v->kind == RT_K_TENSOR && rt__is_plain(v->t) &&
           !(v->t->flags & (RT_F_WRAPPED | RT_F_INFERENCE));
}

static inline rt_status run(const rt_op *op, rt__ew ew, rt_tensor *const *in,
                            int n, rt_value *results, rt_error *err)
{
    rt_tensor *out = NULL;
    rt_status s = rt__tensor_beside(&out, in[0], err);
    if (s != RT_OK) {
        return s;
    }
    rt__plain_run(ew, out, in[0], in[1]);
    if (rt__autograd && !rt__this.grad_off && (in[0]->meta || in[1]->meta)) {
        s = rt__autograd->plain(op, in, n, out, err);
        if (s != RT_OK) {
            rt_release(out);
            return s;
        }
    }
    results[0] = RT_V_TENSOR(out);
    for (int i = 1; i < RT_MAX_RESULTS; i++) {
        results[i] = RT_UNSET;
    }
    return RT_OK;
}

bool rt__call_plain(const rt_op *op, const rt_value *args, int nargs,
                    rt_value *results, rt_error *err, rt_status *status)
{
    const plain_row *row = &rows[op->id];
    if (row->operands != nargs || !suits(&args[0]) || rt__this.inference) {
        return false;
    }
    rt_tensor *in[2] = {args[0].t, args[nargs - 1].t};
    if (nargs == 2 && !(suits(&args[1]) && rt__is_pair(in[0], in[1]))) {
        return false;
    }
    if (rt_interrupted()) {
        return false;   /* the long way says so */
    }
    *status = run(op, (rt__ew)row->ew, in, nargs, results, err);
    return true;
}

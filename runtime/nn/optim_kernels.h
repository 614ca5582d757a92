/* SPDX-License-Identifier: MIT
 *
 * The element loops of the optimizers, included once for each of float and
 * double (T, NAME, SQRT). Formulas and their order of rounding are PyTorch's.
 * j->c: coefficients, see optim_update.c, where each is set.
 */

static inline T NAME(gradient)(const rt__optim_job *j, const T *g, const T *p,
                               T decay, int64_t i)
{
    T v = j->flag[0] ? -g[i] : g[i];           /* maximize */
    return decay != 0 ? v + decay * p[i] : v;
}

/* c: lr, momentum, 1 - dampening, weight_decay; flags: maximize, nesterov,
 * first; state 0: the momentum buffer, or absent */
static void NAME(sgd)(const rt__optim_job *j, int64_t begin, int64_t end)
{
    T *restrict p = j->data[0], *restrict b = j->data[2];
    const T *restrict g = j->data[1];
    const T lr = (T)j->c[0], momentum = (T)j->c[1], keep = (T)j->c[2];
    const T decay = (T)j->c[3];
    const bool nesterov = j->flag[1], first = j->flag[2];
    if (!b) {
        for (int64_t i = begin; i < end; i++) {
            p[i] = p[i] - lr * NAME(gradient)(j, g, p, decay, i);
        }
        return;
    }
    for (int64_t i = begin; i < end; i++) {
        T v = NAME(gradient)(j, g, p, decay, i);
        b[i] = first ? v : momentum * b[i] + keep * v;
        p[i] = p[i] - lr * (nesterov ? v + momentum * b[i] : b[i]);
    }
}

/* c: 1 - beta1, beta2, 1 - beta2, step size, root of bias correction 2, eps,
 * weight_decay, 1 - lr * weight_decay (1: not decoupled); flags: maximize,
 * amsgrad; states: exp_avg, exp_avg_sq, max_exp_avg_sq */
static void NAME(adam)(const rt__optim_job *j, int64_t begin, int64_t end)
{
    T *restrict p = j->data[0], *restrict m = j->data[2],
      *restrict v = j->data[3], *restrict top = j->data[4];
    const T *restrict g = j->data[1];
    const T w1 = (T)j->c[0], beta2 = (T)j->c[1], w2 = (T)j->c[2];
    const T size = (T)j->c[3], root = (T)j->c[4], eps = (T)j->c[5];
    const T decay = (T)j->c[6], shrink = (T)j->c[7];
    for (int64_t i = begin; i < end; i++) {
        T x = NAME(gradient)(j, g, p, decay, i);
        T at = p[i] * shrink;
        m[i] = w1 < (T)0.5 ? m[i] + w1 * (x - m[i])
                           : x - (x - m[i]) * (1 - w1);
        v[i] = v[i] * beta2 + w2 * x * x;
        T second = v[i];
        if (top) {
            second = top[i] = top[i] > second ? top[i] : second;
        }
        p[i] = at - size * m[i] / (SQRT(second) / root + eps);
    }
}

/* c: lr, alpha, 1 - alpha, eps, weight_decay, momentum; flags: maximize;
 * states: square_avg, momentum_buffer, grad_avg (the last two may be absent) */
static void NAME(rmsprop)(const rt__optim_job *j, int64_t begin, int64_t end)
{
    T *restrict p = j->data[0], *restrict s = j->data[2],
      *restrict b = j->data[3], *restrict a = j->data[4];
    const T *restrict g = j->data[1];
    const T lr = (T)j->c[0], alpha = (T)j->c[1], w = (T)j->c[2];
    const T eps = (T)j->c[3], decay = (T)j->c[4], momentum = (T)j->c[5];
    for (int64_t i = begin; i < end; i++) {
        T x = NAME(gradient)(j, g, p, decay, i);
        s[i] = s[i] * alpha + w * x * x;
        T square = s[i];
        if (a) {
            a[i] = w < (T)0.5 ? a[i] + w * (x - a[i])
                              : x - (x - a[i]) * (1 - w);
            square = square - a[i] * a[i];
        }
        T root = SQRT(square) + eps;
        if (b) {
            b[i] = b[i] * momentum + x / root;
            p[i] = p[i] - lr * b[i];
        } else {
            p[i] = p[i] - lr * x / root;
        }
    }
}

/* c: step size, eps, weight_decay; flags: maximize; states: sum */
static void NAME(adagrad)(const rt__optim_job *j, int64_t begin, int64_t end)
{
    T *restrict p = j->data[0], *restrict s = j->data[2];
    const T *restrict g = j->data[1];
    const T size = (T)j->c[0], eps = (T)j->c[1], decay = (T)j->c[2];
    for (int64_t i = begin; i < end; i++) {
        T x = NAME(gradient)(j, g, p, decay, i);
        s[i] = s[i] + x * x;
        p[i] = p[i] - size * x / (SQRT(s[i]) + eps);
    }
}

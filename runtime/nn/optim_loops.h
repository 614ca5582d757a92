/* SPDX-License-Identifier: MIT
 *
 * The element loops of the optimizers, included once for each of float and
 * double (T, NAME, SQRT). Formulas and their order of rounding are PyTorch's.
 * j->c: coefficients, see optim_update.c, where each is set. What differs from
 * call to call but not from element to element is a constant argument of the
 * body, so that every combination is a loop that vectorises.
 */
#ifndef BODY
#define BODY static inline __attribute__((always_inline)) void
#define CASES(body, a, b)                                                      \
    do {                                                                       \
        if ((a) && (b)) {                                                      \
            body(j, begin, end, true, true);                                   \
        } else if (a) {                                                        \
            body(j, begin, end, true, false);                                  \
        } else if (b) {                                                        \
            body(j, begin, end, false, true);                                  \
        } else {                                                               \
            body(j, begin, end, false, false);                                 \
        }                                                                      \
    } while (0)
#endif

/* The gradient to follow at element i: j->flag[0] is maximize. */
#define GRADIENT(i) (decays ? sign * g[i] + decay * p[i] : sign * g[i])

/* c: lr, momentum, 1 - dampening, weight_decay; flags: maximize, nesterov,
 * first; state 0: the momentum buffer, or absent */
BODY NAME(sgd_body)(const rt__optim_job *j, int64_t begin, int64_t end,
                    bool decays, bool buffer)
{
    T *restrict p = j->data[0], *restrict b = j->data[2];
    const T *restrict g = j->data[1];
    const T lr = (T)j->c[0], momentum = (T)j->c[1], keep = (T)j->c[2];
    const T decay = (T)j->c[3], sign = j->flag[0] ? -1 : 1;
    const bool nesterov = j->flag[1], first = j->flag[2];
    for (int64_t i = begin; i < end; i++) {
        T v = GRADIENT(i);
        if (buffer) {
            T at = first ? v : momentum * b[i] + keep * v;
            b[i] = at;
            v = nesterov ? v + momentum * at : at;
        }
        p[i] = p[i] - lr * v;
    }
}

static void NAME(sgd)(const rt__optim_job *j, int64_t begin, int64_t end)
{
    CASES(NAME(sgd_body), j->c[3] != 0, j->data[2] != NULL);
}

/* c: 1 - beta1, beta2, 1 - beta2, step size, root of bias correction 2, eps,
 * weight_decay, 1 - lr * weight_decay (1: not decoupled); flags: maximize;
 * states: exp_avg, exp_avg_sq, max_exp_avg_sq (amsgrad, or absent) */
BODY NAME(adam_body)(const rt__optim_job *j, int64_t begin, int64_t end,
                     bool decays, bool amsgrad)
{
    T *restrict p = j->data[0], *restrict m = j->data[2],
      *restrict v = j->data[3], *restrict top = j->data[4];
    const T *restrict g = j->data[1];
    const T w1 = (T)j->c[0], beta2 = (T)j->c[1], w2 = (T)j->c[2];
    const T size = (T)j->c[3], spread = (T)(1 / j->c[4]), eps = (T)j->c[5];
    const T decay = (T)j->c[6], shrink = (T)j->c[7];
    const T sign = j->flag[0] ? -1 : 1;
    for (int64_t i = begin; i < end; i++) {
        T x = GRADIENT(i);
        T mean = w1 < (T)0.5 ? m[i] + w1 * (x - m[i])
                             : x - (x - m[i]) * (1 - w1);
        T square = v[i] * beta2 + w2 * x * x;
        m[i] = mean;
        v[i] = square;
        if (amsgrad) {
            square = top[i] > square ? top[i] : square;
            top[i] = square;
        }
        p[i] = p[i] * shrink - size * mean / (SQRT(square) * spread + eps);
    }
}

static void NAME(adam)(const rt__optim_job *j, int64_t begin, int64_t end)
{
    CASES(NAME(adam_body), j->c[6] != 0, j->data[4] != NULL);
}

/* c: lr, alpha, 1 - alpha, eps, weight_decay, momentum; flags: maximize;
 * states: square_avg, momentum_buffer, grad_avg (the last two may be absent) */
BODY NAME(rmsprop_body)(const rt__optim_job *j, int64_t begin, int64_t end,
                        bool centered, bool buffer)
{
    T *restrict p = j->data[0], *restrict s = j->data[2],
      *restrict b = j->data[3], *restrict a = j->data[4];
    const T *restrict g = j->data[1];
    const T lr = (T)j->c[0], alpha = (T)j->c[1], w = (T)j->c[2];
    const T eps = (T)j->c[3], decay = (T)j->c[4], momentum = (T)j->c[5];
    const T sign = j->flag[0] ? -1 : 1;
    const bool decays = decay != 0;
    for (int64_t i = begin; i < end; i++) {
        T x = GRADIENT(i);
        T square = s[i] * alpha + w * x * x;
        s[i] = square;
        if (centered) {
            T mean = w < (T)0.5 ? a[i] + w * (x - a[i])
                                : x - (x - a[i]) * (1 - w);
            a[i] = mean;
            square = square - mean * mean;
        }
        T root = SQRT(square) + eps;
        if (buffer) {
            T at = b[i] * momentum + x / root;
            b[i] = at;
            p[i] = p[i] - lr * at;
        } else {
            p[i] = p[i] - lr * x / root;
        }
    }
}

static void NAME(rmsprop)(const rt__optim_job *j, int64_t begin, int64_t end)
{
    CASES(NAME(rmsprop_body), j->data[4] != NULL, j->data[3] != NULL);
}

/* c: step size, eps, weight_decay; flags: maximize; states: sum */
BODY NAME(adagrad_body)(const rt__optim_job *j, int64_t begin, int64_t end,
                        bool decays, bool unused)
{
    T *restrict p = j->data[0], *restrict s = j->data[2];
    const T *restrict g = j->data[1];
    const T size = (T)j->c[0], eps = (T)j->c[1], decay = (T)j->c[2];
    const T sign = j->flag[0] ? -1 : 1;
    for (int64_t i = begin; i < end; i++) {
        T x = GRADIENT(i);
        T sum = s[i] + x * x;
        s[i] = sum;
        p[i] = p[i] - size * x / (SQRT(sum) + eps);
    }
}

static void NAME(adagrad)(const rt__optim_job *j, int64_t begin, int64_t end)
{
    CASES(NAME(adagrad_body), j->c[2] != 0, false);
}
#undef GRADIENT

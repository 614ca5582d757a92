/* SPDX-License-Identifier: MIT
 * The cells of RNN, GRU and LSTM along a row, and their gradients; compiled per
 * instruction set.
 */
#include "runtime/ops/cpu/recurrent.h"

#include "runtime/ops/cpu/wide_math.h"

/* Vectors along n units: `i` where one begins, `left` units from there on. */
#define ALONG(n) for (int64_t i = 0, left = (n); left > 0; i += WIDE, left -= WIDE)
#define LOAD(p) w_load_part((p) + i, left, 0)
#define STORE(p, v) w_store_part((p) + i, left, v)

/* --- the plain cell -------------------------------------------------------------- */

static void tanh_run(int64_t n, const rt__cell_row *r)
{
    ALONG(n)
    {
        STORE(r->h, w_tanh(LOAD(r->gates)));
    }
}

static void tanh_back(int64_t n, const rt__cell_row *r, const rt__cell_grads *d)
{
    ALONG(n)
    {
        wide h = LOAD(r->h), g = LOAD(d->gh);
        g = d->g ? g + LOAD(d->g) : g;
        STORE(d->dx, g * (1 - h * h));
    }
}

/* NaN stays NaN. */
static void relu_run(int64_t n, const rt__cell_row *r)
{
    ALONG(n)
    {
        STORE(r->h, w_max(w_all(0), LOAD(r->gates)));
    }
}

static void relu_back(int64_t n, const rt__cell_row *r, const rt__cell_grads *d)
{
    ALONG(n)
    {
        wide h = LOAD(r->h), g = LOAD(d->gh);
        g = d->g ? g + LOAD(d->g) : g;
        STORE(d->dx, w_select(h <= 0, w_all(0), g));
    }
}

/* --- GRU: h' = n + z (h - n), n = tanh(x + r p) ------------------------------------ */

static void gru_run(int64_t n, const rt__cell_row *r)
{
    float *reset = r->gates, *update = reset + n, *new = update + n;
    ALONG(n)
    {
        wide at = w_sigmoid(LOAD(reset)), z = w_sigmoid(LOAD(update));
        wide v = w_tanh(LOAD(new) + at * LOAD(r->product));
        STORE(reset, at);
        STORE(update, z);
        STORE(new, v);
        STORE(r->h, v + z * (LOAD(r->h_before) - v));
    }
}

static void gru_back(int64_t n, const rt__cell_row *r, const rt__cell_grads *d)
{
    const float *reset = r->gates, *update = reset + n, *new = update + n;
    ALONG(n)
    {
        wide at = LOAD(reset), z = LOAD(update), v = LOAD(new);
        wide p = LOAD(r->product), g = LOAD(d->gh);
        g = d->g ? g + LOAD(d->g) : g;
        wide dv = g * (1 - z) * (1 - v * v);
        wide dz = g * (LOAD(r->h_before) - v) * z * (1 - z);
        wide dr = dv * p * at * (1 - at);
        STORE(d->dx, dr);
        STORE(d->dx + n, dz);
        STORE(d->dx + 2 * n, dv);
        STORE(d->dh, dr);
        STORE(d->dh + n, dz);
        STORE(d->dh + 2 * n, dv * at);
        STORE(d->gh, g * z);
    }
}

/* --- LSTM: c' = f c + i g, h' = o tanh(c') ------------------------------------------ */

static void lstm_run(int64_t n, const rt__cell_row *r)
{
    float *in = r->gates, *forget = in + n, *new = forget + n, *out = new + n;
    ALONG(n)
    {
        wide a = w_sigmoid(LOAD(in)), f = w_sigmoid(LOAD(forget));
        wide g = w_tanh(LOAD(new)), o = w_sigmoid(LOAD(out));
        wide c = f * LOAD(r->c_before) + a * g;
        STORE(in, a);
        STORE(forget, f);
        STORE(new, g);
        STORE(out, o);
        STORE(r->c, c);
        STORE(r->h, o * w_tanh(c));
    }
}

static void lstm_back(int64_t n, const rt__cell_row *r, const rt__cell_grads *d)
{
    const float *in = r->gates, *forget = in + n, *new = forget + n;
    const float *out = new + n;
    ALONG(n)
    {
        wide a = LOAD(in), f = LOAD(forget), g = LOAD(new), o = LOAD(out);
        wide t = w_tanh(LOAD(r->c)), dh = LOAD(d->gh);
        dh = d->g ? dh + LOAD(d->g) : dh;
        wide dc = LOAD(d->gc) + dh * o * (1 - t * t);
        STORE(d->dx, dc * g * a * (1 - a));
        STORE(d->dx + n, dc * LOAD(r->c_before) * f * (1 - f));
        STORE(d->dx + 2 * n, dc * a * (1 - g * g));
        STORE(d->dx + 3 * n, dh * t * o * (1 - o));
        STORE(d->gc, dc * f);
    }
}

const rt__cells_table RT_ISA_NAME(cells) = {
    .of = {
        [RT_CELL_TANH] = {tanh_run, tanh_back},
        [RT_CELL_RELU] = {relu_run, relu_back},
        [RT_CELL_GRU] = {gru_run, gru_back},
        [RT_CELL_LSTM] = {lstm_run, lstm_back},
    },
};

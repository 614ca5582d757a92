/* SPDX-License-Identifier: MIT
 * layer_norm and batch_norm against float64 loops.
 */
#include "tests/unit/tensors.h"

/* (x - mean) / sqrt(var + eps) over n values in steps; biased variance. */
static void moments(const rt_tensor *x, const int64_t *places, int n,
                    double *mean, double *var)
{
    *mean = *var = 0;
    for (int i = 0; i < n; i++) {
        *mean += at(x, places[i]) / n;
    }
    for (int i = 0; i < n; i++) {
        double d = at(x, places[i]) - *mean;
        *var += d * d / n;
    }
}

CASE(layer_norm_normalises_each_row)
{
    enum { ROWS = 5, WIDTH = 37 };
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(ROWS, WIDTH), 1);
    rt_tensor *w = noise(RT_FLOAT32, SHAPE(WIDTH), 2);
    rt_tensor *b = noise(RT_FLOAT32, SHAPE(WIDTH), 3);
    rt_value r[RT_MAX_RESULTS];
    CHECK_OK(call_all(r, RT_OP_layer_norm, 4, T(x), INTS(WIDTH), T(w), T(b)),
             err);
    for (int row = 0; row < ROWS; row++) {
        int64_t places[WIDTH];
        double mean, var, worst = 0;
        for (int k = 0; k < WIDTH; k++) {
            places[k] = row * WIDTH + k;
        }
        moments(x, places, WIDTH, &mean, &var);
        for (int k = 0; k < WIDTH; k++) {
            double want = (at(x, places[k]) - mean) / sqrt(var + 1e-5) *
                              at(w, k) + at(b, k);
            double d = fabs(at(r[0].t, places[k]) - want);
            worst = d > worst ? d : worst;
        }
        CHECK_NEAR(worst, 0, 1e-6);
        CHECK_NEAR(at(r[1].t, row), mean, 1e-6);
        CHECK_NEAR(at(r[2].t, row), 1 / sqrt(var + 1e-5), 1e-5);
    }
    CHECK_INT(r[1].t->ndim, 2);
    for (int i = 0; i < 3; i++) {
        rt_value_release(&r[i]);
    }
    DROP(x, w, b);
}

CASE(layer_norm_names_the_shape_it_expects)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(2, 4), 1);
    rt_tensor *w = noise(RT_FLOAT32, SHAPE(3), 1);
    REFUSES(RT_E_SHAPE, "last dimensions must be [5], its shape is [2, 4]",
            layer_norm, 2, T(x), INTS(5));
    REFUSES(RT_E_SHAPE, "weight has shape [3], expected [4]", layer_norm, 3,
            T(x), INTS(4), T(w));
    DROP(x, w);
}

enum { BN = 3, BC = 2, BS = 4 };

static void channel_places(int64_t *places, int channel)
{
    for (int i = 0; i < BN * BS; i++) {
        places[i] = (i / BS * BC + channel) * BS + i % BS;
    }
}

CASE(batch_norm_trains_on_the_batch_and_moves_the_running_statistics)
{
    rt_tensor *x = noise(RT_FLOAT64, SHAPE(BN, BC, BS), 1);
    rt_tensor *rm = tensor(RT_FLOAT64, SHAPE(BC), VALUES(0));
    rt_tensor *rv = tensor(RT_FLOAT64, SHAPE(BC), VALUES(1));
    uint32_t version = rt_tensor_version(rm);
    rt_tensor *y = CALL(batch_norm, 6, T(x), T(rm), T(rv), RT_NONE, RT_NONE,
                        RT_V_BOOL(true));
    for (int ch = 0; ch < BC; ch++) {
        int64_t places[BN * BS];
        double mean, var;
        channel_places(places, ch);
        moments(x, places, BN * BS, &mean, &var);
        for (int i = 0; i < BN * BS; i++) {
            CHECK_NEAR(at(y, places[i]),
                       (at(x, places[i]) - mean) / sqrt(var + 1e-5), 1e-12);
        }
        CHECK_NEAR(at(rm, ch), 0.1 * mean, 1e-12);
        CHECK_NEAR(at(rv, ch), 0.9 + 0.1 * var * BN * BS / (BN * BS - 1),
                   1e-12);
    }
    CHECK(rt_tensor_version(rm) != version);
    DROP(x, rm, rv, y);
}

CASE(batch_norm_evaluates_with_the_running_statistics)
{
    rt_tensor *x = tensor(RT_FLOAT32, SHAPE(1, 2), VALUES(3, 5));
    rt_tensor *rm = tensor(RT_FLOAT32, SHAPE(2), VALUES(1, 2));
    rt_tensor *rv = tensor(RT_FLOAT32, SHAPE(2), VALUES(4, 9));
    rt_tensor *w = tensor(RT_FLOAT32, SHAPE(2), VALUES(2, 1));
    rt_tensor *b = tensor(RT_FLOAT32, SHAPE(2), VALUES(0, 10));
    rt_tensor *y = CALL(batch_norm, 5, T(x), T(rm), T(rv), T(w), T(b));
    CHECK_CLOSE(y, RT_FLOAT32, SHAPE(1, 2), VALUES(2, 11), 1e-4);
    CHECK_NEAR(at(rm, 0), 1, 0);
    DROP(x, rm, rv, w, b, y);
}

CASE(batch_norm_refuses_one_value_a_channel_and_wrong_channels)
{
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(1, 2), 1);
    rt_tensor *w = noise(RT_FLOAT32, SHAPE(3), 1);
    REFUSES(RT_E_ARGUMENT, "more than 1 value per channel", batch_norm, 6,
            T(x), RT_NONE, RT_NONE, RT_NONE, RT_NONE, RT_V_BOOL(true));
    rt_tensor *big = noise(RT_FLOAT32, SHAPE(4, 2), 1);
    REFUSES(RT_E_SHAPE, "weight has shape [3], expected [2]", batch_norm, 6,
            T(big), RT_NONE, RT_NONE, T(w), RT_NONE, RT_V_BOOL(true));
    REFUSES(RT_E_ARGUMENT, "running_mean", batch_norm, 3, T(big), RT_NONE,
            RT_NONE);
    DROP(x, w, big);
}

UNIT_MAIN

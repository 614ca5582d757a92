/* SPDX-License-Identifier: MIT */
#include "tests/unit/modules.h"

/* A [rows, cols] tensor filled by the initialiser after manual_seed(7). */
static rt_tensor *filled(const char *name, int64_t rows, int64_t cols,
                         const rt_value *named, const char *const *names, int n)
{
    rt_tensor *t = counting(RT_FLOAT32, SHAPE(rows, cols));
    rt_value v = T(t);
    const rt_init *init = rt_init_find(name);
    CHECK(init != NULL);
    rt_manual_seed(7);
    CHECK_OK(rt_init_apply(init, &v, 1, named, names, n, &err), err);
    return t;
}

#define CHECK_FILLED(name, rows, cols, named, names, n, ...)                   \
    do {                                                                       \
        rt_tensor *t_ = filled(name, rows, cols, named, names, n);             \
        CHECK_CLOSE(t_, RT_FLOAT32, SHAPE(rows, cols),                       \
                    VALUES(__VA_ARGS__), 2e-6);                              \
        rt_release(t_);                                                        \
    } while (0)

CASE(linear_starts_with_pytorchs_numbers)
{
    rt_manual_seed(7);
    rt_module *m = LAYER_OF("Linear", I(3), I(2));
    CHECK_CLOSE(rt__module_tensor(m, "weight"), RT_FLOAT32, SHAPE(2, 3),
                VALUES(0.0403250754, -0.347792119, 0.183841825, 0.181161284,
                        -0.308580369, -0.0865316316), 1e-9);
    CHECK_CLOSE(rt__module_tensor(m, "bias"), RT_FLOAT32, SHAPE(2),
                VALUES(-0.338227928, 0.149806648), 1e-9);
    CHECK(rt_requires_grad(rt__module_tensor(m, "weight")));
    rt_module_release(m);
}

CASE(xavier_draws_as_pytorch)
{
    CHECK_FILLED("xavier_uniform_", 3, 2, NULL, NULL, 0, 0.0765114576,
                 -0.659889162, 0.348815352, 0.343729377, -0.585490108,
                 -0.164182246);
    const rt_value gain = RT_V_FLOAT(2);
    const char *const names[] = {"gain"};
    CHECK_FILLED("xavier_normal_", 3, 2, &gain, names, 1, -0.185682744,
                 0.994398832, 1.19764519, -1.40954614, 2.13869905, -1.13187766);
}

CASE(kaiming_draws_as_pytorch)
{
    CHECK_FILLED("kaiming_uniform_", 3, 2, NULL, NULL, 0, 0.120975226,
                 -1.04337633, 0.551525474, 0.543483853, -0.925741076,
                 -0.259594917);
    const rt_value v[] = {RT_V_STRING("fan_out"), RT_V_STRING("relu")};
    const char *const names[] = {"mode", "nonlinearity"};
    CHECK_FILLED("kaiming_normal_", 3, 2, v, names, 2, -0.119857699,
                 0.641881704, 0.773076594, -0.909858108, 1.3805244,
                 -0.730623901);
}

CASE(trunc_normal_draws_as_pytorch)
{
    CHECK_FILLED("trunc_normal_", 3, 2, NULL, NULL, 0, -0.146795094,
                 0.786141276, 0.94682163, -1.114344, 1.69079018, -0.894827902);
}

CASE(orthogonal_draws_as_pytorch)
{
    CHECK_FILLED("orthogonal_", 3, 2, NULL, NULL, 0, -0.0755352974,
                 0.785297334, 0.487199306, -0.508623064, 0.870017886,
                 0.353002548);
    CHECK_FILLED("orthogonal_", 2, 3, NULL, NULL, 0, -0.118443251, 0.634307086,
                 0.763953924, -0.489210874, 0.632236958, -0.600790441);
}

CASE(constants_fill)
{
    const rt_value v = RT_V_FLOAT(2.5);
    const char *const names[] = {"val"};
    CHECK_FILLED("constant_", 1, 2, &v, names, 1, 2.5, 2.5);
    CHECK_FILLED("ones_", 1, 2, NULL, NULL, 0, 1, 1);
    CHECK_FILLED("zeros_", 1, 2, NULL, NULL, 0, 0, 0);
    CHECK_FILLED("eye_", 2, 3, NULL, NULL, 0, 1, 0, 0, 0, 1, 0);
}

CASE(parameters_that_record_are_filled_without_recording)
{
    rt_module *m = LAYER_OF("Linear", I(2), I(2));
    rt_value v = T(rt__module_tensor(m, "weight"));
    CHECK_OK(rt_init_apply(rt_init_find("ones_"), &v, 1, NULL, NULL, 0, &err),
             err);
    CHECK(rt_is_leaf(v.t));
    CHECK_NEAR(at(v.t, 3), 1, 0);
    rt_module_release(m);
}

CASE(fans_need_two_dimensions)
{
    rt_tensor *t = counting(RT_FLOAT32, SHAPE(3));
    rt_value v = T(t);
    CHECK_FAILS(rt_init_apply(rt_init_find("xavier_uniform_"), &v, 1, NULL,
                              NULL, 0, &err), err, RT_E_SHAPE);
    CHECK_FAILS(rt_init_apply(rt_init_find("eye_"), &v, 1, NULL, NULL, 0, &err),
                err, RT_E_SHAPE);
    CHECK_NEAR(at(t, 2), 2, 0);
    rt_release(t);
}

CASE(gains_are_pytorchs)
{
    double g;
    CHECK_OK(rt_init_gain(&g, "relu", 0, &err), err);
    CHECK_NEAR(g, sqrt(2), 1e-15);
    CHECK_OK(rt_init_gain(&g, "tanh", 0, &err), err);
    CHECK_NEAR(g, 5.0 / 3, 1e-15);
    CHECK_OK(rt_init_gain(&g, "leaky_relu", 0.01, &err), err);
    CHECK_NEAR(g, sqrt(2 / (1 + 0.0001)), 1e-15);
    CHECK_FAILS(rt_init_gain(&g, "cube", 0, &err), err, RT_E_ARGUMENT);
}

UNIT_MAIN

/* SPDX-License-Identifier: MIT */
#include "tests/unit/modules.h"

#define UNPACK(...) __VA_ARGS__

/* Weighted sum of y with fixed weights, differentiated. */
static void differentiate(rt_tensor *y)
{
    rt_tensor *w = noise(RT_FLOAT32, rt_tensor_shape(y), rt_tensor_ndim(y), 2);
    rt_tensor *product = CALL(mul, 2, T(y), T(w));
    rt_tensor *loss = product ? CALL(sum, 1, T(product)) : NULL;
    if (loss) {
        CHECK_OK(rt_backward(&loss, NULL, 1, false, false, &err), err);
    }
    rt_release(loss);
    rt_release(product);
    rt_release(w);
}

static void check_numbers(const char *what, const rt_tensor *t,
                          const double *want, int n)
{
    if (!t || t->numel != n) {
        UNIT_FAIL("%s has %d numbers, expected %d", what,
                  t ? (int)t->numel : -1, n);
        return;
    }
    for (int i = 0; i < n; i++) {
        double got = at(t, i), gap = fabs(got - want[i]);
        if (!(gap <= 2e-6 + 2e-5 * fabs(want[i]))) {
            UNIT_FAIL("%s[%d] is %.9g, expected %.9g", what, i, got, want[i]);
            return;
        }
    }
}

static rt_tensor *input_of(rt_module *m, const int64_t *shape, int ndim)
{
    if (strcmp(rt_module_name(m), "Embedding") == 0) {
        rt_tensor *x = counting(RT_INT64, shape, ndim);
        for (int64_t i = 0; i < x->numel; i++) {
            put(x, i, (double)(i % rt__option_int(m, "num_embeddings")));
        }
        return x;
    }
    rt_tensor *x = noise(RT_FLOAT32, shape, ndim, 1);
    CHECK_OK(rt_set_requires_grad(x, true, &err), err);
    return x;
}

static void check_gold(const char *id, rt_module *m, const int64_t *shape,
                       int ndim, const char *repr, const double *out, int nout,
                       const double *dx, int ndx, const double *dw, int ndw)
{
    if (!m) {
        return;
    }
    CHECK_REPR(m, repr);
    if (strstr(id, "eval_mode")) {
        rt_module_train(m, false);
    }
    rt_tensor *x = input_of(m, shape, ndim);
    rt_manual_seed(5);
    rt_tensor *y = forward(m, x);
    if (y) {
        check_numbers("output", y, out, nout);
        differentiate(y);
        if (rt_requires_grad(x)) {
            check_numbers("input gradient", rt_grad(x), dx, ndx);
        }
        if (rt_module_slot_count(m, RT_SLOT_PARAMETER)
            && rt_module_slot_tensor(m, RT_SLOT_PARAMETER, 0)) {
            rt_tensor *p = rt_module_slot_tensor(m, RT_SLOT_PARAMETER, 0);
            check_numbers("parameter gradient", rt_grad(p), dw, ndw);
        }
    }
    rt_release(y);
    rt_release(x);
    rt_module_release(m);
}

#define GOLD(id, name, npos, nnamed, args, names, shape, repr, out, dx, dw)    \
    CASE(id##_computes_as_in_pytorch)                                          \
    {                                                                          \
        rt_manual_seed(0);                                                     \
        const double o[] = {UNPACK out}, x[] = {UNPACK dx}, w[] = {UNPACK dw}; \
        const int64_t s[] = {UNPACK shape};                                    \
        rt_module *m = layer_of(name, (const rt_value[]){UNPACK args}, npos,   \
                                (const char *const[]){UNPACK names}, nnamed);  \
        check_gold(#id, m, s, sizeof s / sizeof *s, repr, o,                   \
                   sizeof o / sizeof *o, x, sizeof x / sizeof *x, w,           \
                   sizeof w / sizeof *w);                                      \
    }
#include "tests/unit/golden_layers.def"

/* --- losses: [4, 3] against the targets 0, 2, 1, 1 or noise -------------------- */

static rt_tensor *classes(void)
{
    return tensor(RT_INT64, SHAPE(4), VALUES(0, 2, 1, 1));
}

/* Takes over m, x and y. */
static void check_loss(rt_module *m, rt_tensor *x, rt_tensor *y, double want,
                       const double *dx)
{
    rt_value args[2] = {T(x), T(y)}, out = RT_UNSET;
    CHECK_OK(rt_set_requires_grad(x, true, &err), err);
    CHECK_OK(rt_module_forward(m, args, 2, &out, &err), err);
    if (out.kind == RT_K_TENSOR) {
        CHECK_NEAR(at(out.t, 0), want, 2e-6);
        CHECK_OK(rt_backward(&out.t, NULL, 1, false, false, &err), err);
        check_numbers("gradient", rt_grad(x), dx, 12);
    }
    rt_value_release(&out);
    rt_module_release(m);
    rt_release(x);
    rt_release(y);
}

#define NOISE(seed) noise(RT_FLOAT32, SHAPE(4, 3), seed)

static rt_module *named(const char *name, const char *option, rt_value v)
{
    return layer_of(name, &v, 0, &option, 1);
}

CASE(mse_loss_computes_as_in_pytorch)
{
    const double dx[] = {-0.00727693271, 0.0311536398, 0.0162570085, -0.1378766,
                         -0.0395214781, 0.172491491, 0.0684298724, 0.23063311,
                         0.233305871, 0.1021211, 0.116330504, 0.0115500297};
    check_loss(BARE("MSELoss"), NOISE(1), NOISE(2), 0.564041436, dx);
}

CASE(l1_loss_sums_when_asked)
{
    const double dx[] = {-1, 1, 1, -1, -1, 1, 1, 1, 1, 1, 1, 1};
    check_loss(named("L1Loss", "reduction", RT_V_STRING("sum")), NOISE(1),
               NOISE(2), 7.00168562, dx);
}

CASE(smooth_l1_loss_computes_as_in_pytorch)
{
    const double dx[] = {-0.00727693271, 0.0311536398, 0.0162570085,
                         -0.0833333358, -0.0395214781, 0.0833333358,
                         0.0684298724, 0.0833333358, 0.0833333358, 0.0833333358,
                         0.0833333358, 0.0115500297};
    check_loss(named("SmoothL1Loss", "beta", RT_V_FLOAT(0.5)), NOISE(1),
               NOISE(2), 0.394376665, dx);
}

CASE(cross_entropy_loss_computes_as_in_pytorch)
{
    const double dx[] = {-0.223096803, 0.156640291, 0.0664565116, 0.0505680069,
                         0.048591055, -0.0991590619, 0.0335196257, -0.146058261,
                         0.112538628, 0.0606189184, -0.157040998, 0.0964220762};
    check_loss(BARE("CrossEntropyLoss"), NOISE(1), classes(), 1.1503458, dx);
}

CASE(cross_entropy_loss_takes_weights_smoothing_and_an_ignored_class)
{
    const double dx[] = {-0.16227442, 0.128687188, 0.033587236, 0, 0, 0,
                         0.0478585884, -0.204254761, 0.156396151, 0.0919400975,
                         -0.222120002, 0.130179897};
    rt_tensor *w = tensor(RT_FLOAT32, SHAPE(3), VALUES(0.5, 1, 2));
    const rt_value v[] = {T(w), RT_V_FLOAT(0.1), I(2)};
    const char *const names[] = {"label_smoothing", "ignore_index"};
    check_loss(layer_of("CrossEntropyLoss", v, 1, names, 2), NOISE(1),
               classes(), 1.22420454, dx);
    rt_release(w);
}

CASE(bce_with_logits_loss_computes_as_in_pytorch)
{
    const double dx[] = {0.0238224119, -0.0250196755, 0.0414326973, 0.0240373556,
                         0.0233610552, 0.0456126034, 0.0330669843, 0.0559201129,
                         0.0573615767, 0.0407121256, 0.0495241024,
                         -0.0330769233};
    rt_tensor *y = NOISE(2);
    for (int i = 0; i < 12; i++) {
        put(y, i, at(y, i) > 0);
    }
    check_loss(BARE("BCEWithLogitsLoss"), NOISE(1), y, 0.642054856, dx);
}

CASE(bce_loss_of_probabilities_is_that_of_their_logits)
{
    rt_tensor *x = NOISE(1), *p = CALL(sigmoid, 1, T(x)), *y = NOISE(2);
    rt_module *m = BARE("BCELoss");
    for (int i = 0; i < 12; i++) {
        put(y, i, at(y, i) > 0);
    }
    rt_value args[2] = {T(p), T(y)}, out = RT_UNSET;
    CHECK_OK(rt_module_forward(m, args, 2, &out, &err), err);
    if (out.kind == RT_K_TENSOR) {
        CHECK_NEAR(at(out.t, 0), 0.642054796, 2e-6);
    }
    rt_value_release(&out);
    rt_release(x);
    rt_release(p);
    rt_release(y);
    rt_module_release(m);
}

CASE(nll_and_kl_losses_take_log_probabilities)
{
    rt_tensor *x = NOISE(1), *q = NOISE(2), *c = classes();
    rt_tensor *lp = CALL(log_softmax, 2, T(x), I(1));
    rt_tensor *p = CALL(softmax, 2, T(q), I(1));
    rt_module *nll = BARE("NLLLoss");
    rt_module *kl = named("KLDivLoss", "reduction", RT_V_STRING("batchmean"));
    rt_value out = RT_UNSET, a[2] = {T(lp), T(c)}, b[2] = {T(lp), T(p)};
    CHECK_OK(rt_module_forward(nll, a, 2, &out, &err), err);
    if (out.kind == RT_K_TENSOR) {
        CHECK_NEAR(at(out.t, 0), 1.1503458, 2e-6);
    }
    rt_value_release(&out);
    CHECK_OK(rt_module_forward(kl, b, 2, &out, &err), err);
    if (out.kind == RT_K_TENSOR) {
        CHECK_NEAR(at(out.t, 0), 0.112400338, 2e-6);
    }
    rt_value_release(&out);
    rt_release(x);
    rt_release(q);
    rt_release(c);
    rt_release(lp);
    rt_release(p);
    rt_module_release(nll);
    rt_module_release(kl);
}

/* --- what rows do not show ------------------------------------------------------ */

CASE(bilinear_computes_as_in_pytorch)
{
    rt_manual_seed(0);
    rt_module *m = LAYER_OF("Bilinear", I(2), I(3), I(2));
    rt_tensor *a = noise(RT_FLOAT32, SHAPE(2, 2), 1);
    rt_tensor *b = noise(RT_FLOAT32, SHAPE(2, 3), 2);
    rt_value args[2] = {T(a), T(b)}, out = RT_UNSET;
    CHECK_REPR(m, "Bilinear(in1_features=2, in2_features=3, out_features=2, "
                  "bias=True)");
    CHECK_OK(rt_module_forward(m, args, 2, &out, &err), err);
    if (out.kind == RT_K_TENSOR) {
        CHECK_CLOSE(out.t, RT_FLOAT32, SHAPE(2, 2),
                    VALUES(-0.752121925, -1.06858766, -0.742476881,
                            -0.693893075), 1e-6);
    }
    rt_value_release(&out);
    rt_release(a);
    rt_release(b);
    rt_module_release(m);
}

CASE(lstm_gives_outputs_and_both_last_states)
{
    rt_manual_seed(0);
    rt_module *m = LAYER_OF("LSTM", I(2), I(3));
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(3, 2, 2), 1);
    rt_value arg = T(x), out = RT_UNSET;
    CHECK_OK(rt_module_forward(m, &arg, 1, &out, &err), err);
    CHECK_INT(out.kind, RT_K_TENSORS);
    CHECK_INT(out.count, 3);
    if (out.kind == RT_K_TENSORS && out.count == 3) {
        CHECK_CLOSE(out.tensors[1], RT_FLOAT32, SHAPE(1, 2, 3),
                    VALUES(0.0856071711, -0.159223974, -0.0381940305,
                            0.0375870243, -0.212322801, -0.0180837475), 1e-6);
        CHECK_CLOSE(out.tensors[2], RT_FLOAT32, SHAPE(1, 2, 3),
                    VALUES(0.119365171, -0.289656967, -0.144991323,
                            0.0532620735, -0.373506427, -0.0531199761), 1e-6);
    }
    rt_value_release(&out);
    rt_release(x);
    rt_module_release(m);
}

CASE(lstm_starts_from_given_states)
{
    rt_manual_seed(0);
    rt_module *m = LAYER_OF("LSTM", I(2), I(3));
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(3, 2, 2), 1);
    rt_tensor *hc[2] = {noise(RT_FLOAT32, SHAPE(1, 2, 3), 4),
                        noise(RT_FLOAT32, SHAPE(1, 2, 3), 5)};
    rt_value args[2] = {T(x), RT_V_TENSORS(hc, 2)}, out = RT_UNSET;
    CHECK_OK(rt_module_forward(m, args, 2, &out, &err), err);
    if (out.kind == RT_K_TENSORS) {
        CHECK_NEAR(at(out.tensors[0], 0), -0.31173107, 1e-6);
        CHECK_NEAR(at(out.tensors[0], 17), -0.039140068, 1e-6);
    }
    rt_value_release(&out);
    rt_tensor *flat = noise(RT_FLOAT32, SHAPE(2, 3), 4);
    rt_value bad[3] = {T(x), T(flat), T(flat)};
    CHECK_FAILS(rt_module_forward(m, bad, 3, &out, &err), err, RT_E_SHAPE);
    CHECK_FAILS(rt_module_forward(m, bad, 2, &out, &err), err, RT_E_TYPE);
    rt_release(flat);
    rt_release(hc[0]);
    rt_release(hc[1]);
    rt_release(x);
    rt_module_release(m);
}

CASE(lstm_parameters_have_pytorchs_names_and_order)
{
    const rt_value v[] = {I(2), I(3), I(2), RT_V_BOOL(true)};
    const char *const names[] = {"bidirectional"};
    rt_module *m = layer_of("LSTM", v, 3, names, 1);
    CHECK_INT(rt_module_slot_count(m, RT_SLOT_PARAMETER), 16);
    CHECK_TEXT(rt_module_slot_name(m, RT_SLOT_PARAMETER, 1), "weight_hh_l0");
    CHECK_TEXT(rt_module_slot_name(m, RT_SLOT_PARAMETER, 3), "bias_hh_l0");
    CHECK_TEXT(rt_module_slot_name(m, RT_SLOT_PARAMETER, 4),
               "weight_ih_l0_reverse");
    CHECK_TEXT(rt_module_slot_name(m, RT_SLOT_PARAMETER, 8), "weight_ih_l1");
    rt_tensor *w = rt_module_slot_tensor(m, RT_SLOT_PARAMETER, 8);
    CHECK_INT(rt_tensor_shape(w)[0], 12);
    CHECK_INT(rt_tensor_shape(w)[1], 6);
    rt_module_release(m);
}

CASE(batch_norm_keeps_running_statistics)
{
    rt_module *m = LAYER_OF("BatchNorm1d", I(3));
    for (int i = 1; i <= 2; i++) {
        rt_tensor *x = NOISE(i), *y = forward(m, x);
        rt_release(x);
        rt_release(y);
    }
    CHECK_CLOSE(rt__module_tensor(m, "running_mean"), RT_FLOAT32, SHAPE(3),
                VALUES(-0.112256482, -0.00338501483, 0.000956373289), 1e-6);
    CHECK_CLOSE(rt__module_tensor(m, "running_var"), RT_FLOAT32, SHAPE(3),
                VALUES(0.839320958, 0.910817146, 0.849001527), 1e-6);
    CHECK_TENSOR(rt__module_tensor(m, "num_batches_tracked"), RT_INT64,
                 SHAPE(), VALUES(2));
    rt_module_release(m);
}

CASE(batch_norm_without_momentum_averages_all_batches)
{
    const char *const names[] = {"momentum"};
    rt_value v[] = {I(3), RT_NONE};
    rt_module *m = layer_of("BatchNorm1d", v, 1, names, 1);
    for (int i = 1; i <= 2; i++) {
        rt_tensor *x = NOISE(i), *y = forward(m, x);
        rt_release(x);
        rt_release(y);
    }
    CHECK_CLOSE(rt__module_tensor(m, "running_mean"), RT_FLOAT32, SHAPE(3),
                VALUES(-0.589821041, -0.00445024669, 0.0221495032), 1e-6);
    rt_module_release(m);
}

CASE(batch_norm_refuses_one_value_per_channel_while_training)
{
    rt_module *m = LAYER_OF("BatchNorm1d", I(3));
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(1, 3), 1);
    rt_value arg = T(x), out = RT_UNSET;
    CHECK_FAILS(rt_module_forward(m, &arg, 1, &out, &err), err, RT_E_SHAPE);
    CHECK_HAS(err.help, "larger batch");
    rt_release(x);
    rt_module_release(m);
}

CASE(a_padded_embedding_row_is_zero)
{
    const rt_value v[] = {I(4), I(2), I(-1)};
    rt_module *m = LAYER_OF("Embedding", v[0], v[1], v[2]);
    rt_tensor *w = rt__module_tensor(m, "weight");
    CHECK_NEAR(at(w, 6), 0, 0);
    CHECK_NEAR(at(w, 7), 0, 0);
    CHECK(at(w, 0) != 0);
    CHECK_REPR(m, "Embedding(4, 2, padding_idx=3)");
    rt_module_release(m);
}

CASE(relu_in_place_writes_into_its_input)
{
    rt_module *m = LAYER_OF("ReLU", RT_V_BOOL(true));
    rt_tensor *x = tensor(RT_FLOAT32, SHAPE(2), VALUES(-1, 2));
    rt_tensor *y = forward(m, x);
    CHECK(y && rt_tensor_shares_storage(x, y));
    CHECK_TENSOR(x, RT_FLOAT32, SHAPE(2), VALUES(0, 2));
    rt_release(y);
    rt_release(x);
    rt_module_release(m);
}

CASE(max_pool_gives_indices_when_asked)
{
    const rt_value v[] = {I(2), RT_V_BOOL(true)};
    const char *const names[] = {"return_indices"};
    rt_module *m = layer_of("MaxPool2d", v, 1, names, 1);
    rt_tensor *x = counting(RT_FLOAT32, SHAPE(1, 1, 2, 2));
    rt_value arg = T(x), out = RT_UNSET;
    CHECK_OK(rt_module_forward(m, &arg, 1, &out, &err), err);
    CHECK_INT(out.kind, RT_K_TENSORS);
    if (out.kind == RT_K_TENSORS) {
        CHECK_NEAR(at(out.tensors[0], 0), 3, 0);
        CHECK_NEAR(at(out.tensors[1], 0), 3, 0);
    }
    rt_value_release(&out);
    rt_release(x);
    rt_module_release(m);
}

CASE(linear_takes_both_spellings_of_its_sizes)
{
    const rt_value v[] = {I(3), I(4)};
    const char *const names[] = {"input_size", "output_size"};
    rt_module *m = layer_of("Linear", v, 0, names, 2);
    rt_value out;
    CHECK_REPR(m, "Linear(in_features=3, out_features=4, bias=True)");
    CHECK_OK(rt_module_option(&out, m, "in_features", &err), err);
    CHECK_INT(out.i, 3);
    CHECK_FAILS(rt_module_option(&out, m, "nonsense", &err), err, RT_E_NAME);
    rt_module_release(m);
    const char *const twice[] = {"input_size", "in_features"};
    CHECK_FAILS(rt_layer_new(&m, rt_layer_find("Linear"), NULL, 0, v, twice, 2,
                             &err), err, RT_E_TYPE);
}

CASE(sequential_says_which_layer_failed)
{
    rt_module *m = chain(2, BARE("ReLU"), LAYER_OF("Linear", I(3), I(4)));
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(2, 5), 1);
    rt_value arg = T(x), out = RT_UNSET;
    CHECK_FAILS(rt_module_forward(m, &arg, 1, &out, &err), err, RT_E_SHAPE);
    CHECK_HAS(err.message,
              "(in 1: Linear(in_features=3, out_features=4, bias=True))");
    rt_release(x);
    rt_module_release(m);
}

CASE(layers_made_in_float64_compute_in_it)
{
    const rt_value v[] = {I(2), I(2), RT_V_DTYPE(RT_FLOAT64)};
    const char *const names[] = {"dtype"};
    rt_module *m = layer_of("Linear", v, 2, names, 1);
    CHECK_INT(rt_tensor_dtype(rt__module_tensor(m, "weight")), RT_FLOAT64);
    rt_module_release(m);
}

CASE(wrong_options_are_refused)
{
    static const struct { const char *name; rt_value a, b; rt_status st; } rows[] = {
        {"Linear", {.kind = RT_K_INT, .i = -1}, {.kind = RT_K_INT, .i = 2},
         RT_E_ARGUMENT},
        {"Linear", {.kind = RT_K_STRING, .s = "x"}, {.kind = RT_K_INT, .i = 2},
         RT_E_TYPE},
        {"Dropout", {.kind = RT_K_FLOAT, .f = 1.5}, {.kind = RT_K_BOOL},
         RT_E_ARGUMENT},
        {"GroupNorm", {.kind = RT_K_INT, .i = 2}, {.kind = RT_K_INT, .i = 3},
         RT_E_ARGUMENT},
        {"LSTM", {.kind = RT_K_INT, .i = 2}, {.kind = RT_K_INT, .i = 0},
         RT_E_ARGUMENT},
        {"MaxPool2d", {.kind = RT_K_INT, .i = 0}, {.kind = RT_K_INT, .i = 1},
         RT_E_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rt_value v[2] = {rows[i].a, rows[i].b};
        rt_module *m = NULL;
        rt_status st;
        rt_error_clear(&err);
        st = rt_layer_new(&m, rt_layer_find(rows[i].name), v, 2, NULL, NULL, 0,
                          &err);
        if (st != rows[i].st) {
            UNIT_FAIL("row %d: %s gave %d", (int)i, rows[i].name, (int)st);
        }
    }
}

CASE(wrong_convolutions_are_refused)
{
    const rt_value v[] = {I(3), I(4), I(3), RT_V_STRING("most"), I(2)};
    const char *const names[] = {"padding", "stride"};
    rt_module *m = NULL;
    const rt_layer *conv = rt_layer_find("Conv2d");
    CHECK_FAILS(rt_layer_new(&m, conv, v, 3, v + 3, names, 1, &err), err,
                RT_E_ARGUMENT);
    const rt_value same[] = {RT_V_STRING("same"), I(2)};
    CHECK_FAILS(rt_layer_new(&m, conv, v, 3, same, names, 2, &err), err,
                RT_E_ARGUMENT);
    const rt_value negative[] = {I(-1)};
    CHECK_FAILS(rt_layer_new(&m, conv, v, 3, negative, names, 1, &err), err,
                RT_E_ARGUMENT);
    const rt_value groups[] = {I(2)};
    const char *const by[] = {"groups"};
    CHECK_FAILS(rt_layer_new(&m, conv, v, 3, groups, by, 1, &err), err,
                RT_E_ARGUMENT);
}

CASE(forward_checks_what_it_is_given)
{
    rt_module *m = BARE("Tanh"), *list = BARE("ModuleList");
    rt_value three = I(3), out = RT_UNSET;
    CHECK_FAILS(rt_module_forward(m, &three, 1, &out, &err), err, RT_E_TYPE);
    CHECK_FAILS(rt_module_forward(m, &three, 0, &out, &err), err, RT_E_TYPE);
    CHECK_HAS(err.message, "takes 1 tensor, got 0");
    CHECK_FAILS(rt_module_forward(list, &three, 1, &out, &err), err,
                RT_E_UNSUPPORTED);
    rt_module_release(m);
    rt_module_release(list);
}

CASE(every_layer_has_a_signature_and_a_sentence)
{
    for (int i = 0; i < rt_layer_count(); i++) {
        const rt_layer *l = rt_layer_at(i);
        const rt_signature *sig = rt_layer_signature(l);
        CHECK(sig != NULL);
        if (sig) {
            CHECK_TEXT(sig->name, rt_layer_name(l));
        }
        CHECK(rt_layer_find(rt_layer_name(l)) == l);
        size_t n = strlen(rt_layer_doc(l));
        CHECK(n > 10 && rt_layer_doc(l)[n - 1] == '.');
    }
    CHECK(rt_layer_find("Lineal") == NULL);
    CHECK(rt_layer_at(-1) == NULL);
}

/* --- memory running out -------------------------------------------------------- */

/* Runs forward with the n-th allocation failing, for every n, until it works. */
static void starve(rt_module *m, rt_tensor *x)
{
    rt_value arg = T(x), out = RT_UNSET;
    rt_memory_stats before, after;
    rt_tensor *y = forward(m, x);
    rt_release(y);
    rt_memory_read_stats(&before);
    for (int i = 1; i < 2000; i++) {
        rt_error_clear(&err);
        rt_memory_fail_after(i);
        rt_status st = rt_module_forward(m, &arg, 1, &out, &err);
        rt_memory_fail_after(0);
        rt_value_release(&out);
        if (st == RT_OK) {
            break;
        }
        if (st != RT_E_MEMORY) {
            UNIT_FAIL("%s, allocation %d: %d %s", rt_module_name(m), i, (int)st,
                      err.message);
            break;
        }
    }
    rt_memory_read_stats(&after);
    CHECK_INT(after.allocated, before.allocated);
    rt_release(x);
    rt_module_release(m);
}

CASE(a_forward_without_memory_fails_and_leaks_nothing)
{
    const rt_value lstm[] = {I(2), I(3), RT_V_BOOL(true)};
    const rt_value same[] = {I(1), I(2), I(2), RT_V_STRING("same")};
    const char *const both[] = {"bidirectional"}, *const pad[] = {"padding"};
    starve(layer_of("LSTM", lstm, 2, both, 1),
           noise(RT_FLOAT32, SHAPE(2, 2, 2), 1));
    starve(LAYER_OF("GRU", I(2), I(3)), noise(RT_FLOAT32, SHAPE(2, 2), 1));
    starve(layer_of("Conv2d", same, 3, pad, 1),
           noise(RT_FLOAT32, SHAPE(1, 1, 3, 3), 1));
    starve(layer_of("Conv1d", same, 3, pad, 1),
           noise(RT_FLOAT32, SHAPE(1, 1, 3), 1));
    starve(LAYER_OF("ConvTranspose2d", I(1), I(2), I(2)),
           noise(RT_FLOAT32, SHAPE(1, 1, 3, 3), 1));
    starve(LAYER_OF("GroupNorm", I(2), I(4)),
           noise(RT_FLOAT32, SHAPE(2, 4), 1));
    starve(LAYER_OF("AdaptiveAvgPool2d", I(2)),
           noise(RT_FLOAT32, SHAPE(1, 3, 3), 1));
    starve(LAYER_OF("RMSNorm", I(3)), noise(RT_FLOAT32, SHAPE(2, 3), 1));
    starve(LAYER_OF("PReLU", I(3)), noise(RT_FLOAT32, SHAPE(2, 3), 1));
    starve(LAYER_OF("Dropout2d", RT_V_FLOAT(0.5)),
           noise(RT_FLOAT32, SHAPE(2, 3, 1, 1), 1));
}

UNIT_MAIN

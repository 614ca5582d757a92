/* SPDX-License-Identifier: MIT
 * Scenes of the runtime in which each allocation fails once: every failure is
 * an error of kind memory, nothing leaks, what was there before is as it was,
 * and the scene runs afterwards.
 */
#include "tests/oom/sweep.h"

#include "tests/unit/tensors.h"

#include <stdarg.h>

/* What scenes find, and must leave as it was. */
static struct {
    rt_tensor *x, *y, *labels, *weight;
    rt_module *net;
    rt_optimizer *optimizer;
    char path[64];
} world;

/* --- the world -------------------------------------------------------------- */

static rt_module *layer(const char *name, int n, ...)
{
    rt_module *m = NULL;
    rt_value args[4];
    va_list list;
    va_start(list, n);
    for (int i = 0; i < n; i++) {
        args[i] = va_arg(list, rt_value);
    }
    va_end(list);
    CHECK_OK(rt_layer_new(&m, rt_layer_find(name), args, n, NULL, NULL, 0,
                          &err), err);
    return m;
}

typedef struct tensors {
    rt_tensor *at[16];
    int count;
} tensors;

static bool gather(void *ctx, const char *name, rt_tensor *t)
{
    tensors *all = ctx;
    all->at[all->count++] = t;
    return all->count < 16;
}

static tensors parameters(rt_module *m)
{
    tensors all = {{NULL}, 0};
    rt_module_each_parameter(m, false, gather, &all);
    return all;
}

static void set_up(void)
{
    rt_set_num_threads(1);
    rt_manual_seed(1);
    world.x = noise(RT_FLOAT32, SHAPE(6, 4), 1);
    world.y = noise(RT_FLOAT32, SHAPE(4, 5), 2);
    world.labels = tensor(RT_INT64, SHAPE(6), VALUES(0, 2, 1));
    world.weight = noise(RT_FLOAT32, SHAPE(4, 4), 3);
    rt_set_requires_grad(world.weight, true, &err);
    rt_module *parts[] = {layer("Linear", 2, I(4), I(8)), layer("ReLU", 0),
                          layer("Dropout", 0),
                          layer("Linear", 2, I(8), I(3))};
    world.net = layer("Sequential", 0);
    for (int i = 0; i < 4; i++) {
        char name[2] = {(char)('0' + i), 0};
        CHECK_OK(rt_module_set_child(world.net, name, parts[i], &err), err);
        rt_module_release(parts[i]);
    }
    tensors all = parameters(world.net);
    CHECK_INT(all.count, 4);
    rt_value params = RT_V_TENSORS(all.at, all.count);
    CHECK_OK(rt_optimizer_new(&world.optimizer, rt_optim_find("Adam"), &params,
                              1, NULL, NULL, 0, &err), err);
    snprintf(world.path, sizeof world.path, "oom-%d.rustorch", (int)getpid());
}

static void tear_down(void)
{
    DROP(world.x, world.y, world.labels, world.weight);
    rt_optimizer_release(world.optimizer);
    rt_module_release(world.net);
    unlink(world.path);
}

static double sum_of(const rt_tensor *t)
{
    double sum = 0;
    for (int64_t i = 0; i < t->numel; i++) {
        sum += at(t, i) * (double)(i + 1);
    }
    return sum;
}

static double checksum(void)
{
    double sum = sum_of(world.x) + 2 * sum_of(world.y) +
                 3 * sum_of(world.labels) + 5 * sum_of(world.weight);
    tensors all = parameters(world.net);
    for (int i = 0; i < all.count; i++) {
        sum += (7 + i) * sum_of(all.at[i]);
    }
    return sum;
}

/* --- scenes ------------------------------------------------------------------- */

/* Calls an op with the scene's running status; its first result or NULL. */
static rt_tensor *op(rt_status *status, rt_op_id id, int n, ...)
{
    rt_value args[RT_MAX_ARGS], results[RT_MAX_RESULTS];
    va_list list;
    va_start(list, n);
    for (int i = 0; i < n; i++) {
        args[i] = va_arg(list, rt_value);
    }
    va_end(list);
    if (*status != RT_OK) {
        return NULL;
    }
    *status = rt_call(rt_op_at(id), args, n, results, &err);
    if (*status != RT_OK) {
        return NULL;
    }
    for (int i = 1; i < RT_MAX_RESULTS; i++) {
        rt_value_release(&results[i]);
    }
    return results[0].t;
}

static rt_status tensor_scene(void)
{
    rt_status s = RT_OK;
    char *text = NULL;
    rt_tensor *p = op(&s, RT_OP_matmul, 2, T(world.x), T(world.y));
    rt_tensor *q = op(&s, RT_OP_softmax, 2, T(p), I(1));
    rt_tensor *r = op(&s, RT_OP_transpose, 3, T(q), I(0), I(1));
    rt_tensor *c = op(&s, RT_OP_contiguous, 1, T(r));
    rt_tensor *o = op(&s, RT_OP_sort, 1, T(c));
    rt_tensor *e = op(&s, RT_OP_einsum, 2, RT_V_STRING("ij,jk->ik"),
                      RT_V_TENSORS(((rt_tensor *[]){r, p}), 2));
    if (s == RT_OK) {
        s = rt_tensor_repr(&text, e, NULL, &err);
    }
    rt_free(text);
    DROP(p, q, r, c, o, e);
    return s;
}

static rt_status gradient_scene(void)
{
    rt_status s = RT_OK;
    rt_tensor *h = op(&s, RT_OP_matmul, 2, T(world.x), T(world.weight));
    rt_tensor *a = op(&s, RT_OP_tanh, 1, T(h));
    rt_tensor *m = op(&s, RT_OP_mul, 2, T(a), T(h));
    rt_tensor *n = op(&s, RT_OP_layer_norm, 2, T(m), INTS(4));
    rt_tensor *l = op(&s, RT_OP_sum, 1, T(n));
    if (s == RT_OK) {
        s = rt_backward(&l, NULL, 1, false, false, &err);
    }
    DROP(h, a, m, n, l);
    rt_set_grad(world.weight, NULL, NULL);
    return s;
}

static rt_status forward(rt_tensor **loss)
{
    rt_value in = T(world.x), out = RT_UNSET;
    rt_status s = rt_module_forward(world.net, &in, 1, &out, &err);
    *loss = s == RT_OK ? op(&s, RT_OP_cross_entropy, 2, out, T(world.labels))
                       : NULL;
    rt_value_release(&out);
    return s;
}

static rt_status training_scene(void)
{
    rt_tensor *loss = NULL;
    rt_manual_seed(3);
    rt_status s = forward(&loss);
    if (s == RT_OK) {
        s = rt_backward(&loss, NULL, 1, false, false, &err);
    }
    rt_optimizer_zero_grad(world.optimizer, true);
    rt_release(loss);
    return s;
}

/* A fresh optimizer each time: its state is made at its first step. */
static rt_status step_scene(void)
{
    rt_status s = RT_OK;
    rt_tensor *copy = op(&s, RT_OP_clone, 1, T(world.weight));
    rt_tensor *g = op(&s, RT_OP_ones_like, 1, T(world.weight)), *w = NULL;
    rt_optimizer *o = NULL;
    if (s == RT_OK) {
        s = rt_detach(&w, copy, &err);
    }
    if (s == RT_OK) {
        s = rt_set_requires_grad(w, true, &err);
    }
    if (s == RT_OK) {
        s = rt_set_grad(w, g, &err);
    }
    rt_value params = RT_V_TENSORS(&w, 1);
    if (s == RT_OK) {
        s = rt_optimizer_new(&o, rt_optim_find("Adam"), &params, 1, NULL, NULL,
                             0, &err);
    }
    if (s == RT_OK) {
        s = rt_optimizer_step(o, &err);
    }
    rt_optimizer_release(o);
    DROP(copy, g, w);
    return s;
}

static rt_status file_scene(void)
{
    rt_module *m = NULL;
    char *text = NULL;
    rt_status s = rt_module_save(world.net, world.path, &err);
    if (s == RT_OK) {
        s = rt_module_load(&m, world.path, &err);
    }
    if (s == RT_OK) {
        s = rt_module_repr(&text, m, &err);
    }
    rt_free(text);
    rt_module_release(m);
    return s;
}

static rt_status picture_scene(void)
{
    unsigned char *png = NULL;
    char *html = NULL;
    size_t size;
    rt_status s = rt_image_png(&png, &size, world.x, 4, &err);
    if (s == RT_OK) {
        s = rt_tensor_html(&html, world.x, &err);
    }
    rt_free(png);
    rt_free(html);
    return s;
}

/* --- the sweep ------------------------------------------------------------------ */

static void sweep_scene(const char *name, rt_status (*scene)(void))
{
    sweep count = {0, 0};
    set_up();
    CHECK_OK(scene(), err);   /* what the first use keeps */
    CHECK_OK(scene(), err);
    int64_t before = memory_in_use();
    double sum = checksum();
    int64_t left = 0;
    for (int n = 1; left == 0; n += sweep_every()) {
        rt_error_clear(&err);
        rt_memory_fail_after(n);
        rt_status s = scene();
        left = rt_memory_fail_after(0);
        bool fired = left == 0;
        count.failed += fired;
        count.absorbed += fired && s == RT_OK;
        if (fired && s != RT_OK &&
            (s != RT_E_MEMORY || err.code != s || !err.message[0])) {
            UNIT_FAIL("%s: allocation %d: status %d, \"%s\"", name, n, (int)s,
                      err.message);
        }
        if (memory_lost(before) || checksum() != sum) {
            UNIT_FAIL("%s: allocation %d: %lld bytes leaked, sum %g was %g",
                      name, n, (long long)(memory_in_use() - before),
                      checksum(), sum);
            before = memory_in_use();
            sum = checksum();
        }
    }
    CHECK_OK(scene(), err);
    CHECK(count.failed > 0);
    printf("%s: %ld allocations failed in turn, %ld were done without\n", name,
           count.failed, count.absorbed);
    tear_down();
}

CASE(tensors_survive) { sweep_scene("tensors", tensor_scene); }
CASE(gradients_survive) { sweep_scene("gradients", gradient_scene); }
CASE(training_survives) { sweep_scene("training", training_scene); }
CASE(optimizer_steps_survive) { sweep_scene("steps", step_scene); }
CASE(files_survive) { sweep_scene("files", file_scene); }
CASE(pictures_survive) { sweep_scene("pictures", picture_scene); }

UNIT_MAIN

/* SPDX-License-Identifier: MIT
 * Every row of ops.def that has a gradient: first and second order, compared
 * with central differences on sample arguments.
 */
#include "runtime/autograd/graph.h"

#include "tests/unit/unit.h"

#define MAX_LEAVES 8

/* --- samples ----------------------------------------------------------------------- */

typedef struct sample {
    const rt_op *op;
    rt_value args[RT_MAX_ARGS];
    int nargs;
    rt_tensor *owned[32];
    int nowned;
    rt_tensor *leaves[MAX_LEAVES + 1];
    int nleaves;
    int64_t ints[64];
    rt_tensor *list[16];
    char text[64];
    uint64_t random;
} sample;

static double next_random(sample *s)
{
    s->random = s->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(s->random >> 11) / 9007199254740992.0;
}

/* Never within 0.05 of 0, nor equal: kinks and ties have no gradient. */
static double draw(sample *s, char kind)
{
    double r = next_random(s);
    if (kind != 'F') {
        return 0.25 + 0.7 * r;
    }
    return r < 0.5 ? -0.05 - 1.8 * r : 0.05 + 1.8 * (r - 0.5);
}

static int read_ints(int64_t *out, const char **p, char end)
{
    int n = 0;
    while (**p && **p != end && **p != ' ' && **p != '}') {
        char *after;
        out[n++] = strtoll(*p, &after, 10);
        *p = *after == ',' ? after + 1 : after;
    }
    return n;
}

static rt_tensor *read_tensor(sample *s, const char **p)
{
    char kind = *(*p)++;
    int64_t shape[8], values[32];
    rt_error err = {0};
    rt_tensor *t = NULL;
    ++*p;
    int ndim = read_ints(shape, p, ']');
    ++*p;
    rt_dtype dtype = kind == 'i' ? RT_INT64 : kind == 'b' ? RT_BOOL
                                                          : RT_FLOAT64;
    if (rt_tensor_new(&t, dtype, ndim, shape, &err) != RT_OK) {
        return NULL;
    }
    s->owned[s->nowned++] = t;
    if (dtype != RT_FLOAT64) {
        ++*p;
        read_ints(values, p, ' ');
    }
    for (int64_t i = 0; i < t->numel; i++) {
        if (dtype == RT_FLOAT64) {
            ((double *)t->data)[i] = draw(s, kind);
        } else {
            rt__store_int(dtype, t->data + i * (int64_t)rt_dtype_size(dtype),
                          values[i]);
        }
    }
    if (kind == 'Z') {
        ((double *)t->data)[1] = 0.0;
    }
    if (dtype == RT_FLOAT64 && kind != 'c') {
        rt_set_requires_grad(t, true, &err);
        s->leaves[s->nleaves++] = t;
    }
    return t;
}

static rt_value read_value(sample *s, const char **p, int *used)
{
    const char *at = *p;
    if (*at == '{') {
        int n = 0;
        for (++*p; **p != '}'; *p += **p == ' ') {
            s->list[n++] = read_tensor(s, p);
        }
        ++*p;
        return RT_V_TENSORS(s->list, n);
    }
    if (*at == '[') {
        int64_t *ints = s->ints + *used;
        ++*p;
        int n = read_ints(ints, p, ']');
        ++*p;
        *used += n;
        return RT_V_INTS(ints, n);
    }
    if (strchr("fFZcib", *at) && at[1] == '[') {
        return RT_V_TENSOR(read_tensor(s, p));
    }
    if (*at == '"') {
        size_t n = strcspn(at + 1, "\"");
        memcpy(s->text, at + 1, n);
        s->text[n] = 0;
        *p += n + 2;
        return RT_V_STRING(s->text);
    }
    size_t n = strcspn(at, " ");
    *p += n;
    if (n == 1 && (*at == '-' || *at == '_')) {
        return *at == '-' ? RT_NONE : RT_UNSET;
    }
    if (*at == 't' || (*at == 'f' && at[1] == 'a')) {
        return RT_V_BOOL(*at == 't');
    }
    return memchr(at, '.', n) ? RT_V_FLOAT(atof(at)) : RT_V_INT(atoll(at));
}

static void read_sample(sample *s, const rt_op *op, const char *text)
{
    int used = 0;
    memset(s, 0, sizeof *s);
    s->op = op;
    s->random = 42;
    while (*text) {
        s->args[s->nargs++] = read_value(s, &text, &used);
        text += *text == ' ';
    }
}

static void free_sample(sample *s)
{
    for (int i = 0; i < s->nowned; i++) {
        rt_release(s->owned[i]);
    }
}

/* --- the op as a function of its leaves ----------------------------------------------- */

static rt_status join(rt_tensor **out, const rt_value *list, rt_error *err)
{
    rt_tensor *flat[16] = {0};
    int64_t one = -1;
    rt_status s = RT_OK;
    int n = list->count;
    for (int i = 0; i < n && s == RT_OK; i++) {
        s = rt__op1(RT_OP_reshape, &flat[i], err, 2,
                    RT_V_TENSOR(list->tensors[i]), RT_V_INTS(&one, 1));
    }
    if (s == RT_OK) {
        s = rt__op1(RT_OP_cat, out, err, 1, RT_V_TENSORS(flat, n));
    }
    for (int i = 0; i < n; i++) {
        rt_release(flat[i]);
    }
    return s;
}

static rt_status call(void *ctx, rt_tensor *const *inputs, int n,
                      rt_tensor **out, rt_error *err)
{
    sample *s = ctx;
    rt_value args[RT_MAX_ARGS], results[RT_MAX_RESULTS];
    rt_tensor *copy = NULL;
    memcpy(args, s->args, sizeof args);
    rt_manual_seed(7);
    if (s->op->inplace) {
        rt_status made = rt__op1(RT_OP_clone, &copy, err, 1, args[0]);
        if (made != RT_OK) {
            return made;
        }
        args[0] = RT_V_TENSOR(copy);
    }
    rt_status status = rt_call(s->op, args, s->nargs, results, err);
    rt_release(copy);
    if (status != RT_OK) {
        return status;
    }
    if (results[0].kind == RT_K_TENSORS) {
        status = join(out, &results[0], err);
    } else {
        *out = rt_retain(results[0].t);
    }
    for (int i = 0; i < RT_MAX_RESULTS; i++) {
        rt_value_release(&results[i]);
    }
    return status;
}

/* sum over inputs of (d(op . v)/d input) * w, with v the last input. */
static rt_status call_gradient(void *ctx, rt_tensor *const *inputs, int n,
                               rt_tensor **out, rt_error *err)
{
    rt_tensor *y = NULL, *grads[MAX_LEAVES] = {0}, *total = NULL;
    rt_tensor *v = inputs[n - 1];
    rt_status s = call(ctx, inputs, n - 1, &y, err);
    if (s == RT_OK && rt_requires_grad(y)) {
        s = rt_gradients(grads, &y, &v, 1, inputs, n - 1, true, true, true,
                         err);
    }
    if (s == RT_OK) {
        s = rt_tensor_scalar(&total, RT_FLOAT64, 0.0, err);
    }
    for (int i = 0; i < n - 1 && s == RT_OK; i++) {
        rt_tensor *part = NULL, *sum = NULL, *w = NULL, *more = NULL;
        if (!grads[i]) {
            continue;
        }
        rt_manual_seed(11 + (uint64_t)i);
        s = rt__op1(RT_OP_rand_like, &w, err, 1, RT_V_TENSOR(grads[i]));
        s = s ? s : rt__op1(RT_OP_mul, &part, err, 2, RT_V_TENSOR(grads[i]),
                            RT_V_TENSOR(w));
        s = s ? s : rt__op1(RT_OP_sum, &sum, err, 1, RT_V_TENSOR(part));
        s = s ? s : rt__op1(RT_OP_add, &more, err, 2, RT_V_TENSOR(total),
                            RT_V_TENSOR(sum));
        if (s == RT_OK) {
            rt_release(total);
            total = more;
        }
        rt_release(part);
        rt_release(sum);
        rt_release(w);
    }
    for (int i = 0; i < n - 1; i++) {
        rt_release(grads[i]);
    }
    rt_release(y);
    *out = total;
    return s;
}

/* --- the checks ------------------------------------------------------------------------- */

static void check_second(sample *s, const char *id, const char *text)
{
    rt_error err = {0};
    rt_tensor *y = NULL;
    if (call(s, s->leaves, s->nleaves, &y, &err) != RT_OK) {
        return;
    }
    rt_tensor *v = NULL;
    CHECK_OK(rt_tensor_new(&v, RT_FLOAT64, y->ndim, y->shape, &err), err);
    for (int64_t i = 0; i < v->numel; i++) {
        ((double *)v->data)[i] = draw(s, 'F');
    }
    CHECK_OK(rt_set_requires_grad(v, true, &err), err);
    s->leaves[s->nleaves] = v;
    if (rt_gradcheck(call_gradient, s, s->leaves, s->nleaves + 1, 1e-6, 1e-5,
                     1e-3, &err) != RT_OK) {
        UNIT_FAIL("%s(%s), second order: %s", id, text, err.message);
    }
    rt_release(v);
    rt_release(y);
}

static void check_sample(const rt_op *op, const char *id, const char *text)
{
    rt_error err = {0};
    sample s;
    read_sample(&s, op, text);
    if (rt_gradcheck(call, &s, s.leaves, s.nleaves, 1e-6, 1e-5, 1e-3, &err)
        != RT_OK) {
        UNIT_FAIL("%s(%s): %s", id, text, err.message);
    } else {
        check_second(&s, id, text);
    }
    free_sample(&s);
}

/* f[2,3] for each tensor; NULL when something else is required. */
static const char *default_sample(const rt_op *op, char *out)
{
    const rt_signature *sig = rt_op_signature(op);
    *out = 0;
    for (int i = 0; i < sig->nparams; i++) {
        const rt_param *p = &sig->params[i];
        if (p->has_default) {
            break;
        }
        if (p->type != RT_T_TENSOR) {
            return NULL;
        }
        strcat(out, i ? " f[2,3]" : "f[2,3]");
    }
    return out;
}

static const struct {
    rt_op_id id;
    const char *text;
} samples[] = {
#define SAMPLE(id, text) {RT_OP_##id, text},
#include "tests/unit/gradient_samples.def"
#undef SAMPLE
};

typedef void (*sample_fn)(const rt_op *op, const char *id, const char *text);

static void check_op(rt_op_id id, const char *name, sample_fn check)
{
    char text[128];
    int found = 0;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        if (samples[i].id == id) {
            found++;
            check(&rt__ops[id], name, samples[i].text);
        }
    }
    if (found) {
        return;
    }
    if (default_sample(&rt__ops[id], text)) {
        check(&rt__ops[id], name, text);
    } else {
        UNIT_FAIL("%s has a gradient but no sample", name);
    }
}

static const struct {
    const char *name, *gradient;
} rows[] = {
#define OP(id, schema, infer, kernel, gradient, doc) {#id, #gradient},
#include "runtime/ops/ops.def"
#undef OP
};

/* RT_GRADIENTS=word: only ops whose id contains the word. */
static void check_all(sample_fn check)
{
    const char *only = getenv("RT_GRADIENTS");
    for (int i = 0; i < RT_OP_COUNT; i++) {
        if (strcmp(rows[i].gradient, "none") != 0
            && (!only || strstr(rows[i].name, only))) {
            check_op((rt_op_id)i, rows[i].name, check);
        }
    }
}

CASE(every_gradient_agrees_with_differences_to_second_order)
{
    check_all(check_sample);
}

/* --- gradients cut short ------------------------------------------------------------------ */

enum { CUTS = 40 };

/* The gradients of sum(y), interrupted at the n-th look or with its n-th
 * allocation refused. */
static rt_status cut_short(sample *s, rt_tensor *y, int n, bool memory)
{
    rt_error err = {0};
    rt_tensor *got[MAX_LEAVES] = {0};
    if (memory) {
        rt_memory_fail_after(n);
    } else {
        rt_interrupt_after(n);
    }
    rt_status status = rt_gradients(got, &y, &y, 1, s->leaves, s->nleaves, true,
                                    n % 2, true, &err);
    rt_memory_fail_after(0);
    rt_interrupt_clear();
    for (int i = 0; i < s->nleaves; i++) {
        rt_release(got[i]);
    }
    return status;
}

static void cut_sample(const rt_op *op, const char *id, const char *text)
{
    rt_error err = {0};
    rt_tensor *y = NULL;
    sample s;
    read_sample(&s, op, text);
    CHECK_OK(call(&s, s.leaves, s.nleaves, &y, &err), err);
    for (int memory = 0; memory < 2; memory++) {
        rt_status want = memory ? RT_E_MEMORY : RT_E_INTERRUPT;
        for (int n = 1; n <= CUTS; n++) {
            rt_status got = cut_short(&s, y, n, memory);
            if (got != RT_OK && got != want) {
                UNIT_FAIL("%s(%s), cut at %d: status %d, expected %d", id, text,
                          n, (int)got, (int)want);
            }
        }
    }
    rt_release(y);
    free_sample(&s);
}

CASE(every_gradient_ends_cleanly_wherever_it_is_cut_short)
{
    check_all(cut_sample);
}

/* --- fused gradients --------------------------------------------------------------------- */

/* Every float64 argument as float32. */
static void narrow_sample(sample *s)
{
    rt_error err = {0};
    s->nleaves = 0;
    for (int i = 0; i < s->nargs; i++) {
        rt_value *v = &s->args[i];
        rt_tensor *t = NULL;
        if (v->kind != RT_K_TENSOR || v->t->dtype != RT_FLOAT64) {
            continue;
        }
        bool wanted = rt_requires_grad(v->t);
        rt_set_requires_grad(v->t, false, &err);
        CHECK_OK(rt__op1(RT_OP_to, &t, &err, 2, *v, RT_V_DTYPE(RT_FLOAT32)),
                 err);
        s->owned[s->nowned++] = t;
        *v = RT_V_TENSOR(t);
        if (wanted) {
            CHECK_OK(rt_set_requires_grad(t, true, &err), err);
            s->leaves[s->nleaves++] = t;
        }
    }
}

static void check_fused(rt_op_id id, const char *text)
{
    rt_error err = {0};
    rt_tensor *y = NULL, *seed = NULL;
    rt_tensor *quick[MAX_LEAVES] = {0}, *graph[MAX_LEAVES] = {0};
    sample s;
    read_sample(&s, &rt__ops[id], text);
    narrow_sample(&s);
    CHECK_OK(call(&s, s.leaves, s.nleaves, &y, &err), err);
    CHECK_OK(rt__op1(RT_OP_rand_like, &seed, &err, 1, RT_V_TENSOR(y)), err);
    CHECK_OK(rt_gradients(graph, &y, &seed, 1, s.leaves, s.nleaves, true, true,
                          false, &err), err);
    CHECK_OK(rt_gradients(quick, &y, &seed, 1, s.leaves, s.nleaves, false,
                          false, false, &err), err);
    for (int i = 0; i < s.nleaves; i++) {
        for (int64_t k = 0; quick[i] && k < quick[i]->numel; k++) {
            double want = ((float *)graph[i]->data)[k];
            double got = ((float *)quick[i]->data)[k];
            if (!(fabs(got - want) <= 2e-5 + 2e-5 * fabs(want))) {
                UNIT_FAIL("%s(%s), input %d, element %d: fused %.9g, composed "
                          "%.9g", rt_op_name(s.op), text, i, (int)k, got, want);
                break;
            }
        }
        rt_release(quick[i]);
        rt_release(graph[i]);
    }
    rt_release(y);
    rt_release(seed);
    free_sample(&s);
}

CASE(fused_gradients_equal_their_compositions)
{
    static const struct {
        rt_op_id id;
        const char *text;
    } cases[] = {
        {RT_OP_relu, "F[7,129]"}, {RT_OP_tanh, "F[7,129]"},
        {RT_OP_sigmoid, "F[7,129]"}, {RT_OP_gelu, "F[7,129]"},
        {RT_OP_gelu, "F[7,129] \"tanh\""}, {RT_OP_silu, "F[7,129]"},
        {RT_OP_leaky_relu, "F[7,129] 0.2"}, {RT_OP_elu, "F[7,129] 1.5"},
        {RT_OP_softmax, "F[7,129] 1"}, {RT_OP_log_softmax, "F[300,33] -1"},
        {RT_OP_layer_norm, "F[300,77] [77] f[77] F[77]"},
        {RT_OP_layer_norm, "F[4,3,20] [3,20]"},
        {RT_OP_group_norm, "F[5,12,7,9] 4 f[12] F[12]"},
        {RT_OP_group_norm, "F[50,12] 3 f[12] F[12]"},
        {RT_OP_cross_entropy, "F[5,130] i[5]:0,129,7,3,7"},
        {RT_OP_cross_entropy, "F[4,9] i[4]:0,8,7,3 - \"none\" 7"},
        {RT_OP_cross_entropy, "F[4,9] i[4]:0,8,7,3 - \"sum\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_fused(cases[i].id, cases[i].text);
    }
}

CASE(a_wrong_gradient_is_found)
{
    rt_error err = {0};
    sample s;
    read_sample(&s, &rt__ops[RT_OP_floor], "F[3]");
    s.op = &rt__ops[RT_OP_detach];
    CHECK_FAILS(rt_gradcheck(call, &s, s.leaves, 1, 1e-6, 1e-5, 1e-3, &err),
                err, RT_E_AUTOGRAD);
    free_sample(&s);
}

CASE(nothing_is_left_behind)
{
    rt_memory_stats before, after;
    sample s;
    for (int round = 0; round < 2; round++) {
        rt_memory_read_stats(round ? &after : &before);
        read_sample(&s, &rt__ops[RT_OP_matmul], "F[2,3] F[3,2]");
        check_second(&s, "matmul", "");
        free_sample(&s);
        rt_memory_read_stats(&after);
        if (round) {
            CHECK_INT(after.allocated, before.allocated);
        }
        before = after;
    }
}

UNIT_MAIN

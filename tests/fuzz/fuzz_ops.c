/* SPDX-License-Identifier: MIT
 * Fuzz target: calls of ops. The input chooses an op of the catalog and its
 * arguments: shapes, dtypes, layouts, numbers, mostly near those of a recipe.
 * The same call on copies in C order must have the same status, dtypes, shapes,
 * values and gradients; where a plain loop in double precision is easy the
 * values are those of that loop. Values are compared only when the operands
 * hold no extreme numbers. What an op must not write stays as it was. One in
 * eight calls is interrupted instead.
 */
#include "tests/fuzz/bytes.h"
#include "tests/fuzz/elements.h"
#include "tests/fuzz/recipe.h"
#include "tests/fuzz/rows.h"

#include "runtime/ops/op.h"

#include <stdio.h>
#include <string.h>

enum { MAX_TENSORS = 3 * RT_MAX_ARGS, MOST = 1 << 16 };
#define MEMORY ((int64_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int replay_rows(void);

/* One call and its twin, whose tensors lie in C order. */
typedef struct call {
    const rt_op *op;
    const rt_signature *sig;
    const char *recipe;    /* NULL: any arguments */
    rt_value args[2][RT_MAX_ARGS], results[2][RT_MAX_RESULTS];
    rt_status status[2];
    rt_tensor *tensors[2][MAX_TENSORS], *before[MAX_TENSORS];
    bool written[MAX_TENSORS];
    rt_tensor *lists[2][RT_MAX_ARGS][3];
    char words[RT_MAX_ARGS][RECIPE_WORD];
    int64_t ints[RT_MAX_ARGS][4];
    double floats[RT_MAX_ARGS][4];
    int ntensors;
    bool wild;       /* infinities, NaN, numbers near the limits */
    bool overlapping, writes;
    bool gradients;
    rt_error err[2];
} call;

static void wrong(const call *c, const char *what)
{
    fprintf(stderr, "%s: %s\n", rt_op_name(c->op), what);
    for (int i = 0; i < c->ntensors; i++) {
        char *text = NULL;
        rt_error err;
        rt_error_clear(&err);
        if (rt_tensor_repr(&text, c->tensors[0][i], NULL, &err) == RT_OK) {
            fprintf(stderr, "operand %d (%s, stride %lld): %s\n", i,
                    rt_dtype_name((rt_dtype)c->tensors[0][i]->dtype),
                    c->tensors[0][i]->ndim
                        ? (long long)c->tensors[0][i]->strides[0]
                        : 0,
                    text);
        }
        rt_free(text);
    }
    for (int k = 0; k < 2; k++) {
        char *text = NULL;
        rt_error err;
        rt_error_clear(&err);
        if (c->status[k] == RT_OK && c->results[k][0].kind == RT_K_TENSOR &&
            rt_tensor_repr(&text, c->results[k][0].t, NULL, &err) == RT_OK) {
            fprintf(stderr, "result %d: %s\n", k, text);
        } else {
            fprintf(stderr, "result %d: status %d %s\n", k, (int)c->status[k],
                    c->err[k].message);
        }
        rt_free(text);
    }
    abort();
}

/* --- arguments ----------------------------------------------------------------- */

/* Takes the tensor, adds it and its copy in C order. */
static bool add_tensor(call *c, rt_tensor *t, rt_tensor **pair)
{
    rt_tensor *copy = t ? in_order(t) : NULL;
    if (!copy) {
        rt_release(t);
        return false;
    }
    for (int d = 0; d < t->ndim; d++) {
        c->overlapping |= t->strides[d] == 0 && t->shape[d] > 1;
    }
    for (int64_t i = 0; i < copy->numel; i++) {
        double v = at(copy, i);
        c->wild |= !(fabs(v) < 100) || (v != 0 && fabs(v) < 1e-6);
    }
    if (c->gradients && rt_dtype_is_floating((rt_dtype)t->dtype)) {
        rt_set_requires_grad(t, true, NULL);
        rt_set_requires_grad(copy, true, NULL);
    }
    c->before[c->ntensors] = in_order(t);
    pair[0] = c->tensors[0][c->ntensors] = t;
    pair[1] = c->tensors[1][c->ntensors++] = copy;
    return true;
}

/* The first operand again, or most of its memory a place further. */
static bool make_alias(call *c, bool moved, rt_tensor **pair)
{
    rt_tensor *t = c->tensors[0][0];
    if (!moved) {
        pair[0] = t;
        pair[1] = c->tensors[1][0];
        return true;
    }
    rt_tensor *v = NULL;
    int64_t shape[RT_MAX_DIMS];
    memcpy(shape, t->shape, sizeof *shape * (size_t)t->ndim);
    if (t->ndim == 0 || shape[0] < 2) {
        return false;
    }
    shape[0]--;
    if (rt_tensor_view(&v, t, t->ndim, shape, t->strides,
                       t->offset + t->strides[0], &c->err[0]) != RT_OK) {
        return false;
    }
    c->overlapping = true;
    return add_tensor(c, v, pair);
}

static bool make_tensor(call *c, bytes *b, rt_tensor **pair)
{
    int64_t shape[RT_MAX_DIMS];
    int how = take(b), ndim = (int)between(b, 0, 4);
    rt_dtype dtype = (rt_dtype)(take(b) % RT_DTYPE_COUNT);
    const rt_tensor *first = c->ntensors ? c->tensors[0][0] : NULL;
    if (how >= 254) {
        ndim = RT_MAX_DIMS - how % 2;
    } else if (first && how % 8 < 5) {      /* fits the first operand mostly */
        ndim = first->ndim;
        dtype = how % 8 < 4 ? (rt_dtype)first->dtype : dtype;
    }
    for (int d = 0; d < ndim; d++) {
        shape[d] = first && how % 8 < 5 && d < first->ndim ? first->shape[d]
                   : ndim > 4 && d > 2 ? 1 : between(b, 0, 5);
        shape[d] = how > 224 && how % 3 == d % 3 ? 1 : shape[d];
    }
    return c->ntensors < MAX_TENSORS &&
           add_tensor(c, laid_out(b, dtype, ndim, shape, NULL, &c->err[0]),
                      pair);
}

/* As the recipe has it, or nearly. */
static bool make_similar(call *c, bytes *b, const char *word, rt_tensor **pair)
{
    ingredient t = read_ingredient(word);
    int how = take(b);
    if (c->ntensors && how >= 250) {
        return make_alias(c, how % 2, pair);
    }
    if (how >= 235) {
        t.dtype = (rt_dtype)(how % RT_DTYPE_COUNT);
    } else if (how >= 220) {
        t.shape[how % RECIPE_DIMS] = between(b, 0, 6);
    } else if (how >= 210 && t.ndim > 0) {
        t.ndim--;
    } else if (how >= 200 && t.ndim < RECIPE_DIMS) {
        t.shape[t.ndim++] = between(b, 0, 3);
    } else if (how >= 190) {         /* many, for the vectors of a kernel */
        t.shape[0] *= between(b, 1, 40);
    }
    double range[] = {t.low, t.high};
    return c->ntensors < MAX_TENSORS &&
           add_tensor(c, laid_out(b, t.dtype, t.ndim, t.shape, range,
                                  &c->err[0]), pair);
}

static const char *const words[] = {
    "mean", "sum", "none", "tanh", "floor", "trunc", "constant", "reflect",
    "replicate", "circular", "ij", "xy", "ij,jk->ik", "ii->i", "ij->ji", "bij"};

static bool make_list(call *c, bytes *b, int i, bool optional)
{
    int n = (int)between(b, 0, 3);
    for (int k = 0; k < n; k++) {
        rt_tensor *pair[2] = {NULL, NULL};
        if (!(optional && take(b) % 4 == 0) && !make_tensor(c, b, pair)) {
            return false;
        }
        c->lists[0][i][k] = pair[0];
        c->lists[1][i][k] = pair[1];
    }
    c->args[0][i] = RT_V_TENSORS(c->lists[0][i], n);
    c->args[1][i] = RT_V_TENSORS(c->lists[1][i], n);
    return true;
}

static int64_t whole_number(bytes *b)
{
    static const int64_t odd[] = {INT64_MIN, INT64_MAX, INT64_MAX - 1,
                                  INT64_MIN + 1, (int64_t)1 << 62, 3037000500,
                                  -3037000500, 4294967296, 2147483648,
                                  -2147483649, 2147483647, 65536, 63, 64, 65, 7};
    int v = take(b);
    return v >= 240 ? odd[v - 240] : v % 10 - 3;
}

static double some_number(bytes *b)
{
    int v = take(b);
    return v >= 244 ? number(b) : (v - 60) / 64.0;
}

static rt_value plain_value(call *c, bytes *b, const rt_param *p, int i)
{
    int n = (int)between(b, 0, 4);
    for (int k = 0; k < n; k++) {
        c->ints[i][k] = whole_number(b);
        c->floats[i][k] = number(b);
    }
    switch (p->type) {
    case RT_T_SCALAR:
        return take(b) % 2 ? RT_V_INT(whole_number(b))
                           : RT_V_FLOAT(some_number(b));
    case RT_T_INT:
        return RT_V_INT(whole_number(b));
    case RT_T_FLOAT:
        return RT_V_FLOAT(some_number(b));
    case RT_T_BOOL:
        return RT_V_BOOL(take(b) % 2);
    case RT_T_STRING:
        return RT_V_STRING(words[take(b) % (sizeof words / sizeof *words)]);
    case RT_T_INTS:
        return RT_V_INTS(c->ints[i], n);
    case RT_T_FLOATS:
        return RT_V_FLOATS(c->floats[i], n);
    case RT_T_DTYPE:
        return RT_V_DTYPE(take(b) % RT_DTYPE_COUNT);
    default:
        return RT_UNSET;
    }
}

static bool make_any(call *c, bytes *b, int i)
{
    const rt_param *p = &c->sig->params[i];
    int choice = take(b);
    rt_tensor *pair[2];
    c->args[0][i] = c->args[1][i] = RT_UNSET;
    if (p->has_default && choice % 3 == 0) {
        return true;
    }
    if (p->optional && choice % 7 == 0) {
        c->args[0][i] = c->args[1][i] = RT_NONE;
        return true;
    }
    if (p->type == RT_T_TENSORS || p->type == RT_T_OPT_TENSORS) {
        return make_list(c, b, i, p->type == RT_T_OPT_TENSORS);
    }
    if (p->type == RT_T_TENSOR && (i == 0 || choice % 11)) {
        if (!make_tensor(c, b, pair)) {
            return false;
        }
        c->args[0][i] = RT_V_TENSOR(pair[0]);
        c->args[1][i] = RT_V_TENSOR(pair[1]);
        return true;
    }
    c->args[0][i] = c->args[1][i] =
        p->type == RT_T_TENSOR ? RT_V_INT(between(b, -4, 6))
                               : plain_value(c, b, p, i);
    return true;
}

/* [f2;None] */
static bool list_of_recipe(call *c, bytes *b, const char *word, int i)
{
    int n = 0;
    for (const char *at = word + 1; *at && *at != ']' && n < 3; n++) {
        rt_tensor *pair[2] = {NULL, NULL};
        if (*at != 'N' && !make_similar(c, b, at, pair)) {
            return false;
        }
        c->lists[0][i][n] = pair[0];
        c->lists[1][i][n] = pair[1];
        at += strcspn(at, ";]");
        at += *at == ';';
    }
    c->args[0][i] = RT_V_TENSORS(c->lists[0][i], n);
    c->args[1][i] = RT_V_TENSORS(c->lists[1][i], n);
    return true;
}

static rt_value numbers_of_recipe(call *c, const char *word, int i, bool floats)
{
    int n = 0;
    for (char *at = (char *)word; *word != '(' && *at && n < 4; n++) {
        c->floats[i][n] = strtod(at, NULL);
        c->ints[i][n] = strtoll(at, NULL, 10);
        at += strcspn(at, ",");
        at += *at == ',';
    }
    return floats ? RT_V_FLOATS(c->floats[i], n) : RT_V_INTS(c->ints[i], n);
}

static rt_value scalar_of_recipe(const char *word)
{
    return strpbrk(word, ".in") ? RT_V_FLOAT(strtod(word, NULL))
                                : RT_V_INT(strtoll(word, NULL, 10));
}

static rt_value value_of_recipe(call *c, const char *word, int i)
{
    switch (c->sig->params[i].type) {
    case RT_T_SCALAR:
        return scalar_of_recipe(word);
    case RT_T_INT:
        return RT_V_INT(strtoll(word, NULL, 10));
    case RT_T_FLOAT:
        return RT_V_FLOAT(strtod(word, NULL));
    case RT_T_BOOL:
        return RT_V_BOOL(*word == '1');
    case RT_T_STRING:
        memcpy(c->words[i], word, RECIPE_WORD);
        return RT_V_STRING(c->words[i]);
    case RT_T_INTS:
    case RT_T_FLOATS:
        return numbers_of_recipe(c, word, i,
                                 c->sig->params[i].type == RT_T_FLOATS);
    case RT_T_DTYPE:
        return RT_V_DTYPE(dtype_of_letter(*word));
    default:
        return RT_UNSET;
    }
}

static bool make_argument(call *c, bytes *b, int i)
{
    char word[RECIPE_WORD];
    rt_tensor *pair[2];
    if (!c->recipe || take(b) >= 232) {
        return make_any(c, b, i);
    }
    if (!recipe_word(c->recipe, i, word)) {
        wrong(c, "a recipe without a word for each parameter");
    }
    if (*word == '[') {
        return list_of_recipe(c, b, word, i);
    }
    if (strcmp(word, "-") == 0) {
        c->args[0][i] = c->args[1][i] = RT_UNSET;
    } else if (strcmp(word, "None") == 0) {
        c->args[0][i] = c->args[1][i] = RT_NONE;
    } else if (*word == '=') {
        c->args[0][i] = c->args[1][i] = scalar_of_recipe(word + 1);
    } else if (c->sig->params[i].type == RT_T_TENSOR) {
        if (!make_similar(c, b, word, pair)) {
            return false;
        }
        c->args[0][i] = RT_V_TENSOR(pair[0]);
        c->args[1][i] = RT_V_TENSOR(pair[1]);
    } else {
        c->args[0][i] = c->args[1][i] = value_of_recipe(c, word, i);
    }
    return true;
}

/* --- what must agree ------------------------------------------------------------- */

static bool uninitialised(const call *c)
{
    return strstr(rt_op_name(c->op), "empty") != NULL;
}

/* Ops that ask how the memory lies, or write where elements overlap. */
static bool about_layout(const call *c)
{
    static const char *const names[] = {"view", "as_strided", "view_as"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(rt_op_name(c->op), names[i]) == 0) {
            return true;
        }
    }
    return c->writes && c->overlapping;
}

/* `factor`: what the op multiplies rounding by. */
static void compare(const call *c, const rt_tensor *a, const rt_tensor *b,
                    double factor, const char *what)
{
    if (!a != !b) {
        wrong(c, what);
    }
    if (!a) {
        return;
    }
    if (a->dtype != b->dtype || a->ndim != b->ndim ||
        memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof *a->shape) != 0) {
        wrong(c, what);
    }
    if (c->wild || uninitialised(c)) {
        return;
    }
    /* Expanded views have more elements than anybody can wait for. */
    for (int64_t i = 0; i < a->numel && i < MOST; i++) {
        if (!near_times(at(a, i), at(b, i), (rt_dtype)a->dtype, factor)) {
            wrong(c, what);
        }
    }
}

static void compare_results(const call *c)
{
    for (int i = 0; i < RT_MAX_RESULTS; i++) {
        const rt_value *a = &c->results[0][i], *b = &c->results[1][i];
        if (a->kind != b->kind || a->count != b->count) {
            wrong(c, "results of another kind");
        }
        if (a->kind == RT_K_TENSOR) {
            compare(c, a->t, b->t, 1, "results differ between layouts");
        }
        for (int k = 0; a->kind == RT_K_TENSORS && k < a->count; k++) {
            compare(c, a->tensors[k], b->tensors[k], 1,
                    "results differ between layouts");
        }
    }
}

/* What is not to be written, and after a failure all, is as it was. */
static void check_operands(const call *c)
{
    for (int i = 0; i < c->ntensors; i++) {
        const rt_tensor *t = c->tensors[0][i], *was = c->before[i];
        size_t size = rt_dtype_size((rt_dtype)t->dtype);
        if (!was || (c->status[0] == RT_OK && (c->written[i] || c->overlapping)))
            continue;
        for (int64_t k = 0; k < t->numel; k++) {
            if (memcmp(t->data + place(t, k) * (int64_t)size,
                       was->data + k * (int64_t)size, size) != 0) {
                wrong(c, "an operand was written");
            }
        }
    }
}

/* --- a plain loop ------------------------------------------------------------------ */

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double relu(double x) { return x > 0 ? x : x == x ? 0 : x; }
static double square(double x) { return x * x; }
static double negate(double x) { return -x; }
static double invert(double x) { return 1 / x; }
static double plus(double x, double y) { return x + y; }
static double minus(double x, double y) { return x - y; }
static double times(double x, double y) { return x * y; }
static double over(double x, double y) { return x / y; }
static double less(double x, double y) { return x < y; }
static double same(double x, double y) { return x == y; }

static const struct {
    const char *name;
    double (*one)(double);
    double (*two)(double, double);
} loops[] = {
    {"exp", exp, NULL},       {"sin", sin, NULL},      {"cos", cos, NULL},
    {"tanh", tanh, NULL},     {"sqrt", sqrt, NULL},    {"abs", fabs, NULL},
    {"floor", floor, NULL},   {"ceil", ceil, NULL},    {"trunc", trunc, NULL},
    {"round", rint, NULL},    {"erf", erf, NULL},      {"log", log, NULL},
    {"log1p", log1p, NULL},   {"expm1", expm1, NULL},  {"atan", atan, NULL},
    {"sigmoid", sigmoid, NULL}, {"relu", relu, NULL},  {"square", square, NULL},
    {"neg", negate, NULL},    {"reciprocal", invert, NULL},
    {"add", NULL, plus},      {"sub", NULL, minus},    {"mul", NULL, times},
    {"div", NULL, over},      {"maximum", NULL, fmax}, {"minimum", NULL, fmin},
    {"atan2", NULL, atan2},   {"lt", NULL, less},      {"eq", NULL, same},
};

/* Element i of `like` in t, which is broadcast to it. */
static double spread(const rt_tensor *t, const rt_tensor *like, int64_t i)
{
    int64_t offset = 0;
    for (int d = like->ndim - 1, e = t->ndim - 1; d >= 0; d--, e--) {
        int64_t x = i % like->shape[d];
        i /= like->shape[d];
        offset += e >= 0 && t->shape[e] > 1 ? x * t->strides[e] : 0;
    }
    const char *p = t->data + offset * (int64_t)rt_dtype_size((rt_dtype)t->dtype);
    return rt__load_float((rt_dtype)t->dtype, p);
}

static bool is_plain(const call *c, int wanted)
{
    for (int i = 0; i < c->sig->nparams; i++) {
        const rt_value *v = &c->args[0][i];
        if (i < wanted ? v->kind != RT_K_TENSOR ||
                             (v->t->dtype != RT_FLOAT32 &&
                              v->t->dtype != RT_FLOAT64) ||
                             v->t->dtype != c->args[0][0].t->dtype
                       : v->kind != RT_K_UNSET) {
            return false;
        }
    }
    return !c->wild && wanted <= c->sig->nparams && !c->sig->overload[0];
}

static void check_elementwise(const call *c)
{
    for (size_t k = 0; k < sizeof loops / sizeof *loops; k++) {
        if (strcmp(loops[k].name, rt_op_name(c->op)) != 0 ||
            !is_plain(c, loops[k].two ? 2 : 1)) {
            continue;
        }
        const rt_tensor *r = c->results[0][0].t, *x = c->args[0][0].t;
        const rt_tensor *y = loops[k].two ? c->args[0][1].t : NULL;
        for (int64_t i = 0; i < r->numel && i < MOST; i++) {
            double want = y ? loops[k].two(spread(x, r, i), spread(y, r, i))
                            : loops[k].one(spread(x, r, i));
            if (!near(at(r, i), want, (rt_dtype)x->dtype)) {
                wrong(c, "differs from a loop in double precision");
            }
        }
    }
}

static void check_product(const call *c)
{
    const rt_tensor *x = c->args[0][0].t, *y = c->args[0][1].t;
    const rt_tensor *r = c->results[0][0].t;
    for (int64_t i = 0; i < x->shape[0]; i++) {
        for (int64_t j = 0; j < y->shape[1]; j++) {
            double sum = 0;
            for (int64_t k = 0; k < y->shape[0]; k++) {
                sum += at(x, i * x->shape[1] + k) * at(y, k * y->shape[1] + j);
            }
            if (!near(at(r, i * y->shape[1] + j), sum, (rt_dtype)r->dtype)) {
                wrong(c, "differs from three loops in double precision");
            }
        }
    }
}

static void check_reduction(const call *c)
{
    const char *name = rt_op_name(c->op);
    const rt_tensor *x = c->args[0][0].t;
    bool product = strcmp(name, "prod") == 0, mean = strcmp(name, "mean") == 0;
    double all = product ? 1 : 0;
    for (int64_t i = 0; i < x->numel; i++) {
        all = product ? all * at(x, i) : all + at(x, i);
    }
    all = mean ? all / (double)x->numel : all;
    if (fabs(all) < 1e20 && !near(at(c->results[0][0].t, 0), all, RT_FLOAT32)) {
        wrong(c, "differs from a loop in double precision");
    }
}

static void check_values(const call *c)
{
    const char *name = rt_op_name(c->op);
    check_elementwise(c);
    if ((strcmp(name, "matmul") == 0 || strcmp(name, "mm") == 0) &&
        is_plain(c, 2) && c->args[0][0].t->ndim == 2 &&
        c->args[0][1].t->ndim == 2) {
        check_product(c);
    }
    if ((strcmp(name, "sum") == 0 || strcmp(name, "prod") == 0 ||
         strcmp(name, "mean") == 0) && is_plain(c, 1)) {
        check_reduction(c);
    }
}

/* --- backward ------------------------------------------------------------------------ */

static void run_backward(call *c, int k)
{
    rt_tensor *y = c->results[k][0].t, *loss = NULL;
    rt_error_clear(&c->err[k]);
    c->status[k] = rt__op1(RT_OP_sum, &loss, &c->err[k], 1, RT_V_TENSOR(y));
    if (c->status[k] == RT_OK) {
        c->status[k] = rt_backward(&loss, NULL, 1, false, false, &c->err[k]);
    }
    rt_release(loss);
}

/* A norm's gradients are differences times 1 / sqrt(variance + eps), its third
 * result: where rows are level nothing but rounding is left to multiply. */
static double steepness(const call *c)
{
    const rt_value *rstd = &c->results[0][2];
    double most = 1;
    if (strstr(rt_op_name(c->op), "_norm") && rstd->kind == RT_K_TENSOR) {
        for (int64_t i = 0; i < rstd->t->numel && i < MOST; i++) {
            most = fmax(most, at(rstd->t, i));
        }
    }
    return most;
}

static void check_gradients(call *c)
{
    const rt_value *r = &c->results[0][0];
    if (!c->gradients || r->kind != RT_K_TENSOR || !rt_requires_grad(r->t)) {
        return;
    }
    run_backward(c, 0);
    run_backward(c, 1);
    if (c->status[0] == RT_E_MEMORY || c->status[1] == RT_E_MEMORY) {
        return;
    }
    if (c->status[0] != c->status[1]) {
        wrong(c, "backward depends on the layout");
    }
    for (int i = 0; c->status[0] == RT_OK && i < c->ntensors; i++) {
        rt_tensor *g = rt_grad(c->tensors[0][i]);
        if (g && (g->numel != c->tensors[0][i]->numel ||
                  g->dtype != c->tensors[0][i]->dtype)) {
            wrong(c, "a gradient of another shape");
        }
        compare(c, g, rt_grad(c->tensors[1][i]), steepness(c),
                "gradients differ between layouts");
    }
}

/* --- the target ------------------------------------------------------------------------- */

static void run(call *c)
{
    for (int k = 0; k < 2; k++) {
        rt_manual_seed(1);
        rt_error_clear(&c->err[k]);
        c->status[k] = rt_call(c->op, c->args[k], c->sig->nparams, c->results[k],
                               &c->err[k]);
        if (c->status[k] != RT_OK &&
            (c->err[k].code != c->status[k] || !c->err[k].message[0] ||
             c->status[k] == RT_E_INTERNAL)) {
            wrong(c, "an error without a message, or of ours");
        }
    }
    check_operands(c);
    if (c->status[0] == RT_E_MEMORY || c->status[1] == RT_E_MEMORY) {
        return;       /* of two equal calls the second may find less */
    }
    if (c->status[0] != c->status[1] && !about_layout(c)) {
        wrong(c, "the status depends on the layout");
    }
    if (c->status[0] != RT_OK || c->status[1] != RT_OK) {
        return;
    }
    if (!about_layout(c)) {
        compare_results(c);
        check_values(c);
        check_gradients(c);
    }
}

/* The call, and its backward pass, interrupted at its n-th look: it may end well
 * before that, or fail with a message; and nothing may be touched that is not
 * its own. */
static void run_interrupted(call *c, int n)
{
    rt_interrupt_after(n);
    rt_error_clear(&c->err[0]);
    c->status[0] = rt_call(c->op, c->args[0], c->sig->nparams, c->results[0],
                           &c->err[0]);
    const rt_value *r = &c->results[0][0];
    if (c->status[0] == RT_OK && c->gradients && r->kind == RT_K_TENSOR &&
        rt_requires_grad(r->t)) {
        run_backward(c, 0);
    }
    rt_interrupt_clear();
    if (c->status[0] != RT_OK && !c->err[0].message[0]) {
        wrong(c, "interrupted without a message");
    }
}

/* Calls and successes of each row, for replay_rows. */
static unsigned passed[4096];

static const char *row_of(const call *c, char *name, size_t room)
{
    bool more = c->sig->overload[0] != 0;
    snprintf(name, room, "%s%s%s", c->sig->name, more ? "." : "",
             more ? c->sig->overload : "");
    return name;
}

/* batch_norm's running statistics are written though no schema says so. */
static void mark_written(call *c)
{
    bool statistics = strcmp(rt_op_name(c->op), "batch_norm") == 0;
    for (int i = 0; i < c->sig->nparams; i++) {
        for (int k = 0; k < c->ntensors; k++) {
            c->written[k] |= (c->sig->params[i].written ||
                              (statistics && i > 0 && i < 3)) &&
                             c->args[0][i].kind == RT_K_TENSOR &&
                             c->args[0][i].t == c->tensors[0][k];
            c->writes |= c->written[k];
        }
    }
}

static void begin(call *c, bytes *b)
{
    char row[80];
    memset(c, 0, sizeof *c);
    uint32_t key = (uint32_t)take(b) << 8;
    c->op = op_of(key | take(b));
    c->sig = rt_op_signature(c->op);
    int flags = take(b);
    c->gradients = flags % 2 && !c->op->inplace;
    if (flags < 192) {
        row_of(c, row, sizeof row);
        c->recipe = recipe_of(row, flags / 2 % 3);
        c->recipe = c->recipe ? c->recipe : recipe_of(row, 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static call c;
    bytes b = {data, size};
    rt_set_num_threads(1);
    rt_memory_set_limit(MEMORY);
    begin(&c, &b);
    bool made = true;
    for (int i = 0; made && i < c.sig->nparams; i++) {
        made = make_argument(&c, &b, i);
    }
    int look = take(&b);
    if (made && look % 8 == 7) {
        run_interrupted(&c, 1 + look / 8);
    } else if (made) {
        mark_written(&c);
        run(&c);
        passed[c.op->id] += c.status[0] == RT_OK;
    }
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < RT_MAX_RESULTS; i++) {
            rt_value_release(&c.results[k][i]);
        }
        for (int i = 0; i < c.ntensors; i++) {
            rt_release(c.tensors[k][i]);
        }
    }
    for (int i = 0; i < c.ntensors; i++) {
        rt_release(c.before[i]);
    }
    rt_memory_set_limit(0);
    return 0;
}

/* Every recipe of every row, in every layout and with gradients; how many rows
 * then never passed. */
int replay_rows(void)
{
    int missing = 0, rows = rt_op_count();
    for (int i = 0; i < rows; i++) {
        uint32_t key = key_of(rt_op_at(i));
        for (int flags = 0; flags < 6; flags++) {
            for (int k = 0; k < 16; k++) {
                uint8_t data[200] = {(uint8_t)(key >> 8), (uint8_t)key,
                                     (uint8_t)flags};
                for (size_t n = 3; n < sizeof data && k > 0; n++) {
                    data[n] = (uint8_t)(((unsigned)k * 131 + n * 29 * n) % 190);
                }
                LLVMFuzzerTestOneInput(data, sizeof data);
            }
        }
        if (!passed[rt_op_at(i)->id]) {
            fprintf(stderr, "%s: no call passed; see tests/fuzz/recipes.py\n",
                    rt_op_signature(rt_op_at(i))->text);
            missing++;
        }
    }
    printf("%d of %d rows\n", rows - missing, rows);
    return missing;
}

/* SPDX-License-Identifier: MIT
 * The layer catalog at work: rows, construction, options, and the forward of
 * every layer that is one op (`call` rows).
 */
#include "runtime/nn/module.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

static char *describe(rt_module *m);

#define rt__layer_init_none NULL
static const rt_layer layers[RT_LAYER_COUNT] = {
#define LAYER(id, schema, init, forward, call, shown, doc)                     \
    {RT_LAYER_##id, #id, schema, call, shown, doc, rt__layer_init_##init,      \
     {#id, rt__layer_forward_##forward, describe, NULL}},
#define LAYER_ALIAS(id, alias, name)
#include "runtime/nn/layers.def"
#undef LAYER
#undef LAYER_ALIAS
};

typedef struct alias {
    rt__layer_id layer;
    const char *alias, *name;
} alias;

static const alias aliases[] = {
#define LAYER(id, schema, init, forward, call, shown, doc)
#define LAYER_ALIAS(id, alias, name) {RT_LAYER_##id, #alias, #name},
#include "runtime/nn/layers.def"
#undef LAYER
#undef LAYER_ALIAS
};

/* --- rows ------------------------------------------------------------------- */

int rt_layer_count(void)
{
    return RT_LAYER_COUNT;
}

const rt_layer *rt_layer_at(int index)
{
    return index >= 0 && index < RT_LAYER_COUNT ? &layers[index] : NULL;
}

const rt_layer *rt_layer_find(const char *name)
{
    for (int i = 0; i < RT_LAYER_COUNT; i++) {
        if (strcmp(layers[i].name, name) == 0) {
            return &layers[i];
        }
    }
    return NULL;
}

const char *rt_layer_name(const rt_layer *l)
{
    return l->name;
}

const char *rt_layer_doc(const rt_layer *l)
{
    return l->doc;
}

const rt_signature *rt_layer_signature(const rt_layer *l)
{
    static rt_signature *_Atomic cache[RT_LAYER_COUNT];
    return rt__catalog_signature(&cache[l->id], l->schema);
}

/* --- options ------------------------------------------------------------------ */

const rt_value *rt__option(const rt_module *m, const char *name)
{
    int i = rt__param_index(rt_layer_signature(m->layer), name);
    return i < 0 ? NULL : &m->options[i];
}

int64_t rt__option_int(const rt_module *m, const char *name)
{
    return rt__option(m, name)->i;
}

double rt__option_float(const rt_module *m, const char *name)
{
    const rt_value *v = rt__option(m, name);
    return v->kind == RT_K_FLOAT ? v->f : (double)v->i;
}

bool rt__option_bool(const rt_module *m, const char *name)
{
    return rt__option(m, name)->i != 0;
}

rt_status rt__option_spread(rt_module *m, const char *name, int n,
                            rt_error *err)
{
    rt_value *v = (rt_value *)rt__option(m, name);
    if (v->count == n) {
        return RT_OK;
    }
    if (v->kind != RT_K_INTS || v->count != 1) {
        return rt_fail(err, RT_E_ARGUMENT,
                       "%s: %s takes one integer or %d, not %d",
                       m->cls->name, name, n, (int)v->count);
    }
    int64_t *p = rt_alloc((size_t)n * sizeof *p);
    if (!p) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory", m->cls->name);
    }
    for (int i = 0; i < n; i++) {
        p[i] = v->ints[0];
    }
    rt_free((void *)v->ints);
    *v = RT_V_INTS(p, n);
    return RT_OK;
}

rt_status rt_module_option(rt_value *out, rt_module *m, const char *name,
                           rt_error *err)
{
    const rt_value *v = m->layer ? rt__option(m, name) : NULL;
    if (!v) {
        return rt_fail(err, RT_E_NAME, "%s: there is no option '%s'",
                       m->cls->name, name);
    }
    *out = *v;
    return RT_OK;
}

/* --- construction ---------------------------------------------------------------- */

/* Sequential(a, b, c): modules given one by one become the list that the
 * signature wants. *list is heap memory to free, or NULL. */
static rt_status gather_modules(rt_value *first, rt_module ***list,
                                const rt_layer *layer, const rt_value *args,
                                int npos, rt_error *err)
{
    rt_module **p = rt_alloc(npos ? (size_t)npos * sizeof *p : 1);
    if (!p) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory", layer->name);
    }
    for (int i = 0; i < npos; i++) {
        if (args[i].kind != RT_K_MODULE) {
            rt_free(p);
            return rt_fail(err, RT_E_TYPE,
                           "%s: argument %d is not a module", layer->name,
                           i + 1);
        }
        p[i] = args[i].m;
    }
    *first = RT_V_MODULES(p, npos);
    *list = p;
    return RT_OK;
}

static bool takes_modules(const rt_layer *layer)
{
    const rt_signature *sig = rt_layer_signature(layer);
    return sig && sig->nparams && sig->params[0].type == RT_T_MODULES;
}

static const char *canonical(const rt_layer *layer, const char *name)
{
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        if (aliases[i].layer == layer->id
            && strcmp(aliases[i].alias, name) == 0) {
            return aliases[i].name;
        }
    }
    return name;
}

/* 'same' and 'valid' are stored as the paddings -1 and -2, which no number
 * given by a user may be (conv2d's init refuses negative ones). */
static rt_status padding_text(rt_value *v, rt_error *err)
{
    static const int64_t same = -1, valid = -2;
    if (v->kind == RT_K_STRING && strcmp(v->s, "same") == 0) {
        *v = RT_V_INTS(&same, 1);
    } else if (v->kind == RT_K_STRING && strcmp(v->s, "valid") == 0) {
        *v = RT_V_INTS(&valid, 1);
    } else if (v->kind == RT_K_STRING) {
        rt_fail(err, RT_E_ARGUMENT, "convolution: unknown padding '%s'", v->s);
        rt_error_help(err, "padding is a number, a pair, 'same' or 'valid'");
        return RT_E_ARGUMENT;
    } else if ((v->kind == RT_K_INT && v->i < 0)
               || (v->kind == RT_K_INTS && v->count && v->ints[0] < 0)) {
        return rt_fail(err, RT_E_ARGUMENT,
                       "convolution: padding must not be negative");
    }
    return RT_OK;
}

static bool is_conv(const rt_layer *layer)
{
    return layer->id == RT_LAYER_Conv1d || layer->id == RT_LAYER_Conv2d;
}

/* Copies of the caller's arguments in which spellings are made regular. */
typedef struct given {
    rt_value args[RT_MAX_ARGS], named[RT_MAX_ARGS];
    const char *names[RT_MAX_ARGS];
    int npos, nnamed;
    rt_module **modules;     /* heap list of gather_modules */
} given;

static rt_status take_arguments(given *g, const rt_layer *layer,
                                const rt_value *args, int npos,
                                const rt_value *named,
                                const char *const *names, int nnamed,
                                rt_error *err)
{
    rt_status st = RT_OK;
    g->modules = NULL;
    g->npos = npos;
    g->nnamed = nnamed;
    if (takes_modules(layer) && nnamed == 0
        && (npos != 1 || args[0].kind != RT_K_MODULES)) {
        g->npos = 1;
        return gather_modules(&g->args[0], &g->modules, layer, args, npos, err);
    }
    if (npos > RT_MAX_ARGS || nnamed > RT_MAX_ARGS) {
        return rt_fail(err, RT_E_TYPE, "%s: too many arguments", layer->name);
    }
    for (int i = 0; i < npos && !st; i++) {
        g->args[i] = args[i];
        if (is_conv(layer) && i == 4) {
            st = padding_text(&g->args[i], err);
        }
    }
    for (int i = 0; i < nnamed && !st; i++) {
        g->named[i] = named[i];
        g->names[i] = canonical(layer, names[i]);
        if (is_conv(layer) && !strcmp(names[i], "padding")) {
            st = padding_text(&g->named[i], err);
        }
    }
    return st;
}

static rt_status add_modules(rt_module *m, const rt_value *v, rt_error *err)
{
    for (int i = 0; i < v->count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        if (!v->modules[i]) {
            return rt_fail(err, RT_E_TYPE, "%s: entry %d is not a module",
                           m->cls->name, i);
        }
        rt_status st = rt_module_set_child(m, name, v->modules[i], err);
        if (st) {
            return st;
        }
    }
    return RT_OK;
}

/* Stores the bound arguments: numbers and text as options, tensors as buffers
 * (as PyTorch's losses do), modules as children. */
static rt_status store_options(rt_module *m, const rt_frame *frame,
                               rt_error *err)
{
    const rt_signature *sig = rt_layer_signature(m->layer);
    size_t bytes = (size_t)(sig->nparams ? sig->nparams : 1) * sizeof(rt_value);
    m->options = rt_alloc(bytes);
    if (!m->options) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory", m->cls->name);
    }
    memset(m->options, 0, bytes);
    rt_status st = RT_OK;
    for (int i = 0; i < sig->nparams && !st; i++) {
        const rt_param *p = &sig->params[i];
        const rt_value *v = &frame->value[i];
        v = v->kind == RT_K_UNSET ? &p->value : v;
        if (p->type == RT_T_TENSOR) {
            st = rt_module_set_buffer(m, p->name,
                                      v->kind == RT_K_TENSOR ? v->t : NULL,
                                      true, err);
        } else if (p->type == RT_T_MODULES) {
            st = v->kind == RT_K_MODULES ? add_modules(m, v, err) : RT_OK;
        }
        st = st ? st : rt__value_copy(&m->options[i], v, err);
        if (!st && p->type == RT_T_INTS && m->options[i].kind == RT_K_INT) {
            rt_value one = RT_V_INTS(&v->i, 1);
            st = rt__value_copy(&m->options[i], &one, err);
        }
    }
    return st;
}

static rt_status check_device(const rt_module *m, rt_error *err)
{
    const rt_value *v = rt__option(m, "device");
    if (v && v->kind == RT_K_DEVICE) {
        return rt_device_check(v->device, err);
    }
    return RT_OK;
}

rt_status rt_layer_new(rt_module **out, const rt_layer *layer,
                       const rt_value *args, int npos, const rt_value *named,
                       const char *const *names, int nnamed, rt_error *err)
{
    const rt_signature *sig = rt_layer_signature(layer);
    if (!sig) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory", layer->name);
    }
    given g;
    rt_frame frame;
    rt_module *m = NULL;
    rt_status st = take_arguments(&g, layer, args, npos, named, names, nnamed,
                                  err);
    if (st || (st = rt_bind(&frame, sig, g.args, g.npos, g.named, g.names,
                            g.nnamed, err))
        || (st = rt_module_new(&m, &layer->cls, NULL, err))) {
        goto done;
    }
    m->layer = layer;
    if ((st = store_options(m, &frame, err)) || (st = check_device(m, err))) {
        goto done;
    }
    if (layer->init) {
        st = layer->init(m, err);
    }
done:
    rt_free(g.modules);
    if (st) {
        rt_module_release(m);
        return st;
    }
    *out = m;
    return RT_OK;
}

/* --- repr ---------------------------------------------------------------------------- */

static void show_padding(rt__text *t, const rt_value *v)
{
    if (v->ints[0] < 0) {
        rt__text_add(t, v->ints[0] == -1 ? "same" : "valid");
    } else {
        rt__value_show(t, v);
    }
}

static void show_option(rt__text *t, rt_module *m, const char *name,
                        bool bare, bool unusual)
{
    const rt_signature *sig = rt_layer_signature(m->layer);
    int i = rt__param_index(sig, name);
    const rt_value *v = &m->options[i];
    rt__slot *bias = strcmp(name, "bias") == 0
                         ? rt__module_slot(m, RT_SLOT_PARAMETER, name) : NULL;
    rt_value has = RT_V_BOOL(bias && bias->tensor);
    v = bias ? &has : v;   /* a norm without affine has no bias either */
    if (unusual && rt__value_same(v, &sig->params[i].value)) {
        return;
    }
    if (t->size) {
        rt__text_add(t, ", ");
    }
    if (!bare) {
        rt__text_format(t, "%s=", name);
    }
    /* PyTorch shows a window given as one number as that number. */
    bool single = v->kind == RT_K_INTS && v->count == 1
                  && m->layer->id != RT_LAYER_AvgPool1d
                  && (m->layer->init == rt__layer_init_pool2d
                      || m->layer->init == rt__layer_init_adaptive2d);
    if (single) {
        rt__text_format(t, "%lld", (long long)v->ints[0]);
    } else if (strcmp(name, "padding") == 0) {
        show_padding(t, v);
    } else {
        rt__value_show(t, v);
    }
}

static char *describe(rt_module *m)
{
    rt__text t = {0};
    char *out = NULL, name[32];
    for (const char *p = m->layer->shown; *p;) {
        bool bare = *p == '!', unusual = *p == '?';
        p += bare || unusual;
        size_t n = strcspn(p, " ");
        snprintf(name, sizeof name, "%.*s", (int)n, p);
        show_option(&t, m, name, bare, unusual);
        p += n;
        p += *p == ' ';
    }
    rt__text_add(&t, "");
    return rt__text_take(&t, &out, NULL) ? NULL : out;
}

/* --- layers that are one op ------------------------------------------------------------ */

enum { FROM_INPUT, FROM_MODULE, FROM_MODE, FROM_NUMBER };

/* The parsed `call` column. */
typedef struct plan {
    const rt_op *op;
    int nargs, ninputs;
    struct {
        int from, index, option;   /* index: of an input, or the number */
        char name[24];
    } arg[RT_MAX_ARGS];
} plan;

static void plan_argument(plan *p, const rt_signature *sig, const char *text,
                          size_t n)
{
    int i = p->nargs++;
    char *name = p->arg[i].name;
    snprintf(name, sizeof p->arg[i].name, "%.*s", (int)n, text);
    if (n == 1 && (text[0] == 'x' || text[0] == 'y')) {
        p->arg[i].from = FROM_INPUT;
        p->arg[i].index = text[0] - 'x';
        if (p->arg[i].index >= p->ninputs) {
            p->ninputs = p->arg[i].index + 1;
        }
    } else if (strcmp(name, "training") == 0) {
        p->arg[i].from = FROM_MODE;
    } else if (text[0] >= '0' && text[0] <= '9') {
        p->arg[i].from = FROM_NUMBER;
        p->arg[i].index = text[0] - '0';
    } else {
        p->arg[i].from = FROM_MODULE;
        p->arg[i].option = rt__param_index(sig, name);
    }
}

static const plan *layer_plan(const rt_layer *layer)
{
    static plan *_Atomic cache[RT_LAYER_COUNT];
    plan *p = atomic_load_explicit(&cache[layer->id], memory_order_acquire);
    if (p || !(p = rt_alloc(sizeof *p))) {
        return p;
    }
    memset(p, 0, sizeof *p);
    const char *s = layer->call;
    size_t n = strcspn(s, "(");
    char name[48];
    snprintf(name, sizeof name, "%.*s", (int)n, s);
    p->op = rt_op_find(name);
    for (s += n; *s && *s != ')'; s += n) {
        s += strspn(s, "(, ");
        n = strcspn(s, ",)");
        plan_argument(p, rt_layer_signature(layer), s, n);
    }
    plan *other = NULL;
    if (!atomic_compare_exchange_strong(&cache[layer->id], &other, p)) {
        rt_free(p);
        p = other;
    }
    return p;
}

rt_status rt__layer_inputs(rt_module *m, const rt_value *args, int nargs,
                           int n, rt_error *err)
{
    if (nargs != n) {
        return rt_fail(err, RT_E_TYPE, "%s: forward takes %d tensor%s, got %d",
                       m->cls->name, n, n == 1 ? "" : "s", nargs);
    }
    for (int i = 0; i < n; i++) {
        if (args[i].kind != RT_K_TENSOR) {
            return rt_fail(err, RT_E_TYPE,
                           "%s: input %d of forward is not a tensor",
                           m->cls->name, i + 1);
        }
    }
    return RT_OK;
}

static rt_value module_value(rt_module *m, const char *name, int option)
{
    rt__slot *s = rt__module_slot(m, RT_SLOT_PARAMETER, name);
    if (!s) {
        s = rt__module_slot(m, RT_SLOT_BUFFER, name);
    }
    if (s) {
        return s->tensor ? RT_V_TENSOR(s->tensor) : RT_NONE;
    }
    return option < 0 ? RT_NONE : m->options[option];
}

RT_LAYER_FORWARD(call)
{
    const plan *p = layer_plan(m->layer);
    if (!p || !p->op) {
        return rt_fail(err, p ? RT_E_INTERNAL : RT_E_MEMORY,
                       "%s: the op of this layer is missing", m->cls->name);
    }
    rt_status st = rt__layer_inputs(m, args, nargs, p->ninputs, err);
    if (st) {
        return st;
    }
    rt_value a[RT_MAX_ARGS], r[RT_MAX_RESULTS] = {{0}};
    for (int i = 0; i < p->nargs; i++) {
        switch (p->arg[i].from) {
        case FROM_INPUT:
            a[i] = args[p->arg[i].index];
            break;
        case FROM_MODE:
            a[i] = RT_V_BOOL(m->training);
            break;
        case FROM_NUMBER:
            a[i] = RT_V_INT(p->arg[i].index);
            break;
        default:
            a[i] = module_value(m, p->arg[i].name, p->arg[i].option);
        }
    }
    if ((st = rt_call(p->op, a, p->nargs, r, err))) {
        return st;
    }
    *result = r[0];
    for (int i = 1; i < RT_MAX_RESULTS; i++) {
        rt_value_release(&r[i]);
    }
    return RT_OK;
}

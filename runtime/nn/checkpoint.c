/* SPDX-License-Identifier: MIT
 * Modules in files. The tensors are named as in a state dict; the metadata
 * `architecture` is JSON:
 *
 *   {"training": true, "tied": [["decoder.weight", "encoder.weight"]],
 *    "tree": {"layer": "Sequential", "options": {},
 *             "children": [["0", {"layer": "Linear",
 *                                 "options": {"in_features": 2, ...}}], ...]}}
 *
 * A module that occurs again is {"same": n}, n counting modules in this order.
 * A host's class is {"class": name}: its tensors can be loaded into a module
 * made by the host, but the file alone does not make one.
 */
#include "runtime/nn/json.h"
#include "runtime/nn/module.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHARED_MAX = 100000 };

/* --- every parameter and persistent buffer, by name --------------------------------- */

typedef struct leaf {
    char *name;
    rt_tensor *tensor;       /* borrowed */
} leaf;

typedef struct leaves {
    leaf *items;
    int64_t count, room;
    bool failed;
} leaves;

static void leaves_dispose(leaves *l)
{
    for (int64_t i = 0; i < l->count; i++) {
        rt_free(l->items[i].name);
    }
    rt_free(l->items);
}

static void add_leaf(leaves *l, const char *path, const char *name,
                     rt_tensor *t)
{
    if (l->count == l->room) {
        int64_t room = l->room ? 2 * l->room : 16;
        leaf *p = rt_realloc(l->items, (size_t)room * sizeof *p);
        if (!p) {
            l->failed = true;
            return;
        }
        l->items = p;
        l->room = room;
    }
    rt__text full = {0};
    rt__text_format(&full, "%s%s%s", path, *path ? "." : "", name);
    leaf *to = &l->items[l->count];
    to->tensor = t;
    if (rt__text_take(&full, &to->name, NULL)) {
        l->failed = true;
        return;
    }
    l->count++;
}

static bool add_module(void *ctx, const char *path, rt_module *m)
{
    leaves *l = ctx;
    for (int k = RT_SLOT_PARAMETER; k <= RT_SLOT_BUFFER; k++) {
        for (int i = 0; i < m->slots[k].count; i++) {
            rt__slot *s = &m->slots[k].items[i];
            if (s->tensor && (k == RT_SLOT_PARAMETER || s->persistent)) {
                add_leaf(l, path, s->name, s->tensor);
            }
        }
    }
    return !l->failed;
}

static rt_status collect(leaves *l, rt_module *m, rt_error *err)
{
    bool exact = rt_module_each_module(m, add_module, l);
    return l->failed || !exact ? rt_fail(err, RT_E_MEMORY, "state: no memory") : RT_OK;
}

/* --- writing the architecture ----------------------------------------------------------- */

static void write_double(rt__text *t, double v)
{
    if (isinf(v)) {
        rt__text_add(t, v > 0 ? "1e999" : "-1e999");
    } else if (isnan(v)) {
        rt__text_add(t, "null");
    } else {
        rt__text_double(t, v);
    }
}

static void write_value(rt__text *t, const rt_value *v)
{
    switch (v->kind) {
    case RT_K_BOOL:
        rt__text_add(t, v->b ? "true" : "false");
        break;
    case RT_K_INT:
        rt__text_format(t, "%lld", (long long)v->i);
        break;
    case RT_K_FLOAT:
        write_double(t, v->f);
        break;
    case RT_K_STRING:
        rt__json_quote(t, v->s);
        break;
    case RT_K_DTYPE:
        rt__json_quote(t, rt_dtype_name((rt_dtype)v->dtype));
        break;
    case RT_K_INTS:
        for (int i = 0; i < v->count; i++) {
            rt__text_format(t, "%s%lld", i ? "," : "[", (long long)v->ints[i]);
        }
        rt__text_add(t, v->count ? "]" : "[]");
        break;
    default:
        rt__text_add(t, "null");
    }
}

/* Options as keyword arguments; devices, tensors and modules are left out. */
static void write_options(rt__text *t, const rt_module *m)
{
    const rt_signature *sig = rt_layer_signature(m->layer);
    bool any = false;
    for (int i = 0; i < sig->nparams; i++) {
        const rt_param *p = &sig->params[i];
        const rt_value *v = &m->options[i];
        if (p->type == RT_T_TENSOR || p->type == RT_T_MODULES
            || p->type == RT_T_DEVICE || v->kind == RT_K_NONE) {
            continue;
        }
        rt__text_add(t, any ? "," : "");
        rt__json_quote(t, p->name);
        rt__text_char(t, ':');
        any = true;
        if (strcmp(p->name, "padding") == 0 && v->kind == RT_K_INTS
            && v->ints[0] < 0) {
            rt__json_quote(t, v->ints[0] == -1 ? "same" : "valid");
        } else {
            write_value(t, v);
        }
    }
}

/* Modules met so far, in order. */
typedef struct met {
    rt_module **items;
    int count, room;
} met;

static rt_status meet(met *s, rt_module *m, rt_error *err)
{
    if (s->count == s->room) {
        int room = s->room ? 2 * s->room : 16;
        rt_module **p = rt_realloc(s->items, (size_t)room * sizeof *p);
        if (!p) {
            return rt_fail(err, RT_E_MEMORY, "architecture: no memory");
        }
        s->items = p;
        s->room = room;
    }
    s->items[s->count++] = m;
    return RT_OK;
}

static rt_status write_tree(rt__text *t, met *seen, rt_module *m, rt_error *err)
{
    for (int i = 0; i < seen->count; i++) {
        if (seen->items[i] == m) {
            rt__text_format(t, "{\"same\":%d}", i);
            return RT_OK;
        }
    }
    rt_status st = meet(seen, m, err);
    if (st) {
        return st;
    }
    rt__text_add(t, m->layer ? "{\"layer\":" : "{\"class\":");
    rt__json_quote(t, m->cls->name);
    if (m->layer) {
        rt__text_add(t, ",\"options\":{");
        write_options(t, m);
        rt__text_char(t, '}');
    }
    int n = rt_module_slot_count(m, RT_SLOT_CHILD), written = 0;
    for (int i = 0; i < n && !st; i++) {
        if (!rt_module_slot_child(m, i)) {
            continue;
        }
        rt__text_add(t, written++ ? ",[" : ",\"children\":[[");
        rt__json_quote(t, rt_module_slot_name(m, RT_SLOT_CHILD, i));
        rt__text_char(t, ',');
        st = write_tree(t, seen, rt_module_slot_child(m, i), err);
        rt__text_add(t, "]");
    }
    rt__text_add(t, written ? "]}" : "}");
    return st;
}

static int by_tensor(const void *a, const void *b)
{
    const leaf *x = a, *y = b;
    if (x->tensor != y->tensor) {
        return (uintptr_t)x->tensor < (uintptr_t)y->tensor ? -1 : 1;
    }
    return strcmp(x->name, y->name);
}

/* Keeps one name of each tensor in `l`; the others go to the text as pairs. */
static void write_tied(rt__text *t, leaves *l)
{
    int64_t kept = 0;
    bool any = false;
    if (l->count) {
        qsort(l->items, (size_t)l->count, sizeof *l->items, by_tensor);
    }
    for (int64_t i = 0; i < l->count; i++) {
        if (!kept || l->items[kept - 1].tensor != l->items[i].tensor) {
            leaf item = l->items[i];
            l->items[i] = l->items[kept];
            l->items[kept++] = item;
            continue;
        }
        rt__text_add(t, any ? ",[" : "[");
        rt__json_quote(t, l->items[i].name);
        rt__text_char(t, ',');
        rt__json_quote(t, l->items[kept - 1].name);
        rt__text_char(t, ']');
        any = true;
    }
    for (int64_t i = kept; i < l->count; i++) {
        rt_free(l->items[i].name);
    }
    l->count = kept;
}

static int by_leaf_name(const void *a, const void *b)
{
    return strcmp(((const leaf *)a)->name, ((const leaf *)b)->name);
}

static rt_status describe(char **out, rt_module *m, leaves *l, rt_error *err)
{
    rt__text t = {0};
    met seen = {0};
    rt__text_format(&t, "{\"training\":%s,\"tied\":[",
                    m->training ? "true" : "false");
    write_tied(&t, l);
    if (l->count) {
        qsort(l->items, (size_t)l->count, sizeof *l->items, by_leaf_name);
    }
    rt__text_add(&t, "],\"tree\":");
    rt_status st = write_tree(&t, &seen, m, err);
    rt__text_char(&t, '}');
    rt_free(seen.items);
    if (st) {
        rt__text_dispose(&t);
        return st;
    }
    return rt__text_take(&t, out, err);
}

rt_status rt_module_save(rt_module *m, const char *path, rt_error *err)
{
    leaves l = {0};
    char *text = NULL;
    rt_named_tensor *items = NULL;
    rt_status st = collect(&l, m, err);
    if (st || (st = describe(&text, m, &l, err))) {
        goto done;
    }
    items = rt_alloc((size_t)(l.count + 1) * sizeof *items);
    if (!items) {
        st = rt_fail(err, RT_E_MEMORY, "save: no memory");
        goto done;
    }
    for (int64_t i = 0; i < l.count; i++) {
        items[i] = (rt_named_tensor){l.items[i].name, l.items[i].tensor};
    }
    const char *metadata[] = {"format", "rustorch", "architecture", text};
    st = rt_tensors_save(path, items, l.count, metadata, 2, err);
done:
    rt_free(items);
    rt_free(text);
    leaves_dispose(&l);
    return st;
}

/* --- reading the architecture -------------------------------------------------------------- */

typedef struct reading {
    rt__json j;
    met made;                /* owned by the tree being made */
    char *hosts;             /* name of the first host class, or NULL */
    int shared;              /* modules that repeated ones stand for */
} reading;

typedef struct options {
    rt_value value[RT_MAX_ARGS];
    char *name[RT_MAX_ARGS];
    int64_t ints[RT_MAX_ARGS][8];
    int n;
} options;

static void options_dispose(options *o)
{
    for (int i = 0; i < o->n; i++) {
        rt_free(o->name[i]);
        if (o->value[i].kind == RT_K_STRING) {
            rt_free((void *)o->value[i].s);
        }
    }
}

static void read_value(reading *r, options *o, int i)
{
    rt__json *j = &r->j;
    char c = rt__json_peek(j);
    if (c == '"') {
        char *s = rt__json_string(j);
        o->value[i] = s ? RT_V_STRING(s) : RT_NONE;
    } else if (c == '[') {
        int n = 0;
        rt__json_open(j, '[');
        while (rt__json_item(j)) {
            rt_value v = rt__json_number(j);
            if (n == 8 || v.kind != RT_K_INT) {
                rt__json_fail(j, "a list that no layer takes");
                return;
            }
            o->ints[i][n++] = v.i;
        }
        o->value[i] = RT_V_INTS(o->ints[i], n);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        o->value[i] = rt__json_number(j);
    } else {
        o->value[i] = rt__json_word(j);
    }
}

static void read_options(reading *r, options *o)
{
    char *key;
    rt__json_open(&r->j, '{');
    while (rt__json_key(&r->j, &key)) {
        if (o->n == RT_MAX_ARGS) {
            rt_free(key);
            rt__json_fail(&r->j, "too many options");
            return;
        }
        o->name[o->n] = key;
        o->value[o->n++] = RT_NONE;
        read_value(r, o, o->n - 1);
    }
}

static rt_module *read_tree(reading *r);

static void read_children(reading *r, rt_module *parent)
{
    rt__json *j = &r->j;
    rt__json_open(j, '[');
    while (rt__json_item(j)) {
        rt__json_open(j, '[');
        char *name = rt__json_item(j) ? rt__json_string(j) : NULL;
        rt_module *child = name && rt__json_item(j) ? read_tree(r) : NULL;
        if (child && parent && !j->status) {
            j->status = rt_module_set_child(parent, name, child, j->err);
        }
        rt_module_release(child);
        rt_free(name);
        if (rt__json_item(j)) {
            rt__json_fail(j, "a child is a name and a module");
        }
    }
}

static rt_module *make_layer(reading *r, const char *name, const options *o)
{
    rt_module *m = NULL;
    const rt_layer *layer = rt_layer_find(name);
    if (r->j.status) {
        return NULL;
    }
    if (!layer) {
        r->j.status = rt_fail(r->j.err, RT_E_FORMAT, "%s: there is no layer "
                              "'%.64s'", r->j.what, name);
        return NULL;
    }
    r->j.status = rt_layer_new(&m, layer, NULL, 0, o->value,
                               (const char *const *)o->name, o->n, r->j.err);
    return m;
}

/* What a host's class becomes while the rest of the tree is checked. */
static rt_module *stand_in(reading *r, char *name)
{
    static const rt_module_class none = {"", NULL, NULL, NULL};
    rt_module *m = NULL;
    if (!r->hosts) {
        r->hosts = name;
    } else {
        rt_free(name);
    }
    r->j.status = rt_module_new(&m, &none, NULL, r->j.err);
    return m;
}

static bool count_modules(const rt_module *m, int *count)
{
    const rt__slots *s = &m->slots[RT_SLOT_CHILD];
    bool go = ++*count < SHARED_MAX;
    for (int i = 0; i < s->count && go; i++) {
        go = count_modules(s->items[i].child, count);
    }
    return go;
}

/* A few bytes can repeat a module that repeats modules ...: the tree that they
 * stand for is bounded. */
static rt_module *same_module(reading *r)
{
    int64_t i = rt__json_natural(&r->j);
    if (!r->j.status && i >= r->made.count) {
        rt__json_fail(&r->j, "a module that does not exist");
    }
    if (!r->j.status && !count_modules(r->made.items[i], &r->shared)) {
        rt__json_fail(&r->j, "too many repeated modules");
    }
    return r->j.status ? NULL : rt_module_retain(r->made.items[i]);
}

/* Keys in the order they are written: layer, options, children. */
static rt_module *read_tree(reading *r)
{
    rt__json *j = &r->j;
    options o = {.n = 0};
    rt_module *m = NULL;
    char *key, *name = NULL;
    rt__json_open(j, '{');
    while (rt__json_key(j, &key)) {
        bool children = strcmp(key, "children") == 0;
        if (children && !m && name) {
            m = make_layer(r, name, &o);
            j->status = j->status ? j->status : meet(&r->made, m, j->err);
        }
        if (strcmp(key, "layer") == 0 && !name && !m) {
            name = rt__json_string(j);
        } else if (strcmp(key, "class") == 0 && !name && !m) {
            char *host = rt__json_string(j);
            m = host ? stand_in(r, host) : NULL;
            j->status = j->status ? j->status : meet(&r->made, m, j->err);
        } else if (strcmp(key, "options") == 0 && name && !m) {
            read_options(r, &o);
        } else if (strcmp(key, "same") == 0 && !name && !m) {
            m = same_module(r);
        } else if (children && m) {
            read_children(r, m);
        } else {
            rt__json_fail(j, "an unexpected key in the architecture");
        }
        rt_free(key);
    }
    if (!m && name) {
        m = make_layer(r, name, &o);
        j->status = j->status ? j->status : meet(&r->made, m, j->err);
    }
    if (!m) {
        rt__json_fail(j, "a module without a layer");
    }
    options_dispose(&o);
    rt_free(name);
    return m;
}

/* --- finding a tensor's place by name ------------------------------------------------------ */

/* The slot at "a.b.weight", or NULL. */
static rt__slot *resolve(rt_module *m, const char *path, rt_slot *kind)
{
    for (const char *dot; (dot = strchr(path, '.'));) {
        rt__slots *s = &m->slots[RT_SLOT_CHILD];
        size_t n = (size_t)(dot - path);
        rt_module *next = NULL;
        for (int i = 0; i < s->count && !next; i++) {
            if (strncmp(s->items[i].name, path, n) == 0
                && s->items[i].name[n] == '\0') {
                next = s->items[i].child;
            }
        }
        if (!next) {
            return NULL;
        }
        m = next;
        path = dot + 1;
    }
    for (*kind = RT_SLOT_PARAMETER; *kind <= RT_SLOT_BUFFER; (*kind)++) {
        rt__slot *s = rt__module_slot(m, *kind, path);
        if (s) {
            return s;
        }
    }
    return NULL;
}

static void read_tied(reading *r, rt__text *pairs)
{
    rt__json *j = &r->j;
    rt__json_open(j, '[');
    while (rt__json_item(j)) {
        rt__json_open(j, '[');
        while (rt__json_item(j)) {
            char *s = rt__json_string(j);
            rt__text_add_n(pairs, s ? s : "", s ? strlen(s) + 1 : 0);
            rt_free(s);
        }
    }
}

/* pairs: "name\0name of the tensor it shares\0"... */
static rt_status tie(rt_module *m, const rt__text *pairs, const char *path,
                     rt_error *err)
{
    const char *p = pairs->data, *end = p ? p + pairs->size : p;
    while (p < end) {
        const char *to = p, *from = p + strlen(p) + 1;
        rt_slot a, b;
        rt__slot *slot = resolve(m, to, &a);
        rt__slot *source = from < end ? resolve(m, from, &b) : NULL;
        if (!slot || !source || !source->tensor) {
            return rt_fail(err, RT_E_FORMAT, "%s: '%.64s' cannot share a "
                           "tensor", path, to);
        }
        rt_tensor *t = rt_retain(source->tensor);
        rt_release(slot->tensor);
        slot->tensor = t;
        p = from + strlen(from) + 1;
    }
    return RT_OK;
}

static rt_status read_architecture(rt_module **out, const char *text,
                                   const char *path, rt_error *err)
{
    reading r = {.hosts = NULL};
    rt__text pairs = {0};
    rt_module *m = NULL;
    rt_value training = RT_V_BOOL(true);
    char *key;
    rt__json_init(&r.j, path, text, strlen(text), err);
    rt__json_open(&r.j, '{');
    while (rt__json_key(&r.j, &key)) {
        if (strcmp(key, "training") == 0) {
            training = rt__json_word(&r.j);
        } else if (strcmp(key, "tied") == 0) {
            read_tied(&r, &pairs);
        } else if (strcmp(key, "tree") == 0 && !m) {
            m = read_tree(&r);
        } else {
            rt__json_fail(&r.j, "an unexpected key");
        }
        rt_free(key);
    }
    rt_status st = rt__json_end(&r.j);
    if (!st && !m) {
        st = rt__json_fail(&r.j, "an architecture without a tree");
    }
    if (!st && r.hosts) {
        st = rt_fail(err, RT_E_UNSUPPORTED, "%s: the model is made of a class "
                     "of your program, '%.64s'", path, r.hosts);
        rt_error_help(err, "make the model, then load its weights: "
                      "model.load_state_dict(...)");
    }
    if (!st && pairs.failed) {
        st = rt_fail(err, RT_E_MEMORY, "%s: no memory", path);
    }
    st = st ? st : tie(m, &pairs, path, err);
    if (!st) {
        rt_module_train(m, training.kind != RT_K_BOOL || training.b);
        *out = m;
    } else {
        rt_module_release(m);
    }
    rt__text_dispose(&pairs);
    rt_free(r.made.items);
    rt_free(r.hosts);
    return st;
}

/* Buffers that were None when the layer was made (a loss's weight). */
static void adopt_missing(rt_module *m, const rt_tensor_file *f)
{
    for (int64_t i = 0; i < f->count; i++) {
        rt_slot kind;
        rt__slot *s = resolve(m, f->items[i].name, &kind);
        if (s && !s->tensor && kind == RT_SLOT_BUFFER) {
            s->tensor = rt_retain(f->items[i].tensor);
        }
    }
}

static const char *metadata_of(const rt_tensor_file *f, const char *key)
{
    for (int64_t i = 0; i < f->nmetadata; i++) {
        if (strcmp(f->metadata[2 * i], key) == 0) {
            return f->metadata[2 * i + 1];
        }
    }
    return NULL;
}

/* Making layers draws random numbers; a load leaves the generator as it was. */
static rt_status read_quietly(rt_module **out, const char *text,
                              const char *path, rt_error *err)
{
    rt_tensor *state;
    rt_status st = rt_generator_get_state(rt_default_generator(), &state, err);
    if (st) {
        return st;
    }
    st = read_architecture(out, text, path, err);
    rt_generator_set_state(rt_default_generator(), state, NULL);
    rt_release(state);
    return st;
}

rt_status rt_module_load(rt_module **out, const char *path, rt_error *err)
{
    rt_tensor_file f;
    rt_module *m = NULL;
    rt_status st = rt_tensors_load(&f, path, err);
    if (st) {
        return st;
    }
    const char *text = metadata_of(&f, "architecture");
    if (!text) {
        st = rt_fail(err, RT_E_FORMAT, "%s holds tensors, but no model", path);
        rt_error_help(err, "make the model and load the tensors into it");
    }
    st = st ? st : read_quietly(&m, text, path, err);
    if (!st) {
        adopt_missing(m, &f);
        st = rt_module_load_tensors(m, f.items, f.count, true, err);
    }
    rt_tensor_file_dispose(&f);
    if (st) {
        rt_module_release(m);
        return st;
    }
    *out = m;
    return RT_OK;
}

/* --- state dicts ------------------------------------------------------------------------------ */

/* Names for a message: at most 6, then how many more. */
typedef struct listing {
    rt__text text;
    int64_t count;
} listing;

static void list_name(listing *l, const char *name)
{
    if (l->count++ < 6) {
        rt__text_format(&l->text, "%s%.60s", l->count > 1 ? ", " : "", name);
    }
}

static void list_end(listing *l)
{
    if (l->count > 6) {
        rt__text_format(&l->text, " and %lld more", (long long)l->count - 6);
    }
}

static int by_pointer(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return x < y ? -1 : x > y;
}

static rt_status check_fit(const rt_named_tensor *item, const rt_tensor *to,
                           rt_error *err)
{
    if (rt__same_shape(item->tensor, to)) {
        return RT_OK;
    }
    char a[96], b[96];
    rt__shape_format(a, sizeof a, rt_tensor_ndim(item->tensor),
                     (int64_t *)rt_tensor_shape(item->tensor));
    rt__shape_format(b, sizeof b, rt_tensor_ndim(to),
                     (int64_t *)rt_tensor_shape(to));
    rt_fail(err, RT_E_SHAPE, "load_state_dict: '%.80s' is %s in the state, %s "
            "in the model", item->name, a, b);
    rt__error_shapes(err, item->tensor, to);
    return RT_E_SHAPE;
}

/* targets[i]: where items[i] goes, or NULL. Sorted copies tell what is missing. */
static rt_status match(rt_tensor **targets, rt_module *m,
                       const rt_named_tensor *items, int64_t count, bool strict,
                       rt_error *err)
{
    leaves l = {0};
    listing missing = {{0}, 0}, unexpected = {{0}, 0};
    rt_status st = collect(&l, m, err);
    rt_tensor **sorted = rt_alloc((size_t)(count + 1) * sizeof *sorted);
    int64_t n = 0;
    if (!st && !sorted) {
        st = rt_fail(err, RT_E_MEMORY, "load_state_dict: no memory");
    }
    for (int64_t i = 0; i < count && !st; i++) {
        rt_slot kind;
        rt__slot *s = resolve(m, items[i].name, &kind);
        targets[i] = s ? s->tensor : NULL;
        if (targets[i]) {
            sorted[n++] = targets[i];
            st = check_fit(&items[i], targets[i], err);
        } else {
            list_name(&unexpected, items[i].name);
        }
    }
    if (!st) {
        qsort(sorted, (size_t)n, sizeof *sorted, by_pointer);
    }
    for (int64_t i = 0; i < l.count && !st; i++) {
        if (!bsearch(&l.items[i].tensor, sorted, (size_t)n, sizeof *sorted,
                     by_pointer)) {
            list_name(&missing, l.items[i].name);
        }
    }
    list_end(&missing);
    list_end(&unexpected);
    if (!st && strict && (missing.count || unexpected.count)) {
        st = rt_fail(err, RT_E_ARGUMENT, "load_state_dict for %s:%s%s%s%s%s",
                     m->cls->name, missing.count ? " missing: " : "",
                     missing.count ? missing.text.data : "",
                     missing.count && unexpected.count ? ";" : "",
                     unexpected.count ? " unexpected: " : "",
                     unexpected.count ? unexpected.text.data : "");
        rt_error_help(err, "strict=False loads what fits");
    }
    rt__text_dispose(&missing.text);
    rt__text_dispose(&unexpected.text);
    rt_free(sorted);
    leaves_dispose(&l);
    return st;
}

rt_status rt_module_load_tensors(rt_module *m, const rt_named_tensor *items,
                                 int64_t count, bool strict, rt_error *err)
{
    rt_tensor **targets = rt_alloc((size_t)(count + 1) * sizeof *targets);
    if (!targets) {
        return rt_fail(err, RT_E_MEMORY, "load_state_dict: no memory");
    }
    rt_status st = match(targets, m, items, count, strict, err);
    bool was = rt_set_grad_enabled(false);
    for (int64_t i = 0; i < count && !st; i++) {
        if (targets[i]) {
            st = rt__op0(RT_OP_copy_, err, 2, RT_V_TENSOR(targets[i]),
                         RT_V_TENSOR(items[i].tensor));
        }
    }
    rt_set_grad_enabled(was);
    rt_free(targets);
    return st;
}

/* SPDX-License-Identifier: MIT
 * Modules: life, the three tables of slots, walks over the tree.
 */
#include "runtime/nn/module.h"

#include <string.h>

/* --- life ----------------------------------------------------------------- */

rt_status rt_module_new(rt_module **out, const rt_module_class *cls, void *ctx,
                        rt_error *err)
{
    rt_module *m = rt_alloc(sizeof *m);
    if (!m) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory for a module",
                       cls->name);
    }
    memset(m, 0, sizeof *m);
    atomic_init(&m->refs, 1);
    m->cls = cls;
    m->ctx = ctx;
    m->training = true;
    *out = m;
    return RT_OK;
}

rt_module *rt_module_retain(rt_module *m)
{
    if (m) {
        atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    }
    return m;
}

static void slot_clear(rt__slot *s)
{
    rt_free(s->name);
    rt_release(s->tensor);
    rt_module_release(s->child);
}

void rt_module_release(rt_module *m)
{
    if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (m->peer.released) {
        m->peer.released(m->peer.object);
    }
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < m->slots[k].count; i++) {
            slot_clear(&m->slots[k].items[i]);
        }
        rt_free(m->slots[k].items);
    }
    if (m->options) {
        int n = rt_layer_signature(m->layer)->nparams;
        for (int i = 0; i < n; i++) {
            rt__value_free(&m->options[i]);
        }
        rt_free(m->options);
    }
    if (m->cls->destroy) {
        m->cls->destroy(m->ctx);
    }
    rt_free(m);
}

rt_peer *rt_module_peer(rt_module *m)
{
    return &m->peer;
}

void *rt_module_context(rt_module *m)
{
    return m->ctx;
}

const char *rt_module_name(const rt_module *m)
{
    return m->cls->name;
}

const rt_layer *rt_module_layer(const rt_module *m)
{
    return m->layer;
}

const rt_module_class *rt_module_class_of(const rt_module *m)
{
    return m->layer ? NULL : m->cls;
}

rt_status rt_module_forward(rt_module *m, const rt_value *args, int nargs,
                            rt_value *result, rt_error *err)
{
    if (!m->cls->forward) {
        rt_fail(err, RT_E_UNSUPPORTED, "%s: this module has no forward",
                m->cls->name);
        rt_error_help(err, "define forward in the module, or call its members");
        return RT_E_UNSUPPORTED;
    }
    return m->cls->forward(m, args, nargs, result, err);
}

bool rt_module_training(const rt_module *m)
{
    return m->training;
}

void rt_module_set_training(rt_module *m, bool on)
{
    m->training = on;
}

void rt_module_train(rt_module *m, bool on)
{
    m->training = on;
    for (int i = 0; i < m->slots[RT_SLOT_CHILD].count; i++) {
        rt_module *child = m->slots[RT_SLOT_CHILD].items[i].child;
        if (child) {
            rt_module_train(child, on);
        }
    }
}

/* --- slots ----------------------------------------------------------------- */

static int slot_index(const rt__slots *s, const char *name)
{
    for (int i = 0; i < s->count; i++) {
        if (strcmp(s->items[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static void slot_remove(rt__slots *s, const char *name)
{
    int i = slot_index(s, name);
    if (i < 0) {
        return;
    }
    rt__slot gone = s->items[i];
    memmove(s->items + i, s->items + i + 1,
            (size_t)(s->count - i - 1) * sizeof *s->items);
    s->count--;
    slot_clear(&gone);
}

static rt_status slot_room(rt__slots *s, rt_error *err)
{
    if (s->count < s->room) {
        return RT_OK;
    }
    int room = s->room ? 2 * s->room : 4;
    rt__slot *p = rt_realloc(s->items, (size_t)room * sizeof *p);
    if (!p) {
        return rt_fail(err, RT_E_MEMORY, "module: no memory for a slot");
    }
    s->items = p;
    s->room = room;
    return RT_OK;
}

static rt_status check_name(const rt_module *m, const char *name, rt_error *err)
{
    if (name[0] == '\0' || strchr(name, '.')) {
        rt_fail(err, RT_E_ARGUMENT,
                "%s: '%s' cannot name a parameter, buffer or child",
                m->cls->name, name);
        rt_error_help(err, "a name must not be empty or contain '.'");
        return RT_E_ARGUMENT;
    }
    return RT_OK;
}

/* Puts `entry` (its references are taken over on success) under `name`; a name
 * lives in one table only, as with Python's attributes. */
static rt_status slot_put(rt_module *m, rt_slot kind, const char *name,
                          rt__slot entry, rt_error *err)
{
    rt__slots *s = &m->slots[kind];
    rt_status st = check_name(m, name, err);
    if (st) {
        return st;
    }
    int i = slot_index(s, name);
    if (i >= 0) {
        rt__slot old = s->items[i];
        entry.name = old.name;
        s->items[i] = entry;
        old.name = NULL;
        slot_clear(&old);
        return RT_OK;
    }
    if ((st = slot_room(s, err))) {
        return st;
    }
    entry.name = rt_strdup(name);
    if (!entry.name) {
        return rt_fail(err, RT_E_MEMORY, "module: no memory for a name");
    }
    for (int k = 0; k < 3; k++) {
        slot_remove(&m->slots[k], name);
    }
    s->items[s->count++] = entry;
    return RT_OK;
}

rt_status rt_module_set_parameter(rt_module *m, const char *name, rt_tensor *t,
                                  rt_error *err)
{
    rt__slot entry = {.tensor = rt_retain(t)};
    rt_status st = slot_put(m, RT_SLOT_PARAMETER, name, entry, err);
    if (st) {
        rt_release(t);
    }
    return st;
}

rt_status rt_module_set_buffer(rt_module *m, const char *name, rt_tensor *t,
                               bool persistent, rt_error *err)
{
    rt__slot entry = {.tensor = rt_retain(t), .persistent = persistent};
    rt_status st = slot_put(m, RT_SLOT_BUFFER, name, entry, err);
    if (st) {
        rt_release(t);
    }
    return st;
}

/* Whether `needle` is `m` or below it. */
static bool holds(const rt_module *m, const rt_module *needle)
{
    if (m == needle) {
        return true;
    }
    const rt__slots *s = &m->slots[RT_SLOT_CHILD];
    for (int i = 0; i < s->count; i++) {
        if (s->items[i].child && holds(s->items[i].child, needle)) {
            return true;
        }
    }
    return false;
}

rt_status rt_module_set_child(rt_module *m, const char *name, rt_module *child,
                              rt_error *err)
{
    if (child && holds(child, m)) {
        rt_fail(err, RT_E_ARGUMENT,
                "%s: '%s' would make the module contain itself", m->cls->name,
                name);
        rt_error_help(err, "a module tree must not have cycles");
        return RT_E_ARGUMENT;
    }
    rt__slot entry = {.child = rt_module_retain(child)};
    rt_status st = slot_put(m, RT_SLOT_CHILD, name, entry, err);
    if (st) {
        rt_module_release(child);
    }
    return st;
}

void rt_module_remove(rt_module *m, const char *name)
{
    for (int k = 0; k < 3; k++) {
        slot_remove(&m->slots[k], name);
    }
}

int rt_module_slot_count(const rt_module *m, rt_slot slot)
{
    return m->slots[slot].count;
}

const char *rt_module_slot_name(const rt_module *m, rt_slot slot, int i)
{
    return m->slots[slot].items[i].name;
}

rt_tensor *rt_module_slot_tensor(const rt_module *m, rt_slot slot, int i)
{
    return m->slots[slot].items[i].tensor;
}

rt_module *rt_module_slot_child(const rt_module *m, int i)
{
    return m->slots[RT_SLOT_CHILD].items[i].child;
}

bool rt_module_slot_persistent(const rt_module *m, int i)
{
    return m->slots[RT_SLOT_BUFFER].items[i].persistent;
}

rt__slot *rt__module_slot(rt_module *m, rt_slot kind, const char *name)
{
    int i = slot_index(&m->slots[kind], name);
    return i < 0 ? NULL : &m->slots[kind].items[i];
}

rt_tensor *rt__module_tensor(rt_module *m, const char *name)
{
    rt__slot *s = rt__module_slot(m, RT_SLOT_PARAMETER, name);
    if (!s) {
        s = rt__module_slot(m, RT_SLOT_BUFFER, name);
    }
    return s ? s->tensor : NULL;
}

/* --- walks ------------------------------------------------------------------ */

/* Pointers met so far: open addressing, grown at half full. When memory runs
 * out nothing is remembered, and a shared entry is visited again. */
typedef struct seen {
    const void **keys;
    size_t room, count;
    bool failed;             /* nobody can tell any more what is new */
} seen;

static bool seen_insert(const void **keys, size_t room, const void *p)
{
    size_t i = ((uintptr_t)p >> 4) * 0x9E3779B97F4A7C15u & (room - 1);
    while (keys[i]) {
        if (keys[i] == p) {
            return false;
        }
        i = (i + 1) & (room - 1);
    }
    keys[i] = p;
    return true;
}

static bool seen_grow(seen *s)
{
    size_t room = s->room ? 2 * s->room : 64;
    const void **keys = rt_alloc(room * sizeof *keys);
    if (!keys) {
        return false;
    }
    memset(keys, 0, room * sizeof *keys);
    for (size_t i = 0; i < s->room; i++) {
        if (s->keys[i]) {
            seen_insert(keys, room, s->keys[i]);
        }
    }
    rt_free(s->keys);
    s->keys = keys;
    s->room = room;
    return true;
}

/* Whether p is new. */
static bool seen_add(seen *s, const void *p)
{
    if (s->failed || (2 * (s->count + 1) > s->room && !seen_grow(s))) {
        s->failed = true;
        return true;
    }
    if (!seen_insert(s->keys, s->room, p)) {
        return false;
    }
    s->count++;
    return true;
}

typedef struct walk {
    rt_slot kind;            /* which tensors, or RT_SLOT_CHILD: modules */
    bool duplicates;
    rt_visit_tensor tensor;
    rt_visit_module module;
    void *ctx;
    rt__text path;
    seen seen;
} walk;

static void path_push(walk *w, const char *name)
{
    if (w->path.size) {
        rt__text_char(&w->path, '.');
    }
    rt__text_add(&w->path, name);
}

static void path_cut(walk *w, size_t size)
{
    if (w->path.data) {
        w->path.size = size;
        w->path.data[size] = '\0';
    }
}

static const char *path_text(const walk *w)
{
    return w->path.data ? w->path.data : "";
}

static bool walk_tensors(walk *w, rt_module *m)
{
    rt__slots *s = &m->slots[w->kind];
    size_t size = w->path.size;
    for (int i = 0; i < s->count; i++) {
        rt_tensor *t = s->items[i].tensor;
        if (!t || (!w->duplicates && !seen_add(&w->seen, t))) {
            continue;
        }
        path_push(w, s->items[i].name);
        bool go = w->tensor(w->ctx, path_text(w), t);
        path_cut(w, size);
        if (!go) {
            return false;
        }
    }
    return true;
}

static bool walk_module(walk *w, rt_module *m)
{
    if (!w->duplicates && !seen_add(&w->seen, m)) {
        return true;
    }
    if (w->module ? !w->module(w->ctx, path_text(w), m) : !walk_tensors(w, m)) {
        return false;
    }
    rt__slots *s = &m->slots[RT_SLOT_CHILD];
    size_t size = w->path.size;
    for (int i = 0; i < s->count; i++) {
        if (!s->items[i].child) {
            continue;
        }
        path_push(w, s->items[i].name);
        bool go = walk_module(w, s->items[i].child);
        path_cut(w, size);
        if (!go) {
            return false;
        }
    }
    return true;
}

static bool walk_run(walk *w, rt_module *m)
{
    walk_module(w, m);
    bool exact = !w->path.failed && !w->seen.failed;
    rt__text_dispose(&w->path);
    rt_free(w->seen.keys);
    return exact;
}

bool rt_module_each_parameter(rt_module *m, bool duplicates,
                              rt_visit_tensor visit, void *ctx)
{
    walk w = {.kind = RT_SLOT_PARAMETER, .duplicates = duplicates,
              .tensor = visit, .ctx = ctx};
    return walk_run(&w, m);
}

bool rt_module_each_buffer(rt_module *m, rt_visit_tensor visit, void *ctx)
{
    walk w = {.kind = RT_SLOT_BUFFER, .tensor = visit, .ctx = ctx};
    return walk_run(&w, m);
}

bool rt_module_each_module(rt_module *m, rt_visit_module visit, void *ctx)
{
    walk w = {.kind = RT_SLOT_CHILD, .module = visit, .ctx = ctx};
    return walk_run(&w, m);
}

typedef struct counting {
    bool trainable_only;
    int64_t total;
} counting;

static bool count_one(void *ctx, const char *name, rt_tensor *t)
{
    counting *c = ctx;
    if (!c->trainable_only || rt_requires_grad(t)) {
        c->total += rt_tensor_numel(t);
    }
    return true;
}

int64_t rt_module_parameter_count(rt_module *m, bool trainable_only)
{
    counting c = {trainable_only, 0};
    rt_module_each_parameter(m, false, count_one, &c);
    return c.total;
}

void rt__zero_grad(rt_tensor *t, bool set_to_none)
{
    rt_tensor *grad = rt_grad(t);
    if (!grad) {
        return;
    }
    if (set_to_none || rt__fill_value(grad, 0, NULL)) {
        rt_set_grad(t, NULL, NULL);
    }
}

static bool zero_one(void *ctx, const char *name, rt_tensor *t)
{
    rt__zero_grad(t, *(bool *)ctx);
    return true;
}

void rt_module_zero_grad(rt_module *m, bool set_to_none)
{
    rt_module_each_parameter(m, false, zero_one, &set_to_none);
}

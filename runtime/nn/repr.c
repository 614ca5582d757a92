/* SPDX-License-Identifier: MIT
 * The text of a module tree, as PyTorch prints it.
 */
#include "runtime/nn/module.h"

#include <string.h>

/* Adds s with every line but the first indented by `by`. */
static void add_indented(rt__text *t, const char *s, int by)
{
    for (; *s; s++) {
        rt__text_char(t, *s);
        if (*s == '\n') {
            rt__text_format(t, "%*s", by, "");
        }
    }
}

static char *own_text(rt_module *m)
{
    char *s = m->cls->describe ? m->cls->describe(m) : NULL;
    if (s && !*s) {
        rt_free(s);
        s = NULL;
    }
    return s;
}

/* How many children from i on print alike (a ModuleList counts them). */
static int run_length(char **texts, int n, int i)
{
    int k = 1;
    while (i + k < n && texts[i] && texts[i + k]
           && strcmp(texts[i], texts[i + k]) == 0) {
        k++;
    }
    return k;
}

static void add_children(rt__text *t, rt_module *m, char **texts)
{
    int n = rt_module_slot_count(m, RT_SLOT_CHILD);
    bool list = m->layer && m->layer->id == RT_LAYER_ModuleList;
    for (int i = 0, k; i < n; i += k) {
        const char *name = rt_module_slot_name(m, RT_SLOT_CHILD, i);
        k = list ? run_length(texts, n, i) : 1;
        if (!texts[i]) {
            rt__text_format(t, "\n  (%s): None", name);
        } else if (k > 1) {
            rt__text_format(t, "\n  (%s-%s): %d x ", name,
                            rt_module_slot_name(m, RT_SLOT_CHILD, i + k - 1),
                            k);
            add_indented(t, texts[i], 2);
        } else {
            rt__text_format(t, "\n  (%s): ", name);
            add_indented(t, texts[i], 2);
        }
    }
}

static rt_status child_texts(char **texts, rt_module *m, rt_error *err)
{
    rt_status st = RT_OK;
    for (int i = 0; i < rt_module_slot_count(m, RT_SLOT_CHILD) && !st; i++) {
        rt_module *child = rt_module_slot_child(m, i);
        st = child ? rt_module_repr(&texts[i], child, err) : RT_OK;
    }
    return st;
}

rt_status rt_module_repr(char **out, rt_module *m, rt_error *err)
{
    int n = rt_module_slot_count(m, RT_SLOT_CHILD);
    size_t bytes = (size_t)(n + 1) * sizeof(char *);
    char **texts = rt_alloc(bytes), *own = own_text(m);
    rt__text t = {0};
    if (!texts) {
        rt_free(own);
        return rt_fail(err, RT_E_MEMORY, "repr: no memory");
    }
    memset(texts, 0, bytes);
    rt_status st = child_texts(texts, m, err);
    if (!st) {
        rt__text_format(&t, "%s(", m->cls->name);
        if (own && (n || strchr(own, '\n'))) {
            rt__text_add(&t, "\n  ");
            add_indented(&t, own, 2);
        } else if (own) {
            rt__text_add(&t, own);
        }
        add_children(&t, m, texts);
        rt__text_add(&t, n || (own && strchr(own, '\n')) ? "\n)" : ")");
        st = rt__text_take(&t, out, err);
    }
    for (int i = 0; i < n; i++) {
        rt_free(texts[i]);
    }
    rt_free(texts);
    rt_free(own);
    return st;
}

/* SPDX-License-Identifier: MIT
 * The layer table of a module: names, output shapes, parameter counts.
 *
 * Output shapes come from running each child of a Sequential in turn on zeros,
 * in evaluation mode without recording; other containers show only what their
 * own forward returns.
 */
#include "runtime/base/text.h"
#include "runtime/core/tensor.h"

#include <stdio.h>
#include <string.h>

typedef struct line {
    char name[64];
    char shape[48];
    int64_t parameters;
} line;

typedef struct table {
    line *lines;
    int count, room;
    rt_status status;
} table;

static line *add_line(table *t)
{
    if (t->count == t->room) {
        int room = t->room ? t->room * 2 : 16;
        line *more = rt_realloc(t->lines, (size_t)room * sizeof *more);
        if (!more) {
            t->status = RT_E_MEMORY;
            return NULL;
        }
        t->lines = more;
        t->room = room;
    }
    line *l = &t->lines[t->count++];
    memset(l, 0, sizeof *l);
    return l;
}

static int64_t own_parameters(rt_module *m)
{
    int64_t n = 0;
    for (int i = 0; i < rt_module_slot_count(m, RT_SLOT_PARAMETER); i++) {
        rt_tensor *t = rt_module_slot_tensor(m, RT_SLOT_PARAMETER, i);
        n += t ? t->numel : 0;
    }
    return n;
}

static rt_status run(rt_module *m, rt_tensor *x, rt_tensor **out, rt_error *err)
{
    rt_value argument = RT_V_TENSOR(x), result = RT_UNSET;
    rt_status status = rt_module_forward(m, &argument, 1, &result, err);
    if (status == RT_OK && result.kind == RT_K_TENSOR) {
        *out = result.t;
    } else {
        rt_value_release(&result);
        *out = NULL;
    }
    return status;
}

static rt_status describe(table *t, rt_module *m, const char *name, int depth,
                          rt_tensor *x, rt_tensor **out, rt_error *err);

/* The children one after another; in a Sequential x flows through them. */
static rt_status describe_children(table *t, rt_module *m, int depth,
                                   rt_tensor *x, rt_error *err)
{
    bool chain = strcmp(rt_module_name(m), "Sequential") == 0;
    rt_tensor *flow = chain ? rt_retain(x) : NULL;
    rt_status status = RT_OK;
    int n = rt_module_slot_count(m, RT_SLOT_CHILD);
    for (int i = 0; i < n && status == RT_OK; i++) {
        rt_tensor *next = NULL;
        status = describe(t, rt_module_slot_child(m, i),
                          rt_module_slot_name(m, RT_SLOT_CHILD, i), depth + 1,
                          flow, &next, err);
        rt_release(flow);
        flow = next;
    }
    rt_release(flow);
    return status;
}

static rt_status describe(table *t, rt_module *m, const char *name, int depth,
                          rt_tensor *x, rt_tensor **out, rt_error *err)
{
    line *l = add_line(t);
    if (!l) {
        return rt_fail(err, RT_E_MEMORY, "summary: not enough memory");
    }
    int at = t->count - 1, indent = depth < 16 ? depth * 2 : 32;
    snprintf(l->name, sizeof l->name, "%*s%s%s%s", indent, "", name,
             name[0] ? ": " : "", rt_module_name(m));
    l->parameters = own_parameters(m);
    strcpy(l->shape, "-");
    if (depth < 64) {
        rt_status status = describe_children(t, m, depth, x, err);
        if (status) {
            return status;
        }
    }
    *out = NULL;
    if (x) {
        rt_status status = run(m, x, out, err);
        if (status) {
            return status;
        }
    }
    if (*out) {
        rt__shape_format(t->lines[at].shape, sizeof t->lines[at].shape,
                         (*out)->ndim, (*out)->shape);
    }
    return RT_OK;
}

static void rule(rt__text *out, char c)
{
    for (int i = 0; i < 72; i++) {
        rt__text_char(out, c);
    }
    rt__text_char(out, '\n');
}

static void write_table(rt__text *out, const table *t, rt_module *m)
{
    rt__text_format(out, "%-36s %-22s %12s\n", "Layer", "Output shape",
                    "Parameters");
    rule(out, '=');
    for (int i = 0; i < t->count; i++) {
        const line *l = &t->lines[i];
        rt__text_format(out, "%-36s %-22s ", l->name, l->shape);
        if (l->parameters) {
            rt__text_format(out, "%12lld\n", (long long)l->parameters);
        } else {
            rt__text_format(out, "%12s\n", "-");
        }
    }
    rule(out, '=');
    int64_t all = rt_module_parameter_count(m, false);
    int64_t trainable = rt_module_parameter_count(m, true);
    rt__text_format(out, "Parameters: %lld (%lld trainable), %.2f MiB as they "
                         "are stored in float32",
                    (long long)all, (long long)trainable,
                    (double)all * 4 / (1 << 20));
}

static rt_status zeros(rt_tensor **out, const int64_t *shape, int ndim,
                       rt_error *err)
{
    rt_status status = rt_tensor_new(out, rt_default_dtype(), ndim, shape, err);
    if (status == RT_OK) {
        memset((*out)->data, 0, (size_t)(*out)->numel *
                                    rt_dtype_size(rt_default_dtype()));
    }
    return status;
}

rt_status rt_module_summary(char **out, rt_module *m,
                            const int64_t *input_shape, int input_ndim,
                            rt_error *err)
{
    table t = {0};
    rt_tensor *x = NULL, *y = NULL;
    bool grad = rt_set_grad_enabled(false), training = rt_module_training(m);
    rt_status status = RT_OK;
    if (input_ndim > 0) {
        status = zeros(&x, input_shape, input_ndim, err);
    }
    rt_module_train(m, false);
    if (status == RT_OK) {
        status = describe(&t, m, "", 0, x, &y, err);
    }
    rt_module_train(m, training);
    rt_set_grad_enabled(grad);
    if (status == RT_OK) {
        rt__text text = {0};
        write_table(&text, &t, m);
        status = rt__text_take(&text, out, err);
    }
    rt_release(x);
    rt_release(y);
    rt_free(t.lines);
    return status;
}

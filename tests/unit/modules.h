/* SPDX-License-Identifier: MIT
 * Helpers for tests of modules: layers by name, forward on tensors.
 */
#ifndef MODULES_H
#define MODULES_H

#include "runtime/nn/module.h"
#include "tests/unit/tensors.h"

/* A catalog layer from npos positional and nnamed named values; reports a
 * failure and gives NULL. */
static inline rt_module *layer_of(const char *name, const rt_value *values,
                                  int npos, const char *const *names,
                                  int nnamed)
{
    rt_module *m = NULL;
    const rt_layer *layer = rt_layer_find(name);
    CHECK(layer != NULL);
    rt_error_clear(&err);
    if (layer && rt_layer_new(&m, layer, values, npos, values + npos, names,
                              nnamed, &err)) {
        UNIT_FAIL("%s: %s", name, err.message);
    }
    return m;
}

/* LAYER_OF("Linear", I(3), I(2)); BARE("ReLU") takes none. */
#define LAYER_OF(name, ...)                                                    \
    layer_of(name, (const rt_value[]){__VA_ARGS__},                            \
             (int)(sizeof((const rt_value[]){__VA_ARGS__}) / sizeof(rt_value)),\
             NULL, 0)
#define BARE(name) layer_of(name, NULL, 0, NULL, 0)

/* Sequential of n modules, which it takes over. */
static inline rt_module *chain(int n, ...)
{
    rt_module *m[16], *out = NULL;
    va_list list;
    va_start(list, n);
    for (int i = 0; i < n; i++) {
        m[i] = va_arg(list, rt_module *);
    }
    va_end(list);
    rt_value v = RT_V_MODULES(m, n);
    CHECK_OK(rt_layer_new(&out, rt_layer_find("Sequential"), &v, 1, NULL, NULL,
                          0, &err), err);
    for (int i = 0; i < n; i++) {
        rt_module_release(m[i]);
    }
    return out;
}

/* The one tensor that m gives for x; reports a failure and gives NULL. */
static inline rt_tensor *forward(rt_module *m, rt_tensor *x)
{
    rt_value arg = RT_V_TENSOR(x), out = RT_UNSET;
    rt_error_clear(&err);
    if (rt_module_forward(m, &arg, 1, &out, &err)) {
        UNIT_FAIL("%s: %s", rt_module_name(m), err.message);
        return NULL;
    }
    if (out.kind == RT_K_TENSORS) {
        rt_tensor *first = rt_retain(out.tensors[0]);
        rt_value_release(&out);
        return first;
    }
    return out.t;
}

/* CHECK_TEXT on the module's repr. */
#define CHECK_REPR(m, want)                                                    \
    do {                                                                       \
        char *text_ = NULL;                                                    \
        CHECK_OK(rt_module_repr(&text_, m, &err), err);                        \
        CHECK_TEXT(text_, want);                                               \
        rt_free(text_);                                                        \
    } while (0)

#endif

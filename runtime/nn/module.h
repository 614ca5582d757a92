/* SPDX-License-Identifier: MIT
 *
 * The module's body, for the runtime's own files: three ordered tables of named
 * slots (parameters, buffers, children), the training flag, and, for a catalog
 * layer, a copy of the arguments it was made with. A tree of modules has no
 * cycles (rt_module_set_child refuses them) but may share children.
 */
#ifndef RT_NN_MODULE_H
#define RT_NN_MODULE_H

#include "runtime/base/text.h"
#include "runtime/ops/op.h"

typedef enum rt__layer_id {
#define LAYER(id, schema, init, forward, call, shown, doc) RT_LAYER_##id,
#define LAYER_ALIAS(id, alias, name)
#include "runtime/nn/layers.def"
#undef LAYER
#undef LAYER_ALIAS
    RT_LAYER_COUNT
} rt__layer_id;

typedef struct rt__slot {
    char *name;
    rt_tensor *tensor;       /* parameters and buffers; may be NULL */
    rt_module *child;
    bool persistent;
} rt__slot;

typedef struct rt__slots {
    rt__slot *items;
    int count, room;
} rt__slots;

struct rt_module {
    atomic_int refs;
    const rt_module_class *cls;
    const rt_layer *layer;   /* NULL: a host's class */
    void *ctx;               /* the host's */
    bool training;
    rt__slots slots[3];      /* by rt_slot */
    rt_value *options;       /* one per parameter of the schema, owned */
    rt_peer peer;
};

struct rt_layer {
    rt__layer_id id;
    const char *name, *schema, *call, *shown, *doc;
    rt_status (*init)(rt_module *m, rt_error *err);   /* or NULL */
    rt_module_class cls;
};

/* One entry of a module's own tables, or NULL. */
rt__slot *rt__module_slot(rt_module *m, rt_slot kind, const char *name);
/* Own parameter or buffer by name; NULL when absent or None. */
rt_tensor *rt__module_tensor(rt_module *m, const char *name);

/* Clears t's gradient: none, or zeros in place. */
void rt__zero_grad(rt_tensor *t, bool set_to_none);

/* --- options of a catalog layer; the name must be in its schema ------------ */
const rt_value *rt__option(const rt_module *m, const char *name);
int64_t rt__option_int(const rt_module *m, const char *name);
double rt__option_float(const rt_module *m, const char *name);
bool rt__option_bool(const rt_module *m, const char *name);
/* Replaces an int[] option of one entry by `n` equal ones; RT_E_ARGUMENT when
 * it has another length. */
rt_status rt__option_spread(rt_module *m, const char *name, int n,
                            rt_error *err);

/* --- deep copies of option values ------------------------------------------- */

/* Copies strings and lists; a tensor or module is not copied (None instead). */
rt_status rt__value_copy(rt_value *out, const rt_value *v, rt_error *err);
void rt__value_free(rt_value *v);
/* As Python shows it: 3, 0.1, True, None, 'same', (3, 3). */
void rt__value_show(rt__text *t, const rt_value *v);
bool rt__value_same(const rt_value *a, const rt_value *b);
/* A catalog row's signature, parsed at its first use; NULL: no memory. */
const rt_signature *rt__catalog_signature(rt_signature *_Atomic *cache,
                                          const char *schema);
int rt__param_index(const rt_signature *sig, const char *name);  /* or -1 */

/* --- helpers of layers -------------------------------------------------------- */

/* Checks that forward got `n` tensors. */
rt_status rt__layer_inputs(rt_module *m, const rt_value *args, int nargs,
                           int n, rt_error *err);
/* New parameter of the layer's dtype option, registered, elements unset. */
rt_status rt__layer_parameter(rt_module *m, const char *name, int ndim,
                              const int64_t *shape, rt_tensor **borrowed,
                              rt_error *err);
/* The same as a buffer filled with `value`. */
rt_status rt__layer_buffer(rt_module *m, const char *name, rt_dtype dtype,
                           int ndim, const int64_t *shape, double value,
                           rt_error *err);
rt_dtype rt__layer_dtype(const rt_module *m);

/* Fills in place without recording. */
rt_status rt__fill_uniform(rt_tensor *t, double low, double high,
                           rt_error *err);
rt_status rt__fill_normal(rt_tensor *t, double mean, double std,
                          rt_error *err);
rt_status rt__fill_value(rt_tensor *t, double value, rt_error *err);
/* The default of Linear and convolutions: uniform within 1/sqrt(fan_in), drawn
 * and rounded as kaiming_uniform_(a=sqrt(5)) does; then the bias. */
rt_status rt__fill_linear(rt_tensor *weight, rt_tensor *bias, rt_error *err);

/* --- steps of layers.def --------------------------------------------------------- */
#define RT_LAYER_INIT(name) rt_status rt__layer_init_##name(rt_module *m,      \
                                                            rt_error *err)
#define RT_LAYER_FORWARD(name)                                                 \
    rt_status rt__layer_forward_##name(rt_module *m, const rt_value *args,     \
                                       int nargs, rt_value *result,            \
                                       rt_error *err)
RT_LAYER_INIT(linear);
RT_LAYER_INIT(bilinear);
RT_LAYER_INIT(dropout);
RT_LAYER_INIT(containers);
RT_LAYER_INIT(layer_norm);
RT_LAYER_INIT(group_norm);
RT_LAYER_INIT(batch_norm);
RT_LAYER_INIT(conv2d);
RT_LAYER_INIT(pool2d);
RT_LAYER_INIT(embedding);
RT_LAYER_INIT(prelu);
RT_LAYER_INIT(recurrent);
RT_LAYER_INIT(conv1d);
RT_LAYER_INIT(conv_transpose2d);
RT_LAYER_INIT(adaptive2d);
RT_LAYER_INIT(instance_norm);
RT_LAYER_INIT(rms_norm);
RT_LAYER_FORWARD(call);
RT_LAYER_FORWARD(identity);
RT_LAYER_FORWARD(activation);
RT_LAYER_FORWARD(bilinear);
RT_LAYER_FORWARD(softmax);
RT_LAYER_FORWARD(sequential);
RT_LAYER_FORWARD(list);
RT_LAYER_FORWARD(group_norm);
RT_LAYER_FORWARD(batch_norm);
RT_LAYER_FORWARD(conv2d);
RT_LAYER_FORWARD(max_pool2d);
RT_LAYER_FORWARD(prelu);
RT_LAYER_FORWARD(recurrent);
RT_LAYER_FORWARD(conv1d);
RT_LAYER_FORWARD(pool1d);
RT_LAYER_FORWARD(conv_transpose2d);
RT_LAYER_FORWARD(adaptive_avg_pool2d);
RT_LAYER_FORWARD(dropout2d);
RT_LAYER_FORWARD(rms_norm);

#endif

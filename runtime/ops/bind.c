/* SPDX-License-Identifier: MIT
 *
 * Matching given arguments to a signature, and choosing among overloads.
 */
#include "runtime/base/text.h"
#include "runtime/ops/op.h"

#include <string.h>

static const char *const kind_names[] = {
    [RT_K_UNSET] = "nothing",          [RT_K_NONE] = "None",
    [RT_K_BOOL] = "bool",              [RT_K_INT] = "int",
    [RT_K_FLOAT] = "float",            [RT_K_STRING] = "str",
    [RT_K_DTYPE] = "dtype",            [RT_K_DEVICE] = "device",
    [RT_K_GENERATOR] = "Generator",    [RT_K_TENSOR] = "Tensor",
    [RT_K_MODULE] = "Module",          [RT_K_INTS] = "list of ints",
    [RT_K_FLOATS] = "list of floats",  [RT_K_TENSORS] = "list of tensors",
    [RT_K_MODULES] = "list of modules",
};

static const char *const type_names[] = {
    [RT_T_TENSOR] = "Tensor",          [RT_T_TENSORS] = "list of tensors",
    [RT_T_OPT_TENSORS] = "list of tensors or None",
    [RT_T_SCALAR] = "number",          [RT_T_INT] = "int",
    [RT_T_FLOAT] = "float",            [RT_T_BOOL] = "bool",
    [RT_T_STRING] = "str",             [RT_T_INTS] = "int or list of ints",
    [RT_T_FLOATS] = "list of floats",  [RT_T_DTYPE] = "dtype",
    [RT_T_DEVICE] = "device",          [RT_T_GENERATOR] = "Generator",
    [RT_T_MODULE] = "Module",          [RT_T_MODULES] = "list of modules",
};

typedef struct binding {
    rt_frame *frame;
    const rt_signature *sig;
    rt_error *err;
} binding;

static rt_status wrong_type(binding *b, const rt_param *p, const rt_value *v)
{
    rt_status s = rt_fail(b->err, RT_E_TYPE,
                          "%s: argument '%s' must be %s%s, not %s",
                          b->sig->name, p->name, type_names[p->type],
                          p->optional ? " or None" : "", kind_names[v->kind]);
    rt_error_help(b->err, "it is used as %s", b->sig->text);
    return s;
}

/* --- converting one value ------------------------------------------------ */

static rt_status take_string(binding *b, const rt_param *p, const rt_value *v,
                             rt_value *out)
{
    if (p->type == RT_T_DTYPE) {
        *out = RT_V_DTYPE(rt_dtype_parse(v->s));
        if (out->dtype != RT_DTYPE_NONE) {
            return RT_OK;
        }
        rt_status s = rt_fail(b->err, RT_E_ARGUMENT,
                              "%s: '%s' is not a dtype", b->sig->name, v->s);
        rt_error_help(b->err, "write float32, float64, int64, bool, ...");
        return s;
    }
    *out = (rt_value){.kind = RT_K_DEVICE};
    return rt_device_parse(&out->device, v->s, b->err);
}

/* A one-element tensor where a number is expected. */
static rt_status take_item(binding *b, const rt_param *p, const rt_value *v,
                           rt_value *out)
{
    rt_value item;
    if (rt_tensor_numel(v->t) != 1 ||
        (p->type == RT_T_INT &&
         !rt_dtype_is_integral(rt_tensor_dtype(v->t), false))) {
        return wrong_type(b, p, v);
    }
    rt_status s = rt_tensor_item(&item, v->t, b->err);
    if (s == RT_OK) {
        *out = p->type == RT_T_FLOAT && item.kind != RT_K_FLOAT
                   ? RT_V_FLOAT((double)item.i)
                   : item;
    }
    return s;
}

static rt_status widen_floats(binding *b, const rt_param *p, const rt_value *v,
                              rt_value *out)
{
    rt_frame *f = b->frame;
    bool list = v->kind == RT_K_INTS;
    int n = list ? v->count : 1;
    if (n > RT_MAX_DIMS - f->nfloats) {
        return wrong_type(b, p, v);
    }
    double *to = f->floats + f->nfloats;
    for (int i = 0; i < n; i++) {
        to[i] = list ? (double)v->ints[i]
                     : v->kind == RT_K_FLOAT ? v->f : (double)v->i;
    }
    f->nfloats += n;
    *out = RT_V_FLOATS(to, n);
    return RT_OK;
}

static rt_status one_int(binding *b, const rt_param *p, const rt_value *v,
                         rt_value *out)
{
    rt_frame *f = b->frame;
    if (f->nints == RT_MAX_DIMS) {
        return wrong_type(b, p, v);
    }
    f->ints[f->nints] = v->i;
    *out = RT_V_INTS(f->ints + f->nints++, 1);
    return RT_OK;
}

static bool is_list(int kind)
{
    return kind >= RT_K_INTS;
}

static rt_status empty_list(const rt_param *p, rt_value *out)
{
    out->kind = p->type == RT_T_INTS      ? RT_K_INTS
                : p->type == RT_T_FLOATS  ? RT_K_FLOATS
                : p->type == RT_T_MODULES ? RT_K_MODULES
                                          : RT_K_TENSORS;
    return RT_OK;
}

static bool wants_list(rt_type t)
{
    return t == RT_T_INTS || t == RT_T_FLOATS || t == RT_T_TENSORS ||
           t == RT_T_OPT_TENSORS || t == RT_T_MODULES;
}

/* Checks v against p and puts what the op will see into *out. */
static rt_status convert(binding *b, const rt_param *p, const rt_value *v,
                         rt_value *out)
{
    *out = *v;
    if (v->kind == RT_K_NONE) {
        return p->optional ? RT_OK : wrong_type(b, p, v);
    }
    if (is_list(v->kind) && v->count == 0 && wants_list(p->type)) {
        return empty_list(p, out);
    }
    bool number = v->kind == RT_K_BOOL || v->kind == RT_K_INT ||
                  v->kind == RT_K_FLOAT;
    switch (p->type) {
    case RT_T_TENSOR:
        return v->kind == RT_K_TENSOR || number ? RT_OK : wrong_type(b, p, v);
    case RT_T_SCALAR:
        return number                    ? RT_OK
               : v->kind == RT_K_TENSOR ? take_item(b, p, v, out)
                                         : wrong_type(b, p, v);
    case RT_T_INT:
        return v->kind == RT_K_INT       ? RT_OK
               : v->kind == RT_K_TENSOR ? take_item(b, p, v, out)
                                         : wrong_type(b, p, v);
    case RT_T_FLOAT:
        if (v->kind == RT_K_INT) {
            *out = RT_V_FLOAT((double)v->i);
            return RT_OK;
        }
        return v->kind == RT_K_FLOAT     ? RT_OK
               : v->kind == RT_K_TENSOR ? take_item(b, p, v, out)
                                         : wrong_type(b, p, v);
    case RT_T_BOOL:
        return v->kind == RT_K_BOOL ? RT_OK : wrong_type(b, p, v);
    case RT_T_STRING:
        return v->kind == RT_K_STRING ? RT_OK : wrong_type(b, p, v);
    case RT_T_INTS:
        return v->kind == RT_K_INTS  ? RT_OK
               : v->kind == RT_K_INT ? one_int(b, p, v, out)
                                     : wrong_type(b, p, v);
    case RT_T_FLOATS:
        return v->kind == RT_K_FLOATS ? RT_OK
               : v->kind == RT_K_INTS || v->kind == RT_K_INT ||
                       v->kind == RT_K_FLOAT
                   ? widen_floats(b, p, v, out)
                   : wrong_type(b, p, v);
    case RT_T_DTYPE:
    case RT_T_DEVICE:
        if (v->kind == RT_K_STRING) {
            return take_string(b, p, v, out);
        }
        return v->kind == (p->type == RT_T_DTYPE ? RT_K_DTYPE : RT_K_DEVICE)
                   ? RT_OK
                   : wrong_type(b, p, v);
    case RT_T_GENERATOR:
        return v->kind == RT_K_GENERATOR ? RT_OK : wrong_type(b, p, v);
    case RT_T_MODULE:
        return v->kind == RT_K_MODULE ? RT_OK : wrong_type(b, p, v);
    case RT_T_MODULES:
        return v->kind == RT_K_MODULES ? RT_OK : wrong_type(b, p, v);
    default:
        return v->kind == RT_K_TENSORS ? RT_OK : wrong_type(b, p, v);
    }
}

/* --- positions and names ------------------------------------------------- */

/* `x.view(2, 3)`: ints from position i on, when the last positional parameter
 * is an int[]. */
static bool collects(const rt_signature *sig, int i, const rt_value *args,
                     int npos)
{
    if (i != sig->npositional - 1 || sig->params[i].type != RT_T_INTS ||
        npos > RT_MAX_DIMS) {
        return false;
    }
    for (int k = i; k < npos; k++) {
        if (args[k].kind != RT_K_INT) {
            return false;
        }
    }
    return true;
}

/* The list goes behind those that earlier parameters have made. */
static rt_status collect(binding *b, int i, const rt_value *args, int npos)
{
    rt_frame *f = b->frame;
    int64_t *list = f->ints + f->nints;
    if (f->nints + npos - i > RT_MAX_DIMS) {
        return rt_fail(b->err, RT_E_TYPE, "%s: more than %d ints",
                       b->sig->name, RT_MAX_DIMS);
    }
    for (int k = i; k < npos; k++) {
        list[k - i] = args[k].i;
    }
    f->nints += npos - i;
    f->value[i] = RT_V_INTS(list, npos - i);
    return RT_OK;
}

static rt_status bind_positions(binding *b, const rt_value *args, int npos)
{
    const rt_signature *sig = b->sig;
    for (int i = 0; i < npos; i++) {
        if (i == sig->npositional) {
            return rt_fail(b->err, RT_E_TYPE,
                           "%s: takes at most %d positional arguments, got %d",
                           sig->name, sig->npositional, npos);
        }
        if (collects(sig, i, args, npos)) {
            return collect(b, i, args, npos);
        }
        if (args[i].kind == RT_K_UNSET) {
            continue;
        }
        rt_status s = convert(b, &sig->params[i], &args[i], &b->frame->value[i]);
        if (s != RT_OK) {
            return s;
        }
    }
    return RT_OK;
}

static int find_param(const rt_signature *sig, const char *name)
{
    for (int i = 0; i < sig->nparams; i++) {
        if (strcmp(sig->params[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

/* NumPy's names for PyTorch's parameters. */
static int find_param_or_alias(const rt_signature *sig, const char *name)
{
    static const char *const aliases[][2] = {
        {"axis", "dim"}, {"keepdims", "keepdim"}, {"input", "self"}};
    int i = find_param(sig, name);
    for (int k = 0; i < 0 && k < 3; k++) {
        if (strcmp(name, aliases[k][0]) == 0) {
            i = find_param(sig, aliases[k][1]);
        }
    }
    return i;
}

/* Edit distance, names cut at 31 characters. */
static int distance(const char *a, const char *b)
{
    int row[32], n = (int)strnlen(b, 31);
    for (int j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (int i = 1; a[i - 1] && i < 32; i++) {
        int corner = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int change = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            int gap = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = change < gap ? change : gap;
        }
    }
    return row[n];
}

static rt_status unknown_name(binding *b, const char *name)
{
    int best = 3;
    const char *like = NULL;
    for (int i = 0; i < b->sig->nparams; i++) {
        int d = distance(name, b->sig->params[i].name);
        if (d < best) {
            best = d;
            like = b->sig->params[i].name;
        }
    }
    rt_status s = rt_fail(b->err, RT_E_TYPE,
                          "%s: got an unexpected argument '%s'",
                          b->sig->name, name);
    if (like) {
        rt_error_help(b->err, "did you mean '%s'?", like);
    } else {
        rt_error_help(b->err, "it is used as %s", b->sig->text);
    }
    return s;
}

static rt_status bind_names(binding *b, const rt_value *named,
                            const char *const *names, int nnamed)
{
    for (int k = 0; k < nnamed; k++) {
        int i = find_param_or_alias(b->sig, names[k]);
        if (i < 0) {
            return unknown_name(b, names[k]);
        }
        if (b->frame->value[i].kind != RT_K_UNSET) {
            return rt_fail(b->err, RT_E_TYPE,
                           "%s: got argument '%s' twice", b->sig->name,
                           b->sig->params[i].name);
        }
        rt_status s = convert(b, &b->sig->params[i], &named[k],
                              &b->frame->value[i]);
        if (s != RT_OK) {
            return s;
        }
    }
    return RT_OK;
}

static rt_status check_complete(binding *b)
{
    for (int i = 0; i < b->sig->nparams; i++) {
        const rt_param *p = &b->sig->params[i];
        if (b->frame->value[i].kind == RT_K_UNSET && !p->has_default) {
            rt_status s = rt_fail(b->err, RT_E_TYPE,
                                  "%s: is missing argument '%s' (%s, "
                                  "position %d)", b->sig->name, p->name,
                                  type_names[p->type], i + 1);
            rt_error_help(b->err, "it is used as %s", b->sig->text);
            return s;
        }
    }
    return RT_OK;
}

rt_status rt_bind(rt_frame *frame, const rt_signature *sig,
                  const rt_value *args, int npos, const rt_value *named,
                  const char *const *names, int nnamed, rt_error *err)
{
    binding b = {frame, sig, err};
    frame->nints = frame->nfloats = 0;
    for (int i = 0; i < sig->nparams; i++) {
        frame->value[i] = RT_UNSET;
    }
    rt_status s = bind_positions(&b, args, npos);
    if (s == RT_OK) {
        s = bind_names(&b, named, names, nnamed);
    }
    return s == RT_OK ? check_complete(&b) : s;
}

/* --- overloads ----------------------------------------------------------- */

static void list_kinds(rt__text *t, const rt_value *args, int npos,
                       const rt_value *named, const char *const *names,
                       int nnamed)
{
    for (int i = 0; i < npos + nnamed; i++) {
        if (i) {
            rt__text_add(t, ", ");
        }
        if (i >= npos) {
            rt__text_format(t, "%s=", names[i - npos]);
        }
        rt__text_add(t, kind_names[i < npos ? args[i].kind
                                            : named[i - npos].kind]);
    }
}

static rt_status no_overload(const rt_op *op, const rt_value *args, int npos,
                             const rt_value *named, const char *const *names,
                             int nnamed, rt_error *err)
{
    rt__text given = {0}, forms = {0};
    list_kinds(&given, args, npos, named, names, nnamed);
    for (const rt_op *o = op; o; o = rt_op_overload(o)) {
        rt__text_format(&forms, "%s%s", o == op ? "" : "; ", o->schema);
    }
    rt_status s = rt_fail(err, RT_E_TYPE, "%s: does not take (%s)",
                          rt_op_name(op), given.data ? given.data : "");
    rt_error_help(err, "it is used as %s", forms.data ? forms.data : "");
    rt__text_dispose(&given);
    rt__text_dispose(&forms);
    return s;
}

rt_status rt_call_named(const rt_op *op, const rt_value *args, int npos,
                        const rt_value *named, const char *const *names,
                        int nnamed, rt_value *results, rt_error *err)
{
    rt_frame frame;
    bool only = !rt_op_overload(op);
    for (const rt_op *o = op; o; o = rt_op_overload(o)) {
        const rt_signature *sig = rt__op_signature(o);
        if (!sig) {
            return rt_fail(err, RT_E_MEMORY, "%s: no memory for its signature",
                           rt_op_name(op));
        }
        rt_status s = rt_bind(&frame, sig, args, npos, named, names, nnamed,
                              only ? err : NULL);
        if (s == RT_OK) {
            return rt_call(o, frame.value, sig->nparams, results, err);
        }
        if (only) {
            return s;
        }
    }
    return no_overload(op, args, npos, named, names, nnamed, err);
}

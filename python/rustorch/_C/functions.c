/* SPDX-License-Identifier: MIT
 * Every row of the op catalog as one Python object that is both a function of
 * the module and a method of Tensor.
 */
#include "python/rustorch/_C/binding.h"

#include <structmember.h>

PyTypeObject *py_OpFunction;

typedef struct op_function {
    PyObject_HEAD
    vectorcallfunc call;
    const rt_op *op;             /* the first of its name */
    const rt_signature *first;   /* of op */
    const rt_signature *sig;     /* the same; NULL when there are overloads */
    const char *name;            /* as Python knows it */
    PyObject *module;            /* "rustorch" */
} op_function;

/* --- results ---------------------------------------------------------------------- */

/* Classes of named results, by op: made at first use. */
static PyTypeObject **result_types;

static PyTypeObject *result_type(const rt_op *op, const rt_signature *sig)
{
    int i = 0;
    while (rt_op_at(i) != op) {
        i++;
    }
    if (!result_types) {
        result_types = PyMem_Calloc((size_t)rt_op_count(), sizeof(void *));
        if (!result_types) {
            return (PyTypeObject *)PyErr_NoMemory();
        }
    }
    if (!result_types[i]) {
        char name[96];
        PyStructSequence_Field fields[RT_MAX_RESULTS + 1] = {{0}};
        for (int k = 0; k < sig->nresults; k++) {
            fields[k].name = sig->result_names[k];
        }
        snprintf(name, sizeof name, "rustorch.return_types.%s", sig->name);
        PyStructSequence_Desc desc = {name, "Named results.", fields,
                                      sig->nresults};
        result_types[i] = PyStructSequence_NewType(&desc);
    }
    return result_types[i];
}

/* Set while `_call_all` runs: results kept for gradients are wanted too. */
static _Thread_local bool all_wanted;

static PyObject *all_results(rt_value *r, int n)
{
    PyObject *tuple = PyTuple_New(n);
    for (int i = 0; i < n; i++) {
        PyObject *o = tuple ? py_from_value(&r[i]) : NULL;
        if (tuple && !o) {
            Py_CLEAR(tuple);
        } else if (tuple) {
            PyTuple_SET_ITEM(tuple, i, o);
        }
        rt_value_release(&r[i]);
    }
    return tuple;
}

PyObject *py_results(const rt_op *op, rt_value *r)
{
    const rt_signature *sig = rt_op_signature(op);
    if (sig->nresults <= 1) {
        return py_from_value(&r[0]);
    }
    if (all_wanted) {
        return all_results(r, sig->nresults);
    }
    if (!strcmp(sig->result_names[0], "output")) {
        for (int i = 1; i < sig->nresults; i++) {   /* kept for gradients */
            rt_value_release(&r[i]);
        }
        return py_from_value(&r[0]);
    }
    PyTypeObject *type = result_type(op, sig);
    PyObject *tuple = type ? PyStructSequence_New(type) : NULL;
    for (int i = 0; i < sig->nresults; i++) {
        PyObject *o = tuple ? py_from_value(&r[i]) : NULL;
        if (tuple && !o) {
            Py_CLEAR(tuple);
        }
        if (tuple) {
            PyStructSequence_SET_ITEM(tuple, i, o);
        }
        rt_value_release(&r[i]);
    }
    return tuple;
}

/* --- calls -------------------------------------------------------------------------- */

PyObject *py_call_op(const rt_op *op, const rt_value *args, int nargs,
                     int64_t elements)
{
    rt_value r[RT_MAX_RESULTS];
    rt_error err;
    rt_error_clear(&err);
    py_unlocked u = py_unlock(elements >= PY_BIG);
    rt_status status = rt_call(op, args, nargs, r, &err);
    py_lock(u);
    return status == RT_OK ? py_results(op, r) : py_raise(&err);
}

/* Elements that a list of sizes asks for: creating them is work too. */
static int64_t created(const rt_value *v)
{
    int64_t n = 1;
    for (int i = 0; i < v->count && n < PY_BIG; i++) {
        n *= v->ints[i] > 0 ? v->ints[i] : 1;
    }
    return n;
}

static int named_value(py_scratch *s, const char *name, PyObject *o,
                       rt_value *out)
{
    if (!strcmp(name, "device") && o != Py_None) {
        *out = (rt_value){.kind = RT_K_DEVICE};
        return py_device_of(o, &out->device);
    }
    if (!strcmp(name, "dtype") && o != Py_None) {
        rt_dtype d;
        if (py_dtype_of(o, &d) < 0) {
            return -1;
        }
        *out = RT_V_DTYPE(d);
        return 0;
    }
    return py_to_value(s, o, out);
}

/* Arguments PyTorch takes and this runtime has no use for, where they have
 * their usual value. */
static bool ignorable(const char *name, PyObject *o)
{
    return (!strcmp(name, "out") && o == Py_None) ||
           (!strcmp(name, "pin_memory") && o == Py_False) ||
           (!strcmp(name, "layout") && o == Py_None) ||
           !strcmp(name, "memory_format") ||
           (!strcmp(name, "inplace") && o == Py_False) ||
           ((!strcmp(name, "size_average") || !strcmp(name, "reduce")) &&
            o == Py_None);
}

/* The overload that gave these results, as far as their number tells. */
static const rt_op *answering(const rt_op *op, const rt_value *r)
{
    int n = 0;
    while (n < RT_MAX_RESULTS && r[n].kind != RT_K_UNSET) {
        n++;
    }
    for (const rt_op *o = op; o; o = rt_op_overload(o)) {
        if (rt_op_signature(o)->nresults == n) {
            return o;
        }
    }
    return op;
}

PyObject *py_call_named(const rt_op *op, PyObject *self,
                        PyObject *const *args, Py_ssize_t n, PyObject *names)
{
    rt_value v[RT_MAX_ARGS + RT_MAX_DIMS], named[RT_MAX_ARGS];
    const char *keys[RT_MAX_ARGS];
    rt_value r[RT_MAX_RESULTS] = {{0}};
    py_scratch s;
    rt_error err;
    rt_error_clear(&err);
    Py_ssize_t nkw = names ? PyTuple_GET_SIZE(names) : 0;
    PyObject *out = NULL;
    int npos = 0, nnamed = 0;
    PY_SCRATCH_INIT(&s);
    if (n >= RT_MAX_ARGS + RT_MAX_DIMS || nkw > RT_MAX_ARGS) {
        return py_fail(RT_E_TYPE, "%s: %zd arguments are too many",
                       rt_op_name(op), n + nkw);
    }
    if (self && py_to_value(&s, self, &v[npos++]) < 0) {
        goto done;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (py_to_value(&s, args[i], &v[npos++]) < 0) {
            goto done;
        }
    }
    for (Py_ssize_t i = 0; i < nkw; i++) {
        const char *key = PyUnicode_AsUTF8(PyTuple_GET_ITEM(names, i));
        if (!key || ignorable(key, args[n + i])) {
            continue;
        }
        if (named_value(&s, key, args[n + i], &named[nnamed]) < 0) {
            goto done;
        }
        keys[nnamed++] = key;
    }
    if (npos && v[0].kind == RT_K_INTS) {
        s.elements += created(&v[0]);
    }
    py_unlocked u = py_unlock(s.elements >= PY_BIG);
    rt_status status = rt_call_named(op, v, npos, named, keys, nnamed, r, &err);
    py_lock(u);
    out = status == RT_OK ? NULL : py_raise(&err);
    if (status == RT_OK) {
        out = py_results(answering(op, r), r);
    }
done:
    py_scratch_dispose(&s);
    return out;
}

/* --- the common call ------------------------------------------------------------------
 * No keywords, and each argument of the very kind that the (first) schema
 * wants, which is then the one to take. */

typedef struct plain_call {
    rt_value v[RT_MAX_ARGS];
    int64_t ints[RT_MAX_DIMS];
    int nints;
    int64_t elements;
} plain_call;

static bool exact_int(PyObject *o, int64_t *out)
{
    int overflow = 1;
    if (PyLong_CheckExact(o)) {
        *out = PyLong_AsLongLongAndOverflow(o, &overflow);
    }
    return !overflow;
}

static bool exact_ints(plain_call *c, PyObject *const *items, Py_ssize_t n,
                       rt_value *v)
{
    int64_t *ints = c->ints + c->nints;
    if (n > RT_MAX_DIMS - c->nints) {
        return false;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!exact_int(items[i], &ints[i])) {
            return false;
        }
    }
    c->nints += (int)n;
    *v = RT_V_INTS(ints, n);
    return true;
}

/* An int[]: a tuple, all ints that are left, or one. Returns how many arguments
 * it takes, 0 when the general way is needed. */
static Py_ssize_t plain_ints(plain_call *c, bool last, PyObject *const *args,
                             Py_ssize_t n, rt_value *v)
{
    Py_ssize_t taken = PyTuple_Check(args[0]) || !last ? 1 : n;
    bool good = PyTuple_Check(args[0])
                    ? exact_ints(c, ((PyTupleObject *)args[0])->ob_item,
                                 PyTuple_GET_SIZE(args[0]), v)
                    : exact_ints(c, args, taken, v);
    return good ? taken : 0;
}

static bool plain_value(plain_call *c, const rt_param *p, PyObject *o,
                        rt_value *v)
{
    if (p->type == RT_T_TENSOR && py_is_tensor(o)) {
        *v = RT_V_TENSOR(PY_T(o));
        c->elements += rt_tensor_numel(PY_T(o));
    } else if (p->type == RT_T_INT && PyLong_CheckExact(o)) {
        *v = RT_V_INT(0);
        return exact_int(o, &v->i);
    } else if (p->type == RT_T_FLOAT && PyFloat_CheckExact(o)) {
        *v = RT_V_FLOAT(PyFloat_AS_DOUBLE(o));
    } else if (p->type == RT_T_BOOL && PyBool_Check(o)) {
        *v = RT_V_BOOL(o == Py_True);
    } else if (p->optional && o == Py_None) {
        *v = RT_NONE;
    } else {
        return false;
    }
    return true;
}

/* How many values there are, 0 when the general way is needed. */
static int plain(plain_call *c, const rt_signature *sig, PyObject *const *args,
                 Py_ssize_t n)
{
    int i = 0;
    c->nints = 0;
    c->elements = 0;
    for (Py_ssize_t taken = 0, more; taken < n; taken += more, i++) {
        const rt_param *p = &sig->params[i];
        if (i >= sig->npositional) {
            return 0;
        }
        more = p->type == RT_T_INTS && args[taken] != Py_None
                   ? plain_ints(c, i == sig->npositional - 1, args + taken,
                                n - taken, &c->v[i])
                   : plain_value(c, p, args[taken], &c->v[i]);
        if (!more) {
            return 0;
        }
    }
    for (int k = i; k < sig->nparams; k++) {
        if (!sig->params[k].has_default) {
            return 0;   /* the general way says which one is missing */
        }
    }
    return i;
}

static PyObject *call(PyObject *self, PyObject *const *args, size_t nargsf,
                      PyObject *names)
{
    const op_function *f = (const op_function *)self;
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (n && !names && py_is_plain(args[0])) {
        plain_call c;
        int count = plain(&c, f->first, args, n);
        if (count) {
            return py_call_op(f->op, c.v, count, c.elements);
        }
    }
    return py_call_named(f->op, NULL, args, n, names);
}

/* --- the function object ------------------------------------------------------------------ */

static PyObject *descriptor_get(PyObject *self, PyObject *object,
                                PyObject *type)
{
    return object ? PyMethod_New(self, object) : Py_NewRef(self);
}

static PyObject *show(PyObject *self)
{
    return PyUnicode_FromFormat("<function rustorch.%s>",
                                ((op_function *)self)->name);
}

/* One parameter as Python writes it: "dim=None", "*, alpha=1". */
static PyObject *parameter_text(const rt_param *p)
{
    const char *text = p->default_text;
    if (!p->has_default) {
        return PyUnicode_FromString(p->name);
    }
    return PyUnicode_FromFormat("%s=%s", p->name, text[0] ? text : "None");
}

/* "(self, other, *, alpha=1)"; overloads beyond the first are in the doc. */
static PyObject *signature_text(const rt_signature *sig)
{
    PyObject *parts = PyList_New(0), *sep = PyUnicode_FromString(", ");
    PyObject *out = NULL;
    bool star = false;
    for (int i = 0; parts && sep && i < sig->nparams; i++) {
        PyObject *star_text = NULL;
        if (sig->params[i].keyword_only && !star) {
            star = true;
            star_text = PyUnicode_FromString("*");
            PyList_Append(parts, star_text);
        }
        PyObject *text = parameter_text(&sig->params[i]);
        if (text) {
            PyList_Append(parts, text);
        }
        Py_XDECREF(text);
        Py_XDECREF(star_text);
    }
    PyObject *joined = parts && sep ? PyUnicode_Join(sep, parts) : NULL;
    if (joined) {
        out = PyUnicode_FromFormat("(%U)", joined);
    }
    Py_XDECREF(joined);
    Py_XDECREF(parts);
    Py_XDECREF(sep);
    return out;
}

static PyObject *get_text_signature(PyObject *self, void *unused)
{
    const op_function *f = (op_function *)self;
    if (!f->sig) {
        Py_RETURN_NONE;   /* overloads have no one signature */
    }
    return signature_text(f->sig);
}

static PyObject *get_doc(PyObject *self, void *unused)
{
    const op_function *f = (op_function *)self;
    PyObject *doc = PyUnicode_FromString("");
    for (const rt_op *op = f->op; op && doc; op = rt_op_overload(op)) {
        PyObject *more = PyUnicode_FromFormat(
            "%U%s%s\n\n%s\n", doc, op == f->op ? "" : "\n",
            rt_op_signature(op)->text, rt_op_doc(op));
        Py_SETREF(doc, more);
    }
    return doc;
}

static PyObject *get_name(PyObject *self, void *unused)
{
    return PyUnicode_FromString(((op_function *)self)->name);
}

static PyObject *get_op(PyObject *self, void *unused)
{
    return PyUnicode_FromString(rt_op_name(((op_function *)self)->op));
}

/* Pickled by name: a function of the module rustorch. */
static PyObject *reduce(PyObject *self, PyObject *unused)
{
    return get_name(self, NULL);
}

static PyMethodDef function_methods[] = {
    {"__reduce__", reduce, METH_NOARGS, NULL}, {0}};
static PyGetSetDef function_getset[] = {
    {"__name__", get_name, NULL, NULL, NULL},
    {"__qualname__", get_name, NULL, NULL, NULL},
    {"__doc__", get_doc, NULL, NULL, NULL},
    {"__text_signature__", get_text_signature, NULL, NULL, NULL},
    {"__op__", get_op, NULL, "The catalog's name.", NULL}, {0}};
static PyMemberDef function_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(op_function, call), READONLY,
     NULL},
    {"__module__", T_OBJECT, offsetof(op_function, module), READONLY, NULL},
    {0}};
static PyType_Spec function_spec = {
    "rustorch.OpFunction", sizeof(op_function), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL |
        Py_TPFLAGS_METHOD_DESCRIPTOR,
    (PyType_Slot[]){{Py_tp_call, PyVectorcall_Call},
                    {Py_tp_descr_get, descriptor_get}, {Py_tp_repr, show},
                    {Py_tp_methods, function_methods},
                    {Py_tp_getset, function_getset},
                    {Py_tp_members, function_members},
                    {0, NULL}}};

const rt_op *py_op(const char *name)
{
    const rt_op *op = rt_op_find(name);
    if (!op) {
        py_fail(RT_E_INTERNAL, "the op catalog has no row `%s`", name);
    }
    return op;
}

/* The parameter that an object before the dot fills: the first tensor. */
static bool is_method(const rt_signature *sig)
{
    return sig->nparams > 0 && sig->params[0].type == RT_T_TENSOR &&
           !strcmp(sig->params[0].name, "self");
}

static PyObject *new_function(const rt_op *op, const char *name)
{
    op_function *f = PyObject_New(op_function, py_OpFunction);
    if (f) {
        f->call = call;
        f->op = op;
        f->first = rt_op_signature(op);
        f->sig = rt_op_overload(op) ? NULL : f->first;
        f->name = name;
        f->module = PyUnicode_InternFromString("rustorch");
    }
    return (PyObject *)f;
}

static int add_function(PyObject *ops, const rt_op *op, const char *name)
{
    const rt_signature *sig = rt_op_signature(op);
    PyObject *f = sig ? new_function(op, name) : PyErr_NoMemory();
    int failed = f ? PyDict_SetItemString(ops, name, f) : -1;
    PyObject *there = PyUnicode_FromString(name);
    if (!failed && there && is_method(sig) &&
        !PyDict_Contains(py_Tensor->tp_dict, there)) {
        failed = PyDict_SetItem(py_Tensor->tp_dict, there, f);
    }
    Py_XDECREF(there);
    Py_XDECREF(f);
    return failed;
}

/* _call_all(function, *args): every result, as a tuple. */
static PyObject *call_all(PyObject *m, PyObject *const *args, Py_ssize_t n)
{
    if (n < 1 || Py_TYPE(args[0]) != py_OpFunction) {
        return py_fail(RT_E_TYPE, "_call_all: expected an operation");
    }
    all_wanted = true;
    PyObject *out = PyObject_Vectorcall(args[0], args + 1, (size_t)n - 1, NULL);
    all_wanted = false;
    return out;
}

static PyMethodDef call_all_def = {
    "_call_all", (PyCFunction)(void (*)(void))call_all, METH_FASTCALL, NULL};

/* PyTorch's second names for one operation. */
static const char *const aliases[][2] = {
    {"absolute", "abs"}, {"negative", "neg"}, {"subtract", "sub"},
    {"multiply", "mul"}, {"divide", "div"}, {"true_divide", "div"},
    {"concat", "cat"}, {"concatenate", "cat"}, {"clip", "clamp"},
    {"clip_", "clamp_"}, {"arcsin", "asin"}, {"arccos", "acos"},
    {"arctan", "atan"}, {"arctan2", "atan2"}, {"fix", "trunc"},
    {"greater", "gt"}, {"greater_equal", "ge"}, {"less", "lt"},
    {"less_equal", "le"}, {"not_equal", "ne"}, {"swapaxes", "transpose"},
    {"swapdims", "transpose"}, {"moveaxis", "movedim"},
    {"subtract_", "sub_"}, {"multiply_", "mul_"}, {"divide_", "div_"}};

static int add_all(PyObject *ops)
{
    for (int i = 0; i < rt_op_count(); i++) {
        const rt_op *op = rt_op_at(i);
        if (rt_op_find(rt_op_name(op)) == op &&
            add_function(ops, op, rt_op_name(op)) < 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        const rt_op *op = rt_op_find(aliases[i][1]);
        if (op && !rt_op_find(aliases[i][0]) &&
            add_function(ops, op, aliases[i][0]) < 0) {
            return -1;
        }
    }
    PyType_Modified(py_Tensor);
    return 0;
}

int py_functions_init(PyObject *module)
{
    py_OpFunction = py_add_type(module, &function_spec, NULL);
    PyObject *ops = py_OpFunction ? PyDict_New() : NULL;
    int failed = ops ? add_all(ops) : -1;
    PyObject *all = PyCFunction_New(&call_all_def, NULL);
    if (!failed) {
        failed = PyModule_AddObjectRef(module, "ops", ops) < 0 ||
                 PyModule_AddObjectRef(module, "_call_all", all) < 0 ? -1 : 0;
    }
    Py_XDECREF(all);
    Py_XDECREF(ops);
    return failed;
}

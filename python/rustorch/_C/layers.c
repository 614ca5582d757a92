/* SPDX-License-Identifier: MIT
 * A Python class for each row of layers.def, and nn.init's functions.
 */
#include "python/rustorch/_C/module.h"

static PyTypeObject **types;     /* by row */
static PyObject *layer_key;      /* "__rt_layer__" in a class's dict */

const rt_layer *py_layer_of(PyTypeObject *type)
{
    PyObject *capsule = layer_key ? _PyType_Lookup(type, layer_key) : NULL;
    return capsule ? PyCapsule_GetPointer(capsule, "rt_layer") : NULL;
}

PyTypeObject *py_layer_type(const rt_layer *layer)
{
    for (int i = 0; i < rt_layer_count(); i++) {
        if (rt_layer_at(i) == layer) {
            return types[i];
        }
    }
    return py_Module;
}

/* --- construction ----------------------------------------------------------------- */

typedef struct call {
    py_scratch s;
    rt_value v[RT_MAX_ARGS], named[RT_MAX_ARGS];
    const char *keys[RT_MAX_ARGS];
    int npos, nnamed;
} call;

/* PyTorch's arguments without a counterpart, at their usual values. */
static bool ignorable(const char *key, PyObject *o)
{
    return ((!strcmp(key, "size_average") || !strcmp(key, "reduce") ||
             !strcmp(key, "max_norm")) && o == Py_None) ||
           ((!strcmp(key, "sparse") || !strcmp(key, "scale_grad_by_freq")) &&
            o == Py_False) || !strcmp(key, "norm_type") ||
           (!strcmp(key, "proj_size") && PyLong_Check(o) &&
            PyLong_AsLong(o) == 0);
}

static int gather(call *c, PyObject *args, PyObject *kw)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    PY_SCRATCH_INIT(&c->s);
    c->npos = c->nnamed = 0;
    if (PyTuple_GET_SIZE(args) > RT_MAX_ARGS ||
        (kw && PyDict_GET_SIZE(kw) > RT_MAX_ARGS)) {
        py_fail(RT_E_TYPE, "too many arguments");
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
        if (py_to_value(&c->s, PyTuple_GET_ITEM(args, i),
                        &c->v[c->npos++]) < 0) {
            return -1;
        }
    }
    while (kw && PyDict_Next(kw, &at, &key, &value)) {
        const char *text = PyUnicode_AsUTF8(key);
        if (!text) {
            return -1;
        }
        if (ignorable(text, value)) {
            continue;
        }
        rt_value *v = &c->named[c->nnamed];
        rt_dtype d;
        int failed = 0;
        if (!strcmp(text, "device") && value != Py_None) {
            *v = (rt_value){.kind = RT_K_DEVICE};
            failed = py_device_of(value, &v->device);
        } else if (!strcmp(text, "dtype") && value != Py_None) {
            failed = py_dtype_of(value, &d);
            *v = RT_V_DTYPE(d);
        } else {
            failed = py_to_value(&c->s, value, v);
        }
        if (failed) {
            return -1;
        }
        c->keys[c->nnamed++] = text;
    }
    return 0;
}

static int make_layer(rt_module **out, const rt_layer *layer, PyObject *args,
                      PyObject *kw)
{
    call c;
    rt_error err = {.code = RT_OK};
    int failed = gather(&c, args, kw);
    if (!failed && rt_layer_new(out, layer, c.v, c.npos, c.named, c.keys,
                                c.nnamed, &err) != RT_OK) {
        py_raise(&err);
        failed = -1;
    }
    py_scratch_dispose(&c.s);
    return failed;
}

/* Sequential(a, b), Sequential([a, b]); names of an OrderedDict are kept. */
static PyObject *container_arguments(PyObject *args)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    PyObject *first = n == 1 ? PyTuple_GET_ITEM(args, 0) : NULL;
    if (first && PyDict_Check(first)) {
        return PyTuple_New(0);   /* its modules are added by name */
    }
    return first && !py_is_module(first) ? PySequence_Tuple(first)
                                         : Py_NewRef(args);
}

static int named_children(py_module *self, PyObject *dict)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(dict, &at, &key, &value)) {
        if (!py_is_module(value)) {
            py_fail(RT_E_TYPE, "Sequential: expected modules, got %s",
                    Py_TYPE(value)->tp_name);
            return -1;
        }
        if (py_module_set(self, RT_SLOT_CHILD, key, value, true) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Children given as Python objects are the mirror's objects: identity. */
static int install(py_module *self, rt_module *m)
{
    py_module_adopt(self, m);
    return py_module_mirror(self);
}

/* A subclass with its own forward is a Python module around the layer: both
 * have the same parameters and buffers. */
static int install_around(py_module *self, rt_module *m)
{
    if (py_module_attach(self) < 0) {
        rt_module_release(m);
        return -1;
    }
    self->inner = m;
    for (int slot = RT_SLOT_PARAMETER; slot <= RT_SLOT_BUFFER; slot++) {
        int n = rt_module_slot_count(m, (rt_slot)slot);
        for (int i = 0; i < n; i++) {
            rt_tensor *t = rt_module_slot_tensor(m, (rt_slot)slot, i);
            PyObject *o = py_wrap_as(t ? rt_retain(t) : NULL,
                                     slot == RT_SLOT_PARAMETER ? py_Parameter
                                                               : py_Tensor);
            PyObject *name = PyUnicode_FromString(
                rt_module_slot_name(m, (rt_slot)slot, i));
            int failed = o && name ? py_module_set(self, (rt_slot)slot, name, o,
                                                   true) : -1;
            Py_XDECREF(name);
            Py_XDECREF(o);
            if (failed) {
                return -1;
            }
        }
    }
    return 0;
}

static int layer_init(PyObject *o, PyObject *args, PyObject *kw)
{
    py_module *self = (py_module *)o;
    const rt_layer *layer = py_layer_of(Py_TYPE(o));
    rt_module *m = NULL;
    if (self->m) {
        py_fail(RT_E_TYPE, "%s: __init__ was called twice",
                Py_TYPE(o)->tp_name);
        return -1;
    }
    bool container = !strcmp(rt_layer_name(layer), "Sequential");
    PyObject *real = container ? container_arguments(args) : Py_NewRef(args);
    bool named = container && PyTuple_GET_SIZE(args) == 1 &&
                 PyDict_Check(PyTuple_GET_ITEM(args, 0));
    int failed = real ? make_layer(&m, layer, real, kw) : -1;
    Py_XDECREF(real);
    if (failed) {
        return -1;
    }
    if (py_module_overridden(Py_TYPE(o))) {
        return install_around(self, m);
    }
    failed = install(self, m);
    return failed || !named ? failed
                            : named_children(self, PyTuple_GET_ITEM(args, 0));
}

/* --- classes ------------------------------------------------------------------------- */

/* "Linear(in_features, out_features, bias=True)\n--\n\ndoc" */
static char *class_doc(const rt_layer *l)
{
    const rt_signature *sig = rt_layer_signature(l);
    size_t room = 256 + strlen(rt_layer_doc(l));
    for (int i = 0; i < sig->nparams; i++) {
        room += strlen(sig->params[i].name) + 8 +
                strlen(sig->params[i].default_text);
    }
    char *doc = PyMem_RawMalloc(room);
    if (!doc) {
        return NULL;
    }
    int n = snprintf(doc, room, "%s(", rt_layer_name(l));
    bool star = false;
    for (int i = 0; i < sig->nparams; i++) {
        const rt_param *p = &sig->params[i];
        n += snprintf(doc + n, room - (size_t)n, "%s%s%s%s%s", i ? ", " : "",
                      p->keyword_only && !star ? "*, " : "", p->name,
                      p->has_default ? "=" : "",
                      p->has_default ? p->default_text : "");
        star |= p->keyword_only;
    }
    snprintf(doc + n, room - (size_t)n, ")\n--\n\n%s", rt_layer_doc(l));
    return doc;
}

static PyTypeObject *make_type(PyObject *module, const rt_layer *l)
{
    const char *name = rt_layer_name(l);
    size_t room = strlen(name) + 16;
    char *full = PyMem_RawMalloc(room), *doc = class_doc(l);
    if (!full || !doc) {
        PyErr_NoMemory();
        return NULL;
    }
    snprintf(full, room, "rustorch.nn.%s", name);
    PyType_Spec spec = {full, sizeof(py_module), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                        (PyType_Slot[]){{Py_tp_init, layer_init},
                                        {Py_tp_doc, doc},
                                        {0, NULL}}};
    PyTypeObject *type = py_add_type(module, &spec, (PyObject *)py_Module);
    PyObject *capsule = type ? PyCapsule_New((void *)l, "rt_layer", NULL)
                             : NULL;
    int failed = capsule ? PyDict_SetItem(type->tp_dict, layer_key, capsule)
                         : -1;
    Py_XDECREF(capsule);
    if (failed) {
        return NULL;
    }
    PyType_Modified(type);
    return type;
}

/* --- nn.init --------------------------------------------------------------------------- */

static PyObject *run_init(PyObject *m, PyObject *args, PyObject *kw)
{
    const char *name;
    call c;
    rt_error err = {.code = RT_OK};
    PyObject *first = PyTuple_GET_SIZE(args) > 1 ? PyTuple_GET_ITEM(args, 1)
                    : kw ? PyDict_GetItemString(kw, "tensor") : NULL;
    if (!PyTuple_GET_SIZE(args) ||
        !(name = PyUnicode_AsUTF8(PyTuple_GET_ITEM(args, 0)))) {
        return NULL;
    }
    const rt_init *init = rt_init_find(name);
    PyObject *rest = PyTuple_GetSlice(args, 1, PY_SSIZE_T_MAX);
    PyObject *out = NULL;
    if (init && rest && !gather(&c, rest, kw)) {
        rt_status status = rt_init_apply(init, c.v, c.npos, c.named, c.keys,
                                         c.nnamed, &err);
        out = status == RT_OK ? Py_NewRef(first) : py_raise(&err);
    }
    if (init && rest) {
        py_scratch_dispose(&c.s);
    }
    Py_XDECREF(rest);
    return init ? out : py_fail(RT_E_NAME, "nn.init has no `%s`", name);
}

static PyObject *init_names(PyObject *m, PyObject *unused)
{
    PyObject *list = PyList_New(0);
    for (int i = 0; list && i < rt_init_count(); i++) {
        const rt_init *row = rt_init_at(i);
        PyObject *item = Py_BuildValue("(sss)", rt_init_name(row),
                                       rt_init_signature(row)->text,
                                       rt_init_doc(row));
        if (!item || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *init_gain(PyObject *m, PyObject *args)
{
    const char *name;
    PyObject *param = Py_None;
    double gain;
    rt_error err = {.code = RT_OK};
    if (!PyArg_ParseTuple(args, "s|O:calculate_gain", &name, &param)) {
        return NULL;
    }
    double slope = param == Py_None ? 0.01 : PyFloat_AsDouble(param);
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (rt_init_gain(&gain, name, slope, &err) != RT_OK) {
        return py_raise(&err);
    }
    return PyFloat_FromDouble(gain);
}

static PyMethodDef functions[] = {
    {"_init", (PyCFunction)(void (*)(void))run_init,
     METH_VARARGS | METH_KEYWORDS, NULL},
    {"_init_rows", init_names, METH_NOARGS, NULL},
    {"calculate_gain", init_gain, METH_VARARGS,
     "calculate_gain(nonlinearity, param=None)\n--\n\nThe factor that keeps "
     "the variance through a nonlinearity."},
    {0}};

int py_layers_init(PyObject *module)
{
    PyObject *layers = PyModule_New("rustorch._C.layers");
    layer_key = PyUnicode_InternFromString("__rt_layer__");
    types = PyMem_Calloc((size_t)rt_layer_count() + 1, sizeof *types);
    if (!layers || !types) {
        return -1;
    }
    for (int i = 0; i < rt_layer_count(); i++) {
        types[i] = make_type(layers, rt_layer_at(i));
        if (!types[i]) {
            return -1;
        }
    }
    return PyModule_AddObjectRef(module, "layers", layers) < 0
               ? -1 : PyModule_AddFunctions(module, functions);
}

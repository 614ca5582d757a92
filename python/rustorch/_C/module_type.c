/* SPDX-License-Identifier: MIT
 * nn.Module: attributes that register, calls, and modules written in Python
 * as the runtime calls them.
 */
#include "python/rustorch/_C/module.h"

#include <structmember.h>

PyTypeObject *py_Module;
PyObject *py_name_forward;
static PyObject *native_forward;     /* the descriptor in Module's dict */

rt_module *py_module_live(PyObject *o)
{
    if (!PY_M(o)) {
        py_fail(RT_E_TYPE, "%s: call super().__init__() before using the "
                "module", Py_TYPE(o)->tp_name);
    }
    return PY_M(o);
}

bool py_module_overridden(PyTypeObject *type)
{
    return _PyType_Lookup(type, py_name_forward) != native_forward;
}

/* --- the tables ----------------------------------------------------------------------- */

static PyObject *table(const py_module *self, rt_slot slot)
{
    return slot == RT_SLOT_PARAMETER ? self->params
         : slot == RT_SLOT_BUFFER ? self->buffers : self->children;
}

static PyObject *slot_object(rt_module *m, rt_slot slot, int i)
{
    if (slot == RT_SLOT_CHILD) {
        return py_wrap_module(rt_module_retain(rt_module_slot_child(m, i)));
    }
    rt_tensor *t = rt_module_slot_tensor(m, slot, i);
    return py_wrap_as(t ? rt_retain(t) : NULL,
                      slot == RT_SLOT_PARAMETER ? py_Parameter : py_Tensor);
}

int py_module_mirror(py_module *self)
{
    for (int slot = RT_SLOT_PARAMETER; slot <= RT_SLOT_CHILD; slot++) {
        int n = rt_module_slot_count(self->m, (rt_slot)slot);
        for (int i = 0; i < n; i++) {
            const char *name = rt_module_slot_name(self->m, (rt_slot)slot, i);
            PyObject *o = slot_object(self->m, (rt_slot)slot, i);
            int failed = o ? PyDict_SetItemString(table(self, (rt_slot)slot),
                                                  name, o) : -1;
            Py_XDECREF(o);
            if (failed) {
                return -1;
            }
        }
    }
    return 0;
}

static rt_status set_native(rt_module *m, rt_slot slot, const char *name,
                            PyObject *value, bool persistent, rt_error *err)
{
    switch (slot) {
    case RT_SLOT_PARAMETER:
        return rt_module_set_parameter(m, name, value == Py_None ? NULL
                                       : PY_T(value), err);
    case RT_SLOT_BUFFER:
        return rt_module_set_buffer(m, name, value == Py_None ? NULL
                                    : PY_T(value), persistent, err);
    default:
        if (value == Py_None) {
            rt_module_remove(m, name);
            return RT_OK;
        }
        return rt_module_set_child(m, name, PY_M(value), err);
    }
}

/* Drops the name from every table but one, and from the attributes. */
static void forget(py_module *self, PyObject *name, rt_slot keep)
{
    for (int slot = RT_SLOT_PARAMETER; slot <= RT_SLOT_CHILD; slot++) {
        PyObject *dict = table(self, (rt_slot)slot);
        if ((rt_slot)slot != keep && PyDict_Contains(dict, name) == 1) {
            rt_module_remove(self->m, PyUnicode_AsUTF8(name));
            PyDict_DelItem(dict, name);
        }
    }
    if (self->dict && PyDict_Contains(self->dict, name) == 1) {
        PyDict_DelItem(self->dict, name);
    }
}

int py_module_set(py_module *self, rt_slot slot, PyObject *name,
                  PyObject *value, bool persistent)
{
    rt_error err = {.code = RT_OK};
    const char *text = PyUnicode_AsUTF8(name);
    if (!py_module_live((PyObject *)self) || !text) {
        return -1;
    }
    if (slot == RT_SLOT_CHILD && value != Py_None && !py_module_live(value)) {
        return -1;
    }
    forget(self, name, slot);
    if (set_native(self->m, slot, text, value, persistent, &err) != RT_OK ||
        (self->inner && set_native(self->inner, slot, text, value, persistent,
                                   &err) != RT_OK)) {
        py_raise(&err);
        return -1;
    }
    return PyDict_SetItem(table(self, slot), name, value);
}

int py_module_remove(py_module *self, PyObject *name)
{
    for (int slot = RT_SLOT_PARAMETER; slot <= RT_SLOT_CHILD; slot++) {
        PyObject *dict = table(self, (rt_slot)slot);
        if (dict && PyDict_Contains(dict, name) == 1) {
            rt_module_remove(self->m, PyUnicode_AsUTF8(name));
            return PyDict_DelItem(dict, name) < 0 ? -1 : 1;
        }
    }
    return 0;
}

/* --- attributes -------------------------------------------------------------------------- */

static PyObject *get_option(py_module *self, PyObject *name)
{
    const char *text = PyUnicode_AsUTF8(name);
    rt_module *m = self->inner ? self->inner : self->m;
    rt_value v;
    if (!m || !text || !rt_module_layer(m) || *text == '_') {
        return NULL;
    }
    const rt_signature *sig = rt_layer_signature(rt_module_layer(m));
    for (int i = 0; sig && i < sig->nparams; i++) {
        if (!strcmp(sig->params[i].name, text) &&
            rt_module_option(&v, m, text, NULL) == RT_OK) {
            return py_from_borrowed(&v);
        }
    }
    return NULL;
}

static PyObject *get_attribute(PyObject *o, PyObject *name)
{
    py_module *self = (py_module *)o;
    PyObject *found = self->params ? PyDict_GetItem(self->params, name) : NULL;
    found = found || !self->children ? found
                                     : PyDict_GetItem(self->children, name);
    found = found || !self->buffers ? found
                                    : PyDict_GetItem(self->buffers, name);
    if (found) {
        return Py_NewRef(found);
    }
    found = PyObject_GenericGetAttr(o, name);
    if (found || !PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return found;
    }
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    found = get_option(self, name);
    if (found) {
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(trace);
        return found;
    }
    PyErr_Clear();
    PyErr_Restore(type, value, trace);
    return NULL;
}

/* Which table a value (or the name's earlier use) asks for; -1: none;
 * -2 with an exception. */
static int wanted_slot(py_module *self, PyObject *name, PyObject *value)
{
    if (PyObject_TypeCheck(value, py_Parameter)) {
        return RT_SLOT_PARAMETER;
    }
    if (self->params && PyDict_Contains(self->params, name) == 1) {
        if (value == Py_None) {
            return RT_SLOT_PARAMETER;
        }
        py_fail(RT_E_TYPE, "cannot assign %s as parameter '%U': expected "
                "nn.Parameter or None", Py_TYPE(value)->tp_name, name);
        return -2;
    }
    if (py_is_module(value)) {
        return RT_SLOT_CHILD;
    }
    if (self->children && PyDict_Contains(self->children, name) == 1) {
        if (value == Py_None) {
            return RT_SLOT_CHILD;
        }
        py_fail(RT_E_TYPE, "cannot assign %s as child module: expected "
                "nn.Module or None", Py_TYPE(value)->tp_name);
        return -2;
    }
    if (Py_TYPE(value) != py_Tensor && py_is_tensor(value) &&
        PyObject_HasAttrString(value, "persistent")) {
        return RT_SLOT_BUFFER;   /* nn.Buffer */
    }
    if (self->buffers && PyDict_Contains(self->buffers, name) == 1 &&
        (py_is_tensor(value) || value == Py_None)) {
        return RT_SLOT_BUFFER;
    }
    return -1;
}

static bool was_persistent(const py_module *self, const char *name)
{
    int n = rt_module_slot_count(self->m, RT_SLOT_BUFFER);
    for (int i = 0; i < n; i++) {
        if (!strcmp(rt_module_slot_name(self->m, RT_SLOT_BUFFER, i), name)) {
            return rt_module_slot_persistent(self->m, i);
        }
    }
    return true;
}

/* Whether a buffer goes into the state dict: as nn.Buffer says, else as
 * before. */
static bool stays(py_module *self, PyObject *name, PyObject *value)
{
    PyObject *said = Py_TYPE(value) == py_Tensor ? NULL
        : PyObject_GetAttrString(value, "persistent");
    bool persistent = said ? PyObject_IsTrue(said) == 1
        : was_persistent(self, PyUnicode_AsUTF8(name));
    PyErr_Clear();
    Py_XDECREF(said);
    return persistent;
}

static int set_attribute(PyObject *o, PyObject *name, PyObject *value)
{
    py_module *self = (py_module *)o;
    if (!value) {
        int removed = self->m ? py_module_remove(self, name) : 0;
        return removed ? (removed < 0 ? -1 : 0)
                       : PyObject_GenericSetAttr(o, name, NULL);
    }
    int slot = wanted_slot(self, name, value);
    if (slot == -2) {
        return -1;
    }
    if (slot >= 0) {
        bool persistent = slot != RT_SLOT_BUFFER ||
                          stays(self, name, value);
        return py_module_set(self, (rt_slot)slot, name, value, persistent);
    }
    PyObject *option = get_option(self, name);
    if (option) {
        Py_DECREF(option);
        PyErr_Format(PyExc_AttributeError, "%s.%U is fixed when the layer is "
                     "made; make a new %s instead", Py_TYPE(o)->tp_name, name,
                     Py_TYPE(o)->tp_name);
        return -1;
    }
    PyErr_Clear();
    return PyObject_GenericSetAttr(o, name, value);
}

/* --- birth and death ------------------------------------------------------------------------------ */

static PyObject *allocate(PyTypeObject *type)
{
    py_module *self = (py_module *)type->tp_alloc(type, 0);
    if (self) {
        self->params = PyDict_New();
        self->buffers = PyDict_New();
        self->children = PyDict_New();
        if (!self->params || !self->buffers || !self->children) {
            Py_CLEAR(self);
        }
    }
    return (PyObject *)self;
}

static PyObject *module_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
    PyObject *o = allocate(type);
    if (o && !py_layer_of(type) && py_module_attach((py_module *)o) < 0) {
        Py_CLEAR(o);
    }
    return o;
}

static int module_init(PyObject *o, PyObject *args, PyObject *kw)
{
    if (PyTuple_GET_SIZE(args) || (kw && PyDict_GET_SIZE(kw))) {
        py_fail(RT_E_TYPE, "%s: nn.Module takes no arguments; does the class's "
                "__init__ pass some on?", Py_TYPE(o)->tp_name);
        return -1;
    }
    return 0;
}

PyObject *py_wrap_module(rt_module *m)
{
    if (!m) {
        Py_RETURN_NONE;
    }
    PyObject *o = rt_module_peer(m)->object;
    if (o) {
        rt_module_release(m);
        return Py_NewRef(o);
    }
    const rt_layer *layer = rt_module_layer(m);
    o = allocate(layer ? py_layer_type(layer) : py_Module);
    if (!o) {
        rt_module_release(m);
        return NULL;
    }
    py_module_adopt((py_module *)o, m);
    if (py_module_mirror((py_module *)o) < 0) {
        Py_CLEAR(o);
    }
    return o;
}

static int traverse(PyObject *o, visitproc visit, void *arg)
{
    py_module *self = (py_module *)o;
    Py_VISIT(self->dict);
    Py_VISIT(self->params);
    Py_VISIT(self->buffers);
    Py_VISIT(self->children);
    Py_VISIT(self->pre_hooks);
    Py_VISIT(self->hooks);
    Py_VISIT(Py_TYPE(o));
    return 0;
}

static int clear(PyObject *o)
{
    py_module *self = (py_module *)o;
    Py_CLEAR(self->dict);
    Py_CLEAR(self->params);
    Py_CLEAR(self->buffers);
    Py_CLEAR(self->children);
    Py_CLEAR(self->pre_hooks);
    Py_CLEAR(self->hooks);
    return 0;
}

static void dealloc(PyObject *o)
{
    py_module *self = (py_module *)o;
    PyTypeObject *type = Py_TYPE(o);
    PyObject_GC_UnTrack(o);
    if (self->weak) {
        PyObject_ClearWeakRefs(o);
    }
    if (self->m) {
        if (self->host) {
            py_module_sever(self);
        }
        rt_module_peer(self->m)->object = NULL;
        rt_module_release(self->m);
    }
    rt_module_release(self->inner);
    clear(o);
    type->tp_free(o);
    Py_DECREF(type);
}

/* --- methods and properties --------------------------------------------------------------------------- */

static PyObject *repr(PyObject *o)
{
    rt_error err = {.code = RT_OK};
    char *text = NULL;
    if (!py_module_live(o)) {
        return NULL;
    }
    return rt_module_repr(&text, PY_M(o), &err) == RT_OK ? py_text(text)
                                                         : py_raise(&err);
}

static PyObject *extra_repr(PyObject *o, PyObject *unused)
{
    return PyUnicode_FromString("");
}

static PyObject *get_training(PyObject *o, void *unused)
{
    return py_module_live(o) ? PyBool_FromLong(rt_module_training(PY_M(o))) : NULL;
}

static int set_training(PyObject *o, PyObject *value, void *unused)
{
    int on = value ? PyObject_IsTrue(value) : -1;
    if (on < 0 || !py_module_live(o)) {
        return -1;
    }
    rt_module_set_training(PY_M(o), on);
    if (((py_module *)o)->inner) {
        rt_module_set_training(((py_module *)o)->inner, on);
    }
    return 0;
}

static PyObject *get_table(PyObject *o, void *slot)
{
    return PyDictProxy_New(table((py_module *)o, (rt_slot)(intptr_t)slot));
}

static PyObject *set_slot(PyObject *o, PyObject *args)
{
    int slot, persistent;
    PyObject *name, *value;
    if (!PyArg_ParseTuple(args, "iUOp", &slot, &name, &value, &persistent)) {
        return NULL;
    }
    if (value != Py_None && (slot == RT_SLOT_CHILD ? !py_is_module(value)
                                                   : !py_is_tensor(value))) {
        return py_fail(RT_E_TYPE, "'%U': expected a %s, got %s", name,
                       slot == RT_SLOT_CHILD ? "module" : "tensor",
                       Py_TYPE(value)->tp_name);
    }
    if (py_module_set((py_module *)o, (rt_slot)slot, name, value,
                      persistent) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *is_persistent(PyObject *o, PyObject *name)
{
    const char *text = PyUnicode_AsUTF8(name);
    return text && py_module_live(o) ? PyBool_FromLong(was_persistent((py_module *)o,
                                                            text)) : NULL;
}

static PyObject *zero_grad(PyObject *o, PyObject *args, PyObject *kw)
{
    static char *names[] = {"set_to_none", NULL};
    int none = 1;
    if (!py_module_live(o) || !PyArg_ParseTupleAndKeywords(args, kw, "|p:zero_grad",
                                                 names, &none)) {
        return NULL;
    }
    rt_module_zero_grad(PY_M(o), none);
    Py_RETURN_NONE;
}

static PyObject *count(PyObject *o, PyObject *args, PyObject *kw)
{
    static char *names[] = {"trainable_only", NULL};
    int trainable = 0;
    if (!py_module_live(o) || !PyArg_ParseTupleAndKeywords(args, kw, "|p", names,
                                                 &trainable)) {
        return NULL;
    }
    return PyLong_FromLongLong(rt_module_parameter_count(PY_M(o), trainable));
}

static PyObject *summary(PyObject *o, PyObject *shape)
{
    py_scratch s;
    rt_value v = RT_NONE;
    rt_error err = {.code = RT_OK};
    char *text = NULL;
    PY_SCRATCH_INIT(&s);
    if (!py_module_live(o) || py_to_value(&s, shape, &v) < 0) {
        return NULL;
    }
    bool given = v.kind == RT_K_INTS;
    rt_status status = rt_module_summary(&text, PY_M(o), given ? v.ints : NULL,
                                         given ? v.count : 0, &err);
    py_scratch_dispose(&s);
    return status == RT_OK ? py_text(text) : py_raise(&err);
}

static PyObject *html(PyObject *o, PyObject *unused)
{
    rt_error err = {.code = RT_OK};
    char *text = NULL;
    if (!py_module_live(o)) {
        return NULL;
    }
    return rt_module_html(&text, PY_M(o), &err) == RT_OK ? py_text(text)
                                                         : py_raise(&err);
}

/* The constructor's arguments of a catalog layer, for copies and pickles. */
static PyObject *options(PyObject *o, PyObject *unused)
{
    py_module *self = (py_module *)o;
    rt_module *m = self->inner ? self->inner : self->m;
    PyObject *dict = PyDict_New();
    if (!m || !rt_module_layer(m) || !dict) {
        return dict;
    }
    const rt_signature *sig = rt_layer_signature(rt_module_layer(m));
    for (int i = 0; i < sig->nparams; i++) {
        PyObject *name = PyUnicode_FromString(sig->params[i].name);
        PyObject *value = name ? get_option(self, name) : NULL;
        if (value) {
            PyDict_SetItem(dict, name, value);
        }
        Py_XDECREF(value);
        Py_XDECREF(name);
    }
    PyErr_Clear();
    return dict;
}

static PyObject *layer_name(PyObject *o, void *unused)
{
    const rt_layer *l = py_layer_of(Py_TYPE(o));
    if (!l) {
        Py_RETURN_NONE;
    }
    return PyUnicode_FromString(rt_layer_name(l));
}

#define KW(f) (PyCFunction)(void (*)(void))(f)
static PyMethodDef methods[] = {
    {"forward", KW(py_module_forward), METH_VARARGS | METH_KEYWORDS,
     "forward($self, *inputs)\n--\n\nComputes the outputs; call the module "
     "itself to run its hooks as well."},
    {"extra_repr", extra_repr, METH_NOARGS,
     "extra_repr($self, /)\n--\n\nWhat repr shows between the parentheses."},
    {"zero_grad", KW(zero_grad), METH_VARARGS | METH_KEYWORDS,
     "zero_grad($self, set_to_none=True)\n--\n\nClears all gradients."},
    {"parameter_count", KW(count), METH_VARARGS | METH_KEYWORDS,
     "parameter_count($self, trainable_only=False)\n--\n\nHow many numbers the "
     "parameters hold."},
    {"_set", set_slot, METH_VARARGS, NULL},
    {"_is_persistent", is_persistent, METH_O, NULL},
    {"_add_hook", py_module_add_hook, METH_VARARGS, NULL},
    {"_remove_hook", py_module_remove_hook, METH_O, NULL},
    {"_options", options, METH_NOARGS, NULL},
    {"_summary", summary, METH_O, NULL},
    {"_repr_html_", html, METH_NOARGS,
     "_repr_html_($self, /)\n--\n\nThe layers as a table."},
    {0}};
static PyGetSetDef getset[] = {
    {"training", get_training, set_training,
     "Whether Dropout and the norms behave as in training.", NULL},
    {"_parameters", get_table, NULL, "Own parameters by name (read only).",
     (void *)RT_SLOT_PARAMETER},
    {"_buffers", get_table, NULL, "Own buffers by name (read only).",
     (void *)RT_SLOT_BUFFER},
    {"_modules", get_table, NULL, "Own children by name (read only).",
     (void *)RT_SLOT_CHILD},
    {"_layer", layer_name, NULL, "The catalog's name, or None.", NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {0}};
static PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(py_module, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(py_module, weak), READONLY,
     NULL},
    {0}};
static PyType_Spec spec = {
    "rustorch.nn.Module", sizeof(py_module), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    (PyType_Slot[]){{Py_tp_new, module_new}, {Py_tp_init, module_init},
                    {Py_tp_dealloc, dealloc}, {Py_tp_traverse, traverse},
                    {Py_tp_clear, clear}, {Py_tp_call, py_module_call},
                    {Py_tp_repr, repr}, {Py_tp_getattro, get_attribute},
                    {Py_tp_setattro, set_attribute}, {Py_tp_methods, methods},
                    {Py_tp_getset, getset}, {Py_tp_members, members},
                    {Py_tp_doc, "Base of all layers and models: define "
                                "forward(self, x) and set layers and "
                                "parameters as attributes."},
                    {0, NULL}}};

int py_module_init(PyObject *module)
{
    py_name_forward = PyUnicode_InternFromString("forward");
        py_Module = py_add_type(module, &spec, NULL);
    if (!py_Module) {
        return -1;
    }
    native_forward = _PyType_Lookup(py_Module, py_name_forward);
    return py_layers_init(module);
}

/* SPDX-License-Identifier: MIT
 * Modules whose forward is Python, as the runtime calls them.
 */
#include "python/rustorch/_C/module.h"

/* The runtime keeps the box; the object clears it when it dies. */
typedef struct box {
    PyObject *self;
} box;

static PyObject *arguments(const rt_value *args, int n)
{
    PyObject *tuple = PyTuple_New(n);
    for (int i = 0; tuple && i < n; i++) {
        PyObject *o = py_from_borrowed(&args[i]);
        if (!o) {
            Py_CLEAR(tuple);
            break;
        }
        PyTuple_SET_ITEM(tuple, i, o);
    }
    return tuple;
}

/* Appends the tensors of a nest of tuples. */
static int flatten(PyObject *o, rt_tensor **out, int *n, int room)
{
    if (py_is_tensor(o) && *n < room) {
        out[(*n)++] = rt_retain(PY_T(o));
        return 0;
    }
    if (!PyTuple_Check(o) && !PyList_Check(o)) {
        py_fail(RT_E_TYPE, "forward: the runtime passes tensors on; this module "
                "returned %s", Py_TYPE(o)->tp_name);
        return -1;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); i++) {
        if (flatten(PySequence_Fast_GET_ITEM(o, i), out, n, room) < 0) {
            return -1;
        }
    }
    return 0;
}

static int give_result(PyObject *o, rt_value *out)
{
    if (py_is_tensor(o)) {
        *out = RT_V_TENSOR(rt_retain(PY_T(o)));
        return 0;
    }
    rt_tensor **list = rt_alloc(64 * sizeof *list);
    int n = 0;
    if (!list || flatten(o, list, &n, 64) < 0) {
        for (int i = 0; i < n; i++) {
            rt_release(list[i]);
        }
        rt_free(list);
        return -1;
    }
    *out = RT_V_TENSORS((rt_tensor *const *)list, n);
    return 0;
}

static rt_status host_forward(rt_module *m, const rt_value *args, int nargs,
                              rt_value *result, rt_error *err)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *self = ((box *)rt_module_context(m))->self;
    rt_status status = RT_OK;
    if (!self) {
        status = rt_fail(err, RT_E_HOST, "%s: the Python object of this module "
                         "is gone", rt_module_name(m));
    } else {
        PyObject *a = arguments(args, nargs);
        PyObject *r = a ? PyObject_Call(self, a, NULL) : NULL;
        if (!r || give_result(r, result) < 0) {
            status = py_stash(err);
        }
        Py_XDECREF(r);
        Py_XDECREF(a);
    }
    PyGILState_Release(state);
    return status;
}

static char *host_describe(rt_module *m)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *self = ((box *)rt_module_context(m))->self;
    PyObject *text = self ? PyObject_CallMethod(self, "extra_repr", NULL)
                          : NULL;
    const char *s = text && PyUnicode_Check(text) ? PyUnicode_AsUTF8(text)
                                                  : NULL;
    char *copy = rt_strdup(s ? s : "");
    PyErr_Clear();
    Py_XDECREF(text);
    PyGILState_Release(state);
    return copy;
}

static void host_destroy(void *ctx)
{
    PyMem_RawFree(ctx);
}

/* One rt_module_class for each Python class, made at its first instance and
 * never freed: modules in C may outlive the class. */
static const rt_module_class *host_class(PyTypeObject *type)
{
    static PyObject *key;
    if (!key) {
        key = PyUnicode_InternFromString("__rt_class__");
    }
    PyObject *capsule = PyDict_GetItem(type->tp_dict, key);
    if (capsule) {
        return PyCapsule_GetPointer(capsule, "rt_module_class");
    }
    rt_module_class *cls = PyMem_RawCalloc(1, sizeof *cls);
    const char *dot = strrchr(type->tp_name, '.');
    if (!cls) {
        PyErr_NoMemory();
        return NULL;
    }
    *cls = (rt_module_class){rt_strdup(dot ? dot + 1 : type->tp_name),
                             host_forward, host_describe, host_destroy};
    capsule = PyCapsule_New(cls, "rt_module_class", NULL);
    int failed = capsule ? PyDict_SetItem(type->tp_dict, key, capsule) : -1;
    Py_XDECREF(capsule);
    return failed ? NULL : cls;
}

static void nothing(void *object)
{
}

void py_module_adopt(py_module *self, rt_module *m)
{
    rt_peer *peer = rt_module_peer(m);
    self->m = m;
    peer->object = self;
    peer->released = nothing;   /* the object owns the module */
}

int py_module_attach(py_module *self)
{
    const rt_module_class *cls = host_class(Py_TYPE(self));
    box *b = cls ? PyMem_RawMalloc(sizeof *b) : NULL;
    rt_module *m = NULL;
    rt_error err = {.code = RT_OK};
    if (!b) {
        return -1;
    }
    b->self = (PyObject *)self;
    if (rt_module_new(&m, cls, b, &err) != RT_OK) {
        PyMem_RawFree(b);
        py_raise(&err);
        return -1;
    }
    py_module_adopt(self, m);
    self->host = true;
    return 0;
}

void py_module_sever(py_module *self)
{
    ((box *)rt_module_context(self->m))->self = NULL;
}

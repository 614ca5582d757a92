/* SPDX-License-Identifier: MIT
 * Errors of the runtime as Python exceptions, one class for each row of
 * errors.def, and the exceptions that callbacks leave behind.
 */
#include "python/rustorch/_C/binding.h"

#include <stdarg.h>

static PyObject *base_class, *tensor_class;
static PyObject *classes[RT_STATUS_COUNT];

/* The exception of a failed callback, until the call that made it returns. */
static _Thread_local PyObject *stash[3];

rt_status py_stash(rt_error *err)
{
    for (int i = 0; i < 3; i++) {
        Py_CLEAR(stash[i]);
    }
    PyErr_Fetch(&stash[0], &stash[1], &stash[2]);
    PyErr_NormalizeException(&stash[0], &stash[1], &stash[2]);
    PyObject *text = stash[1] ? PyObject_Str(stash[1]) : NULL;
    const char *s = text ? PyUnicode_AsUTF8(text) : NULL;
    rt_status code =
        stash[0] && PyErr_GivenExceptionMatches(stash[0],
                                                PyExc_KeyboardInterrupt)
            ? RT_E_INTERRUPT
            : RT_E_HOST;
    rt_fail(err, code, "%s: %.700s",
            stash[0] ? ((PyTypeObject *)stash[0])->tp_name : "error",
            s ? s : "");
    PyErr_Clear();
    Py_XDECREF(text);
    return code;
}

static bool restore_stash(void)
{
    if (!stash[0]) {
        return false;
    }
    PyErr_Restore(stash[0], stash[1], stash[2]);
    stash[0] = stash[1] = stash[2] = NULL;
    return true;
}

static PyObject *shape_tuple(const rt_error *err, int i)
{
    int64_t dims[RT_ERROR_DIMS];
    int n = err->ndim[i] < RT_ERROR_DIMS ? err->ndim[i] : RT_ERROR_DIMS;
    for (int k = 0; k < n; k++) {
        dims[k] = err->shape[i][k];
    }
    return py_size_object(n, dims);
}

static void set_attribute(PyObject *e, const char *name, PyObject *value)
{
    if (value) {
        PyObject_SetAttrString(e, name, value);
        Py_DECREF(value);
    }
}

/* Attributes that tell a program what the message tells a person. */
static void describe(PyObject *e, const rt_error *err)
{
    set_attribute(e, "code",
                  PyUnicode_FromString(rt_error_describe(err->code)->code));
    set_attribute(e, "help", PyUnicode_FromString(err->help));
    set_attribute(e, "op", PyUnicode_FromString(err->op));
    for (int i = 0; i < err->nshapes && i < 2; i++) {
        set_attribute(e, i ? "shape2" : "shape1", shape_tuple(err, i));
    }
}

static PyObject *raise_interrupt(void)
{
    rt_interrupt_clear();
    if (restore_stash()) {
        return NULL;
    }
    if (PyErr_CheckSignals() == 0) {
        PyErr_SetNone(PyExc_KeyboardInterrupt);
    }
    return NULL;
}

PyObject *py_raise(const rt_error *err)
{
    if (err->code == RT_E_INTERRUPT) {
        return raise_interrupt();
    }
    if (err->code == RT_E_HOST && restore_stash()) {
        return NULL;
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    PyObject *cls = err->code > RT_OK && err->code < RT_STATUS_COUNT
                        ? classes[err->code] : base_class;
    PyObject *text = err->help[0]
        ? PyUnicode_FromFormat("%s\n  help: %s", err->message, err->help)
        : PyUnicode_DecodeUTF8(err->message, (Py_ssize_t)strlen(err->message),
                               "replace");
    PyObject *e = text ? PyObject_CallOneArg(cls, text) : NULL;
    if (e) {
        describe(e, err);
        if (!PyErr_Occurred()) {
            PyErr_SetObject(cls, e);
        }
    }
    Py_XDECREF(e);
    Py_XDECREF(text);
    return NULL;
}

PyObject *py_fail(rt_status code, const char *format, ...)
{
    rt_error err = {.code = RT_OK};
    char text[sizeof err.message];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    rt_fail(&err, code, "%s", text);
    err.help[0] = err.op[0] = 0;
    err.nshapes = 0;
    return py_raise(&err);
}

/* Class `name` in rustorch.errors over the given bases. */
static PyObject *make_class(PyObject *module, const char *name,
                            const char *doc, PyObject *bases)
{
    char full[96];
    snprintf(full, sizeof full, "rustorch.errors.%s", name);
    PyObject *cls = PyErr_NewExceptionWithDoc(full, doc, bases, NULL);
    if (cls && PyModule_AddObjectRef(module, name, cls) < 0) {
        Py_CLEAR(cls);
    }
    return cls;
}

/* What is wrong with a tensor argument, as against a device or a file. */
static bool about_tensors(rt_status code)
{
    return code == RT_E_SHAPE || code == RT_E_DTYPE || code == RT_E_INDEX ||
           code == RT_E_ARGUMENT || code == RT_E_TYPE ||
           code == RT_E_UNSUPPORTED || code == RT_E_NAME;
}

static int add_row(PyObject *module, PyObject *builtins, rt_status code)
{
    const rt_error_info *row = rt_error_describe(code);
    if (code == RT_E_INTERRUPT) {   /* Python has its own */
        classes[code] = Py_NewRef(PyExc_KeyboardInterrupt);
        return 0;
    }
    PyObject *parent = about_tensors(code) ? tensor_class : base_class;
    PyObject *builtin = PyObject_GetAttrString(builtins, row->builtin);
    if (!builtin) {
        return -1;
    }
    PyObject *bases = PyObject_IsSubclass(base_class, builtin)
                          ? PyTuple_Pack(1, parent)
                          : PyTuple_Pack(2, parent, builtin);
    Py_DECREF(builtin);
    if (bases) {
        classes[code] = make_class(module, row->exception, row->doc, bases);
        Py_DECREF(bases);
    }
    return classes[code] ? 0 : -1;
}

int py_errors_init(PyObject *module)
{
    base_class = make_class(module, "RusTorchError",
                            "Anything the RusTorch runtime refuses to do.",
                            PyExc_RuntimeError);
    if (!base_class) {
        return -1;
    }
    tensor_class = make_class(module, "TensorError",
                              "A tensor argument that does not fit.",
                              base_class);
    PyObject *builtins = tensor_class ? PyImport_ImportModule("builtins")
                                      : NULL;
    if (!builtins) {
        return -1;
    }
    int failed = 0;
    for (int i = 1; i < RT_STATUS_COUNT && !failed; i++) {
        failed = add_row(module, builtins, (rt_status)i);
    }
    Py_DECREF(builtins);
    return failed;
}

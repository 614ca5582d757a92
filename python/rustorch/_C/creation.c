/* SPDX-License-Identifier: MIT
 * Tensors from Python data: numbers, nested lists, arrays.
 */
#include "python/rustorch/_C/binding.h"

/* --- nested lists ---------------------------------------------------------------- */

enum { KIND_BOOL, KIND_INT, KIND_FLOAT };

typedef struct nest {
    int ndim;                  /* -1 until the first leaf is seen */
    int64_t shape[RT_MAX_DIMS];
    int kind;
    rt_dtype dtype;            /* what is written */
    char *p;                   /* where the next leaf goes */
} nest;

static bool is_list(PyObject *o)
{
    return PyList_Check(o) || PyTuple_Check(o);
}

static int leaf_kind(PyObject *o)
{
    if (PyBool_Check(o)) {
        return KIND_BOOL;
    }
    if (PyLong_Check(o)) {
        return KIND_INT;
    }
    if (PyFloat_Check(o)) {
        return KIND_FLOAT;
    }
    if (py_is_tensor(o)) {
        rt_dtype d = rt_tensor_dtype(PY_T(o));
        return d == RT_BOOL ? KIND_BOOL
                            : rt_dtype_is_floating(d) ? KIND_FLOAT : KIND_INT;
    }
    return PyIndex_Check(o) ? KIND_INT : KIND_FLOAT;
}

static int measure_list(nest *x, PyObject *o, int depth);

static int measure(nest *x, PyObject *o, int depth)
{
    if (is_list(o)) {
        return measure_list(x, o, depth);
    }
    if (x->ndim < 0) {
        x->ndim = depth;
    }
    if (depth != x->ndim) {
        py_fail(RT_E_SHAPE, "tensor: the nested lists have numbers at depth %d "
                "and at depth %d; all rows must be nested alike", x->ndim,
                depth);
        return -1;
    }
    int kind = leaf_kind(o);
    x->kind = kind > x->kind ? kind : x->kind;
    return 0;
}

static int measure_list(nest *x, PyObject *o, int depth)
{
    int64_t n = PySequence_Fast_GET_SIZE(o);
    if (depth == RT_MAX_DIMS || (x->ndim >= 0 && depth >= x->ndim)) {
        py_fail(RT_E_SHAPE, "tensor: expected a number at depth %d, got a list "
                "of %lld", depth, (long long)n);
        return -1;
    }
    if (x->shape[depth] < 0) {
        x->shape[depth] = n;
    } else if (x->shape[depth] != n) {
        py_fail(RT_E_SHAPE, "tensor: expected a sequence of length %lld at "
                "dimension %d, got one of length %lld",
                (long long)x->shape[depth], depth, (long long)n);
        return -1;
    }
    if (n == 0 && x->ndim < 0) {
        x->ndim = depth + 1;
        x->kind = KIND_FLOAT;
    }
    for (int64_t i = 0; i < n; i++) {
        if (measure(x, PySequence_Fast_GET_ITEM(o, i), depth + 1) < 0) {
            return -1;
        }
    }
    return 0;
}

static int write_leaf(nest *x, PyObject *o)
{
    if (x->dtype == RT_FLOAT32 || x->dtype == RT_FLOAT64) {
        double v = PyFloat_AsDouble(o);
        if (v == -1 && PyErr_Occurred()) {
            return -1;
        }
        if (x->dtype == RT_FLOAT32) {
            *(float *)x->p = (float)v;
        } else {
            *(double *)x->p = v;
        }
    } else if (x->dtype == RT_BOOL) {
        int v = PyObject_IsTrue(o);
        if (v < 0) {
            return -1;
        }
        *x->p = (char)v;
    } else {
        PyObject *index = PyNumber_Index(o);
        int64_t v = index ? PyLong_AsLongLong(index) : -1;
        Py_XDECREF(index);
        if (v == -1 && PyErr_Occurred()) {
            return -1;
        }
        *(int64_t *)x->p = v;
    }
    x->p += rt_dtype_size(x->dtype);
    return 0;
}

static int write_list(nest *x, PyObject *o, int depth)
{
    if (depth == x->ndim) {
        return write_leaf(x, o);
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); i++) {
        if (write_list(x, PySequence_Fast_GET_ITEM(o, i), depth + 1) < 0) {
            return -1;
        }
    }
    return 0;
}

/* --- conversion ---------------------------------------------------------------------- */

/* Replaces *t by t.to(dtype), when that differs. */
static int convert(rt_tensor **t, rt_dtype dtype)
{
    rt_error err = {.code = RT_OK};
    rt_value r[RT_MAX_RESULTS] = {{0}};
    if (dtype == RT_DTYPE_NONE || rt_tensor_dtype(*t) == dtype) {
        return 0;
    }
    const rt_value v[] = {RT_V_TENSOR(*t), RT_V_DTYPE(dtype)};
    const rt_op *op = py_op("to");
    rt_status status = op ? rt_call(op, v, 2, r, &err) : RT_E_INTERNAL;
    rt_release(*t);
    *t = NULL;
    if (status != RT_OK) {
        py_raise(&err);
        return -1;
    }
    *t = r[0].t;
    return 0;
}

static rt_dtype natural(int kind, rt_dtype wanted)
{
    if (kind == KIND_FLOAT) {
        rt_dtype d = wanted == RT_DTYPE_NONE ? rt_default_dtype() : wanted;
        return d == RT_FLOAT32 ? RT_FLOAT32 : RT_FLOAT64;
    }
    if (wanted == RT_FLOAT32 || wanted == RT_FLOAT64) {
        return wanted;
    }
    return kind == KIND_BOOL ? RT_BOOL : RT_INT64;
}

/* A list whose leaves are arrays: converts each and stacks. */
static int stack(rt_tensor **out, PyObject *o, rt_dtype dtype)
{
    Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
    rt_tensor **parts = PyMem_Calloc((size_t)n, sizeof *parts);
    rt_error err = {.code = RT_OK};
    rt_value r[RT_MAX_RESULTS] = {{0}};
    int failed = parts ? 0 : -1;
    for (Py_ssize_t i = 0; i < n && !failed; i++) {
        failed = py_as_tensor(&parts[i], PySequence_Fast_GET_ITEM(o, i), dtype);
    }
    const rt_op *op = py_op("stack");
    if (!failed && op) {
        const rt_value v[] = {RT_V_TENSORS((rt_tensor *const *)parts, n)};
        bool grad = rt_set_grad_enabled(false);
        failed = rt_call(op, v, 1, r, &err) == RT_OK ? 0 : -1;
        rt_set_grad_enabled(grad);
        if (failed) {
            py_raise(&err);
        }
        *out = r[0].t;
    }
    for (Py_ssize_t i = 0; parts && i < n; i++) {
        rt_release(parts[i]);
    }
    PyMem_Free(parts);
    return failed;
}

/* Whether the innermost first item is an array of its own. */
static bool of_arrays(PyObject *o)
{
    while (is_list(o)) {
        if (PySequence_Fast_GET_SIZE(o) == 0) {
            return false;
        }
        o = PySequence_Fast_GET_ITEM(o, 0);
    }
    if (py_is_tensor(o)) {
        return rt_tensor_ndim(PY_T(o)) > 0;
    }
    return PyObject_CheckBuffer(o) && PyObject_HasAttrString(o, "__len__") &&
           !PyNumber_Check(o) ? true
         : PyObject_HasAttrString(o, "__array__") && PySequence_Check(o);
}

static int from_list(rt_tensor **out, PyObject *o, rt_dtype dtype)
{
    nest x = {.ndim = -1, .kind = KIND_BOOL};
    rt_error err = {.code = RT_OK};
    rt_tensor *t = NULL;
    if (of_arrays(o)) {
        return stack(out, o, dtype);
    }
    for (int i = 0; i < RT_MAX_DIMS; i++) {
        x.shape[i] = -1;
    }
    if (measure(&x, o, 0) < 0) {
        return -1;
    }
    x.dtype = natural(x.kind, dtype);
    if (rt_tensor_new(&t, x.dtype, x.ndim, x.shape, &err) != RT_OK) {
        py_raise(&err);
        return -1;
    }
    x.p = rt_tensor_data(t);
    rt_dtype final = dtype != RT_DTYPE_NONE ? dtype
                   : x.kind == KIND_FLOAT ? rt_default_dtype() : x.dtype;
    if (write_list(&x, o, 0) < 0 || convert(&t, final) < 0) {
        rt_release(t);
        return -1;
    }
    *out = t;
    return 0;
}

/* An object with __array__ (and no buffer), such as a pandas column. */
static int from_array_method(rt_tensor **out, PyObject *o)
{
    PyObject *array = PyObject_CallMethod(o, "__array__", NULL);
    int failed = array ? py_from_buffer(out, array, true) : -1;
    Py_XDECREF(array);
    if (!failed && !*out) {
        py_fail(RT_E_TYPE, "tensor: %s.__array__() gave no array",
                Py_TYPE(o)->tp_name);
        return -1;
    }
    return failed;
}

int py_as_tensor(rt_tensor **out, PyObject *o, rt_dtype dtype)
{
    rt_tensor *t = NULL;
    if (py_is_tensor(o)) {
        t = rt_retain(PY_T(o));
    } else if (is_list(o) || PyLong_Check(o) || PyFloat_CheckExact(o)) {
        return from_list(out, o, dtype);   /* numpy.float64 keeps its dtype */
    } else {
        if (py_from_buffer(&t, o, true) < 0) {
            return -1;
        }
        if (!t && PyObject_HasAttrString(o, "__dlpack__") &&
            PyObject_HasAttrString(o, "detach")) {
            PyObject *plain = PyObject_CallMethod(o, "detach", NULL);
            PyObject *made = plain ? py_from_dlpack(NULL, plain) : NULL;
            Py_XDECREF(plain);
            if (made) {
                t = rt_retain(PY_T(made));
                Py_DECREF(made);
            } else {
                return -1;
            }
        }
        if (!t && PyObject_HasAttrString(o, "__array__") &&
            from_array_method(&t, o) < 0) {
            return -1;
        }
        if (!t && PySequence_Check(o) && !PyUnicode_Check(o)) {
            PyObject *list = PySequence_List(o);
            int failed = list ? from_list(out, list, dtype) : -1;
            Py_XDECREF(list);
            return failed;
        }
        if (!t && PyNumber_Check(o)) {
            return from_list(out, o, dtype);
        }
        if (!t) {
            py_fail(RT_E_TYPE, "tensor: cannot make a tensor of %s; expected "
                    "numbers, nested lists or an array", Py_TYPE(o)->tp_name);
            return -1;
        }
    }
    if (convert(&t, dtype) < 0) {
        return -1;
    }
    *out = t;
    return 0;
}

int py_copy_tensor(rt_tensor **out, PyObject *o, rt_dtype dtype)
{
    rt_tensor *t = NULL;
    rt_error err = {.code = RT_OK};
    if (py_as_tensor(&t, o, dtype) < 0) {
        return -1;
    }
    if (is_list(o) || PyLong_Check(o) || PyFloat_CheckExact(o)) {
        *out = t;
        return 0;
    }
    rt_value r[RT_MAX_RESULTS] = {{0}};
    const rt_value v[] = {RT_V_TENSOR(t)};
    const rt_op *op = py_op("clone");
    bool grad = rt_set_grad_enabled(false);
    rt_status status = op ? rt_call(op, v, 1, r, &err) : RT_E_INTERNAL;
    rt_set_grad_enabled(grad);
    rt_release(t);
    if (status != RT_OK) {
        py_raise(&err);
        return -1;
    }
    *out = r[0].t;
    return 0;
}

/* --- functions ------------------------------------------------------------------------- */

/* What tensor() and as_tensor() have in common. */
static PyObject *make(PyObject *args, PyObject *kw, bool copy)
{
    static char *names[] = {"data", "dtype", "device", "requires_grad",
                            "pin_memory", NULL};
    PyObject *data, *dtype = NULL, *device = Py_None;
    int grad = 0, pin = 0;
    rt_dtype d;
    rt_device where = {RT_CPU, -1};
    rt_error err = {.code = RT_OK};
    rt_tensor *t = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kw, copy ? "O|$OOpp:tensor"
                                                    : "O|OOpp:as_tensor",
                                     names, &data, &dtype, &device, &grad,
                                     &pin) ||
        py_dtype_of(dtype, &d) < 0 ||
        (device != Py_None && py_device_of(device, &where) < 0)) {
        return NULL;
    }
    if (rt_device_check(where, &err) != RT_OK) {
        return py_raise(&err);
    }
    if ((copy ? py_copy_tensor : py_as_tensor)(&t, data, d) < 0) {
        return NULL;
    }
    if (grad && rt_set_requires_grad(t, true, &err) != RT_OK) {
        rt_release(t);
        return py_raise(&err);
    }
    return py_wrap(t);
}

static PyObject *tensor(PyObject *m, PyObject *args, PyObject *kw)
{
    return make(args, kw, true);
}

static PyObject *as_tensor(PyObject *m, PyObject *args, PyObject *kw)
{
    return make(args, kw, false);
}

static PyMethodDef methods[] = {
    {"tensor", (PyCFunction)(void (*)(void))tensor,
     METH_VARARGS | METH_KEYWORDS,
     "tensor(data, *, dtype=None, device=None, requires_grad=False, "
     "pin_memory=False)\n--\n\nA new tensor with a copy of data: numbers, "
     "nested lists, arrays. Integers give int64, floats the default dtype."},
    {"as_tensor", (PyCFunction)(void (*)(void))as_tensor,
     METH_VARARGS | METH_KEYWORDS,
     "as_tensor(data, dtype=None, device=None)\n--\n\nA tensor of data that "
     "shares its memory where dtype and layout allow."},
    {0}};

int py_creation_init(PyObject *module)
{
    return PyModule_AddFunctions(module, methods);
}

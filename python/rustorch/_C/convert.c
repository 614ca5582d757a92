/* SPDX-License-Identifier: MIT
 * Python objects as rt_values and back.
 */
#include "python/rustorch/_C/binding.h"

void py_scratch_dispose(py_scratch *s)
{
    for (int i = 0; i < s->nmade; i++) {
        rt_release(s->made[i]);
    }
    for (int i = 0; i < s->nblocks; i++) {
        rt_free(s->blocks[i]);
    }
    s->nmade = s->nblocks = 0;
}

/* Room for n items of a list: from the scratch if it has that much, else on
 * the heap until the scratch is disposed of. */
static void *room(py_scratch *s, void *own, int *used, int have, Py_ssize_t n,
                  size_t size)
{
    if (n <= have - *used) {
        char *p = (char *)own + (size_t)*used * size;
        *used += (int)n;
        return p;
    }
    if (s->nblocks == RT_MAX_ARGS || n > INT32_MAX) {
        py_fail(RT_E_LIMIT, "a list of %zd items is too long here", n);
        return NULL;
    }
    void *block = rt_alloc((size_t)n * size);
    if (!block) {
        PyErr_NoMemory();
        return NULL;
    }
    return s->blocks[s->nblocks++] = block;
}

static int keep(py_scratch *s, rt_tensor *t)
{
    if (s->nmade == RT_MAX_ARGS) {
        rt_release(t);
        py_fail(RT_E_LIMIT, "too many arrays among the arguments of one call");
        return -1;
    }
    s->made[s->nmade++] = t;
    s->elements += rt_tensor_numel(t);
    return 0;
}

/* What kind of list a sequence is, from its items. */
static rt_kind list_kind(PyObject **items, Py_ssize_t n)
{
    rt_kind kind = RT_K_INTS;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *o = items[i];
        if (PyLong_Check(o)) {
            continue;
        }
        if (PyFloat_Check(o)) {
            kind = kind == RT_K_INTS ? RT_K_FLOATS : kind;
        } else if (py_is_tensor(o) || o == Py_None) {
            return RT_K_TENSORS;
        } else if (py_is_module(o)) {
            return RT_K_MODULES;
        } else if (PyIndex_Check(o)) {
            continue;
        } else {
            return RT_K_UNSET;
        }
    }
    return kind;
}

static int ints_value(py_scratch *s, PyObject **items, Py_ssize_t n,
                      rt_value *out)
{
    int64_t *p = room(s, s->ints, &s->nints, 2 * RT_MAX_DIMS, n, sizeof *p);
    if (!p) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *index = PyNumber_Index(items[i]);
        p[i] = index ? PyLong_AsLongLong(index) : -1;
        Py_XDECREF(index);
        if (p[i] == -1 && PyErr_Occurred()) {
            return -1;
        }
    }
    *out = RT_V_INTS(p, n);
    return 0;
}

static int floats_value(py_scratch *s, PyObject **items, Py_ssize_t n,
                        rt_value *out)
{
    double *p = room(s, s->floats, &s->nfloats, RT_MAX_DIMS, n, sizeof *p);
    if (!p) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        p[i] = PyFloat_AsDouble(items[i]);
        if (p[i] == -1 && PyErr_Occurred()) {
            return -1;
        }
    }
    *out = RT_V_FLOATS(p, n);
    return 0;
}

static int tensors_value(py_scratch *s, PyObject **items, Py_ssize_t n,
                         rt_value *out)
{
    rt_tensor **p = room(s, s->tensors, &s->ntensors, 16, n, sizeof *p);
    if (!p) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (items[i] == Py_None) {
            p[i] = NULL;
        } else if (py_is_tensor(items[i])) {
            p[i] = PY_T(items[i]);
            s->elements += rt_tensor_numel(p[i]);
        } else if (py_as_tensor(&p[i], items[i], RT_DTYPE_NONE) < 0 ||
                   keep(s, p[i]) < 0) {
            return -1;
        }
    }
    *out = RT_V_TENSORS((rt_tensor *const *)p, n);
    return 0;
}

static int modules_value(py_scratch *s, PyObject **items, Py_ssize_t n,
                         rt_value *out)
{
    int none = 0;
    rt_module **p = room(s, NULL, &none, 0, n ? n : 1, sizeof *p);
    if (!p) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!py_is_module(items[i]) || !PY_M(items[i])) {
            py_fail(RT_E_TYPE, "expected modules, got %s in the list",
                    Py_TYPE(items[i])->tp_name);
            return -1;
        }
        p[i] = PY_M(items[i]);
    }
    *out = RT_V_MODULES((rt_module *const *)p, n);
    return 0;
}

static int list_value(py_scratch *s, PyObject *o, rt_value *out)
{
    PyObject *fast = PySequence_Fast(o, "expected a list or tuple");
    if (!fast) {
        return -1;
    }
    PyObject **items = PySequence_Fast_ITEMS(fast);
    Py_ssize_t n = PySequence_Fast_GET_SIZE(fast);
    int failed = -1;
    switch (list_kind(items, n)) {
    case RT_K_INTS: failed = ints_value(s, items, n, out); break;
    case RT_K_FLOATS: failed = floats_value(s, items, n, out); break;
    case RT_K_TENSORS: failed = tensors_value(s, items, n, out); break;
    case RT_K_MODULES: failed = modules_value(s, items, n, out); break;
    default: {
        /* Arrays, nested lists: one tensor of it all. */
        rt_tensor *t = NULL;
        failed = py_as_tensor(&t, o, RT_DTYPE_NONE);
        if (!failed && !(failed = keep(s, t))) {
            *out = RT_V_TENSOR(t);
        }
    }
    }
    Py_DECREF(fast);   /* o keeps the items alive */
    return failed;
}

static int number_value(PyObject *o, rt_value *out)
{
    if (PyBool_Check(o)) {
        *out = RT_V_BOOL(o == Py_True);
        return 0;
    }
    if (PyFloat_Check(o)) {
        *out = RT_V_FLOAT(PyFloat_AS_DOUBLE(o));
        return 0;
    }
    int overflow = 0;
    long long i = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow) {
        PyErr_SetString(PyExc_OverflowError,
                        "an integer beyond 64 bits has no place in a tensor");
        return -1;
    }
    *out = RT_V_INT(i);
    return 0;
}

/* Objects of other libraries: NumPy's arrays and scalars, anything with
 * __index__, __float__ or __array__. */
static int foreign_value(py_scratch *s, PyObject *o, rt_value *out)
{
    if (PyType_Check(o)) {
        rt_dtype d;
        if (py_dtype_of(o, &d) < 0) {
            return -1;
        }
        *out = RT_V_DTYPE(d);
        return 0;
    }
    if (PyObject_HasAttrString(o, "__array__")) {
        rt_tensor *t = NULL;
        if (py_as_tensor(&t, o, RT_DTYPE_NONE) < 0 || keep(s, t) < 0) {
            return -1;
        }
        bool scalar = rt_tensor_ndim(t) == 0 &&
                      !PyObject_HasAttrString(o, "flags");
        rt_error err = {.code = RT_OK};
        if (!scalar) {
            *out = RT_V_TENSOR(t);
        } else if (rt_tensor_item(out, t, &err) != RT_OK) {
            py_raise(&err);
            return -1;
        }
        return 0;
    }
    if (PyIndex_Check(o)) {
        PyObject *index = PyNumber_Index(o);
        int failed = index ? number_value(index, out) : -1;
        Py_XDECREF(index);
        return failed;
    }
    if (PyIter_Check(o)) {
        PyObject *list = PySequence_List(o);   /* generators of sizes */
        int failed = list ? list_value(s, list, out) : -1;
        Py_XDECREF(list);
        return failed;
    }
    rt_dtype d;
    if (PyObject_HasAttrString(o, "itemsize") && !py_dtype_of(o, &d)) {
        *out = RT_V_DTYPE(d);   /* numpy.dtype */
        return 0;
    }
    PyErr_Clear();
    py_fail(RT_E_TYPE, "a value of type %s is not understood here; expected a "
            "tensor, number, list, dtype, device or None", Py_TYPE(o)->tp_name);
    return -1;
}

int py_to_value(py_scratch *s, PyObject *o, rt_value *out)
{
    if (py_is_tensor(o)) {
        *out = RT_V_TENSOR(PY_T(o));
        s->elements += rt_tensor_numel(PY_T(o));
        return 0;
    }
    if (PyLong_Check(o) || PyFloat_Check(o)) {
        return number_value(o, out);
    }
    if (o == Py_None) {
        *out = RT_NONE;
        return 0;
    }
    if (PyTuple_Check(o) || PyList_Check(o)) {
        return list_value(s, o, out);
    }
    if (PyUnicode_Check(o)) {
        const char *text = PyUnicode_AsUTF8(o);
        *out = RT_V_STRING(text);
        return text ? 0 : -1;
    }
    if (Py_TYPE(o) == py_DType) {
        rt_dtype d;
        py_dtype_of(o, &d);
        *out = RT_V_DTYPE(d);
        return 0;
    }
    if (Py_TYPE(o) == py_Device) {
        *out = (rt_value){.kind = RT_K_DEVICE};
        return py_device_of(o, &out->device);
    }
    if (py_is_module(o)) {
        if (!PY_M(o)) {
            py_fail(RT_E_TYPE, "%s: call super().__init__() first",
                    Py_TYPE(o)->tp_name);
            return -1;
        }
        *out = RT_V_MODULE(PY_M(o));
        return 0;
    }
    rt_generator *g = py_generator_of(o);
    if (g) {
        *out = (rt_value){.kind = RT_K_GENERATOR, .g = g};
        return 0;
    }
    return foreign_value(s, o, out);
}

/* --- results -------------------------------------------------------------------- */

static PyObject *list_from(const rt_value *v)
{
    PyObject *tuple = PyTuple_New(v->count);
    for (int i = 0; tuple && i < v->count; i++) {
        PyObject *o = v->kind == RT_K_INTS ? PyLong_FromLongLong(v->ints[i])
            : v->kind == RT_K_FLOATS ? PyFloat_FromDouble(v->floats[i])
            : v->kind == RT_K_TENSORS ? py_wrap_borrowed(v->tensors[i])
            : py_wrap_module(rt_module_retain(v->modules[i]));
        if (!o) {
            Py_CLEAR(tuple);
            break;
        }
        PyTuple_SET_ITEM(tuple, i, o);
    }
    return tuple;
}

PyObject *py_from_value(rt_value *v)
{
    PyObject *o = NULL;
    switch (v->kind) {
    case RT_K_TENSOR:
        o = py_wrap(v->t);
        *v = RT_UNSET;
        return o;
    case RT_K_MODULE:
        o = py_wrap_module(v->m);
        *v = RT_UNSET;
        return o;
    case RT_K_BOOL: return PyBool_FromLong(v->b);
    case RT_K_INT: return PyLong_FromLongLong(v->i);
    case RT_K_FLOAT: return PyFloat_FromDouble(v->f);
    case RT_K_STRING: o = PyUnicode_FromString(v->s); break;
    case RT_K_DTYPE:
        if (v->dtype == RT_DTYPE_NONE) {
            Py_RETURN_NONE;
        }
        return py_dtype_object((rt_dtype)v->dtype);
    case RT_K_DEVICE: return py_device_object(v->device);
    case RT_K_GENERATOR: o = py_generator_object(v->g); break;
    case RT_K_INTS: case RT_K_FLOATS: case RT_K_TENSORS: case RT_K_MODULES:
        o = list_from(v);
        break;
    default: Py_RETURN_NONE;
    }
    rt_value_release(v);
    return o;
}

PyObject *py_from_borrowed(const rt_value *v)
{
    rt_value copy = *v;
    switch (v->kind) {
    case RT_K_TENSOR: return py_wrap_borrowed(v->t);
    case RT_K_MODULE: return py_wrap_module(rt_module_retain(v->m));
    case RT_K_STRING: return PyUnicode_FromString(v->s);
    case RT_K_GENERATOR: return py_generator_object(v->g);
    case RT_K_INTS: case RT_K_FLOATS: case RT_K_TENSORS: case RT_K_MODULES:
        return list_from(v);
    default: return py_from_value(&copy);
    }
}

PyObject *py_text(char *text)
{
    PyObject *o = text ? PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text),
                                              "replace")
                       : PyErr_NoMemory();
    rt_free(text);
    return o;
}

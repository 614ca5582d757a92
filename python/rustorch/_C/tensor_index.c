/* SPDX-License-Identifier: MIT
 * t[...] and t[...] = value.
 */
#include "python/rustorch/_C/binding.h"

typedef struct items {
    rt_index list[RT_MAX_DIMS];
    rt_tensor *made[RT_MAX_DIMS];   /* from lists and arrays */
    int n, nmade;
} items;

static void dispose(items *x)
{
    for (int i = 0; i < x->nmade; i++) {
        rt_release(x->made[i]);
    }
}

static int bound(PyObject *o, bool *given, int64_t *out)
{
    *given = o != Py_None;
    if (!*given) {
        return 0;
    }
    PyObject *index = PyNumber_Index(o);
    *out = index ? PyLong_AsLongLong(index) : -1;
    Py_XDECREF(index);
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

static int add_slice(rt_index *x, PyObject *o)
{
    PySliceObject *s = (PySliceObject *)o;
    bool given;
    x->kind = RT_I_SLICE;
    x->step = 1;
    if (bound(s->start, &x->has_start, &x->start) < 0 ||
        bound(s->stop, &x->has_stop, &x->stop) < 0 ||
        bound(s->step, &given, &x->step) < 0) {
        return -1;
    }
    if (x->step <= 0) {
        py_fail(RT_E_ARGUMENT, "slice: the step must be positive, got %lld; "
                "reverse with flip()", (long long)x->step);
        return -1;
    }
    return 0;
}

static int add_array(items *x, rt_index *i, PyObject *o)
{
    rt_tensor *t = NULL;
    if (py_as_tensor(&t, o, RT_DTYPE_NONE) < 0) {
        return -1;
    }
    if (rt_tensor_numel(t) == 0 && rt_dtype_is_floating(rt_tensor_dtype(t))) {
        rt_tensor *empty = NULL;   /* [] selects nothing */
        rt_error err = {.code = RT_OK};
        rt_status bad = rt_tensor_new(&empty, RT_INT64, rt_tensor_ndim(t),
                                      rt_tensor_shape(t), &err);
        rt_release(t);
        if (bad) {
            py_raise(&err);
            return -1;
        }
        t = empty;
    }
    x->made[x->nmade++] = t;
    i->kind = RT_I_TENSOR;
    i->t = t;
    return 0;
}

static int add_item(items *x, PyObject *o)
{
    if (x->n == RT_MAX_DIMS) {
        py_fail(RT_E_INDEX, "more than %d indices", RT_MAX_DIMS);
        return -1;
    }
    rt_index *i = &x->list[x->n++];
    memset(i, 0, sizeof *i);
    if (PyBool_Check(o)) {
        i->kind = RT_I_BOOL;
        i->i = o == Py_True;
    } else if (PyLong_Check(o)) {
        bool given;
        i->kind = RT_I_INT;
        return bound(o, &given, &i->i);
    } else if (PySlice_Check(o)) {
        return add_slice(i, o);
    } else if (o == Py_None) {
        i->kind = RT_I_NONE;
    } else if (o == Py_Ellipsis) {
        i->kind = RT_I_ELLIPSIS;
    } else if (py_is_tensor(o)) {
        i->kind = RT_I_TENSOR;
        i->t = PY_T(o);
    } else if (!PyList_Check(o) && !PyTuple_Check(o) && PyIndex_Check(o) &&
               !PyObject_HasAttrString(o, "__len__")) {
        bool given;
        i->kind = RT_I_INT;   /* numpy.int64 and the like */
        return bound(o, &given, &i->i);
    } else if (PyUnicode_Check(o)) {
        py_fail(RT_E_TYPE, "a tensor has no named columns; index with "
                "integers, slices, tensors or lists");
        return -1;
    } else {
        return add_array(x, i, o);
    }
    return 0;
}

static int parse(items *x, PyObject *key)
{
    x->n = x->nmade = 0;
    if (!PyTuple_Check(key)) {
        return add_item(x, key);
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(key); i++) {
        if (add_item(x, PyTuple_GET_ITEM(key, i)) < 0) {
            return -1;
        }
    }
    return 0;
}

/* --- one int, one slice --------------------------------------------------------- */

static bool exact(PyObject *o, int64_t *out)
{
    int overflow = 1;
    if (PyLong_CheckExact(o)) {
        *out = PyLong_AsLongLongAndOverflow(o, &overflow);
    }
    return !overflow;
}

/* A bound of a slice: an int, or None. */
static bool exact_bound(PyObject *o, rt_value *v)
{
    *v = RT_NONE;
    if (o == Py_None) {
        return true;
    }
    *v = RT_V_INT(0);
    return exact(o, &v->i);
}

/* t[i] and t[a:b], the common keys, as the one op that they are. Returns the
 * number of arguments, 0 when the general way is needed. */
static int one_item(const rt_op **op, rt_value *v, PyObject *key)
{
    static const rt_op *select_op, *slice_op;
    v[1] = RT_V_INT(0);
    if (PyLong_CheckExact(key)) {
        *op = select_op = select_op ? select_op : py_op("select");
        v[2] = RT_V_INT(0);
        return *op && exact(key, &v[2].i) ? 3 : 0;
    }
    if (!PySlice_Check(key)) {
        return 0;
    }
    PySliceObject *s = (PySliceObject *)key;
    *op = slice_op = slice_op ? slice_op : py_op("slice");
    if (!*op || s->step != Py_None || !exact_bound(s->start, &v[2]) ||
        !exact_bound(s->stop, &v[3]) ||
        (s->start == Py_None && s->stop == Py_None)) {
        return 0;
    }
    return 4;
}

PyObject *py_tensor_subscript(PyObject *self, PyObject *key)
{
    items x;
    rt_tensor *out = NULL;
    rt_error err;
    rt_value v[4] = {RT_V_TENSOR(PY_T(self))};
    const rt_op *op;
    int n = rt_tensor_ndim(PY_T(self)) ? one_item(&op, v, key) : 0;
    if (n) {
        return py_call_op(op, v, n, 0);
    }
    rt_error_clear(&err);
    if (parse(&x, key) < 0) {
        dispose(&x);
        return NULL;
    }
    rt_status status = rt_tensor_get(&out, PY_T(self), x.list, x.n, &err);
    dispose(&x);
    return status == RT_OK ? py_wrap(out) : py_raise(&err);
}

int py_tensor_ass_subscript(PyObject *self, PyObject *key, PyObject *value)
{
    items x = {.n = 0};
    py_scratch s;
    rt_value v;
    rt_error err = {.code = RT_OK};
    PY_SCRATCH_INIT(&s);
    if (!value) {
        py_fail(RT_E_TYPE, "elements of a tensor cannot be deleted");
        return -1;
    }
    int failed = parse(&x, key);
    if (!failed && (PyList_Check(value) || PyTuple_Check(value))) {
        rt_tensor *t = NULL;
        failed = py_as_tensor(&t, value, RT_DTYPE_NONE);
        if (!failed) {
            s.made[s.nmade++] = t;
            v = RT_V_TENSOR(t);
        }
    } else if (!failed) {
        failed = py_to_value(&s, value, &v);
    }
    if (!failed && rt_tensor_set(PY_T(self), x.list, x.n, v, &err) != RT_OK) {
        py_raise(&err);
        failed = -1;
    }
    dispose(&x);
    py_scratch_dispose(&s);
    return failed;
}

/* SPDX-License-Identifier: MIT
 * Tensor's properties, and the methods that are not rows of the op catalog.
 */
#include "python/rustorch/_C/binding.h"

/* --- properties -------------------------------------------------------------- */

static PyObject *get_shape(PyObject *o, void *unused)
{
    return py_size_object(rt_tensor_ndim(PY_T(o)), rt_tensor_shape(PY_T(o)));
}

static PyObject *get_dtype(PyObject *o, void *unused)
{
    return py_dtype_object(rt_tensor_dtype(PY_T(o)));
}

static PyObject *get_device(PyObject *o, void *unused)
{
    return py_device_object(rt_tensor_device(PY_T(o)));
}

static PyObject *get_ndim(PyObject *o, void *unused)
{
    return PyLong_FromLong(rt_tensor_ndim(PY_T(o)));
}

static PyObject *get_itemsize(PyObject *o, void *unused)
{
    return PyLong_FromSize_t(rt_dtype_size(rt_tensor_dtype(PY_T(o))));
}

static PyObject *get_nbytes(PyObject *o, void *unused)
{
    rt_tensor *t = PY_T(o);
    return PyLong_FromLongLong(rt_tensor_numel(t) *
                               (int64_t)rt_dtype_size(rt_tensor_dtype(t)));
}

static PyObject *get_requires_grad(PyObject *o, void *unused)
{
    return PyBool_FromLong(rt_requires_grad(PY_T(o)));
}

static int set_requires_grad(PyObject *o, PyObject *value, void *unused)
{
    rt_error err = {.code = RT_OK};
    int on = value ? PyObject_IsTrue(value) : -1;
    if (on < 0) {
        return -1;
    }
    if (rt_set_requires_grad(PY_T(o), on, &err) != RT_OK) {
        py_raise(&err);
        return -1;
    }
    return 0;
}

static PyObject *get_is_leaf(PyObject *o, void *unused)
{
    return PyBool_FromLong(rt_is_leaf(PY_T(o)));
}

static PyObject *get_grad(PyObject *o, void *unused)
{
    rt_tensor *g = rt_grad(PY_T(o));
    return py_wrap(g ? rt_retain(g) : NULL);
}

static int set_grad(PyObject *o, PyObject *value, void *unused)
{
    rt_error err = {.code = RT_OK};
    rt_tensor *g = NULL;
    if (value && value != Py_None) {
        if (!py_is_tensor(value)) {
            py_fail(RT_E_TYPE, "grad: expected a tensor or None, got %s",
                    Py_TYPE(value)->tp_name);
            return -1;
        }
        g = PY_T(value);
    }
    if (rt_set_grad(PY_T(o), g, &err) != RT_OK) {
        py_raise(&err);
        return -1;
    }
    return 0;
}

static PyObject *get_grad_fn(PyObject *o, void *unused)
{
    return py_node_object(rt_grad_fn(PY_T(o)));
}

static PyObject *get_data(PyObject *o, void *unused)
{
    rt_error err = {.code = RT_OK};
    rt_tensor *t = NULL;
    return rt_detach(&t, PY_T(o), &err) == RT_OK ? py_wrap(t) : py_raise(&err);
}

static int set_data(PyObject *o, PyObject *value, void *unused)
{
    rt_error err = {.code = RT_OK};
    if (!value || !py_is_tensor(value)) {
        py_fail(RT_E_TYPE, "data: expected a tensor");
        return -1;
    }
    if (rt_tensor_set_data(PY_T(o), PY_T(value), &err) != RT_OK) {
        py_raise(&err);
        return -1;
    }
    return 0;
}

/* Both transposes go through the catalog's `transpose` and `permute`. */
static PyObject *swap(PyObject *o, int64_t a, int64_t b)
{
    const rt_value v[] = {RT_V_TENSOR(PY_T(o)), RT_V_INT(a), RT_V_INT(b)};
    const rt_op *op = py_op("transpose");
    return op ? py_call_op(op, v, 3, 0) : NULL;
}

static PyObject *get_T(PyObject *o, void *unused)
{
    int n = rt_tensor_ndim(PY_T(o));
    int64_t dims[RT_MAX_DIMS];
    if (n == 2) {
        return swap(o, 0, 1);
    }
    for (int i = 0; i < n; i++) {
        dims[i] = n - 1 - i;
    }
    const rt_value v[] = {RT_V_TENSOR(PY_T(o)), RT_V_INTS(dims, n)};
    const rt_op *op = py_op("permute");
    return op ? py_call_op(op, v, 2, 0) : NULL;
}

static PyObject *get_mT(PyObject *o, void *unused)
{
    if (rt_tensor_ndim(PY_T(o)) < 2) {
        return py_fail(RT_E_SHAPE, "mT: expected at least 2 dimensions, got "
                       "%d", rt_tensor_ndim(PY_T(o)));
    }
    return swap(o, -2, -1);
}

static PyObject *get_false(PyObject *o, void *unused)
{
    Py_RETURN_FALSE;
}

static PyObject *get_version(PyObject *o, void *unused)
{
    return PyLong_FromUnsignedLong(rt_tensor_version(PY_T(o)));
}

static PyObject *get_priority(PyObject *o, void *unused)
{
    return PyLong_FromLong(1000);   /* ndarray + tensor gives a tensor */
}

static PyObject *get_dict(PyObject *o, void *unused)
{
    py_track(o);
    return PyObject_GenericGetDict(o, NULL);
}

static int set_dict(PyObject *o, PyObject *dict, void *unused)
{
    py_track(o);
    return PyObject_GenericSetDict(o, dict, NULL);
}

PyGetSetDef py_tensor_getset[] = {
    {"shape", get_shape, NULL, "The sizes; also a call: x.shape().", NULL},
    {"dtype", get_dtype, NULL, "The element type.", NULL},
    {"device", get_device, NULL, "Where the elements are.", NULL},
    {"ndim", get_ndim, NULL, "How many dimensions.", NULL},
    {"itemsize", get_itemsize, NULL, "Bytes of one element.", NULL},
    {"nbytes", get_nbytes, NULL, "Bytes of all elements.", NULL},
    {"requires_grad", get_requires_grad, set_requires_grad,
     "Whether operations on it are recorded.", NULL},
    {"is_leaf", get_is_leaf, NULL, "Whether no operation made it.", NULL},
    {"grad", get_grad, set_grad, "The gradient, or None.", NULL},
    {"grad_fn", get_grad_fn, NULL, "The node that made it, or None.", NULL},
    {"data", get_data, set_data, "The same memory without history.", NULL},
    {"T", get_T, NULL, "The dimensions in reverse order.", NULL},
    {"mT", get_mT, NULL, "The last two dimensions swapped.", NULL},
    {"is_cuda", get_false, NULL, "Whether it is on a CUDA device.", NULL},
    {"is_sparse", get_false, NULL, "Always False.", NULL},
    {"is_quantized", get_false, NULL, "Always False.", NULL},
    {"_version", get_version, NULL, "How often it was written in place.", NULL},
    {"__array_priority__", get_priority, NULL, NULL, NULL},
    {"__dict__", get_dict, set_dict, NULL, NULL},
    {0}};

/* --- repr --------------------------------------------------------------------- */

static rt_print_options options = RT_PRINT_OPTIONS_INIT;

PyObject *py_tensor_repr(PyObject *self)
{
    rt_error err = {.code = RT_OK};
    char *text = NULL;
    if (rt_tensor_repr(&text, PY_T(self), &options, &err) != RT_OK) {
        return py_raise(&err);
    }
    PyObject *body = py_text(text);
    if (body && PyObject_TypeCheck(self, py_Parameter)) {
        PyObject *out = PyUnicode_FromFormat("Parameter containing:\n%U", body);
        Py_SETREF(body, out);
    }
    return body;
}

PyObject *py_set_print_options(PyObject *m, PyObject *args, PyObject *kw)
{
    rt_print_options o = RT_PRINT_OPTIONS_INIT;
    static char *names[] = {"precision", "threshold", "edgeitems", "linewidth",
                            "sci_mode", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|iiiii", names, &o.precision,
                                     &o.threshold, &o.edgeitems, &o.linewidth,
                                     &o.sci_mode)) {
        return NULL;
    }
    options = o;
    Py_RETURN_NONE;
}

/* --- methods -------------------------------------------------------------------- */

static PyObject *size(PyObject *o, PyObject *const *args, Py_ssize_t n,
                      PyObject *names)
{
    rt_tensor *t = PY_T(o);
    int ndim = rt_tensor_ndim(t);
    Py_ssize_t given = n + (names ? PyTuple_GET_SIZE(names) : 0);
    if (given == 0 || args[0] == Py_None) {
        return get_shape(o, NULL);
    }
    long long d = PyLong_AsLongLong(args[0]);
    if (d == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (d < -ndim || d >= ndim) {
        return py_fail(RT_E_INDEX, "size: dimension %lld is out of range for a "
                       "tensor of %d dimensions", d, ndim);
    }
    return PyLong_FromLongLong(rt_tensor_shape(t)[d < 0 ? d + ndim : d]);
}

static PyObject *stride(PyObject *o, PyObject *const *args, Py_ssize_t n)
{
    rt_tensor *t = PY_T(o);
    int ndim = rt_tensor_ndim(t);
    if (n == 1) {
        long long d = PyLong_AsLongLong(args[0]);
        if (d == -1 && PyErr_Occurred()) {
            return NULL;
        }
        if (d < -ndim || d >= ndim) {
            return py_fail(RT_E_INDEX, "stride: dimension %lld is out of range",
                           d);
        }
        return PyLong_FromLongLong(rt_tensor_strides(t)[d < 0 ? d + ndim : d]);
    }
    PyObject *out = PyTuple_New(ndim);
    for (int i = 0; out && i < ndim; i++) {
        PyTuple_SET_ITEM(out, i,
                         PyLong_FromLongLong(rt_tensor_strides(t)[i]));
    }
    return out;
}

static PyObject *numel(PyObject *o, PyObject *unused)
{
    return PyLong_FromLongLong(rt_tensor_numel(PY_T(o)));
}

static PyObject *dim(PyObject *o, PyObject *unused)
{
    return get_ndim(o, NULL);
}

static PyObject *element_size(PyObject *o, PyObject *unused)
{
    return get_itemsize(o, NULL);
}

static PyObject *item(PyObject *o, PyObject *unused)
{
    rt_value v;
    rt_error err;
    rt_error_clear(&err);
    return rt_tensor_item(&v, PY_T(o), &err) == RT_OK ? py_from_value(&v)
                                                      : py_raise(&err);
}

/* The last dimension as a list, for the most common dtypes; NULL without an
 * exception: not one of them. `from` counts elements from the tensor's first. */
static PyObject *row(rt_tensor *t, int64_t from)
{
    int last = rt_tensor_ndim(t) - 1;
    int64_t n = rt_tensor_shape(t)[last], step = rt_tensor_strides(t)[last];
    rt_dtype d = rt_tensor_dtype(t);
    if (d != RT_FLOAT32 && d != RT_FLOAT64 && d != RT_INT64) {
        return NULL;
    }
    PyObject *list = PyList_New(n);
    const char *p = (const char *)rt_tensor_data(t) +
                    from * (int64_t)rt_dtype_size(d);
    for (int64_t i = 0; list && i < n;
         i++, p += step * (int64_t)rt_dtype_size(d)) {
        PyObject *o =
            d == RT_INT64
                ? PyLong_FromLongLong(*(const int64_t *)(const void *)p)
                : PyFloat_FromDouble(
                      d == RT_FLOAT64
                          ? *(const double *)(const void *)p
                          : (double)*(const float *)(const void *)p);
        if (!o) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, i, o);
    }
    return list;
}

/* One dimension of nested lists; offset points at its first element. */
static PyObject *nested(rt_tensor *t, int dim, int64_t offset)
{
    if (dim == rt_tensor_ndim(t) - 1) {
        PyObject *list = row(t, offset - rt_tensor_offset(t));
        if (list || PyErr_Occurred()) {
            return list;
        }
    }
    if (dim == rt_tensor_ndim(t)) {
        rt_tensor *one = NULL;
        rt_value v;
        rt_error err = {.code = RT_OK};
        if (rt_tensor_view(&one, t, 0, NULL, NULL, offset, &err) ||
            rt_tensor_item(&v, one, &err)) {
            rt_release(one);
            return py_raise(&err);
        }
        rt_release(one);
        return py_from_value(&v);
    }
    int64_t n = rt_tensor_shape(t)[dim], step = rt_tensor_strides(t)[dim];
    PyObject *list = PyList_New(n);
    for (int64_t i = 0; list && i < n; i++) {
        PyObject *o = nested(t, dim + 1, offset + i * step);
        if (!o) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, i, o);
    }
    return list;
}

static PyObject *tolist(PyObject *o, PyObject *unused)
{
    return nested(PY_T(o), 0, rt_tensor_offset(PY_T(o)));
}

static PyObject *data_ptr(PyObject *o, PyObject *unused)
{
    return PyLong_FromVoidPtr(rt_tensor_data(PY_T(o)));
}

static PyObject *storage_offset(PyObject *o, PyObject *unused)
{
    return PyLong_FromLongLong(rt_tensor_offset(PY_T(o)));
}

static PyObject *storage_id(PyObject *o, PyObject *unused)
{
    return PyLong_FromVoidPtr((void *)rt_tensor_storage_id(PY_T(o)));
}

static PyObject *is_contiguous(PyObject *o, PyObject *args, PyObject *kw)
{
    return PyBool_FromLong(rt_tensor_is_contiguous(PY_T(o)));
}

static PyObject *is_floating_point(PyObject *o, PyObject *unused)
{
    return PyBool_FromLong(rt_dtype_is_floating(rt_tensor_dtype(PY_T(o))));
}

static PyObject *requires_grad_(PyObject *o, PyObject *args, PyObject *kw)
{
    static char *names[] = {"requires_grad", NULL};
    PyObject *on = Py_True;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|O", names, &on) ||
        set_requires_grad(o, on, NULL) < 0) {
        return NULL;
    }
    return Py_NewRef(o);
}

static PyObject *retain_grad(PyObject *o, PyObject *unused)
{
    rt_error err = {.code = RT_OK};
    if (rt_retain_grad(PY_T(o), &err) != RT_OK) {
        return py_raise(&err);
    }
    Py_RETURN_NONE;
}

static PyObject *summary(PyObject *o, PyObject *unused)
{
    rt_error err = {.code = RT_OK};
    char *text = NULL;
    return rt_tensor_summary(&text, PY_T(o), &err) == RT_OK ? py_text(text)
                                                            : py_raise(&err);
}

static PyObject *html(PyObject *o, PyObject *unused)
{
    rt_error err = {.code = RT_OK};
    char *text = NULL;
    return rt_tensor_html(&text, PY_T(o), &err) == RT_OK ? py_text(text)
                                                         : py_raise(&err);
}

static PyObject *format(PyObject *o, PyObject *spec)
{
    if (rt_tensor_ndim(PY_T(o)) == 0 && PyUnicode_GET_LENGTH(spec) > 0) {
        PyObject *value = item(o, NULL);
        PyObject *text = value ? PyObject_Format(value, spec) : NULL;
        Py_XDECREF(value);
        return text;
    }
    PyObject *text = PyObject_Str(o);
    PyObject *out = text ? PyObject_Format(text, spec) : NULL;
    Py_XDECREF(text);
    return out;
}

static PyObject *shares_storage(PyObject *o, PyObject *other)
{
    if (!py_is_tensor(other)) {
        Py_RETURN_FALSE;
    }
    return PyBool_FromLong(rt_tensor_shares_storage(PY_T(o), PY_T(other)));
}

static PyObject *bump_version(PyObject *o, PyObject *unused)
{
    rt_tensor_bump_version(PY_T(o));
    Py_RETURN_NONE;
}

#define KW(f) (PyCFunction)(void (*)(void))(f)
PyMethodDef py_tensor_methods[] = {
    {"size", KW(size), METH_FASTCALL | METH_KEYWORDS,
     "size($self, dim=None)\n--\n\nThe shape, or one size of it."},
    {"stride", KW(stride), METH_FASTCALL,
     "stride($self, dim=None, /)\n--\n\nSteps in elements."},
    {"numel", numel, METH_NOARGS, "numel($self, /)\n--\n\nHow many elements."},
    {"nelement", numel, METH_NOARGS, "nelement($self, /)\n--\n\nAs numel."},
    {"dim", dim, METH_NOARGS,
     "dim($self, /)\n--\n\nHow many dimensions."},
    {"ndimension", dim, METH_NOARGS,
     "ndimension($self, /)\n--\n\nAs dim."},
    {"element_size", element_size, METH_NOARGS,
     "element_size($self, /)\n--\n\nBytes of one element."},
    {"item", item, METH_NOARGS,
     "item($self, /)\n--\n\nThe one element as a Python number."},
    {"tolist", tolist, METH_NOARGS,
     "tolist($self, /)\n--\n\nNested lists of Python numbers."},
    {"data_ptr", data_ptr, METH_NOARGS,
     "data_ptr($self, /)\n--\n\nThe address of the first element."},
    {"storage_offset", storage_offset, METH_NOARGS,
     "storage_offset($self, /)\n--\n\nElements before the first one."},
    {"_storage_id", storage_id, METH_NOARGS, NULL},
    {"_shares_storage", shares_storage, METH_O, NULL},
    {"_bump_version", bump_version, METH_NOARGS, NULL},
    {"is_contiguous", KW(is_contiguous), METH_VARARGS | METH_KEYWORDS,
     "is_contiguous($self, /)\n--\n\nWhether the memory is in C order."},
    {"is_floating_point", is_floating_point, METH_NOARGS,
     "is_floating_point($self, /)\n--\n\nWhether the dtype is."},
    {"requires_grad_", KW(requires_grad_), METH_VARARGS | METH_KEYWORDS,
     "requires_grad_($self, requires_grad=True)\n--\n\nStarts (or stops) "
     "recording; returns self."},
    {"retain_grad", retain_grad, METH_NOARGS,
     "retain_grad($self, /)\n--\n\nKeeps the gradient of a non-leaf."},
    {"summary", summary, METH_NOARGS,
     "summary($self, /)\n--\n\nShape, range, mean and deviation in a line."},
    {"_repr_html_", html, METH_NOARGS,
     "_repr_html_($self, /)\n--\n\nA table for notebooks."},
    {"__format__", format, METH_O, NULL},
    {"_make_subclass", KW(py_make_subclass),
     METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     "_make_subclass(data, require_grad=False)\n--\n\nThe same memory as an "
     "object of this class, without history."},
    {0}};

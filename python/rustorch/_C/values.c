/* SPDX-License-Identifier: MIT
 * Small value types: dtype, device, Size, Generator.
 */
#include "python/rustorch/_C/binding.h"

PyTypeObject *py_Size, *py_DType, *py_Device, *py_Generator;

/* --- dtype ------------------------------------------------------------------ */

typedef struct dtype_object {
    PyObject_HEAD
    rt_dtype d;
} dtype_object;

static dtype_object *dtypes[RT_DTYPE_COUNT];

PyObject *py_dtype_object(rt_dtype d)
{
    return Py_NewRef((PyObject *)dtypes[d]);
}

/* A NumPy dtype, scalar type or Python type, by its name. */
static rt_dtype named_dtype(PyObject *o)
{
    if (o == (PyObject *)&PyFloat_Type) {
        return rt_default_dtype();
    }
    if (o == (PyObject *)&PyLong_Type) {
        return RT_INT64;
    }
    PyObject *name = PyObject_GetAttrString(o, "name");
    if (!name) {
        PyErr_Clear();
        name = PyObject_GetAttrString(o, "__name__");
    }
    const char *text = name && PyUnicode_Check(name) ? PyUnicode_AsUTF8(name)
                                                     : NULL;
    rt_dtype d = text ? rt_dtype_parse(text) : RT_DTYPE_NONE;
    Py_XDECREF(name);
    PyErr_Clear();
    return d;
}

int py_dtype_of(PyObject *o, rt_dtype *out)
{
    if (o == NULL || o == Py_None) {
        *out = RT_DTYPE_NONE;
        return 0;
    }
    if (Py_TYPE(o) == py_DType) {
        *out = ((dtype_object *)o)->d;
        return 0;
    }
    rt_dtype d = PyUnicode_Check(o) ? rt_dtype_parse(PyUnicode_AsUTF8(o))
                                    : named_dtype(o);
    if (d == RT_DTYPE_NONE) {
        PyObject *shown = PyObject_Repr(o);
        py_fail(RT_E_TYPE,
                "dtype: %s is no element type of RusTorch; it has bool, uint8, "
                "int32, int64, float16, bfloat16, float32 and float64",
                shown ? PyUnicode_AsUTF8(shown) : "this");
        Py_XDECREF(shown);
        return -1;
    }
    *out = d;
    return 0;
}

static PyObject *dtype_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
    PyObject *o;
    rt_dtype d;
    if (!PyArg_ParseTuple(args, "O:dtype", &o) || py_dtype_of(o, &d) < 0) {
        return NULL;
    }
    if (d == RT_DTYPE_NONE) {
        return py_fail(RT_E_TYPE, "dtype: expected a name, got None");
    }
    return py_dtype_object(d);
}

static PyObject *dtype_repr(PyObject *o)
{
    return PyUnicode_FromFormat("rustorch.%s",
                                rt_dtype_name(((dtype_object *)o)->d));
}

static PyObject *dtype_reduce(PyObject *o, PyObject *unused)
{
    return Py_BuildValue("O(s)", py_DType,
                         rt_dtype_name(((dtype_object *)o)->d));
}

static PyObject *dtype_attribute(PyObject *o, void *which)
{
    rt_dtype d = ((dtype_object *)o)->d;
    switch ((intptr_t)which) {
    case 0: return PyBool_FromLong(rt_dtype_is_floating(d));
    case 1: return PyLong_FromSize_t(rt_dtype_size(d));
    case 2: return PyBool_FromLong(d != RT_BOOL && d != RT_UINT8);
    case 3: return PyUnicode_FromString(rt_dtype_name(d));
    default: Py_RETURN_FALSE;
    }
}

static PyMethodDef dtype_methods[] = {
    {"__reduce__", dtype_reduce, METH_NOARGS, NULL}, {0}};
static PyGetSetDef dtype_getset[] = {
    {"is_floating_point", dtype_attribute, NULL,
     "Whether the elements are floating-point numbers.", (void *)0},
    {"itemsize", dtype_attribute, NULL, "Bytes of one element.", (void *)1},
    {"is_signed", dtype_attribute, NULL,
     "Whether negative numbers can be stored.", (void *)2},
    {"name", dtype_attribute, NULL, "The name, such as 'float32'.", (void *)3},
    {"is_complex", dtype_attribute, NULL, "Always False here.", (void *)4},
    {0}};
static PyType_Spec dtype_spec = {
    "rustorch.dtype", sizeof(dtype_object), 0,
    Py_TPFLAGS_DEFAULT,
    (PyType_Slot[]){{Py_tp_new, dtype_new}, {Py_tp_repr, dtype_repr},
                    {Py_tp_methods, dtype_methods},
                    {Py_tp_getset, dtype_getset},
                    {Py_tp_doc, "An element type, e.g. rustorch.float32."},
                    {0, NULL}}};

/* PyTorch's second names. */
static const struct { const char *name; rt_dtype d; } dtype_aliases[] = {
    {"half", RT_FLOAT16}, {"float", RT_FLOAT32}, {"double", RT_FLOAT64},
    {"int", RT_INT32}, {"long", RT_INT64}};

static int add_dtypes(PyObject *module)
{
    py_DType = py_add_type(module, &dtype_spec, NULL);
    for (int i = 0; py_DType && i < RT_DTYPE_COUNT; i++) {
        dtypes[i] = PyObject_New(dtype_object, py_DType);
        if (!dtypes[i]) {
            return -1;
        }
        dtypes[i]->d = (rt_dtype)i;
        if (PyModule_AddObjectRef(module, rt_dtype_name((rt_dtype)i),
                                  (PyObject *)dtypes[i]) < 0) {
            return -1;
        }
    }
    for (size_t i = 0; py_DType && i < sizeof dtype_aliases /
                                           sizeof *dtype_aliases; i++) {
        if (PyModule_AddObjectRef(module, dtype_aliases[i].name,
                                  (PyObject *)dtypes[dtype_aliases[i].d]) < 0) {
            return -1;
        }
    }
    return py_DType ? 0 : -1;
}

/* --- device --------------------------------------------------------------------- */

typedef struct device_object {
    PyObject_HEAD
    rt_device d;
} device_object;

PyObject *py_device_object(rt_device d)
{
    device_object *o = PyObject_New(device_object, py_Device);
    if (o) {
        o->d = d;
    }
    return (PyObject *)o;
}

int py_device_of(PyObject *o, rt_device *out)
{
    rt_error err = {.code = RT_OK};
    if (Py_TYPE(o) == py_Device) {
        *out = ((device_object *)o)->d;
        return 0;
    }
    if (PyLong_Check(o)) {
        *out = (rt_device){RT_CUDA, (int8_t)PyLong_AsLong(o)};
        return PyErr_Occurred() ? -1 : 0;
    }
    if (!PyUnicode_Check(o)) {
        py_fail(RT_E_TYPE, "device: expected a device or a name like 'cpu', "
                "got %s", Py_TYPE(o)->tp_name);
        return -1;
    }
    const char *text = PyUnicode_AsUTF8(o);
    if (!text || rt_device_parse(out, text, &err) != RT_OK) {
        if (text) {
            py_raise(&err);
        }
        return -1;
    }
    return 0;
}

static PyObject *device_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
    PyObject *o;
    int index = -1;
    rt_device d;
    static char *names[] = {"device", "index", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O|i:device", names, &o,
                                     &index) || py_device_of(o, &d) < 0) {
        return NULL;
    }
    if (index >= 0) {
        d.index = (int8_t)index;
    }
    return py_device_object(d);
}

static PyObject *device_str(PyObject *o)
{
    char text[16];
    rt_device_format(text, ((device_object *)o)->d);
    return PyUnicode_FromString(text);
}

static PyObject *device_type(PyObject *o, void *unused)
{
    char text[16];
    rt_device d = ((device_object *)o)->d;
    d.index = -1;
    rt_device_format(text, d);
    return PyUnicode_FromString(text);
}

static PyObject *device_index(PyObject *o, void *unused)
{
    int index = ((device_object *)o)->d.index;
    if (index < 0) {
        Py_RETURN_NONE;
    }
    return PyLong_FromLong(index);
}

static PyObject *device_repr(PyObject *o)
{
    PyObject *type = device_type(o, NULL);
    int index = ((device_object *)o)->d.index;
    PyObject *text = !type ? NULL
        : index < 0 ? PyUnicode_FromFormat("device(type='%U')", type)
                    : PyUnicode_FromFormat("device(type='%U', index=%d)", type,
                                           index);
    Py_XDECREF(type);
    return text;
}

static Py_hash_t device_hash(PyObject *o)
{
    rt_device d = ((device_object *)o)->d;
    return d.kind * 256 + d.index + 2;
}

static PyObject *device_compare(PyObject *a, PyObject *b, int op)
{
    if (Py_TYPE(b) != py_Device || (op != Py_EQ && op != Py_NE)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    bool same = device_hash(a) == device_hash(b);
    return PyBool_FromLong(same == (op == Py_EQ));
}

static PyObject *device_reduce(PyObject *o, PyObject *unused)
{
    return Py_BuildValue("O(N)", py_Device, device_str(o));
}

static PyMethodDef device_methods[] = {
    {"__reduce__", device_reduce, METH_NOARGS, NULL}, {0}};
static PyGetSetDef device_getset[] = {
    {"type", device_type, NULL, "'cpu', 'cuda' or 'metal'.", NULL},
    {"index", device_index, NULL, "The ordinal, or None.", NULL}, {0}};
static PyType_Spec device_spec = {
    "rustorch.device", sizeof(device_object), 0, Py_TPFLAGS_DEFAULT,
    (PyType_Slot[]){{Py_tp_new, device_new}, {Py_tp_repr, device_repr},
                    {Py_tp_str, device_str}, {Py_tp_hash, device_hash},
                    {Py_tp_richcompare, device_compare},
                    {Py_tp_methods, device_methods},
                    {Py_tp_getset, device_getset},
                    {Py_tp_doc, "Where a tensor lives: device('cpu'), "
                                "device('cuda:0'), device('cuda', 0). Making "
                                "one touches no hardware."},
                    {0, NULL}}};

/* --- Size ---------------------------------------------------------------------------
 *
 * A tuple that prints as a list and may be called, so that both `x.shape` and
 * `x.shape()` work. */

PyObject *py_size_object(int ndim, const int64_t *shape)
{
    PyObject *size = py_Size->tp_alloc(py_Size, ndim);
    for (int i = 0; size && i < ndim; i++) {
        PyTuple_SET_ITEM(size, i, PyLong_FromLongLong(shape[i]));
    }
    return size;
}

static PyObject *size_call(PyObject *self, PyObject *args, PyObject *kw)
{
    return Py_NewRef(self);
}

static PyObject *size_repr(PyObject *self)
{
    PyObject *list = PySequence_List(self);
    PyObject *text = list ? PyObject_Repr(list) : NULL;
    Py_XDECREF(list);
    return text;
}

static PyObject *size_format(PyObject *self, PyObject *spec)
{
    PyObject *text = PyObject_Str(self);
    PyObject *out = text ? PyObject_Format(text, spec) : NULL;
    Py_XDECREF(text);
    return out;
}

static PyObject *size_compare(PyObject *a, PyObject *b, int op)
{
    if (!PyList_Check(b)) {
        return PyTuple_Type.tp_richcompare(a, b, op);
    }
    PyObject *tuple = PyList_AsTuple(b);
    PyObject *out = tuple ? PyTuple_Type.tp_richcompare(a, tuple, op) : NULL;
    Py_XDECREF(tuple);
    return out;
}

static Py_hash_t size_hash(PyObject *self)
{
    return PyTuple_Type.tp_hash(self);
}

static PyObject *size_like(PyObject *tuple)
{
    if (!tuple || !PyTuple_Check(tuple)) {
        return tuple;
    }
    PyObject *size = PyObject_CallOneArg((PyObject *)py_Size, tuple);
    Py_DECREF(tuple);
    return size;
}

static PyObject *size_subscript(PyObject *self, PyObject *key)
{
    return size_like(PyTuple_Type.tp_as_mapping->mp_subscript(self, key));
}

static PyObject *size_concat(PyObject *self, PyObject *other)
{
    if (PyList_Check(other)) {
        PyObject *tuple = PyList_AsTuple(other);
        PyObject *out = tuple ? PyTuple_Type.tp_as_sequence->sq_concat(self,
                                                                       tuple)
                              : NULL;
        Py_XDECREF(tuple);
        return size_like(out);
    }
    return size_like(PyTuple_Type.tp_as_sequence->sq_concat(self, other));
}

static PyObject *size_numel(PyObject *self, PyObject *unused)
{
    long long n = 1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self); i++) {
        n *= PyLong_AsLongLong(PyTuple_GET_ITEM(self, i));
    }
    return PyErr_Occurred() ? NULL : PyLong_FromLongLong(n);
}

static PyObject *size_reduce(PyObject *self, PyObject *unused)
{
    return Py_BuildValue("O(N)", py_Size, PySequence_List(self));
}

static PyMethodDef size_methods[] = {
    {"numel", size_numel, METH_NOARGS, "numel() -> int\n--\n\nThe product."},
    {"__format__", size_format, METH_O, NULL},
    {"__reduce__", size_reduce, METH_NOARGS, NULL}, {0}};
static PyType_Spec size_spec = {
    "rustorch.Size", 0, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    (PyType_Slot[]){{Py_tp_call, size_call}, {Py_tp_repr, size_repr},
                    {Py_tp_richcompare, size_compare},
                    {Py_tp_hash, size_hash},
                    {Py_mp_subscript, size_subscript},
                    {Py_sq_concat, size_concat},
                    {Py_tp_methods, size_methods},
                    {Py_tp_doc, "A tensor's shape: a tuple that prints as a "
                                "list; calling it gives itself."},
                    {0, NULL}}};

/* --- Generator ------------------------------------------------------------------------ */

typedef struct generator_object {
    PyObject_HEAD
    rt_generator *g;
} generator_object;

PyObject *py_generator_object(rt_generator *g)
{
    generator_object *o = PyObject_New(generator_object, py_Generator);
    if (o) {
        o->g = rt_generator_retain(g);
    }
    return (PyObject *)o;
}

rt_generator *py_generator_of(PyObject *o)
{
    return PyObject_TypeCheck(o, py_Generator) ? ((generator_object *)o)->g
                                               : NULL;
}

static PyObject *generator_new(PyTypeObject *type, PyObject *args,
                               PyObject *kw)
{
    rt_error err = {.code = RT_OK};
    PyObject *where = NULL;
    rt_device d = {RT_CPU, -1};
    static char *names[] = {"device", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|O:Generator", names, &where) ||
        (where && py_device_of(where, &d) < 0)) {
        return NULL;
    }
    rt_generator *g = NULL;
    if (rt_device_check(d, &err) != RT_OK ||
        rt_generator_new(&g, 67280421310721ull, &err) != RT_OK) {
        return py_raise(&err);
    }
    PyObject *o = py_generator_object(g);
    rt_generator_release(g);
    return o;
}

static void generator_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    rt_generator_release(((generator_object *)o)->g);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyObject *generator_manual_seed(PyObject *o, PyObject *seed)
{
    uint64_t s = PyLong_AsUnsignedLongLongMask(seed);
    if (PyErr_Occurred()) {
        return NULL;
    }
    rt_generator_seed(((generator_object *)o)->g, s);
    return Py_NewRef(o);
}

static PyObject *generator_seed(PyObject *o, PyObject *unused)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *bytes = os ? PyObject_CallMethod(os, "urandom", "i", 8) : NULL;
    Py_XDECREF(os);
    if (!bytes) {
        return NULL;
    }
    uint64_t seed;
    memcpy(&seed, PyBytes_AS_STRING(bytes), sizeof seed);
    Py_DECREF(bytes);
    seed >>= 11;   /* fits a float exactly, as PyTorch's */
    rt_generator_seed(((generator_object *)o)->g, seed);
    return PyLong_FromUnsignedLongLong(seed);
}

static PyObject *generator_initial_seed(PyObject *o, PyObject *unused)
{
    return PyLong_FromUnsignedLongLong(
        rt_generator_initial_seed(((generator_object *)o)->g));
}

static PyObject *generator_get_state(PyObject *o, PyObject *unused)
{
    rt_error err = {.code = RT_OK};
    rt_tensor *t = NULL;
    if (rt_generator_get_state(((generator_object *)o)->g, &t, &err)) {
        return py_raise(&err);
    }
    return py_wrap(t);
}

static PyObject *generator_set_state(PyObject *o, PyObject *state)
{
    rt_error err = {.code = RT_OK};
    if (!py_is_tensor(state)) {
        return py_fail(RT_E_TYPE, "set_state: expected a tensor, got %s",
                       Py_TYPE(state)->tp_name);
    }
    if (rt_generator_set_state(((generator_object *)o)->g, PY_T(state),
                               &err)) {
        return py_raise(&err);
    }
    return Py_NewRef(o);
}

static PyObject *generator_device(PyObject *o, void *unused)
{
    return py_device_object((rt_device){RT_CPU, -1});
}

static PyMethodDef generator_methods[] = {
    {"manual_seed", generator_manual_seed, METH_O,
     "manual_seed($self, seed, /)\n--\n\nStarts the stream anew; returns self."},
    {"seed", generator_seed, METH_NOARGS,
     "seed($self, /)\n--\n\nSeeds from the system; returns the seed."},
    {"initial_seed", generator_initial_seed, METH_NOARGS,
     "initial_seed($self, /)\n--\n\nThe seed the stream began with."},
    {"get_state", generator_get_state, METH_NOARGS,
     "get_state($self, /)\n--\n\nThe state as a uint8 tensor."},
    {"set_state", generator_set_state, METH_O,
     "set_state($self, state, /)\n--\n\nPuts a state of get_state back."},
    {0}};
static PyGetSetDef generator_getset[] = {
    {"device", generator_device, NULL, "Where it draws.", NULL}, {0}};
static PyType_Spec generator_spec = {
    "rustorch.Generator", sizeof(generator_object), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    (PyType_Slot[]){{Py_tp_new, generator_new},
                    {Py_tp_dealloc, generator_dealloc},
                    {Py_tp_methods, generator_methods},
                    {Py_tp_getset, generator_getset},
                    {Py_tp_doc, "A stream of random numbers (mt19937): the "
                                "same seed gives PyTorch's CPU numbers."},
                    {0, NULL}}};

int py_values_init(PyObject *module)
{
    size_spec.basicsize = (int)PyTuple_Type.tp_basicsize;
    size_spec.itemsize = (int)PyTuple_Type.tp_itemsize;
    py_Size = py_add_type(module, &size_spec, (PyObject *)&PyTuple_Type);
    py_Device = py_add_type(module, &device_spec, NULL);
    py_Generator = py_add_type(module, &generator_spec, NULL);
    if (!py_Size || !py_Device || !py_Generator || add_dtypes(module) < 0) {
        return -1;
    }
    PyObject *g = py_generator_object(rt_default_generator());
    int failed = g ? PyModule_AddObjectRef(module, "default_generator", g) : -1;
    Py_XDECREF(g);
    return failed;
}

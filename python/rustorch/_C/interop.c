/* SPDX-License-Identifier: MIT
 * Memory shared with other libraries: the buffer protocol inwards, NumPy
 * arrays outwards, DLPack both ways. NumPy is imported at first use only.
 */
#include "python/rustorch/_C/binding.h"

/* --- buffers inwards ------------------------------------------------------------ */

static const struct { const char *code; uint8_t dl_code, dl_bits; } codes[] = {
#define RT_DTYPE(id, name, size, cat, st, ct, safetensors, buf, code, bits)    \
    {buf, code, bits},
#include "runtime/dtypes.def"
#undef RT_DTYPE
};

/* The dtype of a struct-module format; native byte order only. */
static rt_dtype of_format(const char *f, Py_ssize_t itemsize)
{
    if (!f) {
        return RT_UINT8;
    }
    if (*f == '@' || *f == '=' || *f == '|' ||
        (*f == '<' && PY_LITTLE_ENDIAN) || (*f == '>' && PY_BIG_ENDIAN)) {
        f++;
    }
    if ((*f == 'q' || *f == 'l' || *f == 'i') && !f[1]) {
        return itemsize == 8 ? RT_INT64 : RT_INT32;
    }
    for (int d = 0; d < RT_DTYPE_COUNT; d++) {
        if (codes[d].code[0] && !strcmp(f, codes[d].code)) {
            return (rt_dtype)d;
        }
    }
    return RT_DTYPE_NONE;
}

static void release_buffer(void *ctx)
{
    if (!Py_IsInitialized()) {
        return;
    }
    PyGILState_STATE state = PyGILState_Ensure();
    PyBuffer_Release(ctx);
    PyMem_Free(ctx);
    PyGILState_Release(state);
}

/* Whether the runtime can address the buffer as it lies. */
static bool shareable(const Py_buffer *b, int64_t *strides)
{
    if (b->readonly || (uintptr_t)b->buf % (size_t)b->itemsize != 0) {
        return false;
    }
    for (int i = 0; i < b->ndim; i++) {
        if (b->strides[i] < 0 || b->strides[i] % b->itemsize != 0) {
            return false;
        }
        strides[i] = b->strides[i] / b->itemsize;
    }
    return true;
}

static int adopt(rt_tensor **out, Py_buffer *b, rt_dtype d, bool share)
{
    int64_t shape[RT_MAX_DIMS], strides[RT_MAX_DIMS];
    rt_error err = {.code = RT_OK};
    rt_tensor *t = NULL;
    for (int i = 0; i < b->ndim; i++) {
        shape[i] = b->shape[i];
    }
    if (share && shareable(b, strides)) {
        if (rt_tensor_wrap(&t, d, b->ndim, shape, strides, b->buf,
                           release_buffer, b, &err) == RT_OK) {
            *out = t;
            return 0;
        }
    } else if (rt_tensor_new(&t, d, b->ndim, shape, &err) == RT_OK) {
        int failed = PyBuffer_ToContiguous(rt_tensor_data(t), b, b->len, 'C');
        release_buffer(b);
        if (failed) {
            rt_release(t);
            return -1;
        }
        *out = t;
        return 0;
    }
    release_buffer(b);
    py_raise(&err);
    return -1;
}

int py_from_buffer(rt_tensor **out, PyObject *o, bool share)
{
    *out = NULL;
    if (!PyObject_CheckBuffer(o)) {
        return 0;
    }
    Py_buffer *b = PyMem_Malloc(sizeof *b);
    if (!b) {
        PyErr_NoMemory();
        return -1;
    }
    if (PyObject_GetBuffer(o, b, PyBUF_RECORDS_RO) < 0) {
        PyErr_Clear();   /* e.g. an object array: __array__ may do better */
        PyMem_Free(b);
        return 0;
    }
    rt_dtype d = of_format(b->format, b->itemsize);
    if (d == RT_DTYPE_NONE || b->ndim > RT_MAX_DIMS) {
        py_fail(RT_E_DTYPE, "tensor: an array of format '%s' (%zd bytes an "
                "element) has no counterpart here; convert it first, e.g. with "
                ".astype('float32')", b->format ? b->format : "", b->itemsize);
        release_buffer(b);
        return -1;
    }
    return adopt(out, b, d, share);
}

/* --- NumPy outwards -------------------------------------------------------------------
 *
 * NumPy reads an exporter object through the buffer protocol; the tensor
 * itself offers none, because others would read it as bytes (ux.md 1.8). */

typedef struct exporter {
    PyObject_HEAD
    rt_tensor *t;
} exporter;
static PyTypeObject *exporter_type;

static int get_buffer(PyObject *o, Py_buffer *b, int flags)
{
    rt_tensor *t = ((exporter *)o)->t;
    int n = rt_tensor_ndim(t);
    rt_dtype d = rt_tensor_dtype(t);
    Py_ssize_t *room = PyMem_Malloc(sizeof(Py_ssize_t) * 2 * (size_t)(n + 1));
    if (!room) {
        PyErr_NoMemory();
        return -1;
    }
    *b = (Py_buffer){.buf = rt_tensor_data(t), .obj = Py_NewRef(o),
                     .itemsize = (Py_ssize_t)rt_dtype_size(d), .ndim = n,
                     .format = (char *)codes[d].code, .shape = room,
                     .strides = room + n + 1, .internal = room};
    b->len = rt_tensor_numel(t) * b->itemsize;
    for (int i = 0; i < n; i++) {
        b->shape[i] = rt_tensor_shape(t)[i];
        b->strides[i] = rt_tensor_strides(t)[i] * b->itemsize;
    }
    return 0;
}

static void put_buffer(PyObject *o, Py_buffer *b)
{
    PyMem_Free(b->internal);
}

static void exporter_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    rt_release(((exporter *)o)->t);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyType_Spec exporter_spec = {
    "rustorch._C._Memory", sizeof(exporter), 0, Py_TPFLAGS_DEFAULT,
    (PyType_Slot[]){{Py_tp_dealloc, exporter_dealloc},
                    {Py_bf_getbuffer, get_buffer},
                    {Py_bf_releasebuffer, put_buffer},
                    {Py_tp_doc, "The memory of one tensor, as a buffer."},
                    {0, NULL}}};

static PyObject *memory_of(PyObject *m, PyObject *o)
{
    if (!py_is_tensor(o)) {
        return py_fail(RT_E_TYPE, "expected a tensor, got %s",
                       Py_TYPE(o)->tp_name);
    }
    if (!codes[rt_tensor_dtype(PY_T(o))].code[0]) {
        return py_fail(RT_E_DTYPE, "numpy: NumPy has no %s; convert with "
                       ".float() first",
                       rt_dtype_name(rt_tensor_dtype(PY_T(o))));
    }
    exporter *e = PyObject_New(exporter, exporter_type);
    if (e) {
        e->t = rt_retain(PY_T(o));
    }
    return (PyObject *)e;
}

static PyObject *asarray;

/* A view: it shares memory, also when the tensor records (ledger C-04). */
static PyObject *to_numpy(PyObject *o)
{
    if (!asarray) {
        PyObject *numpy = PyImport_ImportModule("numpy");
        asarray = numpy ? PyObject_GetAttrString(numpy, "asarray") : NULL;
        Py_XDECREF(numpy);
        if (!asarray) {
            return NULL;
        }
    }
    PyObject *memory = memory_of(NULL, o);
    PyObject *array = memory ? PyObject_CallOneArg(asarray, memory) : NULL;
    Py_XDECREF(memory);
    return array;
}

static PyObject *numpy_method(PyObject *o, PyObject *args, PyObject *kw)
{
    static char *names[] = {"force", NULL};
    int force;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|$p:numpy", names, &force)) {
        return NULL;
    }
    return to_numpy(o);
}

static PyObject *array_method(PyObject *o, PyObject *args, PyObject *kw)
{
    static char *names[] = {"dtype", "copy", NULL};
    PyObject *dtype = Py_None, *copy = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|OO:__array__", names, &dtype,
                                     &copy)) {
        return NULL;
    }
    PyObject *array = to_numpy(o);
    if (!array) {
        return NULL;
    }
    PyObject *own = dtype == Py_None ? NULL
                                     : PyObject_GetAttrString(array, "dtype");
    int same = own ? PyObject_RichCompareBool(own, dtype, Py_EQ) : 1;
    Py_XDECREF(own);
    if (same < 0 || (same && copy != Py_True)) {
        return same < 0 ? (Py_DECREF(array), NULL) : array;
    }
    PyObject *out = NULL;
    if (!same && copy == Py_False) {
        PyErr_SetString(PyExc_ValueError, "__array__: another dtype needs a "
                        "copy, and copy=False forbids one");
    } else {
        out = same ? PyObject_CallMethod(array, "copy", NULL)
                   : PyObject_CallMethod(array, "astype", "O", dtype);
    }
    Py_DECREF(array);
    return out;
}

/* NumPy's ufuncs hand their result over: np.sin(t) is a tensor again. */
static PyObject *array_wrap(PyObject *o, PyObject *args)
{
    rt_tensor *t = NULL;
    PyObject *array = PyTuple_GET_SIZE(args) ? PyTuple_GET_ITEM(args, 0) : NULL;
    if (!array || py_as_tensor(&t, array, RT_DTYPE_NONE) < 0) {
        return array ? NULL
                     : py_fail(RT_E_TYPE, "__array_wrap__: no array given");
    }
    return py_wrap(t);
}

static PyObject *from_numpy(PyObject *m, PyObject *o)
{
    rt_tensor *t = NULL;
    if (py_from_buffer(&t, o, true) < 0) {
        return NULL;
    }
    if (!t) {
        return py_fail(RT_E_TYPE, "from_numpy: expected a NumPy array, got %s",
                       Py_TYPE(o)->tp_name);
    }
    return py_wrap(t);
}

/* --- DLPack (version 1.1) ---------------------------------------------------------------- */

typedef struct dl_tensor {
    void *data;
    struct { int32_t type, id; } device;
    int32_t ndim;
    struct { uint8_t code, bits; uint16_t lanes; } dtype;
    int64_t *shape, *strides;
    uint64_t byte_offset;
} dl_tensor;

typedef struct dl_managed {
    dl_tensor t;
    void *ctx;
    void (*deleter)(struct dl_managed *);
} dl_managed;

typedef struct dl_versioned {
    struct { uint32_t major, minor; } version;
    void *ctx;
    void (*deleter)(struct dl_versioned *);
    uint64_t flags;      /* 1: read only, 2: a copy */
    dl_tensor t;
} dl_versioned;

enum { DL_CPU = 1, DL_READ_ONLY = 1, DL_COPIED = 2 };

static void describe(dl_tensor *d, rt_tensor *t)
{
    rt_dtype dtype = rt_tensor_dtype(t);
    *d = (dl_tensor){.data = rt_tensor_data(t), .device = {DL_CPU, 0},
                     .ndim = rt_tensor_ndim(t),
                     .dtype = {codes[dtype].dl_code, codes[dtype].dl_bits, 1},
                     .shape = (int64_t *)rt_tensor_shape(t),
                     .strides = (int64_t *)rt_tensor_strides(t)};
}

static void delete_managed(dl_managed *m)
{
    rt_release(m->ctx);
    PyMem_RawFree(m);
}

static void delete_versioned(dl_versioned *m)
{
    rt_release(m->ctx);
    PyMem_RawFree(m);
}

/* A capsule nobody took: its name is still the first one. */
static void drop_managed(PyObject *capsule)
{
    if (PyCapsule_IsValid(capsule, "dltensor")) {
        delete_managed(PyCapsule_GetPointer(capsule, "dltensor"));
    }
}

static void drop_versioned(PyObject *capsule)
{
    if (PyCapsule_IsValid(capsule, "dltensor_versioned")) {
        delete_versioned(PyCapsule_GetPointer(capsule, "dltensor_versioned"));
    }
}

static PyObject *export_versioned(rt_tensor *t, bool copied)
{
    dl_versioned *m = PyMem_RawCalloc(1, sizeof *m);
    if (!m) {
        return PyErr_NoMemory();
    }
    m->version.major = 1;
    m->version.minor = 1;
    m->flags = copied ? DL_COPIED : 0;
    m->ctx = rt_retain(t);
    m->deleter = delete_versioned;
    describe(&m->t, t);
    return PyCapsule_New(m, "dltensor_versioned", drop_versioned);
}

static PyObject *export_legacy(rt_tensor *t)
{
    dl_managed *m = PyMem_RawCalloc(1, sizeof *m);
    if (!m) {
        return PyErr_NoMemory();
    }
    m->ctx = rt_retain(t);
    m->deleter = delete_managed;
    describe(&m->t, t);
    return PyCapsule_New(m, "dltensor", drop_managed);
}

static bool wants_version_1(PyObject *max_version)
{
    if (max_version == Py_None || !PyTuple_Check(max_version) ||
        PyTuple_GET_SIZE(max_version) < 1) {
        return false;
    }
    long major = PyLong_AsLong(PyTuple_GET_ITEM(max_version, 0));
    PyErr_Clear();
    return major >= 1;
}

static PyObject *dlpack(PyObject *o, PyObject *args, PyObject *kw)
{
    static char *names[] = {"stream", "max_version", "dl_device", "copy", NULL};
    PyObject *stream = Py_None, *version = Py_None, *device = Py_None;
    PyObject *copy = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|$OOOO:__dlpack__", names,
                                     &stream, &version, &device, &copy)) {
        return NULL;
    }
    if (rt_requires_grad(PY_T(o)) && rt_grad_enabled()) {
        PyErr_SetString(PyExc_BufferError, "__dlpack__: this tensor records "
                        "gradients, which the other library would not see; "
                        "export tensor.detach()");
        return NULL;
    }
    rt_tensor *t = rt_retain(PY_T(o));
    if (copy == Py_True) {
        rt_release(t);
        if (py_copy_tensor(&t, o, RT_DTYPE_NONE) < 0) {
            return NULL;
        }
    }
    PyObject *out = wants_version_1(version)
                        ? export_versioned(t, copy == Py_True)
                        : export_legacy(t);
    rt_release(t);
    return out;
}

static PyObject *dlpack_device(PyObject *o, PyObject *unused)
{
    return Py_BuildValue("(ii)", DL_CPU, 0);
}

static rt_dtype of_dlpack(const dl_tensor *d)
{
    for (int i = 0; i < RT_DTYPE_COUNT && d->dtype.lanes == 1; i++) {
        if (codes[i].dl_code == d->dtype.code &&
            codes[i].dl_bits == d->dtype.bits) {
            return (rt_dtype)i;
        }
    }
    return RT_DTYPE_NONE;
}

static void destroy_managed(void *ctx)
{
    dl_managed *m = ctx;
    PyGILState_STATE state = PyGILState_Ensure();
    if (m->deleter) {
        m->deleter(m);
    }
    PyGILState_Release(state);
}

static void destroy_versioned(void *ctx)
{
    dl_versioned *m = ctx;
    PyGILState_STATE state = PyGILState_Ensure();
    if (m->deleter) {
        m->deleter(m);
    }
    PyGILState_Release(state);
}

static rt_tensor *import(const dl_tensor *d, void (*destroy)(void *),
                         void *ctx)
{
    rt_error err = {.code = RT_OK};
    rt_tensor *t = NULL;
    rt_dtype dtype = of_dlpack(d);
    if (d->device.type != DL_CPU) {
        py_fail(RT_E_DEVICE, "from_dlpack: the memory is on device type %d, "
                "only CPU memory can be shared", d->device.type);
    } else if (dtype == RT_DTYPE_NONE) {
        py_fail(RT_E_DTYPE, "from_dlpack: element type (code %d, %d bits) has "
                "no counterpart", d->dtype.code, d->dtype.bits);
    } else if (rt_tensor_wrap(&t, dtype, d->ndim, d->shape, d->strides,
                              (char *)d->data + d->byte_offset, destroy, ctx,
                              &err)) {
        py_raise(&err);
    }
    return t;
}

static PyObject *take_capsule(PyObject *capsule)
{
    rt_tensor *t = NULL;
    if (PyCapsule_IsValid(capsule, "dltensor_versioned")) {
        dl_versioned *m = PyCapsule_GetPointer(capsule, "dltensor_versioned");
        t = import(&m->t, destroy_versioned, m);
        if (t) {
            PyCapsule_SetName(capsule, "used_dltensor_versioned");
        }
        if (t && m->flags & DL_READ_ONLY) {
            rt_tensor *copy = NULL;
            PyObject *shared = py_wrap(t);
            int failed = shared ? py_copy_tensor(&copy, shared, RT_DTYPE_NONE)
                                : -1;
            Py_XDECREF(shared);
            t = failed ? NULL : copy;
        }
    } else if (PyCapsule_IsValid(capsule, "dltensor")) {
        dl_managed *m = PyCapsule_GetPointer(capsule, "dltensor");
        t = import(&m->t, destroy_managed, m);
        if (t) {
            PyCapsule_SetName(capsule, "used_dltensor");
        }
    } else {
        return py_fail(RT_E_TYPE, "from_dlpack: expected an unused DLPack "
                       "capsule");
    }
    return t ? py_wrap(t) : NULL;
}

PyObject *py_from_dlpack(PyObject *m, PyObject *o)
{
    if (PyCapsule_CheckExact(o)) {
        return take_capsule(o);
    }
    PyObject *method = PyObject_GetAttrString(o, "__dlpack__");
    PyObject *none = PyTuple_New(0);
    PyObject *kw = Py_BuildValue("{s:(ii)}", "max_version", 1, 1);
    PyObject *capsule = method && kw ? PyObject_Call(method, none, kw) : NULL;
    if (method && !capsule && PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Clear();   /* from before version 1 */
        capsule = PyObject_CallNoArgs(method);
    }
    PyObject *out = capsule ? take_capsule(capsule) : NULL;
    Py_XDECREF(capsule);
    Py_XDECREF(kw);
    Py_XDECREF(none);
    Py_XDECREF(method);
    return out;
}

/* --- the module's share --------------------------------------------------------------------- */

#define KW(f) (PyCFunction)(void (*)(void))(f)
static PyMethodDef tensor_methods[] = {
    {"numpy", KW(numpy_method), METH_VARARGS | METH_KEYWORDS,
     "numpy($self, *, force=False)\n--\n\nA NumPy array over the same memory; "
     "gradients are left behind."},
    {"to_numpy", KW(numpy_method), METH_VARARGS | METH_KEYWORDS,
     "to_numpy($self)\n--\n\nAs numpy()."},
    {"__array__", KW(array_method), METH_VARARGS | METH_KEYWORDS,
     "__array__($self, dtype=None, copy=None)\n--\n\nFor NumPy."},
    {"__array_wrap__", array_wrap, METH_VARARGS, NULL},
    {"__dlpack__", KW(dlpack), METH_VARARGS | METH_KEYWORDS,
     "__dlpack__($self, *, stream=None, max_version=None, dl_device=None, "
     "copy=None)\n--\n\nA DLPack capsule over the same memory."},
    {"__dlpack_device__", dlpack_device, METH_NOARGS,
     "__dlpack_device__($self)\n--\n\n(1, 0): the CPU."},
    {0}};
/* The elements in C order, for pickles; the tensor must be contiguous. */
static PyObject *to_bytes(PyObject *m, PyObject *o)
{
    if (!py_is_tensor(o) || !rt_tensor_is_contiguous(PY_T(o))) {
        return py_fail(RT_E_TYPE, "_to_bytes: expected a contiguous tensor");
    }
    rt_tensor *t = PY_T(o);
    size_t n = (size_t)rt_tensor_numel(t) * rt_dtype_size(rt_tensor_dtype(t));
    return PyBytes_FromStringAndSize(rt_tensor_data(t), (Py_ssize_t)n);
}

static PyObject *from_bytes(PyObject *m, PyObject *args)
{
    Py_buffer b;
    PyObject *dtype, *shape;
    py_scratch s;
    rt_value v;
    rt_dtype d;
    rt_tensor *t = NULL;
    rt_error err = {.code = RT_OK};
    if (!PyArg_ParseTuple(args, "y*OO", &b, &dtype, &shape)) {
        return NULL;
    }
    PY_SCRATCH_INIT(&s);
    if (py_dtype_of(dtype, &d) < 0 || py_to_value(&s, shape, &v) < 0) {
    } else if (v.kind != RT_K_INTS ||
               rt_tensor_new(&t, d, v.count, v.ints, &err) != RT_OK) {
        err.code ? py_raise(&err) : py_fail(RT_E_FORMAT, "damaged shape");
    } else if (rt_tensor_numel(t) * (int64_t)rt_dtype_size(d) != b.len) {
        py_fail(RT_E_FORMAT, "a tensor's bytes do not fill its shape");
        rt_release(t);
        t = NULL;
    } else if (b.len) {
        memcpy(rt_tensor_data(t), b.buf, (size_t)b.len);
    }
    py_scratch_dispose(&s);
    PyBuffer_Release(&b);
    return t ? py_wrap(t) : NULL;
}

static PyMethodDef functions[] = {
    {"_to_bytes", to_bytes, METH_O, NULL},
    {"_from_bytes", from_bytes, METH_VARARGS, NULL},
    {"from_numpy", from_numpy, METH_O,
     "from_numpy(ndarray, /)\n--\n\nA tensor over the array's memory; a copy "
     "where the array is read-only, of negative strides or unaligned."},
    {"from_dlpack", py_from_dlpack, METH_O,
     "from_dlpack(x, /)\n--\n\nA tensor over another library's memory."},
    {"_memory", memory_of, METH_O, NULL},
    {0}};

int py_interop_init(PyObject *module)
{
    exporter_type = py_add_type(module, &exporter_spec, NULL);
    if (!exporter_type || PyModule_AddFunctions(module, functions) < 0) {
        return -1;
    }
    for (PyMethodDef *d = tensor_methods; d->ml_name; d++) {
        PyObject *f = PyDescr_NewMethod(py_Tensor, d);
        int failed = f ? PyDict_SetItemString(py_Tensor->tp_dict, d->ml_name, f)
                       : -1;
        Py_XDECREF(f);
        if (failed) {
            return -1;
        }
    }
    PyType_Modified(py_Tensor);
    return 0;
}

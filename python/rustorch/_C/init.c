/* SPDX-License-Identifier: MIT
 * The module rustorch._C: puts the files' shares together, and the settings of
 * the process.
 */
#include "python/rustorch/_C/binding.h"

PyTypeObject *py_add_type(PyObject *module, PyType_Spec *spec, PyObject *bases)
{
    PyObject *type = PyType_FromSpecWithBases(spec, bases);
    const char *dot = strrchr(spec->name, '.');
    if (type && PyModule_AddObjectRef(module, dot + 1, type) < 0) {
        Py_CLEAR(type);
    }
    return (PyTypeObject *)type;
}

/* --- settings -------------------------------------------------------------------- */

static PyObject *manual_seed(PyObject *m, PyObject *seed)
{
    uint64_t s = PyLong_AsUnsignedLongLongMask(seed);
    if (PyErr_Occurred()) {
        return NULL;
    }
    rt_manual_seed(s);
    return py_generator_object(rt_default_generator());
}

static PyObject *get_num_threads(PyObject *m, PyObject *unused)
{
    return PyLong_FromLong(rt_num_threads());
}

static PyObject *set_num_threads(PyObject *m, PyObject *n)
{
    long v = PyLong_AsLong(n);
    if (v == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (v < 1) {
        return py_fail(RT_E_ARGUMENT, "set_num_threads: expected at least 1, "
                       "got %ld", v);
    }
    rt_set_num_threads((int)v);
    Py_RETURN_NONE;
}

static PyObject *is_simd_enabled(PyObject *m, PyObject *unused)
{
    return PyBool_FromLong(rt_simd_enabled());
}

static PyObject *set_simd_enabled(PyObject *m, PyObject *on)
{
    int v = PyObject_IsTrue(on);
    if (v < 0) {
        return NULL;
    }
    rt_set_simd_enabled(v);
    Py_RETURN_NONE;
}

static PyObject *isa_name(PyObject *m, PyObject *unused)
{
    return PyUnicode_FromString(rt_isa_name());
}

static PyObject *get_default_dtype(PyObject *m, PyObject *unused)
{
    return py_dtype_object(rt_default_dtype());
}

static PyObject *set_default_dtype(PyObject *m, PyObject *o)
{
    rt_error err = {.code = RT_OK};
    rt_dtype d;
    if (py_dtype_of(o, &d) < 0) {
        return NULL;
    }
    if (rt_set_default_dtype(d, &err) != RT_OK) {
        return py_raise(&err);
    }
    Py_RETURN_NONE;
}

static PyObject *promote_types(PyObject *m, PyObject *args)
{
    PyObject *a, *b;
    rt_dtype x, y;
    if (!PyArg_ParseTuple(args, "OO", &a, &b) || py_dtype_of(a, &x) < 0 ||
        py_dtype_of(b, &y) < 0) {
        return NULL;
    }
    return py_dtype_object(rt_promote_types(x, y));
}

static PyObject *check_device(PyObject *m, PyObject *o)
{
    rt_error err = {.code = RT_OK};
    rt_device d;
    if (py_device_of(o, &d) < 0) {
        return NULL;
    }
    if (rt_device_check(d, &err) != RT_OK) {
        return py_raise(&err);
    }
    Py_RETURN_NONE;
}

static PyObject *memory_stats(PyObject *m, PyObject *unused)
{
    rt_memory_stats s;
    rt_memory_read_stats(&s);
    return Py_BuildValue("{s:L,s:L,s:L,s:L}", "allocated",
                         (long long)s.allocated, "peak", (long long)s.peak,
                         "cached", (long long)s.cached, "allocations",
                         (long long)s.allocations);
}

static PyObject *empty_cache(PyObject *m, PyObject *unused)
{
    rt_memory_empty_cache();
    Py_RETURN_NONE;
}

static PyObject *set_log_level(PyObject *m, PyObject *level)
{
    long v = PyLong_AsLong(level);
    if (v == -1 && PyErr_Occurred()) {
        return NULL;
    }
    rt_set_log_level((int)v);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"manual_seed", manual_seed, METH_O,
     "manual_seed(seed, /)\n--\n\nSeeds the default generator and returns it; "
     "the same seed gives the same numbers as PyTorch."},
    {"get_num_threads", get_num_threads, METH_NOARGS,
     "get_num_threads()\n--\n\nHow many threads large operations use."},
    {"set_num_threads", set_num_threads, METH_O,
     "set_num_threads(n, /)\n--\n\nHow many threads large operations use."},
    {"is_simd_enabled", is_simd_enabled, METH_NOARGS,
     "is_simd_enabled()\n--\n\nWhether kernels for this processor are used."},
    {"set_simd_enabled", set_simd_enabled, METH_O,
     "set_simd_enabled(on, /)\n--\n\nFalse: plain kernels only."},
    {"isa_name", isa_name, METH_NOARGS,
     "isa_name()\n--\n\n'baseline', 'avx2' or 'avx512'."},
    {"get_default_dtype", get_default_dtype, METH_NOARGS,
     "get_default_dtype()\n--\n\nThe dtype of new floating-point tensors."},
    {"set_default_dtype", set_default_dtype, METH_O,
     "set_default_dtype(dtype, /)\n--\n\nThe dtype of new floating tensors."},
    {"promote_types", promote_types, METH_VARARGS,
     "promote_types(type1, type2)\n--\n\nThe smallest dtype for both."},
    {"check_device", check_device, METH_O,
     "check_device(device, /)\n--\n\nRaises DeviceError with the reason when "
     "the device cannot be used."},
    {"memory_stats", memory_stats, METH_NOARGS,
     "memory_stats()\n--\n\nBytes allocated, peak and cached."},
    {"empty_cache", empty_cache, METH_NOARGS,
     "empty_cache()\n--\n\nGives cached memory back to the system."},
    {"set_log_level", set_log_level, METH_O,
     "set_log_level(level, /)\n--\n\n0 error, 1 warning, 2 info, 3 debug."},
    {"set_printoptions", (PyCFunction)(void (*)(void))py_set_print_options,
     METH_VARARGS | METH_KEYWORDS,
     "set_printoptions(precision=4, threshold=1000, edgeitems=3, "
     "linewidth=80, sci_mode=-1)\n--\n\nHow tensors print."},
    {0}};

static int (*const shares[])(PyObject *) = {
    py_values_init, py_errors_init, py_tensor_init, py_creation_init,
    py_functions_init, py_interop_init, py_autograd_init, py_module_init,
    py_optim_init, py_data_init, py_files_init, py_cells_init,
    py_catalog_init};

static int exec(PyObject *module)
{
    if (PyModule_AddFunctions(module, functions) < 0 ||
        PyModule_AddStringConstant(module, "__version__", rt_version()) < 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        if (shares[i](module) < 0) {
            return -1;
        }
    }
    return 0;
}

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "rustorch._C",
    .m_doc = "The RusTorch runtime for Python; use it through `rustorch`.",
    .m_size = -1};

PyMODINIT_FUNC PyInit__C(void);   /* Python calls it by name */
PyMODINIT_FUNC PyInit__C(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module && exec(module) < 0) {
        Py_CLEAR(module);
    }
    return module;
}

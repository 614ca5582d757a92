/* SPDX-License-Identifier: MIT
 * .rustorch files: modules with their architecture, and named tensors.
 */
#include "python/rustorch/_C/binding.h"

static PyObject *save_module(PyObject *m, PyObject *args)
{
    PyObject *module;
    const char *path;
    rt_error err = {.code = RT_OK};
    if (!PyArg_ParseTuple(args, "O!s", py_Module, &module, &path)) {
        return NULL;
    }
    if (rt_module_save(PY_M(module), path, &err) != RT_OK) {
        return py_raise(&err);
    }
    Py_RETURN_NONE;
}

static PyObject *load_module(PyObject *m, PyObject *path)
{
    rt_error err = {.code = RT_OK};
    rt_module *out = NULL;
    const char *text = PyUnicode_AsUTF8(path);
    if (!text) {
        return NULL;
    }
    return rt_module_load(&out, text, &err) == RT_OK ? py_wrap_module(out)
                                                     : py_raise(&err);
}

/* What the path leads to is the old file or the new one, whole. */
static PyObject *replace_file(PyObject *m, PyObject *args)
{
    const char *path;
    Py_buffer data;
    rt_error err = {.code = RT_OK};
    if (!PyArg_ParseTuple(args, "sy*", &path, &data)) {
        return NULL;
    }
    rt_status st = rt_file_replace(path, data.buf, (size_t)data.len, &err);
    PyBuffer_Release(&data);
    if (st != RT_OK) {
        return py_raise(&err);
    }
    Py_RETURN_NONE;
}

/* {name: tensor} and {key: text}. */
static PyObject *save_tensors(PyObject *m, PyObject *args)
{
    const char *path;
    PyObject *tensors, *metadata, *key, *value;
    Py_ssize_t at = 0, n = 0, nmeta = 0;
    rt_error err = {.code = RT_OK};
    if (!PyArg_ParseTuple(args, "sO!O!", &path, &PyDict_Type, &tensors,
                          &PyDict_Type, &metadata)) {
        return NULL;
    }
    rt_named_tensor *items = PyMem_Calloc((size_t)PyDict_GET_SIZE(tensors) + 1,
                                          sizeof *items);
    const char **texts = PyMem_Calloc((size_t)PyDict_GET_SIZE(metadata) * 2 + 1,
                                      sizeof *texts);
    bool failed = !items || !texts;
    while (!failed && PyDict_Next(tensors, &at, &key, &value)) {
        failed = !py_is_tensor(value) ||
                 !(items[n].name = (char *)PyUnicode_AsUTF8(key));
        if (!failed) {
            items[n++].tensor = PY_T(value);
        }
    }
    at = 0;
    while (!failed && PyDict_Next(metadata, &at, &key, &value)) {
        texts[2 * nmeta] = PyUnicode_AsUTF8(key);
        texts[2 * nmeta + 1] = PyUnicode_AsUTF8(value);
        failed = !texts[2 * nmeta] || !texts[2 * nmeta + 1];
        nmeta++;
    }
    PyObject *out = NULL;
    if (failed) {
        if (!PyErr_Occurred()) {
            py_fail(RT_E_TYPE, "save: expected tensors by name");
        }
    } else if (rt_tensors_save(path, items, n, texts, nmeta, &err) != RT_OK) {
        py_raise(&err);
    } else {
        out = Py_NewRef(Py_None);
    }
    PyMem_Free(items);
    PyMem_Free(texts);
    return out;
}

static PyObject *load_tensors(PyObject *m, PyObject *path)
{
    rt_error err = {.code = RT_OK};
    rt_tensor_file f = {0};
    const char *text = PyUnicode_AsUTF8(path);
    if (!text) {
        return NULL;
    }
    if (rt_tensors_load(&f, text, &err) != RT_OK) {
        return py_raise(&err);
    }
    PyObject *tensors = PyDict_New(), *metadata = PyDict_New();
    for (int64_t i = 0; tensors && i < f.count; i++) {
        PyObject *t = py_wrap_borrowed(f.items[i].tensor);
        if (!t || PyDict_SetItemString(tensors, f.items[i].name, t) < 0) {
            Py_CLEAR(tensors);
        }
        Py_XDECREF(t);
    }
    for (int64_t i = 0; metadata && i < f.nmetadata; i++) {
        PyObject *s = PyUnicode_FromString(f.metadata[2 * i + 1]);
        if (!s || PyDict_SetItemString(metadata, f.metadata[2 * i], s) < 0) {
            Py_CLEAR(metadata);
        }
        Py_XDECREF(s);
    }
    rt_tensor_file_dispose(&f);
    return Py_BuildValue("(NN)", tensors, metadata);
}

static PyMethodDef functions[] = {
    {"_save_module", save_module, METH_VARARGS, NULL},
    {"_load_module", load_module, METH_O, NULL},
    {"_save_tensors", save_tensors, METH_VARARGS, NULL},
    {"_load_tensors", load_tensors, METH_O, NULL},
    {"_replace_file", replace_file, METH_VARARGS, NULL},
    {0}};

int py_files_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}

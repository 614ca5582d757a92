/* SPDX-License-Identifier: MIT
 * The catalogs as Python data, for stubs, reference pages and tests.
 */
#include "python/rustorch/_C/binding.h"

static const char *const type_names[] = {
    [RT_T_TENSOR] = "Tensor", [RT_T_TENSORS] = "Tensor[]",
    [RT_T_OPT_TENSORS] = "Tensor?[]", [RT_T_SCALAR] = "Scalar",
    [RT_T_INT] = "int", [RT_T_FLOAT] = "float", [RT_T_BOOL] = "bool",
    [RT_T_STRING] = "str", [RT_T_INTS] = "int[]", [RT_T_FLOATS] = "float[]",
    [RT_T_DTYPE] = "dtype", [RT_T_DEVICE] = "Device",
    [RT_T_GENERATOR] = "Generator", [RT_T_MODULE] = "Module",
    [RT_T_MODULES] = "Module[]"};

/* [(name, type, optional, default text or None, keyword only), ...] */
static PyObject *params(const rt_signature *sig)
{
    PyObject *list = PyList_New(sig->nparams);
    for (int i = 0; list && i < sig->nparams; i++) {
        const rt_param *p = &sig->params[i];
        PyObject *row = Py_BuildValue("(ssizi)", p->name, type_names[p->type],
                                      p->optional,
                                      p->has_default ? p->default_text : NULL,
                                      p->keyword_only);
        if (!row) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, i, row);
    }
    return list;
}

/* A catalog row as a dict. */
static PyObject *row(const char *name, const rt_signature *sig,
                     const char *doc, bool differentiable)
{
    if (!sig) {
        return py_fail(RT_E_INTERNAL, "the schema of %s does not parse", name);
    }
    PyObject *results = PyList_New(0);
    for (int i = 0; results && i < sig->nresults; i++) {
        PyObject *text = PyUnicode_FromString(
            sig->result_names[i] ? sig->result_names[i] : "");
        if (!text || PyList_Append(results, text) < 0) {
            Py_CLEAR(results);
        }
        Py_XDECREF(text);
    }
    return results ? Py_BuildValue(
        "{s:s,s:s,s:s,s:s,s:N,s:N,s:i,s:i,s:i}", "name", name, "overload",
        sig->overload, "schema", sig->text, "doc", doc, "params", params(sig),
        "results", results, "list", sig->result_list, "scalar",
        sig->result_scalar, "differentiable", differentiable) : NULL;
}

static PyObject *op_rows(PyObject *m, PyObject *unused)
{
    PyObject *list = PyList_New(rt_op_count());
    for (int i = 0; list && i < rt_op_count(); i++) {
        const rt_op *op = rt_op_at(i);
        PyObject *r = row(rt_op_name(op), rt_op_signature(op), rt_op_doc(op),
                          rt_op_differentiable(op));
        if (!r) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, i, r);
    }
    return list;
}

static PyObject *layer_rows(PyObject *m, PyObject *unused)
{
    PyObject *list = PyList_New(rt_layer_count());
    for (int i = 0; list && i < rt_layer_count(); i++) {
        const rt_layer *l = rt_layer_at(i);
        PyObject *r = row(rt_layer_name(l), rt_layer_signature(l),
                          rt_layer_doc(l), false);
        if (!r) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, i, r);
    }
    return list;
}

static PyObject *error_rows(PyObject *m, PyObject *unused)
{
    PyObject *list = PyList_New(0);
    for (int i = 1; list && i < RT_STATUS_COUNT; i++) {
        const rt_error_info *e = rt_error_describe((rt_status)i);
        PyObject *r = Py_BuildValue("(ssss)", e->code, e->exception, e->builtin,
                                    e->doc);
        if (!r || PyList_Append(list, r) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(r);
    }
    return list;
}

/* --- the cell language ---------------------------------------------------- */

static const char *const cell_keywords[] = {
#define TOKEN(id, text)
#define KEYWORD(id, text) text,
#define PUNCTUATION(id, text)
#include "lang/token.def"
#undef TOKEN
#undef KEYWORD
#undef PUNCTUATION
    NULL};

static const char *const cell_builtins[] = {
#define BUILTIN(id, name, signature, check, effect, doc) name,
#include "lang/builtins.def"
#undef BUILTIN
    NULL};

/* code, meaning, a cell that shows it ("" for none), the cell put right */
static const char *const cell_errors[][4] = {
#define DIAGNOSTIC(id, code, cls, doc, example, fixed)                         \
    {code, doc, example, fixed},
#include "lang/diagnostics.def"
#undef DIAGNOSTIC
    {NULL}};

static PyObject *texts(const char *const *words)
{
    PyObject *list = PyList_New(0);
    for (; list && *words; words++) {
        PyObject *text = PyUnicode_FromString(*words);
        if (!text || PyList_Append(list, text) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(text);
    }
    return list;
}

static PyObject *keywords_of_cells(PyObject *m, PyObject *unused)
{
    return texts(cell_keywords);
}

static PyObject *builtins_of_cells(PyObject *m, PyObject *unused)
{
    return texts(cell_builtins);
}

static PyObject *errors_of_cells(PyObject *m, PyObject *unused)
{
    PyObject *list = PyList_New(0);
    for (int i = 0; list && cell_errors[i][0]; i++) {
        const char *const *e = cell_errors[i];
        PyObject *r = Py_BuildValue("(ssss)", e[0], e[1], e[2], e[3]);
        if (!r || PyList_Append(list, r) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(r);
    }
    return list;
}

static PyMethodDef functions[] = {
    {"_cell_keywords", keywords_of_cells, METH_NOARGS, NULL},
    {"_cell_builtins", builtins_of_cells, METH_NOARGS, NULL},
    {"_cell_errors", errors_of_cells, METH_NOARGS, NULL},
    {"_op_rows", op_rows, METH_NOARGS, NULL},
    {"_layer_rows", layer_rows, METH_NOARGS, NULL},
    {"_error_rows", error_rows, METH_NOARGS, NULL},
    {0}};

int py_catalog_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}

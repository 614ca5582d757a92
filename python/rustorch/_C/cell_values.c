/* SPDX-License-Identifier: MIT
 * Values of the cell language as Python objects and back, without copies.
 */
#include "python/rustorch/_C/cells.h"

PyTypeObject *py_CellValue;

/* --- values Python has no type of its own for ------------------------------------- */

typedef struct cell_value {
    PyObject_HEAD
    lang_value v;
} cell_value;

static void value_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    lang_value_release(&((cell_value *)o)->v);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyObject *value_repr(PyObject *o)
{
    lang_bundle b = {0};
    rt_error err = {.code = RT_OK};
    PyObject *text = NULL;
    if (lang_render(&b, &((cell_value *)o)->v, &err) != RT_OK) {
        return py_raise(&err);
    }
    for (int i = 0; i < b.count && !text; i++) {
        if (!strcmp(b.items[i].mime, "text/plain")) {
            text = PyUnicode_DecodeUTF8(b.items[i].data,
                                        (Py_ssize_t)b.items[i].size, "replace");
        }
    }
    lang_bundle_dispose(&b);
    return text ? text : PyUnicode_FromString("<value of a cell>");
}

PyType_Spec py_cell_value_spec = {
    "rustorch._C.CellValue", sizeof(cell_value), 0, Py_TPFLAGS_DEFAULT,
    (PyType_Slot[]){{Py_tp_dealloc, value_dealloc}, {Py_tp_repr, value_repr},
                    {Py_tp_doc, "A value of the cell language."}, {0, NULL}}};

static PyObject *opaque(lang_value *v)
{
    cell_value *o = PyObject_New(cell_value, py_CellValue);
    if (o) {
        o->v = *v;
        *v = (lang_value){.kind = LANG_VOID};
    }
    return (PyObject *)o;
}

/* --- to Python ---------------------------------------------------------------------- */

static PyObject *list_object(const lang_list *l)
{
    int64_t n = lang_list_length(l);
    PyObject *list = PyList_New(n);
    for (int64_t i = 0; list && i < n; i++) {
        lang_value item = lang_list_get(l, i);
        PyObject *o = py_from_lang(&item);
        if (!o) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, i, o);
    }
    return list;
}

/* The class of rustorch.optim around it. */
static PyObject *optimizer_object(rt_optimizer *o)
{
    PyObject *core = py_wrap_optimizer(rt_optimizer_retain(o));
    PyObject *m = core ? PyImport_ImportModule("rustorch.optim.optimizer")
                       : NULL;
    PyObject *out = m ? PyObject_CallMethod(m, "_adopt", "O", core) : NULL;
    Py_XDECREF(m);
    Py_XDECREF(core);
    return out;
}

PyObject *py_from_lang(const lang_value *v)
{
    switch (v->kind) {
    case LANG_VOID: Py_RETURN_NONE;
    case LANG_BOOL: return PyBool_FromLong(v->b);
    case LANG_INT: return PyLong_FromLongLong(v->i);
    case LANG_FLOAT: return PyFloat_FromDouble(v->f);
    case LANG_STRING:
        return PyUnicode_DecodeUTF8(v->s, (Py_ssize_t)strlen(v->s), "replace");
    case LANG_TENSOR: return py_wrap_borrowed(v->tensor);
    case LANG_LIST: return list_object(v->list);
    case LANG_MODULE: return py_wrap_module(rt_module_retain(v->module));
    case LANG_OPTIMIZER: return optimizer_object(v->optimizer);
    case LANG_LOADER: return py_wrap_loader(rt_loader_retain(v->loader));
    case LANG_DATASET: return py_wrap_dataset(rt_dataset_retain(v->dataset));
    case LANG_HOST: return Py_NewRef((PyObject *)v->object);
    default: return NULL;   /* no exception: the caller keeps it opaque */
    }
}

PyObject *py_take_lang(lang_value *v)
{
    PyObject *o = py_from_lang(v);
    if (!o && !PyErr_Occurred()) {
        return opaque(v);
    }
    lang_value_release(v);
    *v = (lang_value){.kind = LANG_VOID};
    return o;
}

/* --- from Python ------------------------------------------------------------------------ */

static lang_type_kind element_kind(PyObject *o)
{
    return PyBool_Check(o) ? LANG_BOOL : PyLong_Check(o) ? LANG_INT
         : PyFloat_Check(o) ? LANG_FLOAT : PyUnicode_Check(o) ? LANG_STRING
         : py_is_tensor(o) ? LANG_TENSOR : py_is_module(o) ? LANG_MODULE
         : LANG_VOID;
}

/* A list of one kind; ints among floats count as floats. */
static bool list_value(PyObject *o, lang_value *out, PyObject *kept)
{
    lang_list *list = NULL;
    lang_type_kind kind = LANG_INT;
    Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
    for (Py_ssize_t i = 0; i < n; i++) {
        lang_type_kind k = element_kind(PySequence_Fast_GET_ITEM(o, i));
        bool numbers = i && ((kind == LANG_INT && k == LANG_FLOAT) ||
                             (kind == LANG_FLOAT && k == LANG_INT));
        if (k == LANG_VOID || (i && k != kind && !numbers)) {
            return false;
        }
        kind = numbers ? LANG_FLOAT : k;
    }
    if (lang_list_new(&list, kind, NULL) != RT_OK) {
        return false;
    }
    bool ok = true;
    for (Py_ssize_t i = 0; i < n && ok; i++) {
        lang_value item;
        ok = py_to_lang(PySequence_Fast_GET_ITEM(o, i), &item, kept);
        if (ok && kind == LANG_FLOAT && item.kind == LANG_INT) {
            item = (lang_value){.kind = LANG_FLOAT, .f = (double)item.i};
        }
        if (ok) {
            ok = lang_list_push(list, item, NULL) == RT_OK;
            lang_value_release(&item);
        }
    }
    *out = (lang_value){.kind = LANG_LIST, .list = list};
    if (!ok) {
        lang_value_release(out);
    }
    return ok;
}

static bool array_value(PyObject *o, lang_value *out)
{
    rt_tensor *t = NULL;
    if (!PyObject_HasAttrString(o, "__array__") &&
        !PyObject_HasAttrString(o, "__dlpack__")) {
        return false;
    }
    if (py_as_tensor(&t, o, RT_DTYPE_NONE) < 0) {
        PyErr_Clear();   /* an array of another kind: not a name for cells */
        return false;
    }
    rt_value number;
    if (rt_tensor_ndim(t) == 0 && !PyObject_HasAttrString(o, "__dlpack__") &&
        rt_tensor_item(&number, t, NULL) == RT_OK) {
        rt_release(t);
        *out = number.kind == RT_K_FLOAT
            ? (lang_value){.kind = LANG_FLOAT, .f = number.f}
            : number.kind == RT_K_BOOL
            ? (lang_value){.kind = LANG_BOOL, .b = number.b}
            : (lang_value){.kind = LANG_INT, .i = number.i};
        return true;
    }
    *out = (lang_value){.kind = LANG_TENSOR, .tensor = t};
    return true;
}

/* Keeps the Python object alive as long as the session, which may come to be
 * the only owner of what it stands for. */
static void keep(PyObject *kept, PyObject *o)
{
    if (kept && PySequence_Contains(kept, o) == 0) {
        PyList_Append(kept, o);
    }
    PyErr_Clear();
}

static bool object_value(PyObject *o, lang_value *out, PyObject *kept)
{
    rt_optimizer *optimizer = py_optimizer_of(o);
    if (optimizer) {
        *out = (lang_value){.kind = LANG_OPTIMIZER,
                            .optimizer = rt_optimizer_retain(optimizer)};
        keep(kept, o);
        return true;
    }
    rt_loader *loader = py_loader_of(o);
    if (loader) {
        *out = (lang_value){.kind = LANG_LOADER,
                            .loader = rt_loader_retain(loader)};
        return true;
    }
    if (PyObject_HasAttrString(o, "__getitem__") &&
        PyObject_HasAttrString(o, "__len__") && !PyDict_Check(o)) {
        rt_dataset *d = py_dataset_of(o);
        PyErr_Clear();
        if (d) {
            *out = (lang_value){.kind = LANG_DATASET, .dataset = d};
            return true;
        }
    }
    if (PyCallable_Check(o) && !PyType_Check(o)) {
        *out = (lang_value){.kind = LANG_HOST, .object = Py_NewRef(o)};
        return true;
    }
    return false;
}

bool py_to_lang(PyObject *o, lang_value *out, PyObject *kept)
{
    if (PyBool_Check(o)) {
        *out = (lang_value){.kind = LANG_BOOL, .b = o == Py_True};
    } else if (PyLong_Check(o)) {
        int overflow;
        int64_t i = PyLong_AsLongLongAndOverflow(o, &overflow);
        *out = (lang_value){.kind = LANG_INT, .i = i};
        return !overflow;
    } else if (PyFloat_Check(o)) {
        *out = (lang_value){.kind = LANG_FLOAT, .f = PyFloat_AS_DOUBLE(o)};
    } else if (PyUnicode_Check(o)) {
        const char *s = PyUnicode_AsUTF8(o);
        PyErr_Clear();
        *out = (lang_value){.kind = LANG_STRING, .s = rt_strdup(s ? s : "")};
    } else if (py_is_tensor(o)) {
        *out = (lang_value){.kind = LANG_TENSOR, .tensor = rt_retain(PY_T(o))};
    } else if (py_is_module(o) && PY_M(o)) {
        *out = (lang_value){.kind = LANG_MODULE,
                            .module = rt_module_retain(PY_M(o))};
        keep(kept, o);
    } else if (PyList_Check(o) || PyTuple_Check(o)) {
        return list_value(o, out, kept);
    } else {
        return array_value(o, out) || object_value(o, out, kept);
    }
    return true;
}

/* --- MIME bundles ------------------------------------------------------------------------- */

PyObject *py_bundle(const lang_bundle *b)
{
    PyObject *dict = PyDict_New();
    for (int i = 0; dict && i < b->count; i++) {
        const lang_mime *m = &b->items[i];
        PyObject *data = m->binary
            ? PyBytes_FromStringAndSize(m->data, (Py_ssize_t)m->size)
            : PyUnicode_DecodeUTF8(m->data, (Py_ssize_t)m->size, "replace");
        if (!data || PyDict_SetItemString(dict, m->mime, data) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(data);
    }
    return dict ? Py_BuildValue("(Nii)", dict, b->width, b->height) : NULL;
}

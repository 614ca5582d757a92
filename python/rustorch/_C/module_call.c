/* SPDX-License-Identifier: MIT
 * Calling a module: hooks, then forward in Python or in the runtime.
 */
#include "python/rustorch/_C/module.h"

static int64_t hooks_set;            /* forward hooks ever registered */

PyObject *py_module_result(const rt_module *m, rt_value *v)
{
    const rt_layer *layer = rt_module_layer(m);
    if (v->kind != RT_K_TENSORS || !layer) {
        return py_from_value(v);
    }
    int n = v->count;
    PyObject *flat = py_from_value(v);
    if (!flat || n != 3 || strcmp(rt_layer_name(layer), "LSTM")) {
        return flat;
    }
    PyObject *nested = Py_BuildValue("(O(OO))", PyTuple_GET_ITEM(flat, 0),
                                     PyTuple_GET_ITEM(flat, 1),
                                     PyTuple_GET_ITEM(flat, 2));
    Py_DECREF(flat);
    return nested;
}

/* The tensors of the arguments; (h, c) of an LSTM are two of them. */
static int forward_arguments(py_scratch *s, PyObject *args, rt_value *v, int *n)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
        PyObject *o = PyTuple_GET_ITEM(args, i);
        if (PyTuple_Check(o)) {
            if (forward_arguments(s, o, v, n) < 0) {
                return -1;
            }
            continue;
        }
        if (*n == RT_MAX_ARGS) {
            py_fail(RT_E_TYPE, "forward: too many arguments");
            return -1;
        }
        if (py_to_value(s, o, &v[(*n)++]) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Sequential, one child after the other in Python, so that hooks run. */
static PyObject *forward_children(py_module *self, PyObject *args)
{
    PyObject *x = NULL, *child, *name;
    Py_ssize_t at = 0;
    while (PyDict_Next(self->children, &at, &name, &child)) {
        PyObject *y = x ? PyObject_CallOneArg(child, x)
                        : PyObject_Call(child, args, NULL);
        Py_XDECREF(x);
        x = y;
        if (!x) {
            return NULL;
        }
    }
    return x;
}

PyObject *py_module_forward(PyObject *o, PyObject *args, PyObject *kw)
{
    py_module *self = (py_module *)o;
    rt_value v[RT_MAX_ARGS], result = RT_UNSET;
    rt_error err = {.code = RT_OK};
    py_scratch s;
    int n = 0;
    if (!py_module_live(o)) {
        return NULL;
    }
    rt_module *m = self->inner ? self->inner : self->m;
    if (m == self->m && self->host) {
        return py_fail(RT_E_UNSUPPORTED, "%s: the class has no forward method; "
                       "define forward(self, x)", Py_TYPE(o)->tp_name);
    }
    if (kw && PyDict_GET_SIZE(kw)) {   /* input=, target= in order */
        PyObject *more = PyDict_Values(kw), *tail = more ? PyList_AsTuple(more)
                                                         : NULL;
        PyObject *all = tail ? PySequence_Concat(args, tail) : NULL;
        Py_XDECREF(more);
        Py_XDECREF(tail);
        PyObject *out = all ? py_module_forward(o, all, NULL) : NULL;
        Py_XDECREF(all);
        return out;
    }
    if (hooks_set && PyDict_GET_SIZE(self->children) &&
        !strcmp(rt_module_name(m), "Sequential")) {
        return forward_children(self, args);
    }
    PY_SCRATCH_INIT(&s);
    PyObject *out = NULL;
    if (!forward_arguments(&s, args, v, &n)) {
        py_unlocked u = py_unlock(s.elements >= PY_BIG / 4);
        rt_status status = rt_module_forward(m, v, n, &result, &err);
        py_lock(u);
        out = status == RT_OK ? py_module_result(m, &result) : py_raise(&err);
    }
    py_scratch_dispose(&s);
    return out;
}

/* Hooks are (callable, with_kwargs) pairs in a list. */
static PyObject *run_pre_hooks(PyObject *o, PyObject *args)
{
    PyObject *hooks = PySequence_Tuple(((py_module *)o)->pre_hooks);
    args = Py_NewRef(args);
    for (Py_ssize_t i = 0; hooks && i < PyTuple_GET_SIZE(hooks); i++) {
        PyObject *r = PyObject_CallFunctionObjArgs(PyTuple_GET_ITEM(hooks, i),
                                                   o, args, NULL);
        if (!r) {
            Py_CLEAR(args);
            break;
        }
        if (r != Py_None) {
            PyObject *next = PyTuple_Check(r) ? Py_NewRef(r)
                                              : PyTuple_Pack(1, r);
            Py_SETREF(args, next);
        }
        Py_DECREF(r);
        if (!args) {
            break;
        }
    }
    Py_XDECREF(hooks);
    return args;
}

static PyObject *run_hooks(PyObject *o, PyObject *args, PyObject *out)
{
    PyObject *hooks = PySequence_Tuple(((py_module *)o)->hooks);
    for (Py_ssize_t i = 0; hooks && out && i < PyTuple_GET_SIZE(hooks); i++) {
        PyObject *r = PyObject_CallFunctionObjArgs(PyTuple_GET_ITEM(hooks, i),
                                                   o, args, out, NULL);
        if (!r) {
            Py_CLEAR(out);
        } else if (r != Py_None) {
            Py_SETREF(out, Py_NewRef(r));
        }
        Py_XDECREF(r);
    }
    Py_XDECREF(hooks);
    return out;
}

static PyObject *forward_of(PyObject *o, PyObject *args, PyObject *kw)
{
    PyObject *in_dict = ((py_module *)o)->dict
        ? PyDict_GetItem(((py_module *)o)->dict, py_name_forward) : NULL;
    if (!in_dict && !py_module_overridden(Py_TYPE(o))) {
        return py_module_forward(o, args, kw);
    }
    PyObject *f = PyObject_GetAttr(o, py_name_forward);
    PyObject *out = f ? PyObject_Call(f, args, kw) : NULL;
    Py_XDECREF(f);
    return out;
}

PyObject *py_module_call(PyObject *o, PyObject *args, PyObject *kw)
{
    py_module *self = (py_module *)o;
    if (!self->pre_hooks && !self->hooks) {
        return forward_of(o, args, kw);
    }
    args = self->pre_hooks ? run_pre_hooks(o, args) : Py_NewRef(args);
    PyObject *out = args ? forward_of(o, args, kw) : NULL;
    if (out && self->hooks) {
        out = run_hooks(o, args, out);
    }
    Py_XDECREF(args);
    return out;
}

PyObject *py_module_add_hook(PyObject *o, PyObject *args)
{
    PyObject *f;
    int pre, first;
    if (!PyArg_ParseTuple(args, "Opp", &f, &pre, &first)) {
        return NULL;
    }
    PyObject **list = pre ? &((py_module *)o)->pre_hooks
                          : &((py_module *)o)->hooks;
    if (!*list && !(*list = PyList_New(0))) {
        return NULL;
    }
    if (PyList_Insert(*list, first ? 0 : PyList_GET_SIZE(*list), f) < 0) {
        return NULL;
    }
    hooks_set++;
    Py_RETURN_NONE;
}

PyObject *py_module_remove_hook(PyObject *o, PyObject *f)
{
    PyObject **lists[] = {&((py_module *)o)->pre_hooks,
                          &((py_module *)o)->hooks};
    for (int k = 0; k < 2; k++) {
        for (Py_ssize_t i = 0; *lists[k] && i < PyList_GET_SIZE(*lists[k]);
             i++) {
            if (PyList_GET_ITEM(*lists[k], i) == f) {
                PyList_SetSlice(*lists[k], i, i + 1, NULL);
                break;
            }
        }
        if (*lists[k] && PyList_GET_SIZE(*lists[k]) == 0) {
            Py_CLEAR(*lists[k]);
        }
    }
    Py_RETURN_NONE;
}

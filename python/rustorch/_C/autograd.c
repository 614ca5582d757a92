/* SPDX-License-Identifier: MIT
 * Differentiation as Python sees it: backward, grad modes, graph nodes, hooks
 * and rules written in Python.
 */
#include "python/rustorch/_C/binding.h"

PyTypeObject *py_Node;

/* --- lists of tensors ---------------------------------------------------------- */

typedef struct tensors {
    rt_tensor **p;      /* borrowed from the Python objects */
    Py_ssize_t n;
} tensors;

/* None entries become NULL where `optional`. */
static int take(tensors *x, PyObject *o, bool optional, const char *what)
{
    PyObject *fast = PySequence_Fast(o, "expected a sequence of tensors");
    if (!fast) {
        return -1;
    }
    x->n = PySequence_Fast_GET_SIZE(fast);
    x->p = PyMem_Calloc((size_t)x->n + 1, sizeof *x->p);
    int failed = x->p ? 0 : (PyErr_NoMemory(), -1);
    for (Py_ssize_t i = 0; i < x->n && !failed; i++) {
        PyObject *item = PySequence_Fast_GET_ITEM(fast, i);
        if (py_is_tensor(item)) {
            x->p[i] = PY_T(item);
        } else if (!optional || item != Py_None) {
            py_fail(RT_E_TYPE, "%s: expected tensors, got %s", what,
                    Py_TYPE(item)->tp_name);
            failed = -1;
        }
    }
    Py_DECREF(fast);
    if (failed) {
        PyMem_Free(x->p);
        x->p = NULL;
    }
    return failed;
}

/* --- backward --------------------------------------------------------------------- */

static PyObject *run_backward(rt_tensor *const *outputs,
                              rt_tensor *const *gradients, int n, bool retain,
                              bool create)
{
    rt_error err = {.code = RT_OK};
    py_unlocked u = py_unlock(true);
    rt_status status = rt_backward(outputs, gradients, n, retain, create, &err);
    py_lock(u);
    if (status != RT_OK) {
        return py_raise(&err);
    }
    Py_RETURN_NONE;
}

static PyObject *backward_method(PyObject *o, PyObject *args, PyObject *kw)
{
    static char *names[] = {"gradient", "retain_graph", "create_graph",
                            "inputs", NULL};
    PyObject *gradient = Py_None, *retain = Py_None, *inputs = Py_None;
    int create = 0;
    rt_tensor *g = NULL, *t = PY_T(o);
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|OOpO:backward", names,
                                     &gradient, &retain, &create, &inputs)) {
        return NULL;
    }
    if (inputs != Py_None) {
        PyObject *m = PyImport_ImportModule("rustorch.autograd");
        PyObject *out = m ? PyObject_CallMethod(m, "_backward_into", "OOOiO", o,
                                                gradient, retain, create,
                                                inputs) : NULL;
        Py_XDECREF(m);
        return out;
    }
    if (gradient != Py_None && py_as_tensor(&g, gradient, RT_DTYPE_NONE) < 0) {
        return NULL;
    }
    int keep = retain == Py_None ? create : PyObject_IsTrue(retain);
    PyObject *out = run_backward(&t, &g, 1, keep, create);
    rt_release(g);
    return out;
}

static PyObject *backward(PyObject *m, PyObject *args)
{
    PyObject *outputs, *gradients;
    int retain, create;
    tensors x = {NULL, 0}, g = {NULL, 0};
    PyObject *out = NULL;
    if (!PyArg_ParseTuple(args, "OOpp", &outputs, &gradients, &retain,
                          &create)) {
        return NULL;
    }
    if (!take(&x, outputs, false, "backward") &&
        !take(&g, gradients, true, "backward")) {
        out = run_backward(x.p, g.p, (int)x.n, retain, create);
    }
    PyMem_Free(x.p);
    PyMem_Free(g.p);
    return out;
}

static PyObject *gradients_tuple(rt_tensor **r, Py_ssize_t n)
{
    PyObject *tuple = PyTuple_New(n);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *o = tuple ? py_wrap(r[i]) : (rt_release(r[i]), NULL);
        if (tuple && !o) {
            Py_CLEAR(tuple);
        } else if (tuple) {
            PyTuple_SET_ITEM(tuple, i, o);
        }
    }
    return tuple;
}

static PyObject *gradients(PyObject *m, PyObject *args)
{
    PyObject *outputs, *inputs, *grads;
    int retain, create, unused;
    tensors x = {NULL, 0}, y = {NULL, 0}, g = {NULL, 0};
    rt_error err = {.code = RT_OK};
    PyObject *out = NULL;
    rt_tensor **r = NULL;
    if (!PyArg_ParseTuple(args, "OOOppp", &outputs, &inputs, &grads, &retain,
                          &create, &unused) ||
        take(&y, outputs, false, "grad") < 0 ||
        take(&x, inputs, false, "grad") < 0 ||
        take(&g, grads, true, "grad") < 0) {
        goto done;
    }
    r = PyMem_Calloc((size_t)x.n + 1, sizeof *r);
    if (!r) {
        PyErr_NoMemory();
        goto done;
    }
    py_unlocked u = py_unlock(true);
    rt_status status = rt_gradients(r, y.p, g.p, (int)y.n, x.p, (int)x.n,
                                    retain, create, unused, &err);
    py_lock(u);
    out = status == RT_OK ? gradients_tuple(r, x.n) : py_raise(&err);
done:
    PyMem_Free(x.p);
    PyMem_Free(y.p);
    PyMem_Free(g.p);
    PyMem_Free(r);
    return out;
}

/* --- modes -------------------------------------------------------------------------- */

static PyObject *is_grad_enabled(PyObject *m, PyObject *unused)
{
    return PyBool_FromLong(rt_grad_enabled());
}

static PyObject *set_grad_mode(PyObject *m, PyObject *on)
{
    return PyBool_FromLong(rt_set_grad_enabled(PyObject_IsTrue(on) == 1));
}

static PyObject *is_inference(PyObject *m, PyObject *unused)
{
    return PyBool_FromLong(rt_inference_mode());
}

static PyObject *set_inference(PyObject *m, PyObject *on)
{
    return PyBool_FromLong(rt_set_inference_mode(PyObject_IsTrue(on) == 1));
}

/* --- nodes ---------------------------------------------------------------------------- */

typedef struct node_object {
    PyObject_HEAD
    rt_node *n;
} node_object;

PyObject *py_node_object(rt_node *n)
{
    if (!n) {
        Py_RETURN_NONE;
    }
    node_object *o = PyObject_New(node_object, py_Node);
    if (o) {
        o->n = rt_node_retain(n);
    }
    return (PyObject *)o;
}

static void node_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    rt_node_release(((node_object *)o)->n);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyObject *node_name(PyObject *o, PyObject *unused)
{
    return PyUnicode_FromString(rt_node_name(((node_object *)o)->n));
}

static PyObject *node_repr(PyObject *o)
{
    return PyUnicode_FromFormat("<%s object at %p>",
                                rt_node_name(((node_object *)o)->n),
                                ((node_object *)o)->n);
}

static PyObject *node_next(PyObject *o, void *unused)
{
    rt_node *n = ((node_object *)o)->n;
    PyObject *tuple = PyTuple_New(rt_node_ninputs(n));
    for (int i = 0; tuple && i < rt_node_ninputs(n); i++) {
        PyObject *pair = Py_BuildValue("(Ni)",
                                       py_node_object(rt_node_input(n, i)), 0);
        if (!pair) {
            Py_CLEAR(tuple);
            break;
        }
        PyTuple_SET_ITEM(tuple, i, pair);
    }
    return tuple;
}

static PyObject *node_variable(PyObject *o, void *unused)
{
    rt_tensor *t = rt_node_variable(((node_object *)o)->n);
    if (!t) {
        PyErr_Format(PyExc_AttributeError, "%s has no variable: only "
                     "AccumulateGrad has", rt_node_name(((node_object *)o)->n));
        return NULL;
    }
    return py_wrap_borrowed(t);
}

static Py_hash_t node_hash(PyObject *o)
{
    return _Py_HashPointer(((node_object *)o)->n);
}

static PyObject *node_compare(PyObject *a, PyObject *b, int op)
{
    if (Py_TYPE(b) != py_Node || (op != Py_EQ && op != Py_NE)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    bool same = ((node_object *)a)->n == ((node_object *)b)->n;
    return PyBool_FromLong(same == (op == Py_EQ));
}

static PyMethodDef node_methods[] = {
    {"name", node_name, METH_NOARGS,
     "name($self, /)\n--\n\nThe rule's name, e.g. 'MulBackward0'."}, {0}};
static PyGetSetDef node_getset[] = {
    {"next_functions", node_next, NULL,
     "Where gradients flow on: pairs of node (or None) and index.", NULL},
    {"variable", node_variable, NULL, "AccumulateGrad's leaf.", NULL}, {0}};
static PyType_Spec node_spec = {
    "rustorch.autograd.Node", sizeof(node_object), 0, Py_TPFLAGS_DEFAULT,
    (PyType_Slot[]){{Py_tp_dealloc, node_dealloc}, {Py_tp_repr, node_repr},
                    {Py_tp_hash, node_hash},
                    {Py_tp_richcompare, node_compare},
                    {Py_tp_methods, node_methods},
                    {Py_tp_getset, node_getset},
                    {Py_tp_doc, "A recorded operation."}, {0, NULL}}};

/* --- callables of Python behind C callbacks ------------------------------------------------ */

static void drop_callable(void *ctx)
{
    if (Py_IsInitialized()) {
        PyGILState_STATE state = PyGILState_Ensure();
        Py_DECREF((PyObject *)ctx);
        PyGILState_Release(state);
    }
}

/* A tensor hook: a returned tensor replaces the gradient. */
static rt_status run_hook(void *ctx, rt_tensor **grad, rt_error *err)
{
    PyGILState_STATE state = PyGILState_Ensure();
    rt_status status = RT_OK;
    PyObject *g = py_wrap_borrowed(*grad);
    PyObject *r = g ? PyObject_CallOneArg(ctx, g) : NULL;
    if (r && r != Py_None && !py_is_tensor(r)) {
        py_fail(RT_E_TYPE, "hook: expected a tensor or None back, got %s",
                Py_TYPE(r)->tp_name);
        Py_CLEAR(r);
    }
    if (!r) {
        status = py_stash(err);
    } else if (r != Py_None) {
        rt_tensor *old = *grad;
        *grad = rt_retain(PY_T(r));
        rt_release(old);
    }
    Py_XDECREF(r);
    Py_XDECREF(g);
    PyGILState_Release(state);
    return status;
}

/* The callable gets the tensor itself, after its grad was added to. */
static rt_status run_accumulated(void *ctx, rt_tensor **grad, rt_error *err)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *r = PyObject_CallNoArgs(ctx);
    rt_status status = r ? RT_OK : py_stash(err);
    Py_XDECREF(r);
    PyGILState_Release(state);
    return status;
}

static PyObject *add_hook(PyObject *m, PyObject *args)
{
    PyObject *t, *f;
    int accumulated;
    int64_t handle;
    rt_error err = {.code = RT_OK};
    if (!PyArg_ParseTuple(args, "O!Op", py_Tensor, &t, &f, &accumulated)) {
        return NULL;
    }
    rt_hook hook = {accumulated ? run_accumulated : run_hook, Py_NewRef(f),
                    drop_callable};
    rt_status status = accumulated
        ? rt_register_post_accumulate_hook(PY_T(t), &hook, &handle, &err)
        : rt_register_hook(PY_T(t), &hook, &handle, &err);
    if (status != RT_OK) {
        Py_DECREF(f);
        return py_raise(&err);
    }
    return PyLong_FromLongLong(handle);
}

static PyObject *remove_hook(PyObject *m, PyObject *args)
{
    PyObject *t;
    long long handle;
    if (!PyArg_ParseTuple(args, "O!L", py_Tensor, &t, &handle)) {
        return NULL;
    }
    rt_remove_hook(PY_T(t), handle);
    Py_RETURN_NONE;
}

/* --- rules in Python ----------------------------------------------------------------------- */

static int fill(rt_tensor **grads, int n, PyObject *r)
{
    PyObject *tuple = PyTuple_Check(r) ? Py_NewRef(r) : PyTuple_Pack(1, r);
    if (!tuple) {
        return -1;
    }
    int failed = 0;
    if (PyTuple_GET_SIZE(tuple) != n) {
        py_fail(RT_E_AUTOGRAD, "backward: expected %d gradients, one for each "
                "input of forward that is a tensor, got %zd", n,
                PyTuple_GET_SIZE(tuple));
        failed = -1;
    }
    for (int i = 0; i < n && !failed; i++) {
        PyObject *o = PyTuple_GET_ITEM(tuple, i);
        if (py_is_tensor(o)) {
            grads[i] = rt_retain(PY_T(o));
        } else if (o != Py_None) {
            py_fail(RT_E_TYPE, "backward: gradient %d should be a tensor or "
                    "None, got %s", i, Py_TYPE(o)->tp_name);
            failed = -1;
        }
    }
    for (int i = 0; i < n && failed; i++) {
        rt_release(grads[i]);
        grads[i] = NULL;
    }
    Py_DECREF(tuple);
    return failed;
}

static rt_status run_rule(void *ctx, rt_tensor *const *given, int noutputs,
                          rt_tensor **grads, int ninputs, rt_error *err)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *args = PyTuple_New(noutputs);
    for (int i = 0; args && i < noutputs; i++) {
        PyTuple_SET_ITEM(args, i, given[i] ? py_wrap_borrowed(given[i])
                                           : Py_NewRef(Py_None));
    }
    PyObject *r = args ? PyObject_CallObject(ctx, args) : NULL;
    rt_status status = r && fill(grads, ninputs, r) == 0 ? RT_OK
                                                         : py_stash(err);
    Py_XDECREF(r);
    Py_XDECREF(args);
    PyGILState_Release(state);
    return status;
}

static PyObject *attach(PyObject *m, PyObject *args)
{
    const char *name;
    PyObject *f, *inputs, *outputs;
    tensors x = {NULL, 0}, y = {NULL, 0};
    rt_error err = {.code = RT_OK};
    PyObject *out = NULL;
    if (!PyArg_ParseTuple(args, "sOOO", &name, &f, &inputs, &outputs)) {
        return NULL;
    }
    if (!take(&x, inputs, false, name) && !take(&y, outputs, false, name)) {
        rt_custom_node node = {name, run_rule, Py_NewRef(f), drop_callable};
        if (rt_attach_custom(&node, x.p, (int)x.n, y.p, (int)y.n, &err)) {
            Py_DECREF(f);
            py_raise(&err);
        } else {
            out = Py_NewRef(Py_None);
        }
    }
    PyMem_Free(x.p);
    PyMem_Free(y.p);
    return out;
}

/* --- gradcheck -------------------------------------------------------------------------------- */

static rt_status run_function(void *ctx, rt_tensor *const *inputs, int n,
                              rt_tensor **output, rt_error *err)
{
    PyGILState_STATE state = PyGILState_Ensure();
    rt_status status = RT_OK;
    PyObject *args = PyTuple_New(n);
    for (int i = 0; args && i < n; i++) {
        PyTuple_SET_ITEM(args, i, py_wrap_borrowed(inputs[i]));
    }
    PyObject *r = args ? PyObject_CallObject(ctx, args) : NULL;
    if (r && !py_is_tensor(r)) {
        py_fail(RT_E_TYPE, "gradcheck: the function returned %s, not a tensor",
                Py_TYPE(r)->tp_name);
        Py_CLEAR(r);
    }
    if (r) {
        *output = rt_retain(PY_T(r));
    } else {
        status = py_stash(err);
    }
    Py_XDECREF(r);
    Py_XDECREF(args);
    PyGILState_Release(state);
    return status;
}

static PyObject *gradcheck(PyObject *m, PyObject *args)
{
    PyObject *f, *inputs;
    double eps, atol, rtol;
    tensors x = {NULL, 0};
    rt_error err = {.code = RT_OK};
    if (!PyArg_ParseTuple(args, "OOddd", &f, &inputs, &eps, &atol, &rtol) ||
        take(&x, inputs, false, "gradcheck") < 0) {
        return NULL;
    }
    rt_status status = rt_gradcheck(run_function, f, x.p, (int)x.n, eps, atol,
                                    rtol, &err);
    PyMem_Free(x.p);
    if (status != RT_OK) {
        return py_raise(&err);
    }
    Py_RETURN_TRUE;
}

static PyObject *graph_svg(PyObject *m, PyObject *o)
{
    rt_error err = {.code = RT_OK};
    char *text = NULL;
    if (!py_is_tensor(o)) {
        return py_fail(RT_E_TYPE, "graph: expected a tensor, got %s",
                       Py_TYPE(o)->tp_name);
    }
    return rt_graph_svg(&text, PY_T(o), &err) == RT_OK ? py_text(text)
                                                       : py_raise(&err);
}

static PyMethodDef backward_def = {
    "backward", (PyCFunction)(void (*)(void))backward_method,
    METH_VARARGS | METH_KEYWORDS,
    "backward($self, gradient=None, retain_graph=None, create_graph=False, "
    "inputs=None)\n--\n\nAdds the gradient of this tensor with respect to each "
    "leaf to the leaf's grad."};
static PyMethodDef functions[] = {
    {"_backward", backward, METH_VARARGS, NULL},
    {"_gradients", gradients, METH_VARARGS, NULL},
    {"is_grad_enabled", is_grad_enabled, METH_NOARGS,
     "is_grad_enabled()\n--\n\nWhether operations are being recorded."},
    {"_set_grad_enabled", set_grad_mode, METH_O, NULL},
    {"is_inference_mode_enabled", is_inference, METH_NOARGS,
     "is_inference_mode_enabled()\n--\n\nWhether inference mode is on."},
    {"_set_inference_mode", set_inference, METH_O, NULL},
    {"_add_hook", add_hook, METH_VARARGS, NULL},
    {"_remove_hook", remove_hook, METH_VARARGS, NULL},
    {"_attach", attach, METH_VARARGS, NULL},
    {"_gradcheck", gradcheck, METH_VARARGS, NULL},
    {"_graph_svg", graph_svg, METH_O, NULL},
    {0}};

int py_autograd_init(PyObject *module)
{
    py_Node = py_add_type(module, &node_spec, NULL);
    PyObject *f = py_Node ? PyDescr_NewMethod(py_Tensor, &backward_def) : NULL;
    int failed = f ? PyDict_SetItemString(py_Tensor->tp_dict, "backward", f)
                   : -1;
    Py_XDECREF(f);
    PyType_Modified(py_Tensor);
    return failed ? failed : PyModule_AddFunctions(module, functions);
}

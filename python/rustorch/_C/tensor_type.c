/* SPDX-License-Identifier: MIT
 * The Tensor type: identity with the C tensor, birth and death.
 */
#include "python/rustorch/_C/binding.h"

#include <structmember.h>

PyTypeObject *py_Tensor, *py_Parameter;

/* Dead plain tensors, kept for the next wrap. */
#define KEEP 256
static py_tensor *spare[KEEP];
static int nspare;

/* --- ownership ------------------------------------------------------------------ */

static void bind(py_tensor *o, rt_tensor *t);

/* The C tensor dies: lets go of the object that it owned. May run on any
 * thread, with or without the GIL. Who got at the object through a weak
 * reference meanwhile is left with an empty tensor. */
static void released(void *object)
{
    if (!object || !Py_IsInitialized()) {
        return;
    }
    PyGILState_STATE state = PyGILState_Ensure();
    py_tensor *o = object;
    const int64_t none = 0;
    rt_tensor *empty = NULL;
    o->t = NULL;
    o->held = false;
    if (Py_REFCNT(o) > 1 &&
        rt_tensor_new(&empty, RT_FLOAT32, 1, &none, NULL) == RT_OK) {
        bind(o, empty);
    }
    Py_DECREF(o);
    PyGILState_Release(state);
}

static void bind(py_tensor *o, rt_tensor *t)
{
    rt_peer *peer = rt_tensor_peer(t);
    o->t = t;
    o->held = false;
    peer->object = o;
    peer->released = released;
}

/* A held object returns to Python: it owns the tensor again. Its finalizer
 * must be able to run once more, so the collector's mark goes: bit 0 of the
 * second word of the header in front of the object. */
static PyObject *take_back(py_tensor *o)
{
    o->held = false;
    ((uintptr_t *)o)[-1] &= ~(uintptr_t)1;
    return (PyObject *)o;   /* the peer's reference becomes the caller's */
}

PyObject *py_wrap_as(rt_tensor *t, PyTypeObject *type)
{
    if (!t) {
        Py_RETURN_NONE;
    }
    py_tensor *o = rt_tensor_peer(t)->object;
    if (o) {
        if (o->held) {
            return take_back(o);   /* keeps the tensor reference given */
        }
        rt_release(t);
        return Py_NewRef((PyObject *)o);
    }
    if (type == py_Tensor && nspare) {   /* no attributes: in no cycle */
        o = spare[--nspare];
        _Py_NewReference((PyObject *)o);
        ((uintptr_t *)o)[-1] &= ~(uintptr_t)1;
        bind(o, t);
        return (PyObject *)o;
    }
    o = (py_tensor *)type->tp_alloc(type, 0);
    if (!o) {
        rt_release(t);
        return NULL;
    }
    bind(o, t);
    return (PyObject *)o;
}

void py_track(PyObject *tensor)
{
    if (!PyObject_GC_IsTracked(tensor)) {
        PyObject_GC_Track(tensor);
    }
}

static int set_attribute(PyObject *self, PyObject *name, PyObject *value)
{
    py_track(self);
    return PyObject_GenericSetAttr(self, name, value);
}

PyObject *py_wrap(rt_tensor *t)
{
    return py_wrap_as(t, py_Tensor);
}

PyObject *py_wrap_borrowed(rt_tensor *t)
{
    return py_wrap_as(rt_retain(t), py_Tensor);
}

static bool has_state(const py_tensor *o)
{
    return Py_TYPE(o) != py_Tensor || o->weak ||
           (o->dict && PyDict_GET_SIZE(o->dict) > 0);
}

/* Runs when the last reference goes; hands the object over to the C tensor if
 * that lives on and the object has something to lose. Called by the collector
 * (with more references) it does nothing: the cycle is garbage. */
static void finalize(PyObject *self)
{
    py_tensor *o = (py_tensor *)self;
    if (o->t && !o->held && Py_REFCNT(self) == 1 && rt_refcount(o->t) > 1 &&
        has_state(o)) {
        Py_INCREF(self);
        o->held = true;
        rt_release(o->t);
    }
}

static void let_go(py_tensor *o)
{
    rt_tensor *t = o->t;
    o->t = NULL;
    if (t) {
        rt_tensor_peer(t)->object = NULL;
        rt_release(t);
    }
}

/* No attributes, no weak references, nothing to finalise. */
static bool is_bare(const py_tensor *o, const PyTypeObject *type)
{
    return type == py_Tensor && !o->dict && !o->weak &&
           !PyObject_GC_IsTracked((PyObject *)o);
}

/* The object's last breath, when nothing hangs on it any more. */
static void let_die(py_tensor *o, PyTypeObject *type)
{
    let_go(o);
    if (type == py_Tensor && nspare < KEEP) {
        spare[nspare++] = o;   /* with its reference to the type */
        return;
    }
    type->tp_free(o);
    Py_DECREF(type);
}

static void dealloc(PyObject *self)
{
    py_tensor *o = (py_tensor *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (is_bare(o, type)) {
        let_die(o, type);
        return;
    }
    if (type == py_Tensor || type == py_Parameter) {
        if ((o->dict || o->weak || type == py_Parameter) &&
            PyObject_CallFinalizerFromDealloc(self) < 0) {
            return;
        }
    }
    PyObject_GC_UnTrack(self);
    if (o->weak) {
        PyObject_ClearWeakRefs(self);
    }
    Py_CLEAR(o->dict);
    let_die(o, type);
}

static int traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((py_tensor *)self)->dict);
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static int clear(PyObject *self)
{
    Py_CLEAR(((py_tensor *)self)->dict);
    return 0;
}

/* --- construction ------------------------------------------------------------------ */

/* Another Python object over the same memory and history-free, as PyTorch's
 * Tensor._make_subclass; a fresh wrapper even if t has one. */
static PyObject *subclass_of(PyTypeObject *type, rt_tensor *t,
                             bool requires_grad)
{
    rt_error err = {.code = RT_OK};
    rt_tensor *own = NULL;
    if (rt_detach(&own, t, &err) != RT_OK ||
        (requires_grad && rt_set_requires_grad(own, true, &err) != RT_OK)) {
        rt_release(own);
        return py_raise(&err);
    }
    return py_wrap_as(own, type);
}

static PyObject *empty_tensor(PyTypeObject *type)
{
    rt_error err = {.code = RT_OK};
    rt_tensor *t = NULL;
    const int64_t shape[1] = {0};
    if (rt_tensor_new(&t, rt_default_dtype(), 1, shape, &err)) {
        return py_raise(&err);
    }
    return py_wrap_as(t, type);
}

/* Tensor(data), Tensor(2, 3), Tensor(): PyTorch's legacy constructor; shape as
 * a second argument is the seeds' PyTensor(list, shape). */
static PyObject *tensor_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n == 0) {
        return empty_tensor(type);
    }
    PyObject *first = PyTuple_GET_ITEM(args, 0);
    rt_tensor *t = NULL;
    if (PyLong_Check(first)) {
        py_scratch s;
        PY_SCRATCH_INIT(&s);
        rt_value size;
        rt_error err = {.code = RT_OK};
        if (py_to_value(&s, args, &size) < 0) {
            return NULL;
        }
        if (size.kind != RT_K_INTS) {
            py_fail(RT_E_TYPE, "Tensor: sizes must be integers");
        } else if (rt_tensor_new(&t, rt_default_dtype(), size.count, size.ints,
                                 &err)) {
            py_raise(&err);
        }
        py_scratch_dispose(&s);
        return t ? py_wrap_as(t, type) : NULL;
    }
    if (py_is_tensor(first)) {
        return subclass_of(type, PY_T(first), false);
    }
    if (py_copy_tensor(&t, first, rt_default_dtype()) < 0) {
        return NULL;
    }
    if (n == 1) {
        return py_wrap_as(t, type);
    }
    PyObject *flat = py_wrap(t);
    PyObject *shaped = flat ? PyObject_CallMethod(flat, "reshape", "O",
                                                  PyTuple_GET_ITEM(args, 1))
                            : NULL;
    Py_XDECREF(flat);
    return shaped;
}

PyObject *py_make_subclass(PyObject *cls, PyObject *args, PyObject *kw)
{
    PyObject *data;
    int grad = 0;
    static char *names[] = {"data", "require_grad", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O!|p", names, py_Tensor, &data,
                                     &grad)) {
        return NULL;
    }
    return subclass_of((PyTypeObject *)cls, PY_T(data), grad != 0);
}

static PyObject *parameter_new(PyTypeObject *type, PyObject *args,
                               PyObject *kw)
{
    PyObject *data = NULL;
    int grad = 1;
    static char *names[] = {"data", "requires_grad", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|Op:Parameter", names, &data,
                                     &grad)) {
        return NULL;
    }
    if (!data) {
        return empty_tensor(type);
    }
    if (!py_is_tensor(data)) {
        return py_fail(RT_E_TYPE, "Parameter: expected a tensor, got %s",
                       Py_TYPE(data)->tp_name);
    }
    return subclass_of(type, PY_T(data), grad != 0);
}

static PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(py_tensor, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(py_tensor, weak), READONLY,
     NULL},
    {0}};

static Py_ssize_t length(PyObject *self)
{
    rt_tensor *t = PY_T(self);
    if (rt_tensor_ndim(t) == 0) {
        PyErr_SetString(PyExc_TypeError, "len() of a 0-d tensor");
        return -1;
    }
    return rt_tensor_shape(t)[0];
}

static int contains(PyObject *self, PyObject *value)
{
    PyObject *same = PyObject_RichCompare(self, value, Py_EQ);
    PyObject *any = same && same != Py_NotImplemented
                        ? PyObject_CallMethod(same, "any", NULL) : NULL;
    int found = any ? PyObject_IsTrue(any) : PyErr_Occurred() ? -1 : 0;
    Py_XDECREF(any);
    Py_XDECREF(same);
    return found;
}

static PyObject *iterate(PyObject *self)
{
    if (rt_tensor_ndim(PY_T(self)) == 0) {
        return py_fail(RT_E_TYPE, "iteration over a 0-d tensor");
    }
    PyObject *rows = PyObject_CallMethod(self, "unbind", NULL);
    PyObject *it = rows ? PyObject_GetIter(rows) : NULL;
    Py_XDECREF(rows);
    return it;
}

static Py_hash_t identity_hash(PyObject *self)
{
    return _Py_HashPointer(self);
}

/* The slots of tensor_type.c and of tensor_number.c in one list. */
static PyType_Slot own_slots[] = {
    {Py_tp_new, tensor_new}, {Py_tp_dealloc, dealloc},
    {Py_tp_finalize, finalize}, {Py_tp_traverse, traverse},
    {Py_tp_clear, clear}, {Py_tp_members, members},
    {Py_tp_methods, py_tensor_methods}, {Py_tp_getset, py_tensor_getset},
    {Py_tp_repr, py_tensor_repr}, {Py_tp_richcompare, py_tensor_richcompare},
    {Py_tp_hash, identity_hash}, {Py_tp_setattro, set_attribute},
    {Py_mp_length, length}, {Py_mp_subscript, py_tensor_subscript},
    {Py_mp_ass_subscript, py_tensor_ass_subscript},
    {Py_sq_contains, contains}, {Py_tp_iter, iterate},
    {Py_tp_doc, "A multi-dimensional array that can record how it was "
                "computed.\n\nMake one with rustorch.tensor(data), "
                "rustorch.zeros(2, 3) and the like."},
    {0, NULL}};

static PyTypeObject *make_tensor(PyObject *module)
{
    PyType_Slot slots[96];
    int n = 0;
    for (int i = 0; own_slots[i].slot; i++) {
        slots[n++] = own_slots[i];
    }
    for (int i = 0; py_number_slots[i].slot; i++) {
        slots[n++] = py_number_slots[i];
    }
    slots[n] = (PyType_Slot){0, NULL};
    PyType_Spec spec = {"rustorch.Tensor", sizeof(py_tensor), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE |
                            Py_TPFLAGS_HAVE_GC,
                        slots};
    return py_add_type(module, &spec, NULL);
}

static PyType_Spec parameter_spec = {
    "rustorch.nn.Parameter", sizeof(py_tensor), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    (PyType_Slot[]){{Py_tp_new, parameter_new}, {Py_tp_dealloc, dealloc},
                    {Py_tp_finalize, finalize}, {Py_tp_traverse, traverse},
                    {Py_tp_clear, clear}, {Py_tp_repr, py_tensor_repr},
                    {Py_tp_doc, "Parameter(data=None, requires_grad=True)\n--"
                                "\n\nA tensor that a Module counts among its "
                                "parameters when it is set as an attribute."},
                    {0, NULL}}};

int py_tensor_init(PyObject *module)
{
    py_Tensor = make_tensor(module);
    if (!py_Tensor) {
        return -1;
    }
    py_Parameter = py_add_type(module, &parameter_spec, (PyObject *)py_Tensor);
    return py_Parameter ? 0 : -1;
}

/* SPDX-License-Identifier: MIT
 * Data sets and loaders of the runtime, and Python data sets as the runtime
 * sees them. rustorch.utils.data puts PyTorch's classes around them.
 */
#include "python/rustorch/_C/binding.h"

typedef struct dataset_object {
    PyObject_HEAD
    rt_dataset *d;
} dataset_object;
typedef struct loader_object {
    PyObject_HEAD
    rt_loader *l;
} loader_object;
typedef struct iterator_object {
    PyObject_HEAD
    rt_loader_iter *it;
} iterator_object;

PyTypeObject *py_Dataset;
static PyTypeObject *loader_type, *iterator_type;

static PyObject *fields_tuple(rt_tensor **fields, int n)
{
    PyObject *tuple = PyTuple_New(n);
    for (int i = 0; i < n; i++) {
        PyObject *o = tuple ? py_wrap(fields[i])
                            : (rt_release(fields[i]), NULL);
        if (tuple && !o) {
            Py_CLEAR(tuple);
        } else if (tuple) {
            PyTuple_SET_ITEM(tuple, i, o);
        }
    }
    return tuple;
}

/* --- Python data sets, called by the runtime -------------------------------------- */

static int64_t host_length(void *ctx)
{
    PyGILState_STATE state = PyGILState_Ensure();
    Py_ssize_t n = PyObject_Size(ctx);
    PyErr_Clear();
    PyGILState_Release(state);
    return n < 0 ? 0 : n;
}

static rt_status host_get(void *ctx, int64_t index, rt_tensor **fields, int *n,
                          rt_error *err)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *item = PySequence_GetItem(ctx, index);
    bool several = item && (PyTuple_Check(item) || PyList_Check(item));
    Py_ssize_t count = several ? PySequence_Fast_GET_SIZE(item) : 1;
    int done = 0;
    bool failed = !item || count > RT_MAX_RESULTS;
    while (!failed && done < count) {
        PyObject *o = several ? PySequence_Fast_GET_ITEM(item, done) : item;
        failed = py_as_tensor(&fields[done], o, RT_DTYPE_NONE) < 0;
        done += !failed;
    }
    if (failed) {
        if (!PyErr_Occurred()) {
            py_fail(RT_E_TYPE, "a sample of %zd fields is more than the "
                    "runtime takes", count);
        }
        for (int i = 0; i < done; i++) {
            rt_release(fields[i]);
        }
    } else {
        *n = done;
    }
    rt_status status = failed ? py_stash(err) : RT_OK;
    Py_XDECREF(item);
    PyGILState_Release(state);
    return status;
}

static void host_destroy(void *ctx)
{
    if (Py_IsInitialized()) {
        PyGILState_STATE state = PyGILState_Ensure();
        Py_DECREF((PyObject *)ctx);
        PyGILState_Release(state);
    }
}

static const rt_dataset_class host_class = {
    "Dataset", host_length, host_get, host_destroy, false};

rt_dataset *py_dataset_of(PyObject *o)
{
    rt_error err = {.code = RT_OK};
    rt_dataset *d = NULL;
    if (PyObject_TypeCheck(o, py_Dataset)) {
        return rt_dataset_retain(((dataset_object *)o)->d);
    }
    PyObject *core = PyObject_GetAttrString(o, "_core");
    PyErr_Clear();
    if (core && PyObject_TypeCheck(core, py_Dataset)) {
        d = rt_dataset_retain(((dataset_object *)core)->d);
    } else if (PySequence_Check(o)) {
        if (rt_dataset_new(&d, &host_class, Py_NewRef(o), &err) != RT_OK) {
            Py_DECREF(o);
            py_raise(&err);
        }
    } else {
        py_fail(RT_E_TYPE, "expected a data set (__len__ and __getitem__), got "
                "%s", Py_TYPE(o)->tp_name);
    }
    Py_XDECREF(core);
    return d;
}

PyObject *py_wrap_dataset(rt_dataset *d)
{
    dataset_object *o = PyObject_New(dataset_object, py_Dataset);
    if (o) {
        o->d = d;
    } else {
        rt_dataset_release(d);
    }
    return (PyObject *)o;
}

/* --- data sets of the runtime ------------------------------------------------------- */

static PyObject *tensor_dataset(PyObject *m, PyObject *tensors)
{
    py_scratch s;
    rt_value v;
    rt_error err = {.code = RT_OK};
    rt_dataset *d = NULL;
    PY_SCRATCH_INIT(&s);
    if (py_to_value(&s, tensors, &v) == 0) {
        if (v.kind != RT_K_TENSORS) {
            py_fail(RT_E_TYPE, "TensorDataset: expected tensors");
        } else if (rt_tensor_dataset(&d, v.tensors, v.count, &err) != RT_OK) {
            py_raise(&err);
        }
    }
    py_scratch_dispose(&s);
    return d ? py_wrap_dataset(d) : NULL;
}

static PyObject *subset(PyObject *m, PyObject *args)
{
    PyObject *o, *indices;
    py_scratch s;
    rt_value v;
    rt_error err = {.code = RT_OK};
    rt_dataset *out = NULL;
    if (!PyArg_ParseTuple(args, "OO", &o, &indices)) {
        return NULL;
    }
    rt_dataset *d = py_dataset_of(o);
    PY_SCRATCH_INIT(&s);
    if (d && py_to_value(&s, indices, &v) == 0) {
        if (v.kind != RT_K_INTS) {
            py_fail(RT_E_TYPE, "Subset: expected a list of indices");
        } else if (rt_subset(&out, d, v.ints, v.count, &err) != RT_OK) {
            py_raise(&err);
        }
    }
    py_scratch_dispose(&s);
    rt_dataset_release(d);
    return out ? py_wrap_dataset(out) : NULL;
}

static Py_ssize_t dataset_length(PyObject *o)
{
    return rt_dataset_length(((dataset_object *)o)->d);
}

static PyObject *dataset_get(PyObject *o, Py_ssize_t i)
{
    rt_tensor *fields[RT_MAX_RESULTS];
    int n = 0;
    rt_error err = {.code = RT_OK};
    if (rt_dataset_get(((dataset_object *)o)->d, i, fields, &n, &err)) {
        return py_raise(&err);
    }
    return fields_tuple(fields, n);
}

static void dataset_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    rt_dataset_release(((dataset_object *)o)->d);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyType_Spec dataset_spec = {
    "rustorch._C.DatasetCore", sizeof(dataset_object), 0, Py_TPFLAGS_DEFAULT,
    (PyType_Slot[]){{Py_tp_dealloc, dataset_dealloc},
                    {Py_sq_length, dataset_length},
                    {Py_sq_item, dataset_get},
                    {Py_tp_doc, "A data set of the runtime."}, {0, NULL}}};

/* --- loaders -------------------------------------------------------------------------- */

/* LoaderCore(dataset, batch_size, shuffle, drop_last, num_workers, generator) */
static PyObject *loader_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
    PyObject *data, *generator;
    int shuffle, drop, workers;
    long long batch;
    rt_loader_options options = RT_LOADER_OPTIONS_INIT;
    rt_error err = {.code = RT_OK};
    rt_loader *l = NULL;
    if (!PyArg_ParseTuple(args, "OLppiO", &data, &batch, &shuffle, &drop,
                          &workers, &generator)) {
        return NULL;
    }
    options.batch_size = batch;
    options.shuffle = shuffle;
    options.drop_last = drop;
    options.num_workers = workers;
    options.generator = generator == Py_None ? NULL
                                             : py_generator_of(generator);
    rt_dataset *d = py_dataset_of(data);
    if (d && rt_loader_new(&l, d, &options, &err) != RT_OK) {
        py_raise(&err);
    }
    rt_dataset_release(d);
    return l ? py_wrap_loader(l) : NULL;
}

PyObject *py_wrap_loader(rt_loader *l)
{
    loader_object *o = PyObject_New(loader_object, loader_type);
    if (o) {
        o->l = l;
    } else {
        rt_loader_release(l);
    }
    return (PyObject *)o;
}

rt_loader *py_loader_of(PyObject *o)
{
    if (PyObject_TypeCheck(o, loader_type)) {
        return ((loader_object *)o)->l;
    }
    PyObject *core = PyObject_GetAttrString(o, "_core");
    PyErr_Clear();
    rt_loader *l = core && PyObject_TypeCheck(core, loader_type)
                       ? ((loader_object *)core)->l : NULL;
    Py_XDECREF(core);   /* o keeps it alive */
    return l;
}

static Py_ssize_t loader_length(PyObject *o)
{
    return rt_loader_length(((loader_object *)o)->l);
}

static PyObject *loader_iter(PyObject *o)
{
    rt_error err = {.code = RT_OK};
    rt_loader_iter *it = NULL;
    if (rt_loader_begin(&it, ((loader_object *)o)->l, &err) != RT_OK) {
        return py_raise(&err);
    }
    iterator_object *i = PyObject_New(iterator_object, iterator_type);
    if (i) {
        i->it = it;
    } else {
        rt_loader_end(it);
    }
    return (PyObject *)i;
}

static PyObject *iterator_next(PyObject *o)
{
    iterator_object *i = (iterator_object *)o;
    rt_tensor *fields[RT_MAX_RESULTS];
    int n = 0;
    rt_error err = {.code = RT_OK};
    if (!i->it) {
        return NULL;
    }
    py_unlocked u = py_unlock(true);
    rt_status status = rt_loader_next(i->it, fields, &n, &err);
    py_lock(u);
    if (status != RT_OK) {
        return py_raise(&err);
    }
    if (n == 0) {
        rt_loader_end(i->it);
        i->it = NULL;
        return NULL;
    }
    PyObject *tuple = fields_tuple(fields, n);
    PyObject *list = tuple ? PySequence_List(tuple) : NULL;
    Py_XDECREF(tuple);
    return list;
}

static void loader_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    rt_loader_release(((loader_object *)o)->l);
    type->tp_free(o);
    Py_DECREF(type);
}

static void iterator_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    rt_loader_iter *it = ((iterator_object *)o)->it;
    if (it) {   /* joins the threads that prefetch, which may want the GIL */
        py_unlocked u = py_unlock(true);
        rt_loader_end(it);
        py_lock(u);
    }
    type->tp_free(o);
    Py_DECREF(type);
}

static PyType_Spec loader_spec = {
    "rustorch._C.LoaderCore", sizeof(loader_object), 0, Py_TPFLAGS_DEFAULT,
    (PyType_Slot[]){{Py_tp_new, loader_new}, {Py_tp_dealloc, loader_dealloc},
                    {Py_mp_length, loader_length}, {Py_tp_iter, loader_iter},
                    {Py_tp_doc, "A loader of the runtime."}, {0, NULL}}};
static PyType_Spec iterator_spec = {
    "rustorch._C.LoaderIterator", sizeof(iterator_object), 0,
    Py_TPFLAGS_DEFAULT,
    (PyType_Slot[]){{Py_tp_dealloc, iterator_dealloc},
                    {Py_tp_iter, PyObject_SelfIter},
                    {Py_tp_iternext, iterator_next}, {0, NULL}}};

static PyMethodDef functions[] = {
    {"_tensor_dataset", tensor_dataset, METH_O, NULL},
    {"_subset", subset, METH_VARARGS, NULL},
    {0}};

int py_data_init(PyObject *module)
{
    py_Dataset = py_add_type(module, &dataset_spec, NULL);
    loader_type = py_add_type(module, &loader_spec, NULL);
    iterator_type = py_add_type(module, &iterator_spec, NULL);
    return py_Dataset && loader_type && iterator_type
               ? PyModule_AddFunctions(module, functions) : -1;
}

/* SPDX-License-Identifier: MIT
 * Optimizers and schedulers as handles; rustorch.optim puts PyTorch's classes
 * around them.
 */
#include "python/rustorch/_C/binding.h"

typedef struct optimizer_object {
    PyObject_HEAD
    rt_optimizer *o;
    uint64_t known;   /* the revision whose options Python has in its dicts */
} optimizer_object;

typedef struct scheduler_object {
    PyObject_HEAD
    rt_scheduler *s;
} scheduler_object;

static PyTypeObject *optimizer_type, *scheduler_type;

/* Positional and named arguments from a tuple and a dict. */
typedef struct call {
    py_scratch s;
    rt_value v[RT_MAX_ARGS], named[RT_MAX_ARGS];
    const char *keys[RT_MAX_ARGS];
    int npos, nnamed;
} call;

static int gather(call *c, PyObject *args, PyObject *kw)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    PY_SCRATCH_INIT(&c->s);
    c->npos = c->nnamed = 0;
    for (Py_ssize_t i = 0; args && i < PyTuple_GET_SIZE(args); i++) {
        if (c->npos == RT_MAX_ARGS) {
            py_fail(RT_E_TYPE, "too many arguments");
            return -1;
        }
        if (py_to_value(&c->s, PyTuple_GET_ITEM(args, i),
                        &c->v[c->npos++]) < 0) {
            return -1;
        }
    }
    while (kw && PyDict_Next(kw, &at, &key, &value)) {
        c->keys[c->nnamed] = PyUnicode_AsUTF8(key);
        if (!c->keys[c->nnamed] || c->nnamed == RT_MAX_ARGS - 1 ||
            py_to_value(&c->s, value, &c->named[c->nnamed++]) < 0) {
            return -1;
        }
    }
    return 0;
}

/* --- optimizers ------------------------------------------------------------------- */

static rt_optimizer *of(PyObject *o)
{
    return ((optimizer_object *)o)->o;
}

rt_optimizer *py_optimizer_of(PyObject *o)
{
    if (PyObject_TypeCheck(o, optimizer_type)) {
        return of(o);
    }
    PyObject *core = PyObject_GetAttrString(o, "_core");
    PyErr_Clear();
    rt_optimizer *found = core && PyObject_TypeCheck(core, optimizer_type)
                              ? of(core) : NULL;
    Py_XDECREF(core);
    return found;
}

PyObject *py_wrap_optimizer(rt_optimizer *o)
{
    optimizer_object *w = PyObject_New(optimizer_object, optimizer_type);
    if (w) {
        w->o = o;
        w->known = UINT64_MAX;
    } else {
        rt_optimizer_release(o);
    }
    return (PyObject *)w;
}

/* OptimizerCore(name, params, *args, **options) */
static PyObject *optimizer_new(PyTypeObject *type, PyObject *args,
                               PyObject *kw)
{
    call c;
    rt_error err = {.code = RT_OK};
    rt_optimizer *o = NULL;
    PyObject *rest = PyTuple_GetSlice(args, 1, PY_SSIZE_T_MAX);
    const char *name = PyTuple_GET_SIZE(args)
                           ? PyUnicode_AsUTF8(PyTuple_GET_ITEM(args, 0)) : "";
    const rt_optim_kind *kind = name ? rt_optim_find(name) : NULL;
    if (!kind || !rest) {
        Py_XDECREF(rest);
        return py_fail(RT_E_NAME, "optim has no `%s`", name ? name : "");
    }
    if (!gather(&c, rest, kw) &&
        rt_optimizer_new(&o, kind, c.v, c.npos, c.named, c.keys, c.nnamed,
                         &err) != RT_OK) {
        py_raise(&err);
    }
    py_scratch_dispose(&c.s);
    Py_DECREF(rest);
    return o ? py_wrap_optimizer(o) : NULL;
}

static void optimizer_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    rt_optimizer_release(of(o));
    type->tp_free(o);
    Py_DECREF(type);
}

/* Whether two dicts have the very same values under the same names. */
static bool same_dict(PyObject *a, PyObject *b)
{
    PyObject *key[2], *value[2];
    Py_ssize_t at[2] = {0, 0};
    if (!PyDict_CheckExact(a) || !PyDict_CheckExact(b)
        || PyDict_GET_SIZE(a) != PyDict_GET_SIZE(b)) {
        return false;
    }
    while (PyDict_Next(a, &at[0], &key[0], &value[0])) {
        if (!PyDict_Next(b, &at[1], &key[1], &value[1])
            || key[0] != key[1] || value[0] != value[1]) {
            return false;
        }
    }
    return true;
}

/* Whether no option has changed since exchanged(), neither in the runtime nor in
 * the groups, whose copies of then are the shadows. */
static bool none_changed(const optimizer_object *w, PyObject *groups,
                         PyObject *shadows)
{
    if (rt_optimizer_revision(w->o) != w->known || !PyList_Check(groups)
        || !PyList_Check(shadows)
        || PyList_GET_SIZE(groups) != PyList_GET_SIZE(shadows)) {
        return false;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(groups); i++) {
        if (!same_dict(PyList_GET_ITEM(groups, i),
                       PyList_GET_ITEM(shadows, i))) {
            return false;
        }
    }
    return true;
}

static PyObject *exchanged(PyObject *o, PyObject *unused)
{
    optimizer_object *w = (optimizer_object *)o;
    w->known = rt_optimizer_revision(w->o);
    Py_RETURN_NONE;
}

/* step(): a step. step(groups, shadows): the same, or False and no step where an
 * option may have changed. */
static PyObject *step(PyObject *o, PyObject *const *args, Py_ssize_t n)
{
    if (n == 2 && !none_changed((optimizer_object *)o, args[0], args[1])) {
        Py_RETURN_FALSE;
    }
    rt_error err = {.code = RT_OK};
    py_unlocked u = py_unlock(true);
    rt_status status = rt_optimizer_step(of(o), &err);
    py_lock(u);
    if (status != RT_OK) {
        return py_raise(&err);
    }
    Py_RETURN_TRUE;
}

static PyObject *zero_grad(PyObject *o, PyObject *none)
{
    rt_optimizer_zero_grad(of(o), PyObject_IsTrue(none) == 1);
    Py_RETURN_NONE;
}

static PyObject *add_group(PyObject *o, PyObject *args)
{
    PyObject *params, *options;
    call c;
    py_scratch s;
    rt_value v = RT_NONE;
    rt_error err = {.code = RT_OK};
    if (!PyArg_ParseTuple(args, "OO!", &params, &PyDict_Type, &options)) {
        return NULL;
    }
    PY_SCRATCH_INIT(&s);
    int failed = py_to_value(&s, params, &v) < 0 ||
                 gather(&c, NULL, options) < 0;
    if (!failed && v.kind != RT_K_TENSORS && v.count > 0) {
        py_fail(RT_E_TYPE, "add_param_group: expected a list of tensors");
        failed = 1;
    }
    if (!failed && rt_optimizer_add_group(of(o), v.tensors, v.count, c.named,
                                          c.keys, c.nnamed, &err) != RT_OK) {
        py_raise(&err);
        failed = 1;
    }
    if (!PyErr_Occurred() || !failed) {
        py_scratch_dispose(&c.s);
    }
    py_scratch_dispose(&s);
    if (failed) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *get(PyObject *o, PyObject *args)
{
    int group;
    const char *name;
    rt_value v;
    rt_error err = {.code = RT_OK};
    if (!PyArg_ParseTuple(args, "is", &group, &name)) {
        return NULL;
    }
    return rt_optimizer_get(&v, of(o), group, name, &err) == RT_OK
               ? py_from_borrowed(&v) : py_raise(&err);
}

static PyObject *set(PyObject *o, PyObject *args)
{
    int group;
    const char *name;
    PyObject *value;
    py_scratch s;
    rt_value v;
    rt_error err = {.code = RT_OK};
    if (!PyArg_ParseTuple(args, "isO", &group, &name, &value)) {
        return NULL;
    }
    PY_SCRATCH_INIT(&s);
    PyObject *out = NULL;
    if (py_to_value(&s, value, &v) == 0) {
        if (v.kind == RT_K_TENSOR &&
            rt_tensor_item(&v, v.t, &err) != RT_OK) {
            py_raise(&err);
        } else if (rt_optimizer_set(of(o), group, name, v, &err) != RT_OK) {
            py_raise(&err);
        } else {
            out = Py_NewRef(Py_None);
        }
    }
    py_scratch_dispose(&s);
    return out;
}

static PyObject *groups(PyObject *o, PyObject *unused)
{
    int n = rt_optimizer_group_count(of(o));
    PyObject *list = PyList_New(n);
    for (int g = 0; list && g < n; g++) {
        int count = rt_optimizer_param_count(of(o), g);
        PyObject *params = PyList_New(count);
        for (int i = 0; params && i < count; i++) {
            PyList_SET_ITEM(params, i,
                            py_wrap_borrowed(rt_optimizer_param(of(o), g, i)));
        }
        PyList_SET_ITEM(list, g, params);
    }
    return list;
}

static PyObject *states(PyObject *o, PyObject *args)
{
    int group, param;
    if (!PyArg_ParseTuple(args, "ii", &group, &param)) {
        return NULL;
    }
    PyObject *dict = PyDict_New();
    for (int i = 0; dict && i < rt_optimizer_state_count(of(o)); i++) {
        rt_tensor *t = rt_optimizer_state(of(o), group, param, i);
        PyObject *w = t ? py_wrap_borrowed(t) : NULL;
        if (w) {
            PyDict_SetItemString(dict, rt_optimizer_state_name(of(o), i), w);
            Py_DECREF(w);
        }
    }
    return dict;
}

static PyObject *set_state(PyObject *o, PyObject *args)
{
    int group, param;
    const char *name;
    PyObject *value;
    rt_error err = {.code = RT_OK};
    rt_tensor *t = NULL;
    if (!PyArg_ParseTuple(args, "iisO", &group, &param, &name, &value)) {
        return NULL;
    }
    int i = 0;
    while (i < rt_optimizer_state_count(of(o)) &&
           strcmp(rt_optimizer_state_name(of(o), i), name)) {
        i++;
    }
    if (i == rt_optimizer_state_count(of(o))) {
        return py_fail(RT_E_NAME, "load_state_dict: this optimizer keeps no "
                       "`%s`", name);
    }
    if (value != Py_None && py_copy_tensor(&t, value, RT_DTYPE_NONE) < 0) {
        return NULL;
    }
    rt_status status = rt_optimizer_set_state(of(o), group, param, i, t, &err);
    rt_release(t);
    if (status != RT_OK) {
        return py_raise(&err);
    }
    Py_RETURN_NONE;
}

static PyObject *optimizer_repr(PyObject *o)
{
    rt_error err = {.code = RT_OK};
    char *text = NULL;
    return rt_optimizer_repr(&text, of(o), &err) == RT_OK ? py_text(text)
                                                          : py_raise(&err);
}

static PyObject *kind(PyObject *o, void *unused)
{
    return PyUnicode_FromString(rt_optim_name(rt_optimizer_kind(of(o))));
}

static PyMethodDef optimizer_methods[] = {
    {"step", (PyCFunction)(void (*)(void))step, METH_FASTCALL, NULL},
    {"exchanged", exchanged, METH_NOARGS, NULL},
    {"zero_grad", zero_grad, METH_O, NULL},
    {"add_group", add_group, METH_VARARGS, NULL},
    {"get", get, METH_VARARGS, NULL},
    {"set", set, METH_VARARGS, NULL},
    {"groups", groups, METH_NOARGS, NULL},
    {"states", states, METH_VARARGS, NULL},
    {"set_state", set_state, METH_VARARGS, NULL},
    {0}};
static PyGetSetDef optimizer_getset[] = {
    {"kind", kind, NULL, "The catalog's name.", NULL}, {0}};
static PyType_Spec optimizer_spec = {
    "rustorch._C.OptimizerCore", sizeof(optimizer_object), 0,
    Py_TPFLAGS_DEFAULT,
    (PyType_Slot[]){{Py_tp_new, optimizer_new},
                    {Py_tp_dealloc, optimizer_dealloc},
                    {Py_tp_repr, optimizer_repr},
                    {Py_tp_methods, optimizer_methods},
                    {Py_tp_getset, optimizer_getset},
                    {Py_tp_doc, "The runtime's optimizer."}, {0, NULL}}};

/* --- schedulers ----------------------------------------------------------------------- */

static rt_scheduler *schedule_of(PyObject *o)
{
    return ((scheduler_object *)o)->s;
}

/* SchedulerCore(name, optimizer_core, *args, **options) */
static PyObject *scheduler_new(PyTypeObject *type, PyObject *args,
                               PyObject *kw)
{
    call c;
    rt_error err = {.code = RT_OK};
    rt_scheduler *s = NULL;
    if (PyTuple_GET_SIZE(args) < 2 ||
        !PyObject_TypeCheck(PyTuple_GET_ITEM(args, 1), optimizer_type)) {
        return py_fail(RT_E_TYPE, "a scheduler needs an optimizer");
    }
    const char *name = PyUnicode_AsUTF8(PyTuple_GET_ITEM(args, 0));
    const rt_schedule_kind *row = name ? rt_schedule_find(name) : NULL;
    PyObject *rest = PyTuple_GetSlice(args, 2, PY_SSIZE_T_MAX);
    if (!row || !rest) {
        Py_XDECREF(rest);
        return py_fail(RT_E_NAME, "lr_scheduler has no `%s`", name ? name : "");
    }
    if (!gather(&c, rest, kw) &&
        rt_scheduler_new(&s, row, of(PyTuple_GET_ITEM(args, 1)), c.v, c.npos,
                         c.named, c.keys, c.nnamed, &err) != RT_OK) {
        py_raise(&err);
    }
    py_scratch_dispose(&c.s);
    Py_DECREF(rest);
    if (!s) {
        return NULL;
    }
    scheduler_object *o = PyObject_New(scheduler_object, scheduler_type);
    if (o) {
        o->s = s;
    } else {
        rt_scheduler_release(s);
    }
    return (PyObject *)o;
}

static void scheduler_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    rt_scheduler_release(schedule_of(o));
    type->tp_free(o);
    Py_DECREF(type);
}

static PyObject *scheduler_step(PyObject *o, PyObject *metric)
{
    rt_error err = {.code = RT_OK};
    rt_status status;
    if (metric == Py_None) {
        status = rt_scheduler_step(schedule_of(o), &err);
    } else {
        double value = PyFloat_AsDouble(metric);
        if (value == -1 && PyErr_Occurred()) {
            return NULL;
        }
        status = rt_scheduler_step_metric(schedule_of(o), value, &err);
    }
    if (status != RT_OK) {
        return py_raise(&err);
    }
    Py_RETURN_NONE;
}

static PyObject *last_lr(PyObject *o, PyObject *group)
{
    long g = PyLong_AsLong(group);
    if (g == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return PyFloat_FromDouble(rt_scheduler_last_lr(schedule_of(o), (int)g));
}

static PyObject *get_epoch(PyObject *o, void *unused)
{
    return PyLong_FromLongLong(rt_scheduler_epoch(schedule_of(o)));
}

static int set_epoch(PyObject *o, PyObject *value, void *unused)
{
    long long epoch = value ? PyLong_AsLongLong(value) : -1;
    if (epoch == -1 && PyErr_Occurred()) {
        return -1;
    }
    rt_scheduler_set_epoch(schedule_of(o), epoch);
    return 0;
}

/* set_base_lr(group, lr) */
static PyObject *set_base_lr(PyObject *o, PyObject *args)
{
    int group;
    double lr;
    if (!PyArg_ParseTuple(args, "id", &group, &lr)) {
        return NULL;
    }
    rt_scheduler_set_base_lr(schedule_of(o), group, lr);
    Py_RETURN_NONE;
}

static PyObject *scheduler_restart(PyObject *o, PyObject *unused)
{
    rt_scheduler_restart(schedule_of(o));
    Py_RETURN_NONE;
}

/* (best, num_bad_epochs, cooldown_counter) */
static PyObject *get_plateau(PyObject *o, void *unused)
{
    rt_plateau p = rt_scheduler_plateau(schedule_of(o));
    return Py_BuildValue("dLL", p.best, (long long)p.num_bad_epochs,
                         (long long)p.cooldown_counter);
}

static int set_plateau(PyObject *o, PyObject *value, void *unused)
{
    double best;
    long long bad, cooling;
    if (!value || !PyTuple_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "expected a tuple");
        return -1;
    }
    if (!PyArg_ParseTuple(value, "dLL", &best, &bad, &cooling)) {
        return -1;
    }
    rt_scheduler_set_plateau(schedule_of(o), (rt_plateau){best, bad, cooling});
    return 0;
}

static PyMethodDef scheduler_methods[] = {
    {"step", scheduler_step, METH_O, NULL},
    {"last_lr", last_lr, METH_O, NULL},
    {"restart", scheduler_restart, METH_NOARGS, NULL},
    {"set_base_lr", set_base_lr, METH_VARARGS, NULL},
    {0}};
static PyGetSetDef scheduler_getset[] = {
    {"last_epoch", get_epoch, set_epoch, "Steps taken so far.", NULL},
    {"plateau", get_plateau, set_plateau,
     "best, num_bad_epochs and cooldown_counter of ReduceLROnPlateau.", NULL},
    {0}};
static PyType_Spec scheduler_spec = {
    "rustorch._C.SchedulerCore", sizeof(scheduler_object), 0,
    Py_TPFLAGS_DEFAULT,
    (PyType_Slot[]){{Py_tp_new, scheduler_new},
                    {Py_tp_dealloc, scheduler_dealloc},
                    {Py_tp_methods, scheduler_methods},
                    {Py_tp_getset, scheduler_getset},
                    {Py_tp_doc, "The runtime's schedule."}, {0, NULL}}};

/* --- catalogs as data ---------------------------------------------------------------------- */

/* ("SGD", ["params", "lr", ...], {"lr": 0.001, ...}, text, doc) */
static PyObject *row_object(const char *name, const rt_signature *sig,
                            const char *doc)
{
    if (!sig) {
        return py_fail(RT_E_INTERNAL, "the schema of %s does not parse", name);
    }
    PyObject *names = PyList_New(0), *defaults = PyDict_New();
    for (int i = 0; names && defaults && i < sig->nparams; i++) {
        rt_value v = sig->params[i].value;
        PyObject *key = PyUnicode_FromString(sig->params[i].name);
        PyList_Append(names, key);
        Py_XDECREF(key);
        if (!sig->params[i].has_default) {
            continue;
        }
        PyObject *o = v.kind == RT_K_STRING ? PyUnicode_FromString(v.s)
            : v.kind == RT_K_FLOATS
                ? Py_BuildValue("(dd)", v.floats[0],
                                v.floats[v.count > 1 ? 1 : 0])
            : v.kind == RT_K_INTS ? Py_NewRef(Py_None) : py_from_value(&v);
        if (o) {
            PyDict_SetItemString(defaults, sig->params[i].name, o);
            Py_DECREF(o);
        }
    }
    return Py_BuildValue("(sNNss)", name, names, defaults, sig->text, doc);
}

static PyObject *optim_rows(PyObject *m, PyObject *unused)
{
    PyObject *list = PyList_New(0);
    for (int i = 0; list && i < rt_optim_count(); i++) {
        const rt_optim_kind *k = rt_optim_at(i);
        PyObject *row = row_object(rt_optim_name(k), rt_optim_signature(k),
                                   rt_optim_doc(k));
        if (!row || PyList_Append(list, row) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(row);
    }
    return list;
}

static PyObject *schedule_rows(PyObject *m, PyObject *unused)
{
    PyObject *list = PyList_New(0);
    for (int i = 0; list && i < rt_schedule_count(); i++) {
        const rt_schedule_kind *k = rt_schedule_at(i);
        PyObject *row = row_object(rt_schedule_name(k),
                                   rt_schedule_signature(k),
                                   rt_schedule_doc(k));
        if (!row || PyList_Append(list, row) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(row);
    }
    return list;
}

static PyMethodDef functions[] = {
    {"_optim_rows", optim_rows, METH_NOARGS, NULL},
    {"_schedule_rows", schedule_rows, METH_NOARGS, NULL},
    {0}};

int py_optim_init(PyObject *module)
{
    optimizer_type = py_add_type(module, &optimizer_spec, NULL);
    scheduler_type = py_add_type(module, &scheduler_spec, NULL);
    return optimizer_type && scheduler_type
               ? PyModule_AddFunctions(module, functions) : -1;
}

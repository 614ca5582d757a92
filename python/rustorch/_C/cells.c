/* SPDX-License-Identifier: MIT
 * Sessions of the cell language. The host is a Python object; a method it
 * lacks (stream, display, clear_output, input, lookup, page, set_next_input,
 * history) is a thing the front end cannot do.
 */
#include "python/rustorch/_C/cells.h"

typedef struct session {
    PyObject_HEAD
    lang_session *s;
    PyObject *host;
    PyObject *kept;      /* Python modules that cells have seen */
    bool busy;
} session;

static PyTypeObject *session_type;

/* --- the host's callbacks: any thread state, GIL not held ---------------------------- */

/* Calls host.name(...) and takes the reference to args over; NULL, without an
 * exception, when the host has no such method. */
static PyObject *ask(void *ctx, const char *name, PyObject *args)
{
    PyObject *f = PyObject_GetAttrString(((session *)ctx)->host, name);
    PyObject *r = NULL;
    if (!f) {
        PyErr_Clear();
    } else if (args) {
        r = PyObject_CallObject(f, args);
    }
    Py_XDECREF(f);
    Py_XDECREF(args);
    return r;
}

static void tell(void *ctx, const char *name, PyObject *args)
{
    PyObject *r = ask(ctx, name, args);
    if (PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) {
            rt_interrupt();   /* the session ends the cell */
            PyErr_Clear();
        } else {
            PyErr_WriteUnraisable(((session *)ctx)->host);
        }
    }
    Py_XDECREF(r);
}

static void on_stream(void *ctx, int fd, const char *text, size_t size)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *s = PyUnicode_DecodeUTF8(text, (Py_ssize_t)size, "replace");
    tell(ctx, "stream", s ? Py_BuildValue("(iN)", fd, s) : NULL);
    PyGILState_Release(state);
}

static void on_display(void *ctx, const lang_bundle *b, const char *id,
                       bool update)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *bundle = py_bundle(b);
    tell(ctx, "display", bundle ? Py_BuildValue("(Nzi)", bundle, id, update)
                                : NULL);
    PyGILState_Release(state);
}

static void on_clear(void *ctx, bool wait)
{
    PyGILState_STATE state = PyGILState_Ensure();
    tell(ctx, "clear_output", Py_BuildValue("(i)", wait));
    PyGILState_Release(state);
}

static void on_page(void *ctx, const lang_bundle *b)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *bundle = py_bundle(b);
    tell(ctx, "page", bundle ? Py_BuildValue("(N)", bundle) : NULL);
    PyGILState_Release(state);
}

static void on_next_input(void *ctx, const char *text, bool replace)
{
    PyGILState_STATE state = PyGILState_Ensure();
    tell(ctx, "set_next_input", Py_BuildValue("(si)", text, replace));
    PyGILState_Release(state);
}

static rt_status on_input(void *ctx, const char *prompt, bool password,
                          char **line, rt_error *err)
{
    PyGILState_STATE state = PyGILState_Ensure();
    rt_status status = RT_OK;
    PyObject *r = ask(ctx, "input", Py_BuildValue("(si)", prompt, password));
    const char *s = r && PyUnicode_Check(r) ? PyUnicode_AsUTF8(r) : NULL;
    if (s) {
        *line = rt_strdup(s);
    } else if (PyErr_Occurred()) {
        status = py_stash(err);
    } else {
        status = rt_fail(err, RT_E_UNSUPPORTED,
                         "input: this front end takes no input");
    }
    Py_XDECREF(r);
    PyGILState_Release(state);
    return status;
}

static bool on_lookup(void *ctx, const char *name, lang_value *out)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *o = ask(ctx, "lookup", Py_BuildValue("(s)", name));
    PyErr_Clear();       /* KeyError: not there */
    bool found = o && py_to_lang(o, out, ((session *)ctx)->kept);
    PyErr_Clear();
    Py_XDECREF(o);
    PyGILState_Release(state);
    return found;
}

static rt_status on_call(void *ctx, void *object, const lang_value *args,
                         int n, lang_value *out, rt_error *err)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *tuple = PyTuple_New(n), *r = NULL;
    for (int i = 0; tuple && i < n; i++) {
        PyObject *o = py_from_lang(&args[i]);
        if (!o && !PyErr_Occurred()) {
            py_fail(RT_E_TYPE, "argument %d has no Python counterpart", i + 1);
        }
        if (!o) {
            Py_CLEAR(tuple);
            break;
        }
        PyTuple_SET_ITEM(tuple, i, o);
    }
    r = tuple ? PyObject_CallObject(object, tuple) : NULL;
    rt_status status = RT_OK;
    *out = (lang_value){.kind = LANG_VOID};
    if (r && r != Py_None && !py_to_lang(r, out, ((session *)ctx)->kept)) {
        py_fail(RT_E_TYPE, "the Python function returned %s, which the cell "
                "language has no type for", Py_TYPE(r)->tp_name);
        Py_CLEAR(r);
    }
    if (!r) {
        status = py_stash(err);
    }
    Py_XDECREF(r);
    Py_XDECREF(tuple);
    PyGILState_Release(state);
    return status;
}

static void on_release(void *ctx, void *object)
{
    if (Py_IsInitialized()) {
        PyGILState_STATE state = PyGILState_Ensure();
        Py_DECREF((PyObject *)object);
        PyGILState_Release(state);
    }
}

/* --- running --------------------------------------------------------------------------- */

static PyObject *failure_object(const lang_failure *f)
{
    PyObject *trace = PyList_New(0);
    for (int i = 0; trace && i < f->ntrace; i++) {
        PyObject *row = Py_BuildValue("(sii)", f->trace[i].function,
                                      f->trace[i].cell, f->trace[i].line);
        if (!row || PyList_Append(trace, row) < 0) {
            Py_CLEAR(trace);
        }
        Py_XDECREF(row);
    }
    const rt_error_info *info = rt_error_describe(f->code);
    return trace ? Py_BuildValue(
        "{s:s,s:s,s:s,s:s,s:s,s:i,s:i,s:i,s:N}", "ename", f->ename, "evalue",
        f->evalue, "text", f->text, "ansi", f->ansi, "code",
        info ? info->code : "internal", "line", f->line, "column", f->column,
        "end_column", f->end_column, "trace", trace) : NULL;
}

/* {ok, value, bundle} or {ok, failure}. */
static PyObject *outcome_object(lang_outcome *o)
{
    PyObject *dict = NULL;
    if (!o->ok) {
        PyObject *failure = failure_object(&o->failure);
        dict = failure ? Py_BuildValue("{s:O,s:N}", "ok", Py_False, "failure",
                                       failure) : NULL;
    } else if (!o->has_value) {
        dict = Py_BuildValue("{s:O,s:O}", "ok", Py_True, "has_value", Py_False);
    } else {
        PyObject *bundle = py_bundle(&o->bundle);
        PyObject *value = bundle ? py_take_lang(&o->value) : NULL;
        dict = value ? Py_BuildValue("{s:O,s:O,s:N,s:N}", "ok", Py_True,
                                     "has_value", Py_True, "value", value,
                                     "bundle", bundle) : NULL;
        if (!value) {
            Py_XDECREF(bundle);
        }
    }
    lang_outcome_dispose(o);
    return dict;
}

static bool begin(session *o)
{
    if (o->busy) {
        py_fail(RT_E_HOST, "this session is running a cell already");
        return false;
    }
    rt_interrupt_clear();
    py_expect_interrupts();
    return o->busy = true;
}

static PyObject *execute(PyObject *self, PyObject *args)
{
    session *o = (session *)self;
    const char *source, *name = NULL;
    Py_ssize_t size;
    int cell = 0;
    lang_outcome out = {0};
    if (!PyArg_ParseTuple(args, "s#|iz", &source, &size, &cell, &name) ||
        !begin(o)) {
        return NULL;
    }
    py_unlocked u = py_unlock(true);
    lang_execute(o->s, source, (size_t)size, cell, name, &out);
    py_lock(u);
    o->busy = false;
    return outcome_object(&out);
}

static PyObject *evaluate(PyObject *self, PyObject *source)
{
    session *o = (session *)self;
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(source, &size);
    lang_outcome out = {0};
    if (!text || !begin(o)) {
        return NULL;
    }
    py_unlocked u = py_unlock(true);
    lang_evaluate(o->s, text, (size_t)size, &out);
    py_lock(u);
    o->busy = false;
    return outcome_object(&out);
}

static PyObject *declared(PyObject *self, PyObject *unused)
{
    lang_session *s = ((session *)self)->s;
    PyObject *list = PyList_New(0);
    for (int i = 0; list && i < lang_declared_count(s); i++) {
        PyObject *name = PyUnicode_FromString(lang_declared_at(s, i));
        if (!name || PyList_Append(list, name) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(name);
    }
    return list;
}

static PyObject *get(PyObject *self, PyObject *name)
{
    const char *text = PyUnicode_AsUTF8(name);
    lang_value v;
    if (!text) {
        return NULL;
    }
    if (!lang_get(((session *)self)->s, text, &v)) {
        PyErr_SetObject(PyExc_KeyError, name);
        return NULL;
    }
    return py_take_lang(&v);
}

static PyObject *set(PyObject *self, PyObject *args)
{
    const char *name;
    PyObject *value;
    lang_value v;
    rt_error err = {.code = RT_OK};
    if (!PyArg_ParseTuple(args, "sO", &name, &value)) {
        return NULL;
    }
    if (!py_to_lang(value, &v, ((session *)self)->kept)) {
        return py_fail(RT_E_TYPE, "'%s' is a %s, which the cell language has no "
                       "type for", name, Py_TYPE(value)->tp_name);
    }
    rt_status status = lang_set(((session *)self)->s, name, &v, &err);
    lang_value_release(&v);
    if (status != RT_OK) {
        return py_raise(&err);
    }
    Py_RETURN_NONE;
}

static PyObject *unset(PyObject *self, PyObject *name)
{
    const char *text = PyUnicode_AsUTF8(name);
    return text ? PyBool_FromLong(lang_unset(((session *)self)->s, text))
                : NULL;
}

/* --- questions ----------------------------------------------------------------------------- */

static PyObject *names(PyObject *self, PyObject *unused)
{
    lang_symbols *t = lang_session_symbols(((session *)self)->s);
    PyObject *list = PyList_New(0);
    for (int i = 0; list && i < lang_symbols_count(t); i++) {
        lang_symbol s = lang_symbols_at(t, i);
        PyObject *row = Py_BuildValue("(sss)", s.name, s.kind, s.type);
        if (!row || PyList_Append(list, row) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(row);
    }
    lang_symbols_free(t);
    return list;
}

static PyObject *complete(PyObject *self, PyObject *args)
{
    const char *source;
    Py_ssize_t size;
    int cursor;
    lang_completion c = {0};
    if (!PyArg_ParseTuple(args, "s#i", &source, &size, &cursor)) {
        return NULL;
    }
    lang_symbols *t = lang_session_symbols(((session *)self)->s);
    lang_complete(t, source, (size_t)size, cursor, &c);
    PyObject *list = PyList_New(0);
    for (int i = 0; list && i < c.count; i++) {
        PyObject *row = Py_BuildValue("(sss)", c.items[i].text, c.items[i].type,
                                      c.items[i].signature);
        if (!row || PyList_Append(list, row) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(row);
    }
    PyObject *out = list ? Py_BuildValue("(Nii)", list, c.start, c.end) : NULL;
    lang_completion_dispose(&c);
    lang_symbols_free(t);
    return out;
}

static PyObject *inspect(PyObject *self, PyObject *args)
{
    const char *source;
    Py_ssize_t size;
    int cursor, detail = 0;
    lang_bundle b = {0};
    if (!PyArg_ParseTuple(args, "s#i|i", &source, &size, &cursor, &detail)) {
        return NULL;
    }
    lang_symbols *t = lang_session_symbols(((session *)self)->s);
    bool known = lang_inspect(t, source, (size_t)size, cursor, detail, &b);
    PyObject *out = known ? py_bundle(&b) : Py_NewRef(Py_None);
    lang_bundle_dispose(&b);
    lang_symbols_free(t);
    return out;
}

static PyObject *is_complete(PyObject *m, PyObject *source)
{
    static const char *const words[] = {"complete", "incomplete", "invalid"};
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(source, &size);
    int indent = 0;
    if (!text) {
        return NULL;
    }
    lang_completeness c = lang_is_complete(text, (size_t)size, &indent);
    return Py_BuildValue("(si)", words[c], indent);
}

/* --- birth and death -------------------------------------------------------------------------- */

static PyObject *session_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
    PyObject *host;
    rt_error err = {.code = RT_OK};
    if (!PyArg_ParseTuple(args, "O:Session", &host)) {
        return NULL;
    }
    session *o = (session *)type->tp_alloc(type, 0);
    if (!o) {
        return NULL;
    }
    o->host = Py_NewRef(host);
    o->kept = PyList_New(0);
    lang_host h = {.ctx = o, .stream = on_stream, .display = on_display,
                   .clear_output = on_clear, .input = on_input,
                   .lookup = on_lookup, .call = on_call,
                   .release = on_release, .page = on_page,
                   .set_next_input = on_next_input};
    if (!o->kept || lang_session_new(&o->s, &h, &err) != RT_OK) {
        Py_DECREF(o);
        return py_raise(&err);
    }
    return (PyObject *)o;
}

static int traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((session *)self)->host);
    Py_VISIT(((session *)self)->kept);
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static int clear(PyObject *self)
{
    Py_CLEAR(((session *)self)->host);
    Py_CLEAR(((session *)self)->kept);
    return 0;
}

static void dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    lang_session_free(((session *)self)->s);
    clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"execute", execute, METH_VARARGS,
     "execute($self, source, cell=0, name=None, /)\n--\n\nRuns one cell; a dict "
     "says how it went."},
    {"evaluate", evaluate, METH_O,
     "evaluate($self, source, /)\n--\n\nOne expression."},
    {"declared", declared, METH_NOARGS,
     "declared($self, /)\n--\n\nNames the last cell declared."},
    {"get", get, METH_O, "get($self, name, /)\n--\n\nA variable's value."},
    {"set", set, METH_VARARGS,
     "set($self, name, value, /)\n--\n\nDeclares a variable."},
    {"unset", unset, METH_O, "unset($self, name, /)\n--\n\nForgets one."},
    {"names", names, METH_NOARGS,
     "names($self, /)\n--\n\nVariables and functions: (name, kind, type)."},
    {"complete", complete, METH_VARARGS,
     "complete($self, source, cursor, /)\n--\n\n([(text, type, signature)], "
     "start, end)"},
    {"inspect", inspect, METH_VARARGS,
     "inspect($self, source, cursor, detail=0, /)\n--\n\nHelp as a bundle, or "
     "None."},
    {0}};
static PyType_Spec spec = {
    "rustorch._C.Session", sizeof(session), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    (PyType_Slot[]){{Py_tp_new, session_new}, {Py_tp_dealloc, dealloc},
                    {Py_tp_traverse, traverse}, {Py_tp_clear, clear},
                    {Py_tp_methods, methods},
                    {Py_tp_doc, "A session of the cell language; the host "
                                "object shows its output."},
                    {0, NULL}}};
static PyMethodDef functions[] = {
    {"is_complete", is_complete, METH_O,
     "is_complete(source, /)\n--\n\n('complete' | 'incomplete' | 'invalid', "
     "indent)"},
    {0}};

int py_cells_init(PyObject *module)
{
    py_CellValue = py_add_type(module, &py_cell_value_spec, NULL);
    session_type = py_add_type(module, &spec, NULL);
    return py_CellValue && session_type
               ? PyModule_AddFunctions(module, functions) : -1;
}

/* SPDX-License-Identifier: MIT
 *
 * binding.h - what the files of the extension `rustorch._C` share.
 *
 * The extension is a translator: Python objects become rt_values, a row of a
 * catalog is called, its results become Python objects, an rt_error becomes an
 * exception. No op, layer or optimizer is named here by hand.
 *
 * A Python tensor owns one reference to its rt_tensor; the rt_tensor points
 * back (its peer), so that one C tensor has one Python object. A Python object
 * with state of its own (attributes, a subclass) that would die before its C
 * tensor is handed over to it instead (`held`), and comes back at the next use.
 *
 * Functions that return PyObject * give a new reference or NULL with an
 * exception set; those that return int give 0, or -1 with an exception set.
 */
#ifndef PY_BINDING_H
#define PY_BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "lang/lang.h"
#include "runtime/rustorch.h"

#if PY_VERSION_HEX >= 0x030D0000
#define _Py_HashPointer Py_HashPointer
#endif
#if PY_VERSION_HEX < 0x030A0000   /* names that Python 3.10 brought */
static inline PyObject *Py_NewRef(PyObject *o)
{
    Py_INCREF(o);
    return o;
}
static inline int PyModule_AddObjectRef(PyObject *m, const char *name,
                                        PyObject *o)
{
    Py_XINCREF(o);
    if (!o || PyModule_AddObject(m, name, o) < 0) {
        Py_XDECREF(o);
        return -1;
    }
    return 0;
}
#endif

/* --- types ---------------------------------------------------------------- */

typedef struct py_tensor {
    PyObject_HEAD
    rt_tensor *t;       /* owned unless held */
    PyObject *dict, *weak;
    bool held;          /* the C tensor owns this object, not the reverse */
} py_tensor;

typedef struct py_module {
    PyObject_HEAD
    rt_module *m;       /* owned; NULL before __init__ */
    rt_module *inner;   /* a catalog layer under an overriding subclass */
    PyObject *dict, *weak;
    PyObject *params, *buffers, *children;   /* name -> Python object */
    PyObject *pre_hooks, *hooks;             /* NULL: none */
    bool host;          /* forward is written in Python */
} py_module;

extern PyTypeObject *py_Tensor, *py_Parameter, *py_Size, *py_DType, *py_Device;
extern PyTypeObject *py_Generator, *py_Node, *py_Module, *py_OpFunction;
extern PyTypeObject *py_Dataset;

#define py_is_tensor(o) PyObject_TypeCheck((PyObject *)(o), py_Tensor)
/* A Tensor or Parameter itself: no subclass, no overridden operators. */
#define py_is_plain(o)                                                         \
    (Py_TYPE((PyObject *)(o)) == py_Tensor ||                                  \
     Py_TYPE((PyObject *)(o)) == py_Parameter)
#define py_is_module(o) PyObject_TypeCheck((PyObject *)(o), py_Module)
#define PY_T(o) (((py_tensor *)(o))->t)
#define PY_M(o) (((py_module *)(o))->m)

/* Creates a heap type from a spec and adds it to the module under its short
 * name; NULL with an exception. Borrowed by the module for ever. */
PyTypeObject *py_add_type(PyObject *module, PyType_Spec *spec, PyObject *bases);

/* Each file's share of the module; called once, in this order, by init.c. */
int py_errors_init(PyObject *module);
int py_values_init(PyObject *module);
int py_tensor_init(PyObject *module);
int py_functions_init(PyObject *module);
int py_creation_init(PyObject *module);
int py_interop_init(PyObject *module);
int py_autograd_init(PyObject *module);
int py_module_init(PyObject *module);
int py_optim_init(PyObject *module);
int py_data_init(PyObject *module);
int py_files_init(PyObject *module);
int py_cells_init(PyObject *module);
int py_catalog_init(PyObject *module);

/* --- errors ---------------------------------------------------------------- */

/* Raises the class that errors.def names for err->code; returns NULL. A
 * KeyboardInterrupt for RT_E_INTERRUPT; the exception a callback left behind
 * for RT_E_HOST. */
PyObject *py_raise(const rt_error *err);
/* Raises by code, with a message of this layer. */
PyObject *py_fail(rt_status code, const char *format, ...);
/* A callback of ours failed: keeps the exception for py_raise and fills *err.
 * The GIL is held. */
rt_status py_stash(rt_error *err);

/* --- the GIL and interrupts -------------------------------------------------- */

/* Around work that may be long. `big` false: nothing happens. While the lock
 * is given up, SIGINT sets the runtime's interrupt flag. */
typedef struct py_unlocked {
    PyThreadState *state;
    bool main;            /* the main thread's: it has interrupts to expect */
    rt_long_work outer;
} py_unlocked;
py_unlocked py_unlock(bool big);
void py_lock(py_unlocked u);
/* Before work that may be long without a poll: SIGINT is seen from its start,
 * not only from the first poll after a millisecond. The GIL is held. */
void py_expect_interrupts(void);
/* Elements from which on an operation is worth giving the GIL up for. */
#define PY_BIG 32768

/* --- values ------------------------------------------------------------------ */

/* Room for what converting the arguments of one call makes. */
typedef struct py_scratch {
    int64_t ints[2 * RT_MAX_DIMS];
    double floats[RT_MAX_DIMS];
    rt_tensor *tensors[16];
    int nints, nfloats, ntensors;
    rt_tensor *made[RT_MAX_ARGS];    /* released at the end */
    void *blocks[RT_MAX_ARGS];       /* longer lists, freed at the end */
    int nmade, nblocks;
    int64_t elements;                /* of all tensors seen */
} py_scratch;
#define PY_SCRATCH_INIT(s)                                                     \
    ((s)->nints = (s)->nfloats = (s)->ntensors = (s)->nmade = 0,               \
     (s)->nblocks = 0, (s)->elements = 0)
/* Any Python object as a value, borrowing from it or from the scratch. */
int py_to_value(py_scratch *s, PyObject *o, rt_value *out);
void py_scratch_dispose(py_scratch *s);
/* A result as a Python object; takes the value over. */
PyObject *py_from_value(rt_value *v);
/* The same of a value that stays its owner's. */
PyObject *py_from_borrowed(const rt_value *v);

/* Wraps a tensor: the Python object it has, or a new one; takes the reference
 * over. NULL gives None. */
PyObject *py_wrap(rt_tensor *t);
PyObject *py_wrap_as(rt_tensor *t, PyTypeObject *type);
PyObject *py_wrap_borrowed(rt_tensor *t);
/* Makes a tensor object known to the collector; it is when it gets attributes. */
void py_track(PyObject *tensor);
/* Any array-like object as a tensor, new reference: tensors as they are,
 * arrays shared where possible, numbers and nested lists copied. dtype:
 * RT_DTYPE_NONE lets the data decide. */
int py_as_tensor(rt_tensor **out, PyObject *o, rt_dtype dtype);
/* The same, always with memory of its own. */
int py_copy_tensor(rt_tensor **out, PyObject *o, rt_dtype dtype);
/* Shares the memory of an object with the buffer protocol where layout and
 * type allow, else copies; *out stays NULL (and 0 is returned) when o exports
 * no buffer. */
int py_from_buffer(rt_tensor **out, PyObject *o, bool share);

PyObject *py_from_dlpack(PyObject *module, PyObject *o);
PyObject *py_dtype_object(rt_dtype d);            /* new reference */
PyObject *py_device_object(rt_device d);
PyObject *py_generator_object(rt_generator *g);
rt_generator *py_generator_of(PyObject *o);       /* borrowed; NULL: not one */
/* dtype object, name, NumPy dtype, or Python type; None gives NONE. */
int py_dtype_of(PyObject *o, rt_dtype *out);
int py_device_of(PyObject *o, rt_device *out);
PyObject *py_size_object(int ndim, const int64_t *shape);
PyObject *py_node_object(rt_node *n);             /* borrowed n; NULL: None */

/* Calls a row: args are converted by the caller. NULL with an exception. */
PyObject *py_call_op(const rt_op *op, const rt_value *args, int nargs,
                     int64_t elements);
/* Binds to the row's overloads and calls. */
PyObject *py_call_named(const rt_op *op, PyObject *self,
                        PyObject *const *args, Py_ssize_t n, PyObject *names);
/* An op of the catalog by name; aborts import with an exception if absent. */
const rt_op *py_op(const char *name);
/* Results as Python sees them: one, a named tuple, or only `output`. */
PyObject *py_results(const rt_op *op, rt_value *results);

/* --- tensor_index.c, tensor_number.c, tensor_methods.c -------------------------- */
PyObject *py_tensor_subscript(PyObject *self, PyObject *key);
int py_tensor_ass_subscript(PyObject *self, PyObject *key, PyObject *value);
extern PyType_Slot py_number_slots[];
extern PyMethodDef py_tensor_methods[];
extern PyGetSetDef py_tensor_getset[];
PyObject *py_tensor_richcompare(PyObject *a, PyObject *b, int op);
PyObject *py_tensor_repr(PyObject *self);
PyObject *py_make_subclass(PyObject *cls, PyObject *args, PyObject *kw);
PyObject *py_set_print_options(PyObject *m, PyObject *args, PyObject *kw);

/* --- modules ---------------------------------------------------------------------- */
PyObject *py_wrap_module(rt_module *m);          /* takes the reference over */
/* Python exceptions apart, what rt_dataset callbacks need. */
rt_dataset *py_dataset_of(PyObject *o);          /* new reference, or NULL */
PyObject *py_wrap_dataset(rt_dataset *d);
PyObject *py_wrap_loader(rt_loader *l);          /* takes it over */
rt_loader *py_loader_of(PyObject *o);            /* borrowed; NULL: not one */
PyObject *py_wrap_optimizer(rt_optimizer *o);
rt_optimizer *py_optimizer_of(PyObject *o);      /* borrowed; NULL: not one */

/* The runtime's text as a str; frees it. */
PyObject *py_text(char *text);

#endif

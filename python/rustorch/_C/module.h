/* SPDX-License-Identifier: MIT
 *
 * What the files about nn.Module share.
 *
 * A Python module owns one reference to its rt_module, whose tables of
 * parameters, buffers and children count; `params`, `buffers` and `children`
 * hold the Python objects of the same entries, so that these stay alive, keep
 * their identity, and are visible to Python's collector.
 */
#ifndef PY_MODULE_H
#define PY_MODULE_H

#include "python/rustorch/_C/binding.h"

/* The catalog row a class stands for; NULL: it is the user's own. */
const rt_layer *py_layer_of(PyTypeObject *type);
/* The Python class of a row. */
PyTypeObject *py_layer_type(const rt_layer *layer);
int py_layers_init(PyObject *module);

/* self takes the reference to m over and is its object from now on. */
void py_module_adopt(py_module *self, rt_module *m);
/* self->m, or NULL with an exception when __init__ has not run. */
rt_module *py_module_live(PyObject *o);
extern PyObject *py_name_forward;
/* The object dies: the runtime may not call it any more. */
void py_module_sever(py_module *self);
PyObject *py_module_call(PyObject *self, PyObject *args, PyObject *kw);
PyObject *py_module_add_hook(PyObject *self, PyObject *args);
PyObject *py_module_remove_hook(PyObject *self, PyObject *function);
/* Gives self an rt_module of the host's class. */
int py_module_attach(py_module *self);
/* Fills the Python tables from the C ones. */
int py_module_mirror(py_module *self);
/* One entry, in both tables; value may be None. */
int py_module_set(py_module *self, rt_slot slot, PyObject *name,
                  PyObject *value, bool persistent);
int py_module_remove(py_module *self, PyObject *name);
/* forward of catalog layers and other hosts' modules. */
PyObject *py_module_forward(PyObject *self, PyObject *args, PyObject *kw);
bool py_module_overridden(PyTypeObject *type);
/* A layer's result as PyTorch gives it: recurrent layers nest the states. */
PyObject *py_module_result(const rt_module *m, rt_value *v);

#endif

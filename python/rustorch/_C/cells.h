/* SPDX-License-Identifier: MIT
 *
 * The cell language as Python sees it: sessions (cells.c) and the values that
 * cross the border (cell_values.c). Tensors, modules, optimizers and data sets
 * cross as references, so that both sides see one object.
 */
#ifndef PY_CELLS_H
#define PY_CELLS_H

#include "python/rustorch/_C/binding.h"

extern PyTypeObject *py_CellValue;
extern PyType_Spec py_cell_value_spec;

/* A borrowed value as a Python object. NULL without an exception: the kind
 * has no Python type. */
PyObject *py_from_lang(const lang_value *v);
/* The same, taking the value over; unknown kinds become CellValues. */
PyObject *py_take_lang(lang_value *v);
/* A Python object as a new lang_value; false when the language has nothing
 * like it. `kept`: a list that keeps Python modules alive, or NULL. */
bool py_to_lang(PyObject *o, lang_value *out, PyObject *kept);
/* ({mime: text or bytes}, width, height) */
PyObject *py_bundle(const lang_bundle *b);

#endif

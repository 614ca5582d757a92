/* SPDX-License-Identifier: MIT
 * Sessions of the cell language for Python.
 */
#include "python/rustorch/_C/binding.h"

int py_cells_init(PyObject *module)
{
    return 0;
}

# SPDX-License-Identifier: MIT
"""Optimizers: a class for each row of the runtime's catalog, and the base for
your own."""
from .. import _C
from . import lr_scheduler  # noqa: F401
from .optimizer import Optimizer, _make

for _row in _C._optim_rows():
    globals()[_row[0]] = _make(*_row)
del _row
from . import adam, adamw, sgd  # noqa: E402,F401

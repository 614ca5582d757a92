# SPDX-License-Identifier: MIT
"""Exceptions, one class for each row of the runtime's error catalog.

Every one derives from `RusTorchError` (a RuntimeError) and from the built-in
class a Python programmer would expect; `e.help` holds the likely fix, and shape
errors have `e.shape1` and `e.shape2`.
"""
from . import _C

for _name in dir(_C):
    _value = getattr(_C, _name)
    if isinstance(_value, type) and issubclass(_value, BaseException):
        globals()[_name] = _value
del _name, _value

from ._C import (  # noqa: E402,F401
    DeviceError, FormatError, RusTorchError, ShapeMismatchError, TensorError,
)
RustorchError = RusTorchError
ShapeError = ShapeMismatchError
SerializationError = FormatError

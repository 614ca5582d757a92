# SPDX-License-Identifier: MIT
"""`rustorch.tensor(data)` makes a tensor; `rustorch.tensor.zeros(...)` and its
neighbours are the same functions as `rustorch.zeros(...)`."""
import sys as _sys
import types as _types

from . import _C
from ._C import Tensor

PyTensor = Tensor
globals().update(_C.ops)
as_tensor, from_numpy = _C.as_tensor, _C.from_numpy
from ._functions import create_tensor, tensor_add, tensor_matmul  # noqa: E402,F401


class _TensorModule(_types.ModuleType):
    def __call__(self, *args, **kwargs):
        return _C.tensor(*args, **kwargs)


_TensorModule.__call__.__doc__ = _C.tensor.__doc__
_sys.modules[__name__].__class__ = _TensorModule

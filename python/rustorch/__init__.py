# SPDX-License-Identifier: MIT
"""RusTorch: tensors, automatic differentiation and neural networks over a C
runtime, under PyTorch's names.

    import rustorch as torch

Functions and methods of tensors come from the runtime's op catalog;
`help(rustorch.sum)` shows the schema they were made from. The language of
`%%rustorch` cells and of the RusTorch notebook kernel runs on the same runtime
and shares its tensors.
"""
import importlib as _importlib
import math as _math

from . import _C
from ._C import *  # noqa: F401,F403  (dtypes, classes, settings)
from ._C import (  # noqa: F401
    Generator, Size, Tensor, __version__, device, dtype,
)

del layers, ops, tensor  # noqa: F821  (submodules have these names)
globals().update(_C.ops)
PyTensor = Tensor
pi, e, inf, nan = _math.pi, _math.e, _math.inf, _math.nan
newaxis = None
strided = contiguous_format = preserve_format = channels_last = None

from . import _tensor  # noqa: E402,F401  (attaches the colder methods)
from ._functions import *  # noqa: E402,F401,F403
from ._grad_mode import (  # noqa: E402,F401
    enable_grad, inference_mode, no_grad, set_grad_enabled,
)
from .errors import (  # noqa: E402,F401
    DeviceError, RusTorchError, RustorchError, ShapeMismatchError, TensorError,
)

_SUBMODULES = frozenset("""
    autograd backends callbacks config cuda data distributed errors interop jit
    kernels memory metal mps nn operations ops optim random profiler
    serialization serving sklearn sparse testing training utils
    visualization amp accelerator version
    """.split())
_LAZY = {"save": "serialization", "load": "serialization",
         "backward": "autograd", "create_variable": "autograd",
         "compile": "jit"}

from . import tensor  # noqa: E402  (a module that is callable: ledger C-02)


def __getattr__(name):
    if name in _LAZY:
        value = getattr(_importlib.import_module("rustorch." + _LAZY[name]), name)
    elif name in _SUBMODULES:
        try:
            value = _importlib.import_module("rustorch." + name)
        except ModuleNotFoundError as error:
            if error.name != "rustorch." + name:
                raise
            raise AttributeError(
                f"module 'rustorch' has no attribute {name!r}") from None
    elif name == "Model":
        value = getattr(_importlib.import_module("rustorch.training"), name)
    else:
        raise AttributeError(f"module 'rustorch' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted(set(globals()) | _SUBMODULES | set(_LAZY))

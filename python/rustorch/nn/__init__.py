# SPDX-License-Identifier: MIT
"""Layers, losses and containers. Each class of the layer catalog is here under
its PyTorch name; `Module` is the base of your own."""
from .. import _C
from .._C import Module, Parameter  # noqa: F401

for _name in dir(_C.layers):
    if not _name.startswith("_"):
        globals()[_name] = getattr(_C.layers, _name)
del _name

from . import _module  # noqa: E402,F401  (attaches the colder methods)
from ._containers import (  # noqa: E402,F401
    ModuleDict, ParameterDict, ParameterList,
)
from ._wrappers import DataParallel, parallel  # noqa: E402,F401
from ._resize import Upsample, UpsamplingBilinear2d, UpsamplingNearest2d  # noqa: E402,F401
from . import conv, functional, init, linear, modules, parameter, utils  # noqa: E402,F401
from .parameter import Buffer  # noqa: E402,F401

# SPDX-License-Identifier: MIT
"""All layers, where PyTorch's layout has them."""
from .. import _C as _C
from .._C import Module  # noqa: F401
from ._resize import Upsample, UpsamplingBilinear2d, UpsamplingNearest2d  # noqa: F401

for _name in dir(_C.layers):
    if not _name.startswith("_"):
        globals()[_name] = getattr(_C.layers, _name)
del _name

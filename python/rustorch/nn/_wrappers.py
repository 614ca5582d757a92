# SPDX-License-Identifier: MIT
"""Wrappers that spread a module over devices."""
import types

from .. import _C
from .._C import Module


class DataParallel(Module):
    """Runs a module on one device; asking for absent devices is a DeviceError."""

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        super().__init__()
        for ordinal in device_ids or ():
            _C.check_device(_C.device("cuda", ordinal))
        self.module = module

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)


parallel = types.ModuleType("rustorch.nn.parallel", "Wrappers over devices.")
parallel.DataParallel = DataParallel

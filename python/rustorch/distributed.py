# SPDX-License-Identifier: MIT
"""Several processes at once: this version has no back end for it."""
import enum

from . import _C
from ._later import refuse as _refuse


class ReduceOp(enum.Enum):
    """How all_reduce combines."""
    SUM, PRODUCT, MIN, MAX, AVG = range(5)


def is_available():
    """Whether a back end exists: no."""
    return False


def is_initialized():
    """Whether a process group exists: no."""
    return False


def init_process_group(backend=None, init_method=None, world_size=-1, rank=-1, **options):
    """Joins a process group; DeviceError, as there is no back end."""
    raise _C.DeviceError(f"init_process_group: the back end {backend!r} is not available in "
                         f"version {_C.__version__}")


all_reduce = _refuse("distributed", "all_reduce", "Combines tensors of all processes.")
DistributedConfig = _refuse("distributed", "DistributedConfig", "A process group's settings.")
DistributedDataParallel = _refuse("distributed", "DistributedDataParallel",
                                  "Averages gradients over processes.")

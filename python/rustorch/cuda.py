# SPDX-License-Identifier: MIT
"""CUDA: this build has no CUDA back end, and says so."""
from . import _C


def is_available():
    """Whether CUDA can be used: no."""
    return False


def device_count():
    """How many CUDA devices can be used: none."""
    return 0


def device(index=0):
    """The CUDA device of an ordinal; making one touches no hardware."""
    return _C.device("cuda", index)


def _absent(*args, **kwargs):
    _C.check_device(_C.device("cuda"))


def matmul(a, b):
    """The product on a CUDA device; DeviceError without one."""
    _absent()


def set_device(device):
    """Chooses the CUDA device; DeviceError without one."""
    _absent()


def current_device():
    """The CUDA device in use; DeviceError without one."""
    _absent()


def get_device_name(device=None):
    """The device's name; DeviceError without one."""
    _absent()


def is_initialized():
    """Whether CUDA is in use: no."""
    return False


def is_bf16_supported():
    """Whether the device computes bfloat16: there is none."""
    return False


def empty_cache():
    """Gives cached device memory back: there is none to give."""


def synchronize(device=None):
    """Waits for the device's work: there is none."""


def manual_seed(seed):
    """Seeds the device's generator: there is none; use rustorch.manual_seed."""


def manual_seed_all(seed):
    """Seeds all devices' generators: there are none."""


def memory_allocated(device=None):
    """Bytes in use on the device: 0."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def reset_peak_memory_stats(device=None):
    """Nothing to reset."""

# SPDX-License-Identifier: MIT
"""Metal: a back end of macOS that this platform does not have."""
from . import _C


def is_available():
    """Whether Metal can be used: no."""
    return False


def device_count():
    """How many Metal devices can be used: none."""
    return 0


def device(index=0):
    """The Metal device of an ordinal; making one touches no hardware."""
    return _C.device("metal", index)


def empty_cache():
    """Gives cached device memory back: there is none."""


def manual_seed(seed):
    """Seeds the device's generator: there is none."""

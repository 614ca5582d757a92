# SPDX-License-Identifier: MIT
"""Settings of the process."""
from . import _C
from ._C import set_default_dtype  # noqa: F401
from ._functions import set_default_device  # noqa: F401
from ._C import set_num_threads as set_thread_pool_size  # noqa: F401


def enable_fast_math(on=True):
    """Accepted: the runtime's vector mathematics is already the fast one, and
    its error is bounded (a few units in the last place)."""
    if not isinstance(on, bool):
        raise _C.ArgumentTypeError("enable_fast_math: expected True or False")

# SPDX-License-Identifier: MIT
"""The default generator."""
import contextlib

from . import _C
from ._C import default_generator, manual_seed  # noqa: F401
from ._functions import get_rng_state, initial_seed, seed, set_rng_state  # noqa: F401


@contextlib.contextmanager
def fork_rng(devices=None, enabled=True, **unused):
    """Random numbers drawn inside leave the stream outside as it was."""
    state = _C.default_generator.get_state()
    try:
        yield
    finally:
        if enabled:
            _C.default_generator.set_state(state)

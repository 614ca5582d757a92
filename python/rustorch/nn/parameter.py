# SPDX-License-Identifier: MIT
"""Parameter and Buffer."""
from .._C import Parameter, Tensor  # noqa: F401


class Buffer(Tensor):
    """A tensor that a Module counts among its buffers when set as an attribute."""

    def __new__(cls, data=None, *, persistent=True):
        self = cls._make_subclass(data)
        self.persistent = persistent
        return self

# SPDX-License-Identifier: MIT
"""Names that the package reserves and this version cannot serve yet: calling
one says so with an UnsupportedError instead of pretending."""
from . import _C


def refuse(module, name, doc):
    """A callable of that name that raises UnsupportedError."""
    def unsupported(*args, **kwargs):
        raise _C.UnsupportedError(
            f"rustorch.{module}.{name} is not part of version {_C.__version__}")
    unsupported.__name__ = unsupported.__qualname__ = name
    unsupported.__module__ = "rustorch." + module
    unsupported.__doc__ = f"{doc} Not in this version: raises UnsupportedError."
    return unsupported

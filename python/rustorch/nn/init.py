# SPDX-License-Identifier: MIT
"""Ways to fill parameters; each draws what PyTorch's draws."""
from .. import _C
from .._C import calculate_gain  # noqa: F401


def _make(name, schema, doc):
    def fill(tensor, *args, **kwargs):
        return _C._init(name, tensor, *args, **kwargs)
    fill.__name__ = fill.__qualname__ = name
    fill.__doc__ = f"{schema}\n\n{doc} In place, nothing recorded; returns the tensor."
    return fill


for _name, _schema, _doc in _C._init_rows():
    globals()[_name] = _make(_name, _schema, _doc)
    globals()[_name[:-1]] = globals()[_name]     # the old names without underscore
del _name, _schema, _doc

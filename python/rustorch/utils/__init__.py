# SPDX-License-Identifier: MIT
"""Data loading, files, pictures."""
from . import data  # noqa: F401
from ..serialization import load, load_model, save, save_model  # noqa: F401


def set_seed(seed):
    """Seeds the default generator."""
    from .. import _C
    _C.manual_seed(seed)


def make_dot(tensor, params=None):
    """The recorded graph behind a tensor, as a picture for notebooks."""
    from ..autograd import graph

    class Picture:
        svg = graph.svg(tensor)

        def _repr_html_(self):
            import base64
            data = base64.b64encode(self.svg.encode()).decode()
            return f'<img alt="autograd graph" src="data:image/svg+xml;base64,{data}">'

        def __repr__(self):
            return f"<autograd graph of a tensor of shape {tensor.shape}>"
    return Picture()


from .._later import refuse as _refuse  # noqa: E402

Profiler = _refuse("utils", "Profiler", "Records where time goes.")
train_step = _refuse("utils", "train_step", "One step of a compiled model.")

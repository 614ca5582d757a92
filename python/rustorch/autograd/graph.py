# SPDX-License-Identifier: MIT
"""The recorded graph."""
from .. import _C
from .._C import Node  # noqa: F401


def svg(tensor):
    """The graph behind a tensor as an SVG picture (text)."""
    return _C._graph_svg(tensor)

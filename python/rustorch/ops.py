# SPDX-License-Identifier: MIT
"""All operations of the catalog, and NumPy's universal functions on tensors."""
from . import _C as _C
from .operations import *  # noqa: F401,F403

globals().update(_C.ops)

_UFUNCS = {"subtract": "sub", "multiply": "mul", "divide": "div", "true_divide": "div",
           "negative": "neg", "absolute": "abs", "power": "pow", "arctan2": "atan2",
           "arcsin": "asin", "arccos": "acos", "arctan": "atan", "greater": "gt",
           "greater_equal": "ge", "less": "lt", "less_equal": "le", "equal": "eq",
           "not_equal": "ne", "invert": "bitwise_not", "rint": "round",
           "left_shift": "bitwise_left_shift", "right_shift": "bitwise_right_shift"}


def _unwrapped(x):
    """A tensor, also out of a wrapper that keeps it in `_data`."""
    inner = getattr(x, "_data", None)
    return inner if isinstance(inner, _C.Tensor) else x


def dispatch_ufunc(ufunc, *inputs, **kwargs):
    """Runs a NumPy ufunc on tensors, arrays and numbers: with the operation of
    the same meaning where there is one, else with NumPy on shared memory."""
    inputs = [_unwrapped(x) for x in inputs]
    op = _C.ops.get(_UFUNCS.get(ufunc.__name__, ufunc.__name__))
    if op is not None and not kwargs:
        inputs = [_C.as_tensor(x) if not isinstance(x, (_C.Tensor, int, float)) else x
                  for x in inputs]
        return op(*inputs)
    arrays = [x.numpy() if isinstance(x, _C.Tensor) else x for x in inputs]
    kwargs = {k: tuple(o.numpy() if isinstance(o, _C.Tensor) else o for o in v)
              if k == "out" else v for k, v in kwargs.items()}
    result = ufunc(*arrays, **kwargs)
    if isinstance(result, tuple):
        return tuple(_C.as_tensor(r) for r in result)
    return _C.as_tensor(result)

# SPDX-License-Identifier: MIT
"""Jacobian and Hessian of functions, row by row."""
from .. import _C
from .._grad_mode import enable_grad


def jacobian(func, inputs, create_graph=False):
    """d func(x)_i / d x_j for one input and one output tensor."""
    with enable_grad():
        x = inputs if create_graph else inputs.detach().requires_grad_()
        y = func(x)
        rows = [_C._gradients((v,), (x,), (None,), True, create_graph, True)[0]
                for v in y.reshape(-1).unbind()]
    rows = [_C.ops["zeros_like"](inputs) if r is None else r for r in rows]
    return _C.ops["stack"](rows).reshape(*y.shape, *inputs.shape)


def hessian(func, inputs, create_graph=False):
    """Second derivatives of a function with one number as its result."""
    with enable_grad():
        x = inputs.detach().requires_grad_()

        def gradient(v):
            g = _C._gradients((func(v),), (v,), (None,), True, True, True)[0]
            return _C.ops["zeros_like"](v) if g is None else g

        out = jacobian(gradient, x, create_graph=True)
    return out if create_graph else out.detach()

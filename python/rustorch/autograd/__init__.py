# SPDX-License-Identifier: MIT
"""Differentiation: backward, grad, recording modes, custom rules."""
from .. import _C
from .._C import Node, Tensor  # noqa: F401
from .._grad_mode import (  # noqa: F401
    enable_grad, inference_mode, no_grad, set_grad_enabled,
)
from . import graph  # noqa: F401
from .function import Function, FunctionCtx  # noqa: F401


def _tuple(x):
    if x is None:
        return ()
    return (x,) if isinstance(x, Tensor) else tuple(x)


def _gradients(outputs, grads, name):
    grads = _tuple(grads) if grads is not None else (None,) * len(outputs)
    if len(grads) != len(outputs):
        raise _C.ArgumentError(f"{name}: {len(outputs)} outputs need as many "
                               f"gradients, got {len(grads)}")
    return grads


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False,
             grad_variables=None, inputs=None):
    """Adds the gradient of the tensors with respect to each leaf to its grad."""
    tensors = _tuple(tensors)
    if grad_tensors is None:
        grad_tensors = grad_variables
    grads = _gradients(tensors, grad_tensors, "backward")
    keep = create_graph if retain_graph is None else retain_graph
    if inputs is not None:
        _into(tensors, grads, keep, create_graph, _tuple(inputs))
    else:
        _C._backward(tensors, grads, keep, create_graph)


def _into(tensors, grads, keep, create_graph, inputs):
    """backward(inputs=...): only these leaves get a gradient."""
    found = _C._gradients(tensors, inputs, grads, keep, create_graph, True)
    for leaf, g in zip(inputs, found):
        if g is not None:
            leaf.grad = g if leaf.grad is None else leaf.grad + g


def _backward_into(tensor, gradient, retain_graph, create_graph, inputs):
    keep = bool(create_graph) if retain_graph is None else retain_graph
    _into((tensor,), (gradient,), keep, bool(create_graph), _tuple(inputs))


def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False,
         only_inputs=True, allow_unused=None, is_grads_batched=False,
         materialize_grads=False):
    """The gradients of outputs with respect to inputs, as a tuple."""
    if is_grads_batched:
        raise _C.UnsupportedError("grad: is_grads_batched is not supported; call it "
                                  "once for each gradient")
    outputs, inputs = _tuple(outputs), _tuple(inputs)
    grads = _gradients(outputs, grad_outputs, "grad")
    keep = create_graph if retain_graph is None else retain_graph
    unused = materialize_grads if allow_unused is None else allow_unused
    found = _C._gradients(outputs, inputs, grads, keep, create_graph,
                          bool(unused or materialize_grads))
    if materialize_grads:
        found = tuple(_C.ops["zeros_like"](x) if g is None else g
                      for g, x in zip(found, inputs))
    return found


def gradcheck(func, inputs, *, eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=True):
    """Compares the gradients of func with central differences (float64)."""
    inputs = _tuple(inputs)
    tensors = [x for x in inputs if isinstance(x, Tensor)]
    sample = _tuple(func(*inputs))

    def picked(k):
        def run(*given):
            given = iter(given)
            args = [next(given) if isinstance(x, Tensor) else x for x in inputs]
            return _tuple(func(*args))[k]
        return run

    try:
        for k, output in enumerate(sample):
            if output.requires_grad:
                _C._gradcheck(picked(k), tensors, eps, atol, rtol)
    except _C.AutogradError:
        if raise_exception:
            raise
        return False
    return True


def Variable(data, requires_grad=False, volatile=False):
    """Legacy: a tensor of data; tensors have recorded by themselves since 0.4."""
    t = data.detach() if isinstance(data, Tensor) else _C.tensor(data)
    return t.requires_grad_() if requires_grad else t


def create_variable(data, requires_grad=False):
    """A leaf tensor of the default dtype that may record."""
    return _C.tensor(data, dtype=_C.get_default_dtype(), requires_grad=requires_grad)


from . import functional, variable  # noqa: E402,F401


def set_detect_anomaly(mode, check_nan=True):
    """Refused: backward already names the operation that fails."""
    if mode:
        raise _C.UnsupportedError("set_detect_anomaly: not supported; look for NaN "
                                  "with x.isnan().any()")

# SPDX-License-Identifier: MIT
"""Clipping gradients."""
from ... import _C
from ..._C import Tensor, ops as _ops
from ..._grad_mode import no_grad


def _gradients(parameters):
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    return [p.grad for p in parameters if p.grad is not None]


def get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm of all the tensors taken as one vector."""
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not tensors:
        return _C.tensor(0.0)
    norms = [_ops["norm"](t, float(norm_type)) for t in tensors]
    total = _ops["norm"](_ops["stack"](norms), float(norm_type))
    if error_if_nonfinite and not bool(total.isfinite()):
        raise _C.ArithmeticsError(f"the gradients' norm is {total.item()}")
    return total


@no_grad()
def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False,
                    foreach=None):
    """Scales all gradients so that their norm is at most max_norm; returns the
    norm there was."""
    grads = _gradients(parameters)
    total = get_total_norm(grads, norm_type, error_if_nonfinite)
    factor = (max_norm / (total + 1e-6)).clamp(max=1.0)
    for g in grads:
        g.mul_(factor)
    return total


clip_grad_norm = clip_grad_norm_


@no_grad()
def clip_grad_value_(parameters, clip_value, foreach=None):
    """Limits every element of the gradients to [-clip_value, clip_value]."""
    for g in _gradients(parameters):
        g.clamp_(-clip_value, clip_value)

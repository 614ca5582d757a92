# SPDX-License-Identifier: MIT
"""Rules of differentiation written in Python."""
from .. import _C
from .._C import Tensor


class FunctionCtx:
    """What forward leaves for backward."""

    def __init__(self):
        self.needs_input_grad = ()
        self._saved, self._versions = (), ()
        self._plain, self._dirty, self._materialize = (), (), True

    def save_for_backward(self, *tensors):
        """Keeps tensors for backward; they must not be written in between."""
        self._saved = tensors
        self._versions = tuple(None if t is None else t._version for t in tensors)

    @property
    def saved_tensors(self):
        """The tensors given to save_for_backward."""
        for i, (t, version) in enumerate(zip(self._saved, self._versions)):
            if t is not None and t._version != version:
                raise _C.AutogradError(
                    f"saved tensor {i} of shape {t.shape} was written in place after "
                    f"forward (version {t._version}, saved at {version})")
        return self._saved

    def mark_non_differentiable(self, *tensors):
        """No gradient flows into these outputs."""
        self._plain = tensors

    def mark_dirty(self, *tensors):
        """These inputs were written in place."""
        self._dirty = tensors

    def set_materialize_grads(self, value):
        """False: backward sees None where no gradient came."""
        self._materialize = bool(value)


class Function:
    """Subclass with static forward(ctx, ...) and backward(ctx, ...); use with
    .apply(...)."""

    def __init__(self, *args, **kwargs):
        raise _C.ArgumentTypeError(f"{type(self).__name__} is used with "
                                   f"{type(self).__name__}.apply(...), not made")

    @staticmethod
    def forward(ctx, *args, **kwargs):
        """Computes the result; define it in the subclass."""
        raise NotImplementedError("define a static forward(ctx, ...)")

    @staticmethod
    def backward(ctx, *grad_outputs):
        """One gradient for each input of forward; define it in the subclass."""
        raise NotImplementedError("define a static backward(ctx, ...)")

    @classmethod
    def apply(cls, *args):
        """Runs forward and records backward as its rule."""
        ctx = type(cls.__name__ + "Context", (FunctionCtx,), {})()
        recording = _C.is_grad_enabled()
        ctx.needs_input_grad = tuple(
            isinstance(a, Tensor) and a.requires_grad and recording for a in args)
        separate = "setup_context" in _defined(cls)
        before = _C._set_grad_enabled(False)
        try:
            out = cls.forward(*args) if separate else cls.forward(ctx, *args)
            if separate:
                cls.setup_context(ctx, args, out)
        finally:
            _C._set_grad_enabled(before)
        if not any(ctx.needs_input_grad):
            return out
        return _record(cls, ctx, args, out)


def _defined(cls):
    return {name for c in cls.__mro__ if c is not Function for name in vars(c)}


def _record(cls, ctx, args, out):
    several = isinstance(out, (tuple, list))
    outputs = list(out) if several else [out]
    for i, o in enumerate(outputs):     # an input handed through is a new tensor
        if isinstance(o, Tensor) and any(o is a for a in args):
            outputs[i] = o.detach()
    recorded = [o for o, before in zip(outputs, out if several else [out])
                if isinstance(o, Tensor) and o.is_floating_point()
                and not any(before is p for p in ctx._plain)]
    where = [i for i, o in enumerate(outputs) if any(o is r for r in recorded)]
    inputs = [a for a in args if isinstance(a, Tensor)]
    shapes = [(o.shape, o.dtype) if isinstance(o, Tensor) else None for o in outputs]

    def rule(*given):
        grads = [None] * len(shapes)
        for i, g in zip(where, given):
            grads[i] = g
        if ctx._materialize:
            grads = [_C.ops["zeros"](s[0], dtype=s[1]) if g is None and s else g
                     for g, s in zip(grads, shapes)]
        result = cls.backward(ctx, *grads)
        result = result if isinstance(result, tuple) else (result,)
        if len(result) > len(args) and all(r is None for r in result[len(args):]):
            result = result[:len(args)]
        if len(result) != len(args):
            raise _C.AutogradError(
                f"{cls.__name__}.backward returned {len(result)} gradients, expected "
                f"{len(args)}: one for each argument of forward")
        return tuple(r for r, a in zip(result, args) if isinstance(a, Tensor))

    _C._attach(cls.__name__ + "Backward", rule, inputs, recorded)
    return tuple(outputs) if several else outputs[0]


def once_differentiable(function):
    """Marks a backward that cannot be differentiated again."""
    import functools

    @functools.wraps(function)
    def wrapped(ctx, *grads):
        before = _C._set_grad_enabled(False)
        try:
            return function(ctx, *grads)
        finally:
            _C._set_grad_enabled(before)
    return wrapped

# SPDX-License-Identifier: MIT
"""Autograd as Python sees it: modes, hooks, custom rules, gradcheck."""
import gc
import weakref

import pytest


def test_modes_are_context_managers_and_decorators(rt):
    x = rt.ones(2, requires_grad=True)
    with rt.no_grad():
        assert not (x * 2).requires_grad
        with rt.enable_grad():
            assert (x * 2).requires_grad
        with rt.set_grad_enabled(True):
            assert rt.is_grad_enabled()
        assert not rt.is_grad_enabled()
    assert rt.is_grad_enabled()

    @rt.no_grad()
    def f(v):
        return v * 2

    @rt.no_grad
    def g(v):
        return v * 2

    @rt.inference_mode()
    def h(v):
        yield v * 2
    assert not f(x).requires_grad and not g(x).requires_grad
    assert not next(h(x)).requires_grad and rt.is_grad_enabled()
    with pytest.raises(ZeroDivisionError):
        with rt.no_grad():
            1 / 0
    assert rt.is_grad_enabled()


def test_gradients_accumulate_and_can_be_asked_for(rt):
    x = rt.tensor([2.0, 3.0], requires_grad=True)
    (x ** 2).sum().backward()
    (x ** 2).sum().backward()
    assert x.grad.tolist() == [8, 12]
    y = (x ** 3).sum()
    first, = rt.autograd.grad(y, x, create_graph=True)
    second, = rt.autograd.grad(first.sum(), x)
    assert first.tolist() == [12, 27] and second.tolist() == [12, 18]
    assert x.grad.tolist() == [8, 12]
    z = rt.ones(2, requires_grad=True)
    assert rt.autograd.grad(x.sum(), [x, z], allow_unused=True)[1] is None
    with pytest.raises(rt.RusTorchError):
        rt.autograd.grad(x.sum(), z)
    y = (x * 2).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="retain_graph"):
        y.backward()
    other = (x * z).sum()
    other.backward(inputs=[z])
    assert z.grad.tolist() == [2, 3]
    with pytest.raises(RuntimeError):
        (x * 2).backward()
    (x * 2).backward(rt.ones(2))


def test_hooks_see_and_replace_gradients(rt):
    x = rt.ones(2, requires_grad=True)
    y = x * 3
    seen = []
    handle = y.register_hook(lambda g: seen.append(g.tolist()) or g * 10)
    y.sum().backward()
    assert seen == [[1, 1]] and x.grad.tolist() == [30, 30]
    handle.remove()
    calls = []
    x.register_post_accumulate_grad_hook(lambda t: calls.append(t is x))
    (x * 1).sum().backward()
    assert calls == [True]
    x2 = rt.ones(1, requires_grad=True)
    x2.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        (x2 * 2).backward()


def test_a_rule_in_python(rt):
    class Scale(rt.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor, unused):
            ctx.factor = factor
            ctx.save_for_backward(x)
            low = x.detach() - 1
            ctx.mark_non_differentiable(low)
            return x * factor, low

        @staticmethod
        def backward(ctx, grad, grad_low):
            assert ctx.needs_input_grad == (True, False, False)
            x, = ctx.saved_tensors
            assert grad_low.sum().item() == 0
            return grad * ctx.factor + 0 * x, None, None

    x = rt.tensor([1.0, 2.0], requires_grad=True)
    out, low = Scale.apply(x, 3.0, rt.ones(1))
    assert out.requires_grad and not low.requires_grad
    assert type(out.grad_fn).__name__ == "Node" and out.grad_fn.name() == "ScaleBackward"
    out.sum().backward()
    assert x.grad.tolist() == [3, 3]

    class Wrong(rt.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            return grad, grad

    with pytest.raises(rt.RusTorchError, match="2 gradients"):
        Wrong.apply(x).sum().backward()

    class Raises(Wrong):
        @staticmethod
        def backward(ctx, grad):
            raise LookupError("from backward")

    with pytest.raises(LookupError, match="from backward"):
        Raises.apply(x).sum().backward()


def test_a_rule_can_be_differentiated_twice_and_checked(rt):
    class Cube(rt.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x ** 3

        @staticmethod
        def backward(ctx, grad):
            x, = ctx.saved_tensors
            return grad * 3 * x ** 2

    x = rt.tensor([1.0, -2.0], dtype=rt.float64, requires_grad=True)
    g, = rt.autograd.grad(Cube.apply(x).sum(), x, create_graph=True)
    assert rt.autograd.grad(g.sum(), x)[0].tolist() == [6, -12]
    assert rt.autograd.gradcheck(Cube.apply, (x,))

    class Bad(Cube):
        @staticmethod
        def backward(ctx, grad):
            return grad

    with pytest.raises(rt.RusTorchError):
        rt.autograd.gradcheck(Bad.apply, (x,))
    assert rt.autograd.gradcheck(Bad.apply, (x,), raise_exception=False) is False


def test_written_tensors_are_noticed(rt):
    x = rt.ones(2, requires_grad=True)
    y = x.exp()
    z = (y * y).sum()
    y.add_(1)
    with pytest.raises(RuntimeError, match="in place|in-place|modified|written"):
        z.backward()
    with pytest.raises(RuntimeError):
        x.add_(1)


def test_jacobian_and_hessian(rt):
    x = rt.tensor([1.0, 2.0])
    assert rt.autograd.functional.jacobian(lambda v: v ** 2, x).tolist() == [[2, 0], [0, 4]]
    assert rt.autograd.functional.hessian(lambda v: (v ** 3).sum(), x).tolist() == [
        [6, 0], [0, 12]]


def test_a_graph_is_freed_with_its_output(rt):
    class Token:
        pass
    token = Token()
    ref = weakref.ref(token)
    x = rt.ones(1, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g, t=token: None)
    del token, y
    gc.collect()
    assert ref() is None


def test_a_hook_that_refers_to_its_leaf_is_collected(rt):
    x = rt.ones(1, requires_grad=True)
    x.register_hook(lambda g: x * 0 + g)
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2]
    ref = weakref.ref(x)
    del x
    gc.collect()
    assert ref() is None


EDGES = [float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1.0, -1.0, 1.5, -1.5]
OTHERS = [1.0, float("nan"), 0.0, 0.0, 0.0, 1.0, float("nan"), -1.5, 2.0]


@pytest.mark.parametrize("name", ["relu", "elu", "selu", "leaky_relu", "relu6", "hardtanh",
                                  "clamp", "maximum", "minimum", "max", "min", "amax", "amin"])
def test_gradients_at_nan_infinity_and_bounds_are_pytorchs(rt, torch, name):
    def gradient(T, values):
        x = T.tensor(values, requires_grad=True)
        f = getattr(T.nn.functional, name, None) or getattr(T, name)
        more = {"clamp": (-1.0, 1.0), "maximum": (T.tensor(OTHERS[:len(values)]),),
                "minimum": (T.tensor(OTHERS[:len(values)]),)}.get(name, ())
        y = f(x, *more)
        y.backward(T.ones_like(y))
        return x.grad.tolist()

    for values in (EDGES, EDGES[3:]):
        assert gradient(rt, values) == pytest.approx(gradient(torch, values), nan_ok=True)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("weight", [None, [1.0, 1.0, 0.0], [1.0, 1.0, float("nan")]])
@pytest.mark.parametrize("classes_first", [False, True])
def test_ignored_rows_have_no_gradient_as_in_pytorch(rt, torch, reduction, weight, classes_first):
    def gradients(T, ignored):
        x = T.tensor([[-1.0, 2.0, 0.5], [0.25, -3.0, 1.0]], requires_grad=True)
        logits = x.t().contiguous().t() if classes_first else x
        F = T.nn.functional
        of = {"ignore_index": 2, "reduction": reduction,
              "weight": None if weight is None else T.tensor(weight)}
        target = T.tensor([2, 2 if ignored else 1])
        found = []
        for loss in (F.cross_entropy(logits, target, **of), F.nll_loss(logits, target, **of)):
            x.grad = None
            loss.backward()
            found += [v for row in x.grad.tolist() for v in row]
        return found

    for ignored in (True, False):
        assert gradients(rt, ignored) == pytest.approx(gradients(torch, ignored), abs=1e-6)

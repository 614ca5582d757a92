# SPDX-License-Identifier: MIT
"""RNN, GRU and LSTM where all steps run in one call: against PyTorch, against
the steps taken one by one, and what must not happen to what they keep."""
import numpy as np
import pytest

import rustorch

KINDS = ("RNN", "GRU", "LSTM")


def pair(torch, kind, inputs, hidden, double=False, **options):
    """The same layer in both libraries."""
    torch.manual_seed(1)
    theirs = getattr(torch.nn, kind)(inputs, hidden, **options)
    theirs = theirs.double() if double else theirs
    ours = getattr(rustorch.nn, kind)(inputs, hidden, **options)
    ours.load_state_dict({k: rustorch.tensor(v.float().numpy())
                          for k, v in theirs.state_dict().items()})
    return theirs, ours


def losses(layer, x, states):
    """A number that every result takes part in, and all results."""
    out, last = layer(x, tuple(states) if len(states) == 2 else states[0])
    results = [out, *(last if isinstance(last, tuple) else (last,))]
    loss = (out * out).sum()
    for state in results[1:]:
        loss = loss + (state * state * state).sum()
    return loss, results


def operands(torch, kind, shape, states, double=False):
    made = [torch.randn(*shape)] + [torch.randn(*states)] * (2 if kind == "LSTM" else 1)
    theirs = [(t.double() if double else t.clone()).requires_grad_() for t in made]
    return theirs, [rustorch.tensor(t.numpy(), requires_grad=True) for t in made]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch, steps, inputs, hidden",
                         [(32, 20, 16, 40), (3, 7, 5, 9), (1, 20, 3, 33), (33, 4, 2, 100)])
@pytest.mark.parametrize("options", [{}, {"bias": False}, {
    "bidirectional": True, "num_layers": 2, "batch_first": True}])
def test_results_and_gradients_are_those_of_pytorch(torch, kind, batch, steps, inputs, hidden,
                                                    options):
    theirs, ours = pair(torch, kind, inputs, hidden, **options)
    count = (4 if "bidirectional" in options else 1, batch, hidden)
    shape = (batch, steps, inputs) if "batch_first" in options else (steps, batch, inputs)
    a, b = operands(torch, kind, shape, count)
    for (loss, results), (other, others) in [(losses(theirs, a[0], a[1:]),
                                              losses(ours, b[0], b[1:]))]:
        loss.backward()
        other.backward()
        for want, got in zip(results, others, strict=True):
            np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), atol=3e-6)
    pairs = [*zip(a, b, strict=True), *zip(theirs.parameters(), ours.parameters(), strict=True)]
    for want, got in pairs:
        scale = 1 + want.grad.abs().max().item()
        np.testing.assert_allclose(got.grad.numpy() / scale, want.grad.numpy() / scale, atol=3e-6)


def test_a_layer_of_relu_is_that_of_pytorch(torch):
    theirs, ours = pair(torch, "RNN", 5, 17, nonlinearity="relu")
    a, b = operands(torch, "RNN", (9, 3, 5), (1, 3, 17))
    losses(theirs, a[0], a[1:])[0].backward()
    losses(ours, b[0], b[1:])[0].backward()
    np.testing.assert_allclose(b[0].grad.numpy(), a[0].grad.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_have_gradients(torch, kind):
    theirs, ours = pair(torch, kind, 3, 5, double=True)
    a, b = operands(torch, kind, (6, 4, 3), (1, 4, 5), double=True)
    seconds = []
    for lib, layer, (x, *states) in ((torch, theirs, a), (rustorch, ours, b)):
        loss, _ = losses(layer, x, states)
        first, = lib.autograd.grad(loss, x, create_graph=True)
        seconds.append(lib.autograd.grad((first * first).sum(), [x, *layer.parameters()]))
    for want, got in zip(*seconds, strict=True):
        scale = 1 + want.abs().max().item()
        np.testing.assert_allclose(got.numpy() / scale, want.float().numpy() / scale, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_more_threads_change_no_bit(kind):
    seen = []
    for threads in (1, 2, 3):
        rustorch.set_num_threads(threads)
        rustorch.manual_seed(0)
        layer, x = getattr(rustorch.nn, kind)(7, 45), rustorch.randn(9, 37, 7)
        layer(x)[0].square().sum().backward()
        seen.append([p.grad.numpy().tobytes() for p in layer.parameters()])
    rustorch.set_num_threads(2)
    assert seen[0] == seen[1] == seen[2]


def test_a_second_pass_through_a_kept_graph_gives_the_same():
    layer, x = rustorch.nn.LSTM(3, 4), rustorch.randn(8, 5, 3)
    loss = layer(x)[0].sum()
    loss.backward(retain_graph=True)
    first = layer.weight_hh_l0.grad.clone()
    loss.backward()
    np.testing.assert_allclose(layer.weight_hh_l0.grad.numpy(), 2 * first.numpy(), rtol=1e-6)


def test_parameters_written_before_backward_are_named():
    layer, x = rustorch.nn.GRU(3, 4), rustorch.randn(8, 5, 3)
    loss = layer(x)[0].sum()
    with rustorch.no_grad():
        layer.weight_hh_l0.mul_(2)
    with pytest.raises(RuntimeError, match="GRU needs weight_hh for its gradient, but"):
        loss.backward()


def test_an_output_written_before_backward_is_named():
    layer, x = rustorch.nn.LSTM(3, 4), rustorch.randn(8, 5, 3)
    out, _ = layer(x)
    out.mul_(2)
    with pytest.raises(RuntimeError, match="LSTM needs the output for its gradient, but"):
        out.sum().backward()


def test_a_replaced_weight_of_another_shape_is_refused():
    layer, x = rustorch.nn.LSTM(3, 4), rustorch.randn(8, 5, 3)
    layer.weight_hh_l0 = rustorch.nn.Parameter(rustorch.randn(16, 5))
    with pytest.raises(RuntimeError, match="linear: input"):
        layer(x)


def test_infinities_and_nan_stay_in_their_row():
    layer, x = rustorch.nn.LSTM(3, 20), rustorch.randn(8, 6, 3)
    want = layer(x)[0][:, [0, 1, 3, 5]].detach().numpy()
    x[2, 2, 1], x[3, 4, 0] = float("nan"), float("inf")
    out = layer(x)[0].detach()
    assert np.array_equal(out[:, [0, 1, 3, 5]].numpy(), want)
    assert np.isnan(out[2:, 2].numpy()).all() and not np.isnan(out[:2, 2].numpy()).any()

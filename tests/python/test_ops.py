# SPDX-License-Identifier: MIT
"""Every row of the op catalog against PyTorch under the same name: values,
dtypes, shapes and gradients, over broadcast, strided, empty and NaN inputs."""
import numpy as np
import pytest
from samples import INTERNAL, SAMPLES

import rustorch
from rustorch import _C

ROWS = {r["name"] + ("." + r["overload"] if r["overload"] else ""): r for r in _C._op_rows()}
RANDOM = {"rand", "randn", "randint", "randint.low", "randperm", "rand_like", "randn_like",
          "normal", "bernoulli", "multinomial", "uniform_", "normal_", "bernoulli_",
          "random_", "exponential_", "dropout"}
# Looked for in nn.functional first, or as a method: torch.<name> is another.
FUNCTIONAL = {"pad", "normalize", "dropout", "gelu", "batch_norm", "kl_div",
              "binary_cross_entropy_with_logits", "embedding"}
METHODS = {"unfold", "where.indices"}
# Arguments that record in neither library, or only in one, by position.
FIXED = {"cross_entropy": (2,), "nll_loss": (2,), "binary_cross_entropy": (2,),
         "batch_norm": (1, 2), "kl_div": (1,), "binary_cross_entropy_with_logits": (1, 2)}
WITHOUT_GRADIENT = {"floor_divide", "unique", "searchsorted", "bincount", "detach"}
UNSPECIFIED = {"empty", "empty_like", "new_empty"}
CASES = [(name, i) for name in ROWS if name in SAMPLES for i in range(len(SAMPLES[name]))]


def test_every_row_has_samples():
    missing = [name for name in ROWS if name not in SAMPLES and name not in INTERNAL]
    assert not missing, f"rows without a sample in samples.py: {missing}"


def test_every_sample_belongs_to_a_row():
    assert not [name for name in SAMPLES if name not in ROWS]


def find(library, name):
    """The function of that name: library, nn.functional, or Tensor method."""
    if hasattr(library, name) and name not in FUNCTIONAL | METHODS:
        return getattr(library, name)
    if hasattr(library.nn.functional, name) and name not in METHODS:
        return getattr(library.nn.functional, name)
    method = getattr(library.Tensor, name)
    return lambda *args, **kwargs: method(*args, **kwargs)


def converted(library, value, leaves, grad):
    """A sample's value for one library; float arrays become recording leaves."""
    if isinstance(value, np.ndarray):
        t = library.from_numpy(value)
        if grad and value.dtype.kind == "f":
            t = t.detach()
            t.requires_grad_()
            leaves.append(t)
        return t
    if isinstance(value, list) and value and isinstance(value[0], np.ndarray):
        return [converted(library, v, leaves, grad) for v in value]
    if isinstance(value, str) and value in ("float32", "float64", "int64", "int32"):
        return getattr(library, value)
    return value


def flat(result):
    if isinstance(result, (tuple, list)):
        return [x for r in result for x in flat(r)]
    return [result]


def fresh(value):
    """A copy with the same strides, so that in-place rows do not spoil samples."""
    if isinstance(value, np.ndarray):
        out = np.lib.stride_tricks.as_strided(
            np.zeros(1 if not value.size else 1 + sum(
                (n - 1) * abs(s) // value.itemsize for n, s in zip(value.shape, value.strides)),
                value.dtype), value.shape, value.strides) if value.ndim else np.zeros(
            (), value.dtype)
        out[...] = value
        return out
    return [fresh(v) for v in value] if isinstance(value, list) else value


def has_nan(sample):
    return any(isinstance(a, np.ndarray) and a.dtype.kind == "f" and np.isnan(a).any()
               for a in sample[0])


def run(library, name, sample, grad):
    row, leaves = ROWS[name], []
    fixed = FIXED.get(name, ())
    args = [converted(library, fresh(a), leaves, grad and i not in fixed)
            for i, a in enumerate(sample[0])]
    kwargs = {k: converted(library, fresh(v), leaves, grad and not fixed) for k, v in sample[1].items()}
    if row["name"].endswith("_") and args and isinstance(args[0], library.Tensor):
        if args[0].requires_grad:
            args[0] = args[0].clone()
        target = args[0]
        result = getattr(target, row["name"])(*args[1:], **kwargs)
        assert result is target
    elif name == "where.indices":
        result = library.where(*args)
    elif row["name"] == "embedding":
        result = library.nn.functional.embedding(args[1], args[0], *args[2:])
    elif row["name"] in ("meshgrid", "einsum"):
        lead = args[:-1]
        result = getattr(library, row["name"])(*lead, *args[-1], **kwargs)
    elif row["name"] == "equal" or row["name"] == "allclose":
        result = getattr(library, row["name"])(*args, **kwargs)
    elif row["name"] == "rsub" and not isinstance(args[1], library.Tensor):
        result = library.rsub(*args, **kwargs)
    else:
        result = find(library, row["name"])(*args, **kwargs)
    return flat(result), leaves


def gradients(library, results, leaves):
    """Of a weighted sum of the floating results."""
    total = None
    for r in results:
        if isinstance(r, library.Tensor) and r.is_floating_point() and r.requires_grad:
            weights = library.from_numpy(np.linspace(0.5, 1.5, r.numel())).to(r.dtype)
            term = (r.reshape(-1) * weights).sum()
            total = term.double() if total is None else total + term.double()
    if total is None:
        return None
    total.backward()
    return [leaf.grad for leaf in leaves]


def same(ours, theirs, torch, name):
    if not isinstance(theirs, torch.Tensor):
        assert ours == theirs
        return
    assert isinstance(ours, rustorch.Tensor)
    assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1], "dtype"
    assert tuple(ours.shape) == tuple(theirs.shape), "shape"
    if name in UNSPECIFIED:
        return
    a, b = ours.detach().numpy(), theirs.detach().numpy()
    if a.dtype.kind == "f":
        tight = 1e-10 if a.dtype == np.float64 else 2e-5
        np.testing.assert_allclose(a, b, rtol=tight, atol=tight / 5)
    else:
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name,i", CASES, ids=[f"{n}-{i}" for n, i in CASES])
def test_row_agrees_with_pytorch(torch, name, i):
    sample = SAMPLES[name][i]
    grad = name not in RANDOM | UNSPECIFIED | WITHOUT_GRADIENT and not has_nan(sample)
    rustorch.manual_seed(3)
    torch.manual_seed(3)
    theirs, their_leaves = run(torch, name, sample, grad)
    ours, our_leaves = run(rustorch, name, sample, grad)
    assert len(ours) == len(theirs), "number of results"
    for a, b in zip(ours, theirs):
        same(a, b, torch, name)
    if not grad or not their_leaves:
        return
    recorded = any(isinstance(r, torch.Tensor) and r.requires_grad for r in theirs)
    assert recorded == any(isinstance(r, rustorch.Tensor) and r.requires_grad for r in ours)
    if recorded:
        single = any(leaf.dtype == torch.float32 for leaf in their_leaves)
        wanted = gradients(torch, theirs, their_leaves)
        got = gradients(rustorch, ours, our_leaves)
        for a, b in zip(got, wanted):
            if b is None or a is None:
                assert (a is None or not np.any(a.numpy())) and (
                    b is None or not np.any(b.numpy()))
            else:
                tight = 5e-5 if single else 1e-9
                assert tuple(a.shape) == tuple(b.shape)
                np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=tight, atol=tight / 5)


PROMOTED = ["bool", "uint8", "int32", "int64", "float16", "bfloat16", "float32", "float64"]


@pytest.mark.parametrize("a", PROMOTED)
@pytest.mark.parametrize("b", PROMOTED)
def test_promotion_is_pytorchs(torch, a, b):
    def name(library):
        x, y = library.ones(2).to(getattr(library, a)), library.ones(2).to(getattr(library, b))
        zero_d = library.ones(()).to(getattr(library, b))
        return [str(t.dtype).split(".")[1] for t in
                (x + y if (a, b) != ("bool", "bool") else x * y, x * zero_d, x * 2, x * 2.5)]
    assert name(rustorch) == name(torch)


def test_every_function_and_method_has_a_docstring():
    assert not [n for n, f in _C.ops.items() if len((f.__doc__ or "").strip()) < 20]

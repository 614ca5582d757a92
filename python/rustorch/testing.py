# SPDX-License-Identifier: MIT
"""Assertions about tensors."""
from . import _C
from ._C import Tensor

_TOLERANCE = {"float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5),
              "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}


def assert_tensor_equal(actual, expected):
    """Fails unless shapes and all elements are the same."""
    actual = _C.as_tensor(actual)
    expected = expected if isinstance(expected, Tensor) else _C.tensor(expected)
    if tuple(actual.shape) != tuple(expected.shape):
        raise AssertionError(f"shapes differ: {actual.shape} and {expected.shape}")
    if not bool((actual == expected).all()):
        raise AssertionError(f"values differ:\n{actual}\n{expected}")


def assert_close(actual, expected, *, rtol=None, atol=None, equal_nan=False,
                 check_dtype=True, msg=None, **unused):
    """Fails unless shapes (and dtypes) are the same and all elements close."""
    actual, expected = _C.as_tensor(actual), _C.as_tensor(expected)
    if tuple(actual.shape) != tuple(expected.shape):
        raise AssertionError(msg or f"shapes differ: {actual.shape} and {expected.shape}")
    if check_dtype and actual.dtype is not expected.dtype:
        raise AssertionError(msg or f"dtypes differ: {actual.dtype} and {expected.dtype}")
    usual = _TOLERANCE.get(actual.dtype.name, (0.0, 0.0))
    rtol, atol = usual[0] if rtol is None else rtol, usual[1] if atol is None else atol
    a, b = actual.detach().double(), expected.detach().double()
    if not _C.ops["allclose"](a, b, rtol, atol, equal_nan):
        worst = (a - b).abs().max().item()
        raise AssertionError(msg or f"values differ by up to {worst} (rtol={rtol}, "
                                    f"atol={atol})")

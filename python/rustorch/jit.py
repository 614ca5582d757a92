# SPDX-License-Identifier: MIT
"""Compilation. `compile` returns what it got: operations run eagerly here, and
the cell language fuses chains of them by itself."""
from ._later import refuse as _refuse


def compile(model=None, **options):
    """The model (or function) itself; also as a decorator with options."""
    return (lambda f: f) if model is None else model


def ignore(function):
    """The function itself."""
    return function


script = _refuse("jit", "script", "Compiles a function of tensors.")
trace = _refuse("jit", "trace", "Records a function of tensors.")

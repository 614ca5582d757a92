# SPDX-License-Identifier: MIT
"""Switching recording off and on, as context managers and as decorators."""
from . import _C

_GENERATOR = 0x20      # of a code object's flags; `inspect` is slow to import


class _Mode:
    """Sets a mode for a block or for a function's body."""
    mode = True
    switch = staticmethod(_C._set_grad_enabled)

    def __new__(cls, function=None):
        self = super().__new__(cls)
        if callable(function):          # used as @no_grad without parentheses
            return self(function)
        return self

    def __enter__(self):
        self.__dict__.setdefault("before", []).append(self.switch(self.mode))
        return None

    def __exit__(self, *exception):
        self.switch(self.before.pop())

    def _again(self):
        return type(self)()

    def __call__(self, function):
        import functools
        code = getattr(function, "__code__", None)
        if code is not None and code.co_flags & _GENERATOR:
            return self._generator(function)

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            with self._again():
                return function(*args, **kwargs)
        return wrapped

    def _generator(self, function):
        import functools

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            iterator = function(*args, **kwargs)
            while True:
                with self._again():
                    try:
                        value = next(iterator)
                    except StopIteration as stop:
                        return stop.value
                yield value
        return wrapped


class no_grad(_Mode):
    """Records nothing inside."""
    mode = False


class enable_grad(_Mode):
    """Records inside, also within no_grad."""
    mode = True


class set_grad_enabled(_Mode):
    """Sets recording at once, and until the end of the block if it is one."""

    def __new__(cls, mode):
        return object.__new__(cls)

    def __init__(self, mode):
        self.mode = bool(mode)
        self.before = [_C._set_grad_enabled(self.mode)]

    def __enter__(self):
        _C._set_grad_enabled(self.mode)

    def __call__(self, function):
        _C._set_grad_enabled(self.before.pop())
        return super().__call__(function)

    def _again(self):
        return set_grad_enabled(self.mode)


class inference_mode(_Mode):
    """As no_grad, and its results never record."""
    switch = staticmethod(_C._set_inference_mode)

    def __new__(cls, mode=True):
        if callable(mode):
            return super().__new__(cls, mode)
        self = object.__new__(cls)
        self.mode = bool(mode)
        return self

    def _again(self):
        return inference_mode(self.mode)

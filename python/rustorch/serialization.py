# SPDX-License-Identifier: MIT
"""Files. Modules of catalog layers and flat dicts of tensors are written as
.rustorch files (the safetensors format, with the architecture beside the
weights); any other object is pickled, and read back through an unpickler that
knows tensors and plain data only, unless weights_only=False."""
import collections
import io
import os
import pickle

from . import _C
from ._C import Module, Tensor

_MAGIC = b"RUSTORCH-PICKLE\n"


def _is_flat(obj):
    return isinstance(obj, dict) and bool(obj) and all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in obj.items())


def save(obj, f, pickle_protocol=4, **unused):
    """Writes a module, a dict of tensors or any object to a path or file."""
    if hasattr(f, "write"):
        f.write(_MAGIC)
        pickle.dump(obj, f, pickle_protocol)
        return
    path = os.fspath(f)
    if isinstance(obj, Module) and _describable(obj):
        _C._save_module(obj, path)
    elif _is_flat(obj):
        tensors = {k: v.detach() for k, v in obj.items()}
        _C._save_tensors(path, dict(tensors), {"kind": "state_dict"})
    else:
        _save_pickle(obj, path, pickle_protocol)


def _describable(module):
    """Whether the file can hold the architecture: a tree of catalog layers."""
    return all(type(m).__module__ == "rustorch.nn" and m._layer for m in module.modules())


def _save_pickle(obj, path, protocol):
    out = io.BytesIO()
    out.write(_MAGIC)
    pickle.dump(obj, out, protocol)
    _C._replace_file(path, out.getbuffer())


class _Safe(pickle.Unpickler):
    """Knows tensors, modules' state and plain containers; nothing that runs."""
    allowed = {
        ("collections", "OrderedDict"), ("collections", "defaultdict"),
        ("builtins", "set"), ("builtins", "frozenset"), ("builtins", "complex"),
        ("builtins", "slice"), ("rustorch._tensor", "_rebuild"),
        ("rustorch", "Tensor"), ("rustorch.nn", "Parameter"), ("rustorch", "Size"),
        ("rustorch", "dtype"), ("rustorch", "device"), ("builtins", "dict"),
    }

    def find_class(self, module, name):
        if (module, name) in self.allowed:
            return super().find_class(module, name)
        raise _C.FormatError(
            f"load: the file asks for {module}.{name}, which could run code; if you trust "
            "where it comes from, load it with weights_only=False")


def load(f, map_location=None, pickle_module=None, *, weights_only=True, mmap=None, **unused):
    """Reads what save wrote: a module, a dict of tensors or an object."""
    if map_location is not None and not callable(map_location) and \
            not isinstance(map_location, dict):
        _C.check_device(_C.device(map_location))
    if hasattr(f, "read"):
        return _unpickle(f.read(), weights_only, "the file")
    path = os.fspath(f)
    try:
        with open(path, "rb") as file:
            head = file.read(len(_MAGIC))
            if head == _MAGIC:
                return _unpickle(head + file.read(), weights_only, path)
    except OSError as error:
        raise _C.FileError(f"load: cannot open {path!r}: {error.strerror}") from None
    if head[:2] == b"PK" or head[:1] == b"\x80":
        raise _C.UnsupportedError(
            f"load: {path!r} looks like a PyTorch checkpoint; load it with torch and convert "
            "its tensors with rustorch.from_torch")
    tensors, metadata = _C._load_tensors(path)
    if "architecture" in metadata:
        return _C._load_module(path)
    return collections.OrderedDict(tensors)


def _unpickle(data, weights_only, where):
    if not data.startswith(_MAGIC):
        raise _C.FormatError(f"load: {where} was not written by rustorch.save")
    stream = io.BytesIO(data[len(_MAGIC):])
    try:
        return (_Safe if weights_only else pickle.Unpickler)(stream).load()
    except (pickle.UnpicklingError, EOFError) as error:
        raise _C.FormatError(f"load: {where} is damaged: {error}") from None


def save_model(model, path):
    """Writes architecture and weights to a .rustorch file."""
    _C._save_module(model, os.fspath(path))


def load_model(path):
    """The model of a .rustorch file."""
    return _C._load_module(os.fspath(path))

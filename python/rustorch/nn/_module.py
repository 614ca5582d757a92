# SPDX-License-Identifier: MIT
"""Module's colder methods; plain functions, attached to the C type at import."""
import collections as _collections

from .. import _C
from .._C import Module, Tensor
from .._grad_mode import no_grad

_PARAMETER, _BUFFER, _CHILD = 0, 1, 2
_METHODS = {}


def _method(f):
    _METHODS[f.__name__] = f
    return f


# --- walking the tree -----------------------------------------------------------------

@_method
def named_modules(self, memo=None, prefix="", remove_duplicate=True):
    """All modules of the tree with their dotted names, itself first."""
    memo = set() if memo is None else memo
    if self in memo:
        return
    if remove_duplicate:
        memo.add(self)
    yield prefix, self
    for name, child in self._modules.items():
        if child is not None:
            yield from child.named_modules(memo, prefix + ("." if prefix else "") + name,
                                           remove_duplicate)


def _walk(self, table, prefix, recurse, remove_duplicate):
    seen = set()
    modules = self.named_modules(prefix=prefix) if recurse else [(prefix, self)]
    for path, module in modules:
        for name, value in getattr(module, table).items():
            if value is None or (remove_duplicate and id(value) in seen):
                continue
            seen.add(id(value))
            yield path + ("." if path else "") + name, value


@_method
def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
    """Dotted names and parameters; shared ones come once."""
    return _walk(self, "_parameters", prefix, recurse, remove_duplicate)


@_method
def parameters(self, recurse=True):
    """The parameters, for an optimizer."""
    for _, value in _walk(self, "_parameters", "", recurse, True):
        yield value


@_method
def named_buffers(self, prefix="", recurse=True, remove_duplicate=True):
    """Dotted names and buffers."""
    return _walk(self, "_buffers", prefix, recurse, remove_duplicate)


@_method
def buffers(self, recurse=True):
    """The buffers."""
    for _, value in _walk(self, "_buffers", "", recurse, True):
        yield value


@_method
def modules(self):
    """All modules of the tree, itself first."""
    for _, module in self.named_modules():
        yield module


@_method
def named_children(self):
    """Own children with their names."""
    seen = set()
    for name, child in self._modules.items():
        if child is not None and id(child) not in seen:
            seen.add(id(child))
            yield name, child


@_method
def children(self):
    """Own children."""
    for _, child in self.named_children():
        yield child


@_method
def get_submodule(self, target):
    """The module of a dotted name."""
    module = self
    for part in target.split(".") if target else ():
        try:
            module = module._modules[part]
        except KeyError:
            raise AttributeError(f"{type(module).__name__} has no child {part!r} "
                                 f"(of {target!r})") from None
    return module


@_method
def get_parameter(self, target):
    """The parameter of a dotted name."""
    path, _, name = target.rpartition(".")
    try:
        return self.get_submodule(path)._parameters[name]
    except KeyError:
        raise AttributeError(f"no parameter {target!r}") from None


@_method
def get_buffer(self, target):
    """The buffer of a dotted name."""
    path, _, name = target.rpartition(".")
    try:
        return self.get_submodule(path)._buffers[name]
    except KeyError:
        raise AttributeError(f"no buffer {target!r}") from None


# --- registering -----------------------------------------------------------------------

@_method
def register_parameter(self, name, param):
    """Adds a parameter (or None) under a name."""
    self._set(_PARAMETER, name, param, True)


@_method
def register_buffer(self, name, tensor, persistent=True):
    """Adds a tensor that is no parameter; it moves and is saved with the module."""
    self._set(_BUFFER, name, tensor, persistent)


@_method
def add_module(self, name, module):
    """Adds a child (or None) under a name."""
    self._set(_CHILD, name, module, True)


_METHODS["register_module"] = add_module


class ModuleHook:
    """What register_forward_hook returns; remove() takes the hook away."""

    def __init__(self, module, function):
        self._module, self._function = module, function

    def remove(self):
        if self._module is not None:
            self._module._remove_hook(self._function)
        self._module = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.remove()


@_method
def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False,
                          always_call=False):
    """Calls hook(module, args, output) after forward; a result replaces the output."""
    def run(module, args, output):
        return hook(module, args, {}, output) if with_kwargs else hook(module, args, output)
    self._add_hook(run, False, prepend)
    return ModuleHook(self, run)


@_method
def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False):
    """Calls hook(module, args) before forward; a result replaces the arguments."""
    def run(module, args):
        if not with_kwargs:
            return hook(module, args)
        result = hook(module, args, {})
        return None if result is None else result[0]
    self._add_hook(run, True, prepend)
    return ModuleHook(self, run)


@_method
def register_full_backward_hook(self, hook, prepend=False):
    """Refused: hook the tensors, or the output in a forward hook."""
    raise _C.UnsupportedError(
        "register_full_backward_hook: use tensor.register_hook inside a forward hook")


# --- modes and conversion -------------------------------------------------------------------

@_method
def train(self, mode=True):
    """Training mode for the tree (or evaluation, with False); returns itself."""
    if not isinstance(mode, bool):
        raise _C.ArgumentError(f"train: expected True or False, got {mode!r}")
    self.training = mode
    for child in self.children():
        child.train(mode)
    return self


@_method
def eval(self):
    """Evaluation mode for the tree; returns itself."""
    return self.train(False)


@_method
def requires_grad_(self, requires_grad=True):
    """Sets it for all parameters; returns itself."""
    for p in self.parameters():
        p.requires_grad_(requires_grad)
    return self


@_method
def apply(self, fn):
    """Calls fn(module) for the whole tree, children first; returns itself."""
    for child in self.children():
        child.apply(fn)
    fn(self)
    return self


@_method
def _apply(self, fn):
    """Replaces the data of every parameter, gradient and buffer by fn of it."""
    with no_grad():
        for p in self.parameters():
            p.data = fn(p.data)
            if p.grad is not None:
                p.grad = fn(p.grad)
        for module in self.modules():
            for name, b in list(module._buffers.items()):
                if b is not None:
                    module._set(_BUFFER, name, fn(b), module._is_persistent(name))
    return self


@_method
def to(self, *args, **kwargs):
    """Converts floating-point parameters and buffers; moves all; returns itself."""
    for arg in (*args, *kwargs.values()):
        if isinstance(arg, (str, _C.device)):
            _C.check_device(_C.device(arg))
        if isinstance(arg, _C.dtype) and not arg.is_floating_point:
            raise _C.DtypeError(f"to: parameters are floating-point numbers, not {arg}")
    probe = _C.tensor(0.0).to(*args, **kwargs)
    given = any(isinstance(a, (_C.dtype, Tensor)) for a in (*args, *kwargs.values()))
    target = probe.dtype if given else None
    return self._apply(lambda t: t.to(target) if target and t.is_floating_point() else t)


def _cast(name, target):
    def cast(self):
        return self.to(target)
    cast.__name__ = name
    cast.__doc__ = f"Converts floating-point parameters to {target.name}."
    _METHODS[name] = cast


for _name, _target in {"float": _C.float32, "double": _C.float64, "half": _C.float16,
                       "bfloat16": _C.bfloat16}.items():
    _cast(_name, _target)


@_method
def cpu(self):
    """Moves to main memory, where all is already; returns itself."""
    return self


@_method
def cuda(self, device=None):
    """Moves to a CUDA device; DeviceError where there is none."""
    _C.check_device(_C.device("cuda" if device is None else device))
    return self


@_method
def type(self, dst_type):
    """Converts floating-point parameters."""
    return self.to(_C.dtype(dst_type))


@_method
def share_memory(self):
    """The module itself: threads share memory anyhow."""
    return self


# --- state ----------------------------------------------------------------------------------------

IncompatibleKeys = _collections.namedtuple("IncompatibleKeys",
                                           ["missing_keys", "unexpected_keys"])


def _shown(self):
    if not self.missing_keys and not self.unexpected_keys:
        return "<All keys matched successfully>"
    return (f"IncompatibleKeys(missing_keys={self.missing_keys!r}, "
            f"unexpected_keys={self.unexpected_keys!r})")


IncompatibleKeys.__repr__ = _shown


@_method
def state_dict(self, *, destination=None, prefix="", keep_vars=False):
    """Parameters and persistent buffers by dotted name, over the same memory."""
    out = _collections.OrderedDict() if destination is None else destination
    for name, p in self._parameters.items():
        if p is not None:
            out[prefix + name] = p if keep_vars else p.detach()
    for name, b in self._buffers.items():
        if b is not None and self._is_persistent(name):
            out[prefix + name] = b if keep_vars else b.detach()
    for name, child in self._modules.items():
        if child is not None:
            child.state_dict(destination=out, prefix=prefix + name + ".",
                             keep_vars=keep_vars)
    return out


def _own_state(self):
    """Like state_dict(keep_vars=True), shared tensors under every name."""
    return self.state_dict(keep_vars=True)


@_method
def load_state_dict(self, state_dict, strict=True, assign=False):
    """Copies tensors in by name; returns missing and unexpected names, which
    are an error when strict. Nothing is copied when something does not fit."""
    own = _own_state(self)
    missing = [k for k in own if k not in state_dict]
    unexpected = [k for k in state_dict if k not in own]
    problems = []
    if strict and unexpected:
        problems.append("unexpected: " + ", ".join(map(repr, unexpected)))
    if strict and missing:
        problems.append("missing: " + ", ".join(map(repr, missing)))
    for k, t in own.items():
        if k in state_dict and tuple(state_dict[k].shape) != tuple(t.shape):
            problems.append(f"{k}: the file has shape {list(state_dict[k].shape)}, "
                            f"the module {list(t.shape)}")
    if problems:
        raise _C.ArgumentError(f"load_state_dict: {self.__class__.__name__} does not "
                               "match: " + "; ".join(problems))
    with no_grad():
        for k, t in own.items():
            if k in state_dict:
                if assign:
                    t.data = _C.as_tensor(state_dict[k])
                else:
                    t.copy_(_C.as_tensor(state_dict[k]))
    return IncompatibleKeys(missing, unexpected)


@_method
def save(self, path):
    """Writes architecture and weights to a .rustorch file."""
    import os
    _C._save_module(self, os.fspath(path))


@_method
def summary(self, input_size=None):
    """The layers as a table: shapes, parameters."""
    return self._summary(None if input_size is None else tuple(input_size))


# --- copies and pickles ----------------------------------------------------------------------------

def _blank(cls, options):
    """A module of the class with no state; draws no random numbers that count."""
    self = cls.__new__(cls)
    if self._layer is not None:
        state = _C.default_generator.get_state()
        base = next(c for c in cls.__mro__ if c.__dict__.get("__rt_layer__"))
        if self._layer == "Sequential" or self._layer == "ModuleList":
            options = {}
        base.__init__(self, *([[]] if self._layer == "Sequential" else []), **options)
        _C.default_generator.set_state(state)
    return self


@_method
def __reduce_ex__(self, protocol):
    state = {"attributes": dict(self.__dict__), "training": self.training,
             "parameters": dict(self._parameters), "children": dict(self._modules),
             "buffers": [(n, b, self._is_persistent(n))
                         for n, b in self._buffers.items()]}
    return _blank, (self.__class__, self._options()), state


@_method
def __setstate__(self, state):
    for name, p in state["parameters"].items():
        self._set(_PARAMETER, name, p, True)
    for name, b, persistent in state["buffers"]:
        self._set(_BUFFER, name, b, persistent)
    for name, child in state["children"].items():
        self._set(_CHILD, name, child, True)
    self.training = state["training"]
    self.__dict__.update(state["attributes"])


@_method
def __dir__(self):
    names = set(object.__dir__(self))
    return sorted(names | set(self._parameters) | set(self._buffers) | set(self._modules))


for _name, _function in _METHODS.items():
    setattr(Module, _name, _function)


# --- Sequential and ModuleList as Python sequences ---------------------------------------------------

def _position(self, index):
    n = len(self)
    index = index.__index__()
    if not -n <= index < n:
        raise _C.TensorIndexError(f"index {index} is out of range: there are {n} modules")
    return index % n


def _getitem(self, index):
    items = list(self._modules.items())
    if isinstance(index, str):
        return self._modules[index]
    if isinstance(index, slice):
        if isinstance(self, _C.layers.Sequential):
            return _C.layers.Sequential(_collections.OrderedDict(items[index]))
        return self.__class__([m for _, m in items[index]])
    return items[_position(self, index)][1]


def _setitem(self, index, module):
    name = list(self._modules)[_position(self, index)]
    self._set(_CHILD, name, module, True)


def _reset(self, modules):
    for name in list(self._modules):
        delattr(self, name)
    for i, m in enumerate(modules):
        self._set(_CHILD, str(i), m, True)


def _delitem(self, index):
    items = list(self._modules.values())
    del items[index]
    _reset(self, items)


def _append(self, module):
    """Adds a module at the end; returns itself."""
    self._set(_CHILD, str(len(self)), module, True)
    return self


def _extend(self, modules):
    """Adds modules at the end; returns itself."""
    for m in list(modules):
        self.append(m)
    return self


def _insert(self, index, module):
    """Puts a module before the index."""
    items = list(self._modules.values())
    items.insert(index, module)
    _reset(self, items)
    return self


def _pop(self, index=-1):
    """Takes a module out and returns it."""
    module = self[index]
    del self[index]
    return module


def _add(self, other):
    return self.__class__([*self, *other])


for _cls in (_C.layers.Sequential, _C.layers.ModuleList):
    for _name, _function in {
            "__len__": lambda self: len(self._modules), "__getitem__": _getitem,
            "__setitem__": _setitem, "__delitem__": _delitem,
            "__iter__": lambda self: iter(list(self._modules.values())),
            "__contains__": lambda self, m: any(m is c for c in self._modules.values()),
            "append": _append, "extend": _extend, "insert": _insert, "pop": _pop,
            "__add__": _add, "__iadd__": _extend}.items():
        setattr(_cls, _name, _function)
_C.layers.Embedding.from_pretrained = classmethod(
    lambda cls, embeddings, freeze=True, padding_idx=None: _pretrained(
        cls, embeddings, freeze, padding_idx))


def _pretrained(cls, embeddings, freeze, padding_idx):
    rows, columns = embeddings.shape
    layer = cls(rows, columns, padding_idx)
    with no_grad():
        layer.weight.copy_(embeddings)
    layer.weight.requires_grad = not freeze
    return layer

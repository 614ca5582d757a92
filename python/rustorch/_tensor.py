# SPDX-License-Identifier: MIT
"""Tensor's colder methods: conversions, copies, pickling, hooks.

They are plain functions here and attached to the C type at import.
"""
import weakref as _weakref

from . import _C
from ._C import Tensor, device as _device, dtype as _dtype, ops as _ops

_to = _ops["to"]
_METHODS = {}


def _method(f):
    _METHODS[f.__name__] = f
    return f


def _conversion(name, target, doc=None):
    def convert(self, memory_format=None):
        return _to(self, target)
    convert.__name__ = name
    convert.__doc__ = doc or f"Converts to {target.name}."
    _METHODS[name] = convert


for _name, _target in {
        "float": _C.float32, "double": _C.float64, "half": _C.float16,
        "bfloat16": _C.bfloat16, "int": _C.int32, "long": _C.int64,
        "bool": _C.bool, "byte": _C.uint8}.items():
    _conversion(_name, _target)


@_method
def to(self, *args, dtype=None, device=None, non_blocking=False, copy=False,
       memory_format=None):
    """to(dtype), to(device), to(device, dtype), to(other): converts; gives
    self where nothing changes, unless copy=True."""
    for arg in args:
        if isinstance(arg, Tensor):
            dtype, device = arg.dtype, arg.device
        elif isinstance(arg, _dtype):
            dtype = arg
        elif isinstance(arg, (str, _device, int)) and not isinstance(arg, bool):
            device = arg
        elif isinstance(arg, bool):
            pass                        # non_blocking, copy
        elif arg is not None:
            dtype = _dtype(arg)
    return _to(self, dtype, device, copy)


@_method
def cpu(self, memory_format=None):
    """The tensor in main memory."""
    return _to(self, None, "cpu")


@_method
def cuda(self, device=None, non_blocking=False, memory_format=None):
    """The tensor on a CUDA device; DeviceError where there is none."""
    return _to(self, None, _device("cuda" if device is None else device))


@_method
def type(self, dtype=None, non_blocking=False):
    """The dtype's legacy name, or a converted tensor."""
    if dtype is None:
        return "rustorch." + {
            "float32": "FloatTensor", "float64": "DoubleTensor",
            "float16": "HalfTensor", "bfloat16": "BFloat16Tensor",
            "int32": "IntTensor", "int64": "LongTensor", "uint8": "ByteTensor",
            "bool": "BoolTensor"}[self.dtype.name]
    if isinstance(dtype, str):
        dtype = {"FloatTensor": "float32", "DoubleTensor": "float64",
                 "HalfTensor": "float16", "IntTensor": "int32",
                 "LongTensor": "int64", "ByteTensor": "uint8",
                 "BoolTensor": "bool"}.get(dtype.rsplit(".", 1)[-1], dtype)
    return _to(self, dtype)


@_method
def to_torch(self):
    """A PyTorch tensor over the same memory."""
    import torch
    return torch.from_dlpack(self.detach())


@_method
def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False):
    """A tensor of data with this one's dtype."""
    return _C.tensor(data, dtype=dtype or self.dtype, requires_grad=requires_grad)


@_method
def new(self, *args):
    """Legacy: a tensor with this one's dtype from sizes or data."""
    return _to(Tensor(*args), self.dtype)


@_method
def detach_(self):
    """Cuts the tensor off its history, in place."""
    if self.grad_fn is not None:
        raise _C.UnsupportedError(
            "detach_: a computed tensor cannot be cut off in place; write "
            "t = t.detach()")
    elif self.requires_grad:
        self.requires_grad = False
    return self


@_method
def ravel(self):
    """One dimension; a view where possible."""
    return self.reshape(-1)


@_method
def resize_(self, *sizes):
    """Changes the shape in place; new elements are not initialised."""
    sizes = sizes[0] if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
    n = 1
    for s in sizes:
        n *= s
    if n <= self.numel() and self.is_contiguous():
        self.data = self.detach().reshape(-1)[:n].reshape(*sizes)
    else:
        bigger = _ops["empty"](n, dtype=self.dtype)
        bigger[:self.numel()] = self.detach().reshape(-1)
        self.data = bigger.reshape(*sizes)
    return self


@_method
def index_add(self, dim, index, source):
    """A copy with slices of source added at a 1-d index."""
    return self.clone().index_add_(dim, index, source)


@_method
def addcmul_(self, tensor1, tensor2, *, value=1):
    """Adds value * tensor1 * tensor2 in place."""
    return self.add_(tensor1 * tensor2, alpha=value)


@_method
def addcdiv_(self, tensor1, tensor2, *, value=1):
    """Adds value * tensor1 / tensor2 in place."""
    return self.add_(tensor1 / tensor2, alpha=value)


@_method
def lerp_(self, end, weight):
    """Moves towards end in place."""
    return self.add_((end - self) * weight)


@_method
def register_hook(self, hook):
    """Calls hook(grad) when the gradient of this tensor is known; what it
    returns (if not None) replaces the gradient."""
    if not self.is_leaf:
        return RemovableHandle(self, _C._add_hook(self, hook, False))
    # A leaf keeps its hooks itself, where Python's collector sees cycles.
    key, reference = object(), _weakref.ref(self)
    self.__dict__.setdefault("_hooks", {})[key] = hook

    def call(grad):
        leaf = reference()
        return None if leaf is None else leaf._hooks[key](grad)
    return RemovableHandle(self, _C._add_hook(self, call, False), key)


@_method
def register_post_accumulate_grad_hook(self, hook):
    """Calls hook(tensor) after .grad was added to."""
    key, reference = object(), _weakref.ref(self)
    self.__dict__.setdefault("_hooks", {})[key] = hook

    def call():
        leaf = reference()
        return None if leaf is None else leaf._hooks[key](leaf)
    return RemovableHandle(self, _C._add_hook(self, call, True), key)


class RemovableHandle:
    """What the register functions return; remove() takes the hook away."""

    def __init__(self, tensor, handle, key=None):
        self._tensor, self._handle, self._key = _weakref.ref(tensor), handle, key

    def remove(self):
        tensor = self._tensor()
        if tensor is not None and self._handle is not None:
            _C._remove_hook(tensor, self._handle)
            tensor.__dict__.get("_hooks", {}).pop(self._key, None)
        self._handle = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.remove()


# --- copies and pickles ---------------------------------------------------------

def _rebuild(cls, data, dtype, shape, requires_grad):
    return _as_class(cls, _C._from_bytes(data, dtype, shape), requires_grad)


def _as_class(cls, t, requires_grad):
    if cls is Tensor:
        return t.requires_grad_(requires_grad) if requires_grad else t
    return cls._make_subclass(t, requires_grad)


@_method
def __reduce_ex__(self, protocol):
    state = {k: v for k, v in self.__dict__.items() if k != "_hooks"} or None
    return (_rebuild, (self.__class__, _C._to_bytes(self.detach().contiguous()), self.dtype.name,
                       tuple(self.shape), self.requires_grad and self.is_leaf),
            state)


@_method
def __setstate__(self, state):
    self.__dict__.update(state)


@_method
def __deepcopy__(self, memo):
    if id(self) in memo:
        return memo[id(self)]
    if not self.is_leaf:
        raise _C.AutogradError(
            "deepcopy: only leaves can be copied with their gradients; this "
            "tensor was computed (use .detach().clone())")
    out = _as_class(self.__class__, self.detach().clone(), self.requires_grad)
    memo[id(self)] = out
    if self.grad is not None:
        out.grad = self.grad.detach().clone()
    kept = {k: v for k, v in self.__dict__.items() if k != "_hooks"}
    if kept:
        import copy
        out.__dict__.update(copy.deepcopy(kept, memo))
    return out


@_method
def __copy__(self):
    return _as_class(self.__class__, self.detach(), self.requires_grad)


@_method
def __reversed__(self):
    return self.flip(list(range(self.ndim))) if self.ndim else self


@_method
def __rfloordiv__(self, other):
    return _ops["floor_divide"](other, self)


@_method
def storage(self):
    """The tensor's memory as an object with the buffer protocol."""
    return _C._memory(self.detach())


@_method
def is_shared(self):
    """Whether other processes see the memory: never."""
    return False


@_method
def pin_memory(self):
    """The tensor itself: the CPU backend needs no pinned memory."""
    return self


@_method
def apply_(self, callable):
    """Replaces each element by callable(element): slow, for small tensors."""
    flat = self.detach().reshape(-1)
    out = _C.tensor([callable(v) for v in flat.tolist()], dtype=self.dtype)
    return self.copy_(out.reshape(self.shape))


@_method
def __array_namespace__(self, api_version=None):
    import rustorch
    return rustorch


@_method
def is_complex(self):
    """Whether the elements are complex numbers: never here."""
    return False


@_method
def split_with_sizes(self, split_sizes, dim=0):
    """Pieces of the given sizes (views)."""
    return self.split(list(split_sizes), dim)


@_method
def unique(self, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The distinct elements, sorted; with their positions and counts if asked."""
    from . import _functions
    return _functions.unique(self, sorted, return_inverse, return_counts, dim)


@_method
def get_device(self):
    """-1 on the CPU, else the ordinal."""
    return -1 if self.device.type == "cpu" else self.device.index or 0


for _name, _function in _METHODS.items():
    setattr(Tensor, _name, _function)
Tensor.H = Tensor.mH = Tensor.mT
Tensor.real = property(lambda self: self)
Tensor.names = property(lambda self: (None,) * self.ndim)
Tensor.layout = property(lambda self: None)

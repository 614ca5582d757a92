# SPDX-License-Identifier: MIT
"""Functions of the package that are not rows of the op catalog, or take their
arguments in a way a schema cannot say."""
import math

from . import _C
from ._C import Tensor, device as _device, dtype as _dtype, ops as _ops

__all__ = """
    create_tensor tensor_add tensor_matmul tensor_operations from_torch
    asarray frombuffer is_tensor is_floating_point is_complex numel typename
    meshgrid einsum broadcast_tensors broadcast_shapes vstack hstack dstack
    column_stack atleast_1d atleast_2d atleast_3d tensordot block_diag
    cartesian_prod combinations result_type can_cast iinfo finfo seed
    initial_seed cdist get_rng_state set_rng_state set_default_tensor_type
    FloatTensor DoubleTensor HalfTensor BFloat16Tensor IntTensor LongTensor
    ByteTensor BoolTensor range dist ravel var_mean std_mean
    is_inference set_float32_matmul_precision set_default_device
    get_default_device set_debug_mode histc bucketize isin diff
    unique unique_consecutive index_add addmv kron scalar_tensor is_nonzero aminmax
    """.split()


_span = range      # the built-in; `range` below is PyTorch's


# --- making tensors -----------------------------------------------------------------

def create_tensor(data, shape=None, *, dtype=None, device=None, requires_grad=False):
    """A tensor of the default floating dtype from flat or nested data."""
    t = _C.tensor(data, dtype=dtype or _C.get_default_dtype(), device=device)
    if shape is not None:
        sizes = list(shape)
        count = 1
        for s in sizes:
            count *= s
        if count != t.numel():
            raise _C.ShapeMismatchError(
                f"create_tensor: {t.numel()} values do not fill the shape {sizes}, "
                f"which has {count} places")
        t = t.reshape(sizes)
    return t.requires_grad_() if requires_grad else t


def tensor_add(a, b):
    """The element-wise sum."""
    return _ops["add"](a, b)


def tensor_matmul(a, b):
    """The matrix product."""
    return _ops["matmul"](a, b)


def tensor_operations(name, *tensors, **kwargs):
    """Runs an operation of the catalog by its name."""
    try:
        op = _ops[name]
    except KeyError:
        import difflib
        near = difflib.get_close_matches(str(name), _ops, 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise _C.TensorError(f"tensor_operations: no operation '{name}'{hint}") from None
    return op(*tensors, **kwargs)


def from_torch(tensor):
    """A tensor over the memory of a PyTorch tensor; gradients are left behind."""
    return _C.from_dlpack(tensor.detach().cpu())


def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False):
    """A tensor of obj; copy=True, False or None (only if needed)."""
    if copy:
        return _C.tensor(obj, dtype=dtype, device=device, requires_grad=requires_grad)
    t = _C.as_tensor(obj, dtype=dtype, device=device)
    return t.requires_grad_() if requires_grad else t


def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False):
    """A tensor over the bytes of a buffer."""
    size = dtype.itemsize
    view = memoryview(buffer).cast("B")
    view = view[offset:] if count < 0 else view[offset:offset + count * size]
    t = _C.as_tensor(view).view(dtype)
    return t.requires_grad_() if requires_grad else t


def scalar_tensor(value, *, dtype=None, device=None):
    """A 0-d tensor."""
    return _C.tensor(value, dtype=dtype or _C.get_default_dtype())


def range(start=0, end=None, step=1, *, dtype=None, requires_grad=False):
    """Legacy: as arange, but with the end included."""
    if end is None:
        start, end = 0, start
    count = math.floor((end - start) / step) + 1
    t = _ops["arange"](0, count, 1, dtype=_C.float64) * step + start
    t = t.to(dtype or _C.get_default_dtype())
    return t.requires_grad_() if requires_grad else t


def _legacy(name, target):
    def make(*args):
        if args and isinstance(args[0], int) and not isinstance(args[0], bool):
            return _ops["empty"](args, dtype=target)
        return _C.tensor(args[0] if args else [], dtype=target)
    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"Legacy: a {target.name} tensor from data or sizes."
    return make


FloatTensor = _legacy("FloatTensor", _C.float32)
DoubleTensor = _legacy("DoubleTensor", _C.float64)
HalfTensor = _legacy("HalfTensor", _C.float16)
BFloat16Tensor = _legacy("BFloat16Tensor", _C.bfloat16)
IntTensor = _legacy("IntTensor", _C.int32)
LongTensor = _legacy("LongTensor", _C.int64)
ByteTensor = _legacy("ByteTensor", _C.uint8)
BoolTensor = _legacy("BoolTensor", _C.bool)


# --- asking ----------------------------------------------------------------------------

def is_tensor(obj):
    """Whether obj is a tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(input):
    """Whether the elements are floating-point numbers."""
    return input.is_floating_point()


def is_complex(input):
    """Whether the elements are complex: never here."""
    return False


def is_nonzero(input):
    """Whether the one element is not zero."""
    return bool(input)


def is_inference(input):
    """Whether the tensor was made in inference mode."""
    return _C.is_inference_mode_enabled()


def numel(input):
    """How many elements."""
    return input.numel()


def typename(obj):
    """The type's full name."""
    return obj.type() if isinstance(obj, Tensor) else \
        f"{type(obj).__module__}.{type(obj).__qualname__}"


def result_type(tensor1, tensor2):
    """The dtype of tensor1 + tensor2."""
    return _ops["add"](_like_empty(tensor1), _like_empty(tensor2)).dtype


def _like_empty(x):
    """Same dtype and rank, one element: cheap to compute with."""
    if isinstance(x, Tensor):
        return _ops["zeros"]((1,) * x.ndim, dtype=x.dtype)
    return x


def can_cast(from_, to):
    """Whether promotion would keep `to`'s category."""
    def rank(d):
        return 2 if d.is_floating_point else 0 if d.name == "bool" else 1
    return rank(from_) <= rank(to)


class iinfo:
    """Limits of an integer dtype."""

    def __init__(self, type):
        if type.is_floating_point or type.name == "bool":
            raise _C.ArgumentTypeError(f"iinfo: {type.name} is no integer type")
        self.dtype, self.bits = type.name, type.itemsize * 8
        self.min = -(1 << (self.bits - 1)) if type.is_signed else 0
        self.max = (1 << (self.bits - type.is_signed)) - 1


class finfo:
    """Limits of a floating dtype."""
    _digits = {"float16": (11, 15), "bfloat16": (8, 127), "float32": (24, 127),
               "float64": (53, 1023)}

    def __init__(self, type=None):
        type = type or _C.get_default_dtype()
        if not type.is_floating_point:
            raise _C.ArgumentTypeError(f"finfo: {type.name} is no floating type")
        digits, top = self._digits[type.name]
        self.dtype, self.bits = type.name, type.itemsize * 8
        self.eps = 2.0 ** (1 - digits)
        self.max = (2 - 2.0 ** (1 - digits)) * 2.0 ** top
        self.min, self.tiny = -self.max, 2.0 ** (1 - top)
        self.smallest_normal, self.resolution = self.tiny, 10.0 ** -int(
            (digits - 1) * math.log10(2))

    def __repr__(self):
        return (f"finfo(resolution={self.resolution}, min={self.min}, max={self.max}, "
                f"eps={self.eps}, tiny={self.tiny}, dtype={self.dtype})")


# --- random state -------------------------------------------------------------------------

def seed():
    """Seeds the default generator from the system; returns the seed."""
    return _C.default_generator.seed()


def initial_seed():
    """The default generator's seed."""
    return _C.default_generator.initial_seed()


def get_rng_state():
    """The default generator's state as a uint8 tensor."""
    return _C.default_generator.get_state()


def set_rng_state(new_state):
    """Puts a state of get_rng_state back."""
    _C.default_generator.set_state(new_state)


# --- settings -------------------------------------------------------------------------------

def set_default_tensor_type(t):
    """Legacy: sets the default dtype by a tensor type."""
    name = t if isinstance(t, str) else t.__name__
    _C.set_default_dtype({"FloatTensor": _C.float32, "DoubleTensor": _C.float64}[
        name.rsplit(".", 1)[-1]])


def set_float32_matmul_precision(precision):
    """Accepted; products of float32 are always computed in float32."""
    if precision not in ("highest", "high", "medium"):
        raise _C.ArgumentError("set_float32_matmul_precision: expected 'highest', "
                               f"'high' or 'medium', got {precision!r}")


def set_default_device(device):
    """Where new tensors go: the CPU; DeviceError for an absent device."""
    _C.check_device(_device(device))


def get_default_device():
    """Where new tensors go."""
    return _device("cpu")


def set_debug_mode(mode):
    """Extra checking: logs at debug level; values stay the same."""
    _C.set_log_level(3 if mode else 1)


# --- shapes -----------------------------------------------------------------------------------

def _listed(tensors):
    return list(tensors[0]) if len(tensors) == 1 and isinstance(
        tensors[0], (list, tuple)) else list(tensors)


def meshgrid(*tensors, indexing="ij"):
    """Coordinate grids of 1-d tensors."""
    return _ops["meshgrid"](_listed(tensors), indexing=indexing)


def einsum(equation, *operands):
    """Sums of products in Einstein's notation."""
    return _ops["einsum"](equation, _listed(operands))


def broadcast_shapes(*shapes):
    """The shape that all broadcast to."""
    views = [_ops["zeros"](()).expand(tuple(s) if not isinstance(s, int) else (s,))
             for s in shapes]
    out = views[0]
    for v in views[1:]:
        out = (out + v)
    return out.shape


def broadcast_tensors(*tensors):
    """All tensors expanded to one shape."""
    tensors = _listed(tensors)
    shape = broadcast_shapes(*(t.shape for t in tensors))
    return tuple(t.expand(shape) for t in tensors)


def atleast_1d(*tensors):
    """At least one dimension."""
    out = tuple(t.reshape(1) if t.ndim == 0 else t for t in _listed(tensors))
    return out[0] if len(tensors) == 1 and isinstance(tensors[0], Tensor) else out


def atleast_2d(*tensors):
    """At least two dimensions."""
    out = tuple(t.reshape(1, 1) if t.ndim == 0 else t.unsqueeze(0) if t.ndim == 1
                else t for t in _listed(tensors))
    return out[0] if len(tensors) == 1 and isinstance(tensors[0], Tensor) else out


def atleast_3d(*tensors):
    """At least three dimensions."""
    out = tuple(t.reshape(1, 1, 1) if t.ndim == 0 else t.reshape(1, -1, 1)
                if t.ndim == 1 else t.unsqueeze(-1) if t.ndim == 2 else t
                for t in _listed(tensors))
    return out[0] if len(tensors) == 1 and isinstance(tensors[0], Tensor) else out


def vstack(tensors):
    """Joins along rows."""
    return _ops["cat"](list(atleast_2d(list(tensors))), 0)


def hstack(tensors):
    """Joins along columns (the only dimension of vectors)."""
    tensors = list(atleast_1d(list(tensors)))
    return _ops["cat"](tensors, 0 if tensors[0].ndim == 1 else 1)


def dstack(tensors):
    """Joins along the third dimension."""
    return _ops["cat"](list(atleast_3d(list(tensors))), 2)


def column_stack(tensors):
    """Vectors become columns."""
    return hstack([t.reshape(-1, 1) if t.ndim <= 1 else t for t in tensors])


def block_diag(*tensors):
    """A matrix with the given ones along its diagonal."""
    blocks = [atleast_2d(t) for t in tensors]
    out = _ops["zeros"]((sum(b.shape[0] for b in blocks),
                         sum(b.shape[1] for b in blocks)), dtype=blocks[0].dtype)
    row = column = 0
    for b in blocks:
        out[row:row + b.shape[0], column:column + b.shape[1]] = b
        row, column = row + b.shape[0], column + b.shape[1]
    return out


def cartesian_prod(*tensors):
    """All combinations of the vectors' elements, one a row."""
    if len(tensors) == 1:
        return tensors[0]
    grids = meshgrid(*tensors)
    return _ops["stack"]([g.reshape(-1) for g in grids], 1)


def combinations(input, r=2, with_replacement=False):
    """All r-combinations of a vector's elements."""
    import itertools
    pick = itertools.combinations_with_replacement if with_replacement \
        else itertools.combinations
    index = list(pick(_span(len(input)), r))
    if not index:
        return _ops["empty"]((0, r), dtype=input.dtype)
    return input[_C.tensor(index)]


def ravel(input):
    """One dimension; a view where possible."""
    return input.reshape(-1)


# --- numbers -------------------------------------------------------------------------------------

def tensordot(a, b, dims=2):
    """Sums over pairs of dimensions of a and b."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        left = list(_span(a.ndim - dims, a.ndim))
        right = list(_span(dims))
    else:
        left = [d % a.ndim for d in dims[0]]
        right = [d % b.ndim for d in dims[1]]
    keep_a = [d for d in _span(a.ndim) if d not in left]
    keep_b = [d for d in _span(b.ndim) if d not in right]
    inner = math.prod(a.shape[d] for d in left)
    product = _ops["matmul"](
        a.permute(keep_a + left).reshape(-1, inner),
        b.permute(right + keep_b).reshape(inner, -1))
    return product.reshape([a.shape[d] for d in keep_a] + [b.shape[d] for d in keep_b])


def kron(input, other):
    """The Kronecker product of two matrices."""
    a, b = atleast_2d(input), atleast_2d(other)
    out = a.reshape(a.shape[0], 1, a.shape[1], 1) * b.reshape(1, b.shape[0], 1, b.shape[1])
    return out.reshape(a.shape[0] * b.shape[0], a.shape[1] * b.shape[1])


def addmv(input, mat, vec, *, beta=1, alpha=1):
    """beta * input + alpha * (mat @ vec)."""
    return beta * input + alpha * _ops["mv"](mat, vec)


def dist(input, other, p=2):
    """The p-norm of the difference."""
    return _ops["norm"](input - other, p)


def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """The p-norm of the difference of every row of x1 and every row of x2."""
    modes = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist",
             "donot_use_mm_for_euclid_dist")
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise _C.ShapeMismatchError(
            f"cdist: expected rows of one length in at least two dimensions, got shapes "
            f"{list(x1.shape)} and {list(x2.shape)}")
    if compute_mode not in modes:
        raise _C.ArgumentError(f"cdist: compute_mode is {compute_mode!r}, expected one of "
                               + ", ".join(modes))
    many = max(x1.shape[-2], x2.shape[-2]) > 25
    if p != 2 or compute_mode == modes[2] or (compute_mode == modes[0] and not many):
        return _ops["norm"](x1.unsqueeze(-2) - x2.unsqueeze(-3), float(p), -1)
    # |a - b|^2 = |a|^2 + |b|^2 - 2 a.b; a distance of 0 has the gradient 0.
    squares = (x1 * x1).sum(-1, True) + (x2 * x2).sum(-1).unsqueeze(-2)
    squares = _ops["sub"](squares, x1 @ x2.transpose(-1, -2), alpha=2)
    if not squares.requires_grad:
        return squares.clamp_(min=0).sqrt_()
    squares = squares.clamp(min=0)
    same = squares == 0
    return squares.masked_fill(same, 1).sqrt().masked_fill(same, 0)


def var_mean(input, dim=None, unbiased=True, keepdim=False, *, correction=None):
    """Variance and mean."""
    return (_ops["var"](input, dim, unbiased, keepdim, correction=correction),
            _ops["mean"](input, dim, keepdim))


def std_mean(input, dim=None, unbiased=True, keepdim=False, *, correction=None):
    """Deviation and mean."""
    return (_ops["std"](input, dim, unbiased, keepdim, correction=correction),
            _ops["mean"](input, dim, keepdim))


def aminmax(input, *, dim=None, keepdim=False):
    """The smallest and the largest elements."""
    if dim is None:
        return input.min(), input.max()
    return _ops["amin"](input, dim, keepdim), _ops["amax"](input, dim, keepdim)


def diff(input, n=1, dim=-1):
    """Differences of neighbours along dim."""
    for _ in _span(n):
        size = input.shape[dim]
        input = input.narrow(dim, 1, size - 1) - input.narrow(dim, 0, size - 1)
    return input


def isin(elements, test_elements):
    """Where an element occurs among others (bool)."""
    elements = _C.as_tensor(elements)
    test = _C.as_tensor(test_elements).reshape(-1)
    return (elements.unsqueeze(-1) == test).any(-1)


def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The distinct elements, sorted; with their positions and counts if asked."""
    if dim is not None:
        raise _C.UnsupportedError("unique: only all elements together (dim=None)")
    found = _C._call_all(_ops["unique"], input, True, return_inverse, return_counts)
    wanted = (True, return_inverse, return_counts)
    out = tuple(t for t, w in zip(found, wanted) if w)
    return out if len(out) > 1 else out[0]


def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """The elements without repetitions in a row."""
    if dim is not None:
        raise _C.UnsupportedError("unique_consecutive: only all elements together")
    flat = input.reshape(-1)
    first = _ops["ones_like"](flat, dtype=_C.bool)
    first[1:] = flat[1:] != flat[:-1]
    group = first.long().cumsum(0) - 1
    out = [flat[first]]
    if return_inverse:
        out.append(group.reshape(input.shape))
    if return_counts:
        out.append(_ops["bincount"](group))
    return tuple(out) if len(out) > 1 else out[0]


def bucketize(input, boundaries, *, out_int32=False, right=False):
    """In which interval between boundaries each value lies."""
    index = _ops["searchsorted"](boundaries, _C.as_tensor(input), right=right)
    return index.int() if out_int32 else index


def histc(input, bins=100, min=0, max=0):
    """Counts of values in equal bins."""
    low, high = (min, max) if min != max else (input.min().item(), input.max().item())
    flat = input.reshape(-1)
    flat = flat[(flat >= low) & (flat <= high)]
    width = (high - low) / bins or 1
    index = ((flat - low) / width).long().clamp(0, bins - 1)
    return _ops["bincount"](index, minlength=bins).to(input.dtype)


def index_add(input, dim, index, source):
    """A copy with slices of source added at a 1-d index."""
    return input.clone().index_add_(dim, index, source)

# SPDX-License-Identifier: MIT
"""Changing the size of pictures and series: what is chosen or mixed along one
dimension at a time."""
import math

from .. import _C
from .._C import Module, ops as _ops

# How many spatial dimensions a mode takes.
_MODES = {"nearest": (1, 2, 3), "nearest-exact": (1, 2, 3), "linear": (1,),
          "bilinear": (2,), "trilinear": (3,), "bicubic": (2,), "area": (2,)}


def _sizes(input, size, scale_factor):
    """Output sizes and given scales (None where sizes were given)."""
    count = input.ndim - 2
    if (size is None) == (scale_factor is None):
        raise _C.ArgumentError("interpolate: give either size or scale_factor, not both or "
                               "neither")
    given = size if size is not None else scale_factor
    given = list(given) if isinstance(given, (tuple, list)) else [given] * count
    if len(given) != count:
        raise _C.ArgumentError(f"interpolate: {len(given)} sizes for {count} spatial "
                               f"dimensions of an input of shape {list(input.shape)}")
    if size is not None:
        sizes, scales = [int(n) for n in given], [None] * count
    else:
        scales = [float(s) for s in given]
        sizes = [int(math.floor(n * s)) for n, s in zip(input.shape[2:], scales)]
    if min(sizes) < 1 or min(input.shape[2:]) < 1:
        raise _C.ShapeMismatchError(f"interpolate: sizes {list(input.shape[2:])} to {sizes}: "
                                    "each must be at least 1")
    return sizes, scales


def _nearest(input, dim, size, scale, exact):
    """Rows of the nearest places; these are found in float32, as PyTorch does."""
    n = input.shape[dim]
    step = 1 / scale if scale else n / size
    at = _ops["arange"](size, dtype=_C.float32)
    at = (at + 0.5 if exact else at) * _C.tensor(step, dtype=_C.float32)
    return input.index_select(dim, at.floor().clamp(max=n - 1).to(_C.int64))


def _places(n, size, scale, align_corners, dtype):
    """Where in the input each place of the output lies, possibly outside it."""
    at = _ops["arange"](size, dtype=dtype)
    if align_corners:
        return at * ((n - 1) / (size - 1) if size > 1 else 0.0)
    return (at + 0.5) * (1 / scale if scale else n / size) - 0.5


def _mixed(input, dim, taps):
    """The sum of rows by index, each with its weight."""
    along = (-1,) + (1,) * (input.ndim - 1 - dim)
    parts = [input.index_select(dim, index) * weight.reshape(along) for index, weight in taps]
    out = parts[0]
    for part in parts[1:]:
        out = out + part
    return out


def _linear(input, dim, size, scale, align_corners, dtype):
    n = input.shape[dim]
    at = _places(n, size, scale, align_corners, dtype).clamp(min=0)
    low = at.floor().clamp(max=n - 1)
    part, first = at - low, low.to(_C.int64)
    return _mixed(input, dim, [(first, 1 - part), ((first + 1).clamp(max=n - 1), part)])


def _cubic(input, dim, size, scale, align_corners, dtype):
    """Keys' convolution (1981) with a = -0.75, edges repeated."""
    n, a = input.shape[dim], -0.75
    at = _places(n, size, scale, align_corners, dtype)
    low = at.floor()
    t, first = at - low, low.to(_C.int64)

    def near(x):
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x):
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    weights = (far(t + 1), near(t), near(1 - t), far(2 - t))
    return _mixed(input, dim, [((first + k - 1).clamp(0, n - 1), w)
                               for k, w in enumerate(weights)])


def interpolate(input, size=None, scale_factor=None, mode="nearest", align_corners=None,
                recompute_scale_factor=None, antialias=False):
    """Resizes the dimensions after the first two, to `size` or by `scale_factor`;
    mode: nearest, nearest-exact, linear, bilinear, trilinear, bicubic or area."""
    spatial = input.ndim - 2
    if mode not in _MODES:
        raise _C.ArgumentError(f"interpolate: mode is {mode!r}, expected one of "
                               + ", ".join(_MODES))
    if spatial not in _MODES[mode]:
        raise _C.ShapeMismatchError(
            f"interpolate: mode {mode!r} takes {' or '.join(str(n + 2) for n in _MODES[mode])} "
            f"dimensions (batch, channels, sizes), the input has shape {list(input.shape)}")
    chooses = mode in ("nearest", "nearest-exact", "area")
    if align_corners is not None and chooses:
        raise _C.ArgumentError(f"interpolate: align_corners means nothing to mode {mode!r}")
    if antialias:
        raise _C.UnsupportedError("interpolate: antialias=True is not supported")
    if not chooses and not input.is_floating_point():
        raise _C.DtypeError(f"interpolate: mode {mode!r} mixes values, which needs "
                                    f"floats; the input is {input.dtype}")
    sizes, scales = _sizes(input, size, scale_factor)
    if recompute_scale_factor:
        if size is not None:
            raise _C.ArgumentError("interpolate: recompute_scale_factor goes with "
                                   "scale_factor, not with size")
        scales = [None] * spatial
    if mode == "area":
        from .functional import adaptive_avg_pool2d
        return adaptive_avg_pool2d(input, sizes)
    if chooses:
        out = input
        for d in reversed(range(spatial)):
            out = _nearest(out, d + 2, sizes[d], scales[d], mode == "nearest-exact")
        return out
    wide = _C.float64 if input.dtype == _C.float64 else _C.float32
    out, along = input.to(wide), _cubic if mode == "bicubic" else _linear
    for d in reversed(range(spatial)):     # rows last: they are copied whole
        out = along(out, d + 2, sizes[d], scales[d], bool(align_corners), wide)
    return out.to(input.dtype)


class Upsample(Module):
    """`functional.interpolate` as a layer."""

    def __init__(self, size=None, scale_factor=None, mode="nearest", align_corners=None,
                 recompute_scale_factor=None):
        super().__init__()
        self.size = size
        self.scale_factor = scale_factor
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input):
        return interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners,
                           self.recompute_scale_factor)

    def extra_repr(self):
        shown = f"size={self.size}" if self.scale_factor is None \
            else f"scale_factor={self.scale_factor}"
        return f"{shown}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Upsample by nearest places."""

    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """Upsample by mixing four places, corners on corners."""

    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, "bilinear", True)

# SPDX-License-Identifier: MIT
"""Transforms of samples: callables from tensor to tensor."""
from .. import _C
from .._C import Tensor


def _per_channel(value, x):
    if isinstance(value, (int, float)):
        return float(value)
    t = _C.tensor(value, dtype=x.dtype)
    return t.reshape(-1, *(1,) * (x.ndim - 1)) if x.ndim > 1 and t.numel() > 1 else t


class Normalize:
    """(x - mean) / std; numbers, or one of each a channel (the first dimension
    of a picture, the second of a batch)."""

    def __init__(self, mean, std, inplace=False):
        self.mean, self.std, self.inplace = mean, std, inplace
        values = std if isinstance(std, (list, tuple)) else [std]
        if any(float(v) == 0 for v in values):
            raise _C.ArgumentError("Normalize: a standard deviation of 0 cannot divide")

    def __call__(self, x):
        channels = x.shape[1:] if x.ndim == 4 else x.shape
        probe = x[0] if x.ndim == 4 and len(channels) == 3 else x
        mean, std = _per_channel(self.mean, probe), _per_channel(self.std, probe)
        if self.inplace:
            return x.sub_(mean).div_(std)
        return (x - mean) / std

    def __repr__(self):
        return f"Normalize(mean={self.mean}, std={self.std})"


def normalize(x, mean, std):
    """Normalize(mean, std)(x)."""
    return Normalize(mean, std)(x)


class ToTensor:
    """Pictures [H, W] or [H, W, C] in 0..255 to floats [C, H, W] in 0..1."""

    def __call__(self, picture):
        if isinstance(picture, Tensor):
            return picture
        t = _C.as_tensor(picture)
        t = t.unsqueeze(0) if t.ndim == 2 else t.permute(2, 0, 1)
        return t.float() / 255 if t.dtype == _C.uint8 else t.contiguous()


class Lambda:
    """A function as a transform."""

    def __init__(self, lambd):
        self.lambd = lambd

    def __call__(self, x):
        return self.lambd(x)


class Compose:
    """Transforms one after the other."""

    def __init__(self, transforms):
        self.transforms = list(transforms)

    def __call__(self, x):
        for t in self.transforms:
            x = t(x)
        return x


class RandomHorizontalFlip:
    """Mirrors the last dimension with probability p."""

    def __init__(self, p=0.5):
        self.p = p

    def __call__(self, x):
        return x.flip([-1]) if _C.ops["rand"](1).item() < self.p else x


class RandomCrop:
    """A random window of the last two dimensions."""

    def __init__(self, size, padding=0):
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.padding = padding

    def __call__(self, x):
        if self.padding:
            x = _C.ops["pad"](x, [self.padding] * 4)
        h, w = self.size
        if x.shape[-2] < h or x.shape[-1] < w:
            raise _C.ShapeMismatchError(f"RandomCrop: a window of {h}x{w} does not fit into "
                                        f"{x.shape[-2]}x{x.shape[-1]}")
        i = _C.ops["randint"](x.shape[-2] - h + 1, (1,)).item()
        j = _C.ops["randint"](x.shape[-1] - w + 1, (1,)).item()
        return x[..., i:i + h, j:j + w]

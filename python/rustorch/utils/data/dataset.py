# SPDX-License-Identifier: MIT
"""Data sets."""
import bisect
import itertools
import math

from ... import _C
from ..._C import Tensor, ops as _ops


class Dataset:
    """Base of map-style data sets: define __getitem__ and __len__."""

    def __getitem__(self, index):
        raise NotImplementedError("define __getitem__(self, index)")

    def __add__(self, other):
        return ConcatDataset([self, other])

    def get_batch(self, indices):
        """The samples of several indices."""
        return [self[i] for i in indices]


class IterableDataset(Dataset):
    """Base of data sets that are only iterated: define __iter__."""

    def __iter__(self):
        raise NotImplementedError("define __iter__(self)")


class TensorDataset(Dataset):
    """Rows of tensors with the same first size."""

    def __init__(self, *tensors):
        if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
            tensors = tensors[0]
        self.tensors = tuple(t if isinstance(t, Tensor) else _C.as_tensor(t)
                             for t in tensors)
        sizes = {t.shape[0] for t in self.tensors}
        if len(sizes) > 1:
            raise _C.ShapeMismatchError(
                "TensorDataset: the tensors have " +
                " and ".join(str(t.shape[0]) for t in self.tensors) +
                " rows; all need the same number")
        self._core = _C._tensor_dataset(list(self.tensors))

    def __getitem__(self, index):
        return tuple(t[index] for t in self.tensors)

    def __len__(self):
        return self.tensors[0].shape[0]

    def __reduce__(self):
        return type(self), self.tensors


class StackDataset(Dataset):
    """Samples of several data sets, side by side."""

    def __init__(self, *args, **kwargs):
        self.datasets = args or kwargs

    def __getitem__(self, index):
        if isinstance(self.datasets, dict):
            return {k: d[index] for k, d in self.datasets.items()}
        return tuple(d[index] for d in self.datasets)

    def __len__(self):
        values = self.datasets.values() if isinstance(self.datasets, dict) \
            else self.datasets
        return len(next(iter(values)))


class ConcatDataset(Dataset):
    """One data set after the other."""

    def __init__(self, datasets):
        self.datasets = list(datasets)
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))

    def __len__(self):
        return self.cumulative_sizes[-1]

    def __getitem__(self, index):
        index = index + len(self) if index < 0 else index
        which = bisect.bisect_right(self.cumulative_sizes, index)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - before]


class ChainDataset(IterableDataset):
    """One iterable data set after the other."""

    def __init__(self, datasets):
        self.datasets = datasets

    def __iter__(self):
        for d in self.datasets:
            yield from d


class Subset(Dataset):
    """The samples of a data set at some indices."""

    def __init__(self, dataset, indices):
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index):
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __len__(self):
        return len(self.indices)


def random_split(dataset, lengths, generator=None):
    """Random parts of the given sizes (or shares, which sum to 1)."""
    n = len(dataset)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        parts = [math.floor(n * share) for share in lengths]
        for i in range(n - sum(parts)):
            parts[i % len(parts)] += 1
        lengths = parts
    if sum(lengths) != n:
        raise _C.ArgumentError(f"random_split: the lengths sum to {sum(lengths)}, the data "
                               f"set has {n} samples")
    order = _ops["randperm"](n, generator=generator).tolist()
    ends = list(itertools.accumulate(lengths))
    return [Subset(dataset, order[end - size:end]) for end, size in zip(ends, lengths)]

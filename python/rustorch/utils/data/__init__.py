# SPDX-License-Identifier: MIT
"""Data sets, samplers and the loader."""
from .dataset import (  # noqa: F401
    ChainDataset, ConcatDataset, Dataset, IterableDataset, StackDataset, Subset,
    TensorDataset, random_split,
)
from .sampler import (  # noqa: F401
    BatchSampler, RandomSampler, Sampler, SequentialSampler, SubsetRandomSampler,
    WeightedRandomSampler,
)
from .dataloader import (  # noqa: F401
    DataLoader, default_collate, default_convert, get_worker_info,
)
from . import dataloader, dataset, sampler  # noqa: F401

# SPDX-License-Identifier: MIT
"""Data sets, loader and transforms (the names of rustorch.utils.data)."""
from ..utils.data import *  # noqa: F401,F403
from ..utils.data import (  # noqa: F401
    DataLoader, Dataset, Subset, TensorDataset, random_split,
)
from . import transforms  # noqa: F401

# SPDX-License-Identifier: MIT
"""Adam, where PyTorch's layout has it."""
from . import Adam  # noqa: F401

# SPDX-License-Identifier: MIT
"""SGD, where PyTorch's layout has it."""
from . import SGD  # noqa: F401

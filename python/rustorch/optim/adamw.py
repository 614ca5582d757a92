# SPDX-License-Identifier: MIT
"""AdamW, where PyTorch's layout has it."""
from . import AdamW  # noqa: F401

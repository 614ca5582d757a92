# SPDX-License-Identifier: MIT
"""PyTorch's name for Metal."""
from .metal import device_count, empty_cache, is_available, manual_seed  # noqa: F401

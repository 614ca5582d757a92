# SPDX-License-Identifier: MIT
"""Convolutions."""
from . import Conv1d, Conv2d, ConvTranspose2d  # noqa: F401

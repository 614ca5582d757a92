# SPDX-License-Identifier: MIT
"""Convolutions."""
from . import Conv2d  # noqa: F401

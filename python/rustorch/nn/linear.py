# SPDX-License-Identifier: MIT
"""Affine layers."""
from . import Bilinear, Identity, Linear  # noqa: F401

# SPDX-License-Identifier: MIT
"""The version."""
from ._C import __version__  # noqa: F401

cuda = None

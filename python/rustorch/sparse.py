# SPDX-License-Identifier: MIT
"""Sparse tensors."""
from ._later import refuse as _refuse

from_scipy = _refuse("sparse", "from_scipy", "A sparse tensor of a SciPy matrix.")

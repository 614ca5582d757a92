# SPDX-License-Identifier: MIT
"""Models of other libraries."""
from ._later import refuse as _refuse

from_pytorch = _refuse("interop", "from_pytorch", "A module with the weights of a PyTorch module.")
to_pytorch = _refuse("interop", "to_pytorch", "A PyTorch module with the weights of a module.")

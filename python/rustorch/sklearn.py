# SPDX-License-Identifier: MIT
"""Transformers of scikit-learn."""
from ._later import refuse as _refuse

from_sklearn = _refuse("sklearn", "from_sklearn", "A transformer on tensors.")

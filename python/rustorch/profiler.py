# SPDX-License-Identifier: MIT
"""Where time goes."""
from ._later import refuse as _refuse

profile = _refuse("profiler", "profile", "Records operations inside a block.")

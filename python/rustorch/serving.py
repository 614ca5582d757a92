# SPDX-License-Identifier: MIT
"""Models behind HTTP."""
from ._later import refuse as _refuse

ModelServer = _refuse("serving", "ModelServer", "A server of one model.")

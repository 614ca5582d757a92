# SPDX-License-Identifier: MIT
"""Functions that training calls."""
from ._later import refuse as _refuse

register_training_callback = _refuse("callbacks", "register_training_callback", "Registers a function called after each epoch.")

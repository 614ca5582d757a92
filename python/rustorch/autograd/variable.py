# SPDX-License-Identifier: MIT
"""`Variable`, where the old layout had it."""
from . import Variable, create_variable  # noqa: F401

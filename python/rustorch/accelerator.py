# SPDX-License-Identifier: MIT
"""Devices other than the CPU: none."""


def is_available():
    """Whether there is one: no."""
    return False


def device_count():
    """How many there are: none."""
    return 0


def current_accelerator(check_available=False):
    """The one in use: None."""
    return None

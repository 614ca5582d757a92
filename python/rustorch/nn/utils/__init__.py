# SPDX-License-Identifier: MIT
"""Gradients and parameters of whole models."""
from . import rnn  # noqa: F401
from .clip import (  # noqa: F401
    clip_grad_norm, clip_grad_norm_, clip_grad_value_, get_total_norm,
)
from .vector import parameters_to_vector, vector_to_parameters  # noqa: F401

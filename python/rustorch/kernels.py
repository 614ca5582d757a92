# SPDX-License-Identifier: MIT
"""Fused operations."""
from ._C import ops as _ops

scaled_dot_product_attention = _ops["scaled_dot_product_attention"]
layer_norm = _ops["layer_norm"]
linear = _ops["linear"]

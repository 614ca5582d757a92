# SPDX-License-Identifier: MIT
"""All operations of the catalog as functions."""
from . import _C as _C
from ._functions import (  # noqa: F401
    create_tensor, einsum, meshgrid, tensor_add, tensor_matmul, tensor_operations,
)

globals().update(_C.ops)

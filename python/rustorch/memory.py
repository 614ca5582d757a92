# SPDX-License-Identifier: MIT
"""Memory of the runtime."""
from ._C import empty_cache, memory_stats  # noqa: F401


def enable_memory_pool():
    """Pooled allocation is always on: freed blocks are kept for the next tensor."""


def memory_allocated():
    """Bytes in use."""
    return memory_stats()["allocated"]


def max_memory_allocated():
    """The most bytes that were in use."""
    return memory_stats()["peak"]

# SPDX-License-Identifier: MIT
"""Switches of PyTorch's back ends that scripts set; those back ends are absent,
so the values are kept and change nothing."""
import types as _types

from .metal import is_available as _absent

cudnn = _types.SimpleNamespace(deterministic=False, benchmark=False, enabled=False,
                               allow_tf32=False, is_available=_absent)
cuda = _types.SimpleNamespace(matmul=_types.SimpleNamespace(allow_tf32=False),
                              is_built=_absent)
mps = _types.SimpleNamespace(is_available=_absent, is_built=_absent)
mkl = mkldnn = openmp = _types.SimpleNamespace(is_available=_absent)

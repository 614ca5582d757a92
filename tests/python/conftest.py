# SPDX-License-Identifier: MIT
"""Finds the package (installed, or in the build tree) and PyTorch (unless
RUSTORCH_WITHOUT_TORCH is set: then comparisons are skipped and counted)."""
import importlib.util
import os
import sys
from pathlib import Path

import pytest

TOP = Path(os.environ.get("RUSTORCH_SRCDIR", Path(__file__).resolve().parents[2]))
if importlib.util.find_spec("rustorch") is None:
    build = Path(os.environ.get("RUSTORCH_BUILDDIR", TOP / "build"))
    sys.path.insert(0, str(build / "python" / "path"))
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(build / "python" / "path")] + os.environ.get("PYTHONPATH", "").split(os.pathsep))


@pytest.fixture(scope="session")
def torch():
    if os.environ.get("RUSTORCH_WITHOUT_TORCH"):
        pytest.skip("comparisons with PyTorch were left out")
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


@pytest.fixture
def rt():
    import rustorch
    rustorch.manual_seed(0)
    return rustorch

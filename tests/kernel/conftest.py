# SPDX-License-Identifier: MIT
"""Starts kernels for the tests.

RUSTORCH_BUILDDIR names the build folder. A kernelspec for each program is
written to a temporary Jupyter data folder: `rustorch` is rustorch-kernel and
`double` the same kernel over tests/kernel/double.c; `poisoned` is the first
with tests/kernel/poison.c preloaded.
"""
import json
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from client import Kernel  # noqa: E402
from dialect import KERNEL  # noqa: E402
import torture  # noqa: E402

BUILD = pathlib.Path(os.environ.get("RUSTORCH_BUILDDIR", "build")).resolve()
PROGRAMS = {"rustorch": "rustorch-kernel", "double": "double-kernel",
            "poisoned": "rustorch-kernel"}
POISON = BUILD / ".libs" / "poison.so"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A case of make torture, where the file does not count its own."""
    report = (yield).get_result()
    row = os.environ.get("RUSTORCH_TORTURE_ROW")
    if row and (report.failed or (report.when == "call" and report.passed)):
        torture.count(row, report.passed)


@pytest.fixture(scope="session", autouse=True)
def jupyter_home(tmp_path_factory):
    """A home of its own: kernelspecs, history and runtime files."""
    home = tmp_path_factory.mktemp("home")
    for name, program in PROGRAMS.items():
        spec = home / "jupyter" / "kernels" / name
        spec.mkdir(parents=True)
        spec.joinpath("kernel.json").write_text(json.dumps({
            "argv": [str(BUILD / program), "-f", "{connection_file}"],
            "display_name": name, "language": "rustorch",
            "env": {"LD_PRELOAD": str(POISON)} if name == "poisoned" else {},
            "interrupt_mode": "signal", "kernel_protocol_version": "5.6.0",
            "metadata": {"supported_encryption": ["curve"]}}))
    saved = dict(os.environ)
    os.environ.update(JUPYTER_PATH=str(home / "jupyter"),
                      JUPYTER_RUNTIME_DIR=str(home / "run"),
                      XDG_DATA_HOME=str(home / "data"))
    yield home
    os.environ.clear()
    os.environ.update(saved)


@pytest.fixture(scope="module")
def kernel():
    """One kernel for a file's tests."""
    k = Kernel(KERNEL)
    yield k
    k.close()


@pytest.fixture
def fresh():
    """A kernel for one test, which may end it."""
    k = Kernel(KERNEL)
    yield k
    k.close()


@pytest.fixture(scope="module")
def double():
    """The kernel over the stand-in, for what a real program should not do."""
    k = Kernel("double")
    yield k
    k.close()


@pytest.fixture(scope="module")
def poisoned():
    """The real kernel, in which a cell can do what faulty native code does."""
    assert POISON.exists(), "make check builds it"
    k = Kernel("poisoned")
    yield k
    k.close()

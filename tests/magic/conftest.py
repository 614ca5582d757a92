# SPDX-License-Identifier: MIT
"""A fresh IPython shell with the extension loaded."""
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


@pytest.fixture
def ip(tmp_path, monkeypatch):
    pytest.importorskip("IPython")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config
    config = Config()
    config.HistoryManager.enabled = False
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=config)
    shell.run_line_magic("load_ext", "rustorch_magic")
    yield shell
    InteractiveShell.clear_instance()


class Ran:
    """What a cell printed, gave and displayed."""

    def __init__(self, shell, source):
        from IPython.utils.capture import capture_output
        with capture_output() as captured:
            self.result = shell.run_cell(source)
        self.out, self.err = captured.stdout, captured.stderr
        self.displays = captured.outputs
        self.error = self.result.error_in_exec or self.result.error_before_exec


@pytest.fixture
def run(ip):
    def run_cell(source, ok=True):
        ran = Ran(ip, source)
        if ok:
            assert ran.error is None, ran.error
        return ran
    return run_cell

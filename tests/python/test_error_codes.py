# SPDX-License-Identifier: MIT
"""The cells of docs/errors.md fail with the codes they stand under."""
import os
import subprocess
import sys

import pytest
from conftest import TOP

sys.path.insert(0, str(TOP / "scripts"))
from dump_catalog import cell_errors  # noqa: E402

PROGRAM = os.path.join(os.environ.get("RUSTORCH_BUILDDIR", str(TOP / "build")), "rustorch")
SHOWN = [row for row in cell_errors() if row[2]]


def run(cell, folder):
    return subprocess.run([PROGRAM, "run", "-"], input=cell, capture_output=True, text=True,
                          timeout=60, cwd=folder)


@pytest.mark.parametrize("code, doc, example, fixed", SHOWN, ids=[row[0] for row in SHOWN])
def test_an_example_gives_its_code(code, doc, example, fixed, tmp_path):
    failed = run(example, tmp_path)
    assert failed.returncode != 0 and f"error[{code}]" in failed.stderr, failed
    if code != "unsupported":      # its fix is for a notebook
        right = run(fixed, tmp_path)
        assert right.returncode == 0, right.stderr


def test_most_codes_have_an_example():
    assert {row[0] for row in cell_errors() if not row[2]} == {
        "nesting", "format", "interrupt", "host", "internal"} - {
        row[0] for row in SHOWN}

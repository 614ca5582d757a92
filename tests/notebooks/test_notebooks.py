# SPDX-License-Identifier: MIT
"""The committed notebooks run through their kernels, have outputs, and end as
they say."""
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

TOP = Path(__file__).resolve().parents[2]
BOOKS = sorted((TOP / "notebooks").glob("*.ipynb"))


def texts(book):
    found = []
    for cell in book.cells:
        for out in cell.get("outputs", []):
            found.append("".join(out.get("text", "")))
            found.append("".join(out.get("data", {}).get("text/plain", "")))
    return "\n".join(found)


def test_the_two_notebooks_of_the_quickstart_are_there():
    assert {"01_quickstart.ipynb", "02_magic.ipynb"} <= {b.name for b in BOOKS}


@pytest.mark.parametrize("path", BOOKS, ids=lambda p: p.name)
def test_is_committed_with_outputs(path):
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    code = [c for c in book.cells if c.cell_type == "code"]
    assert code and all(c.execution_count for c in code)
    assert any(c.outputs for c in code)


@pytest.mark.parametrize("path", BOOKS, ids=lambda p: p.name)
def test_runs_from_top_to_bottom(path, tmp_path):
    book = nbformat.read(path, as_version=4)
    NotebookClient(book, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    nbformat.validate(book)


def test_the_quickstart_reaches_its_accuracy(tmp_path):
    book = nbformat.read(TOP / "notebooks/01_quickstart.ipynb", as_version=4)
    NotebookClient(book, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    accuracy = [float(line.split()[2]) for line in texts(book).splitlines()
                if line.startswith("test accuracy")]
    assert accuracy and accuracy[-1] >= 0.95

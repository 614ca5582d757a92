# SPDX-License-Identifier: MIT
"""Runs a notebook through its kernel with progress on the terminal.

usage: run_notebook.py INPUT OUTPUT

Writes the executed notebook to OUTPUT and ends with three lines: what the
notebook printed about its accuracy, the time it took, the path. Exit status 1
when a cell fails.
"""
import os
import re
import sys
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


class Runner(NotebookClient):
    """A client that shows which cell runs and what it prints."""

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] == "stream":
            sys.stdout.write(msg["content"]["text"])
            sys.stdout.flush()
        return super().process_message(msg, cell, cell_index)


def announce(total):
    """A hook for on_cell_start: the cell's number and first line of code."""

    def start(cell, cell_index):
        if cell.cell_type == "code":
            first = (cell.source.strip() or " ").splitlines()[0]
            print(f"\033[2m[{cell_index + 1}/{total}] {first[:68]}\033[0m", flush=True)

    return start


def outputs_text(notebook):
    """All text that the code cells left: streams and text/plain data."""
    parts = []
    for cell in notebook.cells:
        for out in cell.get("outputs", []):
            parts.append(out.get("text") or out.get("data", {}).get("text/plain", ""))
    return "\n".join("".join(p) for p in parts)


def main(source, target):
    notebook = nbformat.read(source, as_version=4)
    runner = Runner(
        notebook,
        timeout=600,
        resources={"metadata": {"path": os.path.dirname(os.path.abspath(source))}},
        on_cell_start=announce(len(notebook.cells)),
    )
    begin = time.perf_counter()
    failed = None
    try:
        runner.execute()
    except CellExecutionError as error:
        failed = error
    seconds = time.perf_counter() - begin
    nbformat.write(notebook, target)
    if failed:
        print(f"\nA cell failed; the notebook so far is in {target}\n{failed}", file=sys.stderr)
        return 1
    found = re.findall(r"test accuracy[ :=]+([0-9.]+)", outputs_text(notebook))
    print()
    if found:
        print(f"test accuracy {found[-1]}")
    print(f"time {seconds:.1f} s")
    print(f"executed notebook {target}")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2]))

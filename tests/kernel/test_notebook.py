# SPDX-License-Identifier: MIT
"""Whole notebooks through nbclient, as nbconvert and papermill run them."""
import nbformat
import pytest
from dialect import KERNEL, cell
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def notebook(*sources):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])


def execute(nb, **options):
    NotebookClient(nb, kernel_name=KERNEL, timeout=60, **options).execute()
    nbformat.validate(nb)
    return nb.cells


def test_a_notebook_runs_and_its_outputs_are_valid():
    cells = execute(notebook(cell("hello"), cell("set", "x", 6), cell("get", "x"), cell("both"),
                             cell("show")))
    assert [c.execution_count for c in cells] == [1, 2, 3, 4, 5]
    assert cells[0].outputs == [dict(output_type="stream", name="stdout", text="hello, world\n")]
    assert cells[2].outputs[0].data["text/plain"] == "6"
    assert [o.text for o in cells[3].outputs] == ["out\n", "err\n", "again\n"]
    assert cells[4].outputs[0].output_type == "display_data"


def test_an_error_stops_the_notebook_and_names_itself():
    nb = notebook(cell("hello"), cell("fail"), cell("hello"))
    with pytest.raises(CellExecutionError, match="as asked"):
        execute(nb)
    assert nb.cells[1].outputs[0].output_type == "error" and nb.cells[2].outputs == []


def test_allowed_errors_let_the_notebook_go_on():
    cells = execute(notebook(cell("fail"), cell("hello")), allow_errors=True)
    assert cells[1].outputs[0].text == "hello, world\n"


def test_a_cell_over_its_time_is_interrupted():
    nb = notebook(cell("spin"), cell("hello"))
    NotebookClient(nb, kernel_name=KERNEL, timeout=5, interrupt_on_timeout=True,
                   allow_errors=True).execute()
    assert nb.cells[0].outputs[-1].ename == "KeyboardInterrupt"
    assert nb.cells[1].outputs[0].text == "hello, world\n"

# SPDX-License-Identifier: MIT
"""The package as a whole: import, names, stubs and pages from the catalogs."""
import importlib
import inspect
import subprocess
import sys

import pytest
from conftest import TOP


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          timeout=60, check=True).stdout.strip()


def test_import_loads_neither_numpy_nor_torch_nor_matplotlib():
    loaded = python("import rustorch, sys; rustorch.zeros(2) + 1; "
                    "print([m for m in ('numpy', 'torch', 'matplotlib', 'inspect') "
                    "if m in sys.modules])")
    assert loaded == "[]"


def test_import_is_fast():
    code = ("import time, os; s = time.process_time(); import rustorch; "
            "print(time.process_time() - s)")
    assert min(float(python(code)) for _ in range(5)) < 0.03


def test_the_alias_gives_the_same_objects():
    import rustorch
    import rustorch_py
    import rustorch_py.nn.linear
    import rustorch_py.utils.data as data
    assert rustorch_py is rustorch and rustorch_py.nn.linear is rustorch.nn.linear
    assert data is importlib.import_module("rustorch.utils.data")
    assert rustorch.nn.linear.__spec__.name == "rustorch.nn.linear"


def test_tensor_is_a_function_and_a_module():
    import rustorch
    assert rustorch.tensor([1.0]).tolist() == [1.0]
    assert rustorch.tensor.zeros([2]).tolist() == [0.0, 0.0]


def test_an_unknown_name_is_an_attribute_error():
    import rustorch
    with pytest.raises(AttributeError, match="no_such_name"):
        rustorch.no_such_name


def test_stubs_and_reference_pages_are_fresh():
    run = subprocess.run([sys.executable, str(TOP / "scripts" / "dump_catalog.py"), "--check"],
                         capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr


def test_an_op_has_a_signature_that_inspect_reads():
    import rustorch
    assert str(inspect.signature(rustorch.add)) == "(self, other, *, alpha=1)"
    assert "alpha" in rustorch.add.__doc__
    assert list(inspect.signature(rustorch.nn.Linear).parameters) == [
        "in_features", "out_features", "bias", "device", "dtype"]


def test_absent_devices_say_so():
    import rustorch
    assert not rustorch.cuda.is_available() and not rustorch.metal.is_available()
    for move in (lambda: rustorch.zeros(2).to("cuda:0"), lambda: rustorch.zeros(2).cuda(),
                 lambda: rustorch.nn.Linear(2, 2).to("cuda"),
                 lambda: rustorch.zeros(2, device="cuda")):
        with pytest.raises(rustorch.DeviceError):
            move()
    assert repr(rustorch.device("cuda", 1)) == "device(type='cuda', index=1)"


def test_the_installed_version_is_known_to_importlib():
    import rustorch
    from importlib.metadata import version
    assert version("rustorch") == rustorch.__version__


@pytest.mark.parametrize("find", ["name", "file name", "media type"])
def test_pygments_finds_the_lexer_by(find):
    lexers = pytest.importorskip("pygments.lexers")
    lexer = {"name": lambda: lexers.get_lexer_by_name("rustorch"),
             "file name": lambda: lexers.get_lexer_for_filename("net.rt"),
             "media type": lambda: lexers.get_lexer_for_mimetype("text/x-rustorch")}[find]()
    assert lexer.name == "RusTorch"


def test_the_lexer_colours_the_manual_without_an_error():
    lexers, token = pytest.importorskip("pygments.lexers"), pytest.importorskip("pygments.token")
    lexer = lexers.get_lexer_by_name("rustorch")
    cells = (TOP / "docs" / "language.md").read_text().split("```c\n")[1:]
    assert len(cells) > 15
    for cell in (c.split("\n```")[0] + "\n" for c in cells):
        got = list(lexer.get_tokens(cell))
        assert "".join(text for _, text in got) == cell
        assert not [text for kind, text in got if kind in token.Error]
    kinds = {text: kind for kind, text in lexer.get_tokens(
        "Tensor h = relu(x @ w); for (int i : range(3)) { } // %d")}
    assert kinds["Tensor"] in token.Keyword.Type and kinds["for"] in token.Keyword
    assert kinds["relu"] in token.Name.Builtin and kinds["@"] in token.Operator

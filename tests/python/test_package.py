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

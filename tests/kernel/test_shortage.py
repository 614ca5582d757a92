# SPDX-License-Identifier: MIT
"""Each call for memory of a kernel session fails once (tests/oom/shortage.c).

The front must answer every request as if nothing had been; the compute process
may end a cell with an error of kind memory, and the next cell finds its
variables. OOM_EVERY thins the sweep out; `make oom` takes every call.
"""
import mmap
import os
import struct

import pytest
from client import Kernel, text
from conftest import BUILD

EVERY = int(os.environ.get("OOM_EVERY", "29"))
LAYOUT = struct.Struct("qqii")
FRONT, COMPUTE = 1, 2
SHIM = BUILD / "tests" / "oom" / ".libs" / "shortage.so"

REQUESTS = [
    ("execute_request", {"code": "kept + 1"}),
    ("execute_request", {"code": 'print("a line"); x * 2'}),
    ("execute_request", {"code": "zeros(2, 3) @ zeros(4, 5)"}),
    ("execute_request", {"code": "%checkpoints"}),
    ("complete_request", {"code": "kep", "cursor_pos": 3}),
    ("inspect_request", {"code": "relu", "cursor_pos": 2, "detail_level": 0}),
    ("is_complete_request", {"code": "for (;;) {"}),
    ("history_request", {"hist_access_type": "tail", "n": 3, "output": True, "raw": True}),
    ("comm_info_request", {}),
    ("kernel_info_request", {}),
]


class Shortage:
    """The orders that shortage.c reads."""

    def __init__(self, folder):
        self.path = folder / "orders"
        self.path.write_bytes(bytes(LAYOUT.size))
        with open(self.path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), LAYOUT.size)

    def order(self, whom, call, row=1):
        self.page[:] = LAYOUT.pack(call, 0, whom, row)

    def end(self):
        """How many calls have failed since the order."""
        failed = LAYOUT.unpack(self.page[:])[1]
        self.page[:] = LAYOUT.pack(-1 << 40, 0, 0, 1)
        return failed


@pytest.fixture
def short(tmp_path, monkeypatch):
    """A kernel with variables, and its shortage."""
    if not SHIM.exists():
        pytest.skip("shortage.so is not built (make check)")
    shortage = Shortage(tmp_path)
    shortage.end()
    monkeypatch.setenv("LD_PRELOAD", str(SHIM))
    monkeypatch.setenv("OOM_FILE", str(shortage.path))
    kernel = Kernel("rustorch")
    monkeypatch.delenv("LD_PRELOAD")
    kernel.run("int kept = 41; Tensor x = ones(3);")
    yield kernel, shortage
    kernel.close()


def ask(kernel, kind, content):
    if kind != "execute_request":
        return kernel.ask(kind, content), []
    return kernel.run(content["code"])


def check_next_cell(kernel, context):
    reply, outputs = kernel.run("kept + (int)x.sum()")
    assert reply["status"] == "ok", context
    assert "44" in str(outputs), context


@pytest.mark.parametrize("row", [1, 4])
def test_the_front_answers_though_any_call_for_memory_fails(short, row):
    kernel, shortage = short
    front, failed = kernel.pid, 0
    for kind, content in REQUESTS:
        usual = ask(kernel, kind, content)[0]["status"]
        call = 1
        while True:
            shortage.order(FRONT, call, row)
            reply, _ = ask(kernel, kind, content)
            kernel.settle()
            now = shortage.end()
            assert reply["status"] == usual, (kind, call)
            assert kernel.pid == front and kernel.km.is_alive(), (kind, call)
            failed += now
            if not now:
                break
            call += EVERY if row == 1 else 7 * EVERY
    check_next_cell(kernel, "afterwards")
    print(f"front: {failed} calls failed")
    assert failed > 0


def test_the_compute_process_survives_any_failing_call_for_memory(short):
    kernel, shortage = short
    failed = errors = 0
    for kind, content in REQUESTS[:3]:
        usual = ask(kernel, kind, content)[0]["status"]
        call = 1
        while True:
            before = kernel.compute_pid()
            shortage.order(COMPUTE, call)
            reply, outputs = ask(kernel, kind, content)
            now = shortage.end()
            if reply["status"] != usual:
                assert reply["ename"] == "OutOfMemoryError", (reply, call)
                errors += 1
            check_next_cell(kernel, (content, call, text(outputs, "stderr")))
            assert kernel.compute_pid() == before, (content, call)
            failed += now
            if not now:
                break
            call += EVERY
    print(f"compute: {failed} calls failed, {errors} cells ended with an error")
    assert failed > 0

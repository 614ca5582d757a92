# SPDX-License-Identifier: MIT
"""Each call for memory of a kernel session fails once (tests/oom/shortage.c).

The front must answer every request as if nothing had been; the compute process
may end a cell with an error of kind memory, and the next cell finds its
variables. OOM_EVERY thins the sweep out; `make oom` takes every call.
"""
import mmap
import os
import pathlib
import resource
import struct

import pytest
from client import TIMEOUT, Kernel, text
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


# --- one message larger than the memory there is -------------------------------

def limit(pid, more):
    """Lets a process map `more` MiB beyond what it has."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    mapped = int(status.split("VmSize:")[1].split()[0]) << 10
    resource.prlimit(pid, resource.RLIMIT_AS, (mapped + (more << 20), resource.RLIM_INFINITY))


def lift(pid):
    resource.prlimit(pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.fixture
def narrow(fresh):
    """A front that may take 100 MiB more."""
    assert fresh.run("int kept = 41; Tensor x = ones(3);")[0]["status"] == "ok"
    limit(fresh.pid, 100)
    yield fresh
    front = fresh.pid
    check_next_cell(fresh, "while memory is short")
    lift(front)
    check_next_cell(fresh, "afterwards")
    assert fresh.km.is_alive() and fresh.pid == front


@pytest.mark.parametrize("mib", [8, 20, 40])
def test_a_huge_request_is_refused_alone(narrow, mib):
    """20 MiB arrive, but are not parsed; 8 MiB are, but do not go on."""
    huge = "// " + "x" * (mib << 20)
    reply, outputs = narrow.run(huge)
    assert reply["ename"] == "OutOfMemoryError" and f"{mib} MiB" in reply["evalue"]
    check_next_cell(narrow, mib)
    for kind, content in (("complete_request", {"code": huge, "cursor_pos": 3}),
                          ("inspect_request", {"code": huge, "cursor_pos": 3}),
                          ("is_complete_request", {"code": huge}),
                          ("history_request", {"hist_access_type": "search", "pattern": huge})):
        reply = narrow.ask(kind, content)
        assert reply["status"] != "error" or reply["ename"] == "OutOfMemoryError", kind


def test_a_huge_comm_message_is_survived(narrow):
    for kind in ("comm_open", "comm_msg", "comm_close", "no_such_request"):
        narrow.send(kind, {"comm_id": "c", "target_name": "t", "data": {"x": "y" * (30 << 20)}})
    narrow.received()


def test_a_huge_input_is_asked_for_again(narrow):
    msg_id = narrow.kc.execute('input("? ")', allow_stdin=True)
    narrow.kc.get_stdin_msg(timeout=TIMEOUT)
    narrow.kc.input("x" * (30 << 20))
    said = narrow.wait_for(msg_id, "stream", name="stderr")
    assert "no memory for it" in said["content"]["text"]
    narrow.kc.input("short")
    assert narrow.reply(msg_id)["status"] == "ok"
    assert "short" in str(narrow.outputs(msg_id)[-1]["content"])


def test_huge_displays_are_missing_and_that_is_said():
    """The double's, for the language's own are cut to a view."""
    kernel = Kernel("double")
    try:
        kernel.run("set kept 5")
        limit(kernel.pid, 100)
        for mib in (30, 60, 200):
            reply, outputs = kernel.run(f"print before\nlarge {mib}\nprint after")
            assert reply["status"] == "ok"
            said = text(outputs, "stderr")
            assert "before" in text(outputs) and "after" in text(outputs)
            displays = [m for m in outputs if m["msg_type"] == "display_data"]
            assert (len(displays) == 1) != ("is missing here" in said), (mib, said)
        assert "is missing here" in said
        lift(kernel.pid)
        assert "5" in str(kernel.run("get kept")[1][-1]["content"])
    finally:
        kernel.close()

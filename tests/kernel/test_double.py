# SPDX-License-Identifier: MIT
"""What only the stand-in can be told to do: raw output, exits, overflows, floods."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import zmq
from client import TIMEOUT, Kernel, text, types, wait_gone


def test_raw_output_of_fd_1_belongs_to_its_cell(double):
    for i in range(20):
        reply, outputs = double.run(f"raw number {i}")
        assert reply["status"] == "ok" and text(outputs) == f"number {i}\n"


def test_a_raw_flood_arrives_whole(double):
    _, outputs = double.run("flood 100000")
    assert text(outputs) == "".join(f"line {i}\n" for i in range(100000))


def test_cut_and_broken_utf8_is_mended(double):
    assert text(double.run("utf8")[1]) == "☃ \ufffd\n"


@pytest.mark.parametrize("code, cause", [
    ("segv", "SIGSEGV"), ("abort", "SIGABRT"), ("overflow", "SIGSEGV"),
    ("exit 0", "exited with status 0"), ("exit 3", "exited with status 3")])
def test_every_death_names_its_cause_after_the_last_words(double, code, cause):
    reply, outputs = double.run(f"print before\n{code}\nprint after")
    assert text(outputs) == "before\n"
    assert reply["ename"] == "ComputeProcessDied" and cause in reply["evalue"]
    assert types(outputs)[-1] == "error"
    reply, outputs = double.run("print alive")
    assert reply["status"] == "ok" and text(outputs) == "alive\n"


def test_deaths_in_a_row_do_not_stop_the_kernel(double):
    for _ in range(10):
        assert double.run("segv")[0]["ename"] == "ComputeProcessDied"
    assert double.run("print alive")[0]["status"] == "ok"


def test_earlier_cells_are_known_after_a_death(double):
    double.run("set first_of_all 1")
    double.run("segv")
    seen = [next(m["content"]["data"]["text/plain"] for m in double.run(f"earlier {i}")[1]
                 if m["msg_type"] == "execute_result") for i in range(3)]
    assert "none" not in seen


def test_displays_carry_images_json_ids_and_sizes(double):
    _, outputs = double.run("show one\nupdate two\nclear\npng")
    assert types(outputs)[1:] == ["display_data", "update_display_data", "clear_output",
                                  "display_data"]
    assert outputs[1]["content"]["transient"] == outputs[2]["content"]["transient"] == {
        "display_id": "shown"}
    assert outputs[3]["content"] == {"wait": True}
    png = outputs[4]["content"]
    assert png["data"]["image/png"] == "iVBORw0K"
    assert png["data"]["application/json"] == {"a": [1]}
    assert png["metadata"]["image/png"] == {"width": 3, "height": 2}


def test_pages_and_next_inputs_are_payloads(double):
    reply, _ = double.run("page some help\nnext more code")
    assert reply["payload"] == [
        {"source": "page", "data": {"text/plain": "some help"}, "start": 0},
        {"source": "set_next_input", "text": "more code", "replace": False}]


def test_text_before_a_display_comes_before_it(double):
    _, outputs = double.run("print a\nshow b\nprint c\nshow d")
    assert types(outputs)[1:] == ["stream", "display_data", "stream", "display_data"]


def test_a_large_cell_crosses_the_link(double):
    tail = "x" * 3_000_000
    _, outputs = double.run("print " + tail)
    assert text(outputs) == tail + "\n"


def test_a_stopped_client_costs_the_others_nothing():
    """One subscriber never reads: output waits for it, and stays interruptible."""
    k = Kernel("double")
    try:
        with zmq.Context() as context, context.socket(zmq.SUB) as deaf:
            deaf.linger = 0
            deaf.rcvhwm = 1
            deaf.setsockopt(zmq.RCVBUF, 4096)
            deaf.subscribe(b"")
            deaf.connect(f"tcp://127.0.0.1:{k.km.iopub_port}")
            assert deaf.poll(1000 * TIMEOUT)
            msg_id = k.kc.execute("count 100000000")
            k.wait_for(msg_id, "stream")
            assert k.ask("kernel_info_request", channel="control")["status"] == "ok"
            k.km.interrupt_kernel()
            assert k.ask("kernel_info_request", channel="control")["status"] == "ok"
        assert k.reply(msg_id)["ename"] == "KeyboardInterrupt"
        assert types(k.outputs(msg_id))[-1] == "error"
    finally:
        k.close()


READER = """
import sys, zmq
context = zmq.Context()
sock = context.socket(zmq.SUB)
sock.subscribe(b"")
sock.connect(sys.argv[1])
while True:
    frames = sock.recv_multipart()
    content = frames[frames.index(b"<IDS|MSG>") + 5]
    sys.stdout.buffer.write(content + b"\\n")
    sys.stdout.flush()
"""


def test_a_stopped_reader_gets_everything_in_order_when_it_goes_on(double, tmp_path):
    """50,000 lines while a subscriber is stopped: another client gets them at
    once, the front stays small, and the stopped one finds them all."""
    size = resident(double.pid)
    with open(tmp_path / "seen", "wb") as seen, subprocess.Popen(
            [sys.executable, "-c", READER, f"tcp://127.0.0.1:{double.km.iopub_port}"],
            stdout=seen) as reader:
        try:
            wait_until(lambda: (tmp_path / "seen").stat().st_size)
            os.kill(reader.pid, signal.SIGSTOP)
            want = "".join(f"line {i}\n" for i in range(50_000))
            assert text(double.run("count 50000")[1]) == want
            assert resident(double.pid) - size < 100 << 20
            os.kill(reader.pid, signal.SIGCONT)
            wait_until(lambda: b"line 49999\\n" in (tmp_path / "seen").read_bytes())
        finally:
            reader.kill()
    contents = [json.loads(line) for line in (tmp_path / "seen").read_bytes().splitlines()]
    assert "".join(c["text"] for c in contents if c.get("name") == "stdout") == want


def resident(pid):
    pages = pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def wait_until(condition):
    deadline = time.time() + TIMEOUT
    while not condition():
        assert time.time() < deadline
        time.sleep(0.02)


def test_a_sigterm_between_cells_is_named_with_the_next(double):
    pid = double.compute_pid()
    os.kill(pid, signal.SIGTERM)
    wait_gone(pid)
    reply, outputs = double.run("print alive")
    assert reply["status"] == "ok" and "SIGTERM" in text(outputs, "stderr")


def test_a_process_that_cannot_start_is_an_error_and_not_a_loop(monkeypatch):
    monkeypatch.setenv("RUSTORCH_DOUBLE_REFUSES", "1")
    k = Kernel("double")
    try:
        for _ in range(3):
            reply, _ = k.run("print alive")
            assert reply["ename"] == "ComputeProcessDied"
            assert "exited with status 1" in reply["evalue"]
            assert any("no session today" in line for line in reply["traceback"])
        assert k.ask("kernel_info_request")["status"] == "ok"
    finally:
        k.close()

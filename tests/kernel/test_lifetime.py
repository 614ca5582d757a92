# SPDX-License-Identifier: MIT
"""Interrupts, crashes, shutdown, transports, and the death of the parent."""
import contextlib
import json
import os
import pathlib
import queue
import signal
import stat
import subprocess
import sys
import time

import pytest
from client import TIMEOUT, Kernel, family, text, types, wait_gone
from dialect import KERNEL, cell


def value_of(outputs):
    return [m["content"]["data"]["text/plain"] for m in outputs
            if m["msg_type"] == "execute_result"]


# --- interrupts ---------------------------------------------------------------

@pytest.mark.parametrize("by", ["signal", "message"])
def test_an_interrupt_ends_an_endless_loop_and_keeps_variables(kernel, by):
    kernel.run(cell("set", "kept", 9))
    pid = kernel.compute_pid()
    msg_id = kernel.spin()
    waiting = kernel.kc.execute(cell("hello"))
    kernel.received()
    if by == "signal":
        kernel.km.interrupt_kernel()
    else:
        assert kernel.ask("interrupt_request", channel="control")["status"] == "ok"
    reply = kernel.reply(msg_id)
    assert reply["status"] == "error" and reply["ename"] == "KeyboardInterrupt"
    assert kernel.reply(waiting)["status"] == "aborted"
    assert types(kernel.outputs(msg_id)) == ["error"]
    assert kernel.outputs(waiting) == []
    assert value_of(kernel.run(cell("get", "kept"))[1]) == ["9"]
    assert kernel.compute_pid() == pid


def test_an_interrupt_of_an_idle_kernel_does_nothing(kernel):
    pid = kernel.compute_pid()
    for _ in range(5):
        kernel.km.interrupt_kernel()
    assert kernel.ask("interrupt_request", channel="control")["status"] == "ok"
    assert kernel.run(cell("hello"))[0]["status"] == "ok"
    assert kernel.compute_pid() == pid


def test_fifty_interrupts_at_any_moment_lose_nothing(kernel):
    """Each ends its own cell or none; the one after is never hit."""
    kernel.run(cell("set", "kept", 10))
    for i in range(50):
        msg_id = kernel.kc.execute(cell("spin"))
        if i % 2:
            kernel.wait_for(msg_id, "execute_input")
        kernel.km.interrupt_kernel()
        deadline = time.time() + TIMEOUT
        reply = None
        while not reply:    # an interrupt that came before its cell is a no-op
            with contextlib.suppress(queue.Empty):
                reply = kernel.kc.get_shell_msg(timeout=0.2)["content"]
            if not reply:   # by message: once answered, it cannot hit another
                assert time.time() < deadline
                kernel.ask("interrupt_request", channel="control")
        assert reply["ename"] == "KeyboardInterrupt"
        assert kernel.run(cell("hello"))[0]["status"] == "ok"
    assert value_of(kernel.run(cell("get", "kept"))[1]) == ["10"]


# --- crashes ------------------------------------------------------------------

def test_without_checkpoints_sigsegv_is_an_error_and_a_fresh_session(fresh):
    fresh.run("%checkpoints off")
    fresh.run(cell("set", "gone", 1))
    count = fresh.run(cell("hello"))[0]["execution_count"]
    msg_id = fresh.spin()
    waiting = fresh.kc.execute(cell("hello"))
    fresh.received()
    pid = fresh.compute_pid()
    os.kill(pid, signal.SIGSEGV)
    reply = fresh.reply(msg_id)
    assert reply["status"] == "error" and reply["ename"] == "ComputeProcessDied"
    assert "SIGSEGV" in reply["evalue"] and "variables are gone" in reply["evalue"]
    assert any("sent by process" in line for line in reply["traceback"])
    assert types(fresh.outputs(msg_id)) == ["error"]
    assert fresh.reply(waiting)["status"] == "aborted"
    fresh.outputs(waiting)
    reply, outputs = fresh.run(cell("hello"))
    assert reply["status"] == "ok" and reply["execution_count"] == count + 2
    assert text(outputs, "stderr") == "" and fresh.compute_pid() != pid
    assert fresh.run(cell("get", "gone"))[0]["status"] == "error"
    assert fresh.ask("history_request", dict(hist_access_type="tail", n=1))["history"]


def test_without_checkpoints_a_death_between_cells_is_said_with_the_next(fresh):
    fresh.run("%checkpoints off")
    fresh.run(cell("set", "gone", 1))
    pid = fresh.compute_pid()
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)
    reply, outputs = fresh.run(cell("hello"))
    assert reply["status"] == "ok" and "hello" in text(outputs)
    assert "variables are gone" in text(outputs, "stderr")
    assert text(fresh.run(cell("hello"))[1], "stderr") == ""
    found = fresh.ask("complete_request", dict(code=cell("get", "gon"), cursor_pos=99))
    assert "gone" not in found["matches"]


# --- the end ------------------------------------------------------------------

@pytest.mark.parametrize("channel", ["control", "shell"])
@pytest.mark.parametrize("running", [False, True])
def test_shutdown_replies_publishes_and_ends_with_zero(fresh, channel, running):
    compute = fresh.compute_pid()
    if running:
        fresh.spin()
    msg_id = fresh.send("shutdown_request", {"restart": True}, channel)
    reply = getattr(fresh.kc, channel + "_channel").get_msg(timeout=TIMEOUT)
    assert reply["content"] == {"status": "ok", "restart": True}
    fresh.wait_for(msg_id, "shutdown_reply", restart=True)
    fresh.wait_for(msg_id, "status", execution_state="idle")
    assert fresh.km.provisioner.process.wait(timeout=TIMEOUT) == 0
    wait_gone(compute)


def test_sigterm_ends_both_processes(fresh):
    compute = fresh.compute_pid()
    os.kill(fresh.pid, signal.SIGTERM)
    assert fresh.km.provisioner.process.wait(timeout=TIMEOUT) == 0
    wait_gone(compute)


def test_the_compute_process_does_not_outlive_the_front(fresh):
    compute = fresh.compute_pid()
    fresh.spin()
    os.kill(fresh.pid, signal.SIGKILL)
    wait_gone(compute)


STARTER = """
import os, sys, time
from jupyter_client.manager import KernelManager
km = KernelManager(kernel_name=sys.argv[1])
km.start_kernel()
kc = km.client(); kc.start_channels(); kc.wait_for_ready(timeout=60)
print(km.provisioner.pid, flush=True)
time.sleep(600)
"""


def test_the_kernel_ends_with_the_process_that_started_it():
    starter = subprocess.Popen([sys.executable, "-c", STARTER, KERNEL], stdout=subprocess.PIPE,
                               text=True)
    pid = int(starter.stdout.readline())
    starter.kill()
    starter.wait()
    wait_gone(pid)


# --- transports and start -----------------------------------------------------

def test_ipc_sockets_are_private_and_removed(tmp_path):
    k = Kernel(KERNEL, transport="ipc", ip=str(tmp_path / "k"))
    try:
        assert k.run(cell("hello"))[0]["status"] == "ok"
        sockets = list(tmp_path.glob("k-*"))
        assert len(sockets) == 5
        assert all(stat.S_IMODE(s.stat().st_mode) & 0o077 == 0 for s in sockets)
        k.km.shutdown_kernel()
        assert list(tmp_path.glob("k-*")) == []
    finally:
        k.close()


def start_with(path, *more):
    program = json.loads(pathlib.Path(
        os.environ["JUPYTER_PATH"], "kernels", KERNEL, "kernel.json").read_text())["argv"][0]
    return subprocess.run([program, *more, "-f", str(path)], capture_output=True, text=True,
                          timeout=TIMEOUT)


def test_a_bad_connection_file_is_refused_with_a_reason(tmp_path, kernel):
    path = tmp_path / "c.json"
    assert "No such file" in start_with(path).stderr
    path.write_text("{}")
    path.chmod(0o644)
    assert "644" in start_with(path).stderr
    path.chmod(0o600)
    assert "shell_port" in start_with(path).stderr
    taken = json.loads(pathlib.Path(kernel.km.connection_file).read_text())
    path.write_text(json.dumps(taken))
    result = start_with(path, "--unknown-option")
    assert result.returncode == 1 and "cannot bind" in result.stderr
    assert taken["key"] not in result.stderr


def test_the_heart_beats_while_a_cell_runs(kernel):
    import zmq
    msg_id = kernel.spin()
    with zmq.Context() as context, context.socket(zmq.REQ) as heart:
        heart.linger = 0
        heart.connect(f"tcp://127.0.0.1:{kernel.km.hb_port}")
        heart.send(b"\x00any bytes\xff")
        assert heart.poll(1000 * TIMEOUT) and heart.recv() == b"\x00any bytes\xff"
    kernel.km.interrupt_kernel()
    kernel.reply(msg_id)


def sleeps(pid):
    """How often each thread of the process and of those below it went to sleep."""
    found = {}
    for one in [pid, *family(pid)]:
        for status in pathlib.Path(f"/proc/{one}/task").glob("*/status"):
            line = next(x for x in status.read_text().splitlines() if x.startswith("voluntary"))
            found[status] = int(line.split()[1])
    return found


def test_an_idle_kernel_wakes_no_thread(fresh):
    fresh.run(cell("set", "a", 1))
    fresh.run(cell("hello"))
    fresh.kc.stop_channels()        # its heartbeat
    before, deadline = None, time.time() + TIMEOUT
    while (now := sleeps(fresh.pid)) != before:
        assert time.time() < deadline, (before, now)
        before = now
        time.sleep(2)

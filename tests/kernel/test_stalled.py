# SPDX-License-Identifier: MIT
"""Clients that stop reading: nothing is lost, nobody else waits, memory is bounded.

The stalled client is a process of its own, stopped with SIGSTOP, so that not
even its ZeroMQ thread takes anything.
"""
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import time

import pytest
from client import TIMEOUT, Kernel, text
from dialect import KERNEL, cell
from torture import case, some

pytestmark = pytest.mark.skipif(KERNEL != "rustorch", reason="about the language")

READER = """
import json, sys
from jupyter_client.blocking import BlockingKernelClient
kc = BlockingKernelClient(connection_file=sys.argv[1])
kc.load_connection_file()
kc.start_channels()
kc.wait_for_ready(timeout=60)
print("ready", flush=True)
pieces, seen = {"stdout": [], "stderr": []}, []
while True:
    msg = kc.get_iopub_msg(timeout=300)
    kind = msg["msg_type"]
    if kind == "stream":
        pieces[msg["content"]["name"]].append(msg["content"]["text"])
        if "LAST" in msg["content"]["text"]:
            break
    elif kind != "status":
        seen.append(kind)
lines = "".join(pieces["stdout"]).splitlines()
numbers = [int(l.split()[1]) for l in lines if l.startswith("line ") and l.split()[1].isdigit()]
print(json.dumps(dict(count=len(numbers), ordered=numbers == list(range(len(numbers))),
                      errors="".join(pieces["stderr"]), seen=len(seen))), flush=True)
"""
LINES = 200_000
PRINT = ('for (int i = 0; i < {0}; i++) {{ printf("line %d {1}\\n", i); }}', "." * 100)


class Reader:
    """A client in a process of its own."""

    def __init__(self, kernel):
        self.process = subprocess.Popen([sys.executable, "-c", READER, kernel.km.connection_file],
                                        stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def report(self):
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def reader(fresh):
    r = Reader(fresh)
    yield r
    r.close()


def peak(pid):
    """MiB of memory that a process has had at most."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no peak")


def spilled(pid):
    """Bytes on disk in files without a name."""
    total = 0
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            name = os.readlink(fd)
            if name.endswith("(deleted)") and not name.startswith("/memfd:"):
                total += os.stat(fd).st_blocks * 512
        except OSError:
            pass
    return total


def wait_shrunk(pid):
    """Until no output waits in a file."""
    deadline = time.monotonic() + TIMEOUT
    while spilled(pid) > 1 << 20:      # the file system may keep a block
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return True


def fill(kernel, lines=LINES):
    reply, outputs = kernel.run(PRINT[0].format(lines, PRINT[1]))
    assert reply["status"] == "ok"
    return outputs


def numbers(outputs):
    return [int(line.split()[1]) for line in text(outputs).splitlines()]


def test_200000_lines_reach_a_client_that_was_stopped(fresh, reader):
    before = peak(fresh.pid)
    reader.stop()
    began = time.monotonic()
    outputs = fill(fresh)
    took = time.monotonic() - began
    assert numbers(outputs) == list(range(LINES))     # the other client waits for nobody
    assert text(outputs, "stderr") == ""
    held = spilled(fresh.pid)
    assert held > 5 << 20                             # the rest is in the sockets
    assert fresh.run(cell("hello"))[0]["status"] == "ok"
    fresh.run('println!(""); println!("LAST");')
    reader.go_on()
    got = reader.report()
    assert got["count"] == LINES and got["ordered"] and got["errors"] == ""
    grown = peak(fresh.pid) - before
    print(f"200,000 lines in {took:.1f} s, {held >> 20} MiB in the file, "
          f"front's peak {peak(fresh.pid):.0f} MiB, {grown:.0f} above its start")
    assert grown < 48
    assert wait_shrunk(fresh.pid)                     # given back to the disk


def test_many_small_messages_wait_in_order_too(fresh, reader):
    n = 5_000
    reader.stop()
    reply, outputs = fresh.run(
        f'for (int i = 0; i < {n}; i++) {{ printf("line %d\\n", i); eprintf(".\\n"); }}')
    assert reply["status"] == "ok" and numbers(outputs) == list(range(n))
    fresh.run('println!(""); println!("LAST");')
    reader.go_on()
    got = reader.report()
    assert got["count"] == n and got["ordered"] and got["errors"] == ".\n" * n


def test_a_stopped_client_that_dies_leaves_nothing(fresh, reader):
    reader.stop()
    fill(fresh, 150_000)
    assert spilled(fresh.pid)
    reader.close()
    assert wait_shrunk(fresh.pid)
    assert fresh.run(cell("hello"))[0]["status"] == "ok"


@pytest.fixture
def small(monkeypatch):
    """A kernel that keeps 8 MiB for a client."""
    monkeypatch.setenv("RUSTORCH_OUTPUT_MIB", "8")
    k = Kernel(KERNEL)
    yield k
    k.close()


def test_at_the_limit_the_user_is_told_at_once_and_only_that_client_misses_output(small):
    reader = Reader(small)
    try:
        reader.stop()
        outputs = fill(small, 3 * LINES)
        assert numbers(outputs) == list(range(3 * LINES))
        assert "more output waits for a client than is kept" in text(outputs, "stderr")
        assert fill(small, 1000)
        reader.go_on()
        deadline = time.monotonic() + TIMEOUT
        while "lines were dropped" not in small.log():  # said once it reads again
            assert time.monotonic() < deadline
            time.sleep(0.05)
        small.run('println!(""); println!("LAST");')
        got = reader.report()
        assert 50_000 < got["count"] < 3 * LINES
        assert "it may miss what comes now" in got["errors"]
        said = re.search(r"\[about (\d+) lines were dropped here", got["errors"])
        missed = 3 * LINES + 1000 - got["count"]
        assert said and missed <= int(said[1]) <= missed + LINES
        assert "because more waited for it than is kept" in got["errors"]
        assert peak(small.pid) < 120
    finally:
        reader.close()


def test_what_nobody_reads_at_the_limit_is_dropped_with_a_word_where_it_is_missing(small):
    """The only client stalls: prints wait for it, then they are counted instead of kept."""
    reader = Reader(small)
    try:
        small.kc.stop_channels()
        reader.stop()
        blocking = small.km.client()
        blocking.start_channels(iopub=False, stdin=False, hb=False)
        msg_id = blocking.execute(PRINT[0].format(3 * LINES, PRINT[1]) + 'printf("the end\\n");')
        assert small.reply(msg_id, blocking)["status"] == "ok"      # prints did not wait for ever
        reader.go_on()
        deadline = time.monotonic() + TIMEOUT
        while "lines were dropped" not in small.log():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        small.reply(blocking.execute('println!(""); println!("LAST");'), blocking)
        got = reader.report()
        said = re.search(r"\[(\d+) lines were dropped here .* no client read for 10 s", got["errors"])
        # Every line is there or counted; those that were cut in two may be both or neither.
        assert said and abs(got["count"] + int(said[1]) - 3 * LINES) < 100
        assert peak(small.pid) < 120
        blocking.stop_channels()
        small.kc = small.client()
    finally:
        reader.close()


def test_a_hundred_megabytes_wait_in_the_file_and_arrive(fresh, reader):
    lines = some(100_000, 1_200_000)
    before = peak(fresh.pid)
    with case("100 MB of output for a stopped client"):
        reader.stop()
        assert numbers(fill(fresh, lines)) == list(range(lines))
        held = spilled(fresh.pid)
        assert held > some(1, 100) << 20
        fresh.run('println!(""); println!("LAST");')
        reader.go_on()
        got = reader.report()
        assert got["count"] == lines and got["ordered"] and got["errors"] == ""
        print(f"{held >> 20} MiB in the file, front's peak {peak(fresh.pid) - before:.0f} MiB more")
        assert peak(fresh.pid) - before < 48 and wait_shrunk(fresh.pid)


def test_a_kernel_without_room_on_disk_says_so_and_keeps_what_fits_in_memory():
    started = Kernel(KERNEL)
    try:
        reader = Reader(started)
        # No file may grow, as on a full disk.
        resource.prlimit(started.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        reader.stop()
        outputs = fill(started, 100_000)
        assert numbers(outputs) == list(range(100_000))
        said = text(outputs, "stderr")
        assert said.count("cannot be kept in a file") == 1 and "File too large" in said
        again = text(fill(started, 20_000), "stderr")
        assert "cannot be kept in a file" not in again
        started.run('println!(""); println!("LAST");')
        reader.go_on()
        got = reader.report()
        assert got["count"] >= 120_000 and peak(started.pid) < 150
        reader.close()
    finally:
        started.close()

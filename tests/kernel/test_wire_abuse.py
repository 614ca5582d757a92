# SPDX-License-Identifier: MIT
"""What anybody who reaches the ports can send: the kernel drops it and serves.

Reduced by default; RUSTORCH_TORTURE=1 runs the whole. After (and during) every
abuse the same is asked: control answers, a cell runs, its variable is there,
no memory and no file descriptor was lost.
"""
import contextlib
import json
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import zmq
from client import TIMEOUT, Kernel, text
from dialect import KERNEL, cell
from test_damage import frames

WHOLE = bool(os.environ.get("RUSTORCH_TORTURE"))
PORTS = ("shell", "control", "stdin", "iopub", "hb")
DELIMITER = b"<IDS|MSG>"


def rss(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) >> 10      # MiB


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def settled(kernel, most):
    """Connections that were closed are noticed in a moment."""
    deadline = time.time() + TIMEOUT
    while descriptors(kernel.pid) > most:
        assert time.time() < deadline, f"{descriptors(kernel.pid)} descriptors, had {most}"
        time.sleep(0.05)


@pytest.fixture
def victim(kernel):
    """The kernel, which must be unharmed afterwards."""
    kernel.run(cell("set", "dear", 4711))
    had, fds = rss(kernel.pid), descriptors(kernel.pid)
    yield kernel
    assert serves(kernel)
    _, outputs = kernel.run(cell("get", "dear"))
    assert "4711" in str([m["content"] for m in outputs])
    settled(kernel, fds + 2)
    assert rss(kernel.pid) < had + 200


def serves(kernel):
    assert kernel.ask("kernel_info_request", channel="control")["status"] == "ok"
    return kernel.ask("kernel_info_request")["status"] == "ok"


@contextlib.contextmanager
def dealer(kernel, channel, kind=zmq.DEALER):
    with zmq.Context() as context, context.socket(kind) as s:
        s.linger = 5000
        s.connect(f"tcp://127.0.0.1:{getattr(kernel.km, channel + '_port')}")
        yield s


# --- frames and signatures ----------------------------------------------------

@pytest.mark.parametrize("channel", ["shell", "control", "stdin"])
def test_no_random_frames_are_answered(victim, channel):
    rng = random.Random(channel)
    sizes = [0, 8, 16, 64, 1000, 70_000, 1 << 20]
    with dealer(victim, channel) as s:
        for _ in range(2000 if WHOLE else 300):
            parts = [rng.choice([b"", DELIMITER, DELIMITER[:-1], DELIMITER + b"x", b"{}", b"i" * 5])
                     if rng.random() < 0.8 else rng.randbytes(8) * (rng.choice(sizes) // 8)
                     for _ in range(rng.randrange(1, 21))]
            s.send_multipart(parts)
        s.send_multipart([DELIMITER, b"x" * ((64 if WHOLE else 8) << 20), b"{}"])
        assert serves(victim)
        good = frames(victim)
        if channel != "stdin":
            s.send_multipart(good)      # and what is right is answered, alone
            assert s.poll(1000 * TIMEOUT)
            assert s.recv_multipart()[3] == good[2]
        assert not s.poll(100)


def test_no_signature_but_the_right_one_passes(victim):
    good = frames(victim)
    rng = random.Random(1)
    right = good[1]
    wrong = [right[:n] for n in range(64)] + [right + b"0" * n for n in range(1, 65)]
    wrong += [right.upper(), right[::-1], b"\0" * 64, right[:-1] + b"\0", b" " + right[1:]]
    for i in range(64):                 # every single place counts
        wrong.append(right[:i] + (b"1" if right[i:i + 1] == b"0" else b"0") + right[i + 1:])
    wrong += [rng.randbytes(64).hex().encode()[:64] for _ in range(20_000 if WHOLE else 200)]
    with dealer(victim, "shell") as s:
        for signature in wrong:
            s.send_multipart([good[0], signature, *good[2:]])
        s.send_multipart(good)
        assert s.poll(1000 * TIMEOUT)
        assert json.loads(s.recv_multipart()[2])["msg_type"] == "kernel_info_reply"
        assert not s.poll(100)


def test_each_signed_part_is_covered(victim):
    good = frames(victim)
    with dealer(victim, "shell") as s:
        for i in range(2, 6):
            for changed in (good[i] + b" ", good[i][:-1], b" " + good[i], b""):
                s.send_multipart([*good[:i], changed, *good[i + 1:]])
        swapped = [*good[:3], good[5], good[4], good[3]]
        s.send_multipart(swapped if swapped != good else [DELIMITER])
        assert serves(victim)
    # {} and {} swapped is the same message: nothing else may have come.


def test_a_flood_of_bad_messages_delays_nobody_and_fills_no_log(fresh):
    had = len(fresh.log())
    with dealer(fresh, "shell") as a, dealer(fresh, "control") as b:
        for _ in range(200_000 if WHOLE else 20_000):
            a.send_multipart([DELIMITER, b"0" * 64, b"{}", b"{}", b"{}", b"{}"])
            b.send_multipart([b"x"])
        assert serves(fresh)
        assert fresh.run(cell("hello"))[0]["status"] == "ok"
        time.sleep(1.1)                     # the next second may speak again
        b.send_multipart([b"x"])
        assert serves(fresh)
    said = fresh.log()[had:]
    assert "message dropped" in said and len(said) < 1 << 20
    assert "more lines" in said


@pytest.mark.skipif(not WHOLE, reason="RUSTORCH_TORTURE=1 sends 65,600 messages")
def test_what_left_the_window_is_refused_as_stale(victim):
    def message(i):
        return frames(victim, "comm_msg", header=dict(
            msg_id=str(i), session="flood", username="u", msg_type="comm_msg", version="5.3",
            date=f"2026-01-01T00:{i // 60_000:02}:{i // 1000 % 60:02}.{i % 1000:03}Z"))
    first = message(0)
    with dealer(victim, "shell") as s:
        s.send_multipart(first)
        for i in range(1, 65_600):
            s.send_multipart(message(i))
            if i % 500 == 0:
                victim.settle()
        s.send_multipart(first)
        s.send_multipart(message(65_599))
        victim.settle()
    assert "came long before" in victim.log() and "came before" in victim.log()


# --- content ------------------------------------------------------------------

def test_signed_nonsense_is_answered_or_dropped(victim):
    deep = b"[" * 100_000 + b"]" * 100_000
    contents = [deep, b'{"code":' + deep + b"}", b'{"code":"\\u0000"}', b'{"code":"\\udc00"}',
                b'{"code":NaN}', b'{"code":1e999}', b'{"code":' + b"9" * 400 + b"}",
                b'{"code":"a","code":"b"}', b'{"user_expressions":' + deep + b"}", b"\xef\xbb\xbf{}",
                b'{"code":{"a":["b"]}}', b'"text"', b"7", b"null", b"{}" * 1000,
                b'{"code":"1","silent":"yes","store_history":7,"user_expressions":[1]}',
                b'{"cursor_pos":1e400}', b'{"hist_access_type":{},"n":-1}', b'{"n":1e300}',
                b'{"session":99999999999999999999}', b'{"comm_id":7,"target_name":[]}']
    kinds = ["execute_request", "complete_request", "inspect_request", "is_complete_request",
             "history_request", "comm_info_request", "comm_open", "kernel_info_request"]
    asked = 0
    with dealer(victim, "shell") as s:
        for kind in kinds:
            for content in contents:
                s.send_multipart(frames(victim, kind, content))
                asked += kind.endswith("request")
        for _ in range(asked):
            assert s.poll(1000 * TIMEOUT)
            assert json.loads(s.recv_multipart()[5])["status"]


def test_a_very_large_cell_is_answered(victim):
    size = (50 if WHOLE else 5) << 20
    reply, _ = victim.run('"' + "x" * size + '";' if KERNEL == "rustorch" else "print " + "x" * size)
    assert reply["status"] in ("ok", "error")


def test_a_type_as_long_as_a_header_may_be_is_ignored(victim):
    header = dict(msg_id="m", msg_type="x" * 60_000 + "_request", session="s")
    escape = dict(msg_id="n", msg_type="\x1b]0;owned\x07_request\n\n", session="s")
    with dealer(victim, "shell") as s:
        s.send_multipart(frames(victim, header=header))
        s.send_multipart(frames(victim, header=escape))
        assert serves(victim)
    assert "\x1b" not in victim.log() and "\x07" not in victim.log()


# --- subscribers --------------------------------------------------------------

def test_subscribers_that_never_stop_subscribing_delay_no_output(victim):
    with dealer(victim, "iopub", zmq.XSUB) as s:
        for i in range(10_000):
            s.send(b"\x01topic %d" % i)
        for junk in (b"", b"\x00", b"\x02junk", b"\x01\xff\xfe"):
            s.send(junk)
        s.send_multipart([b"\x01a", b"\x01b", b"c"])
        reply, outputs = victim.run(cell("hello"))
        assert reply["status"] == "ok" and text(outputs) == "hello, world\n"


def test_a_topic_of_a_megabyte_ends_its_connection(victim):
    for size in (1 << 16, 1 << 20):
        s = speak(victim.km.iopub_port, b"SUB")
        with contextlib.suppress(ConnectionError):
            s.sendall(b"\x02" + struct.pack(">Q", size + 1) + b"\x01" + b"t" * size)
        assert closed(s)
        s.close()


# --- connections --------------------------------------------------------------

GREETING = b"\xff" + b"\0" * 8 + b"\x7f\x03\0NULL" + b"\0" * 48


def ready(kind):
    body = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind
    return b"\x04" + bytes([len(body)]) + body


def speak(port, kind=b"DEALER"):
    """A connection that has shaken hands by ZMTP 3.0 and may now send frames."""
    s = socket.create_connection(("127.0.0.1", port))
    s.settimeout(TIMEOUT)
    s.sendall(GREETING + ready(kind))
    got = b""
    while len(got) < 64 + 2:
        got += s.recv(4096)
    return s


def closed(s):
    """Whether the other side hangs up."""
    with contextlib.suppress(ConnectionError):
        while s.recv(65536):
            pass
    return True


def test_a_frame_that_claims_to_be_huge_takes_no_memory(victim):
    had = rss(victim.pid)
    for channel, limit in (("shell", 256 << 20), ("control", 1 << 24), ("stdin", 1 << 26),
                           ("hb", 1 << 16)):
        for size in (limit + 1, 1 << 40, (1 << 63) - 1, (1 << 64) - 1):
            s = speak(getattr(victim.km, channel + "_port"),
                      b"REQ" if channel == "hb" else b"DEALER")
            s.sendall(b"\x02" + struct.pack(">Q", size) + b"x" * 100)
            assert closed(s)
            s.close()
    assert rss(victim.pid) < had + 20


def test_a_message_that_never_ends_holds_up_nobody(victim):
    held = [speak(p) for p in (victim.km.shell_port, victim.km.control_port, victim.km.stdin_port)]
    for s in held:
        for _ in range(1000):
            s.sendall(b"\x01\x09" + DELIMITER)         # "more follows", for ever
    assert serves(victim)
    assert victim.run(cell("hello"))[0]["status"] == "ok"
    for s in held:
        s.close()


def test_a_message_cut_off_in_the_middle_is_nobody_s(victim):
    for _ in range(20):
        s = speak(victim.km.shell_port)
        s.sendall(b"\x01\x09" + DELIMITER + b"\x01\x40" + b"0" * 64 + b"\x00\x7f" + b"half")
        s.close()
    assert serves(victim)


def test_half_open_and_talkative_connections_keep_no_client_out(victim):
    rng = random.Random(2)
    crowd = []
    for i in range(1000 if WHOLE else 100):
        for port in victim.km.ports:
            s = socket.create_connection(("127.0.0.1", port))
            with contextlib.suppress(ConnectionError):
                s.sendall([b"", GREETING[:5], GREETING[:20], GREETING, rng.randbytes(200),
                           b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", GREETING + rng.randbytes(300),
                           GREETING + ready(b"PULL"), b"\x16\x03\x01" + rng.randbytes(50)][i % 9])
            crowd.append(s)
    other = victim.stranger()
    other.wait_for_ready(timeout=TIMEOUT)
    other.stop_channels()
    assert serves(victim)
    with dealer(victim, "hb", zmq.REQ) as heart:
        heart.send(b"beat")
        assert heart.poll(1000 * TIMEOUT) and heart.recv() == b"beat"
    for s in crowd:
        s.close()


ASKER = """
import sys
from jupyter_client.blocking import BlockingKernelClient
kc = BlockingKernelClient(connection_file=sys.argv[1])
kc.load_connection_file()
kc.start_channels()
kc.wait_for_ready(timeout=60)
kc.execute(sys.argv[2], allow_stdin=True)
kc.get_stdin_msg(timeout=60)
print("asked", flush=True)
sys.stdin.read()
"""


def test_a_client_that_dies_while_asked_leaves_a_kernel_that_can_be_interrupted(fresh):
    asker = subprocess.Popen([sys.executable, "-c", ASKER, fresh.km.connection_file,
                              cell("ask", "name? ")], stdout=subprocess.PIPE,
                             stdin=subprocess.PIPE, text=True)
    assert asker.stdout.readline() == "asked\n"
    waiting = fresh.kc.execute(cell("hello"))
    fresh.received()
    asker.kill()
    asker.communicate()
    fresh.ask("interrupt_request", channel="control")
    assert fresh.reply(waiting)["status"] == "aborted"
    assert fresh.run(cell("hello"))[0]["status"] == "ok"


# --- many ---------------------------------------------------------------------

def test_many_kernels_start_at_once():
    n = 200 if WHOLE else 12

    def one(i):
        k = Kernel(KERNEL)
        try:
            return text(k.run(cell("hello"))[1])
        finally:
            k.close()

    with ThreadPoolExecutor(16 if WHOLE else 6) as pool:
        assert list(pool.map(one, range(n))) == ["hello, world\n"] * n


def test_a_terminated_kernel_under_fire_ends_in_order(fresh):
    with dealer(fresh, "shell") as s:
        for _ in range(5000):
            s.send_multipart([DELIMITER, b"0" * 64, b"{}", b"{}", b"{}", b"{}"])
        os.kill(fresh.pid, signal.SIGTERM)
        assert fresh.km.provisioner.process.wait(timeout=TIMEOUT) == 0
        s.linger = 0

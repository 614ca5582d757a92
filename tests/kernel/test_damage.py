# SPDX-License-Identifier: MIT
"""Bad signatures, damaged frames, replays, junk from subscribers, unknown messages.

After each of them the kernel answers as if nothing had been.
"""
import hashlib
import hmac
import json
import socket
import uuid

import pytest
import zmq
from client import TIMEOUT, drain, types
from dialect import cell

CHANNELS = ("shell", "control")


@pytest.fixture
def raw(kernel):
    """A DEALER per channel that sends any frames."""
    context = zmq.Context()
    sockets = {}
    for channel in CHANNELS:
        sockets[channel] = context.socket(zmq.DEALER)
        sockets[channel].connect(f"tcp://127.0.0.1:{getattr(kernel.km, channel + '_port')}")
    yield sockets
    context.destroy(linger=200)


def frames(kernel, msg_type="kernel_info_request", content=b"{}", header=None, key=None):
    head = json.dumps(header or dict(msg_id=uuid.uuid4().hex, session="s", username="u",
                                     date="2026-01-01T00:00:00Z", msg_type=msg_type,
                                     version="5.3")).encode()
    parts = [head, b"{}", b"{}", content]
    h = hmac.new(key or kernel.km.session.key, digestmod=hashlib.sha256)
    for part in parts:
        h.update(part)
    return [b"<IDS|MSG>", h.hexdigest().encode(), *parts]


def still_serves(kernel, raw_socket=None, good=None):
    assert kernel.ask("kernel_info_request", channel="control")["status"] == "ok"
    assert kernel.run(cell("hello"))[0]["status"] == "ok"


def silent(sock, ms=150):
    return not sock.poll(ms)


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_bad_signature_is_dropped(kernel, raw, channel):
    good = frames(kernel)
    for signature in (b"", b"0" * 64, b"x", b"f" * 128, good[1][:63], good[1].upper()):
        raw[channel].send_multipart([good[0], signature, *good[2:]])
    raw[channel].send_multipart(frames(kernel, key=b"another"))
    assert silent(raw[channel])
    raw[channel].send_multipart(good)     # none of them spoilt the true one
    assert raw[channel].poll(1000 * TIMEOUT)
    still_serves(kernel)


@pytest.mark.parametrize("channel", CHANNELS)
def test_damaged_frames_are_dropped(kernel, raw, channel):
    good = frames(kernel)
    for n in range(6):
        raw[channel].send_multipart(good[:n] or [b""])
    raw[channel].send_multipart([b"i"] * 300)
    raw[channel].send_multipart([b"i"] * 70 + good)
    raw[channel].send_multipart([b"<IDS|MSG>"] * 7)
    raw[channel].send_multipart([b"x" * 5_000_000])
    raw[channel].send_multipart(frames(kernel, header=["no", "object"]))
    raw[channel].send_multipart(frames(kernel, header=dict(msg_id=1, msg_type=2)))
    raw[channel].send_multipart(frames(kernel, header=dict(msg_id="a" * 70000, msg_type="x")))
    assert silent(raw[channel])
    still_serves(kernel)


def test_a_replay_is_answered_once(kernel, raw):
    good = frames(kernel)
    raw["shell"].send_multipart(good)
    assert raw["shell"].poll(1000 * TIMEOUT)
    raw["shell"].recv_multipart()
    raw["shell"].send_multipart(good)
    raw["control"].send_multipart(good)
    assert silent(raw["shell"]) and silent(raw["control"])
    still_serves(kernel)


def test_extra_routing_frames_and_buffers_are_carried_or_ignored(kernel, raw):
    raw["shell"].send_multipart([b"one", b"two", *frames(kernel), b"buffer", b"buffer"])
    assert raw["shell"].poll(1000 * TIMEOUT)
    assert raw["shell"].recv_multipart()[:3] == [b"one", b"two", b"<IDS|MSG>"]


@pytest.mark.parametrize("content", [b"", b"[1", b"{\"a\": 1e999}", b"{\"a\": 99999999999999999999}",
                                     b"{\"code\": \"\\ud800\"}", b"\xff", b"[" * 100000])
def test_unreadable_content_gets_an_error_reply(kernel, raw, content):
    for msg_type in ("execute_request", "complete_request"):
        raw["shell"].send_multipart(frames(kernel, msg_type, content))
        assert raw["shell"].poll(1000 * TIMEOUT)
        reply = raw["shell"].recv_multipart()
        body = json.loads(reply[5])
        assert body["status"] == "error" and body["evalue"].startswith(msg_type)
        assert json.loads(reply[2])["msg_type"] == msg_type.replace("request", "reply")
    still_serves(kernel)


@pytest.mark.parametrize("channel", CHANNELS)
def test_an_unknown_message_gets_busy_and_idle_and_no_reply(kernel, channel):
    for msg_type in ("no_such_request", "nonsense", "comm_msg", "debug_request"):
        drain(kernel.kc.iopub_channel)
        msg_id = kernel.send(msg_type, {"comm_id": "x"}, channel)
        kernel.wait_for(msg_id, "status", execution_state="busy")
        kernel.wait_for(msg_id, "status", execution_state="idle")
        assert drain(getattr(kernel.kc, channel + "_channel")) == []


def test_unknown_header_fields_come_back_in_the_parent(kernel, raw):
    header = dict(msg_id="mine", session="s", username="ü", date="d", msg_type="kernel_info_request",
                  version="9.9", subshell_id=None, extra={"a": [1, 2.50]})
    sent = frames(kernel, header=header)
    raw["shell"].send_multipart(sent)
    assert raw["shell"].poll(1000 * TIMEOUT)
    assert raw["shell"].recv_multipart()[3] == sent[2]


def test_junk_from_a_subscriber_is_ignored(kernel):
    with zmq.Context() as context, context.socket(zmq.XSUB) as sub:
        sub.linger = 200
        sub.connect(f"tcp://127.0.0.1:{kernel.km.iopub_port}")
        for junk in (b"", b"\x00", b"\x02", b"\x01\xff\xfe", b"\x01" + b"t" * 100000, b"hello",
                     b"\x00never"):
            sub.send(junk)
        sub.send_multipart([b"\x01", b"second"])
        still_serves(kernel)


def test_bytes_that_are_no_zmtp_do_not_disturb(kernel):
    for port in kernel.km.ports:
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n" + bytes(range(256)))
    half_open = [socket.create_connection(("127.0.0.1", p)) for p in kernel.km.ports]
    still_serves(kernel)
    for s in half_open:
        s.close()


def test_comms_are_refused(kernel):
    msg_id = kernel.send("comm_open", dict(comm_id="c1", target_name="jupyter.widget", data={}))
    outputs = kernel.outputs(msg_id)
    assert types(outputs) == ["comm_close"] and outputs[0]["content"]["comm_id"] == "c1"
    assert kernel.ask("comm_info_request")["comms"] == {}

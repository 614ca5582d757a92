# SPDX-License-Identifier: MIT
"""Random requests, many at once, against a model of what must come back.

Whatever is sent: one busy first and one idle last for each request, its reply
if it has one, its outputs between them, counters as counted here.
"""
import random

import pytest
from client import TIMEOUT
from dialect import cell


def requests(rng, n):
    """(type, content, channel, whether it has a reply) n times."""
    def execute(code, **flags):
        return "execute_request", dict(code=code, silent=False, store_history=True,
                                       user_expressions={}, allow_stdin=False,
                                       stop_on_error=False, **flags), "shell", True
    kinds = [
        lambda: execute(cell("hello")),
        lambda: execute(cell("set", "v", rng.randrange(99))),
        lambda: execute(cell("fail")),
        lambda: execute(cell("count", rng.randrange(400))),
        lambda: execute(cell("blank")),
        lambda: ("execute_request", dict(code=cell("hello"), silent=True), "shell", True),
        lambda: ("execute_request", dict(code=None), "shell", True),
        lambda: ("complete_request", dict(code="v", cursor_pos=1), "shell", True),
        lambda: ("inspect_request", dict(code="v", cursor_pos=1), "shell", True),
        lambda: ("is_complete_request", dict(code="v"), "shell", True),
        lambda: ("history_request", dict(hist_access_type="tail", n=3), "shell", True),
        lambda: ("kernel_info_request", {}, rng.choice(["shell", "control"]), True),
        lambda: ("comm_info_request", {}, "shell", True),
        lambda: ("comm_open", dict(comm_id="c", target_name="t", data={}), "shell", False),
        lambda: ("no_such_message", {}, rng.choice(["shell", "control"]), False),
        lambda: ("connect_request", {}, "control", True),
    ]
    return [rng.choice(kinds)() for _ in range(n)]


@pytest.mark.parametrize("seed", range(3))
def test_every_request_is_framed_answered_and_counted(kernel, seed):
    rng = random.Random(seed)
    counter = kernel.run(cell("hello"))[0]["execution_count"]
    sent = [(kernel.send(kind, content, channel), kind, content, channel, replies)
            for kind, content, channel, replies in requests(rng, 150)]
    ids = [s[0] for s in sent]
    expected = {s[0] for s in sent if s[4]}
    replies = {}
    for channel in ("shell", "control"):
        for _ in [s for s in sent if s[3] == channel and s[4]]:
            m = getattr(kernel.kc, channel + "_channel").get_msg(timeout=TIMEOUT)
            assert m["parent_header"]["msg_id"] not in replies
            replies[m["parent_header"]["msg_id"]] = m
    assert set(replies) == expected
    heard = {i: [] for i in ids}
    open_ = set(ids)
    while open_:
        m = kernel.kc.get_iopub_msg(timeout=TIMEOUT)
        parent = m["parent_header"]["msg_id"]
        assert parent in open_, "a message after its idle"
        state = m["content"].get("execution_state")
        assert (state == "busy") == (not heard[parent])
        heard[parent].append(m)
        if state == "idle":
            open_.discard(parent)
    for msg_id, kind, content, _, _ in sent:
        middle = [m["msg_type"] for m in heard[msg_id][1:-1]]
        reply = replies[msg_id]["content"] if msg_id in replies else None
        if kind == "execute_request":
            check_cell(content, reply, middle, heard[msg_id], counter)
            if content.get("store_history") and content["code"].strip():
                counter += 1
        elif kind == "comm_open":
            assert middle == ["comm_close"]
        else:
            assert middle == []
            assert reply is None or reply["status"] == "ok" or kind == "is_complete_request"


def check_cell(content, reply, middle, heard, counter):
    code = content["code"]
    if code is None or content["silent"]:
        assert middle == [] and reply["status"] == ("error" if code is None else "ok")
        return
    assert middle[0] == "execute_input"
    assert reply["execution_count"] == counter + 1
    assert reply["status"] == ("error" if code == cell("fail") else "ok")
    printed = "".join(m["content"]["text"] for m in heard if m["msg_type"] == "stream")
    if code == cell("hello"):
        assert printed == "hello, world\n" and len(middle) == 2
    elif code == cell("fail"):
        assert middle[1:] == ["error"]
    else:
        lines = printed.splitlines()
        assert lines == [f"line {i}" for i in range(len(lines))]

# SPDX-License-Identifier: MIT
"""input(): asked on stdin, refused where there is none, interruptible."""
import time

import pytest
from client import TIMEOUT, types
from dialect import cell


def ask(kernel, prompt="name? "):
    """A cell that asks; returns its id and the input_request."""
    msg_id = kernel.kc.execute(cell("ask", prompt), allow_stdin=True)
    return msg_id, kernel.kc.get_stdin_msg(timeout=TIMEOUT)


def results(outputs):
    return [m["content"]["data"]["text/plain"] for m in outputs
            if m["msg_type"] == "execute_result"]


def test_an_answer_reaches_the_cell(kernel):
    msg_id, request = ask(kernel)
    assert request["msg_type"] == "input_request"
    assert request["content"] == {"prompt": "name? ", "password": False}
    assert request["parent_header"]["msg_id"] == msg_id
    kernel.kc.input("Ada ☃")
    assert kernel.reply(msg_id)["status"] == "ok"
    assert "Ada ☃" in results(kernel.outputs(msg_id))[0]


def test_a_front_end_without_stdin_gets_an_error_at_once(kernel):
    reply, outputs = kernel.run(cell("ask", "name? "), allow_stdin=False)
    assert reply["status"] == "error" and "input" in reply["evalue"]
    assert types(outputs) == ["execute_input", "error"]


def test_an_answer_nobody_asked_for_is_nobody_s(kernel):
    msg_id, _ = ask(kernel)         # the stdin channel stands
    kernel.kc.input("first")
    kernel.reply(msg_id)
    kernel.kc.input("stale")
    time.sleep(0.2)                 # no message can tell that it has arrived
    msg_id, _ = ask(kernel)
    kernel.kc.input("true")
    assert kernel.reply(msg_id)["status"] == "ok"
    assert "true" in results(kernel.outputs(msg_id))[0]


def test_another_client_cannot_answer(kernel):
    other = kernel.stranger()
    other.wait_for_ready(timeout=TIMEOUT)
    try:
        msg_id, _ = ask(kernel)
        other.input("intruder")
        other.kernel_info()
        other.get_shell_msg(timeout=TIMEOUT)
        kernel.kc.input("owner")
        assert kernel.reply(msg_id)["status"] == "ok"
        assert "owner" in results(kernel.outputs(msg_id))[0]
    finally:
        other.stop_channels()


@pytest.mark.parametrize("by", ["signal", "message"])
def test_an_interrupt_ends_the_waiting(kernel, by):
    kernel.run(cell("set", "kept", 8))
    msg_id, _ = ask(kernel)
    if by == "signal":
        kernel.km.interrupt_kernel()
    else:
        assert kernel.ask("interrupt_request", channel="control")["status"] == "ok"
    assert kernel.reply(msg_id)["ename"] == "KeyboardInterrupt"
    kernel.outputs(msg_id)
    kernel.kc.input("too late")
    assert results(kernel.run(cell("get", "kept"))[1]) == ["8"]
    msg_id, _ = ask(kernel)
    kernel.kc.input("again")
    assert kernel.reply(msg_id)["status"] == "ok"
    kernel.outputs(msg_id)

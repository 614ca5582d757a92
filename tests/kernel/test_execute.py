# SPDX-License-Identifier: MIT
"""execute_request: its flags, the order of messages, what errors do to the queue."""
import time

from client import TIMEOUT, text, types
from dialect import cell


def value_of(outputs):
    return [m["content"]["data"]["text/plain"] for m in outputs
            if m["msg_type"] == "execute_result"]


def test_messages_come_in_order_and_name_their_request(kernel):
    kernel.settle()
    msg_id = kernel.kc.execute(cell("hello"))
    reply = kernel.reply(msg_id)
    seen = []
    while not seen or seen[-1][1] != "idle":
        m = kernel.kc.get_iopub_msg(timeout=TIMEOUT)
        assert m["parent_header"]["msg_id"] == msg_id
        seen.append((m["msg_type"], m["content"].get("execution_state")))
    assert seen == [("status", "busy"), ("execute_input", None), ("stream", None),
                    ("status", "idle")]
    assert reply["status"] == "ok" and reply["payload"] == []


def test_stdout_and_stderr_keep_their_order(kernel):
    _, outputs = kernel.run(cell("both"))
    streams = [(m["content"]["name"], m["content"]["text"]) for m in outputs
               if m["msg_type"] == "stream"]
    assert streams == [("stdout", "out\n"), ("stderr", "err\n"), ("stdout", "again\n")]


def test_twenty_thousand_lines_arrive_whole_in_order_in_few_messages(kernel):
    began = time.time()
    _, outputs = kernel.run(cell("count", 20000))
    assert text(outputs) == "".join(f"line {i}\n" for i in range(20000))
    # One when 64 KiB are full, or each 50 ms of a slow machine.
    assert types(outputs).count("stream") <= 20 + 20 * (time.time() - began)


def test_a_result_has_the_count_of_its_cell(kernel):
    kernel.run(cell("set", "res", 5))
    reply, outputs = kernel.run(cell("get", "res"))
    result = next(m for m in outputs if m["msg_type"] == "execute_result")
    assert result["content"]["execution_count"] == reply["execution_count"]
    assert result["content"]["data"]["text/plain"] == "5"


def test_silent_shows_nothing_and_leaves_the_counter(kernel):
    before = kernel.run(cell("hello"))[0]["execution_count"]
    reply, outputs = kernel.run(cell("silent_noise"), silent=True)
    assert outputs == [] and reply["status"] == "ok"
    reply, outputs = kernel.run(cell("fail"), silent=True)
    assert outputs == [] and reply["status"] == "error"
    assert kernel.run(cell("hello"))[0]["execution_count"] == before + 1


def test_without_store_history_the_counter_and_history_stay(kernel):
    kernel.run(cell("set", "kept", 1))
    before = kernel.run(cell("hello"))[0]["execution_count"]
    _, outputs = kernel.run(cell("set", "unkept", 1), store_history=False)
    assert types(outputs) == ["execute_input"]
    assert kernel.run(cell("hello"))[0]["execution_count"] == before + 1
    rows = kernel.ask("history_request", dict(hist_access_type="tail", n=9, output=False,
                                              raw=True))["history"]
    lines = [row[2] for row in rows]
    assert cell("set", "kept", 1) in lines and cell("set", "unkept", 1) not in lines


def test_a_blank_cell_is_ok_and_not_counted(kernel):
    before = kernel.run(cell("hello"))[0]["execution_count"]
    reply, outputs = kernel.run(cell("blank"))
    assert reply["status"] == "ok" and types(outputs) == ["execute_input"]
    assert kernel.run(cell("hello"))[0]["execution_count"] == before + 1


def test_user_expressions_each_succeed_or_fail_alone(kernel):
    kernel.run(cell("set", "ux", 7))
    reply, outputs = kernel.run(cell("hello"), user_expressions={"good": "ux", "bad": "no_such"})
    good, bad = reply["user_expressions"]["good"], reply["user_expressions"]["bad"]
    assert good["status"] == "ok" and good["data"]["text/plain"] == "7"
    assert bad["status"] == "error" and bad["ename"] and bad["traceback"]
    assert "error" not in types(outputs)


def test_an_error_is_said_once_and_keeps_variables(kernel):
    kernel.run(cell("set", "safe", 11))
    reply, outputs = kernel.run(cell("fail"))
    assert types(outputs) == ["execute_input", "error"]
    error = outputs[1]["content"]
    assert reply["status"] == "error" and reply["execution_count"]
    assert all(reply[k] == error[k] for k in ("ename", "evalue", "traceback"))
    assert "as asked" in error["evalue"] and "\n" not in error["evalue"]
    assert value_of(kernel.run(cell("get", "safe"))[1]) == ["11"]


def queue_three(kernel, stop):
    """The first waits for an answer until the others have arrived, then fails."""
    ids = [kernel.kc.execute(cell("held_fail"), stop_on_error=stop, allow_stdin=True),
           kernel.kc.execute(cell("hello")), kernel.kc.execute(cell("hello"))]
    kernel.kc.get_stdin_msg(timeout=TIMEOUT)
    info = kernel.ask("kernel_info_request")
    kernel.kc.input("go")
    replies = [kernel.reply(i)["status"] for i in ids]
    return replies, [types(kernel.outputs(i)) for i in ids], info["status"]


def test_stop_on_error_aborts_waiting_cells_and_nothing_else(kernel):
    statuses, outputs, info = queue_three(kernel, True)
    assert statuses == ["error", "aborted", "aborted"] and info == "ok"
    assert outputs[1:] == [[], []]
    assert kernel.run(cell("hello"))[0]["status"] == "ok"


def test_without_stop_on_error_the_next_cells_run(kernel):
    statuses, outputs, _ = queue_three(kernel, False)
    assert statuses == ["error", "ok", "ok"]
    assert outputs[1] == ["execute_input", "stream"]


def test_code_that_is_no_text_is_an_error_reply(kernel):
    reply = kernel.ask("execute_request", {"code": 5})
    assert reply["status"] == "error" and "code" in reply["evalue"]
    assert kernel.run(cell("hello"))[0]["status"] == "ok"


def test_unicode_goes_in_and_out(kernel):
    snow = "☃ 🔥 é"
    code = f"print {snow}" if cell("get", "x") == "get x" else f'println!("{snow}");'
    reply, outputs = kernel.run(code)
    assert text(outputs) == snow + "\n"
    assert outputs[0]["content"]["code"] == code

# SPDX-License-Identifier: MIT
"""Questions, also while a cell runs; several clients; history."""
import pytest
from client import TIMEOUT, Kernel, types
from dialect import KERNEL, cell
from jupyter_client.manager import KernelManager


def end(kernel, msg_id):
    kernel.km.interrupt_kernel()
    return kernel.reply(msg_id)


def test_kernel_info_says_what_front_ends_look_up(kernel):
    for channel in ("shell", "control"):
        info = kernel.ask("kernel_info_request", channel=channel)
        assert info["protocol_version"] == "5.6" and info["status"] == "ok"
        language = info["language_info"]
        assert language["name"] == "rustorch" and language["file_extension"] == ".rt"
        assert language["mimetype"] == "text/x-rustorch"
        assert language["codemirror_mode"] == "text/x-c++src"


def test_pygments_knows_the_lexer(kernel):
    from pygments.lexers import get_lexer_by_name
    language = kernel.ask("kernel_info_request")["language_info"]
    assert get_lexer_by_name(language["pygments_lexer"])


def test_connect_tells_the_ports(kernel):
    reply = kernel.ask("connect_request")
    assert reply["shell_port"] == kernel.km.shell_port
    assert reply["hb_port"] == kernel.km.hb_port


def test_every_question_is_answered_while_a_cell_runs(kernel):
    kernel.run(cell("set", "findable", 3))
    running = kernel.spin()
    code = cell("get", "findab")
    found = kernel.ask("complete_request", dict(code=code, cursor_pos=len(code)))
    assert found["matches"] == ["findable"]
    assert code[found["cursor_start"]:found["cursor_end"]] == "findab"
    kinds = found["metadata"]["_jupyter_types_experimental"]
    assert [k["text"] for k in kinds] == ["findable"] and kinds[0]["type"]
    code = cell("get", "findable")
    help_ = kernel.ask("inspect_request", dict(code=code, cursor_pos=len(code)))
    assert help_["found"] and "findable" in help_["data"]["text/plain"]
    assert kernel.ask("is_complete_request", dict(code=cell("hello")))["status"] == "complete"
    assert kernel.ask("history_request", dict(hist_access_type="tail", n=1))["history"]
    assert kernel.ask("comm_info_request")["comms"] == {}
    assert kernel.ask("kernel_info_request")["status"] == "ok"
    assert kernel.ask("kernel_info_request", channel="control")["status"] == "ok"
    assert end(kernel, running)["ename"] == "KeyboardInterrupt"


@pytest.mark.skipif(KERNEL != "rustorch", reason="of the language")
def test_names_are_known_as_they_are_now_among_many_that_stay(kernel):
    def look(name):
        reply = kernel.ask("inspect_request", dict(code=name, cursor_pos=len(name)))
        return reply["data"].get("text/plain", "") if reply["found"] else None

    kernel.run(" ".join(f"int many_{i} = {i};" for i in range(1500)))
    kernel.run("many_700 = -77;")
    assert "-77" in look("many_700") and "701" in look("many_701")
    kernel.run("float many_3 = 2.5; int one_more = 4321;")
    assert "2.5" in look("many_3") and "4321" in look("one_more")
    kernel.run("%reset")
    assert look("many_700") is None and look("one_more") is None
    kernel.run("int one_more = 99;")
    assert "99" in look("one_more") and look("many_3") is None


def test_an_unknown_name_is_not_found(kernel):
    reply = kernel.ask("inspect_request", dict(code="zzz_nothing", cursor_pos=3))
    assert reply["status"] == "ok" and reply["found"] is False and reply["data"] == {}


@pytest.mark.parametrize("cursor", [-5, 0, 3, 10**12, None, "x"])
def test_any_cursor_is_answered(kernel, cursor):
    for question in ("complete_request", "inspect_request"):
        assert kernel.ask(question, dict(code="é☃🔥", cursor_pos=cursor))["status"] == "ok"


def test_incomplete_code_gets_an_indent(kernel):
    code = "int f(int x) {" if KERNEL == "rustorch" else "("
    reply = kernel.ask("is_complete_request", dict(code=code))
    assert reply["status"] == "incomplete" and reply["indent"].strip() == ""


def test_a_second_client_is_welcomed_and_sees_the_first(kernel):
    kernel.settle()
    second = kernel.stranger()
    try:
        first = second.get_iopub_msg(timeout=TIMEOUT)
        assert first["msg_type"] == "iopub_welcome" and first["parent_header"] == {}
        assert first["content"] == {"subscription": ""}
        msg_id = kernel.kc.execute(cell("hello"))
        assert types(kernel.outputs(msg_id, second)) == ["execute_input", "stream"]
        assert kernel.reply(msg_id)["status"] == "ok"
        # Every message carries the kernel's own session, whoever asked.
        other = second.execute(cell("hello"))
        outputs = kernel.outputs(other)
        assert {m["header"]["session"] for m in outputs} == {first["header"]["session"]}
        assert first["header"]["session"] not in (second.session.session,
                                                  kernel.kc.session.session)
    finally:
        second.stop_channels()


def test_starting_is_said_once_after_the_first_welcome():
    km = KernelManager(kernel_name=KERNEL)
    km.start_kernel()
    kc = km.client()
    kc.start_channels()
    try:
        seen = [kc.get_iopub_msg(timeout=TIMEOUT) for _ in range(2)]
        assert types(seen) == ["iopub_welcome", "status"]
        assert seen[1]["content"] == {"execution_state": "starting"}
        kc.kernel_info()
        kc.get_shell_msg(timeout=TIMEOUT)
        states = [kc.get_iopub_msg(timeout=TIMEOUT)["content"]["execution_state"] for _ in range(2)]
        assert states == ["busy", "idle"]
    finally:
        kc.stop_channels()
        km.shutdown_kernel(now=True)


def test_history_lives_over_restarts(fresh):
    fresh.run(cell("set", "before", 41))
    fresh.run(cell("get", "before"))
    fresh.km.restart_kernel(now=True)
    fresh.kc.wait_for_ready(timeout=TIMEOUT)
    fresh.run(cell("set", "after", 1))
    rows = fresh.ask("history_request", dict(hist_access_type="tail", n=3, output=True,
                                             raw=True))["history"]
    assert [row[2] for row in rows] == [[cell("set", "before", 41), None],
                                        [cell("get", "before"), "41"],
                                        [cell("set", "after", 1), None]]
    assert rows[0][0] == rows[1][0] < rows[2][0] and [r[1] for r in rows] == [1, 2, 1]
    rows = fresh.ask("history_request", dict(hist_access_type="range", session=-1, start=2,
                                             stop=3))["history"]
    assert [row[2] for row in rows] == [cell("get", "before")]


def test_without_a_place_for_history_it_is_said_once(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(blocked))
    k = Kernel(KERNEL)
    try:
        _, outputs = k.run(cell("hello"))
        notes = [m["content"]["text"] for m in outputs
                 if m["msg_type"] == "stream" and m["content"]["name"] == "stderr"]
        assert len(notes) == 1 and "history" in notes[0] and str(blocked) in notes[0]
        assert types(k.run(cell("hello"))[1]) == ["execute_input", "stream"]
        assert len(k.ask("history_request", dict(hist_access_type="tail", n=5))["history"]) == 2
    finally:
        k.close()

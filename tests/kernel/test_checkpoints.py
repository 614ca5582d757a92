# SPDX-License-Identifier: MIT
"""A crash costs nothing but its cell: checkpoints, %undo, %checkpoints."""
import os
import pathlib
import random
import re
import signal
import time

import pytest
from client import TIMEOUT, Kernel, alive, family, name_of, text, types, wait_gone
from dialect import KERNEL, cell

FATAL = ["SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGKILL", "SIGTERM"]


def value_of(outputs):
    return [m["content"]["data"]["text/plain"] for m in outputs
            if m["msg_type"] == "execute_result"]


def get(kernel, name):
    return value_of(kernel.run(cell("get", name))[1])


def twins(kernel):
    return [pid for pid in family(kernel.pid) if name_of(pid) == "rt-checkpoint" and alive(pid)]


def started(pid):
    """When, then its number: numbers begin again at some time."""
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]), pid


def wait_twins(kernel, count):
    deadline = time.time() + TIMEOUT
    while len(twins(kernel)) != count:
        assert time.time() < deadline, f"{len(twins(kernel))} checkpoints, expected {count}"
        time.sleep(0.01)


def crash(kernel, number=signal.SIGSEGV):
    """Runs a cell and ends its process; the reply and its outputs."""
    msg_id = kernel.spin()
    os.kill(kernel.compute_pid(), number)
    reply = kernel.reply(msg_id)
    return reply, kernel.outputs(msg_id)


# --- crashes ------------------------------------------------------------------

@pytest.mark.parametrize("name", FATAL)
def test_after_a_fatal_signal_every_variable_is_as_it_was(kernel, name):
    kernel.run(cell("set", "kept_" + name, 41))
    before = kernel.run(cell("hello"))[0]["execution_count"]
    reply, outputs = crash(kernel, getattr(signal, name))
    assert reply["status"] == "error" and reply["ename"] == "ComputeProcessDied"
    assert name in reply["evalue"] and "as they were before this cell" in reply["evalue"]
    assert types(outputs) == ["error"]
    assert get(kernel, "kept_" + name) == ["41"]
    reply, outputs = kernel.run(cell("hello"))
    assert reply["execution_count"] == before + 3 and text(outputs, "stderr") == ""
    found = kernel.ask("complete_request", dict(code=cell("get", "kept_"), cursor_pos=5))
    assert "kept_" + name in found["matches"]


def test_twenty_kills_in_a_row_lose_nothing(kernel):
    for i in range(20):
        kernel.run(cell("set", f"round_{i}", i))
        msg_id = kernel.spin()
        time.sleep(random.random() / 50)
        os.kill(kernel.compute_pid(), random.choice([signal.SIGKILL, signal.SIGSEGV]))
        assert kernel.reply(msg_id)["ename"] == "ComputeProcessDied"
        kernel.outputs(msg_id)
    for i in range(20):
        assert get(kernel, f"round_{i}") == [str(i)]


def test_kills_at_random_moments_never_lose_a_finished_cell(kernel):
    """Also between cells, where the next one says what was lost, if anything."""
    for i in range(20):
        reply, _ = kernel.run(cell("set", f"any_{i}", i))
        msg_id = kernel.kc.execute(cell("hello"))
        time.sleep(random.random() / 200)
        os.kill(kernel.compute_pid(), signal.SIGKILL)
        said = kernel.reply(msg_id).get("evalue", "")
        said += text(kernel.outputs(msg_id), "stderr")
        said += text(kernel.run(cell("hello"))[1], "stderr")
        if "after cell" in said:
            continue        # the process died before it could be copied
        assert get(kernel, f"any_{i}") == [str(i)]


def test_two_crashes_without_a_cell_between_go_back_to_the_same_state(kernel):
    kernel.run(cell("set", "twice", 7))
    crash(kernel)
    assert "before this cell" in crash(kernel)[0]["evalue"]
    assert get(kernel, "twice") == ["7"]


def test_an_interrupt_works_after_a_restore(kernel):
    kernel.run(cell("set", "still", 3))
    crash(kernel)
    msg_id = kernel.spin()
    kernel.km.interrupt_kernel()
    assert kernel.reply(msg_id)["ename"] == "KeyboardInterrupt"
    kernel.outputs(msg_id)
    assert get(kernel, "still") == ["3"]


def test_a_death_between_cells_loses_nothing(kernel):
    kernel.run(cell("set", "between", 5))
    kernel.run("%checkpoints")      # answers once the newest is made
    pid = kernel.compute_pid()
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)
    reply, outputs = kernel.run(cell("get", "between"))
    assert value_of(outputs) == ["5"] and reply["status"] == "ok"
    assert "variables are as they were" in text(outputs, "stderr")
    assert text(kernel.run(cell("hello"))[1], "stderr") == ""


def test_a_dead_checkpoint_is_passed_over(kernel):
    kernel.run(cell("set", "older", 1))
    kernel.run(cell("set", "newer", 2))
    kernel.run("%checkpoints")
    newest = max(twins(kernel), key=started)
    msg_id = kernel.spin()
    os.kill(newest, signal.SIGKILL)
    wait_gone(newest)
    os.kill(kernel.compute_pid(), signal.SIGSEGV)
    assert re.search(r"after cell \[\d+\]", kernel.reply(msg_id)["evalue"])
    kernel.outputs(msg_id)
    assert get(kernel, "older") == ["1"]
    assert kernel.run(cell("get", "newer"))[0]["status"] == "error"


@pytest.mark.parametrize("code", ["segv", "abort", "overflow", "exit 0", "exit 3"])
def test_what_a_cell_printed_before_it_died_is_there(double, code):
    double.run("set kept 8")
    reply, outputs = double.run(f"set kept 9\nprint before\nraw and raw\n{code}")
    assert sorted(text(outputs).splitlines()) == ["and raw", "before"]
    assert "as they were before this cell" in reply["evalue"]
    assert value_of(double.run("get kept")[1]) == ["8"]


# --- where --------------------------------------------------------------------

@pytest.mark.parametrize("code, cause", [
    ("segv", "SIGSEGV, an invalid memory access"), ("abort", "SIGABRT"),
    ("overflow", "the stack overflowed"), ("exit 3", "it exited with status 3")])
def test_a_crash_names_the_line_it_happened_in(double, code, cause):
    for end in ("\n", "\r\n"):
        reply, outputs = double.run(f"print one{end}print \u2603{end}{code}{end}print four")
        assert cause in reply["evalue"] and ", in line 3 of the cell; " in reply["evalue"]
        plain = [re.sub("\x1b.*?m", "", line) for line in outputs[-1]["content"]["traceback"]]
        assert f"  cell {reply['execution_count']}, line 3" in plain and f"   3 | {code}" in plain


@pytest.mark.skipif(KERNEL != "rustorch", reason="about the language")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
@pytest.mark.parametrize("line", [
    "while (true) { }", "sleep(60);", "for (int i = 0; i < 1000000000; i++) { a = a + 1; }",
    "while (true) { Tensor t = zeros(10) + 1; }"])
def test_a_cell_killed_from_outside_names_the_line_it_was_in(kernel, line, number):
    msg_id = kernel.kc.execute(f'int a = 1;\nprintf("now\\n");\n{line}\nint b = 2;')
    kernel.wait_for(msg_id, "stream", text="now\n")
    time.sleep(0.2)
    began = time.time()
    os.kill(kernel.compute_pid(), number)
    reply = kernel.reply(msg_id)
    assert time.time() - began < 0.5
    assert ", in line 3 of the cell" in reply["evalue"]
    assert any(line in row for row in reply["traceback"])
    kernel.outputs(msg_id)


@pytest.mark.skipif(KERNEL != "rustorch", reason="about the language")
def test_a_crash_in_a_function_of_an_earlier_cell_names_that_cell(kernel):
    number = kernel.run("int wait_for_it(int n) {\n    sleep(n);\n    return n;\n}")[0][
        "execution_count"]
    msg_id = kernel.kc.execute('printf("now\\n");\nwait_for_it(60)')
    kernel.wait_for(msg_id, "stream", text="now\n")
    time.sleep(0.2)
    os.kill(kernel.compute_pid(), signal.SIGKILL)
    reply = kernel.reply(msg_id)
    assert f", in line 2 of cell [{number}]" in reply["evalue"]
    assert any("sleep(n);" in row for row in reply["traceback"])
    kernel.outputs(msg_id)


@pytest.mark.skipif(KERNEL != "rustorch", reason="computes")
def test_a_restored_session_computes_on_all_threads(fresh):
    fresh.run("manual_seed(3); Tensor w = randn(600, 600); Tensor g = randn(1000);")
    want = value_of(fresh.run("(w @ w).sum().item()")[1])
    fresh.run("manual_seed(9);")
    wait_twins(fresh, 3)
    crash(fresh)
    assert value_of(fresh.run("(w @ w).sum().item()")[1]) == want
    again = value_of(fresh.run("randn(3)")[1])
    assert again and value_of(fresh.run("manual_seed(9);\nrandn(3)")[1]) == again


# --- %undo --------------------------------------------------------------------

def test_undo_takes_cells_back_and_keeps_the_counter(fresh):
    fresh.run(cell("set", "a", 1))
    fresh.run(cell("set", "b", 2))
    fresh.run(cell("set", "c", 3))
    reply, outputs = fresh.run("%undo")
    assert reply["status"] == "ok" and "after cell [2]" in text(outputs)
    assert fresh.run(cell("get", "c"))[0]["status"] == "error"
    assert get(fresh, "a") == ["1"] and get(fresh, "b") == ["2"]
    assert fresh.run(cell("hello"))[0]["execution_count"] == 8
    found = fresh.ask("history_request", dict(hist_access_type="tail", n=3))["history"]
    assert found[-1][1] == 8


def test_undo_of_several_cells_and_of_too_many(fresh):
    for name in "abc":
        fresh.run(cell("set", name, 1))
    reply, outputs = fresh.run("%undo 7")
    assert reply["ename"] == "UndoError" and types(outputs)[1:] == ["error"]
    assert fresh.run("%undo x")[0]["ename"] == "UndoError"
    assert fresh.run("  %undo 2\n")[0]["status"] == "ok"
    assert get(fresh, "a") == ["1"]
    assert fresh.run(cell("get", "b"))[0]["status"] == "error"


def test_blanks_behind_a_magic_are_nothing(fresh):
    fresh.run(cell("set", "a", 1))
    for blanks in (" ", "\t\t ", " \n ", "\r"):
        assert fresh.run("%checkpoints" + blanks)[0]["status"] == "ok"
    assert fresh.run("%undo  ")[0]["status"] == "ok"
    assert fresh.run(cell("get", "a"))[0]["status"] == "error"


def test_undo_of_the_first_cell_leaves_an_empty_session(fresh):
    fresh.run(cell("set", "a", 1))
    assert "at the start" in text(fresh.run("%undo")[1])
    assert fresh.run(cell("get", "a"))[0]["status"] == "error"


def test_cells_queued_behind_undo_run_on_what_it_restored(fresh):
    fresh.run(cell("set", "a", 1))
    fresh.run(cell("set", "b", 2))
    asked = [fresh.kc.execute(code) for code in
             ("%undo", cell("get", "a"), cell("get", "b"))]
    assert [fresh.reply(m)["status"] for m in asked] == ["ok", "ok", "error"]


@pytest.mark.parametrize("crashes", [1, 2])
def test_undo_after_a_crash_takes_back_the_last_cell_that_ended(fresh, crashes):
    fresh.run(cell("set", "a", 1))
    fresh.run(cell("set", "b", 2))
    for _ in range(crashes):
        assert "as they were before this cell" in crash(fresh)[0]["evalue"]
    rows = text(fresh.run("%checkpoints")[1]).splitlines()
    assert rows[-2].startswith("cell [2]") and " now " in rows[-2]
    assert "after cell [1]" in text(fresh.run("%undo")[1])
    assert get(fresh, "a") == ["1"] and fresh.run(cell("get", "b"))[0]["status"] == "error"
    crash(fresh)
    assert "at the start" in text(fresh.run("%undo")[1])
    assert fresh.run(cell("get", "a"))[0]["status"] == "error"


# --- %checkpoints -------------------------------------------------------------

def test_the_list_names_cells_ages_and_costs(fresh):
    fresh.run(cell("set", "a", 1))
    fresh.run(cell("set", "b", 2))
    rows = text(fresh.run("%checkpoints")[1]).splitlines()
    assert rows[0].split() == ["after", "back", "to", "age", "holds", "made", "in"]
    assert rows[1].startswith("the start") and "%undo 2" in rows[1]
    assert rows[2].startswith("cell [1]") and "%undo 1" in rows[2]
    assert rows[3].startswith("cell [2]") and " now " in rows[3]
    assert all(re.search(r"\d s +[\d.]+ [KM]iB +[\d.]+ ms$", row) for row in rows[1:4])
    assert rows[4].startswith("checkpoints are on: 3 of at most 3")


def test_the_oldest_goes_when_there_are_too_many(fresh):
    for i in range(6):
        fresh.run(cell("set", f"v{i}", i))
    assert "3 of at most 3" in text(fresh.run("%checkpoints")[1])
    wait_twins(fresh, 3)
    assert "1 of at most 1" in text(fresh.run("%checkpoints count=1")[1])
    wait_twins(fresh, 1)
    crash(fresh)
    assert get(fresh, "v5") == ["5"]


def test_off_drops_them_and_on_makes_one_at_once(fresh):
    fresh.run(cell("set", "a", 1))
    assert "are off: 0 of" in text(fresh.run("%checkpoints off")[1])
    wait_twins(fresh, 0)
    fresh.run(cell("set", "b", 2))
    assert "%checkpoints on" in fresh.run("%undo")[0]["evalue"]
    assert "are on" in text(fresh.run("%checkpoints on")[1])
    crash(fresh)
    assert get(fresh, "a") == ["1"] and get(fresh, "b") == ["2"]


def test_without_checkpoints_the_message_says_that_variables_are_gone(fresh):
    fresh.run(cell("set", "a", 1))
    fresh.run("%checkpoints off")
    reply = crash(fresh)[0]
    assert "all variables are gone (checkpoints are off)" in reply["evalue"]
    assert fresh.run(cell("get", "a"))[0]["status"] == "error"


def test_an_unknown_word_is_refused(fresh):
    for line in ("%checkpoints maybe", "%checkpoints count=0", "%checkpoints memory=-1"):
        reply, outputs = fresh.run(line)
        assert reply["ename"] == "ArgumentError" and types(outputs)[1:] == ["error"]


@pytest.mark.skipif(KERNEL != "rustorch", reason="needs tensors")
def test_memory_past_the_budget_drops_the_oldest_and_says_when_none_is_left(fresh):
    fresh.run("%checkpoints memory=100")
    fresh.run("Tensor big = ones(50000000);")              # 200 MB
    fresh.run("big.fill_(2.0);")                            # none of it is shared now
    _, outputs = fresh.run("big[0].item()")
    said = text(outputs, "stderr")
    table = text(fresh.run("%checkpoints")[1])
    held = re.search(r"which hold (\d+)", table)
    assert held and ("of at most 100 MiB" in table)
    assert "0 of" in table or "1 of" in table or "2 of" in table
    assert said == "" or "there is no checkpoint now" in said


# --- no orphans ---------------------------------------------------------------

def everyone(kernel):
    kernel.run(cell("set", "a", 1))
    kernel.run(cell("set", "b", 1))
    crash(kernel)
    kernel.run(cell("set", "c", 1))
    wait_twins(kernel, 3)
    return family(kernel.pid)


@pytest.mark.parametrize("busy", [False, True])
def test_no_twin_outlives_a_killed_front(fresh, busy):
    pids = everyone(fresh)
    if busy:
        fresh.spin()
    os.kill(fresh.pid, signal.SIGKILL)
    for pid in pids:
        wait_gone(pid)


def test_no_twin_outlives_a_shutdown(fresh):
    pids = everyone(fresh)
    fresh.km.shutdown_kernel()
    for pid in pids:
        wait_gone(pid)


def test_dropped_twins_do_not_pile_up(fresh):
    for i in range(8):
        fresh.run(cell("set", f"v{i}", i))
    wait_twins(fresh, 3)
    assert len(family(fresh.pid)) <= 6      # one may be just ending


@pytest.mark.skipif(KERNEL != "rustorch", reason="needs tensors")
def test_above_the_limit_no_checkpoint_is_made_and_that_is_said_once(fresh):
    fresh.run("%checkpoints tensors=512")
    fresh.run("int small = 7;")
    wait_twins(fresh, 2)
    fresh.run("Tensor big = zeros(160, 1024, 1024);")
    # Said with the next cell, or the one after if that was quicker.
    said = [text(fresh.run(code)[1], "stderr")
            for code in ("int after = 1;", "%checkpoints", "int later = 2;", "%checkpoints")]
    assert "".join(said).count("no checkpoints are made") == 1
    crash(fresh)
    reply, _ = fresh.run("small")
    assert reply["status"] == "ok"


@pytest.mark.skipif(KERNEL != "rustorch", reason="needs tensors")
def test_a_crash_gives_back_a_gigabyte_written_in_place(fresh):
    fresh.run("Tensor big = ones(256, 1024, 1024);")
    fresh.run("big.mul_(3);")
    assert "as they were before this cell" in crash(fresh)[0]["evalue"]
    fresh.run("big.add_(1);")
    assert value_of(fresh.run("big.sum().item() / 1024 / 1024")[1]) == ["1024.0"]


@pytest.mark.skipif(KERNEL != "rustorch", reason="needs tensors")
def test_the_limit_on_tensors_can_be_moved(fresh):
    assert fresh.run("%checkpoints tensors=0")[0]["status"] == "error"
    fresh.run("%checkpoints tensors=16")
    fresh.run("Tensor big = zeros(8, 1024, 1024);")
    said = [text(fresh.run(code)[1], "stderr")
            for code in ("%checkpoints", "%checkpoints", "int later = 1;")]
    assert sum("above 16 MiB no checkpoints" in s for s in said) == 1
    fresh.run("%checkpoints tensors=64")
    fresh.run("int newer = 2;")
    assert "as they were before this cell" in crash(fresh)[0]["evalue"]
    assert get(fresh, "newer") == ["2"]


# --- twins that misbehave -------------------------------------------------------

def test_a_stopped_checkpoint_is_made_to_go_on(kernel):
    """(One that hangs is given up for an older one: test_torture.py.)"""
    kernel.run(cell("set", "steady", 1))
    kernel.run("%checkpoints")
    newest = max(twins(kernel), key=started)
    msg_id = kernel.spin()
    os.kill(newest, signal.SIGSTOP)
    os.kill(kernel.compute_pid(), signal.SIGSEGV)
    assert "as they were before this cell" in kernel.reply(msg_id)["evalue"]
    kernel.outputs(msg_id)
    assert get(kernel, "steady") == ["1"] and kernel.compute_pid() == newest


def zombies(kernel):
    return [pid for pid in family(kernel.pid) if not alive(pid)]


def test_dropped_twins_are_buried_at_once(fresh):
    for i in range(6):
        fresh.run(cell("set", f"v{i}", i))
    wait_twins(fresh, 3)
    msg_id = fresh.spin()
    for pid in twins(fresh):
        os.kill(pid, signal.SIGKILL)
    deadline = time.time() + 5
    while zombies(fresh) or twins(fresh):
        assert time.time() < deadline, "a twin stays a zombie"
    fresh.km.interrupt_kernel()
    fresh.outputs(msg_id)


def test_a_cell_that_did_not_run_makes_no_checkpoint(fresh):
    fresh.run(cell("set", "a", 1))
    fresh.run("%checkpoints")
    before = twins(fresh)
    fresh.run("int int = (;" if KERNEL == "rustorch" else "no such command")
    fresh.run("%checkpoints")
    assert twins(fresh) == before or KERNEL != "rustorch"
    assert "as they were before this cell" in crash(fresh)[0]["evalue"]
    assert get(fresh, "a") == ["1"]


@pytest.mark.skipif(KERNEL != "rustorch", reason="of the language")
def test_a_cell_that_only_looks_makes_no_checkpoint_and_undo_passes_over_it(fresh):
    fresh.run("int a = 1;")
    fresh.run("a = 2;")
    for code in ("a", "print(a + 1);", "ones(3).sum()"):
        fresh.run(code)
    rows = text(fresh.run("%checkpoints")[1]).splitlines()
    assert rows[-2].startswith("cell [2]") and " now " in rows[-2]
    assert len(twins(fresh)) <= 3   # of the start and of cells [1] and [2]
    assert "after cell [1]" in text(fresh.run("%undo")[1])
    assert value_of(fresh.run("a")[1]) == ["1"]


def test_a_crash_among_queued_cells_costs_only_its_own(fresh):
    asked = [fresh.kc.execute(cell("set", f"q{i}", i), stop_on_error=False) for i in range(5)]
    spin = fresh.kc.execute(cell("spin"), stop_on_error=False)
    later = fresh.kc.execute(cell("get", "q4"), stop_on_error=False)
    fresh.wait_for(spin, "stream", text="spinning\n")
    os.kill(fresh.compute_pid(), signal.SIGKILL)
    assert [fresh.reply(m)["status"] for m in asked] == ["ok"] * 5
    assert "as they were before this cell" in fresh.reply(spin)["evalue"]
    assert value_of(fresh.outputs(later)) == ["4"]
    for i in range(5):
        assert get(fresh, f"q{i}") == [str(i)]


@pytest.mark.skipif(KERNEL != "rustorch", reason="about the language")
def test_the_magics_are_listed_completed_and_explained(kernel):
    listed = text(kernel.run("%lsmagic")[1])
    assert "%undo" in listed and "%checkpoints" in listed
    found = kernel.ask("complete_request", dict(code="%un", cursor_pos=3))["matches"]
    assert [match.lstrip("%") for match in found] == ["undo"]
    reply = kernel.run("int before_undo = 1;\n%undo")[0]
    assert reply["status"] == "error" and "cell of its own" in reply["evalue"]

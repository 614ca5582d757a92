# SPDX-License-Identifier: MIT
"""Crashes, kills, hung processes, long queues: what is to be survived, through real clients.

Reduced by default; RUSTORCH_TORTURE=1 runs the whole (make torture). Random
moments come from the seed that is printed; RUSTORCH_SEED=N repeats them.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import platform
import random
import signal
import stat
import struct
import time
import uuid

import interrupts
import nbformat
import pytest
from client import TIMEOUT, Kernel, alive, family, name_of, text, types, wait_gone
from dialect import KERNEL, cell
from nbclient import NotebookClient
from test_checkpoints import started, twins, value_of
from torture import SEED, case, some

pytestmark = pytest.mark.skipif(KERNEL != "rustorch", reason="about the real program")
SOON = some(20, 0.5)        # seconds; a loaded machine is not what ./check judges

CAUSES = {
    "null": "SIGSEGV, an invalid memory access", "wild": "SIGSEGV, an invalid memory access",
    "jump": "SIGSEGV, an invalid memory access", "thread": "SIGSEGV, an invalid memory access",
    "stack": "the stack overflowed", "heap": "SIGABRT", "abort": "SIGABRT",
    "exit": "it exited with status 3", "quit": "it exited with status 0", "float": "SIGFPE",
    "instruction": "SIGILL",
}


@pytest.fixture(autouse=True)
def rng():
    print(f"seed {SEED}")
    return random.Random(SEED)


def prepare(kernel):
    reply, _ = kernel.run("int kept = 41; Tensor whole = arange(1000); string name = \"\u2603\";")
    assert reply["status"] == "ok"


def intact(kernel):
    got = [value_of(kernel.run(code)[1]) for code in ("kept + whole.sum().item()", "name")]
    return got == [["499541.0"], ['"\u2603"']] or got


def crash_by(kernel, poison, lines=300):
    """A cell that prints and then takes the poison; reply, outputs, seconds."""
    began = time.time()
    reply, outputs = kernel.run(f'kept = 1;\nfor (int i = 0; i < {lines}; i++) '
                                f'{{ printf("line %d\\n", i); }}\nload("poison:{poison}");\nkept = 2;')
    return reply, outputs, time.time() - began


# --- crashes ------------------------------------------------------------------

@pytest.mark.parametrize("poison", CAUSES)
def test_a_crash_in_native_code_is_an_error_and_nothing_is_lost(poisoned, poison):
    for _ in range(some(1, 10)):
        with case(f"crash: {poison}"):
            prepare(poisoned)
            reply, outputs, took = crash_by(poisoned, poison)
            assert reply["ename"] == "ComputeProcessDied" and CAUSES[poison] in reply["evalue"]
            assert "in line 3 of the cell; variables are as they were before" in reply["evalue"]
            assert text(outputs) == "".join(f"line {i}\n" for i in range(300))
            assert types(outputs)[-1] == "error" and took < SOON
            assert intact(poisoned) is True


MEMORY = pathlib.Path("/sys/fs/cgroup/memory")


@pytest.fixture
def limited(poisoned):
    """The kernel's processes in a group that may have 300 MB; None where one cannot be made."""
    group = MEMORY / f"rustorch-{os.getpid()}"
    try:
        group.mkdir()
        group.joinpath("memory.limit_in_bytes").write_text(str(300 << 20))
        for pid in (poisoned.pid, *family(poisoned.pid)):
            with contextlib.suppress(ProcessLookupError):
                group.joinpath("cgroup.procs").write_text(str(pid))
    except OSError as why:
        pytest.skip(f"no memory group: {why}")
    yield poisoned
    deadline = time.time() + TIMEOUT
    while members := group.joinpath("cgroup.procs").read_text().split():
        assert time.time() < deadline
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                MEMORY.joinpath("cgroup.procs").write_text(pid)
    group.rmdir()


def test_a_process_killed_for_memory_costs_its_cell_alone(limited):
    for _ in range(some(1, 5)):
        with case("crash: killed for memory"):
            prepare(limited)
            front = limited.pid
            reply, outputs, _ = crash_by(limited, "memory", lines=20)
            assert "SIGKILL, killed, most often because memory ran out" in reply["evalue"]
            assert "as they were before this cell" in reply["evalue"]
            assert text(outputs).splitlines()[-1] == "line 19"
            assert intact(limited) is True and limited.pid == front


@pytest.mark.parametrize("poison", ["hang", "deaf"])
def test_a_cell_that_heeds_no_interrupt_is_ended_by_the_second(poisoned, poison):
    for _ in range(some(1, 3)):
        with case(f"hung process: {poison}"):
            prepare(poisoned)
            msg_id = poisoned.kc.execute(f'kept = 1;\nprintf("on it\\n");\nload("poison:{poison}");')
            poisoned.wait_for(msg_id, "stream", text="on it\n")
            poisoned.km.interrupt_kernel()
            poisoned.km.interrupt_kernel()      # harmless: the first one is being handled
            said = poisoned.wait_for(msg_id, "stream", name="stderr")
            assert "the cell does not stop" in said["content"]["text"]
            began = time.time()
            poisoned.km.interrupt_kernel()
            reply = poisoned.reply(msg_id)
            assert time.time() - began < SOON
            assert "it did not stop when it was interrupted" in reply["evalue"]
            assert "in line 3 of the cell; variables are as they were before" in reply["evalue"]
            poisoned.outputs(msg_id)
            assert intact(poisoned) is True


def test_a_stopped_process_is_ended_by_the_second_interrupt(poisoned):
    with case("hung process: stopped"):
        prepare(poisoned)
        msg_id = poisoned.spin()
        os.kill(poisoned.compute_pid(), signal.SIGSTOP)
        poisoned.km.interrupt_kernel()
        poisoned.wait_for(msg_id, "stream", name="stderr")
        poisoned.km.interrupt_kernel()
        assert poisoned.reply(msg_id)["ename"] == "ComputeProcessDied"
        poisoned.outputs(msg_id)
        assert intact(poisoned) is True


def test_without_a_checkpoint_a_second_interrupt_takes_no_variables_away():
    kernel = Kernel("poisoned")
    try:
        kernel.run("%checkpoints off")
        msg_id = kernel.kc.execute('printf("on it\\n"); load("poison:hang");')
        kernel.wait_for(msg_id, "stream", text="on it\n")
        pid = kernel.compute_pid()
        kernel.km.interrupt_kernel()
        said = kernel.wait_for(msg_id, "stream", name="stderr")
        assert "no checkpoint to go back to" in said["content"]["text"]
        kernel.km.interrupt_kernel()
        kernel.received()
        assert alive(pid)
    finally:
        kernel.close()


def test_a_hung_checkpoint_is_given_up_soon(poisoned):
    """It sleeps where it should wake: the one before it takes over."""
    for _ in range(some(1, 5)):
        with case("hung checkpoint"):
            prepare(poisoned)
            poisoned.run("int later = 1;")
            poisoned.run("%checkpoints")
            newest = max(twins(poisoned), key=started)
            os.kill(newest, signal.SIGRTMIN + 1)
            msg_id = poisoned.spin()
            began = time.time()
            os.kill(poisoned.compute_pid(), signal.SIGSEGV)
            reply = poisoned.reply(msg_id)
            assert time.time() - began < SOON
            assert "after cell [" in reply["evalue"] and not alive(newest)
            poisoned.outputs(msg_id)
            assert intact(poisoned) is True
            assert poisoned.run("later")[0]["status"] == "error"


# --- no room for checkpoints ----------------------------------------------------

def said_by(kernel, *codes):
    return "".join(text(kernel.run(code)[1], "stderr") for code in codes)


def test_without_room_for_another_process_cells_run_on_and_that_is_said_once(poisoned):
    with case("no room for checkpoints: memory"):
        prepare(poisoned)
        poisoned.run("%checkpoints off")
        poisoned.run('load("poison:nofork")')
        said = said_by(poisoned, "%checkpoints on", "%checkpoints", "kept = 42;", "%checkpoints",
                       "kept = 43;", "%checkpoints")
        assert said.count("no checkpoint could be made: Cannot allocate memory") == 1
        assert "0 of at most 3" in text(poisoned.run("%checkpoints")[1])
        assert poisoned.run("%undo")[0]["ename"] == "UndoError"
        assert value_of(poisoned.run("kept")[1]) == ["43"]
        reply, outputs, _ = crash_by(poisoned, "null")
        assert text(outputs).count("\n") == 300
        assert "all variables are gone (no checkpoint could be made: Cannot alloc" in reply["evalue"]
        assert any("run the cells that define" in line for line in reply["traceback"])
        assert poisoned.run("kept")[0]["status"] == "error"
        prepare(poisoned)       # in a new process, which can
        assert crash_by(poisoned, "null")[0]["evalue"].endswith("as they were before this cell")
        assert intact(poisoned) is True


def test_room_that_comes_back_is_used_and_an_older_checkpoint_is_better_than_none(poisoned):
    with case("no room for checkpoints, then room"):
        prepare(poisoned)
        poisoned.run("%checkpoints")
        poisoned.run('load("poison:nofork")')
        poisoned.run("kept = 42;")
        reply = crash_by(poisoned, "null")[0]       # in a process that was not crowded yet
        assert "variables are as they were after cell [" in reply["evalue"]
        assert intact(poisoned) is True
        said = said_by(poisoned, 'load("poison:nofork")', "kept = 42;", "%checkpoints",
                       'load("poison:fork")', "kept = 44;", "%checkpoints",
                       'load("poison:nofork")', "kept = 45;", "%checkpoints")
        assert said.count("no checkpoint could be made") == 2
        assert "after cell" in crash_by(poisoned, "null")[0]["evalue"]
        assert value_of(poisoned.run("kept")[1]) == ["44"]


PIDS = pathlib.Path("/sys/fs/cgroup/pids")


@pytest.fixture
def crowded(fresh):
    """The kernel in a group of processes whose number can be limited."""
    group = PIDS / f"rustorch-{os.getpid()}"
    fresh.run("%checkpoints off")
    try:
        group.mkdir()
        for pid in (fresh.pid, *family(fresh.pid)):
            with contextlib.suppress(ProcessLookupError):
                group.joinpath("cgroup.procs").write_text(str(pid))
    except OSError as why:
        pytest.skip(f"no group of processes: {why}")
    yield fresh, group
    group.joinpath("pids.max").write_text("max")
    fresh.km.shutdown_kernel(now=True)
    deadline = time.time() + TIMEOUT
    while group.joinpath("cgroup.procs").read_text():
        assert time.time() < deadline
        time.sleep(0.01)
    group.rmdir()


def test_in_a_full_group_of_processes_the_kernel_goes_on(crowded):
    kernel, group = crowded
    with case("no room for checkpoints: processes"):
        kernel.run("int kept = 41;")
        group.joinpath("pids.max").write_text(group.joinpath("pids.current").read_text())
        said = said_by(kernel, "%checkpoints on", "%checkpoints", "kept = 42;", "%checkpoints")
        assert said.count("could be made: Resource temporarily unavailable") == 1
        group.joinpath("pids.max").write_text("1")      # not even for a fresh one
        msg_id = kernel.spin()
        os.kill(kernel.compute_pid(), signal.SIGKILL)
        reply = kernel.reply(msg_id)
        assert "all variables are gone (no checkpoint could be made: Resource" in reply["evalue"]
        kernel.outputs(msg_id)
        reply = kernel.run("1 + 1")[0]
        assert reply["ename"] == "ComputeProcessError" and "temporarily" in reply["evalue"]
        assert kernel.ask("complete_request", dict(code="rel", cursor_pos=3))["status"] == "ok"
        group.joinpath("pids.max").write_text("max")
        assert value_of(kernel.run("1 + 1")[1]) == ["2"]


# --- kills at random moments --------------------------------------------------

def busy_cells(folder, i):
    """What runs when the kill comes: printing, computing, training, saving."""
    return [
        'for (int i = 0; i < 100000; i++) { printf("line %d\\n", i); }',
        "Tensor l = randn(500, 500); for (int i = 0; i < 200; i++) { l = (l @ l).tanh(); }",
        "auto net = Sequential(Linear(64, 64), ReLU(), Linear(64, 1)); auto opt = Adam(net.parameters(), lr=1e-3);"
        " Tensor x = randn(256, 64); for (int i = 0; i < 2000; i++) "
        "{ opt.zero_grad(); net(x).sum().backward(); opt.step(); }",
        f'for (int i = 0; i < 50; i++) {{ full([300000], {i}.5).save("{folder}/one.rustorch"); }}',
        f"%save {folder}/cells.rt",
        "sort(rand(3000000));",
        "int brief = 1;",
        "sleep(0.05);",
    ]


def files_are_whole(folder):
    """Each is what one save wrote, or is not there."""
    one, cells = folder / "one.rustorch", folder / "cells.rt"
    if one.exists():
        data = one.read_bytes()
        size = struct.unpack("<Q", data[:8])[0]
        entries = {k: v for k, v in json.loads(data[8:8 + size]).items() if k != "__metadata__"}
        end = max(v["data_offsets"][1] for v in entries.values())
        values = data[8 + size:]
        assert len(values) == end == 1_200_000 and values == values[:4] * 300_000
    if cells.exists():
        assert cells.read_text().endswith("\n\n")


def test_kills_of_the_computing_process_at_any_moment_lose_no_finished_cell(kernel, rng, tmp_path):
    rounds = some(10, 200)
    for i in range(rounds):
        with case("SIGKILL of the computing process"):
            assert kernel.run(f"int any_{i} = {i};")[0]["status"] == "ok"
            if i % 2:
                kernel.run("%checkpoints")      # else the kill may come before its copy
            msg_id = kernel.kc.execute(rng.choice(busy_cells(tmp_path, i)))
            time.sleep(rng.random() ** 2 * 0.1)
            os.kill(kernel.compute_pid(), signal.SIGKILL)
            reply = kernel.reply(msg_id)
            said = reply.get("evalue", "") + text(kernel.outputs(msg_id), "stderr")
            said += text(kernel.run(cell("hello"))[1], "stderr")
            assert reply["status"] == "ok" or reply["ename"] == "ComputeProcessDied"
            files_are_whole(tmp_path)
            if "after cell" in said and not i % 2:
                kernel.run(f"int any_{i} = {i};")
            assert value_of(kernel.run(f"any_{i}")[1]) == [str(i)]
    for i in range(rounds):
        assert value_of(kernel.run(f"any_{i}")[1]) == [str(i)]
    for code in (f'full([300000], 1.0).save("{tmp_path}/one.rustorch");', f"%save {tmp_path}/cells.rt"):
        assert kernel.run(code)[0]["status"] == "ok"
    assert sorted(os.listdir(tmp_path)) == ["cells.rt", "one.rustorch"]     # nothing left over


def marked(mark):
    """The processes that have it in their environment."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes() and alive(int(path.parent.name)):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def history_rows():
    path = pathlib.Path(os.environ["XDG_DATA_HOME"], "rustorch", "history.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    return {row["in"] for row in rows if "in" in row}


def test_kills_of_the_front_leave_no_process_no_socket_and_a_whole_history(
        rng, tmp_path, monkeypatch):
    for i in range(some(6, 200)):
        mark = f"RUSTORCH_ROUND={uuid.uuid4().hex}"
        monkeypatch.setenv(*mark.split("="))
        options = dict(transport="ipc", ip=str(tmp_path / f"s{i}")) if i % 2 else {}
        with case("SIGKILL of the front"):
            kernel = Kernel("rustorch", **options)
            try:
                kept = [f"int kept_{i}_{k} = {k}; // {uuid.uuid4().hex}"
                        for k in range(rng.randrange(1, 5))]
                assert all(kernel.run(code)[0]["status"] == "ok" for code in kept)
                running = kernel.kc.execute(rng.choice(busy_cells(tmp_path, i)))
                if rng.random() < 0.5:
                    kernel.wait_for(running, "execute_input")
                time.sleep(rng.random() ** 2 * 0.1)
                os.kill(kernel.pid, signal.SIGKILL)
                deadline = time.time() + TIMEOUT
                while marked(mark):
                    assert time.time() < deadline, [(p, name_of(p)) for p in marked(mark)]
                    time.sleep(0.002)
                assert [p for p in tmp_path.iterdir() if stat.S_ISSOCK(p.lstat().st_mode)] == []
                assert set(kept) <= history_rows()
                files_are_whole(tmp_path)
            finally:
                kernel.close()
    kernel = Kernel("rustorch")     # what is left of them disturbs nobody
    assert kernel.run(cell("hello"))[0]["status"] == "ok"
    kernel.close()


# --- interrupts ---------------------------------------------------------------

@pytest.mark.parametrize("row", [r for r in interrupts.ROWS if r.name != "sort of 1e8"],
                         ids=lambda r: r.name)
def test_an_interrupt_ends_any_cell_and_keeps_the_variables(fresh, rng, row):
    """How soon is for interrupts.py to say."""
    fresh.run(interrupts.CHECK)
    with case("interrupts in the reduced suite"):
        assert interrupts.ours(fresh, row, 4, rng).wrong == []


def test_interrupts_without_number_end_one_cell_and_no_other(fresh, rng):
    """A storm of them, by signal and by message, over cells that follow at once."""
    for i in range(some(5, 50)):
        with case("storm of interrupts"):
            msg_id = fresh.spin()
            messages = 0
            for _ in range(rng.randrange(2, 12)):
                by = rng.choice(["signal", "message"])
                interrupts.interrupt(fresh, by)
                messages += by == "message"
                time.sleep(rng.random() * 0.002)
            assert fresh.reply(msg_id)["ename"] == "KeyboardInterrupt"
            assert types(fresh.outputs(msg_id)).count("error") == 1
            interrupts.answered(fresh, messages)
            assert value_of(fresh.run(f"{i} + 1")[1]) == [str(i + 1)]


def turns_of(pid):
    """Nanoseconds of each thread's turn, as the scheduler has them; 0: it has no such thing."""
    call = {"x86_64": 315, "aarch64": 275}.get(platform.machine())
    found = set()
    for thread in os.listdir(f"/proc/{pid}/task") if call else []:
        attributes = ctypes.create_string_buffer(48)
        if ctypes.CDLL(None).syscall(call, int(thread), attributes, 48, 0) == 0:
            found.add(struct.unpack_from("Q", attributes, 24)[0])
    return found


def test_the_front_is_not_kept_waiting_for_the_turns_of_what_computes(fresh):
    fresh.run("Tensor a = randn(512, 512); Tensor b = a @ a;")
    front, compute = turns_of(fresh.pid), turns_of(fresh.compute_pid())
    if not front or 0 in front:
        pytest.skip("turns cannot be chosen here (Linux before 6.12)")
    assert max(front) <= 1_000_000 < min(compute)


# --- order and wholeness ------------------------------------------------------

def test_a_thousand_queued_cells_run_in_order_and_each_ends_with_its_idle(fresh):
    count = 1000
    with case("1,000 queued cells"):
        fresh.run("int total = 0;")
        asked = [fresh.kc.execute(f'total = total + 1; printf("a%d\\n", total); '
                                  f'eprintf("b%d\\n", {i + 1}); total') for i in range(count)]
        replies = [fresh.kc.get_shell_msg(timeout=TIMEOUT) for _ in asked]
        assert [r["parent_header"]["msg_id"] for r in replies] == asked
        counts = [r["content"]["execution_count"] for r in replies]
        assert counts == list(range(counts[0], counts[0] + count))
        for i, msg_id in enumerate(asked, 1):
            heard = []
            while not heard or heard[-1]["content"].get("execution_state") != "idle":
                heard.append(fresh.kc.get_iopub_msg(timeout=TIMEOUT))
            assert {m["parent_header"]["msg_id"] for m in heard} == {msg_id}
            assert types(heard) == ["status", "execute_input", "stream", "stream",
                                    "execute_result", "status"]
            assert text(heard) == f"a{i}\n" and text(heard, "stderr") == f"b{i}\n"
            assert value_of(heard) == [str(i)]


def notebook():
    """Definitions, outputs of every kind, a crash, and what must be there after it."""
    nb = nbformat.v4.new_notebook(metadata={"kernelspec": {
        "name": "poisoned", "display_name": "poisoned", "language": "rustorch"}})
    sources = ["int kept = 41; Tensor whole = arange(1000);",
               'for (int i = 0; i < 2000; i++) { printf("line %d\\n", i); }',
               "plot(linspace(0, 1, 20), title=\"line\");",
               'kept = 1; printf("before\\n"); load("poison:null");',
               "kept + 1", "whole.sum()"]
    nb.cells = [nbformat.v4.new_code_cell(s) for s in sources]
    nb.cells[3].metadata["tags"] = ["raises-exception"]
    return nb


def check_notebook(nb):
    nbformat.validate(nb)
    _, printed, shown, crashed, kept, summed = nb.cells
    assert "".join(o.text for o in printed.outputs) == "".join(f"line {i}\n" for i in range(2000))
    assert shown.outputs[0].output_type == "display_data"
    assert crashed.outputs[0].text == "before\n"
    assert crashed.outputs[-1].ename == "ComputeProcessDied"
    assert kept.outputs[0].data["text/plain"] == "42"
    assert "499500" in summed.outputs[0].data["text/plain"]


def test_a_notebook_with_a_crashing_cell_is_whole_through_nbclient():
    for _ in range(some(1, 10)):
        with case("notebook with a crash, nbclient"):
            nb = notebook()
            NotebookClient(nb, kernel_name="poisoned", timeout=TIMEOUT, allow_errors=True).execute()
            check_notebook(nb)


def test_a_notebook_with_a_crashing_cell_is_whole_through_papermill(tmp_path):
    papermill = pytest.importorskip("papermill")
    for _ in range(some(1, 10)):
        with case("notebook with a crash, papermill"):
            nbformat.write(notebook(), tmp_path / "in.ipynb")
            with pytest.raises(papermill.PapermillExecutionError, match="ComputeProcessDied"):
                papermill.execute_notebook(tmp_path / "in.ipynb", tmp_path / "out.ipynb",
                                           kernel_name="poisoned", progress_bar=False)
            nb = nbformat.read(tmp_path / "out.ipynb", as_version=4)
            nb.cells = [c for c in nb.cells if c.cell_type == "code"]   # it adds remarks
            check_notebook(nb)

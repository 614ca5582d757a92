# SPDX-License-Identifier: MIT
"""Faults on disk: the kernel runs, and says so once. (Waiting output without
room on disk is in test_stalled.py.)"""
import os
import resource

import latency
import pytest
from client import TIMEOUT, Kernel, text, types
from dialect import KERNEL, cell


def notes(outputs):
    return [line for line in text(outputs, "stderr").splitlines() if line]


def runs(kernel):
    reply, outputs = kernel.run(cell("hello"))
    assert reply["status"] == "ok" and text(outputs) == "hello, world\n"
    return notes(outputs)


def rows(kernel, n=100):
    return [row[2] for row in kernel.ask("history_request", dict(
        hist_access_type="tail", n=n, raw=True, output=False))["history"]]


@pytest.fixture
def start(monkeypatch, tmp_path):
    """Starts a kernel with its history in tmp_path/rustorch."""
    begun = []

    def start(**environment):
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        for name, value in environment.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        begun.append(Kernel(KERNEL))
        return begun[-1]
    yield start
    for k in begun:
        k.close()


def test_a_full_disk_costs_the_history_file_only(start):
    k = start()
    assert runs(k) == []
    resource.prlimit(k.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    said = [note for _ in range(4) for note in runs(k)]
    assert len(said) == 1 and "history is kept for this session only" in said[0]
    assert len(rows(k)) == 5


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_home_that_cannot_be_written_is_said_once(start, tmp_path, what):
    if what == "file":
        tmp_path.joinpath("rustorch").write_text("")            # no folder can be there
    else:
        (tmp_path / "rustorch" / "history.jsonl").mkdir(parents=True)
    k = start()
    said = [note for _ in range(3) for note in runs(k)]
    assert len(said) == 1 and "history" in said[0] and str(tmp_path) in said[0]
    assert len(rows(k)) == 3


@pytest.mark.parametrize("home", [None, "", "relative/home"])
def test_without_a_home_that_is_said_once_and_nothing_is_written_elsewhere(start, tmp_path, home):
    k = start(HOME=home, XDG_DATA_HOME=None)
    said = [note for _ in range(3) for note in runs(k)]
    assert len(said) == 1 and "this session only: HOME is not set" in said[0]
    assert len(rows(k)) == 3


def test_a_home_on_a_system_that_can_only_be_read_is_said_once(start):
    k = start(XDG_DATA_HOME="/proc")
    said = [note for _ in range(3) for note in runs(k)]
    assert len(said) == 1 and "history" in said[0]


def test_a_corrupt_history_loses_only_its_damaged_lines(start, tmp_path):
    folder = tmp_path / "rustorch"
    folder.mkdir()
    folder.joinpath("history.jsonl").write_bytes(
        b'{"session":1}\n{"session":1,"line":1,"in":"kept"}\n' + os.urandom(5000) +
        b'\n{"session":"x","line":[],"in":{}}\n[1]\n{"session":1,"line":2,"in":"kept too"}\n'
        b'{"session":1,"line":3,"in":"cut o')
    k = start()
    assert runs(k) == []
    found = rows(k)
    assert found == ["kept", "kept too", cell("hello")]


def test_a_kernel_without_home_or_runtime_folder_runs(start):
    k = start(XDG_RUNTIME_DIR=None, XDG_DATA_HOME=None, HOME="/nonexistent")
    said = [note for _ in range(3) for note in runs(k)]
    assert len(said) <= 1


def test_no_temporary_folder_stops_a_kernel(start):
    k = start(TMPDIR="/nonexistent")
    assert runs(k) == []
    assert types(k.run(cell("fail"))[1])[-1] == "error"
    k.km.interrupt_kernel()
    assert runs(k) == []


@pytest.mark.skipif(KERNEL != "rustorch", reason="about the language")
def test_questions_are_answered_while_a_cell_computes(start):
    """The figures are latency.py's; here only that none waits for the cell."""
    took = latency.while_busy(start(), 5)
    assert max(times[2] for times in took.values()) < 2 < TIMEOUT

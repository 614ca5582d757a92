# SPDX-License-Identifier: MIT
"""The `rustorch` command: run, repl, kernelspec, and how it says no."""
import json
import os
import pathlib
import signal
import subprocess

import pytest
from dialect import KERNEL, cell

BUILD = pathlib.Path(os.environ.get("RUSTORCH_BUILDDIR", "build")).resolve()
COMMAND = str(BUILD / {"rustorch": "rustorch", "double": "double-rustorch"}[KERNEL])


def rustorch(*arguments, stdin="", **environment):
    return subprocess.run([COMMAND, *map(str, arguments)], input=stdin, text=True, timeout=60,
                          capture_output=True, env={**os.environ, **environment})


def test_version_and_help():
    assert rustorch("--version").stdout.startswith("rustorch 0.")
    assert "run FILE.rt" in rustorch("--help").stdout


@pytest.mark.parametrize("arguments, part", [
    ([], "usage"), (["no-such"], "no-such is no command"), (["run"], "expected one"),
    (["run", "a", "b"], "expected one"), (["repl", "a.rt"], "rustorch run a.rt"),
    (["kernelspec"], "usage"), (["kernelspec", "list"], "list is no command"),
    (["kernelspec", "install", "--prefix"], "--prefix"),
    (["kernelspec", "install", "--where"], "--where"),
    (["kernelspec", "install", "--user", "--sys-prefix"], "exclude"),
    (["kernelspec", "install", "--name", "../x"], "../x")])
def test_wrong_usage_ends_with_two_and_says_what_is_right(arguments, part):
    result = rustorch(*arguments)
    assert result.returncode == 2 and part in result.stderr and result.stdout == ""


def test_run_executes_a_file(tmp_path):
    file = tmp_path / "hello.rt"
    file.write_text(cell("hello"))
    result = rustorch("run", file)
    assert (result.returncode, result.stdout, result.stderr) == (0, "hello, world\n", "")
    assert rustorch("run", "-", stdin=cell("hello")).stdout == "hello, world\n"


def test_run_reports_errors_on_stderr(tmp_path):
    file = tmp_path / "bad.rt"
    file.write_text(cell("hello") + "\n" + cell("fail"))
    result = rustorch("run", file)
    assert result.returncode == 1 and "as asked" in result.stderr
    assert result.stdout == "hello, world\n" and "\x1b" not in result.stderr
    result = rustorch("run", tmp_path / "none.rt")
    assert result.returncode == 1 and "No such file" in result.stderr


def test_run_reads_input_from_stdin(tmp_path):
    file = tmp_path / "ask.rt"
    file.write_text(cell("ask", "name? "))
    assert rustorch("run", file, stdin="Ada\n").stdout == "name? "
    result = rustorch("run", file)
    assert result.returncode == 1 and "standard input has ended" in result.stderr


def test_run_ends_on_ctrl_c(tmp_path):
    file = tmp_path / "spin.rt"
    file.write_text(cell("stderr") + "\n" + cell("spin"))
    with subprocess.Popen([COMMAND, "run", str(file)], stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr.readline() == "to stderr\n"
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=60) == 130


def test_repl_shows_values_and_goes_on_after_errors():
    lines = [cell("set", "x", 4), cell("get", "x"), cell("fail"), cell("get", "x"), "exit",
             cell("hello")]
    result = rustorch("repl", stdin="\n".join(lines) + "\n")
    assert result.stdout.split() == ["4", "4"]
    assert result.returncode == 0 and "as asked" in result.stderr


def spec_of(folder):
    return json.loads((folder / "kernel.json").read_text())


def test_kernelspec_install_and_remove(tmp_path):
    program = str(BUILD / "rustorch-kernel")
    if not os.access(program, os.X_OK):
        pytest.skip("rustorch-kernel is not built")
    folder = tmp_path / "share/jupyter/kernels/rt2"
    done = rustorch("kernelspec", "install", "--prefix", tmp_path, "--name=rt2",
                    "--display-name", "Zwei")
    assert done.returncode == 0 and str(folder) in done.stdout
    spec = spec_of(folder)
    assert spec["argv"] == [program, "-f", "{connection_file}"]
    assert spec["display_name"] == "Zwei" and spec["language"] == "rustorch"
    assert spec["kernel_protocol_version"] == "5.6.0"
    assert {p.name for p in folder.iterdir()} == {
        "kernel.json", "logo-32x32.png", "logo-64x64.png", "logo-svg.svg"}
    gone = rustorch("kernelspec", "remove", "--prefix", tmp_path, "--name", "rt2")
    assert gone.returncode == 0 and not folder.exists()
    again = rustorch("kernelspec", "remove", "--prefix", tmp_path, "--name", "rt2")
    assert again.returncode == 1 and "no kernelspec rt2" in again.stderr


@pytest.mark.parametrize("arguments, environment, place", [
    (["--user"], {"JUPYTER_DATA_DIR": "{}/j"}, "j/kernels/rustorch"),
    (["--user"], {"JUPYTER_DATA_DIR": "", "XDG_DATA_HOME": "{}/d"}, "d/jupyter/kernels/rustorch"),
    (["--sys-prefix"], {"VIRTUAL_ENV": "{}/v"}, "v/share/jupyter/kernels/rustorch"),
    ([], {"VIRTUAL_ENV": "", "CONDA_PREFIX": "{}/c"}, "c/share/jupyter/kernels/rustorch")])
def test_kernelspec_goes_where_jupyter_looks(tmp_path, arguments, environment, place):
    if not os.access(BUILD / "rustorch-kernel", os.X_OK):
        pytest.skip("rustorch-kernel is not built")
    environment = {k: v.format(tmp_path) for k, v in environment.items()}
    assert rustorch("kernelspec", "install", *arguments, **environment).returncode == 0
    assert spec_of(tmp_path / place)["display_name"] == "RusTorch"


def test_kernelspec_says_why_it_cannot_be_written(tmp_path):
    if not os.access(BUILD / "rustorch-kernel", os.X_OK):
        pytest.skip("rustorch-kernel is not built")
    (tmp_path / "share").write_text("")
    result = rustorch("kernelspec", "install", "--prefix", tmp_path)
    assert result.returncode == 1 and str(tmp_path) in result.stderr

# SPDX-License-Identifier: MIT
"""`make install` puts the kernel where Jupyter under the same prefix finds it."""
import os
import pathlib
import subprocess

import pytest
from client import Kernel, text
from jupyter_client.kernelspec import KernelSpecManager

BUILD = pathlib.Path(os.environ.get("RUSTORCH_BUILDDIR", "build")).resolve()


def make(target, prefix):
    quiet = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    done = subprocess.run(["make", "-s", "-C", str(BUILD), target, f"prefix={prefix}"], env=quiet,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("prefix")
    make("install", prefix)
    return prefix


def test_jupyter_finds_and_starts_the_installed_kernel(prefix, monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", str(prefix / "share/jupyter"))
    found = KernelSpecManager().get_all_specs()["rustorch"]
    assert found["resource_dir"] == str(prefix / "share/jupyter/kernels/rustorch")
    spec = found["spec"]
    assert spec["argv"] == [f"{prefix}/bin/rustorch-kernel", "-f", "{connection_file}"]
    assert spec["display_name"] == "RusTorch" and spec["interrupt_mode"] == "signal"
    k = Kernel("rustorch")
    try:
        _, outputs = k.run('println!("hello, world");')
        assert text(outputs) == "hello, world\n"
    finally:
        k.close()


def test_the_spec_has_the_logos_jupyter_shows(prefix):
    folder = prefix / "share/jupyter/kernels/rustorch"
    for size in (32, 64):
        png = (folder / f"logo-{size}x{size}.png").read_bytes()
        assert png[:8] == b"\x89PNG\r\n\x1a\n"
        assert [int.from_bytes(png[i:i + 4], "big") for i in (16, 20)] == [size, size]
    assert (folder / "logo-svg.svg").read_text().startswith("<svg")


def test_the_installed_command_runs_a_file(prefix, tmp_path):
    file = tmp_path / "a.rt"
    file.write_text("println!(\"{}\", 6 * 7);")
    done = subprocess.run([prefix / "bin/rustorch", "run", file], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("42\n", 0)


def test_uninstall_takes_the_kernelspec_away(tmp_path):
    make("install-data-local", tmp_path)
    folder = tmp_path / "share/jupyter/kernels/rustorch"
    assert (folder / "kernel.json").exists()
    make("uninstall-local", tmp_path)
    assert not (folder / "kernel.json").exists()

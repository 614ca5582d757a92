# SPDX-License-Identifier: MIT
"""make install, a program in C against what it installed, make uninstall."""
import os
import subprocess
from pathlib import Path

import pytest
from conftest import TOP

BUILD = Path(os.environ.get("RUSTORCH_BUILDDIR", TOP / "build"))
PROGRAM = r"""
#include "lang/lang.h"
#include <stdio.h>

static void write_text(void *ctx, int fd, const char *text, size_t size)
{
    fwrite(text, 1, size, stdout);
}

int main(void)
{
    lang_host host = {.stream = write_text};
    lang_session *session = NULL;
    lang_outcome outcome;
    rt_error err = {0};
    if (lang_session_new(&session, &host, &err)) {
        return 1;
    }
    static const char cell[] = "print(rustorch_sum());";
    static const char setup[] = "float rustorch_sum() { return ones(2, 3).sum(); }";
    lang_execute(session, setup, sizeof setup - 1, 1, NULL, &outcome);
    lang_outcome_dispose(&outcome);
    lang_execute(session, cell, sizeof cell - 1, 2, NULL, &outcome);
    int status = !outcome.ok;
    lang_outcome_dispose(&outcome);
    lang_session_free(session);
    return status;
}
"""


def make(*words):
    # The tests run inside make: its flags and jobs are not this one's.
    clean = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "DESTDIR")}
    return subprocess.run(["make", "-s", "-C", str(BUILD), *words], capture_output=True,
                          text=True, timeout=240, check=True, env=clean)


def files(folder):
    return [p for p in folder.rglob("*") if not p.is_dir()]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    make("install", f"DESTDIR={folder}")
    yield folder
    make("uninstall", f"DESTDIR={folder}")
    assert files(folder) == []


def test_a_c_program_builds_and_runs_against_the_installed_tree(tree, tmp_path):
    (note,) = tree.rglob("rustorch.pc")
    env = dict(os.environ, PKG_CONFIG_PATH=str(note.parent), PKG_CONFIG_SYSROOT_DIR=str(tree))
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "rustorch"], env=env, text=True,
                           capture_output=True, check=True).stdout.split()
    source, program = tmp_path / "use.c", tmp_path / "use"
    source.write_text(PROGRAM)
    subprocess.run(["cc", str(source), "-o", str(program), *flags], check=True, timeout=60)
    env["LD_LIBRARY_PATH"] = str(note.parent.parent)
    out = subprocess.run([str(program)], env=env, capture_output=True, text=True, timeout=60)
    assert (out.returncode, out.stdout.strip()) == (0, "6.0"), out


def test_only_public_names_are_visible(tree):
    library = next(p for p in tree.rglob("librustorch.so") if p.exists())
    names = subprocess.run(["nm", "-D", "--defined-only", str(library)], capture_output=True,
                           text=True, check=True).stdout.split()[2::3]
    assert len(names) > 100
    assert not [n for n in names if not n.startswith(("rt_", "lang_")) or "__" in n]

# SPDX-License-Identifier: MIT
"""torture.py [--seed N] [--samples N]: everything that is to be survived, and a table of it.

Runs the kernel's hard suites whole (RUSTORCH_TORTURE=1), the browser, the table
of interrupts and that of checkpoints, with one seed for all; the last lines say
what was tried, survived and lost. A suite counts its cases with `case`, or one
for each test (SUITES). On a machine with other work --tests and --timed name
commands that run what follows them when it may: one test function, one row.
"""
import argparse
import collections
import contextlib
import json
import os
import pathlib
import random
import shlex
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
WHOLE = bool(os.environ.get("RUSTORCH_TORTURE"))
SEED = int(os.environ.get("RUSTORCH_SEED") or random.SystemRandom().randrange(10**6))


def some(reduced, whole):
    """How many times: in ./check, in make torture."""
    return whole if WHOLE else reduced


def count(what, done):
    if "RUSTORCH_TORTURE_LOG" in os.environ:
        with open(os.environ["RUSTORCH_TORTURE_LOG"], "a") as log:
            log.write(json.dumps([what, done]) + "\n")


@contextlib.contextmanager
def case(what):
    """Counts one case; it is lost when the block fails."""
    done = False
    try:
        yield
        done = True
    finally:
        count(what, done)


def counted(path):
    """{what: [tried, survived]} in the order of the first case of each."""
    table = collections.OrderedDict()
    for line in pathlib.Path(path).read_text().splitlines():
        what, done = json.loads(line)
        row = table.setdefault(what, [0, 0])
        row[0] += 1
        row[1] += done
    return table


# The file, and the row in which each of its tests is one case; None: it counts itself.
SUITES = {"test_torture.py": None, "test_wire_abuse.py": "wire abuse",
          "test_security.py": "keys, files, sockets", "test_sequences.py": "random sequences",
          "test_stalled.py": "clients that stall", "test_limits.py": "limits",
          "test_damage.py": "damaged messages", "test_disk.py": "faults on disk"}


def pytest(env, before, *arguments):
    """0, also when nothing was to be run."""
    status = subprocess.call([*before, sys.executable, "-m", "pytest", "-q", "--timeout", "1800",
                              "-p", "no:cacheprovider", *arguments], env=env)
    return 0 if status == 5 else status


def functions(file):
    """Its tests without their parameters, in order."""
    listed = subprocess.run([sys.executable, "-m", "pytest", "-q", "--collect-only", str(HERE / file)],
                            stdout=subprocess.PIPE, text=True).stdout
    names = [line.split("::", 1)[1].split("[")[0] for line in listed.splitlines() if "::" in line]
    return list(dict.fromkeys(names))


def run_suites(env, before):
    failed = 0
    for file, row in SUITES.items():
        names = functions(file)
        assert names, file
        for name in names:
            failed |= pytest(dict(env, RUSTORCH_TORTURE_ROW=row or ""), before,
                             f"{HERE / file}::{name}")
    return failed


def timed(env, before, script, *arguments):
    return subprocess.call([*before, sys.executable, str(HERE / script), *arguments], env=env)


def print_table(table):
    width = max(map(len, table), default=0)
    print(f"\n{'case':{width}} {'tried':>7} {'survived':>9} {'lost':>6}")
    for what, (tried, survived) in table.items():
        print(f"{what:{width}} {tried:7} {survived:9} {tried - survived:6}")
    tried, survived = (sum(row[i] for row in table.values()) for i in (0, 1))
    print(f"{'all':{width}} {tried:7} {survived:9} {tried - survived:6}")
    return tried - survived


def main():
    import interrupts       # which counts its cases with this module
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", default="")
    options.add_argument("--samples", default="")
    options.add_argument("--tests", default="", type=shlex.split)
    options.add_argument("--timed", default="", type=shlex.split)
    given = options.parse_args()
    seed = given.seed or str(SEED)
    began = time.time()
    build = pathlib.Path(os.environ.get("RUSTORCH_BUILDDIR", "build"))
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder, "cases")
        log.touch()
        interrupts.install(pathlib.Path(folder), build)     # for the browser's server
        os.environ.update(RUSTORCH_TORTURE="1", RUSTORCH_SEED=seed,
                          RUSTORCH_TORTURE_LOG=str(log))
        env = dict(os.environ)
        print(f"seed {seed}", flush=True)
        failed = run_suites(env, given.tests)
        for what in ("crash", "interrupt"):
            with contextlib.suppress(AssertionError), case(f"JupyterLab: {what}"):
                assert pytest(env, given.tests, str(HERE.parent / "lab"), "-k", what) == 0
        print(interrupts.TITLE, flush=True)
        for row in interrupts.ROWS:
            failed |= timed(env, given.timed, "interrupts.py", str(build), "--bare", "--rows",
                            row.name, "--samples", given.samples or str(interrupts.SAMPLES), "--seed", seed)
        failed |= timed(env, given.timed, "beside.py", str(build), "--only", "costs")
        failed |= timed(env, given.timed, "beside.py", str(build), "--only", "beside")
        lost = print_table(counted(log))
    print(f"{time.time() - began:.0f} s, seed {seed}" + (": something failed" if failed else ""))
    sys.exit(1 if failed or lost else 0)


if __name__ == "__main__":
    main()

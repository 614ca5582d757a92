# SPDX-License-Identifier: MIT
"""torture.py [--seed N] [--samples N]: everything that is to be survived, and a table of it.

Runs the torture and wire suites whole (RUSTORCH_TORTURE=1), the table of
interrupts and the browser, with one seed for all; the last lines say what was
tried, survived and lost. A suite counts its cases with `case`.
"""
import argparse
import collections
import contextlib
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
WHOLE = bool(os.environ.get("RUSTORCH_TORTURE"))
SEED = int(os.environ.get("RUSTORCH_SEED") or random.SystemRandom().randrange(10**6))


def some(reduced, whole):
    """How many times: in ./check, in make torture."""
    return whole if WHOLE else reduced


@contextlib.contextmanager
def case(what):
    """Counts one case; it is lost when the block fails."""
    done = False
    try:
        yield
        done = True
    finally:
        if "RUSTORCH_TORTURE_LOG" in os.environ:
            with open(os.environ["RUSTORCH_TORTURE_LOG"], "a") as log:
                log.write(json.dumps([what, done]) + "\n")


def counted(path):
    """{what: [tried, survived]} in the order of the first case of each."""
    table = collections.OrderedDict()
    for line in pathlib.Path(path).read_text().splitlines():
        what, done = json.loads(line)
        row = table.setdefault(what, [0, 0])
        row[0] += 1
        row[1] += done
    return table


def pytest(env, *arguments):
    return subprocess.call([sys.executable, "-m", "pytest", "-q", "--timeout", "1800",
                            "-p", "no:cacheprovider", *arguments], env=env)


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
    given = options.parse_args()
    seed = given.seed or str(SEED)
    build = pathlib.Path(os.environ.get("RUSTORCH_BUILDDIR", "build"))
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder, "cases")
        log.touch()
        interrupts.install(pathlib.Path(folder), build)     # for the browser's server
        os.environ.update(RUSTORCH_TORTURE="1", RUSTORCH_SEED=seed,
                          RUSTORCH_TORTURE_LOG=str(log))
        env = dict(os.environ)
        print(f"seed {seed}", flush=True)
        failed = pytest(env, str(HERE / "test_torture.py"), str(HERE / "test_wire_abuse.py"))
        for what in ("crash", "interrupt"):
            with contextlib.suppress(AssertionError), case(f"JupyterLab: {what}"):
                assert pytest(env, str(HERE.parent / "lab"), "-k", what) == 0
        failed |= subprocess.call([sys.executable, str(HERE / "interrupts.py"), str(build),
                                   "--samples", given.samples or "60", "--seed", seed], env=env)
        lost = print_table(counted(log))
    sys.exit(1 if failed or lost else 0)


if __name__ == "__main__":
    main()

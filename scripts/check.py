# SPDX-License-Identifier: MIT
"""Runs every suite and adds up their counts.

A suite is a C test program (its last line is `N passed, N failed`, perhaps
`, N skipped`) or a folder of pytest files. A program that ends without such a
line counts as one failure. The last line printed is the sum.
"""
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
BUILD = TOP / "build"
COUNT = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)
PYTEST_SUITES = ["tests/python", "tests/bench", "tests/magic", "tests/kernel", "tests/docs",
                 "tests/notebooks", "tests/lab"]


def c_suites():
    """`make check`; yields (name, passed, failed, skipped) for each program."""
    for old in BUILD.glob("tests/**/*.log"):
        old.unlink()
    result = subprocess.run(["make", "-C", str(BUILD), "-k", "check"], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    logs = [p for p in BUILD.glob("**/*.log") if p.with_suffix(".trs").exists()]
    if not logs or (result.returncode and not any_failed(logs)):
        print(result.stdout[-6000:])
        yield "make check", 0, 1, 0
    for path in sorted(logs):
        text = path.read_text(errors="replace")
        counts = COUNT.findall(text)
        passed, failed, skipped = (int(n or 0) for n in counts[-1]) if counts else (0, 1, 0)
        if failed:
            print(text[-4000:])
        yield str(path.relative_to(BUILD).with_suffix("")), passed, failed, skipped


def any_failed(logs):
    return any(":test-result: PASS" not in p.with_suffix(".trs").read_text() for p in logs)


def pytest_suite(folder):
    report = BUILD / (folder.replace("/", "-") + ".xml")
    report.unlink(missing_ok=True)
    subprocess.run([sys.executable, "-m", "pytest", "-q", "--timeout", "300",
                    f"--junitxml={report}", "-p", "no:cacheprovider", folder], cwd=TOP)
    if not report.exists():
        return folder, 0, 1, 0
    suite = xml.parse(report).getroot().find("testsuite")
    total, bad, skipped = (int(suite.get(k)) for k in ("tests", "failures", "skipped"))
    bad += int(suite.get("errors"))
    return folder, total - bad - skipped, bad, skipped


def main():
    # A shell that starts this in the background has SIGINT ignored, and what is
    # ignored is inherited: tests of Ctrl-C would wait for ever.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(RUSTORCH_BUILDDIR=str(BUILD), RUSTORCH_SRCDIR=str(TOP),
                      MPLBACKEND="Agg", JUPYTER_PLATFORM_DIRS="1")
    rows = list(c_suites())
    for folder in PYTEST_SUITES:
        if (TOP / folder).is_dir():
            rows.append(pytest_suite(folder))
    print()
    for name, passed, failed, skipped in rows:
        print(f"{name:40} {passed:6} passed {failed:4} failed {skipped:4} skipped")
    passed, failed, skipped = (sum(r[i] for r in rows) for i in (1, 2, 3))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())

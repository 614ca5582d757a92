# SPDX-License-Identifier: MIT
"""perf's flat profile of our worker running one row of the benchmark.

usage: profile_row.py ROW [--threads N] [--seconds N] [--library rustorch|torch] --data FILE
"""
import argparse
import os
import shutil
import subprocess
import sys
import time

from bench import Peer
from everyday import ALL


def the_row(part):
    """The row of that name, or the only one whose name holds it."""
    names = [part] if part in ALL else [name for name in ALL if part in name]
    if len(names) == 1 and part:
        return names[0]
    print("profile: give one row, as in  make profile ROW='matmul 512'.  "
          + (f"'{part}' fits: {', '.join(names)}" if names and part else f"Rows: {', '.join(ALL)}"))
    return None


def record(peer, options):
    """Samples the worker while it runs the row; perf's exit status."""
    perf = subprocess.Popen(["perf", "record", "-q", "-F", "2999", "-p", str(peer.process.pid),
                             "-o", options.data, "--", "sleep", str(options.seconds)],
                            stderr=subprocess.PIPE, text=True)
    time.sleep(0.3)    # perf has attached
    answer = peer.ask(do="loop", seconds=options.seconds + 0.5)
    said = perf.communicate()[1]
    if perf.returncode:
        print(f"profile: perf record failed: {said.strip()}\n(kernel.perf_event_paranoid must be "
              "2 or less, or run as root)")
    else:
        print(f"{answer['calls']} calls in {options.seconds + 0.5:.1f} s")
    return perf.returncode


def main(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("row")
    parser.add_argument("--threads", default=2, type=int)
    parser.add_argument("--seconds", default=5, type=float)
    parser.add_argument("--library", default="rustorch")
    parser.add_argument("--data", required=True)
    options = parser.parse_args(argv)
    name = the_row(options.row)
    if not name:
        return 1
    if not shutil.which("perf"):
        print("profile: perf is missing (apt-get install linux-perf)")
        return 1
    peer = Peer(options.library, options.threads,
                sorted(os.sched_getaffinity(0))[:options.threads])
    try:
        answer = peer.ask(do="prepare", row=name, variant=ALL[name]["variants"][0], seconds=0.03)
        if "error" in answer:
            print(f"profile: {name}: {answer['error']}")
            return 1
        print(f"{name}, {options.threads} thread(s), {options.library}")
        if record(peer, options):
            return 1
    finally:
        peer.close()
    return subprocess.run(["perf", "report", "--stdio", "-i", options.data, "--no-children",
                           "-g", "none", "--sort", "symbol,dso", "--percent-limit", "0.5"],
                          stderr=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

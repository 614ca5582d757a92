# SPDX-License-Identifier: MIT
"""One library in a process of its own, told what to time over a pipe.

usage: worker.py torch|rustorch THREADS      (reads and writes JSON lines)
"""
import importlib
import json
import sys
import time

from everyday import ALL
from rows import Statement

SAMPLES = 1000
PARTS = 8          # of a turn that has a limit


def sampled(value):
    """A result's shape and up to 1,000 of its values, for the comparison."""
    if not hasattr(value, "detach"):
        return {"shape": [], "values": [float(value)]}
    flat = value.detach().reshape(-1)
    step = max(1, flat.numel() // SAMPLES)
    return {"shape": list(value.shape), "values": [float(v) for v in flat[::step].tolist()]}


def repeat(run, n):
    """Seconds for n calls."""
    if isinstance(run, Statement):
        return run.seconds(n)
    begin = time.perf_counter()
    for _ in range(n):
        run()
    return time.perf_counter() - begin


def prepare(library, request):
    """Makes the row's operands; what its first call returned, and how long one call takes."""
    entry = ALL[request["row"]]
    variant = request["variant"]
    run = entry["make"](library, variant) if variant else entry["make"](library)
    if run is None:
        return None, {"absent": True}
    answer = sampled(run())
    n = 1
    while repeat(run, n) < 0.01 and n < 1_000_000:   # also the warm-up
        n *= 2
    seconds = min(repeat(run, n) for _ in range(3)) / n
    answer.update(seconds=seconds, calls=max(1, int(request["seconds"] / seconds)))
    return run, answer


def timed(run, request):
    """Microseconds a call; with a limit the turn ends early once that many seconds are over."""
    if request["warm"]:
        run()
    limit = request.get("limit")
    if limit is None:
        return repeat(run, request["calls"]) / request["calls"] * 1e6
    part = max(1, request["calls"] // PARTS)
    seconds = calls = 0
    while calls < request["calls"] and seconds < limit:
        seconds += repeat(run, part)
        calls += part
    return seconds / calls * 1e6


def loop(run, seconds):
    """Calls for some seconds, and says how many."""
    end, calls = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        run()
        calls += 1
    return calls


def main():
    name, threads = sys.argv[1], int(sys.argv[2])
    library = importlib.import_module(name)
    library.set_num_threads(threads)
    run = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "version":
                answer = {"version": library.__version__}
            elif request["do"] == "prepare":
                run = None   # its memory first
                run, answer = prepare(library, request)
            elif request["do"] == "loop":
                answer = {"calls": loop(run, request["seconds"])}
            else:
                answer = {"us": timed(run, request)}
        except Exception as error:   # reported by the driver, row by row
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()

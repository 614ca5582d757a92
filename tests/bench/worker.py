# SPDX-License-Identifier: MIT
"""One library in a process of its own, told what to time over a pipe.

usage: worker.py torch|rustorch THREADS      (reads and writes JSON lines)
"""
import importlib
import json
import sys
import time

from rows import ROWS


def numbers(value):
    """Up to 1,000 values of a result, as floats, for the comparison."""
    if hasattr(value, "detach"):
        flat = value.detach().reshape(-1)
        step = max(1, flat.numel() // 1000)
        return [float(v) for v in flat[::step].tolist()[:1000]]
    return [float(value)]


def repeat(run, n):
    """Seconds for n calls."""
    begin = time.perf_counter()
    for _ in range(n):
        run()
    return time.perf_counter() - begin


def prepare(library, request):
    entry = ROWS[request["row"]]
    variant = request.get("variant")
    run = entry["make"](library, variant) if variant else entry["make"](library)
    if run is None:
        return None, {"absent": True}
    values = numbers(run())
    n = 1
    while repeat(run, n) < 0.01 and n < 1_000_000:   # also the warm-up
        n *= 2
    seconds = min(repeat(run, n) for _ in range(3)) / n
    return run, {"values": values, "calls": max(1, int(request["seconds"] / seconds))}


def main():
    name, threads = sys.argv[1], int(sys.argv[2])
    library = importlib.import_module(name)
    library.set_num_threads(threads)
    run = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "prepare":
                run, answer = prepare(library, request)
            else:
                answer = {"us": repeat(run, request["calls"]) / request["calls"] * 1e6}
        except Exception as error:   # reported by the driver, row by row
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: MIT
"""RusTorch beside PyTorch and ipykernel, in one run.

Both libraries run in processes of their own on the same cores, in alternating
rounds A B B A; a row's figure is the median of the paired ratios (above 1: we
are faster) with a 95% bootstrap interval. Results are compared before they are
timed. Refuses on a loaded machine unless BENCH_FORCE=1.

usage: bench.py [--rows part,part] [--threads 1,2] [--rounds N] [--contended] --peak PROGRAM --json FILE
"""
import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
from pathlib import Path

import kernels
from rows import ROWS

HERE = Path(__file__).resolve().parent
TUNED = {"GLIBC_TUNABLES": "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184:"
                           "glibc.malloc.top_pad=268435456"}


class Peer:
    """A worker process holding one library."""

    def __init__(self, library, threads, cores):
        env = dict(os.environ, OMP_NUM_THREADS=str(threads), RT_NUM_THREADS=str(threads))
        if library == "torch":
            env.update(TUNED)
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), library, str(threads)], env=env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores))

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the worker ended")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def interval(ratios):
    """Median and its 95% bootstrap interval (Efron 1979), 2,000 resamples."""
    rng = random.Random(0)
    medians = sorted(statistics.median(rng.choices(ratios, k=len(ratios))) for _ in range(2000))
    return statistics.median(ratios), medians[50], medians[1949]


def differ(ours, theirs, tolerance):
    """What is wrong with our values, or None."""
    if len(ours) != len(theirs):
        return f"{len(ours)} values, expected {len(theirs)}"
    for a, b in zip(ours, theirs):
        if not (abs(a - b) <= tolerance * (1 + abs(b)) or (math.isnan(a) and math.isnan(b))):
            return f"{a} instead of {b}"
    return None


def best_variant(peer, name, seconds):
    """Prepares each layout; keeps the fastest. Returns the last answer."""
    entry = ROWS[name]
    if entry["variants"] == ("",):
        return peer.ask(do="prepare", row=name, seconds=seconds)
    best = None
    for variant in entry["variants"]:
        answer = peer.ask(do="prepare", row=name, variant=variant, seconds=seconds)
        if "calls" in answer and (best is None or answer["calls"] > best[1]["calls"]):
            best = variant, answer
    return peer.ask(do="prepare", row=name, variant=best[0], seconds=seconds) if best else answer


def measure(name, ours, theirs, rounds, seconds):
    a, b = best_variant(ours, name, seconds), best_variant(theirs, name, seconds)
    for answer, who in ((a, "rustorch"), (b, "torch")):
        if "error" in answer:
            return {"row": name, "error": f"{who}: {answer['error']}"}
    if not name.startswith("Adam"):   # its state differs after different warm-ups
        wrong = differ(a["values"], b["values"], ROWS[name]["tolerance"])
        if wrong:
            return {"row": name, "error": f"results differ: {wrong}"}
    pairs = []
    for i in range(rounds):
        order = [(ours, a), (theirs, b)]
        if i % 2:
            order.reverse()
        times = {id(p): p.ask(do="time", calls=answer["calls"])["us"] for p, answer in order}
        pairs.append((times[id(ours)], times[id(theirs)]))
    ratio, low, high = interval([t / o for o, t in pairs])
    return {"row": name, "peer": "torch", "ours_us": statistics.median(o for o, _ in pairs),
            "peer_us": statistics.median(t for _, t in pairs), "ratio": ratio, "low": low,
            "high": high}


def limit_percent(result, peaks):
    work = ROWS[result["row"]]["work"]
    if not work:
        return None
    per_second = peaks["flops" if work[0] == "flop" else "bytes"]
    return 100 * work[1] / per_second / (result["ours_us"] * 1e-6)


def show(r):
    if "error" in r:
        print(f"{r['row']:38} {r['error']}")
        return
    limit = f"{r['limit_percent']:5.0f}%" if r.get("limit_percent") else "     -"
    print(f"{r['row']:38} {r['threads']:2} {r['ours_us']:12.2f} {r['peer_us']:12.2f} "
          f"{r['ratio']:8.2f}x  [{r['low']:.2f}, {r['high']:.2f}] {limit}", flush=True)


def loaded():
    """Whether other work competes for the cores: load above half of them."""
    return os.getloadavg()[0] > 0.5 * os.cpu_count()


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown processor"


def library_rows(names, options, peaks):
    results = []
    cores = set(sorted(os.sched_getaffinity(0))[:max(options.threads)])
    for threads in options.threads:
        ours, theirs = Peer("rustorch", threads, cores), Peer("torch", threads, cores)
        for name in names:
            r = measure(name, ours, theirs, options.rounds, options.seconds)
            r["threads"] = threads
            if "error" not in r:
                r["limit_percent"] = limit_percent(r, peaks[str(threads)] if str(threads) in peaks else peaks["1"])
            results.append(r)
            show(r)
        ours.close()
        theirs.close()
    return results


def options_of(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", default="")
    parser.add_argument("--threads", default="1,2", type=lambda s: [int(n) for n in s.split(",")])
    parser.add_argument("--rounds", default=15, type=int)
    parser.add_argument("--seconds", default=0.03, type=float)
    parser.add_argument("--contended", action="store_true")
    parser.add_argument("--peak", required=True)
    parser.add_argument("--json", required=True)
    return parser.parse_args(argv)


def main(argv):
    options = options_of(argv)
    if loaded() and not os.environ.get("BENCH_FORCE"):
        print(f"the machine is loaded (load {os.getloadavg()[0]:.1f}): figures would mislead. "
              "Wait, or set BENCH_FORCE=1.")
        return 1
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if options.contended else None
    try:
        peaks = json.loads(subprocess.check_output([options.peak], text=True))
        print(f"{processor()}; load {os.getloadavg()[0]:.2f}"
              + ("; forced on a loaded machine" if loaded() else "")
              + ("; one core kept busy" if busy else ""))
        for threads, p in peaks.items():
            print(f"  {threads} thread(s): {p['flops'] / 1e9:.0f} GFLOP/s, {p['bytes'] / 1e9:.0f} GB/s")
        print(f"{'row':38} {'th':2} {'ours us':>12} {'peer us':>12} {'ratio':>9}")
        wanted = [w for w in options.rows.split(",") if w]
        names = [n for n in ROWS if not wanted or any(w in n for w in wanted)]
        results = library_rows(names, options, peaks)
        for r in kernels.measure_all(wanted, TUNED):
            results.append(r)
            show(r)
    finally:
        if busy:
            busy.kill()
    Path(options.json).write_text(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

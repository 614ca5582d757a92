# SPDX-License-Identifier: MIT
"""RusTorch beside PyTorch and ipykernel, in one run.

Both libraries run in processes of their own on the same cores, in alternating
rounds A B B A; who has no turn is stopped, so that threads which wait by
spinning disturb nobody. A row's figure is the median of the paired ratios
(above 1: we are faster) with a 95% bootstrap interval. Results are compared
before they are timed. Refuses on a loaded machine unless BENCH_FORCE=1.

usage: bench.py [--rows part,part] [--threads 1,2] [--rounds N] [--contended | --everyday]
                [--kernel PROGRAM] [--echo PROGRAM] [--peak PROGRAM] --json FILE
"""
import argparse
import ctypes
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import everyday
import kernels
from figures import (compared, cpu_times, differ, failed, limit_percent, loaded, merged, others,
                     wanted)
from rows import ROWS

HERE = Path(__file__).resolve().parent
# Configuration B: without these PyTorch maps and clears every large result anew.
TUNED = {"GLIBC_TUNABLES": "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184:"
                           "glibc.malloc.top_pad=268435456"}
WARM_BELOW = 0.03       # seconds of one call, up to which each turn starts with an untimed one
CONTENDED_TURN = 0.5    # seconds after which a turn beside a busy core ends


def child(cores):
    """For a child between fork and exec: its cores, and its end when we end."""
    def setup():
        os.sched_setaffinity(0, cores)
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)   # PR_SET_PDEATHSIG
    return setup


class Peer:
    """A worker process holding one library; stopped while it has no turn."""

    def __init__(self, library, threads, cores):
        env = dict(os.environ, OMP_NUM_THREADS=str(threads), RT_NUM_THREADS=str(threads))
        if library == "torch":
            env.update(TUNED)
        self.library = library
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), library, str(threads)], env=env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=child(cores))
        self.version = self.ask(do="version")["version"]

    def ask(self, **request):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process with {self.library} ended")
        self.process.send_signal(signal.SIGSTOP)
        return json.loads(line)

    def time(self, answer, **more):
        """Microseconds a call, over the calls that `answer` (of prepare) says."""
        said = self.ask(do="time", calls=answer["calls"],
                        warm=answer["seconds"] < WARM_BELOW, **more)
        if "error" in said:
            raise RuntimeError(f"{self.library}: {said['error']}")
        return said["us"]

    def close(self):
        self.process.kill()
        self.process.wait()


class Burner:
    """A process that keeps one core busy, between resume and pause."""

    def __init__(self, core):
        self.process = subprocess.Popen([sys.executable, "-c", "while True: pass"],
                                        preexec_fn=child({core}))
        self.pause()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        self.process.kill()
        self.process.wait()


def prepare(peer, name, seconds):
    """The answer for the fastest of the row's layouts, which is prepared last."""
    variants = everyday.ALL[name]["variants"]
    answers = {v: peer.ask(do="prepare", row=name, variant=v, seconds=seconds) for v in variants}
    timed = {v: a for v, a in answers.items() if "calls" in a}
    if not timed or len(variants) == 1:
        return answers[variants[0]]
    best = min(timed, key=lambda v: timed[v]["seconds"])
    return peer.ask(do="prepare", row=name, variant=best, seconds=seconds)


def prepared(name, ours, theirs, seconds):
    """Both answers and None, or why the row can't be timed."""
    a, b = prepare(ours, name, seconds), prepare(theirs, name, seconds)
    for answer, who in ((a, ours), (b, theirs)):
        if "error" in answer:
            return a, b, f"{who.library}: {answer['error']}"
    wrong = differ(a, b, everyday.ALL[name]["tolerance"])
    return a, b, f"results differ: {wrong}" if wrong else None


def rounds_of(ours, a, theirs, b, rounds, **more):
    """Times of both, in rounds A B B A."""
    times = {ours: [], theirs: []}
    for i in range(rounds):
        turns = [(ours, a), (theirs, b)]
        for peer, answer in turns if i % 2 == 0 else reversed(turns):
            times[peer].append(peer.time(answer, **more))
    return times[ours], times[theirs]


def measure(name, ours, theirs, threads, options, peaks):
    a, b, wrong = prepared(name, ours, theirs, options.seconds)
    if wrong:
        return failed(name, "torch", threads, wrong)
    r = compared(name, "torch", threads, *rounds_of(ours, a, theirs, b, options.rounds))
    r["limit_percent"] = limit_percent(everyday.ALL[name]["work"], r["ours_us"], threads, peaks)
    return r


def measure_contended(name, ours, theirs, threads, options, burner):
    """The same row alone and with a core kept busy; how much slower each is there."""
    a, b, wrong = prepared(name, ours, theirs, options.seconds)
    if wrong:
        return failed(name, "torch", threads, wrong)
    alone = rounds_of(ours, a, theirs, b, 3)
    burner.resume()
    try:
        beside = rounds_of(ours, a, theirs, b, options.rounds, limit=CONTENDED_TURN)
    finally:
        burner.pause()
    r = compared(name, "torch", threads, *beside)
    r["ours_loss"], r["peer_loss"] = (statistics.median(slow) / statistics.median(fast)
                                      for slow, fast in zip(beside, alone))
    return r


def show(r):
    if "error" in r:
        print(f"{r['row']:38} {r['threads']:2} {r['error']}", flush=True)
        return
    if "ours_loss" in r:
        last = f"{r['ours_loss']:7.2f}x {r['peer_loss']:7.2f}x"
    else:
        last = f"{r['limit_percent']:5.0f}%" if r["limit_percent"] else "     -"
    span = f"[{r['low']:.2f}, {r['high']:.2f}]"
    print(f"{r['row']:38} {r['threads']:2} {r['ours_us']:12.2f} {r['peer_us']:12.2f} "
          f"{r['ratio']:8.2f}x {span:>18} {last}", flush=True)


def show_behind(results):
    """The rows whose interval lies below 1, the worst first."""
    behind = sorted((r["ratio"], r["row"]) for r in results if r["high"] and r["high"] < 1)
    ahead = sum(bool(r["low"] and r["low"] > 1) for r in results)
    print(f"ahead in {ahead}, behind in {len(behind)} of {len(results)} rows"
          + "".join(f"\n  {ratio:.2f}x {name}" for ratio, name in behind))


def show_head(options, forced):
    print(f"{processor()}; {time.strftime('%Y-%m-%d %H:%M')}, load {os.getloadavg()[0]:.2f}"
          + (f"; FORCED although {forced}" if forced else "")
          + ("; one core kept busy" if options.contended else ""))


def show_peaks(peaks):
    kinds = (("read", "read"), ("byte", "read and written"), ("update", "4 arrays, 3 updated"))
    for threads, p in peaks.items():
        print(f"  {threads} thread(s): {p['flops'] / 1e9:.0f} GFLOP/s; GB/s by size, "
              + "; ".join(f"{text} " + ", ".join(
                  f"{int(size) / 2 ** 20:.3g} MiB {rate / 1e9:.0f}" for size, rate in p[kind].items())
                  for kind, text in kinds)
              + (f"; {p['meet'] * 1e9:.0f} ns to meet" if p["meet"] else ""), flush=True)


def measure_peaks(options, before=None):
    """The machine's limits, and the better ones of those before."""
    peaks = json.loads(subprocess.check_output([options.peak], text=True))
    peaks = merged(peaks, before) if before else peaks
    show_peaks(peaks)
    return peaks


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def library_rows(names, threads, options, peaks):
    """The rows of one thread count, each shown once it is measured."""
    cores = sorted(os.sched_getaffinity(0))[:threads]
    own = [Peer(library, threads, cores) for library in ("rustorch", "torch")]
    burner = Burner(cores[-1]) if options.contended else None
    try:
        print(f"rustorch {own[0].version}, torch {own[1].version}; {threads} thread(s) on "
              f"core(s) {', '.join(map(str, cores))}")
        for name in names:
            r = (measure_contended(name, *own, threads, options, burner) if burner
                 else measure(name, *own, threads, options, peaks))
            show(r)
            yield r
    finally:
        for process in own + ([burner] if burner else []):
            process.close()


def all_rows(options):
    peaks = measure_peaks(options) if options.peak else None
    parts = [part for part in options.rows.split(",") if part]
    names = [name for name in (everyday.ROWS if options.everyday else ROWS) if wanted(name, parts)]
    last = "we lose  torch loses" if options.contended else "limit"
    print(f"{'row':38} {'th':2} {'ours us':>12} {'peer us':>12} {'ratio':>9} {'95%':>18} {last}")
    for i, threads in enumerate(options.threads if names else ()):
        if i > 0 and options.peak:   # minutes later: a slow moment of the machine may be over
            peaks = measure_peaks(options, peaks)
        yield from library_rows(names, threads, options, peaks)
    if options.kernel and not options.contended:
        for r in kernels.measure_all(parts, options.kernel, TUNED, options.echo):
            show(r)
            yield r


def options_of(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", default="")
    parser.add_argument("--threads", default="")
    parser.add_argument("--rounds", default=0, type=int)
    parser.add_argument("--seconds", default=0.03, type=float)
    parser.add_argument("--contended", action="store_true")
    parser.add_argument("--everyday", action="store_true", help="the rows of everyday.py")
    parser.add_argument("--kernel", help="our kernel's program; none: no rows beside ipykernel")
    parser.add_argument("--echo", help="a program that answers cells and runs none: the limit of kernels")
    parser.add_argument("--peak", help="measures the machine's limits; none: no share of them")
    parser.add_argument("--json", required=True)
    options = parser.parse_args(argv)
    default = "2" if options.contended or options.everyday else "1,2"
    options.threads = [int(n) for n in (options.threads or default).split(",")]
    options.rounds = options.rounds or (5 if options.everyday else 7 if options.contended else 15)
    return options


def main(argv):
    options = options_of(argv)
    forced = loaded(*others())
    if forced and not os.environ.get("BENCH_FORCE"):
        print(f"bench: {forced}: figures would mislead. Wait, or set BENCH_FORCE=1.")
        return 1
    show_head(options, forced)
    stolen, begin = cpu_times()[1], time.monotonic()
    results = list(all_rows(options))
    Path(options.json).write_text(json.dumps(results, indent=1) + "\n")
    minutes = (time.monotonic() - begin) / 60
    errors = sum("error" in r for r in results)
    print(f"{len(results)} rows in {minutes:.1f} minutes, {errors} without a figure; "
          f"the host took {cpu_times()[1] - stolen:.1f} s of our cores; {options.json} written")
    losses = [(r["ours_loss"], r["row"]) for r in results if "ours_loss" in r]
    if options.everyday:
        show_behind(results)
    if losses:
        print(f"beside a busy core we lose at most {max(losses)[0]:.2f}x ({max(losses)[1]})")
    return 1 if errors or not results else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

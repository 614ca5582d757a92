# SPDX-License-Identifier: MIT
"""What `make bench` does with its measurements: medians of paired ratios and
their interval, comparison of results, the share of the machine's limit, and
whether the machine is fit to measure on. No process is started here."""
import math
import os
import random
import statistics
import time

RESAMPLES = 2000


def interval(ratios):
    """Median and its 95% bootstrap interval (Efron 1979), always the same for the same ratios."""
    rng = random.Random(0)
    medians = sorted(statistics.median(rng.choices(ratios, k=len(ratios)))
                     for _ in range(RESAMPLES))
    return (statistics.median(ratios), medians[RESAMPLES * 25 // 1000],
            medians[RESAMPLES * 975 // 1000 - 1])


def compared(row, peer, threads, ours, theirs):
    """A row of bench.json from times of paired rounds (or sizes: then the unit is the row's)."""
    ratio, low, high = interval([t / o for o, t in zip(ours, theirs)])
    return {"row": row, "peer": peer, "threads": threads, "ours_us": statistics.median(ours),
            "peer_us": statistics.median(theirs), "ratio": ratio, "low": low, "high": high,
            "limit_percent": None}


def failed(row, peer, threads, why):
    """The row of bench.json for what could not be measured."""
    return {"row": row, "peer": peer, "threads": threads, "ours_us": None, "peer_us": None,
            "ratio": None, "low": None, "high": None, "limit_percent": None, "error": why}


def differ(ours, theirs, tolerance):
    """What is wrong with our answer ({"shape", "values"}), or None."""
    if ours["shape"] != theirs["shape"]:
        return f"shape {ours['shape']}, expected {theirs['shape']}"
    for i, (a, b) in enumerate(zip(ours["values"], theirs["values"])):
        same = a == b or (math.isnan(a) and math.isnan(b))
        if not same and (math.isinf(b) or not abs(a - b) <= tolerance * (1 + abs(b))):
            return f"{a} instead of {b} (sample {i})"
    return None


def limit_percent(work, us, peaks):
    """What share of the machine's limit `us` reaches; None for rows without one.

    `work`: (kind, amount); `peaks`: "flops" a second and, for "read" and "byte" (reads and
    writes), bytes a second by size of what is touched: the nearest measured size from above
    counts, the largest for more than that."""
    if not work:
        return None
    kind, amount = work
    if kind == "flop":
        per_second = peaks["flops"]
    else:
        sizes = sorted((int(size), rate) for size, rate in peaks[kind].items())
        per_second = next((rate for size, rate in sizes if size >= amount), sizes[-1][1])
    return 100 * amount / per_second / (us * 1e-6)


def wanted(name, parts):
    """Whether a row of that name was asked for: any of the parts, or no part at all."""
    return not parts or any(part in name for part in parts)


def cpu_times():
    """(busy, stolen) seconds of all cores since the start of the machine."""
    with open("/proc/stat") as stat:
        ticks = [int(n) for n in stat.readline().split()[1:]]
    user, nice, system, _, _, irq, softirq, steal = (ticks + [0] * 8)[:8]
    hz = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / hz, steal / hz


def others(seconds=2.0):
    """Cores that others keep busy, and that the host takes from us, over some seconds."""
    begin, (busy, stolen) = time.monotonic(), cpu_times()
    time.sleep(seconds)
    elapsed, (busy_now, stolen_now) = time.monotonic() - begin, cpu_times()
    return (busy_now - busy) / elapsed, (stolen_now - stolen) / elapsed


def loaded(busy, stolen):
    """Why the machine is not fit to measure on, or None."""
    if busy > 0.25:
        return f"other processes keep {busy:.1f} of {os.cpu_count()} cores busy"
    if stolen > 0.05:
        return f"the host takes {stolen:.2f} cores away"
    return None

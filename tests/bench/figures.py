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


def merged(peaks, again):
    """The better of two measurements of the machine's limits (rates; of "meet", seconds)."""
    best = {}
    for name in peaks:
        a, b = peaks[name], again[name]
        if isinstance(a, dict):
            best[name] = merged(a, b)
        else:
            best[name] = min(a, b) if name == "meet" else max(a, b)
    return best


def least_seconds(kind, amount, threads, peaks):
    """What the work takes at least, by the limits measured for 1 and 2 threads.

    "flops" a second: what is shared out in halves takes the time of a meeting too, unless one
    thread is faster alone. Others are bytes a second by the bytes that one pass moves: the
    nearest measured size from above counts, the largest for more than that."""
    own = peaks.get(str(threads), peaks["1"])
    if kind == "flop":
        return min(amount / own["flops"] + own["meet"], amount / peaks["1"]["flops"])
    sizes = sorted((int(size), rate) for size, rate in own[kind].items())
    return amount / next((rate for size, rate in sizes if size >= amount), sizes[-1][1])


def limit_percent(work, us, threads, peaks):
    """What share of the machine's limit `us` reaches; None for rows without one, which have no
    `work`: (kind, amount)."""
    return 100 * least_seconds(*work, threads, peaks) / (us * 1e-6) if work else None


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

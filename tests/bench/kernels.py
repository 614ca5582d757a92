# SPDX-License-Identifier: MIT
"""Rows against ipykernel, through jupyter_client, and import and memory rows."""
import statistics
import subprocess
import sys
import time

from jupyter_client.manager import KernelManager

PRINT = {"rustorch": 'for (int i = 0; i < 20000; i++) { printf("line %d\\n", i); }',
         "python3": "for i in range(20000): print('line', i)"}
EMPTY = {"rustorch": "1;", "python3": "1;"}


class Kernel:
    def __init__(self, name):
        self.name = name
        begin = time.perf_counter()
        self.manager = KernelManager(kernel_name=name)
        self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.kernel_info()
        self.client.get_shell_msg(timeout=60)
        self.start_us = (time.perf_counter() - begin) * 1e6
        self.client.wait_for_ready(timeout=60)

    def run(self, code):
        """Microseconds from the request to the idle status."""
        begin = time.perf_counter()
        request = self.client.execute(code)
        while True:
            msg = self.client.get_iopub_msg(timeout=120)
            if (msg["parent_header"].get("msg_id") == request
                    and msg["content"].get("execution_state") == "idle"):
                break
        elapsed = (time.perf_counter() - begin) * 1e6
        self.client.get_shell_msg(timeout=60)
        return elapsed

    def queue(self, n):
        begin = time.perf_counter()
        for _ in range(n):
            self.client.execute(EMPTY[self.name])
        for _ in range(n):
            self.client.get_shell_msg(timeout=120)
        elapsed = (time.perf_counter() - begin) * 1e6
        while True:
            try:
                self.client.get_iopub_msg(timeout=0.2)
            except Exception:   # queue.Empty: the channel is drained
                return elapsed

    def memory_kb(self):
        """PSS of the kernel's process and its children."""
        pids = [self.manager.provisioner.pid]
        children = subprocess.run(["pgrep", "-P", str(pids[0])], text=True, capture_output=True)
        pids += [int(p) for p in children.stdout.split()]
        total = 0
        for pid in pids:
            for line in open(f"/proc/{pid}/smaps_rollup"):
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        return total

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def compared(row, peer, ours, theirs):
    ratios = [t / o for o, t in zip(ours, theirs)]
    return {"row": row, "peer": peer, "threads": 2, "ours_us": statistics.median(ours),
            "peer_us": statistics.median(theirs), "ratio": statistics.median(ratios),
            "low": min(ratios), "high": max(ratios), "limit_percent": None}


def kernel_rows(rounds=5):
    names = ("rustorch", "python3")
    starts, runs, prints, queues, memory = ({n: [] for n in names} for _ in range(5))
    for _ in range(rounds):
        for name in names:
            k = Kernel(name)
            starts[name].append(k.start_us)
            memory[name].append(k.memory_kb())
            runs[name].append(statistics.median(k.run(EMPTY[name]) for _ in range(50)))
            prints[name].append(k.run(PRINT[name]))
            queues[name].append(k.queue(1000))
            k.close()
    for row, found in (("kernel start to first reply", starts), ("execute to idle p50", runs),
                       ("20,000 printed lines", prints), ("1,000 queued cells", queues),
                       ("kernel memory at idle (KB, PSS)", memory)):
        yield compared(row, "ipykernel", found["rustorch"], found["python3"])


def import_rows(rounds=5):
    # Not getrusage: its maximum begins with the parent's memory before exec.
    code = ("import time; b = time.perf_counter(); import {0}; t = time.perf_counter() - b; "
            "print(t * 1e6, [l.split()[1] for l in open('/proc/self/status') if l[:5] == 'VmRSS'][0])")
    found = {n: ([], []) for n in ("rustorch", "torch")}
    for _ in range(rounds):
        for name, (times, sizes) in found.items():
            out = subprocess.check_output([sys.executable, "-c", code.format(name)], text=True)
            t, kb = out.split()
            times.append(float(t))
            sizes.append(float(kb))
    yield compared("import", "torch", found["rustorch"][0], found["torch"][0])
    yield compared("resident memory after import (KB)", "torch", found["rustorch"][1], found["torch"][1])


def measure_all(wanted):
    """Only when all rows, or rows named kernel, cells or import, are wanted."""
    if not wanted or any(w in "kernel execute printed queued memory" for w in wanted):
        yield from kernel_rows()
    if not wanted or any(w in "import resident" for w in wanted):
        yield from import_rows()
